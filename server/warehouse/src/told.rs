//! Contacts that were delivered since the release was loaded, put beside those that it holds for questions about both.

use duckdb::Connection;

use crate::copy::quote;
use crate::live::{Live, LiveTable};
use crate::session::ask_on;
use crate::{Copy, Error, Param};

/// Gives the live tables as they are just now: asked again where a file went while it was read.
pub type LiveTables<'a> = &'a dyn Fn() -> Live;

/// How often the live tables are asked again.
const TRIES: usize = 10;
/// Begins the names of the tables of contacts.
pub(crate) const CONTACTS: &str = "event_contact_";

/// The tables of contacts that name voters and results: a type of somebody's own may be named like one and say nothing.
pub(crate) fn contact_tables(live: &Live) -> impl Iterator<Item = &LiveTable> {
    live.tables.iter().filter(|table| {
        let has = |column: &&str| table.shown.column(column).is_some();
        table.shown.name.starts_with(CONTACTS) && ["voter_id", "state", "result"].iter().all(has)
    })
}

/// Makes `told_contacts` on a connection: `state, voter_id, contacted_on, result, support` of what was delivered of a state's voters.
pub(crate) fn put(connection: &Connection, live: Option<LiveTables>, state: &str) -> Result<(), Error> {
    let create = "CREATE OR REPLACE TEMP TABLE told_contacts (state VARCHAR, voter_id VARCHAR, contacted_on DATE, result VARCHAR, support BIGINT)";
    let mut left = TRIES;
    loop {
        connection.execute_batch(create).map_err(Error::engine("make room for contacts"))?;
        let Some(live) = live else { return Ok(()) };
        match fill(connection, &live(), state) {
            Err(Error::Moved) if left > 0 => left -= 1,
            outcome => return outcome,
        }
    }
}

fn fill(connection: &Connection, live: &Live, state: &str) -> Result<(), Error> {
    for table in contact_tables(live) {
        let support = match table.shown.column("support") {
            Some(_) => "TRY_CAST(e.support AS BIGINT)",
            None => "NULL",
        };
        let name = &table.shown.name;
        let sql = include_str!("questions/told_contacts.sql")
            .replace("{table}", name)
            .replace("{support}", support);
        let sql = sql.replace("{state}", &quote(&state.to_uppercase()));
        live.show(connection, &sql)?;
        connection.execute_batch(&sql).map_err(Error::live("read the contacts that were delivered"))?;
    }
    Ok(())
}

/// Drops what was put there: connections are used again.
pub(crate) fn clear(connection: &Connection) {
    let _ = connection.execute_batch("DROP TABLE IF EXISTS told_contacts");
}

impl Copy {
    /// What voters of a state last answered when they were asked for support, from a day on and before another: 0 or 1.
    pub fn answers(
        &self,
        state: &str,
        from: &str,
        to: Option<&str>,
        live: Option<LiveTables>,
    ) -> Result<Vec<(String, f64)>, Error> {
        let params = [Param::text(state), Param::text(from), Param::optional(to)];
        let answer = self.questions().with(|connection| {
            put(connection, live, state)?;
            let answer = ask_on(connection, include_str!("questions/answers.sql"), &params);
            clear(connection);
            answer
        })?;
        let pairs = answer.texts("voter_id").into_iter().zip(answer.doubles("answer"));
        Ok(pairs.filter_map(|(id, answer)| Some((id?, answer?))).collect())
    }
}
