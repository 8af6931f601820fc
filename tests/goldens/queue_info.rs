//! Every way of QueueInfo, and jobs in every state, while a clock of the test's stands (contract chapter 5).

use std::sync::Arc;

use crate::actions::are_golden;
use crate::masked::named;
use crate::seams::{Stopped, Troubled};
use crate::world::{World, between, get, upload};

const FINISHED: &str = "0176fba5-0001-7000-8000-000000000001";
const ERROR: &str = "0176fba5-0002-7000-8000-000000000002";
const STOPPED: &str = "0176fba5-0003-7000-8000-000000000003";
const PROCESSING: &str = "0176fba5-0004-7000-8000-000000000004";
const CANCELLED: &str = "0176fba5-0005-7000-8000-000000000005";
const PAUSED: &str = "0176fba5-0006-7000-8000-000000000006";
const QUEUED: &str = "0176fba5-0007-7000-8000-000000000007";
/// An import, in its paused queue.
const IMPORT: &str = "0176fba5-0008-7000-8000-000000000008";

/// A queue of clusterings with a job in every state, each queued ten seconds after the one before.
struct Scene {
    world: World,
    store: Arc<Troubled>,
    clock: Arc<Stopped>,
    /// Each token with what stands for it.
    names: Vec<(String, &'static str)>,
}

impl Scene {
    fn new() -> Self {
        let (store, clock) = (Arc::new(Troubled::default()), Arc::new(Stopped::new()));
        let world = World::people(|setup| {
            setup.store = Some(Arc::<Troubled>::clone(&store));
            setup.clock = Arc::<Stopped>::clone(&clock);
        });
        let mut scene = Self { world, store, clock, names: Vec::new() };
        scene.ended();
        scene.open();
        scene
    }

    fn ended(&mut self) {
        self.store.hold();
        self.clock.set(10);
        self.submit(FINISHED, "&database=people&clusterthreshold=73.86");
        self.reaches(FINISHED, "Processing");
        self.clock.set(13);
        self.store.release();
        self.reaches(FINISHED, "Finished");
        self.clock.set(20);
        self.submit(ERROR, "&database=LFW");
        self.reaches(ERROR, "Error");
        self.store.hold();
        self.clock.set(30);
        self.submit(STOPPED, "&database=people");
        self.reaches(STOPPED, "Processing");
        self.clock.set(34);
        self.steer("stop", STOPPED);
        self.store.release();
        self.reaches(STOPPED, "Stopped");
    }

    fn open(&mut self) {
        self.store.hold();
        self.clock.set(40);
        self.submit(PROCESSING, "&database=people&maxresults=3");
        self.reaches(PROCESSING, "Processing");
        self.clock.set(50);
        self.submit(CANCELLED, "");
        self.clock.set(55);
        self.steer("cancel", CANCELLED);
        self.clock.set(60);
        self.submit(PAUSED, "&clusterthreshold=75.5&outputthreshold=40&Nonsense=1");
        self.steer("pause", PAUSED);
        self.steer("changePriority&priority=70", PAUSED);
        self.clock.set(70);
        self.submit(QUEUED, "");
        self.world.get("/action=QueueInfo&queuename=ImportFaceDatabase&queueaction=pause");
        let import = upload("/action=ImportFaceDatabase&database=new&onerror=skip", "dbdata", "{}\n");
        self.note(IMPORT, &self.world.ask(&import));
        self.clock.set(80);
    }

    fn submit(&mut self, name: &'static str, parameters: &str) {
        self.note(name, &self.world.get(&format!("/action=FaceClustering{parameters}")));
    }

    fn note(&mut self, name: &'static str, answer: &str) {
        self.names.push((between(answer, "<token>", "</token>"), name));
    }

    /// With the tokens of this scene.
    fn here(&self, request: &str) -> String {
        self.names.iter().fold(request.to_owned(), |request, (token, name)| request.replace(name, token))
    }

    fn reaches(&self, name: &str, status: &str) {
        self.world.reaches("FaceClustering", &self.here(name), status);
    }

    fn steer(&self, queue_action: &str, name: &str) {
        let answer = self.world.get(&self.here(&clusterings(&format!("{queue_action}&token={name}"))));
        assert!(answer.contains("SUCCESS"), "{answer}");
    }

