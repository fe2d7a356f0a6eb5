//! Learning with evidence: a model of everybody, and what models of four fifths said of the fifth that they had not seen.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::appraisal;
use crate::boosting::{Loss, Settings, train_binned};
use crate::calibrate::Calibration;
use crate::card::{Card, FeatureEvidence, Kind, Learner, TrialEvidence};
use crate::experiment::{Error as TrialError, Trial};
use crate::folds;
use crate::forest::{Forest, Scorer, Tree};
use crate::logistic::{self, Logistic};
use crate::matrix::{Binned, Cuts, Matrix};
use crate::measures::{Told, auc};
use crate::strangers::Strangers;
use crate::uplift;

const FOLDS: u32 = 5;
/// Outcomes of either sort from which steps are fitted instead of a line.
const ENOUGH_FOR_STEPS: f64 = 2000.0;
/// People on whom the importance of features is tried.
const MOST_FOR_IMPORTANCE: usize = 50_000;

/// People with known outcomes.
pub struct Sample<'a> {
    pub matrix: &'a Matrix,
    /// 0 or 1.
    pub outcomes: &'a [f32],
    pub weights: Option<&'a [f32]>,
    /// Number of each one's household (or other cluster): nobody is tried by a model that saw somebody of the same.
    pub clusters: &'a [u32],
    /// For persuasion: who was assigned to the treatment at random.
    pub assigned: Option<&'a [bool]>,
    /// Groups that the card tells of one by one: what they have in common, and the group of each of the people.
    pub groups: &'a [(String, Vec<String>)],
}

/// What is learned, and asked how.
pub struct Wanted {
    pub name: String,
    pub kind: Kind,
    pub question: String,
    pub settings: Settings,
    pub seed: u64,
}

/// A model as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    pub kind: Kind,
    pub forest: Forest,
    /// In place of the forest, where that was no better.
    pub regression: Option<Logistic>,
    /// Of chances; none for persuasion.
    pub calibration: Option<Calibration>,
}

/// A model, its card, and what was said of everybody by a model that had not seen them.
pub struct Learned {
    pub model: Model,
    pub card: Card,
    /// Chances, or effects for persuasion.
    pub held_out: Vec<f32>,
    pub folds: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0} people are too few to learn from and to try it on: give at least {1}")]
    TooFew(usize, usize),
    #[error("everybody has the same outcome: there is nothing to learn")]
    OneOutcome,
    #[error("persuasion is learned from a randomised experiment only: say who was assigned to the treatment")]
    NoExperiment,
    #[error("the experiment says nothing")]
    Trial(#[from] TrialError),
    #[error("stopped")]
    Stopped,
}

/// Learns a model with its card. `watch` is told how far the work is, 0 to 1, and may stop it by saying false.
///
/// Time is that of six trainings; memory some four times the features of the people.
pub fn learn(sample: &Sample, wanted: &Wanted, watch: &mut dyn FnMut(f64) -> bool) -> Result<Learned, Error> {
    const LEAST: usize = 200;
    let people = sample.outcomes.len();
    if people < LEAST {
        return Err(Error::TooFew(people, LEAST));
    }
    let with = sample.outcomes.iter().filter(|outcome| **outcome > 0.5).count();
    if with == 0 || with == people {
        return Err(Error::OneOutcome);
    }
    match (wanted.kind, sample.assigned) {
        (Kind::Persuasion, None) => Err(Error::NoExperiment),
        (Kind::Persuasion, Some(assigned)) => learn_persuasion(sample, assigned, wanted, watch),
        _ => learn_chances(sample, wanted, watch),
    }
}

pub(crate) fn pick<T: Copy>(values: &[T], rows: &[u32]) -> Vec<T> {
    rows.iter().map(|row| values[*row as usize]).collect()
}

