//! QueueInfo: what became of jobs, and steering them (contract chapter 5).

use std::io;

use super::clustering::{self, Page};
use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Write, code, fault, import};
use crate::aci::parameter::{depending, optional, required};
use crate::aci::{Answer, Code, Fault, Form, Parameters};
use crate::engine::{EngineError, ErrorKind, JobResult, JobView, Task};
use crate::job::{Queue, State, Timestamp, Token};

/// What QueueInfo is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueueAction {
    GetStatus,
    Progress,
    Cancel,
    Stop,
    QueueStatus,
    /// In the contract, not in this version.
    Unbuilt,
}

const QUEUE_ACTIONS: [(&str, QueueAction); 10] = [
    ("getStatus", QueueAction::GetStatus),
    ("progress", QueueAction::Progress),
    ("cancel", QueueAction::Cancel),
    ("stop", QueueAction::Stop),
    ("queueStatus", QueueAction::QueueStatus),
    ("pause", QueueAction::Unbuilt),
    ("resume", QueueAction::Unbuilt),
    ("changePriority", QueueAction::Unbuilt),
    ("duplicate", QueueAction::Unbuilt),
    ("getActionParameters", QueueAction::Unbuilt),
];

/// Filters of getStatus that are in the contract and not in this version.
const UNBUILT_FILTERS: [&str; 9] = [
    "state",
    "sort-by",
    "sort-order",
    "queued-after",
    "queued-before",
    "finished-after",
    "finished-before",
    "min-priority",
    "max-priority",
];

/// The rows of this family.
pub(super) const ACTIONS: &[Action] = &[Action {
    name: "QueueInfo",
    about: "Reports on the jobs of a queue, or steers them.",
    needs: Needs::QueryFor {
        parameter: "queueaction",
        values: &["getStatus", "progress", "queueStatus", "getActionParameters"],
    },
    way: Way::AtOnce,
    parameters: &[
        required("queuename", Form::Text, "The queue; its name is that of the action."),
        required("queueaction", Form::Choice(&WORDS), "What to do."),
        depending("token", Form::Token, "with cancel, changePriority, duplicate", "The job; without it the queue."),
        depending(
            "priority",
            Form::Integer(0, 100),
            "with changePriority",
            "The new priority; a higher number starts earlier.",
        ),
        optional(
            "state",
            Form::Choices(&["Queued", "Processing", "Paused", "Finished", "Error", "Cancelled", "Stopped"]),
            "all",
            "getStatus: only jobs in these states.",
        ),
        optional("maxresults", Form::Integer(0, u64::MAX), "all", "getStatus: at most so many jobs."),
        optional(
            "sort-by",
            Form::Choice(&["queue-time", "start-time", "finish-time", "priority"]),
            "queue-time",
            "getStatus: the order of the jobs.",
        ),
        optional(
            "sort-order",
            Form::Choice(&["descending", "ascending"]),
            "descending",
            "getStatus: newest or oldest first.",
        ),
        optional("queued-after", Form::Date, "none", "getStatus: only jobs queued later."),
        optional("queued-before", Form::Date, "none", "getStatus: only jobs queued earlier."),
        optional("finished-after", Form::Date, "none", "getStatus: only jobs that ended later."),
        optional("finished-before", Form::Date, "none", "getStatus: only jobs that ended earlier."),
        optional("min-priority", Form::Integer(0, 100), "0", "getStatus: only jobs of at least this priority."),
        optional("max-priority", Form::Integer(0, 100), "100", "getStatus: only jobs of at most this priority."),
        optional("allstages", Form::Boolean, "false", "progress: show all stages so far."),
        optional("maxdepth", Form::Integer(0, u64::MAX), "1", "progress: 0 shows no stages."),
        optional(
            "resultfirstcluster",
            Form::Integer(1, u64::MAX),
            "1",
            "getStatus: the first cluster shown of a result.",
        ),
        optional(
            "resultmaxclusters",
            Form::Integer(0, u64::MAX),
            "all",
            "getStatus: at most so many clusters of a result.",
        ),
    ],
    answer: "actions with action: status, queued_time, time_in_queue, process_start_time, time_processing, process_end_time, error or the result, token; progress: action with progress; queueStatus: queue",
    example: example!("QueueInfo", "/action=QueueInfo&queuename=FaceClustering&queueaction=getStatus&token={token}"),
    prepare: queue_info,
}];

