//! `/v1/tables`, the printed catalog and the OpenAPI document.

use super::harness::{Server, demo_lake, root, succeed};

#[test]
fn the_catalog_names_every_column_with_its_privacy_class_and_the_rows_of_the_release() {
    let server = Server::start(&demo_lake());
    let tables = server.json("/v1/tables");
    let rows = tables["rows"].as_array().expect("rows");
    let voters = rows.iter().find(|table| table["name"] == "voters").expect("a voters table");
    assert_eq!(voters["rows"], 20_000);
    let column =
        |name: &str| voters["columns"].as_array().into_iter().flatten().find(|c| c["name"] == name).cloned();
    assert_eq!(column("last_name").expect("a column")["privacy"], "identifying");
    assert_eq!(column("birth_year").expect("a column")["type"], "integer");
    assert_eq!(server.json("/v1/tables/voters")["rows"], 20_000);
    let (status, body) = server.get("/v1/tables/voter");
    assert_eq!(status, 404);
    assert!(body.contains("voter_history"), "a 404 names the known tables: {body}");
}

#[test]
fn the_printed_documents_are_what_the_binary_prints() {
    let lake = demo_lake();
    for (command, file) in [("tables", "schema/CATALOG.md"), ("openapi", "server/api/openapi.json")] {
        let printed = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        let same = printed.trim() == succeed(&lake, &[command]).trim();
        assert!(same, "{file} is not what the program prints: run make documents");
    }
}

#[test]
fn the_openapi_document_is_served_with_a_page_that_needs_no_other_host() {
    let server = Server::start(&demo_lake());
    let document = server.json("/v1/openapi.json");
    for path in ["/v1/districts", "/v1/districts/{kind}/{id}/report", "/v1/sql", "/v1/loads", "/v1/locate"] {
        assert!(document["paths"].get(path).is_some(), "{path}");
    }
    let (status, page) = server.get("/docs/");
    assert_eq!(status, 200);
    assert!(!page.contains("https://"), "the page loads something from elsewhere");
}
