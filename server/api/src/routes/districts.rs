//! Districts: the list, one, its report, its outline, its past results.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_atlas::Outline;
use bellwether_schema::ids::Kind;
use bellwether_warehouse::questions::{self, Page, ResultsFilter};
use bellwether_warehouse::{Answer, Copy};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::reply::{self, AsOf, Common, Params, Segments, TableRequest};
use crate::routes::results::ResultsParams;
use crate::serving::Serving;

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DistrictParams {
    /// state, county, congressional, state_senate, state_house, precinct or media_market.
    #[param(example = "congressional")]
    pub kind: Option<String>,
    /// Postal code.
    #[param(example = "CO")]
    pub state: Option<String>,
}

fn known_kind(kind: &str) -> Result<(), ApiError> {
    let known = Kind::ALL.map(Kind::name).join(", ");
    match Kind::parse(kind) {
        Some(_) => Ok(()),
        None => Err(ApiError::bad_request(format!("unknown kind {kind}; there are {known}"))),
    }
}

/// Districts with their voters.
#[utoipa::path(
    get,
    path = "/v1/districts",
    tag = "districts",
    params(DistrictParams, Common),
    responses((status = 200, description = "kind, id, name, state, vintage, voters"), (status = 400, body = Problem))
)]
pub async fn list(
    State(app): State<App>,
    Params(params): Params<DistrictParams>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    params.kind.as_deref().map(known_kind).transpose()?;
    let state = params.state.as_deref().map(str::to_uppercase);
    let key = format!("districts {:?} {state:?}", params.kind);
    let request = TableRequest { common: &common, headers: &headers, key };
    reply::table(&app, request, move |page| {
        questions::districts(params.kind.as_deref(), state.as_deref(), page)
    })
    .await
}

/// A district as a path names it: its id, and the year of its lines where `@year` follows.
struct Named {
    kind: String,
    id: String,
    vintage: Option<i64>,
}

impl Named {
    fn parse(kind: &str, text: &str) -> Result<Named, ApiError> {
        known_kind(kind)?;
        let (id, vintage) = match text.rsplit_once('@') {
            None => (text, None),
            Some((id, year)) => {
                let year = year.parse();
                (
                    id,
                    Some(
                        year.map_err(|_| ApiError::bad_request("behind the @ stands a year: CO-CD-07@2022"))?,
                    ),
                )
            }
        };
        Ok(Named { kind: kind.to_string(), id: id.to_string(), vintage })
    }
}

/// The district's own row, or 404 that names the known ones where they are few.
fn find(copy: &Copy, named: &Named) -> Result<Value, ApiError> {
    let Named { kind, id, vintage } = named;
    if let Some(row) = copy_row(copy, kind, id)? {
        let Some(asked) = vintage.filter(|asked| row["vintage"].as_i64() != Some(*asked)) else {
            return Ok(row);
        };
        let loaded = questions::vintages(copy, kind, id)?;
        let loaded: Vec<String> = loaded.iter().map(|year| format!("{id}@{year}")).collect();
        return Err(ApiError::not_found(match loaded.is_empty() {
            true => format!("no lines of {kind} {id} are loaded"),
            false => format!("no report of {id} on lines of {asked}; its lines are {}", loaded.join(", ")),
        }));
    }
    let known = copy.answer(&questions::districts(Some(kind), None, Page { limit: 100, offset: 0 }))?;
    let ids: Vec<String> = known.texts("id").into_iter().flatten().collect();
    Err(ApiError::not_found(match ids.len() {
        0 => format!("no {kind} is loaded"),
        1..=100 => format!("no {kind} {id}; there are {}", ids.join(", ")),
        _ => format!("no {kind} {id}; GET /v1/districts?kind={kind} lists them"),
    }))
}

fn copy_row(copy: &Copy, kind: &str, id: &str) -> Result<Option<Value>, ApiError> {
    Ok(questions::district(copy, kind, id)?.json()?.into_iter().next())
}

