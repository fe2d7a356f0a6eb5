//! The catalog, with the rows of the release, and the tables that grow between releases as they are just now.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_delivery::ledger::Hour;
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

/// The tables of events and dead letters, with the rows that they have at this moment.
fn live(app: &App) -> Vec<Value> {
    let Ok(delivery) = app.intake.delivery() else { return Vec::new() };
    let mut tables = Vec::new();
    for line in delivery.lines() {
        let (plan, status) = (line.plan(), line.status());
        let sum = |of: fn(&Hour) -> u64| status.hours.values().map(of).sum::<u64>();
        let of = &plan.event_type;
        for (table, rows) in
            [(of.shown(), sum(|hour| hour.landed)), (of.dead_letters_shown(), sum(|hour| hour.dead))]
        {
            let mut row = serde_json::to_value(&table).unwrap_or_default();
            row["rows"] = json!(rows);
            tables.push(row);
        }
    }
    tables
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
    // An earlier release knows no table that grows.
    let live = if common.as_of.is_none() { live(&app) } else { Vec::new() };
    let key = format!("tables {}", blake3::hash(json!(live).to_string().as_bytes()));
    let request = TableRequest { common: &common, headers: &headers, key };
    reply::rows(&app, request, &["name", "meaning", "partition_by", "columns", "rows"], |serving| {
        Ok(catalog::tables().iter().map(|table| row(serving, table)).chain(live).collect())
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
    let live = if params.as_of.is_none() { live(&app) } else { Vec::new() };
    if let Some(found) = live.iter().find(|table| table["name"] == name).cloned() {
        return reply::document(&app, None, &headers, None, |_| Ok(found)).await;
    }
    let table = catalog::table(&name).ok_or_else(|| {
        let live = live.iter().filter_map(|table| table["name"].as_str());
        let known: Vec<&str> =
            catalog::tables().iter().map(|table| table.name.as_str()).chain(live).collect();
        ApiError::not_found(format!("no table {name}; there are {}", known.join(", ")))
    })?;
    let key = format!("table {name}");
    reply::document(&app, params.as_of.as_deref(), &headers, Some(key), |serving| Ok(row(serving, table)))
        .await
}
