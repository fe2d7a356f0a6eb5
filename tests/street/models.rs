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
    // The demo's own scores are the first version.
    for version in 2..=3 {
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
        assert_eq!((&row["version"], &row["n"]), (&json!(at + 2), &json!(20_000)), "{row}");
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
fn scores_rank_as_well_as_the_chances_that_the_electorate_was_drawn_with() {
    let server = Server::start(&demo_lake());
    let told = card(&server, &learn(&server, &turnout("2020-11-03/general")));
    let query = "SELECT v.voter_id, h.voter_id IS NOT NULL AS voted FROM voters v LEFT JOIN voter_history h \
                 ON h.state = v.state AND h.voter_id = v.voter_id AND h.election = '2020-11-03/general' AND h.voted \
                 WHERE v.registered_on < DATE '2020-11-03'";
    let (_, rows) = server.sql(query);
    let rows = rows["rows"].as_array().expect("voters").iter();
    let voted: std::collections::HashMap<String, bool> = rows
        .map(|row| (row["voter_id"].as_str().expect("an id").to_string(), row["voted"] == true))
        .collect();
    let truth = std::fs::read_to_string(demo_source("truth_fk.csv")).expect("the truth");
    assert!(truth.starts_with("voter_id,2016-11-08,2018-06-26,2018-11-06,2020-06-30,2020-11-03,support"));
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for line in truth.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let chance: f64 = fields[5].parse().expect("a chance");
        match voted.get(fields[0]) {
            Some(true) => with.push(chance),
            Some(false) => without.push(chance),
            None => {}
        }
    }
    assert_eq!(told["people"], with.len() + without.len());
    // Pairs in the right order, those of equal chance counted half.
    without.sort_by(f64::total_cmp);
    let below = |chance: &f64| {
        let less = without.partition_point(|other| other < chance);
        (less + without.partition_point(|other| other <= chance)) as f64 / 2.0
    };
    let best = with.iter().map(below).sum::<f64>() / (with.len() * without.len()) as f64;
    let own = told["figures"]["auc"].as_f64().expect("an AUC");
    assert!(best > 0.7 && own > best - 0.01 && own < best + 0.01, "{own} beside {best} of the truth");
    let slope = told["slope"].as_f64().expect("a slope");
    assert!((0.9..=1.1).contains(&slope), "{slope}");
}

#[test]
fn a_server_killed_while_it_learns_or_publishes_leaves_no_half_of_a_model() {
    let (_folder, lake) = own_lake();
    let mut request = turnout("2020-11-03/general");
    request["trees"] = json!(100);
    // Kills the server when a job is so far, and starts another one.
    let killed_at = |server: Server, job: &Value, progress: f64| {
        let id = job["id"].as_str().expect("a job");
        let ended = loop {
            let state = server.json(&format!("/v1/jobs/{id}"));
            assert_ne!(state["state"], "failed", "{state}");
            if state["state"] == "done" || state["progress"].as_f64() >= Some(progress) {
                break state["state"] == "done";
            }
        };
        drop(server);
        (Server::start(&lake), ended)
    };
    let (mut server, mut killed, mut version) = (Server::start(&lake), 0, 1);
    for progress in [0.0, 0.1, 0.5, 0.95] {
        let (status, job) = server.post("/v1/models", &request, &[]);
        assert_eq!(status, 202, "{job}");
        let (again, ended) = killed_at(server, &job, progress);
        killed += u32::from(!ended);
        // Whatever is listed is whole.
        let models = again.json("/v1/models")["rows"].as_array().cloned().expect("models");
        for model in &models {
            let id = model["id"].as_str().expect("an id");
            assert!(card(&again, id)["people"].as_u64() > Some(15_000));
        }
        let id = match models.first() {
            Some(model) => model["id"].as_str().expect("an id").to_string(),
            None => learn(&again, &request),
        };
        let body = json!({"limits": lenient()});
        let (status, job) = again.post(&format!("/v1/models/{id}/publish"), &body, &[]);
        assert_eq!(status, 202, "{job}");
        let (again, ended) = killed_at(again, &job, progress);
        killed += u32::from(!ended);
        let in_force = || {
            let (_, told) = again.sql(
                "SELECT m.version, count(*) AS n, count(DISTINCT s.version) AS versions, min(s.version) AS own \
                 FROM models m JOIN scores s ON s.model = m.model WHERE m.model = 'turnout' GROUP BY m.version",
            );
            assert_eq!(told["rows"].as_array().map(Vec::len), Some(1), "{told}");
            told["rows"][0].clone()
        };
        let row = in_force();
        assert_eq!((&row["versions"], &row["own"]), (&json!(1), &row["version"]), "{row}");
        let now = row["version"].as_i64().expect("a version");
        assert!(now == version || now == version + 1, "{now} after {version}");
        assert!(!ended || now == version + 1, "what was said to be done is done");
        // What was killed is done again, whole.
        let (_, job) = again.post(&format!("/v1/models/{id}/publish"), &body, &[]);
        let done = again.finish(job["id"].as_str().expect("a job"));
        assert_eq!(done["result"]["version"], now + 1, "{done}");
        assert_eq!((&in_force()["version"], &in_force()["n"]), (&json!(now + 1), &done["result"]["voters"]));
        (version, server) = (now + 1, again);
    }
    assert!(killed > 2, "only {killed} were killed in time");
}

