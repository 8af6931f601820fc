//! Settings: what the configuration file says ([`Raw`]) and what it means ([`Config`]).
//!
//! A flag of the command line wins over the file, the file over the default. A key that is not known is refused, not
//! ignored: a misspelt limit would be no limit.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use crate::aci;
use crate::confidence::{ConfidenceScale, ScaleError};
use crate::engine::{COSINE, Model, Settings};
use crate::face::MAX_DIMENSION;
use crate::http;

/// The port of the ACI (contract R150).
pub const PORT: u16 = 14_000;

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file is not TOML, or has a key or a type that is not known.
    #[error("the configuration file {path} is not valid: {source}")]
    Invalid {
        /// Its path.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A value outside its range.
    #[error("the setting {key} is {value}, it must be {range}")]
    Range {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        range: &'static str,
    },
    /// A model that cannot be used.
    #[error("the model '{name}' cannot be used: {reason}")]
    Model {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
}

/// The configuration file, as it stands there. Every key may be left out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Raw {
    /// Sockets and dates.
    pub server: RawServer,
    /// Folders.
    pub paths: RawPaths,
    /// Jobs.
    pub jobs: RawJobs,
    /// Limits of requests, by the names of contract R156.
    pub limits: RawLimits,
    /// Embedding models.
    pub models: Vec<RawModel>,
}

/// `[server]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawServer {
    /// Address and port; default `127.0.0.1:14000`.
    pub listen: Option<SocketAddr>,
    /// Print dates in UTC instead of the local time zone; default false.
    pub utc: Option<bool>,
    /// Connections served at a time; default 2000.
    pub max_connections: Option<usize>,
    /// Host names by which the server may be called, besides addresses and `localhost` (contract R161).
    pub host_names: Option<Vec<String>>,
}

/// `[paths]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawPaths {
    /// The data directory; default `data`.
    pub data: Option<PathBuf>,
    /// Folders below which clients may name files to read; default none.
    pub allowed_input_directories: Option<Vec<PathBuf>>,
}

/// `[jobs]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawJobs {
    /// Threads of one clustering; default as many as there are processors.
    pub threads: Option<usize>,
    /// Bytes that the images, pairs and matches of one job may take; default half of the machine's memory.
    pub max_job_memory: Option<u64>,
    /// Bytes that the stored result of one job may take; default 4 GiB.
    pub max_result_size: Option<u64>,
    /// Seconds; `search=auto` is exact as long as no more are expected; default 900.
    pub auto_exact_time: Option<u64>,
    /// Jobs of one queue that have not ended; default 1000.
    pub max_queue_size: Option<usize>,
    /// Seconds that an ended job is kept; default 604800 (7 days).
    pub result_retention: Option<u64>,
    /// Ended jobs of one queue that are kept; default 1000.
    pub max_ended_jobs: Option<usize>,
    /// Starts without an orderly end after which a job is given up; default 3.
    pub max_attempts: Option<u32>,
    /// Keep the pairs that a clustering finds for the next one on the same database; default true.
    pub keep_pairs: Option<bool>,
    /// Bytes of the store's page cache; default 64 MiB.
    pub cache_size: Option<u64>,
}

/// `[limits]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawLimits {
    /// Characters of one parameter value; default 64000.
    pub max_input_string: Option<usize>,
    /// Bytes of one uploaded image or embedding; default 10000000.
    pub max_file_upload_size: Option<u64>,
    /// Bytes of one request; default 256 MiB.
    pub max_request_size: Option<u64>,
    /// Parts or parameters of one request; default 10000.
    pub max_parts: Option<usize>,
}

/// `[[models]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawModel {
    /// The name that databases are bound to.
    pub name: String,
    /// The dimension of its embeddings.
    pub dimension: usize,
    /// Pairs of cosine and confidence, from cosine -1 to `[1, 100]`.
    pub knots: Vec<[f64; 2]>,
}

/// What a server is to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address and port of the ACI.
    pub listen: SocketAddr,
    /// Whether dates are printed in UTC.
    pub utc: bool,
    /// The engine's part.
    pub engine: Settings,
    /// Limits of connections and requests.
    pub http: http::Settings,
}

impl Raw {
    /// Reads a configuration file; without one every setting is at its default.
    pub fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|source| ConfigError::Invalid { path: path.to_owned(), source: Box::new(source) })
    }

    /// What it means.
    pub fn config(self) -> Result<Config, ConfigError> {
        let Self { server, paths, jobs, limits, models } = self;
        let mut engine = Settings::new(paths.data.unwrap_or_else(|| PathBuf::from("data")));
        engine.allowed_input = paths.allowed_input_directories.unwrap_or_default();
        engine.models = models.into_iter().map(model).collect::<Result<_, _>>()?;
        jobs.apply(&mut engine)?;
        let mut http = http::Settings { limits: limits.limits(&engine), ..http::Settings::default() };
        engine.max_picture = http.limits.max_file_upload_size;
        engine.max_pictures = http.limits.max_parts;
        // What was stored can be exported and imported again: base64 makes four bytes of three.
        engine.exchange.max_line_bytes = engine.exchange.max_line_bytes.max(engine.max_picture.saturating_mul(2));
        if let Some(n) = server.max_connections {
            http.max_connections = at_least_one("server.max_connections", n)?.get();
        }
        if let Some(names) = server.host_names {
            http.host_names = names;
        }
        let listen = server.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], PORT)));
        Ok(Config { listen, utc: server.utc.unwrap_or(false), engine, http })
    }
}

