//! Blocking: which pairs are worth comparing. A rule pairs those who share what it names; a pair that several rules
//! find is given once.
//!
//! The plain cases go first: a voter and a listed person who share all of names, year, address and ZIP code with each
//! other and with nobody else have no rival worth weighing, so the other rules are spent on those who are left.

use rayon::prelude::*;

use crate::records::Person;

/// What two people may share, a bit each.
type Shared = u16;

/// Both names, whichever was written as the last.
const NAMES: Shared = 1;
const LAST: Shared = 2;
const FIRST: Shared = 4;
const YEAR: Shared = 8;
const DATE: Shared = 16;
const ADDRESS: Shared = 32;
const ZIP: Shared = 64;
const PHONE: Shared = 128;
/// The first letters of both names, whichever was written as the last.
const STARTS: Shared = 256;

struct Rule {
    shares: Shared,
    /// Whom of the list the rule is for, by what is known of them: looser rules are for those of whom little is known.
    only: Option<fn(Shared) -> bool>,
}

impl Rule {
    fn applies(&self, listed: &Person) -> bool {
        self.only.is_none_or(|only| only(shared(listed, listed)))
    }
}

/// The rule of the plain cases.
const PLAIN: [Rule; 1] = [Rule { shares: LAST | FIRST | YEAR | ADDRESS | ZIP, only: None }];

const RULES: [Rule; 14] = [
    Rule { shares: NAMES | YEAR, only: None },
    Rule { shares: ADDRESS | YEAR, only: None },
    Rule { shares: ADDRESS | FIRST, only: None },
    Rule { shares: LAST | YEAR | ZIP, only: None },
    Rule { shares: FIRST | YEAR | ZIP, only: None },
    Rule { shares: NAMES | ZIP, only: None },
    Rule {
        shares: STARTS | ZIP,
        only: Some(|known| known & DATE != 0 || known & (YEAR | ADDRESS) != YEAR | ADDRESS),
    },
    Rule { shares: PHONE, only: None },
    Rule { shares: DATE | FIRST, only: None },
    Rule { shares: DATE | LAST, only: None },
    Rule { shares: DATE | ZIP, only: None },
    Rule {
        shares: ADDRESS | LAST,
        only: Some(|known| known & DATE != 0 || known & (YEAR | FIRST) != YEAR | FIRST),
    },
    Rule { shares: NAMES, only: Some(|known| known & YEAR == 0) },
    Rule { shares: ADDRESS, only: Some(|known| known & YEAR == 0 || known & (LAST | FIRST) == 0) },
];

/// Two numbers as one, whichever comes first; 0 where one is not known.
fn both(one: u64, other: u64) -> u64 {
    if one == 0 || other == 0 { 0 } else { one.min(other) << 32 | one.max(other) }
}

fn starts(person: &Person) -> u64 {
    let [last, first] = person.starts();
    both(last, first)
}

fn date(person: &Person) -> u64 {
    if person.has_date() { person.birth as u64 } else { 0 }
}

/// What two people share.
fn shared(voter: &Person, listed: &Person) -> Shared {
    let same = |bit: Shared, left: u64, right: u64| if left == right && left != 0 { bit } else { 0 };
    let names = |person: &Person| both(person.last.into(), person.first.into());
    same(NAMES, names(voter), names(listed))
        | same(LAST, voter.last.into(), listed.last.into())
        | same(FIRST, voter.first.into(), listed.first.into())
        | same(YEAR, voter.year().into(), listed.year().into())
        | same(DATE, date(voter), date(listed))
        | same(ADDRESS, voter.address.into(), listed.address.into())
        | same(ZIP, voter.zip.into(), listed.zip.into())
        | same(PHONE, voter.phone(), listed.phone())
        | same(STARTS, starts(voter), starts(listed))
}

