//! How much of each area of one layer lies in each district of another, or in shapes that somebody drew.

use crate::Layer;
use crate::outline::Outline;
use crate::overlay::overlay;

/// Shares below this are the digitising noise of two boundary sets that were drawn apart, not a cut.
const NOISE: f64 = 0.005;

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

/// Shares out areas (precincts) over districts by area. Parts below [`NOISE`] are dropped and the rest scaled to 1, so
/// that an area which no district cuts is wholly in one. Areas outside of all districts have no share.
pub fn shares(areas: &[Outline], districts: &Layer) -> Vec<Share> {
    let areas: Vec<&Outline> = areas.iter().collect();
    let districts: Vec<&Outline> = districts.outlines().iter().collect();
    let mut parts: Vec<Share> = overlay(&areas, &districts)
        .into_iter()
        .map(|(area, district, common)| Share { area, district, share: common / areas[area].area() })
        .filter(|part| part.share > NOISE)
        .collect();
    for parts in parts.chunk_by_mut(|one, other| one.area == other.area) {
        let total: f64 = parts.iter().map(|part| part.share).sum();
        parts.iter_mut().for_each(|part| part.share /= total);
    }
    parts
}

/// For each shape the positions of the areas that lie in it or are cut by its line, each with the fraction of it that
/// lies within, above 0 and at most 1. Fractions within [`NOISE`] of nothing or of the whole are taken for that.
pub fn fractions(areas: &Layer, shapes: &[&Outline]) -> Vec<Vec<(usize, f64)>> {
    let mut places: Vec<usize> = shapes.iter().flat_map(|shape| areas.near(shape.extent())).collect();
    places.sort_unstable();
    places.dedup();
    let near: Vec<&Outline> = places.iter().map(|place| &areas.outlines()[*place]).collect();
    let mut found = vec![Vec::new(); shapes.len()];
    for (at, shape, common) in overlay(&near, shapes) {
        let fraction = common / near[at].area();
        let fraction = if fraction > 1.0 - NOISE { 1.0 } else { fraction };
        if fraction > NOISE {
            found[shape].push((places[at], fraction));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn square(x: f64, y: f64, side: f64) -> Outline {
        let ring = json!([[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]);
        Outline::from_geojson(&json!({"type": "Polygon", "coordinates": [ring]})).expect("a square")
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

    #[test]
    fn areas_are_in_out_or_cut() {
        let areas = Layer::new(vec![
            square(1.0, 1.0, 1.0),
            square(9.5, 1.0, 1.0),
            square(20.0, 1.0, 1.0),
            square(9.001, 5.0, 1.0),
        ]);
        let found = &fractions(&areas, &[&square(0.0, 0.0, 10.0)])[0];
        assert_eq!(found.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 3]);
        assert_eq!((found[0].1, found[2].1), (1.0, 1.0), "a sliver is no cut");
        assert!((found[1].1 - 0.5).abs() < 1e-9);
    }
}
