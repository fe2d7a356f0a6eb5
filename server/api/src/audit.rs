//! The audit log: one line for every answer that holds persons, each chained to the one before by its hash, so that
//! a line that was changed, taken out or put in shows.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a line tells. It holds no voter's id: where one was named, its keyed hash stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// RFC 3339, UTC.
    pub at: String,
    /// Id of the key; `local` without keys.
    pub who: String,
    pub role: String,
    /// What the caller said that it is for.
    pub purpose: Option<String>,
    pub route: String,
    pub filter: Value,
    /// None where the answer is a stream whose length is not known before.
    pub rows: Option<u64>,
    pub columns: Vec<String>,
    pub release: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    number: u64,
    #[serde(flatten)]
    entry: Entry,
    /// Hash of the line before; of nothing for the first.
    before: String,
    /// BLAKE3 of this line without this field.
    hash: String,
}

/// The end of the log as this process knows it.
struct End {
    /// Bytes of the log.
    length: u64,
    number: u64,
    hash: String,
}

/// Bytes of the longest line: a filter may have a megabyte.
const LONGEST: u64 = 4 << 20;

/// The log. Cheap to clone. Servers that share a state folder write one after the other.
#[derive(Clone)]
pub struct Audit {
    path: PathBuf,
    last: Arc<Mutex<Option<End>>>,
}

fn seal(number: u64, entry: &Entry, before: &str) -> serde_json::Result<String> {
    let sealed = serde_json::to_vec(&(number, entry, before))?;
    Ok(blake3::hash(&sealed).to_hex().to_string())
}

impl Audit {
    pub fn new(path: PathBuf) -> Audit {
        Audit { path, last: Arc::default() }
    }

    /// Adds a line and waits until it is on disk: an answer that cannot be recorded must not be given.
    pub fn record(&self, entry: Entry) -> std::io::Result<()> {
        let mut last = self.last.lock().map_err(|_| std::io::Error::other("the audit log is poisoned"))?;
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::fs::OpenOptions::new().create(true).read(true).append(true).open(&self.path)?;
        file.lock()?;
        let (number, before) = match last.take() {
            Some(known) if known.length == file.metadata()?.len() => (known.number, known.hash),
            _ => tail(&mut file)?,
        };
        let hash = seal(number + 1, &entry, &before)?;
        let line = Line { number: number + 1, entry, before, hash: hash.clone() };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        file.write_all(&text)?;
        file.sync_data()?;
        note(&self.path, number + 1, &hash)?;
        *last = Some(End { length: file.metadata()?.len(), number: number + 1, hash });
        Ok(())
    }
}

/// Where the log's end is noted beside it, so that lines cut off the end are missed.
fn head(path: &Path) -> PathBuf {
    path.with_extension("head")
}

/// Notes the last line. A killed process may leave the note a line behind the log, never before it.
fn note(path: &Path, number: u64, hash: &str) -> std::io::Result<()> {
    let partial = path.with_extension("head-partial");
    std::fs::write(&partial, format!("{number} {hash}\n"))?;
    std::fs::rename(partial, head(path))
}

/// Number and hash of the last whole line. A torn last line, of a process that was killed, is cut off: its answer was
/// not given.
fn tail(file: &mut std::fs::File) -> std::io::Result<(u64, String)> {
    let from = file.metadata()?.len().saturating_sub(LONGEST);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if whole < bytes.len() {
        file.set_len(from + whole as u64)?;
    }
    let last = bytes[..whole].split(|byte| *byte == b'\n').rfind(|line| !line.is_empty());
    match last {
        None => Ok((0, String::new())),
        Some(line) => {
            let line: Line = serde_json::from_slice(line)?;
            Ok((line.number, line.hash))
        }
    }
}

