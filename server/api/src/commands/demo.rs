//! `bellwether demo`: a fictional state, from nothing to a running server.

use std::path::PathBuf;
use std::time::Instant;

use bellwether_generator::{electorate, invent};
use bellwether_lake::Lake;
use bellwether_targeting::card::Limits;
use clap::Args;

use super::{Outcome, load, serve};
use crate::config::{LakeArgs, ServeArgs};
use crate::loading::{LoadKind, LoadRequest};

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How many voters the fictional state has.
    #[arg(long, default_value_t = 200_000)]
    voters: usize,

    /// The same seed gives the same state.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Folder for the invented files and the lake; what is there already is used again.
    #[arg(long, default_value = "demo-data")]
    folder: PathBuf,

    /// Stop when everything is loaded instead of serving it.
    #[arg(long)]
    no_serve: bool,

    #[command(flatten)]
    serve: ServeArgs,
}

/// The postal code of the fictional state.
const STATE: &str = "FK";

pub async fn run(_: &LakeArgs, args: DemoArgs) -> Outcome {
    let started = Instant::now();
    let folder = args.folder.join(format!("{}-voters-seed-{}", args.voters, args.seed));
    let place =
        LakeArgs { lake: folder.join("lake").to_string_lossy().into_owned(), store_options: Vec::new() };
    let lake = place.open()?;
    let sources = folder.join("sources");
    let layout = bellwether_loaders::voters::layout_of(STATE)?;
    println!("inventing the state of {} with {} voters ...", layout.name, args.voters);
    invent(layout, args.seed, &sources)?;
    let people = electorate(&sources, layout, args.voters, args.seed, &sources, &mut |_| {})?;
    let source = |name: &str| sources.join(name);
    let fips = &layout.state_fips;
    let mut loads = vec![
        (LoadKind::Boundaries, vec![source(&format!("tl_2020_{fips}_county20.zip"))]),
        (LoadKind::Boundaries, vec![source(&format!("tl_2020_{fips}_vtd20.geojson.gz"))]),
        (
            LoadKind::Boundaries,
            ["cd118", "sldu", "sldl"].map(|part| source(&format!("tl_2022_{fips}_{part}.zip"))).to_vec(),
        ),
        (LoadKind::Boundaries, vec![source("dma_fk.geojson")]),
        (LoadKind::Markets, vec![source("county_dma_fk.csv")]),
        (LoadKind::Population, vec![source("alarm_fk_2020_vtd.csv")]),
        (LoadKind::PopulationCentres, vec![source(&format!("CenPop2020_Mean_BG{fips}.txt"))]),
        (
            LoadKind::Results,
            [2016, 2018, 2020].map(|year| source(&format!("vest_fk_{year}_2020_vtd.csv"))).to_vec(),
        ),
        (LoadKind::Results, vec![source("2022-fk-local-precinct-general.zip")]),
        (LoadKind::Addresses, vec![people.addresses]),
        (LoadKind::Voters, vec![people.voters]),
        (LoadKind::History, vec![people.history]),
        (LoadKind::Scores, vec![people.scores]),
        (LoadKind::Contacts, vec![people.contacts]),
    ];
    if let Some(tv) = people.television {
        loads.extend([
            (LoadKind::Panel, vec![tv.panel]),
            (LoadKind::Viewing, vec![tv.viewing]),
            (LoadKind::Ratings, vec![tv.ratings]),
            (LoadKind::Inventory, vec![tv.inventory]),
            (LoadKind::Airings, vec![tv.airings]),
        ]);
    }
    for (kind, files) in loads {
        load_one(&lake, kind, files).await?;
    }
    let limits = args.serve.engine.limits();
    let lock = lake.lock()?;
    let (release, _) = bellwether_derive::derive(&lake, &lock, &limits, |_| {}).await?;
    drop(lock);
    println!("release {} is ready after {:.0} s", release.id, started.elapsed().as_secs_f64());
    if args.no_serve {
        return Ok(());
    }
    let address = args.serve.listen;
    println!("\nTry, in another terminal:");
    println!("  curl 'http://{address}/v1/districts?kind=congressional'");
    println!("  curl 'http://{address}/v1/districts/state_house/FK-HD-07/report'");
    println!(
        "  curl 'http://{address}/v1/results?election=2020-11-03/general&contest=president&kind=county&format=csv'"
    );
    println!("  curl 'http://{address}/v1/locate?lon=-43.2&lat=33.9'\n");
    serve::run(&place, args.serve).await
}

async fn load_one(lake: &Lake, kind: LoadKind, files: Vec<PathBuf>) -> Outcome {
    use LoadKind::{Addresses, Contacts, History, Scores, Voters};
    let of_a_state = matches!(kind, Voters | History | Addresses | Scores | Contacts);
    let state = of_a_state.then(|| STATE.to_string());
    let threads = std::thread::available_parallelism().map_or(2, |count| count.get());
    let request = LoadRequest {
        kind,
        files,
        state,
        district_kind: None,
        vintage: None,
        max_rejects: 0.01,
        threads,
        limits: Limits::default(),
    };
    let loaded = load::with_bar(lake, request).await?;
    let report = &loaded.report;
    let what = format!("{kind:?}").to_lowercase();
    match loaded.unchanged {
        true => println!("  {what:<18} loaded already"),
        false => println!("  {what:<18}{:>9} rows {:>8.2} s", report.rows_loaded, report.seconds),
    }
    Ok(())
}
