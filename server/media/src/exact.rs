//! The best plan of all, for small inventories: every choice is looked at, but for those that a bound rules out.
//!
//! What is bought further gains no more than it would now, each for itself; the best of these gains for the money that is left
//! is an amount that no choice from here is above (branch and bound).

use crate::audience::Audience;
use crate::offers::{Limits, Offer};
use crate::state::State;

/// The units of a plan that reaches more than `reached`, or none where there is no better one; an error where the choices are
/// too many. Limits of the least money of markets are kept to.
pub fn better(
    audience: &Audience,
    offers: &[Offer],
    limits: &Limits,
    reached: f64,
    most_choices: usize,
) -> Result<Option<Vec<u32>>, TooMany> {
    let state = State::new(audience, offers, limits);
    // What gains most for its price first: good plans come early.
    let free = offers.iter().enumerate().filter(|(_, offer)| offer.units > offer.bought);
    let rate = |(at, offer): (usize, &Offer)| (state.gain(offer.programme) / offer.price.max(1e-9), at);
    let mut rates: Vec<(f64, usize)> = free.map(rate).collect();
    rates.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
    let order = rates.into_iter().map(|(_, at)| at).collect();
    let mut search = Search { order, best: reached, found: None, left: most_choices };
    search.go(state, 0)?;
    Ok(search.found)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many choices to look at each")]
pub struct TooMany;

struct Search {
    order: Vec<usize>,
    best: f64,
    found: Option<Vec<u32>>,
    left: usize,
}

impl Search {
    fn go(&mut self, state: State, depth: usize) -> Result<(), TooMany> {
        self.left = self.left.checked_sub(1).ok_or(TooMany)?;
        if state.reached > self.best * (1.0 + 1e-12) && state.has_least() {
            self.best = state.reached;
            self.found = Some(state.units.clone());
        }
        if depth == self.order.len() || self.most(&state, depth) <= self.best * (1.0 + 1e-12) {
            return Ok(());
        }
        let at = self.order[depth];
        // As many as fit, then one fewer at a time.
        let mut states = vec![state];
        while states[states.len() - 1].bar(at).is_none() {
            let mut next = states[states.len() - 1].clone();
            next.buy(at);
            states.push(next);
        }
        while let Some(state) = states.pop() {
            self.go(state, depth + 1)?;
        }
        Ok(())
    }

    /// An amount that no choice among the offers that are left is above.
    fn most(&self, state: &State, depth: usize) -> f64 {
        let mut gains: Vec<(f64, f64, f64)> = self.order[depth..]
            .iter()
            .map(|at| {
                let offer = &state.offers[*at];
                let gain = state.gain(offer.programme);
                (gain / offer.price.max(1e-9), offer.price, f64::from(offer.units - state.units[*at]))
            })
            .collect();
        gains.sort_by(|one, other| other.0.total_cmp(&one.0));
        let (mut most, mut left) = (state.reached, state.limits.budget - state.spent + 1e-6);
        for (rate, price, units) in gains {
            if price < 1e-9 {
                // What costs nothing is had in any case: its rate stands for a billionth of a dollar.
                most += rate * 1e-9 * units;
                continue;
            }
            let spend = (price * units).min(left);
            most += rate * spend;
            left -= spend;
        }
        most
    }
}
