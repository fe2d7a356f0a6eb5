//! The streets of a turf: those of the network where one is loaded, else lines past the houses of a list.

use std::collections::HashMap;

use bellwether_atlas::points_of_line;
use bellwether_field::plane::Plane;
use bellwether_field::streets::Way;
use bellwether_warehouse::questions;

use crate::error::ApiError;
use crate::serving::Serving;
use crate::turfs::lists::ListedStop;

/// How far beyond the doors streets are read, in degrees: some two kilometres. Ways to the next bridge may lead outside.
const BEYOND: f64 = 0.02;
/// The same for a map.
const BEYOND_A_MAP: f64 = 0.002;
/// Ways that are held for a cut, some 400 bytes each, and for a map.
const MOST_WAYS: u64 = 1_000_000;
const MOST_WAYS_OF_A_MAP: u64 = 5_000;
/// What crossing a way is worth, in metres of detour.
const QUIET: f32 = 12.0;
const BUSY: f32 = 40.0;
const WIDE: f32 = 80.0;

/// West, south, east, north of places, and some degrees around them; none where there are no places.
fn extent(places: impl Iterator<Item = [f64; 2]>, beyond: f64) -> Option<[f64; 4]> {
    let one = |[x, y]: [f64; 2]| [x - beyond, y - beyond, x + beyond, y + beyond];
    places.map(one).reduce(|[west, south, east, north], [x, y, right, top]| {
        [west.min(x), south.min(y), east.max(right), north.max(top)]
    })
}

/// The ways around some doors, on their plane. None where no street network is loaded there.
pub fn network(
    serving: &Serving,
    doors: impl Iterator<Item = [f64; 2]>,
    plane: &Plane,
) -> Result<Vec<Way>, ApiError> {
    let Some(extent) = extent(doors, BEYOND) else { return Ok(Vec::new()) };
    // The streets of a state are too many to hold: doors so far apart are driven to in straight lines.
    if questions::count_streets(&serving.copy, extent)? > MOST_WAYS {
        return Ok(Vec::new());
    }
    let answer = questions::streets(&serving.copy, extent)?;
    let (names, classes, lanes) =
        (answer.texts("street_key"), answer.texts("class"), answer.integers("lanes"));
    let [walkable, minor, barrier] = ["walkable", "minor", "barrier"].map(|name| answer.booleans(name));
    let mut ways = Vec::with_capacity(answer.rows());
    for (at, geometry) in answer.bytes("geometry").into_iter().enumerate() {
        let points = points_of_line("a street", &geometry.unwrap_or_default())?;
        ways.push(Way {
            points: points.into_iter().map(|point| plane.metres(point)).collect(),
            name: names[at].clone().unwrap_or_default(),
            walkable: walkable[at] == Some(true),
            minor: minor[at] == Some(true),
            barrier: barrier[at] == Some(true),
            crossing: crossing(classes[at].as_deref().unwrap_or_default(), lanes[at]),
        });
    }
    Ok(ways)
}

/// What crossing a street is worth by its class and lanes.
fn crossing(class: &str, lanes: Option<i64>) -> f32 {
    match (class.trim_end_matches("_link"), lanes) {
        (_, Some(4..)) | ("trunk" | "primary", _) => WIDE,
        (_, Some(3)) | ("secondary" | "tertiary", _) => BUSY,
        _ => QUIET,
    }
}

/// A street on a map: its name and points (longitude, latitude).
pub type Line = (String, Vec<[f64; 2]>);

/// The streets around the stops of a list.
pub fn around(serving: &Serving, stops: &[&ListedStop]) -> Result<Vec<Line>, ApiError> {
    let places = stops.iter().map(|stop| [stop.longitude, stop.latitude]);
    let Some(extent) = extent(places, BEYOND_A_MAP) else { return Ok(Vec::new()) };
    if questions::count_streets(&serving.copy, extent)? > MOST_WAYS_OF_A_MAP {
        return Ok(past_houses(stops));
    }
    let answer = questions::streets(&serving.copy, extent)?;
    let (names, walkable) = (answer.texts("name"), answer.booleans("walkable"));
    let mut lines = Vec::new();
    for (at, geometry) in answer.bytes("geometry").into_iter().enumerate() {
        if walkable[at] == Some(true) {
            lines.push((
                names[at].clone().unwrap_or_default(),
                points_of_line("a street", &geometry.unwrap_or_default())?,
            ));
        }
    }
    Ok(if lines.is_empty() { past_houses(stops) } else { lines })
}

/// A house's number and where it stands.
type House = (u32, [f64; 2]);

/// The streets of a list as lines past its houses, each side in the order of its numbers.
fn past_houses(stops: &[&ListedStop]) -> Vec<Line> {
    let mut streets: HashMap<(&str, &Option<String>), Vec<House>> = HashMap::new();
    for stop in stops.iter().filter(|stop| !stop.street.is_empty()) {
        let digits: String = stop
            .house_number
            .iter()
            .flat_map(|number| number.chars())
            .take_while(char::is_ascii_digit)
            .collect();
        let number = digits.parse().unwrap_or(0);
        streets.entry((&stop.street, &stop.zip)).or_default().push((number, [stop.longitude, stop.latitude]));
    }
    let mut lines = Vec::new();
    for ((name, _), mut houses) in streets {
        houses.sort_by(|one, other| one.0.cmp(&other.0).then(one.1[0].total_cmp(&other.1[0])));
        // A gap of more than some hundred metres is another stretch of the street.
        let mut line: Vec<[f64; 2]> = Vec::new();
        for (_, place) in houses {
            let far = line.last().is_some_and(|last: &[f64; 2]| {
                let [x, y] = [(place[0] - last[0]) * last[1].to_radians().cos(), place[1] - last[1]];
                x.hypot(y) * 111_195.0 > 250.0
            });
            if far {
                lines.push((name.to_string(), std::mem::take(&mut line)));
            }
            line.push(place);
        }
        lines.push((name.to_string(), line));
    }
    lines.retain(|(_, points)| points.len() > 1);
    // From house to house a line changes sides; the mean with its neighbours runs between them.
    lines.iter_mut().for_each(|(_, points)| *points = between(&between(points)));
    lines.sort_by(|one, other| one.0.cmp(&other.0).then(one.1[0][0].total_cmp(&other.1[0][0])));
    lines
}

/// Every point but the ends as the mean of itself, twice, and its neighbours.
fn between(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mean = |at: usize| match at == 0 || at + 1 == points.len() {
        true => points[at],
        false => std::array::from_fn(|axis| {
            (2.0 * points[at][axis] + points[at - 1][axis] + points[at + 1][axis]) / 4.0
        }),
    };
    (0..points.len()).map(mean).collect()
}
