//! The identity audit of a clustering: asked for with the job, made before it ends, kept behind its images.
//!
//! **Promises.** It lives and goes with the result, and counts to its size. It obeys what was decided when the images were
//! read, whether or not the clustering itself does.

use serde::{Deserialize, Serialize};

use super::Engine;
use super::error::{EngineError, ErrorKind};
use super::records::ClusteringOutcome;
use super::result::{Chunk, named};
use crate::cluster::audit::{Chance, Finding};
use crate::face::FaceId;
use crate::job::Token;
use crate::store::{decode, keys};

/// That a clustering is audited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AuditRecord {
    /// Where its findings are, once it has Finished.
    pub(super) kept: Option<AuditKept>,
}

/// Where in a result the findings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AuditKept {
    /// The first chunk of them; the others follow, to the last of the result.
    pub(super) first_chunk: u32,
    /// How many there are.
    pub(super) n_findings: u64,
    /// What different people show by chance.
    pub(super) chance: Chance,
}

impl Engine {
    /// Whether a job is audited, and once it has Finished where its findings are.
    pub(super) fn audit_record(&self, token: Token) -> Result<Option<AuditRecord>, EngineError> {
        let key = keys::audit(token);
        Ok(self.store.get(&key)?.map(|value| decode(&key, &value)).transpose()?)
    }

    /// Reads the identity audit of a finished clustering; none if the job did not ask for one. As long as somebody has
    /// a [`JobView`](super::JobView) of the job its result stays.
    pub fn read_audit(
        &self,
        token: Token,
        outcome: &ClusteringOutcome,
    ) -> Result<Option<AuditReader<'_>>, EngineError> {
        let Some(AuditRecord { kept: Some(kept) }) = self.audit_record(token)? else { return Ok(None) };
        let mut reader = AuditReader {
            engine: self,
            token,
            next: 0,
            end: outcome.n_chunks,
            names: Vec::new(),
            chance: kept.chance,
            n_left: kept.n_findings,
            findings: Vec::new().into_iter(),
        };
        while (reader.names.len() as u64) < outcome.n_faces {
            let Some(Chunk::Names(names)) = reader.next_chunk()? else { return Err(damaged("the names end early")) };
            for name in &names {
                reader.names.push(named(name)?);
            }
        }
        reader.next = kept.first_chunk;
        Ok(Some(reader))
    }
}

fn damaged(why: &str) -> EngineError {
    EngineError::new(ErrorKind::Storage, format!("the audit of the result cannot be read: {why}"))
}

/// The findings of an audit, in their order, read as they are asked for.
pub struct AuditReader<'a> {
    engine: &'a Engine,
    token: Token,
    next: u32,
    end: u32,
    names: Vec<FaceId>,
    chance: Chance,
    n_left: u64,
    findings: std::vec::IntoIter<Finding>,
}

impl std::fmt::Debug for AuditReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditReader").field("names", &self.names.len()).finish_non_exhaustive()
    }
}

impl AuditReader<'_> {
    /// The names of all images that took part, in image order; empty when they were taken before.
    pub fn take_names(&mut self) -> Vec<FaceId> {
        std::mem::take(&mut self.names)
    }

    /// What different people show by chance.
    pub fn chance(&self) -> Chance {
        self.chance
    }

    /// The next finding; none at the end. They come kind by kind in the order of [`Kind::ALL`](crate::cluster::audit::Kind::ALL).
    pub fn next_finding(&mut self) -> Result<Option<Finding>, EngineError> {
        while self.findings.len() == 0 {
            match self.next_chunk()? {
                Some(Chunk::Findings(findings)) => self.findings = findings.into_iter(),
                Some(_) => return Err(damaged("its chunks are out of order")),
                None if self.n_left == 0 => return Ok(None),
                None => return Err(damaged("it ends early")),
            }
        }
        self.n_left = self.n_left.saturating_sub(1);
        Ok(self.findings.next())
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>, EngineError> {
        if self.next >= self.end {
            return Ok(None);
        }
        let key = keys::result_chunk(self.token, self.next);
        self.next += 1;
        let value = self.engine.store.get(&key)?.ok_or_else(|| damaged("its job was forgotten"))?;
        Ok(Some(decode(&key, &value)?))
    }
}
