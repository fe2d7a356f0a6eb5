//! The serving copy: one DuckDB file per release, built from the lake's Parquet files and thrown away at will.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bellwether_schema::catalog::{Table, tables};
use duckdb::{AccessMode, Config, Connection};

use crate::{Error, Limits, members};

/// A table of the release as Parquet files on this machine.
pub struct SourceTable {
    pub table: &'static Table,
    pub files: Vec<PathBuf>,
}

/// The read-only copy of one release. Questions and callers' SQL run in instances of their own, so that a hungry
/// query cannot take the memory of a report.
pub struct Copy {
    release: String,
    path: PathBuf,
    questions: Pool,
    sql: Pool,
    pub(crate) limits: Limits,
}

/// Connections of one DuckDB instance, handed out and taken back.
pub(crate) struct Pool {
    first: Mutex<Connection>,
    idle: Mutex<Vec<Connection>>,
}

/// Whether the serving copy holds a table: all but the bulky ones that no question reads.
fn served(table: &Table) -> bool {
    table.name != "addresses" && !table.name.ends_with("_source")
}

/// Order of the rows in the copy: neighbours are asked for together.
fn order_of(table: &str) -> &'static str {
    match table {
        "district_registration" | "district_turnout" => "ORDER BY kind, id",
        "streets" => "ORDER BY south, west, way_id",
        "district_results" => "ORDER BY kind, election, contest, id",
        _ => "",
    }
}

impl Copy {
    /// Builds the copy at `path`, whole or not at all. Tables without files become empty tables. `day` is that of the
    /// release, in days since 1970-01-01.
    pub fn build(
        path: &Path,
        (release, day): (&str, i64),
        sources: &[SourceTable],
        limits: &Limits,
    ) -> Result<(), Error> {
        static BUILDS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let build = BUILDS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let partial = path.with_extension(format!("partial-{}-{build}", std::process::id()));
        remove(&partial)?;
        let spill = path.with_extension(format!("spill-{}-{build}", std::process::id()));
        let config = Config::default()
            .threads(limits.threads as i64)
            .and_then(|config| config.max_memory(&limits.build_memory))
            .and_then(|config| config.with("temp_directory", spill.to_string_lossy()))
            .map_err(Error::engine("configure the serving copy"))?;
        let connection = Connection::open_with_flags(&partial, config)
            .map_err(Error::engine("create the serving copy"))?;
        connection
            .execute_batch("SET preserve_insertion_order = true")
            .map_err(Error::engine("configure the serving copy"))?;
        connection
            .execute_batch(&members::create(sources))
            .map_err(Error::engine("put the voters into their order"))?;
        for table in tables().iter().filter(|table| served(table) && !members::MERGED.contains(&&*table.name))
        {
            let files = sources.iter().find(|source| source.table.name == table.name);
            let sql = create_table(table, files.map_or(&[], |source| &source.files));
            connection.execute_batch(&sql).map_err(Error::engine("fill the serving copy"))?;
        }
        connection
            .execute_batch(&format!(
                "CREATE TABLE release AS SELECT '{release}' AS id, {day}::INTEGER AS day; CHECKPOINT;"
            ))
            .map_err(Error::engine("finish the serving copy"))?;
        drop(connection);
        let _ = std::fs::remove_dir_all(spill);
        std::fs::rename(&partial, path).map_err(|cause| Error::File {
            operation: "publish",
            path: path.to_path_buf(),
            cause,
        })
    }

    /// Opens a built copy.
    pub fn open(path: &Path, release: &str, limits: &Limits) -> Result<Copy, Error> {
        Ok(Copy {
            release: release.to_string(),
            path: path.to_path_buf(),
            questions: Pool::open(path, limits, &limits.question_memory, "questions")?,
            sql: Pool::open(path, limits, &limits.sql_memory, "sql")?,
            limits: limits.clone(),
        })
    }

