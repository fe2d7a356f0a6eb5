//! The spots that reach most of a universe for the money.
//!
//! Reach has falling returns (a spot more gains the less, the more is bought), so the spot that gains most for its price is
//! bought first, and what was worked out for a spot before is a bound of what it gains now: most are never looked at again
//! (Minoux, 1978). Then the worst purchases are given back and the money is spent anew as long as that is better. Time grows
//! with the spots that are bought and the people who watch them.

use std::collections::{BTreeMap, BinaryHeap};

use crate::audience::Audience;
use crate::offers::{Clash, Limits, Offer};
use crate::state::{Bar, State};

/// A plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Spots by offer, those that were bought before included.
    pub units: Vec<u32>,
    pub spent: f64,
    /// How many of the universe see a spot at least.
    pub reached: f64,
    /// What the last purchases reached, and what the next would: points of money and people.
    pub curve: Vec<[f64; 2]>,
    /// People that the next dollar reaches.
    pub price: f64,
    /// People that a dollar more of a limit reaches, by the limit and its number: what it costs to keep to it.
    pub prices: BTreeMap<(Bar, u32), f64>,
}

/// Points of the curve, and how far beyond the budget it goes.
const POINTS: usize = 60;
const BEYOND: f64 = 1.1;
/// How often purchases are given back and the money spent anew, and how many at a time; fewer where there is much to look at.
const EXCHANGES: usize = 400;
const LOOKED_AT: usize = 100_000_000;
/// The same where a plan is made from an earlier one, which was exchanged before.
const EXCHANGES_AGAIN: usize = 12;
const AT_ONCE: [usize; 3] = [1, 2, 3];

/// A programme's offers, the cheapest first.
struct Shelf {
    offers: Vec<u32>,
}

/// What may be bought, by programme.
struct Market<'a> {
    shelves: Vec<Shelf>,
    offers: &'a [Offer],
    /// The least price: with less money left nothing can be bought.
    cheapest: f64,
}

