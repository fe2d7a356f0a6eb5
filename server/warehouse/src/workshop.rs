//! The workshop: a DuckDB in memory in which derived tables are made from the lake's Parquet files.

use std::path::{Path, PathBuf};

use bellwether_schema::catalog::Table;
use duckdb::{Config, Connection};

use crate::answer::Answer;
use crate::copy::{quote, scan};
use crate::session::each_batch;
use crate::{Error, Limits, Param};

/// A workshop; dropped with everything in it.
pub struct Workshop {
    connection: Connection,
}

impl Workshop {
    /// Opens an empty workshop that spills into `folder` what outgrows its memory.
    pub fn open(folder: &Path, limits: &Limits) -> Result<Workshop, Error> {
        let config = Config::default()
            .threads(limits.threads as i64)
            .and_then(|config| config.max_memory(&limits.build_memory))
            .and_then(|config| config.with("temp_directory", folder.join("spill").to_string_lossy()))
            .map_err(Error::engine("configure the workshop"))?;
        let connection =
            Connection::open_in_memory_with_flags(config).map_err(Error::engine("open the workshop"))?;
        Ok(Workshop { connection })
    }

    /// Makes a table of the lake readable under its own name.
    pub fn show(&self, table: &Table, files: &[PathBuf]) -> Result<(), Error> {
        self.show_as(&table.name, table, files)
    }

    /// Makes a table of the lake readable under another name: the same table of two releases, say.
    pub fn show_as(&self, name: &str, table: &Table, files: &[PathBuf]) -> Result<(), Error> {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let sql = format!(
            "CREATE OR REPLACE VIEW {name} AS SELECT {} FROM {}",
            names.join(", "),
            scan(table, files)
        );
        self.run(&sql)
    }

    /// Runs statements.
    pub fn run(&self, sql: &str) -> Result<(), Error> {
        self.connection.execute_batch(sql).map_err(Error::engine("run a step of the workshop"))
    }

    pub fn ask(&self, sql: &str, params: &[Param]) -> Result<Answer, Error> {
        let mut answer = Answer::default();
        each_batch(&self.connection, sql, params, |schema, batch| answer.take(schema, batch))
            .map_err(Error::engine("ask the workshop"))?;
        Ok(answer)
    }

    /// Appends rows to a table of the workshop.
    pub fn append(&self, table: &str, rows: impl Iterator<Item = Vec<Param>>) -> Result<(), Error> {
        let mut appender =
            self.connection.appender(table).map_err(Error::engine("append to the workshop"))?;
        for row in rows {
            let values = row.iter().map(|param| -> Box<dyn duckdb::ToSql> {
                match param {
                    Param::Null => Box::new(duckdb::types::Null),
                    Param::Text(value) => Box::new(value.clone()),
                    Param::Integer(value) => Box::new(*value),
                    Param::Double(value) => Box::new(*value),
                    Param::Boolean(value) => Box::new(*value),
                }
            });
            let values: Vec<Box<dyn duckdb::ToSql>> = values.collect();
            appender
                .append_row(duckdb::appender_params_from_iter(values.iter().map(|value| value.as_ref())))
                .map_err(Error::engine("append to the workshop"))?;
        }
        appender.flush().map_err(Error::engine("append to the workshop"))
    }

    /// Writes the answer of a SELECT as a Parquet file whose columns are those of a catalog table's files. Gives
    /// none where there are no rows.
    pub fn write(&self, table: &Table, select: &str, path: &Path) -> Result<Option<PathBuf>, Error> {
        let columns: Vec<String> = table
            .file_columns()
            .map(|column| format!("CAST({} AS {}) AS {}", column.name, column.column_type.sql(), column.name))
            .collect();
        let sql = format!(
            "COPY (SELECT {} FROM ({select})) TO {} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)",
            columns.join(", "),
            quote(&path.to_string_lossy())
        );
        let rows = self.connection.execute(&sql, []).map_err(Error::engine("write a derived table"))?;
        let synced = std::fs::File::open(path).and_then(|file| file.sync_all());
        synced.map_err(|cause| Error::File { operation: "sync", path: path.to_path_buf(), cause })?;
        Ok((rows > 0).then(|| path.to_path_buf()))
    }
}
