//! Event types: what may happen in a campaign, what an event of each type holds, how private every field is, and how it
//! is delivered. A type is a JSON Schema document with a few words of our own; those shipped lie in `schema/events`.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::catalog::{Column, ColumnType, Privacy, Table};

/// Which types are kept going when not all can be: bulk is slowed first, critical last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    Critical,
    Normal,
    Bulk,
}

/// What one type may take of the server. Nothing: no limit of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLimits {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_per_second: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// Bytes that may wait to be landed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog_bytes: Option<u64>,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    Text,
    Integer,
    Number,
    Boolean,
    /// RFC 3339, or milliseconds or seconds since 1970.
    Time,
    Date,
    /// Anything else, as JSON text.
    Json,
}

/// One field of an event, a leaf of the schema. Objects with properties of their own are taken apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventField {
    /// Name of the column: the path, joined with `_`.
    pub name: String,
    /// Where it stands in the event's data.
    pub path: Vec<String>,
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// It, and every object around it, must be there.
    pub required: bool,
    pub privacy: Privacy,
    /// Filled by the server from the other fields; what a producer says of it is not taken.
    pub derived: bool,
    pub meaning: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_length: Option<usize>,
}

/// One type of event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventType {
    pub name: String,
    pub version: u32,
    pub meaning: String,
    pub priority: Priority,
    /// Days after which events are forgotten.
    pub retention_days: u32,
    /// Minutes after which an event that arrives counts as late.
    pub late_after_minutes: u32,
    pub limits: EventLimits,
    /// Fields that name the person the event is of; the first that an event has decides.
    pub subject: Vec<String>,
    pub fields: Vec<EventField>,
}

/// Why a document is no event type.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the document is not JSON: {0}")]
    NotJson(String),
    #[error("{place}: {what}")]
    Fault { place: String, what: String },
    #[error("{name} version {version} does not follow version {before}: {}", faults.join("; "))]
    Incompatible { name: String, version: u32, before: u32, faults: Vec<String> },
}

/// Words of a schema document and of its properties that are understood. Others are refused: a rule that nobody checks
/// is worse than none.
const DOCUMENT: [&str; 15] = [
    "$schema",
    "$id",
    "title",
    "description",
    "x-version",
    "x-priority",
    "x-retention-days",
    "x-late-after-minutes",
    "x-limits",
    "x-subject",
    "type",
    "required",
    "properties",
    "additionalProperties",
    "examples",
];
const PROPERTY: [&str; 15] = [
    "type",
    "title",
    "description",
    "format",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "required",
    "properties",
    "items",
    "examples",
    "x-privacy",
    "x-derived",
];

/// Names of the columns that every event table has before those of its fields.
pub const COMMON: [&str; 8] =
    ["hour", "event_id", "occurred_at", "received_at", "late", "schema_version", "person", "sealed"];

/// Names that mean something else where events are kept.
const RESERVED: [&str; 2] = ["more", "payload"];

fn fault<T>(place: &str, what: impl Into<String>) -> Result<T, Error> {
    Err(Error::Fault { place: place.to_string(), what: what.into() })
}

