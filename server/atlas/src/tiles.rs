//! Vector tiles of a layer (Mapbox Vector Tile 2.1): what a web map draws, with what it colours by.

use fast_mvt::{MvtGeometry, MvtLayerBuilder, MvtValueRef};
use geo::{Coord, LineString, MultiPolygon, Polygon};

use crate::topology::{Point, Topology};
use crate::{Error, Layer};

/// Units across a tile.
const EXTENT: f64 = 4096.0;
/// Units around a tile that are drawn too, so that lines run on over its border.
const MARGIN: i32 = 64;
/// Deepest zoom: at deeper ones clients draw these larger.
pub const DEEPEST: u8 = 14;
/// What cannot be seen, in units: a sixteenth of a screen's pixel is one.
const TOLERANCE: f64 = 6.0;

/// A tile of the square world: `2^zoom` tiles across, counted from the north-west.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    zoom: u8,
    column: u32,
    row: u32,
}

impl Tile {
    /// None where there is no such tile.
    pub fn new(zoom: u8, column: u32, row: u32) -> Option<Tile> {
        let inside = zoom <= DEEPEST && column < 1 << zoom && row < 1 << zoom;
        inside.then_some(Tile { zoom, column, row })
    }

    /// West, south, east and north, degrees, with the margin.
    fn window(&self) -> [f64; 4] {
        let tiles = f64::from(1u32 << self.zoom);
        let margin = f64::from(MARGIN) / EXTENT;
        let longitude = |column: f64| (column / tiles - 0.5) * 360.0;
        let latitude = |row: f64| {
            let north = (0.5 - row / tiles) * std::f64::consts::TAU;
            (2.0 * north.exp().atan() - std::f64::consts::FRAC_PI_2).to_degrees()
        };
        let (column, row) = (f64::from(self.column), f64::from(self.row));
        [
            longitude(column - margin),
            latitude(row + 1.0 + margin),
            longitude(column + 1.0 + margin),
            latitude(row - margin),
        ]
    }

    /// Units of the tile. The world is rounded to the zoom's units as a whole, so that neighbouring tiles agree.
    fn units(&self, point: Point) -> Coord<i32> {
        let across = EXTENT * f64::from(1u32 << self.zoom);
        let on = |value: f64, tile: u32| {
            ((value * across).round() as i64 - i64::from(tile) * EXTENT as i64) as i32
        };
        Coord { x: on(point[0], self.column), y: on(point[1], self.row) }
    }
}

/// What a district is drawn with.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    Text(String),
    Whole(i64),
    Number(f64),
}

/// A layer made ready to be drawn.
pub struct Drawing(Topology);

impl Drawing {
    /// Time and memory grow with the points of the layer.
    pub fn new(layer: &Layer) -> Drawing {
        Drawing(Topology::new(layer.outlines()))
    }

    /// A tile of the layer: every district that it shows, with its attributes. Borders stay shared at every zoom; what
    /// is too small to be seen is left out. Empty where nothing is there.
    pub fn tile(
        &self,
        name: &str,
        layer: &Layer,
        tile: Tile,
        attributes: impl Fn(usize) -> Vec<(String, Attribute)>,
    ) -> Result<Vec<u8>, Error> {
        let broken = |what: &str, error: &dyn std::fmt::Display| Error::Broken {
            id: what.to_string(),
            detail: format!("it cannot be drawn: {error}"),
        };
        let mut drawn = MvtLayerBuilder::new(name).map_err(|error| broken(name, &error))?;
        let tolerance = TOLERANCE / EXTENT / f64::from(1u32 << tile.zoom);
        let tolerance = if tile.zoom == DEEPEST { 0.0 } else { tolerance };
        for district in layer.near(tile.window()) {
            let polygons: Vec<Polygon<i32>> = self.0.outlines[district]
                .iter()
                .filter_map(|rings| self.polygon(rings, tile, tolerance))
                .collect();
            if polygons.is_empty() {
                continue;
            }
            let shape = MvtGeometry::MultiPolygon(MultiPolygon(polygons));
            let mut feature =
                drawn.feature(&shape).map_err(|error| broken(&format!("{name} {district}"), &error))?;
            feature.id(Some(district as u64));
            for (key, value) in attributes(district) {
                let value = match &value {
                    Attribute::Text(text) => MvtValueRef::String(text),
                    Attribute::Whole(number) => MvtValueRef::SInt(*number),
                    Attribute::Number(number) => MvtValueRef::Double(*number),
                };
                let _ = feature.tag_ref(&key, value);
            }
            drawn = feature.end();
        }
        Ok(if drawn.num_features() == 0 { Vec::new() } else { drawn.encode() })
    }

    /// One polygon in units of the tile; none where nothing of it can be seen.
    fn polygon(&self, rings: &[Vec<(u32, bool)>], tile: Tile, tolerance: f64) -> Option<Polygon<i32>> {
        let mut rings = rings.iter().enumerate().map(|(at, steps)| {
            let points = self.0.ring(steps, tolerance);
            let ring = clipped(points.into_iter().map(|point| tile.units(point)).collect());
            closed(ring, at == 0)
        });
        let outer = rings.next()??;
        Some(Polygon::new(outer, rings.flatten().collect()))
    }
}

/// The part of a ring within the tile and its margin (Sutherland and Hodgman).
fn clipped(mut ring: Vec<Coord<i32>>) -> Vec<Coord<i32>> {
    let (low, high) = (-MARGIN, EXTENT as i32 + MARGIN);
    let within = |point: &Coord<i32>| (low..=high).contains(&point.x) && (low..=high).contains(&point.y);
    if ring.iter().all(within) {
        return ring;
    }
    for (across, limit, sign) in [(true, low, 1), (true, high, -1), (false, low, 1), (false, high, -1)] {
        let depth =
            |point: &Coord<i32>| i64::from(sign) * i64::from(if across { point.x } else { point.y } - limit);
        let mut kept = Vec::with_capacity(ring.len());
        for (at, point) in ring.iter().enumerate() {
            let before = &ring[(at + ring.len() - 1) % ring.len()];
            if (depth(before) >= 0) != (depth(point) >= 0) {
                // From the same end for both who share the line, so that they are cut in the same point.
                let (from, to) =
                    if (before.x, before.y) < (point.x, point.y) { (before, point) } else { (point, before) };
                let share = depth(from) as f64 / (depth(from) - depth(to)) as f64;
                let on = |from: i32, to: i32| (f64::from(from) + share * f64::from(to - from)).round() as i32;
                kept.push(match across {
                    true => Coord { x: limit, y: on(from.y, to.y) },
                    false => Coord { x: on(from.x, to.x), y: limit },
                });
            }
            if depth(point) >= 0 {
                kept.push(*point);
            }
        }
        ring = kept;
    }
    ring
}

/// A ring as the format has it: closed, without repeated points, the outer one with the clock as seen on the screen.
/// None where it encloses nothing.
fn closed(mut ring: Vec<Coord<i32>>, outer: bool) -> Option<LineString<i32>> {
    ring.dedup();
    while ring.len() > 1 && ring.first() == ring.last() {
        ring.pop();
    }
    let twice: i64 = (0..ring.len())
        .map(|at| {
            let (from, to) = (ring[at], ring[(at + 1) % ring.len()]);
            i64::from(from.x) * i64::from(to.y) - i64::from(to.x) * i64::from(from.y)
        })
        .sum();
    if ring.len() < 3 || twice == 0 {
        return None;
    }
    if (twice > 0) != outer {
        ring.reverse();
    }
    ring.push(ring[0]);
    Some(LineString(ring))
}
