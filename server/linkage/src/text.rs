//! Texts as codes, and names in one spelling.

use std::borrow::Cow;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::nicknames;

/// Distinct texts, numbered from 1 in the order of their first appearance; 0 stands for none. Texts are told apart by
/// hashes of 64 bits: that any two of four million share one has a chance of one in two million.
#[derive(Default)]
pub(crate) struct Dictionary {
    /// Hash and code.
    table: HashTable<(u64, u32)>,
    texts: String,
    /// Where each text ends.
    ends: Vec<usize>,
    sketches: Vec<Sketch>,
    /// Whether the texts are names, which may have short forms.
    names: bool,
}

/// What can be told of a text without reading it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sketch {
    /// The letters that occur, a bit each; everything else shares the last bits.
    pub letters: u32,
    pub length: u8,
    pub first: u8,
    /// Whether it is of several words.
    pub parts: bool,
    /// Whether it is a name that has short forms, or one of these.
    pub forms: bool,
}

impl Sketch {
    pub fn of(text: &str) -> Sketch {
        let bit = |byte: u8| 1 << (byte.wrapping_sub(b'A') & 31);
        Sketch {
            letters: text.bytes().fold(0, |letters, byte| letters | bit(byte)),
            length: text.len().min(255) as u8,
            first: text.bytes().next().unwrap_or(0),
            parts: text.contains(' '),
            forms: false,
        }
    }

    /// A bound of the Levenshtein distance: an edit brings in one letter at most, and takes one away.
    pub fn edits_at_least(self, other: Sketch) -> u32 {
        let lacking =
            (self.letters & !other.letters).count_ones().max((other.letters & !self.letters).count_ones());
        lacking.max(u32::from(self.length.abs_diff(other.length)))
    }

    /// A bound of the Jaro-Winkler similarity: letters that the other lacks can match nothing.
    pub fn likeness_at_most(self, other: Sketch) -> f32 {
        let left = f32::from(self.length) - (self.letters & !other.letters).count_ones() as f32;
        let right = f32::from(other.length) - (other.letters & !self.letters).count_ones() as f32;
        let common = left.min(right).max(0.0);
        if common == 0.0 {
            return 0.0;
        }
        let jaro = (common / f32::from(self.length) + common / f32::from(other.length) + 1.0) / 3.0;
        let prefix = if self.first == other.first { 0.4 } else { 0.0 };
        jaro + prefix * (1.0 - jaro)
    }
}

impl Dictionary {
    /// A dictionary of names.
    pub fn of_names() -> Dictionary {
        Dictionary { names: true, ..Dictionary::default() }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn text(&self, code: u32) -> &str {
        let Some(at) = (code as usize).checked_sub(1) else { return "" };
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.texts[start..self.ends[at]]
    }

    pub fn sketch(&self, code: u32) -> Sketch {
        self.sketches[code as usize - 1]
    }

    fn find(&self, hash: u64) -> Option<u32> {
        self.table.find(hash, |entry| entry.0 == hash).map(|entry| entry.1)
    }

    pub fn intern(&mut self, text: &str) -> u32 {
        self.intern_hashed(text, xxh3_64(text.as_bytes()))
    }

    fn intern_hashed(&mut self, text: &str, hash: u64) -> u32 {
        if let Some(code) = self.find(hash) {
            return code;
        }
        let code = self.ends.len() as u32 + 1;
        self.table.insert_unique(hash, (hash, code), |entry| entry.0);
        self.texts.push_str(text);
        self.ends.push(self.texts.len());
        self.sketches.push(Sketch { forms: self.names && nicknames::known(text), ..Sketch::of(text) });
        code
    }

    pub fn memory(&self) -> usize {
        self.table.capacity() * 17
            + self.texts.capacity()
            + self.ends.capacity() * 8
            + self.sketches.capacity() * size_of::<Sketch>()
    }
}

/// A dictionary that is shared, and the texts that it lacks.
pub(crate) struct Words<'a> {
    pub shared: &'a Dictionary,
    pub own: Dictionary,
}

impl Words<'_> {
    pub fn intern(&mut self, text: &str) -> u32 {
        let hash = xxh3_64(text.as_bytes());
        self.shared
            .find(hash)
            .unwrap_or_else(|| self.own.intern_hashed(text, hash) + self.shared.len() as u32)
    }

    pub fn sketch(&self, code: u32) -> Sketch {
        let known = self.shared.len() as u32;
        if code <= known { self.shared.sketch(code) } else { self.own.sketch(code - known) }
    }

    pub fn text(&self, code: u32) -> &str {
        let known = self.shared.len() as u32;
        if code <= known { self.shared.text(code) } else { self.own.text(code - known) }
    }
}

/// A name in capitals without accents, points and apostrophes; hyphens are blanks.
pub(crate) fn name(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    let plain = if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(deunicode::deunicode(text)) };
    let mut out = String::with_capacity(plain.len());
    for character in plain.chars() {
        match character {
            ' ' | '-' | '/' if !out.is_empty() && !out.ends_with(' ') => out.push(' '),
            letter if letter.is_ascii_alphanumeric() => out.push(letter.to_ascii_uppercase()),
            _ => {}
        }
    }
    out.truncate(out.trim_end().len());
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        for (given, told) in [
            ("O'Brien", "OBRIEN"),
            ("García-López ", "GARCIA LOPEZ"),
            ("ST. JOHN", "ST JOHN"),
            ("ABC", "ABC"),
        ] {
            assert_eq!(name(given), told);
        }
    }

    #[test]
    fn a_sketch_bounds_the_similarity() {
        let names = ["MARIA", "MARLA", "ALMA", "JO", "JOANNE", "O", "CHRISTOPHER", "KRISTOFFER", "ZUBRZYCKI"];
        for (left, right) in names.iter().flat_map(|left| names.map(|right| (*left, right))) {
            let likeness = rapidfuzz::distance::jaro_winkler::similarity(left.bytes(), right.bytes()) as f32;
            let bound = Sketch::of(left).likeness_at_most(Sketch::of(right));
            assert!(likeness <= bound + 1e-6, "{left} {right} {likeness} {bound}");
            let edits = rapidfuzz::distance::levenshtein::distance(left.bytes(), right.bytes());
            assert!(
                Sketch::of(left).edits_at_least(Sketch::of(right)) as usize <= edits,
                "{left} {right} {edits}"
            );
        }
    }

    #[test]
    fn texts_keep_their_codes() {
        let mut shared = Dictionary::default();
        let codes: Vec<u32> = ["A", "B", "A", ""].map(|text| shared.intern(text)).to_vec();
        assert_eq!(codes, [1, 2, 1, 3]);
        let mut words = Words { shared: &shared, own: Dictionary::default() };
        assert_eq!([words.intern("B"), words.intern("C"), words.intern("C")], [2, 4, 4]);
        assert_eq!([words.text(1), words.text(4), words.text(0)], ["A", "C", ""]);
    }
}
