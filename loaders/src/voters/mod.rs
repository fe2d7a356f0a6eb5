//! Voter files and vote histories, by layout. Blocks of lines go round robin to the parsing threads, each of
//! which writes Parquet files of its own, so a load is as deterministic as it is parallel.

mod plan;
mod values;
mod worker;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bellwether_schema::layout::{self, Layout};
use crossbeam_channel::bounded;

use crate::records::{Block, Blocks};
use crate::report::{Reject, Report};
use crate::{Error, Options, Progress, Staged, StagedTable, source};

use plan::{FilePlan, Plan};
use worker::{Outcome, Worker};

/// Which of a state's two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Registration records: tables `voters` and `voters_<state>_source`.
    Voters,
    /// Participation: table `voter_history`.
    History,
}

/// The layout of a state, or an error that names the known ones.
pub fn layout_of(state: &str) -> Result<&'static Layout, Error> {
    layout::of_state(state).ok_or_else(|| Error::UnknownState {
        state: state.to_uppercase(),
        known: layout::all().iter().map(|layout| layout.state.as_str()).collect::<Vec<_>>().join(", "),
    })
}

/// Loads all files of one state's voter file or history. They replace what was loaded for the state before.
///
/// Rows whose key came before (voter id; for history voter id, day and description) are rejected: the first
/// in order of files and lines stays.
pub fn load(
    layout: &'static Layout,
    which: Which,
    paths: &[PathBuf],
    options: &Options,
    progress: &Arc<Progress>,
) -> Result<Staged, Error> {
    let started = Instant::now();
    let plan = Arc::new(Plan::new(layout, which));
    let mut pass = one_pass(&plan, paths, options, progress, &HashSet::new())?;
    let repeated = pass.repeated_lines();
    if !repeated.is_empty() {
        // Rare: read again, leaving out the lines whose key came before.
        pass = one_pass(&plan, paths, options, progress, &repeated)?;
    }
    let mut report = Report { files: options.sources.clone(), notes: pass.notes, ..Report::default() };
    let mut staged: Vec<Vec<PathBuf>> = vec![Vec::new(); plan.tables.len()];
    for outcome in pass.outcomes {
        report.rows_read += outcome.rows_read;
        report.rows_loaded += outcome.rows_loaded;
        outcome.rejects.into_iter().for_each(|reject| report.reject(reject));
        for (files, file) in staged.iter_mut().zip(outcome.files) {
            files.extend(file);
        }
    }
    if report.rows_read == 0 {
        let file = paths.first().map(|path| source::name(path)).unwrap_or_default();
        return Err(Error::Empty { file });
    }
    report.finish(options, started)?;
    let tables = plan.tables.iter().zip(staged).map(|(table, files)| {
        let partition = if table.partition_by.is_empty() { Vec::new() } else { vec![layout.state.clone()] };
        StagedTable { table: table.name.clone(), partition, files }
    });
    Ok(Staged { tables: tables.collect(), report })
}

struct Pass {
    outcomes: Vec<Outcome>,
    notes: Vec<String>,
}

impl Pass {
    /// Lines whose key an earlier line has.
    fn repeated_lines(&mut self) -> HashSet<u64> {
        let mut keys: Vec<(u128, u64)> = Vec::new();
        for outcome in &mut self.outcomes {
            keys.append(&mut outcome.keys);
        }
        keys.sort_unstable();
        keys.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[1].1).collect()
    }
}

/// A block with the file that it comes from.
type Task = (Arc<FilePlan>, Block);

fn one_pass(
    plan: &Arc<Plan>,
    paths: &[PathBuf],
    options: &Options,
    progress: &Arc<Progress>,
    skip: &HashSet<u64>,
) -> Result<Pass, Error> {
    let threads = options.threads.max(1);
    std::thread::scope(|scope| {
        let mut senders = Vec::new();
        let mut handles = Vec::new();
        for number in 0..threads {
            let (sender, tasks) = bounded::<Task>(2);
            senders.push(sender);
            let worker = Worker::new(plan.clone(), number, &options.staging)?;
            handles.push(scope.spawn(move || worker.run(tasks, progress, skip)));
        }
        let mut notes = Vec::new();
        let read = read_all(plan, paths, progress, &mut notes, |turn, task| {
            // A worker that has failed hangs up; its own error says why.
            senders[turn % threads].send(task).is_ok()
        });
        drop(senders);
        let outcomes: Result<Vec<Outcome>, Error> =
            handles.into_iter().map(|handle| handle.join().expect("a worker never panics")).collect();
        read?;
        Ok(Pass { outcomes: outcomes?, notes })
    })
}

