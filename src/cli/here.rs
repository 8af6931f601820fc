//! An engine in this process, asked as a server is, for commands on a data directory that no server has.

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
use crate::http::{self, ReportLimits};

/// The name under which messages speak of it.
const NAME: &str = "this process";

/// An open data directory.
pub(super) struct Here {
    engine: Arc<Engine>,
    actions: Actions,
    /// What works its jobs, if they are worked.
    work: Option<Work>,
}

struct Work {
    runtime: Runtime,
    stop: oneshot::Sender<()>,
    worker: JoinHandle<()>,
}

impl Here {
    /// Opens it, and lets wait what waits there.
    pub(super) fn idle(settings: Settings, zone: TimeZone) -> Result<Self, Failure> {
        let engine = Engine::open(settings).map_err(with_cause)?;
        let facts = Facts::now(([127, 0, 0, 1], crate::config::PORT).into(), None, 1);
        let actions = Actions::new(Arc::clone(&engine), facts, zone);
        Ok(Self { engine, actions, work: None })
    }

    /// Opens it, and works what waits there.
    #[cfg(feature = "vision")]
    pub(super) fn at_work(settings: Settings, zone: TimeZone) -> Result<Self, Failure> {
        let here = Self::idle(settings, zone)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let worker = runtime.spawn(worker::run(Arc::clone(&here.engine), async {
            let _ = stopped.await; // also when the sender is gone
        }));
        Ok(Self { work: Some(Work { runtime, stop, worker }), ..here })
    }

    /// The engine itself.
    #[cfg(feature = "vision")]
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A finished clustering as an HTML file.
    pub(super) fn report(&self, token: &str, limits: ReportLimits) -> Result<String, String> {
        http::report(&self.actions, &myself(), token, limits)
    }

    /// What stands in `responsedata` of the answer to `action` with these parameters.
    pub(super) fn ask(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Value, Trouble> {
        let strange = |reason: String| Trouble::Unreachable { server: NAME.to_owned(), reason };
        let common = [("action", action), ("responseformat", "simplejson")];
        let part =
            |&(name, value): &(&str, &str)| Part { name: name.to_owned(), value: aci::Value::Text(value.to_owned()) };
        let parts = common.iter().chain(parameters).map(part).collect();
        let request = Request::new(parts).map_err(|fault| strange(fault.to_string()))?;
        let mut answer = Vec::new();
        self.actions.answer(Ok(request), &myself(), &mut answer).map_err(|error| strange(error.to_string()))?;
        answered(&String::from_utf8_lossy(&answer), NAME)
    }

    /// Waits for something of the engine while the worker works.
    #[cfg(feature = "vision")]
    pub(super) fn wait<T>(&self, what: impl Future<Output = T>) -> Result<T, Failure> {
        let work = self.work.as_ref().ok_or("nothing is worked here")?;
        Ok(work.runtime.block_on(what))
    }

    /// Puts back what is at work and lets the directory go.
    pub(super) fn close(self) -> Result<(), Failure> {
        if let Some(Work { runtime, stop, worker }) = self.work {
            let _ = stop.send(()); // the worker may have ended already
            runtime.block_on(worker)?;
        }
        Ok(())
    }
}

/// The client that this process is.
fn myself() -> aci::Client {
    aci::Client::at(([127, 0, 0, 1], 1).into())
}
