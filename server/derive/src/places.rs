//! The geometric steps: precincts shared out over districts, middles of precincts, districts of coordinates.

use std::collections::BTreeMap;

use bellwether_atlas::{Layer, Outline, shares};
use bellwether_warehouse::Param;

use crate::{Bench, Error};

/// Kinds that are located by outline. Markets follow from counties, states from either.
const LOCATED: [&str; 5] = ["precinct", "county", "congressional", "state_senate", "state_house"];

struct Area {
    id: String,
    state: Option<String>,
    vintage: i64,
}

/// The newest vintage of a kind in every state, in the order of ids: a point on a border belongs to the first.
fn newest(bench: &Bench, kind: &str, table: &'static str) -> Result<(Vec<Area>, Vec<Outline>), Error> {
    outlines(bench, include_str!("sql/newest_boundaries.sql"), kind, table)
}

/// Every precinct that any vintage has, in its newest outline: results and voter files go on naming precincts that
/// newer sets have no more.
fn precincts(bench: &Bench, table: &'static str) -> Result<(Vec<Area>, Vec<Outline>), Error> {
    outlines(bench, include_str!("sql/newest_outlines.sql"), "precinct", table)
}

fn outlines(
    bench: &Bench,
    sql: &str,
    kind: &str,
    table: &'static str,
) -> Result<(Vec<Area>, Vec<Outline>), Error> {
    let answer =
        bench.workshop.ask(sql, &[Param::text(kind)]).map_err(|cause| Error::Warehouse { table, cause })?;
    let mut areas = Vec::new();
    let mut outlines = Vec::new();
    let rows = answer.texts("district_id").into_iter().zip(answer.texts("state"));
    let rows = rows.zip(answer.integers("vintage")).zip(answer.bytes("geometry"));
    for (((id, state), vintage), geometry) in rows {
        let (Some(id), Some(vintage), Some(geometry)) = (id, vintage, geometry) else {
            continue;
        };
        let outline = Outline::from_wkb(&id, &geometry).map_err(|cause| Error::Atlas { table, cause })?;
        areas.push(Area { id, state, vintage });
        outlines.push(outline);
    }
    Ok((areas, outlines))
}

/// Fills `precinct_shares`, in the shape of `precinct_districts`.
pub fn share_out_precincts(bench: &Bench) -> Result<(), Error> {
    const TABLE: &str = "precinct_districts";
    let fail = |cause| Error::Warehouse { table: TABLE, cause };
    bench.workshop.run(include_str!("sql/precinct_shares.sql")).map_err(fail)?;
    let (precincts, outlines) = precincts(bench, TABLE)?;
    for kind in &LOCATED[1..] {
        let (districts, layer) = newest(bench, kind, TABLE)?;
        if districts.is_empty() {
            continue;
        }
        let found = shares(&outlines, &Layer::new(layer));
        let rows = found.iter().map(|share| {
            let (precinct, district) = (&precincts[share.area], &districts[share.district]);
            vec![
                Param::optional(precinct.state.as_deref()),
                Param::text(&precinct.id),
                Param::Integer(precinct.vintage),
                Param::text(*kind),
                Param::text(&district.id),
                Param::Integer(district.vintage),
                Param::Double(share.share),
                Param::text(if share.share == 1.0 { "counted" } else { "area" }),
            ]
        });
        bench.workshop.append("precinct_shares", rows).map_err(fail)?;
    }
    Ok(())
}

