//! Answers made of rows that did not come out of the engine: the catalog, the releases, what holds a point.

use std::sync::Arc;

use duckdb::arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use duckdb::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use duckdb::arrow::record_batch::RecordBatch;
use serde_json::Value;

use crate::{Answer, Error};

impl Answer {
    /// An answer with the given columns, from rows of JSON objects. A column's type is the narrowest that holds all
    /// its values: whole numbers, numbers, true and false, or texts; lists and objects become their JSON text.
    pub fn of_rows(columns: &[&str], rows: &[Value]) -> Result<Answer, Error> {
        let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns
            .iter()
            .map(|name| {
                let values: Vec<&Value> =
                    rows.iter().map(|row| row.get(*name).unwrap_or(&Value::Null)).collect();
                let (kind, array) = column(&values);
                (Field::new(*name, kind, true), array)
            })
            .unzip();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(schema.clone(), arrays)
            .map_err(|cause| Error::Engine { operation: "write the rows", cause: cause.into() })?;
        let mut answer = Answer::default();
        answer.take(&schema, Some(batch));
        Ok(answer)
    }
}

fn column(values: &[&Value]) -> (DataType, ArrayRef) {
    let all = |fits: fn(&Value) -> bool| values.iter().all(|value| value.is_null() || fits(value));
    let none = values.iter().all(|value| value.is_null());
    if !none && all(Value::is_i64) {
        let array: Int64Array = values.iter().map(|value| value.as_i64()).collect();
        return (DataType::Int64, Arc::new(array));
    }
    if !none && all(Value::is_number) {
        let array: Float64Array = values.iter().map(|value| value.as_f64()).collect();
        return (DataType::Float64, Arc::new(array));
    }
    if !none && all(Value::is_boolean) {
        let array: BooleanArray = values.iter().map(|value| value.as_bool()).collect();
        return (DataType::Boolean, Arc::new(array));
    }
    let text = |value: &&Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let array: StringArray = values.iter().map(text).collect();
    (DataType::Utf8, Arc::new(array))
}