/// One district.
#[utoipa::path(
    get,
    path = "/v1/districts/{kind}/{id}",
    tag = "districts",
    params(("kind" = String, Path, description = "Kind"), ("id" = String, Path, description = "District id"), AsOf),
    responses((status = 200, description = "the district"), (status = 404, body = Problem))
)]
pub async fn one(
    State(app): State<App>,
    Segments((kind, id)): Segments<(String, String)>,
    Params(params): Params<AsOf>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let named = Named::parse(&kind, &id)?;
    let key = format!("district {kind} {id}");
    reply::document(&app, params.as_of.as_deref(), &headers, Some(key), move |serving| {
        find(&serving.copy, &named)
    })
    .await
}

/// The district report: registration by party, age band, gender, race and status; how voters were located;
/// turnout by election; past results on these lines with their bounds; television markets. In formats other than JSON
/// one row is one figure.
#[utoipa::path(
    get,
    path = "/v1/districts/{kind}/{id}/report",
    tag = "districts",
    params(("kind" = String, Path, description = "Kind"), ("id" = String, Path, description = "District id"), Common),
    responses((status = 200, description = "the report"), (status = 404, body = Problem))
)]
pub async fn report(
    State(app): State<App>,
    Segments((kind, id)): Segments<(String, String)>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let named = Named::parse(&kind, &id)?;
    let request = TableRequest { common: &common, headers: &headers, key: format!("report {kind} {id}") };
    let make = move |serving: &Serving| {
        let copy = &serving.copy;
        let district = find(copy, &named)?;
        let Named { kind, id, .. } = named;
        let voters = district["voters"].as_i64().unwrap_or(0);
        let mut registration = by_dimension(&questions::registration(copy, &kind, &id)?);
        let mut part = |name: &str| registration.remove(name).unwrap_or_else(|| json!({}));
        let (markets, located, disagrees) = (part("market"), part("located"), part("disagrees"));
        let filter =
            ResultsFilter { kind: Some(kind.clone()), id: Some(id.clone()), ..ResultsFilter::default() };
        let results = copy.answer(&questions::results(&filter, Page { limit: 100_000, offset: 0 }))?;
        Ok(json!({
            "district": district,
            "registration": registration,
            "turnout": turnout(&questions::turnout(copy, &kind, &id)?, voters),
            "results": results.json()?,
            "markets": markets,
            "located": located,
            "disagrees": disagrees,
        }))
    };
    reply::report(&app, request, &["section", "of", "item", "value", "low", "high", "method"], make, figures)
        .await
}

/// The figures of a report, one a row: `registration, party, DEM, 10` or `results, 2020-11-03/general president,
/// name (DEM), 10.5, 10, 11, area`.
fn figures(report: &Value) -> Vec<Value> {
    let mut rows = Vec::new();
    let none = Map::new();
    let mut counts = |section: &str, of: &str, items: &Value| {
        let items = items.as_object().unwrap_or(&none);
        rows.extend(
            items
                .iter()
                .map(|(item, value)| json!({"section": section, "of": of, "item": item, "value": value})),
        );
    };
    for (dimension, items) in report["registration"].as_object().unwrap_or(&none) {
        counts("registration", dimension, items);
    }
    for section in ["markets", "located", "disagrees"] {
        counts(section, "voters", &report[section]);
    }
    for election in report["turnout"].as_array().into_iter().flatten() {
        let of = election["election"].as_str().unwrap_or_default();
        counts("turnout", of, &json!({"voters": election["voters"]}));
        counts("turnout", of, &election["methods"]);
    }
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_string();
    for row in report["results"].as_array().into_iter().flatten() {
        rows.push(json!({
            "section": "results",
            "of": format!("{} {}", text(row, "election"), text(row, "contest")),
            "item": format!("{} ({})", text(row, "candidate"), text(row, "party")),
            "value": row["votes"],
            "low": row["low"],
            "high": row["high"],
            "method": row["method"],
        }));
    }
    rows
}

/// `{party: {DEM: 10, ...}, age: {...}}`.
fn by_dimension(answer: &Answer) -> Map<String, Value> {
    let mut dimensions = Map::new();
    let rows =
        answer.texts("dimension").into_iter().zip(answer.texts("value")).zip(answer.integers("voters"));
    for ((dimension, value), voters) in rows {
        let (Some(dimension), Some(value)) = (dimension, value) else {
            continue;
        };
        dimensions.entry(dimension).or_insert_with(|| json!({}))[value] = json!(voters);
    }
    dimensions
}

