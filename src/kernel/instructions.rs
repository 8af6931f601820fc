//! Which instructions compute the products of heads: a value, chosen once for a run.
//!
//! **Promises.** Having an [`Instructions`] is the proof that this processor has them, and that they found the same pairs
//! as the portable path when they were tried on known heads. They never change a result, only how long it takes.
//!
//! **Why tried.** A path for a processor that few have is seldom tested. One that errs there, or a processor that does, must
//! not cost a pair: it is not used.

use std::fmt;
use std::sync::OnceLock;

use super::int8::{Layout, Packed, Tile, survivors_of_tile};
use super::portable;
#[cfg(target_arch = "x86_64")]
use super::{
    avx2::{self, Avx2},
    avx512::{self, Avx512Vnni},
};

/// Instructions that this processor has, and the products of heads made of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instructions(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Avx512Vnni),
}

impl Instructions {
    /// Those that every processor has.
    pub const PORTABLE: Self = Self(Set::Portable);

    /// All that this processor has, the slowest ([`PORTABLE`](Self::PORTABLE)) first. They are tried when this is asked
    /// for the first time; those that do not find the same pairs as the portable ones are left out.
    pub fn available() -> &'static [Self] {
        static AVAILABLE: OnceLock<Vec<Instructions>> = OnceLock::new();
        AVAILABLE.get_or_init(|| right(Self::detected(), Self::found_in_trial))
    }

    /// The fastest of [`available`](Self::available).
    pub fn best() -> Self {
        Self::available().last().copied().unwrap_or(Self::PORTABLE)
    }

    /// In lower case: `portable`, `avx2` or `avx512vnni`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni(_) => "avx512vnni",
        }
    }

    /// Multiplies and adds 8-bit numbers in registers for so many rounds, with nothing to load and nothing to decide, and
    /// says how many multiplications and additions that were: the speed a benchmark holds that of
    /// [`Heads::survivors`](super::Heads::survivors) against.
    pub fn exercise(self, rounds: u64) -> u64 {
        match self.0 {
            Set::Portable => portable::exercise(rounds),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2(avx2) => avx2.exercise(rounds),
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni(avx512) => avx512.exercise(rounds),
        }
    }

    /// All that this processor says it has, beside the portable ones.
    fn detected() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = Avx2::detect().map(|proof| Self(Set::Avx2(proof)));
            let avx512 = Avx512Vnni::detect().map(|proof| Self(Set::Avx512Vnni(proof)));
            avx2.into_iter().chain(avx512).collect()
        }
        #[cfg(not(target_arch = "x86_64"))]
        Vec::new()
    }

    pub(super) fn layout(self) -> Layout {
        match self.0 {
            Set::Portable => portable::LAYOUT,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2(_) => avx2::LAYOUT,
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni(_) => avx512::LAYOUT,
        }
    }

    /// Calls `survivor(row, column)` for each pair of a tile that survives; the heads are in the layout of these
    /// instructions.
    pub(super) fn survivors(self, packed: &Packed, tile: &Tile<'_>, survivor: impl FnMut(usize, usize)) {
        match self.0 {
            Set::Portable => survivors_of_tile(packed, tile, portable::WIDTH, portable::survivors, survivor),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2(avx2) => survivors_of_tile(packed, tile, avx2::WIDTH, |block| avx2.survivors(block), survivor),
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni(avx512) => {
                survivors_of_tile(packed, tile, avx512::WIDTH, |block| avx512.survivors(block), survivor);
            }
        }
    }

    /// The pairs of known heads that these instructions find.
    fn found_in_trial(self) -> Vec<(usize, usize)> {
        let heads = trial();
        let mut packed = Packed::new(heads.len(), TRIAL_LENGTH, self.layout());
        let room = packed.room();
        let part = packed.parts(room).next();
        if let Some(mut part) = part {
            heads.iter().enumerate().for_each(|(at, head)| part.set(at, head));
        }
        let (terms, cuts): (Vec<i32>, Vec<i32>) = lines().take(room).unzip();
        let cuts = &cuts[..heads.len()];
        let all = 0..heads.len();
        let tile = Tile { rows: all.clone(), columns: all, terms: &terms, row_cuts: cuts, column_cuts: cuts };
        let mut pairs = Vec::new();
        self.survivors(&packed, &tile, |row, column| pairs.push((row, column)));
        pairs.sort_unstable();
        pairs
    }
}

