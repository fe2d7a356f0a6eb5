//! Plans beside all plans there are, bounds above them, and reach counted person by person.

use std::collections::HashMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::allocation::{Response, Row, linear, whole};
use crate::audience::{Audience, Cell, POOLED, Person, chances_of_fifths, spread};
use crate::bound::bound;
use crate::exact::{MOST_CHOICES, better};
use crate::exposure::{exposure, together};
use crate::offers::{Clash, Limits, Offer};
use crate::plan::plan;

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

/// The most that any choice of units reaches, by looking at them all.
fn best_of_all(audience: &Audience, offers: &[Offer], limits: &Limits) -> f64 {
    fn reach(audience: &Audience, offers: &[Offer], units: &[u32]) -> f64 {
        let mut unseen = vec![1.0; audience.weights.len()];
        for (offer, units) in offers.iter().zip(units) {
            for (person, chance) in audience.of(offer.programme) {
                unseen[*person as usize] *= (1.0 - f64::from(*chance)).powi(*units as i32);
            }
        }
        unseen.iter().zip(&audience.weights).map(|(unseen, weight)| weight * (1.0 - unseen)).sum()
    }
    let mut best = 0.0f64;
    let mut units = vec![0; offers.len()];
    loop {
        let sum = |of: &dyn Fn(&Offer) -> bool| -> f64 {
            let own = offers.iter().zip(&units).filter(|(offer, _)| of(offer));
            own.map(|(offer, units)| offer.price * f64::from(*units)).sum()
        };
        let allowed = sum(&|_| true) <= limits.budget
            && (0..limits.market_most.len()).all(|market| {
                let spent = sum(&|offer| offer.market as usize == market);
                spent <= limits.market_most[market] && spent >= limits.market_least[market]
            })
            && (0..limits.daypart_most.len()).all(|daypart| {
                sum(&|offer| offer.daypart as usize == daypart) <= limits.daypart_most[daypart]
            });
        if allowed {
            best = best.max(reach(audience, offers, &units));
        }
        let Some(at) = (0..offers.len()).find(|at| units[*at] < offers[*at].units) else { return best };
        units[at] += 1;
        units[..at].fill(0);
    }
}

#[test]
fn small_plans_are_the_best_of_all() {
    for seed in 0..25 {
        let (programmes, each) = if seed % 2 == 0 { (6, 1) } else { (4, 2) };
        let (audience, mut offers) = invented(seed, 40, programmes, 2, each);
        if seed % 5 == 0 {
            // A spot that costs nothing.
            offers[0].price = 0.0;
        }
        let mut limits = Limits::of_budget(900.0, 2, 3, 2);
        if seed % 3 == 1 {
            limits.market_most[0] = 400.0;
            limits.daypart_most[1] = 450.0;
        }
        if seed % 3 == 2 {
            limits.market_least[1] = 300.0;
        }
        let best = best_of_all(&audience, &offers, &limits);
        let Ok(found) = plan(&audience, &offers, &limits, None, &mut |_| true) else {
            assert_eq!(best, 0.0);
            continue;
        };
        let units = better(&audience, &offers, &limits, found.reached, MOST_CHOICES).expect("few choices");
        let reached = match &units {
            Some(units) => together(&exposure(&audience, &offers, units, 2)).reached,
            None => found.reached,
        };
        assert!((reached - best).abs() < 1e-9 * best, "seed {seed}: {reached}, best {best}");
        let above = bound(&audience, &offers, &limits, found.price, &found.prices);
        assert!(above >= best * (1.0 - 1e-12), "seed {seed}: bound {above}, best {best}");
        // What was found quickly is not far off, and keeps to the limits.
        assert!(found.reached >= 0.9 * best, "seed {seed}: {} of {best}", found.reached);
        assert!(found.spent <= limits.budget + 1e-6);
    }
}

#[test]
fn a_plan_promises_what_its_people_see() {
    let (audience, offers) = invented(3, 3_000, 60, 4, 4);
    let limits = Limits::of_budget(20_000.0, 4, 3, 2);
    let found = plan(&audience, &offers, &limits, None, &mut |_| true).expect("a plan");
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
    let above = bound(&audience, &offers, &limits, found.price, &found.prices);
    assert!(above >= found.reached && found.reached > 0.97 * above, "{} of {above}", found.reached);
    // The curve rises ever more slowly.
    assert!(found.curve.windows(2).all(|pair| pair[1][0] >= pair[0][0] && pair[1][1] >= pair[0][1] - 1e-6));
    assert_eq!(found, plan(&audience, &offers, &limits, None, &mut |_| true).expect("a plan"));
}

