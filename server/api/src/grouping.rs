//! Groupings as callers write them: keys and measures, read and shown.

use std::collections::HashMap;

use bellwether_electorate::{
    Cell, Coding, Electorate, Fault, Grouping, Key, Measures, Sum, is_election, nearest,
};
use bellwether_schema::ids::Kind;
use bellwether_warehouse::questions::{self, Page, ResultsFilter};
use serde_json::{Value, json};

use crate::disclosure::Disclosure;
use crate::error::ApiError;
use crate::serving::Serving;

/// What is asked for, with its names looked up.
pub struct Plan {
    /// Of the keys.
    pub names: Vec<String>,
    pub grouping: Grouping,
    /// The measures in the order in which they are shown.
    shown: Vec<Shown>,
    /// Their names; votes come last.
    pub columns: Vec<String>,
    contest: Option<(String, String, usize)>,
    /// Elections whose returned ballots are counted.
    returned: Vec<String>,
}

enum Shown {
    Voters,
    Households,
    Doors,
    Phones,
    Share,
    /// Mean of the column, or of the score, at this place of the measures.
    Mean(usize),
    MeanScore(usize),
    /// Quantiles of the scores at this place.
    Quantiles(usize, Vec<f64>),
    Voted(usize),
    Returned(usize),
}

/// Lower ends of the age bands of the reports, and their names.
const AGE_BANDS: [(i64, &str); 8] = [
    (0, "under 18"),
    (18, "18-24"),
    (25, "25-34"),
    (35, "35-44"),
    (45, "45-54"),
    (55, "55-64"),
    (65, "65-74"),
    (75, "75 and over"),
];

/// The name of an age's band.
pub fn age_band(age: i64) -> &'static str {
    AGE_BANDS.iter().rev().find(|(from, _)| *from <= age).map_or(AGE_BANDS[0].1, |(_, name)| name)
}

impl Plan {
    /// Reads keys and measures as a caller wrote them.
    pub fn read(by: &[Value], measures: &[Value], electorate: &Electorate) -> Result<Plan, ApiError> {
        let mut plan = Plan {
            names: Vec::new(),
            grouping: Grouping { by: Vec::new(), measures: Measures::default() },
            shown: Vec::new(),
            columns: Vec::new(),
            contest: None,
            returned: Vec::new(),
        };
        let mut faults = Vec::new();
        for (at, key) in by.iter().enumerate() {
            if let Err(detail) = plan.key(key, electorate) {
                faults.push(Fault { at: format!("/by/{at}"), detail });
            }
        }
        if by.len() > 8 {
            faults.push(Fault { at: "/by".into(), detail: "at most eight keys group".into() });
        }
        let voters = [json!("voters")];
        let measures = if measures.is_empty() { &voters[..] } else { measures };
        for (at, measure) in measures.iter().enumerate() {
            if let Err(detail) = plan.read_measure(measure, electorate) {
                faults.push(Fault { at: format!("/measures/{at}"), detail });
            }
        }
        if faults.is_empty() { Ok(plan) } else { Err(ApiError::faults(faults)) }
    }

    fn key(&mut self, key: &Value, electorate: &Electorate) -> Result<(), String> {
        let (name, key) = match key {
            Value::String(name) => (name.clone(), named_key(name, electorate)?),
            Value::Object(object) if object.len() == 1 && object.contains_key("turnout") => {
                let (name, elections) = turnout_key(&object["turnout"], electorate)?;
                (name, Key::Turnout(elections))
            }
            _ => return Err("a key is a name, or {\"turnout\": {\"last\": 4}}".into()),
        };
        if self.names.contains(&name) {
            return Err(format!("{name} stands twice"));
        }
        self.names.push(name);
        self.grouping.by.push(key);
        Ok(())
    }

