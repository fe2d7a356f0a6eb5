//! A fictional state, in the source formats of real ones: precinct map, districts, population, past votes, markets.

use std::fs::File;
use std::io::{BufWriter, Cursor, Write};
use std::path::Path;

use bellwether_schema::layout::Layout;
use geo_types::MultiPolygon;
use shapefile::dbase::{FieldValue, Record, TableWriterBuilder};
use zip::write::SimpleFileOptions;

use crate::census::{write_centres, write_population};
use crate::lattice::Lattice;
use crate::{Error, write_failed};

const COLUMNS: usize = 30;
const ROWS: usize = 20;
/// Precincts of a county, across and up.
const COUNTY: (usize, usize) = (6, 5);
pub const COUNTIES: [&str; 20] = [
    "Alder", "Aspen", "Birch", "Cedar", "Cypress", "Elder", "Elm", "Fir", "Hazel", "Juniper", "Larch",
    "Laurel", "Linden", "Maple", "Oak", "Pine", "Rowan", "Spruce", "Walnut", "Willow",
];
const CITIES: [(f64, f64, f64); 3] = [(7.0, 12.0, 1.0), (21.0, 6.0, 0.7), (25.0, 17.0, 0.4)];
const MARKETS: [(&str, &str); 3] = [("901", "Alder-Birch"), ("902", "Laurel"), ("903", "Walnut-Willow")];

/// The coordinate system of every Census product.
const NAD83: &str = "GEOGCS[\"GCS_North_American_1983\",DATUM[\"D_North_American_1983\",SPHEROID[\"GRS_1980\",6378137,298.257222101]],PRIMEM[\"Greenwich\",0],UNIT[\"Degree\",0.017453292519943295]]";

/// One precinct of the fictional state.
pub struct Precinct {
    pub x: usize,
    pub y: usize,
    pub id: String,
    /// Number of its county, from 1.
    pub county: usize,
    /// Number within its county, from 1.
    pub number: usize,
    pub adults: f64,
    pub races: [f64; 8],
    /// Share of two-party votes that are Democratic, in an even year.
    lean: f64,
    pub turnout: f64,
}

/// Writes every source file of the state that the layout names into a folder.
pub fn invent(layout: &Layout, seed: u64, folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(write_failed(folder))?;
    let lattice = Lattice::new(COLUMNS, ROWS, seed);
    let precincts = precincts(layout, seed);
    let fips = &layout.state_fips;
    let state = layout.state.to_lowercase();

    let counties: Vec<(Vec<String>, MultiPolygon<f64>)> = (1..=COUNTIES.len())
        .map(|county| {
            let code = format!("{:03}", 2 * county - 1);
            let name = COUNTIES[county - 1];
            let row = [
                fips.clone(),
                code.clone(),
                format!("{county:08}"),
                format!("{fips}{code}"),
                name.into(),
                format!("{name} County"),
            ];
            (row.to_vec(), lattice.outline(|x, y| county_of(x, y) == county))
        })
        .collect();
    let fields = ["STATEFP20", "COUNTYFP20", "COUNTYNS20", "GEOID20", "NAME20", "NAMELSAD20"];
    shapefile(&folder.join(format!("tl_2020_{fips}_county20.zip")), &fields, &counties)?;
    for (file, fields, digits, count, district, label) in [
        (
            "cd118",
            ["STATEFP20", "CD118FP", "GEOID20", "NAMELSAD20"],
            2,
            4,
            congressional as fn(usize, usize) -> usize,
            "Congressional District",
        ),
        ("sldu", ["STATEFP", "SLDUST", "GEOID", "NAMELSAD"], 3, 10, senate, "State Senate District"),
        ("sldl", ["STATEFP", "SLDLST", "GEOID", "NAMELSAD"], 3, 20, house, "State House District"),
    ] {
        let areas: Vec<(Vec<String>, MultiPolygon<f64>)> = (1..=count)
            .map(|number| {
                let code = format!("{number:0>digits$}");
                let row =
                    vec![fips.clone(), code.clone(), format!("{fips}{code}"), format!("{label} {number}")];
                (row, lattice.outline(|x, y| district(x, y) == number))
            })
            .collect();
        shapefile(&folder.join(format!("tl_2022_{fips}_{file}.zip")), &fields, &areas)?;
    }
    let outlines = precincts.iter().map(|precinct| {
        let shape = lattice.outline(|x, y| (x, y) == (precinct.x, precinct.y));
        let name = format!("{} {:03}", COUNTIES[precinct.county - 1], precinct.number);
        (precinct.id.clone(), vec![("GEOID20", precinct.id.clone()), ("NAME20", name)], shape)
    });
    let file = folder.join(format!("tl_2020_{fips}_vtd20.geojson.gz"));
    let text = geojson(outlines);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).map_err(write_failed(&file))?;
    std::fs::write(&file, packed.finish().map_err(write_failed(&file))?).map_err(write_failed(&file))?;
    let markets = MARKETS.iter().enumerate().map(|(index, (code, name))| {
        let shape = lattice.outline(|x, y| market_of(county_of(x, y)) == index);
        (code.to_string(), vec![("dma_code", code.to_string()), ("dma_name", name.to_string())], shape)
    });
    let file = folder.join(format!("dma_{state}.geojson"));
    std::fs::write(&file, geojson(markets)).map_err(write_failed(&file))?;

    write_population(&folder.join(format!("alarm_{state}_2020_vtd.csv")), layout, &precincts)?;
    write_centres(&folder.join(format!("CenPop2020_Mean_BG{fips}.txt")), &lattice, &precincts)?;
    for year in [2016, 2018, 2020] {
        write_votes(&folder.join(format!("vest_{state}_{year}_2020_vtd.csv")), year, &precincts)?;
    }
    write_returns(&folder.join(format!("2022-{state}-local-precinct-general.zip")), layout, &precincts)?;
    write_markets(&folder.join(format!("county_dma_{state}.csv")), layout, &precincts)
}

