//! The district report.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_electorate::{Filter, Outlines, Where};
use bellwether_schema::ids::Kind;
use bellwether_warehouse::Answer;
use bellwether_warehouse::questions::{self, Page, ResultsFilter};
use serde_json::{Map, Value, json};

use crate::access::Caller;
use crate::app::App;
use crate::disclosure::Disclosure;
use crate::distributions::of_scores;
use crate::error::{ApiError, Problem};
use crate::grouped;
use crate::grouping::Plan;
use crate::reply::{self, Common, Params, Segments, TableRequest};
use crate::routes::districts::{Named, find, rounded, within_bounds};
use crate::serving::Serving;
use crate::shapes::{Area, Territory, reports};

/// The district report: registration by party, age band, gender, race and status; how voters were located;
/// turnout by election; how the scores in force are spread; past results on these lines with their bounds; television
/// markets; where to ask what its people post about. In formats other than JSON
/// one row is one figure.
#[utoipa::path(
    get,
    path = "/v1/districts/{kind}/{id}/report",
    tag = "districts",
    params(("kind" = String, Path, description = "Kind"), ("id" = String, Path, description = "District id"), Common),
    responses((status = 200, description = "the report"), (status = 404, body = Problem))
)]
pub async fn report(
    State(app): State<App>,
    caller: Caller,
    Segments((kind, id)): Segments<(String, String)>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let named = Named::parse(&kind, &id)?;
    let key = caller.keyed(format!("report {kind} {id}"));
    let request = TableRequest { common: &common, headers: &headers, key };
    let rule = caller.sees_no_persons().then_some(app.disclosure);
    let bound = caller.bound()?;
    let make = move |serving: &Serving| {
        let copy = &serving.copy;
        if let Some(report) = on_older_lines(serving, &named, bound.as_ref(), rule.as_ref())? {
            return Ok(report);
        }
        let mut district = find(copy, &named)?;
        let Named { kind, id, .. } = named;
        within_bounds(serving, &kind, &id, bound.as_ref())?;
        let voters = district["voters"].as_i64().unwrap_or(0);
        let mut registration = by_dimension(&questions::registration(copy, &kind, &id)?);
        let mut turnout = turnout(&questions::turnout(copy, &kind, &id)?, voters);
        if let Some(rule) = &rule {
            rounded(&mut district, rule);
            for (dimension, cells) in &mut registration {
                if let Some(cells) = cells.as_object_mut() {
                    rule.table(&format!("{kind} {id} {dimension}"), cells);
                }
            }
            let all = district["voters"].as_f64();
            turnout.iter_mut().for_each(|election| rounded_turnout(election, &kind, &id, all, rule));
            turnout.retain(|election| !election["voters"].is_null());
        }
        let electorate = serving.electorate()?;
        let here = Where::District { at: String::new(), kind: kind.clone(), ids: vec![id.clone()] };
        let here = electorate.compile(&here, serving).map_err(ApiError::faults)?;
        let scores = of_scores(electorate, &electorate.bitmap(&here), rule.as_ref());
        // What lies beyond the districts of a key is not for it.
        let television = match &bound {
            None => television(serving, &here, rule.as_ref())?,
            Some(_) => Vec::new(),
        };
        let mut part = |name: &str| registration.remove(name).unwrap_or_else(|| json!({}));
        let (markets, located, disagrees) = (part("market"), part("located"), part("disagrees"));
        let filter =
            ResultsFilter { kind: Some(kind.clone()), id: Some(id.clone()), ..ResultsFilter::default() };
        let results = copy.answer(&questions::results(&filter, Page { limit: 100_000, offset: 0 }))?;
        Ok(json!({
            "district": district,
            "registration": registration,
            "turnout": turnout,
            "scores": scores,
            "results": results.json()?,
            "markets": markets,
            "television": television,
            "topics": format!("/v1/topics?kind={kind}&id={id}"),
            "located": located,
            "disagrees": disagrees,
        }))
    };
    reply::report(&app, request, &["section", "of", "item", "value", "low", "high", "method"], make, figures)
        .await
}

/// The television markets that a district lies in: how much of the district each is, and what share of the market's voters
/// the district is; the rest of them is waste for who wants this district alone.
fn television(serving: &Serving, here: &Filter, rule: Option<&Disclosure>) -> Result<Vec<Value>, ApiError> {
    let electorate = serving.electorate()?;
    let plan = Plan::read(&[json!("media_market")], &[json!("voters")], electorate)?;
    let everyone = Where::parse(&Value::Null).map_err(ApiError::faults)?;
    let everyone = electorate.compile(&everyone, serving).map_err(ApiError::faults)?;
    let counted = |filter: &Filter| -> Result<Vec<(String, f64)>, ApiError> {
        let rows = grouped::rows(&plan, serving, electorate, filter, rule)?;
        let one = |row: &Vec<Value>| Some((row[0].as_str()?.to_string(), row[1].as_f64()?));
        Ok(rows.iter().filter_map(one).collect())
    };
    let (inside, all) = (counted(here)?, counted(&everyone)?);
    let whole: f64 = inside.iter().map(|(_, voters)| voters).sum();
    let round = |share: f64| (share.min(1.0) * 1e4).round() / 1e4;
    let told = inside.iter().map(|(market, voters)| {
        let viewers = all.iter().find(|(other, _)| other == market).map_or(*voters, |(_, voters)| *voters);
        json!({
            "market": market, "voters": voters, "share_of_district": round(voters / whole.max(1.0)),
            "share_of_market": round(voters / viewers.max(1.0)), "waste": round(1.0 - round(voters / viewers.max(1.0))),
        })
    });
    Ok(told.collect())
}

