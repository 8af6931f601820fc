//! What became of a store that could not be written, in the words of the system.

use std::fmt;
use std::io;

/// Why a write or sync failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// There was no room: on the disk, in a quota, or below the largest file that may be.
    pub is_full: bool,
    /// What the system said.
    pub why: String,
}

impl Failure {
    /// Another one than that there is no room.
    pub(crate) fn of(why: impl Into<String>) -> Self {
        Self { is_full: false, why: why.into() }
    }
}

impl From<&io::Error> for Failure {
    fn from(error: &io::Error) -> Self {
        Self { is_full: is_full(error), why: said(&error.to_string()) }
    }
}

/// What the system said, also where sled has wrapped a copy of its error, `Os { code: 28, .. message: "No space left" }`.
fn said(text: &str) -> String {
    let wrapped = || {
        let (code, rest) = text.strip_prefix("Os { code: ")?.split_once(',')?;
        let (_, message) = rest.split_once("message: \"")?;
        Some(format!("{} (os error {code})", message.strip_suffix("\" }")?))
    };
    wrapped().unwrap_or_else(|| text.to_owned())
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_full { "the disk is full" } else { "the disk cannot be written" };
        write!(f, "{what}: {}", self.why)
    }
}

/// Whether a call failed for want of room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_said_is_shown_also_when_it_was_copied() {
        let error = io::Error::from_raw_os_error(28);
        let copy = io::Error::new(error.kind(), format!("{error:?}"));
        assert_eq!(Failure::from(&copy), Failure::from(&error));
        assert_eq!(said("Os { code: x"), "Os { code: x");
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let says = |number| Failure::from(&io::Error::from_raw_os_error(number)).to_string();
        assert_eq!(says(28), "the disk is full: No space left on device (os error 28)");
        assert_eq!(says(5), "the disk cannot be written: Input/output error (os error 5)");
    }
}
