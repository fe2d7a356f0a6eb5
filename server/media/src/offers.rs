//! Spots on offer, and what a plan must keep to.

use crate::audience::Audience;

/// Spots of a programme in one week, at one price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offer {
    /// Number of the programme in the audience: a programme of a station in a daypart.
    pub programme: u32,
    pub market: u32,
    pub station: u32,
    pub daypart: u32,
    pub week: u32,
    /// Price of a spot.
    pub price: f64,
    /// Spots that can be had.
    pub units: u32,
    /// Spots that are bought already, at this price, within `units`.
    pub bought: u32,
}

impl Offer {
    /// What its spots that are bought already cost.
    pub fn paid(&self) -> f64 {
        f64::from(self.bought) * self.price
    }
}

/// Something that a plan keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Limit {
    Budget,
    /// Least and most money of a market.
    MarketLeast(u32),
    MarketMost(u32),
    Station(u32),
    Daypart(u32),
    /// Exposures in a market in a week.
    Frequency(u32, u32),
    /// Spots of an offer.
    Units(u32),
}

/// How often a week the voters of a market may see spots, on the average of its universe.
#[derive(Debug, Clone, PartialEq)]
pub struct Frequency {
    pub most: f64,
    /// Exposures of one spot on that average, by programme.
    pub of_spot: Vec<f64>,
}

impl Frequency {
    /// For a universe of people, with the market of every programme.
    pub fn new(most: f64, people: &Audience, market_of: &[u32], markets: usize) -> Frequency {
        let universe = people.universe(markets);
        let of_spot = (0..people.programmes() as u32)
            .map(|programme| {
                let whole = universe[market_of[programme as usize] as usize];
                if whole > 0.0 { people.impressions(programme) / whole } else { 0.0 }
            })
            .collect();
        Frequency { most, of_spot }
    }
}

/// What a plan must keep to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    pub budget: f64,
    /// Least and most money, by market; nothing and infinity where there is no limit.
    pub market_least: Vec<f64>,
    pub market_most: Vec<f64>,
    pub station_most: Vec<f64>,
    pub daypart_most: Vec<f64>,
    pub frequency: Option<Frequency>,
}

impl Limits {
    /// Without limits but the budget.
    pub fn of_budget(budget: f64, markets: usize, stations: usize, dayparts: usize) -> Limits {
        Limits {
            budget,
            market_least: vec![0.0; markets],
            market_most: vec![f64::INFINITY; markets],
            station_most: vec![f64::INFINITY; stations],
            daypart_most: vec![f64::INFINITY; dayparts],
            frequency: None,
        }
    }

    /// Whether nothing is limited but the budget and what markets cost.
    pub fn only_budget(&self) -> bool {
        let open = |most: &[f64]| most.iter().all(|most| most.is_infinite());
        self.frequency.is_none() && open(&self.station_most) && open(&self.daypart_most)
    }

    /// Whether the least amount of any market was asked for.
    pub fn has_least(&self) -> bool {
        self.market_least.iter().any(|least| *least > 0.0)
    }
}
