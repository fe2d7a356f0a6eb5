//! The model of Fellegi and Sunter: how much each level of agreement speaks for the same person.
//!
//! What is compared multiplies a pair's odds by the product of `m / u` over its comparisons, where `m` is how often the
//! level is seen among pairs of the same person and `u` among pairs of different people (Fellegi and Sunter 1969).
//! Where a name or an address is the same, `u` is its own frequency: to share a rare one says more. People under one
//! roof share more than chance has it, so their `u` is that of neighbours. `m` and the prior are estimated by
//! expectation-maximisation over the patterns of all pairs (Winkler 1988); the pairs that no blocking rule finds count
//! as pairs of different people.

use std::collections::HashMap;

use crate::chances::{Chances, Table};
use crate::compare::{
    COMPARISONS, FIRST, LAST, Levels, MIDDLE, ONE_ROOF, RESIDENCE, SAME, Spread, YEAR, levels,
};
use crate::records::Person;

/// Pairs by the pattern of their levels.
pub(crate) type Patterns = HashMap<u32, u32, Spread>;

/// Weight of what is assumed of pairs of the same person, in pairs.
const ASSUMED: f64 = 30.0;
/// Share of a list that is assumed to be in the file.
const COVERED: f64 = 0.8;
const ROUNDS: usize = 60;

/// What the comparisons weigh.
pub(crate) struct Model<'a> {
    chances: &'a Chances,
    /// Listed people who are in the file.
    pub matches: f64,
    voters: f64,
    listed: f64,
    /// How often each level is seen among pairs of the same person.
    same: Table,
    /// By what each level multiplies the odds, on the average of all names and addresses: of strangers, and of people
    /// under one roof.
    factors: [Table; 2],
}

/// What is seen among pairs of the same person: each pair counts by its probability.
#[derive(Default)]
pub(crate) struct Seen {
    matches: f64,
    levels: [[f64; 6]; COMPARISONS.len()],
}

impl Seen {
    pub fn add(&mut self, levels: &Levels, probability: f64) {
        self.matches += probability;
        for (level, seen) in levels.iter().zip(&mut self.levels) {
            seen[usize::from(*level)] += probability;
        }
    }
}

fn assumed(comparison: usize) -> Vec<f64> {
    COMPARISONS[comparison].levels.iter().map(|(_, share)| *share).collect()
}

fn one_roof(levels: &Levels) -> bool {
    matches!(levels[RESIDENCE], SAME | ONE_ROOF)
}

impl<'a> Model<'a> {
    /// What is assumed where nothing has been learnt.
    pub fn assumed(chances: &'a Chances, voters: usize, listed: usize) -> Model<'a> {
        let (voters, listed) = (voters.max(1) as f64, listed.max(1) as f64);
        let matches = COVERED * listed.min(voters);
        let mut model = Model {
            chances,
            matches,
            voters,
            listed,
            same: std::array::from_fn(assumed),
            factors: Default::default(),
        };
        model.weigh();
        model
    }

    /// Odds that a voter and a listed person are the same before anything is compared. Where each may be matched once,
    /// those who are matched surely are out of the running: what counts is the voters and the listed that are left
    /// (the activity of a matching in which so many are matched).
    pub fn prior(&self, one_to_one: bool) -> f64 {
        let left = |side: f64| (side - self.matches).max(side * 1e-3).max(0.5);
        self.matches / left(self.listed) / if one_to_one { left(self.voters) } else { self.voters }
    }

    fn weigh(&mut self) {
        let of = |chances: &Table| -> Table {
            std::array::from_fn(|comparison| {
                let levels = self.same[comparison].iter().zip(&chances[comparison]);
                levels.map(|(same, chance)| same / chance).collect()
            })
        };
        self.factors = [of(&self.chances.apart), of(&self.chances.together)];
        self.factors[1][RESIDENCE] = self.factors[0][RESIDENCE].clone();
    }

    /// Learns from the patterns of the pairs that were compared.
    pub fn learn(&mut self, patterns: &Patterns) {
        let patterns: Vec<(Levels, f64)> =
            patterns.iter().map(|(pattern, pairs)| (levels(*pattern), f64::from(*pairs))).collect();
        for _ in 0..ROUNDS {
            let prior = self.matches / (self.voters * self.listed);
            let mut seen = Seen::default();
            for (levels, count) in &patterns {
                let odds = prior * self.factor(levels);
                seen.add(levels, count * odds / (1.0 + odds));
            }
            let before = self.matches;
            self.relearn(&seen);
            if (self.matches / before - 1.0).abs() < 1e-5 {
                break;
            }
        }
    }

    /// Takes over what was seen among pairs of the same person.
    pub fn relearn(&mut self, seen: &Seen) {
        self.matches = seen.matches.clamp(0.5, self.listed.min(self.voters));
        for (comparison, same) in self.same.iter_mut().enumerate() {
            let total: f64 = seen.levels[comparison][1..].iter().sum::<f64>() + ASSUMED;
            let assumed: Vec<f64> = assumed(comparison);
            for (level, share) in same.iter_mut().enumerate() {
                *share = (seen.levels[comparison][level + 1] + ASSUMED * assumed[level]) / total;
            }
        }
        self.weigh();
    }

    /// By how much a pattern multiplies the odds, on the average of all names and addresses.
    fn factor(&self, levels: &Levels) -> f64 {
        let factors = &self.factors[usize::from(one_roof(levels))];
        let known = levels.iter().zip(factors).filter(|(level, _)| **level > 0);
        known.map(|(level, factors)| factors[usize::from(*level) - 1]).product()
    }

    /// The chance that a stranger shares this with the voter, where it is a name, a year or an address of its own
    /// frequency.
    fn frequency(&self, voter: &Person, levels: &Levels, comparison: usize) -> Option<f64> {
        match comparison {
            _ if levels[comparison] != SAME => None,
            RESIDENCE => Some(self.chances.address(voter.address)),
            _ if one_roof(levels) => None,
            LAST => Some(self.chances.name(LAST, voter.last)),
            FIRST => Some(self.chances.name(FIRST, voter.first)),
            MIDDLE => Some(self.chances.name(MIDDLE, voter.middle)),
            YEAR => Some(self.chances.year(voter.year())),
            _ => None,
        }
    }

    /// By how much one comparison of this voter multiplies the odds.
    fn factor_at(&self, voter: &Person, levels: &Levels, comparison: usize) -> Option<f64> {
        let level = usize::from(levels[comparison]).checked_sub(1)?;
        Some(match self.frequency(voter, levels, comparison) {
            Some(chance) => self.same[comparison][level] / chance,
            None => self.factors[usize::from(one_roof(levels))][comparison][level],
        })
    }

    /// By how much the comparison of this voter with a listed person multiplies their odds.
    pub fn factor_of(&self, voter: &Person, levels: &Levels) -> f64 {
        (0..levels.len()).filter_map(|comparison| self.factor_at(voter, levels, comparison)).product()
    }

    /// What each comparison adds, in bits; 0 where it says nothing.
    pub fn bits(&self, voter: &Person, levels: &Levels) -> [f64; COMPARISONS.len()] {
        std::array::from_fn(|comparison| self.factor_at(voter, levels, comparison).map_or(0.0, f64::log2))
    }
}
