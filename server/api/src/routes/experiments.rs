//! Randomised experiments: a share of a universe set aside before anybody is treated, and what came of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_loaders::Progress;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::experiments::{self, Design, OutcomeOf, TOGETHER_NAMES};
use crate::grouping::Plan;
use crate::jobs::JobState;
use crate::long;
use crate::population::Population;
use crate::reply::{self, AsOf, Body, Common, Params, Segments, TableRequest};
use crate::universe::population_of;

/// How people are drawn.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperimentRequest {
    #[schema(example = "doors_in_may")]
    pub name: String,
    /// Whom the campaign would treat; everyone without it.
    #[serde(default, rename = "where")]
    #[schema(value_type = Option<crate::filter_schema::WhereSchema>)]
    pub filter: Value,
    /// A saved universe instead of a filter.
    pub universe: Option<String>,
    /// Share that is set aside and left alone, above 0 and below 1.
    #[schema(example = 0.1)]
    pub share: f64,
    /// Who is drawn together: household (without it), door or precinct.
    pub together: Option<String>,
    /// Keys whose combinations each have the same share, as in aggregates.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["party", "age_band"]))]
    pub strata: Vec<Value>,
    /// The same seed draws the same people of the same release.
    #[serde(default)]
    pub seed: u32,
}

/// Sets a random share of a universe aside. The draw is in the lake, with its seal in the audit log, before its id is
/// told: lists leave the control group out with `{"not": {"experiment": {"id": ..., "arm": "control"}}}`.
#[utoipa::path(
    post,
    path = "/v1/experiments",
    tag = "models",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same job")),
    request_body = ExperimentRequest,
    responses(
        (status = 202, body = JobState, description = "a job; its result names experiment, release, voters, control, clusters and seal"),
        (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "the idempotency key came with another body before")
    )
)]
pub async fn start(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Body(request): Body<ExperimentRequest>,
) -> Result<Response, ApiError> {
    let hash = blake3::hash(format!("{request:?}").as_bytes());
    if !long::is_plain_name(&request.name) {
        let detail = "a name has small letters, digits, _ - and ., 64 at most";
        return Err(ApiError::bad_request(detail));
    }
    if !(request.share > 0.0 && request.share < 1.0) {
        return Err(ApiError::bad_request("/share is above 0 and below 1"));
    }
    let together = request.together.as_deref().unwrap_or("household");
    if !TOGETHER_NAMES.iter().any(|(name, _)| *name == together) {
        let known = TOGETHER_NAMES.map(|(name, _)| name).join(", ");
        return Err(ApiError::bad_request(format!("/together: unknown {together}; there are {known}")));
    }
    let common = Common::default();
    let (filter, as_of) = population_of(&app, &request.filter, request.universe.as_deref(), &common)?;
    let population = Population::read(&filter, &caller)?;
    let design = Design {
        filter: population.text.clone(),
        share: request.share,
        together: together.to_string(),
        strata: request.strata,
        seed: u64::from(request.seed),
    };
    let serving = app.serving(as_of.as_deref()).await?;
    app.may_ask(&population.filter)?;
    let (held, keys) = (serving.clone(), design.strata.clone());
    let population = app
        .run(move || {
            population.compile(&held, held.electorate()?)?;
            Plan::read(&keys, &[], held.electorate()?)?;
            Ok(population)
        })
        .await?;
    let (engine, who) = (app.clone(), caller.clone());
    long::begin(&app, &caller, &headers, ("experiment", hash), move |job, progress| async move {
        draw(&engine, &who, &job, (request.name, design), population, as_of, progress).await
    })
}

async fn draw(
    app: &App,
    caller: &Caller,
    job: &str,
    (name, design): (String, Design),
    population: Population,
    as_of: Option<String>,
    progress: Arc<Progress>,
) -> Result<Value, ApiError> {
    // Loads, publications and draws take turns.
    let _turn = app.loading.lock().await;
    app.jobs.update(job, |job| job.state = "running");
    app.releases.refresh().await?;
    let serving = app.serving(as_of.as_deref()).await?;
    let lock = app.lake.lock()?;
    let folder = app.lake.staging(&lock)?;
    let newest = app.serving(None).await?;
    let (filter, from) = (design.filter.clone(), serving.release.id.clone());
    let drawing = app.run_long(move || {
        experiments::room_for_one_more(newest.electorate()?)?;
        let electorate = serving.electorate()?;
        let filter = population.compile(&serving, electorate)?;
        let strata = Plan::read(&design.strata, &[], electorate)?;
        let together = TOGETHER_NAMES.iter().find(|(name, _)| *name == design.together);
        let (_, together) = together.ok_or_else(|| ApiError::internal("an unknown way of drawing"))?;
        progress.bytes_total.store(electorate.voters(&filter), Ordering::Relaxed);
        let go_on = |voters| {
            progress.bytes.store(voters, Ordering::Relaxed);
            !progress.cancelled.load(Ordering::Relaxed)
        };
        experiments::draw(
            &serving,
            electorate,
            &filter,
            (&name, &design),
            (*together, &strata),
            folder,
            go_on,
        )
    });
    let drawn = drawing.await?;
    // Whoever doubts later that the draw came first finds its seal in the log.
    let columns = vec![format!("experiment {} sealed {}", drawn.id, drawn.seal)];
    caller.record(app, &from, filter, drawn.voters, columns)?;
    let release = app.lake.commit(&lock, drawn.change).await?;
    drop(lock);
    app.releases.refresh_soon().await;
    Ok(json!({
        "experiment": drawn.id, "release": release.id, "voters": drawn.voters, "control": drawn.control,
        "clusters": drawn.clusters, "seal": drawn.seal,
    }))
}

