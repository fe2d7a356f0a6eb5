//! Invented television: programmes with audiences of their own, a viewing panel of invented voters, ratings by group, spots on
//! offer and some that were aired. All of it is made up: what people watch depends on their age, gender and party and on how
//! much they watch at all; prices follow the audience of adults from 35 on, as in the usual trade, so that what a campaign's
//! voters watch and others do not is cheap for it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use bellwether_loaders::convert::date_text;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::people::{Household, ROLL_YEAR};
use crate::{Error, write_failed};

/// Files of invented television.
#[derive(Debug, Clone)]
pub struct TelevisionFiles {
    pub panel: PathBuf,
    pub viewing: PathBuf,
    pub ratings: PathBuf,
    pub inventory: PathBuf,
    pub airings: PathBuf,
}

/// Dayparts: name, days, beginning and end, programmes of a station, mean rating in percent, dollars a thousand adults.
type Daypart = (&'static str, &'static str, &'static str, &'static str, usize, f64, f64);
const DAYPARTS: [Daypart; 9] = [
    ("early_morning", "M-F", "06:00", "09:00", 1, 2.4, 16.0),
    ("daytime", "M-F", "09:00", "16:00", 2, 1.8, 12.0),
    ("early_fringe", "M-F", "16:00", "18:00", 1, 2.6, 17.0),
    ("early_news", "M-F", "18:00", "19:00", 1, 5.2, 24.0),
    ("prime_access", "M-F", "19:00", "20:00", 1, 4.4, 26.0),
    ("prime", "M-Su", "20:00", "23:00", 3, 5.0, 38.0),
    ("late_news", "M-Su", "23:00", "23:35", 1, 3.8, 27.0),
    ("late_fringe", "M-F", "23:35", "01:00", 1, 1.2, 15.0),
    ("sports", "Sa-Su", "12:00", "18:00", 1, 3.6, 34.0),
];
/// Homes with cable. They alone get the networks, by a zone a county and one for the whole market.
const CABLE_HOMES: f64 = 0.72;
const WHOLE_MARKET: &str = "interconnect";
/// What a thousand adults cost more in a zone than in the whole market.
const ZONE_PREMIUM: f64 = 1.25;
const STATIONS: [&str; 5] = ["KFAA", "KFBB", "KFCC", "KFDD", "KFEE"];
const NETWORKS: [&str; 8] = ["Trail", "Hearth", "Arena", "Ledger", "Laugh", "Story", "Garden", "Beat"];
const WORDS: [&str; 24] = [
    "Morning", "Harbour", "Letters", "Signal", "Kitchen", "Ridge", "Verdict", "Garage", "Meadow", "Court",
    "Lantern", "Orbit", "Saddle", "Chorus", "Quarry", "Skyline", "Thicket", "Voyage", "Anvil", "Bluff",
    "Compass", "Dispatch", "Ember", "Frontier",
];
/// The station that no panel measures, known by its ratings only.
const UNMEASURED: &str = "KFEE";
/// Groups of the ratings.
const GROUPS: [(&str, bool, i32, i32); 6] = [
    ("W18-34", true, 18, 34),
    ("W35-54", true, 35, 54),
    ("W55+", true, 55, 120),
    ("M18-34", false, 18, 34),
    ("M35-54", false, 35, 54),
    ("M55+", false, 55, 120),
];
/// Mondays of the weeks on offer, days since 1970-01-01: eight up to the one before an election of November 2026.
const FIRST_WEEK: i32 = 20_703;
const WEEKS: i32 = 8;
/// Minutes that a programme ran while the panel was measured: four weeks of an hour a weekday or so.
const PROGRAMME_MINUTES: f64 = 1_200.0;

/// A programme and who likes it.
struct Programme {
    station: String,
    name: String,
    daypart: usize,
    cable: bool,
    /// Percent of everybody.
    rating: f64,
    older: f64,
    women: f64,
    democrats: f64,
}

