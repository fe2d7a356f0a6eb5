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
