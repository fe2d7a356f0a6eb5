//! Who voted when, and who would support: chances that follow what a voter file shows of people, so that what is drawn
//! can be learned, and is known.
//!
//! The chance of an election follows age, party, the elections before it and the household, around a level at which the
//! precinct has as many votes as were counted there. People are drawn systematically: along the county's roll every whole
//! vote that the chances add up to is one person's, so that a county of sixty voters has its turnout as right as one of
//! sixty thousand, and everybody votes with their own chance.

use rand::{Rng, RngExt};

use crate::people::{ELECTIONS, Household, Person, ROLL_YEAR, day};
use crate::sources::Precinct;

/// Where the drawing of one county stands, election by election.
#[derive(Default)]
pub struct Standing {
    /// Sum of the chances so far, from a random start on.
    sums: [Option<f64>; ELECTIONS.len()],
    /// Votes that were counted but that nobody was able to give.
    owed: [f64; ELECTIONS.len()],
}

/// Share of the roll that registered after its last election.
const NEW: f64 = 0.02;

/// Share of adults who vote in each election: votes of the precinct per adult; primaries at two fifths of the
/// general election of their year.
pub fn turnout(precinct: &Precinct) -> [f64; ELECTIONS.len()] {
    ELECTIONS.map(|(year, _, _, general)| {
        let votes = precinct.votes.get(&year).map_or(0.0, |votes| votes.all);
        let share = (votes / precinct.adults().max(1.0)).min(1.0);
        if general { share } else { share * 0.4 }
    })
}

/// Draws the elections that the people of a precinct took part in, and when they registered.
pub fn draw(
    households: &mut [Household],
    shares: &[f64; ELECTIONS.len()],
    standing: &mut Standing,
    rng: &mut impl Rng,
) {
    let people: usize = households.iter().map(|household| household.people.len()).sum();
    let mut new: Vec<bool> = (0..people).map(|_| rng.random::<f64>() < NEW).collect();
    grow_up(households, &mut new, shares[0] * people as f64 + standing.owed[0]);
    for (election, (year, _, _, general)) in ELECTIONS.iter().enumerate() {
        let mut leanings = Vec::with_capacity(new.len());
        for household in households.iter() {
            for at in 0..household.people.len() {
                let grown = household.people[at].birth_year + 18 <= *year && !new[leanings.len()];
                leanings.push(grown.then(|| leaning(household, at, election, *general)));
            }
        }
        let (able, wanted) = (leanings.iter().flatten().count() as f64, shares[election] * new.len() as f64);
        let wanted = wanted + standing.owed[election];
        let possible = wanted.clamp(0.0, 0.99 * able);
        standing.owed[election] = wanted - possible;
        let level = level(&leanings, possible);
        let sum = standing.sums[election].get_or_insert_with(|| rng.random());
        let all = households.iter_mut().flat_map(|household| &mut household.people);
        for (person, leaning) in all.zip(&leanings) {
            let chance = leaning.map_or(0.0, |leaning| sigmoid(level + leaning));
            person.chances[election] = chance;
            let before = sum.floor();
            *sum += chance;
            if sum.floor() > before {
                person.voted.push(election);
            }
        }
    }
    for (person, new) in households.iter_mut().flat_map(|household| &mut household.people).zip(new) {
        person.registered = registered(person, new, rng);
    }
}

/// Where nearly every adult voted in the first election, few can have been too young for it or not yet registered.
fn grow_up(households: &mut [Household], new: &mut [bool], votes: f64) {
    let is_young = |person: &Person| person.birth_year + 18 > ELECTIONS[0].0;
    let everybody = || households.iter().flat_map(|household| &household.people);
    let mut able = everybody().zip(&*new).filter(|(person, new)| !is_young(person) && !**new).count();
    for (person, new) in households.iter_mut().flat_map(|household| &mut household.people).zip(new) {
        if able as f64 * 0.97 >= votes {
            return;
        }
        if is_young(person) || *new {
            person.birth_year -= if is_young(person) { 6 } else { 0 };
            *new = false;
            able += 1;
        }
    }
}

/// What moves a person's chance of taking part, in log odds.
fn leaning(household: &Household, at: usize, election: usize, general: bool) -> f64 {
    let person = &household.people[at];
    let age = f64::from(ELECTIONS[election].0 - person.birth_year);
    let of_age = 0.028 * (age.min(74.0) - 45.0) - 0.03 * (age - 80.0).max(0.0);
    let of_party = match (person.party, general) {
        ("DEM" | "REP", true) => 0.25,
        ("DEM" | "REP", false) => 0.5,
        (_, true) => -0.3,
        (_, false) => -1.0,
    };
    let took_part = |person: &Person, back: &dyn Fn(&usize) -> bool| person.voted.iter().any(back);
    let is_general = |other: usize| ELECTIONS[other].3;
    let earlier: Vec<usize> = (0..election).collect();
    let last = |general: bool| earlier.iter().rev().find(|other| is_general(**other) == general).copied();
    let mut of_history = 0.0;
    for (general, weight) in [(true, 1.3), (false, 0.9)] {
        if let Some(last) = last(general) {
            let voted = took_part(person, &|other| *other == last);
            of_history += weight * (f64::from(u8::from(voted)) - 0.5);
        }
    }
    let others = household.people.iter().enumerate().filter(|(other, _)| *other != at);
    let (mut with, mut all) = (0.0, 0.0);
    if let Some(last) = last(true) {
        for (_, other) in others {
            all += 1.0;
            with += f64::from(u8::from(took_part(other, &|voted| *voted == last)));
        }
    }
    let of_household = if all > 0.0 { 0.6 * (with / all - 0.5) } else { 0.0 };
    of_age + of_party + of_history + of_household
}

/// The level at which the chances add up to so many votes.
fn level(leanings: &[Option<f64>], votes: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        let sum: f64 = leanings.iter().flatten().map(|leaning| sigmoid(middle + leaning)).sum();
        if sum < votes { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

fn sigmoid(value: f64) -> f64 {
    1.0 / (1.0 + (-value).exp())
}

/// Some time before the first vote, or before the last election for those who never voted: the day says nothing of the
/// election to come.
fn registered(person: &Person, new: bool, rng: &mut impl Rng) -> i32 {
    let election = |at: usize| day(ELECTIONS[at].0, ELECTIONS[at].1, ELECTIONS[at].2);
    let last = election(ELECTIONS.len() - 1);
    if new {
        return rng.random_range(last + 1..=day(ROLL_YEAR, 12, 31));
    }
    let latest = person.voted.first().map_or(last, |first| election(*first)) - 30;
    let back = (-(1.0 - rng.random::<f64>()).ln() * 3000.0) as i32;
    let grown = day(person.birth_year + 18, 1, 1).max(day(1960, 1, 1));
    (latest - back).clamp(grown.min(latest), latest)
}

/// The chance of supporting the Democratic ticket, by party, precinct, age and sex.
pub fn support(person: &Person, precinct: &Precinct) -> f64 {
    let votes = precinct.votes.values().next_back().copied().unwrap_or_default();
    let two_party = votes.democratic + votes.republican;
    let share = if two_party > 0.0 { votes.democratic / two_party } else { 0.5 };
    let of_party = match person.party {
        "DEM" => 2.3,
        "REP" => -2.3,
        _ => 0.0,
    };
    let age = f64::from(ROLL_YEAR - person.birth_year);
    let of_sex = if person.female { 0.15 } else { -0.15 };
    sigmoid(of_party + 2.5 * (share - 0.5) - 0.012 * (age - 47.0) + of_sex)
}
