//! The filter language: a JSON object read into a tree of conditions, with every fault told by its place.

use bellwether_schema::ids::Kind;
use serde_json::{Map, Value};

/// What is wrong with a filter, and where: `at` is a JSON pointer into it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    pub at: String,
    pub detail: String,
}

/// A filter as it was written.
///
/// A condition on something that is not known of a voter (no birth year, no coordinate) does not hold, and `not`
/// of it holds: every voter is in exactly one of a filter and its `not`.
#[derive(Debug, Clone, PartialEq)]
pub enum Where {
    /// Every condition holds; of no conditions: everyone.
    All(Vec<Where>),
    /// One of the conditions holds; of no conditions: nobody.
    Any(Vec<Where>),
    Not(Box<Where>),
    Field {
        at: String,
        name: String,
        test: Test,
    },
    /// In one of the districts; ids may name a vintage: `CO-CD-07@2022`.
    District {
        at: String,
        kind: String,
        ids: Vec<String>,
    },
    /// Took part in at least so many, and at most so many, of the elections.
    Voted {
        at: String,
        elections: Elections,
        at_least: usize,
        at_most: Option<usize>,
    },
    Score {
        at: String,
        model: String,
        low: f64,
        high: f64,
    },
    /// Has a contact with one of these results (any, where none is named) within so many days before the release.
    Contact {
        at: String,
        results: Vec<String>,
        within_days: Option<u32>,
    },
    /// Has a ballot for an election that came back and was not refused, or that is in one of these states.
    Ballot {
        at: String,
        election: String,
        status: Vec<String>,
    },
    /// Drawn for an experiment, or for one arm of it.
    Experiment {
        at: String,
        id: String,
        arm: Option<String>,
    },
    /// The coordinate lies in a GeoJSON geometry.
    Within {
        at: String,
        geometry: Value,
    },
}

/// Which elections a participation condition looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum Elections {
    Named(Vec<String>),
    /// The newest ones, of a type where it is given.
    Last {
        count: usize,
        kind: Option<String>,
    },
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    In(Vec<Value>),
    /// Inclusive; null leaves a side open.
    Between(Value, Value),
    IsNull(bool),
}

/// Conditions that one filter may have, and how deep they may lie in each other.
const MOST_CONDITIONS: usize = 1000;
const DEEPEST: usize = 32;

impl Where {
    /// Whether it asks for what happens between releases: ballots, and contacts.
    pub fn is_live(&self) -> bool {
        self.asks(&|one| matches!(one, Where::Ballot { .. } | Where::Contact { .. }))
    }

    /// Whether it asks for ballots, which only events tell of.
    pub fn asks_for_ballots(&self) -> bool {
        self.asks(&|one| matches!(one, Where::Ballot { .. }))
    }

    fn asks(&self, is: &dyn Fn(&Where) -> bool) -> bool {
        match self {
            Where::All(list) | Where::Any(list) => list.iter().any(|one| one.asks(is)),
            Where::Not(inner) => inner.asks(is),
            one => is(one),
        }
    }

    /// Reads a filter. An absent one (null) is everyone.
    pub fn parse(value: &Value) -> Result<Where, Vec<Fault>> {
        let mut reader = Reader { faults: Vec::new(), conditions: 0 };
        let parsed = match value {
            Value::Null => Where::All(Vec::new()),
            value => reader.condition(value, "", 0),
        };
        if reader.faults.is_empty() { Ok(parsed) } else { Err(reader.faults) }
    }
}

struct Reader {
    faults: Vec<Fault>,
    conditions: usize,
}

const CONDITIONS: [&str; 11] =
    ["all", "any", "not", "field", "district", "voted", "score", "contact", "ballot", "experiment", "within"];

impl Reader {
    fn fault(&mut self, at: &str, detail: impl Into<String>) -> Where {
        self.faults.push(Fault { at: at.to_string(), detail: detail.into() });
        Where::Any(Vec::new())
    }

