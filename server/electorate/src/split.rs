//! Grouping by splitting: each chunk of matches is cut up by one key after the other with bitmaps, and what is left at
//! the end is counted a word at a time. For keys of few codes this takes a fraction of going from voter to voter.

use crate::aggregate::{Grouping, Key, Store};
use crate::prepared::Filter;
use crate::sliced::{CHUNK, Sliced, count, count_both};
use crate::{Coding, Electorate};

/// Product of the keys' numbers of codes up to which splitting pays.
const MOST_PARTS: u64 = 256;

/// One key that is no district: its stride in the groups' numbers, and the codes of each of its parts.
struct Cut<'a> {
    key: &'a Key,
    stride: u64,
    /// Part's code, and the least and the greatest code of the column that fall into it.
    parts: Vec<(u32, u32, u32)>,
}

impl Electorate {
    /// Groups by splitting, where keys and measures are such that it pays; false where nothing was done.
    pub(crate) fn group_by_splitting(
        &self,
        filter: &Filter,
        grouping: &Grouping,
        store: &mut Store,
    ) -> Option<u64> {
        let measures = &grouping.measures;
        let by_row = measures.phones
            || !measures.scores.is_empty()
            || !measures.quantiles.is_empty()
            || measures.fingerprint.is_some();
        let cuts: Vec<Cut<'_>> = grouping
            .by
            .iter()
            .zip(&store.strides)
            .filter(|(key, _)| !matches!(key, Key::District(_)))
            .map(|(key, stride)| Cut { key, stride: *stride, parts: self.parts(key) })
            .collect();
        let parts = cuts.iter().fold(1u64, |product, cut| product.saturating_mul(cut.parts.len() as u64));
        if by_row || parts > MOST_PARTS {
            return None;
        }
        let districts = store.district_keys(&grouping.by);
        let mut total = 0;
        self.scan(filter, |at, words| {
            let matched = count(words);
            if matched > 0 {
                total += matched;
                self.split(&cuts, 0, at, words, grouping, &districts, store);
            }
        });
        Some(total)
    }

