//! Boosted trees, trained: histograms of gradients over bins, leaves split where the loss falls most (Friedman 2001;
//! Ke and others, LightGBM, 2017). The same rows give the same forest, however many threads there are.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::forest::{Forest, Tree};
use crate::grower::Grower;
use crate::matrix::{Binned, Cuts, Matrix};

/// How a forest is grown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub trees: usize,
    /// Most leaves of a tree, 2 to 32.
    pub leaves: usize,
    /// Share of what a tree found that is taken over.
    pub rate: f64,
    /// Fewest people of a leaf.
    pub least_rows: f64,
    /// Smallest sum of curvatures of a leaf.
    pub least_curvature: f64,
    /// Added to the curvature of every leaf: draws small leaves to nothing.
    pub ridge: f64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { trees: 100, leaves: 31, rate: 0.1, least_rows: 20.0, least_curvature: 1e-3, ridge: 0.0 }
    }
}

/// What a tree fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Outcomes are 0 or 1, or a share between; scores are log odds.
    Logistic,
    /// Outcomes are numbers; scores too.
    Squares,
}

/// Trains a forest. `weights` of 1 each where there are none. `watch` is shown every tree and may end the training by
/// saying false.
///
/// Time grows with rows × features × the logarithm of the leaves × trees; memory is some `2 × features + 20` bytes a row.
pub fn train(
    matrix: &Matrix,
    outcomes: &[f32],
    weights: Option<&[f32]>,
    loss: Loss,
    settings: &Settings,
    watch: impl FnMut(&Tree) -> bool,
) -> Forest {
    let cuts: Vec<Cuts> = matrix.columns.par_iter().map(|column| Cuts::of(column)).collect();
    let binned = Binned::new(matrix, &cuts);
    train_binned(&matrix.names, cuts, &binned, outcomes, weights, loss, settings, watch)
}

#[expect(clippy::too_many_arguments, reason = "the inner half of `train`, for rows that are in bins already")]
pub fn train_binned(
    names: &[String],
    cuts: Vec<Cuts>,
    binned: &Binned,
    outcomes: &[f32],
    weights: Option<&[f32]>,
    loss: Loss,
    settings: &Settings,
    mut watch: impl FnMut(&Tree) -> bool,
) -> Forest {
    let base = base(outcomes, weights, loss);
    let mut forest = Forest { names: names.to_vec(), cuts, base, trees: Vec::with_capacity(settings.trees) };
    let mut scores = vec![base as f32; binned.rows];
    let mut grower = Grower::new(binned, settings);
    for _ in 0..settings.trees {
        grower.prepare(&scores, outcomes, weights, loss);
        let tree = grower.grow(&forest.cuts, &mut scores);
        let goes_on = watch(&tree) && !tree.nodes.is_empty();
        forest.trees.push(tree);
        if !goes_on {
            break;
        }
    }
    forest
}

/// The score that every person begins with: that of the mean outcome.
pub fn base(outcomes: &[f32], weights: Option<&[f32]>, loss: Loss) -> f64 {
    let weight = |row: usize| weights.map_or(1.0, |weights| f64::from(weights[row]));
    let all: f64 = (0..outcomes.len()).map(weight).sum();
    let sum: f64 = outcomes.iter().enumerate().map(|(row, outcome)| weight(row) * f64::from(*outcome)).sum();
    let mean = sum / all.max(1e-12);
    match loss {
        Loss::Logistic => {
            let mean = mean.clamp(1e-6, 1.0 - 1e-6);
            (mean / (1.0 - mean)).ln()
        }
        Loss::Squares => mean,
    }
}

/// `1 / (1 + e^-x)` to seven digits, in a form that many are worked out at a time.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    let t = (-x).clamp(-80.0, 80.0) * std::f32::consts::LOG2_E;
    let whole = (t + ROUND) - ROUND;
    let rest = (t - whole) * std::f32::consts::LN_2;
    // e^rest by its series; |rest| is at most 0.35.
    let series = 1.0
        + rest
            * (1.0
                + rest
                    * (0.5 + rest * (1.0 / 6.0 + rest * (1.0 / 24.0 + rest * (1.0 / 120.0 + rest / 720.0)))));
    let power = f32::from_bits((((whole as i32) + 127) << 23) as u32);
    1.0 / (1.0 + series * power)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::forest::Scorer;

    /// People with a known rule: some features unknown, one of few values.
    fn people(rows: usize) -> (Matrix, Vec<f32>) {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut columns = vec![Vec::new(); 4];
        let mut outcomes = Vec::new();
        for _ in 0..rows {
            let [a, b]: [f32; 2] = rng.random();
            let few = rng.random_range(0..3) as f32;
            let hidden = if rng.random::<f32>() < 0.2 { f32::NAN } else { b };
            let score = 3.0 * a - 2.0 * hidden.max(0.0) + if few > 1.0 { 1.0 } else { -0.5 } - 0.5;
            outcomes.push(f32::from(u8::from(rng.random::<f32>() < sigmoid(score))));
            for (column, value) in columns.iter_mut().zip([a, hidden, few, rng.random()]) {
                column.push(value);
            }
        }
        (Matrix { names: ["a", "b", "few", "noise"].map(str::to_string).to_vec(), columns }, outcomes)
    }

    #[test]
    fn all_at_once_everybody_has_the_score_that_the_trees_give_one_by_one() {
        let (matrix, outcomes) = people(5000);
        let whole = train(&matrix, &outcomes, None, Loss::Logistic, &Settings::default(), |_| true);
        for trees in [1, 7, 8, 9, 46, 100] {
            let mut forest = whole.clone();
            forest.trees.truncate(trees);
            let binned = Binned::new(&matrix, &forest.cuts);
            let mut slow = vec![forest.base as f32; 5000];
            forest.trees.iter().for_each(|tree| tree.add(&binned, &mut slow));
            let fast = Scorer::new(&forest).log_odds(&matrix);
            let worst = fast.iter().zip(&slow).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "{trees} trees: {worst}");
        }
    }

    #[test]
    fn what_training_adds_up_is_what_the_forest_says() {
        let (matrix, outcomes) = people(20_000);
        let cuts: Vec<Cuts> = matrix.columns.iter().map(|column| Cuts::of(column)).collect();
        let binned = Binned::new(&matrix, &cuts);
        let mut grower = Grower::new(&binned, &Settings::default());
        let (mut scores, mut told) = (vec![0f32; 20_000], vec![0f32; 20_000]);
        for _ in 0..10 {
            grower.prepare(&scores, &outcomes, None, Loss::Logistic);
            let tree = grower.grow(&cuts, &mut scores);
            tree.add(&binned, &mut told);
            assert!(scores.iter().zip(&told).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }

    #[test]
    fn the_same_rows_give_the_same_forest_and_weights_count_as_people() {
        let (matrix, outcomes) = people(3000);
        let settings = Settings { trees: 5, ..Settings::default() };
        let grow = |weights: Option<&[f32]>, matrix: &Matrix, outcomes: &[f32]| {
            train(matrix, outcomes, weights, Loss::Logistic, &settings, |_| true)
        };
        assert_eq!(grow(None, &matrix, &outcomes), grow(None, &matrix, &outcomes));
        assert_eq!(grow(None, &matrix, &outcomes), grow(Some(&[1.0; 3000]), &matrix, &outcomes));
    }
}
