//! The spots that reach the most of a universe for the money.
//!
//! Reach has falling returns (a spot more gains the less, the more is bought), so the spot that gains most for its price is
//! bought first, and what was worked out for a spot before is a bound of what it gains now: most are never looked at again
//! (Minoux, 1978). Then the worst purchases are given back and the money is spent anew as long as that is better. Time grows
//! with the spots that are bought and the people who watch them.

use std::collections::BTreeMap;

use crate::audience::Audience;
use crate::bound::{Bound, bound};
use crate::clashes::{Clash, clashes, flow};
use crate::exact::{TooMany, better};
use crate::filling::{Market, by_guide, by_price, exchange, fill, take_up};
use crate::offers::{Limit, Limits, Offer};
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

/// A plan, and how good it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    pub plan: Plan,
    /// What no plan is above, and what the limits cost.
    pub bound: Bound,
    /// Every choice was looked at: there is no better plan.
    pub proven: bool,
}

impl Solution {
    /// No plan reaches more.
    pub fn most(&self) -> f64 {
        if self.proven { self.plan.reached } else { self.bound.most.max(self.plan.reached) }
    }
}

/// Points of the curve, and how far beyond the budget it goes.
const POINTS: usize = 60;
const BEYOND: f64 = 1.1;
/// How often purchases are given back and the money spent anew, from nothing and from an earlier plan, which was exchanged
/// before.
const EXCHANGES: usize = 400;
const EXCHANGES_AGAIN: usize = 12;
/// Distance to the bound from which plans are made anew by the prices of all limits, and how often.
const WIDE: f64 = 2e-4;
const GUIDED: usize = 3;
/// Inventories up to so many free spots are searched through whole, as far as so many choices suffice, each of which holds
/// what everybody saw of it.
const FEW_SPOTS: u64 = 60;
const CHOICES: usize = 200_000;
const MOST_WORK: usize = 100_000_000;

