//! Opinion by small areas: a survey, a multilevel regression on it, and everybody who lives there counted by the same
//! words (multilevel regression and post-stratification: Gelman and Little 1997; Park, Gelman and Bafumi 2004).
//!
//! `share of an area = Σ people of a cell × chance of a yes in the cell / Σ people`, over the cells of the area, for every
//! draw from the regression's posterior; estimate, standard error and interval are those of the draws.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::multilevel::{self, Multilevel, NO_GROUP, People, fit};

/// People in words: texts that group them and numbers that act linearly, column by column.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub texts: BTreeMap<String, Vec<String>>,
    pub numbers: BTreeMap<String, Vec<f64>>,
}

/// What the regression looks at.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Groupings: a column of texts each, or several with `:` between, whose combinations are the groups. What only the
    /// survey has a column of, such as who asked, is learned and then left aside.
    pub groupings: Vec<String>,
    /// Columns of numbers.
    pub covariates: Vec<String>,
}

/// What people were asked.
pub struct Survey<'a> {
    pub table: &'a Table,
    /// 0 or 1.
    pub answers: &'a [f64],
    pub weights: &'a [f64],
}

/// Everybody: a row for people who are alike, and how many they are.
pub struct Cells<'a> {
    pub table: &'a Table,
    pub counts: &'a [f64],
}

/// A share of yes, its standard error, and the bounds that hold it 95 times of 100.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub share: f64,
    pub standard_error: f64,
    pub low: f64,
    pub high: f64,
}

/// One area.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Area {
    pub area: String,
    /// People who live there.
    pub people: f64,
    /// Those of them who were asked, and their share of yes by the survey's weights.
    pub asked: u64,
    pub answered_yes: Option<f64>,
    pub estimate: Estimate,
}

/// A grouping in the model, and the standard deviation of its effects in log odds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupingTold {
    pub grouping: String,
    pub groups: u64,
    /// Of these, groups with people who were asked.
    pub groups_asked: u64,
    pub deviation: f64,
}

