//! `bellwether generate`: a synthetic electorate as files.

use std::path::PathBuf;

use bellwether_generator::electorate;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::Outcome;

#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Folder of published data (searched with all its folders): precinct outlines (tl_*_vtd20.geojson.gz),
    /// counties and districts (tl_*.zip), counties by television market (county_dma*.csv, optional), population (alarm_*_vtd.csv), past votes (vest_*_vtd.csv), and
    /// optionally census name lists in a folder `names`.
    #[arg(long)]
    from: PathBuf,

    /// How many voters to draw.
    #[arg(long, default_value_t = 200_000)]
    voters: usize,

    /// The same seed gives the same files, byte for byte.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Postal code of the state whose data the folder holds.
    #[arg(long, default_value = "CO")]
    state: String,

    /// Folder for the files.
    #[arg(long, default_value = "generated")]
    to: PathBuf,
}

pub fn run(args: GenerateArgs) -> Outcome {
    let layout = bellwether_loaders::voters::layout_of(&args.state)?;
    let style =
        ProgressStyle::with_template("{bar:30} {pos}/{len} voters").expect("the template is constant");
    let bar = ProgressBar::new(args.voters as u64).with_style(style);
    let made = electorate(&args.from, layout, args.voters, args.seed, &args.to, &mut |made| {
        bar.set_position(made as u64)
    })?;
    bar.finish_and_clear();
    let state = &layout.state;
    println!(
        "{} invented voters, their history and their address points are written. To load them:",
        made.people
    );
    println!("  bellwether load addresses {} --state {state}", made.addresses.display());
    println!("  bellwether load voters {} --state {state}", made.voters.display());
    println!("  bellwether load history {} --state {state}", made.history.display());
    if let Some(tv) = &made.television {
        println!("  bellwether load panel {}", tv.panel.display());
        println!("  bellwether load viewing {}", tv.viewing.display());
        println!("  bellwether load ratings {}", tv.ratings.display());
        println!("  bellwether load inventory {}", tv.inventory.display());
        println!("  bellwether load airings {}", tv.airings.display());
    }
    println!("  bellwether derive");
    println!("What each county was drawn from is in {}", made.drawn_from.display());
    Ok(())
}
