//! Clusterings on the disk: compact, in chunks, written once and read as a stream.
//!
//! First the names of all images that took part (contract R120), then the images cluster by cluster with their matches,
//! which speak of the names by number; then what was decided of images, if the clustering obeyed it. A reader keeps the
//! names in memory, and these decisions.

use serde::{Deserialize, Serialize};

use super::Engine;
use super::audit::AuditKept;
use super::error::{EngineError, ErrorKind};
use super::progress::{Control, Stage};
use super::records::ClusteringOutcome;
use super::worker::Unfinished;
use crate::cluster::audit::{Audit, Finding};
use crate::cluster::{Bond, Clustering, Who};
use crate::confidence::Confidence;
use crate::face::{FaceId, FaceSet, face_id};
use crate::job::Token;
use crate::store::{Batch, Scan, StoreError, decode, encode, keys};

/// A chunk is closed when it holds so many names or matches.
const ITEMS_PER_CHUNK: usize = 8_192;

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Chunk {
    /// Names by their number, from where the last chunk ended: database, identifier, label.
    Names(Vec<(String, String, String)>),
    /// Images, cluster by cluster.
    Images(Vec<Image>),
    /// What the audit found, in its order.
    Findings(Vec<Finding>),
    /// What the clustering obeyed.
    Bonds(Vec<(Bond, Who, Who)>),
}

/// Whether the value of a chunk is what was written.
pub(super) fn check(key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    decode::<Chunk>(key, value).map(|_| ())
}

/// One image of a cluster.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Image {
    /// The number of its cluster, from 0, in output order.
    cluster: u64,
    /// Its name.
    face: u32,
    /// Names and hundredths of confidence.
    matches: Vec<(u32, u16)>,
}

/// One image of a result: its cluster's number from 0, its name, and its matches in output order.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultFace {
    /// The number of its cluster, from 0, in output order.
    pub cluster: u64,
    /// Its index among the names.
    pub face: u32,
    /// Indices among the names, with the confidence.
    pub matches: Vec<(u32, Confidence)>,
}

/// Writes chunks in batches and counts them.
struct ChunkWriter<'a> {
    engine: &'a Engine,
    token: Token,
    n_chunks: u32,
    n_bytes: u64,
}

impl ChunkWriter<'_> {
    fn write(&mut self, chunk: &Chunk) -> Result<(), EngineError> {
        self.engine.check_room()?;
        let key = keys::result_chunk(self.token, self.n_chunks);
        let value = encode(&key, chunk);
        self.n_chunks += 1;
        self.n_bytes += value.len() as u64;
        let limit = self.engine.settings.max_result;
        if self.n_bytes > limit {
            let text = format!(
                "the result takes more than {limit} bytes (max_result_size); maxresults or a higher outputthreshold makes it smaller"
            );
            return Err(EngineError::new(ErrorKind::Limit, text));
        }
        let mut batch = Batch::new();
        batch.put(key, value);
        Ok(self.engine.store.write(batch)?)
    }

    fn write_audit(&mut self, audit: &Audit) -> Result<AuditKept, EngineError> {
        let first_chunk = self.n_chunks;
        let (mut findings, mut n_items) = (Vec::new(), 0);
        for finding in &audit.findings {
            n_items += finding.n_items();
            findings.push(finding.clone());
            if n_items >= ITEMS_PER_CHUNK {
                self.write(&Chunk::Findings(std::mem::take(&mut findings)))?;
                n_items = 0;
            }
        }
        if !findings.is_empty() {
            self.write(&Chunk::Findings(findings))?;
        }
        Ok(AuditKept { first_chunk, n_findings: audit.findings.len() as u64, chance: audit.chance })
    }
}

/// What is kept of a clustering.
pub(super) struct Kept<'a> {
    pub(super) clustering: &'a Clustering,
    /// What it obeyed, if it was asked to.
    pub(super) bonds: Option<&'a [(Bond, Who, Who)]>,
    pub(super) audit: Option<&'a Audit>,
}

/// What was written.
pub(super) struct Written {
    /// How many chunks there are.
    pub(super) n_chunks: u32,
    /// Where the findings are, if there was an audit.
    pub(super) audit: Option<AuditKept>,
}

impl Engine {
    /// Writes the chunks of a clustering, which nobody sees before its job says so; returns their number.
    pub(super) fn keep_result(
        &self,
        token: Token,
        faces: &FaceSet,
        kept: &Kept<'_>,
        control: &Control,
    ) -> Result<Written, Unfinished> {
        let Kept { clustering, bonds, audit } = *kept;
        self.clear_rows(&[keys::result(token)])?; // of an earlier run
        let mut writer = ChunkWriter { engine: self, token, n_chunks: 0, n_bytes: 0 };
        for ids in faces.ids().chunks(ITEMS_PER_CHUNK) {
            let names = ids.iter().map(|id| (id.database.to_string(), id.identifier.to_string(), id.label.to_string()));
            writer.write(&Chunk::Names(names.collect()))?;
        }
        let (mut images, mut n_items, mut done) = (Vec::new(), 0, 0u64);
        for (cluster, members) in clustering.clusters().iter().enumerate() {
            for &face in members {
                let matches = clustering.matches_of(face);
                n_items += 1 + matches.len();
                let matches = matches.iter().map(|m| (m.face, m.confidence.hundredths())).collect();
                images.push(Image { cluster: cluster as u64, face, matches });
                done += 1;
                if n_items >= ITEMS_PER_CHUNK {
                    if control.orders.obey().is_some() {
                        return Err(Unfinished::Told);
                    }
                    control.note(Stage::Keep, done, faces.len() as u64);
                    writer.write(&Chunk::Images(std::mem::take(&mut images)))?;
                    n_items = 0;
                }
            }
        }
        if !images.is_empty() {
            writer.write(&Chunk::Images(images))?;
        }
        for bonds in bonds.unwrap_or_default().chunks(ITEMS_PER_CHUNK) {
            writer.write(&Chunk::Bonds(bonds.to_vec()))?;
        }
        let audit = audit.map(|audit| writer.write_audit(audit)).transpose()?;
        control.keeps(writer.n_bytes);
        Ok(Written { n_chunks: writer.n_chunks, audit })
    }

