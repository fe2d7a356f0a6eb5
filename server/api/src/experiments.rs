//! Randomised experiments: people drawn from a universe and written into the lake before anybody is treated, and what
//! the outcomes say.

use std::collections::HashMap;

use bellwether_electorate::{ARMS, Electorate, Filter, Together};
use bellwether_lake::{Change, NewFiles};
use bellwether_loaders::columns::ParquetTable;
use bellwether_schema::catalog;
use bellwether_targeting::experiment::{Group, Trial, set_aside};
use bellwether_warehouse::{Answer, questions};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::grouping::Plan;
use crate::serving::Serving;

/// Experiments that a release may hold: their people take four bytes each in memory.
const MOST_EXPERIMENTS: usize = 500;
/// Voters whose ids are read together.
const TOGETHER: u64 = 1 << 17;

/// How people are drawn, as it is kept with the experiment.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Design {
    #[serde(rename = "where")]
    #[schema(value_type = Object)]
    pub filter: Value,
    /// Share set aside: the control group.
    pub share: f64,
    /// Who is drawn together: household, door or precinct.
    pub together: String,
    /// Keys whose combinations each have the same share.
    #[schema(value_type = Vec<String>)]
    pub strata: Vec<Value>,
    pub seed: u64,
}

/// Who may be drawn together.
pub const TOGETHER_NAMES: [(&str, Together); 3] =
    [("household", Together::Household), ("door", Together::Door), ("precinct", Together::Precinct)];

/// A draw on its way into the lake.
pub struct Drawn {
    pub id: String,
    pub change: Change,
    /// Kept until the change is in the lake.
    _folder: tempfile::TempDir,
    pub voters: u64,
    pub control: u64,
    pub clusters: u64,
    pub seal: String,
}

/// Refuses an experiment where the newest release holds as many as it may.
pub fn room_for_one_more(electorate: &Electorate) -> Result<(), ApiError> {
    if electorate.experiments() < MOST_EXPERIMENTS {
        return Ok(());
    }
    let detail =
        format!("{MOST_EXPERIMENTS} experiments are held at most: every one takes memory in every release");
    Err(ApiError::of_status(axum::http::StatusCode::UNPROCESSABLE_ENTITY, detail))
}

