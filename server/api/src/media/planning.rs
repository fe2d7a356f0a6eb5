//! Plans made: the best spots, how good they are, and what the usual way of buying would have got.

use std::collections::HashMap;

use axum::http::StatusCode;
use bellwether_media::exposure::{exposure, together};
use bellwether_media::plan::Plan;
use bellwether_media::solution::{Before, Solution, feasible, solve};
use serde_json::{Value, json};

use crate::access::Caller;
use crate::error::ApiError;
use crate::grouping;
use crate::media::age_sex;
use crate::media::preparing::{Prepared, refused};
use crate::media::stored::Prices;
use crate::media::television::Television;
use crate::media::telling::Told;
use crate::serving::Serving;

/// Plans and tells of it, with what the limits cost. `before` is an earlier plan; with it this is quicker, and nothing is
/// compared.
pub fn make(
    serving: &Serving,
    caller: &Caller,
    prepared: &Prepared,
    before: Option<Before>,
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<(Value, Prices), ApiError> {
    let (tv, quick) = (serving.television()?, before.is_some());
    let Prepared { offers, limits, worth, .. } = prepared;
    let solved = solve(worth, offers, limits, before, &mut |share| go_on(share * 0.8));
    let solved = solved.map_err(|clashes| refused(tv, prepared, &clashes))?;
    let cancelled = || ApiError::conflict("cancelled");
    let found = solved.ok_or_else(cancelled)?;
    let usual = match quick {
        true => Value::Null,
        false => usual_way(serving, caller, prepared, tv, &found.plan)?,
    };
    if !go_on(0.95) {
        return Err(cancelled());
    }
    let mut document = Told { tv, prepared, found: &found, usual }.document()?;
    if caller.sees_no_persons() {
        // Made of rounded counts, and told no more exactly than people.
        document["value"] = json!(whole(found.plan.reached));
        document["bound"]["most"] = json!(whole(found.most()));
        for point in document["curve"].as_array_mut().into_iter().flatten() {
            point["value"] = json!(point["value"].as_f64().map(whole));
        }
        for field in [&["next", "value"][..], &["votes"]] {
            let held = field.iter().fold(&mut document, |at, name| &mut at[*name]);
            *held = json!(held.as_f64().map(whole));
        }
    }
    Ok((document, Prices::of(&found, tv, prepared)))
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
    // By the same method, so that only whom it is bought for differs.
    let solved = solve(&bought_for, &prepared.offers, &prepared.limits, None, &mut |_| true);
    let Ok(Some(Solution { plan: usual, .. })) = solved else { return Ok(Value::Null) };
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
pub fn check(tv: &Television, prepared: &Prepared) -> Result<(), ApiError> {
    if prepared.universe.voters <= 0.0 {
        let detail = "nobody of this universe lives in a market that is known";
        return Err(ApiError::of_status(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let found = feasible(&prepared.worth, &prepared.offers, &prepared.limits);
    found.map_err(|clashes| refused(tv, prepared, &clashes))
}
