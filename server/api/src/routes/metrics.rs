//! Counters and times for Prometheus. Labels hold routes and statuses, never parameters.

use axum::extract::State;

use crate::app::App;

pub async fn metrics(State(app): State<App>) -> String {
    app.metrics.run_upkeep();
    app.metrics.render()
}
