//! Synthetic electorates. `electorate` draws people from the population, past votes and outlines of a state's
//! precincts and writes them as that state writes its voter file; `invent` makes up a whole fictional state in
//! the same source formats. Nobody in either exists. Everything is deterministic for a seed.

mod census;
mod electorate;
mod invent;
mod lattice;
mod names;
mod outreach;
mod people;
mod places;
mod sources;
mod television;
mod truth;
mod turnout;
mod voter_files;

use std::path::{Path, PathBuf};

pub use electorate::{Electorate, electorate};
pub use invent::invent;
pub use television::TelevisionFiles;

/// Why nothing could be generated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{folder} holds no file of {what}")]
    Missing { folder: PathBuf, what: String },
    #[error("cannot read what people are drawn from")]
    Source(#[from] bellwether_loaders::Error),
    #[error("cannot write {file}")]
    Write {
        file: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("{0}")]
    Unfit(String),
}

fn write_failed(file: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let file = file.to_path_buf();
    move |cause| Error::Write { file, cause }
}
