//! The worker of one type: takes what is durable in its queue, reads it, and lands it in the type's table, dead letters
//! beside it; then says how far it has come. It knows of no other type, and none waits for it.

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_lake::{Growing, Piece};
use bellwether_schema::events::{EventType, Priority};
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use crate::deletions::{Deletion, Deletions};
use crate::ledger::{Hour, Ledger, Page, hour_of};
use crate::line::Line;
use crate::queue::{Block, Queue};
use crate::reading::{Event, Fault, Plan, Value};
use crate::rows::{DeadRows, Place, Rows};
use crate::runs::{ByKey, Runs};
use crate::stored;
use crate::upkeep::Leaving;
use crate::vault::{Person, Vault};
use crate::{Error, Landed, UNREADABLE};

/// Bytes of the queue that are worth landing before the pace says so: what comes while they land is landed next.
const FULL: u64 = 1 << 20;
/// Ids that are held in memory before they are written to a run.
const IDS: usize = 250_000;
/// Longest time that ids stay in memory only: the queue keeps what they are of until then.
const IDS_FOR: Duration = Duration::from_secs(60);
/// Bytes of a queue that wait for a mirror, at most; what is older it misses.
const HELD: u64 = 1 << 30;
/// Hours that late events of one hour of receipt are counted apart for.
const LATE_HOURS: usize = 2_000;
/// How often it is looked whether what is derived can be.
const READY_GLANCE: Duration = Duration::from_millis(100);
/// First and longest wait after a failure.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(15));

/// Lands the events of one type.
pub struct Worker {
    pub(crate) line: Arc<Line>,
    pub(crate) vault: Arc<Vault>,
    queue: Arc<dyn Queue>,
    /// Bytes of records that are landed together.
    bite: usize,
    pub(crate) table: Growing,
    pub(crate) dead: Growing,
    pub(crate) ledger: Ledger,
    pub(crate) deletions: Deletions,
    ids: Runs<0>,
    /// Position before which every id is in a run.
    ids_cover: u64,
    spilled: Instant,
    /// Keeps the hashes of ids from being guessed.
    seed: u64,
    pub(crate) staging: PathBuf,
    pub(crate) leaving: Leaving,
    /// Hour up to which the tables were tidied up.
    pub(crate) kept_up: String,
    /// When posts may be deleted from the table again.
    pub(crate) delete_next: Instant,
    position: u64,
}

/// How long events may wait before they are landed.
pub fn pace(priority: Priority) -> Duration {
    match priority {
        Priority::Critical => Duration::from_millis(500),
        Priority::Normal => Duration::from_secs(2),
        Priority::Bulk => Duration::from_secs(4),
    }
}

impl Worker {
    /// Makes the worker of a line ready: where the tables stand, and which ids have landed.
    pub async fn open(
        line: Arc<Line>,
        vault: Arc<Vault>,
        (table, dead): (Growing, Growing),
        folder: &Path,
        bite: usize,
    ) -> Result<Worker, Error> {
        let queue = line.queue.clone();
        let (first, _) = queue.ends().await?;
        let position = table.position().unwrap_or(first);
        queue.advance(position).await?;
        table.sweep()?;
        dead.sweep()?;
        let (ids, ids_cover) = Runs::open(&folder.join("ids"))?;
        let staging = table.staging().unwrap_or_else(|| folder.to_path_buf()).join(".staging");
        let _ = std::fs::remove_dir_all(&staging);
        let seed = (vault.person("seed", &[line.name.as_bytes()]).0 >> 64) as u64;
        let page = table.note().cloned().and_then(|note| serde_json::from_value(note).ok());
        let ledger = Ledger::open(folder, page.unwrap_or_default());
        let mut worker = Worker {
            line,
            vault,
            queue,
            bite,
            table,
            dead,
            ledger,
            deletions: Deletions::open(folder)?,
            ids,
            ids_cover: ids_cover.max(first),
            spilled: Instant::now(),
            seed,
            staging,
            leaving: Leaving::default(),
            kept_up: String::new(),
            delete_next: Instant::now(),
            position,
        };
        worker.remember_ids().await?;
        worker.tell(None);
        worker.tell_files();
        Ok(worker)
    }

