//! Callers' own SQL: one read-only SELECT within limits.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bellwether_warehouse::{Cancel, Format, Live, Param};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::reply::{self, Body, Common, Params};
use crate::streaming::{Hangup, stream, streams};

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
    caller: Caller,
    Params(common): Params<Common>,
    headers: HeaderMap,
    Body(request): Body<SqlRequest>,
) -> Result<Response, ApiError> {
    let params = request.params.iter().map(Param::from_json).collect::<Result<Vec<_>, _>>()?;
    let format = common.format(&headers)?;
    let serving = app.serving(common.as_of.as_deref()).await?;
    if common.after.is_some() {
        return Err(ApiError::bad_request("a query has no pages: write LIMIT and OFFSET into it"));
    }
    if common.limit == Some(0) {
        return Err(ApiError::bad_request("limit must be at least 1"));
    }
    // SQL may show persons, so every query is recorded before it is answered, without the values that it names.
    caller.record(
        &app,
        &serving.release.id,
        json!({"sql": without_values(&request.query)}),
        None,
        Vec::new(),
    )?;
    // An earlier release knows nothing of what happens now.
    let now = common.as_of.is_none();
    let intake = app.intake.clone();
    if streams(format) && common.limit.is_none() {
        let live = if now { intake.live_tables() } else { Live::default() };
        return stream(&app, &serving, format, move |serving, cancel, give| {
            Ok(serving.copy.stream_sql((&request.query, &params, &live), format, cancel, give)?)
        })
        .await;
    }
    let cancel = Cancel::default();
    let _hangup = Hangup(cancel.clone());
    let held = serving.clone();
    let limit = common.limit;
    let (body, truncated) = app
        .run_long(move || {
            let ask = |live: &Live| held.copy.run_sql(&request.query, &params, live, &cancel);
            let mut answer = if now { intake.ask(ask)? } else { ask(&Live::default())? };
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
    let mut response = reply::respond(&serving.release.id, &body, &headers);
    if truncated {
        response.headers_mut().insert("bellwether-truncated", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// A query with a question mark for every quoted text and number in it: these may name a voter.
fn without_values(query: &str) -> String {
    let mut out = String::with_capacity(query.len());
    let mut quoted = false;
    let mut last = ' ';
    for character in query.chars() {
        let shown = match character {
            '\'' => {
                quoted = !quoted;
                if quoted { Some('?') } else { None }
            }
            _ if quoted => None,
            digit if digit.is_ascii_digit() && last == '?' => None,
            digit if digit.is_ascii_digit() && !last.is_alphanumeric() && last != '_' && last != '$' => {
                Some('?')
            }
            other => Some(other),
        };
        if let Some(shown) = shown {
            out.push(shown);
            last = shown;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_recorded_query_names_nobody() {
        let query =
            "SELECT p1 FROM voters WHERE voter_id = '123' AND zip = 80202 AND last_name = 'O''Neil' LIMIT $1";
        let told = super::without_values(query);
        assert_eq!(told, "SELECT p1 FROM voters WHERE voter_id = ? AND zip = ? AND last_name = ?? LIMIT $1");
    }
}
