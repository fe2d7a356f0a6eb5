//! What was delivered since a release was loaded: contacts and ballots, matched to the rows of the electorate.

use bellwether_electorate::{Electorate, Happening};
use duckdb::arrow::array::AsArray;
use duckdb::arrow::datatypes::Int64Type;
use duckdb::arrow::record_batch::RecordBatch;

use crate::live::Live;
use crate::members::{integer, texts};
use crate::session::each_batch;
use crate::told::contact_tables;
use crate::{Copy, Error, Param};

const BALLOTS: &str = "event_ballot_returned";
const WISHES: &str = "event_voter_preference";
/// The word of those who want to be left alone.
pub const LEAVE_ALONE: &str = "do_not_contact";

impl Copy {
    /// Tells an electorate of every contact and ballot that has landed in the live tables. Time grows with them.
    pub fn tell_what_happened(&self, electorate: &Electorate, live: &Live) -> Result<(), Error> {
        let has = |name: &str, columns: &[&str]| {
            let table = live.tables.iter().map(|table| &table.shown).find(|table| table.name == name);
            table.is_some_and(|table| columns.iter().all(|column| table.column(column).is_some()))
        };
        for name in contact_tables(live).map(|table| &table.shown.name) {
            let sql = include_str!("questions/live_contacts.sql").replace("{table}", name);
            self.each_live(&sql, live, |batch| {
                let (rows, days) = (batch.column_by_name("row"), batch.column_by_name("day"));
                let result = texts(batch, "result");
                electorate.happened((0..batch.num_rows()).filter_map(|at| {
                    let (row, day) = (integer(rows, at)?, integer(days, at)?);
                    Some((row as u32, Happening::Contact { result: result(at)?, day: day as i32 }))
                }));
            })?;
        }
        if has(WISHES, &["voter_id", "state", "contact"]) {
            self.each_live(include_str!("questions/live_wishes.sql"), live, |batch| {
                let rows = batch.column_by_name("row");
                let wish = texts(batch, "contact");
                let times =
                    batch.column_by_name("at").and_then(|array| array.as_primitive_opt::<Int64Type>());
                electorate.happened((0..batch.num_rows()).filter_map(|place| {
                    let leave_alone = wish(place)? == LEAVE_ALONE;
                    Some((
                        integer(rows, place)? as u32,
                        Happening::Wish { leave_alone, at: times?.value(place) },
                    ))
                }));
            })?;
        }
        if has(BALLOTS, &["voter_id", "state", "election", "status"]) {
            self.each_live(include_str!("questions/live_ballots.sql"), live, |batch| {
                let rows = batch.column_by_name("row");
                let (election, status) = (texts(batch, "election"), texts(batch, "status"));
                let times = |name: &str| {
                    batch.column_by_name(name).and_then(|array| array.as_primitive_opt::<Int64Type>())
                };
                let (times, told) = (times("at"), times("told"));
                electorate.happened((0..batch.num_rows()).filter_map(|place| {
                    let row = integer(rows, place)? as u32;
                    let (election, at) = (election(place)?, (times?.value(place), told?.value(place)));
                    Some((row, Happening::Ballot { election, status: status(place), at }))
                }));
            })?;
        }
        Ok(())
    }

    /// Reads what was recorded on door lists: list, state, voter, result, answers as JSON, moment in microseconds since 1970.
    pub fn walked(
        &self,
        live: &Live,
        mut take: impl FnMut(&str, (&str, &str), &str, Option<&str>, i64),
    ) -> Result<(), Error> {
        self.each_live(include_str!("questions/walked.sql"), live, |batch| {
            let [list, voter, state, result, answers] =
                ["list_id", "voter_id", "state", "result", "answers"].map(|name| texts(batch, name));
            let at = batch.column_by_name("at");
            for row in 0..batch.num_rows() {
                if let (Some(list), Some(voter), Some(result), Some(moment)) =
                    (list(row), voter(row), result(row), integer(at, row))
                {
                    take(list, (state(row).unwrap_or(""), voter), result, answers(row), moment);
                }
            }
        })
    }

    /// Reads what canvassers found to be different: state, voter, report, details as JSON, moment.
    pub fn door_reports(
        &self,
        live: &Live,
        mut take: impl FnMut((&str, &str), &str, Option<&str>, i64),
    ) -> Result<(), Error> {
        self.each_live(include_str!("questions/door_reports.sql"), live, |batch| {
            let [voter, state, report, details] =
                ["voter_id", "state", "report", "details"].map(|name| texts(batch, name));
            let at = batch.column_by_name("at");
            for row in 0..batch.num_rows() {
                if let (Some(voter), Some(report), Some(moment)) = (voter(row), report(row), integer(at, row))
                {
                    take((state(row).unwrap_or(""), voter), report, details(row), moment);
                }
            }
        })
    }

    fn each_live(&self, sql: &str, live: &Live, mut take: impl FnMut(&RecordBatch)) -> Result<(), Error> {
        self.sql().with(|connection| {
            live.show(connection, sql)?;
            each_batch(connection, sql, &[], |_, batch| {
                batch.iter().for_each(&mut take);
                true
            })
            .map_err(Error::live("read what was delivered"))
        })
    }

    /// The rows of voters who are named by their ids and, where it is known, the state that keeps the record: the place in
    /// the list and the row. Who is not known is not there, nor is an id without a state that several states know.
    pub fn rows_of(&self, named: &[(&str, Option<&str>)]) -> Result<Vec<(usize, u32)>, Error> {
        let fits = |text: &str| !text.contains('\n');
        let named = named.iter().map(|(id, state)| match fits(id) && state.is_none_or(fits) {
            true => (*id, state.unwrap_or_default()),
            false => ("", ""),
        });
        let (ids, states): (Vec<&str>, Vec<&str>) = named.unzip();
        let params =
            [Param::text(ids.join("\n")), Param::text(states.join("\n")), Param::Integer(ids.len() as i64)];
        let answer = self.ask(include_str!("questions/rows_of.sql"), &params)?;
        let pairs = answer.integers("place").into_iter().zip(answer.integers("row"));
        let mut rows: Vec<(usize, u32)> =
            pairs.filter_map(|(place, row)| Some((place? as usize, row? as u32))).collect();
        rows.sort_unstable();
        let places: Vec<usize> = rows.iter().map(|(place, _)| *place).collect();
        let is_one =
            |at: usize| (at == 0 || places[at - 1] != places[at]) && places.get(at + 1) != Some(&places[at]);
        Ok(rows.iter().enumerate().filter(|(at, _)| is_one(*at)).map(|(_, row)| *row).collect())
    }
}
