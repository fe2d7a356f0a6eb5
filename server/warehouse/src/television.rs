//! Television: markets, spots on offer, what a panel watched, ratings and airings.

use crate::{Answer, Copy, Error, Param};

macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("questions/", $name, ".sql"))
    };
}

impl Copy {
    /// `market_id, market, tv_households, counties`.
    pub fn tv_markets(&self) -> Result<Answer, Error> {
        self.ask(sql!("tv_markets"), &[])
    }

    /// `inventory, offers, markets, units, first_week, last_week`.
    pub fn tv_inventories(&self) -> Result<Answer, Error> {
        self.ask(sql!("tv_inventories"), &[])
    }

    /// `market_id, station, zone, programme, daypart, days, starts, ends, week, seconds, price, units` of an inventory's spots,
    /// by market, station, zone and programme. Weeks are days since 1970-01-01.
    pub fn tv_offers(&self, inventory: &str) -> Result<Answer, Error> {
        self.ask(sql!("tv_offers"), &[Param::text(inventory)])
    }

    /// `market_id, station, zone, programme` of what is on offer in cable zones.
    pub fn tv_zones(&self) -> Result<Answer, Error> {
        self.ask(sql!("tv_zones"), &[])
    }

    /// `person_id, household_id, market_id, weight, age, gender, party, state, voter_id, zones`, by person.
    pub fn tv_panel(&self) -> Result<Answer, Error> {
        self.ask(sql!("tv_panel"), &[])
    }

    /// `market_id, station, programme, person, chance`: the person's place in the panel, and the share of the programme's
    /// minutes that were watched, by programme.
    pub fn tv_viewing(&self) -> Result<Answer, Error> {
        self.ask(sql!("tv_viewing"), &[])
    }

    /// `market_id, station, programme, gender, age_from, age_to, rating` in percent.
    pub fn tv_ratings(&self) -> Result<Answer, Error> {
        self.ask(sql!("tv_ratings"), &[])
    }

    /// `market_id, station, zone, programme, week, spots, billed` between two days.
    pub fn tv_airings(&self, from: &str, to: &str) -> Result<Answer, Error> {
        self.ask(sql!("tv_airings"), &[Param::text(from), Param::text(to)])
    }
}
