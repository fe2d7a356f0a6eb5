//! Votes by candidate per district.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_schema::ids::Kind;
use bellwether_warehouse::questions::{self, ResultsFilter};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::reply::{self, Common, Params, TableRequest};

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ResultsParams {
    /// Election id.
    #[param(example = "2020-11-03/general")]
    pub election: Option<String>,
    /// Contest id within the election.
    #[param(example = "president")]
    pub contest: Option<String>,
    /// Kind of district; state by default.
    #[param(example = "county")]
    pub kind: Option<String>,
    /// Postal code.
    #[param(example = "CO")]
    pub state: Option<String>,
    /// Data set, such as vest_2020; by default the best for each contest.
    pub source: Option<String>,
    /// `all` gives rows by vote mode instead of their sum.
    pub mode: Option<String>,
}

impl ResultsParams {
    /// The filter for the rows of one kind, or of one district.
    pub fn filter(&self, kind: &str, id: Option<String>) -> Result<ResultsFilter, ApiError> {
        if Kind::parse(kind).is_none() {
            let known = Kind::ALL.map(Kind::name).join(", ");
            return Err(ApiError::bad_request(format!("unknown kind {kind}; there are {known}")));
        }
        let by_mode = match self.mode.as_deref() {
            None | Some("total") => false,
            Some("all") => true,
            Some(other) => {
                return Err(ApiError::bad_request(format!("mode must be total or all, not {other}")));
            }
        };
        Ok(ResultsFilter {
            kind: Some(kind.to_string()),
            id,
            state: self.state.as_deref().map(str::to_uppercase),
            election: self.election.clone(),
            contest: self.contest.clone(),
            source: self.source.clone(),
            by_mode,
        })
    }
}

/// Votes by candidate per district. `low` and `high` bound the true count; a null district holds the votes of
/// precincts that no outline is loaded for.
#[utoipa::path(
    get,
    path = "/v1/results",
    tag = "results",
    params(ResultsParams, Common),
    responses(
        (status = 200, description = "kind, district, election, contest, candidate, party, votes, mode, method, low, high"),
        (status = 400, body = Problem)
    )
)]
pub async fn list(
    State(app): State<App>,
    Params(params): Params<ResultsParams>,
    Params(common): Params<Common>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let filter = params.filter(params.kind.as_deref().unwrap_or("state"), None)?;
    let request = TableRequest { common: &common, headers: &headers, key: format!("results {filter:?}") };
    reply::table(&app, request, move |page| questions::results(&filter, page)).await
}
