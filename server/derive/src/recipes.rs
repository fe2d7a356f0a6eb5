//! The recipes: each derived table, what it is made from, and how. Order matters: a recipe may read what those
//! above it made.

use crate::{Bench, Error, places};

/// How one derived table is made.
pub struct Recipe {
    pub table: &'static str,
    pub inputs: &'static [&'static str],
    /// Raised when the recipe changes, so that tables made by the old one are stale.
    pub revision: u32,
    /// Work that SQL cannot do, left in tables of the workshop.
    pub prepare: fn(&Bench) -> Result<(), Error>,
    /// The table's rows.
    pub select: &'static str,
}

fn nothing(_: &Bench) -> Result<(), Error> {
    Ok(())
}

fn number_vote_entries(bench: &Bench) -> Result<(), Error> {
    let outcome = bench.workshop.run(include_str!("sql/votes_cast.sql"));
    outcome.map_err(|cause| Error::Warehouse { table: "district_results", cause })
}

pub const RECIPES: &[Recipe] = &[
    Recipe {
        table: "precinct_districts",
        inputs: &["boundaries"],
        revision: 1,
        prepare: places::share_out_precincts,
        select: "SELECT * FROM precinct_shares ORDER BY kind, precinct_id, district_id",
    },
    Recipe {
        table: "geocodes",
        inputs: &["voters", "addresses", "boundaries"],
        revision: 1,
        prepare: places::find_middles,
        select: include_str!("sql/geocodes.sql"),
    },
    Recipe {
        table: "voter_districts",
        inputs: &["voters", "geocodes", "boundaries", "media_markets"],
        revision: 1,
        prepare: places::locate_geocodes,
        select: include_str!("sql/voter_districts.sql"),
    },
    Recipe {
        table: "crosswalk",
        inputs: &["precinct_districts", "voter_districts", "geocodes", "population_centres", "boundaries"],
        revision: 2,
        prepare: places::locate_people,
        select: include_str!("sql/crosswalk.sql"),
    },
    Recipe {
        table: "districts",
        inputs: &["boundaries", "media_markets", "voter_districts"],
        revision: 1,
        prepare: nothing,
        select: include_str!("sql/districts.sql"),
    },
    Recipe {
        table: "district_registration",
        inputs: &["voters", "voter_districts", "geocodes"],
        revision: 1,
        prepare: nothing,
        select: include_str!("sql/district_registration.sql"),
    },
    Recipe {
        table: "district_turnout",
        inputs: &["voter_history", "voter_districts"],
        revision: 1,
        prepare: nothing,
        select: include_str!("sql/district_turnout.sql"),
    },
    Recipe {
        table: "district_results",
        inputs: &["results", "crosswalk", "boundaries", "media_markets"],
        revision: 3,
        prepare: number_vote_entries,
        select: include_str!("sql/district_results.sql"),
    },
];
