//! Queues as clients see and steer them, and requests that wait for a job: over a real socket, with a clock of the test's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use faceclique::aci::actions::{Actions, Facts};
use faceclique::engine::{Clock, Engine, Settings, Waited, worker};
use faceclique::http;
use faceclique::job::{Queue, State, Timestamp, Token};
use faceclique::store::Memory;
use jiff::tz::TimeZone;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// 2021-Jan-13 12:00:00 UTC, in seconds.
const NOON: i64 = 1_610_539_200;

/// How often a client that waits is shown that the server lives; the contract's 5 s would be long here.
const SIGN_OF_LIFE: Duration = Duration::from_millis(20);

/// A clock that stands where it is set; the half second must not be seen.
struct Stopped(AtomicI64);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn uptime(&self) -> Duration {
        Duration::ZERO // it is set, and nothing passes
    }
}

struct World {
    address: SocketAddr,
    engine: Arc<Engine>,
    clock: Arc<Stopped>,
    store: Arc<Memory>,
    folder: TempDir,
    stop: Option<watch::Sender<()>>,
    ends: Vec<JoinHandle<()>>,
    runtime: Runtime,
}

/// A clock that several may look at.
struct Shared(Arc<Stopped>);

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn uptime(&self) -> Duration {
        self.0.uptime()
    }
}

impl World {
    fn new() -> Self {
        Self::on(Arc::new(Memory::default()), tempfile::tempdir().unwrap())
    }

    fn on(store: Arc<Memory>, folder: TempDir) -> Self {
        let clock = Arc::new(Stopped(AtomicI64::new(0)));
        let settings = Settings { max_waiting: 1, ..Settings::new(folder.path()) };
        let engine = Engine::with(store.clone(), Arc::new(Shared(Arc::clone(&clock))), settings).unwrap();
        let runtime = Runtime::new().unwrap();
        let (stop, stopping) = watch::channel(());
        let stopped = |mut stopping: watch::Receiver<()>| async move {
            let _ = stopping.changed().await;
        };
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let actions = Actions::new(Arc::clone(&engine), Facts::now(address, None, 256), TimeZone::UTC)
            .showing_life_every(SIGN_OF_LIFE);
        let worker = worker::run(Arc::clone(&engine), stopped(stopping.clone()));
        let server = http::run(listener, Arc::new(actions), http::Settings::default(), stopped(stopping));
        let ends = vec![runtime.spawn(worker), runtime.spawn(async move { server.await.unwrap() })];
        let world = Self { address, engine, clock, store, folder, stop: Some(stop), ends, runtime };
        world.at(0);
        world
    }

    /// So many seconds past noon.
    fn at(&self, seconds: i64) {
        self.clock.0.store((NOON + seconds) * 1_000_000 + 500_000, Ordering::SeqCst);
    }

    /// Sends a request for a target.
    fn ask(&self, target: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(2))).unwrap();
        let target = target.replace(' ', "%20");
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn get(&self, target: &str) -> String {
        body(&rest(self.ask(target)))
    }

    /// Asks something of the queue of clusterings.
    fn queue(&self, rest: &str) -> String {
        self.get(&format!("/action=QueueInfo&QueueName=FaceClustering&QueueAction={rest}"))
    }

    fn submit(&self, parameters: &str) -> String {
        between(&self.get(&format!("/action=FaceClustering{parameters}")), "<token>", "</token>")
    }

    /// Waits until the job has ended.
    fn end(&self, token: &str) -> State {
        match self.engine.attend(Token::parse(token).unwrap()).unwrap().wait(Duration::from_mins(2)) {
            Waited::Ended(job) => job.state,
            other => panic!("{other:?}"),
        }
    }

    /// The only job of the queue of clusterings, as soon as there is one.
    fn only_job(&self) -> String {
        wait_until(|| self.engine.jobs(Queue::FaceClustering).first().map(|job| job.token.to_string()))
    }

    /// Shuts down in order, and starts again on what is there.
    fn restart(mut self) -> Self {
        self.shut_down();
        Self::on(Arc::clone(&self.store), std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap()))
    }

    fn shut_down(&mut self) {
        drop(self.stop.take());
        for end in self.ends.drain(..) {
            self.runtime.block_on(end).unwrap();
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shut_down();
    }
}

fn rest(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The body of an answer, chunks joined.
fn body(answer: &str) -> String {
    let (head, mut rest) = answer.split_once("\r\n\r\n").unwrap();
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return rest.to_owned();
    }
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body += &after[..size];
        rest = after[size..].trim_start_matches("\r\n");
    }
    body
}

fn between(text: &str, begin: &str, end: &str) -> String {
    let (_, text) = text.split_once(begin).unwrap_or_else(|| panic!("no {begin} in {text}"));
    text.split_once(end).unwrap_or_else(|| panic!("no {end} in {text}")).0.to_owned()
}

