//! Television as a release knows it: markets, the panel and what it watched, and programmes that only have ratings.

use std::collections::{BTreeMap, HashMap};

use bellwether_media::audience::{Audience, Person};
use bellwether_media::rated::{FIFTHS, USUAL_RATIO, viewers};

use crate::error::ApiError;
use crate::grouping::age_band;
use crate::serving::Serving;

/// A market.
#[derive(Debug, Clone)]
pub struct Market {
    pub id: String,
    pub name: String,
    pub tv_households: Option<f64>,
}

/// Numbers of names, in the order in which they come.
#[derive(Debug, Clone, Default)]
pub struct Numbers {
    of: HashMap<String, u32>,
    pub names: Vec<String>,
}

impl Numbers {
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.of.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.of.insert(name.to_string(), number);
        self.names.push(name.to_string());
        number
    }

    /// Names in the order of their numbers.
    pub fn of(names: Vec<String>) -> Numbers {
        let of = names.iter().enumerate().map(|(at, name)| (name.clone(), at as u32)).collect();
        Numbers { of, names }
    }

    pub fn find(&self, name: &str) -> Option<u32> {
        self.of.get(name).copied()
    }

    /// The code of a value for cells: those beyond 250 are one.
    pub fn code(&mut self, name: &str) -> u8 {
        self.number(name).min(250) as u8
    }
}

/// A programme of a station in a market, by its own name.
type ProgrammeKey = (u32, String, String);

/// How a programme's audience is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// A panel measured it.
    Measured,
    /// By ratings of groups.
    Rated,
}

/// What a release knows of television.
pub struct Television {
    pub markets: Vec<Market>,
    pub market_numbers: Numbers,
    pub ages: Numbers,
    pub genders: Numbers,
    pub parties: Numbers,
    pub people: Vec<Person>,
    /// Of each person the age band's name, for groups by age and sex, and the age.
    pub band_of: Vec<&'static str>,
    pub ages_of: Vec<i64>,
    /// State and voter id of those who are matched to a voter file.
    pub voters: Vec<Option<(String, String)>>,
    /// People of every market, those of a household beside each other.
    pub people_of: Vec<Vec<u32>>,
    programmes: HashMap<ProgrammeKey, u32>,
    /// What cable zones get of a programme: its own audience, as far as it lives there.
    in_zones: HashMap<ProgrammeKey, HashMap<String, u32>>,
    pub known: Vec<Known>,
    /// The market of every programme.
    pub market_of: Vec<u32>,
    /// Cable zones of the panel, and those of every person.
    zones: Numbers,
    zones_of: Vec<Vec<u32>>,
    watching: Vec<(u32, u32, f32)>,
    /// Everybody with the panel's own weights.
    pub audience: Audience,
}

/// People that stand for a group where nobody is watched: so many of every fifth.
const STAND_INS: usize = 16;
/// Ages that stand for the bands, and both sexes.
const AGES: [i64; 7] = [21, 30, 40, 50, 60, 70, 80];

/// A rating of a group.
type Rated = (String, i64, i64, f64);

