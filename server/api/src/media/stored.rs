//! Plans as they are kept, in the state folder.

use std::collections::{BTreeMap, HashMap};

use bellwether_media::offers::Limit;
use bellwether_media::solution::Solution;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::App;
use crate::error::ApiError;
use crate::media::preparing::Prepared;
use crate::media::request::PlanRequest;
use crate::media::television::Television;

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

/// What money and the limits of a plan cost, by name: numbers may be of something else by now.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Prices {
    pub money: f64,
    /// How far the plan was below its bound, of the bound.
    pub gap: f64,
    limits: Vec<Priced>,
}

/// A limit with its price: of a market, its station or its week, or of a daypart.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Priced {
    #[serde(skip_serializing_if = "Option::is_none")]
    market: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    station: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    daypart: Option<String>,
    /// Monday, days since 1970-01-01.
    #[serde(skip_serializing_if = "Option::is_none")]
    week: Option<i32>,
    /// Of a market's least amount below nothing, of all others above.
    price: f64,
}

impl Prices {
    /// Of a solution, but for those of single spots.
    pub fn of(found: &Solution, tv: &Television, made: &Prepared) -> Prices {
        let market = |at: &u32| tv.markets.get(*at as usize).map(|market| market.id.clone());
        let limits = found.bound.prices.iter().filter_map(|(limit, price)| {
            let priced = Priced { price: *price, ..Priced::default() };
            Some(match limit {
                Limit::MarketLeast(at) | Limit::MarketMost(at) => Priced { market: market(at), ..priced },
                Limit::Station(at) => {
                    let (of, name) = &made.inventory.stations[*at as usize];
                    Priced { market: market(of), station: Some(name.clone()), ..priced }
                }
                Limit::Daypart(at) => {
                    Priced { daypart: Some(made.inventory.dayparts.names[*at as usize].clone()), ..priced }
                }
                Limit::Frequency(at, week) => {
                    Priced { market: market(at), week: Some(made.weeks[*week as usize]), ..priced }
                }
                Limit::Budget | Limit::Units(_) => return None,
            })
        });
        let gap = 1.0 - found.plan.reached / found.most().max(f64::MIN_POSITIVE);
        Prices { money: found.bound.price, gap, limits: limits.collect() }
    }

    /// By limit, of those that there are now.
    pub fn limits(&self, tv: &Television, made: &Prepared) -> BTreeMap<Limit, f64> {
        let stations = made.inventory.stations.iter().enumerate();
        let stations: HashMap<(u32, &str), u32> =
            stations.map(|(at, (market, name))| ((*market, name.as_str()), at as u32)).collect();
        let limit = |of: &Priced| {
            let market = of.market.as_deref().and_then(|market| tv.market_numbers.find(market));
            Some(match (market, &of.station, of.week, &of.daypart) {
                (Some(market), Some(station), ..) => {
                    Limit::Station(*stations.get(&(market, station.as_str()))?)
                }
                (Some(market), None, Some(week), _) => {
                    Limit::Frequency(market, made.weeks.binary_search(&week).ok()? as u32)
                }
                (Some(market), None, None, _) if of.price < 0.0 => Limit::MarketLeast(market),
                (Some(market), None, None, _) => Limit::MarketMost(market),
                (None, _, _, Some(daypart)) => Limit::Daypart(made.inventory.dayparts.find(daypart)?),
                _ => return None,
            })
        };
        self.limits.iter().filter_map(|of| Some((limit(of)?, of.price))).collect()
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
