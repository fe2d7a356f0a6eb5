//! One type's line from the entrance to its table: what is shared between who takes events in, who lands them and who
//! asks how it goes.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;

use bellwether_schema::events::{EventType, Priority};
use tokio::sync::{Notify, watch};

use crate::Error;
use crate::admission::Admission;
use crate::ledger::Hour;
use crate::queue::{Block, Queue};
use crate::reading::{Event, Plan, Value};
use crate::upkeep::{Letter, Task};
use crate::vault::Person;
use crate::worker::Worker;

/// An event that has just landed, for those who keep count of what is known this very second.
#[derive(Debug, Clone)]
pub struct Landed {
    /// The fields that were asked for, private ones too; what is no text as JSON.
    pub texts: Vec<Option<String>>,
    /// Microseconds since 1970.
    pub occurred: i64,
    /// Milliseconds since 1970.
    pub received: u64,
}

/// Is told of every batch that has landed, of the types that it watches, before anybody is told that it has.
pub trait Watcher: Send + Sync {
    /// The fields that it wants of a type's events, texts as they are and others as JSON; none where it does not watch the type.
    fn watches(&self, event_type: &str) -> Option<&'static [&'static str]>;
    fn landed(&self, event_type: &str, landed: &[Landed]);
}

/// Fills in the derived fields of events before they land.
pub trait Filler: Send + Sync {
    fn fills(&self, event_type: &str) -> bool;
    /// Whether it knows all that it needs; until then the events of its types wait.
    fn is_ready(&self) -> bool;
    fn fill(&self, event_type: &EventType, event: &mut Event);
}

/// Who has to do with events on their way: each is asked whether a type is its own.
#[derive(Clone, Default)]
pub struct Neighbours {
    pub watcher: Option<Arc<dyn Watcher>>,
    pub filler: Option<Arc<dyn Filler>>,
}

pub struct Line {
    pub name: String,
    pub(crate) queue: Arc<dyn Queue>,
    plan: RwLock<Arc<Plan>>,
    admission: RwLock<Arc<Admission>>,
    status: Mutex<Status>,
    hurry: Notify,
    hurrying: AtomicU64,
    hurried: watch::Sender<u64>,
    /// Position up to which the queue is to be wiped; 0: nothing is.
    wipe: AtomicU64,
    /// Position from which a mirror still needs the queue; the largest number where there is none.
    held: AtomicU64,
    ended: AtomicBool,
    neighbours: Neighbours,
    tasks: Mutex<VecDeque<Task>>,
    files: RwLock<Files>,
}

/// Files of the event table, and of the dead letters.
pub type Files = (Arc<Vec<PathBuf>>, Arc<Vec<PathBuf>>);

/// How a line stands.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Position of the queue before which everything is in the table.
    pub position: u64,
    pub hours: BTreeMap<String, Hour>,
    /// Why nothing lands just now, if so.
    pub fault: Option<String>,
}

impl Line {
    pub fn new(event_type: EventType, queue: Arc<dyn Queue>, neighbours: Neighbours) -> Line {
        let Neighbours { watcher, filler } = neighbours;
        let watcher = watcher.filter(|watcher| watcher.watches(&event_type.name).is_some());
        let filler = filler.filter(|filler| filler.fills(&event_type.name));
        Line {
            name: event_type.name.clone(),
            queue,
            admission: RwLock::new(Arc::new(Admission::new(event_type.limits.clone()))),
            plan: RwLock::new(Arc::new(Plan::new(event_type))),
            status: Mutex::default(),
            hurry: Notify::new(),
            hurrying: AtomicU64::new(0),
            hurried: watch::Sender::new(0),
            wipe: AtomicU64::new(0),
            held: AtomicU64::new(u64::MAX),
            ended: AtomicBool::new(false),
            neighbours: Neighbours { watcher, filler },
            tasks: Mutex::default(),
            files: RwLock::default(),
        }
    }

