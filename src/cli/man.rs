//! `faceclique man`: the manual pages, made of the same text as `--help`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::{Arguments, Failure, exit};

/// Print the manual page, or write those of all commands into a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  faceclique man | man -l -
  faceclique man /usr/local/share/man/man1      then `man faceclique-cluster`, and so on")]
pub struct Manual {
    /// The folder, made if it is not there; without it the page of the program is printed.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Manual {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut program = Arguments::command();
        program.build();
        let Some(folder) = &self.folder else {
            return Ok(io::stdout().lock().write_all(&page(&program)?)?);
        };
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let n = write(&program, folder)?;
        writeln!(io::stdout().lock(), "{}: {n} pages", folder.display())?;
        Ok(())
    }
}

/// Writes the page of a command and those of its commands; how many.
fn write(command: &Command, folder: &Path) -> Result<usize, Failure> {
    let path = folder.join(format!("{}.1", name(command)));
    fs::write(&path, page(command)?).map_err(|error| format!("{}: {error}", path.display()))?;
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .try_fold(1, |n, below| Ok(n + write(below, folder)?))
}

fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// One page. What follows the options in the help gets headings here.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone()).manual("FaceClique").source(concat!("faceclique ", env!("CARGO_PKG_VERSION")));
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    if command.get_subcommands().next().is_some() {
        man.render_subcommands_section(&mut out)?;
    }
    let help = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string).unwrap_or_default();
    after(&help, &mut out)?;
    codes(&help, &mut out)?;
    Ok(out)
}

/// The paragraphs behind the options. One that begins with `Examples:`, and whatever is indented, keeps its lines.
fn after(help: &str, out: &mut dyn Write) -> io::Result<()> {
    let paragraphs = help.split("\n\n").map(|text| text.trim_matches('\n'));
    for paragraph in paragraphs.filter(|text| !text.is_empty() && !text.starts_with("Exit code")) {
        let mut roff = Roff::new();
        let text = match paragraph.strip_prefix("Examples:\n") {
            Some(examples) => {
                roff.control("SH", ["EXAMPLES"]);
                examples
            }
            None => {
                roff.control("PP", []);
                paragraph
            }
        };
        if text.lines().any(|line| line.starts_with("  ")) {
            roff.control("nf", []);
            text.lines().for_each(|line| {
                roff.text([roman(line)]);
            });
            roff.control("fi", []);
        } else {
            roff.text([roman(text)]);
        }
        roff.to_writer(&mut &mut *out)?;
    }
    Ok(())
}

/// What the exit codes mean for this command, if it says so, and for all.
fn codes(help: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    if let Some(own) = help.split("\n\n").find_map(|paragraph| paragraph.strip_prefix("Exit code: ")) {
        roff.text([roman(own)]);
    }
    for (code, meaning) in exit::CODES {
        roff.control("TP", []);
        let code: Inline = bold(code.to_string());
        roff.text([code]).text([roman(meaning)]);
    }
    roff.to_writer(&mut &mut *out)
}