/// The report of a district on lines of another year than the newest: that of the shape which the lines make.
fn on_older_lines(
    serving: &Serving,
    named: &Named,
    bound: Option<&Where>,
    rule: Option<&Disclosure>,
) -> Result<Option<Value>, ApiError> {
    let Named { kind, id, vintage } = named;
    let (Some(year), Some(of)) = (*vintage, Kind::parse(kind)) else { return Ok(None) };
    if serving.vintages(of, id).first() == Some(&year) {
        return Ok(None);
    }
    let Some(outline) = serving.outline(of, id, year) else { return Ok(None) };
    let electorate = serving.electorate()?;
    let bound =
        bound.map(|bound| electorate.compile(bound, serving)).transpose().map_err(ApiError::faults)?;
    let area = Area { id: json!(format!("{id}@{year}")), shape: Territory::Outline(Box::new(outline)) };
    let mut report = reports(serving, vec![area], bound.as_ref(), rule)?.swap_remove(0);
    report["district"] = json!({"kind": kind, "id": id, "vintage": year, "voters": report["voters"]});
    Ok(Some(report))
}

/// One election's turnout as a caller without a right to persons sees it.
fn rounded_turnout(election: &mut Value, kind: &str, id: &str, registered: Option<f64>, rule: &Disclosure) {
    let name = format!("{kind} {id} turnout {}", election["election"]);
    let voters = rule.shown(election["voters"].as_u64().unwrap_or(0), rule.named(&name));
    election["share"] = match (voters.as_f64(), registered) {
        (Some(voters), Some(registered)) if registered > 0.0 => json!((voters / registered).min(1.0)),
        _ => Value::Null,
    };
    election["voters"] = voters;
    if let Some(methods) = election["methods"].as_object_mut() {
        rule.table(&name, methods);
    }
}

/// The figures of a report, one a row: `registration, party, DEM, 10` or `results, 2020-11-03/general president,
/// name (DEM), 10.5, 10, 11, area`.
pub fn figures(report: &Value) -> Vec<Value> {
    let mut rows = Vec::new();
    let none = Map::new();
    let mut counts = |section: &str, of: &str, items: &Value| {
        let items = items.as_object().unwrap_or(&none);
        rows.extend(
            items
                .iter()
                .map(|(item, value)| json!({"section": section, "of": of, "item": item, "value": value})),
        );
    };
    for (dimension, items) in report["registration"].as_object().unwrap_or(&none) {
        counts("registration", dimension, items);
    }
    for section in ["markets", "located", "disagrees"] {
        counts(section, "voters", &report[section]);
    }
    for market in report["television"].as_array().into_iter().flatten() {
        let of = market["market"].as_str().unwrap_or_default();
        counts(
            "television",
            of,
            &json!({"share_of_district": market["share_of_district"], "share_of_market": market["share_of_market"]}),
        );
    }
    for election in report["turnout"].as_array().into_iter().flatten() {
        let of = election["election"].as_str().unwrap_or_default();
        counts("turnout", of, &json!({"voters": election["voters"]}));
        counts("turnout", of, &election["methods"]);
    }
    for model in report["scores"].as_array().into_iter().flatten() {
        let of = model["model"].as_str().unwrap_or_default();
        counts("scores", of, &json!({"voters": model["voters"], "mean": model["mean"]}));
        counts("scores", of, &model["bands"]);
    }
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_string();
    for row in report["results"].as_array().into_iter().flatten() {
        rows.push(json!({
            "section": "results",
            "of": format!("{} {}", text(row, "election"), text(row, "contest")),
            "item": format!("{} ({})", text(row, "candidate"), text(row, "party")),
            "value": row["votes"],
            "low": row["low"],
            "high": row["high"],
            "method": row["method"],
        }));
    }
    rows
}

/// `{party: {DEM: 10, ...}, age: {...}}`.
fn by_dimension(answer: &Answer) -> Map<String, Value> {
    let mut dimensions = Map::new();
    let rows =
        answer.texts("dimension").into_iter().zip(answer.texts("value")).zip(answer.integers("voters"));
    for ((dimension, value), voters) in rows {
        let (Some(dimension), Some(value)) = (dimension, value) else {
            continue;
        };
        dimensions.entry(dimension).or_insert_with(|| json!({}))[value] = json!(voters);
    }
    dimensions
}

/// `[{election, voters, share, methods: {mail: 10, ...}}]`, newest election first. The share is that of the
/// voters who are registered in the district now.
fn turnout(answer: &Answer, registered: i64) -> Vec<Value> {
    let mut elections: Vec<(String, i64, Map<String, Value>)> = Vec::new();
    let rows =
        answer.texts("election").into_iter().zip(answer.texts("method")).zip(answer.integers("voters"));
    for ((election, method), voters) in rows {
        let (Some(election), Some(method), Some(voters)) = (election, method, voters) else {
            continue;
        };
        if elections.last().is_none_or(|(last, ..)| *last != election) {
            elections.push((election, 0, Map::new()));
        }
        if let Some((_, total, methods)) = elections.last_mut() {
            *total += voters;
            methods.insert(method, json!(voters));
        }
    }
    let share = |voters: i64| {
        if registered > 0 { json!(voters as f64 / registered as f64) } else { Value::Null }
    };
    elections
        .into_iter()
        .map(|(election, voters, methods)| {
            json!({"election": election, "voters": voters, "share": share(voters), "methods": methods})
        })
        .collect()
}
