//! Keys, roles, rates, small cells and the audit log.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use super::harness::{Server, bellwether, own_lake, succeed};

/// A server with a key of each role.
struct Guarded {
    server: Server,
    lake: std::path::PathBuf,
    tokens: HashMap<&'static str, String>,
    _folder: tempfile::TempDir,
}

fn key(lake: &Path, role: &str, more: &[&str]) -> String {
    let mut arguments = vec!["keys", "create", "--name", role, "--role", role];
    arguments.extend(more);
    succeed(lake, &arguments).trim().to_string()
}

fn guarded() -> Guarded {
    let (folder, lake) = own_lake();
    let mut tokens = HashMap::new();
    for role in ["admin", "analyst", "planner", "ingest"] {
        tokens.insert(role, key(&lake, role, &[]));
    }
    tokens.insert("organizer", key(&lake, "organizer", &["--district", "state_house/FK-HD-07"]));
    let server = Server::start(&lake);
    Guarded { server, lake, tokens, _folder: folder }
}

impl Guarded {
    fn ask(&self, role: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let client = reqwest::blocking::Client::new();
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = client.request(method, format!("{}{path}", self.server.url));
        if let Some(token) = self.tokens.get(role) {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().expect("an answer");
        (response.status().as_u16(), response.json().unwrap_or(Value::Null))
    }

    fn count(&self, role: &str, filter: Value) -> Value {
        let (status, answer) = self.ask(role, "POST", "/v1/universes/count", Some(&json!({"where": filter})));
        assert_eq!(status, 200, "{answer}");
        answer["voters"].clone()
    }
}

#[test]
fn a_job_about_people_is_for_the_key_that_started_it() {
    let house = guarded();
    let person = |at: usize| json!({"last_name": "Fell", "first_name": "Ada", "birth_year": 1930 + at % 70, "zip": format!("{at:05}")});
    let list = json!({"records": (0..1_200).map(person).collect::<Vec<_>>()});
    let (status, job) = house.ask("organizer", "POST", "/v1/voters/match", Some(&list));
    assert_eq!(status, 202, "{job}");
    let id = job["id"].as_str().expect("an id");
    let path = format!("/v1/jobs/{id}");
    let finished = (0..600).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        house.ask("organizer", "GET", &path, None).1["state"] == "done"
    });
    assert!(finished, "the job ends");
    for (role, status) in
        [("organizer", 200), ("admin", 200), ("analyst", 404), ("planner", 404), ("ingest", 404)]
    {
        assert_eq!(house.ask(role, "GET", &path, None).0, status, "{role}");
    }
    let rows = format!("/v1/voters/matches/{id}");
    for (role, status) in [("organizer", 200), ("admin", 200), ("analyst", 403), ("planner", 403)] {
        assert_eq!(house.ask(role, "GET", &rows, None).0, status, "{role}");
    }
    assert_eq!(house.ask("analyst", "DELETE", &path, None).0, 403);
    assert_eq!(house.ask("organizer", "DELETE", &path, None).0, 202);
}

#[test]
fn each_role_gets_what_it_has_a_right_to_and_nothing_else() {
    let house = guarded();
    let everyone = json!({"name": "everyone"});
    let (status, universe) = house.ask("analyst", "POST", "/v1/universes", Some(&everyone));
    assert_eq!(status, 201, "{universe}");
    let id = universe["id"].as_str().expect("an id");
    let members = format!("/v1/universes/{id}/voters?limit=1");
    let (_, first) = house.ask("analyst", "GET", &members, None);
    let voter = format!("/v1/voters/{}", first["rows"][0]["voter_id"].as_str().expect("an id"));
    let sql = json!({"query": "SELECT count(*) AS n FROM voters"});
    let nothing = json!({});
    let person = json!({"record": {"name": "Ada Fell", "birth_year": 1970}});
    let roles = ["admin", "analyst", "planner", "organizer", "ingest", "nobody"];
    for (method, path, body, expected) in [
        ("GET", "/v1/health/ready", None, [200, 200, 200, 200, 200, 200]),
        ("GET", "/v1/tables", None, [200, 200, 200, 200, 200, 401]),
        ("GET", "/v1/districts?kind=county", None, [200, 200, 200, 200, 403, 401]),
        ("POST", "/v1/universes/count", Some(&nothing), [200, 200, 200, 200, 403, 401]),
        ("POST", "/v1/aggregates", Some(&nothing), [200, 200, 200, 200, 403, 401]),
        ("POST", "/v1/sql", Some(&sql), [200, 200, 403, 403, 403, 401]),
        ("GET", members.as_str(), None, [200, 200, 403, 200, 403, 401]),
        ("GET", voter.as_str(), None, [200, 200, 403, 404, 403, 401]),
        ("POST", "/v1/voters/match", Some(&person), [200, 200, 403, 200, 403, 401]),
        ("GET", "/v1/keys", None, [200, 403, 403, 403, 403, 401]),
        ("GET", "/metrics", None, [200, 403, 403, 403, 403, 401]),
        ("POST", "/v1/loads", Some(&nothing), [400, 403, 403, 403, 400, 401]),
        ("GET", "/v1/nowhere", None, [404, 403, 403, 403, 403, 401]),
    ] {
        for (role, expected) in roles.iter().zip(expected) {
            let (status, answer) = house.ask(role, method, path, body);
            assert_eq!(status, expected, "{role} {method} {path}: {answer}");
        }
    }
}

