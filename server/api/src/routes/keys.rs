//! Keys: made, listed and revoked by an admin.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::keys::{Key, NewKey};
use crate::reply::{Body, Segments};

/// Every key, without its secret.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", responses((status = 200, body = Vec<Key>)))]
pub async fn list(State(app): State<App>) -> Response {
    Json(json!({"rows": app.keys.list().iter().map(shown).collect::<Vec<_>>(), "next": null})).into_response()
}

/// A key as it may be shown.
fn shown(key: &Key) -> serde_json::Value {
    let mut value = serde_json::to_value(key).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.remove("hash");
    }
    value
}

/// Makes a key. `token` is what the caller shows, and is given this once.
#[utoipa::path(
    post,
    path = "/v1/keys",
    tag = "keys",
    request_body = NewKey,
    responses((status = 201, description = "the key, and its token"), (status = 400, body = Problem))
)]
pub async fn create(State(app): State<App>, Body(new): Body<NewKey>) -> Result<Response, ApiError> {
    let (key, token) = app.keys.create(new).map_err(ApiError::bad_request)?;
    let mut value = shown(&key);
    value["token"] = json!(token);
    Ok((StatusCode::CREATED, Json(value)).into_response())
}

/// Revokes a key.
#[utoipa::path(
    delete,
    path = "/v1/keys/{id}",
    tag = "keys",
    params(("id" = String, Path, description = "Key id")),
    responses((status = 204, description = "revoked"), (status = 404, body = Problem))
)]
pub async fn revoke(State(app): State<App>, Segments(id): Segments<String>) -> Result<StatusCode, ApiError> {
    match app.keys.revoke(&id).map_err(ApiError::internal)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::not_found("no such key; GET /v1/keys lists those that there are")),
    }
}
