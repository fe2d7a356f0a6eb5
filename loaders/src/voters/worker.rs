//! One parsing thread: records to rows of the main table and the state's source table.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::Receiver;
use xxhash_rust::xxh3::xxh3_128;

use crate::columns::ParquetTable;
use crate::convert::{date_text, parse_date};
use crate::normalise::KeyMaker;
use crate::records::{Fields, for_each_record};
use crate::report::Reject;
use crate::{Error, Progress};

use super::plan::{FilePlan, Plan, Role, Target, WIDE};
use super::values::{Memo, code_of, fold_blanks, yes_or_no};
use super::{Task, Which, reject_record};

/// What one worker has done.
pub struct Outcome {
    pub rows_read: u64,
    pub rows_loaded: u64,
    pub rejects: Vec<Reject>,
    /// Hash of each loaded row's key with its place.
    pub keys: Vec<(u128, u64)>,
    /// One file a table, none where no row went there.
    pub files: Vec<Option<PathBuf>>,
}

pub struct Worker {
    plan: Arc<Plan>,
    tables: Vec<ParquetTable>,
    columns: Vec<StepColumns>,
    special: Special,
    outcome: Outcome,
    scratch: Scratch,
}

/// A step's columns as positions.
#[derive(Clone, Copy)]
struct StepColumns {
    target: usize,
    code: usize,
    district: usize,
}

/// Positions of the columns that no single source column gives.
#[derive(Default)]
struct Special {
    county_fips: usize,
    precinct_id: usize,
    match_key: usize,
    election: usize,
    election_type: usize,
    voted: usize,
    source_voter_id: usize,
}

/// Values of the record in hand, and answers that recur from record to record.
#[derive(Default)]
struct Scratch {
    typed: Vec<Option<i32>>,
    codes: Vec<Memo<Option<String>>>,
    districts: Vec<Memo<Option<String>>>,
    counties: Memo<Option<String>>,
    /// County code and precinct id by county code and precinct code.
    precincts: Memo<(Option<String>, Option<String>)>,
    elections: Memo<String>,
    keys: KeyMaker,
    text: String,
}

/// The parts of a record that belong together.
#[derive(Default)]
struct Parts<'a> {
    voter_id: Cow<'a, str>,
    address: Cow<'a, str>,
    city: Cow<'a, str>,
    zip: Cow<'a, str>,
    precinct: Cow<'a, str>,
    /// The state's own number of the county.
    county: Cow<'a, str>,
    date: Option<i32>,
    election_type: Option<String>,
    method: Cow<'a, str>,
}

impl Worker {
    pub fn new(plan: Arc<Plan>, number: usize, staging: &Path) -> Result<Worker, Error> {
        let mut tables = Vec::new();
        for (table, filled) in plan.tables.iter().zip(plan.filled()) {
            let path = staging.join(format!("{}-{number:03}.parquet", table.name));
            tables.push(ParquetTable::create(table, &filled, path)?);
        }
        let main = &tables[0];
        let columns = plan.steps.iter().map(|step| StepColumns {
            target: match &step.target {
                Target::Text { table, column } => tables[*table].position(column),
                Target::Address { column }
                | Target::Integer { column }
                | Target::Date { column }
                | Target::Boolean { column } => main.position(column),
                Target::Nowhere => usize::MAX,
            },
            code: step.code.as_ref().map_or(usize::MAX, |(column, _)| main.position(column)),
            district: step.district.as_ref().map_or(usize::MAX, |(_, column)| main.position(column)),
        });
        let columns = columns.collect();
        let special = match plan.which {
            Which::Voters => Special {
                election_type: usize::MAX,
                county_fips: main.position("county_fips"),
                precinct_id: main.position("precinct_id"),
                match_key: main.position("match_key"),
                source_voter_id: tables[1].position("voter_id"),
                ..Special::default()
            },
            Which::History if plan.file.wide.is_some() => Special::default(),
            Which::History => Special {
                election: main.position("election"),
                election_type: main.position("election_type"),
                voted: main.position("voted"),
                ..Special::default()
            },
        };
        let scratch = Scratch {
            typed: vec![None; plan.steps.len()],
            codes: vec![Memo::default(); plan.steps.len()],
            districts: vec![Memo::default(); plan.steps.len()],
            ..Scratch::default()
        };
        let outcome = Outcome {
            rows_read: 0,
            rows_loaded: 0,
            rejects: Vec::new(),
            keys: Vec::new(),
            files: Vec::new(),
        };
        Ok(Worker { plan, tables, columns, special, outcome, scratch })
    }

