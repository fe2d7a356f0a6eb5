//! A bound that no plan is above: what could be reached if parts of spots could be bought.
//!
//! Reach is concave in the amounts that are bought, so it lies below its tangent anywhere; and for any price of money, the best
//! amounts at that price, with what is left of the budget at that price, are no less than the best within the budget
//! (Lagrange). Both hold for whatever amounts and price are tried: good ones only make the bound tight.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::audience::Audience;
use crate::offers::{Limits, Offer};
use crate::state::Bar;

/// Rounds over the programmes of a market at one price, and how often the price is mended.
const ROUNDS: usize = 25;
const PRICES: usize = 14;

/// A programme of a market with its offers, the cheapest first.
struct Shelf {
    programme: u32,
    /// Price, what a dollar costs beside the price of money, and units.
    offers: Vec<Part>,
    bought: f64,
}

/// Spots of one price.
#[derive(Clone, Copy)]
struct Part {
    price: f64,
    extra: f64,
    units: f64,
}

/// People of the universe that no plan reaches more of.
///
/// `price` is a guess of what the last dollar reaches, `prices` what keeping to stations and dayparts costs: any are as good
/// for a bound as any. Limits of frequency are left out, which leaves the bound one.
pub fn bound(
    audience: &Audience,
    offers: &[Offer],
    limits: &Limits,
    price: f64,
    prices: &BTreeMap<(Bar, u32), f64>,
) -> f64 {
    let of = |bar: Bar, number: u32| prices.get(&(bar, number)).copied().unwrap_or(0.0).max(0.0);
    let extra = |offer: &Offer| of(Bar::Station, offer.station) + of(Bar::Daypart, offer.daypart);
    // What can never be bought.
    let shut = |offer: &Offer| {
        let most =
            limits.station_most[offer.station as usize].min(limits.daypart_most[offer.daypart as usize]);
        offer.price > most + 1e-6
    };
    // What the limits leave, at their prices.
    let mut limited = 0.0;
    for ((bar, number), price) in prices.iter().filter(|(_, price)| **price > 0.0) {
        let (most, own): (f64, fn(&Offer) -> u32) = match bar {
            Bar::Station => (limits.station_most[*number as usize], |offer| offer.station),
            Bar::Daypart => (limits.daypart_most[*number as usize], |offer| offer.daypart),
            _ => continue,
        };
        let bought = offers.iter().filter(|offer| own(offer) == *number);
        let bought: f64 = bought.map(|offer| f64::from(offer.bought) * offer.price).sum();
        limited += price * (most - bought).max(0.0);
    }
    let markets = limits.market_most.len();
    let mut shelves: Vec<Vec<Shelf>> = (0..markets).map(|_| Vec::new()).collect();
    let mut order: Vec<u32> = (0..offers.len() as u32).collect();
    order.sort_by(|one, other| {
        let (one, other) = (&offers[*one as usize], &offers[*other as usize]);
        (one.market, one.programme)
            .cmp(&(other.market, other.programme))
            .then(one.price.total_cmp(&other.price))
    });
    for at in order {
        let offer = &offers[at as usize];
        let list = &mut shelves[offer.market as usize];
        if list.last().is_none_or(|shelf| shelf.programme != offer.programme) {
            list.push(Shelf { programme: offer.programme, offers: Vec::new(), bought: 0.0 });
        }
        let shelf = list.last_mut().expect("a shelf was just put there");
        let units = if shut(offer) { 0.0 } else { f64::from(offer.units - offer.bought) };
        shelf.offers.push(Part { price: offer.price, extra: extra(offer), units });
        shelf.bought += f64::from(offer.bought);
    }
    let bought: f64 = offers.iter().map(|offer| f64::from(offer.bought) * offer.price).sum();
    let spent_in = |market: usize| -> f64 {
        let own = offers.iter().filter(|offer| offer.market as usize == market && offer.bought > 0);
        own.map(|offer| f64::from(offer.bought) * offer.price).sum()
    };
    let left: Vec<f64> = limits
        .market_most
        .iter()
        .enumerate()
        .map(|(market, most)| (most - spent_in(market)).max(0.0))
        .collect();
    let people = people_of(audience, markets);
    let mut price = price.max(1e-12);
    let mut least = f64::INFINITY;
    let (mut low, mut high): (Option<f64>, Option<f64>) = (None, None);
    let mut amounts: Vec<Vec<f64>> = shelves.iter().map(|list| vec![0.0; list.len()]).collect();
    for _ in 0..PRICES {
        let sums: Vec<(f64, f64)> = shelves
            .par_iter()
            .zip(&people)
            .zip(&left)
            .zip(&mut amounts)
            .map(|(((list, own), left), amounts)| of_market(audience, list, own, *left, price, amounts))
            .collect();
        let above: f64 = sums.iter().map(|(value, _)| value).sum();
        let spends: f64 = sums.iter().map(|(_, spent)| spent).sum();
        let budget = limits.budget - bought;
        least = least.min(above + price * budget + limited);
        // Towards the price at which just the budget is spent.
        if spends > budget {
            low = Some(price)
        } else {
            high = Some(price)
        }
        price = match (low, high) {
            (Some(low), Some(high)) if high / low < 1.000_1 => break,
            (Some(low), Some(high)) => (low * high).sqrt(),
            (Some(low), None) => low * 1.5,
            (None, Some(high)) => high / 1.5,
            (None, None) => break,
        };
    }
    let whole: f64 = audience.weights.iter().sum();
    least.min(whole)
}

