//! Targeting models: learned, told by their cards, and published.

use serde_json::{Value, json};

use super::harness::{Server, demo_lake, demo_source, own_lake, succeed, text};

/// Learns a model and gives its id.
fn learn(server: &Server, request: &Value) -> String {
    let (status, job) = server.post("/v1/models", request, &[]);
    assert_eq!(status, 202, "{job}");
    let done = server.finish(job["id"].as_str().expect("a job"));
    assert_eq!(done["state"], "done", "{done}");
    done["result"]["model"].as_str().expect("a model").to_string()
}

fn turnout(election: &str) -> Value {
    json!({"name": "turnout", "kind": "turnout", "state": "FK", "election": election, "trees": 30, "seed": 7})
}

fn card(server: &Server, model: &str) -> Value {
    server.json(&format!("/v1/models/{model}/card"))["card"].clone()
}

/// Limits that an invented electorate, whose people decide by the dice, can be within.
fn lenient() -> Value {
    json!({"least_auc": 0.5, "slope_within": 1.0, "most_drift": 50.0})
}

#[test]
fn a_model_is_published_as_a_version_and_the_one_before_stays_for_as_of() {
    let (_folder, lake) = own_lake();
    let server = Server::start(&lake);
    let before = server.json("/v1/releases?limit=100")["rows"].as_array().map_or(0, Vec::len);
    let model = learn(&server, &turnout("2020-11-03/general"));
    let told = card(&server, &model);
    assert!(told["people"].as_u64().is_some_and(|people| people > 15_000), "{told}");
    assert_eq!(told["features"].as_array().map(Vec::len), Some(34));
    let (status, page) = server.get(&format!("/v1/models/{model}/card?page=true"));
    assert!(status == 200 && page.contains("<svg") && page.contains("precinct_turnout"), "{page}");
    let publish =
        |limits: Value| server.post(&format!("/v1/models/{model}/publish"), &json!({"limits": limits}), &[]);
    let (status, problem) = publish(json!({"least_auc": 0.99}));
    assert_eq!(status, 422, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("AUC is 0.")), "{problem}");
    assert_eq!(server.json("/v1/releases?limit=100")["rows"].as_array().map(Vec::len), Some(before));
    let mut releases = Vec::new();
    for version in 1..=2 {
        let (status, job) = publish(lenient());
        assert_eq!(status, 202, "{job}");
        let done = server.finish(job["id"].as_str().expect("a job"));
        assert_eq!(done["result"]["version"], version, "{done}");
        assert_eq!(done["result"]["voters"], 20_000);
        releases.push(done["result"]["release"].as_str().expect("a release").to_string());
    }
    let versions = |release: &str| {
        let query = "SELECT version, count(*) AS n, min(score) AS low, max(score) AS high FROM scores WHERE model = 'turnout' GROUP BY version";
        let (status, answer) =
            server.post(&format!("/v1/sql?as_of={release}"), &json!({"query": query}), &[]);
        assert_eq!(status, 200, "{answer}");
        answer["rows"][0].clone()
    };
    for (at, release) in releases.iter().enumerate() {
        let row = versions(release);
        assert_eq!((&row["version"], &row["n"]), (&json!(at + 1), &json!(20_000)), "{row}");
        assert!(row["low"].as_f64() >= Some(0.0) && row["high"].as_f64() <= Some(100.0), "{row}");
    }
    // The scores are conditions like any other.
    let ask = json!({"where": {"score": {"model": "turnout", "between": [0, 100]}}});
    let (_, count) = server.post(&format!("/v1/universes/count?as_of={}", releases[1]), &ask, &[]);
    assert_eq!(count["voters"], 20_000);
}

