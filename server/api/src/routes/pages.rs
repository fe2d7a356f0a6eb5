//! The pages of the console: the phone's door list and the organizer's turfs. They hold nothing; what they show they ask the
//! API for.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::reply::Segments;

/// What a page may load, and from where: its own files and this server only.
const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

fn given(name: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let Some(file) = bellwether_console::file(name) else {
        return Err(ApiError::not_found("there is no such page"));
    };
    Ok(answered(file.bytes.to_vec(), file.media_type, headers))
}

fn answered(bytes: Vec<u8>, media_type: &'static str, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", &blake3::hash(&bytes).to_hex()[..16]);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let head = [
        (header::CONTENT_TYPE, media_type.to_string()),
        (header::CONTENT_SECURITY_POLICY, POLICY.to_string()),
        // A new version is seen at the next opening; offline the page's own worker has the files.
        (header::CACHE_CONTROL, "no-cache".to_string()),
        (header::REFERRER_POLICY, "no-referrer".to_string()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_string()),
        (header::ETAG, tag.clone()),
    ];
    match known.is_some_and(|known| known.contains(&tag)) {
        true => (StatusCode::NOT_MODIFIED, head).into_response(),
        false => (head, bytes).into_response(),
    }
}

/// The door list of a link.
pub async fn walk(headers: HeaderMap) -> Result<Response, ApiError> {
    given("walk.html", &headers)
}

/// What makes the door list an app of its own on the phone, which opens at this list.
pub async fn manifest(Segments(link): Segments<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    let plain = link.len() <= 64 && link.chars().all(|letter| letter.is_ascii_alphanumeric());
    let file = bellwether_console::file("walk.webmanifest").filter(|_| plain);
    let file = file.ok_or_else(|| ApiError::not_found("there is no such page"))?;
    let text = String::from_utf8_lossy(file.bytes).replace("{token}", &link);
    Ok(answered(text.into_bytes(), file.media_type, &headers))
}

/// Keeps the door list at hand where there is no signal. It may look after all lists.
pub async fn worker(headers: HeaderMap) -> Result<Response, ApiError> {
    let mut response = given("walk-worker.js", &headers)?;
    let scope = axum::http::HeaderValue::from_static("/walk/");
    response.headers_mut().insert("service-worker-allowed", scope);
    Ok(response)
}

/// The organizer's page of a cut.
pub async fn turfs(headers: HeaderMap) -> Result<Response, ApiError> {
    given("turfs.html", &headers)
}

/// The files of the pages.
pub async fn app_file(Segments(name): Segments<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    given(&name, &headers)
}
