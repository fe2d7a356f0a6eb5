//! Rows to Parquet: one builder a column of a catalog table, flushed in row groups, synced to disk at the end.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int32Builder, Int64Builder, StringBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bellwether_schema::catalog::{ColumnType, Table};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::Error;

/// Rows that wait in the builders before they are encoded.
const ROWS_OF_A_BATCH: usize = 16_384;
/// Rows of a row group: encoded pages of one group stay in memory until it is full.
const ROWS_OF_A_GROUP: usize = 131_072;

/// Columns whose values seldom recur: looking each up in a dictionary would be for nothing.
const DISTINCT: &[&str] =
    &["voter_id", "voter_reg_num", "voter_name", "address", "match_key", "phone", "geometry"];

/// Texts by which readers skip files: only these are worth comparing value by value for a least and greatest.
const SORTED_BY: &[&str] =
    &["voter_id", "county_fips", "precinct_id", "election", "contest", "kind", "district_id"];

enum Builder {
    /// A column that this file never fills.
    Absent(DataType),
    Text(StringBuilder),
    Integer(Int32Builder),
    Bigint(Int64Builder),
    Double(Float64Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Bytes(BinaryBuilder),
}

/// Writes one Parquet file of one catalog table. Each row gives every filled column exactly one value.
pub struct ParquetTable {
    table: &'static Table,
    path: PathBuf,
    schema: SchemaRef,
    writer: ArrowWriter<File>,
    builders: Vec<Builder>,
    waiting: usize,
    rows: u64,
}

fn data_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Text => DataType::Utf8,
        ColumnType::Integer => DataType::Int32,
        ColumnType::Bigint => DataType::Int64,
        ColumnType::Double => DataType::Float64,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Date => DataType::Date32,
        ColumnType::Bytes => DataType::Binary,
        ColumnType::Timestamp => DataType::Timestamp(arrow_schema::TimeUnit::Microsecond, Some("UTC".into())),
    }
}

fn builder(column_type: ColumnType) -> Builder {
    match column_type {
        ColumnType::Text => Builder::Text(StringBuilder::new()),
        ColumnType::Integer => Builder::Integer(Int32Builder::new()),
        ColumnType::Bigint => Builder::Bigint(Int64Builder::new()),
        ColumnType::Double => Builder::Double(Float64Builder::new()),
        ColumnType::Boolean => Builder::Boolean(BooleanBuilder::new()),
        ColumnType::Date => Builder::Date(Date32Builder::new()),
        ColumnType::Bytes => Builder::Bytes(BinaryBuilder::new()),
        ColumnType::Timestamp => Builder::Absent(data_type(column_type)),
    }
}

