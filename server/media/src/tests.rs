//! Plans beside all plans there are, bounds above them, and reach counted person by person.

use std::collections::HashMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::allocation::{Response, Row, linear, whole};
use crate::audience::{Audience, Cell, POOLED, Person, spread};
use crate::bound::{Begin, bound};
use crate::clashes::Clash;
use crate::exposure::{exposure, together};
use crate::offers::{Frequency, Limit, Limits, Offer};
use crate::plan::{Plan, plan};
use crate::rated::{FIFTHS, viewers};
use crate::solution::{Before, Solution, feasible, solve};

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
    let begin = Begin { units: &plan.units, reached: plan.reached, price: plan.price, prices: None };
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

#[test]
fn small_plans_are_the_best_of_all() {
    let mut dice = Dice::new(17);
    let (mut kept, mut clashed, mut between, mut named) = (0, 0, 0, 0);
    for seed in 0..150 {
        let (programmes, each) = if seed % 2 == 0 { (6, 1) } else { (4, 2) };
        let (audience, mut offers) = invented(seed, 40, programmes, 2, each);
        if seed % 5 == 0 {
            // A spot that costs nothing.
            offers[0].price = 0.0;
        }
        if seed % 7 == 0 {
            offers[1].bought = 1;
        }
        let limits = limits_by_chance(&mut dice, &audience, &offers);
        let best = best_of_all(&audience, &offers, &limits);
        let solved = solve(&audience, &offers, &limits, None, &mut |_| true);
        assert_eq!(feasible(&audience, &offers, &limits).is_ok(), best.is_some(), "seed {seed}");
        match (best, solved) {
            (Some(best), Ok(Some(found))) => {
                kept += 1;
                assert!(found.proven, "seed {seed}");
                let reached = found.plan.reached;
                assert!((reached - best).abs() <= 1e-9 * best, "seed {seed}: {reached}, best {best}");
                assert!(allowed(&audience, &offers, &limits, &found.plan.units), "seed {seed}");
                assert!((reach(&audience, &offers, &found.plan.units) - best).abs() <= 1e-9 * best);
                // What is found without looking at every choice keeps to the limits too, is not far off, and is bounded.
                match plan(&audience, &offers, &limits, (None, None), &mut |_| true) {
                    Ok(quick) => {
                        assert!(allowed(&audience, &offers, &limits, &quick.units), "seed {seed}");
                        assert!(quick.reached >= 0.5 * best, "seed {seed}: {} of {best}", quick.reached);
                        let above = most(&audience, &offers, &limits, &quick);
                        assert!(above >= best * (1.0 - 1e-12), "seed {seed}: bound {above}, best {best}");
                    }
                    Err(clashes) => {
                        between += 1;
                        let all = clashes.iter().all(|of| matches!(of, Clash::LeastBetweenSpots { .. }));
                        assert!(all, "seed {seed}: {clashes:?}, and yet there is a plan");
                    }
                }
            }
            (None, Err(clashes)) => {
                clashed += 1;
                let names = clashes
                    .iter()
                    .any(|of| matches!(of, Clash::LeastOutOfReach { limits, .. } if !limits.is_empty()));
                named += usize::from(names);
            }
            (best, solved) => panic!("seed {seed}: best {best:?}, solved {solved:?}"),
        }
    }
    println!(
        "{kept} plans, {clashed} clashes, {named} of them with other limits named, {between} by looking at every choice"
    );
    assert!(kept > 60 && clashed > 10 && named > 1);
}

