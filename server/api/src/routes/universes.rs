//! Universes: how many they are, saving them, who is in them, who came and went.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether_electorate::Counts;
use bellwether_warehouse::Format;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::keys::Role;
use crate::population::Population;
use crate::reply::{self, Common, Params, Segments, TableRequest};
use crate::serving::Serving;
use crate::streaming::{stream, streams};

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CountRequest {
    /// The filter; without one, everyone.
    #[serde(default, rename = "where")]
    #[schema(value_type = Option<crate::filter_schema::WhereSchema>)]
    pub filter: Value,
    /// A saved universe instead of a filter.
    pub universe: Option<String>,
}

/// Reads a body, with problem+json for what cannot be read.
pub fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, ApiError> {
    body.map(|Json(body)| body).map_err(|error| match error.status() {
        // An unknown word in a body is the caller's mistake like any other.
        StatusCode::UNPROCESSABLE_ENTITY => ApiError::bad_request(error.body_text()),
        status => ApiError::of_status(status, error.body_text()),
    })
}

/// How many voters, households, doors and telephone numbers match a filter. Households are the people at one address,
/// its unit included; doors are addresses without the unit; people without an address are in neither.
#[utoipa::path(
    post,
    path = "/v1/universes/count",
    tag = "universes",
    params(Common),
    request_body = CountRequest,
    responses(
        (status = 200, description = "voters, households, doors, phones; null where the role may not see so few"),
        (status = 400, body = Problem),
        (status = 404, body = Problem)
    )
)]
pub async fn count(
    State(app): State<App>,
    caller: Caller,
    Params(common): Params<Common>,
    headers: HeaderMap,
    request: Result<Json<CountRequest>, JsonRejection>,
) -> Result<Response, ApiError> {
    let request = body(request)?;
    let format = common.format(&headers)?;
    let (filter, as_of) = population_of(&app, &request.filter, request.universe.as_deref(), &common)?;
    let population = Population::read(&filter, &caller)?;
    let serving = app.serving(as_of.as_deref()).await?;
    let rule = caller.sees_no_persons().then_some(app.disclosure);
    let row = app
        .evaluate(&serving, population, 12, move |_, electorate, filter| {
            let counts = electorate.count(filter);
            Ok(match rule {
                None => shown(counts, |count, _| count.into()),
                Some(rule) if counts.voters < rule.size => shown(counts, |_, _| Value::Null),
                Some(rule) => {
                    let who = electorate.fingerprint(&electorate.bitmap(filter), rule.secret);
                    shown(counts, |count, salt| rule.shown(count, who ^ salt))
                }
            })
        })
        .await?;
    one_row(&serving, &headers, format, row, &["voters", "households", "doors", "phones"])
}

fn shown(counts: Counts, show: impl Fn(u64, u64) -> Value) -> Value {
    json!({
        "voters": show(counts.voters, 0),
        "households": show(counts.households, 1),
        "doors": show(counts.doors, 2),
        "phones": show(counts.phones, 3),
    })
}

/// An answer of one row: its fields beside the release in JSON, a table of one row in the other formats.
pub fn one_row(
    serving: &Serving,
    headers: &HeaderMap,
    format: Format,
    mut row: Value,
    columns: &[&str],
) -> Result<Response, ApiError> {
    let bytes = match format {
        Format::Json => {
            row["release"] = json!(serving.release.id);
            serde_json::to_vec(&row).map_err(ApiError::internal)?
        }
        other => bellwether_warehouse::Answer::of_rows(columns, &[row])?.encode(other)?,
    };
    let made = reply::body(&serving.release.id, format.media_type(), bytes, None);
    Ok(reply::respond(&serving.release.id, &made, headers))
}

