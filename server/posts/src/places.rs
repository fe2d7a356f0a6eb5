//! The place of an author: as he or she states it, or as a post mentions it. Cities, counties and states of the voters that
//! are loaded, and nothing smaller.
//!
//! How sure a place is depends on how it was said: `Denver, CO` of oneself 0.95; a state alone 0.8; a city without its
//! state 0.6, times its share of the voters of all cities of that name; `in Denver, CO` in a post 0.7; `in Denver` 0.35,
//! times that share.

use std::collections::HashMap;

use bellwether_schema::ids::{STATES, state_of_name};

use crate::words::{Word, words};

/// Words that a city's name may have.
const LONGEST_NAME: usize = 4;
/// Words before a city that a post is from, or about.
const BEFORE: [&str; 6] = ["in", "from", "at", "near", "around", "across"];

/// Where a place was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Stated,
    Mentioned,
}

impl Source {
    pub fn name(self) -> &'static str {
        match self {
            Source::Stated => "stated",
            Source::Mentioned => "mentioned",
        }
    }
}

/// A place that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// A city or county (`Denver, CO`, `Jefferson County, CO`), or a state (`CO`).
    pub place: String,
    pub from: Source,
    /// From 0 to 1.
    pub confidence: f64,
}

/// The names of places.
#[derive(Debug, Default)]
pub struct Gazetteer {
    /// By name in small letters: name, state and voters of each place of that name, the largest first.
    places: HashMap<String, Vec<(String, String, u64)>>,
}

impl Gazetteer {
    /// From cities and counties with their states and voters. Counties are named without the word County.
    pub fn new(cities: &[(String, String, u64)], counties: &[(String, String, u64)]) -> Gazetteer {
        let mut places: HashMap<String, Vec<(String, String, u64)>> = HashMap::new();
        let counties = counties.iter().map(|(name, state, voters)| (format!("{name} County"), state, voters));
        let cities = cities.iter().map(|(name, state, voters)| (name.clone(), state, voters));
        for (name, state, voters) in cities.chain(counties) {
            let name = shown(&name);
            let key: Vec<String> = words(&name).iter().map(|word| word.text.to_lowercase()).collect();
            let known = places.entry(key.join(" ")).or_default();
            match known.iter_mut().find(|(_, of, _)| of == state) {
                Some((.., sum)) => *sum += voters,
                None => known.push((name, state.clone(), *voters)),
            }
        }
        for known in places.values_mut() {
            known.sort_by(|one, other| other.2.cmp(&one.2).then(one.1.cmp(&other.1)));
        }
        Gazetteer { places }
    }

    /// The place that an author states.
    pub fn stated(&self, text: &str) -> Option<Found> {
        let words = words(text);
        let found = |place: String, confidence| Some(Found { place, from: Source::Stated, confidence });
        for start in 0..words.len() {
            for length in (1..=LONGEST_NAME.min(words.len() - start)).rev() {
                let behind = state_at(&words, start + length);
                if let (Some(known), Some((state, _))) = (self.named(&words[start..start + length]), behind)
                    && let Some((name, ..)) = known.iter().find(|(_, of, _)| of == state)
                {
                    return found(format!("{name}, {state}"), 0.95);
                }
            }
        }
        // A state: by its name, or by its code where that stands apart, as in `somewhere, CO`.
        let state = (0..words.len()).find_map(|at| {
            let (state, length) = state_at(&words, at)?;
            let apart = words[at].text.len() > 2 || words[at].parted;
            let alone = at + length == words.len() || words[at + length].parted;
            (apart && alone).then_some(state)
        });
        if let Some(state) = state {
            return found(state.to_string(), 0.8);
        }
        let city = self.named(&words).filter(|_| words.len() <= LONGEST_NAME);
        let (name, state, share) = largest(city?)?;
        found(format!("{name}, {state}"), 0.6 * share)
    }

    /// The surest place that a post mentions.
    pub fn mentioned(&self, text: &str) -> Option<Found> {
        let words = words(text);
        let mut best: Option<Found> = None;
        for start in 0..words.len() {
            if !words[start].text.starts_with(char::is_uppercase) {
                continue;
            }
            for length in (1..=LONGEST_NAME.min(words.len() - start)).rev() {
                let name = &words[start..start + length];
                let joined = name.iter().skip(1).all(|word| !word.parted);
                let capital = name.iter().all(|word| word.text.starts_with(char::is_uppercase));
                let Some(known) = self.named(name).filter(|_| joined && capital) else { continue };
                let state = state_at(&words, start + length);
                let before = start > 0 && !name[0].parted && is_before(&words[start - 1]);
                let found = match state.and_then(|(state, _)| known.iter().find(|(_, of, _)| of == state)) {
                    Some((name, state, _)) => Some((format!("{name}, {state}"), 0.7)),
                    None if before && state.is_none() => {
                        largest(known).map(|(name, state, share)| (format!("{name}, {state}"), 0.35 * share))
                    }
                    None => None,
                };
                if let Some((place, confidence)) = found
                    && best.as_ref().is_none_or(|best| best.confidence < confidence)
                {
                    best = Some(Found { place, from: Source::Mentioned, confidence });
                }
                break;
            }
        }
        best
    }