/// `[{election, voters, share, methods: {mail: 10, ...}}]`, newest election first. The share is that of the
/// voters who are registered in the district now.
fn turnout(answer: &Answer, registered: i64) -> Vec<Value> {
    let mut elections: Vec<(String, i64, Map<String, Value>)> = Vec::new();
    let rows =
        answer.texts("election").into_iter().zip(answer.texts("method")).zip(answer.integers("voters"));
    for ((election, method), voters) in rows {
        let (Some(election), Some(method), Some(voters)) = (election, method, voters) else {
            continue;
        };
        if elections.last().is_none_or(|(last, ..)| *last != election) {
            elections.push((election, 0, Map::new()));
        }
        if let Some((_, total, methods)) = elections.last_mut() {
            *total += voters;
            methods.insert(method, json!(voters));
        }
    }
    let share = |voters: i64| {
        if registered > 0 { json!(voters as f64 / registered as f64) } else { Value::Null }
    };
    elections
        .into_iter()
        .map(|(election, voters, methods)| {
            json!({"election": election, "voters": voters, "share": share(voters), "methods": methods})
        })
        .collect()
}

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BoundaryParams {
    /// Year of the boundary set; the newest by default.
    pub vintage: Option<i64>,
    /// An earlier release: its id, or a day.
    pub as_of: Option<String>,
}

/// The district's outline as a GeoJSON feature.
#[utoipa::path(
    get,
    path = "/v1/districts/{kind}/{id}/boundary",
    tag = "districts",
    params(("kind" = String, Path, description = "Kind"), ("id" = String, Path, description = "District id"), BoundaryParams),
    responses((status = 200, description = "a GeoJSON feature"), (status = 404, body = Problem))
)]
pub async fn boundary(
    State(app): State<App>,
    Segments((kind, id)): Segments<(String, String)>,
    Params(params): Params<BoundaryParams>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let named = Named::parse(&kind, &id)?;
    let year = params.vintage.or(named.vintage);
    let key = format!("boundary {kind} {} {year:?}", named.id);
    reply::document(&app, params.as_of.as_deref(), &headers, Some(key), move |serving| {
        let Named { kind, id, .. } = &named;
        let answer = questions::boundary(&serving.copy, kind, id, year)?;
        let Some(geometry) = answer.bytes("geometry").into_iter().flatten().next() else {
            find(&serving.copy, &named)?;
            return Err(ApiError::not_found(format!("no outline of {kind} {id} is loaded")));
        };
        let outline = Outline::from_wkb(id, &geometry)?;
        let shape: Value = serde_json::from_str(&outline.geojson()).map_err(ApiError::internal)?;
        let vintage = answer.integers("vintage").first().copied().flatten();
        let properties = json!({"kind": kind, "id": id, "vintage": vintage});
        Ok(json!({"type": "Feature", "id": id, "properties": properties, "geometry": shape}))
    })
    .await
}

/// Past votes on the district's lines.
#[utoipa::path(
    get,
    path = "/v1/districts/{kind}/{id}/results",
    tag = "districts",
    params(("kind" = String, Path, description = "Kind"), ("id" = String, Path, description = "District id"), ResultsParams, Common),
    responses((status = 200, description = "rows as those of /v1/results"), (status = 404, body = Problem))
)]
pub async fn results(
    State(app): State<App>,
    Segments((kind, id)): Segments<(String, String)>,
    Params(params): Params<ResultsParams>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let named = Named::parse(&kind, &id)?;
    let filter = params.filter(&kind, Some(named.id.clone()))?;
    let serving = app.serving(common.as_of.as_deref()).await?;
    app.run(move || find(&serving.copy, &named).map(|_| ())).await?;
    let request = TableRequest { common: &common, headers: &headers, key: format!("results {filter:?}") };
    reply::table(&app, request, move |page| questions::results(&filter, page)).await
}
