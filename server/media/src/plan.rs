//! The spots that reach the most of a universe for the money.
//!
//! Reach has falling returns (a spot more gains the less, the more is bought), so the spot that gains most for its price is
//! bought first, and what was worked out for a spot before is a bound of what it gains now: most are never looked at again
//! (Minoux, 1978). Then the worst purchases are given back and the money is spent anew as long as that is better. Time grows
//! with the spots that are bought and the people who watch them.

use crate::audience::Audience;
use crate::clashes::{Clash, clashes, flow};
use crate::filling::{Market, by_guide, exchange, fill, modestly, renew, take_up, worst};
use crate::offers::{Limits, Offer};
use crate::state::State;

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
}

/// Points of the curve, and how far beyond the budget it goes.
const POINTS: usize = 60;
const POINTS_BEYOND: usize = 20;
const BEYOND: f64 = 1.1;
/// How often a part of all purchases is given back.
const RENEWALS: usize = 10;
/// How often purchases are given back and the money spent anew, from nothing and from an earlier plan, which was exchanged
/// before.
const EXCHANGES: usize = 400;
const EXCHANGES_AGAIN: usize = 12;
/// Plans by buying what gains most for its cost and exchanging the worst, from nothing or from an earlier plan's units. What
/// is ranked by is `costs` by offer, or without them the price. `go_on` is told the share of the work that is done; where it
/// says to stop, what is bought by then is the plan.
///
/// All clashes of the limits are told together where there are any.
pub fn plan(
    audience: &Audience,
    offers: &[Offer],
    limits: &Limits,
    (before, costs): (Option<&[u32]>, Option<&[f64]>),
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<Plan, Vec<Clash>> {
    let clashes = clashes(offers, limits);
    if !clashes.is_empty() {
        return Err(clashes);
    }
    let market = match costs {
        Some(costs) => Market::at_costs(audience, offers, costs.into()),
        None => Market::new(audience, offers),
    };
    let by_price = |market| if costs.is_some() { Market::new(audience, offers) } else { market };
    let mut state = State::new(audience, offers, limits);
    let mut curve = vec![[state.spent, state.reached]];
    if let Some(before) = before {
        take_up(&mut state, &market, before);
    }
    spend_least(&mut state, &market)?;
    if !go_on(0.1) {
        return Ok(finished(state, &by_price(market), curve));
    }
    let step = (limits.budget / POINTS as f64).max(1e-9);
    fill(&mut state, &market, None, &mut |state, _| {
        if state.spent >= curve[curve.len() - 1][0] + step {
            curve.push([state.spent, state.reached]);
        }
    });
    if !go_on(0.6) {
        return Ok(finished(state, &by_price(market), curve));
    }
    let (renewals, exchanges) = if before.is_some() { (1, EXCHANGES_AGAIN) } else { (RENEWALS, EXCHANGES) };
    renew(&mut state, &market, renewals);
    if !go_on(0.8) {
        return Ok(finished(state, &by_price(market), curve));
    }
    exchange(&mut state, &market, exchanges);
    state.settle();
    if before.is_some() {
        curve = replayed(&state, &market, step);
    }
    go_on(0.9);
    Ok(finished(state, &by_price(market), curve))
}

/// The least amounts of markets: what gains most, each market for itself; where that leaves no room for all of them, the
/// cheapest spots; and where that does not either, as money can flow.
pub fn spend_least(state: &mut State, market: &Market) -> Result<(), Vec<Clash>> {
    if !state.limits.has_least() {
        return Ok(());
    }
    let least: Vec<(usize, f64)> =
        state.limits.market_least.iter().copied().enumerate().filter(|(_, least)| *least > 0.0).collect();
    for (at, least) in &least {
        fill(state, market, Some((*at as u32, *least)), &mut |_, _| {});
        if state.by_market[*at] < *least - 1e-6 {
            modestly(state, *at as u32, *least);
        }
    }
    if !state.has_least() {
        let guide = flow(state.offers, state.limits).map_err(|clash| vec![clash])?;
        by_guide(state, &guide);
    }
    let short = least.into_iter().filter(|(at, least)| state.by_market[*at] < *least - 1e-6);
    let between: Vec<Clash> = short
        .map(|(at, least)| Clash::LeastBetweenSpots {
            market: at as u32,
            least,
            reached: state.by_market[at],
        })
        .collect();
    if between.is_empty() { Ok(()) } else { Err(between) }
}

/// What parts of a plan reach, where it was not bought from nothing: what is lost last for its cost first.
fn replayed(plan: &State, market: &Market, step: f64) -> Vec<[f64; 2]> {
    let mut state = State::new(plan.audience, plan.offers, plan.limits);
    let mut curve = vec![[state.spent, state.reached]];
    for (_, at) in worst(plan, market).into_iter().rev() {
        state.buy_many(at, plan.units[at] - plan.offers[at].bought);
        if state.spent >= curve[curve.len() - 1][0] + step {
            curve.push([state.spent, state.reached]);
        }
    }
    curve
}

/// What was bought as a plan, with what more money would buy by price.
pub fn finished(mut state: State, market: &Market, mut curve: Vec<[f64; 2]>) -> Plan {
    state.settle();
    // Points above the plan were those of purchases that were given back.
    curve.retain(|[spent, reached]| *spent < state.spent && *reached < state.reached);
    curve.push([state.spent, state.reached]);
    let limits = state.limits;
    let more = Limits { budget: limits.budget * BEYOND + 10_000.0, ..limits.clone() };
    let mut beyond = state.under(&more);
    let mut next = None;
    let step = ((more.budget - state.spent) / POINTS_BEYOND as f64).min(10_000.0);
    fill(&mut beyond, market, None, &mut |state, rate| {
        next.get_or_insert(rate);
        if state.spent >= curve[curve.len() - 1][0] + step {
            curve.push([state.spent, state.reached]);
        }
    });
    // Where nothing more is on offer, more money reaches nobody.
    let price = next.unwrap_or(0.0);
    Plan { spent: state.spent, reached: state.reached, units: state.units, curve, price }
}
