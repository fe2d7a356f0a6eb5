//! Answers that are written while they are sent: memory is a few pieces, and the first rows leave before the last
//! are found.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bellwether_warehouse::{Cancel, Format};
use futures::StreamExt;

use crate::app::App;
use crate::error::ApiError;
use crate::serving::Serving;

/// How long a caller may leave a piece unread: the answer holds a seat meanwhile.
const STALL: Duration = Duration::from_secs(30);

/// Interrupts the query when the request is dropped: when the caller has gone.
pub struct Hangup(pub Cancel);

impl Drop for Hangup {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Whether a format can be read while it is written.
pub fn streams(format: Format) -> bool {
    matches!(format, Format::Csv | Format::Ndjson | Format::Arrow)
}

/// Sends what `write` gives, piece by piece. What fails before the first piece is told with its status; what fails
/// later breaks the connection off, so that a part is never taken for the whole. Long answers sit where callers'
/// SQL sits: reports do not wait for them.
pub async fn stream(
    app: &App,
    serving: &Arc<Serving>,
    format: Format,
    write: impl FnOnce(&Serving, &Cancel, &mut dyn FnMut(Vec<u8>) -> bool) -> Result<(), ApiError>
    + Send
    + 'static,
) -> Result<Response, ApiError> {
    let (sender, mut pieces) = tokio::sync::mpsc::channel::<Result<Vec<u8>, ApiError>>(4);
    let cancel = Cancel::default();
    let hangup = Hangup(cancel.clone());
    let (held, worker) = (serving.clone(), app.clone());
    tokio::spawn(async move {
        let failures = sender.clone();
        let runtime = tokio::runtime::Handle::current();
        let work = worker.run_long(move || {
            let mut stalled = false;
            let mut give = |piece: Vec<u8>| {
                let sent = tokio::time::timeout(STALL, sender.send(Ok(piece)));
                let outcome = runtime.block_on(sent);
                stalled |= outcome.is_err();
                matches!(outcome, Ok(Ok(())))
            };
            write(&held, &cancel, &mut give)?;
            if stalled { Err(ApiError::bad_request("the caller stopped reading")) } else { Ok(()) }
        });
        if let Err(error) = work.await {
            let _ = failures.send(Err(error)).await;
        }
    });
    let first = match pieces.recv().await {
        Some(Err(error)) => return Err(error),
        Some(Ok(piece)) => piece,
        None => Vec::new(),
    };
    let rest = futures::stream::unfold((pieces, hangup), |(mut pieces, hangup)| async move {
        let piece = pieces.recv().await?.map_err(|error| std::io::Error::other(error.to_string()));
        Some((piece, (pieces, hangup)))
    });
    let all = futures::stream::once(std::future::ready(Ok(first))).chain(rest);
    let mut response = Body::from_stream(all).into_response();
    let release = HeaderValue::from_str(&serving.release.id).map_err(ApiError::internal)?;
    response.headers_mut().insert("bellwether-release", release);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    Ok(response)
}
