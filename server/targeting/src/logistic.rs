//! Logistic regression with a small ridge: the baseline that a forest has to beat, and its coefficients for people to
//! read. Newton's method on standardised features; what is not known of somebody is the mean, and that it is not known
//! is a feature of its own.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::boosting::sigmoid;
use crate::linear::Square;
use crate::matrix::Matrix;

/// Rows that are worked on together: their features fit into a fast cache.
const BLOCK: usize = 512;
/// Rows of one part of the work; parts are added in order, so that threads decide nothing.
const PART: usize = 1 << 15;
const LANES: usize = 16;

/// One feature of a fitted model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Term {
    pub feature: String,
    /// True for the feature that another one is not known.
    pub unknown: bool,
    pub mean: f64,
    pub deviation: f64,
    /// Change of the log odds with one standard deviation of the feature.
    pub coefficient: f64,
    pub standard_error: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    pub intercept: f64,
    pub terms: Vec<Term>,
}

/// Why no model was fitted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("everybody has the same outcome")]
    OneOutcome,
    #[error("the regression did not settle")]
    Unsettled,
}

/// Fits a model; `ridge` is half the penalty of a squared coefficient, as scikit-learn's `1 / C`.
///
/// Time grows with rows × features² × steps (some six); memory is 4 bytes for each row and feature.
pub fn fit(
    matrix: &Matrix,
    outcomes: &[f32],
    weights: Option<&[f32]>,
    ridge: f64,
) -> Result<Logistic, Error> {
    let weight = |row: usize| weights.map_or(1.0, |weights| f64::from(weights[row]));
    let all: f64 = (0..outcomes.len()).map(weight).sum();
    let with: f64 = outcomes.iter().enumerate().map(|(row, outcome)| weight(row) * f64::from(*outcome)).sum();
    if with <= 0.0 || with >= all {
        return Err(Error::OneOutcome);
    }
    let mut terms: Vec<Term> = matrix
        .names
        .par_iter()
        .zip(&matrix.columns)
        .flat_map_iter(|(name, column)| terms_of(name, column))
        .collect();
    terms.retain(|term| term.deviation > 0.0);
    let columns: Vec<Vec<f32>> = terms.par_iter().map(|term| term.column(matrix)).collect();
    let mut parameters = vec![0.0; terms.len() + 1];
    parameters[0] = (with / (all - with)).ln();
    for _ in 0..50 {
        let (mut curvature, gradient) = sums(&columns, outcomes, weights, &parameters, ridge);
        if !curvature.factor() {
            return Err(Error::Unsettled);
        }
        let step = curvature.solve(&gradient);
        parameters.iter_mut().zip(&step).for_each(|(parameter, step)| *parameter += step);
        if step.iter().all(|step| step.abs() < 1e-5) {
            let errors = curvature.inverse_diagonal();
            for (at, term) in terms.iter_mut().enumerate() {
                (term.coefficient, term.standard_error) = (parameters[at + 1], errors[at + 1].sqrt());
            }
            return Ok(Logistic { intercept: parameters[0], terms });
        }
    }
    Err(Error::Unsettled)
}

/// A feature's own term, and that of its being unknown where it is of some.
fn terms_of(name: &str, column: &[f32]) -> Vec<Term> {
    let known: Vec<f64> =
        column.iter().filter(|value| !value.is_nan()).map(|value| f64::from(*value)).collect();
    let count = known.len() as f64;
    let mean = known.iter().sum::<f64>() / count.max(1.0);
    let around: f64 = known.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (around / count.max(1.0)).sqrt();
    let term = |unknown: bool, mean: f64, deviation: f64| Term {
        feature: name.to_string(),
        unknown,
        mean,
        deviation: if deviation > 1e-9 { deviation } else { 0.0 },
        coefficient: 0.0,
        standard_error: 0.0,
    };
    let share = 1.0 - count / column.len().max(1) as f64;
    vec![term(false, mean, deviation), term(true, share, (share * (1.0 - share)).sqrt())]
}

impl Term {
    /// The term's values, standardised.
    fn column(&self, matrix: &Matrix) -> Vec<f32> {
        let place = matrix.names.iter().position(|name| *name == self.feature);
        let (mean, scale) = (self.mean, 1.0 / self.deviation);
        let value = |value: f32| match (self.unknown, value.is_nan()) {
            (true, unknown) => ((f64::from(u8::from(unknown)) - mean) * scale) as f32,
            (false, true) => 0.0,
            (false, false) => ((f64::from(value) - mean) * scale) as f32,
        };
        match place {
            Some(place) => matrix.columns[place].iter().map(|own| value(*own)).collect(),
            None => vec![value(f32::NAN); matrix.rows()],
        }
    }
}

