//! Label errors of Labeled Faces in the Wild that others have published, and what is known of names.
//!
//! The table is facts from one list: `main_distance_investigation/configs.py` in
//! <https://github.com/jackgrimes/face-distance-investigation> (commit b54e964). It names images that "cause problems -
//! for example because they are duplicated with different names or because the labelled person's face doesn't get
//! recognised", without saying which of the two an image is; so not each of them has to be a wrong label. And it names
//! pairs of people "who are actually the same person", among them the twins Mowry, who are two. The two equal pictures of
//! the data (Ricky Ray, Raul Ibanez) are in it. The paper on FaceNet (Schroff, Kalenichenko, Philbin 2015, figure 6) says
//! that five matching pairs of the benchmark are mislabelled, and shows them without names. The page of the data set has a
//! list of its own, which could not be read when this table was made: what is only there is missing here.
//!
//! **Not here.** Looking at pictures: what a finding is known to be is known from names and lists alone.

use faceclique::cluster::audit::{Case, Finding, Identities};
use faceclique::face::FaceId;

/// What was published.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    /// Something is wrong with this image.
    Image(&'static str),
    /// These two names are one person, or their images are mixed up.
    People(&'static str, &'static str),
}

use Published::{Image, People};

pub(crate) const PUBLISHED: [Published; 33] = [
    Image("Abdullah_Gul_0012"),
    Image("Andrew_Caldecott_0001"),
    Image("Anja_Paerson_0001"),
    Image("Bart_Hendricks_0001"),
    Image("Carlos_Beltran_0001"),
    Image("Colin_Powell_0206"),
    Image("Emmy_Rossum_0001"),
    Image("Franklin_Damann_0001"),
    Image("Gabrielle_Rose_0001"),
    Image("Hans_Blix_0026"),
    Image("James_Becker_0001"),
    Image("Janica_Kostelic_0001"),
    Image("Mahathir_Mohamad_0009"),
    Image("Mahmoud_Abbas_0021"),
    Image("Michael_Schumacher_0008"),
    Image("Morgan_Hentzen_0001"),
    Image("Raul_Ibanez_0001"),
    Image("Recep_Tayyip_Erdogan_0004"),
    Image("Ricky_Ray_0001"),
    Image("Tung_Chee-hwa_0001"),
    Image("Vecdi_Gonul_0001"),
    People("Carlos_Ruckauf", "Eduardo_Duhalde"),
    People("Choi_Sung-hong", "Sung_Hong_Choi"),
    People("Chyung_Dai-chul", "Dai_Chul_Chyung"),
    People("Felipe_De_Borbon", "Prince_Felipe"),
    People("Hasan_Wirayuda", "Hassan_Wirajuda"),
    People("Hu_Jintao", "Wen_Jiabao"),
    People("John_Barnett", "John_Burnett"),
    People("Nan_Wang", "Wang_Nan"),
    People("Noer_Moeis", "Noer_Muis"),
    People("Shinya_Taniguchi", "Takahiro_Mori"),
    People("Tamara_Mowry", "Tia_Mowry"),
    People("Wang_Yingfan", "Yingfan_Wang"),
];

/// Pairs of names of which it is generally known who they are.
const KNOWN: [(&str, &str, &str); 11] = [
    ("Ashley_Olsen", "Mary-Kate_Olsen", "twin sisters"),
    ("Bill_Pryor", "William_Pryor_Jr", "one person: William Pryor, called Bill"),
    ("Bison_Dele", "Brian_Williams", "one person by name: Bison Dele was Brian Williams before"),
    ("Carolina_Moraes", "Isabela_Moraes", "twin sisters"),
    ("Cristina_Fernandez", "Cristina_Kirchner", "one person by name: Cristina Fernandez de Kirchner"),
    ("Doc_Rivers", "Glenn_Rivers", "one person: Glenn Rivers, called Doc"),
    ("James_Phelps", "Oliver_Phelps", "twin brothers"),
    ("Joseph_Blatter", "Sepp_Blatter", "one person: Joseph Blatter, called Sepp"),
    ("Ruano_Pascual", "Virgina_Ruano_Pascal", "one person: Virginia Ruano Pascual"),
    ("Talisa_Bratt", "Talisa_Soto", "one person: Talisa Soto, married Bratt"),
    ("Tamara_Mowry", "Tia_Mowry", "twin sisters"),
];

