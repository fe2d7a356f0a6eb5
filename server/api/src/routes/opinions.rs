//! Opinion by district, from a survey: multilevel regression and post-stratification on the warehouse's voters.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use bellwether_schema::ids::Kind;
use bellwether_warehouse::questions::ResultsFilter;
use bellwether_warehouse::{Answer, Format, questions};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::grouping::Plan;
use crate::jobs::JobState;
use crate::long;
use crate::opinions::{self, Cell, Everybody, Kept, MOST_NUMBER, Request, Respondent};
use crate::population::Population;
use crate::reply::{self, Body, Common, Params, Segments};
use crate::serving::Serving;
use crate::universe::population_of;

/// One who was asked: a voter of the state, or somebody of whom the value of every key is given.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct RespondentBody {
    /// The state's own id.
    pub voter_id: Option<String>,
    /// 1 for yes, 0 for no.
    pub answer: f64,
    /// How many people the answer stands for; 1 if not given.
    pub weight: Option<f64>,
    /// By key, where no voter is named: `"congressional": "FK-CD-1", "age_band": "25-34"`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub values: BTreeMap<String, Value>,
}

/// People who are alike, of a census or another count.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct CellBody {
    /// How many they are.
    pub count: f64,
    /// Their area and their value of every key of `by`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub values: BTreeMap<String, Value>,
}

/// Votes whose share tells the districts apart.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContestBody {
    #[schema(example = "2020-11-03/general")]
    pub election: String,
    #[schema(example = "president")]
    pub contest: String,
}

/// A survey, and what is wanted from it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpinionRequest {
    /// What was asked, in short.
    #[schema(example = "road_tax")]
    pub name: String,
    /// Kind of the districts that are estimated; with `cells` any name that they have for their area.
    #[schema(example = "congressional")]
    pub kind: String,
    /// Whose voter ids the respondents have.
    #[schema(example = "FK")]
    pub state: Option<String>,
    /// Whose opinion it is about; everybody's without it.
    #[serde(default, rename = "where")]
    #[schema(value_type = Option<crate::filter_schema::WhereSchema>)]
    pub filter: Value,
    /// A saved universe instead of a filter.
    pub universe: Option<String>,
    /// What people are told apart by, as in aggregates; age_band, gender and party without it.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["age_band", "gender", "party"]))]
    pub by: Vec<Value>,
    /// Groupings by several of these together.
    #[serde(default)]
    #[schema(example = json!(["age_band:gender"]))]
    pub interactions: Vec<String>,
    /// Values of the respondents that are none of the people's own, such as the poll that they were asked by: what they do
    /// to the answers is learned and left aside.
    #[serde(default)]
    pub survey_only: Vec<String>,
    /// With cells: values of theirs and of the respondents that are numbers and act linearly.
    #[serde(default)]
    pub numbers: Vec<String>,
    /// The districts' share of the Democratic among the votes of both large parties, as a covariate.
    pub result: Option<ContestBody>,
    /// Other figures of every district, by name.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub covariates: BTreeMap<String, BTreeMap<String, f64>>,
    pub survey: Vec<RespondentBody>,
    /// Everybody, where it is not the warehouse's voters that are counted: a post-stratification table.
    pub cells: Option<Vec<CellBody>>,
    /// The same seed gives the same intervals.
    #[serde(default)]
    pub seed: u32,
}

/// Respondents that one survey may have.
const MOST_ASKED: usize = 200_000;
/// Keys, the kind of district among them; interactions, and keys in one.
const MOST_KEYS: usize = 9;
const MOST_INTERACTIONS: usize = 10;
const MOST_PARTS: usize = 4;
const MOST_COVARIATES: usize = 20;

