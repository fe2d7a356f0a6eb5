//! Keys and roles: who may ask what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Instant, SystemTime};

use bellwether_schema::ids::Kind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::state::StateFolder;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Admin,
    /// Aggregates, persons and SQL.
    Analyst,
    /// Aggregates; no persons, and no cell small enough to tell of one.
    Planner,
    /// Aggregates and persons in the districts of the key.
    Organizer,
    /// Loads and events.
    Ingest,
}

/// What a request needs the right to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    Nothing,
    /// What is not about voters: the catalog, releases, jobs.
    Presence,
    Aggregates,
    Persons,
    Sql,
    Load,
    Admin,
}

impl Role {
    pub fn has(self, right: Right) -> bool {
        use Right::*;
        match right {
            Nothing | Presence => true,
            Aggregates => self != Role::Ingest,
            Persons => matches!(self, Role::Admin | Role::Analyst | Role::Organizer),
            Sql => matches!(self, Role::Admin | Role::Analyst),
            Load => matches!(self, Role::Admin | Role::Ingest),
            Admin => self == Role::Admin,
        }
    }
}

/// A district that a key is limited to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DistrictOfKey {
    #[schema(example = "state_house")]
    pub kind: String,
    #[schema(example = "CO-HD-41")]
    pub id: String,
}

impl std::str::FromStr for DistrictOfKey {
    type Err = String;

    /// `state_house/CO-HD-41`
    fn from_str(text: &str) -> Result<DistrictOfKey, String> {
        let (kind, id) = text.split_once('/').ok_or("write kind/id: state_house/CO-HD-41")?;
        known(kind)?;
        Ok(DistrictOfKey { kind: kind.into(), id: id.into() })
    }
}

fn known(kind: &str) -> Result<(), String> {
    let names = Kind::ALL.map(Kind::name).join(", ");
    Kind::parse(kind).map(|_| ()).ok_or(format!("unknown kind {kind}; there are {names}"))
}

/// A key as it is kept: without its secret.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Key {
    pub id: String,
    /// Who or what uses it.
    pub name: String,
    pub role: Role,
    /// Districts that it is limited to; none: no limit.
    #[serde(default)]
    pub districts: Vec<DistrictOfKey>,
    /// Requests a minute.
    pub rate: u32,
    /// RFC 3339, UTC.
    pub created: String,
    pub revoked: Option<String>,
    /// BLAKE3 of the secret, hexadecimal.
    #[schema(ignore)]
    hash: String,
}

/// What a new key shall be.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    pub name: String,
    pub role: Role,
    #[serde(default)]
    pub districts: Vec<DistrictOfKey>,
    /// Requests a minute; 60,000 by default.
    pub rate: Option<u32>,
}

/// Requests a minute, where nothing else is said.
const RATE: u32 = 60_000;
const FILE: &str = "keys.json";

/// All keys: the file, and what is known of their use.
#[derive(Clone)]
pub struct Keys {
    state: StateFolder,
    known: Arc<RwLock<Known>>,
    buckets: Arc<Mutex<HashMap<String, Bucket>>>,
}

#[derive(Default)]
struct Known {
    keys: HashMap<String, Arc<Key>>,
    /// When the file that they come from was written.
    read: Option<SystemTime>,
}

/// Requests that a key has left.
struct Bucket {
    left: f64,
    at: Instant,
}

/// What a key's rate leaves.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    pub limit: u32,
    pub remaining: u32,
    /// Seconds until there is one more, where none is left; else until all are there.
    pub reset: u64,
    pub allowed: bool,
}

impl Keys {
    pub fn open(state: StateFolder) -> std::io::Result<Keys> {
        let keys = Keys { state, known: Arc::default(), buckets: Arc::default() };
        keys.refresh()?;
        Ok(keys)
    }

    /// Reads the file again where it has changed: another process may have made or revoked a key.
    pub fn refresh(&self) -> std::io::Result<()> {
        let written = std::fs::metadata(self.state.path(FILE)).and_then(|meta| meta.modified()).ok();
        if self.known.read().is_ok_and(|known| known.read == written) {
            return Ok(());
        }
        let Some(list) = self.state.read::<Vec<Key>>(FILE)? else {
            // A file that is gone must not open the server to everyone.
            return match self.in_use() {
                true => Err(std::io::Error::other("the file of the keys is gone")),
                false => Ok(()),
            };
        };
        if let Ok(mut known) = self.known.write() {
            let keys = list.into_iter().map(|key| (key.id.clone(), Arc::new(key))).collect();
            *known = Known { keys, read: written };
        }
        Ok(())
    }

    /// Whether anybody must show a key. A revoked key still says that keys are in use.
    pub fn in_use(&self) -> bool {
        self.known.read().map_or(true, |known| !known.keys.is_empty())
    }

