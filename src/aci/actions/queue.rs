//! QueueInfo: what became of jobs, and steering them (contract chapter 5).

//!
//! The rows and what they lead to; `status` shows jobs and results, `progress` how far they are.

mod progress;
mod status;

use std::io;

use super::clustering::Page;
use super::table::{Action, Needs, Way, example};
use super::{Actions, Caller, Prepare, Write, fault};
use crate::aci::parameter::{depending, optional, required};
use crate::aci::{Answer, Code, Fault, Form, Parameters};
use crate::engine::{Concerned, EngineError, ErrorKind, JobView};
use crate::job::{Priority, Queue, State, Timestamp, Token};
use progress::Stages;
pub(super) use status::write_result;
use status::{Filter, Show};

/// What QueueInfo is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueueAction {
    GetStatus,
    Progress,
    Cancel,
    Stop,
    QueueStatus,
    Pause,
    Resume,
    ChangePriority,
    Duplicate,
    GetActionParameters,
}

const QUEUE_ACTIONS: [(&str, QueueAction); 10] = [
    ("getStatus", QueueAction::GetStatus),
    ("progress", QueueAction::Progress),
    ("cancel", QueueAction::Cancel),
    ("stop", QueueAction::Stop),
    ("queueStatus", QueueAction::QueueStatus),
    ("pause", QueueAction::Pause),
    ("resume", QueueAction::Resume),
    ("changePriority", QueueAction::ChangePriority),
    ("duplicate", QueueAction::Duplicate),
    ("getActionParameters", QueueAction::GetActionParameters),
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
        optional("state", Form::Choices(&status::WORDS), "all", "getStatus: only jobs in these states."),
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
        optional("showdelay", Form::Boolean, "false", "getStatus: show of a job whose start is delayed until when."),
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
    answer: "actions with action: status, queued_time, time_in_queue, process_start_time, time_processing, process_end_time, error or the result, token; progress: action with progress; queueStatus: queue; getActionParameters: action with status, parameters with parameter: name, value, token; cancel, stop, pause, resume, changePriority: action with status, token; duplicate: token",
    example: example!("QueueInfo", "/action=QueueInfo&queuename=FaceClustering&queueaction=getStatus&token={token}"),
    prepare: Prepare::Elements(queue_info),
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
    priority: Priority,
    filter: Filter,
    show: Show,
    stages: Stages,
}

fn queue_info<'a>(actions: &'a Actions, _: &Caller, parameters: &mut Parameters) -> Result<Write<'a>, Fault> {
    let asked = parameters.read(|p| ask(actions, p))?;
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
        QueueAction::GetStatus => {
            let jobs = match token {
                Some(_) => jobs(actions, queue, token),
                None => asked.filter.apply(actions.engine.jobs(queue)),
            };
            Ok(status::get_status(actions, queue, jobs, asked.show))
        }
        QueueAction::Progress => {
            let mut jobs = jobs(actions, queue, token);
            jobs.retain(|job| token.is_some() || !job.state.is_ended());
            Ok(progress::progress(jobs, asked.stages))
        }
        QueueAction::QueueStatus => Ok(Box::new(move |answer| write_queue(actions, answer, queue))),
        QueueAction::GetActionParameters => action_parameters(actions, queue, token),
        _ => steer(actions, queue, token, &asked),
    }
}

/// The changes (R86-R88). The parameters that each requires are there.
fn steer<'a>(actions: &'a Actions, queue: Queue, token: Option<Token>, asked: &Asked) -> Result<Write<'a>, Fault> {
    let engine = &*actions.engine;
    let one = |state: Result<State, EngineError>, token: Token| state.map(|state| vec![(token, state)]);
    let done = match (asked.action, token) {
        (QueueAction::Cancel, Some(token)) => one(engine.cancel(queue, token), token),
        (QueueAction::ChangePriority, Some(token)) => one(engine.change_priority(queue, token, asked.priority), token),
        (QueueAction::Stop, Some(token)) => one(engine.stop(queue, token), token),
        (QueueAction::Stop, None) => engine.stop_all(queue),
        (QueueAction::Pause, Some(token)) => one(engine.pause(queue, token), token),
        (QueueAction::Pause, None) => engine.pause_queue(queue),
        (QueueAction::Resume, Some(token)) => one(engine.resume(queue, token), token),
        (QueueAction::Resume, None) => engine.resume_queue(queue),
        (QueueAction::Duplicate, Some(token)) => {
            let copy = engine.duplicate(queue, token).map_err(|error| fault(&error))?;
            return Ok(Box::new(move |answer| answer.value("token", copy)));
        }
        _ => return Err(Fault::missing("token")),
    };
    done.map(concerned).map_err(|error| fault(&error))
}

