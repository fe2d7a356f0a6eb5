//! How the scores in force are spread over some voters, for reports.

use std::collections::BTreeMap;

use bellwether_electorate::Electorate;
use serde_json::{Map, Value, json};

use crate::disclosure::{Disclosure, complementary};

/// Width of a band of scores.
const BAND: i32 = 10;

/// Of every model with scores among the voters of a bitmap: how many have one, their mean, and how many lie in each band
/// of ten, the upper end with the last band only: `[{model, voters, mean, bands: {"0-10": 12, ...}}]`.
pub fn of_scores(electorate: &Electorate, bitmap: &[u64], rule: Option<&Disclosure>) -> Vec<Value> {
    let rows = Electorate::rows_of(bitmap);
    let who = rule.map_or(0, |rule| electorate.fingerprint(bitmap, rule.secret));
    let one = |(model, scores): &(String, Vec<f32>)| {
        let (mut bands, mut sum, mut count): (BTreeMap<i32, u64>, f64, u64) = (BTreeMap::new(), 0.0, 0);
        let of = rows.iter().filter_map(|row| scores.get(*row as usize)).filter(|score| !score.is_nan());
        for score in of {
            let band = ((score / BAND as f32).floor() as i32).clamp(-10, 9);
            *bands.entry(band * BAND).or_default() += 1;
            (sum, count) = (sum + f64::from(*score), count + 1);
        }
        let shown = |count: u64, name: &str| match rule {
            None => json!(count),
            Some(rule) => rule.shown(count, who ^ rule.named(&format!("{model} {name}"))),
        };
        let all = shown(count, "all");
        if count == 0 || all.is_null() {
            return None;
        }
        let counts: Vec<u64> = bands.values().copied().collect();
        let hidden = rule.map(|rule| complementary(&counts, rule.size));
        let mut told = Map::new();
        for (at, (from, count)) in bands.iter().enumerate() {
            if !hidden.as_ref().is_some_and(|hidden| hidden[at]) {
                let name = format!("{from}-{}", from + BAND);
                told.insert(name.clone(), shown(*count, &name));
            }
        }
        let mean = sum / count as f64;
        let digits = if rule.is_some() { 10.0 } else { 1e4 };
        Some(json!({"model": model, "voters": all, "mean": (mean * digits).round() / digits, "bands": told}))
    };
    electorate.scores.iter().filter_map(one).collect()
}
