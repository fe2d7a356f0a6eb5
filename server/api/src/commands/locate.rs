//! `bellwether locate`: the districts of many points, without a server.

use std::io::{BufRead, BufWriter, Write};

use bellwether_schema::ids::Kind;
use clap::Args;

use super::Outcome;
use crate::config::{EngineArgs, LakeArgs};
use crate::serving::Releases;

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
    let lake = lake.open()?;
    let release = match &args.as_of {
        Some(asked) => lake.release(asked).await?,
        None => lake.latest().await?,
    };
    let folder = tempfile::tempdir()?;
    let releases = Releases::new(lake, folder.path().to_path_buf(), args.engine.limits());
    let serving = releases.open(release).await.map_err(|error| error.to_string())?;
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
