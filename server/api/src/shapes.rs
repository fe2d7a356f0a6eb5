//! Reports of areas that nobody has loaded: their voters, and past votes carried onto them precinct by precinct.

use std::collections::{BTreeMap, HashMap};

use bellwether_atlas::{Layer, Outline, fractions};
use bellwether_electorate::{Electorate, Filter, Grouping, Measures};
use bellwether_schema::ids::Kind;
use bellwether_warehouse::questions;
use serde_json::{Map, Value, json};

use crate::crosswalk::{Carried, Found, Method, People, carry};
use crate::disclosure::{Disclosure, complementary};
use crate::distributions::of_scores;
use crate::error::ApiError;
use crate::grouping::named_key;
use crate::serving::Serving;

/// Votes of all precincts, by candidate.
pub struct PrecinctVotes {
    entries: Vec<Entry>,
    /// Entry and votes of each precinct.
    of: HashMap<String, Vec<(u32, f64)>>,
    /// Entry and votes that lie in precincts without an outline, and so in no shape.
    unplaced: Vec<(u32, f64)>,
}

/// A candidate in a contest, in one data set.
struct Entry {
    state: String,
    source: String,
    election: String,
    contest: String,
    candidate: String,
    party: String,
}

impl PrecinctVotes {
    pub fn read(serving: &Serving) -> Result<PrecinctVotes, ApiError> {
        let answer = questions::precinct_votes(&serving.copy)?;
        let text = |name: &str| answer.texts(name).into_iter().map(Option::unwrap_or_default);
        let names = text("state").zip(text("source")).zip(text("election")).zip(text("contest"));
        let names = names.zip(text("candidate")).zip(text("party"));
        let rows = names.zip(answer.texts("precinct")).zip(answer.doubles("votes"));
        let mut votes = PrecinctVotes { entries: Vec::new(), of: HashMap::new(), unplaced: Vec::new() };
        for (((((((state, source), election), contest), candidate), party), precinct), count) in rows {
            let entry = Entry { state, source, election, contest, candidate, party };
            // The rows of one entry follow each other.
            let same = |last: &Entry| {
                (&last.state, &last.source, &last.election) == (&entry.state, &entry.source, &entry.election)
                    && (&last.contest, &last.candidate, &last.party)
                        == (&entry.contest, &entry.candidate, &entry.party)
            };
            if !votes.entries.last().is_some_and(same) {
                votes.entries.push(entry);
            }
            let Some(count) = count else { continue };
            let entry = votes.entries.len() as u32 - 1;
            match precinct {
                Some(precinct) => votes.of.entry(precinct).or_default().push((entry, count)),
                None => votes.unplaced.push((entry, count)),
            }
        }
        Ok(votes)
    }

    /// Votes that no shape can have, because they were counted in precincts without an outline.
    pub fn unplaced(&self) -> Vec<Value> {
        let row = |(entry, votes): &(u32, f64)| {
            let Entry { state, source, election, contest, candidate, party } = &self.entries[*entry as usize];
            json!({
                "state": state, "election": election, "contest": contest, "candidate": candidate,
                "party": party, "votes": votes, "source": source,
            })
        };
        self.unplaced.iter().filter(|(_, votes)| *votes > 0.0).map(row).collect()
    }
}

/// An area that a report is asked for.
pub struct Area {
    /// What the caller calls it.
    pub id: Value,
    pub shape: Territory,
}

pub enum Territory {
    Outline(Box<Outline>),
    /// Whole precincts, by id.
    Precincts(Vec<String>),
}

