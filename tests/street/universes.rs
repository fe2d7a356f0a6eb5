//! Filters, universes and aggregates.

use serde_json::{Value, json};

use super::harness::{Server, demo_lake, demo_source, oracle, own_lake, root, succeed, text};

#[test]
fn random_filters_count_group_and_list_as_an_outside_engine_does() {
    let lake = demo_lake();
    let server = Server::start(&lake);
    let told = oracle("filters.py", &[text(&lake), &server.url, "400"]);
    assert!(told.contains("400 filters agree"), "{told}");
}

#[test]
fn the_notebooks_run_and_their_client_tells_what_the_server_does() {
    let server = Server::start(&demo_lake());
    let told = oracle("notebooks.py", &[text(&root().join("notebooks")), &server.url]);
    assert!(told.contains("cells ran"), "{told}");
}

#[test]
fn a_faulty_filter_is_told_by_its_place_with_the_nearest_known_names() {
    let server = Server::start(&demo_lake());
    let ask = |filter: Value| server.post("/v1/universes/count", &json!({"where": filter}), &[]);
    let (status, problem) = ask(json!({"all": [
        {"field": "parti", "eq": "DEM"},
        {"field": "party", "in": ["DEM", "DEMM"]},
        {"district": {"kind": "state_house", "id": "FK-HD-77"}},
        {"voted": {"in": ["2020-11-04/general"]}},
        {"score": {"model": "turnuot", "between": [1, 2]}},
        {"contact": {"result": "refusd"}},
        {"within": {"type": "Point", "coordinates": [1, 2]}}
    ]}));
    assert_eq!(status, 400);
    let faults = problem["errors"].as_array().expect("a list of faults");
    for (at, word) in [
        ("/where/all/0/field", "party"),
        ("/where/all/1/in/1", "DEM"),
        ("/where/all/2/district", "FK-HD-07"),
        ("/where/all/3/voted/in/0", "2020-11-03/general"),
        ("/where/all/4/score/model", "turnout"),
        ("/where/all/5/contact/result", "refused"),
        ("/where/all/6/within", "Polygon"),
    ] {
        let fault = faults.iter().find(|fault| fault["at"] == at);
        let detail =
            fault.and_then(|fault| fault["detail"].as_str()).unwrap_or_else(|| panic!("{at}: {problem}"));
        assert!(detail.contains(word), "{at}: {detail}");
    }
    for bad in [json!({"age": 3}), json!([]), json!("everyone"), json!({"field": "age", "eq": "old"})] {
        assert_eq!(ask(bad.clone()).0, 400, "{bad}");
    }
    let mut deep = json!({"all": []});
    (0..60).for_each(|_| deep = json!({"not": deep}));
    assert_eq!(ask(deep).0, 400);
    // The words of the state for the codes of the schema are understood.
    assert_eq!(ask(json!({"field": "party", "eq": "UAF"})), ask(json!({"field": "party", "eq": "UNA"})),);
}

#[test]
fn a_district_of_an_older_vintage_is_the_shape_of_its_lines() {
    let server = Server::start(&demo_lake());
    let count = |filter: Value| {
        server.post("/v1/universes/count", &json!({"where": filter}), &[]).1["voters"].clone()
    };
    let plain = json!({"district": {"kind": "congressional", "id": "FK-CD-01"}});
    let newest = json!({"district": {"kind": "congressional", "id": "FK-CD-01@2022"}});
    assert_eq!(count(plain.clone()), count(newest));
    let outline = server.json("/v1/districts/congressional/FK-CD-01/boundary")["geometry"].clone();
    let inside = count(json!({"within": outline.clone()})).as_i64().expect("a count");
    let both = count(json!({"all": [plain, {"within": outline}]})).as_i64().expect("a count");
    // Voters on a border belong to one district and lie within both outlines.
    assert!(both > 3_000 && inside >= both && inside - both < 20, "{inside} {both}");
    let (status, problem) = server.post(
        "/v1/universes/count",
        &json!({"where": {"district": {"kind": "congressional", "id": "FK-CD-01@1992"}}}),
        &[],
    );
    assert_eq!(status, 400);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("FK-CD-01@2022")), "{problem}");
}

