//! Contacts and ballots as they land, told to every release that is being served: a filter that is made ready after an
//! event has landed knows of it.

use std::sync::{Arc, Mutex, Weak};

use bellwether_delivery::{Landed, Watcher};
use bellwether_electorate::Happening;

use crate::error::ApiError;
use crate::serving::Serving;

/// The releases that are served.
#[derive(Default)]
pub struct Happenings(Mutex<Vec<Weak<Serving>>>);

impl Happenings {
    fn servings(&self) -> Vec<Arc<Serving>> {
        let Ok(mut servings) = self.0.lock() else { return Vec::new() };
        servings.retain(|serving| serving.strong_count() > 0);
        servings.iter().filter_map(Weak::upgrade).collect()
    }

    /// Tells a release of what lands from now on.
    pub fn follow(&self, serving: &Arc<Serving>) {
        if let Ok(mut servings) = self.0.lock() {
            servings.push(Arc::downgrade(serving));
        }
    }

    /// Does something with every release that is served.
    pub fn each(&self, mut tell: impl FnMut(&Serving) -> Result<(), ApiError>) {
        for serving in self.servings() {
            if let Err(error) = tell(&serving) {
                tracing::error!(release = serving.release.id, error = %error.told(), "a release does not know what was delivered");
            }
        }
    }

    /// Forgets what happened to a voter, who was erased.
    pub fn forget(&self, voter: &str, state: Option<&str>) {
        self.each(|serving| {
            for (_, row) in serving.copy.rows_of(&[(voter, state)])? {
                serving.electorate()?.unhappened(row);
            }
            Ok(())
        });
    }
}

/// What is wanted of a contact, and of a ballot.
const CONTACT: [&str; 3] = ["voter_id", "state", "result"];
const BALLOT: [&str; 4] = ["voter_id", "state", "election", "status"];

impl Watcher for Happenings {
    fn watches(&self, event_type: &str) -> Option<&'static [&'static str]> {
        match event_type {
            "ballot.returned" => Some(&BALLOT),
            contact if contact.starts_with("contact.") => Some(&CONTACT),
            _ => None,
        }
    }

    fn landed(&self, event_type: &str, landed: &[Landed]) {
        let text = |of: usize, field: usize| landed[of].texts[field].as_deref();
        let named: Vec<(&str, Option<&str>)> =
            (0..landed.len()).map(|at| (text(at, 0).unwrap_or_default(), text(at, 1))).collect();
        self.each(|serving| {
            let rows = serving.copy.rows_of(&named)?;
            serving.electorate()?.happened(rows.iter().filter_map(|(at, row)| {
                let occurred = landed[*at].occurred;
                Some(match event_type {
                    "ballot.returned" => {
                        let (election, status) = (text(*at, 2)?, text(*at, 3));
                        (*row, Happening::Ballot { election, status, at: occurred })
                    }
                    _ => {
                        let day = occurred.div_euclid(86_400_000_000) as i32;
                        (*row, Happening::Contact { result: text(*at, 2)?, day })
                    }
                })
            }));
            Ok(())
        });
    }
}
