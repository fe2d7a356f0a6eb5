//! Aggregates: any population, grouped by any fields and districts together.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_electorate::{Cell, Key};
use bellwether_warehouse::questions::Page;
use bellwether_warehouse::{Answer, Format};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::access::Caller;
use crate::app::App;
use crate::disclosure::{Disclosure, complementary};
use crate::error::{ApiError, Problem};
use crate::grouping::Plan;
use crate::population::Population;
use crate::reply::{self, Body, Common, Params};
use crate::universe::population_of;

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AggregateRequest {
    /// The filter; without one, everyone.
    #[serde(default, rename = "where")]
    #[schema(value_type = Option<crate::filter_schema::WhereSchema>)]
    pub filter: Value,
    /// A saved universe instead of a filter.
    pub universe: Option<String>,
    /// What to group by: kinds of districts, fields, `age_band`, `registration_year`, and
    /// `{"turnout": {"last": 4, "type": "general"}}`, the number of these elections that the voter took part in.
    #[serde(default)]
    #[schema(value_type = Vec<Object>, example = json!(["congressional", "party"]))]
    pub by: Vec<Value>,
    /// `voters`, `households`, `doors`, `phones`, `share` (of all who match), `{"mean": "age"}`,
    /// `{"mean": {"score": "turnout"}}`, `{"quantiles": {"score": "turnout", "at": [0.25, 0.5, 0.75]}}`,
    /// `{"voted": "2020-11-03/general"}` (how many took part), and, where one of the groups is a kind of district,
    /// `{"votes": {"election": "2020-11-03/general", "contest": "president"}}`. Voters alone by default.
    #[serde(default)]
    #[schema(value_type = Vec<Object>, example = json!(["voters", {"mean": "age"}]))]
    pub measures: Vec<Value>,
}

/// Groups that one answer may have.
const MOST_GROUPS: usize = 1_000_000;