/// What stands in `responsedata` of a success.
fn success(answer: &str) -> String {
    assert!(answer.contains("<response>SUCCESS</response>"), "{answer}");
    between(answer, "<responsedata>", "</responsedata></autnresponse>")
}

fn refused(answer: &str, number: u16, description: &str) {
    assert!(answer.contains(&format!("<rawerrorid>0x{number:X}</rawerrorid>")), "{answer}");
    assert_eq!(between(answer, "<errordescription>", "</errordescription>"), description);
}

/// Asks again and again until there is an answer.
fn wait_until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_mins(2), "waited too long");
        std::thread::sleep(Duration::from_millis(2)); // between two questions
    }
}

/// Five jobs, named A to E as they were queued: A has finished after B, which ended in Error; C was cancelled, D is
/// paused and has a higher priority, E is queued, for its queue is paused.
fn five(world: &World) -> Vec<String> {
    world.queue("pause");
    let a = world.submit("");
    world.queue(&format!("pause&Token={a}"));
    world.at(10);
    let b = world.submit("&database=LFW");
    world.at(20);
    world.queue("resume");
    assert_eq!(world.end(&b), State::Error);
    world.at(30);
    world.queue(&format!("resume&Token={a}"));
    assert_eq!(world.end(&a), State::Finished);
    world.queue("pause");
    world.at(40);
    let c = world.submit("");
    world.at(50);
    world.queue(&format!("cancel&Token={c}"));
    world.at(60);
    let d = world.submit("&clusterthreshold=75.5&Nonsense=1&maxresults=3");
    world.queue(&format!("pause&Token={d}"));
    world.queue(&format!("changePriority&Token={d}&Priority=70"));
    world.at(70);
    let e = world.submit("");
    world.at(80);
    vec![a, b, c, d, e]
}

/// The answer with the jobs' names in place of their tokens.
fn named(answer: &str, tokens: &[String]) -> String {
    tokens
        .iter()
        .zip("ABCDE".chars())
        .fold(answer.to_owned(), |text, (token, name)| text.replace(token, &name.to_string()))
}

#[test]
fn r84_r85_filters_and_orders_of_a_queue() {
    let world = World::new();
    let tokens = five(&world);
    let listed = |parameters: &str| -> String {
        let answer = named(&success(&world.queue(&format!("getStatus{parameters}"))), &tokens);
        answer.split("<token>").skip(1).map(|text| &text[..1]).collect()
    };
    let noon = "2021-01-13 12:00";
    for (parameters, expected) in [
        (String::new(), "EDCBA"),
        ("&Sort-Order=ascending".into(), "ABCDE"),
        ("&sort-by=FINISH-TIME".into(), "CABDE"),
        ("&sort-by=finish-time&sort-order=ascending".into(), "BACDE"),
        ("&sort-by=start-time".into(), "ABCDE"),
        ("&sort-by=start-time&sort-order=ascending".into(), "BACDE"),
        ("&sort-by=priority".into(), "DABCE"),
        ("&sort-by=priority&sort-order=ascending".into(), "ABCED"),
        ("&state=finished, PAUSED".into(), "DA"),
        ("&state=Queued".into(), "E"),
        ("&state=Processing,Stopped".into(), ""),
        (format!("&queued-after={noon}:40"), "ED"),
        (format!("&queued-before={noon}:40"), "BA"),
        (format!("&queued-after={noon}:09 Z&queued-before={noon}:41 GMT"), "CB"),
        (format!("&finished-after={noon}:20"), "CA"),
        (format!("&finished-before={noon}:50"), "BA"),
        ("&min-priority=51".into(), "D"),
        ("&max-priority=50&maxresults=2".into(), "EC"),
        ("&sort-by=finish-time&maxresults=1".into(), "C"),
        ("&maxresults=0".into(), ""),
        (format!("&token={}&state=Finished&maxresults=0", tokens[3]), "D"),
    ] {
        assert_eq!(listed(&parameters), expected, "{parameters}");
    }
    assert_eq!(success(&world.queue("getStatus&maxresults=0")), "<actions/>");
    let text = "'state=lost' is not one of Queued, Processing, Paused, Finished, Error, Cancelled, Stopped";
    refused(&world.queue("getStatus&state=queued,lost"), 11, text);
    let text = "'min-priority=101' is not a whole number from 0 to 100";
    refused(&world.queue("getStatus&min-priority=101"), 11, text);
}