fn learn_chances(
    sample: &Sample,
    wanted: &Wanted,
    watch: &mut dyn FnMut(f64) -> bool,
) -> Result<Learned, Error> {
    let folds = folds::of_groups(sample.clusters, FOLDS, wanted.seed);
    let people = sample.outcomes.len();
    let mut done = 0usize;
    let all = (FOLDS as usize + 1) * wanted.settings.trees;
    let mut grow = |matrix: &Matrix, outcomes: &[f32], weights: Option<&[f32]>, strangers: &mut Strangers| {
        let cuts: Vec<Cuts> = matrix.columns.par_iter().map(|column| Cuts::of(column)).collect();
        let binned = Binned::new(matrix, &cuts);
        strangers.prepare(&cuts, outcomes, weights);
        let mut goes_on = true;
        let settings = Settings { trees: strangers.most_trees, ..wanted.settings };
        let grown = |tree: &Tree| {
            done += 1;
            strangers.watch(tree);
            goes_on = watch(done as f64 / all as f64);
            goes_on
        };
        let forest =
            train_binned(&matrix.names, cuts, &binned, outcomes, weights, Loss::Logistic, &settings, grown);
        if goes_on { Ok(forest) } else { Err(Error::Stopped) }
    };
    let mut plain = vec![0f32; people];
    let mut has_plain = true;
    let mut plain_importance = Vec::new();
    let mut losses = vec![0f64; wanted.settings.trees];
    let mut forests = Vec::new();
    for fold in 0..FOLDS as u8 {
        let (others, own) = folds::split(&folds, fold);
        let (known, outcomes) = (sample.matrix.pick(&others), pick(sample.outcomes, &others));
        let weights = sample.weights.map(|weights| pick(weights, &others));
        let mut strangers = Strangers::new(
            wanted.settings.trees,
            sample.matrix.pick(&own),
            pick(sample.outcomes, &own),
            sample.weights.map(|weights| pick(weights, &own)),
        );
        let forest = grow(&known, &outcomes, weights.as_deref(), &mut strangers)?;
        match logistic::fit(&known, &outcomes, weights.as_deref(), 1.0) {
            Ok(model) => {
                let told = model.log_odds(&strangers.matrix);
                own.iter().zip(&told).for_each(|(row, told)| plain[*row as usize] = *told);
                if fold == 0 {
                    let say = |people: &Matrix| model.log_odds(people);
                    plain_importance = importance_of(&say, &strangers, &told, wanted.seed);
                }
            }
            Err(_) => has_plain = false,
        }
        // A forest that stopped early is as good with more trees as it was with its last.
        let last = strangers.losses.last().copied().unwrap_or(0.0);
        strangers.losses.resize(wanted.settings.trees, last);
        losses.iter_mut().zip(&strangers.losses).for_each(|(all, part)| *all += part);
        forests.push((forest, own, strangers));
    }
    // As many trees as strangers were told best by.
    let best =
        (0..losses.len()).min_by(|one, other| losses[*one].total_cmp(&losses[*other])).unwrap_or(0) + 1;
    let mut log_odds = vec![0f32; people];
    let mut importance = vec![0f64; sample.matrix.names.len()];
    for (at, (forest, own, strangers)) in forests.iter_mut().enumerate() {
        forest.trees.truncate(best);
        let scorer = Scorer::new(forest);
        let told = scorer.log_odds(&strangers.matrix);
        own.iter().zip(&told).for_each(|(row, told)| log_odds[*row as usize] = *told);
        if at == 0 {
            importance = importance_of(&|people| scorer.log_odds(people), strangers, &told, wanted.seed);
        }
    }
    drop(forests);
    let mut nobody = Strangers::nobody(best);
    let forest = grow(sample.matrix, sample.outcomes, sample.weights, &mut nobody)?;
    let honest = |log_odds: &[f32]| {
        // The chances of a fold are calibrated on the others, so that no promise is judged by what it was fitted to.
        let mut chances = vec![0f32; people];
        for fold in 0..FOLDS as u8 {
            let (others, own) = folds::split(&folds, fold);
            let fitted = fit_calibration(sample, log_odds, &others);
            own.iter().for_each(|row| chances[*row as usize] = fitted.chance(log_odds[*row as usize]));
        }
        chances
    };
    let figures = |chances: &[f32]| {
        appraisal::figures(Told { outcomes: sample.outcomes, chances, weights: sample.weights })
    };
    let mut chances = honest(&log_odds);
    let of_forest = figures(&chances);
    let of_plain = has_plain.then(|| honest(&plain)).map(|chances| (figures(&chances), chances));
    // The simpler model where the forest is no better on strangers.
    let mut regression = logistic::fit(sample.matrix, sample.outcomes, sample.weights, 1.0).ok();
    let coefficients = regression.as_ref().map(|model| model.terms.clone()).unwrap_or_default();
    match &of_plain {
        Some((figures, own)) if regression.is_some() && figures.log_loss <= of_forest.log_loss => {
            chances.clone_from(own);
            log_odds = plain;
            importance = plain_importance;
        }
        _ => regression = None,
    }
    let everybody: Vec<u32> = (0..people as u32).collect();
    let fitted = fit_calibration(sample, &log_odds, &everybody);
    let told = Told { outcomes: sample.outcomes, chances: &chances, weights: sample.weights };
    let mut card = empty_card(sample, wanted, &importance);
    appraisal::tell(&mut card, told, sample.groups);
    card.settings.trees = best;
    card.learner = if regression.is_some() { Learner::Regression } else { Learner::Forest };
    card.forest = Some(of_forest);
    card.baseline = of_plain.map(|(figures, _)| figures);
    card.coefficients = coefficients;
    let model = Model { kind: wanted.kind, forest, regression, calibration: Some(fitted) };
    Ok(Learned { model, card, held_out: chances, folds })
}

fn fit_calibration(sample: &Sample, log_odds: &[f32], rows: &[u32]) -> Calibration {
    let (values, outcomes) = (pick(log_odds, rows), pick(sample.outcomes, rows));
    let weights = sample.weights.map(|weights| pick(weights, rows));
    let with: f64 = outcomes.iter().map(|outcome| f64::from(*outcome)).sum();
    let line = Calibration::platt(&values, &outcomes, weights.as_deref());
    match line {
        Some(line) if with.min(rows.len() as f64 - with) < ENOUGH_FOR_STEPS => line,
        _ => Calibration::isotonic(&values, &outcomes, weights.as_deref()),
    }
}

