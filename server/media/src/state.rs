//! A plan under way: what is bought, who has not seen it yet, and what one spot more would gain.

use crate::audience::Audience;
use crate::offers::{Limit, Limits, Offer};

/// Spots bought, and the chance of every person to have seen none of them.
#[derive(Clone)]
pub struct State<'a> {
    pub audience: &'a Audience,
    pub offers: &'a [Offer],
    pub limits: &'a Limits,
    /// By offer, those that were bought before included.
    pub units: Vec<u32>,
    /// By person.
    unseen: Vec<f64>,
    pub spent: f64,
    pub by_market: Vec<f64>,
    by_station: Vec<f64>,
    by_daypart: Vec<f64>,
    /// Exposures by market and week on the average of the universe, where they are limited.
    exposures: Vec<f64>,
    weeks: usize,
    /// How often anything was bought or given back, by market: what a spot gains there holds until then.
    pub changes: Vec<u64>,
    pub reached: f64,
}

impl<'a> State<'a> {
    /// Nothing but what is bought already.
    pub fn new(audience: &'a Audience, offers: &'a [Offer], limits: &'a Limits) -> State<'a> {
        let markets = limits.market_most.len();
        let weeks = offers.iter().map(|offer| offer.week as usize + 1).max().unwrap_or(0);
        let mut made = State {
            audience,
            offers,
            limits,
            units: vec![0; offers.len()],
            unseen: vec![1.0; audience.weights.len()],
            spent: 0.0,
            by_market: vec![0.0; markets],
            by_station: vec![0.0; limits.station_most.len()],
            by_daypart: vec![0.0; limits.daypart_most.len()],
            exposures: vec![0.0; markets * weeks],
            weeks,
            changes: vec![0; markets],
            reached: 0.0,
        };
        for (at, offer) in offers.iter().enumerate().filter(|(_, offer)| offer.bought > 0) {
            made.buy_many(at, offer.bought);
        }
        made
    }

    /// The same under other limits.
    pub fn under<'b>(&self, limits: &'b Limits) -> State<'b>
    where
        'a: 'b,
    {
        State { limits, ..self.clone() }
    }

    /// How many more are reached by one spot more of a programme.
    pub fn gain(&self, programme: u32) -> f64 {
        let one = |(person, chance): &(u32, f32)| {
            let person = *person as usize;
            self.audience.weights[person] * self.unseen[person] * f64::from(*chance)
        };
        self.audience.of(programme).iter().map(one).sum()
    }

    /// How many fewer are reached without one spot of a programme that was bought.
    pub fn loss(&self, programme: u32) -> f64 {
        let one = |(person, chance): &(u32, f32)| {
            let (person, chance) = (*person as usize, f64::from(*chance));
            self.audience.weights[person] * self.unseen[person] * chance / (1.0 - chance)
        };
        self.audience.of(programme).iter().map(one).sum()
    }

    /// What keeps a spot of an offer from being bought; none where it can be bought.
    pub fn bar(&self, at: usize) -> Option<Limit> {
        let (offer, limits) = (&self.offers[at], self.limits);
        if self.units[at] >= offer.units {
            return Some(Limit::Units(at as u32));
        }
        // Less than that is lost in adding up.
        let above = |spent: f64, most: f64| spent + offer.price > most + 1e-6;
        if above(self.spent, limits.budget) {
            return Some(Limit::Budget);
        }
        let (market, station) = (offer.market as usize, offer.station as usize);
        if above(self.by_market[market], limits.market_most[market]) {
            return Some(Limit::MarketMost(offer.market));
        }
        if above(self.by_station[station], limits.station_most[station]) {
            return Some(Limit::Station(offer.station));
        }
        let daypart = offer.daypart as usize;
        if above(self.by_daypart[daypart], limits.daypart_most[daypart]) {
            return Some(Limit::Daypart(offer.daypart));
        }
        let frequency = limits.frequency.as_ref()?;
        let held = self.exposures[market * self.weeks + offer.week as usize];
        let of_spot = frequency.of_spot[offer.programme as usize];
        (held + of_spot > frequency.most + 1e-9).then_some(Limit::Frequency(offer.market, offer.week))
    }

    /// Whether every market has its least amount.
    pub fn has_least(&self) -> bool {
        let mut least = self.limits.market_least.iter().zip(&self.by_market);
        least.all(|(least, spent)| *spent >= *least - 1e-6)
    }

    fn change(&mut self, at: usize, sign: f64) {
        let offer = self.offers[at];
        self.spent += sign * offer.price;
        self.by_market[offer.market as usize] += sign * offer.price;
        self.by_station[offer.station as usize] += sign * offer.price;
        self.by_daypart[offer.daypart as usize] += sign * offer.price;
        if let Some(frequency) = &self.limits.frequency {
            let exposures = frequency.of_spot[offer.programme as usize];
            self.exposures[offer.market as usize * self.weeks + offer.week as usize] += sign * exposures;
        }
        self.changes[offer.market as usize] += 1;
    }

    /// Buys a spot of an offer.
    pub fn buy(&mut self, at: usize) {
        let audience = self.audience;
        for (person, chance) in audience.of(self.offers[at].programme) {
            let (person, chance) = (*person as usize, f64::from(*chance));
            self.reached += audience.weights[person] * self.unseen[person] * chance;
            self.unseen[person] *= 1.0 - chance;
        }
        self.units[at] += 1;
        self.change(at, 1.0);
    }

    /// Buys up to so many spots of every offer, whatever the limits.
    pub fn take(&mut self, units: &[u32]) {
        for (at, units) in units.iter().enumerate().filter(|(_, units)| **units > 0) {
            self.buy_many(at, units.saturating_sub(self.units[at]));
        }
    }

    /// Buys so many spots of an offer at once.
    pub fn buy_many(&mut self, at: usize, units: u32) {
        let audience = self.audience;
        for (person, chance) in audience.of(self.offers[at].programme) {
            let person = *person as usize;
            let left = (1.0 - f64::from(*chance)).powi(units as i32);
            self.reached += audience.weights[person] * self.unseen[person] * (1.0 - left);
            self.unseen[person] *= left;
        }
        self.units[at] += units;
        self.change(at, f64::from(units));
    }

    /// Gives a spot of an offer back.
    pub fn give_back(&mut self, at: usize) {
        let audience = self.audience;
        for (person, chance) in audience.of(self.offers[at].programme) {
            let (person, chance) = (*person as usize, f64::from(*chance));
            self.unseen[person] /= 1.0 - chance;
            self.reached -= audience.weights[person] * self.unseen[person] * chance;
        }
        self.units[at] -= 1;
        self.change(at, -1.0);
    }

    /// How many are reached, worked out anew: what was bought and given back leaves crumbs.
    pub fn settle(&mut self) {
        self.unseen.fill(1.0);
        for (at, units) in self.units.iter().enumerate().filter(|(_, units)| **units > 0) {
            for (person, chance) in self.audience.of(self.offers[at].programme) {
                self.unseen[*person as usize] *= (1.0 - f64::from(*chance)).powi(*units as i32);
            }
        }
        self.reached = self
            .unseen
            .iter()
            .zip(&self.audience.weights)
            .map(|(unseen, weight)| weight * (1.0 - unseen))
            .sum();
        self.spent =
            self.units.iter().zip(self.offers).map(|(units, offer)| f64::from(*units) * offer.price).sum();
    }
}
