//! From labelled faces to the confidence scale of their model: where 50 is, and how sure that is.
//!
//! **Promises.** Pure: no file, clock or chance; the same faces give the same scale. The scale is one that
//! [`ConfidenceScale`](crate::ConfidenceScale) takes.
//!
//! ```text
//! pairs.rs  FaceSet -> Pairs: all pairs by cosine, same identifier and different
//! fit.rs    Pairs -> Fit: shares of wrong labels, densities, odds, knots, errors, uncertainty
//!   density.rs  quantiles, smoothing, rising curves
//! ```
//!
//! # What 50 means
//!
//! *As likely the same person as not* depends on what a pair is beforehand. Without another [`Prior`] the pairs are
//! those of the database itself: of all its pairs at the cosine of 50, every second shows one person. That suits what 50 is
//! used for, the least confidence of every pair inside a cluster, for clustering looks at all pairs too. (With equal
//! chances beforehand, [`Prior::EVEN`], 50 is where the cosine says nothing either way. In a database of thousands of
//! people, where hundreds of pairs of two stand against each pair of one, most pairs just above that point are of two.)
//! Ten times as many people make a tenth of the prior, which moves 50 little: by what a tenfold of the odds takes.
//!
//! # Why wrong labels hardly move it
//!
//! Let the pairs under one identifier have the density s' = (1 - e) s + e d, with e the share of pairs that show two
//! people, and those under two identifiers d' = (1 - f) d + f s. From where the other kind has no pairs of its own, e and
//! f are estimated, and s, d and the prior follow. With equal chances not even that is needed: s' - d' = (1 - e - f)
//! (s - d), so that both change sign at the same cosine (Menon, van Rooyen, Ong, Williamson: Learning from corrupted
//! binary labels via class-probability estimation, 2015).

mod density;
mod fit;
mod pairs;
#[cfg(test)]
mod tests;

pub use fit::{Fit, FitError, Level, Point, Prior, Rates, fit};
pub use pairs::{BINS, Pairs, cosine_of};
