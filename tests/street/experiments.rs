//! Randomised experiments: drawn and sealed before use, left out by filters, and told by their outcomes.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::harness::{Server, own_lake};

fn draw(server: &Server, request: &Value) -> Value {
    let (status, job) = server.post("/v1/experiments", request, &[]);
    assert_eq!(status, 202, "{job}");
    let done = server.finish(job["id"].as_str().expect("a job"));
    assert_eq!(done["state"], "done", "{done}");
    done["result"].clone()
}

fn rows(server: &Server, query: &str) -> Vec<Value> {
    let (status, answer) = server.sql(query);
    assert_eq!(status, 200, "{answer}");
    answer["rows"].as_array().cloned().expect("rows")
}

#[test]
fn a_share_is_set_aside_whole_households_from_every_stratum_and_lists_leave_it_out() {
    let (_folder, lake) = own_lake();
    let server = Server::start(&lake);
    let filter = json!({"field": "party", "in": ["DEM", "REP"]});
    let request = json!({"name": "doors", "where": filter, "share": 0.2, "strata": ["party"], "seed": 4});
    let drawn = draw(&server, &request);
    let id = drawn["experiment"].as_str().expect("an id");
    let of = |arm: &str| json!({"experiment": {"id": id, "arm": arm}});
    let count = |filter: Value| {
        let (status, answer) = server.post("/v1/universes/count", &json!({"where": filter}), &[]);
        assert_eq!(status, 200, "{answer}");
        answer["voters"].as_u64().expect("a number")
    };
    assert_eq!(count(filter.clone()), drawn["voters"].as_u64().expect("voters"));
    assert_eq!(count(of("control")), drawn["control"].as_u64().expect("a number"));
    assert_eq!(
        count(json!({"all": [filter, {"not": of("control")}]})),
        count(of("treatment")),
        "who is not set aside is treated"
    );
    for party in ["DEM", "REP"] {
        let own = json!({"field": "party", "eq": party});
        let share = count(json!({"all": [own, of("control")]})) as f64 / count(json!({"all": [own]})) as f64;
        assert!((share - 0.2).abs() < 0.01, "{share} of {party} is set aside");
    }
    let torn = rows(
        &server,
        "SELECT count(*) AS n FROM (SELECT v.match_key, v.unit_number FROM assignments a \
         JOIN voters v ON v.state = a.state AND v.voter_id = a.voter_id WHERE v.match_key IS NOT NULL \
         GROUP BY v.match_key, v.unit_type, v.unit_number HAVING count(DISTINCT a.arm) > 1)",
    );
    assert_eq!(torn[0]["n"], 0, "households are drawn whole");
    // The seal is that of the draw, stands in the audit log, and the draw is that of the seed.
    let told = server.json(&format!("/v1/experiments/{id}"));
    assert_eq!((&told["name"], &told["seal"]), (&json!("doors"), &drawn["seal"]));
    let log = std::fs::read_to_string(lake.join(".state/audit.ndjson")).expect("an audit log");
    assert!(log.contains(drawn["seal"].as_str().expect("a seal")));
    assert_eq!(draw(&server, &request)["seal"], drawn["seal"]);
    let other =
        json!({"name": "doors", "where": request["where"], "share": 0.2, "strata": ["party"], "seed": 5});
    assert_ne!(draw(&server, &other)["seal"], drawn["seal"]);
    assert_eq!(server.json("/v1/experiments")["rows"].as_array().map(Vec::len), Some(3));
}

