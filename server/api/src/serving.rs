//! Releases as they are served: building copies, noticing new releases, swapping without dropping a request.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::Duration;

use axum::http::StatusCode;
use bellwether_atlas::{Attribute, Drawing, Layer, Outline};
use bellwether_electorate::Electorate;
use bellwether_lake::{Lake, Release};
use bellwether_linkage::Reference;
use bellwether_schema::catalog;
use bellwether_schema::ids::Kind;
use bellwether_warehouse::{Copy, Limits, SourceTable, questions};
use tokio_util::sync::CancellationToken;

use crate::crosswalk::People;
use crate::error::ApiError;
use crate::intake::Intake;
use crate::media::inventory::{Inventories, Inventory};
use crate::media::television::Television;
use crate::reply::CachedBody;
use crate::shapes::PrecinctVotes;

/// How often the lake is asked for a new release.
const GLANCE: Duration = Duration::from_millis(700);
/// Earlier releases that are kept open.
const EARLIER: usize = 3;
/// Requests that may wait for an earlier release to be opened.
const WAITING: usize = 32;
/// Answers kept per release.
const ANSWERS: usize = 4096;
/// Maps whose figures are kept per release.
const MAPS: usize = 16;
/// Answers larger than this are made again each time.
const LARGEST_ANSWER: usize = 64 << 10;

/// One release, ready to answer. A request holds on to the one it began with, so no answer mixes two.
pub struct Serving {
    pub release: Release,
    pub copy: Copy,
    locators: OnceLock<Vec<Locator>>,
    markets: OnceLock<HashMap<String, (String, String)>>,
    electorate: OnceLock<Electorate>,
    linkage: OnceLock<Reference>,
    votes: OnceLock<PrecinctVotes>,
    people: OnceLock<People>,
    lines: OnceLock<Lines>,
    television: OnceLock<Television>,
    inventories: Inventories,
    answers: Mutex<HashMap<String, Arc<CachedBody>>>,
    /// What the maps that were drawn last show of their districts, the newest last.
    figures: Mutex<Vec<(String, Arc<Figures>)>>,
    /// Held by the reader of the voters that lists are matched with.
    reading: Mutex<()>,
}

/// Attributes of a map's districts, by their ids.
pub type Figures = HashMap<String, Vec<(String, Attribute)>>;

/// Vintages in which the lines of each district are loaded, the newest first, by kind and id.
pub type Lines = HashMap<String, BTreeMap<String, Vec<i64>>>;

/// The districts of one kind, ready to be located in.
pub struct Locator {
    pub kind: Kind,
    pub ids: Vec<String>,
    pub names: Vec<String>,
    pub vintages: Vec<Option<i64>>,
    pub layer: Layer,
    drawing: OnceLock<Drawing>,
}

impl Locator {
    /// The lines of the layer as maps draw them, made ready when they are first asked for.
    pub fn drawing(&self) -> &Drawing {
        self.drawing.get_or_init(|| Drawing::new(&self.layer))
    }
}

impl Serving {
    fn new(release: Release, copy: Copy) -> Serving {
        Serving {
            release,
            copy,
            locators: OnceLock::new(),
            markets: OnceLock::new(),
            electorate: OnceLock::new(),
            linkage: OnceLock::new(),
            votes: OnceLock::new(),
            people: OnceLock::new(),
            lines: OnceLock::new(),
            television: OnceLock::new(),
            inventories: Inventories::default(),
            answers: Mutex::new(HashMap::new()),
            figures: Mutex::new(Vec::new()),
            reading: Mutex::new(()),
        }
    }

