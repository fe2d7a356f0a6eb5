//! A request made ready: its offers by number, its limits, and whom the programmes reach.

use std::sync::Arc;

use axum::http::StatusCode;
use bellwether_media::audience::Audience;
use bellwether_media::clashes::Clash;
use bellwether_media::offers::{Frequency, Limit, Limits, Offer};
use bellwether_schema::days::Days;

use crate::access::Caller;
use crate::app::App;
use crate::error::ApiError;
use crate::media::inventory::Inventory;
use crate::media::lines::{set_bought, set_prices};
use crate::media::request::PlanRequest;
use crate::media::television::Television;
use crate::media::universe::{self, Universe};
use crate::serving::Serving;

/// A request made ready.
pub struct Prepared {
    pub inventory: Arc<Inventory>,
    pub offers: Vec<Offer>,
    /// So many offers are open, in the order of the inventory; what is bought comes behind them.
    pub open: usize,
    /// Of every offer its row in the inventory, and the days of it that lie in the flight.
    pub rows: Vec<(u32, Option<Days>)>,
    /// Mondays of the weeks, days since 1970-01-01, by number.
    pub weeks: Vec<i32>,
    pub limits: Limits,
    pub universe: Universe,
    /// What is sought: people, or votes.
    pub worth: Audience,
    /// People of the universe.
    pub people: Audience,
}

/// A spot on offer as it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown<'a> {
    pub station: &'a str,
    pub zone: &'a str,
    pub programme: &'a str,
    pub daypart: &'a str,
    /// The days of it that lie in the flight.
    pub days: Option<Days>,
    pub starts: Option<i16>,
    pub ends: Option<i16>,
    /// Monday of the week, days since 1970-01-01.
    pub week: i32,
    pub seconds: Option<u16>,
}

impl Prepared {
    pub fn shown(&self, offer: usize) -> Shown<'_> {
        let (at, days) = self.rows[offer];
        let row = &self.inventory.rows[at as usize];
        let item = &self.inventory.items[row.item as usize];
        Shown {
            station: &self.inventory.stations[item.station as usize].1,
            zone: &self.inventory.zones[item.zone as usize],
            programme: &self.inventory.names[item.name as usize],
            daypart: &self.inventory.dayparts.names[row.daypart as usize],
            days,
            starts: row.starts,
            ends: row.ends,
            week: row.week,
            seconds: row.seconds,
        }
    }

    /// The open offer of a row of the inventory, where it lies in the flight.
    pub fn offer_of(&self, row: u32) -> Option<usize> {
        self.rows[..self.open].binary_search_by_key(&row, |(at, _)| *at).ok()
    }

    /// A row of the inventory as an offer, in the flight or not.
    pub fn offer_from(&self, row: u32) -> Offer {
        offer_from(&self.inventory, &self.weeks, row)
    }
}

/// A row of an inventory as an offer, with the Mondays of the weeks.
fn offer_from(inventory: &Inventory, weeks: &[i32], row: u32) -> Offer {
    let row = &inventory.rows[row as usize];
    let item = &inventory.items[row.item as usize];
    Offer {
        programme: item.programme,
        market: item.market,
        station: item.station,
        daypart: row.daypart,
        week: weeks.binary_search(&row.week).unwrap_or(0) as u32,
        price: row.price,
        units: row.units,
        bought: 0,
    }
}

/// A day as it is written, from days since 1970-01-01.
pub fn day_text(day: i32) -> String {
    chrono::NaiveDate::from_epoch_days(day).map(|day| day.to_string()).unwrap_or_default()
}

/// Days since 1970-01-01 of a day as it is written.
pub fn day_number(text: &str) -> Option<i32> {
    chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.to_epoch_days())
}

