//! What lies in the tables, read again: files copied without some of their rows, rows turned back into the events that
//! they were, dead letters opened.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, new_null_array};
use arrow_schema::DataType;
use bellwether_schema::catalog::Table;
use bellwether_schema::events::{EventType, FieldType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};

use crate::Error;
use crate::rows::{context, schema, writer};
use crate::vault::{Person, Vault};

fn failed(
    operation: &'static str,
    path: &Path,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::File { operation, path: path.to_path_buf(), cause: std::io::Error::other(cause) }
}

/// Gives every batch of a file's rows, in the columns of the table; columns that are younger than the file are null.
pub fn batches(
    table: &Table,
    path: &Path,
    mut each: impl FnMut(RecordBatch) -> Result<(), Error>,
) -> Result<(), Error> {
    let file = File::open(path).map_err(|cause| failed("open", path, cause))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.build());
    let wanted = schema(table);
    for batch in reader.map_err(|cause| failed("read", path, cause))? {
        let batch = batch.map_err(|cause| failed("read", path, cause))?;
        let column = |field: &std::sync::Arc<arrow_schema::Field>| -> Result<ArrayRef, Error> {
            match batch.column_by_name(field.name()) {
                Some(column) => arrow_cast_same(column, field.data_type())
                    .ok_or_else(|| failed("read", path, "a column of another type")),
                None => Ok(new_null_array(field.data_type(), batch.num_rows())),
            }
        };
        let columns: Result<Vec<ArrayRef>, Error> = wanted.fields().iter().map(column).collect();
        let batch =
            RecordBatch::try_new(wanted.clone(), columns?).map_err(|cause| failed("read", path, cause))?;
        each(batch)?;
    }
    Ok(())
}

fn arrow_cast_same(column: &ArrayRef, wanted: &DataType) -> Option<ArrayRef> {
    (column.data_type() == wanted).then(|| column.clone())
}

/// What becomes of a row when its file is written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Keep,
    /// The row stays, without its id, its person, what was sealed and what was derived of that.
    Strip,
    Drop,
}

/// Writes the rows of some files to one, each as its fate is. Gives the rows that were written and those that changed.
pub fn rewrite(
    table: &Table,
    from: &[std::path::PathBuf],
    to: &Path,
    derived: &[String],
    mut fate: impl FnMut(&RecordBatch, usize) -> Result<Fate, Error>,
) -> Result<(usize, usize), Error> {
    let mut writer = writer(table, to)?;
    let (mut written, mut changed) = (0, 0);
    for path in from {
        batches(table, path, |batch| {
            let fates: Result<Vec<Fate>, Error> =
                (0..batch.num_rows()).map(|row| fate(&batch, row)).collect();
            let fates = fates?;
            changed += fates.iter().filter(|fate| **fate != Fate::Keep).count();
            let stripped: BooleanArray = fates.iter().map(|fate| Some(*fate == Fate::Strip)).collect();
            let kept: BooleanArray = fates.iter().map(|fate| Some(*fate != Fate::Drop)).collect();
            let schema = batch.schema();
            let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
                let private = ["event_id", "person", "sealed"].contains(&field.name().as_str())
                    || derived.contains(field.name());
                match private && stripped.true_count() > 0 {
                    true => arrow_select::nullif::nullif(column, &stripped),
                    false => Ok(column.clone()),
                }
            });
            let columns: Result<Vec<ArrayRef>, _> = columns.collect();
            let outcome = columns
                .and_then(|columns| RecordBatch::try_new(batch.schema(), columns))
                .and_then(|batch| arrow_select::filter::filter_record_batch(&batch, &kept));
            let batch = outcome.map_err(|cause| failed("rewrite", path, cause))?;
            written += batch.num_rows();
            writer.write(&batch).map_err(|cause| failed("write", to, cause))
        })?;
    }
    writer.close().map_err(|cause| failed("write", to, cause))?;
    Ok((written, changed))
}

