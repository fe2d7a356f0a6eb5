//! Tables that grow between releases, asked together with the copy of one: views over their files as they are just now.
//! Private columns are sealed in the files; a function that the caller of this room gives opens them, row by row, as long
//! as the key is there.

use std::path::PathBuf;
use std::sync::Arc;

use bellwether_schema::catalog::{ColumnType, Table};
use duckdb::Connection;
use duckdb::arrow::array::{Array, ArrayRef, BinaryArray, RecordBatch, StringArray, StringBuilder};
use duckdb::arrow::datatypes::DataType;
use duckdb::vscalar::{ArrowFunctionSignature, VArrowScalar};

use crate::Error;
use crate::copy::scan;

/// Opens what is sealed: of a type or table, what it is bound to, of whom, the sealed bytes. None where the key is gone.
pub type Opener = Arc<dyn Fn(&str, &str, &[u8], &[u8]) -> Option<String> + Send + Sync>;

/// A table that grows.
#[derive(Clone)]
pub struct LiveTable {
    /// Name that its sealed columns are bound to.
    pub bound: String,
    /// Column that they are bound to.
    pub bound_by: &'static str,
    /// Whether what is sealed is one text, and not fields by name.
    pub whole: bool,
    /// As it lies in its files.
    pub stored: Table,
    /// As it is asked.
    pub shown: Table,
    pub files: Arc<Vec<PathBuf>>,
}

/// What callers' SQL may ask besides the copy.
#[derive(Clone, Default)]
pub struct Live {
    pub tables: Vec<LiveTable>,
    pub opener: Option<Opener>,
}

impl Live {
    /// Names of the tables.
    pub fn names(&self) -> Vec<&str> {
        self.tables.iter().map(|table| table.shown.name.as_str()).collect()
    }

    /// Makes the views that a query names.
    pub(crate) fn show(&self, connection: &Connection, sql: &str) -> Result<(), Error> {
        let sql = sql.to_lowercase();
        let named: Vec<&LiveTable> =
            self.tables.iter().filter(|table| sql.contains(&table.shown.name)).collect();
        if named.is_empty() {
            return Ok(());
        }
        if let Some(opener) = &self.opener {
            // A connection of the pool may have it already.
            let state = Opening(Some(opener.clone()));
            let _ = connection.register_scalar_function_with_state::<Unseal>("unseal", &state);
        }
        for table in named {
            connection.execute_batch(&table.view()).map_err(Error::live("show the live tables"))?;
        }
        Ok(())
    }
}

impl LiveTable {
    fn view(&self) -> String {
        let columns = self.shown.columns.iter().map(|column| {
            let (name, sql) = (format!("\"{}\"", column.name), column.column_type.sql());
            let path = format!("opened_here ->> '$.{}'", column.name);
            match self.stored.column(&column.name) {
                Some(stored) if stored.column_type == ColumnType::Bytes => {
                    format!("lower(hex({name})) AS {name}")
                }
                Some(_) => name.clone(),
                None if self.whole => format!("opened_here AS {name}"),
                None => match column.column_type {
                    // Lists and objects stay JSON; a text loses its quotes.
                    ColumnType::Text => format!("{path} AS {name}"),
                    _ => format!("TRY_CAST({path} AS {sql}) AS {name}"),
                },
            }
        });
        let columns: Vec<String> = columns.collect();
        let (name, bound, by) = (&self.shown.name, self.bound.replace('\'', "''"), self.bound_by);
        format!(
            "CREATE OR REPLACE TEMP VIEW {name} AS SELECT {} FROM (SELECT *, unseal('{bound}', CAST({by} AS VARCHAR), person, sealed) AS opened_here FROM {})",
            columns.join(", "),
            scan(&self.stored, &self.files)
        )
    }
}

/// Whether an engine's error says that a file is not there any more.
pub(crate) fn is_gone(error: &str) -> bool {
    error.contains(".parquet")
        && ["No such file", "No files found", "does not exist"].iter().any(|gone| error.contains(gone))
}

#[derive(Clone, Default)]
struct Opening(Option<Opener>);

/// `unseal(name, bound_to, person, sealed)`.
struct Unseal;

impl VArrowScalar for Unseal {
    type State = Opening;

    fn invoke(state: &Opening, input: RecordBatch) -> Result<ArrayRef, Box<dyn std::error::Error>> {
        let text = |at: usize| input.column(at).as_any().downcast_ref::<StringArray>().cloned();
        let bytes = |at: usize| input.column(at).as_any().downcast_ref::<BinaryArray>().cloned();
        let (Some(names), Some(bound), Some(persons), Some(sealed)) = (text(0), text(1), bytes(2), bytes(3))
        else {
            return Err("unseal takes two texts and two blobs".into());
        };
        let mut out = StringBuilder::new();
        for row in 0..input.num_rows() {
            let whole = !persons.is_null(row) && !sealed.is_null(row) && !bound.is_null(row);
            let opened = whole.then(|| {
                let opener = state.0.as_ref()?;
                opener(names.value(row), bound.value(row), persons.value(row), sealed.value(row))
            });
            out.append_option(opened.flatten());
        }
        Ok(Arc::new(out.finish()))
    }

    fn signatures() -> Vec<ArrowFunctionSignature> {
        let takes = vec![DataType::Utf8, DataType::Utf8, DataType::Binary, DataType::Binary];
        vec![ArrowFunctionSignature::exact(takes, DataType::Utf8)]
    }
}
