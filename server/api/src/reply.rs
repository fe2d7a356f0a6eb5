//! The common rules of answers: the caller's format, the release, a strong ETag, pages.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether_warehouse::questions::{Page, Question};
use bellwether_warehouse::{Answer, Format};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::app::App;
use crate::error::ApiError;
use crate::serving::Serving;
use crate::streaming::{stream, streams};

/// Query parameters, with problem+json for what cannot be read.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(value)| Params(value)).map_err(|error| ApiError::bad_request(error.body_text()))
    }
}

/// The parts of the path that name something, with problem+json for what cannot be read.
pub struct Segments<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segments<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(value)| Segments(value)).map_err(|error| ApiError::bad_request(error.body_text()))
    }
}

/// A JSON body, with problem+json for what cannot be read.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let body = Json::<T>::from_request(request, state).await;
        body.map(|Json(value)| Body(value)).map_err(|error| match error.status() {
            // An unknown word in a body is the caller's mistake like any other.
            StatusCode::UNPROCESSABLE_ENTITY => ApiError::bad_request(error.body_text()),
            status => ApiError::of_status(status, error.body_text()),
        })
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
const LONGEST_STREAM: u64 = 1 << 40;
/// Rows up to which an answer is written before it is sent.
const WRITTEN_WHOLE: u64 = 10_000;

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

    pub fn page(&self, release: &str, format: Format) -> Result<Page, ApiError> {
        let limit = self.limit.unwrap_or(PAGE);
        let most = if streams(format) { LONGEST_STREAM } else { LARGEST_PAGE };
        if limit == 0 || limit > most {
            return Err(ApiError::bad_request(format!("limit must be between 1 and {most}")));
        }
        let offset = match &self.after {
            None => 0,
            Some(cursor) => read_cursor(cursor, release)?,
        };
        Ok(Page { limit, offset })
    }
}

/// Cursors name the release that they belong to: in another one the rows may stand elsewhere.
pub fn cursor(release: &str, offset: u64) -> String {
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

/// Answers a question: from the release's cache, by asking, or, where the caller wants many rows in a format that
/// can be read while it is written, piece by piece.
pub async fn table(
    app: &App,
    request: TableRequest<'_>,
    question: impl FnOnce(Page) -> Question,
) -> Result<Response, ApiError> {
    let wanted = request.wanted(app).await?;
    let Wanted { serving, format, page } = &wanted;
    let question = question(*page);
    if !streams(*format) || page.limit <= WRITTEN_WHOLE {
        return rows_of(app, request, wanted, move |serving, _| Ok(serving.copy.answer(&question)?)).await;
    }
    // The release and the key decide every byte, so they make the tag: who has the answer is told so unasked.
    let key = format!("{} {} {} {}", request.key, format.name(), page.limit, page.offset);
    let made_of = format!("{} {key}", env!("CARGO_PKG_VERSION"));
    let mut head = body(&serving.release.id, format.media_type(), made_of.into_bytes(), None);
    if is_known(request.headers, &head.etag) {
        return Ok(respond(&serving.release.id, &head, request.headers));
    }
    let (held, counted) = (serving.clone(), question.clone());
    let rows = app.run(move || Ok(held.copy.count(&counted)?)).await?;
    head.next = (rows > page.limit).then(|| cursor(&serving.release.id, page.offset + page.limit));
    let (format, limit) = (*format, page.limit);
    let mut response = stream(app, serving, format, move |serving, cancel, give| {
        Ok(serving.copy.stream(&question, limit, format, cancel, give)?)
    })
    .await?;
    name(&serving.release.id, &head, response.headers_mut());
    Ok(response)
}

/// Answers with rows that are worked out whole.
pub async fn computed(
    app: &App,
    request: TableRequest<'_>,
    ask: impl FnOnce(&Serving, Page) -> Result<Answer, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let wanted = request.wanted(app).await?;
    rows_of(app, request, wanted, ask).await
}

/// Answers with JSON rows, all of which `make` gives. In the other formats lists and objects within a row become
/// their JSON text.
pub async fn rows(
    app: &App,
    request: TableRequest<'_>,
    columns: &'static [&'static str],
    make: impl FnOnce(&Serving) -> Result<Vec<Value>, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let wanted = request.wanted(app).await?;
    answer(app, request, wanted, move |serving, format, page| {
        let release = &serving.release.id;
        let rows = make(serving)?.into_iter().skip(page.offset as usize);
        let mut rows: Vec<Value> = rows.take(page.limit as usize + 1).collect();
        let next = (rows.len() as u64 > page.limit).then(|| cursor(release, page.offset + page.limit));
        rows.truncate(page.limit as usize);
        let bytes = match format {
            Format::Json => serde_json::to_vec(&json!({"release": release, "rows": rows, "next": next}))
                .map_err(ApiError::internal)?,
            other => Answer::of_rows(columns, &rows)?.encode(other)?,
        };
        Ok(body(release, format.media_type(), bytes, next))
    })
    .await
}