    /// Layers of every kind that has outlines, built when they are first asked for.
    pub fn locators(&self) -> Result<&[Locator], ApiError> {
        if let Some(locators) = self.locators.get() {
            return Ok(locators);
        }
        let mut locators = Vec::new();
        for kind in Kind::ALL {
            let answer = questions::outlines(&self.copy, kind.name())?;
            let ids: Vec<String> = answer.texts("id").into_iter().flatten().collect();
            if ids.is_empty() {
                continue;
            }
            let geometries = answer.bytes("geometry").into_iter().flatten();
            let outlines: Result<Vec<Outline>, _> =
                ids.iter().zip(geometries).map(|(id, geometry)| Outline::from_wkb(id, &geometry)).collect();
            let names = answer.texts("name").into_iter().map(Option::unwrap_or_default).collect();
            let vintages = answer.integers("vintage");
            let (layer, drawing) = (Layer::new(outlines?), OnceLock::new());
            locators.push(Locator { kind, ids, names, vintages, layer, drawing });
        }
        Ok(self.locators.get_or_init(|| locators))
    }

    /// The hot columns of all voters, read when they are first asked for.
    pub fn electorate(&self) -> Result<&Electorate, ApiError> {
        if let Some(electorate) = self.electorate.get() {
            return Ok(electorate);
        }
        let electorate = self.copy.electorate()?;
        Ok(self.electorate.get_or_init(|| electorate))
    }

    /// The voters that lists are matched with, read when they are first asked for: once, whoever asks meanwhile.
    pub fn linkage(&self) -> Result<&Reference, ApiError> {
        let _reading = self.reading.lock();
        if let Some(voters) = self.linkage.get() {
            return Ok(voters);
        }
        let voters = self.copy.linkage()?;
        metrics::gauge!("bellwether_linkage_bytes").set(voters.memory() as f64);
        Ok(self.linkage.get_or_init(|| voters))
    }

    /// The votes of every precinct, read when they are first asked for.
    pub fn precinct_votes(&self) -> Result<&PrecinctVotes, ApiError> {
        if let Some(votes) = self.votes.get() {
            return Ok(votes);
        }
        let votes = PrecinctVotes::read(self)?;
        Ok(self.votes.get_or_init(|| votes))
    }

    /// Where people live, read when it is first asked for.
    pub fn people(&self) -> Result<&People, ApiError> {
        if let Some(people) = self.people.get() {
            return Ok(people);
        }
        let precincts = self.locators()?.iter().find(|locator| locator.kind == Kind::Precinct);
        let points = questions::people(&self.copy)?;
        let people = People::new(&points, precincts.map(|locator| &locator.layer));
        Ok(self.people.get_or_init(|| people))
    }

    /// What is known of television, read when it is first asked for.
    pub fn television(&self) -> Result<&Television, ApiError> {
        if let Some(television) = self.television.get() {
            return Ok(television);
        }
        let television = Television::read(self)?;
        Ok(self.television.get_or_init(|| television))
    }

    /// The spots of an inventory, read when they are asked for.
    pub fn inventory(&self, name: &str) -> Result<Arc<Inventory>, ApiError> {
        self.inventories.get(self, name)
    }

    /// Every district that is known.
    pub fn lines(&self) -> Result<&Lines, ApiError> {
        if let Some(lines) = self.lines.get() {
            return Ok(lines);
        }
        let answer = questions::lines(&self.copy)?;
        let mut lines = Lines::new();
        let names = answer.texts("kind").into_iter().zip(answer.texts("id"));
        for ((kind, id), vintage) in names.zip(answer.integers("vintage")) {
            let known = lines.entry(kind.unwrap_or_default()).or_default();
            known.entry(id.unwrap_or_default()).or_default().extend(vintage);
        }
        Ok(self.lines.get_or_init(|| lines))
    }

    /// Market id and name by county.
    pub fn markets(&self) -> Result<&HashMap<String, (String, String)>, ApiError> {
        if let Some(markets) = self.markets.get() {
            return Ok(markets);
        }
        let answer = questions::county_markets(&self.copy)?;
        let text = |column: &str| answer.texts(column).into_iter().map(Option::unwrap_or_default);
        let markets = text("county_fips").zip(text("market_id").zip(text("market"))).collect();
        Ok(self.markets.get_or_init(|| markets))
    }

    pub fn figures(&self, map: &str) -> Option<Arc<Figures>> {
        let figures = self.figures.lock().ok()?;
        figures.iter().find(|(key, _)| key == map).map(|(_, figures)| figures.clone())
    }

