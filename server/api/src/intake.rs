//! The gate's inside: delivery as the server holds it, and bodies cut into events.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether_delivery::sources::{Unfit, cloudevents};
use bellwether_delivery::vault::Person;
use bellwether_delivery::{Delivery, Filler, Neighbours, Receipt, now};
use bellwether_warehouse::{Live, LiveTable, Opener};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::error::ApiError;
use crate::happenings::Happenings;
use crate::listening::Listening;
use crate::mirroring::{Mirror, RECEIVED};
use crate::serving::Serving;

/// How often types are looked at, and delivery is tried to be taken over from a process that has gone.
const GLANCE: Duration = Duration::from_secs(2);
/// How long ago events may have been received that another server sends on, in milliseconds.
const SENT_ON: u64 = 7 * 24 * 3_600_000;
/// How often a question is asked again whose tables changed while they were read.
const TRIES: usize = 10;
/// How far the clock of another server may be ahead, in milliseconds.
const SKEW: u64 = 60_000;
/// Bodies up to this size are cut on the spot: some tenths of a millisecond.
const SMALL: usize = 64 << 10;

/// Delivery, where this process is the one that delivers, and the releases that are told what lands.
pub struct Intake {
    delivery: RwLock<Option<Arc<Delivery>>>,
    pub happenings: Arc<Happenings>,
    /// The releases know what was delivered before this process began.
    told: AtomicBool,
    /// None where nothing is taken in.
    pub listening: Option<Arc<Listening>>,
    /// The copy that another endpoint gets.
    pub mirror: Option<Arc<Mirror>>,
}

impl Intake {
    pub fn new(listening: Listening, mirror: Option<Mirror>) -> Intake {
        let (listening, mirror) = (Some(Arc::new(listening)), mirror.map(Arc::new));
        Intake { listening, mirror, ..Intake::deaf() }
    }

    /// Of a process that takes nothing in.
    pub fn deaf() -> Intake {
        Intake {
            delivery: RwLock::default(),
            happenings: Arc::default(),
            told: AtomicBool::new(false),
            listening: None,
            mirror: None,
        }
    }

    pub fn delivery(&self) -> Result<Arc<Delivery>, ApiError> {
        let delivery = self.delivery.read().ok().and_then(|delivery| delivery.clone());
        delivery.ok_or_else(|| {
            let detail = "events are taken in by another process of this lake, or not yet";
            ApiError::of_status(StatusCode::SERVICE_UNAVAILABLE, detail)
        })
    }

    /// Whether what is delivered is known here: it is landed by this process.
    pub fn lands(&self) -> bool {
        self.delivery().is_ok_and(|delivery| delivery.lands())
    }

    /// An error where ballots are asked for and this process knows of none because another one lands them: nobody must
    /// take that for nobody's having voted.
    pub fn knows_ballots(&self) -> Result<(), ApiError> {
        let known = self.delivery().is_ok_and(|delivery| delivery.line("ballot.returned").is_some());
        match self.lands() && known && self.told.load(Ordering::Acquire) {
            true => Ok(()),
            false => {
                let detail = "ballots are landed by another process of this lake, or not yet; ask that one";
                Err(ApiError::of_status(StatusCode::SERVICE_UNAVAILABLE, detail))
            }
        }
    }

    /// Tells a release of everything that was delivered, and of what will be.
    pub fn follow(&self, serving: &Arc<Serving>) {
        // First what is to come, then what is there: nothing falls in between, and what is told twice counts once.
        self.happenings.follow(serving);
        self.happenings.tell(serving, self);
    }

    /// Knows the places of the newest release; posts wait for the first.
    pub fn settle(&self, newest: &Arc<Serving>) {
        let Some(listening) = &self.listening else { return };
        if let Err(error) = listening.know(newest) {
            tracing::error!(error = %error.told(), "the places of a release are not known; those of the one before are");
        }
        listening.settle();
    }