    fn read_measure(&mut self, measure: &Value, electorate: &Electorate) -> Result<(), String> {
        let measures = &mut self.grouping.measures;
        let one =
            |measure: &Value, name: &str| measure.as_object().filter(|o| o.len() == 1)?.get(name).cloned();
        let (name, shown) = if let Some(name) = measure.as_str() {
            let shown = match name {
                "voters" => Shown::Voters,
                "households" => Shown::Households,
                "doors" => Shown::Doors,
                "phones" => Shown::Phones,
                "share" => Shown::Share,
                other => return Err(format!("unknown measure {other}; there are {MEASURES}")),
            };
            measures.households |= name == "households";
            measures.doors |= name == "doors";
            measures.phones |= name == "phones";
            (name.to_string(), shown)
        } else if let Some(of) = one(measure, "mean") {
            match of.as_str() {
                Some(field) => {
                    let column = electorate.column(field);
                    let number =
                        |at: &usize| matches!(electorate.columns[*at].coding, Coding::Numbers { .. });
                    let column =
                        column.filter(number).ok_or("a mean is that of age, birth_year or a score")?;
                    measures.columns.push(column);
                    (format!("mean_{field}"), Shown::Mean(measures.columns.len() - 1))
                }
                None => {
                    let (name, model) = score(&of, electorate)?;
                    measures.scores.push(model);
                    (format!("mean_{name}"), Shown::MeanScore(measures.scores.len() - 1))
                }
            }
        } else if let Some(of) = one(measure, "quantiles") {
            let (name, model) = score(&of, electorate)?;
            let at = of.get("at").and_then(Value::as_array).cloned().unwrap_or(vec![
                json!(0.25),
                json!(0.5),
                json!(0.75),
            ]);
            let at: Option<Vec<f64>> =
                at.iter().map(|at| at.as_f64().filter(|at| (0.0..=1.0).contains(at))).collect();
            let at =
                at.filter(|at| (1..=100).contains(&at.len())).ok_or("quantiles are at shares from 0 to 1")?;
            measures.quantiles.push(model);
            (format!("quantiles_{name}"), Shown::Quantiles(measures.quantiles.len() - 1, at))
        } else if let Some(election) = one(measure, "voted") {
            let election = election.as_str().unwrap_or_default().to_string();
            let place =
                electorate.election(&election).ok_or_else(|| unknown_election(&election, electorate))?;
            measures.voted.push(place);
            (format!("voted_{election}"), Shown::Voted(measures.voted.len() - 1))
        } else if let Some(election) = one(measure, "returned") {
            let election = election.as_str().filter(|election| is_election(election));
            let election = election.ok_or("returned needs its election, such as \"2026-11-03/general\"")?;
            measures.among.push(electorate.returned(election));
            self.returned.push(election.to_string());
            (format!("returned_{election}"), Shown::Returned(measures.among.len() - 1))
        } else if let Some(of) = one(measure, "votes") {
            let text = |name: &str| of.get(name).and_then(Value::as_str).map(str::to_string);
            let (Some(election), Some(contest)) = (text("election"), text("contest")) else {
                return Err("votes need their election and contest".into());
            };
            let mut kinds =
                self.grouping.by.iter().enumerate().filter(|(_, key)| matches!(key, Key::District(_)));
            let (Some((at, _)), None) = (kinds.next(), kinds.next()) else {
                return Err("votes need one kind of district among the keys, and only one".into());
            };
            if self.contest.is_some() {
                return Err("the votes of one contest at a time".into());
            }
            self.contest = Some((election, contest, at));
            self.columns.push("votes".into());
            return Ok(());
        } else {
            return Err(format!("unknown measure; there are {MEASURES}"));
        };
        if self.columns.contains(&name) {
            return Err(format!("{name} stands twice"));
        }
        let place = self.columns.len() - usize::from(self.contest.is_some());
        self.columns.insert(place, name);
        self.shown.push(shown);
        Ok(())
    }

