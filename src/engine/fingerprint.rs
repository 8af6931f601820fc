//! Fingerprints of faces: sixteen bytes that say which image this is and with which embedding.
//!
//! **Promises.** Faces with one fingerprint have the same names and the same embedding, bit for bit.
//!
//! **Why sixteen bytes.** Two of a million different faces share one with a probability of 2^-88, and to make two on
//! purpose takes 2^64 attempts.

use std::num::NonZeroUsize;
use std::thread;

use crate::face::FaceSet;

/// The first bytes of a face's BLAKE3.
pub(super) type Print = [u8; 16];

/// What is like no other: a whole BLAKE3.
pub(super) type Identity = [u8; 32];

/// The fingerprints of all faces, in image order.
pub(super) fn prints(faces: &FaceSet, threads: NonZeroUsize) -> Vec<Print> {
    let mut prints = vec![Print::default(); faces.len()];
    let each = faces.len().div_ceil(threads.get()).max(1);
    thread::scope(|scope| {
        for (piece, prints) in prints.chunks_mut(each).enumerate() {
            scope.spawn(move || {
                let mut bytes = Vec::new();
                for (face, print) in (piece * each..).zip(prints) {
                    *print = self::print(faces, face, &mut bytes);
                }
            });
        }
    });
    prints
}

fn print(faces: &FaceSet, face: usize, bytes: &mut Vec<u8>) -> Print {
    let id = faces.id(face);
    bytes.clear();
    for name in [id.database.as_str(), id.identifier.as_str(), id.label.as_str()] {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0); // no name holds it (contract R13)
    }
    bytes.extend(faces.row(face).iter().flat_map(|value| value.to_le_bytes()));
    let hash = blake3::hash(bytes);
    *hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::{Embedding, face_id};

    #[test]
    fn a_fingerprint_is_of_the_names_and_the_embedding_and_of_nothing_else() {
        let of = |rows: &[(&str, &str, [f32; 2])], threads| {
            let faces = rows.iter().map(|&(identifier, label, row)| {
                (face_id("d", identifier, label).unwrap(), Embedding::new(row).unwrap())
            });
            prints(&FaceSet::new(faces).unwrap(), NonZeroUsize::new(threads).unwrap())
        };
        let rows = [("a", "1", [1.0, 0.0]), ("a", "2", [1.0, 0.0]), ("b", "1", [0.0, 1.0])];
        let all = of(&rows, 1);
        assert_eq!(of(&rows, 2), all);
        assert_eq!(of(&rows, 7), all);
        assert_eq!(of(&rows[1..], 1), all[1..]);
        let others = of(&[("a", "1", [1.0, 0.1]), ("a1", "x", [1.0, 0.0])], 1);
        assert!(others.iter().all(|print| !all.contains(print)));
        assert_eq!(of(&[], 2), Vec::<Print>::new());
    }
}
