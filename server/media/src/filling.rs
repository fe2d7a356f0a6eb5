//! Buying and giving back: what gains most for its price first, then the worst purchases against better ones.

use std::borrow::Cow;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use crate::audience::Audience;
use crate::clashes::Guide;
use crate::offers::Offer;
use crate::state::State;

/// How many of the worst purchases are given back in turn, and how many at a time; fewer where there is much to look at.
const TURNS: usize = 50;
const LOOKED_AT: usize = 30_000_000;
const AT_ONCE: [usize; 3] = [1, 2, 3];
const FEWEST: usize = 12;
/// The largest part that is given back at a time.
const LARGEST_PART: f64 = 0.25;

/// A programme's offers, the cheapest first.
struct Shelf {
    offers: Vec<u32>,
    /// The least price.
    cheapest: f64,
}

/// What may be bought, by programme.
pub struct Market<'a> {
    shelves: Vec<Shelf>,
    offers: &'a [Offer],
    /// What a spot of an offer costs, by which it is ranked: dollars, or what its money and its limits are worth elsewhere.
    costs: Cow<'a, [f64]>,
    /// The least price: with less money left nothing can be bought.
    cheapest: f64,
}

impl<'a> Market<'a> {
    /// By price.
    pub fn new(audience: &Audience, offers: &'a [Offer]) -> Market<'a> {
        let prices = offers.iter().map(|offer| offer.price.max(1e-9)).collect();
        Market::at_costs(audience, offers, Cow::Owned(prices))
    }

    /// By costs of another kind.
    pub fn at_costs(audience: &Audience, offers: &'a [Offer], costs: Cow<'a, [f64]>) -> Market<'a> {
        let mut shelves: Vec<Shelf> = (0..audience.programmes())
            .map(|_| Shelf { offers: Vec::new(), cheapest: f64::INFINITY })
            .collect();
        for (at, offer) in offers.iter().enumerate() {
            let shelf = &mut shelves[offer.programme as usize];
            shelf.offers.push(at as u32);
            shelf.cheapest = shelf.cheapest.min(offer.price);
        }
        shelves.par_iter_mut().for_each(|shelf| {
            shelf.offers.sort_by(|one, other| {
                costs[*one as usize].total_cmp(&costs[*other as usize]).then(one.cmp(other))
            });
        });
        let cheapest = shelves.iter().map(|shelf| shelf.cheapest).fold(f64::INFINITY, f64::min);
        Market { shelves, offers, costs, cheapest }
    }
}

/// A candidate: what it gains for its cost, as bits, so that it has an order; the programme; the market's changes then.
type Candidate = (u64, std::cmp::Reverse<u32>, u64);

/// Buys what gains most for its cost until nothing fits. `only` names the market in which to buy, and how much is enough.
/// `noted` hears of every purchase.
pub fn fill(
    state: &mut State,
    market: &Market,
    only: Option<(u32, f64)>,
    noted: &mut dyn FnMut(&State, f64),
) {
    let spent_up = |state: &State| state.spent + market.cheapest > state.limits.budget + 1e-6;
    if spent_up(state) {
        return;
    }
    // The place on its shelf of the first offer that may be bought, by programme. What is barred stays so while only more is
    // bought.
    let mut next: Vec<u32> = vec![0; market.shelves.len()];
    let advance = |state: &State, programme: u32, next: &mut u32| -> Option<u32> {
        let Shelf { offers, cheapest } = &market.shelves[programme as usize];
        if state.spent + cheapest > state.limits.budget + 1e-6 {
            return None;
        }
        while state.bar(*offers.get(*next as usize)? as usize).is_some() {
            *next += 1;
        }
        offers.get(*next as usize).copied()
    };
    let candidate = |state: &State, programme: u32, at: u32| -> Option<Candidate> {
        let rate = state.gain(programme) / market.costs[at as usize];
        let changes = state.changes[market.offers[at as usize].market as usize];
        (rate > 0.0).then_some((rate.to_bits(), std::cmp::Reverse(programme), changes))
    };
    let wanted = |at: u32| only.is_none_or(|(of, _)| market.offers[at as usize].market == of);
    let first = |(programme, next): (usize, &mut u32)| {
        let shelf = &market.shelves[programme];
        shelf.offers.first().filter(|at| wanted(**at))?;
        let at = advance(state, programme as u32, next)?;
        candidate(state, programme as u32, at)
    };
    let candidates: Vec<Candidate> = next.par_iter_mut().enumerate().filter_map(first).collect();
    let mut heap = BinaryHeap::from(candidates);
    while let Some((held, std::cmp::Reverse(programme), seen)) = heap.pop() {
        let place = &mut next[programme as usize];
        let Some(before) = market.shelves[programme as usize].offers.get(*place as usize).copied() else {
            continue;
        };
        let Some(at) = advance(state, programme, place) else { continue };
        let (offer, mut rate) = (&market.offers[at as usize], held);
        if at != before || state.changes[offer.market as usize] != seen {
            let Some(now) = candidate(state, programme, at) else { continue };
            if heap.peek().is_some_and(|(other, ..)| now.0 < *other) {
                heap.push(now);
                continue;
            }
            rate = now.0;
        }
        if only.is_some_and(|(of, enough)| state.by_market[of as usize] >= enough - 1e-6) {
            return;
        }
        state.buy(at as usize);
        noted(state, f64::from_bits(rate));
        if spent_up(state) {
            return;
        }
        if let Some(now) = advance(state, programme, place).and_then(|at| candidate(state, programme, at)) {
            heap.push(now);
        }
    }
}