    /// Reads the result of a finished clustering, from its first image on. As long as somebody has a
    /// [`JobView`](super::JobView) of the job its result stays, even if the job is forgotten; without one the reader may
    /// fail: a result is never cut short without a word.
    pub fn read_result(&self, token: Token, outcome: &ClusteringOutcome) -> Result<ResultReader<'_>, EngineError> {
        let mut reader = ResultReader {
            chunks: self.store.scan(&keys::result(token)),
            token,
            n_chunks: outcome.n_chunks,
            n_read: 0,
            n_names: 0,
            names: Vec::new(),
            images: Vec::new().into_iter(),
            bonds: Vec::new(),
        };
        reader.images = loop {
            match reader.next_chunk()? {
                Some(Chunk::Names(names)) => {
                    for name in names {
                        reader.names.push(named(&name)?);
                    }
                    reader.n_names = reader.names.len() as u32;
                }
                Some(Chunk::Images(images)) => break images.into_iter(),
                Some(Chunk::Findings(_) | Chunk::Bonds(_)) | None => break Vec::new().into_iter(),
            }
        };
        Ok(reader)
    }
}

pub(super) fn named((database, identifier, label): &(String, String, String)) -> Result<FaceId, EngineError> {
    face_id(database, identifier, label)
        .map_err(|error| EngineError::caused(ErrorKind::Storage, "a name in the result is damaged", error))
}

/// The images of a result, in output order, read as they are asked for.
pub struct ResultReader<'a> {
    chunks: Scan<'a>,
    token: Token,
    n_chunks: u32,
    n_read: u32,
    n_names: u32,
    names: Vec<FaceId>,
    images: std::vec::IntoIter<Image>,
    bonds: Vec<(Bond, Who, Who)>,
}

impl std::fmt::Debug for ResultReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResultReader").field("names", &self.names.len()).finish_non_exhaustive()
    }
}

impl ResultReader<'_> {
    /// The names of all images that took part, in image order; empty when they were taken before.
    pub fn take_names(&mut self) -> Vec<FaceId> {
        std::mem::take(&mut self.names)
    }

    /// What was decided of these images and obeyed, once the last image was read. A clustering of an earlier version of
    /// this program has kept nothing of it.
    pub fn take_bonds(&mut self) -> Vec<(Bond, Who, Who)> {
        std::mem::take(&mut self.bonds)
    }

    fn add_bonds(&mut self, bonds: Vec<(Bond, Who, Who)>) -> Result<(), EngineError> {
        let is_there = |who: &Who| who.faces().end <= self.n_names;
        if !bonds.iter().all(|(_, a, b)| is_there(a) && is_there(b)) {
            return Err(EngineError::new(ErrorKind::Storage, "a decision in the result is about no image of it"));
        }
        self.bonds.extend(bonds);
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>, EngineError> {
        let damaged = |why: &str| Err(EngineError::new(ErrorKind::Storage, why));
        match (self.chunks.next(), self.n_chunks - self.n_read) {
            (None, 0) => Ok(None),
            (Some(entry), 1..) => {
                let (key, value) = entry?;
                if key != keys::result_chunk(self.token, self.n_read) {
                    return damaged("a part of the result is missing: its job was forgotten, or a repair has lost it");
                }
                self.n_read += 1;
                Ok(Some(decode(&key, &value)?))
            }
            (None, _) => damaged("the result ends early: its job was forgotten"),
            (Some(_), 0) => damaged("the result has more chunks than were written"),
        }
    }

    /// The next image; none at the end.
    pub fn next_face(&mut self) -> Result<Option<ResultFace>, EngineError> {
        loop {
            if let Some(Image { cluster, face, matches }) = self.images.next() {
                let confidence = |hundredths| Confidence::from_hundredths(hundredths).unwrap_or(Confidence::MAX);
                let matches = matches.into_iter().map(|(face, hundredths)| (face, confidence(hundredths))).collect();
                return Ok(Some(ResultFace { cluster, face, matches }));
            }
            match self.next_chunk()? {
                Some(Chunk::Images(images)) => self.images = images.into_iter(),
                Some(Chunk::Names(_)) => {
                    return Err(EngineError::new(ErrorKind::Storage, "the chunks of the result are out of order"));
                }
                Some(Chunk::Bonds(bonds)) => self.add_bonds(bonds)?,
                Some(Chunk::Findings(_)) => {} // they are read by themselves
                None => return Ok(None),
            }
        }
    }
}
