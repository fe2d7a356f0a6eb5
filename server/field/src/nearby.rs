//! Which stops lie beside which: the edges of the Delaunay triangulation, whose dual are the areas that are nearer to one
//! stop than to any other. A turf is contiguous where one can go from any of its stops to any other over such edges without
//! leaving it. Edges that a few centimetres would turn are left out, so that it does not hang on them; what is left holds the
//! shortest tree over all stops, and so hangs together.

use std::collections::HashMap;

use delaunator::{EMPTY, Point, triangulate};

/// Angles, in radians, that are this near to half a turn are taken for it.
const NEARLY: f64 = 0.002;

/// Lists of stops, one a stop, ascending.
#[derive(Debug, Clone, Default)]
pub struct Nearby {
    starts: Vec<u32>,
    lists: Vec<u32>,
    /// Pairs that lie beside each other but for a barrier.
    across: Vec<(u32, u32)>,
}

impl Nearby {
    /// The neighbours of points on a plane, in metres. Points at one place are a chain in their order, of which the first
    /// stands for the place. Time grows with n log n.
    pub fn new(points: &[[f64; 2]]) -> Nearby {
        let mut edges = Vec::new();
        // The triangulation leaves out points that lie where another one does.
        let mut at_place: HashMap<[u64; 2], u32> = HashMap::with_capacity(points.len());
        let mut places: Vec<u32> = Vec::with_capacity(points.len());
        for (stop, point) in points.iter().enumerate() {
            let stop = stop as u32;
            let key = point.map(|metres| ((metres * 100.0).round() + 0.0).to_bits());
            match at_place.entry(key) {
                std::collections::hash_map::Entry::Occupied(mut last) => {
                    edges.push((*last.get(), stop));
                    last.insert(stop);
                }
                std::collections::hash_map::Entry::Vacant(first) => {
                    first.insert(stop);
                    places.push(stop);
                }
            }
        }
        let made = triangulation(points, &places);
        // Over against an edge lies a corner, of each of its two triangles. Where their angles are half a turn together the
        // four stand on one circle, and the edge might as well run the other way: nothing may hang on it.
        let angle = |edge: usize| {
            let [from, to, over] =
                [edge, next(edge), next(next(edge))].map(|at| points[places[made.triangles[at]] as usize]);
            let (a, b) = ([from[0] - over[0], from[1] - over[1]], [to[0] - over[0], to[1] - over[1]]);
            (a[0] * b[1] - a[1] * b[0]).abs().atan2(a[0] * b[0] + a[1] * b[1])
        };
        for (edge, twin) in made.halfedges.iter().enumerate() {
            if *twin != EMPTY && *twin < edge {
                continue;
            }
            let both = angle(edge) + if *twin == EMPTY { 0.0 } else { angle(*twin) };
            if both < std::f64::consts::PI - NEARLY {
                edges.push((places[made.triangles[edge]], places[made.triangles[next(edge)]]));
            }
        }
        if made.triangles.is_empty() {
            // All on one line: the hull has them in their order.
            edges.extend(made.hull.windows(2).map(|pair| (places[pair[0]], places[pair[1]])));
        }
        Nearby::of_edges(points.len(), &edges)
    }

    /// From pairs of stops.
    pub fn of_edges(stops: usize, edges: &[(u32, u32)]) -> Nearby {
        let mut lists: Vec<(u32, u32)> = Vec::with_capacity(edges.len() * 2);
        for (one, other) in edges.iter().filter(|(one, other)| one != other) {
            lists.push((*one, *other));
            lists.push((*other, *one));
        }
        lists.sort_unstable();
        lists.dedup();
        let mut starts = vec![0u32; stops + 1];
        lists.iter().for_each(|(one, _)| starts[*one as usize + 1] += 1);
        (0..stops).for_each(|stop| starts[stop + 1] += starts[stop]);
        Nearby { starts, lists: lists.into_iter().map(|(_, other)| other).collect(), across: Vec::new() }
    }

    /// The same without the pairs that a barrier keeps apart.
    pub fn without(&self, apart: impl Fn(u32, u32) -> bool) -> Nearby {
        let (across, kept): (Vec<_>, Vec<_>) = self.edges().partition(|(one, other)| apart(*one, *other));
        Nearby { across, ..Nearby::of_edges(self.stops(), &kept) }
    }

    /// The same with some of the pairs that a barrier keeps apart.
    pub(crate) fn with(&self, joined: &[(u32, u32)]) -> Nearby {
        let edges: Vec<(u32, u32)> = self.edges().chain(joined.iter().copied()).collect();
        Nearby { across: self.across.clone(), ..Nearby::of_edges(self.stops(), &edges) }
    }

    /// Every pair once.
    fn edges(&self) -> impl Iterator<Item = (u32, u32)> {
        let beside = |stop: u32| self.of(stop).iter().map(move |other| (stop, *other));
        (0..self.stops() as u32).flat_map(beside).filter(|(one, other)| one < other)
    }

    /// Pairs that a barrier keeps apart.
    pub(crate) fn across(&self) -> &[(u32, u32)] {
        &self.across
    }

    /// The stops beside one.
    pub fn of(&self, stop: u32) -> &[u32] {
        let (from, to) = (self.starts[stop as usize], self.starts[stop as usize + 1]);
        &self.lists[from as usize..to as usize]
    }

    pub fn stops(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The parts that hang together of those stops for which `within` holds: the number of the part of every stop, from 0,
    /// and how many parts there are.
    pub fn parts(&self, stops: &[u32], within: impl Fn(u32) -> bool) -> (HashMap<u32, u32>, u32) {
        let mut part_of = HashMap::with_capacity(stops.len());
        let (mut parts, mut open) = (0, Vec::new());
        for stop in stops {
            if part_of.contains_key(stop) {
                continue;
            }
            part_of.insert(*stop, parts);
            open.push(*stop);
            while let Some(at) = open.pop() {
                for beside in self.of(at).iter().filter(|beside| within(**beside)) {
                    part_of.entry(*beside).or_insert_with(|| {
                        open.push(*beside);
                        parts
                    });
                }
            }
            parts += 1;
        }
        (part_of, parts)
    }
}

fn next(edge: usize) -> usize {
    if edge % 3 == 2 { edge - 2 } else { edge + 1 }
}

/// The triangulation of the points of some places.
fn triangulation(points: &[[f64; 2]], places: &[u32]) -> delaunator::Triangulation {
    let point = |place: &u32| Point { x: points[*place as usize][0], y: points[*place as usize][1] };
    triangulate(&places.iter().map(point).collect::<Vec<_>>())
}
