//! Scores turned into chances that keep what they promise, learned from people whom the model had not seen.

use serde::{Deserialize, Serialize};

use crate::boosting::sigmoid;
use crate::measures::{Told, calibration_line};

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
        let mut calibration = (Vec::new(), Vec::new());
        for step in steps {
            // Nobody is promised never or always: as if one of two more had the outcome.
            let chance = ((step.outcomes + 0.5) / (step.weight + 1.0)) as f32;
            for value in [step.first, step.last] {
                if calibration.0.last() != Some(&value) {
                    calibration.0.push(value);
                    calibration.1.push(chance);
                }
            }
        }
        // The half that was added may have turned small steps round.
        let mut most = 0f32;
        calibration.1.iter_mut().for_each(|chance| {
            most = most.max(*chance);
            *chance = most;
        });
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
        let log_odds = [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0];
        let outcomes = [0.0, 1.0, 0.0, 0.0, 1.0, 1.0];
        let Calibration::Isotonic { log_odds: values, chances } =
            Calibration::isotonic(&log_odds, &outcomes, None)
        else {
            panic!("isotonic is isotonic");
        };
        assert_eq!(values, [-2.0, -1.0, 1.0, 2.0, 3.0]);
        let third = (1.5 / 4.0) as f32;
        assert_eq!(chances, [0.25, third, third, 2.5 / 3.0, 2.5 / 3.0]);
        let own = Calibration::Isotonic { log_odds: values, chances };
        assert_eq!(own.chance(-9.0), 0.25);
        assert_eq!(own.chance(9.0), 2.5 / 3.0);
        assert!(own.chance(1.5) > third && own.chance(1.5) < 0.8);
    }
}
