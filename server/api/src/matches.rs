//! Lists matched with the voter file, and the results of jobs, kept for those who asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bellwether_linkage::{COMPARISONS, Evidence, Options, link};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::people::{Known, Person};
use crate::serving::Serving;

/// Columns of an answer.
pub const COLUMNS: [&str; 7] = ["record", "id", "state", "voter_id", "probability", "prior", "evidence"];

/// A person of a list, and the voter that they are.
struct Row {
    record: u32,
    id: Option<String>,
    found: Option<Found>,
}

struct Found {
    state: String,
    voter_id: String,
    probability: f64,
    evidence: Evidence,
}

/// A list that was matched.
pub struct Matched {
    /// The release that it was matched with.
    pub release: String,
    prior: f64,
    digits: f64,
    rows: Vec<Row>,
}

/// How a list is wanted matched.
pub struct Wanted {
    pub options: Options,
    /// Whether those who are not found are told of, a row each.
    pub everybody: bool,
    /// Matches of one person at most.
    pub most: usize,
    /// Parts of a bit that are told: 1 or 100.
    pub digits: f64,
}

impl Matched {
    /// Matches a list with the voters of a bitmap. `go_on` is told of voters gone through.
    pub fn new(
        serving: &Serving,
        people: &[Person],
        known: &[Known],
        allowed: Option<&[u64]>,
        wanted: &Wanted,
        go_on: &(dyn Fn(usize) -> bool + Sync),
    ) -> Result<Matched, ApiError> {
        let voters = serving.linkage()?;
        let mut list = voters.batch();
        known.iter().for_each(|known| list.push(&known.record()));
        let visible = |row: u32| allowed.is_none_or(|bits| bits[row as usize / 64] >> (row % 64) & 1 == 1);
        let linked = link(&list, &wanted.options, &visible, go_on).map_err(|_| {
            let detail = "so little is known of these people that too many voters would fit: add years of birth, \
                          addresses or ZIP codes, or give fewer at once";
            ApiError::of_status(axum::http::StatusCode::UNPROCESSABLE_ENTITY, detail)
        })?;
        let mut bitmap = vec![0u64; voters.rows().div_ceil(64)];
        linked.matches.iter().for_each(|found| bitmap[found.voter as usize / 64] |= 1 << (found.voter % 64));
        let columns = ["state".to_string(), "voter_id".to_string()];
        let named = serving.copy.members(&bitmap, &columns, 0, u64::MAX >> 24)?;
        let [states, ids] = [named.texts("state"), named.texts("voter_id")];
        // Members come in the order of their rows.
        let mut order: Vec<u32> = linked.matches.iter().map(|found| found.voter).collect();
        order.sort_unstable();
        order.dedup();
        let name = |names: &[Option<String>], voter: u32| {
            let at = order.binary_search(&voter).ok();
            at.and_then(|at| names.get(at).cloned().flatten()).unwrap_or_default()
        };
        let mut rows = Vec::new();
        let mut matches = linked.matches.iter().peekable();
        for (record, person) in people.iter().enumerate() {
            let before = rows.len();
            while let Some(found) = matches.next_if(|found| found.listed as usize == record) {
                if rows.len() - before < wanted.most {
                    let evidence = linked.evidence(found);
                    let (state, voter_id) = (name(&states, found.voter), name(&ids, found.voter));
                    let found = Found { state, voter_id, probability: found.probability, evidence };
                    rows.push(Row { record: record as u32, id: person.id.clone(), found: Some(found) });
                }
            }
            if rows.len() == before && wanted.everybody {
                rows.push(Row { record: record as u32, id: person.id.clone(), found: None });
            }
        }
        Ok(Matched { release: serving.release.id.clone(), prior: linked.prior, digits: wanted.digits, rows })
    }

    /// Rows of the answer.
    pub fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Voters that were found.
    pub fn found(&self) -> u64 {
        self.rows.iter().filter(|row| row.found.is_some()).count() as u64
    }

    /// Some rows as JSON.
    pub fn rows(&self, offset: u64, limit: u64) -> Vec<Value> {
        let rows = self.rows.iter().skip(offset as usize).take(limit as usize);
        rows.map(|row| self.row(row)).collect()
    }

    fn row(&self, row: &Row) -> Value {
        let found = row.found.as_ref();
        let rounded = |value: f64, digits: f64| (value * digits).round() / digits;
        let evidence = |found: &Found| -> Value {
            let parts = COMPARISONS.iter().zip(&found.evidence);
            let told = parts.filter_map(|(comparison, evidence)| {
                let (level, bits) = (*evidence)?;
                Some(json!({"field": comparison.name, "level": level, "bits": rounded(bits, self.digits)}))
            });
            told.collect()
        };
        json!({
            "record": row.record,
            "id": row.id,
            "state": found.map(|found| &found.state),
            "voter_id": found.map(|found| &found.voter_id),
            "probability": found.map(|found| rounded(found.probability, 1e6)),
            "prior": found.map(|_| rounded(self.prior, 100.0)),
            "evidence": found.map(evidence),
        })
    }
}

/// Results that are kept: some tens of megabytes each at most.
const KEPT: usize = 8;

/// The results of jobs, by job, with the key that asked.
#[derive(Default)]
pub struct Matches(Mutex<VecDeque<(String, String, Arc<Matched>)>>);

impl Matches {
    pub fn keep(&self, job: String, owner: String, matched: Matched) {
        if let Ok(mut kept) = self.0.lock() {
            kept.push_back((job, owner, Arc::new(matched)));
            while kept.len() > KEPT {
                kept.pop_front();
            }
        }
    }

    /// The result of a job and who asked for it.
    pub fn get(&self, job: &str) -> Option<(String, Arc<Matched>)> {
        let kept = self.0.lock().ok()?;
        kept.iter().find(|(id, ..)| id == job).map(|(_, owner, matched)| (owner.clone(), matched.clone()))
    }
}
