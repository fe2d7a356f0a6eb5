//! Wide VTD files of VEST and ALARM: one row a VTD, one column a candidate. `G20PREDBID` is the general election
//! of 2020, office PRE, party D, candidate BID. Polars turns columns into rows.

use std::collections::HashSet;

use bellwether_schema::ids;
use polars::prelude::*;

use crate::convert::{general_election_day, parse_votes};
use crate::delimited::{Header, Row};
use crate::report::Reject;
use crate::{Error, columns};

use super::office;
use super::writer::{Contest, Votes, Writers};

/// One file, held whole: a state has thousands of VTDs and tens of candidates.
#[derive(Clone)]
pub struct Wide {
    file: String,
    id_at: usize,
    /// Position and name of each vote column.
    candidates: Vec<(usize, String)>,
    ids: Vec<String>,
    seen: HashSet<String>,
    votes: Vec<Vec<f64>>,
    /// Columns that look like votes of an election whose day the file does not say.
    skipped: Vec<String>,
}

impl Wide {
    /// None if the header is not of this format.
    pub fn open(header: &Header) -> Option<Wide> {
        let id_at = header.find("GEOID20").or_else(|| header.find("GEOID"))?;
        let columns = header.names.iter().enumerate();
        let candidates: Vec<(usize, String)> = columns
            .filter(|(_, name)| meaning(name).is_some())
            .map(|(at, name)| (at, name.clone()))
            .collect();
        let votes = vec![Vec::new(); candidates.len()];
        let looks_so =
            |name: &&String| name.len() == 10 && name.as_bytes()[1..3].iter().all(u8::is_ascii_digit);
        let skipped =
            header.names.iter().filter(|name| meaning(name).is_none()).filter(looks_so).cloned().collect();
        let file = header.file.clone();
        let wide = Wide { file, id_at, candidates, ids: Vec::new(), seen: HashSet::new(), votes, skipped };
        (!wide.candidates.is_empty()).then_some(wide)
    }

    pub fn row(&mut self, row: &Row) -> Result<(), Reject> {
        let id = row.get(self.id_at);
        if id.get(..2).and_then(ids::state_of_fips).is_none() || id.len() < 6 {
            return Err(row.reject(Some(self.id_at), "not a VTD's GEOID"));
        }
        if !self.seen.insert(id.to_string()) {
            return Err(row.reject(Some(self.id_at), "the same VTD came before"));
        }
        let mut votes = Vec::with_capacity(self.candidates.len());
        for (at, _) in &self.candidates {
            let text = row.get(*at);
            let value = if text.is_empty() || text == "NA" { Some(0.0) } else { parse_votes(&text) };
            votes.push(value.ok_or_else(|| row.reject(Some(*at), "votes are not a number"))?);
        }
        self.ids.push(id.into_owned());
        self.votes.iter_mut().zip(votes).for_each(|(column, value)| column.push(value));
        Ok(())
    }

    /// What was left out of the file, where anything was.
    pub fn note(&self) -> Option<String> {
        let names = self.skipped.join(", ");
        (!names.is_empty())
            .then(|| format!("{}: only general elections are loaded; left out: {names}", self.file))
    }

    /// Writes one row a VTD and candidate.
    pub fn finish(self, writers: &mut Writers) -> Result<(), Error> {
        let file = self.file.clone();
        let fail = |cause: PolarsError| columns::failed(std::path::Path::new(&file), cause);
        let mut all = vec![Column::new("precinct".into(), self.ids)];
        let votes = self.candidates.iter().zip(self.votes);
        all.extend(votes.map(|((_, name), votes)| Column::new(name.as_str().into(), votes)));
        let table = DataFrame::new_infer_height(all).map_err(fail)?;
        let long = table.unpivot(None::<Vec<String>>, ["precinct"]).map_err(fail)?;
        let column = |name: &str| long.column(name).map_err(fail);
        let rows = column("precinct")?.str().map_err(fail)?.iter();
        let rows = rows.zip(column("variable")?.str().map_err(fail)?.iter());
        let rows = rows.zip(column("value")?.f64().map_err(fail)?.iter());
        for ((precinct, name), votes) in rows {
            let (Some(precinct), Some(name), Some(votes)) = (precinct, name, votes) else {
                continue;
            };
            let meaning = meaning(name).expect("only vote columns were unpivoted");
            let state =
                precinct.get(..2).and_then(ids::state_of_fips).expect("rows without a state were rejected");
            let votes = Votes {
                contest: &meaning.contest,
                county_fips: precinct.get(..5),
                precinct_raw: precinct,
                precinct_id: Some(precinct),
                named: [None, None, None],
                mode: "total",
                candidate: &meaning.candidate,
                party: ids::party_of_results(&meaning.party),
                party_raw: &meaning.party,
                writein: meaning.candidate == "WRI",
                votes,
            };
            writers.add(state, &format!("{}_{}", meaning.project, meaning.year), &votes)?;
        }
        Ok(())
    }
}

struct Meaning {
    /// vest or alarm
    project: &'static str,
    year: i32,
    contest: Contest,
    party: String,
    candidate: String,
}

/// What a vote column's name says; none for other columns. VEST writes `G20PREDBID`, ALARM `pre_20_dem_bid`; only
/// general elections have their day in the year alone. ALARM's `adv`, `arv`, `ndv` and `nrv` are means over
/// contests, not votes.
fn meaning(name: &str) -> Option<Meaning> {
    let parts: Vec<&str> = name.split('_').collect();
    let (project, office_raw, year, party, candidate) = match parts.as_slice() {
        [office, year, party, candidate] if candidate.len() == 3 => {
            ("alarm", *office, *year, *party, *candidate)
        }
        [whole] if whole.len() == 10 && whole.starts_with('G') && whole[1..].is_ascii() => {
            ("vest", &whole[3..6], &whole[1..3], &whole[6..7], &whole[7..])
        }
        _ => return None,
    };
    let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if ![office_raw, party, candidate].into_iter().all(letters) || office_raw.len() != 3 {
        return None;
    }
    let year = 2000 + year.parse::<i32>().ok().filter(|year| (0..100).contains(year))?;
    let office = office(office_raw);
    let contest = Contest {
        day: general_election_day(year)?,
        election_type: "general".into(),
        contest: office.clone(),
        office,
        office_raw: office_raw.to_uppercase(),
        district_id: None,
    };
    Some(Meaning { project, year, contest, party: party.to_uppercase(), candidate: candidate.to_uppercase() })
}
