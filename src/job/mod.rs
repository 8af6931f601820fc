//! The promise: what a job is, what may happen to it, and which one is next. Pure: no clock, no store, no thread.
//!
//! **Promises.** One table, [`transition`], says what every event does in every state. A job ends once. *Running* is
//! known only in memory: what is stored of a job ([`Life`]) says waiting or ended, so that a crash needs no repair.
//!
//! **Not here.** What a job computes (`engine`) and where it is kept (`store`).

mod delay;
mod life;
mod lived;
mod queue;
mod state;
mod token;

pub use delay::Delay;
pub use life::{Life, Run, Timestamp};
pub use lived::{Lived, Noted, micros};
pub use queue::{Priority, Queue, Retention, Waiting, expired, next, too_much};
pub use state::{Event, Refused, State, transition};
pub use token::Token;
