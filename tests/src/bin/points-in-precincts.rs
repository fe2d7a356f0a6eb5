//! Assigns a Parquet file of points (`rid, x, y`) to a Parquet file of polygons (`pid, wkb`) and prints one JSON line
//! with the seconds and a digest, in the form that the peers' harness prints. The clock covers what the peers'
//! does: reading both files, building the index, locating, digesting.

use std::fs::File;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use bellwether_atlas::{Layer, Outline};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rayon::prelude::*;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Reads all row groups of a file in parallel, in order.
fn read(path: &str, columns: &[&str]) -> Result<Vec<RecordBatch>, Failure> {
    let groups = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.metadata().num_row_groups();
    let batches: Result<Vec<Vec<RecordBatch>>, Failure> = (0..groups)
        .into_par_iter()
        .map(|group| {
            let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
            let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
            let reader =
                builder.with_projection(mask).with_row_groups(vec![group]).with_batch_size(65_536).build()?;
            Ok(reader.collect::<Result<Vec<_>, _>>()?)
        })
        .collect();
    Ok(batches?.concat())
}

fn whole_numbers(array: &dyn Array) -> Result<Vec<i64>, Failure> {
    let wide = arrow_array::cast::as_primitive_array::<Int64Type>;
    match array.data_type() {
        arrow_schema::DataType::Int64 => Ok(wide(array).values().to_vec()),
        arrow_schema::DataType::Int32 => {
            let narrow = array.as_primitive::<arrow_array::types::Int32Type>();
            Ok(narrow.values().iter().map(|value| i64::from(*value)).collect())
        }
        other => Err(format!("{other} is no whole number").into()),
    }
}

fn precincts(path: &str) -> Result<(Vec<i64>, Layer), Failure> {
    let mut ids = Vec::new();
    let mut shapes: Vec<Vec<u8>> = Vec::new();
    for batch in read(path, &["pid", "wkb"])? {
        ids.extend(whole_numbers(batch.column_by_name("pid").ok_or("no pid")?)?);
        let column = batch.column_by_name("wkb").ok_or("no wkb")?;
        let bytes = column.as_binary_opt::<i32>().ok_or("wkb is not binary")?;
        shapes.extend((0..bytes.len()).map(|row| bytes.value(row).to_vec()));
    }
    let outlines: Result<Vec<Outline>, _> =
        shapes.par_iter().map(|bytes| Outline::from_wkb("precinct", bytes)).collect();
    Ok((ids, Layer::new(outlines?)))
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, points, areas] = arguments.as_slice() else {
        return Err("usage: points-in-precincts POINTS.parquet PRECINCTS.parquet".into());
    };
    let started = Instant::now();
    let (built, batches) = rayon::join(|| precincts(areas), || read(points, &["rid", "x", "y"]));
    let (ids, layer) = built?;
    let (mut matched, mut digest) = (0u64, 0i128);
    for batch in batches? {
        let rows = whole_numbers(batch.column_by_name("rid").ok_or("no rid")?)?;
        let axis = |name: &str| -> Result<Vec<f64>, Failure> {
            let column = batch.column_by_name(name).ok_or("no coordinates")?;
            Ok(column
                .as_primitive_opt::<Float64Type>()
                .ok_or("coordinates are not doubles")?
                .values()
                .to_vec())
        };
        let found = layer.locate_all(&axis("x")?, &axis("y")?);
        for (row, area) in rows.iter().zip(found) {
            if let Some(area) = area {
                matched += 1;
                digest += i128::from((row % 1_000_003) * (ids[area as usize] + 1));
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{{\"job\":\"pip\",\"peer\":\"bellwether\",\"rows\":{matched},\"seconds\":{seconds:.4},\"checksum\":\"{matched}:{digest}\"}}"
    );
    Ok(())
}