    pub fn release(&self) -> &str {
        &self.release
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn questions(&self) -> &Pool {
        &self.questions
    }

    pub(crate) fn sql(&self) -> &Pool {
        &self.sql
    }
}

fn create_table(table: &Table, files: &[PathBuf]) -> String {
    let columns: Vec<String> =
        table.columns.iter().map(|column| format!("{} {}", column.name, column.column_type.sql())).collect();
    let create = format!("CREATE TABLE {} ({});", table.name, columns.join(", "));
    if files.is_empty() {
        return create;
    }
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let (names, scan) = (names.join(", "), scan(table, files));
    format!("{create} INSERT INTO {} SELECT {names} FROM {scan} {};", table.name, order_of(&table.name))
}

/// A FROM item that reads a table's Parquet files, with partition values from the folder names. A column that is younger
/// than a file is null in its rows.
pub(crate) fn scan(table: &Table, files: &[PathBuf]) -> String {
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| format!("CAST(NULL AS {}) AS {}", column.column_type.sql(), column.name))
        .collect();
    let none = format!("SELECT {} LIMIT 0", columns.join(", "));
    if files.is_empty() {
        return format!("({none})");
    }
    let list: Vec<String> = files.iter().map(|file| quote(&file.to_string_lossy())).collect();
    let types: Vec<String> = table.partition_by.iter().map(|column| format!("'{column}': VARCHAR")).collect();
    let partitions = match types.is_empty() {
        true => "hive_partitioning = false".to_string(),
        false => format!("hive_partitioning = true, hive_types = {{{}}}", types.join(", ")),
    };
    let read = format!("read_parquet([{}], union_by_name = true, {partitions})", list.join(", "));
    format!("(({none}) UNION ALL BY NAME (SELECT * FROM {read}))")
}

/// A text as an SQL literal.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::File { operation: "remove", path: path.to_path_buf(), cause })
        }
        _ => Ok(()),
    }
}

impl Pool {
    fn open(path: &Path, limits: &Limits, memory: &str, name: &str) -> Result<Pool, Error> {
        // The temporary folder must be named before external access is shut off.
        let spill = path.with_extension(format!("{name}-spill"));
        let config = Config::default()
            .access_mode(AccessMode::ReadOnly)
            .and_then(|config| config.with("temp_directory", spill.to_string_lossy()))
            .and_then(|config| config.with("max_temp_directory_size", &limits.spill))
            .and_then(|config| config.max_memory(memory))
            .and_then(|config| config.threads(limits.threads as i64))
            .and_then(|config| config.enable_autoload_extension(false))
            .and_then(|config| config.with("allow_community_extensions", "false"))
            .and_then(|config| config.with("max_expression_depth", "250"))
            .map_err(Error::engine("configure the serving copy"))?;
        let first =
            Connection::open_with_flags(path, config).map_err(Error::engine("open the serving copy"))?;
        // Folders that are spared must be named before external access is shut off, and nothing may change thereafter.
        let spared = limits.live_folder.iter().map(|folder| quote(&folder.to_string_lossy()));
        let shut = format!(
            "SET allowed_directories = [{}]; SET enable_external_access = false; SET lock_configuration = true",
            spared.collect::<Vec<_>>().join(", ")
        );
        first.execute_batch(&shut).map_err(Error::engine("shut the serving copy off"))?;
        Ok(Pool { first: Mutex::new(first), idle: Mutex::new(Vec::new()) })
    }

    /// Runs a closure with a connection of the pool. A connection on which the closure failed is not used again.
    pub(crate) fn with<T>(&self, run: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let first = self.first.lock().map_err(|_| Error::BadQuery("the pool is poisoned".into()))?;
                first.try_clone().map_err(Error::engine("connect to the serving copy"))?
            }
        };
        let outcome = run(&connection);
        if outcome.is_ok()
            && let Ok(mut idle) = self.idle.lock()
        {
            idle.push(connection);
        }
        outcome
    }
}
