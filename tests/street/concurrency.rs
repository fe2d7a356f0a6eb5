//! Many clients while releases change.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::harness::{Server, demo_source, own_lake, succeed, text};

/// Clients that ask at once.
const CLIENTS: usize = 64;

#[test]
fn clients_asking_while_a_release_is_swapped_see_no_error_and_no_mixed_answer() {
    let (folder, lake) = own_lake();
    let server = Server::start(&lake);
    let voters = std::fs::read_to_string(demo_source("voters_fk.csv")).expect("voters");
    let lines: Vec<&str> = voters.lines().collect();
    let stop = AtomicBool::new(false);
    let (asked, releases) = (AtomicUsize::new(0), std::sync::Mutex::new(std::collections::BTreeSet::new()));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (server, stop, asked, releases) = (&server, &stop, &asked, &releases);
            scope.spawn(move || {
                let mut turn = client;
                while !stop.load(Ordering::Relaxed) {
                    turn += 1;
                    let path = match turn % 3 {
                        0 => format!("/v1/districts/county/98{:03}/report", (turn % 20) * 2 + 1),
                        1 => format!("/v1/districts/state_house/FK-HD-{:02}/report", turn % 20 + 1),
                        _ => "/v1/districts/state/FK/report".to_string(),
                    };
                    let response = server.response(&path, &[]);
                    let status = response.status().as_u16();
                    let header =
                        response.headers()["bellwether-release"].to_str().expect("a release").to_string();
                    assert_eq!(status, 200, "{path}");
                    let report: serde_json::Value = response.json().expect("JSON");
                    assert_eq!(report["release"], header.as_str());
                    // A district without voters has no parties.
                    let parties =
                        report["registration"]["party"].as_object().into_iter().flat_map(|p| p.values());
                    let sum: i64 = parties.filter_map(|count| count.as_i64()).sum();
                    assert_eq!(Some(sum), report["district"]["voters"].as_i64(), "{path} mixes two releases");
                    asked.fetch_add(1, Ordering::Relaxed);
                    releases.lock().expect("not poisoned").insert(header);
                }
            });
        }
        for kept in [15_000, 10_000, 5_000] {
            let path = folder.path().join("fewer.csv");
            std::fs::write(&path, lines[..=kept].join("\n") + "\n").expect("written");
            succeed(&lake, &["load", "voters", text(&path), "--state", "FK"]);
            let derived = succeed(&lake, &["derive"]);
            let release = derived.split_whitespace().last().expect("a release").to_string();
            let started = std::time::Instant::now();
            while !releases.lock().expect("not poisoned").contains(&release) {
                assert!(started.elapsed().as_secs() < 60, "nobody was answered from {release}");
                std::thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(asked.load(Ordering::Relaxed) > CLIENTS * 3);
    assert!(releases.lock().expect("not poisoned").len() >= 4);
}
