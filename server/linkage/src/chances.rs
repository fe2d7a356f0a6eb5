//! How alike different people are: the frequency of names and addresses, and of every level of every comparison
//! among pairs of voters, apart for those under one roof, who share more than chance has it.

use crate::compare::{
    COMPARISONS, Comparer, DATE, FIRST, LAST, Levels, MIDDLE, ONE_ROOF, PHONE, RESIDENCE, SAME, YEAR, ZIP,
};
use crate::records::{Batch, Person, Reference};

/// Pairs of voters that are looked at.
const SAMPLE: usize = 120_000;
/// Weight of what is assumed before a pair has been looked at, in pairs.
const ASSUMED: f64 = 30.0;

/// Chance of every level from 1 on, by comparison.
pub(crate) type Table = [Vec<f64>; COMPARISONS.len()];

/// What is known of pairs of different voters.
#[derive(Default)]
pub(crate) struct Chances {
    /// Voters by last, first and middle name, by code less one.
    pub names: [Vec<u32>; 3],
    /// Voters by address, by code less one.
    pub addresses: Vec<u32>,
    /// Voters by year of birth.
    pub years: Vec<u32>,
    /// Voters of whom last, first, middle name, address and year are known.
    pub known: [u32; 5],
    pub apart: Table,
    pub together: Table,
}

/// Chances among people under one roof before any has been looked at: families share the last name.
const ROOF: [&[f64]; COMPARISONS.len()] = [
    &[0.6, 0.02, 0.01, 0.001, 0.369],
    &[0.01, 0.01, 0.01, 0.03, 0.94],
    &[0.02, 0.05, 0.02, 0.91],
    &[0.001, 0.001, 0.03, 0.968],
    &[0.03, 0.07, 0.9],
    &[0.4, 0.6],
    &[0.99, 0.01, 0.0, 0.0, 0.0],
    &[0.99, 0.01],
    &[0.7, 0.3],
];

impl Chances {
    pub fn learn(reference: &Reference) -> Chances {
        let people = &reference.people;
        let mut chances = Chances {
            names: std::array::from_fn(|_| vec![0; reference.names.len()]),
            addresses: vec![0; reference.addresses.len()],
            years: vec![0; 2200],
            ..Chances::default()
        };
        for person in people {
            let mut count = |slot: usize, code: u32| {
                let Some(at) = (code as usize).checked_sub(1) else { return };
                let counts = match slot {
                    LAST | FIRST | MIDDLE => &mut chances.names[slot],
                    3 => &mut chances.addresses,
                    _ => &mut chances.years,
                };
                if let Some(counted) = counts.get_mut(at) {
                    *counted += 1;
                    chances.known[slot] += 1;
                }
            };
            let year = person.year();
            [person.last, person.first, person.middle, person.address, year]
                .iter()
                .enumerate()
                .for_each(|(slot, code)| count(slot, *code));
        }
        let batch = reference.batch();
        chances.apart = chances.among_strangers(people, &batch);
        chances.together = among_neighbours(people, &batch, reference.addresses.len());
        chances
    }

    /// The chance that a stranger has this name.
    pub fn name(&self, field: usize, code: u32) -> f64 {
        share(&self.names[field], code, self.known[field])
    }

    /// The chance that a stranger lives at this address.
    pub fn address(&self, code: u32) -> f64 {
        share(&self.addresses, code, self.known[3])
    }

    /// The chance that a stranger is born in this year.
    pub fn year(&self, year: u32) -> f64 {
        share(&self.years, year, self.known[4])
    }

