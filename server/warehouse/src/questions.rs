//! The built-in questions: one `.sql` file each, with the values that it takes.

use std::collections::HashMap;
use std::path::PathBuf;

use bellwether_schema::catalog;

use crate::{Answer, Copy, Error, Param, Workshop};

macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("questions/", $name, ".sql"))
    };
}

/// Which rows of a sorted answer are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    pub limit: u64,
    pub offset: u64,
}

impl Page {
    /// One row more is asked for, to know whether there is a next page.
    fn params(self) -> [Param; 2] {
        [Param::Integer(self.limit as i64 + 1), Param::Integer(self.offset as i64)]
    }
}

/// A question with its values, which can be answered whole, counted or streamed.
#[derive(Debug, Clone)]
pub struct Question {
    pub(crate) sql: &'static str,
    pub(crate) params: Vec<Param>,
}

/// `kind, id, name, state, vintage, voters` of the districts of a kind and state, where they are given.
pub fn districts(kind: Option<&str>, state: Option<&str>, page: Page) -> Question {
    let mut params = vec![Param::optional(kind), Param::optional(state)];
    params.extend(page.params());
    Question { sql: sql!("districts"), params }
}

/// One district's row; no row where there is none.
pub fn district(copy: &Copy, kind: &str, id: &str) -> Result<Answer, Error> {
    copy.ask(sql!("district"), &[Param::text(kind), Param::text(id)])
}

/// `dimension, value, voters` of a district.
pub fn registration(copy: &Copy, kind: &str, id: &str) -> Result<Answer, Error> {
    copy.ask(sql!("registration"), &[Param::text(kind), Param::text(id)])
}

/// `election, method, voters` of a district.
pub fn turnout(copy: &Copy, kind: &str, id: &str) -> Result<Answer, Error> {
    copy.ask(sql!("turnout"), &[Param::text(kind), Param::text(id)])
}

/// What results are asked for. Without a source, the best one for each contest answers: a data set on the
/// precincts' own outlines before one that is joined to them by code.
#[derive(Debug, Clone, Default)]
pub struct ResultsFilter {
    pub kind: Option<String>,
    pub id: Option<String>,
    pub state: Option<String>,
    pub election: Option<String>,
    pub contest: Option<String>,
    pub source: Option<String>,
    /// Rows by vote mode instead of their sum.
    pub by_mode: bool,
}

/// `kind, district, election, contest, candidate, party, party_raw, votes, mode, method, low, high, source`.
pub fn results(filter: &ResultsFilter, page: Page) -> Question {
    let mut params: Vec<Param> =
        [&filter.kind, &filter.id, &filter.state, &filter.election, &filter.contest, &filter.source]
            .map(|value| Param::optional(value.as_deref()))
            .into();
    params.push(Param::Boolean(filter.by_mode));
    params.extend(page.params());
    Question { sql: sql!("results"), params }
}

/// How many ways touch a rectangle: west, south, east and north in degrees.
pub fn count_streets(copy: &Copy, extent: [f64; 4]) -> Result<u64, Error> {
    let answer = copy.ask(sql!("count_streets"), &extent.map(Param::Double))?;
    Ok(answer.integers("ways").into_iter().flatten().next().unwrap_or(0) as u64)
}

/// `name, street_key, class, lanes, walkable, minor, barrier, geometry` of the ways that touch a rectangle: west, south, east and
/// north in degrees.
pub fn streets(copy: &Copy, [west, south, east, north]: [f64; 4]) -> Result<Answer, Error> {
    let params = [west, south, east, north].map(Param::Double);
    copy.ask(sql!("streets"), &params)
}

/// Well-known binary of a district's outline, in the vintage asked or the newest: `vintage, geometry`.
pub fn boundary(copy: &Copy, kind: &str, id: &str, vintage: Option<i64>) -> Result<Answer, Error> {
    let vintage = vintage.map_or(Param::Null, Param::Integer);
    copy.ask(sql!("boundary"), &[Param::text(kind), Param::text(id), vintage])
}

/// Vintages in which a district's outline is loaded, the newest first.
pub fn vintages(copy: &Copy, kind: &str, id: &str) -> Result<Vec<i64>, Error> {
    let answer = copy.ask(sql!("vintages"), &[Param::text(kind), Param::text(id)])?;
    Ok(answer.integers("vintage").into_iter().flatten().collect())
}

/// `kind, id, vintage` of every district that is known, the newest vintage first.
pub fn lines(copy: &Copy) -> Result<Answer, Error> {
    copy.ask(sql!("lines"), &[])
}

/// `id, name, state, vintage, geometry` of every outline of a kind in its newest vintage, sorted by id.
pub fn outlines(copy: &Copy, kind: &str) -> Result<Answer, Error> {
    copy.ask(sql!("outlines"), &[Param::text(kind)])
}

