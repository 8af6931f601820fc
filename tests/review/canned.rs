//! Findings of every kind, about names that are meant to do harm: real databases and jobs, and canned answers to the audit
//! and to decisions as the contract shows them, which no database gives all at once. The true story is told by `drawn`.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, mpsc};

use faceclique::aci::actions::{Actions, Facts};
use faceclique::aci::{Answer, Client, Desk, Envelope, Fault, Health, Outcome, Refused, Reply, Request, Service};
use faceclique::engine::{ClusterTask, Engine, Settings, Task, Ticket, worker};
use faceclique::face::{DatabaseName, Embedding, Identifier, ImageLabel};
use faceclique::http;
use faceclique::job::{Queue, Token};
use jiff::tz::TimeZone;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::HOSTILE;
use crate::server::{between, wait_for};

/// Actions with an audit, which remember what was asked of them.
struct Audited {
    actions: Actions,
    asked: Mutex<Vec<String>>,
}

const ASKED: [&str; 7] =
    ["AddDecision", "RemoveDecision", "MergeFaces", "MoveFaceImage", "UndoChange", "SplitFace", "SetAsideFaceImages"];

fn image(answer: &mut Answer<'_>, (identifier, label): (&str, &str)) -> io::Result<()> {
    answer.text("database", "people")?;
    answer.text("identifier", identifier)?;
    answer.text("imagelabel", label)
}

/// Six images of wrong identities, a pair of one person, and one finding of each other kind about hostile names.
fn findings(answer: &mut Answer<'_>) -> io::Result<()> {
    answer.open("identityaudit")?;
    answer.open("misfiled")?;
    for person in 0..6 {
        let own = format!("person {}", (person + 1) % 6);
        answer.open("image")?;
        answer.text("id", &format!("m{person}"))?;
        answer.text("score", "0.9612")?;
        answer.text("reason", "it fits <b>every image</b> of the other identity and none of its own")?;
        image(answer, (&own, &format!("{person}-3")))?;
        answer.open("suggested")?;
        answer.text("database", "people")?;
        answer.text("identifier", &format!("person {person}"))?;
        answer.close("suggested")?;
        for label in 0..2 {
            answer.open("match")?;
            answer.text("confidence", "95.87")?;
            image(answer, (&format!("person {person}"), &format!("{person}-{label}")))?;
            answer.close("match")?;
        }
        answer.close("image")?;
    }
    answer.close("misfiled")?;
    answer.open("sameperson")?;
    answer.open("pair")?;
    answer.text("id", "s0")?;
    for identifier in ["person 1", "person 2"] {
        answer.open("identity")?;
        answer.text("database", "people")?;
        answer.text("identifier", identifier)?;
        answer.close("identity")?;
    }
    answer.close("pair")?;
    answer.close("sameperson")?;
    odd(answer)?;
    answer.close("identityaudit")
}

/// The other kinds, each about a name of its own.
fn odd(answer: &mut Answer<'_>) -> io::Result<()> {
    let [script, turned, quoted, image_tag, ..] = HOSTILE;
    answer.open("severalpersons")?;
    answer.open("identity")?;
    answer.text("id", "v0")?;
    answer.text("reason", script)?;
    answer.text("database", "people")?;
    answer.text("identifier", script)?;
    for label in ["0", "1"] {
        answer.open("part")?;
        answer.open("image")?;
        image(answer, (script, label))?;
        answer.close("image")?;
        answer.close("part")?;
    }
    answer.close("identity")?;
    answer.close("severalpersons")?;
    answer.open("duplicates")?;
    answer.open("group")?;
    answer.text("id", "d0")?;
    for label in ["0", "1"] {
        answer.open("image")?;
        image(answer, (turned, label))?;
        answer.close("image")?;
    }
    answer.close("group")?;
    answer.close("duplicates")?;
    answer.open("fragments")?;
    answer.open("person")?;
    answer.text("id", "g0")?;
    for cluster in ["1", "2"] {
        answer.text("cluster", cluster)?;
    }
    answer.open("link")?;
    answer.text("confidence", "49.10")?;
    for label in ["0", "1"] {
        answer.open("face")?;
        image(answer, (quoted, label))?;
        answer.close("face")?;
    }
    answer.close("link")?;
    answer.close("person")?;
    answer.close("fragments")?;
    for (kind, id, who) in [("nobody", "n0", image_tag), ("unsupported", "u0", &*LONG)] {
        answer.open(kind)?;
        answer.open("image")?;
        answer.text("id", id)?;
        image(answer, (who, "0"))?;
        answer.close("image")?;
        answer.close(kind)?;
    }
    Ok(())
}

