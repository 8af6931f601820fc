//! FaceClique: an embeddable, restart-safe face-clustering job server.

pub mod confidence;
pub mod face;