/// The reports of the areas, in their order. `bound` limits the voters to those that the caller may ask about.
///
/// Time grows with the edges of the areas and of the precincts that they cut, and with the voters near them.
pub fn reports(
    serving: &Serving,
    areas: Vec<Area>,
    bound: Option<&Filter>,
    rule: Option<&Disclosure>,
) -> Result<Vec<Value>, ApiError> {
    let electorate = serving.electorate()?;
    let precincts = serving.locators()?.iter().find(|locator| locator.kind == Kind::Precinct);
    let ids: &[String] = precincts.map_or(&[], |locator| &locator.ids);
    let place: HashMap<&str, usize> = ids.iter().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
    let bound = bound.map(|bound| electorate.bitmap(bound));
    let layer = precincts.map(|locator| &locator.layer);
    let cut = cuts(&areas, layer);
    let both: Vec<(Area, Vec<(usize, f64)>)> = areas.into_iter().zip(cut).collect();
    let people = serving.people()?;
    let found =
        in_parallel(both, |(area, cut)| find(area, cut, electorate, people, &place, bound.as_deref()))?;
    let carried = carry(&found, electorate, people, ids, rule.is_none());
    let votes = serving.precinct_votes()?;
    let both: Vec<(Found, Vec<(usize, Carried)>)> = found.into_iter().zip(carried).collect();
    in_parallel(both, |(found, carried)| {
        let mut report = population(electorate, &found.voters, rule);
        report["id"] = found.id;
        report["results"] = Value::Array(results(votes, &carried, ids));
        Ok(report)
    })
}

/// Works on a list on all cores, keeping its order.
fn in_parallel<T: Send, R: Send>(
    list: Vec<T>,
    work: impl Fn(T) -> Result<R, ApiError> + Sync,
) -> Result<Vec<R>, ApiError> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let mut parts: Vec<Vec<(usize, T)>> = (0..cores).map(|_| Vec::new()).collect();
    for (at, item) in list.into_iter().enumerate() {
        parts[at % cores].push((at, item));
    }
    let work = &work;
    let done = std::thread::scope(|scope| {
        let part = |part: Vec<(usize, T)>| {
            scope.spawn(move || {
                part.into_iter().map(|(at, item)| Ok((at, work(item)?))).collect::<Result<Vec<_>, ApiError>>()
            })
        };
        let threads: Vec<_> = parts.into_iter().map(part).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|_| Err(ApiError::internal("a report's thread panicked")))
        };
        threads.into_iter().map(join).collect::<Result<Vec<_>, ApiError>>()
    })?;
    let mut done: Vec<(usize, R)> = done.into_iter().flatten().collect();
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// The precincts of every area that is an outline, each with the fraction that lies within.
fn cuts(areas: &[Area], layer: Option<&Layer>) -> Vec<Vec<(usize, f64)>> {
    let (drawn, shapes): (Vec<usize>, Vec<&Outline>) = areas
        .iter()
        .enumerate()
        .filter_map(|(at, area)| match &area.shape {
            Territory::Outline(outline) => Some((at, &**outline)),
            Territory::Precincts(_) => None,
        })
        .unzip();
    let mut all = vec![Vec::new(); areas.len()];
    if let Some(layer) = layer {
        drawn.into_iter().zip(fractions(layer, &shapes)).for_each(|(at, cut)| all[at] = cut);
    }
    all
}

fn find(
    area: Area,
    cut: Vec<(usize, f64)>,
    electorate: &Electorate,
    people: &People,
    place: &HashMap<&str, usize>,
    bound: Option<&[u64]>,
) -> Result<Found, ApiError> {
    let (mut voters, precincts, people) = match &area.shape {
        Territory::Outline(outline) => {
            let people = people.within(outline, &cut);
            (electorate.within(outline), cut, people)
        }
        Territory::Precincts(ids) => {
            let voters = electorate.of_precincts(ids.iter().map(String::as_str));
            let unknown: Vec<&str> =
                ids.iter().map(String::as_str).filter(|id| !place.contains_key(id)).take(5).collect();
            if !unknown.is_empty() {
                let detail = format!("no outlines of the precincts {} are loaded", unknown.join(", "));
                return Err(ApiError::bad_request(detail));
            }
            (voters, ids.iter().map(|id| (place[id.as_str()], 1.0)).collect(), HashMap::new())
        }
    };
    if let Some(bound) = bound {
        voters.iter_mut().zip(bound).for_each(|(voters, bound)| *voters &= bound);
    }
    Ok(Found { id: area.id, voters, precincts, people })
}