    pub fn plan(&self) -> Arc<Plan> {
        self.plan.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    pub fn priority(&self) -> Priority {
        self.plan().event_type.priority
    }

    pub(crate) fn admission(&self) -> Arc<Admission> {
        self.admission.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Reads events by a newer version from now on.
    pub(crate) fn adopt(&self, event_type: EventType) {
        let admission = Arc::new(Admission::new(event_type.limits.clone()));
        *self.admission.write().unwrap_or_else(std::sync::PoisonError::into_inner) = admission;
        *self.plan.write().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Arc::new(Plan::new(event_type));
    }

    fn held(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn status(&self) -> Status {
        self.held().clone()
    }

    /// Bytes of the queue that wait to be landed, roughly.
    pub fn backlog(&self) -> u64 {
        self.queue.backlog(self.position())
    }

    /// Durable records from a position on, about so many bytes of them.
    pub async fn read(&self, from: u64, most: usize) -> Result<Vec<Block>, Error> {
        self.queue.read(from, most).await
    }

    /// Position of the oldest record that the queue holds.
    pub async fn first(&self) -> Result<u64, Error> {
        Ok(self.queue.ends().await?.0)
    }

    /// Tells how far the queue is durable.
    pub fn durable(&self) -> watch::Receiver<u64> {
        self.queue.durable()
    }

    /// Asks that the queue be kept from a position on.
    pub fn hold(&self, from: u64) {
        self.held.store(from, Ordering::Release);
    }

    pub(crate) fn held_from(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }

    pub(crate) fn position(&self) -> u64 {
        self.held().position
    }

    pub(crate) fn fault(&self) -> Option<String> {
        self.held().fault.clone()
    }

    pub(crate) fn tell(&self, position: u64, hours: BTreeMap<String, Hour>, fault: Option<String>) {
        *self.held() = Status { position, hours, fault };
    }

    /// Places of the fields that are watched among those of the type; none where nobody watches.
    pub(crate) fn watched(&self, event_type: &EventType) -> Option<Vec<Option<usize>>> {
        let wanted = self.neighbours.watcher.as_ref()?.watches(&event_type.name)?;
        let place = |name: &&str| event_type.fields.iter().position(|field| field.name == *name);
        Some(wanted.iter().map(place).collect())
    }

    pub(crate) fn landed(&self, landed: Vec<Landed>) {
        if let Some(watcher) = self.neighbours.watcher.as_ref().filter(|_| !landed.is_empty()) {
            watcher.landed(&self.name, &landed);
        }
    }

    /// Whether fields of the type are derived.
    pub(crate) fn fills(&self) -> bool {
        self.neighbours.filler.is_some()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.neighbours.filler.as_ref().is_none_or(|filler| filler.is_ready())
    }

    /// Fills in what is derived. A text on which that breaks down lands without it.
    pub(crate) fn fill(&self, event_type: &EventType, event: &mut Event) {
        if let Some(filler) = &self.neighbours.filler {
            let filled = AssertUnwindSafe(|| filler.fill(event_type, event));
            if catch_unwind(filled).is_err() {
                tracing::error!(event_type = self.name, "what is derived of an event could not be");
            }
        }
    }

    pub(crate) fn is_hurried(&self) -> bool {
        self.hurrying.load(Ordering::Acquire) > 0
    }

    pub(crate) async fn wanted(&self) {
        self.hurry.notified().await;
    }

    pub(crate) fn tell_hurried(&self, position: u64) {
        self.hurried.send_replace(position);
    }

    pub(crate) fn wants_wiped(&self) -> u64 {
        self.wipe.load(Ordering::Acquire)
    }

    /// The queue was wiped up to there; a wish that came meanwhile stays.
    pub(crate) fn wiped(&self, to: u64) {
        let _ = self.wipe.compare_exchange(to, 0, Ordering::AcqRel, Ordering::Acquire);
    }

    /// The worker has ended: nothing that is asked of it will be done.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
    }

    /// Waits until everything that is durable now has landed, at most so long. `wipe` also deletes it from the queue, to
    /// the last byte. False where it took too long.
    pub async fn flush(&self, wipe: bool, patience: Duration) -> bool {
        let Ok((_, end)) = self.queue.ends().await else { return false };
        if end == 0 {
            return true;
        }
        if wipe {
            self.wipe.fetch_max(end, Ordering::AcqRel);
        }
        self.hurrying.fetch_add(1, Ordering::AcqRel);
        let _hurry = Hurry(self);
        let mut told = self.hurried.subscribe();
        let done = async {
            loop {
                self.hurry.notify_one();
                if *told.borrow_and_update() >= end && (!wipe || self.wants_wiped() == 0) {
                    return true;
                }
                if told.changed().await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(patience, done).await.unwrap_or(false)
    }
}

/// Somebody waits for what is durable to land; no longer when dropped.
struct Hurry<'a>(&'a Line);

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        self.0.hurrying.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Line {
    /// Files of the event table and of the dead letters, where they lie on this machine.
    pub fn files(&self) -> Files {
        self.files.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    pub(crate) fn tell_files(&self, events: Vec<PathBuf>, dead: Vec<PathBuf>) {
        *self.files.write().unwrap_or_else(std::sync::PoisonError::into_inner) =
            (Arc::new(events), Arc::new(dead));
    }

    pub(crate) fn next_task(&self) -> Option<Task> {
        self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop_front()
    }

    /// Has the worker do something between two landings.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Worker, &tokio::runtime::Handle) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (tell, told) = tokio::sync::oneshot::channel();
        let task: Task = Box::new(move |worker, runtime| drop(tell.send(work(worker, runtime))));
        self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push_back(task);
        if self.ended.load(Ordering::Acquire) {
            return Err(Error::Stopped);
        }
        self.hurry.notify_one();
        told.await.map_err(|_| Error::Stopped)?
    }

    /// Dead letters, the newest first: those below `before` and of the reason, where these are given.
    pub async fn letters(
        &self,
        before: Option<u64>,
        reason: Option<String>,
        numbers: Option<Vec<u64>>,
        most: usize,
    ) -> Result<Vec<Letter>, Error> {
        let wanted = move |letter: &Letter| {
            before.is_none_or(|before| letter.number < before)
                && reason.as_ref().is_none_or(|reason| letter.reason == *reason)
                && numbers.as_ref().is_none_or(|numbers| numbers.contains(&letter.number))
        };
        self.ask(move |worker, runtime| worker.letters(wanted, most, runtime)).await
    }

    /// Writes the landed events of a range of hours anew, as the type reads them now. Gives the rows that were written.
    pub async fn rebuild(&self, from: String, to: String) -> Result<usize, Error> {
        self.ask(move |worker, runtime| worker.rebuild(&from, &to, runtime)).await
    }

    /// Takes persons out of what is stored. Gives the rows that changed.
    pub(crate) async fn erase(&self, persons: Vec<Person>, named: Vec<String>) -> Result<usize, Error> {
        self.ask(move |worker, runtime| worker.erase(&persons, &named, runtime)).await
    }
}

impl Landed {
    pub(crate) fn new(wanted: &[Option<usize>], event: &Event, occurred: i64, received: u64) -> Landed {
        let text = |at: &Option<usize>| match &event.values[(*at)?] {
            Value::Text(text) => Some(text.to_string()),
            _ => event.raw[(*at)?].map(str::to_string),
        };
        Landed { texts: wanted.iter().map(text).collect(), occurred, received }
    }
}
