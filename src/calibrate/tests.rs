//! The fit on pairs whose truth is known.