#[test]
fn a_plan_promises_what_its_people_see() {
    let (audience, offers) = invented(3, 3_000, 60, 4, 4);
    let limits = Limits::of_budget(20_000.0, 4, 3, 2);
    let found = plan(&audience, &offers, &limits, (None, None), &mut |_| true).expect("a plan");
    let mut unseen = vec![1.0f64; audience.weights.len()];
    for (offer, units) in offers.iter().zip(&found.units) {
        for (person, chance) in audience.of(offer.programme) {
            for _ in 0..*units {
                unseen[*person as usize] *= 1.0 - f64::from(*chance);
            }
        }
    }
    let reached: f64 =
        unseen.iter().zip(&audience.weights).map(|(unseen, weight)| weight * (1.0 - unseen)).sum();
    assert!((found.reached - reached).abs() < 1e-9 * reached);
    let spent: f64 =
        offers.iter().zip(&found.units).map(|(offer, units)| offer.price * f64::from(*units)).sum();
    assert!((found.spent - spent).abs() < 1e-6 && spent <= limits.budget);
    let told = together(&exposure(&audience, &offers, &found.units, 4));
    assert!((told.reached - reached).abs() < 1e-9 * reached);
    assert!((told.frequency.iter().sum::<f64>() - told.universe).abs() < 1e-6);
    let mean: f64 = told.frequency.iter().enumerate().map(|(times, people)| times as f64 * people).sum();
    assert!(mean <= told.impressions + 1e-6);
    let above = most(&audience, &offers, &limits, &found);
    assert!(above >= found.reached && found.reached > 0.97 * above, "{} of {above}", found.reached);
    // The curve rises ever more slowly.
    assert!(found.curve.windows(2).all(|pair| pair[1][0] >= pair[0][0] && pair[1][1] >= pair[0][1] - 1e-6));
    assert_eq!(found, plan(&audience, &offers, &limits, (None, None), &mut |_| true).expect("a plan"));
}

#[test]
fn limits_hold_and_cost_what_they_say() {
    let (audience, mut offers) = invented(5, 4_000, 120, 4, 6);
    offers.iter_mut().for_each(|offer| offer.price = (offer.price / 10.0).round());
    let open = Limits::of_budget(2_000.0, 4, 3, 2);
    let free = plan(&audience, &offers, &open, (None, None), &mut |_| true).expect("a plan");
    let mut tight = open.clone();
    tight.market_most[1] = 200.0;
    tight.station_most[2] = 300.0;
    tight.daypart_most[0] = 700.0;
    tight.market_least[3] = 900.0;
    tight.frequency = Some(Frequency::new(2.2, &audience, &markets_of(&audience, &offers), 4));
    let kept = solve(&audience, &offers, &tight, None, &mut |_| true).expect("a plan").expect("to its end");
    assert!(allowed(&audience, &offers, &tight, &kept.plan.units));
    assert!(kept.plan.reached < free.reached);
    let gap = 1.0 - kept.plan.reached / kept.most();
    println!("bound {:.1}, reached {:.1}, gap {:.3} %", kept.most(), kept.plan.reached, 100.0 * gap);
    assert!(gap < 0.02, "reached {}, bound {}", kept.plan.reached, kept.most());
    // More of each limit reaches about as many more as its price says: fewer as returns fall, and never more than lie between
    // the plan and its bound beside.
    let slack = kept.most() - kept.plan.reached;
    let price = |limit: Limit| kept.bound.prices.get(&limit).copied().unwrap_or(0.0);
    let with = |change: &dyn Fn(&mut Limits)| {
        let mut limits = tight.clone();
        change(&mut limits);
        let found = solve(&audience, &offers, &limits, None, &mut |_| true).expect("a plan");
        found.expect("to its end").plan.reached - kept.plan.reached
    };
    let dollars = 80.0;
    type Change<'a> = (Limit, f64, &'a dyn Fn(&mut Limits));
    let changes: [Change; 4] = [
        (Limit::MarketMost(1), dollars, &|limits| limits.market_most[1] += dollars),
        (Limit::Station(2), dollars, &|limits| limits.station_most[2] += dollars),
        (Limit::Daypart(0), dollars, &|limits| limits.daypart_most[0] += dollars),
        (Limit::MarketLeast(3), -dollars, &|limits| limits.market_least[3] -= dollars),
    ];
    for (limit, more, change) in changes {
        let (gained, told) = (with(change), price(limit) * more);
        println!("{limit:?}: {more} dollars reach {gained:.1} more, told are {told:.1}");
        assert!(
            told > 0.0 && gained > 0.5 * told - slack && gained < told + slack,
            "{limit:?}: {gained}, told {told}"
        );
    }
    let (gained, told) = (with(&|limits| limits.budget += dollars), kept.bound.price * dollars);
    println!("budget: {dollars} dollars reach {gained:.1} more, told are {told:.1}");
    assert!(gained > 0.5 * told - slack && gained < told + slack, "budget: {gained}, told {told}");
}

