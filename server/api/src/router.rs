//! Every URL on one screen, and the layers that every request passes.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bellwether_warehouse::Format;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::make::Shared;
use tower::{Service, ServiceExt};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::entrance::enter;
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

/// Largest list of people, in bytes.
const LISTS: usize = 64 << 20;

/// Largest plan, in bytes.
const SHAPES: usize = 128 << 20;

fn routes(upload_limit: usize, event_body: usize) -> OpenApiRouter<App> {
    let uploads = OpenApiRouter::new()
        .routes(routes!(loads::create))
        .routes(routes!(media::inventories, media::offer))
        .layer(DefaultBodyLimit::max(upload_limit));
    let lists = OpenApiRouter::new()
        .routes(routes!(matching::start))
        .routes(routes!(models::start))
        .routes(routes!(opinions::start))
        .routes(routes!(experiments::outcomes))
        .layer(DefaultBodyLimit::max(LISTS));
    let events = OpenApiRouter::new()
        .routes(routes!(events::take))
        .routes(routes!(events::track))
        .routes(routes!(events::identify))
        .routes(routes!(events::page))
        .routes(routes!(events::screen))
        .routes(routes!(events::group))
        .routes(routes!(events::alias))
        .routes(routes!(events::batch))
        .routes(routes!(events::from_source))
        .routes(routes!(events::canvass_responses))
        .layer(DefaultBodyLimit::max(event_body));
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
        .routes(routes!(district_report::report))
        .routes(routes!(districts::boundary))
        .routes(routes!(districts::results))
        .routes(routes!(locate::locate))
        .routes(routes!(tiles::about))
        .routes(routes!(tiles::tile))
        .routes(routes!(results::list))
        .routes(routes!(universes::count))
        .routes(routes!(universes::save, universes::list))
        .routes(routes!(universes::one, universes::forget))
        .routes(routes!(members::voters))
        .routes(routes!(members::changes))
        .routes(routes!(aggregates::aggregate))
        .routes(routes!(voters::one))
        .routes(routes!(matching::rows))
        .routes(routes!(models::list))
        .routes(routes!(models::known_features))
        .routes(routes!(models::one))
        .routes(routes!(models::card))
        .routes(routes!(publishing::publish))
        .routes(routes!(contributions::contributions))
        .routes(routes!(opinions::list))
        .routes(routes!(opinions::one))
        .routes(routes!(experiments::start, experiments::list))
        .routes(routes!(experiments::one))
        .routes(routes!(event_types::list))
        .routes(routes!(event_types::one))
        .routes(routes!(event_types::dead_letters))
        .routes(routes!(event_types::replay))
        .routes(routes!(event_mirror::told))
        .routes(routes!(topics::topics))
        .routes(routes!(turfs::start, turfs::list))
        .routes(routes!(turfs::one))
        .routes(routes!(turfs::doors))
        .routes(routes!(turfs::step))
        .routes(routes!(turf_cuts::list))
        .routes(routes!(turf_cuts::one, turf_cuts::forget))
        .routes(routes!(turf_cuts::doors))
        .routes(routes!(turf_cuts::recut))
        .routes(routes!(markets::list))
        .routes(routes!(markets::report))
        .routes(routes!(media::start, media::list))
        .routes(routes!(media::one))
        .routes(routes!(media::replan))
        .routes(routes!(media::airings))
        .routes(routes!(walks::list))
        .routes(routes!(walks::results))
        .routes(routes!(walks::step))
        .routes(routes!(erasures::erase))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .layer(DefaultBodyLimit::max(BODY))
        .merge(uploads)
        .merge(shapes)
        .merge(lists)
        .merge(events)
}

/// What any call may be answered, whatever it asks for.
const COMMON: [(&str, &str); 8] = [
    ("400", "malformed: what is wrong, with the nearest known names"),
    ("401", "no key, or one that is unknown or revoked"),
    ("403", "the role or the districts of the key give no right to this"),
    ("404", "no such thing, or no such release"),
    ("413", "the body is too large"),
    ("429", "the key's rate is used up; see Retry-After"),
    ("503", "too much is asked at once; see Retry-After"),
    ("504", "it took too long"),
];

