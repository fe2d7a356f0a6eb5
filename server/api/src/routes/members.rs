//! Who is in a universe, and who came and went.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::population::Population;
use crate::reply::{self, Common, Params, Segments, TableRequest};
use crate::serving::Serving;
use crate::streaming::{stream, streams};
use crate::universe::{self, Membership};

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MembersParams {
    /// Columns of the members, joined by commas: those of the tables voters, voter_districts and geocodes, and age.
    #[param(example = "voter_id,last_name,first_name,address,city,zip,party,age,precinct")]
    pub columns: Option<String>,
}

const COLUMNS: &str =
    "state,voter_id,last_name,first_name,middle_name,address,city,zip,party,gender,age,precinct";

/// The members of a universe, in the order of their doors. CSV, NDJSON and Arrow come as a stream; without a limit all
/// of them.
#[utoipa::path(
    get,
    path = "/v1/universes/{id}/voters",
    tag = "universes",
    params(("id" = String, Path, description = "Universe id"), MembersParams, Common),
    responses(
        (status = 200, description = "the chosen columns"),
        (status = 400, body = Problem),
        (status = 403, body = Problem),
        (status = 404, body = Problem)
    )
)]
pub async fn voters(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<String>,
    Params(params): Params<MembersParams>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let universe = universe::saved(&app, &id)?;
    let format = common.format(&headers)?;
    let columns = params.columns.as_deref().unwrap_or(COLUMNS);
    let columns: Vec<String> = columns.split(',').map(|name| name.trim().to_string()).collect();
    let population = Population::read(&universe.filter, &caller)?;
    let as_of = universe.as_of(&common)?;
    let serving = reply::serving_of(&app, &common, as_of.as_deref()).await?;
    let all = common.limit.is_none() && streams(format);
    let mut page = common.page(&serving.release.id, format)?;
    if all {
        page.limit = u64::MAX >> 24;
    }
    serving.copy.knows_columns(&columns)?;
    let filter = population.text.clone();
    let bitmap =
        app.evaluate(&serving, population, 4, |_, electorate, filter| Ok(electorate.bitmap(filter))).await?;
    let members: u64 = bitmap.iter().map(|word| u64::from(word.count_ones())).sum();
    // A cursor names a row, not a place in the list: members who leave meanwhile (their ballot came back) hide nobody.
    let offset = rank(&bitmap, page.offset);
    let given = members.saturating_sub(offset).min(page.limit);
    caller.record(&app, &serving.release.id, filter, given, columns.clone())?;
    let next = row_of(&bitmap, offset + given).map(|row| reply::cursor(&serving.release.id, row));
    let who = blake3::hash(&bitmap.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>());
    let key = format!("members {id} {columns:?} {} {offset} {} {who}", caller.view(), page.limit);
    let head = reply::body(&serving.release.id, format.media_type(), key.into_bytes(), next);
    if !streams(format) {
        let held = serving.clone();
        let made = app.run(move || {
            let answer = held.copy.members(&bitmap, &columns, offset, given)?;
            reply::written(&held.release.id, format, &answer, head.next)
        });
        return Ok(reply::respond(&serving.release.id, &made.await?, &headers));
    }
    let mut response = stream(&app, &serving, format, move |serving, cancel, give| {
        Ok(serving.copy.stream_members(&bitmap, &columns, offset, given, format, cancel, give)?)
    })
    .await?;
    reply::name(&serving.release.id, &head, response.headers_mut());
    Ok(response)
}

/// How many members stand before a row.
fn rank(bitmap: &[u64], row: u64) -> u64 {
    let (word, bit) = ((row / 64) as usize, row % 64);
    let whole: u64 = bitmap.iter().take(word).map(|word| u64::from(word.count_ones())).sum();
    whole + bitmap.get(word).map_or(0, |word| u64::from((word & ((1 << bit) - 1)).count_ones()))
}

/// The row of the member before whom so many others stand.
fn row_of(bitmap: &[u64], mut rank: u64) -> Option<u64> {
    for (at, word) in bitmap.iter().enumerate() {
        let count = u64::from(word.count_ones());
        if rank < count {
            let mut rest = *word;
            (0..rank).for_each(|_| rest &= rest - 1);
            return Some(at as u64 * 64 + u64::from(rest.trailing_zeros()));
        }
        rank -= count;
    }
    None
}

#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChangesParams {
    /// An earlier release: its id, or a day.
    pub since: String,
}

/// Who came into a live universe since an earlier release, and who left it.
#[utoipa::path(
    get,
    path = "/v1/universes/{id}/changes",
    tag = "universes",
    params(("id" = String, Path, description = "Universe id"), ChangesParams, Common),
    responses(
        (status = 200, description = "state, voter_id, change (came or left)"),
        (status = 400, body = Problem),
        (status = 404, body = Problem)
    )
)]
pub async fn changes(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<String>,
    Params(params): Params<ChangesParams>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let universe = universe::saved(&app, &id)?;
    if universe.kind == Membership::Static {
        return Err(ApiError::bad_request("the universe is static: nobody comes or goes"));
    }
    let now = reply::serving_of(&app, &common, common.as_of.as_deref()).await?;
    let then = app.serving(Some(&params.since)).await?;
    let ids = async |serving: &Arc<Serving>| -> Result<BTreeSet<(String, String)>, ApiError> {
        let population = Population::read(&universe.filter, &caller)?;
        let bitmap = app
            .evaluate(serving, population, 4, |_, electorate, filter| Ok(electorate.bitmap(filter)))
            .await?;
        let held = serving.clone();
        app.run(move || {
            let columns = ["state".to_string(), "voter_id".to_string()];
            let answer = held.copy.members(&bitmap, &columns, 0, u64::MAX >> 24)?;
            let texts = |name: &str| answer.texts(name).into_iter().map(Option::unwrap_or_default);
            Ok(texts("state").zip(texts("voter_id")).collect())
        })
        .await
    };
    let (before, after) = (ids(&then).await?, ids(&now).await?);
    let row = |change: &'static str| move |(state, voter): &(String, String)| json!({"state": state, "voter_id": voter, "change": change});
    let mut rows: Vec<Value> = after.difference(&before).map(row("came")).collect();
    rows.extend(before.difference(&after).map(row("left")));
    let columns = ["state", "voter_id", "change"];
    let filter = json!({"universe": id, "since": then.release.id});
    caller.record(&app, &now.release.id, filter, rows.len() as u64, columns.map(str::to_string).to_vec())?;
    let text = blake3::hash(universe.filter.to_string().as_bytes());
    let key = format!("changes {id} {text} {} {}", then.release.id, caller.view());
    let common = Common { as_of: Some(now.release.id.clone()), ..common };
    let request = TableRequest { common: &common, headers: &headers, key };
    reply::rows(&app, request, &["state", "voter_id", "change"], |_| Ok(rows)).await
}
