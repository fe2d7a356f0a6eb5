//! The warehouse: the serving copy of a release in native DuckDB, the questions it answers, and the workshop in
//! which derived tables are made. No DuckDB or Arrow type leaves this crate.

mod answer;
mod copy;
mod features;
mod gate;
pub mod happenings;
mod linkage;
mod lists;
mod live;
mod members;
mod pieces;
mod rows;
mod session;
mod television;
mod told;
mod topics;
mod workshop;

pub mod questions;

use std::path::PathBuf;
use std::time::Duration;

pub use answer::{Answer, Format};
pub use copy::{Copy, SourceTable};
pub use features::{COMMON, FeaturesOf, Voters};
pub use live::{Live, LiveTable, Opener};
pub use session::{Cancel, Limits, Param};
pub use told::LiveTables;
pub use workshop::Workshop;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {operation}")]
    Engine {
        operation: &'static str,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("cannot {operation} {path}")]
    File {
        operation: &'static str,
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    /// The caller's SQL is at fault; the text is for the caller.
    #[error("{0}")]
    BadQuery(String),
    #[error("the query took more than {0:?}")]
    TooSlow(Duration),
    #[error("the query needs more than the {0} of memory that one query may use")]
    TooBig(String),
    /// A live table's file was written anew while it was read.
    #[error("a table changed while it was read; ask again")]
    Moved,
    #[error("the query was cancelled")]
    Cancelled,
}

impl Error {
    /// An error of reading live tables.
    fn live(operation: &'static str) -> impl FnOnce(duckdb::Error) -> Error {
        move |cause| match live::is_gone(&cause.to_string()) {
            true => Error::Moved,
            false => Error::Engine { operation, cause: Box::new(cause) },
        }
    }

    fn engine(operation: &'static str) -> impl FnOnce(duckdb::Error) -> Error {
        move |cause| Error::Engine { operation, cause: Box::new(cause) }
    }
}
