//! `bellwether derive`: derived tables made anew where they are stale.

use clap::Args;

use super::Outcome;
use crate::config::{EngineArgs, LakeArgs};

#[derive(Debug, Args)]
pub struct DeriveArgs {
    #[command(flatten)]
    engine: EngineArgs,
}

pub async fn run(lake: &LakeArgs, args: DeriveArgs) -> Outcome {
    let lake = lake.open()?;
    let lock = lake.lock()?;
    let limits = args.engine.limits();
    let (release, _) = bellwether_derive::derive(&lake, &lock, &limits, |step| match step.made {
        true => println!("  {:<24}{:>12} rows {:>8.2} s", step.table, step.rows, step.seconds),
        false => println!("  {:<24}{:>12} rows   up to date", step.table, step.rows),
    })
    .await?;
    println!("release {}", release.id);
    Ok(())
}