/// Bytes of a column in a row; none where it is null.
pub fn bytes<'a>(batch: &'a RecordBatch, column: &str, row: usize) -> Option<&'a [u8]> {
    let column = batch.column_by_name(column)?.as_binary_opt::<i32>()?;
    (!column.is_null(row)).then(|| column.value(row))
}

pub fn text<'a>(batch: &'a RecordBatch, column: &str, row: usize) -> Option<&'a str> {
    let column = batch.column_by_name(column)?.as_string_opt::<i32>()?;
    (!column.is_null(row)).then(|| column.value(row))
}

pub fn number(batch: &RecordBatch, column: &str, row: usize) -> Option<i64> {
    let column = batch.column_by_name(column)?;
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Int64 => Some(column.as_primitive::<Int64Type>().value(row)),
        DataType::Timestamp(..) => Some(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        _ => None,
    }
}

pub fn person(batch: &RecordBatch, row: usize) -> Option<Person> {
    let bytes = bytes(batch, "person", row)?;
    Some(Person(u128::from_be_bytes(bytes.try_into().ok()?)))
}

/// What was sealed in a row, opened; none where nothing was, or its person is erased.
pub fn opened(
    vault: &Vault,
    name: &str,
    bound_to: &str,
    batch: &RecordBatch,
    row: usize,
) -> Result<Option<Vec<u8>>, Error> {
    let (Some(person), Some(sealed)) = (person(batch, row), bytes(batch, "sealed", row)) else {
        return Ok(None);
    };
    match vault.known(person)? {
        None => Ok(None),
        Some(key) => key.open(&context(name, bound_to), sealed).map(Some),
    }
}

/// A row of an event table as the event that it was: `id`, `time`, `type`, and all its fields in `data`.
pub fn event(
    vault: &Vault,
    event_type: &EventType,
    batch: &RecordBatch,
    row: usize,
) -> Result<Map<String, Value>, Error> {
    let id = text(batch, "event_id", row).unwrap_or_default();
    let mut private = Map::new();
    if let Some(opened) = opened(vault, &event_type.name, id, batch, row)?
        && let Ok(Value::Object(opened)) = serde_json::from_slice(&opened)
    {
        private = opened;
    }
    let mut data = Map::new();
    if let Some(Value::Object(more)) = private.remove("more") {
        data = more;
    }
    for field in &event_type.fields {
        let value = private.remove(&field.name).or_else(|| {
            let column = batch.column_by_name(&field.name)?;
            let value = (!column.is_null(row)).then(|| json(column, row))?;
            match (field.field_type, &value) {
                (FieldType::Json, Value::String(text)) => serde_json::from_str(text).ok(),
                _ => Some(value),
            }
        });
        if let Some(value) = value {
            nest(&mut data, &field.path, value);
        }
    }
    let mut event = Map::new();
    if !id.is_empty() {
        event.insert("id".into(), id.into());
    }
    if let Some(time) = number(batch, "occurred_at", row) {
        let time = chrono::DateTime::from_timestamp_micros(time).unwrap_or_default();
        event.insert("time".into(), time.to_rfc3339().into());
    }
    event.insert("type".into(), event_type.name.clone().into());
    event.insert("data".into(), data.into());
    Ok(event)
}

/// Puts a value where its field stands in the event.
fn nest(data: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [name] => drop(data.insert(name.clone(), value)),
        [name, rest @ ..] => {
            let inner = data.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                nest(inner, rest, value);
            }
        }
    }
}

fn json(column: &ArrayRef, row: usize) -> Value {
    match column.data_type() {
        DataType::Int64 => Value::from(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::from(column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => Value::from(column.as_boolean().value(row)),
        DataType::Timestamp(..) => {
            let time = chrono::DateTime::from_timestamp_micros(
                column.as_primitive::<TimestampMicrosecondType>().value(row),
            );
            Value::from(time.map(|time| time.to_rfc3339()))
        }
        DataType::Date32 => {
            let days = chrono::TimeDelta::days(i64::from(column.as_primitive::<Date32Type>().value(row)));
            Value::from((chrono::NaiveDate::default() + days).to_string())
        }
        _ => Value::from(column.as_string::<i32>().value(row)),
    }
}
