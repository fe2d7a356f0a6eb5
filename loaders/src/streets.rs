//! Street networks: OpenStreetMap extracts (`.osm.pbf`), from which come the ways that can be walked and the lines that
//! nobody crosses on foot.
//!
//! An extract is read once for its ways and then, for as many ways at a time as memory is given for, once for the places of
//! their nodes: memory does not grow with the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bellwether_schema::catalog;
use geo_types::{Coord, LineString};
use osmpbf::{Element, ElementReader};
use wkb::writer::{WriteOptions, write_line_string};

use crate::columns::{ParquetTable, failed};
use crate::normalise::match_key;
use crate::report::Reject;
use crate::{Error, Options, Progress, Report, Staged, StagedTable, source};

/// Nodes of ways that are in memory at a time, 28 bytes each.
const NODES_AT_A_TIME: usize = 16 << 20;

/// What a way is to somebody on foot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Meaning {
    class: &'static str,
    walkable: bool,
    minor: bool,
    barrier: bool,
}

/// A way that is worth keeping.
struct Way {
    id: i64,
    /// Its number among the ways of the file, from 1.
    number: u64,
    meaning: Meaning,
    name: String,
    lanes: Option<i32>,
    nodes: Vec<i64>,
}

/// Streets, whose houses are on them.
const STREETS: [&str; 12] = [
    "trunk",
    "trunk_link",
    "primary",
    "primary_link",
    "secondary",
    "secondary_link",
    "tertiary",
    "tertiary_link",
    "unclassified",
    "residential",
    "living_street",
    "pedestrian",
];
/// Ways beside or behind streets.
const MINOR: [&str; 9] =
    ["road", "service", "footway", "path", "cycleway", "steps", "track", "bridleway", "platform"];
/// Ways for fast traffic, and what else stops a walker.
const FAST: [&str; 2] = ["motorway", "motorway_link"];
const RAILWAYS: [&str; 4] = ["rail", "light_rail", "subway", "narrow_gauge"];
const WATER: [&str; 2] = ["river", "canal"];
const SHORES: [&str; 2] = ["water", "coastline"];

/// Loads extracts into `streets`. An extract replaces what was loaded from one of the same name before.
pub fn load(paths: &[PathBuf], options: &Options, progress: &Arc<Progress>) -> Result<Staged, Error> {
    let started = Instant::now();
    let table = catalog::table("streets").expect("the catalog has every loader's table");
    let mut report = Report { files: options.sources.clone(), ..Report::default() };
    let mut tables = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        let mut writer =
            ParquetTable::create_whole(table, options.staging.join(format!("streets-{number:04}.parquet")))?;
        let mut done = 0;
        loop {
            let (ways, more) = ways_of(path, done, NODES_AT_A_TIME, progress)?;
            if ways.is_empty() && done == 0 {
                let detail = "it holds no street, path, railway or river".to_string();
                return Err(Error::WrongLayout { file: source::name(path), detail });
            }
            done = ways.last().map_or(done, |way| way.number);
            write(path, ways, &mut writer, &mut report, progress)?;
            if !more {
                break;
            }
        }
        let files = writer.finish()?.into_iter().collect();
        tables.push(StagedTable { table: table.name.clone(), partition: vec![source::stem(path)], files });
    }
    report.finish(options, started)?;
    Ok(Staged { tables, report })
}

