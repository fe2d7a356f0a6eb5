//! Contacts and ballots as they land, told to every release that is being served: a filter that is made ready after an
//! event has landed knows of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use bellwether_delivery::{Landed, Watcher};
use bellwether_electorate::Happening;

use crate::error::ApiError;
use crate::intake::Intake;
use crate::serving::Serving;
use crate::turfs::Member;
use crate::turfs::progress::Walked;

/// The releases that are served, and what must be told to them yet.
#[derive(Default)]
pub struct Happenings {
    servings: Mutex<Vec<Weak<Serving>>>,
    /// Voters who were erased since this process began: a release that is being opened may have read of them before.
    erased: Mutex<Vec<(String, Option<String>)>>,
    /// Something could not be told: all of it is to be told again.
    untold: AtomicBool,
    /// What was recorded on door lists.
    pub walked: Walked,
}

impl Happenings {
    fn servings(&self) -> Vec<Arc<Serving>> {
        let Ok(mut servings) = self.servings.lock() else { return Vec::new() };
        servings.retain(|serving| serving.strong_count() > 0);
        servings.iter().filter_map(Weak::upgrade).collect()
    }

    /// Tells a release of what lands from now on.
    pub fn follow(&self, serving: &Arc<Serving>) {
        if let Ok(mut servings) = self.servings.lock() {
            servings.push(Arc::downgrade(serving));
        }
    }

    /// Tells one release all that is in the tables.
    pub fn tell(&self, serving: &Serving, intake: &Intake) {
        let told = || -> Result<(), ApiError> {
            let electorate = serving.electorate()?;
            intake.ask(|live| match live.tables.is_empty() {
                true => Ok(()),
                false => serving.copy.tell_what_happened(electorate, live),
            })?;
            let erased = self.erased.lock().map(|erased| erased.clone()).unwrap_or_default();
            erased.iter().try_for_each(|(voter, state)| unhappened(serving, voter, state.as_deref()))
        };
        self.note(serving, told());
        self.read_walks(serving, intake);
    }

    /// Takes up all that was recorded on door lists.
    fn read_walks(&self, serving: &Serving, intake: &Intake) {
        let read = intake.ask(|live| {
            let has = |name: &str| live.tables.iter().any(|table| table.shown.name == name);
            if has("event_contact_door") {
                serving.copy.walked(live, |list, (state, voter), result, answers, at| {
                    self.walked.recorded(list, member(state, voter), result, answers, at);
                })?;
            }
            if has("event_door_report") {
                serving.copy.door_reports(live, |(state, voter), report, details, at| {
                    self.walked.reported(member(state, voter), report, details, at);
                })?;
            }
            Ok(())
        });
        let erased = self.erased.lock().map(|erased| erased.clone()).unwrap_or_default();
        erased.iter().for_each(|(voter, state)| self.walked.forget(voter, state.as_deref()));
        self.note(serving, read);
    }

    /// Tells every release all that is in the tables.
    pub fn tell_all(&self, intake: &Intake) {
        self.servings().iter().for_each(|serving| self.tell(serving, intake));
    }

    /// Whether something could not be told; asked for once.
    pub fn is_untold(&self) -> bool {
        self.untold.swap(false, Ordering::AcqRel)
    }

    fn note(&self, serving: &Serving, outcome: Result<(), ApiError>) {
        if let Err(error) = outcome {
            self.untold.store(true, Ordering::Release);
            tracing::error!(release = serving.release.id, error = %error.told(), "a release does not know all that was delivered; it is told again");
        }
    }

    /// Forgets what happened to a voter, who was erased.
    pub fn forget(&self, voter: &str, state: Option<&str>) -> Result<(), ApiError> {
        if let Ok(mut erased) = self.erased.lock() {
            erased.push((voter.to_string(), state.map(str::to_string)));
        }
        self.walked.forget(voter, state);
        self.servings().iter().try_for_each(|serving| unhappened(serving, voter, state))
    }
}

fn unhappened(serving: &Serving, voter: &str, state: Option<&str>) -> Result<(), ApiError> {
    for (_, row) in serving.copy.rows_of(&[(voter, state)])? {
        serving.electorate()?.unhappened(row);
    }
    Ok(())
}

/// What is wanted of a contact, and of a ballot.
const CONTACT: [&str; 5] = ["voter_id", "state", "result", "list_id", "answers"];
const BALLOT: [&str; 4] = ["voter_id", "state", "election", "status"];
/// What is wanted of a voter's wish, and of a report.
const WISH: [&str; 3] = ["voter_id", "state", "contact"];
const REPORT: [&str; 4] = ["voter_id", "state", "report", "details"];

fn member(state: &str, voter: &str) -> Member {
    Member { state: state.to_ascii_uppercase(), voter_id: voter.to_string() }
}

impl Watcher for Happenings {
    fn watches(&self, event_type: &str) -> Option<&'static [&'static str]> {
        match event_type {
            "ballot.returned" => Some(&BALLOT),
            "voter.preference" => Some(&WISH),
            "door.report" => Some(&REPORT),
            contact if contact.starts_with("contact.") => Some(&CONTACT),
            _ => None,
        }
    }

    fn landed(&self, event_type: &str, landed: &[Landed]) {
        let text = |of: usize, field: usize| landed[of].texts[field].as_deref();
        let named: Vec<(&str, Option<&str>)> =
            (0..landed.len()).map(|at| (text(at, 0).unwrap_or_default(), text(at, 1))).collect();
        for at in 0..landed.len() {
            let (of, moment) = (member(text(at, 1).unwrap_or(""), named[at].0), landed[at].occurred);
            match (event_type, text(at, 2)) {
                ("door.report", Some(report)) => self.walked.reported(of, report, text(at, 3), moment),
                ("contact.door", Some(result)) => {
                    if let Some(list) = text(at, 3) {
                        self.walked.recorded(list, of, result, text(at, 4), moment);
                    }
                }
                _ => {}
            }
        }
        if event_type == "door.report" {
            return;
        }
        let tell = |serving: &Serving| -> Result<(), ApiError> {
            let rows = serving.copy.rows_of(&named)?;
            serving.electorate()?.happened(rows.iter().filter_map(|(at, row)| {
                let occurred = landed[*at].occurred;
                Some(match event_type {
                    "ballot.returned" => {
                        let (election, status) = (text(*at, 2)?, text(*at, 3));
                        (
                            *row,
                            Happening::Ballot {
                                election,
                                status,
                                at: (occurred, landed[*at].received as i64),
                            },
                        )
                    }
                    "voter.preference" => {
                        let leave_alone = text(*at, 2)? == bellwether_warehouse::happenings::LEAVE_ALONE;
                        (*row, Happening::Wish { leave_alone, at: occurred })
                    }
                    _ => {
                        let day = occurred.div_euclid(86_400_000_000) as i32;
                        (*row, Happening::Contact { result: text(*at, 2)?, day })
                    }
                })
            }));
            Ok(())
        };
        self.servings().iter().for_each(|serving| self.note(serving, tell(serving)));
    }
}
