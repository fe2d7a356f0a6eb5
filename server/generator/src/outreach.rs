//! What an invented campaign knows of its voters: scores of two models, what came true of some, and some contacts. All
//! is made up: scores are the chances that people were drawn with, blurred a little, and answers follow these chances.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use rand::{Rng, RngExt};

use crate::people::{ELECTIONS, Person};
use crate::{Error, write_failed};

/// Results of contacts and how often each is drawn, in hundreds.
const RESULTS: [(&str, u32); 6] = [
    ("not_home", 55),
    ("canvassed", 25),
    ("refused", 8),
    ("left_message", 6),
    ("moved", 4),
    ("inaccessible", 2),
];

/// The two files, open.
pub struct Outreach {
    scores: (PathBuf, BufWriter<File>),
    contacts: (PathBuf, BufWriter<File>),
}

impl Outreach {
    pub fn create(scores: &Path, contacts: &Path) -> Result<Outreach, Error> {
        let open = |path: &Path, header: &str| -> Result<(PathBuf, BufWriter<File>), Error> {
            let mut file = BufWriter::new(File::create(path).map_err(write_failed(path))?);
            writeln!(file, "{header}").map_err(write_failed(path))?;
            Ok((path.to_path_buf(), file))
        };
        Ok(Outreach {
            scores: open(scores, "voter_id,model,score,outcome")?,
            contacts: open(contacts, "voter_id,contacted_on,result,method,support")?,
        })
    }

    /// Writes what is known of one voter.
    pub fn voter(&mut self, number: u64, person: &Person, rng: &mut impl Rng) -> Result<(), Error> {
        let mut near =
            |chance: f64| 100.0 * (chance + 0.1 * (rng.random::<f64>() - 0.5) * (1.0 - chance) * chance);
        let last = ELECTIONS.len() - 1;
        let (turnout, support) = (near(person.chances[last]), near(person.supports));
        let said = u8::from(rng.random::<f64>() < person.supports);
        let (path, file) = &mut self.scores;
        // The outcome is known of every tenth.
        let (voted, answered) = match number % 10 {
            0 => (u8::from(person.voted.contains(&last)).to_string(), said.to_string()),
            _ => (String::new(), String::new()),
        };
        writeln!(file, "{number},turnout,{turnout:.1},{voted}").map_err(write_failed(path))?;
        // Not everybody has a score of every model.
        if rng.random::<f64>() < 0.9 {
            writeln!(file, "{number},support,{support:.1},{answered}").map_err(write_failed(path))?;
        }
        if rng.random::<f64>() < 0.06 {
            let mut draw = rng.random_range(0..100u32);
            let result = RESULTS.iter().find(|(_, weight)| {
                let found = draw < *weight;
                draw = draw.saturating_sub(*weight);
                found
            });
            let result = result.map_or("other", |(result, _)| result);
            let (month, day) = (rng.random_range(8..11u32), rng.random_range(1..29u32));
            let method = ["door", "door", "phone"][rng.random_range(0..3usize)];
            let (path, file) = &mut self.contacts;
            // Who is talked to is asked.
            let answer = match (result, said, rng.random_range(0..10u32)) {
                ("canvassed", _, 0) => "3",
                ("canvassed", 1, 1..=5) => "1",
                ("canvassed", 1, _) => "2",
                ("canvassed", _, 1..=5) => "5",
                ("canvassed", ..) => "4",
                _ => "",
            };
            writeln!(file, "{number},2022-{month:02}-{day:02},{result},{method},{answer}")
                .map_err(write_failed(path))?;
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<(), Error> {
        self.scores.1.flush().map_err(write_failed(&self.scores.0))?;
        self.contacts.1.flush().map_err(write_failed(&self.contacts.0))
    }
}
