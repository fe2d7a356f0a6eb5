//! Fills the server's own queue and one in redb with the same records from the same producers, in turn, and prints one JSON
//! line for each run: what a durable record costs in either. Both write what comes together in one group, synced before
//! anybody is told. Usage: fill-queues FOLDER [RUNS]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_delivery::batch::Batch;
use bellwether_delivery::journal::Journal;
use bellwether_delivery::queue::Queue;
use bellwether_tests::processor_seconds;
use redb::{Database, Durability, ReadableDatabase, ReadableTableMetadata, TableDefinition};
use tokio::sync::{mpsc, oneshot};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const RECORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("records");

/// Producers, requests of each, records of a request, bytes of a record.
const LOADS: [(&str, usize, usize, usize, usize); 2] =
    [("batches", 4, 25, 5_000, 220), ("singles", 128, 200, 1, 220)];

/// A queue in redb: one writer, a transaction for all that waits; an entry a record, or one a request.
fn redb_queue(
    path: &Path,
    whole: bool,
) -> Result<mpsc::UnboundedSender<(Batch, oneshot::Sender<()>)>, Failure> {
    let database = Database::create(path)?;
    let (sender, mut waiting) = mpsc::unbounded_channel::<(Batch, oneshot::Sender<()>)>();
    std::thread::spawn(move || -> Result<(), Failure> {
        let mut next = 0;
        while let Some(first) = waiting.blocking_recv() {
            let mut group = vec![first];
            while let Ok(more) = waiting.try_recv() {
                group.push(more);
            }
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            {
                let mut table = transaction.open_table(RECORDS)?;
                for (batch, _) in &group {
                    if whole {
                        table.insert(next, batch.bytes())?;
                        next += 1;
                        continue;
                    }
                    for (_, record) in batch.records() {
                        table.insert(next, record)?;
                        next += 1;
                    }
                }
            }
            transaction.commit()?;
            for (_, done) in group {
                let _ = done.send(());
            }
        }
        Ok(())
    });
    Ok(sender)
}

fn batch(count: usize, size: usize, seed: usize) -> Batch {
    let mut batch = Batch::with_capacity(count * (size + 12));
    for at in 0..count {
        let mut record = format!("{{\"id\":\"{seed}-{at}\",\"type\":\"app.log\",\"text\":\"").into_bytes();
        // Text that compresses as events do, about four to one.
        while record.len() < size {
            record.extend_from_slice(format!("word{} ", (seed * 31 + at * 7 + record.len()) % 97).as_bytes());
        }
        record.truncate(size);
        batch.push(0, &record);
    }
    batch
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = std::path::PathBuf::from(arguments.next().ok_or("name a folder")?);
    let runs: usize = arguments.next().map_or(Ok(3), |runs| runs.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for run in 0..runs {
        for (load, producers, requests, records, size) in LOADS {
            for queue in ["journal", "redb", "redb, an entry a request"] {
                let place = folder.join(format!("{queue}-{load}-{run}"));
                std::fs::create_dir_all(&place)?;
                let journal = Arc::new(Journal::open(&place.join("journal"), Duration::ZERO, 32 << 20)?);
                let database = redb_queue(&place.join("redb"), queue != "redb")?;
                let requests_of = |producer: usize| -> Vec<Batch> {
                    (0..requests).map(|at| batch(records, size, producer * 1_000_000 + at)).collect()
                };
                let ready: Vec<Vec<Batch>> = (0..producers).map(requests_of).collect();
                let (started, before) = (Instant::now(), processor_seconds());
                let producing = ready.into_iter().map(|requests| {
                    let (journal, database) = (journal.clone(), database.clone());
                    runtime.spawn(async move {
                        for request in requests {
                            if queue == "journal" {
                                journal.append(request).await.map_err(|error| error.told())?;
                            } else {
                                let (done, told) = oneshot::channel();
                                database.send((request, done)).map_err(|error| error.to_string())?;
                                told.await.map_err(|error| error.to_string())?;
                            }
                        }
                        Ok::<(), String>(())
                    })
                });
                for outcome in producing.collect::<Vec<_>>() {
                    runtime.block_on(outcome)??;
                }
                let (seconds, cpu) = (started.elapsed().as_secs_f64(), processor_seconds() - before);
                let count = producers * requests * records;
                println!(
                    "{}",
                    serde_json::json!({"queue": queue, "load": load, "run": run, "records": count, "seconds": seconds,
                        "cpu": cpu, "rate": count as f64 / seconds, "mb": count as f64 * size as f64 / 1e6})
                );
                drop(database);
                if queue == "redb" {
                    // The count shows that all of them are there.
                    std::thread::sleep(Duration::from_millis(200));
                    let database = Database::open(place.join("redb"))?;
                    let held = database.begin_read()?.open_table(RECORDS)?.len()?;
                    assert_eq!(held as usize, count);
                }
                std::fs::remove_dir_all(&place)?;
            }
        }
    }
    Ok(())
}
