//! The universe as stops on the ground, cut into turfs.

use std::collections::{BTreeMap, HashMap, HashSet};

use bellwether_electorate::{Electorate, Rules, Suppressed, Together};
use bellwether_field::ground::{Ground, Stop as GroundStop};
use bellwether_field::nearby::Nearby;
use bellwether_field::plane::Plane;
use bellwether_field::streets::Streets;
use bellwether_field::walks::{Leg, legs};
use bellwether_field::{Turf as Walk, begin_near, cut, outline};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::serving::Serving;
use crate::turfs::request::TurfsRequest;
use crate::turfs::{Member, Stop, Turf, streets};

/// A building whose stay takes more than this share of a turf is walked by several.
const LARGEST_SHARE: f64 = 0.34;
/// A start that is nearer than this, in metres, is walked to.
const NEAR: f64 = 1_000.0;

/// The people of a universe that may be visited, door by door.
pub struct Doors {
    stops: Vec<Door>,
    /// Why others are not there.
    pub suppressed: BTreeMap<String, u64>,
}

/// A door: an address, with its households.
struct Door {
    id: u64,
    place: [f64; 2],
    street: Option<String>,
    /// The street in the spelling of match keys.
    street_key: String,
    number: Option<u32>,
    wide: bool,
    households: Vec<Home>,
}

/// A household.
struct Home {
    /// As it is sorted by.
    unit: Unit,
    id: u64,
    people: Vec<Member>,
}

/// The type of a unit, its number as a number, and as it is written: 2 comes before 10.
type Unit = (String, u32, String);

/// Streets of these types are not crossed back and forth.
const WIDE: [&str; 8] = ["BLVD", "HWY", "PKWY", "EXPY", "FWY", "TPKE", "PIKE", "STATE HWY"];
/// What crossing a street is worth, in metres of detour.
const CROSSING: [f32; 2] = [12.0, 80.0];

impl Doors {
    /// Reads the doors of the rows of a bitmap, without those who are suppressed or were erased, and without the households
    /// that are taken.
    pub fn read(
        serving: &Serving,
        bitmap: &[u64],
        rules: &Rules,
        taken: &HashSet<u64>,
        erased: &dyn Fn(&Member) -> bool,
    ) -> Result<Doors, ApiError> {
        let electorate = serving.electorate()?;
        let columns = [
            "state",
            "voter_id",
            "confidential",
            "match_key",
            "house_number",
            "pre_direction",
            "street_name",
            "street_type",
            "post_direction",
            "city",
            "zip",
            "unit_type",
            "unit_number",
        ];
        let columns = columns.map(str::to_string);
        let rows = Electorate::rows_of(bitmap);
        let answer = serving.copy.members(bitmap, &columns, 0, u64::MAX >> 24)?;
        if answer.rows() != rows.len() {
            return Err(ApiError::internal("the list has not as many rows as the filter has voters"));
        }
        let text = |name: &str| answer.texts(name);
        let (states, voters, keys) = (text("state"), text("voter_id"), text("match_key"));
        let confidential = answer.booleans("confidential");
        let street_parts = ["pre_direction", "street_name", "street_type", "post_direction"].map(text);
        let units = [text("unit_type"), text("unit_number")];
        let (numbers, cities, zips) = (text("house_number"), text("city"), text("zip"));
        let doors = electorate.together(Together::Door, &rows);
        let households = electorate.together(Together::Household, &rows);
        let mut suppressed: BTreeMap<String, u64> = BTreeMap::new();
        let mut count = |why: &str| *suppressed.entry(why.to_string()).or_default() += 1;
        let mut stops: Vec<Door> = Vec::new();
        let (mut last_door, mut last_household) = (None, None);
        for (at, row) in rows.iter().enumerate() {
            if let Some(why) = electorate.suppressed(*row, confidential[at].unwrap_or(false), rules) {
                count(why.name());
                continue;
            }
            let (Some(place), Some(key)) = (electorate.point(*row), &keys[at]) else {
                count("no_place");
                continue;
            };
            let state = states[at].clone().unwrap_or_default();
            let voter_id = voters[at].clone().unwrap_or_default();
            let member = Member { state: state.clone(), voter_id };
            if erased(&member) {
                count("erased");
                continue;
            }
            let unit = units.each_ref().map(|part| part[at].clone().unwrap_or_default());
            let id = number_of(&state, key);
            let home = home_number(id, &unit);
            // Lists of before tell of doors only.
            if taken.contains(&home) || taken.contains(&id) {
                count("on_other_lists");
                continue;
            }
            if last_door != Some(doors[at]) {
                let street: Vec<&str> = street_parts.iter().filter_map(|part| part[at].as_deref()).collect();
                let named = street_parts[1][at].is_some();
                let within = |part: &Option<String>| part.clone().unwrap_or_default();
                let street = named
                    .then(|| format!("{}|{}|{}", street.join(" "), within(&cities[at]), within(&zips[at])));
                let wide = street_parts[2][at].as_deref().is_some_and(|kind| WIDE.contains(&kind));
                let number = numbers[at].as_deref().and_then(leading_number);
                let street_key = key.split('|').next().and_then(|line| line.split_once(' '));
                let street_key = street_key.map(|(_, street)| street.to_string()).unwrap_or_default();
                stops.push(Door { id, place, street, street_key, number, wide, households: Vec::new() });
                last_household = None;
            }
            let door = stops.last_mut().expect("a door was begun");
            if last_household != Some(households[at]) {
                let [kind, number] = unit;
                let digits: String = number.chars().filter(char::is_ascii_digit).collect();
                let unit = (kind, digits.parse().unwrap_or(0), number);
                door.households.push(Home { unit, id: home, people: Vec::new() });
            }
            door.households.last_mut().expect("a household was begun").people.push(member);
            (last_door, last_household) = (Some(doors[at]), Some(households[at]));
        }
        for door in &mut stops {
            door.households.sort_by(|one, other| one.unit.cmp(&other.unit));
        }
        Ok(Doors { stops, suppressed })
    }

