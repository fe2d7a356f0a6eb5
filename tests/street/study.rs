//! Models and experiments from a file.

use std::path::Path;

use super::harness::{bellwether, oracle, real_data, succeed, text};

const FEATURES: &str = "sex,age,primary_00,general_00,primary_02,general_02,primary_04,general_04,hh_size";

fn study(folder: &Path, file: &Path, more: &[&str], to: &Path) -> String {
    let arguments =
        ["study", text(file), "--outcome", "primary_06", "--features", FEATURES, "--cluster", "cluster"];
    succeed(folder, &[&arguments[..], more, &["--to", text(to)]].concat())
}

#[test]
fn the_michigan_experiment_is_told_as_published_and_as_other_libraries_tell_it() {
    let Some(data) = real_data("the Michigan experiment") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = data.join("survey/gotv_social_pressure_2006_MI.csv.gz");
    let [turnout, again, persuasion] =
        ["turnout", "again", "persuasion"].map(|name| folder.path().join(name));
    let control = ["--only", "treatment=No Postcard", "--groups", "sex"];
    study(folder.path(), &file, &control, &turnout);
    study(folder.path(), &file, &control, &again);
    for name in ["card.json", "card.html", "predictions.csv"] {
        let read = |folder: &Path| std::fs::read(folder.join(name)).expect("a file");
        assert!(read(&turnout) == read(&again), "the same seed gives another {name}");
    }
    let arms = ["--assigned", "treatment", "--arm", "Neighbors", "--control", "No Postcard"];
    study(folder.path(), &file, &arms, &persuasion);
    let told = oracle("study.py", &[text(&file), text(&turnout), text(&persuasion)]);
    assert!(told.contains("the study agrees"), "{told}");
}

#[test]
fn a_study_says_what_it_cannot_learn_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("people.csv");
    let rows: Vec<String> = (0..400).map(|at| format!("{},{},a,{}", at % 2, at % 7, at)).collect();
    std::fs::write(&file, format!("won,x,arm,name\n{}\n", rows.join("\n"))).expect("written");
    let to = folder.path().join("to");
    let ask = |arguments: &[&str]| {
        let arguments = [&["study", text(&file), "--to", text(&to)], arguments].concat();
        let output = bellwether(folder.path(), &arguments);
        assert!(!output.success);
        output.err
    };
    for (arguments, word) in [
        (vec!["--outcome", "lost"], "there are won, x, arm, name"),
        (vec!["--outcome", "x"], "not 0 or 1"),
        (vec!["--outcome", "won", "--assigned", "arm", "--arm", "b", "--control", "a"], "there are a"),
        (vec!["--outcome", "won", "--assigned", "arm", "--arm", "a", "--control", "a"], "same group"),
        (vec!["--outcome", "won", "--only", "x=3", "--features", "x"], "too few"),
    ] {
        let told = ask(&arguments);
        assert!(told.contains(word), "{arguments:?}: {told}");
    }
    assert!(!to.exists());
}
