//! Aggregates: any population, grouped by any fields and districts together.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_electorate::Key;
use bellwether_warehouse::questions::Page;
use bellwether_warehouse::{Answer, Format};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::grouped;
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
    /// `{"voted": "2020-11-03/general"}` (how many took part), `{"returned": "2026-11-03/general"}` (whose ballots
    /// are back as of this moment, by the events `ballot.returned`), and, where one of the groups is a kind of district,
    /// `{"votes": {"election": "2020-11-03/general", "contest": "president"}}`. Voters alone by default.
    #[serde(default)]
    #[schema(value_type = Vec<Object>, example = json!(["voters", {"mean": "age"}]))]
    pub measures: Vec<Value>,
}

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
    if !plan.grouping.measures.among.is_empty() {
        app.intake.knows_ballots()?;
    }
    let page = common.page(&serving.release.id, format)?;
    let whole = common.limit.is_none();
    let rule = caller.sees_no_persons().then_some(app.disclosure);
    let weight = if plan.grouping.by.iter().all(|key| matches!(key, Key::District(_))) { 2 } else { 100 };
    let made = app.evaluate(&serving, population, weight, move |serving, electorate, filter| {
        let rows = grouped::rows(&plan, serving, electorate, filter, rule.as_ref())?;
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
