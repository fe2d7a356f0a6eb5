//! Television plans: spots on offer, plans, what-if, and what of a plan was aired.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bellwether_media::solution::Before;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::jobs::{Claim, JobState};
use crate::loading::{LoadKind, LoadRequest};
use crate::long;
use crate::media::lines::units_of;
use crate::media::planning::{check, make};
use crate::media::preparing::prepare;
use crate::media::request::{Change, PlanRequest};
use crate::media::stored::{self, Prices, Stored};
use crate::media::telling;
use crate::population::Population;
use crate::reply::{self, Body, Common, Params, Segments};
use crate::routes::loads;
use crate::serving::Serving;
use crate::universe::population_of;

/// The inventories that are loaded.
#[utoipa::path(
    get,
    path = "/v1/media/inventories",
    tag = "media",
    responses((status = 200, description = "inventory, offers, markets, units, first_week, last_week"))
)]
pub async fn inventories(State(app): State<App>) -> Result<Response, ApiError> {
    let serving = app.serving(None).await?;
    let release = serving.release.id.clone();
    let rows = app.run(move || Ok(serving.copy.tv_inventories()?.json()?)).await?;
    Ok(Json(json!({"release": release, "rows": rows, "next": null})).into_response())
}

#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InventoryParams {
    /// What the inventory is called: small letters, digits, `_`, `-`. One of the same name is replaced.
    #[param(example = "autumn")]
    pub name: String,
}

/// Loads spots on offer: a CSV as buyers' avails sheets have it, with market_code (or DMA), station, programme, daypart, week,
/// rate and units, and zone, days, start_time, end_time and length where they are known.
#[utoipa::path(
    post,
    path = "/v1/media/inventories",
    tag = "media",
    params(InventoryParams),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 202, body = JobState, description = "a job: its result is the load's report"), (status = 400, body = Problem))
)]
pub async fn offer(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<InventoryParams>,
    body: Bytes,
) -> Result<Response, ApiError> {
    if !long::is_plain_name(&params.name) || params.name.contains('.') {
        return Err(ApiError::bad_request("name has small letters, digits, _ and -, 64 at most"));
    }
    if body.is_empty() {
        return Err(ApiError::bad_request("the body is the CSV of the inventory"));
    }
    let folder = app.lake.uploads()?;
    let file = folder.path().join(format!("{}.csv", params.name));
    tokio::fs::write(&file, &body).await.map_err(ApiError::internal)?;
    let load = LoadRequest {
        kind: LoadKind::Inventory,
        files: vec![file],
        state: None,
        district_kind: None,
        vintage: None,
        max_rejects: 0.01,
        threads: app.config.engine.limits().threads,
        limits: app.model_limits,
    };
    let Claim::New(id, progress) = app.jobs.claim("inventory", &caller.key, None) else {
        return Err(ApiError::internal("a job without a key is always new"));
    };
    tokio::spawn(loads::work(app.clone(), id.clone(), load, false, progress, Some(folder)));
    loads::accepted(&app, &id)
}

/// Whether this caller may see a plan: keys see their own; without keys, and admins, all.
fn seen(caller: &Caller, plan: &Stored) -> bool {
    caller.may(crate::keys::Right::Admin) || plan.owner == caller.key
}

fn one_of(app: &App, caller: &Caller, id: &str) -> Result<Stored, ApiError> {
    let plan = stored::one(app, id)?;
    match seen(caller, &plan) {
        true => Ok(plan),
        false => Err(ApiError::not_found("no such plan; GET /v1/media/plans lists those that there are")),
    }
}

/// Plans spots: those that reach the most of a universe for the money, or move most votes, as a job whose result names the
/// plan. Limits that clash are told at once.
#[utoipa::path(
    post,
    path = "/v1/media/plans",
    tag = "media",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same job")),
    request_body = PlanRequest,
    responses(
        (status = 202, body = JobState, description = "a job; its result names the plan"),
        (status = 400, body = Problem),
        (status = 409, body = Problem, description = "the idempotency key came with another body before"),
        (status = 422, body = Problem, description = "limits that clash, by name, or nothing on offer")
    )
)]
pub async fn start(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Body(request): Body<PlanRequest>,
) -> Result<Response, ApiError> {
    request.check()?;
    let (filter, as_of) =
        population_of(&app, &request.filter, request.universe.as_deref(), &Common::default())?;
    let serving = app.serving(as_of.as_deref()).await?;
    let hash = blake3::hash(format!("{request:?}").as_bytes());
    let (engine, who, held) = (app.clone(), caller.clone(), serving.clone());
    let (asked, by) = (request.clone(), filter.clone());
    let prepared = app
        .run_long(move || {
            let prepared = prepare(&engine, &held, &who, &asked, &by)?;
            check(held.television()?, &prepared)?;
            Ok(prepared)
        })
        .await?;
    let (engine, who) = (app.clone(), caller.clone());
    long::begin(&app, &caller, &headers, ("media-plan", hash), move |job, progress| async move {
        let worker = engine.clone();
        engine
            .run_long(move || {
                worker.jobs.update(&job, |job| job.state = "running");
                progress.bytes_total.store(1000, Ordering::Relaxed);
                let mut go_on = |share: f64| {
                    progress.bytes.store((share * 1000.0) as u64, Ordering::Relaxed);
                    !progress.cancelled.load(Ordering::Relaxed)
                };
                let (plan, prices) = make(&serving, &who, &prepared, None, &mut go_on)?;
                let kept = keep(&worker, &serving, &who, request, (filter, plan, prices))?;
                Ok(summary(&kept))
            })
            .await
    })
}

