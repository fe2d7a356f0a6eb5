//! Plans as they are kept, in the state folder.

use std::collections::BTreeMap;

use bellwether_media::offers::Limit;
use bellwether_media::solution::Solution;
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
    /// What money and the limits cost, where planning again begins. Not in plans of before.
    #[serde(default)]
    pub prices: Prices,
}

/// What money and the limits of a plan cost, by the numbers that they had.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Prices {
    pub money: f64,
    /// How far the plan was below its bound, of the bound.
    pub gap: f64,
    /// Kind of the limit, its numbers, and its price.
    limits: Vec<(u8, u32, u32, f64)>,
}

impl Prices {
    /// Of a solution, but for those of single spots.
    pub fn of(found: &Solution) -> Prices {
        let limits = found.bound.prices.iter().filter_map(|(limit, price)| {
            let (kind, at, week) = match limit {
                Limit::MarketLeast(at) => (0, *at, 0),
                Limit::MarketMost(at) => (1, *at, 0),
                Limit::Station(at) => (2, *at, 0),
                Limit::Daypart(at) => (3, *at, 0),
                Limit::Frequency(at, week) => (4, *at, *week),
                Limit::Budget | Limit::Units(_) => return None,
            };
            Some((kind, at, week, *price))
        });
        let gap = 1.0 - found.plan.reached / found.most().max(f64::MIN_POSITIVE);
        Prices { money: found.bound.price, gap, limits: limits.collect() }
    }

    /// By limit. Where numbers are of something else by now, planning only takes longer.
    pub fn limits(&self) -> BTreeMap<Limit, f64> {
        let limit = |(kind, at, week, price): &(u8, u32, u32, f64)| {
            let limit = match kind {
                0 => Limit::MarketLeast(*at),
                1 => Limit::MarketMost(*at),
                2 => Limit::Station(*at),
                3 => Limit::Daypart(*at),
                _ => Limit::Frequency(*at, *week),
            };
            (limit, *price)
        };
        self.limits.iter().map(limit).collect()
    }
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
