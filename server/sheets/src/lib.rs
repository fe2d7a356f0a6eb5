//! Walk sheets: a turf on paper. The first page has a map with the numbered stops, what to say and the way to the phone page;
//! the others the doors in walking order, with boxes to tick. US Letter, black on white, in Open Sans.

mod layout;
mod list;
mod map;
mod text;
mod write;

pub use write::pdf;

/// A turf as it is printed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sheet {
    /// What the organizer calls the cut, and the number of the turf.
    pub name: String,
    pub number: u32,
    pub canvasser: Option<String>,
    pub minutes: f64,
    pub metres: f64,
    pub introduction: String,
    pub questions: Vec<Question>,
    pub stops: Vec<Stop>,
    pub streets: Vec<Street>,
    /// Longitude and latitude at which the walk begins and ends.
    pub start: Option<[f64; 2]>,
    /// The walk along the streets, longitudes and latitudes; empty where it leads straight from stop to stop.
    pub path: Vec<[f64; 2]>,
    /// Address of the phone page; none where it is given to nobody yet.
    pub link: Option<String>,
    /// When it was printed, for the foot of the page.
    pub printed: String,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    pub text: String,
    pub answers: Vec<String>,
}

/// A stop with its households.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stop {
    pub number: u32,
    pub address: String,
    pub street: String,
    /// Longitude and latitude.
    pub place: [f64; 2],
    pub households: Vec<Household>,
    /// What canvassers found to be different, a line each.
    pub remarks: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Household {
    pub unit: Option<String>,
    pub people: Vec<Person>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Person {
    pub name: String,
    /// Age, gender and party in a few letters.
    pub about: String,
}

/// A street as a line of longitudes and latitudes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Street {
    pub name: String,
    pub points: Vec<[f64; 2]>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the fonts cannot be read")]
    Fonts,
    #[error("the sheet cannot be written: {0}")]
    Write(String),
}

#[cfg(test)]
mod tests;
