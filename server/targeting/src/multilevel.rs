//! Multilevel logistic regression: effects of groups that are drawn towards each other as far as the data say.
//!
//! `logit P(y) = intercept + Σ slope × covariate + Σ effect of the person's group in each grouping`, where the effects of
//! one grouping are draws from a normal distribution whose deviation is estimated (Gelman and Hill 2007, chapter 14). The
//! deviations are those of the greatest posterior density of their logarithms under a half-normal prior, with the effects
//! integrated out by Laplace's approximation; what is drawn from the posterior varies the deviations as well.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::linear::Square;

/// The group of those who are in none: no effect is added for it.
pub const NO_GROUP: u32 = u32::MAX;

/// People in words of the model: numbers that act linearly, and the group of each grouping (0 to its size - 1, or
/// `NO_GROUP`).
#[derive(Debug, Clone, Default)]
pub struct People {
    pub covariates: Vec<Vec<f64>>,
    pub groups: Vec<Vec<u32>>,
}

/// A fitted model.
#[derive(Debug)]
pub struct Multilevel {
    /// Standard deviation of each grouping's effects, in log odds.
    pub deviations: Vec<f64>,
    /// Slope of each covariate with its standard error, in log odds for one unit of it.
    pub slopes: Vec<(f64, f64)>,
    /// How many people the answers are worth: fewer than were asked, where their weights differ (Kish 1965).
    pub effective: f64,
    /// Mean and deviation of each covariate among those asked.
    scales: Vec<(f64, f64)>,
    /// Where each grouping's groups stand among the effects; none where nobody of the group was asked.
    places: Vec<Vec<Option<u32>>>,
    /// From the posterior: the deviations, and intercept, slopes and effects in their places.
    draws: Vec<(Vec<f64>, Vec<f64>)>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("everybody has the same answer")]
    OneAnswer,
    #[error("the regression did not settle: leave out a covariate or a grouping that says what others say")]
    Unsettled,
    #[error("{0} groups and covariates among those asked are more than {MOST}")]
    TooMany(usize),
    #[error("stopped")]
    Stopped,
}

/// Groups with people asked, and covariates, up to which a model is fitted: memory grows with their square, time with
/// their cube.
pub const MOST: usize = 2000;
/// Deviation of the half-normal prior of the deviations, in log odds.
const PRIOR: f64 = 1.0;
/// Least and greatest deviation that is considered.
const RANGE: (f64, f64) = (1e-3, 20.0);
/// Deviations that are drawn, and effects drawn for each.
const DRAWS: (usize, usize) = (50, 20);

/// Those asked, as the regression sees them: people alike are one row.
struct Asked {
    /// Covariates, then the places of the groups.
    rows: Vec<(Vec<f64>, Vec<u32>)>,
    /// Weight of the row's people, and of those who said yes.
    weights: Vec<(f64, f64)>,
    /// First place of each grouping's effects, and the end of the last.
    starts: Vec<usize>,
}