    /// Reads the ids again that had landed but were in no run when the process ended.
    async fn remember_ids(&mut self) -> Result<(), Error> {
        let (plan, letters) = (self.line.plan(), self.letters_from(self.ids_cover).await?);
        let mut at = self.ids_cover;
        while at < self.position {
            let blocks = self.queue.read(at, self.bite).await?;
            if blocks.is_empty() {
                break;
            }
            for block in &blocks {
                at = block.end();
                let mut event = Event::default();
                for (number, (received, record)) in (block.first..).zip(block.batch.records()) {
                    let landed = number < self.position && !letters.contains(&number);
                    if landed && read(&plan, record, received, &mut event).is_ok() {
                        self.ids.insert(id_key(self.seed, &id_of(&event, record)), []);
                    }
                }
            }
        }
        Ok(())
    }

    /// Numbers of the dead letters from a position on: what they are of did not land.
    async fn letters_from(&self, from: u64) -> Result<HashSet<u64>, Error> {
        let mut numbers = HashSet::new();
        for file in self.dead.files()? {
            let path = self.dead.local(&file, &self.staging).await?;
            stored::batches(self.dead.table(), &path, |batch| {
                let of = |row| stored::number(&batch, "number", row).unwrap_or_default() as u64;
                numbers.extend((0..batch.num_rows()).map(of).filter(|number| *number >= from));
                Ok(())
            })?;
        }
        Ok(numbers)
    }