impl EventType {
    /// Reads a schema document.
    pub fn parse(document: &str) -> Result<EventType, Error> {
        let value: Value = serde_json::from_str(document).map_err(|e| Error::NotJson(e.to_string()))?;
        let Value::Object(root) = &value else { return fault("$", "an event type is an object") };
        known("$", root, &DOCUMENT)?;
        let text = |name: &str| root.get(name).and_then(Value::as_str).map(str::to_string);
        let number = |name: &str, otherwise: u32| match root.get(name) {
            None => Ok(otherwise),
            Some(value) => match value.as_u64().and_then(|value| u32::try_from(value).ok()) {
                Some(value) if value > 0 => Ok(value),
                _ => fault(name, "a whole number above 0"),
            },
        };
        let Some(name) = text("$id") else { return fault("$id", "the type's name, such as contact.door") };
        let fits = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_lowercase())
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if name.len() > 60 || !name.split('.').all(fits) {
            return fault("$id", "a name of small letters, digits, _ and dots, at most 60 of them");
        }
        if root.get("type").and_then(Value::as_str) != Some("object") {
            return fault("type", "an event is of type object");
        }
        let of = |name: &str, otherwise: Value| root.get(name).cloned().unwrap_or(otherwise);
        let priority = serde_json::from_value(of("x-priority", "normal".into()));
        let Ok(priority) = priority else { return fault("x-priority", "critical, normal or bulk") };
        let limits = serde_json::from_value(of("x-limits", Value::Object(Map::new())));
        let limits =
            limits.map_err(|error| Error::Fault { place: "x-limits".into(), what: error.to_string() })?;
        let limits: EventLimits = limits;
        if limits.events_per_second == Some(0) || limits.bytes_per_second == Some(0) {
            return fault("x-limits", "a rate is above 0");
        }
        let mut fields = Vec::new();
        properties(root, &[], true, &mut fields)?;
        // What must be there first; the document's own order is not kept by every JSON reader.
        fields.sort_by(|one: &EventField, other| {
            other.required.cmp(&one.required).then(one.name.cmp(&other.name))
        });
        if let Some(twice) = fields.iter().enumerate().find(|(at, field)| {
            COMMON.contains(&field.name.as_str())
                || RESERVED.contains(&field.name.as_str())
                || fields[..*at].iter().any(|one| one.name == field.name)
        }) {
            return fault(&twice.1.name, "there is a column of this name already");
        }
        let subject: Vec<String> = serde_json::from_value(of("x-subject", Value::Array(Vec::new())))
            .map_err(|_| Error::Fault { place: "x-subject".into(), what: "a list of fields".into() })?;
        if let Some(lost) = subject.iter().find(|name| fields.iter().all(|field| field.name != **name)) {
            return fault("x-subject", format!("there is no field {lost}"));
        }
        let version = number("x-version", 1)?;
        let meaning = text("description").or_else(|| text("title")).unwrap_or_default();
        Ok(EventType {
            name,
            version,
            meaning,
            priority,
            retention_days: number("x-retention-days", 1460)?,
            late_after_minutes: number("x-late-after-minutes", 1440)?,
            limits,
            subject,
            fields,
        })
    }

    /// Whether this version may follow `before`: what was an event must still be one, and no column may change what it
    /// holds or become less private.
    pub fn follows(&self, before: &EventType) -> Result<(), Error> {
        let mut faults = Vec::new();
        if self.version <= before.version {
            faults.push(format!("its version must be above {}", before.version));
        }
        for old in &before.fields {
            let Some(new) = self.fields.iter().find(|field| field.name == old.name) else {
                faults.push(format!("{} is gone", old.name));
                continue;
            };
            if new.field_type != old.field_type || new.path != old.path {
                faults.push(format!("{} was {:?} and is {:?}", old.name, old.field_type, new.field_type));
            }
            if new.required && !old.required {
                faults.push(format!("{} was optional and is required", old.name));
            }
            if new.privacy != old.privacy {
                faults.push(format!("{} changes its privacy class", old.name));
            }
            let lost = match (&old.choices, &new.choices) {
                (_, None) => None,
                (None, Some(_)) => Some("any text".to_string()),
                (Some(old), Some(new)) => old.iter().find(|choice| !new.contains(choice)).cloned(),
            };
            if let Some(lost) = lost {
                faults.push(format!("{} does not allow {lost} any more", old.name));
            }
            let tighter = new.minimum.is_some_and(|new| old.minimum.is_none_or(|old| new > old))
                || new.maximum.is_some_and(|new| old.maximum.is_none_or(|old| new < old))
                || new.least_length.is_some_and(|new| old.least_length.is_none_or(|old| new > old))
                || new.most_length.is_some_and(|new| old.most_length.is_none_or(|old| new < old));
            if tighter {
                faults.push(format!("{} has narrower limits", old.name));
            }
        }
        for new in self.fields.iter().filter(|new| new.required) {
            if before.fields.iter().all(|old| old.name != new.name) {
                faults.push(format!("{} is new and required", new.name));
            }
        }
        if self.subject != before.subject {
            faults.push("its subject is another".to_string());
        }
        if faults.is_empty() {
            return Ok(());
        }
        let (name, version, before) = (self.name.clone(), self.version, before.version);
        Err(Error::Incompatible { name, version, before, faults })
    }

    /// Name of its table: `event_contact_door`.
    pub fn table_name(&self) -> String {
        format!("event_{}", self.name.replace('.', "_"))
    }

    /// The table as it is stored: private fields are sealed with their person's key.
    pub fn stored(&self) -> Table {
        let shown = self.fields.iter().filter(|field| field.privacy == Privacy::Public);
        self.table(shown, true)
    }

    /// The table as it is asked: every field a column.
    pub fn shown(&self) -> Table {
        self.table(self.fields.iter(), false)
    }

    fn table<'a>(&self, fields: impl Iterator<Item = &'a EventField>, stored: bool) -> Table {
        let column = |name: &str, column_type, privacy, meaning: &str| Column {
            name: name.to_string(),
            column_type,
            privacy,
            meaning: meaning.to_string(),
        };
        use ColumnType::*;
        let mut columns = vec![
            column("hour", Text, Privacy::Public, "Hour of receipt, UTC: 2026-11-03T17."),
            column("event_id", Text, Privacy::Person, "The producer's id, unique within the type."),
            column("occurred_at", Timestamp, Privacy::Public, "When it happened, as the producer says."),
            column("received_at", Timestamp, Privacy::Public, "When it was received."),
            column("late", Boolean, Privacy::Public, "True where it came after its own hour was closed."),
            column("schema_version", Integer, Privacy::Public, "Version of the type that it was read with."),
            column("person", Bytes, Privacy::Person, "Pseudonym of the person that it is of, 16 bytes."),
        ];
        if stored {
            columns.push(column(
                "sealed",
                Bytes,
                Privacy::Identifying,
                "Private fields, sealed with that person's key.",
            ));
        }
        columns.extend(fields.map(|field| {
            let column_type = match field.field_type {
                FieldType::Text | FieldType::Json => Text,
                FieldType::Integer => Bigint,
                FieldType::Number => Double,
                FieldType::Boolean => Boolean,
                FieldType::Time => Timestamp,
                FieldType::Date => Date,
            };
            column(&field.name, column_type, field.privacy, &field.meaning)
        }));
        let (name, meaning) = (self.table_name(), self.meaning.clone());
        Table { name, meaning, partition_by: vec!["hour".into()], derived: false, columns }
    }

    /// The table of its dead letters as it is asked: with the payload opened.
    pub fn dead_letters_shown(&self) -> Table {
        let mut table = self.dead_letters();
        if let Some(sealed) = table.columns.last_mut() {
            sealed.name = "payload".into();
            sealed.column_type = ColumnType::Text;
            sealed.meaning = "What was received.".into();
        }
        table
    }

    /// The table of its dead letters: what was received and is no event of the type, with the reason. Stored with the
    /// payload sealed.
    pub fn dead_letters(&self) -> Table {
        let column = |name: &str, column_type, privacy, meaning: &str| Column {
            name: name.to_string(),
            column_type,
            privacy,
            meaning: meaning.to_string(),
        };
        use ColumnType::*;
        let columns = vec![
            column("hour", Text, Privacy::Public, "Hour of receipt, UTC."),
            column(
                "number",
                Bigint,
                Privacy::Public,
                "Its place in the type's queue; names the dead letter.",
            ),
            column("received_at", Timestamp, Privacy::Public, "When it was received."),
            column("reason", Text, Privacy::Public, "What kind of fault it has, in one word."),
            column("detail", Text, Privacy::Public, "What is wrong, and where; never a value."),
            column(
                "person",
                Bytes,
                Privacy::Person,
                "Pseudonym of the person that it seems to be of, 16 bytes.",
            ),
            column("sealed", Bytes, Privacy::Identifying, "The bytes received, sealed."),
        ];
        let (name, meaning) =
            (format!("dead_{}", self.name.replace('.', "_")), format!("Dead letters of {}.", self.name));
        Table { name, meaning, partition_by: vec!["hour".into()], derived: false, columns }
    }
}

