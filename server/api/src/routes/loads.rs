//! Loads: files into the lake as a job, and what became of their rows.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether_loaders::Progress;
use bellwether_schema::ids::Kind;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use utoipa::ToSchema;

use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, Problem};
use crate::jobs::{Claim, JobState};
use crate::loading::{self, LoadKind, LoadRequest};
use crate::reply::Segments;

/// What to load: files under the inbox folder by path, or uploaded as `file` parts of a multipart form whose
/// other parts are these fields.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadBody {
    pub kind: Option<LoadKind>,
    /// Paths below the inbox folder.
    #[serde(default)]
    pub files: Vec<String>,
    /// Postal code; needed for voters and history.
    pub state: Option<String>,
    /// Kind of the boundaries, where the files do not say.
    pub district_kind: Option<String>,
    /// Year of the boundaries, where the files do not say.
    pub vintage: Option<i32>,
    /// Share of rows, 0 to 1, that may be rejected; 0.01 by default.
    pub max_rejects: Option<f64>,
    /// Whether derived tables are made anew after the load; true by default.
    pub derive: Option<bool>,
}

/// Starts a load.
#[utoipa::path(
    post,
    path = "/v1/loads",
    tag = "loads",
    request_body = LoadBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same job")),
    responses((status = 202, body = JobState), (status = 400, body = Problem), (status = 409, body = Problem))
)]
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (body, uploads, hash) = match media.starts_with("multipart/form-data") {
        true => read_form(&app, request).await?,
        false => {
            let bytes = axum::body::to_bytes(request.into_body(), 1 << 20).await;
            let bytes = bytes
                .map_err(|_| ApiError::of_status(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"))?;
            let body: LoadBody =
                serde_json::from_slice(&bytes).map_err(|error| ApiError::bad_request(error.to_string()))?;
            (body, None, blake3::hash(&bytes))
        }
    };
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).map(str::to_string);
    let key = key.as_deref().map(|key| (key, hash));
    let before = key.and_then(|(key, body)| app.jobs.before("load", &caller.key, key, &body));
    let claim = match before {
        Some(claim) => claim,
        None => {
            // Only what can be done becomes a job.
            let load = plan(&app, &body, uploads.as_ref().map(|folder| folder.path()))?;
            match app.jobs.claim("load", &caller.key, key) {
                Claim::New(id, progress) => {
                    let derive = body.derive.unwrap_or(true);
                    tokio::spawn(work(app.clone(), id.clone(), load, derive, progress, uploads));
                    return accepted(&app, &id);
                }
                other => other,
            }
        }
    };
    match claim {
        Claim::New(id, _) | Claim::Same(id) => accepted(&app, &id),
        Claim::Different => Err(ApiError::conflict("the idempotency key came with another body before")),
    }
}

pub fn accepted(app: &App, id: &str) -> Result<Response, ApiError> {
    let state = app.jobs.get(id).ok_or_else(|| ApiError::internal("a job was forgotten at once"))?;
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, format!("/v1/jobs/{id}"))], Json(state)).into_response())
}

fn plan(app: &App, body: &LoadBody, uploads: Option<&Path>) -> Result<LoadRequest, ApiError> {
    let kind = body.kind.ok_or_else(|| {
        ApiError::bad_request(
            "say the kind: voters, history, results, boundaries, population, population_centres, markets, inventory, panel, viewing, ratings, airings, addresses, streets, scores or contacts",
        )
    })?;
    let district_kind =
        match &body.district_kind {
            None => None,
            Some(name) => {
                let known = Kind::ALL.map(Kind::name).join(", ");
                let parsed = Kind::parse(name);
                Some(parsed.ok_or_else(|| {
                    ApiError::bad_request(format!("unknown kind {name}; there are {known}"))
                })?)
            }
        };
    let files = match uploads {
        Some(folder) => uploaded(folder)?,
        None => body.files.iter().map(|file| in_inbox(app, file)).collect::<Result<Vec<_>, _>>()?,
    };
    if files.is_empty() {
        return Err(ApiError::bad_request("name at least one file"));
    }
    let max_rejects = body.max_rejects.unwrap_or(0.01);
    if !(0.0..=1.0).contains(&max_rejects) {
        return Err(ApiError::bad_request("max_rejects is a share, 0 to 1"));
    }
    let threads = app.config.engine.limits().threads;
    let state = body.state.clone();
    let (vintage, limits) = (body.vintage, app.model_limits);
    Ok(LoadRequest { kind, files, state, district_kind, vintage, max_rejects, threads, limits })
}

/// A path that cannot lead out of the inbox.
fn in_inbox(app: &App, file: &str) -> Result<PathBuf, ApiError> {
    let path = Path::new(file);
    if path.components().any(|part| !matches!(part, Component::Normal(_))) {
        return Err(ApiError::bad_request("files are named by their path below the inbox folder"));
    }
    let inbox =
        app.config.inbox.canonicalize().map_err(|_| ApiError::not_found("there is no inbox folder"))?;
    let full = inbox.join(path).canonicalize();
    match full.ok().filter(|full| full.starts_with(&inbox) && full.is_file()) {
        Some(full) => Ok(full),
        None => Err(ApiError::not_found(format!("no file {file} in the inbox"))),
    }
}

