//! What was delivered since a release was loaded: contacts and ballots, matched to the rows of the electorate, and what
//! posts are about.

use bellwether_electorate::{Electorate, Happening};
use bellwether_schema::ids::Kind;
use duckdb::arrow::array::AsArray;
use duckdb::arrow::datatypes::Int64Type;
use duckdb::arrow::record_batch::RecordBatch;

use crate::live::Live;
use crate::members::{integer, texts};
use crate::session::each_batch;
use crate::{Answer, Copy, Error, Param};

/// Begins the names of the tables of contacts.
const CONTACTS: &str = "event_contact_";
const BALLOTS: &str = "event_ballot_returned";

impl Copy {
    /// Tells an electorate of every contact and ballot that has landed in the live tables. Time grows with them.
    pub fn tell_what_happened(&self, electorate: &Electorate, live: &Live) -> Result<(), Error> {
        let names = live.names();
        for name in names.iter().filter(|name| name.starts_with(CONTACTS)) {
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
        if names.contains(&BALLOTS) {
            self.each_live(include_str!("questions/live_ballots.sql"), live, |batch| {
                let rows = batch.column_by_name("row");
                let (election, status) = (texts(batch, "election"), texts(batch, "status"));
                let times =
                    batch.column_by_name("at").and_then(|array| array.as_primitive_opt::<Int64Type>());
                electorate.happened((0..batch.num_rows()).filter_map(|place| {
                    let row = integer(rows, place)? as u32;
                    let (election, at) = (election(place)?, times?.value(place));
                    Some((row, Happening::Ballot { election, status: status(place), at }))
                }));
            })?;
        }
        Ok(())
    }

    /// What posts are about, from a day on and before another: `topic, day, posts, authors, tone`, expected numbers where
    /// a district is asked for. The empty topic stands for all posts, a null day for all days.
    pub fn topics(
        &self,
        live: &Live,
        district: Option<(Kind, &str)>,
        days: [&str; 2],
    ) -> Result<Answer, Error> {
        let posts = match district {
            Some((kind, _)) => {
                include_str!("questions/topics_in_district.sql").replace("{kind}", kind.name())
            }
            None => include_str!("questions/topics_everywhere.sql").to_string(),
        };
        let sql = include_str!("questions/topics.sql").replace("{posts}", &posts);
        let mut params = days.map(Param::text).to_vec();
        params.extend(district.map(|(_, id)| Param::text(id)));
        let mut answer = Answer::default();
        self.sql().with(|connection| {
            live.show(connection, &sql)?;
            each_batch(connection, &sql, &params, |schema, batch| answer.take(schema, batch))
                .map_err(Error::engine("read what posts are about"))
        })?;
        Ok(answer)
    }

    fn each_live(&self, sql: &str, live: &Live, mut take: impl FnMut(&RecordBatch)) -> Result<(), Error> {
        self.sql().with(|connection| {
            live.show(connection, sql)?;
            each_batch(connection, sql, &[], |_, batch| {
                batch.iter().for_each(&mut take);
                true
            })
            .map_err(Error::engine("read what was delivered"))
        })
    }

    /// The rows of voters who are named by their ids and, where it is known, the state that keeps the record: the place in
    /// the list and the row. Who is not known is not there; an id without a state may be that of several.
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
        Ok(pairs.filter_map(|(place, row)| Some((place? as usize, row? as u32))).collect())
    }
}
