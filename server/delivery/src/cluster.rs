//! The queue of many machines: a JetStream stream for each type, held by several servers of a NATS cluster. A record is
//! acknowledged when most of them have it on disk (their `sync_interval` must be `always`), so that any one may die.
//!
//! Records that come together travel as one message. A record's position is its message's number in the stream, twenty
//! bits further up, and its own place in the message, behind a base: a stream that was made anew begins behind what the
//! table knows, whatever it holds already. The base is written down beside the lines, with the moment in which the stream
//! was made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, RawMessageErrorKind, StorageType};
use async_nats::jetstream::{self, stream};
use futures::StreamExt;
use futures::future::{BoxFuture, try_join_all};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::Error;
use crate::batch::Batch;
use crate::queue::{Block, Queue};

/// Bits of a position that tell the place in a message.
const PLACE: u32 = 20;
/// Bytes of records that one message takes; a larger record has a message of its own.
const FRAME: usize = 384 << 10;
/// Smaller messages are not worth compressing.
const PACK: usize = 4 << 10;
/// Groups of messages that are under way at once.
const UNDER_WAY: usize = 4;
/// How long a message is sent again before its producers are told that it is not durable.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the cluster may take to acknowledge a message before it is sent again.
const ANSWER: Duration = Duration::from_secs(3);
/// How often the stream is asked how far it has come, for what other gates put into it.
const GLANCE: Duration = Duration::from_millis(400);
/// Messages that are fetched at once.
const FETCHED: usize = 8;
/// How long a message that should be there is asked for again, before it is given up: a leader that was cut off may not
/// know it yet.
const MISSING: Duration = Duration::from_secs(5);
/// Bytes of a message beside its packed records, at most.
const ENVELOPE: usize = 4 << 10;
/// So many times smaller can records be packed, at most.
const MOST_PACKED: usize = 256;
/// Bytes before the records of a message: how many records there are, and bytes unpacked.
const HEAD: usize = 8;

/// Where the cluster is, and how it is used.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Addresses of some of its servers, `nats://host:4222`, with commas between.
    pub servers: String,
    /// File with the credentials of the account.
    pub credentials: Option<PathBuf>,
    /// Servers that hold each record.
    pub replicas: usize,
    /// Begins the name of every stream: two warehouses on one account have different ones.
    pub prefix: String,
}

/// The connection that the queues of all types share.
pub struct Cluster {
    settings: Settings,
    context: jetstream::Context,
}

