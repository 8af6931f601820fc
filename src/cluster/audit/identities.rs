//! Which images are filed under one identifier: identities by number, in image order.

use std::ops::Range;

use crate::face::FaceId;

/// The identities of a list of images in image order, numbered from 0 in that order. An identity is a database and an
/// identifier in it (contract R170).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identities {
    /// Where the faces of each begin, and one end more.
    starts: Vec<u32>,
    of: Vec<u32>,
}

impl Identities {
    /// Those of `ids`, which are in image order, as those of a face set and those of a stored result are.
    pub fn new(ids: &[FaceId]) -> Self {
        let is_same = |a: &FaceId, b: &FaceId| (&a.database, &a.identifier) == (&b.database, &b.identifier);
        let (mut starts, mut of) = (Vec::new(), Vec::with_capacity(ids.len()));
        for (face, id) in ids.iter().enumerate() {
            if face == 0 || !is_same(&ids[face - 1], id) {
                starts.push(face as u32);
            }
            of.push(starts.len() as u32 - 1);
        }
        starts.push(ids.len() as u32);
        Self { starts, of }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The identity of a face.
    ///
    /// # Panics
    /// If there is no such face.
    pub fn of(&self, face: u32) -> u32 {
        self.of[face as usize]
    }

    /// The faces of an identity, which follow one another.
    ///
    /// # Panics
    /// If there is no such identity.
    pub fn faces(&self, identity: u32) -> Range<u32> {
        self.starts[identity as usize]..self.starts[identity as usize + 1]
    }

    /// How many faces it has.
    ///
    /// # Panics
    /// If there is no such identity.
    pub fn size(&self, identity: u32) -> u32 {
        self.faces(identity).len() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::face_id;

    #[test]
    fn an_identity_is_a_database_and_an_identifier() {
        let names = [("a", "x", "1"), ("a", "x", "2"), ("a", "y", "1"), ("b", "y", "1")];
        let ids: Vec<FaceId> = names.iter().map(|(d, i, l)| face_id(d, i, l).unwrap()).collect();
        let identities = Identities::new(&ids);
        assert_eq!(identities.len(), 3);
        assert_eq!((identities.faces(0), identities.faces(1), identities.faces(2)), (0..2, 2..3, 3..4));
        assert_eq!((identities.of(1), identities.of(3), identities.size(0)), (0, 2, 2));
        assert!(Identities::new(&[]).is_empty());
    }
}
