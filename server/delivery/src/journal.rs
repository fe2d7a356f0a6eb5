//! The embedded queue: a folder of segments that are only ever appended to. Records of all requests that come while the
//! disk is busy are written together, and acknowledged together when the disk has them.
//!
//! A segment is a row of frames: a head (magic, first position, count, sizes, checksum) and the packed records, compressed
//! where that pays. A frame that was cut off by a crash was acknowledged to nobody; opening the journal cuts it away.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::watch;
use xxhash_rust::xxh3::xxh3_64;

use crate::Error;
use crate::batch::Batch;
use crate::queue::{Block, Queue};

const MAGIC: [u8; 4] = *b"bwq1";
/// Bytes of a frame's head: magic, first position, count, bytes unpacked, bytes stored, checksum.
const HEAD: usize = 4 + 8 + 4 + 4 + 4 + 8;
/// A segment that has grown beyond this is followed by a new one.
const SEGMENT: u64 = 64 << 20;
/// Bytes that one frame takes; what waits beyond is written with the next.
const FRAME: usize = 16 << 20;
/// Smaller frames are not worth compressing.
const PACK: usize = 4 << 10;

/// The queue of one type, in a folder of its own.
pub struct Journal {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    folder: PathBuf,
    tail: Mutex<Tail>,
    wake: Condvar,
    store: Mutex<Store>,
    /// Held while a frame is written: no segment goes from under it.
    writing: Mutex<()>,
    durable: watch::Sender<u64>,
    /// How long to wait for more before the disk is asked.
    linger: Duration,
    /// Bytes of the newest frames that are kept in memory, so that a worker that keeps up reads no file.
    keep: usize,
    /// How often writing failed. Who waits for a record that was taken in before learns that it was lost.
    failures: watch::Sender<u64>,
}

/// Records that wait for the disk.
struct Tail {
    waiting: VecDeque<Batch>,
    next: u64,
    stopping: bool,
}

/// What is on disk.
struct Store {
    segments: VecDeque<Segment>,
    end: u64,
    kept: VecDeque<Block>,
    kept_bytes: usize,
}

struct Segment {
    path: PathBuf,
    file: Arc<File>,
    bytes: u64,
    frames: Vec<Frame>,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    first: u64,
    count: u32,
    offset: u64,
}

