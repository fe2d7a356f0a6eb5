//! `/v1/events/from/{source}` and `/v1/erasures`: what other systems send, posts that are deleted, persons who are erased.

use serde_json::{Value, json};

use super::events::{empty, received, walk};
use super::harness::{Server, real_data};

#[test]
fn the_jetstream_capture_lands_and_its_deletions_are_applied() {
    let (_folder, lake) = empty();
    let server = Server::start(&lake);
    if let Some(data) = real_data("Bluesky's Jetstream") {
        let capture = std::fs::read_to_string(data.join("social/jetstream_v1_events.redacted.jsonl"))
            .expect("the capture");
        // Independently: lines about posts, by what they do.
        let of = |operation: &str| {
            let lines = capture.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            let commits = lines.filter(|line| line["commit"]["collection"] == "app.bsky.feed.post");
            commits.filter(|line| line["commit"]["operation"] == operation).count() as u64
        };
        let (made, gone) = (of("create"), of("delete"));
        assert!(made > 10 && gone > 0);
        // Twice: a stream that reconnects tells again what it told.
        for _ in 0..2 {
            assert_eq!(
                server.send("/v1/events/from/jetstream", "application/x-ndjson", capture.clone()).0,
                202
            );
        }
        let told = received(&server, "social.post", 2 * (made + gone));
        assert_eq!((&told["landed"], &told["dead"]), (&json!(made + gone), &json!(0)), "{told}");
    }
    // A post that landed is deleted; one whose deletion came first never shows.
    let commit = |key: &str, operation: &str, text: &str| {
        json!({"did": "did:plc:x", "time_us": 1_791_650_299_090_631_u64, "kind": "commit",
            "commit": {"rev": operation, "operation": operation, "collection": "app.bsky.feed.post", "rkey": key, "record": {"text": text}}})
    };
    let before = server.json("/v1/event-types/social.post")["received"].as_u64().expect("a count");
    let send = |event: &Value| assert_eq!(server.post("/v1/events/from/jetstream", event, &[]).0, 202);
    send(&commit("one", "create", "regretted words"));
    send(&commit("kept", "create", "words that stay"));
    received(&server, "social.post", before + 2);
    send(&commit("one", "delete", ""));
    send(&commit("two", "delete", ""));
    received(&server, "social.post", before + 4);
    send(&commit("two", "create", "regretted words"));
    let told = received(&server, "social.post", before + 5);
    assert_eq!(told["deleted"], 2, "{told}");
    assert!(told["hours"].as_array().expect("hours").iter().all(|hour| hour["complete"] == true), "{told}");
    let (_, rows) = server.sql("SELECT text FROM event_social_post WHERE text LIKE '%words%'");
    assert_eq!(rows["rows"], json!([{"text": "words that stay"}]));
    let table = server.sql("SELECT count(*) AS rows FROM event_social_post").1["rows"][0]["rows"].clone();
    assert_eq!(table, told["landed"], "the books and the table agree");
}

#[test]
fn feeds_of_every_kind_and_a_table_of_posts_land() {
    let Some(data) = real_data("feeds and the posts of a public figure") else { return };
    let (_folder, lake) = empty();
    let server = Server::start(&lake);
    let mut posts = 0;
    for entry in std::fs::read_dir(data.join("social/feeds")).expect("the feeds").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let body = std::fs::read(entry.path()).expect("the feed");
        // Independently: how often an entry begins. One file is no feed, and one breaks off.
        let text = String::from_utf8_lossy(&body).into_owned();
        let begins = ["<item>", "<item ", "<entry>", "\"date_published\""];
        let begins: u64 = begins.iter().map(|one| text.matches(one).count() as u64).sum();
        let (status, told) = server.send("/v1/events/from/feed", "application/xml", body);
        let is_feed = !name.starts_with("LICENSE") && !name.contains("invalid");
        let accepted = told["accepted"].as_u64().unwrap_or(0);
        assert_eq!((status, accepted), if is_feed { (202, begins) } else { (400, 0) }, "{name}: {told}");
        posts += accepted;
    }
    assert_eq!(server.send("/v1/events/from/feed", "application/xml", "no feed").0, 400);
    let table = std::fs::read(data.join("social/trump_poll_tweets.csv")).expect("the posts");
    // Independently: lines that begin with a number, which no text in the file does; a spreadsheet wrote some as 7.02608E+17.
    let begins = |line: &&str| {
        line.split(',')
            .next()
            .is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit() || b".E+".contains(&b)))
    };
    let rows = String::from_utf8_lossy(&table).lines().filter(begins).count() as u64;
    assert!(rows > 400, "{rows}");
    assert_eq!(server.send("/v1/events/from/posts?author=office", "text/csv", table).0, 202);
    let told = received(&server, "social.post", posts + rows);
    // Two of the files hold the same entry.
    let expected = (&json!(posts + rows - 1), &json!(1), &json!(0));
    assert_eq!((&told["landed"], &told["duplicate"], &told["dead"]), expected, "{told}");
    let (_, oldest) = server.sql("SELECT count(*) AS n FROM event_social_post WHERE network = 'x' AND occurred_at < TIMESTAMPTZ '2017-01-01 00:00:00+00'");
    assert!(oldest["rows"][0]["n"].as_u64() > Some(0), "{oldest}");
    let (_, accents) =
        server.sql("SELECT text FROM event_social_post WHERE text LIKE '%Expansão de Parâmetros%'");
    assert_eq!(accents["rows"].as_array().map(Vec::len), Some(1), "{accents}");
}

