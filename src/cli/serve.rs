//! `faceclique serve`: the server, until SIGTERM or SIGINT.
//!
//! **Promises.** The first signal ends it in order: requests in flight are answered, within `server.shutdown_timeout`,
//! and jobs at work are put back without an attempt counted. What has not ended [`LATE`] after that is left as a kill
//! leaves it. A second signal ends it at once, likewise.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tracing::{info, warn};

use super::notify::Notify;
use super::{DataArguments, Failure, LogArguments};
use crate::aci::access::Reach;
use crate::aci::actions::{Actions, Facts, ServicePort, Setting};
use crate::config::{Config, Flag, Reading, TlsFiles};
use crate::engine::{self, Engine, worker};
use crate::http;
use crate::job::Queue;

/// How long behind the deadline of requests jobs have to be put back, and threads to end.
const LATE: Duration = Duration::from_secs(5);

/// Serve the ACI over HTTP and work the queues.
#[derive(Debug, clap::Args)]
#[command(after_long_help = crate::config::settings_page())]
pub struct Serve {
    #[command(flatten)]
    server: ServerArguments,
}

/// The settings of a server that have flags.
#[derive(Debug, clap::Args)]
pub(super) struct ServerArguments {
    #[command(flatten)]
    data: DataArguments,
    /// Address and port, by default 127.0.0.1:14000; port 0 takes any free one.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Address and port of the service actions, by default 127.0.0.1:14001; `off` to have none.
    #[arg(long, value_name = "ADDR")]
    service_listen: Option<String>,
    /// The model pack that pictures are trained by: the name of an installed one, or a folder.
    #[arg(long, value_name = "PACK")]
    pack: Option<String>,
    /// The memory one clustering may take, such as 6GiB; by default what the configuration says, or half of the machine's.
    #[arg(long, value_name = "BYTES", value_parser = super::bytes)]
    memory: Option<u64>,
}

impl ServerArguments {
    /// The configuration of the server.
    pub(super) fn read(&self, log: &LogArguments) -> Result<Reading, Failure> {
        let mut flags = Vec::new();
        if let Some(listen) = self.listen {
            flags.push(Flag { setting: "server.listen", flag: "--listen", value: listen.to_string() });
        }
        if let Some(listen) = &self.service_listen {
            flags.push(Flag { setting: "server.service_listen", flag: "--service-listen", value: listen.clone() });
        }
        if let Some(pack) = &self.pack {
            flags.push(Flag { setting: "vision.pack", flag: "--pack", value: pack.clone() });
        }
        if let Some(memory) = self.memory {
            flags.push(Flag { setting: "jobs.max_job_memory", flag: "--memory", value: memory.to_string() });
        }
        self.data.read(log, flags)
    }
}

impl Serve {
    pub(super) fn run(self, log: &LogArguments) -> Result<(), Failure> {
        // The index crate tells of every build and file in twenty lines.
        let reading = self.server.read(log)?;
        super::begin(&reading, "info,hnsw_rs=warn")?;
        until_told(reading, self.server.data.config.map(|path| path.display().to_string()), |_| {})
    }
}

/// Serves until a signal comes or a client says so; `ready` is told where, once the ports answer.
pub(super) fn until_told(
    reading: Reading,
    file: Option<String>,
    ready: impl FnOnce(SocketAddr) + Send,
) -> Result<(), Failure> {
    let shown = |[section, name, value, source]: [String; 4]| Setting { section, name, value, source };
    let settings = reading.settings().map(shown).collect();
    let config = reading.config;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(threads(&config)).build()?;
    let outcome = runtime.block_on(serve(config, file, settings, ready));
    // A request that was cut off may have a thread still, and a job that nobody waits for has one.
    runtime.shutdown_timeout(if outcome.is_ok() { LATE } else { Duration::ZERO });
    outcome
}