    fn ask(&self, request: &str) -> String {
        named(&self.world.ask(&self.here(request)), &self.names)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.store.release(); // or the server would wait for its job
    }
}

/// The target of a question about the queue of clusterings.
fn clusterings(rest: &str) -> String {
    format!("/action=QueueInfo&queuename=FaceClustering&queueaction={rest}")
}

/// What is asked without changing anything: the name and the target.
fn questions() -> Vec<(&'static str, String)> {
    let one = |token: &str| clusterings(&format!("getStatus&token={token}"));
    let status = |rest: &str| clusterings(&format!("getStatus&{rest}"));
    vec![
        ("QueueInfo-getStatus", clusterings("getStatus")),
        ("QueueInfo-getStatus-Queued", one(QUEUED)),
        ("QueueInfo-getStatus-Processing", one(PROCESSING)),
        ("QueueInfo-getStatus-Paused", one(PAUSED)),
        ("QueueInfo-getStatus-Finished", one(FINISHED)),
        ("QueueInfo-getStatus-Error", one(ERROR)),
        ("QueueInfo-getStatus-Cancelled", one(CANCELLED)),
        ("QueueInfo-getStatus-Stopped", one(STOPPED)),
        ("QueueInfo-getStatus-page", status(&format!("token={FINISHED}&resultfirstcluster=2&resultmaxclusters=1"))),
        ("QueueInfo-getStatus-beyond", status(&format!("token={FINISHED}&resultfirstcluster=9"))),
        ("QueueInfo-getStatus-empty", "/action=QueueInfo&queuename=ExportFaceDatabase&queueaction=getStatus".into()),
        ("QueueInfo-getStatus-ascending", status("sort-order=ascending&resultmaxclusters=0")),
        ("QueueInfo-getStatus-by-start-time", status("sort-by=start-time&resultmaxclusters=0")),
        ("QueueInfo-getStatus-by-finish-time", status("sort-by=finish-time&sort-order=ascending&resultmaxclusters=0")),
        ("QueueInfo-getStatus-by-priority", status("sort-by=priority&state=queued,processing,paused")),
        ("QueueInfo-getStatus-state", status("state=Error,STOPPED")),
        ("QueueInfo-getStatus-maxresults", status("maxresults=2")),
        ("QueueInfo-getStatus-maxresults-0", status("maxresults=0")),
        (
            "QueueInfo-getStatus-queued-between",
            status("queued-after=2021-01-13+12:00:20+GMT&queued-before=2021-01-13T12:00:40Z"),
        ),
        (
            "QueueInfo-getStatus-finished-between",
            status("finished-after=2021-Jan-13%2012:00:20&finished-before=2021-01-13%2012:00:56%2B00:00"),
        ),
        ("QueueInfo-getStatus-priorities", status("min-priority=51&max-priority=70")),
        ("QueueInfo-getStatus-imports", "/action=QueueInfo&queuename=ImportFaceDatabase&queueaction=getStatus".into()),
        ("QueueInfo-queueStatus", clusterings("queueStatus")),
        (
            "QueueInfo-queueStatus-paused",
            "/action=QueueInfo&queuename=ImportFaceDatabase&queueaction=queueStatus".into(),
        ),
        ("QueueInfo-getActionParameters", clusterings("getActionParameters")),
        ("QueueInfo-getActionParameters-one", clusterings(&format!("getActionParameters&token={PAUSED}"))),
        (
            "QueueInfo-getActionParameters-upload",
            format!("/action=QueueInfo&queuename=ImportFaceDatabase&queueaction=getActionParameters&token={IMPORT}"),
        ),
        ("QueueInfo-progress", clusterings("progress")),
        ("QueueInfo-progress-Queued", clusterings(&format!("progress&token={QUEUED}"))),
        ("QueueInfo-progress-Processing", clusterings(&format!("progress&token={PROCESSING}"))),
        ("QueueInfo-progress-allstages", clusterings(&format!("progress&token={PROCESSING}&allstages=true"))),
        ("QueueInfo-progress-maxdepth-0", clusterings(&format!("progress&token={PROCESSING}&maxdepth=0"))),
        ("QueueInfo-progress-Finished", clusterings(&format!("progress&token={FINISHED}"))),
        ("QueueInfo-progress-Finished-allstages", clusterings(&format!("progress&token={FINISHED}&allstages=true"))),
        ("QueueInfo-progress-Error", clusterings(&format!("progress&token={ERROR}&maxdepth=0"))),
    ]
}

/// A change of the queue, or a question about a queue changed before.
struct Change {
    name: &'static str,
    target: String,
    before: fn(&Scene),
}

fn changes() -> Vec<Change> {
    let of = |name, rest: &str| Change { name, target: clusterings(rest), before: |_| {} };
    let one = |name, rest: &str, token: &str| of(name, &format!("{rest}&token={token}"));
    vec![
        one("QueueInfo-cancel", "cancel", QUEUED),
        one("QueueInfo-stop", "stop", PROCESSING),
        one("QueueInfo-stop-Queued", "stop", QUEUED),
        of("QueueInfo-stop-queue", "stop"),
        one("QueueInfo-pause", "pause", QUEUED),
        one("QueueInfo-pause-Processing", "pause", PROCESSING),
        of("QueueInfo-pause-queue", "pause"),
        one("QueueInfo-resume", "resume", PAUSED),
        Change {
            name: "QueueInfo-resume-queue",
            target: clusterings("resume"),
            before: |scene| drop(scene.world.get(&clusterings("pause"))),
        },
        one("QueueInfo-changePriority", "changePriority&priority=99", QUEUED),
        one("QueueInfo-duplicate", "duplicate", PAUSED),
        Change {
            name: "QueueInfo-getStatus-Paused-at-work",
            target: clusterings(&format!("getStatus&token={PROCESSING}")),
            before: |scene| {
                scene.steer("pause", PROCESSING);
                scene.store.release();
                scene.reaches(PROCESSING, "Paused");
            },
        },
        Change {
            name: "QueueInfo-queueStatus-Paused-at-work",
            target: clusterings("queueStatus"),
            before: |scene| {
                scene.steer("pause", PROCESSING);
                scene.store.release();
                scene.reaches(PROCESSING, "Paused");
            },
        },
    ]
}

/// What jobs answer with their result (R80), and where it stands else.
fn results() -> Vec<Change> {
    let waited = |name, parameters: &str| Change {
        name,
        target: format!("/action=FaceClustering&synchronous=true{parameters}"),
        before: |scene| scene.store.release(),
    };
    vec![
        waited("FaceClustering-synchronous", "&database=people"),
        waited("FaceClustering-search", "&database=people&search=exact&matchscope=cluster&clusterthreshold=76"),
        Change {
            name: "QueueInfo-getStatus-delayed",
            target: clusterings("getStatus&showdelay=true&queued-after=2021-01-13T12:01:15Z"),
            before: |scene| {
                let answer = scene.world.get("/action=FaceClustering&delay=3600&idempotencykey=night-1");
                assert!(answer.contains("SUCCESS"), "{answer}");
            },
        },
        waited("FaceClustering-synctime", "&database=people&syncdatabase=false&maxresults=0"),
        Change {
            name: "QueueInfo-getStatus-exports",
            target: "/action=QueueInfo&queuename=ExportFaceDatabase&queueaction=getStatus".to_owned(),
            before: |scene| {
                scene.store.release();
                let target = "/action=ExportFaceDatabase&database=people&synchronous=true";
                let answer = scene.world.get(&format!("{target}&dbpath=/srv/exports/people.jsonl"));
                assert!(answer.contains("SUCCESS"), "{answer}");
            },
        },
    ]
}

/// The names of the goldens.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let questions = questions().into_iter().map(|(name, _)| name);
    questions.chain(changes().into_iter().chain(results()).map(|change| change.name))
}

#[test]
fn r84_r98_every_question_to_a_queue_is_answered_so() {
    let scene = Scene::new();
    for (name, target) in questions() {
        are_golden(name, &get(&target), |request| scene.ask(request));
    }
}

#[test]
fn r80_r86_r88_every_change_of_a_queue_and_every_result_is_answered_so() {
    for Change { name, target, before } in changes().into_iter().chain(results()) {
        are_golden(name, &get(&target), |request| {
            let scene = Scene::new();
            before(&scene);
            scene.ask(request)
        });
    }
}

#[test]
fn r86_no_queue_action_is_without_a_golden() {
    for queue_action in QUEUE_ACTIONS {
        let name = format!("QueueInfo-{queue_action}");
        assert!(names().any(|known| known == name), "{name} is asked by no test");
    }
}

/// The words of contract R86.
const QUEUE_ACTIONS: [&str; 10] = [
    "getStatus",
    "cancel",
    "stop",
    "pause",
    "resume",
    "changePriority",
    "duplicate",
    "getActionParameters",
    "progress",
    "queueStatus",
];