impl Default for Instructions {
    /// The best.
    fn default() -> Self {
        Self::best()
    }
}

impl fmt::Display for Instructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The portable ones, and those of `detected` that find the same.
fn right(detected: Vec<Instructions>, found: impl Fn(Instructions) -> Vec<(usize, usize)>) -> Vec<Instructions> {
    let expected = found(Instructions::PORTABLE);
    let agree = detected.into_iter().filter(|&instructions| found(instructions) == expected);
    std::iter::once(Instructions::PORTABLE).chain(agree).collect()
}

/// Numbers of a head in the trial.
const TRIAL_LENGTH: usize = 48;
/// Heads in the trial: whole blocks and a part of one, for every path.
const TRIAL: usize = 200;

/// A term and a cut of each face in the trial. The cuts are spread over all products, so that an error shows.
fn lines() -> impl Iterator<Item = (i32, i32)> {
    (0..).map(|at: i32| (at * 7 % 50, (at * 37 % 100 - 40) * 900 + at))
}

/// Heads that are as long as may be, in few large numbers or many small ones, of every mixture of signs.
fn trial() -> Vec<Vec<i8>> {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as i32
    };
    // 8 of 24 numbers of a phase may be 63, or all of them 36.
    let size = |head: usize, at: usize| match head % 2 {
        0 if at / 4 % 3 == head / 2 % 3 => 63,
        0 => 0,
        _ => 36,
    };
    let sign = |random: i32, head: usize| match head % 5 {
        0 => 1,
        1 => -1,
        _ => random % 2 * 2 - 1,
    };
    (0..TRIAL).map(|head| (0..TRIAL_LENGTH).map(|at| (size(head, at) * sign(next(), head)) as i8).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::int8::MAX_PHASE_NORM;

    #[test]
    fn the_portable_ones_come_first_and_the_best_last() {
        assert_eq!(Instructions::available().first(), Some(&Instructions::PORTABLE));
        assert_eq!(Instructions::available().last(), Some(&Instructions::best()));
        assert_eq!(Instructions::default(), Instructions::best());
    }

    #[test]
    fn all_that_this_processor_has_pass_the_trial() {
        let all = 1 + Instructions::detected().len();
        assert_eq!(Instructions::available().len(), all);
    }

    #[test]
    fn instructions_that_lose_a_pair_are_not_used() {
        let errs = |instructions: Instructions| {
            let mut found = instructions.found_in_trial();
            if instructions != Instructions::PORTABLE {
                found.pop();
            }
            found
        };
        assert_eq!(right(Instructions::detected(), errs), [Instructions::PORTABLE]);
    }

    #[test]
    fn the_trial_finds_what_the_heads_say_and_goes_to_the_limits() {
        let heads = trial();
        let (terms, cuts): (Vec<i32>, Vec<i32>) = lines().take(TRIAL).unzip();
        let product = |a: usize, b: usize| -> i32 {
            heads[a].iter().zip(&heads[b]).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum()
        };
        let expected: Vec<_> = (0..TRIAL)
            .flat_map(|a| (0..TRIAL).map(move |b| (a, b)))
            .filter(|&(a, b)| product(a, b) + terms[a] + terms[b] >= cuts[a].min(cuts[b]))
            .collect();
        let found = Instructions::PORTABLE.found_in_trial();
        assert_eq!(found, expected);
        assert!(found.len() > TRIAL * TRIAL / 10 && found.len() < TRIAL * TRIAL * 9 / 10, "{}", found.len());
        for head in &heads {
            for phase in 0..2 {
                let numbers = head.chunks_exact(4).flat_map(|four| &four[2 * phase..2 * phase + 2]);
                let length = numbers.map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
                assert!(length <= MAX_PHASE_NORM && length > MAX_PHASE_NORM - 5.0, "{length}");
            }
        }
    }
}
