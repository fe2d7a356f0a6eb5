//! The invariants that the README's code map states.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::harness::root;

/// Rooms from the street down to the vocabulary: a room may use those below it.
const ORDER: [&str; 18] = [
    "tests",
    "api",
    "generator",
    "derive",
    "warehouse",
    "electorate",
    "targeting",
    "linkage",
    "media",
    "field",
    "sheets",
    "console",
    "atlas",
    "delivery",
    "posts",
    "lake",
    "loaders",
    "schema",
];

/// Heavy libraries and the one room that may name each.
const OWNERS: [(&str, &str); 13] = [
    ("duckdb", "warehouse"),
    ("polars", "loaders"),
    ("geo", "atlas"),
    ("rstar", "atlas"),
    ("petgraph", "media"),
    ("axum", "api"),
    ("clap", "api"),
    ("deltalake-core", "lake"),
    ("object_store", "lake"),
    ("aws-lc-rs", "delivery"),
    ("delaunator", "field"),
    ("krilla", "sheets"),
    ("osmpbf", "loaders"),
];

fn rooms() -> BTreeMap<String, PathBuf> {
    let mut rooms = BTreeMap::new();
    for folder in ["schema", "loaders", "tests"] {
        rooms.insert(folder.to_string(), root().join(folder));
    }
    for entry in std::fs::read_dir(root().join("server")).expect("the server's rooms").flatten() {
        rooms.insert(entry.file_name().to_string_lossy().into_owned(), entry.path());
    }
    rooms
}

fn dependencies(room: &Path) -> Vec<String> {
    let manifest = std::fs::read_to_string(room.join("Cargo.toml")).expect("a manifest");
    let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
    let names = |section: &str| -> Vec<String> {
        manifest
            .get(section)
            .and_then(toml::Value::as_table)
            .into_iter()
            .flat_map(|t| t.keys().cloned())
            .collect()
    };
    names("dependencies")
}

fn sources(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path, endings));
        } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_room_stands_in_the_order_and_uses_only_rooms_below_it() {
    for (name, path) in rooms() {
        let place = ORDER.iter().position(|room| *room == name);
        let place = place.unwrap_or_else(|| panic!("room {name} has no place in the order"));
        for dependency in dependencies(&path) {
            if let Some(other) = dependency.strip_prefix("bellwether-") {
                let below = ORDER[place + 1..].contains(&other);
                assert!(below, "{name} uses {other}, which is not below it");
            }
        }
    }
}

#[test]
fn each_heavy_library_lives_in_one_room() {
    for (name, path) in rooms() {
        for dependency in dependencies(&path) {
            if let Some((_, owner)) = OWNERS.iter().find(|(library, _)| *library == dependency) {
                assert_eq!(name, *owner, "{name} names {dependency}");
            }
        }
    }
}

#[test]
fn the_schema_does_no_io_and_rooms_below_the_api_know_no_http() {
    for (name, path) in rooms() {
        for file in sources(&path.join("src"), &[".rs"]) {
            let text = std::fs::read_to_string(&file).expect("a source file");
            let none = |words: &[&str]| {
                for word in words {
                    assert!(!text.contains(word), "{} holds {word}", file.display());
                }
            };
            match name.as_str() {
                "schema" => none(&["std::fs", "std::net", "std::env", "tokio"]),
                "api" | "tests" => {}
                _ => none(&["axum", "StatusCode", "std::env::var"]),
            }
            if name == "atlas" {
                none(&["std::fs", "std::net", "tokio"]);
            }
        }
    }
}

#[test]
fn no_file_is_longer_than_can_be_read_in_one_sitting() {
    for path in rooms().values() {
        for file in sources(path, &[".rs", ".sql", ".py"]) {
            let lines = std::fs::read_to_string(&file).expect("a source file").lines().count();
            assert!(lines <= 600, "{} has {lines} lines", file.display());
        }
    }
}

#[test]
fn every_room_has_a_readme_and_every_source_file_says_what_it_is_for() {
    for (name, path) in rooms() {
        assert!(path.join("README.md").exists(), "{name} has no README");
        for file in sources(&path, &[".rs"]) {
            let text = std::fs::read_to_string(&file).expect("a source file");
            assert!(text.starts_with("//!"), "{} does not say what it is for", file.display());
        }
    }
}

#[test]
fn the_map_in_the_readme_names_every_room() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    for (name, path) in rooms() {
        let shown = path.strip_prefix(root()).expect("rooms lie in the workspace").display().to_string();
        assert!(readme.contains(&format!("`{shown}")), "the README's map lacks {name}");
    }
}

#[test]
fn the_makefile_has_fewer_than_ten_one_line_targets() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).expect("the Makefile");
    let targets = makefile.lines().filter(|line| line.contains(": ; ")).count();
    assert!((1..10).contains(&targets));
    assert!(!makefile.lines().any(|line| line.starts_with('\t')), "a target has more than one line");
}
