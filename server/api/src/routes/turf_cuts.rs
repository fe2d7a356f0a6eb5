//! Cuts: all turfs of one universe together, how far they are, and cutting again what nobody has begun.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::jobs::JobState;
use crate::long;
use crate::reply::{self, Body, Params, Segments};
use crate::routes::turfs::{Telling, TurfAnswer, may_see};
use crate::turfs::making::{self, Making};
use crate::turfs::printing::{self, ListParams};
use crate::turfs::progress::Tally;
use crate::turfs::request::{Script, TurfsRequest};
use crate::turfs::{Cut, State as Stands, id_of};

/// A cut in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct CutRow {
    pub id: String,
    pub name: String,
    pub created: String,
    pub release: String,
    pub turfs: usize,
    pub doors: usize,
    pub people: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CutRows {
    pub rows: Vec<CutRow>,
}

/// Cuts, the newest first.
#[utoipa::path(get, path = "/v1/turf-cuts", tag = "turfs", responses((status = 200, body = CutRows)))]
pub async fn list(State(app): State<App>, caller: Caller) -> Result<Json<CutRows>, ApiError> {
    let row = |cut: Cut| {
        let turfs: Vec<_> = cut.plan.turfs.iter().filter(|turf| !turf.replaced).collect();
        CutRow {
            id: cut.plan.id.clone(),
            name: cut.plan.name.clone(),
            created: cut.plan.created.clone(),
            release: cut.plan.release.clone(),
            turfs: turfs.len(),
            doors: turfs.iter().map(|turf| turf.doors()).sum(),
            people: turfs.iter().map(|turf| turf.people()).sum(),
        }
    };
    let store = app.turfs.clone();
    let cuts = app.run(move || store.all()).await?;
    Ok(Json(CutRows { rows: cuts.into_iter().filter(|cut| may_see(&caller, cut)).map(row).collect() }))
}

/// All turfs of a cut together.
#[derive(Debug, Serialize, ToSchema)]
pub struct Totals {
    pub turfs: usize,
    #[serde(flatten)]
    pub tally: Tally,
    /// People who were talked to, of those who were tried; none before anybody was.
    pub contact_rate: Option<f64>,
}

/// A cut and how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct CutAnswer {
    pub id: String,
    pub name: String,
    pub created: String,
    /// Release whose voters were cut.
    pub release: String,
    pub turfs: Vec<TurfAnswer>,
    pub totals: Totals,
    pub script: Script,
    /// People of the universe who were left out, by the reason.
    pub suppressed: BTreeMap<String, u64>,
    /// The greatest minutes of a turf by the least, when it was cut.
    pub minutes_spread: f64,
    /// Elections whose returned ballots take people off the lists.
    pub elections: Vec<String>,
}

/// A cut with its turfs and how far they are: doors done, people reached, answers, minutes left. Live: what was recorded a
/// second ago is in it.
#[utoipa::path(
    get,
    path = "/v1/turf-cuts/{id}",
    tag = "turfs",
    params(("id" = String, Path, description = "Cut id")),
    responses((status = 200, body = CutAnswer), (status = 304, description = "as the caller has it"), (status = 404, body = Problem))
)]
pub async fn one(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Segments(id): Segments<String>,
) -> Result<Response, ApiError> {
    let cut = seen(&app, &caller, &id)?;
    let base = printing::base(&app, &headers);
    let release = cut.plan.release.clone();
    let body = app.run_with_release(None, move |app, serving| {
        let told = Telling::new(app, serving, &cut, &base)?;
        let turfs = cut.plan.turfs.iter().filter(|turf| !turf.replaced);
        let turfs: Vec<TurfAnswer> = turfs.map(|turf| told.turf(turf, true)).collect();
        let mut tally = Tally::default();
        turfs.iter().for_each(|turf| tally.add(&turf.tally));
        // What was done on turfs that were cut anew since was done all the same.
        let replaced = cut.plan.turfs.iter().filter(|turf| turf.replaced);
        replaced.for_each(|turf| tally.add_done(&told.turf(turf, false).tally));
        tally.minutes_left = (tally.minutes_left * 10.0).round() / 10.0;
        let contact_rate = (tally.attempts > 0)
            .then(|| (tally.people_reached as f64 / tally.attempts as f64 * 1e4).round() / 1e4);
        let answer = CutAnswer {
            id: cut.plan.id.clone(),
            name: cut.plan.name.clone(),
            created: cut.plan.created.clone(),
            release: cut.plan.release.clone(),
            totals: Totals { turfs: turfs.len(), tally, contact_rate },
            turfs,
            script: cut.plan.script.clone(),
            suppressed: cut.plan.suppressed.clone(),
            minutes_spread: cut.plan.minutes_spread,
            elections: cut.plan.elections.clone(),
        };
        let bytes = serde_json::to_vec(&answer).map_err(ApiError::internal)?;
        Ok(reply::body(&cut.plan.release, "application/json", bytes, None))
    });
    Ok(reply::respond(&release, &body.await?, &headers))
}

