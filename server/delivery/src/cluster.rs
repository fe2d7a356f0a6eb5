//! The queue of many machines: a JetStream stream for each type, held by several servers of a NATS cluster. A record is
//! acknowledged when most of them have it on disk (their `sync_interval` must be `always`), so that any one may die.
//!
//! Records that come together travel as one message. A record's position is its message's number in the stream, twenty
//! bits further up, and its own place in the message.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
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
    pub async fn queue(&self, event_type: &str, linger: Duration, keep: usize) -> Result<StreamQueue, Error> {
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
        let state = info.state.clone();
        let (sender, waiting) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            context: self.context.clone(),
            stream,
            subject,
            durable: watch::Sender::new(position_behind(state.last_sequence)),
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
        tokio::spawn(send(Arc::downgrade(&shared), waiting, linger));
        tokio::spawn(watch_stream(Arc::downgrade(&shared)));
        Ok(StreamQueue { shared, sender })
    }
}

/// A position that whoever has read a message has reached, and nobody who has not.
fn position_behind(message: u64) -> u64 {
    if message == 0 { 0 } else { (message << PLACE) + 1 }
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
        if packed.len() + 1024 > most {
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

    fn reached(&self, number: u64) {
        let position = position_behind(number);
        self.durable.send_if_modified(|durable| {
            let moved = position > *durable;
            *durable = position.max(*durable);
            moved
        });
    }

    async fn ask(&self) -> Result<Told, Error> {
        let info = self.stream.get_info().await;
        let state = info.map_err(|error| failed("ask how a stream stands")(error.into()))?.state;
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

    /// A message by its number; none where it is not there any more.
    async fn message(&self, number: u64) -> Result<Option<Block>, Error> {
        let kept = held(&self.kept).messages.get(&number).cloned();
        let batch = match kept {
            Some(batch) => batch,
            None => match self.stream.get_raw_message(number).await {
                Ok(message) => {
                    let damaged = || Error::DamagedMessage { number };
                    Arc::new(unpack(&message.payload).ok_or_else(damaged)?)
                }
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(None),
                Err(error) => return Err(failed("fetch events from the cluster")(error.into())),
            },
        };
        Ok(Some(Block { first: number << PLACE, batch }))
    }

    async fn read(&self, from: u64, most: usize) -> Result<Vec<Block>, Error> {
        let last = *self.durable.borrow() >> PLACE;
        let (message, place) = (from >> PLACE, from & ((1 << PLACE) - 1));
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
        Ok(blocks)
    }

    /// Forgets every message that lies whole before a position. True where nothing before it is left.
    async fn forget(&self, before: u64) -> Result<bool, Error> {
        let (message, place) = (before >> PLACE, before & ((1 << PLACE) - 1));
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
            Ok((told.first << PLACE, position_behind(told.last)))
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
            let behind = to >> PLACE;
            if told.last < behind {
                // Forgetting what is not there yet makes the stream go on from there.
                let purged = self.shared.stream.purge().sequence(behind + 1).await;
                purged.map_err(|error| failed("go on in the cluster")(error.into()))?;
                self.shared.ask().await?;
            }
            Ok(())
        })
    }

    fn durable(&self) -> watch::Receiver<u64> {
        self.shared.durable.subscribe()
    }

    fn backlog(&self, from: u64) -> u64 {
        let told = *held(&self.shared.told);
        let ahead = (*self.shared.durable.borrow() >> PLACE).saturating_sub(from >> PLACE);
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

fn unpack(message: &[u8]) -> Option<Batch> {
    let word = |at: usize| Some(u32::from_le_bytes(message.get(at..at + 4)?.try_into().ok()?));
    let (count, length, stored) = (word(0)?, word(4)? as usize, message.get(HEAD..)?);
    let records = match length == stored.len() {
        true => stored.to_vec(),
        false => lz4_flex::block::decompress(stored, length).ok()?,
    };
    Batch::from_bytes(records, count)
}
