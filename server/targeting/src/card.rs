//! The model card: what a model is, what it was learned from, and how good it is on people whom it had not seen.

use serde::{Deserialize, Serialize};

use crate::boosting::Settings;
use crate::experiment::{Effect, Group, Qini};
use crate::logistic::Term;
use crate::measures::{Bin, Gain};

/// What a model foresees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The chance that a voter supports.
    Support,
    /// The chance that a voter takes part.
    Turnout,
    /// The change of the chance that a treatment makes.
    Persuasion,
    /// What a model from elsewhere foresees.
    Imported,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Support => "support",
            Kind::Turnout => "turnout",
            Kind::Persuasion => "persuasion",
            Kind::Imported => "imported",
        }
    }
}

/// What a model is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learner {
    Forest,
    Regression,
    /// Nobody here knows.
    Elsewhere,
}

/// How good chances are, on people whom the model had not seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Area under the receiver operating characteristic.
    pub auc: Option<f64>,
    pub log_loss: f64,
    pub brier: f64,
}

/// One feature in the evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureEvidence {
    pub feature: String,
    /// Share of the people of whom it is known.
    pub coverage: f64,
    /// How much of the model's AUC is lost when the feature is dealt out anew among people whom it had not seen; for
    /// persuasion its share of what all questions of the trees gained.
    pub importance: f64,
    /// Population stability index of those scored against those learned from; none before anybody is scored.
    pub drift: Option<f64>,
}

/// Promises and what came of them among people who have something in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupEvidence {
    /// What they have in common, such as age_band, gender or a kind of district.
    pub by: String,
    pub group: String,
    pub people: u64,
    pub promised: f64,
    pub came_true: f64,
    pub slope: Option<f64>,
    pub intercept: Option<f64>,
}

/// What a randomised experiment says about a treatment and about the scores for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialEvidence {
    pub control: Group,
    pub treated: Group,
    pub intent_to_treat: Effect,
    pub qini: Qini,
}

/// A limit of publication, and whether the model is within it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    pub what: String,
    pub limit: String,
    pub value: Option<f64>,
    pub passed: bool,
}

/// Limits that a model must be within to be published.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub least_people: u64,
    pub least_auc: f64,
    /// How far the calibration slope may be from one.
    pub slope_within: f64,
    /// How far the mean promise may be from the mean outcome, of all and of any group of a thousand people or more.
    pub promise_within: f64,
    pub group_promise_within: f64,
    /// Largest drift of any feature.
    pub most_drift: f64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            least_people: 500,
            least_auc: 0.55,
            slope_within: 0.15,
            promise_within: 0.02,
            group_promise_within: 0.1,
            most_drift: 1.0,
        }
    }
}

impl Limits {
    /// Whether whatever is within these limits is within the others too.
    pub fn at_least_as_strict_as(&self, other: &Limits) -> bool {
        self.least_people >= other.least_people
            && self.least_auc >= other.least_auc
            && self.slope_within <= other.slope_within
            && self.promise_within <= other.promise_within
            && self.group_promise_within <= other.group_promise_within
            && self.most_drift <= other.most_drift
    }
}

/// The limits that were not met, as one sentence; none where all were.
pub fn failures(checks: &[Check]) -> Option<String> {
    let failed: Vec<String> = checks
        .iter()
        .filter(|check| !check.passed)
        .map(|check| {
            let value = check.value.map_or("unknown".to_string(), |value| format!("{value:.4}"));
            format!("{} is {value}, asked: {}", check.what, check.limit)
        })
        .collect();
    (!failed.is_empty()).then(|| format!("the model may not be published: {}", failed.join("; ")))
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    pub name: String,
    pub kind: Kind,
    /// What was foreseen and from when, in words.
    pub question: String,
    pub people: u64,
    /// How many of them had the outcome.
    pub with_outcome: u64,
    pub seed: u64,
    pub folds: u32,
    pub settings: Settings,
    /// Which of the two was better on strangers, and is the model.
    pub learner: Learner,
    /// How good the model is.
    pub figures: Figures,
    /// Boosted trees, as many as were best on strangers.
    pub forest: Option<Figures>,
    /// Logistic regression on the same folds.
    pub baseline: Option<Figures>,
    pub slope: Option<f64>,
    pub intercept: Option<f64>,
    pub curve: Vec<Bin>,
    pub gains: Vec<Gain>,
    pub features: Vec<FeatureEvidence>,
    /// Of the logistic regression on everybody, whether or not it is the model.
    pub coefficients: Vec<Term>,
    pub groups: Vec<GroupEvidence>,
    pub trial: Option<TrialEvidence>,
}

impl Card {
    /// A card that tells nothing yet.
    pub fn new(name: String, kind: Kind, question: String) -> Card {
        let learner = if kind == Kind::Imported { Learner::Elsewhere } else { Learner::Forest };
        Card {
            name,
            kind,
            question,
            people: 0,
            with_outcome: 0,
            seed: 0,
            folds: 0,
            settings: Settings::default(),
            learner,
            figures: Figures::default(),
            forest: None,
            baseline: None,
            slope: None,
            intercept: None,
            curve: Vec::new(),
            gains: Vec::new(),
            features: Vec::new(),
            coefficients: Vec::new(),
            groups: Vec::new(),
            trial: None,
        }
    }

    /// The limits one by one.
    pub fn checks(&self, limits: &Limits) -> Vec<Check> {
        let mut checks = vec![at_least("people", self.people as f64, limits.least_people as f64)];
        if let Some(trial) = &self.trial {
            // Scores for a treatment are no chances: their order is what counts.
            checks.push(at_least("lower bound of the Qini coefficient", trial.qini.low, 0.0));
            return checks;
        }
        checks.push(at_least("AUC", self.figures.auc.unwrap_or(0.0), limits.least_auc));
        checks.push(within("calibration slope", self.slope, 1.0, limits.slope_within));
        let mean = |value: fn(&Bin) -> f64| {
            let all: f64 = self.curve.iter().map(|bin| bin.people).sum();
            self.curve.iter().map(|bin| bin.people * value(bin)).sum::<f64>() / all.max(1e-12)
        };
        let off = mean(|bin| bin.promised) - mean(|bin| bin.came_true);
        checks.push(within("mean promise less mean outcome", Some(off), 0.0, limits.promise_within));
        let large = self.groups.iter().filter(|group| group.people >= 1000);
        let worst =
            large.map(|group| group.promised - group.came_true).max_by(|a, b| a.abs().total_cmp(&b.abs()));
        if let Some(worst) = worst {
            let what = "the same in the worst group of a thousand or more";
            checks.push(within(what, Some(worst), 0.0, limits.group_promise_within));
        }
        // What the model hardly looks at may drift as it will.
        let most = self.features.iter().map(|feature| feature.importance).fold(0.0, f64::max);
        let matters = self.features.iter().filter(|feature| feature.importance >= 0.02 * most);
        let drift = matters.filter_map(|feature| feature.drift).max_by(f64::total_cmp);
        if let Some(drift) = drift {
            checks.push(within(
                "largest drift of a feature that matters",
                Some(drift),
                0.0,
                limits.most_drift,
            ));
        }
        checks
    }
}

fn at_least(what: &str, value: f64, least: f64) -> Check {
    Check {
        what: what.into(),
        limit: format!("at least {least}"),
        value: Some(value),
        passed: value >= least,
    }
}

fn within(what: &str, value: Option<f64>, middle: f64, reach: f64) -> Check {
    let passed = value.is_some_and(|value| (value - middle).abs() <= reach);
    Check { what: what.into(), limit: format!("{middle} ± {reach}"), value, passed }
}
