//! `/v1/districts`, reports, outlines and `/v1/locate`.

use super::harness::{Server, demo_lake, oracle, succeed, text};

#[test]
fn every_district_report_is_what_an_outside_engine_finds_in_the_lakes_files() {
    let lake = demo_lake();
    let server = Server::start(&lake);
    let told = oracle("reports.py", &[text(&lake), &server.url]);
    assert!(told.contains("reports agree"), "{told}");
}

#[test]
fn the_voters_of_each_kind_of_district_sum_to_all_voters() {
    let server = Server::start(&demo_lake());
    for (kind, districts) in [
        ("state", 1),
        ("county", 20),
        ("congressional", 4),
        ("state_senate", 10),
        ("state_house", 20),
        ("precinct", 600),
    ] {
        let rows = server.json(&format!("/v1/districts?kind={kind}&limit=10000"));
        let rows = rows["rows"].as_array().expect("rows");
        let voters: i64 = rows.iter().filter_map(|row| row["voters"].as_i64()).sum();
        assert_eq!((rows.len(), voters), (districts, 20_000), "{kind}");
    }
}

#[test]
fn every_outline_holds_its_own_middle() {
    let server = Server::start(&demo_lake());
    for kind in ["county", "congressional", "state_house"] {
        for row in
            server.json(&format!("/v1/districts?kind={kind}&limit=100"))["rows"].as_array().expect("rows")
        {
            let id = row["id"].as_str().expect("an id");
            let outline = server.json(&format!("/v1/districts/{kind}/{id}/boundary"));
            assert_eq!(outline["geometry"]["type"], "MultiPolygon");
            let year = &outline["properties"]["vintage"];
            assert_eq!(server.json(&format!("/v1/districts/{kind}/{id}@{year}"))["id"], id);
            let corner = &outline["geometry"]["coordinates"][0][0][0];
            let (x, y) = (corner[0].as_f64().expect("x"), corner[1].as_f64().expect("y"));
            let found = server.json(&format!("/v1/locate?lon={x}&lat={y}"));
            let of_kind =
                found["rows"].as_array().into_iter().flatten().filter(|row| row["kind"] == kind).count();
            assert_eq!(of_kind, 1, "a corner of {id} belongs to exactly one {kind}");
        }
    }
}

#[test]
fn the_command_and_the_route_locate_alike() {
    let lake = demo_lake();
    let server = Server::start(&lake);
    let found = server.json("/v1/locate?lon=-43.2&lat=33.9");
    let id = |kind: &str| {
        let rows = found["rows"].as_array().expect("rows");
        rows.iter()
            .find(|row| row["kind"] == kind)
            .and_then(|row| row["id"].as_str())
            .unwrap_or("")
            .to_string()
    };
    let mut child = std::process::Command::new(super::harness::binary())
        .args(["--lake", text(&lake), "locate"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("stdin"), b"-43.2,33.9\n0,0\n")
        .expect("written");
    let out = child.wait_with_output().expect("an end");
    let out = String::from_utf8_lossy(&out.stdout).into_owned();
    let kinds =
        ["state", "county", "congressional", "state_senate", "state_house", "precinct", "media_market"];
    let expect = format!("-43.2,33.9,{}", kinds.map(id).join(","));
    assert_eq!(out.lines().nth(1), Some(expect.as_str()));
    assert_eq!(out.lines().nth(2), Some("0,0,,,,,,,"));
    assert!(succeed(&lake, &["releases"]).contains("derived"));
}
