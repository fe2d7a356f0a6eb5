//! A bound that no plan is above: what could be reached if parts of spots could be bought.
//!
//! Reach is concave in the amounts that are bought, so it lies below its tangent anywhere; and for any prices of money and of
//! the other limits, the best amounts at those prices, with what the limits leave at their prices, are no less than the best
//! within the limits (Lagrange). Both hold for whatever amounts and prices are tried: good ones only make the bound tight. The
//! price of money alone goes by halves to where the budget is just spent. With other limits all prices go where these are just
//! kept to, each by steps of its own that grow while it goes one way and shrink when it turns (Rprop: Riedmiller and Braun,
//! 1993).

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::audience::Audience;
use crate::offers::{Limit, Limits, Offer};

/// Rounds over the programmes of a market at one price, and how often prices are mended; again, from an earlier bound, and
/// with limits beside the budget.
const ROUNDS: usize = 25;
const ROUNDS_AGAIN: usize = 4;
const PRICES: usize = 14;
const PRICES_AGAIN: usize = 6;
const PRICES_OF_LIMITS: usize = 40;
const PRICES_OF_LIMITS_AGAIN: usize = 8;
/// Steps of a market's own price towards its least or most.
const MARKET_STEPS: usize = 12;
/// A price to begin with where money is left over, of what a dollar reaches on the average.
const PART_OF_MEAN: f64 = 0.1;
/// What a round must bring.
const SETTLED: f64 = 2e-5;
/// Again, with other limits, what a round must bring after the first few.
const WORTH_A_ROUND: f64 = 3e-4;

/// Where a bound begins: any begin is as good for a bound, a near one is found soon.
#[derive(Debug, Clone, Copy)]
pub struct Begin<'a> {
    /// Units by offer of a plan, what it reached, and what its next dollar would.
    pub units: &'a [u32],
    pub reached: f64,
    pub price: f64,
    /// Prices of money and limits of an earlier bound.
    pub prices: Option<(f64, &'a BTreeMap<Limit, f64>)>,
    /// A bound that is so near above the plan, as a part of it, is near enough.
    pub enough: f64,
}

/// What no plan is above, and what keeping to the limits costs there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bound {
    /// People of the universe that no plan reaches more of.
    pub most: f64,
    /// People that a dollar more reaches.
    pub price: f64,
    /// People that a dollar more of a limit reaches, where the money for it comes from elsewhere; of frequency, an exposure more
    /// on the average of the market's universe. The least amounts of markets have prices below nothing.
    pub prices: BTreeMap<Limit, f64>,
}

/// A programme of a market with its offers.
struct Shelf {
    offers: Vec<Part>,
    bought: f64,
    /// Who watches: place among the market's people, rate at which not having seen it fades, weight.
    watchers: Vec<(u32, f64, f64)>,
}

/// Spots of one price.
#[derive(Clone, Copy)]
struct Part {
    price: f64,
    units: f64,
    /// Exposures on the average of the universe, where they are limited.
    exposure: f64,
    /// Places of the prices of its station, daypart and week; [`NONE`] without a limit.
    priced: [u32; 3],
}

const NONE: u32 = u32::MAX;

impl Part {
    /// What a spot costs at the prices, beside what its market's money costs.
    fn beside(&self, prices: &[f64]) -> f64 {
        let of = |at: usize| prices.get(self.priced[at] as usize).copied().unwrap_or(0.0);
        (of(0) + of(1)) * self.price + of(2) * self.exposure
    }
}

/// Markets with what they have and what their own limits leave.
struct Market {
    shelves: Vec<Shelf>,
    weights: Vec<f64>,
    least: f64,
    most: f64,
}

/// What is found of a market at some prices.
#[derive(Default)]
struct Found {
    /// Reach less what everything costs, and what is spent.
    value: f64,
    spent: f64,
    /// Use of limits, by place.
    uses: Vec<(u32, f64)>,
    /// The price of the market's own least or most.
    own: f64,
}

/// A limit with a price.
struct Priced {
    limit: Limit,
    /// What is left of it.
    left: f64,
    price: f64,
    step: f64,
    /// Which way it went.
    way: f64,
}

impl Priced {
    fn mend(&mut self, used: f64) {
        let way = if used > self.left { 1.0 } else { -1.0 };
        if way < 0.0 && self.price <= 0.0 {
            self.way = 0.0;
            return;
        }
        self.step *= if self.way == way { 1.3 } else { 0.5 };
        self.way = way;
        self.price = (self.price + way * self.step).max(0.0);
    }
}

