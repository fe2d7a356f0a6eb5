//! What each feature adds to what a model says of one person.
//!
//! For trees these are Shapley values of the expectation that a tree has when only some features are known and the others
//! go both ways as often as the people did whom it was grown on (Lundberg, Erion and Lee 2018, path-dependent). For a
//! regression they are coefficient times distance from the mean, which is the same thing. They add up to the log odds.

use rayon::prelude::*;

use crate::evidence::Model;
use crate::forest::{Forest, Tree};
use crate::logistic::Logistic;
use crate::matrix::Matrix;

/// The parts of one person's log odds (before calibration), or effect for persuasion.
#[derive(Debug, Clone, PartialEq)]
pub struct Contributions {
    /// What is said of people on the whole.
    pub base: f64,
    /// What each of the matrix's columns adds.
    pub parts: Vec<f64>,
}

/// A feature on the way to a leaf: its number, the share of people who go that way when it is not known, and whether the
/// person does.
type Step = (usize, f64, bool);

impl Model {
    /// The contributions of every person of a matrix. Time grows with people × trees × leaves × depth³: some
    /// milliseconds a person.
    pub fn contributions(&self, matrix: &Matrix) -> Vec<Contributions> {
        match &self.regression {
            Some(regression) => of_regression(regression, matrix),
            None => of_forest(&self.forest, matrix),
        }
    }
}

fn of_regression(regression: &Logistic, matrix: &Matrix) -> Vec<Contributions> {
    let empty = Contributions { base: regression.intercept, parts: vec![0.0; matrix.names.len()] };
    let mut all = vec![empty; matrix.rows()];
    for term in &regression.terms {
        let Some(place) = matrix.names.iter().position(|name| *name == term.feature) else { continue };
        let by = term.coefficient / term.deviation;
        for (own, value) in all.iter_mut().zip(&matrix.columns[place]) {
            own.parts[place] += match (term.unknown, value.is_nan()) {
                (true, unknown) => (f64::from(u8::from(unknown)) - term.mean) * by,
                (false, true) => 0.0,
                (false, false) => (f64::from(*value) - term.mean) * by,
            };
        }
    }
    all
}

fn of_forest(forest: &Forest, matrix: &Matrix) -> Vec<Contributions> {
    let columns = matrix.with_columns(&forest.names);
    let mut bins = vec![vec![0u8; matrix.rows()]; forest.names.len()];
    for ((cuts, values), out) in forest.cuts.iter().zip(&columns.columns).zip(&mut bins) {
        cuts.bins_of(values, out);
    }
    let places: Vec<Option<usize>> =
        forest.names.iter().map(|name| matrix.names.iter().position(|own| own == name)).collect();
    let base = forest.base + forest.trees.iter().map(mean).sum::<f64>();
    let one = |row: usize| {
        let own: Vec<u8> = bins.iter().map(|column| column[row]).collect();
        let mut of_features = vec![0.0; forest.names.len()];
        for tree in &forest.trees {
            let start = if tree.nodes.is_empty() { !0 } else { 0 };
            walk(tree, start, &own, &mut Vec::new(), &mut of_features);
        }
        let mut parts = vec![0.0; matrix.names.len()];
        for (place, value) in places.iter().zip(of_features) {
            if let Some(place) = place {
                parts[*place] += value;
            }
        }
        Contributions { base, parts }
    };
    (0..matrix.rows()).into_par_iter().map(one).collect()
}

/// People at the leaves below a node or leaf.
fn cover(tree: &Tree, place: i32) -> f64 {
    let (first, end) = tree.span(place);
    tree.covers[first..end].iter().map(|cover| f64::from(*cover)).sum()
}

/// What a tree says of people on the whole.
fn mean(tree: &Tree) -> f64 {
    let all: f64 = tree.covers.iter().map(|cover| f64::from(*cover)).sum();
    let values = tree.leaves.iter().zip(&tree.covers);
    values.map(|(value, cover)| f64::from(*value) * f64::from(*cover)).sum::<f64>() / all.max(1e-12)
}

fn walk(tree: &Tree, place: i32, bins: &[u8], path: &mut Vec<Step>, out: &mut [f64]) {
    if place < 0 {
        return add_leaf(f64::from(tree.leaves[!place as usize]), path, out);
    }
    let node = &tree.nodes[place as usize];
    let feature = node.feature as usize;
    let goes_left = node.goes_left(bins[feature]);
    let all = cover(tree, place);
    for (child, is_left) in [(node.left, true), (node.right, false)] {
        let share = if all > 0.0 { cover(tree, child) / all } else { 0.5 };
        let (before, goes) = (path.clone(), goes_left == is_left);
        // A feature that was asked before stands on the way once.
        match path.iter_mut().find(|step| step.0 == feature) {
            Some(step) => (step.1, step.2) = (step.1 * share, step.2 && goes),
            None => path.push((feature, share, goes)),
        }
        walk(tree, child, bins, path, out);
        *path = before;
    }
}

