//! One identity taken apart: average linkage of its images, cut where parts are as far apart as people are.
//!
//! Average linkage, not the all-match rule of the clustering: the question is not who surely belongs together but who
//! surely does not, and a few bad pictures of one person should not make two of him (Murtagh's nearest-neighbour chain;
//! average linkage is reducible, so that a cluster whose nearest is too far stays as it is).

use crate::confidence::Confidence;

/// Sums of hundredths between clusters, and their sizes.
struct Sums {
    n: usize,
    between: Vec<u64>,
    sizes: Vec<u64>,
}

impl Sums {
    /// The other of `active` with the highest mean to `a`, `before` winning a tie, then the smallest.
    fn nearest(&self, a: usize, before: Option<usize>, active: &[usize]) -> Option<usize> {
        let mut best = before;
        for &b in active.iter().filter(|&&b| b != a) {
            // Of two means the higher: sums over products of sizes, compared crosswise; the size of a is in both.
            let is_higher = |best: usize| {
                self.between[a * self.n + b] * self.sizes[best] > self.between[a * self.n + best] * self.sizes[b]
            };
            if best.is_none_or(is_higher) {
                best = Some(b);
            }
        }
        best
    }

    fn reaches(&self, a: usize, b: usize, least: Confidence) -> bool {
        self.between[a * self.n + b] >= u64::from(least.hundredths()) * self.sizes[a] * self.sizes[b]
    }

    /// Adds cluster `from` to cluster `to`.
    fn merge(&mut self, from: usize, to: usize) {
        for other in 0..self.n {
            let sum = self.between[from * self.n + other];
            self.between[to * self.n + other] += sum;
            self.between[other * self.n + to] += sum;
        }
        self.sizes[to] += self.sizes[from];
    }
}

/// The parts of `n` images, by place, whose mean confidence with each other stays below `least`: the largest first, then
/// by their first place. `confidences` has those of all pairs, row by row.
pub(super) fn parts(n: usize, confidences: &[Confidence], least: Confidence) -> Vec<Vec<usize>> {
    let mut sums =
        Sums { n, between: confidences.iter().map(|c| u64::from(c.hundredths())).collect(), sizes: vec![1; n] };
    let mut members: Vec<Vec<usize>> = (0..n).map(|place| vec![place]).collect();
    let mut active: Vec<usize> = (0..n).collect();
    let mut chain: Vec<usize> = Vec::new();
    let mut parts = Vec::new();
    while let Some(tip) = chain.pop().or_else(|| active.first().copied()) {
        let before = chain.last().copied();
        match sums.nearest(tip, before, &active).filter(|&nearest| sums.reaches(tip, nearest, least)) {
            Some(nearest) if before == Some(nearest) => {
                chain.pop();
                let (to, from) = (tip.min(nearest), tip.max(nearest));
                sums.merge(from, to);
                let moved = std::mem::take(&mut members[from]);
                members[to].extend(moved);
                active.retain(|&cluster| cluster != from);
            }
            Some(nearest) => chain.extend([tip, nearest]),
            None => {
                parts.push(std::mem::take(&mut members[tip]));
                active.retain(|&cluster| cluster != tip);
            }
        }
    }
    for part in &mut parts {
        part.sort_unstable();
    }
    parts.sort_unstable_by_key(|part| (std::cmp::Reverse(part.len()), part[0]));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confidences(rows: &[&[u16]]) -> Vec<Confidence> {
        rows.iter().flat_map(|row| row.iter().map(|&c| Confidence::from_hundredths(c * 100).unwrap())).collect()
    }

    #[test]
    fn parts_are_those_whose_mean_stays_below() {
        let c = confidences(&[&[100, 80, 20, 30], &[80, 100, 10, 20], &[20, 10, 100, 60], &[30, 20, 60, 100]]);
        let at = |least: u16| parts(4, &c, Confidence::from_hundredths(least * 100).unwrap());
        assert_eq!(at(20), [vec![0, 1, 2, 3]], "the mean of the four between is 20");
        assert_eq!(at(21), [vec![0, 1], vec![2, 3]]);
        assert_eq!(at(61), [vec![0, 1], vec![2], vec![3]]);
        assert_eq!(at(81), [vec![0], vec![1], vec![2], vec![3]]);
        assert!(parts(0, &[], Confidence::MAX).is_empty());
    }
}
