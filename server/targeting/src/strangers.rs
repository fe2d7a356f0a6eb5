//! People on whom a forest is tried while it grows, tree by tree: where their loss is least, it has enough of them.

use rayon::prelude::*;

use crate::boosting::{Loss, base, sigmoid};
use crate::forest::Tree;
use crate::matrix::{Binned, Cuts, Matrix};

/// People whose losses are added together; the parts are added in order, so that threads decide nothing.
const PART: usize = 1 << 14;

/// People on whom a growing forest is tried tree by tree.
#[derive(Default)]
pub struct Strangers {
    pub matrix: Matrix,
    pub outcomes: Vec<f32>,
    pub weights: Option<Vec<f32>>,
    pub most_trees: usize,
    binned: Option<Binned>,
    scores: Vec<f32>,
    /// Sum of the log loss after each tree.
    pub losses: Vec<f64>,
}

impl Strangers {
    pub fn new(
        most_trees: usize,
        matrix: Matrix,
        outcomes: Vec<f32>,
        weights: Option<Vec<f32>>,
    ) -> Strangers {
        Strangers { matrix, outcomes, weights, most_trees, ..Strangers::nobody(0) }
    }

    /// No strangers: a forest of so many trees is grown.
    pub fn nobody(most_trees: usize) -> Strangers {
        Strangers { most_trees, ..Strangers::default() }
    }

    /// Begins where a forest of people with known outcomes begins.
    pub fn prepare(&mut self, cuts: &[Cuts], known: &[f32], weights: Option<&[f32]>) {
        if self.outcomes.is_empty() {
            return;
        }
        self.binned = Some(Binned::new(&self.matrix, cuts));
        self.scores = vec![base(known, weights, Loss::Logistic) as f32; self.outcomes.len()];
    }

    pub fn watch(&mut self, tree: &Tree) {
        let Some(binned) = &self.binned else { return };
        tree.add(binned, &mut self.scores);
        let weight = |at: usize| self.weights.as_ref().map_or(1.0, |weights| weights[at]);
        let parts: Vec<f64> = (0..self.scores.len().div_ceil(PART))
            .into_par_iter()
            .map(|part| {
                let rows = part * PART..((part + 1) * PART).min(self.scores.len());
                // ln(1 + e^-s), with the sign of the outcome.
                let loss = |at: usize| {
                    let score = self.scores[at];
                    let toward = if self.outcomes[at] > 0.5 { score } else { -score };
                    f64::from(weight(at)) * f64::from(-sigmoid(toward).max(1e-12).ln())
                };
                rows.map(loss).sum()
            })
            .collect();
        self.losses.push(parts.iter().sum());
    }
}
