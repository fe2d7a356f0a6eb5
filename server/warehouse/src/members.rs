//! The members table of the serving copy: every voter with districts and coordinate in one row, in the order in which
//! the electorate stands in memory, so that a row number means the same in both.

use bellwether_electorate::{ARMS, Builder, Electorate, Row};
use bellwether_schema::catalog::{self, Table};
use duckdb::arrow::array::{Array, ArrayRef, AsArray};
use duckdb::arrow::datatypes::{Date32Type, Float64Type, Int32Type, Int64Type};
use duckdb::arrow::record_batch::RecordBatch;

use crate::copy::scan;
use crate::session::each_batch;
use crate::{Copy, Error, SourceTable};

/// Tables that the members table stands for; the copy shows them as views of it.
pub(crate) const MERGED: [&str; 3] = ["voters", "voter_districts", "geocodes"];

/// Columns of the members table beside those of the voters.
const PLACED: &str = "precinct, county, congressional, state_senate, state_house, media_market, disagrees, \
                      longitude, latitude, quality, placed, age";

/// Statements that make the members table and the views.
pub(crate) fn create(sources: &[SourceTable]) -> String {
    let scanned = |name: &str| {
        let table = catalog::table(name);
        let files = sources.iter().find(|source| source.table.name == name);
        table.map_or(String::new(), |table| scan(table, files.map_or(&[], |source| &source.files)))
    };
    let sql = include_str!("questions/members.sql")
        .replace("{voters}", &scanned("voters"))
        .replace("{voter_districts}", &scanned("voter_districts"))
        .replace("{geocodes}", &scanned("geocodes"))
        .replace("{columns}", &names(catalog::table("voters"), "v."))
        .replace("{members}", &format!("{}, {PLACED}", names(catalog::table("voters"), "")));
    let view = |name: &str, rows: &str| {
        format!("CREATE VIEW {name} AS SELECT {} FROM members{rows};", names(catalog::table(name), ""))
    };
    let placed = " WHERE placed";
    [sql, view("voters", ""), view("voter_districts", placed), view("geocodes", placed)].join("\n")
}

fn names(table: Option<&Table>, of: &str) -> String {
    let columns = table.into_iter().flat_map(|table| &table.columns);
    columns.map(|column| format!("{of}{}", column.name)).collect::<Vec<_>>().join(", ")
}

/// A column of texts.
pub(crate) fn texts<'a>(batch: &'a RecordBatch, name: &str) -> impl Fn(usize) -> Option<&'a str> + use<'a> {
    let array = batch.column_by_name(name).and_then(|array| array.as_string_opt::<i32>());
    move |row| array.filter(|array| !array.is_null(row)).map(|array| array.value(row))
}

pub(crate) fn integer(array: Option<&ArrayRef>, row: usize) -> Option<i64> {
    let array = array.filter(|array| !array.is_null(row))?;
    let days = || array.as_primitive_opt::<Date32Type>().map(|array| i64::from(array.value(row)));
    let narrow = || array.as_primitive_opt::<Int32Type>().map(|array| i64::from(array.value(row)));
    array.as_primitive_opt::<Int64Type>().map(|array| array.value(row)).or_else(narrow).or_else(days)
}