/// Fills `people_of_parts`: for every precinct and district the points of population that lie in both.
pub fn locate_people(bench: &Bench) -> Result<(), Error> {
    const TABLE: &str = "crosswalk";
    let fail = |cause| Error::Warehouse { table: TABLE, cause };
    bench.workshop.run(include_str!("sql/people_of_parts.sql")).map_err(fail)?;
    let points = "SELECT population, longitude, latitude FROM population_centres ORDER BY area_id";
    let answer = bench.workshop.ask(points, &[]).map_err(fail)?;
    let column = |name: &str| -> Vec<f64> {
        answer.doubles(name).into_iter().map(Option::unwrap_or_default).collect()
    };
    let (people, longitudes, latitudes) = (column("population"), column("longitude"), column("latitude"));
    if people.is_empty() {
        return Ok(());
    }
    // Precincts of several vintages lie over each other: a point is looked for in each vintage.
    let mut vintages: BTreeMap<i64, (Vec<String>, Vec<Outline>)> = BTreeMap::new();
    let (areas, outlines) = precincts(bench, TABLE)?;
    for (area, outline) in areas.into_iter().zip(outlines) {
        let (ids, outlines) = vintages.entry(area.vintage).or_default();
        ids.push(area.id);
        outlines.push(outline);
    }
    let locate = |outlines| Layer::new(outlines).locate_all(&longitudes, &latitudes);
    let precincts: Vec<(Vec<String>, Vec<Option<u32>>)> =
        vintages.into_values().map(|(ids, outlines)| (ids, locate(outlines))).collect();
    for kind in &LOCATED[1..] {
        let (districts, outlines) = newest(bench, kind, TABLE)?;
        if districts.is_empty() {
            continue;
        }
        let within = locate(outlines);
        for (ids, of_precincts) in &precincts {
            let mut parts: BTreeMap<(u32, u32), (f64, f64)> = BTreeMap::new();
            for (at, people) in people.iter().enumerate() {
                if let (Some(precinct), Some(district)) = (of_precincts[at], within[at]) {
                    let part = parts.entry((precinct, district)).or_default();
                    *part = (part.0 + people, part.1 + 1.0);
                }
            }
            let rows = parts.into_iter().map(|((precinct, district), (people, points))| {
                vec![
                    Param::text(&ids[precinct as usize]),
                    Param::text(*kind),
                    Param::text(&districts[district as usize].id),
                    Param::Double(people),
                    Param::Double(points),
                ]
            });
            bench.workshop.append("people_of_parts", rows).map_err(fail)?;
        }
    }
    Ok(())
}

/// Fills `middles` with a point well within each precinct.
pub fn find_middles(bench: &Bench) -> Result<(), Error> {
    const TABLE: &str = "geocodes";
    let fail = |cause| Error::Warehouse { table: TABLE, cause };
    bench
        .workshop
        .run("CREATE OR REPLACE TABLE middles (precinct_id VARCHAR, longitude DOUBLE, latitude DOUBLE)")
        .map_err(fail)?;
    let (precincts, outlines) = precincts(bench, TABLE)?;
    let rows = precincts.iter().zip(&outlines).filter_map(|(precinct, outline)| {
        let (longitude, latitude) = outline.middle()?;
        Some(vec![Param::text(&precinct.id), Param::Double(longitude), Param::Double(latitude)])
    });
    bench.workshop.append("middles", rows).map_err(fail)
}

/// Fills `located` with the districts of every distinct coordinate of the geocodes.
pub fn locate_geocodes(bench: &Bench) -> Result<(), Error> {
    const TABLE: &str = "voter_districts";
    let fail = |cause| Error::Warehouse { table: TABLE, cause };
    bench.workshop.run(include_str!("sql/places.sql")).map_err(fail)?;
    let answer =
        bench.workshop.ask("SELECT longitude, latitude FROM places ORDER BY place", &[]).map_err(fail)?;
    let column = |name: &str| -> Vec<f64> {
        answer.doubles(name).into_iter().map(|value| value.unwrap_or(f64::NAN)).collect()
    };
    let (longitudes, latitudes) = (column("longitude"), column("latitude"));
    let mut found: BTreeMap<&str, (Vec<Area>, Vec<Option<u32>>)> = BTreeMap::new();
    for kind in LOCATED {
        let (areas, outlines) = newest(bench, kind, TABLE)?;
        let located = match areas.is_empty() {
            true => vec![None; longitudes.len()],
            false => Layer::new(outlines).locate_all(&longitudes, &latitudes),
        };
        found.insert(kind, (areas, located));
    }
    let rows = (0..longitudes.len()).map(|place| {
        let mut row = vec![Param::Integer(place as i64)];
        for kind in LOCATED {
            let (areas, located) = &found[kind];
            row.push(Param::optional(located[place].map(|index| areas[index as usize].id.as_str())));
        }
        row
    });
    bench.workshop.append("located", rows).map_err(fail)
}
