//! `bellwether generate`: a synthetic electorate as files.

use clap::Args;

use super::Outcome;

#[derive(Debug, Args)]
pub struct GenerateArgs {}

pub fn run(_args: GenerateArgs) -> Outcome {
    Ok(())
}
