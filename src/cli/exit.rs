//! How a command ends: its exit code, and what the standard error says.
//!
//! **Promises.** A code means the same for every command ([`CODES`]). Output that nobody reads any more, as behind
//! `| head -1`, ends a command without a word.

use std::error::Error;
use std::io::{self, Write as _};

use super::colour::Paint;
use super::{Failure, client, fsck, reopen};

const FAILED: u8 = 1;
const NOT_LOOKED_AT: u8 = 2;
const AGAIN: u8 = 75; // EX_TEMPFAIL
const UNREAD: u8 = 141; // as a shell says of what SIGPIPE has ended

/// Every exit code with what it means.
pub(super) const CODES: [(u8, &str); 5] = [
    (0, "done, and nothing is wrong"),
    (FAILED, "it failed, was refused, or found something wrong; the standard error says what"),
    (NOT_LOOKED_AT, "the arguments are wrong, a server cannot be reached, or a store cannot be looked at"),
    (AGAIN, "serve: its store had failed, and it has to be started again"),
    (UNREAD, "nobody reads the output any more, as behind `| head -1`"),
];

/// The exit code of a command that failed.
pub fn code(failure: &Failure) -> u8 {
    match failure.downcast_ref() {
        _ if is_unread(failure.as_ref()) => UNREAD,
        Some(client::Trouble::Unreachable { .. }) => NOT_LOOKED_AT,
        _ if failure.is::<fsck::NotLookedAt>() => NOT_LOOKED_AT,
        _ if failure.is::<reopen::StillHeld>() => AGAIN,
        _ => FAILED,
    }
}

/// Says why a command failed.
pub fn tell(failure: &Failure) {
    if !is_unread(failure.as_ref()) {
        let _ = writeln!(io::stderr(), "{} {failure}", Paint::Bad.err("faceclique:")); // nowhere else to say it
    }
}

/// The exit codes as help shows them.
pub(super) fn help() -> String {
    let lines = CODES.map(|(code, meaning)| format!("  {code:<4} {meaning}\n"));
    format!("Exit codes:\n{}", lines.concat())
}

/// Whether the output was closed by who read it; files are never closed that way, and other ends have their own errors.
fn is_unread(failure: &(dyn Error + 'static)) -> bool {
    let is_closed = |error: &(dyn Error + 'static)| {
        let io = match error.downcast_ref::<csv::Error>().map(csv::Error::kind) {
            Some(csv::ErrorKind::Io(io)) => Some(io), // which is not given as its source
            _ => error.downcast_ref::<io::Error>(),
        };
        io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    std::iter::successors(Some(failure), |&error| error.source()).any(is_closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_is_given_is_explained_once() {
        let unreachable = client::Trouble::Unreachable { server: String::new(), reason: String::new() };
        let given: [(Failure, u8); 4] = [
            ("no".into(), 1),
            (unreachable.into(), 2),
            (reopen::StillHeld.into(), 75),
            (csv::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).into(), 141),
        ];
        for (failure, expected) in given {
            assert_eq!(code(&failure), expected, "{failure}");
            assert_eq!(CODES.iter().filter(|&&(code, _)| code == expected).count(), 1);
        }
    }
}
