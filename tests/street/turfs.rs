//! Turfs: cut evenly and whole, nobody on them who must not be visited, nobody on two lists, and what is recorded at the doors
//! counts once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::harness::{Server, oracle, own_lake, succeed};

const ELECTION: &str = "2026-11-03/general";

/// Cuts and gives the job's result.
pub fn cut(server: &Server, request: &Value) -> Value {
    let (status, job) = server.post("/v1/turfs", request, &[]);
    assert_eq!(status, 202, "{job}");
    let done = server.finish(job["id"].as_str().expect("an id"));
    assert_eq!(done["state"], "done", "{done}");
    done["result"].clone()
}

pub fn id(of: &Value) -> String {
    of.as_str().expect("an id").to_string()
}

/// State and id of everybody on a list.
fn people(list: &Value) -> BTreeSet<(String, String)> {
    let homes = list["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .flat_map(|stop| stop["households"].as_array().expect("homes"));
    let people = homes.flat_map(|home| home["people"].as_array().expect("people"));
    people.map(|person| (id(&person["state"]), id(&person["voter_id"]))).collect()
}

fn doors(list: &Value) -> BTreeSet<u64> {
    list["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|stop| stop["door"].as_u64().expect("a number"))
        .collect()
}

/// Waits, two seconds at most, until something is so.
fn soon(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(2), "not so after two seconds: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A district with some thousand voters.
pub fn area(server: &Server) -> Value {
    let districts = server.json("/v1/districts?kind=state_house&limit=1000");
    let largest = districts["rows"].as_array().expect("rows").iter().max_by_key(|row| row["voters"].as_u64());
    json!({"district": {"kind": "state_house", "id": largest.expect("a district")["id"]}})
}

fn step(server: &Server, turf: &str, step: &str, body: Value) -> (u16, Value) {
    server.post(&format!("/v1/turfs/{turf}/{step}"), &body, &[])
}

/// The link of a released turf, as a path of the API.
fn walk(server: &Server, turf: &str) -> String {
    let (status, told) = step(server, turf, "release", json!({}));
    assert_eq!(status, 200, "{told}");
    let link = told["link"].as_str().expect("a link");
    format!("/v1/walks/{}", link.rsplit('/').next().expect("a secret"))
}

#[test]
fn turfs_are_even_and_whole_and_hold_everybody_once() {
    let (_folder, lake) = own_lake();
    let server = Server::start(&lake);
    let made = cut(
        &server,
        &json!({"name": "All of it", "area": {"field": "status", "in": ["active", "inactive"]}, "doors_per_turf": 60}),
    );
    let told = oracle("turfs.py", &[&server.url, made["cut"].as_str().expect("an id"), "1.25"]);
    println!("{told}");
    let listed = server.json(&format!("/v1/turf-cuts/{}/doors", id(&made["cut"])));
    // Everybody of the universe who has a place, but for those whom a canvasser reported.
    let (_, answer) = server.sql(
        "SELECT v.state, v.voter_id FROM voters v JOIN geocodes g ON g.state = v.state AND g.voter_id = v.voter_id \
         WHERE v.status IN ('active', 'inactive') AND v.match_key IS NOT NULL AND g.longitude IS NOT NULL AND NOT EXISTS (\
         SELECT 1 FROM contacts c WHERE c.state = v.state AND c.voter_id = v.voter_id AND (c.result = 'deceased' \
         OR (c.result = 'moved' AND (v.registered_on IS NULL OR v.registered_on <= c.contacted_on)))) LIMIT 100000",
    );
    let expected: BTreeSet<(String, String)> = answer["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| (id(&row["state"]), id(&row["voter_id"])))
        .collect();
    assert!(expected.len() > 10_000);
    assert_eq!(people(&listed), expected);
    // The same question is answered alike.
    let again = server.json(&format!("/v1/turf-cuts/{}/doors", id(&made["cut"])));
    assert_eq!(listed, again);
}

#[test]
fn nobody_is_on_a_list_who_must_not_be_visited() {
    let (_folder, lake) = own_lake();
    let server = Server::start(&lake);
    let request = json!({"name": "Before", "area": area(&server), "minutes_per_turf": 150});
    let before = cut(&server, &request);
    let listed = server.json(&format!("/v1/turf-cuts/{}/doors", id(&before["cut"])));
    let some: Vec<(String, String)> = people(&listed).into_iter().take(6).collect();
    assert_eq!(server.response(&format!("/v1/turf-cuts/{}", id(&before["cut"])), &[]).status().as_u16(), 200);
    let about = |at: usize, more: Value| {
        let mut data = json!({"state": some[at].0, "voter_id": some[at].1});
        more.as_object().expect("an object").iter().for_each(|(name, value)| data[name] = value.clone());
        data
    };
    let today = chrono_today();
    let events = json!([
        {"id": "s0", "type": "ballot.returned", "data": about(0, json!({"election": ELECTION}))},
        {"id": "s1", "type": "voter.preference", "data": about(1, json!({"contact": "do_not_contact"}))},
        {"id": "s2", "type": "contact.door", "time": today, "data": about(2, json!({"result": "moved"}))},
        {"id": "s3", "type": "contact.phone", "time": today, "data": about(3, json!({"result": "deceased"}))},
        {"id": "s4", "type": "contact.phone", "time": today, "data": about(4, json!({"result": "canvassed"}))},
        // Nobody was home: somebody comes again.
        {"id": "s5", "type": "contact.door", "time": today, "data": about(5, json!({"result": "not_home"}))},
    ]);
    // The cut was made before any ballot was known, so no election takes anybody off it: the next one knows it.
    assert_eq!(server.post("/v1/events", &events, &[]).0, 202);
    let off = |list: &Value, at: &[usize]| at.iter().all(|at| !people(list).contains(&some[*at]));
    soon("who asked, moved, died or was talked to is off the open lists", || {
        off(&server.json(&format!("/v1/turf-cuts/{}/doors", id(&before["cut"]))), &[1, 2, 3, 4])
    });
    let request_of_delete = reqwest::blocking::Client::new().delete(format!(
        "{}/v1/turf-cuts/{}",
        server.url,
        id(&before["cut"])
    ));
    assert_eq!(request_of_delete.send().expect("an answer").status().as_u16(), 204);
    let after = cut(&server, &request);
    let listed = server.json(&format!("/v1/turf-cuts/{}/doors", id(&after["cut"])));
    assert!(off(&listed, &[0, 1, 2, 3, 4]));
    assert!(people(&listed).contains(&some[5]));
    let suppressed = &after["suppressed"];
    assert_eq!(
        (suppressed["voted"].as_u64(), suppressed["do_not_contact"].as_u64()),
        (Some(1), Some(1)),
        "{suppressed}"
    );
    // A ballot that comes back now is off the open list, and the phone is told whom to leave out.
    let (who, turf) = {
        let stop = &listed["rows"][0];
        let person = &stop["households"][0]["people"][0];
        ((id(&person["state"]), id(&person["voter_id"])), id(&stop["turf"]))
    };
    let link = walk(&server, &turf);
    let phone = server.response(&link, &[]);
    let tag = phone.headers()["etag"].to_str().expect("a tag").to_string();
    assert_eq!(server.response(&link, &[("if-none-match", &tag)]).status().as_u16(), 304);
    let ballot = json!({"id": "s6", "type": "ballot.returned", "data": {"state": who.0, "voter_id": who.1, "election": ELECTION}});
    assert_eq!(server.post("/v1/events", &ballot, &[]).0, 202);
    soon("who has voted is struck off the list on the phone", || {
        let list = server.json(&link);
        let struck = list["struck"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|member| member["voter_id"] == who.1.as_str());
        struck && !list["stops"].to_string().contains(&format!("\"{}\"", who.1))
    });
    // Who takes the wish back is visited again.
    let back =
        json!({"id": "s7", "type": "voter.preference", "data": about(1, json!({"contact": "may_contact"}))});
    assert_eq!(server.post("/v1/events", &back, &[]).0, 202);
    let who = some[1].1.as_str();
    soon("a wish that was taken back counts no more", || {
        let free = [
            json!({"name": "Free", "where": {"all": [area(&server), {"field": "status", "eq": "active"}]}, "canvassers": 1}),
        ];
        let (status, job) = server.post("/v1/turfs", &free[0], &[]);
        assert_eq!(status, 202);
        let ended = server.finish(job["id"].as_str().expect("an id"));
        let cut = ended["result"]["cut"].as_str().map(str::to_string);
        cut.is_some_and(|cut| server.get(&format!("/v1/turf-cuts/{cut}/doors")).1.contains(who))
    });
}

/// Today at midnight, RFC 3339.
fn chrono_today() -> String {
    let seconds =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
    let days = (seconds / 86_400) as i64;
    // Civil from days (Hinnant).
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T00:00:00Z")
}

#[test]
fn two_who_cut_the_same_doors_at_once_share_none() {
    let (_folder, lake) = own_lake();
    let server = Server::start(&lake);
    let request = json!({"name": "Mine", "area": area(&server), "doors_per_turf": 40});
    let jobs: Vec<String> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let (status, job) = server.post("/v1/turfs", &request, &[]);
                    assert_eq!(status, 202, "{job}");
                    id(&job["id"])
                })
            })
            .collect();
        started.into_iter().map(|job| job.join().expect("a job")).collect()
    });
    let ended: Vec<Value> = jobs.iter().map(|job| server.finish(job)).collect();
    let done: Vec<&Value> = ended.iter().filter(|job| job["state"] == "done").collect();
    assert_eq!(done.len(), 1, "{ended:?}");
    let refused = ended.iter().find(|job| job["state"] == "failed").expect("the others failed");
    assert!(refused["error"].as_str().expect("a reason").contains("on_other_lists"), "{refused}");
    // A universe that reaches further gets what is left.
    let wider = cut(&server, &json!({"name": "Wider", "doors_per_turf": 60}));
    let first = server.json(&format!("/v1/turf-cuts/{}/doors", id(&done[0]["result"]["cut"])));
    let second = server.json(&format!("/v1/turf-cuts/{}/doors", id(&wider["cut"])));
    assert!(doors(&first).is_disjoint(&doors(&second)));
    assert!(wider["suppressed"]["on_other_lists"].as_u64() > Some(100));
}

