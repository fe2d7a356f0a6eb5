//! Boundaries: Census TIGER/Line products as they come, and any GeoJSON whose attributes name its areas.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bellwether_schema::catalog;
use bellwether_schema::ids::{self, Kind};
use geo_types::MultiPolygon;
use wkb::writer::{WriteOptions, write_multi_polygon};

use crate::columns::{ParquetTable, failed};
use crate::report::Reject;
use crate::shapes::{self, Area};
use crate::{Error, Options, Progress, Report, Staged, StagedTable, source};

/// What the caller knows about the files that they do not say themselves.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    pub kind: Option<Kind>,
    pub vintage: Option<i32>,
    pub state: Option<String>,
}

/// What names the areas of one product.
struct Product {
    kind: Kind,
    /// Attribute that is the id, or the code within the state.
    id: &'static str,
    /// Attributes that may name the area, best first.
    names: &'static [&'static str],
    /// Vintage where neither the file's name nor the caller gives one.
    vintage: Option<i32>,
}

const fn product(
    kind: Kind,
    id: &'static str,
    names: &'static [&'static str],
    vintage: Option<i32>,
) -> Product {
    Product { kind, id, names, vintage }
}

/// Products by the attribute that only they have. Vintages of the decennial products are in their column names.
const PRODUCTS: &[Product] = &[
    product(Kind::MediaMarket, "dma_code", &["dma_name"], Some(2020)),
    product(Kind::StateHouse, "SLDLST", &["NAMELSAD"], None),
    product(Kind::StateHouse, "SLDLST20", &["NAMELSAD20"], Some(2020)),
    product(Kind::StateSenate, "SLDUST", &["NAMELSAD"], None),
    product(Kind::StateSenate, "SLDUST20", &["NAMELSAD20"], Some(2020)),
    product(Kind::Congressional, "CD119FP", &["NAMELSAD", "NAMELSAD20"], Some(2024)),
    product(Kind::Congressional, "CD118FP", &["NAMELSAD", "NAMELSAD20"], Some(2022)),
    product(Kind::Congressional, "CD116FP", &["NAMELSAD"], Some(2018)),
    product(Kind::Congressional, "CD116FP20", &["NAMELSAD20"], Some(2020)),
    product(Kind::Precinct, "VTDST20", &["NAMELSAD20", "NAME20"], Some(2020)),
    product(Kind::County, "COUNTYNS20", &["NAMELSAD20", "NAME20"], Some(2020)),
    product(Kind::County, "COUNTYNS", &["NAMELSAD", "NAME"], None),
    product(Kind::State, "STATENS20", &["NAME20"], Some(2020)),
    product(Kind::State, "STATENS", &["NAME"], None),
    product(Kind::Precinct, "GEOID20", &["NAME20"], Some(2020)),
    // The unitedstates project's bare features: `Code` is CO-1.
    product(Kind::Congressional, "Code", &["District"], None),
];

/// One boundary set being written.
struct Layer {
    writer: ParquetTable,
    seen: HashSet<String>,
}

/// Loads boundary files. A set (kind, vintage, state) in the files replaces the same set as loaded before.
pub fn load(
    paths: &[PathBuf],
    hints: &Hints,
    options: &Options,
    progress: &Arc<Progress>,
) -> Result<Staged, Error> {
    let started = Instant::now();
    let mut report = Report { files: options.sources.clone(), ..Report::default() };
    let mut layers: BTreeMap<String, Layer> = BTreeMap::new();
    for path in paths {
        let areas = shapes::read(path, progress)?;
        let name = source::name(path);
        if areas.is_empty() {
            return Err(Error::Empty { file: name });
        }
        let product = recognise(&name, &areas, hints)?;
        let vintage = hints.vintage.or_else(|| year_in(&name)).or(product.vintage).ok_or_else(|| {
            Error::Usage(format!("{name} does not say of which year its lines are: give --vintage"))
        })?;
        for area in &areas {
            report.rows_read += 1;
            match place(area, product, vintage, hints, options, &mut layers)? {
                Ok(()) => report.rows_loaded += 1,
                Err((column, reason)) => {
                    let value =
                        column.and_then(|column| area.attributes.get(column)).map_or("", String::as_str);
                    report.reject(Reject::new(&name, area.number, column, value, reason));
                }
            }
        }
    }
    report.finish(options, started)?;
    let mut tables = Vec::new();
    for (layer, Layer { writer, .. }) in layers {
        let files = writer.finish()?.into_iter().collect();
        tables.push(StagedTable { table: "boundaries".into(), partition: vec![layer], files });
    }
    Ok(Staged { tables, report })
}

/// The product that a file's attributes show it to be.
fn recognise(file: &str, areas: &[Area], hints: &Hints) -> Result<&'static Product, Error> {
    let first = &areas[0].attributes;
    let fits = |product: &&Product| {
        first.contains_key(product.id) && hints.kind.is_none_or(|kind| kind == product.kind)
    };
    PRODUCTS.iter().find(fits).ok_or_else(|| {
        let known: Vec<&str> = PRODUCTS.iter().map(|product| product.id).collect();
        let detail = format!("none of its attributes names an area; known are {}", known.join(", "));
        Error::WrongLayout { file: file.to_string(), detail }
    })
}

