//! A column of codes as one bitmap for each bit of the code.

/// Words that are worked on at a time: a few of them fit into the fastest cache.
pub const CHUNK: usize = 256;

/// Bits that are set.
pub fn count(words: &[u64]) -> u64 {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || words.iter().map(|word| u64::from(word.count_ones())).sum(),
    )
}

/// Bits that are set in both.
pub fn count_both(one: &[u64], other: &[u64]) -> u64 {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || one.iter().zip(other).map(|(one, other)| u64::from((one & other).count_ones())).sum(),
    )
}

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

    /// Adds the rows whose code is `code` to `out`, which stands for the words from `at` on.
    pub fn add_equal(&self, code: u32, at: usize, out: &mut [u64]) {
        if code > self.most() {
            return;
        }
        let mut found = [!0u64; CHUNK];
        let found = &mut found[..out.len()];
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                for (bit, slice) in self.slices.iter().enumerate() {
                    let words = &slice[at..at + found.len()];
                    // All ones where the code has 0 there: the slice is turned over.
                    let turn = u64::from(code >> bit & 1).wrapping_sub(1);
                    for (found, word) in found.iter_mut().zip(words) {
                        *found &= word ^ turn;
                    }
                }
                for (out, found) in out.iter_mut().zip(&*found) {
                    *out |= found;
                }
            },
        );
    }

    /// Adds the rows whose code is at least `low` and at most `high`.
    pub fn add_between(&self, low: u32, high: u32, at: usize, out: &mut [u64]) {
        let most = self.most();
        if low > high || low > most {
            return;
        }
        let high = high.min(most);
        let count = out.len();
        let mut outside = [0u64; CHUNK];
        let mut equal_low = [!0u64; CHUNK];
        let mut equal_high = [!0u64; CHUNK];
        let (outside, equal_low, equal_high) =
            (&mut outside[..count], &mut equal_low[..count], &mut equal_high[..count]);
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                // From the highest bit: a row is below where it first differs from the bound by having 0 for 1.
                for (bit, slice) in self.slices.iter().enumerate().rev() {
                    let words = &slice[at..at + count];
                    let low_bit = u64::from(low >> bit & 1).wrapping_neg();
                    let high_bit = u64::from(high >> bit & 1).wrapping_neg();
                    let ends = equal_low.iter_mut().zip(equal_high.iter_mut());
                    for ((word, outside), (equal_low, equal_high)) in
                        words.iter().zip(outside.iter_mut()).zip(ends)
                    {
                        *outside |= *equal_low & low_bit & !word | *equal_high & !high_bit & word;
                        *equal_low &= !(word ^ low_bit);
                        *equal_high &= !(word ^ high_bit);
                    }
                }
                for (out, outside) in out.iter_mut().zip(&*outside) {
                    *out |= !outside;
                }
            },
        );
    }

    /// Sum of the codes of the rows of a mask that stands for the words from `at` on, and how many of them are not 0.
    pub fn sum(&self, at: usize, mask: &[u64]) -> (u64, u64) {
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                let (mut sum, mut known) = (0, 0);
                for (offset, mask) in mask.iter().enumerate().filter(|(_, mask)| **mask != 0) {
                    let mut any = 0;
                    for (bit, slice) in self.slices.iter().enumerate() {
                        let rows = slice[at + offset] & mask;
                        any |= rows;
                        sum += u64::from(rows.count_ones()) << bit;
                    }
                    known += u64::from(any.count_ones());
                }
                (sum, known)
            },
        )
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
