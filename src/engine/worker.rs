//! The worker: takes jobs from the queues and runs them off the async threads, until it is told to shut down.
//!
//! **Promises.** A panic inside a job becomes that job's Error and the worker goes on. On shutdown every running job is
//! put back into its queue, on the disk, before [`run`] returns.

use std::error::Error as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::{JoinSet, spawn_blocking};
use tracing::{error, info, info_span, warn};

use super::Engine;
use super::error::{EngineError, ErrorKind};
use super::orders::Order;
use super::outbox;
use super::records::{JobResult, Task};
use super::start::Started;
use crate::job::{Event, State};
use crate::store::Batch;

/// How long the worker waits after the store failed before it tries again.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// How often a worker does its chores, the first time at once.
const ROUND: Duration = Duration::from_mins(1);

/// Why a job's work was not done.
#[derive(Debug)]
pub(super) enum Unfinished {
    /// It was told to end.
    Told,
    /// It met a fault.
    Fault(EngineError),
}

impl<E: Into<EngineError>> From<E> for Unfinished {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

/// Works the queues of `engine` until `shutdown`; returns when every running job is put back.
pub async fn run(engine: Arc<Engine>, shutdown: impl Future<Output = ()>) {
    let _present = Present::new(&engine);
    let mut shutdown = pin!(shutdown);
    let mut running = JoinSet::new();
    let mut posting = JoinSet::new(); // dropped, it ends
    posting.spawn(outbox::run(Arc::clone(&engine)));
    let mut rounds = tokio::time::interval(ROUND); // goes on however often jobs come and go
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let starter = Arc::clone(&engine);
        let started = spawn_blocking(move || starter.start_next()).await;
        match started {
            Ok(Ok(Some(started))) => {
                let engine = Arc::clone(&engine);
                running.spawn_blocking(move || engine.work(&started));
                continue; // perhaps another queue has one too
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                error!(error = &error as &dyn std::error::Error, cause = error.source(), "no job could be started");
                tokio::select! {
                    () = tokio::time::sleep(RETRY) => continue,
                    () = &mut shutdown => break,
                }
            }
            Err(error) => error!(%error, "starting a job failed"),
        }
        let delay = engine.next_delayed();
        tokio::select! {
            () = engine.wake.notified() => {}
            () = tokio::time::sleep(delay.unwrap_or_default()), if delay.is_some() => {}
            Some(_) = running.join_next() => {}
            () = tokio::time::sleep(RETRY), if engine.room.is_low() => {} // nobody tells that there is room again
            _ = rounds.tick() => {
                let engine = Arc::clone(&engine);
                running.spawn_blocking(move || engine.do_chores());
            }
            () = &mut shutdown => break,
        }
    }
    posting.shutdown().await;
    engine.release_all();
    while running.join_next().await.is_some() {}
    info!("the worker has stopped");
}

/// Counts a worker for as long as it runs, however it ends.
struct Present<'a>(&'a Engine);

impl<'a> Present<'a> {
    fn new(engine: &'a Engine) -> Self {
        engine.workers.fetch_add(1, Ordering::Relaxed);
        Self(engine)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.workers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Engine {
    /// Runs one job on this thread to whatever end.
    pub(super) fn work(&self, started: &Started) {
        let Started { token, control, .. } = started;
        let _span = info_span!("job", %token).entered();
        let outcome = catch_unwind(AssertUnwindSafe(|| match started.task() {
            Task::Cluster(task) => self.run_clustering(*token, task, control),
            Task::Import(task) => self.run_import(*token, task, control),
            Task::Export(task) => self.run_export(*token, task, control),
            Task::Train(task) => self.run_training(*token, task, control),
            Task::Build(task) => self.run_build(*token, task, control),
            Task::BuildAll(task) => self.run_build_all(*token, task, control),
        }));
        let (event, result) = match outcome {
            Ok(Ok(_)) => return, // it committed its own end
            Ok(Err(Unfinished::Told)) => match control.order() {
                Some(Order::Stop) => (Event::Halt, None),
                _ => (Event::Release, None),
            },
            Ok(Err(Unfinished::Fault(error))) => {
                warn!(error = %error, cause = error.source(), "the job met a fault");
                (Event::Fail, Some(JobResult::Fault { kind: error.kind(), text: error.to_string() }))
            }
            Err(panic) => {
                error!(panic = panic_text(panic.as_ref()), "the job panicked");
                let text = "a defect of the program ended this job; the server's log has the details".to_owned();
                (Event::Fail, Some(JobResult::Fault { kind: ErrorKind::Internal, text }))
            }
        };
        self.end_surely(started, event, result.as_ref());
        if let Some(place) = control.left_rows() {
            self.clear_place(place); // behind the end; if the process dies before, the next start does it
        }
    }

    /// Ends the job, trying again for as long as the store fails; a job whose end cannot be written has not ended.
    fn end_surely(&self, started: &Started, event: Event, result: Option<&JobResult>) {
        loop {
            match self.end(started.token, event, result.cloned(), Batch::new()) {
                Ok(State::Stopped | State::Error | State::Queued | State::Held) => return,
                Ok(state) => {
                    error!(%state, "a job that was not done ended in an unexpected state");
                    return;
                }
                Err(error) if self.is_stopping() => {
                    error!(cause = error.source(), "the job's end could not be written; the next start runs it again");
                    return;
                }
                Err(error) => {
                    error!(cause = error.source(), "the job's end could not be written, trying again");
                    std::thread::sleep(RETRY);
                }
            }
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