    /// Parses blocks until there are no more.
    pub fn run(
        mut self,
        tasks: Receiver<Task>,
        progress: &Progress,
        skip: &HashSet<u64>,
    ) -> Result<Outcome, Error> {
        let plan = self.plan.clone();
        let mut fields = Fields::default();
        for (file, block) in tasks {
            let before = self.outcome.rows_read;
            let mut broken = Vec::new();
            fields.expected = Some(file.width);
            for_each_record(
                &block,
                &plan.framing,
                &mut fields,
                |line, record, fields| self.record(&plan, &file, line, record, fields, skip),
                |line| broken.push(line),
            )?;
            self.outcome.rows_read += broken.len() as u64;
            let rejects = broken.iter().map(|line| reject_record(&file, *line, "a quote is not closed"));
            self.outcome.rejects.extend(rejects);
            progress.rows(self.outcome.rows_read - before)?;
        }
        for table in self.tables {
            self.outcome.files.push(table.finish()?);
        }
        Ok(self.outcome)
    }

    fn record(
        &mut self,
        plan: &Plan,
        file: &FilePlan,
        line: u64,
        record: &str,
        fields: &Fields,
        skip: &HashSet<u64>,
    ) -> Result<(), Error> {
        self.outcome.rows_read += 1;
        let place = file.number << 40 | line;
        let checked = match skip.contains(&place) {
            true => Err(reject_record(file, line, "the same key came before")),
            false => self.check(plan, file, line, record, fields),
        };
        match checked {
            Ok(key) => {
                self.outcome.keys.push((key, place));
                match file.elections.is_empty() {
                    true => self.append(plan, file, record, fields),
                    false => self.append_wide(plan, file, record, fields),
                }
            }
            Err(reject) => {
                self.outcome.rejects.push(reject);
                Ok(())
            }
        }
    }

    /// Everything that may refuse a record, before any column takes a value. Gives the hash of the row's key.
    fn check(
        &mut self,
        plan: &Plan,
        file: &FilePlan,
        line: u64,
        record: &str,
        fields: &Fields,
    ) -> Result<u128, Reject> {
        let surplus = |index: usize| !fields.get(record, index).is_empty();
        let fixed = plan.file.reader.delimiter.is_none();
        if !fixed && (fields.len() < file.width || (file.width..fields.len()).any(surplus)) {
            let reason = if fields.len() < file.width { "too few fields" } else { "too many fields" };
            return Err(reject_record(file, line, reason));
        }
        let mut key = Vec::with_capacity(48);
        for (index, step) in plan.steps.iter().enumerate() {
            let refuse = |value: &str, reason: &str| {
                Reject::new(&file.name, line, Some(&step.source.name), value, reason.to_string())
            };
            let masked = |value: &str| value.is_empty() || plan.file.masks.iter().any(|mask| mask == value);
            match &step.target {
                Target::Integer { .. } => {
                    let value = fields.get(record, file.positions[index]);
                    let number = value.parse::<i32>().ok();
                    if number.is_none() && !masked(&value) {
                        return Err(refuse(&value, "not a whole number"));
                    }
                    self.scratch.typed[index] = number;
                }
                Target::Date { .. } => {
                    let value = fields.get(record, file.positions[index]);
                    let day = match masked(&value) {
                        true => None,
                        false => match plan.file.dates.iter().find_map(|pattern| parse_date(&value, pattern))
                        {
                            None => return Err(refuse(&value, "not a date")),
                            day => day,
                        },
                    };
                    if step.role == Role::ElectionDate {
                        match day {
                            None => return Err(refuse(&value, "the election's date is missing")),
                            Some(day) => key.extend_from_slice(&day.to_le_bytes()),
                        }
                    }
                    self.scratch.typed[index] = day;
                }
                _ if step.role == Role::VoterId || step.role == Role::Description => {
                    let value = fields.get(record, file.positions[index]);
                    if step.role == Role::VoterId && value.is_empty() {
                        return Err(refuse(&value, "the voter id is missing"));
                    }
                    key.extend_from_slice(value.as_bytes());
                    key.push(0);
                }
                _ => {}
            }
        }
        Ok(xxh3_128(&key))
    }

