//! What callers' SQL may be: one SELECT, over the catalog's tables, without functions that reach out of them.
//! DuckDB's own parser decides; its syntax tree is then walked against lists of what is allowed.

use std::collections::HashSet;

use bellwether_schema::catalog;
use duckdb::Connection;
use serde_json::Value;

use crate::Error;

/// Table functions that make rows out of nothing but their arguments.
const TABLE_FUNCTIONS: &[&str] = &["range", "generate_series", "unnest", "repeat", "repeat_row"];

/// Scalar functions that tell of, or act on, the server rather than the data.
const FORBIDDEN: &[&str] =
    &["getenv", "write_log", "current_setting", "getvariable", "nextval", "currval", "unseal"];

/// Scalar functions that make values as large as their arguments say, past the engine's own memory count, or that
/// take time in the square of them without heeding an interrupt.
const BOUNDLESS: &[&str] = &[
    "range",
    "generate_series",
    "repeat",
    "lpad",
    "rpad",
    "bar",
    "levenshtein",
    "editdist3",
    "damerau_levenshtein",
    "jaro_similarity",
    "jaro_winkler_similarity",
    "list_resize",
    "array_resize",
    "format",
    "printf",
];

/// Refuses everything but one harmless SELECT, with a message for the caller.
/// `live` names tables besides those of the catalog.
pub fn check(connection: &Connection, sql: &str, live: &[&str]) -> Result<(), Error> {
    let bad = |text: &str| Err(Error::BadQuery(text.to_string()));
    let serialized: String = connection
        .query_row("SELECT json_serialize_sql(?::VARCHAR)", [sql], |row| row.get(0))
        .map_err(|error| Error::BadQuery(error.to_string()))?;
    let tree: Value =
        serde_json::from_str(&serialized).map_err(|error| Error::BadQuery(error.to_string()))?;
    if tree["error"].as_bool() != Some(false) {
        let message = tree["error_message"].as_str().unwrap_or("not SQL");
        return match message.contains("Only SELECT") {
            true => bad("only one SELECT statement is allowed"),
            false => bad(message),
        };
    }
    let statements = tree["statements"].as_array().map_or(0, Vec::len);
    if statements != 1 {
        return bad(&format!("one SELECT statement is allowed, not {statements}"));
    }
    let mut defined = HashSet::new();
    collect_defined(&tree, &mut defined);
    let reserved = |name: &&String| {
        let plain = name.chars().all(|character| character.is_alphanumeric() || character == '_');
        !plain || ["duckdb_", "pragma_", "sqlite_", "pg_"].iter().any(|prefix| name.starts_with(prefix))
    };
    if let Some(name) = defined.iter().find(reserved) {
        return bad(&format!("{name} cannot name a common table expression here"));
    }
    walk(&tree, &Names { defined, live }, false)
}

/// What a query may name besides the catalog's tables.
struct Names<'a> {
    /// Common table expressions.
    defined: HashSet<String>,
    live: &'a [&'a str],
}

/// Names of common table expressions.
fn collect_defined(node: &Value, defined: &mut HashSet<String>) {
    match node {
        Value::Object(object) => {
            if let Some(entries) =
                object.get("cte_map").and_then(|map| map.get("map")).and_then(Value::as_array)
            {
                let names = entries.iter().filter_map(|entry| entry.get("key").and_then(Value::as_str));
                defined.extend(names.map(str::to_lowercase));
            }
            object.values().for_each(|child| collect_defined(child, defined));
        }
        Value::Array(children) => children.iter().for_each(|child| collect_defined(child, defined)),
        _ => {}
    }
}

/// `in_from` says that the node is the call of a table function itself.
fn walk(node: &Value, names: &Names, in_from: bool) -> Result<(), Error> {
    match node {
        Value::Object(object) => {
            match object.get("type").and_then(Value::as_str) {
                Some("TABLE_FUNCTION") => {
                    let name =
                        object["function"]["function_name"].as_str().unwrap_or_default().to_lowercase();
                    if !TABLE_FUNCTIONS.contains(&name.as_str()) {
                        return Err(Error::BadQuery(format!(
                            "the table function {name} is not allowed; allowed are {}",
                            TABLE_FUNCTIONS.join(", ")
                        )));
                    }
                }
                Some("BASE_TABLE") => check_table(object, names)?,
                Some("SHOW_REF") => return Err(Error::BadQuery("ask GET /v1/tables for the catalog".into())),
                _ => {}
            }
            if let Some(name) = object.get("function_name").and_then(Value::as_str) {
                let name = name.to_lowercase();
                if BOUNDLESS.contains(&name.as_str()) && !in_from {
                    return Err(Error::BadQuery(format!(
                        "the function {name} is not allowed outside of FROM"
                    )));
                }
                if FORBIDDEN.contains(&name.as_str())
                    || name.starts_with("duckdb_")
                    || name.starts_with("pragma_")
                {
                    return Err(Error::BadQuery(format!("the function {name} is not allowed")));
                }
            }
            let table_function = object.get("type").and_then(Value::as_str) == Some("TABLE_FUNCTION");
            object
                .iter()
                .try_for_each(|(name, child)| walk(child, names, table_function && name == "function"))
        }
        Value::Array(children) => children.iter().try_for_each(|child| walk(child, names, false)),
        _ => Ok(()),
    }
}

fn check_table(object: &serde_json::Map<String, Value>, names: &Names) -> Result<(), Error> {
    let part = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let name = part("table_name");
    let elsewhere = !matches!(part("schema_name").as_str(), "" | "main") || !part("catalog_name").is_empty();
    let known = catalog::tables().iter().any(|table| table.name == name);
    if !elsewhere && (known || names.defined.contains(&name) || names.live.contains(&name.as_str())) {
        return Ok(());
    }
    let known: Vec<&str> =
        catalog::tables().iter().map(|table| table.name.as_str()).chain(names.live.iter().copied()).collect();
    Err(Error::BadQuery(format!("there is no table {name}; there are {}", known.join(", "))))
}
