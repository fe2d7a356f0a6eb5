//! Buying and giving back: what gains most for its price first, then the worst purchases against better ones.

use std::borrow::Cow;
use std::collections::BinaryHeap;

use crate::audience::Audience;
use crate::clashes::Guide;
use crate::offers::{Limit, Offer};
use crate::state::State;

/// How many of the worst purchases are given back in turn, and how many at a time; fewer where there is much to look at.
const TURNS: usize = 50;
const LOOKED_AT: usize = 100_000_000;
const AT_ONCE: [usize; 3] = [1, 2, 3];

/// A programme's offers, the cheapest first.
struct Shelf {
    offers: Vec<u32>,
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
        let mut shelves: Vec<Shelf> =
            (0..audience.programmes()).map(|_| Shelf { offers: Vec::new() }).collect();
        for (at, offer) in offers.iter().enumerate() {
            shelves[offer.programme as usize].offers.push(at as u32);
        }
        for shelf in &mut shelves {
            shelf.offers.sort_by(|one, other| {
                costs[*one as usize].total_cmp(&costs[*other as usize]).then(one.cmp(other))
            });
        }
        let cheapest = offers.iter().map(|offer| offer.price).fold(f64::INFINITY, f64::min);
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
    let mut heap: BinaryHeap<Candidate> = BinaryHeap::new();
    // The place on its shelf of the cheapest offer that may still be bought, by programme.
    let mut next: Vec<u32> = vec![0; market.shelves.len()];
    let wanted = |offer: &Offer| only.is_none_or(|(market, _)| offer.market == market);
    let rate = |state: &State, programme: u32, at: u32| -> f64 {
        state.gain(programme) / market.costs[at as usize]
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
                // What the money, the market or the station bars here it bars for dearer offers too; weeks and dayparts differ.
                if matches!(bar, Limit::Units(_) | Limit::Frequency(..) | Limit::Daypart(_)) {
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

/// Offers by how little of the limits a dollar of them takes: the fewest exposures where these are limited, the cheapest.
fn modest(state: &State, mut of: Vec<usize>) -> Vec<usize> {
    let often = |at: usize| {
        let offer = &state.offers[at];
        let of_spot = state.limits.frequency.as_ref().map(|of| of.of_spot[offer.programme as usize]);
        of_spot.map_or(0.0, |exposures| exposures / offer.price.max(1e-9))
    };
    of.sort_by(|one, other| {
        let price = |at: usize| state.offers[at].price;
        often(*one)
            .total_cmp(&often(*other))
            .then(price(*one).total_cmp(&price(*other)))
            .then(one.cmp(other))
    });
    of
}

/// Spends a market's least amount on its most modest spots, where those that gain most leave no room for it.
pub fn by_price(state: &mut State, market: u32, least: f64) {
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

/// Gives a few of the worst purchases back and spends the money anew, where that is better.
pub fn exchange(state: &mut State, market: &Market, exchanges: usize) {
    let watching: usize = (0..state.audience.programmes() as u32).map(|at| state.audience.of(at).len()).sum();
    let most = exchanges.min(LOOKED_AT / (watching + state.offers.len() + state.audience.weights.len() + 1));
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