    fn append(&mut self, plan: &Plan, file: &FilePlan, record: &str, fields: &Fields) -> Result<(), Error> {
        let mut parts = Parts::default();
        for (index, step) in plan.steps.iter().enumerate() {
            let columns = self.columns[index];
            let value = fields.get(record, file.positions[index]);
            match &step.target {
                Target::Text { table, .. } => self.tables[*table].text(columns.target, &value),
                Target::Address { .. } => {
                    parts.address = fold_blanks(value);
                    self.tables[0].text(columns.target, &parts.address);
                    continue;
                }
                Target::Integer { .. } => self.tables[0].integer(columns.target, self.scratch.typed[index]),
                Target::Date { .. } => {
                    let day = self.scratch.typed[index];
                    self.tables[0].integer(columns.target, day);
                    parts.date = day;
                }
                Target::Boolean { .. } => self.tables[0].boolean(columns.target, yes_or_no(&value)),
                Target::Nowhere => {}
            }
            if let Some((_, codes)) = &step.code {
                let code =
                    self.scratch.codes[index].get(&value, || code_of(codes, &value, step.source.after_date));
                self.tables[0].optional_text(columns.code, code.as_deref());
                if self.special.election_type == columns.code {
                    parts.election_type.clone_from(code);
                }
            }
            if let Some((kind, _)) = &step.district {
                let id = self.scratch.districts[index]
                    .get(&value, || kind.district_id(&plan.layout.state, &value));
                self.tables[0].optional_text(columns.district, id.as_deref());
            }
            match step.role {
                Role::CountyNumber => parts.county = value,
                Role::VoterId => parts.voter_id = value,
                Role::City => parts.city = value,
                Role::Zip => parts.zip = value,
                Role::Precinct => parts.precinct = value,
                Role::Method => parts.method = value,
                Role::Description | Role::ElectionDate | Role::None => {}
            }
        }
        self.append_special(plan, parts);
        self.outcome.rows_loaded += 1;
        self.tables.iter_mut().try_for_each(ParquetTable::end_row)
    }

    /// One row for each election in whose column the record has a value.
    fn append_wide(
        &mut self,
        plan: &Plan,
        file: &FilePlan,
        record: &str,
        fields: &Fields,
    ) -> Result<(), Error> {
        let voter_id = plan.steps.iter().position(|step| step.role == Role::VoterId);
        let voter_id = fields.get(record, voter_id.map_or(usize::MAX, |step| file.positions[step]));
        let code = |table: &str, value: &str| {
            plan.file.codes.get(table).and_then(|codes| code_of(codes, value, false))
        };
        let main = &mut self.tables[0];
        let [election, voted, date, kind, kind_raw, description, method, method_raw, party] =
            WIDE.map(|column| main.position(column));
        let id = main.position("voter_id");
        for column in &file.elections {
            let value = fields.get(record, column.position);
            if value.is_empty() {
                continue;
            }
            main.text(id, &voter_id);
            main.text(election, &format!("{}/{}", date_text(column.day), column.election_type));
            main.boolean(voted, Some(!plan.file.not_votes.iter().any(|word| *word == value)));
            main.integer(date, Some(column.day));
            main.text(kind, &column.election_type);
            main.text(kind_raw, &column.type_raw);
            main.text(description, &column.name);
            main.optional_text(method, code("method", &value).as_deref());
            main.text(method_raw, &value);
            main.optional_text(party, code("party", &value).as_deref());
            main.end_row()?;
        }
        self.outcome.rows_loaded += 1;
        Ok(())
    }

    fn append_special(&mut self, plan: &Plan, parts: Parts) {
        let Parts { voter_id, address, city, zip, precinct, county, date, election_type, method } = parts;
        let main = &mut self.tables[0];
        match plan.which {
            Which::History => {
                let day = date.expect("a record without its election's date was rejected");
                let kind = election_type.as_deref().unwrap_or("other");
                let text = &mut self.scratch.text;
                text.clear();
                let _ = write!(text, "{day} {kind}");
                let election = self.scratch.elections.get(text, || format!("{}/{kind}", date_text(day)));
                main.text(self.special.election, election);
                let voted = !plan.file.not_votes.iter().any(|word| *word == method);
                main.boolean(self.special.voted, Some(voted));
            }
            Which::Voters => {
                let layout = plan.layout;
                let county = self.scratch.counties.get(&county, || layout.counties.fips(&county));
                let text = &mut self.scratch.text;
                text.clear();
                let _ = write!(text, "{} {precinct}", county.as_deref().unwrap_or_default());
                let (fips, precinct) = self.scratch.precincts.get(text, || {
                    // A precinct code that names its county outdoes the county number: numberings have changed.
                    let county = layout.county_of_precinct(&precinct).or(county.clone());
                    let fips = county.as_ref().map(|county| format!("{}{county}", layout.state_fips));
                    (fips, layout.precinct_id(&precinct, county.as_deref()))
                });
                main.optional_text(self.special.county_fips, fips.as_deref());
                main.optional_text(self.special.precinct_id, precinct.as_deref());
                main.text(self.special.match_key, self.scratch.keys.make(&address, &city, &zip));
                self.tables[1].text(self.special.source_voter_id, &voter_id);
            }
        }
    }
}
