//! Who is told of the end of a job: at least once, whatever dies when, and never for ever.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::*;

const QUEUE: Queue = Queue::FaceClustering;

/// Notes what it is told to tell, and answers as it was set up to; then that it went well.
#[derive(Debug, Default)]
pub(super) struct Noting {
    pub(super) told: Mutex<Vec<Delivery>>,
    answers: Mutex<VecDeque<Result<(), String>>>,
}

impl Messenger for Noting {
    fn check(&self, url: &str) -> Result<(), String> {
        if url.contains("internal") { Err("is internal".to_owned()) } else { Ok(()) }
    }

    fn deliver(&self, delivery: &Delivery) -> Result<(), String> {
        self.told.lock().unwrap().push(delivery.clone());
        self.answers.lock().unwrap().pop_front().unwrap_or(Ok(()))
    }
}

fn telling(messenger: &Arc<Noting>, folder: &TempDir) -> Settings {
    let messenger = Arc::<Noting>::clone(messenger) as Arc<dyn Messenger>;
    Settings { messenger: Some(messenger), callback_attempts: 3, ..settings(folder) }
}

pub(super) fn told_of(url: &str) -> Ticket {
    let callback = Some(url.to_owned());
    Ticket { terms: Terms { callback, ..Terms::default() }, ..Ticket::default() }
}

/// Tells of all ends that are due; how many those were.
pub(super) fn deliver_due(engine: &Engine) -> usize {
    let messenger = engine.settings.messenger.clone().unwrap();
    let mut n = 0;
    loop {
        let (due, _) = engine.due_deliveries();
        if due.is_empty() {
            return n;
        }
        for delivery in due {
            engine.delivered(delivery.token, messenger.deliver(&delivery));
            n += 1;
        }
    }
}

#[test]
fn every_way_a_job_can_end_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let messenger = Arc::new(Noting::default());
    let engine = open(&Mortal::with(Map::new(), u64::MAX), telling(&messenger, &folder));
    let submit = |task| engine.submit(told_of("https://h.example/x?s=1"), task).unwrap();
    let unknown = ClusterTask { database: Some("none".to_owned()), ..ClusterTask::default() };
    let [finished, failed, cancelled, stopped] =
        [submit(cluster_all()), submit(Task::Cluster(unknown)), submit(cluster_all()), submit(cluster_all())];
    engine.submit(Ticket::default(), cluster_all()).unwrap(); // of which nobody wants to know
    assert_eq!(deliver_due(&engine), 0, "nothing has ended");
    engine.cancel(QUEUE, cancelled).unwrap();
    for _ in 0..2 {
        engine.work(&engine.start_next().unwrap().unwrap());
    }
    let started = engine.start_next().unwrap().unwrap();
    engine.stop(QUEUE, stopped).unwrap();
    engine.work(&started);
    work_all(&engine);
    assert_eq!(deliver_due(&engine), 4);
    assert_eq!(deliver_due(&engine), 0);
    let told = messenger.told.lock().unwrap();
    let statuses: BTreeMap<Token, &str> = told.iter().map(|told| (told.token, told.status.as_str())).collect();
    let expected = [(finished, "Finished"), (failed, "Error"), (cancelled, "Cancelled"), (stopped, "Stopped")]
        .into_iter()
        .collect();
    assert_eq!(statuses, expected);
    let ids: BTreeSet<&str> = told.iter().map(|told| told.id.as_str()).collect();
    assert_eq!(ids.len(), 4);
    for told in told.iter() {
        let job = engine.job(QUEUE, told.token).unwrap();
        assert_eq!((told.action, Some(told.ended), told.url.as_str()), (QUEUE, job.ended, "https://h.example/x?s=1"));
    }
}

#[test]
fn an_end_is_told_although_the_process_dies_before_and_its_job_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let messenger = Arc::new(Noting::default());
    let engine = open(&store, telling(&messenger, &folder));
    let token = engine.submit(told_of("http://h"), cluster_all()).unwrap();
    work_all(&engine);
    let (due, _) = engine.due_deliveries();
    messenger.deliver(&due[0]).unwrap(); // and the process dies before that is known
    drop(engine);
    let retention = Retention { age: Duration::MAX, count: 0 };
    let engine = open(&Mortal::with(store.map(), u64::MAX), Settings { retention, ..telling(&messenger, &folder) });
    assert!(engine.job(QUEUE, token).is_none());
    assert_eq!(deliver_due(&engine), 1);
    let told = messenger.told.lock().unwrap();
    assert_eq!(told[0], told[1], "told twice, under one number");
}

