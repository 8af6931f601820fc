//! FaceClique: an embeddable, restart-safe face-clustering job server.

pub mod confidence;
#[cfg(feature = "server")]
pub mod exchange;
pub mod face;
