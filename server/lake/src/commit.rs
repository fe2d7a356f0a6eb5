//! Committing: files into tables, tables into a release.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::PathBuf;

use chrono::Utc;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake_core::kernel::{Action, Add, DataType, Metadata, MetadataExt, StructField, StructType};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::table::state::DeltaTableState;
use deltalake_core::{DeltaTable, DeltaTableError};
use object_store::ObjectStoreExt;

use bellwether_schema::catalog::{ColumnType, Table};

use crate::release::StandingLoad;
use crate::{DataFile, Error, Lake, LoadRecord, Release, TableVersion, catalog_table, stats};

/// What a release changes.
pub struct Change {
    pub what: String,
    pub files: Vec<NewFiles>,
    pub load: Option<LoadRecord>,
    /// For derived tables: what each was made from.
    pub inputs: BTreeMap<String, String>,
}

/// Parquet files that take the place of everything in one partition of a table.
pub struct NewFiles {
    pub table: String,
    /// Partition values in the order of the catalog; of a table without partitions, everything is replaced.
    /// An empty list for a partitioned table replaces everything too, with `files` empty.
    pub partition: Vec<String>,
    /// Local files, moved or uploaded.
    pub files: Vec<PathBuf>,
}

/// Held by the one process that writes to a local lake. Freed when dropped, or by the system when the process
/// dies. Remote lakes have none: there the release file decides.
pub struct WriteLock {
    _file: Option<File>,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

pub(crate) fn failed(operation: &'static str, table: &str, cause: impl Into<Cause>) -> Error {
    Error::Table { operation, table: table.to_string(), cause: cause.into() }
}

impl Lake {
    /// Takes the write lock, or fails at once with [`Error::Busy`].
    pub fn lock(&self) -> Result<WriteLock, Error> {
        let Some(folder) = &self.folder else {
            return Ok(WriteLock { _file: None });
        };
        let fail =
            |cause: std::io::Error| Error::Open { location: self.location.clone(), cause: cause.into() };
        let file = File::create(folder.join(".lock")).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {
                self.sweep(folder);
                Ok(WriteLock { _file: Some(file) })
            }
            Err(std::fs::TryLockError::WouldBlock) => Err(Error::Busy),
            Err(std::fs::TryLockError::Error(cause)) => Err(fail(cause)),
        }
    }