impl Television {
    pub fn read(serving: &Serving) -> Result<Television, ApiError> {
        let mut made = Television {
            markets: Vec::new(),
            market_numbers: Numbers::default(),
            ages: Numbers::default(),
            genders: Numbers::default(),
            parties: Numbers::default(),
            people: Vec::new(),
            band_of: Vec::new(),
            ages_of: Vec::new(),
            voters: Vec::new(),
            people_of: Vec::new(),
            programmes: HashMap::new(),
            in_zones: HashMap::new(),
            known: Vec::new(),
            market_of: Vec::new(),
            zones: Numbers::default(),
            zones_of: Vec::new(),
            watching: Vec::new(),
            audience: Audience::default(),
        };
        let markets = serving.copy.tv_markets()?;
        let (ids, names, homes) =
            (markets.texts("market_id"), markets.texts("market"), markets.integers("tv_households"));
        for ((id, name), homes) in ids.into_iter().zip(names).zip(homes) {
            let number = made.market(&id.unwrap_or_default());
            made.markets[number as usize].name = name.unwrap_or_default();
            made.markets[number as usize].tv_households = homes.map(|homes| homes as f64);
        }
        made.read_panel(serving)?;
        let viewing = serving.copy.tv_viewing()?;
        let [(market, markets), (station, stations), (programme, programmes)] =
            ["market_id", "station", "programme"].map(|name| viewing.numbered(name));
        let (person, chance) = (viewing.integers("person"), viewing.doubles("chance"));
        let mut held: Option<([u32; 3], u32)> = None;
        for at in 0..viewing.rows() {
            let key = [market[at], station[at], programme[at]];
            let number = match held {
                Some((of, number)) if of == key => number,
                _ => {
                    let market = made.market(&markets[key[0] as usize]);
                    let [station, name] = [&stations[key[1] as usize], &programmes[key[2] as usize]];
                    made.programme((market, station.clone(), name.clone()), Known::Measured)
                }
            };
            held = Some((key, number));
            if let (Some(person), Some(chance)) = (person[at], chance[at]) {
                made.watching.push((number, person as u32, chance as f32));
            }
        }
        made.read_ratings(serving)?;
        made.read_zones(serving)?;
        made.people_of = vec![Vec::new(); made.markets.len()];
        made.people
            .iter()
            .enumerate()
            .for_each(|(at, of)| made.people_of[of.market as usize].push(at as u32));
        let people = &made.people;
        made.people_of.iter_mut().for_each(|of| of.sort_by_key(|at| people[*at as usize].household));
        let weights = made.people.iter().map(|person| person.weight).collect();
        let markets = made.people.iter().map(|person| person.market).collect();
        let watching = std::mem::take(&mut made.watching);
        made.audience = Audience::new(weights, markets, made.known.len(), watching);
        Ok(made)
    }

    fn market(&mut self, id: &str) -> u32 {
        let number = self.market_numbers.number(id);
        if number as usize == self.markets.len() {
            self.markets.push(Market { id: id.to_string(), name: String::new(), tv_households: None });
        }
        number
    }

    fn programme(&mut self, key: ProgrammeKey, known: Known) -> u32 {
        let (market, fresh) = (key.0, self.known.len() as u32);
        let number = *self.programmes.entry(key).or_insert(fresh);
        if number == fresh {
            self.known.push(known);
            self.market_of.push(market);
        }
        number
    }

    /// The number of a programme's audience in a zone of a market; the whole market's where there is no zone.
    pub fn find(&self, market: u32, station: &str, zone: &str, programme: &str) -> Option<u32> {
        let key = (market, station.to_string(), programme.to_string());
        match zone {
            "" => self.programmes.get(&key).copied(),
            zone => self.in_zones.get(&key)?.get(zone).copied(),
        }
    }

    /// Audiences of programmes in the cable zones that spots are on offer in: the homes of the panel that get the zone. Of a
    /// zone that the panel knows no home of, nothing can be told, and a panel that knows no zones speaks for all of them.
    fn read_zones(&mut self, serving: &Serving) -> Result<(), ApiError> {
        let answer = serving.copy.tv_zones()?;
        let [market, station, zone, name] =
            ["market_id", "station", "zone", "programme"].map(|name| answer.texts(name));
        self.watching.sort_unstable_by_key(|(programme, person, _)| (*programme, *person));
        // Zones of every market that some home of the panel gets.
        let mut known: HashMap<u32, std::collections::HashSet<u32>> = HashMap::new();
        for (person, zones) in self.people.iter().zip(&self.zones_of).filter(|(_, zones)| !zones.is_empty()) {
            known.entry(person.market).or_default().extend(zones);
        }
        let whole = self.watching.len();
        for at in 0..answer.rows() {
            let text = |column: &[Option<String>]| column[at].clone().unwrap_or_default();
            let Some(market) = self.market_numbers.find(&text(&market)) else { continue };
            let key = (market, text(&station), text(&name));
            let Some(base) = self.programmes.get(&key).copied() else { continue };
            let of_zone = self.zones.find(&text(&zone).to_lowercase());
            let number = match (known.get(&market), of_zone) {
                (None, _) => base,
                (Some(known), Some(zone)) if known.contains(&zone) => {
                    let fresh = self.known.len() as u32;
                    let from = self.watching[..whole].partition_point(|(of, ..)| *of < base);
                    let to = self.watching[..whole].partition_point(|(of, ..)| *of <= base);
                    let own: Vec<(u32, u32, f32)> = self.watching[from..to]
                        .iter()
                        .filter(|(_, person, _)| self.zones_of[*person as usize].contains(&zone))
                        .map(|(_, person, chance)| (fresh, *person, *chance))
                        .collect();
                    // A zone that everybody who watches gets is the whole market.
                    if own.len() == to - from {
                        base
                    } else {
                        self.known.push(self.known[base as usize]);
                        self.market_of.push(market);
                        self.watching.extend(own);
                        fresh
                    }
                }
                _ => continue,
            };
            self.in_zones.entry(key).or_default().insert(text(&zone), number);
        }
        Ok(())
    }

