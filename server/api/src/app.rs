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
    pub(crate) metrics: PrometheusHandle,
    engine: Arc<Engine>,
}

/// How many may use the engine at once, and how many may wait.
struct Engine {
    seats: Semaphore,
    waiting: AtomicUsize,
    queue: usize,
}

/// Longest wait for a seat.
const PATIENCE: Duration = Duration::from_secs(10);

impl App {
    pub fn new(lake: Lake, config: ServeArgs, metrics: PrometheusHandle) -> App {
        let limits = config.engine.limits();
        let seats = Semaphore::new(limits.threads * 2);
        let releases = Releases::new(lake.clone(), config.cache_folder(&lake), limits);
        App {
            lake,
            releases: Arc::new(releases),
            jobs: Jobs::default(),
            metrics,
            engine: Arc::new(Engine { seats, waiting: AtomicUsize::new(0), queue: config.queue }),
            config: Arc::new(config),
        }
    }

    /// Runs work that may take more than half a millisecond off the async threads, when a seat is free. Answers
    /// 503 at once where too many wait already.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let engine = &self.engine;
        if engine.waiting.fetch_add(1, Ordering::SeqCst) >= engine.queue {
            engine.waiting.fetch_sub(1, Ordering::SeqCst);
            metrics::counter!("bellwether_overloaded_total").increment(1);
            return Err(ApiError::overloaded());
        }
        let seat = tokio::time::timeout(PATIENCE, engine.seats.acquire()).await;
        engine.waiting.fetch_sub(1, Ordering::SeqCst);
        let Ok(Ok(_seat)) = seat else {
            metrics::counter!("bellwether_overloaded_total").increment(1);
            return Err(ApiError::overloaded());
        };
        tokio::task::spawn_blocking(work).await?
    }

    /// The serving copy that a request asks for: of an earlier release, or the current one.
    pub(crate) async fn serving(&self, as_of: Option<&str>) -> Result<Arc<Serving>, ApiError> {
        self.releases.get(as_of).await
    }
}
