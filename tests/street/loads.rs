//! Loads: bad files, repeated files, killed loads, and the load route.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::harness::{Server, bellwether, binary, demo_source, oracle, own_lake, succeed, text};

/// A file that must be refused with a message that holds the word, and change nothing.
fn check_refused(lake: &Path, arguments: &[&str], word: &str) {
    let before = succeed(lake, &["releases"]);
    let printed = bellwether(lake, arguments);
    assert!(!printed.success, "{arguments:?} was accepted: {}", printed.out);
    assert!(printed.err.contains(word), "{arguments:?}: {}", printed.err);
    assert_eq!(succeed(lake, &["releases"]), before, "{arguments:?}");
}

fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("written");
    path
}

#[test]
fn bad_files_are_refused_with_a_clear_message_and_change_nothing() {
    let (folder, lake) = own_lake();
    let folder = folder.path();
    let zip = std::fs::read(demo_source("tl_2022_98_cd118.zip")).expect("a zip");
    let cut = write(folder, "tl_2022_98_cd118.zip", &zip[..zip.len() / 2]);
    check_refused(&lake, &["load", "boundaries", text(&cut)], "damaged");
    let packed = std::fs::read(demo_source("tl_2020_98_vtd20.geojson.gz")).expect("a gzip");
    let cut = write(folder, "tl_2020_98_vtd20.geojson.gz", &packed[..packed.len() / 2]);
    check_refused(&lake, &["load", "boundaries", text(&cut)], "damaged");
    let empty = write(folder, "empty.csv", "");
    for kind in ["results", "markets", "population", "population-centres", "addresses"] {
        check_refused(&lake, &["load", kind, text(&empty)], "empty");
    }
    check_refused(&lake, &["load", "voters", text(&empty), "--state", "FK"], "empty");
    let history = demo_source("history_fk.csv");
    check_refused(&lake, &["load", "voters", text(&history), "--state", "FK"], "not in the expected layout");
    check_refused(&lake, &["load", "results", text(&history)], "not in the expected layout");
    let voters = demo_source("voters_fk.csv");
    check_refused(&lake, &["load", "voters", text(&voters), "--state", "NC"], "not in the expected layout");
    check_refused(&lake, &["load", "voters", text(&voters), "--state", "XX"], "no layout for state XX");
    check_refused(&lake, &["load", "voters", text(&voters)], "--state");
    let votes = std::fs::read_to_string(demo_source("vest_fk_2020_2020_vtd.csv")).expect("votes");
    let letters: Vec<String> = votes
        .lines()
        .enumerate()
        .map(|(index, line)| match index {
            0 => line.to_string(),
            _ => format!("{},many", line.rsplit_once(',').expect("fields").0),
        })
        .collect();
    let letters = write(folder, "vest_fk_2020_2020_vtd.csv", letters.join("\n"));
    check_refused(&lake, &["load", "results", text(&letters)], "votes are not a number");
    check_refused(&lake, &["load", "results", "/nowhere/results.csv"], "cannot read results.csv");
}

#[test]
fn people_of_tracts_and_of_their_block_groups_are_not_counted_twice() {
    let (folder, lake) = own_lake();
    let mut lines = vec!["STATEFP,COUNTYFP,TRACTCE,BLKGRPCE,POPULATION,LATITUDE,LONGITUDE".to_string()];
    let group = |at: usize| format!("98,001,{at:06},1,{at},+33.5,-043.5");
    lines.extend((1..=400).map(group));
    lines.extend([group(7), "98,001,000401,,5,+33.5,-043.5".into(), "98,001,000402,1,x,+33.5,-043.5".into()]);
    lines.push("98,001,000403,1,5,+93.5,-043.5".into());
    let groups = write(folder.path(), "CenPop2020_Mean_BG98.txt", lines.join("\n"));
    let tracts = "STATEFP,COUNTYFP,TRACTCE,POPULATION,LATITUDE,LONGITUDE\n98,001,000007,7,+33.5,-043.5\n";
    let tracts = write(folder.path(), "CenPop2020_Mean_TR98.txt", tracts);
    let told =
        succeed(&lake, &["load", "population-centres", "--max-rejects", "2", text(&groups), text(&tracts)]);
    for reason in
        ["came before", "another census level", "not a census code", "not a count", "not a coordinate"]
    {
        assert!(told.contains(reason), "{told}");
    }
    let sum =
        succeed(&lake, &["sql", "SELECT count(*) AS n, sum(population) AS people FROM population_centres"]);
    assert!(sum.contains("400") && sum.contains("80200"), "{sum}");
}

