//! Turfs and walking orders: stops on the ground cut into turfs of equal work, each contiguous, and the shortest round past
//! the stops of each. Pure computation on metres and minutes: no I/O, no names, no voters.

mod anew;
mod balance;
pub mod distances;
mod first;
mod grid;
pub mod ground;
mod halving;
pub mod nearby;
pub mod outline;
mod parts;
pub mod plane;
pub mod streets;
pub mod tour;
pub mod walks;

use rayon::prelude::*;

use anew::{Tried, cut_together};
use balance::{Turfs, Worth};
use distances::{Between, Matrix, Neighbours};
use ground::{Effort, Ground, Pace, Stop};
use nearby::Nearby;

/// How large turfs shall be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Size {
    /// So many turfs.
    Turfs(usize),
    /// About so many minutes each, the way included.
    Minutes(f64),
    /// About so many doors each.
    Doors(f64),
}

/// The stops of one canvasser.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Turf {
    /// In walking order.
    pub stops: Vec<u32>,
    /// At the doors and on the way, the way back to the first stop included.
    pub minutes: f64,
    /// The round: along the streets where they are known, else as the crow flies from stop to stop.
    pub metres: f64,
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum Error {
    #[error("{turfs} turfs of {stops} stops: a turf has a stop at least, and a cut 20000 turfs at most")]
    TooManyTurfs { turfs: usize, stops: usize },
    #[error("a turf of {stops} stops is too large to walk; {most} are possible")]
    TooLarge { stops: usize, most: usize },
    #[error("cancelled")]
    Cancelled,
}

/// Most stops of a turf.
pub const MOST_STOPS: usize = 2_000;
/// Most turfs of one cut.
pub const MOST_TURFS: usize = 20_000;
/// How often a round is sought to be bettered, by its stops: while turfs change, and at the end.
const QUICK: usize = 2;
const THOROUGH: usize = 6;
/// Up to so many stops distances are held; beyond they are worked out each time.
const HELD: usize = 300;
/// The spread of minutes that is sought, and how often.
const EVEN: f64 = 1.05;
const PASSES: usize = 7;
/// How often turfs that are still off are cut anew.
const LAST_PASSES: usize = 8;

