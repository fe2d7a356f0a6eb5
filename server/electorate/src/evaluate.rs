//! Filters at work: chunks of words in, bitmaps of the voters that match out, and what is counted on them.

use crate::groups::Firsts;
use crate::ladder::Bound;
use crate::prepared::{Filter, Node};
use crate::sliced::{CHUNK, Sliced, and, and_not, count, count_both, or_both};
use crate::{Electorate, Turnout};

/// So many elections, or fewer, are told apart without counters: "two of the last three" needs two levels.
const LEVELS: usize = 4;

/// How many there are of those who match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub voters: u64,
    /// People at one address, the unit included.
    pub households: u64,
    /// Addresses without the unit: where a canvasser stops.
    pub doors: u64,
    /// Different telephone numbers.
    pub phones: u64,
}

impl Electorate {
    /// Hands over the words in which somebody may match, chunk by chunk: the number of the first, and the words.
    pub(crate) fn scan(&self, filter: &Filter, mut each: impl FnMut(usize, &[u64])) {
        let mut out = [0u64; CHUNK];
        let last = self.words().wrapping_sub(1);
        let beyond = match self.rows % 64 {
            0 => !0,
            rest => (1u64 << rest) - 1,
        };
        for (start, end) in &filter.words {
            let mut at = *start;
            while at < *end {
                // Chunks are those of the columns.
                let count = (end - at).min(CHUNK - at % CHUNK);
                let words = &mut out[..count];
                self.evaluate(&filter.node, at, words);
                if at + count > last {
                    words[last - at] &= beyond;
                }
                each(at, words);
                at += count;
            }
        }
    }

    /// The bitmap of all who match.
    pub fn bitmap(&self, filter: &Filter) -> Vec<u64> {
        let mut bitmap = vec![0u64; self.words()];
        self.scan(filter, |at, words| bitmap[at..at + words.len()].copy_from_slice(words));
        bitmap
    }

    /// How many voters match.
    pub fn voters(&self, filter: &Filter) -> u64 {
        let mut voters = 0;
        self.scan(filter, |_, words| voters += count(words));
        voters
    }

    /// Voters, households, doors and telephone numbers of those who match.
    pub fn count(&self, filter: &Filter) -> Counts {
        let mut counts = Counts::default();
        let mut households = Firsts::default();
        let mut doors = Firsts::default();
        let mut phones = vec![0u64; (self.phone_count as usize + 1).div_ceil(64)];
        self.scan(filter, |at, words| {
            households.enter(&self.households, at);
            doors.enter(&self.doors, at);
            for (offset, word) in words.iter().enumerate() {
                let place = at + offset;
                counts.voters += u64::from(word.count_ones());
                let addressed = word & self.addressed[place];
                counts.households +=
                    u64::from(households.word(&self.households, place, addressed).count_ones());
                counts.doors += u64::from(doors.word(&self.doors, place, addressed).count_ones());
                if !self.phones.is_empty() {
                    let mut rest = *word;
                    while rest != 0 {
                        let phone = self.phones[place * 64 + rest.trailing_zeros() as usize];
                        rest &= rest - 1;
                        phones[phone as usize / 64] |= 1 << (phone % 64);
                    }
                }
            }
        });
        if let Some(first) = phones.first_mut() {
            *first &= !1;
        }
        counts.phones = phones.iter().map(|word| u64::from(word.count_ones())).sum();
        counts
    }

    /// How many of a bitmap's voters took part in each election, the newest first.
    pub fn turnout(&self, bitmap: &[u64]) -> Vec<(&str, u64)> {
        let count = |participation: &crate::Participation| match &participation.voters {
            Turnout::Bitmap(words) => count_both(words, bitmap),
            Turnout::Rows(rows) => rows.iter().map(|row| bitmap[*row as usize / 64] >> (row % 64) & 1).sum(),
        };
        self.participation.iter().map(|one| (one.election.as_str(), count(one))).collect()
    }

    fn evaluate(&self, node: &Node, at: usize, out: &mut [u64]) {
        match node {
            Node::All(list) => {
                let Some((first, rest)) = list.split_first() else { return out.fill(!0) };
                self.evaluate(first, at, out);
                for node in rest {
                    if out.iter().all(|word| *word == 0) {
                        return;
                    }
                    self.narrow(node, at, out);
                }
            }
            Node::Any(list) => {
                out.fill(0);
                let mut other = [0u64; CHUNK];
                let other = &mut other[..out.len()];
                for node in list {
                    self.evaluate(node, at, other);
                    out.iter_mut().zip(other.iter()).for_each(|(out, other)| *out |= other);
                }
            }
            Node::Not(inner) => {
                self.evaluate(inner, at, out);
                out.iter_mut().for_each(|out| *out = !*out);
            }
            Node::Nobody => out.fill(0),
            Node::Codes { column, codes } => {
                out.fill(0);
                let sliced = &self.columns[*column].sliced;
                codes.iter().for_each(|code| sliced.add_equal(*code, at, out));
            }
            Node::Between { column, low, high } => {
                out.fill(0);
                self.columns[*column].sliced.add_between(*low, *high, at, out);
            }
            Node::Steps { .. } => {
                out.fill(!0);
                self.narrow(node, at, out);
            }
            Node::Rows(ranges) => {
                out.fill(0);
                fill(ranges, at, out);
            }
            Node::Voted { elections, at_least, at_most } => {
                self.voted(elections, *at_least, *at_most, at, out)
            }
            Node::Score { model, low, high } => {
                let scores = &self.scores[*model].1;
                for (offset, out) in out.iter_mut().enumerate() {
                    let start = (at + offset) * 64;
                    let rows = &scores[start.min(scores.len())..(start + 64).min(scores.len())];
                    let fits = |score: &f32| u64::from(*score >= *low && *score <= *high);
                    *out = rows.iter().enumerate().fold(0, |word, (row, score)| word | fits(score) << row);
                }
            }
            Node::Phone { none } => {
                for (offset, out) in out.iter_mut().enumerate() {
                    let start = (at + offset) * 64;
                    let rows =
                        &self.phones[start.min(self.phones.len())..(start + 64).min(self.phones.len())];
                    let has = rows
                        .iter()
                        .enumerate()
                        .fold(0, |word, (row, phone)| word | u64::from(*phone != 0) << row);
                    *out = if *none { !has } else { has };
                }
            }
            Node::Bitmap(words) => out.copy_from_slice(&words[at..at + out.len()]),
        }
    }

