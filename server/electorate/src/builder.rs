//! Building the electorate, voter by voter in the order in which they shall stand.

use std::collections::HashMap;
use std::sync::OnceLock;

use bellwether_schema::ids::Kind;

use crate::compile::DAY_ONE;
use crate::fingerprint::hash;
use crate::groups::Groups;
use crate::sliced::Filling;
use crate::{
    Coding, Column, DAY_FIELDS, Dictionary, Electorate, NUMBER_FIELDS, OFTEN_BY_RANGE, Participation, Run,
    TEXT_FIELDS, Turnout,
};

/// One voter.
#[derive(Debug, Default, Clone, Copy)]
pub struct Row<'a> {
    /// In the order of `Kind::ALL`.
    pub districts: [Option<&'a str>; Kind::ALL.len()],
    /// In the order of `TEXT_FIELDS`.
    pub texts: [Option<&'a str>; TEXT_FIELDS.len()],
    /// In the order of `NUMBER_FIELDS`.
    pub numbers: [Option<i64>; NUMBER_FIELDS.len()],
    /// Days since 1970-01-01, in the order of `DAY_FIELDS`.
    pub days: [Option<i64>; DAY_FIELDS.len()],
    /// What tells one street address from another; none where the voter has none.
    pub door: Option<&'a str>,
    /// What tells the units of one address apart.
    pub unit: Option<&'a str>,
    /// Digits.
    pub phone: Option<&'a str>,
    pub point: Option<[f64; 2]>,
    /// The voter's own id.
    pub id: &'a str,
}

/// Collects rows. Doors and households must come together: all voters of a door one after the other, and within
/// it all voters of a unit.
pub struct Builder {
    rows: usize,
    columns: Vec<(Coding, Filling)>,
    runs: Vec<Run>,
    districts: [Dictionary; Kind::ALL.len()],
    /// The districts of the row before, to find the end of a run without a look-up.
    before: Vec<Option<String>>,
    addressed: Vec<u64>,
    same_household: Vec<u64>,
    same_door: Vec<u64>,
    last_door: Option<String>,
    last_unit: Option<String>,
    phones: Vec<u32>,
    phone_codes: HashMap<u64, u32>,
    points: Vec<[f64; 2]>,
    identities: Vec<u32>,
    participation: HashMap<String, Vec<u32>>,
    scores: Vec<(String, Vec<f32>)>,
    contacts: Vec<(u32, u32, i32)>,
    contact_results: Dictionary,
    experiments: Vec<(String, [Vec<u32>; 2])>,
    today: i32,
}

impl Builder {
    /// `today` is the day that contacts are counted back from, in days since 1970-01-01.
    pub fn new(today: i32) -> Builder {
        let texts = TEXT_FIELDS.iter().map(|_| Coding::Texts(Dictionary::default()));
        let numbers =
            NUMBER_FIELDS.iter().map(|name| Coding::Numbers { base: if *name == "age" { 0 } else { 1800 } });
        let days = DAY_FIELDS.iter().map(|_| Coding::Days { base: DAY_ONE });
        Builder {
            rows: 0,
            columns: texts.chain(numbers).chain(days).map(|coding| (coding, Filling::default())).collect(),
            runs: Vec::new(),
            districts: Default::default(),
            before: Vec::new(),
            addressed: Vec::new(),
            same_household: Vec::new(),
            same_door: Vec::new(),
            last_door: None,
            last_unit: None,
            phones: Vec::new(),
            phone_codes: HashMap::new(),
            points: Vec::new(),
            identities: Vec::new(),
            participation: HashMap::new(),
            scores: Vec::new(),
            contacts: Vec::new(),
            contact_results: Dictionary::default(),
            experiments: Vec::new(),
            today,
        }
    }

    pub fn push(&mut self, row: &Row<'_>) {
        let at = self.rows as u32;
        let (word, bit) = (self.rows / 64, 1u64 << (self.rows % 64));
        if self.rows.is_multiple_of(64) {
            self.addressed.push(0);
            self.same_household.push(0);
            self.same_door.push(0);
        }
        self.place(at, row);
        for (index, (coding, filling)) in self.columns.iter_mut().enumerate() {
            filling.push(match coding {
                Coding::Texts(dictionary) => row.texts[index].map_or(0, |text| dictionary.intern(text)),
                Coding::Numbers { base } => code(row.numbers[index - TEXT_FIELDS.len()], *base),
                Coding::Days { base } => {
                    code(row.days[index - TEXT_FIELDS.len() - NUMBER_FIELDS.len()], *base)
                }
            });
        }
        match row.door {
            None => (self.last_door, self.last_unit) = (None, None),
            Some(door) => {
                self.addressed[word] |= bit;
                let same_door = self.last_door.as_deref() == Some(door);
                let same_unit = self.last_unit.as_deref() == row.unit;
                if same_door {
                    self.same_door[word] |= bit;
                } else {
                    self.last_door = Some(door.to_string());
                }
                if same_door && same_unit {
                    self.same_household[word] |= bit;
                } else {
                    self.last_unit = row.unit.map(str::to_string);
                }
            }
        }
        let digits = row.phone.and_then(|phone| {
            let digits = phone.bytes().filter(u8::is_ascii_digit);
            let number = digits.fold(0u64, |number, digit| number.wrapping_mul(10) + u64::from(digit - b'0'));
            (number != 0).then_some(number)
        });
        if let Some(number) = digits {
            let fresh = self.phone_codes.len() as u32 + 1;
            self.phones.resize(self.rows, 0);
            self.phones.push(*self.phone_codes.entry(number).or_insert(fresh));
        }
        self.identities.push(hash(row.id));
        self.points.push(row.point.unwrap_or([f64::NAN; 2]));
        self.rows += 1;
    }

    /// Puts the row into the run of the row before, or begins one.
    fn place(&mut self, at: u32, row: &Row<'_>) {
        let same = self.before.len() == row.districts.len()
            && self.before.iter().zip(&row.districts).all(|(before, now)| before.as_deref() == *now);
        if !same {
            let mut codes = [0; Kind::ALL.len()];
            for ((code, dictionary), district) in
                codes.iter_mut().zip(&mut self.districts).zip(&row.districts)
            {
                *code = district.map_or(0, |id| dictionary.intern(id));
            }
            self.before = row.districts.iter().map(|id| id.map(str::to_string)).collect();
            self.runs.push(Run { start: at, end: at, districts: codes, extent: [f64::NAN; 4] });
        }
        if let Some(run) = self.runs.last_mut() {
            run.end = at + 1;
            if let Some([longitude, latitude]) = row.point {
                // `min` and `max` give the number where the other is none.
                let [west, south, east, north] = run.extent;
                run.extent =
                    [west.min(longitude), south.min(latitude), east.max(longitude), north.max(latitude)];
            }
        }
    }

    /// Notes that the voter in a row took part in an election. Saying so twice is saying it once.
    pub fn took_part(&mut self, election: &str, row: u32) {
        match self.participation.get_mut(election) {
            Some(rows) => rows.push(row),
            None => drop(self.participation.insert(election.to_string(), vec![row])),
        }
    }

    /// Notes a voter's score, 0 to 100.
    pub fn scored(&mut self, model: &str, row: u32, score: f32) {
        let at = self.scores.iter().position(|(name, _)| name == model).unwrap_or_else(|| {
            self.scores.push((model.to_string(), Vec::new()));
            self.scores.len() - 1
        });
        let scores = &mut self.scores[at].1;
        scores.resize(scores.len().max(row as usize + 1), f32::NAN);
        scores[row as usize] = score;
    }

    /// Notes a contact on a day, in days since 1970-01-01.
    pub fn contacted(&mut self, row: u32, result: &str, day: i32) {
        let code = self.contact_results.intern(result);
        self.contacts.push((row, code, day));
    }

    /// Notes the arm of an experiment, a place in `ARMS`, that the voter in a row was drawn for.
    pub fn drawn(&mut self, experiment: &str, arm: usize, row: u32) {
        // Those of one experiment come together.
        let at = self.experiments.iter().rposition(|(id, _)| id == experiment).unwrap_or_else(|| {
            self.experiments.push((experiment.to_string(), Default::default()));
            self.experiments.len() - 1
        });
        self.experiments[at].1[arm].push(row);
    }

    pub fn finish(mut self) -> Electorate {
        let rows = self.rows;
        let names = TEXT_FIELDS.into_iter().chain(NUMBER_FIELDS).chain(DAY_FIELDS);
        let column = |(name, (coding, filling)): (&'static str, (Coding, Filling))| Column {
            name,
            coding,
            sliced: filling.finish(rows),
            ladder: OnceLock::new(),
        };
        let columns: Vec<Column> = names.zip(self.columns).map(column).collect();
        for column in columns.iter().filter(|column| OFTEN_BY_RANGE.contains(&column.name)) {
            column.ladder(rows);
        }
        let mut participation: Vec<Participation> = self
            .participation
            .into_iter()
            .map(|(election, rows_of)| Participation { election, voters: turnout(rows_of, rows) })
            .collect();
        participation.sort_by(|one, other| other.election.cmp(&one.election));
        if !self.phones.is_empty() {
            self.phones.resize(rows, 0);
        }
        for (_, scores) in &mut self.scores {
            scores.resize(rows, f32::NAN);
        }
        self.scores.sort_by(|one, other| one.0.cmp(&other.0));
        self.contacts.sort_unstable();
        self.points.shrink_to_fit();
        self.runs.shrink_to_fit();
        Electorate {
            rows,
            columns,
            ranges: std::array::from_fn(|kind| ranges(&self.runs, kind, self.districts[kind].values.len())),
            runs: self.runs,
            districts: self.districts,
            participation,
            identities: self.identities,
            addressed: self.addressed,
            households: Groups::new(self.same_household),
            doors: Groups::new(self.same_door),
            phones: self.phones,
            phone_count: self.phone_codes.len() as u32,
            points: self.points,
            scores: self.scores,
            contacts: self.contacts,
            happenings: std::sync::RwLock::default(),
            contact_results: self.contact_results,
            experiments: self.experiments,
            today: self.today,
        }
    }
}

/// Rows of each district of a kind as sorted ranges, by code.
fn ranges(runs: &[Run], kind: usize, districts: usize) -> Vec<Vec<(u32, u32)>> {
    let mut ranges: Vec<Vec<(u32, u32)>> = vec![Vec::new(); districts + 1];
    for run in runs {
        let of = &mut ranges[run.districts[kind] as usize];
        match of.last_mut() {
            Some(last) if last.1 == run.start => last.1 = run.end,
            _ => of.push((run.start, run.end)),
        }
    }
    ranges
}

/// Value less base plus one; 0 for null and for what lies before the base.
fn code(value: Option<i64>, base: i64) -> u32 {
    value.and_then(|value| u32::try_from(value - base + 1).ok()).unwrap_or(0)
}

/// Rows as a bitmap where they are many: a bitmap takes one bit a voter, a list 32 a row.
fn turnout(mut rows_of: Vec<u32>, rows: usize) -> Turnout {
    if rows_of.len() * 32 < rows {
        rows_of.sort_unstable();
        rows_of.dedup();
        rows_of.shrink_to_fit();
        return Turnout::Rows(rows_of);
    }
    let mut words = vec![0u64; rows.div_ceil(64)];
    for row in rows_of {
        words[row as usize / 64] |= 1 << (row % 64);
    }
    Turnout::Bitmap(words)
}
