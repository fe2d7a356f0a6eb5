//! Targeting models: learned as a job, read by their cards, published as scores.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether_schema::features::features;
use bellwether_targeting::boosting::Settings;
use bellwether_targeting::card::Kind;
use bellwether_targeting::page;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::jobs::JobState;
use crate::long;
use crate::models::{self, Draft, Label};
use crate::reply::{Body, Params, Segments};

/// An outcome that is known of a voter.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelBody {
    pub voter_id: String,
    /// 0 or 1.
    pub outcome: f32,
    /// 1 where it is not given.
    pub weight: Option<f32>,
    /// For persuasion: whether the voter was assigned to the treatment, at random.
    pub assigned: Option<bool>,
}

/// Days of answers.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswersBody {
    /// The first day.
    #[schema(example = "2022-08-01")]
    pub from: String,
    /// The day after the last; without it all that are known.
    pub to: Option<String>,
}

/// What to learn. Turnout is learned from an election; support and persuasion from labels.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelRequest {
    #[schema(example = "turnout")]
    pub name: String,
    /// support, turnout or persuasion
    #[schema(value_type = String, example = "turnout")]
    pub kind: Kind,
    /// Postal code of the state whose voters it is about.
    #[schema(example = "FK")]
    pub state: String,
    /// For turnout: an election that was held; nothing from its day on is looked at.
    #[schema(example = "2020-11-03/general")]
    pub election: Option<String>,
    /// For the others: nothing from this day on is looked at. The day after the file's last registration, if not given.
    pub day: Option<String>,
    #[serde(default)]
    pub labels: Vec<LabelBody>,
    /// Labels as CSV in their place: voter_id, outcome, and weight and assigned (0 or 1) where they are known.
    pub labels_csv: Option<String>,
    /// For support, in their place: what canvassers were answered (`support` of contacts); those who are undecided are
    /// left out. Nothing from the first of the days on is looked at.
    pub answers: Option<AnswersBody>,
    /// Number of trees, 10 to 1000; 100 if not given.
    pub trees: Option<usize>,
    /// Share of what a tree found that is taken over, 0.01 to 1; 0.1 if not given.
    pub rate: Option<f64>,
    /// The same seed gives the same model.
    #[serde(default)]
    pub seed: u32,
}

