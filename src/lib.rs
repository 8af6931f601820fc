//! FaceClique: an embeddable, restart-safe face-clustering job server.

#[cfg(feature = "server")]
pub mod aci;
pub mod confidence;
pub mod face;
#[cfg(feature = "server")]
pub mod http;
