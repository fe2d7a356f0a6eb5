//! Money over market-weeks with a falling response: the linear optimum and whole spots, timed.
//!
//! plan-spots FILE.parquet [SHARE_OF_ALL]: rows of persuadable_imps, cost, cap, bucket and bucket_scale; prints one JSON line.

use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use bellwether_media::allocation::{Response, Row, linear, whole};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;

/// Pieces of the response: a quarter of the bucket's scale each, with gains that fall by this factor.
const PIECES: i32 = 8;
const FALLS: f64 = 0.72;
const RUNS: usize = 9;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().expect("a Parquet file");
    let share: f64 = arguments.next().map_or(0.2, |share| share.parse().expect("a share of all"));
    let file = std::fs::File::open(file).expect("a readable file");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("Parquet");
    let mut rows = Vec::new();
    let mut scales: Vec<f64> = Vec::new();
    for batch in reader {
        let batch = batch.expect("a batch");
        let double = |name: &str| {
            batch.column_by_name(name).expect("a column").as_primitive::<Float64Type>().values().to_vec()
        };
        let whole = |name: &str| {
            batch.column_by_name(name).expect("a column").as_primitive::<Int64Type>().values().to_vec()
        };
        let (impressions, cost, scale) = (double("persuadable_imps"), double("cost"), double("bucket_scale"));
        let (cap, bucket) = (whole("cap"), whole("bucket"));
        for at in 0..batch.num_rows() {
            let bucket = bucket[at] as usize;
            scales.resize(scales.len().max(bucket + 1), 0.0);
            scales[bucket] = scale[at];
            rows.push(Row {
                impressions: impressions[at],
                cost: cost[at],
                spots: cap[at] as u32,
                bucket: bucket as u32,
            });
        }
    }
    let budget = share * rows.iter().map(|row| row.cost * f64::from(row.spots)).sum::<f64>();
    let response = Response {
        widths: scales.iter().map(|scale| 0.25 * scale).collect(),
        slopes: (0..PIECES).map(|piece| FALLS.powi(piece)).collect(),
    };
    let timed = |work: &dyn Fn() -> (f64, f64)| {
        let mut seconds: Vec<f64> = Vec::new();
        let mut found = (0.0, 0.0);
        for _ in 0..RUNS {
            let begun = Instant::now();
            found = work();
            seconds.push(begun.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        (seconds[RUNS / 2], found)
    };
    let (linear_seconds, (optimum, _)) = timed(&|| {
        let made = linear(&rows, &response, budget);
        (made.gain, made.spent)
    });
    let (whole_seconds, (gain, spent)) = timed(&|| {
        let (made, _) = whole(&rows, &response, budget);
        (made.gain, made.spent)
    });
    assert!(spent <= budget * (1.0 + 1e-12), "more is spent than there is");
    println!(
        "{}",
        json!({
            "rows": rows.len(), "seconds": linear_seconds, "objective": optimum, "whole_seconds": whole_seconds,
            "whole_objective": gain, "whole_gap": 1.0 - gain / optimum, "budget": budget, "spent": spent,
        })
    );
}
