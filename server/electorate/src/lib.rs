//! The electorate in memory: the hot columns of every voter as bit slices, and the filters, counts and groups that
//! are worked out on them. Pure computation: no I/O, no SQL, no names.
//!
//! Voters stand in the order of their districts, so that a district is a few runs of rows (`Run`), and within it in
//! the order of doors and households, so that both can be counted with a few operations a word. A column of codes is
//! held as one bitmap for each bit of the code: 64 voters are compared by one instruction, and a column takes as many
//! bits a voter as it has distinct values to tell apart.

mod aggregate;
mod builder;
mod compile;
mod evaluate;
mod filter;
mod fingerprint;
mod groups;
mod happenings;
mod ladder;
mod nearest;
mod persons;
mod prepared;
mod sliced;
mod split;
mod suppression;

use std::collections::HashMap;
use std::sync::{OnceLock, RwLock};

use bellwether_schema::ids::Kind;

pub use aggregate::{Cell, Cells, Grouping, Key, Measures, Sum};
pub use builder::{Builder, Row};
pub use compile::Outlines;
pub use evaluate::Counts;
pub use filter::{Fault, Test, Where, is_election};
pub use fingerprint::mix;
use groups::Groups;
use happenings::Happenings;
pub use happenings::{BALLOT_STATUS, Happening};
use ladder::Ladder;
pub use nearest::nearest;
pub use persons::Together;
pub use prepared::Filter;
use sliced::Sliced;
pub use suppression::{Rules, Suppressed};

/// Codes of a column of texts, in the order of their first appearance; 0 is null.
#[derive(Debug, Default)]
pub struct Dictionary {
    pub values: Vec<String>,
    codes: HashMap<String, u32>,
}

impl Dictionary {
    /// The code of a value that is there.
    pub fn code(&self, value: &str) -> Option<u32> {
        self.codes.get(value).copied()
    }

    fn intern(&mut self, value: &str) -> u32 {
        if let Some(code) = self.codes.get(value) {
            return *code;
        }
        self.values.push(value.to_string());
        let code = self.values.len() as u32;
        self.codes.insert(value.to_string(), code);
        code
    }

    /// The value of a code; none for 0.
    pub fn value(&self, code: u32) -> Option<&str> {
        self.values.get((code as usize).checked_sub(1)?).map(String::as_str)
    }
}

/// How the values of a field become codes.
#[derive(Debug)]
pub enum Coding {
    /// A code of the schema's own vocabulary, or a text such as a ZIP code.
    Texts(Dictionary),
    /// Whole numbers: the code is the value less `base`, plus one.
    Numbers { base: i64 },
    /// Days since 1970-01-01, coded like numbers.
    Days { base: i64 },
}

/// One hot column.
#[derive(Debug)]
pub struct Column {
    pub name: &'static str,
    pub coding: Coding,
    pub(crate) sliced: Sliced,
    /// For columns that are asked by range, made when they first are.
    ladder: OnceLock<Ladder>,
}

/// Columns whose ladder is made with the electorate.
const OFTEN_BY_RANGE: [&str; 2] = ["age", "registered_on"];
/// Columns that are asked by range.
const BY_RANGE: [&str; 3] = ["age", "birth_year", "registered_on"];
/// Electorates of so many voters or more have ladders: for smaller ones comparing is quick enough.
const LARGE: usize = 10_000;

impl Column {
    fn ladder(&self, rows: usize) -> Option<&Ladder> {
        let asked = rows >= LARGE && BY_RANGE.contains(&self.name);
        asked.then(|| self.ladder.get_or_init(|| Ladder::new(&self.sliced, rows)))
    }
}

/// Rows that lie next to each other and share every district.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    pub start: u32,
    pub end: u32,
    /// Code of the district of each kind, in the order of `Kind::ALL`; 0 where there is none.
    pub districts: [u32; Kind::ALL.len()],
    /// West, south, east and north of the voters that have a coordinate; empty where none has.
    pub extent: [f64; 4],
}

/// Who took part in one election.
#[derive(Debug)]
pub struct Participation {
    pub election: String,
    voters: Turnout,
}

/// A bitmap, or the rows themselves where they are few.
#[derive(Debug)]
enum Turnout {
    Bitmap(Vec<u64>),
    Rows(Vec<u32>),
}