#[test]
fn outcomes_tell_the_effect_of_the_assignment_and_on_those_who_were_reached() {
    let (_folder, lake) = own_lake();
    let server = Server::start(&lake);
    let drawn = draw(&server, &json!({"name": "calls", "share": 0.5, "together": "household"}));
    let id = drawn["experiment"].as_str().expect("an id").to_string();
    let people = rows(&server, "SELECT voter_id, cluster, arm FROM assignments ORDER BY voter_id");
    // Two of five of the treated are reached; of them three of four say yes, of all others one of four.
    let row = |(at, person): (usize, &Value)| {
        let reached = person["arm"] == "treatment" && at % 5 < 2;
        let yes = if reached { at / 5 % 4 < 3 } else { at / 5 % 4 == 0 };
        (person.clone(), f64::from(u8::from(yes)), reached)
    };
    let all: Vec<(Value, f64, bool)> = people.iter().enumerate().map(row).collect();
    let given: Vec<Value> = all[10..]
        .iter()
        .map(|(person, value, treated)| json!({"voter_id": person["voter_id"], "value": value, "treated": treated}))
        .collect();
    let body = json!({"outcome": "supports", "state": "FK", "rows": given});
    let (status, job) = server.post(&format!("/v1/experiments/{id}/outcomes"), &body, &[]);
    assert_eq!(status, 202, "{job}");
    let done = server.finish(job["id"].as_str().expect("a job"));
    assert_eq!(done["state"], "done", "{done}");
    let told = server.json(&format!("/v1/experiments/{id}?election=2020-11-03/general"));
    let outcome = |name: &str| {
        let outcomes = told["outcomes"].as_array().expect("outcomes");
        outcomes.iter().find(|outcome| outcome["outcome"] == name).cloned().expect(name)
    };
    let supports = outcome("supports");
    // By hand: means, and the sums of each cluster's residuals.
    let mean = |arm: &str, of: &dyn Fn(&(Value, f64, bool)) -> f64| {
        let own: Vec<f64> = all[10..].iter().filter(|(person, ..)| person["arm"] == arm).map(of).collect();
        own.iter().sum::<f64>() / own.len() as f64
    };
    let value = |row: &(Value, f64, bool)| row.1;
    let reach = |row: &(Value, f64, bool)| f64::from(u8::from(row.2));
    let effect = mean("treatment", &value) - mean("control", &value);
    let itt = &supports["intent_to_treat"];
    assert!((itt["effect"].as_f64().expect("an effect") - effect).abs() < 1e-9, "{supports}");
    let complier = effect / (mean("treatment", &reach) - mean("control", &reach));
    let cace = &supports["complier_effect"];
    assert!((cace["effect"].as_f64().expect("an effect") - complier).abs() < 1e-9, "{supports}");
    assert!((complier - 0.5).abs() < 0.06, "{complier}");
    let share = all[10..].iter().filter(|(person, ..)| person["arm"] == "treatment").count() as f64
        / (all.len() - 10) as f64;
    let people = (all.len() - 10) as f64;
    let variance = |of: &dyn Fn(&(Value, f64, bool)) -> f64, scale: f64| {
        let mut clusters: BTreeMap<u64, f64> = BTreeMap::new();
        for row in &all[10..] {
            let side = if row.0["arm"] == "treatment" { 1.0 } else { 0.0 };
            *clusters.entry(row.0["cluster"].as_u64().expect("a cluster")).or_default() +=
                (side - share) * of(row) / scale;
        }
        let g = clusters.len() as f64;
        clusters.values().map(|sum| sum * sum).sum::<f64>() * g / (g - 1.0) * (people - 1.0) / (people - 2.0)
    };
    let means: HashMap<&str, f64> = ["control", "treatment"].map(|arm| (arm, mean(arm, &value))).into();
    let rest = |row: &(Value, f64, bool)| row.1 - means[row.0["arm"].as_str().expect("an arm")];
    let error = variance(&rest, share * (1.0 - share) * people).sqrt();
    assert!((itt["standard_error"].as_f64().expect("an error") / error - 1.0).abs() < 1e-6, "{error} {itt}");
    let missing = |arm: &str| supports[arm]["missing"].as_u64().unwrap_or(0);
    assert_eq!(missing("control") + missing("treatment"), 10);
    // Nobody was talked to since the draw: whom it reached is not known, and said so.
    let turnout = outcome("turnout 2020-11-03/general");
    let (low, high) = (&turnout["intent_to_treat"]["low"], &turnout["intent_to_treat"]["high"]);
    assert!(low.as_f64() < Some(0.02) && high.as_f64() > Some(-0.02), "{turnout}");
    assert!(turnout["complier_effect"].is_null() && turnout["why_not"].is_string(), "{turnout}");
}

#[test]
fn a_faulty_draw_is_told_what_is_wrong() {
    let (_folder, lake) = own_lake();
    let server = Server::start(&lake);
    for (request, word) in [
        (json!({"name": "a", "share": 0}), "share"),
        (json!({"name": "A", "share": 0.5}), "name"),
        (json!({"name": "a", "share": 0.5, "together": "street"}), "household, door, precinct"),
        (json!({"name": "a", "share": 0.5, "strata": ["parti"]}), "party"),
        (json!({"name": "a", "share": 0.5, "where": {"feild": 1}}), "field"),
    ] {
        let (status, problem) = server.post("/v1/experiments", &request, &[]);
        assert_eq!(status, 400, "{problem}");
        assert!(problem.to_string().contains(word), "{word}: {problem}");
    }
    assert_eq!(server.get("/v1/experiments/none").0, 404);
    let drawn = draw(&server, &json!({"name": "a", "share": 0.5}));
    let place = format!("/v1/experiments/{}/outcomes", drawn["experiment"].as_str().expect("an id"));
    for rows in [
        json!([]),
        json!([{"voter_id": "1", "value": 1e39}]),
        json!(vec![json!({"voter_id": "1", "value": 1}); 2]),
    ] {
        let body = json!({"outcome": "a", "state": "FK", "rows": rows});
        assert_eq!(server.post(&place, &body, &[]).0, 400, "{body}");
    }
    let (status, problem) = server.post(
        "/v1/universes/count",
        &json!({"where": {"experiment": {"id": "none", "arm": "control"}}}),
        &[],
    );
    assert_eq!(status, 400, "{problem}");
    // One household cannot be both.
    let one = json!({"name": "a", "share": 0.001, "where": {"field": "age", "eq": 110}});
    let (status, job) = server.post("/v1/experiments", &one, &[]);
    assert_eq!(status, 202);
    let done = server.finish(job["id"].as_str().expect("a job"));
    assert!(done["error"].as_str().is_some_and(|error| error.contains("arm empty")), "{done}");
}