/// The best plan that is found, with a bound that none is above, from nothing or from an earlier plan's units. `go_on` is told
/// the share of the work that is done; none where it says to stop.
///
/// All clashes of the limits are told together where there are any.
pub fn solve(
    audience: &Audience,
    offers: &[Offer],
    limits: &Limits,
    before: Option<&[u32]>,
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<Option<Solution>, Vec<Clash>> {
    let mut found = plan(audience, offers, limits, before, &mut |share| go_on(share * 0.7));
    if found.is_err() && before.is_some() {
        // What was bought before may stand in the way of what is wanted now.
        found = plan(audience, offers, limits, None, &mut |share| go_on(share * 0.7));
    }
    let mut proven = false;
    let free: u64 = offers.iter().map(|offer| u64::from(offer.units.saturating_sub(offer.bought))).sum();
    let between = |clashes: &Vec<Clash>| {
        clashes.iter().all(|clash| matches!(clash, Clash::LeastBetweenSpots { .. }))
    };
    if free <= FEW_SPOTS && found.as_ref().err().is_none_or(between) {
        // Nothing at all is a plan where nothing is bought: an amount below none lets any through that has its least.
        let reached = found.as_ref().map_or(-1.0, |plan| plan.reached);
        let choices = CHOICES.min(MOST_WORK / audience.weights.len().max(1));
        match better(audience, offers, limits, reached, choices) {
            Ok(None) => proven = true,
            Ok(Some(units)) => {
                let mut state = State::new(audience, offers, limits);
                state.take(&units);
                let (curve, price) = found.map_or((Vec::new(), 0.0), |plan| (plan.curve, plan.price));
                (found, proven) = (Ok(finished(state, curve, price)), true);
            }
            Err(TooMany) => {}
        }
    }
    let mut plan = found?;
    if !go_on(0.7) {
        return Ok(None);
    }
    let mut bound = bound_of(audience, offers, limits, &plan);
    // Where more than money is short, what is worth it shows at the prices of everything that is.
    let mut tries = if before.is_some() { 1 } else { GUIDED };
    while !proven && tries > 0 && !bound.prices.is_empty() && bound.most > plan.reached * (1.0 + WIDE) {
        tries -= 1;
        let costs = costs(offers, limits, &bound);
        let Some(guided) = guided(audience, offers, limits, &plan, costs) else { break };
        plan = guided;
        let again = bound_of(audience, offers, limits, &plan);
        if again.most < bound.most {
            bound = again;
        }
        if !go_on(0.8) {
            return Ok(None);
        }
    }
    let sold_out = sold_out(audience, offers, limits, &plan, &bound);
    bound.prices.extend(sold_out);
    Ok(go_on(0.9).then_some(Solution { plan, bound, proven }))
}

fn bound_of(audience: &Audience, offers: &[Offer], limits: &Limits, plan: &Plan) -> Bound {
    bound(audience, offers, limits, (&plan.units, plan.reached, plan.price))
}

/// What a spot of every offer costs at the prices of a bound: its money, and what it takes of the limits.
fn costs(offers: &[Offer], limits: &Limits, bound: &Bound) -> Vec<f64> {
    let of = |limit: Limit| bound.prices.get(&limit).copied().unwrap_or(0.0);
    let cost = |offer: &Offer| {
        let money = bound.price
            + of(Limit::MarketMost(offer.market))
            + of(Limit::MarketLeast(offer.market))
            + of(Limit::Station(offer.station))
            + of(Limit::Daypart(offer.daypart));
        let often = limits.frequency.as_ref().map_or(0.0, |of| of.of_spot[offer.programme as usize]);
        money * offer.price + often * of(Limit::Frequency(offer.market, offer.week))
    };
    offers.iter().map(cost).collect()
}

/// A plan by what everything costs at such prices, where it is better than one.
fn guided(
    audience: &Audience,
    offers: &[Offer],
    limits: &Limits,
    plan: &Plan,
    mut costs: Vec<f64>,
) -> Option<Plan> {
    // What is worth less than nothing elsewhere is still not bought for nothing.
    costs.iter_mut().zip(offers).for_each(|(cost, offer)| *cost = cost.max(1e-9 * offer.price).max(1e-12));
    let market = Market::at_costs(audience, offers, costs.into());
    let mut state = State::new(audience, offers, limits);
    if limits.has_least() {
        spend_least(&mut state, &market).ok()?;
    }
    fill(&mut state, &market, None, &mut |_, _| {});
    exchange(&mut state, &market, EXCHANGES);
    state.settle();
    (state.reached > plan.reached).then(|| finished(state, plan.curve.clone(), plan.price))
}

/// Spots that are sold out: people that one spot more would reach beside what its money and limits are worth elsewhere.
fn sold_out(
    audience: &Audience,
    offers: &[Offer],
    limits: &Limits,
    plan: &Plan,
    bound: &Bound,
) -> BTreeMap<Limit, f64> {
    let mut state = State::new(audience, offers, limits);
    state.take(&plan.units);
    let costs = costs(offers, limits, bound);
    let mut gains: Vec<Option<f64>> = vec![None; audience.programmes()];
    let all = offers.iter().enumerate().filter(|(at, offer)| plan.units[*at] >= offer.units);
    let worth = all.map(|(at, offer)| {
        let gain = gains[offer.programme as usize].get_or_insert_with(|| state.gain(offer.programme));
        (Limit::Units(at as u32), *gain - costs[at])
    });
    worth.filter(|(_, worth)| *worth > 0.0).collect()
}

/// Plans by buying what gains most and exchanging the worst, from nothing or from an earlier plan's units. `go_on` is told the
/// share of the work that is done; where it says to stop, what is bought by then is the plan.
///
/// All clashes of the limits are told together where there are any.
pub fn plan(
    audience: &Audience,
    offers: &[Offer],
    limits: &Limits,
    before: Option<&[u32]>,
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<Plan, Vec<Clash>> {
    let clashes = clashes(offers, limits);
    if !clashes.is_empty() {
        return Err(clashes);
    }
    let market = Market::new(audience, offers);
    let mut state = State::new(audience, offers, limits);
    let mut curve = vec![[state.spent, state.reached]];
    if let Some(before) = before {
        take_up(&mut state, &market, before);
    }
    spend_least(&mut state, &market)?;
    let mut price = 0.0;
    if !go_on(0.1) {
        return Ok(finished(state, curve, price));
    }
    let step = limits.budget / POINTS as f64;
    fill(&mut state, &market, None, &mut |state, rate| {
        price = rate;
        if state.spent >= curve[curve.len() - 1][0] + step {
            curve.push([state.spent, state.reached]);
        }
    });
    if !go_on(0.6) {
        return Ok(finished(state, curve, price));
    }
    exchange(&mut state, &market, if before.is_some() { EXCHANGES_AGAIN } else { EXCHANGES });
    state.settle();
    go_on(0.9);
    Ok(finished(state, curve, price))
}

/// The least amounts of markets: what gains most, each market for itself; where that leaves no room for all of them, the
/// cheapest spots; and where that does not either, as money can flow.
fn spend_least(state: &mut State, market: &Market) -> Result<(), Vec<Clash>> {
    if !state.limits.has_least() {
        return Ok(());
    }
    let least: Vec<(usize, f64)> =
        state.limits.market_least.iter().copied().enumerate().filter(|(_, least)| *least > 0.0).collect();
    for (at, least) in &least {
        fill(state, market, Some((*at as u32, *least)), &mut |_, _| {});
        if state.by_market[*at] < *least - 1e-6 {
            by_price(state, *at as u32, *least);
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

/// What was bought as a plan, with what more money would buy. `price` is what the last dollar
/// reached, where that is known.
fn finished(mut state: State, mut curve: Vec<[f64; 2]>, price: f64) -> Plan {
    state.settle();
    // Points above the plan were those of purchases that were given back.
    curve.retain(|[spent, reached]| *spent < state.spent && *reached < state.reached);
    curve.push([state.spent, state.reached]);
    let limits = state.limits;
    let more = Limits { budget: limits.budget * BEYOND + 10_000.0, ..limits.clone() };
    let market = Market::new(state.audience, state.offers);
    let mut beyond = state.under(&more);
    let mut next = None;
    let step = (limits.budget / POINTS as f64).min(10_000.0);
    fill(&mut beyond, &market, None, &mut |state, rate| {
        next.get_or_insert(rate);
        if state.spent >= curve[curve.len() - 1][0] + step {
            curve.push([state.spent, state.reached]);
        }
    });
    let price = next.unwrap_or(if state.spent + 1e-6 < limits.budget { 0.0 } else { price });
    Plan { spent: state.spent, reached: state.reached, units: state.units, curve, price }
}
