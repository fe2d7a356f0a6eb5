//! Delivery: every happening of a campaign enters by one gate and lands in the table of its type. Each type has a queue, a
//! worker, a table and a table of dead letters of its own, so that none can delay or lose another.
//!
//! An event is acknowledged when its queue has it on disk. The worker then reads it, seals what is private with its
//! person's key, leaves out what had landed before, and commits it together with the position that it has come to.

pub mod admission;
pub mod batch;
pub mod cluster;
mod deletions;
pub mod journal;
mod json;
pub mod ledger;
mod line;
pub mod queue;
pub mod reading;
mod rows;
mod runs;
pub mod sources;
mod stored;
mod types;
mod upkeep;
pub mod vault;
mod worker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use bellwether_lake::Lake;
use bellwether_schema::events::{self, EventType, Priority};
use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use admission::Room;
use batch::Batch;
use cluster::Cluster;
use journal::Journal;
use queue::Queue;
use vault::Vault;
use worker::Worker;

pub use line::{Filler, Landed, Line, Neighbours, Status, Watcher};
pub use rows::context;
pub use types::Registry;
pub use upkeep::Letter;
pub use worker::named_person;

/// Seconds after which events of a type that is not set up are to be sent again: by then it is tried again.
const AWAY: u64 = 2;
/// Least and largest share of a line of the memory for records.
const BITE: (usize, usize) = (2 << 20, 64 << 20);

/// Name of the queue for what has no type that is known.
pub const UNREADABLE: &str = "unreadable";