fn failed(operation: &'static str) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> Error + use<> {
    move |cause| Error::Cluster { operation, cause }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Cluster {
    /// Connects; a server that dies later is replaced by another one without a word to anybody.
    pub async fn connect(settings: Settings) -> Result<Cluster, Error> {
        let mut options = async_nats::ConnectOptions::new()
            .name("bellwether")
            .max_reconnects(None)
            .connection_timeout(Duration::from_secs(5))
            .ping_interval(Duration::from_secs(5))
            .reconnect_delay_callback(|attempts| Duration::from_millis(50 * attempts.min(20) as u64));
        if let Some(path) = &settings.credentials {
            let read = options.credentials_file(path).await;
            options = read.map_err(|cause| Error::File { operation: "read", path: path.clone(), cause })?;
        }
        let servers: Vec<String> =
            settings.servers.split(',').map(|server| server.trim().to_string()).collect();
        let client = options.connect(servers).await;
        let client = client.map_err(|error| failed("connect to the cluster")(error.into()))?;
        let context = jetstream::ContextBuilder::new().timeout(ANSWER).ack_timeout(ANSWER).build(client);
        Ok(Cluster { settings, context })
    }

    /// The queue of a type; its stream is made where it is not there yet. `linger`: how long it waits for more before it
    /// sends; `keep`: bytes of the newest messages that are kept in memory, so that a worker that keeps up fetches nothing.
    /// `folder`: where the base is written down.
    pub async fn queue(
        &self,
        event_type: &str,
        linger: Duration,
        keep: usize,
        folder: &Path,
    ) -> Result<StreamQueue, Error> {
        let prefix = &self.settings.prefix;
        let subject = format!("{prefix}.events.{event_type}");
        let config = Config {
            name: format!("{prefix}-{}", event_type.replace('.', "_")),
            description: Some(format!("Events of the type {event_type} on their way to their table")),
            subjects: vec![subject.clone()],
            storage: StorageType::File,
            num_replicas: self.settings.replicas,
            // Two minutes in which a message that was sent again is known for the one before.
            duplicate_window: Duration::from_secs(120),
            ..Config::default()
        };
        let made = self.context.get_or_create_stream(config).await;
        let stream = made.map_err(|error| failed("make a stream of the cluster")(error.into()))?;
        let info = stream.cached_info();
        if info.config.num_replicas < self.settings.replicas {
            tracing::warn!(
                event_type,
                replicas = info.config.num_replicas,
                wanted = self.settings.replicas,
                "a stream of the cluster has fewer replicas than it should"
            );
        }
        let (state, made) = (info.state.clone(), info.created.to_string());
        let path = folder.join("stream.json");
        let known: Option<Begun> =
            std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let known = known.filter(|known| known.made == made);
        let (sender, waiting) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            context: self.context.clone(),
            stream,
            subject,
            begun: Mutex::new((known.as_ref().map_or(0, |known| known.base), known.is_some())),
            made,
            path,
            anew: AtomicBool::new(false),
            durable: watch::Sender::new(0),
            kept: Mutex::new(Kept { messages: BTreeMap::new(), bytes: 0, most: keep }),
            last_read: Mutex::default(),
            waiting: AtomicU64::new(0),
            told: Mutex::new(Told {
                first: state.first_sequence,
                last: state.last_sequence,
                messages: state.messages,
                bytes: state.bytes,
            }),
        });
        shared.reached(held(&shared.told).last);
        tokio::spawn(send(Arc::downgrade(&shared), waiting, linger));
        tokio::spawn(watch_stream(Arc::downgrade(&shared)));
        Ok(StreamQueue { shared, sender })
    }
}

/// What is written down of a stream.
#[derive(serde::Serialize, serde::Deserialize)]
struct Begun {
    /// When the stream was made, as the cluster tells it.
    made: String,
    /// Position of the stream's beginning.
    base: u64,
}

/// The queue of one type in the cluster.
pub struct StreamQueue {
    shared: Arc<Shared>,
    sender: mpsc::UnboundedSender<Waiting>,
}

struct Shared {
    context: jetstream::Context,
    stream: stream::Stream,
    subject: String,
    /// Position of the stream's beginning, and whether it is certain.
    begun: Mutex<(u64, bool)>,
    made: String,
    path: PathBuf,
    /// The stream was made anew while it was in use.
    anew: AtomicBool,
    durable: watch::Sender<u64>,
    kept: Mutex<Kept>,
    /// Number of the message that was read last, and its records: the next read begins behind it.
    last_read: Mutex<(u64, u64)>,
    /// Bytes that are not acknowledged yet.
    waiting: AtomicU64,
    told: Mutex<Told>,
}

/// How the stream stood when it was last asked.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    first: u64,
    last: u64,
    messages: u64,
    bytes: u64,
}

/// The newest messages by their numbers.
struct Kept {
    messages: BTreeMap<u64, Arc<Batch>>,
    bytes: usize,
    most: usize,
}

impl Kept {
    fn put(&mut self, number: u64, batch: Arc<Batch>) {
        self.bytes += batch.bytes().len();
        self.messages.insert(number, batch);
        while self.bytes > self.most
            && let Some((_, oldest)) = self.messages.pop_first()
        {
            self.bytes -= oldest.bytes().len();
        }
    }
}

struct Waiting {
    batch: Batch,
    done: oneshot::Sender<bool>,
}

