//! Who is asking: the key of a request, its rate and its rights.

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bellwether_electorate::Where;
use serde_json::{Value, json};

use crate::app::App;
use crate::audit::Entry;
use crate::error::ApiError;
use crate::keys::{Allowance, DistrictOfKey, Right, Role};

/// The caller of a request.
#[derive(Debug, Clone)]
pub struct Caller {
    pub key: String,
    pub role: Role,
    /// Districts that the key is limited to; none: no limit.
    pub districts: Vec<DistrictOfKey>,
    purpose: Option<String>,
    route: String,
}

impl Caller {
    /// Whether figures must be kept from telling of single persons.
    pub fn sees_no_persons(&self) -> bool {
        !self.role.has(Right::Persons)
    }

    /// Whether the caller's role has a right.
    pub fn may(&self, right: Right) -> bool {
        self.role.has(right)
    }

    /// Keeps answers of callers who see differently apart in the cache.
    pub fn view(&self) -> String {
        let districts: Vec<String> = self.districts.iter().map(|d| format!("{}/{}", d.kind, d.id)).collect();
        format!("{} {}", if self.sees_no_persons() { "rounded" } else { "exact" }, districts.join(" "))
    }

    /// A cache key that belongs to what this caller sees.
    pub fn keyed(&self, key: String) -> String {
        format!("{} {key}", self.view())
    }

    /// The key's limit to districts, read.
    pub fn bound(&self) -> Result<Option<Where>, ApiError> {
        match self.limit() {
            Value::Null => Ok(None),
            limit => Where::parse(&limit).map(Some).map_err(ApiError::faults),
        }
    }

    /// The filter that the key's districts put on every population; null where there is no limit.
    pub fn limit(&self) -> Value {
        if self.districts.is_empty() {
            return Value::Null;
        }
        let one = |district: &DistrictOfKey| json!({"district": {"kind": district.kind, "id": district.id}});
        json!({"any": self.districts.iter().map(one).collect::<Vec<_>>()})
    }

    /// Records an answer that holds persons. Without the record the answer must not be given.
    pub fn record(
        &self,
        app: &App,
        release: &str,
        filter: Value,
        rows: impl Into<Option<u64>>,
        columns: Vec<String>,
    ) -> Result<(), ApiError> {
        let entry = Entry {
            at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            who: self.key.clone(),
            role: format!("{:?}", self.role).to_lowercase(),
            purpose: self.purpose.clone(),
            route: self.route.clone(),
            filter,
            rows: rows.into(),
            columns,
            release: release.to_string(),
        };
        app.audit.record(entry).map_err(ApiError::internal)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.ok_or_else(|| ApiError::internal("a route lies outside of the access layer"))
    }
}

/// What each route needs the right to. A route that is not named needs the most.
pub fn needed(method: &Method, route: &str) -> Right {
    let read = method == Method::GET || method == Method::HEAD;
    match route {
        "/v1/health/live" | "/v1/health/ready" | "/v1/openapi.json" => Right::Nothing,
        route if route.starts_with("/docs") => Right::Nothing,
        // The pages hold nothing; a link of a turf is the right to its list.
        route if ["/walk/", "/turfs/", "/v1/walks/"].iter().any(|of| route.starts_with(of)) => Right::Nothing,
        route if route.starts_with("/v1/turf") => Right::Persons,
        "/v1/jobs/{id}"
        | "/v1/jobs/{id}/events"
        | "/v1/tables"
        | "/v1/tables/{name}"
        | "/v1/releases"
        | "/v1/releases/{id}" => Right::Presence,
        "/v1/loads" | "/v1/loads/{id}" | "/v1/loads/{id}/rejects" => Right::Load,
        "/v1/events"
        | "/v1/events/from/{source}"
        | "/v1/track"
        | "/v1/identify"
        | "/v1/page"
        | "/v1/screen"
        | "/v1/group"
        | "/v1/alias"
        | "/v1/batch"
        | "/v4/people/{id}/canvassResponses"
        | "/v1/event-types/{type}/replay"
        | "/v1/event-mirror" => Right::Load,
        "/v1/event-types" | "/v1/event-types/{type}" => Right::Presence,
        "/v1/event-types/{type}/dead-letters" => Right::Sql,
        "/v1/models/features" => Right::Presence,
        route if ["/v1/models", "/v1/opinions", "/v1/experiments"].iter().any(|of| route.starts_with(of)) => {
            Right::Sql
        }
        route if ["/v1/markets", "/v1/media/"].iter().any(|of| route.starts_with(of)) => Right::Aggregates,
        "/v1/sql" => Right::Sql,
        "/v1/voters/{id}"
        | "/v1/voters/match"
        | "/v1/voters/matches/{job}"
        | "/v1/universes/{id}/voters"
        | "/v1/universes/{id}/changes" => Right::Persons,
        "/v1/universes"
        | "/v1/universes/{id}"
        | "/v1/universes/count"
        | "/v1/aggregates"
        | "/v1/reports/shape" => Right::Aggregates,
        route if read && (route.starts_with("/v1/districts") || route.starts_with("/v1/releases/")) => {
            Right::Aggregates
        }
        route if read && route.starts_with("/v1/tiles/") => Right::Aggregates,
        "/v1/locate" | "/v1/results" | "/v1/topics" => Right::Aggregates,
        _ => Right::Admin,
    }
}