/// Reads the offers and the universe of a request. An error where a name is unknown.
pub fn prepare(
    app: &App,
    serving: &Serving,
    caller: &Caller,
    request: &PlanRequest,
    filter: &serde_json::Value,
) -> Result<Prepared, ApiError> {
    let tv = serving.television()?;
    let inventory = serving.inventory(&inventory_of(serving, request)?)?;
    let score = request.persuasion.as_deref().or(request.score_groups.as_deref());
    let votes = request.persuasion.is_some();
    let universe = universe::read(app, serving, caller, tv, filter, score, votes)?;
    let people = tv.audience.weighted(universe.people.weights.clone());
    let worth = match &universe.votes {
        Some(votes) => tv.audience.weighted(votes.weights.clone()),
        None => people.clone(),
    };
    let (offers, rows, weeks) = offers_of(request, &inventory)?;
    let (open, limits) = (offers.len(), Limits::default());
    let mut made = Prepared { inventory, offers, open, rows, weeks, limits, universe, worth, people };
    made.limits = limits_of(tv, request, &made)?;
    set_bought(tv, &mut made, &request.bought)?;
    set_prices(tv, &mut made, &request.prices)?;
    Ok(made)
}

fn inventory_of(serving: &Serving, request: &PlanRequest) -> Result<String, ApiError> {
    let known: Vec<String> =
        serving.copy.tv_inventories()?.texts("inventory").into_iter().flatten().collect();
    let list = known.join(", ");
    match &request.inventory {
        Some(name) if known.contains(name) => Ok(name.clone()),
        Some(name) => Err(ApiError::bad_request(format!("no inventory {name} is loaded; there are: {list}"))),
        None if known.len() == 1 => Ok(known[0].clone()),
        None if known.is_empty() => {
            let detail =
                "no spots on offer are loaded: bellwether load inventory, or POST /v1/media/inventories";
            Err(ApiError::of_status(StatusCode::UNPROCESSABLE_ENTITY, detail))
        }
        None => Err(ApiError::bad_request(format!("say which inventory; there are: {list}"))),
    }
}

/// Offers, their rows with days in the flight, and the Mondays of the weeks.
type Offered = (Vec<Offer>, Vec<(u32, Option<Days>)>, Vec<i32>);