fn people_of(audience: &Audience, markets: usize) -> Vec<Vec<u32>> {
    let mut people = vec![Vec::new(); markets];
    audience
        .markets
        .iter()
        .enumerate()
        .for_each(|(person, market)| people[*market as usize].push(person as u32));
    people
}

/// What a market reaches at most less the price of its money, and what it spends. The market's own most is kept to by a price
/// of its own.
fn of_market(
    audience: &Audience,
    list: &[Shelf],
    own: &[u32],
    left: f64,
    price: f64,
    amounts: &mut [f64],
) -> (f64, f64) {
    let (above, spent) = at_price(audience, list, own, price, amounts);
    if spent <= left {
        return (above, spent);
    }
    let (mut low, mut high) = (price, price * 4.0);
    let mut best = (above, left);
    for _ in 0..12 {
        let middle = (low * high).sqrt();
        let (value, spent) = at_price(audience, list, own, middle, amounts);
        let value = value + (middle - price) * left;
        if value < best.0 {
            best = (value, left);
        }
        if spent > left {
            low = middle;
            if high / low < 1.01 {
                high *= 4.0;
            }
        } else {
            high = middle;
        }
    }
    best
}

/// The tangent's most at a price: reach less money, and about what is spent.
fn at_price(audience: &Audience, list: &[Shelf], own: &[u32], price: f64, amounts: &mut [f64]) -> (f64, f64) {
    let place: std::collections::HashMap<u32, u32> =
        own.iter().enumerate().map(|(at, person)| (*person, at as u32)).collect();
    // How little of a person is left unseen, as an exponent, so that what is taken back leaves no crumbs.
    let mut exponent = vec![0.0f64; own.len()];
    let watchers: Vec<Vec<(u32, f64, f64)>> = list
        .iter()
        .map(|shelf| {
            let one = |(person, chance): &(u32, f32)| {
                let weight = audience.weights[*person as usize];
                place.get(person).map(|at| (*at, -(1.0 - f64::from(*chance)).ln(), weight))
            };
            audience.of(shelf.programme).iter().filter_map(one).filter(|(.., weight)| *weight > 0.0).collect()
        })
        .collect();
    for ((shelf, watchers), amount) in list.iter().zip(&watchers).zip(amounts.iter()) {
        watchers.iter().for_each(|(person, rate, _)| {
            exponent[*person as usize] += rate * (shelf.bought + amount);
        });
    }
    let slope = |watchers: &[(u32, f64, f64)], exponent: &[f64]| -> (f64, f64) {
        watchers.iter().fold((0.0, 0.0), |(first, second), (person, rate, weight)| {
            let seen = weight * (-exponent[*person as usize]).exp() * rate;
            (first + seen, second + seen * rate)
        })
    };
    for _ in 0..ROUNDS {
        let mut moved = 0.0f64;
        for ((shelf, watchers), amount) in list.iter().zip(&watchers).zip(amounts.iter_mut()) {
            let (gain, bends) = slope(watchers, &exponent);
            if bends <= 0.0 {
                continue;
            }
            let step = step(&shelf.offers, *amount, gain, bends, price);
            if step != 0.0 {
                *amount += step;
                moved = moved.max(step.abs());
                watchers.iter().for_each(|(person, rate, _)| exponent[*person as usize] += rate * step);
            }
        }
        if moved < 1e-4 {
            break;
        }
    }
    let mut value = 0.0;
    for (at, person) in own.iter().enumerate() {
        value += audience.weights[*person as usize] * (1.0 - (-exponent[at]).exp());
    }
    let mut spent = 0.0;
    for ((shelf, watchers), amount) in list.iter().zip(&watchers).zip(amounts.iter()) {
        let (gain, _) = slope(watchers, &exponent);
        value -= gain * amount;
        let mut rest = *amount;
        for part in &shelf.offers {
            value += part.units * (gain - (price + part.extra) * part.price).max(0.0);
            let taken = rest.min(part.units);
            spent += taken * part.price;
            rest -= taken;
        }
    }
    (value, spent)
}

/// How far to go along a shelf towards the amount at which the next part costs what it gains: a step of Newton's within the
/// offer that the amount lies in.
fn step(offers: &[Part], amount: f64, gain: f64, bends: f64, price: f64) -> f64 {
    let mut begins = 0.0;
    for part in offers {
        let (ends, costs) = (begins + part.units, (price + part.extra) * part.price);
        if amount < ends - 1e-12 && gain > costs {
            return ((gain - costs) / bends).min(ends - amount);
        }
        if amount > begins + 1e-12 && amount <= ends + 1e-12 && gain < costs {
            return -((costs - gain) / bends).min(amount - begins);
        }
        begins = ends;
    }
    0.0
}
