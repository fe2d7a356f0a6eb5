//! Why a model says what it says of some voters.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_targeting::Matrix;
use bellwether_warehouse::{Answer, Cancel, FeaturesOf, Format};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::models::{self, Draft};
use crate::reply::{self, Body, Common, Params, Segments};
use crate::serving::Serving;

/// Voters that one answer may tell of.
const MOST: usize = 200;

/// Whose scores are explained.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContributionsRequest {
    /// The state's own ids, 200 at most.
    pub voters: Vec<String>,
    /// Features that are told of each voter, those that matter most first; 10 if not given.
    pub top: Option<usize>,
    /// Day whose features are looked at; that of the published scores, else the day after the file's last registration.
    pub day: Option<String>,
}

const COLUMNS: [&str; 6] = ["voter_id", "score", "feature", "value", "contribution", "base"];

/// What each feature adds to the log odds of some voters, before calibration: Shapley values for trees (Lundberg, Erion
/// and Lee 2018), coefficient times distance from the mean for a regression. `base` is what is said of people on the
/// whole; base and all contributions add up. For persuasion they are parts of the effect.
#[utoipa::path(
    post,
    path = "/v1/models/{id}/contributions",
    tag = "models",
    params(("id" = String, Path, description = "Model id"), Common),
    request_body = ContributionsRequest,
    responses(
        (status = 200, description = "voter_id, score, feature, value, contribution, base: a row a voter and feature"),
        (status = 400, body = Problem),
        (status = 404, body = Problem)
    )
)]
pub async fn contributions(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<String>,
    Params(common): Params<Common>,
    headers: HeaderMap,
    Body(request): Body<ContributionsRequest>,
) -> Result<Response, ApiError> {
    let format = common.format(&headers)?;
    if request.voters.is_empty() || request.voters.len() > MOST {
        return Err(ApiError::bad_request(format!("/voters: 1 to {MOST} ids")));
    }
    let serving = app.serving(common.as_of.as_deref()).await?;
    let (engine, held) = (app.clone(), serving.clone());
    let asked = request.voters.len() as u64;
    let rows = app
        .run_long(move || {
            let draft = engine.draft(&id)?;
            work(&engine, &held, &draft, &request)
        })
        .await?;
    let columns = COLUMNS.map(str::to_string).to_vec();
    caller.record(&app, &serving.release.id, json!({"contributions": asked}), rows.len() as u64, columns)?;
    let bytes = match format {
        Format::Json => {
            serde_json::to_vec(&json!({"release": serving.release.id, "rows": rows, "next": null}))
                .map_err(ApiError::internal)?
        }
        other => Answer::of_rows(&COLUMNS, &rows)?.encode(other)?,
    };
    let made = reply::body(&serving.release.id, format.media_type(), bytes, None);
    Ok(reply::respond(&serving.release.id, &made, &headers))
}

fn work(
    app: &App,
    serving: &Serving,
    draft: &Draft,
    request: &ContributionsRequest,
) -> Result<Vec<Value>, ApiError> {
    let day = match (&request.day, &draft.published) {
        (Some(day), _) => models::read_day(day)?,
        (None, Some(published)) => published.day.clone(),
        (None, None) => models::day_after(serving, &draft.state)?,
    };
    let voters = Some(&request.voters[..]);
    let live = || app.intake.live_tables();
    let of = FeaturesOf {
        state: &draft.state,
        day: &day,
        election: None,
        common: false,
        voters,
        live: Some(&live),
    };
    let (mut ids, mut people) = (Vec::new(), Matrix::default());
    serving.copy.features(&of, &Cancel::default(), |part| {
        // So few are handed over at once.
        (ids, people) = (part.ids, part.matrix);
        true
    })?;
    if let Some(place) = request.voters.iter().position(|id| !ids.contains(id)) {
        let detail = format!("/voters/{place}: no such voter of {} on that day", draft.state);
        return Err(ApiError::not_found(detail));
    }
    let top = request.top.unwrap_or(10).clamp(1, people.names.len().max(1));
    let scores = draft.model.scores(&people);
    let told = draft.model.contributions(&people);
    let mut rows = Vec::new();
    for id in &request.voters {
        let Some(row) = ids.iter().position(|own| own == id) else { continue };
        let own = &told[row];
        let mut order: Vec<usize> = (0..own.parts.len()).collect();
        order.sort_by(|one, other| own.parts[*other].abs().total_cmp(&own.parts[*one].abs()));
        for feature in order.into_iter().take(top) {
            let value = people.columns[feature][row];
            rows.push(json!({
                "voter_id": id, "score": scores[row], "feature": people.names[feature],
                "value": (!value.is_nan()).then_some(value),
                "contribution": own.parts[feature], "base": own.base,
            }));
        }
    }
    Ok(rows)
}
