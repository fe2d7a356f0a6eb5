//! Carries votes from one Parquet file of polygons (`pid, votes, wkb`) onto another (`pid, wkb`) by area and prints one
//! JSON line with the seconds and a digest, in the form that the peers' harness prints. The clock starts where the
//! peers' does, with the geometries in memory, and ends with the votes of the last polygon.

use std::fs::File;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use bellwether_atlas::{Outline, overlay};
use bellwether_tests::processor_seconds;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn numbers(batch: &RecordBatch, name: &str) -> Option<Vec<f64>> {
    let array = batch.column_by_name(name)?;
    let wide = array.as_primitive_opt::<Int64Type>().map(|a| a.values().iter().map(|v| *v as f64).collect());
    let narrow =
        || array.as_primitive_opt::<Int32Type>().map(|a| a.values().iter().map(|v| f64::from(*v)).collect());
    let double = || array.as_primitive_opt::<Float64Type>().map(|a| a.values().to_vec());
    wide.or_else(narrow).or_else(double)
}

struct Layer {
    ids: Vec<f64>,
    votes: Vec<f64>,
    outlines: Vec<Outline>,
}

fn read(path: &str) -> Result<Layer, Failure> {
    let mut layer = Layer { ids: Vec::new(), votes: Vec::new(), outlines: Vec::new() };
    for batch in ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.build()? {
        let batch = batch?;
        layer.ids.extend(numbers(&batch, "pid").ok_or("no pid")?);
        layer.votes.extend(numbers(&batch, "votes").unwrap_or_default());
        let shapes =
            batch.column_by_name("wkb").and_then(|array| array.as_binary_opt::<i32>()).ok_or("no wkb")?;
        for row in 0..shapes.len() {
            layer.outlines.push(Outline::from_wkb("polygon", shapes.value(row))?);
        }
    }
    Ok(layer)
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, from, onto] = arguments.as_slice() else {
        return Err("usage: carry-votes FROM.parquet ONTO.parquet".into());
    };
    let (from, onto) = (read(from)?, read(onto)?);
    let (started, before) = (Instant::now(), processor_seconds());
    let sources: Vec<&Outline> = from.outlines.iter().collect();
    let targets: Vec<&Outline> = onto.outlines.iter().collect();
    let found = overlay(&sources, &targets);
    let areas: Vec<f64> = sources.iter().map(|outline| outline.area()).collect();
    let mut votes = vec![0.0; targets.len()];
    let mut closing = vec![0.0; sources.len()];
    for (source, target, area) in &found {
        votes[*target] += from.votes[*source] * area / areas[*source];
        closing[*source] += area / areas[*source];
    }
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), processor_seconds() - before);
    let worst = closing.iter().map(|share| (share - 1.0).abs()).fold(0.0, f64::max);
    let total: f64 = votes.iter().sum();
    let weighted: f64 = votes.iter().zip(&onto.ids).map(|(votes, id)| votes * (id + 1.0)).sum();
    // The peers print Python's form of an exponent, of two digits at least.
    let digest = |value: f64| {
        let text = format!("{value:.6e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        format!("{digits}e+{exponent:0>2}")
    };
    println!(
        "{{\"job\":\"overlay\",\"peer\":\"bellwether\",\"rows\":{},\"seconds\":{seconds:.4},\"cpu_s\":{cpu:.2},\"pieces\":{},\"worst_closing\":{worst:.2e},\"checksum\":\"{}:{}\"}}",
        sources.len(),
        found.len(),
        digest(total),
        digest(weighted),
    );
    Ok(())
}