#[test]
fn r90_what_is_shown_of_jobs_in_every_state_and_of_their_queue() {
    let world = World::new();
    let tokens = five(&world);
    let shown = named(&success(&world.queue("getStatus&sort-order=ascending")), &tokens);
    let mut expected = String::from("<actions>");
    let day = "2021-Jan-13 12";
    for rest in [
        format!(
            "<status>Finished</status><queued_time>{day}:00:00</queued_time><time_in_queue>30</time_in_queue>\
             <process_start_time>{day}:00:30</process_start_time><time_processing>0</time_processing>\
             <process_end_time>{day}:00:30</process_end_time><clusters/><token>A</token>"
        ),
        format!(
            "<status>Error</status><queued_time>{day}:00:10</queued_time><time_in_queue>10</time_in_queue>\
             <process_start_time>{day}:00:20</process_start_time><time_processing>0</time_processing>\
             <process_end_time>{day}:00:20</process_end_time>\
             <error>'database=LFW' does not exist (FACECLIQUEFACECLUSTERING40)</error><token>B</token>"
        ),
        format!(
            "<status>Cancelled</status><queued_time>{day}:00:40</queued_time><time_in_queue>10</time_in_queue>\
             <process_end_time>{day}:00:50</process_end_time><token>C</token>"
        ),
        format!(
            "<status>Paused</status><queued_time>{day}:01:00</queued_time><time_in_queue>20</time_in_queue>\
             <token>D</token>"
        ),
        format!(
            "<status>Queued</status><queued_time>{day}:01:10</queued_time><time_in_queue>10</time_in_queue>\
             <token>E</token>"
        ),
    ] {
        write!(expected, "<action>{rest}</action>").unwrap();
    }
    assert_eq!(shown, expected + "</actions>");
    let figures = "<queue><name>FaceClustering</name><paused>true</paused><pending>2</pending><running>0</running>\
        <completed>3</completed></queue>";
    assert_eq!(success(&world.queue("queueStatus")), figures);
    let parameters = "<parameters><parameter><name>clusterthreshold</name><value>75.5</value></parameter>\
        <parameter><name>maxresults</name><value>3</value></parameter></parameters>";
    let expected = format!(
        "<actions><action><status>Queued</status><parameters/><token>E</token></action>\
         <action><status>Paused</status>{parameters}<token>D</token></action></actions>"
    );
    assert_eq!(named(&success(&world.queue("getActionParameters")), &tokens), expected);
    let progress = named(&success(&world.queue("progress")), &tokens);
    assert!(progress.starts_with("<action><token>E</token><status>Queued</status><progress>"), "{progress}");
    let ended = |world: &World| {
        tokens.iter().map(|token| success(&world.queue(&format!("progress&AllStages=true&Token={token}")))).collect()
    };
    let stages: Vec<String> = ended(&world);
    let done = |name: &str| format!("<stage><name>{name}</name><percent>100.000</percent></stage>");
    let all = done("load") + &done("compare") + &done("link") + &done("rank");
    assert!(stages[0].contains("<percent>100.000</percent>") && stages[0].contains(&all), "R96: {}", stages[0]);
    let world = world.restart();
    world.at(80);
    assert_eq!(named(&success(&world.queue("getStatus&sort-order=ascending")), &tokens), shown, "after a restart");
    assert_eq!(ended(&world)[..3], stages[..3], "R95: what ended jobs reached, after a restart");
    assert_eq!(success(&world.queue("queueStatus")), figures);
}

#[test]
fn r86_r88_steering_and_its_refusals() {
    let world = World::new();
    let [a, _, c, d, e] = &five(&world)[..] else { panic!("five") };
    let one = |status: &str, token: &str| {
        format!("<actions><action><status>{status}</status><token>{token}</token></action></actions>")
    };
    for (asked, token, status) in [
        ("pause", d, "Paused"),
        ("resume", d, "Queued"),
        ("resume", d, "Queued"),
        ("pause", d, "Paused"),
        ("changePriority&Priority=0", d, "Paused"),
        ("changePriority&Priority=100", e, "Queued"),
    ] {
        assert_eq!(success(&world.queue(&format!("{asked}&Token={token}"))), one(status, token), "{asked}");
    }
    let copy =
        between(&world.queue(&format!("duplicate&Token={d}")), "<responsedata><token>", "</token></responsedata>");
    let parameters = |token: &str| {
        let answer = success(&world.queue(&format!("getActionParameters&Token={token}")));
        between(&answer, "<parameters>", "</parameters>")
    };
    assert_eq!(parameters(&copy), parameters(d));
    assert_eq!(success(&world.queue(&format!("stop&Token={d}"))), one("Cancelled", d));
    for what in ["stop", "pause"] {
        assert_eq!(success(&world.queue(what)), "<actions/>", "nothing is at work: {what}");
    }
    for (token, status) in [(a, "Finished"), (c, "Cancelled")] {
        for what in ["cancel", "changePriority", "stop", "pause", "resume", "duplicate", "getActionParameters"] {
            let priority = if what == "changePriority" { "&Priority=1" } else { "" };
            let text = format!("'{what}' is not possible: the job's status is {status}");
            refused(&world.queue(&format!("{what}&Token={token}{priority}")), 52, &text);
        }
    }
    for what in ["cancel", "changePriority&Priority=1", "duplicate"] {
        refused(&world.queue(what), 10, "'token' is required and not given");
    }
    refused(&world.queue(&format!("changePriority&Token={e}")), 10, "'priority' is required and not given");
    let text = "'priority=101' is not a whole number from 0 to 100";
    refused(&world.queue(&format!("changePriority&Token={e}&Priority=101")), 11, text);
    let text = format!("'token={e}' is not known to queue 'ImportFaceDatabase'");
    let answer = world.get(&format!("/action=QueueInfo&QueueName=ImportFaceDatabase&QueueAction=pause&Token={e}"));
    refused(&answer, 51, &text);
}

