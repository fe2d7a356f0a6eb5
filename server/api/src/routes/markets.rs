//! Television markets: what of a universe each reaches, what of a district, and where spots are underpriced for it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::grouped;
use crate::grouping::Plan;
use crate::media::preparing::{day_text, prepare};
use crate::media::request::PlanRequest;
use crate::media::telling::time;
use crate::population::Population;
use crate::reply::{Common, Params, Segments};
use crate::serving::Serving;
use crate::universe::population_of;

/// Kinds of districts whose shares are told.
const KINDS: [&str; 4] = ["state", "congressional", "state_senate", "state_house"];
/// Underpriced spots that are told.
const MOST_SPOTS: usize = 50;

/// Television markets with their homes.
#[utoipa::path(get, path = "/v1/markets", tag = "media", responses((status = 200, description = "market_id, market, tv_households, counties")))]
pub async fn list(State(app): State<App>) -> Result<Response, ApiError> {
    let serving = app.serving(None).await?;
    let release = serving.release.id.clone();
    let rows = app.run(move || Ok(serving.copy.tv_markets()?.json()?)).await?;
    Ok(Json(json!({"release": release, "rows": rows, "next": null})).into_response())
}

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MarketParams {
    /// Of whom: a filter as JSON; without one, everyone.
    #[serde(rename = "where")]
    #[param(example = r#"{"field": "party", "eq": "DEM"}"#)]
    pub filter: Option<String>,
    /// A saved universe instead of a filter.
    pub universe: Option<String>,
    /// Spots on offer; not needed where one inventory is loaded.
    pub inventory: Option<String>,
}

/// A market: which districts lie in it, how much of each district and which share of the market's voters that is (the rest is
/// waste for who wants that district alone), how dense a universe is there, what a thousand of it cost by daypart and
/// programme, and which spots are cheap for it beside what they cost by age and sex.
#[utoipa::path(
    get,
    path = "/v1/markets/{code}/report",
    tag = "media",
    params(("code" = String, Path, description = "Three-digit Nielsen code"), MarketParams),
    responses((status = 200, description = "market, universe, districts, dayparts, programmes, underpriced"), (status = 404, body = Problem))
)]
pub async fn report(
    State(app): State<App>,
    caller: Caller,
    Segments(code): Segments<String>,
    Params(params): Params<MarketParams>,
) -> Result<Response, ApiError> {
    let filter: Value = match &params.filter {
        None => Value::Null,
        Some(text) => serde_json::from_str(text)
            .map_err(|error| ApiError::bad_request(format!("where is no JSON: {error}")))?,
    };
    let (filter, as_of) = population_of(&app, &filter, params.universe.as_deref(), &Common::default())?;
    let serving = app.serving(as_of.as_deref()).await?;
    let engine = app.clone();
    let told = app.run_long(move || {
        let markets = serving.copy.tv_markets()?.json()?;
        let market = markets.iter().find(|market| market["market_id"] == code.as_str()).cloned();
        let market = market
            .ok_or_else(|| ApiError::not_found(format!("no market {code}; GET /v1/markets lists them")))?;
        let (districts, voters) = districts(&engine, &serving, &caller, &code, &filter)?;
        let mut report =
            json!({"release": serving.release.id, "market": market, "voters": voters, "districts": districts});
        // Without an inventory there is nothing to say of spots, nor where there are several and none is named.
        let inventories = serving.copy.tv_inventories()?.rows();
        if inventories == 1 || params.inventory.is_some() {
            spots(&engine, &serving, &caller, &code, &filter, &params, &mut report)?;
        }
        Ok(report)
    });
    Ok(Json(told.await?).into_response())
}

/// By kind, the districts of a market: voters there, of the whole district, and of the market; and those of the universe.
fn districts(
    app: &App,
    serving: &Serving,
    caller: &Caller,
    code: &str,
    filter: &Value,
) -> Result<(Vec<Value>, f64), ApiError> {
    let electorate = serving.electorate()?;
    let rule = caller.sees_no_persons().then_some(app.disclosure);
    let counts = |by: &[&str], filter: &Value| -> Result<BTreeMap<Vec<String>, f64>, ApiError> {
        let by: Vec<Value> = by.iter().map(|name| json!(name)).collect();
        let plan = Plan::read(&by, &[json!("voters")], electorate)?;
        let ready = Population::read(filter, caller)?.compile(serving, electorate)?;
        let rows = grouped::rows(&plan, serving, electorate, &ready, rule.as_ref())?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let keys = by.len();
        Ok(rows
            .iter()
            .map(|row| (row[..keys].iter().map(text).collect(), row[keys].as_f64().unwrap_or(0.0)))
            .collect())
    };
    let here = json!({"district": {"kind": "media_market", "id": code}});
    let within = if filter.is_null() { here.clone() } else { json!({"all": [filter, here]}) };
    let market: f64 = counts(&["media_market"], &here)?.values().sum();
    let mut told = Vec::new();
    for kind in KINDS {
        let (inside, all) = (counts(&[kind], &here)?, counts(&[kind], &Value::Null)?);
        let universe = counts(&[kind], &within)?;
        for (key, voters) in inside.iter().filter(|(key, voters)| !key[0].is_empty() && **voters > 0.0) {
            let whole = all.get(key).copied().unwrap_or(*voters).max(*voters);
            let share =
                |of: f64| if of > 0.0 { json!((voters / of * 1e4).round() / 1e4) } else { Value::Null };
            told.push(json!({
                "kind": kind, "id": key[0], "voters": voters, "universe": universe.get(key).copied().unwrap_or(0.0),
                "share_of_district": share(whole), "share_of_market": share(market),
                "waste": if market > 0.0 { json!(((1.0 - voters / market).max(0.0) * 1e4).round() / 1e4) } else { Value::Null },
            }));
        }
    }
    Ok((told, market))
}

