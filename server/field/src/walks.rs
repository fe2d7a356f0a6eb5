//! How far it is from door to door along the streets: for every stop the nearest others, and the way itself when it is asked
//! for.
//!
//! From a door one goes to the street, along it, and to the other door; the shortest way along the streets is found by
//! Dijkstra's search (1959) from every stop, which ends when enough others are reached. Time and memory grow with the stops.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use crate::ground::Ground;
use crate::streets::{Spot, Streets, apart};

/// So many others are known of every stop, and none that is further away, in metres.
const KNOWN: usize = 96;
const FURTHEST: f64 = 60_000.0;
/// Junctions that are looked at for all stops together, and for one at least: where few stops stand far apart in a large town
/// a search would go over all of its streets.
const LOOKED_AT: usize = 20_000_000;
const LEAST_LOOKED_AT: usize = 2_000;
/// Beyond, the way is taken for so many times the straight line, where the ways that are known do not say otherwise.
const USUAL_DETOUR: f64 = 1.3;

/// Doors that are nearer than this, in metres, are at one place: nobody goes back to the street between them.
const NEXT_DOOR: f64 = 1.0;

/// A link of the network: to a node, so long, on a stretch from one place to another.
#[derive(Debug, Clone, Copy)]
struct Link {
    to: u32,
    stretch: u32,
    begins: f64,
    ends: f64,
}

/// Ways between stops. Nodes are the junctions of the streets, then the stops.
pub struct Walks<'a> {
    streets: &'a Streets,
    spots: Vec<Option<Spot>>,
    /// Where the links of a node begin.
    starts: Vec<u32>,
    links: Vec<Link>,
    /// By stop, the others that are near, by number, with the metres.
    near_starts: Vec<u32>,
    near: Vec<(u32, f32)>,
    detour: f64,
}

/// What a search remembers, used again for the next.
struct Search {
    heap: BinaryHeap<(Reverse<u64>, u32)>,
    /// By node: the search that came there last, the metres, the node before and the link between.
    reached: Vec<(u32, f64, u32, u32)>,
    number: u32,
}

impl Search {
    fn new(nodes: usize) -> Search {
        Search { heap: BinaryHeap::new(), reached: vec![(0, 0.0, 0, 0); nodes], number: 0 }
    }
}

