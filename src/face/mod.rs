//! The vocabulary: names, face images, embeddings, and the set of them that a clustering works on.
//!
//! **Promises.** An [`Embedding`] is finite and of unit length; a [`FaceSet`] holds embeddings of one dimension in
//! image order, no image twice. Both are checked once, at the only door in, so that nothing behind it checks again.
//!
//! **Not here.** Where faces come from (`exchange`, `store`) and what is computed from them (`cluster`).

mod embedding;
mod names;
mod status;

use thiserror::Error;

pub use embedding::{Embedding, EmbeddingError, MAX_DIMENSION, UNIT_TOLERANCE};
pub use names::{DatabaseName, FaceId, Identifier, ImageLabel, MAX_NAME_BYTES, NameError, check_name, face_id};
pub use status::{FailReason, FailReasonError, ImageStatus, ImageStatusError};

/// Why faces do not make a set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FaceSetError {
    /// An embedding of another dimension than the first one's.
    #[error("image {face} has dimension {dimension}, expected {expected} like the first image")]
    Dimension {
        /// The image.
        face: FaceId,
        /// The dimension of its embedding.
        dimension: usize,
        /// The dimension of the set.
        expected: usize,
    },
    /// The same image twice.
    #[error("image {face} is there twice")]
    Duplicate {
        /// The image.
        face: FaceId,
    },
    /// More faces than a 32-bit index can count.
    #[error("a set holds at most {} faces", u32::MAX)]
    TooMany,
}

/// Face images with their embeddings: row-major, one dimension, in image order, no image twice.
///
/// A face is spoken of by its index, 0 to `len() - 1`; the order of the indices is image order.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceSet {
    ids: Vec<FaceId>,
    dimension: usize,
    values: Vec<f32>,
}

impl FaceSet {
    /// The set of these faces, given in any order.
    pub fn new(faces: impl IntoIterator<Item = (FaceId, Embedding)>) -> Result<Self, FaceSetError> {
        let mut set = Self { ids: Vec::new(), dimension: 0, values: Vec::new() };
        for (id, embedding) in faces {
            set.push(id, &embedding)?;
        }
        set.sort();
        match set.ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(FaceSetError::Duplicate { face: pair[0].clone() }),
            None => Ok(set),
        }
    }

    fn push(&mut self, id: FaceId, embedding: &Embedding) -> Result<(), FaceSetError> {
        let dimension = embedding.dimension();
        if self.ids.is_empty() {
            self.dimension = dimension;
        } else if dimension != self.dimension {
            return Err(FaceSetError::Dimension { face: id, dimension, expected: self.dimension });
        }
        if self.ids.len() >= u32::MAX as usize {
            return Err(FaceSetError::TooMany);
        }
        self.ids.push(id);
        self.values.extend_from_slice(embedding.values());
        Ok(())
    }

    /// Brings the rows into image order; a store yields them so already, and then nothing is copied.
    fn sort(&mut self) {
        if self.ids.is_sorted() {
            return;
        }
        let mut order: Vec<usize> = (0..self.ids.len()).collect();
        order.sort_by(|&a, &b| self.ids[a].cmp(&self.ids[b]));
        self.values = order.iter().flat_map(|&i| self.row(i).iter().copied()).collect();
        self.ids = order.iter().map(|&i| self.ids[i].clone()).collect();
    }

    /// How many faces.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The dimension of every embedding; 0 for an empty set.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Which image face `index` is.
    ///
    /// # Panics
    /// If there is no such face.
    pub fn id(&self, index: usize) -> &FaceId {
        &self.ids[index]
    }

    /// All images, in image order.
    pub fn ids(&self) -> &[FaceId] {
        &self.ids
    }

    /// The embedding of face `index`, as numbers.
    ///
    /// # Panics
    /// If there is no such face.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.dimension..][..self.dimension]
    }

    /// The embeddings of all faces, row after row (`len() * dimension()` numbers).
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(identifier: &str, label: &str) -> FaceId {
        FaceId {
            database: DatabaseName::new("d").unwrap(),
            identifier: Identifier::new(identifier).unwrap(),
            label: ImageLabel::new(label).unwrap(),
        }
    }

    #[test]
    fn a_set_is_in_image_order_whatever_the_order_it_came_in() {
        let faces = [(id("b", "1"), [1.0, 0.0]), (id("a", "2"), [0.0, 1.0]), (id("a", "10"), [0.6, 0.8])];
        let set = FaceSet::new(faces.map(|(id, v)| (id, Embedding::new(v).unwrap()))).unwrap();
        assert_eq!(set.ids(), [id("a", "10"), id("a", "2"), id("b", "1")]);
        assert_eq!(set.row(0), [0.6, 0.8]);
        assert_eq!(set.row(2), [1.0, 0.0]);
    }

    #[test]
    fn a_set_has_one_dimension_and_no_image_twice() {
        let embedding = |d: usize| Embedding::new(vec![1.0; d]).unwrap();
        let mixed = FaceSet::new([(id("a", "1"), embedding(2)), (id("a", "2"), embedding(3))]);
        assert_eq!(mixed, Err(FaceSetError::Dimension { face: id("a", "2"), dimension: 3, expected: 2 }));
        let twice = FaceSet::new([(id("a", "1"), embedding(2)), (id("a", "1"), embedding(2))]);
        assert_eq!(twice, Err(FaceSetError::Duplicate { face: id("a", "1") }));
    }
}
