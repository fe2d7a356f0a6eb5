//! ActBlue's webhook: a contribution with its line items, each of which is a `donation`; refunds and cancellations are told
//! by their line items too.

use serde_json::{Map, Value};

use super::{Events, Unfit, copy, event, parse};

/// A webhook's body; also several of them, one a line.
pub fn read(body: &[u8]) -> Result<Events, Unfit> {
    let mut events = Vec::new();
    for document in serde_json::Deserializer::from_slice(body).into_iter::<Value>() {
        let Ok(document) = document else { return parse(body).map(|_| Vec::new()) };
        let Some(items) = document.get("lineitems").and_then(Value::as_array) else {
            return Err(Unfit("a contribution has a list of lineitems".into()));
        };
        events.extend(items.iter().map(|item| donation(&document, item)));
    }
    match events.is_empty() {
        true => Err(Unfit("there is no contribution in the body".into())),
        false => Ok(events),
    }
}

fn donation(document: &Value, item: &Value) -> Vec<u8> {
    let none = Value::Null;
    let of = |name: &str| document.get(name).unwrap_or(&none);
    let (donor, contribution) = (of("donor"), of("contribution"));
    let mut data = Map::new();
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let id = text(item.get("lineitemId"));
    let set = |item: &str| !matches!(document_item(document, item), None | Some(Value::Null));
    let has = |name: &str| !matches!(item.get(name), None | Some(Value::Null)) || set(name);
    let kind = match () {
        () if has("cancelledAt")
            || has("canceledAt")
            || contribution.get("status") == Some(&"cancelled".into()) =>
        {
            "cancellation"
        }
        () if has("refundedAt") => "refund",
        () => "donation",
    };
    data.insert("kind".into(), kind.into());
    if let Some(id) = &id {
        data.insert("donation_id".into(), id.clone().into());
    }
    // An amount that is no number stays as it is, so that the type's own check tells of it.
    match text(item.get("amount")).as_deref().and_then(cents) {
        Some(cents) => data.insert("amount_cents".into(), cents.into()),
        None => data.insert("amount_cents".into(), item.get("amount").cloned().unwrap_or_default()),
    };
    copy(item, &mut data, &[("committeeName", "committee"), ("paidAt", "paid_at")]);
    copy(
        contribution,
        &mut data,
        &[
            ("orderNumber", "order_number"),
            ("contributionForm", "form"),
            ("refcode", "refcode"),
            ("recurringPeriod", "recurring"),
        ],
    );
    copy(
        donor,
        &mut data,
        &[
            ("firstname", "first_name"),
            ("lastname", "last_name"),
            ("addr1", "address"),
            ("city", "city"),
            ("state", "state"),
            ("zip", "zip"),
            ("country", "country"),
            ("email", "email"),
            ("phone", "phone"),
        ],
    );
    if let Some(employer) = donor.get("employerData") {
        copy(employer, &mut data, &[("employer", "employer"), ("occupation", "occupation")]);
    }
    let time =
        ["refundedAt", "paidAt"].into_iter().find_map(|name| item.get(name).filter(|at| at.is_string()));
    // The same line item is told of again when it is refunded.
    let id = id.map(|id| if kind == "donation" { id } else { format!("{id}/{kind}") });
    event("donation", id.as_deref(), time.or(contribution.get("createdAt")), data)
}

fn document_item<'a>(document: &'a Value, name: &str) -> Option<&'a Value> {
    document.get("contribution").and_then(|contribution| contribution.get(name))
}

/// An amount such as `25.00` in cents.
fn cents(amount: &str) -> Option<i64> {
    let (whole, part) = amount.trim().trim_start_matches('$').split_once('.').unwrap_or((amount.trim(), ""));
    let whole: i64 = whole.replace(',', "").parse().ok()?;
    let part: i64 = match part.len() {
        0 => 0,
        1 => part.parse::<i64>().ok()? * 10,
        2 => part.parse().ok()?,
        _ => return None,
    };
    let part = if amount.trim().starts_with('-') { -part } else { part };
    whole.checked_mul(100)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_item_is_a_donation_in_cents() {
        let body = br#"{"donor": {"firstname": "Invented", "email": "a@example.org"},
            "contribution": {"createdAt": "2026-09-13T13:06:00-04:00", "orderNumber": "AB1", "recurringPeriod": "once"},
            "lineitems": [{"lineitemId": 7, "amount": "25.5", "paidAt": "2026-09-13T13:06:01-04:00"}, {"lineitemId": 8, "amount": 10, "refundedAt": "2026-09-14T00:00:00Z"}]}"#;
        let events = read(body).expect("a contribution");
        let value = |at: usize| serde_json::from_slice::<Value>(&events[at]).expect("JSON");
        assert_eq!((&value(0)["data"]["amount_cents"], &value(0)["id"]), (&2550.into(), &"7".into()));
        assert_eq!((&value(1)["data"]["kind"], &value(1)["id"]), (&"refund".into(), &"8/refund".into()));
        assert_eq!(cents("1,025.07"), Some(102_507));
        assert!(read(b"{}").is_err());
    }
}
