//! Bitmaps of who is at most so much, for columns that are asked by range: a bound is a look-up instead of a comparison
//! of every bit.
//!
//! Where a column has few codes there is a rung for each. Else there are some at even distances, and the rows in the
//! order of their codes: what lies between a bound and the nearest rung is set or taken off row by row.

use crate::sliced::Sliced;

/// Codes up to which each has a rung: a bit a voter for every one.
const EACH: usize = 128;
/// Rungs otherwise.
const RUNGS: usize = 32;

#[derive(Debug)]
pub(crate) struct Ladder {
    /// Codes of the rungs, rising.
    rungs: Vec<u32>,
    /// For each rung the rows whose code is at most its own.
    at_most: Vec<Vec<u64>>,
    /// Rows by code, and where those of each code begin; empty where every code has a rung.
    rows: Vec<u32>,
    starts: Vec<u32>,
}

/// A set of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Nobody,
    /// Those of a rung.
    Rung(usize),
    Everybody,
}

impl Ladder {
    /// Of a column of so many rows.
    pub fn new(column: &Sliced, rows: usize) -> Ladder {
        let words = rows.div_ceil(64);
        let mut codes = Vec::with_capacity(words * 64);
        let mut decoded = [0u32; 64];
        for word in 0..words {
            column.decode(word, &mut decoded);
            codes.extend_from_slice(&decoded);
        }
        codes.truncate(rows);
        let most = codes.iter().copied().max().unwrap_or(0);
        let mut starts = vec![0u32; most as usize + 2];
        codes.iter().for_each(|code| starts[*code as usize + 1] += 1);
        let used = starts.iter().filter(|count| **count > 0).count();
        for code in 0..=most as usize {
            starts[code + 1] += starts[code];
        }
        let mut sorted = vec![0u32; rows];
        let mut free = starts.clone();
        for (row, code) in codes.iter().enumerate() {
            let place = &mut free[*code as usize];
            sorted[*place as usize] = row as u32;
            *place += 1;
        }
        drop(codes);
        let step = if used <= EACH { 1 } else { rows.div_ceil(RUNGS) };
        let mut ladder =
            Ladder { rungs: Vec::new(), at_most: Vec::new(), rows: Vec::new(), starts: Vec::new() };
        let mut bitmap = vec![0u64; words];
        let mut counted = 0;
        for code in 0..=most {
            let here = starts[code as usize] as usize..starts[code as usize + 1] as usize;
            counted += here.len();
            sorted[here.clone()].iter().for_each(|row| bitmap[*row as usize / 64] |= 1 << (row % 64));
            if !here.is_empty() && counted >= step {
                ladder.rungs.push(code);
                ladder.at_most.push(bitmap.clone());
                counted = 0;
            }
        }
        if used > EACH {
            (ladder.rows, ladder.starts) = (sorted, starts);
        }
        ladder
    }

    pub fn memory(&self) -> usize {
        self.at_most.iter().map(|words| words.len() * 8).sum::<usize>()
            + (self.rows.len() + self.starts.len()) * 4
    }

    /// The rows of a rung.
    pub fn words(&self, rung: usize) -> &[u64] {
        &self.at_most[rung]
    }

    /// Who has a code of at most this, where a rung says it alone.
    pub fn bound(&self, code: u32) -> Option<Bound> {
        let below = self.rungs.partition_point(|rung| *rung <= code);
        if !self.rows.is_empty() {
            return match below.checked_sub(1) {
                Some(rung) if self.rungs[rung] == code => Some(Bound::Rung(rung)),
                _ if code as usize + 2 >= self.starts.len() => Some(Bound::Everybody),
                _ => None,
            };
        }
        Some(match below {
            0 => Bound::Nobody,
            below if below == self.rungs.len() => Bound::Everybody,
            below => Bound::Rung(below - 1),
        })
    }

    /// Who has a code of at most this.
    pub fn at_most(&self, code: u32) -> Vec<u64> {
        let next = self.rungs.partition_point(|rung| *rung <= code);
        let at = |code: u32| self.starts[(code as usize).min(self.starts.len() - 1)] as usize;
        // From the rung below up, or from the one above down, whichever is nearer.
        let from = next.checked_sub(1).map_or(0, |rung| at(self.rungs[rung] + 1));
        let bound = at(code + 1);
        let above = self.rungs.get(next).map(|rung| at(*rung + 1));
        let mut words = match (next.checked_sub(1), above) {
            (_, Some(above)) if above - bound < bound - from => {
                let mut words = self.at_most[next].clone();
                self.rows[bound..above]
                    .iter()
                    .for_each(|row| words[*row as usize / 64] &= !(1 << (row % 64)));
                return words;
            }
            (Some(rung), _) => self.at_most[rung].clone(),
            (None, _) => vec![0; self.at_most.first().map_or(0, Vec::len)],
        };
        self.rows[from..bound].iter().for_each(|row| words[*row as usize / 64] |= 1 << (row % 64));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sliced::Filling;

    #[test]
    fn bounds_are_those_of_going_row_by_row() {
        for codes in [100u32, 5_000] {
            let values: Vec<u32> =
                (0..20_000u32).map(|row| (row.wrapping_mul(2_654_435_761) >> 12) % codes).collect();
            let mut filling = Filling::default();
            values.iter().for_each(|code| filling.push(*code));
            let ladder = Ladder::new(&filling.finish(values.len()), values.len());
            for bound in (0..codes + 10).step_by(7).chain([codes - 1, codes]) {
                let expected: Vec<bool> = values.iter().map(|code| *code <= bound).collect();
                let words = match ladder.bound(bound) {
                    Some(Bound::Nobody) => vec![0; values.len().div_ceil(64)],
                    Some(Bound::Everybody) => vec![!0; values.len().div_ceil(64)],
                    Some(Bound::Rung(rung)) => ladder.words(rung).to_vec(),
                    None => ladder.at_most(bound),
                };
                let told: Vec<bool> =
                    (0..values.len()).map(|row| words[row / 64] >> (row % 64) & 1 == 1).collect();
                assert_eq!(told, expected, "{codes} codes, at most {bound}");
            }
        }
    }
}
