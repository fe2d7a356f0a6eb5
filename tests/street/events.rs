//! `/v1/events` and `/v1/event-types`: events in, landed once, dead letters told and sent again, types that come and change.

use serde_json::{Value, json};

use super::harness::{Server, binary, oracle, own_lake, text};

/// An empty lake in a folder of its own.
pub fn empty() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let lake = folder.path().join("lake");
    (folder, lake)
}

/// Waits until so many events of a type were received and read.
pub fn received(server: &Server, name: &str, count: u64) -> Value {
    let started = std::time::Instant::now();
    loop {
        let told = server.json(&format!("/v1/event-types/{name}"));
        if told["received"].as_u64() >= Some(count) && told["backlog_bytes"] == 0 {
            return told;
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(120), "{name} does not land: {told}");
        // A little apart: asking without a pause would take the cores that landing needs.
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn lines(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

#[test]
fn an_acknowledged_event_is_in_its_table_once_whoever_kills_the_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    oracle("killed.py", &[text(&binary()), text(folder.path()), "6"]);
}

#[test]
fn an_event_lands_once_and_is_asked_in_sql_with_its_private_fields() {
    let (_folder, lake) = own_lake();
    let server = Server::start(&lake);
    let door = |id: &str, voter: &str| {
        json!({"id": id, "type": "contact.door", "time": "2026-10-01T10:00:00Z",
        "data": {"voter_id": voter, "state": "FK", "result": "canvassed", "support": 2, "campaign": "c1"}})
    };
    let (status, told) = server.post("/v1/events", &door("1", "a"), &[]);
    assert_eq!((status, &told["accepted"]), (202, &json!(1)), "{told}");
    // The same again, in a list with another, as lines, and beside the envelope.
    let (status, _) = server.post("/v1/events", &json!([door("1", "a"), door("2", "b")]), &[]);
    assert_eq!(status, 202);
    let flat = json!({"event_id": "3", "type": "contact.door", "ts": 1_790_000_000_000_u64, "voter_id": "c", "result": "refused"});
    let body = lines(&[door("2", "b"), flat]);
    assert_eq!(server.send("/v1/events", "application/x-ndjson", body).0, 202);
    let told = received(&server, "contact.door", 5);
    assert_eq!((&told["landed"], &told["duplicate"], &told["dead"]), (&json!(3), &json!(2), &json!(0)));
    assert!(told["hours"].as_array().expect("hours").iter().all(|hour| hour["complete"] == true));
    let query = "SELECT event_id, voter_id, result, support, campaign, late FROM event_contact_door ORDER BY event_id";
    let (status, answer) = server.sql(query);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["rows"][0]["voter_id"], "a");
    assert_eq!(answer["rows"][0]["support"], 2);
    assert_eq!(answer["rows"][2]["result"], "refused");
    // Its files have no column for what is private, and tell nobody who it was.
    let log =
        std::fs::read_to_string(lake.join("tables/event_contact_door/_delta_log/00000000000000000000.json"));
    let log = log.expect("the table's first commit");
    assert!(log.contains("campaign") && log.contains("sealed"));
    assert!(!log.contains("voter_id") && !log.contains("support"));
    for entry in walk(&lake.join("tables/event_contact_door")) {
        let bytes = std::fs::read(&entry).expect("a file");
        assert!(!bytes.windows(8).any(|window| window == b"canvassed"[..8].to_vec()), "{}", entry.display());
    }
}

pub fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => found.extend(walk(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

#[test]
fn what_is_no_event_is_a_dead_letter_with_a_reason_and_can_be_repaired() {
    let (_folder, lake) = empty();
    let server = Server::start(&lake);
    let deep =
        format!(r#"{{"id":"d","type":"app.log","properties":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let large = format!(r#"{{"id":"l","type":"app.log","message":"{}"}}"#, "a".repeat(1 << 20));
    let mut body = [
        r#"{"id":"1","type":"app.log","level":"loud"}"#,
        r#"{"id":"2","type":"app.log","level":3}"#,
        r#"{"id":"3","type":"app.log","time":"2099-01-01T00:00:00Z"}"#,
        r#"{"id":"4","type":"app.log","event":"fine"}"#,
        r#"{"id":"4","type":"app.log","event":"fine"}"#,
        r#"{"id":"5","type":"app.log","time":"2019-01-01T00:00:00Z"}"#,
        r#"{"id":"6","type":"app.log", broken"#,
        r#"{"id":"7","type":"no.such"}"#,
        "not JSON at all",
        &deep,
        &large,
    ]
    .join("\n")
    .into_bytes();
    body.extend_from_slice(b"\n{\"id\":\"8\",\"type\":\"app.log\",\"event\":\"\xff\"}\n");
    assert_eq!(server.send("/v1/events", "application/x-ndjson", body).0, 202);
    let told = received(&server, "app.log", 10);
    assert_eq!(
        (&told["landed"], &told["duplicate"], &told["dead"]),
        (&json!(2), &json!(1), &json!(7)),
        "{told}"
    );
    let late: u64 =
        told["hours"].as_array().expect("hours").iter().filter_map(|hour| hour["late"].as_u64()).sum();
    assert_eq!(late, 1);
    let correction =
        told["hours"].as_array().expect("hours").iter().find(|hour| hour["hour"] == "2019-01-01T00");
    assert_eq!(correction.expect("the hour that it belongs to")["corrections"], 1);
    received(&server, "unreadable", 2);
    let letters = server.json("/v1/event-types/app.log/dead-letters");
    let mut reasons: Vec<&str> = letters["rows"]
        .as_array()
        .expect("letters")
        .iter()
        .filter_map(|row| row["reason"].as_str())
        .collect();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        ["future", "invalid_utf8", "not_allowed", "not_json", "too_deep", "too_large", "wrong_type"]
    );
    let unknown = server.json("/v1/event-types/unreadable/dead-letters");
    assert_eq!(unknown["rows"].as_array().map(Vec::len), Some(2), "{unknown}");
    // Repaired, it lands; sent again as it is, it dies again.
    let repaired = json!({"repaired": [{"id": "1", "type": "app.log", "level": "error"}]});
    assert_eq!(server.post("/v1/event-types/app.log/replay", &repaired, &[]).1["sent"], 1);
    assert_eq!(server.post("/v1/event-types/app.log/replay", &json!({"reason": "future"}), &[]).1["sent"], 1);
    let told = received(&server, "app.log", 12);
    assert_eq!((&told["landed"], &told["dead"]), (&json!(3), &json!(8)));
    let (_, rows) =
        server.sql("SELECT number, reason, payload FROM dead_app_log WHERE reason = 'not_allowed'");
    assert!(rows["rows"][0]["payload"].as_str().expect("the payload").contains("loud"), "{rows}");
    assert_eq!(server.send("/v1/events", "application/json", "no event").0, 400);
    assert_eq!(server.get("/v1/event-types/nothing").0, 404);
}

#[test]
fn producers_need_only_another_host() {
    let (_folder, lake) = empty();
    let server = Server::start(&lake);
    oracle("sdks.py", &[&server.url]);
    let log = received(&server, "app.log", 27);
    assert_eq!(log["landed"], 27);
    assert_eq!(received(&server, "contact.door", 1)["landed"], 1);
    let airings = received(&server, "ad.airing", 3);
    assert_eq!((&airings["landed"], &airings["duplicate"]), (&json!(2), &json!(1)));
    let response = json!({"canvassContext": {"contactTypeId": 2, "dateCanvassed": "2026-10-08T18:20:00Z"}, "resultCodeId": 1, "responses": null});
    assert_eq!(server.post("/v4/people/100/canvassResponses", &response, &[]).0, 204);
    assert_eq!(received(&server, "contact.door", 2)["landed"], 2);
    let Some(data) = super::harness::real_data("ActBlue's webhook") else { return };
    let sample =
        std::fs::read(data.join("events/actblue_webhook_donations_sample.jsonl")).expect("the sample");
    let count = sample.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert_eq!(server.send("/v1/events/from/actblue", "application/json", sample).0, 202);
    let told = received(&server, "donation", count);
    assert_eq!(told["dead"], 0, "{told}");
}

#[test]
fn a_new_type_is_a_file_and_an_incompatible_one_is_refused() {
    let (folder, lake) = empty();
    let types = folder.path().join("types");
    std::fs::create_dir(&types).expect("a folder");
    let document = |version: u32, more: &str| {
        format!(
            r#"{{"$id": "phone.bank", "description": "A shift ended.", "x-version": {version}, "x-subject": ["who"], "type": "object",
            "required": ["calls"], "properties": {{"calls": {{"type": "integer", "x-privacy": "public", "description": "Calls."}},
            "who": {{"type": "string", "x-privacy": "identifying", "description": "Who called."}}{more}}}}}"#
        )
    };
    std::fs::write(types.join("phone.bank.json"), document(1, "")).expect("written");
    std::fs::write(types.join("broken.json"), "{").expect("written");
    let server = Server::quarrelsome(&lake, &["--event-types", text(&types)]);
    let event =
        |id: u32| json!({"id": id, "type": "phone.bank", "calls": 10 + id, "who": "w", "place": "here"});
    assert_eq!(server.post("/v1/events", &event(1), &[]).0, 202);
    received(&server, "phone.bank", 1);
    assert!(server.json("/v1/event-types")["faults"]["broken.json"].is_string());
    // What the type did not know was kept, and is a column when the newer version knows it.
    let place = r#", "place": {"type": "string", "x-privacy": "public", "description": "Where."}"#;
    std::fs::write(types.join("phone.bank.json"), document(2, place)).expect("written");
    until(|| server.json("/v1/event-types/phone.bank")["version"] == 2);
    assert_eq!(server.post("/v1/events", &event(2), &[]).0, 202);
    received(&server, "phone.bank", 2);
    let places = || {
        server.sql("SELECT event_id, place, who FROM event_phone_bank ORDER BY event_id").1["rows"].clone()
    };
    assert_eq!(
        (&places()[0]["place"], &places()[1]["place"]),
        (&Value::Null, &json!("here")),
        "{}",
        places()
    );
    let hour = server.json("/v1/event-types/phone.bank")["hours"][0]["hour"].clone();
    let (status, told) =
        server.post("/v1/event-types/phone.bank/replay", &json!({"from": hour, "to": "2999-01-01T00"}), &[]);
    assert_eq!((status, &told["rewritten"]), (200, &json!(2)), "{told}");
    assert_eq!((&places()[0]["place"], &places()[0]["who"]), (&json!("here"), &json!("w")), "{}", places());
    std::fs::write(types.join("phone.bank.json"), document(3, "").replace("integer", "string"))
        .expect("written");
    until(|| server.json("/v1/event-types")["faults"]["phone.bank.json"].is_string());
    assert_eq!(server.json("/v1/event-types/phone.bank")["version"], 2);
    assert_eq!(server.post("/v1/events", &event(3), &[]).0, 202);
    assert_eq!(received(&server, "phone.bank", 3)["landed"], 3);
}

fn until(holds: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !holds() {
        assert!(started.elapsed() < std::time::Duration::from_secs(120), "it does not come to hold");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
