//! progress: how far jobs are (contract R95, R96).

use std::io;

use super::super::Write;
use super::seconds;
use crate::aci::{Answer, Fault, Parameters};
use crate::engine::JobView;

/// Which stages of a job are shown (R96).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stages {
    None,
    Running,
    All,
}

impl Stages {
    pub(super) fn read(p: &Parameters) -> Result<Self, Fault> {
        let all = p.boolean("allstages")?.unwrap_or(false);
        let depth = p.integer("maxdepth", 0..=u64::MAX)?.unwrap_or(1);
        Ok(match (depth, all) {
            (0, _) => Self::None,
            (_, false) => Self::Running,
            (_, true) => Self::All,
        })
    }
}

/// How far these jobs are (R95).
pub(super) fn progress<'a>(jobs: Vec<JobView>, stages: Stages) -> Write<'a> {
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
    let running = job.progress.stage.filter(|_| match stages {
        Stages::None => false,
        Stages::Running => !job.state.is_ended(),
        Stages::All => true,
    });
    for (stage, percent) in before.iter().map(|&stage| (stage, 100.0)).chain(running) {
        answer.open("stage")?;
        answer.text("name", stage.name())?;
        answer.value("percent", format_args!("{percent:.3}"))?;
        answer.close("stage")?;
    }
    answer.close("progress")
}
