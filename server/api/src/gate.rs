//! The gate of scores that were made elsewhere: what came true of some voters must be within the same limits that the
//! server's own models are held to.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use bellwether_lake::{Lake, NewFiles, Release};
use bellwether_loaders::columns::ParquetTable;
use bellwether_loaders::outreach::Proof;
use bellwether_schema::catalog;
use bellwether_targeting::appraisal;
use bellwether_targeting::card::{Limits, failures};
use bellwether_targeting::measures::Told;
use bellwether_warehouse::{Workshop, questions};

use crate::loading::LoadError;

/// The versions of a state's models that are in force in a release.
pub async fn versions(
    lake: &Lake,
    release: &Release,
    state: &str,
    folder: &Path,
) -> Result<HashMap<String, i64>, LoadError> {
    let files = lake.local_files(release, "models", folder).await?;
    let (state, folder) = (state.to_uppercase(), folder.to_path_buf());
    let asked = tokio::task::spawn_blocking(move || {
        let workshop = Workshop::open(&folder, &bellwether_warehouse::Limits::default())?;
        questions::model_versions(&workshop, &files, &state)
    });
    Ok(asked.await.map_err(|_| LoadError::Panicked)??)
}

/// The cards of models whose scores are within the limits, as files for the lake; an error that names what is not.
pub fn cards(
    proofs: &BTreeMap<String, Proof>,
    state: &str,
    version: &dyn Fn(&str) -> i32,
    limits: &Limits,
    (release, folder): (&str, &Path),
) -> Result<Vec<NewFiles>, LoadError> {
    let mut files = Vec::new();
    for (model, proof) in proofs {
        let told = Told { outcomes: &proof.outcomes, chances: &proof.chances, weights: None };
        if proof.outcomes.is_empty() {
            let reason = format!(
                "nothing is known of what came true: add a column outcome (0, 1, or empty) for {} voters or more",
                limits.least_people
            );
            return Err(LoadError::Unproven { model: model.clone(), reason });
        }
        let card = appraisal::of_chances(model, format!("scores of {model} from a file"), told);
        if let Some(reason) = failures(&card.checks(limits)) {
            return Err(LoadError::Unproven { model: model.clone(), reason });
        }
        let json = serde_json::to_string(&card).map_err(|_| LoadError::Panicked)?;
        let file = write(model, version(model), release, &json, folder)?;
        let partition = vec![state.to_uppercase(), model.clone()];
        files.push(NewFiles { table: "models".into(), partition, files: vec![file] });
    }
    Ok(files)
}

fn write(
    model: &str,
    version: i32,
    release: &str,
    card: &str,
    folder: &Path,
) -> Result<PathBuf, bellwether_loaders::Error> {
    let table = catalog::table("models").expect("the catalog has every table that is written");
    let file = folder.join(format!("models-{model}.parquet"));
    let mut writer = ParquetTable::create_whole(table, file.clone())?;
    writer.integer(writer.position("version"), Some(version));
    for (name, value) in [
        ("kind", "imported"),
        ("learned_from", release),
        ("scored_from", ""),
        ("card", card),
        ("parameters", ""),
    ] {
        writer.text(writer.position(name), value);
    }
    writer.end_row()?;
    writer.finish()?;
    Ok(file)
}
