//! Where people live, as points: the Census Bureau's centres of population of block groups or tracts
//! (`STATEFP, COUNTYFP, TRACTCE`, `BLKGRPCE`, `POPULATION, LATITUDE, LONGITUDE`), or blocks with their internal points
//! (`GEOID20, POP20, INTPTLAT20, INTPTLON20`). The finer the better: a precinct that a line cuts is shared out by the
//! people on either side of it.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bellwether_schema::{catalog, ids};

use crate::columns::ParquetTable;
use crate::convert::parse_count;
use crate::delimited::{Header, Row, each_file};
use crate::{Error, Options, Progress, Report, Staged, StagedTable};

/// Columns of a file: those that make the census code, then population, latitude and longitude.
struct Columns {
    code: Vec<(usize, usize)>,
    numbers: [usize; 3],
}

/// Parts of the census code and their digits.
const CODE: [(&str, usize); 4] = [("STATEFP", 2), ("COUNTYFP", 3), ("TRACTCE", 6), ("BLKGRPCE", 1)];

fn columns(header: &Header) -> Result<Columns, Error> {
    if let Some(code) = header.find("GEOID20") {
        let numbers = header.require(["POP20", "INTPTLAT20", "INTPTLON20"])?;
        return Ok(Columns { code: vec![(code, 0)], numbers });
    }
    let [state, county, tract] = header.require(["STATEFP", "COUNTYFP", "TRACTCE"])?;
    let numbers = header.require(["POPULATION", "LATITUDE", "LONGITUDE"])?;
    let group = header.find("BLKGRPCE");
    let places = [Some(state), Some(county), Some(tract), group].into_iter().zip(CODE);
    let code = places.filter_map(|(place, (_, digits))| Some((place?, digits))).collect();
    Ok(Columns { code, numbers })
}

impl Columns {
    /// The census code: two digits of state, three of county, six of tract and what follows.
    fn code(&self, row: &Row) -> Option<String> {
        let mut code = String::new();
        for (column, digits) in &self.code {
            let part = row.get(*column);
            if part.trim().is_empty() {
                return None;
            }
            code.push_str(&format!("{:0>digits$}", part.trim()));
        }
        let fits = (11..=15).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
        fits.then_some(code)
    }
}

/// Loads points into `population_centres`, replacing those of the states that the files name.
pub fn load(paths: &[PathBuf], options: &Options, progress: &Arc<Progress>) -> Result<Staged, Error> {
    let started = Instant::now();
    let table = catalog::table("population_centres").expect("the catalog has every loader's table");
    let mut writers: BTreeMap<&'static str, ParquetTable> = BTreeMap::new();
    let mut seen: HashSet<String> = HashSet::new();
    let mut digits: Option<usize> = None;
    let mut report = Report { files: options.sources.clone(), ..Report::default() };
    each_file(paths, progress, &mut report, columns, |columns, row| {
        let first = columns.code[0].0;
        let code = columns.code(row).ok_or_else(|| row.reject(Some(first), "not a census code"))?;
        let state = ids::state_of_fips(&code[..2]);
        let state = state.ok_or_else(|| row.reject(Some(first), "not a state's FIPS code"))?;
        // Tracts beside their own block groups would count everybody twice.
        if *digits.get_or_insert(code.len()) != code.len() {
            return Err(row.reject(Some(first), "of another census level than the rows before").into());
        }
        if !seen.insert(code.clone()) {
            return Err(row.reject(Some(first), "the same census area came before").into());
        }
        let [people, latitude, longitude] = columns.numbers;
        let count = parse_count(&row.get(people)).ok_or_else(|| row.reject(Some(people), "not a count"))?;
        let degrees = |column: usize, most: f64| {
            let value = row.get(column).trim().parse::<f64>().ok().filter(|value| value.abs() <= most);
            value.ok_or_else(|| row.reject(Some(column), "not a coordinate in degrees"))
        };
        let (latitude, longitude) = (degrees(latitude, 90.0)?, degrees(longitude, 180.0)?);
        let writer = ParquetTable::of_state(&mut writers, table, state, &options.staging)?;
        writer.text(writer.position("area_id"), &code);
        writer.double(writer.position("population"), Some(count));
        writer.double(writer.position("longitude"), Some(longitude));
        writer.double(writer.position("latitude"), Some(latitude));
        Ok(writer.end_row()?)
    })?;
    report.finish(options, started)?;
    let mut tables = Vec::new();
    for (state, writer) in writers {
        let files = writer.finish()?.into_iter().collect();
        tables.push(StagedTable { table: table.name.clone(), partition: vec![state.to_string()], files });
    }
    Ok(Staged { tables, report })
}
