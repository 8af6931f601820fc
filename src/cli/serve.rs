//! `faceclique serve`: the server, until SIGTERM or SIGINT.
//!
//! **Promises.** The first signal ends it in order: requests in flight are answered, within `server.shutdown_timeout`,
//! and jobs at work are put back without an attempt counted. What has not ended [`LATE`] after that is left as a kill
//! leaves it. A second signal ends it at once, likewise.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tracing::{info, warn};

use super::notify::Notify;
use super::reopen::{self, Pauses, StillHeld};
use super::{DataArguments, Failure, LogArguments};
use crate::aci::access::Reach;
use crate::aci::actions::{Actions, Facts, ServicePort, Setting};
use crate::config::{Config, Flag, Reading, TlsFiles};
use crate::engine::{self, Engine, worker};
use crate::http;
use crate::job::Queue;

/// How long behind the deadline of requests jobs have to be put back, and threads to end.
pub(super) const LATE: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  faceclique serve --data data
  faceclique serve --config faceclique.toml --listen 0.0.0.0:14000
  faceclique serve --data data --pack face-reid-retail-0095 --memory 6GiB --log-format json";

/// Serve the ACI over HTTP and work the queues.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", crate::config::settings_page()))]
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

/// Serves until a signal comes or a client says so; `ready` is told where, once the ports are bound: who comes
/// early waits in the queue of the port.
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

fn bind(address: SocketAddr) -> Result<(std::net::TcpListener, SocketAddr), Failure> {
    let failed = |error| format!("cannot listen on {address}: {error}");
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Why an engine could not be opened.
#[derive(Debug, Error)]
#[error("{text}")]
pub(super) struct CannotOpen {
    text: String,
    /// There is no room on the disk, which may change.
    pub(super) is_full: bool,
    /// A process has the data directory.
    pub(super) is_locked: bool,
}

/// The engine, with what trains pictures.
pub(super) fn open(config: Config) -> Result<Arc<Engine>, SharedFailure> {
    let trainer = config.trainer()?;
    match (&trainer, &config.pack) {
        (Some(trainer), Some(pack)) => info!(model = trainer.model().name, pack = %pack.display(), "training pictures"),
        _ => info!("no model pack: pictures are stored and stay untrained"),
    }
    let settings = engine::Settings { trainer, ..config.engine };
    Engine::open(settings).map_err(|error| {
        let is_full = error.failure().is_some_and(|failure| failure.is_full);
        let is_locked = error.is_locked();
        CannotOpen { text: with_cause(error).to_string(), is_full, is_locked }.into()
    })
}

/// How a server ended that was told to, or could go on with another engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Told,
    /// The store had failed, and its disk can be written again.
    Mended,
}

/// What outlives an engine.
struct Server {
    config: Config,
    http: http::Settings,
    facts: Facts,
    zone: TimeZone,
    listener: std::net::TcpListener,
    service: Option<std::net::TcpListener>,
    notify: Notify,
}

async fn serve(
    config: Config,
    file: Option<String>,
    settings: Vec<Setting>,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let notify = Notify::of_environment();
    let tls = config.tls.as_ref().map(TlsFiles::read).transpose()?;
    let http = http::Settings { tls, ..config.http.clone() };
    http::allow_files(&http);
    let mut pauses = Pauses::new();
    let Some(mut engine) = reopen::open(&config, &mut pauses, &mut signals).await? else { return Ok(()) };
    let (listener, address) = bind(config.listen)?;
    let (service, service_address) = config.service_listen.map(bind).transpose()?.unzip();
    if Reach::of([address].into_iter().chain(service_address)) == Reach::Beyond {
        warn!("listening beyond loopback: who may do what is said by security.roles (see `faceclique config print`)");
    }
    let zone = if config.utc { TimeZone::UTC } else { TimeZone::system() };
    let facts = Facts { service: service_address, settings, ..Facts::now(address, file, http.request_threads) };
    let mut server = Server { config, http, facts, zone, listener, service, notify };
    ready(address);
    loop {
        if server.run(Arc::clone(&engine), &mut pauses, &mut signals).await? == Ended::Told {
            reopen::close(engine).await;
            return Ok(());
        }
        reopen::close_surely(engine).await?;
        match reopen::open_again(&server.config, &mut pauses, &mut signals).await? {
            Some(opened) => engine = opened,
            None => return Ok(()),
        }
        server.facts.n_reopened += 1;
        info!("the store has been opened again");
    }
}

