//! A plan for the whole country, timed: 209 markets, 100,000 kinds of spots, 12 weeks, a panel of 400 people a market.
//!
//! national-plan [limited] [MARKETS] [KINDS] [WEEKS] [PEOPLE]: invents them, plans and plans again with more money, and prints
//! one JSON line. Limited plans keep to a frequency, to what a daypart and some markets may cost, and to what others must.

use std::time::Instant;

use bellwether_media::audience::Audience;
use bellwether_media::offers::{Frequency, Limits, Offer};
use bellwether_media::solution::{Before, Solution, solve};
use serde_json::json;

/// Numbers by chance (SplitMix64; Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Most memory of this process so far, in MB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn main() {
    let limited = std::env::args().nth(1).is_some_and(|word| word == "limited");
    let mut given =
        std::env::args().skip(1 + usize::from(limited)).map(|text| text.parse::<usize>().expect("a number"));
    let mut next = |usual: usize| given.next().unwrap_or(usual);
    let (markets, kinds, weeks, people) = (next(209), next(100_000), next(12), next(400));
    let mut dice = Dice(7);
    // Markets of very different size.
    let size: Vec<f64> = (0..markets).map(|at| 4_000_000.0 / (at as f64 + 1.0).powf(0.9)).collect();
    let (mut weights, mut of_market) = (Vec::new(), Vec::new());
    for (market, size) in size.iter().enumerate() {
        for _ in 0..people {
            weights.push(size / people as f64 * (0.5 + dice.share()));
            of_market.push(market as u32);
        }
    }
    let intensity: Vec<f64> = weights.iter().map(|_| -(1.0 - dice.share()).ln()).collect();
    let (mut watching, mut offers) = (Vec::new(), Vec::new());
    for kind in 0..kinds {
        let market = kind % markets;
        let rating = 0.002 + 0.05 * dice.share().powi(3);
        let mut sees = 0.0;
        for person in market * people..(market + 1) * people {
            let share = rating * intensity[person];
            if dice.share() < (4.0 * share).min(0.9) {
                let chance = (share / (4.0 * share).min(0.9) * (0.5 + dice.share())).min(0.9);
                watching.push((kind as u32, person as u32, chance as f32));
                sees += weights[person] * chance;
            }
        }
        let price = 10.0 + sees / 1_000.0 * (8.0 + 40.0 * dice.share());
        for week in 0..weeks {
            offers.push(Offer {
                programme: kind as u32,
                market: market as u32,
                station: market as u32,
                daypart: (kind % 9) as u32,
                week: week as u32,
                price: price * (0.85 + 0.3 * dice.share()),
                units: 1 + (dice.share() * 10.0) as u32,
                bought: 0,
            });
        }
    }
    let watched = watching.len();
    let audience = Audience::new(weights, of_market, kinds, watching);
    let budget = 5_000_000.0;
    let mut limits = Limits::of_budget(budget, markets, markets, 9);
    if limited {
        let of: Vec<u32> = (0..kinds).map(|kind| (kind % markets) as u32).collect();
        limits.frequency = Some(Frequency::new(0.5, &audience, &of, markets));
        limits.daypart_most[3] = budget / 20.0;
        (0..markets).step_by(10).for_each(|market| limits.market_least[market] = budget / 400.0);
        (5..markets).step_by(10).for_each(|market| limits.market_most[market] = budget / 2_000.0);
    }
    let begun = Instant::now();
    let mut parts = Vec::new();
    let found = solve(&audience, &offers, &limits, None, &mut |share| {
        parts.push((share, begun.elapsed().as_secs_f64()));
        true
    });
    let found = found.expect("limits that hold").expect("to its end");
    let solved = begun.elapsed().as_secs_f64();
    let planned = parts.iter().find(|(share, _)| *share >= 0.7).map_or(solved, |(_, at)| *at);
    let again = Instant::now();
    let more = Limits { budget: budget * 1.02, ..limits };
    let before = Before {
        units: &found.plan.units,
        price: found.bound.price,
        prices: &found.bound.prices,
        gap: 1.0 - found.plan.reached / found.most(),
    };
    let moved = solve(&audience, &offers, &more, Some(before), &mut |_| true);
    let moved = moved.expect("limits that hold").expect("to its end");
    let replanned = again.elapsed().as_secs_f64();
    let gap = |found: &Solution| 1.0 - found.plan.reached / found.most();
    println!(
        "{}",
        json!({
            "offers": offers.len(), "watched": watched, "limited": limited,
            "spots": found.plan.units.iter().map(|units| u64::from(*units)).sum::<u64>(), "spent": found.plan.spent,
            "reached": found.plan.reached, "most": found.most(), "gap": gap(&found), "plan_seconds": planned,
            "with_bound_seconds": solved, "again_seconds": replanned, "again_reached": moved.plan.reached,
            "again_gap": gap(&moved), "peak_mb": peak(),
        })
    );
}