#[test]
fn cutting_anew_leaves_alone_what_somebody_has_begun() {
    let (_folder, lake) = own_lake();
    let server = Server::start(&lake);
    let made = cut(&server, &json!({"name": "Shift", "area": area(&server), "doors_per_turf": 30}));
    let whole = id(&made["cut"]);
    let turfs: Vec<String> =
        made["turfs"].as_array().expect("turfs").iter().map(|turf| id(&turf["id"])).collect();
    assert!(turfs.len() >= 4, "{made}");
    let link = walk(&server, &turfs[0]);
    assert_eq!(step(&server, &turfs[1], "claim", json!({"canvasser": "Invented Ana"})).0, 200);
    assert_eq!(step(&server, &turfs[1], "claim", json!({"canvasser": "Invented Ben"})).0, 409);
    assert_eq!(step(&server, &turfs[2], "claim", json!({"canvasser": "Invented Cy"})).0, 200);
    assert_eq!(step(&server, &turfs[2], "finish", json!({})).0, 200);
    assert_eq!(step(&server, &turfs[3], "finish", json!({})).0, 409);
    // What was recorded by the link alone begins a turf as well.
    let first = &server.json(&link)["stops"][0];
    let person = &first["households"][0]["people"][0];
    let entry = json!({"id": "e1", "at": "2026-10-01T10:00:00Z", "state": person["state"], "voter_id": person["voter_id"], "result": "not_home"});
    assert_eq!(server.post(&format!("{link}/results"), &json!({"results": [entry]}), &[]).0, 200);
    let kept: Vec<Value> =
        turfs[..3].iter().map(|turf| server.json(&format!("/v1/turfs/{turf}/doors"))).collect();
    let (status, job) =
        server.post(&format!("/v1/turf-cuts/{whole}/recut"), &json!({"doors_per_turf": 50}), &[]);
    assert_eq!(status, 202, "{job}");
    let again = server.finish(job["id"].as_str().expect("an id"));
    assert_eq!(again["state"], "done", "{again}");
    let now: Vec<String> =
        again["result"]["turfs"].as_array().expect("turfs").iter().map(|turf| id(&turf["id"])).collect();
    assert!(turfs[..3].iter().all(|turf| now.contains(turf)));
    assert!(turfs[3..].iter().all(|turf| !now.contains(turf)));
    assert!(now.len() < turfs.len());
    let stops = |list: &Value| -> Vec<Value> {
        list["rows"].as_array().expect("rows").iter().map(|row| row["door"].clone()).collect()
    };
    for (turf, before) in turfs.iter().zip(&kept) {
        assert_eq!(stops(&server.json(&format!("/v1/turfs/{turf}/doors"))), stops(before));
    }
    let all = server.json(&format!("/v1/turf-cuts/{whole}/doors"));
    let rows = all["rows"].as_array().expect("rows");
    let mut by_door: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    rows.iter().for_each(|row| {
        by_door.entry(row["door"].as_u64().expect("a number")).or_default().insert(id(&row["turf"]));
    });
    let doubled = by_door.values().filter(|turfs| turfs.len() > 1).count();
    assert!(doubled <= 2, "only towers are walked by several: {doubled}");
    // A list that was given back is not there any more for those who had its link.
    assert_eq!(step(&server, &turfs[0], "return", json!({})).0, 200);
    assert_eq!(server.get(&link).0, 410);
}

