//! The one layer that every request passes: its id, the caller's key, the time limit, the metrics and the log.

use std::collections::HashMap;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::{Counter, Histogram};

use crate::access;
use crate::app::App;
use crate::error::ApiError;

/// Requests that take longer are logged, in seconds.
const SLOW: f64 = 1.0;
/// Longest id that a caller may give a request.
const LONGEST_ID: usize = 200;

/// Counters of each route, found without making labels anew for every request.
#[derive(Default)]
pub struct Tally {
    routes: RwLock<HashMap<String, Vec<Line>>>,
    ids: AtomicU64,
}

struct Line {
    method: Method,
    status: StatusCode,
    requests: Counter,
    seconds: Histogram,
}

impl Tally {
    fn record(&self, route: &str, method: &Method, status: StatusCode, seconds: f64) {
        let fits = |line: &&Line| line.method == *method && line.status == status;
        if let Ok(routes) = self.routes.read()
            && let Some(line) = routes.get(route).and_then(|lines| lines.iter().find(fits))
        {
            line.requests.increment(1);
            line.seconds.record(seconds);
            return;
        }
        let labels = [
            ("method", method.to_string()),
            ("route", route.to_string()),
            ("status", status.as_str().to_string()),
        ];
        let line = Line {
            method: method.clone(),
            status,
            requests: metrics::counter!("bellwether_http_requests_total", &labels),
            seconds: metrics::histogram!("bellwether_http_request_seconds", "route" => route.to_string()),
        };
        line.requests.increment(1);
        line.seconds.record(seconds);
        if let Ok(mut routes) = self.routes.write() {
            routes.entry(route.to_string()).or_default().push(line);
        }
    }

    /// An id of its own for a request: that of the process and a number.
    fn id(&self, process: u64) -> HeaderValue {
        let number = self.ids.fetch_add(1, Ordering::Relaxed);
        HeaderValue::from_str(&format!("{process:016x}-{number:x}")).unwrap_or(HeaderValue::from_static("?"))
    }
}

/// Lets a request in, or answers it at the door. Counts and logs it by its route, never by its parameters: these may
/// hold what a log must not.
pub async fn enter(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let given = request.headers().get("x-request-id").filter(|id| id.len() <= LONGEST_ID).cloned();
    let id = given.unwrap_or_else(|| app.tally.id(app.process));
    let (mut response, allowance) = match access::admit(&app, &request) {
        Ok((caller, allowance)) => {
            request.extensions_mut().insert(caller);
            let late =
                || ApiError::of_status(StatusCode::GATEWAY_TIMEOUT, "it took too long").into_response();
            let answered = tokio::time::timeout(app.config.request_time(), next.run(request)).await;
            (answered.unwrap_or_else(|_| late()), allowance)
        }
        Err((error, allowance)) => (error.into_response(), allowance),
    };
    if let Some(allowance) = allowance {
        access::rate_headers(allowance, response.headers_mut());
    }
    let seconds = started.elapsed().as_secs_f64();
    let status = response.status();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    app.tally.record(route, &method, status, seconds);
    // A server that is busy or not ready yet says so to the caller; its log would only grow by it.
    let failed = status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE;
    let shown = id.to_str().unwrap_or_default();
    if seconds >= SLOW || failed {
        tracing::info!(%method, route, status = status.as_u16(), seconds, id = shown, "request");
    } else {
        tracing::debug!(%method, route, status = status.as_u16(), seconds, id = shown, "request");
    }
    response.headers_mut().insert("x-request-id", id);
    response
}