    fn named(&self, words: &[Word]) -> Option<&Vec<(String, String, u64)>> {
        let name: Vec<String> = words.iter().map(|word| word.text.to_lowercase()).collect();
        self.places.get(&name.join(" "))
    }
}

/// The largest place of a name, and its share of the voters of all of them.
fn largest(known: &[(String, String, u64)]) -> Option<(&str, &str, f64)> {
    let (name, state, voters) = known.first()?;
    let all: u64 = known.iter().map(|(.., voters)| voters).sum();
    Some((name, state, *voters as f64 / all.max(1) as f64))
}

fn is_before(word: &Word) -> bool {
    BEFORE.iter().any(|before| word.text.eq_ignore_ascii_case(before))
}

/// The state that stands at a word, by its code in capitals or by its name, and how many words it takes.
fn state_at(words: &[Word], at: usize) -> Option<(&'static str, usize)> {
    let word = words.get(at)?;
    if let Some((code, ..)) = STATES.iter().find(|(code, ..)| *code == word.text) {
        return Some((code, 1));
    }
    (1..=3.min(words.len() - at)).rev().find_map(|length| {
        let name: Vec<&str> = words[at..at + length].iter().map(|word| word.text).collect();
        state_of_name(&name.join(" ")).map(|state| (state, length))
    })
}

/// A name as it is shown: voter files write in capitals.
fn shown(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for word in name.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        let mut letters = word.chars();
        out.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        out.extend(letters.flat_map(char::to_lowercase));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gazetteer() -> Gazetteer {
        let city = |name: &str, state: &str, voters| (name.to_string(), state.to_string(), voters);
        Gazetteer::new(
            &[
                city("DENVER", "CO", 400_000),
                city("GOLDEN", "CO", 20_000),
                city("COLORADO SPRINGS", "CO", 300_000),
                city("AURORA", "CO", 75_000),
                city("AURORA", "IL", 25_000),
                city("ST.  PAUL", "MN", 300_000),
            ],
            &[city("Jefferson", "CO", 350_000)],
        )
    }

    #[test]
    fn a_stated_place_is_found_with_its_confidence() {
        let places = gazetteer();
        let stated = |text: &str| places.stated(text).map(|found| (found.place, found.confidence));
        let some = |place: &str, confidence| Some((place.to_string(), confidence));
        assert_eq!(stated("Denver, CO"), some("Denver, CO", 0.95));
        assert_eq!(stated("📍 Colorado Springs, Colorado 🇺🇸"), some("Colorado Springs, CO", 0.95));
        assert_eq!(stated("Jefferson County, CO"), some("Jefferson County, CO", 0.95));
        assert_eq!(stated("Aurora, IL | he/him"), some("Aurora, IL", 0.95));
        assert_eq!(stated("St. Paul, Minnesota"), some("St. Paul, MN", 0.95));
        assert_eq!(stated("aurora"), some("Aurora, CO", 0.6 * 0.75));
        assert_eq!(stated("Colorado"), some("CO", 0.8));
        assert_eq!(stated("the mountains, CO"), some("CO", 0.8));
        assert_eq!(stated("Denver, NC"), some("NC", 0.8), "another Denver, that nobody is loaded of");
        assert_eq!(stated("your mom's house"), None);
        assert_eq!(stated("OK with me"), None);
        assert_eq!(stated(""), None);
    }

    #[test]
    fn a_place_is_mentioned_where_it_reads_like_one() {
        let places = gazetteer();
        let mentioned = |text: &str| places.mentioned(text).map(|found| (found.place, found.confidence));
        let some = |place: &str, confidence| Some((place.to_string(), confidence));
        assert_eq!(mentioned("Snow in Denver today"), some("Denver, CO", 0.35));
        assert_eq!(mentioned("The rally in Golden, Colorado was full"), some("Golden, CO", 0.7));
        assert_eq!(mentioned("A Golden opportunity; golden hour in golden light"), None);
        assert_eq!(mentioned("We met in Aurora"), some("Aurora, CO", 0.35 * 0.75));
        assert_eq!(mentioned("Denver Broncos win"), None);
    }
}
