//! Record linkage: who of a list is who in the voter file, with a probability and the reasons for it.
//!
//! ```
//! use bellwether_linkage::{Birth, Options, Record, Reference, link};
//! let mut voters = Reference::default();
//! voters.push(&Record { last_name: Some("MARLOW"), first_name: Some("WILLIAM"), birth: Some(Birth::year(1961)), ..Record::default() });
//! voters.push(&Record { last_name: Some("ASHBY"), first_name: Some("JUNE"), birth: Some(Birth::year(1990)), ..Record::default() });
//! voters.finish();
//! let mut list = voters.batch();
//! list.push(&Record { last_name: Some("Marlow"), first_name: Some("William"), birth: Some(Birth::year(1961)), ..Record::default() });
//! let linked = link(&list, &Options::default(), &|_| true, &|_| true).expect("few pairs");
//! let found = linked.matches[0];
//! assert_eq!((found.listed, found.voter), (0, 0));
//! assert_eq!(linked.evidence(&found)[1].map(|(level, _)| level), Some("same"));
//! ```

mod blocking;
mod chances;
mod compare;
mod model;
mod nicknames;
mod pairing;
mod records;
mod text;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use blocking::Blocks;
pub use compare::{COMPARISONS, Comparison};
use compare::{Comparer, Spread, levels, pattern};
use model::{Model, Patterns, Seen};
use pairing::Edge;
pub use records::{Batch, Birth, Record, Reference};

/// How a list is matched.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether a voter is one person of the list at most. The same person listed twice in the same words counts once.
    pub one_to_one: bool,
    /// Pairs of a lower probability are left out.
    pub least: f64,
    /// Lists of so many people or more teach the model how their writers err; for shorter ones it is assumed.
    pub learn_from: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { one_to_one: true, least: 0.5, learn_from: 500 }
    }
}

/// A listed person found in the voter file.
#[derive(Debug, Clone, Copy)]
pub struct Match {
    /// Row of the list.
    pub listed: u32,
    /// Row of the reference.
    pub voter: u32,
    pub probability: f64,
    pattern: u32,
}

/// What each of [`COMPARISONS`] adds to a match: the name of the level and bits; none where one side is not known.
pub type Evidence = [Option<(&'static str, f64)>; COMPARISONS.len()];

/// The matches of a list, by listed row, the likeliest first.
pub struct Linked<'a> {
    pub matches: Vec<Match>,
    /// Bits that speak for a pair before anything is compared: below zero, since few pairs are one person.
    pub prior: f64,
    model: Model<'a>,
    reference: &'a Reference,
}

impl Linked<'_> {
    /// The reasons for a match. Together with the prior they make its odds, before rivals are weighed.
    pub fn evidence(&self, found: &Match) -> Evidence {
        let levels = levels(found.pattern);
        let bits = self.model.bits(&self.reference.people[found.voter as usize], &levels);
        std::array::from_fn(|comparison| {
            let level = usize::from(levels[comparison]).checked_sub(1)?;
            Some((COMPARISONS[comparison].levels[level].0, bits[comparison]))
        })
    }
}

/// So little is known of the people of a list that more voters would fit than can be weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyPairs;

/// Pairs that are weighed at most: half a gigabyte.
const MOST_PAIRS: usize = 40_000_000;
/// Voters that are gone through in one piece.
const PIECE: usize = 1 << 14;
/// Pairs below these odds are not looked at again: ten times less likely than the least that is ever shown.
const FAINT: f64 = 1e-3;

/// A pair that was compared.
struct Pair {
    voter: u32,
    listed: u32,
    pattern: u32,
}