    /// Removes what killed loads left in the staging folder: whoever holds the lock is the only one to stage.
    /// Uploads wait there too, under other names.
    fn sweep(&self, folder: &std::path::Path) {
        for entry in std::fs::read_dir(folder.join(".staging")).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("load-") {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Commits a change to its tables, one atomic commit each, and writes the release that makes it count.
    pub async fn commit(&self, _lock: &WriteLock, change: Change) -> Result<Release, Error> {
        let previous = self.latest().await?;
        let mut release = previous.clone();
        release.id = format!("r{}", previous.number() + 1);
        release.created = Utc::now();
        release.what = change.what;
        let mut by_table: BTreeMap<String, Vec<NewFiles>> = BTreeMap::new();
        for files in change.files {
            by_table.entry(files.table.clone()).or_default().push(files);
        }
        let mut wrote = Vec::new();
        for (name, files) in by_table {
            for one in &files {
                wrote.push(format!("{name}/{}", one.partition.join("/")));
            }
            let pinned = previous.tables.get(&name).map(|table| table.version);
            let (version, rows) = self.commit_table(&name, pinned, files).await?;
            let inputs = change.inputs.get(&name).cloned();
            release.tables.insert(name, TableVersion { version, rows, inputs });
        }
        if let Some(load) = &change.load {
            release.standing.retain(|standing| !standing.wrote.iter().any(|place| wrote.contains(place)));
            let standing = StandingLoad { id: load.id.clone(), fingerprint: load.fingerprint.clone(), wrote };
            release.standing.push(standing);
        }
        release.load = change.load;
        self.write_release(&release).await?;
        Ok(release)
    }

    /// Brings a table from wherever its log stands to: the released files, less the replaced partitions, plus the
    /// new files. Gives the new version and its rows.
    async fn commit_table(
        &self,
        name: &str,
        pinned: Option<u64>,
        files: Vec<NewFiles>,
    ) -> Result<(u64, u64), Error> {
        let table = catalog_table(name);
        let delta = self.open_or_create(table).await?;
        let state = delta.snapshot().map_err(|cause| failed("read the log", name, cause))?;
        let released = match pinned {
            Some(version) => adds_at(&delta, name, version).await?,
            None => BTreeMap::new(),
        };
        let replaced = |add: &Add| {
            files.iter().any(|new| {
                let pairs = table.partition_by.iter().zip(&new.partition);
                pairs.into_iter().all(|(column, value)| {
                    add.partition_values.get(column).and_then(|value| value.as_deref())
                        == Some(value.as_str())
                })
            })
        };
        let mut wanted: BTreeMap<String, Add> =
            released.into_iter().filter(|(_, add)| !replaced(add)).collect();
        for new in &files {
            for file in &new.files {
                let add = self.place(table, &new.partition, file).await?;
                wanted.insert(add.path.clone(), add);
            }
        }
        let rows = wanted.values().filter_map(rows_of).sum();
        let present: BTreeSet<String> =
            state.log_data().iter().map(|file| file.path().into_owned()).collect();
        let mut actions: Vec<Action> = state
            .log_data()
            .iter()
            .filter(|file| !wanted.contains_key(file.path().as_ref()))
            .map(|file| Action::Remove(file.remove_action(true)))
            .collect();
        actions.extend(wanted.into_values().filter(|add| !present.contains(&add.path)).map(Action::Add));
        actions.extend(grown(table, state)?.map(Action::Metadata));
        let operation = DeltaOperation::Write {
            mode: SaveMode::Overwrite,
            partition_by: (!table.partition_by.is_empty()).then(|| table.partition_by.clone()),
            predicate: None,
        };
        let committed = CommitBuilder::from(properties())
            .with_actions(actions)
            .build(Some(state), delta.log_store(), operation)
            .await
            .map_err(|cause| failed("commit", name, cause))?;
        let version = committed.version();
        self.sync_log(name, version).map_err(|cause| failed("sync the log", name, cause))?;
        Ok((version, rows))
    }

    pub(crate) async fn open_or_create(&self, table: &Table) -> Result<DeltaTable, Error> {
        let mut delta = self.delta(&table.name)?;
        match delta.load().await {
            Ok(()) => return Ok(delta),
            Err(DeltaTableError::NotATable(_)) => {}
            Err(cause) => return Err(failed("read the log", &table.name, cause)),
        }
        let fields = table
            .columns
            .iter()
            .map(|column| StructField::nullable(&column.name, data_type(column.column_type)));
        delta
            .create()
            .with_columns(fields)
            .with_partition_columns(table.partition_by.iter().cloned())
            .with_save_mode(SaveMode::ErrorIfExists)
            .with_configuration([("delta.enableExpiredLogCleanup", Some("false"))])
            .with_commit_properties(properties())
            .await
            .map_err(|cause| failed("create the log", &table.name, cause))
    }

    /// Moves or uploads a staged file to its place in the table.
    async fn place(&self, table: &Table, partition: &[String], file: &std::path::Path) -> Result<Add, Error> {
        let fail = |cause: Cause| failed("add a file", &table.name, cause);
        let stats = stats::of_file(table, file).map_err(fail)?;
        let size = std::fs::metadata(file).map_err(|cause| fail(cause.into()))?.len() as i64;
        let mut path = String::new();
        for (column, value) in table.partition_by.iter().zip(partition) {
            path.push_str(&format!("{column}={}/", folder_safe(value)));
        }
        path.push_str(&format!("{}.parquet", uuid::Uuid::now_v7()));
        match &self.folder {
            Some(folder) => {
                let target = folder.join("tables").join(&table.name).join(&path);
                move_synced(file, &target).map_err(|cause| fail(cause.into()))?;
            }
            None => {
                let bytes = std::fs::read(file).map_err(|cause| fail(cause.into()))?;
                let target = object_store::path::Path::from(format!("tables/{}/{path}", table.name));
                self.store.put(&target, bytes.into()).await.map_err(|cause| fail(cause.into()))?;
            }
        }
        let values: HashMap<String, Option<String>> =
            table.partition_by.iter().cloned().zip(partition.iter().cloned().map(Some)).collect();
        Ok(Add {
            path,
            partition_values: values,
            size,
            modification_time: Utc::now().timestamp_millis(),
            data_change: true,
            stats: Some(stats),
            ..Add::default()
        })
    }

    /// The Delta library does not sync what it writes; a release must not count on a commit that a power cut undoes.
    pub(crate) fn sync_log(&self, table: &str, version: u64) -> std::io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let log = folder.join("tables").join(table).join("_delta_log");
        for version in version.saturating_sub(1)..=version {
            let commit = log.join(format!("{version:020}.json"));
            if commit.exists() {
                File::open(commit)?.sync_all()?;
            }
        }
        File::open(log)?.sync_all()
    }

    /// The same for one commit, the ones before which are synced.
    pub(crate) fn sync_commit(&self, table: &str, version: u64) -> std::io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        if version <= 1 {
            return self.sync_log(table, version);
        }
        let log = folder.join("tables").join(table).join("_delta_log");
        File::open(log.join(format!("{version:020}.json")))?.sync_all()?;
        File::open(log)?.sync_all()
    }
}

