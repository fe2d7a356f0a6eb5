//! Districts: the list, one, its report, its outline, its past results.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_atlas::Outline;
use bellwether_electorate::{Outlines, Where};
use bellwether_schema::ids::Kind;
use bellwether_warehouse::questions::{self, Page, ResultsFilter};
use bellwether_warehouse::{Answer, Copy};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

use crate::access::Caller;
use crate::app::App;
use crate::disclosure::Disclosure;
use crate::error::{ApiError, Problem};
use crate::reply::{self, AsOf, Common, Params, Segments, TableRequest};
use crate::routes::results::ResultsParams;
use crate::serving::Serving;
use crate::shapes::{Area, Territory, reports};

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
fn rounded(row: &mut Value, rule: &Disclosure) {
    let name = format!("district {} {}", row["kind"], row["id"]);
    if let Some(voters) = row["voters"].as_u64() {
        row["voters"] = rule.shown(voters, rule.named(&name));
    }
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
    caller: Caller,
    Segments((kind, id)): Segments<(String, String)>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let named = Named::parse(&kind, &id)?;
    let key = caller.keyed(format!("report {kind} {id}"));
    let request = TableRequest { common: &common, headers: &headers, key };
    let rule = caller.sees_no_persons().then_some(app.disclosure);
    let bound = caller.bound()?;
    let make = move |serving: &Serving| {
        let copy = &serving.copy;
        if let Some(report) = on_older_lines(serving, &named, bound.as_ref(), rule.as_ref())? {
            return Ok(report);
        }
        let mut district = find(copy, &named)?;
        let Named { kind, id, .. } = named;
        within_bounds(serving, &kind, &id, bound.as_ref())?;
        let voters = district["voters"].as_i64().unwrap_or(0);
        let mut registration = by_dimension(&questions::registration(copy, &kind, &id)?);
        let mut turnout = turnout(&questions::turnout(copy, &kind, &id)?, voters);
        if let Some(rule) = &rule {
            rounded(&mut district, rule);
            for (dimension, cells) in &mut registration {
                if let Some(cells) = cells.as_object_mut() {
                    rule.table(&format!("{kind} {id} {dimension}"), cells);
                }
            }
            let all = district["voters"].as_f64();
            turnout.iter_mut().for_each(|election| rounded_turnout(election, &kind, &id, all, rule));
            turnout.retain(|election| !election["voters"].is_null());
        }
        let mut part = |name: &str| registration.remove(name).unwrap_or_else(|| json!({}));
        let (markets, located, disagrees) = (part("market"), part("located"), part("disagrees"));
        let filter =
            ResultsFilter { kind: Some(kind.clone()), id: Some(id.clone()), ..ResultsFilter::default() };
        let results = copy.answer(&questions::results(&filter, Page { limit: 100_000, offset: 0 }))?;
        Ok(json!({
            "district": district,
            "registration": registration,
            "turnout": turnout,
            "results": results.json()?,
            "markets": markets,
            "located": located,
            "disagrees": disagrees,
        }))
    };
    reply::report(&app, request, &["section", "of", "item", "value", "low", "high", "method"], make, figures)
        .await
}

/// The report of a district on lines of another year than the newest: that of the shape which the lines make.
fn on_older_lines(
    serving: &Serving,
    named: &Named,
    bound: Option<&Where>,
    rule: Option<&Disclosure>,
) -> Result<Option<Value>, ApiError> {
    let Named { kind, id, vintage } = named;
    let (Some(year), Some(of)) = (*vintage, Kind::parse(kind)) else { return Ok(None) };
    if serving.vintages(of, id).first() == Some(&year) {
        return Ok(None);
    }
    let Some(outline) = serving.outline(of, id, year) else { return Ok(None) };
    let electorate = serving.electorate()?;
    let bound =
        bound.map(|bound| electorate.compile(bound, serving)).transpose().map_err(ApiError::faults)?;
    let area = Area { id: json!(format!("{id}@{year}")), shape: Territory::Outline(Box::new(outline)) };
    let mut report = reports(serving, vec![area], bound.as_ref(), rule)?.swap_remove(0);
    report["district"] = json!({"kind": kind, "id": id, "vintage": year, "voters": report["voters"]});
    Ok(Some(report))
}

/// One election's turnout as a caller without a right to persons sees it.
fn rounded_turnout(election: &mut Value, kind: &str, id: &str, registered: Option<f64>, rule: &Disclosure) {
    let name = format!("{kind} {id} turnout {}", election["election"]);
    let voters = rule.shown(election["voters"].as_u64().unwrap_or(0), rule.named(&name));
    election["share"] = match (voters.as_f64(), registered) {
        (Some(voters), Some(registered)) if registered > 0.0 => json!((voters / registered).min(1.0)),
        _ => Value::Null,
    };
    election["voters"] = voters;
    if let Some(methods) = election["methods"].as_object_mut() {
        rule.table(&name, methods);
    }
}

/// Refuses the report of a district that reaches beyond those of the key.
fn within_bounds(serving: &Serving, kind: &str, id: &str, bound: Option<&Where>) -> Result<(), ApiError> {
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

/// The figures of a report, one a row: `registration, party, DEM, 10` or `results, 2020-11-03/general president,
/// name (DEM), 10.5, 10, 11, area`.
pub fn figures(report: &Value) -> Vec<Value> {
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
