//! Opinion by small areas: a multilevel logistic regression on a survey, post-stratified on everybody (Gelman and Little
//! 1997; Park, Gelman and Bafumi 2004).
//!
//! `logit P(y) = intercept + Σ slope × covariate + Σ effect of the person's group in each grouping`, where the effects of
//! one grouping are draws from a normal distribution whose deviation is estimated. The mode of all effects is found by
//! Newton's method; the deviations by expectation and maximisation around it, with the Laplace approximation of the
//! posterior, from which the intervals are drawn.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::linear::Square;

/// People in words of the model: numbers that act linearly, and the group of each grouping (0 to its size - 1).
#[derive(Debug, Clone, Default)]
pub struct People {
    pub covariates: Vec<Vec<f64>>,
    pub groups: Vec<Vec<u32>>,
}

/// A grouping: what it is called and how many groups it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grouping {
    pub name: String,
    pub groups: usize,
}

/// A fitted model.
pub struct Multilevel {
    pub groupings: Vec<Grouping>,
    /// Intercept, slopes, then the effects of each grouping's groups.
    pub mode: Vec<f64>,
    /// Standard deviation of each grouping's effects, in log odds.
    pub deviations: Vec<f64>,
    /// Factor of the curvature at the mode.
    factor: Square,
    covariates: usize,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("everybody has the same answer")]
    OneAnswer,
    #[error("the regression did not settle")]
    Unsettled,
    #[error("{0} groups and covariates are more than {MOST}")]
    TooMany(usize),
}

/// Columns up to which a model is fitted: memory grows with their square, time with their cube.
const MOST: usize = 3000;
/// Rounds of expectation and maximisation.
const ROUNDS: usize = 300;

/// Share of people, and the bounds that hold it 95 times of 100.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub share: f64,
    pub low: f64,
    pub high: f64,
}

/// Fits the model to answers of 0 or 1 with their survey weights.
pub fn fit(
    people: &People,
    groupings: &[Grouping],
    answers: &[f64],
    weights: &[f64],
) -> Result<Multilevel, Error> {
    let fixed = 1 + people.covariates.len();
    let size = fixed + groupings.iter().map(|grouping| grouping.groups).sum::<usize>();
    if size > MOST {
        return Err(Error::TooMany(size));
    }
    // Weights that say how many people an answer stands for would make it sure of itself: they are scaled to one each.
    let scale = answers.len() as f64 / weights.iter().sum::<f64>().max(1e-12);
    let all: f64 = weights.iter().sum::<f64>() * scale;
    let with: f64 = answers.iter().zip(weights).map(|(answer, weight)| answer * weight * scale).sum();
    if with <= 0.0 || with >= all {
        return Err(Error::OneAnswer);
    }
    let mut starts = vec![fixed];
    groupings.iter().for_each(|grouping| starts.push(starts[starts.len() - 1] + grouping.groups));
    let mut mode = vec![0.0; size];
    mode[0] = (with / (all - with)).ln();
    let mut deviations = vec![0.5; groupings.len()];
    let mut factor = Square::new(size);
    for _ in 0..ROUNDS {
        let mut penalty = vec![0.0; size];
        penalty[1..fixed].fill(1e-6);
        for (at, deviation) in deviations.iter().enumerate() {
            penalty[starts[at]..starts[at + 1]].fill(1.0 / (deviation * deviation));
        }
        let mut settled = false;
        for _ in 0..50 {
            let mut gradient: Vec<f64> = mode.iter().zip(&penalty).map(|(value, by)| -value * by).collect();
            factor = Square::new(size);
            (0..size).for_each(|at| *factor.at(at, at) = penalty[at] + 1e-9);
            let mut columns: Vec<(usize, f64)> = Vec::new();
            for row in 0..answers.len() {
                members(people, &starts, row, &mut columns);
                let score: f64 = columns.iter().map(|(at, value)| mode[*at] * value).sum();
                let chance = 1.0 / (1.0 + (-score).exp());
                let weight = weights[row] * scale;
                let (rest, curvature) = (weight * (answers[row] - chance), weight * chance * (1.0 - chance));
                for (at, (column, value)) in columns.iter().enumerate() {
                    gradient[*column] += rest * value;
                    for (other, by) in &columns[..=at] {
                        *factor.at(*column, *other) += curvature * value * by;
                    }
                }
            }
            if !factor.factor() {
                return Err(Error::Unsettled);
            }
            let step = factor.solve(&gradient);
            let longest = step.iter().fold(0f64, |most, step| most.max(step.abs()));
            let by = (2.0 / longest.max(2.0)).min(1.0);
            mode.iter_mut().zip(&step).for_each(|(value, step)| *value += by * step);
            if longest < 1e-7 {
                settled = true;
                break;
            }
        }
        if !settled {
            return Err(Error::Unsettled);
        }
        let variances = factor.inverse_diagonal();
        let mut moved = 0f64;
        for (at, deviation) in deviations.iter_mut().enumerate() {
            let range = starts[at]..starts[at + 1];
            let groups = range.len().max(1) as f64;
            let squares: f64 = range.map(|column| mode[column] * mode[column] + variances[column]).sum();
            let new = (squares / groups).sqrt().max(1e-3);
            moved = moved.max((new / *deviation).ln().abs());
            *deviation = new;
        }
        if moved < 1e-4 {
            break;
        }
    }
    Ok(Multilevel {
        groupings: groupings.to_vec(),
        mode,
        deviations,
        factor,
        covariates: people.covariates.len(),
    })
}

