//! Streets: how far it is along them beside a search over the whole network, and turfs that end at a river.

use crate::ground::{Ground, Pace, Stop};
use crate::nearby::Nearby;
use crate::streets::{Streets, Way};
use crate::walks::{Leg, legs};
use crate::{Size, cut};

const BLOCK: f64 = 120.0;

fn street(points: Vec<[f64; 2]>, name: &str) -> Way {
    Way { points, name: name.into(), walkable: true, crossing: 12.0, ..Way::default() }
}

/// Blocks on both sides of a river that runs from south to north between two columns of crossings; the one bridge is in the
/// southernmost street.
fn town(columns: usize, rows: usize, river: usize) -> Vec<Way> {
    let at = |column: usize, row: usize| [column as f64 * BLOCK, row as f64 * BLOCK];
    let mut ways = Vec::new();
    for row in 0..rows {
        let name = format!("{row} ST");
        let (west, east): (Vec<usize>, Vec<usize>) = (0..columns).partition(|column| *column <= river);
        match row {
            0 => ways.push(street((0..columns).map(|column| at(column, row)).collect(), &name)),
            _ => {
                for part in [west, east] {
                    ways.push(street(part.iter().map(|column| at(*column, row)).collect(), &name));
                }
            }
        }
    }
    for column in 0..columns {
        ways.push(street((0..rows).map(|row| at(column, row)).collect(), &format!("{column} AVE")));
    }
    let x = (river as f64 + 0.5) * BLOCK;
    let banks = vec![[x, -500.0], [x, rows as f64 * BLOCK + 500.0]];
    ways.push(Way { points: banks, barrier: true, ..Way::default() });
    ways
}

/// Houses on both sides of the streets that run from west to east, none at the river.
fn houses(columns: usize, rows: usize, river: usize) -> (Vec<Stop>, Vec<String>) {
    let (mut stops, mut names) = (Vec::new(), Vec::new());
    for row in 0..rows {
        for column in (0..columns - 1).filter(|column| *column != river) {
            for house in 0..10u32 {
                let north = house % 2 == 0;
                let x = column as f64 * BLOCK + 12.0 + f64::from(house / 2) * 24.0;
                let y = row as f64 * BLOCK + if north { 14.0 } else { -14.0 };
                let (street, side) = (row as u32 + 1, north);
                stops.push(Stop { point: [x, y], minutes: 3.5, doors: 1, street, side, crossing: 12.0 });
                names.push(format!("{row} ST"));
            }
        }
    }
    (stops, names)
}

fn placed<'a>(streets: &'a Streets, stops: Vec<Stop>, names: &[String]) -> Ground<'a> {
    let names: Vec<(&str, bool)> = names.iter().map(|name| (name.as_str(), true)).collect();
    Ground::on_streets(stops, &names, streets)
}

fn nearby(ground: &Ground, streets: &Streets) -> Nearby {
    let points: Vec<[f64; 2]> = ground.stops.iter().map(|stop| stop.point).collect();
    Nearby::new(&points)
        .without(|one, other| streets.crosses_barrier(points[one as usize], points[other as usize]))
}

#[test]
fn ways_along_streets_are_those_of_the_blocks() {
    let (columns, rows, river) = (8, 6, 3);
    let streets = Streets::new(&town(columns, rows, river));
    let (stops, names) = houses(columns, rows, river);
    let ground = placed(&streets, stops, &names);
    let way = |one: u32, other: u32| legs(&ground, &[vec![one, other]])[0][0].clone();
    let points: Vec<[f64; 2]> = ground.stops.iter().map(|stop| stop.point).collect();
    // Along the blocks: to a corner, over the avenues and streets, and back in; past the river only by the southern street.
    let expected = |one: [f64; 2], other: [f64; 2]| {
        let row = |y: f64| (y / BLOCK).round() * BLOCK;
        let (a, b) = ([one[0], row(one[1])], [other[0], row(other[1])]);
        let bank = |x: f64| x > (river as f64 + 0.5) * BLOCK;
        let offs = (one[1] - a[1]).abs() + (other[1] - b[1]).abs();
        if bank(a[0]) != bank(b[0]) {
            return offs + (a[0] - b[0]).abs() + a[1] + b[1];
        }
        let corners = |x: f64| [(x / BLOCK).floor() * BLOCK, (x / BLOCK).ceil() * BLOCK];
        match a[1] == b[1] {
            true => offs + (a[0] - b[0]).abs(),
            false => {
                let over = |x: f64| (a[0] - x).abs() + (x - b[0]).abs();
                let own = corners(a[0]).into_iter().chain(corners(b[0])).map(over);
                offs + own.fold(f64::INFINITY, f64::min) + (a[1] - b[1]).abs()
            }
        }
    };
    for (one, other) in [(0, 1), (0, 5), (3, 77), (10, 59), (0, points.len() - 1), (100, 20), (29, 30)] {
        let Leg { metres, points: path } = way(one as u32, other as u32);
        let right = expected(points[one], points[other]);
        assert!((metres - right).abs() < 1e-6, "{one} to {other}: {metres}, expected {right}");
        let drawn: f64 =
            path.windows(2).map(|pair| (pair[0][0] - pair[1][0]).hypot(pair[0][1] - pair[1][1])).sum();
        assert!((drawn - metres).abs() < 0.1, "{drawn} drawn, {metres} walked");
        assert_eq!((path[0], path[path.len() - 1]), (points[one], points[other]));
    }
    // What is known of the nearest is the same.
    for (one, other) in [(0u32, 1u32), (0, 5), (29, 30), (100, 101)] {
        assert!((ground.metres(one, other) - way(one, other).metres).abs() < 0.01);
        assert_eq!(ground.metres(one, other), ground.metres(other, one));
    }
}

