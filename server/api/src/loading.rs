//! A load from end to end: stage with a loader, recognise what is loaded already, commit, keep the rejects. The
//! command line and the load route both come here.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bellwether_lake::{Change, Lake, LoadRecord, NewFiles, Release};
use bellwether_loaders::boundaries::Hints;
use bellwether_loaders::outreach::Proof;
use bellwether_loaders::report::SourceFile;
use bellwether_loaders::voters::{self, Which};
use bellwether_loaders::{
    Options, Progress, Reject, Report, Staged, addresses, boundaries, centres, markets, media, outreach,
    population, results, source, streets,
};
use bellwether_schema::ids::Kind;
use bellwether_targeting::card::Limits;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::gate;

/// What sort of files a load reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadKind {
    /// A state's voter file; needs --state.
    Voters,
    /// A state's vote history; needs --state.
    History,
    /// Election results by precinct: MIT precinct returns, VEST or ALARM VTD files.
    Results,
    /// Boundaries: zipped Shapefiles or GeoJSON.
    Boundaries,
    /// Census population by precinct, from ALARM VTD files.
    Population,
    /// Where people live: centres of population of census block groups, or census blocks.
    PopulationCentres,
    /// The crosswalk from counties to television markets.
    Markets,
    /// Television spots on offer: CSV of market_code, station, zone, programme, daypart, days, start_time, end_time, week,
    /// length, rate and units, as avails sheets have them.
    Inventory,
    /// People of a viewing panel: CSV of person_id, household_id, market_code, weight, age, gender and, where they are known,
    /// party, state, voter_id and zones (cable zones that the household gets, separated by semicolons).
    Panel,
    /// What a panel watched: CSV of person_id, station, programme, minutes and programme_minutes.
    Viewing,
    /// Ratings by group: CSV of market_code, station, programme, group (A18-34, W35-54, M55+) and rating in percent.
    Ratings,
    /// Spots as they were aired: CSV of market_code, station, programme, aired_on, aired_at, length and rate.
    Airings,
    /// Address points: OpenAddresses CSV or the JSON list.
    Addresses,
    /// Street networks: OpenStreetMap extracts (.osm.pbf).
    Streets,
    /// Scores of models, CSV of voter_id, model, score (0 to 100) and outcome (0, 1 or empty: what came true); needs
    /// --state. They are put in force where what came true is within the limits of published models.
    Scores,
    /// Results of contacts, CSV of voter_id, contacted_on, result, method and support (1 to 5); needs --state.
    Contacts,
}

/// What is loaded, and how.
#[derive(Debug, Clone)]
pub struct LoadRequest {
    pub kind: LoadKind,
    pub files: Vec<PathBuf>,
    pub state: Option<String>,
    pub district_kind: Option<Kind>,
    pub vintage: Option<i32>,
    /// Share of rows, 0 to 1.
    pub max_rejects: f64,
    pub threads: usize,
    /// Of scores.
    pub limits: Limits,
}

