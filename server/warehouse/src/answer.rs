//! An answer and the formats it is given in.

use std::sync::Arc;

use arrow::csv;
use arrow::ipc::writer::StreamWriter;
use arrow::json::writer::{JsonArray, LineDelimited, WriterBuilder};
use duckdb::arrow::array::{Array, AsArray};
use duckdb::arrow::datatypes::{Float64Type, Int32Type, Int64Type, Schema, SchemaRef};
use duckdb::arrow::record_batch::RecordBatch;
use parquet_58::arrow::ArrowWriter;

use crate::Error;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON array of objects, nulls written out.
    Json,
    Csv,
    Ndjson,
    /// Arrow IPC stream.
    Arrow,
    Parquet,
}

impl Format {
    pub const ALL: [Format; 5] = [Format::Json, Format::Csv, Format::Ndjson, Format::Arrow, Format::Parquet];

    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
            Format::Arrow => "arrow",
            Format::Parquet => "parquet",
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Csv => "text/csv; charset=utf-8",
            Format::Ndjson => "application/x-ndjson",
            Format::Arrow => "application/vnd.apache.arrow.stream",
            Format::Parquet => "application/vnd.apache.parquet",
        }
    }

    pub fn parse(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// Rows of an answer, held in columns.
#[derive(Debug, Default, Clone)]
pub struct Answer {
    schema: Option<SchemaRef>,
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    /// True where the row limit cut the answer short.
    pub truncated: bool,
}

impl Answer {
    pub(crate) fn take(&mut self, schema: &SchemaRef, batch: Option<RecordBatch>) -> bool {
        self.take_up_to(schema, batch, usize::MAX)
    }

    /// Takes a batch, and says whether more are wanted.
    pub(crate) fn take_up_to(&mut self, schema: &SchemaRef, batch: Option<RecordBatch>, most: usize) -> bool {
        self.schema.get_or_insert_with(|| schema.clone());
        let Some(batch) = batch else { return true };
        let room = most - self.rows;
        let batch = if batch.num_rows() > room {
            self.truncated = true;
            batch.slice(0, room)
        } else {
            batch
        };
        self.rows += batch.num_rows();
        self.bytes += batch.get_array_memory_size();
        self.batches.push(batch);
        !self.truncated
    }

    /// Memory that the answer takes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Keeps the first rows only.
    pub fn truncate(&mut self, most: usize) {
        let mut room = most;
        for batch in &mut self.batches {
            let take = batch.num_rows().min(room);
            *batch = batch.slice(0, take);
            room -= take;
        }
        self.rows = self.rows.min(most);
    }

    /// Writes the whole answer.
    pub fn encode(&self, format: Format) -> Result<Vec<u8>, Error> {
        let failed = |cause: Box<dyn std::error::Error + Send + Sync>| Error::Engine {
            operation: "write the answer",
            cause,
        };
        let schema = self.schema.clone().unwrap_or_else(|| Arc::new(Schema::empty()));
        let mut bytes = Vec::new();
        match format {
            Format::Json => {
                let mut writer =
                    WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(&mut bytes);
                self.batches
                    .iter()
                    .try_for_each(|batch| writer.write(batch))
                    .map_err(|e| failed(e.into()))?;
                writer.finish().map_err(|e| failed(e.into()))?;
                if bytes.is_empty() {
                    bytes.extend_from_slice(b"[]");
                }
            }
            Format::Ndjson => {
                let mut writer =
                    WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut bytes);
                self.batches
                    .iter()
                    .try_for_each(|batch| writer.write(batch))
                    .map_err(|e| failed(e.into()))?;
                writer.finish().map_err(|e| failed(e.into()))?;
            }
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().with_header(true).build(&mut bytes);
                let empty = RecordBatch::new_empty(schema);
                writer.write(&empty).map_err(|e| failed(e.into()))?;
                self.batches
                    .iter()
                    .try_for_each(|batch| writer.write(batch))
                    .map_err(|e| failed(e.into()))?;
            }
            Format::Arrow => {
                let mut writer = StreamWriter::try_new(&mut bytes, &schema).map_err(|e| failed(e.into()))?;
                self.batches
                    .iter()
                    .try_for_each(|batch| writer.write(batch))
                    .map_err(|e| failed(e.into()))?;
                writer.finish().map_err(|e| failed(e.into()))?;
            }
            Format::Parquet => {
                let mut writer =
                    ArrowWriter::try_new(&mut bytes, schema, None).map_err(|e| failed(e.into()))?;
                self.batches
                    .iter()
                    .try_for_each(|batch| writer.write(batch))
                    .map_err(|e| failed(e.into()))?;
                writer.close().map_err(|e| failed(e.into()))?;
            }
        }
        Ok(bytes)
    }

    /// The rows as JSON objects.
    pub fn json(&self) -> Result<Vec<serde_json::Value>, Error> {
        serde_json::from_slice(&self.encode(Format::Json)?)
            .map_err(|cause| Error::Engine { operation: "read the answer", cause: cause.into() })
    }

    /// A column of texts. Empty where the answer has no such column.
    pub fn texts(&self, column: &str) -> Vec<Option<String>> {
        self.values(column, |array, row| {
            array.as_string_opt::<i32>().map(|array| array.value(row).to_string())
        })
    }

    /// A column of texts as numbers, and the texts by number in the order in which they first come: for columns of many rows
    /// and few texts. Null is the empty text.
    pub fn numbered(&self, column: &str) -> (Vec<u32>, Vec<String>) {
        let mut known: std::collections::HashMap<&str, u32> = std::collections::HashMap::new();
        let (mut numbers, mut last): (Vec<u32>, Option<(&str, u32)>) = (Vec::with_capacity(self.rows), None);
        for batch in &self.batches {
            let array = batch.column_by_name(column).and_then(|array| array.as_string_opt::<i32>());
            for row in 0..batch.num_rows() {
                let text = array.filter(|array| array.is_valid(row)).map_or("", |array| array.value(row));
                let number = match last {
                    Some((held, number)) if held == text => number,
                    _ => {
                        let fresh = known.len() as u32;
                        *known.entry(text).or_insert(fresh)
                    }
                };
                last = Some((text, number));
                numbers.push(number);
            }
        }
        let mut texts = vec![String::new(); known.len()];
        known.into_iter().for_each(|(text, number)| texts[number as usize] = text.to_string());
        (numbers, texts)
    }

    /// A column of 64-bit floats.
    pub fn doubles(&self, column: &str) -> Vec<Option<f64>> {
        self.values(column, |array, row| {
            array.as_primitive_opt::<Float64Type>().map(|array| array.value(row))
        })
    }

    /// A column of 32- or 64-bit integers.
    pub fn integers(&self, column: &str) -> Vec<Option<i64>> {
        self.values(column, |array, row| {
            let wide = array.as_primitive_opt::<Int64Type>().map(|array| array.value(row));
            wide.or_else(|| array.as_primitive_opt::<Int32Type>().map(|array| i64::from(array.value(row))))
        })
    }

    /// A column of binary values.
    pub fn bytes(&self, column: &str) -> Vec<Option<Vec<u8>>> {
        self.values(column, |array, row| array.as_binary_opt::<i32>().map(|array| array.value(row).to_vec()))
    }

    /// A column of truths.
    pub fn booleans(&self, column: &str) -> Vec<Option<bool>> {
        self.values(column, |array, row| array.as_boolean_opt().map(|array| array.value(row)))
    }

    fn values<T>(&self, column: &str, value: impl Fn(&dyn Array, usize) -> Option<T>) -> Vec<Option<T>> {
        let mut values = Vec::with_capacity(self.rows);
        for batch in &self.batches {
            let Some(array) = batch.column_by_name(column) else {
                continue;
            };
            let one = |row| {
                if array.is_null(row) { None } else { value(array.as_ref(), row) }
            };
            values.extend((0..batch.num_rows()).map(one));
        }
        values
    }
}
