//! A lake in an object store: an S3 emulator on this machine.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::harness::{Printed, binary, demo_source, text};

/// The emulator; stopped when dropped.
struct Store {
    child: Child,
    url: String,
}

impl Store {
    fn start() -> Store {
        let folder = std::env::var_os("BELLWETHER_ORACLES").expect("make test sets BELLWETHER_ORACLES");
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
            free.local_addr().expect("an address").port()
        };
        let child = Command::new(Path::new(&folder).join("bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the emulator starts");
        let store = Store { child, url: format!("http://127.0.0.1:{port}") };
        let client = reqwest::blocking::Client::new();
        let started = Instant::now();
        while !client
            .put(format!("{}/campaign", store.url))
            .send()
            .is_ok_and(|made| made.status().is_success())
        {
            assert!(started.elapsed() < Duration::from_secs(60), "the emulator does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        store
    }

    fn run(&self, arguments: &[&str]) -> Printed {
        let endpoint = format!("aws_endpoint={}", self.url);
        let options = [
            endpoint.as_str(),
            "aws_access_key_id=a",
            "aws_secret_access_key=b",
            "aws_region=us-east-1",
            "aws_allow_http=true",
        ];
        let output = Command::new(binary())
            .args(["--lake", "s3://campaign/lake"])
            .args(options.iter().flat_map(|option| ["--store-option", *option]))
            .args(arguments)
            .output()
            .expect("the binary starts");
        Printed {
            success: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        let printed = self.run(arguments);
        assert!(printed.success, "{arguments:?} failed: {}", printed.err);
        printed.out
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_lake_in_an_object_store_loads_derives_and_answers() {
    let store = Store::start();
    let counties = demo_source("tl_2020_98_county20.zip");
    let markets = demo_source("county_dma_fk.csv");
    let results = demo_source("vest_fk_2020_2020_vtd.csv");
    store.succeed(&["load", "boundaries", text(&counties)]);
    store.succeed(&["load", "markets", text(&markets)]);
    store.succeed(&["load", "results", text(&results)]);
    store.succeed(&["derive"]);
    let releases = store.succeed(&["releases"]);
    assert_eq!(releases.lines().filter(|line| line.starts_with('r')).count(), 4, "{releases}");
    // A refused load leaves the store as it was.
    let bad = tempfile::tempdir().expect("a folder");
    let cut = bad.path().join("tl_2020_98_county20.zip");
    let whole = std::fs::read(&counties).expect("the counties");
    std::fs::write(&cut, &whole[..whole.len() / 2]).expect("written");
    assert!(!store.run(&["load", "boundaries", text(&cut)]).success);
    assert_eq!(store.succeed(&["releases"]), releases);
    // The same content is recognised.
    store.succeed(&["load", "results", text(&results)]);
    assert_eq!(store.succeed(&["releases"]), releases);
    let query = "SELECT (SELECT count(*) FROM boundaries) AS counties, \
                 round(abs((SELECT sum(votes) FROM results) - (SELECT sum(votes) FROM district_results WHERE kind = 'county')), 6) AS lost";
    let answer = store.succeed(&["sql", query, "--format", "csv"]);
    assert_eq!(answer.lines().nth(1), Some("20,0.0"), "{answer}");
}
