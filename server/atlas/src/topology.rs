//! The lines of a layer, each held once: the border of two districts is one arc of both, so it is simplified alike for
//! both and stays shared.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use geo::Coord;
use rayon::prelude::*;

use crate::Outline;

/// A point on the square world of Web Mercator: 0 to 1 from west to east and from north to south.
pub(crate) type Point = [f64; 2];

/// An arc of a ring, and whether it is walked from its end.
pub(crate) type Step = (u32, bool);

/// Rings of one polygon, the outer one first.
pub(crate) type Rings = Vec<Vec<Step>>;

/// The outlines of a layer as arcs between the points where three or more lines meet.
pub(crate) struct Topology {
    points: Vec<Point>,
    /// How far a point lies from the line that would be drawn without it, in worlds (Douglas and Peucker): the point is
    /// drawn where that can be seen.
    weights: Vec<f32>,
    arcs: Vec<Range<usize>>,
    /// Polygons of each outline.
    pub outlines: Vec<Vec<Rings>>,
}

#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 31
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }
}

type Map<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;

/// Longitude and latitude, degrees, to Web Mercator (EPSG:3857).
pub(crate) fn mercator(longitude: f64, latitude: f64) -> Point {
    let limited = latitude.clamp(-85.051_128_779_806_6, 85.051_128_779_806_6).to_radians();
    let north = (std::f64::consts::FRAC_PI_4 + limited / 2.0).tan().ln();
    [longitude / 360.0 + 0.5, 0.5 - north / std::f64::consts::TAU]
}

const NOBODY: u32 = u32::MAX;

impl Topology {
    /// Time and memory grow with the points of the outlines.
    pub fn new(outlines: &[Outline]) -> Topology {
        let mut known: Map<(u64, u64), u32> = Map::default();
        let mut places: Vec<Point> = Vec::new();
        let mut number = |at: &Coord<f64>| {
            *known.entry((at.x.to_bits(), at.y.to_bits())).or_insert_with(|| {
                places.push(mercator(at.x, at.y));
                places.len() as u32 - 1
            })
        };
        // Rings as numbers of points, not closed.
        let mut ring = |ring: &geo::LineString<f64>| {
            let mut numbers: Vec<u32> = ring.0.iter().map(&mut number).collect();
            numbers.dedup();
            if numbers.first() == numbers.last() {
                numbers.pop();
            }
            numbers
        };
        let mut polygon = |polygon: &geo::Polygon<f64>| -> Vec<Vec<u32>> {
            let rings = std::iter::once(polygon.exterior()).chain(polygon.interiors());
            rings.map(&mut ring).filter(|ring| ring.len() > 2).collect()
        };
        let shapes: Vec<Vec<Vec<Vec<u32>>>> =
            outlines.iter().map(|outline| outline.shape().0.iter().map(&mut polygon).collect()).collect();
        drop(known);
        let meeting = meeting_points(&shapes, places.len());
        let mut topology =
            Topology { points: Vec::new(), weights: Vec::new(), arcs: Vec::new(), outlines: Vec::new() };
        let mut arcs: Map<(u32, u32, u32), u32> = Map::default();
        for polygons in &shapes {
            let steps = |polygons: &Vec<Vec<u32>>, topology: &mut Topology| -> Rings {
                polygons.iter().map(|ring| topology.walk(ring, &meeting, &places, &mut arcs)).collect()
            };
            let mut steps = steps;
            let polygons = polygons.iter().map(|polygon| steps(polygon, &mut topology)).collect();
            topology.outlines.push(polygons);
        }
        let weighed: Vec<Vec<f32>> =
            topology.arcs.par_iter().map(|arc| weights(&topology.points[arc.clone()])).collect();
        topology.weights = weighed.concat();
        topology
    }

