//! Comparisons: into which level of agreement a pair falls, field by field.

use rapidfuzz::distance::{jaro_winkler, levenshtein};

use crate::nicknames;
use crate::records::{Batch, Person};

/// A comparison and its levels. Level 0 is "not known on one side" and says nothing.
pub struct Comparison {
    pub name: &'static str,
    /// From level 1 on: the name, and how often pairs of the same person fall into it where nothing has been learnt.
    pub levels: &'static [(&'static str, f64)],
}

pub(crate) const LAST: usize = 0;
pub(crate) const FIRST: usize = 1;
pub(crate) const MIDDLE: usize = 2;
pub(crate) const DATE: usize = 3;
pub(crate) const YEAR: usize = 4;
pub(crate) const GENDER: usize = 5;
pub(crate) const RESIDENCE: usize = 6;
pub(crate) const ZIP: usize = 7;
pub(crate) const PHONE: usize = 8;

pub(crate) const SAME: u8 = 1;
/// Levels of `residence` that put both under one roof.
pub(crate) const ONE_ROOF: u8 = 2;

/// Every comparison. Date and year of birth exclude each other, as do residence and ZIP code: a pair is compared by
/// what both sides have.
pub const COMPARISONS: [Comparison; 9] = [
    Comparison {
        name: "last_name",
        levels: &[
            ("same", 0.93),
            ("near", 0.03),
            ("alike", 0.006),
            ("exchanged with the first name", 0.004),
            ("different", 0.03),
        ],
    },
    Comparison {
        name: "first_name",
        levels: &[
            ("same", 0.92),
            ("near", 0.03),
            ("a short form", 0.02),
            ("alike", 0.008),
            ("different", 0.022),
        ],
    },
    Comparison {
        name: "middle_name",
        levels: &[("same", 0.75), ("initial", 0.18), ("near", 0.02), ("different", 0.05)],
    },
    Comparison {
        name: "birth_date",
        levels: &[("same", 0.96), ("near", 0.02), ("same year", 0.01), ("different", 0.01)],
    },
    Comparison {
        name: "birth_year",
        levels: &[("same", 0.975), ("a year apart", 0.012), ("different", 0.013)],
    },
    Comparison { name: "gender", levels: &[("same", 0.99), ("different", 0.01)] },
    Comparison {
        name: "address",
        levels: &[
            ("same", 0.8),
            ("same street address in another ZIP code", 0.01),
            ("near", 0.03),
            ("same ZIP code", 0.06),
            ("different", 0.1),
        ],
    },
    Comparison { name: "zip", levels: &[("same", 0.88), ("different", 0.12)] },
    Comparison { name: "phone", levels: &[("same", 0.6), ("different", 0.4)] },
];

/// Digits that a level takes in a pattern.
pub(crate) const RADIX: usize = 6;

/// The level of each comparison.
pub(crate) type Levels = [u8; COMPARISONS.len()];

pub(crate) fn pattern(levels: &Levels) -> u32 {
    levels.iter().fold(0, |pattern, level| pattern * RADIX as u32 + u32::from(*level))
}

pub(crate) fn levels(mut pattern: u32) -> Levels {
    let mut levels = Levels::default();
    for level in levels.iter_mut().rev() {
        *level = (pattern % RADIX as u32) as u8;
        pattern /= RADIX as u32;
    }
    levels
}

/// Names alike by the Jaro-Winkler similarity are near from here on, and alike from there.
const NEAR: f64 = 0.92;
const ALIKE: f64 = 0.8;

/// Compares pairs.
pub(crate) struct Comparer<'a> {
    batch: &'a Batch<'a>,
}

/// Codes are numbers in a row already: one multiplication spreads them.
#[derive(Default, Clone)]
pub(crate) struct Spread;

pub(crate) struct SpreadHasher(u64);

impl std::hash::BuildHasher for Spread {
    type Hasher = SpreadHasher;

    fn build_hasher(&self) -> SpreadHasher {
        SpreadHasher(0)
    }
}

impl std::hash::Hasher for SpreadHasher {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u32(u32::from(number));
    }
}

