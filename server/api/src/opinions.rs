//! Opinion by district: a survey put into the words of the electorate, everybody counted by the same words, and what
//! came out kept.

use std::collections::{BTreeMap, HashMap};

use bellwether_electorate::{Electorate, Filter, Key};
use bellwether_targeting::opinion::{self, Cells, Opinion, Survey, Table, Terms, estimate};
use bellwether_warehouse::questions;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::App;
use crate::error::ApiError;
use crate::grouping::Plan;
use crate::serving::Serving;

/// Folder of the estimates in the state folder.
const KEPT: &str = "opinions";
/// Greatest number that acts linearly.
pub const MOST_NUMBER: f64 = 1e9;
/// Cells up to which everybody is counted: a thousand times each is gone through.
const MOST_CELLS: usize = 200_000;

/// One who was asked.
pub struct Respondent {
    pub voter_id: Option<String>,
    /// Their values by key, where no voter is named.
    pub values: BTreeMap<String, Value>,
    pub answer: f64,
    pub weight: f64,
}

/// People who are alike, and how many they are, as a caller counted them.
pub struct Cell {
    pub values: BTreeMap<String, Value>,
    pub count: f64,
}

/// Who is counted.
pub enum Everybody {
    /// The population's voters, by these keys.
    Voters(Box<Plan>),
    Cells(Vec<Cell>),
}

/// What is estimated, and from what.
pub struct Request {
    pub name: String,
    /// Whose voter ids the respondents have.
    pub state: Option<String>,
    pub everybody: Everybody,
    /// What people are told apart by; the kind of area is the first.
    pub names: Vec<String>,
    /// What the respondents alone have.
    pub survey_only: Vec<String>,
    /// Groupings beside the keys themselves, such as `age_band:gender`.
    pub interactions: Vec<String>,
    /// Values of cells and respondents that act linearly.
    pub numbers: Vec<String>,
    /// Figures of the districts, by name.
    pub covariates: BTreeMap<String, BTreeMap<String, f64>>,
    pub respondents: Vec<Respondent>,
    pub seed: u64,
}

/// An estimate as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kept {
    pub id: String,
    pub name: String,
    pub kind: String,
    /// RFC 3339, UTC.
    pub created: String,
    pub release: String,
    /// Voters who were asked but are in no district of the kind, or not of the population.
    pub left_out: u64,
    pub opinion: Opinion,
}