/// The longest name there is, without a place to break it.
static LONG: LazyLock<String> = LazyLock::new(|| "a".repeat(254));

impl Service for Audited {
    fn admit(&self, client: &Client) -> Result<(), Fault> {
        self.actions.admit(client)
    }

    fn answer(&self, request: Result<Request, Refused>, client: &Client, reply: &mut dyn Reply) -> io::Result<Outcome> {
        let request = match request {
            Ok(request) if request.action == "GetIdentityAudit" => {
                let mut answer = Envelope::new(reply, request.format).begin(&request.action)?;
                findings(&mut answer)?;
                return answer.finish();
            }
            Ok(request) if ["ListDecisions", "ListChanges"].contains(&request.action.as_str()) => {
                let mut answer = Envelope::new(reply, request.format).begin(&request.action)?;
                if request.action == "ListDecisions"
                    && self.asked.lock().unwrap().iter().any(|asked| asked.starts_with("Add"))
                {
                    answer.open("decision")?;
                    answer.text("id", "1")?;
                    answer.text("kind", "labelright")?;
                    image(&mut answer, ("person 1", "0-3"))?;
                    answer.close("decision")?;
                }
                return answer.finish();
            }
            Ok(request) if ASKED.contains(&request.action.as_str()) => {
                let mut asked = self.asked.lock().unwrap();
                let parameters: Vec<String> = request
                    .parameters
                    .texts()
                    .filter(|(name, _)| !["visit", "back", "responseformat"].contains(&&**name))
                    .map(|(name, text)| format!("{name}={text}"))
                    .collect();
                asked.push(format!("{} {}", request.action, parameters.join(" ")));
                let mut answer = Envelope::new(reply, request.format).begin(&request.action)?;
                answer.value("id", asked.len())?;
                return answer.finish();
            }
            request => request,
        };
        self.actions.answer(request, client, reply)
    }

    fn health(&self, client: &Client) -> Health {
        self.actions.health(client)
    }

    fn desk(&self, client: &Client) -> Result<Desk<'_>, Fault> {
        self.actions.desk(client)
    }
}

/// Six people with four images each, the last of which is filed under the next, two images under each hostile name, and a
/// job that clusters them.
fn fill(engine: &Engine) -> Token {
    let people = DatabaseName::new("people").unwrap();
    engine.create_database(&people, None).unwrap();
    let face = |person: usize| Identifier::new(&format!("person {person}")).unwrap();
    for person in 0..6 {
        engine.new_face(&people, Some(&face(person))).unwrap();
    }
    for (person, image) in (0..24).map(|at| (at / 4, at % 4)) {
        let mut numbers = vec![0.0f32; 15];
        (numbers[person], numbers[6 + image]) = (1.0, 0.3);
        let label = ImageLabel::new(&format!("{person}-{image}")).unwrap();
        let filed = face(if image == 3 { (person + 1) % 6 } else { person });
        engine.add_embeddings(&people, &filed, vec![(Some(label), Embedding::new(numbers).unwrap())], None).unwrap();
    }
    for (at, name) in HOSTILE.into_iter().take(4).chain([&**LONG]).enumerate() {
        let face = Identifier::new(name).unwrap();
        engine.new_face(&people, Some(&face)).unwrap();
        for label in ["0", "1"] {
            let mut numbers = vec![0.0f32; 15];
            numbers[10 + at] = 1.0;
            let named = (Some(ImageLabel::new(label).unwrap()), Embedding::new(numbers).unwrap());
            engine.add_embeddings(&people, &face, vec![named], None).unwrap();
        }
    }
    let task = ClusterTask { database: Some("people".to_owned()), cluster_threshold: 8_000, ..ClusterTask::default() };
    engine.submit(Ticket::default(), Task::Cluster(task)).unwrap()
}

/// A server of it, in this process.
pub(crate) struct World {
    service: Arc<Audited>,
    pub(crate) address: SocketAddr,
    /// Of the clustering.
    pub(crate) token: String,
    _stop: oneshot::Sender<()>,
    _runtime: tokio::runtime::Runtime,
    _folder: TempDir,
}

