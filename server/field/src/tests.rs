//! Rounds beside all orders there are, turfs beside what is asked of them.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::distances::Matrix;
use crate::ground::{Ground, Pace, Stop};
use crate::nearby::Nearby;
use crate::tour::length;
use crate::{Error, Size, begin_near, cut, outline, shortest_round};

fn random(count: usize, seed: u64) -> Vec<[f32; 2]> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut one = || (chance.next_u32() >> 8) as f32 / (1 << 24) as f32 * 1000.0;
    (0..count).map(|_| [one(), one()]).collect()
}

fn distances(points: &[[f32; 2]]) -> Matrix {
    Matrix::new(points.len(), |one, other| {
        (points[one][0] - points[other][0]).hypot(points[one][1] - points[other][1])
    })
}

/// The shortest of all rounds.
fn shortest(distances: &Matrix, order: &mut Vec<u32>, left: &mut Vec<u32>, best: &mut f64) {
    if left.is_empty() {
        *best = best.min(length(distances, order));
        return;
    }
    for at in 0..left.len() {
        let stop = left.remove(at);
        order.push(stop);
        shortest(distances, order, left, best);
        order.pop();
        left.insert(at, stop);
    }
}

#[test]
fn small_rounds_are_the_shortest_there_are() {
    for seed in 0..40 {
        let points = random(4 + seed as usize % 5, seed);
        let distances = distances(&points);
        let mut best = f64::INFINITY;
        shortest(&distances, &mut vec![0], &mut (1..points.len() as u32).collect(), &mut best);
        let found = length(&distances, &shortest_round(&distances, &points, 20, seed));
        assert!(found <= best * 1.000_01, "{found} and {best}");
    }
}

#[test]
fn rounds_hold_every_stop_once_and_are_the_same_each_time() {
    for (count, seed) in [(1, 1), (2, 2), (3, 3), (9, 4), (150, 5), (700, 6)] {
        let points = random(count, seed);
        let distances = distances(&points);
        let found = shortest_round(&distances, &points, 3, seed);
        let mut sorted = found.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..count as u32).collect::<Vec<_>>());
        assert_eq!(found, shortest_round(&distances, &points, 3, seed));
    }
}

#[test]
fn places_far_apart_and_places_on_top_of_each_other_end_as_well() {
    // Distances whose sums are beyond what a number of four bytes tells apart.
    let far: Vec<[f32; 2]> = random(200, 7).iter().map(|[x, y]| [x * 4_000.0, y * 4_000.0]).collect();
    assert_eq!(shortest_round(&distances(&far), &far, 5, 1).len(), 200);
    let same = vec![[5.0, 5.0]; 60];
    assert_eq!(shortest_round(&distances(&same), &same, 5, 1).len(), 60);
    let line: Vec<[f32; 2]> = (0..400).map(|at| [at as f32 * 25.0, 0.0]).collect();
    let found = shortest_round(&distances(&line), &line, 5, 1);
    assert!((length(&distances(&line), &found) - 2.0 * 399.0 * 25.0).abs() < 1.0);
}

/// Streets at random with houses on them, and a building here and there.
fn town(streets: usize, seed: u64) -> Vec<Stop> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut one = || f64::from(chance.next_u32()) / f64::from(u32::MAX);
    let mut stops = Vec::new();
    for street in 0..streets {
        let (x, y, turn) = (one() * 3_000.0, one() * 3_000.0, one() * std::f64::consts::TAU);
        for house in 0..20 {
            let far = f64::from(house) * 25.0;
            let doors = if one() < 0.05 { 6 } else { 1 };
            stops.push(Stop {
                point: [x + far * turn.cos(), y + far * turn.sin()],
                minutes: 3.5 * f64::from(doors),
                doors,
                street: street as u32 + 1,
                side: house % 2 == 0,
                crossing: 12.0,
            });
        }
    }
    stops
}

fn nearby(ground: &Ground) -> Nearby {
    Nearby::new(&ground.stops.iter().map(|stop| stop.point).collect::<Vec<_>>())
}

#[test]
fn turfs_are_even_whole_and_hold_every_stop_once() {
    let ground = Ground::open(town(150, 1));
    let stops = &ground.stops;
    let nearby = nearby(&ground);
    let turfs = cut(&ground, &nearby, Pace::default(), Size::Turfs(60), &mut |_| true).expect("turfs");
    assert_eq!(turfs.len(), 60);
    let mut all: Vec<u32> = turfs.iter().flat_map(|turf| turf.stops.clone()).collect();
    all.sort_unstable();
    assert_eq!(all, (0..stops.len() as u32).collect::<Vec<_>>());
    for turf in &turfs {
        let (_, parts) = nearby.parts(&turf.stops, |stop| turf.stops.contains(&stop));
        assert_eq!(parts, 1);
        let pairs = turf.stops.iter().zip(turf.stops.iter().cycle().skip(1));
        let ways: Vec<f64> = pairs.map(|(one, other)| ground.metres(*one, *other)).collect();
        let there: f64 = turf.stops.iter().map(|stop| stops[*stop as usize].minutes).sum();
        let minutes = there + ways.iter().map(|way| Pace::default().minutes(*way)).sum::<f64>();
        assert!((turf.minutes - minutes).abs() < 1e-6);
        assert!((turf.metres - ways.iter().sum::<f64>()).abs() < 1e-6);
    }
    let minutes = || turfs.iter().map(|turf| turf.minutes);
    let spread = minutes().fold(0.0, f64::max) / minutes().fold(f64::INFINITY, f64::min);
    assert!(spread <= 1.1, "{spread}");
    let again = cut(&ground, &nearby, Pace::default(), Size::Turfs(60), &mut |_| true).expect("turfs");
    assert_eq!(turfs, again);
}

