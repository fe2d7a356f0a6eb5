//! A universe in cells: how many of its voters are alike in what viewing depends on.

use std::collections::HashMap;

use bellwether_media::audience::{Cell, Person, Spread, spread};
use serde_json::{Value, json};

use crate::access::Caller;
use crate::app::App;
use crate::disclosure::Disclosure;
use crate::error::ApiError;
use crate::grouping::Plan;
use crate::media::television::Television;
use crate::population::Population;
use crate::serving::Serving;

/// Bands of a score, which are groups of their own: their ends, inclusive.
const SCORE_BANDS: [[f64; 2]; 3] = [[0.0, 33.332_9], [33.333, 66.665_9], [66.666, 100.0]];

/// A universe over a panel.
pub struct Universe {
    /// How many of the universe live in each market, as the caller may know it.
    pub by_market: Vec<f64>,
    pub voters: f64,
    /// Voters by age band and gender, for groups by age and sex.
    pub by_age_sex: HashMap<(String, String), f64>,
    /// How many each person of the panel stands for.
    pub people: Spread,
    /// The same in votes that can be moved, where a score says so.
    pub votes: Option<Spread>,
}

/// Counts a universe and spreads it over the panel. `score` is the model whose groups are told apart; with `votes` it says
/// how many votes a voter who is reached is worth, in hundredths.
pub fn read(
    app: &App,
    serving: &Serving,
    caller: &Caller,
    tv: &Television,
    filter: &Value,
    score: Option<&str>,
    votes: bool,
) -> Result<Universe, ApiError> {
    let electorate = serving.electorate()?;
    let rule = caller.sees_no_persons().then_some(app.disclosure);
    let by = ["media_market", "age_band", "gender", "party"].map(|name| json!(name));
    let measures = match score {
        Some(model) => vec![json!("voters"), json!({"mean": {"score": model}})],
        None => vec![json!("voters")],
    };
    let mut plan = Plan::read(&by, &measures, electorate)?;
    if let Some(rule) = &rule {
        plan.grouping.measures.fingerprint = Some(rule.secret);
    }
    let mut parts = vec![(0u8, filter.clone())];
    if let Some(model) = score {
        let with = |condition: Value| match filter.is_null() {
            true => condition,
            false => json!({"all": [filter, condition]}),
        };
        let of = |[from, to]: [f64; 2]| json!({"score": {"model": model, "between": [from, to]}});
        parts = SCORE_BANDS.iter().enumerate().map(|(at, band)| (at as u8 + 1, with(of(*band)))).collect();
        parts.push((0, with(json!({"not": of([0.0, 100.0])}))));
    }
    let mut counted: Vec<Counted> = Vec::new();
    let (mut ages, mut genders, mut parties) = (tv.ages.clone(), tv.genders.clone(), tv.parties.clone());
    for (band, filter) in parts {
        let population = Population::read(&filter, caller)?;
        let groups = electorate.group(&population.compile(serving, electorate)?, &plan.grouping);
        for cell in &groups.cells {
            let label = |at: usize| {
                let label = electorate.label(&plan.grouping.by[at], cell.codes[at]);
                label.as_str().unwrap_or_default().to_string()
            };
            let Some(market) = tv.market_numbers.find(&label(0)) else { continue };
            let (age, gender) = (label(1), label(2));
            let key = Cell {
                market,
                age: ages.code(&age),
                gender: genders.code(&gender),
                party: parties.code(&label(3)),
                score: band,
            };
            let sum = cell.sums.first().copied().unwrap_or_default();
            counted.push(Counted {
                key,
                age_sex: (age, gender),
                exact: cell.voters,
                fingerprint: cell.fingerprint,
                voters: cell.voters as f64,
                worth: (sum.sum, sum.count as f64),
            });
        }
    }
    if let Some(rule) = &rule {
        blur(&mut counted, rule, tv.markets.len());
    }
    let mut people: HashMap<Cell, f64> = HashMap::new();
    let mut worth: HashMap<Cell, f64> = HashMap::new();
    let mut by_market = vec![0.0; tv.markets.len()];
    let mut by_age_sex: HashMap<(String, String), f64> = HashMap::new();
    for of in counted.into_iter().filter(|of| of.voters > 0.0) {
        *people.entry(of.key).or_default() += of.voters;
        by_market[of.key.market as usize] += of.voters;
        *by_age_sex.entry(of.age_sex).or_default() += of.voters;
        if votes && of.worth.1 > 0.0 {
            *worth.entry(of.key).or_default() += of.voters * of.worth.0 / of.worth.1 / 100.0;
        }
    }
    let voters: f64 = by_market.iter().sum();
    if let Some(rule) = rule.filter(|rule| voters < rule.size as f64) {
        return Err(ApiError::forbidden(format!(
            "this key may not plan for fewer than {} voters",
            rule.size
        )));
    }
    let panel = scored(serving, tv, score)?;
    Ok(Universe {
        by_market,
        voters,
        by_age_sex,
        people: spread(&panel, &people),
        votes: votes.then(|| spread(&panel, &worth)),
    })
}

