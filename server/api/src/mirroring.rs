//! Parallel running: what is taken in is sent to another endpoint as well, type by type and as it came, and compared there
//! hour by hour. The other end may be slow or away: it delays nobody, and gets what it missed as long as the queues hold it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellwether_delivery::ledger::{Hour, hour_of};
use bellwether_delivery::queue::Block;
use bellwether_delivery::{Delivery, Line};
use reqwest::{Client, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::state::StateFolder;

/// Tells the other end when events were received here, in milliseconds since 1970: both then count them in the same hour.
pub const RECEIVED: &str = "bellwether-received";
/// Bytes that are sent at once.
const BITE: usize = 2 << 20;
/// First and longest wait after a failure.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// How often it is written down how far the mirror has come: what was sent since is sent again, and is known there.
const NOTED: Duration = Duration::from_secs(5);
const FILE: &str = "mirror.json";

/// Where the copy goes.
#[derive(Debug, Clone)]
pub struct Settings {
    pub url: String,
    pub key: Option<PathBuf>,
}

/// How far one type has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Copied {
    /// Position of the queue before which everything was sent.
    pub position: u64,
    /// Events that were sent and acknowledged.
    pub sent: u64,
    /// Whether events were trimmed from the queue before they could be sent.
    pub missed: bool,
    /// Why nothing is sent just now, if so.
    #[serde(skip_deserializing)]
    pub fault: Option<String>,
}

/// The copy of what comes in.
pub struct Mirror {
    settings: Settings,
    client: Client,
    key: Option<String>,
    state: StateFolder,
    copied: Mutex<BTreeMap<String, Copied>>,
}

/// What an hour of a type holds here and there.
#[derive(Debug, Serialize, ToSchema)]
pub struct Compared {
    #[serde(rename = "type")]
    pub event_type: String,
    pub hour: String,
    pub received: u64,
    pub landed: u64,
    pub dead: u64,
    pub duplicate: u64,
    /// The same at the other end; null where it tells nothing of the hour.
    pub there: Option<There>,
    /// Whether as many events landed there, and no fewer died: what is no event has no id, and is known again by none when
    /// it is sent twice.
    pub same_counts: bool,
    /// Whether what landed there is the same, byte by byte.
    pub same_content: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct There {
    pub received: u64,
    pub landed: u64,
    pub dead: u64,
    pub duplicate: u64,
    /// Told to keys that may load.
    #[serde(default)]
    pub content: Option<String>,
}

impl Mirror {
    pub fn new(settings: Settings, state: StateFolder) -> Result<Mirror, String> {
        let key = settings.key.as_ref().map(|path| {
            std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
        });
        let key = key.transpose()?.map(|key| key.trim().to_string());
        let client = Client::builder().timeout(Duration::from_secs(60)).build();
        let client = client.map_err(|error| error.to_string())?;
        let copied = state.read(FILE).map_err(|error| error.to_string())?.unwrap_or_default();
        Ok(Mirror { settings, client, key, state, copied: Mutex::new(copied) })
    }

    pub fn url(&self) -> &str {
        &self.settings.url
    }

    pub fn copied(&self) -> BTreeMap<String, Copied> {
        self.copied.lock().map(|copied| copied.clone()).unwrap_or_default()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Copied)) {
        if let Ok(mut copied) = self.copied.lock() {
            change(copied.entry(name.to_string()).or_default());
        }
    }