#[test]
fn limits_hold_and_cost_what_they_say() {
    let (audience, offers) = invented(5, 2_000, 40, 4, 3);
    let open = Limits::of_budget(12_000.0, 4, 3, 2);
    let free = plan(&audience, &offers, &open, None, &mut |_| true).expect("a plan");
    let mut tight = open.clone();
    tight.market_most[1] = 1_000.0;
    tight.station_most[2] = 2_000.0;
    tight.daypart_most[0] = 4_000.0;
    tight.weekly_frequency = Some(0.8);
    tight.market_least[3] = 2_000.0;
    let kept = plan(&audience, &offers, &tight, None, &mut |_| true).expect("a plan");
    let sum = |of: &dyn Fn(&Offer) -> bool| -> f64 {
        let own = offers.iter().zip(&kept.units).filter(|(offer, _)| of(offer));
        own.map(|(offer, units)| offer.price * f64::from(*units)).sum()
    };
    assert!(sum(&|offer| offer.market == 1) <= 1_000.0);
    assert!(sum(&|offer| offer.station == 2) <= 2_000.0);
    assert!(sum(&|offer| offer.daypart == 0) <= 4_000.0);
    assert!(sum(&|offer| offer.market == 3) >= 2_000.0);
    let universe = audience.universe(4);
    for (market, week) in (0..4).flat_map(|market| (0..3).map(move |week| (market, week))) {
        let own =
            offers.iter().zip(&kept.units).filter(|(offer, _)| offer.market == market && offer.week == week);
        let exposures: f64 = own
            .map(|(offer, units)| {
                let one =
                    |(person, chance): &(u32, f32)| audience.weights[*person as usize] * f64::from(*chance);
                f64::from(*units) * audience.of(offer.programme).iter().map(one).sum::<f64>()
            })
            .sum();
        assert!(exposures <= 0.8 * universe[market as usize] * (1.0 + 1e-9));
    }
    assert!(kept.reached < free.reached);
    assert!(kept.prices.values().any(|price| *price > 0.0), "{:?}", kept.prices);
}

#[test]
fn limits_that_clash_are_all_told() {
    let (audience, offers) = invented(6, 100, 8, 2, 1);
    let mut limits = Limits::of_budget(500.0, 2, 3, 2);
    limits.market_least = vec![400.0, 300.0];
    limits.market_most[0] = 350.0;
    let clashes = plan(&audience, &offers, &limits, None, &mut |_| true).expect_err("they clash");
    assert_eq!(
        clashes,
        [
            Clash::LeastAboveBudget { least: 700.0, budget: 500.0 },
            Clash::LeastAboveMost { market: 0, least: 400.0, most: 350.0 }
        ]
    );
    let mut limits = Limits::of_budget(1e6, 2, 3, 2);
    limits.market_least[0] = 900_000.0;
    let clashes = plan(&audience, &offers, &limits, None, &mut |_| true).expect_err("there is not so much");
    assert!(matches!(clashes[..], [Clash::LeastOutOfReach { market: 0, .. }]), "{clashes:?}");
    let bought = vec![Offer { bought: offers[0].units, ..offers[0] }];
    let limits = Limits::of_budget(10.0, 2, 3, 2);
    let clashes = plan(&audience, &bought, &limits, None, &mut |_| true).expect_err("too dear");
    assert!(matches!(clashes[..], [Clash::BoughtAboveBudget { .. }]), "{clashes:?}");
}

#[test]
fn planning_again_keeps_what_is_bought() {
    let (audience, mut offers) = invented(7, 2_000, 40, 4, 3);
    let limits = Limits::of_budget(10_000.0, 4, 3, 2);
    let first = plan(&audience, &offers, &limits, None, &mut |_| true).expect("a plan");
    for (at, units) in first.units.iter().enumerate().filter(|(at, _)| at % 3 == 0) {
        offers[at].bought = *units;
    }
    // Prices of what is not bought rise.
    offers.iter_mut().filter(|offer| offer.bought == 0).for_each(|offer| offer.price *= 1.2);
    let more = Limits { budget: 12_000.0, ..limits };
    let again = plan(&audience, &offers, &more, Some(&first.units), &mut |_| true).expect("a plan");
    assert!(
        offers.iter().zip(&again.units).all(|(offer, units)| *units >= offer.bought && *units <= offer.units)
    );
    assert!(again.spent <= 12_000.0 + 1e-6);
    let anew = plan(&audience, &offers, &more, None, &mut |_| true).expect("a plan");
    assert!(again.reached >= 0.995 * anew.reached, "{} and {}", again.reached, anew.reached);
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
        let rating = audience.rating(0, 0, &(0..500).collect::<Vec<u32>>());
        (rating.share, rating.error)
    };
    let samples: Vec<(f64, f64)> = (0..400).map(|_| sample(&mut dice)).collect();
    let mean = samples.iter().map(|(share, _)| share).sum::<f64>() / 400.0;
    let deviation = (samples.iter().map(|(share, _)| (share - mean).powi(2)).sum::<f64>() / 399.0).sqrt();
    let told = samples.iter().map(|(_, error)| error).sum::<f64>() / 400.0;
    assert!((told / deviation - 1.0).abs() < 0.1, "told {told}, is {deviation}");
}

#[test]
fn fifths_keep_their_rating() {
    for rating in [0.0, 0.001, 0.05, 0.4, 0.9, 0.98] {
        let chances = chances_of_fifths(rating);
        let mean = chances.iter().map(|chance| f64::from(*chance)).sum::<f64>() / 5.0;
        assert!((mean - rating).abs() < 1e-5, "{rating}: {chances:?}");
        assert!(chances.windows(2).all(|pair| pair[0] <= pair[1]));
    }
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
