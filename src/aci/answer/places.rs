//! Which elements are arrays in JSON: the repeatable places (contract R45).
//!
//! **Promises.** An element is repeatable or not by where it stands, never by how often it occurs: by its parent and the
//! action that is answered. Siblings of one repeatable name stand next to each other.

/// The repeatable children of `parent`, in the answers of some actions or of all.
struct Place {
    /// In lower case. Empty: in any answer that has such a parent.
    actions: &'static [&'static str],
    parent: &'static str,
    children: &'static [&'static str],
}

const fn anywhere(parent: &'static str, children: &'static [&'static str]) -> Place {
    Place { actions: &[], parent, children }
}

const fn only(actions: &'static [&'static str], parent: &'static str, children: &'static [&'static str]) -> Place {
    Place { actions, parent, children }
}

/// The table of R45. A result stands in the answer of QueueInfo or, asked for synchronously (R80), in that of its own
/// action; so what means the same wherever it stands has no actions beside it. `responsedata` holds what the action
/// says, so it has them always.
const PLACES: [Place; 38] = [
    // QueueInfo
    anywhere("actions", &["action"]),
    only(&["queueinfo"], "responsedata", &["action"]),
    anywhere("progress", &["stage"]),
    anywhere("parameters", &["parameter"]),
    // FaceClustering
    anywhere("clusters", &["cluster"]),
    anywhere("cluster", &["face"]),
    anywhere("face", &["match"]),
    // BuildFace, TrainFace, BuildAllFaces
    anywhere("build", &["image"]),
    anywhere("action", &["entry"]),
    only(&["buildallfaces", "listfaces"], "responsedata", &["entry"]),
    // ImportFaceDatabase: the rows left out (R174)
    anywhere("skipped", &["row"]),
    // ListFaceDatabases: the database, not the name inside it, which is called so too
    only(&["listfacedatabases"], "responsedata", &["database"]),
    // ListDecisions, ListChanges
    only(&["listdecisions"], "responsedata", &["decision"]),
    only(&["listchanges"], "responsedata", &["change"]),
    // ListFaces, AddFaceImages, ListChanges
    anywhere("images", &["image"]),
    anywhere("metadata", &["item"]),
    anywhere("landmarks", &["point"]),
    anywhere("warnings", &["warning"]),
    // GetIdentityAudit
    anywhere("misfiled", &["image"]),
    anywhere("image", &["match"]),
    anywhere("sameperson", &["pair"]),
    anywhere("pair", &["identity", "link"]),
    anywhere("link", &["face"]),
    anywhere("severalpersons", &["identity"]),
    only(&["getidentityaudit"], "identity", &["part", "link"]),
    only(&["getidentityaudit"], "part", &["image"]),
    anywhere("duplicates", &["group"]),
    only(&["getidentityaudit"], "group", &["image", "link"]),
    anywhere("fragments", &["person"]),
    only(&["getidentityaudit"], "person", &["cluster", "link"]),
    anywhere("nobody", &["image"]),
    anywhere("unsupported", &["image"]),
    // GetLicenseInfo
    anywhere("autn:actions", &["autn:section"]),
    anywhere("autn:section", &["autn:action"]),
    // ShowPermissions, GetStatus
    anywhere("permissions", &["role"]),
    anywhere("queues", &["queue"]),
    // GetConfig, Help
    anywhere("configuration", &["section"]),
    anywhere("section", &["setting"]),
];

/// The places that count in the answer to one action.
pub(super) struct Places(Vec<&'static Place>);

impl Places {
    /// Those in the answer to `action`, in any letter case.
    pub(super) fn of(action: &str) -> Self {
        let counts = |place: &&Place| {
            place.actions.is_empty() || place.actions.iter().any(|name| name.eq_ignore_ascii_case(action))
        };
        Self(PLACES.iter().filter(counts).collect())
    }

    /// The repeatable children of `parent`.
    pub(super) fn below(&self, parent: &str) -> &'static [&'static str] {
        self.0.iter().find(|place| place.parent == parent).map_or(&[], |place| place.children)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_array(action: &str, parent: &str, child: &str) -> bool {
        Places::of(action).below(parent).contains(&child)
    }

    #[test]
    fn r45_the_table_holds_in_the_answers_it_names() {
        for (action, parent, children) in [
            ("QueueInfo", "actions", &["action"][..]),
            ("QueueInfo", "responsedata", &["action"]),
            ("QueueInfo", "progress", &["stage"]),
            ("QueueInfo", "parameters", &["parameter"]),
            ("QueueInfo", "clusters", &["cluster"]),
            ("FaceClustering", "cluster", &["face"]),
            ("FaceClustering", "face", &["match"]),
            ("BuildFace", "build", &["image"]),
            ("QueueInfo", "build", &["image"]),
            ("QueueInfo", "action", &["entry"]),
            ("BuildAllFaces", "responsedata", &["entry"]),
            ("BuildAllFaces", "build", &["image"]),
            ("LISTFACEDATABASES", "responsedata", &["database"]),
            ("listfaces", "responsedata", &["entry"]),
            ("ListFaces", "images", &["image"]),
            ("ListFaces", "metadata", &["item"]),
            ("ListFaces", "landmarks", &["point"]),
            ("ListFaces", "warnings", &["warning"]),
            ("AddFaceImages", "images", &["image"]),
            ("GetIdentityAudit", "misfiled", &["image"]),
            ("GetIdentityAudit", "image", &["match"]),
            ("GetIdentityAudit", "sameperson", &["pair"]),
            ("GetIdentityAudit", "pair", &["identity", "link"]),
            ("GetIdentityAudit", "link", &["face"]),
            ("GetLicenseInfo", "autn:actions", &["autn:section"]),
            ("GetLicenseInfo", "autn:section", &["autn:action"]),
            ("ShowPermissions", "permissions", &["role"]),
            ("GetStatus", "queues", &["queue"]),
        ] {
            for child in children {
                assert!(is_array(action, parent, child), "{action}: {child} in {parent}");
            }
        }
    }

    #[test]
    fn r45_the_same_name_elsewhere_is_no_array() {
        for (action, parent, child) in [
            ("ListFaceDatabases", "database", "database"),
            ("TrainFace", "responsedata", "database"),
            ("QueueInfo", "action", "database"),
            ("QueueInfo", "autnresponse", "action"),
            ("QueueInfo", "responsedata", "queue"),
            ("QueueInfo", "action", "resultclusters"),
            ("QueueInfo", "action", "search"),
            ("FaceClustering", "face", "database"),
            ("NewFace", "responsedata", "identifier"),
            ("GetLicenseInfo", "autn:section", "autn:name"),
            ("GetStatus", "responsedata", "queues"),
        ] {
            assert!(!is_array(action, parent, child), "{action}: {child} in {parent}");
        }
    }
}
