//! The books of one type: for every hour of receipt how many events came in, landed, died, or were there already. They are
//! written before the table's commit, with the page before beside them: whichever of the two the table's position names
//! is the true one after a crash.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Error;

/// One hour of receipt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Hour {
    /// Events that were received; the sum of the three below.
    pub received: u64,
    pub landed: u64,
    pub dead: u64,
    /// Events whose id had landed before.
    pub duplicate: u64,
    /// Landed events that belong to an hour that was closed when they came, by that hour.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub late: BTreeMap<String, u64>,
}

/// The books as they stood when the table had everything before a position.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    pub position: u64,
    pub hours: BTreeMap<String, Hour>,
}

pub struct Ledger {
    folder: PathBuf,
    before: Page,
    now: Page,
    /// Hours that will not change any more.
    closed: BTreeMap<String, Hour>,
}

#[derive(Serialize, Deserialize)]
struct ClosedHour {
    hour: String,
    #[serde(flatten)]
    figures: Hour,
}

fn failed(operation: &'static str, path: &Path, cause: std::io::Error) -> Error {
    Error::File { operation, path: path.to_path_buf(), cause }
}

/// The hour of a time in milliseconds since 1970, UTC: `2026-11-03T17`.
pub fn hour_of(milliseconds: u64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(milliseconds as i64).unwrap_or_default();
    time.format("%Y-%m-%dT%H").to_string()
}

impl Ledger {
    /// Opens the books at the page that belongs to the table's position.
    pub fn open(folder: &Path, position: u64) -> Result<Ledger, Error> {
        let path = folder.join("ledger.json");
        let pages: Vec<Page> = match std::fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|cause| failed("read", &path, cause.into()))?
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(cause) => return Err(failed("read", &path, cause)),
        };
        let mut closed = BTreeMap::new();
        let path = folder.join("hours.ndjson");
        for line in std::fs::read_to_string(&path).unwrap_or_default().lines() {
            // A line that was cut off by a crash is written again: its hour is still on the page.
            if let Ok(hour) = serde_json::from_str::<ClosedHour>(line) {
                closed.insert(hour.hour, hour.figures);
            }
        }
        let now = pages.into_iter().find(|page| page.position == position);
        let now = now.unwrap_or(Page { position, ..Page::default() });
        Ok(Ledger { folder: folder.to_path_buf(), before: now.clone(), now, closed })
    }

    /// A page to write on, as the books stand now.
    pub fn page(&self) -> Page {
        self.now.clone()
    }

    /// Writes the page that will hold once the table is committed up to its position.
    pub fn prepare(&mut self, next: &Page) -> Result<(), Error> {
        let fail = |cause| failed("write", &self.folder.join("ledger.json"), cause);
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(fail)?;
        let bytes = serde_json::to_vec(&[&self.now, next]).map_err(|cause| fail(cause.into()))?;
        file.write_all(&bytes).and_then(|()| file.as_file().sync_data()).map_err(fail)?;
        file.persist(self.folder.join("ledger.json")).map_err(|error| fail(error.error))?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(fail)
    }

    /// The table is committed: the page holds. Hours that ended before `open_from` are put away.
    pub fn turn(&mut self, next: Page, open_from: &str) -> Result<(), Error> {
        self.before = std::mem::replace(&mut self.now, next);
        let ended: Vec<String> =
            self.now.hours.range(..open_from.to_string()).map(|(hour, _)| hour.clone()).collect();
        // The page before must have them too, or a crash now would bring them back unfinished.
        let settled = ended.iter().all(|hour| self.before.hours.get(hour) == self.now.hours.get(hour));
        if ended.is_empty() || !settled {
            return Ok(());
        }
        let path = self.folder.join("hours.ndjson");
        let fail = |cause| failed("write", &path, cause);
        let mut file = File::options().create(true).append(true).open(&path).map_err(fail)?;
        for hour in ended {
            if let Some(figures) = self.now.hours.remove(&hour) {
                self.closed.insert(hour.clone(), figures.clone());
                let line = serde_json::to_string(&ClosedHour { hour, figures })
                    .map_err(|cause| fail(cause.into()))?;
                writeln!(file, "{line}").map_err(fail)?;
            }
        }
        file.sync_data().map_err(fail)
    }

    /// Every hour, closed and open.
    pub fn hours(&self) -> BTreeMap<String, Hour> {
        let mut hours = self.closed.clone();
        hours.extend(self.now.hours.clone());
        hours
    }
}
