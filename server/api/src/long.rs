//! Work that takes longer than a request: begun as a job, which is told where to look for it.

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether_loaders::Progress;
use serde_json::Value;

use crate::access::Caller;
use crate::app::App;
use crate::error::ApiError;
use crate::jobs::Claim;

/// Begins work as a job of a kind, once for every idempotency key; `body` is what the key stands for. The work is given
/// the job's id and where to report to.
pub fn begin<F>(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    (kind, body): (&str, blake3::Hash),
    work: impl FnOnce(String, Arc<Progress>) -> F,
) -> Result<Response, ApiError>
where
    F: Future<Output = Result<Value, ApiError>> + Send + 'static,
{
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
    let id = match app.jobs.claim(kind, &caller.key, key.map(|key| (key, body))) {
        Claim::Different => {
            return Err(ApiError::conflict("the idempotency key came with another body before"));
        }
        Claim::Same(id) => id,
        Claim::New(id, progress) => {
            let (app, job) = (app.clone(), id.clone());
            let work = work(id.clone(), progress);
            tokio::spawn(async move {
                let outcome = work.await;
                if outcome.is_err() {
                    app.jobs.release(&job);
                }
                app.jobs.update(&job, |state| match outcome {
                    Ok(result) => (state.state, state.progress, state.result) = ("done", 1.0, Some(result)),
                    Err(error) => (state.state, state.error) = ("failed", Some(error.told())),
                });
            });
            id
        }
    };
    let state = app.jobs.get(&id).ok_or_else(|| ApiError::internal("a job was forgotten at once"))?;
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, format!("/v1/jobs/{id}"))], Json(state)).into_response())
}

/// The name of a thing that stands in tables and filters: small letters, digits, `_`, `-` and `.`, 64 at most. As a
/// folder's name `null` would be no name.
pub fn is_plain_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte);
    !name.is_empty() && name.len() <= 64 && name != "null" && name.bytes().all(fits)
}