#[test]
fn spots_that_are_sold_out_and_weeks_that_are_full_have_prices() {
    let (audience, offers) = invented(5, 2_000, 40, 4, 3);
    let limits = Limits::of_budget(30_000.0, 4, 3, 2);
    let solved = |offers: &[Offer], limits: &Limits| {
        solve(&audience, offers, limits, None, &mut |_| true).expect("a plan").expect("to its end")
    };
    let found = solved(&offers, &limits);
    let prices = found.bound.prices.iter().filter(|(limit, _)| matches!(limit, Limit::Units(_)));
    let dearest = prices.max_by(|one, other| one.1.total_cmp(other.1)).expect("a price");
    let (Limit::Units(at), price) = (*dearest.0, *dearest.1) else { panic!("{dearest:?}") };
    assert_eq!(found.plan.units[at as usize], offers[at as usize].units);
    // One spot more of it, with the money for it: worth its price, and what its money would have reached elsewhere.
    let mut more = offers.clone();
    more[at as usize].units += 1;
    let gained = solved(&more, &limits).plan.reached - found.plan.reached;
    println!("one spot more of offer {at} reaches {gained:.2} more, told are {price:.2}");
    assert!(gained > 0.4 * price && gained < 1.6 * price, "{gained}, told {price}");
    // A market's week.
    let mut often = limits.clone();
    often.frequency = Some(Frequency::new(0.5, &audience, &markets_of(&audience, &offers), 4));
    let found = solved(&offers, &often);
    assert!(allowed(&audience, &offers, &often, &found.plan.units));
    let full = found
        .bound
        .prices
        .iter()
        .filter(|(limit, price)| matches!(limit, Limit::Frequency(..)) && **price > 0.0);
    assert!(full.count() > 3, "{:?}", found.bound.prices);
}