/// Counts and means of a population's groups.
#[utoipa::path(
    post,
    path = "/v1/aggregates",
    tag = "universes",
    params(Common),
    request_body = AggregateRequest,
    responses(
        (status = 200, description = "a row a group: its values, then the measures; null where the role may not see so few"),
        (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 422, body = Problem, description = "too many groups")
    )
)]
pub async fn aggregate(
    State(app): State<App>,
    caller: Caller,
    Params(common): Params<Common>,
    headers: HeaderMap,
    Body(request): Body<AggregateRequest>,
) -> Result<Response, ApiError> {
    let format = common.format(&headers)?;
    let (filter, as_of) = population_of(&app, &request.filter, request.universe.as_deref(), &common)?;
    let population = Population::read(&filter, &caller)?;
    let serving = reply::serving_of(&app, &common, as_of.as_deref()).await?;
    let plan = Plan::read(&request.by, &request.measures, serving.electorate()?)?;
    let page = common.page(&serving.release.id, format)?;
    let whole = common.limit.is_none();
    let rule = caller.sees_no_persons().then_some(app.disclosure);
    let weight = if plan.grouping.by.iter().all(|key| matches!(key, Key::District(_))) { 2 } else { 100 };
    let made = app.evaluate(&serving, population, weight, move |serving, electorate, filter| {
        let mut grouping = plan.grouping.clone();
        if let Some(rule) = &rule {
            grouping.measures.fingerprint = Some(rule.secret);
        }
        if !electorate.can_group(&grouping) {
            let detail = "these keys have too many combinations: group by fewer or coarser ones";
            return Err(ApiError::of_status(axum::http::StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
        let groups = electorate.group(filter, &grouping);
        if groups.cells.len() > MOST_GROUPS {
            let detail = format!("{} groups are more than {MOST_GROUPS}: group by less", groups.cells.len());
            return Err(ApiError::of_status(axum::http::StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
        let votes = plan.votes(serving)?;
        let mut rows: Vec<Vec<Value>> = Vec::with_capacity(groups.cells.len());
        let hidden = rule.map(|rule| hidden(&groups.cells, &rule));
        // What all who match are shown as, for shares.
        let who = groups.cells.iter().fold(0u64, |sum, cell| sum.wrapping_add(cell.fingerprint));
        let all = rule.map_or(Some(groups.voters), |rule| rule.count(groups.voters, who));
        for (at, cell) in groups.cells.iter().enumerate() {
            // A hidden group is left out whole: its very values may tell of one person.
            if hidden.as_ref().is_some_and(|hidden| hidden[at]) {
                continue;
            }
            let mut row = Vec::with_capacity(plan.names.len() + plan.columns.len());
            row.extend(grouping.by.iter().zip(&cell.codes).map(|(key, code)| electorate.label(key, *code)));
            plan.measure(&mut row, cell, all, rule.as_ref(), electorate);
            plan.add_votes(&mut row, &votes);
            rows.push(row);
        }
        sort(&mut rows, plan.names.len());
        let all = rows.len() as u64;
        let page = if whole { Page { limit: all.max(1), offset: page.offset } } else { page };
        let release = &serving.release.id;
        let shown = rows.iter().skip(page.offset as usize).take(page.limit as usize);
        let end = page.offset + shown.len() as u64;
        let next = (end < all).then(|| reply::cursor(release, end));
        let columns: Vec<&str> = plan.names.iter().chain(&plan.columns).map(String::as_str).collect();
        let bytes = match format {
            Format::Json => json_of(release, &columns, shown, next.as_deref()).map_err(ApiError::internal)?,
            other => {
                let object = |row: &Vec<Value>| {
                    columns.iter().map(|name| name.to_string()).zip(row.iter().cloned()).collect()
                };
                let rows: Vec<Value> = shown.map(object).map(Value::Object).collect();
                Answer::of_rows(&columns, &rows)?.encode(other)?
            }
        };
        Ok(reply::body(release, format.media_type(), bytes, next))
    });
    Ok(reply::respond(&serving.release.id, &made.await?, &headers))
}

/// Which cells a caller without a right to persons must not see: the small ones, and in every line of the table along
/// one of its keys the smallest of the others where just one is small.
fn hidden(cells: &[Cell], rule: &Disclosure) -> Vec<bool> {
    let mut hidden: Vec<bool> = cells.iter().map(|cell| cell.voters < rule.size).collect();
    let keys = cells.first().map_or(0, |cell| cell.codes.len());
    for key in 0..keys {
        let mut lines: HashMap<Vec<u32>, Vec<usize>> = HashMap::new();
        for (at, cell) in cells.iter().enumerate() {
            let mut line = cell.codes.clone();
            line.remove(key);
            lines.entry(line).or_default().push(at);
        }
        for line in lines.into_values() {
            // What is hidden already counts as small.
            let counts: Vec<u64> =
                line.iter().map(|at| if hidden[*at] { 0 } else { cells[*at].voters }).collect();
            for (at, out) in line.iter().zip(complementary(&counts, rule.size)) {
                hidden[*at] |= out;
            }
        }
    }
    hidden
}

/// The rows as JSON, their names in the order of the columns.
fn json_of<'a>(
    release: &str,
    columns: &[&str],
    rows: impl Iterator<Item = &'a Vec<Value>>,
    next: Option<&str>,
) -> serde_json::Result<Vec<u8>> {
    let names = columns.iter().map(serde_json::to_string).collect::<serde_json::Result<Vec<_>>>()?;
    let mut out = format!("{{\"release\":\"{release}\",\"rows\":[").into_bytes();
    for (at, row) in rows.enumerate() {
        out.extend_from_slice(if at == 0 { b"{" } else { b",{" });
        for (place, (name, value)) in names.iter().zip(row).enumerate() {
            if place > 0 {
                out.push(b',');
            }
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            serde_json::to_writer(&mut out, value)?;
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"next\":");
    serde_json::to_writer(&mut out, &next)?;
    out.push(b'}');
    Ok(out)
}

/// By the groups' values, which come first in each row: numbers by size, texts by letters, null last.
fn sort(rows: &mut [Vec<Value>], keys: usize) {
    let rank = |value: &Value| match value {
        Value::Number(number) => (0, number.as_f64().unwrap_or(0.0)),
        Value::Null => (2, 0.0),
        _ => (1, 0.0),
    };
    let order = |a: &Value, b: &Value| match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => rank(a).partial_cmp(&rank(b)).unwrap_or(std::cmp::Ordering::Equal),
    };
    rows.sort_by(|one, other| {
        let pairs = one.iter().zip(other).take(keys);
        pairs.map(|(a, b)| order(a, b)).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
}