fn read(request: OpinionRequest, serving: &Serving) -> Result<Request, ApiError> {
    let bad = |detail: String| Err(ApiError::bad_request(detail));
    if !long::is_plain_name(&request.name) {
        return bad("a name has small letters, digits, _ - and ., 64 at most".into());
    }
    let mut by = vec![json!(request.kind)];
    by.extend(match request.by.is_empty() {
        true => vec![json!("age_band"), json!("gender"), json!("party")],
        false => request.by,
    });
    let names: Vec<String> = by.iter().map(Value::to_string).collect();
    if by.len() > MOST_KEYS || (1..names.len()).any(|at| names[..at].contains(&names[at])) {
        return bad(format!(
            "/by: at most {} keys, none of them twice and none the kind itself",
            MOST_KEYS - 1
        ));
    }
    if let Some((name, _)) = request
        .covariates
        .iter()
        .find(|(_, of)| of.values().any(|figure| figure.is_nan() || figure.abs() > MOST_NUMBER))
    {
        return bad(format!("/covariates/{name}: figures are numbers up to {MOST_NUMBER:e}"));
    }
    let mut covariates = request.covariates;
    let (names, everybody) = match request.cells {
        None => {
            let Some(kind) = Kind::parse(&request.kind) else {
                let known = Kind::ALL.map(Kind::name).join(", ");
                return bad(format!("/kind: unknown kind {}; there are {known}", request.kind));
            };
            let plan = Plan::read(&by, &[], serving.electorate()?)?;
            if let Some(contest) = &request.result {
                covariates.insert("result".into(), shares(serving, kind, contest)?);
            }
            (plan.names.clone(), Everybody::Voters(Box::new(plan)))
        }
        Some(cells) => {
            if request.result.is_some() || !request.filter.is_null() || request.universe.is_some() {
                return bad("/cells are counted as they are: without where, universe and result".into());
            }
            let names: Option<Vec<String>> = by.iter().map(|key| key.as_str().map(str::to_string)).collect();
            let Some(names) = names.filter(|names| names.iter().all(|name| !name.contains(':'))) else {
                return bad("/by: with cells, the names of their columns".into());
            };
            if let Some(at) = cells.iter().position(|cell| !(cell.count >= 0.0 && cell.count <= 1e12)) {
                return bad(format!("/cells/{at}/count is a number of people"));
            }
            let cell = |cell: CellBody| Cell { values: cell.values, count: cell.count };
            (names, Everybody::Cells(cells.into_iter().map(cell).collect()))
        }
    };
    if covariates.len() > MOST_COVARIATES {
        return bad(format!("/covariates: at most {MOST_COVARIATES}"));
    }
    let with_cells = matches!(everybody, Everybody::Cells(_));
    for (field, list, taken) in [
        ("numbers", &request.numbers, covariates.keys().collect::<Vec<_>>()),
        ("survey_only", &request.survey_only, names.iter().collect()),
    ] {
        let strange = |at: usize| {
            list[..at].contains(&list[at]) || taken.contains(&&list[at]) || list[at].contains(':')
        };
        if list.len() > MOST_KEYS || (0..list.len()).any(strange) {
            return bad(format!(
                "/{field}: at most {MOST_KEYS} names, none of them twice or named elsewhere"
            ));
        }
    }
    if !request.numbers.is_empty() && !with_cells {
        return bad("/numbers go with cells".into());
    }
    for (at, interaction) in request.interactions.iter().enumerate() {
        let parts: Vec<&str> = interaction.splitn(MOST_PARTS + 1, ':').collect();
        let unknown = |part: &&str| !names.iter().any(|name| name == part);
        let twice = (1..parts.len()).any(|place| parts[..place].contains(&parts[place]));
        if !(2..=MOST_PARTS).contains(&parts.len()) || parts.iter().any(unknown) || twice {
            let known = names.join(", ");
            return bad(format!("/interactions/{at}: two to {MOST_PARTS} of {known}, with : between"));
        }
        if at >= MOST_INTERACTIONS || request.interactions[..at].contains(interaction) {
            return bad(format!("/interactions: at most {MOST_INTERACTIONS}, none of them twice"));
        }
    }
    if request.survey.len() > MOST_ASKED {
        return bad(format!("/survey: at most {MOST_ASKED} people"));
    }
    let mut respondents = Vec::with_capacity(request.survey.len());
    for (at, one) in request.survey.into_iter().enumerate() {
        let weight = one.weight.unwrap_or(1.0);
        let fits = [0.0, 1.0].contains(&one.answer) && weight > 0.0 && weight <= 1e6;
        if !fits {
            return bad(format!("/survey/{at}: answer is 0 or 1, weight above 0"));
        }
        if one.voter_id.is_some() && matches!(everybody, Everybody::Cells(_)) {
            return bad(format!("/survey/{at}/voter_id: with cells the values are given"));
        }
        respondents.push(Respondent {
            voter_id: one.voter_id,
            values: one.values,
            answer: one.answer,
            weight,
        });
    }
    Ok(Request {
        name: request.name,
        state: request.state.map(|state| state.to_uppercase()),
        everybody,
        names,
        survey_only: request.survey_only,
        numbers: request.numbers,
        interactions: request.interactions,
        covariates,
        respondents,
        seed: u64::from(request.seed),
    })
}

