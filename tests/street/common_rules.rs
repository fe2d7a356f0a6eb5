//! What holds for every answer: formats, ETag, cursors, problems, request ids, metrics.

use super::harness::{Server, demo_lake};

#[test]
fn every_answer_names_its_release_and_is_not_sent_again_to_who_has_it() {
    let server = Server::start(&demo_lake());
    let release = server.json("/v1/health/ready")["release"].as_str().expect("a release").to_string();
    for path in [
        "/v1/districts?kind=county",
        "/v1/districts/county/98001/report",
        "/v1/tables",
        "/v1/results?format=csv",
    ] {
        let first = server.response(path, &[]);
        assert_eq!(first.headers()["bellwether-release"], release.as_str(), "{path}");
        let etag = first.headers()["etag"].to_str().expect("a tag").to_string();
        assert!(etag.starts_with('"'), "a strong tag");
        let again = server.response(path, &[("if-none-match", &etag)]);
        assert_eq!(again.status().as_u16(), 304, "{path}");
        assert!(again.text().expect("a body").is_empty());
    }
}

#[test]
fn tables_come_in_the_callers_format() {
    let server = Server::start(&demo_lake());
    let json = server.json("/v1/districts?kind=county&limit=1000");
    assert_eq!(json["rows"].as_array().map(Vec::len), Some(20));
    assert!(json["next"].is_null());
    let (_, csv) = server.get("/v1/districts?kind=county&format=csv&limit=1000");
    assert_eq!(csv.lines().count(), 21);
    assert_eq!(csv.lines().next(), Some("kind,id,name,state,vintage,voters"));
    let (_, lines) = server.get("/v1/districts?kind=county&format=ndjson&limit=1000");
    assert_eq!(lines.lines().count(), 20);
    let accepted = server.response("/v1/districts?kind=county", &[("accept", "text/csv")]);
    assert!(accepted.headers()["content-type"].to_str().is_ok_and(|media| media.starts_with("text/csv")));
    let parquet = server.response("/v1/districts?kind=county&format=parquet", &[]).bytes().expect("bytes");
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    assert_eq!(server.get("/v1/districts?format=xml").0, 400);
    for (path, header) in [
        ("/v1/tables", "name,meaning,partition_by,columns,rows"),
        ("/v1/releases", "id,created,what,tables"),
        ("/v1/locate?lon=-43.2&lat=33.9", "kind,id,name,vintage"),
        ("/v1/districts/county/98001/report", "section,of,item,value,low,high,method"),
    ] {
        let answer = server.response(path, &[("accept", "text/csv")]);
        assert!(answer.headers().contains_key("etag") && answer.headers().contains_key("bellwether-release"));
        let csv = answer.text().expect("a text");
        assert_eq!(csv.lines().next(), Some(header), "{path}");
        assert!(csv.lines().count() > 2, "{path}");
    }
    // The report's figures are the same in either shape.
    let report = server.json("/v1/districts/county/98001/report");
    let (_, csv) = server.get("/v1/districts/county/98001/report?format=csv");
    let dem = format!("registration,party,DEM,{}.0,,,", report["registration"]["party"]["DEM"]);
    assert!(csv.lines().any(|line| line == dem), "{dem}");
}

