//! Reports of shapes that nobody has loaded, and past votes carried onto them.

use std::path::Path;

use serde_json::{Value, json};

use super::harness::{Server, demo_lake, demo_source, oracle, own_lake, succeed, text};

fn sum(rows: &Value, fits: impl Fn(&Value) -> bool, what: &str) -> f64 {
    rows.as_array().into_iter().flatten().filter(|row| fits(row)).filter_map(|row| row[what].as_f64()).sum()
}

fn post(server: &Server, path: &str, media: &str, body: String) -> (u16, Value) {
    let client = reqwest::blocking::Client::new();
    let request = client.post(format!("{}{path}", server.url)).header("content-type", media).body(body);
    let response = request.send().expect("an answer");
    (response.status().as_u16(), response.json().unwrap_or(Value::Null))
}

#[test]
fn a_plan_keeps_every_vote_and_every_voter_and_its_bounds_hold_the_districts_own_reports() {
    let server = Server::start(&demo_lake());
    let ids: Vec<String> = (1..=20).map(|at| format!("FK-HD-{at:02}")).collect();
    let features: Vec<Value> =
        ids.iter().map(|id| server.json(&format!("/v1/districts/state_house/{id}/boundary"))).collect();
    let plan = json!({"type": "FeatureCollection", "features": features}).to_string();
    let (status, answer) = post(&server, "/v1/reports/shape", "application/json", plan);
    assert_eq!(status, 200, "{answer}");
    let rows = answer["rows"].as_array().expect("rows");
    let voters: i64 = rows.iter().filter_map(|row| row["voters"].as_i64()).sum();
    assert!((voters - 20_000).abs() <= 5, "{voters}: voters on a border lie in both");
    let state = server.json("/v1/results?kind=state&limit=100000");
    let mut methods = std::collections::BTreeSet::new();
    let mut checked = 0;
    for of_state in state["rows"].as_array().expect("rows") {
        let same = |row: &Value| {
            ["election", "contest", "candidate", "party", "source"]
                .iter()
                .all(|name| row[*name] == of_state[*name])
        };
        let all: f64 = rows.iter().map(|row| sum(&row["results"], same, "votes")).sum();
        if all == 0.0 {
            continue;
        }
        checked += 1;
        assert!((all - of_state["votes"].as_f64().expect("votes")).abs() < 1e-3, "{of_state}: {all}");
    }
    assert!(checked > 5, "contests are carried: {checked}");
    for (row, id) in rows.iter().zip(&ids) {
        assert_eq!(row["id"], id.as_str());
        let report = server.json(&format!("/v1/districts/state_house/{id}/report"));
        for dem in
            row["results"].as_array().expect("results").iter().filter(|row| row["contest"] == "president")
        {
            methods.insert(dem["method"].as_str().expect("a method").to_string());
            let same = |other: &Value| {
                ["election", "candidate", "party", "source"].iter().all(|name| other[*name] == dem[*name])
                    && other["contest"] == "president"
            };
            let own = sum(&report["results"], same, "votes");
            let (low, high) = (dem["low"].as_f64().expect("low"), dem["high"].as_f64().expect("high"));
            assert!(low - 1e-6 <= own && own <= high + 1e-6, "{id}: {own} outside of {low} to {high}");
            assert!(
                (own - dem["votes"].as_f64().expect("votes")).abs() < 0.02 * own + 2.0,
                "{id}: {own} {dem}"
            );
        }
        assert_eq!(
            row["voters"]
                .as_i64()
                .map(|n| (n - report["district"]["voters"].as_i64().unwrap_or(0)).abs() <= 3),
            Some(true)
        );
    }
    assert!(methods.contains("counted"), "{methods:?}");
}

/// The state's box cut in two along its diagonal: a line that no precinct's border follows.
fn halves() -> [Value; 2] {
    let (west, south, east, north) = (-60.0, 20.0, -30.0, 48.0);
    let ring = |corner: [f64; 2]| json!([[[west, south], corner, [east, north], [west, south]]]);
    [[east, south], [west, north]].map(|corner| json!({"type": "Polygon", "coordinates": ring(corner)}))
}