#[test]
fn a_shapefile_without_its_table_is_refused_by_name() {
    let (folder, lake) = own_lake();
    let mut archive =
        zip::ZipArchive::new(std::fs::File::open(demo_source("tl_2022_98_cd118.zip")).expect("a zip"))
            .expect("a zip");
    for (left_out, path) in [(".dbf", "a.zip"), (".prj", "b.zip"), (".shp", "c.zip")] {
        let path = folder.path().join(format!("tl_2022_98_{path}"));
        let mut writer = zip::ZipWriter::new(std::fs::File::create(&path).expect("a file"));
        for index in 0..archive.len() {
            let member = archive.by_index_raw(index).expect("a member");
            if !member.name().expect("a name").ends_with(left_out) {
                writer.raw_copy_file(member).expect("copied");
            }
        }
        writer.finish().expect("a zip");
        check_refused(&lake, &["load", "boundaries", text(&path)], &format!("no {left_out} file"));
    }
}

#[test]
fn a_few_bad_rows_are_rejects_with_their_place_and_never_their_value() {
    let (folder, lake) = own_lake();
    let voters = std::fs::read_to_string(demo_source("voters_fk.csv")).expect("voters");
    let mut lines: Vec<String> = voters.lines().take(1000).map(str::to_string).collect();
    let header: Vec<String> = lines[0].split(',').map(|name| name.trim_matches('"').to_string()).collect();
    let mut spoil = |line: usize, column: &str, value: &str| {
        let at = header.iter().position(|name| name == column).expect("a column");
        // Commas within quotes stand in no field before the ones that are spoiled.
        let mut fields: Vec<String> = lines[line].split("\",\"").map(str::to_string).collect();
        fields[at] = value.to_string();
        lines[line] = fields.join("\",\"");
    };
    spoil(10, "REGISTRATION_DATE", "13/45/2010");
    spoil(20, "BIRTH_YEAR", "SECRET");
    lines[30] = "\"only\",\"two\"".into();
    lines[40] = lines[39].clone();
    let path = write(folder.path(), "voters.csv", lines.join("\r\n") + "\r\n");
    let strict = ["load", "voters", text(&path), "--state", "FK", "--max-rejects", "0.1"];
    check_refused(&lake, &strict, "more than the 0.1 % allowed");
    let printed = succeed(&lake, &["load", "voters", text(&path), "--state", "FK"]);
    assert!(printed.contains("rows rejected             4"), "{printed}");
    let rejects: Vec<PathBuf> = std::fs::read_dir(lake.join("rejects"))
        .expect("rejects")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let rejects = std::fs::read_to_string(&rejects[0]).expect("rejects");
    for (line, column, reason) in [
        (11, "REGISTRATION_DATE", "not a date"),
        (21, "BIRTH_YEAR", "not a whole number"),
        (31, "", "too few fields"),
        (41, "", "the same key came before"),
    ] {
        let found = rejects.lines().any(|reject| {
            let reject: serde_json::Value = serde_json::from_str(reject).expect("JSON");
            reject["line"] == line
                && reject["reason"] == reason
                && reject["column"].as_str().unwrap_or("") == column
        });
        assert!(found, "line {line}: {rejects}");
    }
    assert!(!rejects.contains("SECRET") && !rejects.contains("13/45"), "a reject holds no value");
}

#[test]
fn the_same_files_loaded_twice_are_recognised_and_change_nothing() {
    let (folder, lake) = own_lake();
    let before = succeed(&lake, &["releases"]);
    // Under another name: the content counts.
    let other = folder.path().join("renamed.csv");
    std::fs::copy(demo_source("voters_fk.csv"), &other).expect("copied");
    let printed = succeed(&lake, &["load", "voters", text(&other), "--state", "FK"]);
    assert!(printed.contains("loaded already"), "{printed}");
    assert_eq!(succeed(&lake, &["releases"]), before);
}

