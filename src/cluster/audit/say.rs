//! A finding in words: its stable id and the one sentence that says why.

use super::finding::{Case, Cross, Evidence, Finding, Fit};
use super::identities::Identities;
use crate::face::FaceId;

/// A share as people say it.
fn of(part: impl std::fmt::Display, all: impl std::fmt::Display) -> String {
    format!("{part} of {all}")
}

fn images(n: usize) -> String {
    if n == 1 { "1 image".to_owned() } else { format!("{n} images") }
}

/// How an image fits an identity.
fn fit(fit: &Fit) -> String {
    format!("matches {} (best {})", of(fit.reaching, fit.compared), fit.best)
}

fn pairs(cross: &Cross) -> String {
    format!("{} pairs match", of(cross.reaching, cross.compared))
}

impl Finding {
    /// What names it in every run: a hash of its kind and the names that it is about, 16 hexadecimal digits. Not of its
    /// score, nor of which images support it, so that it is the same after a change elsewhere.
    pub fn id(&self, ids: &[FaceId], identities: &Identities) -> String {
        let mut hash = Fnv::new(self.case.kind().name());
        let mut faces = |faces: &[u32]| faces.iter().for_each(|&face| hash.image(&ids[face as usize]));
        match &self.case {
            Case::Misfiled { face, suggested, .. } => {
                faces(&[*face]);
                hash.identity(&ids[identities.faces(suggested.identity).start as usize]);
            }
            Case::SamePerson { first, second, .. } => {
                for identity in [first, second] {
                    hash.identity(&ids[identities.faces(*identity).start as usize]);
                }
            }
            Case::SeveralPersons { identity, .. } => hash.identity(&ids[identities.faces(*identity).start as usize]),
            Case::Duplicates { faces: all, .. } => faces(all),
            // Clusters have no names: the strongest link between them stands for them.
            Case::Fragments { .. } => {
                if let Some(Evidence { first, second, .. }) = self.evidence.first() {
                    faces(&[*first, *second]);
                }
            }
            Case::Nobody { face, .. } | Case::Unsupported { face } => faces(&[*face]),
        }
        hash.finish()
    }

    /// Why it was found, in one sentence.
    pub fn reason(&self, ids: &[FaceId], identities: &Identities) -> String {
        let identifier = |identity: u32| ids[identities.faces(identity).start as usize].identifier.as_str();
        match &self.case {
            Case::Misfiled { own, suggested, .. } => format!(
                "It {} of {}, and {} of its own {}.",
                fit(suggested),
                identifier(suggested.identity),
                fit(own),
                identifier(own.identity)
            ),
            Case::SamePerson { first, second, cross, .. } => format!(
                "{} between {} and {}, {} on average.",
                pairs(cross),
                identifier(*first),
                identifier(*second),
                cross.mean
            ),
            Case::SeveralPersons { identity, parts, between } => {
                let sizes: Vec<String> = parts.iter().map(|part| part.len().to_string()).collect();
                format!(
                    "The images of {} fall into parts of {}; between the two largest {}, {} on average.",
                    identifier(*identity),
                    sizes.join(", "),
                    pairs(between),
                    between.mean
                )
            }
            Case::Duplicates { faces, is_exact } => {
                let mut of: Vec<u32> = faces.iter().map(|&face| identities.of(face)).collect();
                of.dedup();
                let what = if *is_exact { "have equal embeddings" } else { "are nearly equal" };
                match &of[..] {
                    [only] => format!("{} of {} {what}.", images(faces.len()), identifier(*only)),
                    _ => format!("{} under {} identifiers {what}.", images(faces.len()), of.len()),
                }
            }
            Case::Fragments { clusters, images, between } => format!(
                "{images} images are in {} clusters, and yet {} between these, {} on average.",
                clusters.len(),
                pairs(between),
                between.mean
            ),
            Case::Nobody { own, .. } => {
                format!("It {} of its own {}, and nobody else.", fit(own), identifier(own.identity))
            }
            Case::Unsupported { face } => {
                format!("It is the only image of {}, and matches no other.", identifier(identities.of(*face)))
            }
        }
    }
}

/// FNV-1a, 64 bits, of names with a zero behind each, which no name holds.
struct Fnv(u64);

impl Fnv {
    fn new(kind: &str) -> Self {
        let mut hash = Self(0xcbf2_9ce4_8422_2325);
        hash.name(kind);
        hash
    }

    fn name(&mut self, name: &str) {
        for byte in name.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn identity(&mut self, id: &FaceId) {
        self.name(id.database.as_str());
        self.name(id.identifier.as_str());
    }

    fn image(&mut self, id: &FaceId) {
        self.identity(id);
        self.name(id.label.as_str());
    }

    fn finish(self) -> String {
        format!("{:016x}", self.0)
    }
}