#[test]
fn limits_that_clash_are_all_told() {
    let (audience, offers) = invented(6, 100, 8, 2, 1);
    let mut limits = Limits::of_budget(500.0, 2, 3, 2);
    limits.market_least = vec![400.0, 300.0];
    limits.market_most[0] = 350.0;
    let clashes = plan(&audience, &offers, &limits, (None, None), &mut |_| true).expect_err("they clash");
    assert_eq!(
        clashes,
        [
            Clash::LeastAboveBudget { least: 700.0, budget: 500.0 },
            Clash::LeastAboveMost { market: 0, least: 400.0, most: 350.0 }
        ]
    );
    // All spots of a market together are too few.
    let mut limits = Limits::of_budget(1e6, 2, 3, 2);
    limits.market_least[0] = 900_000.0;
    let clashes =
        plan(&audience, &offers, &limits, (None, None), &mut |_| true).expect_err("there is not so much");
    let all: f64 = offers.iter().filter(|of| of.market == 0).map(|of| of.price * f64::from(of.units)).sum();
    let [Clash::LeastOutOfReach { markets, reached, limits: others, .. }] = &clashes[..] else {
        panic!("{clashes:?}")
    };
    assert!(*markets == [0] && (reached - all).abs() < 0.01 && others.is_empty(), "{clashes:?}");
    // Each market alone could spend it, both cannot: all of market 0's spots are in daypart 0, and market 1 needs it too.
    let in_both: Vec<Offer> =
        offers.iter().map(|of| Offer { daypart: 0, price: 50.0, units: 10, ..*of }).collect();
    let mut limits = Limits::of_budget(1e6, 2, 3, 2);
    limits.market_least = vec![600.0, 600.0];
    limits.daypart_most[0] = 1_000.0;
    let clashes = plan(&audience, &in_both, &limits, (None, None), &mut |_| true).expect_err("both need it");
    let expected = Clash::LeastOutOfReach {
        markets: vec![0, 1],
        least: 1_200.0,
        reached: 1_000.0,
        limits: vec![Limit::Daypart(0)],
    };
    assert_eq!(clashes, [expected]);
    // A limit below the price of every spot is in the way too.
    let one = Limits { daypart_most: vec![40.0, f64::INFINITY], ..limits.clone() };
    let clashes = plan(&audience, &in_both, &one, (None, None), &mut |_| true).expect_err("too dear");
    let [Clash::LeastOutOfReach { limits: others, reached, .. }] = &clashes[..] else {
        panic!("{clashes:?}")
    };
    assert!(others[..] == [Limit::Daypart(0)] && *reached == 0.0, "{clashes:?}");
    limits.daypart_most[0] = 1_200.0;
    assert!(plan(&audience, &in_both, &limits, (None, None), &mut |_| true).is_ok());
    let bought = vec![Offer { bought: offers[0].units, ..offers[0] }];
    let limits = Limits::of_budget(10.0, 2, 3, 2);
    let clashes = plan(&audience, &bought, &limits, (None, None), &mut |_| true).expect_err("too dear");
    assert!(matches!(clashes[..], [Clash::BoughtAbove { limit: Limit::Budget, .. }]), "{clashes:?}");
}

#[test]
fn planning_again_keeps_what_is_bought() {
    let (audience, mut offers) = invented(7, 2_000, 40, 4, 3);
    let limits = Limits::of_budget(10_000.0, 4, 3, 2);
    let first = plan(&audience, &offers, &limits, (None, None), &mut |_| true).expect("a plan");
    for (at, units) in first.units.iter().enumerate().filter(|(at, _)| at % 3 == 0) {
        offers[at].bought = *units;
    }
    // Prices of what is not bought rise.
    offers.iter_mut().filter(|offer| offer.bought == 0).for_each(|offer| offer.price *= 1.2);
    let more = Limits { budget: 12_000.0, ..limits };
    let again = plan(&audience, &offers, &more, (Some(&first.units), None), &mut |_| true).expect("a plan");
    assert!(
        offers.iter().zip(&again.units).all(|(offer, units)| *units >= offer.bought && *units <= offer.units)
    );
    assert!(again.spent <= 12_000.0 + 1e-6);
    let anew = plan(&audience, &offers, &more, (None, None), &mut |_| true).expect("a plan");
    assert!(again.reached >= 0.995 * anew.reached, "{} and {}", again.reached, anew.reached);
}

/// A solution to begin from.
fn before_of(first: &Solution) -> Before<'_> {
    let gap = 1.0 - first.plan.reached / first.most();
    Before { units: &first.plan.units, price: first.bound.price, prices: &first.bound.prices, gap }
}

