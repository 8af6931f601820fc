//! An engine in this process with its worker, asked as a server is, for commands on a data directory that no server has.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Failure;
use super::client::{Trouble, answered};
use super::serve::with_cause;
use crate::aci::actions::{Actions, Facts};
use crate::aci::{self, Part, Request, Service as _};
use crate::engine::{Engine, Settings, worker};

/// The name under which messages speak of it.
const NAME: &str = "this process";

/// An open data directory whose jobs are worked.
pub(super) struct Here {
    engine: Arc<Engine>,
    actions: Actions,
    runtime: Runtime,
    stop: oneshot::Sender<()>,
    worker: JoinHandle<()>,
}

impl Here {
    /// Opens it, and works what waits there.
    pub(super) fn open(settings: Settings, zone: TimeZone) -> Result<Self, Failure> {
        let engine = Engine::open(settings).map_err(with_cause)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let worker = runtime.spawn(worker::run(Arc::clone(&engine), async {
            let _ = stopped.await; // also when the sender is gone
        }));
        let facts = Facts::now(([127, 0, 0, 1], crate::config::PORT).into(), None, 1);
        let actions = Actions::new(Arc::clone(&engine), facts, zone);
        Ok(Self { engine, actions, runtime, stop, worker })
    }

    /// The engine itself.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What stands in `responsedata` of the answer to `action` with these parameters.
    pub(super) fn ask(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Value, Trouble> {
        let bytes = self.bytes(action, &[&[("responseformat", "simplejson")], parameters].concat())?;
        answered(&String::from_utf8_lossy(&bytes), NAME)
    }

    /// The bytes of the answer, whatever they are.
    pub(super) fn bytes(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Vec<u8>, Trouble> {
        let strange = |reason: String| Trouble::Unreachable { server: NAME.to_owned(), reason };
        let part = |(name, value): &(&str, &str)| Part {
            name: (*name).to_owned(),
            value: aci::Value::Text((*value).to_owned()),
        };
        let parts = std::iter::once(&("action", action)).chain(parameters).map(part).collect();
        let request = Request::new(parts).map_err(|fault| strange(fault.to_string()))?;
        let mut answer = Vec::new();
        let client = aci::Client::at(([127, 0, 0, 1], 1).into());
        self.actions.answer(Ok(request), &client, &mut answer).map_err(|error| strange(error.to_string()))?;
        Ok(answer)
    }

    /// Waits for something of the engine while the worker works.
    pub(super) fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    /// Puts back what is at work and lets the directory go.
    pub(super) fn close(self) -> Result<(), Failure> {
        let Self { engine, actions, runtime, stop, worker } = self;
        let _ = stop.send(()); // the worker may have ended already
        runtime.block_on(worker)?;
        drop((actions, engine));
        Ok(())
    }
}