/// The filter and the release of a request that names a filter or a saved universe.
pub fn population_of(
    app: &App,
    filter: &Value,
    universe: Option<&str>,
    common: &Common,
) -> Result<(Value, Option<String>), ApiError> {
    match universe {
        None => Ok((filter.clone(), common.as_of.clone())),
        Some(_) if !filter.is_null() => Err(ApiError::bad_request("give a filter or a universe, not both")),
        Some(id) => {
            let universe = saved(app, id)?;
            let as_of = universe.as_of(common)?;
            Ok((universe.filter, as_of))
        }
    }
}

/// How a saved universe keeps its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Membership {
    /// The filter is asked again in every release.
    #[default]
    Live,
    /// Its members are those of the release that it was saved at.
    Static,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUniverse {
    pub name: String,
    /// The filter; without one, everyone.
    #[serde(default, rename = "where")]
    #[schema(value_type = Option<crate::filter_schema::WhereSchema>)]
    pub filter: Value,
    #[serde(default)]
    pub kind: Membership,
}

/// A saved universe.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Universe {
    pub id: String,
    pub name: String,
    pub kind: Membership,
    #[serde(rename = "where")]
    #[schema(value_type = Object)]
    pub filter: Value,
    /// Release that it was saved at.
    pub saved_at: String,
    /// RFC 3339, UTC.
    pub created: String,
    /// Id of the key that saved it.
    #[serde(default)]
    pub owner: String,
}

impl Universe {
    /// The release in which it is asked for.
    fn as_of(&self, common: &Common) -> Result<Option<String>, ApiError> {
        match (self.kind, &common.as_of) {
            (Membership::Live, as_of) => Ok(as_of.clone()),
            (Membership::Static, None) => Ok(Some(self.saved_at.clone())),
            (Membership::Static, Some(asked)) if *asked == self.saved_at => Ok(Some(asked.clone())),
            (Membership::Static, Some(_)) => Err(ApiError::bad_request(format!(
                "the universe is static: its members are those of {}",
                self.saved_at
            ))),
        }
    }
}

fn file(id: &str) -> String {
    format!("universes/{id}.json")
}

fn saved(app: &App, id: &str) -> Result<Universe, ApiError> {
    let plain = id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let found = if plain { app.state.read(&file(id)).map_err(ApiError::internal)? } else { None };
    found.ok_or_else(|| ApiError::not_found("no such universe; GET /v1/universes lists those that there are"))
}

/// Saves a universe.
#[utoipa::path(
    post,
    path = "/v1/universes",
    tag = "universes",
    request_body = NewUniverse,
    responses(
        (status = 201, body = Universe),
        (status = 400, body = Problem),
        (status = 409, body = Problem, description = "the idempotency key came with another body before")
    )
)]
pub async fn save(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    request: Result<Json<NewUniverse>, JsonRejection>,
) -> Result<Response, ApiError> {
    let new = body(request)?;
    if new.name.trim().is_empty() || new.name.len() > 200 {
        return Err(ApiError::bad_request("a universe needs a name of at most 200 characters"));
    }
    let population = Population::read(&new.filter, &caller)?;
    let serving = app.serving(None).await?;
    app.evaluate(&serving, population, 0, |_, _, _| Ok(())).await?;
    // The same idempotency key of the same caller names the same universe.
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
    let id = match key {
        Some(key) => blake3::hash(format!("{} {key}", caller.key).as_bytes()).to_hex()[..32].to_string(),
        None => uuid::Uuid::now_v7().to_string(),
    };
    let universe = Universe {
        id: id.clone(),
        name: new.name,
        kind: new.kind,
        filter: new.filter,
        owner: caller.key.clone(),
        saved_at: serving.release.id.clone(),
        created: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
    };
    let state = app.state.clone();
    let kept = app
        .run(move || {
            if let Some(before) = state.read::<Universe>(&file(&id)).map_err(ApiError::internal)? {
                let same = before.name == universe.name
                    && before.filter == universe.filter
                    && before.kind == universe.kind;
                return match same {
                    true => Ok(before),
                    false => Err(ApiError::conflict("the idempotency key came with another body before")),
                };
            }
            state.write(&file(&id), &universe).map_err(ApiError::internal)?;
            Ok(universe)
        })
        .await?;
    let place = [(header::LOCATION, format!("/v1/universes/{}", kept.id))];
    Ok((StatusCode::CREATED, place, Json(kept)).into_response())
}

