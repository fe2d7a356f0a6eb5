//! The MIT Election Lab's precinct returns: one row a precinct, candidate and vote mode. The columns have come in
//! several orders (2018, 2022), so they are found by name; `state_fips` may lack its leading zero.

use std::collections::HashMap;

use bellwether_schema::ids::{self, Kind, slug};
use bellwether_schema::layout;

use crate::Error;
use crate::convert::{date_text, parse_date, parse_votes};
use crate::delimited::{Header, Refusal, Row};

use super::office;
use super::writer::{Contest, Votes, Writers};

const COLUMNS: [&str; 14] = [
    "precinct",
    "office",
    "party_detailed",
    "mode",
    "votes",
    "county_fips",
    "candidate",
    "district",
    "date",
    "year",
    "stage",
    "special",
    "writein",
    "state_po",
];

/// Where the columns of one file stand, and what recurs from row to row.
pub struct PrecinctReturns {
    columns: [usize; 14],
    contests: HashMap<[String; 6], Contest>,
    precincts: HashMap<[String; 4], Place>,
}

#[derive(Clone, Default)]
struct Place {
    id: Option<String>,
    named: [Option<String>; 3],
}

impl PrecinctReturns {
    pub fn open(header: &Header) -> Result<PrecinctReturns, Error> {
        Ok(PrecinctReturns {
            columns: header.require(COLUMNS)?,
            contests: HashMap::new(),
            precincts: HashMap::new(),
        })
    }

    pub fn row(&mut self, row: &Row, writers: &mut Writers) -> Result<(), Refusal> {
        let columns = self.columns;
        let [
            precinct,
            office_raw,
            party,
            mode,
            votes,
            county,
            candidate,
            district,
            date,
            year,
            stage,
            special,
            writein,
            state,
        ] = columns.map(|column| row.get(column));
        let refuse = |column: usize, reason: &str| Refusal::Row(row.reject(Some(columns[column]), reason));
        let votes = parse_votes(&votes).ok_or_else(|| refuse(4, "votes are not a number"))?;
        let state = ids::fips_of_state(&state)
            .and_then(ids::state_of_fips)
            .ok_or_else(|| refuse(13, "not a state"))?;
        if office_raw.is_empty() {
            return Err(refuse(1, "the office is missing"));
        }
        let key = [&office_raw, &district, &date, &stage, &special, state].map(str::to_string);
        if !self.contests.contains_key(&key) {
            let day = ["%Y-%m-%d", "%m/%d/%Y"].iter().find_map(|pattern| parse_date(&date, pattern));
            let day = day.ok_or_else(|| refuse(8, "not a date"))?;
            self.contests.insert(key.clone(), contest(&office_raw, &district, day, &stage, &special, state));
        }
        let contest = &self.contests[&key];
        let county =
            if county.is_empty() || county == "NA" { String::new() } else { format!("{county:0>5}") };
        let day = date_text(contest.day);
        let place = self
            .precincts
            .entry([precinct.to_string(), county.clone(), day, state.to_string()])
            .or_insert_with_key(|[precinct, county, day, state]| place(precinct, county, day, state));
        let party_raw = if party == "NA" { "".into() } else { party };
        let votes = Votes {
            contest,
            county_fips: (!county.is_empty()).then_some(county.as_str()),
            precinct_raw: &precinct,
            precinct_id: place.id.as_deref(),
            named: [0, 1, 2].map(|index: usize| place.named[index].as_deref()),
            mode: &mode_code(&mode),
            candidate: &tidy(&candidate),
            party: ids::party_of_results(&party_raw),
            party_raw: &party_raw,
            writein: writein.eq_ignore_ascii_case("true"),
            votes,
        };
        let year = year
            .parse::<i32>()
            .map_or_else(|_| date_text(contest.day)[..4].to_string(), |year| year.to_string());
        let source = match contest.election_type.as_str() {
            "general" => format!("mit_{year}"),
            other => format!("mit_{year}_{other}"),
        };
        Ok(writers.add(state, &source, &votes)?)
    }
}

/// Where a precinct code leads: to a VTD, or since a redistricting to districts.
fn place(precinct: &str, county: &str, day: &str, state: &str) -> Place {
    let Some(layout) = layout::of_state(state) else {
        return Place::default();
    };
    match layout.districts_of_precinct(precinct, day) {
        Some(districts) => {
            let named = [Kind::Congressional, Kind::StateSenate, Kind::StateHouse];
            let of =
                |kind: Kind| districts.iter().find(|(named, _)| *named == kind).map(|(_, id)| id.clone());
            Place { id: None, named: named.map(of) }
        }
        None => Place { id: layout.precinct_id(precinct, county.get(2..)), named: [None, None, None] },
    }
}

fn contest(office_raw: &str, district: &str, day: i32, stage: &str, special: &str, state: &str) -> Contest {
    let office = office(office_raw);
    let special = special.eq_ignore_ascii_case("true");
    let kind = match office.as_str() {
        "us_house" => Some(Kind::Congressional),
        "state_senate" => Some(Kind::StateSenate),
        "state_house" => Some(Kind::StateHouse),
        _ => None,
    };
    let district_id = kind.and_then(|kind| kind.district_id(state, district));
    let everywhere = matches!(district.to_uppercase().as_str(), "" | "STATEWIDE" | "000" | "NA");
    let mut id = match (&district_id, everywhere) {
        (Some(district), _) => format!("{office}/{district}"),
        (None, true) => office.clone(),
        (None, false) => format!("{office}/{}", slug(district)),
    };
    if special {
        id.push_str("-special");
    }
    let election_type = match stage.to_uppercase().as_str() {
        "GEN" => "general",
        "PRI" => "primary",
        "RUN" | "GEN RUNOFF" | "PRI RUNOFF" => "runoff",
        _ => "special",
    };
    Contest {
        day,
        election_type: election_type.into(),
        contest: id,
        office,
        office_raw: office_raw.to_string(),
        district_id,
    }
}

fn mode_code(mode: &str) -> String {
    match mode.to_uppercase().as_str() {
        "" | "TOTAL" => "total".into(),
        "ELECTION DAY" | "IN-PERSON" => "election_day".into(),
        "EARLY" | "EARLY VOTING" | "ONE STOP" | "ABSENTEE ONESTOP" => "early".into(),
        "ABSENTEE BY MAIL" | "MAIL" => "mail".into(),
        "ABSENTEE" => "absentee".into(),
        "PROVISIONAL" => "provisional".into(),
        _ => slug(mode),
    }
}

/// A name with runs of blanks folded.
fn tidy(name: &str) -> String {
    name.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}