/// The table's description with the columns that the catalog has got since the table was made; none where it has them all.
pub(crate) fn grown(table: &Table, state: &DeltaTableState) -> Result<Option<Metadata>, Error> {
    let schema = state.schema();
    let known: Vec<StructField> = schema.fields().cloned().collect();
    let is_new = |name: &str| known.iter().all(|field| field.name() != name);
    let new = table.columns.iter().filter(|column| is_new(&column.name));
    let new: Vec<StructField> =
        new.map(|column| StructField::nullable(&column.name, data_type(column.column_type))).collect();
    if new.is_empty() {
        return Ok(None);
    }
    let fail = |cause: Cause| failed("add a column", &table.name, cause);
    let schema = StructType::try_new(known.into_iter().chain(new)).map_err(|cause| fail(cause.into()))?;
    state.metadata().clone().with_schema(&schema).map(Some).map_err(|cause| fail(cause.into()))
}

pub(crate) fn properties() -> CommitProperties {
    // Without retries a commit is a strict compare-and-swap on the version that it was computed from.
    CommitProperties::default()
        .with_max_retries(0)
        .with_create_checkpoint(false)
        .with_cleanup_expired_logs(Some(false))
}

fn data_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Text => DataType::STRING,
        ColumnType::Integer => DataType::INTEGER,
        ColumnType::Bigint => DataType::LONG,
        ColumnType::Double => DataType::DOUBLE,
        ColumnType::Boolean => DataType::BOOLEAN,
        ColumnType::Date => DataType::DATE,
        ColumnType::Bytes => DataType::BINARY,
        ColumnType::Timestamp => DataType::TIMESTAMP,
    }
}

/// Folder names hold letters, digits and a few signs; everything else becomes `_`. The value itself is in the log.
pub(crate) fn folder_safe(value: &str) -> String {
    let safe = |character: char| {
        if character.is_ascii_alphanumeric() || "-_.".contains(character) { character } else { '_' }
    };
    value.chars().map(safe).collect()
}

fn move_synced(from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
    let parent = to.parent().unwrap_or(to);
    std::fs::create_dir_all(parent)?;
    if std::fs::rename(from, to).is_err() {
        // Another file system.
        std::fs::copy(from, to)?;
    }
    File::open(to)?.sync_all()?;
    // The folders may be new: each is only durable when the one above it is synced.
    for folder in parent.ancestors().take(4) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

pub(crate) fn rows_of(add: &Add) -> Option<u64> {
    let stats: serde_json::Value = serde_json::from_str(add.stats.as_deref()?).ok()?;
    stats.get("numRecords")?.as_u64()
}

async fn state_at(delta: &DeltaTable, table: &str, version: u64) -> Result<DeltaTableState, Error> {
    DeltaTableState::try_new(delta.log_store().as_ref(), Some(version))
        .await
        .map_err(|cause| failed("read an earlier version", table, cause))
}

/// The files of a version as the actions that would add them.
async fn adds_at(delta: &DeltaTable, table: &str, version: u64) -> Result<BTreeMap<String, Add>, Error> {
    let state = state_at(delta, table, version).await?;
    let log = state.log_data();
    let adds = log.iter().map(|file| {
        let add = Add {
            path: file.path().into_owned(),
            partition_values: file.partition_values_map(),
            size: file.size(),
            modification_time: file.modification_time(),
            data_change: true,
            stats: file.stats(),
            ..Add::default()
        };
        (add.path.clone(), add)
    });
    Ok(adds.collect())
}

pub async fn files_at(delta: &DeltaTable, table: &str, version: u64) -> Result<Vec<DataFile>, Error> {
    let adds = adds_at(delta, table, version).await?;
    let files = adds.into_values().map(|add| DataFile {
        rows: rows_of(&add),
        path: add.path,
        bytes: add.size,
        partition: add.partition_values.into_iter().collect(),
    });
    Ok(files.collect())
}
