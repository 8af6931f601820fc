//! The `faceclique` program: arguments in, an exit code out.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match faceclique::cli::Arguments::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "faceclique: {failure}"); // nowhere else to say it
            ExitCode::from(faceclique::cli::exit_code(&failure))
        }
    }
}
