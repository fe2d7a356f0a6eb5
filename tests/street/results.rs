//! `/v1/results`.

use super::harness::{Server, demo_lake};

#[test]
fn no_vote_is_lost_on_the_way_to_any_kind_of_district() {
    let server = Server::start(&demo_lake());
    let total = |query: &str| -> f64 {
        let answer = server.json(&format!("/v1/results?limit=100000&{query}"));
        answer["rows"].as_array().into_iter().flatten().filter_map(|row| row["votes"].as_f64()).sum()
    };
    let whole = total("kind=state&election=2020-11-03/general&contest=president");
    assert!(whole > 1000.0);
    for kind in ["county", "congressional", "state_senate", "state_house", "precinct", "media_market"] {
        let sum = total(&format!("kind={kind}&election=2020-11-03/general&contest=president"));
        assert!((sum - whole).abs() < 0.5, "{kind}: {sum} of {whole}");
    }
}

#[test]
fn a_district_knows_the_contests_on_its_own_lines() {
    let server = Server::start(&demo_lake());
    let answer =
        server.json("/v1/districts/state_house/FK-HD-07/results?election=2022-11-08/general&limit=1000");
    let rows = answer["rows"].as_array().expect("rows");
    let contests: Vec<&str> = rows.iter().filter_map(|row| row["contest"].as_str()).collect();
    assert!(contests.contains(&"state_house/FK-HD-07") && contests.contains(&"governor"), "{contests:?}");
    for row in rows {
        let [low, votes, high] = ["low", "votes", "high"].map(|field| row[field].as_f64().expect("a number"));
        assert!(low <= votes + 1e-6 && votes <= high + 1e-6, "{row}");
        assert!(row["method"] != "counted" || (low == votes && votes == high), "{row}");
    }
}