    /// Copies until told to stop; types that come later are taken up.
    pub async fn run(self: Arc<Self>, delivery: Arc<Delivery>, stop: CancellationToken) {
        let mut copying: BTreeMap<String, tokio::task::JoinHandle<()>> = BTreeMap::new();
        while !stop.is_cancelled() {
            for line in delivery.lines() {
                if !copying.contains_key(&line.name) {
                    let (mirror, stop, name) = (self.clone(), stop.clone(), line.name.clone());
                    copying.insert(name, tokio::spawn(async move { mirror.copy(line, stop).await }));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(NOTED) => {}
                () = stop.cancelled() => {}
            }
            if let Err(error) = self.state.write(FILE, &self.copied()) {
                tracing::error!(%error, "it cannot be written down how far the mirror has come");
            }
        }
    }

    async fn copy(&self, line: Arc<Line>, stop: CancellationToken) {
        let mut durable = line.durable();
        let mut wait = BACK_OFF.0;
        let known = self.copied().get(&line.name).map(|copied| copied.position);
        let mut position = known.unwrap_or(0);
        while !stop.is_cancelled() {
            line.hold(position);
            // What is gone cannot be sent; a mirror that is new begins with what the queue still holds.
            if let Ok(first) = line.first().await
                && first > position
            {
                let lost = known.is_some() || position > 0;
                self.change(&line.name, |copied| copied.missed |= lost);
                position = first;
                continue;
            }
            let waiting = *durable.borrow_and_update() > position;
            let outcome = match waiting {
                true => self.copy_some(&line, position).await,
                false => Ok(None),
            };
            let idle = match outcome {
                Ok(Some((end, sent))) => {
                    self.change(&line.name, |copied| {
                        copied.sent += sent;
                        copied.position = end;
                        copied.fault = None;
                    });
                    position = end;
                    wait = BACK_OFF.0;
                    continue;
                }
                Ok(None) => None,
                Err(fault) => {
                    self.change(&line.name, |copied| copied.fault = Some(fault));
                    wait = (wait * 2).min(BACK_OFF.1);
                    Some(wait)
                }
            };
            tokio::select! {
                _ = durable.changed(), if idle.is_none() => {}
                () = tokio::time::sleep(idle.unwrap_or(BACK_OFF.1)) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Sends what follows a position. Gives the position behind it, and how many events that was.
    async fn copy_some(&self, line: &Line, position: u64) -> Result<Option<(u64, u64)>, String> {
        let blocks = line.read(position, BITE).await.map_err(|error| error.told())?;
        let Some(last) = blocks.last() else { return Ok(None) };
        let mut sent = 0;
        for (received, body, count) in requests(&blocks, position) {
            self.send(received, body).await?;
            sent += count;
        }
        Ok(Some((last.end(), sent)))
    }

    async fn send(&self, received: u64, body: Vec<u8>) -> Result<(), String> {
        let url = format!("{}/v1/events", self.settings.url.trim_end_matches('/'));
        let request = self.client.post(url).header(RECEIVED, received.to_string()).body(body);
        let request = request.header("content-type", "application/json");
        let answer = self.keyed(request).send().await.map_err(|error| error.without_url().to_string())?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            // Nothing in it is of a type that is known there: it is a dead letter, as it is here.
            StatusCode::BAD_REQUEST => Ok(()),
            status => Err(format!("the other end answers {status}")),
        }
    }

    fn keyed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// What every hour of a type holds here and there.
    pub async fn compare(&self, line: &Line) -> Result<Vec<Compared>, String> {
        let url = format!("{}/v1/event-types/{}", self.settings.url.trim_end_matches('/'), line.name);
        let answer = self.keyed(self.client.get(url)).send().await;
        let answer = answer.map_err(|error| error.without_url().to_string())?;
        let there: Value = match answer.status().is_success() {
            true => answer.json().await.map_err(|error| error.without_url().to_string())?,
            false => Value::Null,
        };
        let there = |hour: &str| -> Option<There> {
            let hours = there["hours"].as_array()?;
            let found = hours.iter().find(|found| found["hour"] == hour)?;
            serde_json::from_value(found.clone()).ok()
        };
        let compared = |(hour, here): (&String, &Hour)| {
            let there = there(hour);
            let same_counts =
                there.as_ref().is_some_and(|there| there.landed == here.landed && there.dead >= here.dead);
            let content = there.as_ref().and_then(|there| there.content.clone());
            Compared {
                event_type: line.name.clone(),
                hour: hour.clone(),
                received: here.received,
                landed: here.landed,
                dead: here.dead,
                duplicate: here.duplicate,
                same_counts,
                same_content: content == Some(here.content_shown()),
                there,
            }
        };
        Ok(line.status().hours.iter().map(compared).collect())
    }
}

/// The records of some blocks from a position on, as requests: when they were received, the body, and how many they are.
/// A request holds records of one hour. What is no JSON has a request of its own, as it came.
fn requests(blocks: &[Block], position: u64) -> Vec<(u64, Vec<u8>, u64)> {
    let mut requests: Vec<(u64, Vec<u8>, u64)> = Vec::new();
    let mut open: Option<(String, u64, Vec<u8>, u64)> = None;
    let close = |open: &mut Option<(String, u64, Vec<u8>, u64)>, requests: &mut Vec<(u64, Vec<u8>, u64)>| {
        if let Some((_, received, mut body, count)) = open.take() {
            body.push(b']');
            requests.push((received, body, count));
        }
    };
    for block in blocks {
        for (number, (received, record)) in (block.first..).zip(block.batch.records()) {
            if number < position {
                continue;
            }
            let is_json = std::str::from_utf8(record)
                .is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
            if !is_json {
                close(&mut open, &mut requests);
                requests.push((received, record.to_vec(), 1));
                continue;
            }
            let hour = hour_of(received);
            if open.as_ref().is_some_and(|(of, ..)| *of != hour) {
                close(&mut open, &mut requests);
            }
            let (.., body, count) = open.get_or_insert_with(|| (hour, received, Vec::new(), 0));
            body.push(if body.is_empty() { b'[' } else { b',' });
            body.extend_from_slice(record);
            *count += 1;
        }
    }
    close(&mut open, &mut requests);
    requests
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_delivery::batch::Batch;

    #[test]
    fn a_request_holds_records_of_one_hour_and_what_is_no_json_goes_alone() {
        let mut batch = Batch::default();
        for (received, record) in
            [(1, "{}"), (2, "{\n\"a\": 1}"), (3, "no json"), (4, "{}"), (3_600_000, "{}"), (3_600_001, "[1]")]
        {
            batch.push(received, record.as_bytes());
        }
        let blocks = [Block { first: 10, batch: Arc::new(batch) }];
        let told = |position| -> Vec<(u64, String, u64)> {
            let requests = requests(&blocks, position).into_iter();
            requests.map(|(at, body, count)| (at, String::from_utf8(body).expect("text"), count)).collect()
        };
        let all = told(0);
        let expected =
            [(1, "[{},{\n\"a\": 1}]", 2), (3, "no json", 1), (4, "[{}]", 1), (3_600_000, "[{},[1]]", 2)];
        assert_eq!(all, expected.map(|(at, body, count)| (at, body.to_string(), count)));
        assert_eq!(told(15), [(3_600_001, "[[1]]".to_string(), 1)]);
    }
}