#[test]
fn no_turf_has_doors_on_both_banks_of_a_river() {
    let (columns, rows, river) = (14, 10, 6);
    let streets = Streets::new(&town(columns, rows, river));
    let (stops, names) = houses(columns, rows, river);
    let ground = placed(&streets, stops, &names);
    let nearby = nearby(&ground, &streets);
    let turfs = cut(&ground, &nearby, Pace::default(), Size::Doors(50.0), &mut |_| true).expect("turfs");
    let bank = |stop: u32| ground.point(stop)[0] > (river as f64 + 0.5) * BLOCK;
    for turf in &turfs {
        assert!(turf.stops.iter().all(|stop| bank(*stop) == bank(turf.stops[0])));
        let (_, parts) = nearby.parts(&turf.stops, |stop| turf.stops.contains(&stop));
        assert_eq!(parts, 1);
    }
    let minutes = || turfs.iter().map(|turf| turf.minutes);
    let spread = minutes().fold(0.0, f64::max) / minutes().fold(f64::INFINITY, f64::min);
    assert!(spread <= 1.1, "{spread}");
    // Without the river some do.
    let points: Vec<[f64; 2]> = ground.stops.iter().map(|stop| stop.point).collect();
    let open =
        cut(&ground, &Nearby::new(&points), Pace::default(), Size::Turfs(3), &mut |_| true).expect("turfs");
    assert!(open.iter().any(|turf| turf.stops.iter().any(|stop| bank(*stop) != bank(turf.stops[0]))));
}

#[test]
fn a_few_houses_beyond_a_railway_go_with_their_neighbours() {
    let streets = Streets::new(&town(8, 6, 6));
    let (stops, names) = houses(8, 6, 6);
    // One column of houses is left on the eastern bank of the last column: none there, so three are put.
    let mut stops = stops;
    let mut names = names;
    for at in 0..3 {
        stops.push(Stop { point: [7.0 * BLOCK + 10.0, 20.0 + f64::from(at) * 20.0], ..stops[0] });
        names.push("7 AVE".into());
    }
    let ground = placed(&streets, stops, &names);
    let nearby = nearby(&ground, &streets);
    let turfs = cut(&ground, &nearby, Pace::default(), Size::Turfs(6), &mut |_| true).expect("turfs");
    assert_eq!(turfs.len(), 6);
    let minutes = || turfs.iter().map(|turf| turf.minutes);
    let spread = minutes().fold(0.0, f64::max) / minutes().fold(f64::INFINITY, f64::min);
    assert!(spread <= 1.1, "{spread}");
}

#[test]
fn houses_are_put_on_the_street_that_their_address_names() {
    let ways = [
        street(vec![[0.0, 0.0], [200.0, 0.0]], "OAK ST"),
        Way { minor: true, ..street(vec![[0.0, 30.0], [200.0, 30.0]], "") },
    ];
    let streets = Streets::new(&ways);
    let spot = streets.spot([50.0, 25.0], "OAK ST").expect("a spot");
    assert_eq!((spot.stretch, spot.off, spot.along, spot.side), (0, 25.0, 50.0, true));
    assert_eq!(streets.spot([50.0, 2000.0], "OAK ST"), None);
    // Of an address that no way is named for, the nearest that is no alley.
    assert_eq!(streets.spot([50.0, 16.0], "ELM ST").expect("a spot").stretch, 0);
}
