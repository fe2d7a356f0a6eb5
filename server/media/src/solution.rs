//! A plan with what no plan is above, made anew by the prices of all limits where more than money is short.

use std::collections::BTreeMap;

use crate::audience::Audience;
use crate::bound::{Begin, Bound, bound};
use crate::clashes::{Clash, clashes};
use crate::exact::{TooMany, better};
use crate::filling::Market;
use crate::offers::{Limit, Limits, Offer};
use crate::plan::{Plan, finished, plan, spend_least};
use crate::state::State;

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

/// An earlier solution to begin from: its spots by offer, and what money and the limits cost then.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    pub units: &'a [u32],
    pub price: f64,
    pub prices: &'a BTreeMap<Limit, f64>,
    /// How far below its bound it was, of the bound.
    pub gap: f64,
}

/// Distance to the bound, as a part of it, from which plans are made anew by the prices of all limits, and how often; of plans
/// made again, where they are so many times and so much further from it than the earlier one.
const WIDE: f64 = 2e-4;
const GUIDED: usize = 2;
const WIDER: (f64, f64) = (2.0, 2e-3);
const WIDEST: f64 = 0.05;
/// How near a bound above a plan is near enough, and at most where a plan is made again.
const NEAR: f64 = 1e-5;
const NEAR_AGAIN: f64 = 2e-3;
/// Inventories up to so many free spots are searched through whole, as far as so many choices suffice, each of which holds
/// what everybody saw of it.
const FEW_SPOTS: u64 = 60;
const CHOICES: usize = 200_000;
const MOST_WORK: usize = 100_000_000;

