//! What a queue is: records in, durable and in order; batches out, from any position on; trimmed when they have landed.
//! One type has one queue. The embedded one is [`crate::journal`]; the one of many machines is [`crate::cluster`].

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::Error;
use crate::batch::Batch;

/// Some records that follow each other. The first has the position `first`, the others those after it.
#[derive(Debug, Clone)]
pub struct Block {
    pub first: u64,
    pub batch: Arc<Batch>,
}

impl Block {
    /// Position behind the last record.
    pub fn end(&self) -> u64 {
        self.first + self.batch.len() as u64
    }
}

/// A durable queue. Positions are whole numbers that grow from record to record; one that is between two records is no
/// record's.
pub trait Queue: Send + Sync {
    /// Takes records in. The future is done when all of them would survive the death of this process and of the machine.
    fn append(&self, batch: Batch) -> BoxFuture<'static, Result<(), Error>>;

    /// Durable records from a position on, about `most` bytes of them or one block; none where there are none.
    fn read(&self, from: u64, most: usize) -> BoxFuture<'_, Result<Vec<Block>, Error>>;

    /// Positions of the first record that is kept, and one that whoever has read the last durable one has reached, and
    /// nobody else.
    fn ends(&self) -> BoxFuture<'_, Result<(u64, u64), Error>>;

    /// Forgets records before a position. May keep some of them.
    fn trim(&self, before: u64) -> BoxFuture<'_, Result<(), Error>>;

    /// Forgets every record before a position, to the last byte. False where some lie together with later ones: ask again
    /// when these have landed too.
    fn wipe(&self, before: u64) -> BoxFuture<'_, Result<bool, Error>>;

    /// Goes on from a position, where the queue is not there yet: it was lost, and the table knows more.
    fn advance(&self, to: u64) -> BoxFuture<'_, Result<(), Error>>;

    /// Tells the second of the `ends` whenever it moves.
    fn durable(&self) -> watch::Receiver<u64>;

    /// Bytes that wait from a position on, roughly.
    fn backlog(&self, from: u64) -> u64;
}