fn known(place: &str, object: &Map<String, Value>, words: &[&str]) -> Result<(), Error> {
    match object.keys().find(|word| !words.contains(&word.as_str())) {
        Some(word) => fault(place, format!("{word} is not understood; known are {}", words.join(", "))),
        None => Ok(()),
    }
}

/// Takes the properties of an object apart into fields.
fn properties(
    object: &Map<String, Value>,
    path: &[String],
    must: bool,
    fields: &mut Vec<EventField>,
) -> Result<(), Error> {
    let required: Vec<&str> = match object.get("required") {
        None => Vec::new(),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(_) => return fault("required", "a list of names"),
    };
    let Some(Value::Object(properties_of)) = object.get("properties") else {
        return fault(&path.join("."), "an object names its properties");
    };
    if let Some(lost) = required.iter().find(|name| !properties_of.contains_key(**name)) {
        return fault("required", format!("there is no property {lost}"));
    }
    for (name, property) in properties_of {
        let path: Vec<String> = path.iter().cloned().chain([name.clone()]).collect();
        let place = path.join(".");
        let Value::Object(property) = property else { return fault(&place, "a property is an object") };
        known(&place, property, &PROPERTY)?;
        let required = must && required.contains(&name.as_str());
        let kind = property.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind == "object" && property.contains_key("properties") {
            if path.len() > 8 {
                return fault(&place, "objects lie at most eight deep");
            }
            properties(property, &path, required, fields)?;
            continue;
        }
        fields.push(field(property, path, kind, required)?);
    }
    Ok(())
}

