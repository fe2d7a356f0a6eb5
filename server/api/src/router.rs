//! Every URL on one screen, and the layers that every request passes.

use std::time::{Duration, Instant};

use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::admit;
use crate::app::App;
use crate::error::ApiError;
use crate::reply::tag_encoding;
use crate::routes::*;

#[derive(OpenApi)]
#[openapi(info(
    title = "Bellwether",
    description = "The query API of a voter analytics warehouse. Every answer names its release; add `as_of` to ask an earlier one."
))]
struct Document;

/// Largest body of all routes but uploads, in bytes.
const BODY: usize = 4 << 20;

/// Largest plan, in bytes.
const SHAPES: usize = 128 << 20;

fn routes(upload_limit: usize) -> OpenApiRouter<App> {
    let uploads =
        OpenApiRouter::new().routes(routes!(loads::create)).layer(DefaultBodyLimit::max(upload_limit));
    let shapes = OpenApiRouter::new().routes(routes!(reports::shape)).layer(DefaultBodyLimit::max(SHAPES));
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(releases::list))
        .routes(routes!(releases::one))
        .routes(routes!(releases::diff))
        .routes(routes!(loads::one))
        .routes(routes!(loads::rejects))
        .routes(routes!(jobs::one, jobs::cancel))
        .routes(routes!(jobs::events))
        .routes(routes!(tables::list))
        .routes(routes!(tables::one))
        .routes(routes!(sql::run))
        .routes(routes!(districts::list))
        .routes(routes!(districts::one))
        .routes(routes!(districts::report))
        .routes(routes!(districts::boundary))
        .routes(routes!(districts::results))
        .routes(routes!(locate::locate))
        .routes(routes!(results::list))
        .routes(routes!(universes::count))
        .routes(routes!(universes::save, universes::list))
        .routes(routes!(universes::one, universes::forget))
        .routes(routes!(universes::voters))
        .routes(routes!(universes::changes))
        .routes(routes!(aggregates::aggregate))
        .routes(routes!(voters::one))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .layer(DefaultBodyLimit::max(BODY))
        .merge(uploads)
        .merge(shapes)
}

/// The contract as a document, checked in as `server/api/openapi.json`.
pub fn openapi() -> String {
    routes(BODY).into_openapi().to_pretty_json().expect("the document is plain data")
}

/// All routes with all layers.
pub fn router(app: App) -> axum::Router {
    let (router, document) = routes(app.config.upload_limit).split_for_parts();
    let document = document.to_json().expect("the document is plain data");
    let json = [(axum::http::header::CONTENT_TYPE, "application/json")];
    let docs = utoipa_swagger_ui::SwaggerUi::new("/docs")
        .config(utoipa_swagger_ui::Config::new(["/v1/openapi.json"]).try_it_out_enabled(true));
    let id = HeaderName::from_static("x-request-id");
    let time = app.config.request_time();
    router
        .route("/v1/openapi.json", get(move || async move { (json, document) }))
        .route("/metrics", get(metrics::metrics))
        .merge(docs)
        .fallback(|| async {
            ApiError::not_found("there is no such page; GET /docs shows those that there are")
        })
        .method_not_allowed_fallback(|| async {
            ApiError::of_status(StatusCode::METHOD_NOT_ALLOWED, "the page does not take this method")
        })
        .layer(
            ServiceBuilder::new()
                .layer(SetRequestIdLayer::new(id.clone(), MakeRequestUuid))
                .layer(PropagateRequestIdLayer::new(id))
                .layer(middleware::from_fn(|request, next: Next| async move {
                    tag_encoding(next.run(request).await)
                }))
                .layer(CompressionLayer::new())
                .layer(middleware::from_fn(watch))
                .layer(middleware::from_fn(move |request: Request, next: Next| async move {
                    match tokio::time::timeout(time, next.run(request)).await {
                        Ok(response) => response,
                        Err(_) => ApiError::of_status(StatusCode::GATEWAY_TIMEOUT, "it took too long")
                            .into_response(),
                    }
                }))
                .layer(CatchPanicLayer::custom(|_| ApiError::internal("a handler panicked").into_response()))
                .layer(middleware::from_fn_with_state(app.clone(), admit)),
        )
        .with_state(app)
}

/// Counts and logs each request by its route, never by its parameters: these may hold what a log must not.
async fn watch(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().to_string();
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched".to_string(), |path| path.as_str().into());
    let id = request
        .extensions()
        .get::<RequestId>()
        .and_then(|id| id.header_value().to_str().ok())
        .map(str::to_string);
    let response = next.run(request).await;
    let seconds = started.elapsed().as_secs_f64();
    let status = response.status().as_u16();
    let labels = [("method", method.clone()), ("route", path.clone()), ("status", status.to_string())];
    ::metrics::counter!("bellwether_http_requests_total", &labels).increment(1);
    ::metrics::histogram!("bellwether_http_request_seconds", "route" => path.clone()).record(seconds);
    tracing::info!(%method, route = %path, status, seconds, id, "request");
    response
}

/// Serves until told to stop, then finishes the requests under way and stops the loads.
pub async fn serve(listener: TcpListener, app: App, shutdown: CancellationToken) -> std::io::Result<()> {
    tokio::spawn(app.releases.clone().watch(shutdown.clone()));
    let (keys, stopped) = (app.keys.clone(), shutdown.clone());
    tokio::spawn(async move {
        // Keys that another process made or revoked.
        while !stopped.is_cancelled() {
            if let Err(error) = keys.refresh() {
                tracing::error!(%error, "cannot read the keys; those known are used on");
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    let (jobs, grace) = (app.jobs.clone(), app.config.request_time());
    let told = jobs.clone();
    let stopping = shutdown.clone();
    let served = axum::serve(listener, router(app)).with_graceful_shutdown(async move {
        stopping.cancelled().await;
        told.cancel_all();
    });
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    let outcome = tokio::select! {
        outcome = served.into_future() => outcome,
        () = overdue => Ok(()),
    };
    // A load that was told to stop leaves nothing behind; one that is committing ends by itself.
    let deadline = tokio::time::Instant::now() + grace;
    while jobs.busy() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    outcome
}
