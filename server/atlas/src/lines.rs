//! Lines of the ground: streets and rivers.

use geo_traits::to_geo::ToGeoGeometry;

use crate::Error;

/// The points of a LineString in well-known binary: longitude and latitude.
pub fn points_of_line(id: &str, bytes: &[u8]) -> Result<Vec<[f64; 2]>, Error> {
    let broken = |detail: &str| Error::Line { id: id.to_string(), detail: detail.to_string() };
    let geometry = wkb::reader::read_wkb(bytes).map_err(|error| broken(&error.to_string()))?;
    match geometry.try_to_geometry() {
        Some(geo::Geometry::LineString(line)) => Ok(line.coords().map(|at| [at.x, at.y]).collect()),
        _ => Err(broken("it is of another type")),
    }
}
