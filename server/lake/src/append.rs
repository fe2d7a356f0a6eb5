//! Tables that grow by themselves: events are appended to them as they land, between releases and apart from them.
//!
//! An append names the position of the queue up to which it holds what was received, in the same atomic commit (a Delta
//! `txn` action): whoever goes on after a crash asks the table, and nothing lands twice.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use bellwether_schema::catalog::Table;
use chrono::Utc;
use deltalake_core::kernel::transaction::CommitBuilder;
use deltalake_core::kernel::{Action, Add, Transaction};
use deltalake_core::protocol::checkpoints;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableError};
use object_store::ObjectStoreExt;
use serde_json::Value;

use crate::commit::{failed, folder_safe, grown, properties, rows_of};
use crate::{DataFile, Error, Lake, stats};

/// Versions after which the log is summed up, so that readers need not read all of it.
const CHECKPOINT: u64 = 64;
/// Who the position is of, in the log.
const QUEUE: &str = "bellwether-delivery";
/// Where the note stands in a commit's information.
const NOTE: &str = "bellwetherNote";

/// A table that is appended to. One process at a time holds it.
pub struct Growing {
    lake: Lake,
    table: Table,
    /// None until something is appended: a type of which nothing ever happened has no table.
    delta: Option<DeltaTable>,
    position: Option<i64>,
    note: Option<Value>,
}

/// A new file of one partition, on local disk, and its rows.
pub struct Piece {
    /// Value of the table's one partition column.
    pub partition: String,
    pub file: PathBuf,
}

impl Lake {
    /// Opens a table to append to it; it is made with the first append.
    pub async fn growing(&self, table: Table) -> Result<Growing, Error> {
        let (name, mut position) = (table.name.clone(), None);
        let known = match &self.folder {
            Some(folder) => folder.join("tables").join(&name).join("_delta_log").is_dir(),
            None => true,
        };
        let (mut delta, mut note) = (None, None);
        if known {
            let mut found = self.delta(&name)?;
            match found.load().await {
                Ok(()) => {
                    let state = found.snapshot().map_err(|cause| failed("read the log", &name, cause))?;
                    let store = found.log_store();
                    let moved = state.transaction_version(store.as_ref(), QUEUE).await;
                    position = moved.map_err(|cause| failed("read the position", &name, cause))?;
                    note = note_of(&found).await?;
                    delta = Some(found);
                }
                Err(DeltaTableError::NotATable(_)) => {}
                Err(cause) => return Err(failed("read the log", &name, cause)),
            }
        }
        Ok(Growing { lake: self.clone(), table, delta, position, note })
    }
}

impl Growing {
    /// Position of the queue before which everything is in the table; none where nothing was appended yet.
    pub fn position(&self) -> Option<u64> {
        self.position.map(|position| position as u64)
    }

    /// What the newest commit that moved the position noted with it.
    pub fn note(&self) -> Option<&Value> {
        self.note.as_ref()
    }

    pub fn table(&self) -> &Table {
        &self.table
    }

    /// From the next append on the table has these columns; those that it had stay as they are.
    pub fn grow(&mut self, table: Table) {
        self.table = table;
    }

    /// Folder for new files: the table's own where the lake is local, so that they need no copy.
    pub fn staging(&self) -> Option<PathBuf> {
        self.lake.folder.as_ref().map(|folder| folder.join("tables").join(&self.table.name))
    }

    /// The files of the newest version.
    pub fn files(&self) -> Result<Vec<DataFile>, Error> {
        let Some(delta) = &self.delta else { return Ok(Vec::new()) };
        let state = delta.snapshot().map_err(|cause| failed("read the log", &self.table.name, cause))?;
        let files = state.log_data().into_iter().map(|file| {
            let add = Add { stats: file.stats(), ..Add::default() };
            DataFile {
                rows: rows_of(&add),
                path: file.path().into_owned(),
                bytes: file.size(),
                partition: file.partition_values_map().into_iter().collect(),
            }
        });
        Ok(files.collect())
    }

    /// Local path of a file of the table; fetched into `cache` where the lake is remote.
    pub async fn local(&self, file: &DataFile, cache: &Path) -> Result<PathBuf, Error> {
        match &self.lake.folder {
            Some(folder) => Ok(folder.join("tables").join(&self.table.name).join(&file.path)),
            None => self.lake.fetch(&self.table.name, &file.path, cache).await,
        }
    }

    /// Adds files, moves the position and notes what belongs to it, at once. Gives the new version.
    pub async fn append(&mut self, pieces: Vec<Piece>, position: u64, note: Value) -> Result<u64, Error> {
        self.note = Some(note);
        let outcome = self.change(pieces, &[], Some(position)).await;
        self.settled(outcome, |table| table.position >= Some(position as i64)).await
    }

    /// What the next commits carry with them.
    pub fn set_note(&mut self, note: Value) {
        self.note = Some(note);
    }

    /// Puts files into the place of others, as when small ones are made into a large one or rows are erased.
    pub async fn replace(&mut self, old: &[DataFile], new: Vec<Piece>) -> Result<u64, Error> {
        let outcome = self.change(new, old, None).await;
        self.settled(outcome, |_| false).await
    }

    /// What came of a change: after an error the table is read again, because the commit may stand all the same.
    async fn settled(
        &mut self,
        outcome: Result<u64, Error>,
        stands: impl Fn(&Growing) -> bool,
    ) -> Result<u64, Error> {
        let Err(error) = outcome else { return outcome };
        let fresh = self.lake.growing(self.table.clone()).await?;
        self.delta = fresh.delta;
        self.position = fresh.position;
        match self.delta.as_ref().and_then(DeltaTable::version) {
            Some(version) if stands(self) => Ok(version),
            _ => Err(error),
        }
    }

