//! What is asked for when turfs are cut.

use bellwether_field::Size;
use bellwether_field::ground::Pace;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::ApiError;

/// Whom to visit, where, and how much work a turf is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TurfsRequest {
    /// What the organizer calls it.
    #[schema(example = "Saturday")]
    pub name: String,
    /// Whom to visit; everyone of the area without it.
    #[serde(default, rename = "where")]
    #[schema(value_type = Option<crate::filter_schema::WhereSchema>)]
    pub filter: Value,
    /// A saved universe instead of a filter.
    pub universe: Option<String>,
    /// Only here: a condition such as {"district": {...}} or {"within": {...}}, beside the filter.
    #[serde(default)]
    #[schema(value_type = Option<crate::filter_schema::WhereSchema>)]
    pub area: Value,
    /// About so many doors a turf. One of doors_per_turf, minutes_per_turf and canvassers is given.
    #[schema(example = 50)]
    pub doors_per_turf: Option<f64>,
    /// About so many minutes a turf, the way included.
    pub minutes_per_turf: Option<f64>,
    /// One turf for each.
    pub canvassers: Option<u32>,
    /// Where turfs are to begin and end: each at the nearest of these.
    #[serde(default)]
    pub starts: Vec<Place>,
    /// At every door, whoever opens; 1.5 without it.
    pub minutes_per_door: Option<f64>,
    /// For every voter of the universe at a door; 1 without it.
    pub minutes_per_voter: Option<f64>,
    /// On foot; 75 (4.5 km/h) without it.
    pub metres_per_minute: Option<f64>,
    /// Longer ways are driven, at 42 km/h; 600 m without it.
    pub drive_beyond_metres: Option<f64>,
    /// People who were talked to are left alone for so many days; 30 without it, 0: visited again.
    pub recontact_days: Option<u32>,
    /// Who has voted in one of these is not visited; without it the newest election of which ballots are known.
    pub elections: Option<Vec<String>>,
    /// What to say and to ask.
    pub script: Option<Script>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub longitude: f64,
    pub latitude: f64,
}

