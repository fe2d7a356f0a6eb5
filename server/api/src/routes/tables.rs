//! The catalog, with the rows of the release.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_schema::catalog;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::reply::{self, AsOf, Params};
use crate::serving::Serving;

fn row(serving: &Serving, table: &catalog::Table) -> Value {
    let mut row = serde_json::to_value(table).unwrap_or_default();
    row["rows"] = json!(serving.release.tables.get(&table.name).map_or(0, |pinned| pinned.rows));
    row
}

/// Every table: columns, types, meaning, privacy class, rows.
#[utoipa::path(get, path = "/v1/tables", tag = "tables", params(AsOf), responses((status = 200, description = "the catalog")))]
pub async fn list(
    State(app): State<App>,
    Params(params): Params<AsOf>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    reply::document(&app, params.as_of.as_deref(), &headers, Some("tables".into()), |serving| {
        let rows: Vec<Value> = catalog::tables().iter().map(|table| row(serving, table)).collect();
        Ok(json!({"rows": rows, "next": null}))
    })
    .await
}

/// One table.
#[utoipa::path(
    get,
    path = "/v1/tables/{name}",
    tag = "tables",
    params(("name" = String, Path, description = "Table name"), AsOf),
    responses((status = 200, description = "the table"), (status = 404, body = Problem))
)]
pub async fn one(
    State(app): State<App>,
    Path(name): Path<String>,
    Params(params): Params<AsOf>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let table = catalog::table(&name).ok_or_else(|| {
        let known: Vec<&str> = catalog::tables().iter().map(|table| table.name.as_str()).collect();
        ApiError::not_found(format!("no table {name}; there are {}", known.join(", ")))
    })?;
    let key = format!("table {name}");
    reply::document(&app, params.as_of.as_deref(), &headers, Some(key), |serving| Ok(row(serving, table)))
        .await
}