#[test]
fn an_earlier_solution_leads_to_one_as_good() {
    let (audience, offers) = invented(5, 4_000, 120, 4, 6);
    let mut limits = Limits::of_budget(20_000.0, 4, 3, 2);
    limits.station_most[2] = 3_000.0;
    limits.daypart_most[0] = 7_000.0;
    limits.market_least[3] = 6_000.0;
    let solved = |limits: &Limits, before: Option<Before>| {
        solve(&audience, &offers, limits, before, &mut |_| true).expect("a plan").expect("to its end")
    };
    let first = solved(&limits, None);
    let with = |change: &dyn Fn(&mut Limits)| {
        let mut limits = limits.clone();
        change(&mut limits);
        limits
    };
    let changes: [(&str, Limits); 6] = [
        ("a little more money", with(&|limits| limits.budget = 21_000.0)),
        ("half more money", with(&|limits| limits.budget = 30_000.0)),
        ("half the money", with(&|limits| limits.budget = 10_000.0)),
        ("a tighter station", with(&|limits| limits.station_most[2] = 2_000.0)),
        ("an open station", with(&|limits| limits.station_most[2] = f64::INFINITY)),
        ("no least amount", with(&|limits| limits.market_least[3] = 0.0)),
    ];
    for (what, limits) in changes {
        let (again, anew) = (solved(&limits, Some(before_of(&first))), solved(&limits, None));
        let (reached, most) = (again.plan.reached, again.most());
        println!(
            "{what}: again {reached:.1} of {most:.1}, anew {:.1} of {:.1}",
            anew.plan.reached,
            anew.most()
        );
        assert!(allowed(&audience, &offers, &limits, &again.plan.units), "{what}");
        assert!(reached >= 0.998 * anew.plan.reached && reached <= anew.most(), "{what}");
        assert!(most >= anew.plan.reached && most <= 1.005 * anew.most(), "{what}");
        let (price, expected) = (again.bound.price, anew.bound.price);
        assert!((price / expected - 1.0).abs() < 0.3, "{what}: {price}, anew {expected}");
        let curve = &again.plan.curve;
        assert!(curve.windows(2).all(|pair| pair[1][0] >= pair[0][0] && pair[1][1] >= pair[0][1] - 1e-6));
        assert!(curve.iter().filter(|point| point[0] <= again.plan.spent).count() > 20, "{what}");
    }
}

#[test]
fn bounds_are_near_where_a_market_is_short_and_money_is_not() {
    let (audience, offers) = invented(5, 2_000, 40, 4, 3);
    let mut limits = Limits::of_budget(1e6, 4, 3, 2);
    limits.market_most = vec![3_000.0; 4];
    let found = solve(&audience, &offers, &limits, None, &mut |_| true).expect("a plan").expect("to its end");
    let gap = 1.0 - found.plan.reached / found.most();
    println!(
        "reached {:.1}, bound {:.1}, prices {:?}",
        found.plan.reached,
        found.most(),
        found.bound.prices.len()
    );
    assert!(gap < 0.03, "{gap}");
    assert!((0..4).all(|market| found.bound.prices[&Limit::MarketMost(market)] > 0.01));
    // A market's money is worth what its next dollar reaches.
    let mut more = limits.clone();
    more.market_most[1] += 300.0;
    let again = solve(&audience, &offers, &more, None, &mut |_| true).expect("a plan").expect("to its end");
    let (gained, told) =
        (again.plan.reached - found.plan.reached, 300.0 * found.bound.prices[&Limit::MarketMost(1)]);
    let slack = found.most() - found.plan.reached;
    assert!(gained > 0.5 * told - slack && gained < told + slack, "{gained}, told {told}");
}

#[test]
fn what_was_bought_is_not_told_as_sold_out() {
    let (audience, mut offers) = invented(5, 400, 20, 2, 3);
    // Bought for little; the same spot costs ten times as much now.
    offers.push(Offer { price: 1.0, units: 2, bought: 2, ..offers[0] });
    offers[0].price *= 10.0;
    let limits = Limits::of_budget(2_000.0, 2, 3, 2);
    let found = solve(&audience, &offers, &limits, None, &mut |_| true).expect("a plan").expect("to its end");
    let last = offers.len() as u32 - 1;
    assert!(found.plan.units[last as usize] == 2 && !found.bound.prices.contains_key(&Limit::Units(last)));
}

