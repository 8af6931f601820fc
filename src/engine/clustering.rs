//! FaceClustering: a snapshot of the trained images, clustered, the result kept in chunks and made visible at the end.

use tracing::info;

use super::audit::AuditRecord;
use super::change::Faces;
use super::decisions::{OfFaces, RespectRecord};
use super::error::{EngineError, ErrorKind};
use super::images::embedding;
use super::ledger::{Earlier, JobLedger};
use super::progress::Control;
use super::records::{ClusterTask, ClusteringOutcome, DatabaseRecord, ImageRecord, JobResult, ModelRecord};
use super::result::Kept;
use super::worker::Unfinished;
use super::{COSINE, Engine};
use crate::cluster::audit::{Audit, Decided, Subject, audit};
use crate::cluster::{
    self, Bond, Choice, ClusterError, Clustering, Constraints, NoShelf, Parameters, Resources, Shelf, Who,
};
use crate::confidence::ConfidenceScale;
use crate::face::{DatabaseName, Embedding, FaceId, FaceSet, ImageStatus};
use crate::job::{Event, State, Timestamp, Token};
use crate::store::{Batch, Scan, StoreError, decode, keys};

/// What one job works on (contract R69).
#[derive(Debug)]
struct Snapshot {
    faces: FaceSet,
    scale: ConfidenceScale,
    /// The memory that the faces take.
    bytes: u64,
    /// The number of its database, which may have kept pairs and a graph; none for all databases together.
    database: Option<u64>,
    /// The oldest synchronisation seen.
    synced: Timestamp,
    /// What is decided of the faces, and what that means, if the clustering obeys it.
    bonds: Option<Vec<(Bond, Who, Who)>>,
    constraints: Constraints,
    /// The same for the audit, if there is to be one.
    decided: Option<Decided>,
}

impl Snapshot {
    /// What the clustering of it is asked for.
    fn parameters(&self, task: &ClusterTask) -> Parameters {
        Parameters {
            cluster_threshold: task.cluster_threshold(),
            output_threshold: task.output_threshold(),
            max_matches: task.max_results.map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
            scope: task.scope,
            search: task.search.unwrap_or_default(),
            constraints: self.constraints.clone(),
        }
    }
}

impl Engine {
    /// Works a clustering to its end, which it commits itself together with its result.
    pub(super) fn run_clustering(
        &self,
        token: Token,
        task: &ClusterTask,
        control: &Control,
    ) -> Result<State, Unfinished> {
        control.loading();
        let respects_decisions = self.respect(token)?.is_some();
        let audits = self.audit_record(token)?.is_some();
        if audits {
            control.expect_audit();
        }
        let snapshot = self.snapshot(task, respects_decisions, audits, control)?;
        let (clustering, ledger) = self.clustered(token, task, &snapshot, control)?;
        let (units, took) = control.compared();
        self.pace.note(ledger.n_compared(units), took);
        let audit = self.audited(task, &snapshot, &clustering, control)?;
        let kept = Kept { clustering: &clustering, bonds: snapshot.bonds.as_deref(), audit: audit.as_ref() };
        let written = self.keep_result(token, &snapshot.faces, &kept, control)?;
        let outcome = ClusteringOutcome {
            n_faces: snapshot.faces.len() as u64,
            n_clusters: clustering.clusters().len() as u64,
            n_chunks: written.n_chunks,
            choice: clustering.choice(),
            audit: clustering.audit(),
            synced: (!task.sync).then_some(snapshot.synced.0),
        };
        let Choice { method, reason } = outcome.choice;
        info!(%token, faces = outcome.n_faces, clusters = outcome.n_clusters, method = method.name(), %reason, "clustering done");
        let mut with = Batch::new();
        if snapshot.bonds.is_some() {
            with.record(&keys::respect(token), &RespectRecord { respected: Some(snapshot.constraints.len() as u64) });
        }
        if audits {
            with.record(&keys::audit(token), &AuditRecord { kept: written.audit });
        }
        let state = self.end(token, Event::Finish, Some(JobResult::Clustering(outcome)), with)?;
        if state == State::Finished {
            ledger.keep();
        }
        Ok(state)
    }