    /// Works until told to stop, then lands what is there.
    pub fn run(mut self, runtime: &tokio::runtime::Handle, stop: &CancellationToken) {
        // The entrance, and what is more important, go first; but none may starve, however busy the machine is.
        let nice = match self.line.priority() {
            Priority::Critical => 0,
            Priority::Normal => 3,
            Priority::Bulk => 6,
        };
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), nice);
        let mut durable = self.queue.durable();
        let pace = pace(self.line.priority());
        let mut landed = Instant::now();
        let mut wait = BACK_OFF.0;
        loop {
            // What was asked for does not wait for what comes in.
            if let Err(error) = self.rest(runtime) {
                self.tell(Some(error.told()));
            }
            let stopping = stop.is_cancelled();
            let waiting = *durable.borrow_and_update() > self.position;
            let due = landed.elapsed() >= pace || self.line.is_hurried() || stopping;
            // What is derived of events may need what is still being made ready.
            let ready = self.line.is_ready() || self.line.wants_wiped() > 0;
            let waiting = waiting && ready;
            if waiting && (due || self.queue.backlog(self.position) >= FULL) {
                match self.land_some(runtime) {
                    Ok(()) => {
                        landed = Instant::now();
                        wait = BACK_OFF.0;
                        self.tell(None);
                        continue;
                    }
                    Err(error) => {
                        if self.line.fault().is_none() {
                            tracing::warn!(event_type = %self.line.name, error = %error.told(), "events cannot be landed; they wait");
                        }
                        self.tell(Some(error.told()));
                        if stopping {
                            break;
                        }
                        runtime.block_on(async {
                            tokio::select! {
                                () = tokio::time::sleep(wait) => {}
                                () = stop.cancelled() => {}
                            }
                        });
                        wait = (wait * 2).min(BACK_OFF.1);
                        continue;
                    }
                }
            }
            if stopping {
                let _ = self.spill_ids(runtime);
                break;
            }
            runtime.block_on(async {
                tokio::select! {
                    _ = durable.changed(), if !waiting => {}
                    () = tokio::time::sleep(if !ready { READY_GLANCE } else if waiting { pace.saturating_sub(landed.elapsed()) } else { IDS_FOR }) => {}
                    () = self.line.wanted() => {}
                    () = stop.cancelled() => {}
                }
            });
        }
        self.line.end();
    }

    /// What is done between landings.
    fn rest(&mut self, runtime: &tokio::runtime::Handle) -> Result<(), Error> {
        let wipe = self.line.wants_wiped();
        if self.ids.unspilled() >= IDS || self.spilled.elapsed() >= IDS_FOR || wipe > 0 {
            self.spill_ids(runtime)?;
        }
        if wipe > 0 && runtime.block_on(self.queue.wipe(self.position))? && self.position >= wipe {
            self.line.wiped(wipe);
        }
        self.line.tell_hurried(self.position);
        while let Some(task) = self.line.next_task() {
            task(self, runtime);
        }
        self.delete_posts(runtime)?;
        self.upkeep(runtime)
    }

    fn spill_ids(&mut self, runtime: &tokio::runtime::Handle) -> Result<(), Error> {
        self.ids.spill(self.position)?;
        self.ids_cover = self.position;
        self.spilled = Instant::now();
        // Who copies the queue elsewhere may be a little behind.
        let held = self.line.held_from();
        let behind = self.queue.backlog(held).saturating_sub(self.queue.backlog(self.position));
        let kept = held < self.position && behind < HELD;
        runtime.block_on(self.queue.trim(if kept { held } else { self.position }))
    }

    fn tell(&self, fault: Option<String>) {
        self.line.tell(self.position, self.ledger.hours(), fault);
    }

    /// Tells which files the tables have now.
    pub(crate) fn tell_files(&self) {
        let paths = |table: &Growing| -> Vec<PathBuf> {
            let (folder, files) = (table.staging(), table.files().unwrap_or_default());
            folder.map_or(Vec::new(), |folder| files.iter().map(|file| folder.join(&file.path)).collect())
        };
        self.line.tell_files(paths(&self.table), paths(&self.dead));
    }

    fn land_some(&mut self, runtime: &tokio::runtime::Handle) -> Result<(), Error> {
        let blocks = runtime.block_on(self.queue.read(self.position, self.bite))?;
        let Some(last) = blocks.last() else { return Ok(()) };
        let end = last.end();
        let plan = self.line.plan();
        self.table.grow(plan.event_type.stored());
        let started = Instant::now();
        let Sorted { rows, dead, ids, page, landed, deletions } = self.sort(&plan, &blocks)?;
        let (mut pieces, mut dead_pieces) = (Vec::new(), Vec::new());
        for (hour, rows) in rows {
            let path = self.staging.join(format!("{end}-{hour}.parquet"));
            rows.write(self.table.table(), &self.vault, &path)?;
            pieces.push(Piece { partition: hour, file: path });
        }
        for (hour, rows) in dead {
            let path = self.staging.join(format!("{end}-{hour}-dead.parquet"));
            rows.write(&plan.event_type.name, self.dead.table(), &self.vault, &path)?;
            dead_pieces.push(Piece { partition: hour, file: path });
        }
        // First what opens it, then the dead, then the table: each counts only by the one after it.
        self.vault.sync()?;
        self.deletions.note(&self.vault, deletions)?;
        if !dead_pieces.is_empty() {
            runtime.block_on(self.dead.append(dead_pieces, end, serde_json::Value::Null))?;
        }
        let count = ids.len();
        let note = serde_json::to_value(&page).unwrap_or_default();
        runtime.block_on(self.table.append(pieces, end, note))?;
        for id in ids {
            self.ids.insert(id, []);
        }
        self.position = end;
        self.ledger.turn(page);
        self.tell_files();
        self.line.landed(landed);
        if self.ids.unspilled() >= IDS {
            self.spill_ids(runtime)?;
        }
        let seconds = started.elapsed().as_secs_f64();
        tracing::debug!(event_type = %self.line.name, count, seconds, "landed");
        Ok(())
    }

    /// Sorts records into rows of the table, dead letters and those that were there already.
    fn sort(&mut self, plan: &Plan, blocks: &[Block]) -> Result<Sorted, Error> {
        let dead_from = self.dead.position().unwrap_or(0);
        // An hour is put away a good while after its end: the clock may be set.
        let page = self.ledger.page(&hour_of(crate::now() - 2 * 3_600_000))?;
        let mut sorted = Sorted {
            rows: BTreeMap::new(),
            dead: BTreeMap::new(),
            ids: HashSet::default(),
            page,
            landed: Vec::new(),
            deletions: Vec::new(),
        };
        let event_type = &plan.event_type;
        let late_after = u64::from(event_type.late_after_minutes) * 60_000;
        let watched = self.line.watched(event_type);
        let mut current: Option<Current> = None;
        for block in blocks {
            // Filled anew by every record of a block; its memory is used again.
            let mut event = Event::default();
            for (number, (received, record)) in (block.first..).zip(block.batch.records()) {
                if number < self.position {
                    continue;
                }
                if current.as_ref().is_none_or(|current| current.number != received / 3_600_000) {
                    sorted.put_away(current.take());
                    current = Some(Current::open(&mut sorted, &self.ledger, received, event_type));
                }
                let Current { hour, figures, rows, late_hour, .. } = current.as_mut().expect("opened above");
                figures.received += 1;
                match read(plan, record, received, &mut event) {
                    Err(fault) => {
                        figures.dead += 1;
                        if number >= dead_from {
                            let person = self.person_of_dead(plan, record);
                            let rows = sorted.dead.entry(hour.clone()).or_default();
                            rows.push(number, received, &fault, person, record);
                        }
                    }
                    Ok(()) => {
                        let mut id = id_of(&event, record);
                        let key = id_key(self.seed, &id);
                        if sorted.ids.contains(&key) || self.ids.get(key)?.is_some() {
                            figures.duplicate += 1;
                            continue;
                        }
                        sorted.ids.insert(key);
                        figures.content = figures.content.wrapping_add(xxh3_64(record));
                        let person = person_of(&self.vault, plan, &event);
                        if let Some(post) = plan.post {
                            match Deletions::read(post, &event, person) {
                                Some(deletion) => {
                                    sorted.deletions.push(deletion);
                                    // The deletion itself says no more of whom and what than that it was.
                                    event.raw.fill(None);
                                    event.more.clear();
                                    id = format!("{key:032x}").into();
                                }
                                None if self.deletions.is_gone(&self.vault, post, &event)? => {
                                    figures.deleted += 1;
                                    continue;
                                }
                                None => {}
                            }
                        }
                        figures.landed += 1;
                        let occurred = event.occurred.unwrap_or(received as i64 * 1000);
                        let own_end = (occurred.div_euclid(3_600_000_000) + 1) * 3_600_000;
                        let late = received as i64 > own_end + late_after as i64;
                        if late {
                            let own = (own_end - 1).max(0) as u64;
                            if late_hour.0 != own / 3_600_000 {
                                *late_hour = (own / 3_600_000, hour_of(own));
                            }
                            // Whatever hours producers say: the books stay of a size.
                            if figures.late.len() >= LATE_HOURS && !figures.late.contains_key(&late_hour.1) {
                                late_hour.1 = "other".into();
                            }
                            match figures.late.get_mut(&late_hour.1) {
                                Some(count) => *count += 1,
                                None => drop(figures.late.insert(late_hour.1.clone(), 1)),
                            }
                        }
                        let place = Place { id: Some(&id), occurred, received, late, person: Some(person) };
                        // Of an erased person nothing more is derived.
                        if !self.line.fills() || !self.vault.is_erased(person)? {
                            self.line.fill(event_type, &mut event);
                        }
                        rows.push(event_type, &event, &place);
                        // What is erased is known to nobody, now as later.
                        if let Some(wanted) = &watched
                            && !self.vault.is_erased(person)?
                        {
                            sorted.landed.push(Landed::new(wanted, &event, occurred, received));
                        }
                    }
                }
            }
        }
        sorted.put_away(current);
        Ok(sorted)
    }

    /// Who a dead letter seems to be of: by its subject, where that can still be read; else the letter is of itself.
    fn person_of_dead(&self, plan: &Plan, record: &[u8]) -> Person {
        let subject = || -> Option<Person> {
            let value: serde_json::Value = serde_json::from_slice(record).ok()?;
            let data = value.get("data").filter(|data| data.is_object()).unwrap_or(&value);
            plan.event_type.subject.iter().find_map(|name| {
                let named = data.get(name)?;
                let named = named.as_str().map_or_else(|| named.to_string(), str::to_string);
                let state = data.get("state").and_then(serde_json::Value::as_str);
                Some(named_person(&self.vault, &plan.event_type.name, name, &named, state))
            })
        };
        subject().unwrap_or_else(|| self.vault.person("letters", &[self.line.name.as_bytes()]))
    }
}

