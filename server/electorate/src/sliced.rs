//! A column of codes as one bitmap for each bit of the code.

use std::ops::Range;

/// Codes of all rows; row `r` is bit `r % 64` of word `r / 64` in each slice.
#[derive(Debug, Default)]
pub struct Sliced {
    slices: Vec<Vec<u64>>,
}

/// Fills a column row by row.
#[derive(Debug, Default)]
pub struct Filling {
    slices: Vec<Vec<u64>>,
    rows: usize,
}

impl Filling {
    pub fn push(&mut self, code: u32) {
        let (word, bit) = (self.rows / 64, self.rows % 64);
        let mut rest = code;
        while rest != 0 {
            let slice = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            if self.slices.len() <= slice {
                self.slices.resize_with(slice + 1, Vec::new);
            }
            let words = &mut self.slices[slice];
            if words.len() <= word {
                words.resize(word + 1, 0);
            }
            words[word] |= 1 << bit;
        }
        self.rows += 1;
    }

    /// The column of so many rows.
    pub fn finish(mut self, rows: usize) -> Sliced {
        let words = rows.div_ceil(64);
        for slice in &mut self.slices {
            slice.resize(words, 0);
            slice.shrink_to_fit();
        }
        Sliced { slices: self.slices }
    }
}

impl Sliced {
    /// The largest code that the slices can hold.
    pub fn most(&self) -> u32 {
        if self.slices.len() >= 32 { u32::MAX } else { (1 << self.slices.len()) - 1 }
    }

    pub fn memory(&self) -> usize {
        self.slices.iter().map(|slice| slice.len() * 8).sum()
    }

    /// A column of slices that are made already.
    pub fn of(slices: Vec<Vec<u64>>) -> Sliced {
        Sliced { slices }
    }

    /// Adds the rows whose code is `code` to `out`, which stands for the words `at`.
    pub fn add_equal(&self, code: u32, at: Range<usize>, out: &mut [u64]) {
        if self.slices.len() < 32 && code >> self.slices.len() != 0 {
            return;
        }
        let mut found = [0u64; super::evaluate::CHUNK];
        let found = &mut found[..out.len()];
        found.fill(!0);
        for (bit, slice) in self.slices.iter().enumerate() {
            let words = &slice[at.clone()];
            match code >> bit & 1 == 1 {
                true => found.iter_mut().zip(words).for_each(|(found, word)| *found &= word),
                false => found.iter_mut().zip(words).for_each(|(found, word)| *found &= !word),
            }
        }
        out.iter_mut().zip(found).for_each(|(out, found)| *out |= *found);
    }

    /// Adds the rows whose code is at least `low` and at most `high`.
    pub fn add_between(&self, low: u32, high: u32, at: Range<usize>, out: &mut [u64]) {
        let most = self.most();
        if low > high || low > most {
            return;
        }
        let high = high.min(most);
        let mut below = [0u64; super::evaluate::CHUNK];
        let mut above = [0u64; super::evaluate::CHUNK];
        let mut equal_low = [!0u64; super::evaluate::CHUNK];
        let mut equal_high = [!0u64; super::evaluate::CHUNK];
        let count = out.len();
        // From the highest bit: a row is below where it first differs from the bound by having 0 for 1.
        for (bit, slice) in self.slices.iter().enumerate().rev() {
            let words = &slice[at.clone()];
            let low_bit = (low >> bit & 1).wrapping_neg() as i32 as i64 as u64;
            let high_bit = (high >> bit & 1).wrapping_neg() as i32 as i64 as u64;
            for index in 0..count {
                let word = words[index];
                below[index] |= equal_low[index] & low_bit & !word;
                equal_low[index] &= !(word ^ low_bit);
                above[index] |= equal_high[index] & !high_bit & word;
                equal_high[index] &= !(word ^ high_bit);
            }
        }
        for index in 0..count {
            out[index] |= !(below[index] | above[index]);
        }
    }

    /// The codes of the 64 rows of a word.
    pub fn decode(&self, word: usize, codes: &mut [u32; 64]) {
        codes.fill(0);
        for (plane, slices) in self.slices.chunks(8).enumerate() {
            let mut bytes = [0u64; 8];
            for (bit, slice) in slices.iter().enumerate() {
                let rows = slice[word];
                for (eight, bytes) in bytes.iter_mut().enumerate() {
                    // Spreads eight bits over eight bytes: byte n takes bit n.
                    let picked = (rows >> (eight * 8) & 0xff).wrapping_mul(0x0101_0101_0101_0101);
                    let picked = picked & 0x8040_2010_0804_0201;
                    let spread = picked.wrapping_add(0x7f7f_7f7f_7f7f_7f7f) >> 7 & 0x0101_0101_0101_0101;
                    *bytes |= spread << bit;
                }
            }
            for (eight, bytes) in bytes.iter().enumerate() {
                for (row, byte) in bytes.to_le_bytes().iter().enumerate() {
                    codes[eight * 8 + row] |= u32::from(*byte) << (plane * 8);
                }
            }
        }
    }
}
