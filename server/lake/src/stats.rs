//! Statistics of a data file for the Delta log, from the Parquet footer.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use bellwether_schema::catalog::{ColumnType, Table};
use chrono::{Days, NaiveDate};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use serde_json::{Value, json};

/// Columns that Delta readers expect statistics of.
const COLUMNS: usize = 32;

/// The `stats` JSON of one file: rows, and per column nulls, least and greatest value over all row groups.
pub fn of_file(table: &Table, path: &Path) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let reader = SerializedFileReader::new(File::open(path)?)?;
    let metadata = reader.metadata();
    let mut nulls: BTreeMap<&str, u64> = BTreeMap::new();
    let mut least: BTreeMap<&str, Value> = BTreeMap::new();
    let mut greatest: BTreeMap<&str, Value> = BTreeMap::new();
    for (index, column) in table.file_columns().take(COLUMNS).enumerate() {
        let groups: Vec<&Statistics> =
            metadata.row_groups().iter().filter_map(|group| group.column(index).statistics()).collect();
        if column.column_type == ColumnType::Bytes || groups.len() < metadata.num_row_groups() {
            continue;
        }
        nulls.insert(&column.name, groups.iter().filter_map(|group| group.null_count_opt()).sum());
        let ends = groups.iter().filter_map(|group| ends(group, column.column_type));
        for (low, high) in ends {
            let slot = least.entry(&column.name).or_insert_with(|| low.clone());
            if before(&low, slot) {
                *slot = low;
            }
            let slot = greatest.entry(&column.name).or_insert_with(|| high.clone());
            if before(slot, &high) {
                *slot = high;
            }
        }
    }
    let rows = metadata.file_metadata().num_rows();
    Ok(json!({"numRecords": rows, "minValues": least, "maxValues": greatest, "nullCount": nulls}).to_string())
}

fn before(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left < right,
        _ => left.as_f64() < right.as_f64(),
    }
}

/// Least and greatest value of one row group; none where they are unknown or no finite JSON.
fn ends(statistics: &Statistics, column_type: ColumnType) -> Option<(Value, Value)> {
    let day = |days: i32| -> Option<Value> {
        let epoch = NaiveDate::default();
        let day = match u64::try_from(days) {
            Ok(days) => epoch.checked_add_days(Days::new(days)),
            Err(_) => epoch.checked_sub_days(Days::new(u64::from(days.unsigned_abs()))),
        };
        Some(Value::from(day?.to_string()))
    };
    match statistics {
        Statistics::Int32(values) if column_type == ColumnType::Date => {
            Some((day(*values.min_opt()?)?, day(*values.max_opt()?)?))
        }
        Statistics::Int32(values) => Some((Value::from(*values.min_opt()?), Value::from(*values.max_opt()?))),
        Statistics::Int64(values) => Some((Value::from(*values.min_opt()?), Value::from(*values.max_opt()?))),
        Statistics::Double(values) => {
            let (low, high) = (*values.min_opt()?, *values.max_opt()?);
            (low.is_finite() && high.is_finite()).then(|| (Value::from(low), Value::from(high)))
        }
        Statistics::ByteArray(values) => {
            let text = |bytes: &parquet::data_type::ByteArray| bytes.as_utf8().ok().map(Value::from);
            Some((text(values.min_opt()?)?, text(values.max_opt()?)?))
        }
        _ => None,
    }
}
