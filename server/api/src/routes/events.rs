//! The gate: events of every type, in the forms that producers speak.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_delivery::sources::{Unfit, absentee, actblue, feeds, mobilize, segment, social, van};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::intake::{answer, unfit};
use crate::reply::{Params, Segments};

/// How long an answer is held back that turns events away.
const HELD_BACK: std::time::Duration = std::time::Duration::from_millis(500);

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
    Ok(slowed(answer(&app.take_body(&headers, body).await?)).await)
}

/// Holds an answer back that turns events away: a producer that does not heed Retry-After is slowed all the same, and the
/// others keep the cores.
async fn slowed(response: Response) -> Response {
    if response.status() == axum::http::StatusCode::TOO_MANY_REQUESTS {
        tokio::time::sleep(HELD_BACK).await;
    }
    response
}

/// A call of the tracking API that analytics SDKs speak.
async fn call(app: &App, call: &str, headers: &HeaderMap, body: Bytes) -> Result<Response, ApiError> {
    let body = crate::intake::unpacked(headers, body, app.config.delivery.event_body)?;
    let delivery = app.intake.delivery()?;
    let events = segment::read(call, &body, |name| delivery.knows(name)).map_err(unfit)?;
    let receipt = app.take_in(events).await?;
    let mut response = slowed(answer(&receipt)).await;
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

/// What a source does not say of itself.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SourceParams {
    /// Minutes that the zone of local times lies east of Greenwich; -300 (Eastern standard time) by default.
    pub offset_minutes: Option<i64>,
    /// Who wrote the posts of a table that does not say.
    pub author: Option<String>,
}

/// Systems whose documents are taken in as they come.
const SOURCES: &str = "actblue, mobilize, jetstream, mastodon, x, feed, posts, van-contacts, absentee-nc";

/// Takes in what another system sends, as it comes: ActBlue's webhook (`actblue`), pages of Mobilize's attendances
/// (`mobilize`), posts of Bluesky (`jetstream`), Mastodon (`mastodon`) and X (`x`),
/// RSS, Atom and JSON feeds (`feed`), posts as CSV with id, created_at and text (`posts`), VAN's export of contacts as CSV
/// (`van-contacts`), North Carolina's daily file of absentee ballots as CSV (`absentee-nc`).
///
/// A row of a file that is none becomes a dead letter of the type `unreadable`, with all that it holds.
#[utoipa::path(
    post,
    path = "/v1/events/from/{source}",
    tag = "events",
    params(("source" = String, Path, example = "actblue"), SourceParams),
    request_body(content = serde_json::Value, content_type = "application/json"),
    responses((status = 202, body = ReceiptShape), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub async fn from_source(
    State(app): State<App>,
    Segments(source): Segments<String>,
    Params(params): Params<SourceParams>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let body = crate::intake::unpacked(&headers, body, app.config.delivery.event_body)?;
    let offset = params.offset_minutes.unwrap_or(-300);
    let read = move || match source.as_str() {
        "actblue" => actblue::read(&body).map_err(unfit),
        "mobilize" => mobilize::attendances(&body).map_err(unfit),
        "jetstream" => social::jetstream(&body).map_err(unfit),
        "mastodon" => social::mastodon(&body).map_err(unfit),
        "x" => social::x(&body).map_err(unfit),
        "feed" => feeds::feed(&body).map_err(unfit),
        "posts" => rows(&body, |row| feeds::row(row, params.author.as_deref()).map(Some)),
        "van-contacts" => rows(&body, |row| van::contact(row, offset).map(Some)),
        "absentee-nc" => rows(&body, absentee::row),
        other => Err(ApiError::not_found(format!("there is no source {other}; there are {SOURCES}"))),
    };
    let events = tokio::task::spawn_blocking(read).await??;
    if events.is_empty() {
        // A stream may hold nothing that is of interest.
        return Ok(answer(&bellwether_delivery::Receipt::default()));
    }
    Ok(slowed(answer(&app.take_in(events).await?)).await)
}

/// Rows of a CSV file as events. Text that is not UTF-8 is read as windows-1252, as the sources write it.
fn rows(
    body: &[u8],
    event: impl Fn(&HashMap<String, String>) -> Result<Option<Vec<u8>>, Unfit>,
) -> Result<Vec<Vec<u8>>, ApiError> {
    let text = match std::str::from_utf8(body) {
        Ok(text) => text.trim_start_matches('\u{feff}').to_string(),
        Err(_) => body.iter().map(|byte| char::from(*byte)).collect(),
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader
        .headers()
        .map_err(|error| ApiError::bad_request(format!("the file has no header: {error}")))?;
    let names: Vec<String> = header.iter().map(|name| name.trim().to_string()).collect();
    let mut events = Vec::new();
    for record in reader.records() {
        let record =
            record.map_err(|error| ApiError::bad_request(format!("the file is not CSV: {error}")))?;
        let values = record.iter().map(str::to_string);
        let row: HashMap<String, String> = names.iter().cloned().zip(values).collect();
        match event(&row) {
            Ok(event) => events.extend(event),
            // Not an event, and not lost: it has no type, so it is a letter of those that have none.
            Err(fault) => {
                events.push(serde_json::json!({"fault": fault.0, "row": row}).to_string().into_bytes())
            }
        }
    }
    Ok(events)
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
