//! Walks: what the phone page asks and sends. The link of a turf is the right to it; no key is needed.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use crate::app::App;
use crate::audit::Entry;
use crate::error::{ApiError, Problem};
use crate::reply::{self, Body, Segments};
use crate::routes::turfs::{Step, StepRequest, take_step};
use crate::turfs::results::{Entries, MOST_ENTRIES, Refused, Taken, events_of};
use crate::turfs::store::Linked;
use crate::turfs::{Cut, Member, State as Stands, Turf, id_of, making, streets};

/// Where a link leads, whether or not the list was taken back.
async fn led(app: &App, link: String) -> Result<Linked, ApiError> {
    let store = app.turfs.clone();
    // Other processes may have written since: files are looked at.
    app.run(move || store.of_link(&link)).await?.ok_or_else(gone)
}

/// The list of a link.
async fn found(app: &App, link: String) -> Result<(Cut, u32), ApiError> {
    match led(app, link).await? {
        Linked { cut, number, holds: true } => Ok((cut, number)),
        _ => Err(gone()),
    }
}

fn gone() -> ApiError {
    ApiError::of_status(StatusCode::GONE, "this list was taken back, or never was; ask for another one")
}

/// The list of a turf for the phone that has its link: stops with those who are to be visited, the script, the streets, and
/// who must not be visited any more.
#[utoipa::path(
    get,
    path = "/v1/walks/{link}",
    tag = "turfs",
    params(("link" = String, Path, description = "The secret of the link")),
    responses(
        (status = 200, description = "turf, script, start, stops, streets, struck"),
        (status = 304, description = "as the phone has it"),
        (status = 410, body = Problem, description = "the list was taken back")
    )
)]
pub async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    Segments(link): Segments<String>,
) -> Result<Response, ApiError> {
    app.intake.knows_ballots()?;
    let (cut, number) = found(&app, link).await?;
    let release = app.serving(None).await?.release.id.clone();
    let (turf_id, people) =
        (id_of(&cut.plan.id, number), cut.turf(number).map_or(0, |turf| turf.people() as u64));
    let body = app.run_with_release(None, move |app, serving| {
        let missing = || ApiError::internal("a link leads to a turf that is not there");
        let turf = cut.turf(number).ok_or_else(missing)?;
        let lists = making::lists(app, serving, &cut)?;
        let results = app.intake.happenings.walked.of(&id_of(&cut.plan.id, number));
        let struck = |member: &&Member| lists.struck(member, results.get(*member));
        let struck: Vec<&Member> = turf.members().filter(struck).collect();
        let stops = lists.stops(&[turf])?;
        let line = |(name, points): (String, Vec<[f64; 2]>)| json!({"name": name, "class": "street", "points": points});
        let streets = streets::around(serving, &stops.iter().collect::<Vec<_>>())?;
        let list = json!({
            "turf": about(app, &cut, turf),
            "script": cut.plan.script,
            "start": turf.start,
            "path": turf.path,
            "streets": streets.into_iter().map(line).collect::<Vec<Value>>(),
            "stops": stops,
            "struck": struck,
        });
        let bytes = serde_json::to_vec(&list).map_err(ApiError::internal)?;
        Ok(reply::body(&serving.release.id, "application/json", bytes, None))
    });
    let response = reply::respond(&release, &body.await?, &headers);
    if response.status() == StatusCode::OK {
        // Who has the link is nobody of the keys: the record names the list.
        let entry = Entry {
            at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            who: format!("link of {turf_id}"),
            role: "link".into(),
            purpose: None,
            route: "GET /v1/walks/{link}".into(),
            filter: Value::Null,
            rows: Some(people),
            columns: vec![format!("door list {turf_id}")],
            release,
        };
        let audit = app.audit.clone();
        app.run(move || audit.record(entry).map_err(ApiError::internal)).await?;
    }
    Ok(response)
}

