//! People as callers describe them: read from JSON or CSV, checked, in the spelling of the voter file.

use bellwether_electorate::Fault;
use bellwether_linkage::{Birth, Record};
use bellwether_loaders::normalise::match_key;
use chrono::Datelike;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::ApiError;

/// Someone to be found in the voter file. Any combination will do that names a telephone number, an address, or a last
/// name with a first name, a year of birth or an address.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Person {
    /// The caller's own id, given back with the answer.
    #[schema(example = "row 17")]
    pub id: Option<String>,
    /// The whole name, `First Middle Last` or `Last, First Middle`, where it is not given in parts.
    pub name: Option<String>,
    pub last_name: Option<String>,
    pub first_name: Option<String>,
    pub middle_name: Option<String>,
    #[schema(example = 1961)]
    pub birth_year: Option<i32>,
    /// 1961-04-12
    pub birth_date: Option<String>,
    /// F, M or X.
    pub gender: Option<String>,
    /// House number and street; a unit is left out of account.
    #[schema(example = "1200 N Main St")]
    pub address: Option<String>,
    #[schema(example = "80419")]
    pub zip: Option<String>,
    pub phone: Option<String>,
}

/// The columns of a list in CSV.
const COLUMNS: [&str; 11] = [
    "id",
    "name",
    "last_name",
    "first_name",
    "middle_name",
    "birth_year",
    "birth_date",
    "gender",
    "address",
    "zip",
    "phone",
];

/// Behind a name: not part of it.
const SUFFIXES: [&str; 6] = ["JR", "SR", "II", "III", "IV", "ESQ"];

/// Years of birth that can be.
const YEARS: std::ops::RangeInclusive<i32> = 1880..=2100;
/// Bytes of a field at most.
const LONGEST: usize = 300;
/// People of a list at most.
pub const MOST: usize = 100_000;

/// A person read and checked.
pub struct Known {
    last_name: String,
    first_name: String,
    middle_name: String,
    birth: Option<Birth>,
    gender: Option<String>,
    address: String,
    zip: String,
    phone: String,
}

impl Known {
    /// Reads what is known of a person; an error says what is wrong with which field.
    pub fn read(person: &Person) -> Result<Known, (&'static str, String)> {
        let texts = [
            ("name", &person.name),
            ("last_name", &person.last_name),
            ("first_name", &person.first_name),
            ("middle_name", &person.middle_name),
            ("address", &person.address),
            ("zip", &person.zip),
            ("phone", &person.phone),
        ];
        let long = |value: &Option<String>| value.as_ref().is_some_and(|text| text.len() > LONGEST);
        if let Some((field, _)) = texts.into_iter().find(|(_, value)| long(value)) {
            return Err((field, format!("is longer than {LONGEST} bytes")));
        }
        let text = |value: &Option<String>| value.as_deref().map(str::trim).unwrap_or_default().to_string();
        let (mut last_name, mut first_name, mut middle_name) =
            (text(&person.last_name), text(&person.first_name), text(&person.middle_name));
        if let Some(name) = person.name.as_deref().filter(|name| !name.trim().is_empty()) {
            if !(last_name.is_empty() && first_name.is_empty() && middle_name.is_empty()) {
                return Err(("name", "give the name whole or in parts, not both".into()));
            }
            (last_name, first_name, middle_name) = parts_of(name);
        }
        let year = person.birth_year.map(|year| match YEARS.contains(&year) {
            true => Ok(Birth::year(year)),
            false => Err(("birth_year", "must be a year between 1880 and 2100".to_string())),
        });
        let date = person.birth_date.as_deref().filter(|date| !date.trim().is_empty()).map(|date| {
            let date = date.trim();
            let read = chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").ok();
            let known = read.filter(|read| date.len() == 10 && YEARS.contains(&read.year()));
            let date = known.ok_or_else(|| ("birth_date", "must be a date: 1961-04-12".to_string()))?;
            Ok(Birth::date(date.year(), date.month(), date.day()))
        });
        let gender = text(&person.gender).to_uppercase();
        if !matches!(gender.as_str(), "" | "F" | "M" | "X" | "U") {
            return Err(("gender", "must be F, M, X or U".into()));
        }
        // The key of an address is its line, a bar and the ZIP code.
        let key = match_key(&text(&person.address), "", "");
        let known = Known {
            last_name,
            first_name,
            middle_name,
            birth: date.or(year).transpose()?,
            gender: Some(gender).filter(|gender| !gender.is_empty()),
            address: key.split('|').next().unwrap_or_default().to_string(),
            zip: text(&person.zip),
            phone: text(&person.phone),
        };
        let named = !known.last_name.is_empty()
            && (!known.first_name.is_empty() || known.birth.is_some() && !known.zip.is_empty());
        let dated =
            person.birth_date.is_some() && !(known.last_name.is_empty() && known.first_name.is_empty());
        if known.phone.is_empty() && known.address.is_empty() && !named && !dated {
            let detail = "needs a telephone number, an address with a house number, a last name with a first name, or \
                          a name with a birth date";
            return Err(("", detail.into()));
        }
        Ok(known)
    }

    pub fn record(&self) -> Record<'_> {
        fn text(value: &str) -> Option<&str> {
            Some(value).filter(|value| !value.is_empty())
        }
        Record {
            last_name: text(&self.last_name),
            first_name: text(&self.first_name),
            middle_name: text(&self.middle_name),
            birth: self.birth,
            gender: self.gender.as_deref(),
            address: text(&self.address),
            zip: text(&self.zip),
            phone: text(&self.phone),
        }
    }
}