/// How a value stands in a cell.
fn word(value: &Value) -> String {
    match value {
        Value::Null => "unknown".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Estimates the share of yes in every district that holds somebody of the population.
pub fn work(
    serving: &Serving,
    electorate: &Electorate,
    filter: &Filter,
    request: &Request,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Kept, ApiError> {
    let impossible =
        |detail: String| ApiError::of_status(axum::http::StatusCode::UNPROCESSABLE_ENTITY, detail);
    let (mut cells, mut counts) = (Table::default(), Vec::new());
    match &request.everybody {
        Everybody::Voters(plan) => {
            if !electorate.can_group(&plan.grouping) {
                let detail = "these keys have too many combinations: take fewer or coarser ones";
                return Err(impossible(detail.into()));
            }
            let groups = electorate.group(filter, &plan.grouping);
            // Who is in no district of the kind is in none of the estimates.
            for cell in groups.cells.iter().filter(|cell| cell.codes[0] != 0) {
                counts.push(cell.voters as f64);
                for ((name, key), code) in request.names.iter().zip(&plan.grouping.by).zip(&cell.codes) {
                    cells.texts.entry(name.clone()).or_default().push(word(&electorate.label(key, *code)));
                }
            }
        }
        Everybody::Cells(list) => {
            counts.extend(list.iter().map(|cell| cell.count));
            for (at, cell) in list.iter().enumerate() {
                let place = || format!("/cells/{at}");
                add_values(&mut cells, &request.names, &cell.values, place)?;
                add_numbers(&mut cells, &request.numbers, &cell.values, place)?;
            }
        }
    }
    if counts.len() > MOST_CELLS {
        return Err(impossible(format!(
            "{} cells are more than {MOST_CELLS}: take fewer keys",
            counts.len()
        )));
    }
    let Asked { table: mut survey, places, answers, weights, left_out } =
        asked(serving, electorate, filter, request)?;
    let area = &request.names[0];
    for (name, figures) in &request.covariates {
        for table in [&mut cells, &mut survey] {
            let areas = table.texts.get(area).map(Vec::as_slice).unwrap_or_default();
            let figure = |area: &String| {
                let figure = figures.get(area).copied().filter(|figure| figure.is_finite());
                figure.ok_or_else(|| {
                    ApiError::bad_request(format!("/covariates/{name}: there is no figure of {area}"))
                })
            };
            let column = areas.iter().map(figure).collect::<Result<Vec<f64>, _>>()?;
            table.numbers.insert(name.clone(), column);
        }
    }
    let terms = Terms {
        groupings: request
            .names
            .iter()
            .chain(&request.interactions)
            .chain(&request.survey_only)
            .cloned()
            .collect(),
        covariates: request.covariates.keys().chain(&request.numbers).cloned().collect(),
    };
    let opinion = estimate(
        &Survey { table: &survey, answers: &answers, weights: &weights },
        &Cells { table: &cells, counts: &counts },
        area,
        &terms,
        request.seed,
        go_on,
    )
    .map_err(|error| match &error {
        opinion::Error::Nobody { row, .. } => impossible(format!("/survey/{}: {error}", places[*row])),
        _ => impossible(error.to_string()),
    })?;
    Ok(Kept {
        id: uuid::Uuid::now_v7().to_string(),
        name: request.name.clone(),
        kind: area.clone(),
        created: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        release: serving.release.id.clone(),
        left_out,
        opinion,
    })
}

/// The respondents in words of the cells.
struct Asked {
    table: Table,
    /// Where they stand in the survey.
    places: Vec<usize>,
    answers: Vec<f64>,
    weights: Vec<f64>,
    left_out: u64,
}

/// What the electorate knows of the respondents who are named, and what was said of the others.
fn asked(
    serving: &Serving,
    electorate: &Electorate,
    filter: &Filter,
    request: &Request,
) -> Result<Asked, ApiError> {
    let by: &[Key] = match &request.everybody {
        Everybody::Voters(plan) => &plan.grouping.by,
        Everybody::Cells(_) => &[],
    };
    let ids: Vec<&str> = request.respondents.iter().filter_map(|one| one.voter_id.as_deref()).collect();
    let rows = match (&request.state, ids.is_empty()) {
        (_, true) => HashMap::new(),
        (None, false) => {
            return Err(ApiError::bad_request("/state: say whose voter ids they are, such as CO"));
        }
        (Some(state), false) => questions::rows_of_voters(&serving.copy, state, &ids)?,
    };
    let known: Vec<u32> = rows.values().copied().collect();
    let codes = electorate.codes(by, &known);
    let place: HashMap<u32, usize> = known.iter().enumerate().map(|(at, row)| (*row, at)).collect();
    let population = if known.is_empty() { Vec::new() } else { electorate.bitmap(filter) };
    let belongs =
        |row: usize| codes[0][row] != 0 && population[known[row] as usize / 64] >> (known[row] % 64) & 1 == 1;
    let mut asked = Asked {
        table: Table::default(),
        places: Vec::new(),
        answers: Vec::new(),
        weights: Vec::new(),
        left_out: 0,
    };
    let table = &mut asked.table;
    for (at, one) in request.respondents.iter().enumerate() {
        let row = match &one.voter_id {
            None => None,
            Some(id) => {
                let row = rows.get(id).and_then(|row| place.get(row));
                let row = row.ok_or_else(|| {
                    ApiError::bad_request(format!("/survey/{at}/voter_id: no such voter of the state"))
                })?;
                Some(*row)
            }
        };
        if row.is_some_and(|row| !belongs(row)) {
            asked.left_out += 1;
            continue;
        }
        asked.places.push(at);
        asked.answers.push(one.answer);
        asked.weights.push(one.weight);
        add_values(table, &request.survey_only, &one.values, || format!("/survey/{at}"))?;
        add_numbers(table, &request.numbers, &one.values, || format!("/survey/{at}"))?;
        let Some(row) = row else {
            add_values(table, &request.names, &one.values, || format!("/survey/{at}"))?;
            continue;
        };
        for ((name, key), codes) in request.names.iter().zip(by).zip(&codes) {
            table.texts.entry(name.clone()).or_default().push(word(&electorate.label(key, codes[row])));
        }
    }
    Ok(asked)
}

/// Adds a row whose every value a caller gave.
fn add_values(
    table: &mut Table,
    names: &[String],
    values: &BTreeMap<String, Value>,
    at: impl Fn() -> String,
) -> Result<(), ApiError> {
    for name in names {
        let value = values.get(name).filter(|value| !value.is_array() && !value.is_object());
        let value = value.map(word);
        let value = value.ok_or_else(|| ApiError::bad_request(format!("{}/{name} is missing", at())))?;
        table.texts.entry(name.clone()).or_default().push(value);
    }
    Ok(())
}

/// Adds a row's numbers.
fn add_numbers(
    table: &mut Table,
    names: &[String],
    values: &BTreeMap<String, Value>,
    at: impl Fn() -> String,
) -> Result<(), ApiError> {
    for name in names {
        let number = values.get(name).and_then(Value::as_f64).filter(|number| number.abs() <= MOST_NUMBER);
        let number = number.ok_or_else(|| {
            ApiError::bad_request(format!("{}/{name} is a number up to {MOST_NUMBER:e}", at()))
        })?;
        table.numbers.entry(name.clone()).or_default().push(number);
    }
    Ok(())
}

impl App {
    pub(crate) fn keep_opinion(&self, kept: &Kept) -> Result<(), ApiError> {
        self.state.write(&format!("{KEPT}/{}.json", kept.id), kept).map_err(ApiError::internal)
    }

    pub(crate) fn opinion(&self, id: &str) -> Result<Kept, ApiError> {
        let plain = uuid::Uuid::parse_str(id).is_ok_and(|parsed| parsed.to_string() == id);
        let found = match plain {
            true => self.state.read(&format!("{KEPT}/{id}.json")).map_err(ApiError::internal)?,
            false => None,
        };
        found.ok_or_else(|| {
            ApiError::not_found("no such estimate; GET /v1/opinions lists those that there are")
        })
    }

    /// All estimates, the newest first.
    pub(crate) fn opinions(&self) -> Result<Vec<Kept>, ApiError> {
        Ok(self.state.ids(KEPT).iter().filter_map(|id| self.opinion(id).ok()).collect())
    }
}
