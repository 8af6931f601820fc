//! Golden pairs, request bytes and answer bytes, over a real socket: every action in each form of answer, every way of
//! QueueInfo, every error, and what real clients demand of each of them (contract R182).
//!
//! `fixtures/aci/answers/NAME.http` is the request, `NAME.FORMAT.http` the answer to it. What differs from run to run
//! (tokens, dates, the process, the machine) is replaced before comparing; see `masked`. `make fixtures` writes them anew.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod actions;
mod audit;
mod clients;
mod demands;
mod errors;
mod forms;
mod masked;
mod order;
mod queue_info;
mod real_clients;
mod roles;
mod seams;
#[path = "../support/clients.rs"]
mod sent;
mod trainer;
mod training;
mod world;

/// The forms of answers, as `responseformat` names them.
const FORMATS: [&str; 3] = ["xml", "json", "simplejson"];