#[test]
fn long_tables_are_sent_while_they_are_written_and_are_those_that_pages_make() {
    let server = Server::start(&demo_lake());
    let path = "/v1/results?kind=precinct&mode=all&format=ndjson";
    let streamed = server.response(&format!("{path}&limit=100000000"), &[]);
    assert!(streamed.headers().get("content-length").is_none(), "a stream has no length");
    let etag = streamed.headers()["etag"].to_str().expect("a tag").to_string();
    assert!(streamed.headers().get("bellwether-next").is_none());
    let streamed = streamed.text().expect("a text");
    let mut pages = String::new();
    let mut after = String::new();
    loop {
        let page = server.response(&format!("{path}&limit=7001{after}"), &[]);
        let next = page.headers().get("bellwether-next").map(|next| next.to_str().expect("text").to_string());
        pages += &page.text().expect("a text");
        match next {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert!(streamed.lines().count() > 10_000, "{}", streamed.lines().count());
    assert_eq!(streamed, pages);
    let again = server.response(&format!("{path}&limit=100000000"), &[("if-none-match", &etag)]);
    assert_eq!(again.status().as_u16(), 304);
    let part = server.response(&format!("{path}&limit=10500"), &[]);
    assert!(part.headers().contains_key("bellwether-next"), "a part says where the rest starts");
    assert_eq!(part.text().expect("a text").lines().count(), 10_500);
}

#[test]
fn a_compressed_answer_has_a_tag_of_its_own() {
    let server = Server::start(&demo_lake());
    let plain = server.response("/v1/tables", &[]);
    let packed = server.response("/v1/tables", &[("accept-encoding", "gzip")]);
    let (plain, packed) = (plain.headers()["etag"].clone(), packed.headers()["etag"].clone());
    assert_ne!(plain, packed);
    for tag in [plain, packed] {
        let tag = tag.to_str().expect("a tag");
        assert_eq!(server.response("/v1/tables", &[("if-none-match", tag)]).status().as_u16(), 304, "{tag}");
    }
}

#[test]
fn pages_follow_each_other_without_a_gap_or_an_overlap() {
    let server = Server::start(&demo_lake());
    let mut seen = Vec::new();
    let mut path = "/v1/districts?kind=precinct&limit=170".to_string();
    loop {
        let page = server.json(&path);
        let ids = page["rows"].as_array().into_iter().flatten().filter_map(|row| row["id"].as_str());
        seen.extend(ids.map(str::to_string));
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/districts?kind=precinct&limit=170&after={next}"),
            None => break,
        }
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((seen.len(), sorted.len()), (600, 600));
    assert_eq!(server.get("/v1/districts?after=nonsense").0, 400);
    assert_eq!(server.get("/v1/districts?limit=0").0, 400);
    assert_eq!(server.get("/v1/districts?limit=many").0, 400);
}

#[test]
fn a_page_of_another_site_is_not_answered_by_a_server_without_keys() {
    let server = Server::start(&demo_lake());
    for (name, value) in
        [("host", "rebound.example"), ("origin", "https://elsewhere.example"), ("origin", "null")]
    {
        assert_eq!(server.response("/v1/tables", &[(name, value)]).status().as_u16(), 403, "{name} {value}");
    }
    for (name, value) in
        [("host", "localhost:8080"), ("host", "[::1]:8080"), ("origin", "http://127.0.0.1:8080")]
    {
        assert_eq!(server.response("/v1/tables", &[(name, value)]).status().as_u16(), 200, "{name} {value}");
    }
}

#[test]
fn problems_are_told_as_problem_json_with_the_known_names() {
    let server = Server::start(&demo_lake());
    for (path, status, word) in [
        ("/v1/nowhere", 404, "/docs"),
        ("/v1/districts/parish/1", 400, "county"),
        ("/v1/districts/congressional/FK-CD-99", 404, "FK-CD-04"),
        ("/v1/districts/congressional/FK-CD-99/report", 404, "FK-CD-04"),
        ("/v1/districts?as_of=r999", 404, "r1"),
        ("/v1/releases/r999", 404, "r1"),
        ("/v1/jobs/none", 404, "no job"),
        ("/v1/locate?lon=500&lat=3", 400, "degrees"),
        ("/v1/locate?lon=5", 400, "lat"),
        ("/v1/results?mode=some", 400, "total"),
        ("/v1/districts/county/%ff", 400, "UTF-8"),
        ("/v1/districts/congressional/FK-CD-01@1990", 404, "FK-CD-01@2022"),
        ("/v1/districts/congressional/FK-CD-01@new", 400, "year"),
    ] {
        let response = server.response(path, &[]);
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        let problem: serde_json::Value = response.json().expect("a problem");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(word)), "{path}: {problem}");
        assert_eq!(problem["status"], status);
    }
    let client = reqwest::blocking::Client::new();
    let response = client.delete(format!("{}/v1/tables", server.url)).send().expect("an answer");
    assert_eq!(response.status().as_u16(), 405);
}

#[test]
fn requests_carry_an_id_and_are_counted_by_route() {
    let server = Server::start(&demo_lake());
    let response = server.response("/v1/districts/county/98001", &[("x-request-id", "abc")]);
    assert_eq!(response.headers()["x-request-id"], "abc");
    assert!(server.response("/v1/tables", &[]).headers().contains_key("x-request-id"));
    let (_, metrics) = server.get("/metrics");
    assert!(metrics.contains("route=\"/v1/districts/{kind}/{id}\""), "{metrics}");
    assert!(!metrics.contains("98001"), "metrics name routes, not what was asked for");
}