    fn read_panel(&mut self, serving: &Serving) -> Result<(), ApiError> {
        let panel = serving.copy.tv_panel()?;
        let [home, market, gender, party, state, voter, zones] =
            ["household_id", "market_id", "gender", "party", "state", "voter_id", "zones"]
                .map(|name| panel.texts(name));
        let (weight, age) = (panel.doubles("weight"), panel.integers("age"));
        let mut homes = Numbers::default();
        for at in 0..panel.rows() {
            let text = |column: &[Option<String>]| column[at].clone().unwrap_or_default();
            let market = self.market(&text(&market));
            let band = age_band(age[at].unwrap_or(0));
            let person = Person {
                market,
                age: self.ages.code(band),
                gender: self.genders.code(&text(&gender)),
                party: self.parties.code(&text(&party)),
                score: 0,
                weight: weight[at].unwrap_or(0.0),
                household: homes.number(&text(&home)),
            };
            self.people.push(person);
            self.band_of.push(band);
            self.ages_of.push(age[at].unwrap_or(0));
            let (state, voter) = (text(&state), text(&voter));
            self.voters.push(Some((state, voter)).filter(|(_, voter)| !voter.is_empty()));
            let zones = text(&zones);
            let zones = zones.split(';').filter(|zone| !zone.is_empty());
            self.zones_of.push(zones.map(|zone| self.zones.number(&zone.to_lowercase())).collect());
        }
        Ok(())
    }

