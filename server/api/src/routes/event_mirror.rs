//! The copy of intake that another endpoint gets, and how it compares.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::mirroring::{Compared, Copied};

/// How the copy stands.
#[derive(Serialize, ToSchema)]
pub struct MirrorTold {
    /// Where the copy goes.
    pub url: String,
    /// How far each type has come.
    pub types: BTreeMap<String, Copied>,
    /// Every hour of every type, here and there.
    pub hours: Vec<Compared>,
    /// Types that the other end could not be asked for, and why.
    pub faults: BTreeMap<String, String>,
}

/// The copy of intake that another endpoint gets (`--event-mirror`): how far it has come, and whether each hour of each type
/// holds as many events there, and the same ones.
#[utoipa::path(get, path = "/v1/event-mirror", tag = "events", responses((status = 200, body = MirrorTold)))]
pub async fn told(State(app): State<App>) -> Result<Json<MirrorTold>, ApiError> {
    let delivery = app.intake.delivery()?;
    let Some(mirror) = app.intake.mirror.clone() else {
        return Err(ApiError::not_found("nothing is mirrored; --event-mirror says where a copy is to go"));
    };
    let (mut hours, mut faults) = (Vec::new(), BTreeMap::new());
    for line in delivery.lines() {
        match mirror.compare(&line).await {
            Ok(compared) => hours.extend(compared),
            Err(fault) => drop(faults.insert(line.name.clone(), fault)),
        }
    }
    Ok(Json(MirrorTold { url: mirror.url().to_string(), types: mirror.copied(), hours, faults }))
}