    pub fn is_empty(&self) -> bool {
        self.stops.is_empty()
    }

    /// Cuts the doors into turfs, numbered on from one.
    pub fn cut(
        self,
        serving: &Serving,
        request: &TurfsRequest,
        first_number: u32,
        go_on: &mut dyn FnMut(f64) -> bool,
    ) -> Result<(Vec<Turf>, f64), ApiError> {
        let plane = Plane::around(self.stops.iter().map(|door| door.place));
        let pace = request.pace();
        let stay = |households: &[Home]| {
            households.iter().map(|home| request.minutes_at(home.people.len())).sum::<f64>()
        };
        // A tower is more than one canvasser can do: its units are shared out.
        let whole: f64 = self.stops.iter().map(|door| stay(&door.households)).sum();
        let doors: f64 = self.stops.iter().map(|door| door.households.len() as f64).sum();
        let turf_minutes = match (request.minutes_per_turf, request.doors_per_turf, request.canvassers) {
            (Some(minutes), ..) => minutes,
            (_, Some(each), _) => whole * each / doors.max(1.0),
            (.., canvassers) => whole / f64::from(canvassers.unwrap_or(1)),
        };
        let mut streets: HashMap<&str, u32> = HashMap::new();
        let (mut ground, mut parts) = (Vec::new(), Vec::new());
        for door in &self.stops {
            let fresh = streets.len() as u32 + 1;
            let street = door.street.as_deref().map_or(0, |street| *streets.entry(street).or_insert(fresh));
            let mut from = 0;
            while from < door.households.len() {
                let mut to = from + 1;
                while to < door.households.len()
                    && stay(&door.households[from..=to]) <= turf_minutes * LARGEST_SHARE
                {
                    to += 1;
                }
                ground.push(GroundStop {
                    point: plane.metres(door.place),
                    minutes: stay(&door.households[from..to]),
                    doors: (to - from) as u32,
                    street,
                    side: door.number.is_some_and(|number| number % 2 == 1),
                    crossing: CROSSING[usize::from(door.wide)],
                });
                parts.push((door, from..to));
                from = to;
            }
        }
        let points: Vec<[f64; 2]> = ground.iter().map(|stop| stop.point).collect();
        let ways = streets::network(serving, self.stops.iter().map(|door| door.place), &plane)?;
        let network = (!ways.is_empty()).then(|| Streets::new(&ways));
        let mut nearby = Nearby::new(&points);
        let ground = match &network {
            None => Ground::open(ground),
            Some(network) => {
                if network.has_barriers() {
                    nearby = nearby.without(|one, other| {
                        network.crosses_barrier(points[one as usize], points[other as usize])
                    });
                }
                let names: Vec<(&str, bool)> =
                    parts.iter().map(|(door, _)| (door.street_key.as_str(), door.number.is_some())).collect();
                Ground::on_streets(ground, &names, network)
            }
        };
        let mut walks = cut(&ground, &nearby, pace, request.size(), go_on).map_err(unfit)?;
        let starts: Vec<[f64; 2]> =
            request.starts.iter().map(|start| plane.metres([start.longitude, start.latitude])).collect();
        let chosen: Vec<Option<usize>> =
            walks.iter_mut().map(|walk| start_of(&ground, walk, &starts)).collect();
        let rounds: Vec<Vec<u32>> = walks.iter().map(|walk| walk.stops.clone()).collect();
        let legs = legs(&ground, &rounds);
        if network.is_some() {
            // What is far apart was taken for a usual detour; now the way itself is known.
            for (walk, legs) in walks.iter_mut().zip(&legs) {
                walk.metres = legs.iter().map(|leg| leg.metres).sum();
                let there = walk.stops.iter().map(|stop| ground.stops[*stop as usize].minutes).sum::<f64>();
                walk.minutes = there + legs.iter().map(|leg| pace.minutes(leg.metres)).sum::<f64>();
            }
        }
        let minutes = || walks.iter().map(|walk| walk.minutes);
        let spread = minutes().fold(0.0, f64::max) / minutes().fold(f64::INFINITY, f64::min).max(0.01);
        let mut turf_of = vec![0; points.len()];
        for (turf, walk) in walks.iter().enumerate() {
            walk.stops.iter().for_each(|stop| turf_of[*stop as usize] = turf as u32);
        }
        let outlines = outline::outlines(&points, &turf_of, walks.len());
        let turfs = walks.into_iter().zip(outlines).zip(chosen).zip(legs).enumerate().map(
            |(at, (((walk, rings), start), legs))| {
                let stops = walk.stops.iter().enumerate().map(|(place, stop)| {
                    let (here, (door, range)) = (&ground.stops[*stop as usize], &parts[*stop as usize]);
                    let [x, y] = here.point;
                    let metres = match (place, start.map(|start| starts[start])) {
                        (0, None) => 0.0,
                        (0, Some([east, north])) => (x - east).hypot(y - north),
                        (place, _) => legs[place - 1].metres,
                    };
                    Stop {
                        longitude: door.place[0],
                        latitude: door.place[1],
                        minutes: tenths(here.minutes),
                        metres: tenths(metres),
                        door: door.id,
                        households: door.households[range.clone()]
                            .iter()
                            .map(|home| home.people.clone())
                            .collect(),
                        homes: door.households[range.clone()].iter().map(|home| home.id).collect(),
                    }
                });
                let start =
                    start.map(|start| [request.starts[start].longitude, request.starts[start].latitude]);
                let path = match &network {
                    None => Vec::new(),
                    Some(_) => path_of(&legs, start, &plane),
                };
                Turf {
                    number: first_number + at as u32,
                    stops: stops.collect(),
                    minutes: tenths(walk.minutes),
                    metres: tenths(walk.metres),
                    start,
                    path,
                    outline: multi_polygon(rings, &plane),
                    replaced: false,
                }
            },
        );
        Ok((turfs.collect(), (spread * 1e4).round() / 1e4))
    }
}

