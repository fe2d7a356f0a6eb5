//! Turfs: a universe cut into walks, how each stands, and its list in every form.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::jobs::JobState;
use crate::long;
use crate::reply::{Body, Params, Segments};
use crate::turfs::making::{self, Making};
use crate::turfs::printing::{self, ListParams};
use crate::turfs::progress::Tally;
use crate::turfs::request::TurfsRequest;
use crate::turfs::{Cut, Standing, State as Stands, Turf, id_of, parts_of};

/// A turf and how it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct TurfAnswer {
    pub id: String,
    pub cut: String,
    pub number: u32,
    pub name: String,
    pub state: Stands,
    pub canvasser: Option<String>,
    pub stops: usize,
    pub minutes: f64,
    pub metres: f64,
    #[serde(flatten)]
    pub tally: Tally,
    /// Longitude and latitude at which it begins and ends, where one was given.
    pub start: Option<[f64; 2]>,
    /// GeoJSON MultiPolygon: the ground that is nearer to its stops than to those of other turfs.
    #[schema(value_type = Object)]
    pub outline: Value,
    /// The phone page, once it was released; whoever has it may read and fill this list.
    pub link: Option<String>,
    /// When it last changed hands.
    pub changed: Option<String>,
}

/// Cuts a universe into turfs of equal minutes, each contiguous, in walking order. Who must not be visited is left out:
/// masked records, those who asked to be left alone, moved or deceased by a canvasser's report, voted, talked to not long
/// ago; and doors that are on another open list.
#[utoipa::path(
    post,
    path = "/v1/turfs",
    tag = "turfs",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same job")),
    request_body = TurfsRequest,
    responses(
        (status = 202, body = JobState, description = "a job; its result names the cut, its turfs and how many people were left out, by the reason"),
        (status = 400, body = Problem),
        (status = 403, body = Problem),
        (status = 409, body = Problem, description = "the idempotency key came with another body before")
    )
)]
pub async fn start(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Body(request): Body<TurfsRequest>,
) -> Result<Response, ApiError> {
    request.check()?;
    let hash = blake3::hash(format!("{request:?}").as_bytes());
    let (filter, as_of) = making::filter_of(&app, &caller, &request).await?;
    let (engine, who) = (app.clone(), caller.clone());
    long::begin(&app, &caller, &headers, ("turfs", hash), move |job, progress| async move {
        making::make(&engine, &who, &job, Making { request, filter, as_of, anew: None }, progress).await
    })
}

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TurfsParams {
    /// Only the turfs of this cut.
    pub cut: Option<String>,
    /// Only turfs that stand so: cut, released, claimed, started, finished, returned.
    pub state: Option<Stands>,
    /// Only the turfs of this canvasser.
    pub canvasser: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TurfsAnswer {
    pub rows: Vec<TurfAnswer>,
}

/// Turfs, the newest cut first, without their outlines.
#[utoipa::path(get, path = "/v1/turfs", tag = "turfs", params(TurfsParams), responses((status = 200, body = TurfsAnswer)))]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Params(params): Params<TurfsParams>,
) -> Result<Json<TurfsAnswer>, ApiError> {
    let base = printing::base(&app, &headers);
    let listed = app.run_with_release(None, move |app, serving| {
        let mut rows = Vec::new();
        for cut in app.turfs.all()?.into_iter().filter(|cut| may_see(&caller, cut)) {
            if params.cut.as_ref().is_some_and(|id| *id != cut.plan.id) {
                continue;
            }
            let told = Telling::new(app, serving, &cut, &base)?;
            let turfs =
                cut.plan.turfs.iter().filter(|turf| !turf.replaced).map(|turf| told.turf(turf, false));
            rows.extend(turfs.filter(|turf| {
                params.state.is_none_or(|state| turf.state == state)
                    && params.canvasser.as_ref().is_none_or(|name| turf.canvasser.as_ref() == Some(name))
            }));
        }
        Ok(rows)
    });
    Ok(Json(TurfsAnswer { rows: listed.await? }))
}