#[test]
fn a_saved_universe_pages_streams_and_changes_as_releases_come() {
    let (_folder, lake) = own_lake();
    let server = Server::start(&lake);
    let body = json!({"name": "left", "where": {"field": "party", "in": ["DEM", "GRE"]}});
    let key = [("idempotency-key", "once")];
    let (status, live) = server.post("/v1/universes", &body, &key);
    assert_eq!(status, 201, "{live}");
    assert_eq!(server.post("/v1/universes", &body, &key).1["id"], live["id"], "asked twice, saved once");
    let other = json!({"name": "other", "where": {"field": "party", "eq": "REP"}});
    assert_eq!(server.post("/v1/universes", &other, &key).0, 409);
    let fixed = json!({"name": "fixed", "kind": "static", "where": body["where"]});
    let (_, fixed) = server.post("/v1/universes", &fixed, &[]);
    let (live, fixed) = (live["id"].as_str().expect("an id"), fixed["id"].as_str().expect("an id"));
    let count =
        |id: &str| server.post("/v1/universes/count", &json!({"universe": id}), &[]).1["voters"].as_i64();
    let before = count(live).expect("a count");
    assert_eq!(count(fixed), Some(before));
    let list = |id: &str, format: &str| {
        server.get(&format!("/v1/universes/{id}/voters?columns=voter_id,party&format={format}"))
    };
    let (_, csv) = list(live, "csv");
    assert_eq!(csv.lines().count() as i64, before + 1);
    let mut paged = Vec::new();
    let mut path = format!("/v1/universes/{live}/voters?columns=voter_id,party&limit=3001");
    loop {
        let page = server.json(&path);
        paged.extend(page["rows"].as_array().expect("rows").iter().map(|row| {
            format!("{},{}", row["voter_id"].as_str().expect("id"), row["party"].as_str().expect("party"))
        }));
        match page["next"].as_str() {
            Some(next) => {
                path = format!("/v1/universes/{live}/voters?columns=voter_id,party&limit=3001&after={next}")
            }
            None => break,
        }
    }
    assert!(csv.lines().skip(1).eq(paged.iter().map(String::as_str)), "the stream is what the pages make");
    assert_eq!(server.get(&format!("/v1/universes/{live}/voters?columns=voter_id,shoe_size")).0, 400);
    // Every Libertarian turns Green: the live universe grows by them, the static one stays as it was.
    let release = server.json("/v1/health/ready")["release"].as_str().expect("a release").to_string();
    let voters = std::fs::read_to_string(demo_source("voters_fk.csv")).expect("voters");
    let switched = voters.matches("\",\"LBR\",\"").count() as i64;
    let path = lake.parent().expect("a folder").join("changed.csv");
    std::fs::write(&path, voters.replace("\",\"LBR\",\"", "\",\"GRN\",\"")).expect("written");
    succeed(&lake, &["load", "voters", text(&path), "--state", "FK"]);
    succeed(&lake, &["derive"]);
    let started = std::time::Instant::now();
    while count(live) == Some(before) {
        assert!(started.elapsed().as_secs() < 60, "the server notices a new release");
    }
    assert!(switched > 0);
    assert_eq!(count(live), Some(before + switched));
    assert_eq!(count(fixed), Some(before));
    let changes = server.json(&format!("/v1/universes/{live}/changes?since={release}&limit=1000000"));
    let came = changes["rows"].as_array().expect("rows").iter().filter(|row| row["change"] == "came").count();
    assert_eq!((came as i64, changes["rows"].as_array().map(Vec::len)), (switched, Some(came)));
    assert_eq!(server.get(&format!("/v1/universes/{fixed}/changes?since={release}")).0, 400);
    assert!(succeed(&lake, &["verify"]).contains("whole"));
}

#[test]
fn aggregates_carry_the_votes_of_a_contest_beside_the_voters() {
    let server = Server::start(&demo_lake());
    let votes = json!({"votes": {"election": "2020-11-03/general", "contest": "president"}});
    let body = json!({"by": ["congressional"], "measures": ["voters", "share", votes]});
    let (status, answer) = server.post("/v1/aggregates", &body, &[]);
    assert_eq!(status, 200, "{answer}");
    let rows = answer["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 4);
    for row in rows {
        let id = row["congressional"].as_str().expect("an id");
        let results = server.json(&format!(
            "/v1/districts/congressional/{id}/results?election=2020-11-03/general&contest=president"
        ));
        let sum = |rows: &Value| -> f64 {
            rows.as_array().into_iter().flatten().filter_map(|row| row["votes"].as_f64()).sum()
        };
        assert!((sum(&row["votes"]) - sum(&results["rows"])).abs() < 1e-6 && sum(&row["votes"]) > 1_000.0);
    }
    let share: f64 = rows.iter().filter_map(|row| row["share"].as_f64()).sum();
    assert!((share - 1.0).abs() < 1e-9);
    for bad in [
        json!({"by": ["congresional"]}),
        json!({"by": ["party"], "measures": [{"votes": {"election": "2020-11-03/general", "contest": "president"}}]}),
        json!({"by": ["party"], "measures": [{"mean": "party"}]}),
        json!({"measures": [{"mean": {"score": "none"}}]}),
        json!({"by": ["party", "party"]}),
    ] {
        assert_eq!(server.post("/v1/aggregates", &bad, &[]).0, 400, "{bad}");
    }
    // More combinations than numbers are understood and refused, not answered wrongly.
    let wide = json!({"by": ["registered_on", "party_since", "precinct", "zip", "city", "birth_year", "gender", "age"]});
    let (status, problem) = server.post("/v1/aggregates", &wide, &[]);
    assert_eq!(status, 422, "{problem}");
}
