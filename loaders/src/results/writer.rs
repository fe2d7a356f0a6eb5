//! The four result tables of each data set.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_schema::{catalog, ids};

use crate::columns::ParquetTable;
use crate::convert::date_text;
use crate::{Error, Options, StagedTable};

/// What contest a row belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contest {
    /// Day number of the election.
    pub day: i32,
    pub election_type: String,
    pub contest: String,
    pub office: String,
    pub office_raw: String,
    pub district_id: Option<String>,
}

/// One row of results.
pub struct Votes<'a> {
    pub contest: &'a Contest,
    pub county_fips: Option<&'a str>,
    pub precinct_raw: &'a str,
    pub precinct_id: Option<&'a str>,
    /// Congressional, state senate and state house district that the precinct's code names.
    pub named: [Option<&'a str>; 3],
    pub mode: &'a str,
    pub candidate: &'a str,
    pub party: &'a str,
    pub party_raw: &'a str,
    pub writein: bool,
    pub votes: f64,
}

/// Writers of every data set that the files hold.
pub struct Writers<'a> {
    options: &'a Options,
    sets: BTreeMap<(String, String), DataSet>,
    /// Rows with negative votes.
    pub negative: u64,
}

struct DataSet {
    results: ParquetTable,
    columns: [usize; 13],
    contests: BTreeSet<Contest>,
    /// (election, contest, candidate, party, party_raw) with whether it is a write-in.
    candidates: BTreeMap<[String; 5], bool>,
}

const COLUMNS: [&str; 13] = [
    "election",
    "contest",
    "county_fips",
    "precinct_raw",
    "precinct_id",
    "mode",
    "candidate",
    "party",
    "party_raw",
    "votes",
    "congressional_named",
    "state_senate_named",
    "state_house_named",
];

impl<'a> Writers<'a> {
    pub fn new(options: &'a Options) -> Writers<'a> {
        Writers { options, sets: BTreeMap::new(), negative: 0 }
    }

    pub fn add(&mut self, state: &str, source: &str, row: &Votes) -> Result<(), Error> {
        self.negative += u64::from(row.votes < 0.0);
        let key = (state.to_string(), source.to_string());
        if !self.sets.contains_key(&key) {
            let set = DataSet::create(self.options, state, source)?;
            self.sets.insert(key.clone(), set);
        }
        let set = self.sets.get_mut(&key).expect("the data set was just made");
        let election = election(row.contest);
        if !set.contests.contains(row.contest) {
            set.contests.insert(row.contest.clone());
        }
        let [at_election, at_contest, county, raw, id, mode, candidate, party, party_raw, votes, cd, sd, hd] =
            set.columns;
        let results = &mut set.results;
        results.text(at_election, &election);
        results.text(at_contest, &row.contest.contest);
        results.optional_text(county, row.county_fips);
        results.text(raw, row.precinct_raw);
        results.optional_text(id, row.precinct_id);
        results.text(mode, row.mode);
        results.text(candidate, row.candidate);
        results.text(party, row.party);
        results.text(party_raw, row.party_raw);
        results.double(votes, Some(row.votes));
        for (column, named) in [cd, sd, hd].into_iter().zip(row.named) {
            results.optional_text(column, named);
        }
        results.end_row()?;
        let candidate = [
            election,
            row.contest.contest.clone(),
            row.candidate.into(),
            row.party.into(),
            row.party_raw.into(),
        ];
        *set.candidates.entry(candidate).or_default() |= row.writein;
        Ok(())
    }

    pub fn finish(self) -> Result<Vec<StagedTable>, Error> {
        let mut staged = Vec::new();
        for ((state, source), set) in self.sets {
            let partition = vec![state.clone(), source.clone()];
            let create = |table: &str| {
                let path = self.options.staging.join(format!("{table}-{state}-{source}.parquet"));
                ParquetTable::create_whole(
                    catalog::table(table).expect("the catalog has every loader's table"),
                    path,
                )
            };
            let mut elections = create("elections")?;
            let days: BTreeSet<(i32, &str)> =
                set.contests.iter().map(|contest| (contest.day, contest.election_type.as_str())).collect();
            for (day, election_type) in days {
                let date = date_text(day);
                elections.text(elections.position("election"), &ids::election_id(&date, election_type));
                elections.integer(elections.position("election_date"), Some(day));
                elections.text(elections.position("election_type"), election_type);
                elections.end_row()?;
            }
            let mut contests = create("contests")?;
            for contest in &set.contests {
                contests.text(contests.position("election"), &election(contest));
                contests.text(contests.position("contest"), &contest.contest);
                contests.text(contests.position("office"), &contest.office);
                contests.text(contests.position("office_raw"), &contest.office_raw);
                contests.optional_text(contests.position("district_id"), contest.district_id.as_deref());
                contests.end_row()?;
            }
            let mut candidates = create("candidates")?;
            for (values, writein) in &set.candidates {
                for (column, value) in
                    ["election", "contest", "candidate", "party", "party_raw"].iter().zip(values)
                {
                    candidates.text(candidates.position(column), value);
                }
                candidates.boolean(candidates.position("writein"), Some(*writein));
                candidates.end_row()?;
            }
            for (table, writer) in [
                ("elections", elections),
                ("contests", contests),
                ("candidates", candidates),
                ("results", set.results),
            ] {
                let files = writer.finish()?.into_iter().collect();
                staged.push(StagedTable { table: table.into(), partition: partition.clone(), files });
            }
        }
        Ok(staged)
    }
}

impl DataSet {
    fn create(options: &Options, state: &str, source: &str) -> Result<DataSet, Error> {
        let table = catalog::table("results").expect("the catalog has every loader's table");
        let path = options.staging.join(format!("results-{state}-{source}.parquet"));
        let results = ParquetTable::create_whole(table, path)?;
        let columns = COLUMNS.map(|name| results.position(name));
        Ok(DataSet { results, columns, contests: BTreeSet::new(), candidates: BTreeMap::new() })
    }
}

fn election(contest: &Contest) -> String {
    ids::election_id(&date_text(contest.day), &contest.election_type)
}
