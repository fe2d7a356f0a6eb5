//! VAN: canvass responses as its API takes them, and the contacts of its pipeline exports.

use serde_json::{Map, Value};

use super::{Events, Unfit, event, parse};

/// The type of a contact by VAN's contact type.
fn type_of(contact_type: i64) -> &'static str {
    match contact_type {
        1 | 19 => "contact.phone",
        37 | 132 => "contact.text",
        _ => "contact.door",
    }
}

/// What came of a contact, by VAN's result code.
fn result_of(code: i64) -> &'static str {
    match code {
        14 => "canvassed",
        1 => "not_home",
        2 => "refused",
        5 => "language",
        4 => "deceased",
        17 | 18 => "left_message",
        20 | 25 => "wrong_number",
        23 | 3 => "moved",
        19 => "inaccessible",
        _ => "other",
    }
}

/// What came of a contact, by the result's name.
fn result_named(name: &str) -> &'static str {
    match name.trim().to_lowercase().as_str() {
        "canvassed" => "canvassed",
        "not home" => "not_home",
        "refused" => "refused",
        "moved" => "moved",
        "deceased" => "deceased",
        "inaccessible" => "inaccessible",
        "language barrier" => "language",
        "wrong number" | "disconnected" => "wrong_number",
        "left message" => "left_message",
        _ => "other",
    }
}

/// `POST /v4/people/{vanId}/canvassResponses`, as it comes.
pub fn canvass_responses(van_id: &str, body: &[u8]) -> Result<Events, Unfit> {
    let document = parse(body)?;
    let context = document.get("canvassContext").cloned().unwrap_or_default();
    let number = |name: &str| context.get(name).and_then(Value::as_i64);
    let responses = document.get("responses").and_then(Value::as_array);
    let code = document.get("resultCodeId").and_then(Value::as_i64);
    if code.is_none() && responses.is_none_or(Vec::is_empty) {
        return Err(Unfit("either resultCodeId or responses must be given".into()));
    }
    let mut data = Map::new();
    data.insert("voter_id".into(), van_id.into());
    data.insert("result".into(), code.map_or("canvassed", result_of).into());
    let mut answers = Map::new();
    for response in responses.into_iter().flatten() {
        let of = |name: &str| response.get(name).and_then(Value::as_i64);
        match (
            of("surveyQuestionId"),
            of("surveyResponseId"),
            of("activistCodeId"),
            of("volunteerActivityId"),
        ) {
            (Some(question), Some(answer), ..) => {
                answers.insert(question.to_string(), answer.into());
            }
            (_, _, Some(code), _) => {
                let action = response.get("action").cloned().unwrap_or("Apply".into());
                answers.insert(format!("activist_code_{code}"), action);
            }
            (_, _, _, Some(activity)) => {
                let action = response.get("action").cloned().unwrap_or("Apply".into());
                answers.insert(format!("volunteer_activity_{activity}"), action);
            }
            _ => {
                return Err(Unfit(
                    "a response is a SurveyResponse, an ActivistCode or a VolunteerActivity".into(),
                ));
            }
        }
    }
    if !answers.is_empty() {
        data.insert("answers".into(), answers.into());
    }
    if let Some(input) = number("inputTypeId") {
        data.insert("input_type".into(), input.into());
    }
    let time = context.get("dateCanvassed").filter(|time| time.is_string());
    // The API gives no id: the same response of the same moment is the same event.
    Ok(vec![event(type_of(number("contactTypeId").unwrap_or(2)), None, time, data)])
}

/// Rows of a contacts export (`contactscontacts`): name to value. Times are local without a zone; `offset_minutes` is
/// that of the zone, east of Greenwich.
pub fn contact(
    row: &std::collections::HashMap<String, String>,
    offset_minutes: i64,
) -> Result<Vec<u8>, Unfit> {
    let of = |name: &str| row.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let need = |name: &str| of(name).ok_or_else(|| Unfit(format!("{name} is missing")));
    let mut data = Map::new();
    data.insert("voter_id".into(), need("VanID")?.into());
    let result = match (of("ResultShortName"), of("ResultID").and_then(|id| id.parse().ok())) {
        (Some(name), _) => result_named(name),
        (None, Some(code)) => result_of(code),
        (None, None) => return Err(Unfit("ResultID is missing".into())),
    };
    data.insert("result".into(), result.into());
    for (source, target) in [("StateCode", "state"), ("CampaignID", "campaign")] {
        if let Some(text) = of(source) {
            data.insert(target.into(), text.into());
        }
    }
    let name = type_of(of("ContactTypeID").and_then(|id| id.parse().ok()).unwrap_or(2));
    if let Some(who) = of("CanvassedBy").or(of("Username")) {
        let field = match name {
            "contact.phone" => "caller",
            "contact.text" => "sender",
            _ => "canvasser",
        };
        data.insert(field.into(), who.into());
    }
    let time = of("DateCanvassed").or(of("DateCreated")).and_then(|text| local_time(text, offset_minutes));
    // Ids repeat across states and committees.
    let id = [
        of("StateCode").unwrap_or_default(),
        of("CommitteeID").unwrap_or_default(),
        need("ContactsContactID")?,
    ]
    .join("/");
    Ok(event(name, Some(&id), time.map(Value::from).as_ref(), data))
}

/// `2026-09-27 17:21:00` of a zone as RFC 3339; none where it is no time.
pub fn local_time(text: &str, offset_minutes: i64) -> Option<String> {
    let text = text.trim().replace('T', " ");
    let formats = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M"];
    let time = formats.iter().find_map(|format| chrono::NaiveDateTime::parse_from_str(&text, format).ok());
    let time =
        time.or_else(|| chrono::NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.and_hms_opt(12, 0, 0))?;
    let offset = chrono::TimeDelta::try_minutes(offset_minutes)?;
    Some(time.checked_sub_signed(offset)?.and_utc().to_rfc3339())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canvass_response_is_a_contact_with_its_answers() {
        let body = br#"{"canvassContext": {"contactTypeId": 1, "inputTypeId": 11, "dateCanvassed": "2026-10-08T18:20:00Z"}, "resultCodeId": null,
            "responses": [{"type": "SurveyResponse", "surveyQuestionId": 259400, "surveyResponseId": 1085255},
                          {"type": "ActivistCode", "activistCodeId": 4369730, "action": "Apply"}]}"#;
        let events = canvass_responses("100", body).expect("a response");
        let event: Value = serde_json::from_slice(&events[0]).expect("JSON");
        assert_eq!(
            (&event["type"], &event["data"]["result"]),
            (&"contact.phone".into(), &"canvassed".into())
        );
        assert_eq!(event["data"]["answers"]["259400"], 1_085_255);
        assert!(canvass_responses("100", b"{}").is_err());
        assert_eq!(local_time("2026-09-27 17:21:00", -240).as_deref(), Some("2026-09-27T21:21:00+00:00"));
    }
}