    /// Adds a group's measures to its row. `all` is what all who match are shown as.
    pub fn measure(
        &self,
        row: &mut Vec<Value>,
        cell: &Cell,
        all: Option<u64>,
        rule: Option<&Disclosure>,
        electorate: &Electorate,
    ) {
        let show = |count: u64, salt: u64| match rule {
            None => json!(count),
            Some(rule) => rule.shown(count, cell.fingerprint ^ salt),
        };
        // Without a right to persons a mean is not given so exactly that it gives the values away.
        let blunt = |value: f64| if rule.is_some() { (value * 10.0).round() / 10.0 } else { value };
        let mean = |sum: Sum| match rule {
            _ if sum.count == 0 => Value::Null,
            Some(rule) if sum.count < rule.size => Value::Null,
            _ => json!(blunt(sum.sum / sum.count as f64)),
        };
        for shown in &self.shown {
            let value = match shown {
                Shown::Voters => show(cell.voters, 0),
                Shown::Households => show(cell.households, 1),
                Shown::Doors => show(cell.doors, 2),
                Shown::Phones => show(cell.phones, 3),
                Shown::Voted(at) => {
                    let election = &electorate.participation[self.grouping.measures.voted[*at]].election;
                    show(cell.voted[*at], rule.map_or(0, |rule| rule.named(election)))
                }
                Shown::Returned(at) => {
                    let salt = rule.map_or(0, |rule| rule.named(&self.returned[*at]));
                    show(cell.voted[self.grouping.measures.voted.len() + at], salt)
                }
                Shown::Share => match (show(cell.voters, 0).as_f64(), all) {
                    (Some(voters), Some(all)) if all > 0 => json!((voters / all as f64).min(1.0)),
                    _ => Value::Null,
                },
                Shown::Mean(at) => mean(cell.sums[*at]),
                Shown::MeanScore(at) => mean(cell.sums[self.grouping.measures.columns.len() + at]),
                Shown::Quantiles(at, shares) => {
                    let mut scores = cell.scores[*at].clone();
                    scores.sort_by(f32::total_cmp);
                    let few = scores.is_empty() || rule.is_some_and(|rule| (scores.len() as u64) < rule.size);
                    match few {
                        true => Value::Null,
                        false => shares.iter().map(|share| json!(blunt(quantile(&scores, *share)))).collect(),
                    }
                }
            };
            row.push(value);
        }
    }

    /// Votes by district: of each candidate, the most first.
    pub fn votes(&self, serving: &Serving) -> Result<HashMap<String, Value>, ApiError> {
        let mut votes: HashMap<String, Vec<Value>> = HashMap::new();
        let Some((election, contest, at)) = &self.contest else { return Ok(HashMap::new()) };
        let Key::District(kind) = self.grouping.by[*at] else { return Ok(HashMap::new()) };
        let filter = ResultsFilter {
            kind: Some(kind.name().into()),
            election: Some(election.clone()),
            contest: Some(contest.clone()),
            ..ResultsFilter::default()
        };
        let answer =
            serving.copy.answer(&questions::results(&filter, Page { limit: 10_000_000, offset: 0 }))?;
        for row in answer.json()? {
            let vote = json!({"candidate": row["candidate"], "party": row["party"], "votes": row["votes"]});
            votes.entry(row["district"].as_str().unwrap_or_default().to_string()).or_default().push(vote);
        }
        if votes.is_empty() {
            let detail = format!(
                "no votes of {contest} in {election} are loaded; GET /v1/results shows those that are"
            );
            return Err(ApiError::bad_request(detail));
        }
        Ok(votes.into_iter().map(|(district, list)| (district, Value::Array(list))).collect())
    }

    /// Adds the votes of the group's district to its row, where they are asked for.
    pub fn add_votes(&self, row: &mut Vec<Value>, votes: &HashMap<String, Value>) {
        if let Some((.., at)) = &self.contest {
            let list = row[*at].as_str().and_then(|district| votes.get(district)).cloned();
            row.push(list.unwrap_or(Value::Null));
        }
    }
}

