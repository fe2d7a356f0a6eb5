//! Event types: what they are, how they stand hour by hour, their dead letters, and how these are sent again.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use bellwether_delivery::{Letter, Line};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::access::Caller;
use crate::app::App;
use crate::error::ApiError;
use crate::following::Followed;
use crate::keys::Right;
use crate::reply::{Body, Params, Segments};

/// A type and how it stands.
#[derive(Serialize, ToSchema)]
pub struct TypeSummary {
    pub name: String,
    pub version: u32,
    pub meaning: String,
    /// critical, normal or bulk: bulk is slowed first.
    #[schema(value_type = String)]
    pub priority: bellwether_schema::events::Priority,
    pub retention_days: u32,
    pub late_after_minutes: u32,
    /// Table of its events.
    pub table: String,
    /// Events that were received and read: the sum of the four below.
    pub received: u64,
    pub landed: u64,
    pub dead: u64,
    /// Events whose id had landed before.
    pub duplicate: u64,
    /// Posts that were deleted where they were posted.
    pub deleted: u64,
    /// Events that are durable and wait to be landed, in bytes of the queue.
    pub backlog_bytes: u64,
    /// Why nothing lands just now, if so. What is sent meanwhile is kept.
    pub fault: Option<String>,
}

/// All types.
#[derive(Serialize, ToSchema)]
pub struct Types {
    pub types: Vec<TypeSummary>,
    /// Documents in the folder of types that are not taken up, and why.
    pub faults: BTreeMap<String, String>,
    /// Feeds that are followed, and how each stands.
    pub feeds: BTreeMap<String, Followed>,
}

/// One hour of receipt, UTC.
#[derive(Serialize, ToSchema)]
pub struct HourOfType {
    #[schema(example = "2026-11-03T17")]
    pub hour: String,
    /// True when the hour is over and everything that was received in it has been read: its rows do not change any more.
    pub closed: bool,
    pub received: u64,
    pub landed: u64,
    pub dead: u64,
    pub duplicate: u64,
    /// Posts of this hour that were deleted where they were posted.
    pub deleted: u64,
    /// Landed in this hour though their own was closed already.
    pub late: u64,
    /// Events of this hour that came after it was closed: the correction to what it told.
    pub corrections: u64,
    /// A sum over what was neither dead nor a duplicate, byte by byte, that two ends which were sent the same share; told to keys
    /// that may load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Whether received is landed, dead, duplicate and deleted together.
    pub complete: bool,
}

/// A type, its fields, and its hours.
#[derive(Serialize, ToSchema)]
pub struct TypeDetail {
    #[serde(flatten)]
    pub summary: TypeSummary,
    /// Fields that name the person the event is of.
    pub subject: Vec<String>,
    /// name, type, privacy, meaning and limits of each.
    #[schema(value_type = Vec<Object>)]
    pub fields: Vec<bellwether_schema::events::EventField>,
    pub hours: Vec<HourOfType>,
}

fn summary(line: &Line) -> TypeSummary {
    let plan = line.plan();
    let event_type = &plan.event_type;
    let status = line.status();
    let sum = |of: fn(&bellwether_delivery::ledger::Hour) -> u64| status.hours.values().map(of).sum();
    TypeSummary {
        name: event_type.name.clone(),
        version: event_type.version,
        meaning: event_type.meaning.clone(),
        priority: event_type.priority,
        retention_days: event_type.retention_days,
        late_after_minutes: event_type.late_after_minutes,
        table: event_type.table_name(),
        received: sum(|hour| hour.received),
        landed: sum(|hour| hour.landed),
        dead: sum(|hour| hour.dead),
        duplicate: sum(|hour| hour.duplicate),
        deleted: sum(|hour| hour.deleted),
        backlog_bytes: line.backlog(),
        fault: status.fault,
    }
}

/// The event types, and how each stands.
#[utoipa::path(get, path = "/v1/event-types", tag = "events", responses((status = 200, body = Types)))]
pub async fn list(State(app): State<App>) -> Result<Json<Types>, ApiError> {
    let delivery = app.intake.delivery()?;
    let types = delivery.lines().iter().map(|line| summary(line)).collect();
    Ok(Json(Types { types, faults: delivery.type_faults(), feeds: app.following.followed() }))
}

/// The line of a type, or an error that names those there are.
fn line_of(app: &App, name: &str) -> Result<std::sync::Arc<Line>, ApiError> {
    let delivery = app.intake.delivery()?;
    delivery.line(name).ok_or_else(|| {
        let names: Vec<String> = delivery.lines().iter().map(|line| line.name.clone()).collect();
        ApiError::not_found(format!("there is no event type {name}; there are {}", names.join(", ")))
    })
}

/// One event type: its fields, and for every hour of receipt what came in and what became of it.
#[utoipa::path(
    get,
    path = "/v1/event-types/{type}",
    tag = "events",
    params(("type" = String, Path, example = "contact.door")),
    responses((status = 200, body = TypeDetail))
)]
pub async fn one(
    State(app): State<App>,
    caller: Caller,
    Segments(name): Segments<String>,
) -> Result<Json<TypeDetail>, ApiError> {
    let line = line_of(&app, &name)?;
    let plan = line.plan();
    let status = line.status();
    let mut corrections: BTreeMap<String, u64> = BTreeMap::new();
    for hour in status.hours.values() {
        for (own, count) in &hour.late {
            *corrections.entry(own.clone()).or_default() += count;
        }
    }
    let now = bellwether_delivery::ledger::hour_of(bellwether_delivery::now());
    let caught_up = line.backlog() == 0;
    let names = status.hours.keys().chain(corrections.keys()).collect::<std::collections::BTreeSet<_>>();
    let hours = names.into_iter().map(|name| {
        let hour = status.hours.get(name).cloned().unwrap_or_default();
        HourOfType {
            closed: *name < now && caught_up,
            received: hour.received,
            landed: hour.landed,
            dead: hour.dead,
            duplicate: hour.duplicate,
            deleted: hour.deleted,
            late: hour.late.values().sum(),
            corrections: corrections.get(name).copied().unwrap_or(0),
            content: caller.may(Right::Load).then(|| hour.content_shown()),
            complete: hour.received == hour.landed + hour.dead + hour.duplicate + hour.deleted,
            hour: name.clone(),
        }
    });
    let hours = hours.collect();
    let (subject, fields) = (plan.event_type.subject.clone(), plan.event_type.fields.clone());
    Ok(Json(TypeDetail { summary: summary(&line), subject, fields, hours }))
}

