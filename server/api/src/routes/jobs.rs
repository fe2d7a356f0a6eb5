//! Jobs: the state of long work.

use std::convert::Infallible;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt};

use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::jobs::JobState;

fn unknown(id: &str) -> ApiError {
    ApiError::not_found(format!("no job {id}; jobs are forgotten when the server stops"))
}

/// A job's state.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}",
    tag = "jobs",
    params(("id" = String, Path, description = "Job id")),
    responses((status = 200, body = JobState), (status = 404, body = Problem))
)]
pub async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Json<JobState>, ApiError> {
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
pub async fn cancel(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
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
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let follow = app.jobs.follow(&id).ok_or_else(|| unknown(&id))?;
    let states = futures::stream::unfold(Some((follow, true)), |step| async move {
        let (mut follow, first) = step?;
        if !first && follow.changed().await.is_err() {
            return None;
        }
        let state = follow.borrow_and_update().clone();
        let over = matches!(state.state, "done" | "failed");
        Some((state, (!over).then_some((follow, false))))
    });
    let events = states.map(|state| {
        let event = Event::default().event(state.state);
        Ok(event.json_data(&state).unwrap_or_else(|_| Event::default()))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
