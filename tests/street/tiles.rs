//! Vector tiles, read by an independent decoder.

use serde_json::Value;

use super::harness::{Server, demo_lake, oracle};

#[test]
fn tiles_share_their_borders_and_carry_what_aggregates_answer() {
    let server = Server::start(&demo_lake());
    for kind in ["precinct", "congressional"] {
        let told = oracle("tiles.py", &[&server.url, kind]);
        assert!(told.contains("borders shared"), "{told}");
    }
}

#[test]
fn what_is_no_tile_is_told_so() {
    let server = Server::start(&demo_lake());
    for (path, status, expected) in [
        ("/v1/tiles/precint/5/6/12", 404, "precinct"),
        ("/v1/tiles/precinct/15/0/0", 404, "0 to 14"),
        ("/v1/tiles/precinct/3/8/0", 404, "below 2^zoom"),
        ("/v1/tiles/precinct/x/8/0", 400, "cannot"),
        ("/v1/tiles/precinct/0/0/0?measures=votes", 400, "unknown measure"),
        ("/v1/tiles/precinct/0/0/0?where=party", 400, "no JSON"),
    ] {
        let (told, body) = server.get(path);
        assert_eq!(told, status, "{path}: {body}");
        assert!(body.to_lowercase().contains(&expected.to_lowercase()), "{path}: {body}");
    }
    let nowhere = server.response("/v1/tiles/precinct/10/0/0", &[]);
    assert_eq!(nowhere.status().as_u16(), 200);
    assert!(nowhere.bytes().expect("a body").is_empty());
    let about: Value = server.json("/v1/tiles/precinct");
    assert_eq!(about["tilejson"], "3.0.0");
    let world = server.response("/v1/tiles/precinct/0/0/0", &[]);
    let header =
        |name: &str| world.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert_eq!(header("content-type"), "application/vnd.mapbox-vector-tile");
    assert!(!header("etag").is_empty() && !header("bellwether-release").is_empty());
}