    /// Asks the live tables, again where a file was written anew meanwhile.
    pub fn ask<T>(
        &self,
        question: impl Fn(&Live) -> Result<T, bellwether_warehouse::Error>,
    ) -> Result<T, ApiError> {
        let mut left = TRIES;
        loop {
            match question(&self.live_tables()) {
                Err(bellwether_warehouse::Error::Moved) if left > 0 => left -= 1,
                outcome => return Ok(outcome?),
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// The tables of events and of dead letters, as they are just now.
    pub fn live_tables(&self) -> Live {
        let Ok(delivery) = self.delivery() else { return Live::default() };
        let mut tables = Vec::new();
        for line in delivery.lines() {
            let (plan, (events, dead)) = (line.plan(), line.files());
            let of = &plan.event_type;
            let table = |bound_by, stored, shown, files| {
                let (bound, whole) = (of.name.clone(), bound_by == "number");
                LiveTable { bound, bound_by, whole, stored, shown, files }
            };
            tables.push(table("event_id", of.stored(), of.shown(), events));
            tables.push(table("number", of.dead_letters(), of.dead_letters_shown(), dead));
        }
        let vault = delivery.vault.clone();
        let opener: Opener = Arc::new(move |name, bound_to, person, sealed| {
            let person = Person(u128::from_be_bytes(person.try_into().ok()?));
            let key = vault.known(person).ok()??;
            String::from_utf8(key.open(&bellwether_delivery::context(name, bound_to), sealed).ok()?).ok()
        });
        Live { tables, opener: Some(opener) }
    }
}

impl App {
    /// Opens the gate, unless another process has it.
    pub(crate) async fn open_gate(&self, stop: &CancellationToken) {
        let settings = self.config.delivery.settings(&self.state);
        let neighbours = Neighbours {
            watcher: Some(self.intake.happenings.clone()),
            filler: self.intake.listening.clone().map(|listening| listening as Arc<dyn Filler>),
        };
        match Delivery::open(settings, self.lake.clone(), neighbours).await {
            Ok(delivery) => {
                if let Ok(mut held) = self.intake.delivery.write() {
                    *held = Some(delivery.clone());
                }
                self.follow_feeds(stop);
                if let Some(mirror) = self.intake.mirror.clone() {
                    tokio::spawn(mirror.run(delivery, stop.clone()));
                }
                self.tell_all().await;
            }
            Err(bellwether_delivery::Error::InUse { .. }) => {}
            Err(error) => tracing::error!(error = %error.told(), "events cannot be taken in"),
        }
    }

    async fn tell_all(&self) {
        let intake = self.intake.clone();
        let told = tokio::task::spawn_blocking(move || {
            intake.happenings.tell_all(&intake);
            intake.told.store(true, Ordering::Release);
        });
        let _ = told.await;
    }

    /// Keeps the gate until told to stop, then lands what was taken in.
    pub(crate) async fn keep_gate(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(GLANCE) => {}
                () = stop.cancelled() => break,
            }
            match self.intake.delivery() {
                Err(_) => self.open_gate(&stop).await,
                Ok(delivery) => {
                    let before = delivery.lines().len();
                    delivery.refresh_types().await;
                    // A type that could not be set up before has landed things that nobody was told of.
                    if delivery.lines().len() != before || self.intake.happenings.is_untold() {
                        self.tell_all().await;
                    }
                }
            }
            if let Some(Err(error)) = self.intake.listening.as_ref().map(|listening| listening.refresh()) {
                tracing::error!(error, "the taxonomy of topics is not taken up; the one before is used on");
            }
        }
        if let Ok(delivery) = self.intake.delivery() {
            let _ = tokio::task::spawn_blocking(move || delivery.close()).await;
        }
    }

    /// Takes events in, one a record, and says what came of them when they are durable.
    pub(crate) async fn take_in<R: AsRef<[u8]> + Send + 'static>(
        &self,
        records: Vec<R>,
    ) -> Result<Receipt, ApiError> {
        let delivery = self.intake.delivery()?;
        let bytes: usize = records.iter().map(|record| record.as_ref().len()).sum();
        let sorted = match bytes <= SMALL {
            true => delivery.sort(now(), records.iter().map(AsRef::as_ref)),
            false => {
                let delivery = delivery.clone();
                tokio::task::spawn_blocking(move || delivery.sort(now(), records.iter().map(AsRef::as_ref)))
                    .await?
            }
        };
        Ok(delivery.accept(sorted).await?)
    }

    /// The same for a body, in any of the forms that the gate takes.
    pub(crate) async fn take_body(&self, headers: &HeaderMap, body: Bytes) -> Result<Receipt, ApiError> {
        let body = unpacked(headers, body, self.config.delivery.event_body)?;
        let form = Form::of(headers, &body);
        match form {
            Form::Converted(events) => self.take_in(events.map_err(unfit)?).await,
            Form::One => {
                let delivery = self.intake.delivery()?;
                let sorted = delivery.sort(received(headers), std::iter::once(body.trim_ascii()));
                Ok(delivery.accept(sorted).await?)
            }
            form => {
                let delivery = self.intake.delivery()?;
                let (small, sorting, at) = (body.len() <= SMALL, delivery.clone(), received(headers));
                let sort = move || match form {
                    Form::List => match serde_json::from_slice::<Vec<&RawValue>>(&body) {
                        Ok(events) => sorting.sort(at, events.iter().map(|event| event.get().as_bytes())),
                        // Not a list after all: kept as it came, as a dead letter.
                        Err(_) => sorting.sort(at, std::iter::once(&body[..])),
                    },
                    _ => sorting.sort(at, lines(&body)),
                };
                let sorted = if small { sort() } else { tokio::task::spawn_blocking(sort).await? };
                Ok(delivery.accept(sorted).await?)
            }
        }
    }
}

