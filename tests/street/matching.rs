//! Finding people in the voter file: one, lists, jobs, and who may.

use serde_json::{Value, json};

use super::harness::{Server, demo_lake};

/// Some voters of the demo, as their file has them.
fn some(server: &Server, count: usize) -> Vec<Value> {
    let query = format!(
        "SELECT voter_id, last_name, first_name, middle_name, birth_year, gender, address, zip, \
         count(*) OVER (PARTITION BY last_name, first_name, birth_year) AS namesakes FROM voters \
         WHERE address IS NOT NULL AND birth_year IS NOT NULL ORDER BY md5(voter_id) LIMIT {count}"
    );
    let (status, answer) = server.sql(&query);
    assert_eq!(status, 200, "{answer}");
    answer["rows"].as_array().expect("rows").clone()
}

/// A voter as a list has them: some fields with slips, some missing; of each only what the list knows.
fn listed(at: usize, voter: &Value) -> Value {
    let text = |name: &str| voter[name].as_str().unwrap_or_default().to_string();
    let slip = |text: String| match text.len() {
        0..4 => text,
        long => format!("{}{}{}", &text[..long - 2], &text[long - 1..], &text[long - 2..long - 1]),
    };
    let mut person = json!({
        "id": text("voter_id"), "last_name": text("last_name"), "first_name": text("first_name"),
        "birth_year": voter["birth_year"], "address": text("address"), "zip": text("zip"),
    });
    match at % 5 {
        0 => person["last_name"] = slip(text("last_name")).to_lowercase().into(),
        1 => person["first_name"] = slip(text("first_name")).into(),
        2 => person["birth_year"] = Value::Null,
        3 => {
            let name = format!("{}, {} {}", text("last_name"), text("first_name"), text("middle_name"));
            person["name"] = name.into();
            (person["last_name"], person["first_name"]) = (Value::Null, Value::Null);
        }
        _ => (person["address"], person["zip"]) = ("99999 Elsewhere Rd".into(), "99999".into()),
    }
    person
}

fn is_right(row: &Value) -> bool {
    row["voter_id"] == row["id"]
}

