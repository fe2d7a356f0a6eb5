//! How good predictions are: figures of one list of outcomes (0 or 1) and chances, each with a weight.

use serde::{Deserialize, Serialize};

/// Outcomes, what was promised of them, and their weights (1 each where there are none).
#[derive(Clone, Copy)]
pub struct Told<'a> {
    pub outcomes: &'a [f32],
    /// Chances, 0 to 1.
    pub chances: &'a [f32],
    pub weights: Option<&'a [f32]>,
}

impl Told<'_> {
    pub fn weight(&self, at: usize) -> f64 {
        self.weights.map_or(1.0, |weights| f64::from(weights[at]))
    }

    /// Calls with outcome, chance and weight of each.
    fn each(&self, mut take: impl FnMut(f64, f64, f64)) {
        for (at, (outcome, chance)) in self.outcomes.iter().zip(self.chances).enumerate() {
            take(f64::from(*outcome), f64::from(*chance), self.weight(at));
        }
    }

    /// Sum of the weights.
    pub fn all(&self) -> f64 {
        (0..self.outcomes.len()).map(|at| self.weight(at)).sum()
    }

    /// Places from the highest chance to the lowest.
    pub fn ranked(&self) -> Vec<u32> {
        let mut places: Vec<u32> = (0..self.chances.len() as u32).collect();
        let key = |place: &u32| self.chances[*place as usize];
        places.sort_unstable_by(|one, other| key(other).total_cmp(&key(one)).then(one.cmp(other)));
        places
    }
}

/// Area under the receiver operating characteristic: how often of two people, one with the outcome and one without, the
/// first has the higher chance; ties count half (Hanley and McNeil 1982). None where all have the same outcome.
pub fn auc(told: Told) -> Option<f64> {
    let places = told.ranked();
    let (mut above, mut below, mut pairs) = (0f64, 0f64, 0f64);
    let mut at = 0;
    while at < places.len() {
        let chance = told.chances[places[at] as usize];
        let (mut with, mut without) = (0f64, 0f64);
        while at < places.len() && told.chances[places[at] as usize] == chance {
            let place = places[at] as usize;
            let (outcome, weight) = (f64::from(told.outcomes[place]), told.weight(place));
            with += weight * outcome;
            without += weight * (1.0 - outcome);
            at += 1;
        }
        pairs += without * (above + with / 2.0);
        above += with;
        below += without;
    }
    (above > 0.0 && below > 0.0).then(|| pairs / (above * below))
}

/// Chances nearer to 0 or 1 are taken for this in logarithms.
const NEAREST: f64 = 1e-15;

/// Mean of `-ln` of what was promised of that which came true.
pub fn log_loss(told: Told) -> f64 {
    let mut sum = 0.0;
    told.each(|outcome, chance, weight| {
        let chance = chance.clamp(NEAREST, 1.0 - NEAREST);
        sum -= weight * (outcome * chance.ln() + (1.0 - outcome) * (1.0 - chance).ln());
    });
    sum / told.all()
}

/// Mean square of the difference between outcome and chance (Brier 1950).
pub fn brier(told: Told) -> f64 {
    let mut sum = 0.0;
    told.each(|outcome, chance, weight| sum += weight * (outcome - chance).powi(2));
    sum / told.all()
}

/// People of like chances: what was promised of them on average and what came true.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    pub people: f64,
    pub promised: f64,
    pub came_true: f64,
}

/// The calibration curve, in bins of like numbers of people, from the lowest chances to the highest.
pub fn calibration(told: Told, bins: usize) -> Vec<Bin> {
    let mut places = told.ranked();
    places.reverse();
    let size = places.len().div_ceil(bins).max(1);
    let bin = |places: &[u32]| {
        let (mut people, mut promised, mut came_true) = (0.0, 0.0, 0.0);
        for place in places {
            let place = *place as usize;
            let weight = told.weight(place);
            people += weight;
            promised += weight * f64::from(told.chances[place]);
            came_true += weight * f64::from(told.outcomes[place]);
        }
        Bin { people, promised: promised / people, came_true: came_true / people }
    };
    places.chunks(size).map(bin).collect()
}

