//! `faceclique serve`: the server, until SIGTERM or SIGINT.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use super::{DataArguments, Failure};
use crate::aci::actions::{Actions, Facts};
use crate::config::Config;
use crate::engine::{Engine, worker};
use crate::http;
use crate::job::Queue;

/// Serve the ACI over HTTP and work the queues.
#[derive(Debug, clap::Args)]
pub struct Serve {
    #[command(flatten)]
    data: DataArguments,
    /// Address and port, by default 127.0.0.1:14000; port 0 takes any free one.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// The memory one clustering may take, such as 6GiB; by default what the configuration says, or half of the machine's.
    #[arg(long, value_name = "BYTES", value_parser = super::bytes)]
    memory: Option<u64>,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut config = self.data.config()?;
        config.listen = self.listen.unwrap_or(config.listen);
        config.engine.memory = self.memory.unwrap_or(config.engine.memory);
        let file = self.data.config.map(|path| path.display().to_string());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(threads(&config)).build()?;
        runtime.block_on(serve(config, file))
    }
}

/// Threads that may block, made as they are needed: one for each request, also for one whose client has gone and that has
/// not noticed yet, and one for each job; so that no job and no poll ever waits for a thread.
fn threads(config: &Config) -> usize {
    const OTHERS: usize = 64; // housekeeping, checks of health, the service port
    let jobs: usize = Queue::ALL.into_iter().map(|queue| config.engine.max_jobs_of(queue)).sum();
    config.http.max_connections.saturating_mul(2).saturating_add(jobs + config.engine.max_waiting + OTHERS)
}

async fn serve(config: Config, file: Option<String>) -> Result<(), Failure> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    http::allow_files(&config.http);
    let settings = config.engine.clone();
    let engine = tokio::task::spawn_blocking(move || Engine::open(settings)).await?.map_err(with_cause)?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", config.listen))?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        warn!("listening beyond loopback; clients from other machines have no role and are refused");
    }
    let zone = if config.utc { TimeZone::UTC } else { TimeZone::system() };
    let facts = Facts::now(address, file, config.http.request_threads);
    let actions = Arc::new(Actions::new(Arc::clone(&engine), facts, zone));
    let (stop, stopping) = watch::channel(());
    let stopped = |mut stopping: watch::Receiver<()>| async move {
        let _ = stopping.changed().await; // also when the sender is gone
    };
    let mut worker = tokio::spawn(worker::run(engine, stopped(stopping.clone())));
    info!(%address, data = %config.engine.data.display(), "serving");
    let mut server = tokio::spawn(http::run(listener, actions, config.http, stopped(stopping)));
    tokio::select! {
        _ = terminate.recv() => info!("SIGTERM: shutting down"),
        _ = interrupt.recv() => info!("SIGINT: shutting down"),
        ended = &mut worker => return Err(format!("the worker has ended: {ended:?}").into()),
        ended = &mut server => return Err(format!("the server has ended: {ended:?}").into()),
    }
    stop.send(())?;
    worker.await?;
    server.await??;
    Ok(())
}

/// An engine's failure with its cause, for whoever started the program.
pub(super) fn with_cause(error: crate::engine::EngineError) -> Failure {
    match std::error::Error::source(&error) {
        Some(cause) => cause.to_string().into(),
        None => error.into(),
    }
}
