//! TrainFace: a new face with its images, metadata and training in one atomic step (contract R137-R140).
//!
//! The pictures are looked at without any lock, and nothing is written meanwhile. What comes of it is decided by one batch:
//! the job is Finished, and the face is there with all its images. So a run that does not come to its end leaves nothing,
//! and the next run makes the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use tracing::debug;

use super::Engine;
use super::accept::{Ticket, may_be_accepted};
use super::bundle::Bundle;
use super::change::{Change, Which};
use super::error::{EngineError, ErrorKind};
use super::faces::generated;
use super::lanes;
use super::pictures::PictureRecord;
use super::progress::{Control, Stage};
use super::records::{FaceRecord, ImageRecord, JobResult, Task, TrainOutcome, TrainTask};
use super::trainer::{Looked, Trained, Trainer};
use super::verdict::Verdict;
use super::worker::Unfinished;
use crate::face::{DatabaseName, Identifier, ImageLabel, ImageStatus};
use crate::job::{Queue, State, Token};
use crate::store::keys;

/// What a client wants trained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainRequest {
    /// The database, which must be there when the job runs.
    pub database: DatabaseName,
    /// The new face; generated if not given.
    pub identifier: Option<Identifier>,
    /// As many as there are pictures; generated if not given.
    pub labels: Option<Vec<ImageLabel>>,
    /// The metadata of the face. Keys and values are names (contract R13), which the caller has checked.
    pub metadata: BTreeMap<String, String>,
    /// Whether the pixels of images that are trained are dropped.
    pub null_image_data: bool,
    /// How many pictures may be looked at at a time, up to [`Settings::max_num_parallel`](super::Settings).
    pub parallel: u64,
}