impl ParquetTable {
    /// Creates the file. `filled` names the columns that rows give; all others stay null.
    pub fn create(table: &'static Table, filled: &[&str], path: PathBuf) -> Result<ParquetTable, Error> {
        let fields: Vec<Field> = table
            .file_columns()
            .map(|column| Field::new(&column.name, data_type(column.column_type), true))
            .collect();
        let builders = table
            .file_columns()
            .map(|column| match filled.contains(&column.name.as_str()) {
                true => builder(column.column_type),
                false => Builder::Absent(data_type(column.column_type)),
            })
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_max_row_group_row_count(Some(ROWS_OF_A_GROUP))
            .set_created_by("bellwether".into());
        for column in DISTINCT {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(*column), false);
        }
        for column in table.columns.iter().filter(|column| column.column_type == ColumnType::Text) {
            if !SORTED_BY.contains(&column.name.as_str()) {
                let path = ColumnPath::from(column.name.as_str());
                properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
            }
        }
        let file = File::create(&path).map_err(|cause| failed(&path, cause))?;
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties.build()))
            .map_err(|cause| failed(&path, cause))?;
        Ok(ParquetTable { table, path, schema, writer, builders, waiting: 0, rows: 0 })
    }

    /// Creates the file with every column filled.
    pub fn create_whole(table: &'static Table, path: PathBuf) -> Result<ParquetTable, Error> {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        ParquetTable::create(table, &names, path)
    }

    /// The file of a state's rows, created with the first of them.
    pub fn of_state<'a>(
        files: &'a mut BTreeMap<&'static str, ParquetTable>,
        table: &'static Table,
        state: &'static str,
        folder: &Path,
    ) -> Result<&'a mut ParquetTable, Error> {
        Ok(match files.entry(state) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let path = folder.join(format!("{}-{state}.parquet", table.name));
                entry.insert(ParquetTable::create_whole(table, path)?)
            }
        })
    }

    /// Position of a column among the file's columns.
    ///
    /// Panics if the catalog has no such column: callers name columns in code.
    pub fn position(&self, column: &str) -> usize {
        let found = self.table.file_columns().position(|candidate| candidate.name == column);
        found.unwrap_or_else(|| panic!("table {} has no column {column}", self.table.name))
    }

    /// Gives a text; empty text is null.
    pub fn text(&mut self, column: usize, value: &str) {
        match &mut self.builders[column] {
            Builder::Text(builder) if value.is_empty() => builder.append_null(),
            Builder::Text(builder) => builder.append_value(value),
            _ => unreachable!("callers give each column values of its own type"),
        }
    }

    pub fn optional_text(&mut self, column: usize, value: Option<&str>) {
        self.text(column, value.unwrap_or_default());
    }

    /// Gives an integer, or a day as days since 1970-01-01.
    pub fn integer(&mut self, column: usize, value: Option<i32>) {
        match &mut self.builders[column] {
            Builder::Integer(builder) => builder.append_option(value),
            Builder::Date(builder) => builder.append_option(value),
            Builder::Bigint(builder) => builder.append_option(value.map(i64::from)),
            _ => unreachable!("callers give each column values of its own type"),
        }
    }

    /// Gives a 64-bit integer.
    pub fn integer64(&mut self, column: usize, value: Option<i64>) {
        match &mut self.builders[column] {
            Builder::Bigint(builder) => builder.append_option(value),
            _ => unreachable!("callers give each column values of its own type"),
        }
    }

    pub fn double(&mut self, column: usize, value: Option<f64>) {
        match &mut self.builders[column] {
            Builder::Double(builder) => builder.append_option(value),
            Builder::Bigint(builder) => builder.append_option(value.map(|value| value as i64)),
            _ => unreachable!("callers give each column values of its own type"),
        }
    }

    pub fn boolean(&mut self, column: usize, value: Option<bool>) {
        match &mut self.builders[column] {
            Builder::Boolean(builder) => builder.append_option(value),
            _ => unreachable!("callers give each column values of its own type"),
        }
    }

    pub fn bytes(&mut self, column: usize, value: &[u8]) {
        match &mut self.builders[column] {
            Builder::Bytes(builder) => builder.append_value(value),
            _ => unreachable!("callers give each column values of its own type"),
        }
    }

    /// Ends a row.
    pub fn end_row(&mut self) -> Result<(), Error> {
        self.rows += 1;
        self.waiting += 1;
        if self.waiting == ROWS_OF_A_BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let rows = self.waiting;
        let arrays: Vec<ArrayRef> = self
            .builders
            .iter_mut()
            .map(|builder| match builder {
                Builder::Absent(data_type) => new_null_array(data_type, rows),
                Builder::Text(builder) => Arc::new(builder.finish()),
                Builder::Integer(builder) => Arc::new(builder.finish()),
                Builder::Bigint(builder) => Arc::new(builder.finish()),
                Builder::Double(builder) => Arc::new(builder.finish()),
                Builder::Boolean(builder) => Arc::new(builder.finish()),
                Builder::Date(builder) => Arc::new(builder.finish()),
                Builder::Bytes(builder) => Arc::new(builder.finish()),
            })
            .collect();
        self.waiting = 0;
        let batch =
            RecordBatch::try_new(self.schema.clone(), arrays).map_err(|cause| failed(&self.path, cause))?;
        self.writer.write(&batch).map_err(|cause| failed(&self.path, cause))
    }

    /// Writes what waits, syncs the file and gives its path; none where no row was written, and the file is gone.
    pub fn finish(mut self) -> Result<Option<PathBuf>, Error> {
        if self.waiting > 0 {
            self.flush()?;
        }
        let file = self.writer.into_inner().map_err(|cause| failed(&self.path, cause))?;
        if self.rows == 0 {
            std::fs::remove_file(&self.path).map_err(|cause| failed(&self.path, cause))?;
            return Ok(None);
        }
        file.sync_all().map_err(|cause| failed(&self.path, cause))?;
        Ok(Some(self.path))
    }
}

pub(crate) fn failed(path: &Path, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Write { file: crate::source::name(path), cause: Box::new(cause) }
}
