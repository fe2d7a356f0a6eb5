//! Daily absentee and early-vote files, in the layout of North Carolina's board of elections: each row of a ballot that came
//! back is a `ballot.returned`. The file is sent whole every day: rows that were told before are told by their id.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Unfit, event};

/// Whether a ballot counts, by the status that the source prints.
fn status(raw: &str) -> &'static str {
    match raw.trim().to_uppercase().as_str() {
        "" | "ACCEPTED" | "ACCEPTED - CURED" => "accepted",
        "CANCELLED" | "SPOILED" | "DUPLICATE" => "cancelled",
        status if status.starts_with("PENDING") => "pending",
        _ => "rejected",
    }
}

/// A row: name of the column to value. None where no ballot came back.
pub fn row(row: &HashMap<String, String>) -> Result<Option<Vec<u8>>, Unfit> {
    let of = |name: &str| row.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let Some(returned) = of("ballot_rtn_dt") else { return Ok(None) };
    let voter = of("ncid").ok_or_else(|| Unfit("ncid is missing".into()))?;
    let election = of("election_dt").and_then(day).ok_or_else(|| Unfit("election_dt is no day".into()))?;
    let mut data = Map::new();
    data.insert("voter_id".into(), voter.into());
    data.insert("state".into(), "NC".into());
    data.insert("election".into(), format!("{election}/general").into());
    let method = match of("ballot_req_type").unwrap_or_default().to_uppercase().as_str() {
        "ONE-STOP" | "ONE STOP" | "EARLY VOTING" => "early",
        "MAIL" => "mail",
        _ => "absentee",
    };
    data.insert("method".into(), method.into());
    let raw = of("ballot_rtn_status").unwrap_or_default();
    data.insert("status".into(), status(raw).into());
    if !raw.is_empty() {
        data.insert("status_raw".into(), raw.into());
    }
    for (source, target) in
        [("ballot_req_dt", "requested_on"), ("ballot_send_dt", "sent_on"), ("ballot_rtn_dt", "returned_on")]
    {
        if let Some(day) = of(source).and_then(day) {
            data.insert(target.into(), day.into());
        }
    }
    if let Some(county) = of("county_desc") {
        data.insert("county".into(), county.into());
    }
    // A voter may have several rows; one that changes its status is told of anew.
    let id = [voter, &election, method, returned, raw].join("/");
    let time = day(returned).map(|day| Value::from(format!("{day}T12:00:00Z")));
    Ok(Some(event("ballot.returned", Some(&id), time.as_ref(), data)))
}

/// `MM/DD/YYYY` as `YYYY-MM-DD`.
fn day(text: &str) -> Option<String> {
    chrono::NaiveDate::parse_from_str(text, "%m/%d/%Y").ok().map(|day| day.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_returned_ballot_is_told_and_one_that_is_out_is_not() {
        let fields = [
            ("ncid", "AA1"),
            ("election_dt", "11/03/2026"),
            ("ballot_req_type", "MAIL"),
            ("ballot_rtn_status", "ACCEPTED - CURED"),
        ];
        let mut fields: HashMap<String, String> =
            fields.map(|(name, value)| (name.into(), value.into())).into();
        assert_eq!(row(&fields), Ok(None));
        fields.insert("ballot_rtn_dt".into(), "10/20/2026".into());
        let event: Value =
            serde_json::from_slice(&row(&fields).expect("a row").expect("an event")).expect("JSON");
        assert_eq!(event["data"]["returned_on"], "2026-10-20");
        assert_eq!(
            (&event["data"]["status"], &event["data"]["method"]),
            (&"accepted".into(), &"mail".into())
        );
        fields.remove("ncid");
        assert!(row(&fields).is_err());
    }
}
