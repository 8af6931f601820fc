//! `faceclique audit`: what is probably filed wrongly in a file, in a database, or in the result of a job.
//!
//! **Why one way to show.** A file and a database are audited here, and what is found is written as GetIdentityAudit
//! answers; so whatever is shown, and `--json`, is the same wherever the audit was made.

mod asked;
mod finding;
mod made;
mod show;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde_json::Value;

use self::finding::Found;
use self::made::Making;
use super::client::ServerArguments;
use super::here::Here;
use super::labelled::Rows;
use super::{DataArguments, Failure, LogArguments, terminal};
use crate::aci::actions::{Answered, Listed};
use crate::cluster::audit::{Kind, Score};
use crate::job::Token;

/// List what is probably filed wrongly: images under a wrong identifier, identifiers that are one person or several,
/// copies, and images that fit nobody.
///
/// The faces are clustered first, like by `faceclique cluster`, unless the audit of a job is asked for, which the job made
/// with audit=true. Every finding has a score, which says how probable it is that something is wrong, and rests on proven
/// pairs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Kinds: misfiled (an image under a wrong identifier -> the right one), sameperson (two identifiers of one person),
severalpersons (an identifier of several), duplicates (the same picture, or nearly), nobody (an image that fits no
identifier), unsupported (an image that nothing speaks for), and fragments (clusters of one person that not every pair holds
together). They are listed by their score, whatever the kind; only fragments come last, which are no errors of filing.

Examples:
  faceclique audit faces.npz --threshold 71.5
  faceclique audit faces.npz --knots -1:0,0.43:50,1:100 --kind misfiled,sameperson --min-score 0.5 --csv > wrong.csv
  faceclique audit --database people --data /var/lib/faceclique    when no server has the directory
  faceclique audit 0176fba5-bbb9-7852-afa3-1cf7a302e404            of a job of a running server
  faceclique audit 0176fba5-bbb9-7852-afa3-1cf7a302e404 --json | jq '.identityaudit.misfiled.image[].reason'

Exit code: 0 audited, whatever was found; 1 it failed or was refused; 2 the arguments are wrong, or the server cannot be
reached.")]
pub struct Audit {
    #[command(flatten)]
    server: ServerArguments,
    /// The file of faces, or the token of a job that has kept an audit; with --data, a job of that directory.
    #[arg(value_name = "FILE|TOKEN", required_unless_present = "database", conflicts_with = "database")]
    subject: Option<PathBuf>,
    /// A database of the data directory, which no server has open. What people have decided is obeyed.
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    #[command(flatten)]
    data: DataArguments,
    #[command(flatten)]
    rows: Rows,
    #[command(flatten)]
    making: Making,
    /// Only findings of these kinds, separated by commas.
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    kinds: Vec<Kind>,
    /// Only findings with at least this score, 0 to 1; from 0.5 on a finding is more likely right than wrong.
    #[arg(long, value_name = "SCORE", default_value = "0")]
    min_score: Score,
    /// List also findings that somebody has decided upon, with the decision; otherwise they are left out.
    #[arg(long)]
    decided: bool,
    /// At most so many findings, the first; 0 for all. By default as many as the terminal shows, and all into a
    /// pipe, with --json and with --csv.
    #[arg(long, value_name = "N")]
    max: Option<usize>,
    /// Print CSV: a row for each finding; of a group its first two images.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

fn kind(word: &str) -> Result<Kind, String> {
    let known = Kind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(word));
    known.ok_or_else(|| format!("it is one of {}", Kind::ALL.map(Kind::name).join(", ")))
}

impl Audit {
    pub(super) fn run(self, log: &LogArguments) -> Result<(), Failure> {
        let screen = terminal::width().zip(terminal::height()).filter(|_| !self.server.json && !self.csv);
        let most = match (self.max, screen) {
            (Some(0), _) | (None, None) => Most::All,
            (Some(max), _) => Most::Of(max),
            (None, Some((_, height))) => Most::Screen(height),
        };
        let (said, about) = self.say(most, log)?;
        let found = Found::read(said);
        let mut out = io::stdout().lock();
        if self.server.json {
            writeln!(out, "{}", terminal::json(&found.json(most.bound())))?;
        } else if self.csv {
            show::csv(&mut out, &found, most.bound())?;
        } else {
            write!(out, "{}", show::text(&found, about.as_deref(), most, terminal::width()))?;
        }
        Ok(())
    }

    /// The answer of GetIdentityAudit, and what was audited, in words, if that was done here.
    fn say(&self, most: Most, log: &LogArguments) -> Result<(Value, Option<String>), Failure> {
        let mut kinds = self.kinds.clone();
        kinds.sort_unstable();
        kinds.dedup();
        let all = Listed::default();
        let listed = Listed {
            kinds: if kinds.is_empty() { all.kinds } else { kinds },
            most: most.bound() as u64, // the best of all are among the best of each kind
            least: self.min_score,
            decided: if self.decided { Answered::Named } else { Answered::LeftOut },
            totals: true,
            first: all.first,
        };
        if let Some(data) = self.data.data.as_deref().filter(|data| !data.is_dir()) {
            return Err(format!("--data {}: there is no such directory", data.display()).into());
        }
        let faces = match (&self.database, &self.subject) {
            (Some(database), _) => self.rows.read_database(database, &self.data, log)?,
            (None, Some(subject)) => {
                if let Some(token) = token(subject) {
                    self.making.refuse(&token)?;
                    return Ok((self.ask(&token, &listed, log)?, None));
                }
                if subject.extension().is_none() && !subject.exists() {
                    let shown = subject.display().to_string();
                    let shown = terminal::shown(&shown);
                    return Err(format!("'{shown}' is neither a file nor the token of a job").into());
                }
                log.start()?;
                self.rows.read_labelled(subject)?
            }
            (None, None) => return Err("a FILE, a TOKEN or --database is needed".into()),
        };
        let (said, about) = self.making.audit(&faces, &listed)?;
        Ok((said, Some(about)))
    }

    /// Asks a server, or the data directory that is given, for what a job found.
    fn ask(&self, token: &str, listed: &Listed, log: &LogArguments) -> Result<Value, Failure> {
        if self.data.data.is_none() {
            let client = self.server.client()?;
            return Ok(asked::whole(&|action, parameters| client.ask(action, parameters), token, listed)?);
        }
        let config = self.data.config(log)?;
        let zone = if config.utc { TimeZone::UTC } else { TimeZone::system() };
        let here = Here::idle(config.engine, zone)?;
        let said = asked::whole(&|action, parameters| here.ask(action, parameters), token, listed);
        here.close()?;
        Ok(said?)
    }
}

/// How many findings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Most {
    All,
    Of(usize),
    /// As many as fit on a terminal of so many lines, with the summary.
    Screen(usize),
}

impl Most {
    /// Not more than so many.
    fn bound(self) -> usize {
        match self {
            Self::All => usize::MAX,
            Self::Of(n) => n,
            Self::Screen(height) => height.max(show::LEAST_SHOWN),
        }
    }
}

/// The token that is meant, if no file is.
fn token(subject: &Path) -> Option<String> {
    let text = subject.to_str().filter(|_| !subject.exists())?;
    Token::parse(text).map(|_| text.to_owned())
}
