//! The books of one type: for every hour of receipt how many events came in, landed, died, or were there already. Open hours
//! are committed with the table itself, so that no crash parts them from it; closed ones lie in a file of their own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Error;

/// One hour of receipt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Hour {
    /// Events that were received; the sum of the four below.
    pub received: u64,
    pub landed: u64,
    pub dead: u64,
    /// Events whose id had landed before.
    pub duplicate: u64,
    /// Posts that were deleted where they were posted, before they came or since.
    #[serde(default)]
    pub deleted: u64,
    /// What came in and was neither dead nor a duplicate, byte by byte: the wrapping sum of the records' hashes, whatever
    /// their order. Two ends that were sent
    /// the same have the same.
    #[serde(default)]
    pub content: u64,
    /// Landed events that belong to an hour that was closed when they came, by that hour.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub late: BTreeMap<String, u64>,
}

impl Hour {
    /// The content as it is told.
    pub fn content_shown(&self) -> String {
        format!("{:016x}", self.content)
    }
}

/// Hours that may still change; they travel in the table's own commits, as a note beside the position that they belong to.
pub type Page = BTreeMap<String, Hour>;

pub struct Ledger {
    path: PathBuf,
    page: Page,
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
    /// Opens the books at the page that came with the table's position.
    pub fn open(folder: &Path, page: Page) -> Ledger {
        let path = folder.join("hours.ndjson");
        let mut closed = BTreeMap::new();
        for line in std::fs::read_to_string(&path).unwrap_or_default().lines() {
            // A line that was cut off by a crash is written again: its hour is still on the page.
            if let Ok(hour) = serde_json::from_str::<ClosedHour>(line) {
                closed.insert(hour.hour, hour.figures);
            }
        }
        Ledger { path, page, closed }
    }

    /// A page to write on, as the books stand now, without the hours that ended before `open_from`: they are put away.
    pub fn page(&mut self, open_from: &str) -> Result<Page, Error> {
        let open = self.page.split_off(open_from);
        let ended = std::mem::replace(&mut self.page, open);
        self.close(ended)?;
        Ok(self.page.clone())
    }

    /// Puts hours away; of an hour that was put away before, the later line holds.
    fn close(&mut self, ended: Page) -> Result<(), Error> {
        if ended.is_empty() {
            return Ok(());
        }
        let fail = |cause| failed("write", &self.path, cause);
        let mut file = File::options().create(true).append(true).open(&self.path).map_err(fail)?;
        for (hour, figures) in ended {
            let line = ClosedHour { hour: hour.clone(), figures: figures.clone() };
            let line = serde_json::to_string(&line).map_err(|cause| fail(cause.into()))?;
            writeln!(file, "{line}").map_err(fail)?;
            self.closed.insert(hour, figures);
        }
        file.sync_all().map_err(fail)
    }

    /// The page as it is to be committed with landed events of an hour deleted.
    pub fn without(&self, hour: &str, count: u64) -> Page {
        let mut page = self.page.clone();
        if let Some(figures) = page.get_mut(hour) {
            figures.landed -= count.min(figures.landed);
            figures.deleted += count;
        }
        page
    }

    /// That was committed.
    pub fn deleted(&mut self, hour: &str, count: u64) -> Result<(), Error> {
        let mut figures = self.page.get(hour).or_else(|| self.closed.get(hour)).cloned().unwrap_or_default();
        figures.landed -= count.min(figures.landed);
        figures.deleted += count;
        match self.page.get_mut(hour) {
            Some(known) => *known = figures,
            None => self.close(Page::from([(hour.to_string(), figures)]))?,
        }
        Ok(())
    }

    /// An hour of a page to go on from: that of the page, or one that was put away and gets more.
    pub fn hour(&self, page: &mut Page, hour: &str) -> Hour {
        page.remove(hour).or_else(|| self.closed.get(hour).cloned()).unwrap_or_default()
    }

    /// The table is committed with this page.
    pub fn turn(&mut self, page: Page) {
        self.page = page;
    }

    /// Every hour, closed and open.
    pub fn hours(&self) -> BTreeMap<String, Hour> {
        let mut hours = self.closed.clone();
        hours.extend(self.page.clone());
        hours
    }
}
