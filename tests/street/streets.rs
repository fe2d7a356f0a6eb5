//! Street networks: extracts of OpenStreetMap are loaded, turfs keep to one bank of a river, and walks lead along streets.

use serde_json::{Value, json};

use super::harness::{Server, bellwether, oracle, own_lake, succeed, text};
use super::turfs::{area, cut, id};

#[test]
fn turfs_keep_to_the_streets_and_to_one_bank() {
    let (folder, lake) = own_lake();
    let extract = folder.path().join("invented-latest.osm.pbf");
    let request = {
        let server = Server::start(&lake);
        let request = json!({"name": "Streets", "area": area(&server), "doors_per_turf": 30});
        let before = cut(&server, &request);
        println!("{}", oracle("streets.py", &["make", &server.url, &id(&before["cut"]), text(&extract)]));
        let forget = reqwest::blocking::Client::new().delete(format!(
            "{}/v1/turf-cuts/{}",
            server.url,
            id(&before["cut"])
        ));
        assert_eq!(forget.send().expect("an answer").status().as_u16(), 204);
        request
    };
    // One way of the extract has none of its nodes there, as at the edge of every extract.
    let loaded = succeed(&lake, &["load", "streets", "--max-rejects", "5", text(&extract)]);
    assert!(loaded.lines().any(|line| line.contains("rejected") && line.trim().ends_with(" 1")), "{loaded}");
    let server = Server::start(&lake);
    let (_, counted) = server.sql("SELECT source, barrier, count(*) AS ways, min(class) AS class FROM streets GROUP BY source, barrier ORDER BY barrier");
    assert_eq!(
        counted["rows"][1],
        json!({"source": "invented-latest", "barrier": true, "ways": 1, "class": "river"})
    );
    let made = cut(&server, &request);
    println!("{}", oracle("streets.py", &["check", &server.url, &id(&made["cut"]), text(&extract)]));
    // The walk is drawn along the streets.
    let turf = id(&made["turfs"][0]["id"]);
    let drawn = server.json(&format!("/v1/turfs/{turf}/doors?format=geojson"));
    let features = drawn["features"].as_array().expect("features");
    let of = |kind: &str| {
        features.iter().filter(|feature| feature["properties"]["kind"] == kind).collect::<Vec<&Value>>()
    };
    let line = of("walk")[0]["geometry"]["coordinates"].as_array().expect("a line");
    assert!(line.len() >= 4, "{} points", line.len());
    let (_, told) = server.post(&format!("/v1/turfs/{turf}/release"), &json!({}), &[]);
    let link = told["link"].as_str().expect("a link").rsplit('/').next().expect("a secret");
    let phone = server.json(&format!("/v1/walks/{link}"));
    assert_eq!(phone["path"], json!(line));
    assert!(
        phone["streets"].as_array().expect("streets").iter().any(|street| street["points"]
            .as_array()
            .expect("points")
            .len()
            > 1)
    );
    let (status, _) = server.get(&format!("/v1/turfs/{turf}/doors?format=pdf"));
    assert_eq!(status, 200);
}

#[test]
fn an_extract_that_cannot_be_read_changes_nothing() {
    let (folder, lake) = own_lake();
    let releases = succeed(&lake, &["releases"]);
    let broken = folder.path().join("broken.osm.pbf");
    for bytes in [&b"this is no extract of anything at all"[..], &[0, 0, 0, 13, 10, 7][..]] {
        std::fs::write(&broken, bytes).expect("a file");
        let printed = bellwether(&lake, &["load", "streets", text(&broken)]);
        assert!(!printed.success && printed.err.contains("broken.osm.pbf"), "{}", printed.err);
    }
    assert_eq!(succeed(&lake, &["releases"]), releases);
}
