//! `bellwether study`: a model with its card, or an experiment's effect, from one CSV file that need not be in any lake.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use bellwether_targeting::boosting::Settings;
use bellwether_targeting::card::{Kind, Limits};
use bellwether_targeting::evidence::{Sample, Wanted, learn};
use bellwether_targeting::{Matrix, page};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::Outcome;
use super::columns::{Columns, Failure, MOST_VALUES};

#[derive(Debug, Args)]
pub struct StudyArgs {
    /// CSV with a header, a row a person.
    file: PathBuf,

    /// Column with the outcome, 0 or 1.
    #[arg(long)]
    outcome: String,

    /// Columns that the model may use, with commas between; without it all that are not named otherwise.
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,

    /// Column that says to what a person was assigned at random; makes it a study of persuasion.
    #[arg(long, requires_all = ["arm", "control"])]
    assigned: Option<String>,

    /// Value of those who were treated.
    #[arg(long)]
    arm: Option<String>,

    /// Value of those who were not. Others are left out.
    #[arg(long)]
    control: Option<String>,

    /// Column with the household or other cluster, which is never divided between learning and trying.
    #[arg(long)]
    cluster: Option<String>,

    /// Column with weights.
    #[arg(long)]
    weight: Option<String>,

    /// Columns whose groups the card tells of one by one, with commas between.
    #[arg(long, value_delimiter = ',')]
    groups: Vec<String>,

    /// Keep only the rows where a column has a value: COLUMN=VALUE.
    #[arg(long)]
    only: Option<String>,

    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Folder for card.json, card.html and predictions.csv.
    #[arg(long)]
    to: PathBuf,
}

pub async fn run(args: StudyArgs) -> Outcome {
    let studied = tokio::task::spawn_blocking(move || study(&args)).await?;
    studied.map_err(|error| error as Box<dyn std::error::Error>)
}