#[test]
fn precincts_that_a_line_cuts_are_shared_out_by_the_voters_who_live_on_either_side() {
    let (_folder, lake) = own_lake();
    let server = Server::start(&lake);
    let [one, other] = halves();
    let plan = json!({"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"district": 1}, "geometry": one},
        {"type": "Feature", "properties": {"district": 2}, "geometry": other}
    ]});
    let (status, answer) = post(&server, "/v1/reports/shape", "application/json", plan.to_string());
    assert_eq!(status, 200, "{answer}");
    let rows = answer["rows"].as_array().expect("rows");
    assert_eq!((&rows[0]["id"], &rows[1]["id"]), (&json!(1), &json!(2)));
    let president = |row: &Value| row["contest"] == "president";
    assert!(
        rows.iter().all(|row| row["results"]
            .as_array()
            .expect("rows")
            .iter()
            .any(|row| row["method"] == "voters"))
    );
    let state = server.json("/v1/results?kind=state&limit=100000");
    for of_state in state["rows"].as_array().expect("rows").iter().filter(|row| president(row)) {
        let same = |row: &Value| {
            ["election", "contest", "candidate", "party", "source"]
                .iter()
                .all(|name| row[*name] == of_state[*name])
        };
        let [all, low, high] = ["votes", "low", "high"]
            .map(|what| rows.iter().map(|row| sum(&row["results"], same, what)).sum::<f64>());
        let true_count = of_state["votes"].as_f64().expect("votes");
        assert!((all - true_count).abs() < 1e-3, "{of_state}: {all}");
        assert!(
            low < true_count && true_count < high,
            "cut precincts leave a band: {low} {true_count} {high}"
        );
    }
    // The same lines, loaded as districts: their own reports carry the votes alike, as an outside engine finds.
    load_halves(&lake);
    succeed(&lake, &["derive"]);
    drop(server);
    let server = Server::start(&lake);
    let told = oracle("reports.py", &[text(&lake), &server.url, "voters"]);
    assert!(told.contains("reports agree"), "{told}");
    // The lines of before have the report of their shape.
    let before = server.json("/v1/districts/congressional/FK-CD-01@2022/report");
    assert!(
        before["district"]["vintage"] == 2022
            && before["voters"].as_i64().is_some_and(|voters| voters > 3_000)
    );
    for (row, id) in rows.iter().zip(["FK-CD-01", "FK-CD-02"]) {
        let report = server.json(&format!("/v1/districts/congressional/{id}/report"));
        for mine in row["results"].as_array().expect("rows").iter().filter(|row| president(row)) {
            let same = |row: &Value| {
                ["election", "contest", "candidate", "party", "source"]
                    .iter()
                    .all(|name| row[*name] == mine[*name])
            };
            let own = sum(&report["results"], same, "votes");
            assert!(
                (own - mine["votes"].as_f64().expect("votes")).abs() < 0.01 * own + 1.0,
                "{id}: {own} {mine}"
            );
        }
    }
}

/// Loads the two halves as congressional districts of a later vintage.
fn load_halves(lake: &Path) {
    let folder = lake.parent().expect("a folder");
    for (at, half) in halves().iter().enumerate() {
        let code = format!("FK-{:02}", at + 1);
        let feature =
            json!({"type": "Feature", "properties": {"Code": code, "District": "Half"}, "geometry": half});
        std::fs::write(folder.join(format!("{code}.geojson")), feature.to_string()).expect("written");
    }
    let files = ["FK-01.geojson", "FK-02.geojson"].map(|name| folder.join(name));
    succeed(lake, &["load", "boundaries", "--vintage", "2024", text(&files[0]), text(&files[1])]);
}

