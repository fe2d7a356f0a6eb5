//! What is known of single voters: the codes of their values, and who belongs together.

use bellwether_schema::ids::Kind;

use crate::aggregate::Key;
use crate::{Electorate, kind_index};

/// Who belongs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Together {
    /// People at one address, the unit included.
    Household,
    /// People at one address.
    Door,
    /// People of one precinct; households where there is none.
    Precinct,
}

impl Electorate {
    /// The rows of a bitmap, ascending.
    pub fn rows_of(bitmap: &[u64]) -> Vec<u32> {
        let mut rows = Vec::new();
        for (place, word) in bitmap.iter().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                rows.push(place as u32 * 64 + rest.trailing_zeros());
                rest &= rest - 1;
            }
        }
        rows
    }

    /// The code of every key's value for every row: a list a key.
    pub fn codes(&self, by: &[Key], rows: &[u32]) -> Vec<Vec<u32>> {
        by.iter().map(|key| self.codes_of_key(key, rows)).collect()
    }

    fn codes_of_key(&self, key: &Key, rows: &[u32]) -> Vec<u32> {
        let mut decoded = (usize::MAX, [0u32; 64]);
        let mut of_word = |row: u32, decode: &dyn Fn(usize, &mut [u32; 64])| {
            let word = row as usize / 64;
            if decoded.0 != word {
                decode(word, &mut decoded.1);
                decoded.0 = word;
            }
            decoded.1[row as usize % 64]
        };
        match key {
            Key::District(kind) => rows.iter().map(|row| self.district_of(*kind, *row)).collect(),
            Key::Field(column) => {
                let sliced = &self.columns[*column].sliced;
                rows.iter().map(|row| of_word(*row, &|word, out| sliced.decode(word, out))).collect()
            }
            Key::Bands { column, bands } => {
                let (sliced, table) = (&self.columns[*column].sliced, self.band_table(*column, bands));
                let code = |row: &u32| of_word(*row, &|word, out| sliced.decode(word, out)) as usize;
                rows.iter().map(code).map(|code| table.get(code).copied().unwrap_or(0)).collect()
            }
            Key::Turnout(elections) => {
                let decode =
                    |word: usize, out: &mut [u32; 64]| self.turnout_counts(elections, word, 1).decode(0, out);
                rows.iter().map(|row| of_word(*row, &decode) + 1).collect()
            }
        }
    }

    fn district_of(&self, kind: Kind, row: u32) -> u32 {
        let run = self.runs.partition_point(|run| run.end <= row);
        self.runs.get(run).map_or(0, |run| run.districts[kind_index(kind)])
    }

    /// A number for every row that it shares with those who belong to it and with nobody else.
    pub fn together(&self, by: Together, rows: &[u32]) -> Vec<u64> {
        let household = |row: &u32| u64::from(self.households.ordinal(*row as usize));
        match by {
            Together::Household => rows.iter().map(household).collect(),
            Together::Door => rows.iter().map(|row| u64::from(self.doors.ordinal(*row as usize))).collect(),
            Together::Precinct => {
                let number = |row: &u32| match self.district_of(Kind::Precinct, *row) {
                    0 => household(row),
                    precinct => 1 << 32 | u64::from(precinct),
                };
                rows.iter().map(number).collect()
            }
        }
    }
}
