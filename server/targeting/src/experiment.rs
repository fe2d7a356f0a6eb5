//! What a randomised experiment says: the effect of being assigned to the treatment, of being treated, and how well a
//! model finds those on whom the effect is large. Intervals take the people of one cluster (a household, a turf) together.

use std::collections::HashMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// An effect on the chance of the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    pub effect: f64,
    pub standard_error: f64,
    /// Bounds of the interval that holds the effect 95 times of 100.
    pub low: f64,
    pub high: f64,
}

impl Effect {
    fn new(effect: f64, variance: f64) -> Effect {
        let standard_error = variance.sqrt();
        let reach = 1.959_963_984_540_054 * standard_error;
        Effect { effect, standard_error, low: effect - reach, high: effect + reach }
    }
}

/// People of an experiment: outcome, whether assigned to the treatment, and the number of each one's cluster.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    pub outcomes: &'a [f32],
    pub assigned: &'a [bool],
    pub clusters: &'a [u32],
}

/// Why an experiment says nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("everybody is in the same group")]
    OneGroup,
    #[error("there is one cluster only")]
    OneCluster,
    #[error("the treatment reached those who were assigned to it no more often than the others")]
    NobodyReached,
}

/// People and mean outcome of a group.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub people: u64,
    pub mean: f64,
}

impl Trial<'_> {
    /// The group that was not assigned to the treatment, and the one that was.
    pub fn groups(&self) -> [Group; 2] {
        let mut groups = [Group { people: 0, mean: 0.0 }; 2];
        for (outcome, assigned) in self.outcomes.iter().zip(self.assigned) {
            let group = &mut groups[usize::from(*assigned)];
            group.people += 1;
            group.mean += f64::from(*outcome);
        }
        groups.map(|group| Group { mean: group.mean / (group.people as f64).max(1.0), ..group })
    }

    /// Sum over clusters of the squared sum of `part` within each, and the factor for few clusters and parameters that
    /// Stata and statsmodels use: `G / (G - 1) × (N - 1) / (N - 2)`.
    fn between_clusters(&self, part: impl Fn(usize) -> f64) -> Result<f64, Error> {
        let mut sums: HashMap<u32, f64> = HashMap::new();
        for (at, cluster) in self.clusters.iter().enumerate() {
            *sums.entry(*cluster).or_default() += part(at);
        }
        let (clusters, people) = (sums.len() as f64, self.outcomes.len() as f64);
        if sums.len() < 2 || people < 3.0 {
            return Err(Error::OneCluster);
        }
        // In the order of the clusters, so that the sum is the same every time.
        let mut sums: Vec<(u32, f64)> = sums.into_iter().collect();
        sums.sort_unstable_by_key(|(cluster, _)| *cluster);
        let squares: f64 = sums.iter().map(|(_, sum)| sum * sum).sum();
        Ok(squares * clusters / (clusters - 1.0) * (people - 1.0) / (people - 2.0))
    }

    /// Intent to treat: the difference of the groups' mean outcomes, as least squares gives it, with the standard error
    /// of Liang and Zeger (1986).
    pub fn intent_to_treat(&self) -> Result<Effect, Error> {
        let [control, treated] = self.groups();
        if control.people == 0 || treated.people == 0 {
            return Err(Error::OneGroup);
        }
        let share = treated.people as f64 / (control.people + treated.people) as f64;
        let scale = share * (1.0 - share) * self.outcomes.len() as f64;
        let variance = self.between_clusters(|at| {
            let (mean, side) = match self.assigned[at] {
                true => (treated.mean, 1.0 - share),
                false => (control.mean, -share),
            };
            side * (f64::from(self.outcomes[at]) - mean) / scale
        })?;
        Ok(Effect::new(treated.mean - control.mean, variance))
    }

    /// The effect on those who are treated because they were assigned to it (Imbens and Angrist 1994): two-stage least
    /// squares with the assignment as instrument. `treated` says whom the treatment reached.
    pub fn complier_effect(&self, treated: &[bool]) -> Result<Effect, Error> {
        let reached: Vec<f32> = treated.iter().map(|treated| f32::from(u8::from(*treated))).collect();
        let first = Trial { outcomes: &reached, ..*self };
        let (by_outcome, by_reach) = (self.intent_to_treat()?, first.intent_to_treat()?);
        if by_reach.effect.abs() < 1e-9 {
            return Err(Error::NobodyReached);
        }
        let effect = by_outcome.effect / by_reach.effect;
        let people = self.outcomes.len() as f64;
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / people;
        let outcome = mean(&mut self.outcomes.iter().map(|value| f64::from(*value)));
        let reach = mean(&mut reached.iter().map(|value| f64::from(*value)));
        let assigned = mean(&mut self.assigned.iter().map(|value| f64::from(u8::from(*value))));
        let scale = assigned * (1.0 - assigned) * people * by_reach.effect;
        let variance = self.between_clusters(|at| {
            let rest = f64::from(self.outcomes[at]) - outcome - effect * (f64::from(reached[at]) - reach);
            (f64::from(u8::from(self.assigned[at])) - assigned) * rest / scale
        })?;
        Ok(Effect::new(effect, variance))
    }
}