    /// Keeps of `out` those for whom the node holds as well.
    fn narrow(&self, node: &Node, at: usize, out: &mut [u64]) {
        match node {
            Node::Bitmap(words) => and(out, &words[at..]),
            Node::Steps { column, above, upto } => {
                let Some(ladder) = self.columns[*column].ladder(self.rows) else { return out.fill(0) };
                match *upto {
                    Bound::Nobody => out.fill(0),
                    Bound::Everybody => {}
                    Bound::Rung(rung) => and(out, &ladder.words(rung)[at..]),
                }
                match *above {
                    Bound::Nobody => {}
                    Bound::Everybody => out.fill(0),
                    Bound::Rung(rung) => and_not(out, &ladder.words(rung)[at..]),
                }
            }
            Node::Not(inner) if matches!(**inner, Node::Bitmap(_)) => {
                if let Node::Bitmap(words) = &**inner {
                    and_not(out, &words[at..]);
                }
            }
            node => {
                let mut other = [0u64; CHUNK];
                let other = &mut other[..out.len()];
                self.evaluate(node, at, other);
                and(out, other);
            }
        }
    }

    /// Words of one election's bitmap, added to `out`.
    pub(crate) fn add_turnout(&self, election: usize, at: usize, out: &mut [u64]) {
        match &self.participation[election].voters {
            Turnout::Bitmap(words) => {
                out.iter_mut().zip(&words[at..]).for_each(|(out, word)| *out |= word);
            }
            Turnout::Rows(rows) => {
                let from = rows.partition_point(|row| (*row as usize) < at * 64);
                let end = (at + out.len()) * 64;
                for row in rows[from..].iter().take_while(|row| (**row as usize) < end) {
                    out[*row as usize / 64 - at] |= 1 << (row % 64);
                }
            }
        }
    }

    fn voted(&self, elections: &[usize], at_least: usize, at_most: usize, at: usize, out: &mut [u64]) {
        out.fill(0);
        if at_least > elections.len() || at_least > at_most {
            return;
        }
        // Who took part in at least one, in at least two and so on, of the elections gone through so far.
        let most = if at_most < elections.len() { at_most + 1 } else { 0 };
        let levels = at_least.max(most);
        if levels <= LEVELS {
            let mut taken = [[0u64; CHUNK]; LEVELS];
            let mut own = [0u64; CHUNK];
            for election in elections {
                let voters: &[u64] = match &self.participation[*election].voters {
                    Turnout::Bitmap(words) => &words[at..at + out.len()],
                    Turnout::Rows(_) => {
                        own.fill(0);
                        self.add_turnout(*election, at, &mut own[..out.len()]);
                        &own[..out.len()]
                    }
                };
                for level in (1..levels).rev() {
                    let (fewer, more) = taken.split_at_mut(level);
                    or_both(&mut more[0][..out.len()], &fewer[level - 1], voters);
                }
                if levels > 0 {
                    or_both(&mut taken[0][..out.len()], voters, voters);
                }
            }
            match at_least {
                0 => out.fill(!0),
                least => out.copy_from_slice(&taken[least - 1][..out.len()]),
            }
            if most > 0 {
                and_not(out, &taken[most - 1]);
            }
            return;
        }
        let planes = self.turnout_counts(elections, at, out.len());
        let most = u32::try_from(at_most).unwrap_or(u32::MAX);
        planes.add_between(at_least as u32, most, 0, out);
    }

    /// In how many of the elections each voter of a chunk's words took part: a column of these words alone.
    pub(crate) fn turnout_counts(&self, elections: &[usize], at: usize, words: usize) -> Sliced {
        let bits = (usize::BITS - elections.len().leading_zeros()) as usize;
        let mut planes = vec![0u64; bits * words];
        let mut one = [0u64; CHUNK];
        let one = &mut one[..words];
        for election in elections {
            one.fill(0);
            self.add_turnout(*election, at, one);
            // One bit is added to every counter at once.
            for plane in planes.chunks_mut(words) {
                for (plane, one) in plane.iter_mut().zip(one.iter_mut()) {
                    let carry = *plane & *one;
                    *plane ^= *one;
                    *one = carry;
                }
            }
        }
        Sliced::of(bits, words, planes)
    }
}

/// Sets the rows of sorted ranges in the words from `at` on.
fn fill(ranges: &[(u32, u32)], at: usize, out: &mut [u64]) {
    let (first, last) = (at * 64, (at + out.len()) * 64);
    let from = ranges.partition_point(|(_, end)| *end as usize <= first);
    for (start, end) in ranges[from..].iter().take_while(|(start, _)| (*start as usize) < last) {
        let (start, end) = ((*start as usize).max(first) - first, (*end as usize).min(last) - first);
        let (head, tail) = (start / 64, (end - 1) / 64);
        let (low, high) = (!0u64 << (start % 64), !0u64 >> (63 - (end - 1) % 64));
        if head == tail {
            out[head] |= low & high;
        } else {
            out[head] |= low;
            out[head + 1..tail].fill(!0);
            out[tail] |= high;
        }
    }
}