#[test]
fn what_vendors_send_lands_as_it_comes() {
    let Some(data) = real_data("the vendors' samples") else { return };
    let (_folder, lake) = empty();
    let server = Server::start(&lake);
    let read = |name: &str| std::fs::read_to_string(data.join("events").join(name)).expect("the sample");
    let contacts = read("van_contacts_contacts_sample.csv");
    let count = contacts.lines().count() as u64 - 1;
    assert_eq!(server.send("/v1/events/from/van-contacts", "text/csv", contacts.clone()).0, 202);
    let of_type = |types: &[&str]| {
        contacts.lines().skip(1).filter(|line| types.iter().any(|one| line.contains(one))).count() as u64
    };
    for (name, rows) in [("contact.phone", of_type(&[",Phone,"])), ("contact.text", of_type(&[",SMS Text,"]))]
    {
        let told = received(&server, name, rows);
        assert_eq!((&told["landed"], &told["dead"]), (&json!(rows), &json!(0)), "{name}: {told}");
    }
    let doors = count - of_type(&[",Phone,", ",SMS Text,"]);
    assert_eq!(received(&server, "contact.door", doors)["landed"], doors);
    let not_home =
        contacts.lines().filter(|line| line.contains(",Not Home,") && line.contains(",Walk,")).count();
    let (_, rows) = server.sql("SELECT count(*) AS n FROM event_contact_door WHERE result = 'not_home'");
    assert_eq!(rows["rows"][0]["n"], not_home);
    assert_eq!(
        server
            .send("/v1/events/from/mobilize", "application/json", read("mobilize_attendances_sample.json"))
            .0,
        202
    );
    assert_eq!(received(&server, "volunteer.shift", 30)["dead"], 0);
    let absentee = "county_desc,ncid,election_dt,ballot_req_type,ballot_rtn_dt,ballot_rtn_status\n\
        WAKE,AA1,11/03/2026,MAIL,10/20/2026,ACCEPTED\nWAKE,AA2,11/03/2026,ONE-STOP,10/21/2026,\nWAKE,AA3,11/03/2026,MAIL,,\nWAKE,,11/03/2026,MAIL,10/20/2026,ACCEPTED\n";
    assert_eq!(server.send("/v1/events/from/absentee-nc", "text/csv", absentee).0, 202);
    assert_eq!(received(&server, "ballot.returned", 2)["landed"], 2);
    assert_eq!(received(&server, "unreadable", 1)["dead"], 1);
    assert_eq!(server.send("/v1/events/from/nowhere", "text/csv", "").0, 404);
}

#[test]
fn an_erased_person_is_on_no_disk_and_does_not_come_back() {
    let (folder, lake) = empty();
    let server = Server::start(&lake);
    let door = |id: &str, voter: &str, notes: &str| json!({"id": id, "type": "contact.door", "data": {"voter_id": voter, "state": "CO", "result": "canvassed", "notes": notes}});
    let lost = "{\"id\":\"9\",\"type\":\"contact.door\",\"voter_id\":\"erasable-voter\" ,";
    for event in [door("1", "erasable-voter", "secret notes"), door("2", "other-voter", "other notes")] {
        assert_eq!(server.post("/v1/events", &event, &[]).0, 202);
    }
    assert_eq!(server.send("/v1/events", "application/json", lost).0, 202);
    received(&server, "contact.door", 3);
    // Still in a queue: it must go from there too.
    assert_eq!(server.post("/v1/events", &door("3", "erasable-voter", "late notes"), &[]).0, 202);
    let on_disk = |word: &str| {
        let holds = |path: &std::path::PathBuf| {
            std::fs::read(path)
                .is_ok_and(|bytes| bytes.windows(word.len()).any(|window| window == word.as_bytes()))
        };
        walk(folder.path()).into_iter().filter(holds).collect::<Vec<_>>()
    };
    assert!(!on_disk("late notes").is_empty(), "the search finds what is in a queue");
    let (status, told) =
        server.post("/v1/erasures", &json!({"voter_id": "erasable-voter", "state": "CO"}), &[]);
    // The row that had landed, and the letter; what was queued lands without anything private.
    assert_eq!((status, &told["rows"]), (200, &json!(2)), "{told}");
    for word in ["erasable-voter", "secret notes", "late notes"] {
        assert!(on_disk(word).is_empty(), "{word}: {:?}", on_disk(word));
    }
    // The same person again: what happened counts, who it was does not come back.
    assert_eq!(server.post("/v1/events", &door("4", "erasable-voter", "secret notes"), &[]).0, 202);
    received(&server, "contact.door", 5);
    let (_, rows) = server.sql("SELECT voter_id, notes FROM event_contact_door ORDER BY voter_id NULLS LAST");
    let none = json!({"voter_id": null, "notes": null});
    assert_eq!(rows["rows"], json!([{"voter_id": "other-voter", "notes": "other notes"}, none, none, none]));
    assert_eq!(server.post("/v1/erasures", &json!({}), &[]).0, 400);
}