/// The offers of a flight, in the order of the inventory's rows. Of a row that runs on some days outside the flight those
/// within it are on offer, with as many of its spots as fall on them if they are spread evenly, rounded up.
fn offers_of(request: &PlanRequest, inventory: &Inventory) -> Result<Offered, ApiError> {
    let day = |text: &Option<String>, open: i32| text.as_deref().and_then(day_number).unwrap_or(open);
    let (from, to) = (day(&request.from, i32::MIN / 2), day(&request.to, i32::MAX / 2));
    let mut weeks: Vec<i32> = inventory.rows.iter().map(|row| row.week).collect();
    weeks.sort_unstable();
    weeks.dedup();
    let seconds = |row: &crate::media::inventory::Row| match (row.seconds, request.seconds) {
        (Some(held), Some(wanted)) => u32::from(held) == wanted,
        _ => true,
    };
    let (mut offers, mut rows) = (Vec::new(), Vec::new());
    for (at, row) in inventory.rows.iter().enumerate().filter(|(_, row)| seconds(row)) {
        let all = row.days.unwrap_or(Days::ALL);
        let [first, last] = [from, to].map(|day| (i64::from(day) - i64::from(row.week)).clamp(-1, 7));
        let within = match (first <= 6, last >= 0) {
            (true, true) => all.between(first.max(0) as u32, last.min(6) as u32),
            _ => None,
        };
        let Some(within) = within else { continue };
        let offer = offer_from(inventory, &weeks, at as u32);
        offers.push(Offer { units: (row.units * within.count()).div_ceil(all.count()), ..offer });
        rows.push((at as u32, if within == all { row.days } else { Some(within) }));
    }
    if offers.is_empty() {
        let detail = format!(
            "the inventory {} has no spots in this flight whose programme's audience is known ({} of its rows are of unknown programmes)",
            inventory.name, inventory.unknown
        );
        return Err(ApiError::of_status(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    Ok((offers, rows, weeks))
}

fn limits_of(tv: &Television, request: &PlanRequest, made: &Prepared) -> Result<Limits, ApiError> {
    let (stations, dayparts) = (&made.inventory.stations, &made.inventory.dayparts);
    let mut limits =
        Limits::of_budget(request.budget, tv.markets.len(), stations.len(), dayparts.names.len());
    limits.frequency = request
        .weekly_frequency
        .map(|most| Frequency::new(most, &made.people, &tv.market_of, tv.markets.len()));
    for (code, bounds) in &request.markets {
        let number = market_of(tv, code)? as usize;
        limits.market_least[number] = bounds.least.unwrap_or(0.0);
        limits.market_most[number] = bounds.most.unwrap_or(f64::INFINITY);
    }
    for (name, most) in &request.stations {
        let mut known = false;
        for (at, (_, station)) in stations.iter().enumerate() {
            if station == name {
                (limits.station_most[at], known) = (most.most, true);
            }
        }
        if !known {
            return Err(ApiError::bad_request(format!("/stations: no spots of {name} are on offer")));
        }
    }
    for (name, most) in &request.dayparts {
        let number = dayparts.find(name).ok_or_else(|| {
            let known = dayparts.names.join(", ");
            ApiError::bad_request(format!("/dayparts: no spots in {name} are on offer; there are {known}"))
        })?;
        limits.daypart_most[number as usize] = most.most;
    }
    Ok(limits)
}

pub fn market_of(tv: &Television, code: &str) -> Result<u32, ApiError> {
    tv.market_numbers.find(code).ok_or_else(|| {
        let known: Vec<&str> = tv.markets.iter().take(20).map(|market| market.id.as_str()).collect();
        ApiError::bad_request(format!("/markets: no market {code}; there are {}", known.join(", ")))
    })
}

/// A limit as a request names it.
pub fn name_of(tv: &Television, inventory: &Inventory, limit: Limit) -> String {
    let market = |at: u32| tv.markets.get(at as usize).map_or("?", |market| market.id.as_str());
    match limit {
        Limit::Budget => "/budget".to_string(),
        Limit::MarketLeast(at) => format!("/markets/{}/least", market(at)),
        Limit::MarketMost(at) => format!("/markets/{}/most", market(at)),
        Limit::Station(at) => {
            let (of, name) = &inventory.stations[at as usize];
            format!("/stations/{name}/most in {}", market(*of))
        }
        Limit::Daypart(at) => format!("/dayparts/{}/most", inventory.dayparts.names[at as usize]),
        Limit::Frequency(at, _) => format!("/weekly_frequency in {}", market(at)),
        Limit::Units(_) => "the spots on offer".to_string(),
    }
}

/// Clashes as a caller reads them.
pub fn refused(tv: &Television, made: &Prepared, clashes: &[Clash]) -> ApiError {
    let name = |limit: Limit| name_of(tv, &made.inventory, limit);
    let told = |clash: &Clash| match clash {
        Clash::LeastAboveMost { market, least, most } => format!(
            "{} ({least:.2}) is above {} ({most:.2})",
            name(Limit::MarketLeast(*market)),
            name(Limit::MarketMost(*market))
        ),
        Clash::LeastOutOfReach { markets, least, reached, limits } => {
            let asked: Vec<String> = markets.iter().map(|market| name(Limit::MarketLeast(*market))).collect();
            let mut others: Vec<String> = limits.iter().map(|limit| name(*limit)).collect();
            others.dedup();
            let others = match others.is_empty() {
                true => "the spots on offer".to_string(),
                false => format!("{} and the spots on offer", others.join(", ")),
            };
            format!(
                "{} ({least:.2}{}) cannot be spent: {others} leave {reached:.2}",
                asked.join(" and "),
                if asked.len() > 1 { " together" } else { "" }
            )
        }
        Clash::LeastBetweenSpots { market, least, reached } => format!(
            "{} ({least:.2}): no whole spots were found that add up to it within the other limits; the nearest come to {reached:.2}",
            name(Limit::MarketLeast(*market))
        ),
        Clash::LeastAboveBudget { least, budget } => format!(
            "the least amounts of /markets, and what is bought there, are {least:.2} together, /budget is {budget:.2}"
        ),
        Clash::BoughtAbove { limit: limit @ Limit::Frequency(_, week), bought, most } => format!(
            "/bought takes {bought:.3} exposures of {} in the week of {}, which has {most:.3}",
            name(*limit),
            day_text(made.weeks[*week as usize])
        ),
        Clash::BoughtAbove { limit, bought, most } => {
            format!("/bought costs {bought:.2}, {} is {most:.2}", name(*limit))
        }
        Clash::BoughtAboveUnits { .. } => clash.to_string(),
    };
    let told: Vec<String> = clashes.iter().map(told).collect();
    ApiError::of_status(StatusCode::UNPROCESSABLE_ENTITY, format!("these limits clash: {}", told.join("; ")))
}
