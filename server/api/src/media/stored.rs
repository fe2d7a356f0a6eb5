//! Plans as they are kept, in the state folder.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::App;
use crate::error::ApiError;
use crate::media::request::PlanRequest;

/// Folder of the plans in the state folder.
const KEPT: &str = "media-plans";

/// A plan as it is kept: what was asked for, and the document that tells of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stored {
    pub id: String,
    pub name: String,
    /// RFC 3339, UTC.
    pub created: String,
    /// Id of the key that made it.
    pub owner: String,
    /// Release that it was made from.
    pub release: String,
    pub request: PlanRequest,
    /// The filter, with the limits of the key.
    pub filter: Value,
    /// What came of it, as it is told.
    pub plan: Value,
}

fn file(id: &str) -> String {
    format!("{KEPT}/{id}.json")
}

pub fn keep(app: &App, stored: &Stored) -> Result<(), ApiError> {
    app.state.write(&file(&stored.id), stored).map_err(ApiError::internal)
}

pub fn one(app: &App, id: &str) -> Result<Stored, ApiError> {
    let plain = uuid::Uuid::try_parse(id).is_ok() && !id.contains('{');
    let found = if plain { app.state.read(&file(id)).map_err(ApiError::internal)? } else { None };
    found.ok_or_else(|| ApiError::not_found("no such plan; GET /v1/media/plans lists those that there are"))
}

/// Every plan, the newest first.
pub fn all(app: &App) -> Vec<Stored> {
    app.state.ids(KEPT).iter().filter_map(|id| one(app, id).ok()).collect()
}