impl World {
    /// Six people, clustered.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::open(Settings::new(folder.path())).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (address, watched) = (SocketAddr::from(([127, 0, 0, 1], 0)), Arc::clone(&engine));
        let actions = Actions::new(Arc::clone(&engine), Facts::now(address, None, 4), TimeZone::UTC);
        let service = Arc::new(Audited { actions, asked: Mutex::default() });
        let token = fill(&engine);
        let (told, listening) = mpsc::channel();
        let serving: Arc<dyn Service> = Arc::<Audited>::clone(&service);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            let ended = async { drop(stopped.await) };
            tokio::join!(worker::run(engine, std::future::pending()), async {
                http::run(listener, serving, http::Settings::default(), ended).await.unwrap();
            });
        });
        let address = listening.recv().unwrap();
        wait_for(|| {
            if watched.job(Queue::FaceClustering, token).unwrap().state.is_ended() {
                Ok(())
            } else {
                Err(String::new())
            }
        });
        Self { service, token: token.to_string(), address, _stop: stop, _runtime: runtime, _folder: folder }
    }

    /// What was asked of it.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.service.asked.lock().unwrap().clone()
    }

    fn raw(&self, request: &str) -> String {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_mins(1))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(&self, target: &str) -> String {
        self.raw(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    }
}

#[test]
fn a_finding_is_a_question_with_its_pictures_and_an_answer_is_an_action() {
    let world = World::new();
    let audit = format!("/review/result/{}/audit", world.token);
    let page = world.get(&audit);
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    let pages = page.clone() + &world.get(&format!("{audit}?page=2"));
    for text in [
        "Wrong identity<span class=\"n\">6</span>",
        "it fits &lt;b&gt;every image&lt;/b&gt; of the other",
        "score 0.9612",
        "95.87",
        "Yes, merge them",
        "No, the label is right",
        "Yes, split it",
        "Yes, set the second aside",
        "No, several",
        "Does this belong to nobody here, not even",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "U+202E",
        "loading=\"lazy\"",
    ] {
        assert!(pages.contains(text), "no {text} in {pages}");
    }
    for raw in ["<script>alert", "<img src=x", "\" onmouseover"] {
        assert!(!pages.contains(raw), "{raw} in {pages}");
    }
    assert_eq!((page.matches("<article").count(), pages.matches("<article").count()), (10, 12));
    assert!(world.get(&format!("{audit}?kind=sameperson")).matches("<article").count() == 1);

    let cookie = between(&page, "set-cookie: ", ";").to_owned();
    let visit = between(&page, "name=\"visit\" value=\"", "\"").to_owned();
    let post = |fields: &str| {
        let body = format!("{fields}&visit={visit}&back={audit}");
        let length = body.len();
        world.raw(&format!(
            "POST /review/act HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: application/json\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    };
    let done = post("action=AddDecision&decision=labelright&database=people&identifier=person+1&imagelabel=0-3");
    assert!(done.contains("\"undo\":{\"action\":\"RemoveDecision\",\"id\":\"1\"}"), "{done}");
    let page = world.get(&audit);
    assert!(
        page.contains("class=\"finding decided\" id=\"f-m0\"") && page.matches("finding decided").count() == 1,
        "{page}"
    );
    let listed = world.get("/review/decisions");
    assert!(listed.contains("The label is right") && listed.contains("Nothing was changed"), "{listed}");
    let done = post("action=MoveFaceImage&database=people&identifier=person+1&imagelabel=0-3&newidentifier=person+0");
    assert!(done.contains("\"undo\":{\"action\":\"UndoChange\",\"id\":\"2\"}"), "{done}");
    assert_eq!(
        world.asked(),
        [
            "AddDecision database=people decision=labelright identifier=person 1 imagelabel=0-3",
            "MoveFaceImage database=people identifier=person 1 imagelabel=0-3 newidentifier=person 0",
        ]
    );
}

#[test]
fn a_report_begins_with_the_findings_and_says_what_it_leaves_out() {
    let world = World::new();
    let report = format!("/review/result/{}/report.html", world.token);
    let text = world.get(&report);
    assert!(
        between(&text, "content-disposition: ", "\r\n").contains(&format!("report-{}.html", world.token)),
        "{text}"
    );
    let places: Vec<Option<usize>> =
        ["What looks wrong", "Wrong identity", "One person under two", "Clusters<"].map(|it| text.find(it)).to_vec();
    assert!(places.is_sorted() && places[0].is_some(), "{places:?}");
    assert_eq!(text.matches("<article class=\"finding\">").count(), 12);
    assert!(
        text.contains("it fits &lt;b&gt;every image&lt;/b&gt; of the other") && !text.contains("Shown: "),
        "{text}"
    );
    assert!(!text.contains("<form") && !text.contains("<script"), "nothing is done in a file");
    let short = world.get(&format!("{report}?maxfindings=2&maxclusters=1"));
    assert_eq!(short.matches("<article class=\"finding\">").count(), 2);
    assert!(short.contains("Shown: 2 of 12 findings") && short.contains("Shown: 1 of 11 clusters of several images"));
}