#[test]
fn r80_r81_a_synchronous_request_is_answered_with_the_result_or_the_fault_of_its_job() {
    let world = World::new();
    let answer = world.get("/action=FaceClustering&sync=true");
    let token = world.only_job();
    assert_eq!(success(&answer), format!("<clusters/><token>{token}</token>"));
    assert!(
        success(&world.queue(&format!("getStatus&Token={token}")))
            .ends_with(&format!("<clusters/><token>{token}</token></action></actions>"))
    );
    let answer = world.get("/action=FaceClustering&Synchronous=TRUE&database=LFW");
    assert!(answer.contains("<errorid>FACECLIQUEFACECLUSTERING40</errorid>"), "{answer}");
    refused(&answer, 40, "'database=LFW' does not exist");
    world.queue("pause");
    let waiting = world.ask("/action=FaceClustering&synchronous=true");
    let token = wait_until(|| {
        let jobs = world.engine.jobs(Queue::FaceClustering);
        jobs.into_iter().find(|job| !job.state.is_ended()).map(|job| job.token.to_string())
    });
    world.queue(&format!("cancel&Token={token}"));
    let text = format!("the job {token} did not finish: its status is Cancelled");
    refused(&body(&rest(waiting)), 54, &text);
}

#[test]
fn r83_a_client_that_waits_is_shown_that_the_server_lives() {
    const DECLARATION: &str = "<?xml version='1.0' encoding='UTF-8' ?>";
    let world = World::new();
    world.queue("pause");
    let mut waiting = world.ask("/action=FaceClustering&synchronous=true");
    let mut answer = Vec::new();
    let mut read = |answer: &mut Vec<u8>| {
        let mut some = [0; 1024];
        let n = waiting.read(&mut some).unwrap();
        answer.extend_from_slice(&some[..n]);
        n
    };
    let spaces = |answer: &[u8]| {
        let text = String::from_utf8_lossy(answer).into_owned();
        text.matches("\r\n1\r\n \r\n").count() // chunks of one space
    };
    while spaces(&answer) < 3 {
        assert!(read(&mut answer) > 0, "{}", String::from_utf8_lossy(&answer));
    }
    world.queue("resume");
    while read(&mut answer) > 0 {}
    let answer = body(&String::from_utf8(answer).unwrap());
    let (before, after) = answer.split_once("<autnresponse").unwrap();
    assert_eq!(before.trim_end(), DECLARATION);
    assert!(before.len() >= DECLARATION.len() + 3 && success(&answer).starts_with("<clusters/>"), "{answer}");
    assert!(!after.contains("<?xml"), "{answer}");
}

#[test]
fn r82_a_client_that_goes_leaves_its_job_and_gives_its_place_away() {
    let world = World::new();
    world.queue("pause");
    let waiting = world.ask("/action=FaceClustering&synchronous=true");
    let token = world.only_job();
    let text = "1 requests wait for the end of a job already, the most that do (max_waiting); \
        without 'synchronous=true' the answer comes at once";
    refused(&world.get("/action=FaceClustering&synchronous=true"), 53, text);
    assert_eq!(world.engine.jobs(Queue::FaceClustering).len(), 1, "who cannot wait has changed nothing");
    drop(waiting);
    wait_until(|| world.engine.attend(Token::generate()).ok().map(|_| ()));
    world.queue("resume");
    assert_eq!(world.end(&token), State::Finished);
}

#[test]
fn r82_a_shutdown_answers_whoever_waits_and_keeps_the_job() {
    let world = World::new();
    world.queue("pause");
    let waiting = world.ask("/action=FaceClustering&synchronous=true");
    let token = world.only_job();
    let world = world.restart();
    let text = format!("the server is stopping; the job {token} is kept and can be asked for later");
    refused(&body(&rest(waiting)), 71, &text);
    assert!(success(&world.queue("getStatus")).starts_with("<actions><action><status>Queued</status>"));
    world.queue("resume");
    assert_eq!(world.end(&token), State::Finished);
}
