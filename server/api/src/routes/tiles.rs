//! Vector tiles: maps of districts with any aggregate to colour by.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_atlas::{Attribute, DEEPEST, Tile};
use bellwether_schema::ids::Kind;
use bellwether_warehouse::Format;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::access::Caller;
use crate::app::App;
use crate::disclosure::Disclosure;
use crate::error::{ApiError, Problem};
use crate::grouped;
use crate::grouping::Plan;
use crate::population::Population;
use crate::reply::{self, AsOf, Common, Params, Segments};
use crate::serving::{Figures, Locator, Serving};
use crate::universe::population_of;

const MEDIA_TYPE: &str = "application/vnd.mapbox-vector-tile";

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TileParams {
    /// What the districts carry besides id and name: measures as in POST /v1/aggregates, names joined by commas or a
    /// JSON list. Without one, nothing.
    #[param(example = "voters,share")]
    pub measures: Option<String>,
    /// Of whom: a filter as JSON; without one, everyone.
    #[serde(rename = "where")]
    #[param(example = r#"{"field": "party", "eq": "DEM"}"#)]
    pub filter: Option<String>,
    /// A saved universe instead of a filter.
    pub universe: Option<String>,
}

impl TileParams {
    fn filter(&self) -> Result<Value, ApiError> {
        let read = |text: &String| {
            serde_json::from_str(text)
                .map_err(|error| ApiError::bad_request(format!("where is no JSON: {error}")))
        };
        self.filter.as_ref().map_or(Ok(Value::Null), read)
    }

    fn measures(&self) -> Result<Vec<Value>, ApiError> {
        let text = self.measures.as_deref().unwrap_or_default().trim();
        if text.starts_with('[') {
            let read = serde_json::from_str(text);
            return read
                .map_err(|error| ApiError::bad_request(format!("measures are no JSON list: {error}")));
        }
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        Ok(names.map(|name| json!(name)).collect())
    }
}

fn locator<'a>(serving: &'a Serving, kind: &str) -> Result<&'a Locator, ApiError> {
    let locators = serving.locators()?;
    let found = Kind::parse(kind).and_then(|kind| locators.iter().find(|locator| locator.kind == kind));
    found.ok_or_else(|| {
        let known: Vec<&str> = locators.iter().map(|locator| locator.kind.name()).collect();
        let known = if known.is_empty() { "none are loaded".to_string() } else { known.join(", ") };
        ApiError::not_found(format!("no outlines of the kind {kind}; there are: {known}"))
    })
}

/// A map of one kind of districts as a Mapbox vector tile: layer `kind`, attributes `id`, `name` and the measures. The
/// newest lines are drawn, simplified for the zoom; borders stay shared. Empty where no district is.
#[utoipa::path(
    get,
    path = "/v1/tiles/{kind}/{z}/{x}/{y}",
    tag = "districts",
    params(
        ("kind" = String, Path, description = "Kind", example = "precinct"),
        ("z" = u8, Path, description = "Zoom, 0 to 14", example = 8),
        ("x" = u32, Path, description = "Column from the west", example = 53),
        ("y" = u32, Path, description = "Row from the north", example = 97),
        TileParams,
        AsOf
    ),
    responses(
        (status = 200, description = "a tile", content_type = "application/vnd.mapbox-vector-tile", body = Vec<u8>),
        (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 422, body = Problem, description = "too many groups")
    )
)]
pub async fn tile(
    State(app): State<App>,
    caller: Caller,
    Segments((kind, zoom, column, row)): Segments<(String, u8, u32, u32)>,
    Params(params): Params<TileParams>,
    Params(as_of): Params<AsOf>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let tile = Tile::new(zoom, column, row).ok_or_else(|| {
        ApiError::not_found(format!("no such tile: zooms are 0 to {DEEPEST}, rows and columns below 2^zoom"))
    })?;
    let measures = params.measures()?;
    let common = Common { as_of: as_of.as_of, ..Common::default() };
    let (filter, as_of) = population_of(&app, &params.filter()?, params.universe.as_deref(), &common)?;
    let population = Population::read(&filter, &caller)?;
    let serving = app.serving(as_of.as_deref()).await?;
    // What is asked of ballots and contacts holds as long as none comes.
    let counts = measures.iter().any(|measure| measure.get("returned").is_some());
    if counts || population.filter.asks_for_ballots() {
        app.intake.knows_ballots()?;
    }
    let live = counts || population.filter.is_live();
    let changes = if live { serving.electorate()?.changes() } else { 0 };
    let map = caller.keyed(format!("{kind} {changes} {} {}", json!(measures), population.text));
    let key = format!("tile {zoom} {column} {row} {map}");
    if let Some(body) = serving.cached(&key) {
        return Ok(reply::respond(&serving.release.id, &body, &headers));
    }
    let rule = caller.sees_no_persons().then_some(app.disclosure);
    let held = serving.clone();
    let made = app.run(move || {
        let locator = locator(&held, &kind)?;
        // The tiles of one map ask the same of all districts: it is worked out for the first of them.
        let figures = match held.figures(&map) {
            Some(figures) => figures,
            None => {
                let figures = Arc::new(figures(&held, &kind, &measures, &population, rule.as_ref())?);
                held.keep_figures(map, figures.clone());
                figures
            }
        };
        let bytes = locator.drawing().tile(&kind, &locator.layer, tile, |at| {
            let id = &locator.ids[at];
            let mut told = vec![
                ("id".to_string(), Attribute::Text(id.clone())),
                ("name".to_string(), Attribute::Text(locator.names[at].clone())),
            ];
            told.extend(figures.get(id).into_iter().flatten().cloned());
            told
        })?;
        let body = Arc::new(reply::body(&held.release.id, MEDIA_TYPE, bytes, None));
        held.cache(key, body.clone());
        Ok(body)
    });
    Ok(reply::respond(&serving.release.id, &*made.await?, &headers))
}

