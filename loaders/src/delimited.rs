//! Small delimited files, row by row with columns by name: results, population, markets, addresses.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use crate::records::{Block, Blocks, Fields, Framing, for_each_record};
use crate::report::{Reject, Report};
use crate::{Error, Progress, source};

/// The columns of a file by name.
pub struct Header {
    pub file: String,
    /// Number of the file within the load: names may recur.
    pub number: usize,
    pub names: Vec<String>,
}

impl Header {
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|candidate| candidate.eq_ignore_ascii_case(name))
    }

    /// Positions of columns that a file must have.
    pub fn require<const N: usize>(&self, names: [&str; N]) -> Result<[usize; N], Error> {
        let missing: Vec<&str> = names.into_iter().filter(|name| self.find(name).is_none()).collect();
        if !missing.is_empty() {
            let detail = format!("it lacks the columns {}", missing.join(", "));
            return Err(Error::WrongLayout { file: self.file.clone(), detail });
        }
        Ok(names.map(|name| self.find(name).unwrap_or(usize::MAX)))
    }
}

/// One data row.
pub struct Row<'a> {
    pub header: &'a Header,
    pub line: u64,
    record: &'a str,
    fields: &'a Fields,
}

impl Row<'_> {
    pub fn get(&self, index: usize) -> Cow<'_, str> {
        self.fields.get(self.record, index)
    }

    pub fn reject(&self, column: Option<usize>, reason: &str) -> Reject {
        let name = column.and_then(|index| self.header.names.get(index)).map(String::as_str);
        let value = column.map(|index| self.get(index)).unwrap_or_default();
        Reject::new(&self.header.file, self.line, name, &value, reason)
    }
}

/// What a row handler says: the row was taken, is refused alone, or nothing can go on.
pub enum Refusal {
    Row(Reject),
    Load(Error),
}

impl From<Reject> for Refusal {
    fn from(reject: Reject) -> Self {
        Refusal::Row(reject)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Load(error)
    }
}

/// Reads comma-separated files with a header. `open` turns each file's header into a handler for its rows.
pub fn each_file<H>(
    paths: &[PathBuf],
    progress: &Arc<Progress>,
    report: &mut Report,
    mut open: impl FnMut(&Header) -> Result<H, Error>,
    mut each: impl FnMut(&mut H, &Row) -> Result<(), Refusal>,
) -> Result<(), Error> {
    let mut number = 0;
    for path in paths {
        for text in source::open(path, &["csv", "txt", "tab"], progress)? {
            let name = text.name.clone();
            let mut blocks = Blocks::new(text, true, "windows-1252");
            let mut fields = Fields::default();
            let mut opened: Option<(Header, H)> = None;
            let framing = Framing::Delimited { delimiter: b',', quoted: true };
            while let Some(block) = blocks.next_block()? {
                one_block(
                    (&name, number),
                    &block,
                    &framing,
                    &mut fields,
                    &mut opened,
                    report,
                    &mut open,
                    &mut each,
                )?;
                progress.rows(block.text.len() as u64 / 128)?;
            }
            if opened.is_none() {
                return Err(Error::Empty { file: name });
            }
            number += 1;
        }
    }
    if report.rows_read == 0 {
        return Err(Error::Empty { file: paths.first().map(|path| source::name(path)).unwrap_or_default() });
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the inner half of `each_file`, split for its length")]
fn one_block<H>(
    (name, number): (&str, usize),
    block: &Block,
    framing: &Framing,
    fields: &mut Fields,
    opened: &mut Option<(Header, H)>,
    report: &mut Report,
    open: &mut impl FnMut(&Header) -> Result<H, Error>,
    each: &mut impl FnMut(&mut H, &Row) -> Result<(), Refusal>,
) -> Result<(), Error> {
    let mut broken = Vec::new();
    fields.expected = opened.as_ref().map(|(header, _)| header.names.len());
    for_each_record(
        block,
        framing,
        fields,
        |line, record, fields| -> Result<(), Error> {
            let Some((header, handler)) = opened else {
                let names = (0..fields.len()).map(|index| fields.get(record, index).into_owned()).collect();
                let header = Header { file: name.to_string(), number, names };
                let handler = open(&header)?;
                *opened = Some((header, handler));
                return Ok(());
            };
            report.rows_read += 1;
            let row = Row { header, line, record, fields };
            if fields.len() != header.names.len() {
                report.reject(row.reject(None, "wrong number of fields"));
                return Ok(());
            }
            match each(handler, &row) {
                Ok(()) => report.rows_loaded += 1,
                Err(Refusal::Row(reject)) => report.reject(reject),
                Err(Refusal::Load(error)) => return Err(error),
            }
            Ok(())
        },
        |line| broken.push(line),
    )?;
    for line in broken {
        report.rows_read += 1;
        report.reject(Reject::new(name, line, None, "", "a quote is not closed"));
    }
    Ok(())
}
