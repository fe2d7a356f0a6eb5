//! What an invented campaign knows of its voters: scores of two models and some contacts. Both are made up: turnout
//! follows the elections that a voter took part in, support the party of registration, with noise.

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
            scores: open(scores, "voter_id,model,score")?,
            contacts: open(contacts, "voter_id,contacted_on,result,method")?,
        })
    }

    /// Writes what is known of one voter.
    pub fn voter(&mut self, number: u64, person: &Person, rng: &mut impl Rng) -> Result<(), Error> {
        let mut near = |middle: f64| (middle + 24.0 * (rng.random::<f64>() - 0.5)).clamp(0.0, 100.0);
        let turnout = near(10.0 + 80.0 * person.voted.len() as f64 / ELECTIONS.len() as f64);
        let support = near(match person.party {
            "DEM" => 82.0,
            "REP" => 16.0,
            _ => 50.0,
        });
        let (path, file) = &mut self.scores;
        writeln!(file, "{number},turnout,{turnout:.1}").map_err(write_failed(path))?;
        // Not everybody has a score of every model.
        if rng.random::<f64>() < 0.9 {
            writeln!(file, "{number},support,{support:.1}").map_err(write_failed(path))?;
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
            writeln!(file, "{number},2022-{month:02}-{day:02},{result},{method}")
                .map_err(write_failed(path))?;
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<(), Error> {
        self.scores.1.flush().map_err(write_failed(&self.scores.0))?;
        self.contacts.1.flush().map_err(write_failed(&self.contacts.0))
    }
}