/// A year in a file's name: `tl_2022_08_sldl.zip` has 2022.
fn year_in(name: &str) -> Option<i32> {
    name.split(|c: char| !c.is_ascii_digit())
        .filter(|digits| digits.len() == 4)
        .find_map(|digits| digits.parse().ok().filter(|year| (1990..2100).contains(year)))
}

type Refused = (Option<&'static str>, &'static str);

/// Writes one area into its layer; the inner error is the attribute and the reason why it is refused.
fn place(
    area: &Area,
    product: &'static Product,
    vintage: i32,
    hints: &Hints,
    options: &Options,
    layers: &mut BTreeMap<String, Layer>,
) -> Result<Result<(), Refused>, Error> {
    let attribute = |name: &str| area.attributes.get(name).map_or("", |value| value.as_str());
    let code = attribute(product.id);
    let state = state_of(area, product, code, hints);
    let Some((id, state)) = id_of(area, product, code, state) else {
        let undefined = code.starts_with("ZZ");
        // Water and other undefined remainders are no district of anyone's.
        return Ok(if undefined { Ok(()) } else { Err((Some(product.id), "names no district")) });
    };
    let outline = match &area.outline {
        Ok(outline) => outline,
        Err(reason) => return Ok(Err((None, reason))),
    };
    let Some([west, south, east, north]) = extent(outline) else {
        return Ok(Err((None, "coordinates are not degrees on earth")));
    };
    let layer_name = format!("{}_{vintage}_{}", product.kind.name(), state.as_deref().unwrap_or("US"));
    if !layers.contains_key(&layer_name) {
        let table = catalog::table("boundaries").expect("the catalog has every loader's table");
        let path = options.staging.join(format!("boundaries-{layer_name}.parquet"));
        let layer = Layer { writer: ParquetTable::create_whole(table, path)?, seen: HashSet::new() };
        layers.insert(layer_name.clone(), layer);
    }
    let layer = layers.get_mut(&layer_name).expect("the layer was just made");
    if !layer.seen.insert(id.clone()) {
        return Ok(Err((Some(product.id), "the same district came before")));
    }
    let mut geometry = Vec::new();
    write_multi_polygon(&mut geometry, outline, &WriteOptions::default())
        .map_err(|cause| failed(Path::new("boundaries"), std::io::Error::other(cause.to_string())))?;
    let name = product.names.iter().map(|name| attribute(name)).find(|name| !name.is_empty()).unwrap_or(&id);
    let writer = &mut layer.writer;
    writer.optional_text(writer.position("state"), state.as_deref());
    writer.text(writer.position("kind"), product.kind.name());
    writer.text(writer.position("district_id"), &id);
    writer.text(writer.position("name"), name);
    writer.integer(writer.position("vintage"), Some(vintage));
    for (column, value) in [("west", west), ("south", south), ("east", east), ("north", north)] {
        writer.double(writer.position(column), Some(value));
    }
    writer.bytes(writer.position("geometry"), &geometry);
    writer.end_row()?;
    Ok(Ok(()))
}

fn state_of(area: &Area, product: &Product, code: &str, hints: &Hints) -> Option<String> {
    if product.kind == Kind::MediaMarket {
        return None;
    }
    let fips = ["STATEFP", "STATEFP20"].iter().find_map(|name| area.attributes.get(*name));
    let geoid = ["GEOID", "GEOID20"].iter().find_map(|name| area.attributes.get(*name));
    let from_fips = fips.map(String::as_str).or_else(|| geoid.and_then(|geoid| geoid.get(..2)));
    let named = from_fips.and_then(ids::state_of_fips).map(str::to_string);
    let from_code = code.split_once('-').map(|(state, _)| state.to_string());
    named.or(from_code).or_else(|| hints.state.clone())
}

/// The district's id with its state, where the kind has one.
fn id_of(
    area: &Area,
    product: &Product,
    code: &str,
    state: Option<String>,
) -> Option<(String, Option<String>)> {
    let geoid = || ["GEOID20", "GEOID"].iter().find_map(|name| area.attributes.get(*name)).cloned();
    let id = match product.kind {
        Kind::MediaMarket => (!code.is_empty()).then(|| format!("{code:0>3}"))?,
        Kind::County | Kind::Precinct => geoid().filter(|geoid| !geoid.is_empty())?,
        Kind::State => state.clone()?,
        kind => {
            let number = code.rsplit('-').next().unwrap_or(code);
            kind.district_id(state.as_deref()?, number)?
        }
    };
    Some((id, state))
}

fn extent(outline: &MultiPolygon<f64>) -> Option<[f64; 4]> {
    let mut extent = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    for point in outline.0.iter().flat_map(|polygon| polygon.exterior().0.iter()) {
        extent =
            [extent[0].min(point.x), extent[1].min(point.y), extent[2].max(point.x), extent[3].max(point.y)];
    }
    let on_earth = extent[0] >= -180.0 && extent[1] >= -90.0 && extent[2] <= 180.0 && extent[3] <= 90.0;
    (on_earth && extent[0] <= extent[2]).then_some(extent)
}
