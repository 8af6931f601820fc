//! FaceClique: an embeddable, restart-safe face-clustering job server.

#[cfg(feature = "server")]
pub mod aci;
#[cfg(feature = "server")]
pub mod cli;
pub mod cluster;
pub mod confidence;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod engine;
#[cfg(feature = "server")]
pub mod exchange;
pub mod face;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod job;
pub mod kernel;
#[cfg(feature = "server")]
pub mod store;
