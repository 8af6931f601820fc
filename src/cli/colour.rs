//! Whether there is colour: what `--color` says, otherwise `NO_COLOR`, otherwise whether a terminal is there to show it.
//!
//! **Why.** Decided once, at the start, for everything that colours: tables, messages, bars, the log. A pipe gets none
//! unless it is asked for, so that what programs read has no escapes.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _};
use std::sync::OnceLock;

use clap::{ColorChoice, ValueEnum};
use console::Style;

/// When there is colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Also into a pipe or a file.
    Always,
    /// Nowhere.
    Never,
}

/// What of the two outputs is coloured.
#[derive(Debug, Clone, Copy, Default)]
struct Coloured {
    out: bool,
    err: bool,
}

/// Nothing until it is decided, so that tests of tables see plain text wherever they run.
static COLOURED: OnceLock<Coloured> = OnceLock::new();

/// What a colour stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    /// The head of a table, a name.
    Strong,
    /// As it should be.
    Good,
    /// Somebody should know.
    Warning,
    /// It failed.
    Bad,
}

impl When {
    /// What `--color` says on this command line. It is looked for before the rest is understood, since help and the errors of
    /// arguments are coloured too.
    pub(super) fn of(arguments: impl IntoIterator<Item = OsString>) -> Self {
        let mut arguments = arguments.into_iter().take_while(|argument| argument != "--");
        let mut said = Self::Auto;
        while let Some(argument) = arguments.next() {
            let Some(argument) = argument.to_str() else { continue };
            let value = match argument.strip_prefix("--color") {
                Some("") => arguments.next().and_then(|value| value.into_string().ok()),
                Some(value) => value.strip_prefix('=').map(str::to_owned),
                None => None,
            };
            said = value.and_then(|value| Self::from_str(&value, false).ok()).unwrap_or(said);
        }
        said
    }

    /// The same in the words of the parser.
    pub(super) fn choice(self) -> ColorChoice {
        match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        }
    }

    /// Holds from now on.
    pub(super) fn hold(self) {
        let (no_color, term) = (std::env::var_os("NO_COLOR"), std::env::var_os("TERM"));
        let there = |is_terminal| self.is_there(is_terminal, no_color.as_deref(), term.as_deref());
        let coloured = Coloured { out: there(io::stdout().is_terminal()), err: there(io::stderr().is_terminal()) };
        console::set_colors_enabled(coloured.out); // bars ask there
        console::set_colors_enabled_stderr(coloured.err);
        let _ = COLOURED.set(coloured); // it is decided once
    }

    fn is_there(self, is_terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && no_color.is_none_or(OsStr::is_empty) && term.is_none_or(|term| term != "dumb"),
        }
    }
}

/// Whether the standard output is coloured.
pub(super) fn on_out() -> bool {
    COLOURED.get().copied().unwrap_or_default().out
}

/// Whether the standard error is coloured.
pub(super) fn on_err() -> bool {
    COLOURED.get().copied().unwrap_or_default().err
}

impl Paint {
    /// `text` as it is to be on the standard output.
    pub(super) fn out(self, text: &str) -> String {
        self.over(text, on_out())
    }

    /// `text` as it is to be on the standard error.
    pub(super) fn err(self, text: &str) -> String {
        self.over(text, on_err())
    }

    fn over(self, text: &str, is_coloured: bool) -> String {
        if !is_coloured || text.is_empty() {
            return text.to_owned();
        }
        let style = match self {
            Self::Strong => Style::new().bold(),
            Self::Good => Style::new().green(),
            Self::Warning => Style::new().yellow(),
            Self::Bad => Style::new().red().bold(),
        };
        style.force_styling(true).apply_to(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_holds_unless_the_flag_says_otherwise() {
        let (set, empty, dumb) = (Some(OsStr::new("1")), Some(OsStr::new("")), Some(OsStr::new("dumb")));
        for (when, is_terminal, no_color, term, expected) in [
            (When::Auto, true, None, None, true),
            (When::Auto, false, None, None, false),
            (When::Auto, true, set, None, false),
            (When::Auto, true, empty, None, true),
            (When::Auto, true, None, dumb, false),
            (When::Always, false, set, dumb, true),
            (When::Never, true, None, None, false),
        ] {
            assert_eq!(when.is_there(is_terminal, no_color, term), expected, "{when:?} {is_terminal} {no_color:?}");
        }
    }

    #[test]
    fn the_flag_is_found_anywhere_before_two_dashes() {
        for (line, expected) in [
            ("status", When::Auto),
            ("--color never status", When::Never),
            ("status --color=always", When::Always),
            ("--color never --color=auto", When::Auto),
            ("status --color", When::Auto),
            ("--color=purple", When::Auto),
            ("cluster -- --color=never", When::Auto),
        ] {
            assert_eq!(When::of(line.split(' ').map(OsString::from)), expected, "{line}");
        }
    }

    #[test]
    fn paint_is_nothing_without_colour() {
        assert_eq!(Paint::Bad.over("Error", false), "Error");
        assert_eq!(Paint::Good.over("ok", true), "\u{1b}[32mok\u{1b}[0m");
        assert_eq!(Paint::Bad.over("", true), "");
    }
}