fn failed(operation: &'static str, path: &Path, cause: std::io::Error) -> Error {
    Error::File { operation, path: path.to_path_buf(), cause }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Journal {
    /// Opens the journal in a folder, which is made, and cuts away what a crash left unfinished at its end.
    /// A journal that lingers asks the disk less often, and its producers wait so much longer.
    pub fn open(folder: &Path, linger: Duration, keep: usize) -> Result<Journal, Error> {
        std::fs::create_dir_all(folder).map_err(|cause| failed("make", folder, cause))?;
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
            .map_err(|cause| failed("read", folder, cause))?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "segment"))
            .collect();
        paths.sort();
        let mut segments = VecDeque::new();
        let mut end = 0;
        for (at, path) in paths.iter().enumerate() {
            let (segment, behind) = Segment::open(path, at + 1 == paths.len())?;
            end = behind;
            segments.push_back(segment);
        }
        if segments.is_empty() {
            segments.push_back(Segment::create(folder, 0)?);
        }
        let store = Store { segments, end, kept: VecDeque::new(), kept_bytes: 0 };
        let tail = Tail { waiting: VecDeque::new(), next: end, stopping: false };
        let shared = Arc::new(Shared {
            folder: folder.to_path_buf(),
            tail: Mutex::new(tail),
            wake: Condvar::new(),
            store: Mutex::new(store),
            writing: Mutex::default(),
            durable: watch::Sender::new(end),
            linger,
            keep,
            failures: watch::Sender::new(0),
        });
        let writing = shared.clone();
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || writing.write())
            .map_err(|cause| failed("write to", folder, cause))?;
        Ok(Journal { shared, thread: Some(thread) })
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        held(&self.shared.tail).stopping = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Writes what waits, syncs it, tells those who wait for it; until told to stop.
    fn write(&self) {
        loop {
            let (batch, first) = {
                let mut tail = held(&self.tail);
                while tail.waiting.is_empty() && !tail.stopping {
                    tail = self.wake.wait(tail).unwrap_or_else(std::sync::PoisonError::into_inner);
                }
                if !self.linger.is_zero() && !tail.stopping {
                    drop(tail);
                    std::thread::sleep(self.linger);
                    tail = held(&self.tail);
                }
                let Some(mut batch) = tail.waiting.pop_front() else { return };
                while let Some(next) = tail.waiting.front()
                    && batch.bytes().len() + next.bytes().len() <= FRAME
                {
                    batch.append(next);
                    tail.waiting.pop_front();
                }
                let waiting: usize = tail.waiting.iter().map(Batch::len).sum();
                let first = tail.next - (waiting + batch.len()) as u64;
                (batch, first)
            };
            match self.put(batch, first) {
                Ok(end) => self.durable.send_replace(end),
                Err(error) => {
                    tracing::error!(%error, "a journal cannot be written to; what waited is refused");
                    let mut tail = held(&self.tail);
                    tail.waiting.clear();
                    tail.next = held(&self.store).end;
                    self.failures.send_modify(|failures| *failures += 1);
                    drop(tail);
                    first
                }
            };
        }
    }

    /// Appends one frame to the last segment, or to a new one, and syncs it. Gives the position behind it.
    fn put(&self, batch: Batch, first: u64) -> Result<u64, Error> {
        let _writing = held(&self.writing);
        let packed = (batch.bytes().len() >= PACK).then(|| lz4_flex::block::compress(batch.bytes()));
        let packed = packed.filter(|packed| packed.len() < batch.bytes().len());
        let stored = packed.as_deref().unwrap_or(batch.bytes());
        let mut frame = Vec::with_capacity(HEAD + stored.len());
        frame.extend_from_slice(&MAGIC);
        frame.extend_from_slice(&first.to_le_bytes());
        frame.extend_from_slice(&(batch.len() as u32).to_le_bytes());
        frame.extend_from_slice(&(batch.bytes().len() as u32).to_le_bytes());
        frame.extend_from_slice(&(stored.len() as u32).to_le_bytes());
        frame.extend_from_slice(&checksum(&frame, stored).to_le_bytes());
        frame.extend_from_slice(stored);
        let (file, path, offset) = {
            let mut store = held(&self.store);
            if store.segments.back().is_none_or(|last| last.bytes >= SEGMENT) {
                let segment = Segment::create(&self.folder, first)?;
                store.segments.push_back(segment);
            }
            let last = store.segments.back().expect("there is a segment to write to");
            (last.file.clone(), last.path.clone(), last.bytes)
        };
        let written = file.write_all_at(&frame, offset).and_then(|()| file.sync_data());
        if let Err(cause) = written {
            // The next frame is written over what got there of this one.
            let _ = file.set_len(offset);
            return Err(failed("write to", &path, cause));
        }
        let mut store = held(&self.store);
        let count = batch.len() as u32;
        if let Some(last) = store.segments.iter_mut().rev().find(|segment| segment.path == path) {
            last.frames.push(Frame { first, count, offset });
            last.bytes = offset + frame.len() as u64;
        }
        store.end = first + u64::from(count);
        store.kept_bytes += batch.bytes().len();
        store.kept.push_back(Block { first, batch: Arc::new(batch) });
        while store.kept_bytes > self.keep
            && let Some(oldest) = store.kept.pop_front()
        {
            store.kept_bytes -= oldest.batch.bytes().len();
        }
        Ok(store.end)
    }

    fn read(&self, from: u64, most: usize) -> Result<Vec<Block>, Error> {
        let mut blocks = Vec::new();
        let (mut at, mut bytes) = (from, 0);
        while bytes < most || blocks.is_empty() {
            let place = {
                let store = held(&self.store);
                if at >= store.end {
                    break;
                }
                let kept = store.kept.partition_point(|block| block.end() <= at);
                match store.kept.get(kept).filter(|block| block.first <= at) {
                    Some(block) => Ok(block.clone()),
                    None => Err(store.place(at)),
                }
            };
            let block = match place {
                Ok(block) => block,
                Err(None) => break,
                Err(Some((file, path, frame))) => read_frame(&file, &path, frame)?,
            };
            at = block.end();
            bytes += block.batch.bytes().len();
            blocks.push(block);
        }
        Ok(blocks)
    }

    /// Deletes whole segments before a position; `all` also ends the last one, so that it can go. True where nothing
    /// before the position is left.
    fn trim(&self, before: u64, all: bool) -> Result<bool, Error> {
        let _writing = all.then(|| held(&self.writing));
        let mut store = held(&self.store);
        if all && store.segments.back().is_some_and(|last| last.bytes > 0) {
            let segment = Segment::create(&self.folder, store.end)?;
            store.segments.push_back(segment);
        }
        while store.segments.len() > 1 && store.segments[1].first() <= before {
            if let Some(gone) = store.segments.pop_front() {
                std::fs::remove_file(&gone.path).map_err(|cause| failed("delete", &gone.path, cause))?;
            }
        }
        while store.kept.front().is_some_and(|block| block.end() <= before)
            && let Some(block) = store.kept.pop_front()
        {
            store.kept_bytes -= block.batch.bytes().len();
        }
        Ok(store.segments.front().is_none_or(|oldest| oldest.bytes == 0 || oldest.first() >= before))
    }

    /// Goes on from a position that lies ahead.
    fn advance(&self, to: u64) -> Result<(), Error> {
        let _writing = held(&self.writing);
        let mut tail = held(&self.tail);
        let mut store = held(&self.store);
        if store.end < to {
            let segment = Segment::create(&self.folder, to)?;
            store.segments.push_back(segment);
            store.end = to;
            tail.next = to;
            self.durable.send_replace(to);
        }
        Ok(())
    }
}

