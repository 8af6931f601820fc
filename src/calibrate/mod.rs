//! From labelled faces to the confidence scale of their model: where 50 is, and how sure that is.
//!
//! **Promises.** Pure: no file, clock or chance; the same faces give the same scale. The scale is one that
//! [`ConfidenceScale`](crate::ConfidenceScale) takes.
//!
//! ```text
//! pairs.rs  FaceSet -> Pairs: all pairs by cosine, same identifier and different
//! fit.rs    Pairs -> Fit: shares of wrong labels, densities, odds, knots, errors, uncertainty
//! ```
//!
//! # What 50 means
//!
//! *As likely the same person as not* depends on what a pair is beforehand. Of all pairs of a database of thousands of
//! people one in hundreds shows one person; of the pairs that a person is asked about perhaps every second one does. By
//! default both are taken to be equally likely ([`Prior::EVEN`]): at 50 the cosine itself says nothing either way, which
//! is a property of the model alone and carries over from one database to another. Another [`Prior`] moves 50 to where
//! its own pairs are as likely the same person as not.
//!
//! # Why wrong labels do not move it
//!
//! Let the pairs under one identifier have the density s' = (1 - e) s + e d, with e the share of pairs that show two
//! people, and those under two identifiers d' = (1 - f) d + f s. Then s' - d' = (1 - e - f) (s - d): both change sign at
//! the same cosine, whatever e and f are below a half (Menon, van Rooyen, Ong, Williamson: Learning from corrupted binary
//! labels via class-probability estimation, 2015). So the point of even odds needs no correction; all others, and the
//! error rates, are corrected with estimates of e and f.

mod fit;
mod pairs;
#[cfg(test)]
mod tests;

pub use fit::{Fit, FitError, Level, Point, Prior, Rates, fit};
pub use pairs::{BINS, Pairs, cosine_of};
