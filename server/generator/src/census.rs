//! What a census would say of the fictional state: people by precinct, and where they live.

use std::path::Path;

use bellwether_schema::layout::Layout;
use geo_types::MultiPolygon;

use crate::invent::{COUNTIES, Precinct};
use crate::lattice::Lattice;
use crate::{Error, write_failed};

/// Everyone and those of voting age, by race, in the form of ALARM's VTD files.
pub fn write_population(file: &Path, layout: &Layout, precincts: &[Precinct]) -> Result<(), Error> {
    let mut text = String::from("GEOID20,state,county,vtd");
    let parts = ["", "_hisp", "_white", "_black", "_aian", "_asian", "_nhpi", "_other", "_two"];
    for prefix in ["pop", "vap"] {
        parts.iter().for_each(|part| text.push_str(&format!(",{prefix}{part}")));
    }
    text.push('\n');
    for precinct in precincts {
        let county = COUNTIES[precinct.county - 1];
        text.push_str(&format!("{},{},{county} County,{}", precinct.id, layout.state, &precinct.id[5..]));
        for grown in [1.28, 1.0] {
            let races = precinct.races.map(|count| (count * grown).round());
            text.push_str(&format!(",{}", races.iter().sum::<f64>()));
            races.iter().for_each(|count| text.push_str(&format!(",{count}")));
        }
        text.push('\n');
    }
    std::fs::write(file, text).map_err(write_failed(file))
}

/// Two block groups a precinct, with their centres of population.
pub fn write_centres(file: &Path, lattice: &Lattice, precincts: &[Precinct]) -> Result<(), Error> {
    let mut text = String::from("STATEFP,COUNTYFP,TRACTCE,BLKGRPCE,POPULATION,LATITUDE,LONGITUDE\n");
    for precinct in precincts {
        let shape = lattice.outline(|x, y| (x, y) == (precinct.x, precinct.y));
        let people = (precinct.adults * 1.28).round();
        let most = (people * (0.5 + 0.3 * (precinct.turnout - 0.6))).round();
        for (group, people, place) in [(1, most, 0.3), (2, people - most, 0.7)] {
            let (longitude, latitude) = between(&shape, place);
            let (state, tract) = (&precinct.id[..2], precinct.number);
            let county = precinct.county_code();
            text.push_str(&format!(
                "{state},{county},{tract:06},{group},{people},{latitude:+.6},{longitude:+011.6}\n"
            ));
        }
    }
    std::fs::write(file, text).map_err(write_failed(file))
}

/// The place at a fraction of the way from the south-west to the north-east of a shape's box.
fn between(shape: &MultiPolygon<f64>, fraction: f64) -> (f64, f64) {
    let all = shape.0.iter().flat_map(|polygon| polygon.exterior().0.iter());
    let (mut low, mut high) = ([f64::MAX; 2], [f64::MIN; 2]);
    for point in all {
        for (at, value) in [point.x, point.y].into_iter().enumerate() {
            (low[at], high[at]) = (low[at].min(value), high[at].max(value));
        }
    }
    let at = |axis: usize| low[axis] + (high[axis] - low[axis]) * fraction;
    (at(0), at(1))
}
