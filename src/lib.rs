//! FaceClique: an embeddable, restart-safe face-clustering job server.

#[cfg(feature = "server")]
pub mod aci;
pub mod cluster;
pub mod confidence;
#[cfg(feature = "server")]
pub mod exchange;
pub mod face;
pub mod kernel;
