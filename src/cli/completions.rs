//! `faceclique completions SHELL`: what a shell needs to complete command lines.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Arguments, Failure};

/// Print the script by which a shell completes command lines.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  faceclique completions bash > ~/.local/share/bash-completion/completions/faceclique
  faceclique completions zsh > ~/.zfunc/_faceclique      with ~/.zfunc in fpath
  faceclique completions fish > ~/.config/fish/completions/faceclique.fish")]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "faceclique", &mut script);
        Ok(io::stdout().lock().write_all(&script)?)
    }
}
