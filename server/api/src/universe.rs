//! Saved universes: a file each in the state folder.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::reply::Common;
use crate::state::StateFolder;

/// How a saved universe keeps its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Membership {
    /// The filter is asked again in every release.
    #[default]
    Live,
    /// Its members are those of the release that it was saved at.
    Static,
}

/// A saved universe.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Universe {
    pub id: String,
    pub name: String,
    pub kind: Membership,
    #[serde(rename = "where")]
    #[schema(value_type = Object)]
    pub filter: Value,
    /// Release that it was saved at.
    pub saved_at: String,
    /// RFC 3339, UTC.
    pub created: String,
    /// Id of the key that saved it.
    #[serde(default)]
    pub owner: String,
}

impl Universe {
    /// The release in which it is asked for.
    pub fn as_of(&self, common: &Common) -> Result<Option<String>, ApiError> {
        match (self.kind, &common.as_of) {
            (Membership::Live, as_of) => Ok(as_of.clone()),
            (Membership::Static, None) => Ok(Some(self.saved_at.clone())),
            (Membership::Static, Some(asked)) if *asked == self.saved_at => Ok(Some(asked.clone())),
            (Membership::Static, Some(_)) => Err(ApiError::bad_request(format!(
                "the universe is static: its members are those of {}",
                self.saved_at
            ))),
        }
    }
}

fn file(id: &str) -> String {
    format!("universes/{id}.json")
}

/// The saved universe of an id.
pub fn saved(app: &App, id: &str) -> Result<Universe, ApiError> {
    let plain = id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let found = if plain { app.state.read(&file(id)).map_err(ApiError::internal)? } else { None };
    found.ok_or_else(|| ApiError::not_found("no such universe; GET /v1/universes lists those that there are"))
}

/// Every saved universe, the newest first.
pub fn all(state: &StateFolder) -> std::io::Result<Vec<Universe>> {
    let mut all: Vec<Universe> = Vec::new();
    for entry in std::fs::read_dir(state.path("universes")).into_iter().flatten().flatten() {
        let name = format!("universes/{}", entry.file_name().to_string_lossy());
        if name.ends_with(".json") {
            all.extend(state.read(&name)?);
        }
    }
    all.sort_by(|one: &Universe, other| other.created.cmp(&one.created).then(other.id.cmp(&one.id)));
    Ok(all)
}

/// Keeps a universe, or gives the one of the same id that there is already; an error where that is another one.
pub fn keep(state: &StateFolder, universe: Universe) -> Result<Universe, ApiError> {
    let name = file(&universe.id);
    let Some(before) = state.read::<Universe>(&name).map_err(ApiError::internal)? else {
        state.write(&name, &universe).map_err(ApiError::internal)?;
        return Ok(universe);
    };
    let what = |universe: &Universe| (universe.name.clone(), universe.filter.clone(), universe.kind);
    match what(&before) == what(&universe) {
        true => Ok(before),
        false => Err(ApiError::conflict("the idempotency key came with another body before")),
    }
}

/// Forgets a universe.
pub fn forget(state: &StateFolder, universe: &Universe) -> std::io::Result<()> {
    std::fs::remove_file(state.path(&file(&universe.id)))
}

/// The filter and the release of a request that names a filter or a saved universe.
pub fn population_of(
    app: &App,
    filter: &Value,
    universe: Option<&str>,
    common: &Common,
) -> Result<(Value, Option<String>), ApiError> {
    match universe {
        None => Ok((filter.clone(), common.as_of.clone())),
        Some(_) if !filter.is_null() => Err(ApiError::bad_request("give a filter or a universe, not both")),
        Some(id) => {
            let universe = saved(app, id)?;
            let as_of = universe.as_of(common)?;
            Ok((universe.filter, as_of))
        }
    }
}
