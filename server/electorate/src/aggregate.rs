//! Grouping: those who match, counted by districts, codes, bands and turnout together.

use std::collections::{HashMap, HashSet};

use bellwether_schema::ids::Kind;

use crate::fingerprint::mix;
use crate::groups::Firsts;
use crate::prepared::Filter;
use crate::{Coding, Electorate, kind_index};

/// What voters are grouped by.
#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    District(Kind),
    /// The values of a column.
    Field(usize),
    /// Bands of a column's values: the code of each band's first value, ascending, and its name.
    Bands {
        column: usize,
        bands: Vec<(u32, String)>,
    },
    /// In how many of these elections the voter took part.
    Turnout(Vec<usize>),
}

/// What is measured of each group, beside its voters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measures {
    pub households: bool,
    pub doors: bool,
    pub phones: bool,
    /// Columns of numbers whose values are summed, for means.
    pub columns: Vec<usize>,
    /// Models whose scores are summed.
    pub scores: Vec<usize>,
    /// Models whose scores are kept, for quantiles.
    pub quantiles: Vec<usize>,
    /// Elections whose participants are counted.
    pub voted: Vec<usize>,
    /// Bitmaps of voters who are counted as well, behind those of the elections.
    pub among: Vec<Vec<u64>>,
    /// Adds the keys of the group's members up, so that a group can be told from another one of the same size.
    pub fingerprint: Option<u64>,
}

/// A grouping that has been asked for.
#[derive(Debug, Clone)]
pub struct Grouping {
    pub by: Vec<Key>,
    pub measures: Measures,
}

/// Sum and number of values.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sum {
    pub sum: f64,
    pub count: u64,
}

/// One group.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    /// Code of each key's value; 0 is null.
    pub codes: Vec<u32>,
    pub voters: u64,
    pub households: u64,
    pub doors: u64,
    pub phones: u64,
    /// In the order of the measures' columns, then their scores.
    pub sums: Vec<Sum>,
    /// In the order of the measures' quantiles; not sorted.
    pub scores: Vec<Vec<f32>>,
    /// In the order of the measures' elections, then their bitmaps.
    pub voted: Vec<u64>,
    pub fingerprint: u64,
}

/// The groups that have voters, in the order of their codes.
#[derive(Debug, Default)]
pub struct Cells {
    pub cells: Vec<Cell>,
    /// All who match.
    pub voters: u64,
}

/// Product of the keys' numbers of codes up to which groups are kept in a plain array.
const DENSE: usize = 1 << 20;

/// Where the groups' figures are kept: by number where there are few, else by look-up.
pub(crate) struct Store {
    pub strides: Vec<u64>,
    dense: Vec<u32>,
    sparse: HashMap<u64, u32>,
    cells: Vec<(u64, Work)>,
}

/// The figures of a group while it is counted.
#[derive(Default)]
pub(crate) struct Work {
    pub voters: u64,
    pub households: u64,
    pub doors: u64,
    pub first_households: Firsts,
    pub first_doors: Firsts,
    pub last_household: u32,
    pub last_door: u32,
    phones: HashSet<u32>,
    pub sums: Vec<Sum>,
    scores: Vec<Vec<f32>>,
    pub voted: Vec<u64>,
    fingerprint: u64,
}

impl Store {
    /// The keys that are districts: place of the kind, and stride.
    pub fn district_keys(&self, by: &[Key]) -> Vec<(usize, u64)> {
        let keys = by.iter().zip(&self.strides).filter_map(|(key, stride)| match key {
            Key::District(kind) => Some((kind_index(*kind), *stride)),
            _ => None,
        });
        keys.collect()
    }

    pub fn at(&mut self, number: u64, measures: &Measures) -> &mut Work {
        let fresh = self.cells.len() as u32 + 1;
        let slot = match self.dense.get_mut(number as usize) {
            Some(slot) => slot,
            None => self.sparse.entry(number).or_insert(0),
        };
        if *slot == 0 {
            *slot = fresh;
            let work = Work {
                sums: vec![Sum::default(); measures.columns.len() + measures.scores.len()],
                scores: vec![Vec::new(); measures.quantiles.len()],
                voted: vec![0; measures.voted.len() + measures.among.len()],
                ..Work::default()
            };
            self.cells.push((number, work));
        }
        let at = *slot as usize - 1;
        &mut self.cells[at].1
    }
}

/// The column keys of a word's rows, decoded when a row of the word is wanted.
struct Decoded<'a> {
    electorate: &'a Electorate,
    keys: Vec<(&'a Key, u64, Vec<u32>)>,
    codes: [u32; 64],
}