/// Adds the Shapley values of "the leaf's value if all features on its way lead there".
fn add_leaf(value: f64, path: &[Step], out: &mut [f64]) {
    let steps = path.len();
    for (at, (feature, share, goes)) in path.iter().enumerate() {
        // By how many of the others are known: the sum over the ways to choose them.
        let mut known = vec![0.0; steps];
        known[0] = 1.0;
        for (so_far, (_, share, goes)) in
            path.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, step)| step).enumerate()
        {
            for count in (0..=so_far).rev() {
                known[count + 1] += if *goes { known[count] } else { 0.0 };
                known[count] *= share;
            }
        }
        let mut weight = 1.0 / steps as f64;
        let mut sum = 0.0;
        for (count, ways) in known.iter().enumerate() {
            sum += ways * weight;
            // count! (steps - 1 - count)! / steps!
            weight *= (count + 1) as f64 / (steps - 1 - count).max(1) as f64;
        }
        out[*feature] += value * (f64::from(u8::from(*goes)) - share) * sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boosting::{Loss, Settings, train};
    use crate::forest::Scorer;

    /// What a tree expects when only the features of a set are known.
    fn expected(tree: &Tree, place: i32, bins: &[u8], known: u32) -> f64 {
        if place < 0 {
            return f64::from(tree.leaves[!place as usize]);
        }
        let node = &tree.nodes[place as usize];
        if known >> node.feature & 1 == 1 {
            let next = if node.goes_left(bins[node.feature as usize]) { node.left } else { node.right };
            return expected(tree, next, bins, known);
        }
        [node.left, node.right]
            .into_iter()
            .map(|child| cover(tree, child) / cover(tree, place) * expected(tree, child, bins, known))
            .sum()
    }

    #[test]
    fn contributions_are_the_shapley_values_of_all_subsets_and_add_up() {
        const FEATURES: usize = 5;
        let value = |row: usize, feature: usize| {
            let mixed = (row * FEATURES + feature) as u64;
            let mixed = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            if mixed.is_multiple_of(11) { f32::NAN } else { (mixed % 97) as f32 }
        };
        let rows = 3000;
        let matrix = Matrix {
            names: (0..FEATURES).map(|feature| format!("f{feature}")).collect(),
            columns: (0..FEATURES).map(|at| (0..rows).map(|row| value(row, at)).collect()).collect(),
        };
        let outcome = |row: usize| {
            let (one, other) = (value(row, 0), value(row, 1));
            f32::from(u8::from((one > 40.0) ^ (other > 60.0) || value(row, 2) > 80.0 + one / 10.0))
        };
        let outcomes: Vec<f32> = (0..rows).map(outcome).collect();
        let settings = Settings { trees: 8, ..Settings::default() };
        let forest = train(&matrix, &outcomes, None, Loss::Logistic, &settings, |_| true);
        let few = matrix.pick(&[0, 1, 2, 3, 4, 5, 6, 7]);
        let told = of_forest(&forest, &few);
        let log_odds = Scorer::new(&forest).log_odds(&few);
        for (row, told) in told.iter().enumerate() {
            let sum = told.base + told.parts.iter().sum::<f64>();
            assert!((sum - f64::from(log_odds[row])).abs() < 1e-5, "{sum} {}", log_odds[row]);
            let bins: Vec<u8> = (0..FEATURES)
                .map(|at| {
                    let mut bin = [0u8];
                    forest.cuts[at].bins_of(&[few.columns[at][row]], &mut bin);
                    bin[0]
                })
                .collect();
            let all =
                |known: u32| -> f64 { forest.trees.iter().map(|tree| expected(tree, 0, &bins, known)).sum() };
            for feature in 0..FEATURES {
                let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
                let shapley: f64 = (0..1u32 << FEATURES)
                    .filter(|known| known >> feature & 1 == 0)
                    .map(|known| {
                        let size = known.count_ones();
                        let weight = factorial(size) * factorial(FEATURES as u32 - 1 - size)
                            / factorial(FEATURES as u32);
                        weight * (all(known | 1 << feature) - all(known))
                    })
                    .sum();
                assert!((shapley - told.parts[feature]).abs() < 1e-9, "{shapley} {}", told.parts[feature]);
            }
        }
    }
}