/// Gathers what comes together and sends it, some groups at once.
async fn send(
    shared: std::sync::Weak<Shared>,
    mut waiting: mpsc::UnboundedReceiver<Waiting>,
    linger: Duration,
) {
    let under_way = Arc::new(Semaphore::new(UNDER_WAY));
    while let Some(first) = waiting.recv().await {
        let Ok(turn) = under_way.clone().acquire_owned().await else { return };
        if !linger.is_zero() {
            tokio::time::sleep(linger).await;
        }
        let mut group = vec![first];
        let mut bytes = group[0].batch.bytes().len();
        while bytes < FRAME * FETCHED
            && let Ok(next) = waiting.try_recv()
        {
            bytes += next.batch.bytes().len();
            group.push(next);
        }
        let Some(shared) = shared.upgrade() else { return };
        tokio::spawn(async move {
            let mut whole = Batch::with_capacity(bytes);
            let mut tell = Vec::with_capacity(group.len());
            for Waiting { batch, done } in group {
                whole.append(&batch);
                tell.push(done);
            }
            let sent = try_join_all(whole.pieces(FRAME).into_iter().map(|piece| shared.publish(piece))).await;
            if let Err(error) = &sent {
                tracing::error!(error = %error.told(), "the cluster does not take events in; their producers are told");
            }
            shared.waiting.fetch_sub(bytes as u64, Ordering::AcqRel);
            for done in tell {
                let _ = done.send(sent.is_ok());
            }
            drop(turn);
        });
    }
}

/// Asks now and then how far the stream has come: other gates put into it as well.
async fn watch_stream(shared: std::sync::Weak<Shared>) {
    loop {
        tokio::time::sleep(GLANCE).await;
        let Some(shared) = shared.upgrade() else { return };
        // A cluster that does not answer is told of by those who need its answer.
        let _ = shared.ask().await;
    }
}