/// The matrix of curvatures and the gradient at some parameters, the intercept first.
fn sums(
    columns: &[Vec<f32>],
    outcomes: &[f32],
    weights: Option<&[f32]>,
    parameters: &[f64],
    ridge: f64,
) -> (Square, Vec<f64>) {
    let size = parameters.len();
    let parameters_32: Vec<f32> = parameters.iter().map(|value| *value as f32).collect();
    let parts: Vec<(Square, Vec<f64>)> = (0..outcomes.len().div_ceil(PART))
        .into_par_iter()
        .map(|part| {
            let (mut square, mut gradient) = (Square::new(size), vec![0.0; size]);
            let end = ((part + 1) * PART).min(outcomes.len());
            let mut room = vec![0f32; BLOCK * 3];
            for from in (part * PART..end).step_by(BLOCK) {
                let rows = from..(from + BLOCK).min(end);
                pulp::Arch::new().dispatch(
                    #[inline(always)]
                    || {
                        block(
                            columns,
                            outcomes,
                            weights,
                            &parameters_32,
                            rows,
                            &mut room,
                            &mut square,
                            &mut gradient,
                        )
                    },
                );
            }
            (square, gradient)
        })
        .collect();
    let (mut square, mut gradient) = (Square::new(size), vec![0.0; size]);
    for (part, slope) in parts {
        square.cells.iter_mut().zip(&part.cells).for_each(|(all, part)| *all += part);
        gradient.iter_mut().zip(&slope).for_each(|(all, part)| *all += part);
    }
    for at in 1..size {
        *square.at(at, at) += ridge;
        gradient[at] -= ridge * parameters[at];
    }
    (square, gradient)
}

#[inline(always)]
fn dot(one: &[f32], other: &[f32]) -> f64 {
    let mut lanes = [0f32; LANES];
    let (ones, others) = (one.chunks_exact(LANES), other.chunks_exact(LANES));
    let rest: f32 = ones.remainder().iter().zip(others.remainder()).map(|(a, b)| a * b).sum();
    for (one, other) in ones.zip(others) {
        for lane in 0..LANES {
            lanes[lane] += one[lane] * other[lane];
        }
    }
    f64::from(lanes.iter().sum::<f32>() + rest)
}

#[expect(clippy::too_many_arguments, reason = "the inner half of `sums`, for a block of rows")]
#[inline(always)]
fn block(
    columns: &[Vec<f32>],
    outcomes: &[f32],
    weights: Option<&[f32]>,
    parameters: &[f32],
    rows: std::ops::Range<usize>,
    room: &mut [f32],
    square: &mut Square,
    gradient: &mut [f64],
) {
    let count = rows.len();
    let (fitted, room) = room.split_at_mut(BLOCK);
    let (curvature, weighted) = room.split_at_mut(BLOCK);
    let (fitted, curvature, weighted) =
        (&mut fitted[..count], &mut curvature[..count], &mut weighted[..count]);
    fitted.fill(parameters[0]);
    for (column, parameter) in columns.iter().zip(&parameters[1..]) {
        fitted.iter_mut().zip(&column[rows.clone()]).for_each(|(sum, value)| *sum += parameter * value);
    }
    for ((fitted, curvature), outcome) in
        fitted.iter_mut().zip(curvature.iter_mut()).zip(&outcomes[rows.clone()])
    {
        let chance = sigmoid(*fitted);
        *curvature = chance * (1.0 - chance);
        *fitted = outcome - chance;
    }
    if let Some(weights) = weights {
        for ((rest, curvature), weight) in
            fitted.iter_mut().zip(curvature.iter_mut()).zip(&weights[rows.clone()])
        {
            *rest *= weight;
            *curvature *= weight;
        }
    }
    gradient[0] += fitted.iter().map(|rest| f64::from(*rest)).sum::<f64>();
    square.cells[0] += curvature.iter().map(|value| f64::from(*value)).sum::<f64>();
    let size = square.size;
    for (at, column) in columns.iter().enumerate() {
        let column = &column[rows.clone()];
        gradient[at + 1] += dot(fitted, column);
        weighted.iter_mut().zip(column).zip(&*curvature).for_each(|((out, value), by)| *out = value * by);
        let own = &mut square.cells[(at + 1) * size..][..=at + 1];
        own[0] += weighted.iter().map(|value| f64::from(*value)).sum::<f64>();
        for (cell, other) in own[1..].iter_mut().zip(columns) {
            *cell += dot(weighted, &other[rows.clone()]);
        }
    }
}

impl Logistic {
    /// Log odds of the people of a matrix, whose columns are found by their names.
    pub fn log_odds(&self, matrix: &Matrix) -> Vec<f32> {
        let places: Vec<Option<usize>> = self
            .terms
            .iter()
            .map(|term| matrix.names.iter().position(|name| *name == term.feature))
            .collect();
        let mut out = vec![self.intercept as f32; matrix.rows()];
        out.par_chunks_mut(BLOCK * 8).enumerate().for_each(|(part, out)| {
            for (term, place) in self.terms.iter().zip(&places) {
                let by = (term.coefficient / term.deviation) as f32;
                let mean = term.mean as f32;
                let Some(place) = place else { continue };
                let values = &matrix.columns[*place][part * BLOCK * 8..][..out.len()];
                match term.unknown {
                    true => out.iter_mut().zip(values).for_each(|(out, value)| {
                        *out += (f32::from(u8::from(value.is_nan())) - mean) * by;
                    }),
                    false => out.iter_mut().zip(values).for_each(|(out, value)| {
                        *out += if value.is_nan() { 0.0 } else { (value - mean) * by };
                    }),
                }
            }
        });
        out
    }
}