fn study(args: &StudyArgs) -> Result<(), Failure> {
    let only = args.only.as_deref().map(|only| only.split_once('=').ok_or("--only wants COLUMN=VALUE"));
    let columns = Columns::read(&args.file, only.transpose()?)?;
    let outcome = columns.get(&args.outcome)?;
    let assigned = args.assigned.as_deref().map(|name| columns.get(name)).transpose()?;
    let (arm, control) =
        (args.arm.as_deref().unwrap_or_default(), args.control.as_deref().unwrap_or_default());
    for value in [&args.arm, &args.control].into_iter().flatten() {
        let known: BTreeSet<&str> =
            assigned.into_iter().flatten().map(String::as_str).take(1 << 20).collect();
        if !known.contains(value.as_str()) {
            let known: Vec<&str> = known.into_iter().take(MOST_VALUES).collect();
            return Err(format!("nobody was assigned to {value}; there are {}", known.join(", ")).into());
        }
    }
    let in_study =
        |row: &usize| assigned.is_none_or(|assigned| [arm, control].contains(&assigned[*row].as_str()));
    let rows: Vec<usize> = (0..outcome.len()).filter(in_study).collect();
    let outcomes: Vec<f32> = rows
        .iter()
        .map(|row| match outcome[*row].as_str() {
            "0" => Ok(0.0),
            "1" => Ok(1.0),
            _ => Err(format!("line {}: {} is not 0 or 1", columns.lines[*row], args.outcome)),
        })
        .collect::<Result<_, _>>()?;
    let named: Vec<&String> = [&args.assigned, &args.cluster, &args.weight].into_iter().flatten().collect();
    let features: Vec<String> = match args.features.is_empty() {
        false => args.features.clone(),
        true => {
            let free = |name: &&String| **name != args.outcome && !named.contains(name);
            columns.names.iter().filter(free).cloned().collect()
        }
    };
    let mut matrix = Matrix::default();
    for name in &features {
        for (name, column) in columns.features(name, &rows)? {
            matrix.names.push(name);
            matrix.columns.push(column);
        }
    }
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let clusters: Vec<u32> = match &args.cluster {
        None => (0..rows.len() as u32).collect(),
        Some(name) => {
            let column = columns.get(name)?;
            rows.iter()
                .map(|row| {
                    let fresh = numbers.len() as u32;
                    *numbers.entry(column[*row].as_str()).or_insert(fresh)
                })
                .collect()
        }
    };
    let weights: Option<Vec<f32>> = match &args.weight {
        None => None,
        Some(name) => {
            let column = columns.get(name)?;
            let weight = |row: &usize| {
                let weight = column[*row].parse::<f32>().ok().filter(|weight| *weight >= 0.0);
                weight.ok_or_else(|| format!("line {}: {name} is no weight", columns.lines[*row]))
            };
            Some(rows.iter().map(weight).collect::<Result<_, _>>()?)
        }
    };
    let treated: Option<Vec<bool>> =
        assigned.map(|assigned| rows.iter().map(|row| assigned[*row] == arm).collect());
    let mut groups = Vec::new();
    for name in &args.groups {
        let column = columns.get(name)?;
        groups.push((name.clone(), rows.iter().map(|row| column[*row].clone()).collect()));
    }
    let sample = Sample {
        matrix: &matrix,
        outcomes: &outcomes,
        weights: weights.as_deref(),
        clusters: &clusters,
        assigned: treated.as_deref(),
        groups: &groups,
    };
    let file = args.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (kind, question) = match &args.assigned {
        Some(by) => (
            Kind::Persuasion,
            format!("what {by} = {arm} instead of {control} does to {} ({file})", args.outcome),
        ),
        None => (Kind::Turnout, format!("{} ({file})", args.outcome)),
    };
    let wanted =
        Wanted { name: args.outcome.clone(), kind, question, settings: Settings::default(), seed: args.seed };
    let style =
        ProgressStyle::with_template("{bar:30} {percent} %  {elapsed}").expect("the template is constant");
    let bar = ProgressBar::new(1000).with_style(style);
    let learned = learn(&sample, &wanted, &mut |done| {
        bar.set_position((done * 1000.0) as u64);
        true
    })?;
    bar.finish_and_clear();
    std::fs::create_dir_all(&args.to)?;
    let checks = learned.card.checks(&Limits::default());
    std::fs::write(args.to.join("card.json"), serde_json::to_string_pretty(&learned.card)?)?;
    std::fs::write(args.to.join("card.html"), page::of_card(&learned.card, &checks))?;
    let mut writer = csv::Writer::from_path(args.to.join("predictions.csv"))?;
    writer.write_record(["line", "fold", "outcome", "held_out"])?;
    for (at, row) in rows.iter().enumerate() {
        let told = [columns.lines[*row], u64::from(learned.folds[at])].map(|number| number.to_string());
        let [outcome, held_out] = [outcomes[at], learned.held_out[at]].map(|number| number.to_string());
        writer.write_record([&told[0], &told[1], &outcome, &held_out])?;
    }
    writer.flush()?;
    if let Some(trial) = &learned.card.trial {
        let effect = trial.intent_to_treat;
        println!(
            "control {:.4} of {}, {arm} {:.4} of {}",
            trial.control.mean, trial.control.people, trial.treated.mean, trial.treated.people
        );
        println!(
            "effect {:+.4}, standard error {:.4}, 95 % {:+.4} to {:+.4}",
            effect.effect, effect.standard_error, effect.low, effect.high
        );
        println!(
            "Qini coefficient {:.5}, 95 % {:.5} to {:.5}",
            trial.qini.coefficient, trial.qini.low, trial.qini.high
        );
    }
    for check in &checks {
        let value = check.value.map_or("unknown".to_string(), |value| format!("{value:.4}"));
        println!(
            "{}  {}: {value} ({})",
            if check.passed { "passed" } else { "FAILED" },
            check.what,
            check.limit
        );
    }
    println!("the card is {}", args.to.join("card.html").display());
    Ok(())
}
