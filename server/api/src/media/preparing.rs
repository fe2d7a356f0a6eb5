//! A request made ready: its offers by number, its limits, and whom the programmes reach.

use std::collections::HashMap;

use axum::http::StatusCode;
use bellwether_media::audience::Audience;
use bellwether_media::offers::{Clash, Limits, Offer};

use crate::access::Caller;
use crate::app::App;
use crate::error::ApiError;
use crate::media::request::{Line, PlanRequest};
use crate::media::television::{Numbers, Television};
use crate::media::universe::{self, Universe};
use crate::serving::Serving;

/// A spot on offer as it is told.
#[derive(Debug, Clone)]
pub struct Shown {
    pub station: String,
    pub zone: String,
    pub programme: String,
    pub daypart: String,
    pub days: Option<String>,
    pub starts: Option<i64>,
    pub ends: Option<i64>,
    pub week: String,
    pub seconds: Option<i64>,
}

/// A request made ready.
pub struct Prepared {
    pub offers: Vec<Offer>,
    pub shown: Vec<Shown>,
    pub weeks: Numbers,
    pub dayparts: Numbers,
    /// Stations, each with its market.
    pub stations: Vec<(u32, String)>,
    pub limits: Limits,
    pub universe: Universe,
    /// What is sought: people, or votes.
    pub worth: Audience,
    /// People of the universe.
    pub people: Audience,
    /// Offers left out because nothing is known of their programme's audience.
    pub unknown: usize,
    pub inventory: String,
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
    let inventory = inventory_of(serving, request)?;
    let mut made = offers_of(serving, tv, request, &inventory)?;
    made.limits = limits_of(tv, request, &made)?;
    set_bought(tv, &mut made, &request.bought)?;
    set_prices(tv, &mut made, &request.prices)?;
    let score = request.persuasion.as_deref().or(request.score_groups.as_deref());
    let votes = request.persuasion.is_some();
    made.universe = universe::read(app, serving, caller, tv, filter, score, votes)?;
    made.people = tv.audience.weighted(made.universe.people.weights.clone());
    made.worth = match &made.universe.votes {
        Some(votes) => tv.audience.weighted(votes.weights.clone()),
        None => made.people.clone(),
    };
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

fn offers_of(
    serving: &Serving,
    tv: &Television,
    request: &PlanRequest,
    inventory: &str,
) -> Result<Prepared, ApiError> {
    let answer = serving.copy.tv_offers(
        inventory,
        request.from.as_deref(),
        request.to.as_deref(),
        request.seconds.map(i64::from),
    )?;
    let text = |name: &str| answer.texts(name);
    let [market, station, zone, programme, daypart, days, week] =
        ["market_id", "station", "zone", "programme", "daypart", "days", "week"].map(text);
    let [starts, ends, seconds, units] =
        ["starts", "ends", "seconds", "units"].map(|name| answer.integers(name));
    let price = answer.doubles("price");
    let mut made = Prepared {
        offers: Vec::with_capacity(answer.rows()),
        shown: Vec::with_capacity(answer.rows()),
        weeks: Numbers::default(),
        dayparts: Numbers::default(),
        stations: Vec::new(),
        limits: Limits::default(),
        universe: Universe {
            by_market: Vec::new(),
            voters: 0.0,
            by_age_sex: HashMap::new(),
            people: Default::default(),
            votes: None,
        },
        worth: Audience::default(),
        people: Audience::default(),
        unknown: 0,
        inventory: inventory.to_string(),
    };
    let mut stations: HashMap<(u32, String), u32> = HashMap::new();
    for at in 0..answer.rows() {
        let of = |column: &[Option<String>]| column[at].clone().unwrap_or_default();
        let (name, show) = (of(&station), of(&programme));
        let number = tv.market_numbers.find(&of(&market)).and_then(|market| {
            let key = (market, name.clone(), show.clone());
            Some((market, *tv.programmes.get(&key)?))
        });
        let Some((market, number)) = number else {
            made.unknown += 1;
            continue;
        };
        let fresh = stations.len() as u32;
        let of_station = *stations.entry((market, name.clone())).or_insert_with(|| {
            made.stations.push((market, name.clone()));
            fresh
        });
        made.offers.push(Offer {
            programme: number,
            market,
            station: of_station,
            daypart: made.dayparts.number(&of(&daypart)),
            week: made.weeks.number(&of(&week)),
            price: price[at].unwrap_or(0.0),
            units: units[at].unwrap_or(0) as u32,
            bought: 0,
        });
        made.shown.push(Shown {
            station: name,
            zone: of(&zone),
            programme: show,
            daypart: of(&daypart),
            days: days[at].clone(),
            starts: starts[at],
            ends: ends[at],
            week: of(&week),
            seconds: seconds[at],
        });
    }
    if made.offers.is_empty() {
        let detail = format!(
            "the inventory {inventory} has no spots in this flight whose programme's audience is known ({} are of unknown programmes)",
            made.unknown
        );
        return Err(ApiError::of_status(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    Ok(made)
}

fn limits_of(tv: &Television, request: &PlanRequest, made: &Prepared) -> Result<Limits, ApiError> {
    let mut limits =
        Limits::of_budget(request.budget, tv.markets.len(), made.stations.len(), made.dayparts.names.len());
    limits.weekly_frequency = request.weekly_frequency;
    for (code, bounds) in &request.markets {
        let number = market_of(tv, code)? as usize;
        limits.market_least[number] = bounds.least.unwrap_or(0.0);
        limits.market_most[number] = bounds.most.unwrap_or(f64::INFINITY);
    }
    for (name, most) in &request.stations {
        let mut known = false;
        for (at, (_, station)) in made.stations.iter().enumerate() {
            if station == name {
                (limits.station_most[at], known) = (most.most, true);
            }
        }
        if !known {
            return Err(ApiError::bad_request(format!("/stations: no spots of {name} are on offer")));
        }
    }
    for (name, most) in &request.dayparts {
        let number = made.dayparts.find(name).ok_or_else(|| {
            let known = made.dayparts.names.join(", ");
            ApiError::bad_request(format!("/dayparts: no spots in {name} are on offer; there are {known}"))
        })?;
        limits.daypart_most[number as usize] = most.most;
    }
    Ok(limits)
}

fn market_of(tv: &Television, code: &str) -> Result<u32, ApiError> {
    tv.market_numbers.find(code).ok_or_else(|| {
        let known: Vec<&str> = tv.markets.iter().take(20).map(|market| market.id.as_str()).collect();
        ApiError::bad_request(format!("/markets: no market {code}; there are {}", known.join(", ")))
    })
}

/// Offers by market, station and programme.
fn by_name(made: &Prepared) -> HashMap<(u32, &str, &str), Vec<usize>> {
    let mut by_name: HashMap<(u32, &str, &str), Vec<usize>> = HashMap::new();
    for (at, (offer, shown)) in made.offers.iter().zip(&made.shown).enumerate() {
        by_name.entry((offer.market, &shown.station, &shown.programme)).or_default().push(at);
    }
    by_name
}

fn offers_of_line(
    tv: &Television,
    made: &Prepared,
    by_name: &HashMap<(u32, &str, &str), Vec<usize>>,
    line: &Line,
) -> Result<Vec<usize>, ApiError> {
    let market = market_of(tv, &line.market)?;
    let fits = |at: &usize| {
        let shown = &made.shown[*at];
        line.week.as_ref().is_none_or(|week| shown.week == *week)
            && line.zone.as_ref().is_none_or(|zone| shown.zone == *zone)
    };
    let of = by_name.get(&(market, line.station.as_str(), line.programme.as_str()));
    let found: Vec<usize> = of.into_iter().flatten().copied().filter(fits).collect();
    match found.is_empty() {
        false => Ok(found),
        true => Err(ApiError::bad_request(format!(
            "no spots of {} on {} in market {} are on offer in {}",
            line.programme,
            line.station,
            line.market,
            line.week.as_deref().unwrap_or("this flight")
        ))),
    }
}

fn set_prices(tv: &Television, made: &mut Prepared, lines: &[Line]) -> Result<(), ApiError> {
    let found: Vec<Vec<usize>> = {
        let by_name = by_name(made);
        lines.iter().map(|line| offers_of_line(tv, made, &by_name, line)).collect::<Result<_, _>>()?
    };
    for (line, found) in lines.iter().zip(found) {
        // What is bought cost what it cost.
        for at in found {
            let offer = &mut made.offers[at];
            if offer.bought == 0 {
                offer.price = line.price.unwrap_or(offer.price);
            }
        }
    }
    Ok(())
}

/// Spots that are bought become offers of their own, at what they cost; what is left of an offer may still be bought.
fn set_bought(tv: &Television, made: &mut Prepared, lines: &[Line]) -> Result<(), ApiError> {
    let found: Vec<Vec<usize>> = {
        let by_name = by_name(made);
        lines.iter().map(|line| offers_of_line(tv, made, &by_name, line)).collect::<Result<_, _>>()?
    };
    for (line, found) in lines.iter().zip(found) {
        let (at, units) = (found[0], line.units.unwrap_or(0));
        if units == 0 {
            continue;
        }
        let (offer, shown) = (made.offers[at], made.shown[at].clone());
        made.offers[at].units = offer.units.saturating_sub(units);
        let price = line.price.unwrap_or(offer.price);
        made.offers.push(Offer { price, units, bought: units, ..offer });
        made.shown.push(shown);
    }
    Ok(())
}

/// Clashes as a caller reads them.
pub fn refused(tv: &Television, clashes: &[Clash]) -> ApiError {
    let name = |market: &u32| tv.markets.get(*market as usize).map_or("?", |market| market.id.as_str());
    let told: Vec<String> = clashes
        .iter()
        .map(|clash| match clash {
            Clash::LeastAboveMost { market, least, most } => {
                format!("/markets/{0}/least ({least:.2}) is above /markets/{0}/most ({most:.2})", name(market))
            }
            Clash::LeastOutOfReach { market, least, reached } => format!(
                "/markets/{}/least ({least:.2}) cannot be spent: the other limits and the spots on offer leave {reached:.2}",
                name(market)
            ),
            Clash::LeastAboveBudget { least, budget } => {
                format!("the least amounts of /markets are {least:.2} together, /budget is {budget:.2}")
            }
            Clash::BoughtAboveBudget { bought, budget } => {
                format!("/bought costs {bought:.2}, /budget is {budget:.2}")
            }
            Clash::BoughtAboveMarket { market, bought, most } => {
                format!("/bought costs {bought:.2} in {0}, /markets/{0}/most is {most:.2}", name(market))
            }
            Clash::BoughtAboveUnits { .. } => clash.to_string(),
        })
        .collect();
    ApiError::of_status(StatusCode::UNPROCESSABLE_ENTITY, format!("these limits clash: {}", told.join("; ")))
}