#[test]
fn what_a_phone_sends_counts_once_and_is_known_at_once() {
    let (_folder, lake) = own_lake();
    let mut server = Server::start(&lake);
    let script = json!({"introduction": "Hello", "questions": [
        {"id": "support", "text": "With us?", "answers": [{"id": "yes", "text": "Yes", "support": 1}, {"id": "no", "text": "No", "support": 5}]},
        {"id": "topic", "text": "What matters?", "answers": [{"id": "water", "text": "Water"}]}]});
    let made = cut(
        &server,
        &json!({"name": "Phones", "area": area(&server), "doors_per_turf": 40, "script": script}),
    );
    let turf = id(&made["turfs"][0]["id"]);
    let link = walk(&server, &turf);
    let (status, claimed) = server.post(&format!("{link}/claim"), &json!({"canvasser": "Invented Ana"}), &[]);
    assert_eq!((status, claimed["turf"]["state"].as_str()), (200, Some("claimed")), "{claimed}");
    let list = server.json(&link);
    let everybody: Vec<(Value, Value, Value)> = list["stops"]
        .as_array()
        .expect("stops")
        .iter()
        .flat_map(|stop| stop["households"].as_array().expect("homes").iter().map(move |home| (stop, home)))
        .flat_map(|(stop, home)| {
            home["people"].as_array().expect("people").iter().map(move |person| (stop, person))
        })
        .map(|(stop, person)| (stop["stop"].clone(), person["state"].clone(), person["voter_id"].clone()))
        .collect();
    let entry = |at: usize, minute: u32, result: &str| {
        let (stop, state, voter) = &everybody[at];
        json!({"id": format!("p{at}-{minute}"), "at": format!("2026-10-01T10:{minute:02}:00.500Z"), "stop": stop, "state": state,
               "voter_id": voter, "result": result})
    };
    let mut yes = entry(0, 5, "canvassed");
    yes["answers"] = json!({"support": "yes", "topic": "water"});
    yes["notes"] = json!("likes the park");
    let batch = json!({"results": [yes, entry(1, 6, "refused"), entry(2, 7, "not_home")]});
    // The later word is the one that counts, whichever comes first; and everything is sent twice.
    let earlier = json!({"results": [entry(1, 2, "not_home"), entry(2, 3, "canvassed")]});
    for body in [&batch, &earlier, &batch, &earlier] {
        let (status, taken) = server.post(&format!("{link}/results"), body, &[]);
        assert_eq!(status, 200, "{taken}");
        assert_eq!(taken["accepted"].as_array().map(Vec::len), body["results"].as_array().map(Vec::len));
    }
    let bad = json!({"results": [
        {"id": "x1", "at": "2026-10-01T10:00:00Z", "state": "FK", "voter_id": "nobody", "result": "canvassed"},
        {"id": "x2", "at": "yesterday", "state": everybody[0].1, "voter_id": everybody[0].2, "result": "canvassed"},
        {"id": "x3", "at": "2026-10-01T10:00:00Z", "state": everybody[0].1, "voter_id": everybody[0].2, "result": "eaten"},
        {"id": "x4", "at": "2026-10-01T10:00:00Z", "stop": 1, "report": "new_person", "details": {"name": "Invented Newcomer"}},
    ]});
    let (_, taken) = server.post(&format!("{link}/results"), &bad, &[]);
    assert_eq!(taken["accepted"], json!(["x4"]), "{taken}");
    assert_eq!(taken["refused"].as_array().map(Vec::len), Some(3));
    let tally = |server: &Server| server.json(&format!("/v1/turfs/{turf}"));
    soon("the tally knows what was recorded", || {
        tally(&server)["attempts"] == 3 && tally(&server)["people_reached"] == 2
    });
    let told = tally(&server);
    assert_eq!((told["state"].as_str(), told["canvasser"].as_str()), (Some("started"), Some("Invented Ana")));
    assert_eq!(told["answers"], json!({"support": {"yes": 1}, "topic": {"water": 1}}));
    soon("the list shows the last word and the newcomer", || {
        let list = server.json(&link).to_string();
        list.contains("Invented Newcomer") && list.contains("\"not_home\"") && list.contains("\"refused\"")
    });
    let contacts = "SELECT result, count(*) AS n, count(support) AS supports, count(canvasser) AS walked FROM event_contact_door GROUP BY result ORDER BY result";
    soon("everything has landed", || {
        let (_, rows) = server.sql("SELECT count(*) AS n FROM event_contact_door");
        rows["rows"][0]["n"] == 5
    });
    let (_, rows) = server.sql(contacts);
    assert_eq!(
        rows["rows"],
        json!([
            {"result": "canvassed", "n": 2, "supports": 1, "walked": 2},
            {"result": "not_home", "n": 2, "supports": 0, "walked": 2},
            {"result": "refused", "n": 1, "supports": 0, "walked": 1},
        ])
    );
    // The official record is as it was; the report stands beside it.
    let voter = server.json(&format!("/v1/voters/{}?state=FK", everybody[0].2.as_str().expect("an id")));
    assert_eq!(voter["reports"][0]["details"]["name"], "Invented Newcomer");
    // After a restart all of it is known again.
    drop(server);
    server = Server::start(&lake);
    soon("the tally after a restart", || {
        let told = tally(&server);
        told["attempts"] == 3 && told["answers"]["support"]["yes"] == 1 && told["state"] == "started"
    });
    assert_eq!(server.json(&link)["turf"]["canvasser"], "Invented Ana");
    let whole = server.json(&format!("/v1/turf-cuts/{}", id(&made["cut"])));
    assert_eq!(whole["totals"]["contact_rate"], json!(0.6667));
    assert_eq!(whole["totals"]["turfs"].as_u64(), made["turfs"].as_array().map(|turfs| turfs.len() as u64));
}