/// The columns that are not nothing for one person, ascending, with their values.
fn members(people: &People, starts: &[usize], row: usize, out: &mut Vec<(usize, f64)>) {
    out.clear();
    out.push((0, 1.0));
    out.extend(people.covariates.iter().enumerate().map(|(at, column)| (at + 1, column[row])));
    out.extend(people.groups.iter().zip(starts).map(|(groups, start)| (start + groups[row] as usize, 1.0)));
}

impl Multilevel {
    /// The share of every area among the cells that lie in it: `cells` are people in words of the model, each standing
    /// for `counts` people of the area `areas`.
    pub fn poststratify(
        &self,
        cells: &People,
        counts: &[f64],
        areas: &[u32],
        how_many: usize,
        draws: usize,
        seed: u64,
    ) -> Vec<Estimate> {
        let mut starts = vec![1 + self.covariates];
        self.groupings.iter().for_each(|grouping| starts.push(starts[starts.len() - 1] + grouping.groups));
        let shares = |mode: &[f64]| -> Vec<f64> {
            let (mut sums, mut all) = (vec![0.0; how_many], vec![0.0; how_many]);
            let mut columns = Vec::new();
            for (cell, (count, area)) in counts.iter().zip(areas).enumerate() {
                members(cells, &starts, cell, &mut columns);
                let score: f64 = columns.iter().map(|(at, value)| mode[*at] * value).sum();
                sums[*area as usize] += count / (1.0 + (-score).exp());
                all[*area as usize] += count;
            }
            sums.iter().zip(&all).map(|(sum, all)| sum / all.max(1e-12)).collect()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut drawn: Vec<Vec<f64>> = vec![Vec::with_capacity(draws); how_many];
        for _ in 0..draws {
            let noise: Vec<f64> = (0..self.mode.len()).map(|_| normal(&mut rng)).collect();
            let away = self.factor.solve_upper(&noise);
            let own: Vec<f64> = self.mode.iter().zip(away).map(|(mode, away)| mode + away).collect();
            shares(&own).into_iter().zip(&mut drawn).for_each(|(share, drawn)| drawn.push(share));
        }
        let estimate = |mut drawn: Vec<f64>| {
            drawn.sort_unstable_by(f64::total_cmp);
            let at = |share: f64| drawn[((draws - 1) as f64 * share).round() as usize];
            Estimate { share: drawn.iter().sum::<f64>() / draws as f64, low: at(0.025), high: at(0.975) }
        };
        drawn.into_iter().map(estimate).collect()
    }
}

/// A draw from the standard normal distribution (Box and Muller).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (one, other): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - one).ln()).sqrt() * (std::f64::consts::TAU * other).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_areas_are_drawn_towards_the_rest_and_intervals_hold_the_truth() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (areas, ages) = (60usize, 4usize);
        let of_area: Vec<f64> = (0..areas).map(|_| 0.7 * normal(&mut rng)).collect();
        let of_age: Vec<f64> = (0..ages).map(|_| 0.4 * normal(&mut rng)).collect();
        let chance = |area: usize, age: usize| 1.0 / (1.0 + (-(0.2 + of_area[area] + of_age[age])).exp());
        let mut people = People { covariates: Vec::new(), groups: vec![Vec::new(); 2] };
        let mut answers = Vec::new();
        for _ in 0..4000 {
            // Few of the later areas are asked.
            let draw: f64 = rng.random();
            let (area, age) = ((draw * draw * areas as f64) as usize, rng.random_range(0..ages));
            people.groups[0].push(area as u32);
            people.groups[1].push(age as u32);
            answers.push(f64::from(u8::from(rng.random::<f64>() < chance(area, age))));
        }
        let grouping = |name: &str, groups| Grouping { name: name.into(), groups };
        let groupings = [grouping("area", areas), grouping("age", ages)];
        let model = fit(&people, &groupings, &answers, &vec![1.0; 4000]).expect("a model");
        assert!((model.deviations[0] - 0.7).abs() < 0.2, "{:?}", model.deviations);
        let mut cells = People { covariates: Vec::new(), groups: vec![Vec::new(); 2] };
        let (mut counts, mut of) = (Vec::new(), Vec::new());
        for area in 0..areas as u32 {
            for age in 0..ages as u32 {
                cells.groups[0].push(area);
                cells.groups[1].push(age);
                counts.push(f64::from(100 + age));
                of.push(area);
            }
        }
        let told = model.poststratify(&cells, &counts, &of, areas, 1000, 1);
        let truth = |area: usize| {
            let sum: f64 = (0..ages).map(|age| (100.0 + age as f64) * chance(area, age)).sum();
            sum / (0..ages).map(|age| 100.0 + age as f64).sum::<f64>()
        };
        let held =
            (0..areas).filter(|area| told[*area].low <= truth(*area) && truth(*area) <= told[*area].high);
        let held = held.count();
        assert!((52..=60).contains(&held), "{held} of {areas} intervals hold the truth");
    }
}