/// The Democratic share of the votes of both large parties, by district.
fn shares(serving: &Serving, kind: Kind, contest: &ContestBody) -> Result<BTreeMap<String, f64>, ApiError> {
    let filter = ResultsFilter {
        kind: Some(kind.name().into()),
        election: Some(contest.election.clone()),
        contest: Some(contest.contest.clone()),
        ..ResultsFilter::default()
    };
    let page = questions::Page { limit: 10_000_000, offset: 0 };
    let mut votes: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    for row in serving.copy.answer(&questions::results(&filter, page))?.json()? {
        let at = match row["party"].as_str() {
            Some("DEM") => 0,
            Some("REP") => 1,
            _ => continue,
        };
        let district = row["district"].as_str().unwrap_or_default().to_string();
        votes.entry(district).or_default()[at] += row["votes"].as_f64().unwrap_or(0.0);
    }
    if votes.is_empty() {
        let (contest, election) = (&contest.contest, &contest.election);
        return Err(ApiError::bad_request(format!(
            "/result: no votes of {contest} in {election} are loaded; GET /v1/results shows those that are"
        )));
    }
    let share = |[one, other]: [f64; 2]| if one + other > 0.0 { one / (one + other) } else { 0.5 };
    Ok(votes.into_iter().map(|(district, votes)| (district, share(votes))).collect())
}

/// Estimates the share of yes in every district of a kind, with intervals, from a survey of a few hundred people or more.
///
/// A multilevel logistic regression learns from the survey how districts, groups of people and their combinations differ;
/// everybody in the population is then counted by the same words, so that each district's estimate is that of the people
/// who are registered there. Districts where few or nobody was asked are told by what they have in common with others.
#[utoipa::path(
    post,
    path = "/v1/opinions",
    tag = "models",
    params(
        Common,
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same job")
    ),
    request_body = OpinionRequest,
    responses(
        (status = 202, body = JobState, description = "a job; its result names the estimate"),
        (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "the idempotency key came with another body before")
    )
)]
pub async fn start(
    State(app): State<App>,
    caller: Caller,
    Params(common): Params<Common>,
    headers: HeaderMap,
    Body(request): Body<OpinionRequest>,
) -> Result<Response, ApiError> {
    let hash = blake3::hash(format!("{request:?} {:?}", common.as_of).as_bytes());
    let (filter, as_of) = population_of(&app, &request.filter, request.universe.as_deref(), &common)?;
    let population = Population::read(&filter, &caller)?;
    let serving = app.serving(as_of.as_deref()).await?;
    app.may_ask(&population.filter)?;
    let held = serving.clone();
    let request = app
        .run(move || {
            // A filter that cannot be made ready is told at once.
            population.compile(&held, held.electorate()?)?;
            Ok((read(request, &held)?, population))
        })
        .await?;
    let engine = app.clone();
    long::begin(&app, &caller, &headers, ("opinion", hash), move |job, progress| async move {
        let worker = engine.clone();
        engine
            .run_long(move || {
                worker.jobs.update(&job, |job| job.state = "running");
                let (request, population) = request;
                let electorate = serving.electorate()?;
                let filter = population.compile(&serving, electorate)?;
                // Rounds of the search and draws, roughly.
                let rounds = 60 + 6 * (request.names.len() + request.interactions.len());
                progress.bytes_total.store(rounds as u64, Ordering::Relaxed);
                let mut go_on = || {
                    progress.bytes.fetch_add(1, Ordering::Relaxed);
                    !progress.cancelled.load(Ordering::Relaxed)
                };
                let kept = opinions::work(&serving, electorate, &filter, &request, &mut go_on)?;
                worker.keep_opinion(&kept)?;
                Ok(json!({"opinion": kept.id, "rows": format!("/v1/opinions/{}", kept.id)}))
            })
            .await
    })
}

