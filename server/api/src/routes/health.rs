//! Whether the process lives, and whether it can answer.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{ApiError, Problem};

#[derive(Serialize, ToSchema)]
pub struct Health {
    /// ok
    pub status: &'static str,
    /// Release that is served now.
    pub release: Option<String>,
    /// Derived tables that are older than their inputs: run `bellwether derive`.
    pub stale: Vec<&'static str>,
}

/// The process runs.
#[utoipa::path(get, path = "/v1/health/live", tag = "health", responses((status = 200, body = Health)))]
pub async fn live() -> Json<Health> {
    Json(Health { status: "ok", release: None, stale: Vec::new() })
}

/// The server has a release to answer from.
#[utoipa::path(
    get,
    path = "/v1/health/ready",
    tag = "health",
    responses((status = 200, body = Health), (status = 503, body = Problem))
)]
pub async fn ready(State(app): State<App>) -> Result<Json<Health>, ApiError> {
    let serving = app.serving(None).await?;
    let stale = bellwether_derive::stale(&serving.release);
    Ok(Json(Health { status: "ok", release: Some(serving.release.id.clone()), stale }))
}
