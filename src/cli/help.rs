//! `faceclique help ACTION`: the reference of the server's actions, without a server.

use std::io::Write as _;

use clap::CommandFactory as _;

use super::{Arguments, Failure};
use crate::aci::actions;

/// Explain an action of the server, or list them all.
#[derive(Debug, clap::Args)]
pub struct Help {
    /// An action such as FaceClustering, or a command such as serve; without it both are listed.
    #[arg(value_name = "ACTION|COMMAND")]
    about: Option<String>,
}

impl Help {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut command = Arguments::command();
        let text = match &self.about {
            None => {
                let usage = command.render_long_help();
                format!("{usage}\nActions of the server (faceclique help ACTION):\n\n{}", actions::summary())
            }
            Some(name) => match command.find_subcommand_mut(name) {
                Some(subcommand) => subcommand.render_long_help().to_string(),
                None => actions::shown(name).map_err(|fault| format!("{fault}; `faceclique help` lists them"))?,
            },
        };
        std::io::stdout().write_all(text.as_bytes())?;
        Ok(())
    }
}
