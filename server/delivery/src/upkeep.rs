//! What a worker does to its tables between landings: small files of an hour that is over are made into one, hours beyond
//! their retention are forgotten, persons are erased, posts deleted, an hour written anew by a newer version of its type.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use bellwether_lake::{DataFile, Growing, Piece};
use tokio::runtime::Handle;

use crate::Error;
use crate::deletions::Deletion;
use crate::ledger::hour_of;
use crate::reading::Event;
use crate::rows::{Place, Rows};
use crate::stored::{self, Fate};
use crate::vault::{Person, Vault};
use crate::worker::{Worker, named_person};

/// How long files that are no longer in the table stay for those who read them just now.
const LINGER: Duration = Duration::from_secs(600);

/// What a worker is asked to do.
pub(crate) type Task = Box<dyn FnOnce(&mut Worker, &Handle) + Send>;

/// Files that are to be deleted, and from when on.
#[derive(Default)]
pub(crate) struct Leaving(Vec<(Instant, PathBuf)>);

impl Leaving {
    fn add(&mut self, table: &Growing, files: &[DataFile], at: Instant) {
        if let Some(folder) = table.staging() {
            self.0.extend(files.iter().map(|file| (at, folder.join(&file.path))));
        }
    }

    fn sweep(&mut self) {
        self.0.retain(|(at, path)| {
            *at > Instant::now() || std::fs::remove_file(path).is_err() && path.exists()
        });
    }
}

/// Which of a type's two tables.
#[derive(Clone, Copy)]
enum Which {
    Events,
    Dead,
}

impl Worker {
    /// Files of one of the tables with their local paths, those of one hour together.
    fn hours_of(
        &self,
        which: Which,
        runtime: &Handle,
    ) -> Result<std::collections::BTreeMap<String, Vec<(DataFile, PathBuf)>>, Error> {
        let table = match which {
            Which::Events => &self.table,
            Which::Dead => &self.dead,
        };
        let mut hours = std::collections::BTreeMap::new();
        for file in table.files()? {
            let hour = file.partition.get("hour").cloned().flatten().unwrap_or_default();
            let path = runtime.block_on(table.local(&file, &self.staging))?;
            hours.entry(hour).or_insert_with(Vec::new).push((file, path));
        }
        Ok(hours)
    }

    /// Does what is due: once an hour for each table is enough.
    pub(crate) fn upkeep(&mut self, runtime: &Handle) -> Result<(), Error> {
        self.leaving.sweep();
        let now = crate::now();
        let open = hour_of(now);
        if self.kept_up == open {
            return Ok(());
        }
        let days = u64::from(self.line.plan().event_type.retention_days);
        let oldest = hour_of(now.saturating_sub(days * 86_400_000));
        for which in [Which::Events, Which::Dead] {
            for (hour, files) in self.hours_of(which, runtime)? {
                if hour < oldest {
                    self.put(which, &hour, files, None, LINGER, runtime)?;
                } else if hour < open && files.len() > 1 {
                    self.rewrite(which, &hour, files, LINGER, runtime, |_, _| Ok(Fate::Keep))?;
                }
            }
        }
        self.kept_up = open;
        Ok(())
    }

    /// Writes an hour's files anew, as one. Gives how many rows changed.
    fn rewrite(
        &mut self,
        which: Which,
        hour: &str,
        files: Vec<(DataFile, PathBuf)>,
        linger: Duration,
        runtime: &Handle,
        fate: impl FnMut(&RecordBatch, usize) -> Result<Fate, Error>,
    ) -> Result<usize, Error> {
        let table = match which {
            Which::Events => self.table.table(),
            Which::Dead => self.dead.table(),
        };
        let path = self.staging.join(format!("{hour}-anew.parquet"));
        let paths: Vec<PathBuf> = files.iter().map(|(_, path)| path.clone()).collect();
        let fields = self.line.plan();
        let derived = fields.event_type.fields.iter().filter(|field| field.derived);
        let derived: Vec<String> = derived.map(|field| field.name.clone()).collect();
        let (rows, changed) = stored::rewrite(table, &paths, &path, &derived, fate)?;
        if changed > 0 || files.len() > 1 {
            self.put(which, hour, files, (rows > 0).then_some(path), linger, runtime)?;
        }
        Ok(changed)
    }

    /// Puts one new file, or none, into the place of others.
    fn put(
        &mut self,
        which: Which,
        hour: &str,
        old: Vec<(DataFile, PathBuf)>,
        new: Option<PathBuf>,
        linger: Duration,
        runtime: &Handle,
    ) -> Result<(), Error> {
        let old: Vec<DataFile> = old.into_iter().map(|(file, _)| file).collect();
        let new = new.map(|file| Piece { partition: hour.to_string(), file }).into_iter().collect();
        let table = match which {
            Which::Events => &mut self.table,
            Which::Dead => &mut self.dead,
        };
        runtime.block_on(table.replace(&old, new))?;
        self.leaving.add(table, &old, Instant::now() + linger);
        self.tell_files();
        self.leaving.sweep();
        Ok(())
    }

