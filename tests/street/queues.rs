//! What a queue promises, held to by both: the folder of one machine, and the streams of a cluster of three.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bellwether_delivery::batch::Batch;
use bellwether_delivery::cluster::{Cluster, Settings};
use bellwether_delivery::journal::Journal;
use bellwether_delivery::queue::{Block, Queue};

use super::harness::{binary, oracle, root, text};

fn batch(first: u32, count: u32, size: usize) -> Batch {
    let mut batch = Batch::default();
    for number in first..first + count {
        batch.push(u64::from(number), &[&number.to_le_bytes()[..], &vec![b'x'; size]].concat());
    }
    batch
}

/// Number and position of every record from a position on.
async fn all(queue: &dyn Queue, mut from: u64) -> Vec<(u32, u64)> {
    let (start, mut found) = (from, Vec::new());
    loop {
        let blocks: Vec<Block> = queue.read(from, 100_000).await.expect("a queue that can be read");
        let Some(last) = blocks.last() else { return found };
        from = last.end();
        for block in &blocks {
            for (position, (received, record)) in (block.first..).zip(block.batch.records()) {
                let number = u32::from_le_bytes(record[..4].try_into().expect("a number"));
                assert_eq!(u64::from(number), received);
                if position >= start {
                    found.push((number, position));
                }
            }
        }
    }
}

/// `open` gives the queue, the same one each time.
async fn keeps_its_promises<F: Future<Output = Arc<dyn Queue>>>(open: impl Fn() -> F) {
    let queue = open().await;
    queue.advance(0).await.expect("a queue that begins");
    assert!(all(&*queue, 0).await.is_empty());
    // Many producers at once, with small batches, large ones, and one that no single message holds.
    let appends = (0..200_u32).map(|number| {
        let size = if number % 50 == 0 { 3_000 } else { 10 + number as usize };
        let count = if number == 77 { 9_000 } else { 1 + number % 7 };
        queue.append(batch(number * 10_000, count, size))
    });
    let expected: BTreeSet<u32> = (0..200_u32)
        .flat_map(|number| {
            (0..if number == 77 { 9_000 } else { 1 + number % 7 }).map(move |at| number * 10_000 + at)
        })
        .collect();
    for outcome in futures::future::join_all(appends).await {
        outcome.expect("a queue that takes records");
    }
    let found = all(&*queue, 0).await;
    assert_eq!(found.len(), expected.len(), "each record once");
    assert_eq!(found.iter().map(|(number, _)| *number).collect::<BTreeSet<u32>>(), expected);
    assert!(found.windows(2).all(|pair| pair[0].1 < pair[1].1), "positions grow");
    // Records of one batch stay in their order.
    let one: Vec<u32> =
        found.iter().map(|(number, _)| *number).filter(|number| number / 10_000 == 77).collect();
    assert!(one.is_sorted());
    let (_, end) = queue.ends().await.expect("ends");
    let last = found.last().expect("a record").1;
    // Who has read the last record has reached the end; who has read nothing has not.
    assert!(*queue.durable().borrow() == end && end <= last + 1);
    assert!(found[0].1 < end);
    assert!(all(&*queue, last + 1).await.is_empty());
    // From anywhere on, the rest; what is trimmed is before.
    let middle = found[found.len() / 3].1;
    assert_eq!(all(&*queue, middle).await, found[found.len() / 3..]);
    queue.trim(middle).await.expect("a queue that can be trimmed");
    assert_eq!(all(&*queue, middle).await, found[found.len() / 3..]);
    assert!(queue.backlog(middle) > queue.backlog(last + 1));
    drop(queue);
    // The same after it was closed.
    let queue = open().await;
    assert_eq!(all(&*queue, middle).await, found[found.len() / 3..]);
    assert_eq!(queue.ends().await.expect("ends").1, end);
    assert!(queue.wipe(last + 1).await.expect("a queue that can be wiped"));
    assert!(all(&*queue, 0).await.is_empty());
}

/// A queue that was lost, and is there anew, goes on behind what the table knows.
async fn goes_on_behind(queue: &dyn Queue, table: u64, before: Vec<u32>) {
    queue.advance(table).await.expect("a queue that goes on");
    queue.append(batch(9, 3, 10)).await.expect("a queue that takes records");
    let found = all(queue, table).await;
    let expected: Vec<u32> = before.into_iter().chain([9, 10, 11]).collect();
    assert_eq!(found.iter().map(|(number, _)| *number).collect::<Vec<u32>>(), expected);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

#[test]
fn the_folder_of_one_machine_keeps_the_promises_of_a_queue() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let open = || async {
        let journal = Journal::open(&folder.path().join("queue"), Duration::from_millis(2), 64 << 10);
        Arc::new(journal.expect("a journal")) as Arc<dyn Queue>
    };
    let runtime = runtime();
    runtime.block_on(keeps_its_promises(open));
    let lost = Journal::open(&folder.path().join("another"), Duration::ZERO, 64 << 10).expect("a journal");
    runtime.block_on(goes_on_behind(&lost, (7 << 20) + 5, Vec::new()));
}

#[test]
fn the_streams_of_a_cluster_keep_the_promises_of_a_queue() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let python = std::env::var("BELLWETHER_ORACLES").expect("make test sets it");
    let mut cluster = Command::new(Path::new(&python).join("bin/python"))
        .args([text(&root().join("tests/oracles/nats.py")), text(folder.path())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a cluster");
    let mut servers = String::new();
    let mut out = BufReader::new(cluster.stdout.take().expect("its output"));
    out.read_line(&mut servers).expect("an address");
    let settings =
        Settings { servers: servers.trim().into(), credentials: None, replicas: 3, prefix: "test".into() };
    let runtime = runtime();
    let connected = runtime.block_on(Cluster::connect(settings)).expect("a connection");
    let open = || async {
        let queue = connected.queue("contact.door", Duration::from_millis(2), 64 << 10, folder.path()).await;
        Arc::new(queue.expect("a stream")) as Arc<dyn Queue>
    };
    runtime.block_on(keeps_its_promises(open));
    runtime.block_on(async {
        // What a gate has put into the new stream, before anybody knew what the table knows, is behind it.
        let lost =
            connected.queue("contact.phone", Duration::ZERO, 64 << 10, &folder.path().join("new")).await;
        let lost = lost.expect("a stream");
        lost.append(batch(1, 2, 10)).await.expect("a queue that takes records");
        goes_on_behind(&lost, (7 << 20) + 5, vec![1, 2]).await;
        // More than a message holds is refused, and nothing else with it.
        assert!(lost.append(batch(50, 1, 2 << 20)).await.is_err());
        lost.append(batch(12, 1, 10)).await.expect("a queue that takes records");
        assert_eq!(all(&lost, 7 << 20).await.len(), 6);
    });
    drop(cluster.stdin.take());
    cluster.wait().expect("its end");
}

#[test]
fn an_acknowledged_event_lands_once_while_servers_of_the_cluster_die() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    oracle("killed.py", &[text(&binary()), text(folder.path()), "3", "5", "cluster"]);
}