/// Last, first and middle name of a whole name.
fn parts_of(name: &str) -> (String, String, String) {
    let suffix = |word: &&str| {
        let plain: String = word.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_uppercase();
        !SUFFIXES.contains(&plain.as_str())
    };
    let given = |words: Vec<&str>| {
        let first = words.first().copied().unwrap_or_default().to_string();
        (first, words.get(1..).unwrap_or_default().join(" "))
    };
    if let Some((last, rest)) = name.split_once(',') {
        let last: Vec<&str> = last.split_whitespace().filter(suffix).collect();
        let (first, middle) =
            given(rest.split([' ', ',']).filter(|word| !word.is_empty()).filter(suffix).collect());
        return (last.join(" "), first, middle);
    }
    let mut words: Vec<&str> = name.split_whitespace().filter(suffix).collect();
    let last = words.pop().unwrap_or_default().to_string();
    let (first, middle) = given(words);
    (last, first, middle)
}

/// The people of a list in CSV, whose first line names the columns, and the line where each stands.
pub fn of_csv(body: &[u8]) -> Result<(Vec<Person>, Vec<u64>), ApiError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(body);
    let head = reader.headers().map_err(|error| ApiError::bad_request(format!("the CSV: {error}")))?.clone();
    for name in &head {
        if !COLUMNS.contains(&name) {
            let near = bellwether_electorate::nearest(name, COLUMNS).join(", ");
            let near = if near.is_empty() { COLUMNS.join(", ") } else { near };
            return Err(ApiError::bad_request(format!("unknown column {name}; nearest: {near}")));
        }
    }
    let (mut people, mut lines) = (Vec::new(), Vec::new());
    let mut record = csv::StringRecord::new();
    loop {
        // The reader's own words hold the value.
        let told = |error: csv::Error| match error.position() {
            Some(position) => {
                ApiError::bad_request(format!("line {}: a value cannot be read", position.line()))
            }
            None => ApiError::bad_request("the CSV cannot be read"),
        };
        if !reader.read_record(&mut record).map_err(told)? {
            return Ok((people, lines));
        }
        // A record begins, for the reader, with the blank lines before it.
        let (at, line) = record.position().map_or((0, 0), |start| (start.byte() as usize, start.line()));
        let blank = body[at.min(body.len())..].iter().take_while(|byte| matches!(**byte, b'\r' | b'\n'));
        lines.push(line + blank.filter(|byte| **byte == b'\n').count() as u64);
        people.push(record.deserialize(Some(&head)).map_err(told)?);
        if people.len() > MOST {
            return Err(too_many());
        }
    }
}

/// The list is too long, or empty.
pub fn too_many() -> ApiError {
    ApiError::bad_request(format!("give between 1 and {MOST} people"))
}

/// Reads one person, whose place in the request is `at`.
pub fn read_one(person: &Person, at: &str) -> Result<Known, ApiError> {
    Known::read(person).map_err(|(field, detail)| {
        let at = format!("{at}/{field}").trim_end_matches('/').to_string();
        ApiError::faults(vec![Fault { at, detail }])
    })
}

/// Reads all people of a list. `at` tells the place of a fault from the row and the field.
pub fn read(people: &[Person], at: impl Fn(usize, &str) -> String) -> Result<Vec<Known>, ApiError> {
    let mut faults = Vec::new();
    let mut known = Vec::with_capacity(people.len());
    for (row, person) in people.iter().enumerate() {
        match Known::read(person) {
            Ok(read) => known.push(read),
            Err((field, detail)) if faults.len() < 20 => {
                let at = at(row, field);
                faults.push(Fault { at: at.trim_end_matches(['/', ' ']).to_string(), detail });
            }
            Err(_) => {}
        }
    }
    if faults.is_empty() { Ok(known) } else { Err(ApiError::faults(faults)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_fall_into_their_parts() {
        for (name, last, first, middle) in [
            ("Wilma Jane Marlow", "Marlow", "Wilma", "Jane"),
            ("Marlow, Wilma Jane", "Marlow", "Wilma", "Jane"),
            ("de la Cruz, Ana, Jr.", "de la Cruz", "Ana", ""),
            ("Otto Marlow III", "Marlow", "Otto", ""),
            ("Marlow", "Marlow", "", ""),
        ] {
            assert_eq!(parts_of(name), (last.into(), first.into(), middle.into()), "{name}");
        }
    }

    #[test]
    fn a_list_in_csv_is_read_and_its_faults_are_told_by_line() {
        let (people, _) = of_csv(b"id,name,birth_year,zip\n7,\"Marlow, Otto\",1961,80419\n8,Ida Ashby,,\n")
            .expect("a list");
        assert_eq!((people[0].id.as_deref(), people[0].birth_year), (Some("7"), Some(1961)));
        assert_eq!(people[1].birth_year, None);
        assert_eq!(read(&people, |row, _| row.to_string()).expect("all known").len(), 2);
        let fault = of_csv(b"nmae\nx\n").expect_err("an unknown column").to_string();
        assert!(fault.contains("nearest: name"), "{fault}");
        let (people, lines) =
            of_csv(b"last_name,zip,birth_date\nFell,80419,1961-04-12\n\nFell,80419,soon\n").expect("a list");
        assert_eq!(lines, [2, 4], "blank lines count");
        let faults = read(&people, |row, field| format!("line {} {field}", lines[row]));
        assert!(faults.err().is_some_and(|error| error.to_string().contains("line 4 birth_date")));
        for bad in ["61-04-12", "+262142-01-01", "1961-4-12"] {
            let person =
                Person { birth_date: Some(bad.into()), name: Some("A B".into()), ..Person::default() };
            assert!(read_one(&person, "/record").is_err(), "{bad}");
        }
    }
}
