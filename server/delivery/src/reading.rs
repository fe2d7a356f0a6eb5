//! From the bytes of an event to its fields: one pass over the JSON, every value checked against the type, nothing copied
//! that need not be. What is wrong is told by reason and place, never by value.

use std::borrow::Cow;

use bellwether_schema::events::{EventField, EventType, FieldType};
use chrono::{DateTime, NaiveDate};

use crate::deletions::Post;
use crate::json::{self, Broken, DEEPEST, text};

/// Largest event, in bytes.
pub const LARGEST: usize = 1 << 20;
/// An event may be this far ahead of the server's clock, in milliseconds.
const AHEAD: u64 = 24 * 3600 * 1000;
/// Longest id of an event, in bytes.
const LONGEST_ID: usize = 512;

/// Why something received is no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// One word: `wrong_type`, `missing`, `not_json` and so on.
    pub reason: &'static str,
    /// What is wrong, and where.
    pub detail: String,
}

fn fault<T>(reason: &'static str, detail: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { reason, detail: detail.into() })
}

/// A value, read as its field says.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    None,
    Text(Cow<'a, str>),
    Integer(i64),
    Number(f64),
    Boolean(bool),
    /// Microseconds since 1970.
    Time(i64),
    /// Days since 1970.
    Date(i32),
}

/// An event as it was read. Values and raw texts are in the order of the type's fields.
#[derive(Debug, Default)]
pub struct Event<'a> {
    /// The producer's id; none where the event has none.
    pub id: Option<Cow<'a, str>>,
    /// Microseconds since 1970; none where the event does not say.
    pub occurred: Option<i64>,
    pub values: Vec<Value<'a>>,
    pub raw: Vec<Option<&'a str>>,
    /// What the type does not know, by name, as JSON text.
    pub more: Vec<(Cow<'a, str>, &'a str)>,
}

/// How to read events of one type.
pub struct Plan {
    pub event_type: EventType,
    /// Places of the fields that name the person, in the order of the type, and of the state where there is one.
    pub subject: Vec<usize>,
    pub state: Option<usize>,
    /// Where the fields of a post are, where the type is one of posts.
    pub post: Option<Post>,
    root: Node,
}

#[derive(Default)]
struct Node(Vec<(String, Child)>);

enum Child {
    Leaf(usize),
    Object(Node),
}

/// What type a record says that it is of; none where it does not say before it ceases to be a JSON object. What follows
/// the type is not looked at here.
pub fn type_of(record: &[u8]) -> Option<Cow<'_, str>> {
    let mut found = None;
    let _ = json::members(record, |name, raw| {
        let is_type = name == "type";
        if is_type {
            found = std::str::from_utf8(&record[raw]).ok().and_then(json::text);
        }
        !is_type
    });
    found
}

impl Plan {
    pub fn new(event_type: EventType) -> Plan {
        let mut root = Node::default();
        for (at, field) in event_type.fields.iter().enumerate() {
            let mut node = &mut root;
            let (last, above) = field.path.split_last().expect("a field has a path");
            for name in above {
                let known = node.0.iter().position(|(known, _)| known == name);
                let at = known.unwrap_or_else(|| {
                    node.0.push((name.clone(), Child::Object(Node::default())));
                    node.0.len() - 1
                });
                match &mut node.0[at].1 {
                    Child::Object(inner) => node = inner,
                    Child::Leaf(_) => unreachable!("a property is an object or a leaf"),
                }
            }
            node.0.push((last.clone(), Child::Leaf(at)));
        }
        let place = |name: &str| event_type.fields.iter().position(|field| field.name == name);
        let subject = event_type.subject.iter().filter_map(|name| place(name)).collect();
        let post = Post::of(&event_type);
        Plan { subject, state: place("state"), post, event_type, root }
    }

