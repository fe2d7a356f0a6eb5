//! Names that people could have: drawn from census frequencies where the folder holds them, else from a short
//! list of common ones. Family names are drawn given race, first names given gender.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use rand::{Rng, RngExt};

use crate::sources::RACES;

/// Names with running totals of their weights.
struct Bag {
    names: Vec<String>,
    totals: Vec<f64>,
}

impl Bag {
    fn new(weighted: impl Iterator<Item = (String, f64)>) -> Bag {
        let (mut names, mut totals, mut total) = (Vec::new(), Vec::new(), 0.0);
        for (name, weight) in weighted.filter(|(_, weight)| *weight > 0.0) {
            total += weight;
            names.push(name);
            totals.push(total);
        }
        Bag { names, totals }
    }

    fn draw<R: Rng + ?Sized>(&self, rng: &mut R) -> &str {
        let at = rng.random::<f64>() * self.totals.last().copied().unwrap_or(0.0);
        let index = self.totals.partition_point(|total| *total <= at);
        self.names.get(index).map_or("Doe", String::as_str)
    }
}

/// All names.
pub struct Names {
    family: Vec<Bag>,
    female: Bag,
    male: Bag,
}

const FAMILY: &[&str] = &[
    "Smith",
    "Johnson",
    "Williams",
    "Brown",
    "Jones",
    "Garcia",
    "Miller",
    "Davis",
    "Rodriguez",
    "Martinez",
    "Hernandez",
    "Lopez",
    "Gonzalez",
    "Wilson",
    "Anderson",
    "Thomas",
    "Taylor",
    "Moore",
    "Jackson",
    "Martin",
    "Lee",
    "Perez",
    "Thompson",
    "White",
    "Harris",
    "Sanchez",
    "Clark",
    "Ramirez",
    "Lewis",
    "Robinson",
    "Walker",
    "Young",
    "Allen",
    "King",
    "Wright",
    "Scott",
    "Torres",
    "Nguyen",
    "Hill",
    "Flores",
    "Green",
    "Adams",
    "Nelson",
    "Baker",
    "Hall",
    "Rivera",
    "Campbell",
    "Mitchell",
    "Carter",
    "Roberts",
    "O'Neil",
    "Smith-Jones",
    "De La Cruz",
    "Nuñez",
];
const FEMALE: &[&str] = &[
    "Mary",
    "Patricia",
    "Linda",
    "Barbara",
    "Elizabeth",
    "Jennifer",
    "Maria",
    "Susan",
    "Margaret",
    "Dorothy",
    "Lisa",
    "Nancy",
    "Karen",
    "Betty",
    "Helen",
    "Sandra",
    "Donna",
    "Carol",
    "Ruth",
    "Sharon",
    "Michelle",
    "Laura",
    "Sarah",
    "Kimberly",
    "Deborah",
    "Jessica",
    "Shirley",
    "Cynthia",
    "Angela",
    "Melissa",
];
const MALE: &[&str] = &[
    "James",
    "John",
    "Robert",
    "Michael",
    "William",
    "David",
    "Richard",
    "Charles",
    "Joseph",
    "Thomas",
    "Christopher",
    "Daniel",
    "Paul",
    "Mark",
    "Donald",
    "George",
    "Kenneth",
    "Steven",
    "Edward",
    "Brian",
    "Ronald",
    "Anthony",
    "Kevin",
    "Jason",
    "Matthew",
    "Gary",
    "Timothy",
    "Jose",
    "Larry",
    "Jeffrey",
];

impl Names {
    /// Reads `census1990_dist.*` and `census2010_surname_race.csv.gz` from a `names` folder, as far as they are
    /// there.
    pub fn read(folder: &Path) -> Names {
        let folder = folder.join("names");
        let list = |file: &str, short: &[&str]| -> Vec<(String, f64)> {
            let found = frequencies(&folder.join(file));
            if found.is_empty() { short.iter().map(|name| (name.to_string(), 1.0)).collect() } else { found }
        };
        let family = list("census1990_dist.all.last.gz", FAMILY);
        let by_race = race_of_family_names(&folder.join("census2010_surname_race.csv.gz"));
        let bags = RACES.map(|race| {
            let column = match race {
                "white" => 0,
                "black" => 1,
                "asian" | "pacific" => 2,
                "native" => 3,
                "hispanic" => 5,
                _ => 4,
            };
            let weight = |name: &str| by_race.get(&name.to_uppercase()).map_or(0.1, |shares| shares[column]);
            Bag::new(family.iter().map(|(name, frequency)| (name.clone(), frequency * weight(name))))
        });
        Names {
            family: bags.into(),
            female: Bag::new(list("census1990_dist.female.first.gz", FEMALE).into_iter()),
            male: Bag::new(list("census1990_dist.male.first.gz", MALE).into_iter()),
        }
    }

    pub fn family<R: Rng + ?Sized>(&self, race: usize, rng: &mut R) -> &str {
        self.family[race].draw(rng)
    }

    pub fn first<R: Rng + ?Sized>(&self, female: bool, rng: &mut R) -> &str {
        if female { self.female.draw(rng) } else { self.male.draw(rng) }
    }
}

fn inflate(path: &Path) -> String {
    let mut text = String::new();
    if let Ok(file) = std::fs::File::open(path) {
        let _ = flate2::read::GzDecoder::new(file).read_to_string(&mut text);
    }
    text
}

/// Name and frequency of each line of a 1990 census list.
fn frequencies(path: &Path) -> Vec<(String, f64)> {
    let text = inflate(path);
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (name, frequency) = (words.next()?, words.next()?.parse::<f64>().ok()?);
        let mut letters = name.chars();
        let first = letters.next()?;
        // The lists print names in capitals and give the rarest a frequency of zero.
        Some((format!("{first}{}", letters.as_str().to_lowercase()), frequency + 0.0001))
    };
    text.lines().filter_map(line).collect()
}

/// P(race | name): white, black, api, native, multiple, hispanic.
fn race_of_family_names(path: &Path) -> HashMap<String, [f64; 6]> {
    let text = inflate(path);
    let line = |line: &str| {
        let mut fields = line.trim_end().split(',');
        let name = fields.next()?.to_string();
        let mut shares = [0.0; 6];
        for share in &mut shares {
            *share = fields.next()?.parse().ok()?;
        }
        Some((name, shares))
    };
    text.lines().skip(1).filter_map(line).collect()
}