/// A hash of what a rule names; 0 where any of it is not known.
fn key(person: &Person, shares: Shared) -> u64 {
    let (mut hash, mut rest) = (0x2545_f491_4f6c_dd1du64, shares);
    while rest != 0 {
        let bit = rest & rest.wrapping_neg();
        let value = match bit {
            NAMES => both(person.last.into(), person.first.into()),
            LAST => person.last.into(),
            FIRST => person.first.into(),
            YEAR => person.year().into(),
            DATE => date(person),
            ADDRESS => person.address.into(),
            ZIP => person.zip.into(),
            PHONE => person.phone(),
            _ => starts(person),
        };
        if value == 0 {
            return 0;
        }
        hash = (hash ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
        rest ^= bit;
    }
    hash.wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1
}

/// Rows by hash.
struct Index {
    /// Where the entries of each bucket begin.
    starts: Vec<u32>,
    /// Lower half of the hash, and row.
    entries: Vec<(u32, u32)>,
    shift: u32,
}

impl Index {
    /// Of hashes by row; 0 is left out.
    fn new(hashes: &[u64]) -> Index {
        let bits = (hashes.len().max(2) as u64).ilog2();
        let shift = 64 - bits;
        let mut starts = vec![0u32; (1 << bits) + 2];
        let bucket = |hash: u64| (hash >> shift) as usize;
        // Counted two places on, each start is where the bucket's next entry goes, and in the end where it begins.
        hashes.iter().filter(|hash| **hash != 0).for_each(|hash| starts[bucket(*hash) + 2] += 1);
        for at in 2..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut entries = vec![(0, 0); starts[starts.len() - 1] as usize];
        for (row, hash) in hashes.iter().enumerate().filter(|(_, hash)| **hash != 0) {
            let free = &mut starts[bucket(*hash) + 1];
            entries[*free as usize] = (*hash as u32, row as u32);
            *free += 1;
        }
        Index { starts, entries, shift }
    }

    /// Where those stand who may share this hash, and its lower half.
    fn bucket(&self, hash: u64) -> (u32, u32, u32) {
        if hash == 0 {
            return (0, 0, 0);
        }
        let bucket = (hash >> self.shift) as usize;
        (self.starts[bucket], self.starts[bucket + 1], hash as u32)
    }
}

/// For every person the first row that lists the same.
pub(crate) fn twins(listed: &[Person]) -> Vec<u32> {
    let whole = |person: &Person| {
        let fold = |hash: u64, value: u64| (hash ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
        [
            u64::from(person.last) << 32 | u64::from(person.first),
            u64::from(person.middle) << 32 | person.birth as u64,
            u64::from(person.address) << 32 | u64::from(person.zip),
            person.rest,
        ]
        .into_iter()
        .fold(1, fold)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9)
            | 1
    };
    let hashes: Vec<u64> = listed.iter().map(whole).collect();
    let index = Index::new(&hashes);
    let mut twins: Vec<u32> = (0..listed.len() as u32).collect();
    for bucket in index.starts.windows(2).filter(|bucket| bucket[1] - bucket[0] > 1) {
        let rows = &index.entries[bucket[0] as usize..bucket[1] as usize];
        for (at, (low, row)) in rows.iter().enumerate() {
            let same =
                |other: &&(u32, u32)| other.0 == *low && listed[other.1 as usize] == listed[*row as usize];
            if let Some((_, first)) = rows[..at].iter().find(same) {
                twins[*row as usize] = *first;
            }
        }
    }
    twins
}

/// Voters that are looked up together.
const BLOCK: usize = 512;

/// The listed people, ready to be paired with.
pub(crate) struct Blocks<'a> {
    listed: &'a [Person],
    rules: &'static [Rule],
    /// The rules that are for anybody listed.
    indices: Vec<(usize, Index)>,
}

