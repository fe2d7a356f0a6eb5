//! One error for all routes: a public message as problem+json, and a private one for the log.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether_electorate::Fault;
use serde::Serialize;
use utoipa::ToSchema;

/// A problem as RFC 9457 describes it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// What is wrong with each part of the request, where there is more to say than `detail`: `at` is a JSON pointer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub errors: Vec<Fault>,
}

/// Why a request has no answer.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    detail: String,
    /// For the log; never shown to the caller.
    private: Option<String>,
    faults: Vec<Fault>,
    /// Seconds after which it is worth trying again.
    retry_after: Option<u64>,
}

impl ApiError {
    pub fn of_status(status: StatusCode, detail: impl Into<String>) -> ApiError {
        ApiError { status, detail: detail.into(), private: None, faults: Vec::new(), retry_after: None }
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn bad_request(detail: impl Into<String>) -> ApiError {
        ApiError::of_status(StatusCode::BAD_REQUEST, detail)
    }

    /// The filter, or another document within the request, has these faults.
    pub fn faults(faults: Vec<Fault>) -> ApiError {
        let detail = faults.first().map_or(String::new(), |fault| match fault.at.is_empty() {
            true => fault.detail.clone(),
            false => format!("{}: {}", fault.at, fault.detail),
        });
        ApiError { faults, ..ApiError::bad_request(detail) }
    }

    pub fn not_found(detail: impl Into<String>) -> ApiError {
        ApiError::of_status(StatusCode::NOT_FOUND, detail)
    }

    pub fn conflict(detail: impl Into<String>) -> ApiError {
        ApiError::of_status(StatusCode::CONFLICT, detail)
    }

    pub fn forbidden(detail: impl Into<String>) -> ApiError {
        ApiError::of_status(StatusCode::FORBIDDEN, detail)
    }

    /// Too much is asked at once; the caller should try again.
    pub fn overloaded() -> ApiError {
        let error =
            ApiError::of_status(StatusCode::SERVICE_UNAVAILABLE, "the server is busy; try again shortly");
        ApiError { retry_after: Some(1), ..error }
    }

    /// The key's rate is used up.
    pub fn too_many(seconds: u64) -> ApiError {
        let error =
            ApiError::of_status(StatusCode::TOO_MANY_REQUESTS, "the key's rate is used up; try again later");
        ApiError { retry_after: Some(seconds.max(1)), ..error }
    }

    /// Something is wrong on our side.
    pub fn internal(private: impl std::fmt::Display) -> ApiError {
        let detail = "something went wrong on our side; the log has the request's id";
        let error = ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR, detail);
        ApiError { private: Some(private.to_string()), ..error }
    }
}

impl ApiError {
    /// What a caller may be told; the rest goes to the log.
    pub fn told(self) -> String {
        if let Some(private) = &self.private {
            tracing::error!(error = private, "a job failed");
        }
        self.detail
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.private.as_ref().unwrap_or(&self.detail))
    }
}

/// An error with all its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

impl From<bellwether_warehouse::Error> for ApiError {
    fn from(error: bellwether_warehouse::Error) -> Self {
        use bellwether_warehouse::Error;
        match &error {
            Error::BadQuery(detail) => ApiError::bad_request(detail.clone()),
            Error::TooSlow(_) | Error::TooBig(_) | Error::Cancelled => {
                ApiError::of_status(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
            }
            Error::Moved => ApiError::of_status(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            Error::Engine { .. } | Error::File { .. } => ApiError::internal(chain(&error)),
        }
    }
}

impl From<bellwether_lake::Error> for ApiError {
    fn from(error: bellwether_lake::Error) -> Self {
        use bellwether_lake::Error;
        match &error {
            Error::UnknownRelease { .. } => ApiError::not_found(error.to_string()),
            Error::Conflict(_) | Error::Busy => ApiError::conflict(error.to_string()),
            _ => ApiError::internal(chain(&error)),
        }
    }
}

impl From<bellwether_atlas::Error> for ApiError {
    fn from(error: bellwether_atlas::Error) -> Self {
        match &error {
            bellwether_atlas::Error::Geometry { .. } => ApiError::bad_request(error.to_string()),
            _ => ApiError::internal(chain(&error)),
        }
    }
}

impl From<bellwether_delivery::Error> for ApiError {
    fn from(error: bellwether_delivery::Error) -> Self {
        use bellwether_delivery::Error;
        match error {
            Error::Lake(error) => error.into(),
            Error::NotDurable | Error::Stopped | Error::NotReady | Error::NotWiped(_) => {
                ApiError::of_status(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
            Error::TooLarge { .. } => ApiError::of_status(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
            _ => ApiError::internal(chain(&error)),
        }
    }
}

impl From<tokio::task::JoinError> for ApiError {
    fn from(error: tokio::task::JoinError) -> Self {
        ApiError::internal(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(private) = &self.private {
            tracing::error!(error = %private, "request failed");
        }
        let problem = Problem {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error").to_string(),
            status: self.status.as_u16(),
            detail: self.detail,
            errors: self.faults,
        };
        let mut response = (self.status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let unavailable = (self.status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        if let Some(seconds) = self.retry_after.or(unavailable) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