impl Engine {
    /// Accepts a training; `fill` puts the pictures into it.
    ///
    /// # Panics
    /// If there are labels and not as many as pictures.
    pub fn submit_training(
        &self,
        ticket: Ticket,
        request: TrainRequest,
        fill: impl FnOnce(&mut Bundle<'_>) -> Result<(), EngineError>,
    ) -> Result<Token, EngineError> {
        if let Some(token) = self.repeated(Queue::TrainFace, &ticket)? {
            return Ok(token);
        }
        self.check_capacity(Queue::TrainFace)?;
        let token = ticket.token;
        let mut bundle = Bundle::new(self, ticket.token)?;
        fill(&mut bundle)?;
        let (pictures, lengths) = bundle.seal()?;
        let identifier = match &request.identifier {
            Some(identifier) => identifier.as_str().to_owned(),
            None => generated()?,
        };
        let labels = match request.labels {
            Some(labels) => {
                assert_eq!(labels.len(), lengths.len(), "labels go with pictures one to one");
                labels.iter().map(|label| label.as_str().to_owned()).collect()
            }
            None => lengths.iter().map(|_| generated()).collect::<Result<Vec<_>, _>>()?,
        };
        let mut seen = BTreeSet::new();
        if let Some(label) = labels.iter().find(|label| !seen.insert(label.as_str())) {
            return Err(EngineError::new(ErrorKind::ImageExists, format!("'imagelabels' names '{label}' twice")));
        }
        let task = TrainTask {
            database: request.database.as_str().to_owned(),
            identifier,
            is_generated: request.identifier.is_none(),
            labels,
            pictures,
            lengths,
            metadata: request.metadata.into_iter().collect(),
            null_image_data: request.null_image_data,
            parallel: request.parallel,
        };
        let accepted = self.submit(ticket, Task::Train(task));
        if may_be_accepted(&accepted, token) {
            bundle.hand_over();
        }
        accepted
    }

    /// How many threads a job that asks for so many is given (contract R143).
    pub(super) fn lanes(&self, asked: u64) -> usize {
        usize::try_from(asked).unwrap_or(usize::MAX).clamp(1, self.settings.max_num_parallel.get())
    }

    /// Works a training to its end, which it commits itself together with its effect.
    pub(super) fn run_training(&self, token: Token, task: &TrainTask, control: &Control) -> Result<State, Unfinished> {
        let name = DatabaseName::new(&task.database).expect("checked when the job was accepted");
        let identifier = Identifier::new(&task.identifier).expect("checked when the job was accepted");
        let (trainer, which) = {
            let faces = self.read_faces();
            let record = self.database(&name)?;
            self.no_face(&name, record.number, &identifier)?;
            let trainer = self.trainer()?;
            trainer.check_fits(&name, &record)?;
            (trainer, faces.which(record.number))
        };
        let looked = self.look_at_all(trainer, task, control)?;
        if looked.iter().all(Result::is_err) {
            return Err(nothing_trained(task, &looked).into());
        }
        self.add_trained(token, (&name, which, &identifier), task, looked, control)
    }

    /// What the trainer makes of each picture, in the order of the request.
    fn look_at_all(
        &self,
        trainer: &dyn Trainer,
        task: &TrainTask,
        control: &Control,
    ) -> Result<Vec<Looked>, Unfinished> {
        let total = task.lengths.len();
        let looked: Mutex<BTreeMap<usize, Looked>> = Mutex::default();
        control.note(Stage::Train, 0, total as u64);
        lanes::each((0..total).collect(), self.lanes(task.parallel), |index| {
            if control.orders.obey().is_some() {
                return Err(Unfinished::Told);
            }
            let answer = trainer.look(&self.bundled(task, index)?)?;
            let mut looked = looked.lock().unwrap_or_else(PoisonError::into_inner);
            looked.insert(index, answer);
            control.note(Stage::Train, looked.len() as u64, total as u64);
            Ok(())
        })?;
        Ok(looked.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect())
    }

    /// Decides: the face with its images is there, and the job is Finished.
    fn add_trained(
        &self,
        token: Token,
        (name, which, identifier): (&DatabaseName, Which, &Identifier),
        task: &TrainTask,
        looked: Vec<Looked>,
        control: &Control,
    ) -> Result<State, Unfinished> {
        let keeps_pixels = |looked: &Looked| looked.is_err() || !task.null_image_data;
        let mut staged = self.stage_pictures(looked.iter().filter(|looked| keeps_pixels(looked)).count())?;
        for (index, _) in looked.iter().enumerate().filter(|(_, looked)| keeps_pixels(looked)) {
            if control.orders.obey().is_some() {
                return Err(Unfinished::Told); // the last point where it can wait
            }
            staged.keep(&mut &self.bundled(task, index)?[..])?;
        }
        staged.seal()?;
        let faces = self.write_faces();
        let mut record = self.database(name)?;
        if faces.which(record.number) != which {
            return Err(EngineError::database_not_found(name).into()); // another one has its name now
        }
        let face = self.no_face(name, record.number, identifier)?;
        let mut change = Change::default();
        let trainer = self.trainer()?;
        for trained in looked.iter().flatten() {
            if let Some(model) = self.binding(trainer, name, &record, &trained.embedding)? {
                record.model = Some(model);
                change.also.record(&keys::database(name), &record);
            }
        }
        change.put(record.number, face, None, &FaceRecord { metadata: task.metadata.clone() });
        let pictures = staged.hand_over(&mut change.also);
        let mut free = pictures.iter().copied();
        let mut statuses = Vec::with_capacity(looked.len());
        for (label, looked) in task.labels.iter().zip(looked) {
            let picture = if keeps_pixels(&looked) { free.next() } else { None };
            let image = ImageRecord::looked_at(looked, picture);
            statuses.push(image.status);
            let label = ImageLabel::new(label).expect("checked when the job was accepted");
            change.put(record.number, keys::image(record.number, identifier, &label), None, &image);
        }
        let state = self.finish(faces, token, JobResult::Train(TrainOutcome { statuses }), change)?;
        if state != State::Finished {
            let unused: Vec<_> = pictures.iter().map(|picture| picture.id).collect();
            self.forget_pictures(&unused);
        }
        Ok(state)
    }
}

impl ImageRecord {
    /// A picture that was looked at.
    pub(super) fn looked_at(looked: Looked, picture: Option<PictureRecord>) -> Self {
        match looked {
            Ok(Trained { embedding, facts }) => Self {
                status: ImageStatus::Trained,
                embedding: Some(embedding.values().to_vec()),
                verdict: facts.map_or(Verdict::Unknown, |facts| Verdict::Measured(Box::new(facts))),
                picture,
            },
            Err((reason, detail)) => {
                debug!(%reason, detail, "an image cannot be trained");
                Self { status: ImageStatus::Failed, embedding: None, verdict: Verdict::failed(reason, detail), picture }
            }
        }
    }
}

impl TrainOutcome {
    /// How many images are trained.
    pub fn n_trained(&self) -> usize {
        self.statuses.iter().filter(|&&status| status == ImageStatus::Trained).count()
    }
}

impl TrainTask {
    /// What a copy of the job is to do: another face, if its name was generated.
    pub(super) fn renew(&mut self) -> Result<(), EngineError> {
        if self.is_generated {
            self.identifier = generated()?;
        }
        Ok(())
    }
}

/// Each label with the reason.
fn nothing_trained(task: &TrainTask, looked: &[Looked]) -> EngineError {
    let reasons = task.labels.iter().zip(looked).filter_map(|(label, looked)| {
        let (reason, detail) = looked.as_ref().err()?;
        Some(format!("'{label}': {reason}, {detail}"))
    });
    let reasons: Vec<String> = reasons.collect();
    EngineError::new(ErrorKind::NothingTrained, format!("no image could be trained: {}", reasons.join("; ")))
}
