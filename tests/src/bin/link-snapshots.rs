//! Links two Parquet files of people (`last_name, first_name, middle_name, birth_year, gender, zip, addr, truth`, and a
//! `birth_date` as the number `YYYYMMDD` where there is one) without ids and prints one JSON line with the seconds and how right it was, in the form that the peers' harness prints. The
//! clock starts where the peers' does, when both files are in memory as tables, and ends with the last probability.

use std::fs::File;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use bellwether_linkage::{Birth, Options, Record, Reference, link};
use bellwether_tests::processor_seconds;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn read(path: &str) -> Result<Vec<RecordBatch>, Failure> {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.with_batch_size(65_536).build()?;
    Ok(reader.collect::<Result<Vec<_>, _>>()?)
}

fn truth(batches: &[RecordBatch]) -> Vec<i64> {
    let column = |batch: &RecordBatch| {
        batch.column_by_name("truth").map(|array| array.as_primitive::<Int64Type>().values().to_vec())
    };
    batches.iter().filter_map(column).flatten().collect()
}

/// Calls `give` with every record.
fn each(batches: &[RecordBatch], mut give: impl FnMut(&Record)) -> Result<(), Failure> {
    for batch in batches {
        let text = |name: &str| -> Result<_, Failure> {
            Ok(batch
                .column_by_name(name)
                .and_then(|array| array.as_string_opt::<i32>())
                .ok_or("a column is missing")?)
        };
        let (last, first, middle) = (text("last_name")?, text("first_name")?, text("middle_name")?);
        let (gender, zip, address) = (text("gender")?, text("zip")?, text("addr")?);
        let whole =
            |name: &str| batch.column_by_name(name).and_then(|array| array.as_primitive_opt::<Int32Type>());
        let (year, date) = (whole("birth_year").ok_or("no birth_year")?, whole("birth_date"));
        for row in 0..batch.num_rows() {
            give(&Record {
                last_name: Some(last.value(row)),
                first_name: Some(first.value(row)),
                middle_name: Some(middle.value(row)),
                birth: match date.map(|date| date.value(row)).filter(|date| *date > 0) {
                    Some(date) => Some(Birth::digits(date)),
                    None => Some(year.value(row)).filter(|year| *year > 0).map(Birth::year),
                },
                gender: Some(gender.value(row)),
                address: Some(address.value(row)),
                zip: Some(zip.value(row)),
                phone: None,
            });
        }
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, left, right] = arguments.as_slice() else {
        return Err("usage: link-snapshots FILE.parquet LATER.parquet".into());
    };
    let (left, right) = (read(left)?, read(right)?);
    let (started, before) = (Instant::now(), processor_seconds());
    let mut voters = Reference::default();
    each(&left, |record| voters.push(record))?;
    voters.finish();
    let mut list = voters.batch();
    each(&right, |record| list.push(record))?;
    let linked = link(&list, &Options::default(), &|_| true, &|_| true).map_err(|_| "too many pairs")?;
    let found = &linked.matches;
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), processor_seconds() - before);
    let (left, right) = (truth(&left), truth(&right));
    let in_both = {
        let known: std::collections::HashSet<i64> = left.iter().copied().collect();
        right.iter().filter(|person| known.contains(person)).count()
    };
    let right_one = |at: usize| left[found[at].voter as usize] == right[found[at].listed as usize];
    let hits = (0..found.len()).filter(|at| right_one(*at)).count();
    // Calibration: what was promised in each tenth of the probabilities, and what came true.
    let mut bands = [(0u64, 0.0f64, 0u64); 10];
    for (at, pair) in found.iter().enumerate() {
        let band = &mut bands[((pair.probability * 10.0) as usize).min(9)];
        *band = (band.0 + 1, band.1 + pair.probability, band.2 + u64::from(right_one(at)));
    }
    for (pairs, promised, true_ones) in bands.iter().filter(|band| band.0 > 0) {
        eprintln!(
            "{pairs} pairs, promised {:.4}, true {:.4}",
            promised / *pairs as f64,
            *true_ones as f64 / *pairs as f64
        );
    }
    println!(
        "{{\"job\":\"link\",\"peer\":\"bellwether\",\"rows\":{},\"seconds\":{seconds:.3},\"cpu_s\":{cpu:.2},\"pairs\":{},\"precision\":{:.5},\"recall\":{:.5},\"checksum\":\"{}:{hits}\"}}",
        left.len() + right.len(),
        found.len(),
        hits as f64 / found.len().max(1) as f64,
        hits as f64 / in_both.max(1) as f64,
        found.len(),
    );
    Ok(())
}
