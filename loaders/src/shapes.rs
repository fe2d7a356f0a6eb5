//! Outlines with their attributes, out of zipped Shapefiles and GeoJSON, plain or gzipped.
//!
//! Coordinates come out as longitude and latitude on WGS 84. Geographic NAD83 needs no arithmetic: the usual
//! transformation to WGS 84 (EPSG:1188) is the null one, good to about a metre in North America. Other
//! systems are refused by name rather than guessed at.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use geo_types::MultiPolygon;
use geojson::{Feature, GeoJson, GeometryValue};
use shapefile::dbase::{self, FieldValue};
use shapefile::{Shape, ShapeReader};

use crate::source::{self, damaged};
use crate::{Error, Progress};

/// One area of a source file.
pub struct Area {
    /// Number of the feature in its file, from 1.
    pub number: u64,
    pub attributes: BTreeMap<String, String>,
    /// The outline, or why there is none.
    pub outline: Result<MultiPolygon<f64>, &'static str>,
}

/// Reads every feature of a file.
pub fn read(path: &Path, progress: &Arc<Progress>) -> Result<Vec<Area>, Error> {
    let name = source::name(path).to_lowercase();
    if name.ends_with(".zip") && !holds_geojson(path)? {
        return read_shapefile(path, progress);
    }
    if name.ends_with(".shp") {
        return Err(Error::Usage(format!(
            "{} comes without its .dbf and .prj; give the zip archive that holds all of them",
            source::name(path)
        )));
    }
    let mut areas = Vec::new();
    for text in source::open(path, &["json"], progress)? {
        let mut document = String::new();
        let name = text.name;
        let mut reader = text.reader;
        reader.read_to_string(&mut document).map_err(|error| damaged(path, &error.to_string()))?;
        if document.trim().is_empty() {
            return Err(Error::Empty { file: name });
        }
        let parsed = document.trim_start_matches('\u{feff}').parse::<GeoJson>().map_err(|error| {
            Error::WrongLayout { file: name.clone(), detail: format!("not GeoJSON: {error}") }
        })?;
        let features = match parsed {
            GeoJson::FeatureCollection(collection) => collection.features,
            GeoJson::Feature(feature) => vec![feature],
            GeoJson::Geometry(_) => {
                let detail = "a bare geometry has no attributes to name it by".to_string();
                return Err(Error::WrongLayout { file: name, detail });
            }
        };
        for (index, feature) in features.iter().enumerate() {
            areas.push(Area {
                number: index as u64 + 1,
                attributes: attributes_of(feature),
                outline: outline_of(feature),
            });
        }
    }
    progress.rows(areas.len() as u64)?;
    Ok(areas)
}

fn holds_geojson(path: &Path) -> Result<bool, Error> {
    let archive = source::archive(path)?;
    let json =
        archive.file_names().filter_map(|name| name.ok()).any(|name| name.to_lowercase().ends_with("json"));
    Ok(json)
}

fn attributes_of(feature: &Feature) -> BTreeMap<String, String> {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    };
    feature.properties.iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn outline_of(feature: &Feature) -> Result<MultiPolygon<f64>, &'static str> {
    let geometry = feature.geometry.as_ref().ok_or("the outline is missing")?;
    match &geometry.value {
        GeometryValue::MultiPolygon { .. } => {
            MultiPolygon::try_from(geometry).map_err(|_| "a broken outline")
        }
        GeometryValue::Polygon { .. } => {
            let polygon = geo_types::Polygon::try_from(geometry).map_err(|_| "a broken outline")?;
            Ok(MultiPolygon(vec![polygon]))
        }
        _ => Err("not a polygon"),
    }
}

fn read_shapefile(path: &Path, progress: &Arc<Progress>) -> Result<Vec<Area>, Error> {
    let mut parts = members(path)?;
    let mut take = |ending: &str| {
        let found = parts.iter().position(|(name, _)| name.to_lowercase().ends_with(ending));
        found.map(|at| parts.swap_remove(at).1)
    };
    let missing = |ending: &str| {
        let detail =
            format!("the archive holds no {ending} file, without which the areas cannot be named or placed");
        damaged(path, &detail)
    };
    let shapes = take(".shp").ok_or_else(|| missing(".shp"))?;
    let table = take(".dbf").ok_or_else(|| missing(".dbf"))?;
    let projection = take(".prj").ok_or_else(|| missing(".prj"))?;
    check_projection(path, &String::from_utf8_lossy(&projection))?;
    let fail = |error: &dyn std::fmt::Display| damaged(path, &error.to_string());

    let table = dbase::ReaderBuilder::new()
        .with_encoding(dbase::encoding::UnicodeLossy)
        .build(Cursor::new(table))
        .map_err(|error| fail(&error))?;
    let mut reader =
        shapefile::Reader::new(ShapeReader::new(Cursor::new(shapes)).map_err(|error| fail(&error))?, table);
    let mut areas = Vec::new();
    for (index, item) in reader.iter_shapes_and_records().enumerate() {
        let (shape, record) = item.map_err(|error| fail(&error))?;
        let attributes = record.into_iter().map(|(name, value)| (name, field_text(&value))).collect();
        let outline = match shape {
            Shape::Polygon(polygon) => MultiPolygon::try_from(polygon).map_err(|_| "a broken outline"),
            Shape::PolygonM(polygon) => MultiPolygon::try_from(polygon).map_err(|_| "a broken outline"),
            Shape::PolygonZ(polygon) => MultiPolygon::try_from(polygon).map_err(|_| "a broken outline"),
            Shape::NullShape => Err("the outline is missing"),
            _ => Err("not a polygon"),
        };
        areas.push(Area { number: index as u64 + 1, attributes, outline });
    }
    progress.rows(areas.len() as u64)?;
    Ok(areas)
}

/// Every member of an archive, read whole: a boundary file is small beside the memory of any server.
fn members(path: &Path) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut archive = source::archive(path)?;
    let mut parts = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(|error| damaged(path, &error.to_string()))?;
        let name = member.name().map_err(|error| damaged(path, &error.to_string()))?.into_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).map_err(|error| damaged(path, &error.to_string()))?;
        parts.push((name, bytes));
    }
    Ok(parts)
}

fn check_projection(path: &Path, text: &str) -> Result<(), Error> {
    let upper = text.to_uppercase().replace(['_', ' '], "");
    let known = ["NORTHAMERICAN1983", "NAD83", "WGS1984", "WGS84"].iter().any(|datum| upper.contains(datum));
    if upper.starts_with("GEOGCS") && known {
        return Ok(());
    }
    let name = text.split('"').nth(1).unwrap_or("unnamed");
    let detail =
        format!("its coordinate system {name} is not geographic NAD83 or WGS 84; reproject it first");
    Err(Error::WrongLayout { file: source::name(path), detail })
}

fn field_text(value: &FieldValue) -> String {
    match value {
        FieldValue::Character(Some(text)) => text.trim().to_string(),
        FieldValue::Numeric(Some(number)) => number.to_string(),
        FieldValue::Integer(number) => number.to_string(),
        FieldValue::Double(number) => number.to_string(),
        FieldValue::Float(Some(number)) => number.to_string(),
        _ => String::new(),
    }
}
