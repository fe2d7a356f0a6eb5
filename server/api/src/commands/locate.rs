//! `bellwether locate`: the districts of many points, without a server.

use std::io::{BufRead, BufWriter, Write};

use bellwether_schema::ids::Kind;
use clap::Args;

use super::{Outcome, open_release};
use crate::config::{EngineArgs, LakeArgs};

/// Reads `longitude,latitude` lines from standard input and writes one CSV line for each: the id of the district of
/// every kind, empty where none holds the point.
#[derive(Debug, Args)]
pub struct LocateArgs {
    /// An earlier release: its id, or a day.
    #[arg(long)]
    as_of: Option<String>,

    #[command(flatten)]
    engine: EngineArgs,
}

pub async fn run(lake: &LakeArgs, args: LocateArgs) -> Outcome {
    let (serving, _folder) = open_release(lake, args.as_of.as_deref(), &args.engine).await?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    writeln!(out, "longitude,latitude,{}", Kind::ALL.map(Kind::name).join(","))?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let parsed = line
            .split_once(',')
            .and_then(|(lon, lat)| Some((lon.trim().parse().ok()?, lat.trim().parse().ok()?)));
        let Some((longitude, latitude)) = parsed else {
            return Err(format!("not longitude,latitude: {line}").into());
        };
        let rows =
            crate::routes::locate::rows(&serving, longitude, latitude).map_err(|error| error.to_string())?;
        let id = |kind: Kind| {
            let found = rows.iter().find(|row| row["kind"] == kind.name());
            found.and_then(|row| row["id"].as_str()).unwrap_or_default().to_string()
        };
        writeln!(out, "{longitude},{latitude},{}", Kind::ALL.map(id).join(","))?;
    }
    Ok(out.flush()?)
}
