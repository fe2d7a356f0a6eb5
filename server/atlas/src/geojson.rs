//! Areas written as GeoJSON.

use geo::algorithm::bool_ops::unary_union;
use geo::{BooleanOps, Coord, LineString, MultiPolygon, Polygon};
use serde_json::Value;

use crate::{Error, Outline};

/// Points that one shape may have.
const MOST_POINTS: usize = 5_000_000;

impl Outline {
    /// Reads a GeoJSON Polygon or MultiPolygon, a GeometryCollection of them, or a Feature with one. Coordinates are
    /// longitude and latitude in degrees; rings need not be closed.
    pub fn from_geojson(value: &Value) -> Result<Outline, Error> {
        if points(value) > MOST_POINTS {
            return Err(wrong(format!("more than {MOST_POINTS} points")));
        }
        let mut polygons = Vec::new();
        collect(value, &mut polygons)?;
        let outline = Outline::new(MultiPolygon(polygons)).ok_or_else(|| wrong("it holds no area"))?;
        if !outline.is_tangled() {
            return Ok(outline);
        }
        // Drawn by a free hand: what any of its loops or parts encloses belongs to it.
        let nothing = MultiPolygon(Vec::new());
        let parts: Vec<MultiPolygon<f64>> =
            outline.shape().0.iter().map(|part| MultiPolygon(vec![part.clone()]).union(&nothing)).collect();
        Outline::new(unary_union(&parts)).ok_or_else(|| wrong("it holds no area"))
    }
}

/// Lists of numbers that a value holds.
fn points(value: &Value) -> usize {
    match value {
        Value::Array(list) if list.first().is_some_and(Value::is_number) => 1,
        Value::Array(list) => list.iter().map(points).sum(),
        Value::Object(object) => object.values().map(points).sum(),
        _ => 0,
    }
}

fn wrong(detail: impl Into<String>) -> Error {
    Error::Geometry { detail: detail.into() }
}

fn collect(value: &Value, polygons: &mut Vec<Polygon<f64>>) -> Result<(), Error> {
    let list = |value: &'_ Value, name: &str| -> Result<Vec<Value>, Error> {
        value.as_array().cloned().ok_or_else(|| wrong(format!("{name} must be a list")))
    };
    match value.get("type").and_then(Value::as_str) {
        Some("Feature") => collect(&value["geometry"], polygons),
        Some("GeometryCollection") => list(&value["geometries"], "geometries")?.iter().try_for_each(|part| {
            match part["type"].as_str() {
                Some("GeometryCollection") => Err(wrong("a GeometryCollection lies in another one")),
                _ => collect(part, polygons),
            }
        }),
        Some("Polygon") => polygon(&value["coordinates"], polygons),
        Some("MultiPolygon") => {
            let parts = value["coordinates"].as_array().ok_or_else(|| wrong("coordinates must be a list"))?;
            parts.iter().try_for_each(|part| polygon(part, polygons))
        }
        Some(other) => Err(wrong(format!("a {other} is no area: give a Polygon or a MultiPolygon"))),
        None => Err(wrong("a geometry needs its type: Polygon or MultiPolygon")),
    }
}

fn polygon(value: &Value, polygons: &mut Vec<Polygon<f64>>) -> Result<(), Error> {
    let rings = value.as_array().ok_or_else(|| wrong("a polygon is a list of rings"))?;
    let mut lines = rings.iter().map(ring).collect::<Result<Vec<_>, _>>()?.into_iter();
    let exterior = lines.next().ok_or_else(|| wrong("a polygon without a ring"))?;
    polygons.push(Polygon::new(exterior, lines.collect()));
    Ok(())
}

fn ring(value: &Value) -> Result<LineString<f64>, Error> {
    let points = value.as_array().ok_or_else(|| wrong("a ring is a list of points"))?;
    let mut line = Vec::with_capacity(points.len());
    for point in points {
        let (Some(x), Some(y)) = (point.get(0).and_then(Value::as_f64), point.get(1).and_then(Value::as_f64))
        else {
            return Err(wrong("a point is a list of longitude and latitude"));
        };
        if x.abs() > 180.0 || y.abs() > 90.0 {
            return Err(wrong("longitudes lie within 180 and latitudes within 90 degrees"));
        }
        line.push(Coord { x, y });
    }
    if line.len() < 3 {
        return Err(wrong("a ring has at least three points"));
    }
    Ok(LineString(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn areas_are_read_and_everything_else_is_told_what_it_is() {
        let square =
            json!([[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]], [[1, 1], [2, 1], [2, 2], [1, 2], [1, 1]]]);
        let outline =
            Outline::from_geojson(&json!({"type": "Polygon", "coordinates": square})).expect("a square");
        assert!(outline.covers(3.0, 3.0) && !outline.covers(1.5, 1.5) && !outline.covers(5.0, 1.0));
        let bow = json!({"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]});
        let bow = Outline::from_geojson(&bow).expect("two triangles");
        assert!((bow.area() - 2.0).abs() < 1e-6 && bow.covers(0.2, 1.0) && bow.covers(1.8, 1.0));
        let tall = json!({"type": "MultiPolygon", "coordinates": [
            [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]], [[[1, 2.5], [3, 2.5], [3, 10], [1, 10], [1, 2.5]]],
        ]});
        let tall = Outline::from_geojson(&tall).expect("two that overlap");
        assert!((tall.area() - 28.0).abs() < 1e-6 && tall.covers(2.0, 3.0));
        let part = |x: i32| json!([[[x, 0], [x + 2, 0], [x + 2, 2], [x, 2], [x, 0]]]);
        let over = json!({"type": "MultiPolygon", "coordinates": [part(0), part(1)]});
        let over = Outline::from_geojson(&over).expect("one rectangle");
        assert!((over.area() - 6.0).abs() < 1e-6 && over.covers(1.5, 1.0));
        for bad in [
            json!({"type": "Point", "coordinates": [1, 2]}),
            json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}),
            json!({"type": "Polygon", "coordinates": [[[0, 0], [1, "x"], [2, 2]]]}),
            json!({"type": "MultiPolygon", "coordinates": []}),
            json!(3),
        ] {
            assert!(Outline::from_geojson(&bad).is_err(), "{bad}");
        }
    }
}
