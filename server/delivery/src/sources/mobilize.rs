//! Mobilize America's attendances, as its API pages them: each is a `volunteer.shift`.

use serde_json::{Map, Value};

use super::{Events, Unfit, copy, event, parse};

/// A page (`{"data": [...]}`), or a list of attendances. Fields may be left out by the source; what is there is taken.
pub fn attendances(body: &[u8]) -> Result<Events, Unfit> {
    let body = parse(body)?;
    let list = match &body {
        Value::Array(list) => list,
        page => match page.get("data").and_then(Value::as_array) {
            Some(list) => list,
            None => return Err(Unfit("a page of attendances has a list: data".into())),
        },
    };
    Ok(list.iter().map(attendance).collect())
}

fn attendance(one: &Value) -> Vec<u8> {
    let none = Value::Null;
    let of = |name: &str| one.get(name).unwrap_or(&none);
    let (person, action, slot) = (of("person"), of("event"), of("timeslot"));
    let mut data = Map::new();
    let number = |value: Option<&Value>| {
        value.filter(|value| !value.is_null()).map(|value| value.to_string().trim_matches('"').to_string())
    };
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            data.insert(name.to_string(), value);
        }
    };
    let id = number(one.get("id"));
    put("attendance_id", id.clone().map(Value::from));
    put("action_id", number(action.get("id")).map(Value::from));
    put("volunteer_id", number(person.get("person_id").or(person.get("id"))).map(Value::from));
    put("status", one.get("status").and_then(Value::as_str).map(|status| status.to_lowercase().into()));
    put("attended", one.get("attended").filter(|attended| attended.is_boolean()).cloned());
    put("starts_at", time(slot.get("start_date")));
    put("ends_at", time(slot.get("end_date")));
    put("modified_at", time(one.get("modified_date")));
    let primary = |list: &str, member: &str| {
        let list = person.get(list).and_then(Value::as_array)?;
        let primary = list.iter().find(|entry| entry.get("primary") == Some(&Value::Bool(true)));
        primary.or(list.first())?.get(member).filter(|value| value.is_string()).cloned()
    };
    put("email", primary("email_addresses", "address"));
    put("phone", primary("phone_numbers", "number"));
    put("zip", primary("postal_addresses", "postal_code"));
    copy(person, &mut data, &[("given_name", "first_name"), ("family_name", "last_name")]);
    copy(action, &mut data, &[("event_type", "action_type"), ("title", "action_title")]);
    // The same attendance is told of again when it changes.
    let modified = one.get("modified_date").map(Value::to_string).unwrap_or_default();
    let id = id.map(|id| format!("{id}/{modified}"));
    event("volunteer.shift", id.as_deref(), one.get("modified_date").or(one.get("created_date")), data)
}

/// Seconds since 1970 as RFC 3339.
fn time(seconds: Option<&Value>) -> Option<Value> {
    let time = chrono::DateTime::from_timestamp(seconds?.as_i64()?, 0)?;
    Some(time.to_rfc3339().into())
}
