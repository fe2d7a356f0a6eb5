//! Who may see a programme of which only ratings are known.
//!
//! A rating says how many of a group watch an average minute, not who: a spot a week reaches quite other numbers where the same
//! few watch every time than where everybody does now and then. Of programmes that a panel measured both are known, and a
//! rated one is taken to be like them: so many people watch it at all for its rating (its cumulative audience; Goodhardt,
//! Ehrenberg and Collins, 1987), rather those who watch much of anything, and these see more of it (after Sabavala and
//! Morrison, 1977). Which of a group they are is drawn by lot, for each programme anew.

use crate::audience::SUREST;

/// Who was not seen to watch anything still watches so much of the mean.
const LEAST_HABIT: f64 = 0.1;
/// Light to heavy viewers, a fifth each, and how much each watches of the mean, where no panel tells.
pub const FIFTHS: [f64; 5] = [0.15, 0.45, 0.8, 1.25, 2.35];
/// People who watch a programme at all, by those who watch an average minute, where no panel tells.
pub const USUAL_RATIO: f64 = 3.0;

/// The people of a group, given by weight and by how much they watch of anything (any unit), who may see a spot of a programme,
/// and their chances: on the average of the group the rating, 0 to 1. `ratio` is how many watch at all for one who watches an average minute; `seed` is the
/// programme's own. Time grows with n log n of the people.
pub fn viewers(rating: f64, ratio: f64, people: &[(f64, f64)], seed: u64) -> Vec<(usize, f32)> {
    let most = f64::from(SUREST);
    let rating = rating.clamp(0.0, most);
    let whole: f64 = people.iter().map(|(weight, _)| weight).sum();
    if rating <= 0.0 || whole <= 0.0 {
        return Vec::new();
    }
    // How likely each is to watch at all: so that together they are the cumulative audience.
    let ever = (rating * ratio.max(1.0)).clamp(rating / most, 1.0);
    let usual = people.iter().map(|(weight, habit)| weight * habit).sum::<f64>() / whole;
    let habit = |at: usize| if usual > 0.0 { (people[at].1 / usual).max(LEAST_HABIT) } else { 1.0 };
    let likely = |scale: f64, at: usize| (habit(at) * scale).min(1.0);
    let sum_of =
        |scale: f64| people.iter().enumerate().map(|(at, (weight, _))| weight * likely(scale, at)).sum();
    let scale = level(ever * whole, sum_of);
    // Drawn by lot in steps of one along a row by chance, so that as many come out as should.
    let mut row: Vec<usize> = (0..people.len()).collect();
    row.sort_by_key(|at| mix(seed ^ mix(*at as u64)));
    let mut sum = mix(seed) as f64 / u64::MAX as f64;
    let mut drawn: Vec<usize> = Vec::new();
    for at in &row {
        let before = sum.floor();
        sum += likely(scale, *at);
        if sum.floor() > before {
            drawn.push(*at);
        }
    }
    // A group of few has somebody who watches, and enough of them for its rating.
    for at in &row {
        let held: f64 = drawn.iter().map(|at| people[*at].0).sum();
        if held * most >= rating * whole {
            break;
        }
        if !drawn.contains(at) {
            drawn.push(*at);
        }
    }
    drawn.sort_unstable();
    let chance = |scale_of: f64, at: usize| (habit(at) / likely(scale, at) * scale_of).min(most);
    let scale_of =
        level(rating * whole, |scale_of| drawn.iter().map(|at| people[*at].0 * chance(scale_of, *at)).sum());
    drawn.iter().map(|at| (*at, chance(scale_of, *at) as f32)).collect()
}

/// The least scale at which a rising sum comes to a target, as near as it can.
fn level(target: f64, sum: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while sum(high) < target && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if sum(middle) < target { low = middle } else { high = middle }
    }
    high
}

/// Bits well mixed (SplitMix64; Steele, Lea and Flood, 2014).
fn mix(bits: u64) -> u64 {
    let mixed = bits.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
