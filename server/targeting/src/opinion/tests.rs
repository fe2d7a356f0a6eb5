//! Surveys of invented areas whose truth is known.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// A survey in which later areas are asked less often, everybody by area and age, and the truth of every area.
fn invented(seed: u64) -> (Table, Vec<f64>, Table, Vec<f64>, Vec<f64>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
    let (areas, ages) = (60usize, 4usize);
    let lean: Vec<f64> = (0..areas).map(|_| normal()).collect();
    let of_area: Vec<f64> = lean.iter().map(|lean| 0.5 * lean + 0.5 * normal()).collect();
    let of_age: Vec<f64> = (0..ages).map(|_| 0.4 * normal()).collect();
    let chance = |area: usize, age: usize| 1.0 / (1.0 + (-(0.2 + of_area[area] + of_age[age])).exp());
    let (mut survey, mut cells) = (Table::default(), Table::default());
    let (mut answers, mut counts) = (Vec::new(), Vec::new());
    let push = |table: &mut Table, area: usize, age: usize| {
        table.texts.entry("area".into()).or_default().push(format!("A{area:02}"));
        table.texts.entry("age".into()).or_default().push(format!("{age}"));
        table.numbers.entry("lean".into()).or_default().push(lean[area]);
    };
    for _ in 0..3000 {
        let draw: f64 = rng.random();
        let (area, age) = ((draw * draw * (areas as f64 - 3.0)) as usize, rng.random_range(0..ages));
        push(&mut survey, area, age);
        answers.push(f64::from(u8::from(rng.random::<f64>() < chance(area, age))));
    }
    for area in 0..areas {
        for age in 0..ages {
            push(&mut cells, area, age);
            counts.push(100.0 + (area * age) as f64);
        }
    }
    let truth = |area: usize| {
        let count = |age: usize| 100.0 + (area * age) as f64;
        let yes: f64 = (0..ages).map(|age| count(age) * chance(area, age)).sum();
        yes / (0..ages).map(count).sum::<f64>()
    };
    (survey, answers, cells, counts, (0..areas).map(truth).collect())
}

#[test]
fn intervals_hold_the_truth_and_estimates_beat_the_answers_alone() {
    let (mut held, mut all, mut ours, mut plain) = (0, 0, 0.0, 0.0);
    for seed in 0..8 {
        let (survey, answers, cells, counts, truth) = invented(seed);
        let weights = vec![1.0; answers.len()];
        let survey = Survey { table: &survey, answers: &answers, weights: &weights };
        let cells = Cells { table: &cells, counts: &counts };
        let terms = Terms { groupings: vec!["area".into(), "age".into()], covariates: vec!["lean".into()] };
        let told = estimate(&survey, &cells, "area", &terms, 1, &mut || true).expect("an estimate");
        assert!((told.groupings[0].deviation - 0.5).abs() < 0.25, "{:?}", told.groupings);
        assert!((told.covariates[0].slope - 0.5).abs() < 4.0 * told.covariates[0].standard_error);
        for (area, truth) in told.areas.iter().zip(&truth) {
            all += 1;
            held += usize::from(area.estimate.low <= *truth && *truth <= area.estimate.high);
            if let Some(answered) = area.answered_yes {
                ours += (area.estimate.share - truth).powi(2);
                plain += (answered - truth).powi(2);
            }
        }
        // Nobody was asked in the last areas: they are told by what they have in common with the others.
        assert!(told.areas[59].answered_yes.is_none() && told.areas[59].estimate.standard_error > 0.05);
    }
    let share = f64::from(held as u32) / f64::from(all as u32);
    assert!((0.92..=0.98).contains(&share), "{share} of the intervals hold the truth");
    assert!(ours < 0.75 * plain, "{ours} beside {plain} of the answers alone");
}

#[test]
fn what_only_the_survey_has_is_learned_and_left_aside() {
    let (mut survey, mut answers, cells, counts, truth) = invented(3);
    // One of four pollsters gets more to say yes, another one fewer.
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let polls: Vec<String> = (0..answers.len()).map(|at| format!("p{}", at % 4)).collect();
    for (at, answer) in answers.iter_mut().enumerate() {
        if at % 4 < 2 && rng.random::<f64>() < 0.4 {
            *answer = if at % 4 == 0 { 1.0 } else { 0.0 };
        }
    }
    survey.texts.insert("poll".into(), polls);
    let weights = vec![1.0; answers.len()];
    let survey = Survey { table: &survey, answers: &answers, weights: &weights };
    let cells = Cells { table: &cells, counts: &counts };
    let groupings = ["area", "age", "poll"].map(String::from).to_vec();
    let terms = Terms { groupings, covariates: vec!["lean".into()] };
    let told = estimate(&survey, &cells, "area", &terms, 1, &mut || true).expect("an estimate");
    assert!(told.groupings[2].deviation > 0.4, "{:?}", told.groupings);
    let off: f64 = told.areas.iter().zip(&truth).map(|(area, truth)| area.estimate.share - truth).sum();
    assert!((off / truth.len() as f64).abs() < 0.04, "{off}");
}

#[test]
fn what_a_survey_says_of_nobody_is_told() {
    let (mut survey, answers, cells, counts, _) = invented(1);
    survey.texts.get_mut("age").expect("ages")[6] = "9".into();
    let weights = vec![1.0; answers.len()];
    let survey = Survey { table: &survey, answers: &answers, weights: &weights };
    let cells = Cells { table: &cells, counts: &counts };
    let terms = Terms { groupings: vec!["area".into(), "age".into()], covariates: Vec::new() };
    let told = estimate(&survey, &cells, "area", &terms, 1, &mut || true);
    let nobody = Error::Nobody { column: "age".into(), value: "9".into(), row: 6 };
    assert_eq!(told, Err(nobody));
}