    /// The parts that a key cuts voters into.
    fn parts(&self, key: &Key) -> Vec<(u32, u32, u32)> {
        let single = |most: u32| (0..=most).map(|code| (code, code, code)).collect();
        match key {
            Key::District(_) => Vec::new(),
            Key::Field(column) => match &self.columns[*column].coding {
                Coding::Texts(dictionary) => single(dictionary.values.len() as u32),
                _ => single(self.columns[*column].sliced.most()),
            },
            Key::Turnout(elections) => {
                (0..=elections.len() as u32).map(|count| (count + 1, count, count)).collect()
            }
            Key::Bands { column, bands } => {
                let most = self.columns[*column].sliced.most();
                let first = bands.first().map_or(most + 1, |(from, _)| *from);
                let mut parts = vec![(0, 0, first - 1)];
                for (at, (from, _)) in bands.iter().enumerate().filter(|(_, (from, _))| *from <= most) {
                    let end = bands.get(at + 1).map_or(most, |(next, _)| (next - 1).min(most));
                    parts.push((at as u32 + 1, *from, end));
                }
                parts
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one step of a recursion")]
    fn split(
        &self,
        cuts: &[Cut<'_>],
        number: u64,
        at: usize,
        mask: &[u64],
        grouping: &Grouping,
        districts: &[(usize, u64)],
        store: &mut Store,
    ) {
        let Some((cut, rest)) = cuts.split_first() else {
            return self.tally(number, at, mask, grouping, districts, store);
        };
        let turnout;
        let (sliced, start) = match cut.key {
            Key::Turnout(elections) => {
                turnout = self.turnout_counts(elections, at, mask.len());
                (&turnout, 0)
            }
            Key::Field(column) | Key::Bands { column, .. } => (&self.columns[*column].sliced, at),
            Key::District(_) => return,
        };
        let mut left = [0u64; CHUNK];
        let mut part = [0u64; CHUNK];
        let (left, part) = (&mut left[..mask.len()], &mut part[..mask.len()]);
        left.copy_from_slice(mask);
        for (code, low, high) in &cut.parts {
            part.fill(0);
            match low == high {
                true => sliced.add_equal(*low, start, part),
                false => sliced.add_between(*low, *high, start, part),
            }
            let mut some = 0;
            let mut more = 0;
            for (part, left) in part.iter_mut().zip(left.iter_mut()) {
                *part &= *left;
                *left &= !*part;
                some |= *part;
                more |= *left;
            }
            if some != 0 {
                self.split(
                    rest,
                    number + u64::from(*code) * cut.stride,
                    at,
                    part,
                    grouping,
                    districts,
                    store,
                );
            }
            if more == 0 {
                return;
            }
        }
    }

    /// Counts a part: as one group, or run by run where districts are among the keys.
    fn tally(
        &self,
        number: u64,
        at: usize,
        mask: &[u64],
        grouping: &Grouping,
        districts: &[(usize, u64)],
        store: &mut Store,
    ) {
        if districts.is_empty() {
            self.add(number, at, mask, grouping, store);
            return self.add_firsts(number, at, mask, grouping, store);
        }
        let first = self.runs.partition_point(|run| run.end as usize <= at * 64);
        let end = (at + mask.len()) * 64;
        let mut part = [0u64; CHUNK];
        for run in self.runs[first..].iter().take_while(|run| (run.start as usize) < end) {
            // The words of this run, without the rows of its neighbours in the first and the last.
            let (start, stop) =
                ((run.start as usize).max(at * 64) - at * 64, (run.end as usize).min(end) - at * 64);
            let (head, tail) = (start / 64, (stop - 1) / 64);
            let part = &mut part[..tail - head + 1];
            part.copy_from_slice(&mask[head..=tail]);
            part[0] &= !0 << (start % 64);
            part[tail - head] &= !0 >> (63 - (stop - 1) % 64);
            if part.iter().all(|word| *word == 0) {
                continue;
            }
            let base: u64 =
                districts.iter().map(|(kind, stride)| u64::from(run.districts[*kind]) * stride).sum();
            self.add(number + base, at + head, part, grouping, store);
            self.add_firsts_by_row(number + base, at + head, part, grouping, store);
        }
    }

    fn add(&self, number: u64, at: usize, mask: &[u64], grouping: &Grouping, store: &mut Store) {
        let measures = &grouping.measures;
        let work = store.at(number, measures);
        work.voters += count(mask);
        for (sum, column) in work.sums.iter_mut().zip(&measures.columns) {
            let Column { base, sliced } = self.numbers(*column);
            let (codes, known) = sliced.sum(at, mask);
            sum.sum += codes as f64 + known as f64 * (base - 1) as f64;
            sum.count += known;
        }
        for (voted, election) in work.voted.iter_mut().zip(&measures.voted) {
            let mut words = [0u64; CHUNK];
            let words = &mut words[..mask.len()];
            self.add_turnout(*election, at, words);
            *voted += count_both(words, mask);
        }
        for (count, among) in work.voted[measures.voted.len()..].iter_mut().zip(&measures.among) {
            *count += count_both(&among[at..at + mask.len()], mask);
        }
    }

    /// Counts the households and doors of a part whose chunk is not cut into runs.
    fn add_firsts(&self, number: u64, at: usize, mask: &[u64], grouping: &Grouping, store: &mut Store) {
        let measures = &grouping.measures;
        let work = store.at(number, measures);
        if measures.households {
            work.first_households.enter(&self.households, at);
        }
        if measures.doors {
            work.first_doors.enter(&self.doors, at);
        }
        for (offset, word) in mask.iter().enumerate().filter(|_| measures.households || measures.doors) {
            let place = at + offset;
            let addressed = word & self.addressed[place];
            if measures.households {
                let firsts = work.first_households.word(&self.households, place, addressed);
                work.households += u64::from(firsts.count_ones());
            }
            if measures.doors {
                let firsts = work.first_doors.word(&self.doors, place, addressed);
                work.doors += u64::from(firsts.count_ones());
            }
        }
    }

    /// The same voter by voter: a door may go on from one run to the next in the middle of a word.
    fn add_firsts_by_row(
        &self,
        number: u64,
        at: usize,
        mask: &[u64],
        grouping: &Grouping,
        store: &mut Store,
    ) {
        let measures = &grouping.measures;
        if !measures.households && !measures.doors {
            return;
        }
        let work = store.at(number, measures);
        for (offset, word) in mask.iter().enumerate() {
            let mut rest = word & self.addressed[at + offset];
            while rest != 0 {
                let row = (at + offset) * 64 + rest.trailing_zeros() as usize;
                rest &= rest - 1;
                let (household, door) = (self.households.ordinal(row), self.doors.ordinal(row));
                if measures.households && work.last_household != household {
                    (work.last_household, work.households) = (household, work.households + 1);
                }
                if measures.doors && work.last_door != door {
                    (work.last_door, work.doors) = (door, work.doors + 1);
                }
            }
        }
    }

    fn numbers(&self, column: usize) -> Column<'_> {
        let column = &self.columns[column];
        let base = match &column.coding {
            Coding::Numbers { base } | Coding::Days { base } => *base,
            Coding::Texts(_) => 0,
        };
        Column { base, sliced: &column.sliced }
    }
}

/// A column of numbers.
struct Column<'a> {
    base: i64,
    sliced: &'a Sliced,
}
