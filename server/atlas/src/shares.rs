//! How much of each area of one layer lies in each district of another.

use geo::{Area, BooleanOps, Coord, LineString, MultiPolygon, Polygon};
use rayon::prelude::*;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use crate::Layer;
use crate::outline::Outline;

/// Shares below this are the digitising noise of two boundary sets that were drawn apart, not a cut.
pub const NOISE: f64 = 0.005;

/// Part of one area that lies in one district.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// Position of the area in its slice.
    pub area: usize,
    /// Position of the district in its layer.
    pub district: usize,
    /// 0 to 1. The shares of one area sum to 1.
    pub share: f64,
}

type Edge = GeomWithData<Rectangle<[f64; 2]>, u32>;

/// Shares out areas (precincts) over districts by area. An area that no district's border crosses is wholly in
/// the district that holds its middle; others are intersected. Parts below [`NOISE`] are dropped and the rest
/// scaled to 1. Areas outside of all districts have no share.
pub fn shares(areas: &[Outline], districts: &Layer) -> Vec<Share> {
    let boxes: Vec<Edge> = districts
        .outlines()
        .iter()
        .enumerate()
        .map(|(index, outline)| {
            let [west, south, east, north] = outline.extent();
            Edge::new(Rectangle::from_corners([west, south], [east, north]), index as u32)
        })
        .collect();
    let tree = RTree::bulk_load(boxes);
    areas
        .par_iter()
        .enumerate()
        .flat_map_iter(|(index, area)| shares_of(index, area, districts, &tree))
        .collect()
}

fn shares_of(index: usize, area: &Outline, districts: &Layer, tree: &RTree<Edge>) -> Vec<Share> {
    let [west, south, east, north] = area.extent();
    let window = AABB::from_corners([west, south], [east, north]);
    let candidates: Vec<usize> =
        tree.locate_in_envelope_intersecting(window).map(|found| found.data as usize).collect();
    let enters = |candidate: &&usize| {
        let outline = &districts.outlines()[**candidate];
        outline.edges().any(|edge| meets(edge, [west, south, east, north]))
    };
    let mut parts: Vec<(usize, f64)> = if candidates.iter().any(|candidate| enters(&candidate)) {
        candidates
            .iter()
            .map(|candidate| {
                let clipped = clip(districts.outlines()[*candidate].shape(), [west, south, east, north]);
                (*candidate, area.shape().intersection(&clipped).unsigned_area() / area.area())
            })
            .collect()
    } else {
        let middle = area.middle().and_then(|(x, y)| districts.locate(x, y));
        middle.map(|district| (district, 1.0)).into_iter().collect()
    };
    parts.retain(|(_, share)| *share > NOISE);
    let total: f64 = parts.iter().map(|(_, share)| share).sum();
    parts.sort_unstable_by_key(|(district, _)| *district);
    parts.into_iter().map(|(district, share)| Share { area: index, district, share: share / total }).collect()
}

/// Whether an edge's bounding box meets the window.
pub(crate) fn meets([ax, ay, bx, by]: [f64; 4], [west, south, east, north]: [f64; 4]) -> bool {
    ax.min(bx) <= east && ax.max(bx) >= west && ay.min(by) <= north && ay.max(by) >= south
}

/// The part of a shape within a window (Sutherland and Hodgman): an intersection with anything inside the
/// window is the same, and has a fraction of the edges.
pub(crate) fn clip(shape: &MultiPolygon<f64>, [west, south, east, north]: [f64; 4]) -> MultiPolygon<f64> {
    // A margin keeps the window's own border away from the area's.
    let margin = ((east - west) + (north - south)) * 0.01 + 1e-9;
    let sides: [(bool, f64, f64); 4] = [
        (true, west - margin, 1.0),
        (true, east + margin, -1.0),
        (false, south - margin, 1.0),
        (false, north + margin, -1.0),
    ];
    let ring = |ring: &LineString<f64>| {
        let mut points: Vec<Coord<f64>> = ring.0.clone();
        points.pop();
        for (vertical, limit, sign) in sides {
            let depth = |point: &Coord<f64>| (if vertical { point.x } else { point.y } - limit) * sign;
            let mut kept = Vec::with_capacity(points.len());
            for (index, point) in points.iter().enumerate() {
                let before = &points[(index + points.len() - 1) % points.len()];
                let (from, to) = (depth(before), depth(point));
                if (from >= 0.0) != (to >= 0.0) {
                    let t = from / (from - to);
                    kept.push(Coord {
                        x: before.x + t * (point.x - before.x),
                        y: before.y + t * (point.y - before.y),
                    });
                }
                if to >= 0.0 {
                    kept.push(*point);
                }
            }
            points = kept;
        }
        (points.len() >= 3).then_some(LineString(points))
    };
    let polygons = shape.0.iter().filter_map(|polygon| {
        let holes = polygon.interiors().iter().filter_map(ring).collect();
        Some(Polygon::new(ring(polygon.exterior())?, holes))
    });
    MultiPolygon(polygons.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f64, y: f64, side: f64) -> Outline {
        let ring = vec![(x, y), (x + side, y), (x + side, y + side), (x, y + side), (x, y)];
        let polygon = Polygon::new(LineString::from(ring), vec![]);
        Outline::new(MultiPolygon(vec![polygon])).expect("a square is an outline")
    }

    #[test]
    fn an_area_that_a_line_cuts_is_shared_out_by_area() {
        let districts = Layer::new(vec![square(0.0, 0.0, 10.0), square(10.0, 0.0, 10.0)]);
        let areas =
            [square(1.0, 1.0, 1.0), square(9.25, 1.0, 1.0), square(9.001, 5.0, 1.0), square(50.0, 50.0, 1.0)];
        let found = shares(&areas, &districts);
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!((found[0].area, found[0].district, found[0].share), (0, 0, 1.0));
        assert!((found[1].share - 0.75).abs() < 1e-6 && (found[2].share - 0.25).abs() < 1e-6);
        assert_eq!((found[3].area, found[3].district, found[3].share), (2, 0, 1.0), "a sliver is no cut");
    }
}
