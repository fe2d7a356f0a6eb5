//! Streets and houses inside a precinct: short straight streets with numbered houses on them, every house within
//! the precinct's outline.

use bellwether_atlas::Outline;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// One residence.
#[derive(Debug, Clone)]
pub struct House {
    pub number: u32,
    pub pre_direction: &'static str,
    pub street: &'static str,
    pub street_type: &'static str,
    pub unit: Option<u32>,
    pub longitude: f64,
    pub latitude: f64,
}

const STREETS: &[&str] = &[
    "MAIN",
    "OAK",
    "PINE",
    "MAPLE",
    "CEDAR",
    "ELM",
    "WASHINGTON",
    "LAKE",
    "HILL",
    "WALNUT",
    "SPRING",
    "NORTH FORK",
    "RIDGE",
    "CHURCH",
    "WILLOW",
    "MILL",
    "SUNSET",
    "RAILROAD",
    "JACKSON",
    "CHERRY",
    "HIGHLAND",
    "FRANKLIN",
    "RIVER",
    "MEADOW",
    "BROAD",
    "CHESTNUT",
    "SPRUCE",
    "ASPEN",
    "COTTONWOOD",
    "JUNIPER",
    "PRAIRIE",
    "COLUMBINE",
    "YARROW",
    "LARKSPUR",
    "SAGE",
    "BLUEBELL",
    "CLOVER",
    "FOXGLOVE",
    "HAWTHORN",
    "LINDEN",
    "1ST",
    "2ND",
    "3RD",
    "4TH",
    "5TH",
    "6TH",
    "7TH",
    "8TH",
    "9TH",
    "10TH",
    "11TH",
    "12TH",
    "LAKE VIEW",
    "O'BRIEN",
    "CAÑON",
];
const TYPES: &[&str] = &["ST", "AVE", "DR", "LN", "CT", "WAY", "RD", "PL", "CIR", "BLVD"];
const DIRECTIONS: &[&str] = &["", "", "", "N", "S", "E", "W"];

/// Houses on one street.
const HOUSES: u32 = 40;
/// Degrees between neighbours: some twenty-five metres.
const SPACING: f64 = 0.00025;

/// Makes `count` houses. `block` keeps house numbers of precincts that share a ZIP code apart.
pub fn houses(outline: &Outline, count: usize, block: u32, rng: &mut ChaCha8Rng) -> Vec<House> {
    let mut houses = Vec::with_capacity(count);
    let first = rng.random_range(0..STREETS.len());
    let mut street_number = 0;
    while houses.len() < count {
        let street = STREETS[(first + street_number) % STREETS.len()];
        // The n-th street of a precinct has a name and type of its own.
        let street_type = TYPES[(street_number / STREETS.len()) % TYPES.len()];
        let pre_direction = DIRECTIONS[(street_number / STREETS.len() / TYPES.len()) % DIRECTIONS.len()];
        street_number += 1;
        let (x, y) = point_within(outline, rng);
        let angle = rng.random::<f64>() * std::f64::consts::TAU;
        let (dx, dy) = (angle.cos() * SPACING, angle.sin() * SPACING);
        for index in 0..HOUSES {
            let (longitude, latitude) = (x + dx * f64::from(index), y + dy * f64::from(index));
            if houses.len() == count || !outline.covers(longitude, latitude) {
                break;
            }
            let number = block * 1000 + index * 20 + rng.random_range(1..=9) * 2;
            let building = rng.random::<f64>() < 0.06;
            let units = if building { rng.random_range(4..=12) } else { 1 };
            for unit in 1..=units.min((count - houses.len()) as u32) {
                let unit = building.then_some(100 + unit);
                houses.push(House { number, pre_direction, street, street_type, unit, longitude, latitude });
            }
        }
    }
    houses
}

/// A point within an outline: tried at random in its extent, else its middle.
fn point_within(outline: &Outline, rng: &mut ChaCha8Rng) -> (f64, f64) {
    let [west, south, east, north] = outline.extent();
    for _ in 0..200 {
        let (x, y) = (rng.random_range(west..=east), rng.random_range(south..=north));
        if outline.covers(x, y) {
            return (x, y);
        }
    }
    outline.middle().unwrap_or((west, south))
}
