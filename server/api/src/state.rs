//! What the server itself keeps, beside the lake: keys, saved universes, the audit log. A folder of small files, each
//! written whole or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The folder.
#[derive(Debug, Clone)]
pub struct StateFolder {
    path: PathBuf,
}

impl StateFolder {
    pub fn new(path: PathBuf) -> StateFolder {
        StateFolder { path }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads a document; none where there is no such file.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> std::io::Result<Option<T>> {
        match std::fs::read(self.path(name)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ids of the documents in a folder of them, the newest first where ids begin with the time.
    pub fn ids(&self, folder: &str) -> Vec<String> {
        let files = std::fs::read_dir(self.path(folder)).into_iter().flatten();
        let id = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.ok()?.file_name().to_str()?.strip_suffix(".json").map(str::to_string)
        };
        let mut ids: Vec<String> = files.filter_map(id).collect();
        ids.sort_unstable_by(|one, other| other.cmp(one));
        ids
    }

    /// Writes a document: to a file beside it that then takes its name, synced.
    pub fn write(&self, name: &str, document: &impl Serialize) -> std::io::Result<()> {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec_pretty(document)?)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        std::fs::File::open(folder)?.sync_all()
    }
}
