//! Opinion by district: from voters who were asked, and from two files.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::harness::{Server, bellwether, demo_lake, text};

fn estimate(server: &Server, request: &Value) -> Value {
    let (status, job) = server.post("/v1/opinions", request, &[]);
    assert_eq!(status, 202, "{job}");
    let done = server.finish(job["id"].as_str().expect("a job"));
    assert_eq!(done["state"], "done", "{done}");
    server.json(done["result"]["rows"].as_str().expect("a place"))
}

/// A number between 0 and 1 that stands for a text.
fn chance(text: &str) -> f64 {
    let hash = text
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as f64 / (1u64 << 53) as f64
}

/// How likely a voter says yes: by party, sex and state house district.
fn truth(voter: &Value) -> f64 {
    let text = |name: &str| voter[name].as_str().unwrap_or_default();
    let of_party = match text("party") {
        "DEM" => 1.2,
        "REP" => -1.3,
        _ => 0.0,
    };
    let of_sex = if text("gender") == "F" { 0.3 } else { -0.2 };
    1.0 / (1.0 + (-(of_party + of_sex + 1.2 * (chance(text("state_house")) - 0.5))).exp())
}

#[test]
fn a_survey_tells_of_every_district_by_the_people_who_live_there() {
    let server = Server::start(&demo_lake());
    let query = "SELECT v.voter_id, v.party, v.gender, d.state_house FROM voters v \
                 JOIN voter_districts d ON d.state = v.state AND d.voter_id = v.voter_id ORDER BY v.voter_id";
    let (_, voters) = server.sql(query);
    let voters = voters["rows"].as_array().expect("voters");
    let mut of_district: HashMap<&str, (f64, f64)> = HashMap::new();
    for voter in voters {
        let own = of_district.entry(voter["state_house"].as_str().expect("a district")).or_default();
        *own = (own.0 + truth(voter), own.1 + 1.0);
    }
    // Every tenth is asked; more of the women, who are weighted down for it.
    let asked = voters.iter().filter(|voter| {
        let id = voter["voter_id"].as_str().expect("an id");
        chance(id) < if voter["gender"] == "F" { 0.15 } else { 0.075 }
    });
    let survey: Vec<Value> = asked
        .map(|voter| {
            let id = voter["voter_id"].as_str().expect("an id");
            let yes = chance(&format!("{id} yes")) < truth(voter);
            let weight = if voter["gender"] == "F" { 0.5 } else { 1.0 };
            json!({"voter_id": id, "answer": u8::from(yes), "weight": weight})
        })
        .collect();
    let request = json!({
        "name": "road_tax", "kind": "state_house", "state": "FK", "survey": survey,
        "result": {"election": "2020-11-03/general", "contest": "president"},
        "interactions": ["age_band:gender"], "seed": 3,
    });
    let told = estimate(&server, &request);
    assert_eq!(told["left_out"], 0);
    let rows = told["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), of_district.len());
    let number = |row: &Value, name: &str| row[name].as_f64().expect("a number");
    let (mut held, mut ours, mut plain) = (0, 0.0, 0.0);
    for row in rows {
        let (sum, voters) = of_district[row["district"].as_str().expect("a district")];
        let share = sum / voters;
        assert_eq!(number(row, "voters"), voters);
        held += u32::from(number(row, "low") <= share && share <= number(row, "high"));
        ours += (number(row, "estimate") - share).powi(2);
        plain += (row["answered_yes"].as_f64().unwrap_or(0.5) - share).powi(2);
    }
    let least = rows.len() as u32 * 8 / 10;
    assert!(held >= least, "{held} of {} intervals hold the truth", rows.len());
    assert!(ours < plain * 0.6, "errors of {ours} beside {plain} of the answers alone");
    let all: (f64, f64) = of_district.values().fold((0.0, 0.0), |sum, own| (sum.0 + own.0, sum.1 + own.1));
    assert!((number(&told["whole"], "estimate") - all.0 / all.1).abs() < 0.03, "{}", told["whole"]);
    assert!(number(&told, "effective") < number(&told, "asked"));
    let party =
        told["groupings"].as_array().and_then(|all| all.iter().find(|one| one["grouping"] == "party"));
    assert!(party.is_some_and(|party| number(party, "deviation") > 0.4), "{}", told["groupings"]);
    assert_eq!(told["covariates"][0]["covariate"], "result");
    // The same again, and as a table.
    let again = estimate(&server, &request);
    assert_eq!(again["rows"], told["rows"]);
    let (status, csv) =
        server.get(&format!("/v1/opinions/{}?format=csv", told["id"].as_str().expect("an id")));
    assert!(status == 200 && csv.lines().count() == rows.len() + 1, "{csv}");
    assert!(csv.starts_with("kind,district,voters,asked,answered_yes,estimate,"), "{csv}");
}

#[test]
fn a_table_of_everybody_gives_the_same_over_http_and_from_files() {
    let areas: Vec<String> = (0..12).map(|area| format!("A{area:02}")).collect();
    let chance_of = |area: usize, age: usize| 0.25 + 0.04 * area as f64 + 0.02 * age as f64;
    let (mut survey, mut cells) = (Vec::new(), Vec::new());
    for (at, area) in areas.iter().enumerate() {
        for age in 0..4 {
            cells.push((area, age, 50 + 20 * (at + age) % 90));
            for person in 0..(at + 2) {
                let yes = chance(&format!("{at} {age} {person}")) < chance_of(at, age);
                survey.push((area, age, u8::from(yes)));
            }
        }
    }
    let server = Server::start(&demo_lake());
    let asked: Vec<Value> = survey
        .iter()
        .map(|(area, age, yes)| json!({"area": area, "age": format!("a{age}"), "answer": yes}))
        .collect();
    let everybody: Vec<Value> = cells
        .iter()
        .map(|(area, age, n)| json!({"area": area, "age": format!("a{age}"), "count": n}))
        .collect();
    let figures: HashMap<&String, f64> =
        areas.iter().enumerate().map(|(at, area)| (area, at as f64 / 12.0)).collect();
    let told = estimate(
        &server,
        &json!({
            "name": "poll", "kind": "area", "by": ["age"], "survey": asked, "cells": everybody,
            "covariates": {"lean": figures}, "seed": 1,
        }),
    );
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, lines: Vec<String>| {
        let path = folder.path().join(name);
        std::fs::write(&path, lines.join("\n") + "\n").expect("written");
        path
    };
    let mut lines = vec!["area,age,yes".to_string()];
    lines.extend(survey.iter().map(|(area, age, yes)| format!("{area},a{age},{yes}")));
    let survey_file = write("survey.csv", lines);
    let mut lines = vec!["area,age,lean,n".to_string()];
    lines.extend(cells.iter().map(|(area, age, n)| format!("{area},a{age},{},{n}", figures[area])));
    let cells_file = write("cells.csv", lines);
    let to = folder.path().join("out");
    let arguments = ["opinion", text(&survey_file), "--cells", text(&cells_file), "--answer", "yes"];
    let more = ["--area", "area", "--by", "age", "--covariates", "lean", "--to", text(&to)];
    let printed = bellwether(folder.path(), &[&arguments[..], &more].concat());
    assert!(printed.success && printed.out.contains("all of 12 areas"), "{}{}", printed.out, printed.err);
    let written = std::fs::read_to_string(to.join("opinion.csv")).expect("written");
    assert_eq!(written.lines().count(), 13, "{written}");
    for (line, row) in written.lines().skip(1).zip(told["rows"].as_array().expect("rows")) {
        let estimate: f64 = line.split(',').nth(4).and_then(|text| text.parse().ok()).expect("a number");
        assert!((estimate - row["estimate"].as_f64().expect("a number")).abs() < 1e-9, "{line} {row}");
    }
    // Rows of whom not everything is known are left out, and what only the survey has is learned and left aside.
    let mut lines = std::fs::read_to_string(&survey_file).expect("the file").replace('\n', ",p1\n");
    lines = lines.replacen(",p1", ",poll", 1) + "A00,NA,1,p1\nA00,a1,,p1\n";
    let of_polls = write("polls.csv", vec![lines]);
    let of_poll = ["opinion", text(&of_polls), "--cells", text(&cells_file), "--answer", "yes"];
    let more =
        ["--area", "area", "--by", "age", "--survey-only", "poll", "--covariates", "lean", "--to", text(&to)];
    let printed = bellwether(folder.path(), &[&of_poll[..], &more].concat());
    assert!(printed.success && printed.out.contains("2 rows of the survey are left out"), "{}", printed.out);
    assert!(printed.out.contains("of 1 groups"), "{}", printed.out);
    let missing =
        bellwether(folder.path(), &[&arguments[..], &["--area", "district", "--to", text(&to)]].concat());
    assert!(!missing.success && missing.err.contains("no column district"), "{}", missing.err);
}

#[test]
fn a_faulty_survey_is_told_what_is_wrong() {
    let server = Server::start(&demo_lake());
    let row =
        json!({"congressional": "FK-CD-01", "age_band": "25-34", "gender": "F", "party": "DEM", "answer": 1});
    let of = |survey: Value| json!({"name": "a", "kind": "congressional", "survey": survey});
    for (request, word) in [
        (json!({"name": "a", "kind": "parish", "survey": [row]}), "congressional"),
        (json!({"name": "a", "kind": "county", "by": ["party", "party"], "survey": [row]}), "/by"),
        (
            json!({"name": "a", "kind": "county", "survey_only": ["poll", "poll"], "survey": [row]}),
            "/survey_only",
        ),
        (json!({"name": "a", "kind": "county", "numbers": ["x"], "survey": [row]}), "/numbers"),
        (
            json!({"name": "a", "kind": "area", "by": ["area"], "cells": [{"area": "1", "count": 1}], "survey": []}),
            "/by",
        ),
        (
            json!({"name": "a", "kind": "county", "survey": [row], "interactions": ["party:party"]}),
            "/interactions/0",
        ),
        (
            json!({"name": "a", "kind": "county", "survey": [row], "covariates": {"x": {"1": 1e300, "2": -1e300}}}),
            "/covariates/x",
        ),
        (of(json!([{"answer": 2}])), "/survey/0"),
        (of(json!([{"answer": 1, "weight": 0}])), "/survey/0"),
        (
            json!({"name": "a", "kind": "county", "survey": [row], "interactions": ["age_band:parti"]}),
            "/interactions/0",
        ),
        (
            json!({"name": "a", "kind": "county", "survey": [row], "result": {"election": "1999-11-02/general", "contest": "president"}}),
            "no votes of president",
        ),
    ] {
        let (status, problem) = server.post("/v1/opinions", &request, &[]);
        assert_eq!(status, 400, "{problem}");
        assert!(problem.to_string().contains(word), "{word}: {problem}");
    }
    // The same idempotency key and body are the same job, whatever the order of the figures.
    let survey: Vec<Value> = (0..40)
        .map(|at| {
            let party = if at % 3 == 0 { "DEM" } else { "REP" };
            json!({"area": format!("{}", at % 5), "party": party, "answer": u8::from(at % 3 == 0 || at % 4 == 0)})
        })
        .collect();
    let cells: Vec<Value> = (0..12)
        .map(|at| {
            // Nobody lives in the last area.
            let (party, count) = (if at < 6 { "DEM" } else { "REP" }, if at % 6 == 5 { 0 } else { 10 });
            json!({"area": format!("{}", at % 6), "party": party, "count": count})
        })
        .collect();
    let figures: serde_json::Map<String, Value> = (0..6).map(|at| (at.to_string(), json!(at))).collect();
    let poll = json!({
        "name": "poll", "kind": "area", "by": ["party"], "survey": survey, "cells": cells, "covariates": {"x": figures},
    });
    let key = [("idempotency-key", "once")];
    for (numbers, cell) in [
        (json!(["size"]), json!({"area": "0", "party": "DEM", "count": 1})),
        (json!(["x"]), cells[0].clone()),
    ] {
        let mut faulty = poll.clone();
        (faulty["numbers"], faulty["cells"]) = (numbers, json!([cell]));
        let (status, job) = server.post("/v1/opinions", &faulty, &[]);
        let told = if status == 202 { server.finish(job["id"].as_str().expect("a job")) } else { job };
        assert!(
            told.to_string().contains("/cells/0/size") || told.to_string().contains("/numbers"),
            "{told}"
        );
    }
    let (first, again) = (server.post("/v1/opinions", &poll, &key), server.post("/v1/opinions", &poll, &key));
    assert_eq!((first.0, again.0, &first.1["id"]), (202, 202, &again.1["id"]));
    let done = server.finish(first.1["id"].as_str().expect("a job"));
    let told = server.json(done["result"]["rows"].as_str().expect("a place"));
    assert_eq!(told["rows"].as_array().map(Vec::len), Some(5), "areas of nobody are not told of");
    // Who is not of the population is left out.
    let (_, voters) = server
        .sql("SELECT voter_id, party FROM voters WHERE party IN ('DEM', 'REP') ORDER BY voter_id LIMIT 400");
    let voters = voters["rows"].as_array().expect("voters");
    let survey: Vec<Value> = voters
        .iter()
        .enumerate()
        .map(|(at, voter)| json!({"voter_id": voter["voter_id"], "answer": at % 2}))
        .collect();
    let others = voters.iter().filter(|voter| voter["party"] == "REP").count();
    let of_one_party = json!({
        "name": "dem", "kind": "congressional", "state": "FK", "by": ["age_band"], "survey": survey,
        "where": {"field": "party", "eq": "DEM"},
    });
    let told = estimate(&server, &of_one_party);
    assert_eq!((&told["left_out"], &told["asked"]), (&json!(others), &json!(400 - others)));
    // What can be read but not worked out ends as a job that says why.
    let mut faulty = vec![row.clone(); 30];
    faulty[7]["party"] = json!("NO SUCH PARTY");
    for (survey, word) in [
        (json!([row]), "fewer than 20"),
        (json!([{"voter_id": "1", "answer": 1}]), "/state"),
        (json!(faulty), "/survey/7: nobody lives where party is"),
        (json!(vec![row.clone(); 30]), "everybody has the same answer"),
        (json!([{"answer": 1}]), "/survey/0/congressional is missing"),
    ] {
        let (status, job) = server.post("/v1/opinions", &of(survey), &[]);
        assert_eq!(status, 202, "{job}");
        let done = server.finish(job["id"].as_str().expect("a job"));
        assert!(done["error"].as_str().is_some_and(|error| error.contains(word)), "{word}: {done}");
    }
    assert_eq!(server.get("/v1/opinions/none").0, 404);
}