impl Queue for Journal {
    fn append(&self, batch: Batch) -> BoxFuture<'static, Result<(), Error>> {
        let mut durable = self.shared.durable.subscribe();
        let mut failures = self.shared.failures.subscribe();
        let (end, before) = {
            let mut tail = held(&self.shared.tail);
            tail.next += batch.len() as u64;
            tail.waiting.push_back(batch);
            (tail.next, *failures.borrow_and_update())
        };
        self.shared.wake.notify_one();
        Box::pin(async move {
            tokio::select! {
                biased;
                // Positions are given anew after a failure, so nothing can be told from them any more.
                _ = failures.wait_for(|failures| *failures != before) => Err(Error::NotDurable),
                kept = durable.wait_for(|durable| *durable >= end) => kept.map(|_| ()).map_err(|_| Error::NotDurable),
            }
        })
    }

    fn read(&self, from: u64, most: usize) -> BoxFuture<'_, Result<Vec<Block>, Error>> {
        Box::pin(async move { self.shared.read(from, most) })
    }

    fn ends(&self) -> BoxFuture<'_, Result<(u64, u64), Error>> {
        let store = held(&self.shared.store);
        let ends = (store.segments.front().map_or(0, Segment::first), store.end);
        Box::pin(async move { Ok(ends) })
    }

    fn trim(&self, before: u64) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.shared.trim(before, false).map(|_| ()) })
    }

    fn advance(&self, to: u64) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.shared.advance(to) })
    }

    fn wipe(&self, before: u64) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move { self.shared.trim(before, true) })
    }

    fn durable(&self) -> watch::Receiver<u64> {
        self.shared.durable.subscribe()
    }

    fn backlog(&self, from: u64) -> u64 {
        let waiting: usize = held(&self.shared.tail).waiting.iter().map(|batch| batch.bytes().len()).sum();
        let store = held(&self.shared.store);
        let stored = store.segments.iter().map(|segment| match segment.frames.last() {
            Some(last) if last.first + u64::from(last.count) > from => {
                let ahead =
                    segment.frames.partition_point(|frame| frame.first + u64::from(frame.count) <= from);
                segment.bytes - segment.frames.get(ahead).map_or(segment.bytes, |frame| frame.offset)
            }
            _ => 0,
        });
        waiting as u64 + stored.sum::<u64>()
    }
}

