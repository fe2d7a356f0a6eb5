//! A street network: the ways that can be walked, joined where they meet; the place of every stop on the way it belongs to;
//! and the lines that nobody crosses on foot.

use std::collections::HashMap;

use crate::grid::Grid;

/// A way as it was surveyed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Way {
    /// Metres on the plane of the stops. Ways meet where they have a point in common.
    pub points: Vec<[f64; 2]>,
    /// Name in one spelling, by which the streets of addresses are found; empty where there is none.
    pub name: String,
    pub walkable: bool,
    /// A footway, an alley or a driveway: houses stand on the street beside it where there is one.
    pub minor: bool,
    /// A railway, a river, a motorway.
    pub barrier: bool,
    /// What crossing it is worth in metres of detour.
    pub crossing: f32,
}

/// A house is on a way that is at most so far, in metres.
const REACH: f64 = 400.0;
/// A way of another name than the address has is taken where it is nearer by more than this, and a minor one by that.
const OTHER_NAME: f64 = 60.0;
const MINOR: f64 = 25.0;
/// Metres of a cell in which ways and barriers are looked up.
const CELL: f64 = 150.0;

/// A stretch of a way from one junction to the next.
#[derive(Debug, Clone)]
pub(crate) struct Stretch {
    pub from: u32,
    pub to: u32,
    pub points: Vec<[f64; 2]>,
    /// Metres from the beginning, by point.
    pub along: Vec<f64>,
    way: u32,
}

/// Where a stop is on the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    pub stretch: u32,
    /// Metres from the beginning of the stretch.
    pub along: f64,
    /// Metres from the door to the way.
    pub off: f64,
    /// Left or right of the way.
    pub side: bool,
    /// What crossing the way is worth in metres of detour.
    pub crossing: f32,
}

/// Streets and barriers of an area.
pub struct Streets {
    pub(crate) stretches: Vec<Stretch>,
    pub(crate) junctions: usize,
    ways: Vec<(String, bool, f32)>,
    /// Pieces of stretches and of barriers, by where they lie.
    pieces: Grid<(u32, u32)>,
    barriers: Vec<[[f64; 2]; 2]>,
    barrier_cells: Grid<u32>,
}

impl Streets {
    /// Joins ways into a network. Time and memory grow with their points.
    pub fn new(ways: &[Way]) -> Streets {
        let key = |point: &[f64; 2]| point.map(f64::to_bits);
        let mut uses: HashMap<[u64; 2], u32> = HashMap::new();
        let walkable = || ways.iter().enumerate().filter(|(_, way)| way.walkable && way.points.len() > 1);
        for (_, way) in walkable() {
            let last = way.points.len() - 1;
            for (at, point) in way.points.iter().enumerate() {
                // The end of a way is a junction in any case.
                *uses.entry(key(point)).or_default() += if at == 0 || at == last { 2 } else { 1 };
            }
        }
        let mut junctions: HashMap<[u64; 2], u32> = HashMap::new();
        let mut made = Streets {
            stretches: Vec::new(),
            junctions: 0,
            ways: ways.iter().map(|way| (way.name.clone(), way.minor, way.crossing)).collect(),
            pieces: Grid::new(CELL),
            barriers: Vec::new(),
            barrier_cells: Grid::new(CELL),
        };
        for (number, way) in walkable() {
            let mut begins = 0;
            for at in 1..way.points.len() {
                if uses[&key(&way.points[at])] < 2 {
                    continue;
                }
                let mut junction = |at: usize| {
                    let fresh = junctions.len() as u32;
                    *junctions.entry(key(&way.points[at])).or_insert(fresh)
                };
                let (from, to) = (junction(begins), junction(at));
                made.add(from, to, &way.points[begins..=at], number as u32);
                begins = at;
            }
        }
        made.junctions = junctions.len();
        for pair in ways.iter().filter(|way| way.barrier).flat_map(|way| way.points.windows(2)) {
            made.barrier_cells.add([pair[0], pair[1]], made.barriers.len() as u32);
            made.barriers.push([pair[0], pair[1]]);
        }
        made
    }

    fn add(&mut self, from: u32, to: u32, points: &[[f64; 2]], way: u32) {
        let mut along = vec![0.0];
        for (at, pair) in points.windows(2).enumerate() {
            along.push(along[at] + apart(pair[0], pair[1]));
            self.pieces.add([pair[0], pair[1]], (self.stretches.len() as u32, at as u32));
        }
        self.stretches.push(Stretch { from, to, points: points.to_vec(), along, way });
    }

