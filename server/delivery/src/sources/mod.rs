//! What others speak, turned into events: each source is a function from the bytes that it sends to events as the gate
//! takes them, one JSON object each. Nothing is kept between two calls.

pub mod absentee;
pub mod actblue;
pub mod cloudevents;
pub mod feeds;
pub mod mobilize;
pub mod segment;
pub mod social;
pub mod van;

use serde_json::{Map, Value, json};

/// Why a body is not what its source sends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub String);

/// Events as JSON, one a record.
pub type Events = Vec<Vec<u8>>;

/// One event as the gate takes it.
fn event(name: &str, id: Option<&str>, time: Option<&Value>, data: Map<String, Value>) -> Vec<u8> {
    let mut event = json!({"type": name, "data": data});
    if let Some(id) = id {
        event["id"] = id.into();
    }
    if let Some(time) = time {
        event["time"] = time.clone();
    }
    event.to_string().into_bytes()
}

/// A body as JSON.
fn parse(body: &[u8]) -> Result<Value, Unfit> {
    serde_json::from_slice(body).map_err(|error| {
        Unfit(format!("the body is not JSON: line {} column {}", error.line(), error.column()))
    })
}

/// Copies members that are there from one object to another under other names.
fn copy(from: &Value, to: &mut Map<String, Value>, names: &[(&str, &str)]) {
    for (source, target) in names {
        match from.get(source) {
            None | Some(Value::Null) => {}
            Some(value) => drop(to.insert(target.to_string(), value.clone())),
        }
    }
}
