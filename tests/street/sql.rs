//! `POST /v1/sql`: what is allowed, and what becomes of the rest.

use serde_json::json;

use super::harness::{Server, demo_lake};

#[test]
fn one_select_with_parameters_answers_in_every_format() {
    let server = Server::start(&demo_lake());
    let body = json!({"query": "SELECT party, count(*) AS voters FROM voters WHERE gender = $1 GROUP BY party ORDER BY party", "params": ["F"]});
    let (status, answer) = server.post("/v1/sql", &body, &[]);
    assert_eq!(status, 200, "{answer}");
    let total: i64 =
        answer["rows"].as_array().into_iter().flatten().filter_map(|row| row["voters"].as_i64()).sum();
    let (_, whole) = server.sql("SELECT count(*) AS n FROM voters WHERE gender = 'F'");
    assert_eq!(whole["rows"][0]["n"], total);
    assert!(total > 5_000);
    for (format, start) in [("csv", "party,voters"), ("ndjson", "{\"party\""), ("parquet", "PAR1")] {
        let client = reqwest::blocking::Client::new();
        let url = format!("{}/v1/sql?format={format}", server.url);
        let response = client.post(url).json(&body).send().expect("an answer");
        let bytes = response.bytes().expect("a body");
        assert!(bytes.starts_with(start.as_bytes()), "{format}");
    }
}

#[test]
fn hostile_queries_are_refused_or_stopped_and_the_server_stays_well() {
    let server = Server::start_with(&demo_lake(), &["--sql-seconds", "1.5"]);
    for query in [
        "COPY voters TO '/tmp/voters.csv'",
        "ATTACH '/tmp/other.db'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/*')",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE voters",
        "SELECT * FROM query('SELECT 1')",
        "SELECT * FROM enable_logging(storage = 'file')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM information_schema.tables",
        "SELECT getenv('HOME')",
        "SET memory_limit = '100GB'",
        "PRAGMA database_list",
        "CREATE TEMP TABLE t AS SELECT 1",
        "DELETE FROM voters",
        "SELECT 1) ; DROP TABLE voters ; SELECT (1",
        "SELECT len(range(1000000000))",
        "SELECT length(repeat('x', 400000000))",
        "SELECT levenshtein(first_name, last_name) FROM voters",
        "SELECT * FROM (WITH duckdb_databases AS (SELECT 1) SELECT 1) a, duckdb_databases",
        "SELECT",
        "",
    ] {
        let (status, answer) = server.sql(query);
        assert_eq!(status, 400, "{query}: {answer}");
        assert!(answer["detail"].as_str().is_some_and(|detail| detail.len() > 5), "{query}: {answer}");
    }
    for query in [
        "SELECT count(*) FROM voters a, voters b, voters c WHERE a.first_name < b.first_name",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
    ] {
        let (status, answer) = server.sql(query);
        assert_eq!(status, 422, "{query}: {answer}");
    }
    let (status, answer) = server.sql("SELECT count(*) AS n FROM voters");
    assert_eq!((status, answer["rows"][0]["n"].as_i64()), (200, Some(20_000)));
}

#[test]
fn large_answers_stream_and_break_off_rather_than_look_whole() {
    let server = Server::start_with(&demo_lake(), &["--sql-rows", "15000"]);
    let ask = |format: &str, query: &str| {
        let client = reqwest::blocking::Client::new();
        let url = format!("{}/v1/sql?format={format}", server.url);
        client.post(url).json(&json!({"query": query})).send().expect("an answer")
    };
    let whole = ask("csv", "SELECT voter_id, party FROM voters LIMIT 15000");
    assert_eq!(whole.status().as_u16(), 200);
    assert!(whole.headers().contains_key("bellwether-release"));
    assert_eq!(whole.text().expect("a body").lines().count(), 15_001);
    let lines = ask("ndjson", "SELECT voter_id FROM voters LIMIT 9000").text().expect("a body");
    assert_eq!(lines.lines().count(), 9_000);
    let arrow = ask("arrow", "SELECT voter_id FROM voters LIMIT 9000").bytes().expect("a body");
    assert!(arrow.starts_with(&[255, 255, 255, 255]) && arrow.ends_with(&[255, 255, 255, 255, 0, 0, 0, 0]));
    assert!(ask("csv", "SELECT voter_id FROM voters").text().is_err(), "a cut answer must not look whole");
    assert_eq!(ask("csv", "SELECT nothing FROM voters").status().as_u16(), 400);
    assert_eq!(
        ask("csv", "SELECT voter_id FROM voters WHERE false").text().expect("a body").lines().count(),
        1
    );
}

#[test]
fn an_answer_beyond_the_row_limit_says_that_it_is_cut_short() {
    let server = Server::start_with(&demo_lake(), &["--sql-rows", "1000"]);
    let (status, answer) = server.sql("SELECT voter_id FROM voters");
    assert_eq!(status, 200);
    assert_eq!(answer["truncated"], true);
    assert_eq!(answer["rows"].as_array().map(Vec::len), Some(1000));
}
