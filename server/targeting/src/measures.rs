//! How good predictions are: figures of one list of outcomes (0 or 1) and chances, each with a weight.

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
