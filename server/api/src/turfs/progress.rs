//! What was recorded at the doors of turfs: the last result of everybody, told as it lands.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};

use serde::Serialize;
use serde_json::Value;

use crate::turfs::{Member, State, Turf, parts_of};

/// A result as it was recorded on a turf.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recorded {
    /// RFC 3339, UTC.
    pub at: String,
    pub result: String,
    pub answers: BTreeMap<String, String>,
    /// Microseconds since 1970.
    #[serde(skip)]
    moment: i64,
}

/// Something that a canvasser found to be different.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub report: String,
    pub details: Value,
    /// RFC 3339, UTC.
    pub at: String,
}

/// What was recorded on all turfs. Grows with the people on them.
#[derive(Default)]
pub struct Walked {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    by_turf: HashMap<String, HashMap<Member, Recorded>>,
    reports: HashMap<Member, Vec<Report>>,
}

/// Results that mean that somebody was talked to.
pub const REACHED: [&str; 3] = ["canvassed", "refused", "language"];

/// How far a turf is.
#[derive(Debug, Clone, Default, Serialize, utoipa::ToSchema)]
pub struct Tally {
    pub doors: u64,
    pub people: u64,
    /// Doors where everybody has a result, or nobody is left to visit.
    pub doors_done: u64,
    /// People with a result.
    pub attempts: u64,
    /// People who were talked to.
    pub people_reached: u64,
    /// Minutes of the doors that are left, with their share of the way.
    pub minutes_left: f64,
    /// By question and answer.
    pub answers: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Walked {
    /// Takes up a result of a turf; of several about one person the last counts.
    pub fn recorded(&self, turf: &str, member: Member, result: &str, answers: Option<&str>, moment: i64) {
        // Lists of other systems are not ours to keep count of.
        if parts_of(turf).is_none_or(|(cut, _)| uuid::Uuid::try_parse(cut).is_err()) {
            return;
        }
        let answers = answers.and_then(|text| serde_json::from_str::<BTreeMap<String, Value>>(text).ok());
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
        let answers = answers.unwrap_or_default().into_iter().map(|(id, value)| (id, text(value))).collect();
        let fresh = Recorded { at: rfc3339(moment), result: result.to_string(), answers, moment };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let held = known.by_turf.entry(turf.to_string()).or_default().entry(member).or_insert(fresh.clone());
        // Of two of one moment the one that says more; the same order of telling everywhere.
        if (moment, &fresh.result, &fresh.answers) > (held.moment, &held.result, &held.answers) {
            *held = fresh;
        }
    }

    /// Takes up a report; the same once more changes nothing.
    pub fn reported(&self, member: Member, report: &str, details: Option<&str>, moment: i64) {
        let details = details.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
        let fresh = Report { report: report.to_string(), details, at: rfc3339(moment) };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let held = known.reports.entry(member).or_default();
        if !held.contains(&fresh) {
            held.push(fresh);
        }
    }

    /// Forgets a voter who was erased.
    pub fn forget(&self, voter: &str, state: Option<&str>) {
        let is = |member: &Member| {
            member.voter_id == voter && state.is_none_or(|state| member.state.eq_ignore_ascii_case(state))
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.by_turf.values_mut().for_each(|results| results.retain(|member, _| !is(member)));
        known.reports.retain(|member, _| !is(member));
    }

    /// The results of a turf.
    pub fn of(&self, turf: &str) -> HashMap<Member, Recorded> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.by_turf.get(turf).cloned().unwrap_or_default()
    }

    /// The reports about some people, by person.
    pub fn reports<'a>(&self, members: impl Iterator<Item = &'a Member>) -> HashMap<Member, Vec<Report>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        members.filter_map(|member| Some((member.clone(), known.reports.get(member)?.clone()))).collect()
    }

    /// How far a turf is. `struck` says who must not be visited any more.
    pub fn tally(&self, id: &str, turf: &Turf, struck: &dyn Fn(&Member) -> bool) -> Tally {
        let results = self.of(id);
        let mut tally = Tally::default();
        let stay: f64 = turf.stops.iter().map(|stop| stop.minutes).sum();
        let mut left = 0.0;
        for stop in &turf.stops {
            let mut open = 0;
            for household in &stop.households {
                tally.doors += 1;
                tally.people += household.len() as u64;
                let done = household.iter().all(|member| results.contains_key(member) || struck(member));
                tally.doors_done += u64::from(done);
                open += usize::from(!done);
            }
            left += stop.minutes * open as f64 / stop.households.len().max(1) as f64;
        }
        if stay > 0.0 {
            tally.minutes_left = (left / stay * turf.minutes * 10.0).round() / 10.0;
        }
        for recorded in turf.members().filter_map(|member| results.get(member)) {
            tally.attempts += 1;
            tally.people_reached += u64::from(REACHED.contains(&recorded.result.as_str()));
            for (question, answer) in &recorded.answers {
                *tally.answers.entry(question.clone()).or_default().entry(answer.clone()).or_default() += 1;
            }
        }
        tally
    }

    /// How a turf stands, with what was recorded on it.
    pub fn state(&self, id: &str, state: State) -> State {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let begun = known.by_turf.get(id).is_some_and(|results| !results.is_empty());
        match state {
            State::Cut | State::Released | State::Claimed if begun => State::Started,
            state => state,
        }
    }
}

impl Tally {
    /// Adds what was recorded on a turf whose other doors are on other turfs by now.
    pub fn add_done(&mut self, other: &Tally) {
        let done = Tally {
            doors: 0,
            people: 0,
            minutes_left: 0.0,
            doors_done: 0,
            attempts: other.attempts,
            people_reached: other.people_reached,
            answers: other.answers.clone(),
        };
        self.add(&done);
    }

    pub fn add(&mut self, other: &Tally) {
        self.doors += other.doors;
        self.people += other.people;
        self.doors_done += other.doors_done;
        self.attempts += other.attempts;
        self.people_reached += other.people_reached;
        self.minutes_left += other.minutes_left;
        for (question, answers) in &other.answers {
            let held = self.answers.entry(question.clone()).or_default();
            answers.iter().for_each(|(answer, count)| *held.entry(answer.clone()).or_default() += count);
        }
    }
}

fn rfc3339(moment: i64) -> String {
    let at = chrono::DateTime::from_timestamp_micros(moment).unwrap_or_default();
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