#[test]
fn who_cannot_be_told_is_tried_again_at_growing_intervals_and_given_up_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let messenger = Arc::new(Noting::default());
    messenger.answers.lock().unwrap().extend((0..3).map(|_| Err("HTTP 500".to_owned())));
    let engine = open(&store, telling(&messenger, &folder));
    engine.submit(told_of("http://h"), cluster_all()).unwrap();
    work_all(&engine);
    assert_eq!(deliver_due(&engine), 1);
    let pause = engine.due_deliveries().1.unwrap();
    assert!(pause <= Duration::from_secs(5) && pause > Duration::from_secs(1), "{pause:?}");
    let figures = engine.overview().unwrap();
    assert_eq!((figures.callbacks_waiting, figures.callbacks[1]), (1, ("failed", 1)));
    // a start tries at once, and remembers how often it was tried
    drop(engine);
    let engine = open(&Mortal::with(store.map(), u64::MAX), telling(&messenger, &folder));
    assert_eq!(deliver_due(&engine), 1);
    while deliver_due(&engine) == 0 {} // the clock goes on with every look
    let figures = engine.overview().unwrap();
    assert_eq!(figures.callbacks, [("delivered", 0), ("failed", 2), ("given up", 1)]);
    assert_eq!((figures.callbacks_waiting, messenger.told.lock().unwrap().len()), (0, 3));
}

#[test]
fn a_callback_that_cannot_be_is_refused_and_so_is_one_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let refused = |engine: &Engine, url: &str| engine.submit(told_of(url), cluster_all()).unwrap_err();
    let error = refused(&open(&store, settings(&folder)), "http://h");
    assert_eq!(error.kind(), ErrorKind::NotOffered);
    let messenger = Arc::new(Noting::default());
    let engine = open(&store, Settings { max_callbacks: 2, ..telling(&messenger, &folder) });
    let error = refused(&engine, "http://internal/x");
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Receiver, "'callbackurl=http://internal/x' is internal")
    );
    engine.submit(told_of("http://h"), cluster_all()).unwrap();
    engine.submit(told_of("http://h"), cluster_all()).unwrap();
    assert_eq!(refused(&engine, "http://h").kind(), ErrorKind::QueueFull);
    work_all(&engine);
    assert_eq!(refused(&engine, "http://h").kind(), ErrorKind::QueueFull, "what is still to be told counts");
    engine.submit(Ticket::default(), cluster_all()).unwrap();
    deliver_due(&engine);
    engine.submit(told_of("http://h"), cluster_all()).unwrap();
}

/// Tells nobody until it is let go.
#[derive(Debug)]
struct Hanging(Mutex<std::sync::mpsc::Receiver<()>>, std::sync::mpsc::SyncSender<()>);

impl Messenger for Hanging {
    fn check(&self, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn deliver(&self, _: &Delivery) -> Result<(), String> {
        let _ = self.1.send(());
        let _ = self.0.lock().unwrap().recv();
        Ok(())
    }
}

#[test]
fn a_receiver_that_hangs_holds_up_neither_jobs_nor_a_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let store = Mortal::with(Map::new(), u64::MAX);
    let ((let_go, hangs), (asked, is_asked)) = (std::sync::mpsc::channel(), std::sync::mpsc::sync_channel(9));
    let hanging = Arc::new(Hanging(Mutex::new(hangs), asked));
    let messenger = Arc::<Hanging>::clone(&hanging) as Arc<dyn Messenger>;
    let engine = open(&store, Settings { messenger: Some(messenger), ..settings(&folder) });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let working = runtime.spawn(worker::run(Arc::clone(&engine), async move { drop(stopped.await) }));
    engine.submit(told_of("http://h"), cluster_all()).unwrap();
    is_asked.recv_timeout(PATIENCE).unwrap();
    let token = engine.submit(told_of("http://h"), cluster_all()).unwrap();
    let attendance = engine.attend(token).unwrap();
    assert!(matches!(attendance.wait(PATIENCE), Waited::Ended(_)), "jobs go on");
    drop(attendance);
    drop(stop);
    runtime.block_on(working).unwrap();
    drop((engine, runtime));
    assert_eq!(Arc::strong_count(&store), 1, "the attempt has nothing of the engine");
    assert_eq!(store.map().keys().filter(|key| key[0] == b'o').count(), 2, "both are told by the next start");
    drop(let_go);
}