impl<'a> Blocks<'a> {
    /// Of the listed rows that are not `out`, for the plain cases.
    pub fn plain(listed: &'a [Person], out: &[bool]) -> Blocks<'a> {
        Blocks::new(listed, out, &PLAIN)
    }

    /// Of the listed rows that are not `out`, for everybody else.
    pub fn all(listed: &'a [Person], out: &[bool]) -> Blocks<'a> {
        Blocks::new(listed, out, &RULES)
    }

    fn new(listed: &'a [Person], out: &[bool], rules: &'static [Rule]) -> Blocks<'a> {
        let index = |(at, rule): (usize, &Rule)| {
            let hashed = |row: usize| match !out[row] && rule.applies(&listed[row]) {
                true => key(&listed[row], rule.shares),
                false => 0,
            };
            let hashes: Vec<u64> = (0..listed.len()).map(hashed).collect();
            hashes.iter().any(|hash| *hash != 0).then(|| (at, Index::new(&hashes)))
        };
        Blocks { listed, rules, indices: rules.par_iter().enumerate().filter_map(index).collect() }
    }

    /// Calls `found` with the position of every voter in `voters` who is `free` and every listed row that a rule pairs
    /// them with, once a pair.
    pub fn pairs(&self, voters: &[Person], free: impl Fn(usize) -> bool, mut found: impl FnMut(usize, u32)) {
        if self.indices.is_empty() {
            return;
        }
        let open: Vec<bool> = (0..voters.len()).map(free).collect();
        let (mut buckets, mut candidates) = (Vec::new(), Vec::new());
        for (at, index) in &self.indices {
            let rule = &self.rules[*at];
            // Step by step for some voters at a time: the memory that each step waits for is fetched for all of them
            // together.
            for (block, few) in voters.chunks(BLOCK).enumerate() {
                buckets.clear();
                let open = &open[block * BLOCK..];
                buckets.extend(few.iter().zip(open).map(|(voter, open)| match *open {
                    true => index.bucket(key(voter, rule.shares)),
                    false => (0, 0, 0),
                }));
                let first = |bucket: &(u32, u32, u32)| {
                    index.entries.get(bucket.0 as usize).map_or(0, |entry| entry.0)
                };
                std::hint::black_box(buckets.iter().fold(0, |all, bucket| all ^ first(bucket)));
                candidates.clear();
                for (row, (start, end, low)) in buckets.iter().enumerate() {
                    let entries = &index.entries[*start as usize..*end as usize];
                    let alike = entries.iter().filter(|entry| entry.0 == *low);
                    candidates.extend(alike.map(|entry| (row, entry.1)));
                }
                let touched = |all: u32, pair: &(usize, u32)| all ^ self.listed[pair.1 as usize].last;
                std::hint::black_box(candidates.iter().fold(0, touched));
                for (row, other) in &candidates {
                    let listed = &self.listed[*other as usize];
                    let shared = shared(&few[*row], listed);
                    let holds = |rule: &Rule| shared & rule.shares == rule.shares;
                    let earlier = |rule: &Rule| holds(rule) && rule.applies(listed);
                    if holds(rule) && !self.rules[..*at].iter().any(earlier) {
                        found(block * BLOCK + row, *other);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_pair_that_a_rule_names_is_found_once() {
        let mut state = 3u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut person = || {
            let birth = if draw(5) == 0 { 0 } else { 19_500_000 + draw(3) as i32 * 10_000 };
            let day = if draw(2) == 0 && birth != 0 { 101 + draw(4) as i32 } else { 0 };
            Person {
                last: draw(5) as u32,
                first: draw(5) as u32,
                birth: birth + day,
                address: draw(9) as u32,
                zip: draw(4) as u32,
                ..Person::default()
            }
        };
        let voters: Vec<Person> = (0..1200).map(|_| person()).collect();
        let listed: Vec<Person> = (0..300).map(|_| person()).collect();
        let mut found = Vec::new();
        let twins = twins(&listed);
        let out: Vec<bool> = (0..listed.len()).map(|row| twins[row] as usize != row).collect();
        let free = |at: usize| !at.is_multiple_of(7);
        Blocks::all(&listed, &out).pairs(&voters, free, |voter, listed| found.push((voter, listed)));
        let once: BTreeSet<(usize, u32)> = found.iter().copied().collect();
        assert_eq!(once.len(), found.len());
        let mut expected = BTreeSet::new();
        for (at, voter) in voters.iter().enumerate().filter(|(at, _)| free(*at)) {
            for (row, other) in listed.iter().enumerate() {
                let names =
                    |rule: &Rule| rule.applies(other) && shared(voter, other) & rule.shares == rule.shares;
                if !out[row] && RULES.iter().any(names) {
                    expected.insert((at, row as u32));
                }
            }
        }
        assert_eq!(once, expected);
        for (row, twin) in twins.iter().enumerate() {
            let first = listed.iter().position(|other| other == &listed[row]);
            assert_eq!(Some(*twin as usize), first);
        }
    }
}
