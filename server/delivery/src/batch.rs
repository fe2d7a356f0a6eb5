//! Records packed one behind the other: how they travel from the entrance through a queue to the worker.

/// Bytes before each record: its length and when it was received.
const HEAD: usize = 12;

/// Records in the order in which they came.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Batch {
    bytes: Vec<u8>,
    count: u32,
}

impl Batch {
    pub fn with_capacity(bytes: usize) -> Batch {
        Batch { bytes: Vec::with_capacity(bytes), count: 0 }
    }

    /// Adds a record. `received` is in milliseconds since 1970.
    pub fn push(&mut self, received: u64, record: &[u8]) {
        self.bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&received.to_le_bytes());
        self.bytes.extend_from_slice(record);
        self.count += 1;
    }

    /// Adds all records of another batch.
    pub fn append(&mut self, other: &Batch) {
        self.bytes.extend_from_slice(&other.bytes);
        self.count += other.count;
    }

    /// The records in their order, cut into batches of at most so many bytes; a larger record is a batch of its own.
    pub fn pieces(self, most: usize) -> Vec<Batch> {
        if self.bytes.len() <= most {
            return vec![self];
        }
        let mut pieces: Vec<Batch> = Vec::new();
        for (received, record) in self.records() {
            let fits = |piece: &Batch| piece.bytes.len() + HEAD + record.len() <= most;
            if !pieces.last().is_some_and(fits) {
                pieces.push(Batch::with_capacity(most.min(self.bytes.len())));
            }
            if let Some(piece) = pieces.last_mut() {
                piece.push(received, record);
            }
        }
        pieces
    }

    pub fn len(&self) -> usize {
        self.count as usize
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The packed bytes, as they are stored.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A batch as it was stored; none where the bytes are not one.
    pub fn from_bytes(bytes: Vec<u8>, count: u32) -> Option<Batch> {
        let batch = Batch { bytes, count };
        let (mut at, mut found) = (0, 0);
        while at < batch.bytes.len() {
            let head = batch.bytes.get(at..at + 4)?;
            at += HEAD + u32::from_le_bytes(head.try_into().ok()?) as usize;
            found += 1;
        }
        (at == batch.bytes.len() && found == count).then_some(batch)
    }

    /// When each record was received, and what it is.
    pub fn records(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let head = self.bytes.get(at..at + HEAD)?;
            let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
            let received = u64::from_le_bytes(head[4..].try_into().ok()?);
            let record = self.bytes.get(at + HEAD..at + HEAD + length)?;
            at += HEAD + length;
            Some((received, record))
        })
    }
}
