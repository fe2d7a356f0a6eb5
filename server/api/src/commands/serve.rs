//! `bellwether serve`: the server.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::Outcome;
use crate::app::App;
use crate::config::{LakeArgs, ServeArgs};
use crate::keys::Keys;

/// What is logged where RUST_LOG says nothing. The reader of Delta logs calls a table that is not there yet an error,
/// and also gives it back as one.
const LOG: &str = "warn,bellwether_api=info,buoyant_kernel=off";

/// Upper bounds of the request times that are counted, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0];

pub async fn run(lake: &LakeArgs, args: ServeArgs) -> Outcome {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).json().init();
    let lake = lake.open()?;
    let keys = Keys::open(args.state.folder(&lake))?;
    if !keys.in_use() && !args.listen.ip().is_loopback() {
        return Err("without keys the server listens on loopback only: listen on 127.0.0.1 or [::1], or make a key with bellwether keys create".into());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("bellwether_http_request_seconds".into()), &BUCKETS)?
        .install_recorder()?;
    let listener = TcpListener::bind(args.listen).await?;
    let address = listener.local_addr()?;
    let shutdown = CancellationToken::new();
    tokio::spawn(stop_on_signal(shutdown.clone()));
    if !keys.in_use() {
        println!("no keys are configured: serving loopback only, and every caller is admin");
    }
    println!("listening on http://{address}   docs at http://{address}/docs");
    // Several libraries speak TLS; they agree on one to compute with.
    let _ = rustls::crypto::ring::default_provider().install_default();
    crate::serve(listener, App::new(lake, args, recorder)?, shutdown).await?;
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM.
async fn stop_on_signal(shutdown: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    shutdown.cancel();
}