/// Reads all files and hands out their blocks in turn, until `send` says to stop.
fn read_all(
    plan: &Plan,
    paths: &[PathBuf],
    progress: &Arc<Progress>,
    notes: &mut Vec<String>,
    mut send: impl FnMut(usize, Task) -> bool,
) -> Result<(), Error> {
    let mut turn = 0;
    let mut number = 0;
    for path in paths {
        for text in source::open(path, &["csv", "txt", "tsv", "lst"], progress)? {
            let name = text.name.clone();
            let reader = &plan.file.reader;
            let mut blocks = Blocks::new(text, reader.quoted, &reader.encoding);
            let mut file: Option<Arc<FilePlan>> = None;
            while let Some(mut block) = blocks.next_block()? {
                let file = match &file {
                    Some(file) => file.clone(),
                    None => {
                        let opened = Arc::new(FilePlan::open(plan, &name, number, &mut block, notes)?);
                        file.insert(opened).clone()
                    }
                };
                if !send(turn, (file, block)) {
                    return Ok(());
                }
                turn += 1;
            }
            if file.is_none() {
                return Err(Error::Empty { file: name });
            }
            number += 1;
        }
    }
    Ok(())
}

/// A reject of a whole record.
fn reject_record(file: &FilePlan, line: u64, reason: &str) -> Reject {
    Reject::new(&file.name, line, None, "", reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    /// A history with one column an election.
    const LAYOUT: &str = r#"
        state = "ZZ"
        state_fips = "00"
        name = "Nowhere"
        [voters]
        reader = { delimiter = "," }
        columns = []
        [history]
        reader = { delimiter = ",", quoted = true, header = true }
        dates = ["%m/%d/%Y"]
        columns = [{ name = "ID", to = "voter_id" }, { name = "NAME", optional = true }]
        wide = { separator = "-" }
        codes.election_type = { "GENERAL" = "general", "PRIMARY" = "primary", "*" = "other" }
        codes.party = { "D" = "DEM", "R" = "REP" }
    "#;

    fn check(text: &str, columns: &[&str], expect: &[&[&str]]) {
        let layout: &'static Layout = Box::leak(Box::new(Layout::parse(LAYOUT).expect("a layout")));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file.csv");
        std::fs::write(&path, text).expect("written");
        let options =
            Options { staging: folder.path().into(), max_rejects: 0.0, threads: 2, sources: Vec::new() };
        let staged = load(layout, Which::History, &[path], &options, &Arc::default()).expect("loaded");
        let mut rows = Vec::new();
        for file in &staged.tables[0].files {
            let reader =
                SerializedFileReader::new(std::fs::File::open(file).expect("a file")).expect("Parquet");
            let names: Vec<String> = reader
                .metadata()
                .file_metadata()
                .schema()
                .get_fields()
                .iter()
                .map(|f| f.name().into())
                .collect();
            for row in reader.get_row_iter(None).expect("rows") {
                let row = row.expect("a row");
                let value = |name: &&str| {
                    let at = names.iter().position(|column| column == name).expect("a column");
                    row.get_column_iter()
                        .nth(at)
                        .map(|(_, field)| field.to_string().replace('"', ""))
                        .unwrap_or_default()
                };
                rows.push(columns.iter().map(value).collect::<Vec<_>>());
            }
        }
        let expect: Vec<Vec<String>> =
            expect.iter().map(|row| row.iter().map(|v| v.to_string()).collect()).collect();
        assert_eq!(rows, expect);
    }

    #[test]
    fn a_wide_history_gives_one_row_an_election_that_the_voter_took_part_in() {
        let text = "ID,NAME,PRIMARY-05/07/2019,GENERAL-11/03/2020\nA1,x,D,X\nA2,y,,X\nA3,z,,\n";
        check(
            text,
            &["voter_id", "election", "method_raw", "party"],
            &[
                &["A1", "2019-05-07/primary", "D", "DEM"],
                &["A1", "2020-11-03/general", "X", "null"],
                &["A2", "2020-11-03/general", "X", "null"],
            ],
        );
    }
}
