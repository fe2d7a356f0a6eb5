//! Fingerprints: numbers that stand for a set of voters, the same in every release.

use crate::Electorate;

/// Spreads a number over 64 bits (splitmix64).
pub fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// A hash of a text that never changes (FNV-1a, folded).
pub(crate) fn hash(text: &str) -> u32 {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash ^ hash >> 32) as u32
}

impl Electorate {
    /// Stands for the voters of a bitmap: equal for equal sets, in every release.
    pub fn fingerprint(&self, bitmap: &[u64], secret: u64) -> u64 {
        let mut sum = 0u64;
        for (place, word) in bitmap.iter().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                let row = place * 64 + rest.trailing_zeros() as usize;
                rest &= rest - 1;
                sum = sum.wrapping_add(mix(u64::from(self.identities[row]) ^ secret));
            }
        }
        sum
    }
}