    /// The clustering of a snapshot, and what is to be kept of the work if the job ends well.
    fn clustered<'a>(
        &'a self,
        token: Token,
        task: &ClusterTask,
        snapshot: &'a Snapshot,
        control: &'a Control,
    ) -> Result<(Clustering, JobLedger<'a>), Unfinished> {
        let Snapshot { faces, scale, database, .. } = snapshot;
        let (parameters, resources) = (snapshot.parameters(task), self.resources(snapshot));
        let shelf = self.shelf_of(snapshot);
        let run = |earlier| {
            let ledger = JobLedger::new(self, token, control, faces, *database, earlier);
            let past = cluster::Past { ledger: &ledger, shelf: &*shelf };
            (cluster::cluster_with(faces, scale, &parameters, &resources, control, past), ledger)
        };
        let (mut clustering, mut ledger) = run(Earlier::Asked);
        if ledger.is_misread() {
            (clustering, ledger) = run(Earlier::Unasked);
        }
        Ok((clustering.map_err(|error| unfinished(error, snapshot.bytes))?, ledger))
    }

    /// The audit of a clustering, if the job asks for one.
    fn audited(
        &self,
        task: &ClusterTask,
        snapshot: &Snapshot,
        clustering: &Clustering,
        control: &Control,
    ) -> Result<Option<Audit>, Unfinished> {
        let Snapshot { faces, scale, decided: Some(decided), .. } = snapshot else { return Ok(None) };
        let parameters = snapshot.parameters(task);
        let subject = Subject { faces, scale, parameters: &parameters, clustering, decided };
        let audit = audit(&subject, &self.resources(snapshot), control, &*self.shelf_of(snapshot));
        Ok(Some(audit.map_err(|error| unfinished(error, snapshot.bytes))?))
    }

    fn resources(&self, snapshot: &Snapshot) -> Resources {
        Resources {
            threads: self.settings.threads,
            max_bytes: self.settings.memory.saturating_sub(snapshot.bytes),
            auto_exact: self.settings.auto_exact,
            ..Resources::default()
        }
    }

    /// Where the graph of the job's database is kept.
    fn shelf_of<'a>(&'a self, snapshot: &Snapshot) -> Box<dyn Shelf + 'a> {
        match snapshot.database.and_then(|number| self.borrow_shelf(number)) {
            Some(shelf) => Box::new(shelf),
            None => Box::new(NoShelf),
        }
    }

    /// The trained images that take part, under one lock.
    fn snapshot(
        &self,
        task: &ClusterTask,
        respects_decisions: bool,
        audits: bool,
        control: &Control,
    ) -> Result<Snapshot, Unfinished> {
        let mut faces = self.write_faces();
        let (databases, number) = match &task.database {
            Some(name) => {
                let name = DatabaseName::new(name).expect("checked when the job was accepted");
                let record = self.database(&name)?;
                let number = record.number;
                (vec![(name, record)], Some(number))
            }
            None => (self.databases()?, None),
        };
        if task.sync {
            let now = self.clock.now();
            for (_, record) in &databases {
                faces.view(record.number).sync(now);
            }
        }
        let model = self.common_model(&faces, &databases, task)?;
        let synced = databases.iter().map(|(_, record)| synced(&faces, record)).min().unwrap_or(faces.opened);
        let scale = model.scale()?;
        let mut failure: Option<Unfinished> = None;
        let images = databases.iter().flat_map(|(name, record)| self.trained(&faces, task, name, record));
        let mut left = self.settings.memory;
        let images = images.map_while(|image| {
            if control.order().is_some() {
                failure = Some(Unfinished::Told); // others wait for the lock: it does not rest here
                return None;
            }
            let image = image.map_err(EngineError::from).and_then(|image| self.fits(image, &mut left));
            image.map_err(|error| failure = Some(error.into())).ok()
        });
        let set = FaceSet::new(images);
        if let Some(failure) = failure {
            return Err(failure);
        }
        let set =
            set.map_err(|error| EngineError::caused(ErrorKind::Internal, "the images do not fit together", error))?;
        let of_faces = (audits || respects_decisions).then(|| {
            let names = databases.iter().map(|(name, record)| (record.number, name.clone())).collect();
            faces.book.of_faces(&names, set.ids())
        });
        let decided = of_faces.as_ref().filter(|_| audits).map(OfFaces::decided);
        let bonds = of_faces.filter(|_| respects_decisions).map(|of| of.bonds(&set));
        let constraints = Constraints::new(set.len(), bonds.iter().flatten().cloned());
        let bytes = self.settings.memory - left;
        Ok(Snapshot { faces: set, scale, bytes, database: number, synced, bonds, constraints, decided })
    }

    /// Counts an image against the memory of a job.
    fn fits(&self, image: (FaceId, Embedding), left: &mut u64) -> Result<(FaceId, Embedding), EngineError> {
        let bytes = (image.1.dimension() * size_of::<f32>() + size_of::<FaceId>()) as u64;
        *left = left.checked_sub(bytes).ok_or_else(|| {
            let limit = self.settings.memory;
            let least = limit - *left + bytes;
            let text = format!(
                "the images alone need at least {least} bytes of memory, the limit is {limit} (setting max_job_memory); \
                 one database at a time needs less than all together"
            );
            EngineError::new(ErrorKind::Limit, text)
        })?;
        Ok(image)
    }

    /// The rows of a database that the job sees.
    fn rows<'a>(&'a self, faces: &'a Faces, task: &ClusterTask, record: &DatabaseRecord) -> Scan<'a> {
        let present = self.store.scan(&keys::images(record.number));
        match faces.views.get(&record.number) {
            Some(view) if !task.sync => view.past(present),
            _ => present,
        }
    }

    /// Its trained images among them, in image order.
    fn trained<'a>(
        &'a self,
        faces: &'a Faces,
        task: &ClusterTask,
        name: &'a DatabaseName,
        record: &DatabaseRecord,
    ) -> impl Iterator<Item = Result<(FaceId, Embedding), StoreError>> + use<'a> {
        self.rows(faces, task, record).filter_map(move |entry| trained_image(name, entry).transpose())
    }

    /// The one model of all databases that have a trained image (contract R101); `cosine` if none has.
    fn common_model(
        &self,
        faces: &Faces,
        databases: &[(DatabaseName, DatabaseRecord)],
        task: &ClusterTask,
    ) -> Result<ModelRecord, EngineError> {
        let mut models: Vec<(&DatabaseName, &ModelRecord)> = Vec::new();
        for (name, record) in databases {
            if let (Some(first), Some(model)) = (self.trained(faces, task, name, record).next(), &record.model) {
                first?;
                models.push((name, model));
            }
        }
        let Some(&(_, first)) = models.first() else {
            return self.settings.model(COSINE);
        };
        if models.iter().all(|&(_, model)| model == first) {
            return Ok(first.clone());
        }
        let named: Vec<String> = models
            .iter()
            .map(|(name, model)| {
                format!("'database={name}' has '{}' of dimension {}", model.name, model.dimension.unwrap_or(0))
            })
            .collect();
        let text = format!("the databases have different embedding models: {}", named.join(", "));
        Err(EngineError::new(ErrorKind::MixedModels, text))
    }
}