    /// Levels of pairs drawn at random; of the level "same" the chance is counted, since few pairs would show it.
    fn among_strangers(&self, people: &[Person], batch: &Batch) -> Table {
        let comparer = Comparer::new(batch);
        let mut seen: [[f64; 6]; COMPARISONS.len()] = Default::default();
        let rows = people.len();
        if rows > 1 {
            for draw in 0..SAMPLE.min(rows * rows) as u64 {
                let left = (scattered(draw) % rows as u64) as usize;
                let right = (scattered(draw ^ 1 << 40) % rows as u64) as usize;
                if left != right && people[left] != people[right] {
                    count(&comparer.levels(&people[left], &people[right]), &mut seen);
                }
            }
        }
        let mut table: Table = std::array::from_fn(|comparison| {
            let uniform = vec![1.0 / COMPARISONS[comparison].levels.len() as f64; 6];
            shares(comparison, &seen[comparison], &uniform, 0.5)
        });
        let counted = |counts: &[u32], known: u32| -> f64 {
            let pairs: f64 = counts.iter().map(|count| f64::from(*count) * f64::from(*count)).sum();
            pairs / f64::from(known.max(1)).powi(2)
        };
        for field in [LAST, FIRST, MIDDLE] {
            fix(&mut table[field], 0, counted(&self.names[field], self.known[field]));
        }
        let one_year = counted(&self.years, self.known[4]);
        fix(&mut table[YEAR], 0, one_year);
        fix(&mut table[DATE], 0, one_year / 365.25);
        let one_address = counted(&self.addresses, self.known[3]);
        let one_zip = table[ZIP][0].min(table[RESIDENCE][3].max(1e-9));
        fix(&mut table[RESIDENCE], 0, one_address);
        fix(&mut table[RESIDENCE], 1, one_address);
        // Neighbours: some twenty houses along the street are two letters apart.
        fix(&mut table[RESIDENCE], 2, (one_address * 20.0).min(one_zip));
        fix(&mut table[PHONE], 0, one_address);
        table
    }

    pub fn memory(&self) -> usize {
        (self.names[0].len() * 3 + self.addresses.len()) * 4
    }
}

fn share(counts: &[u32], code: u32, known: u32) -> f64 {
    let count = (code as usize).checked_sub(1).and_then(|at| counts.get(at)).copied().unwrap_or(0);
    (f64::from(count).max(0.5) / f64::from(known.max(1))).min(1.0)
}

/// A number that has nothing to do with its neighbours' (splitmix64).
fn scattered(number: u64) -> u64 {
    let z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

fn count(levels: &Levels, seen: &mut [[f64; 6]; COMPARISONS.len()]) {
    levels.iter().zip(seen).for_each(|(level, seen)| seen[usize::from(*level)] += 1.0);
}

/// Shares of the levels of one comparison, with what is assumed weighing some pairs.
fn shares(comparison: usize, seen: &[f64; 6], assumed: &[f64], weight: f64) -> Vec<f64> {
    let levels = COMPARISONS[comparison].levels.len();
    let total: f64 = seen[1..=levels].iter().sum::<f64>() + weight;
    (0..levels).map(|level| ((seen[level + 1] + assumed[level] * weight) / total).max(1e-9)).collect()
}

/// Sets the chance of one level and scales the others, so that all make one.
fn fix(chances: &mut [f64], level: usize, chance: f64) {
    let chance = chance.clamp(1e-12, 0.999);
    let others: f64 = chances.iter().sum::<f64>() - chances[level];
    let scale = if others > 0.0 { (1.0 - chance) / others } else { 0.0 };
    chances.iter_mut().for_each(|other| *other *= scale);
    chances[level] = chance;
}

/// Levels of pairs of voters under one roof.
fn among_neighbours(people: &[Person], batch: &Batch, addresses: usize) -> Table {
    let comparer = Comparer::new(batch);
    let mut seen: [[f64; 6]; COMPARISONS.len()] = Default::default();
    // The voter last seen at each address; of large files every so many addresses are looked at.
    let mut last: Vec<u32> = vec![0; addresses];
    let step = (people.len() / (2 * SAMPLE)).max(1);
    for (row, person) in people.iter().enumerate() {
        let Some(at) = (person.address as usize).checked_sub(1).filter(|at| at % step == 0) else { continue };
        if let Some(before) = (last[at] as usize).checked_sub(1) {
            let levels = comparer.levels(&people[before], person);
            if matches!(levels[RESIDENCE], SAME | ONE_ROOF) {
                count(&levels, &mut seen);
            }
        }
        last[at] = row as u32 + 1;
    }
    std::array::from_fn(|comparison| shares(comparison, &seen[comparison], ROOF[comparison], ASSUMED))
}
