//! What a model says of a face: a vector that is finite and of unit length.

use thiserror::Error;

/// The largest dimension of an embedding.
pub const MAX_DIMENSION: usize = 4096;

/// A vector whose length differs from 1 by no more than this is kept bit for bit (contract R173).
pub const UNIT_TOLERANCE: f64 = 1e-6;

/// Why numbers are not an embedding.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum EmbeddingError {
    /// No numbers.
    #[error("an embedding has at least 1 number, this one has none")]
    Empty,
    /// More than [`MAX_DIMENSION`] numbers.
    #[error("an embedding has at most {MAX_DIMENSION} numbers, this one has {dimension}")]
    TooLong {
        /// How many there are.
        dimension: usize,
    },
    /// NaN or an infinity.
    #[error("number {} of the embedding is {value}, not a finite number", index + 1)]
    NotFinite {
        /// Its index, from 0.
        index: usize,
        /// The value.
        value: f32,
    },
    /// Length zero: it has no direction.
    #[error("all {dimension} numbers of the embedding are zero, so it has no direction")]
    Zero {
        /// How many zeros.
        dimension: usize,
    },
}

/// What an embedding model says of a face: a finite vector of unit length, 1 to [`MAX_DIMENSION`] numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding(Box<[f32]>);

impl Embedding {
    /// Checks the numbers and scales them to unit length, unless their length is 1 within [`UNIT_TOLERANCE`]: then
    /// they are kept bit for bit, so that what was exported comes back the same.
    pub fn new(values: impl Into<Box<[f32]>>) -> Result<Self, EmbeddingError> {
        let mut values = values.into();
        let dimension = values.len();
        if dimension == 0 {
            return Err(EmbeddingError::Empty);
        }
        if dimension > MAX_DIMENSION {
            return Err(EmbeddingError::TooLong { dimension });
        }
        if let Some((index, &value)) = values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(EmbeddingError::NotFinite { index, value });
        }
        let length = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        if length == 0.0 {
            return Err(EmbeddingError::Zero { dimension });
        }
        if (length - 1.0).abs() > UNIT_TOLERANCE {
            for value in &mut values {
                *value = (f64::from(*value) / length) as f32;
            }
        }
        Ok(Self(values))
    }

    /// The numbers.
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// How many numbers.
    pub fn dimension(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedding_is_scaled_to_unit_length_once() {
        let once = Embedding::new(vec![3.0, 4.0]).unwrap();
        assert_eq!(once.values(), [0.6, 0.8]);
        assert_eq!(Embedding::new(once.values()).unwrap(), once);
        let tiny = Embedding::new(vec![f32::MIN_POSITIVE / 8.0, 0.0]).unwrap();
        assert_eq!(tiny.values(), [1.0, 0.0]);
        let huge = Embedding::new(vec![f32::MAX, f32::MAX]).unwrap();
        assert!((huge.values()[0] - 0.5f32.sqrt()).abs() < 1e-7);
    }

    #[test]
    fn numbers_without_a_direction_are_refused() {
        assert_eq!(Embedding::new(vec![]), Err(EmbeddingError::Empty));
        assert_eq!(Embedding::new(vec![0.0; 3]), Err(EmbeddingError::Zero { dimension: 3 }));
        assert_eq!(Embedding::new(vec![0.5; 4097]), Err(EmbeddingError::TooLong { dimension: 4097 }));
        let error = Embedding::new(vec![1.0, f32::NEG_INFINITY]).unwrap_err();
        assert_eq!(error.to_string(), "number 2 of the embedding is -inf, not a finite number");
        assert!(Embedding::new(vec![f32::NAN]).is_err());
    }
}