/// Threads that may block, made as they are needed: of the requests on both ports, of the jobs, and for housekeeping.
fn threads(config: &Config) -> usize {
    const OTHERS: usize = 64;
    let jobs: usize = Queue::ALL.into_iter().map(|queue| config.engine.max_jobs_of(queue)).sum();
    2 * http::MAX_BLOCKING + jobs + OTHERS
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |error| format!("cannot listen on {address}: {error}");
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The engine, with what trains pictures.
fn open(config: Config) -> Result<Arc<Engine>, String> {
    let trainer = config.trainer()?;
    match (&trainer, &config.pack) {
        (Some(trainer), Some(pack)) => info!(model = trainer.model().name, pack = %pack.display(), "training pictures"),
        _ => info!("no model pack: pictures are stored and stay untrained"),
    }
    let settings = engine::Settings { trainer, ..config.engine };
    Engine::open(settings).map_err(|error| with_cause(error).to_string())
}

async fn serve(
    config: Config,
    file: Option<String>,
    settings: Vec<Setting>,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let notify = Notify::of_environment();
    let deadline = config.http.shutdown_timeout + LATE;
    let tls = config.tls.as_ref().map(TlsFiles::read).transpose()?;
    let of_engine = config.clone();
    let http = http::Settings { tls, ..config.http };
    http::allow_files(&http);
    let engine = tokio::task::spawn_blocking(move || open(of_engine)).await??;
    let (listener, address) = bind(config.listen).await?;
    let service = match config.service_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let service_address = service.as_ref().map(|&(_, address)| address);
    if Reach::of([address].into_iter().chain(service_address)) == Reach::Beyond {
        warn!("listening beyond loopback: who may do what is said by security.roles (see `faceclique config print`)");
    }
    let zone = if config.utc { TimeZone::UTC } else { TimeZone::system() };
    let facts = Facts { service: service_address, settings, ..Facts::now(address, file, http.request_threads) };
    let (stop, stopping) = watch::channel(());
    let (told, mut wish) = mpsc::channel(1);
    let actions = Actions::new(Arc::clone(&engine), facts, zone).allowing(config.access).stopped_by(move || {
        let _ = told.try_send(()); // once is enough
    });
    let actions = Arc::new(actions);
    let stopped = |mut stopping: watch::Receiver<()>| async move {
        let _ = stopping.changed().await; // also when the sender is gone
    };
    let mut worker = tokio::spawn(worker::run(Arc::clone(&engine), stopped(stopping.clone())));
    tokio::spawn(notify.clone().keep_alive(Arc::clone(&engine)));
    if let Some(interval) = config.sync_interval {
        tokio::spawn(synchronise(engine, interval, stopped(stopping.clone())));
    }
    info!(%address, data = %config.engine.data.display(), "serving");
    let mut servers = JoinSet::new();
    if let Some((listener, address)) = service {
        info!(service = %address, "serving the service port");
        let port = Arc::new(ServicePort::new(Arc::clone(&actions)));
        servers.spawn(http::run(listener, port, http.clone(), stopped(stopping.clone())));
    }
    servers.spawn(http::run(listener, actions, http, stopped(stopping)));
    notify.tell("READY=1");
    ready(address);
    tokio::select! {
        signal = signals.next() => info!("{signal}: shutting down"),
        Some(()) = wish.recv() => info!("action Stop: shutting down"),
        ended = &mut worker => return Err(format!("the worker has ended: {ended:?}").into()),
        Some(ended) = servers.join_next() => return Err(format!("a server has ended: {ended:?}").into()),
    }
    notify.tell("STOPPING=1");
    stop.send(())?;
    tokio::select! {
        ended = drained(worker, servers) => ended,
        signal = signals.next() => Err(format!("a second {signal}: ended at once, what was at work is as after a kill").into()),
        () = tokio::time::sleep(deadline) => {
            Err(format!("not ended {} s after the signal: what was at work is as after a kill", deadline.as_secs()).into())
        }
    }
}

/// Returns when all jobs are put back and all connections are closed.
async fn drained(worker: JoinHandle<()>, mut servers: JoinSet<std::io::Result<()>>) -> Result<(), Failure> {
    worker.await?;
    while let Some(ended) = servers.join_next().await {
        ended??;
    }
    Ok(())
}

/// The signals that end a server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The name of the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Synchronises all databases again and again (contract R103).
async fn synchronise(engine: Arc<Engine>, interval: Duration, stopped: impl Future<Output = ()>) {
    let mut stopped = std::pin::pin!(stopped);
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = &mut stopped => return,
        }
        let engine = Arc::clone(&engine);
        match tokio::task::spawn_blocking(move || engine.sync_faces(None)).await {
            Ok(Ok(())) => {}
            failed => warn!(?failed, "the databases could not be synchronised"),
        }
    }
}

/// An engine's failure with its cause, for whoever started the program.
pub(super) fn with_cause(error: crate::engine::EngineError) -> Failure {
    match std::error::Error::source(&error) {
        Some(cause) => cause.to_string().into(),
        None => error.into(),
    }
}
