//! How turfs come to be: a universe is read, cut and kept, as a job.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use bellwether_loaders::Progress;
use serde_json::{Value, json};

use crate::access::Caller;
use crate::app::App;
use crate::error::ApiError;
use crate::population::Population;
use crate::reply::Common;
use crate::serving::Serving;
use crate::turfs::cutting::{Doors, elections_of, reasons, rules};
use crate::turfs::lists::Lists;
use crate::turfs::request::TurfsRequest;
use crate::turfs::store::{Kept, now};
use crate::turfs::{Cut, Plan, State, Turf, id_of};
use crate::universe::population_of;

/// A cut that is being made.
pub struct Making {
    pub request: TurfsRequest,
    /// The filter with the area.
    pub filter: Value,
    pub as_of: Option<String>,
    /// The cut whose turfs that nobody has begun are cut anew.
    pub anew: Option<Cut>,
}

/// How often a cut is tried again because another process took some of its doors meanwhile.
const TRIES: usize = 5;
/// Most people of one cut: they are held in memory while it is made.
const MOST_PEOPLE: u64 = 1_000_000;

/// The filter of a request: whom, and where. An error where it cannot be read, so that nothing is begun.
pub async fn filter_of(
    app: &App,
    caller: &Caller,
    request: &TurfsRequest,
) -> Result<(Value, Option<String>), ApiError> {
    let common = Common::default();
    let (filter, as_of) = population_of(app, &request.filter, request.universe.as_deref(), &common)?;
    let filter = match (filter.is_null(), request.area.is_null()) {
        (_, true) => filter,
        (true, false) => request.area.clone(),
        (false, false) => json!({"all": [filter, request.area]}),
    };
    app.intake.knows_ballots()?;
    let population = Population::read(&filter, caller)?;
    let serving = app.serving(as_of.as_deref()).await?;
    app.run(move || population.compile(&serving, serving.electorate()?).map(|_| ())).await?;
    Ok((filter, as_of))
}

/// Cuts, and keeps what came of it.
pub async fn make(
    app: &App,
    caller: &Caller,
    job: &str,
    making: Making,
    progress: Arc<Progress>,
) -> Result<Value, ApiError> {
    // One after the other: who comes second finds the doors of the first taken.
    let _turn = app.cutting.lock().await;
    app.jobs.update(job, |job| job.state = "running");
    let serving = app.serving(making.as_of.as_deref()).await?;
    let (engine, who) = (app.clone(), caller.clone());
    let made = app.run_long(move || {
        progress.bytes_total.store(1000, Ordering::Relaxed);
        let mut go_on = |share: f64| {
            progress.bytes.store((share * 1000.0) as u64, Ordering::Relaxed);
            !progress.cancelled.load(Ordering::Relaxed)
        };
        cut_and_keep(&engine, &who, &serving, making, &mut go_on)
    });
    let cut = made.await?;
    let turfs: Vec<Value> = cut
        .plan
        .turfs
        .iter()
        .filter(|turf| !turf.replaced)
        .map(|turf| {
            json!({
                "id": id_of(&cut.plan.id, turf.number), "number": turf.number, "stops": turf.stops.len(),
                "doors": turf.doors(), "people": turf.people(), "minutes": turf.minutes, "metres": turf.metres,
            })
        })
        .collect();
    Ok(json!({
        "cut": cut.plan.id, "release": cut.plan.release, "turfs": turfs, "suppressed": cut.plan.suppressed,
        "minutes_spread": cut.plan.minutes_spread,
    }))
}