/// How many more outcomes a campaign gets that treats people in the order of a score than one that treats as many at
/// random, for every share of the people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Qini {
    /// Area between the curve and the line of a random order, in outcomes a person of the experiment (Radcliffe 2007,
    /// with the control group scaled to the treated at every point).
    pub coefficient: f64,
    /// Bounds of the interval that holds it 95 times of 100, from drawing clusters again with replacement.
    pub low: f64,
    pub high: f64,
    /// Share of the people treated, and the outcomes gained for each person of the experiment.
    pub curve: Vec<(f64, f64)>,
}

/// Draws of clusters for an interval.
const DRAWS: usize = 200;
const POINTS: usize = 50;

impl Trial<'_> {
    /// How well scores find those on whom the effect is large. Equal scores are treated together.
    pub fn qini(&self, scores: &[f32], seed: u64) -> Result<Qini, Error> {
        let [control, treated] = self.groups();
        if control.people == 0 || treated.people == 0 {
            return Err(Error::OneGroup);
        }
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        order.sort_unstable_by(|one, other| {
            scores[*other as usize].total_cmp(&scores[*one as usize]).then(one.cmp(other))
        });
        let (coefficient, curve) = self.area(scores, &order, |_| 1.0);
        let clusters = self.clusters.iter().max().map_or(0, |most| *most as usize + 1);
        let mut drawn: Vec<f64> = (0..DRAWS)
            .into_par_iter()
            .map(|draw| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(1 << 16) + draw as u64);
                let mut times = vec![0f64; clusters];
                (0..clusters).for_each(|_| times[rng.random_range(0..clusters)] += 1.0);
                self.area(scores, &order, |at| times[self.clusters[at] as usize]).0
            })
            .collect();
        drawn.sort_unstable_by(f64::total_cmp);
        // Around the coefficient itself by the spread of the draws: the draws' own middle is not it.
        let mean = drawn.iter().sum::<f64>() / DRAWS as f64;
        let variance = drawn.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (DRAWS - 1) as f64;
        let Effect { low, high, .. } = Effect::new(coefficient, variance);
        Ok(Qini { coefficient, low, high, curve })
    }

    fn area(&self, scores: &[f32], order: &[u32], times: impl Fn(usize) -> f64) -> (f64, Vec<(f64, f64)>) {
        // Of the control group and the treated: people and outcomes so far.
        let mut sums = [[0f64; 2]; 2];
        let mut steps: Vec<(f64, f64)> = vec![(0.0, 0.0)];
        let mut at = 0;
        while at < order.len() {
            let score = scores[order[at] as usize];
            while at < order.len() && scores[order[at] as usize] == score {
                let row = order[at] as usize;
                let weight = times(row);
                let group = &mut sums[usize::from(self.assigned[row])];
                group[0] += weight;
                group[1] += weight * f64::from(self.outcomes[row]);
                at += 1;
            }
            let [control, treated] = sums;
            let people = control[0] + treated[0];
            if control[0] > 0.0 && treated[0] > 0.0 {
                let effect = treated[1] / treated[0] - control[1] / control[0];
                steps.push((people, effect * people));
            }
        }
        let all = steps.last().map_or(1.0, |step| step.0).max(1e-12);
        let end = steps.last().map_or(0.0, |step| step.1);
        let area: f64 =
            steps.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0).sum();
        let stride = steps.len().div_ceil(POINTS).max(1);
        let shown = steps.iter().enumerate().filter(|(at, _)| at % stride == 0 || at + 1 == steps.len());
        let curve = shown.map(|(_, (people, gained))| (people / all, gained / all)).collect();
        (area / (all * all) - end / all / 2.0, curve)
    }
}

