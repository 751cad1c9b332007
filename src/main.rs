//! The program: sets up error reports, hands over to the command line, ends with its status.

use std::process::ExitCode;

fn main() -> ExitCode {
    plimsoll::host::memory::cleanup::limit_arenas();
    if let Err(error) = color_eyre::install() {
        eprintln!("plimsoll: {error}");
    }
    match plimsoll::cli::main() {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("plimsoll: {error:?}");
            ExitCode::FAILURE
        }
    }
}
