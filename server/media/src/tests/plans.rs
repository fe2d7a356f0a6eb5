//! Plans beside all plans there are, bounds above them, reach counted person by person, and what limits cost.

use super::{Dice, allowed, best_of_all, invented, limits_by_chance, markets_of, most, reach};
use crate::clashes::Clash;
use crate::exposure::{exposure, together};
use crate::offers::{Frequency, Limit, Limits, Offer};
use crate::plan::plan;
use crate::solution::{feasible, solve};

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
