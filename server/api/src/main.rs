//! The `bellwether` binary.

use bellwether_api::commands;
use clap::Parser;

/// A request makes many small pieces of memory and drops them on another thread: this allocator is made for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let command = commands::Cli::parse();
    match commands::run(command) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            let mut told = error.to_string();
            eprintln!("error: {told}");
            let mut cause = error.source();
            while let Some(inner) = cause {
                // Libraries repeat the cause in their own text.
                let text = inner.to_string();
                if !told.contains(&text) {
                    eprintln!("  because: {text}");
                    told = text;
                }
                cause = inner.source();
            }
            std::process::ExitCode::FAILURE
        }
    }
}
