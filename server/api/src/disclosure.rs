//! What callers without a right to persons may be told: no small cell, and no figure so exact that two of them could be
//! subtracted to find one.
//!
//! Cells under the configured size are left out. Every other count is rounded at random to a multiple of that size
//! (unbiased random rounding, as statistical offices do). The draw is decided by who is counted, so the same people
//! always give the same figure, and asking again does not average the rounding away; two sets that differ by one person
//! are rounded by draws of their own, so the difference of two answers does not tell the difference of the sets.

use bellwether_electorate::mix;
use serde_json::Value;

/// The rule of one server.
#[derive(Debug, Clone, Copy)]
pub struct Disclosure {
    /// The least count that is shown, and the base of the rounding.
    pub size: u64,
    /// Kept between runs, known to no caller.
    pub secret: u64,
}

impl Disclosure {
    /// A count of those whom `fingerprint` stands for; none where it is small.
    pub fn count(&self, count: u64, fingerprint: u64) -> Option<u64> {
        if count < self.size {
            return None;
        }
        let over = count % self.size;
        let draw = mix(fingerprint ^ self.secret ^ count.rotate_left(32)) % self.size;
        Some(count - over + if draw < over { self.size } else { 0 })
    }

    /// The same as JSON.
    pub fn shown(&self, count: u64, fingerprint: u64) -> Value {
        self.count(count, fingerprint).map_or(Value::Null, Value::from)
    }

    /// A fingerprint for a cell that is known by its name.
    pub fn named(&self, name: &str) -> u64 {
        let hash = blake3::hash(name.as_bytes());
        let (first, _) = hash.as_bytes().split_at(8);
        first.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Rounds every count of an object of counts, `{DEM: 120, REP: 3}`, and leaves the small ones out. Where just one
    /// cell is small, the smallest of the others is left out with it, or it could be had from the total.
    pub fn table(&self, name: &str, cells: &mut serde_json::Map<String, Value>) {
        let counts: Vec<(String, u64)> =
            cells.iter().filter_map(|(key, value)| Some((key.clone(), value.as_u64()?))).collect();
        let small: Vec<bool> =
            complementary(&counts.iter().map(|(_, count)| *count).collect::<Vec<_>>(), self.size);
        for ((key, count), small) in counts.iter().zip(small) {
            if small {
                cells.remove(key);
            } else {
                cells.insert(key.clone(), self.shown(*count, self.named(&format!("{name} {key}"))));
            }
        }
    }
}

/// Which cells of a line must be left out: the small ones, and with a single small one the smallest of the others.
pub fn complementary(counts: &[u64], size: u64) -> Vec<bool> {
    let mut out: Vec<bool> = counts.iter().map(|count| *count < size).collect();
    if out.iter().filter(|small| **small).count() == 1 {
        let others = counts.iter().enumerate().filter(|(at, _)| !out[*at]);
        if let Some((at, _)) = others.min_by_key(|(_, count)| **count) {
            out[at] = true;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_counts_are_left_out_and_others_rounded_without_bias() {
        let rule = Disclosure { size: 10, secret: 7 };
        assert_eq!(rule.count(9, 1), None);
        assert_eq!(rule.count(40, 1), Some(40));
        let sum: u64 = (0..10_000).filter_map(|who| rule.count(123, who)).sum();
        let mean = sum as f64 / 10_000.0;
        assert!((mean - 123.0).abs() < 0.2, "{mean}");
        assert!((0..100).all(|who| rule.count(57, who) == rule.count(57, who)));
    }

    #[test]
    fn one_small_cell_takes_the_smallest_of_the_others_with_it() {
        assert_eq!(complementary(&[50, 3, 20, 70], 10), [false, true, true, false]);
        assert_eq!(complementary(&[50, 3, 2, 70], 10), [false, true, true, false]);
        assert_eq!(complementary(&[50, 30], 10), [false, false]);
    }
}
