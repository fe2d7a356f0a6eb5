//! Erasing a person: the key that their events are sealed with, and what the tables and queues hold of them.

use axum::Json;
use axum::extract::State;
use bellwether_delivery::named_person;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::access::Caller;
use crate::app::App;
use crate::error::ApiError;
use crate::reply::Body;

/// Who is to be erased: everything by which events may name the person.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// The state's own voter id.
    pub voter_id: Option<String>,
    /// Postal code of the state that keeps the record.
    pub state: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    /// A field of an event type and what stands in it: an author's id in `social.post`, a donor's in `donation`.
    #[serde(default)]
    pub named: Vec<NamedIn>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedIn {
    #[serde(rename = "type")]
    #[schema(example = "social.post")]
    pub event_type: String,
    #[schema(example = "author")]
    pub field: String,
    pub value: String,
}

#[derive(Serialize, ToSchema)]
pub struct Erased {
    /// Rows of events and dead letters that were rewritten without the person.
    pub rows: u64,
}

/// Erases a person from the events: the key goes, so that no copy of what was sealed with it can be read any more; the
/// files that held it are written anew; what waits in the queues is landed first. Events that come later of the same
/// person keep no private field.
#[utoipa::path(
    post,
    path = "/v1/erasures",
    tag = "events",
    request_body = Erasure,
    responses((status = 200, body = Erased))
)]
pub async fn erase(
    State(app): State<App>,
    caller: Caller,
    Body(who): Body<Erasure>,
) -> Result<Json<Erased>, ApiError> {
    let delivery = app.intake.delivery()?;
    let (mut persons, mut texts) = (Vec::new(), Vec::new());
    let mut add = |event_type: &str, field: &str, value: &str, state: Option<&str>| {
        persons.push(named_person(&delivery.vault, event_type, field, value, state));
        texts.push(value.to_string());
    };
    if let Some(voter) = &who.voter_id {
        // Events may name the voter with the state or without.
        add("", "voter_id", voter, None);
        if let Some(state) = &who.state {
            add("", "voter_id", voter, Some(state));
        }
    }
    for (field, value) in [("email", &who.email), ("phone", &who.phone)] {
        if let Some(value) = value {
            add("", field, value, None);
        }
    }
    for named in &who.named {
        add(&named.event_type, &named.field, &named.value, who.state.as_deref());
    }
    if persons.is_empty() {
        return Err(ApiError::bad_request("say who: voter_id, email, phone or named"));
    }
    // The record says that somebody was erased, not who.
    caller.record(&app, "live", json!({"erased": persons.len()}), None, Vec::new())?;
    let erased = delivery.erase(persons, texts).await;
    if let Some(voter) = who.voter_id {
        let (happenings, turfs) = (app.intake.happenings.clone(), app.turfs.clone());
        app.run(move || {
            turfs.erase(&voter, who.state.as_deref())?;
            happenings.forget(&voter, who.state.as_deref())
        })
        .await?;
    }
    let rows = erased? as u64;
    Ok(Json(Erased { rows }))
}
