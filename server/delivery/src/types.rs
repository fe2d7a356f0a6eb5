//! Which types there are: those that are shipped and those of a folder. The version in force is kept beside the queues, so
//! that an incompatible document changes nothing, and is told of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use bellwether_schema::events::{self, EventType, Priority};

use crate::{Error, UNREADABLE};

pub struct Registry {
    /// Documents of the versions in force.
    kept: PathBuf,
    folder: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: BTreeMap<String, EventType>,
    faults: BTreeMap<String, String>,
}

/// The type of what has no type: everything of it is a dead letter.
fn unreadable() -> EventType {
    EventType {
        name: UNREADABLE.into(),
        version: 1,
        meaning: "What was received and is no event of a type that is known.".into(),
        priority: Priority::Bulk,
        retention_days: 90,
        late_after_minutes: 1440,
        limits: events::EventLimits { backlog_bytes: Some(1_000_000_000), ..events::EventLimits::default() },
        subject: Vec::new(),
        fields: Vec::new(),
    }
}

impl Registry {
    /// Opens the registry: shipped types, then those in force when the server ended, then those of the folder.
    pub fn open(kept: &Path, folder: Option<PathBuf>) -> Result<Registry, Error> {
        std::fs::create_dir_all(kept).map_err(|cause| file("make", kept, cause))?;
        let registry = Registry { kept: kept.to_path_buf(), folder, state: Mutex::default() };
        {
            let mut state = registry.held();
            state.known.insert(UNREADABLE.into(), unreadable());
            for (_, document) in documents(kept).map_err(|cause| file("read", kept, cause))? {
                let event_type = EventType::parse(&document)?;
                state.known.insert(event_type.name.clone(), event_type);
            }
        }
        for event_type in events::shipped() {
            let document = events::shipped_document(&event_type.name).unwrap_or_default();
            registry.take(&format!("{} (shipped)", event_type.name), document);
        }
        registry.changed();
        Ok(registry)
    }

    fn held(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn known(&self) -> Vec<EventType> {
        self.held().known.values().cloned().collect()
    }

    /// Whether a type is known, be it set up or not.
    pub fn knows(&self, name: &str) -> bool {
        self.held().known.contains_key(name)
    }

    pub fn faults(&self) -> BTreeMap<String, String> {
        self.held().faults.clone()
    }

    /// Reads the folder again. Gives the types that are new or have a new version.
    pub fn changed(&self) -> Vec<EventType> {
        let Some(folder) = &self.folder else { return Vec::new() };
        match documents(folder) {
            Ok(documents) => {
                documents.iter().filter_map(|(name, document)| self.take(name, document)).collect()
            }
            Err(cause) => {
                self.held().faults.insert(folder.display().to_string(), cause.to_string());
                Vec::new()
            }
        }
    }

    /// Puts a document in force if it may follow the version that is. Gives the type if it was.
    fn take(&self, source: &str, document: &str) -> Option<EventType> {
        let mut state = self.held();
        let outcome = EventType::parse(document).and_then(|new| match state.known.get(&new.name) {
            Some(old) if *old == new => Ok(None),
            Some(old) => new.follows(old).map(|()| Some(new)),
            None => match state.known.values().find(|one| one.table_name() == new.table_name()) {
                Some(one) => Err(events::Error::Fault {
                    place: "$id".into(),
                    what: format!("its table would be that of {}", one.name),
                }),
                None => Ok(Some(new)),
            },
        });
        let outcome = outcome.map_err(Error::from).and_then(|new| {
            if let Some(new) = &new {
                keep(&self.kept, &new.name, document)?;
            }
            Ok(new)
        });
        match outcome {
            Ok(new) => {
                state.faults.remove(source);
                if let Some(new) = &new {
                    state.known.insert(new.name.clone(), new.clone());
                }
                new
            }
            Err(error) => {
                if state.faults.insert(source.to_string(), error.told()).is_none() {
                    tracing::warn!(source, error = %error.told(), "an event type is not taken up");
                }
                None
            }
        }
    }
}

fn file(operation: &'static str, path: &Path, cause: std::io::Error) -> Error {
    Error::File { operation, path: path.to_path_buf(), cause }
}

/// Names and texts of the JSON documents in a folder, in the order of their names.
fn documents(folder: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".json") {
            // A document that is not UTF-8 is told of as one that is not JSON.
            found.push((name, String::from_utf8_lossy(&std::fs::read(entry.path())?).into_owned()));
        }
    }
    found.sort();
    Ok(found)
}

fn keep(folder: &Path, name: &str, document: &str) -> Result<(), Error> {
    let path = folder.join(format!("{name}.json"));
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        std::io::Write::write_all(&mut file, document.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)
    });
    written.map(|_| ()).map_err(|cause| file("write", &path, cause))
}
