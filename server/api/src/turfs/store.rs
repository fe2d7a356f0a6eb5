//! Cuts as they are kept: a plan and a document of standings each, read by every process of the lake and changed by one at a
//! time. A door is on one open list at most: that is looked at while nobody else can write.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::error::ApiError;
use crate::state::StateFolder;
use crate::turfs::{Cut, Member, Plan, Standing, State, Stop, id_of};

const FOLDER: &str = "turfs";
const LOCK: &str = "turfs.lock";
/// Hashes of voters who were erased: nobody visits them again.
const ERASED: &str = "turfs-erased.json";

/// All cuts of a state folder.
pub struct TurfStore {
    state: StateFolder,
    /// Decides the links; made once.
    secret: [u8; 32],
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    cuts: BTreeMap<String, (Cut, [Option<SystemTime>; 2])>,
    /// The turf of every link, and how many links it had before: those that were taken back may still bring results.
    links: HashMap<String, (String, u32, u32)>,
}

/// Where a link leads.
pub struct Linked {
    pub cut: Cut,
    pub number: u32,
    /// Whether the list was not taken back since.
    pub holds: bool,
}

/// What became of a plan that was to be kept.
pub enum Kept {
    Done(Cut),
    /// Households that are on another open list: nothing was kept.
    Taken(HashSet<u64>),
    /// The cut that was to be cut anew is not as it was when that began: nothing was kept.
    Changed,
}

impl TurfStore {
    pub fn open(state: StateFolder) -> std::io::Result<TurfStore> {
        const FILE: &str = "walks.json";
        std::fs::create_dir_all(state.path(FOLDER))?;
        let lock = File::options().create(true).append(true).open(state.path(LOCK))?;
        lock.lock()?;
        let secret = match state.read(FILE)? {
            Some(secret) => secret,
            None => {
                let mut secret = [0u8; 32];
                secret[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
                secret[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
                state.write(FILE, &secret)?;
                secret
            }
        };
        Ok(TurfStore { state, secret, known: Mutex::default() })
    }

    /// The link of a turf: whoever knows it may read and fill this list. A turf that was given back has another one.
    pub fn link(&self, cut: &str, number: u32, links: u32) -> String {
        let text = format!("{cut} {number} {links}");
        let hash = blake3::keyed_hash(&self.secret, text.as_bytes());
        hash.to_hex()[..32].to_string()
    }

    fn plan_file(id: &str) -> String {
        format!("{FOLDER}/{id}/plan.json")
    }

    fn standings_file(id: &str) -> String {
        format!("{FOLDER}/{id}/standings.json")
    }

    /// Takes up what other processes wrote.
    fn refresh(&self, known: &mut Known) -> std::io::Result<()> {
        let mut there = HashSet::new();
        for entry in std::fs::read_dir(self.state.path(FOLDER))? {
            let entry = entry?;
            let Ok(id) = entry.file_name().into_string() else { continue };
            let written = |file: String| {
                std::fs::metadata(self.state.path(&file)).and_then(|file| file.modified()).ok()
            };
            let times = [written(Self::plan_file(&id)), written(Self::standings_file(&id))];
            if times[0].is_none() {
                continue;
            }
            there.insert(id.clone());
            let before = known.cuts.get(&id);
            if before.is_some_and(|(_, read)| *read == times) {
                continue;
            }
            let plan = match before.filter(|(_, read)| read[0] == times[0]) {
                Some((cut, _)) => cut.plan.clone(),
                None => match self.state.read::<Plan>(&Self::plan_file(&id))? {
                    Some(plan) => Arc::new(plan),
                    None => continue,
                },
            };
            let standings = self.state.read::<BTreeMap<u32, Standing>>(&Self::standings_file(&id))?;
            let cut = Cut { plan, standings: standings.unwrap_or_default() };
            self.remember(known, cut, times);
        }
        let gone: Vec<String> = known.cuts.keys().filter(|id| !there.contains(*id)).cloned().collect();
        for id in gone {
            known.cuts.remove(&id);
            known.links.retain(|_, (cut, ..)| *cut != id);
        }
        Ok(())
    }

    fn remember(&self, known: &mut Known, cut: Cut, times: [Option<SystemTime>; 2]) {
        let id = cut.plan.id.clone();
        known.links.retain(|_, (of, ..)| *of != id);
        for turf in &cut.plan.turfs {
            for links in 0..=cut.standing(turf.number).links {
                let link = self.link(&id, turf.number, links);
                known.links.insert(link, (id.clone(), turf.number, links));
            }
        }
        known.cuts.insert(id, (cut, times));
    }

    fn with<T>(&self, ask: impl FnOnce(&mut Known) -> T) -> Result<T, ApiError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut known).map_err(ApiError::internal)?;
        Ok(ask(&mut known))
    }