/// One turf: how it stands and how far it is.
#[utoipa::path(
    get,
    path = "/v1/turfs/{id}",
    tag = "turfs",
    params(("id" = String, Path, description = "Turf id")),
    responses((status = 200, body = TurfAnswer), (status = 404, body = Problem))
)]
pub async fn one(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Segments(id): Segments<String>,
) -> Result<Json<TurfAnswer>, ApiError> {
    let (cut, number) = seen(&app, &caller, &id)?;
    Ok(Json(told(&app, &headers, cut, number).await?))
}

async fn told(app: &App, headers: &HeaderMap, cut: Cut, number: u32) -> Result<TurfAnswer, ApiError> {
    let base = printing::base(app, headers);
    let asked = app.run_with_release(None, move |app, serving| {
        let turf = cut.turf(number).ok_or_else(|| ApiError::not_found("no such turf"))?;
        Ok(Telling::new(app, serving, &cut, &base)?.turf(turf, true))
    });
    asked.await
}

/// The door list of a turf in walking order: whom to visit where, without those who must not be visited just now. Formats
/// are json, csv (a row a voter, with the columns of a walk list), geojson and pdf (a walk sheet).
#[utoipa::path(
    get,
    path = "/v1/turfs/{id}/doors",
    tag = "turfs",
    params(("id" = String, Path, description = "Turf id"), ListParams),
    responses(
        (status = 200, description = "turf, turf_number, stop, door, address, street, house_number, city, zip, longitude, latitude, metres, minutes, households, reports"),
        (status = 400, body = Problem),
        (status = 404, body = Problem)
    )
)]
pub async fn doors(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Segments(id): Segments<String>,
    Params(params): Params<ListParams>,
) -> Result<Response, ApiError> {
    let (cut, number) = seen(&app, &caller, &id)?;
    printing::answer(&app, &caller, &headers, &params, cut, Some(number)).await
}

#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepRequest {
    /// Who has it from now on; needed to claim.
    pub canvasser: Option<String>,
}

/// A turf changes hands: `release` gives its link out, `claim` gives it to a canvasser, `return` takes it back (its link leads
/// nowhere from then on), `finish` ends it.
#[utoipa::path(
    post,
    path = "/v1/turfs/{id}/{step}",
    tag = "turfs",
    params(("id" = String, Path, description = "Turf id"), ("step" = String, Path, description = "release, claim, return, finish")),
    request_body = StepRequest,
    responses(
        (status = 200, body = TurfAnswer),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "it cannot change so from how it stands")
    )
)]
pub async fn step(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Segments((id, step)): Segments<(String, String)>,
    Body(request): Body<StepRequest>,
) -> Result<Json<TurfAnswer>, ApiError> {
    let (cut, number) = seen(&app, &caller, &id)?;
    let step = Step::parse(&step)?;
    let store = app.turfs.clone();
    let state = app.intake.happenings.walked.state(&id, cut.standing(number).state);
    let change = move || {
        store.stand(&cut.plan.id, number, |standing| {
            standing.state = standing.state.max_begun(state);
            take_step(standing, step, request.canvasser.as_deref())
        })
    };
    let cut = app.run(change).await?;
    Ok(Json(told(&app, &headers, cut, number).await?))
}

/// How a turf changes hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Release,
    Claim,
    Return,
    Finish,
}

impl Step {
    pub fn parse(name: &str) -> Result<Step, ApiError> {
        Ok(match name {
            "release" => Step::Release,
            "claim" => Step::Claim,
            "return" => Step::Return,
            "finish" => Step::Finish,
            _ => {
                return Err(ApiError::not_found(
                    "a turf can be released, claimed, returned and finished: release, claim, return, finish",
                ));
            }
        })
    }
}

/// Longest name of a canvasser, in letters.
const LONGEST_NAME: usize = 100;