fn learn_persuasion(
    sample: &Sample,
    assigned: &[bool],
    wanted: &Wanted,
    watch: &mut dyn FnMut(f64) -> bool,
) -> Result<Learned, Error> {
    let trial = Trial { outcomes: sample.outcomes, assigned, clusters: sample.clusters };
    let intent_to_treat = trial.intent_to_treat()?;
    let folds = folds::of_groups(sample.clusters, FOLDS, wanted.seed);
    let people = sample.outcomes.len();
    let mut effects = vec![0f32; people];
    let mut done = 0usize;
    // Five forests of outcomes and one of effects, for every fold and for all.
    let all = (FOLDS as usize + 1) * 6 * 60;
    let mut stopped = false;
    let mut goes_on = || {
        done += 1;
        stopped |= !watch((done as f64 / all as f64).min(1.0));
        !stopped
    };
    for fold in 0..FOLDS as u8 {
        let (others, own) = folds::split(&folds, fold);
        let forest = uplift::learn(
            &sample.matrix.pick(&others),
            &pick(sample.outcomes, &others),
            &pick(assigned, &others),
            &pick(sample.clusters, &others),
            wanted.seed,
            &mut goes_on,
        );
        let told = Scorer::new(&forest).log_odds(&sample.matrix.pick(&own));
        own.iter().zip(told).for_each(|(row, told)| effects[*row as usize] = told);
    }
    let forest =
        uplift::learn(sample.matrix, sample.outcomes, assigned, sample.clusters, wanted.seed, &mut goes_on);
    if stopped {
        return Err(Error::Stopped);
    }
    let [control, treated] = trial.groups();
    let mut card = empty_card(sample, wanted, &vec![0.0; sample.matrix.names.len()]);
    let gain = |feature: usize| -> f64 {
        let nodes = forest.trees.iter().flat_map(|tree| &tree.nodes);
        nodes.filter(|node| node.feature as usize == feature).map(|node| f64::from(node.gain)).sum()
    };
    let gains: Vec<f64> = (0..card.features.len()).map(gain).collect();
    let all: f64 = gains.iter().sum::<f64>().max(1e-12);
    card.features.iter_mut().zip(gains).for_each(|(feature, gain)| feature.importance = gain / all);
    card.trial =
        Some(TrialEvidence { control, treated, intent_to_treat, qini: trial.qini(&effects, wanted.seed)? });
    Ok(Learned {
        model: Model { kind: wanted.kind, forest, regression: None, calibration: None },
        card,
        held_out: effects,
        folds,
    })
}

fn empty_card(sample: &Sample, wanted: &Wanted, importance: &[f64]) -> Card {
    let people = sample.outcomes.len();
    let names = sample.matrix.names.iter().zip(&sample.matrix.columns).zip(importance);
    let feature = |((name, column), importance): ((&String, &Vec<f32>), &f64)| FeatureEvidence {
        feature: name.clone(),
        coverage: column.iter().filter(|value| !value.is_nan()).count() as f64 / people as f64,
        importance: *importance,
        drift: None,
    };
    Card {
        people: people as u64,
        with_outcome: sample.outcomes.iter().filter(|outcome| **outcome > 0.5).count() as u64,
        seed: wanted.seed,
        folds: FOLDS,
        settings: wanted.settings,
        features: names.map(feature).collect(),
        ..Card::new(wanted.name.clone(), wanted.kind, wanted.question.clone())
    }
}

/// How much of the AUC goes with each feature, when it is dealt out anew among people whom the model had not seen.
fn importance_of(
    say: &(dyn Fn(&Matrix) -> Vec<f32> + Sync),
    strangers: &Strangers,
    told: &[f32],
    seed: u64,
) -> Vec<f64> {
    let people = &strangers.matrix;
    let rows: Vec<u32> = (0..people.rows().min(MOST_FOR_IMPORTANCE) as u32).collect();
    let outcomes = &strangers.outcomes[..rows.len()];
    let score = |chances: &[f32]| auc(Told { outcomes, chances, weights: None }).unwrap_or(0.5);
    let whole = score(&told[..rows.len()]);
    let people = people.pick(&rows);
    let one = |feature: usize| {
        let mut dealt = people.clone();
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ feature as u64);
        let column = &mut dealt.columns[feature];
        for at in (1..column.len()).rev() {
            column.swap(at, rng.random_range(0..=at));
        }
        whole - score(&say(&dealt))
    };
    (0..people.names.len()).into_par_iter().map(one).collect()
}

impl Model {
    /// Scores of people whose columns are found by name: 0 to 100 for chances, percentage points for persuasion.
    pub fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        let told = match &self.regression {
            Some(regression) => regression.log_odds(matrix),
            None => Scorer::new(&self.forest).log_odds(&matrix.with_columns(&self.forest.names)),
        };
        match &self.calibration {
            Some(calibration) => {
                let mut chances = calibration.chances(&told);
                chances.iter_mut().for_each(|chance| *chance *= 100.0);
                chances
            }
            None => told.into_iter().map(|effect| effect * 100.0).collect(),
        }
    }
}
