//! Census population by precinct, from the ALARM project's wide VTD files: `GEOID20`, `pop`, `vap` and both by
//! race. The votes beside them are loaded as results.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bellwether_schema::{catalog, ids};

use crate::columns::ParquetTable;
use crate::convert::parse_count;
use crate::delimited::each_file;
use crate::{Error, Options, Progress, Report, Staged, StagedTable};

/// Source column and ours.
const COUNTS: [(&str, &str); 18] = [
    ("pop", "population"),
    ("pop_hisp", "population_hispanic"),
    ("pop_white", "population_white"),
    ("pop_black", "population_black"),
    ("pop_aian", "population_native"),
    ("pop_asian", "population_asian"),
    ("pop_nhpi", "population_pacific"),
    ("pop_other", "population_other"),
    ("pop_two", "population_multi"),
    ("vap", "voting_age"),
    ("vap_hisp", "voting_age_hispanic"),
    ("vap_white", "voting_age_white"),
    ("vap_black", "voting_age_black"),
    ("vap_aian", "voting_age_native"),
    ("vap_asian", "voting_age_asian"),
    ("vap_nhpi", "voting_age_pacific"),
    ("vap_other", "voting_age_other"),
    ("vap_two", "voting_age_multi"),
];

/// Loads precinct population into `population`, replacing the states that the files name.
pub fn load(paths: &[PathBuf], options: &Options, progress: &Arc<Progress>) -> Result<Staged, Error> {
    let started = Instant::now();
    let table = catalog::table("population").expect("the catalog has every loader's table");
    let mut writers: BTreeMap<&'static str, ParquetTable> = BTreeMap::new();
    let mut seen: HashSet<String> = HashSet::new();
    let mut report = Report { files: options.sources.clone(), ..Report::default() };
    each_file(
        paths,
        progress,
        &mut report,
        |header| {
            let [id] = header.require(["GEOID20"])?;
            Ok((id, header.require(COUNTS.map(|(source, _)| source))?))
        },
        |(id_at, columns), row| {
            let id = row.get(*id_at);
            let state = id.get(..2).and_then(ids::state_of_fips);
            let Some(state) = state.filter(|_| id.len() >= 6) else {
                return Err(row.reject(Some(*id_at), "not a precinct's GEOID").into());
            };
            if !seen.insert(id.to_string()) {
                return Err(row.reject(Some(*id_at), "the same precinct came before").into());
            }
            let mut counts = [None; COUNTS.len()];
            for (count, column) in counts.iter_mut().zip(columns.iter()) {
                let text = row.get(*column);
                if !text.is_empty() && text != "NA" {
                    *count =
                        Some(parse_count(&text).ok_or_else(|| row.reject(Some(*column), "not a count"))?);
                }
            }
            let writer = ParquetTable::of_state(&mut writers, table, state, &options.staging)?;
            writer.text(writer.position("precinct_id"), &id);
            writer.text(writer.position("county_fips"), &id[..5]);
            for ((_, name), count) in COUNTS.iter().zip(counts) {
                writer.double(writer.position(name), count);
            }
            Ok(writer.end_row()?)
        },
    )?;
    report.finish(options, started)?;
    let mut tables = Vec::new();
    for (state, writer) in writers {
        let files = writer.finish()?.into_iter().collect();
        tables.push(StagedTable { table: table.name.clone(), partition: vec![state.to_string()], files });
    }
    Ok(Staged { tables, report })
}