/// Changes how a turf stands, where that follows from how it stood.
pub fn take_step(standing: &mut Standing, step: Step, canvasser: Option<&str>) -> Result<(), ApiError> {
    let name = canvasser.map(str::trim).filter(|name| !name.is_empty());
    if name.is_some_and(|name| name.chars().count() > LONGEST_NAME) {
        return Err(ApiError::bad_request("/canvasser has 1 to 100 characters"));
    }
    let stood = standing.state;
    let cannot = |what: &str| {
        let whose = standing.canvasser.as_deref().map_or(String::new(), |_| " by somebody".to_string());
        Err(ApiError::conflict(format!("the turf is {}{whose}: it cannot be {what}", stood.name())))
    };
    match (step, stood) {
        (Step::Release, Stands::Cut | Stands::Returned | Stands::Released) => {
            standing.state = Stands::Released
        }
        (Step::Release, _) => return cannot("released"),
        (Step::Claim, Stands::Cut | Stands::Released | Stands::Returned) => {
            let Some(name) = name else { return Err(ApiError::bad_request("/canvasser: who claims it?")) };
            (standing.state, standing.canvasser) = (Stands::Claimed, Some(name.to_string()));
        }
        // The same canvasser on another phone.
        (Step::Claim, Stands::Claimed | Stands::Started) => match (&standing.canvasser, name) {
            (None, Some(name)) => standing.canvasser = Some(name.to_string()),
            (Some(known), Some(name)) if known == name => {}
            _ => return cannot("claimed"),
        },
        (Step::Claim, _) => return cannot("claimed"),
        (Step::Return, Stands::Finished) => return cannot("returned"),
        (Step::Return, _) => {
            (standing.state, standing.canvasser) = (Stands::Returned, None);
            // Who had it must not go on with it: the next one gets another link.
            standing.links += 1;
        }
        (Step::Finish, Stands::Claimed | Stands::Started | Stands::Finished) => {
            standing.state = Stands::Finished
        }
        (Step::Finish, _) => return cannot("finished"),
    }
    Ok(())
}

/// Whether a caller may see a cut: one whose key is limited to districts sees its own.
pub fn may_see(caller: &Caller, cut: &Cut) -> bool {
    caller.districts.is_empty() || cut.plan.owner == caller.key
}

/// The cut and the number of a turf that the caller may see.
fn seen(app: &App, caller: &Caller, id: &str) -> Result<(Cut, u32), ApiError> {
    let missing = || ApiError::not_found("no such turf; GET /v1/turfs lists those that there are");
    let (cut, number) = parts_of(id).ok_or_else(missing)?;
    let cut = app
        .turfs
        .cut(cut)
        .map_err(|error| if error.status() == StatusCode::NOT_FOUND { missing() } else { error })?;
    match cut.turf(number).is_some_and(|turf| !turf.replaced) && may_see(caller, &cut) {
        true => Ok((cut, number)),
        false => Err(missing()),
    }
}

/// Tells of the turfs of one cut.
pub struct Telling<'a> {
    app: &'a App,
    cut: &'a Cut,
    lists: crate::turfs::lists::Lists<'a>,
    base: &'a str,
}

impl<'a> Telling<'a> {
    pub fn new(
        app: &'a App,
        serving: &'a crate::serving::Serving,
        cut: &'a Cut,
        base: &'a str,
    ) -> Result<Telling<'a>, ApiError> {
        let lists = making::lists(app, serving, cut)?;
        Ok(Telling { app, cut, lists, base })
    }

    pub fn turf(&self, turf: &Turf, outline: bool) -> TurfAnswer {
        let (plan, standing) = (&self.cut.plan, self.cut.standing(turf.number));
        let id = id_of(&plan.id, turf.number);
        let walked = &self.app.intake.happenings.walked;
        let tally = walked.tally(&id, turf, &|member| self.lists.struck(member, None));
        let state = walked.state(&id, standing.state);
        let given_out = !matches!(state, Stands::Cut | Stands::Returned);
        let link = self.app.turfs.link(&plan.id, turf.number, standing.links);
        TurfAnswer {
            cut: plan.id.clone(),
            number: turf.number,
            name: format!("{} {}", plan.name, turf.number),
            state,
            canvasser: standing.canvasser,
            stops: turf.stops.len(),
            minutes: turf.minutes,
            metres: turf.metres,
            tally,
            start: turf.start,
            outline: if outline { turf.outline.clone() } else { json!(null) },
            link: given_out.then(|| format!("{}/walk/{link}", self.base)),
            changed: standing.changed,
            id,
        }
    }
}
