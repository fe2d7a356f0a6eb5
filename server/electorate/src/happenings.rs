//! What happened since the release: contacts and ballots that were delivered, beside what the release knows. They hold from
//! the moment in which they are told, in every filter that is made ready after it.

use std::collections::{HashMap, HashSet};

use bellwether_schema::ids::CONTACT_RESULTS;

use crate::Electorate;

/// What became of a ballot.
pub const BALLOT_STATUS: [&str; 4] = ["accepted", "pending", "rejected", "cancelled"];
/// The places in `BALLOT_STATUS` of ballots that are back, and were not found wanting.
pub(crate) const RETURNED: [usize; 2] = [0, 1];

/// Something that happened to a voter.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening<'a> {
    /// A contact, its result and its day, in days since 1970-01-01.
    Contact { result: &'a str, day: i32 },
    /// A ballot of an election, what became of it (accepted, where nothing is said) and when, in microseconds since 1970.
    Ballot { election: &'a str, status: Option<&'a str>, at: i64 },
}

/// What happened, by the rows of voters.
#[derive(Debug, Default)]
pub(crate) struct Happenings {
    /// Row, place of the result in `CONTACT_RESULTS`, day.
    pub contacts: HashSet<(u32, u8, i32)>,
    ballots: HashMap<String, Ballots>,
}

/// The ballots of one election. The last word on a ballot counts, whenever it comes.
#[derive(Debug, Default)]
struct Ballots {
    newest: HashMap<u32, i64>,
    by_status: [Vec<u64>; BALLOT_STATUS.len()],
}

impl Ballots {
    fn put(&mut self, row: u32, status: usize, at: i64, words: usize) {
        let newest = self.newest.entry(row).or_insert(i64::MIN);
        if at < *newest {
            return;
        }
        *newest = at;
        self.clear(row);
        let bits = &mut self.by_status[status];
        bits.resize(words, 0);
        bits[row as usize / 64] |= 1 << (row % 64);
    }

    fn clear(&mut self, row: u32) {
        for bits in self.by_status.iter_mut().filter(|bits| !bits.is_empty()) {
            bits[row as usize / 64] &= !(1 << (row % 64));
        }
    }
}

impl Electorate {
    /// Takes up what happened to voters, by their rows. The same once more changes nothing.
    pub fn happened<'a>(&self, what: impl Iterator<Item = (u32, Happening<'a>)>) {
        let Ok(mut happenings) = self.happenings.write() else { return };
        for (row, happening) in what.filter(|(row, _)| (*row as usize) < self.rows) {
            match happening {
                Happening::Contact { result, day } => {
                    if let Some(result) = CONTACT_RESULTS.iter().position(|known| *known == result) {
                        happenings.contacts.insert((row, result as u8, day));
                    }
                }
                Happening::Ballot { election, status, at } => {
                    let status = status.unwrap_or(BALLOT_STATUS[0]);
                    let Some(status) = BALLOT_STATUS.iter().position(|known| *known == status) else {
                        continue;
                    };
                    if !happenings.ballots.contains_key(election) {
                        happenings.ballots.insert(election.to_string(), Ballots::default());
                    }
                    if let Some(ballots) = happenings.ballots.get_mut(election) {
                        ballots.put(row, status, at, self.words());
                    }
                }
            }
        }
    }

    /// Forgets everything that happened to a voter: he or she was erased.
    pub fn unhappened(&self, row: u32) {
        let Ok(mut happenings) = self.happenings.write() else { return };
        happenings.contacts.retain(|(of, ..)| *of != row);
        for ballots in happenings.ballots.values_mut() {
            ballots.newest.remove(&row);
            ballots.clear(row);
        }
    }

    /// A bitmap of the voters whose ballot for an election is in one of these states, by their places in
    /// `BALLOT_STATUS`.
    pub fn ballots(&self, election: &str, status: &[usize]) -> Vec<u64> {
        let mut words = vec![0u64; self.words()];
        let Ok(happenings) = self.happenings.read() else { return words };
        for bits in happenings
            .ballots
            .get(election)
            .iter()
            .flat_map(|ballots| status.iter().map(|at| &ballots.by_status[*at]))
        {
            words.iter_mut().zip(bits).for_each(|(word, bits)| *word |= bits);
        }
        words
    }

    /// A bitmap of the voters whose ballot for an election came back and was not refused.
    pub fn returned(&self, election: &str) -> Vec<u64> {
        self.ballots(election, &RETURNED)
    }
}
