//! The list of a turf as it is just now: who is to be visited, stop by stop, without those who must not be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bellwether_electorate::Electorate;
use serde::Serialize;

use crate::error::ApiError;
use crate::serving::Serving;
use crate::turfs::cutting::{elections_of, rules};
use crate::turfs::progress::{Recorded, Report, Walked};
use crate::turfs::{Cut, Member, Turf, id_of};

/// A person on a list.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    pub state: String,
    pub voter_id: String,
    pub name: String,
    pub last_name: Option<String>,
    pub first_name: Option<String>,
    pub middle_name: Option<String>,
    pub name_suffix: Option<String>,
    pub age: Option<i64>,
    pub gender: Option<String>,
    pub party: Option<String>,
    /// What was recorded on this list.
    pub result: Option<Recorded>,
}

/// People at one address, its unit included.
#[derive(Debug, Clone, Serialize)]
pub struct Household {
    pub unit: Option<String>,
    #[serde(skip)]
    pub unit_type: Option<String>,
    #[serde(skip)]
    pub unit_number: Option<String>,
    pub people: Vec<Listed>,
}

/// A stop of a walk.
#[derive(Debug, Clone, Serialize)]
pub struct ListedStop {
    /// Id of the turf, and its number.
    pub turf: String,
    pub turf_number: u32,
    /// From 1, in walking order. Stays when others leave the list.
    pub stop: u32,
    /// Stands for the door in every cut.
    pub door: u64,
    pub address: String,
    pub street: String,
    pub house_number: Option<String>,
    pub city: Option<String>,
    pub zip: Option<String>,
    #[serde(skip)]
    pub parts: [Option<String>; 5],
    #[serde(skip)]
    pub precinct: Option<String>,
    pub longitude: f64,
    pub latitude: f64,
    /// From the stop before.
    pub metres: f64,
    /// At the doors.
    pub minutes: f64,
    pub households: Vec<Household>,
    /// What canvassers found to be different.
    pub reports: Vec<Report>,
}

/// The rows in which the people of a cut stand in a release, kept while they are asked for.
#[derive(Default)]
pub struct Rows {
    held: Mutex<Vec<Held>>,
}

/// The release, the cut and when it was cut, and the rows.
type Held = ((String, String, String), Arc<HashMap<Member, u32>>);

/// Cuts whose rows are kept.
const KEPT: usize = 32;

impl Rows {
    pub fn of(&self, serving: &Serving, cut: &Cut) -> Result<Arc<HashMap<Member, u32>>, ApiError> {
        let key = (serving.release.id.clone(), cut.plan.id.clone(), cut.plan.created.clone());
        let find = |held: &mut Vec<Held>| {
            let at = held.iter().position(|(of, _)| *of == key)?;
            let found = held.remove(at);
            held.push(found);
            held.last().map(|(_, rows)| rows.clone())
        };
        if let Some(rows) = find(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(rows);
        }
        let members: Vec<&Member> = cut.plan.turfs.iter().flat_map(Turf::members).collect();
        let named: Vec<(&str, Option<&str>)> =
            members.iter().map(|member| (member.voter_id.as_str(), Some(member.state.as_str()))).collect();
        let rows = serving.copy.rows_of(&named)?;
        let rows: Arc<HashMap<Member, u32>> =
            Arc::new(rows.into_iter().map(|(at, row)| (members[at].clone(), row)).collect());
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if find(&mut held).is_none() {
            held.push((key, rows.clone()));
            if held.len() > KEPT {
                held.remove(0);
            }
        }
        Ok(rows)
    }
}

/// Results after which a list shows somebody as done who would be suppressed elsewhere.
const OWN: [&str; 6] = ["canvassed", "refused", "language", "other", "moved", "deceased"];

/// Turfs of a cut with what is known of their people.
pub struct Lists<'a> {
    serving: &'a Serving,
    electorate: &'a Electorate,
    cut: &'a Cut,
    rows: Arc<HashMap<Member, u32>>,
    walked: &'a Walked,
    rules: bellwether_electorate::Rules,
}