/// Why a load did not happen; the release is as it was.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Loader(#[from] bellwether_loaders::Error),
    #[error("{cause}; the rejects are in rejects/{id}.ndjson of the lake")]
    Refused { id: String, cause: bellwether_loaders::Error },
    #[error("the loader stopped on a fault of its own; nothing was changed")]
    Panicked,
    #[error("scores of {model}: {reason}")]
    Unproven { model: String, reason: String },
    #[error(transparent)]
    Lake(#[from] bellwether_lake::Error),
    #[error(transparent)]
    Warehouse(#[from] bellwether_warehouse::Error),
}

/// What a load did.
#[derive(Debug, Serialize)]
pub struct Loaded {
    pub id: String,
    pub release: String,
    /// True where the same files were loaded before and nothing was changed.
    pub unchanged: bool,
    pub report: Report,
}

/// Loads files and commits them as one release, or changes nothing.
pub async fn load(lake: &Lake, request: LoadRequest, progress: Arc<Progress>) -> Result<Loaded, LoadError> {
    let lock = lake.lock()?;
    let sizes = request.files.iter().filter_map(|file| std::fs::metadata(file).ok());
    progress.bytes_total.store(sizes.map(|metadata| metadata.len()).sum(), Ordering::Relaxed);
    let latest = lake.latest().await?;
    let sources = source::identify(&request.files)?;
    let mut hashes: Vec<&str> = sources.iter().map(|source| source.blake3.as_str()).collect();
    hashes.sort_unstable();
    if hashes.windows(2).any(|pair| pair[0] == pair[1]) {
        let detail = "the same file is named twice, and its rows would count twice";
        return Err(bellwether_loaders::Error::Usage(detail.into()).into());
    }
    if let Some(unchanged) = recognise(&latest, &request, &sources) {
        return Ok(unchanged);
    }
    let staging = lake.staging(&lock)?;
    let options = Options {
        staging: staging.path().to_path_buf(),
        max_rejects: request.max_rejects,
        threads: request.threads,
        sources,
    };
    let kind = request.kind;
    let id = uuid::Uuid::now_v7().to_string();
    let held = request.clone();
    let state = request.state.clone().unwrap_or_default();
    let versions = match kind {
        LoadKind::Scores => gate::versions(lake, &latest, &state, staging.path()).await?,
        _ => HashMap::new(),
    };
    let next = move |model: &str| versions.get(model).map_or(1, |version| *version as i32 + 1);
    let numbered = next.clone();
    let staged = tokio::task::spawn_blocking(move || stage(&held, &numbered, &options, &progress));
    let staged = staged.await.map_err(|_| LoadError::Panicked)?;
    if let Err(bellwether_loaders::Error::TooManyRejects { rejects, .. }) = &staged {
        keep_rejects(lake, &id, rejects).await?;
        return Err(LoadError::Refused { id, cause: staged.expect_err("it was just matched") });
    }
    let (Staged { tables, report }, proofs) = staged?;
    keep_rejects(lake, &id, &report.rejects).await?;
    let mut files: Vec<NewFiles> = tables
        .into_iter()
        .map(|table| NewFiles { table: table.table, partition: table.partition, files: table.files })
        .collect();
    files.extend(gate::cards(&proofs, &state, &next, &request.limits, (&latest.id, staging.path()))?);
    let name = kind.to_possible_value().map(|value| value.get_name().to_string()).unwrap_or_default();
    let record = LoadRecord {
        id: id.clone(),
        kind: name.clone(),
        fingerprint: fingerprint(&request, &report.files),
        report: serde_json::to_value(&report).unwrap_or_default(),
    };
    let named: Vec<&str> = report.files.iter().map(|file| file.name.as_str()).collect();
    let what = format!("loaded {name} from {}", named.join(", "));
    let change = Change { what, files, load: Some(record), inputs: Default::default() };
    let release = lake.commit(&lock, change).await?;
    Ok(Loaded { id, release: release.id, unchanged: false, report })
}

/// Keeps rejects beside the lake, whether the load is committed or refused.
async fn keep_rejects(lake: &Lake, id: &str, rejects: &[Reject]) -> Result<(), LoadError> {
    let lines: Vec<String> = rejects.iter().filter_map(|reject| serde_json::to_string(reject).ok()).collect();
    if !lines.is_empty() {
        lake.write_rejects(id, lines.join("\n") + "\n").await?;
    }
    Ok(())
}

/// A load whose rows all stand already, found by the content of its files.
fn recognise(latest: &Release, request: &LoadRequest, sources: &[SourceFile]) -> Option<Loaded> {
    let print = fingerprint(request, sources);
    let standing = latest.standing.iter().find(|standing| standing.fingerprint == print)?;
    let report = Report { files: sources.to_vec(), ..Report::default() };
    Some(Loaded { id: standing.id.clone(), release: latest.id.clone(), unchanged: true, report })
}

fn fingerprint(request: &LoadRequest, sources: &[SourceFile]) -> String {
    let mut hashes: Vec<&str> = sources.iter().map(|file| file.blake3.as_str()).collect();
    hashes.sort_unstable();
    let state = request.state.as_deref().unwrap_or_default().to_uppercase();
    let (kind, district_kind, vintage) = (request.kind, request.district_kind, request.vintage);
    // What the rows become also depends on the layout, the catalog, and for boundaries on the year in the name.
    let layout = format!("{:?}", bellwether_schema::layout::of_state(&state));
    let catalog = bellwether_schema::catalog::document();
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let names = if kind == LoadKind::Boundaries { names.join(" ") } else { String::new() };
    let made = blake3::hash(format!("{layout} {catalog} {}", env!("CARGO_PKG_VERSION")).as_bytes()).to_hex();
    let text = format!("{kind:?} {state} {district_kind:?} {vintage:?} {names} {made} {}", hashes.join(" "));
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// What came true by model, beside what was staged.
type Proven = (Staged, BTreeMap<String, Proof>);

fn stage(
    request: &LoadRequest,
    version: &dyn Fn(&str) -> i32,
    options: &Options,
    progress: &Arc<Progress>,
) -> Result<Proven, bellwether_loaders::Error> {
    let files = &request.files;
    let voter_file = |which| {
        let state = request.state.as_deref().ok_or_else(|| {
            bellwether_loaders::Error::Usage(
                "say whose voter file it is with --state, such as --state CO".into(),
            )
        })?;
        voters::load(voters::layout_of(state)?, which, files, options, progress)
    };
    let staged = match request.kind {
        LoadKind::Voters => voter_file(Which::Voters),
        LoadKind::History => voter_file(Which::History),
        LoadKind::Results => results::load(files, options, progress),
        LoadKind::Boundaries => {
            let state = request.state.as_deref().map(str::to_uppercase);
            let hints = Hints { kind: request.district_kind, vintage: request.vintage, state };
            boundaries::load(files, &hints, options, progress)
        }
        LoadKind::Population => population::load(files, options, progress),
        LoadKind::PopulationCentres => centres::load(files, options, progress),
        LoadKind::Markets => markets::load(files, options, progress),
        LoadKind::Inventory => media::load_inventory(files, options, progress),
        LoadKind::Panel => media::load_panel(files, options, progress),
        LoadKind::Viewing => media::load_viewing(files, options, progress),
        LoadKind::Ratings => media::load_ratings(files, options, progress),
        LoadKind::Airings => media::load_airings(files, options, progress),
        LoadKind::Addresses => addresses::load(files, request.state.as_deref(), options, progress),
        LoadKind::Streets => streets::load(files, options, progress),
        LoadKind::Scores => {
            return outreach::load_scores(files, request.state.as_deref(), version, options, progress);
        }
        LoadKind::Contacts => outreach::load_contacts(files, request.state.as_deref(), options, progress),
    };
    Ok((staged?, BTreeMap::new()))
}