/// Sets aside a random share of people for an experiment: the same share of every stratum, whole clusters only. True
/// for those set aside. The draw depends on the seed alone.
pub fn set_aside(clusters: &[u32], strata: &[u32], share: f64, seed: u64) -> Vec<bool> {
    let mut first: HashMap<u32, u32> = HashMap::new();
    for (cluster, stratum) in clusters.iter().zip(strata) {
        first.entry(*cluster).or_insert(*stratum);
    }
    let mut by_stratum: HashMap<u32, Vec<u32>> = HashMap::new();
    for (cluster, stratum) in &first {
        by_stratum.entry(*stratum).or_default().push(*cluster);
    }
    let mut strata: Vec<(u32, Vec<u32>)> = by_stratum.into_iter().collect();
    strata.sort_unstable();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut chosen: HashMap<u32, bool> = HashMap::new();
    // What a stratum's share leaves over is carried to the next, so that the whole has its share. Where that begins and
    // how the strata follow each other is left to chance, so that every cluster has the same.
    for at in (1..strata.len()).rev() {
        strata.swap(at, rng.random_range(0..=at));
    }
    let mut owed = rng.random::<f64>() - 0.5;
    for (_, mut clusters) in strata {
        clusters.sort_unstable();
        for at in (1..clusters.len()).rev() {
            clusters.swap(at, rng.random_range(0..=at));
        }
        owed += share * clusters.len() as f64;
        let count = (owed.round().max(0.0) as usize).min(clusters.len());
        owed -= count as f64;
        clusters.iter().enumerate().for_each(|(at, cluster)| {
            chosen.insert(*cluster, at < count);
        });
    }
    clusters.iter().map(|cluster| chosen[cluster]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_are_differences_of_means_and_clusters_widen_them() {
        let assigned: Vec<bool> = (0..4000).map(|at| at / 2 % 2 == 0).collect();
        let outcomes: Vec<f32> =
            (0..4000).map(|at| f32::from(u8::from(at / 2 * 7919 % 10 < 3 + 2 * (at / 2 % 2)))).collect();
        let alone: Vec<u32> = (0..4000).collect();
        let pairs: Vec<u32> = (0..4000).map(|at| at / 2).collect();
        let trial = |clusters| Trial { outcomes: &outcomes, assigned: &assigned, clusters };
        let (one, two) = (trial(&alone).intent_to_treat(), trial(&pairs).intent_to_treat());
        let (one, two) = (one.expect("an effect"), two.expect("an effect"));
        assert_eq!(one.effect, two.effect);
        assert!((two.standard_error / one.standard_error - 2f64.sqrt()).abs() < 1e-3);
        // Everybody reached who was assigned: the compliers are all.
        let complier = trial(&pairs).complier_effect(&assigned).expect("an effect");
        assert!((complier.effect - two.effect).abs() < 1e-9);
        assert!((complier.standard_error - two.standard_error).abs() < 1e-9);
        assert_eq!(trial(&pairs).complier_effect(&vec![false; 4000]), Err(Error::NobodyReached));
    }

    #[test]
    fn a_share_is_set_aside_of_every_stratum_in_whole_clusters() {
        let clusters: Vec<u32> = (0..3000).map(|at| at / 3).collect();
        let strata: Vec<u32> = clusters.iter().map(|cluster| cluster % 4).collect();
        let aside = set_aside(&clusters, &strata, 0.1, 5);
        assert!(aside.chunks(3).all(|house| house.iter().all(|one| *one == house[0])));
        for stratum in 0..4 {
            let count = aside.iter().zip(&strata).filter(|(aside, own)| **aside && **own == stratum).count();
            assert!((74..=76).contains(&count), "{count} of 750");
        }
        assert_eq!(aside, set_aside(&clusters, &strata, 0.1, 5));
        assert_ne!(aside, set_aside(&clusters, &strata, 0.1, 6));
    }

    #[test]
    fn everybody_has_the_same_chance_whatever_the_size_of_their_stratum() {
        // Strata of one cluster, of two, of three: no cluster is always or never drawn.
        let clusters: Vec<u32> = (0..30).collect();
        let strata: Vec<u32> = (0..30)
            .map(|at| {
                if at < 10 {
                    at
                } else if at < 20 {
                    at / 2 + 10
                } else {
                    at / 3 + 20
                }
            })
            .collect();
        let mut times = [0u32; 30];
        for seed in 0..4000 {
            let aside = set_aside(&clusters, &strata, 0.3, seed);
            aside.iter().zip(&mut times).for_each(|(aside, times)| *times += u32::from(*aside));
        }
        // Six standard errors of a share of 0.3 among 4,000.
        let reach = 6.0 * (0.3f64 * 0.7 / 4000.0).sqrt();
        assert!(times.iter().all(|times| (f64::from(*times) / 4000.0 - 0.3).abs() < reach), "{times:?}");
    }
}