    /// Deletes data files that are in no version's list: what a crash left behind. Only before anybody reads the table.
    pub fn sweep(&self) -> Result<(), Error> {
        let Some(folder) = self.staging() else { return Ok(()) };
        let known: std::collections::HashSet<PathBuf> =
            self.files()?.into_iter().map(|file| folder.join(file.path)).collect();
        for hour in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if hour.file_name().to_string_lossy().starts_with('_') {
                continue;
            }
            for file in std::fs::read_dir(hour.path()).into_iter().flatten().flatten() {
                let path = file.path();
                if path.extension().is_some_and(|ending| ending == "parquet") && !known.contains(&path) {
                    let _ = std::fs::remove_file(path);
                }
            }
        }
        Ok(())
    }

    async fn change(
        &mut self,
        pieces: Vec<Piece>,
        old: &[DataFile],
        position: Option<u64>,
    ) -> Result<u64, Error> {
        let name = self.table.name.clone();
        let mut actions = Vec::with_capacity(pieces.len() + old.len());
        for piece in pieces {
            actions.push(Action::Add(self.place(piece).await?));
        }
        if self.delta.is_none() {
            self.delta = Some(self.lake.open_or_create(&self.table).await?);
        }
        let delta = self.delta.as_mut().expect("opened above");
        let state = delta.snapshot().map_err(|cause| failed("read the log", &name, cause))?;
        let gone = |path: &str| old.iter().any(|file| file.path == path);
        if !old.is_empty() {
            let log = state.log_data();
            let removed = log.iter().filter(|file| gone(&file.path()));
            actions.extend(removed.map(|file| Action::Remove(file.remove_action(true))));
        }
        actions.extend(grown(&self.table, state)?.map(Action::Metadata));
        // Every commit carries the note on, so that the newest one has it.
        let note = self.note.clone().map(|note| (NOTE.to_string(), note));
        let mut properties = properties().with_metadata(note);
        if let Some(position) = position {
            let moved = Transaction::new_with_last_update(
                QUEUE,
                position as i64,
                Some(Utc::now().timestamp_millis()),
            );
            properties = properties.with_application_transaction(moved);
        }
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(self.table.partition_by.clone()),
            predicate: None,
        };
        let committed = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(state), delta.log_store(), operation)
            .await
            .map_err(|cause| failed("append", &name, cause))?;
        let version = committed.version();
        self.lake.sync_commit(&name, version).map_err(|cause| failed("sync the log", &name, cause))?;
        delta.state = Some(committed.snapshot());
        if let Some(position) = position {
            self.position = Some(position as i64);
        }
        if version % CHECKPOINT == 0 {
            // The commit stands without it; the next one is tried again.
            let _ = checkpoints::create_checkpoint(delta, None).await;
        }
        Ok(version)
    }

    async fn place(&self, piece: Piece) -> Result<Add, Error> {
        let fail =
            |cause: Box<dyn std::error::Error + Send + Sync>| failed("add a file", &self.table.name, cause);
        let stats = stats::of_file(&self.table, &piece.file).map_err(fail)?;
        let size = std::fs::metadata(&piece.file).map_err(|cause| fail(cause.into()))?.len() as i64;
        let column = &self.table.partition_by[0];
        let path = format!("{column}={}/{}.parquet", folder_safe(&piece.partition), uuid::Uuid::now_v7());
        match &self.lake.folder {
            Some(folder) => {
                let target = folder.join("tables").join(&self.table.name).join(&path);
                settle(&piece.file, &target).map_err(|cause| fail(cause.into()))?;
            }
            None => {
                let bytes = std::fs::read(&piece.file).map_err(|cause| fail(cause.into()))?;
                let target = object_store::path::Path::from(format!("tables/{}/{path}", self.table.name));
                self.lake.store.put(&target, bytes.into()).await.map_err(|cause| fail(cause.into()))?;
            }
        }
        Ok(Add {
            path,
            partition_values: HashMap::from([(column.clone(), Some(piece.partition))]),
            size,
            modification_time: Utc::now().timestamp_millis(),
            data_change: true,
            stats: Some(stats),
            ..Add::default()
        })
    }
}

/// The note of a table's newest commit.
async fn note_of(delta: &DeltaTable) -> Result<Option<Value>, Error> {
    let Some(version) = delta.version() else { return Ok(None) };
    let read = delta.log_store().read_commit_entry(version).await;
    let bytes = read.map_err(|cause| failed("read the newest commit", "events", cause))?;
    let lines = bytes.as_deref().unwrap_or_default().split(|byte| *byte == b'\n');
    let mut actions = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    Ok(actions.find_map(|mut action| Some(action.get_mut("commitInfo")?.get_mut(NOTE)?.take())))
}

/// Moves a file to its place for good: its bytes and its name survive.
fn settle(from: &Path, to: &Path) -> std::io::Result<()> {
    let parent = to.parent().unwrap_or(to);
    let is_new = !parent.is_dir();
    std::fs::create_dir_all(parent)?;
    File::open(from)?.sync_all()?;
    std::fs::rename(from, to)?;
    File::open(parent)?.sync_all()?;
    if is_new {
        for folder in parent.ancestors().skip(1).take(3) {
            File::open(folder)?.sync_all()?;
        }
    }
    Ok(())
}