    /// Takes persons out of the tables: their rows keep what is public, their dead letters go. `named` are texts that tell
    /// them in a letter that names nobody.
    pub(crate) fn erase(
        &mut self,
        persons: &[Person],
        named: &[String],
        runtime: &Handle,
    ) -> Result<usize, Error> {
        let mut changed = 0;
        let is_one =
            |batch: &RecordBatch, row| stored::person(batch, row).is_some_and(|one| persons.contains(&one));
        for (hour, files) in self.hours_of(Which::Events, runtime)? {
            for file in files {
                let mut holds = false;
                stored::batches(self.table.table(), &file.1, |batch| {
                    holds |= (0..batch.num_rows()).any(|row| is_one(&batch, row));
                    Ok(())
                })?;
                if holds {
                    changed += self.rewrite(
                        Which::Events,
                        &hour,
                        vec![file],
                        Duration::ZERO,
                        runtime,
                        |batch, row| Ok(if is_one(batch, row) { Fate::Strip } else { Fate::Keep }),
                    )?;
                }
            }
        }
        let (vault, name) = (self.vault.clone(), self.line.name.clone());
        for (hour, files) in self.hours_of(Which::Dead, runtime)? {
            changed += self.rewrite(Which::Dead, &hour, files, Duration::ZERO, runtime, |batch, row| {
                let tells = || {
                    letter(&vault, &name, batch, row)
                        .is_some_and(|text| named.iter().any(|one| names(&text, one)))
                };
                Ok(if is_one(batch, row) || tells() { Fate::Drop } else { Fate::Keep })
            })?;
        }
        Ok(changed)
    }

    /// Takes posts out of the table that were deleted where they were posted.
    pub(crate) fn delete_posts(&mut self, runtime: &Handle) -> Result<(), Error> {
        let deletions = self.deletions.waiting().to_vec();
        if deletions.is_empty() || Instant::now() < self.delete_next {
            return Ok(());
        }
        let started = Instant::now();
        // Where every deletion names its author, only their rows are opened.
        let (vault, plan) = (self.vault.clone(), self.line.plan());
        let of_nobody = |post: &str| named_person(&vault, &plan.event_type.name, "post_id", post, None);
        let persons = |deletion: &Deletion| -> Option<Vec<Person>> {
            // A post may have been told without its author.
            Some(deletion.author().into_iter().chain(deletion.post_id().map(of_nobody)).collect::<Vec<_>>())
                .filter(|_| deletion.author().is_some())
        };
        let authors: Option<Vec<Vec<Person>>> = deletions.iter().map(persons).collect();
        let authors = authors.map(|lists| lists.concat());
        let fate = |batch: &RecordBatch, row: usize| -> Result<Fate, Error> {
            let Some(person) = stored::person(batch, row) else { return Ok(Fate::Keep) };
            if authors.as_ref().is_some_and(|authors| !authors.contains(&person)) {
                return Ok(Fate::Keep);
            }
            let event = stored::event(&vault, &plan.event_type, batch, row)?;
            let meant = deletions.iter().any(|deletion| deletion.means(&event));
            Ok(if meant { Fate::Drop } else { Fate::Keep })
        };
        for (hour, files) in self.hours_of(Which::Events, runtime)? {
            for file in files {
                let mut count = 0;
                stored::batches(self.table.table(), &file.1, |batch| {
                    for row in 0..batch.num_rows() {
                        count += u64::from(fate(&batch, row)? == Fate::Drop);
                    }
                    Ok(())
                })?;
                if count > 0 {
                    let page = self.ledger.without(&hour, count);
                    self.table.set_note(serde_json::to_value(&page).unwrap_or_default());
                    self.rewrite(Which::Events, &hour, vec![file], Duration::ZERO, runtime, fate)?;
                    self.ledger.deleted(&hour, count)?;
                }
            }
        }
        // A pass reads the whole table: passes take a tenth of the time at most.
        self.delete_next = Instant::now() + started.elapsed() * 10;
        self.deletions.done()
    }