impl Shared {
    async fn publish(&self, batch: Batch) -> Result<(), Error> {
        let packed = pack(&batch);
        let most = self.context.client().max_payload();
        if packed.len() + ENVELOPE > most {
            return Err(Error::TooLarge { bytes: packed.len(), most });
        }
        let name = format!("{:032x}", rand::random::<u128>());
        let (packed, started) = (bytes::Bytes::from(packed), Instant::now());
        loop {
            let message = PublishMessage::build().payload(packed.clone()).message_id(&name);
            let asked = self.context.send_publish(self.subject.clone(), message).await;
            let answer = match asked {
                Ok(acknowledged) => acknowledged.await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(acknowledged) => {
                    held(&self.kept).put(acknowledged.sequence, Arc::new(batch));
                    self.reached(acknowledged.sequence);
                    return Ok(());
                }
                Err(error) if started.elapsed() > PATIENCE => {
                    return Err(failed("put events into the cluster")(error.into()));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Position of the first record of a message.
    fn position(&self, message: u64) -> u64 {
        held(&self.begun).0 + (message << PLACE)
    }

    /// The message that a position is in, and the place in it. Before the beginning: the first one.
    fn place(&self, position: u64) -> (u64, u64) {
        let from = position.saturating_sub(held(&self.begun).0);
        (from >> PLACE, from & ((1 << PLACE) - 1))
    }

    /// A position that whoever has read a message has reached, and nobody who has not.
    fn behind(&self, message: u64) -> u64 {
        if message == 0 { held(&self.begun).0 } else { self.position(message) + 1 }
    }

    fn reached(&self, number: u64) {
        let position = self.behind(number);
        self.durable.send_if_modified(|durable| {
            let moved = position > *durable;
            *durable = position.max(*durable);
            moved
        });
    }

    async fn ask(&self) -> Result<Told, Error> {
        let info = self.stream.get_info().await;
        let info = info.map_err(|error| failed("ask how a stream stands")(error.into()))?;
        if info.created.to_string() != self.made && !self.anew.swap(true, Ordering::AcqRel) {
            tracing::error!(
                stream = self.subject,
                "the stream was made anew while it was in use; start again to go on"
            );
        }
        let state = info.state;
        let told = Told {
            first: state.first_sequence,
            last: state.last_sequence,
            messages: state.messages,
            bytes: state.bytes,
        };
        *held(&self.told) = told;
        self.reached(told.last);
        Ok(told)
    }

    /// A message by its number; none where it was trimmed, or somebody else deleted it.
    async fn message(&self, number: u64) -> Result<Option<Block>, Error> {
        let kept = held(&self.kept).messages.get(&number).cloned();
        let batch = match kept {
            Some(batch) => batch,
            None => match self.stream.get_raw_message(number).await {
                Ok(message) => read(&message),
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
                    match self.missing(number).await? {
                        Some(batch) => batch,
                        None => return Ok(None),
                    }
                }
                Err(error) => return Err(failed("fetch events from the cluster")(error.into())),
            },
        };
        Ok(Some(Block { first: self.position(number), batch }))
    }

    /// A message that was not found: none where it was trimmed, or where the stream says for a while that it has it and
    /// gives it not. A leader that was cut off knows less than the stream; it is asked until there is another one.
    async fn missing(&self, number: u64) -> Result<Option<Arc<Batch>>, Error> {
        let started = Instant::now();
        loop {
            let told = self.ask().await?;
            if told.first > number {
                return Ok(None);
            }
            match self.stream.get_raw_message(number).await {
                Ok(message) => return Ok(Some(read(&message))),
                Err(error) if error.kind() != RawMessageErrorKind::NoMessageFound => {
                    return Err(failed("fetch events from the cluster")(error.into()));
                }
                Err(error) if started.elapsed() > MISSING && told.last < number => {
                    return Err(failed("fetch events from the cluster")(error.into()));
                }
                Err(_) if started.elapsed() > MISSING => {
                    let stream = &self.subject;
                    tracing::error!(
                        stream,
                        number,
                        "a message is not in the stream any more; somebody deleted it"
                    );
                    return Ok(None);
                }
                Err(_) => tokio::time::sleep(GLANCE).await,
            }
        }
    }

    async fn read(&self, from: u64, most: usize) -> Result<Vec<Block>, Error> {
        if self.anew.load(Ordering::Acquire) {
            return Err(Error::MadeAnew);
        }
        let (last, _) = self.place(*self.durable.borrow());
        let (message, place) = self.place(from);
        let known = *held(&self.last_read);
        let first = held(&self.told).first.max(1);
        let begin = if place > 0 && known == (message, place) { message + 1 } else { message.max(first) };
        let mut fetched = futures::stream::iter(begin..=last)
            .map(|number| async move { (number, self.message(number).await) })
            .buffered(FETCHED);
        let (mut blocks, mut bytes) = (Vec::new(), 0);
        while bytes < most
            && let Some((number, block)) = fetched.next().await
        {
            let Some(block) = block? else { continue };
            if block.end() <= from {
                continue;
            }
            bytes += block.batch.bytes().len();
            *held(&self.last_read) = (number, block.batch.len() as u64);
            blocks.push(block);
        }
        // Nothing is left of what is behind the position: who reads on has come to the end of it.
        if blocks.is_empty() && self.behind(last) > from {
            blocks.push(Block { first: self.behind(last), batch: Arc::default() });
        }
        Ok(blocks)
    }

    /// Forgets every message that lies whole before a position. True where nothing before it is left.
    async fn forget(&self, before: u64) -> Result<bool, Error> {
        self.ask().await?;
        if self.anew.load(Ordering::Acquire) {
            // These numbers are other messages now.
            return Ok(false);
        }
        let (message, place) = self.place(before);
        let whole = match place {
            0 => true,
            _ if *held(&self.last_read) == (message, place) => true,
            _ => self.message(message).await?.is_none_or(|block| block.end() <= before),
        };
        let keep = if place > 0 && whole { message + 1 } else { message };
        if held(&self.told).first < keep {
            let purged = self.stream.purge().sequence(keep).await;
            purged.map_err(|error| failed("forget events in the cluster")(error.into()))?;
            let mut kept = held(&self.kept);
            kept.messages = kept.messages.split_off(&keep);
            kept.bytes = kept.messages.values().map(|batch| batch.bytes().len()).sum();
        }
        Ok(whole)
    }
}

impl Queue for StreamQueue {
    fn append(&self, batch: Batch) -> BoxFuture<'static, Result<(), Error>> {
        let most = self.shared.context.client().max_payload().saturating_sub(ENVELOPE);
        let large = batch.records().map(|(_, record)| record.len()).find(|bytes| *bytes > most);
        if let Some(bytes) = large {
            return Box::pin(async move { Err(Error::TooLarge { bytes, most }) });
        }
        let (done, told) = oneshot::channel();
        self.shared.waiting.fetch_add(batch.bytes().len() as u64, Ordering::AcqRel);
        let taken = self.sender.send(Waiting { batch, done }).is_ok();
        Box::pin(async move {
            match taken && told.await.unwrap_or(false) {
                true => Ok(()),
                false => Err(Error::NotDurable),
            }
        })
    }

    fn read(&self, from: u64, most: usize) -> BoxFuture<'_, Result<Vec<Block>, Error>> {
        Box::pin(self.shared.read(from, most))
    }

    fn ends(&self) -> BoxFuture<'_, Result<(u64, u64), Error>> {
        Box::pin(async move {
            let told = self.shared.ask().await?;
            Ok((self.shared.behind(told.first.saturating_sub(1)), self.shared.behind(told.last)))
        })
    }