fn uploaded(folder: &Path) -> Result<Vec<PathBuf>, ApiError> {
    let entries = std::fs::read_dir(folder).map_err(ApiError::internal)?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    Ok(files)
}

type Form = (LoadBody, Option<tempfile::TempDir>, blake3::Hash);

/// Reads a form, its files straight to disk.
async fn read_form(app: &App, request: Request) -> Result<Form, ApiError> {
    let bad = |error: axum::extract::multipart::MultipartError| {
        ApiError::of_status(error.status(), error.body_text())
    };
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|error| ApiError::of_status(error.status(), error.body_text()))?;
    let folder = app.lake.uploads()?;
    let mut fields = serde_json::Map::new();
    let mut hasher = blake3::Hasher::new();
    while let Some(mut part) = form.next_field().await.map_err(bad)? {
        let name = part.name().unwrap_or_default().to_string();
        hasher.update(name.as_bytes());
        if name != "file" {
            let text = part.text().await.map_err(bad)?;
            hasher.update(text.as_bytes());
            let typed = serde_json::from_str(&text)
                .ok()
                .filter(|value: &Value| value.is_number() || value.is_boolean());
            fields.insert(name, typed.unwrap_or(Value::String(text)));
            continue;
        }
        let file_name = part.file_name().and_then(|name| Path::new(name).file_name()).map(PathBuf::from);
        let plain = |name: &PathBuf| name.as_os_str().len() < 200 && !name.to_string_lossy().contains('\0');
        let file_name = file_name.filter(plain);
        let file_name =
            file_name.ok_or_else(|| ApiError::bad_request("a `file` part has no usable file name"))?;
        let mut file =
            tokio::fs::File::create(folder.path().join(file_name)).await.map_err(ApiError::internal)?;
        while let Some(chunk) = part.chunk().await.map_err(bad)? {
            hasher.update(&chunk);
            file.write_all(&chunk).await.map_err(ApiError::internal)?;
        }
        file.flush().await.map_err(ApiError::internal)?;
    }
    let body =
        serde_json::from_value(Value::Object(fields)).map_err(|e| ApiError::bad_request(e.to_string()))?;
    Ok((body, Some(folder), hasher.finalize()))
}

pub async fn work(
    app: App,
    id: String,
    load: LoadRequest,
    derive: bool,
    progress: Arc<Progress>,
    uploads: Option<tempfile::TempDir>,
) {
    app.jobs.update(&id, |job| job.state = "running");
    let outcome = run(&app, load, derive, progress).await;
    drop(uploads);
    app.jobs.update(&id, |job| match outcome {
        Ok(result) => {
            job.state = "done";
            job.progress = 1.0;
            job.result = Some(result);
        }
        Err(error) => {
            job.state = "failed";
            job.error = Some(error);
        }
    });
}

async fn run(app: &App, load: LoadRequest, derive: bool, progress: Arc<Progress>) -> Result<Value, String> {
    // Loads over HTTP take turns; one from the command line is told to wait.
    let _turn = app.loading.lock().await;
    let loaded = loading::load(&app.lake, load, progress).await.map_err(|error| error.to_string())?;
    let mut result = serde_json::to_value(&loaded).unwrap_or_default();
    if derive {
        let lock = app.lake.lock().map_err(|error| error.to_string())?;
        let limits = app.config.engine.limits();
        let derived = bellwether_derive::derive(&app.lake, &lock, &limits, |_| {}).await;
        let (release, _) = derived.map_err(|error| error.to_string())?;
        result["release"] = json!(release.id);
    }
    Ok(result)
}

/// What a load did, by the load's id or by its job's.
#[utoipa::path(
    get,
    path = "/v1/loads/{id}",
    tag = "loads",
    params(("id" = String, Path, description = "Load or job id")),
    responses((status = 200, description = "the load's report"), (status = 404, body = Problem))
)]
pub async fn one(State(app): State<App>, Segments(id): Segments<String>) -> Result<Response, ApiError> {
    if let Some(job) = app.jobs.get(&id) {
        return Ok(Json(job).into_response());
    }
    for release in app.lake.releases().await?.into_iter().rev() {
        if let Some(load) = release.load.as_ref().filter(|load| load.id == id) {
            return Ok(Json(json!({"release": release.id, "load": load})).into_response());
        }
    }
    Err(ApiError::not_found(format!("no load {id}")))
}

/// The rejects of a load as NDJSON: file, line, column, value class and reason, never the value.
#[utoipa::path(
    get,
    path = "/v1/loads/{id}/rejects",
    tag = "loads",
    params(("id" = String, Path, description = "Load or job id")),
    responses((status = 200, content_type = "application/x-ndjson", body = String), (status = 404, body = Problem))
)]
pub async fn rejects(State(app): State<App>, Segments(id): Segments<String>) -> Result<Response, ApiError> {
    let job = app.jobs.get(&id).and_then(|job| job.result);
    let load = job.and_then(|result| result["id"].as_str().map(str::to_string)).unwrap_or(id);
    let known =
        app.lake.releases().await?.iter().any(|release| release.load.as_ref().is_some_and(|l| l.id == load));
    let plain = !load.is_empty() && load.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let lines = if plain { app.lake.read_rejects(&load).await? } else { None };
    let lines =
        lines.or(known.then(String::new)).ok_or_else(|| ApiError::not_found(format!("no load {load}")))?;
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response())
}
