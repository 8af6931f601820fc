//! Sorted pairs in few bytes.
//!
//! Pairs are written as runs: a row and columns that follow each other. A run is one number that holds the distance from
//! the row before and whether the run is longer than one; then its first column, from the end of the run before in the
//! same row or from where the last row began; then its length, if it is longer than one. Numbers take a byte for each
//! seven bits.
//!
//! **Promises.** What was encoded comes back. Whatever else is decoded gives pairs of different faces in strict order,
//! or nothing.
//!
//! **Why runs.** Most tiles have few pairs, about three bytes each. Where nearly all pairs of a tile reach the threshold,
//! a row of 480 is five bytes.

use crate::cluster::Pair;

/// Writes a number.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number from the front.
pub(super) fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7F);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Small numbers of either sign as small numbers.
fn folded(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unfolded(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Appends `pairs`, which are in strict order, the smaller face first.
pub(super) fn encode(pairs: &[Pair], out: &mut Vec<u8>) {
    let (mut row, mut begin, mut end) = (0, 0, 0);
    let mut rest = pairs;
    while let Some(&(a, b)) = rest.first() {
        let (gap, first) = (u64::from(a) - row, u64::from(b));
        let length = rest.iter().zip(first..).take_while(|&(&(x, y), c)| x == a && u64::from(y) == c).count();
        put_number(out, gap << 1 | u64::from(length > 1));
        if gap == 0 {
            put_number(out, first - end);
        } else {
            put_number(out, folded(first.cast_signed() - begin));
            begin = first.cast_signed();
        }
        if length > 1 {
            put_number(out, length as u64 - 2);
        }
        (row, end) = (u64::from(a), first + length as u64);
        rest = &rest[length..];
    }
}

/// Sets `pairs` to what is encoded, all of it pairs of `faces` faces; whether it is.
#[must_use]
pub(super) fn decode(mut bytes: &[u8], faces: u32, pairs: &mut Vec<Pair>) -> bool {
    pairs.clear();
    let (mut row, mut begin, mut end) = (0u64, 0i64, 0u64);
    while !bytes.is_empty() {
        let Some((to, run)) = take_run(&mut bytes, row, &mut begin, end) else { return false };
        if run.start <= to || run.end > u64::from(faces) || (to == row && run.start <= end && end > 0) {
            return false;
        }
        (row, end) = (to, run.end);
        pairs.extend(run.map(|column| (row as u32, column as u32)));
    }
    true
}

/// The next run: its row and its columns.
fn take_run(bytes: &mut &[u8], row: u64, begin: &mut i64, end: u64) -> Option<(u64, std::ops::Range<u64>)> {
    let head = take_number(bytes)?;
    let gap = head >> 1;
    let first = if gap == 0 {
        end.checked_add(take_number(bytes)?)?
    } else {
        *begin = begin.checked_add(unfolded(take_number(bytes)?))?;
        u64::try_from(*begin).ok()?
    };
    let length = if head & 1 == 1 { take_number(bytes)?.checked_add(2)? } else { 1 };
    Some((row.checked_add(gap)?, first..first.checked_add(length)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(pairs: &[Pair]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(pairs, &mut bytes);
        bytes
    }

    /// Pairs of a block, of which about so many of a hundred are there.
    fn block(rows: std::ops::Range<u32>, columns: std::ops::Range<u32>, percent: u64) -> Vec<Pair> {
        let pairs = rows.flat_map(|row| columns.clone().map(move |column| (row, column)));
        let is_there = |&(a, b): &Pair| {
            let hash = (u64::from(a) << 32 | u64::from(b)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            a < b && (hash >> 40) % 100 < percent
        };
        pairs.filter(is_there).collect()
    }

    #[test]
    fn few_pairs_take_about_three_bytes_each_and_all_pairs_of_a_tile_a_few_thousand() {
        let sparse = block(480_000..480_480, 960_000..960_480, 1);
        let size = encoded(&sparse).len();
        assert!(sparse.len() > 1_000 && size * 2 < sparse.len() * 7, "{size} bytes for {} pairs", sparse.len());
        for whole in [block(480_000..480_480, 960_000..960_480, 100), block(960_000..960_480, 960_000..960_480, 100)] {
            let size = encoded(&whole).len();
            assert!(whole.len() > 100_000 && size < 3_000, "{size} bytes for {} pairs", whole.len());
        }
        assert!(encoded(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(
            begin in prop_oneof![Just(0u32), 0..u32::MAX - 200], percent in 0u64..=100, rows in 0u32..40, columns in 0u32..90,
        ) {
            let pairs = block(begin..begin + rows, begin + 20..begin + 20 + columns, percent);
            let mut back = Vec::new();
            prop_assert!(decode(&encoded(&pairs), u32::MAX, &mut back));
            prop_assert_eq!(&back, &pairs);
            if let Some(largest) = pairs.iter().map(|pair| pair.1).max() {
                prop_assert!(decode(&encoded(&pairs), largest + 1, &mut back));
                prop_assert!(!decode(&encoded(&pairs), largest, &mut back));
            }
        }

        #[test]
        fn any_bytes_give_pairs_in_strict_order_or_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut pairs = Vec::new();
            if decode(&bytes, 5_000, &mut pairs) {
                prop_assert!(pairs.is_sorted_by(|a, b| a < b) && pairs.iter().all(|&(a, b)| a < b && b < 5_000));
            }
        }

        #[test]
        fn numbers_come_back(number in prop_oneof![any::<u64>(), 0..300u64, Just(u64::MAX)]) {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            prop_assert_eq!(take_number(&mut &bytes[..]), Some(number));
            prop_assert_eq!(take_number(&mut &bytes[..bytes.len() - 1]), None);
            prop_assert_eq!(folded(unfolded(number)), number);
        }
    }
}