#[test]
fn a_row_of_houses_is_taken_in_one_go() {
    let stops: Vec<Stop> = town(1, 3).into_iter().map(|stop| Stop { street: 0, ..stop }).collect();
    let of: Vec<u32> = (0..stops.len() as u32).collect();
    let walk = crate::walk(&Ground::open(stops), &of, 20, 1);
    assert!(walk == of || walk.iter().rev().copied().eq(of.iter().copied()), "{walk:?}");
}

#[test]
fn a_wide_street_is_walked_one_side_after_the_other() {
    let house = |at: u32| Stop {
        point: [f64::from(at / 2) * 20.0, f64::from(at % 2) * 15.0],
        minutes: 3.5,
        doors: 1,
        street: 1,
        side: at.is_multiple_of(2),
        crossing: 80.0,
    };
    let crossings = |stops: &[Stop]| {
        let ground = Ground::open(stops.to_vec());
        let walk = crate::walk(&ground, &(0..stops.len() as u32).collect::<Vec<_>>(), 50, 1);
        walk.windows(2).filter(|pair| stops[pair[0] as usize].side != stops[pair[1] as usize].side).count()
    };
    let wide: Vec<Stop> = (0..40).map(house).collect();
    assert!(crossings(&wide) <= 1, "{}", crossings(&wide));
}

#[test]
fn what_cannot_be_cut_is_told() {
    let ground = Ground::open(town(1, 2));
    let beside = nearby(&ground);
    let pace = Pace::default();
    assert_eq!(
        cut(&Ground::open(vec![]), &Nearby::default(), pace, Size::Turfs(3), &mut |_| true),
        Ok(vec![])
    );
    let many = cut(&ground, &beside, pace, Size::Turfs(21), &mut |_| true);
    assert_eq!(many, Err(Error::TooManyTurfs { turfs: 21, stops: 20 }));
    assert_eq!(cut(&ground, &beside, pace, Size::Turfs(2), &mut |_| false), Err(Error::Cancelled));
    let each = cut(&ground, &beside, pace, Size::Turfs(20), &mut |_| true).expect("turfs");
    assert_eq!(each.iter().map(|turf| turf.stops.len()).sum::<usize>(), 20);
    // One building that takes longer than all the rest.
    let mut tower = Ground::open(ground.stops.clone());
    tower.stops[0].minutes = 1_000.0;
    let turfs = cut(&tower, &beside, pace, Size::Minutes(60.0), &mut |_| true).expect("turfs");
    assert_eq!(turfs.iter().map(|turf| turf.stops.len()).sum::<usize>(), 20);
    assert!(turfs.iter().all(|turf| !turf.stops.is_empty()));
}

#[test]
fn a_walk_begins_and_ends_near_its_place() {
    let ground = Ground::open(town(1, 4));
    let of: Vec<u32> = (0..ground.stops.len() as u32).collect();
    let mut walk = crate::walk(&ground, &of, 10, 1);
    let place = ground.point(0);
    begin_near(&ground, &mut walk, place);
    assert!(walk[0] == 0 || walk[walk.len() - 1] == 0);
}

#[test]
fn outlines_hold_their_stops_and_end_where_others_begin() {
    let stops = town(30, 5);
    let points: Vec<[f64; 2]> = stops.iter().map(|stop| stop.point).collect();
    let turf_of: Vec<u32> = points.iter().map(|[x, _]| u32::from(*x > 1_500.0)).collect();
    let rings = outline::outlines(&points, &turf_of, 2);
    let holds = |turf: usize, [x, y]: [f64; 2]| {
        let crossings = rings[turf].iter().flat_map(|ring| ring.windows(2)).filter(|pair| {
            let ([ax, ay], [bx, by]) = (pair[0], pair[1]);
            (ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax
        });
        crossings.count() % 2 == 1
    };
    for (point, turf) in points.iter().zip(&turf_of) {
        assert!(holds(*turf as usize, *point));
        assert!(!holds(1 - *turf as usize, *point));
    }
    let area = |turf: usize| -> f64 {
        let twice = |pair: &[[f64; 2]]| pair[0][0] * pair[1][1] - pair[1][0] * pair[0][1];
        rings[turf].iter().flat_map(|ring| ring.windows(2)).map(twice).sum::<f64>() / 2.0
    };
    // Outer rings run against the clock, and nobody's ground reaches far.
    assert!(area(0) > 0.0 && area(1) > 0.0);
    assert!(area(0) + area(1) < points.len() as f64 * 200.0 * 200.0);
}
