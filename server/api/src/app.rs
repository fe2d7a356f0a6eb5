//! What every route shares. Cheap to clone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bellwether_lake::Lake;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;

use crate::config::ServeArgs;
use crate::error::ApiError;
use crate::jobs::Jobs;
use crate::serving::{Releases, Serving};

/// The running server.
#[derive(Clone)]
pub struct App {
    pub(crate) lake: Lake,
    pub(crate) config: Arc<ServeArgs>,
    pub(crate) releases: Arc<Releases>,
    pub(crate) jobs: Jobs,
    /// Held by the load over HTTP that is under way.
    pub(crate) loading: Arc<tokio::sync::Mutex<()>>,
    pub(crate) metrics: PrometheusHandle,
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

/// Longest wait for a seat.
const PATIENCE: Duration = Duration::from_secs(10);

impl App {
    pub fn new(lake: Lake, config: ServeArgs, metrics: PrometheusHandle) -> App {
        let limits = config.engine.limits();
        let seats = || Arc::new(Semaphore::new(limits.threads * 2));
        let (seats, long_seats) = (seats(), seats());
        let releases = Releases::new(lake.clone(), config.cache_folder(&lake), limits);
        App {
            lake,
            releases: Arc::new(releases),
            jobs: Jobs::default(),
            loading: Arc::default(),
            metrics,
            engine: Arc::new(Engine { seats, long_seats, waiting: AtomicUsize::new(0), queue: config.queue }),
            config: Arc::new(config),
        }
    }

    /// Runs work that may take more than half a millisecond off the async threads, when a seat is free. Answers
    /// 503 at once where too many wait already.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.run_in(self.engine.seats.clone(), work).await
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