impl Programme {
    /// The share of its minutes that somebody watches on the average.
    fn share(&self, age: i32, female: bool, party: &str) -> f64 {
        let leans = match party {
            "DEM" => 1.0,
            "REP" => -1.0,
            _ => 0.0,
        };
        let tilt = self.older * f64::from(age - 48) / 20.0
            + self.women * if female { 0.5 } else { -0.5 }
            + self.democrats * leans;
        (self.rating / 100.0 * tilt.exp()).min(0.8)
    }

    /// The same in a home with cable or without: nobody without watches a network, and the others make up for them.
    fn share_at(&self, cable: bool, age: i32, female: bool, party: &str) -> f64 {
        match (self.cable, cable) {
            (true, true) => (self.share(age, female, party) / CABLE_HOMES).min(0.8),
            (true, false) => 0.0,
            (false, _) => self.share(age, female, party),
        }
    }
}

/// What a market has on.
struct Market {
    programmes: Vec<Programme>,
    /// People of the roll, and how much of it watches by group and programme.
    people: f64,
    groups: Vec<([f64; 6], [f64; 6])>,
    adults: Vec<f64>,
    /// Adults by cable zone, who are what its spots are worth by.
    zones: BTreeMap<String, f64>,
}

/// The cable zone of a county, numbered as cable systems are.
fn zone_of(county: &str) -> String {
    format!("7{}", county.get(2..).unwrap_or(county))
}

/// Television under way.
pub struct Television {
    files: TelevisionFiles,
    panel: BufWriter<File>,
    viewing: BufWriter<File>,
    markets: BTreeMap<String, Market>,
    market_of: BTreeMap<String, String>,
    rng: ChaCha8Rng,
    state: String,
    /// One household in so many is watched.
    one_in: f64,
    households: u64,
}

impl Television {
    /// None where the folder does not say which county is in which market (`county_dma_*.csv`).
    pub fn create(
        files: TelevisionFiles,
        counties: Option<&Path>,
        state: &str,
        voters: usize,
        seed: u64,
    ) -> Result<Option<Television>, Error> {
        let Some(counties) = counties else { return Ok(None) };
        let market_of = read_markets(counties)?;
        let open = |path: &Path, header: &str| -> Result<BufWriter<File>, Error> {
            let mut file = BufWriter::new(File::create(path).map_err(write_failed(path))?);
            writeln!(file, "{header}").map_err(write_failed(path))?;
            Ok(file)
        };
        let panel = open(
            &files.panel,
            "person_id,household_id,market_code,weight,age,gender,party,state,voter_id,zones",
        )?;
        let viewing = open(&files.viewing, "person_id,station,programme,minutes,programme_minutes")?;
        let rng = ChaCha8Rng::seed_from_u64(seed ^ 0x7465_6C65_7669_7369);
        let watched = (voters as f64 / 40.0).clamp(6_000.0, 20_000.0);
        Ok(Some(Television {
            files,
            panel,
            viewing,
            markets: BTreeMap::new(),
            market_of,
            rng,
            state: state.to_string(),
            one_in: (voters as f64 / watched).max(1.0),
            households: 0,
        }))
    }

