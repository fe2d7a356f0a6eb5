//! What every route shares. Cheap to clone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bellwether_electorate::{Electorate, Filter, Where};
use bellwether_lake::Lake;
use bellwether_targeting::card::Limits;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;

use crate::audit::Audit;
use crate::config::ServeArgs;
use crate::disclosure::Disclosure;
use crate::entrance::Tally;
use crate::error::ApiError;
use crate::following::Following;
use crate::intake::Intake;
use crate::jobs::Jobs;
use crate::keys::Keys;
use crate::listening::Listening;
use crate::matches::Matches;
use crate::mirroring::Mirror;
use crate::population::{self, Population};
use crate::serving::{Releases, Serving};
use crate::state::StateFolder;
use crate::turfs::lists::Rows;
use crate::turfs::store::TurfStore;

/// The running server.
#[derive(Clone)]
pub struct App(Arc<Parts>);

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Its parts.
pub struct Parts {
    pub(crate) lake: Lake,
    pub(crate) config: ServeArgs,
    /// What models are held to.
    pub(crate) model_limits: Limits,
    pub(crate) releases: Arc<Releases>,
    pub(crate) jobs: Jobs,
    /// Held by the load over HTTP that is under way.
    pub(crate) loading: Arc<tokio::sync::Mutex<()>>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) state: StateFolder,
    pub(crate) keys: Keys,
    pub(crate) audit: Audit,
    pub(crate) disclosure: Disclosure,
    pub(crate) tally: Tally,
    pub(crate) matches: Matches,
    pub(crate) intake: Arc<Intake>,
    pub(crate) turfs: Arc<TurfStore>,
    pub(crate) turf_rows: Rows,
    /// Held by the cut that is being made.
    pub(crate) cutting: tokio::sync::Mutex<()>,
    pub(crate) following: Arc<Following>,
    /// Tells this process's requests from those of another one.
    pub(crate) process: u64,
    engine: Arc<Engine>,
}

/// How many may use the engine at once, and how many may wait.
struct Engine {
    seats: Arc<Semaphore>,
    /// Callers' SQL and long lists have seats of their own: they must not keep reports waiting.
    long_seats: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
}

/// A place in the queue, given back when the caller is seated, gives up or goes away.
struct Place(Arc<Engine>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Word operations that are done on the spot: some tenths of a millisecond.
const LIGHT: usize = 600_000;

/// Name of the audit log in the state folder.
pub(crate) const AUDIT: &str = "audit.ndjson";

/// The secret that decides how figures are rounded: made once, kept beside the keys.
fn secret(state: &StateFolder) -> std::io::Result<u64> {
    const FILE: &str = "rounding.json";
    if let Some(secret) = state.read(FILE)? {
        return Ok(secret);
    }
    let secret = uuid::Uuid::new_v4().as_u64_pair().0;
    state.write(FILE, &secret)?;
    Ok(secret)
}

/// Longest wait for a seat.
const PATIENCE: Duration = Duration::from_secs(10);

impl App {
    pub fn new(lake: Lake, config: ServeArgs, metrics: PrometheusHandle) -> std::io::Result<App> {
        let state = config.state.folder(&lake);
        let model_limits = config.gate.limits().map_err(std::io::Error::other)?;
        let disclosure = Disclosure { size: config.small_cell.max(1), secret: secret(&state)? };
        let limits = config.limits(&lake);
        let seats = || Arc::new(Semaphore::new(limits.threads * 2));
        let (seats, long_seats) = (seats(), seats());
        let listening = Listening::new(config.delivery.topics.clone()).map_err(std::io::Error::other)?;
        let following = Following::read(config.delivery.event_feeds.as_deref());
        let following = following.map_err(std::io::Error::other)?;
        let mirror = config.delivery.mirror().map(|settings| Mirror::new(settings, state.clone()));
        let mirror = mirror.transpose().map_err(std::io::Error::other)?;
        let intake = Arc::new(Intake::new(listening, mirror));
        let cache = config.cache_folder(&lake);
        let releases = Releases::new(lake.clone(), cache, limits, true, intake.clone());
        Ok(App(Arc::new(Parts {
            lake,
            keys: Keys::open(state.clone())?,
            audit: Audit::new(state.path(AUDIT)),
            disclosure,
            turfs: Arc::new(TurfStore::open(state.clone())?),
            turf_rows: Rows::default(),
            cutting: Default::default(),
            state,
            releases: Arc::new(releases),
            jobs: Jobs::default(),
            loading: Arc::default(),
            metrics,
            engine: Arc::new(Engine { seats, long_seats, waiting: AtomicUsize::new(0), queue: config.queue }),
            tally: Tally::default(),
            matches: Matches::default(),
            intake,
            following: Arc::new(following),
            model_limits,
            process: uuid::Uuid::new_v4().as_u64_pair().0,
            config,
        })))
    }

    /// An error where a filter asks for what this process does not know.
    pub(crate) fn may_ask(&self, filter: &Where) -> Result<(), ApiError> {
        if filter.asks_for_ballots() { self.intake.knows_ballots() } else { Ok(()) }
    }

    /// Makes a population's filter ready and works on it: on the spot where that takes some tenths of a millisecond,
    /// else on the engine's threads. `weight` is what the work does for each word of 64 voters, in word operations.
    pub(crate) async fn evaluate<T: Send + 'static>(
        &self,
        serving: &Arc<Serving>,
        population: Population,
        weight: usize,
        work: impl FnOnce(&Serving, &Electorate, &Filter) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.may_ask(&population.filter)?;
        if population::is_light(&population.filter) {
            let electorate = serving.electorate()?;
            let filter = population.compile(serving, electorate)?;
            if filter.work() + filter.words() * weight <= LIGHT {
                return work(serving, electorate, &filter);
            }
        }
        let held = serving.clone();
        self.run(move || {
            let electorate = held.electorate()?;
            work(&held, electorate, &population.compile(&held, electorate)?)
        })
        .await
    }

    /// Runs work that may take more than half a millisecond off the async threads, when a seat is free. Answers
    /// 503 at once where too many wait already.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.run_in(self.engine.seats.clone(), work).await
    }

    /// Runs work that asks a release, the newest without a name.
    pub(crate) async fn run_with_release<T: Send + 'static>(
        &self,
        as_of: Option<&str>,
        work: impl FnOnce(&App, &Serving) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (app, serving) = (self.clone(), self.serving(as_of).await?);
        self.run(move || work(&app, &serving)).await
    }

    /// Runs callers' SQL and long lists, in seats of their own.
    pub(crate) async fn run_long<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.run_in(self.engine.long_seats.clone(), work).await
    }

    async fn run_in<T: Send + 'static>(
        &self,
        seats: Arc<Semaphore>,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let overloaded = || {
            metrics::counter!("bellwether_overloaded_total").increment(1);
            ApiError::overloaded()
        };
        let before = self.engine.waiting.fetch_add(1, Ordering::SeqCst);
        let place = Place(self.engine.clone());
        if before >= self.engine.queue {
            return Err(overloaded());
        }
        let seat = tokio::time::timeout(PATIENCE, seats.acquire_owned()).await;
        drop(place);
        let Ok(Ok(seat)) = seat else { return Err(overloaded()) };
        // The seat goes with the work: it is taken until the work ends, whoever waits for it.
        tokio::task::spawn_blocking(move || {
            let _seat = seat;
            work()
        })
        .await?
    }

    /// The serving copy that a request asks for: of an earlier release, or the current one.
    pub(crate) async fn serving(&self, as_of: Option<&str>) -> Result<Arc<Serving>, ApiError> {
        self.releases.get(as_of).await
    }
}
