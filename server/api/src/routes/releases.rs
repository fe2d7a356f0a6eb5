//! Releases: consistent sets of table versions.

use axum::Json;
use axum::extract::{Path, State};
use bellwether_lake::Release;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{ApiError, Problem};

#[derive(Serialize, ToSchema)]
pub struct ReleaseRow {
    pub id: String,
    /// RFC 3339, UTC.
    pub created: String,
    /// What made it.
    pub what: String,
    /// Rows by table.
    pub tables: std::collections::BTreeMap<String, u64>,
}

#[derive(Serialize, ToSchema)]
pub struct ReleaseList {
    /// Release that is served now.
    pub release: Option<String>,
    /// Newest first.
    pub rows: Vec<ReleaseRow>,
    pub next: Option<String>,
}

fn row(release: Release) -> ReleaseRow {
    ReleaseRow {
        id: release.id,
        created: release.created.to_rfc3339(),
        what: release.what,
        tables: release.tables.into_iter().map(|(name, table)| (name, table.rows)).collect(),
    }
}

/// All releases, newest first.
#[utoipa::path(get, path = "/v1/releases", tag = "releases", responses((status = 200, body = ReleaseList)))]
pub async fn list(State(app): State<App>) -> Result<Json<ReleaseList>, ApiError> {
    let mut rows: Vec<ReleaseRow> = app.lake.releases().await?.into_iter().map(row).collect();
    rows.reverse();
    let release = app.releases.current().map(|serving| serving.release.id.clone());
    Ok(Json(ReleaseList { release, rows, next: None }))
}

/// One release.
#[utoipa::path(
    get,
    path = "/v1/releases/{id}",
    tag = "releases",
    params(("id" = String, Path, description = "Release id, or a day")),
    responses((status = 200, body = ReleaseRow), (status = 404, body = Problem))
)]
pub async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Json<ReleaseRow>, ApiError> {
    Ok(Json(row(app.lake.release(&id).await?)))
}
