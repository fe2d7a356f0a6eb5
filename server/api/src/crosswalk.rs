//! How the votes of precincts are carried onto areas that nobody has loaded: by the voters, the people or the area on
//! either side of a line that cuts a precinct.

use std::collections::HashMap;

use bellwether_atlas::{Layer, Outline};
use bellwether_electorate::{Electorate, Filter, Grouping, Key, Measures};
use bellwether_schema::ids::Kind;
use bellwether_warehouse::Answer;
use serde_json::Value;

/// Voters at matched addresses that a precinct must have for its votes to follow them.
const ENOUGH: f64 = 10.0;

/// How much of a precinct's votes are an area's.
#[derive(Clone, Copy)]
pub struct Carried {
    pub share: f64,
    pub method: Method,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    Counted,
    Voters,
    Population,
    Area,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::Counted => "counted",
            Method::Voters => "voters",
            Method::Population => "population",
            Method::Area => "area",
        }
    }
}

/// Shares of one precinct that sum to one within this are those of a plan that divides it up: they are scaled to one, so
/// that the plan keeps every vote.
const CLOSES: f64 = 0.02;

/// Who lives in an area and which precincts it covers.
pub struct Found {
    pub id: Value,
    pub voters: Vec<u64>,
    /// Position among the precincts, fraction of its area.
    pub precincts: Vec<(usize, f64)>,
    /// People who live in its part of the precincts that its line cuts, as far as points of population are loaded.
    pub people: HashMap<usize, f64>,
}

/// Points of population by the precinct in which they lie: longitude, latitude and people.
#[derive(Default)]
pub struct People {
    of: HashMap<usize, Vec<[f64; 3]>>,
}

impl People {
    /// Sorts points, `population, longitude, latitude`, into the precincts of a layer.
    pub fn new(points: &Answer, precincts: Option<&Layer>) -> People {
        let column = |name: &str| -> Vec<f64> {
            points.doubles(name).into_iter().map(Option::unwrap_or_default).collect()
        };
        let (people, longitudes, latitudes) = (column("population"), column("longitude"), column("latitude"));
        let mut of: HashMap<usize, Vec<[f64; 3]>> = HashMap::new();
        let located = precincts.map_or_else(Vec::new, |layer| layer.locate_all(&longitudes, &latitudes));
        for (at, precinct) in located.into_iter().enumerate() {
            if let Some(precinct) = precinct {
                of.entry(precinct as usize).or_default().push([longitudes[at], latitudes[at], people[at]]);
            }
        }
        People { of }
    }

    /// People of a precinct and of its average point; none where nobody is known to live.
    fn of(&self, precinct: usize) -> Option<(f64, f64)> {
        let points = self.of.get(&precinct)?;
        let all: f64 = points.iter().map(|[_, _, people]| people).sum();
        (all > 0.0).then(|| (all, all / points.len() as f64))
    }

    /// People within an outline, of each of the precincts that it cuts.
    pub fn within(&self, outline: &Outline, precincts: &[(usize, f64)]) -> HashMap<usize, f64> {
        let cut = precincts.iter().filter(|(_, fraction)| *fraction < 1.0);
        let within = |[longitude, latitude, people]: &[f64; 3]| {
            if outline.covers(*longitude, *latitude) { *people } else { 0.0 }
        };
        cut.filter_map(|(precinct, _)| Some((*precinct, self.of.get(precinct)?.iter().map(within).sum())))
            .collect()
    }
}

/// Voters of each precinct who live at a matched address, among those of a bitmap.
fn homes(electorate: &Electorate, voters: &[u64]) -> HashMap<String, f64> {
    let Some(located) = electorate.column("located") else { return HashMap::new() };
    let by = vec![Key::District(Kind::Precinct), Key::Field(located)];
    let grouping = Grouping { by, measures: Measures::default() };
    let groups = electorate.group(&Filter::of_bitmap(voters.to_vec()), &grouping);
    let mut homes = HashMap::new();
    for cell in groups.cells {
        let precinct = electorate.label(&grouping.by[0], cell.codes[0]);
        if let (Some(precinct), "address") =
            (precinct.as_str(), electorate.label(&grouping.by[1], cell.codes[1]).as_str().unwrap_or_default())
        {
            homes.insert(precinct.to_string(), cell.voters as f64);
        }
    }
    homes
}

/// What each area has of each precinct's votes: all where it lies within, else the share of the precinct's voters who
/// live there, else the share of its people, else the share of its area. The rule and its weights are those of the
/// derived table `crosswalk`.
pub fn carry(
    found: &[Found],
    electorate: &Electorate,
    people: &People,
    ids: &[String],
    by_voters: bool,
) -> Vec<Vec<(usize, Carried)>> {
    // A share of voters is an exact count over another one: callers without a right to persons get that of the people or the area.
    let cut =
        by_voters && found.iter().any(|found| found.precincts.iter().any(|(_, fraction)| *fraction < 1.0));
    let everyone =
        if cut { homes(electorate, &vec![!0; electorate.rows().div_ceil(64)]) } else { HashMap::new() };
    let mut sums: HashMap<usize, f64> = HashMap::new();
    let mut carried: Vec<Vec<(usize, Carried)>> = Vec::with_capacity(found.len());
    for found in found {
        let here = if cut { homes(electorate, &found.voters) } else { HashMap::new() };
        let one = |(precinct, fraction): &(usize, f64)| {
            if *fraction == 1.0 {
                return (*precinct, Carried { share: 1.0, method: Method::Counted });
            }
            let id = &ids[*precinct];
            let carried = match (everyone.get(id).filter(|all| **all >= ENOUGH), people.of(*precinct)) {
                (Some(all), _) => {
                    Carried { share: here.get(id).map_or(0.0, |here| here / all), method: Method::Voters }
                }
                (None, Some((all, of_a_point))) => {
                    let here = found.people.get(precinct).copied().unwrap_or_default();
                    let share = (here + of_a_point * fraction) / (all + of_a_point);
                    Carried { share, method: Method::Population }
                }
                (None, None) => Carried { share: *fraction, method: Method::Area },
            };
            (*precinct, carried)
        };
        let list: Vec<(usize, Carried)> = found.precincts.iter().map(one).collect();
        list.iter().for_each(|(precinct, carried)| *sums.entry(*precinct).or_insert(0.0) += carried.share);
        carried.push(list);
    }
    for (precinct, carried) in carried.iter_mut().flatten() {
        let sum = sums[precinct];
        if carried.method != Method::Counted && sum != 1.0 && (sum - 1.0).abs() <= CLOSES {
            carried.share /= sum;
        }
    }
    carried
}