#[test]
fn an_organizer_sees_persons_in_the_districts_of_the_key_only() {
    let house = guarded();
    let mine = json!({"district": {"kind": "state_house", "id": "FK-HD-07"}});
    assert_eq!(house.count("organizer", Value::Null), house.count("admin", mine.clone()));
    assert_eq!(house.count("organizer", json!({"not": mine})), json!(0));
    let (_, universe) = house.ask("organizer", "POST", "/v1/universes", Some(&json!({"name": "mine"})));
    let path = format!(
        "/v1/universes/{}/voters?limit=100000&columns=voter_id,state_house",
        universe["id"].as_str().expect("an id")
    );
    let (status, members) = house.ask("organizer", "GET", &path, None);
    assert_eq!(status, 200, "{members}");
    let rows = members["rows"].as_array().expect("rows");
    assert!(rows.len() > 100 && rows.iter().all(|row| row["state_house"] == "FK-HD-07"));
    let own = format!("/v1/voters/{}", rows[0]["voter_id"].as_str().expect("an id"));
    assert_eq!(house.ask("organizer", "GET", &own, None).0, 200);
    assert_eq!(house.ask("organizer", "GET", "/v1/districts/state_house/FK-HD-07/report", None).0, 200);
    assert_eq!(house.ask("organizer", "GET", "/v1/districts/state_house/FK-HD-08/report", None).0, 403);
    assert_eq!(house.ask("organizer", "GET", "/v1/districts/county/98001/report", None).0, 403);
}