/// Draws an experiment. `go_on` is told how many voters are written.
pub fn draw(
    serving: &Serving,
    electorate: &Electorate,
    filter: &Filter,
    (name, design): (&str, &Design),
    (by, strata): (Together, &Plan),
    folder: tempfile::TempDir,
    mut go_on: impl FnMut(u64) -> bool,
) -> Result<Drawn, ApiError> {
    let bitmap = electorate.bitmap(filter);
    let rows = Electorate::rows_of(&bitmap);
    let mut numbers: HashMap<u64, u32> = HashMap::new();
    let mut clusters = Vec::with_capacity(rows.len());
    for number in electorate.together(by, &rows) {
        let fresh = numbers.len() as u32;
        clusters.push(*numbers.entry(number).or_insert(fresh));
    }
    let codes = electorate.codes(&strata.grouping.by, &rows);
    let mut combinations: HashMap<Vec<u32>, u32> = HashMap::new();
    let mut of_strata = Vec::with_capacity(rows.len());
    for row in 0..rows.len() {
        let fresh = combinations.len() as u32;
        let own = codes.iter().map(|codes| codes[row]).collect();
        of_strata.push(*combinations.entry(own).or_insert(fresh));
    }
    let aside = set_aside(&clusters, &of_strata, design.share, design.seed);
    let control = aside.iter().filter(|aside| **aside).count() as u64;
    if control == 0 || control == rows.len() as u64 {
        let detail = format!(
            "{} voters in {} groups that stay together: this share leaves one arm empty",
            rows.len(),
            numbers.len()
        );
        return Err(ApiError::of_status(axum::http::StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let id = uuid::Uuid::now_v7().to_string();
    let assignments = folder.path().join("assignments.parquet");
    let mut writer = create("assignments", &assignments)?;
    let places = ["state", "voter_id", "cluster", "stratum", "arm"].map(|name| writer.position(name));
    let mut seal = blake3::Hasher::new();
    let columns = ["state".to_string(), "voter_id".to_string()];
    let mut at = 0usize;
    while at < rows.len() {
        let named = serving.copy.members(&bitmap, &columns, at as u64, TOGETHER)?;
        let [states, ids] = [named.texts("state"), named.texts("voter_id")];
        if ids.is_empty() {
            return Err(ApiError::internal("fewer voters are listed than match"));
        }
        for (state, voter) in states.iter().zip(&ids) {
            let (state, voter) = (state.as_deref().unwrap_or_default(), voter.as_deref().unwrap_or_default());
            let arm = ARMS[usize::from(!aside[at])];
            writer.text(places[0], state);
            writer.text(places[1], voter);
            writer.integer(places[2], Some(clusters[at] as i32));
            writer.integer(places[3], Some(of_strata[at] as i32));
            writer.text(places[4], arm);
            writer.end_row().map_err(ApiError::internal)?;
            seal.update(format!("{state} {voter} {arm}\n").as_bytes());
            at += 1;
        }
        if !go_on(at as u64) {
            return Err(ApiError::conflict("cancelled"));
        }
    }
    writer.finish().map_err(ApiError::internal)?;
    let seal = seal.finalize().to_hex().to_string();
    let experiments = folder.path().join("experiments.parquet");
    let mut writer = create("experiments", &experiments)?;
    for (column, value) in [
        ("name", name.to_string()),
        ("created", chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)),
        ("drawn_from", serving.release.id.clone()),
        ("design", serde_json::to_string(design).map_err(ApiError::internal)?),
        ("seal", seal.clone()),
    ] {
        writer.text(writer.position(column), &value);
    }
    writer.end_row().and_then(|()| writer.finish()).map_err(ApiError::internal)?;
    let new =
        |table: &str, file| NewFiles { table: table.into(), partition: vec![id.clone()], files: vec![file] };
    let change = Change {
        what: format!("drew the experiment {name}"),
        files: vec![new("assignments", assignments), new("experiments", experiments)],
        load: None,
        inputs: Default::default(),
    };
    let (voters, clusters) = (rows.len() as u64, numbers.len() as u64);
    Ok(Drawn { id, change, _folder: folder, voters, control, clusters, seal })
}

fn create(table: &str, file: &std::path::Path) -> Result<ParquetTable, ApiError> {
    let table = catalog::table(table).ok_or_else(|| ApiError::internal("the catalog lacks a table"))?;
    ParquetTable::create_whole(table, file.to_path_buf()).map_err(ApiError::internal)
}

/// What was measured of a voter.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomeOf {
    pub voter_id: String,
    /// 1 or 0 for what happens or does not; any number for what has a size.
    pub value: f64,
    /// Whether the treatment reached the voter; where it is not said, contacts tell.
    pub treated: Option<bool>,
}

/// The change that puts outcomes into the lake, in place of those of the same name and state.
pub fn outcomes_change(
    (id, outcome, state): (&str, &str, &str),
    rows: &[OutcomeOf],
    folder: &tempfile::TempDir,
) -> Result<Change, ApiError> {
    let file = folder.path().join("outcomes.parquet");
    let mut writer = create("outcomes", &file)?;
    let places = ["voter_id", "value", "treated"].map(|name| writer.position(name));
    for row in rows {
        writer.text(places[0], &row.voter_id);
        writer.double(places[1], Some(row.value));
        writer.boolean(places[2], row.treated);
        writer.end_row().map_err(ApiError::internal)?;
    }
    let files = NewFiles {
        table: "outcomes".into(),
        partition: vec![id.to_string(), outcome.to_string(), state.to_string()],
        files: writer.finish().map_err(ApiError::internal)?.into_iter().collect(),
    };
    Ok(Change {
        what: format!("outcomes {outcome} of the experiment {id}"),
        files: vec![files],
        load: None,
        inputs: Default::default(),
    })
}

/// An experiment as it was drawn.
pub fn drawn(serving: &Serving, id: &str) -> Result<Value, ApiError> {
    let found = questions::experiments(&serving.copy, Some(id))?.json()?;
    found.into_iter().next().map(described).ok_or_else(|| {
        ApiError::not_found("no such experiment; GET /v1/experiments lists those that there are")
    })
}

/// The experiment as it was drawn, how alike its arms are, and the effect on every outcome.
pub fn told(serving: &Serving, id: &str, election: Option<&str>) -> Result<Value, ApiError> {
    let mut told = drawn(serving, id)?;
    let arms = questions::arms(&serving.copy, id)?.json()?;
    let mut outcomes = Vec::new();
    for name in questions::outcome_names(&serving.copy, id)? {
        let answer = questions::outcome(&serving.copy, id, &name)?;
        outcomes.push(effect(&name, &answer, &arms));
    }
    if let Some(election) = election {
        let answer = questions::outcome_of_election(&serving.copy, id, election)?;
        outcomes.push(effect(&format!("turnout {election}"), &answer, &arms));
    }
    told["arms"] = json!(arms);
    told["outcomes"] = json!(outcomes);
    Ok(told)
}

/// The effect on one outcome.
fn effect(name: &str, answer: &Answer, arms: &[Value]) -> Value {
    let column = |name: &str| answer.integers(name).into_iter().map(Option::unwrap_or_default);
    let clusters: Vec<u32> = column("cluster").map(|cluster| cluster as u32).collect();
    let assigned: Vec<bool> = column("assigned").map(|arm| arm == 1).collect();
    let treated: Vec<bool> = column("treated").map(|treated| treated == 1).collect();
    let values: Vec<f32> = answer.doubles("value").into_iter().map(|v| v.unwrap_or(0.0) as f32).collect();
    let trial = Trial { outcomes: &values, assigned: &assigned, clusters: &clusters };
    let (effect, complier) = (trial.intent_to_treat(), trial.complier_effect(&treated));
    let arm = |name: &str, group: Group, side: bool| {
        let reached = assigned.iter().zip(&treated).filter(|(arm, treated)| **arm == side && **treated);
        let drawn = arms.iter().find(|row| row["arm"] == name).and_then(|row| row["people"].as_u64());
        json!({
            "people": group.people, "mean": group.mean, "reached": reached.count(),
            "missing": drawn.unwrap_or(0).saturating_sub(group.people),
        })
    };
    let [control, treatment] = trial.groups();
    json!({
        "outcome": name,
        "control": arm("control", control, false),
        "treatment": arm("treatment", treatment, true),
        "intent_to_treat": effect.as_ref().ok(),
        "complier_effect": complier.as_ref().ok(),
        "why_not": effect.err().or(complier.err()).map(|error| error.to_string()),
    })
}

/// A row of the table as callers see it: the design as an object.
pub fn described(mut row: Value) -> Value {
    let design = row["design"].as_str().and_then(|text| serde_json::from_str(text).ok());
    row["design"] = design.unwrap_or(Value::Null);
    if let Some(object) = row.as_object_mut()
        && let Some(id) = object.remove("experiment")
    {
        object.insert("id".into(), id);
    }
    row
}