#[test]
fn a_universe_is_spread_over_a_panel_by_its_cells() {
    let mut dice = Dice::new(9);
    let person = |dice: &mut Dice| Person {
        market: dice.below(2),
        age: dice.below(3) as u8,
        gender: dice.below(2) as u8,
        party: dice.below(3) as u8,
        score: 0,
        weight: 0.5 + dice.share(),
        household: dice.below(1_000),
    };
    let people: Vec<Person> = (0..1_200).map(|_| person(&mut dice)).collect();
    let cell = |market, age, gender, party| Cell { market, age, gender, party, score: 0 };
    // A party of which nobody was watched, and a market of which nobody was.
    let universe: HashMap<Cell, f64> = [
        (cell(0, 1, 0, 2), 1_000.0),
        (cell(0, 1, 0, 9), 500.0),
        (cell(1, 2, 1, 0), 800.0),
        (cell(7, 0, 0, 0), 60.0),
    ]
    .into();
    let spread = spread(&people, &universe);
    let of = |wanted: &dyn Fn(&Person) -> bool| -> f64 {
        people
            .iter()
            .zip(&spread.weights)
            .filter(|(person, _)| wanted(person))
            .map(|(_, weight)| weight)
            .sum()
    };
    // Every market has its voters, whoever speaks for them.
    assert!((of(&|person| person.market == 0) - 1_500.0).abs() < 1e-6);
    assert!((of(&|person| person.market == 1) - 800.0).abs() < 1e-6);
    assert!((spread.spoken.iter().sum::<f64>() - 2_300.0).abs() < 1e-6);
    assert_eq!(spread.unseen, 60.0);
    // Who is watched of a cell speaks for n / (n + 10) of it, twice over where no score group is told apart.
    let watched = |p: &&Person| (p.market, p.age, p.gender, p.party) == (0, 1, 0, 2);
    let n = people.iter().filter(watched).count() as f64;
    let own = 1_000.0 * (n / (n + POOLED) + (1.0 - n / (n + POOLED)) * n / (n + POOLED));
    let given = of(&|person| (person.market, person.age, person.gender, person.party) == (0, 1, 0, 2));
    assert!(given >= own && given < 1_500.0, "{given} of {own}");
    // Of the party that nobody of was watched its age and gender and its market speak.
    assert!(spread.spoken[3] > 0.0 && spread.spoken[4] > 250.0);
    // More people speak the more for themselves.
    let many: Vec<Person> = people.iter().cycle().take(people.len() * 20).copied().collect();
    let more = crate::audience::spread(&many, &universe);
    assert!(more.spoken[0] > spread.spoken[0]);
}

#[test]
fn ratings_have_the_error_of_drawing_other_households() {
    let mut dice = Dice::new(11);
    let chances: Vec<f32> = (0..4_000).map(|_| if dice.share() < 0.3 { 0.5 } else { 0.0 }).collect();
    let sample = |dice: &mut Dice| -> (f64, f64) {
        let drawn: Vec<f32> = (0..500).map(|_| chances[dice.below(4_000) as usize]).collect();
        let watching = drawn.iter().enumerate().filter(|(_, chance)| **chance > 0.0);
        let watching = watching.map(|(person, chance)| (0, person as u32, *chance)).collect();
        let audience = Audience::new(vec![3.0; 500], vec![0; 500], 1, watching);
        let all: Vec<u32> = (0..500).collect();
        let rating = audience.rating(0, &all, &all);
        (rating.share, rating.error)
    };
    let samples: Vec<(f64, f64)> = (0..400).map(|_| sample(&mut dice)).collect();
    let mean = samples.iter().map(|(share, _)| share).sum::<f64>() / 400.0;
    let deviation = (samples.iter().map(|(share, _)| (share - mean).powi(2)).sum::<f64>() / 399.0).sqrt();
    let told = samples.iter().map(|(_, error)| error).sum::<f64>() / 400.0;
    assert!((told / deviation - 1.0).abs() < 0.1, "told {told}, is {deviation}");
}