impl Server {
    /// Serves with this engine until told to end, or until another engine could go on where this one has failed.
    async fn run(&self, engine: Arc<Engine>, pauses: &mut Pauses, signals: &mut Signals) -> Result<Ended, Failure> {
        let (stop, stopping) = watch::channel(());
        let (told, mut wish) = mpsc::channel(1);
        let actions = Actions::new(Arc::clone(&engine), self.facts.clone(), self.zone.clone());
        let actions = actions.allowing(self.config.access.clone()).stopped_by(move || {
            let _ = told.try_send(()); // once is enough
        });
        let actions = Arc::new(actions);
        let stopped = |mut stopping: watch::Receiver<()>| async move {
            let _ = stopping.changed().await; // also when the sender is gone
        };
        let mut worker = tokio::spawn(worker::run(Arc::clone(&engine), stopped(stopping.clone())));
        let mut others = JoinSet::new(); // ended with this
        others.spawn(self.notify.clone().keep_alive(Arc::clone(&engine)));
        if let Some(interval) = self.config.sync_interval {
            others.spawn(synchronise(Arc::clone(&engine), interval, stopped(stopping.clone())));
        }
        info!(address = %self.facts.listen, data = %self.config.engine.data.display(), "serving");
        let mut servers = JoinSet::new();
        if let (Some(listener), Some(address)) = (&self.service, self.facts.service) {
            info!(service = %address, "serving the service port");
            let port = Arc::new(ServicePort::new(Arc::clone(&actions)));
            let listener = TcpListener::from_std(listener.try_clone()?)?;
            servers.spawn(http::run(listener, port, self.http.clone(), stopped(stopping.clone())));
        }
        let listener = TcpListener::from_std(self.listener.try_clone()?)?;
        servers.spawn(http::run(listener, actions, self.http.clone(), stopped(stopping)));
        self.notify.tell("READY=1");
        let ended = tokio::select! {
            signal = signals.next() => {
                info!("{signal}: shutting down");
                Ended::Told
            }
            Some(()) = wish.recv() => {
                info!("action Stop: shutting down");
                Ended::Told
            }
            () = reopen::until_it_can_go_on(engine, pauses) => {
                info!("the disk can be written again: the store is closed, and opened again");
                Ended::Mended
            }
            ended = &mut worker => return Err(format!("the worker has ended: {ended:?}").into()),
            Some(ended) = servers.join_next() => return Err(format!("a server has ended: {ended:?}").into()),
        };
        if ended == Ended::Told {
            self.notify.tell("STOPPING=1");
        }
        stop.send(())?;
        self.end(ended, drained(worker, servers), signals).await
    }

    /// Waits for the end of everything that was told to end.
    async fn end(
        &self,
        ended: Ended,
        drained: impl Future<Output = Result<(), Failure>>,
        signals: &mut Signals,
    ) -> Result<Ended, Failure> {
        let mut ended = ended;
        let mut drained = std::pin::pin!(drained);
        let patience = self.http.shutdown_timeout + LATE;
        let mut deadline = std::pin::pin!(tokio::time::sleep(patience));
        loop {
            tokio::select! {
                drained = &mut drained => return drained.map(|()| ended),
                signal = signals.next() => match ended {
                    Ended::Told => {
                        return Err(format!("a second {signal}: ended at once, what was at work is as after a kill").into());
                    }
                    Ended::Mended => ended = Ended::Told, // nothing is opened again
                },
                () = &mut deadline => return Err(match ended {
                    Ended::Told => {
                        let late = patience.as_secs();
                        format!("not ended {late} s after the signal: what was at work is as after a kill").into()
                    }
                    Ended::Mended => StillHeld.into(),
                }),
            }
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

/// A failure that one thread may hand to another.
pub(super) type SharedFailure = Box<dyn std::error::Error + Send + Sync>;

/// The signals that end a server.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The name of the next one.
    pub(super) async fn next(&mut self) -> &'static str {
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