/// The estimates that were made, the newest first.
#[utoipa::path(get, path = "/v1/opinions", tag = "models", responses((status = 200, description = "id, name, kind, created, release, asked, whole")))]
pub async fn list(State(app): State<App>) -> Result<Response, ApiError> {
    let held = app.clone();
    let told = |kept: &Kept| {
        json!({
            "id": kept.id, "name": kept.name, "kind": kept.kind, "created": kept.created, "release": kept.release,
            "asked": kept.opinion.asked, "whole": kept.opinion.whole,
        })
    };
    let rows = app.run(move || Ok(held.opinions()?.iter().map(told).collect::<Vec<Value>>())).await?;
    Ok(Json(json!({"rows": rows, "next": null})).into_response())
}

/// Columns of an estimate.
const COLUMNS: [&str; 9] =
    ["kind", "district", "voters", "asked", "answered_yes", "estimate", "standard_error", "low", "high"];

/// One estimate: a row a district. In JSON also what the regression found: how much each grouping matters (the standard
/// deviation of its effects, in log odds), the slopes of the covariates, how many answers the weighted survey is worth,
/// the whole population's estimate, and how many respondents were left out because they are in no district of the kind or
/// not of the population. `low` and `high` hold the share 95 times of 100.
#[utoipa::path(
    get,
    path = "/v1/opinions/{id}",
    tag = "models",
    params(("id" = String, Path, description = "Id of the estimate"), Common),
    responses(
        (status = 200, description = "kind, district, voters, asked, answered_yes, estimate, standard_error, low, high"),
        (status = 400, body = Problem),
        (status = 404, body = Problem)
    )
)]
pub async fn one(
    State(app): State<App>,
    Segments(id): Segments<String>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let format = common.format(&headers)?;
    let held = app.clone();
    let (release, made) = app
        .run(move || {
            let kept = held.opinion(&id)?;
            let mut page = common.page(&kept.release, format)?;
            if common.limit.is_none() {
                page.limit = kept.opinion.areas.len().max(1) as u64;
            }
            let row = |area: &bellwether_targeting::opinion::Area| {
                json!({
                    "kind": kept.kind, "district": area.area, "voters": area.people, "asked": area.asked,
                    "answered_yes": area.answered_yes, "estimate": area.estimate.share,
                    "standard_error": area.estimate.standard_error,
                    "low": area.estimate.low, "high": area.estimate.high,
                })
            };
            let shown = kept.opinion.areas.iter().skip(page.offset as usize).take(page.limit as usize);
            let rows: Vec<Value> = shown.map(row).collect();
            let end = page.offset + rows.len() as u64;
            let more = end < kept.opinion.areas.len() as u64;
            let next = more.then(|| reply::cursor(&kept.release, end));
            let bytes = match format {
                Format::Json => serde_json::to_vec(&json!({
                    "release": kept.release, "id": kept.id, "name": kept.name, "kind": kept.kind,
                    "created": kept.created, "asked": kept.opinion.asked, "left_out": kept.left_out, "effective": kept.opinion.effective,
                    "groupings": kept.opinion.groupings, "covariates": kept.opinion.covariates,
                    "whole": row(&kept.opinion.whole), "rows": rows, "next": next,
                }))
                .map_err(ApiError::internal)?,
                other => Answer::of_rows(&COLUMNS, &rows)?.encode(other)?,
            };
            let made = reply::body(&kept.release, format.media_type(), bytes, next);
            Ok((kept.release, made))
        })
        .await?;
    Ok(reply::respond(&release, &made, &headers))
}