/// A bound over all plans. Time grows with the watchers of all programmes, and with what is left between the plan and the
/// bound; from an earlier bound it is looked for in fewer rounds.
pub fn bound(audience: &Audience, offers: &[Offer], limits: &Limits, begin: &Begin) -> Bound {
    let Begin { reached, .. } = *begin;
    // What the next dollar reaches is the price of money where nothing else is short.
    let (price, earlier) = begin.prices.map_or((begin.price, None), |(price, prices)| (price, Some(prices)));
    let price = if limits.only_budget() || begin.price > 0.0 { begin.price } else { price };
    // Steps go by what the next dollar reaches, or where money is left over by a part of what one does on the average.
    let scale = price.max(PART_OF_MEAN * reached / limits.budget.max(1.0)).max(1e-12);
    let scale = if earlier.is_some() { scale / 4.0 } else { scale };
    let mut money = Priced {
        limit: Limit::Budget,
        left: limits.budget - offers.iter().map(Offer::paid).sum::<f64>(),
        price: price.max(1e-12),
        step: scale * 0.2,
        way: 0.0,
    };
    let mut priced = limits_with_prices(offers, limits, scale);
    for priced in &mut priced {
        priced.price = earlier.and_then(|prices| prices.get(&priced.limit)).copied().unwrap_or(0.0).max(0.0);
    }
    let mut markets = markets_of(audience, offers, limits, &priced, begin.units);
    let effort = match (priced.is_empty(), earlier.is_some()) {
        (true, false) => PRICES,
        (true, true) => PRICES_AGAIN,
        (false, _) => PRICES_OF_LIMITS,
    };
    let rounds = if earlier.is_some() || !priced.is_empty() { ROUNDS_AGAIN } else { ROUNDS };
    let mut best = Bound { most: audience.weights.iter().sum(), price, ..Bound::default() };
    let (mut low, mut high): (Option<f64>, Option<f64>) = (None, None);
    let mut before = f64::INFINITY;
    for round in 0..effort {
        let prices: Vec<f64> = priced.iter().map(|priced| priced.price).collect();
        let found: Vec<Found> = markets
            .par_iter_mut()
            .map(|(market, amounts)| of_market(market, (money.price, rounds), &prices, amounts))
            .collect();
        let mut above = money.price * money.left;
        above += priced.iter().map(|priced| priced.price * priced.left).sum::<f64>();
        above += found.iter().map(|found| found.value).sum::<f64>();
        if above < best.most || round == 0 {
            let of_limits = priced.iter().map(|priced| (priced.limit, priced.price));
            let of_markets = found.iter().enumerate().map(|(at, found)| match found.own < 0.0 {
                true => (Limit::MarketLeast(at as u32), found.own),
                false => (Limit::MarketMost(at as u32), found.own),
            });
            let prices = of_limits.chain(of_markets).filter(|(_, price)| *price != 0.0).collect();
            best = Bound { most: best.most.min(above), price: money.price, prices };
        }
        let (settled, most) = (best.most >= before * (1.0 - SETTLED), best.most);
        let between = low.is_some() && high.is_some();
        let enough =
            earlier.is_some() && round >= PRICES_OF_LIMITS_AGAIN && most >= before * (1.0 - WORTH_A_ROUND);
        before = most;
        if most <= reached * (1.0 + begin.enough) || (settled && between) || enough {
            break;
        }
        let spends: f64 = found.iter().map(|found| found.spent).sum();
        if priced.is_empty() {
            // Towards the price at which just the budget is spent.
            if spends > money.left {
                low = Some(money.price)
            } else {
                high = Some(money.price)
            }
            money.price = match (low, high) {
                (Some(low), Some(high)) => (low * high).sqrt(),
                (Some(low), None) => low * 1.1,
                (None, Some(high)) => high / 1.1,
                (None, None) => break,
            };
            continue;
        }
        let mut uses = vec![0.0; priced.len()];
        let of_all = found.iter().flat_map(|found| &found.uses);
        of_all.for_each(|(at, used)| uses[*at as usize] += used);
        priced.iter_mut().zip(uses).for_each(|(priced, used)| priced.mend(used));
        money.mend(spends);
        money.price = money.price.max(1e-12);
    }
    best
}

/// Limits beside the budget and those of markets, their prices still nothing. `money` is about the price of money.
fn limits_with_prices(offers: &[Offer], limits: &Limits, money: f64) -> Vec<Priced> {
    let mut left: BTreeMap<Limit, f64> = BTreeMap::new();
    let mut usual: BTreeMap<Limit, (f64, f64)> = BTreeMap::new();
    for offer in offers {
        for (limit, most, of_spot) in limited(offer, limits).into_iter().flatten() {
            *left.entry(limit).or_insert(most) -= f64::from(offer.bought) * of_spot;
            let held = usual.entry(limit).or_default();
            *held = (held.0 + offer.price, held.1 + of_spot);
        }
    }
    let with_price = |(limit, left): (Limit, f64)| {
        // A part of the price of its spots' money, for one of it.
        let (dollars, of_it) = usual[&limit];
        let step = (0.2 * money * dollars / of_it.max(1e-12)).max(1e-12);
        Priced { limit, left: left.max(0.0), price: 0.0, step, way: 0.0 }
    };
    left.into_iter().map(with_price).collect()
}

