//! One outline: reading it, its middle, its picture as GeoJSON, and the exact test whether it covers a point.

use geo::{Area, BoundingRect, Coord, InteriorPoint, MultiPolygon};
use geo_traits::to_geo::ToGeoGeometry;
use robust::orient2d;

use crate::Error;

/// Edges of an outline whose every latitude is looked at for tangles.
const FEW: usize = 1_000;
/// Edges in one slab, on average.
const EDGES_OF_A_SLAB: usize = 6;

/// An area of the earth with an index of its edges by latitude.
pub struct Outline {
    shape: MultiPolygon<f64>,
    /// Square degrees, holes taken off.
    area: f64,
    south: f64,
    /// Slabs per degree of latitude.
    scale: f64,
    /// Where each slab's edges start in `edges`; one more entry than slabs.
    starts: Vec<u32>,
    /// Both ends of each edge whose closed range of latitudes meets the slab.
    edges: Vec<[f64; 4]>,
    extent: [f64; 4],
}

impl Outline {
    /// Reads a Polygon or MultiPolygon from well-known binary.
    pub fn from_wkb(id: &str, bytes: &[u8]) -> Result<Outline, Error> {
        let broken = |detail: &str| Error::Broken { id: id.to_string(), detail: detail.to_string() };
        let geometry = wkb::reader::read_wkb(bytes).map_err(|error| broken(&error.to_string()))?;
        let shape = match geometry.try_to_geometry() {
            Some(geo::Geometry::MultiPolygon(shape)) => shape,
            Some(geo::Geometry::Polygon(polygon)) => MultiPolygon(vec![polygon]),
            _ => return Err(broken("it is of another type")),
        };
        Outline::new(shape).ok_or_else(|| broken("it is empty or has coordinates that are no numbers"))
    }

    pub(crate) fn new(shape: MultiPolygon<f64>) -> Option<Outline> {
        let rectangle = shape.bounding_rect()?;
        let extent = [rectangle.min().x, rectangle.min().y, rectangle.max().x, rectangle.max().y];
        if !extent.iter().all(|value| value.is_finite()) {
            return None;
        }
        let count: usize = rings(&shape).map(|ring| ring.len().saturating_sub(1)).sum();
        let south = extent[1];
        let slabs = few_enough((count / EDGES_OF_A_SLAB).clamp(1, 1 << 16), count, |slabs| {
            let scale = slabs as f64 / (extent[3] - south).max(f64::MIN_POSITIVE);
            let slab_of = |latitude: f64| (((latitude - south) * scale) as usize).min(slabs - 1);
            let edges = rings(&shape).flat_map(|ring| ring.windows(2));
            edges.map(|pair| slab_of(pair[0].y.max(pair[1].y)) - slab_of(pair[0].y.min(pair[1].y)) + 1).sum()
        });
        let scale = slabs as f64 / (extent[3] - south).max(f64::MIN_POSITIVE);
        let slab_of = |latitude: f64| (((latitude - south) * scale) as usize).min(slabs - 1);
        let each = |visit: &mut dyn FnMut(usize, usize, [f64; 4])| {
            for ring in rings(&shape) {
                for pair in ring.windows(2) {
                    let edge = [pair[0].x, pair[0].y, pair[1].x, pair[1].y];
                    visit(slab_of(edge[1].min(edge[3])), slab_of(edge[1].max(edge[3])), edge);
                }
            }
        };
        let mut starts = vec![0u32; slabs + 1];
        each(&mut |first, last, _| starts[first + 1..=last + 1].iter_mut().for_each(|start| *start += 1));
        for slab in 0..slabs {
            starts[slab + 1] += starts[slab];
        }
        let mut next = starts.clone();
        let mut edges = vec![[0.0; 4]; starts[slabs] as usize];
        each(&mut |first, last, edge| {
            for slot in &mut next[first..=last] {
                edges[*slot as usize] = edge;
                *slot += 1;
            }
        });
        let area = shape.unsigned_area();
        Some(Outline { shape, area, south, scale, starts, edges, extent })
    }