fn field(
    property: &Map<String, Value>,
    path: Vec<String>,
    kind: &str,
    required: bool,
) -> Result<EventField, Error> {
    let place = path.join(".");
    let text = |name: &str| property.get(name).and_then(Value::as_str);
    let field_type = match (kind, text("format")) {
        ("string", None) => FieldType::Text,
        ("string", Some("date-time")) => FieldType::Time,
        ("string", Some("date")) => FieldType::Date,
        ("integer", None) => FieldType::Integer,
        ("number", None) => FieldType::Number,
        ("boolean", None) => FieldType::Boolean,
        ("object" | "array", None) => FieldType::Json,
        (_, Some(format)) => {
            return fault(&place, format!("the format {format} is not understood: date-time, date"));
        }
        _ => return fault(&place, "type is string, integer, number, boolean, object or array"),
    };
    let privacy = match text("x-privacy") {
        Some("public") => Privacy::Public,
        Some("person") => Privacy::Person,
        Some("identifying") => Privacy::Identifying,
        _ => return fault(&place, "x-privacy is public, person or identifying; every field says"),
    };
    let derived = match property.get("x-derived") {
        None => false,
        Some(Value::Bool(derived)) if privacy == Privacy::Public && !required => *derived,
        Some(_) => {
            return fault(&place, "x-derived is true or false; what is derived is public and not required");
        }
    };
    let choices = match property.get("enum") {
        None => None,
        Some(list) => {
            let list: Option<Vec<String>> = list
                .as_array()
                .and_then(|list| list.iter().map(|one| one.as_str().map(str::to_string)).collect());
            match list {
                Some(list) if field_type == FieldType::Text => Some(list),
                _ => return fault(&place, "enum is a list of texts, of a string"),
            }
        }
    };
    let name: String = path
        .join("_")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect();
    let number = |name: &str| property.get(name).and_then(Value::as_f64);
    let length = |name: &str| property.get(name).and_then(Value::as_u64).map(|length| length as usize);
    Ok(EventField {
        name,
        path,
        field_type,
        required,
        privacy,
        derived,
        meaning: text("description").or_else(|| text("title")).unwrap_or_default().to_string(),
        choices,
        minimum: number("minimum"),
        maximum: number("maximum"),
        least_length: length("minLength"),
        most_length: length("maxLength"),
    })
}

