//! What a model says of a face that lies on its template.

use super::detect::Landmarks;
use super::pack::{ColourOrder, EmbedderPart, PackError};
use super::picture::Picture;
use super::runtime::{Lane, Network, RuntimeError};
use super::unusable::{LookError, Unusable};
use crate::face::{Embedding, FailReason};

/// An embedder, ready.
#[derive(Debug)]
pub(super) struct Embedder {
    network: Network,
    settings: EmbedderPart,
}

impl Embedder {
    /// Loads a model and runs it once.
    pub(super) fn open(part: &EmbedderPart, onnx: &[u8], lane: &Lane<'_>) -> Result<Self, PackError> {
        let refuse = |text: String| PackError::Model { file: part.file.clone(), text };
        let network = Network::open(onnx, &[]).map_err(|error| refuse(error.to_string()))?;
        if let Some((height, width)) = network.fixed_size()
            && (height, width) != (part.size, part.size)
        {
            return Err(refuse(format!("its input is {width} x {height}, the pack says size = {}", part.size)));
        }
        let embedder = Self { network, settings: part.clone() };
        let grey = Picture::new(part.size, part.size, vec![128; 3 * part.size * part.size]);
        embedder.run(&grey, lane).map_err(|error| refuse(error.to_string()))?;
        Ok(embedder)
    }

    /// How many numbers its embeddings have.
    pub(super) fn dimension(&self) -> usize {
        self.settings.dimension
    }

    /// The side of the square it is shown, in pixels.
    pub(super) fn side(&self) -> usize {
        self.settings.size
    }

    /// Where the five landmarks lie in that square.
    pub(super) fn template(&self) -> &Landmarks {
        &self.settings.template
    }

    /// The embedding of a crop, and the length of the vector before it was scaled to 1.
    pub(super) fn embed(&self, crop: &Picture, lane: &Lane<'_>) -> Result<(Embedding, f32), LookError> {
        let values = self.run(crop, lane)?;
        let norm = values.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt() as f32;
        let embedding = Embedding::new(values).map_err(|error| Unusable::new(FailReason::NoFace, error.to_string()))?;
        Ok((embedding, norm))
    }

    fn run(&self, crop: &Picture, lane: &Lane<'_>) -> Result<Vec<f32>, RuntimeError> {
        let EmbedderPart { size, dimension, .. } = self.settings;
        let mut outputs = self.network.run((size, size), self.planes(crop), lane)?;
        let output = outputs.pop().ok_or_else(|| RuntimeError::new("it has no output".to_owned()))?;
        if output.values.len() != dimension {
            let (shape, found) = (output.shape, output.values.len());
            let text = format!("its output has {found} numbers {shape:?}, the pack says dimension = {dimension}");
            return Err(RuntimeError::new(text));
        }
        Ok(output.values)
    }

    /// The crop as three planes, in the model's order and scale.
    fn planes(&self, crop: &Picture) -> Vec<f32> {
        let EmbedderPart { mean, scale, .. } = self.settings;
        let channels = match self.settings.colours {
            ColourOrder::Rgb => [0, 1, 2],
            ColourOrder::Bgr => [2, 1, 0],
        };
        let plane =
            |channel: usize| crop.rgb().chunks_exact(3).map(move |pixel| (f32::from(pixel[channel]) - mean) * scale);
        channels.into_iter().flat_map(plane).collect()
    }
}