    fn condition(&mut self, value: &Value, at: &str, depth: usize) -> Where {
        self.conditions += 1;
        if self.conditions == MOST_CONDITIONS {
            return self.fault(at, format!("a filter has at most {MOST_CONDITIONS} conditions"));
        }
        if depth > DEEPEST || self.conditions > MOST_CONDITIONS {
            return self.fault(at, format!("conditions lie at most {DEEPEST} deep"));
        }
        let Some(object) = value.as_object() else {
            return self
                .fault(at, "a condition is an object, such as {\"field\": \"party\", \"eq\": \"DEM\"}");
        };
        if object.is_empty() {
            return Where::All(Vec::new());
        }
        let mut kinds = CONDITIONS.iter().filter(|kind| object.contains_key(**kind));
        let Some(kind) = kinds.next() else {
            let word = object.keys().next().map_or("", String::as_str);
            let near = super::nearest(word, CONDITIONS);
            let hint = if near.is_empty() { CONDITIONS.join(", ") } else { near.join(", ") };
            return self.fault(at, format!("unknown condition {word}; nearest: {hint}"));
        };
        if let Some(second) = kinds.next() {
            return self.fault(at, format!("{kind} and {second} in one condition: put both into an \"all\""));
        }
        let inner = &object[*kind];
        let here = format!("{at}/{kind}");
        let extra = |allowed: &[&str]| {
            object.keys().find(|key| *key != kind && !allowed.contains(&key.as_str())).cloned()
        };
        let tests: &[&str] = if *kind == "field" { &["eq", "in", "between", "is_null"] } else { &[] };
        if let Some(extra) = extra(tests) {
            let known = if tests.is_empty() { "nothing".to_string() } else { tests.join(", ") };
            return self
                .fault(&format!("{at}/{extra}"), format!("beside {kind} stands {known}, not {extra}"));
        }
        match *kind {
            "all" => Where::All(self.list(inner, &here, depth)),
            "any" => Where::Any(self.list(inner, &here, depth)),
            "not" => Where::Not(Box::new(self.condition(inner, &here, depth + 1))),
            "field" => self.field(object, at),
            "district" => self.district(inner, here),
            "voted" => self.voted(inner, here),
            "score" => self.score(inner, here),
            "contact" => self.contact(inner, here),
            "ballot" => self.ballot(inner, here),
            "experiment" => self.experiment(inner, here),
            _ => Where::Within { at: here, geometry: inner.clone() },
        }
    }

    fn list(&mut self, value: &Value, at: &str, depth: usize) -> Vec<Where> {
        let Some(list) = value.as_array() else {
            self.fault(at, "must be a list of conditions");
            return Vec::new();
        };
        list.iter()
            .enumerate()
            .map(|(index, value)| self.condition(value, &format!("{at}/{index}"), depth + 1))
            .collect()
    }

    fn field(&mut self, object: &Map<String, Value>, at: &str) -> Where {
        let Some(name) = object["field"].as_str() else {
            return self.fault(&format!("{at}/field"), "must be the name of a field");
        };
        let mut tests =
            ["eq", "in", "between", "is_null"].into_iter().filter(|test| object.contains_key(*test));
        let (Some(test), None) = (tests.next(), tests.next()) else {
            return self.fault(at, "a field takes exactly one of eq, in, between and is_null");
        };
        let value = &object[test];
        let here = format!("{at}/{test}");
        let test = match (test, value) {
            ("eq", Value::String(_) | Value::Number(_)) => Test::In(vec![value.clone()]),
            ("eq", _) => return self.fault(&here, "must be a text or a number; for null use is_null"),
            ("in", Value::Array(values)) => Test::In(values.clone()),
            ("in", _) => return self.fault(&here, "must be a list of values"),
            ("between", Value::Array(ends)) if ends.len() == 2 => {
                Test::Between(ends[0].clone(), ends[1].clone())
            }
            ("between", _) => {
                return self
                    .fault(&here, "must be a list of two values, both included; null leaves a side open");
            }
            (_, Value::Bool(null)) => Test::IsNull(*null),
            _ => return self.fault(&here, "must be true or false"),
        };
        Where::Field { at: at.to_string(), name: name.to_string(), test }
    }