impl<'a> Comparer<'a> {
    pub fn new(batch: &'a Batch<'a>) -> Comparer<'a> {
        Comparer { batch }
    }

    /// The level of every comparison between a voter and a person of the list.
    pub fn levels(&self, voter: &Person, listed: &Person) -> Levels {
        let mut levels = Levels::default();
        let known = |left: u32, right: u32| left != 0 && right != 0;
        let crossed = voter.last == listed.first && voter.first == listed.last;
        if crossed && voter.last != voter.first && known(voter.last, voter.first) {
            levels[LAST] = 4;
        } else {
            if known(voter.last, listed.last) {
                levels[LAST] = self.last(voter.last, listed.last);
            }
            if known(voter.first, listed.first) {
                levels[FIRST] = self.first(voter.first, listed.first);
            }
        }
        if known(voter.middle, listed.middle) {
            levels[MIDDLE] = self.middle(voter.middle, listed.middle);
        }
        if voter.birth != 0 && listed.birth != 0 {
            if voter.has_date() && listed.has_date() {
                levels[DATE] = dates(voter.birth, listed.birth);
            } else {
                levels[YEAR] = match voter.year().abs_diff(listed.year()) {
                    0 => SAME,
                    1 => 2,
                    _ => 3,
                };
            }
        }
        if voter.gender() != 0 && listed.gender() != 0 {
            levels[GENDER] = if voter.gender() == listed.gender() { SAME } else { 2 };
        }
        let one_zip = voter.zip == listed.zip;
        let both_zips = known(voter.zip, listed.zip);
        if known(voter.address, listed.address) {
            levels[RESIDENCE] = match voter.address == listed.address {
                true if one_zip || !both_zips => SAME,
                true => ONE_ROOF,
                false if (one_zip || !both_zips) && self.near_address(voter.address, listed.address) => 3,
                false if one_zip && both_zips => 4,
                false => 5,
            };
        } else if both_zips {
            levels[ZIP] = if one_zip { SAME } else { 2 };
        }
        if voter.phone() != 0 && listed.phone() != 0 {
            levels[PHONE] = if voter.phone() == listed.phone() { SAME } else { 2 };
        }
        levels
    }

    fn last(&self, left: u32, right: u32) -> u8 {
        if left == right {
            return SAME;
        }
        match self.likeness(left, right) {
            likeness if likeness >= NEAR => 2,
            likeness if likeness >= ALIKE => 3,
            _ => 5,
        }
    }

    fn first(&self, left: u32, right: u32) -> u8 {
        if left == right {
            return SAME;
        }
        match self.likeness(left, right) {
            _ if self.short(left, right) => 3,
            likeness if likeness >= NEAR => 2,
            likeness if likeness >= ALIKE => 4,
            _ => 5,
        }
    }

    fn middle(&self, left: u32, right: u32) -> u8 {
        match () {
            () if left == right => SAME,
            () if self.short(left, right) => 2,
            () if self.likeness(left, right) >= NEAR => 3,
            () => 4,
        }
    }

    /// The Jaro-Winkler similarity of two names where it is enough to be alike, else zero; one where a name of several
    /// parts has the other as one of them.
    fn likeness(&self, left: u32, right: u32) -> f64 {
        let names = &self.batch.names;
        let (sketch, other) = (names.sketch(left), names.sketch(right));
        let parts = sketch.parts != other.parts;
        if !parts && f64::from(sketch.likeness_at_most(other)) < ALIKE - 1e-6 {
            return 0.0;
        }
        let (left, right) = (names.text(left), names.text(right));
        if parts && (has_part(left, right) || has_part(right, left)) {
            return 1.0;
        }
        jaro_winkler::similarity(left.bytes(), right.bytes())
    }

    /// Whether one of two names is the other's initial or short form.
    fn short(&self, left: u32, right: u32) -> bool {
        let names = &self.batch.names;
        let (sketch, other) = (names.sketch(left), names.sketch(right));
        let initial = sketch.length.min(other.length) == 1 && sketch.first == other.first;
        initial || sketch.forms && other.forms && nicknames::related(names.text(left), names.text(right))
    }

    fn near_address(&self, left: u32, right: u32) -> bool {
        let addresses = &self.batch.addresses;
        if addresses.sketch(left).edits_at_least(addresses.sketch(right)) > 2 {
            return false;
        }
        let (left, right) = (addresses.text(left), addresses.text(right));
        levenshtein::distance_with_args(
            left.bytes(),
            right.bytes(),
            &levenshtein::Args::default().score_cutoff(2),
        )
        .is_some()
    }
}

/// Whether a name of several parts has the other as one of them.
fn has_part(whole: &str, part: &str) -> bool {
    part.len() > 1 && whole.len() > part.len() && whole.split(' ').any(|word| word == part)
}

/// Two dates, as `YYYYMMDD`: one digit that differs, or day and month exchanged, are near.
fn dates(left: i32, right: i32) -> u8 {
    if left == right {
        return SAME;
    }
    let parts = |date: i32| (date / 10_000, date / 100 % 100, date % 100);
    let ((year, month, day), (other_year, other_month, other_day)) = (parts(left), parts(right));
    let mut differing = 0;
    let (mut rest, mut other) = (left, right);
    while rest != 0 || other != 0 {
        differing += u32::from(rest % 10 != other % 10);
        (rest, other) = (rest / 10, other / 10);
    }
    let exchanged = year == other_year && month == other_day && day == other_month;
    match year == other_year {
        _ if differing == 1 || exchanged => 2,
        true => 3,
        false => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_hold_their_levels() {
        let given: Levels = [5, 0, 4, 1, 3, 2, 5, 0, 2];
        assert_eq!(levels(pattern(&given)), given);
        let most = COMPARISONS.iter().map(|comparison| comparison.levels.len() + 1).max();
        assert_eq!(most, Some(RADIX));
    }

    #[test]
    fn dates_are_near_by_one_digit_or_when_day_and_month_are_exchanged() {
        for (left, right, level) in [
            (19_800_412, 19_800_412, 1),
            (19_800_412, 19_800_413, 2),
            (19_800_412, 19_801_204, 2),
            (19_800_412, 19_900_412, 2),
            (19_800_412, 19_800_930, 3),
            (19_800_412, 19_710_930, 4),
        ] {
            assert_eq!(dates(left, right), level, "{left} {right}");
        }
    }
}
