//! Identities that are one person, and identities that are several.

use std::sync::Mutex;

use super::super::watch::Stage;
use super::super::{ClusterError, workers};
use super::compare::Compare;
use super::decided::Verdicts;
use super::finding::{Case, Finding, Score};
use super::identities::Identities;
use super::near::Near;
use super::own::Own;
use super::score;

/// How many pairs of identities, or how many identities, make a unit of work.
const UNIT: usize = 16;

/// The pairs of identities of which at least half the images of both match an image of the other, as half of all their
/// pairs cannot match otherwise.
fn candidates(compare: &Compare<'_>, near: &Near) -> Vec<(u32, u32)> {
    let identities = compare.identities;
    let mut pairs = Vec::new();
    for identity in 0..identities.len() as u32 {
        let mut touched: Vec<(u32, u32)> = Vec::new(); // other identity, face of either
        for face in identities.faces(identity) {
            for entry in near.matches.of(face as usize) {
                let other = identities.of(entry.face);
                touched.extend([(other, face), (other, entry.face)]);
            }
        }
        touched.sort_unstable();
        touched.dedup();
        for group in touched.chunk_by(|a, b| a.0 == b.0) {
            let other = group[0].0;
            let of_own = group.iter().filter(|&&(_, face)| identities.of(face) == identity).count();
            let of_other = group.len() - of_own;
            let is_half = |part: usize, identity: u32| 2 * part >= identities.size(identity) as usize;
            if is_half(of_own, identity) && is_half(of_other, other) {
                pairs.push((identity.min(other), identity.max(other)));
            }
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// Pairs of identities that are probably one person, in no order.
pub(super) fn same(compare: &Compare<'_>, near: &Near, verdicts: &Verdicts) -> Result<Vec<Finding>, ClusterError> {
    let pairs = candidates(compare, near);
    let found = Mutex::new(Vec::new());
    workers::for_each(
        compare.run,
        Stage::Audit,
        pairs.len().div_ceil(UNIT) as u64,
        || (),
        |(), unit| {
            let start = unit as usize * UNIT;
            for &(first, second) in &pairs[start..pairs.len().min(start + UNIT)] {
                let faces = |identity| compare.identities.faces(identity).collect::<Vec<u32>>();
                let (left, right) = (faces(first), faces(second));
                if verdicts.parts(&left, &right) {
                    continue;
                }
                let matrix = compare.matrix(&left, &right);
                let cross = compare.cross(&matrix);
                if let Some(score) = score::same_person(compare.ruler, &cross, [left.len(), right.len()]) {
                    let case = Case::SamePerson { first, second, cross };
                    let finding = Finding { score, case, evidence: matrix.strongest() };
                    found.lock().expect("appending does not panic").push(finding);
                }
            }
            Ok(())
        },
    )?;
    Ok(found.into_inner().expect("appending does not panic"))
}

/// Identities that are probably several people, in no order. Parts of one image count only where there are two images:
/// otherwise that image is what is wrong, not the identity.
pub(super) fn several(compare: &Compare<'_>, own: &Own, verdicts: &Verdicts) -> Result<Vec<Finding>, ClusterError> {
    let mut findings = Vec::new();
    for (identity, parts) in &own.parts {
        if compare.run.watch.should_stop() {
            return Err(ClusterError::Stopped);
        }
        let (first, second) = (&parts[0], &parts[1]);
        let is_pair = compare.identities.size(*identity) == 2;
        if second.len() < 2 && !is_pair || verdicts.joins(first, second) || second.iter().all(|&f| verdicts.is_right(f))
        {
            continue;
        }
        let matrix = compare.matrix(first, second);
        let between = compare.cross(&matrix);
        if let Some(score) = score::several_persons(compare.ruler, &between) {
            let case = Case::SeveralPersons { identity: *identity, parts: parts.clone(), between };
            findings.push(Finding { score, case, evidence: matrix.strongest() });
        }
    }
    Ok(findings)
}

/// Those of `same` that are not explained by images found under a wrong identifier: a pair of which some images of one,
/// but not all, belong to the other.
pub(super) fn same_unless_misfiled(same: Vec<Finding>, labels: &[Finding], identities: &Identities) -> Vec<Finding> {
    let mut moves: Vec<(u32, u32)> = likely_misfiled(labels).map(|(_, own, suggested)| (own, suggested)).collect();
    moves.sort_unstable();
    let is_explained = |own: u32, other: u32| {
        let start = moves.partition_point(|&pair| pair < (own, other));
        let n = moves[start..].iter().take_while(|&&pair| pair == (own, other)).count();
        n > 0 && n < identities.size(own) as usize
    };
    same.into_iter()
        .filter(|finding| match finding.case {
            Case::SamePerson { first, second, .. } => !is_explained(first, second) && !is_explained(second, first),
            _ => true,
        })
        .collect()
}

/// The images that are more likely under a wrong identifier than not, with their identity and the suggested one.
fn likely_misfiled(labels: &[Finding]) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
    labels.iter().filter(|finding| finding.score >= Score::LIKELY).filter_map(|finding| match finding.case {
        Case::Misfiled { face, own, suggested } => Some((face, own.identity, suggested.identity)),
        _ => None,
    })
}

/// Those of `several` that are not explained by images found under a wrong identifier: a part that is all of such images.
pub(super) fn several_unless_misfiled(several: Vec<Finding>, labels: &[Finding]) -> Vec<Finding> {
    let mut misfiled: Vec<u32> = likely_misfiled(labels).map(|(face, ..)| face).collect();
    misfiled.sort_unstable();
    let is_explained = |part: &Vec<u32>| part.iter().all(|face| misfiled.binary_search(face).is_ok());
    several
        .into_iter()
        .filter(|finding| match &finding.case {
            Case::SeveralPersons { parts, .. } => !parts[..2].iter().any(is_explained),
            _ => true,
        })
        .collect()
}
