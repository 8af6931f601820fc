//! What a parameter is: one row says its name, what its value looks like, whether it must be given, and what it says.
//!
//! **Promises.** The rows of an action are what a request is checked against and what the reference shows.
//!
//! **Not here.** Reading the values (`values`); the rows (beside the code of each action, in `actions`).

use std::fmt;

/// A parameter of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, in lower case.
    pub name: &'static str,
    /// What its value looks like.
    pub form: Form,
    /// Whether it must be given.
    pub need: Need,
    /// What it says, in a sentence.
    pub about: &'static str,
}

/// Whether a parameter must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Always; error 10 if it is not.
    Required,
    /// No; this stands for it.
    Default(&'static str),
    /// When the words say so.
    Depends(&'static str),
}

/// What the value of a parameter looks like (contract R13-R18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A name: 1 to 254 bytes, no control characters.
    Name,
    /// A list of names.
    Names,
    /// A list of `key:value`.
    Pairs,
    /// Text as it is.
    Text,
    /// A list of texts.
    Texts,
    /// `true` or `false`.
    Boolean,
    /// A whole number from the first to the last; up to `u64::MAX` means 18 digits.
    Integer(u64, u64),
    /// A decimal from 0 to 100.
    Threshold,
    /// A decimal from 0 to 1.
    Score,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of these words.
    Choices(&'static [&'static str]),
    /// A date.
    Date,
    /// A token.
    Token,
    /// One upload.
    Upload,
    /// Uploads, in order.
    Uploads,
    /// The path of a file.
    Path,
    /// A list of paths.
    Paths,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("name"),
            Self::Names => f.write_str("list of names"),
            Self::Pairs => f.write_str("list of key:value"),
            Self::Text => f.write_str("text"),
            Self::Texts => f.write_str("list of texts"),
            Self::Boolean => f.write_str("true or false"),
            Self::Integer(from, u64::MAX) => write!(f, "whole number from {from}"),
            Self::Integer(from, to) => write!(f, "whole number from {from} to {to}"),
            Self::Threshold => f.write_str("decimal from 0 to 100"),
            Self::Score => f.write_str("decimal from 0 to 1"),
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Self::Choices(words) => write!(f, "list of {}", words.join(", ")),
            Self::Date => f.write_str("date"),
            Self::Token => f.write_str("token"),
            Self::Upload => f.write_str("upload"),
            Self::Uploads => f.write_str("uploads"),
            Self::Path => f.write_str("path"),
            Self::Paths => f.write_str("list of paths"),
        }
    }
}

/// A parameter that must be given.
pub(crate) const fn required(name: &'static str, form: Form, about: &'static str) -> Parameter {
    Parameter { name, form, need: Need::Required, about }
}

/// A parameter that may be left out; `default` stands for it then.
pub(crate) const fn optional(name: &'static str, form: Form, default: &'static str, about: &'static str) -> Parameter {
    Parameter { name, form, need: Need::Default(default), about }
}

/// A parameter that must be given when `when` says so.
pub(crate) const fn depending(name: &'static str, form: Form, when: &'static str, about: &'static str) -> Parameter {
    Parameter { name, form, need: Need::Depends(when), about }
}

/// The parameters of every action (contract R27-R29).
pub const COMMON: [Parameter; 4] = [
    optional("actionid", Form::Text, "none", "A label for the log."),
    optional("responseformat", Form::Choice(&["xml", "json", "simplejson"]), "xml", "The form of the answer."),
    optional(
        "template",
        Form::Text,
        "none",
        "Not offered, nor are output, filename and encryptresponse=true: error 2.",
    ),
    optional("encryptresponse", Form::Boolean, "false", "Only false."),
];

/// The parameters of every queued action besides; others ignore them (contract R30, R80; the others are ours, R163).
pub const QUEUED: [Parameter; 4] = [
    optional("synchronous", Form::Boolean, "false", "Answer when the job has ended, with its result."),
    optional(
        IDEMPOTENCY_KEY,
        Form::Name,
        "none",
        "The same key, parameters and uploads again give the token of the first job, as long as that is kept; also as the header Idempotency-Key.",
    ),
    optional("delay", Form::Integer(0, MAX_DELAY), "0", "Seconds that the job waits at least before it starts."),
    optional(
        "callbackurl",
        Form::Text,
        "none",
        "The http or https URL that is told when the job has ended, if the server is set up for that.",
    ),
];

/// The parameter that the header `Idempotency-Key` stands for.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotencykey";

/// The longest delay of a job, in seconds: a year.
pub(crate) const MAX_DELAY: u64 = 365 * 86_400;