/// Adds to the document what holds for all routes alike: the key, and the problems that any call may be answered with.
fn completed(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
    use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.delete, &mut item.put, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            for (status, meaning) in COMMON {
                let problem = Content::builder().schema(Some(Ref::from_schema_name("Problem"))).build();
                let response = ResponseBuilder::new()
                    .description(meaning)
                    .content("application/problem+json", problem)
                    .build();
                operation.responses.responses.entry(status.into()).or_insert(RefOr::T(response));
            }
            if operation.request_body.is_some() {
                let response = ResponseBuilder::new().description("the body is of another media type");
                operation.responses.responses.entry("415".into()).or_insert(RefOr::T(response.build()));
            }
            let parameters = operation.parameters.iter().flatten();
            let in_formats = parameters
                .into_iter()
                .any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == "format"));
            for (status, response) in &mut operation.responses.responses {
                let RefOr::T(response) = response else { continue };
                let content = &mut response.content;
                if status.starts_with('4') || status.starts_with('5') {
                    // Whatever is wrong is told as a problem.
                    content.clear();
                    let problem = Content::builder().schema(Some(Ref::from_schema_name("Problem"))).build();
                    content.insert("application/problem+json".into(), RefOr::T(problem));
                } else if status == "200" && content.is_empty() {
                    let formats = Format::ALL.iter().filter(|format| in_formats || **format == Format::Json);
                    content.extend(
                        formats.map(|format| (format.media_type().into(), RefOr::T(Content::default()))),
                    );
                }
            }
        }
    }
    let key = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    document.components.get_or_insert_default().security_schemes.insert("key".into(), RefOr::T(key));
    let none: [&str; 0] = [];
    document.security = Some(vec![SecurityRequirement::new("key", none)]);
    document
}

/// The contract as a document, checked in as `server/api/openapi.json`.
pub fn openapi() -> String {
    completed(routes(BODY, BODY).into_openapi()).to_pretty_json().expect("the document is plain data")
}

/// All routes behind the entrance.
fn router(app: App) -> axum::Router {
    let (router, document) =
        routes(app.config.upload_limit, app.config.delivery.event_body).split_for_parts();
    let document = completed(document).to_json().expect("the document is plain data");
    let json = [(axum::http::header::CONTENT_TYPE, "application/json")];
    let docs = utoipa_swagger_ui::SwaggerUi::new("/docs")
        .config(utoipa_swagger_ui::Config::new(["/v1/openapi.json"]).try_it_out_enabled(true));
    router
        .route("/v1/openapi.json", get(move || async move { (json, document) }))
        .route("/metrics", get(metrics::metrics))
        .route("/walk/{link}", get(pages::walk))
        .route("/walk/{link}/manifest.webmanifest", get(pages::manifest))
        .route("/walk/worker.js", get(pages::worker))
        .route("/walk/app/{file}", get(pages::app_file))
        .route("/turfs/{cut}", get(pages::turfs))
        .route("/turfs/app/{file}", get(pages::app_file))
        .merge(docs)
        .fallback(|| async {
            ApiError::not_found("there is no such page; GET /docs shows those that there are")
        })
        .method_not_allowed_fallback(|| async {
            ApiError::of_status(StatusCode::METHOD_NOT_ALLOWED, "the page does not take this method")
        })
        .layer(CatchPanicLayer::custom(|_| ApiError::internal("a handler panicked").into_response()))
        .layer(middleware::from_fn_with_state(app.clone(), enter))
        .with_state(app)
}

/// The routes, compressed for callers who accept that. Those who do not are spared the layer.
fn service(
    app: App,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send {
    let plain = router(app);
    let tagged = |request, next: Next| async move { tag_encoding(next.run(request).await) };
    let packed = plain.clone().layer(CompressionLayer::new()).layer(middleware::from_fn(tagged));
    tower::service_fn(move |request: Request| {
        let packs = request.headers().contains_key(header::ACCEPT_ENCODING);
        if packs { packed.clone() } else { plain.clone() }.oneshot(request)
    })
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
    app.open_gate(&shutdown).await;
    let gate = tokio::spawn(app.clone().keep_gate(shutdown.clone()));
    let (metrics, stopped) = (app.metrics.clone(), shutdown.clone());
    tokio::spawn(async move {
        // Samples are kept until they are summed up, so that is done whether or not somebody asks for them.
        while !stopped.is_cancelled() {
            metrics.run_upkeep();
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });
    let (jobs, grace) = (app.jobs.clone(), app.config.request_time());
    let told = jobs.clone();
    let stopping = shutdown.clone();
    let served = axum::serve(listener, Shared::new(service(app))).with_graceful_shutdown(async move {
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
    // What was acknowledged lands now rather than with the next start; it is durable either way.
    let _ = tokio::time::timeout(grace, gate).await;
    outcome
}