/// Answers a document: as it is in JSON, in the other formats as the rows that `flatten` makes of it.
pub async fn report(
    app: &App,
    request: TableRequest<'_>,
    columns: &'static [&'static str],
    make: impl FnOnce(&Serving) -> Result<Value, ApiError> + Send + 'static,
    flatten: fn(&Value) -> Vec<Value>,
) -> Result<Response, ApiError> {
    let wanted = request.wanted(app).await?;
    answer(app, request, wanted, move |serving, format, _| {
        let release = &serving.release.id;
        let mut document = make(serving)?;
        let bytes = match format {
            Format::Json => {
                document["release"] = json!(release);
                serde_json::to_vec(&document).map_err(ApiError::internal)?
            }
            other => Answer::of_rows(columns, &flatten(&document))?.encode(other)?,
        };
        Ok(body(release, format.media_type(), bytes, None))
    })
    .await
}

/// How an answer is wanted, and of which release.
struct Wanted {
    serving: Arc<Serving>,
    format: Format,
    page: Page,
}

/// The release that a request is about: the one asked for, else the one that its cursor began in, whatever has been
/// loaded since, else the current one.
pub async fn serving_of(app: &App, common: &Common, as_of: Option<&str>) -> Result<Arc<Serving>, ApiError> {
    let cursor = common.after.as_deref().and_then(|cursor| cursor.rsplit_once('-'));
    app.serving(as_of.or(cursor.map(|(release, _)| release))).await
}

impl TableRequest<'_> {
    async fn wanted(&self, app: &App) -> Result<Wanted, ApiError> {
        let format = self.common.format(self.headers)?;
        let serving = serving_of(app, self.common, self.common.as_of.as_deref()).await?;
        let page = self.common.page(&serving.release.id, format)?;
        Ok(Wanted { serving, format, page })
    }
}

async fn rows_of(
    app: &App,
    request: TableRequest<'_>,
    wanted: Wanted,
    ask: impl FnOnce(&Serving, Page) -> Result<Answer, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    answer(app, request, wanted, |serving, format, page| encode(serving, format, page, ask(serving, page)?))
        .await
}

async fn answer(
    app: &App,
    request: TableRequest<'_>,
    wanted: Wanted,
    make: impl FnOnce(&Serving, Format, Page) -> Result<CachedBody, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let Wanted { serving, format, page } = wanted;
    let key = format!("{} {} {} {}", request.key, format.name(), page.limit, page.offset);
    if let Some(body) = serving.cached(&key) {
        return Ok(respond(&serving.release.id, &body, request.headers));
    }
    let held = serving.clone();
    let body = Arc::new(app.run(move || make(&held, format, page)).await?);
    serving.cache(key, body.clone());
    Ok(respond(&serving.release.id, &body, request.headers))
}

fn encode(serving: &Serving, format: Format, page: Page, mut answer: Answer) -> Result<CachedBody, ApiError> {
    let release = &serving.release.id;
    let more = answer.rows() as u64 > page.limit;
    let next = more.then(|| cursor(release, page.offset + page.limit));
    answer.truncate(page.limit as usize);
    written(release, format, &answer, next)
}

/// A table written whole, as it is given in a format.
pub fn written(
    release: &str,
    format: Format,
    answer: &Answer,
    next: Option<String>,
) -> Result<CachedBody, ApiError> {
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
        return Ok(respond(&serving.release.id, &body, headers));
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
    Ok(respond(&serving.release.id, &made, headers))
}

/// An answer of one row: its fields beside the release in JSON, a table of one row in the other formats.
pub fn one_row(
    serving: &Serving,
    headers: &HeaderMap,
    format: Format,
    mut row: Value,
    columns: &[&str],
) -> Result<Response, ApiError> {
    let bytes = match format {
        Format::Json => {
            row["release"] = json!(serving.release.id);
            serde_json::to_vec(&row).map_err(ApiError::internal)?
        }
        other => Answer::of_rows(columns, &[row])?.encode(other)?,
    };
    let made = body(&serving.release.id, format.media_type(), bytes, None);
    Ok(respond(&serving.release.id, &made, headers))
}

/// Whether the caller has a body already. Compressed answers carry the tag with the encoding's name behind it.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let plain = |tag: &str| {
        let tag = tag.trim().trim_start_matches("W/").trim_matches('"');
        let tag = ENCODINGS
            .iter()
            .find_map(|encoding| tag.strip_suffix(encoding)?.strip_suffix('-'))
            .unwrap_or(tag);
        format!("\"{tag}\"")
    };
    known.split(',').any(|tag| tag.trim() == "*" || plain(tag) == etag)
}

const ENCODINGS: [&str; 2] = ["gzip", "zstd"];

/// A compressed body is other bytes than the plain one, so its strong tag is another.
pub fn tag_encoding(mut response: Response) -> Response {
    let headers = response.headers();
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    let tag = headers.get(header::ETAG).and_then(|value| value.to_str().ok());
    if let (Some(encoding), Some(tag)) = (encoding, tag)
        && let Ok(value) = HeaderValue::from_str(&format!("\"{}-{encoding}\"", tag.trim_matches('"')))
    {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// The response of a body: 304 where the caller has it already.
pub fn respond(release: &str, body: &CachedBody, headers: &HeaderMap) -> Response {
    let mut response = match is_known(headers, &body.etag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, body.media_type)], body.bytes.clone()).into_response(),
    };
    name(release, body, response.headers_mut());
    response
}

/// The headers that every answer carries.
pub fn name(release: &str, body: &CachedBody, out: &mut HeaderMap) {
    let text = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    out.insert(header::ETAG, text(&body.etag));
    out.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    out.insert("bellwether-release", text(release));
    if let Some(next) = &body.next {
        out.insert("bellwether-next", text(next));
    }
}
