//! A plan for the whole country, timed: 209 markets, 100,000 kinds of spots, 12 weeks, a panel of 400 people a market.
//!
//! national-plan [MARKETS] [KINDS] [WEEKS] [PEOPLE]: invents them, plans, and prints one JSON line.

use std::time::Instant;

use bellwether_media::audience::Audience;
use bellwether_media::bound::bound;
use bellwether_media::offers::{Limits, Offer};
use bellwether_media::plan::plan;
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
    let mut given = std::env::args().skip(1).map(|text| text.parse::<usize>().expect("a number"));
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
    let limits = Limits::of_budget(budget, markets, markets, 9);
    let begun = Instant::now();
    let found = plan(&audience, &offers, &limits, None, &mut |_| true).expect("limits that hold");
    let planned = begun.elapsed().as_secs_f64();
    let most = bound(&audience, &offers, &limits, found.price, &found.prices);
    let bounded = begun.elapsed().as_secs_f64() - planned;
    let again = Instant::now();
    let more = Limits { budget: budget * 1.02, ..limits };
    let moved = plan(&audience, &offers, &more, Some(&found.units), &mut |_| true).expect("limits that hold");
    let replanned = again.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({
            "offers": offers.len(), "watched": watched, "spots": found.units.iter().map(|units| u64::from(*units)).sum::<u64>(),
            "spent": found.spent, "reached": found.reached, "most": most, "gap": 1.0 - found.reached / most,
            "plan_seconds": planned, "bound_seconds": bounded, "replan_seconds": replanned, "replan_reached": moved.reached,
            "peak_mb": peak(),
        })
    );
}