impl Decoded<'_> {
    /// Adds what each row's columns contribute to its group's number.
    fn add(&mut self, place: usize, out: &mut [u64; 64]) {
        out.fill(0);
        for (key, stride, table) in &mut self.keys {
            match key {
                Key::District(_) => continue,
                Key::Field(column) | Key::Bands { column, .. } => {
                    self.electorate.columns[*column].sliced.decode(place, &mut self.codes);
                }
                Key::Turnout(elections) => {
                    let counts = self.electorate.turnout_counts(elections, place, 1);
                    counts.decode(0, &mut self.codes);
                    self.codes.iter_mut().for_each(|code| *code += 1);
                }
            }
            match table.is_empty() {
                true => {
                    out.iter_mut().zip(&self.codes).for_each(|(out, code)| *out += u64::from(*code) * *stride)
                }
                false => out.iter_mut().zip(&self.codes).for_each(|(out, code)| {
                    *out += u64::from(table.get(*code as usize).copied().unwrap_or(0)) * *stride;
                }),
            }
        }
    }
}

impl Electorate {
    /// Number of codes of a key, null included.
    fn codes_of(&self, key: &Key) -> u64 {
        match key {
            Key::District(kind) => self.districts[kind_index(*kind)].values.len() as u64 + 1,
            Key::Field(column) => match &self.columns[*column].coding {
                Coding::Texts(dictionary) => dictionary.values.len() as u64 + 1,
                _ => u64::from(self.columns[*column].sliced.most()) + 1,
            },
            Key::Bands { bands, .. } => bands.len() as u64 + 1,
            Key::Turnout(elections) => elections.len() as u64 + 2,
        }
    }

    /// Band of each code of a column.
    pub(crate) fn band_table(&self, column: usize, bands: &[(u32, String)]) -> Vec<u32> {
        let most = self.columns[column].sliced.most();
        let band = |code: u32| match code {
            0 => 0,
            code => bands.partition_point(|(from, _)| *from <= code) as u32,
        };
        (0..=most).map(band).collect()
    }

    /// Whether a grouping has so few combinations of codes that they can be numbered.
    pub fn can_group(&self, grouping: &Grouping) -> bool {
        let product = |product: u64, key: &Key| product.checked_mul(self.codes_of(key));
        grouping.by.iter().try_fold(1u64, product).is_some()
    }

    /// Groups those who match a filter.
    ///
    /// Time grows with the words that the filter looks at and with the keys' codes where these are few, else with the
    /// voters that match; memory with the groups.
    pub fn group(&self, filter: &Filter, grouping: &Grouping) -> Cells {
        let Grouping { by, measures } = grouping;
        let mut strides = Vec::with_capacity(by.len());
        let mut product = 1u64;
        for key in by {
            strides.push(product);
            product = product.saturating_mul(self.codes_of(key));
        }
        let dense = if product as usize <= DENSE { product as usize } else { 0 };
        let mut store = Store { strides, dense: vec![0; dense], sparse: HashMap::new(), cells: Vec::new() };
        if let Some(voters) = self.group_by_splitting(filter, grouping, &mut store) {
            return Cells { cells: self.finish(by, store), voters };
        }
        let district_keys = store.district_keys(by);
        let base_of = |run: &crate::Run| -> u64 {
            district_keys.iter().map(|(kind, stride)| u64::from(run.districts[*kind]) * stride).sum()
        };
        let mut decoded = Decoded {
            electorate: self,
            keys: by
                .iter()
                .zip(&store.strides)
                .filter(|(key, _)| !matches!(key, Key::District(_)))
                .map(|(key, stride)| match key {
                    Key::Bands { column, bands } => (key, *stride, self.band_table(*column, bands)),
                    _ => (key, *stride, Vec::new()),
                })
                .collect(),
            codes: [0; 64],
        };
        let mut numbers = [0u64; 64];
        let mut values = vec![[0u32; 64]; measures.columns.len()];
        let mut total = 0;
        let mut at_run = 0;
        self.scan(filter, |at, words| {
            while self.runs.get(at_run).is_some_and(|run| run.end as usize <= at * 64) {
                at_run += 1;
            }
            let mut run = at_run;
            for (offset, word) in words.iter().enumerate() {
                let (place, mut rest) = (at + offset, *word);
                if rest == 0 {
                    continue;
                }
                total += u64::from(rest.count_ones());
                decoded.add(place, &mut numbers);
                for (column, values) in measures.columns.iter().zip(&mut values) {
                    self.columns[*column].sliced.decode(place, values);
                }
                while rest != 0 {
                    let row = place * 64 + rest.trailing_zeros() as usize;
                    while self.runs[run].end as usize <= row {
                        run += 1;
                    }
                    // The part of the word that lies in this run.
                    let end = self.runs[run].end as usize - place * 64;
                    let inside = if end >= 64 { rest } else { rest & ((1 << end) - 1) };
                    rest &= !inside;
                    let base = base_of(&self.runs[run]);
                    let mut inside = inside;
                    while inside != 0 {
                        let bit = inside.trailing_zeros() as usize;
                        inside &= inside - 1;
                        let work = store.at(base + numbers[bit], measures);
                        work.voters += 1;
                        self.measure(work, place * 64 + bit, bit, measures, &values);
                    }
                }
            }
        });
        Cells { cells: self.finish(by, store), voters: total }
    }

