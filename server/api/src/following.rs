//! Following Bluesky's Jetstream: a websocket per entry of the file that `--event-feeds` names, its posts taken in as they
//! come. How far each has come is written down when its posts are durable; a connection that breaks goes on from there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bellwether_delivery::sources::social::jetstream_event;
use futures::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;
use url::Url;
use utoipa::ToSchema;

use crate::app::App;

/// Posts that are taken in together, at most, and the longest that one waits for others.
const TOGETHER: (usize, Duration) = (2_000, Duration::from_millis(300));
/// First and longest wait before a connection is tried again.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// Time without a word after which a connection is given up.
const SILENCE: Duration = Duration::from_secs(60);
/// A connection goes on so long before the last event that was taken in, in microseconds: what comes twice counts once.
const OVERLAP: i64 = 5_000_000;
const FILE: &str = "feeds.json";

/// A feed to follow.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    pub name: String,
    /// The stream's address, such as `wss://jetstream2.us-east.bsky.network/subscribe`.
    pub jetstream: Url,
    /// Kinds of records to ask for; posts by default.
    #[serde(default = "posts")]
    pub collections: Vec<String>,
    /// Authors to ask for; all where none is named.
    #[serde(default)]
    pub authors: Vec<String>,
}

fn posts() -> Vec<String> {
    vec!["app.bsky.feed.post".into()]
}

/// How a feed stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Followed {
    /// Time of the newest event that is durable here, microseconds since 1970.
    pub cursor: Option<i64>,
    /// Posts and deletions that were taken in since the start.
    #[serde(skip_deserializing)]
    pub taken: u64,
    #[serde(skip_deserializing)]
    pub connected: bool,
    /// Connections that were made since the start.
    #[serde(skip_deserializing)]
    pub connections: u64,
    /// Why nothing comes just now, if so.
    #[serde(skip_deserializing)]
    pub fault: Option<String>,
}

/// The feeds that are followed.
#[derive(Default)]
pub struct Following {
    feeds: Vec<Feed>,
    followed: Mutex<BTreeMap<String, Followed>>,
}

impl Following {
    /// Reads the file of feeds, a JSON list.
    pub fn read(path: Option<&Path>) -> Result<Following, String> {
        let Some(path) = path else { return Ok(Following::default()) };
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| told(&error))?;
        let feeds: Vec<Feed> = serde_json::from_str(&text).map_err(|error| told(&error))?;
        for (at, feed) in feeds.iter().enumerate() {
            if !["ws", "wss"].contains(&feed.jetstream.scheme()) {
                return Err(told(&format!("{}: a jetstream is at ws:// or wss://", feed.name)));
            }
            if feed.name.is_empty() || feeds[..at].iter().any(|other| other.name == feed.name) {
                return Err(told(&"every feed has a name of its own"));
            }
        }
        Ok(Following { feeds, followed: Mutex::default() })
    }

    pub fn followed(&self) -> BTreeMap<String, Followed> {
        self.followed.lock().map(|followed| followed.clone()).unwrap_or_default()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Followed)) {
        if let Ok(mut followed) = self.followed.lock() {
            change(followed.entry(name.to_string()).or_default());
        }
    }
}