/// The labels and identifiers that a finding is about.
struct About {
    labels: Vec<String>,
    identifiers: Vec<String>,
}

fn about(finding: &Finding, ids: &[FaceId], identities: &Identities) -> About {
    let identifier = |identity: u32| ids[identities.faces(identity).start as usize].identifier.to_string();
    let of_face = |face: u32| ids[face as usize].identifier.to_string();
    let (mut faces, identifiers) = match &finding.case {
        Case::Misfiled { face, own, suggested } => {
            (vec![*face], vec![identifier(own.identity), identifier(suggested.identity)])
        }
        Case::SamePerson { first, second, .. } => (Vec::new(), vec![identifier(*first), identifier(*second)]),
        Case::SeveralPersons { identity, parts, .. } => (parts[1..].concat(), vec![identifier(*identity)]),
        Case::Duplicates { faces, .. } => (faces.clone(), faces.iter().map(|&face| of_face(face)).collect()),
        Case::Nobody { face, .. } => (vec![*face], vec![of_face(*face)]),
        Case::Fragments { .. } | Case::Unsupported { .. } => (Vec::new(), Vec::new()),
    };
    if matches!(finding.case, Case::Misfiled { .. } | Case::SamePerson { .. }) {
        faces.extend(finding.evidence.first().into_iter().flat_map(|pair| [pair.first, pair.second]));
    }
    let labels = faces.iter().map(|&face| ids[face as usize].label.to_string()).collect();
    About { labels, identifiers }
}

impl Published {
    /// Whether a finding is about this: about the image, or by its strongest pair; about both people.
    pub(crate) fn is_in(self, finding: &Finding, ids: &[FaceId], identities: &Identities) -> bool {
        let about = about(finding, ids, identities);
        let has = |name: &str| about.identifiers.iter().any(|identifier| identifier == name);
        match self {
            Image(label) => about.labels.iter().any(|other| other == label),
            People(first, second) => has(first) && has(second),
        }
    }
}

/// Whether a finding is about something that was published.
pub(crate) fn is_published(finding: &Finding, ids: &[FaceId], identities: &Identities) -> bool {
    PUBLISHED.iter().any(|published| published.is_in(finding, ids, identities))
}

/// What is known of a finding without having seen a picture.
pub(crate) fn known(finding: &Finding, ids: &[FaceId], identities: &Identities) -> String {
    let mut identifiers = about(finding, ids, identities).identifiers;
    identifiers.sort();
    identifiers.dedup();
    let known = KNOWN.iter().find(|(a, b, _)| identifiers.iter().any(|i| i == a) && identifiers.iter().any(|i| i == b));
    if let Some((_, _, what)) = known {
        return (*what).to_owned();
    }
    if is_published(finding, ids, identities) {
        return "published".to_owned();
    }
    match &identifiers[..] {
        [_] => "one identifier".to_owned(),
        [first, second] if are_spellings(first, second) => "one name, spelt in two ways".to_owned(),
        _ => "unknown".to_owned(),
    }
}

/// The parts of a name in one order, in small letters.
fn parts(name: &str) -> Vec<String> {
    let mut parts: Vec<String> = name.split(['_', '-']).map(str::to_lowercase).collect();
    parts.sort();
    parts
}

/// Whether two names have the same parts in any order, but for one with up to two other letters, or one name has up to two
/// parts more.
fn are_spellings(first: &str, second: &str) -> bool {
    let (first, second) = (parts(first), parts(second));
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|part| !those.contains(part)).cloned().collect()
    };
    first.len().min(second.len()) > 1
        && match (&only(&first, &second)[..], &only(&second, &first)[..]) {
            ([], rest) | (rest, []) => rest.len() <= 2,
            ([one], [other]) => edits(one, other) <= 2,
            _ => false,
        }
}

/// How many letters have to be put in, taken out or changed (Levenshtein).
fn edits(first: &str, second: &str) -> usize {
    let second: Vec<char> = second.chars().collect();
    let mut row: Vec<usize> = (0..=second.len()).collect();
    for (at, a) in first.chars().enumerate() {
        let mut before = row[0];
        row[0] = at + 1;
        for (column, &b) in second.iter().enumerate() {
            let changed = before + usize::from(a != b);
            before = row[column + 1];
            row[column + 1] = changed.min(before + 1).min(row[column] + 1);
        }
    }
    row[second.len()]
}