    /// The members of an object, all of which must be known.
    fn members<'a>(&mut self, value: &'a Value, at: &str, known: &[&str]) -> Option<&'a Map<String, Value>> {
        let Some(object) = value.as_object() else {
            self.fault(at, format!("must be an object with {}", known.join(", ")));
            return None;
        };
        if let Some(word) = object.keys().find(|key| !known.contains(&key.as_str())) {
            self.fault(
                &format!("{at}/{word}"),
                format!("unknown word {word}; there are {}", known.join(", ")),
            );
            return None;
        }
        Some(object)
    }

    /// A list of texts, or one text.
    fn texts(&mut self, value: &Value, at: &str) -> Vec<String> {
        match value {
            Value::String(text) => vec![text.clone()],
            Value::Array(values) if values.iter().all(Value::is_string) => {
                values.iter().filter_map(|value| value.as_str().map(str::to_string)).collect()
            }
            _ => {
                self.fault(at, "must be a text or a list of texts");
                Vec::new()
            }
        }
    }

    fn count(&mut self, value: Option<&Value>, at: &str) -> Option<usize> {
        let value = value?;
        match value.as_u64().filter(|count| *count <= 100_000) {
            Some(count) => Some(count as usize),
            None => {
                self.fault(at, "must be a whole number from 0 to 100000");
                None
            }
        }
    }

    fn district(&mut self, value: &Value, at: String) -> Where {
        let Some(object) = self.members(value, &at, &["kind", "id", "in"]) else {
            return Where::Any(Vec::new());
        };
        let Some(kind) = object.get("kind").and_then(Value::as_str) else {
            return self.fault(&at, "a district needs its kind");
        };
        let ids = match (object.get("id"), object.get("in")) {
            (Some(Value::String(id)), None) => vec![id.clone()],
            (None, Some(list @ Value::Array(_))) => self.texts(list, &format!("{at}/in")),
            _ => return self.fault(&at, "a district needs its id, or a list of ids under in"),
        };
        if Kind::parse(kind).is_none() {
            let known = Kind::ALL.map(Kind::name);
            return self.fault(
                &format!("{at}/kind"),
                format!("unknown kind {kind}; there are {}", known.join(", ")),
            );
        }
        Where::District { at, kind: kind.to_string(), ids }
    }

    fn voted(&mut self, value: &Value, at: String) -> Where {
        let known = ["in", "last", "type", "at_least", "at_most"];
        let Some(object) = self.members(value, &at, &known) else { return Where::Any(Vec::new()) };
        let elections = match (object.get("in"), object.get("last")) {
            (Some(list), None) => {
                if object.contains_key("type") {
                    return self.fault(
                        &format!("{at}/type"),
                        "goes with last: elections that are named have their types",
                    );
                }
                Elections::Named(self.texts(list, &format!("{at}/in")))
            }
            (None, Some(last)) => {
                let count = self.count(Some(last), &format!("{at}/last")).unwrap_or(0);
                let kind = object.get("type").map(|kind| self.texts(kind, &format!("{at}/type")));
                Elections::Last { count, kind: kind.and_then(|kinds| kinds.into_iter().next()) }
            }
            _ => return self.fault(&at, "say which elections: a list under in, or so many under last"),
        };
        let at_most = self.count(object.get("at_most"), &format!("{at}/at_most"));
        let default = usize::from(at_most.is_none());
        let at_least = self.count(object.get("at_least"), &format!("{at}/at_least")).unwrap_or(default);
        Where::Voted { at, elections, at_least, at_most }
    }

    fn score(&mut self, value: &Value, at: String) -> Where {
        let Some(object) = self.members(value, &at, &["model", "between"]) else {
            return Where::Any(Vec::new());
        };
        let Some(model) = object.get("model").and_then(Value::as_str) else {
            return self.fault(&at, "a score needs its model");
        };
        let end = |value: &Value, open: f64| if value.is_null() { Some(open) } else { value.as_f64() };
        let ends = object.get("between").and_then(Value::as_array).filter(|ends| ends.len() == 2);
        let ends =
            ends.and_then(|ends| Some((end(&ends[0], f64::NEG_INFINITY)?, end(&ends[1], f64::INFINITY)?)));
        let Some((low, high)) = ends else {
            return self.fault(&format!("{at}/between"), "must be a list of two numbers, both included");
        };
        Where::Score { at, model: model.to_string(), low, high }
    }

    fn contact(&mut self, value: &Value, at: String) -> Where {
        let Some(object) = self.members(value, &at, &["result", "within_days"]) else {
            return Where::Any(Vec::new());
        };
        let results = match object.get("result") {
            Some(result) => self.texts(result, &format!("{at}/result")),
            None => Vec::new(),
        };
        let days = self.count(object.get("within_days"), &format!("{at}/within_days"));
        Where::Contact { at, results, within_days: days.map(|days| days as u32) }
    }

    fn ballot(&mut self, value: &Value, at: String) -> Where {
        let Some(object) = self.members(value, &at, &["election", "status"]) else {
            return Where::Any(Vec::new());
        };
        let election = object.get("election").and_then(Value::as_str);
        let Some(election) = election.filter(|election| is_election(election)) else {
            return self.fault(
                &format!("{at}/election"),
                "a ballot needs its election, such as \"2026-11-03/general\"",
            );
        };
        let status = match object.get("status") {
            Some(status) => self.texts(status, &format!("{at}/status")),
            None => Vec::new(),
        };
        Where::Ballot { at, election: election.to_string(), status }
    }

    fn experiment(&mut self, value: &Value, at: String) -> Where {
        let Some(object) = self.members(value, &at, &["id", "arm"]) else {
            return Where::Any(Vec::new());
        };
        let Some(id) = object.get("id").and_then(Value::as_str) else {
            return self.fault(&at, "an experiment needs its id");
        };
        let arm = match object.get("arm") {
            None => None,
            Some(Value::String(arm)) if crate::ARMS.contains(&arm.as_str()) => Some(arm.clone()),
            Some(_) => {
                return self.fault(&format!("{at}/arm"), format!("must be {}", crate::ARMS.join(" or ")));
            }
        };
        Where::Experiment { at, id: id.to_string(), arm }
    }
}

