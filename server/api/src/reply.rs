//! The common rules of answers: the caller's format, the release, a strong ETag, pages.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether_warehouse::questions::Page;
use bellwether_warehouse::{Answer, Copy, Error, Format};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::app::App;
use crate::error::ApiError;
use crate::serving::Serving;

/// Query parameters, with problem+json for what cannot be read.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(value)| Params(value)).map_err(|error| ApiError::bad_request(error.body_text()))
    }
}

/// Parameters that every table takes.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Common {
    /// json (default), csv, ndjson, arrow or parquet; the Accept header works as well.
    pub format: Option<String>,
    /// An earlier release: its id, or a day (the last release made on or before it).
    pub as_of: Option<String>,
    /// Rows of a page; 100 by default.
    pub limit: Option<u64>,
    /// Where the next page starts, as the page before gave it in `next`.
    pub after: Option<String>,
}

/// The parameter of documents that come in one format only.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AsOf {
    /// An earlier release: its id, or a day (the last release made on or before it).
    pub as_of: Option<String>,
}

/// Rows of a page by default, and at most.
const PAGE: u64 = 100;
const LARGEST_PAGE: u64 = 1_000_000;

impl Common {
    /// The format that the query or the Accept header asks for.
    pub fn format(&self, headers: &HeaderMap) -> Result<Format, ApiError> {
        if let Some(name) = &self.format {
            let known = Format::ALL.map(Format::name).join(", ");
            return Format::parse(name)
                .ok_or_else(|| ApiError::bad_request(format!("unknown format {name}; there are {known}")));
        }
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = |format: &Format| {
            let media = format.media_type().split(';').next().unwrap_or_default();
            accept.split(',').any(|part| part.split(';').next().unwrap_or_default().trim() == media)
        };
        Ok(Format::ALL.into_iter().find(media).unwrap_or(Format::Json))
    }

    pub fn page(&self, release: &str) -> Result<Page, ApiError> {
        let limit = self.limit.unwrap_or(PAGE);
        if limit == 0 || limit > LARGEST_PAGE {
            return Err(ApiError::bad_request(format!("limit must be between 1 and {LARGEST_PAGE}")));
        }
        let offset = match &self.after {
            None => 0,
            Some(cursor) => read_cursor(cursor, release)?,
        };
        Ok(Page { limit, offset })
    }
}

/// Cursors name the release that they belong to: in another one the rows may stand elsewhere.
fn cursor(release: &str, offset: u64) -> String {
    format!("{release}-{offset:x}")
}

fn read_cursor(text: &str, release: &str) -> Result<u64, ApiError> {
    let (of, offset) = text.rsplit_once('-').ok_or_else(|| ApiError::bad_request("`after` is no cursor"))?;
    if of != release {
        return Err(ApiError::bad_request(format!("the cursor belongs to release {of}: add as_of={of}")));
    }
    let offset = u64::from_str_radix(offset, 16).ok().filter(|offset| *offset < 1 << 40);
    offset.ok_or_else(|| ApiError::bad_request("`after` is no cursor"))
}

/// An encoded answer.
pub struct CachedBody {
    pub bytes: Bytes,
    pub media_type: &'static str,
    pub etag: String,
    pub next: Option<String>,
}

/// A request for a table: what identifies it, and how it is wanted.
pub struct TableRequest<'a> {
    pub common: &'a Common,
    pub headers: &'a HeaderMap,
    /// Path and parameters that decide the rows, for the cache.
    pub key: String,
}

/// Answers a table: from the release's cache, or by asking.
pub async fn table(
    app: &App,
    request: TableRequest<'_>,
    ask: impl FnOnce(&Copy, Page) -> Result<Answer, Error> + Send + 'static,
) -> Result<Response, ApiError> {
    // A cursor goes on in the release that it began in, whatever has been loaded since.
    let of_cursor = request
        .common
        .after
        .as_deref()
        .and_then(|cursor| cursor.rsplit_once('-'))
        .map(|(release, _)| release);
    let serving = app.serving(request.common.as_of.as_deref().or(of_cursor)).await?;
    let format = request.common.format(request.headers)?;
    let page = request.common.page(&serving.release.id)?;
    let key = format!("{} {} {} {}", request.key, format.name(), page.limit, page.offset);
    if let Some(body) = serving.cached(&key) {
        return Ok(respond(&serving, &body, request.headers));
    }
    let held = serving.clone();
    let body = app.run(move || encode(&held, format, page, ask(&held.copy, page)?)).await?;
    let body = Arc::new(body);
    serving.cache(key, body.clone());
    Ok(respond(&serving, &body, request.headers))
}

fn encode(serving: &Serving, format: Format, page: Page, mut answer: Answer) -> Result<CachedBody, ApiError> {
    let release = &serving.release.id;
    let more = answer.rows() as u64 > page.limit;
    let next = more.then(|| cursor(release, page.offset + page.limit));
    answer.truncate(page.limit as usize);
    let mut bytes = answer.encode(format)?;
    if format == Format::Json {
        let quoted = next.as_ref().map_or("null".to_string(), |next| format!("\"{next}\""));
        let rows = String::from_utf8(bytes).map_err(ApiError::internal)?;
        bytes = format!("{{\"release\":\"{release}\",\"rows\":{rows},\"next\":{quoted}}}").into_bytes();
    }
    Ok(body(release, format.media_type(), bytes, next))
}

/// An encoded body with its strong ETag.
pub fn body(release: &str, media_type: &'static str, bytes: Vec<u8>, next: Option<String>) -> CachedBody {
    let etag = format!("\"{release}-{}\"", &blake3::hash(&bytes).to_hex()[..16]);
    CachedBody { bytes: bytes.into(), media_type, etag, next }
}

/// Answers a JSON document about a release, from its cache or by making it. Without a key it is not kept.
pub async fn document(
    app: &App,
    as_of: Option<&str>,
    headers: &HeaderMap,
    key: Option<String>,
    make: impl FnOnce(&Serving) -> Result<serde_json::Value, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let serving = app.serving(as_of).await?;
    if let Some(body) = key.as_ref().and_then(|key| serving.cached(key)) {
        return Ok(respond(&serving, &body, headers));
    }
    let held = serving.clone();
    let made = app.run(move || {
        let mut document = make(&held)?;
        if let Some(object) = document.as_object_mut() {
            object.insert("release".into(), held.release.id.clone().into());
        }
        let bytes = serde_json::to_vec(&document).map_err(ApiError::internal)?;
        Ok(body(&held.release.id, "application/json", bytes, None))
    });
    let made = Arc::new(made.await?);
    if let Some(key) = key {
        serving.cache(key, made.clone());
    }
    Ok(respond(&serving, &made, headers))
}

/// The response of a body: 304 where the caller has it already.
pub fn respond(serving: &Serving, body: &CachedBody, headers: &HeaderMap) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let same = known.split(',').any(|tag| tag.trim() == body.etag || tag.trim() == "*");
    let mut response = match same {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, body.media_type)], body.bytes.clone()).into_response(),
    };
    let out = response.headers_mut();
    let text = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    out.insert(header::ETAG, text(&body.etag));
    out.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    out.insert("bellwether-release", text(&serving.release.id));
    if let Some(next) = &body.next {
        out.insert("bellwether-next", text(next));
    }
    response
}