/// Slope and intercept of the logistic regression of the outcomes on the log odds of the chances (Cox 1958): 1 and 0
/// where the promises are kept. None where all have the same outcome or the same chance.
pub fn calibration_line(told: Told) -> Option<(f64, f64)> {
    let log_odds = |chance: f64| {
        let chance = chance.clamp(1e-7, 1.0 - 1e-7);
        (chance / (1.0 - chance)).ln()
    };
    let (mut intercept, mut slope) = (0.0, 1.0);
    for _ in 0..50 {
        let [mut g0, mut g1, mut h00, mut h01, mut h11] = [0.0; 5];
        told.each(|outcome, chance, weight| {
            let x = log_odds(chance);
            let fitted = 1.0 / (1.0 + (-(intercept + slope * x)).exp());
            let (rest, curvature) = (weight * (outcome - fitted), weight * fitted * (1.0 - fitted));
            g0 += rest;
            g1 += rest * x;
            h00 += curvature;
            h01 += curvature * x;
            h11 += curvature * x * x;
        });
        let determinant = h00 * h11 - h01 * h01;
        if determinant.abs() < 1e-12 * (h00 * h11).max(1e-300) {
            return None;
        }
        let step = [(h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant];
        // A step that is too long is halved until it is not.
        let most = 4.0 / step[0].abs().max(step[1].abs()).max(4.0);
        intercept += step[0] * most;
        slope += step[1] * most;
        if step[0].abs().max(step[1].abs()) < 1e-10 {
            return Some((slope, intercept));
        }
    }
    None
}

/// The best part of the people by their chances, and what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// Share of all people, 0 to 1.
    pub share: f64,
    /// Share of all outcomes that are among them.
    pub gain: f64,
    /// How many times more often they have the outcome than all people.
    pub lift: f64,
}

/// Gains and lift of the best tenth, two tenths and so on.
pub fn gains(told: Told, parts: usize) -> Vec<Gain> {
    let places = told.ranked();
    let all = told.all();
    let mut with = 0.0;
    told.each(|outcome, _, weight| with += weight * outcome);
    let (mut people, mut found, mut at) = (0.0, 0.0, 0);
    (1..=parts)
        .map(|part| {
            let end = places.len() * part / parts;
            for place in &places[at..end] {
                let place = *place as usize;
                people += told.weight(place);
                found += told.weight(place) * f64::from(told.outcomes[place]);
            }
            at = end;
            let (share, gain) = (people / all, found / with);
            Gain { share, gain, lift: gain / share }
        })
        .collect()
}

/// How far the people that are scored differ from those that a model learned from, in one number a feature: the
/// population stability index over the bins of `shares`, `Σ (b - a) ln(b / a)`. Under 0.1 is little, over 0.25 much.
pub fn drift(learned: &[f64], scored: &[f64]) -> f64 {
    let (one, other): (f64, f64) = (learned.iter().sum(), scored.iter().sum());
    let share = |count: f64, all: f64| (count / all.max(1e-12)).max(1e-4);
    let pair = |(a, b): (&f64, &f64)| {
        let (a, b) = (share(*a, one), share(*b, other));
        (b - a) * (b / a).ln()
    };
    learned.iter().zip(scored).map(pair).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_counts_pairs_in_the_right_order() {
        let (outcomes, chances) = ([1.0, 0.0, 1.0, 0.0, 0.0], [0.9, 0.8, 0.5, 0.5, 0.1]);
        // Of six pairs: four right, one wrong, one tie.
        let told = Told { outcomes: &outcomes, chances: &chances, weights: None };
        assert_eq!(auc(told), Some(4.5 / 6.0));
        assert_eq!(auc(Told { outcomes: &[1.0; 5], ..told }), None);
    }

    #[test]
    fn a_promise_that_is_kept_has_slope_one() {
        let chances: Vec<f32> = (0..200_000).map(|at| 0.05 + 0.9 * (at % 1000) as f32 / 1000.0).collect();
        let mut state = 7u64;
        let draw = |chance: &f32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f32::from(((state >> 40) as f32 / (1u64 << 24) as f32) < *chance)
        };
        let outcomes: Vec<f32> = chances.iter().map(draw).collect();
        let told = Told { outcomes: &outcomes, chances: &chances, weights: None };
        let (slope, intercept) = calibration_line(told).expect("a line");
        assert!((slope - 1.0).abs() < 0.02 && intercept.abs() < 0.02, "{slope} {intercept}");
        assert!(calibration(told, 10).iter().all(|bin| (bin.promised - bin.came_true).abs() < 0.02));
        let gains = gains(told, 10);
        assert!((gains[9].gain - 1.0).abs() < 1e-9 && gains[0].lift > 1.7);
    }
}