/// Documents of the types that are shipped.
const SHIPPED: [&str; 11] = [
    include_str!("../events/contact.door.json"),
    include_str!("../events/door.report.json"),
    include_str!("../events/voter.preference.json"),
    include_str!("../events/contact.phone.json"),
    include_str!("../events/contact.text.json"),
    include_str!("../events/social.post.json"),
    include_str!("../events/donation.json"),
    include_str!("../events/ballot.returned.json"),
    include_str!("../events/ad.airing.json"),
    include_str!("../events/volunteer.shift.json"),
    include_str!("../events/app.log.json"),
];

/// The types that are shipped.
pub fn shipped() -> &'static [EventType] {
    static TYPES: OnceLock<Vec<EventType>> = OnceLock::new();
    let parse =
        |document: &&str| EventType::parse(document).expect("the shipped types are checked by a test");
    TYPES.get_or_init(|| SHIPPED.iter().map(parse).collect())
}

/// The document of a shipped type.
pub fn shipped_document(name: &str) -> Option<&'static str> {
    let at = shipped().iter().position(|one| one.name == name)?;
    SHIPPED.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"$id": "a.b", "type": "object", "x-subject": ["who"], "required": ["who"], "properties": {
        "who": {"type": "string", "x-privacy": "identifying"},
        "deep": {"type": "object", "properties": {"count": {"type": "integer", "minimum": 0, "x-privacy": "public"}}}}}"#;

    #[test]
    fn the_shipped_types_are_types_and_have_a_meaning() {
        assert_eq!(shipped().len(), 11);
        for one in shipped() {
            assert!(one.fields.iter().all(|field| !field.meaning.is_empty()), "{}", one.name);
            assert!(one.shown().columns.len() > one.stored().columns.len() - 1 || one.subject.is_empty());
        }
    }

    #[test]
    fn a_newer_version_may_add_and_widen_but_not_take_away() {
        let old = EventType::parse(SMALL).expect("a type");
        assert_eq!((&*old.fields[0].name, &*old.fields[1].name), ("who", "deep_count"));
        let follows = |from: &str, to: &str| {
            let text = SMALL.replace(from, to).replace(r#""a.b","#, r#""a.b", "x-version": 2,"#);
            EventType::parse(&text).and_then(|new| new.follows(&old)).map_err(|error| error.to_string())
        };
        assert_eq!(follows("\"minimum\": 0", "\"minimum\": -1"), Ok(()));
        assert_eq!(
            follows("{\"who\"", "{\"more\": {\"type\": \"string\", \"x-privacy\": \"public\"}, \"who\""),
            Ok(())
        );
        for (from, to, told) in [
            ("integer", "number", "was Integer and is Number"),
            ("\"minimum\": 0", "\"minimum\": 1", "narrower"),
            ("identifying", "public", "privacy"),
            ("\"count\"", "\"counted\"", "deep_count is gone"),
        ] {
            let error = follows(from, to).expect_err("not compatible");
            assert!(error.contains(told), "{error}");
        }
        assert!(old.follows(&old).is_err(), "the version must grow");
    }

    #[test]
    fn a_rule_that_nobody_would_check_is_refused() {
        for (from, to) in [
            ("\"minimum\"", "\"multipleOf\""),
            ("\"x-subject\": [\"who\"]", "\"x-subject\": [\"whom\"]"),
            ("\"x-privacy\": \"public\"", "\"title\": \"\""),
        ] {
            assert!(EventType::parse(&SMALL.replace(from, to)).is_err(), "{to}");
        }
    }
}
