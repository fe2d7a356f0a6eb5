//! `bellwether sql`: one SELECT against a release, without a server.

use std::io::Write;

use bellwether_warehouse::{Cancel, Format, Live};
use clap::Args;

use super::{Outcome, open_release};
use crate::config::{EngineArgs, LakeArgs};

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
    let (serving, _folder) = open_release(lake, args.as_of.as_deref(), &args.engine).await?;
    let answer = serving.copy.run_sql(&args.query, &[], &Live::default(), &Cancel::default())?;
    std::io::stdout().write_all(&answer.encode(format)?)?;
    Ok(())
}
