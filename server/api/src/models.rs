//! Models: learned from a release, kept as drafts with their cards, and published as scores in the lake.

use std::collections::HashMap;
use std::path::PathBuf;

use bellwether_lake::{Change, NewFiles};
use bellwether_loaders::columns::ParquetTable;
use bellwether_schema::catalog;
use bellwether_targeting::Matrix;
use bellwether_targeting::boosting::Settings;
use bellwether_targeting::card::{Card, Check, Kind, Limits};
use bellwether_targeting::evidence::{Model, Sample, Wanted, learn};
use bellwether_targeting::forest::Forest;
use bellwether_targeting::measures::drift;
use bellwether_warehouse::{COMMON, Cancel, FeaturesOf, questions};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::error::ApiError;
use crate::serving::Serving;

/// People that one model learns from; of more, households are left out by chance.
const MOST_PEOPLE: f64 = 1_000_000.0;
/// Folder of the drafts in the state folder.
const DRAFTS: &str = "models";

/// What somebody's own file says of a voter.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    pub outcome: f32,
    pub weight: f32,
    pub assigned: bool,
}

/// What a model is learned from.
pub struct Request {
    pub name: String,
    pub kind: Kind,
    pub state: String,
    /// Nothing from this day on is looked at.
    pub day: String,
    /// For turnout: the election.
    pub election: Option<String>,
    /// Else: the outcomes by voter id.
    pub labels: HashMap<String, Label>,
    pub settings: Settings,
    pub seed: u64,
}

/// A model that was learned, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Draft {
    pub id: String,
    pub name: String,
    pub kind: Kind,
    pub state: String,
    /// RFC 3339, UTC.
    pub created: String,
    /// Release that it was learned from.
    pub release: String,
    pub day: String,
    pub election: Option<String>,
    pub card: Card,
    pub model: Model,
    /// People that it was learned from in every bin of every feature.
    pub learned: Vec<Vec<f64>>,
    pub published: Option<Published>,
}

/// A version in force, or one that was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Published {
    pub version: i64,
    pub release: String,
    /// Day whose features the scores are made of.
    pub day: String,
    pub voters: u64,
}

/// The day after the last registration of a state's file: all that is known is from before it.
pub fn day_after(serving: &Serving, state: &str) -> Result<String, ApiError> {
    let (_, day) = questions::roll(&serving.copy, state)?;
    day.ok_or_else(|| ApiError::not_found(format!("no voters of {state} are loaded")))
}

/// Whether a text is a day of the calendar.
pub fn is_day(text: &str) -> bool {
    // As it is written out again: the library reads signs and spaces as well.
    let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d");
    day.is_ok_and(|day| (1..=9999).contains(&chrono::Datelike::year(&day)) && day.to_string() == text)
}

/// A day that a caller gave.
pub fn read_day(text: &str) -> Result<String, ApiError> {
    match is_day(text) {
        true => Ok(text.to_string()),
        false => Err(ApiError::bad_request("days are written 2020-11-03")),
    }
}

/// Numbers of things by their names, in the order in which they come.
#[derive(Default)]
struct Numbers(HashMap<u64, u32>);

impl Numbers {
    fn of(&mut self, key: u64) -> u32 {
        let fresh = self.0.len() as u32;
        *self.0.entry(key).or_insert(fresh)
    }
}

