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

    /// Where phones reach this server, for the links and codes of door lists: https://doors.example.org. Without it the
    /// address that a request came to.
    #[arg(long)]
    pub public_url: Option<String>,

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

    /// JSON file with the Jetstreams of Bluesky to follow:
    /// [{"name": "bluesky", "jetstream": "wss://jetstream2.us-east.bsky.network/subscribe"}]; each entry may name
    /// "authors" and "collections".
    #[arg(long, env = "BELLWETHER_EVENT_FEEDS")]
    pub event_feeds: Option<PathBuf>,

    /// Another server that gets a copy of every event, for running side by side; GET /v1/event-mirror compares.
    #[arg(long, value_name = "URL")]
    pub event_mirror: Option<String>,

    /// File with the key for the mirror.
    #[arg(long, requires = "event_mirror")]
    pub event_mirror_key: Option<PathBuf>,

    /// Taxonomy of topics that posts are read by, in place of the one that is shipped (schema/topics.json); looked at
    /// every two seconds.
    #[arg(long, env = "BELLWETHER_TOPICS")]
    pub topics: Option<PathBuf>,

    /// Folder of the event queues and the keys that events are sealed with. Default: `delivery` in the state folder.
    #[arg(long)]
    pub event_queues: Option<PathBuf>,

    /// Bytes of events that may be taken in at once; bulk types may have half of it, normal ones three quarters.
    #[arg(long, default_value_t = 256 << 20)]
    pub event_room: u64,

    /// Servers of a NATS cluster with JetStream that holds the event queues, such as
    /// nats://one:4222,nats://two:4222,nats://three:4222; each must have sync_interval: always. Default: queues are
    /// folders of this machine.
    #[arg(long, env = "BELLWETHER_EVENT_CLUSTER")]
    pub event_cluster: Option<String>,

    /// File with the credentials for the cluster.
    #[arg(long, requires = "event_cluster")]
    pub event_cluster_credentials: Option<PathBuf>,

    /// Servers of the cluster that hold each event.
    #[arg(long, default_value_t = 3)]
    pub event_replicas: usize,

    /// Begins the names of the cluster's streams: each warehouse that uses a cluster needs its own.
    #[arg(long, default_value = "bellwether", value_parser = stream_prefix)]
    pub event_cluster_prefix: String,

    /// Only take events in; another server of the cluster lands them.
    #[arg(long, requires = "event_cluster")]
    pub event_gate_only: bool,

    /// Memory for events between queue and table, all types together, in bytes.
    #[arg(long, default_value_t = 1 << 30)]
    pub event_memory: usize,

    /// Largest body of events in bytes.
    #[arg(long, default_value_t = 64 << 20)]
    pub event_body: usize,
}

fn stream_prefix(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match !text.is_empty() && text.len() <= 64 && text.chars().all(plain) {
        true => Ok(text.to_string()),
        false => Err("letters, digits, - and _, at most 64".into()),
    }
}

impl DeliveryArgs {
    pub fn mirror(&self) -> Option<crate::mirroring::Settings> {
        let (url, key) = (self.event_mirror.clone()?, self.event_mirror_key.clone());
        Some(crate::mirroring::Settings { url, key })
    }

    pub fn settings(&self, state: &StateFolder) -> bellwether_delivery::Settings {
        bellwether_delivery::Settings {
            folder: self.event_queues.clone().unwrap_or_else(|| state.path("delivery")),
            types: self.event_types.clone(),
            room: self.event_room,
            memory: self.event_memory,
            cluster: self.event_cluster.clone().map(|servers| bellwether_delivery::cluster::Settings {
                servers,
                credentials: self.event_cluster_credentials.clone(),
                replicas: self.event_replicas,
                prefix: self.event_cluster_prefix.clone(),
            }),
            gate_only: self.event_gate_only,
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
