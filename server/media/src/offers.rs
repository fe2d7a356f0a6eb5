//! Spots on offer, and what a plan must keep to.

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

/// What a plan must keep to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    pub budget: f64,
    /// Least and most money, by market; nothing and infinity where there is no limit.
    pub market_least: Vec<f64>,
    pub market_most: Vec<f64>,
    pub station_most: Vec<f64>,
    pub daypart_most: Vec<f64>,
    /// Most exposures a week, on the average of a market's universe.
    pub weekly_frequency: Option<f64>,
}

/// Limits that cannot hold together.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Clash {
    #[error("the least amounts of the markets are {least:.2} together, and the budget is {budget:.2}")]
    LeastAboveBudget { least: f64, budget: f64 },
    #[error("at least {least:.2} is to be spent in market {market}, and at most {most:.2}")]
    LeastAboveMost { market: u32, least: f64, most: f64 },
    #[error(
        "at least {least:.2} is to be spent in market {market}, and the spots that its other limits leave cost {reached:.2}"
    )]
    LeastOutOfReach { market: u32, least: f64, reached: f64 },
    #[error("the spots that are bought already cost {bought:.2}, and the budget is {budget:.2}")]
    BoughtAboveBudget { bought: f64, budget: f64 },
    #[error(
        "the spots that are bought already in market {market} cost {bought:.2}, and at most {most:.2} is to be spent there"
    )]
    BoughtAboveMarket { market: u32, bought: f64, most: f64 },
    #[error("more spots of an offer are bought already than it has: {bought} of {units}")]
    BoughtAboveUnits { bought: u32, units: u32 },
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
            weekly_frequency: None,
        }
    }

    /// All clashes that can be told from the limits alone.
    pub fn clashes(&self, offers: &[Offer]) -> Vec<Clash> {
        let mut clashes = Vec::new();
        let least: f64 = self.market_least.iter().sum();
        if least > self.budget {
            clashes.push(Clash::LeastAboveBudget { least, budget: self.budget });
        }
        for (market, (least, most)) in self.market_least.iter().zip(&self.market_most).enumerate() {
            if least > most {
                clashes.push(Clash::LeastAboveMost { market: market as u32, least: *least, most: *most });
            }
        }
        let bought: f64 = offers.iter().map(|offer| f64::from(offer.bought) * offer.price).sum();
        if bought > self.budget {
            clashes.push(Clash::BoughtAboveBudget { bought, budget: self.budget });
        }
        let mut of_market = vec![0.0; self.market_most.len()];
        offers
            .iter()
            .for_each(|offer| of_market[offer.market as usize] += f64::from(offer.bought) * offer.price);
        for (market, (bought, most)) in of_market.iter().zip(&self.market_most).enumerate() {
            if *bought > most + 1e-6 {
                clashes.push(Clash::BoughtAboveMarket {
                    market: market as u32,
                    bought: *bought,
                    most: *most,
                });
            }
        }
        let above = offers.iter().filter(|offer| offer.bought > offer.units);
        clashes
            .extend(above.map(|offer| Clash::BoughtAboveUnits { bought: offer.bought, units: offer.units }));
        clashes
    }
}