fn about(app: &App, cut: &Cut, turf: &Turf) -> Value {
    let (id, standing) = (id_of(&cut.plan.id, turf.number), cut.standing(turf.number));
    json!({
        "id": id, "number": turf.number, "name": format!("{} {}", cut.plan.name, turf.number),
        "minutes": turf.minutes, "metres": turf.metres, "doors": turf.doors(), "stops": turf.stops.len(),
        "people": turf.people(), "state": app.intake.happenings.walked.state(&id, standing.state),
        "canvasser": standing.canvasser,
    })
}

/// The phone's own steps: claim, return, finish.
#[utoipa::path(
    post,
    path = "/v1/walks/{link}/{step}",
    tag = "turfs",
    params(("link" = String, Path, description = "The secret of the link"), ("step" = String, Path, description = "claim, return, finish")),
    request_body = StepRequest,
    responses((status = 200, description = "turf"), (status = 409, body = Problem), (status = 410, body = Problem))
)]
pub async fn step(
    State(app): State<App>,
    Segments((link, step)): Segments<(String, String)>,
    Body(request): Body<StepRequest>,
) -> Result<Json<Value>, ApiError> {
    let (cut, number) = found(&app, link).await?;
    let step = match Step::parse(&step)? {
        Step::Release => {
            return Err(ApiError::not_found("a list is claimed, returned and finished by its link"));
        }
        step => step,
    };
    let state = app.intake.happenings.walked.state(&id_of(&cut.plan.id, number), cut.standing(number).state);
    let store = app.turfs.clone();
    let change = move || {
        store.stand(&cut.plan.id, number, |standing| {
            standing.state = standing.state.max_begun(state);
            take_step(standing, step, request.canvasser.as_deref())
        })
    };
    let cut = app.run(change).await?;
    let turf = cut.turf(number).ok_or_else(|| ApiError::internal("a turf went while it changed hands"))?;
    Ok(Json(json!({"turf": about(&app, &cut, turf)})))
}

/// Takes what was recorded at the doors. Every entry has an id of the phone's own: sent again, late or in another order it
/// counts once, and of several about one person the last by its time counts. What is in `accepted` is durable. What was
/// recorded before a list was taken back is taken in all the same.
#[utoipa::path(
    post,
    path = "/v1/walks/{link}/results",
    tag = "turfs",
    params(("link" = String, Path, description = "The secret of the link")),
    request_body = Entries,
    responses((status = 200, body = Taken), (status = 400, body = Problem), (status = 410, body = Problem), (status = 503, body = Problem))
)]
pub async fn results(
    State(app): State<App>,
    Segments(link): Segments<String>,
    Body(entries): Body<Entries>,
) -> Result<Json<Taken>, ApiError> {
    let Linked { cut, number, holds } = led(&app, link).await?;
    let turf =
        cut.turf(number).ok_or_else(|| ApiError::internal("a link leads to a turf that is not there"))?;
    if entries.results.len() > MOST_ENTRIES {
        return Err(ApiError::bad_request(format!("at most {MOST_ENTRIES} entries come together")));
    }
    let mut standing = cut.standing(number);
    if !holds {
        // Whoever has the list now did not record this.
        standing.canvasser = None;
    }
    let (mut taken, mut events) = (Taken { accepted: Vec::new(), refused: Vec::new() }, Vec::new());
    for entry in &entries.results {
        match events_of(&cut, turf, &standing, entry) {
            Ok(made) => {
                events.extend(made.iter().map(|event| event.to_string().into_bytes()));
                taken.accepted.push(entry.id.clone());
            }
            Err(reason) => taken.refused.push(Refused { id: entry.id.chars().take(100).collect(), reason }),
        }
    }
    if !events.is_empty() {
        let sent = events.len() as u64;
        let receipt = app.take_in(events).await?;
        if receipt.accepted != sent {
            return Err(ApiError::of_status(
                StatusCode::SERVICE_UNAVAILABLE,
                "not everything could be taken in; send it again",
            ));
        }
        if holds && matches!(standing.state, Stands::Released | Stands::Claimed) {
            let (store, id) = (app.turfs.clone(), cut.plan.id.clone());
            let begin = move || {
                store.stand(&id, number, |standing| {
                    standing.state = standing.state.max_begun(Stands::Started);
                    Ok(())
                })
            };
            app.run(begin).await?;
        }
    }
    Ok(Json(taken))
}
