//! Event types: what they are, how they stand hour by hour, their dead letters, and how these are sent again.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use bellwether_delivery::Line;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::reply::Segments;

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
    /// Events that were received and read: the sum of the three below.
    pub received: u64,
    pub landed: u64,
    pub dead: u64,
    /// Events whose id had landed before.
    pub duplicate: u64,
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
    /// Landed in this hour though their own was closed already.
    pub late: u64,
    /// Events of this hour that came after it was closed: the correction to what it told.
    pub corrections: u64,
    /// Whether received is landed, dead and duplicate together.
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
        backlog_bytes: line.backlog(),
        fault: status.fault,
    }
}

/// The event types, and how each stands.
#[utoipa::path(get, path = "/v1/event-types", tag = "events", responses((status = 200, body = Types)))]
pub async fn list(State(app): State<App>) -> Result<Json<Types>, ApiError> {
    let delivery = app.intake.delivery()?;
    let types = delivery.lines().iter().map(|line| summary(line)).collect();
    Ok(Json(Types { types, faults: delivery.type_faults() }))
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
            late: hour.late.values().sum(),
            corrections: corrections.get(name).copied().unwrap_or(0),
            complete: hour.received == hour.landed + hour.dead + hour.duplicate,
            hour: name.clone(),
        }
    });
    let hours = hours.collect();
    let (subject, fields) = (plan.event_type.subject.clone(), plan.event_type.fields.clone());
    Ok(Json(TypeDetail { summary: summary(&line), subject, fields, hours }))
}