#[test]
fn support_is_learned_from_what_canvassers_were_answered_or_from_csv() {
    let server = Server::start(&demo_lake());
    let answers =
        json!({"name": "support", "kind": "support", "state": "FK", "answers": {"from": "2022-08-01"}});
    for from in ["2022-08- 1", "+022-08-01", "2022-13-01"] {
        let faulty = json!({"name": "support", "kind": "support", "state": "FK", "answers": {"from": from}});
        assert_eq!(server.post("/v1/models", &faulty, &[]).0, 400, "{from}");
    }
    let model = learn(&server, &answers);
    let told = card(&server, &model);
    let (_, known) = server
        .sql("SELECT count(DISTINCT voter_id) AS n FROM contacts WHERE support IS NOT NULL AND support <> 3");
    assert_eq!(told["people"], known["rows"][0]["n"]);
    assert!(told["figures"]["auc"].as_f64() > Some(0.75), "{}", told["figures"]);
    // What is added up is what the score is made of: the order is the same.
    let (_, voters) = server.sql("SELECT voter_id FROM voters ORDER BY voter_id LIMIT 200");
    let ids: Vec<&Value> =
        voters["rows"].as_array().expect("voters").iter().map(|row| &row["voter_id"]).collect();
    let ask = json!({"voters": ids, "top": 34});
    assert_eq!(server.post(&format!("/v1/models/{model}/contributions"), &json!({"voters": []}), &[]).0, 400);
    let nobody = server.post(&format!("/v1/models/{model}/contributions"), &json!({"voters": ["0"]}), &[]);
    assert!(nobody.0 == 404 && nobody.1["detail"].as_str().is_some_and(|text| text.starts_with("/voters/0")));
    let (status, parts) = server.post(&format!("/v1/models/{model}/contributions"), &ask, &[]);
    assert_eq!(status, 200, "{parts}");
    let parts = parts["rows"].as_array().expect("rows");
    assert_eq!(parts.len(), 200 * 34);
    let mut sums: Vec<(f64, f64)> = parts
        .chunks(34)
        .map(|of| {
            let number = |row: &Value, name: &str| row[name].as_f64().expect("a number");
            let sum: f64 = of.iter().map(|row| number(row, "contribution")).sum();
            (sum + number(&of[0], "base"), number(&of[0], "score"))
        })
        .collect();
    sums.sort_by(|one, other| one.0.total_cmp(&other.0));
    assert!(sums.windows(2).all(|pair| pair[0].1 <= pair[1].1 + 1e-3), "{sums:?}");
    assert!(sums[199].1 - sums[0].1 > 40.0);
    assert_eq!(parts[0]["feature"], json!("democrat"), "the party matters most: {}", parts[0]);
    // The same labels as CSV give the same model.
    let (_, rows) = server.sql(
        "SELECT voter_id, CASE WHEN arg_max(support, contacted_on) < 3 THEN 1 ELSE 0 END AS outcome FROM contacts \
         WHERE support IS NOT NULL GROUP BY voter_id HAVING count(*) = 1 AND max(support) <> 3",
    );
    let lines: Vec<String> = rows["rows"]
        .as_array()
        .expect("labels")
        .iter()
        .map(|row| format!("{},{},1", row["voter_id"].as_str().expect("an id"), row["outcome"]))
        .collect();
    let csv = format!("voter_id,outcome,weight\n{}\n", lines.join("\n"));
    let by_csv =
        json!({"name": "support", "kind": "support", "state": "FK", "labels_csv": csv, "day": "2022-08-01"});
    assert_eq!(card(&server, &learn(&server, &by_csv))["figures"], told["figures"]);
    for (csv, word) in [("voter,outcome\n1,1", "voter_id, outcome"), ("voter_id,outcome\n1,x", "line 2")] {
        let faulty = json!({"name": "support", "kind": "support", "state": "FK", "labels_csv": csv});
        let (status, problem) = server.post("/v1/models", &faulty, &[]);
        assert!(status == 400 && problem.to_string().contains(word), "{problem}");
    }
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

#[test]
fn answers_at_the_door_are_learned_from_as_soon_as_they_have_landed() {
    let (_folder, lake) = own_lake();
    let server = Server::start(&lake);
    let answers =
        json!({"name": "support", "kind": "support", "state": "FK", "answers": {"from": "2022-08-01"}});
    let people = |model: &str| card(&server, model)["people"].as_u64().expect("how many were learned from");
    let before = people(&learn(&server, &answers));
    let (_, some) = server.sql(
        "SELECT v.voter_id FROM voters v WHERE v.state = 'FK' AND v.voter_id NOT IN (SELECT voter_id FROM contacts) \
         AND v.registered_on < DATE '2020-01-01' ORDER BY v.voter_id LIMIT 300",
    );
    let event = |(at, row): (usize, &Value)| {
        // Some are undecided, and teach nothing.
        let support = [1, 5, 2, 4, 3][at % 5];
        json!({"id": format!("door-{at}"), "type": "contact.door", "time": "2026-10-01T10:00:00Z",
            "data": {"voter_id": row["voter_id"], "state": "FK", "result": "canvassed", "support": support}})
    };
    let events: Vec<Value> = some["rows"].as_array().expect("rows").iter().enumerate().map(event).collect();
    assert_eq!(events.len(), 300);
    assert_eq!(server.post("/v1/events", &json!(events), &[]).0, 202);
    let started = std::time::Instant::now();
    let landed = || server.sql("SELECT count(*) AS n FROM event_contact_door").1["rows"][0]["n"] == 300;
    while !landed() {
        assert!(started.elapsed().as_secs() < 2, "not landed after two seconds");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let model = learn(&server, &answers);
    assert_eq!(people(&model), before + 240);
    // What is known of one of them tells of the contact, asked as of a later day.
    let voter = &some["rows"][0]["voter_id"];
    let known = |day: &str| {
        let (status, told) = server.post(
            &format!("/v1/models/{model}/contributions"),
            &json!({"voters": [voter], "day": day, "top": 100}),
            &[],
        );
        assert_eq!(status, 200, "{told}");
        let rows = told["rows"].as_array().expect("rows").clone();
        rows.into_iter().find(|row| row["feature"] == "contacts").unwrap_or_else(|| panic!("{told}"))["value"]
            .clone()
    };
    assert_eq!((known("2026-10-01").as_f64(), known("2026-10-02").as_f64()), (Some(0.0), Some(1.0)));
}
