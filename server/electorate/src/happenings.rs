//! What happened since the release: contacts and ballots that were delivered, beside what the release knows. They hold from
//! the moment in which they are told, in every filter that is made ready after it.

use std::collections::HashMap;

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
    /// A ballot of an election, what became of it (accepted, where nothing is said), and when: the moment in microseconds
    /// since 1970, and when it was told in milliseconds.
    Ballot { election: &'a str, status: Option<&'a str>, at: (i64, i64) },
    /// The voter wants to be left alone, or no longer; the last word counts. The moment in microseconds since 1970.
    Wish { leave_alone: bool, at: i64 },
}

/// What happened, by the rows of voters.
#[derive(Debug, Default)]
pub(crate) struct Happenings {
    /// By row: place of the result in `CONTACT_RESULTS`, day.
    pub contacts: HashMap<u32, Vec<(u8, i32)>>,
    /// By row: whether the voter wants to be left alone, and when that was said.
    wishes: HashMap<u32, (i64, bool)>,
    ballots: HashMap<String, Ballots>,
    /// How often anything has changed.
    changes: u64,
}

/// The ballots of one election. The last word on a ballot counts, whenever it comes; of two of one moment the one that was
/// told later, and of these the graver one.
#[derive(Debug, Default)]
struct Ballots {
    newest: HashMap<u32, (i64, i64, usize)>,
    by_status: [Vec<u64>; BALLOT_STATUS.len()],
}

impl Ballots {
    /// Takes a word on a ballot up; true where it changes anything.
    fn put(&mut self, row: u32, status: usize, at: (i64, i64), words: usize) -> bool {
        // Pending is the least certain, cancelled the last that can be said.
        let grave = [1, 0, 2, 3][status];
        let at = (at.0, at.1, grave);
        if self.newest.get(&row).is_some_and(|newest| at <= *newest) {
            return false;
        }
        self.newest.insert(row, at);
        self.clear(row);
        let bits = &mut self.by_status[status];
        bits.resize(words, 0);
        bits[row as usize / 64] |= 1 << (row % 64);
        true
    }

    fn clear(&mut self, row: u32) {
        for bits in self.by_status.iter_mut().filter(|bits| !bits.is_empty()) {
            bits[row as usize / 64] &= !(1 << (row % 64));
        }
    }
}

impl Happenings {
    /// Whether a voter wants to be left alone.
    pub fn wants_peace(&self, row: u32) -> bool {
        self.wishes.get(&row).is_some_and(|(_, leave_alone)| *leave_alone)
    }

    /// Whether a voter's ballot for an election came back and was not refused.
    pub fn has_returned(&self, row: u32, election: &str) -> bool {
        let Some(ballots) = self.ballots.get(election) else { return false };
        let held =
            |bits: &Vec<u64>| bits.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1);
        RETURNED.iter().any(|status| held(&ballots.by_status[*status]))
    }

    /// Elections of which any ballot is known.
    pub fn elections(&self) -> impl Iterator<Item = &String> {
        self.ballots.keys()
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
                        let known = happenings.contacts.entry(row).or_default();
                        if !known.contains(&(result as u8, day)) {
                            known.push((result as u8, day));
                            happenings.changes += 1;
                        }
                    }
                }
                Happening::Wish { leave_alone, at } => {
                    let wish = happenings.wishes.entry(row).or_insert((i64::MIN, false));
                    // Of two words of one moment the one that protects counts.
                    if (at, leave_alone) > *wish {
                        *wish = (at, leave_alone);
                        happenings.changes += 1;
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
                        let new = ballots.put(row, status, at, self.words());
                        happenings.changes += u64::from(new);
                    }
                }
            }
        }
    }

    /// Forgets everything that happened to a voter: he or she was erased.
    pub fn unhappened(&self, row: u32) {
        let Ok(mut happenings) = self.happenings.write() else { return };
        happenings.changes += 1;
        happenings.contacts.remove(&row);
        happenings.wishes.remove(&row);
        for ballots in happenings.ballots.values_mut() {
            ballots.newest.remove(&row);
            ballots.clear(row);
        }
    }

    /// How often anything that happened has changed: an answer about it holds as long as this does.
    pub fn changes(&self) -> u64 {
        self.happenings.read().map_or(0, |happenings| happenings.changes)
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