#[test]
fn rated_programmes_have_their_ratings_and_as_many_viewers_as_measured_ones() {
    let mut dice = Dice::new(23);
    let people: Vec<(f64, f64)> = (0..400).map(|at| (0.5 + dice.share(), FIFTHS[at % 5])).collect();
    let whole: f64 = people.iter().map(|(weight, _)| weight).sum();
    for (rating, ratio) in
        [(0.0, 3.0), (0.001, 3.0), (0.02, 1.0), (0.05, 4.0), (0.4, 3.0), (0.9, 2.0), (0.98, 5.0)]
    {
        let seen = viewers(rating, ratio, &people, 5);
        let mean: f64 =
            seen.iter().map(|(at, chance)| people[*at].0 * f64::from(*chance)).sum::<f64>() / whole;
        assert!((mean - rating).abs() < 1e-5, "{rating}: {mean}");
        let ever = seen.iter().map(|(at, _)| people[*at].0).sum::<f64>() / whole;
        let expected = (rating * ratio).clamp(rating / 0.98, 1.0);
        assert!((ever - expected).abs() < 0.02 + 0.1 * expected, "{rating}, {ratio}: {ever} of {expected}");
    }
    // Heavy viewers see more of it, and two programmes are seen by others.
    let (one, other) = (viewers(0.05, 3.0, &people, 5), viewers(0.05, 3.0, &people, 6));
    let heavy = one.iter().filter(|(at, _)| people[*at].1 >= 1.0).count();
    assert!(heavy > one.len() / 2, "{heavy} of {}", one.len());
    let both = one.iter().filter(|(at, _)| other.iter().any(|(of, _)| of == at)).count();
    assert!(both > 0 && both < one.len() / 2, "{both} of {}", one.len());
    // A group of two has its rating too.
    let few = viewers(0.6, 3.0, &people[..2], 9);
    let mean: f64 = few.iter().map(|(at, chance)| people[*at].0 * f64::from(*chance)).sum();
    assert!((mean / (people[0].0 + people[1].0) - 0.6).abs() < 1e-5);
}

#[test]
fn money_over_responses_is_the_linear_optimum() {
    // One bucket of two pieces and one of one kind of row: worked out by hand.
    let rows = [
        Row { impressions: 10.0, cost: 10.0, spots: 10, bucket: 0 },
        Row { impressions: 10.0, cost: 20.0, spots: 10, bucket: 0 },
        Row { impressions: 10.0, cost: 15.0, spots: 4, bucket: 1 },
    ];
    let response = Response { widths: vec![50.0, 1_000.0], slopes: vec![1.0, 0.5] };
    // Fifty impressions at 1 a dollar, then bucket 1 at 2/3, then bucket 0 at half of 1, then at a quarter.
    let made = linear(&rows, &response, 50.0 + 30.0);
    assert!((made.gain - 70.0).abs() < 1e-9 && (made.price - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(made.spots, [5.0, 0.0, 2.0]);
    let (found, above) = whole(&rows, &response, 87.0);
    assert_eq!(found.spots, [5.0, 0.0, 2.0]);
    assert!(found.spent <= 87.0 && found.gain <= above.gain);
    // Beside the best of all whole plans.
    let mut dice = Dice::new(13);
    for _ in 0..20 {
        let rows: Vec<Row> = (0..5)
            .map(|_| Row {
                impressions: 5.0 + 20.0 * dice.share(),
                cost: 5.0 + 10.0 * dice.share(),
                spots: 1 + dice.below(3),
                bucket: dice.below(2),
            })
            .collect();
        let response = Response { widths: vec![15.0, 25.0], slopes: vec![1.0, 0.7, 0.4] };
        let (found, above) = whole(&rows, &response, 60.0);
        assert!(found.gain <= above.gain * (1.0 + 1e-12) && found.spent <= 60.0);
        assert!(found.gain > 0.8 * above.gain);
    }
}
