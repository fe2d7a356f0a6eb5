//! `bellwether opinion`: a survey and a table of everybody, as CSV, to an estimate for every area; nothing of it need be
//! in any lake.

use std::path::PathBuf;

use bellwether_targeting::opinion::{self, Cells, Opinion, Survey, Table, Terms, estimate};
use clap::Args;

use super::Outcome;
use super::columns::{Columns, Failure};

#[derive(Debug, Args)]
pub struct OpinionArgs {
    /// Survey: CSV with a header, a row a person who was asked.
    survey: PathBuf,

    /// Everybody: CSV with a header, a row for people who are alike (a post-stratification table).
    #[arg(long)]
    cells: PathBuf,

    /// Column of the survey with the answer, 0 or 1.
    #[arg(long)]
    answer: String,

    /// Column of both files with the area.
    #[arg(long)]
    area: String,

    /// Groupings, with commas between: columns of both files, or several with : between for their combinations, such as
    /// age,education,age:education. The area is one of them without being named.
    #[arg(long, value_delimiter = ',')]
    by: Vec<String>,

    /// Columns that only the survey has, such as the poll that a person was asked by: what they do to the answers is
    /// learned and left aside.
    #[arg(long, value_delimiter = ',')]
    survey_only: Vec<String>,

    /// Columns of numbers, with commas between, such as a party's share of the vote in the area. What the survey does
    /// not have is taken from the cells of the person's area.
    #[arg(long, value_delimiter = ',')]
    covariates: Vec<String>,

    /// Column of the cells with the number of people.
    #[arg(long, default_value = "n")]
    count: String,

    /// Column of the survey with weights.
    #[arg(long)]
    weight: Option<String>,

    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Folder for opinion.csv, a row an area, and opinion.json with what the regression found.
    #[arg(long)]
    to: PathBuf,
}

pub async fn run(args: OpinionArgs) -> Outcome {
    let told = tokio::task::spawn_blocking(move || tell(&args)).await?;
    told.map_err(|error| error as Box<dyn std::error::Error>)
}

fn tell(args: &OpinionArgs) -> Result<(), Failure> {
    let (mut survey, cells) = (Columns::read(&args.survey, None)?, Columns::read(&args.cells, None)?);
    let used =
        args.by.iter().flat_map(|grouping| grouping.split(':')).chain([args.area.as_str(), &args.answer]);
    let more = args.covariates.iter().chain(&args.survey_only).chain(&args.weight).map(String::as_str);
    let used: Vec<&str> = used.chain(more).collect();
    let left_out = survey.drop_unknown(&used);
    let mut terms = Terms { groupings: vec![args.area.clone()], covariates: args.covariates.clone() };
    terms.groupings.extend(args.by.iter().filter(|grouping| **grouping != args.area).cloned());
    let (mut asked, mut everybody) = (Table::default(), Table::default());
    for name in terms.groupings.iter().flat_map(|grouping| grouping.split(':')) {
        asked.texts.insert(name.to_string(), survey.get(name)?.clone());
        everybody.texts.insert(name.to_string(), cells.get(name)?.clone());
    }
    for name in &args.survey_only {
        asked.texts.insert(name.clone(), survey.get(name)?.clone());
        terms.groupings.push(name.clone());
    }
    for name in &terms.covariates {
        let of_cells = cells.numbers(name)?;
        let own = match survey.names.contains(name) {
            true => survey.numbers(name)?,
            false => by_area(&survey, &cells, &args.area, (name, &of_cells))?,
        };
        asked.numbers.insert(name.clone(), own);
        everybody.numbers.insert(name.clone(), of_cells);
    }
    let answers = survey.numbers(&args.answer)?;
    if let Some(at) = answers.iter().position(|answer| ![0.0, 1.0].contains(answer)) {
        return Err(format!("line {}: {} is not 0 or 1", survey.lines[at], args.answer).into());
    }
    let weights = match &args.weight {
        Some(name) => survey.numbers(name)?,
        None => vec![1.0; answers.len()],
    };
    let counts = cells.numbers(&args.count)?;
    for (name, lines, values) in [("weight", &survey.lines, &weights), ("count", &cells.lines, &counts)] {
        if let Some(at) = values.iter().position(|value| *value < 0.0) {
            return Err(format!("line {}: a {name} below 0", lines[at]).into());
        }
    }
    let told = estimate(
        &Survey { table: &asked, answers: &answers, weights: &weights },
        &Cells { table: &everybody, counts: &counts },
        &args.area,
        &terms,
        args.seed,
        &mut || true,
    )
    .map_err(|error| match &error {
        opinion::Error::Nobody { row, .. } => format!("line {}: {error}", survey.lines[*row]).into(),
        _ => Failure::from(error),
    })?;
    std::fs::create_dir_all(&args.to)?;
    std::fs::write(args.to.join("opinion.json"), serde_json::to_string_pretty(&told)?)?;
    write_areas(&told, args)?;
    for grouping in &told.groupings {
        println!(
            "{:<24} deviation {:.3} of {} groups, {} of them asked",
            grouping.grouping, grouping.deviation, grouping.groups, grouping.groups_asked
        );
    }
    for covariate in &told.covariates {
        println!(
            "{:<24} slope {:.4}, standard error {:.4}",
            covariate.covariate, covariate.slope, covariate.standard_error
        );
    }
    let whole = told.whole.estimate;
    println!(
        "all of {} areas {:.3}, 95 % {:.3} to {:.3}; of {} answers, worth {:.0}",
        told.areas.len(),
        whole.share,
        whole.low,
        whole.high,
        told.asked,
        told.effective
    );
    if left_out > 0 {
        println!("{left_out} rows of the survey are left out: a column that is used is empty or NA in them");
    }
    println!("the areas are in {}", args.to.join("opinion.csv").display());
    Ok(())
}

/// A column of the cells for those who were asked, where it says one thing of an area.
fn by_area(
    survey: &Columns,
    cells: &Columns,
    area: &str,
    (name, values): (&str, &[f64]),
) -> Result<Vec<f64>, Failure> {
    let mut of_area = std::collections::HashMap::new();
    for (area, value) in cells.get(area)?.iter().zip(values) {
        if *of_area.entry(area.as_str()).or_insert(*value) != *value {
            return Err(format!("{name} differs within {area}: the survey must have the column").into());
        }
    }
    let value = |(at, area): (usize, &String)| {
        let value = of_area.get(area.as_str()).copied();
        value.ok_or_else(|| format!("line {}: nobody lives in this area", survey.lines[at]).into())
    };
    survey.get(area)?.iter().enumerate().map(value).collect()
}

fn write_areas(told: &Opinion, args: &OpinionArgs) -> Result<(), Failure> {
    let mut writer = csv::Writer::from_path(args.to.join("opinion.csv"))?;
    let names = ["people", "asked", "answered_yes", "estimate", "standard_error", "low", "high"];
    writer.write_record(std::iter::once(args.area.as_str()).chain(names))?;
    for area in &told.areas {
        let estimate = area.estimate;
        let numbers = [estimate.share, estimate.standard_error, estimate.low, estimate.high];
        let answered = area.answered_yes.map_or(String::new(), |share| share.to_string());
        let start = [area.area.clone(), area.people.to_string(), area.asked.to_string(), answered];
        writer.write_record(start.into_iter().chain(numbers.map(|number| number.to_string())))?;
    }
    Ok(writer.flush()?)
}