fn county_of(x: usize, y: usize) -> usize {
    y / COUNTY.1 * (COLUMNS / COUNTY.0) + x / COUNTY.0 + 1
}

fn congressional(x: usize, _: usize) -> usize {
    x * 4 / COLUMNS + 1
}

fn senate(x: usize, y: usize) -> usize {
    y * 2 / ROWS * 5 + x * 5 / COLUMNS + 1
}

fn house(x: usize, y: usize) -> usize {
    y * 5 / ROWS * 4 + x * 4 / COLUMNS + 1
}

/// Market of a county, by its column on the map.
fn market_of(county: usize) -> usize {
    match (county - 1) % (COLUMNS / COUNTY.0) {
        0 | 1 => 0,
        2 => 1,
        _ => 2,
    }
}

fn precincts(layout: &Layout, seed: u64) -> Vec<Precinct> {
    use rand::{RngExt, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut numbers = [0; COUNTIES.len() + 1];
    let mut precincts = Vec::new();
    for y in 0..ROWS {
        for x in 0..COLUMNS {
            let county = county_of(x, y);
            numbers[county] += 1;
            let number = numbers[county];
            let near = |(cx, cy, size): (f64, f64, f64)| {
                let (dx, dy) = (x as f64 - cx, y as f64 - cy);
                size * (-(dx * dx + dy * dy) / 14.0).exp()
            };
            let urban: f64 = CITIES.into_iter().map(near).sum::<f64>().min(1.0);
            let adults = (150.0 + 5200.0 * urban) * (0.7 + 0.6 * rng.random::<f64>());
            let shares = [
                0.09 + 0.15 * urban,
                0.80 - 0.34 * urban,
                0.03 + 0.12 * urban,
                0.015,
                0.02 + 0.06 * urban,
                0.001,
                0.004,
                0.04,
            ];
            let total: f64 = shares.iter().sum();
            let races = shares.map(|share| (share / total * adults).round());
            let lean = 1.0 / (1.0 + (0.75 - 2.6 * urban + (rng.random::<f64>() - 0.5) * 0.8).exp());
            let turnout = 0.56 + 0.16 * rng.random::<f64>() + 0.06 * urban;
            let code = format!("{:03}", 2 * county - 1);
            let id = format!("{}{code}{code}{number:03}", layout.state_fips);
            precincts.push(Precinct {
                x,
                y,
                id,
                county,
                number,
                adults: races.iter().sum(),
                races,
                lean,
                turnout,
            });
        }
    }
    precincts.sort_by(|a, b| a.id.cmp(&b.id));
    precincts
}

impl Precinct {
    pub fn county_code(&self) -> String {
        format!("{:03}", 2 * self.county - 1)
    }

    /// Democratic, Republican and Libertarian votes of a year, one decimal.
    fn votes(&self, year: i32) -> [f64; 3] {
        let (swing, share) = match year {
            2016 => (-0.015, 0.86),
            2018 => (0.02, 0.80),
            2022 => (0.0, 0.78),
            _ => (0.01, 1.0),
        };
        let all = self.adults * self.turnout * share;
        let lean = (self.lean + swing).clamp(0.02, 0.98);
        [all * 0.975 * lean, all * 0.975 * (1.0 - lean), all * 0.025]
            .map(|votes| (votes * 10.0).round() / 10.0)
    }
}

/// Contests of one year: office, and the three letters of its candidates.
type Ballot = &'static [(&'static str, [&'static str; 3])];

/// Columns of a VEST file by year.
const BALLOTS: [(i32, Ballot); 3] = [
    (2016, &[("PRE", ["ALD", "BAR", "CAS"]), ("USS", ["DOV", "EAS", "FEN"])]),
    (2018, &[("GOV", ["GAL", "HOL", "IVE"]), ("ATG", ["JAY", "KES", "LOC"])]),
    (2020, &[("PRE", ["MER", "NOR", "OST"]), ("USS", ["PIN", "QUI", "RAV"])]),
];

fn write_votes(file: &Path, year: i32, precincts: &[Precinct]) -> Result<(), Error> {
    let ballot = BALLOTS.iter().find(|(of, _)| *of == year).map_or(&[] as &[_], |(_, ballot)| ballot);
    let mut text = String::from("GEOID20,STATEFP,COUNTYFP,DISTRICT");
    for (office, candidates) in ballot {
        for (party, candidate) in ["D", "R", "L"].iter().zip(candidates) {
            text.push_str(&format!(",G{:02}{office}{party}{candidate}", year % 100));
        }
    }
    text.push('\n');
    for precinct in precincts {
        let county = precinct.county_code();
        text.push_str(&format!("{},{},{county},{}", precinct.id, &precinct.id[..2], &precinct.id[5..]));
        for (index, _) in ballot.iter().enumerate() {
            let votes =
                precinct.votes(year).map(|votes| votes - (votes * 0.02 * index as f64 * 10.0).round() / 10.0);
            votes.iter().for_each(|votes| text.push_str(&format!(",{votes:.1}")));
        }
        text.push('\n');
    }
    std::fs::write(file, text).map_err(write_failed(file))
}

/// Precinct returns of 2022 in the MIT Election Lab's columns, zipped.
fn write_returns(file: &Path, layout: &Layout, precincts: &[Precinct]) -> Result<(), Error> {
    let mut text = String::from(
        "precinct,office,party_detailed,party_simplified,mode,votes,county_name,county_fips,jurisdiction_name,\
         jurisdiction_fips,candidate,district,dataverse,year,stage,state,special,writein,state_po,state_fips,\
         state_cen,state_ic,date,readme_check,magnitude\n",
    );
    for precinct in precincts {
        let districts = [congressional, senate, house].map(|district| district(precinct.x, precinct.y));
        let [cd, sd, hd] = districts;
        let code = format!("{cd}{sd:02}{hd:02}{:02}{:03}", precinct.county, precinct.number);
        let county = COUNTIES[precinct.county - 1].to_uppercase();
        let fips = format!("{}{}", layout.state_fips, precinct.county_code());
        let [statewide, of_cd, of_hd] = ["000".to_string(), format!("{cd:03}"), format!("{hd:03}")];
        for (office, district, verse, names) in [
            ("GOVERNOR", &statewide, "STATE", ["GALE ASHBY", "HOLLIS BRANT"]),
            ("US HOUSE", &of_cd, "HOUSE", ["IVES CORLEY", "JAY DENHOLM"]),
            ("STATE HOUSE", &of_hd, "STATE", ["KESTREL EAMES", "LOCKE FARROW"]),
        ] {
            for (index, party) in ["DEMOCRAT", "REPUBLICAN"].iter().enumerate() {
                let votes = precinct.votes(2022)[index].round();
                text.push_str(&format!(
                    "{code},{office},{party},{party},TOTAL,{votes},{county},{fips},{county},{fips},{},{district},{verse},\
                     2022,GEN,{},FALSE,FALSE,{},{},0,0,2022-11-08,FALSE,1\n",
                    names[index],
                    layout.name.to_uppercase(),
                    layout.state,
                    layout.state_fips,
                ));
            }
        }
    }
    let mut archive = zip::ZipWriter::new(File::create(file).map_err(write_failed(file))?);
    let outcome = archive
        .start_file("returns.csv", SimpleFileOptions::default())
        .and_then(|()| Ok(archive.write_all(text.as_bytes())?))
        .and_then(|()| archive.finish());
    outcome.map(|_| ()).map_err(|error| write_failed(file)(error.into()))
}

fn write_markets(file: &Path, layout: &Layout, precincts: &[Precinct]) -> Result<(), Error> {
    let mut out = BufWriter::new(File::create(file).map_err(write_failed(file))?);
    let mut write = || -> std::io::Result<()> {
        writeln!(out, "county_fips,county,state,tv_households,dma_code,dma_name")?;
        for county in 1..=COUNTIES.len() {
            let adults: f64 = precincts.iter().filter(|p| p.county == county).map(|p| p.adults).sum();
            let (code, name) = MARKETS[market_of(county)];
            let fips = format!("{}{:03}", layout.state_fips, 2 * county - 1);
            let homes = (adults * 0.52).round();
            writeln!(out, "{fips},{},{},{homes},{code},{name}", COUNTIES[county - 1], layout.state)?;
        }
        out.flush()
    };
    write().map_err(write_failed(file))
}

type Area = (String, Vec<(&'static str, String)>, MultiPolygon<f64>);

fn geojson(areas: impl Iterator<Item = Area>) -> String {
    let features = areas.map(|(id, properties, shape)| {
        let properties =
            properties.into_iter().map(|(name, value)| (name.to_string(), value.into())).collect();
        geojson::Feature {
            bbox: None,
            geometry: Some(geojson::Geometry::new(geojson::GeometryValue::from(&shape))),
            id: Some(geojson::feature::Id::String(id)),
            properties: Some(properties),
            foreign_members: None,
        }
    });
    geojson::FeatureCollection { bbox: None, features: features.collect(), foreign_members: None }.to_string()
}

/// Writes a zipped Shapefile: every attribute a text.
fn shapefile(file: &Path, fields: &[&str], areas: &[(Vec<String>, MultiPolygon<f64>)]) -> Result<(), Error> {
    let failed = |cause: &dyn std::fmt::Display| write_failed(file)(std::io::Error::other(cause.to_string()));
    let (mut shapes, mut index, mut table) = (Vec::new(), Vec::new(), Vec::new());
    {
        let mut writer = shapefile::ShapeWriter::with_shx(Cursor::new(&mut shapes), Cursor::new(&mut index));
        let mut builder = TableWriterBuilder::new();
        for field in fields {
            builder =
                builder.add_character_field((*field).try_into().map_err(|error: &str| failed(&error))?, 60);
        }
        let mut rows = builder.build_with_dest(Cursor::new(&mut table));
        for (values, shape) in areas {
            let mut record = Record::default();
            for (field, value) in fields.iter().zip(values) {
                record.insert(field.to_string(), FieldValue::Character(Some(value.clone())));
            }
            writer.write_shape(&shapefile::Polygon::from(shape.clone())).map_err(|error| failed(&error))?;
            rows.write_record(&record).map_err(|error| failed(&error))?;
        }
        writer.finalize().map_err(|error| failed(&error))?;
        rows.finalize().map_err(|error| failed(&error))?;
    }
    let mut archive = zip::ZipWriter::new(File::create(file).map_err(write_failed(file))?);
    for (ending, bytes) in
        [("shp", &shapes), ("shx", &index), ("dbf", &table), ("prj", &NAD83.as_bytes().to_vec())]
    {
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        archive
            .start_file(format!("{stem}.{ending}"), SimpleFileOptions::default())
            .and_then(|()| Ok(archive.write_all(bytes)?))
            .map_err(|error| failed(&error))?;
    }
    archive.finish().map(|_| ()).map_err(|error| failed(&error))
}
