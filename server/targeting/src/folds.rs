//! Parts of the people that a model learns without, so that it can be tried on them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The fold of everybody, 0 to `folds - 1`. People of one group (a household) are in the same fold: who lives with
/// somebody that a model has seen is no stranger to it.
pub fn of_groups(groups: &[u32], folds: u32, seed: u64) -> Vec<u8> {
    let most = groups.iter().max().map_or(0, |most| *most as usize + 1);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // As many groups in each, in a random order.
    let mut fold: Vec<u8> = (0..most as u32).map(|group| (group % folds) as u8).collect();
    for at in (1..most).rev() {
        fold.swap(at, rng.random_range(0..=at));
    }
    groups.iter().map(|group| fold[*group as usize]).collect()
}

/// Places of the people outside of a fold, and of those in it.
pub fn split(folds: &[u8], fold: u8) -> (Vec<u32>, Vec<u32>) {
    (0..folds.len() as u32).partition(|place| folds[*place as usize] != fold)
}