#[test]
fn people_with_slips_are_found_again_with_the_reasons() {
    let server = Server::start(&demo_lake());
    let voters = some(&server, 500);
    let list: Vec<Value> = voters.iter().enumerate().map(|(at, voter)| listed(at, voter)).collect();
    let (status, answer) = server.post("/v1/voters/match", &json!({"records": list}), &[]);
    assert_eq!(status, 200, "{answer}");
    let rows = answer["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 500, "a row a person");
    let found = rows.iter().filter(|row| !row["voter_id"].is_null()).count();
    let right = rows.iter().filter(|row| is_right(row)).count();
    // Who has moved is known by name and year only: of several of one name and year nobody can be told for sure.
    let ambiguous = |at: usize| at % 5 == 4 && voters[at]["namesakes"] != 1;
    let told = (0..rows.len()).filter(|at| is_right(&rows[*at]) || ambiguous(*at)).count();
    assert!(told >= 492, "{told} of 500 found or rightly doubted");
    assert!(found - right <= 1, "{} wrong", found - right);
    let sure = rows.iter().find(|row| is_right(row)).expect("one that is found");
    assert!(sure["probability"].as_f64().is_some_and(|p| (0.5..=1.0).contains(&p)));
    let evidence = sure["evidence"].as_array().expect("reasons");
    let bits: f64 = evidence.iter().filter_map(|part| part["bits"].as_f64()).sum();
    assert!(bits + sure["prior"].as_f64().expect("a prior") > 0.0, "{sure}");
    assert!(evidence.iter().any(|part| part["field"] == "last_name" && part["level"].is_string()));
    // One person: every likely voter, the likeliest first.
    let voter = &voters[0];
    let name = format!(
        "{} {}",
        voter["first_name"].as_str().expect("a name"),
        voter["last_name"].as_str().expect("a name")
    );
    let person = json!({"record": {"name": name, "birth_year": voter["birth_year"], "zip": voter["zip"]}});
    let (status, answer) = server.post("/v1/voters/match", &person, &[]);
    assert_eq!((status, &answer["rows"][0]["voter_id"]), (200, &voter["voter_id"]));
    let probabilities: Vec<f64> = answer["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| row["probability"].as_f64())
        .collect();
    assert!(probabilities.windows(2).all(|pair| pair[0] >= pair[1]));
    assert!(probabilities.iter().sum::<f64>() <= 1.0 + 1e-6, "they exclude each other: {probabilities:?}");
}

#[test]
fn a_long_list_is_a_job_whose_rows_come_in_every_format() {
    let server = Server::start(&demo_lake());
    let voters = some(&server, 1_500);
    let quoted = |value: &Value| match value {
        Value::String(text) => format!("\"{}\"", text.replace('"', "\"\"")),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let columns = ["id", "last_name", "first_name", "name", "birth_year", "address", "zip"];
    let mut csv = format!("{}\n", columns.join(","));
    for (at, voter) in voters.iter().enumerate() {
        let person = listed(at, voter);
        csv += &columns.map(|column| quoted(&person[column])).join(",");
        csv.push('\n');
    }
    let client = reqwest::blocking::Client::new();
    let send = |body: String| {
        let request =
            client.post(format!("{}/v1/voters/match", server.url)).header("content-type", "text/csv");
        let response = request.header("idempotency-key", "list").body(body).send().expect("an answer");
        (response.status().as_u16(), response.json::<Value>().expect("JSON"))
    };
    let (status, job) = send(csv.clone());
    assert_eq!(status, 202, "{job}");
    let (_, again) = send(csv.clone());
    assert_eq!(job["id"], again["id"], "the same key and body give the same job");
    assert_eq!(send(csv.replace("Elsewhere", "Nowhere")).0, 409);
    let done = server.finish(job["id"].as_str().expect("an id"));
    assert_eq!((&done["state"], &done["result"]["records"]), (&json!("done"), &json!(1_500)), "{done}");
    let path = done["result"]["rows"].as_str().expect("where the rows are").to_string();
    let lines = server.get(&format!("{path}?format=ndjson")).1;
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    assert_eq!(rows.len(), 1_500);
    let matched = rows.iter().filter(|row| !row["voter_id"].is_null()).count();
    assert_eq!(done["result"]["matched"], matched);
    assert!(rows.iter().filter(|row| is_right(row)).count() >= 1_400);
    let page = server.json(&format!("{path}?limit=10"));
    let next = page["next"].as_str().expect("a next page");
    let second = server.json(&format!("{path}?limit=10&after={next}"));
    assert_eq!(second["rows"][0]["record"], 10);
    assert!(server.get(&format!("{path}?format=csv")).1.starts_with("record,id,state,voter_id,probability"));
}

#[test]
fn a_faulty_list_is_refused_with_the_place_of_each_fault() {
    let server = Server::start(&demo_lake());
    let refused = |body: Value, expected: &str| {
        let (status, problem) = server.post("/v1/voters/match", &body, &[]);
        assert_eq!(status, 400, "{problem}");
        assert!(problem.to_string().contains(expected), "{problem}");
    };
    let faulty = json!({"records": [{"name": "Ada Fell"}, {"name": "Bo Fell", "birth_date": "soon"}, {"zip": "80419"}]});
    let (_, problem) = server.post("/v1/voters/match", &faulty, &[]);
    let places: Vec<&str> =
        problem["errors"].as_array().into_iter().flatten().filter_map(|fault| fault["at"].as_str()).collect();
    assert_eq!(places, ["/records/1/birth_date", "/records/2"], "{problem}");
    refused(json!({"records": []}), "between 1 and 100000");
    refused(json!({"record": {"nmae": "x"}}), "nmae");
    refused(json!({}), "a record or records");
    refused(json!({"record": {"last_name": "A", "name": "A B"}}), "not both");
}
