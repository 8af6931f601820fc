//! `faceclique help ACTION`: the reference of the server's actions, without a server.

use std::io::Write as _;

use clap::CommandFactory as _;
use clap::builder::StyledStr;

use super::{Arguments, Failure, colour};
use crate::aci::actions;

/// Explain an action of the server, or list them all.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  faceclique help                    all commands and actions
  faceclique help FaceClustering     an action of the server, with its parameters
  faceclique help cluster            a command, as `faceclique cluster --help`")]
pub struct Help {
    /// An action such as FaceClustering, or a command such as serve; without it both are listed.
    #[arg(value_name = "ACTION|COMMAND")]
    about: Option<String>,
}

impl Help {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut command = Arguments::command();
        command.build(); // commands get the flags of all
        let text = match &self.about {
            None => {
                let usage = styled(&command.render_long_help());
                format!("{usage}\nActions of the server (faceclique help ACTION):\n\n{}", actions::summary())
            }
            Some(name) => match command.find_subcommand_mut(name) {
                Some(subcommand) => styled(&subcommand.render_long_help()),
                None => actions::shown(name).map_err(|fault| format!("{fault}; `faceclique help` lists them"))?,
            },
        };
        std::io::stdout().write_all(text.as_bytes())?;
        Ok(())
    }
}

fn styled(text: &StyledStr) -> String {
    if colour::on_out() { text.ansi().to_string() } else { text.to_string() }
}
