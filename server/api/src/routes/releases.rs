//! Releases: consistent sets of table versions.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_lake::Release;
use bellwether_schema::catalog;
use bellwether_warehouse::questions::Page;
use bellwether_warehouse::{Answer, Workshop, questions};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::reply::{self, Common, Params, Segments, TableRequest};

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

fn row(release: Release) -> ReleaseRow {
    ReleaseRow {
        id: release.id,
        created: release.created.to_rfc3339(),
        what: release.what,
        tables: release.tables.into_iter().map(|(name, table)| (name, table.rows)).collect(),
    }
}

/// All releases, newest first: id, created, what, and the rows of every table.
#[utoipa::path(
    get,
    path = "/v1/releases",
    tag = "releases",
    params(Common),
    responses((status = 200, description = "id, created, what, tables"), (status = 400, body = Problem))
)]
pub async fn list(
    State(app): State<App>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // A list as of a release is the list that there was then, so that its pages hold still.
    let releases = app.lake.releases().await?;
    let request = TableRequest { common: &common, headers: &headers, key: "releases".into() };
    reply::rows(&app, request, &["id", "created", "what", "tables"], |serving| {
        let number = serving.release.number();
        let then = releases.into_iter().rev().filter(|release| release.number() <= number);
        then.map(|release| serde_json::to_value(row(release)).map_err(ApiError::internal)).collect()
    })
    .await
}

/// What became of the voters between two releases, by state and county: new, removed, moved, party switched.
#[utoipa::path(
    get,
    path = "/v1/releases/{a}/diff/{b}",
    tag = "releases",
    params(
        ("a" = String, Path, description = "Earlier release id, or a day"),
        ("b" = String, Path, description = "Later release id, or a day"),
        Common
    ),
    responses((status = 200, description = "state, county, new, removed, moved, party_switched"), (status = 404, body = Problem))
)]
pub async fn diff(
    State(app): State<App>,
    caller: Caller,
    Segments((a, b)): Segments<(String, String)>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (before, after) = (app.lake.release(&a).await?, app.lake.release(&b).await?);
    if !caller.districts.is_empty() {
        return Err(ApiError::forbidden(
            "the changes of whole states are not for a key that is limited to districts",
        ));
    }
    let key = caller.keyed(format!("diff {} {}", before.id, after.id));
    let folder = tempfile::tempdir().map_err(ApiError::internal)?;
    let table = catalog::table("voters").ok_or_else(|| ApiError::internal("the catalog has no voters"))?;
    let cache = app.config.cache_folder(&app.lake).join("fetched");
    let mut shown = Vec::new();
    for (name, release) in [("voters_before", &before), ("voters_after", &after)] {
        shown.push((name, app.lake.local_files(release, &table.name, &cache).await?));
    }
    let limits = app.config.engine.limits();
    // The diff is an answer of the later release, whatever is served now.
    let common = Common { as_of: Some(after.id), ..common };
    let request = TableRequest { common: &common, headers: &headers, key };
    let ask = move |page: Page| -> Result<Answer, ApiError> {
        let workshop = Workshop::open(folder.path(), &limits)?;
        for (name, files) in &shown {
            workshop.show_as(name, table, files)?;
        }
        Ok(questions::release_diff(&workshop, page)?)
    };
    if !caller.sees_no_persons() {
        return reply::computed(&app, request, move |_, page| ask(page)).await;
    }
    let rule = app.disclosure;
    let columns = &["state", "county", "new", "removed", "moved", "party_switched"];
    reply::rows(&app, request, columns, move |_| {
        let mut rows = ask(Page { limit: 1_000_000, offset: 0 })?.json()?;
        for row in &mut rows {
            for change in ["new", "removed", "moved", "party_switched"] {
                let name = format!("diff {} {} {change}", row["state"], row["county"]);
                row[change] = rule.shown(row[change].as_u64().unwrap_or(0), rule.named(&name));
            }
        }
        Ok(rows)
    })
    .await
}

/// One release.
#[utoipa::path(
    get,
    path = "/v1/releases/{id}",
    tag = "releases",
    params(("id" = String, Path, description = "Release id, or a day")),
    responses((status = 200, body = ReleaseRow), (status = 404, body = Problem))
)]
pub async fn one(
    State(app): State<App>,
    Segments(id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let release = app.lake.release(&id).await?;
    let made = reply::body(
        &release.id,
        "application/json",
        serde_json::to_vec(&row(release.clone())).map_err(ApiError::internal)?,
        None,
    );
    Ok(reply::respond(&release.id, &made, &headers))
}