/// The limits of a spot's station, daypart and week: how much there is, and how much of it a spot takes.
fn limited(offer: &Offer, limits: &Limits) -> [Option<(Limit, f64, f64)>; 3] {
    let money = |limit: Limit, most: f64| most.is_finite().then_some((limit, most, offer.price));
    let often = limits.frequency.as_ref().map(|frequency| {
        let limit = Limit::Frequency(offer.market, offer.week);
        (limit, frequency.most, frequency.of_spot[offer.programme as usize])
    });
    [
        money(Limit::Station(offer.station), limits.station_most[offer.station as usize]),
        money(Limit::Daypart(offer.daypart), limits.daypart_most[offer.daypart as usize]),
        often,
    ]
}

/// Markets ready to be priced, with the plan's own amounts by shelf: there the tangent is nearest.
fn markets_of(
    audience: &Audience,
    offers: &[Offer],
    limits: &Limits,
    priced: &[Priced],
    units: &[u32],
) -> Vec<(Market, Vec<f64>)> {
    let count = limits.market_most.len();
    let mut weights: Vec<Vec<f64>> = vec![Vec::new(); count];
    let mut place = vec![0u32; audience.weights.len()];
    for (person, market) in audience.markets.iter().enumerate() {
        place[person] = weights[*market as usize].len() as u32;
        weights[*market as usize].push(audience.weights[person]);
    }
    let mut own: Vec<Vec<u32>> = vec![Vec::new(); count];
    offers.iter().enumerate().for_each(|(at, offer)| own[offer.market as usize].push(at as u32));
    let place_of =
        |limit: Limit| priced.binary_search_by(|held| held.limit.cmp(&limit)).map_or(NONE, |at| at as u32);
    let shelf_of = |offer: &Offer| {
        let one = |(person, chance): &(u32, f32)| {
            let weight = audience.weights[*person as usize];
            (place[*person as usize], -(1.0 - f64::from(*chance)).ln(), weight)
        };
        let watchers = audience.of(offer.programme).iter().map(one).filter(|(.., weight)| *weight > 0.0);
        Shelf { offers: Vec::new(), bought: 0.0, watchers: watchers.collect() }
    };
    let market_of = |(at, (weights, mut own)): (usize, (Vec<f64>, Vec<u32>))| {
        own.sort_by_key(|at| offers[*at as usize].programme);
        let (mut shelves, mut amounts, mut spent): (Vec<Shelf>, Vec<f64>, f64) =
            (Vec::new(), Vec::new(), 0.0);
        let mut held = None;
        for at in own {
            let offer = &offers[at as usize];
            if held.replace(offer.programme) != Some(offer.programme) {
                shelves.push(shelf_of(offer));
                amounts.push(0.0);
            }
            let (Some(shelf), Some(amount)) = (shelves.last_mut(), amounts.last_mut()) else { continue };
            let parts = limited(offer, limits);
            // What can never be bought.
            let shut = parts.iter().flatten().any(|(_, most, of_spot)| *of_spot > most + 1e-6);
            let free = if shut { 0.0 } else { f64::from(offer.units - offer.bought) };
            let priced = parts.map(|part| part.map_or(NONE, |(limit, ..)| place_of(limit)));
            let exposure = parts[2].map_or(0.0, |(_, _, of_spot)| of_spot);
            shelf.offers.push(Part { price: offer.price, units: free, exposure, priced });
            shelf.bought += f64::from(offer.bought);
            *amount += f64::from(units[at as usize].saturating_sub(offer.bought)).min(free);
            spent += offer.paid();
        }
        let left = |amount: f64| (amount - spent).max(0.0);
        let (least, most) = (left(limits.market_least[at]), left(limits.market_most[at]));
        (Market { shelves, weights, least, most }, amounts)
    };
    weights.into_par_iter().zip(own).enumerate().map(market_of).collect()
}