    pub fn keep_figures(&self, map: String, figures: Arc<Figures>) {
        if let Ok(mut kept) = self.figures.lock() {
            if kept.len() >= MAPS {
                kept.remove(0);
            }
            kept.push((map, figures));
        }
    }

    pub fn cached(&self, key: &str) -> Option<Arc<CachedBody>> {
        self.answers.lock().ok()?.get(key).cloned()
    }

    pub fn cache(&self, key: String, body: Arc<CachedBody>) {
        if body.bytes.len() > LARGEST_ANSWER {
            return;
        }
        if let Ok(mut answers) = self.answers.lock() {
            if answers.len() >= ANSWERS {
                answers.clear();
            }
            answers.insert(key, body);
        }
    }
}

/// The current release and some earlier ones.
pub struct Releases {
    lake: Lake,
    folder: PathBuf,
    limits: Limits,
    /// Whether the electorate is read at once, as a server wants it, and not when it is first asked for.
    warm: bool,
    /// Where every release that is served is told what was delivered.
    intake: Arc<Intake>,
    current: RwLock<Option<Arc<Serving>>>,
    /// Held while the newest release is swapped to: its copy is built once, whoever asks for it.
    swapping: tokio::sync::Mutex<()>,
    earlier: Mutex<Vec<Arc<Serving>>>,
    /// One earlier copy is built at a time; few may wait for it.
    building: Arc<tokio::sync::Mutex<()>>,
    waiting: Arc<tokio::sync::Semaphore>,
}

impl Releases {
    pub fn new(lake: Lake, folder: PathBuf, limits: Limits, warm: bool, intake: Arc<Intake>) -> Releases {
        Releases {
            lake,
            folder,
            limits,
            warm,
            intake,
            current: RwLock::new(None),
            swapping: tokio::sync::Mutex::default(),
            earlier: Mutex::new(Vec::new()),
            building: Arc::default(),
            waiting: Arc::new(tokio::sync::Semaphore::new(WAITING)),
        }
    }

    pub fn current(&self) -> Option<Arc<Serving>> {
        self.current.read().ok()?.clone()
    }

    pub async fn get(&self, as_of: Option<&str>) -> Result<Arc<Serving>, ApiError> {
        let current = self.current().ok_or_else(|| {
            ApiError::of_status(
                StatusCode::SERVICE_UNAVAILABLE,
                "the first release is still being made ready",
            )
        })?;
        let Some(asked) = as_of else { return Ok(current) };
        if asked == current.release.id {
            return Ok(current);
        }
        let release = self.lake.release(asked).await?;
        if release.id == current.release.id {
            return Ok(current);
        }
        let held = |list: &Vec<Arc<Serving>>| list.iter().find(|held| held.release.id == release.id).cloned();
        if let Some(found) = self.earlier.lock().ok().and_then(|list| held(&list)) {
            return Ok(found);
        }
        let _waiting = self.waiting.try_acquire().map_err(|_| ApiError::overloaded())?;
        let building = self.building.clone().lock_owned().await;
        if let Some(found) = self.earlier.lock().ok().and_then(|list| held(&list)) {
            return Ok(found);
        }
        let serving = self.open_holding(release, Some(building)).await?;
        if let Ok(mut list) = self.earlier.lock() {
            list.push(serving.clone());
            if list.len() > EARLIER {
                let dropped = list.remove(0);
                let _ = std::fs::remove_file(dropped.copy.path());
            }
        }
        Ok(serving)
    }

    /// The same after a commit, which has happened whether or not the swap does: what fails is tried again soon.
    pub async fn refresh_soon(&self) {
        if let Err(error) = self.refresh().await {
            tracing::warn!(error = %error.told(), "cannot swap to the new release yet");
        }
    }

