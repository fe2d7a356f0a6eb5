//! Which districts hold a point.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_schema::ids::{self, Kind};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::reply::{self, Common, Params, TableRequest};
use crate::serving::Serving;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LocateParams {
    /// Degrees east.
    #[param(example = -104.9847)]
    pub lon: f64,
    /// Degrees north.
    #[param(example = 39.7392)]
    pub lat: f64,
}

/// Every district that holds a point, one of each kind. A point on a border belongs to the district whose id
/// comes first.
#[utoipa::path(
    get,
    path = "/v1/locate",
    tag = "districts",
    params(LocateParams, Common),
    responses((status = 200, description = "kind, id, name, vintage"), (status = 400, body = Problem))
)]
pub async fn locate(
    State(app): State<App>,
    Params(params): Params<LocateParams>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let LocateParams { lon, lat } = params;
    if !(lon.abs() <= 180.0 && lat.abs() <= 90.0) {
        return Err(ApiError::bad_request("lon must be within 180 and lat within 90 degrees"));
    }
    let request = TableRequest { common: &common, headers: &headers, key: format!("locate {lon} {lat}") };
    reply::rows(&app, request, &["kind", "id", "name", "vintage"], move |serving| rows(serving, lon, lat))
        .await
}

/// The districts that hold a point, one of each kind at most.
pub fn rows(serving: &Serving, lon: f64, lat: f64) -> Result<Vec<Value>, ApiError> {
    let mut rows = Vec::new();
    let mut county = None;
    let locators = serving.locators()?;
    for locator in locators.iter().filter(|locator| locator.kind != Kind::MediaMarket) {
        let Some(at) = locator.layer.locate(lon, lat) else {
            continue;
        };
        let (id, name, vintage) = (&locator.ids[at], &locator.names[at], locator.vintages[at]);
        if locator.kind == Kind::County {
            county = Some(id.clone());
        }
        rows.push(json!({"kind": locator.kind.name(), "id": id, "name": name, "vintage": vintage}));
    }
    if let Some(state) = county.as_deref().and_then(|fips| ids::state_of_fips(fips.get(..2)?))
        && !locators.iter().any(|locator| locator.kind == Kind::State)
    {
        rows.insert(0, json!({"kind": "state", "id": state, "name": state, "vintage": null}));
    }
    // Markets are made of whole counties: the county's own outline is finer than that of its market.
    let market = county.as_ref().and_then(|county| serving.markets().ok()?.get(county));
    if let Some((id, name)) = market {
        rows.push(json!({"kind": "media_market", "id": id, "name": name, "vintage": null}));
    } else if let Some(locator) = locators.iter().find(|locator| locator.kind == Kind::MediaMarket)
        && let Some(at) = locator.layer.locate(lon, lat)
    {
        let (id, name, vintage) = (&locator.ids[at], &locator.names[at], locator.vintages[at]);
        rows.push(json!({"kind": "media_market", "id": id, "name": name, "vintage": vintage}));
    }
    Ok(rows)
}