    fn trim(&self, before: u64) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.shared.forget(before).await.map(|_| ()) })
    }

    fn wipe(&self, before: u64) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(self.shared.forget(before))
    }

    fn advance(&self, to: u64) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let told = self.shared.ask().await?;
            let mut begun = *held(&self.shared.begun);
            // A base that puts the stream's end before what the table knows is that of a time before.
            if !begun.1 || self.shared.place(to).0 > told.last {
                // All that a new stream holds is behind what the table knows.
                begun = (to.next_multiple_of(1 << PLACE), true);
                let text = serde_json::to_vec(&Begun { made: self.shared.made.clone(), base: begun.0 });
                let path = self.shared.path.clone();
                let fail = |cause| Error::File { operation: "write", path: path.clone(), cause };
                let written = std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))
                    .and_then(|()| std::fs::write(path.with_extension("new"), text.unwrap_or_default()))
                    .and_then(|()| std::fs::rename(path.with_extension("new"), &path));
                written.map_err(fail)?;
                *held(&self.shared.begun) = begun;
                self.shared.durable.send_replace(self.shared.behind(told.last));
            }
            Ok(())
        })
    }

    fn durable(&self) -> watch::Receiver<u64> {
        self.shared.durable.subscribe()
    }

    fn backlog(&self, from: u64) -> u64 {
        let told = *held(&self.shared.told);
        let (last, _) = self.shared.place(*self.shared.durable.borrow());
        let ahead = last.saturating_sub(self.shared.place(from).0);
        let each = told.bytes.checked_div(told.messages).unwrap_or(0).max(1);
        // A gate that lands nothing knows no position: what is not trimmed yet is what waits.
        let ahead = if from == 0 { ahead.min(told.messages) } else { ahead };
        self.shared.waiting.load(Ordering::Acquire) + ahead * each
    }
}

/// The message of a batch: how many records, how large they are, and the records, compressed where that pays.
fn pack(batch: &Batch) -> Vec<u8> {
    let records = batch.bytes();
    let packed = (records.len() >= PACK).then(|| lz4_flex::block::compress(records));
    let packed = packed.filter(|packed| packed.len() < records.len());
    let stored = packed.as_deref().unwrap_or(records);
    let mut message = Vec::with_capacity(HEAD + stored.len());
    message.extend_from_slice(&(batch.len() as u32).to_le_bytes());
    message.extend_from_slice(&(records.len() as u32).to_le_bytes());
    message.extend_from_slice(stored);
    message
}

/// The records of a message. What somebody else put there is an event as good as it can be read, of the time at which it
/// came.
fn read(message: &async_nats::jetstream::message::StreamMessage) -> Arc<Batch> {
    Arc::new(unpack(&message.payload).unwrap_or_else(|| {
        let mut foreign = Batch::default();
        foreign.push(message.time.unix_timestamp().max(0) as u64 * 1000, &message.payload);
        foreign
    }))
}

fn unpack(message: &[u8]) -> Option<Batch> {
    let word = |at: usize| Some(u32::from_le_bytes(message.get(at..at + 4)?.try_into().ok()?));
    let (count, length, stored) = (word(0)?, word(4)? as usize, message.get(HEAD..)?);
    let records = match length == stored.len() {
        true => stored.to_vec(),
        // More than it can be packed to is no message of ours.
        false if length > stored.len().saturating_mul(MOST_PACKED) => return None,
        false => lz4_flex::block::decompress(stored, length).ok()?,
    };
    Batch::from_bytes(records, count)
}
