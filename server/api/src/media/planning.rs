//! Plans made: the best spots, how good they are, and what the usual way of buying would have got.

use std::collections::HashMap;

use axum::http::StatusCode;
use bellwether_media::bound::bound;
use bellwether_media::exact::{self, better};
use bellwether_media::exposure::{exposure, together};
use bellwether_media::offers::Offer;
use bellwether_media::plan::{Plan, plan};
use serde_json::{Value, json};

use crate::access::Caller;
use crate::error::ApiError;
use crate::grouping;
use crate::media::age_sex;
use crate::media::preparing::{Prepared, refused};
use crate::media::television::Television;
use crate::media::telling::Told;
use crate::serving::Serving;

/// Inventories up to so many spots are searched through whole, as far as so many choices suffice.
const FEW_SPOTS: u64 = 60;
const CHOICES: usize = 200_000;
const MOST_WORK: usize = 100_000_000;

/// Plans and tells of it. `before` are spots by offer of an earlier plan; with them it is quicker, and nothing is compared.
pub fn make(
    serving: &Serving,
    caller: &Caller,
    prepared: &Prepared,
    before: Option<&[u32]>,
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<Value, ApiError> {
    let tv = serving.television()?;
    let Prepared { offers, limits, worth, .. } = prepared;
    let mut found = plan(worth, offers, limits, before, &mut |share| go_on(share * 0.7));
    if found.is_err() && before.is_some() {
        // What was bought before may stand in the way of what is wanted now.
        found = plan(worth, offers, limits, None, &mut |share| go_on(share * 0.7));
    }
    let mut found = found.map_err(|clashes| refused(tv, &clashes))?;
    let free: u64 = offers.iter().map(|offer| u64::from(offer.units - offer.bought)).sum();
    let mut proven = false;
    // Every choice holds what everybody saw of it.
    let choices = CHOICES.min(MOST_WORK / worth.weights.len().max(1));
    if free <= FEW_SPOTS {
        match better(worth, offers, limits, found.reached, choices) {
            Ok(None) => proven = true,
            Ok(Some(units)) => {
                found.spent = spent(offers, &units);
                found.reached = together(&exposure(worth, offers, &units, tv.markets.len())).reached;
                (found.units, proven) = (units, true);
            }
            Err(exact::TooMany) => {}
        }
    }
    if !go_on(0.75) {
        return Err(ApiError::conflict("cancelled"));
    }
    let most = match proven {
        true => found.reached,
        false => bound(worth, offers, limits, found.price, &found.prices).max(found.reached),
    };
    let usual = match before {
        Some(_) => Value::Null,
        None => usual_way(serving, caller, prepared, tv, &found)?,
    };
    if !go_on(0.95) {
        return Err(ApiError::conflict("cancelled"));
    }
    let mut document = Told { tv, prepared, plan: &found, most, proven, usual }.document()?;
    if caller.sees_no_persons() {
        // So exact a figure could be worked back to the people that it is made of.
        document["value"] = json!(whole(found.reached));
        document["bound"]["most"] = json!(whole(most));
    }
    Ok(document)
}

fn spent(offers: &[Offer], units: &[u32]) -> f64 {
    offers.iter().zip(units).map(|(offer, units)| offer.price * f64::from(*units)).sum()
}

/// The same money spent for the group of an age and a sex that fits the universe best, by the same method, as far as it
/// reaches the universe.
fn usual_way(
    serving: &Serving,
    caller: &Caller,
    prepared: &Prepared,
    tv: &Television,
    found: &Plan,
) -> Result<Value, ApiError> {
    let electorate = serving.electorate()?;
    let by = ["age_band", "gender"].map(|name| json!(name));
    let keys = grouping::Plan::read(&by, &[json!("voters")], electorate)?;
    let everyone = crate::population::Population::read(&Value::Null, caller)?;
    let groups = electorate.group(&everyone.compile(serving, electorate)?, &keys.grouping);
    let mut everybody: HashMap<(String, String), f64> = HashMap::new();
    for cell in &groups.cells {
        let label = |at: usize| {
            electorate.label(&keys.grouping.by[at], cell.codes[at]).as_str().unwrap_or_default().to_string()
        };
        *everybody.entry((label(0), label(1))).or_default() += cell.voters as f64;
    }
    let group = age_sex::group_of(&prepared.universe.by_age_sex, &everybody);
    let bought_for = tv.audience.weighted(age_sex::weights(tv, group));
    let Ok(usual) = plan(&bought_for, &prepared.offers, &prepared.limits, None, &mut |_| true) else {
        return Ok(Value::Null);
    };
    let reached = |units: &[u32]| {
        together(&exposure(&prepared.people, &prepared.offers, units, tv.markets.len())).reached
    };
    let (own, theirs) = (reached(&found.units), reached(&usual.units));
    let value = |units: &[u32]| {
        together(&exposure(&prepared.worth, &prepared.offers, units, tv.markets.len())).reached
    };
    let votes =
        prepared.universe.votes.as_ref().map(
            |_| json!({"plan": whole(value(&found.units)), "by_age_and_sex": whole(value(&usual.units))}),
        );
    Ok(json!({
        "group": group,
        "spent": cents(usual.spent),
        "reached": whole(theirs),
        "plan_reaches": whole(own),
        "gain": if theirs > 0.0 { json!(((own / theirs - 1.0) * 1e4).round() / 1e4) } else { Value::Null },
        "cost_per_reached": if theirs > 0.0 { json!(cents(usual.spent / theirs)) } else { Value::Null },
        "votes": votes,
    }))
}

pub fn whole(value: f64) -> f64 {
    value.round()
}

pub fn cents(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Whether the limits of a request can be kept to; an error that tells which clash.
pub fn feasible(tv: &Television, prepared: &Prepared) -> Result<(), ApiError> {
    let clashes = prepared.limits.clashes(&prepared.offers);
    if !clashes.is_empty() {
        return Err(refused(tv, &clashes));
    }
    if prepared.universe.voters <= 0.0 {
        let detail = "nobody of this universe lives in a market that is known";
        return Err(ApiError::of_status(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    if prepared.limits.market_least.iter().any(|least| *least > 0.0) {
        // Only the least amounts are bought: what cannot be is told at once.
        let tried = plan(&prepared.worth, &prepared.offers, &prepared.limits, None, &mut |_| false);
        tried.map_err(|clashes| refused(tv, &clashes))?;
    }
    Ok(())
}