/// The door lists of all turfs of a cut, in the same forms as that of one.
#[utoipa::path(
    get,
    path = "/v1/turf-cuts/{id}/doors",
    tag = "turfs",
    params(("id" = String, Path, description = "Cut id"), ListParams),
    responses((status = 200, description = "the stops of all turfs"), (status = 404, body = Problem), (status = 422, body = Problem))
)]
pub async fn doors(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Segments(id): Segments<String>,
    Params(params): Params<ListParams>,
) -> Result<Response, ApiError> {
    let cut = seen(&app, &caller, &id)?;
    printing::answer(&app, &caller, &headers, &params, cut, None).await
}

/// Another number of turfs, or another place to begin at; without it as before.
#[derive(Debug, Clone, Default, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecutRequest {
    pub doors_per_turf: Option<f64>,
    pub minutes_per_turf: Option<f64>,
    pub canvassers: Option<u32>,
}

/// Cuts the doors again that nobody has begun: turfs that are claimed, started or finished stay as they are; whoever voted or
/// was talked to meanwhile is left out.
#[utoipa::path(
    post,
    path = "/v1/turf-cuts/{id}/recut",
    tag = "turfs",
    params(("id" = String, Path, description = "Cut id")),
    request_body = RecutRequest,
    responses((status = 202, body = JobState, description = "a job with the result of cutting"), (status = 404, body = Problem))
)]
pub async fn recut(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Segments(id): Segments<String>,
    Body(wanted): Body<RecutRequest>,
) -> Result<Response, ApiError> {
    let cut = seen(&app, &caller, &id)?;
    let mut request: TurfsRequest = cut.plan.request.clone();
    let sizes = (wanted.doors_per_turf, wanted.minutes_per_turf, wanted.canvassers);
    if sizes != (None, None, None) {
        (request.doors_per_turf, request.minutes_per_turf, request.canvassers) = sizes;
    }
    request.check()?;
    app.intake.knows_ballots()?;
    let filter = cut.plan.filter.clone();
    let hash = blake3::hash(format!("{id} {request:?}").as_bytes());
    let (engine, who) = (app.clone(), caller.clone());
    long::begin(&app, &caller, &headers, ("recut", hash), move |job, progress| async move {
        let making = Making { request, filter, as_of: None, anew: Some(cut) };
        making::make(&engine, &who, &job, making, progress).await
    })
}

/// Forgets a cut: its lists are gone and its doors are free again. Not while somebody has one of its turfs.
#[utoipa::path(
    delete,
    path = "/v1/turf-cuts/{id}",
    tag = "turfs",
    params(("id" = String, Path, description = "Cut id")),
    responses((status = 204, description = "forgotten"), (status = 404, body = Problem), (status = 409, body = Problem))
)]
pub async fn forget(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<StatusCode, ApiError> {
    let cut = seen(&app, &caller, &id)?;
    caller.record(&app, &cut.plan.release, json!({"turf_cut": id}), None, vec!["forgotten".into()])?;
    let (store, engine) = (app.turfs.clone(), app.clone());
    let with_nobody = move |cut: &Cut| {
        let stands = |number: u32| {
            let walked = &engine.intake.happenings.walked;
            walked.state(&id_of(&cut.plan.id, number), cut.standing(number).state)
        };
        let mut turfs = cut.plan.turfs.iter().filter(|turf| !turf.replaced);
        match turfs.find(|turf| matches!(stands(turf.number), Stands::Claimed | Stands::Started)) {
            None => Ok(()),
            Some(turf) => {
                let detail = format!("turf {} is with a canvasser; return or finish it first", turf.number);
                Err(ApiError::conflict(detail))
            }
        }
    };
    app.run(move || store.forget(&id, with_nobody)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The cut of an id, where the caller may see it.
fn seen(app: &App, caller: &Caller, id: &str) -> Result<Cut, ApiError> {
    let cut = app.turfs.cut(id)?;
    match may_see(caller, &cut) {
        true => Ok(cut),
        false => Err(ApiError::not_found("no such cut; GET /v1/turf-cuts lists those that there are")),
    }
}
