//! Election results by precinct: the MIT Election Lab's long precinct files and the wide VTD files of VEST and
//! ALARM. The header tells which.

mod precinct_returns;
mod wide;
mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bellwether_schema::ids::slug;

use crate::delimited::{Header, Row, each_file};
use crate::{Error, Options, Progress, Report, Staged};

use precinct_returns::PrecinctReturns;
use wide::Wide;
use writer::Writers;

/// One file's format, with where its columns stand.
enum Format {
    PrecinctReturns(PrecinctReturns),
    Wide(Wide),
}

/// Loads result files. A data set (state and source, such as `vest_2020`) in the files replaces the same data
/// set as loaded before.
pub fn load(paths: &[PathBuf], options: &Options, progress: &Arc<Progress>) -> Result<Staged, Error> {
    let started = Instant::now();
    let mut report = Report { files: options.sources.clone(), ..Report::default() };
    let mut writers = Writers::new(options);
    let mut wide: BTreeMap<usize, Wide> = BTreeMap::new();
    let take = |format: &mut Format, row: &Row| match format {
        Format::PrecinctReturns(returns) => returns.row(row, &mut writers),
        Format::Wide(file) => {
            let held = wide.entry(row.header.number).or_insert_with(|| file.clone());
            held.row(row).map_err(Into::into)
        }
    };
    each_file(paths, progress, &mut report, open, take)?;
    let mut skipped = Vec::new();
    for file in wide.into_values() {
        skipped.extend(file.note());
        file.finish(&mut writers)?;
    }
    report.notes.extend(skipped);
    if writers.negative > 0 {
        report
            .notes
            .push(format!("{} rows correct a count by negative votes; loaded as given", writers.negative));
    }
    report.finish(options, started)?;
    Ok(Staged { tables: writers.finish()?, report })
}

fn open(header: &Header) -> Result<Format, Error> {
    if header.find("party_detailed").is_some() {
        return Ok(Format::PrecinctReturns(PrecinctReturns::open(header)?));
    }
    if let Some(wide) = Wide::open(header) {
        return Ok(Format::Wide(wide));
    }
    let detail = "neither the columns of MIT precinct returns (party_detailed, votes, precinct ...) nor those of a \
                  wide VTD file (GEOID20 and vote columns such as G20PREDBID)";
    Err(Error::WrongLayout { file: header.file.clone(), detail: detail.into() })
}

/// Normalised office for the words and letters that sources use; a slug of them where there is none.
fn office(raw: &str) -> String {
    let normalised = match raw.to_uppercase().as_str() {
        "PRE" | "PRESIDENT" | "US PRESIDENT" => "president",
        "USS" | "US SENATE" | "US SENATOR" => "us_senate",
        "USH" | "US HOUSE" | "US REPRESENTATIVE" => "us_house",
        "GOV" | "GOVERNOR" => "governor",
        "LTG" | "LIEUTENANT GOVERNOR" => "lieutenant_governor",
        "ATG" | "ATTORNEY GENERAL" => "attorney_general",
        "SOS" | "SECRETARY OF STATE" => "secretary_of_state",
        "TRE" | "TREASURER" | "STATE TREASURER" => "treasurer",
        "AUD" | "AUDITOR" | "STATE AUDITOR" => "auditor",
        "AGR" | "COMMISSIONER OF AGRICULTURE" => "commissioner_of_agriculture",
        "INS" | "COMMISSIONER OF INSURANCE" => "commissioner_of_insurance",
        "LAB" | "COMMISSIONER OF LABOR" => "commissioner_of_labor",
        "SPI" | "SUPERINTENDENT OF PUBLIC INSTRUCTION" => "superintendent",
        "RGT" => "regent",
        "STATE SENATE" => "state_senate",
        "STATE HOUSE" | "STATE REPRESENTATIVE" | "HOUSE OF DELEGATES" => "state_house",
        _ => return slug(raw),
    };
    normalised.to_string()
}