impl RawLimits {
    fn limits(&self, engine: &Settings) -> aci::Limits {
        let default = aci::Limits::default();
        aci::Limits {
            max_input_string: self.max_input_string.unwrap_or(default.max_input_string),
            max_file_upload_size: self.max_file_upload_size.unwrap_or(default.max_file_upload_size),
            max_request_size: self.max_request_size.unwrap_or(default.max_request_size),
            max_parts: self.max_parts.unwrap_or(default.max_parts),
            spool_directory: engine.spool_folder(),
            ..default
        }
    }
}

impl RawJobs {
    fn apply(self, engine: &mut Settings) -> Result<(), ConfigError> {
        if let Some(n) = self.threads {
            engine.threads = at_least_one("jobs.threads", n)?;
        }
        if let Some(n) = self.max_queue_size {
            engine.max_queue = at_least_one("jobs.max_queue_size", n)?.get();
        }
        if let Some(n) = self.max_attempts {
            engine.max_attempts = at_least_one("jobs.max_attempts", n as usize)?.get() as u32;
        }
        engine.memory = self.max_job_memory.unwrap_or(engine.memory);
        engine.max_result = self.max_result_size.unwrap_or(engine.max_result);
        engine.auto_exact = self.auto_exact_time.map_or(engine.auto_exact, Duration::from_secs);
        engine.keep_pairs = self.keep_pairs.unwrap_or(engine.keep_pairs);
        engine.retention.age = self.result_retention.map_or(engine.retention.age, Duration::from_secs);
        if let Some(n) = self.max_ended_jobs {
            engine.retention.count = at_least_one("jobs.max_ended_jobs", n)?.get();
        }
        if let Some(bytes) = self.cache_size {
            if bytes < 1 << 20 {
                let value = bytes.to_string();
                return Err(ConfigError::Range { key: "jobs.cache_size", value, range: "at least 1048576" });
            }
            engine.cache = bytes;
        }
        Ok(())
    }
}

fn at_least_one(key: &'static str, n: usize) -> Result<NonZeroUsize, ConfigError> {
    NonZeroUsize::new(n).ok_or(ConfigError::Range { key, value: n.to_string(), range: "at least 1" })
}

fn model(raw: RawModel) -> Result<Model, ConfigError> {
    let RawModel { name, dimension, knots } = raw;
    let refuse = |reason: String| ConfigError::Model { name: name.clone(), reason };
    if name == COSINE {
        return Err(refuse("that name belongs to the built-in model".to_owned()));
    }
    if !(1..=MAX_DIMENSION).contains(&dimension) {
        return Err(refuse(format!("its dimension is {dimension}, it must be from 1 to {MAX_DIMENSION}")));
    }
    let knots: Vec<(f64, f64)> = knots.into_iter().map(|[cosine, confidence]| (cosine, confidence)).collect();
    let scale = ConfidenceScale::new(knots).map_err(|error: ScaleError| refuse(error.to_string()))?;
    Ok(Model { name, dimension: Some(dimension), scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, String> {
        let raw: Raw = toml::from_str(text).map_err(|error| error.to_string())?;
        raw.config().map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        let config = config("").unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:14000");
        assert_eq!(config.engine.max_queue, 1000);
        assert_eq!(config.http.limits.spool_directory, Path::new("data/spool"));
    }

    #[test]
    fn the_documented_file_says_the_defaults_and_its_examples_are_valid() {
        let documented = include_str!("../fixtures/faceclique.toml");
        assert_eq!(format!("{:?}", config(documented).unwrap()), format!("{:?}", config("").unwrap()));
        let is_example =
            |line: &str| line.strip_prefix("# ").is_some_and(|rest| rest.contains(" = ") || rest == "[[models]]");
        let lines = documented.lines().map(|line| if is_example(line) { &line[2..] } else { line });
        let with_examples = lines.collect::<Vec<_>>().join("\n");
        let config = config(&with_examples).unwrap();
        assert_eq!((config.engine.memory, config.engine.models.len()), (8 << 30, 1));
    }

    #[test]
    fn a_key_that_is_not_known_is_refused() {
        assert!(config("[jobs]\nmax_queu_size = 3").unwrap_err().contains("max_queu_size"));
        assert!(config("[job]").unwrap_err().contains("job"));
    }

    #[test]
    fn a_value_outside_its_range_is_named_with_the_range() {
        assert_eq!(config("[jobs]\nthreads = 0").unwrap_err(), "the setting jobs.threads is 0, it must be at least 1");
        let text = config("[[models]]\nname = 'm'\ndimension = 5000\nknots = []").unwrap_err();
        assert_eq!(text, "the model 'm' cannot be used: its dimension is 5000, it must be from 1 to 4096");
        let text = config("[[models]]\nname = 'm'\ndimension = 2\nknots = [[-1, 0], [1, 99]]").unwrap_err();
        assert!(text.contains("ends at cosine 1 with confidence 100"), "{text}");
    }

    #[test]
    fn a_model_has_its_own_scale() {
        let text = "[[models]]\nname = 'm'\ndimension = 2\nknots = [[-1, 0], [0.43, 50], [1, 100]]";
        assert_eq!(config(text).unwrap().engine.models[0].scale.confidence(0.43).to_string(), "50.00");
    }
}
