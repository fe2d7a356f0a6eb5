//! `bellwether demo`: a fictional state, from nothing to a running server.

use clap::Args;

use super::Outcome;
use crate::config::LakeArgs;

#[derive(Debug, Args)]
pub struct DemoArgs {}

pub async fn run(_lake: &LakeArgs, _args: DemoArgs) -> Outcome {
    Ok(())
}