    /// Held while anything is written: one process at a time.
    fn lock(&self) -> Result<File, ApiError> {
        let path = self.state.path(LOCK);
        let file = File::options().create(true).append(true).open(path).map_err(ApiError::internal)?;
        file.lock().map_err(ApiError::internal)?;
        Ok(file)
    }

    pub fn all(&self) -> Result<Vec<Cut>, ApiError> {
        self.with(|known| known.cuts.values().rev().map(|(cut, _)| cut.clone()).collect())
    }

    pub fn cut(&self, id: &str) -> Result<Cut, ApiError> {
        let found = self.with(|known| known.cuts.get(id).map(|(cut, _)| cut.clone()))?;
        found.ok_or_else(|| ApiError::not_found("no such cut; GET /v1/turf-cuts lists those that there are"))
    }

    /// Where a link leads; none where it never led anywhere.
    pub fn of_link(&self, link: &str) -> Result<Option<Linked>, ApiError> {
        self.with(|known| {
            let (cut, number, links) = known.links.get(link)?;
            let cut = known.cuts.get(cut)?.0.clone();
            let standing = cut.standing(*number);
            let open = !matches!(standing.state, State::Cut | State::Returned);
            let replaced = cut.turf(*number).is_none_or(|turf| turf.replaced);
            let holds = open && !replaced && standing.links == *links;
            Some(Linked { cut, number: *number, holds })
        })
    }

    /// Households that are on an open list of any cut but, where one is named, of the turfs of that cut which are cut anew.
    pub fn taken(&self, anew: Option<&str>) -> Result<HashSet<u64>, ApiError> {
        self.with(|known| taken(known, anew))
    }

    /// Keeps a new plan, or one that takes the place of `before`, where nothing came in between.
    pub fn keep(&self, mut plan: Plan, before: Option<&Cut>) -> Result<Kept, ApiError> {
        let _turn = self.lock()?;
        // Somebody may have been erased while this was cut.
        let erased = self.erased()?;
        for household in
            plan.turfs.iter_mut().flat_map(|turf| &mut turf.stops).flat_map(|stop| &mut stop.households)
        {
            household.retain(|member| !erased(member));
        }
        let (id, anew) = (plan.id.clone(), before.is_some());
        if let Some(before) = before {
            let stored = self.with(|known| known.cuts.get(&id).map(|(cut, _)| cut.clone()))?;
            let same = |stored: &Cut| {
                let is_kept = |number: u32| stored.standing(number).state.is_kept();
                let turfs = || stored.plan.turfs.iter().filter(|turf| !turf.replaced && is_kept(turf.number));
                std::sync::Arc::ptr_eq(&stored.plan, &before.plan)
                    && turfs()
                        .all(|turf| plan.turfs.iter().any(|own| own.number == turf.number && !own.replaced))
            };
            if !stored.as_ref().is_some_and(same) {
                return Ok(Kept::Changed);
            }
        }
        let doubled = self.with(|known| {
            let taken = taken(known, anew.then_some(&id));
            let own = plan.turfs.iter().filter(|turf| !turf.replaced);
            let standing =
                |number| known.cuts.get(&id).map(|(cut, _)| cut.standing(number)).unwrap_or_default();
            let fresh = own.filter(|turf| !anew || !standing(turf.number).state.is_kept());
            let homes = fresh.flat_map(|turf| turf.stops.iter().flat_map(Stop::numbers));
            homes.filter(|home| taken.contains(home)).collect::<HashSet<u64>>()
        })?;
        if !doubled.is_empty() {
            return Ok(Kept::Taken(doubled));
        }
        self.state.write(&Self::plan_file(&id), &plan).map_err(ApiError::internal)?;
        Ok(Kept::Done(self.cut(&id)?))
    }

