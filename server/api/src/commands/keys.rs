//! `bellwether keys`: who may ask the server, and as what.

use clap::{Args, Subcommand};

use super::Outcome;
use crate::config::{LakeArgs, StateArgs};
use crate::keys::{DistrictOfKey, Keys, NewKey, Role};

#[derive(Debug, Args)]
pub struct KeysArgs {
    #[command(flatten)]
    state: StateArgs,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key and print it, this once.
    Create {
        /// Who or what uses it.
        #[arg(long)]
        name: String,

        /// admin: everything. analyst: aggregates, persons, SQL. planner: aggregates without small cells.
        /// organizer: aggregates and persons of its districts. ingest: loads and events.
        #[arg(long)]
        role: Role,

        /// A district that the key is limited to, as kind/id; may be given more than once.
        #[arg(long = "district", value_name = "KIND/ID")]
        districts: Vec<DistrictOfKey>,

        /// Requests a minute.
        #[arg(long)]
        rate: Option<u32>,
    },
    /// List the keys, without their secrets.
    List,
    /// Revoke a key. A running server notices within a second.
    Revoke {
        /// Id of the key, as `list` shows it.
        id: String,
    },
}

pub async fn run(lake: &LakeArgs, args: KeysArgs) -> Outcome {
    let keys = Keys::open(args.state.folder(&lake.open()?))?;
    match args.command {
        Command::Create { name, role, districts, rate } => {
            let (key, token) = keys.create(NewKey { name, role, districts, rate })?;
            eprintln!(
                "key {} ({}) for {}; it is shown this once:",
                key.id,
                format!("{role:?}").to_lowercase(),
                key.name
            );
            println!("{token}");
        }
        Command::List => {
            for key in keys.list() {
                let districts: Vec<String> = key
                    .districts
                    .iter()
                    .map(|district| format!("{}/{}", district.kind, district.id))
                    .collect();
                let state = key.revoked.map_or("valid".to_string(), |day| format!("revoked {day}"));
                let role = format!("{:?}", key.role).to_lowercase();
                println!(
                    "{}  {:<9}  {}  {}  {}  {}",
                    key.id,
                    role,
                    key.created,
                    state,
                    key.name,
                    districts.join(",")
                );
            }
        }
        Command::Revoke { id } => match keys.revoke(&id)? {
            true => println!("revoked {id}"),
            false => return Err(format!("no key {id}; bellwether keys list shows them").into()),
        },
    }
    Ok(())
}
