//! FaceClique: an embeddable, restart-safe face-clustering job server.

pub mod cluster;
pub mod confidence;
pub mod face;
pub mod kernel;
