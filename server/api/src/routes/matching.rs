//! Matching people with the voter file: one at once, lists as a job.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use bellwether_linkage::Options;
use bellwether_warehouse::{Answer, Format};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::jobs::JobState;
use crate::keys::Role;
use crate::long;
use crate::matches::{COLUMNS, Matched, Wanted};
use crate::people::{self, Known, Person};
use crate::population::Population;
use crate::reply::{self, Common, Params, Segments};
use crate::serving::Serving;

/// Lists of so many people or fewer are answered at once.
const AT_ONCE: usize = 1_000;

/// One person, or a list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MatchRequest {
    pub record: Option<Person>,
    pub records: Option<Vec<Person>>,
}

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MatchParams {
    /// Least probability of a match, 0.01 to 1: by default 0.5 for lists, 0.01 for one person.
    pub least: Option<f64>,
    /// Whether a voter is one person of the list at most; true by default. The same person listed twice in the same
    /// words counts once.
    pub one_to_one: Option<bool>,
}

/// Finds people in the voter file. One person (`record`) is answered with the likely voters, the likeliest first; a list
/// (`records`, or CSV with the same columns) with the best match of each, null where there is none: up to 1,000 people at
/// once, up to 100,000 as a job whose `result.rows` is where the rows are.
///
/// `probability` is calibrated: of matches told 0.9, nine of ten are right. It comes from the odds before anything is
/// compared (`prior`, in bits) and what each field adds or takes (`evidence`, in bits), weighed against the rivals: who
/// else it could be. Names count by how rare they are; people under one roof are told apart by what families share.
#[utoipa::path(
    post,
    path = "/v1/voters/match",
    tag = "voters",
    params(
        MatchParams,
        Common,
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same job")
    ),
    request_body(
        content(
            (MatchRequest = "application/json", example = json!({"record": {"name": "Wilma Marlow", "birth_year": 1961, "zip": "80419"}})),
            (String = "text/csv", example = "id,last_name,first_name,birth_year,address,zip\n1,MARLOW,WILMA,1961,1200 N Main St,80419\n")
        )
    ),
    responses(
        (status = 200, description = "record, id, state, voter_id, probability, prior, evidence"),
        (status = 202, body = JobState, description = "a long list: a job"),
        (status = 400, body = Problem),
        (status = 409, body = Problem, description = "the idempotency key came with another body before")
    )
)]
pub async fn start(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<MatchParams>,
    Params(common): Params<Common>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let format = common.format(&headers)?;
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // What decides the answer besides the people is part of what an idempotency key stands for.
    let asked = format!("{:?} {:?} {:?} {media}", params.least, params.one_to_one, common.as_of);
    let hash = blake3::Hasher::new().update(asked.as_bytes()).update(&body).finalize();
    let is_csv = media.starts_with("text/csv");
    let reading = move || {
        if is_csv {
            let (people, lines) = people::of_csv(&body)?;
            let known =
                people::read(&people, |row, field| format!("line {} {field}", lines[row]).trim_end().into())?;
            return Ok((people, known, false));
        }
        let (people, one) = of_json(&body)?;
        let place =
            |row: usize, field: &str| format!("/records/{row}/{field}").trim_end_matches('/').to_string();
        let known = match one {
            true => vec![people::read_one(&people[0], "/record")?],
            false => people::read(&people, place)?,
        };
        Ok((people, known, one))
    };
    let (people, known, one) = app.run(reading).await?;
    if people.is_empty() {
        return Err(people::too_many());
    }
    let least = params.least.unwrap_or(if one { 0.01 } else { 0.5 });
    if !(0.01..=1.0).contains(&least) {
        return Err(ApiError::bad_request("least is a probability, 0.01 to 1"));
    }
    let one_to_one = params.one_to_one.unwrap_or(true) && !one;
    let options = Options { one_to_one, least, ..Options::default() };
    let serving = reply::serving_of(&app, &common, common.as_of.as_deref()).await?;
    // What a name weighs tells how many bear it: a key that is limited to districts is told whole bits.
    let digits = if caller.limit().is_null() { 100.0 } else { 1.0 };
    let wanted = Wanted { options, everybody: !one, most: if one { 100 } else { 1 }, digits };
    let allowed = allowed(&app, &serving, &caller).await?;
    let task = Task { people, known, allowed, wanted };
    if task.people.len() > AT_ONCE {
        return begin(app, caller, &headers, hash, serving, task);
    }
    let held = serving.clone();
    let matched = app.run_long(move || task.work(&held, &|_| true)).await?;
    answer(&app, &caller, matched, &common, format, &headers).await
}

fn of_json(body: &[u8]) -> Result<(Vec<Person>, bool), ApiError> {
    // Told before so many people are made of it.
    if body.iter().filter(|byte| **byte == b'{').count() > people::MOST + 1 {
        return Err(people::too_many());
    }
    let request: MatchRequest =
        serde_json::from_slice(body).map_err(|error| ApiError::bad_request(error.to_string()))?;
    match request {
        MatchRequest { record: Some(person), records: None } => Ok((vec![person], true)),
        MatchRequest { record: None, records: Some(people) } => Ok((people, false)),
        _ => Err(ApiError::bad_request("give a record or records")),
    }
}