/// The measures of every district of a kind, by its id.
fn figures(
    serving: &Serving,
    kind: &str,
    measures: &[Value],
    population: &Population,
    rule: Option<&Disclosure>,
) -> Result<Figures, ApiError> {
    let mut figures = Figures::new();
    if measures.is_empty() {
        return Ok(figures);
    }
    let electorate = serving.electorate()?;
    let plan = Plan::read(&[json!(kind)], measures, electorate)?;
    let filter = population.compile(serving, electorate)?;
    for row in grouped::rows(&plan, serving, electorate, &filter, rule)? {
        let Some(id) = row.first().and_then(Value::as_str) else { continue };
        let named = plan.columns.iter().zip(&row[1..]);
        let told = named.filter_map(|(name, value)| Some((name.clone(), attribute(value)?)));
        figures.insert(id.to_string(), told.collect());
    }
    Ok(figures)
}

/// A measure as an attribute; none where there is no figure.
fn attribute(value: &Value) -> Option<Attribute> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Attribute::Text(text.clone())),
        Value::Number(number) => {
            Some(number.as_i64().map(Attribute::Whole).unwrap_or(Attribute::Number(number.as_f64()?)))
        }
        other => Some(Attribute::Text(other.to_string())),
    }
}

/// Where the tiles of one kind of districts are, for map libraries (TileJSON 3).
#[utoipa::path(
    get,
    path = "/v1/tiles/{kind}",
    tag = "districts",
    params(("kind" = String, Path, description = "Kind", example = "precinct"), AsOf),
    responses((status = 200, description = "TileJSON"), (status = 404, body = Problem))
)]
pub async fn about(
    State(app): State<App>,
    Segments(kind): Segments<String>,
    Params(as_of): Params<AsOf>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let serving = app.serving(as_of.as_of.as_deref()).await?;
    let held = serving.clone();
    let document = app.run(move || {
        let locator = locator(&held, &kind)?;
        let extent = locator.layer.extent();
        Ok(json!({
            "tilejson": "3.0.0",
            "name": format!("{kind}, release {}", held.release.id),
            "tiles": [format!("/v1/tiles/{kind}/{{z}}/{{x}}/{{y}}?as_of={}", held.release.id)],
            "minzoom": 0,
            "maxzoom": DEEPEST,
            "bounds": extent,
            "vector_layers": [{"id": kind, "fields": {"id": "district id", "name": "name"}}],
        }))
    });
    reply::one_row(&serving, &headers, Format::Json, document.await?, &[])
}
