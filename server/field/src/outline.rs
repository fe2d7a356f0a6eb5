//! The outlines of turfs: for every place the turf whose stop is nearest, up to some distance from the stops. Outlines do not
//! overlap, and turfs beside each other share their border.

use std::collections::{HashMap, HashSet};

use delaunator::{EMPTY, Point, triangulate};

/// Metres from the stops to the outer border, about.
const MARGIN: f64 = 40.0;
/// Stops of no turf that stand around the others; this far apart, in metres.
const CELL: f64 = 60.0;

/// Rings of every turf, in metres, closed; an outer ring runs against the clock, a hole with it. Time grows with n log n.
pub fn outlines(points: &[[f64; 2]], turf_of: &[u32], turfs: usize) -> Vec<Vec<Vec<[f64; 2]>>> {
    // One stop a place: of those at one place only the first has ground.
    let mut seen = HashSet::with_capacity(points.len());
    let mut places: Vec<Point> = Vec::with_capacity(points.len() * 2);
    let mut owners: Vec<u32> = Vec::with_capacity(points.len() * 2);
    for ([x, y], turf) in points.iter().zip(turf_of) {
        if seen.insert([(x * 100.0).round() as i64, (y * 100.0).round() as i64]) {
            places.push(Point { x: *x, y: *y });
            owners.push(*turf);
        }
    }
    for [x, y] in around(points) {
        places.push(Point { x, y });
        owners.push(u32::MAX);
    }
    let made = triangulate(&places);
    let middle = |triangle: usize| {
        let corner = |at: usize| &places[made.triangles[triangle * 3 + at]];
        circumcentre(corner(0), corner(1), corner(2))
    };
    let middles: Vec<[f64; 2]> = (0..made.triangles.len() / 3).map(middle).collect();
    // An edge between stops of two turfs is a piece of both their borders: from the middle of the triangle on one of its
    // sides to that on the other.
    let mut pieces: Vec<HashMap<usize, Vec<usize>>> = vec![HashMap::new(); turfs];
    for (edge, other) in made.halfedges.iter().enumerate() {
        if *other == EMPTY {
            continue;
        }
        let (from, to) = (made.triangles[edge], made.triangles[next(edge)]);
        let (own, foreign) = (owners[from], owners[to]);
        if own != foreign && own != u32::MAX {
            // Seen from `from`, the triangle of the edge lies on one side and the other triangle on the other.
            pieces[own as usize].entry(edge / 3).or_default().push(*other / 3);
        }
    }
    pieces.into_iter().map(|pieces| rings(pieces, &middles)).collect()
}

fn next(edge: usize) -> usize {
    if edge % 3 == 2 { edge - 2 } else { edge + 1 }
}

/// Joins pieces, each from one triangle to another, to rings.
fn rings(mut pieces: HashMap<usize, Vec<usize>>, middles: &[[f64; 2]]) -> Vec<Vec<[f64; 2]>> {
    let mut rings = Vec::new();
    let mut starts: Vec<usize> = pieces.keys().copied().collect();
    starts.sort_unstable();
    for start in starts {
        while let Some(mut to) = pieces.get_mut(&start).and_then(Vec::pop) {
            let mut ring = vec![middles[start]];
            while to != start {
                ring.push(middles[to]);
                match pieces.get_mut(&to).and_then(Vec::pop) {
                    Some(further) => to = further,
                    None => break,
                }
            }
            ring.push(middles[start]);
            ring.dedup();
            if ring.len() > 3 {
                rings.push(ring);
            }
        }
    }
    rings
}

/// Places around the stops: the middles of the squares of a grid that are near to a stop and hold none.
fn around(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let cell = |[x, y]: [f64; 2]| [(x / CELL).floor() as i64, (y / CELL).floor() as i64];
    let mut held: HashMap<[i64; 2], Vec<[f64; 2]>> = HashMap::new();
    points.iter().for_each(|point| held.entry(cell(*point)).or_default().push(*point));
    let mut empty = HashSet::new();
    for [x, y] in held.keys() {
        for (east, north) in (-2..=2).flat_map(|east| (-2..=2).map(move |north| (east, north))) {
            empty.insert([x + east, y + north]);
        }
    }
    let mut middles: Vec<[f64; 2]> = Vec::new();
    for [x, y] in empty {
        let middle = [(x as f64 + 0.5) * CELL, (y as f64 + 0.5) * CELL];
        if is_clear(&held, [x, y], middle) {
            middles.push(middle);
        }
    }
    middles.sort_unstable_by(|one, other| one[0].total_cmp(&other[0]).then(one[1].total_cmp(&other[1])));
    middles
}

/// Whether no stop stands so near to the middle of a square that it would cut off its ground.
fn is_clear(held: &HashMap<[i64; 2], Vec<[f64; 2]>>, [x, y]: [i64; 2], middle: [f64; 2]) -> bool {
    (-1..=1).flat_map(|east| (-1..=1).map(move |north| [x + east, y + north])).all(|cell| {
        let stops = held.get(&cell).into_iter().flatten();
        stops.into_iter().all(|[x, y]| (x - middle[0]).hypot(y - middle[1]) >= MARGIN)
    })
}

/// The middle of the circle through three points; of the points where they lie on a line.
fn circumcentre(a: &Point, b: &Point, c: &Point) -> [f64; 2] {
    let (bx, by, cx, cy) = (b.x - a.x, b.y - a.y, c.x - a.x, c.y - a.y);
    let twice = 2.0 * (bx * cy - by * cx);
    if twice.abs() < 1e-9 {
        return [(a.x + b.x + c.x) / 3.0, (a.y + b.y + c.y) / 3.0];
    }
    let (bb, cc) = (bx * bx + by * by, cx * cx + cy * cy);
    [a.x + (cy * bb - by * cc) / twice, a.y + (bx * cc - cx * bb) / twice]
}
