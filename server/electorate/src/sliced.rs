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

/// Keeps of `out` what `words` has too.
pub fn and(out: &mut [u64], words: &[u64]) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || out.iter_mut().zip(words).for_each(|(out, word)| *out &= word),
    );
}

/// Takes off `out` what `words` has.
pub fn and_not(out: &mut [u64], words: &[u64]) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || out.iter_mut().zip(words).for_each(|(out, word)| *out &= !word),
    );
}

/// Adds to `out` what both have.
pub fn or_both(out: &mut [u64], one: &[u64], other: &[u64]) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || out.iter_mut().zip(one).zip(other).for_each(|((out, one), other)| *out |= one & other),
    );
}

/// Codes of all rows; row `r` is bit `r % 64` of word `r / 64` in each slice.
///
/// The slices of a chunk of words lie one behind the other, so that what is worked on together is read in one go.
#[derive(Debug, Default)]
pub struct Sliced {
    bits: usize,
    /// Words of one slice in one chunk.
    stride: usize,
    words: Vec<u64>,
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
    pub fn finish(self, rows: usize) -> Sliced {
        let chunks = rows.div_ceil(64).div_ceil(CHUNK);
        let bits = self.slices.len();
        let mut words = vec![0; chunks * bits * CHUNK];
        for (bit, slice) in self.slices.into_iter().enumerate() {
            for (chunk, part) in slice.chunks(CHUNK).enumerate() {
                let start = (chunk * bits + bit) * CHUNK;
                words[start..start + part.len()].copy_from_slice(part);
            }
        }
        Sliced { bits, stride: CHUNK, words }
    }
}

impl Sliced {
    /// A column of so many slices of one chunk, that are made already, one behind the other.
    pub fn of(bits: usize, stride: usize, words: Vec<u64>) -> Sliced {
        Sliced { bits, stride, words }
    }

    /// So many words of a slice from `at` on; they lie in one chunk.
    #[inline(always)]
    fn slice(&self, bit: usize, at: usize, count: usize) -> &[u64] {
        let start = (at / CHUNK * self.bits + bit) * self.stride + at % CHUNK;
        &self.words[start..start + count]
    }

    /// The largest code that the slices can hold.
    pub fn most(&self) -> u32 {
        if self.bits >= 32 { u32::MAX } else { (1 << self.bits) - 1 }
    }

    pub fn memory(&self) -> usize {
        self.words.len() * 8
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
                for bit in 0..self.bits {
                    let words = self.slice(bit, at, found.len());
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
        match (low, high >= most) {
            (0, true) => out.fill(!0),
            (low, true) => self.add_compared(low, true, at, out),
            (0, false) => self.add_compared(high, false, at, out),
            (low, false) => {
                let mut below = [0u64; CHUNK];
                let below = &mut below[..out.len()];
                let mut above = [0u64; CHUNK];
                let above = &mut above[..out.len()];
                self.add_compared(low, true, at, above);
                self.add_compared(high, false, at, below);
                out.iter_mut()
                    .zip(above)
                    .zip(below)
                    .for_each(|((out, above), below)| *out |= *above & *below);
            }
        }
    }

    /// Adds the rows whose code is at least (`up`) or at most the bound.
    ///
    /// From the lowest bit: what the bits below say stands where a row has the bound's own bit, else this bit decides.
    fn add_compared(&self, bound: u32, up: bool, at: usize, out: &mut [u64]) {
        pulp::Arch::new().dispatch(Compare { sliced: self, bound, up, at, out });
    }

    /// Sum of the codes of the rows of a mask that stands for the words from `at` on, and how many of them are not 0.
    pub fn sum(&self, at: usize, mask: &[u64]) -> (u64, u64) {
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                let (mut sum, mut known) = (0, 0);
                for (offset, mask) in mask.iter().enumerate().filter(|(_, mask)| **mask != 0) {
                    let mut any = 0;
                    for bit in 0..self.bits {
                        let rows = self.slice(bit, at + offset, 1)[0] & mask;
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
        for plane in 0..self.bits.div_ceil(8) {
            let mut bytes = [0u64; 8];
            for bit in 0..(self.bits - plane * 8).min(8) {
                let rows = self.slice(plane * 8 + bit, word, 1)[0];
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

/// The comparison of a chunk's rows with a bound. A type of its own, because a closure of this size is not inlined into
/// the code for the machine's own vectors.
struct Compare<'a> {
    sliced: &'a Sliced,
    bound: u32,
    up: bool,
    at: usize,
    out: &'a mut [u64],
}

impl pulp::NullaryFnOnce for Compare<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Compare { sliced, bound, up, at, out } = self;
        let mut fits = [!0u64; CHUNK];
        let fits = &mut fits[..out.len()];
        let turn = if up { 0 } else { !0u64 };
        for bit in 0..sliced.bits {
            let words = sliced.slice(bit, at, fits.len());
            // Who has the bit on the near side of the bound does not fit, who has it on the far side does.
            let wide = u64::from((bound >> bit & 1 == 1) != up).wrapping_neg();
            for (fits, word) in fits.iter_mut().zip(words) {
                let word = word ^ turn;
                *fits = *fits & word | wide & (*fits | word);
            }
        }
        for (out, fits) in out.iter_mut().zip(&*fits) {
            *out |= fits;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_sums_and_codes_are_those_of_going_row_by_row() {
        let codes: Vec<u32> = (0..1000u32).map(|row| row.wrapping_mul(2_654_435_761) >> 23).collect();
        let mut filling = Filling::default();
        codes.iter().for_each(|code| filling.push(*code));
        let sliced = filling.finish(codes.len());
        let words = codes.len().div_ceil(64);
        let rows = |fits: &dyn Fn(u32) -> bool| -> Vec<usize> {
            (0..codes.len()).filter(|row| fits(codes[*row])).collect()
        };
        let found = |out: &[u64]| -> Vec<usize> {
            (0..codes.len()).filter(|row| out[row / 64] >> (row % 64) & 1 == 1).collect()
        };
        for (low, high) in [
            (0, 511),
            (0, 100),
            (100, 511),
            (37, 41),
            (41, 41),
            (400, 600),
            (600, 700),
            (5, 4),
            (0, 0),
            (511, 511),
        ] {
            let mut out = vec![0; words];
            sliced.add_between(low, high, 0, &mut out);
            assert_eq!(found(&out), rows(&|code| code >= low && code <= high), "{low} to {high}");
        }
        for code in [0, 1, 41, 511, 512] {
            let mut out = vec![0; words];
            sliced.add_equal(code, 0, &mut out);
            assert_eq!(found(&out), rows(&|other| other == code), "{code}");
        }
        let mask: Vec<u64> = (0..words as u64).map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let in_mask = |row: &usize| mask[row / 64] >> (row % 64) & 1 == 1;
        let chosen: Vec<u64> = (0..codes.len()).filter(in_mask).map(|row| u64::from(codes[row])).collect();
        let known = chosen.iter().filter(|code| **code != 0).count() as u64;
        assert_eq!(sliced.sum(0, &mask), (chosen.iter().sum(), known));
        let mut decoded = [0; 64];
        sliced.decode(3, &mut decoded);
        assert_eq!(decoded, codes[192..256]);
    }
}