/// The best of a market at a price of money, its own least and most kept to by a price of its own.
fn of_market(market: &Market, (price, rounds): (f64, usize), prices: &[f64], amounts: &mut [f64]) -> Found {
    let first = at_price(market, (price, rounds), prices, amounts);
    if first.spent <= market.most && first.spent >= market.least {
        return first;
    }
    // Above the price of money the market spends less, below it more, at last all that there is.
    let more = first.spent < market.least;
    let bound = if more { market.least } else { market.most };
    let (first_value, first_spent) = (first.value.max(0.0), first.spent);
    let mut best = Found { spent: bound, ..first };
    // Where money is worth next to nothing beside, the market's own price lies near what a dollar reaches in it.
    let mean = first_value / first_spent.max(1e-9) * PART_OF_MEAN;
    let (mut low, mut high, mut between) = match more {
        true => (0.0, price, false),
        false => (price, (price * 4.0).max(mean), false),
    };
    for _ in 0..MARKET_STEPS {
        // Outwards until the bound lies between, then halfway.
        let tried = match (between, more) {
            (true, _) => (low + high) / 2.0,
            (false, true) => low,
            (false, false) => high,
        };
        let found = at_price(market, (tried, rounds), prices, amounts);
        let (value, spent) = (found.value + (tried - price) * bound, found.spent);
        if value < best.value {
            best = Found { value, spent: bound, own: tried - price, ..found };
        }
        match (between, spent > bound) {
            (true, true) => low = tried,
            (true, false) => high = tried,
            (false, above) if above == more => between = true,
            (false, true) => (low, high) = (high, high * 4.0),
            (false, false) => (low, high) = (if low == 0.0 { -price } else { low * 4.0 }, low),
        }
    }
    best
}

/// The tangent's most at a price: reach less money, about what is spent, and what of the limits is used.
fn at_price(market: &Market, (price, rounds): (f64, usize), prices: &[f64], amounts: &mut [f64]) -> Found {
    // What is cheap at these prices comes first.
    let costs = |part: &Part| price * part.price + part.beside(prices);
    let parts: Vec<Vec<(f64, Part)>> = market
        .shelves
        .iter()
        .map(|shelf| {
            let mut parts: Vec<(f64, Part)> = shelf.offers.iter().map(|part| (costs(part), *part)).collect();
            parts.sort_by(|one, other| one.0.total_cmp(&other.0));
            parts
        })
        .collect();
    // How little of a person is left unseen, as an exponent, so that what is taken back leaves no crumbs.
    let mut exponent = vec![0.0f64; market.weights.len()];
    for (shelf, amount) in market.shelves.iter().zip(amounts.iter()) {
        let seen = shelf.bought + amount;
        if seen > 0.0 {
            shelf.watchers.iter().for_each(|(person, rate, _)| exponent[*person as usize] += rate * seen);
        }
    }
    let mut unseen: Vec<f64> = exponent.iter().map(|exponent| (-exponent).exp()).collect();
    let slope = |watchers: &[(u32, f64, f64)], unseen: &[f64]| -> (f64, f64) {
        watchers.iter().fold((0.0, 0.0), |(first, second), (person, rate, weight)| {
            let seen = weight * unseen[*person as usize] * rate;
            (first + seen, second + seen * rate)
        })
    };
    for _ in 0..rounds {
        let mut moved = 0.0f64;
        for ((shelf, parts), amount) in market.shelves.iter().zip(&parts).zip(amounts.iter_mut()) {
            let (gain, bends) = slope(&shelf.watchers, &unseen);
            if bends <= 0.0 {
                continue;
            }
            let step = step(parts, *amount, gain, bends);
            if step != 0.0 {
                *amount += step;
                moved = moved.max(step.abs());
                for (person, rate, _) in &shelf.watchers {
                    let person = *person as usize;
                    exponent[person] += rate * step;
                    unseen[person] = (-exponent[person]).exp();
                }
            }
        }
        if moved < 1e-4 {
            break;
        }
    }
    let reach = market.weights.iter().zip(&unseen).map(|(weight, unseen)| weight * (1.0 - unseen));
    let mut found = Found { value: reach.sum(), ..Found::default() };
    for ((shelf, parts), amount) in market.shelves.iter().zip(&parts).zip(amounts.iter()) {
        let (gain, _) = slope(&shelf.watchers, &unseen);
        found.value -= gain * amount;
        let mut rest = *amount;
        for (costs, part) in parts {
            found.value += part.units * (gain - costs).max(0.0);
            let taken = rest.clamp(0.0, part.units);
            rest -= taken;
            if taken > 0.0 {
                found.spent += taken * part.price;
                let of = [part.price, part.price, part.exposure];
                let limited = part.priced.iter().zip(of).filter(|(at, _)| **at != NONE);
                found.uses.extend(limited.map(|(at, of)| (*at, taken * of)));
            }
        }
    }
    found
}

/// How far to go along a shelf towards the amount at which the next part costs what it gains: a step of Newton's within the
/// part that the amount lies in. Parts are given with what a spot costs, the cheapest first.
fn step(parts: &[(f64, Part)], amount: f64, gain: f64, bends: f64) -> f64 {
    let mut begins = 0.0;
    for (costs, part) in parts {
        let ends = begins + part.units;
        if amount < ends - 1e-12 && gain > *costs {
            return ((gain - costs) / bends).min(ends - amount);
        }
        if amount > begins + 1e-12 && amount <= ends + 1e-12 && gain < *costs {
            return -((costs - gain) / bends).min(amount - begins);
        }
        begins = ends;
    }
    0.0
}