    /// Changes how a turf stands.
    pub fn stand(
        &self,
        id: &str,
        number: u32,
        change: impl FnOnce(&mut Standing) -> Result<(), ApiError>,
    ) -> Result<Cut, ApiError> {
        let _turn = self.lock()?;
        let cut = self.cut(id)?;
        let known = cut.turf(number).is_some_and(|turf| !turf.replaced);
        if !known {
            return Err(ApiError::not_found(format!("{} is no turf, or was cut anew", id_of(id, number))));
        }
        let mut standings = cut.standings.clone();
        let standing = standings.entry(number).or_default();
        let was_open = standing.state.is_open();
        change(standing)?;
        if standing.state.is_open() && !was_open {
            // Its doors were free meanwhile: somebody else may have them.
            let taken = self.taken(None)?;
            let own = cut.turf(number).into_iter().flat_map(|turf| &turf.stops);
            let lost = own.flat_map(Stop::numbers).filter(|home| taken.contains(home)).count();
            if lost > 0 {
                return Err(ApiError::conflict(format!(
                    "{lost} of its doors are on other lists by now; cut them anew"
                )));
            }
        }
        standing.changed = Some(now());
        self.state.write(&Self::standings_file(id), &standings).map_err(ApiError::internal)?;
        self.cut(id)
    }

    /// Forgets a cut.
    pub fn forget(&self, id: &str, may: impl FnOnce(&Cut) -> Result<(), ApiError>) -> Result<(), ApiError> {
        let _turn = self.lock()?;
        may(&self.cut(id)?)?;
        // First the plan: without it there is no cut, whatever else is left.
        std::fs::remove_file(self.state.path(&Self::plan_file(id))).map_err(ApiError::internal)?;
        std::fs::remove_dir_all(self.state.path(&format!("{FOLDER}/{id}"))).map_err(ApiError::internal)
    }

    /// What stands for a voter who was erased; of one whose state was not told, without it.
    fn trace(&self, voter: &str, state: &str) -> String {
        let text = format!("{}/{voter}", state.to_ascii_uppercase());
        blake3::keyed_hash(&self.secret, text.as_bytes()).to_hex()[..32].to_string()
    }

    /// Says of voters, by state and id, whether they were erased.
    pub fn erased(&self) -> Result<impl Fn(&Member) -> bool + '_, ApiError> {
        let known: HashSet<String> = self.state.read(ERASED).map_err(ApiError::internal)?.unwrap_or_default();
        Ok(move |member: &Member| {
            let trace = |state: &str| known.contains(&self.trace(&member.voter_id, state));
            !known.is_empty() && (trace(&member.state) || trace(""))
        })
    }

    /// Takes a voter who was erased off every list, and off those that are to come.
    pub fn erase(&self, voter: &str, state: Option<&str>) -> Result<(), ApiError> {
        let _turn = self.lock()?;
        let mut known: std::collections::BTreeSet<String> =
            self.state.read(ERASED).map_err(ApiError::internal)?.unwrap_or_default();
        if known.insert(self.trace(voter, state.unwrap_or_default())) {
            self.state.write(ERASED, &known).map_err(ApiError::internal)?;
        }
        let is = |member: &Member| {
            member.voter_id == voter && state.is_none_or(|state| member.state.eq_ignore_ascii_case(state))
        };
        for cut in self.all()? {
            if !cut.plan.turfs.iter().any(|turf| turf.members().any(is)) {
                continue;
            }
            let mut plan = (*cut.plan).clone();
            for household in
                plan.turfs.iter_mut().flat_map(|turf| &mut turf.stops).flat_map(|stop| &mut stop.households)
            {
                household.retain(|member| !is(member));
            }
            self.state.write(&Self::plan_file(&plan.id), &plan).map_err(ApiError::internal)?;
        }
        Ok(())
    }
}

/// Households on open lists.
fn taken(known: &Known, anew: Option<&str>) -> HashSet<u64> {
    let mut doors = HashSet::new();
    for (id, (cut, _)) in &known.cuts {
        let own = anew == Some(id);
        for turf in cut.plan.turfs.iter().filter(|turf| !turf.replaced) {
            let state = cut.standing(turf.number).state;
            if if own { state.is_kept() } else { state.is_open() } {
                doors.extend(turf.stops.iter().flat_map(Stop::numbers));
            }
        }
    }
    doors
}

/// This moment, RFC 3339, UTC.
pub fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