    /// Reads a record. `received` is in milliseconds since 1970. The event is filled anew; its memory is used again.
    pub fn read<'a>(&self, record: &'a [u8], received: u64, event: &mut Event<'a>) -> Result<(), Fault> {
        event.id = None;
        event.occurred = None;
        event.more.clear();
        event.values.clear();
        event.raw.clear();
        event.raw.resize(self.event_type.fields.len(), None);
        if record.len() > LARGEST {
            return fault("too_large", format!("{} bytes; an event has at most {LARGEST}", record.len()));
        }
        let Ok(record) = std::str::from_utf8(record) else {
            return fault("invalid_utf8", "the event is not UTF-8 text");
        };
        let mut envelope = Envelope::default();
        self.members(record, &self.root, event, Some(&mut envelope))?;
        if let Some(data) = envelope.data {
            if !data.starts_with('{') {
                return fault("wrong_type", "data: an object is asked for");
            }
            self.members(data, &self.root, event, None)?;
        }
        event.id = match envelope.id {
            None | Some("null") => None,
            Some(raw) => match text(raw) {
                Some(id) if id.is_empty() || id.len() > LONGEST_ID => {
                    return fault("bad_id", format!("an id has 1 to {LONGEST_ID} bytes"));
                }
                Some(id) => Some(id),
                None if raw.parse::<i64>().is_ok() => Some(Cow::Borrowed(raw)),
                None => return fault("bad_id", "an id is a text or a whole number"),
            },
        };
        if envelope.is_cloud_event {
            // Ids of CloudEvents are unique within their source only.
            let source = event.more.iter().find(|(name, _)| name == "source").and_then(|(_, raw)| text(raw));
            event.id = event.id.take().zip(source).map(|(id, source)| format!("{source}#{id}").into());
        }
        event.occurred = match envelope.time {
            None | Some("null") => None,
            Some(raw) => match time(raw) {
                Some(time) => Some(time),
                None => return fault("bad_time", "time: RFC 3339, or milliseconds since 1970"),
            },
        };
        if event.occurred.is_some_and(|time| time > ((received + AHEAD) as i64) * 1000) {
            return fault("future", "time: more than a day ahead of the server's clock");
        }
        for (field, raw) in self.event_type.fields.iter().zip(&event.raw) {
            event.values.push(value(field, *raw)?);
        }
        Ok(())
    }

    /// Reads what has landed before: as [`Plan::read`], but fields that must be there may have been erased.
    pub fn read_again<'a>(
        &self,
        record: &'a [u8],
        received: u64,
        event: &mut Event<'a>,
    ) -> Result<(), Fault> {
        match self.read(record, received, event) {
            Err(fault) if fault.reason == "missing" => {
                event.values.clear();
                for (field, raw) in self.event_type.fields.iter().zip(&event.raw) {
                    let optional = EventField { required: false, ..field.clone() };
                    event.values.push(value(&optional, *raw).unwrap_or(Value::None));
                }
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Sorts the members of an object into the event: to the envelope, where it is the outermost, to the fields, and to
    /// what the type does not know.
    fn members<'a>(
        &self,
        text: &'a str,
        node: &Node,
        event: &mut Event<'a>,
        mut envelope: Option<&mut Envelope<'a>>,
    ) -> Result<(), Fault> {
        let mut inner = Ok(());
        let outcome = json::members(text.as_bytes(), |name, raw| {
            let raw = &text[raw];
            if let Some(envelope) = envelope.as_deref_mut() {
                match &*name {
                    "type" | "datacontenttype" => return true,
                    "specversion" => envelope.is_cloud_event = true,
                    "id" | "event_id" | "messageId" => envelope.id = Some(raw),
                    "time" | "ts" | "timestamp" | "occurred_at" => envelope.time = Some(raw),
                    "data" if node.find("data").is_none() => envelope.data = Some(raw),
                    _ => inner = self.member(name, raw, node, event),
                }
            } else {
                inner = self.member(name, raw, node, event);
            }
            inner.is_ok()
        });
        inner?;
        outcome.or_else(|broken| match broken {
            Broken::At(byte) => fault("not_json", format!("the event is not JSON; byte {byte}")),
            Broken::TooDeep => {
                fault("too_deep", format!("more than {DEEPEST} objects and lists in each other"))
            }
            Broken::NoObject => fault("not_an_object", "an event is a JSON object"),
        })
    }

    fn member<'a>(
        &self,
        name: Cow<'a, str>,
        raw: &'a str,
        node: &Node,
        event: &mut Event<'a>,
    ) -> Result<(), Fault> {
        match node.find(&name) {
            Some(Child::Leaf(at)) if self.event_type.fields[*at].derived => {}
            Some(Child::Leaf(at)) => event.raw[*at] = Some(raw),
            Some(Child::Object(node)) if raw.starts_with('{') => self.members(raw, node, event, None)?,
            _ => event.more.push((name, raw)),
        }
        Ok(())
    }
}

