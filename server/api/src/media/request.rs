//! What a planner asks for.

use std::collections::BTreeMap;

use bellwether_schema::days::Days;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::models::is_day;

/// Whom to reach, with what money, within what limits.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanRequest {
    #[schema(example = "Autumn flight")]
    pub name: String,
    /// Whom to reach; everyone without it.
    #[serde(default, rename = "where")]
    #[schema(value_type = Option<crate::filter_schema::WhereSchema>)]
    pub filter: Value,
    /// A saved universe instead of a filter.
    pub universe: Option<String>,
    /// Spots on offer; not needed where one inventory is loaded.
    pub inventory: Option<String>,
    /// Dollars.
    #[schema(example = 50000.0)]
    pub budget: f64,
    /// First and last day of the flight; all weeks of the inventory without them.
    #[schema(example = "2026-09-07")]
    pub from: Option<String>,
    pub to: Option<String>,
    /// Length of the spots in seconds; any without it.
    pub seconds: Option<u32>,
    /// A persuasion score: the plan then moves most votes, a voter who is reached being worth the score in hundredths of a
    /// vote. Without it the plan reaches most of the universe.
    pub persuasion: Option<String>,
    /// A score whose low, middle and high groups are told apart, where the panel is matched to the voter file.
    pub score_groups: Option<String>,
    /// Least and most dollars of markets, by their codes.
    #[serde(default)]
    pub markets: BTreeMap<String, Bounds>,
    /// Most dollars of stations, by their names, in each market.
    #[serde(default)]
    pub stations: BTreeMap<String, Most>,
    /// Most dollars of dayparts.
    #[serde(default)]
    pub dayparts: BTreeMap<String, Most>,
    /// Most times a week that the average voter of the universe sees a spot, in every market.
    pub weekly_frequency: Option<f64>,
    /// Spots that are bought already: they stay.
    #[serde(default)]
    pub bought: Vec<Line>,
    /// Prices of now, where they are others than in the inventory.
    #[serde(default)]
    pub prices: Vec<Line>,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    pub least: Option<f64>,
    pub most: Option<f64>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Most {
    pub most: f64,
}

/// Spots of an offer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    #[schema(example = "901")]
    pub market: String,
    pub station: String,
    pub programme: String,
    /// Monday of the week; every week without it.
    pub week: Option<String>,
    /// Cable zone; without it the whole market, or the only zone.
    pub zone: Option<String>,
    /// Where a programme is on offer more than once in a week: which of them.
    pub daypart: Option<String>,
    #[schema(example = "M-F")]
    pub days: Option<String>,
    #[schema(example = "18:00")]
    pub start: Option<String>,
    /// Seconds.
    pub length: Option<u32>,
    /// Of spots that are bought: how many.
    pub units: Option<u32>,
    /// Of prices: dollars a spot. Of spots that are bought: what they cost, where that is another price than the
    /// inventory's.
    pub price: Option<f64>,
}

/// What changes in a plan; everything else stays as it was asked for.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub name: Option<String>,
    pub budget: Option<f64>,
    pub from: Option<String>,
    pub to: Option<String>,
    pub markets: Option<BTreeMap<String, Bounds>>,
    pub stations: Option<BTreeMap<String, Most>>,
    pub dayparts: Option<BTreeMap<String, Most>>,
    pub weekly_frequency: Option<f64>,
    pub bought: Option<Vec<Line>>,
    pub prices: Option<Vec<Line>>,
    /// Keeps what came of it as a plan of its own; without it, it is only told.
    #[serde(default)]
    pub keep: bool,
}

/// Most lines of bought spots and prices.
const MOST_LINES: usize = 200_000;
const MOST_MONEY: f64 = 1e11;
/// Most spots of one line.
const MOST_UNITS: u32 = 10_000;

impl PlanRequest {
    /// Refuses what makes no sense, naming the field.
    pub fn check(&self) -> Result<(), ApiError> {
        let wrong = |what: &str| Err(ApiError::bad_request(what));
        if self.name.trim().is_empty() || self.name.chars().count() > 100 {
            return wrong("/name has 1 to 100 characters");
        }
        let money = |value: f64| (0.0..=MOST_MONEY).contains(&value);
        if !money(self.budget) {
            return wrong("/budget is 0 to 100000000000 dollars");
        }
        if [&self.from, &self.to].into_iter().flatten().any(|day| !is_day(day)) {
            return wrong("/from and /to are days: 2026-09-07");
        }
        if self.from.is_some() && self.to.is_some() && self.from > self.to {
            return wrong("/from is after /to");
        }
        if self.seconds.is_some_and(|seconds| !(5..=600).contains(&seconds)) {
            return wrong("/seconds is 5 to 600");
        }
        let bounds = self.markets.values().flat_map(|bounds| [bounds.least, bounds.most]).flatten();
        let most = self.stations.values().chain(self.dayparts.values()).map(|most| most.most);
        if !bounds.chain(most).all(money) {
            return wrong("/markets, /stations and /dayparts have dollars from 0 on");
        }
        if self.weekly_frequency.is_some_and(|frequency| !(0.001..=1_000.0).contains(&frequency)) {
            return wrong("/weekly_frequency is 0.001 to 1000");
        }
        if self.bought.len() > MOST_LINES || self.prices.len() > MOST_LINES {
            return wrong("/bought and /prices have at most 200000 lines");
        }
        for line in self.bought.iter().chain(&self.prices) {
            if line.days.as_ref().is_some_and(|days| Days::parse(days).is_none()) {
                return wrong("/bought and /prices have days like M-F or Sa,Su");
            }
            if line.week.as_ref().is_some_and(|week| !is_day(week))
                || line.price.is_some_and(|price| !(0.0..=1e8).contains(&price))
            {
                return wrong("/bought and /prices have weeks like 2026-09-07 and prices from 0 on");
            }
        }
        let unknown = |line: &Line| line.week.is_none() || line.units.is_none_or(|units| units > MOST_UNITS);
        if self.bought.iter().any(unknown) {
            return wrong("/bought: say how many units, 10000 at most, of which week");
        }
        if self.prices.iter().any(|line| line.price.is_none()) {
            return wrong("/prices: say the price");
        }
        Ok(())
    }

    /// The request with a change.
    pub fn changed(&self, change: &Change) -> PlanRequest {
        let mut request = self.clone();
        fn put<T: Clone>(field: &mut T, value: &Option<T>) {
            if let Some(value) = value {
                *field = value.clone();
            }
        }
        put(&mut request.name, &change.name);
        put(&mut request.budget, &change.budget);
        put(&mut request.markets, &change.markets);
        put(&mut request.stations, &change.stations);
        put(&mut request.dayparts, &change.dayparts);
        put(&mut request.bought, &change.bought);
        put(&mut request.prices, &change.prices);
        request.from = change.from.clone().or(request.from);
        request.to = change.to.clone().or(request.to);
        request.weekly_frequency = change.weekly_frequency.or(request.weekly_frequency);
        request
    }
}