    /// A household of a county, whose first voter has this number.
    pub fn household(&mut self, county: &str, household: &Household, number: u64) -> Result<(), Error> {
        let Some(code) = self.market_of.get(county).cloned() else { return Ok(()) };
        let rng = &mut self.rng;
        let market = self.markets.entry(code.clone()).or_insert_with(|| invent(&code));
        let watched = rng.random::<f64>() < 1.0 / self.one_in;
        self.households += u64::from(watched);
        // Some people watch hardly anything and some all day: a mean of 1.
        let intensity = (-(1.0 - rng.random::<f64>()).ln()).powf(1.2).min(6.0);
        let cable = rng.random::<f64>() < CABLE_HOMES;
        let zone = zone_of(county);
        let zones = if cable { format!("{WHOLE_MARKET};{zone}") } else { String::new() };
        for (place, person) in household.people.iter().enumerate() {
            let age = (ROLL_YEAR - person.birth_year).clamp(18, 100);
            market.people += 1.0;
            let group = GROUPS
                .iter()
                .position(|(_, female, from, to)| *female == person.female && (*from..=*to).contains(&age));
            for (at, programme) in market.programmes.iter().enumerate() {
                let share = programme.share_at(cable, age, person.female, person.party);
                if let Some(group) = group {
                    market.groups[at].0[group] += share;
                    market.groups[at].1[group] += 1.0;
                }
                market.adults[at] += if age >= 35 { share } else { 0.0 };
            }
            if cable && age >= 35 {
                *market.zones.entry(zone.clone()).or_default() += 1.0;
            }
            if !watched {
                continue;
            }
            let id = format!("P{:07}-{}", self.households, place + 1);
            let gender = if person.female { "F" } else { "M" };
            let row = writeln!(
                self.panel,
                "{id},H{:07},{code},{:.3},{age},{gender},{},{},{},{zones}",
                self.households,
                self.one_in * (0.8 + 0.4 * rng.random::<f64>()),
                person.party,
                self.state,
                number + place as u64
            );
            row.map_err(write_failed(&self.files.panel))?;
            for programme in market.programmes.iter().filter(|programme| programme.station != UNMEASURED) {
                let share =
                    (programme.share_at(cable, age, person.female, person.party) * intensity).min(0.85);
                let watches = (3.0 * share).min(0.95);
                if rng.random::<f64>() >= watches {
                    continue;
                }
                let minutes =
                    (share / watches * (0.4 + 1.2 * rng.random::<f64>())).min(0.97) * PROGRAMME_MINUTES;
                let row = writeln!(
                    self.viewing,
                    "{id},{},{},{minutes:.1},{PROGRAMME_MINUTES:.0}",
                    programme.station, programme.name
                );
                row.map_err(write_failed(&self.files.viewing))?;
            }
        }
        Ok(())
    }

    /// Writes what follows from everybody: ratings, prices, airings.
    pub fn finish(mut self) -> Result<TelevisionFiles, Error> {
        self.panel.flush().map_err(write_failed(&self.files.panel))?;
        self.viewing.flush().map_err(write_failed(&self.files.viewing))?;
        let mut ratings = String::from("market_code,station,programme,group,rating\n");
        let mut inventory = String::from(
            "market_code,station,zone,programme,daypart,days,start_time,end_time,week,length,rate,units\n",
        );
        let mut airings =
            String::from("market_code,station,zone,programme,daypart,aired_on,aired_at,length,rate\n");
        let rng = &mut self.rng;
        for (code, market) in &self.markets {
            for (at, programme) in market.programmes.iter().enumerate() {
                let (sums, people) = &market.groups[at];
                for (group, (name, ..)) in GROUPS.iter().enumerate() {
                    let rating = 100.0 * sums[group] / people[group].max(1.0);
                    ratings +=
                        &format!("{code},{},{},{name},{rating:.2}\n", programme.station, programme.name);
                }
                let (daypart, days, from, to, _, _, thousand) = DAYPARTS[programme.daypart];
                // A thousand adults cost more where few people live.
                let scale = 1.0 + 40_000.0 / (market.people + 20_000.0);
                let price =
                    market.adults[at] / 1_000.0 * thousand * scale * (0.75 + 0.5 * rng.random::<f64>());
                let with_cable: f64 = market.zones.values().sum();
                let whole = if programme.cable { WHOLE_MARKET } else { "" };
                let own = market.zones.iter().filter(|_| programme.cable);
                let zones: Vec<(&str, f64)> = std::iter::once((whole, 1.0))
                    .chain(own.map(|(zone, adults)| (zone.as_str(), adults / with_cable * ZONE_PREMIUM)))
                    .collect();
                let units = rng.random_range(4..16u32);
                for week in 0..WEEKS {
                    let monday = FIRST_WEEK + 7 * week;
                    // Nearer to the day everybody wants the same spots.
                    let price = price * (1.0 + 0.06 * f64::from(week)) * (0.9 + 0.2 * rng.random::<f64>());
                    let day = date_text(monday);
                    for (zone, share) in &zones {
                        let price = (price * share).max(5.0);
                        inventory += &format!(
                            "{code},{},{zone},{},{daypart},{days},{from},{to},{day},30,{price:.2},{units}\n",
                            programme.station, programme.name
                        );
                    }
                    if week < 2 && rng.random::<f64>() < 0.1 {
                        let aired = date_text(monday + rng.random_range(0..5i32));
                        airings += &format!(
                            "{code},{},{whole},{},{daypart},{aired},{from},30,{:.2}\n",
                            programme.station,
                            programme.name,
                            price.max(5.0) * (0.97 + 0.06 * rng.random::<f64>())
                        );
                    }
                }
            }
        }
        for (path, text) in [
            (&self.files.ratings, ratings),
            (&self.files.inventory, inventory),
            (&self.files.airings, airings),
        ] {
            std::fs::write(path, text).map_err(write_failed(path))?;
        }
        Ok(self.files)
    }
}

