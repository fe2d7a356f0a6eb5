//! `bellwether tour`: the shortest round past the places of a file, one for each group.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use bellwether_field::distances::{Between, Matrix};
use bellwether_field::plane::Plane;
use bellwether_field::shortest_round;
use bellwether_field::tour::length;
use clap::Args;
use serde_json::json;

use super::Outcome;
use super::columns::{Columns, Failure};

#[derive(Debug, Args)]
pub struct TourArgs {
    /// CSV with x,y in metres or longitude,latitude; or a TSPLIB file (EUC_2D, CEIL_2D, ATT).
    file: PathBuf,

    /// Column whose values each get a round of their own.
    #[arg(long)]
    group: Option<String>,

    /// How often a round is sought to be bettered, for each of its places.
    #[arg(long)]
    tries: Option<usize>,

    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// File to write the rounds to, CSV: group, row of the file (from 0), in order. Without it only the length is told.
    #[arg(long)]
    to: Option<PathBuf>,
}

/// Tries for each place of a small round, and of a large one.
const TRIES: [usize; 2] = [6, 9];
const SMALL: usize = 300;
/// Up to so many places distances are held.
const HELD: usize = 300;

/// How a file measures distances.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Measure {
    Straight,
    /// TSPLIB: rounded, rounded up, and the pseudo-Euclidean distance of its ATT instances.
    Rounded,
    RoundedUp,
    Att,
}

/// Places on a plane, and how far they are apart.
struct Places<'a> {
    points: &'a [[f64; 2]],
    measure: Measure,
}

impl Between for Places<'_> {
    fn stops(&self) -> usize {
        self.points.len()
    }

    #[inline]
    fn between(&self, one: usize, other: usize) -> f32 {
        let (one, other) = (self.points[one], self.points[other]);
        let (x, y) = (one[0] - other[0], one[1] - other[1]);
        let straight = (x * x + y * y).sqrt();
        (match self.measure {
            Measure::Straight => straight,
            Measure::Rounded => (straight + 0.5).floor(),
            Measure::RoundedUp => straight.ceil(),
            Measure::Att => (straight / 10f64.sqrt()).ceil(),
        }) as f32
    }
}

pub fn run(args: TourArgs) -> Outcome {
    work(args).map_err(|error| error as Box<dyn std::error::Error>)
}

fn work(args: TourArgs) -> Result<(), Failure> {
    let ending = args.file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let (points, groups, measure) = match ending.eq_ignore_ascii_case("tsp") {
        true => {
            let (points, measure) = tsplib(&std::fs::read_to_string(&args.file)?)?;
            let groups = vec![String::new(); points.len()];
            (points, groups, measure)
        }
        false => places_of(&args.file, args.group.as_deref())?,
    };
    let mut of_group: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    groups.iter().enumerate().for_each(|(row, group)| of_group.entry(group).or_default().push(row));
    let begun = Instant::now();
    let mut rounds: Vec<(&str, Vec<usize>)> = Vec::new();
    let mut whole = 0.0;
    for (group, rows) in of_group {
        let own: Vec<[f64; 2]> = rows.iter().map(|row| points[*row]).collect();
        let base = own[0];
        let near: Vec<[f32; 2]> =
            own.iter().map(|[x, y]| [(x - base[0]) as f32, (y - base[1]) as f32]).collect();
        let places = Places { points: &own, measure };
        let tries = args.tries.unwrap_or(TRIES[usize::from(own.len() > SMALL)]);
        let order = match own.len() <= HELD {
            true => {
                let matrix = Matrix::new(own.len(), |one, other| places.between(one, other));
                shortest_round(&matrix, &near, tries, args.seed)
            }
            false => shortest_round(&places, &near, tries, args.seed),
        };
        whole += length(&places, &order);
        rounds.push((group, order.into_iter().map(|at| rows[at as usize]).collect()));
    }
    let seconds = begun.elapsed().as_secs_f64();
    if let Some(to) = &args.to {
        let mut writer = csv::Writer::from_path(to)?;
        writer.write_record(["group", "row"])?;
        for (group, round) in &rounds {
            for row in round {
                writer.write_record([*group, &row.to_string()])?;
            }
        }
        writer.flush()?;
    }
    println!(
        "{}",
        json!({"rounds": rounds.len(), "places": points.len(), "metres": whole, "seconds": seconds})
    );
    Ok(())
}

/// Points, groups and the measure of a file.
type Read = (Vec<[f64; 2]>, Vec<String>, Measure);

/// Reads a CSV file.
fn places_of(file: &PathBuf, group: Option<&str>) -> Result<Read, Failure> {
    let columns = Columns::read(file, None)?;
    let has = |name: &str| columns.names.iter().any(|known| known == name);
    let on_earth = has("longitude") && has("latitude");
    let [x, y] = if on_earth { ["longitude", "latitude"] } else { ["x", "y"] };
    let (x, y) = (columns.numbers(x)?, columns.numbers(y)?);
    let mut points: Vec<[f64; 2]> = x.into_iter().zip(y).map(|(x, y)| [x, y]).collect();
    if on_earth {
        let plane = Plane::around(points.iter().copied());
        points.iter_mut().for_each(|point| *point = plane.metres(*point));
    }
    let groups = match group {
        Some(group) => columns.get(group)?.clone(),
        None => vec![String::new(); points.len()],
    };
    Ok((points, groups, Measure::Straight))
}

/// Coordinates and the measure of a TSPLIB instance (Reinelt, 1991).
fn tsplib(text: &str) -> Result<(Vec<[f64; 2]>, Measure), Failure> {
    let mut measure = Err("the file names no EDGE_WEIGHT_TYPE".into());
    let mut lines = text.lines().map(str::trim);
    for line in lines.by_ref() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name.trim() {
            "EDGE_WEIGHT_TYPE" => {
                measure = match value.trim() {
                    "EUC_2D" => Ok(Measure::Rounded),
                    "CEIL_2D" => Ok(Measure::RoundedUp),
                    "ATT" => Ok(Measure::Att),
                    other => {
                        Err(format!("EDGE_WEIGHT_TYPE {other}: there are EUC_2D, CEIL_2D and ATT").into())
                    }
                }
            }
            "NODE_COORD_SECTION" => break,
            _ => {}
        }
    }
    let measure: Result<Measure, Failure> = measure;
    let measure = measure?;
    let mut points = Vec::new();
    for line in lines.take_while(|line| *line != "EOF").filter(|line| !line.is_empty()) {
        let numbers: Vec<f64> = line.split_whitespace().skip(1).map(str::parse).collect::<Result<_, _>>()?;
        let [x, y] = numbers[..] else { return Err(format!("{line}: no number and two coordinates").into()) };
        points.push([x, y]);
    }
    match points.is_empty() {
        true => Err("the file has no NODE_COORD_SECTION".into()),
        false => Ok((points, measure)),
    }
}