/// The best plan that is found, with a bound that none is above, from nothing or quickly from an earlier one. `go_on` is told
/// the share of the work that is done; none where it says to stop.
///
/// All clashes of the limits are told together where there are any.
pub fn solve(
    audience: &Audience,
    offers: &[Offer],
    limits: &Limits,
    before: Option<Before>,
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<Option<Solution>, Vec<Clash>> {
    let held = before.as_ref().filter(|before| !before.prices.is_empty());
    let at_costs = held.map(|before| costs(offers, limits, before.price, before.prices));
    let start = (before.map(|before| before.units), at_costs.as_deref());
    let mut found = plan(audience, offers, limits, start, &mut |share| go_on(share * 0.7));
    if found.is_err() && before.is_some() {
        // What was bought before may stand in the way of what is wanted now.
        found = plan(audience, offers, limits, (None, None), &mut |share| go_on(share * 0.7));
    }
    let mut proven = false;
    let between =
        |clashes: &Vec<Clash>| clashes.iter().all(|clash| matches!(clash, Clash::LeastBetweenSpots { .. }));
    if few(offers) && found.as_ref().err().is_none_or(between) {
        // Nothing at all is a plan where nothing is bought: an amount below none lets any through that has its least.
        let reached = found.as_ref().map_or(-1.0, |plan| plan.reached);
        match better(audience, offers, limits, reached, choices(audience)) {
            Ok(None) => proven = true,
            Ok(Some(units)) => {
                let mut state = State::new(audience, offers, limits);
                state.take(&units);
                let curve = found.map_or(Vec::new(), |plan| plan.curve);
                (found, proven) = (Ok(finished(state, &Market::new(audience, offers), curve)), true);
            }
            Err(TooMany) => {}
        }
    }
    let mut plan = found?;
    if !go_on(0.7) {
        return Ok(None);
    }
    let prices = before.map(|before| (before.price, before.prices));
    // As near as the earlier plan was is near enough, if that was near.
    let enough = before.map_or(NEAR, |before| (before.gap * 1.1).min(NEAR_AGAIN) + NEAR);
    let bound_of = |plan: &Plan, prices: Option<(f64, &BTreeMap<Limit, f64>)>| {
        let begin = Begin { units: &plan.units, reached: plan.reached, price: plan.price, prices, enough };
        bound(audience, offers, limits, &begin)
    };
    let mut bound = bound_of(&plan, prices);
    // Where more than money is short, what is worth it shows at the prices of everything that is.
    let (mut tries, wide) = match &before {
        Some(before) => (1, (before.gap * WIDER.0 + WIDER.1).min(WIDEST)),
        None => (GUIDED, WIDE),
    };
    while !proven && tries > 0 && !bound.prices.is_empty() && plan.reached < bound.most * (1.0 - wide) {
        tries -= 1;
        let Some(better) = guided(audience, offers, limits, (&plan, &bound), &mut |_| go_on(0.75)) else {
            break;
        };
        plan = better;
        let again = bound_of(&plan, Some((bound.price, &bound.prices)));
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

/// Whether the limits can be kept to, looked at as far as a plan is made: the least amounts are bought, and in small
/// inventories every choice is looked at. All clashes are told together where there are any.
pub fn feasible(audience: &Audience, offers: &[Offer], limits: &Limits) -> Result<(), Vec<Clash>> {
    let clashes = clashes(offers, limits);
    if !clashes.is_empty() {
        return Err(clashes);
    }
    if !limits.has_least() {
        return Ok(());
    }
    let mut state = State::new(audience, offers, limits);
    let between = match spend_least(&mut state, &Market::new(audience, offers)) {
        Ok(()) => return Ok(()),
        Err(between) => between,
    };
    match few(offers) && matches!(better(audience, offers, limits, -1.0, choices(audience)), Ok(Some(_))) {
        true => Ok(()),
        false => Err(between),
    }
}

/// Whether every choice of spots may be looked at.
fn few(offers: &[Offer]) -> bool {
    offers.iter().map(|offer| u64::from(offer.units.saturating_sub(offer.bought))).sum::<u64>() <= FEW_SPOTS
}

fn choices(audience: &Audience) -> usize {
    CHOICES.min(MOST_WORK / audience.weights.len().max(1))
}

/// What a spot of every offer costs at such prices: its money, and what it takes of the limits. Never nothing, though money
/// in a market with a least amount may be worth less than that.
fn costs(offers: &[Offer], limits: &Limits, price: f64, prices: &BTreeMap<Limit, f64>) -> Vec<f64> {
    let weeks = offers.iter().map(|offer| offer.week as usize + 1).max().unwrap_or(0);
    let (mut markets, mut stations) =
        (vec![price; limits.market_most.len()], vec![0.0; limits.station_most.len()]);
    let (mut dayparts, mut often) = (vec![0.0; limits.daypart_most.len()], vec![0.0; markets.len() * weeks]);
    // Prices of an earlier plan may be of limits that are gone, or of what is not there now.
    let finite = |of: &[f64], at: u32| of.get(at as usize).is_some_and(|most| most.is_finite());
    for (limit, price) in prices {
        match limit {
            Limit::MarketLeast(at)
                if limits.market_least.get(*at as usize).is_some_and(|least| *least > 0.0) =>
            {
                markets[*at as usize] += price
            }
            Limit::MarketMost(at) if finite(&limits.market_most, *at) => markets[*at as usize] += price,
            Limit::Station(at) if finite(&limits.station_most, *at) => stations[*at as usize] += price,
            Limit::Daypart(at) if finite(&limits.daypart_most, *at) => dayparts[*at as usize] += price,
            Limit::Frequency(market, week) if (*week as usize) < weeks => {
                if let Some(held) = often.get_mut(*market as usize * weeks + *week as usize) {
                    *held += price;
                }
            }
            _ => {}
        }
    }
    let cost = |offer: &Offer| {
        let money = markets[offer.market as usize]
            + stations[offer.station as usize]
            + dayparts[offer.daypart as usize];
        let exposures = limits.frequency.as_ref().map_or(0.0, |of| of.of_spot[offer.programme as usize]);
        let seen = exposures * often[offer.market as usize * weeks + offer.week as usize];
        (money * offer.price + seen).max(1e-9 * offer.price).max(1e-12)
    };
    offers.iter().map(cost).collect()
}

/// A plan by what everything costs at the prices of a bound, where it is better than one.
fn guided(
    audience: &Audience,
    offers: &[Offer],
    limits: &Limits,
    (plan_before, bound): (&Plan, &Bound),
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Option<Plan> {
    let costs = costs(offers, limits, bound.price, &bound.prices);
    let made = plan(audience, offers, limits, (None, Some(&costs)), go_on).ok()?;
    // Money goes where it reaches most first: the curve is that of buying by price.
    let curve = |made: &Plan| {
        let below = plan_before
            .curve
            .iter()
            .filter(|[spent, reached]| *spent < made.spent && *reached < made.reached);
        let beyond = made.curve.iter().filter(|[spent, _]| *spent >= made.spent);
        below.chain(beyond).copied().collect()
    };
    (made.reached > plan_before.reached).then(|| Plan { curve: curve(&made), ..made })
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
    let costs = costs(offers, limits, bound.price, &bound.prices);
    let mut gains: Vec<Option<f64>> = vec![None; audience.programmes()];
    // What was bought before is an offer of its own, of which there never was more.
    let open = offers.iter().enumerate().filter(|(_, offer)| offer.units > offer.bought);
    let all = open.filter(|(at, offer)| plan.units[*at] >= offer.units);
    let worth = all.map(|(at, offer)| {
        let gain = gains[offer.programme as usize].get_or_insert_with(|| state.gain(offer.programme));
        (Limit::Units(at as u32), *gain - costs[at])
    });
    worth.filter(|(_, worth)| *worth > 0.0).collect()
}