/// Checks the whole log: gives the number of lines and the hash of the last, or the first line that does not fit and why.
/// The log must hold the line that is noted beside it as its end, and one with the hash `noted` that its keeper wrote
/// down at some time.
pub fn verify(path: &Path, noted: Option<&str>) -> Result<(u64, String), String> {
    let read = |path: &Path| match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).map_err(|error| error.to_string()),
    };
    let end = read(&head(path))?;
    let mut wanted: Vec<&str> = noted.into_iter().chain(end.as_deref().map(last_word)).collect();
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && wanted.is_empty() => {
            return Ok((0, String::new()));
        }
        Err(error) => return Err(format!("the log cannot be read: {error}")),
    };
    let mut before = String::new();
    let mut number = 0;
    for text in BufReader::new(file).lines() {
        let text = text.map_err(|error| error.to_string())?;
        let place = number + 1;
        let line: Line =
            serde_json::from_str(&text).map_err(|_| format!("line {place} is not a line of the log"))?;
        if line.number != place || line.before != before {
            return Err(format!(
                "line {place} does not follow the one before: a line was taken out or put in"
            ));
        }
        let hash = seal(line.number, &line.entry, &line.before).map_err(|error| error.to_string())?;
        if hash != line.hash {
            return Err(format!("line {place} was changed after it was written"));
        }
        wanted.retain(|wanted| *wanted != hash);
        (before, number) = (hash, place);
    }
    if !wanted.is_empty() {
        return Err(format!(
            "lines were cut off the end, after line {number}: one that is noted is not there"
        ));
    }
    if number > 0 && end.is_none() {
        return Err("the note of its end is not there".into());
    }
    Ok((number, before))
}

fn last_word(text: &str) -> &str {
    text.split_whitespace().next_back().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(rows: u64) -> Entry {
        Entry {
            at: "2020-11-03T00:00:00Z".into(),
            who: "local".into(),
            role: "admin".into(),
            purpose: None,
            route: "/v1/voters/{id}".into(),
            filter: serde_json::json!({"b": 1, "a": [1.5, "x"]}),
            rows: Some(rows),
            columns: vec!["voter_id".into()],
            release: "r1".into(),
        }
    }

    #[test]
    fn every_change_of_the_log_shows() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.ndjson");
        (0..3).for_each(|rows| Audit::new(path.clone()).record(entry(rows)).expect("recorded"));
        // Two servers write to one log.
        let (one, other) = (Audit::new(path.clone()), Audit::new(path.clone()));
        (0..4).for_each(|at| [&one, &other][at % 2].record(entry(1)).expect("recorded"));
        assert_eq!(verify(&path, None).map(|(lines, _)| lines), Ok(7));
        std::fs::remove_file(&path).expect("removed");
        (0..3).for_each(|rows| Audit::new(path.clone()).record(entry(rows)).expect("recorded"));
        let whole = verify(&path, None).expect("a whole log");
        assert_eq!(whole.0, 3);
        assert_eq!(verify(&path, Some(&whole.1)), Ok(whole));
        assert!(verify(&path, Some("0123")).is_err_and(|error| error.contains("cut off")));
        let text = std::fs::read_to_string(&path).expect("the log");
        let lines: Vec<&str> = text.lines().collect();
        for (changed, what) in [
            (text.replace("\"rows\":1", "\"rows\":7"), "changed"),
            (format!("{}\n{}\n", lines[0], lines[2]), "taken out"),
            (format!("{}\n{}\n", lines[1], lines[2]), "taken out"),
            (format!("{}\n{}\n", lines[0], lines[1]), "cut off"),
            (String::new(), "cut off"),
        ] {
            std::fs::write(&path, changed).expect("written");
            assert!(verify(&path, None).is_err_and(|error| error.contains(what)));
        }
        // A line torn by a killed process is cut off, and the chain goes on.
        std::fs::write(&path, format!("{text}{{\"number\":4,")).expect("written");
        Audit::new(path.clone()).record(entry(9)).expect("recorded");
        assert_eq!(verify(&path, None).map(|(lines, _)| lines), Ok(4));
        std::fs::remove_file(&path).expect("removed");
        assert!(verify(&path, None).is_err());
    }
}
