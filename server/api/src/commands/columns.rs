//! CSV files that commands read whole, column by column.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

/// Values of a text column up to which each becomes a feature.
pub const MOST_VALUES: usize = 30;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A file in memory, column by column.
pub struct Columns {
    pub names: Vec<String>,
    values: HashMap<String, Vec<String>>,
    /// Line of the file that each row begins at.
    pub lines: Vec<u64>,
}

impl Columns {
    pub fn read(path: &PathBuf, only: Option<(&str, &str)>) -> Result<Columns, Failure> {
        let file = std::fs::File::open(path)?;
        let packed = path.extension().is_some_and(|ending| ending == "gz");
        let bytes: Box<dyn std::io::Read> =
            if packed { Box::new(flate2::read::GzDecoder::new(file)) } else { Box::new(file) };
        let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
        let names: Vec<String> = reader.headers()?.iter().map(|name| name.trim().to_string()).collect();
        let only = match only {
            Some((name, value)) => Some((place(&names, name)?, value)),
            None => None,
        };
        let mut columns: Vec<Vec<String>> = vec![Vec::new(); names.len()];
        let mut lines = Vec::new();
        for record in reader.records() {
            let record = record?;
            if only.is_some_and(|(at, value)| record.get(at).unwrap_or_default().trim() != value) {
                continue;
            }
            lines.push(record.position().map_or(0, |position| position.line()));
            columns.iter_mut().zip(&record).for_each(|(column, value)| column.push(value.trim().to_string()));
        }
        Ok(Columns { values: names.iter().cloned().zip(columns).collect(), names, lines })
    }

    /// Drops the rows in which one of some columns is empty or NA; gives how many they are.
    pub fn drop_unknown(&mut self, names: &[&str]) -> usize {
        let unknown = |value: &str| value.is_empty() || value == "NA";
        let known: Vec<bool> = (0..self.lines.len())
            .map(|row| {
                let values = names.iter().filter_map(|name| self.values.get(*name));
                values.map(|column| &column[row]).all(|value| !unknown(value))
            })
            .collect();
        let mut kept = known.iter();
        self.lines.retain(|_| *kept.next().unwrap_or(&true));
        for column in self.values.values_mut() {
            let mut kept = known.iter();
            column.retain(|_| *kept.next().unwrap_or(&true));
        }
        known.iter().filter(|known| !**known).count()
    }

    pub fn get(&self, name: &str) -> Result<&Vec<String>, Failure> {
        place(&self.names, name)?;
        Ok(&self.values[name])
    }

    /// A column of numbers.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, Failure> {
        let number = |(at, value): (usize, &String)| {
            let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
            number.ok_or_else(|| format!("line {}: {name} is not a number", self.lines[at]).into())
        };
        self.get(name)?.iter().enumerate().map(number).collect()
    }

    /// A column as features: its numbers, or one feature for each of its values.
    pub fn features(&self, name: &str, rows: &[usize]) -> Result<Vec<(String, Vec<f32>)>, Failure> {
        let column = self.get(name)?;
        let unknown = |value: &str| value.is_empty() || value == "NA";
        let numbers: Option<Vec<f32>> = rows
            .iter()
            .map(|row| match column[*row].as_str() {
                value if unknown(value) => Some(f32::NAN),
                value => value.parse().ok(),
            })
            .collect();
        if let Some(numbers) = numbers {
            return Ok(vec![(name.to_string(), numbers)]);
        }
        let values: BTreeSet<&str> =
            rows.iter().map(|row| column[*row].as_str()).filter(|value| !unknown(value)).collect();
        if values.len() > MOST_VALUES {
            return Err(format!("column {name} is a text of {} values: leave it out", values.len()).into());
        }
        let of_value = |value: &str| {
            let is = |row: &usize| match column[*row].as_str() {
                own if unknown(own) => f32::NAN,
                own => f32::from(u8::from(own == value)),
            };
            (format!("{name}={value}"), rows.iter().map(is).collect())
        };
        Ok(values.into_iter().map(of_value).collect())
    }
}

fn place(names: &[String], name: &str) -> Result<usize, Failure> {
    let found = names.iter().position(|own| own == name);
    found.ok_or_else(|| format!("there is no column {name}; there are {}", names.join(", ")).into())
}
