//! The chances that an invented electorate was drawn with: what a model of it can know at best.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::people::{ELECTIONS, Person};
use crate::{Error, write_failed};

/// CSV of `voter_id`, the chance of every election by its day, and `support`.
pub struct Truth {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Truth {
    pub fn create(path: &Path) -> Result<Truth, Error> {
        let mut file = BufWriter::new(File::create(path).map_err(write_failed(path))?);
        let days = ELECTIONS.map(|(year, month, day, _)| format!("{year}-{month:02}-{day:02}"));
        writeln!(file, "voter_id,{},support", days.join(",")).map_err(write_failed(path))?;
        Ok(Truth { path: path.to_path_buf(), file })
    }

    pub fn voter(&mut self, number: u64, person: &Person) -> Result<(), Error> {
        let chances = person.chances.map(|chance| format!("{chance:.4}")).join(",");
        let row = writeln!(self.file, "{number},{chances},{:.4}", person.supports);
        row.map_err(write_failed(&self.path))
    }

    pub fn finish(mut self) -> Result<(), Error> {
        self.file.flush().map_err(write_failed(&self.path))
    }
}
