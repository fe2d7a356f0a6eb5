//! Running the binary, starting servers on free ports, asking them, and calling the oracles.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use serde_json::Value;
use tempfile::TempDir;

/// The folder of the workspace.
///
/// Asked at run time: a build folder that two checkouts share may hold a test that the other one compiled.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for tests");
        Path::new(&manifest).parent().expect("the tests lie in the workspace").to_path_buf()
    })
}

/// The built binary, beside this test's own.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.parent().and_then(Path::parent).expect("cargo puts tests in deps");
    let binary = folder.join("bellwether");
    assert!(binary.exists(), "build first: make test does");
    binary
}

/// What a command printed.
pub struct Printed {
    pub success: bool,
    pub out: String,
    pub err: String,
}

/// Runs the binary to its end.
pub fn bellwether(lake: &Path, arguments: &[&str]) -> Printed {
    let output =
        Command::new(binary()).arg("--lake").arg(lake).args(arguments).output().expect("the binary starts");
    Printed {
        success: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs the binary and expects success.
pub fn succeed(lake: &Path, arguments: &[&str]) -> String {
    let printed = bellwether(lake, arguments);
    assert!(printed.success, "{arguments:?} failed: {}", printed.err);
    printed.out
}

/// A demo state that all tests read and none changes.
pub fn demo() -> &'static Path {
    static DEMO: OnceLock<TempDir> = OnceLock::new();
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let kept = DEMO.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let arguments = ["demo", "--voters", "20000", "--seed", "5", "--no-serve", "--folder"];
        let output =
            Command::new(binary()).args(arguments).arg(folder.path()).output().expect("the binary starts");
        assert!(output.status.success(), "demo failed: {}", String::from_utf8_lossy(&output.stderr));
        folder
    });
    FOLDER.get_or_init(|| kept.path().join("20000-voters-seed-5"))
}

pub fn demo_lake() -> PathBuf {
    demo().join("lake")
}

pub fn demo_source(name: &str) -> PathBuf {
    demo().join("sources").join(name)
}

/// A copy of the demo's lake that a test may change.
pub fn own_lake() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let lake = folder.path().join("lake");
    copy(&demo_lake(), &lake);
    (folder, lake)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a readable folder").flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true if entry.file_name() == ".serving" => {}
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

/// A running server. Stopped when dropped; its log must then hold no warning.
pub struct Server {
    child: Child,
    /// Whether its log may hold warnings.
    quarrelsome: bool,
    pub url: String,
    client: Client,
    log: PathBuf,
    _folder: TempDir,
}

impl Server {
    pub fn start(lake: &Path) -> Server {
        Server::start_with(lake, &[])
    }

    pub fn start_with(lake: &Path, arguments: &[&str]) -> Server {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = folder.path().join("log");
        let mut child = Command::new(binary())
            .arg("--lake")
            .arg(lake)
            .args(["serve", "--listen", "127.0.0.1:0", "--cache"])
            .arg(folder.path().join("cache"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).expect("a log file"))
            .spawn()
            .expect("the server starts");
        let lines = BufReader::new(child.stdout.take().expect("the output is piped")).lines();
        let line = lines.map_while(Result::ok).find(|line| line.starts_with("listening on "));
        let url = line.expect("the server says where it listens");
        let url = url.split_whitespace().nth(2).expect("an address").to_string();
        let client = Client::builder().timeout(Duration::from_secs(120)).build().expect("a client");
        let server = Server { child, quarrelsome: false, url, client, log, _folder: folder };
        let started = Instant::now();
        while server.get("/v1/health/ready").0 != 200 {
            assert!(
                started.elapsed() < Duration::from_secs(240),
                "the server is not ready: {}",
                server.log()
            );
            // A little apart: asking without a pause would take the cores that the server makes itself ready with.
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// A server that is given what it must warn of.
    pub fn quarrelsome(lake: &Path, arguments: &[&str]) -> Server {
        let mut server = Server::start_with(lake, arguments);
        server.quarrelsome = true;
        server
    }

    /// Status and body of a GET.
    pub fn get(&self, path: &str) -> (u16, String) {
        let response = self.client.get(format!("{}{path}", self.url)).send().expect("an answer");
        (response.status().as_u16(), response.text().expect("a text"))
    }

    pub fn response(&self, path: &str, headers: &[(&str, &str)]) -> reqwest::blocking::Response {
        let mut request = self.client.get(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().expect("an answer")
    }

    /// The JSON of a GET that must succeed.
    pub fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    pub fn post(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> (u16, Value) {
        let mut request = self.client.post(format!("{}{path}", self.url)).json(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().expect("an answer");
        let status = response.status().as_u16();
        (status, response.json().unwrap_or(Value::Null))
    }

    /// A POST of any body. Status and what was answered.
    pub fn send(&self, path: &str, media: &str, body: impl Into<reqwest::blocking::Body>) -> (u16, Value) {
        let request =
            self.client.post(format!("{}{path}", self.url)).header("content-type", media).body(body);
        let response = request.send().expect("an answer");
        (response.status().as_u16(), response.json().unwrap_or(Value::Null))
    }

    pub fn sql(&self, query: &str) -> (u16, Value) {
        self.post("/v1/sql", &serde_json::json!({"query": query}), &[])
    }

    /// Waits for a job's end.
    pub fn finish(&self, job: &str) -> Value {
        let started = Instant::now();
        loop {
            let state = self.json(&format!("/v1/jobs/{job}"));
            if state["state"] == "done" || state["state"] == "failed" {
                return state;
            }
            assert!(started.elapsed() < Duration::from_secs(120), "the job does not end");
            std::thread::yield_now();
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log();
        let bad = log.lines().find(|line| line.contains("\"WARN\"") || line.contains("\"ERROR\""));
        if !std::thread::panicking() && !self.quarrelsome {
            assert_eq!(bad, None, "the log holds a warning");
        }
    }
}

/// Real data, or none with a loud word that a test was left out.
pub fn real_data(test: &str) -> Option<PathBuf> {
    match std::env::var_os("BELLWETHER_REAL_DATA") {
        Some(folder) => Some(PathBuf::from(folder)),
        None => {
            eprintln!("LEFT OUT: {test} needs BELLWETHER_REAL_DATA, the folder of real data");
            None
        }
    }
}

/// Runs an oracle: a Python script that compares by independent means and prints what differs.
pub fn oracle(script: &str, arguments: &[&str]) -> String {
    let folder = std::env::var_os("BELLWETHER_ORACLES").expect("make test sets BELLWETHER_ORACLES");
    let python = Path::new(&folder).join("bin/python");
    let script = root().join("tests/oracles").join(script);
    let runner = root().join("tests/oracles/run.py");
    let output =
        Command::new(python).arg(runner).arg(&script).args(arguments).output().expect("the oracle starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{} disagrees:\n{out}\n{err}", script.display());
    out.into_owned()
}

/// The path as a text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}