fn read(request: ModelRequest) -> Result<models::Request, ApiError> {
    let bad = |detail: &str| Err(ApiError::bad_request(detail));
    if !long::is_plain_name(&request.name) {
        return bad("a model's name has small letters, digits, _ - and ., 64 at most");
    }
    let state = request.state.to_uppercase();
    if state.len() != 2 || !state.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return bad("state is a postal code, such as CO");
    }
    let sources = [
        request.election.is_some(),
        !request.labels.is_empty(),
        request.labels_csv.is_some(),
        request.answers.is_some(),
    ];
    let is_turnout = request.kind == Kind::Turnout;
    if sources.iter().filter(|given| **given).count() != 1 || sources[0] != is_turnout {
        return bad(
            "turnout is learned from an election; support and persuasion from labels, labels_csv or answers",
        );
    }
    if request.kind == Kind::Imported || (request.answers.is_some() && request.kind != Kind::Support) {
        return bad("support, turnout and persuasion are learned; answers tell of support");
    }
    let mut day = request.day.unwrap_or_default();
    if let Some(AnswersBody { from, to }) = &request.answers {
        if !models::is_day(from) || to.as_ref().is_some_and(|to| !models::is_day(to)) {
            return bad("/answers: days are written 2022-08-01");
        }
        if !day.is_empty() && day > *from {
            return bad("a model of answers looks at nothing from their first day on: give no later day");
        }
        day = if day.is_empty() { from.clone() } else { day };
    }
    if let Some(election) = &request.election {
        let date = election.split('/').next().unwrap_or_default().to_string();
        if !day.is_empty() && day > date {
            return bad("a model of an election looks at nothing from its day on: give no later day");
        }
        day = if day.is_empty() { date } else { day };
    }
    if !day.is_empty() && !models::is_day(&day) {
        return bad("days are written 2020-11-03, elections 2020-11-03/general");
    }
    let settings = Settings {
        trees: request.trees.unwrap_or(100),
        rate: request.rate.unwrap_or(0.1),
        ..Settings::default()
    };
    if !(10..=1000).contains(&settings.trees) || !(0.01..=1.0).contains(&settings.rate) {
        return bad("trees is 10 to 1000, rate 0.01 to 1");
    }
    let mut labels = HashMap::with_capacity(request.labels.len());
    let given = match &request.labels_csv {
        Some(text) => of_csv(text)?,
        None => request.labels,
    };
    for (at, label) in given.into_iter().enumerate() {
        let weight = label.weight.unwrap_or(1.0);
        let fits = [0.0, 1.0].contains(&label.outcome) && weight > 0.0 && weight <= 1e6;
        if !fits {
            return bad(&format!("/labels/{at}: outcome is 0 or 1, weight above 0"));
        }
        if label.assigned.is_some() != (request.kind == Kind::Persuasion) {
            return Err(ApiError::of_status(
                StatusCode::UNPROCESSABLE_ENTITY,
                format!(
                    "/labels/{at}: persuasion, and it alone, is learned from a randomised experiment: say of everybody \
                     whether they were assigned to the treatment"
                ),
            ));
        }
        let own = Label { outcome: label.outcome, weight, assigned: label.assigned.unwrap_or(false) };
        if labels.insert(label.voter_id, own).is_some() {
            return bad(&format!("/labels/{at}: the voter came before"));
        }
    }
    Ok(models::Request {
        name: request.name,
        kind: request.kind,
        state,
        day,
        election: request.election,
        labels,
        settings,
        seed: u64::from(request.seed),
    })
}

/// Labels as CSV.
fn of_csv(text: &str) -> Result<Vec<LabelBody>, ApiError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let bad = |error: csv::Error| ApiError::bad_request(format!("/labels_csv: {error}"));
    let header = reader.headers().map_err(bad)?.clone();
    let place = |name: &str| header.iter().position(|own| own == name);
    let (Some(voter), Some(outcome)) = (place("voter_id"), place("outcome")) else {
        return Err(ApiError::bad_request(
            "/labels_csv: the columns are voter_id, outcome, weight and assigned",
        ));
    };
    let (weight, assigned) = (place("weight"), place("assigned"));
    let mut labels = Vec::new();
    for record in reader.records() {
        let record = record.map_err(bad)?;
        let line = record.position().map_or(0, csv::Position::line);
        let get = |at: usize| record.get(at).unwrap_or_default();
        let wrong =
            |name: &str| ApiError::bad_request(format!("/labels_csv: line {line}: {name} is no number"));
        let number = |at: Option<usize>, name: &str| match at.map(get).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => text.parse::<f32>().map(Some).map_err(|_| wrong(name)),
        };
        let known = number(Some(outcome), "outcome")?.ok_or_else(|| wrong("outcome"))?;
        labels.push(LabelBody {
            voter_id: get(voter).to_string(),
            outcome: known,
            weight: number(weight, "weight")?,
            assigned: number(assigned, "assigned")?.map(|assigned| assigned > 0.5),
        });
    }
    Ok(labels)
}

fn told(draft: &Draft) -> Value {
    json!({
        "id": draft.id, "name": draft.name, "kind": draft.kind, "state": draft.state, "created": draft.created,
        "learned_from": draft.release, "day": draft.day, "election": draft.election, "people": draft.card.people,
        "auc": draft.card.figures.auc, "published": draft.published,
    })
}

