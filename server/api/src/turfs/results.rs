//! What a phone sends: results and reports of the people of one list, made into events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::turfs::{Cut, Member, Standing, Turf, id_of};

/// One thing that was recorded at a door: a result of a person, or a report.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Made by the phone, once; sent again it counts once.
    pub id: String,
    /// When it was recorded: RFC 3339.
    pub at: String,
    pub stop: Option<u32>,
    pub state: Option<String>,
    pub voter_id: Option<String>,
    /// canvassed, not_home, refused, moved, deceased, inaccessible, language, other
    pub result: Option<String>,
    /// Answers by question, their ids.
    #[serde(default)]
    pub answers: BTreeMap<String, String>,
    pub notes: Option<String>,
    pub seconds: Option<u32>,
    pub longitude: Option<f64>,
    pub latitude: Option<f64>,
    /// The person wants to be left alone.
    #[serde(default)]
    pub do_not_contact: bool,
    /// new_person, address, not_here
    pub report: Option<String>,
    /// What the report says: name, address, unit, notes.
    #[schema(value_type = Option<Object>)]
    pub details: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Entries {
    pub results: Vec<Entry>,
}

/// What became of what was sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Taken {
    /// Ids that are durable: they need not be sent again.
    pub accepted: Vec<String>,
    pub refused: Vec<Refused>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Refused {
    pub id: String,
    pub reason: String,
}

/// Most entries of one request.
pub const MOST_ENTRIES: usize = 1_000;
/// Longest id and note, in bytes.
const LONGEST_ID: usize = 100;
const LONGEST_NOTE: usize = 4_000;
/// Results that a door list knows.
const RESULTS: [&str; 8] =
    ["canvassed", "not_home", "refused", "moved", "deceased", "inaccessible", "language", "other"];
const REPORTS: [&str; 3] = ["new_person", "address", "not_here"];

/// The events of an entry; why it is none where it is not.
pub fn events_of(cut: &Cut, turf: &Turf, standing: &Standing, entry: &Entry) -> Result<Vec<Value>, String> {
    if entry.id.is_empty() || entry.id.len() > LONGEST_ID {
        return Err("id has 1 to 100 bytes".into());
    }
    let Ok(at) = chrono::DateTime::parse_from_rfc3339(&entry.at) else {
        return Err("at is no RFC 3339 time".into());
    };
    // A phone whose clock is ahead recorded it before it was sent.
    let time = at.to_utc().min(chrono::Utc::now()).to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    if entry.notes.as_ref().is_some_and(|notes| notes.len() > LONGEST_NOTE) {
        return Err("notes have at most 4000 bytes".into());
    }
    let member = member_of(turf, entry)?;
    let list = id_of(&cut.plan.id, turf.number);
    let mut about = Map::new();
    about.insert("voter_id".into(), json!(member.voter_id));
    about.insert("state".into(), json!(member.state));
    about.insert("list_id".into(), json!(list));
    if let Some(canvasser) = &standing.canvasser {
        about.insert("canvasser".into(), json!(canvasser));
    }
    // Phones number their entries as they like: list and id together are one entry.
    let event = |id: String, kind: &str, data: Map<String, Value>| json!({"id": format!("{list}/{id}"), "type": kind, "time": time, "data": data});
    match (&entry.result, &entry.report) {
        (Some(result), None) => {
            if !RESULTS.contains(&result.as_str()) {
                return Err(format!("unknown result; there are {}", RESULTS.join(", ")));
            }
            let mut data = about.clone();
            data.insert("result".into(), json!(result));
            if !entry.answers.is_empty() {
                data.insert("answers".into(), json!(known_answers(cut, entry)?));
            }
            if let Some(support) = cut.plan.script.support_of(&entry.answers) {
                data.insert("support".into(), json!(support));
            }
            if let Some(notes) = entry.notes.as_ref().filter(|notes| !notes.trim().is_empty()) {
                data.insert("notes".into(), json!(notes));
            }
            if let Some(seconds) = entry.seconds {
                data.insert("seconds".into(), json!(seconds));
            }
            let on_earth = entry.longitude.is_some_and(|x| x.abs() <= 180.0)
                && entry.latitude.is_some_and(|y| y.abs() <= 90.0);
            if on_earth {
                data.insert("longitude".into(), json!(entry.longitude));
                data.insert("latitude".into(), json!(entry.latitude));
            }
            let mut events = vec![event(entry.id.clone(), "contact.door", data)];
            if entry.do_not_contact {
                about.insert("contact".into(), json!(bellwether_warehouse::happenings::LEAVE_ALONE));
                events.push(event(format!("{}-wish", entry.id), "voter.preference", about));
            }
            Ok(events)
        }
        (None, Some(report)) => {
            if !REPORTS.contains(&report.as_str()) {
                return Err(format!("unknown report; there are {}", REPORTS.join(", ")));
            }
            about.insert("report".into(), json!(report));
            if let Some(details) = &entry.details {
                if !details.values().all(|value| value.is_string() || value.is_number() || value.is_boolean())
                {
                    return Err("details are texts, numbers and yes or no".into());
                }
                if serde_json::to_string(details).map_or(true, |text| text.len() > LONGEST_NOTE) {
                    return Err("details have at most 4000 bytes".into());
                }
                about.insert("details".into(), json!(details));
            }
            Ok(vec![event(entry.id.clone(), "door.report", about)])
        }
        _ => Err("an entry has a result or a report".into()),
    }
}

/// Whom an entry is about: the person it names, who must be on the list; a report may name a stop only.
fn member_of<'a>(turf: &'a Turf, entry: &Entry) -> Result<&'a Member, String> {
    if let Some(voter) = &entry.voter_id {
        let is = |member: &&Member| {
            member.voter_id == *voter
                && entry.state.as_ref().is_none_or(|state| member.state.eq_ignore_ascii_case(state))
        };
        return turf.members().find(is).ok_or_else(|| "nobody of that id is on this list".into());
    }
    if entry.result.is_some() {
        return Err("a result names the person: state and voter_id".into());
    }
    let stop = entry.stop.and_then(|stop| turf.stops.get((stop as usize).checked_sub(1)?));
    let first = stop.and_then(|stop| stop.households.iter().flatten().next());
    first.ok_or_else(|| "the list has no such stop".into())
}

/// The answers, all of which the script must know.
fn known_answers<'a>(cut: &Cut, entry: &'a Entry) -> Result<&'a BTreeMap<String, String>, String> {
    for (id, given) in &entry.answers {
        let question = cut.plan.script.questions.iter().find(|question| question.id == *id);
        let question = question.ok_or("the script has no such question")?;
        if !question.answers.iter().any(|answer| answer.id == *given) {
            return Err(format!("the question {id} has no such answer"));
        }
    }
    Ok(&entry.answers)
}
