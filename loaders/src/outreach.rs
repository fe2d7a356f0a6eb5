//! What a campaign knows of voters beside the state's file, as CSV: scores that models gave them
//! (`voter_id, model, score`, and `outcome` where it is
//! known what came true) and what became of contacts (`voter_id, contacted_on, result`, and where they are known
//! `method` and `support`, the answer from 1, strong support, to 5, strong opposition). The voter id is the state's own.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bellwether_schema::ids::CONTACT_RESULTS;
use bellwether_schema::{catalog, ids};

use crate::columns::ParquetTable;
use crate::convert::parse_date;
use crate::delimited::each_file;
use crate::{Error, Options, Progress, Report, Staged, StagedTable};

const METHODS: [&str; 5] = ["door", "phone", "text", "mail", "other"];

/// The postal code that the caller gives.
fn known_state(state: Option<&str>) -> Result<String, Error> {
    let state = state.map(str::to_uppercase).unwrap_or_default();
    match ids::fips_of_state(&state) {
        Some(_) => Ok(state),
        None => Err(Error::Usage("say whose voters they are with --state, such as --state CO".into())),
    }
}

fn open(options: &Options, name: &'static str, number: usize) -> Result<ParquetTable, Error> {
    let table = catalog::table(name).expect("the catalog has every loader's table");
    ParquetTable::create_whole(table, options.staging.join(format!("{name}-{number:04}.parquet")))
}

/// What came true of the voters whose outcome a file of scores gives: chances 0 to 1, outcomes 0 or 1.
#[derive(Debug, Default)]
pub struct Proof {
    pub chances: Vec<f32>,
    pub outcomes: Vec<f32>,
}

/// Loads scores, 0 to 100, into `scores`; those of a model replace what it gave the state's voters before. `version` is
/// what the new scores of a model are numbered with. Beside what was staged: what came true, by model.
pub fn load_scores(
    paths: &[PathBuf],
    state: Option<&str>,
    version: &dyn Fn(&str) -> i32,
    options: &Options,
    progress: &Arc<Progress>,
) -> Result<(Staged, BTreeMap<String, Proof>), Error> {
    let started = Instant::now();
    let state = known_state(state)?;
    let mut report = Report { files: options.sources.clone(), ..Report::default() };
    let mut writers: BTreeMap<String, ParquetTable> = BTreeMap::new();
    let mut proofs: BTreeMap<String, Proof> = BTreeMap::new();
    // A voter has one score of a model: hashes of what was seen.
    let mut seen: HashSet<u64> = HashSet::new();
    each_file(
        paths,
        progress,
        &mut report,
        |header| Ok((header.require(["voter_id", "model", "score"])?, header.find("outcome"))),
        |(columns, outcome_at), row| {
            let [voter, model, score] = columns.map(|column| row.get(column));
            let (voter, model) = (voter.trim(), model.trim());
            if voter.is_empty() {
                return Err(row.reject(Some(columns[0]), "no voter id").into());
            }
            let plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte);
            if model.is_empty() || model.len() > 64 || !model.bytes().all(plain) {
                let reason = "not a model's name: small letters, digits, _ - and .";
                return Err(row.reject(Some(columns[1]), reason).into());
            }
            let score = score.trim().parse::<f64>().ok().filter(|score| (0.0..=100.0).contains(score));
            let score = score.ok_or_else(|| row.reject(Some(columns[2]), "not a score between 0 and 100"))?;
            let outcome = outcome_at.map(|at| row.get(at).trim().to_string()).unwrap_or_default();
            let outcome = match outcome.as_str() {
                "" => None,
                "0" => Some(0.0),
                "1" => Some(1.0),
                _ => return Err(row.reject(*outcome_at, "not an outcome: 0, 1, or empty").into()),
            };
            if !seen.insert(xxhash_rust::xxh3::xxh3_64(format!("{model} {voter}").as_bytes())) {
                return Err(row
                    .reject(Some(columns[0]), "the voter has a score of this model already")
                    .into());
            }
            if !writers.contains_key(model) {
                let writer = open(options, "scores", writers.len())?;
                writers.insert(model.to_string(), writer);
                proofs.insert(model.to_string(), Proof::default());
            }
            if let (Some(outcome), Some(proof)) = (outcome, proofs.get_mut(model)) {
                proof.chances.push((score / 100.0) as f32);
                proof.outcomes.push(outcome);
            }
            let writer = writers.get_mut(model).expect("the writer was just made");
            writer.text(writer.position("voter_id"), voter);
            writer.double(writer.position("score"), Some(score));
            writer.integer(writer.position("version"), Some(version(model)));
            Ok(writer.end_row()?)
        },
    )?;
    report.finish(options, started)?;
    let mut tables = Vec::new();
    for (model, writer) in writers {
        let files = writer.finish()?.into_iter().collect();
        tables.push(StagedTable { table: "scores".into(), partition: vec![state.clone(), model], files });
    }
    Ok((Staged { tables, report }, proofs))
}

/// Loads contacts into `contacts`, replacing those of the state's voters.
pub fn load_contacts(
    paths: &[PathBuf],
    state: Option<&str>,
    options: &Options,
    progress: &Arc<Progress>,
) -> Result<Staged, Error> {
    let started = Instant::now();
    let state = known_state(state)?;
    let mut report = Report { files: options.sources.clone(), ..Report::default() };
    let mut writer = open(options, "contacts", 0)?;
    each_file(
        paths,
        progress,
        &mut report,
        |header| {
            let columns = header.require(["voter_id", "contacted_on", "result"])?;
            Ok((columns, header.find("method"), header.find("support")))
        },
        |(columns, method_at, support_at), row| {
            let [voter, day, result] = columns.map(|column| row.get(column));
            if voter.trim().is_empty() {
                return Err(row.reject(Some(columns[0]), "no voter id").into());
            }
            let date = parse_date(day.trim(), "%Y-%m-%d");
            let date = date.ok_or_else(|| row.reject(Some(columns[1]), "not a date: 2022-10-15"))?;
            let code = |text: &str| text.trim().to_lowercase().replace([' ', '-'], "_");
            let result = code(&result);
            if !CONTACT_RESULTS.contains(&result.as_str()) {
                let reason = format!("not a result: there are {}", CONTACT_RESULTS.join(", "));
                return Err(row.reject(Some(columns[2]), &reason).into());
            }
            let method = method_at.map(|at| code(&row.get(at))).filter(|method| !method.is_empty());
            if method.as_ref().is_some_and(|method| !METHODS.contains(&method.as_str())) {
                let reason = format!("not a method: there are {}", METHODS.join(", "));
                return Err(row.reject(*method_at, &reason).into());
            }
            let support = support_at.map(|at| row.get(at).trim().to_string()).filter(|text| !text.is_empty());
            let support = match support.as_deref().map(str::parse::<i32>) {
                None => None,
                Some(Ok(answer)) if (1..=5).contains(&answer) => Some(answer),
                Some(_) => {
                    let reason = "not an answer: 1 strong support to 5 strong opposition, or empty";
                    return Err(row.reject(*support_at, reason).into());
                }
            };
            writer.text(writer.position("voter_id"), voter.trim());
            writer.integer(writer.position("support"), support);
            writer.integer(writer.position("contacted_on"), Some(date));
            writer.text(writer.position("result"), &result);
            writer.optional_text(writer.position("method"), method.as_deref());
            Ok(writer.end_row()?)
        },
    )?;
    report.finish(options, started)?;
    let files = writer.finish()?.into_iter().collect();
    let staged = StagedTable { table: "contacts".into(), partition: vec![state], files };
    Ok(Staged { tables: vec![staged], report })
}