impl<'a> Walks<'a> {
    /// Puts stops on their streets and measures the ways between those that are near. A stop that is on no street is reached
    /// in a straight line.
    pub fn new(streets: &'a Streets, points: &[[f64; 2]], spots: Vec<Option<Spot>>) -> Walks<'a> {
        let mut made = Walks {
            streets,
            spots,
            starts: Vec::new(),
            links: Vec::new(),
            near_starts: vec![0],
            near: Vec::new(),
            detour: USUAL_DETOUR,
        };
        made.link();
        let near: Vec<Vec<(u32, f32)>> = (0..points.len() as u32)
            .into_par_iter()
            .map_init(|| made.fresh(), |search, stop| made.around(search, stop))
            .collect();
        for list in near {
            made.near.extend(list);
            made.near_starts.push(made.near.len() as u32);
        }
        let (mut ways, mut lines) = (0.0, 0.0);
        for stop in 0..points.len() {
            for (other, metres) in made.known(stop as u32) {
                ways += f64::from(*metres);
                lines += apart(points[stop], points[*other as usize]);
            }
        }
        if lines > 0.0 {
            made.detour = (ways / lines).clamp(1.0, 3.0);
        }
        made
    }

    /// Joins junctions and stops along every stretch.
    fn link(&mut self) {
        let first = self.streets.junctions as u32;
        let mut on: Vec<Vec<(f64, u32)>> = vec![Vec::new(); self.streets.stretches.len()];
        for (stop, spot) in self.spots.iter().enumerate() {
            if let Some(spot) = spot {
                on[spot.stretch as usize].push((spot.along, first + stop as u32));
            }
        }
        let mut links: Vec<(u32, Link)> = Vec::new();
        for (stretch, (of, mut stops)) in self.streets.stretches.iter().zip(on).enumerate() {
            stops.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
            let mut before = (0.0, of.from);
            for next in stops.into_iter().chain([(of.length(), of.to)]) {
                let link =
                    |to: u32, begins: f64, ends: f64| Link { to, stretch: stretch as u32, begins, ends };
                links.push((before.1, link(next.1, before.0, next.0)));
                links.push((next.1, link(before.1, next.0, before.0)));
                before = next;
            }
        }
        links.sort_by_key(|(from, link)| (*from, link.to, link.stretch));
        self.starts = vec![0; self.streets.junctions + self.spots.len() + 1];
        links.iter().for_each(|(from, _)| self.starts[*from as usize + 1] += 1);
        (1..self.starts.len()).for_each(|at| self.starts[at] += self.starts[at - 1]);
        self.links = links.into_iter().map(|(_, link)| link).collect();
    }

    fn fresh(&self) -> Search {
        Search::new(self.starts.len() - 1)
    }

    /// Searches from a stop until `enough` says so of a node that is reached for good and its metres.
    fn search(&self, search: &mut Search, stop: u32, mut enough: impl FnMut(u32, f64) -> bool) {
        let first = self.streets.junctions as u32;
        search.heap.clear();
        search.number += 1;
        let number = search.number;
        search.reached[(first + stop) as usize] = (number, 0.0, u32::MAX, u32::MAX);
        search.heap.push((Reverse(0.0f64.to_bits()), first + stop));
        while let Some((Reverse(metres), node)) = search.heap.pop() {
            // Numbers that are not negative stand in the order of their bits.
            let metres = f64::from_bits(metres);
            if search.reached[node as usize].1 < metres {
                continue;
            }
            if enough(node, metres) {
                return;
            }
            let (from, to) = (self.starts[node as usize], self.starts[node as usize + 1]);
            for at in from..to {
                let link = &self.links[at as usize];
                let further = metres + (link.ends - link.begins).abs();
                let held = &mut search.reached[link.to as usize];
                if held.0 != number || further < held.1 {
                    *held = (number, further, node, at);
                    search.heap.push((Reverse(further.to_bits()), link.to));
                }
            }
        }
    }

    /// The nearest others of a stop.
    fn around(&self, search: &mut Search, stop: u32) -> Vec<(u32, f32)> {
        let Some(own) = self.spots[stop as usize] else { return Vec::new() };
        let first = self.streets.junctions as u32;
        let mut found = Vec::with_capacity(KNOWN);
        let mut left = LEAST_LOOKED_AT.max(LOOKED_AT / self.spots.len());
        self.search(search, stop, |node, metres| {
            left -= 1;
            if node >= first && node != first + stop && found.len() < KNOWN {
                let other = node - first;
                let off = self.spots[other as usize].map_or(0.0, |spot| spot.off);
                found.push((other, (metres + own.off + off) as f32));
            }
            found.len() >= KNOWN || metres > FURTHEST || left == 0
        });
        found.sort_unstable_by_key(|(other, _)| *other);
        found
    }

    fn known(&self, stop: u32) -> &[(u32, f32)] {
        &self.near[self.near_starts[stop as usize] as usize..self.near_starts[stop as usize + 1] as usize]
    }

    /// Metres between two stops, of which the straight line is given: along the streets where they are near, else what such
    /// a line usually takes.
    #[inline]
    pub(crate) fn metres(&self, one: u32, other: u32, straight: f64) -> f64 {
        if straight < NEXT_DOOR {
            return straight;
        }
        // The same in both directions, to the last bit.
        for (from, to) in [(one.min(other), one.max(other)), (one.max(other), one.min(other))] {
            let known = self.known(from);
            if let Ok(at) = known.binary_search_by_key(&to, |(stop, _)| *stop) {
                return f64::from(known[at].1).max(straight);
            }
        }
        let on_streets = |stop: u32| self.spots[stop as usize].is_some();
        if on_streets(one) && on_streets(other) { straight * self.detour } else { straight }
    }

    /// The way between two stops along the streets: its metres, and its points from door to door. None where no way leads
    /// from one to the other.
    fn way(&self, search: &mut Search, points: [[f64; 2]; 2], [one, other]: [u32; 2]) -> Option<Leg> {
        if apart(points[0], points[1]) < NEXT_DOOR {
            return None;
        }
        let (from, to) = (self.spots[one as usize]?, self.spots[other as usize]?);
        let first = self.streets.junctions as u32;
        let mut found = None;
        self.search(search, one, |node, metres| {
            if node == first + other {
                found = Some(metres);
            }
            found.is_some()
        });
        let metres = found? + from.off + to.off;
        let mut pieces = Vec::new();
        let mut at = first + other;
        while at != first + one {
            let (_, _, before, link) = search.reached[at as usize];
            let link = self.links[link as usize];
            pieces.push(self.streets.piece(link.stretch, link.begins, link.ends));
            at = before;
        }
        let mut way = vec![points[0]];
        way.extend(pieces.into_iter().rev().flatten());
        way.push(points[1]);
        way.dedup_by(|one, other| apart(*one, *other) < 0.01);
        Some(Leg { metres, points: way })
    }
}

/// The way from one stop to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Leg {
    pub metres: f64,
    /// From door to door.
    pub points: Vec<[f64; 2]>,
}

/// The ways of rounds, from each stop to the next and from the last to the first: along the streets where they lead there,
/// else straight.
pub fn legs(ground: &Ground, rounds: &[Vec<u32>]) -> Vec<Vec<Leg>> {
    let straight = |one: u32, other: u32| {
        let points = vec![ground.point(one), ground.point(other)];
        Leg { metres: ground.metres(one, other), points }
    };
    let of_round = |search: &mut Option<Search>, round: &Vec<u32>| {
        let pairs = round.iter().zip(round.iter().cycle().skip(1));
        pairs
            .map(|(one, other)| match (&ground.walks, search.as_mut()) {
                (Some(walks), Some(search)) if one != other => {
                    let points = [ground.point(*one), ground.point(*other)];
                    walks.way(search, points, [*one, *other]).unwrap_or_else(|| straight(*one, *other))
                }
                _ => straight(*one, *other),
            })
            .collect()
    };
    rounds.par_iter().map_init(|| ground.walks.as_ref().map(Walks::fresh), of_round).collect()
}
