//! Ballots and contacts in filters, counts, groups and lists, as soon as they have landed; and what posts in a district are
//! about.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::events::received;
use super::harness::{Server, demo_source, oracle, own_lake, real_data, succeed, text};

const ELECTION: &str = "2026-11-03/general";

fn count(server: &Server, filter: &Value) -> u64 {
    let (status, told) = server.post("/v1/universes/count", &json!({"where": filter}), &[]);
    assert_eq!(status, 200, "{told}");
    told["voters"].as_u64().expect("a count")
}

/// Waits, two seconds at most, until a filter counts so many.
fn soon(server: &Server, filter: &Value, expected: u64) {
    let started = Instant::now();
    while count(server, filter) != expected {
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "{filter} is not {expected} but {}",
            count(server, filter)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ids, precincts and states of some voters.
fn voters(server: &Server, most: usize) -> Vec<(String, String)> {
    let query = format!(
        "SELECT v.voter_id, d.congressional FROM voters v JOIN voter_districts d ON d.voter_id = v.voter_id AND d.state = v.state WHERE v.state = 'FK' AND d.congressional IS NOT NULL ORDER BY v.voter_id LIMIT {most}"
    );
    let (status, answer) = server.sql(&query);
    assert_eq!(status, 200, "{answer}");
    let text = |row: &Value, name: &str| row[name].as_str().expect("a text").to_string();
    let rows = answer["rows"].as_array().expect("rows");
    rows.iter().map(|row| (text(row, "voter_id"), text(row, "congressional"))).collect()
}

fn ballot(id: &str, voter: &str, time: &str, status: &str) -> Value {
    json!({"id": id, "type": "ballot.returned", "time": time, "data": {"voter_id": voter, "state": "FK", "election": ELECTION, "status": status}})
}

#[test]
fn who_has_voted_is_known_everywhere_within_seconds() {
    let (folder, lake) = own_lake();
    let mut server = Server::start(&lake);
    let some = voters(&server, 6);
    let returned = json!({"ballot": {"election": ELECTION}});
    assert_eq!(count(&server, &returned), 0);
    let events: Vec<Value> =
        (0..4).map(|at| ballot(&format!("b{at}"), &some[at].0, "2026-10-20T10:00:00Z", "accepted")).collect();
    let filter = format!("{{\"ballot\":{{\"election\":\"{ELECTION}\"}}}}");
    let map = |server: &Server| {
        let asked = [("where", filter.as_str()), ("measures", "voters")];
        let url =
            reqwest::Url::parse_with_params(&format!("{}/v1/tiles/congressional/0/0/0", server.url), asked);
        let answer = reqwest::blocking::get(url.expect("an address")).expect("an answer");
        assert_eq!(answer.status().as_u16(), 200);
        answer.bytes().expect("a tile").to_vec()
    };
    let before = map(&server);
    assert_eq!(server.post("/v1/events", &json!(events), &[]).0, 202);
    soon(&server, &returned, 4);
    std::thread::sleep(Duration::from_millis(100));
    assert_ne!(map(&server), before, "a map of who has voted is not kept beyond the next ballot");
    // A ballot without its state, one that is found wanting, one of another election, one of nobody who is known.
    let events = json!([
        {"id": "b5", "type": "ballot.returned", "time": "2026-10-20T10:00:00Z", "data": {"voter_id": some[4].0, "election": ELECTION}},
        ballot("b6", &some[0].0, "2026-10-21T10:00:00Z", "rejected"),
        // Older than what is known of the same ballot, though it comes later.
        ballot("b7", &some[1].0, "2026-10-19T10:00:00Z", "cancelled"),
        {"id": "b8", "type": "ballot.returned", "data": {"voter_id": some[5].0, "state": "FK", "election": "2026-06-30/primary"}},
        ballot("b9", "nobody-at-all", "2026-10-21T10:00:00Z", "accepted"),
    ]);
    assert_eq!(server.post("/v1/events", &events, &[]).0, 202);
    soon(&server, &json!({"ballot": {"election": ELECTION, "status": ["rejected"]}}), 1);
    let told = received(&server, "ballot.returned", 9);
    assert_eq!(told["landed"], 9, "{told}");
    let holds = |server: &Server| {
        assert_eq!(count(server, &returned), 4);
        assert_eq!(count(server, &json!({"not": returned})), count(server, &json!({})) - 4);
        assert_eq!(count(server, &json!({"ballot": {"election": "2026-06-30/primary"}})), 1);
        // By district, as counted by hand.
        let mut expected: BTreeMap<String, u64> = BTreeMap::new();
        (1..5).for_each(|at| *expected.entry(some[at].1.clone()).or_default() += 1);
        let asked = json!({"by": ["congressional"], "measures": ["voters", {"returned": ELECTION}]});
        let (status, told) = server.post("/v1/aggregates", &asked, &[]);
        assert_eq!(status, 200, "{told}");
        let column = format!("returned_{ELECTION}");
        let rows = told["rows"].as_array().expect("rows");
        let found = rows.iter().filter(|row| row[&column] != 0);
        let found = found.map(|row| {
            (
                row["congressional"].as_str().unwrap_or_default().to_string(),
                row[&column].as_u64().expect("a count"),
            )
        });
        assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
        // The same by a field, which is counted voter by voter.
        let asked = json!({"where": {"district": {"kind": "state", "id": "FK"}}, "by": ["age"], "measures": [{"returned": ELECTION}]});
        let (_, told) = server.post("/v1/aggregates", &asked, &[]);
        let sum: u64 =
            told["rows"].as_array().expect("rows").iter().filter_map(|row| row[&column].as_u64()).sum();
        assert_eq!(sum, 4);
    };
    holds(&server);
    // After a restart, from the tables.
    drop(server);
    server = Server::start(&lake);
    holds(&server);
    // In a new release, whose rows stand in another order.
    let before = server.json("/v1/releases")["rows"][0]["id"].clone();
    let voters = std::fs::read_to_string(demo_source("voters_fk.csv")).expect("voters");
    // Every tenth voter has gone, so that the others stand in other rows; those who voted have not.
    let voted = |line: &str| some.iter().any(|(id, _)| line.contains(id.as_str()));
    let fewer = voters.lines().enumerate().filter(|(at, line)| at % 10 != 9 || voted(line));
    let fewer: String = fewer.map(|(_, line)| format!("{line}\n")).collect();
    let file = folder.path().join("voters_fk.csv");
    std::fs::write(&file, fewer).expect("a file");
    succeed(&lake, &["load", "voters", text(&file), "--state", "FK"]);
    let started = Instant::now();
    while server.json("/v1/releases")["rows"][0]["id"] == before {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_secs(3));
    holds(&server);
    // An erased voter's ballot is nobody's, and a file that is loaded again does not bring it back.
    let erased = json!({"voter_id": some[1].0, "state": "FK"});
    assert_eq!(server.post("/v1/erasures", &erased, &[]).0, 200);
    assert_eq!(count(&server, &returned), 3);
    drop(server);
    succeed(&lake, &["load", "voters", text(&demo_source("voters_fk.csv")), "--state", "FK"]);
    server = Server::start(&lake);
    assert_eq!(count(&server, &returned), 3);
    let query =
        format!("SELECT count(*) AS rows FROM event_ballot_returned WHERE voter_id = '{}'", some[1].0);
    assert_eq!(server.sql(&query).1["rows"][0]["rows"], 0);
    // Nor does a ballot that comes later.
    assert_eq!(
        server.post("/v1/events", &ballot("b10", &some[1].0, "2026-10-25T10:00:00Z", "accepted"), &[]).0,
        202
    );
    received(&server, "ballot.returned", 10);
    assert_eq!(count(&server, &returned), 3);
}

#[test]
fn a_list_strikes_who_has_voted_and_hides_nobody_between_two_pages() {
    let (_folder, lake) = own_lake();
    let server = Server::start(&lake);
    let filter = json!({"all": [{"district": {"kind": "state", "id": "FK"}}, {"not": {"ballot": {"election": ELECTION}}},
        {"not": {"contact": {"result": ["refused"]}}}]});
    let (status, universe) = server.post("/v1/universes", &json!({"name": "to knock", "where": filter}), &[]);
    assert_eq!(status, 201, "{universe}");
    let id = universe["id"].as_str().expect("an id");
    let page = |after: &str| {
        let told = server.json(&format!("/v1/universes/{id}/voters?columns=voter_id&limit=40{after}"));
        let ids = told["rows"].as_array().expect("rows").iter();
        let ids: Vec<String> = ids.map(|row| row["voter_id"].as_str().expect("an id").to_string()).collect();
        (ids, told["next"].as_str().expect("a next page").to_string())
    };
    let (first, next) = page("");
    let (second, _) = page(&format!("&after={next}"));
    // Some of the first page vote, one of the second refuses.
    let mut events: Vec<Value> =
        (0..10).map(|at| ballot(&format!("v{at}"), &first[at], "2026-10-20T10:00:00Z", "pending")).collect();
    events.push(json!({"id": "c", "type": "contact.phone", "data": {"voter_id": second[3], "state": "FK", "result": "refused"}}));
    assert_eq!(server.post("/v1/events", &json!(events), &[]).0, 202);
    soon(&server, &json!({"ballot": {"election": ELECTION}}), 10);
    received(&server, "contact.phone", 1);
    let (after, _) = page(&format!("&after={next}"));
    let struck: Vec<&String> = second.iter().filter(|id| **id != second[3]).collect();
    assert_eq!(after[..39].iter().collect::<Vec<_>>(), struck, "the page goes on where the one before ended");
    let (again, _) = page("");
    let first: BTreeSet<&String> = first[..10].iter().collect();
    assert!(again.iter().all(|id| !first.contains(id)));
    // The whole list, as it is streamed.
    let (status, csv) = server.get(&format!("/v1/universes/{id}/voters?columns=voter_id&format=csv"));
    assert_eq!((status, csv.lines().count() as u64 - 1), (200, count(&server, &filter)));
}

#[test]
fn what_a_district_talks_about_is_told_by_topic_over_time() {
    let (_folder, lake) = own_lake();
    let server = Server::start(&lake);
    // The chances that an author of a city lives in a district, by the voters.
    let query = "SELECT v.city, d.congressional AS district, count(*) AS voters FROM voters v JOIN voter_districts d ON d.voter_id = v.voter_id AND d.state = v.state WHERE v.state = 'FK' AND v.city IS NOT NULL GROUP BY ALL ORDER BY ALL";
    let (status, answer) = server.sql(query);
    assert_eq!(status, 200, "{answer}");
    let mut shares: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for row in answer["rows"].as_array().expect("rows") {
        let of = shares.entry(row["city"].as_str().expect("a city").to_string()).or_default();
        of.insert(
            row["district"].as_str().unwrap_or_default().to_string(),
            row["voters"].as_f64().expect("a count"),
        );
    }
    let cities: Vec<String> = shares.keys().take(2).cloned().collect();
    let most = shares[&cities[0]].iter().filter(|(id, _)| !id.is_empty());
    let (district, _) = most.max_by(|one, other| one.1.total_cmp(other.1)).expect("a district");
    let district = district.clone();
    let chance = |city: &String| {
        shares[city].get(&district).copied().unwrap_or(0.0) / shares[city].values().sum::<f64>()
    };
    let post = |id: String, author: String, day: &str, place: &str, text: &str| {
        json!({"id": id, "type": "social.post", "time": format!("{day}T12:00:00Z"),
            "data": {"network": "mastodon", "post_id": id, "author": author, "author_place": place, "text": text}})
    };
    let health = "Health care costs are terrible and my insurance is a disaster";
    let guns = "We need gun control now, the shooting was awful";
    let mut events = Vec::new();
    // Forty authors of each city; of the first, all speak of health in the second week, five of each in the first.
    for at in 0..40 {
        for (which, city) in cities.iter().enumerate() {
            let (author, stated) = (format!("{which}-{at}"), format!("{city}, FK"));
            let first = if at < 5 { health } else { "Lovely weather for a walk with the dog" };
            events.push(post(format!("a{which}{at}"), author.clone(), "2026-10-05", &stated, first));
            let second = if which == 0 { health } else { "Lovely weather for a walk with the dog" };
            events.push(post(format!("b{which}{at}"), author, "2026-10-12", &stated, second));
        }
    }
    // Five authors are too few to tell of.
    events.extend((0..5).map(|at| {
        post(format!("g{at}"), format!("g{at}"), "2026-10-12", &format!("{}, FK", cities[0]), guns)
    }));
    // Nobody knows where these are from.
    events.extend((0..30).map(|at| post(format!("x{at}"), format!("x{at}"), "2026-10-12", "the moon", guns)));
    assert_eq!(server.post("/v1/events", &json!(events), &[]).0, 202);
    let told = received(&server, "social.post", events.len() as u64);
    assert_eq!((&told["landed"], &told["dead"]), (&json!(events.len()), &json!(0)), "{told}");
    let (_, row) = server.sql("SELECT language, topics, tone < -0.3 AS hostile, place, place_from, place_confidence FROM event_social_post WHERE event_id = 'b00'");
    assert_eq!(row["rows"][0]["language"], "en");
    assert_eq!((&row["rows"][0]["hostile"], &row["rows"][0]["place_from"]), (&json!(true), &json!("stated")));
    assert_eq!(row["rows"][0]["place_confidence"], 0.95);
    let path = "/v1/topics?from=2026-10-05&to=2026-10-18&by=week";
    let of = |told: &Value, topic: &str| {
        told["rows"].as_array().expect("rows").iter().find(|row| row["topic"] == topic).cloned()
    };
    let near = |value: &Value, expected: f64| (value.as_f64().expect("a number") - expected).abs() < 0.51;
    // Everywhere: each post is one.
    let everywhere = server.json(path);
    let row = of(&everywhere, "health").unwrap_or_else(|| panic!("{everywhere}"));
    assert!(near(&row["posts"], 50.0) && near(&row["authors"], 45.0) && near(&row["before"], 10.0), "{row}");
    assert_eq!(row["rising"], true, "10 of 80 authors, then 40 of 115: {row}");
    assert!(of(&everywhere, "guns").is_some_and(|row| near(&row["posts"], 35.0)), "{everywhere}");
    // In a district: by how sure the place is and the share of its voters.
    let there = server.json(&format!("{path}&kind=congressional&id={district}"));
    let row = of(&there, "health").unwrap_or_else(|| panic!("{there} {shares:?}"));
    let expected = 0.95 * (45.0 * chance(&cities[0]) + 5.0 * chance(&cities[1]));
    assert!(near(&row["posts"], expected), "{expected} {row}");
    let authors = 0.95 * (40.0 * chance(&cities[0]) + 5.0 * chance(&cities[1]));
    assert!(near(&row["authors"], authors), "{authors} {row}");
    let periods = row["periods"].as_array().expect("periods");
    assert_eq!((&periods[0]["from"], &periods[1]["from"]), (&json!("2026-10-05"), &json!("2026-10-12")));
    // Of the first week fewer than ten are to be expected here, and the second would tell it.
    assert!(
        periods[0]["posts"].is_null() && periods[1]["posts"].is_null() && row["before"].is_null(),
        "{row}"
    );
    let weeks = of(&everywhere, "health").expect("health")["periods"].clone();
    assert!(near(&weeks[0]["posts"], 10.0) && near(&weeks[1]["posts"], 40.0), "{weeks}");
    assert!(row["tone"].as_f64() < Some(-0.3));
    assert_eq!(of(&there, "guns"), None, "five authors");
    // Nothing but numbers and names of topics.
    assert!(!there.to_string().contains("mastodon") && !there.to_string().contains(&cities[0]));
    // A post that is deleted counts no more.
    let gone = json!({"id": "del", "type": "social.post", "data": {"network": "mastodon", "post_id": "b00", "author": "0-0", "operation": "delete"}});
    assert_eq!(server.post("/v1/events", &gone, &[]).0, 202);
    let started = Instant::now();
    while !near(&of(&server.json(path), "health").expect("health")["posts"], 49.0) {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(200));
    }
    // What was derived of an erased author's posts goes with the author.
    let told = |column: &str| {
        let query = format!("SELECT count(*) AS posts FROM event_social_post WHERE {column} IS NOT NULL");
        server.sql(&query).1["rows"][0]["posts"].as_u64().expect("a count")
    };
    let (topics, places) = (told("topics"), told("place"));
    let erased = json!({"named": [{"type": "social.post", "field": "author", "value": "0-1"}]});
    assert_eq!(server.post("/v1/erasures", &erased, &[]).0, 200);
    assert_eq!((told("topics"), told("place")), (topics - 2, places - 2));
    for (path, status) in [
        ("/v1/topics?kind=congressional", 400),
        ("/v1/topics?kind=parish&id=1", 400),
        ("/v1/topics?kind=congressional&id=FK-CD-99", 404),
        ("/v1/topics?from=2026-10-05&to=2026-10-01", 400),
        ("/v1/topics?from=1900-01-01", 400),
        ("/v1/topics?by=hour", 400),
    ] {
        assert_eq!(server.get(path).0, status, "{path}");
    }
}

#[test]
fn a_jetstream_is_followed_over_broken_connections() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = real_data("Bluesky's Jetstream, followed").unwrap_or_default();
    let capture = data.join("social/jetstream_v1_events.redacted.jsonl");
    oracle("jetstream.py", &[text(&super::harness::binary()), text(folder.path()), text(&capture)]);
}