/// Cuts stops into turfs. `nearby` says which lie beside each other; where it hangs together, turfs are made to. Where
/// barriers cut it into parts, no turf has stops of two of them, but for parts that are too small for one. `go_on` is told the
/// share of the work that is done.
pub fn cut(
    ground: &Ground,
    nearby: &Nearby,
    pace: Pace,
    size: Size,
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<Vec<Turf>, Error> {
    let mut go_on = |share: f64| if go_on(share) { Ok(()) } else { Err(Error::Cancelled) };
    let stops = &ground.stops;
    if stops.is_empty() {
        return Ok(Vec::new());
    }
    // What a stop takes: first with the way to the nearest other, then with half of the ways of the round it was on.
    let mut weights: Vec<f64> = (0..stops.len() as u32)
        .map(|stop| {
            let ways = nearby.of(stop).iter().map(|beside| ground.metres(stop, *beside));
            let nearest = ways.fold(f64::INFINITY, f64::min);
            stops[stop as usize].minutes + if nearest.is_finite() { pace.minutes(nearest) * 1.3 } else { 0.0 }
        })
        .collect();
    let mut count = turfs_of(size, stops, &weights)?;
    for share in [0.1, 0.15, 0.2, 0.25] {
        let (_, parts) = parts::parts(ground, nearby, &weights, count);
        let turf_of = halving::halve(stops, &weights, &parts);
        let rounds = rounds_of(ground, &members(&turf_of, count), 1);
        for round in &rounds {
            for (at, stop) in round.iter().enumerate() {
                let (before, next) =
                    (round[(at + round.len() - 1) % round.len()], round[(at + 1) % round.len()]);
                let way = |other: u32| pace.minutes(ground.metres(*stop, other));
                weights[*stop as usize] = stops[*stop as usize].minutes + (way(before) + way(next)) / 2.0;
            }
        }
        count = turfs_of(size, stops, &weights)?;
        go_on(share)?;
    }
    let (nearby, parts) = parts::parts(ground, nearby, &weights, count);
    let nearby = nearby.as_ref();
    let mut turf_of = halving::halve(stops, &weights, &parts);
    make_whole(nearby, &mut turf_of, count);
    let mut turfs = Turfs::new(ground, nearby, pace, &rounds_of(ground, &members(&turf_of, count), QUICK));
    for pass in 0..PASSES {
        // Short ways first, then equal turfs.
        let late = pass as f64 / (PASSES - 1) as f64;
        turfs.worth = Worth { walking: 0.3 * (1.0 - late), border: 0.1 * (1.0 - late) };
        for _ in 0..8 {
            if turfs.sweep() <= stops.len() / 2000 {
                break;
            }
        }
        if pass + 2 >= PASSES {
            turfs.relieve();
        }
        again(ground, &mut turfs, QUICK);
        if pass + 1 == PASSES {
            break;
        }
        go_on(0.3 + late * 0.5)?;
        if turfs.spread() <= EVEN {
            break;
        }
    }
    // Those that are still off have neighbours that are full themselves: they are cut anew together.
    let mut tried = Tried::new();
    for _ in 0..LAST_PASSES {
        if turfs.spread() <= EVEN || !cut_together(ground, nearby, &mut turfs, &mut tried, &mut go_on)? {
            break;
        }
        for _ in 0..3 {
            turfs.sweep();
        }
        turfs.relieve();
        again(ground, &mut turfs, QUICK);
        go_on(0.85)?;
    }
    let mut rounds = turfs.rounds();
    rounds = rounds_of(ground, &rounds, THOROUGH);
    rounds.iter().enumerate().for_each(|(turf, round)| turfs.put(turf as u32, round));
    go_on(0.9)?;
    // A stop that takes as long as several turfs leaves some of them empty.
    Ok(rounds
        .into_iter()
        .zip(&turfs.minutes)
        .filter(|(round, _)| !round.is_empty())
        .map(|(round, minutes)| Turf { metres: way_of(ground, &round), minutes: *minutes, stops: round })
        .collect())
}

/// How many turfs a size asks for.
fn turfs_of(size: Size, stops: &[Stop], weights: &[f64]) -> Result<usize, Error> {
    let doors: f64 = stops.iter().map(|stop| f64::from(stop.doors)).sum();
    let turfs = match size {
        Size::Turfs(turfs) => turfs,
        Size::Minutes(minutes) => (weights.iter().sum::<f64>() / minutes).ceil() as usize,
        Size::Doors(each) => (doors / each).ceil() as usize,
    };
    let turfs = turfs.max(1);
    if turfs > MOST_TURFS {
        return Err(Error::TooManyTurfs { turfs, stops: stops.len() });
    }
    let asked = matches!(size, Size::Turfs(_));
    match turfs > stops.len() {
        true if asked => Err(Error::TooManyTurfs { turfs, stops: stops.len() }),
        true => Ok(stops.len()),
        false if stops.len() / turfs > MOST_STOPS => {
            Err(Error::TooLarge { stops: stops.len() / turfs, most: MOST_STOPS })
        }
        false => Ok(turfs),
    }
}

fn members(turf_of: &[u32], turfs: usize) -> Vec<Vec<u32>> {
    let mut members = vec![Vec::new(); turfs];
    turf_of.iter().enumerate().for_each(|(stop, turf)| members[*turf as usize].push(stop as u32));
    members
}

/// Gives the parts of turfs that lie apart from the rest to the turfs that they lie beside.
fn make_whole(nearby: &Nearby, turf_of: &mut [u32], turfs: usize) {
    // A part may be handed to a turf whose own loose part it touches, so it can take more than once.
    for _ in 0..10 {
        let mut moved = false;
        for (turf, stops) in members(turf_of, turfs).into_iter().enumerate() {
            let (part_of, parts) = nearby.parts(&stops, |beside| turf_of[beside as usize] == turf as u32);
            if parts < 2 {
                continue;
            }
            let mut sizes = vec![0; parts as usize];
            part_of.values().for_each(|part| sizes[*part as usize] += 1);
            let kept = (0..parts).max_by_key(|part| (sizes[*part as usize], std::cmp::Reverse(*part)));
            for part in (0..parts).filter(|part| Some(*part) != kept) {
                let loose: Vec<u32> = stops.iter().copied().filter(|stop| part_of[stop] == part).collect();
                let mut edges: std::collections::BTreeMap<u32, u32> = std::collections::BTreeMap::new();
                for beside in loose.iter().flat_map(|stop| nearby.of(*stop)) {
                    let other = turf_of[*beside as usize];
                    if other != turf as u32 {
                        *edges.entry(other).or_default() += 1;
                    }
                }
                if let Some((to, _)) =
                    edges.into_iter().max_by_key(|(to, edges)| (*edges, std::cmp::Reverse(*to)))
                {
                    loose.iter().for_each(|stop| turf_of[*stop as usize] = to);
                    moved = true;
                }
            }
        }
        if !moved {
            return;
        }
    }
}

/// The shortest rounds past the stops of turfs that can be found quickly.
fn rounds_of(ground: &Ground, turfs: &[Vec<u32>], tries: usize) -> Vec<Vec<u32>> {
    let round = |(turf, of): (usize, &Vec<u32>)| walk(ground, of, tries, turf as u64);
    turfs.par_iter().enumerate().map(round).collect()
}

/// Makes the rounds of turfs anew that have changed.
fn again(ground: &Ground, turfs: &mut Turfs, tries: usize) {
    let rounds = turfs.rounds();
    let changed: Vec<usize> = (0..rounds.len()).filter(|turf| turfs.changed[*turf]).collect();
    let made: Vec<Vec<u32>> =
        changed.par_iter().map(|turf| walk(ground, &rounds[*turf], tries, *turf as u64)).collect();
    changed.into_iter().zip(made).for_each(|(turf, round)| turfs.put(turf as u32, &round));
}

/// A short round past some stops, by the effort. It begins behind the way that takes most.
pub fn walk(ground: &Ground, of: &[u32], tries: usize, seed: u64) -> Vec<u32> {
    if of.len() < 4 {
        return of.to_vec();
    }
    let effort = Effort { ground, of };
    let base = ground.point(of[0]);
    let near = |stop: &u32| ground.point(*stop);
    let points: Vec<[f32; 2]> =
        of.iter().map(near).map(|[x, y]| [(x - base[0]) as f32, (y - base[1]) as f32]).collect();
    let order = match of.len() <= HELD {
        true => {
            let matrix = Matrix::new(of.len(), |one, other| effort.between(one, other));
            shortest_round(&matrix, &points, tries, seed)
        }
        false => shortest_round(&effort, &points, tries, seed),
    };
    let mut round: Vec<u32> = order.into_iter().map(|at| of[at as usize]).collect();
    let way = |at: usize| ground.effort(round[at], round[(at + 1) % round.len()]);
    let longest = (0..round.len()).max_by(|one, other| way(*one).total_cmp(&way(*other)));
    round.rotate_left(longest.map_or(0, |at| (at + 1) % of.len()));
    round
}

/// A short round past points on a plane, in metres, whose distances are given. `tries` is how often it is sought to be
/// bettered for every stop.
pub fn shortest_round(
    distances: &(impl Between + Sync),
    points: &[[f32; 2]],
    tries: usize,
    seed: u64,
) -> Vec<u32> {
    if points.len() <= first::FEW {
        return first::shortest_of_few(distances);
    }
    let around = match points.len() <= HELD {
        true => Neighbours::around(distances, points),
        false => {
            let nearby = Nearby::new(&points.iter().map(|point| point.map(f64::from)).collect::<Vec<_>>());
            Neighbours::around(distances, points)
                .with(distances, |stop, list| list.extend(nearby.of(stop as u32)))
        }
    };
    let one = |seed: u64, first: Vec<u32>| tour::round(distances, &around, first, tries * points.len(), seed);
    // A few stops are soon in order from wherever one begins.
    if points.len() <= HELD {
        return one(seed, first::nearest_first(distances, &around, 0));
    }
    let first = first::shortest_ways_first(distances, &around);
    // Large rounds are worth both processors: the better of two.
    let (one, other) = rayon::join(|| one(seed, first.clone()), || one(!seed, first.clone()));
    if tour::length(distances, &other) < tour::length(distances, &one) { other } else { one }
}

/// Metres of a round.
pub fn way_of(ground: &Ground, round: &[u32]) -> f64 {
    let pairs = round.iter().zip(round.iter().cycle().skip(1));
    pairs.map(|(one, other)| ground.metres(*one, *other)).sum()
}

/// Turns a round so that it begins and ends where the way from and to a place is shortest.
pub fn begin_near(ground: &Ground, round: &mut [u32], place: [f64; 2]) {
    let far = |stop: u32| {
        let [x, y] = ground.point(stop);
        (x - place[0]).hypot(y - place[1])
    };
    let detour = |at: usize| {
        let (last, first) = (round[(at + round.len() - 1) % round.len()], round[at]);
        far(last) + far(first) - ground.metres(last, first)
    };
    let best = (0..round.len()).min_by(|one, other| detour(*one).total_cmp(&detour(*other)));
    round.rotate_left(best.unwrap_or(0));
}

#[cfg(test)]
mod street_tests;
#[cfg(test)]
mod tests;