/// The walk as a line along the streets: from the start, if there is one, else all around. It tells of no door: who is struck
/// off later must not be found by a corner of the line.
fn path_of(legs: &[Leg], start: Option<[f64; 2]>, plane: &Plane) -> Vec<[f64; 2]> {
    let round = |value: f64| (value * 1e6).round() / 1e6;
    let last = legs.len().saturating_sub(usize::from(start.is_some()));
    let on_streets =
        legs[..last].iter().flat_map(|leg| leg.points.get(1..leg.points.len() - 1).unwrap_or_default());
    let mut line: Vec<[f64; 2]> = Vec::new();
    for point in on_streets {
        if let [.., before, at] = line[..]
            && goes_on(before, at, *point)
        {
            line.pop();
        }
        line.push(*point);
    }
    let points = line.into_iter().map(|point| plane.degrees(point).map(round));
    let mut path: Vec<[f64; 2]> = start.into_iter().chain(points).chain(start).collect();
    path.dedup();
    path
}

/// Whether a line goes straight on at its middle point.
fn goes_on(before: [f64; 2], at: [f64; 2], next: [f64; 2]) -> bool {
    let (a, b) = ([at[0] - before[0], at[1] - before[1]], [next[0] - at[0], next[1] - at[1]]);
    let (cross, along) = (a[0] * b[1] - a[1] * b[0], a[0] * b[0] + a[1] * b[1]);
    along >= 0.0 && cross.abs() <= 0.01 * (a[0].hypot(a[1]) * b[0].hypot(b[1])).max(1e-9)
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Turns a walk so that it begins and ends near the nearest start, where one is in walking distance.
fn start_of(ground: &Ground, walk: &mut Walk, starts: &[[f64; 2]]) -> Option<usize> {
    let far = |start: &[f64; 2]| {
        let to = |stop: &u32| {
            let [x, y] = ground.point(*stop);
            (x - start[0]).hypot(y - start[1])
        };
        walk.stops.iter().map(to).fold(f64::INFINITY, f64::min)
    };
    let distances: Vec<f64> = starts.iter().map(far).collect();
    let nearest = (0..starts.len()).min_by(|one, other| distances[*one].total_cmp(&distances[*other]))?;
    begin_near(ground, &mut walk.stops, starts[nearest]);
    (distances[nearest] <= NEAR).then_some(nearest)
}

/// The number that stands for a door in every cut and release.
fn number_of(state: &str, match_key: &str) -> u64 {
    let hash = blake3::hash(format!("{state}|{match_key}").as_bytes());
    // JSON numbers are exact up to 53 bits everywhere.
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes")) >> 11
}

/// The number that stands for a household, of its door and unit. One door may be shared out between lists.
fn home_number(door: u64, unit: &[String; 2]) -> u64 {
    let hash = blake3::hash(format!("{door}|{}|{}", unit[0], unit[1]).as_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes"))
}

fn leading_number(text: &str) -> Option<u32> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

type Ring = Vec<[f64; 2]>;
/// An outer ring and its holes.
type Polygon = (Ring, Vec<Ring>);

fn multi_polygon(rings: Vec<Vec<[f64; 2]>>, plane: &Plane) -> Value {
    let area = |ring: &[[f64; 2]]| -> f64 {
        ring.windows(2).map(|pair| pair[0][0] * pair[1][1] - pair[1][0] * pair[0][1]).sum::<f64>() / 2.0
    };
    let degrees = |ring: &Vec<[f64; 2]>| -> Vec<[f64; 2]> {
        let round = |value: f64| (value * 1e7).round() / 1e7;
        ring.iter().map(|point| plane.degrees(*point).map(round)).collect()
    };
    let (outer, holes): (Vec<_>, Vec<_>) = rings.into_iter().partition(|ring| area(ring) > 0.0);
    let mut polygons: Vec<Polygon> = outer.into_iter().map(|ring| (ring, Vec::new())).collect();
    for hole in holes {
        let owner = polygons
            .iter_mut()
            .filter(|(ring, _)| holds(ring, hole[0]))
            .min_by(|one, other| area(&one.0).total_cmp(&area(&other.0)));
        if let Some((_, holes)) = owner {
            holes.push(hole);
        }
    }
    let polygon =
        |(ring, holes): &Polygon| -> Vec<Ring> { std::iter::once(ring).chain(holes).map(degrees).collect() };
    json!({"type": "MultiPolygon", "coordinates": polygons.iter().map(polygon).collect::<Vec<_>>()})
}

/// Whether a ring holds a point (ray to the east).
fn holds(ring: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
    ring.windows(2)
        .filter(|pair| {
            let ([ax, ay], [bx, by]) = (pair[0], pair[1]);
            (ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax
        })
        .count()
        % 2
        == 1
}

fn unfit(error: bellwether_field::Error) -> ApiError {
    match error {
        bellwether_field::Error::Cancelled => ApiError::conflict("cancelled"),
        error => ApiError::of_status(axum::http::StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
    }
}

/// The rules of suppression of a cut.
pub fn rules(request: &TurfsRequest, elections: &[String]) -> Rules {
    let today = (chrono::Utc::now().timestamp() / 86_400) as i32;
    Rules { elections: elections.to_vec(), today, recontact_days: request.left_alone() }
}

/// The elections whose ballots take people off: those that were named, else the newest of which ballots are known.
pub fn elections_of(request: &TurfsRequest, electorate: &Electorate) -> Vec<String> {
    match &request.elections {
        Some(elections) => elections.clone(),
        None => {
            // A date far ahead is a slip of the pen, and must not stand for the election that is under way.
            let soon = (chrono::Utc::now() + chrono::Days::new(400)).format("%Y-%m-%d").to_string();
            let real = |id: &String| bellwether_electorate::is_election(id) && **id <= *soon;
            electorate.elections_of_ballots().into_iter().filter(real).take(1).collect()
        }
    }
}

/// Every reason, so that a sum shows what was looked for.
pub fn reasons() -> impl Iterator<Item = &'static str> {
    Suppressed::ALL.iter().map(|why| why.name()).chain(["erased", "no_place", "on_other_lists"])
}
