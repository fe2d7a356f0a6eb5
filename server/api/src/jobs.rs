//! Long work as jobs: started once, watched by polling or by server-sent events, cancelled on request.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use bellwether_loaders::Progress;
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

/// A job as callers see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JobState {
    pub id: String,
    pub kind: String,
    /// queued, running, done, failed
    pub state: &'static str,
    /// 0 to 1.
    pub progress: f64,
    pub error: Option<String>,
    pub result: Option<serde_json::Value>,
}

struct Job {
    /// The key that started it.
    owner: String,
    state: watch::Sender<JobState>,
    progress: Arc<Progress>,
}

/// Jobs kept after they are done.
const KEPT: usize = 1000;

/// All jobs of this process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Jobs {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    jobs: HashMap<String, Job>,
    order: Vec<String>,
    /// Job by idempotency key, with the hash of the body that it came with.
    keys: HashMap<String, (blake3::Hash, String)>,
}

/// What became of a request for a job.
pub enum Claim {
    /// A new job, and the progress that its work must report to.
    New(String, Arc<Progress>),
    /// The same key came with the same body before: that job's id.
    Same(String),
    /// The key came with another body before.
    Different,
}

impl Jobs {
    /// Registers a job, once for every idempotency key.
    pub fn claim(&self, kind: &str, owner: &str, key: Option<(&str, blake3::Hash)>) -> Claim {
        let id = uuid::Uuid::now_v7().to_string();
        let state = JobState {
            id: id.clone(),
            kind: kind.into(),
            state: "queued",
            progress: 0.0,
            error: None,
            result: None,
        };
        let progress = Arc::new(Progress::default());
        let job = Job { owner: owner.into(), state: watch::Sender::new(state), progress: progress.clone() };
        if let Ok(mut inner) = self.inner.lock() {
            if let Some((key, body)) = key {
                let key = named(kind, owner, key);
                if let Some(claim) = inner.before(&key, &body) {
                    return claim;
                }
                inner.keys.insert(key, (body, id.clone()));
            }
            inner.jobs.insert(id.clone(), job);
            inner.order.push(id.clone());
            if inner.order.len() > KEPT {
                let oldest = inner.order.remove(0);
                inner.jobs.remove(&oldest);
                inner.keys.retain(|_, (_, job)| *job != oldest);
            }
        }
        Claim::New(id, progress)
    }

    /// The kind of a job and the key that started it.
    pub fn of_whom(&self, id: &str) -> Option<(String, String)> {
        let inner = self.inner.lock().ok()?;
        let job = inner.jobs.get(id)?;
        let kind = job.state.borrow().kind.clone();
        Some((kind, job.owner.clone()))
    }

    /// Lets the idempotency key of a job go: it failed, and may be tried again.
    pub fn release(&self, id: &str) {
        if let Ok(mut inner) = self.inner.lock() {
            inner.keys.retain(|_, (_, job)| job != id);
        }
    }

    /// What an idempotency key stands for already.
    pub fn before(&self, kind: &str, owner: &str, key: &str, body: &blake3::Hash) -> Option<Claim> {
        self.inner.lock().ok()?.before(&named(kind, owner, key), body)
    }

    pub fn update(&self, id: &str, change: impl FnOnce(&mut JobState)) {
        if let Ok(inner) = self.inner.lock()
            && let Some(job) = inner.jobs.get(id)
        {
            job.state.send_modify(change);
        }
    }

    pub fn get(&self, id: &str) -> Option<JobState> {
        let inner = self.inner.lock().ok()?;
        let job = inner.jobs.get(id)?;
        let mut state = job.state.borrow().clone();
        if state.state == "running" {
            state.progress = fraction(&job.progress);
        }
        Some(state)
    }

    /// Follows the changes of a job.
    pub fn follow(&self, id: &str) -> Option<watch::Receiver<JobState>> {
        Some(self.inner.lock().ok()?.jobs.get(id)?.state.subscribe())
    }

    /// Asks a job to stop. False where there is no such job.
    pub fn cancel(&self, id: &str) -> bool {
        let Ok(inner) = self.inner.lock() else {
            return false;
        };
        let found = inner.jobs.get(id);
        if let Some(job) = found {
            job.progress.cancelled.store(true, Ordering::Relaxed);
        }
        found.is_some()
    }

    /// Asks every job to stop: the server is about to.
    pub fn cancel_all(&self) {
        if let Ok(inner) = self.inner.lock() {
            inner.jobs.values().for_each(|job| job.progress.cancelled.store(true, Ordering::Relaxed));
        }
    }

    /// Whether a job is queued or running.
    pub fn busy(&self) -> bool {
        let over = |job: &Job| matches!(job.state.borrow().state, "done" | "failed");
        self.inner.lock().is_ok_and(|inner| !inner.jobs.values().all(over))
    }
}

impl Inner {
    fn before(&self, key: &str, body: &blake3::Hash) -> Option<Claim> {
        let (before, job) = self.keys.get(key)?;
        Some(if before == body { Claim::Same(job.clone()) } else { Claim::Different })
    }
}

/// An idempotency key is its owner's, and stands for one kind of work.
fn named(kind: &str, owner: &str, key: &str) -> String {
    format!("{kind} {owner} {key}")
}

fn fraction(progress: &Progress) -> f64 {
    let total = progress.bytes_total.load(Ordering::Relaxed);
    let done = progress.bytes.load(Ordering::Relaxed);
    if total == 0 { 0.0 } else { (done as f64 / total as f64).min(0.99) }
}
