//! Rejects and the report of a load. Neither ever holds a value from the file: a reject says where the value
//! stands and of what class it is.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{Error, Options};

/// An input row that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// File name without its folder.
    pub file: String,
    /// Line of the file, counted from 1; for feature files the feature's number.
    pub line: u64,
    /// Column as the source names it, where one is at fault.
    pub column: Option<String>,
    /// Class of the value: empty, digits, letters, mixed.
    pub value_class: String,
    pub reason: String,
}

impl Reject {
    pub fn new(
        file: &str,
        line: u64,
        column: Option<&str>,
        value: &str,
        reason: impl Into<String>,
    ) -> Reject {
        Reject {
            file: file.to_string(),
            line,
            column: column.map(str::to_string),
            value_class: value_class(value).to_string(),
            reason: reason.into(),
        }
    }
}

/// What sort of value it is, without saying which.
pub fn value_class(value: &str) -> &'static str {
    let value = value.trim();
    if value.is_empty() {
        "empty"
    } else if value.chars().all(|character| character.is_ascii_digit()) {
        "digits"
    } else if value.chars().all(|character| character.is_alphabetic() || character == ' ') {
        "letters"
    } else {
        "mixed"
    }
}

/// One source file of a load, recognised by its content.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourceFile {
    pub name: String,
    pub bytes: u64,
    /// BLAKE3 of the file as it lies on disk, hexadecimal.
    pub blake3: String,
}

/// Rejects that are kept one by one; all are counted.
const MOST_REJECTS: usize = 1_000_000;

/// What came of a load.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    pub files: Vec<SourceFile>,
    /// Data rows read: header lines and blank lines do not count.
    pub rows_read: u64,
    pub rows_loaded: u64,
    pub rows_rejected: u64,
    pub rejected_by_reason: BTreeMap<String, u64>,
    /// Things worth knowing that lost nothing: columns that the layout does not know, say.
    pub notes: Vec<String>,
    pub seconds: f64,
    pub rows_per_second: f64,
    #[serde(skip)]
    pub rejects: Vec<Reject>,
}

impl Report {
    pub fn reject(&mut self, reject: Reject) {
        self.rows_rejected += 1;
        *self.rejected_by_reason.entry(reject.reason.clone()).or_default() += 1;
        // Beyond this many the load is refused in any case, unless it is larger than any state.
        if self.rejects.len() < MOST_REJECTS {
            self.rejects.push(reject);
        }
    }

    /// Closes the report, or refuses the load where more rows were rejected than allowed.
    pub fn finish(&mut self, options: &Options, started: Instant) -> Result<(), Error> {
        self.rejects.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        self.seconds = started.elapsed().as_secs_f64();
        self.rows_per_second = self.rows_read as f64 / self.seconds.max(1e-9);
        if self.rows_rejected as f64 > options.max_rejects * self.rows_read as f64 {
            let mut reasons: Vec<_> = self.rejected_by_reason.iter().collect();
            reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            let reasons = reasons.iter().take(5).map(|(reason, count)| format!("{reason} ({count})"));
            let first = self.rejects.first().map(|reject| match &reject.column {
                Some(column) => format!("; first in {} line {}, column {column}", reject.file, reject.line),
                None => format!("; first in {} line {}", reject.file, reject.line),
            });
            return Err(Error::TooManyRejects {
                rejected: self.rows_rejected,
                read: self.rows_read,
                limit_percent: options.max_rejects * 100.0,
                reasons: reasons.collect::<Vec<_>>().join(", ") + &first.unwrap_or_default(),
                rejects: std::mem::take(&mut self.rejects),
            });
        }
        Ok(())
    }
}
