//! An answer written piece by piece, for the formats that can be read while they are written.

use arrow::csv;
use arrow::ipc::writer::StreamWriter;
use arrow::json::writer::{LineDelimited, WriterBuilder};
use duckdb::arrow::datatypes::SchemaRef;
use duckdb::arrow::record_batch::RecordBatch;

use crate::{Error, Format};

/// Writes batches as they come. Memory is one batch, whatever the answer's size.
pub enum Pieces {
    Csv,
    Ndjson,
    Arrow(Box<StreamWriter<Vec<u8>>>),
}

fn failed(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Engine { operation: "write the answer", cause: Box::new(cause) }
}

impl Pieces {
    /// The writer and its first piece; none for formats that are written whole.
    pub fn begin(format: Format, schema: &SchemaRef) -> Result<Option<(Pieces, Vec<u8>)>, Error> {
        match format {
            Format::Csv => {
                let mut piece = Vec::new();
                let empty = RecordBatch::new_empty(schema.clone());
                csv::WriterBuilder::new()
                    .with_header(true)
                    .build(&mut piece)
                    .write(&empty)
                    .map_err(failed)?;
                Ok(Some((Pieces::Csv, piece)))
            }
            Format::Ndjson => Ok(Some((Pieces::Ndjson, Vec::new()))),
            Format::Arrow => {
                let mut writer = StreamWriter::try_new(Vec::new(), schema).map_err(failed)?;
                let piece = std::mem::take(writer.get_mut());
                Ok(Some((Pieces::Arrow(Box::new(writer)), piece)))
            }
            Format::Json | Format::Parquet => Ok(None),
        }
    }

    pub fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Error> {
        let mut piece = Vec::new();
        match self {
            Pieces::Csv => {
                csv::WriterBuilder::new()
                    .with_header(false)
                    .build(&mut piece)
                    .write(batch)
                    .map_err(failed)?;
            }
            Pieces::Ndjson => {
                let builder = WriterBuilder::new().with_explicit_nulls(true);
                let mut writer = builder.build::<_, LineDelimited>(&mut piece);
                writer.write(batch).and_then(|()| writer.finish()).map_err(failed)?;
            }
            Pieces::Arrow(writer) => {
                writer.write(batch).map_err(failed)?;
                piece = std::mem::take(writer.get_mut());
            }
        }
        Ok(piece)
    }

    pub fn end(self) -> Result<Vec<u8>, Error> {
        match self {
            Pieces::Csv | Pieces::Ndjson => Ok(Vec::new()),
            Pieces::Arrow(mut writer) => {
                writer.finish().map_err(failed)?;
                Ok(std::mem::take(writer.get_mut()))
            }
        }
    }
}

/// An answer on its way out: batches in, pieces given. The first piece waits for the first rows: until then a
/// failure can still be told as one.
pub struct Stream<'a> {
    format: Format,
    give: &'a mut dyn FnMut(Vec<u8>) -> bool,
    pieces: Option<Pieces>,
    head: Vec<u8>,
    fault: Option<Error>,
}

impl<'a> Stream<'a> {
    pub fn new(format: Format, give: &'a mut dyn FnMut(Vec<u8>) -> bool) -> Stream<'a> {
        Stream { format, give, pieces: None, head: Vec::new(), fault: None }
    }

    /// Takes the schema first, then batch after batch. False where no more is wanted.
    pub fn take(&mut self, schema: &SchemaRef, batch: Option<RecordBatch>) -> bool {
        self.write(schema, batch).unwrap_or_else(|fault| {
            self.fault = Some(fault);
            false
        })
    }

    fn write(&mut self, schema: &SchemaRef, batch: Option<RecordBatch>) -> Result<bool, Error> {
        let Some(batch) = batch else {
            let begun = Pieces::begin(self.format, schema)?;
            let (pieces, first) =
                begun.ok_or_else(|| Error::BadQuery(format!("{} is written whole", self.format.name())))?;
            (self.pieces, self.head) = (Some(pieces), first);
            return Ok(true);
        };
        let Some(pieces) = &mut self.pieces else { return Ok(false) };
        let mut piece = std::mem::take(&mut self.head);
        piece.extend(pieces.batch(&batch)?);
        Ok((self.give)(piece))
    }

    /// Gives the last piece, or the fault that ended the answer.
    pub fn end(mut self) -> Result<(), Error> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if let Some(pieces) = self.pieces {
            self.head.extend(pieces.end()?);
            (self.give)(self.head);
        }
        Ok(())
    }
}