/// Records of some blocks, sorted.
struct Sorted {
    rows: BTreeMap<String, Rows>,
    dead: BTreeMap<String, DeadRows>,
    ids: HashSet<u128, ByKey>,
    page: Page,
    landed: Vec<Landed>,
    deletions: Vec<Deletion>,
}

/// The hour that is being filled.
struct Current {
    /// Hours since 1970.
    number: u64,
    hour: String,
    figures: Hour,
    rows: Rows,
    /// The hour that the last late event belongs to.
    late_hour: (u64, String),
}

impl Current {
    fn open(sorted: &mut Sorted, ledger: &Ledger, received: u64, event_type: &EventType) -> Current {
        let hour = hour_of(received);
        let figures = ledger.hour(&mut sorted.page, &hour);
        let rows = sorted.rows.remove(&hour).unwrap_or_else(|| Rows::new(event_type));
        Current { number: received / 3_600_000, hour, figures, rows, late_hour: (u64::MAX, String::new()) }
    }
}

impl Sorted {
    fn put_away(&mut self, current: Option<Current>) {
        let Some(Current { hour, figures, rows, .. }) = current else { return };
        if !rows.is_empty() {
            self.rows.insert(hour.clone(), rows);
        }
        self.page.insert(hour, figures);
    }
}