impl Copy {
    /// The electorate of the release, read in the order of the members table.
    pub fn electorate(&self) -> Result<Electorate, Error> {
        self.questions().with(|connection| {
            let engine = Error::engine("read the electorate");
            let today = self.day_of_release(connection)?;
            let mut builder = Builder::new(today);
            let mut expected = 0;
            let mut ordered = true;
            each_batch(connection, include_str!("questions/electorate.sql"), &[], |_, batch| {
                let Some(batch) = batch else { return true };
                ordered &= push(&mut builder, &batch, &mut expected);
                ordered
            })
            .map_err(engine)?;
            if !ordered {
                return Err(Error::BadQuery("the members table is not read in its order".into()));
            }
            each_batch(connection, include_str!("questions/participation.sql"), &[], |_, batch| {
                let Some(batch) = batch else { return true };
                let election = texts(&batch, "election");
                let rows = batch.column_by_name("row");
                for at in 0..batch.num_rows() {
                    if let (Some(election), Some(row)) = (election(at), integer(rows, at)) {
                        builder.took_part(election, row as u32);
                    }
                }
                true
            })
            .map_err(Error::engine("read the participation"))?;
            each_batch(connection, include_str!("questions/scores.sql"), &[], |_, batch| {
                let Some(batch) = batch else { return true };
                let (model, rows) = (texts(&batch, "model"), batch.column_by_name("row"));
                let scores = batch.column_by_name("score");
                let scores = scores.and_then(|array| array.as_primitive_opt::<Float64Type>());
                for at in 0..batch.num_rows() {
                    if let (Some(model), Some(row), Some(scores)) = (model(at), integer(rows, at), scores) {
                        builder.scored(model, row as u32, scores.value(at) as f32);
                    }
                }
                true
            })
            .map_err(Error::engine("read the scores"))?;
            each_batch(connection, include_str!("questions/contacts.sql"), &[], |_, batch| {
                let Some(batch) = batch else { return true };
                let (result, rows) = (texts(&batch, "result"), batch.column_by_name("row"));
                let days = batch.column_by_name("contacted_on");
                for at in 0..batch.num_rows() {
                    if let (Some(result), Some(row), Some(day)) =
                        (result(at), integer(rows, at), integer(days, at))
                    {
                        builder.contacted(row as u32, result, day as i32);
                    }
                }
                true
            })
            .map_err(Error::engine("read the contacts"))?;
            each_batch(connection, include_str!("questions/assignments.sql"), &[], |_, batch| {
                let Some(batch) = batch else { return true };
                let (experiment, arm) = (texts(&batch, "experiment"), texts(&batch, "arm"));
                let rows = batch.column_by_name("row");
                for at in 0..batch.num_rows() {
                    let arm = ARMS.iter().position(|name| arm(at) == Some(name));
                    if let (Some(experiment), Some(arm), Some(row)) = (experiment(at), arm, integer(rows, at))
                    {
                        builder.drawn(experiment, arm, row as u32);
                    }
                }
                true
            })
            .map_err(Error::engine("read the experiments"))?;
            Ok(builder.finish())
        })
    }

    fn day_of_release(&self, connection: &duckdb::Connection) -> Result<i32, Error> {
        let days = connection.query_row("SELECT day FROM release", [], |row| row.get::<_, i32>(0));
        days.map_err(Error::engine("read the day of the release"))
    }
}

/// Adds the rows of a batch. False where they do not follow each other.
fn push(builder: &mut Builder, batch: &RecordBatch, expected: &mut i64) -> bool {
    let districts =
        ["state", "county", "congressional", "state_senate", "state_house", "precinct", "media_market"]
            .map(|name| texts(batch, name));
    let fields = bellwether_electorate::TEXT_FIELDS.map(|name| texts(batch, name));
    let numbers = bellwether_electorate::NUMBER_FIELDS.map(|name| batch.column_by_name(name));
    let days = bellwether_electorate::DAY_FIELDS.map(|name| batch.column_by_name(name));
    let (door, unit, phone) = (texts(batch, "door"), texts(batch, "unit"), texts(batch, "phone"));
    let degrees =
        |name: &str| batch.column_by_name(name).and_then(|array| array.as_primitive_opt::<Float64Type>());
    let (longitude, latitude) = (degrees("longitude"), degrees("latitude"));
    let rows = batch.column_by_name("row");
    let id = texts(batch, "voter_id");
    for at in 0..batch.num_rows() {
        if integer(rows, at) != Some(*expected) {
            return false;
        }
        *expected += 1;
        let point = longitude.zip(latitude).filter(|(longitude, _)| !longitude.is_null(at));
        builder.push(&Row {
            districts: std::array::from_fn(|kind| districts[kind](at)),
            texts: std::array::from_fn(|field| fields[field](at)),
            numbers: numbers.map(|array| integer(array, at)),
            days: days.map(|array| integer(array, at)),
            door: door(at),
            unit: unit(at),
            phone: phone(at),
            id: id(at).unwrap_or_default(),
            point: point.map(|(longitude, latitude)| [longitude.value(at), latitude.value(at)]),
        });
    }
    true
}