#[test]
fn a_mirror_gets_every_event_once_and_the_comparison_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    oracle("mirrored.py", &[text(&super::harness::binary()), text(folder.path())]);
}

#[test]
fn the_tone_of_posts_is_that_of_the_authors_of_the_rules() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Sentences of words that the rules speak of, in every order, and a public figure's posts.
    let words = "I love hate this GREAT terrible not never so very kind of least at no good bad but without doubt the bomb bus stop AMAZING don't horrible, happy! sad?? yeah right extremely barely wonderful 😀 💔 :) :( ok";
    let words: Vec<&str> = words.split(' ').collect();
    let mut state = 7_u64;
    let mut dice = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut texts: Vec<String> = (0..4_000)
        .map(|_| (0..1 + dice(12)).map(|_| words[dice(words.len())]).collect::<Vec<_>>().join(" "))
        .collect();
    if let Some(data) = real_data("the tone of a public figure's posts") {
        let table = std::fs::read_to_string(data.join("social/trump_poll_tweets.csv")).expect("posts");
        texts.extend(table.lines().map(str::to_string));
    }
    let pairs: Vec<Value> =
        texts.iter().map(|text| json!([text, bellwether_posts::tone::tone(text)])).collect();
    let file = folder.path().join("tones.json");
    std::fs::write(&file, json!(pairs).to_string()).expect("a file");
    oracle("tone.py", &[text(&file)]);
}
