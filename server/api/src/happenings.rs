//! Contacts and ballots as they land, told to every release that is being served: a filter that is made ready after an
//! event has landed knows of it.

use std::sync::{Arc, Mutex, Weak};

use bellwether_delivery::{Landed, Watcher};
use bellwether_electorate::Happening;
use serde_json::Value;

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

impl Watcher for Happenings {
    fn watches(&self, event_type: &str) -> bool {
        event_type.starts_with("contact.") || event_type == "ballot.returned"
    }

    fn landed(&self, event_type: &str, landed: &[Landed]) {
        fn text<'a>(of: &'a Landed, field: &str) -> Option<&'a str> {
            of.fields.get(field).and_then(Value::as_str)
        }
        let named: Vec<(&str, Option<&str>)> = landed
            .iter()
            .map(|landed| (text(landed, "voter_id").unwrap_or_default(), text(landed, "state")))
            .collect();
        self.each(|serving| {
            let rows = serving.copy.rows_of(&named)?;
            serving.electorate()?.happened(rows.iter().filter_map(|(place, row)| {
                let of = &landed[*place];
                Some(match event_type {
                    "ballot.returned" => {
                        let election = text(of, "election")?;
                        (*row, Happening::Ballot { election, status: text(of, "status"), at: of.occurred })
                    }
                    _ => {
                        let day = of.occurred.div_euclid(86_400_000_000) as i32;
                        (*row, Happening::Contact { result: text(of, "result")?, day })
                    }
                })
            }));
            Ok(())
        });
    }
}
