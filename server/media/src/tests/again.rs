//! Plans made again, and limits at their edges: clashes, markets that are short, spots that are bought.

use super::{allowed, invented};
use crate::clashes::Clash;
use crate::offers::{Limit, Limits, Offer};
use crate::plan::plan;
use crate::solution::{Before, Solution, solve};

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
