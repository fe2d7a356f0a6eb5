//! `bellwether sql`: one SELECT against a release, without a server.

use std::io::Write;

use bellwether_warehouse::{Cancel, Format};
use clap::Args;

use super::Outcome;
use crate::config::{EngineArgs, LakeArgs};
use crate::serving::Releases;

#[derive(Debug, Args)]
pub struct SqlArgs {
    /// One SELECT over the tables that `bellwether tables` lists.
    query: String,

    /// csv, json, ndjson, arrow or parquet.
    #[arg(long, default_value = "csv")]
    format: String,

    /// An earlier release: its id, or a day.
    #[arg(long)]
    as_of: Option<String>,

    #[command(flatten)]
    engine: EngineArgs,
}

pub async fn run(lake: &LakeArgs, args: SqlArgs) -> Outcome {
    let format =
        Format::parse(&args.format).ok_or("unknown format; there are json, csv, ndjson, arrow, parquet")?;
    let lake = lake.open()?;
    let release = match &args.as_of {
        Some(asked) => lake.release(asked).await?,
        None => lake.latest().await?,
    };
    let folder = tempfile::tempdir()?;
    let releases = Releases::new(lake, folder.path().to_path_buf(), args.engine.limits());
    let serving = releases.open(release).await.map_err(|error| error.to_string())?;
    let answer = serving.copy.run_sql(&args.query, &[], &Cancel::default())?;
    std::io::stdout().write_all(&answer.encode(format)?)?;
    Ok(())
}
