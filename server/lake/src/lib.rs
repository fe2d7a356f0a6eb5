//! The lake: Delta tables and the releases that pin them, in a local folder or on an object store.
//!
//! A load is one atomic commit a table, then one release over all. The release file is the commit point: what
//! was committed without a release is undone by the next commit, so a process killed at any moment leaves the
//! previous release whole. Only this server writes.

mod append;
mod commit;
mod location;
mod release;
mod stats;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bellwether_schema::catalog;
use deltalake_core::DeltaTable;
use object_store::{ObjectStore, ObjectStoreExt};

pub use append::{Growing, Piece};
pub use commit::{Change, NewFiles, WriteLock};
pub use release::{LoadRecord, Release, TableVersion};

/// Why the lake could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot open the lake at {location}")]
    Open {
        location: String,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("cannot {operation} of table {table}")]
    Table {
        operation: &'static str,
        table: String,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("cannot {operation} release {release}")]
    Release {
        operation: &'static str,
        release: String,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("no release {asked}; {known}")]
    UnknownRelease { asked: String, known: String },
    #[error("another writer made release {0} meanwhile; run the command again")]
    Conflict(String),
    #[error("another process is writing to this lake; try again when it is done")]
    Busy,
}

/// A lake. Cheap to clone.
#[derive(Clone)]
pub struct Lake {
    location: String,
    url: url::Url,
    options: BTreeMap<String, String>,
    store: Arc<dyn ObjectStore>,
    /// The folder, where the lake is one.
    folder: Option<PathBuf>,
}

/// One Parquet file of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    /// Path below the table's folder.
    pub path: String,
    pub bytes: i64,
    pub rows: Option<u64>,
    pub partition: BTreeMap<String, Option<String>>,
}

impl Lake {
    /// Opens the lake at a folder, which is made, or at a URL (`s3://`, `gs://`, `az://`). `options` are passed to
    /// the object store: keys and endpoints, named as `object_store` names them.
    pub fn open(location: &str, options: BTreeMap<String, String>) -> Result<Lake, Error> {
        location::open(location, options)
    }

    /// Where the lake is, as it was given.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The folder of all tables, where the lake is a folder.
    pub fn tables_folder(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join("tables"))
    }

    /// A new folder for the files of a load: within a local lake, so that they need no copy. Its maker holds the lock.
    pub fn staging(&self, _lock: &WriteLock) -> Result<tempfile::TempDir, Error> {
        self.folder_for("load-")
    }

    /// A new folder for uploads that wait to be loaded.
    pub fn uploads(&self) -> Result<tempfile::TempDir, Error> {
        self.folder_for("upload-")
    }

    fn folder_for(&self, prefix: &str) -> Result<tempfile::TempDir, Error> {
        let made = match &self.folder {
            Some(folder) => {
                let parent = folder.join(".staging");
                std::fs::create_dir_all(&parent)
                    .and_then(|()| tempfile::Builder::new().prefix(prefix).tempdir_in(parent))
            }
            None => tempfile::tempdir(),
        };
        made.map_err(|cause| Error::Open { location: self.location.clone(), cause: cause.into() })
    }

    /// The Parquet files of a table in a release, sorted by path.
    pub async fn files(&self, release: &Release, table: &str) -> Result<Vec<DataFile>, Error> {
        let Some(pinned) = release.tables.get(table) else {
            return Ok(Vec::new());
        };
        let delta = self.delta(table)?;
        let mut files = commit::files_at(&delta, table, pinned.version).await?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// The files of a table as local paths; those of a remote lake are fetched into `cache` once.
    pub async fn local_files(
        &self,
        release: &Release,
        table: &str,
        cache: &Path,
    ) -> Result<Vec<PathBuf>, Error> {
        let mut paths = Vec::new();
        for file in self.files(release, table).await? {
            let path = match &self.folder {
                Some(folder) => folder.join("tables").join(table).join(&file.path),
                None => self.fetch(table, &file.path, cache).await?,
            };
            paths.push(path);
        }
        Ok(paths)
    }

    async fn fetch(&self, table: &str, path: &str, cache: &Path) -> Result<PathBuf, Error> {
        let target = cache.join(table).join(path);
        if target.exists() {
            return Ok(target);
        }
        let fail = |cause: Box<dyn std::error::Error + Send + Sync>| Error::Table {
            operation: "fetch a file",
            table: table.to_string(),
            cause,
        };
        let source = object_store::path::Path::from(format!("tables/{table}/{path}"));
        let found = self.store.get(&source).await.map_err(|cause| fail(cause.into()))?;
        let bytes = found.bytes().await.map_err(|cause| fail(cause.into()))?;
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(target.parent().unwrap_or(cache))?;
            let partial = target.with_extension("partial");
            std::fs::write(&partial, &bytes)?;
            std::fs::rename(partial, &target)
        };
        write().map_err(|cause| fail(cause.into()))?;
        Ok(target)
    }

    fn delta(&self, table: &str) -> Result<DeltaTable, Error> {
        location::delta_table(self, table)
    }
}

/// The catalog entry of a table that a change names.
fn catalog_table(name: &str) -> &'static catalog::Table {
    catalog::table(name).expect("changes name tables of the catalog")
}