    /// Where a house is on the network: on the way that its address names, where that is near, else on the nearest. None where
    /// no way is near.
    pub fn spot(&self, point: [f64; 2], street: &str) -> Option<Spot> {
        let mut best: Option<(f64, Spot)> = None;
        let mut look = |reach: f64| {
            self.pieces.around(point, reach, |&(stretch, at)| {
                let on = &self.stretches[stretch as usize];
                let (name, minor, crossing) = &self.ways[on.way as usize];
                let (a, b) = (on.points[at as usize], on.points[at as usize + 1]);
                let (share, off) = nearest_on(point, a, b);
                let other = if name == street && !name.is_empty() { 0.0 } else { OTHER_NAME };
                let rank = off + other + if *minor { MINOR } else { 0.0 };
                let along = on.along[at as usize] + share * apart(a, b);
                let place = (rank, stretch, along);
                if off <= reach && best.is_none_or(|(least, held)| place < (least, held.stretch, held.along))
                {
                    let left = (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0]) > 0.0;
                    best = Some((rank, Spot { stretch, along, off, side: left, crossing: *crossing }));
                }
            });
            best
        };
        // Nearly every house stands at its street.
        let near = REACH / 4.0;
        let found = look(near).filter(|(rank, _)| *rank <= near);
        found.or_else(|| look(REACH)).map(|(_, spot)| spot)
    }

    /// Whether a straight line crosses a barrier.
    pub fn crosses_barrier(&self, from: [f64; 2], to: [f64; 2]) -> bool {
        if from == to {
            return false;
        }
        let mut crosses = false;
        self.barrier_cells.along([from, to], |&barrier| {
            let [a, b] = self.barriers[barrier as usize];
            crosses |= meet(from, to, a, b);
        });
        crosses
    }

    pub fn has_barriers(&self) -> bool {
        !self.barriers.is_empty()
    }

    /// The points of a stretch between two places on it, in that direction, with both ends.
    pub(crate) fn piece(&self, stretch: u32, from: f64, to: f64) -> Vec<[f64; 2]> {
        let on = &self.stretches[stretch as usize];
        let (low, high) = (from.min(to), from.max(to));
        let inner = on.points.iter().zip(&on.along).filter(|(_, along)| **along > low && **along < high);
        let mut points: Vec<[f64; 2]> =
            std::iter::once(on.at(low)).chain(inner.map(|(point, _)| *point)).collect();
        points.push(on.at(high));
        if from > to {
            points.reverse();
        }
        points
    }
}

impl Stretch {
    pub fn length(&self) -> f64 {
        self.along[self.along.len() - 1]
    }

    fn at(&self, along: f64) -> [f64; 2] {
        let next = self.along.partition_point(|begun| *begun <= along).clamp(1, self.along.len() - 1);
        let (a, b) = (self.points[next - 1], self.points[next]);
        let step = self.along[next] - self.along[next - 1];
        let share = if step > 0.0 { ((along - self.along[next - 1]) / step).clamp(0.0, 1.0) } else { 0.0 };
        [a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])]
    }
}

pub(crate) fn apart(a: [f64; 2], b: [f64; 2]) -> f64 {
    let (x, y) = (a[0] - b[0], a[1] - b[1]);
    (x * x + y * y).sqrt()
}

/// Where on a line from one place to another a point is nearest, as a share of it, and how far it is.
fn nearest_on(point: [f64; 2], a: [f64; 2], b: [f64; 2]) -> (f64, f64) {
    let (x, y) = (b[0] - a[0], b[1] - a[1]);
    let square = x * x + y * y;
    let share = match square > 0.0 {
        true => (((point[0] - a[0]) * x + (point[1] - a[1]) * y) / square).clamp(0.0, 1.0),
        false => 0.0,
    };
    (share, apart(point, [a[0] + share * x, a[1] + share * y]))
}

/// Whether two lines have a point in common.
fn meet(a: [f64; 2], b: [f64; 2], c: [f64; 2], d: [f64; 2]) -> bool {
    let turn =
        |o: [f64; 2], p: [f64; 2], q: [f64; 2]| (p[0] - o[0]) * (q[1] - o[1]) - (p[1] - o[1]) * (q[0] - o[0]);
    let (one, two) = (turn(a, b, c), turn(a, b, d));
    let (three, four) = (turn(c, d, a), turn(c, d, b));
    if one == 0.0 && two == 0.0 {
        // On one line: do their extents meet?
        let within = |axis: usize| {
            a[axis].max(b[axis]) >= c[axis].min(d[axis]) && c[axis].max(d[axis]) >= a[axis].min(b[axis])
        };
        return within(0) && within(1);
    }
    (one >= 0.0) != (two > 0.0) && (three >= 0.0) != (four > 0.0)
        || (one <= 0.0) != (two < 0.0) && (three <= 0.0) != (four < 0.0)
}