#[test]
fn a_browser_without_signal_loses_nothing_and_doubles_nothing() {
    let (_folder, lake) = own_lake();
    let server = Server::start(&lake);
    let made = cut(&server, &json!({"name": "Offline", "area": area(&server), "doors_per_turf": 60}));
    let turf = id(&made["turfs"][0]["id"]);
    let link = walk(&server, &turf).replace("/v1/walks/", "/walk/");
    let told = oracle("phone.py", &[&format!("{}{link}", server.url), "40"]);
    let told: Value = serde_json::from_str(told.lines().last().expect("a line")).expect("JSON");
    let recorded: BTreeMap<String, String> = told["recorded"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| (id(&entry["voter_id"]), id(&entry["result"])))
        .collect();
    assert_eq!(recorded.len(), 40);
    let landed = || -> Vec<(String, String)> {
        let (_, rows) =
            server.sql("SELECT voter_id, result FROM event_contact_door ORDER BY voter_id LIMIT 1000");
        let rows = rows["rows"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| (id(&row["voter_id"]), id(&row["result"]))).collect()
    };
    soon("forty results have landed", || landed().len() >= 40);
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(landed(), recorded.into_iter().collect::<Vec<_>>());
}

#[test]
fn lists_come_in_every_form() {
    let (_folder, lake) = own_lake();
    let server = Server::start(&lake);
    let made = cut(&server, &json!({"name": "=Forms", "area": area(&server), "doors_per_turf": 40}));
    let turf = id(&made["turfs"][1]["id"]);
    walk(&server, &turf);
    println!("{}", oracle("sheets.py", &[&server.url, &turf]));
    let list = server.json(&format!("/v1/turfs/{turf}/doors"));
    let csv = server.response(&format!("/v1/turfs/{turf}/doors?format=csv"), &[]);
    assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8");
    let csv = csv.text().expect("a text");
    let mut lines = csv.lines();
    let names: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let voter = names.iter().position(|name| *name == "VoterID").expect("a column");
    let ids: BTreeSet<String> =
        lines.clone().map(|line| line.split(',').nth(voter).expect("an id").to_string()).collect();
    assert_eq!(ids, people(&list).into_iter().map(|(_, id)| id).collect());
    assert!(lines.all(|line| line.contains("'=Forms 2")), "no spreadsheet takes the name for a formula");
    let map: Value = serde_json::from_str(&server.get(&format!("/v1/turfs/{turf}/doors?format=geojson")).1)
        .expect("GeoJSON");
    let kinds = |kind: &str| {
        map["features"]
            .as_array()
            .expect("features")
            .iter()
            .filter(|one| one["properties"]["kind"] == kind)
            .count()
    };
    assert_eq!(
        (kinds("turf"), kinds("walk"), kinds("stop")),
        (1, 1, list["rows"].as_array().expect("rows").len())
    );
    let (status, told) = server.get(&format!("/v1/turfs/{turf}/doors?format=docx"));
    assert_eq!(status, 400);
    assert!(told.contains("geojson"), "{told}");
    for (request, word) in [
        (json!({"name": "a"}), "one of"),
        (json!({"name": "", "doors_per_turf": 10}), "/name"),
        (json!({"name": "a", "doors_per_turf": 0}), "/doors_per_turf"),
        (json!({"name": "a", "doors_per_turf": 10, "elections": ["soon"]}), "/elections"),
        (json!({"name": "a", "doors_per_turf": 10, "where": {"field": "part", "eq": "DEM"}}), "party"),
        (
            json!({"name": "a", "doors_per_turf": 10, "script": {"questions": [{"id": "a", "text": "?", "answers": []}]}}),
            "answers",
        ),
    ] {
        let (status, told) = server.post("/v1/turfs", &request, &[]);
        assert_eq!(status, 400, "{told}");
        assert!(told.to_string().contains(word), "{word}: {told}");
    }
    // Pages need nothing but themselves.
    let page = server.response(&format!("/turfs/{}", id(&made["cut"])), &[]);
    assert!(
        page.headers()["content-security-policy"]
            .to_str()
            .expect("a policy")
            .contains("frame-ancestors 'none'")
    );
    assert_eq!(server.get("/walk/0123456789abcdef/manifest.webmanifest").0, 200);
    assert_eq!(server.get("/v1/walks/0123456789abcdef0123456789abcdef").0, 410);
}

