//! The map of a fictional state: a lattice of precincts with ragged borders, and districts made of whole
//! precincts. Neighbours share every vertex of their border, as real precincts do.

use std::collections::HashMap;

use geo_types::{Coord, LineString, MultiPolygon, Polygon};

/// A lattice of precincts.
pub struct Lattice {
    pub columns: usize,
    pub rows: usize,
    seed: u64,
}

/// South-western corner of the state, in the middle of an ocean, and the size of one precinct, degrees.
const WEST: f64 = -45.0;
const SOUTH: f64 = 33.0;
const WIDTH: f64 = 0.12;
const HEIGHT: f64 = 0.09;
/// Pieces that each side of a precinct is broken into.
const PIECES: usize = 8;

impl Lattice {
    pub fn new(columns: usize, rows: usize, seed: u64) -> Lattice {
        Lattice { columns, rows, seed }
    }

    /// A number between -1 and 1 that belongs to a place.
    fn noise(&self, x: usize, y: usize, salt: usize) -> f64 {
        let mixed =
            [x as u64, y as u64, salt as u64].iter().fold(self.seed ^ 0x51_7C_C1_B7, |state, value| {
                let mixed = (state ^ value.wrapping_add(0x9E37_79B9)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                mixed ^ (mixed >> 29)
            });
        (mixed % 20_001) as f64 / 10_000.0 - 1.0
    }

    fn corner(&self, x: usize, y: usize) -> Coord<f64> {
        let (dx, dy) = (self.noise(x, y, 1) * 0.22, self.noise(x, y, 2) * 0.22);
        round(Coord { x: WEST + (x as f64 + dx) * WIDTH, y: SOUTH + (y as f64 + dy) * HEIGHT })
    }

    /// The border from a corner to its eastern (`upward` false) or northern neighbour, first point to last but one.
    fn side(&self, x: usize, y: usize, upward: bool) -> Vec<Coord<f64>> {
        let from = self.corner(x, y);
        let to = if upward { self.corner(x, y + 1) } else { self.corner(x + 1, y) };
        let point = |piece: usize| {
            let share = piece as f64 / PIECES as f64;
            let sway =
                if piece == 0 { 0.0 } else { self.noise(x, y, 10 + piece * 2 + usize::from(upward)) * 0.05 };
            let (dx, dy) = (to.x - from.x, to.y - from.y);
            round(Coord { x: from.x + dx * share - dy * sway, y: from.y + dy * share + dx * sway })
        };
        (0..PIECES).map(point).collect()
    }

    /// The outline of a set of precincts that encloses none outside of it; islands are kept apart.
    pub fn outline(&self, holds: impl Fn(usize, usize) -> bool) -> MultiPolygon<f64> {
        // Sides between a precinct of the set and one outside, directed with the set on their left.
        let inside = |x: isize, y: isize| {
            x >= 0
                && y >= 0
                && (x as usize) < self.columns
                && (y as usize) < self.rows
                && holds(x as usize, y as usize)
        };
        type Corner = (usize, usize);
        /// The corner that a side leads to, and its points.
        type Side = (Corner, Vec<Coord<f64>>);
        let mut leaving: HashMap<Corner, Vec<Side>> = HashMap::new();
        let mut add = |from: Corner, to: Corner| {
            let upward = from.0 == to.0;
            let forward = from < to;
            let (start, end) = if forward { (from, to) } else { (to, from) };
            let mut points = self.side(start.0, start.1, upward);
            points.push(self.corner(end.0, end.1));
            if !forward {
                points.reverse();
            }
            points.pop();
            leaving.entry(from).or_default().push((to, points));
        };
        for y in 0..self.rows {
            for x in 0..self.columns {
                if !inside(x as isize, y as isize) {
                    continue;
                }
                let (ix, iy) = (x as isize, y as isize);
                if !inside(ix, iy - 1) {
                    add((x, y), (x + 1, y));
                }
                if !inside(ix + 1, iy) {
                    add((x + 1, y), (x + 1, y + 1));
                }
                if !inside(ix, iy + 1) {
                    add((x + 1, y + 1), (x, y + 1));
                }
                if !inside(ix - 1, iy) {
                    add((x, y + 1), (x, y));
                }
            }
        }
        let mut polygons = Vec::new();
        while let Some(start) =
            leaving.iter().filter(|(_, ways)| !ways.is_empty()).map(|(corner, _)| *corner).min()
        {
            let mut points = Vec::new();
            let mut at = start;
            while let Some((to, side)) = leaving.get_mut(&at).and_then(Vec::pop) {
                points.extend(side);
                at = to;
                if at == start {
                    break;
                }
            }
            if let Some(first) = points.first().copied() {
                points.push(first);
            }
            polygons.push(Polygon::new(LineString(points), Vec::new()));
        }
        MultiPolygon(polygons)
    }
}

/// Six decimals, as the Census gives them.
fn round(point: Coord<f64>) -> Coord<f64> {
    let six = |value: f64| (value * 1e6).round() / 1e6;
    Coord { x: six(point.x), y: six(point.y) }
}
