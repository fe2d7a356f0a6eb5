//! The `bellwether` binary.

use bellwether_api::commands;
use clap::Parser;

fn main() -> std::process::ExitCode {
    let command = commands::Cli::parse();
    match commands::run(command) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(inner) = cause {
                eprintln!("  because: {inner}");
                cause = inner.source();
            }
            std::process::ExitCode::FAILURE
        }
    }
}