    fn measure(&self, work: &mut Work, row: usize, bit: usize, measures: &Measures, values: &[[u32; 64]]) {
        if (measures.households || measures.doors) && self.addressed[row / 64] >> bit & 1 == 1 {
            let household = self.households.ordinal(row);
            if measures.households && work.last_household != household {
                work.last_household = household;
                work.households += 1;
            }
            let door = self.doors.ordinal(row);
            if measures.doors && work.last_door != door {
                work.last_door = door;
                work.doors += 1;
            }
        }
        if measures.phones && self.phones.get(row).is_some_and(|phone| *phone != 0) {
            work.phones.insert(self.phones[row]);
        }
        for (index, values) in values.iter().enumerate() {
            if let (1.., Coding::Numbers { base } | Coding::Days { base }) =
                (values[bit], &self.columns[measures.columns[index]].coding)
            {
                work.sums[index].sum += (i64::from(values[bit]) - 1 + base) as f64;
                work.sums[index].count += 1;
            }
        }
        for (index, model) in measures.scores.iter().enumerate() {
            let score = self.scores[*model].1[row];
            if !score.is_nan() {
                let sum = &mut work.sums[measures.columns.len() + index];
                sum.sum += f64::from(score);
                sum.count += 1;
            }
        }
        for (index, model) in measures.quantiles.iter().enumerate() {
            let score = self.scores[*model].1[row];
            if !score.is_nan() {
                work.scores[index].push(score);
            }
        }
        for (index, election) in measures.voted.iter().enumerate() {
            let mut word = [0u64];
            self.add_turnout(*election, row / 64, &mut word);
            work.voted[index] += word[0] >> bit & 1;
        }
        for (count, among) in work.voted[measures.voted.len()..].iter_mut().zip(&measures.among) {
            *count += among[row / 64] >> bit & 1;
        }
        if let Some(secret) = measures.fingerprint {
            work.fingerprint = work.fingerprint.wrapping_add(mix(u64::from(self.identities[row]) ^ secret));
        }
    }

    fn finish(&self, by: &[Key], store: Store) -> Vec<Cell> {
        let sizes: Vec<u64> = by.iter().map(|key| self.codes_of(key)).collect();
        let strides = store.strides;
        let mut cells: Vec<Cell> = store
            .cells
            .into_iter()
            .map(|(number, work)| Cell {
                codes: strides
                    .iter()
                    .zip(&sizes)
                    .map(|(stride, size)| (number / stride % size) as u32)
                    .collect(),
                voters: work.voters,
                households: work.households,
                doors: work.doors,
                phones: work.phones.len() as u64,
                sums: work.sums,
                scores: work.scores,
                voted: work.voted,
                fingerprint: work.fingerprint,
            })
            .collect();
        cells.sort_by(|one, other| one.codes.cmp(&other.codes));
        cells
    }

    /// The value of a key's code, as it is shown: texts and numbers as JSON, days as `2020-11-03`.
    pub fn label(&self, key: &Key, code: u32) -> serde_json::Value {
        use serde_json::Value;
        let text = |text: Option<&str>| text.map_or(Value::Null, |text| Value::String(text.to_string()));
        match key {
            Key::District(kind) => text(self.districts[kind_index(*kind)].value(code)),
            Key::Field(column) => match (&self.columns[*column].coding, code) {
                (_, 0) => Value::Null,
                (Coding::Texts(dictionary), code) => text(dictionary.value(code)),
                (Coding::Numbers { base }, code) => (i64::from(code) - 1 + base).into(),
                (Coding::Days { base }, code) => crate::compile::date_of(i64::from(code) - 1 + base).into(),
            },
            Key::Bands { bands, .. } => text(
                (code as usize).checked_sub(1).and_then(|at| bands.get(at)).map(|(_, name)| name.as_str()),
            ),
            Key::Turnout(_) => code.checked_sub(1).map_or(Value::Null, |count| count.into()),
        }
    }
}