fn synced(faces: &Faces, record: &DatabaseRecord) -> Timestamp {
    faces.views.get(&record.number).map_or(faces.opened, |view| view.synced)
}

fn trained_image(
    database: &DatabaseName,
    entry: Result<(Vec<u8>, Vec<u8>), StoreError>,
) -> Result<Option<(FaceId, Embedding)>, StoreError> {
    let (key, value) = entry?;
    let image: ImageRecord = decode(&key, &value)?;
    let (ImageStatus::Trained, Some(values)) = (image.status, image.embedding) else {
        return Ok(None);
    };
    let (identifier, label) = keys::image_names(&key)?;
    Ok(Some((FaceId { database: database.clone(), identifier, label }, embedding(&key, values)?)))
}

/// What a clustering or an audit of it that failed means for the job, whose images take `bytes`.
fn unfinished(error: ClusterError, bytes: u64) -> Unfinished {
    match error {
        ClusterError::Stopped => Unfinished::Told,
        ClusterError::TooManyPairs { .. } => EngineError::new(ErrorKind::Limit, limit_text(error, bytes)).into(),
    }
}

/// The figure and the limit, both with the images, and what helps (contract R121).
fn limit_text(mut error: ClusterError, images: u64) -> String {
    if let ClusterError::TooManyPairs { bytes, limit, .. } = &mut error {
        (*bytes, *limit) = (*bytes + images, *limit + images);
    }
    format!("{error} (setting max_job_memory)")
}
