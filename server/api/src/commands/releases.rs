//! `bellwether releases`: what has been loaded and when.

use super::Outcome;
use crate::config::LakeArgs;

pub async fn run(lake: &LakeArgs) -> Outcome {
    let releases = lake.open()?.releases().await?;
    if releases.is_empty() {
        println!("nothing has been loaded yet");
    }
    for release in releases {
        println!("{:<6} {}  {}", release.id, release.created.format("%Y-%m-%d %H:%M:%S"), release.what);
    }
    Ok(())
}