/// Every saved universe, the newest first.
#[utoipa::path(
    get,
    path = "/v1/universes",
    tag = "universes",
    params(Common),
    responses((status = 200, description = "id, name, kind, where, saved_at, created"), (status = 400, body = Problem))
)]
pub async fn list(
    State(app): State<App>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let state = app.state.clone();
    // Universes come and go between releases, so the list is not cached: its key is its content.
    let mut all = app
        .run(move || {
            let mut all: Vec<Universe> = Vec::new();
            for entry in std::fs::read_dir(state.path("universes")).into_iter().flatten().flatten() {
                let name = format!("universes/{}", entry.file_name().to_string_lossy());
                if name.ends_with(".json") {
                    all.extend(state.read(&name).map_err(ApiError::internal)?);
                }
            }
            Ok(all)
        })
        .await?;
    all.sort_by(|one, other| other.created.cmp(&one.created).then(other.id.cmp(&one.id)));
    let rows: Vec<Value> =
        all.iter().map(|universe| serde_json::to_value(universe).unwrap_or_default()).collect();
    let key = format!("universes {}", blake3::hash(json!(rows).to_string().as_bytes()));
    let request = TableRequest { common: &common, headers: &headers, key };
    reply::rows(&app, request, &["id", "name", "kind", "where", "saved_at", "created"], |_| Ok(rows)).await
}

/// One saved universe.
#[utoipa::path(
    get,
    path = "/v1/universes/{id}",
    tag = "universes",
    params(("id" = String, Path, description = "Universe id")),
    responses((status = 200, body = Universe), (status = 404, body = Problem))
)]
pub async fn one(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Universe>, ApiError> {
    Ok(Json(saved(&app, &id)?))
}

/// Forgets a saved universe.
#[utoipa::path(
    delete,
    path = "/v1/universes/{id}",
    tag = "universes",
    params(("id" = String, Path, description = "Universe id")),
    responses(
        (status = 204, description = "forgotten"),
        (status = 403, body = Problem),
        (status = 404, body = Problem)
    )
)]
pub async fn forget(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<StatusCode, ApiError> {
    let universe = saved(&app, &id)?;
    if universe.owner != caller.key && caller.role != Role::Admin {
        return Err(ApiError::forbidden("a universe is forgotten by the key that saved it, or by an admin"));
    }
    std::fs::remove_file(app.state.path(&file(&universe.id))).map_err(ApiError::internal)?;
    Ok(StatusCode::NO_CONTENT)
}

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
    let universe = saved(&app, &id)?;
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
    let given = members.saturating_sub(page.offset).min(page.limit);
    caller.record(&app, &serving.release.id, filter, given, columns.clone())?;
    let next =
        (page.offset + given < members).then(|| reply::cursor(&serving.release.id, page.offset + given));
    let key = format!("members {id} {columns:?} {} {} {}", caller.view(), page.offset, page.limit);
    let head = reply::body(&serving.release.id, format.media_type(), key.into_bytes(), next);
    if !streams(format) {
        let held = serving.clone();
        let made = app.run(move || {
            let answer = held.copy.members(&bitmap, &columns, page.offset, given)?;
            reply::written(&held.release.id, format, &answer, head.next)
        });
        return Ok(reply::respond(&serving.release.id, &made.await?, &headers));
    }
    let mut response = stream(&app, &serving, format, move |serving, cancel, give| {
        Ok(serving.copy.stream_members(&bitmap, &columns, page.offset, given, format, cancel, give)?)
    })
    .await?;
    reply::name(&serving.release.id, &head, response.headers_mut());
    Ok(response)
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
    let universe = saved(&app, &id)?;
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
