//! Districts: the list, one, its outline, its past results.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_atlas::Outline;
use bellwether_electorate::Where;
use bellwether_schema::ids::Kind;
use bellwether_warehouse::Copy;
use bellwether_warehouse::questions::{self, Page};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::access::Caller;
use crate::app::App;
use crate::disclosure::Disclosure;
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

pub fn known_kind(kind: &str) -> Result<Kind, ApiError> {
    let known = Kind::ALL.map(Kind::name).join(", ");
    let unknown = || ApiError::bad_request(format!("unknown kind {kind}; there are {known}"));
    Kind::parse(kind).ok_or_else(unknown)
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
    caller: Caller,
    Params(params): Params<DistrictParams>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    params.kind.as_deref().map(known_kind).transpose()?;
    let state = params.state.as_deref().map(str::to_uppercase);
    let key = format!("districts {:?} {state:?}", params.kind);
    let request = TableRequest { common: &common, headers: &headers, key: caller.keyed(key) };
    if caller.sees_no_persons() || !caller.districts.is_empty() {
        let rule = app.disclosure;
        let limited = !caller.districts.is_empty();
        let columns = &["kind", "id", "name", "state", "vintage", "voters"];
        return reply::rows(&app, request, columns, move |serving| {
            let page = Page { limit: 10_000_000, offset: 0 };
            let question = questions::districts(params.kind.as_deref(), state.as_deref(), page);
            let mut rows = serving.copy.answer(&question)?.json()?;
            // A key that is limited to districts is told their counts by their reports.
            rows.iter_mut().for_each(|row| match limited {
                true => row["voters"] = Value::Null,
                false => rounded(row, &rule),
            });
            Ok(rows)
        })
        .await;
    }
    reply::table(&app, request, move |page| {
        questions::districts(params.kind.as_deref(), state.as_deref(), page)
    })
    .await
}

/// A district's row as a caller without a right to persons sees it.
pub fn rounded(row: &mut Value, rule: &Disclosure) {
    let name = format!("district {} {}", row["kind"], row["id"]);
    if let Some(voters) = row["voters"].as_u64() {
        row["voters"] = rule.shown(voters, rule.named(&name));
    }
}

/// A district as a path names it: its id, and the year of its lines where `@year` follows.
pub struct Named {
    pub kind: String,
    pub id: String,
    pub vintage: Option<i64>,
}

impl Named {
    pub fn parse(kind: &str, text: &str) -> Result<Named, ApiError> {
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
pub fn find(copy: &Copy, named: &Named) -> Result<Value, ApiError> {
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

/// Refuses the report of a district that reaches beyond those of the key.
pub fn within_bounds(serving: &Serving, kind: &str, id: &str, bound: Option<&Where>) -> Result<(), ApiError> {
    let Some(bound) = bound else { return Ok(()) };
    let district = Where::District { at: String::new(), kind: kind.into(), ids: vec![id.into()] };
    let beyond = Where::All(vec![district, Where::Not(Box::new(bound.clone()))]);
    let electorate = serving.electorate()?;
    let beyond = electorate.compile(&beyond, serving).map_err(ApiError::faults)?;
    match electorate.voters(&beyond) {
        0 => Ok(()),
        _ => Err(ApiError::forbidden("the district reaches beyond those of this key")),
    }
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
    caller: Caller,
    Segments((kind, id)): Segments<(String, String)>,
    Params(params): Params<AsOf>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let named = Named::parse(&kind, &id)?;
    let key = caller.keyed(format!("district {kind} {id}"));
    let bound = caller.bound()?;
    let rule = caller.sees_no_persons().then_some(app.disclosure);
    reply::document(&app, params.as_of.as_deref(), &headers, Some(key), move |serving| {
        let mut row = find(&serving.copy, &named)?;
        if within_bounds(serving, &named.kind, &named.id, bound.as_ref()).is_err() {
            row["voters"] = Value::Null;
        }
        rule.iter().for_each(|rule| rounded(&mut row, rule));
        Ok(row)
    })
    .await
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
