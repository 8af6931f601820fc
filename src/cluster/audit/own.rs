//! Every identity by itself: how each image fits the others, and into which parts they fall.

use std::sync::Mutex;

use super::super::watch::Stage;
use super::super::{ClusterError, workers};
use super::MOST_COMPARED;
use super::compare::{Compare, some};
use super::finding::{Evidence, Fit};
use super::parts::parts;
use super::score;
use crate::confidence::Confidence;

/// What the pairs inside identities say.
pub(super) struct Own {
    /// How each face fits its own identity; none if it is the only image of it.
    pub(super) fits: Vec<Option<Fit>>,
    /// The identities that fall into parts, ascending, each with its parts.
    pub(super) parts: Vec<(u32, Vec<Vec<u32>>)>,
    /// Pairs of clusters, the smaller first, with a pair of one identity that reaches the threshold; ascending.
    pub(super) clusters: Vec<(u32, u32)>,
    /// Pairs that are nearly one picture.
    pub(super) copies: Vec<Evidence>,
}

/// What one identity says.
struct One {
    identity: u32,
    fits: Vec<(u32, Fit)>,
    parts: Vec<Vec<u32>>,
    clusters: Vec<(u32, u32)>,
    copies: Vec<Evidence>,
}

/// Looks at every identity. `cluster_of` has the cluster of each face.
pub(super) fn look(compare: &Compare<'_>, cluster_of: &[u32]) -> Result<Own, ClusterError> {
    let identities = compare.identities;
    let found = Mutex::new(Vec::new());
    workers::for_each(
        compare.run,
        Stage::Audit,
        identities.len() as u64,
        || (),
        |(), unit| {
            let one = look_at(compare, cluster_of, unit as u32)?;
            found.lock().expect("appending does not panic").extend(one);
            Ok(())
        },
    )?;
    let mut found = found.into_inner().expect("appending does not panic");
    found.sort_unstable_by_key(|one| one.identity);
    let mut own =
        Own { fits: vec![None; compare.run.faces.len()], parts: Vec::new(), clusters: Vec::new(), copies: Vec::new() };
    for one in found {
        one.fits.into_iter().for_each(|(face, fit)| own.fits[face as usize] = Some(fit));
        if one.parts.len() > 1 {
            own.parts.push((one.identity, one.parts));
        }
        own.clusters.extend(one.clusters);
        own.copies.extend(one.copies);
    }
    own.clusters.sort_unstable();
    own.clusters.dedup();
    Ok(own)
}

/// One identity with several images; none if it has one.
fn look_at(compare: &Compare<'_>, cluster_of: &[u32], identity: u32) -> Result<Option<One>, ClusterError> {
    let faces: Vec<u32> = compare.identities.faces(identity).collect();
    if faces.len() < 2 {
        return Ok(None);
    }
    let mut one = One { identity, fits: Vec::new(), parts: Vec::new(), clusters: Vec::new(), copies: Vec::new() };
    let compared: Vec<u32> = some(&faces).collect();
    let near_copy = score::near_copy(compare.ruler);
    let mut all: Vec<Confidence> = Vec::with_capacity(compared.len() * compared.len());
    for &face in &faces {
        if compare.run.watch.should_stop() {
            return Err(ClusterError::Stopped);
        }
        let row: Vec<Confidence> = compared.iter().map(|&other| compare.confidence(face, other)).collect();
        let others = || compared.iter().zip(&row).filter(|&(&other, _)| other != face);
        for (&other, &confidence) in others().filter(|&(&other, _)| other > face || faces.len() > MOST_COMPARED) {
            if compare.ruler.reaches(confidence) && cluster_of[face as usize] != cluster_of[other as usize] {
                let (a, b) = (cluster_of[face as usize], cluster_of[other as usize]);
                one.clusters.push((a.min(b), a.max(b)));
            }
            if confidence >= near_copy {
                one.copies.push(Evidence { first: face.min(other), second: face.max(other), confidence });
            }
        }
        let fit = compare.fit_of(identity, faces.len() - 1, others().map(|(_, &confidence)| confidence).collect());
        one.fits.extend(fit.map(|fit| (face, fit)));
        if compared.binary_search(&face).is_ok() {
            all.extend(row);
        }
        one.clusters.sort_unstable();
        one.clusters.dedup();
    }
    one.copies.sort_unstable_by_key(|pair| (pair.first, pair.second));
    one.copies.dedup();
    let places = parts(compared.len(), &all, score::far(compare.ruler));
    one.parts = places.into_iter().map(|part| part.into_iter().map(|place| compared[place]).collect()).collect();
    Ok(Some(one))
}