impl Store {
    /// Where the frame that holds a position lies.
    fn place(&self, position: u64) -> Option<(Arc<File>, PathBuf, Frame)> {
        let at = self.segments.partition_point(|segment| segment.first() <= position).checked_sub(1)?;
        let segment = &self.segments[at];
        let frame = segment.frames.partition_point(|frame| frame.first <= position).checked_sub(1)?;
        Some((segment.file.clone(), segment.path.clone(), segment.frames[frame]))
    }
}

impl Segment {
    fn create(folder: &Path, first: u64) -> Result<Segment, Error> {
        let path = folder.join(format!("{first:020}.segment"));
        let made = || -> std::io::Result<File> {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
            file.sync_all()?;
            File::open(folder)?.sync_all()?;
            Ok(file)
        };
        let file = made().map_err(|cause| failed("make", &path, cause))?;
        Ok(Segment { path, file: Arc::new(file), bytes: 0, frames: Vec::new() })
    }

    /// Position of the first record, which names the file.
    fn first(&self) -> u64 {
        let name = self.path.file_stem().and_then(|name| name.to_str());
        name.and_then(|name| name.parse().ok()).unwrap_or(0)
    }

    /// Reads the heads of a segment's frames. The last segment is cut behind its last whole frame; a fault within an
    /// earlier one is an error, because what it held was acknowledged.
    fn open(path: &Path, is_last: bool) -> Result<(Segment, u64), Error> {
        let fail = |cause| failed("read", path, cause);
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(fail)?;
        let size = file.metadata().map_err(fail)?.len();
        let mut segment =
            Segment { path: path.to_path_buf(), file: Arc::new(file), bytes: 0, frames: Vec::new() };
        let mut end = segment.first();
        while segment.bytes + (HEAD as u64) <= size {
            let mut head = [0; HEAD];
            segment.file.read_exact_at(&mut head, segment.bytes).map_err(fail)?;
            let Some((frame, stored)) = read_head(&head, segment.bytes, end) else { break };
            let behind = segment.bytes + HEAD as u64 + u64::from(stored);
            if behind > size || (is_last && read_frame(&segment.file, path, frame).is_err()) {
                break;
            }
            end = frame.first + u64::from(frame.count);
            segment.frames.push(frame);
            segment.bytes = behind;
        }
        if segment.bytes < size {
            if !is_last {
                return Err(Error::Damaged { path: path.to_path_buf(), offset: segment.bytes });
            }
            segment.file.set_len(segment.bytes).and_then(|()| segment.file.sync_all()).map_err(fail)?;
        }
        Ok((segment, end))
    }
}

fn checksum(head: &[u8], stored: &[u8]) -> u64 {
    xxh3_64(stored) ^ xxh3_64(&head[..HEAD - 8]).rotate_left(1)
}

/// The frame that a head tells of and the bytes stored behind it; none where it is no head, or not the next one's.
fn read_head(head: &[u8; HEAD], offset: u64, expected: u64) -> Option<(Frame, u32)> {
    let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap_or_default());
    let first = u64::from_le_bytes(head[4..12].try_into().unwrap_or_default());
    let fits = head[..4] == MAGIC && first == expected && word(12) > 0;
    fits.then(|| (Frame { first, count: word(12), offset }, word(20)))
}

fn read_frame(file: &File, path: &Path, frame: Frame) -> Result<Block, Error> {
    let fail = |cause| failed("read", path, cause);
    let damaged = || Error::Damaged { path: path.to_path_buf(), offset: frame.offset };
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, frame.offset).map_err(fail)?;
    let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap_or_default());
    let mut stored = vec![0; word(20) as usize];
    file.read_exact_at(&mut stored, frame.offset + HEAD as u64).map_err(fail)?;
    if checksum(&head, &stored).to_le_bytes() != head[24..32] {
        return Err(damaged());
    }
    let bytes = match word(16) as usize {
        length if length == stored.len() => stored,
        length => lz4_flex::block::decompress(&stored, length).map_err(|_| damaged())?,
    };
    let batch = Batch::from_bytes(bytes, frame.count).ok_or_else(damaged)?;
    Ok(Block { first: frame.first, batch: Arc::new(batch) })
}
