//! Images under a wrong identifier: those that fit another identity, those that fit nobody, and those that stand alone.

use std::cmp::Reverse;
use std::sync::Mutex;

use super::super::watch::Stage;
use super::super::{ClusterError, workers};
use super::compare::Compare;
use super::decided::Verdicts;
use super::finding::{Case, Finding, Fit, Score};
use super::identities::Identities;
use super::near::Near;
use super::own::Own;
use super::score;

/// So many other identities are looked at for an image, those of its best matches.
const MOST_OTHERS: usize = 8;
/// How many faces make a unit of work.
const UNIT: usize = 64;

/// All of them, in no order.
pub(super) fn find(
    compare: &Compare<'_>,
    own: &Own,
    near: &Near,
    verdicts: &Verdicts,
) -> Result<Vec<Finding>, ClusterError> {
    let n = compare.run.faces.len();
    let found = Mutex::new(Vec::new());
    workers::for_each(
        compare.run,
        Stage::Audit,
        n.div_ceil(UNIT) as u64,
        || (),
        |(), unit| {
            let start = unit as usize * UNIT;
            let faces = start as u32..n.min(start + UNIT) as u32;
            let findings: Vec<Finding> = faces.filter_map(|face| of(compare, own, near, verdicts, face)).collect();
            found.lock().expect("appending does not panic").extend(findings);
            Ok(())
        },
    )?;
    Ok(found.into_inner().expect("appending does not panic"))
}

fn of(compare: &Compare<'_>, own: &Own, near: &Near, verdicts: &Verdicts, face: u32) -> Option<Finding> {
    if verdicts.is_right(face) {
        return None;
    }
    match own.fits[face as usize] {
        None => near.matches.of(face as usize).is_empty().then(|| Finding {
            score: Score::default(), // known once all others are
            case: Case::Unsupported { face },
            evidence: Vec::new(),
        }),
        Some(fit) if score::fits(compare.ruler, &fit) => None,
        Some(fit) => {
            let own: Vec<u32> = compare.identities.faces(fit.identity).collect();
            if verdicts.joins(&[face], &own) {
                return None;
            }
            misfiled(compare, fit, near, verdicts, face).or_else(|| nobody(compare, fit, near, face))
        }
    }
}

/// The identity that an image fits best, if it fits one so much better than its own.
fn misfiled(compare: &Compare<'_>, own: Fit, near: &Near, verdicts: &Verdicts, face: u32) -> Option<Finding> {
    let identities = compare.identities;
    let mut others: Vec<u32> = Vec::new();
    for entry in near.matches.of(face as usize) {
        let other = identities.of(entry.face);
        if !others.contains(&other) {
            others.push(other);
        }
        if others.len() == MOST_OTHERS {
            break;
        }
    }
    let candidates = others.into_iter().filter_map(|other| {
        let all: Vec<u32> = identities.faces(other).collect();
        if verdicts.parts(&[face], &all) {
            return None;
        }
        let (suggested, evidence) = compare.fit(face, other)?;
        let score = score::misfiled(compare.ruler, &own, &suggested)?;
        Some(Finding { score, case: Case::Misfiled { face, own, suggested }, evidence })
    });
    let rank = |finding: &Finding| match finding.case {
        Case::Misfiled { suggested, .. } => (finding.score, suggested.typical, Reverse(suggested.identity)),
        _ => unreachable!("they are all of one kind"),
    };
    candidates.max_by_key(rank)
}

/// An image of at least three that fits neither the others nor anybody else.
fn nobody(compare: &Compare<'_>, own: Fit, near: &Near, face: u32) -> Option<Finding> {
    if own.images < 2 || !near.matches.of(face as usize).is_empty() {
        return None;
    }
    let score = score::nobody(compare.ruler, &own)?;
    let (_, evidence) = compare.fit(face, own.identity)?;
    Some(Finding { score, case: Case::Nobody { face, own }, evidence })
}

/// Of an identity of two images that do not fit each other, one is wrong: what fits another identity better is, and the
/// other is not held against. Both stay if both fit the same one, or neither does it better.
pub(super) fn settle_pairs(findings: &mut Vec<Finding>, identities: &Identities) {
    let misfiled = |finding: &Finding| match finding.case {
        Case::Misfiled { own, suggested, .. } if own.images == 1 => Some((own.identity, suggested.identity)),
        _ => None,
    };
    let mut best: Vec<Option<(Score, u32)>> = vec![None; identities.len()];
    for finding in findings.iter() {
        if let Some((own, suggested)) = misfiled(finding) {
            let best = &mut best[own as usize];
            *best = (*best).max(Some((finding.score, suggested)));
        }
    }
    findings.retain(|finding| {
        let Some((own, suggested)) = misfiled(finding) else { return true };
        best[own as usize].is_none_or(|(score, best)| finding.score == score || suggested == best)
    });
}

/// Two images of which each is found to belong to the other's identity, by the same pair: one of them may be in the wrong
/// place, but not both, so the more probable finding stays.
pub(super) fn settle_exchanges(findings: &mut Vec<Finding>) {
    let claim = |finding: &Finding| match finding.case {
        Case::Misfiled { face, .. } => finding.evidence.first().map(|pair| ((pair.first, pair.second), face)),
        _ => None,
    };
    let mut claims: Vec<_> =
        findings.iter().filter_map(|f| claim(f).map(|(pair, face)| (pair, Reverse(f.score), face))).collect();
    claims.sort_unstable();
    claims.dedup_by_key(|(pair, ..)| *pair);
    findings.retain(|finding| {
        claim(finding).is_none_or(|(pair, face)| claims.binary_search(&(pair, Reverse(finding.score), face)).is_ok())
    });
}

/// Gives the unsupported the score that images which can be checked have on average: their labels are as likely wrong.
pub(super) fn score_unsupported(findings: &mut [Finding], n_checked: usize) {
    let wrong = |finding: &Finding| match finding.case {
        Case::Misfiled { .. } => u64::from(finding.score.ten_thousandths()),
        _ => 0,
    };
    let wrong: u64 = findings.iter().map(wrong).sum();
    let score = Score::of(wrong as f64 / 10_000.0 / n_checked.max(1) as f64);
    for finding in findings.iter_mut().filter(|finding| matches!(finding.case, Case::Unsupported { .. })) {
        finding.score = score;
    }
}
