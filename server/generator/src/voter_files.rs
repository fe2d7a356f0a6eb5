//! Writing people as a state's layout writes its voter file and history, and their addresses as OpenAddresses
//! does. The layout's code tables are read backwards.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use bellwether_loaders::convert::date_text;
use bellwether_schema::layout::{FileLayout, Layout, SourceColumn};

use crate::electorate::Electorate;
use crate::people::{ELECTIONS, Person, day};
use crate::places::House;
use crate::sources::Precinct;
use crate::{Error, write_failed};

/// One voter with everything that a row needs.
pub struct Voter<'a> {
    pub person: &'a Person,
    pub house: &'a House,
    pub precinct: &'a Precinct,
    pub zip: &'a str,
    pub number: u64,
}

/// The three files, open.
pub struct VoterFiles {
    layout: &'static Layout,
    voters: BufWriter<File>,
    history: BufWriter<File>,
    addresses: BufWriter<File>,
    paths: Electorate,
    address_number: u64,
}

impl VoterFiles {
    pub fn create(layout: &'static Layout, paths: &Electorate) -> Result<VoterFiles, Error> {
        let open = |path: &Path| -> Result<BufWriter<File>, Error> {
            Ok(BufWriter::with_capacity(1 << 20, File::create(path).map_err(write_failed(path))?))
        };
        let mut files = VoterFiles {
            layout,
            voters: open(&paths.voters)?,
            history: open(&paths.history)?,
            addresses: open(&paths.addresses)?,
            paths: paths.clone(),
            address_number: 0,
        };
        let header =
            |file: &FileLayout| file.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        write_row(&mut files.voters, &layout.voters, &header(&layout.voters))
            .map_err(write_failed(&paths.voters))?;
        write_row(&mut files.history, &layout.history, &header(&layout.history))
            .map_err(write_failed(&paths.history))?;
        writeln!(files.addresses, "LON,LAT,NUMBER,STREET,UNIT,CITY,DISTRICT,REGION,POSTCODE,ID,HASH")
            .map_err(write_failed(&paths.addresses))?;
        Ok(files)
    }

    pub fn address(&mut self, house: &House, precinct: &Precinct, zip: &str) -> Result<(), Error> {
        self.address_number += 1;
        let unit = house.unit.map(|unit| format!("APT {unit}")).unwrap_or_default();
        writeln!(
            self.addresses,
            "{:.7},{:.7},{},{},{unit},{},,{},{zip},{},",
            house.longitude,
            house.latitude,
            house.number,
            street(house),
            precinct.county_name,
            self.layout.state,
            self.address_number,
        )
        .map_err(write_failed(&self.paths.addresses))
    }