/// The programmes of a market: the same code gives the same.
fn invent(code: &str) -> Market {
    let number = code.bytes().fold(0u64, |sum, byte| sum * 31 + u64::from(byte));
    let mut rng = ChaCha8Rng::seed_from_u64(number);
    let mut programmes = Vec::new();
    let stations =
        STATIONS.iter().map(|name| (*name, false)).chain(NETWORKS.iter().map(|name| (*name, true)));
    for (station, cable) in stations {
        // A station has an audience of its own, and each programme one within it.
        let mut about = |spread: f64| spread * (rng.random::<f64>() + rng.random::<f64>() - 1.0);
        let (older, women, democrats) = (about(0.35), about(0.5), about(if cable { 2.0 } else { 0.5 }));
        for (daypart, (_, _, _, _, count, rating, _)) in DAYPARTS.iter().enumerate() {
            let own = ["daytime", "early_fringe", "prime", "late_fringe"];
            if cable && !own.contains(&DAYPARTS[daypart].0) {
                continue;
            }
            for _ in 0..if cable { 1 } else { *count } {
                let word = WORDS[rng.random_range(0..WORDS.len())];
                let mut about = |spread: f64| spread * (rng.random::<f64>() + rng.random::<f64>() - 1.0);
                let (more_older, more_women, more_democrats) = (about(0.35), about(0.6), about(0.7));
                let rating = rating * if cable { 0.22 } else { 1.0 } * (0.5 + 1.1 * rng.random::<f64>());
                let name = format!("{word} {}", programmes.len() + 1);
                programmes.push(Programme {
                    station: station.to_string(),
                    name,
                    daypart,
                    cable,
                    rating,
                    older: older + more_older,
                    women: women + more_women,
                    democrats: democrats + more_democrats,
                });
            }
        }
    }
    let count = programmes.len();
    Market {
        programmes,
        people: 0.0,
        groups: vec![([0.0; 6], [0.0; 6]); count],
        adults: vec![0.0; count],
        zones: BTreeMap::new(),
    }
}

/// The market of every county, from a crosswalk with `county_fips` and `dma_code`.
fn read_markets(path: &Path) -> Result<BTreeMap<String, String>, Error> {
    let file = BufReader::new(File::open(path).map_err(write_failed(path))?);
    let mut market_of = BTreeMap::new();
    let mut places: Option<(usize, usize)> = None;
    for line in file.lines() {
        let line = line.map_err(write_failed(path))?;
        let fields: Vec<&str> = line.trim().split(',').map(|field| field.trim_matches('"')).collect();
        match places {
            None => {
                let find = |name: &str| fields.iter().position(|field| *field == name);
                let (Some(county), Some(market)) = (find("county_fips"), find("dma_code")) else {
                    return Err(Error::Unfit("the county crosswalk has no county_fips and dma_code".into()));
                };
                places = Some((county, market));
            }
            Some((county, market)) => {
                // Names behind the county may hold commas: the market is counted from the end then.
                if let (Some(county), Some(market)) = (fields.get(county), fields.get(market)) {
                    market_of.insert(format!("{county:0>5}"), format!("{market:0>3}"));
                }
            }
        }
    }
    Ok(market_of)
}