/// The words of queueaction.
const WORDS: [&str; 10] = [
    "getStatus",
    "progress",
    "cancel",
    "stop",
    "queueStatus",
    "pause",
    "resume",
    "changePriority",
    "duplicate",
    "getActionParameters",
];

/// What the parameters say, before the queue is looked at.
struct Asked {
    action: QueueAction,
    queue: String,
    token: Option<String>,
    max: u64,
    page: Option<Page>,
    all_stages: bool,
    max_depth: u64,
}

fn queue_info<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let asked = parameters.read(ask)?;
    let Some(queue) = Queue::parse(&asked.queue) else {
        let known: Vec<&str> = Queue::ALL.into_iter().map(Queue::name).collect();
        let text = format!("'queuename={}' is not a queue; there are {}", asked.queue, known.join(", "));
        return Err(Fault::new(Code::UnknownQueue, text));
    };
    let token = match asked.action {
        QueueAction::QueueStatus => None,
        _ => asked.token.as_deref().map(|text| find(actions, queue, text)).transpose()?,
    };
    match asked.action {
        QueueAction::GetStatus => Ok(get_status(actions, queue, token, &asked)),
        QueueAction::Progress => Ok(progress(actions, queue, token, &asked)),
        QueueAction::QueueStatus => Ok(Box::new(move |answer| write_queue(answer, queue, &actions.engine.jobs(queue)))),
        QueueAction::Cancel => {
            let token = token.ok_or_else(|| Fault::missing("token"))?;
            let state = actions.engine.cancel(queue, token).map_err(|error| fault(&error))?;
            Ok(concerned(vec![(token, state)]))
        }
        QueueAction::Stop => match token {
            Some(token) => {
                let state = actions.engine.stop(queue, token).map_err(|error| fault(&error))?;
                Ok(concerned(vec![(token, state)]))
            }
            None => Ok(concerned(actions.engine.stop_all(queue).map_err(|error| fault(&error))?)),
        },
        QueueAction::Unbuilt => unreachable!("refused when it was read"),
    }
}

fn ask(p: &Parameters) -> Result<Asked, Fault> {
    let action = p.choice("queueaction", &QUEUE_ACTIONS)?.ok_or_else(|| Fault::missing("queueaction"))?;
    if action == QueueAction::Unbuilt {
        let text = p.required_text("queueaction")?;
        return Err(Fault::not_offered("queueaction", text, "is not offered yet"));
    }
    if action == QueueAction::Cancel && !p.is_given("token") {
        return Err(Fault::missing("token"));
    }
    let filter = UNBUILT_FILTERS.iter().find(|name| p.is_given(name));
    if let Some(name) = filter.filter(|_| action == QueueAction::GetStatus) {
        return Err(Fault::new(Code::NotOffered, format!("'{name}' is not offered yet")));
    }
    let first = p.integer("resultfirstcluster", 1..=u64::MAX)?;
    let max = p.integer("resultmaxclusters", 0..=u64::MAX)?;
    let is_paged = first.is_some() || max.is_some();
    Ok(Asked {
        action,
        queue: p.required_text("queuename")?.to_owned(),
        token: p.text("token").map(str::to_owned),
        max: p.integer("maxresults", 0..=u64::MAX)?.unwrap_or(u64::MAX),
        page: is_paged.then(|| Page { first: first.unwrap_or(1), max: max.unwrap_or(u64::MAX) }),
        all_stages: p.boolean("allstages")?.unwrap_or(false),
        max_depth: p.integer("maxdepth", 0..=u64::MAX)?.unwrap_or(1),
    })
}

/// The token of a job that is in the queue.
fn find(actions: &Actions, queue: Queue, text: &str) -> Result<Token, Fault> {
    let known = Token::parse(text).filter(|&token| actions.engine.job(queue, token).is_some());
    known.ok_or_else(|| Fault::token_not_known(text, queue.name()))
}

/// The jobs asked about, the newest first (R85).
fn jobs(actions: &Actions, queue: Queue, token: Option<Token>) -> Vec<JobView> {
    match token {
        Some(token) => actions.engine.job(queue, token).into_iter().collect(),
        None => actions.engine.jobs(queue).into_iter().rev().collect(),
    }
}