    /// Writes a voter and the elections that they took part in. `chance` (0 to 1) decides the small things.
    pub fn voter(&mut self, voter: &Voter, chance: f64) -> Result<(), Error> {
        let layout = self.layout;
        let row: Vec<String> =
            layout.voters.columns.iter().map(|column| voter_value(layout, column, voter, chance)).collect();
        write_row(&mut self.voters, &layout.voters, &row).map_err(write_failed(&self.paths.voters))?;
        for election in &voter.person.voted {
            let columns = layout.history.columns.iter();
            let row: Vec<String> =
                columns.map(|column| history_value(layout, column, voter, *election, chance)).collect();
            write_row(&mut self.history, &layout.history, &row).map_err(write_failed(&self.paths.history))?;
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<(), Error> {
        self.voters.flush().map_err(write_failed(&self.paths.voters))?;
        self.history.flush().map_err(write_failed(&self.paths.history))?;
        self.addresses.flush().map_err(write_failed(&self.paths.addresses))
    }
}

fn write_row(out: &mut impl Write, file: &FileLayout, row: &[String]) -> std::io::Result<()> {
    let delimiter = file.reader.delimiter.unwrap_or(',');
    for (index, value) in row.iter().enumerate() {
        if index > 0 {
            write!(out, "{delimiter}")?;
        }
        write!(out, "\"{}\"", value.replace('"', "\"\""))?;
    }
    out.write_all(b"\r\n")
}

fn street(house: &House) -> String {
    let pre =
        if house.pre_direction.is_empty() { String::new() } else { format!("{} ", house.pre_direction) };
    format!("{pre}{} {}", house.street, house.street_type)
}

/// The source's code for a normalised one.
fn code(file: &FileLayout, table: &str, normalised: &str) -> String {
    let codes = file.codes.get(table);
    let mut fits = codes
        .into_iter()
        .flatten()
        .filter(|(raw, code)| *code == normalised && *raw != "*" && !raw.is_empty());
    fits.next().map_or(normalised.to_string(), |(raw, _)| raw.clone())
}

/// A day as the layout writes it.
fn date(file: &FileLayout, days: i32) -> String {
    let text = date_text(days);
    let pattern = file.dates.first().map_or("%Y-%m-%d", String::as_str);
    pattern.replace("%Y", &text[..4]).replace("%m", &text[5..7]).replace("%d", &text[8..10])
}

/// The state's code of a precinct: its rule read backwards.
fn precinct_code(layout: &Layout, precinct: &Precinct) -> String {
    let number = precinct.id.get(5..).unwrap_or_default();
    let Some(rule) = &layout.precinct else {
        return number.to_string();
    };
    let (Some(length), Some((from, to))) = (rule.length, rule.code) else {
        return number.trim_start_matches('0').to_string();
    };
    let mut digits = vec![b'0'; length];
    let mut put = |(from, to): (usize, usize), value: &str| {
        let padded = format!("{value:0>width$}", width = to - from);
        digits[from..to].copy_from_slice(&padded.as_bytes()[padded.len() - (to - from)..]);
    };
    put((from, to), &number[number.len().saturating_sub(to - from)..]);
    if let Some(range) = rule.county_number {
        put(range, &layout.counties.number(&precinct.county[2..]).unwrap_or_default());
    }
    for (kind, range) in rule.lines.iter().flat_map(|lines| &lines.districts) {
        put(*range, &district_number(precinct, kind).to_string());
    }
    String::from_utf8_lossy(&digits).into_owned()
}

fn district_number(precinct: &Precinct, kind: &str) -> u32 {
    match kind {
        "congressional" => precinct.districts[0],
        "state_senate" => precinct.districts[1],
        _ => precinct.districts[2],
    }
}

fn voter_value(layout: &Layout, column: &SourceColumn, voter: &Voter, chance: f64) -> String {
    let Voter { person, house, precinct, zip, number } = voter;
    let file = &layout.voters;
    let inactive = chance < 0.08;
    if column.county_number {
        let number = layout.counties.number(&precinct.county[2..]).unwrap_or_default();
        return format!("{number:0>2}");
    }
    if let Some(kind) = &column.district {
        let number = district_number(precinct, kind);
        return match kind.as_str() {
            "congressional" => format!("Congressional {number}"),
            "state_senate" => format!("State Senate {number}"),
            _ => format!("State House {number}"),
        };
    }
    let unit = house.unit.map(|unit| unit.to_string()).unwrap_or_default();
    let line = format!("{} {}", house.number, street(house));
    match column.to.as_deref().unwrap_or(column.name.as_str()) {
        "voter_id" => number.to_string(),
        "county_raw" => precinct.county_name.clone(),
        "last_name" => person.last.clone(),
        "first_name" => person.first.clone(),
        "middle_name" => person.middle.clone(),
        "name_suffix" => person.suffix.to_string(),
        "VOTER_NAME" => format!("{}, {} {}", person.last, person.first, person.middle).trim_end().to_string(),
        "status_raw" => code(file, "status", if inactive { "inactive" } else { "active" }),
        "STATUS_CODE" => if inactive { "I" } else { "A" }.to_string(),
        "STATUS_REASON" => if inactive { "Undeliverable Ballot" } else { "" }.to_string(),
        "PRECINCT_NAME" | "precinct_raw" => precinct_code(layout, precinct),
        "SPLIT" => format!("{}.1", precinct_code(layout, precinct)),
        "house_number" => house.number.to_string(),
        "pre_direction" => house.pre_direction.to_string(),
        "street_name" => house.street.to_string(),
        "street_type" => house.street_type.to_string(),
        "unit_type" => if unit.is_empty() { "" } else { "APT" }.to_string(),
        "unit_number" => unit,
        "address" if unit.is_empty() => line,
        "address" => format!("{line} APT {unit}"),
        "city" => precinct.county_name.to_uppercase(),
        "RESIDENTIAL_STATE" | "state_cd" => layout.state.clone(),
        "zip" => zip.to_string(),
        "registered_on" | "EFFECTIVE_DATE" => date(file, person.registered),
        "party_since" => date(file, person.registered),
        "birth_year" => person.birth_year.to_string(),
        "gender_raw" => code(file, "gender", if person.female { "F" } else { "M" }),
        "party_raw" => code(file, "party", person.party),
        "PERMANENT_MAIL_IN_VOTER" => "Yes".to_string(),
        "ID_REQUIRED" => "N".to_string(),
        _ => String::new(),
    }
}

fn history_value(
    layout: &Layout,
    column: &SourceColumn,
    voter: &Voter,
    election: usize,
    chance: f64,
) -> String {
    let (year, month, day_of_month, general) = ELECTIONS[election];
    let file = &layout.history;
    let date = date(file, day(year, month, day_of_month));
    let kind = code(file, "election_type", if general { "general" } else { "primary" });
    if column.after_date {
        return format!("{date} {kind}");
    }
    match column.to.as_deref().unwrap_or(column.name.as_str()) {
        "voter_id" => voter.number.to_string(),
        "election_type_raw" => kind,
        "election_date" => date,
        "description" => format!("{year} {kind} Election"),
        "method_raw" if chance > 0.94 => code(file, "method", "in_person"),
        "method_raw" => "Mail Ballot".to_string(),
        "party_raw" if !general => code(file, "party", voter.person.party),
        "county_raw" => voter.precinct.county_name.clone(),
        _ => String::new(),
    }
}