/// Which dead letters.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LettersAsked {
    /// Those of this reason only: wrong_type, missing, not_json and so on.
    pub reason: Option<String>,
    /// Those before this number, as the page before gave it in `next`.
    pub after: Option<u64>,
    /// Letters of a page; 100 by default, 10,000 at most.
    pub limit: Option<usize>,
}

/// Something that was received and is no event of the type.
#[derive(Serialize, ToSchema)]
pub struct DeadLetter {
    pub number: u64,
    /// RFC 3339.
    pub received_at: String,
    pub reason: String,
    /// What is wrong, and where.
    pub detail: String,
    /// What was received; nothing where it was of somebody who has been erased.
    pub payload: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct DeadLetters {
    pub rows: Vec<DeadLetter>,
    pub next: Option<u64>,
}

/// Most letters of a page, and most that one replay sends.
const MOST_LETTERS: usize = 10_000;

/// The dead letters of a type, the newest first, with what was received.
#[utoipa::path(
    get,
    path = "/v1/event-types/{type}/dead-letters",
    tag = "events",
    params(("type" = String, Path, example = "contact.door"), LettersAsked),
    responses((status = 200, body = DeadLetters))
)]
pub async fn dead_letters(
    State(app): State<App>,
    caller: Caller,
    Segments(name): Segments<String>,
    Params(asked): Params<LettersAsked>,
) -> Result<Json<DeadLetters>, ApiError> {
    let line = line_of(&app, &name)?;
    let limit = asked.limit.unwrap_or(100).clamp(1, MOST_LETTERS);
    let letters = line.letters(asked.after, asked.reason, None, limit + 1).await?;
    let next = (letters.len() > limit).then(|| letters[limit - 1].number);
    let rows: Vec<DeadLetter> = letters.into_iter().take(limit).map(shown).collect();
    caller.record(&app, "live", json!({"dead_letters": name}), rows.len() as u64, vec!["payload".into()])?;
    Ok(Json(DeadLetters { rows, next }))
}

fn shown(letter: Letter) -> DeadLetter {
    let time = chrono::DateTime::from_timestamp_millis(letter.received as i64).unwrap_or_default();
    DeadLetter {
        number: letter.number,
        received_at: time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        reason: letter.reason,
        detail: letter.detail,
        payload: letter.payload.map(|payload| String::from_utf8_lossy(&payload).into_owned()),
    }
}

/// What to send again: dead letters as they are, by number or reason, or repaired; or the landed events of some hours, to
/// be written anew as the type reads them now.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Dead letters by number.
    pub numbers: Option<Vec<u64>>,
    /// Dead letters by reason.
    pub reason: Option<String>,
    /// Events that take the place of dead letters. They are read like any other; the same id lands once.
    #[schema(value_type = Vec<Object>)]
    pub repaired: Option<Vec<serde_json::Value>>,
    /// First hour of receipt whose landed events are written anew: 2026-11-03T17.
    pub from: Option<String>,
    /// Last hour; the first where nothing is said.
    pub to: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Replayed {
    /// Events that are durable in the type's queue again.
    pub sent: u64,
    /// Rows that were written anew.
    pub rewritten: u64,
}

/// Sends dead letters again, as they are or repaired; or writes landed events anew by the newest version of the type.
#[utoipa::path(
    post,
    path = "/v1/event-types/{type}/replay",
    tag = "events",
    params(("type" = String, Path, example = "contact.door")),
    request_body = Replay,
    responses((status = 200, body = Replayed))
)]
pub async fn replay(
    State(app): State<App>,
    Segments(name): Segments<String>,
    Body(asked): Body<Replay>,
) -> Result<Json<Replayed>, ApiError> {
    let line = line_of(&app, &name)?;
    let mut records: Vec<Vec<u8>> =
        asked.repaired.iter().flatten().map(|event| event.to_string().into_bytes()).collect();
    if asked.numbers.is_some() || asked.reason.is_some() {
        let letters = line.letters(None, asked.reason, asked.numbers, MOST_LETTERS).await?;
        records.extend(letters.into_iter().filter_map(|letter| letter.payload));
    }
    let mut rewritten = 0;
    if let Some(from) = asked.from {
        let to = asked.to.unwrap_or_else(|| from.clone());
        rewritten = line.rebuild(from, to).await? as u64;
    } else if records.is_empty() {
        return Err(ApiError::bad_request("name what to replay: numbers, reason, repaired, or from"));
    }
    let mut sent = 0;
    if !records.is_empty() {
        let receipt = app.take_in(records).await?;
        if let Some(refused) = receipt.refused.values().next() {
            return Err(ApiError::too_many(refused.retry_after));
        }
        sent = receipt.accepted;
    }
    Ok(Json(Replayed { sent, rewritten }))
}