/// Learns a model. `watch` is told how far it is and may stop it.
pub fn learn_from(
    app: &App,
    serving: &Serving,
    request: &Request,
    watch: &mut dyn FnMut(f64) -> bool,
) -> Result<Draft, ApiError> {
    let live = || app.intake.live_tables();
    let of = FeaturesOf {
        state: &request.state,
        day: &request.day,
        election: request.election.as_deref(),
        common: true,
        voters: None,
        live: Some(&live),
    };
    let (all, _) = questions::roll(&serving.copy, &request.state)?;
    let share = if request.election.is_some() { (MOST_PEOPLE / all.max(1) as f64).min(1.0) } else { 1.0 };
    // Whose household is kept is decided by its number, so that the same file gives the same people.
    let kept = |household: u64| {
        let mixed = (household ^ request.seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11;
        (mixed as f64) < share * (1u64 << 53) as f64
    };
    struct Person {
        id: String,
        household: u64,
        label: Label,
        common: [String; 4],
    }
    let mut people: Vec<Person> = Vec::new();
    let mut matrix = Matrix::default();
    serving.copy.features(&of, &Cancel::default(), |mut voters| {
        if matrix.names.is_empty() {
            matrix = Matrix {
                names: voters.matrix.names.clone(),
                columns: vec![Vec::new(); voters.matrix.names.len()],
            };
        }
        let mut rows: Vec<u32> = Vec::new();
        for at in 0..voters.len() {
            let label = match &request.election {
                Some(_) => Some(Label { outcome: voters.labels[at], weight: 1.0, assigned: false }),
                None => request.labels.get(&voters.ids[at]).copied(),
            };
            let Some(label) = label.filter(|_| kept(voters.households[at])) else { continue };
            rows.push(at as u32);
            let common = std::array::from_fn(|list| std::mem::take(&mut voters.common[list][at]));
            let id = std::mem::take(&mut voters.ids[at]);
            people.push(Person { id, household: voters.households[at], label, common });
        }
        let picked = voters.matrix.pick(&rows);
        matrix.columns.iter_mut().zip(picked.columns).for_each(|(all, part)| all.extend(part));
        watch(0.0)
    })?;
    // The engine hands them over in no order: in that of their ids the model is the same every time.
    let mut order: Vec<u32> = (0..people.len() as u32).collect();
    order.sort_unstable_by(|one, other| people[*one as usize].id.cmp(&people[*other as usize].id));
    let matrix = matrix.pick(&order);
    let people: Vec<&Person> = order.iter().map(|at| &people[*at as usize]).collect();
    let mut numbers = Numbers::default();
    let clusters: Vec<u32> = people.iter().map(|person| numbers.of(person.household)).collect();
    let outcomes: Vec<f32> = people.iter().map(|person| person.label.outcome).collect();
    let weights: Vec<f32> = people.iter().map(|person| person.label.weight).collect();
    let assigned: Vec<bool> = people.iter().map(|person| person.label.assigned).collect();
    let groups: Vec<(String, Vec<String>)> = COMMON
        .iter()
        .enumerate()
        .map(|(at, name)| (name.to_string(), people.iter().map(|person| person.common[at].clone()).collect()))
        .collect();
    let question = match &request.election {
        Some(election) => format!("who takes part in {election}, foreseen from before {}", request.day),
        None => format!("outcomes of {} people, foreseen from before {}", request.labels.len(), request.day),
    };
    let sample = Sample {
        matrix: &matrix,
        outcomes: &outcomes,
        weights: request.election.is_none().then_some(&weights[..]),
        clusters: &clusters,
        assigned: (request.kind == Kind::Persuasion).then_some(&assigned[..]),
        groups: &groups,
    };
    let wanted = Wanted {
        name: request.name.clone(),
        kind: request.kind,
        question,
        settings: request.settings,
        seed: request.seed,
    };
    let learned = learn(&sample, &wanted, watch).map_err(|error| {
        ApiError::of_status(axum::http::StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    })?;
    let mut counts = empty_counts(&learned.model.forest);
    count(&learned.model.forest, &matrix, &mut counts);
    Ok(Draft {
        id: uuid::Uuid::now_v7().to_string(),
        name: request.name.clone(),
        kind: request.kind,
        state: request.state.clone(),
        created: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        release: serving.release.id.clone(),
        day: request.day.clone(),
        election: request.election.clone(),
        card: learned.card,
        model: learned.model,
        learned: counts,
        published: None,
    })
}

fn empty_counts(forest: &Forest) -> Vec<Vec<f64>> {
    forest.cuts.iter().map(|cuts| vec![0.0; cuts.bins()]).collect()
}

/// Adds people to the counts of every bin of every feature.
fn count(forest: &Forest, matrix: &Matrix, counts: &mut [Vec<f64>]) {
    let mut bins = vec![0u8; matrix.rows()];
    for ((cuts, column), counts) in forest.cuts.iter().zip(&matrix.columns).zip(counts) {
        cuts.bins_of(column, &mut bins);
        bins.iter().for_each(|bin| counts[*bin as usize] += 1.0);
    }
}

/// The drift of every feature: the bins joined into ten of like numbers of learned people, that of the unknown apart.
fn drifts(learned: &[Vec<f64>], scored: &[Vec<f64>]) -> Vec<f64> {
    let one = |(learned, scored): (&Vec<f64>, &Vec<f64>)| {
        let all: f64 = learned[1..].iter().sum();
        let (mut joined, mut so_far) = (vec![[learned[0], scored[0]]], 0.0);
        let mut last = usize::MAX;
        for (own, other) in learned[1..].iter().zip(&scored[1..]) {
            let tenth = ((so_far + own / 2.0) / all.max(1.0) * 10.0) as usize;
            if tenth != last {
                joined.push([0.0; 2]);
                last = tenth;
            }
            let part = joined.last_mut().expect("one was just pushed");
            part[0] += own;
            part[1] += other;
            so_far += own;
        }
        let side = |at: usize| joined.iter().map(|part| part[at]).collect::<Vec<f64>>();
        drift(&side(0), &side(1))
    };
    learned.iter().zip(scored).map(one).collect()
}

/// Keeps, finds and lists drafts.
impl App {
    pub(crate) fn keep_draft(&self, draft: &Draft) -> Result<(), ApiError> {
        self.state.write(&format!("{DRAFTS}/{}.json", draft.id), draft).map_err(ApiError::internal)
    }

    pub(crate) fn draft(&self, id: &str) -> Result<Draft, ApiError> {
        let plain = uuid::Uuid::parse_str(id).is_ok_and(|parsed| parsed.to_string() == id);
        let found = match plain {
            true => self.state.read(&format!("{DRAFTS}/{id}.json")).map_err(|error| match error.kind() {
                std::io::ErrorKind::InvalidData => ApiError::conflict(
                    "the model was learned by another version of the server: learn it again",
                ),
                _ => ApiError::internal(error),
            })?,
            false => None,
        };
        found.ok_or_else(|| ApiError::not_found("no such model"))
    }

    /// All drafts, the newest first.
    pub(crate) fn drafts(&self) -> Result<Vec<Draft>, ApiError> {
        // Drafts of other versions of the server may have other fields: they are passed by.
        Ok(self.state.ids(DRAFTS).iter().filter_map(|id| self.draft(id).ok()).collect())
    }
}

/// Scores of a state's voters on their way into the lake.
pub struct Scored {
    pub folder: tempfile::TempDir,
    pub file: PathBuf,
    pub voters: u64,
    pub card: Card,
    pub checks: Vec<Check>,
}

/// Scores every voter of the model's state by what is known before a day, into a file. `watch` is told how many voters
/// are done, and may stop it.
pub fn score(
    app: &App,
    serving: &Serving,
    draft: &Draft,
    (version, day): (i64, &str),
    limits: &Limits,
    folder: tempfile::TempDir,
    mut watch: impl FnMut(u64) -> bool,
) -> Result<Scored, ApiError> {
    let table = catalog::table("scores").ok_or_else(|| ApiError::internal("the catalog has no scores"))?;
    let file = folder.path().join("scores.parquet");
    let mut writer = ParquetTable::create_whole(table, file.clone()).map_err(ApiError::internal)?;
    let [id_at, score_at, version_at] = ["voter_id", "score", "version"].map(|name| writer.position(name));
    let live = || app.intake.live_tables();
    let of = FeaturesOf {
        state: &draft.state,
        day,
        election: None,
        common: false,
        voters: None,
        live: Some(&live),
    };
    let mut counts = empty_counts(&draft.model.forest);
    let (mut voters, mut fault, mut stopped) = (0, None, false);
    serving.copy.features(&of, &Cancel::default(), |part| {
        count(&draft.model.forest, &part.matrix, &mut counts);
        let scores = draft.model.scores(&part.matrix);
        for (id, score) in part.ids.iter().zip(scores) {
            writer.text(id_at, id);
            writer.double(score_at, Some(f64::from((score * 1000.0).round()) / 1000.0));
            writer.integer(version_at, Some(version as i32));
            if let Err(error) = writer.end_row() {
                fault = Some(error);
                return false;
            }
        }
        voters += part.len() as u64;
        stopped = !watch(voters);
        !stopped
    })?;
    if let Some(fault) = fault {
        return Err(ApiError::internal(fault));
    }
    if stopped {
        return Err(ApiError::conflict("cancelled"));
    }
    writer.finish().map_err(ApiError::internal)?;
    let mut card = draft.card.clone();
    let drifts = drifts(&draft.learned, &counts);
    card.features.iter_mut().zip(drifts).for_each(|(feature, drift)| feature.drift = Some(drift));
    let checks = card.checks(limits);
    Ok(Scored { folder, file, voters, card, checks })
}

/// The change that puts a model and its scores into the lake.
pub fn change(draft: &Draft, scored: &Scored, version: i64, day: &str) -> Result<Change, ApiError> {
    let table = catalog::table("models").ok_or_else(|| ApiError::internal("the catalog has no models"))?;
    let file = scored.folder.path().join("models.parquet");
    let mut writer = ParquetTable::create_whole(table, file.clone()).map_err(ApiError::internal)?;
    writer.integer(writer.position("version"), Some(version as i32));
    let json = |value: serde_json::Result<String>| value.map_err(ApiError::internal);
    for (name, value) in [
        ("kind", draft.kind.name().to_string()),
        ("learned_from", draft.release.clone()),
        ("scored_from", day.to_string()),
        ("card", json(serde_json::to_string(&scored.card))?),
        ("parameters", json(serde_json::to_string(&draft.model))?),
    ] {
        writer.text(writer.position(name), &value);
    }
    writer.end_row().and_then(|()| writer.finish()).map_err(ApiError::internal)?;
    let partition = vec![draft.state.clone(), draft.name.clone()];
    let of_table = |table: &str, file: &PathBuf| NewFiles {
        table: table.into(),
        partition: partition.clone(),
        files: vec![file.clone()],
    };
    Ok(Change {
        what: format!("published {} {version} of {}", draft.name, draft.state),
        files: vec![of_table("scores", &scored.file), of_table("models", &file)],
        load: None,
        inputs: Default::default(),
    })
}

/// The version of a model that a release has in force; 0 for none.
pub fn version_in_force(serving: &Serving, state: &str, name: &str) -> Result<i64, ApiError> {
    Ok(questions::model_version(&serving.copy, state, name)?.unwrap_or(0))
}
