//! What is known of many people, as columns of numbers, and its short form: every number as one of at most 255 bins.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Bin of what is not known.
pub const UNKNOWN: u8 = 0;
/// Bins of what is known: 1 to this.
const MOST_BINS: usize = 254;
/// Rows that the bounds of the bins are taken from.
const SAMPLE: usize = 1 << 16;

/// Features of people: a column a feature, a row a person, NaN where a feature is not known.
#[derive(Debug, Clone, Default)]
pub struct Matrix {
    pub names: Vec<String>,
    pub columns: Vec<Vec<f32>>,
}

impl Matrix {
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    /// The rows at the given places, in that order.
    pub fn pick(&self, rows: &[u32]) -> Matrix {
        let pick = |column: &Vec<f32>| rows.iter().map(|row| column[*row as usize]).collect();
        Matrix { names: self.names.clone(), columns: self.columns.par_iter().map(pick).collect() }
    }

    /// The columns with the given names; what is not there is unknown of everybody.
    pub fn with_columns(&self, names: &[String]) -> Matrix {
        let column = |name: &String| match self.names.iter().position(|own| own == name) {
            Some(at) => self.columns[at].clone(),
            None => vec![f32::NAN; self.rows()],
        };
        Matrix { names: names.to_vec(), columns: names.iter().map(column).collect() }
    }
}

/// The bounds between the bins of one feature, ascending: a value is in bin 1 + the number of bounds below it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cuts {
    bounds: Vec<f32>,
}

impl Cuts {
    /// Bounds that divide the values of a column into bins of like size, or into single values where they are few.
    pub fn of(column: &[f32]) -> Cuts {
        let step = column.len().div_ceil(SAMPLE).max(1);
        let mut values: Vec<f32> = column.iter().step_by(step).copied().filter(|v| !v.is_nan()).collect();
        values.sort_unstable_by(f32::total_cmp);
        let mut distinct = values.clone();
        distinct.dedup();
        let kept: Vec<f32> = match distinct.len() <= MOST_BINS {
            true => distinct,
            false => {
                // Each bin's largest value, and what follows on it.
                let mut kept: Vec<f32> =
                    (0..=MOST_BINS).map(|bin| values[bin * (values.len() - 1) / MOST_BINS]).collect();
                kept.dedup();
                kept.truncate(MOST_BINS);
                kept
            }
        };
        let between = |pair: &[f32]| {
            let middle = pair[0] + (pair[1] - pair[0]) / 2.0;
            if middle.is_finite() && middle < pair[1] { middle } else { pair[0] }
        };
        Cuts { bounds: kept.windows(2).map(between).collect() }
    }

    /// Bins of the feature, that of the unknown among them.
    pub fn bins(&self) -> usize {
        self.bounds.len() + 2
    }

    /// The largest value that lies in a bin or below it.
    pub fn upper(&self, bin: u8) -> Option<f32> {
        self.bounds.get((bin as usize).checked_sub(1)?).copied()
    }

    /// The bin of every value.
    #[inline(always)]
    pub fn bins_of(&self, values: &[f32], out: &mut [u8]) {
        let mut shelves = [[f32::INFINITY; SHELF]; SHELF];
        shelves.as_flattened_mut()[..self.bounds.len()].copy_from_slice(&self.bounds);
        let full = self.bounds.len() / SHELF;
        let out = &mut out[..values.len()];
        let (whole, rest) = values.as_chunks::<TOGETHER>();
        for (values, out) in whole.iter().zip(out.chunks_mut(TOGETHER)) {
            search(&shelves, full, values, out);
        }
        let mut last = [f32::NAN; TOGETHER];
        last[..rest.len()].copy_from_slice(rest);
        let from = values.len() - rest.len();
        search(&shelves, full, &last, &mut out[from..]);
    }
}

/// Bounds stand on as many shelves as a shelf has places.
const SHELF: usize = 16;
/// Values that are looked for at once.
const TOGETHER: usize = 8;

/// The bins of some values: on which shelf the bounds around them stand is decided for all at once, the place on it one
/// by one. No branch: half of the answers would be foreseen wrongly.
#[inline(always)]
fn search(shelves: &[[f32; SHELF]; SHELF], full: usize, values: &[f32; TOGETHER], out: &mut [u8]) {
    let mut on = [0u32; TOGETHER];
    for shelf in &shelves[..full] {
        for (on, value) in on.iter_mut().zip(values) {
            *on += u32::from(shelf[SHELF - 1] < *value);
        }
    }
    for ((out, on), value) in out.iter_mut().zip(on).zip(values) {
        let shelf = &shelves[on as usize % SHELF];
        let mut before = 0u32;
        for bound in shelf {
            before += u32::from(*bound < *value);
        }
        *out = (on * SHELF as u32 + before + 1) as u8 * u8::from(!value.is_nan());
    }
}

/// A matrix in bins, once by column and once by row.
pub struct Binned {
    pub rows: usize,
    /// One column of `rows` bins after the other.
    pub by_column: Vec<u8>,
    /// One row of as many bins as there are features after the other.
    pub by_row: Vec<u8>,
    pub features: usize,
}

impl Binned {
    pub fn new(matrix: &Matrix, cuts: &[Cuts]) -> Binned {
        let (rows, features) = (matrix.rows(), cuts.len());
        let mut by_column = vec![0u8; rows * features];
        by_column
            .par_chunks_mut(rows.max(1))
            .zip(&matrix.columns)
            .zip(cuts)
            .for_each(|((out, column), cuts)| cuts.bins_of(column, out));
        let mut by_row = vec![0u8; rows * features];
        const BLOCK: usize = 1 << 12;
        by_row.par_chunks_mut((BLOCK * features).max(1)).enumerate().for_each(|(block, out)| {
            for feature in 0..features {
                let from = feature * rows + block * BLOCK;
                let column = &by_column[from..from + out.len() / features];
                for (slot, bin) in out[feature..].iter_mut().step_by(features).zip(column) {
                    *slot = *bin;
                }
            }
        });
        Binned { rows, by_column, by_row, features }
    }

    pub fn column(&self, feature: usize) -> &[u8] {
        &self.by_column[feature * self.rows..][..self.rows]
    }

    pub fn row(&self, row: usize) -> &[u8] {
        &self.by_row[row * self.features..][..self.features]
    }
}
