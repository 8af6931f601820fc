//! GetIdentityAudit page by page, and what it says of jobs that have no audit (contract R169).

use std::sync::Arc;

use crate::actions::are_golden;
use crate::masked::{TOKEN, masked};
use crate::seams::{Trouble, Troubled};
use crate::world::{World, get, row_of};

/// Each part of an audit that is asked for.
const PAGES: [(&str, &str); 5] = [
    ("GetIdentityAudit-page-1", "maxresults=1&totals=true"),
    ("GetIdentityAudit-page-2", "firstresult=2&maxresults=1&totals=true"),
    ("GetIdentityAudit-beyond", "firstresult=9&totals=true"),
    ("GetIdentityAudit-kinds", "kinds=SamePerson,unsupported&maxresults=0&totals=true"),
    ("GetIdentityAudit-likely", "kinds=misfiled&minscore=0.996"),
];

/// The same behind decisions.
const DECIDED: [(&str, &str); 3] = [
    ("GetIdentityAudit-undecided", "decided=false&totals=true&kinds=misfiled,sameperson"),
    ("GetIdentityAudit-decided", "decided=true&totals=true&kinds=misfiled,sameperson"),
    ("GetIdentityAudit-all", "kinds=misfiled,sameperson&maxresults=1"),
];

/// The names of the goldens.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PAGES.into_iter().chain(DECIDED).map(|(name, _)| name)
}

/// Two images under a wrong identifier, one person under three, and one who is there with one picture.
pub(crate) fn rows() -> String {
    let of = |identifier: &str, direction, labels: &[(&str, usize)]| -> String {
        labels.iter().map(|(label, mixed)| row_of(identifier, label, direction, *mixed)).collect()
    };
    [
        of("SeanConnery", 0, &[("A", 0), ("B", 1), ("C", 2)]),
        of("JamesBond", 1, &[("A", 0), ("B", 1), ("C", 2)]),
        of("JamesBond", 0, &[("D", 3)]),
        of("Moneypenny", 2, &[("A", 0), ("B", 1), ("C", 2)]),
        of("Moneypenny", 1, &[("D", 3)]),
        of("Penny", 2, &[("F", 3)]),
    ]
    .concat()
}

#[test]
fn r169_an_audit_is_read_page_by_page() {
    for (name, asked) in PAGES {
        let request = get(&format!("/action=GetIdentityAudit&token={TOKEN}&{asked}"));
        are_golden(name, &request, |request| masked(&World::audited_of(&rows(), |_| {}).ask(request)));
    }
}

#[test]
fn a_finding_that_somebody_has_decided_upon_is_left_out_or_told_with_the_decision() {
    for (name, asked) in DECIDED {
        let request = get(&format!("/action=GetIdentityAudit&token={TOKEN}&{asked}"));
        are_golden(name, &request, |request| {
            let world = World::audited_of(&rows(), |_| {});
            world.get("/action=AddDecision&decision=labelright&database=people&identifier=JamesBond&imagelabel=D");
            world.get(
                "/action=AddDecision&decision=notsame&database=people&identifier=Penny&otheridentifier=Moneypenny",
            );
            masked(&world.ask(request))
        });
    }
}

/// A world whose job lost what says where its audit is.
pub(crate) fn lost() -> World {
    let store = Arc::new(Troubled::default());
    let world = World::audited_of(&rows(), |setup| setup.store = Some(Arc::<Troubled>::clone(&store)));
    store.expect(Trouble::AuditIsLost);
    world
}
