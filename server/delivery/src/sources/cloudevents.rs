//! CloudEvents over HTTP (binding version 1.0): structured, batched and binary mode.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use super::{Events, Unfit, parse};

/// The head of every attribute's header in binary mode.
pub const HEADER: &str = "ce-";

/// Structured events: one, or a list of them where `batched`. Those whose data is base64 get it as JSON.
pub fn structured(body: &[u8], batched: bool) -> Result<Events, Unfit> {
    match (parse(body)?, batched) {
        (Value::Array(events), true) => Ok(events.into_iter().map(opened).collect()),
        (_, true) => Err(Unfit("a batch of CloudEvents is a list".into())),
        (event, false) => Ok(vec![opened(event)]),
    }
}

fn opened(mut event: Value) -> Vec<u8> {
    let encoded = event.get("data_base64").and_then(Value::as_str).and_then(|text| BASE64.decode(text).ok());
    if let Some(bytes) = encoded
        && let Ok(data) = serde_json::from_slice::<Value>(&bytes)
        && let Value::Object(object) = &mut event
    {
        object.remove("data_base64");
        object.insert("data".into(), data);
    }
    event.to_string().into_bytes()
}

/// One event in binary mode: attributes in headers, the data as the body. `attributes` are given without their head.
pub fn binary<'a>(
    attributes: impl Iterator<Item = (&'a str, &'a str)>,
    body: &[u8],
) -> Result<Events, Unfit> {
    let mut event = Map::new();
    for (name, value) in attributes {
        event.insert(name.to_string(), percent_decoded(value).into());
    }
    if !body.is_empty() {
        event.insert("data".into(), parse(body)?);
    }
    Ok(vec![Value::Object(event).to_string().into_bytes()])
}

/// Header values carry what is not plain ASCII percent-encoded.
fn percent_decoded(value: &str) -> String {
    let bytes = value.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let escaped = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_modes_give_the_same_event() {
        let one = br#"{"specversion": "1.0", "id": "1", "source": "/app", "type": "app.log", "data": {"level": "info"}}"#;
        let value = |events: Events| serde_json::from_slice::<Value>(&events[0]).expect("JSON");
        let first = value(structured(one, false).expect("an event"));
        let listed = [b"[", &one[..], b"]"].concat();
        assert_eq!(value(structured(&listed, true).expect("a list")), first);
        let headers = [("specversion", "1.0"), ("id", "%31"), ("source", "/app"), ("type", "app.log")];
        assert_eq!(value(binary(headers.into_iter(), br#"{"level": "info"}"#).expect("an event")), first);
        let encoded = br#"{"specversion": "1.0", "id": "1", "source": "/app", "type": "app.log", "data_base64": "eyJsZXZlbCI6ICJpbmZvIn0="}"#;
        assert_eq!(value(structured(encoded, false).expect("an event")), first);
        assert!(structured(b"{}", true).is_err());
    }
}
