//! Derived tables: which are stale, in what order to make them, and the steps that make each. The work itself is
//! done by the atlas (geometry) and the warehouse's workshop (SQL); this crate only calls them.
//!
//! A derived table records what it was made from: the versions of its input tables and the revision of its
//! recipe. It is made again only when that changes.

mod places;
mod recipes;

use std::collections::BTreeMap;
use std::path::PathBuf;

use bellwether_lake::{Change, Lake, NewFiles, Release, WriteLock};
use bellwether_schema::catalog;
use bellwether_warehouse::{Limits, Workshop};

use recipes::{RECIPES, Recipe};

/// Why a table could not be derived.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot derive {table}")]
    Warehouse {
        table: &'static str,
        #[source]
        cause: bellwether_warehouse::Error,
    },
    #[error("cannot derive {table}")]
    Atlas {
        table: &'static str,
        #[source]
        cause: bellwether_atlas::Error,
    },
    #[error(transparent)]
    Lake(#[from] bellwether_lake::Error),
}

/// One step's outcome, told as it happens.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Step {
    pub table: &'static str,
    pub rows: u64,
    pub seconds: f64,
    /// False where the table was up to date.
    pub made: bool,
}

/// What the steps of one run share.
pub(crate) struct Bench {
    workshop: Workshop,
    staging: tempfile::TempDir,
}

/// Names of the derived tables whose inputs have changed since they were made, in the order of making.
pub fn stale(release: &Release) -> Vec<&'static str> {
    let made_from = |recipe: &Recipe| release.tables.get(recipe.table).and_then(|table| table.inputs.clone());
    let is_stale =
        |recipe: &&Recipe| made_from(recipe).as_deref() != Some(fingerprint(release, recipe).as_str());
    RECIPES.iter().filter(is_stale).map(|recipe| recipe.table).collect()
}

/// The inputs of a recipe as the release has them. Derived inputs count by what they would be made from now.
fn fingerprint(release: &Release, recipe: &Recipe) -> String {
    let mut parts = vec![format!("recipe {}", recipe.revision)];
    for input in recipe.inputs {
        let derived = RECIPES.iter().find(|other| other.table == *input);
        parts.push(match (derived, release.tables.get(*input)) {
            (Some(other), _) => format!("{input} ({})", fingerprint(release, other)),
            (None, Some(table)) => format!("{input} {}", table.version),
            (None, None) => format!("{input} absent"),
        });
    }
    parts.join(", ")
}

/// Makes what is stale and commits it as one release. Gives the newest release and what was done. Nothing is
/// committed where everything is up to date.
pub async fn derive(
    lake: &Lake,
    lock: &WriteLock,
    limits: &Limits,
    mut tell: impl FnMut(&Step) + Send,
) -> Result<(Release, Vec<Step>), Error> {
    let release = lake.latest().await?;
    let stale = stale(&release);
    let mut steps = Vec::new();
    if stale.is_empty() {
        return Ok((release, steps));
    }
    let staging = lake.staging(lock)?;
    let workshop = Workshop::open(staging.path(), limits)
        .map_err(|cause| Error::Warehouse { table: "any table", cause })?;
    let cache = staging.path().join("fetched");
    for table in catalog::tables().iter().filter(|table| !table.name.ends_with("_source")) {
        let files = lake.local_files(&release, &table.name, &cache).await?;
        workshop.show(table, &files).map_err(|cause| Error::Warehouse { table: "any table", cause })?;
    }
    let bench = Bench { workshop, staging };
    let mut files = Vec::new();
    for recipe in RECIPES {
        let started = std::time::Instant::now();
        let made = stale.contains(&recipe.table);
        let mut rows = release.tables.get(recipe.table).map_or(0, |table| table.rows);
        if made {
            let (new, count) = tokio::task::block_in_place(|| make(&bench, recipe))?;
            files.extend(new);
            rows = count;
        }
        let step = Step { table: recipe.table, rows, seconds: started.elapsed().as_secs_f64(), made };
        tell(&step);
        steps.push(step);
    }
    let inputs: BTreeMap<String, String> = RECIPES
        .iter()
        .filter(|recipe| stale.contains(&recipe.table))
        .map(|recipe| (recipe.table.to_string(), fingerprint(&release, recipe)))
        .collect();
    let change = Change { what: format!("derived {}", stale.join(", ")), files, load: None, inputs };
    Ok((lake.commit(lock, change).await?, steps))
}

/// Makes one table: runs its recipe, writes one file a partition, and shows the new table to the recipes after.
fn make(bench: &Bench, recipe: &Recipe) -> Result<(Vec<NewFiles>, u64), Error> {
    let table = catalog::table(recipe.table).expect("recipes make tables of the catalog");
    let fail = |cause| Error::Warehouse { table: recipe.table, cause };
    (recipe.prepare)(bench)?;
    let (name, made) = (&table.name, format!("made_{}", table.name));
    let select = recipe.select;
    let sql =
        format!("CREATE TABLE {made} AS {select}; CREATE OR REPLACE VIEW {name} AS SELECT * FROM {made}");
    bench.workshop.run(&sql).map_err(fail)?;
    let rows = bench.workshop.ask(&format!("SELECT count(*) AS rows FROM {made}"), &[]).map_err(fail)?;
    let rows = rows.integers("rows").first().copied().flatten().unwrap_or(0) as u64;
    let write = |select: &str, name: &str| -> Result<Vec<PathBuf>, Error> {
        let path = bench.staging.path().join(name);
        Ok(bench.workshop.write(table, select, &path).map_err(fail)?.into_iter().collect())
    };
    // Everything that was there goes, whatever its partition.
    let mut files = vec![NewFiles { table: table.name.clone(), partition: Vec::new(), files: Vec::new() }];
    if table.partition_by.is_empty() {
        files[0].files = write(&format!("SELECT * FROM {made}"), &format!("{}.parquet", table.name))?;
        return Ok((files, rows));
    }
    let states = bench
        .workshop
        .ask(&format!("SELECT DISTINCT state FROM {made} ORDER BY state"), &[])
        .map_err(fail)?;
    for state in states.texts("state").into_iter().flatten() {
        let select = format!("SELECT * FROM {made} WHERE state = '{state}'");
        let paths = write(&select, &format!("{}-{state}.parquet", table.name))?;
        files.push(NewFiles { table: table.name.clone(), partition: vec![state], files: paths });
    }
    Ok((files, rows))
}
