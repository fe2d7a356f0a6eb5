//! What tests of plans share: invented people and offers, and everything counted anew, choice by choice and person by person.

mod again;
mod audiences;
mod plans;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::audience::Audience;
use crate::bound::{Begin, bound};
use crate::offers::{Frequency, Limits, Offer};
use crate::plan::Plan;

struct Dice(ChaCha8Rng);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }

    /// 0 to 1.
    fn share(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / 4_294_967_296.0
    }

    fn below(&mut self, bound: u32) -> u32 {
        (self.share() * f64::from(bound)) as u32
    }
}

/// Some people in markets, each of whom watches a few programmes.
fn invented(
    seed: u64,
    people: usize,
    programmes: u32,
    markets: u32,
    offers_each: u32,
) -> (Audience, Vec<Offer>) {
    let mut dice = Dice::new(seed);
    let market_of = |programme: u32| programme % markets;
    let mut watching = Vec::new();
    let (mut weights, mut of) = (Vec::new(), Vec::new());
    for person in 0..people as u32 {
        let market = dice.below(markets);
        of.push(market);
        weights.push(1.0 + 9.0 * dice.share());
        for programme in (0..programmes).filter(|programme| market_of(*programme) == market) {
            if dice.share() < 0.4 {
                watching.push((programme, person, (0.05 + 0.6 * dice.share()) as f32));
            }
        }
    }
    let audience = Audience::new(weights, of, programmes as usize, watching);
    let mut offers = Vec::new();
    for programme in 0..programmes {
        let price = 50.0 + 400.0 * dice.share();
        for week in 0..offers_each {
            offers.push(Offer {
                programme,
                market: market_of(programme),
                station: programme % 3,
                // A programme of several offers runs in both.
                daypart: (programme + week) % 2,
                week,
                price: (price * (0.8 + 0.4 * dice.share())).round(),
                units: 1 + dice.below(3),
                bought: 0,
            });
        }
    }
    (audience, offers)
}

/// The market of every programme.
fn markets_of(audience: &Audience, offers: &[Offer]) -> Vec<u32> {
    let mut of = vec![0; audience.programmes()];
    offers.iter().for_each(|offer| of[offer.programme as usize] = offer.market);
    of
}

/// Reach of some units, person by person.
fn reach(audience: &Audience, offers: &[Offer], units: &[u32]) -> f64 {
    let mut unseen = vec![1.0; audience.weights.len()];
    for (offer, units) in offers.iter().zip(units) {
        for (person, chance) in audience.of(offer.programme) {
            unseen[*person as usize] *= (1.0 - f64::from(*chance)).powi(*units as i32);
        }
    }
    unseen.iter().zip(&audience.weights).map(|(unseen, weight)| weight * (1.0 - unseen)).sum()
}

/// The bound above a plan.
fn most(audience: &Audience, offers: &[Offer], limits: &Limits, plan: &Plan) -> f64 {
    let begin =
        Begin { units: &plan.units, reached: plan.reached, price: plan.price, prices: None, enough: 0.0 };
    bound(audience, offers, limits, &begin).most
}

/// Whether units keep to every limit, counted anew.
fn allowed(audience: &Audience, offers: &[Offer], limits: &Limits, units: &[u32]) -> bool {
    let sum = |of: &dyn Fn(&Offer) -> bool| -> f64 {
        let own = offers.iter().zip(units).filter(|(offer, _)| of(offer));
        own.map(|(offer, units)| offer.price * f64::from(*units)).sum()
    };
    let markets = limits.market_most.len() as u32;
    let weeks = offers.iter().map(|offer| offer.week + 1).max().unwrap_or(0);
    let universe = audience.universe(markets as usize);
    let often = |market: u32, week: u32| -> f64 {
        let own = offers.iter().zip(units).filter(|(of, _)| of.market == market && of.week == week);
        let seen = own.map(|(offer, units)| {
            let one = |(person, chance): &(u32, f32)| audience.weights[*person as usize] * f64::from(*chance);
            f64::from(*units) * audience.of(offer.programme).iter().map(one).sum::<f64>()
        });
        seen.sum::<f64>() / universe[market as usize].max(1e-9)
    };
    sum(&|_| true) <= limits.budget + 1e-6
        && (0..markets).all(|market| {
            let spent = sum(&|offer| offer.market == market);
            spent <= limits.market_most[market as usize] + 1e-6
                && spent >= limits.market_least[market as usize] - 1e-6
        })
        && (0..limits.station_most.len() as u32).all(|station| {
            sum(&|offer| offer.station == station) <= limits.station_most[station as usize] + 1e-6
        })
        && (0..limits.daypart_most.len() as u32).all(|daypart| {
            sum(&|offer| offer.daypart == daypart) <= limits.daypart_most[daypart as usize] + 1e-6
        })
        && limits.frequency.as_ref().is_none_or(|frequency| {
            (0..markets).all(|market| (0..weeks).all(|week| often(market, week) <= frequency.most + 1e-9))
        })
}

/// The most that any choice of units reaches, by looking at them all; none where no choice keeps to the limits.
fn best_of_all(audience: &Audience, offers: &[Offer], limits: &Limits) -> Option<f64> {
    let mut best: Option<f64> = None;
    let mut units: Vec<u32> = offers.iter().map(|offer| offer.bought).collect();
    loop {
        if allowed(audience, offers, limits, &units) {
            best = Some(best.unwrap_or(0.0).max(reach(audience, offers, &units)));
        }
        let Some(at) = (0..offers.len()).find(|at| units[*at] < offers[*at].units) else { return best };
        units[at] += 1;
        (0..at).for_each(|before| units[before] = offers[before].bought);
    }
}

/// Limits by chance, some of which clash.
fn limits_by_chance(dice: &mut Dice, audience: &Audience, offers: &[Offer]) -> Limits {
    let mut limits = Limits::of_budget(400.0 + 1_000.0 * dice.share(), 2, 3, 2);
    let mut often = |chance: f64| dice.share() < chance;
    let kinds = [often(0.4), often(0.6), often(0.5), often(0.5), often(0.3)];
    let mut most = |least: f64, wide: f64| (least + wide * dice.share()).round();
    if kinds[0] {
        limits.market_most[0] = most(200.0, 600.0);
    }
    if kinds[1] {
        limits.market_least[1] = most(100.0, 700.0);
    }
    if kinds[2] {
        limits.station_most[1] = most(100.0, 600.0);
    }
    if kinds[3] {
        limits.daypart_most[0] = most(100.0, 600.0);
    }
    if kinds[4] {
        let most = most(20.0, 80.0) / 100.0;
        limits.frequency = Some(Frequency::new(most, audience, &markets_of(audience, offers), 2));
    }
    limits
}