/// Why delivery could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {operation} {}", path.display())]
    File {
        operation: &'static str,
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("{} is damaged at byte {offset}", path.display())]
    Damaged { path: PathBuf, offset: u64 },
    #[error("cannot {operation}")]
    Cluster {
        operation: &'static str,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("an event of {bytes} bytes is more than a message of the cluster holds, {most}")]
    TooLarge { bytes: usize, most: usize },
    #[error("the cluster's stream was made anew while it was in use; start the server again")]
    MadeAnew,
    #[error("{} still holds events that have not landed: start once without the cluster", path.display())]
    Stranded { path: PathBuf },
    #[error("the event could not be made durable; send it again")]
    NotDurable,
    #[error("this machine gives no random numbers")]
    NoRandomness,
    #[error("what is sealed cannot be opened with this key")]
    Sealed,
    #[error("the queue of {0} could not be emptied in time; ask again")]
    NotWiped(String),
    #[error("what is derived of these events cannot be yet; ask again")]
    NotReady,
    #[error("nothing is landed here: the server is stopping, or it only takes events in")]
    Stopped,
    #[error("another process delivers from {}", path.display())]
    InUse { path: PathBuf },
    #[error(transparent)]
    Lake(#[from] bellwether_lake::Error),
    #[error(transparent)]
    Type(#[from] events::Error),
}

impl Error {
    /// The error with its causes.
    pub fn told(&self) -> String {
        let (mut text, mut cause) = (self.to_string(), std::error::Error::source(self));
        while let Some(inner) = cause {
            text.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        text
    }
}

/// What delivery is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of queues, keys and books.
    pub folder: PathBuf,
    /// Folder of further event types, one JSON Schema a file.
    pub types: Option<PathBuf>,
    /// Bytes of requests that may be taken in at once.
    pub room: u64,
    /// Bytes that the lines may hold of records together: what a worker lands at once and the newest of each queue.
    pub memory: usize,
    /// The cluster that holds the queues; without it they are folders of this machine.
    pub cluster: Option<cluster::Settings>,
    /// Whether this process only takes events in, and leaves landing to another one of the cluster.
    pub gate_only: bool,
}

/// What came of a request.
#[derive(Debug, Default, Clone, PartialEq, serde::Serialize)]
pub struct Receipt {
    /// Events that are durable now.
    pub accepted: u64,
    /// Of these, those without a type that is known: they are dead letters of `unreadable`.
    pub unreadable: u64,
    /// Events that were not taken in, by type, and after how many seconds to send them again.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, Refused>,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Refused {
    pub events: u64,
    pub retry_after: u64,
}

/// The entrance, the lines and what they share.
pub struct Delivery {
    settings: Settings,
    lake: Lake,
    pub vault: Arc<Vault>,
    room: Room,
    cluster: Option<Cluster>,
    /// Bytes of records that a worker lands at once, and that are kept of its queue.
    bite: usize,
    lines: RwLock<BTreeMap<String, Arc<Line>>>,
    registry: Registry,
    neighbours: Neighbours,
    /// Types that could not be set up, and why.
    broken: Mutex<BTreeMap<String, String>>,
    stop: CancellationToken,
    workers: Mutex<Vec<std::thread::JoinHandle<()>>>,
    /// Held by the one process that delivers from the folder.
    _lock: std::fs::File,
}

/// How long a queue waits for more before it asks the disk: what is important is not kept waiting, and what is not takes the
/// disk and the cores from it less often.
fn linger(priority: Priority) -> Duration {
    match priority {
        Priority::Critical => Duration::ZERO,
        Priority::Normal => Duration::from_millis(2),
        Priority::Bulk => Duration::from_millis(8),
    }
}

/// Milliseconds since 1970.
pub fn now() -> u64 {
    chrono::Utc::now().timestamp_millis() as u64
}

impl Delivery {
    /// Opens delivery: reads the types, opens every queue, and sets a worker to each. `neighbours` fill in what is
    /// derived and are told of what lands.
    pub async fn open(
        settings: Settings,
        lake: Lake,
        neighbours: Neighbours,
    ) -> Result<Arc<Delivery>, Error> {
        let folder = settings.folder.clone();
        let file = |operation| {
            let path = folder.clone();
            move |cause| Error::File { operation, path, cause }
        };
        std::fs::create_dir_all(&folder).map_err(file("make"))?;
        let owner = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&folder, owner).map_err(file("close to others"))?;
        let lock = std::fs::File::create(folder.join(".lock")).map_err(file("lock"))?;
        lock.try_lock().map_err(|_| Error::InUse { path: folder.clone() })?;
        let registry = Registry::open(&folder.join("types"), settings.types.clone())?;
        // A batch is held as it came, as columns, and as what is written of it.
        let bite = (settings.memory / (registry.known().len().max(1) * 4)).clamp(BITE.0, BITE.1);
        let delivery = Arc::new(Delivery {
            bite,
            vault: Arc::new(Vault::open(&folder.join("vault"))?),
            room: Room::new(settings.room),
            cluster: match settings.cluster.clone() {
                Some(cluster) => Some(Cluster::connect(cluster).await?),
                None => None,
            },
            registry,
            settings,
            lake,
            lines: RwLock::default(),
            neighbours,
            broken: Mutex::default(),
            stop: CancellationToken::new(),
            workers: Mutex::default(),
            _lock: lock,
        });
        delivery.start_missing().await;
        Ok(delivery)
    }

    /// Takes up types and versions that came into the folder of types since, and types that could not be set up before.
    pub async fn refresh_types(&self) {
        for event_type in self.registry.changed() {
            if let Some(line) = self.line(&event_type.name) {
                line.adopt(event_type);
            }
        }
        self.start_missing().await;
    }

    /// Sets up every known type that has no line. One that cannot be set up is told of and leaves the others alone.
    async fn start_missing(&self) {
        for event_type in self.registry.known() {
            let name = event_type.name.clone();
            if self.line(&name).is_some() {
                continue;
            }
            let outcome = self.start(event_type).await.map_err(|error| error.told());
            let mut broken = self.broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match outcome {
                Ok(()) => drop(broken.remove(&name)),
                Err(error) => {
                    if broken.insert(name.clone(), error.clone()).is_none() {
                        tracing::error!(event_type = name, error, "a type cannot be set up");
                    }
                }
            }
        }
    }

    async fn start(&self, event_type: EventType) -> Result<(), Error> {
        let folder = self.settings.folder.join("lines").join(&event_type.name);
        let linger = linger(event_type.priority);
        let queue: Arc<dyn Queue> = match &self.cluster {
            Some(cluster) => {
                self.leave_journal(&folder.join("queue"), &event_type).await?;
                Arc::new(cluster.queue(&event_type.name, linger, self.bite, &folder).await?)
            }
            None => {
                // A stream that is used again later begins behind what lands from here on.
                let _ = std::fs::remove_file(folder.join("stream.json"));
                Arc::new(Journal::open(&folder.join("queue"), linger, self.bite)?)
            }
        };
        if self.settings.gate_only {
            let (name, line) = (event_type.name.clone(), Line::new(event_type, queue, Neighbours::default()));
            line.end();
            self.lines
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .insert(name, Arc::new(line));
            return Ok(());
        }
        let table = self.lake.growing(event_type.stored()).await?;
        let dead = self.lake.growing(event_type.dead_letters()).await?;
        let name = event_type.name.clone();
        let line = Arc::new(Line::new(event_type, queue, self.neighbours.clone()));
        let vault = self.vault.clone();
        let worker = Worker::open(line.clone(), vault, (table, dead), &folder, self.bite).await?;
        let (runtime, stop) = (tokio::runtime::Handle::current(), self.stop.clone());
        let thread = std::thread::Builder::new()
            .name(format!("land {name}").chars().take(15).collect())
            .spawn(move || worker.run(&runtime, &stop))
            .map_err(|cause| Error::File { operation: "start the worker of", path: folder, cause })?;
        self.workers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(thread);
        self.lines.write().unwrap_or_else(std::sync::PoisonError::into_inner).insert(name, line);
        Ok(())
    }

    /// Leaves the journal of a type that has a stream from now on, unless it holds what has not landed.
    async fn leave_journal(&self, path: &std::path::Path, event_type: &EventType) -> Result<(), Error> {
        if !path.exists() {
            return Ok(());
        }
        let (first, end) = Journal::open(path, Duration::ZERO, BITE.0)?.ends().await?;
        let landed = self.lake.growing(event_type.stored()).await?.position().unwrap_or(first);
        match end > landed {
            true => Err(Error::Stranded { path: path.to_path_buf() }),
            false => std::fs::remove_dir_all(path).map_err(|cause| Error::File {
                operation: "delete",
                path: path.to_path_buf(),
                cause,
            }),
        }
    }

    /// Lands what is durable and ends the workers.
    pub fn close(&self) {
        self.stop.cancel();
        let workers =
            std::mem::take(&mut *self.workers.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for worker in workers {
            let _ = worker.join();
        }
    }

    pub fn line(&self, name: &str) -> Option<Arc<Line>> {
        self.lines.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(name).cloned()
    }

    /// Whether a type is known, be it set up or not.
    pub fn knows(&self, name: &str) -> bool {
        self.registry.knows(name)
    }

    /// Whether this process lands what it takes in.
    pub fn lands(&self) -> bool {
        !self.settings.gate_only
    }

    /// Every line, by the name of its type.
    pub fn lines(&self) -> Vec<Arc<Line>> {
        self.lines.read().unwrap_or_else(std::sync::PoisonError::into_inner).values().cloned().collect()
    }

    /// What is wrong with documents in the folder of types, by file.
    pub fn type_faults(&self) -> BTreeMap<String, String> {
        let mut faults = self.registry.faults();
        faults.extend(self.broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone());
        faults
    }

    /// Erases a person everywhere: the key that their events are sealed with, their part of the tables, and what waits in
    /// the queues. `persons` are the pseudonyms that they are known by, `named` the texts that tell them. Gives the rows
    /// that changed.
    pub async fn erase(&self, persons: Vec<vault::Person>, named: Vec<String>) -> Result<usize, Error> {
        // The keys first: whatever comes after them is only tidying up.
        for person in &persons {
            self.vault.erase(*person)?;
        }
        let lines = self.lines();
        let wiped = join_all(lines.iter().map(|line| line.flush(true, Duration::from_secs(60)))).await;
        let mut changed = 0;
        for line in &lines {
            changed += line.erase(persons.clone(), named.clone()).await?;
        }
        match wiped.iter().position(|wiped| !wiped) {
            Some(at) => Err(Error::NotWiped(lines[at].name.clone())),
            None => Ok(changed),
        }
    }

    /// Sorts events by their types. One event a record. `received`: milliseconds since 1970.
    pub fn sort<'a>(&self, received: u64, records: impl Iterator<Item = &'a [u8]>) -> Sorted {
        let mut sorted = Sorted::default();
        for record in records {
            let name = reading::type_of(record);
            match name.as_deref().and_then(|name| sorted.batch(self, name)) {
                Some(batch) => batch.push(received, record),
                // Known, but not set up yet: its queue is away, say. It is to be sent again, and is no dead letter.
                None if name.as_deref().is_some_and(|name| self.registry.knows(name)) => {
                    *sorted.away.entry(name.unwrap_or_default().into_owned()).or_default() += 1;
                }
                None => match sorted.batch(self, UNREADABLE) {
                    Some(batch) => {
                        batch.push(received, record);
                        sorted.unreadable += 1;
                    }
                    None => *sorted.away.entry(UNREADABLE.into()).or_default() += 1,
                },
            }
        }
        sorted
    }

    /// Takes sorted events in; done when those that are accepted are durable.
    pub async fn accept(&self, sorted: Sorted) -> Result<Receipt, Error> {
        let mut receipt = Receipt { unreadable: sorted.unreadable, ..Receipt::default() };
        for (name, events) in sorted.away {
            receipt.refused.insert(name, Refused { events, retry_after: AWAY });
        }
        let (mut appends, mut shares) = (Vec::new(), Vec::new());
        for (line, batch) in sorted.lines {
            let (count, bytes) = (batch.len(), batch.bytes().len());
            let admitted = match self.room.share(line.priority(), bytes as u64) {
                None => Err(Duration::from_secs(1)),
                Some(share) => {
                    shares.push(share);
                    line.admission().take(count, bytes, line.backlog())
                }
            };
            match admitted {
                Ok(()) => {
                    receipt.accepted += count as u64;
                    // The records are taken in at once; only the answer waits for the disk.
                    appends.push(line.queue.append(batch));
                }
                Err(wait) => {
                    let retry_after = wait.as_secs_f64().ceil().max(1.0) as u64;
                    receipt.refused.insert(line.name.clone(), Refused { events: count as u64, retry_after });
                }
            }
        }
        join_all(appends).await.into_iter().collect::<Result<(), Error>>()?;
        Ok(receipt)
    }
}

/// Events by type, ready to be taken in.
#[derive(Default)]
pub struct Sorted {
    lines: Vec<(Arc<Line>, Batch)>,
    unreadable: u64,
    /// Events of types that are known and not set up, by type.
    away: BTreeMap<String, u64>,
}

impl Sorted {
    /// The batch of a type; none where there is no such type.
    fn batch(&mut self, delivery: &Delivery, name: &str) -> Option<&mut Batch> {
        let at = match self.lines.iter().position(|(line, _)| line.name == name) {
            Some(at) => at,
            None => {
                self.lines.push((delivery.line(name)?, Batch::default()));
                self.lines.len() - 1
            }
        };
        Some(&mut self.lines[at].1)
    }
}
