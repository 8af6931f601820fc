//! Faces with equal embeddings, bit for bit: many copies of one picture.

use super::ClusterError;
use super::watch::Watch;
use crate::face::FaceSet;

/// The faces `among` in groups of equal embeddings; groups and their members in the order of `among`, which ascends.
pub(super) fn groups(faces: &FaceSet, among: &[u32], watch: &dyn Watch) -> Result<Vec<Vec<u32>>, ClusterError> {
    const LOOK: usize = 4_096;
    let bits = |face: u32| faces.row(face as usize).iter().map(|v| v.to_bits());
    // Sorted by a hash (FNV-1a by words), so that equal rows are neighbours. Should different rows share a hash, then
    // some group may be split, which costs time but no pair.
    let hash = |face: u32| {
        bits(face).fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
    };
    let mut order = Vec::with_capacity(among.len());
    for piece in among.chunks(LOOK) {
        if watch.should_stop() {
            return Err(ClusterError::Stopped);
        }
        order.extend(piece.iter().map(|&face| (hash(face), face)));
    }
    order.sort_unstable();
    let equal = |a: &(u64, u32), b: &(u64, u32)| a.0 == b.0 && bits(a.1).eq(bits(b.1));
    let mut groups: Vec<Vec<u32>> = order.chunk_by(equal).map(|g| g.iter().map(|&(_, face)| face).collect()).collect();
    groups.sort_unstable_by_key(|group| group[0]);
    Ok(groups)
}
