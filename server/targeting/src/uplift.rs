//! On whom a treatment works: scores learned from a randomised experiment.

use crate::boosting::{Loss, Settings, sigmoid, train, train_binned};
use crate::folds;
use crate::forest::{Forest, Scorer};
use crate::matrix::{Binned, Cuts, Matrix};

/// Folds in which outcomes are foreseen for the others.
const FOLDS: u32 = 5;

/// How the differences are grown: few leaves of many people, for a difference is far noisier than an outcome.
pub fn settings(people: usize) -> Settings {
    let least_rows = (people as f64 / 60.0).clamp(50.0, 20_000.0);
    Settings {
        trees: 60,
        leaves: 5,
        rate: 0.06,
        least_rows,
        ridge: people as f64 / 400.0,
        ..Settings::default()
    }
}

/// Learns the effect of a treatment from people of whom a share was assigned to it at random.
///
/// Everybody's effect is guessed without bias as `(t - e) / (e (1 - e)) × (y - m(x))`, where `t` is the assignment, `e`
/// its share and `m` the outcome that a model of the other folds foresees (Athey and Imbens 2016; Nie and Wager, the
/// R-learner, 2021); a forest of squares is fitted to the guesses. `clusters` are kept in one fold.
pub fn learn(
    matrix: &Matrix,
    outcomes: &[f32],
    assigned: &[bool],
    clusters: &[u32],
    seed: u64,
    mut watch: impl FnMut() -> bool,
) -> Forest {
    let folds = folds::of_groups(clusters, FOLDS, seed);
    let mut foreseen = vec![0f32; matrix.rows()];
    let plain = Settings { trees: 60, leaves: 15, ..Settings::default() };
    for fold in 0..FOLDS as u8 {
        let (others, own) = folds::split(&folds, fold);
        let known: Vec<f32> = others.iter().map(|row| outcomes[*row as usize]).collect();
        let forest = train(&matrix.pick(&others), &known, None, Loss::Logistic, &plain, |_| watch());
        let told = Scorer::new(&forest).log_odds(&matrix.pick(&own));
        own.iter().zip(told).for_each(|(row, told)| foreseen[*row as usize] = sigmoid(told));
    }
    let share = assigned.iter().filter(|assigned| **assigned).count() as f32 / assigned.len().max(1) as f32;
    let guess = |at: usize| {
        let side = (f32::from(u8::from(assigned[at])) - share) / (share * (1.0 - share));
        side * (outcomes[at] - foreseen[at])
    };
    let guesses: Vec<f32> = (0..matrix.rows()).map(guess).collect();
    let cuts: Vec<Cuts> = matrix.columns.iter().map(|column| Cuts::of(column)).collect();
    let binned = Binned::new(matrix, &cuts);
    train_binned(
        &matrix.names,
        cuts,
        &binned,
        &guesses,
        None,
        Loss::Squares,
        &settings(matrix.rows()),
        |_| watch(),
    )
}
