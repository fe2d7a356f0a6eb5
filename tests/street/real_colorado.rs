//! The real Colorado, loaded by the README's commands and compared with independent tools. Left out, loudly, where
//! the data is not there.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

use super::harness::{Server, oracle, real_data, root, succeed, text};

/// The README's commands for real data, by which the lake of these tests is loaded.
fn commands(data: &Path) -> Vec<Vec<String>> {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    let commands = readme.lines().filter_map(|line| line.strip_prefix("bellwether load "));
    let expand = |word: &str| -> Vec<String> {
        let Some(rest) = word.strip_prefix("$DATA/") else {
            return vec![word.to_string()];
        };
        let Some((folder, pattern)) = rest.rsplit_once('/').filter(|(_, name)| name.contains('*')) else {
            return vec![format!("{}/{rest}", data.display())];
        };
        let (start, end) = pattern.split_once('*').expect("a pattern has a star");
        let mut found: Vec<String> = std::fs::read_dir(data.join(folder))
            .expect("a folder of real data")
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                let name =
                    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                name.starts_with(start) && name.ends_with(end)
            })
            .map(|path| path.display().to_string())
            .collect();
        found.sort();
        found
    };
    commands
        .map(|line| {
            let words = line.split_whitespace().flat_map(expand);
            std::iter::once("load".to_string()).chain(words).collect()
        })
        .collect()
}

fn lake(data: &Path) -> PathBuf {
    static LAKE: OnceLock<TempDir> = OnceLock::new();
    let folder = LAKE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let lake = folder.path().join("lake");
        let commands = commands(data);
        assert!(commands.len() >= 8, "the README's commands were not found");
        for command in commands {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            succeed(&lake, &words);
        }
        succeed(&lake, &["derive"]);
        folder
    });
    folder.path().join("lake")
}

#[test]
fn real_counts_are_those_that_the_census_and_the_state_publish() {
    let Some(data) = real_data("real counts") else {
        return;
    };
    let server = Server::start(&lake(&data));
    for (kind, count) in
        [("precinct", 3108), ("county", 64), ("congressional", 8), ("state_senate", 35), ("state_house", 65)]
    {
        let rows = server.json(&format!("/v1/districts?kind={kind}&state=CO&limit=10000"));
        assert_eq!(rows["rows"].as_array().map(Vec::len), Some(count), "{kind}");
    }
    assert_eq!(server.json("/v1/districts/congressional/CO-CD-07")["name"], "Congressional District 7");
    let markets = server.json("/v1/districts?kind=media_market&limit=10000");
    assert_eq!(markets["rows"].as_array().map(Vec::len), Some(209));
    // Published by the Secretary of State: votes for governor in 2018.
    let governor =
        server.json("/v1/results?election=2018-11-06/general&contest=governor&state=CO&source=mit_2018");
    assert_eq!(governor["rows"][0]["candidate"], "JARED POLIS / DIANNE PRIMAVERA");
    assert_eq!(governor["rows"][0]["votes"], 1_348_888.0);
}

#[test]
fn real_votes_of_every_candidate_equal_the_files_own_sums() {
    let Some(data) = real_data("real votes") else {
        return;
    };
    let server = Server::start(&lake(&data));
    let told = oracle("results.py", &[text(&data), &server.url]);
    assert!(told.contains("results agree"), "{told}");
}

#[test]
fn real_votes_on_older_lines_hold_the_published_totals() {
    let Some(data) = real_data("published totals") else {
        return;
    };
    let server = Server::start(&lake(&data));
    let told = oracle("lines.py", &[text(&data), &server.url]);
    assert!(told.contains("14 published totals lie within the bounds"), "{told}");
}

#[test]
fn real_borders_stay_shared_in_vector_tiles() {
    let Some(data) = real_data("vector tiles") else {
        return;
    };
    let server = Server::start(&lake(&data));
    let told = oracle("tiles.py", &[&server.url, "congressional"]);
    assert!(told.contains("8 of 8 districts seen"), "{told}");
}

#[test]
fn real_points_are_located_as_shapely_locates_them() {
    let Some(data) = real_data("real points") else {
        return;
    };
    let told = oracle("locate.py", &[text(&data), text(&super::harness::binary()), text(&lake(&data))]);
    assert!(told.contains("100000 points agree"), "{told}");
}

#[test]
fn every_field_of_the_sample_voter_files_is_in_the_tables() {
    let Some(data) = real_data("sample voter files") else {
        return;
    };
    let layouts = root().join("schema/layouts");
    let told = oracle("voters.py", &[text(&data), text(&lake(&data)), text(&layouts)]);
    assert!(told.contains("fields agree"), "{told}");
}

#[test]
fn a_generated_electorate_keeps_each_countys_parties_and_turnout() {
    let Some(data) = real_data("a generated electorate") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let generated = folder.path().join("generated");
    let own = folder.path().join("lake");
    let arguments =
        ["generate", "--state", "CO", "--voters", "60000", "--seed", "3", "--from", text(&data), "--to"];
    succeed(&own, &[&arguments[..], &[text(&generated)]].concat());
    for kind in ["voters", "history"] {
        let file = generated.join(format!("{kind}_co.csv"));
        succeed(&own, &["load", kind, text(&file), "--state", "CO"]);
    }
    let told = oracle("electorate.py", &[text(&own), text(&generated.join("drawn_from_co.csv"))]);
    assert!(told.contains("64 counties agree"), "{told}");
}
