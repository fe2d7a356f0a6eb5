//! Configuration: small structs, filled once from the command line and its environment variables.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bellwether_lake::Lake;
use bellwether_targeting::card::Limits as ModelLimits;
use bellwether_warehouse::Limits;
use clap::Args;

use crate::state::StateFolder;

/// Where the lake is.
#[derive(Debug, Clone, Args)]
pub struct LakeArgs {
    /// Folder of the lake, or an object store's URL (s3://, gs://, az://).
    #[arg(long, global = true, env = "BELLWETHER_LAKE", default_value = "lake")]
    pub lake: String,

    /// Option for the object store, such as aws_region=us-east-1; may be given more than once.
    #[arg(long = "store-option", global = true, value_name = "NAME=VALUE")]
    pub store_options: Vec<String>,
}

impl LakeArgs {
    pub fn open(&self) -> Result<Lake, bellwether_lake::Error> {
        let options: BTreeMap<String, String> = self
            .store_options
            .iter()
            .filter_map(|option| option.split_once('='))
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        Lake::open(&self.lake, options)
    }
}

/// Limits of the engine, shared by `serve`, `derive` and `sql`.
#[derive(Debug, Clone, Args)]
pub struct EngineArgs {
    /// Memory for all callers' SQL together.
    #[arg(long, default_value = "1GB")]
    pub sql_memory: String,

    /// Seconds that one SQL query may take.
    #[arg(long, default_value_t = 30.0)]
    pub sql_seconds: f64,

    /// Rows that one SQL answer may have.
    #[arg(long, default_value_t = 1_000_000)]
    pub sql_rows: usize,

    /// Memory for building the serving copy and the derived tables.
    #[arg(long, default_value = "2GB")]
    pub build_memory: String,
}

impl EngineArgs {
    pub fn limits(&self) -> Limits {
        Limits {
            sql_memory: self.sql_memory.clone(),
            sql_seconds: self.sql_seconds,
            sql_rows: self.sql_rows,
            build_memory: self.build_memory.clone(),
            ..Limits::default()
        }
    }
}

/// What models are held to.
#[derive(Debug, Clone, Default, Args)]
pub struct GateArgs {
    /// JSON file with limits that models and scores must be within to be put in force, such as {"least_auc": 0.6}; what
    /// it does not name is least_people 500, least_auc 0.55, slope_within 0.15, promise_within 0.02,
    /// group_promise_within 0.1, most_drift 1.0.
    #[arg(long, env = "BELLWETHER_MODEL_LIMITS")]
    pub model_limits: Option<PathBuf>,
}

impl GateArgs {
    pub fn limits(&self) -> Result<ModelLimits, String> {
        let Some(path) = &self.model_limits else { return Ok(ModelLimits::default()) };
        let read = std::fs::read_to_string(path).map_err(|error| error.to_string());
        let limits = read.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
        limits.map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// Where the server keeps what is its own: keys, saved universes, the audit log.
#[derive(Debug, Clone, Args)]
pub struct StateArgs {
    /// Folder for keys, saved universes and the audit log. Default: `.state` beside the lake's tables.
    #[arg(long = "state", env = "BELLWETHER_STATE")]
    pub state_folder: Option<PathBuf>,
}

impl StateArgs {
    pub fn folder(&self, lake: &Lake) -> StateFolder {
        StateFolder::new(match &self.state_folder {
            Some(folder) => folder.clone(),
            None if lake.location().contains("://") => PathBuf::from("bellwether-state"),
            None => PathBuf::from(lake.location()).join(".state"),
        })
    }
}

/// What `serve` is told.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Address to listen on. Without keys the server listens on loopback only.
    #[arg(long, env = "BELLWETHER_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Folder for serving copies; they can be deleted at any time. Default: `.serving` beside the lake's tables.
    #[arg(long)]
    pub cache: Option<PathBuf>,

    /// Folder below which POST /v1/loads may name files.
    #[arg(long, default_value = "inbox")]
    pub inbox: PathBuf,

    /// Requests that may wait for the engine before more are answered 503.
    #[arg(long, default_value_t = 256)]
    pub queue: usize,

    /// Largest upload of POST /v1/loads in bytes; it goes to disk. Every other body may have a megabyte.
    #[arg(long, default_value_t = 4 << 30)]
    pub upload_limit: usize,

    #[command(flatten)]
    pub state: StateArgs,

    /// Counts of fewer voters are not shown to roles without a right to persons.
    #[arg(long, default_value_t = 10)]
    pub small_cell: u64,

    /// Seconds after which any request is given up.
    #[arg(long, default_value_t = 120)]
    pub request_seconds: u64,

    #[command(flatten)]
    pub engine: EngineArgs,

    #[command(flatten)]
    pub gate: GateArgs,

    #[command(flatten)]
    pub delivery: DeliveryArgs,
}

/// How events are taken in.
#[derive(Debug, Clone, Args)]
pub struct DeliveryArgs {
    /// Folder of event types of your own, one JSON Schema a file; looked at every two seconds.
    #[arg(long, env = "BELLWETHER_EVENT_TYPES")]
    pub event_types: Option<PathBuf>,

    /// Folder of the event queues and the keys that events are sealed with. Default: `delivery` in the state folder.
    #[arg(long)]
    pub event_queues: Option<PathBuf>,

    /// Bytes of events that may be taken in at once; bulk types may have half of it, normal ones three quarters.
    #[arg(long, default_value_t = 256 << 20)]
    pub event_room: u64,

    /// Largest body of events in bytes.
    #[arg(long, default_value_t = 64 << 20)]
    pub event_body: usize,
}

impl DeliveryArgs {
    pub fn settings(&self, state: &StateFolder) -> bellwether_delivery::Settings {
        bellwether_delivery::Settings {
            folder: self.event_queues.clone().unwrap_or_else(|| state.path("delivery")),
            types: self.event_types.clone(),
            room: self.event_room,
        }
    }
}

impl ServeArgs {
    pub fn request_time(&self) -> Duration {
        Duration::from_secs(self.request_seconds)
    }

    /// Limits of the engine, and the folder from which tables that grow are read.
    pub fn limits(&self, lake: &Lake) -> Limits {
        Limits { live_folder: lake.tables_folder(), ..self.engine.limits() }
    }

    /// Folder of the serving copies for this lake.
    pub fn cache_folder(&self, lake: &Lake) -> PathBuf {
        match &self.cache {
            Some(folder) => folder.clone(),
            None if lake.location().contains("://") => PathBuf::from("bellwether-serving"),
            None => PathBuf::from(lake.location()).join(".serving"),
        }
    }
}
