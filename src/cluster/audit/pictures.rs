//! Pictures that are there more than once.

use super::super::roots::Roots;
use super::super::{ClusterError, copies};
use super::compare::{Compare, mean, strongest};
use super::decided::Verdicts;
use super::finding::{Case, Evidence, Finding, Score};
use super::near::Near;
use super::own::Own;
use super::score;

/// Groups of equal and of nearly equal pictures, in no order.
pub(super) fn duplicates(
    compare: &Compare<'_>,
    own: &Own,
    near: &Near,
    verdicts: &Verdicts,
) -> Result<Vec<Finding>, ClusterError> {
    let run = compare.run;
    let n = run.faces.len() as u32;
    let least = score::near_copy(compare.ruler);
    let groups = Roots::new(n as usize);
    let mut pairs = own.copies.clone();
    for face in 0..n {
        let better = near.matches.of(face as usize).iter().take_while(|entry| entry.confidence >= least);
        pairs.extend(better.map(|entry| Evidence {
            first: face.min(entry.face),
            second: face.max(entry.face),
            confidence: entry.confidence,
        }));
    }
    pairs.sort_unstable_by_key(|pair| (pair.first, pair.second));
    pairs.dedup();
    let equal = copies::groups(run.faces, &(0..n).collect::<Vec<_>>(), run.watch)?;
    let mut equal_to: Vec<u32> = (0..n).collect();
    for group in equal.iter().filter(|group| group.len() > 1) {
        for &copy in &group[1..] {
            groups.unite(group[0], copy);
            equal_to[copy as usize] = group[0];
        }
    }
    for pair in &pairs {
        groups.unite(pair.first, pair.second);
    }
    let mut members: Vec<(u32, u32)> = (0..n).map(|face| (groups.root(face), face)).collect();
    members.sort_unstable();
    let mut evidence: Vec<(u32, Evidence)> = pairs.into_iter().map(|pair| (groups.root(pair.first), pair)).collect();
    evidence.sort_by_key(|&(root, _)| root);
    let mut findings = Vec::new();
    for group in members.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
        let faces: Vec<u32> = group.iter().map(|&(_, face)| face).collect();
        if faces.len() == 2 && verdicts.parts(&faces[..1], &faces[1..]) {
            continue;
        }
        let is_exact = faces.iter().all(|&face| equal_to[face as usize] == equal_to[faces[0] as usize]);
        let start = evidence.partition_point(|&(root, _)| root < group[0].0);
        let own = evidence[start..].iter().take_while(|&&(root, _)| root == group[0].0).map(|&(_, pair)| pair);
        let own: Vec<Evidence> = own.collect();
        let confidences: Vec<_> = own.iter().map(|pair| pair.confidence).collect();
        let score = if is_exact { Score::MAX } else { score::duplicates(compare.ruler, mean(&confidences)) };
        findings.push(Finding { score, case: Case::Duplicates { faces, is_exact }, evidence: strongest(own) });
    }
    Ok(findings)
}
