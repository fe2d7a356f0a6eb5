//! The catalog, with the rows of the release.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_schema::catalog;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::reply::{self, AsOf, Common, Params, Segments, TableRequest};
use crate::serving::Serving;

fn row(serving: &Serving, table: &catalog::Table) -> Value {
    let mut row = serde_json::to_value(table).unwrap_or_default();
    row["rows"] = json!(serving.release.tables.get(&table.name).map_or(0, |pinned| pinned.rows));
    row
}

/// Every table: columns, types, meaning, privacy class, rows.
#[utoipa::path(
    get,
    path = "/v1/tables",
    tag = "tables",
    params(Common),
    responses((status = 200, description = "the catalog"), (status = 400, body = Problem))
)]
pub async fn list(
    State(app): State<App>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let request = TableRequest { common: &common, headers: &headers, key: "tables".into() };
    reply::rows(&app, request, &["name", "meaning", "partition_by", "columns", "rows"], |serving| {
        Ok(catalog::tables().iter().map(|table| row(serving, table)).collect())
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
    Segments(name): Segments<String>,
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
