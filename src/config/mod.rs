//! Settings: what was said where, and what it means ([`Config`]).
//!
//! # Sources
//!
//! One precedence for every setting; what is further up wins:
//!
//! 1. a flag of the command line (`--listen`, `--service-listen`, `--data`, `--pack`, `--memory`, `--log`, `--log-format`)
//! 2. an environment variable: `FACECLIQUE_` and the section and key in capitals, such as
//!    `FACECLIQUE_JOBS_MAX_QUEUE_SIZE` for `max_queue_size` in `[jobs]`
//! 3. the file that `--config` or the variable `FACECLIQUE_CONFIG` names: TOML, or a media server's own file in the
//!    form of INI, told by the ending (`.toml`, `.cfg`, `.ini`), otherwise by the content
//! 4. the default
//!
//! `[[models]]` and `[[security.roles]]` are lists of tables and come from a file only.
//!
//! Reading it in the order of the sources: `settings` is the table of everything that can be said, `file` tells the
//! forms apart, `toml_file` and `ini` with `media` read them, `environment` the variables; all write into `said`,
//! which `meaning` makes a [`Config`] of. `print` shows it again, `check` looks at the files and folders it names.
//!
//! **Promises.** A key that is not known is refused with the nearest known name, never ignored: a misspelt limit would
//! be no limit. (In the environment and in a media server's file it is a warning, with reasons in those places.) Every
//! fault is reported, not only the first. A secret is in no message and in no print.

mod callbacks;
mod check;
mod environment;
mod file;
mod ini;
mod meaning;
mod media;
mod media_roles;
mod pack;
mod print;
mod report;
mod said;
mod settings;
mod toml_file;
mod value;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::aci::access::Access;
use crate::engine::Settings;
use crate::http::{self, ClientAuth, Tls, TlsError};
pub use check::check;
pub(crate) use file::read_pem;
pub use print::{Form, Print, settings_page};
pub use report::ConfigError;
use report::{Place, Report};
use said::Said;

/// The port of the ACI (contract R150).
pub const PORT: u16 = 14_000;

/// What a server is to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address and port of the ACI.
    pub listen: SocketAddr,
    /// Address and port of the service actions (contract R153), if they are offered.
    pub service_listen: Option<SocketAddr>,
    /// The files of TLS, if it is spoken.
    pub tls: Option<TlsFiles>,
    /// Whether dates are printed in UTC.
    pub utc: bool,
    /// The engine's part.
    pub engine: Settings,
    /// Limits of connections and requests.
    pub http: http::Settings,
    /// Who may do what (contract R160).
    pub access: Access,
    /// The folder of the model pack that pictures are trained by, if any.
    pub pack: Option<PathBuf>,
    /// How often all databases are synchronised (contract R103); none: only when asked.
    pub sync_interval: Option<Duration>,
    /// What is logged, and how.
    pub log: Log,
}

/// The files of TLS, all PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities of client certificates; there if any are asked for.
    pub client_ca: Option<PathBuf>,
    /// Whether clients are asked for a certificate.
    pub client_auth: ClientAuth,
}

impl TlsFiles {
    /// What is in them, ready to be used.
    pub fn read(&self) -> Result<Tls, TlsError> {
        Tls::from_files(&self.certificate, &self.key, self.client_ca.as_deref(), self.client_auth)
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The filter; by default the command decides.
    pub level: Option<String>,
    /// Its form.
    pub form: LogForm,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A setting given by a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The setting's full name, such as `server.listen`.
    pub setting: &'static str,
    /// The flag, such as `--listen`.
    pub flag: &'static str,
    /// Its value.
    pub value: String,
}

/// Where a configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// The environment; only variables that begin with `FACECLIQUE_` are looked at.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags of the command line.
    pub flags: Vec<Flag>,
}

/// A configuration that was read.
#[derive(Debug)]
pub struct Reading {
    /// What it means.
    pub config: Config,
    /// What is worth saying about it.
    pub warnings: Vec<String>,
    said: Said,
}

impl Reading {
    /// Every setting with its section, name, value and where it was said; a secret is masked.
    pub fn settings(&self) -> impl Iterator<Item = [String; 4]> {
        print::settings(&self.said)
    }
}

impl Sources {
    /// Reads all of them.
    pub fn read(&self) -> Result<Reading, ConfigError> {
        let (mut said, mut report) = (Said::defaults(), Report::default());
        if let Some(path) = &self.file {
            file::read(path, &mut said, &mut report);
        }
        self.finish(said, report)
    }

    /// The environment and the flags over what a file has said.
    fn finish(&self, mut said: Said, mut report: Report) -> Result<Reading, ConfigError> {
        environment::read(self.environment.iter().cloned(), &mut said, &mut report);
        for Flag { setting, flag, value } in &self.flags {
            let setting = settings::find(setting).expect("a flag names a setting of the table");
            said.take(setting, setting.kind.text(value), Place::Flag(flag), &mut report);
        }
        let config = meaning::config(&said, &mut report);
        let warnings = report.end()?;
        Ok(Reading { config, warnings, said })
    }
}

#[cfg(test)]
mod tests;