    /// Swaps to the newest release if it is not the current one.
    pub async fn refresh(&self) -> Result<(), ApiError> {
        let _swapping = self.swapping.lock().await;
        let latest = self.lake.latest().await?;
        if self.current().is_some_and(|current| current.release.id == latest.id) {
            return Ok(());
        }
        let serving = self.open(latest).await?;
        let (intake, newest) = (self.intake.clone(), serving.clone());
        tokio::task::spawn_blocking(move || intake.settle(&newest)).await?;
        tracing::info!(release = %serving.release.id, "serving a new release");
        metrics::gauge!("bellwether_release").set(serving.release.number() as f64);
        let before = self.current.write().ok().and_then(|mut current| current.replace(serving));
        if let (Some(before), Ok(mut list)) = (before, self.earlier.lock()) {
            list.push(before);
            if list.len() > EARLIER {
                let dropped = list.remove(0);
                let _ = std::fs::remove_file(dropped.copy.path());
            }
        }
        Ok(())
    }

    /// Deletes copies that no release served now has: those of former processes and of earlier versions.
    async fn sweep(&self) {
        // What is being built now is nobody's leaving.
        let _swapping = self.swapping.lock().await;
        let _building = self.building.lock().await;
        let Some(current) = self.current() else { return };
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('r') && entry.path() != current.copy.path() && !name.contains("spill") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Watches the lake until told to stop.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        if self.refresh().await.is_ok() {
            self.sweep().await;
        }
        while !stop.is_cancelled() {
            if let Err(error) = self.refresh().await {
                tracing::error!(?error, "cannot serve the newest release; the one before is served on");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(GLANCE) => {}
            }
        }
    }

    /// Opens the copy of a release, built first where it is not there.
    pub async fn open(&self, release: Release) -> Result<Arc<Serving>, ApiError> {
        self.open_holding(release, None).await
    }

    /// Opens a copy and holds on to a lock until it is built, also where the caller has gone meanwhile.
    async fn open_holding(
        &self,
        release: Release,
        lock: Option<tokio::sync::OwnedMutexGuard<()>>,
    ) -> Result<Arc<Serving>, ApiError> {
        std::fs::create_dir_all(&self.folder).map_err(ApiError::internal)?;
        // A copy belongs to one release and one catalog: another version of the server builds its own.
        let catalog = &blake3::hash(catalog::document().as_bytes()).to_hex()[..8];
        let made = release.created.timestamp_millis();
        let path = self.folder.join(format!("{}-{made}-{catalog}.duckdb", release.id));
        let cache = self.folder.join("fetched");
        let mut sources = Vec::new();
        for table in catalog::tables() {
            let files = self.lake.local_files(&release, &table.name, &cache).await?;
            sources.push(SourceTable { table, files });
        }
        let limits = self.limits.clone();
        let warm = self.warm;
        let intake = self.intake.clone();
        let day = release.created.timestamp().div_euclid(86_400);
        let serving = tokio::task::spawn_blocking(move || -> Result<Arc<Serving>, ApiError> {
            let _lock = lock;
            let opened = path.exists().then(|| Copy::open(&path, &release.id, &limits));
            let copy = match opened {
                Some(Ok(copy)) => copy,
                // Not there, or left over from a crash or an older version: the lake has everything.
                _ => {
                    Copy::build(&path, (&release.id, day), &sources, &limits)?;
                    Copy::open(&path, &release.id, &limits)?
                }
            };
            let serving = Serving::new(release, copy);
            serving.locators()?;
            if warm {
                let started = std::time::Instant::now();
                let electorate = serving.electorate()?;
                serving.precinct_votes()?;
                serving.people()?;
                serving.lines()?;
                let (rows, bytes) = (electorate.rows(), electorate.memory());
                let seconds = started.elapsed().as_secs_f64();
                tracing::info!(rows, bytes, seconds, "the electorate is in memory");
                metrics::gauge!("bellwether_electorate_voters").set(rows as f64);
                metrics::gauge!("bellwether_electorate_bytes").set(bytes as f64);
            }
            let serving = Arc::new(serving);
            intake.follow(&serving);
            Ok(serving)
        });
        serving.await?
    }
}