#[test]
fn precincts_with_few_voters_are_shared_out_by_the_people_who_live_on_either_side() {
    let (_folder, lake) = own_lake();
    let few = lake.parent().expect("a folder").join("voters_fk.csv");
    let all = std::fs::read_to_string(demo_source("voters_fk.csv")).expect("voters");
    std::fs::write(&few, all.lines().take(400).collect::<Vec<_>>().join("\n")).expect("written");
    succeed(&lake, &["load", "voters", text(&few), "--state", "FK"]);
    load_halves(&lake);
    succeed(&lake, &["derive"]);
    let server = Server::start(&lake);
    let told = oracle("reports.py", &[text(&lake), &server.url, "people"]);
    assert!(told.contains("reports agree"), "{told}");
    let [one, _] = halves();
    let (status, answer) = post(&server, "/v1/reports/shape", "application/json", one.to_string());
    assert_eq!(status, 200, "{answer}");
    let report = server.json("/v1/districts/congressional/FK-CD-01/report");
    let mut checked = 0;
    for mine in answer["results"].as_array().expect("results") {
        let same = |row: &Value| {
            ["election", "contest", "candidate", "party", "source"]
                .iter()
                .all(|name| row[*name] == mine[*name])
        };
        let (own, votes) = (sum(&report["results"], same, "votes"), mine["votes"].as_f64().expect("votes"));
        if mine["source"].as_str().is_some_and(|source| source.starts_with("vest")) {
            assert_eq!(mine["method"], "population", "{mine}");
            assert!((own - votes).abs() < 1e-3 * own + 0.1, "{own} {mine}");
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked}");
}

#[test]
fn precincts_assigned_by_csv_are_counted_whole() {
    let server = Server::start(&demo_lake());
    let precincts = server.json("/v1/districts?kind=precinct&limit=10000");
    let mut csv = String::from("GEOID20,District\n");
    let mut expected = [0i64; 3];
    for (at, row) in precincts["rows"].as_array().expect("rows").iter().enumerate() {
        csv += &format!("\"{}\",{}\n", row["id"].as_str().expect("an id"), at % 3);
        expected[at % 3] += row["voters"].as_i64().unwrap_or(0);
    }
    let (status, answer) = post(&server, "/v1/reports/shape", "text/csv", csv.clone());
    assert_eq!(status, 200, "{answer}");
    let told: Vec<i64> =
        answer["rows"].as_array().expect("rows").iter().filter_map(|row| row["voters"].as_i64()).collect();
    assert_eq!(told, expected);
    let president = |row: &Value| row["contest"] == "president" && row["election"] == "2020-11-03/general";
    let all: f64 = answer["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| sum(&row["results"], president, "votes"))
        .sum();
    let state = server.json("/v1/results?kind=state&election=2020-11-03/general&contest=president");
    assert!((all - sum(&state["rows"], |_| true, "votes")).abs() < 1e-3);
    assert!(
        answer["rows"][0]["results"]
            .as_array()
            .expect("rows")
            .iter()
            .all(|row| row["method"] == "counted" && row["low"] == row["votes"])
    );
    for (bad, word) in [
        ("a,b\n1,2\n".to_string(), "precinct and district"),
        (format!("{csv}\"98001001001\",9\n"), "twice"),
        ("precinct,district\nnowhere,1\n".to_string(), "nowhere"),
        (String::new(), "empty"),
    ] {
        let (status, problem) = post(&server, "/v1/reports/shape", "text/csv", bad);
        assert!(
            status == 400 && problem["detail"].as_str().is_some_and(|detail| detail.contains(word)),
            "{problem}"
        );
    }
}

#[test]
fn a_polygon_has_the_report_of_the_voters_within() {
    let server = Server::start(&demo_lake());
    let polygon = json!({"type": "Polygon", "coordinates": [[[-44.5, 33.2], [-42.6, 33.4], [-43.1, 34.4], [-44.5, 33.2]]]});
    let (status, report) = post(&server, "/v1/reports/shape", "application/json", polygon.to_string());
    assert_eq!(status, 200, "{report}");
    let (_, count) = server.post("/v1/universes/count", &json!({"where": {"within": polygon}}), &[]);
    assert_eq!(report["voters"], count["voters"]);
    let parties: i64 = report["registration"]["party"]
        .as_object()
        .expect("parties")
        .values()
        .filter_map(Value::as_i64)
        .sum();
    assert_eq!(Some(parties), count["voters"].as_i64());
    let (_, turnout) = server.post(
        "/v1/universes/count",
        &json!({"where": {"all": [{"within": polygon}, {"voted": {"in": ["2020-11-03/general"]}}]}}),
        &[],
    );
    let told = report["turnout"]
        .as_array()
        .expect("turnout")
        .iter()
        .find(|row| row["election"] == "2020-11-03/general");
    assert_eq!(told.map(|row| &row["voters"]), Some(&turnout["voters"]));
    for bad in [
        "{",
        "{\"type\":\"Point\",\"coordinates\":[1,2]}",
        "{\"type\":\"FeatureCollection\",\"features\":[]}",
        "[]",
    ] {
        assert_eq!(post(&server, "/v1/reports/shape", "application/json", bad.to_string()).0, 400, "{bad}");
    }
    let (_, csv) = {
        let client = reqwest::blocking::Client::new();
        let request =
            client.post(format!("{}/v1/reports/shape?format=csv", server.url)).body(polygon.to_string());
        let response = request.header("content-type", "application/json").send().expect("an answer");
        (response.status(), response.text().expect("a text"))
    };
    assert!(
        csv.starts_with("id,section,of,item,value,low,high,method\n") && csv.lines().count() > 30,
        "{csv}"
    );
}