/// What canvassers say and ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Script {
    #[serde(default)]
    pub introduction: String,
    #[serde(default)]
    pub questions: Vec<ScriptQuestion>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScriptQuestion {
    #[schema(example = "support")]
    pub id: String,
    pub text: String,
    pub answers: Vec<ScriptAnswer>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScriptAnswer {
    pub id: String,
    pub text: String,
    /// What the answer says of the voter's support: 1 strong support to 5 strong opposition. Models learn from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support: Option<u8>,
}

impl Default for Script {
    fn default() -> Script {
        let levels = ["Strong support", "Lean support", "Undecided", "Lean oppose", "Strong oppose"];
        let answer = |(at, text): (usize, &&str)| ScriptAnswer {
            id: (at + 1).to_string(),
            text: text.to_string(),
            support: Some(at as u8 + 1),
        };
        let question = ScriptQuestion {
            id: "support".into(),
            text: "Can we count on your support?".into(),
            answers: levels.iter().enumerate().map(answer).collect(),
        };
        Script { introduction: String::new(), questions: vec![question] }
    }
}

/// Limits of a script, so that it fits a sheet and a phone.
const MOST_QUESTIONS: usize = 20;
const MOST_ANSWERS: usize = 12;
const LONGEST_TEXT: usize = 1_000;
/// Lines of six boxes that a person may take on a sheet.
const MOST_LINES: usize = 30;
/// Most turfs of one cut, and places to begin at.
const MOST_TURFS: f64 = 20_000.0;
const MOST_STARTS: usize = 1_000;

impl TurfsRequest {
    /// Refuses what makes no sense, naming the field.
    pub fn check(&self) -> Result<(), ApiError> {
        let wrong = |what: &str| Err(ApiError::bad_request(what));
        let sizes = [self.doors_per_turf, self.minutes_per_turf, self.canvassers.map(f64::from)];
        if sizes.iter().flatten().count() != 1 {
            return wrong("give one of /doors_per_turf, /minutes_per_turf and /canvassers");
        }
        if self.name.trim().is_empty() || self.name.chars().count() > 100 {
            return wrong("/name has 1 to 100 characters");
        }
        let within =
            |value: Option<f64>, low: f64, high: f64| value.is_none_or(|value| (low..=high).contains(&value));
        if !within(self.doors_per_turf, 1.0, 1_000.0) {
            return wrong("/doors_per_turf is 1 to 1000");
        }
        if !within(self.minutes_per_turf, 10.0, 1_440.0) {
            return wrong("/minutes_per_turf is 10 to 1440");
        }
        if !within(self.canvassers.map(f64::from), 1.0, MOST_TURFS) {
            return wrong("/canvassers is 1 to 20000");
        }
        if !within(self.minutes_per_door, 0.0, 60.0) || !within(self.minutes_per_voter, 0.0, 60.0) {
            return wrong("/minutes_per_door and /minutes_per_voter are 0 to 60");
        }
        if !within(self.metres_per_minute, 10.0, 1_000.0) || !within(self.drive_beyond_metres, 0.0, 1e6) {
            return wrong("/metres_per_minute is 10 to 1000, /drive_beyond_metres 0 to 1000000");
        }
        let on_earth = |place: &Place| place.longitude.abs() <= 180.0 && place.latitude.abs() <= 90.0;
        if self.starts.len() > MOST_STARTS || !self.starts.iter().all(on_earth) {
            return wrong("/starts are at most 1000 places in degrees");
        }
        if let Some(election) =
            self.elections.iter().flatten().find(|id| !bellwether_electorate::is_election(id))
        {
            return Err(ApiError::bad_request(format!(
                "/elections: {election} is no election; they are like 2026-11-03/general"
            )));
        }
        self.script.as_ref().map_or(Ok(()), Script::check)
    }

    pub fn size(&self) -> Size {
        match (self.doors_per_turf, self.minutes_per_turf, self.canvassers) {
            (Some(doors), ..) => Size::Doors(doors),
            (_, Some(minutes), _) => Size::Minutes(minutes),
            (.., canvassers) => Size::Turfs(canvassers.unwrap_or(1) as usize),
        }
    }

    pub fn pace(&self) -> Pace {
        let usual = Pace::default();
        Pace {
            metres_per_minute: self.metres_per_minute.unwrap_or(usual.metres_per_minute),
            drive_beyond: self.drive_beyond_metres.unwrap_or(usual.drive_beyond),
            ..usual
        }
    }

    /// Minutes at a door with so many voters.
    pub fn minutes_at(&self, voters: usize) -> f64 {
        self.minutes_per_door.unwrap_or(1.5) + self.minutes_per_voter.unwrap_or(1.0) * voters as f64
    }

    /// Days for which people are left alone after they were talked to.
    pub fn left_alone(&self) -> Option<i32> {
        Some(self.recontact_days.unwrap_or(30).min(36_500) as i32).filter(|days| *days > 0)
    }
}

impl Script {
    fn check(&self) -> Result<(), ApiError> {
        let long = |text: &str| text.chars().count() > LONGEST_TEXT;
        let bad_id = |id: &str| id.is_empty() || id.len() > 64 || id.chars().any(char::is_control);
        if self.questions.len() > MOST_QUESTIONS || long(&self.introduction) {
            return Err(ApiError::bad_request(
                "/script has at most 20 questions, and texts of 1000 characters",
            ));
        }
        let lines: usize = self.questions.iter().map(|question| question.answers.len().div_ceil(6)).sum();
        if lines > MOST_LINES {
            return Err(ApiError::bad_request("/script has more answers than a sheet of paper has room for"));
        }
        let mut ids = std::collections::HashSet::new();
        for question in &self.questions {
            let mut answers = std::collections::HashSet::new();
            let doubled = !question.answers.iter().all(|answer| answers.insert(&answer.id));
            let bad = question.answers.iter().any(|answer| {
                bad_id(&answer.id)
                    || long(&answer.text)
                    || answer.support.is_some_and(|level| !(1..=5).contains(&level))
            });
            if bad_id(&question.id) || !ids.insert(&question.id) || long(&question.text) {
                return Err(ApiError::bad_request("/script/questions have ids of their own and a text"));
            }
            if question.answers.is_empty() || question.answers.len() > MOST_ANSWERS || doubled || bad {
                let detail = format!(
                    "/script/questions: the answers of {} are 1 to 12, with ids of their own; support is 1 to 5",
                    question.id
                );
                return Err(ApiError::bad_request(detail));
            }
        }
        Ok(())
    }

    /// What answers say of support, where any does.
    pub fn support_of(&self, answers: &std::collections::BTreeMap<String, String>) -> Option<u8> {
        self.questions.iter().find_map(|question| {
            let given = answers.get(&question.id)?;
            question.answers.iter().find(|answer| answer.id == *given)?.support
        })
    }
}