/// A covariate in the model, in log odds for one unit of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CovariateTold {
    pub covariate: String,
    pub slope: f64,
    pub standard_error: f64,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opinion {
    pub asked: u64,
    /// How many people asked at random the weighted answers are worth (Kish 1965).
    pub effective: f64,
    pub groupings: Vec<GroupingTold>,
    pub covariates: Vec<CovariateTold>,
    /// All areas together.
    pub whole: Area,
    pub areas: Vec<Area>,
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum Error {
    #[error("there is no column {0}")]
    NoColumn(String),
    /// `row` is the place among those asked, from 0.
    #[error("nobody lives where {column} is {value}, as one who was asked says")]
    Nobody { column: String, value: String, row: usize },
    #[error("nobody is counted: there are no cells")]
    NoCells,
    #[error("{0} areas are more than {MOST_AREAS}")]
    TooManyAreas(usize),
    #[error("fewer than {LEAST} people were asked")]
    TooFew,
    #[error(transparent)]
    Model(#[from] multilevel::Error),
}

/// Answers from which anything is said.
const LEAST: usize = 20;
/// Areas that are told of: a thousand draws of each are held.
const MOST_AREAS: usize = 20_000;
/// Draws between two looks at whether to go on.
const TOGETHER: usize = 64;

impl Table {
    fn pick(&self, rows: &[usize]) -> Table {
        Table {
            texts: self
                .texts
                .iter()
                .map(|(name, all)| (name.clone(), rows.iter().map(|row| all[*row].clone()).collect()))
                .collect(),
            numbers: self
                .numbers
                .iter()
                .map(|(name, all)| (name.clone(), rows.iter().map(|row| all[*row]).collect()))
                .collect(),
        }
    }

    fn text(&self, name: &str) -> Result<&Vec<String>, Error> {
        self.texts.get(name).ok_or_else(|| Error::NoColumn(name.to_string()))
    }

    fn number(&self, name: &str) -> Result<&Vec<f64>, Error> {
        self.numbers.get(name).ok_or_else(|| Error::NoColumn(name.to_string()))
    }

    /// The groups of a grouping, row by row: the texts of its columns.
    fn groups(&self, grouping: &str) -> Result<Vec<Vec<&str>>, Error> {
        let columns: Vec<&Vec<String>> =
            grouping.split(':').map(|name| self.text(name)).collect::<Result<_, _>>()?;
        let rows = columns.first().map_or(0, |column| column.len());
        Ok((0..rows).map(|row| columns.iter().map(|column| column[row].as_str()).collect()).collect())
    }
}

/// Numbers of groups, in the order of their texts.
struct Numbered<'a> {
    names: Vec<Vec<&'a str>>,
}

impl<'a> Numbered<'a> {
    fn of(rows: &[Vec<&'a str>]) -> Numbered<'a> {
        let mut names = rows.to_vec();
        names.sort_unstable();
        names.dedup();
        Numbered { names }
    }

    fn of_row(&self, row: &[&str]) -> Option<u32> {
        self.names.binary_search_by(|name| name.as_slice().cmp(row)).ok().map(|at| at as u32)
    }
}

/// Estimates the share of yes in every area, which is one of the groupings' columns. `go_on` is asked now and then and
/// may stop the work.
///
/// Time grows with the cells times a thousand draws, and with the cube of the groups of which people were asked.
pub fn estimate(
    survey: &Survey,
    cells: &Cells,
    area: &str,
    terms: &Terms,
    seed: u64,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Opinion, Error> {
    if survey.answers.len() < LEAST {
        return Err(Error::TooFew);
    }
    let held: Vec<usize> = (0..cells.counts.len()).filter(|cell| cells.counts[*cell] > 0.0).collect();
    if held.is_empty() {
        return Err(Error::NoCells);
    }
    // Cells of nobody are none.
    let (table, counts) =
        (cells.table.pick(&held), held.iter().map(|cell| cells.counts[*cell]).collect::<Vec<f64>>());
    let cells = &Cells { table: &table, counts: &counts };
    let (mut asked, mut everybody) = (People::default(), People::default());
    let mut groups_of = Vec::new();
    for grouping in &terms.groupings {
        let theirs = survey.table.groups(grouping)?;
        let Ok(all) = cells.table.groups(grouping) else {
            let numbered = Numbered::of(&theirs);
            asked.groups.push(theirs.iter().filter_map(|group| numbered.of_row(group)).collect());
            everybody.groups.push(vec![NO_GROUP; cells.counts.len()]);
            groups_of.push(numbered.names.len());
            continue;
        };
        let numbered = Numbered::of(&all);
        let number = |(row, group): (usize, &Vec<&str>)| {
            let (column, value) = (grouping.clone(), group.join(":"));
            numbered.of_row(group).ok_or(Error::Nobody { column, value, row })
        };
        asked.groups.push(theirs.iter().enumerate().map(number).collect::<Result<_, _>>()?);
        everybody.groups.push(all.iter().enumerate().map(number).collect::<Result<_, _>>()?);
        groups_of.push(numbered.names.len());
    }
    for covariate in &terms.covariates {
        asked.covariates.push(survey.table.number(covariate)?.clone());
        everybody.covariates.push(cells.table.number(covariate)?.clone());
    }
    let model = fit(&asked, &groups_of, survey.answers, survey.weights, seed, go_on)?;
    let areas_of_cells = cells.table.groups(area)?;
    let areas = Numbered::of(&areas_of_cells);
    if areas.names.len() > MOST_AREAS {
        return Err(Error::TooManyAreas(areas.names.len()));
    }
    let number = |row: &Vec<&str>| areas.of_row(row).unwrap_or_default();
    let of_cells: Vec<u32> = areas_of_cells.iter().map(number).collect();
    let (estimates, whole) =
        poststratify(&model, &everybody, (cells.counts, &of_cells, areas.names.len()), seed, go_on)?;
    let mut told: Vec<Area> = areas
        .names
        .iter()
        .zip(estimates)
        .map(|(name, estimate)| Area {
            area: name.join(":"),
            people: 0.0,
            asked: 0,
            answered_yes: None,
            estimate,
        })
        .collect();
    of_cells.iter().zip(cells.counts).for_each(|(area, count)| told[*area as usize].people += count);
    let mut sums = vec![(0.0, 0.0); told.len()];
    for (row, name) in survey.table.groups(area)?.iter().enumerate() {
        let Some(at) = areas.of_row(name) else { continue };
        told[at as usize].asked += 1;
        let (all, yes) = &mut sums[at as usize];
        *all += survey.weights[row];
        *yes += survey.weights[row] * survey.answers[row];
    }
    let share = |(all, yes): (f64, f64)| (all > 0.0).then(|| yes / all);
    told.iter_mut().zip(&sums).for_each(|(area, sums)| area.answered_yes = share(*sums));
    let all = sums.iter().fold((0.0, 0.0), |sum, own| (sum.0 + own.0, sum.1 + own.1));
    let whole = Area {
        area: "all".into(),
        people: cells.counts.iter().sum(),
        asked: survey.answers.len() as u64,
        answered_yes: share(all),
        estimate: whole,
    };
    let groups_asked = |groups: &Vec<u32>| {
        let mut groups = groups.clone();
        groups.sort_unstable();
        groups.dedup();
        groups.len() as u64
    };
    let groupings = terms.groupings.iter().zip(&groups_of).zip(&asked.groups).zip(&model.deviations);
    let covariates = terms.covariates.iter().zip(&model.slopes);
    Ok(Opinion {
        asked: survey.answers.len() as u64,
        effective: model.effective,
        groupings: groupings
            .map(|(((grouping, groups), asked), deviation)| GroupingTold {
                grouping: grouping.clone(),
                groups: *groups as u64,
                groups_asked: groups_asked(asked),
                deviation: *deviation,
            })
            .collect(),
        covariates: covariates
            .map(|(covariate, (slope, standard_error))| CovariateTold {
                covariate: covariate.clone(),
                slope: *slope,
                standard_error: *standard_error,
            })
            .collect(),
        whole,
        areas: told,
    })
}

/// The share of yes in every area, and in all together.
fn poststratify(
    model: &Multilevel,
    cells: &People,
    (counts, areas, how_many): (&[f64], &[u32], usize),
    seed: u64,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<(Vec<Estimate>, Estimate), Error> {
    let one = |draw: usize| {
        let mut sums = vec![(0.0, 0.0); how_many + 1];
        let chances = model.chances(cells, draw, seed);
        for ((chance, count), area) in chances.iter().zip(counts).zip(areas) {
            let own = &mut sums[*area as usize];
            *own = (own.0 + count * chance, own.1 + count);
        }
        sums[how_many] = sums.iter().fold((0.0, 0.0), |sum, own| (sum.0 + own.0, sum.1 + own.1));
        sums.into_iter().map(|(yes, all): (f64, f64)| yes / all.max(1e-300)).collect::<Vec<f64>>()
    };
    let mut draws: Vec<Vec<f64>> = Vec::with_capacity(model.draws());
    while draws.len() < model.draws() {
        if !go_on() {
            return Err(multilevel::Error::Stopped.into());
        }
        let end = (draws.len() + TOGETHER).min(model.draws());
        draws.par_extend((draws.len()..end).into_par_iter().map(one));
    }
    if draws.iter().flatten().any(|share| !share.is_finite()) {
        return Err(multilevel::Error::Unsettled.into());
    }
    let summed = |area: usize| {
        let mut shares: Vec<f64> = draws.iter().map(|draw| draw[area]).collect();
        shares.sort_unstable_by(f64::total_cmp);
        let all = shares.len() as f64;
        let share = shares.iter().sum::<f64>() / all;
        let squares: f64 = shares.iter().map(|own| (own - share) * (own - share)).sum();
        let at = |part: f64| shares[((all - 1.0) * part).round() as usize];
        Estimate { share, standard_error: (squares / (all - 1.0)).sqrt(), low: at(0.025), high: at(0.975) }
    };
    Ok(((0..how_many).map(summed).collect(), summed(how_many)))
}

#[cfg(test)]
mod tests;
