//! Loaders: one module per source family. A loader reads files of one kind and writes clean, typed Parquet
//! files plus rejects into a staging folder. It never commits, answers questions or knows HTTP.

pub mod addresses;
pub mod boundaries;
pub mod centres;
pub mod columns;
pub mod convert;
pub mod delimited;
pub mod markets;
pub mod media;
pub mod normalise;
pub mod outreach;
pub mod population;
mod records;
pub mod report;
pub mod results;
pub mod shapes;
pub mod source;
pub mod streets;
pub mod voters;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use report::{Reject, Report};

/// What every load is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder for the Parquet files, made by the caller and empty.
    pub staging: PathBuf,
    /// Share of the rows, 0 to 1, that may be rejected before the load is refused.
    pub max_rejects: f64,
    /// Threads that parse.
    pub threads: usize,
    /// The files by their content, for the report; identified by the caller, who may know them already.
    pub sources: Vec<report::SourceFile>,
}

/// What a load has written, for the lake to commit.
#[derive(Debug)]
pub struct Staged {
    pub tables: Vec<StagedTable>,
    pub report: Report,
}

/// Parquet files of one table. They replace everything in the partitions they name.
#[derive(Debug)]
pub struct StagedTable {
    pub table: String,
    /// Partition values in the order of the catalog's `partition_by`.
    pub partition: Vec<String>,
    pub files: Vec<PathBuf>,
}

/// How far a load has come; shared with whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    pub bytes_total: AtomicU64,
    pub bytes: AtomicU64,
    pub rows: AtomicU64,
    /// Set to stop the load; it then fails with [`Error::Cancelled`].
    pub cancelled: AtomicBool,
}

impl Progress {
    /// Counts rows and fails if somebody asked to stop.
    fn rows(&self, rows: u64) -> Result<(), Error> {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        if self.cancelled.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// Why a load failed as a whole. Rows that fail alone are rejects.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {file}")]
    Read {
        file: String,
        #[source]
        cause: std::io::Error,
    },
    #[error("{file} is empty")]
    Empty { file: String },
    #[error("{file} is damaged: {detail}")]
    Damaged { file: String, detail: String },
    #[error("{file} is not in the expected layout: {detail}")]
    WrongLayout { file: String, detail: String },
    #[error("no layout for state {state}; there are layouts for {known}")]
    UnknownState { state: String, known: String },
    #[error("{0}")]
    Usage(String),
    #[error("{rejected} of {read} rows rejected, more than the {limit_percent} % allowed: {reasons}")]
    TooManyRejects { rejected: u64, read: u64, limit_percent: f64, reasons: String, rejects: Vec<Reject> },
    #[error("cannot write the staging file {file}")]
    Write {
        file: String,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the load was cancelled")]
    Cancelled,
}