    /// West, south, east and north, degrees.
    pub fn extent(&self) -> [f64; 4] {
        self.extent
    }

    pub(crate) fn shape(&self) -> &MultiPolygon<f64> {
        &self.shape
    }

    /// Every edge once, as the coordinates of its ends.
    pub(crate) fn edges(&self) -> impl Iterator<Item = [f64; 4]> + '_ {
        rings(&self.shape)
            .flat_map(|ring| ring.windows(2).map(|pair| [pair[0].x, pair[0].y, pair[1].x, pair[1].y]))
    }

    pub(crate) fn edge_count(&self) -> usize {
        rings(&self.shape).map(|ring| ring.len().saturating_sub(1)).sum()
    }

    /// Calls `visit` with the ends of every edge, and whether the inside lies to its left as the ring goes.
    pub(crate) fn directed_edges(&self, visit: &mut dyn FnMut([f64; 4], bool)) {
        for polygon in &self.shape.0 {
            let rings = std::iter::once(polygon.exterior()).chain(polygon.interiors());
            for (at, ring) in rings.enumerate() {
                // A ring against the clock has the area that it encloses to its left; of a hole that is outside.
                let left = (twice_signed_area(&ring.0) > 0.0) == (at == 0);
                for pair in ring.0.windows(2) {
                    visit([pair[0].x, pair[0].y, pair[1].x, pair[1].y], left);
                }
            }
        }
    }

    /// Area in square degrees, holes taken off.
    pub fn area(&self) -> f64 {
        self.area
    }

    /// Whether lines of the outline cross each other, or parts of it lie over each other: on the way east one does not
    /// come in and go out by turns.
    pub(crate) fn is_tangled(&self) -> bool {
        if self.edge_count() <= FEW {
            return self.is_tangled_anywhere();
        }
        let mut lines: Vec<([f64; 4], bool)> = Vec::with_capacity(self.edge_count());
        self.directed_edges(&mut |edge, left| lines.push((edge, (edge[3] < edge[1]) == left)));
        let slabs = self.starts.len() - 1;
        let middle = |slab: usize| self.south + (slab as f64 + 0.5) / self.scale;
        let mut crossings: Vec<Vec<(f64, bool)>> = vec![Vec::new(); slabs];
        for ([ax, ay, bx, by], comes_in) in lines {
            let slab = |latitude: f64| (((latitude - self.south) * self.scale) as usize).min(slabs - 1);
            let (first, last) = (slab(ay.min(by)), slab(ay.max(by)));
            for (at, crossings) in crossings[first..=last].iter_mut().enumerate() {
                let latitude = middle(first + at);
                if (ay < latitude) != (by < latitude) {
                    crossings.push((ax + (latitude - ay) / (by - ay) * (bx - ax), comes_in));
                }
            }
        }
        crossings.iter_mut().any(|crossings| {
            crossings.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
            crossings.iter().enumerate().any(|(at, (_, comes_in))| *comes_in != (at % 2 == 0))
        })
    }

    /// The same for an outline of few edges, looked at on both sides of every latitude where one of them ends: between
    /// two of these, lines that cross have changed places.
    fn is_tangled_anywhere(&self) -> bool {
        let mut lines: Vec<([f64; 4], bool)> = Vec::new();
        self.directed_edges(&mut |edge, left| lines.push((edge, (edge[3] < edge[1]) == left)));
        let mut ends: Vec<f64> = lines.iter().flat_map(|(edge, _)| [edge[1], edge[3]]).collect();
        ends.sort_unstable_by(f64::total_cmp);
        ends.dedup();
        let tangled_at = |latitude: f64| {
            let crosses = |edge: &[f64; 4]| (edge[1] < latitude) != (edge[3] < latitude);
            let mut crossings: Vec<(f64, bool)> = lines
                .iter()
                .filter(|(edge, _)| crosses(edge))
                .map(|([ax, ay, bx, by], comes_in)| (ax + (latitude - ay) / (by - ay) * (bx - ax), *comes_in))
                .collect();
            crossings.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
            crossings.iter().enumerate().any(|(at, (_, comes_in))| *comes_in != (at % 2 == 0))
        };
        ends.windows(2).any(|pair| {
            let step = (pair[1] - pair[0]) * 1e-3;
            tangled_at(pair[0] + step) || tangled_at(pair[1] - step)
        })
    }

    /// A point well within the outline, as longitude and latitude.
    pub fn middle(&self) -> Option<(f64, f64)> {
        let point = self.shape.interior_point()?;
        Some((point.x(), point.y()))
    }

    /// Whether the point lies within the outline or on its border. Exact: the sign of each orientation is that
    /// of real arithmetic (Shewchuk's adaptive predicates).
    pub fn covers(&self, longitude: f64, latitude: f64) -> bool {
        let [west, south, east, north] = self.extent;
        if !(longitude >= west && longitude <= east && latitude >= south && latitude <= north) {
            return false;
        }
        let slab = (((latitude - self.south) * self.scale) as usize).min(self.starts.len() - 2);
        let range = self.starts[slab] as usize..self.starts[slab + 1] as usize;
        let mut inside = false;
        for [ax, ay, bx, by] in &self.edges[range] {
            let crosses = (*ay > latitude) != (*by > latitude);
            if !crosses {
                let level = *ay == latitude && *by == latitude;
                let on_level = level && longitude >= ax.min(*bx) && longitude <= ax.max(*bx);
                let on_end = (*ax == longitude && *ay == latitude) || (*bx == longitude && *by == latitude);
                if on_level || on_end {
                    return true;
                }
                continue;
            }
            if longitude < ax.min(*bx) {
                inside = !inside;
            } else if longitude <= ax.max(*bx) {
                let coordinate = |x: &f64, y: &f64| robust::Coord { x: *x, y: *y };
                let side =
                    orient2d(coordinate(ax, ay), coordinate(bx, by), coordinate(&longitude, &latitude));
                if side == 0.0 {
                    return true;
                }
                // The point is west of an edge that goes north if it lies to its left.
                if (side > 0.0) == (by > ay) {
                    inside = !inside;
                }
            }
        }
        inside
    }

    /// The outline as a GeoJSON MultiPolygon.
    pub fn geojson(&self) -> String {
        let mut text = String::from("{\"type\":\"MultiPolygon\",\"coordinates\":[");
        for (index, polygon) in self.shape.0.iter().enumerate() {
            text.push_str(if index == 0 { "[" } else { ",[" });
            let rings = std::iter::once(polygon.exterior()).chain(polygon.interiors());
            for (index, ring) in rings.enumerate() {
                text.push_str(if index == 0 { "[" } else { ",[" });
                for (index, point) in ring.0.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    text.push_str(&format!("{comma}[{},{}]", point.x, point.y));
                }
                text.push(']');
            }
            text.push(']');
        }
        text.push_str("]}");
        text
    }
}

/// As many slabs as asked for, or fewer: edges are noted in every slab that they pass, and long ones pass many.
pub(crate) fn few_enough(most: usize, edges: usize, noted: impl Fn(usize) -> usize) -> usize {
    let mut slabs = most.max(1);
    while slabs > 1 && noted(slabs) > (edges * 8).max(1 << 16) {
        slabs /= 2;
    }
    slabs
}

/// Twice the area that a ring encloses, below zero where it goes with the clock.
fn twice_signed_area(ring: &[Coord<f64>]) -> f64 {
    let Some(origin) = ring.first() else { return 0.0 };
    let cross = |pair: &[Coord<f64>]| {
        (pair[0].x - origin.x) * (pair[1].y - origin.y) - (pair[1].x - origin.x) * (pair[0].y - origin.y)
    };
    ring.windows(2).map(cross).sum()
}

fn rings(shape: &MultiPolygon<f64>) -> impl Iterator<Item = &[Coord<f64>]> {
    shape.0.iter().flat_map(|polygon| {
        std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(|ring| ring.0.as_slice())
    })
}
