//! getStatus: which jobs are shown, in which order, and what of each (contract R84, R85, R89-R94).
//!
//! **Promises.** What is listed is chosen before anything is written; results are read from the store as they are
//! written, without a lock and one at a time.

use std::cmp::Ordering;
use std::io;

use jiff::tz::TimeZone;

use super::super::clustering::{self, Page};
use super::super::failures::code;
use super::super::{Actions, Write, cut, export, import, training};
use super::{priority, seconds};
use crate::aci::{Answer, Fault, Parameters};
use crate::engine::{EngineError, ErrorKind, JobResult, JobView, Task};
use crate::job::{Priority, Queue, Timestamp};

/// The status words (R71).
pub(super) const WORDS: [&str; 7] = ["Queued", "Processing", "Paused", "Finished", "Error", "Cancelled", "Stopped"];

/// By what jobs are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Queued,
    Started,
    Ended,
    Priority,
}

/// In which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Ascending,
    Descending,
}

/// Which jobs of a queue are shown, and in which order.
#[derive(Debug)]
pub(super) struct Filter {
    /// Status words; none means all.
    states: Option<Vec<&'static str>>,
    queued: Between,
    ended: Between,
    priorities: (Priority, Priority),
    key: Key,
    direction: Direction,
    max: usize,
}

/// Moments strictly between two, in whole seconds as they are printed.
#[derive(Debug, Default)]
struct Between {
    after: Option<i64>,
    before: Option<i64>,
}

impl Between {
    fn read(p: &Parameters, zone: &TimeZone, after: &str, before: &str) -> Result<Self, Fault> {
        let date = |name| Ok(p.date(name, zone, jiff::Timestamp::now())?.map(jiff::Timestamp::as_second));
        Ok(Self { after: date(after)?, before: date(before)? })
    }

    /// A moment that has not come is in between only if nothing is asked of it.
    fn holds(&self, at: Option<Timestamp>) -> bool {
        let Some(at) = at.map(Timestamp::seconds) else { return self.after.is_none() && self.before.is_none() };
        self.after.is_none_or(|after| at > after) && self.before.is_none_or(|before| at < before)
    }
}

impl Filter {
    pub(super) fn read(p: &Parameters, zone: &TimeZone) -> Result<Self, Fault> {
        let keys = [
            ("queue-time", Key::Queued),
            ("start-time", Key::Started),
            ("finish-time", Key::Ended),
            ("priority", Key::Priority),
        ];
        let directions = [("descending", Direction::Descending), ("ascending", Direction::Ascending)];
        let max = p.integer("maxresults", 0..=u64::MAX)?.unwrap_or(u64::MAX);
        Ok(Self {
            states: states(p)?,
            queued: Between::read(p, zone, "queued-after", "queued-before")?,
            ended: Between::read(p, zone, "finished-after", "finished-before")?,
            priorities: (
                priority(p, "min-priority")?.unwrap_or(Priority::MIN),
                priority(p, "max-priority")?.unwrap_or(Priority::MAX),
            ),
            key: p.choice("sort-by", &keys)?.unwrap_or(Key::Queued),
            direction: p.choice("sort-order", &directions)?.unwrap_or(Direction::Descending),
            max: usize::try_from(max).unwrap_or(usize::MAX),
        })
    }

    /// Those of the jobs that are shown, in their order.
    pub(super) fn apply(&self, mut jobs: Vec<JobView>) -> Vec<JobView> {
        jobs.retain(|job| self.shows(job));
        jobs.sort_by(|a, b| self.order(a, b));
        jobs.truncate(self.max);
        jobs
    }

    fn shows(&self, job: &JobView) -> bool {
        let (least, most) = self.priorities;
        self.states.as_ref().is_none_or(|states| states.contains(&job.state.word()))
            && self.queued.holds(Some(job.queued))
            && self.ended.holds(job.ended)
            && (least..=most).contains(&job.priority)
    }