    pub fn list(&self) -> Vec<Key> {
        let mut list: Vec<Key> = match self.known.read() {
            Ok(known) => known.keys.values().map(|key| Key::clone(key)).collect(),
            Err(_) => Vec::new(),
        };
        list.sort_by(|one, other| one.created.cmp(&other.created).then(one.id.cmp(&other.id)));
        list
    }

    /// Makes a key and gives it with its secret, which is shown this once.
    pub fn create(&self, new: NewKey) -> Result<(Key, String), String> {
        new.districts.iter().try_for_each(|district| known(&district.kind))?;
        if new.name.trim().is_empty() || new.name.len() > 100 {
            return Err("a key needs a name of at most 100 characters".into());
        }
        if new.role == Role::Organizer && new.districts.is_empty() {
            return Err("an organizer's key needs its districts: state_house/CO-HD-41".into());
        }
        if new.rate == Some(0) {
            return Err("a rate is at least one request a minute".into());
        }
        let _alone = self.alone()?;
        self.refresh().map_err(|error| error.to_string())?;
        let word = || uuid::Uuid::new_v4().simple().to_string();
        let (id, secret) = (word()[..12].to_string(), word() + &word());
        let key = Key {
            id: id.clone(),
            name: new.name,
            role: new.role,
            districts: new.districts,
            rate: new.rate.unwrap_or(RATE),
            created: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            revoked: None,
            hash: blake3::hash(secret.as_bytes()).to_hex().to_string(),
        };
        let mut list = self.list();
        list.push(key.clone());
        self.save(&list)?;
        Ok((key, format!("bw_{id}_{secret}")))
    }

    /// Revokes a key. False where there is none.
    pub fn revoke(&self, id: &str) -> Result<bool, String> {
        let _alone = self.alone()?;
        self.refresh().map_err(|error| error.to_string())?;
        let mut list = self.list();
        let Some(key) = list.iter_mut().find(|key| key.id == id) else { return Ok(false) };
        key.revoked.get_or_insert(chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
        self.save(&list)?;
        Ok(true)
    }

    /// Held while the file is read and written again, by this process or another one.
    fn alone(&self) -> Result<std::fs::File, String> {
        let open = || {
            std::fs::create_dir_all(self.state.path(""))?;
            let file = std::fs::File::create(self.state.path("keys.lock"))?;
            file.lock()?;
            Ok::<_, std::io::Error>(file)
        };
        open().map_err(|error| format!("cannot lock the keys: {error}"))
    }

    fn save(&self, list: &[Key]) -> Result<(), String> {
        self.state.write(FILE, &list).map_err(|error| format!("cannot keep the keys: {error}"))?;
        self.refresh().map_err(|error| error.to_string())
    }

    /// The key that a token stands for, unless it is unknown, wrong or revoked.
    pub fn find(&self, token: &str) -> Option<Arc<Key>> {
        let (id, secret) = token.strip_prefix("bw_")?.split_once('_')?;
        let key = self.known.read().ok()?.keys.get(id)?.clone();
        // Hashes are compared in constant time.
        let expected = blake3::Hash::from_hex(&key.hash).ok()?;
        (blake3::hash(secret.as_bytes()) == expected && key.revoked.is_none()).then_some(key)
    }

    /// Takes one request from a key's rate: a bucket of one minute's requests that fills steadily.
    pub fn take(&self, key: &Key) -> Allowance {
        let full = f64::from(key.rate);
        let mut allowance = Allowance { limit: key.rate, remaining: key.rate, reset: 0, allowed: true };
        if let Ok(mut buckets) = self.buckets.lock() {
            let now = Instant::now();
            let bucket = buckets.entry(key.id.clone()).or_insert(Bucket { left: full, at: now });
            let gained = now.duration_since(bucket.at).as_secs_f64() * full / 60.0;
            bucket.left = (bucket.left + gained).min(full);
            bucket.at = now;
            allowance.allowed = bucket.left >= 1.0;
            let missing = if allowance.allowed {
                bucket.left -= 1.0;
                full - bucket.left
            } else {
                1.0 - bucket.left
            };
            allowance.remaining = bucket.left as u32;
            allowance.reset = (missing * 60.0 / full).ceil() as u64;
        }
        allowance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_that_is_gone_opens_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = Keys::open(StateFolder::new(folder.path().into())).expect("no keys yet");
        assert!(!keys.in_use());
        let new = NewKey { name: "desk".into(), role: Role::Planner, districts: Vec::new(), rate: None };
        let (key, token) = keys.create(new).expect("a key");
        std::fs::remove_file(folder.path().join(FILE)).expect("removed");
        assert!(keys.refresh().is_err());
        assert!(keys.in_use() && keys.find(&token).is_some_and(|found| found.id == key.id));
        assert!(keys.find(&format!("bw_{}_{}", key.id, "0".repeat(64))).is_none());
    }
}
