//! Reports of any shape: a polygon, a proposed plan, or precincts assigned to districts.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use bellwether_atlas::Outline;
use bellwether_warehouse::{Answer, Format};
use serde_json::{Value, json};

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::reply::{self, Common, Params};
use crate::routes::district_report::figures;
use crate::shapes::{Area, Territory, reports};

/// Areas that one request may ask for.
const MOST_AREAS: usize = 10_000;

/// The district report of any shape: a GeoJSON Polygon, MultiPolygon or Feature gives its report; a FeatureCollection (a
/// proposed plan), or a CSV with the columns `precinct` and `district`, gives `rows`, one report each.
///
/// Past votes are carried onto the shape precinct by precinct: whole where the precinct lies within (`counted`), else by
/// the share of its registered voters who live there (`voters`), else by area (`area`). `low` and `high` bound the true
/// count. A plan that divides its precincts up keeps every vote but those of `unplaced`, which were counted in precincts
/// without an outline: what its rows have and these are the statewide totals.
#[utoipa::path(
    post,
    path = "/v1/reports/shape",
    tag = "districts",
    params(Common),
    request_body(
        content(
            (Object = "application/json", example = json!({"type": "Polygon", "coordinates": [[[-105.0, 39.6], [-104.8, 39.6], [-104.8, 39.8], [-105.0, 39.6]]]})),
            (String = "text/csv", example = "precinct,district\n08031031101,1\n")
        )
    ),
    responses(
        (status = 200, description = "voters, registration, turnout, results, markets; or rows of these"),
        (status = 400, body = Problem)
    )
)]
pub async fn shape(
    State(app): State<App>,
    caller: Caller,
    Params(common): Params<Common>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let format = common.format(&headers)?;
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_csv = media.starts_with("text/csv");
    let serving = reply::serving_of(&app, &common, common.as_of.as_deref()).await?;
    let rule = caller.sees_no_persons().then_some(app.disclosure);
    let bound = caller.bound()?;
    let held = serving.clone();
    let made = app.run(move || {
        let (areas, single) = if is_csv { (assigned(&body)?, false) } else { drawn(&body)? };
        if areas.is_empty() || areas.len() > MOST_AREAS {
            return Err(ApiError::bad_request(format!("give between 1 and {MOST_AREAS} areas")));
        }
        let electorate = held.electorate()?;
        let bound =
            bound.map(|bound| electorate.compile(&bound, &*held)).transpose().map_err(ApiError::faults)?;
        let mut rows = reports(&held, areas, bound.as_ref(), rule.as_ref())?;
        let release = &held.release.id;
        let bytes = match (format, single) {
            (Format::Json, true) => {
                let mut report = rows.swap_remove(0);
                report["release"] = json!(release);
                serde_json::to_vec(&report)
            }
            (Format::Json, false) => {
                let unplaced = held.precinct_votes()?.unplaced();
                serde_json::to_vec(
                    &json!({"release": release, "rows": rows, "next": null, "unplaced": unplaced}),
                )
            }
            (other, _) => {
                let lines: Vec<Value> = rows.iter().flat_map(lines_of).collect();
                let columns = ["id", "section", "of", "item", "value", "low", "high", "method"];
                return Ok(reply::body(
                    release,
                    other.media_type(),
                    Answer::of_rows(&columns, &lines)?.encode(other)?,
                    None,
                ));
            }
        };
        Ok(reply::body(release, format.media_type(), bytes.map_err(ApiError::internal)?, None))
    });
    Ok(reply::respond(&serving.release.id, &made.await?, &headers))
}

/// A report's figures, each with the shape's own id.
fn lines_of(report: &Value) -> Vec<Value> {
    let mut lines = figures(report);
    lines.push(json!({"section": "registration", "of": "all", "item": "voters", "value": report["voters"]}));
    lines.iter_mut().for_each(|line| line["id"] = report["id"].clone());
    lines
}

/// Areas drawn as GeoJSON, and whether it is a single one.
fn drawn(body: &[u8]) -> Result<(Vec<Area>, bool), ApiError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("the body is no JSON: {error}")))?;
    let area = |feature: &Value, at: usize| -> Result<Area, ApiError> {
        let outline = Outline::from_geojson(feature).map_err(|error| match error {
            bellwether_atlas::Error::Geometry { detail } => {
                ApiError::bad_request(format!("feature {at}: the geometry is no area: {detail}"))
            }
            other => other.into(),
        })?;
        Ok(Area { id: named(feature, at), shape: Territory::Outline(Box::new(outline)) })
    };
    if value["type"] != "FeatureCollection" {
        return Ok((vec![area(&value, 1)?], true));
    }
    let features =
        value["features"].as_array().ok_or_else(|| ApiError::bad_request("features must be a list"))?;
    let areas =
        features.iter().enumerate().map(|(at, feature)| area(feature, at + 1)).collect::<Result<_, _>>()?;
    Ok((areas, false))
}

/// What a feature is called: its id, else the property that plans use for it, else its place.
fn named(feature: &Value, at: usize) -> Value {
    let properties = &feature["properties"];
    let known = ["id", "ID", "district", "District", "DISTRICT", "name", "NAME", "GEOID", "GEOID20"];
    let own = Some(&feature["id"]).filter(|id| !id.is_null());
    let named = own.or_else(|| known.iter().map(|name| &properties[*name]).find(|value| !value.is_null()));
    named.cloned().unwrap_or(json!(at))
}

/// Districts of a CSV that assigns precincts to them.
fn assigned(body: &[u8]) -> Result<Vec<Area>, ApiError> {
    let text = std::str::from_utf8(body).map_err(|_| ApiError::bad_request("the CSV is not UTF-8"))?;
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    let cells = |line: &str| -> Vec<String> {
        line.split(',').map(|cell| cell.trim().trim_matches('"').to_string()).collect()
    };
    let (_, head) = lines.next().ok_or_else(|| ApiError::bad_request("the CSV is empty"))?;
    let names: Vec<String> = cells(head).iter().map(|name| name.to_lowercase()).collect();
    let column = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
    let (Some(precinct), Some(district)) = (
        column(&["precinct", "geoid20", "geoid", "precinct_id", "vtd"]),
        column(&["district", "district_id", "dist"]),
    ) else {
        return Err(ApiError::bad_request(
            "the CSV needs the columns precinct and district in its first line",
        ));
    };
    let mut districts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut seen = std::collections::HashSet::new();
    for (at, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let cells = cells(line);
        let (Some(precinct), Some(district)) = (cells.get(precinct), cells.get(district)) else {
            return Err(ApiError::bad_request(format!("line {}: too few columns", at + 1)));
        };
        if !seen.insert(precinct.clone()) {
            return Err(ApiError::bad_request(format!("line {}: precinct {precinct} stands twice", at + 1)));
        }
        districts.entry(district.clone()).or_default().push(precinct.clone());
    }
    let area =
        |(district, precincts)| Area { id: Value::String(district), shape: Territory::Precincts(precincts) };
    Ok(districts.into_iter().map(area).collect())
}
