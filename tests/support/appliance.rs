//! The library as an appliance embeds it: an engine, its worker and its actions, without sockets.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use faceclique::aci::actions::{Actions, Facts};
use faceclique::aci::{Client, Part, Request, Service as _, Value};
use faceclique::engine::{Engine, ImportRequest, Input, OnError, Settings, Ticket, Waited, worker};
use faceclique::exchange::{Format, ids_path_beside};
use faceclique::face::DatabaseName;
use faceclique::job::{Queue, State, Token};
use jiff::tz::TimeZone;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// The longest that a job is waited for.
const PATIENCE: Duration = Duration::from_mins(5);

/// A running engine.
pub(crate) struct Appliance {
    pub(crate) engine: Arc<Engine>,
    actions: Actions,
    stop: Option<oneshot::Sender<()>>,
    worker: Option<tokio::task::JoinHandle<()>>,
    runtime: Runtime,
}

impl Appliance {
    pub(crate) fn open(settings: Settings) -> Self {
        let engine = Engine::open(settings).unwrap();
        let runtime = Runtime::new().unwrap();
        let (stop, stopped) = oneshot::channel();
        let worker = runtime.spawn(worker::run(Arc::clone(&engine), async {
            let _ = stopped.await;
        }));
        let facts = Facts::now(([127, 0, 0, 1], 14000).into(), None, 1);
        let actions = Actions::new(Arc::clone(&engine), facts, TimeZone::UTC);
        Self { engine, actions, stop: Some(stop), worker: Some(worker), runtime }
    }

    /// The answer to an action, as text.
    pub(crate) fn ask(&self, parameters: &[(&str, &str)]) -> String {
        let part = |&(name, value): &(&str, &str)| Part { name: name.to_owned(), value: Value::Text(value.to_owned()) };
        let request = Request::new(parameters.iter().map(part).collect()).unwrap();
        let client = Client::at(([127, 0, 0, 1], 1).into());
        let mut answer = Vec::new();
        self.actions.answer(Ok(request), &client, &mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// Imports a file and waits for it.
    pub(crate) fn import(&self, database: &str, path: &Path) {
        let format = Format::from_path(path).unwrap();
        let token = self.engine.submit_import(
            Ticket::default(),
            ImportRequest {
                database: DatabaseName::new(database).unwrap(),
                data: Input::Path(path.to_owned()),
                ids: (format == Format::Npy).then(|| Input::Path(ids_path_beside(path))),
                format,
                model: None,
                on_error: OnError::Stop,
                include_metadata: true,
                include_image_data: true,
            },
        );
        self.finish(Queue::ImportFaceDatabase, token.unwrap());
    }

    /// Clusters and gives what stands between `<clusters>` and `</clusters>`, these included, and what follows.
    pub(crate) fn cluster(&self, parameters: &[(&str, &str)]) -> (String, String) {
        let asked = [&[("action", "FaceClustering")], parameters].concat();
        let answer = self.ask(&asked);
        let token = between(&answer, "<token>", "</token>");
        self.finish(Queue::FaceClustering, Token::parse(token).unwrap());
        let answer = self.ask(&[
            ("action", "QueueInfo"),
            ("queuename", "FaceClustering"),
            ("queueaction", "getStatus"),
            ("token", token),
        ]);
        let (_, answer) = answer.split_once("<clusters>").expect("the job is finished");
        let (clusters, rest) = answer.split_once("</clusters>").unwrap();
        (clusters.to_owned(), rest.to_owned())
    }

    fn finish(&self, queue: Queue, token: Token) {
        match self.engine.attend(token).unwrap().wait(PATIENCE) {
            Waited::Ended(job) => assert_eq!(job.state, State::Finished, "{:?}", job.result()),
            other => panic!("{queue} {token}: {other:?}"),
        }
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        if let Some(worker) = self.worker.take() {
            let _ = self.runtime.block_on(worker);
        }
    }
}

/// The text between two others.
pub(crate) fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, text) = text.split_once(begin).unwrap_or_else(|| panic!("no {begin} in {text}"));
    text.split_once(end).unwrap_or_else(|| panic!("no {end} in {text}")).0
}