#[test]
fn a_load_killed_at_any_moment_leaves_the_release_whole_and_the_next_load_working() {
    let (folder, lake) = own_lake();
    let voters = std::fs::read_to_string(demo_source("voters_fk.csv")).expect("voters");
    let lines: Vec<&str> = voters.lines().collect();
    let path = folder.path().join("fewer.csv");
    let before = succeed(&lake, &["releases"]);
    let count = "SELECT count(*) AS n FROM voters";
    let mut killed = 0;
    for attempt in 0..12u64 {
        // Another content each time, so that none is recognised.
        let kept = lines.len() - 1 - attempt as usize;
        std::fs::write(&path, lines[..kept].join("\n") + "\n").expect("written");
        let mut child = Command::new(binary())
            .args(["--lake", text(&lake), "load", "voters", text(&path), "--state", "FK"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the load starts");
        std::thread::sleep(std::time::Duration::from_millis(attempt * 17));
        let _ = child.kill();
        let ended = child.wait().expect("an end");
        let releases = succeed(&lake, &["releases"]);
        if ended.success() || releases != before {
            // It was done before it could be killed: whole, then.
            let n = (kept - 1).to_string();
            assert!(succeed(&lake, &["sql", count]).contains(&n), "attempt {attempt}");
            break;
        }
        killed += 1;
        assert!(succeed(&lake, &["sql", count]).contains("20000"), "attempt {attempt}");
    }
    assert!(killed > 2, "only {killed} loads were killed in time");
    std::fs::write(&path, lines[..5001].join("\n") + "\n").expect("written");
    succeed(&lake, &["load", "voters", text(&path), "--state", "FK"]);
    assert!(succeed(&lake, &["sql", count]).contains("5000"));
    oracle("lake.py", &[text(&lake)]);
}

#[test]
fn the_lakes_tables_are_read_by_other_engines_as_they_are() {
    let (_folder, lake) = own_lake();
    let told = oracle("lake.py", &[text(&lake)]);
    assert!(told.contains("voters 20000"), "{told}");
}

#[test]
fn a_load_over_http_is_a_job_that_the_same_key_does_not_start_twice() {
    let (folder, lake) = own_lake();
    let inbox = folder.path().join("inbox");
    std::fs::create_dir(&inbox).expect("an inbox");
    std::fs::copy(demo_source("history_fk.csv"), inbox.join("known.csv")).expect("copied");
    let history = std::fs::read_to_string(demo_source("history_fk.csv")).expect("history");
    let lines: Vec<&str> = history.lines().take(501).collect();
    write(&inbox, "history.csv", lines.join("\n") + "\nbad\n");
    let server = Server::start_with(&lake, &["--inbox", text(&inbox)]);
    let body = json!({"kind": "history", "files": ["history.csv"], "state": "FK"});
    let (status, job) = server.post("/v1/loads", &body, &[("idempotency-key", "k1")]);
    assert_eq!(status, 202, "{job}");
    let (_, again) = server.post("/v1/loads", &body, &[("idempotency-key", "k1")]);
    assert_eq!(job["id"], again["id"]);
    let other = json!({"kind": "history", "files": ["known.csv"], "state": "FK"});
    assert_eq!(server.post("/v1/loads", &other, &[("idempotency-key", "k1")]).0, 409);
    let id = job["id"].as_str().expect("an id");
    let done = server.finish(id);
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(done["result"]["report"]["rows_loaded"], 500);
    assert_eq!(done["result"]["report"]["rows_rejected"], 1);
    let (status, rejects) = server.get(&format!("/v1/loads/{id}/rejects"));
    assert_eq!(status, 200);
    assert!(rejects.contains("\"line\":502") && rejects.contains("too few fields"), "{rejects}");
    let load = done["result"]["id"].as_str().expect("a load id");
    assert_eq!(server.json(&format!("/v1/loads/{load}"))["load"]["kind"], "history");
    let (_, events) = server.get(&format!("/v1/jobs/{id}/events"));
    assert!(events.contains("event: done"), "{events}");
    for (body, status) in [
        (json!({"kind": "history", "files": ["../lake/.lock"], "state": "FK"}), 400),
        (json!({"kind": "history", "files": ["absent.csv"], "state": "FK"}), 404),
        (json!({"files": ["history.csv"]}), 400),
        (json!({"kind": "songs", "files": ["history.csv"]}), 400),
    ] {
        assert_eq!(server.post("/v1/loads", &body, &[]).0, status, "{body}");
    }
    let form = reqwest::blocking::multipart::Form::new()
        .text("kind", "markets")
        .file("file", demo_source("county_dma_fk.csv"))
        .expect("a form");
    let client = reqwest::blocking::Client::new();
    let response = client.post(format!("{}/v1/loads", server.url)).multipart(form).send().expect("an answer");
    assert_eq!(response.status().as_u16(), 202);
    let job: serde_json::Value = response.json().expect("a job");
    let done = server.finish(job["id"].as_str().expect("an id"));
    assert_eq!(
        (done["state"].as_str(), done["result"]["unchanged"].as_bool()),
        (Some("done"), Some(true)),
        "{done}"
    );
}

#[test]
fn scores_and_contacts_load_by_voter_and_faulty_rows_are_told() {
    let (_folder, lake) = own_lake();
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, lines: &[&str]| {
        let path = folder.path().join(name);
        std::fs::write(&path, lines.join("\n") + "\n").expect("a file");
        path
    };
    let load = |kind: &str, path: &Path, more: &[&str]| {
        let path = text(path);
        bellwether(&lake, &[&["load", kind, path, "--state", "FK"][..], more].concat())
    };
    let scores = file(
        "scores.csv",
        &[
            "voter_id,model,score,outcome",
            "9000000001,persuasion,55.5,1",
            "9000000002,persuasion,101,",
            "9000000001,persuasion,12,0",
            "9000000003,Persuasion,12,",
            "9000000003,persuasion,,",
            "9000000004,persuasion,20,2",
        ],
    );
    let refused = load("scores", &scores, &[]);
    assert!(!refused.success && refused.err.contains("5 of 6 rows rejected"), "{}", refused.err);
    let all = ["--max-rejects", "90"];
    let unproven = load("scores", &scores, &all);
    assert!(
        !unproven.success && unproven.err.contains("people is 1.0000, asked: at least 500"),
        "{}",
        unproven.err
    );
    // What came true of six hundred others keeps the promises of their scores.
    let proof = |at: u32| {
        let (score, kept) = (if at.is_multiple_of(2) { 20 } else { 80 }, !(at / 2).is_multiple_of(5));
        format!("{},persuasion,{score},{}", 9_000_001_000 + u64::from(at), u8::from((score == 80) == kept))
    };
    let faulty = std::fs::read_to_string(&scores).expect("the file");
    let proofs: Vec<String> = (0..600).map(proof).collect();
    let scores = file("proven.csv", &[faulty.trim_end(), &proofs.join("\n")]);
    let limits = file("limits.json", &[r#"{"least_auc": 0.99}"#]);
    let refused = load("scores", &scores, &["--model-limits", text(&limits)]);
    assert!(!refused.success && refused.err.contains("AUC is 0.8"), "{}", refused.err);
    let taken = load("scores", &scores, &[]);
    assert!(taken.success, "{}", taken.err);
    for reason in [
        "not a score between 0 and 100",
        "has a score of this model already",
        "not a model's name",
        "not an outcome",
    ] {
        assert!(
            taken.out.contains(reason) || taken.err.contains(reason),
            "{reason}: {}{}",
            taken.out,
            taken.err
        );
    }
    let contacts = file(
        "contacts.csv",
        &[
            "voter_id,contacted_on,result",
            "9000000001,2022-10-02,Not Home",
            "9000000001,2022-10-09,Canvassed",
        ],
    );
    assert!(load("contacts", &contacts, &[]).success);
    let server = Server::start(&lake);
    let count = |filter: Value| {
        server.post("/v1/universes/count", &json!({"where": filter}), &[]).1["voters"].clone()
    };
    assert_eq!(count(json!({"score": {"model": "persuasion", "between": [55, 56]}})), 1);
    assert_eq!(
        count(json!({"contact": {"result": "not_home"}})),
        1,
        "the file replaces the state's contacts"
    );
    assert_eq!(count(json!({"contact": {"result": "refused"}})), 0);
    let voter = server.json("/v1/voters/9000000001");
    assert_eq!(voter["scores"]["persuasion"], 55.5);
    let (_, models) = server.sql("SELECT model, version, kind FROM models ORDER BY model");
    let known = ["persuasion", "support", "turnout"]
        .map(|model| json!({"model": model, "version": 1, "kind": "imported"}));
    assert_eq!(models["rows"], json!(known));
    assert!(voter["scores"]["turnout"].is_number(), "other models keep their scores");
}

#[test]
fn a_lake_of_an_older_program_is_served_and_gets_its_new_columns() {
    let (folder, lake) = own_lake();
    oracle("older.py", &[text(&lake), "scores", "version"]);
    let query =
        "SELECT model, count(*) AS n, count(version) AS known FROM scores GROUP BY model ORDER BY model";
    let before = succeed(&lake, &["sql", query]);
    let known = |told: &str, model: &str| -> Vec<u32> {
        let line = told.lines().find(|line| line.starts_with(model)).expect(model).to_string();
        line.split(',').skip(1).map(|number| number.parse().expect("a number")).collect()
    };
    assert!(known(&before, "turnout")[0] > 10_000 && known(&before, "turnout")[1] == 0, "{before}");
    // New scores of another model stand beside the old files.
    let scores = folder.path().join("scores.csv");
    let row = |at: u32| {
        let (score, kept) = (if at.is_multiple_of(2) { 20 } else { 80 }, !(at / 2).is_multiple_of(5));
        format!("{},persuasion,{score},{}", 9_000_001_000 + u64::from(at), u8::from((score == 80) == kept))
    };
    let rows: Vec<String> = (0..600).map(row).collect();
    std::fs::write(&scores, format!("voter_id,model,score,outcome\n{}\n", rows.join("\n"))).expect("written");
    succeed(&lake, &["load", "scores", text(&scores), "--state", "FK"]);
    let after = succeed(&lake, &["sql", query]);
    assert_eq!(known(&after, "persuasion"), [600, 600]);
    assert_eq!(known(&after, "turnout"), known(&before, "turnout"));
    let told = oracle("older.py", &[text(&lake), "scores", "version", "after"]);
    assert!(told.contains(", 600 with version"), "{told}");
}