/// Why a request is not let in.
pub type Refusal = (ApiError, Option<Allowance>);

/// Who is asking; an error with 401, 403 or 429 where they may not.
pub fn admit(app: &App, request: &Request) -> Result<(Caller, Option<Allowance>), Refusal> {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let need = needed(request.method(), route);
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let purpose = header("bellwether-purpose").map(|text| text.chars().take(200).collect());
    let as_who = |key: &str, role: Role, districts: &[DistrictOfKey]| Caller {
        key: key.to_string(),
        role,
        districts: districts.to_vec(),
        purpose,
        route: route.to_string(),
    };
    if !app.keys.in_use() {
        if !from_this_machine(request.headers()) {
            let error =
                ApiError::forbidden("without keys only programs and pages of this machine are answered");
            return Err((error, None));
        }
        return Ok((as_who("local", Role::Admin, &[]), None));
    }
    if need == Right::Nothing {
        return Ok((as_who("nobody", Role::Ingest, &[]), None));
    }
    let token = header("authorization").and_then(token_of);
    let key = token.as_deref().and_then(|token| app.keys.find(token.trim()));
    let Some(key) = key else {
        let detail = match token {
            None => "a key is needed: Authorization: Bearer <key>",
            Some(_) => "the key is unknown or revoked",
        };
        return Err((ApiError::of_status(StatusCode::UNAUTHORIZED, detail), None));
    };
    let allowance = app.keys.take(&key);
    if !allowance.allowed {
        return Err((ApiError::too_many(allowance.reset), Some(allowance)));
    }
    let unlimited = key.districts.is_empty() || need != Right::Sql;
    if !key.role.has(need) || !unlimited {
        let role = format!("{:?}", key.role).to_lowercase();
        let what = if unlimited { "the role" } else { "the limit to districts" };
        let detail = format!("{what} of this key ({role}) gives no right to this");
        return Err((ApiError::forbidden(detail), Some(allowance)));
    }
    Ok((as_who(&key.id, key.role, &key.districts), Some(allowance)))
}

/// The key of an Authorization header: a bearer's, or the name or the password of those who can only send these.
fn token_of(value: &str) -> Option<String> {
    if let Some(token) = value.strip_prefix("Bearer ") {
        return Some(token.to_string());
    }
    let bytes = BASE64.decode(value.strip_prefix("Basic ")?.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, password) = text.split_once(':').unwrap_or((&text, ""));
    Some(if password.is_empty() { name } else { password }.to_string())
}

/// The standard headers of a rate.
pub fn rate_headers(allowance: Allowance, headers: &mut HeaderMap) {
    headers.insert("ratelimit-limit", HeaderValue::from(allowance.limit));
    headers.insert("ratelimit-remaining", HeaderValue::from(allowance.remaining));
    headers.insert("ratelimit-reset", HeaderValue::from(allowance.reset));
}

/// Without keys every caller on this machine is admin, so pages of other sites in a browser on this machine must not
/// be callers: neither by a name that leads here (the Host must be loopback) nor by a form (the Origin must too).
fn from_this_machine(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let loopback = |authority: &str| {
        let uri = axum::http::uri::Authority::try_from(authority);
        uri.is_ok_and(|uri| {
            let host = uri.host().trim_matches(['[', ']']);
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        })
    };
    let of_origin = |origin: &str| origin.split_once("://").is_some_and(|(_, authority)| loopback(authority));
    text(header::HOST).is_none_or(loopback) && text(header::ORIGIN).is_none_or(of_origin)
}
