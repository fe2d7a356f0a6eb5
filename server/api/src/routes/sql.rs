//! Callers' own SQL: one read-only SELECT within limits.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether_warehouse::{Cancel, Format, Param};
use futures::StreamExt;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::reply::{self, Common, Params};
use crate::serving::Serving;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlRequest {
    /// One SELECT over the tables of GET /v1/tables.
    #[schema(example = "SELECT party, count(*) AS voters FROM voters GROUP BY party ORDER BY voters DESC")]
    pub query: String,
    /// Values for $1, $2 and so on.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub params: Vec<serde_json::Value>,
}

/// How long a caller may leave a piece of a streamed answer unread: it holds a seat meanwhile.
const STALL: Duration = Duration::from_secs(30);

/// Interrupts the query when the request is dropped: when the caller has gone.
struct Hangup(Cancel);

impl Drop for Hangup {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Runs one SELECT. `truncated`, in other formats the header `Bellwether-Truncated`, says whether the row limit cut
/// the answer short.
#[utoipa::path(
    post,
    path = "/v1/sql",
    tag = "sql",
    params(Common),
    request_body = SqlRequest,
    responses(
        (status = 200, description = "rows"),
        (status = 400, body = Problem, description = "not one allowed SELECT"),
        (status = 422, body = Problem, description = "beyond the limits on time or memory")
    )
)]
pub async fn run(
    State(app): State<App>,
    Params(common): Params<Common>,
    headers: HeaderMap,
    body: Result<Json<SqlRequest>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(request) = body.map_err(|error| ApiError::of_status(error.status(), error.body_text()))?;
    let params = request.params.iter().map(Param::from_json).collect::<Result<Vec<_>, _>>()?;
    let format = common.format(&headers)?;
    let serving = app.serving(common.as_of.as_deref()).await?;
    if matches!(format, Format::Csv | Format::Ndjson | Format::Arrow) && common.limit.is_none() {
        return stream(&app, serving, request.query, params, format).await;
    }
    let cancel = Cancel::default();
    let _hangup = Hangup(cancel.clone());
    let held = serving.clone();
    let limit = common.limit;
    let (body, truncated) = app
        .run_sql(move || {
            let mut answer = held.copy.run_sql(&request.query, &params, &cancel)?;
            if let Some(limit) = limit.filter(|limit| (*limit as usize) < answer.rows()) {
                answer.truncate(limit as usize);
                answer.truncated = true;
            }
            let release = &held.release.id;
            let truncated = answer.truncated;
            let mut bytes = answer.encode(format).map_err(|error| {
                let detail = format!("the answer cannot be written as {}: {error}", format.name());
                ApiError::of_status(StatusCode::UNPROCESSABLE_ENTITY, detail)
            })?;
            if format == Format::Json {
                let rows = String::from_utf8(bytes).map_err(ApiError::internal)?;
                bytes = format!(
                    "{{\"release\":\"{release}\",\"rows\":{rows},\"next\":null,\"truncated\":{truncated}}}"
                )
                .into_bytes();
            }
            Ok((reply::body(release, format.media_type(), bytes, None), truncated))
        })
        .await?;
    let mut response = reply::respond(&serving, &body, &headers);
    if truncated {
        response.headers_mut().insert("bellwether-truncated", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Answers piece by piece: memory is a few batches, and the first rows come before the last are found. What fails
/// before the first piece is told with its status; what fails later breaks the connection off, so that a part is
/// never taken for the whole.
async fn stream(
    app: &App,
    serving: Arc<Serving>,
    query: String,
    params: Vec<Param>,
    format: Format,
) -> Result<Response, ApiError> {
    let (sender, mut pieces) = tokio::sync::mpsc::channel::<Result<Vec<u8>, ApiError>>(4);
    let cancel = Cancel::default();
    let hangup = Hangup(cancel.clone());
    let (held, worker) = (serving.clone(), app.clone());
    tokio::spawn(async move {
        let failures = sender.clone();
        let runtime = tokio::runtime::Handle::current();
        let work = worker.run_sql(move || {
            let mut stalled = false;
            let give = |piece: Vec<u8>| {
                let sent = tokio::time::timeout(STALL, sender.send(Ok(piece)));
                let outcome = runtime.block_on(sent);
                stalled = outcome.is_err();
                matches!(outcome, Ok(Ok(())))
            };
            held.copy.stream_sql(&query, &params, format, &cancel, give)?;
            if stalled { Err(ApiError::bad_request("the caller stopped reading")) } else { Ok(()) }
        });
        if let Err(error) = work.await {
            let _ = failures.send(Err(error)).await;
        }
    });
    let first = match pieces.recv().await {
        Some(Err(error)) => return Err(error),
        Some(Ok(piece)) => piece,
        None => Vec::new(),
    };
    let rest = futures::stream::unfold((pieces, hangup), |(mut pieces, hangup)| async move {
        let piece = pieces.recv().await?.map_err(|error| std::io::Error::other(error.to_string()));
        Some((piece, (pieces, hangup)))
    });
    let all = futures::stream::once(std::future::ready(Ok(first))).chain(rest);
    let mut response = Body::from_stream(all).into_response();
    let release = HeaderValue::from_str(&serving.release.id).map_err(ApiError::internal)?;
    response.headers_mut().insert("bellwether-release", release);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    Ok(response)
}