#[test]
fn a_planner_is_told_no_small_cell_and_can_subtract_none_out() {
    let house = guarded();
    let body = json!({"by": ["precinct", "party"], "measures": ["voters", "households", {"mean": "age"}]});
    let (_, exact) = house.ask("admin", "POST", "/v1/aggregates", Some(&body));
    let (_, told) = house.ask("planner", "POST", "/v1/aggregates", Some(&body));
    let cells = |answer: &Value| -> HashMap<(String, String), Value> {
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_string();
        let rows = answer["rows"].as_array().expect("rows");
        rows.iter().map(|row| ((text(row, "precinct"), text(row, "party")), row.clone())).collect()
    };
    let (exact, told) = (cells(&exact), cells(&told));
    let mut small = 0;
    for (cell, row) in &exact {
        let voters = row["voters"].as_i64().expect("a count");
        if voters < 10 {
            small += 1;
            assert!(!told.contains_key(cell), "a small cell is left out with its very values");
        } else if let Some(shown) = told.get(cell).and_then(|row| row["voters"].as_i64()) {
            assert!(shown % 10 == 0 && (shown - voters).abs() < 10, "{voters} shown as {shown}");
        }
    }
    assert!(small > 100, "the demo has small cells");
    // The attack: a small cell is the district less everybody else in it. Answers that are each allowed must not give
    // its size away: the differences are no better than guesses.
    let (mut tried, mut hit) = (0, 0);
    for ((precinct, party), row) in
        exact.iter().filter(|(_, row)| row["voters"].as_i64().is_some_and(|n| n < 10)).take(150)
    {
        let here = json!({"district": {"kind": "precinct", "id": precinct}});
        let cell = json!({"field": "party", "eq": party});
        let all = house.count("planner", here.clone());
        let rest = house.count("planner", json!({"all": [here, {"not": cell}]}));
        if let (Some(all), Some(rest)) = (all.as_i64(), rest.as_i64()) {
            tried += 1;
            hit += i64::from(all - rest == row["voters"].as_i64().unwrap_or(-1));
            assert_eq!((all - rest) % 10, 0);
        }
    }
    assert!(tried > 50 && hit == 0, "{hit} of {tried} cells were found by subtracting");
    // Shares are of the rounded total, and a plan's votes tell nothing of how many voters live where.
    let parties = json!({"by": ["party"], "measures": ["voters", "share"]});
    let (_, shares) = house.ask("planner", "POST", "/v1/aggregates", Some(&parties));
    assert!(shares["rows"].as_array().is_some_and(|rows| rows.len() > 2), "{shares}");
    for row in shares["rows"].as_array().expect("rows") {
        let (voters, share) =
            (row["voters"].as_f64().expect("voters"), row["share"].as_f64().expect("share"));
        let all = voters / share;
        assert!((all / 10.0 - (all / 10.0).round()).abs() < 1e-6, "the total of {all} is given away");
    }
    let corner = json!({"type": "Polygon", "coordinates": [[[-44.97, 33.02], [-44.2, 33.02], [-44.2, 33.3], [-44.97, 33.02]]]});
    let (_, shape) = house.ask("planner", "POST", "/v1/reports/shape", Some(&corner));
    let methods: Vec<&Value> =
        shape["results"].as_array().expect("results").iter().map(|row| &row["method"]).collect();
    assert!(methods.contains(&&json!("population")) && !methods.contains(&&json!("voters")), "{shape}");
    // The same election asked for at another place of the list is the same draw.
    let voted = |before: &[&str]| {
        let mut measures: Vec<Value> = before.iter().map(|election| json!({"voted": election})).collect();
        measures.push(json!({"voted": "2020-11-03/general"}));
        let (_, answer) = house.ask(
            "planner",
            "POST",
            "/v1/aggregates",
            Some(&json!({"by": ["party"], "measures": measures})),
        );
        answer["rows"]
            .as_array()
            .expect("rows")
            .iter()
            .map(|row| row["voted_2020-11-03/general"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(voted(&[]), voted(&["2018-11-06/general", "2016-11-08/general"]));
    // Asking again draws nothing new, and a report tells no more than an aggregate.
    let twice: Vec<Value> =
        (0..2).map(|_| house.count("planner", json!({"field": "party", "eq": "GRE"}))).collect();
    assert_eq!(twice[0], twice[1]);
    let precinct = &exact.keys().next().expect("a precinct").0;
    let (_, report) = house.ask("planner", "GET", &format!("/v1/districts/precinct/{precinct}/report"), None);
    for cells in report["registration"].as_object().expect("dimensions").values() {
        for shown in cells.as_object().expect("cells").values() {
            assert!(
                shown.is_null() || shown.as_i64().is_some_and(|count| count >= 10 && count % 10 == 0),
                "{report}"
            );
        }
    }
}

/// A television plan, made to its end.
fn planned(house: &Guarded, role: &str, filter: &Value, budget: u32) -> (String, Value) {
    let request = json!({"name": "Rounded", "where": filter, "budget": budget});
    let (status, job) = house.ask(role, "POST", "/v1/media/plans", Some(&request));
    assert_eq!(status, 202, "{job}");
    let path = format!("/v1/jobs/{}", job["id"].as_str().expect("an id"));
    for _ in 0..600 {
        let (_, job) = house.ask(role, "GET", &path, None);
        if let Some(plan) = job["result"]["plan"].as_str() {
            let (status, told) = house.ask(role, "GET", &format!("/v1/media/plans/{plan}"), None);
            assert_eq!(status, 200, "{told}");
            return (plan.to_string(), told["plan"].clone());
        }
        assert_ne!(job["state"], "failed", "{job}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("the plan is not made");
}

#[test]
fn a_planner_plans_on_rounded_counts_and_sees_no_plan_of_others() {
    let house = guarded();
    let filter = json!({"all": [{"field": "party", "eq": "DEM"}, {"field": "age", "between": [41, 67]}]});
    let (own, rounded) = planned(&house, "planner", &filter, 2_000);
    let (of_analyst, exact) = planned(&house, "analyst", &filter, 2_000);
    let by_market = |plan: &Value| -> HashMap<String, i64> {
        let markets = plan["markets"].as_array().expect("markets");
        let one = |of: &Value| (of["market"].to_string(), of["universe"].as_f64().expect("a count") as i64);
        markets.iter().map(one).collect()
    };
    let (told, counted) = (by_market(&rounded), by_market(&exact));
    assert_eq!((counted.len(), told.len()), (3, 3));
    for (market, voters) in &told {
        // Some 28 cells of market, age band, gender and party, each rounded to a multiple of 10 or put together with others.
        assert!(
            voters % 10 == 0 && (voters - counted[market]).abs() < 150,
            "{voters} of {}",
            counted[market]
        );
    }
    assert_eq!(
        by_market(&planned(&house, "planner", &filter, 1_000).1),
        told,
        "asking again tells nothing new"
    );
    assert!(counted.values().any(|voters| voters % 10 != 0));
    let value = rounded["value"].as_f64().expect("people");
    assert_eq!(value, value.round());
    // Hardly more or less is reached than with exact counts.
    assert!((value / exact["value"].as_f64().expect("people") - 1.0).abs() < 0.05);
    // Too few people are no universe.
    let few = json!({"all": [{"field": "party", "eq": "GRE"}, {"district": {"kind": "state_house", "id": "FK-HD-07"}},
        {"field": "age", "between": [18, 19]}]});
    let request = json!({"name": "Few", "where": few, "budget": 100});
    let (status, problem) = house.ask("planner", "POST", "/v1/media/plans", Some(&request));
    assert_eq!(status, 403, "{problem}");
    for (role, plan, status) in [
        ("planner", &of_analyst, 404),
        ("analyst", &own, 404),
        ("admin", &own, 200),
        ("admin", &of_analyst, 200),
        ("ingest", &own, 403),
    ] {
        assert_eq!(house.ask(role, "GET", &format!("/v1/media/plans/{plan}"), None).0, status, "{role}");
    }
    assert_eq!(
        house.ask("planner", "POST", &format!("/v1/media/plans/{of_analyst}/replan"), Some(&json!({}))).0,
        404
    );
}

#[test]
fn market_reports_are_rounded_for_planners_and_limited_by_district() {
    let house = guarded();
    let voters = |report: &Value| -> Vec<(String, i64)> {
        let districts = report["districts"].as_array().expect("districts");
        let one = |of: &Value| {
            (format!("{}/{}", of["kind"], of["id"]), of["voters"].as_f64().expect("a count") as i64)
        };
        districts.iter().map(one).collect()
    };
    let ask = |role: &str, market: &str| {
        let (status, report) = house.ask(role, "GET", &format!("/v1/markets/{market}/report"), None);
        assert_eq!(status, 200, "{report}");
        report
    };
    let exact: HashMap<String, i64> = voters(&ask("admin", "901")).into_iter().collect();
    let rounded = voters(&ask("planner", "901"));
    assert!(rounded.len() > 5 && exact.values().any(|voters| voters % 10 != 0));
    for (district, voters) in &rounded {
        assert!(voters % 10 == 0 && (voters - exact[district]).abs() < 10, "{district}: {voters}");
    }
    // A key of a district is told of its own voters there.
    let mut inside = 0.0;
    for market in ["901", "902", "903"] {
        let report = ask("organizer", market);
        let here = json!({"district": {"kind": "media_market", "id": market}});
        let own = house.count("organizer", here).as_f64().expect("a count");
        assert_eq!(report["voters"].as_f64(), Some(own));
        inside += own;
        assert!(voters(&report).iter().all(|(_, voters)| *voters as f64 <= own));
    }
    assert!(inside > 100.0);
}

#[test]
fn a_key_is_kept_as_a_hash_works_at_once_and_stops_when_it_is_revoked() {
    let house = guarded();
    let body = json!({"name": "desk", "role": "planner", "rate": 3});
    let (status, made) = house.ask("admin", "POST", "/v1/keys", Some(&body));
    assert_eq!(status, 201, "{made}");
    let token = made["token"].as_str().expect("a token");
    let kept = std::fs::read_to_string(house.lake.join(".state/keys.json")).expect("the keys");
    assert!(!kept.contains(token.rsplit('_').next().expect("a secret")), "the secret is kept");
    let ask = || {
        let client = reqwest::blocking::Client::new();
        client.get(format!("{}/v1/tables", house.server.url)).bearer_auth(token).send().expect("an answer")
    };
    let first = ask();
    assert_eq!(
        (first.status().as_u16(), &first.headers()["ratelimit-limit"]),
        (200, &"3".parse().expect("a header"))
    );
    assert_eq!([ask().status().as_u16(), ask().status().as_u16()], [200, 200]);
    let refused = ask();
    assert_eq!(refused.status().as_u16(), 429);
    assert!(refused.headers().contains_key("retry-after") && refused.headers()["ratelimit-remaining"] == "0");
    let (status, _) =
        house.ask("admin", "DELETE", &format!("/v1/keys/{}", made["id"].as_str().expect("an id")), None);
    assert_eq!(status, 204);
    assert_eq!(ask().status().as_u16(), 401);
    // A universe is forgotten by the key that saved it, and a job is stopped by who may load.
    let (_, universe) = house.ask("analyst", "POST", "/v1/universes", Some(&json!({"name": "mine"})));
    let path = format!("/v1/universes/{}", universe["id"].as_str().expect("an id"));
    assert_eq!(house.ask("planner", "DELETE", &path, None).0, 403);
    assert_eq!(house.ask("analyst", "DELETE", &path, None).0, 204);
    assert_eq!(house.ask("planner", "DELETE", "/v1/jobs/none", None).0, 403);
    // One that another process revokes stops as well.
    let listed = succeed(&house.lake, &["keys", "list"]);
    let planner =
        listed.lines().find(|line| line.contains(" planner ") && line.contains("valid")).expect("a planner");
    succeed(&house.lake, &["keys", "revoke", planner.split_whitespace().next().expect("an id")]);
    let started = std::time::Instant::now();
    while house.ask("planner", "GET", "/v1/tables", None).0 != 401 {
        assert!(started.elapsed().as_secs() < 10, "a revoked key stops");
    }
}

#[test]
fn answers_that_hold_persons_are_recorded_in_a_log_that_shows_every_change() {
    let house = guarded();
    let (_, universe) = house.ask(
        "analyst",
        "POST",
        "/v1/universes",
        Some(&json!({"name": "all", "where": {"field": "age", "between": [18, 20]}})),
    );
    let path = format!(
        "/v1/universes/{}/voters?limit=5&columns=voter_id,phone",
        universe["id"].as_str().expect("an id")
    );
    let client = reqwest::blocking::Client::new();
    let answer = client
        .get(format!("{}{path}", house.server.url))
        .bearer_auth(&house.tokens["analyst"])
        .header("bellwether-purpose", "phone bank")
        .send()
        .expect("an answer");
    let answer: Value = answer.json().expect("JSON");
    let voter = answer["rows"][0]["voter_id"].as_str().expect("an id").to_string();
    assert_eq!(house.ask("analyst", "GET", &format!("/v1/voters/{voter}"), None).0, 200);
    let log = house.lake.join(".state/audit.ndjson");
    let text = std::fs::read_to_string(&log).expect("the log");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let query = json!({"query": format!("SELECT phone FROM voters WHERE voter_id = '{voter}'")});
    assert_eq!(house.ask("analyst", "POST", "/v1/sql", Some(&query)).0, 200);
    assert!(std::fs::read_to_string(&log).expect("the log").contains("WHERE voter_id = ?"));
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["rows"], &lines[0]["purpose"], &lines[0]["columns"]),
        (&json!(5), &json!("phone bank"), &json!(["voter_id", "phone"]))
    );
    assert_eq!(lines[0]["filter"], json!({"field": "age", "between": [18, 20]}));
    assert!(!text.contains(&voter), "the log holds a voter's id");
    assert!(succeed(&house.lake, &["verify"]).contains("3 lines"));
    std::fs::write(&log, text.replace("\"rows\":5", "\"rows\":4")).expect("written");
    let told = bellwether(&house.lake, &["verify"]);
    assert!(!told.success && told.err.contains("line 1 was changed"), "{}", told.err);
    std::fs::write(&log, text).expect("written");
}
