//! Trains and scores a support model on a Parquet file (columns of numbers, the outcome in `y`, every fifth row held out)
//! and prints one JSON line, in the form that the peers' harness prints: seconds of training on four fifths and of
//! scoring all rows, with 100 trees of 31 leaves as the peers have, or by logistic regression. The clock starts where
//! the peers' does, when the columns are in memory.

use std::fs::File;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int8Type};
use bellwether_targeting::Matrix;
use bellwether_targeting::boosting::{Loss, Settings, sigmoid, train};
use bellwether_targeting::forest::Scorer;
use bellwether_targeting::logistic;
use bellwether_targeting::measures::{Told, auc};
use bellwether_tests::processor_seconds;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn read(path: &str) -> Result<(Matrix, Vec<f32>), Failure> {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.with_batch_size(1 << 20).build()?;
    let (mut matrix, mut outcomes) = (Matrix::default(), Vec::new());
    for batch in reader {
        let batch = batch?;
        let mut at = 0;
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            if field.name() == "y" {
                let values = column.as_primitive_opt::<Int8Type>().ok_or("y is not a small number")?;
                outcomes.extend(values.values().iter().map(|value| f32::from(*value)));
                continue;
            }
            let values = column.as_primitive_opt::<Float32Type>().ok_or("a feature is not a number")?;
            if matrix.columns.len() == at {
                matrix.names.push(field.name().clone());
                matrix.columns.push(Vec::new());
            }
            matrix.columns[at].extend_from_slice(values.values());
            at += 1;
        }
    }
    Ok((matrix, outcomes))
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: train-model FILE.parquet trees|logistic [ROWS]")?;
    let learner = arguments.next().unwrap_or_else(|| "trees".into());
    let (mut matrix, mut outcomes) = read(&path)?;
    let rows = arguments.next().map_or(Ok(outcomes.len()), |rows| rows.parse())?;
    outcomes.truncate(rows);
    matrix.columns.iter_mut().for_each(|column| column.truncate(rows));
    let kept: Vec<u32> = (0..rows as u32).filter(|row| row % 5 != 0).collect();
    let (train_rows, train_outcomes) =
        (matrix.pick(&kept), kept.iter().map(|row| outcomes[*row as usize]).collect::<Vec<f32>>());
    let (started, before) = (Instant::now(), processor_seconds());
    let (trained, log_odds) = match learner.as_str() {
        "logistic" => {
            let model = logistic::fit(&train_rows, &train_outcomes, None, 1.0)?;
            (started.elapsed().as_secs_f64(), model.log_odds(&matrix))
        }
        _ => {
            let settings = Settings::default();
            let forest = train(&train_rows, &train_outcomes, None, Loss::Logistic, &settings, |_| true);
            (started.elapsed().as_secs_f64(), Scorer::new(&forest).log_odds(&matrix))
        }
    };
    let chances: Vec<f32> = log_odds.into_iter().map(sigmoid).collect();
    let seconds = started.elapsed().as_secs_f64();
    let cpu = processor_seconds() - before;
    let held: Vec<usize> = (0..rows).step_by(5).collect();
    let outcomes: Vec<f32> = held.iter().map(|row| outcomes[*row]).collect();
    let chances: Vec<f32> = held.iter().map(|row| chances[*row]).collect();
    let auc =
        auc(Told { outcomes: &outcomes, chances: &chances, weights: None }).ok_or("one outcome only")?;
    println!(
        "{}",
        json!({
            "rows": rows, "seconds": seconds, "cpu_s": cpu, "checksum": format!("{auc:.3}"), "auc": auc,
            "train_s": trained, "score_s": seconds - trained,
        })
    );
    Ok(())
}