/// When the events of a request were received: now, or, where another server sends them on, when they came there, a week
/// ago at most.
fn received(headers: &HeaderMap) -> u64 {
    let now = now();
    let told = headers.get(RECEIVED).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    told.filter(|told| *told <= now + SKEW && told + SENT_ON > now).unwrap_or(now)
}

/// What a source sent is not what it should be.
pub fn unfit(error: Unfit) -> ApiError {
    ApiError::bad_request(error.to_string())
}

/// How events lie in a body.
enum Form {
    One,
    List,
    Lines,
    Converted(Result<Vec<Vec<u8>>, Unfit>),
}

impl Form {
    fn of(headers: &HeaderMap, body: &[u8]) -> Form {
        let text = |name: header::HeaderName| {
            headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        let media =
            text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if headers.contains_key("ce-specversion") {
            let attributes = headers.iter().filter_map(|(name, value)| {
                Some((name.as_str().strip_prefix(cloudevents::HEADER)?, value.to_str().ok()?))
            });
            return Form::Converted(cloudevents::binary(attributes, body));
        }
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        match media.as_str() {
            "application/cloudevents+json" => Form::Converted(cloudevents::structured(body, false)),
            "application/cloudevents-batch+json" => Form::Converted(cloudevents::structured(body, true)),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines" => Form::Lines,
            _ if first == Some(&b'[') => Form::List,
            // Lines that are sent as JSON are told from one event over several lines by whether the first stands alone.
            _ => match memchr::memchr(b'\n', body) {
                Some(end) if serde_json::from_slice::<serde::de::IgnoredAny>(&body[..end]).is_ok() => {
                    Form::Lines
                }
                _ => Form::One,
            },
        }
    }
}

/// The lines of a body that hold anything.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < body.len() {
            let end = memchr::memchr(b'\n', &body[at..]).map_or(body.len(), |length| at + length);
            let line = body[at..end].trim_ascii();
            at = end + 1;
            if !line.is_empty() {
                return Some(line);
            }
        }
        None
    })
}

/// The body without its compression, of which no more than `most` bytes may come.
pub fn unpacked(headers: &HeaderMap, body: Bytes, most: usize) -> Result<Bytes, ApiError> {
    let coding =
        headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("identity");
    match coding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(body),
        "gzip" => {
            let mut out = Vec::new();
            let read =
                flate2::read::MultiGzDecoder::new(&body[..]).take(most as u64 + 1).read_to_end(&mut out);
            read.map_err(|_| ApiError::bad_request("the body is not gzip, as its Content-Encoding says"))?;
            match out.len() > most {
                true => {
                    Err(ApiError::of_status(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large unpacked"))
                }
                false => Ok(out.into()),
            }
        }
        other => {
            let detail = format!("Content-Encoding {other} is not understood; gzip is");
            Err(ApiError::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
        }
    }
}

/// Whether any of the events can be read, and whether some were turned away, decide what the answer's status is.
pub fn answer(receipt: &Receipt) -> Response {
    let refused: u64 = receipt.refused.values().map(|refused| refused.events).sum();
    let status = match () {
        () if refused > 0 => StatusCode::TOO_MANY_REQUESTS,
        () if receipt.accepted > 0 && receipt.accepted == receipt.unreadable => StatusCode::BAD_REQUEST,
        () => StatusCode::ACCEPTED,
    };
    let mut response = match status {
        StatusCode::ACCEPTED => (status, Json(receipt)).into_response(),
        // What was not taken in is told as every problem is, with the receipt's figures beside.
        status => {
            let mut problem = serde_json::to_value(receipt).unwrap_or_default();
            problem["type"] = "about:blank".into();
            problem["title"] = status.canonical_reason().into();
            problem["status"] = status.as_u16().into();
            problem["detail"] = match status {
                StatusCode::TOO_MANY_REQUESTS => "some types take no more just now; see refused".into(),
                _ => "nothing in it is an event of a type that is known; it is kept as a dead letter".into(),
            };
            let media = [(header::CONTENT_TYPE, "application/problem+json")];
            (status, media, Json(problem).into_response().into_body()).into_response()
        }
    };
    if let Some(seconds) = receipt.refused.values().map(|refused| refused.retry_after).max() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