impl Node {
    fn find(&self, name: &str) -> Option<&Child> {
        // A type has some dozen fields: lengths that differ decide nearly all comparisons.
        self.0.iter().find(|(known, _)| known == name).map(|(_, child)| child)
    }
}

#[derive(Default)]
struct Envelope<'a> {
    id: Option<&'a str>,
    time: Option<&'a str>,
    data: Option<&'a str>,
    is_cloud_event: bool,
}

/// A time as RFC 3339, or a number since 1970: seconds, milliseconds or microseconds by its size. In microseconds.
fn time(raw: &str) -> Option<i64> {
    if let Some(text) = text(raw) {
        if let Ok(time) = DateTime::parse_from_rfc3339(text.trim()) {
            return Some(time.timestamp_micros());
        }
        return text.parse().ok().and_then(number_time);
    }
    raw.parse::<f64>().ok().and_then(number_time)
}

fn number_time(number: f64) -> Option<i64> {
    let micros = match number.abs() {
        size if size < 1e11 => number * 1e6,
        size if size < 1e14 => number * 1e3,
        _ => number,
    };
    // The year 9999.
    (micros.is_finite() && micros.abs() < 2.534e17).then(|| micros.round() as i64)
}

/// A value checked against its field.
fn value<'a>(field: &EventField, raw: Option<&'a str>) -> Result<Value<'a>, Fault> {
    let name = &field.name;
    let Some(raw) = raw.filter(|raw| *raw != "null") else {
        return match field.required {
            true => fault("missing", format!("{name} is missing")),
            false => Ok(Value::None),
        };
    };
    let wrong = |asked: &str| fault("wrong_type", format!("{name}: {asked} is asked for"));
    let in_range = |number: f64| {
        let above = field.minimum.is_none_or(|minimum| number >= minimum);
        match above && field.maximum.is_none_or(|maximum| number <= maximum) {
            true => Ok(()),
            false => fault("out_of_range", format!("{name} is out of its range")),
        }
    };
    match field.field_type {
        FieldType::Text => {
            let Some(text) = text(raw) else { return wrong("a text") };
            if let Some(choices) = &field.choices
                && !choices.iter().any(|choice| *choice == text)
            {
                return fault("not_allowed", format!("{name}: allowed are {}", choices.join(", ")));
            }
            let length = || text.chars().count();
            if field.most_length.is_some_and(|most| text.len() > most && length() > most) {
                return fault("too_long", format!("{name} is longer than its type allows"));
            }
            if field.least_length.is_some_and(|least| text.len() < least || length() < least) {
                return fault("too_short", format!("{name} is shorter than its type allows"));
            }
            Ok(Value::Text(text))
        }
        FieldType::Integer => {
            let whole = raw.parse::<i64>().ok().or_else(|| {
                let number = raw.parse::<f64>().ok()?;
                (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
            });
            let Some(whole) = whole else { return wrong("a whole number") };
            in_range(whole as f64)?;
            Ok(Value::Integer(whole))
        }
        FieldType::Number => {
            let Some(number) = raw.parse::<f64>().ok().filter(|number| number.is_finite()) else {
                return wrong("a number");
            };
            in_range(number)?;
            Ok(Value::Number(number))
        }
        FieldType::Boolean => match raw {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            _ => wrong("true or false"),
        },
        FieldType::Time => match time(raw) {
            Some(time) => Ok(Value::Time(time)),
            None => wrong("a time (RFC 3339)"),
        },
        FieldType::Date => {
            let day = text(raw).and_then(|text| NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok());
            let Some(day) = day else { return wrong("a day, such as 2026-11-03") };
            Ok(Value::Date((day - NaiveDate::default()).num_days() as i32))
        }
        FieldType::Json => match raw.starts_with(['{', '[']) {
            true => Ok(Value::Text(Cow::Borrowed(raw))),
            false => wrong("an object or a list"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_790_000_000_000;

    fn read(record: &[u8]) -> Result<String, String> {
        let document = r#"{"$id": "a.b", "type": "object", "x-subject": ["who"], "required": ["who"], "properties": {
            "who": {"type": "string", "maxLength": 5, "x-privacy": "identifying"},
            "result": {"type": "string", "enum": ["yes", "no"], "x-privacy": "public"},
            "on": {"type": "string", "format": "date", "x-privacy": "public"},
            "notes": {"type": "array", "x-privacy": "public"},
            "props": {"type": "object", "properties": {"count": {"type": "integer", "minimum": 0, "x-privacy": "public"}}}}}"#;
        let plan = Plan::new(EventType::parse(document).expect("a type"));
        let mut event = Event::default();
        plan.read(record, NOON, &mut event).map_err(|fault| fault.reason.to_string())?;
        Ok(format!("{:?} {:?} {:?} {:?}", event.id, event.occurred, event.values, event.more))
    }

    #[test]
    fn the_fields_are_found_in_data_or_beside_the_envelope() {
        let nested = read(br#"{"id": "7", "type": "a.b", "time": 1790000000000, "data": {"who": "\u0041nn", "props": {"count": 3}}}"#);
        let flat = read(
            br#"{"props": {"count": 3.0}, "event_id": 7, "ts": 1790000000, "who": "Ann", "type": "a.b"}"#,
        );
        assert_eq!(nested, flat);
        assert!(nested.expect("an event").contains("Integer(3)"));
        let more = read(br#"{"who": "Ann", "color": "red", "data": {"x": [1]}}"#).expect("an event");
        assert!(more.contains("color") && more.contains("[1]"), "{more}");
    }

    #[test]
    fn what_is_wrong_is_told_by_a_word() {
        let deep = format!(r#"{{"who": "a", "more": {}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        let deep_field = format!(r#"{{"who": "a", "notes": {}1{}}}"#, "[".repeat(100), "]".repeat(100));
        let large = format!(r#"{{"who": "{}"}}"#, "a".repeat(LARGEST));
        for (record, reason) in [
            (&b"{\"who\": \"\xff\"}"[..], "invalid_utf8"),
            (b"{\"who\": ", "not_json"),
            (b"{\"who\": \"a\"} x", "not_json"),
            (b"[1]", "not_an_object"),
            (b"{}", "missing"),
            (b"{\"who\": null}", "missing"),
            (b"{\"who\": 3}", "wrong_type"),
            (b"{\"who\": \"abcdef\"}", "too_long"),
            (b"{\"who\": \"a\", \"result\": \"maybe\"}", "not_allowed"),
            (b"{\"who\": \"a\", \"props\": {\"count\": -1}}", "out_of_range"),
            (b"{\"who\": \"a\", \"props\": {\"count\": 1.5}}", "wrong_type"),
            (b"{\"who\": \"a\", \"on\": \"2026-02-30\"}", "wrong_type"),
            (b"{\"who\": \"a\", \"time\": \"yesterday\"}", "bad_time"),
            (b"{\"who\": \"a\", \"time\": 1790100000000}", "future"),
            (b"{\"who\": \"a\", \"id\": {}}", "bad_id"),
            (b"{\"who\": \"a\", \"data\": 4}", "wrong_type"),
            (deep.as_bytes(), "too_deep"),
            (deep_field.as_bytes(), "too_deep"),
            (large.as_bytes(), "too_large"),
        ] {
            assert_eq!(
                read(record),
                Err(reason.to_string()),
                "{}",
                String::from_utf8_lossy(&record[..record.len().min(60)])
            );
        }
        assert_eq!(type_of(br#"{"a": [1, {}], "type": "x"}"#).as_deref(), Some("x"));
        assert_eq!(type_of(br#"{"type": 3}"#), None);
        assert_eq!(type_of(b"no"), None);
        assert_eq!(
            type_of(br#"{"type": "x", broken"#).as_deref(),
            Some("x"),
            "its own queue tells what is wrong"
        );
    }
}