    /// Writes the hours of a range anew as the type reads events now. Gives the rows that were written.
    pub(crate) fn rebuild(&mut self, from: &str, to: &str, runtime: &Handle) -> Result<usize, Error> {
        // What is derived would be lost where it cannot be derived yet.
        let patience = Instant::now() + Duration::from_secs(30);
        while !self.line.is_ready() {
            if Instant::now() > patience {
                return Err(Error::NotReady);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let (plan, mut count) = (self.line.plan(), 0);
        self.table.grow(plan.event_type.stored());
        for (hour, files) in self.hours_of(Which::Events, runtime)? {
            if hour.as_str() < from || hour.as_str() > to {
                continue;
            }
            let (mut rows, mut readable) = (Rows::new(&plan.event_type), true);
            for (_, path) in &files {
                stored::batches(self.table.table(), path, |batch| {
                    for row in 0..batch.num_rows() {
                        let event = stored::event(&self.vault, &plan.event_type, &batch, row)?;
                        let record = serde_json::Value::from(event).to_string().into_bytes();
                        let number = |name: &str| stored::number(&batch, name, row).unwrap_or_default();
                        let (received, occurred) =
                            ((number("received_at") / 1000) as u64, number("occurred_at"));
                        let mut read = Event::default();
                        if plan.read_again(&record, received, &mut read).is_err() {
                            // What the newer version cannot read must not be lost: the hour stays as it is.
                            readable = false;
                            return Ok(());
                        }
                        self.line.fill(&plan.event_type, &mut read);
                        let late = batch
                            .column_by_name("late")
                            .is_some_and(|late| arrow_array::cast::AsArray::as_boolean(late).value(row));
                        let id = stored::text(&batch, "event_id", row);
                        let person = stored::person(&batch, row);
                        rows.push(&plan.event_type, &read, &Place { id, occurred, received, late, person });
                    }
                    Ok(())
                })?;
            }
            if !readable {
                continue;
            }
            count += rows.len();
            let path = self.staging.join(format!("{hour}-rebuilt.parquet"));
            rows.write(self.table.table(), &self.vault, &path)?;
            self.vault.sync()?;
            self.put(Which::Events, &hour, files, Some(path), LINGER, runtime)?;
        }
        Ok(count)
    }

    /// Dead letters, the newest first, as many as `wanted` lets through.
    pub(crate) fn letters(
        &self,
        mut wanted: impl FnMut(&Letter) -> bool,
        most: usize,
        runtime: &Handle,
    ) -> Result<Vec<Letter>, Error> {
        let mut letters = Vec::new();
        for (_, files) in self.hours_of(Which::Dead, runtime)?.into_iter().rev() {
            let mut of_hour = Vec::new();
            for (_, path) in &files {
                stored::batches(self.dead.table(), path, |batch| {
                    for row in 0..batch.num_rows() {
                        let number = stored::number(&batch, "number", row).unwrap_or_default() as u64;
                        let text =
                            |name: &str| stored::text(&batch, name, row).unwrap_or_default().to_string();
                        let one = Letter {
                            number,
                            received: (stored::number(&batch, "received_at", row).unwrap_or_default() / 1000)
                                as u64,
                            reason: text("reason"),
                            detail: text("detail"),
                            payload: None,
                        };
                        if wanted(&one) {
                            let payload = stored::opened(
                                &self.vault,
                                &self.line.name,
                                &number.to_string(),
                                &batch,
                                row,
                            )?;
                            of_hour.push(Letter { payload, ..one });
                        }
                    }
                    Ok(())
                })?;
            }
            of_hour.sort_by_key(|letter| std::cmp::Reverse(letter.number));
            letters.extend(of_hour);
            if letters.len() >= most {
                letters.truncate(most);
                break;
            }
        }
        Ok(letters)
    }
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// Its place in the type's queue.
    pub number: u64,
    /// Milliseconds since 1970.
    pub received: u64,
    pub reason: String,
    pub detail: String,
    /// What was received; none where it is of somebody who was erased.
    pub payload: Option<Vec<u8>>,
}

/// The text of a dead letter.
fn letter(vault: &Vault, name: &str, batch: &RecordBatch, row: usize) -> Option<String> {
    let number = stored::number(batch, "number", row)?;
    let opened = stored::opened(vault, name, &number.to_string(), batch, row).ok()??;
    Some(String::from_utf8_lossy(&opened).into_owned())
}

/// Whether a dead letter names somebody: as a value of its own where it is JSON, else anywhere where that is no accident.
fn names(text: &str, who: &str) -> bool {
    fn within(value: &serde_json::Value, who: &str) -> bool {
        match value {
            serde_json::Value::String(text) => text.eq_ignore_ascii_case(who),
            serde_json::Value::Number(number) => number.to_string() == who,
            serde_json::Value::Array(list) => list.iter().any(|one| within(one, who)),
            serde_json::Value::Object(object) => object.values().any(|one| within(one, who)),
            _ => false,
        }
    }
    match serde_json::from_str(text) {
        Ok(value) => within(&value, who),
        Err(_) => who.len() >= 6 && text.contains(who),
    }
}