/// Starts the learning of a model.
#[utoipa::path(
    post,
    path = "/v1/models",
    tag = "models",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same job")),
    request_body = ModelRequest,
    responses(
        (status = 202, body = JobState, description = "a job; its result names the model"),
        (status = 400, body = Problem),
        (status = 409, body = Problem, description = "the idempotency key came with another body before"),
        (status = 422, body = Problem, description = "persuasion without an experiment")
    )
)]
pub async fn start(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Body(request): Body<ModelRequest>,
) -> Result<Response, ApiError> {
    let hash = blake3::hash(format!("{request:?}").as_bytes());
    let answers = request.answers.clone();
    let mut request = read(request)?;
    let serving = app.serving(None).await?;
    if let Some(AnswersBody { from, to }) = answers {
        let (held, state) = (serving.clone(), request.state.clone());
        let engine = app.clone();
        let answered = move || {
            let live = || engine.intake.live_tables();
            Ok(held.copy.answers(&state, &from, to.as_deref(), Some(&live))?)
        };
        let found = app.run(answered).await?;
        request.labels = found
            .into_iter()
            .map(|(id, answer)| (id, Label { outcome: answer as f32, weight: 1.0, assigned: false }))
            .collect();
    }
    if request.day.is_empty() {
        let (held, state) = (serving.clone(), request.state.clone());
        request.day = app.run(move || models::day_after(&held, &state)).await?;
    }
    let engine = app.clone();
    long::begin(&app, &caller, &headers, ("model", hash), move |job, progress| async move {
        let worker = engine.clone();
        engine
            .run_long(move || {
                worker.jobs.update(&job, |job| job.state = "running");
                progress.bytes_total.store(1000, Ordering::Relaxed);
                let draft = models::learn_from(&worker, &serving, &request, &mut |done| {
                    progress.bytes.store((done * 1000.0) as u64, Ordering::Relaxed);
                    !progress.cancelled.load(Ordering::Relaxed)
                })?;
                worker.keep_draft(&draft)?;
                Ok(json!({"model": draft.id, "card": format!("/v1/models/{}/card", draft.id)}))
            })
            .await
    })
}

/// The models that were learned, the newest first.
#[utoipa::path(get, path = "/v1/models", tag = "models", responses((status = 200, description = "id, name, kind, state, created, learned_from, day, election, people, auc, published")))]
pub async fn list(State(app): State<App>) -> Result<Response, ApiError> {
    let held = app.clone();
    let rows = app.run(move || Ok(held.drafts()?.iter().map(told).collect::<Vec<Value>>())).await?;
    Ok(Json(json!({"rows": rows, "next": null})).into_response())
}

/// What models may look at.
#[utoipa::path(get, path = "/v1/models/features", tag = "models", responses((status = 200, description = "name and meaning of every feature")))]
pub async fn known_features() -> Response {
    Json(json!({"rows": features(), "next": null})).into_response()
}

/// One model.
#[utoipa::path(
    get,
    path = "/v1/models/{id}",
    tag = "models",
    params(("id" = String, Path, description = "Model id")),
    responses((status = 200, description = "as in the list"), (status = 404, body = Problem))
)]
pub async fn one(State(app): State<App>, Segments(id): Segments<String>) -> Result<Response, ApiError> {
    let held = app.clone();
    let draft = app.run(move || held.draft(&id)).await?;
    Ok(Json(told(&draft)).into_response())
}

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CardParams {
    /// html for a page to read; JSON without it.
    pub page: Option<bool>,
}

/// The evidence for a model: how good it is on people whom it had not seen.
#[utoipa::path(
    get,
    path = "/v1/models/{id}/card",
    tag = "models",
    params(("id" = String, Path, description = "Model id"), CardParams),
    responses(
        (status = 200, description = "the card and its checks", content((Value = "application/json"), (String = "text/html"))),
        (status = 404, body = Problem)
    )
)]
pub async fn card(
    State(app): State<App>,
    Segments(id): Segments<String>,
    Params(params): Params<CardParams>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let held = app.clone();
    let draft = app.run(move || held.draft(&id)).await?;
    let checks = draft.card.checks(&app.model_limits);
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if params.page.unwrap_or(accept.contains("text/html")) {
        let page = page::of_card(&draft.card, &checks);
        return Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response());
    }
    Ok(Json(json!({"card": draft.card, "checks": checks})).into_response())
}
