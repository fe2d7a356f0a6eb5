//! How much of each area lies in a shape that somebody drew.

use geo::{Area, BooleanOps};
use rayon::prelude::*;

use crate::Layer;
use crate::outline::Outline;
use crate::shares::{NOISE, clip, meets};

/// Positions of the areas that lie in the shape or are cut by its line, each with the fraction of it that lies within,
/// above 0 and at most 1. Fractions within [`NOISE`] of nothing or of the whole are taken for that: they are the noise
/// of lines that were digitised apart.
pub fn fractions(areas: &Layer, shape: &Outline) -> Vec<(usize, f64)> {
    let [west, south, east, north] = shape.extent();
    let near = |outline: &Outline| {
        let [a, b, c, d] = outline.extent();
        a <= east && c >= west && b <= north && d >= south
    };
    areas
        .outlines()
        .par_iter()
        .enumerate()
        .filter(|(_, area)| near(area))
        .filter_map(|(index, area)| {
            let fraction = fraction(area, shape);
            let fraction = if fraction > 1.0 - NOISE { 1.0 } else { fraction };
            (fraction > NOISE).then_some((index, fraction))
        })
        .collect()
}

fn fraction(area: &Outline, shape: &Outline) -> f64 {
    let window = area.extent();
    if !shape.edges().any(|edge| meets(edge, window)) {
        // No line near: the area is in or out as any of its points is.
        let inside = area.middle().is_some_and(|(x, y)| shape.covers(x, y));
        return if inside { 1.0 } else { 0.0 };
    }
    let clipped = clip(shape.shape(), window);
    area.shape().intersection(&clipped).unsigned_area() / area.area()
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
    fn areas_are_in_out_or_cut() {
        let areas = Layer::new(vec![
            square(1.0, 1.0, 1.0),
            square(9.5, 1.0, 1.0),
            square(20.0, 1.0, 1.0),
            square(9.001, 5.0, 1.0),
        ]);
        let found = fractions(&areas, &square(0.0, 0.0, 10.0));
        assert_eq!(found.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 3]);
        assert_eq!((found[0].1, found[2].1), (1.0, 1.0), "a sliver is no cut");
        assert!((found[1].1 - 0.5).abs() < 1e-9);
    }
}
