//! The county-to-market crosswalk: `county_fips, county, state, tv_households, dma_code, dma_name`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bellwether_schema::catalog;

use crate::columns::ParquetTable;
use crate::convert::parse_count;
use crate::delimited::each_file;
use crate::{Error, Options, Progress, Report, Staged, StagedTable};

/// Loads the crosswalk into `media_markets`, replacing the one before.
pub fn load(paths: &[PathBuf], options: &Options, progress: &Arc<Progress>) -> Result<Staged, Error> {
    let started = Instant::now();
    let table = catalog::table("media_markets").expect("the catalog has every loader's table");
    let mut writer = ParquetTable::create_whole(table, options.staging.join("media_markets.parquet"))?;
    let [fips_at, county_at, state_at, market_at, name_at, homes_at] =
        ["county_fips", "county", "state", "market_id", "market", "tv_households"]
            .map(|name| writer.position(name));
    let mut report = Report { files: options.sources.clone(), ..Report::default() };
    each_file(
        paths,
        progress,
        &mut report,
        |header| header.require(["county_fips", "county", "state", "dma_code", "dma_name", "tv_households"]),
        |columns, row| {
            let [fips, county, state, code, name, homes] = columns.map(|column| row.get(column));
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if !digits(&fips) || fips.len() > 5 {
                return Err(row.reject(Some(columns[0]), "not a county FIPS code").into());
            }
            if !digits(&code) || code.len() > 3 {
                return Err(row.reject(Some(columns[3]), "not a market code").into());
            }
            let homes = match homes.is_empty() {
                true => None,
                false => {
                    Some(parse_count(&homes).ok_or_else(|| row.reject(Some(columns[5]), "not a count"))?)
                }
            };
            writer.text(fips_at, &format!("{fips:0>5}"));
            writer.text(county_at, &county);
            writer.text(state_at, &state);
            writer.text(market_at, &format!("{code:0>3}"));
            writer.text(name_at, &name);
            writer.double(homes_at, homes);
            Ok(writer.end_row()?)
        },
    )?;
    report.finish(options, started)?;
    let files = writer.finish()?.into_iter().collect();
    let staged = StagedTable { table: table.name.clone(), partition: Vec::new(), files };
    Ok(Staged { tables: vec![staged], report })
}
