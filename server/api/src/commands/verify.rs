//! `bellwether verify`: whether the audit log is whole.

use clap::Args;

use super::Outcome;
use crate::app::AUDIT;
use crate::audit;
use crate::config::{LakeArgs, StateArgs};

#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    state: StateArgs,

    /// Hash of a line that was written down elsewhere: the log must still hold it.
    #[arg(long)]
    noted: Option<String>,
}

pub async fn run(lake: &LakeArgs, args: VerifyArgs) -> Outcome {
    let path = args.state.folder(&lake.open()?).path(AUDIT);
    let (lines, last) = audit::verify(&path, args.noted.as_deref())
        .map_err(|error| format!("the audit log is not whole: {error}"))?;
    println!("the audit log is whole: {lines} lines, each chained to the one before");
    if lines > 0 {
        println!(
            "hash of the last line: {last}   (written down elsewhere, it can be asked for with --noted)"
        );
    }
    Ok(())
}
