//! Both sides of a link as columns of codes: the voter file as it stands, and a list that is matched with it.

use crate::chances::Chances;
use crate::text::{Dictionary, Words, name};

/// What is known of a person. Anything may be missing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    pub last_name: Option<&'a str>,
    pub first_name: Option<&'a str>,
    pub middle_name: Option<&'a str>,
    pub birth: Option<Birth>,
    /// F, M or X.
    pub gender: Option<&'a str>,
    /// House number and street in one spelling, without unit, city and ZIP.
    pub address: Option<&'a str>,
    /// Postal code.
    pub zip: Option<&'a str>,
    pub phone: Option<&'a str>,
}

/// A year of birth or a date, as the number `YYYYMMDD`; month and day are 0 where only the year is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birth(i32);

impl Birth {
    pub fn year(year: i32) -> Birth {
        Birth(year * 10_000)
    }

    pub fn date(year: i32, month: u32, day: u32) -> Birth {
        Birth(year * 10_000 + month as i32 * 100 + day as i32)
    }

    /// A date given as the number `YYYYMMDD`.
    pub fn digits(date: i32) -> Birth {
        Birth(date.max(0))
    }
}

/// A person as codes, in half a cache line. 0 stands for what is not known; codes count from 1.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Person {
    pub last: u32,
    pub first: u32,
    pub middle: u32,
    /// `YYYYMMDD`; `YYYY0000` where only the year is known.
    pub birth: i32,
    pub address: u32,
    pub zip: u32,
    /// From the lowest bit on: gender (2 bits), telephone number (34), how the last and the first name start (14 each).
    pub rest: u64,
}

impl Person {
    pub fn year(&self) -> u32 {
        self.birth as u32 / 10_000
    }

    pub fn has_date(&self) -> bool {
        self.birth % 10_000 != 0
    }

    pub fn phone(&self) -> u64 {
        self.rest >> 2 & ((1 << 34) - 1)
    }

    pub fn gender(&self) -> u64 {
        self.rest & 3
    }

    /// What stands for the first three letters of the last and of the first name.
    pub fn starts(&self) -> [u64; 2] {
        [self.rest >> 50, self.rest >> 36 & 0x3fff]
    }
}

/// A ZIP code as its five digits, any other postal code as a number of its own.
fn zip_code(text: &str) -> u32 {
    let text = text.trim();
    let five = text.split('-').next().unwrap_or_default();
    let five = if five.len() == 9 { five.get(..5).unwrap_or(five) } else { five };
    match five.parse() {
        Ok(number) if five.len() <= 5 => number,
        _ if text.is_empty() => 0,
        _ => (xxhash_rust::xxh3::xxh3_64(text.to_uppercase().as_bytes()) as u32) | 1 << 31,
    }
}

/// The last ten digits of a telephone number; 0 where there are fewer than seven.
fn phone_number(text: &str) -> u64 {
    let digits = text.bytes().filter(u8::is_ascii_digit);
    let (count, number) = digits.fold((0, 0u64), |(count, number), digit| {
        (count + 1, (number * 10 + u64::from(digit - b'0')) % 10_000_000_000)
    });
    if count < 7 { 0 } else { number }
}

/// A record as codes.
fn coded(
    record: &Record,
    mut names: impl FnMut(&str) -> u32,
    mut addresses: impl FnMut(&str) -> u32,
) -> Person {
    let mut of_name = |text: Option<&str>| {
        let text = text.map(name).unwrap_or_default();
        if text.is_empty() { (0, 0) } else { (names(&text), start(&text)) }
    };
    let ((last, last_start), (first, first_start)) = (of_name(record.last_name), of_name(record.first_name));
    let gender = record.gender.and_then(|gender| "FMX".find(gender)).map_or(0, |at| at as u64 + 1);
    let phone = record.phone.map_or(0, phone_number);
    Person {
        last,
        first,
        middle: of_name(record.middle_name).0,
        birth: record.birth.map_or(0, |birth| birth.0),
        address: record.address.filter(|text| !text.is_empty()).map_or(0, &mut addresses),
        zip: record.zip.map_or(0, zip_code),
        rest: last_start << 50 | first_start << 36 | phone << 2 | gender,
    }
}

/// A number below 2^14, and not 0, for the first three letters of a name.
fn start(name: &str) -> u64 {
    let letters = name.bytes().take(3).fold(0u64, |letters, byte| letters << 8 | u64::from(byte));
    (letters.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50).max(1)
}

/// The voter file, ready to be matched with: about 45 bytes a voter.
pub struct Reference {
    pub(crate) people: Vec<Person>,
    pub(crate) names: Dictionary,
    pub(crate) addresses: Dictionary,
    pub(crate) chances: Chances,
}

impl Default for Reference {
    fn default() -> Reference {
        Reference {
            people: Vec::new(),
            names: Dictionary::of_names(),
            addresses: Dictionary::default(),
            chances: Chances::default(),
        }
    }
}

impl Reference {
    /// Adds a voter, who gets the next row.
    pub fn push(&mut self, record: &Record) {
        let (names, addresses) = (&mut self.names, &mut self.addresses);
        let person = coded(record, |text| names.intern(text), |text| addresses.intern(text));
        self.people.push(person);
    }

    /// Counts names and addresses and learns how alike different people are. Called after the last voter.
    pub fn finish(&mut self) {
        self.chances = Chances::learn(self);
    }

    /// Voters.
    pub fn rows(&self) -> usize {
        self.people.len()
    }

    /// Bytes.
    pub fn memory(&self) -> usize {
        self.people.capacity() * size_of::<Person>()
            + self.names.memory()
            + self.addresses.memory()
            + self.chances.memory()
    }

    /// A list to be matched with these voters.
    pub fn batch(&self) -> Batch<'_> {
        Batch {
            reference: self,
            people: Vec::new(),
            names: Words { shared: &self.names, own: Dictionary::of_names() },
            addresses: Words { shared: &self.addresses, own: Dictionary::default() },
        }
    }
}

/// A list of people, in codes of the reference that it is matched with.
pub struct Batch<'a> {
    pub(crate) reference: &'a Reference,
    pub(crate) people: Vec<Person>,
    pub(crate) names: Words<'a>,
    pub(crate) addresses: Words<'a>,
}

impl Batch<'_> {
    /// Adds a person, who gets the next row.
    pub fn push(&mut self, record: &Record) {
        let (names, addresses) = (&mut self.names, &mut self.addresses);
        let person = coded(record, |text| names.intern(text), |text| addresses.intern(text));
        self.people.push(person);
    }

    /// People.
    pub fn rows(&self) -> usize {
        self.people.len()
    }
}
