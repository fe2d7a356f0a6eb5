//! `bellwether load`: files into the lake, with a progress bar and a report.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bellwether_lake::Lake;
use bellwether_loaders::{Progress, Report};
use bellwether_schema::ids::Kind;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::Outcome;
use crate::config::{GateArgs, LakeArgs};
use crate::loading::{self, LoadError, LoadKind, LoadRequest, Loaded};

#[derive(Debug, Args)]
pub struct LoadArgs {
    /// What the files hold.
    kind: LoadKind,

    /// The files; all of them become one release. They replace what was loaded of the same state or set before.
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// Postal code of the state, for voter files and histories.
    #[arg(long)]
    state: Option<String>,

    /// Kind of the boundaries, where the files do not say: county, congressional, ...
    #[arg(long, value_parser = parse_kind)]
    kind_of_district: Option<Kind>,

    /// Year of the boundaries, where the files do not say.
    #[arg(long)]
    vintage: Option<i32>,

    /// Percentage of rows that may be rejected before the load is refused whole.
    #[arg(long, default_value_t = 1.0)]
    max_rejects: f64,

    /// Threads that parse.
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(2, |count| count.get()))]
    threads: usize,

    #[command(flatten)]
    gate: GateArgs,
}

fn parse_kind(name: &str) -> Result<Kind, String> {
    Kind::parse(name).ok_or_else(|| format!("there are {}", Kind::ALL.map(Kind::name).join(", ")))
}

pub async fn run(lake: &LakeArgs, args: LoadArgs) -> Outcome {
    let lake = lake.open()?;
    let request = LoadRequest {
        kind: args.kind,
        files: args.files,
        state: args.state,
        district_kind: args.kind_of_district,
        vintage: args.vintage,
        max_rejects: args.max_rejects / 100.0,
        threads: args.threads,
        limits: args.gate.limits()?,
    };
    let loaded = with_bar(&lake, request).await?;
    print(&loaded);
    Ok(())
}

/// Loads with a progress bar on the terminal.
pub async fn with_bar(lake: &Lake, request: LoadRequest) -> Result<Loaded, LoadError> {
    let progress = Arc::new(Progress::default());
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes}  {msg}")
        .expect("the template is constant");
    let bar = ProgressBar::new(0).with_style(style);
    let (shown, watched) = (bar.clone(), progress.clone());
    let ticker = tokio::spawn(async move {
        let started = std::time::Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let rows = watched.rows.load(Ordering::Relaxed);
            shown.set_length(watched.bytes_total.load(Ordering::Relaxed));
            shown.set_position(watched.bytes.load(Ordering::Relaxed));
            shown.set_message(format!(
                "{rows} rows, {:.0} a second",
                rows as f64 / started.elapsed().as_secs_f64()
            ));
        }
    });
    let loaded = loading::load(lake, request, progress).await;
    ticker.abort();
    bar.finish_and_clear();
    loaded
}

/// Prints what a load did.
pub fn print(loaded: &Loaded) {
    let Report {
        rows_read,
        rows_loaded,
        rows_rejected,
        rejected_by_reason,
        notes,
        seconds,
        rows_per_second,
        ..
    } = &loaded.report;
    if loaded.unchanged {
        println!("these files are loaded already; release {} is unchanged", loaded.release);
        return;
    }
    println!("release {}", loaded.release);
    println!("  rows read      {rows_read:>12}");
    println!("  rows loaded    {rows_loaded:>12}");
    println!("  rows rejected  {rows_rejected:>12}");
    for (reason, count) in rejected_by_reason {
        println!("    {count:>10}  {reason}");
    }
    println!("  seconds        {seconds:>12.2}");
    println!("  rows a second  {rows_per_second:>12.0}");
    if *rows_rejected > 0 {
        println!("  rejects of load {}: rejects/{}.ndjson in the lake", loaded.id, loaded.id);
    }
    for note in notes {
        println!("  note: {note}");
    }
}
