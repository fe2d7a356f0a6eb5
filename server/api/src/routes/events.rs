//! The gate: events of every type, in the forms that producers speak.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_delivery::sources::{actblue, segment, van};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::intake::{answer, unfit};
use crate::reply::Segments;

/// What came of a request with events. Those that were accepted are on disk.
#[derive(Serialize, ToSchema)]
#[schema(as = Receipt)]
pub struct ReceiptShape {
    /// Events that are durable now.
    pub accepted: u64,
    /// Of these, those without a type that is known: they are dead letters of the type `unreadable`.
    pub unreadable: u64,
    /// Events that were turned away, by type: how many, and after how many seconds to send them again. Sending the whole
    /// request again is safe: what was accepted is told by its id.
    pub refused: Option<std::collections::BTreeMap<String, RefusedShape>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Refused)]
pub struct RefusedShape {
    pub events: u64,
    pub retry_after: u64,
}

/// Takes events in: one, a list, one a line (NDJSON), or CloudEvents (structured, batched, binary).
///
/// An event is an object with a `type`, an `id` that the producer gives it, a `time`, and its fields in `data` or beside
/// these. It is acknowledged when it is on disk. The same id and type again is the same event, however late. What is no
/// event of its type becomes a dead letter with the reason; nothing that was acknowledged is dropped.
#[utoipa::path(
    post,
    path = "/v1/events",
    tag = "events",
    request_body(content = serde_json::Value, content_type = "application/json"),
    responses(
        (status = 202, description = "all of them are durable", body = ReceiptShape),
        (status = 400, description = "none of them is an event of a type that is known; they are dead letters", body = Problem),
        (status = 429, description = "some types take no more just now", body = Problem)
    )
)]
pub async fn take(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response, ApiError> {
    Ok(answer(&app.take_body(&headers, body).await?))
}

/// A call of the tracking API that analytics SDKs speak.
async fn call(app: &App, call: &str, headers: &HeaderMap, body: Bytes) -> Result<Response, ApiError> {
    let body = crate::intake::unpacked(headers, body, app.config.delivery.event_body)?;
    let delivery = app.intake.delivery()?;
    let events = segment::read(call, &body, |name| delivery.line(name).is_some()).map_err(unfit)?;
    let receipt = app.take_in(events).await?;
    let mut response = answer(&receipt);
    if response.status() == axum::http::StatusCode::ACCEPTED {
        // The SDKs expect what they know.
        *response.status_mut() = axum::http::StatusCode::OK;
    }
    Ok(response)
}

macro_rules! tracking {
    ($name:ident, $path:literal, $doc:literal) => {
        #[doc = $doc]
        #[utoipa::path(
                            post,
                            path = $path,
                            tag = "events",
                            request_body(content = serde_json::Value, content_type = "application/json"),
                            responses((status = 200, body = ReceiptShape))
                        )]
        pub async fn $name(
            State(app): State<App>,
            headers: HeaderMap,
            body: Bytes,
        ) -> Result<Response, ApiError> {
            call(&app, stringify!($name), &headers, body).await
        }
    };
}

tracking!(
    track,
    "/v1/track",
    "Segment's track call: an event named like a type is one of it, others are lines of app.log."
);
tracking!(identify, "/v1/identify", "Segment's identify call: a line of app.log with the user's traits.");
tracking!(page, "/v1/page", "Segment's page call: a line of app.log.");
tracking!(screen, "/v1/screen", "Segment's screen call: a line of app.log.");
tracking!(group, "/v1/group", "Segment's group call: a line of app.log.");
tracking!(alias, "/v1/alias", "Segment's alias call: a line of app.log.");
tracking!(batch, "/v1/batch", "Segment's batch of calls.");

/// Takes in what another system sends, as it comes.
#[utoipa::path(
    post,
    path = "/v1/events/from/{source}",
    tag = "events",
    params(("source" = String, Path, description = "actblue")),
    request_body(content = serde_json::Value, content_type = "application/json"),
    responses((status = 202, body = ReceiptShape), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub async fn from_source(
    State(app): State<App>,
    Segments(source): Segments<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let body = crate::intake::unpacked(&headers, body, app.config.delivery.event_body)?;
    let events = match source.as_str() {
        "actblue" => actblue::read(&body),
        other => return Err(ApiError::not_found(format!("there is no source {other}; there are actblue"))),
    };
    Ok(answer(&app.take_in(events.map_err(unfit)?).await?))
}

/// VAN's canvass responses: what its API takes for one person.
#[utoipa::path(
    post,
    path = "/v4/people/{id}/canvassResponses",
    tag = "events",
    params(("id" = String, Path, description = "VAN id of the person")),
    request_body(content = serde_json::Value, content_type = "application/json"),
    responses((status = 204, description = "recorded"), (status = 400, body = Problem))
)]
pub async fn canvass_responses(
    State(app): State<App>,
    Segments(id): Segments<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let body = crate::intake::unpacked(&headers, body, app.config.delivery.event_body)?;
    let events = van::canvass_responses(&id, &body).map_err(unfit)?;
    let mut response = answer(&app.take_in(events).await?);
    if response.status() == axum::http::StatusCode::ACCEPTED {
        response = axum::response::IntoResponse::into_response(axum::http::StatusCode::NO_CONTENT);
    }
    Ok(response)
}
