//! The language: what a request says, and how an answer is written, without sockets.
//!
//! Reading this folder in the order of a request: [`form`] takes a target or an urlencoded body apart, [`intake`]
//! collects the parts under the limits, [`Request`] is what they mean together, the accessors of [`Parameters`] give
//! values their types, [`Fault`] is the catalogue of refusals, [`Answer`] writes XML or JSON.
//!
//! **Promises.** Decoding never panics and never repairs: it gives a [`Request`] or a [`Fault`] (contract R12). What a
//! request may hold in memory is bounded by [`Limits`].
//!
//! **Not here.** Sockets, headers and multipart bodies (`http`); what the actions do (`actions`, on top of this).

pub mod access;
pub mod actions;
mod answer;
mod base64;
mod budget;
pub mod date;
mod exposition;
mod fault;
pub mod form;
pub mod intake;
mod limits;
mod parameter;
mod request;
mod service;
mod text;
mod upload;
mod values;

pub use self::access::Role;
pub use self::actions::{
    Agreement, Change, Cluster, DatabaseFigures, Desk, Difference, Fate, Fit, Job, NotShown, Obeyed, Order, Sheet, Show,
};
pub use self::base64::{Alphabet, Base64};
pub use answer::{Answer, Envelope, ResponseFormat};
pub use budget::Budget;
pub use fault::{Code, Fault};
pub use limits::Limits;
pub use parameter::{COMMON, Form, Need, Parameter, QUEUED};
pub use request::{Kind, Parameters, Part, Request, Value};
pub use service::{Client, Health, Media, Outcome, Refused, Reply, Service, Traffic};
pub use upload::{Content, Upload};