    /// Programmes that no panel measured: as many watch them at all, for their ratings, as measured ones of the market.
    fn read_ratings(&mut self, serving: &Serving) -> Result<(), ApiError> {
        let ratings = serving.copy.tv_ratings()?;
        let [market, station, programme, gender] =
            ["market_id", "station", "programme", "gender"].map(|name| ratings.texts(name));
        let (from, to, rating) =
            (ratings.integers("age_from"), ratings.integers("age_to"), ratings.doubles("rating"));
        let mut rated: BTreeMap<ProgrammeKey, Vec<Rated>> = BTreeMap::new();
        for at in 0..ratings.rows() {
            let text = |column: &[Option<String>]| column[at].clone().unwrap_or_default();
            let key = (self.market(&text(&market)), text(&station), text(&programme));
            if !self.programmes.contains_key(&key) {
                let group =
                    (text(&gender), from[at].unwrap_or(0), to[at].unwrap_or(120), rating[at].unwrap_or(0.0));
                rated.entry(key).or_default().push(group);
            }
        }
        let watched: std::collections::HashSet<u32> =
            self.people.iter().map(|person| person.market).collect();
        let unwatched: std::collections::BTreeSet<u32> =
            rated.keys().map(|(market, ..)| *market).filter(|market| !watched.contains(market)).collect();
        let mut watches = vec![0.0f64; self.people.len()];
        for market in unwatched {
            watches.extend(self.stand_ins(market));
        }
        // People who watch a programme at all, and those who watch an average minute, by market.
        let mut seen = vec![(0.0f64, 0.0f64); self.markets.len()];
        for (_, person, chance) in &self.watching {
            let (of, chance) = (&self.people[*person as usize], f64::from(*chance));
            watches[*person as usize] += chance;
            let held = &mut seen[of.market as usize];
            *held = (held.0 + of.weight, held.1 + of.weight * chance);
        }
        let ratio = |(ever, average): (f64, f64)| if average > 0.0 { Some(ever / average) } else { None };
        let everywhere = seen.iter().fold((0.0, 0.0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        let ratio_in =
            |market: u32| ratio(seen[market as usize]).or_else(|| ratio(everywhere)).unwrap_or(USUAL_RATIO);
        let mut of_market: HashMap<u32, Vec<u32>> = HashMap::new();
        for (at, person) in self.people.iter().enumerate() {
            of_market.entry(person.market).or_default().push(at as u32);
        }
        // Who is in which group of a market: programmes are mostly rated by the same groups.
        type Grouped = HashMap<Option<usize>, Vec<u32>>;
        type Groups = Vec<(String, i64, i64)>;
        let mut grouped: HashMap<(u32, Groups), Grouped> = HashMap::new();
        for (key, groups) in rated {
            let market = key.0;
            let number = self.programme(key, Known::Rated);
            let names: Groups =
                groups.iter().map(|(gender, from, to, _)| (gender.clone(), *from, *to)).collect();
            let at = (market, names.clone());
            if let std::collections::hash_map::Entry::Vacant(fresh) = grouped.entry(at) {
                let mut of_group: Grouped = HashMap::new();
                for person in of_market.get(&market).into_iter().flatten() {
                    let (gender, age) = self.sex_and_age(*person);
                    let fits = |(group, from, to): &(String, i64, i64)| {
                        (group.is_empty() || *group == gender) && (*from..=*to).contains(&age)
                    };
                    // The narrowest group tells most of somebody.
                    let group = names.iter().enumerate().filter(|(_, group)| fits(group));
                    let group = group.min_by_key(|(_, (gender, from, to))| (to - from, gender.is_empty()));
                    of_group.entry(group.map(|(at, _)| at)).or_default().push(*person);
                }
                of_group.remove(&None);
                fresh.insert(of_group);
            }
            for (group, people) in &grouped[&(market, names)] {
                let Some(group) = group else { continue };
                let habit = |person: &u32| (self.people[*person as usize].weight, watches[*person as usize]);
                let of: Vec<(f64, f64)> = people.iter().map(habit).collect();
                let seed = u64::from(number) << 8 | *group as u64 & 0xFF;
                let found = viewers(groups[*group].3 / 100.0, ratio_in(market), &of, seed);
                self.watching.extend(found.into_iter().map(|(at, chance)| (number, people[at], chance)));
            }
        }
        Ok(())
    }

    fn sex_and_age(&self, person: u32) -> (&str, i64) {
        let gender = self.genders.names.get(self.people[person as usize].gender as usize);
        (gender.map_or("", String::as_str), self.ages_of[person as usize])
    }

    /// People of a market that nobody is watched in, and how much each watches.
    fn stand_ins(&mut self, market: u32) -> Vec<f64> {
        let mut home = self.people.iter().map(|person| person.household + 1).max().unwrap_or(0);
        // As many adults as its homes have, two a home.
        let adults = self.markets[market as usize].tv_households.unwrap_or(0.0).max(1.0) * 2.0;
        let weight = adults / (AGES.len() * 2 * FIFTHS.len() * STAND_INS) as f64;
        let mut habits = Vec::new();
        for age in AGES {
            for gender in ["F", "M"] {
                for at in 0..FIFTHS.len() * STAND_INS {
                    habits.push(FIFTHS[at % FIFTHS.len()]);
                    let person = Person {
                        market,
                        age: self.ages.code(age_band(age)),
                        gender: self.genders.code(gender),
                        party: self.parties.code(""),
                        score: 0,
                        weight,
                        household: home,
                    };
                    home += 1;
                    self.people.push(person);
                    self.band_of.push(age_band(age));
                    self.ages_of.push(age);
                    self.voters.push(None);
                    self.zones_of.push(Vec::new());
                }
            }
        }
        habits
    }

    pub fn households(&self) -> Vec<u32> {
        self.people.iter().map(|person| person.household).collect()
    }
}
