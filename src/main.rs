//! The `faceclique` program: arguments in, an exit code out.

use std::process::ExitCode;

use faceclique::cli;

fn main() -> ExitCode {
    match cli::Arguments::of_process().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            cli::tell(&failure);
            ExitCode::from(cli::exit_code(&failure))
        }
    }
}
