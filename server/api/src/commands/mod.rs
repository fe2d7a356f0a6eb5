//! The commands of the binary: one file each, and the help that teaches them.

mod columns;
mod demo;
mod derive;
mod generate;
mod keys;
mod load;
mod locate;
mod opinion;
mod releases;
mod serve;
mod sql;
mod study;
mod tour;
mod verify;

use std::sync::Arc;

use clap::{Parser, Subcommand};

use crate::config::{EngineArgs, LakeArgs};
use crate::intake::Intake;
use crate::serving::{Releases, Serving};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A voter analytics warehouse: loads voter files, results and boundaries, and answers questions about them.
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    after_help = "A first minute:\n  bellwether demo\n  bellwether load boundaries tl_2020_08_county20.zip\n  bellwether derive\n  bellwether serve"
)]
pub struct Cli {
    #[command(flatten)]
    lake: LakeArgs,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the newest release over HTTP, and every later one as it comes.
    Serve(crate::config::ServeArgs),
    /// Load files into the lake as one release.
    Load(load::LoadArgs),
    /// Make the derived tables whose inputs have changed.
    Derive(derive::DeriveArgs),
    /// Find the districts of many points: `longitude,latitude` lines in, CSV out.
    Locate(locate::LocateArgs),
    /// List the releases of the lake.
    Releases,
    /// Run one SELECT against a release.
    Sql(sql::SqlArgs),
    /// Write a synthetic electorate in a state's own file layouts.
    Generate(generate::GenerateArgs),
    /// Invent a fictional state, load it and serve it.
    Demo(demo::DemoArgs),
    /// Make, list and revoke the keys that callers show.
    Keys(keys::KeysArgs),
    /// Check that the audit log is whole.
    Verify(verify::VerifyArgs),
    /// Learn a model with its card, or an experiment's effect, from one CSV file.
    Study(study::StudyArgs),

    /// Find the shortest round past the places of a file.
    Tour(tour::TourArgs),
    /// Estimate a survey's answer for every area, from two CSV files.
    ///
    /// Multilevel regression and post-stratification: the survey says how areas and groups of people differ, the cells
    /// say how many of each live where.
    Opinion(opinion::OpinionArgs),
    /// Print the table catalog as Markdown.
    Tables,
    /// Print the OpenAPI document.
    Openapi,
}

/// Opens a release for one command: its copy lives in the folder, which goes with it.
async fn open_release(
    lake: &LakeArgs,
    as_of: Option<&str>,
    engine: &EngineArgs,
) -> Result<(Arc<Serving>, tempfile::TempDir), Box<dyn std::error::Error>> {
    let lake = lake.open()?;
    let release = match as_of {
        Some(asked) => lake.release(asked).await?,
        None => lake.latest().await?,
    };
    let folder = tempfile::tempdir()?;
    let releases =
        Releases::new(lake, folder.path().to_path_buf(), engine.limits(), false, Arc::new(Intake::deaf()));
    let serving = releases.open(release).await.map_err(|error| error.to_string())?;
    Ok((serving, folder))
}

/// Runs a command to its end.
pub fn run(cli: Cli) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => serve::run(&cli.lake, args).await,
            Command::Load(args) => load::run(&cli.lake, args).await,
            Command::Derive(args) => derive::run(&cli.lake, args).await,
            Command::Locate(args) => locate::run(&cli.lake, args).await,
            Command::Releases => releases::run(&cli.lake).await,
            Command::Sql(args) => sql::run(&cli.lake, args).await,
            Command::Generate(args) => generate::run(args),
            Command::Demo(args) => demo::run(&cli.lake, args).await,
            Command::Keys(args) => keys::run(&cli.lake, args).await,
            Command::Verify(args) => verify::run(&cli.lake, args).await,
            Command::Study(args) => study::run(args).await,
            Command::Tour(args) => tour::run(args),
            Command::Opinion(args) => opinion::run(args).await,
            Command::Tables => {
                print!("{}", bellwether_schema::catalog::document());
                Ok(())
            }
            Command::Openapi => {
                println!("{}", crate::openapi());
                Ok(())
            }
        }
    })
}
