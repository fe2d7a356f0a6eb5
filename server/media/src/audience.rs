//! Who watches what: people with the chance that each sees a spot of a programme, weighted to stand for a universe.
//!
//! A panel's people are weighted anew so that they stand for as many as the universe has in every cell: market, age band, gender,
//! party and score group (post-stratification: Little, 1993). A cell of few people says little for itself, and plans made of
//! it fit those few: it speaks for n / (n + 10) of its voters where n were watched, and for the rest speak those of its market
//! and party and those of its market, age and gender, each again by how many they are, and at last the whole market
//! (partial pooling: Gelman and Hill, 2007, chapter 12).

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

/// Somebody of a panel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Person {
    pub market: u32,
    /// Codes of what is known; the same codes stand in the universe's cells.
    pub age: u8,
    pub gender: u8,
    pub party: u8,
    pub score: u8,
    /// How many people this one stands for in the panel.
    pub weight: f64,
    /// Number of the household: people of one watch together.
    pub household: u32,
}

/// A group of the universe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    pub market: u32,
    pub age: u8,
    pub gender: u8,
    pub party: u8,
    pub score: u8,
}

/// Stands for anything in a cell that is coarser.
const ANY: u8 = u8::MAX;
/// A cell speaks for half of its voters where so many people of it were watched.
pub const POOLED: f64 = 10.0;
/// No spot is seen for certain.
pub const SUREST: f32 = 0.98;

impl Person {
    fn cell(&self) -> Cell {
        Cell { market: self.market, age: self.age, gender: self.gender, party: self.party, score: self.score }
    }
}

/// The cells that may speak for one: itself, without its score group, its party, its age and gender, its market.
pub const STEPS: usize = 5;

impl Cell {
    fn steps(self) -> [Cell; STEPS] {
        let without_score = Cell { score: ANY, ..self };
        [
            self,
            without_score,
            Cell { age: ANY, gender: ANY, ..without_score },
            Cell { party: ANY, ..without_score },
            Cell { age: ANY, gender: ANY, party: ANY, ..without_score },
        ]
    }
}

/// How a universe was spread over a panel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spread {
    /// How many of the universe each person stands for.
    pub weights: Vec<f64>,
    /// Of the universe, for how many its own cell spoke, the same without the score group, their party, their age and gender,
    /// and their market.
    pub spoken: [f64; STEPS],
    /// Of the universe, in markets of which nobody was watched.
    pub unseen: f64,
}

/// Weights people of a panel so that they stand for a universe, given by its cells. Time grows with people and cells.
pub fn spread(people: &[Person], universe: &HashMap<Cell, f64>) -> Spread {
    let mut known: HashMap<Cell, (f64, f64)> = HashMap::new();
    for person in people {
        for cell in person.cell().steps() {
            let held = known.entry(cell).or_default();
            *held = (held.0 + 1.0, held.1 + person.weight);
        }
    }
    // How many of the universe every cell of the panel speaks for.
    let mut speaks: HashMap<Cell, f64> = HashMap::new();
    let mut made = Spread { weights: vec![0.0; people.len()], ..Spread::default() };
    let mut cells: Vec<(&Cell, &f64)> = universe.iter().collect();
    cells.sort_by_key(|(cell, _)| **cell);
    for (cell, count) in cells {
        let steps = cell.steps();
        let watched = |step: usize| {
            known.get(&steps[step]).filter(|(_, weight)| *weight > 0.0).map_or(0.0, |(n, _)| *n)
        };
        if watched(4) == 0.0 {
            made.unseen += count;
            continue;
        }
        let share = |step: usize| watched(step) / (watched(step) + POOLED);
        let own = count * share(0);
        let without_score = (count - own) * share(1);
        let half = (count - own - without_score) / 2.0;
        let (party, group) = (half * share(2), half * share(3));
        let market = count - own - without_score - party - group;
        for (step, part) in [own, without_score, party, group, market].into_iter().enumerate() {
            if part > 0.0 {
                *speaks.entry(steps[step]).or_default() += part;
                made.spoken[step] += part;
            }
        }
    }
    for (person, weight) in people.iter().zip(&mut made.weights) {
        for cell in person.cell().steps() {
            if let Some(count) = speaks.get(&cell) {
                *weight += person.weight / known[&cell].1 * count;
            }
        }
    }
    made
}

