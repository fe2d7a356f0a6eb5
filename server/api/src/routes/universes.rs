//! Universes: how many they are, and saving them.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether_electorate::Counts;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::keys::Role;
use crate::population::Population;
use crate::reply::{self, Body, Common, Params, Segments, TableRequest};
use crate::universe::{self, Membership, Universe, population_of};

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
    Body(request): Body<CountRequest>,
) -> Result<Response, ApiError> {
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
    reply::one_row(&serving, &headers, format, row, &["voters", "households", "doors", "phones"])
}

fn shown(counts: Counts, show: impl Fn(u64, u64) -> Value) -> Value {
    json!({
        "voters": show(counts.voters, 0),
        "households": show(counts.households, 1),
        "doors": show(counts.doors, 2),
        "phones": show(counts.phones, 3),
    })
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
    Body(new): Body<NewUniverse>,
) -> Result<Response, ApiError> {
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
        id,
        name: new.name,
        kind: new.kind,
        filter: new.filter,
        owner: caller.key.clone(),
        saved_at: serving.release.id.clone(),
        created: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
    };
    let state = app.state.clone();
    let kept = app.run(move || universe::keep(&state, universe)).await?;
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
    let all = app.run(move || universe::all(&state).map_err(ApiError::internal)).await?;
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
    Ok(Json(universe::saved(&app, &id)?))
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
    let universe = universe::saved(&app, &id)?;
    if universe.owner != caller.key && caller.role != Role::Admin {
        return Err(ApiError::forbidden("a universe is forgotten by the key that saved it, or by an admin"));
    }
    universe::forget(&app.state, &universe).map_err(ApiError::internal)?;
    Ok(StatusCode::NO_CONTENT)
}