#[test]
fn lists_are_for_those_who_may_see_persons() {
    let (_folder, lake) = own_lake();
    let admin = key(&lake, "admin", &[]);
    let (planner, ingest) = (key(&lake, "planner", &[]), key(&lake, "ingest", &[]));
    let organizer = key(&lake, "organizer", &["--district", "state_house/FK-HD-07"]);
    let other = key(&lake, "organizer", &["--district", "state_house/FK-HD-08"]);
    let server = Server::start(&lake);
    let ask = |key: &str, method: &str, path: &str, body: Option<Value>| -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = reqwest::blocking::Client::new()
            .request(method, format!("{}{path}", server.url))
            .bearer_auth(key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().expect("an answer");
        (answer.status().as_u16(), answer.json().unwrap_or(Value::Null))
    };
    let request = || Some(json!({"name": "Ours", "doors_per_turf": 40}));
    assert_eq!(ask(&planner, "POST", "/v1/turfs", request()).0, 403);
    assert_eq!(ask(&ingest, "GET", "/v1/turfs", None).0, 403);
    let (status, job) = ask(&organizer, "POST", "/v1/turfs", request());
    assert_eq!(status, 202, "{job}");
    let made = loop {
        let (_, state) = ask(&organizer, "GET", &format!("/v1/jobs/{}", id(&job["id"])), None);
        assert_ne!(state["state"], "failed", "{state}");
        if state["state"] == "done" {
            break state["result"].clone();
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    // Everybody on the lists lives in the district of the key.
    let path = format!("/v1/turf-cuts/{}/doors", id(&made["cut"]));
    let (_, list) = ask(&organizer, "GET", &path, None);
    let (_, answer) = ask(
        &admin,
        "POST",
        "/v1/sql",
        Some(
            json!({"query": "SELECT state, voter_id FROM voter_districts WHERE state_house = 'FK-HD-07' LIMIT 100000"}),
        ),
    );
    let there: BTreeSet<(String, String)> = answer["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| (id(&row["state"]), id(&row["voter_id"])))
        .collect();
    assert!(!people(&list).is_empty() && people(&list).is_subset(&there));
    assert_eq!(ask(&other, "GET", &path, None).0, 404);
    assert_eq!(ask(&admin, "GET", &path, None).0, 200);
    let turf = id(&made["turfs"][0]["id"]);
    assert_eq!(ask(&other, "POST", &format!("/v1/turfs/{turf}/release"), Some(json!({}))).0, 404);
    let (_, told) = ask(&organizer, "POST", &format!("/v1/turfs/{turf}/release"), Some(json!({})));
    let link = told["link"].as_str().expect("a link").replace("/walk/", "/v1/walks/");
    // The link is all that a volunteer needs.
    let list = reqwest::blocking::get(&link).expect("an answer");
    assert_eq!(list.status().as_u16(), 200);
    // Whoever saw persons stands in the log, and no name does.
    let log = std::fs::read_to_string(lake.join(".state/audit.ndjson")).expect("the log");
    let list: Value = list.json().expect("JSON");
    let name = list["stops"][0]["households"][0]["people"][0]["name"].as_str().expect("a name").to_string();
    assert!(log.contains("door list") && !log.contains(&name));
    assert!(!server.log().contains(&name));
}

fn key(lake: &std::path::Path, role: &str, more: &[&str]) -> String {
    let mut arguments = vec!["keys", "create", "--name", role, "--role", role];
    arguments.extend(more);
    succeed(lake, &arguments).trim().to_string()
}