impl App {
    /// Follows every feed until told to stop.
    pub(crate) fn follow_feeds(&self, stop: &CancellationToken) {
        let before: BTreeMap<String, Followed> = match self.state.read(FILE) {
            Ok(before) => before.unwrap_or_default(),
            Err(error) => {
                tracing::error!(%error, "it cannot be read how far the feeds have come; they begin now");
                BTreeMap::new()
            }
        };
        for feed in self.following.feeds.clone() {
            let cursor = before.get(&feed.name).and_then(|followed| followed.cursor);
            self.following.change(&feed.name, |followed| followed.cursor = followed.cursor.or(cursor));
            let (app, stop) = (self.clone(), stop.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = app.follow(feed) => {}
                    () = stop.cancelled() => {}
                }
            });
        }
    }

    async fn follow(self, feed: Feed) {
        let mut wait = BACK_OFF.0;
        loop {
            let started = Instant::now();
            let fault = match self.follow_once(&feed).await {
                Ok(()) => "the other end closed the connection".to_string(),
                Err(fault) => fault,
            };
            tracing::warn!(feed = feed.name, fault, "a feed broke off; it is taken up again");
            self.following.change(&feed.name, |followed| {
                followed.connected = false;
                followed.fault = Some(fault);
            });
            wait = if started.elapsed() > BACK_OFF.1 { BACK_OFF.0 } else { (wait * 2).min(BACK_OFF.1) };
            tokio::time::sleep(wait).await;
        }
    }

    async fn follow_once(&self, feed: &Feed) -> Result<(), String> {
        let cursor = self.following.followed().get(&feed.name).and_then(|followed| followed.cursor);
        let address = address(feed, cursor);
        let connected = tokio::time::timeout(SILENCE, connect_async(address.as_str())).await;
        let connected = connected.map_err(|_| "the other end does not answer".to_string())?;
        let (mut stream, _) = connected.map_err(|error| error.to_string())?;
        self.following.change(&feed.name, |followed| {
            followed.connected = true;
            followed.connections += 1;
            followed.fault = None;
        });
        let (mut posts, mut newest, mut heard) = (Vec::new(), cursor, Instant::now());
        let mut due = tokio::time::interval(TOGETHER.1);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = stream.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        heard = Instant::now();
                        // What is no JSON has no post in it; it is passed by rather than stopping all others.
                        let Ok(message) = serde_json::from_str::<Value>(&text) else { continue };
                        newest = newest.max(message.get("time_us").and_then(Value::as_i64));
                        posts.extend(jetstream_event(&message));
                        if posts.len() >= TOGETHER.0 {
                            self.take_posts(feed, &mut posts, newest).await?;
                        }
                    }
                    Some(Ok(Message::Ping(bytes))) => {
                        heard = Instant::now();
                        stream.send(Message::Pong(bytes)).await.map_err(|error| error.to_string())?;
                    }
                    Some(Ok(Message::Close(_))) | None => {
                        return self.take_posts(feed, &mut posts, newest).await;
                    }
                    Some(Ok(Message::Binary(_))) => {
                        return Err("the stream is compressed: leave compress out of its address".into());
                    }
                    Some(Ok(_)) => heard = Instant::now(),
                    Some(Err(error)) => {
                        self.take_posts(feed, &mut posts, newest).await?;
                        return Err(error.to_string());
                    }
                },
                _ = due.tick() => {
                    self.take_posts(feed, &mut posts, newest).await?;
                    if heard.elapsed() > SILENCE {
                        return Err(format!("not a word for {} seconds", SILENCE.as_secs()));
                    }
                }
            }
        }
    }

    /// Takes posts in and notes how far the feed has come, when they are durable. While the line takes none, nothing is read
    /// on: the other end keeps what follows.
    async fn take_posts(
        &self,
        feed: &Feed,
        posts: &mut Vec<Vec<u8>>,
        newest: Option<i64>,
    ) -> Result<(), String> {
        let known = self.following.followed().get(&feed.name).and_then(|followed| followed.cursor);
        if posts.is_empty() && newest == known {
            return Ok(());
        }
        while !posts.is_empty() {
            let receipt = self.take_in(posts.clone()).await.map_err(|error| error.told())?;
            match receipt.refused.values().map(|refused| refused.retry_after).max() {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                None => {
                    self.following.change(&feed.name, |followed| followed.taken += receipt.accepted);
                    posts.clear();
                }
            }
        }
        self.following.change(&feed.name, |followed| followed.cursor = newest);
        self.state.write(FILE, &self.following.followed()).map_err(|error| error.to_string())
    }
}

/// The address to connect to, from a cursor on.
fn address(feed: &Feed, cursor: Option<i64>) -> Url {
    let mut address = feed.jetstream.clone();
    let mut query = address.query_pairs_mut();
    query.extend_pairs(feed.collections.iter().map(|one| ("wantedCollections", one)));
    query.extend_pairs(feed.authors.iter().map(|one| ("wantedDids", one)));
    if let Some(cursor) = cursor {
        query.append_pair("cursor", &(cursor - OVERLAP).to_string());
    }
    drop(query);
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_is_asked_for_what_it_names_from_its_cursor_on() {
        let feed: Feed = serde_json::from_str(
            r#"{"name": "bluesky", "jetstream": "wss://stream.example/subscribe?compress=false", "authors": ["did:plc:a"]}"#,
        )
        .expect("a feed");
        assert_eq!(
            address(&feed, Some(10_000_000)).as_str(),
            "wss://stream.example/subscribe?compress=false&wantedCollections=app.bsky.feed.post&wantedDids=did%3Aplc%3Aa&cursor=5000000"
        );
    }
}