/// Finds the people of a list in the voter file: the pairs of at least the least probability. Voters of whom `visible` is false are passed by. Time grows with voters plus list plus the pairs
/// that share a blocking rule; memory with the list and its pairs.
///
/// `go_on` is told of every so many voters gone through, which is done twice, and says whether to go on; once it has said no, the answer is
/// of no use.
pub fn link<'a>(
    list: &Batch<'a>,
    options: &Options,
    visible: &(dyn Fn(u32) -> bool + Sync),
    go_on: &(dyn Fn(usize) -> bool + Sync),
) -> Result<Linked<'a>, TooManyPairs> {
    let reference = list.reference;
    let (voters, rows) = (reference.rows(), list.rows());
    let voter_of = |pair: &Pair| &reference.people[pair.voter as usize];
    // Who is listed twice in the same words is matched once; the other rows share the match.
    let twin_of = blocking::twins(&list.people);
    let mut out: Vec<bool> = (0..rows).map(|row| twin_of[row] as usize != row).collect();
    let comparer = Comparer::new(list);
    let found_pairs = AtomicUsize::new(0);
    let find = |blocks: &Blocks, free: &(dyn Fn(usize) -> bool + Sync)| -> Vec<Vec<Pair>> {
        let pieces = reference.people.par_chunks(PIECE).enumerate();
        let pairs = pieces.map(|(piece, people)| {
            let mut pairs = Vec::new();
            if found_pairs.load(Ordering::Relaxed) <= MOST_PAIRS && go_on(people.len()) {
                let free = |at: usize| free(piece * PIECE + at);
                blocks.pairs(people, free, |at, listed| {
                    let pattern = pattern(&comparer.levels(&people[at], &list.people[listed as usize]));
                    pairs.push(Pair { voter: (piece * PIECE + at) as u32, listed, pattern });
                });
            }
            found_pairs.fetch_add(pairs.len(), Ordering::Relaxed);
            pairs
        });
        pairs.collect()
    };
    let mut pieces = find(&Blocks::plain(&list.people, &out), &|voter| visible(voter as u32));
    let taken = plain_cases(&mut pieces, voters, &mut out);
    let free = |voter: usize| visible(voter as u32) && !(options.one_to_one && taken[voter]);
    pieces.extend(find(&Blocks::all(&list.people, &out), &free));
    if found_pairs.load(Ordering::Relaxed) > MOST_PAIRS {
        return Err(TooManyPairs);
    }
    let mut model = Model::assumed(&reference.chances, voters, rows);
    if rows >= options.learn_from {
        let mut patterns = Patterns::default();
        pieces.iter().flatten().for_each(|pair| *patterns.entry(pair.pattern).or_default() += 1);
        model.learn(&patterns);
    }
    let prior = model.prior(options.one_to_one);
    let weighed = |pair: Pair| {
        let factor = model.factor_of(voter_of(&pair), &levels(pair.pattern));
        (prior * factor > FAINT)
            .then_some((Edge { voter: pair.voter, listed: pair.listed, odds: prior * factor }, pair))
    };
    let (edges, kept): (Vec<Edge>, Vec<Pair>) =
        pieces.into_par_iter().flat_map_iter(|pairs| pairs.into_iter().filter_map(weighed)).unzip();
    let mut probabilities = pairing::probabilities(&edges, voters, rows, options.one_to_one);
    if rows >= options.learn_from {
        // Once more with what the rivals leave of each other.
        let mut seen = Seen::default();
        kept.iter().zip(&probabilities).for_each(|(pair, told)| seen.add(&levels(pair.pattern), *told));
        model.relearn(&seen);
        let prior = model.prior(options.one_to_one);
        let edge = |pair: &Pair| Edge {
            voter: pair.voter,
            listed: pair.listed,
            odds: prior * model.factor_of(voter_of(pair), &levels(pair.pattern)),
        };
        let edges: Vec<Edge> = kept.par_iter().map(edge).collect();
        probabilities = pairing::probabilities(&edges, voters, rows, options.one_to_one);
    }
    let mut found: Vec<Match> = kept
        .iter()
        .zip(probabilities)
        .filter(|(_, probability)| *probability >= options.least)
        .map(|(pair, probability)| Match {
            listed: pair.listed,
            voter: pair.voter,
            probability,
            pattern: pair.pattern,
        })
        .collect();
    share_with_twins(&mut found, &twin_of);
    found.sort_unstable_by(|left, right| {
        (left.listed, right.probability, left.voter)
            .partial_cmp(&(right.listed, left.probability, right.voter))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let prior = model.prior(options.one_to_one).log2();
    Ok(Linked { matches: found, prior, model, reference })
}

/// Keeps the pairs of those who were paired with one person only, marks the listed of them as `out`, and tells which
/// voters they are.
fn plain_cases(pieces: &mut [Vec<Pair>], voters: usize, out: &mut [bool]) -> Vec<bool> {
    let (mut of_voter, mut of_listed) = (vec![0u8; voters], vec![0u8; out.len()]);
    for pair in pieces.iter().flatten() {
        let once = |count: &mut u8| *count = count.saturating_add(1);
        once(&mut of_voter[pair.voter as usize]);
        once(&mut of_listed[pair.listed as usize]);
    }
    let mut taken = vec![false; voters];
    for pairs in pieces {
        pairs.retain(|pair| of_voter[pair.voter as usize] == 1 && of_listed[pair.listed as usize] == 1);
        for pair in pairs {
            taken[pair.voter as usize] = true;
            out[pair.listed as usize] = true;
        }
    }
    taken
}

/// Gives the matches of a listed person to the other rows that list the same.
fn share_with_twins(found: &mut Vec<Match>, twin_of: &[u32]) {
    let mut others: HashMap<u32, Vec<u32>, Spread> = HashMap::default();
    for (row, twin) in twin_of.iter().enumerate() {
        if *twin != row as u32 {
            others.entry(*twin).or_default().push(row as u32);
        }
    }
    if others.is_empty() {
        return;
    }
    for at in 0..found.len() {
        for row in others.get(&found[at].listed).into_iter().flatten() {
            let shared = Match { listed: *row, ..found[at] };
            found.push(shared);
        }
    }
}

#[cfg(test)]
mod tests;
