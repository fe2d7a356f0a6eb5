//! Scores turned into chances that keep what they promise, learned from people whom the model had not seen.

use serde::{Deserialize, Serialize};

use crate::boosting::sigmoid;
use crate::measures::{Told, calibration_line};

/// Fewest people, by weight, of one step.
const LEAST_STEP: f64 = 50.0;

/// A way from log odds to chances that never turns the order round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibration {
    /// A line in the log odds (Platt 1999).
    Platt { slope: f64, intercept: f64 },
    /// Steps, joined by lines (Zadrozny and Elkan 2002): log odds ascending, and the chance at each.
    Isotonic { log_odds: Vec<f32>, chances: Vec<f32> },
}

impl Calibration {
    /// Fits a line to people that the model had not seen.
    pub fn platt(log_odds: &[f32], outcomes: &[f32], weights: Option<&[f32]>) -> Option<Calibration> {
        let chances: Vec<f32> = log_odds.iter().map(|value| sigmoid(*value)).collect();
        let (slope, intercept) = calibration_line(Told { outcomes, chances: &chances, weights })?;
        (slope > 0.0).then_some(Calibration::Platt { slope, intercept })
    }

    /// Fits steps by pooling neighbours that are out of order.
    pub fn isotonic(log_odds: &[f32], outcomes: &[f32], weights: Option<&[f32]>) -> Calibration {
        struct Step {
            weight: f64,
            outcomes: f64,
            first: f32,
            last: f32,
        }
        let mut places: Vec<u32> = (0..log_odds.len() as u32).collect();
        places.sort_unstable_by(|one, other| {
            log_odds[*one as usize].total_cmp(&log_odds[*other as usize]).then(one.cmp(other))
        });
        let mut steps: Vec<Step> = Vec::new();
        for place in places {
            let place = place as usize;
            let weight = weights.map_or(1.0, |weights| f64::from(weights[place]));
            let value = log_odds[place];
            let outcome = weight * f64::from(outcomes[place]);
            // Equal scores are one step.
            match steps.last_mut().filter(|step| step.last == value) {
                Some(step) => {
                    step.weight += weight;
                    step.outcomes += outcome;
                }
                None => steps.push(Step { weight, outcomes: outcome, first: value, last: value }),
            }
            while let [.., before, last] = &steps[..]
                && before.outcomes * last.weight >= last.outcomes * before.weight
                && before.first != last.first
            {
                let last = steps.pop().expect("two were just seen");
                let before = steps.last_mut().expect("two were just seen");
                before.weight += last.weight;
                before.outcomes += last.outcomes;
                before.last = last.last;
            }
        }
        // A step of few people promises them more than it knows: it is joined to the one before.
        let mut joined: Vec<Step> = Vec::new();
        for step in steps {
            match joined.last_mut().filter(|last| last.weight < LEAST_STEP || step.weight < LEAST_STEP) {
                Some(last) => {
                    last.weight += step.weight;
                    last.outcomes += step.outcomes;
                    last.last = step.last;
                }
                None => joined.push(step),
            }
        }
        let mut calibration = (Vec::new(), Vec::new());
        let mut most = 0f32;
        for step in joined {
            // Nobody is promised never or always.
            let rare = 0.5 / (step.weight + 1.0);
            most = most.max((step.outcomes / step.weight).clamp(rare, 1.0 - rare) as f32);
            for value in [step.first, step.last] {
                if calibration.0.last() != Some(&value) {
                    calibration.0.push(value);
                    calibration.1.push(most);
                }
            }
        }
        Calibration::Isotonic { log_odds: calibration.0, chances: calibration.1 }
    }

    /// The chance for one person's log odds.
    pub fn chance(&self, value: f32) -> f32 {
        match self {
            Calibration::Platt { slope, intercept } => sigmoid((intercept + slope * f64::from(value)) as f32),
            Calibration::Isotonic { log_odds, chances } => {
                let after = log_odds.partition_point(|known| *known < value);
                match (after.checked_sub(1), log_odds.get(after)) {
                    (None, _) => chances.first().copied().unwrap_or(0.5),
                    (Some(before), None) => chances[before],
                    (Some(before), Some(next)) => {
                        let way = (value - log_odds[before]) / (next - log_odds[before]);
                        chances[before] + (chances[after] - chances[before]) * way
                    }
                }
            }
        }
    }

    pub fn chances(&self, log_odds: &[f32]) -> Vec<f32> {
        use rayon::prelude::*;
        log_odds.par_iter().map(|value| self.chance(*value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_out_of_order_are_pooled() {
        // A hundred people each at six scores.
        let shares = [0.0, 0.5, 0.2, 0.2, 0.9, 1.0];
        let places = (0..600).map(|at| at / 100);
        let log_odds: Vec<f32> = places.clone().map(|place| place as f32 - 2.0).collect();
        let outcomes: Vec<f32> = (0..600)
            .zip(places)
            .map(|(at, place)| f32::from(u8::from(((at % 100) as f64) < shares[place] * 100.0)))
            .collect();
        let Calibration::Isotonic { log_odds: values, chances } =
            Calibration::isotonic(&log_odds, &outcomes, None)
        else {
            panic!("isotonic is isotonic");
        };
        assert_eq!(values, [-2.0, -1.0, 1.0, 2.0, 3.0]);
        let rare = (0.5 / 101.0) as f32;
        assert_eq!(chances, [rare, 0.3, 0.3, 0.9, (1.0 - 0.5 / 101.0) as f32]);
        let own = Calibration::Isotonic { log_odds: values, chances };
        assert_eq!(own.chance(-9.0), rare);
        assert_eq!(own.chance(9.0), (1.0 - 0.5 / 101.0) as f32);
        assert!(own.chance(1.5) > 0.5 && own.chance(1.5) < 0.7);
        // One alone at the low end with the outcome raises nobody's promise much.
        let mut lone = (log_odds, outcomes);
        lone.0.push(-9.0);
        lone.1.push(1.0);
        assert!(Calibration::isotonic(&lone.0, &lone.1, None).chance(-2.0) < 0.02);
    }
}