fn cut_and_keep(
    app: &App,
    caller: &Caller,
    serving: &Serving,
    making: Making,
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<Cut, ApiError> {
    let Making { request, filter, anew, .. } = making;
    let mut anew = anew.map(|cut| begun(app, cut)).transpose()?;
    let electorate = serving.electorate()?;
    let elections = elections_of(&request, electorate);
    let rules = rules(&request, &elections);
    let population = Population::read(&filter, caller)?;
    let bitmap = electorate.bitmap(&population.compile(serving, electorate)?);
    let people: u64 = bitmap.iter().map(|word| u64::from(word.count_ones())).sum();
    if people > MOST_PEOPLE {
        let detail = format!(
            "{people} people are too many for one cut; {MOST_PEOPLE} are possible: cut by county or district"
        );
        return Err(ApiError::of_status(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let mut also = std::collections::HashSet::new();
    for _ in 0..TRIES {
        let before = anew.as_ref();
        let mut taken = app.turfs.taken(before.map(|cut| cut.plan.id.as_str()))?;
        taken.extend(&also);
        let doors = Doors::read(serving, &bitmap, &rules, &taken, &app.turfs.erased()?)?;
        let mut suppressed = doors.suppressed.clone();
        reasons().for_each(|why| {
            suppressed.entry(why.to_string()).or_default();
        });
        if doors.is_empty() {
            return Err(nobody(&suppressed));
        }
        let kept = before.map(|cut| left_alone(app, cut)).unwrap_or_default();
        let first = kept.iter().map(|turf| turf.number).chain(before.into_iter().flat_map(numbers)).max();
        let (turfs, minutes_spread) =
            doors.cut(serving, &request, first.map_or(1, |number| number + 1), go_on)?;
        let plan = Plan {
            id: before.map_or_else(|| uuid::Uuid::now_v7().to_string(), |cut| cut.plan.id.clone()),
            name: request.name.trim().to_string(),
            created: now(),
            owner: before.map_or_else(|| caller.key.clone(), |cut| cut.plan.owner.clone()),
            release: serving.release.id.clone(),
            script: request.script.clone().unwrap_or_default(),
            request: request.clone(),
            filter: population.text.clone(),
            elections: elections.clone(),
            suppressed,
            minutes_spread,
            turfs: kept.into_iter().chain(turfs).collect(),
        };
        let people = plan.turfs.iter().map(|turf| turf.people() as u64).sum::<u64>();
        let columns = vec![format!("turfs of the cut {}", plan.id)];
        caller.record(app, &plan.release, population.text.clone(), people, columns)?;
        match app.turfs.keep(plan, before)? {
            Kept::Done(cut) => return Ok(cut),
            Kept::Taken(doors) => also.extend(doors),
            // Somebody claimed one of its turfs meanwhile, or it was cut anew elsewhere.
            Kept::Changed => {
                anew = anew
                    .map(|cut| app.turfs.cut(&cut.plan.id).and_then(|cut| begun(app, cut)))
                    .transpose()?;
            }
        }
    }
    Err(ApiError::conflict("other cuts took these doors time and again; try once more"))
}

fn numbers(cut: &Cut) -> impl Iterator<Item = u32> {
    cut.plan.turfs.iter().map(|turf| turf.number)
}

/// The cut, where what was recorded on its turfs stands in their state.
fn begun(app: &App, cut: Cut) -> Result<Cut, ApiError> {
    for turf in cut.plan.turfs.iter().filter(|turf| !turf.replaced) {
        let stands = cut.standing(turf.number).state;
        let state = app.intake.happenings.walked.state(&id_of(&cut.plan.id, turf.number), stands);
        if state != stands {
            app.turfs.stand(&cut.plan.id, turf.number, |standing| {
                standing.state = standing.state.max_begun(state);
                Ok(())
            })?;
        }
    }
    app.turfs.cut(&cut.plan.id)
}

/// The turfs that cutting anew leaves alone; of the others those on which something was done, for the record.
fn left_alone(app: &App, cut: &Cut) -> Vec<Turf> {
    let mut turfs = Vec::new();
    for turf in &cut.plan.turfs {
        let standing = cut.standing(turf.number);
        if turf.replaced || standing.state.is_kept() {
            turfs.push(turf.clone());
        } else if standing.links > 0 || standing.state != State::Cut {
            // Somebody has or had its link, and may send what was recorded yet.
            turfs.push(Turf { replaced: true, ..turf.clone() });
        } else if !app.intake.happenings.walked.of(&id_of(&cut.plan.id, turf.number)).is_empty() {
            turfs.push(Turf { replaced: true, ..turf.clone() });
        }
    }
    turfs
}

fn nobody(suppressed: &std::collections::BTreeMap<String, u64>) -> ApiError {
    let left_out: Vec<String> = suppressed
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(why, count)| format!("{count} {why}"))
        .collect();
    let detail = match left_out.is_empty() {
        true => "nobody is in this universe".to_string(),
        false => format!("nobody is left to visit: {}", left_out.join(", ")),
    };
    ApiError::of_status(StatusCode::UNPROCESSABLE_ENTITY, detail)
}

impl State {
    /// The state, or that something was begun where that is so and nothing more was said.
    pub fn max_begun(self, with_results: State) -> State {
        match self {
            State::Cut | State::Released | State::Claimed if with_results == State::Started => State::Started,
            state => state,
        }
    }
}

/// The lists of a cut as they are just now.
pub fn lists<'a>(app: &'a App, serving: &'a Serving, cut: &'a Cut) -> Result<Lists<'a>, ApiError> {
    let rows = app.turf_rows.of(serving, cut)?;
    Lists::new(serving, cut, rows, &app.intake.happenings.walked)
}
