//! Turfs: the doors of a universe cut into walks, who walks them, and what came of it. Plans and standings are documents in
//! the state folder; they name voters by their ids only, and what else a list holds is read from the release when it is
//! asked for.

pub mod cutting;
pub mod lists;
pub mod making;
pub mod printing;
pub mod progress;
pub mod request;
pub mod results;
pub mod store;
pub mod streets;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use request::{Script, TurfsRequest};

/// The doors of a universe, cut into turfs at one time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    pub id: String,
    pub name: String,
    /// RFC 3339, UTC.
    pub created: String,
    /// Id of the key that cut it.
    pub owner: String,
    /// Release whose voters were cut.
    pub release: String,
    /// What was asked for.
    pub request: TurfsRequest,
    /// The filter, with the limits of the key.
    pub filter: Value,
    pub script: Script,
    /// Elections whose returned ballots take people off the lists.
    pub elections: Vec<String>,
    /// How many people of the universe were left out, by the reason.
    pub suppressed: BTreeMap<String, u64>,
    /// The greatest minutes of a turf by the least.
    pub minutes_spread: f64,
    pub turfs: Vec<Turf>,
}

/// The doors of one walk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Turf {
    /// From 1; the turf's id is that of the cut, a point and this.
    pub number: u32,
    /// In walking order.
    pub stops: Vec<Stop>,
    /// At the doors and on the way, the way back included.
    pub minutes: f64,
    /// The whole round.
    pub metres: f64,
    /// Where it is to begin and end, where a place was given.
    pub start: Option<[f64; 2]>,
    /// GeoJSON MultiPolygon.
    pub outline: Value,
    /// The walk along the streets, as longitudes and latitudes; empty where no street network is loaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<[f64; 2]>,
    /// Cut anew since: it is kept for what was done on it.
    #[serde(default)]
    pub replaced: bool,
}

/// A place where a canvasser stops.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stop {
    pub longitude: f64,
    pub latitude: f64,
    /// Minutes there.
    pub minutes: f64,
    /// Metres from the stop before; of the first from the start, where one is near.
    pub metres: f64,
    /// The door's own number, the same in every cut.
    pub door: u64,
    /// People by household, units in order.
    pub households: Vec<Vec<Member>>,
    /// The own numbers of the households, the same in every cut.
    #[serde(default)]
    pub homes: Vec<u64>,
}

/// A voter on a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    pub state: String,
    pub voter_id: String,
}

/// How a turf stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Cut, and given to nobody yet.
    #[default]
    Cut,
    /// Whoever has the link may claim it.
    Released,
    /// A canvasser has it.
    Claimed,
    /// Something was recorded on it.
    Started,
    Finished,
    /// Given back: its doors that are left may be cut anew.
    Returned,
}

impl State {
    /// Whether nobody else may have its doors.
    pub fn is_open(self) -> bool {
        matches!(self, State::Cut | State::Released | State::Claimed | State::Started)
    }

    /// Whether cutting anew must leave it alone.
    pub fn is_kept(self) -> bool {
        matches!(self, State::Claimed | State::Started | State::Finished)
    }

    pub fn name(self) -> &'static str {
        match self {
            State::Cut => "cut",
            State::Released => "released",
            State::Claimed => "claimed",
            State::Started => "started",
            State::Finished => "finished",
            State::Returned => "returned",
        }
    }
}

/// What changes about a turf after it was cut.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Standing {
    pub state: State,
    /// Who has it.
    pub canvasser: Option<String>,
    /// How often its link was made invalid.
    pub links: u32,
    /// RFC 3339, UTC, of the last change.
    pub changed: Option<String>,
}

/// A cut and how its turfs stand.
#[derive(Debug, Clone)]
pub struct Cut {
    pub plan: std::sync::Arc<Plan>,
    pub standings: BTreeMap<u32, Standing>,
}

impl Cut {
    pub fn standing(&self, number: u32) -> Standing {
        self.standings.get(&number).cloned().unwrap_or_default()
    }

    pub fn turf(&self, number: u32) -> Option<&Turf> {
        self.plan.turfs.iter().find(|turf| turf.number == number)
    }
}

impl Stop {
    /// The numbers by which nobody else may have its households; of plans that do not name them the door's.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        let door = self.homes.is_empty().then_some(self.door);
        self.homes.iter().copied().chain(door)
    }
}

impl Turf {
    pub fn doors(&self) -> usize {
        self.stops.iter().map(|stop| stop.households.len()).sum()
    }

    pub fn people(&self) -> usize {
        self.members().count()
    }

    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.stops.iter().flat_map(|stop| stop.households.iter().flatten())
    }
}

/// The id of a turf.
pub fn id_of(cut: &str, number: u32) -> String {
    format!("{cut}.{number}")
}

/// The cut and the number of a turf's id.
pub fn parts_of(id: &str) -> Option<(&str, u32)> {
    let (cut, number) = id.rsplit_once('.')?;
    Some((cut, number.parse().ok()?))
}