impl<'a> Lists<'a> {
    pub fn new(
        serving: &'a Serving,
        cut: &'a Cut,
        rows: Arc<HashMap<Member, u32>>,
        walked: &'a Walked,
    ) -> Result<Lists<'a>, ApiError> {
        let electorate = serving.electorate()?;
        // Ballots come back after lists were cut: the elections are those of this moment.
        let rules = rules(&cut.plan.request, &elections_of(&cut.plan.request, electorate));
        Ok(Lists { serving, electorate, cut, rows, walked, rules })
    }

    /// Whether somebody must not be visited: not a voter any more, or suppressed. What this list itself recorded takes
    /// nobody off it.
    pub fn struck(&self, member: &Member, recorded: Option<&Recorded>) -> bool {
        use bellwether_electorate::Suppressed::{Contacted, Deceased, Moved};
        let Some(row) = self.rows.get(member) else { return true };
        // Masked records are left out when the list is cut, and again when their columns are read.
        match self.electorate.suppressed(*row, false, &self.rules) {
            None => false,
            // What takes somebody off is what was recorded here.
            Some(Contacted | Deceased | Moved)
                if recorded.is_some_and(|own| OWN.contains(&own.result.as_str())) =>
            {
                false
            }
            Some(_) => true,
        }
    }

    /// The stops of some turfs, with those people who are to be visited or were. Stops where nobody is left are not there.
    pub fn stops(&self, turfs: &[&Turf]) -> Result<Vec<ListedStop>, ApiError> {
        let mut bitmap = vec![0u64; self.electorate.rows().div_ceil(64)];
        for row in turfs.iter().flat_map(|turf| turf.members()).filter_map(|member| self.rows.get(member)) {
            bitmap[*row as usize / 64] |= 1 << (row % 64);
        }
        let columns = [
            "confidential",
            "last_name",
            "first_name",
            "middle_name",
            "name_suffix",
            "age",
            "gender",
            "party",
            "address",
            "house_number",
            "pre_direction",
            "street_name",
            "street_type",
            "post_direction",
            "unit_type",
            "unit_number",
            "city",
            "zip",
            "precinct",
        ];
        let answer = self.serving.copy.members(&bitmap, &columns.map(str::to_string), 0, u64::MAX >> 24)?;
        let place: HashMap<u32, usize> =
            Electorate::rows_of(&bitmap).into_iter().enumerate().map(|(at, row)| (row, at)).collect();
        let known: HashMap<&str, Vec<Option<String>>> =
            columns.iter().map(|column| (*column, answer.texts(column))).collect();
        let (ages, confidential) = (answer.integers("age"), answer.booleans("confidential"));
        let mut stops = Vec::new();
        for turf in turfs {
            let id = id_of(&self.cut.plan.id, turf.number);
            let results = self.walked.of(&id);
            let mut reports = self.walked.reports(turf.members());
            for (at, stop) in turf.stops.iter().enumerate() {
                let mut households = Vec::new();
                let mut first = None;
                for members in &stop.households {
                    let mut people = Vec::new();
                    let mut unit = [None, None];
                    for member in members {
                        let result = results.get(member).cloned();
                        if self.struck(member, result.as_ref()) {
                            continue;
                        }
                        let Some(at) = self.rows.get(member).and_then(|row| place.get(row)) else { continue };
                        if confidential[*at] == Some(true) {
                            continue;
                        }
                        let text = |column: &str| known[column][*at].clone();
                        let (last, given) = (text("last_name"), text("first_name"));
                        let name =
                            [&given, &last].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
                        first.get_or_insert(*at);
                        unit = ["unit_type", "unit_number"].map(text);
                        people.push(Listed {
                            state: member.state.clone(),
                            voter_id: member.voter_id.clone(),
                            name,
                            last_name: last,
                            first_name: given,
                            middle_name: text("middle_name"),
                            name_suffix: text("name_suffix"),
                            age: ages[*at],
                            gender: text("gender"),
                            party: text("party"),
                            result,
                        });
                    }
                    if people.is_empty() {
                        continue;
                    }
                    let [unit_type, unit_number] = unit;
                    let unit = [&unit_type, &unit_number]
                        .into_iter()
                        .flatten()
                        .cloned()
                        .collect::<Vec<_>>()
                        .join(" ");
                    let unit = Some(unit).filter(|unit| !unit.is_empty());
                    households.push(Household { unit, unit_type, unit_number, people });
                }
                let Some(first) = first else { continue };
                let text = |column: &str| known[column][first].clone();
                let parts = ["house_number", "pre_direction", "street_name", "street_type", "post_direction"]
                    .map(text);
                let street = parts[1..].iter().flatten().cloned().collect::<Vec<_>>().join(" ");
                let line =
                    [parts[0].clone().unwrap_or_default(), street.clone()].join(" ").trim().to_string();
                let own = stop.households.iter().flatten();
                let own = own.filter(|member| !self.struck(member, results.get(*member)));
                stops.push(ListedStop {
                    turf: id.clone(),
                    turf_number: turf.number,
                    stop: at as u32 + 1,
                    door: stop.door,
                    address: if line.is_empty() { text("address").unwrap_or_default() } else { line },
                    street,
                    house_number: parts[0].clone(),
                    city: text("city"),
                    zip: text("zip"),
                    parts,
                    precinct: text("precinct"),
                    longitude: stop.longitude,
                    latitude: stop.latitude,
                    metres: stop.metres,
                    minutes: stop.minutes,
                    households,
                    reports: own.filter_map(|member| reports.remove(member)).flatten().collect(),
                });
            }
        }
        Ok(stops)
    }
}
