//! FaceClique compares every face image of a database with every other, groups them into clusters in which every image
//! matches every other, and keeps the jobs that do so safe from crashes.
//!
//! The point is to find images filed under the wrong identity, and identities that are one person.
//!
//! # A request on its way
//!
//! ```text
//! bytes -> http -> aci -> engine -> job, accepted in the store -> token
//!                            |
//!                            +-- worker -> FaceSet -> cluster -> result in the store
//!                            |
//! bytes <- http <- aci <- engine <- QueueInfo
//! ```
//!
//! # The rooms
//!
//! | module | what it is | knows |
//! |---|---|---|
//! | [`face`] | names, embeddings, sets of faces in image order | nothing |
//! | [`confidence`] | from cosine to confidence and back | nothing |
//! | [`kernel`] | the arithmetic; the only place with `unsafe` | `face` |
//! | [`cluster`](mod@cluster) | the answer: pairs, edges, clusters, matches. Pure | the three above |
//! | [`calibrate`] | labelled faces to a confidence scale. Pure | `face`, `confidence`, `kernel` |
//! | `vision` | pictures to embeddings, by ONNX models | `face`, `confidence` |
//! | `job` | the promise: states, transitions, queues, tokens. Pure | nothing |
//! | `store` | one durable ordered map (sled) | names and tokens |
//! | `exchange` | files of faces in and out | `face` |
//! | `engine` | faces, jobs, clusters and the store together; what an appliance embeds | all of these |
//! | `aci` | the language: requests, answers, errors, actions | `engine` |
//! | `http` | sockets, limits, the review page | `aci`, names and confidences |
//! | `callback` | tells others over HTTP that a job has ended | `engine`, secrets and networks of `aci` |
//! | `demo` | drawn faces with planted errors | `face`, `kernel`, `exchange`, `vision` |
//! | `config`, `cli` | settings and the command line | everything |
//!
//! The first five are the pure core and build with `--no-default-features`; `vision` needs the feature of its name, the
//! others the feature `server`; both are on by default. `tests/architecture.rs` holds who may know whom.
//!
//! # The words
//!
//! | here | in the ACI | what it means |
//! |---|---|---|
//! | database | database | a named collection of faces, bound to one embedding model |
//! | identity | face, identifier | one person as filed; owns images |
//! | face image | image, imagelabel | one picture of an identity, as an embedding |
//! | embedding | - | what a model says of a picture: a vector of unit length |
//! | image order | - | by database, identifier, label, each byte by byte |
//! | confidence | confidence | how sure it is that two images show one person, 0.00 to 100.00 |
//! | threshold | clusterthreshold, outputthreshold | the least confidence that counts |
//! | candidate | - | a pair that the index proposes, not proven |
//! | edge | - | a pair proven to reach the threshold |
//! | match | match | another image that reaches the output threshold |
//! | cluster | cluster | images of which every pair is an edge |
//! | job | queued action | one accepted piece of work |
//! | token | token | names a job for ever |
//! | attempt | - | a start of a job that no orderly end has followed yet |
//!
//! # As a library
//!
//! The pure core alone:
//!
//! ```
//! use faceclique::{ConfidenceScale, Embedding, FaceSet, Parameters, Resources, Unwatched, cluster, face_id};
//!
//! let faces = FaceSet::new([
//!     (face_id("people", "ann", "1")?, Embedding::new([1.0, 0.0])?),
//!     (face_id("people", "ann", "2")?, Embedding::new([0.8, 0.6])?),
//!     (face_id("people", "bob", "1")?, Embedding::new([-1.0, 0.0])?),
//! ])?;
//! let (scale, parameters) = (ConfidenceScale::cosine(), Parameters::default());
//! let clustering = cluster(&faces, &scale, &parameters, &Resources::default(), &Unwatched)?;
//! assert_eq!(clustering.clusters(), [vec![0, 1], vec![2]]);
//! clustering.verify(&faces, &scale, &parameters)?; // every promise, proven again from the vectors
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With databases and durable jobs:
//!
#![cfg_attr(feature = "server", doc = "```")]
#![cfg_attr(not(feature = "server"), doc = "```ignore")]
//! use faceclique::engine::{ClusterTask, Engine, JobResult, Settings, Task, Ticket, worker};
//! use faceclique::face::{DatabaseName, Embedding, Identifier};
//! use faceclique::job::Queue;
//!
//! # let folder = tempfile::tempdir()?;
//! # let data = folder.path();
//! let engine = Engine::open(Settings::new(data))?;
//! let (people, ann) = (DatabaseName::new("people")?, Identifier::new("ann")?);
//! engine.create_database(&people, None)?;
//! engine.new_face(&people, Some(&ann))?;
//! engine.add_embeddings(&people, &ann, vec![(None, Embedding::new([1.0, 0.0])?)], None)?;
//! let token = engine.submit(Ticket::default(), Task::Cluster(ClusterTask::default()))?; // on the disk from here on
//!
//! let job = || engine.job(Queue::FaceClustering, token).expect("a token is always answered");
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let ended = async {
//!     while !job().state.is_ended() {
//!         tokio::task::yield_now().await;
//!     }
//! };
//! worker::run(engine.clone(), ended).await; // works the queues until the future is ready
//! # });
//! let job = job();
//! let Some(JobResult::Clustering(outcome)) = job.result() else { panic!("it is finished") };
//! assert_eq!(engine.read_result(token, outcome)?.take_names().len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "server")]
pub mod aci;
pub mod calibrate;
#[cfg(feature = "server")]
pub mod callback;
#[cfg(feature = "server")]
pub mod cli;
pub mod cluster;
pub mod confidence;
#[cfg(feature = "server")]
pub mod config;
#[cfg(all(feature = "server", feature = "vision"))]
pub mod demo;
#[doc = include_str!("design.md")]
pub mod design {}
#[cfg(feature = "server")]
pub mod engine;
#[cfg(feature = "server")]
pub mod exchange;
pub mod face;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod job;
pub mod kernel;
#[cfg(feature = "server")]
pub mod store;
#[cfg(feature = "vision")]
pub mod vision;

pub use cluster::{Clustering, MatchScope, Parameters, Resources, Search, Unwatched, Watch, cluster};
pub use confidence::{Confidence, ConfidenceScale, Threshold};
pub use face::{Embedding, FaceId, FaceSet, face_id};