impl Asked {
    fn size(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    fn penalty(&self, logs: &[f64]) -> Vec<f64> {
        let mut penalty = vec![1e-6; self.size()];
        penalty[0] = 1e-9;
        for (range, log) in self.starts.windows(2).zip(logs) {
            penalty[range[0]..range[1]].fill((-2.0 * log).exp());
        }
        penalty
    }

    /// The mode of all effects for given deviations, by Newton's method from where it stands, and the factor of the
    /// curvature there.
    fn settle(&self, logs: &[f64], mode: &mut [f64]) -> Result<Square, Error> {
        let penalty = self.penalty(logs);
        for _ in 0..60 {
            let mut gradient: Vec<f64> = mode.iter().zip(&penalty).map(|(value, by)| -value * by).collect();
            let mut factor = Square::new(self.size());
            (0..self.size()).for_each(|at| *factor.at(at, at) = penalty[at]);
            for ((covariates, groups), (all, yes)) in self.rows.iter().zip(&self.weights) {
                let chance = self.chance(covariates, groups, mode);
                let (rest, curvature) = (yes - all * chance, all * chance * (1.0 - chance));
                for (at, value) in std::iter::once(&1.0).chain(covariates).enumerate() {
                    gradient[at] += rest * value;
                    *factor.at(at, 0) += curvature * value;
                    for (other, by) in covariates.iter().take(at).enumerate() {
                        *factor.at(at, other + 1) += curvature * value * by;
                    }
                }
                for (at, place) in groups.iter().enumerate() {
                    let place = *place as usize;
                    gradient[place] += rest;
                    *factor.at(place, 0) += curvature;
                    for (other, by) in covariates.iter().enumerate() {
                        *factor.at(place, other + 1) += curvature * by;
                    }
                    groups[..=at].iter().for_each(|other| *factor.at(place, *other as usize) += curvature);
                }
            }
            if !factor.factor() {
                return Err(Error::Unsettled);
            }
            let step = factor.solve(&gradient);
            let longest = step.iter().fold(0f64, |most, step| most.max(step.abs()));
            let by = (2.0 / longest.max(2.0)).min(1.0);
            mode.iter_mut().zip(&step).for_each(|(value, step)| *value += by * step);
            if longest < 1e-6 {
                return Ok(factor);
            }
        }
        Err(Error::Unsettled)
    }

    fn chance(&self, covariates: &[f64], groups: &[u32], effects: &[f64]) -> f64 {
        let linear: f64 = covariates.iter().zip(&effects[1..]).map(|(value, slope)| value * slope).sum();
        let of_groups: f64 = groups.iter().map(|place| effects[*place as usize]).sum();
        1.0 / (1.0 + (-(effects[0] + linear + of_groups)).exp())
    }

    /// Logarithm of the posterior density of the deviations' logarithms, but for a constant.
    fn density(&self, logs: &[f64], mode: &mut [f64]) -> Result<f64, Error> {
        let factor = self.settle(logs, mode)?;
        let mut sum = 0.0;
        for ((covariates, groups), (all, yes)) in self.rows.iter().zip(&self.weights) {
            let chance = self.chance(covariates, groups, mode).clamp(1e-15, 1.0 - 1e-15);
            sum += yes * chance.ln() + (all - yes) * (1.0 - chance).ln();
        }
        let penalty = self.penalty(logs);
        sum -= mode.iter().zip(&penalty).map(|(value, by)| value * value * by / 2.0).sum::<f64>();
        for (range, log) in self.starts.windows(2).zip(logs) {
            sum += log - (range[1] - range[0]) as f64 * log - (2.0 * log).exp() / (2.0 * PRIOR * PRIOR);
        }
        Ok(sum - (0..self.size()).map(|at| factor.cells[at * self.size() + at].ln()).sum::<f64>())
    }

    /// One round of expectation and maximisation: near the best deviations quickly, to the end slowly.
    fn expect(&self, logs: &[f64], mode: &mut [f64]) -> Result<Vec<f64>, Error> {
        let variances = self.settle(logs, mode)?.inverse_diagonal();
        let best = self.starts.windows(2).map(|range| {
            let places = range[0]..range[1];
            let (groups, prior) = (places.len() as f64 - 1.0, PRIOR * PRIOR);
            let squares: f64 = places.map(|at| mode[at] * mode[at] + variances[at]).sum();
            let square = prior / 2.0 * ((groups * groups + 4.0 * squares / prior).sqrt() - groups);
            square.sqrt().clamp(RANGE.0, RANGE.1).ln()
        });
        Ok(best.collect())
    }
}

/// Fits the model to answers of 0 or 1 with their survey weights. `groups_of` is how many groups each grouping has;
/// `go_on` is asked between rounds.
pub fn fit(
    people: &People,
    groups_of: &[usize],
    answers: &[f64],
    weights: &[f64],
    seed: u64,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Multilevel, Error> {
    let sum: f64 = weights.iter().sum();
    let effective = sum * sum / weights.iter().map(|weight| weight * weight).sum::<f64>().max(1e-300);
    // Weights that say how many people an answer stands for would make it sure of itself.
    let scale = effective / sum.max(1e-300);
    let yes: f64 = answers.iter().zip(weights).map(|(answer, weight)| answer * weight * scale).sum();
    if yes <= 0.0 || yes >= effective * (1.0 - 1e-12) {
        return Err(Error::OneAnswer);
    }
    let scales: Vec<(f64, f64)> = people.covariates.iter().map(|column| spread(column)).collect();
    let fixed = 1 + scales.len();
    let mut places: Vec<Vec<Option<u32>>> = groups_of.iter().map(|groups| vec![None; *groups]).collect();
    let mut starts = vec![fixed];
    for (places, groups) in places.iter_mut().zip(&people.groups) {
        groups.iter().for_each(|group| places[*group as usize] = Some(0));
        let start = starts[starts.len() - 1];
        let known = places.iter_mut().flatten().enumerate();
        known.for_each(|(at, place)| *place = (start + at) as u32);
        starts.push(start + places.iter().flatten().count());
    }
    if starts[starts.len() - 1] > MOST {
        return Err(Error::TooMany(starts[starts.len() - 1]));
    }
    let mut alike: BTreeMap<(Vec<u64>, Vec<u32>), (f64, f64)> = BTreeMap::new();
    for (row, (answer, weight)) in answers.iter().zip(weights).enumerate() {
        let covariates = people.covariates.iter().zip(&scales);
        let covariates = covariates.map(|(column, (mean, by))| ((column[row] - mean) / by).to_bits());
        let groups = people.groups.iter().zip(&places);
        let groups = groups.filter_map(|(groups, places)| places[groups[row] as usize]);
        let sums = alike.entry((covariates.collect(), groups.collect())).or_default();
        *sums = (sums.0 + weight * scale, sums.1 + weight * scale * answer);
    }
    let (rows, weights) = alike
        .into_iter()
        .map(|((covariates, groups), sums)| {
            ((covariates.into_iter().map(f64::from_bits).collect(), groups), sums)
        })
        .unzip();
    let asked = Asked { rows, weights, starts };
    let mut mode = vec![0.0; asked.size()];
    mode[0] = (yes / (effective - yes)).ln();
    let (logs, deviations) = best_deviations(&asked, &mut mode, go_on)?;
    let factor = asked.settle(&logs, &mut mode)?;
    let variances = factor.inverse_diagonal();
    let slope = |(at, (_, by)): (usize, &(f64, f64))| (mode[at + 1] / by, variances[at + 1].sqrt() / by);
    let slopes = scales.iter().enumerate().map(slope).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut draws = Vec::with_capacity(DRAWS.0 * DRAWS.1);
    for _ in 0..DRAWS.0 {
        if !go_on() {
            return Err(Error::Stopped);
        }
        let away = |(log, deviation): (&f64, &f64)| {
            let draw = log + deviation * normal(&mut rng).clamp(-3.0, 3.0);
            draw.clamp(RANGE.0.ln(), RANGE.1.ln())
        };
        let drawn: Vec<f64> = logs.iter().zip(&deviations).map(away).collect();
        let mut own = mode.clone();
        let factor = asked.settle(&drawn, &mut own)?;
        let drawn: Vec<f64> = drawn.into_iter().map(f64::exp).collect();
        for _ in 0..DRAWS.1 {
            let noise: Vec<f64> = own.iter().map(|_| normal(&mut rng)).collect();
            let away = factor.solve_upper(&noise);
            draws.push((drawn.clone(), own.iter().zip(away).map(|(mode, away)| mode + away).collect()));
        }
    }
    let deviations = logs.into_iter().map(f64::exp).collect();
    Ok(Multilevel { deviations, slopes, effective, scales, places, draws })
}

/// The logarithms of the deviations where their posterior density is greatest, and how sure of each it is.
fn best_deviations(
    asked: &Asked,
    mode: &mut [f64],
    go_on: &mut dyn FnMut() -> bool,
) -> Result<(Vec<f64>, Vec<f64>), Error> {
    let mut logs = vec![(0.5f64).ln(); asked.starts.len() - 1];
    // Squared steps (Varadhan and Roland 2008): two rounds tell where many would lead.
    for _ in 0..12 {
        if !go_on() {
            return Err(Error::Stopped);
        }
        let once = asked.expect(&logs, mode)?;
        let twice = asked.expect(&once, mode)?;
        let first: Vec<f64> = once.iter().zip(&logs).map(|(to, from)| to - from).collect();
        let change: Vec<f64> =
            twice.iter().zip(&once).zip(&first).map(|((to, from), r)| to - from - r).collect();
        let norm = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
        if norm(&first) < 1e-3 {
            logs = twice;
            break;
        }
        let by = (norm(&first) / norm(&change).max(1e-12)).clamp(1.0, 16.0);
        for (at, log) in logs.iter_mut().enumerate() {
            let to = *log + 2.0 * by * first[at] + by * by * change[at];
            *log = to.clamp(twice[at] - 1.5, twice[at] + 1.5).clamp(RANGE.0.ln(), RANGE.1.ln());
        }
    }
    // Newton's method on the density itself, one deviation at a time beside the others.
    const STEP: f64 = 0.15;
    let mut sure = vec![0.5; logs.len()];
    for _ in 0..4 {
        let here = asked.density(&logs, mode)?;
        let mut moved = 0f64;
        let mut to = logs.clone();
        for at in 0..logs.len() {
            if !go_on() {
                return Err(Error::Stopped);
            }
            let beside = |by: f64| {
                let mut logs = logs.clone();
                logs[at] += by;
                asked.density(&logs, &mut mode.to_vec())
            };
            let (less, more) = (beside(-STEP)?, beside(STEP)?);
            let slope = (more - less) / (2.0 * STEP);
            let curvature = ((2.0 * here - more - less) / (STEP * STEP)).max(0.25);
            sure[at] = curvature.sqrt().recip();
            let step = (slope / curvature).clamp(-0.7, 0.7);
            to[at] = (logs[at] + step).clamp(RANGE.0.ln(), RANGE.1.ln());
            moved = moved.max(step.abs());
        }
        logs = to;
        if moved < 0.02 {
            break;
        }
    }
    Ok((logs, sure))
}

/// Mean and standard deviation; 1 for what does not differ.
fn spread(column: &[f64]) -> (f64, f64) {
    let mean = column.iter().sum::<f64>() / (column.len() as f64).max(1.0);
    let squares: f64 = column.iter().map(|value| (value - mean) * (value - mean)).sum();
    let deviation = (squares / (column.len() as f64).max(1.0)).sqrt();
    (mean, if deviation > 1e-12 { deviation } else { 1.0 })
}

impl Multilevel {
    /// How many draws from the posterior there are.
    pub fn draws(&self) -> usize {
        self.draws.len()
    }

    /// The chance of a yes of every one of some people in one draw. Groups of which nobody was asked have an effect that
    /// is drawn from their grouping's distribution.
    pub fn chances(&self, people: &People, draw: usize, seed: u64) -> Vec<f64> {
        let (deviations, effects) = &self.draws[draw];
        let mut linear = vec![effects[0]; people.rows()];
        for (at, (column, (mean, by))) in people.covariates.iter().zip(&self.scales).enumerate() {
            let slope = effects[at + 1];
            linear.iter_mut().zip(column).for_each(|(out, value)| *out += slope * (value - mean) / by);
        }
        for (grouping, (groups, places)) in people.groups.iter().zip(&self.places).enumerate() {
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ ((draw as u64) << 32) ^ ((grouping as u64) << 16));
            let own = places.iter().map(|place| match place {
                Some(place) => effects[*place as usize],
                None => deviations[grouping] * normal(&mut rng),
            });
            let own: Vec<f64> = own.collect();
            let effect = |group: &u32| if *group == NO_GROUP { 0.0 } else { own[*group as usize] };
            linear.iter_mut().zip(groups).for_each(|(out, group)| *out += effect(group));
        }
        linear.iter_mut().for_each(|value| *value = 1.0 / (1.0 + (-*value).exp()));
        linear
    }
}

impl People {
    /// How many they are.
    pub fn rows(&self) -> usize {
        self.groups.first().map(Vec::len).or(self.covariates.first().map(Vec::len)).unwrap_or(0)
    }
}

/// A draw from the standard normal distribution (Box and Muller).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (one, other): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - one).ln()).sqrt() * (std::f64::consts::TAU * other).cos()
}