/// `state, county, new, removed, moved, party_switched` between two releases, whose voters the workshop shows as
/// `voters_before` and `voters_after`.
pub fn release_diff(workshop: &Workshop, page: Page) -> Result<Answer, Error> {
    workshop.ask(sql!("release_diff"), &page.params())
}

/// `state, source, election, contest, candidate, party, precinct, votes` of every contest that can be carried onto
/// other lines; the precinct is null for votes that no outline is loaded for.
pub fn precinct_votes(copy: &Copy) -> Result<Answer, Error> {
    copy.ask(sql!("precinct_votes"), &[])
}

/// How many voters of a state there are, and the day after the last registration among them.
pub fn roll(copy: &Copy, state: &str) -> Result<(u64, Option<String>), Error> {
    let answer = copy.ask(sql!("roll"), &[Param::text(state)])?;
    let voters = answer.integers("voters").into_iter().flatten().next().unwrap_or(0);
    Ok((voters as u64, answer.texts("day").into_iter().flatten().next()))
}

/// The version of a model that is in force.
pub fn model_version(copy: &Copy, state: &str, model: &str) -> Result<Option<i64>, Error> {
    let answer = copy.ask(sql!("model_version"), &[Param::text(state), Param::text(model)])?;
    Ok(answer.integers("version").into_iter().flatten().next())
}

/// The rows in which the electorate has voters of a state, by their ids; who is not known is not there.
pub fn rows_of_voters(copy: &Copy, state: &str, ids: &[&str]) -> Result<HashMap<String, u32>, Error> {
    let answer = copy.ask(sql!("rows_of_voters"), &[Param::text(state), Param::text(ids.join("\n"))])?;
    let pairs = answer.texts("voter_id").into_iter().zip(answer.integers("row"));
    Ok(pairs.filter_map(|(id, row)| Some((id?, row? as u32))).collect())
}

/// `experiment, name, created, drawn_from, design, seal` of experiments, the newest first, or of one.
pub fn experiments(copy: &Copy, id: Option<&str>) -> Result<Answer, Error> {
    copy.ask(sql!("experiments"), &[Param::optional(id)])
}

/// What was known of the people of an experiment, a row an arm.
pub fn arms(copy: &Copy, experiment: &str) -> Result<Answer, Error> {
    copy.ask(sql!("arms"), &[Param::text(experiment)])
}

/// What was measured of the people of an experiment.
pub fn outcome_names(copy: &Copy, experiment: &str) -> Result<Vec<String>, Error> {
    let answer = copy.ask(sql!("outcome_names"), &[Param::text(experiment)])?;
    Ok(answer.texts("outcome").into_iter().flatten().collect())
}

/// `cluster, assigned, value, treated` of the people of an experiment of whom an outcome is known.
pub fn outcome(copy: &Copy, experiment: &str, outcome: &str) -> Result<Answer, Error> {
    copy.ask(sql!("outcomes"), &[Param::text(experiment), Param::text(outcome)])
}

/// The same of participation in an election.
pub fn outcome_of_election(copy: &Copy, experiment: &str, election: &str) -> Result<Answer, Error> {
    copy.ask(sql!("outcome_of_election"), &[Param::text(experiment), Param::text(election)])
}

/// The versions of a state's models that are in force, from the files of the table.
pub fn model_versions(
    workshop: &Workshop,
    files: &[PathBuf],
    state: &str,
) -> Result<HashMap<String, i64>, Error> {
    let table =
        catalog::table("models").ok_or_else(|| Error::BadQuery("the catalog has no models".into()))?;
    workshop.show(table, files)?;
    let answer = workshop.ask(sql!("model_versions"), &[Param::text(state)])?;
    let pairs = answer.texts("model").into_iter().zip(answer.integers("version"));
    Ok(pairs.filter_map(|(model, version)| Some((model?, version?))).collect())
}

/// `sort (city or county), name, state, voters` of every place that voters live in.
pub fn places(copy: &Copy) -> Result<Answer, Error> {
    copy.ask(sql!("places"), &[])
}

/// `population, longitude, latitude` of every point where people live.
pub fn people(copy: &Copy) -> Result<Answer, Error> {
    copy.ask(sql!("people"), &[])
}

/// Everything about one voter, with the row in which the electorate has them; a row a state that knows the id.
pub fn voter(copy: &Copy, id: &str, state: Option<&str>) -> Result<Answer, Error> {
    copy.ask(sql!("voter"), &[Param::text(id), Param::optional(state)])
}

/// `election, election_type, description, voted, method, party` of one voter, the newest first.
pub fn history(copy: &Copy, id: &str, state: &str) -> Result<Answer, Error> {
    copy.ask(sql!("history"), &[Param::text(id), Param::text(state)])
}

/// `county_fips, market_id, market`.
pub fn county_markets(copy: &Copy) -> Result<Answer, Error> {
    copy.ask(sql!("county_markets"), &[])
}