/// The experiments that were drawn, the newest first.
#[utoipa::path(
    get,
    path = "/v1/experiments",
    tag = "models",
    params(Common),
    responses((status = 200, description = "id, name, created, drawn_from, design, seal"), (status = 400, body = Problem))
)]
pub async fn list(
    State(app): State<App>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let request = TableRequest { common: &common, headers: &headers, key: "experiments".into() };
    let columns = &["id", "name", "created", "drawn_from", "design", "seal"];
    reply::rows(&app, request, columns, |serving| {
        let rows = bellwether_warehouse::questions::experiments(&serving.copy, None)?.json()?;
        Ok(rows.into_iter().map(experiments::described).collect())
    })
    .await
}

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExperimentParams {
    /// An election: participation in it is one of the outcomes.
    #[param(example = "2020-11-03/general")]
    pub election: Option<String>,
}

/// One experiment: how it was drawn, how alike its arms are, and for every outcome the effect of being assigned to the
/// treatment (intent to treat) and on those whom it reached because of that (complier effect, two-stage least squares).
/// Standard errors take those who were drawn together as one (Liang and Zeger 1986), intervals hold the effect 95 times
/// of 100. Who was treated is what was given with the outcomes, else who was talked to since the day of the draw.
#[utoipa::path(
    get,
    path = "/v1/experiments/{id}",
    tag = "models",
    params(("id" = String, Path, description = "Experiment id"), ExperimentParams, AsOf),
    responses(
        (status = 200, description = "id, name, created, drawn_from, design, seal, arms, outcomes"),
        (status = 404, body = Problem)
    )
)]
pub async fn one(
    State(app): State<App>,
    Segments(id): Segments<String>,
    Params(params): Params<ExperimentParams>,
    Params(as_of): Params<AsOf>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let serving = app.serving(as_of.as_of.as_deref()).await?;
    let held = serving.clone();
    let made = app.run_long(move || {
        if let Some(election) = &params.election
            && held.electorate()?.election(election).is_none()
        {
            let detail = format!("no participation in {election} is loaded");
            return Err(ApiError::bad_request(detail));
        }
        let mut told = experiments::told(&held, &id, params.election.as_deref())?;
        told["release"] = json!(held.release.id);
        let bytes = serde_json::to_vec(&told).map_err(ApiError::internal)?;
        Ok(reply::body(&held.release.id, "application/json", bytes, None))
    });
    Ok(reply::respond(&serving.release.id, &made.await?, &headers))
}

/// Outcomes of an experiment's people.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomesRequest {
    /// What was measured.
    #[schema(example = "supports")]
    pub outcome: String,
    /// Whose voter ids they are.
    #[schema(example = "FK")]
    pub state: String,
    pub rows: Vec<OutcomeOf>,
}

/// Gives an experiment the outcomes of its people, in place of those of the same name.
#[utoipa::path(
    post,
    path = "/v1/experiments/{id}/outcomes",
    tag = "models",
    params(
        ("id" = String, Path, description = "Experiment id"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same job")
    ),
    request_body = OutcomesRequest,
    responses(
        (status = 202, body = JobState, description = "a job; its result names experiment, outcome, rows and release"),
        (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "the idempotency key came with another body before")
    )
)]
pub async fn outcomes(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<String>,
    headers: HeaderMap,
    Body(request): Body<OutcomesRequest>,
) -> Result<Response, ApiError> {
    let hash = blake3::hash(format!("{id} {request:?}").as_bytes());
    if !long::is_plain_name(&request.outcome) {
        let detail = "/outcome has small letters, digits, _ - and ., 64 at most";
        return Err(ApiError::bad_request(detail));
    }
    let state = request.state.to_uppercase();
    if bellwether_schema::ids::fips_of_state(&state).is_none() {
        return Err(ApiError::bad_request("/state is a postal code, such as CO"));
    }
    if request.rows.is_empty() {
        return Err(ApiError::bad_request("/rows: at least one"));
    }
    let mut seen = std::collections::HashSet::new();
    for (at, row) in request.rows.iter().enumerate() {
        if !(row.value as f32).is_finite() {
            return Err(ApiError::bad_request(format!("/rows/{at}/value is not a number")));
        }
        if !seen.insert(row.voter_id.as_str()) {
            return Err(ApiError::bad_request(format!("/rows/{at}: the voter came before")));
        }
    }
    let serving = app.serving(None).await?;
    let (held, of) = (serving.clone(), id.clone());
    app.run(move || experiments::drawn(&held, &of).map(drop)).await?;
    let engine = app.clone();
    long::begin(&app, &caller, &headers, ("outcomes", hash), move |job, _| async move {
        let _turn = engine.loading.lock().await;
        engine.jobs.update(&job, |job| job.state = "running");
        let lock = engine.lake.lock()?;
        let folder = engine.lake.staging(&lock)?;
        let rows = request.rows.len();
        let (outcome, of) = (request.outcome.clone(), id.clone());
        let made = engine.run_long(move || {
            let change =
                experiments::outcomes_change((&of, &request.outcome, &state), &request.rows, &folder)?;
            Ok((change, folder))
        });
        let (change, _folder) = made.await?;
        let release = engine.lake.commit(&lock, change).await?;
        drop(lock);
        engine.releases.refresh_soon().await;
        Ok(json!({"experiment": id, "outcome": outcome, "rows": rows, "release": release.id}))
    })
}