/// Votes by candidate, the newest election first, with what the true count cannot be below or above.
fn results(votes: &PrecinctVotes, carried: &[(usize, Carried)], ids: &[String]) -> Vec<Value> {
    struct Sum {
        votes: f64,
        low: f64,
        high: f64,
        method: Method,
    }
    let mut sums: BTreeMap<u32, Sum> = BTreeMap::new();
    for (precinct, carried) in carried {
        for (entry, count) in votes.of.get(&ids[*precinct]).map_or(&[][..], Vec::as_slice) {
            let zero = Sum { votes: 0.0, low: 0.0, high: 0.0, method: Method::Counted };
            let sum = sums.entry(*entry).or_insert(zero);
            sum.votes += count * carried.share;
            sum.high += count;
            sum.low += if carried.method == Method::Counted { *count } else { 0.0 };
            sum.method = sum.method.max(carried.method);
        }
    }
    let round = |value: f64| (value * 1e6).round() / 1e6;
    let row = |(entry, sum): (u32, Sum)| {
        let Entry { state, source, election, contest, candidate, party } = &votes.entries[entry as usize];
        json!({
            "state": state, "election": election, "contest": contest, "candidate": candidate, "party": party,
            "votes": round(sum.votes), "mode": "total", "method": sum.method.name(),
            "low": round(sum.low), "high": round(sum.high), "source": source,
        })
    };
    sums.into_iter().map(row).collect()
}

/// Registration and turnout of a bitmap of voters.
fn population(electorate: &Electorate, bitmap: &[u64], rule: Option<&Disclosure>) -> Value {
    let filter = Filter::of_bitmap(bitmap.to_vec());
    let measures = Measures { fingerprint: rule.map(|rule| rule.secret), ..Measures::default() };
    let voters: u64 = bitmap.iter().map(|word| u64::from(word.count_ones())).sum();
    let mut registration = Map::new();
    let fields = [
        ("party", "party", "UNK"),
        ("age", "age_band", "unknown"),
        ("gender", "gender", "U"),
        ("race", "race", "unknown"),
        ("status", "status", "unknown"),
        ("located", "located", "none"),
        ("market", "media_market", "unknown"),
    ];
    for (dimension, key, unknown) in fields {
        let Ok(key) = named_key(key, electorate) else { continue };
        let grouping = Grouping { by: vec![key], measures: measures.clone() };
        let cells = electorate.group(&filter, &grouping).cells;
        let counts: Vec<u64> = cells.iter().map(|cell| cell.voters).collect();
        let hidden = rule.map(|rule| complementary(&counts, rule.size));
        let mut shown: BTreeMap<String, Value> = BTreeMap::new();
        for (at, cell) in cells.iter().enumerate() {
            let name = electorate.label(&grouping.by[0], cell.codes[0]);
            if hidden.as_ref().is_some_and(|hidden| hidden[at]) {
                continue;
            }
            let count = rule.map_or(json!(cell.voters), |rule| rule.shown(cell.voters, cell.fingerprint));
            shown.insert(name.as_str().unwrap_or(unknown).to_string(), count);
        }
        registration.insert(dimension.into(), json!(shown));
    }
    let who = rule.map_or(0, |rule| electorate.fingerprint(bitmap, rule.secret));
    let show = |count: u64, salt: u64| rule.map_or(json!(count), |rule| rule.shown(count, who ^ salt));
    let all = show(voters, 0);
    let turnout: Vec<Value> = electorate
        .turnout(bitmap)
        .into_iter()
        .filter(|(_, took_part)| *took_part > 0)
        .filter_map(|(election, took_part)| {
            let shown = show(took_part, rule.map_or(0, |rule| rule.named(election)));
            let share = shown.as_f64()? / all.as_f64()?;
            Some(json!({"election": election, "voters": shown, "share": share.min(1.0)}))
        })
        .collect();
    let mut part = |name: &str| registration.remove(name).unwrap_or_else(|| json!({}));
    let (located, markets) = (part("located"), part("market"));
    let scores = of_scores(electorate, bitmap, rule);
    json!({
        "voters": all, "registration": registration, "turnout": turnout, "scores": scores, "located": located,
        "markets": markets,
    })
}