#[test]
fn a_model_of_an_election_learns_nothing_from_what_came_after_it() {
    let (folder, lake) = own_lake();
    let history = std::fs::read_to_string(demo_source("history_fk.csv")).expect("a history");
    let early: Vec<&str> = history.lines().filter(|line| !line.contains("/2020")).collect();
    assert!(early.len() < history.lines().count() * 3 / 4, "the file holds 2020");
    let file = folder.path().join("history_fk.csv");
    std::fs::write(&file, early.join("\n")).expect("written");
    succeed(&lake, &["load", "history", text(&file), "--state", "FK"]);
    succeed(&lake, &["derive"]);
    let told = |lake: &std::path::Path| {
        let server = Server::start(lake);
        card(&server, &learn(&server, &turnout("2018-11-06/general")))
    };
    let (whole, cut) = (told(&demo_lake()), told(&lake));
    assert!(whole["people"].as_u64() > Some(10_000));
    assert_eq!(whole, cut, "what happened in 2020 changes a model of 2018");
    // It is no accident of a model that looks at nothing: what came before changes it.
    let late: Vec<&str> = early.iter().copied().filter(|line| !line.contains("/2016")).collect();
    std::fs::write(&file, late.join("\n")).expect("written");
    succeed(&lake, &["load", "history", text(&file), "--state", "FK"]);
    succeed(&lake, &["derive"]);
    assert_ne!(told(&lake), cut);
}

#[test]
fn persuasion_is_learned_from_an_experiment_only() {
    let server = Server::start(&demo_lake());
    let (_, voters) = server.sql("SELECT voter_id, party FROM voters ORDER BY voter_id LIMIT 12000");
    let rows = voters["rows"].as_array().expect("voters");
    // Among those without a party, who were treated say yes more often.
    let label = |(at, row): (usize, &Value)| {
        let assigned = at % 2 == 0;
        let mixed = (at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let chance = if row["party"] == "UNA" && assigned { 70 } else { 40 };
        json!({"voter_id": row["voter_id"], "outcome": u8::from(mixed % 100 < chance), "assigned": assigned})
    };
    let labels: Vec<Value> = rows.iter().enumerate().map(label).collect();
    let request = json!({"name": "persuasion", "kind": "persuasion", "state": "FK", "labels": labels});
    let told = card(&server, &learn(&server, &request));
    assert!(told["trial"]["qini"]["low"].as_f64() > Some(0.0), "{}", told["trial"]["qini"]);
    let features = told["features"].as_array().expect("features");
    let most = features.iter().max_by(|one, other| {
        let importance = |feature: &Value| feature["importance"].as_f64().unwrap_or(0.0);
        importance(one).total_cmp(&importance(other))
    });
    assert_eq!(most.map(|feature| &feature["feature"]), Some(&json!("no_party")));
    let mut without = request.clone();
    without["labels"].as_array_mut().expect("labels").iter_mut().for_each(|label| {
        label.as_object_mut().expect("a label").remove("assigned");
    });
    let (status, problem) = server.post("/v1/models", &without, &[]);
    assert_eq!(status, 422, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("randomised experiment")));
}

#[test]
fn a_faulty_request_for_a_model_is_told_what_is_wrong() {
    let server = Server::start(&demo_lake());
    for (request, status, word) in [
        (
            json!({"name": "A b", "kind": "turnout", "state": "FK", "election": "2020-11-03/general"}),
            400,
            "name",
        ),
        (json!({"name": "a", "kind": "turnout", "state": "FK"}), 400, "learned from an election"),
        (
            json!({"name": "a", "kind": "turnout", "state": "FK", "election": "soon"}),
            400,
            "2020-11-03/general",
        ),
        (
            json!({"name": "a", "kind": "support", "state": "ZZ", "labels": [{"voter_id": "1", "outcome": 1}]}),
            404,
            "ZZ",
        ),
        (
            json!({"name": "a", "kind": "support", "state": "FK", "labels": [{"voter_id": "1", "outcome": 2}]}),
            400,
            "/labels/0",
        ),
        (json!({"name": "a", "kind": "guess", "state": "FK"}), 400, "guess"),
    ] {
        let (got, problem) = server.post("/v1/models", &request, &[]);
        assert_eq!(got, status, "{problem}");
        assert!(problem.to_string().contains(word), "{word}: {problem}");
    }
    // What can be read but not learned from ends as a job that says why.
    let few = json!({"name": "a", "kind": "support", "state": "FK", "labels": [{"voter_id": "9000000000", "outcome": 1}]});
    let (status, job) = server.post("/v1/models", &few, &[]);
    assert_eq!(status, 202, "{job}");
    let done = server.finish(job["id"].as_str().expect("a job"));
    assert!(done["error"].as_str().is_some_and(|error| error.contains("too few")), "{done}");
    assert_eq!(server.get("/v1/models/none").0, 404);
    let names = server.json("/v1/models/features");
    assert_eq!(names["rows"].as_array().map(Vec::len), Some(34));
}