/// The fields of the electorate, in the order of its columns.
pub const TEXT_FIELDS: [&str; 8] =
    ["party", "gender", "race", "ethnicity", "status", "located", "zip", "city"];
pub const NUMBER_FIELDS: [&str; 2] = ["age", "birth_year"];
pub const DAY_FIELDS: [&str; 2] = ["registered_on", "party_since"];

/// Arms of an experiment: those who are left alone, and those who are treated.
pub const ARMS: [&str; 2] = ["control", "treatment"];

/// All voters of a release.
pub struct Electorate {
    rows: usize,
    pub columns: Vec<Column>,
    pub runs: Vec<Run>,
    /// District ids by kind, in the order of `Kind::ALL`.
    pub districts: [Dictionary; Kind::ALL.len()],
    /// Rows of each district as sorted ranges, by kind and code.
    ranges: [Vec<Vec<(u32, u32)>>; Kind::ALL.len()],
    /// By election, the newest first.
    pub participation: Vec<Participation>,
    /// A hash of each voter's id: stands for the same person in every release.
    identities: Vec<u32>,
    /// Bit set where the voter has a residence address.
    addressed: Vec<u64>,
    households: Groups,
    doors: Groups,
    /// Telephone numbers as codes from 1; 0 where there is none. Empty where nobody has one.
    phones: Vec<u32>,
    phone_count: u32,
    /// Longitude and latitude; not numbers where nothing is known.
    points: Vec<[f64; 2]>,
    /// Scores by model, 0 to 100; not a number where a voter has none.
    pub scores: Vec<(String, Vec<f32>)>,
    /// Contacts: row, code of the result, days since 1970-01-01. Sorted by row.
    contacts: Vec<(u32, u32, i32)>,
    contact_results: Dictionary,
    /// Experiments by id: the rows of each arm, in the order of `ARMS`, ascending.
    experiments: Vec<(String, [Vec<u32>; 2])>,
    /// What was delivered since the release.
    happenings: RwLock<Happenings>,
    /// Day from which contacts are counted back: that of the release.
    today: i32,
}

impl Electorate {
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Experiments that voters were drawn for.
    pub fn experiments(&self) -> usize {
        self.experiments.len()
    }

    fn words(&self) -> usize {
        self.rows.div_ceil(64)
    }

    /// The column of a field.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Position of an election, from the newest.
    pub fn election(&self, id: &str) -> Option<usize> {
        self.participation.iter().position(|participation| participation.election == id)
    }

    /// The voters of precincts, by id, as a bitmap.
    pub fn of_precincts<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Vec<u64> {
        let at = kind_index(Kind::Precinct);
        let codes: std::collections::HashSet<u32> =
            ids.filter_map(|id| self.districts[at].code(id)).collect();
        let mut words = vec![0u64; self.words()];
        for run in self.runs.iter().filter(|run| codes.contains(&run.districts[at])) {
            (run.start..run.end).for_each(|row| words[row as usize / 64] |= 1 << (row % 64));
        }
        words
    }

    /// Bytes that the hot columns take.
    pub fn memory(&self) -> usize {
        let ladder = |column: &Column| column.ladder.get().map_or(0, Ladder::memory);
        let sliced: usize = self.columns.iter().map(|column| column.sliced.memory() + ladder(column)).sum();
        let turnout = |participation: &Participation| match &participation.voters {
            Turnout::Bitmap(words) => words.len() * 8,
            Turnout::Rows(rows) => rows.len() * 4,
        };
        let scores: usize = self.scores.iter().map(|(_, scores)| scores.len() * 4).sum();
        sliced
            + self.participation.iter().map(turnout).sum::<usize>()
            + self.runs.len() * size_of::<Run>()
            + self.addressed.len() * 8
            + self.households.memory()
            + self.doors.memory()
            + self.phones.len() * 4
            + self.identities.len() * 4
            + self.points.len() * 16
            + scores
            + self.contacts.len() * 12
            + self.experiments.iter().map(|(_, arms)| (arms[0].len() + arms[1].len()) * 4).sum::<usize>()
    }
}

/// The place of a kind in `Kind::ALL`.
pub(crate) fn kind_index(kind: Kind) -> usize {
    Kind::ALL.iter().position(|known| *known == kind).unwrap_or(0)
}

#[cfg(test)]
mod tests;