/// Jobs with their status after a request (R87).
fn concerned<'a>(list: Vec<(Token, State)>) -> Write<'a> {
    Box::new(move |answer| {
        answer.open("actions")?;
        for (token, state) in list {
            answer.open("action")?;
            answer.text("status", state.word())?;
            answer.value("token", token)?;
            answer.close("action")?;
        }
        answer.close("actions")
    })
}

fn get_status<'a>(actions: &'a Actions, queue: Queue, token: Option<Token>, asked: &Asked) -> Write<'a> {
    let (max, page) = (usize::try_from(asked.max).unwrap_or(usize::MAX), asked.page);
    let jobs = jobs(actions, queue, token);
    Box::new(move |answer| {
        answer.open("actions")?;
        for job in jobs.iter().take(max) {
            answer.open("action")?;
            write_job(actions, answer, queue, job, page)?;
            answer.close("action")?;
        }
        answer.close("actions")
    })
}

/// One job, its times and its result (R90).
fn write_job(
    actions: &Actions,
    answer: &mut Answer<'_>,
    queue: Queue,
    job: &JobView,
    page: Option<Page>,
) -> io::Result<()> {
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
    match (&job.result, &job.task) {
        (Some(JobResult::Fault { kind, text }), _) => {
            let fault = Fault::new(code(*kind), text.clone());
            answer.text("error", &fault.job_text(queue.name()))?;
        }
        (Some(JobResult::Clustering(outcome)), Task::Cluster(task)) => {
            clustering::write_outcome(actions, answer, job.token, task, outcome, page)?;
        }
        (Some(JobResult::Import(outcome)), Task::Import(task)) => import::write_outcome(answer, task, outcome)?,
        (None, _) => {}
        (Some(_), _) => {
            return Err(super::cut(EngineError::new(ErrorKind::Internal, "a result that is not its task's")));
        }
    }
    answer.value("token", job.token)
}

/// The difference of two instants, each cut to the second (R91).
fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    (to.seconds() - from.seconds()).max(0)
}

/// Which stages of a job are shown (R96).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stages {
    None,
    Running,
    All,
}

/// How far jobs are (R95): with a token that job, else all that have not ended.
fn progress<'a>(actions: &'a Actions, queue: Queue, token: Option<Token>, asked: &Asked) -> Write<'a> {
    let stages = match (asked.max_depth, asked.all_stages) {
        (0, _) => Stages::None,
        (_, false) => Stages::Running,
        (_, true) => Stages::All,
    };
    let mut jobs = jobs(actions, queue, token);
    jobs.retain(|job| token.is_some() || !job.state.is_ended());
    Box::new(move |answer| {
        for job in &jobs {
            answer.open("action")?;
            answer.value("token", job.token)?;
            answer.text("status", job.state.word())?;
            write_progress(answer, job, stages)?;
            answer.close("action")?;
        }
        Ok(())
    })
}

fn write_progress(answer: &mut Answer<'_>, job: &JobView, stages: Stages) -> io::Result<()> {
    let spent = job.started.map_or(0, |started| seconds(started, job.ended.unwrap_or(job.now)));
    let percent = job.progress.percent;
    answer.open("progress")?;
    answer.text("building_mode", "false")?;
    answer.value("percent", format_args!("{percent:.3}"))?;
    answer.value("time_processing", spent)?;
    if let Some(remaining) = job.progress.remaining {
        answer.value("estimated_time_remaining", remaining.as_secs_f64().ceil())?;
    }
    let before = if stages == Stages::All { job.progress.before.as_slice() } else { &[] };
    let running = job.progress.stage.filter(|_| stages != Stages::None);
    for (name, percent) in before.iter().map(|&name| (name, 100.0)).chain(running) {
        answer.open("stage")?;
        answer.text("name", name)?;
        answer.value("percent", format_args!("{percent:.3}"))?;
        answer.close("stage")?;
    }
    answer.close("progress")
}

/// The figures of a queue (R98).
pub(super) fn write_queue(answer: &mut Answer<'_>, queue: Queue, jobs: &[JobView]) -> io::Result<()> {
    let count = |is: fn(State) -> bool| jobs.iter().filter(|job| is(job.state)).count();
    answer.open("queue")?;
    answer.text("name", queue.name())?;
    answer.text("paused", "false")?;
    answer.value("pending", count(|state| state == State::Queued))?;
    answer.value("running", count(|state| matches!(state, State::Processing | State::Stopping)))?;
    answer.value("completed", count(State::is_ended))?;
    answer.close("queue")
}
