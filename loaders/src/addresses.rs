//! Address points: the `addresses` JSON list, and OpenAddresses CSV (`LON,LAT,NUMBER,STREET,UNIT,CITY,DISTRICT,
//! REGION,POSTCODE,ID,HASH`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bellwether_schema::{catalog, ids};
use serde::Deserialize;

use crate::columns::ParquetTable;
use crate::delimited::{Refusal, each_file};
use crate::normalise::match_key;
use crate::report::Reject;
use crate::{Error, Options, Progress, Report, Staged, StagedTable, source};

/// One address point, whatever its file.
struct Point<'a> {
    line: &'a str,
    unit: &'a str,
    city: &'a str,
    state: &'a str,
    zip: &'a str,
    longitude: f64,
    latitude: f64,
}

/// Files of points by state and source.
struct Writers<'a> {
    options: &'a Options,
    writers: BTreeMap<(String, String), ParquetTable>,
}

/// Loads address points into `addresses`. A file replaces what was loaded from a file of the same name before.
/// `state` stands in where the file names no state.
pub fn load(
    paths: &[PathBuf],
    state: Option<&str>,
    options: &Options,
    progress: &Arc<Progress>,
) -> Result<Staged, Error> {
    let started = Instant::now();
    let mut writers = Writers { options, writers: BTreeMap::new() };
    let mut report = Report { files: options.sources.clone(), ..Report::default() };
    let (lists, tables): (Vec<PathBuf>, Vec<PathBuf>) =
        paths.iter().cloned().partition(|path| source::name(path).to_lowercase().contains(".json"));
    if !tables.is_empty() {
        load_tables(&tables, state, progress, &mut report, &mut writers)?;
    }
    for path in &lists {
        load_list(path, progress, &mut report, &mut writers)?;
    }
    report.finish(options, started)?;
    let mut tables = Vec::new();
    for ((state, source), writer) in writers.writers {
        let files = writer.finish()?.into_iter().collect();
        tables.push(StagedTable { table: "addresses".into(), partition: vec![state, source], files });
    }
    Ok(Staged { tables, report })
}

fn load_tables(
    paths: &[PathBuf],
    state: Option<&str>,
    progress: &Arc<Progress>,
    report: &mut Report,
    writers: &mut Writers,
) -> Result<(), Error> {
    each_file(
        paths,
        progress,
        report,
        |header| header.require(["LON", "LAT", "NUMBER", "STREET", "UNIT", "CITY", "REGION", "POSTCODE"]),
        |columns, row| {
            let [longitude, latitude, number, street, unit, city, region, zip] =
                columns.map(|column| row.get(column));
            let coordinate = |text: &str, column: usize| -> Result<f64, Reject> {
                text.parse().map_err(|_| row.reject(Some(columns[column]), "not a coordinate"))
            };
            let point = Point {
                line: &format!("{number} {street}"),
                unit: &unit,
                city: &city,
                state: if region.is_empty() { state.unwrap_or_default() } else { &region },
                zip: &zip,
                longitude: coordinate(&longitude, 0)?,
                latitude: coordinate(&latitude, 1)?,
            };
            let refuse = |reason: &str| Refusal::Row(row.reject(None, reason));
            writers.add(&row.header.file, &point)?.map_err(refuse)
        },
    )
}

#[derive(Deserialize)]
struct List {
    addresses: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(default)]
    address1: String,
    #[serde(default)]
    address2: String,
    #[serde(default)]
    city: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    postal_code: String,
    coordinates: Option<Coordinates>,
}

#[derive(Deserialize)]
struct Coordinates {
    lat: f64,
    lng: f64,
}

fn load_list(
    path: &std::path::Path,
    progress: &Arc<Progress>,
    report: &mut Report,
    writers: &mut Writers,
) -> Result<(), Error> {
    for text in source::open(path, &["json"], progress)? {
        let name = text.name;
        let list: List = serde_json::from_reader(std::io::BufReader::new(text.reader)).map_err(|error| {
            // The message of the error itself may quote an address.
            let detail =
                format!("not a list of addresses at line {} column {}", error.line(), error.column());
            Error::WrongLayout { file: name.clone(), detail }
        })?;
        for (index, listed) in list.addresses.iter().enumerate() {
            report.rows_read += 1;
            let number = index as u64 + 1;
            let Some(Coordinates { lat, lng }) = listed.coordinates else {
                report.reject(Reject::new(&name, number, Some("coordinates"), "", "coordinates are missing"));
                continue;
            };
            let point = Point {
                line: &listed.address1,
                unit: &listed.address2,
                city: &listed.city,
                state: &listed.state,
                zip: &listed.postal_code,
                longitude: lng,
                latitude: lat,
            };
            match writers.add(&name, &point)? {
                Ok(()) => report.rows_loaded += 1,
                Err(reason) => report.reject(Reject::new(&name, number, None, "", reason)),
            }
        }
        progress.rows(list.addresses.len() as u64)?;
    }
    Ok(())
}

impl Writers<'_> {
    /// Adds a point; the inner error is the reason why it is refused.
    fn add(&mut self, file: &str, point: &Point) -> Result<Result<(), &'static str>, Error> {
        let on_earth = point.longitude.abs() <= 180.0 && point.latitude.abs() <= 90.0;
        if !on_earth || (point.longitude == 0.0 && point.latitude == 0.0) {
            return Ok(Err("not a place on earth"));
        }
        let Some(fips) = ids::fips_of_state(point.state) else {
            return Ok(Err("not a state's postal code"));
        };
        let state = ids::state_of_fips(fips).expect("every FIPS code of the table has a state");
        let source = source::stem(std::path::Path::new(file));
        let key = (state.to_string(), source);
        if !self.writers.contains_key(&key) {
            let table = catalog::table("addresses").expect("the catalog has every loader's table");
            let path = self.options.staging.join(format!("addresses-{:04}.parquet", self.writers.len()));
            self.writers.insert(key.clone(), ParquetTable::create_whole(table, path)?);
        }
        let writer = self.writers.get_mut(&key).expect("the writer was just made");
        writer.text(writer.position("match_key"), &match_key(point.line, point.city, point.zip));
        writer.text(writer.position("line"), point.line.trim());
        writer.text(writer.position("unit"), point.unit.trim());
        writer.text(writer.position("city"), point.city.trim());
        writer.text(writer.position("zip"), point.zip.trim().get(..5).unwrap_or_default());
        writer.double(writer.position("longitude"), Some(point.longitude));
        writer.double(writer.position("latitude"), Some(point.latitude));
        writer.end_row()?;
        Ok(Ok(()))
    }
}
