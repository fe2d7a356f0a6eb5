//! Releases: one version of every table under one id, as small JSON files that are written once.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions};
use serde::{Deserialize, Serialize};

use crate::{Error, Lake};

/// A consistent set of table versions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Release {
    /// `r1`, `r2` and so on.
    pub id: String,
    pub created: DateTime<Utc>,
    /// What made it, in a few words.
    pub what: String,
    pub tables: BTreeMap<String, TableVersion>,
    /// The load that made the release, where one did.
    #[serde(default)]
    pub load: Option<LoadRecord>,
    /// Loads whose rows are all still there, by fingerprint: the same files are recognised by these.
    #[serde(default)]
    pub standing: Vec<StandingLoad>,
}

/// A table's version within a release.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TableVersion {
    /// Version of the Delta table.
    pub version: u64,
    pub rows: u64,
    /// For derived tables, what they were made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<String>,
}

/// What a load did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoadRecord {
    pub id: String,
    pub kind: String,
    /// Hash of the kind, the arguments and the content of all files.
    pub fingerprint: String,
    /// The loader's report, as it printed it.
    pub report: serde_json::Value,
}

/// A load that no later one has replaced.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StandingLoad {
    pub id: String,
    pub fingerprint: String,
    /// `<table>/<partition values>` of everything that it wrote.
    pub wrote: Vec<String>,
}

impl Release {
    /// The number of the release: `r12` has 12.
    pub fn number(&self) -> u64 {
        number(&self.id).unwrap_or(0)
    }

    /// The release before the first load.
    pub fn empty() -> Release {
        Release {
            id: "r0".into(),
            created: DateTime::<Utc>::UNIX_EPOCH,
            what: "empty".into(),
            tables: BTreeMap::new(),
            load: None,
            standing: Vec::new(),
        }
    }
}

fn number(id: &str) -> Option<u64> {
    id.strip_prefix('r')?.parse().ok()
}

fn path(number: u64) -> Path {
    Path::from(format!("releases/{number:010}.json"))
}

fn failed(
    operation: &'static str,
    number: u64,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::Release { operation, release: format!("r{number}"), cause: cause.into() }
}

impl Lake {
    /// Numbers of all releases, oldest first.
    pub async fn release_numbers(&self) -> Result<Vec<u64>, Error> {
        let prefix = Path::from("releases");
        let found: Vec<_> =
            self.store.list(Some(&prefix)).try_collect().await.map_err(|cause| failed("list", 0, cause))?;
        let stem = |name: &str| name.strip_suffix(".json").and_then(|digits| digits.parse().ok());
        let mut numbers: Vec<u64> = found.iter().filter_map(|meta| stem(meta.location.filename()?)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The newest release; the empty one before the first load.
    pub async fn latest(&self) -> Result<Release, Error> {
        match self.release_numbers().await?.last() {
            Some(number) => self.read_release(*number).await,
            None => Ok(Release::empty()),
        }
    }

    /// All releases, oldest first.
    pub async fn releases(&self) -> Result<Vec<Release>, Error> {
        let mut releases = Vec::new();
        for number in self.release_numbers().await? {
            releases.push(self.read_release(number).await?);
        }
        Ok(releases)
    }

    /// The release of that id, or the last one made on or before a day (`2026-11-22`, in UTC).
    pub async fn release(&self, asked: &str) -> Result<Release, Error> {
        let numbers = self.release_numbers().await?;
        let unknown = || Error::UnknownRelease {
            asked: asked.to_string(),
            known: match (numbers.first(), numbers.last()) {
                (Some(first), Some(last)) => format!("there are r{first} to r{last}, or give a day"),
                _ => "nothing has been loaded yet".to_string(),
            },
        };
        if let Some(number) = number(asked) {
            return if numbers.contains(&number) { self.read_release(number).await } else { Err(unknown()) };
        }
        let day = asked.parse::<NaiveDate>().map_err(|_| unknown())?;
        for number in numbers.iter().rev() {
            let release = self.read_release(*number).await?;
            if release.created.date_naive() <= day {
                return Ok(release);
            }
        }
        Err(unknown())
    }

    async fn read_release(&self, number: u64) -> Result<Release, Error> {
        let found = self.store.get(&path(number)).await.map_err(|cause| failed("read", number, cause))?;
        let bytes = found.bytes().await.map_err(|cause| failed("read", number, cause))?;
        serde_json::from_slice(&bytes).map_err(|cause| failed("read", number, cause))
    }

    /// Writes a release, which must not exist yet. This is the moment at which a load happens.
    pub(crate) async fn write_release(&self, release: &Release) -> Result<(), Error> {
        let number = release.number();
        let text = serde_json::to_vec_pretty(release).map_err(|cause| failed("write", number, cause))?;
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        if let Some(folder) = &self.folder {
            let folder = folder.join("releases");
            return write_once(&folder, &format!("{number:010}.json"), &text).map_err(|cause| {
                match cause.kind() {
                    std::io::ErrorKind::AlreadyExists => Error::Conflict(release.id.clone()),
                    _ => failed("write", number, cause),
                }
            });
        }
        match object_store::ObjectStore::put_opts(&*self.store, &path(number), text.into(), create).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. }) => Err(Error::Conflict(release.id.clone())),
            Err(cause) => Err(failed("write", number, cause)),
        }
    }

    /// Keeps the rejects of a load, one JSON object a line.
    pub async fn write_rejects(&self, load: &str, lines: String) -> Result<(), Error> {
        let path = Path::from(format!("rejects/{load}.ndjson"));
        self.store
            .put(&path, lines.into_bytes().into())
            .await
            .map_err(|cause| failed("write the rejects of", 0, cause))?;
        Ok(())
    }

    /// The rejects of a load as they were written; none where the load had none or is not known.
    pub async fn read_rejects(&self, load: &str) -> Result<Option<String>, Error> {
        let path = Path::from(format!("rejects/{load}.ndjson"));
        match self.store.get(&path).await {
            Ok(found) => {
                let bytes = found.bytes().await.map_err(|cause| failed("read the rejects of", 0, cause))?;
                Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(failed("read the rejects of", 0, cause)),
        }
    }
}

/// Writes a file that must not exist, so that it is there whole and durable or not at all.
fn write_once(folder: &std::path::Path, name: &str, text: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut partial = tempfile::Builder::new().prefix(".partial-").tempfile_in(folder)?;
    std::io::Write::write_all(&mut partial, text)?;
    partial.as_file().sync_all()?;
    partial.persist_noclobber(folder.join(name)).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}