    /// Cuts a ring into arcs and gives the steps of its walk.
    fn walk(
        &mut self,
        ring: &[u32],
        meeting: &[bool],
        places: &[Point],
        arcs: &mut Map<(u32, u32, u32), u32>,
    ) -> Vec<Step> {
        let start = ring.iter().position(|point| meeting[*point as usize]);
        // A ring that meets no other begins at its least point, whoever draws it.
        let least = || ring.iter().enumerate().min_by_key(|(_, point)| **point).map_or(0, |(at, _)| at);
        let start = start.unwrap_or_else(least);
        let mut closed: Vec<u32> = ring[start..].iter().chain(&ring[..start]).copied().collect();
        closed.push(closed[0]);
        let mut steps = Vec::new();
        let mut from = 0;
        for to in 1..closed.len() {
            if to + 1 < closed.len() && !meeting[closed[to] as usize] {
                continue;
            }
            let mut arc = closed[from..=to].to_vec();
            let end = arc.len() - 1;
            let back = (arc[0], arc[1]) > (arc[end], arc[end - 1]);
            if back {
                arc.reverse();
            }
            let index = *arcs.entry((arc[0], arc[1], arc[end])).or_insert_with(|| {
                let start = self.points.len();
                self.points.extend(arc.iter().map(|point| places[*point as usize]));
                self.arcs.push(start..self.points.len());
                self.arcs.len() as u32 - 1
            });
            steps.push((index, back));
            from = to;
        }
        steps
    }

    /// The points of a ring that can be told apart at a tolerance, in worlds; not closed.
    pub fn ring(&self, steps: &[Step], tolerance: f64) -> Vec<Point> {
        let mut points = Vec::new();
        for (arc, back) in steps {
            let range = self.arcs[*arc as usize].clone();
            // The last point of an arc is the first of the next.
            let drawn = |at: &usize| f64::from(self.weights[*at]) > tolerance;
            let seen = range.clone().filter(drawn).map(|at| self.points[at]);
            let first = points.len();
            points.extend(seen);
            if *back {
                points[first..].reverse();
            }
            points.pop();
        }
        points
    }
}

/// The points where three or more lines meet: those that have more than two neighbours.
fn meeting_points(shapes: &[Vec<Vec<Vec<u32>>>], points: usize) -> Vec<bool> {
    let mut neighbours = vec![[NOBODY; 2]; points];
    let mut meeting = vec![false; points];
    for ring in shapes.iter().flatten().flatten() {
        for at in 0..ring.len() {
            let point = ring[at] as usize;
            for other in [ring[(at + 1) % ring.len()], ring[(at + ring.len() - 1) % ring.len()]] {
                match &mut neighbours[point] {
                    known if known.contains(&other) => {}
                    [first, _] if *first == NOBODY => *first = other,
                    [_, second] if *second == NOBODY => *second = other,
                    _ => meeting[point] = true,
                }
            }
        }
    }
    meeting
}

/// The weight of every point of an arc; its ends are always drawn.
fn weights(points: &[Point]) -> Vec<f32> {
    let mut weights = vec![f32::INFINITY; points.len()];
    let mut spans = vec![(0, points.len() - 1, f32::INFINITY)];
    while let Some((start, end, most)) = spans.pop() {
        let line = (points[start], points[end]);
        let far = (start + 1..end).map(|at| (at, distance(points[at], line)));
        let Some((at, far)) = far.max_by(|one, other| one.1.total_cmp(&other.1)) else { continue };
        // A point is drawn only where the one that split its span is.
        let weight = (far as f32).min(most);
        weights[at] = weight;
        spans.push((start, at, weight));
        spans.push((at, end, weight));
    }
    weights
}

fn distance(point: Point, (from, to): (Point, Point)) -> f64 {
    let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
    let length = dx * dx + dy * dy;
    let along = if length == 0.0 {
        0.0
    } else {
        (((point[0] - from[0]) * dx + (point[1] - from[1]) * dy) / length).clamp(0.0, 1.0)
    };
    (from[0] + along * dx - point[0]).hypot(from[1] + along * dy - point[1])
}