/// What a thousand of the universe cost, and which spots are cheap for it.
fn spots(
    app: &App,
    serving: &Serving,
    caller: &Caller,
    code: &str,
    filter: &Value,
    params: &MarketParams,
    report: &mut Value,
) -> Result<(), ApiError> {
    let request = PlanRequest {
        name: "report".into(),
        inventory: params.inventory.clone(),
        budget: 0.0,
        ..PlanRequest::default()
    };
    let prepared = prepare(app, serving, caller, &request, filter)?;
    let tv = serving.television()?;
    let Some(number) = tv.market_numbers.find(code) else { return Ok(()) };
    let (people, everybody) = (&prepared.people, &tv.audience);
    let households = tv.households();
    let all = report["voters"].as_f64().unwrap_or(0.0);
    let universe = prepared.universe.by_market[number as usize];
    report["universe"] = json!({
        "voters": universe.round(),
        "density": if all > 0.0 { json!((universe / all * 1e4).round() / 1e4) } else { Value::Null },
        "panel": tv.people.iter().filter(|person| person.market == number).count(),
    });
    struct Of {
        impressions: f64,
        all: f64,
        dollars: f64,
        spots: f64,
    }
    let mut dayparts: BTreeMap<&str, Of> = BTreeMap::new();
    let mut programmes: BTreeMap<(&str, &str, &str), (Of, u32)> = BTreeMap::new();
    let mut known: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    let mut spots = Vec::new();
    let here = prepared.offers.iter().enumerate().filter(|(_, offer)| offer.market == number);
    for (offer, shown) in here.map(|(at, offer)| (offer, prepared.shown(at))) {
        let (own, total) = *known.entry(offer.programme).or_insert_with(|| {
            let sum = |audience: &bellwether_media::audience::Audience| -> f64 {
                let of = audience.of(offer.programme).iter();
                of.map(|(person, chance)| audience.weights[*person as usize] * f64::from(*chance)).sum()
            };
            (sum(people), sum(everybody))
        });
        let units = f64::from(offer.units);
        let add = |of: &mut Of| {
            of.impressions += own * units;
            of.all += total * units;
            of.dollars += offer.price * units;
            of.spots += units;
        };
        let empty = || Of { impressions: 0.0, all: 0.0, dollars: 0.0, spots: 0.0 };
        add(dayparts.entry(shown.daypart).or_insert_with(empty));
        add(&mut programmes
            .entry((shown.station, shown.zone, shown.programme))
            .or_insert_with(|| (empty(), offer.programme))
            .0);
        if own > 0.0 && total > 0.0 {
            spots.push((own / offer.price, total / offer.price, offer, shown));
        }
    }
    let cents = crate::media::planning::cents;
    let per_thousand = |dollars: f64, impressions: f64| match impressions > 0.0 {
        true => json!(cents(dollars / impressions * 1000.0)),
        false => Value::Null,
    };
    report["dayparts"] = dayparts
        .iter()
        .map(|(daypart, of)| {
            json!({
                "daypart": daypart, "spots": of.spots, "cost_per_thousand": per_thousand(of.dollars, of.impressions),
                "cost_per_thousand_of_all": per_thousand(of.dollars, of.all),
            })
        })
        .collect();
    report["programmes"] = programmes
        .iter()
        .map(|((station, zone, programme), (of, number_of))| {
            let rating = people.rating(*number_of, &tv.people_of[number as usize], &households);
            json!({
                "station": station, "zone": zone, "programme": programme, "spots": of.spots,
                "rating": (rating.share * 1e4).round() / 100.0, "rating_error": (rating.error * 1e4).round() / 100.0,
                "cost_per_thousand": per_thousand(of.dollars, of.impressions),
                "cost_per_thousand_of_all": per_thousand(of.dollars, of.all),
            })
        })
        .collect();
    // What a dollar gets of the universe, by what it gets of everybody: 1 is the mean of the market's spots.
    let mean = |of: fn(&(f64, f64)) -> f64| {
        let all: Vec<(f64, f64)> = spots.iter().map(|(own, total, ..)| (*own, *total)).collect();
        all.iter().map(of).sum::<f64>() / all.len().max(1) as f64
    };
    let usual = mean(|(own, total)| own / total);
    spots.sort_by(|one, other| other.0.total_cmp(&one.0));
    report["underpriced"] = spots
        .iter()
        .take(MOST_SPOTS)
        .map(|(own, total, offer, shown)| {
            json!({
                "station": shown.station, "zone": shown.zone, "programme": shown.programme, "daypart": shown.daypart,
                "week": day_text(shown.week), "start": time(shown.starts), "end": time(shown.ends), "price": cents(offer.price),
                "cost_per_thousand": cents(1000.0 / own), "cost_per_thousand_of_all": cents(1000.0 / total),
                "index": (own / total / usual * 100.0).round() / 100.0,
            })
        })
        .collect();
    Ok(())
}