const MEASURES: &str = "voters, households, doors, phones, share, mean, quantiles, voted, returned, votes";

/// The value below which a share of the sorted values lies, linear between neighbours (Hyndman and Fan's type 7).
fn quantile(sorted: &[f32], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    f64::from(low) + (f64::from(high) - f64::from(low)) * place.fract()
}

/// The key of a name: a kind of district, a field, `age_band` or `registration_year`.
pub fn named_key(name: &str, electorate: &Electorate) -> Result<Key, String> {
    if let Some(kind) = Kind::parse(name) {
        return Ok(Key::District(kind));
    }
    if let Some(column) = electorate.column(name) {
        return Ok(Key::Field(column));
    }
    let band = |column: &str, bands: Vec<(i64, String)>| {
        let column = electorate.column(column).ok_or("the column is gone")?;
        let (Coding::Numbers { base } | Coding::Days { base }) = &electorate.columns[column].coding else {
            return Err("the column has no order");
        };
        let code = |value: i64| u32::try_from(value - base + 1).unwrap_or(1).max(1);
        Ok(Key::Bands { column, bands: bands.into_iter().map(|(from, name)| (code(from), name)).collect() })
    };
    match name {
        "age_band" => {
            Ok(band("age", AGE_BANDS.iter().map(|(from, name)| (*from, name.to_string())).collect())?)
        }
        "registration_year" => {
            let years = 1800..=2100;
            let first = |year: i32| {
                chrono::NaiveDate::from_ymd_opt(year, 1, 1).map_or(0, |day| i64::from(day.to_epoch_days()))
            };
            Ok(band("registered_on", years.map(|year| (first(year), year.to_string())).collect())?)
        }
        other => {
            let mut known: Vec<&str> = Kind::ALL.map(Kind::name).to_vec();
            known.extend(electorate.columns.iter().map(|column| column.name));
            known.extend(["age_band", "registration_year", "turnout"]);
            let near = nearest(other, known.iter().copied());
            let near = if near.is_empty() { known } else { near };
            Err(format!("unknown key {other}; nearest: {}", near.join(", ")))
        }
    }
}

fn turnout_key(value: &Value, electorate: &Electorate) -> Result<(String, Vec<usize>), String> {
    let form = "turnout needs so many of the newest elections: {\"last\": 4, \"type\": \"general\"}";
    let last =
        value.get("last").and_then(Value::as_u64).filter(|last| (1..=60).contains(last)).ok_or(form)?;
    let kind = value.get("type").and_then(Value::as_str);
    let fits = |election: &str| kind.is_none_or(|kind| election.split('/').nth(1) == Some(kind));
    let elections = electorate.participation.iter().enumerate().filter(|(_, p)| fits(&p.election));
    let places = elections.map(|(place, _)| place).take(last as usize).collect();
    let name = kind.map_or(format!("turnout_last_{last}"), |kind| format!("turnout_last_{last}_{kind}"));
    Ok((name, places))
}

fn score(value: &Value, electorate: &Electorate) -> Result<(String, usize), String> {
    let name =
        value.get("score").and_then(Value::as_str).ok_or("name the score: {\"score\": \"turnout\"}")?;
    let known: Vec<&str> = electorate.scores.iter().map(|(name, _)| name.as_str()).collect();
    let place = known.iter().position(|model| *model == name);
    let place = place.ok_or_else(|| match known.is_empty() {
        true => format!("unknown model {name}: no model is published"),
        false => format!("unknown model {name}; there are {}", known.join(", ")),
    })?;
    Ok((name.to_string(), place))
}

fn unknown_election(asked: &str, electorate: &Electorate) -> String {
    let known = electorate.participation.iter().map(|participation| participation.election.as_str());
    match nearest(asked, known) {
        near if near.is_empty() => format!("unknown election {asked}"),
        near => format!("unknown election {asked}; nearest: {}", near.join(", ")),
    }
}
