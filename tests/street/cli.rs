//! The commands: releases, asking an earlier one, generating.

use super::harness::{Server, bellwether, demo, demo_lake, demo_source, own_lake, succeed, text};

#[test]
fn an_earlier_release_answers_as_it_did() {
    let (_folder, lake) = own_lake();
    let history = demo_source("history_fk.csv");
    let server = Server::start(&lake);
    let before = server.json("/v1/health/ready")["release"].as_str().expect("a release").to_string();
    let path = format!("/v1/districts/county/98001/report?as_of={before}");
    let (_, first) = server.get(&path);
    let page = server.json("/v1/districts?kind=county&limit=7");
    let cursor = page["next"].as_str().expect("a next page").to_string();
    // The first half of the history alone: turnout changes.
    let half = lake.parent().expect("a folder").join("half.csv");
    let lines = std::fs::read_to_string(history).expect("the history");
    let count = lines.lines().count() / 2;
    std::fs::write(&half, lines.lines().take(count).collect::<Vec<_>>().join("\n") + "\n").expect("written");
    succeed(&lake, &["load", "history", text(&half), "--state", "FK"]);
    succeed(&lake, &["derive"]);
    let started = std::time::Instant::now();
    while server.json("/v1/health/ready")["release"] == before.as_str() {
        assert!(started.elapsed().as_secs() < 60, "the server notices a new release");
    }
    let (_, after) = server.get("/v1/districts/county/98001/report");
    let next = server.json(&format!("/v1/districts?kind=county&limit=7&after={cursor}"));
    assert_eq!(next["release"], before.as_str(), "a cursor goes on in its own release");
    assert_ne!(first, after);
    assert_eq!(server.get(&path).1, first, "byte for byte");
}

#[test]
fn the_diff_of_two_releases_counts_who_came_went_moved_and_switched() {
    let (_folder, lake) = own_lake();
    let before = succeed(&lake, &["releases"]).lines().last().expect("a release").to_string();
    let before = before.split_whitespace().next().expect("an id").to_string();
    let voters = std::fs::read_to_string(demo_source("voters_fk.csv")).expect("voters");
    let mut lines: Vec<String> = voters.lines().map(str::to_string).collect();
    let change = |line: &mut String, from: &str, to: &str| {
        assert!(line.contains(from), "the line has no {from}");
        *line = line.replacen(from, to, 1);
    };
    // One gone, one under a new id, one at another address, and every Libertarian a Green.
    let gone = lines.remove(3);
    assert!(!gone.is_empty());
    change(&mut lines[5], "\"90000", "\"80000");
    let address = lines[7].split("\",\"").nth(20).expect("an address").to_string();
    change(&mut lines[7], &format!("\",\"{address}\",\""), "\",\"1 NOWHERE ST\",\"");
    let switched = lines.iter().filter(|line| line.contains("\",\"LBR\",\"")).count() as i64;
    lines.iter_mut().for_each(|line| *line = line.replace("\",\"LBR\",\"", "\",\"GRN\",\""));
    let path = lake.parent().expect("a folder").join("changed.csv");
    std::fs::write(&path, lines.join("\r\n") + "\r\n").expect("written");
    succeed(&lake, &["load", "voters", text(&path), "--state", "FK"]);
    let server = Server::start(&lake);
    let after = server.json("/v1/health/ready")["release"].as_str().expect("a release").to_string();
    let diff = server.json(&format!("/v1/releases/{before}/diff/{after}?limit=1000"));
    let sum = |field: &str| -> i64 {
        diff["rows"].as_array().into_iter().flatten().filter_map(|row| row[field].as_i64()).sum()
    };
    assert!(switched > 50);
    assert_eq!([sum("new"), sum("removed"), sum("moved")], [1, 2, 1], "{diff}");
    // A changed id may be a Libertarian's: then there is one switch less.
    assert!([switched, switched - 1].contains(&sum("party_switched")), "{diff}");
    assert_eq!(server.get(&format!("/v1/releases/{before}/diff/r999")).0, 404);
}

#[test]
fn the_same_seed_gives_the_same_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake");
    let sources = demo().join("sources");
    for (to, seed) in [("a", "9"), ("b", "9"), ("c", "10")] {
        let to = folder.path().join(to);
        let arguments = [
            "generate",
            "--state",
            "FK",
            "--voters",
            "2000",
            "--seed",
            seed,
            "--from",
            text(&sources),
            "--to",
        ];
        succeed(&lake, &[&arguments[..], &[text(&to)]].concat());
    }
    let read = |path: &str| std::fs::read(folder.path().join(path)).expect("a file");
    for file in ["voters_fk.csv", "history_fk.csv", "addresses_fk.csv"] {
        assert_eq!(read(&format!("a/{file}")), read(&format!("b/{file}")), "{file}");
        assert_ne!(read(&format!("a/{file}")), read(&format!("c/{file}")), "{file}");
    }
}

#[test]
fn a_server_without_keys_stays_on_loopback() {
    let printed = bellwether(&demo_lake(), &["serve", "--listen", "0.0.0.0:0"]);
    assert!(!printed.success);
    assert!(printed.err.contains("loopback"), "{}", printed.err);
}

#[test]
fn deriving_twice_makes_nothing_new() {
    let (_folder, lake) = own_lake();
    let releases = succeed(&lake, &["releases"]);
    let told = succeed(&lake, &["derive"]);
    assert_eq!(succeed(&lake, &["releases"]), releases, "{told}");
}
