//! One voter: districts, history, scores.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_warehouse::{Format, questions};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::population::Population;
use crate::reply::{AsOf, Params, Segments, one_row};
use crate::turfs::Member;

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VoterParams {
    /// Postal code, where several states are loaded: ids are unique within one.
    pub state: Option<String>,
}

/// One voter as the state's file has it, with coordinate, districts, participation and scores; and, beside it,
/// what canvassers reported.
#[utoipa::path(
    get,
    path = "/v1/voters/{id}",
    tag = "voters",
    params(("id" = String, Path, description = "The state's own voter id"), VoterParams, AsOf),
    responses(
        (status = 200, description = "voter, districts, history, scores, reports"),
        (status = 400, body = Problem),
        (status = 403, body = Problem),
        (status = 404, body = Problem)
    )
)]
pub async fn one(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<String>,
    Params(params): Params<VoterParams>,
    Params(as_of): Params<AsOf>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let serving = app.serving(as_of.as_of.as_deref()).await?;
    let population = Population::read(&Value::Null, &caller)?;
    let engine = app.clone();
    let (asked, state) = (id.clone(), params.state.map(|state| state.to_uppercase()));
    let found = app
        .evaluate(&serving, population, 1 << 40, move |serving, electorate, filter| {
            let rows = questions::voter(&serving.copy, &asked, state.as_deref())?;
            let bitmap = electorate.bitmap(filter);
            let allowed = |row: &i64| bitmap[*row as usize / 64] >> (row % 64) & 1 == 1;
            // Who lies outside of the key's districts is not there for the key.
            let mut records = rows.json()?;
            records.retain(|record| record["row"].as_i64().is_some_and(|row| allowed(&row)));
            let Some(row) = records.first().and_then(|record| record["row"].as_i64()) else {
                return Ok(None);
            };
            if records.len() > 1 {
                let states: Vec<&str> =
                    records.iter().filter_map(|record| record["state"].as_str()).collect();
                let detail = format!("several states have this id: add state={}", states.join(" or state="));
                return Err(ApiError::bad_request(detail));
            }
            let mut voter = records.remove(0);
            let state = voter["state"].as_str().unwrap_or_default().to_string();
            let mut part = |names: &[&str]| -> Value {
                let object = voter.as_object_mut();
                let taken = object.map(|object| {
                    names.iter().filter_map(|name| Some((name.to_string(), object.remove(*name)?)))
                });
                taken.map_or(Value::Null, |taken| taken.collect::<serde_json::Map<_, _>>().into())
            };
            let districts = part(&[
                "precinct",
                "county",
                "congressional",
                "state_senate",
                "state_house",
                "media_market",
                "disagrees",
            ]);
            let place = part(&["longitude", "latitude", "quality"]);
            part(&["row", "placed"]);
            let scores: serde_json::Map<String, Value> = electorate
                .scores
                .iter()
                .filter(|(_, scores)| !scores[row as usize].is_nan())
                .map(|(model, scores)| (model.clone(), json!(scores[row as usize])))
                .collect();
            let history = questions::history(&serving.copy, &asked, &state)?.json()?;
            // What canvassers found stands beside the record and changes nothing in it.
            let member = Member { state, voter_id: asked.clone() };
            let reports = engine.intake.happenings.walked.reports(std::iter::once(&member)).remove(&member);
            Ok(Some(json!({
                "voter": voter, "place": place, "districts": districts, "history": history, "scores": scores,
                "reports": reports.unwrap_or_default(),
            })))
        })
        .await?;
    let found = found.ok_or_else(|| ApiError::not_found("no such voter, or none that this key may see"))?;
    let who =
        blake3::keyed_hash(blake3::hash(&app.disclosure.secret.to_le_bytes()).as_bytes(), id.as_bytes());
    let columns = vec!["*".to_string()];
    caller.record(&app, &serving.release.id, json!({"voter": who.to_hex().as_str()}), 1, columns)?;
    one_row(&serving, &headers, Format::Json, found, &[])
}
