//! What tells receivers of the ends of jobs, as it was said.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::file::read_pem;
use super::meaning::secret;
use super::report::Report;
use super::said::Said;
use crate::callback::{Callbacks, Places, Settings};
use crate::engine;

/// Puts it into what the engine is told; nothing where callbacks are not enabled.
pub(super) fn tell(said: &Said, engine: &mut engine::Settings, report: &mut Report) {
    engine.callback_attempts = u32::try_from(said.count("callbacks.attempts")).expect("its range ends at 100");
    engine.callback_pause = Duration::from_secs(said.count("callbacks.retry_pause"));
    engine.max_callbacks = said.size("callbacks.max_outstanding");
    let places = Places::of(said.list("callbacks.allowed_hosts"));
    let places = places.map_err(|error| report.fault(format!("callbacks.allowed_hosts: {error}"))).ok();
    let secret = secret("callbacks.secret", said, report);
    let Some(places) = places.filter(|_| said.is("callbacks.enabled")) else { return };
    if secret.is_none() {
        report.warn("callbacks are enabled without callbacks.secret_file: receivers cannot know by whom they are told");
    }
    let mut refuse = |why: String| report.fault(format!("callbacks.ca_file: {why}"));
    let authorities = match said.text("callbacks.ca_file").map(|path| read_pem(Path::new(path))) {
        None => None,
        Some(Ok(bytes)) => Some(bytes),
        Some(Err(why)) => return refuse(why),
    };
    let timeout = Duration::from_secs(said.count("callbacks.timeout"));
    match Callbacks::new(Settings { places, secret, timeout, authorities }) {
        Ok(callbacks) => engine.messenger = Some(Arc::new(callbacks)),
        Err(why) => refuse(why),
    }
}