/// Reads a record; one that breaks the reader is a dead letter like any other.
fn read<'a>(plan: &Plan, record: &'a [u8], received: u64, event: &mut Event<'a>) -> Result<(), Fault> {
    if plan.event_type.name == UNREADABLE {
        return Err(unreadable(record));
    }
    catch_unwind(AssertUnwindSafe(|| plan.read(record, received, event)))
        .unwrap_or_else(|_| Err(Fault { reason: "poison", detail: "the reader broke on it".into() }))
}

/// Why a record has no type.
fn unreadable(record: &[u8]) -> Fault {
    let fault = |reason, detail: &str| Fault { reason, detail: detail.to_string() };
    if record.len() > crate::reading::LARGEST {
        return fault("too_large", "an event has at most a megabyte");
    }
    if std::str::from_utf8(record).is_err() {
        return fault("invalid_utf8", "the event is not UTF-8 text");
    }
    match serde_json::from_slice::<serde::de::IgnoredAny>(record) {
        Err(error) => Fault {
            reason: "not_json",
            detail: format!("the event is not JSON; line {} column {}", error.line(), error.column()),
        },
        Ok(_) => match crate::reading::type_of(record) {
            Some(_) => fault("unknown_type", "there is no such type"),
            None => fault("no_type", "an event is an object with a type"),
        },
    }
}

/// The id of an event: the producer's, else a hash of all that it is.
fn id_of<'a>(event: &Event<'a>, record: &[u8]) -> std::borrow::Cow<'a, str> {
    match &event.id {
        Some(id) => id.clone(),
        None => blake3::hash(record).to_hex()[..32].to_string().into(),
    }
}

fn id_key(seed: u64, id: &str) -> u128 {
    xxh3_128_with_seed(id.as_bytes(), seed)
}

/// Who an event is of: the first of the type's subjects that it has; of nobody: the type's own key seals it.
pub(crate) fn person_of(vault: &Vault, plan: &Plan, event: &Event) -> Person {
    let text = |at: usize| match &event.values[at] {
        Value::Text(text) if !text.is_empty() => Some(&**text),
        _ => None,
    };
    for at in &plan.subject {
        if let Some(named) = text(*at) {
            let field = &plan.event_type.fields[*at].name;
            return named_person(vault, &plan.event_type.name, field, named, plan.state.and_then(text));
        }
    }
    vault.person("type", &[plan.event_type.name.as_bytes()])
}

/// The pseudonym of a person as a field names it: voters by state and id, addresses and numbers without regard to how
/// they are written, everything else within its type.
pub fn named_person(
    vault: &Vault,
    event_type: &str,
    field: &str,
    named: &str,
    state: Option<&str>,
) -> Person {
    match field {
        "voter_id" => {
            let state = state.unwrap_or_default().as_bytes();
            let mut code = [0; 8];
            let length = state.len().min(code.len());
            code[..length].copy_from_slice(&state[..length]);
            code.make_ascii_uppercase();
            vault.person("voter", &[&code[..length], b"/", named.as_bytes()])
        }
        "email" => vault.person("email", &[named.trim().to_lowercase().as_bytes()]),
        "phone" => {
            let digits: String = named.chars().filter(char::is_ascii_digit).collect();
            vault.person("phone", &[&digits.as_bytes()[digits.len().saturating_sub(10)..]])
        }
        _ => vault.person(field, &[event_type.as_bytes(), b"/", named.as_bytes()]),
    }
}