/// Whether a text has the shape of an election's id, `<date>/<type>`: ballots may be asked for before the first is back.
pub fn is_election(text: &str) -> bool {
    let (date, kind) = text.split_once('/').unwrap_or_default();
    let day = date.len() == 10 && chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").is_ok();
    day && !kind.is_empty() && kind.len() <= 40
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_fault_is_told_by_its_place() {
        let faults = |value: Value| -> Vec<String> {
            Where::parse(&value).err().unwrap_or_default().into_iter().map(|fault| fault.at).collect()
        };
        assert_eq!(
            faults(json!({"all": [{"feild": "age"}, {"not": {"voted": {}}}]})),
            ["/all/0", "/all/1/not/voted"]
        );
        assert_eq!(faults(json!({"field": "age", "between": [1]})), ["/between"]);
        assert_eq!(faults(json!({"field": "age", "eq": 3, "in": [3]})), [""]);
        assert_eq!(faults(json!([1])), [""]);
        assert_eq!(faults(json!({"district": {"kind": "parish", "id": "1"}})), ["/district/kind"]);
        assert!(faults(json!({})).is_empty() && faults(Value::Null).is_empty());
    }

    #[test]
    fn a_filter_without_end_is_refused_and_not_followed() {
        let mut deep = json!({"all": []});
        for _ in 0..60 {
            deep = json!({"not": deep});
        }
        assert!(Where::parse(&deep).is_err());
        let wide = json!({"any": vec![json!({"field": "age", "eq": 3}); 2000]});
        assert!(Where::parse(&wide).is_err());
    }
}