/// Offers by how little of the limits a dollar of them takes: the fewest exposures where these are limited, the cheapest.
fn modest(state: &State, mut of: Vec<usize>) -> Vec<usize> {
    let often = |at: usize| {
        let offer = &state.offers[at];
        let of_spot = state.limits.frequency.as_ref().map(|of| of.of_spot[offer.programme as usize]);
        of_spot.map_or(0.0, |exposures| exposures / offer.price.max(1e-9))
    };
    of.sort_by(|one, other| {
        let price = |at: usize| state.offers[at].price;
        often(*one).total_cmp(&often(*other)).then(price(*one).total_cmp(&price(*other))).then(one.cmp(other))
    });
    of
}

/// Spends a market's least amount on its most modest spots, where those that gain most leave no room for it.
pub fn modestly(state: &mut State, market: u32, least: f64) {
    let own = (0..state.offers.len()).filter(|at| state.offers[*at].market == market);
    let own = modest(state, own.collect());
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

/// Spends least amounts as a flow found that they get through the limits, the most modest spots first, then whatever fits.
pub fn by_guide(state: &mut State, guide: &Guide) {
    for at in 0..state.offers.len() {
        while state.units[at] > state.offers[at].bought {
            state.give_back(at);
        }
    }
    let (offers, limits) = (state.offers, state.limits);
    let order = modest(state, (0..offers.len()).collect());
    let mut left = guide.clone();
    let enough = |state: &State, at: usize| {
        let market = offers[at].market as usize;
        state.by_market[market] >= limits.market_least[market] - 1e-6
    };
    for guided in [true, false] {
        for at in &order {
            let offer = &offers[*at];
            let mut none = f64::INFINITY;
            let room = match guided {
                true => left.get_mut(&(offer.station, offer.daypart)),
                false => Some(&mut none),
            };
            let Some(room) = room else { continue };
            while *room >= offer.price - 1e-6 && !enough(state, *at) && state.bar(*at).is_none() {
                state.buy(*at);
                *room -= offer.price;
            }
        }
    }
}

/// Buys what an earlier plan had, as far as prices and limits of now allow, and gives the tenth back that gains least for its
/// price: new prices change what is worth it.
pub fn take_up(state: &mut State, market: &Market, before: &[u32]) {
    for (at, units) in before.iter().enumerate().take(state.offers.len()) {
        while state.units[at] < *units && state.bar(at).is_none() {
            state.buy(at);
        }
    }
    let mut held: Vec<(f64, usize)> = worst(state, market);
    held.truncate(held.len() / 10);
    for (_, at) in held {
        while state.units[at] > state.offers[at].bought {
            state.give_back(at);
        }
    }
}

/// Offers of which something may be given back, those first that lose least for their cost.
pub fn worst(state: &State, market: &Market) -> Vec<(f64, usize)> {
    let may = |at: &usize| state.units[*at] > state.offers[*at].bought;
    let mut held: Vec<(f64, usize)> = (0..state.offers.len())
        .filter(may)
        .map(|at| (state.loss(state.offers[at].programme) / market.costs[at], at))
        .collect();
    held.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    held
}

/// Gives parts of what was bought back, the worst first, and buys anew: what was bought early was chosen before its neighbours
/// were. Smaller parts follow as larger ones bring no more.
pub fn renew(state: &mut State, market: &Market, most: usize) {
    let mut part = LARGEST_PART;
    for _ in 0..most {
        let held = worst(state, market);
        let count = (held.len() as f64 * part) as usize;
        if count == 0 {
            return;
        }
        let mut tried = state.clone();
        for (_, at) in &held[..count] {
            while tried.units[*at] > tried.offers[*at].bought {
                tried.give_back(*at);
            }
        }
        fill(&mut tried, market, None, &mut |_, _| {});
        if tried.has_least() && tried.reached > state.reached * (1.0 + 1e-6) {
            *state = tried;
        } else {
            part /= 2.0;
        }
    }
}

/// Gives a few of the worst purchases back and spends the money anew, where that is better.
pub fn exchange(state: &mut State, market: &Market, exchanges: usize) {
    let watching: usize = (0..state.audience.programmes() as u32).map(|at| state.audience.of(at).len()).sum();
    let most = exchanges.min(LOOKED_AT / (watching + state.offers.len() + state.audience.weights.len() + 1));
    // A handful of exchanges is nothing among so many purchases.
    if most < FEWEST {
        return;
    }
    let mut tries = 0;
    loop {
        let begun = state.reached;
        let held = worst(state, market);
        for count in AT_ONCE {
            for at in 0..held.len().min(TURNS) {
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
                fill(&mut tried, market, None, &mut |_, _| {});
                if tried.has_least() && tried.reached > state.reached * (1.0 + 1e-9) {
                    *state = tried;
                }
            }
        }
        if state.reached <= begun * (1.0 + 1e-9) {
            return;
        }
    }
}