fn ask(actions: &Actions, p: &Parameters) -> Result<Asked, Fault> {
    let action = p.choice("queueaction", &QUEUE_ACTIONS)?.ok_or_else(|| Fault::missing("queueaction"))?;
    let needs_token = [QueueAction::Cancel, QueueAction::ChangePriority, QueueAction::Duplicate].contains(&action);
    if needs_token && !p.is_given("token") {
        return Err(Fault::missing("token"));
    }
    if action == QueueAction::ChangePriority && !p.is_given("priority") {
        return Err(Fault::missing("priority"));
    }
    let first = p.integer("resultfirstcluster", 1..=u64::MAX)?;
    let max = p.integer("resultmaxclusters", 0..=u64::MAX)?;
    let is_paged = first.is_some() || max.is_some();
    Ok(Asked {
        action,
        queue: p.required_text("queuename")?.to_owned(),
        token: p.text("token").map(str::to_owned),
        priority: priority(p, "priority")?.unwrap_or_default(),
        filter: Filter::read(p, &actions.zone)?,
        show: Show {
            page: is_paged.then(|| Page { first: first.unwrap_or(1), max: max.unwrap_or(u64::MAX) }),
            delays: p.boolean("showdelay")?.unwrap_or(false),
        },
        stages: Stages::read(p)?,
    })
}

fn priority(p: &Parameters, name: &str) -> Result<Option<Priority>, Fault> {
    Ok(p.integer(name, 0..=u64::from(Priority::MAX.number()))?.and_then(Priority::new))
}

/// The token of a job that is in the queue.
fn find(actions: &Actions, queue: Queue, text: &str) -> Result<Token, Fault> {
    let token = Token::parse(text).ok_or_else(|| Fault::token_not_known(text, queue.name()))?;
    match actions.engine.find_job(queue, token) {
        Ok(_) => Ok(token),
        Err(error) if error.kind() == ErrorKind::Storage => Err(fault(&error)),
        Err(_) => Err(Fault::token_not_known(text, queue.name())), // in the client's own words
    }
}

/// The jobs asked about, the newest first.
fn jobs(actions: &Actions, queue: Queue, token: Option<Token>) -> Vec<JobView> {
    match token {
        Some(token) => actions.engine.job(queue, token).into_iter().collect(),
        None => actions.engine.jobs(queue).into_iter().rev().collect(),
    }
}

/// Jobs with their status after a request (R87).
fn concerned<'a>(list: Concerned) -> Write<'a> {
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

/// What jobs that have not ended were given (R97).
fn action_parameters(actions: &Actions, queue: Queue, token: Option<Token>) -> Result<Write<'_>, Fault> {
    let mut jobs = jobs(actions, queue, token);
    if let (Some(_), Some(job)) = (token, jobs.first().filter(|job| job.state.is_ended())) {
        return Err(fault(&EngineError::wrong_state("getActionParameters", job.state)));
    }
    jobs.retain(|job| !job.state.is_ended());
    Ok(Box::new(move |answer| {
        answer.open("actions")?;
        for job in jobs {
            answer.open("action")?;
            answer.text("status", job.state.word())?;
            answer.open("parameters")?;
            for (name, value) in job.parameters() {
                answer.open("parameter")?;
                answer.text("name", name)?;
                answer.text("value", value)?;
                answer.close("parameter")?;
            }
            answer.close("parameters")?;
            answer.value("token", job.token)?;
            answer.close("action")?;
        }
        answer.close("actions")
    }))
}

/// The difference of two instants, each cut to the second (R91).
fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    (to.seconds() - from.seconds()).max(0)
}

/// The figures of a queue (R98).
pub(super) fn write_queue(actions: &Actions, answer: &mut Answer<'_>, queue: Queue) -> io::Result<()> {
    let figures = actions.engine.figures(queue);
    answer.open("queue")?;
    answer.text("name", queue.name())?;
    answer.value("paused", figures.is_paused)?;
    answer.value("pending", figures.pending)?;
    answer.value("running", figures.running)?;
    answer.value("completed", figures.completed)?;
    answer.close("queue")
}