impl<'a> Market<'a> {
    fn new(audience: &Audience, offers: &'a [Offer]) -> Market<'a> {
        let mut shelves: Vec<Shelf> =
            (0..audience.programmes()).map(|_| Shelf { offers: Vec::new() }).collect();
        for (at, offer) in offers.iter().enumerate() {
            shelves[offer.programme as usize].offers.push(at as u32);
        }
        for shelf in &mut shelves {
            shelf.offers.sort_by(|one, other| {
                let price = |at: u32| offers[at as usize].price;
                price(*one).total_cmp(&price(*other)).then(one.cmp(other))
            });
        }
        let cheapest = offers.iter().map(|offer| offer.price).fold(f64::INFINITY, f64::min);
        Market { shelves, offers, cheapest }
    }
}

/// A candidate: what it gains for its price, as bits, so that it has an order; the programme; the market's changes then.
type Candidate = (u64, std::cmp::Reverse<u32>, u64);

/// Buys what gains most for its price until nothing fits. `only` names the market in which to buy, and how much is enough.
/// `noted` hears of every purchase, and of what could not be bought for a limit.
fn fill(
    state: &mut State,
    market: &Market,
    only: Option<(u32, f64)>,
    noted: &mut dyn FnMut(&State, f64),
    barred: &mut dyn FnMut(Bar, &Offer, f64),
) {
    let spent_up = |state: &State| state.spent + market.cheapest > state.limits.budget + 1e-6;
    if spent_up(state) {
        return;
    }
    let mut heap: BinaryHeap<Candidate> = BinaryHeap::new();
    // The place on its shelf of the cheapest offer that may still be bought, by programme.
    let mut next: Vec<u32> = vec![0; market.shelves.len()];
    let wanted = |offer: &Offer| only.is_none_or(|(market, _)| offer.market == market);
    let rate = |state: &State, programme: u32, at: u32| -> f64 {
        state.gain(programme) / market.offers[at as usize].price.max(1e-9)
    };
    for (programme, shelf) in market.shelves.iter().enumerate() {
        if let Some(first) = shelf.offers.first().filter(|at| wanted(&market.offers[**at as usize])) {
            let programme = programme as u32;
            let changes = state.changes[market.offers[*first as usize].market as usize];
            let rate = rate(state, programme, *first);
            if rate > 0.0 {
                heap.push((rate.to_bits(), std::cmp::Reverse(programme), changes));
            }
        }
    }
    while let Some((held, std::cmp::Reverse(programme), seen)) = heap.pop() {
        let shelf = &market.shelves[programme as usize];
        let Some(at) = shelf.offers.get(next[programme as usize] as usize).copied() else { continue };
        let offer = &market.offers[at as usize];
        let changes = state.changes[offer.market as usize];
        if changes != seen {
            let now = rate(state, programme, at).to_bits();
            if heap.peek().is_some_and(|(other, ..)| now < *other) {
                heap.push((now, std::cmp::Reverse(programme), changes));
                continue;
            }
        }
        if only.is_some_and(|(of, enough)| state.by_market[of as usize] >= enough - 1e-6) {
            return;
        }
        match state.bar(at as usize) {
            None => {
                state.buy(at as usize);
                noted(state, f64::from_bits(held));
                if spent_up(state) {
                    return;
                }
            }
            Some(bar) => {
                let now = rate(state, programme, at);
                barred(bar, offer, now);
                // What the money, the market or the station bars here it bars for dearer offers too; weeks and dayparts differ.
                if matches!(bar, Bar::Units | Bar::Frequency | Bar::Daypart) {
                    next[programme as usize] += 1;
                } else {
                    continue;
                }
            }
        }
        let Some(at) = shelf.offers.get(next[programme as usize] as usize) else { continue };
        let (rate, changes) = (rate(state, programme, *at), state.changes[offer.market as usize]);
        if rate > 0.0 {
            heap.push((rate.to_bits(), std::cmp::Reverse(programme), changes));
        }
    }
}

/// Plans, from nothing or from an earlier plan's units. `go_on` is told the share of the work that is done.
///
/// All clashes of the limits are told together where there are any.
pub fn plan(
    audience: &Audience,
    offers: &[Offer],
    limits: &Limits,
    before: Option<&[u32]>,
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<Plan, Vec<Clash>> {
    let clashes = limits.clashes(offers);
    if !clashes.is_empty() {
        return Err(clashes);
    }
    let market = Market::new(audience, offers);
    let mut state = State::new(audience, offers, limits);
    let mut curve = vec![[state.spent, state.reached]];
    let mut prices: BTreeMap<(Bar, u32), f64> = BTreeMap::new();
    let mut price = 0.0;
    if let Some(before) = before {
        take_up(&mut state, before);
    }
    // The least amounts first, each market for itself.
    let mut clashes = Vec::new();
    for (at, least) in limits.market_least.iter().enumerate().filter(|(_, least)| **least > 0.0) {
        let mut last = 0.0;
        fill(&mut state, &market, Some((at as u32, *least)), &mut |_, rate| last = rate, &mut |_, _, _| {});
        if state.by_market[at] < *least - 1e-6 {
            by_price(&mut state, at as u32, *least);
        }
        if state.by_market[at] < *least - 1e-6 {
            let reached = state.by_market[at];
            clashes.push(Clash::LeastOutOfReach { market: at as u32, least: *least, reached });
        }
        if last > 0.0 {
            prices.insert((Bar::Units, at as u32), last);
        }
    }
    if !clashes.is_empty() {
        return Err(clashes);
    }
    let least_rates = std::mem::take(&mut prices);
    if !go_on(0.1) {
        return Ok(finished(state, curve, price, prices));
    }
    let step = limits.budget / POINTS as f64;
    fill(
        &mut state,
        &market,
        None,
        &mut |state, rate| {
            price = rate;
            if state.spent >= curve[curve.len() - 1][0] + step {
                curve.push([state.spent, state.reached]);
            }
        },
        &mut |bar, offer, rate| {
            let number = match bar {
                Bar::Market | Bar::Frequency => offer.market,
                Bar::Station => offer.station,
                Bar::Daypart => offer.daypart,
                Bar::Budget | Bar::Units => return,
            };
            let held = prices.entry((bar, number)).or_default();
            *held = held.max(rate);
        },
    );
    if !go_on(0.6) {
        return Ok(finished(state, curve, price, prices));
    }
    exchange(&mut state, &market, if before.is_some() { EXCHANGES_AGAIN } else { EXCHANGES });
    state.settle();
    curve.push([state.spent, state.reached]);
    // What more money would buy.
    let more = Limits { budget: limits.budget * BEYOND + 10_000.0, ..limits.clone() };
    let mut beyond = state.under(&more);
    let mut next = None;
    fill(
        &mut beyond,
        &market,
        None,
        &mut |state, rate| {
            next.get_or_insert(rate);
            if state.spent >= curve[curve.len() - 1][0] + step.min(10_000.0) {
                curve.push([state.spent, state.reached]);
            }
        },
        &mut |_, _, _| {},
    );
    let price = next.unwrap_or(if state.spent + 1e-6 < limits.budget { 0.0 } else { price });
    // What a limit bars gains that much more than what the money buys instead.
    prices.values_mut().for_each(|rate| *rate = (*rate - price).max(0.0));
    for ((_, market), rate) in least_rates {
        let binds = state.by_market[market as usize]
            < limits.market_least[market as usize] + cheapest(offers, market);
        if binds && rate < price {
            prices.insert((Bar::Units, market), rate - price);
        }
    }
    prices.retain(|_, rate| rate.abs() > 0.0);
    go_on(0.9);
    Ok(finished(state, curve, price, prices))
}

fn cheapest(offers: &[Offer], market: u32) -> f64 {
    let own = offers.iter().filter(|offer| offer.market == market);
    own.map(|offer| offer.price).fold(f64::INFINITY, f64::min)
}

fn finished(mut state: State, curve: Vec<[f64; 2]>, price: f64, prices: BTreeMap<(Bar, u32), f64>) -> Plan {
    state.settle();
    Plan { spent: state.spent, reached: state.reached, units: state.units, curve, price, prices }
}

/// Spends a market's least amount on its cheapest spots, where those that gain most leave no room for it.
fn by_price(state: &mut State, market: u32, least: f64) {
    let mut own: Vec<usize> =
        (0..state.offers.len()).filter(|at| state.offers[*at].market == market).collect();
    own.sort_by(|one, other| {
        state.offers[*one].price.total_cmp(&state.offers[*other].price).then(one.cmp(other))
    });
    for at in &own {
        while state.units[*at] > state.offers[*at].bought {
            state.give_back(*at);
        }
    }
    for at in own {
        while state.by_market[market as usize] < least - 1e-6 && state.bar(at).is_none() {
            state.buy(at);
        }
    }
}

/// Buys what an earlier plan had, as far as prices and limits of now allow, and gives the tenth back that gains least for its
/// price: new prices change what is worth it.
fn take_up(state: &mut State, before: &[u32]) {
    for (at, units) in before.iter().enumerate().take(state.offers.len()) {
        while state.units[at] < *units && state.bar(at).is_none() {
            state.buy(at);
        }
    }
    let mut held: Vec<(f64, usize)> = worst(state);
    held.truncate(held.len() / 10);
    for (_, at) in held {
        while state.units[at] > state.offers[at].bought {
            state.give_back(at);
        }
    }
}

/// Offers of which something may be given back, those first that lose least for their price.
fn worst(state: &State) -> Vec<(f64, usize)> {
    let may = |at: &usize| state.units[*at] > state.offers[*at].bought;
    let mut held: Vec<(f64, usize)> = (0..state.offers.len())
        .filter(may)
        .map(|at| (state.loss(state.offers[at].programme) / state.offers[at].price.max(1e-9), at))
        .collect();
    held.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    held
}

/// Gives a few of the worst purchases back and spends the money anew, where that is better.
fn exchange(state: &mut State, market: &Market, exchanges: usize) {
    let watching: usize = (0..state.audience.programmes() as u32).map(|at| state.audience.of(at).len()).sum();
    let most = exchanges.min(LOOKED_AT / (watching + state.offers.len() + state.audience.weights.len() + 1));
    let mut tries = 0;
    loop {
        let begun = state.reached;
        let held = worst(state);
        for count in AT_ONCE {
            for at in 0..held.len().min(EXCHANGES / 8) {
                tries += 1;
                if tries > most {
                    return;
                }
                let mut tried = state.clone();
                for (_, offer) in held.iter().skip(at).take(count) {
                    if tried.units[*offer] > tried.offers[*offer].bought {
                        tried.give_back(*offer);
                    }
                }
                let kept = |state: &State| {
                    let least = state.limits.market_least.iter();
                    least.zip(&state.by_market).all(|(least, spent)| *spent >= *least - 1e-6)
                };
                fill(&mut tried, market, None, &mut |_, _| {}, &mut |_, _, _| {});
                if kept(&tried) && tried.reached > state.reached * (1.0 + 1e-9) {
                    *state = tried;
                }
            }
        }
        if state.reached <= begun * (1.0 + 1e-9) {
            return;
        }
    }
}