fn keep(
    app: &App,
    serving: &Serving,
    caller: &Caller,
    request: PlanRequest,
    (filter, plan, prices): (Value, Value, Prices),
) -> Result<Stored, ApiError> {
    let kept = Stored {
        id: uuid::Uuid::now_v7().to_string(),
        name: request.name.trim().to_string(),
        created: crate::turfs::store::now(),
        owner: caller.key.clone(),
        release: serving.release.id.clone(),
        filter: Population::read(&filter, caller)?.text,
        request,
        plan,
        prices,
    };
    stored::keep(app, &kept)?;
    Ok(kept)
}

fn summary(plan: &Stored) -> Value {
    json!({
        "plan": plan.id, "name": plan.name, "created": plan.created, "release": plan.release,
        "budget": plan.request.budget, "spent": plan.plan["spent"], "spots": plan.plan["spots"],
        "people": plan.plan["reach"]["people"], "cost_per_reached": plan.plan["reach"]["cost_per_reached"],
        "gap": plan.plan["bound"]["gap"], "gain_over_age_and_sex": plan.plan["by_age_and_sex"]["gain"],
    })
}

/// Plans, the newest first.
#[utoipa::path(get, path = "/v1/media/plans", tag = "media", responses((status = 200, description = "plan, name, created, budget, spent, spots, people, cost_per_reached, gap")))]
pub async fn list(State(app): State<App>, caller: Caller) -> Result<Response, ApiError> {
    let held = app.clone();
    let rows = app.run(move || {
        let plans = stored::all(&held);
        Ok(plans.iter().filter(|plan| seen(&caller, plan)).map(summary).collect::<Vec<Value>>())
    });
    Ok(Json(json!({"rows": rows.await?, "next": null})).into_response())
}

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PlanParams {
    /// json (without it), csv (a buy sheet), svg (a picture of what the budget reaches).
    pub format: Option<String>,
}

/// A plan: spots to buy, reach and frequency, cost, the curve of the budget, what each limit costs, the bound that no plan is
/// above, and what the same money would have got in the usual way, by age and sex.
#[utoipa::path(
    get,
    path = "/v1/media/plans/{id}",
    tag = "media",
    params(("id" = String, Path, description = "Plan id"), PlanParams),
    responses((status = 200, description = "the plan"), (status = 404, body = Problem))
)]
pub async fn one(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Segments(id): Segments<String>,
    Params(params): Params<PlanParams>,
) -> Result<Response, ApiError> {
    let held = app.clone();
    let plan = app.run(move || one_of(&held, &caller, &id)).await?;
    let (media, bytes) = match params.format.as_deref() {
        None | Some("json") => {
            let document = json!({
                "id": plan.id, "name": plan.name, "created": plan.created, "release": plan.release,
                "request": plan.request, "plan": plan.plan,
            });
            ("application/json", serde_json::to_vec(&document).map_err(ApiError::internal)?)
        }
        Some("csv") => ("text/csv; charset=utf-8", telling::csv(&plan.plan)?),
        Some("svg") => ("image/svg+xml", telling::svg(&plan.plan).into_bytes()),
        Some(other) => {
            return Err(ApiError::bad_request(format!("unknown format {other}; there are json, csv, svg")));
        }
    };
    let made = reply::body(&plan.release, media, bytes, None);
    let mut response = reply::respond(&plan.release, &made, &headers);
    if media.starts_with("text/csv") {
        let name = format!("inline; filename=\"buy-{}.csv\"", plan.id);
        if let Ok(value) = HeaderValue::from_str(&name) {
            response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
        }
    }
    Ok(response.into_response())
}

