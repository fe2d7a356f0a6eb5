//! What people are drawn from: a folder with precinct outlines, population, past votes and districts of one state,
//! each in its published format.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bellwether_atlas::{Layer, Outline};
use bellwether_loaders::delimited::{Header, each_file};
use bellwether_loaders::{Progress, Report, shapes};
use bellwether_schema::ids::Kind;
use bellwether_schema::layout::Layout;

use crate::Error;

/// Races in the order of the counts.
pub const RACES: [&str; 8] = ["hispanic", "white", "black", "native", "asian", "pacific", "other", "multi"];

/// One precinct.
pub struct Precinct {
    /// GEOID20.
    pub id: String,
    /// Five-digit FIPS code.
    pub county: String,
    pub county_name: String,
    pub outline: Outline,
    /// People of voting age, by race.
    pub voting_age: [f64; 8],
    /// Votes of each general election, by year.
    pub votes: BTreeMap<i32, Votes>,
    /// District numbers: congressional, state senate, state house.
    pub districts: [u32; 3],
}

/// Votes of the topmost contest on the ballot.
#[derive(Debug, Clone, Copy, Default)]
pub struct Votes {
    pub democratic: f64,
    pub republican: f64,
    pub all: f64,
}

impl Precinct {
    pub fn adults(&self) -> f64 {
        self.voting_age.iter().sum()
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// The file that says which county is in which television market, where there is one.
pub fn crosswalk(folder: &Path) -> Option<PathBuf> {
    files(folder).into_iter().find(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        name.starts_with("county_dma") && name.ends_with(".csv")
    })
}

/// Reads a state's precincts.
pub fn read(folder: &Path, layout: &Layout) -> Result<Vec<Precinct>, Error> {
    let files = files(folder);
    let state = layout.state.to_lowercase();
    let name =
        |path: &PathBuf| path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let find = |what: &str, fits: &dyn Fn(&str) -> bool| {
        let found = files.iter().find(|path| fits(&name(path))).cloned();
        found.ok_or_else(|| Error::Missing { folder: folder.to_path_buf(), what: what.to_string() })
    };
    let fips = &layout.state_fips;
    let outlines =
        find("precinct outlines (tl_..._vtd20.geojson)", &|n| n.contains(&format!("_{fips}_vtd20")))?;
    let population =
        find("precinct population (alarm_..._vtd.csv)", &|n| n.starts_with(&format!("alarm_{state}_")))?;
    let counties =
        find("county outlines (tl_..._county20.zip)", &|n| n.contains(&format!("_{fips}_county")))?;
    let results: Vec<PathBuf> =
        files.iter().filter(|path| name(path).starts_with(&format!("vest_{state}_"))).cloned().collect();
    if results.is_empty() {
        let what = format!("past votes (vest_{state}_<year>_..._vtd.csv)");
        return Err(Error::Missing { folder: folder.to_path_buf(), what });
    }

    let counties = county_names(&counties)?;
    let population = read_population(&population)?;
    let votes = read_votes(&results)?;
    let districts = [("cd1", Kind::Congressional), ("sldu", Kind::StateSenate), ("sldl", Kind::StateHouse)]
        .map(|(part, kind)| {
            let file = find(kind.name(), &|n| n.contains(&format!("_{fips}_{part}")) && n.ends_with(".zip"))?;
            read_districts(&file, kind)
        });
    let [congressional, senate, house] = districts;
    let layers = [congressional?, senate?, house?];

    let mut precincts = Vec::new();
    for area in shapes::read(&outlines, &Arc::new(Progress::default()))? {
        let id = area.attributes.get("GEOID20").cloned().unwrap_or_default();
        let Some(outline) = area.outline.ok().and_then(|shape| to_outline(&id, &shape)) else {
            continue;
        };
        let county = id.get(..5).unwrap_or_default().to_string();
        let Some((longitude, latitude)) = outline.middle() else {
            continue;
        };
        let number = |(layer, numbers): &(Layer, Vec<u32>)| {
            layer.locate(longitude, latitude).map_or(0, |at| numbers[at])
        };
        precincts.push(Precinct {
            county_name: counties.get(&county).cloned().unwrap_or_default(),
            county,
            outline,
            voting_age: population.get(&id).copied().unwrap_or_default(),
            votes: votes.get(&id).cloned().unwrap_or_default(),
            districts: [number(&layers[0]), number(&layers[1]), number(&layers[2])],
            id,
        });
    }
    precincts.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(precincts)
}

fn to_outline(id: &str, shape: &geo_types::MultiPolygon<f64>) -> Option<Outline> {
    let mut bytes = Vec::new();
    wkb::writer::write_multi_polygon(&mut bytes, shape, &wkb::writer::WriteOptions::default()).ok()?;
    Outline::from_wkb(id, &bytes).ok()
}

fn county_names(file: &Path) -> Result<HashMap<String, String>, Error> {
    let areas = shapes::read(file, &Arc::new(Progress::default()))?;
    let names = areas.into_iter().filter_map(|area| {
        let get = |name: &str| area.attributes.get(name).cloned();
        Some((get("GEOID20").or_else(|| get("GEOID"))?, get("NAME20").or_else(|| get("NAME"))?))
    });
    Ok(names.collect())
}

fn read_districts(file: &Path, kind: Kind) -> Result<(Layer, Vec<u32>), Error> {
    let codes: &[&str] = match kind {
        Kind::Congressional => &["CD118FP", "CD119FP", "CD116FP"],
        Kind::StateSenate => &["SLDUST"],
        _ => &["SLDLST"],
    };
    let mut outlines = Vec::new();
    let mut numbers = Vec::new();
    for area in shapes::read(file, &Arc::new(Progress::default()))? {
        let code = codes.iter().find_map(|code| area.attributes.get(*code));
        let number = code.and_then(|code| code.parse().ok());
        if let (Some(number), Ok(shape)) = (number, area.outline)
            && let Some(outline) = to_outline("district", &shape)
        {
            outlines.push(outline);
            numbers.push(number);
        }
    }
    Ok((Layer::new(outlines), numbers))
}

/// Reads a wide file into numbers: a row's GEOID and the columns that `pick` names.
fn read_wide<K: Clone>(
    files: &[PathBuf],
    pick: impl Fn(&Header) -> Vec<(usize, K)>,
    mut each: impl FnMut(&str, &[(K, f64)]),
) -> Result<(), Error> {
    let open = |header: &Header| -> Result<(usize, Vec<(usize, K)>), bellwether_loaders::Error> {
        let [id] = header.require(["GEOID20"])?;
        Ok((id, pick(header)))
    };
    each_file(files, &Arc::new(Progress::default()), &mut Report::default(), open, |(id, columns), row| {
        let value = |column: usize| row.get(column).parse().unwrap_or(0.0);
        let values: Vec<(K, f64)> = columns.iter().map(|(at, key)| (key.clone(), value(*at))).collect();
        each(&row.get(*id), &values);
        Ok(())
    })?;
    Ok(())
}

fn read_population(file: &Path) -> Result<HashMap<String, [f64; 8]>, Error> {
    let names =
        ["vap_hisp", "vap_white", "vap_black", "vap_aian", "vap_asian", "vap_nhpi", "vap_other", "vap_two"];
    let mut population = HashMap::new();
    let pick = |header: &Header| {
        names.iter().enumerate().filter_map(|(i, name)| Some((header.find(name)?, i))).collect()
    };
    read_wide(&[file.to_path_buf()], pick, |id, values| {
        let mut counts = [0.0; 8];
        values.iter().for_each(|(race, count)| counts[*race] = *count);
        population.insert(id.to_string(), counts);
    })?;
    Ok(population)
}

/// Votes of president where a file has it, else of governor.
fn read_votes(files: &[PathBuf]) -> Result<HashMap<String, BTreeMap<i32, Votes>>, Error> {
    let mut votes: HashMap<String, BTreeMap<i32, Votes>> = HashMap::new();
    let pick = |header: &Header| {
        let has =
            |office: &str| header.names.iter().any(|name| name.len() == 10 && name.get(3..6) == Some(office));
        let office = if has("PRE") { "PRE" } else { "GOV" };
        let columns = header.names.iter().enumerate();
        let chosen = columns
            .filter(|(_, name)| name.len() == 10 && name.starts_with('G') && name.get(3..6) == Some(office));
        chosen
            .filter_map(|(at, name)| {
                let year = 2000 + name.get(1..3)?.parse::<i32>().ok()?;
                Some((at, (year, name.as_bytes()[6])))
            })
            .collect()
    };
    read_wide(files, pick, |id, values| {
        for ((year, party), count) in values {
            let slot = votes.entry(id.to_string()).or_default().entry(*year).or_default();
            slot.all += count;
            match party {
                b'D' => slot.democratic += count,
                b'R' => slot.republican += count,
                _ => {}
            }
        }
    })?;
    Ok(votes)
}
