//! One error for all routes: a public message as problem+json, and a private one for the log.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
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
}

/// Why a request has no answer.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    detail: String,
    /// For the log; never shown to the caller.
    private: Option<String>,
}

impl ApiError {
    pub fn bad_request(detail: impl Into<String>) -> ApiError {
        ApiError { status: StatusCode::BAD_REQUEST, detail: detail.into(), private: None }
    }

    pub fn not_found(detail: impl Into<String>) -> ApiError {
        ApiError { status: StatusCode::NOT_FOUND, detail: detail.into(), private: None }
    }

    pub fn conflict(detail: impl Into<String>) -> ApiError {
        ApiError { status: StatusCode::CONFLICT, detail: detail.into(), private: None }
    }

    pub fn of_status(status: StatusCode, detail: impl Into<String>) -> ApiError {
        ApiError { status, detail: detail.into(), private: None }
    }

    /// Too much is asked at once; the caller should try again.
    pub fn overloaded() -> ApiError {
        ApiError {
            status: StatusCode::SERVICE_UNAVAILABLE,
            detail: "the server is busy; try again shortly".into(),
            private: None,
        }
    }

    /// Something is wrong on our side.
    pub fn internal(private: impl std::fmt::Display) -> ApiError {
        ApiError {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            detail: "something went wrong on our side; the log has the request's id".into(),
            private: Some(private.to_string()),
        }
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
        ApiError::internal(chain(&error))
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
        };
        let mut response = (self.status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
