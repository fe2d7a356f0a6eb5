//! Populations: the people that a request is about, by a filter or a saved universe, within the limits of the key.

use bellwether_atlas::Outline;
use bellwether_electorate::{Electorate, Fault, Filter, Outlines, Where};
use bellwether_schema::ids::Kind;
use bellwether_warehouse::questions;
use serde_json::{Value, json};

use crate::access::Caller;
use crate::error::ApiError;
use crate::serving::Serving;

/// Filters whose making ready takes no time worth speaking of: without shapes and without lines of other years.
pub fn is_light(filter: &Where) -> bool {
    match filter {
        Where::All(list) | Where::Any(list) => list.iter().all(is_light),
        Where::Not(inner) => is_light(inner),
        Where::District { ids, .. } => ids.iter().all(|id| !id.contains('@')),
        Where::Within { .. } | Where::Contact { .. } | Where::Experiment { .. } => false,
        _ => true,
    }
}

/// A filter that has been read, and the text that stands for it in caches and logs.
pub struct Population {
    pub filter: Where,
    pub text: Value,
}

impl Population {
    /// Reads a filter and puts the key's districts on it.
    pub fn read(filter: &Value, caller: &Caller) -> Result<Population, ApiError> {
        let parsed = Where::parse(filter).map_err(|faults| ApiError::faults(under_where(faults)))?;
        let limit = caller.limit();
        if limit.is_null() {
            return Ok(Population { filter: parsed, text: filter.clone() });
        }
        let bound = Where::parse(&limit).map_err(ApiError::faults)?;
        let text = if filter.is_null() { limit } else { json!({"all": [limit, filter]}) };
        Ok(Population { filter: Where::All(vec![bound, parsed]), text })
    }

    /// Makes the filter ready for a release.
    pub fn compile(&self, serving: &Serving, electorate: &Electorate) -> Result<Filter, ApiError> {
        electorate.compile(&self.filter, serving).map_err(|faults| ApiError::faults(under_where(faults)))
    }
}

fn under_where(faults: Vec<Fault>) -> Vec<Fault> {
    faults.into_iter().map(|fault| Fault { at: format!("/where{}", fault.at), ..fault }).collect()
}

impl Outlines for Serving {
    fn vintages(&self, kind: Kind, id: &str) -> Vec<i64> {
        let lines = self.lines().ok();
        lines.and_then(|lines| lines.get(kind.name())?.get(id)).cloned().unwrap_or_default()
    }

    fn outline(&self, kind: Kind, id: &str, vintage: i64) -> Option<Outline> {
        let answer = questions::boundary(&self.copy, kind.name(), id, Some(vintage)).ok()?;
        let geometry = answer.bytes("geometry").into_iter().flatten().next()?;
        Outline::from_wkb(id, &geometry).ok()
    }

    fn ids(&self, kind: Kind) -> Vec<String> {
        let lines = self.lines().ok();
        let known = lines.and_then(|lines| lines.get(kind.name()));
        known.map(|known| known.keys().cloned().collect()).unwrap_or_default()
    }
}
