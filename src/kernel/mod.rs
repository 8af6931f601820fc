//! The arithmetic: the one cosine that decides, and the fast products that only discard.
//!
//! **Promises.** [`dot`] gives the same bits on every processor. A [`Screen`] never discards a pair whose [`dot`]
//! reaches the floor, whatever the order of summation of the float32 product it looks at.
//!
//! **Why several.** Nearly every pair of faces is far below the threshold. [`Heads`] say so with a few 8-bit numbers of
//! each face, float32 block products with all of them, both at the speed of the processor and with a proven margin; the
//! few pairs that survive are decided by [`dot`].

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod heads;
mod instructions;
mod int8;
mod portable;
mod random;
mod rotation;
mod scalar;
mod screen;

pub use heads::Heads;
pub use instructions::Instructions;
pub(crate) use random::SplitMix64;
pub use scalar::{dot, product};
pub use screen::{Screen, SureLine, products};
