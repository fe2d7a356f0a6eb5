//! The catalog: every table of the lake with its columns, their types, meaning and privacy class.
//!
//! The static part is `catalog.toml`; each voter-file layout adds one table for the source columns that
//! have no normalised twin.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::{events, layout};

/// One table of the lake.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Table {
    pub name: String,
    pub meaning: String,
    /// Columns that split the table into folders, outermost first.
    #[serde(default)]
    pub partition_by: Vec<String>,
    /// True for tables that are computed from others and can be made again.
    #[serde(default)]
    pub derived: bool,
    pub columns: Vec<Column>,
}

/// One column of a table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "(String, ColumnType, Privacy, String)")]
pub struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    pub privacy: Privacy,
    pub meaning: String,
}

impl From<(String, ColumnType, Privacy, String)> for Column {
    fn from((name, column_type, privacy, meaning): (String, ColumnType, Privacy, String)) -> Self {
        Column { name, column_type, privacy, meaning }
    }
}

/// What a column holds. Every column may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// UTF-8 text.
    Text,
    /// 32-bit signed integer.
    Integer,
    /// 64-bit signed integer.
    Bigint,
    /// 64-bit float.
    Double,
    Boolean,
    /// Calendar day without a zone.
    Date,
    /// Binary.
    Bytes,
    /// Instant, in microseconds, UTC.
    Timestamp,
}

impl ColumnType {
    pub fn name(self) -> &'static str {
        match self {
            ColumnType::Text => "text",
            ColumnType::Integer => "integer",
            ColumnType::Bigint => "bigint",
            ColumnType::Double => "double",
            ColumnType::Boolean => "boolean",
            ColumnType::Date => "date",
            ColumnType::Bytes => "bytes",
            ColumnType::Timestamp => "timestamp",
        }
    }

    /// The type's name in SQL, as DuckDB, Spark and Trino read it.
    pub fn sql(self) -> &'static str {
        match self {
            ColumnType::Text => "VARCHAR",
            ColumnType::Integer => "INTEGER",
            ColumnType::Bigint => "BIGINT",
            ColumnType::Double => "DOUBLE",
            ColumnType::Boolean => "BOOLEAN",
            ColumnType::Date => "DATE",
            ColumnType::Bytes => "BLOB",
            ColumnType::Timestamp => "TIMESTAMPTZ",
        }
    }
}

/// How private a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privacy {
    /// May be shown to anyone.
    Public,
    /// Describes one voter without naming them.
    Person,
    /// Names, places or reaches one voter.
    Identifying,
}

impl Privacy {
    pub fn name(self) -> &'static str {
        match self {
            Privacy::Public => "public",
            Privacy::Person => "person",
            Privacy::Identifying => "identifying",
        }
    }
}

impl Table {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns that Parquet files hold: all but those that the folder names carry.
    pub fn file_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !self.partition_by.contains(&column.name))
    }
}

/// Every table, in the order of the catalog.
pub fn tables() -> &'static [Table] {
    static TABLES: OnceLock<Vec<Table>> = OnceLock::new();
    TABLES.get_or_init(|| {
        #[derive(Deserialize)]
        struct Catalog {
            table: Vec<Table>,
        }
        let catalog: Catalog =
            toml::from_str(include_str!("../catalog.toml")).expect("catalog.toml is checked by a test");
        let mut tables = catalog.table;
        tables.extend(layout::all().iter().map(layout::Layout::source_table));
        tables
    })
}

/// The table of that name, if the catalog has it.
pub fn table(name: &str) -> Option<&'static Table> {
    tables().iter().find(|table| table.name == name)
}

/// The catalog as a Markdown document, checked in as `schema/CATALOG.md`.
pub fn document() -> String {
    let mut text = String::from(
        "# Table catalog\n\nPrinted by `bellwether tables`; a test compares this page with the catalog.\n",
    );
    let events: Vec<Table> = events::shipped().iter().map(events::EventType::shown).collect();
    for table in tables().iter().chain(&events) {
        text.push_str(&format!("\n## {}\n\n{}\n\n", table.name, table.meaning));
        if table.name.starts_with("event_") {
            text.push_str(
                "Grows between releases; what names or describes a person is sealed in its files. ",
            );
        }
        if !table.partition_by.is_empty() {
            text.push_str(&format!("Partitioned by {}. ", table.partition_by.join(", ")));
        }
        if table.derived {
            text.push_str("Derived: computed from other tables.");
        }
        text = text.trim_end().to_string();
        text.push_str("\n\n| column | type | privacy | meaning |\n|---|---|---|---|\n");
        for column in &table.columns {
            text.push_str(&format!(
                "| {} | {} | {} | {} |\n",
                column.name,
                column.column_type.name(),
                column.privacy.name(),
                column.meaning
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_meaning_and_every_name_is_used_once() {
        for table in tables() {
            let mut names: Vec<_> = table.columns.iter().map(|column| &column.name).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), table.columns.len(), "{} names a column twice", table.name);
            assert!(table.columns.iter().all(|column| column.meaning.len() > 2), "{}", table.name);
            assert!(table.partition_by.iter().all(|name| table.column(name).is_some()), "{}", table.name);
        }
    }

    #[test]
    fn the_printed_document_is_the_catalog() {
        let printed = include_str!("../CATALOG.md");
        assert_eq!(printed, document(), "run `bellwether tables > schema/CATALOG.md`");
    }
}