    /// Jobs without the key are last and equal ones in the order of their queued time, whatever the direction (R85).
    fn order(&self, a: &JobView, b: &JobView) -> Ordering {
        let key = |job: &JobView| match self.key {
            Key::Queued => Some(job.queued.0),
            Key::Started => job.started.map(|at| at.0),
            Key::Ended => job.ended.map(|at| at.0),
            Key::Priority => Some(i64::from(job.priority.number())),
        };
        let by_key = match (key(a), key(b)) {
            (Some(a), Some(b)) if self.direction == Direction::Ascending => a.cmp(&b),
            (Some(a), Some(b)) => b.cmp(&a),
            (a, b) => a.is_none().cmp(&b.is_none()),
        };
        by_key.then_with(|| (a.queued, a.token).cmp(&(b.queued, b.token)))
    }
}

fn states(p: &Parameters) -> Result<Option<Vec<&'static str>>, Fault> {
    let Some(list) = p.list("state")? else { return Ok(None) };
    let word = |text: &String| {
        let known = WORDS.into_iter().find(|word| word.eq_ignore_ascii_case(text));
        known.ok_or_else(|| Fault::value("state", text, &format!("is not one of {}", WORDS.join(", "))))
    };
    list.iter().map(word).collect::<Result<_, _>>().map(Some)
}

/// What is shown of a job besides what always is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Show {
    /// Which clusters of a result; none says all, without saying so (R94).
    pub(super) page: Option<Page>,
    /// Until when its start is delayed.
    pub(super) delays: bool,
}

pub(super) fn get_status(actions: &Actions, queue: Queue, jobs: Vec<JobView>, show: Show) -> Write<'_> {
    Box::new(move |answer| {
        answer.open("actions")?;
        for job in &jobs {
            answer.open("action")?;
            write_job(actions, answer, queue, job, show)?;
            answer.close("action")?;
        }
        answer.close("actions")
    })
}

/// One job, its times and its result (R90).
fn write_job(actions: &Actions, answer: &mut Answer<'_>, queue: Queue, job: &JobView, show: Show) -> io::Result<()> {
    answer.text("status", job.state.word())?;
    answer.text("queued_time", &actions.date(job.queued))?;
    let left_queue = job.started.or(job.ended).unwrap_or(job.now);
    answer.value("time_in_queue", seconds(job.queued, left_queue))?;
    if let Some(started) = job.started {
        answer.text("process_start_time", &actions.date(started))?;
        answer.value("time_processing", seconds(started, job.ended.unwrap_or(job.now)))?;
    }
    if let Some(ended) = job.ended {
        answer.text("process_end_time", &actions.date(ended))?;
    }
    if let Some(at) = job.start_after.filter(|_| show.delays) {
        answer.text("startafter", &actions.date(at))?; // only of a job that waits, which has nothing else to say
    }
    match job.result() {
        Some(JobResult::Fault { kind, text }) => {
            let fault = Fault::new(code(*kind), text.clone());
            answer.text("error", &fault.job_text(queue.name()))?;
            answer.value("token", job.token)
        }
        _ => write_result(actions, answer, job, show.page),
    }
}

/// The elements of the result of a job that has Finished, of any other none; and its token, the last of them but where
/// the result has it earlier (R92).
pub(in super::super) fn write_result(
    actions: &Actions,
    answer: &mut Answer<'_>,
    job: &JobView,
    page: Option<Page>,
) -> io::Result<()> {
    match (job.result(), job.task()) {
        (None | Some(JobResult::Fault { .. }), _) => Ok(()),
        (Some(JobResult::Train(outcome)), Task::Train(task)) => {
            return training::write_trained(answer, job, task, outcome);
        }
        (Some(JobResult::Build(outcome)), Task::Build(_)) => {
            return training::write_built(actions, answer, job, outcome);
        }
        (Some(JobResult::Build(outcome)), Task::BuildAll(_)) => {
            return training::write_all_built(actions, answer, job, outcome);
        }
        (Some(JobResult::Clustering(outcome)), Task::Cluster(task)) => {
            clustering::write_outcome(actions, answer, job.token, task, outcome, page)
        }
        (Some(JobResult::Import(outcome)), Task::Import(task)) => import::write_outcome(answer, task, outcome),
        (Some(JobResult::Export(outcome)), Task::Export(task)) => export::write_outcome(answer, task, outcome),
        (Some(_), _) => Err(cut(EngineError::new(ErrorKind::Internal, "a result that is not its task's"))),
    }?;
    answer.value("token", job.token)
}
