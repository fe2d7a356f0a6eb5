//! Publishing a model: its scores of everybody put in force as a new version, where the card is within the limits.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bellwether_loaders::Progress;
use bellwether_targeting::card::{Limits, failures};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::jobs::JobState;
use crate::keys::Role;
use crate::long;
use crate::models::{self, Draft, Published};
use crate::reply::{Body, Segments};

/// How a model is published.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PublishRequest {
    /// Day whose features the scores are made of; the day after the file's last registration, if not given.
    pub day: Option<String>,
    /// Limits that the model must be within; what is not named is the server's own. Only an admin may give looser ones.
    #[schema(value_type = Object)]
    pub limits: serde_json::Map<String, Value>,
}

/// Scores every voter of the state and puts the scores in force as a new version, where the model is within the limits.
#[utoipa::path(
    post,
    path = "/v1/models/{id}/publish",
    tag = "models",
    params(("id" = String, Path, description = "Model id")),
    request_body = PublishRequest,
    responses(
        (status = 202, body = JobState, description = "a job; its result names version and release"),
        (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 422, body = Problem, description = "the limits that the model is not within")
    )
)]
pub async fn publish(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<String>,
    headers: HeaderMap,
    Body(request): Body<PublishRequest>,
) -> Result<Response, ApiError> {
    let (held, of) = (app.clone(), id.clone());
    let draft = app.run(move || held.draft(&of)).await?;
    let mut limits = json!(app.model_limits);
    request.limits.into_iter().for_each(|(name, value)| limits[name] = value);
    let limits: Limits =
        serde_json::from_value(limits).map_err(|error| ApiError::bad_request(format!("/limits: {error}")))?;
    if caller.role != Role::Admin && !limits.at_least_as_strict_as(&app.model_limits) {
        return Err(ApiError::forbidden("limits looser than the server's own are for an admin to give"));
    }
    let impossible = |detail| ApiError::of_status(StatusCode::UNPROCESSABLE_ENTITY, detail);
    if let Some(detail) = failures(&draft.card.checks(&limits)) {
        return Err(impossible(detail));
    }
    request.day.as_deref().map(models::read_day).transpose()?;
    let hash = blake3::hash(format!("{id} {:?} {limits:?}", request.day).as_bytes());
    let engine = app.clone();
    long::begin(&app, &caller, &headers, ("publish", hash), move |job, progress| async move {
        put_in_force(&engine, &job, draft, request.day, limits, progress).await
    })
}

async fn put_in_force(
    app: &App,
    job: &str,
    draft: Draft,
    day: Option<String>,
    limits: Limits,
    progress: Arc<Progress>,
) -> Result<Value, ApiError> {
    // Loads and publications take turns: a version follows the one before.
    let _turn = app.loading.lock().await;
    app.jobs.update(job, |job| job.state = "running");
    app.releases.refresh().await?;
    let serving = app.serving(None).await?;
    let lock = app.lake.lock()?;
    let folder = app.lake.staging(&lock)?;
    let engine = app.clone();
    let work = app.run_long(move || {
        let day = match day {
            Some(day) => day,
            None => models::day_after(&serving, &draft.state)?,
        };
        let version = models::version_in_force(&serving, &draft.state, &draft.name)? + 1;
        progress.bytes_total.store(serving.electorate()?.rows() as u64, Ordering::Relaxed);
        let scored = models::score(&engine, &serving, &draft, (version, &day), &limits, folder, |voters| {
            progress.bytes.store(voters, Ordering::Relaxed);
            !progress.cancelled.load(Ordering::Relaxed)
        })?;
        if let Some(detail) = failures(&scored.checks) {
            return Err(ApiError::of_status(StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
        let change = models::change(&draft, &scored, version, &day)?;
        Ok((draft, scored, change, version, day))
    });
    let (mut draft, scored, change, version, day) = work.await?;
    let release = app.lake.commit(&lock, change).await?;
    drop(lock);
    draft.card = scored.card;
    draft.published = Some(Published { version, release: release.id.clone(), day, voters: scored.voters });
    let result =
        json!({"model": draft.id, "version": version, "release": release.id, "voters": scored.voters});
    let held = app.clone();
    app.run(move || held.keep_draft(&draft)).await?;
    app.releases.refresh_soon().await;
    Ok(result)
}