/// The voters that the key may see; none where it may see all.
async fn allowed(app: &App, serving: &Arc<Serving>, caller: &Caller) -> Result<Option<Vec<u64>>, ApiError> {
    if caller.limit().is_null() {
        return Ok(None);
    }
    let population = Population::read(&Value::Null, caller)?;
    let bitmap = app.evaluate(serving, population, 4, |_, electorate, filter| Ok(electorate.bitmap(filter)));
    bitmap.await.map(Some)
}

/// A list and how it is wanted matched.
struct Task {
    people: Vec<Person>,
    known: Vec<Known>,
    allowed: Option<Vec<u64>>,
    wanted: Wanted,
}

impl Task {
    fn work(&self, serving: &Serving, go_on: &(dyn Fn(usize) -> bool + Sync)) -> Result<Matched, ApiError> {
        Matched::new(serving, &self.people, &self.known, self.allowed.as_deref(), &self.wanted, go_on)
    }
}

/// Starts a job.
fn begin(
    app: App,
    caller: Caller,
    headers: &HeaderMap,
    hash: blake3::Hash,
    serving: Arc<Serving>,
    task: Task,
) -> Result<Response, ApiError> {
    let (engine, who) = (app.clone(), caller.key.clone());
    long::begin(&app, &caller, headers, ("match", hash), move |job, progress| async move {
        let (held, running, jobs) = (serving.clone(), job.clone(), engine.jobs.clone());
        let matching = engine.run_long(move || {
            jobs.update(&running, |job| job.state = "running");
            // Every voter is gone through twice.
            progress.bytes_total.store(held.electorate()?.rows() as u64 * 2, Ordering::Relaxed);
            let go_on = |voters: usize| {
                progress.bytes.fetch_add(voters as u64, Ordering::Relaxed);
                !progress.cancelled.load(Ordering::Relaxed)
            };
            let matched = task.work(&held, &go_on)?;
            match progress.cancelled.load(Ordering::Relaxed) {
                true => Err(ApiError::conflict("cancelled")),
                false => Ok((task.people.len(), matched)),
            }
        });
        let (records, matched) = matching.await?;
        let rows = format!("/v1/voters/matches/{job}");
        let result = json!({
            "release": matched.release, "records": records, "matched": matched.found(), "rows": rows,
        });
        engine.matches.keep(job, who, matched);
        Ok(result)
    })
}

/// What became of a list that was matched as a job. Kept until eight newer ones are, or the server stops.
#[utoipa::path(
    get,
    path = "/v1/voters/matches/{job}",
    tag = "voters",
    params(("job" = String, Path, description = "Job id"), Common),
    responses(
        (status = 200, description = "record, id, state, voter_id, probability, prior, evidence; a row a person of the list"),
        (status = 400, body = Problem),
        (status = 403, body = Problem),
        (status = 404, body = Problem)
    )
)]
pub async fn rows(
    State(app): State<App>,
    caller: Caller,
    Segments(job): Segments<String>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let format = common.format(&headers)?;
    let found = app.matches.get(&job);
    let (owner, matched) = found.ok_or_else(|| ApiError::not_found("no such list, or not done yet"))?;
    if owner != caller.key && caller.role != Role::Admin {
        return Err(ApiError::forbidden("a matched list is for the key that gave it, or for an admin"));
    }
    answer(&app, &caller, matched, &common, format, &headers).await
}

/// Answers with the rows of a matched list: all of them, or a page where a limit is given.
async fn answer(
    app: &App,
    caller: &Caller,
    matched: impl Into<Arc<Matched>>,
    common: &Common,
    format: Format,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let matched = matched.into();
    let release = matched.release.clone();
    let mut page = common.page(&release, format)?;
    if common.limit.is_none() && (format != Format::Json || matched.len() <= AT_ONCE as u64) {
        page.limit = matched.len().max(1);
    }
    let given = matched.len().saturating_sub(page.offset).min(page.limit);
    let columns = COLUMNS.map(str::to_string).to_vec();
    caller.record(app, &release, json!({"match": matched.len()}), given, columns)?;
    let held = matched.clone();
    let made = app.run(move || {
        let rows = held.rows(page.offset, page.limit);
        let end = page.offset + rows.len() as u64;
        let next = (end < held.len()).then(|| reply::cursor(&held.release, end));
        let bytes = match format {
            Format::Json => serde_json::to_vec(&json!({"release": held.release, "rows": rows, "next": next}))
                .map_err(ApiError::internal)?,
            other => Answer::of_rows(&COLUMNS, &rows)?.encode(other)?,
        };
        Ok(reply::body(&held.release, format.media_type(), bytes, next))
    });
    Ok(reply::respond(&release, &made.await?, headers))
}