/// People and what they may see. What is watched is shared by audiences of other weights.
#[derive(Debug, Clone, Default)]
pub struct Audience {
    /// How many of the universe each person stands for.
    pub weights: Vec<f64>,
    pub markets: Arc<Vec<u32>>,
    /// Where the watchers of a programme begin.
    starts: Arc<Vec<u32>>,
    /// Watchers of programmes: the person, and the chance to see a spot.
    seen: Arc<Vec<(u32, f32)>>,
}

/// A programme's rating among a universe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rating {
    /// The share, 0 to 1, of the market's universe that sees a spot.
    pub share: f64,
    /// Its standard error, of who happened to be watched (Taylor linearisation of a ratio, households drawn).
    pub error: f64,
    /// How many of the universe see a spot.
    pub impressions: f64,
}

impl Audience {
    /// From watching: programme, person, chance, in any order. Chances above [`SUREST`] are taken for it.
    pub fn new(
        weights: Vec<f64>,
        markets: Vec<u32>,
        programmes: usize,
        mut watching: Vec<(u32, u32, f32)>,
    ) -> Audience {
        watching.par_sort_unstable_by_key(|(programme, person, _)| (*programme, *person));
        let mut starts = vec![0u32; programmes + 1];
        watching.iter().for_each(|(programme, ..)| starts[*programme as usize + 1] += 1);
        (0..programmes).for_each(|at| starts[at + 1] += starts[at]);
        let seen: Vec<(u32, f32)> =
            watching.into_iter().map(|(_, person, chance)| (person, chance.min(SUREST))).collect();
        Audience { weights, markets: Arc::new(markets), starts: Arc::new(starts), seen: Arc::new(seen) }
    }

    /// The same people, standing for another universe.
    pub fn weighted(&self, weights: Vec<f64>) -> Audience {
        Audience { weights, ..self.clone() }
    }

    pub fn programmes(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Who may see a programme.
    pub fn of(&self, programme: u32) -> &[(u32, f32)] {
        &self.seen[self.starts[programme as usize] as usize..self.starts[programme as usize + 1] as usize]
    }

    /// Exposures of one spot of a programme.
    pub fn impressions(&self, programme: u32) -> f64 {
        let one = |(person, chance): &(u32, f32)| self.weights[*person as usize] * f64::from(*chance);
        self.of(programme).iter().map(one).sum()
    }

    /// How many of the universe live in every market.
    pub fn universe(&self, markets: usize) -> Vec<f64> {
        let mut universe = vec![0.0; markets];
        self.markets
            .iter()
            .zip(&self.weights)
            .for_each(|(market, weight)| universe[*market as usize] += weight);
        universe
    }

    /// The rating of a programme among the people of its market, given with the household of everybody, those of a household
    /// beside each other.
    pub fn rating(&self, programme: u32, own: &[u32], households: &[u32]) -> Rating {
        let whole: f64 = own.iter().map(|person| self.weights[*person as usize]).sum();
        let chance: HashMap<u32, f32> = self.of(programme).iter().copied().collect();
        let sees = self.impressions(programme);
        let share = if whole > 0.0 { sees / whole } else { 0.0 };
        let (mut count, mut squares, mut sum) = (0.0, 0.0, 0.0);
        for (at, person) in own.iter().enumerate() {
            let chance = chance.get(person).map_or(0.0, |chance| f64::from(*chance));
            sum += self.weights[*person as usize] * (chance - share);
            let next = own.get(at + 1).map(|next| households[*next as usize]);
            if next != Some(households[*person as usize]) {
                (count, squares, sum) = (count + 1.0, squares + sum * sum, 0.0);
            }
        }
        let error = match whole > 0.0 && count > 1.0 {
            true => (squares * count / (count - 1.0_f64)).sqrt() / whole,
            false => 0.0,
        };
        Rating { share, error, impressions: sees }
    }
}
