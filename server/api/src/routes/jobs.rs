//! Jobs: the state of long work.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt};

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::jobs::JobState;
use crate::keys::{Right, Role};
use crate::reply::Segments;

/// How often progress is looked at for those who follow a job.
const TICK: Duration = Duration::from_millis(250);

fn unknown(id: &str) -> ApiError {
    ApiError::not_found(format!("no job {id}; jobs are forgotten when the server stops"))
}

/// Refuses jobs that are not the caller's to see: those about people are for the key that started them, and admins.
/// Says whether the caller started it.
fn seen_by(app: &App, caller: &Caller, id: &str) -> Result<bool, ApiError> {
    let (kind, owner) = app.jobs.of_whom(id).ok_or_else(|| unknown(id))?;
    let own = owner == caller.key;
    if ["match", "turfs", "recut"].contains(&kind.as_str()) && !own && caller.role != Role::Admin {
        Err(unknown(id))
    } else {
        Ok(own)
    }
}

/// A job's state.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}",
    tag = "jobs",
    params(("id" = String, Path, description = "Job id")),
    responses((status = 200, body = JobState), (status = 404, body = Problem))
)]
pub async fn one(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Json<JobState>, ApiError> {
    seen_by(&app, &caller, &id)?;
    app.jobs.get(&id).map(Json).ok_or_else(|| unknown(&id))
}

/// Cancels a job. Work that has been committed stays.
#[utoipa::path(
    delete,
    path = "/v1/jobs/{id}",
    tag = "jobs",
    params(("id" = String, Path, description = "Job id")),
    responses((status = 202, description = "asked to stop"), (status = 404, body = Problem))
)]
pub async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<StatusCode, ApiError> {
    let own = seen_by(&app, &caller, &id);
    if !matches!(own, Ok(true)) && !caller.role.has(Right::Load) {
        let detail = "a job is cancelled by the key that started it, or by one that may load";
        return Err(ApiError::forbidden(detail));
    }
    own?;
    if app.jobs.cancel(&id) { Ok(StatusCode::ACCEPTED) } else { Err(unknown(&id)) }
}

/// A job's states as they change, as server-sent events; the stream ends with the job.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/events",
    tag = "jobs",
    params(("id" = String, Path, description = "Job id")),
    responses((status = 200, body = JobState, content_type = "text/event-stream"), (status = 404, body = Problem))
)]
pub async fn events(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    seen_by(&app, &caller, &id)?;
    let follow = app.jobs.follow(&id).ok_or_else(|| unknown(&id))?;
    let states = futures::stream::unfold(Some((app, follow, None)), move |step| {
        let id = id.clone();
        async move {
            let (app, mut follow, before): (App, _, Option<JobState>) = step?;
            let state = loop {
                let state = app.jobs.get(&id)?;
                let told = |before: &JobState| {
                    before.state == state.state && before.progress.to_bits() == state.progress.to_bits()
                };
                if !before.as_ref().is_some_and(told) {
                    break state;
                }
                let _ = tokio::time::timeout(TICK, follow.changed()).await;
            };
            let over = matches!(state.state, "done" | "failed");
            Some((state.clone(), (!over).then_some((app, follow, Some(state)))))
        }
    });
    let events = states.map(|state| {
        let event = Event::default().event(state.state);
        Ok(event.json_data(&state).unwrap_or_else(|_| Event::default()))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