/// Voters who are alike, as they are counted.
struct Counted {
    key: Cell,
    age_sex: (String, String),
    exact: u64,
    fingerprint: u64,
    /// As many as are told.
    voters: f64,
    /// Sum of the score, and of how many.
    worth: (f64, f64),
}

/// What a caller without a right to persons may be told: nothing of markets with few people; of cells with few people those
/// of a market together, shared out evenly; other counts rounded at random. The score's mean is that of the market.
fn blur(counted: &mut [Counted], rule: &Disclosure, markets: usize) {
    #[derive(Clone, Copy, Default)]
    struct Of {
        exact: u64,
        few: u64,
        cells: u64,
        who: u64,
        worth: (f64, f64),
    }
    let mut of = vec![Of::default(); markets];
    for cell in counted.iter() {
        let of = &mut of[cell.key.market as usize];
        of.exact += cell.exact;
        of.worth = (of.worth.0 + cell.worth.0, of.worth.1 + cell.worth.1);
        if cell.exact < rule.size {
            of.few += cell.exact;
            of.cells += 1;
            of.who = of.who.wrapping_add(cell.fingerprint);
        }
    }
    for cell in counted.iter_mut() {
        let of = &of[cell.key.market as usize];
        let told = match (of.exact < rule.size, cell.exact < rule.size) {
            (true, _) => None,
            (_, false) => rule.count(cell.exact, cell.fingerprint).map(|count| count as f64),
            (_, true) => rule.count(of.few, of.who).map(|count| count as f64 / of.cells as f64),
        };
        cell.voters = told.unwrap_or(0.0);
        let mean = if of.worth.1 > 0.0 { (of.worth.0 / of.worth.1).round() } else { 0.0 };
        cell.worth = (mean, 1.0);
    }
}

/// The panel, with the score bands of those who are matched to the voter file.
fn scored(serving: &Serving, tv: &Television, score: Option<&str>) -> Result<Vec<Person>, ApiError> {
    let mut panel = tv.people.clone();
    let Some(model) = score else { return Ok(panel) };
    let electorate = serving.electorate()?;
    let Some((_, scores)) = electorate.scores.iter().find(|(name, _)| name == model) else {
        return Ok(panel);
    };
    let named: Vec<(usize, &(String, String))> =
        tv.voters.iter().enumerate().filter_map(|(at, voter)| Some((at, voter.as_ref()?))).collect();
    let voters: Vec<(&str, Option<&str>)> = named
        .iter()
        .map(|(_, (state, voter))| (voter.as_str(), Some(state.as_str()).filter(|state| !state.is_empty())))
        .collect();
    for (at, row) in serving.copy.rows_of(&voters)? {
        let score = f64::from(scores[row as usize]);
        let band = SCORE_BANDS.iter().position(|[from, to]| (*from..=*to).contains(&score));
        panel[named[at].0].score = band.map_or(0, |band| band as u8 + 1);
    }
    Ok(panel)
}
