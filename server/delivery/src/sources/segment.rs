//! The tracking API that analytics SDKs speak (Segment's HTTP tracking API): track, identify, page, screen, group, alias,
//! and batches of them. A track call whose event is named like a type is an event of it; everything else is a line of
//! `app.log`.

use serde_json::{Map, Value};

use super::{Events, Unfit, copy, event, parse};

/// Calls of the API, by the last part of the path.
pub const CALLS: [&str; 7] = ["track", "identify", "page", "screen", "group", "alias", "batch"];

/// One call's body; `is_type` tells names of types.
pub fn read(call: &str, body: &[u8], is_type: impl Fn(&str) -> bool) -> Result<Events, Unfit> {
    let body = parse(body)?;
    if call != "batch" {
        return Ok(vec![message(call, &body, &Value::Null, &is_type)]);
    }
    let Some(messages) = body.get("batch").and_then(Value::as_array) else {
        return Err(Unfit("a batch has a list of messages: batch".into()));
    };
    let context = body.get("context").unwrap_or(&Value::Null);
    Ok(messages
        .iter()
        .map(|one| {
            message(one.get("type").and_then(Value::as_str).unwrap_or("track"), one, context, &is_type)
        })
        .collect())
}

fn message(call: &str, message: &Value, shared: &Value, is_type: &impl Fn(&str) -> bool) -> Vec<u8> {
    let text = |name: &str| message.get(name).and_then(Value::as_str);
    let time =
        message.get("timestamp").or_else(|| message.get("originalTimestamp")).filter(|time| time.is_string());
    let named = text("event").unwrap_or_default();
    if call == "track" && is_type(named) {
        let data = message.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        return event(named, text("messageId"), time, data);
    }
    let mut data = Map::new();
    let what = match call {
        "track" => named.to_string(),
        "page" | "screen" => format!("{call} {}", text("name").unwrap_or_default()).trim().to_string(),
        other => other.to_string(),
    };
    data.insert("event".into(), what.chars().take(400).collect::<String>().into());
    copy(message, &mut data, &[("properties", "properties"), ("traits", "traits"), ("context", "context")]);
    if !data.contains_key("context") && shared.is_object() {
        data.insert("context".into(), shared.clone());
    }
    for name in ["userId", "anonymousId"] {
        let user = match message.get(name) {
            Some(Value::String(user)) => user.clone(),
            Some(Value::Number(user)) => user.to_string(),
            _ => continue,
        };
        let target = if data.contains_key("user_id") { "session_id" } else { "user_id" };
        data.insert(target.into(), user.chars().take(200).collect::<String>().into());
    }
    event("app.log", text("messageId"), time, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_become_events_of_their_type_or_lines_of_the_log() {
        let body = br#"{"batch": [
            {"type": "track", "event": "contact.door", "messageId": "m1", "timestamp": "2026-10-01T10:00:00Z",
             "userId": "u", "properties": {"voter_id": "7", "result": "not_home"}},
            {"type": "track", "event": "Button Clicked", "messageId": "m2", "anonymousId": "a", "userId": 5},
            {"type": "identify", "userId": "u", "traits": {"email": "a@example.org"}}]}"#;
        let events = read("batch", body, |name| name == "contact.door").expect("a batch");
        let events: Vec<Value> =
            events.iter().map(|event| serde_json::from_slice(event).expect("JSON")).collect();
        assert_eq!(events[0]["type"], "contact.door");
        assert_eq!(events[0]["id"], "m1");
        assert_eq!(events[0]["data"]["result"], "not_home");
        assert_eq!(
            (&events[1]["type"], &events[1]["data"]["event"]),
            (&"app.log".into(), &"Button Clicked".into())
        );
        assert_eq!(
            (&events[1]["data"]["user_id"], &events[1]["data"]["session_id"]),
            (&"5".into(), &"a".into())
        );
        assert_eq!(events[2]["data"]["traits"]["email"], "a@example.org");
        assert!(read("batch", b"{}", |_| true).is_err());
    }
}