/// Plans again from a plan: with spots that are bought by now, other prices, or money moved. Answers at once; `keep` makes it
/// a plan of its own.
#[utoipa::path(
    post,
    path = "/v1/media/plans/{id}/replan",
    tag = "media",
    params(("id" = String, Path, description = "Plan id")),
    request_body = Change,
    responses((status = 200, description = "the plan that came of it"), (status = 404, body = Problem), (status = 422, body = Problem))
)]
pub async fn replan(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<String>,
    Body(change): Body<Change>,
) -> Result<Response, ApiError> {
    let before = {
        let (held, who) = (app.clone(), caller.clone());
        app.run(move || one_of(&held, &who, &id)).await?
    };
    let request = before.request.changed(&change);
    request.check()?;
    let (filter, as_of) =
        population_of(&app, &request.filter, request.universe.as_deref(), &Common::default())?;
    let serving = app.serving(as_of.as_deref()).await?;
    let engine = app.clone();
    let told = app.run_long(move || {
        let prepared = prepare(&engine, &serving, &caller, &request, &filter)?;
        check(serving.television()?, &prepared)?;
        let start = units_of(serving.television()?, &prepared, &before.plan["buys"]);
        let prices = before.prices.limits(serving.television()?, &prepared);
        let begin =
            Before { units: &start, price: before.prices.money, prices: &prices, gap: before.prices.gap };
        // Plans of before tell of no prices.
        let begin = Some(begin).filter(|begin| begin.price > 0.0);
        let (plan, prices) = make(&serving, &caller, &prepared, begin, &mut |_| true)?;
        let kept = match change.keep {
            true => Some(keep(&engine, &serving, &caller, request, (filter, plan.clone(), prices))?),
            false => None,
        };
        Ok(json!({
            "from": before.id, "id": kept.map(|kept| kept.id), "release": serving.release.id, "plan": plan,
            "change": {
                "spent": difference(&plan["spent"], &before.plan["spent"]),
                "value": difference(&plan["value"], &before.plan["value"]),
                "people": difference(&plan["reach"]["people"], &before.plan["reach"]["people"]),
            },
        }))
    });
    Ok(Json(told.await?).into_response())
}

fn difference(now: &Value, before: &Value) -> Value {
    match (now.as_f64(), before.as_f64()) {
        (Some(now), Some(before)) => json!(((now - before) * 100.0).round() / 100.0),
        _ => Value::Null,
    }
}

/// What of a plan was aired: spots and money planned and billed, by market, station, zone, programme and week. What was aired and
/// not planned is there too.
#[utoipa::path(
    get,
    path = "/v1/media/plans/{id}/airings",
    tag = "media",
    params(("id" = String, Path, description = "Plan id")),
    responses((status = 200, description = "market, station, zone, programme, week, planned, aired, cost_planned, cost_billed"), (status = 404, body = Problem))
)]
pub async fn airings(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Response, ApiError> {
    let serving = app.serving(None).await?;
    let held = app.clone();
    let told = app.run(move || {
        let plan = one_of(&held, &caller, &id)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let buys = plan.plan["buys"].as_array().cloned().unwrap_or_default();
        let weeks: Vec<String> = buys.iter().map(|buy| text(&buy["week"])).collect();
        let mut rows: BTreeMap<[String; 5], [f64; 4]> = BTreeMap::new();
        for buy in &buys {
            let key = ["market", "station", "zone", "programme", "week"].map(|field| text(&buy[field]));
            let held = rows.entry(key).or_default();
            held[0] += buy["units"].as_f64().unwrap_or(0.0);
            held[2] += buy["cost"].as_f64().unwrap_or(0.0);
        }
        let from = plan.request.from.clone().or_else(|| weeks.iter().min().cloned());
        // The last week goes to its Sunday.
        let sunday = |monday: &String| {
            let monday = chrono::NaiveDate::parse_from_str(monday, "%Y-%m-%d").ok()?;
            Some((monday + chrono::Days::new(6)).to_string())
        };
        let to = plan.request.to.clone().or_else(|| weeks.iter().max().and_then(sunday));
        if let (Some(from), Some(last)) = (from, to) {
            let answer = serving.copy.tv_airings(&from, &last)?;
            let columns = ["market_id", "station", "zone", "programme", "week"].map(|name| answer.texts(name));
            let (spots, billed) = (answer.integers("spots"), answer.doubles("billed"));
            for at in 0..answer.rows() {
                let key = columns.each_ref().map(|column| column[at].clone().unwrap_or_default());
                let held = rows.entry(key).or_default();
                held[1] += spots[at].unwrap_or(0) as f64;
                held[3] += billed[at].unwrap_or(0.0);
            }
        }
        let sum = |place: usize| rows.values().map(|row| row[place]).sum::<f64>();
        let cents = crate::media::planning::cents;
        let totals = json!({"planned": sum(0), "aired": sum(1), "cost_planned": cents(sum(2)), "cost_billed": cents(sum(3))});
        let rows: Vec<Value> = rows
            .iter()
            .map(|([market, station, zone, programme, week], [planned, aired, cost, billed])| {
                json!({
                    "market": market, "station": station, "zone": zone, "programme": programme, "week": week, "planned": planned,
                    "aired": aired, "cost_planned": cents(*cost), "cost_billed": cents(*billed),
                })
            })
            .collect();
        Ok(json!({"plan": plan.id, "totals": totals, "rows": rows, "next": null}))
    });
    Ok(Json(told.await?).into_response())
}