/// Reads an extract from its beginning.
fn each_element(
    path: &Path,
    progress: &Arc<Progress>,
    each: impl Fn(Element<'_>) -> u64 + Sync + Send,
) -> Result<u64, Error> {
    let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    progress.bytes_total.fetch_add(bytes, Ordering::Relaxed);
    let text = source::open(path, &[], progress)?.pop().expect("a file is one text");
    let file = text.name;
    let reader = ElementReader::new(text.reader);
    let read = reader.par_map_reduce(each, || 0, |one, other| one + other);
    read.map_err(|error| Error::Damaged { file, detail: format!("not an OpenStreetMap extract: {error}") })
}

/// The next ways of an extract behind so many, in their order, up to about so many nodes; and whether there are more.
fn ways_of(
    path: &Path,
    done: u64,
    most_nodes: usize,
    progress: &Arc<Progress>,
) -> Result<(Vec<Way>, bool), Error> {
    let text = source::open(path, &[], progress)?.pop().expect("a file is one text");
    let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    progress.bytes_total.fetch_add(bytes, Ordering::Relaxed);
    let file = text.name;
    let (mut ways, mut nodes, mut number, mut more) = (Vec::new(), 0, 0u64, false);
    let read = ElementReader::new(text.reader).for_each(|element| {
        let Element::Way(way) = element else { return };
        number += 1;
        if number <= done || more {
            return;
        }
        let Some(meaning) = meaning_of(way.tags()) else { return };
        if nodes >= most_nodes {
            more = true;
            return;
        }
        let tag = |key: &str| way.tags().find(|(name, _)| *name == key).map(|(_, value)| value.to_string());
        let refs: Vec<i64> = way.refs().collect();
        // A way takes some room beside its nodes.
        nodes += refs.len() + 8;
        ways.push(Way {
            id: way.id(),
            number,
            meaning,
            name: tag("name").unwrap_or_default(),
            lanes: tag("lanes").and_then(|lanes| lanes.parse().ok()).filter(|lanes| (1..=20).contains(lanes)),
            nodes: refs,
        });
    });
    read.map_err(|error| Error::Damaged { file, detail: format!("not an OpenStreetMap extract: {error}") })?;
    Ok((ways, more))
}

/// What a way is by its tags; none where it is nothing to a walker.
fn meaning_of<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Meaning> {
    let (mut class, mut foot, mut access, mut fast, mut hidden) = (None, None, None, false, false);
    for (key, value) in tags {
        match key {
            "highway" | "railway" | "waterway" | "natural" => {
                let known: &[&[&'static str]] = match key {
                    "highway" => &[&STREETS, &MINOR, &FAST],
                    "railway" => &[&RAILWAYS],
                    "waterway" => &[&WATER],
                    _ => &[&SHORES],
                };
                class = known.iter().flat_map(|list| *list).find(|name| **name == value).copied().or(class);
            }
            "foot" => foot = Some(value),
            "access" => access = Some(value),
            "motorroad" => fast = value == "yes",
            "tunnel" | "covered" => hidden |= value != "no",
            _ => {}
        }
    }
    let class = class?;
    let allowed = matches!(foot, Some("yes" | "designated" | "permissive" | "private"));
    let forbidden = matches!(foot, Some("no" | "use_sidepath")) || (access == Some("no") && !allowed);
    let (street, minor) = (STREETS.contains(&class), MINOR.contains(&class));
    let walkable = (street || minor) && !forbidden && !fast;
    // What runs beneath the ground stops nobody. A street on which nobody walks is one that nobody crosses where it is wide.
    let wide = street && class.starts_with("trunk") && !walkable;
    let barrier = !hidden && (FAST.contains(&class) || fast || wide || !(street || minor));
    (walkable || barrier).then_some(Meaning { class, walkable, minor, barrier })
}

fn write(
    path: &Path,
    ways: Vec<Way>,
    writer: &mut ParquetTable,
    report: &mut Report,
    progress: &Arc<Progress>,
) -> Result<(), Error> {
    let mut wanted: Vec<i64> = ways.iter().flat_map(|way| way.nodes.iter().copied()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    // Degrees in ten millionths, as the extract has them: longitude above, latitude below.
    const NOWHERE: u64 = u64::MAX;
    let places: Vec<AtomicU64> = wanted.iter().map(|_| AtomicU64::new(NOWHERE)).collect();
    let put = |id: i64, longitude: i32, latitude: i32| {
        if let Ok(at) = wanted.binary_search(&id) {
            let packed = u64::from(longitude as u32) << 32 | u64::from(latitude as u32);
            places[at].store(packed, Ordering::Relaxed);
        }
        0
    };
    each_element(path, progress, |element| match element {
        Element::Node(node) => put(node.id(), node.decimicro_lon(), node.decimicro_lat()),
        Element::DenseNode(node) => put(node.id(), node.decimicro_lon(), node.decimicro_lat()),
        _ => 0,
    })?;
    let file = source::name(path);
    let place = |id: &i64| -> Option<Coord> {
        let packed = places[wanted.binary_search(id).ok()?].load(Ordering::Relaxed);
        let degrees = |part: u64| f64::from(part as u32 as i32) / 1e7;
        (packed != NOWHERE).then(|| Coord { x: degrees(packed >> 32), y: degrees(packed) })
    };
    for way in &ways {
        report.rows_read += 1;
        let known: Vec<Option<Coord>> = way.nodes.iter().map(place).collect();
        // An extract ends somewhere: ways that go on beyond it are kept as far as their nodes are there.
        let pieces: Vec<Vec<Coord>> = known
            .split(Option::is_none)
            .map(|piece| piece.iter().flatten().copied().collect::<Vec<_>>())
            .filter(|piece| piece.len() > 1)
            .collect();
        let on_earth = |at: &Coord| at.x.abs() <= 180.0 && at.y.abs() <= 90.0;
        if pieces.is_empty() || !pieces.iter().flatten().all(on_earth) {
            let reason = match pieces.is_empty() {
                true => "fewer than two of its nodes, one behind the other, are in the extract",
                false => "a node is no place on earth",
            };
            report.reject(Reject::new(&file, way.number, Some("nodes"), "", reason));
            continue;
        }
        report.rows_loaded += 1;
        for piece in pieces {
            add(writer, way, piece)?;
        }
    }
    progress.rows(ways.len() as u64)
}

fn add(writer: &mut ParquetTable, way: &Way, piece: Vec<Coord>) -> Result<(), Error> {
    let extent = |of: fn(&Coord) -> f64, pick: fn(f64, f64) -> f64| piece.iter().map(of).reduce(pick);
    let extent = [
        extent(|at| at.x, f64::min),
        extent(|at| at.y, f64::min),
        extent(|at| at.x, f64::max),
        extent(|at| at.y, f64::max),
    ];
    writer.integer64(writer.position("way_id"), Some(way.id));
    writer.text(writer.position("class"), way.meaning.class);
    writer.text(writer.position("name"), way.name.trim());
    writer.text(writer.position("street_key"), &street_key(&way.name));
    writer.integer(writer.position("lanes"), way.lanes);
    writer.boolean(writer.position("walkable"), Some(way.meaning.walkable));
    writer.boolean(writer.position("minor"), Some(way.meaning.minor));
    writer.boolean(writer.position("barrier"), Some(way.meaning.barrier));
    for (name, degrees) in ["west", "south", "east", "north"].into_iter().zip(extent) {
        writer.double(writer.position(name), degrees);
    }
    let mut bytes = Vec::with_capacity(piece.len() * 16 + 9);
    write_line_string(&mut bytes, &LineString::new(piece), &WriteOptions::default())
        .map_err(|cause| failed(Path::new("streets.parquet"), cause))?;
    writer.bytes(writer.position("geometry"), &bytes);
    writer.end_row()
}

/// A street's name in the spelling of match keys: what stands between the house number and the ZIP code there.
fn street_key(name: &str) -> String {
    match name.trim().is_empty() {
        true => String::new(),
        false => {
            match_key(&format!("1 {name}"), "", "").trim_start_matches("1 ").trim_end_matches('|').to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_what_their_tags_say_to_a_walker() {
        let told = |tags: &[(&'static str, &'static str)]| {
            meaning_of(tags.iter().copied())
                .map(|meaning| (meaning.class, meaning.walkable, meaning.minor, meaning.barrier))
        };
        assert_eq!(told(&[("highway", "residential")]), Some(("residential", true, false, false)));
        assert_eq!(
            told(&[("highway", "footway"), ("foot", "designated")]),
            Some(("footway", true, true, false))
        );
        assert_eq!(told(&[("highway", "motorway")]), Some(("motorway", false, false, true)));
        assert_eq!(told(&[("highway", "primary"), ("foot", "no")]), None);
        assert_eq!(told(&[("highway", "trunk"), ("foot", "no")]), Some(("trunk", false, false, true)));
        assert_eq!(
            told(&[("highway", "primary"), ("motorroad", "yes")]),
            Some(("primary", false, false, true))
        );
        assert_eq!(told(&[("railway", "rail")]), Some(("rail", false, false, true)));
        assert_eq!(told(&[("railway", "rail"), ("tunnel", "yes")]), None);
        assert_eq!(told(&[("waterway", "river")]), Some(("river", false, false, true)));
        assert_eq!(told(&[("waterway", "stream")]), None);
        assert_eq!(told(&[("building", "yes"), ("name", "Court")]), None);
        assert_eq!(told(&[("highway", "service"), ("access", "no")]), None);
        assert_eq!(
            told(&[("highway", "service"), ("access", "private")]),
            Some(("service", true, true, false))
        );
    }

    #[test]
    fn names_of_streets_are_spelt_like_those_of_addresses() {
        for (name, address) in [
            ("North Main Street", "12 N MAIN ST"),
            ("Oak Avenue", "9 Oak Ave."),
            ("Avenue A", "5 AVENUE A"),
            ("T Street Southeast", "1745 T ST SE"),
        ] {
            let key = match_key(address, "", "80419");
            let (_, rest) = key.split_once(' ').expect("a number and a street");
            assert_eq!(street_key(name), rest.split('|').next().expect("a street"), "{name}");
        }
        assert_eq!(street_key(" "), "");
    }
}
