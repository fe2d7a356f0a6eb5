//! A map on disk from 16-byte keys to values of a fixed size: new entries in memory, older ones in sorted files that are
//! merged as they become many. Memory is that of the newest entries, and a byte and a half for each older one.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// Entries between two that are remembered in memory: one read of the file brings the entries between them.
const STRIDE: usize = 128;
/// Runs of one size that are merged into one.
const MERGED: usize = 4;
/// Bits of the filter for each entry.
const FILTER_BITS: usize = 10;
/// Bits that one entry sets in its line of the filter.
const PROBES: u32 = 5;

/// A key: half of it decides the order, all of it is compared.
pub type Key = u128;

/// Keys are hashes: a table need not hash them again.
#[derive(Default)]
pub struct AsIs(u64);

impl Hasher for AsIs {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

pub type ByKey = BuildHasherDefault<AsIs>;

pub struct Runs<const VALUE: usize> {
    folder: PathBuf,
    newest: HashMap<Key, [u8; VALUE], ByKey>,
    runs: Vec<Run<VALUE>>,
    next: u64,
}

struct Run<const VALUE: usize> {
    path: PathBuf,
    file: File,
    entries: usize,
    /// Every so many entries' key.
    stations: Vec<Key>,
    filter: Filter,
}

fn failed(operation: &'static str, path: &Path, cause: std::io::Error) -> Error {
    Error::File { operation, path: path.to_path_buf(), cause }
}

impl<const VALUE: usize> Runs<VALUE> {
    const ENTRY: usize = 16 + VALUE;

    /// Opens the runs in a folder, which is made. The second value is the greatest `covers` that a spill was told.
    pub fn open(folder: &Path) -> Result<(Runs<VALUE>, u64), Error> {
        std::fs::create_dir_all(folder).map_err(|cause| failed("make", folder, cause))?;
        let mut found: BTreeMap<u64, (PathBuf, u64)> = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(|cause| failed("read", folder, cause))?.flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let parts = name.strip_suffix(".run").and_then(|name| name.split_once('-'));
            match parts.and_then(|(number, covers)| Some((number.parse().ok()?, covers.parse().ok()?))) {
                Some((number, covers)) => drop(found.insert(number, (path, covers))),
                None if name.ends_with(".partial") => drop(std::fs::remove_file(path)),
                None => {}
            }
        }
        let covers = found.values().map(|(_, covers)| *covers).max().unwrap_or(0);
        let next = found.keys().last().map_or(0, |number| number + 1);
        let runs: Result<Vec<_>, Error> = found.into_values().map(|(path, _)| Run::open(path)).collect();
        Ok((Runs { folder: folder.to_path_buf(), newest: HashMap::default(), runs: runs?, next }, covers))
    }

    /// Entries that are only in memory.
    pub fn unspilled(&self) -> usize {
        self.newest.len()
    }

    pub fn get(&self, key: Key) -> Result<Option<[u8; VALUE]>, Error> {
        if let Some(value) = self.newest.get(&key) {
            return Ok(Some(*value));
        }
        // The newest run first: of an entry that was written again it holds the later value.
        for run in self.runs.iter().rev() {
            if let Some((_, value)) = run.find(key)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    pub fn insert(&mut self, key: Key, value: [u8; VALUE]) {
        self.newest.insert(key, value);
    }

    /// Overwrites the value of a key wherever it stands, to the last byte on disk.
    pub fn overwrite(&mut self, key: Key, value: [u8; VALUE]) -> Result<(), Error> {
        if let Some(known) = self.newest.get_mut(&key) {
            *known = value;
        }
        for run in &self.runs {
            if let Some((at, _)) = run.find(key)? {
                let written = run.file.write_all_at(&value, (at * Self::ENTRY + 16) as u64);
                written
                    .and_then(|()| run.file.sync_all())
                    .map_err(|cause| failed("overwrite", &run.path, cause))?;
            }
        }
        Ok(())
    }

    /// Writes the entries that are only in memory to a run, synced, and merges runs as they become many. `covers` is
    /// remembered: what it means is the caller's.
    pub fn spill(&mut self, covers: u64) -> Result<(), Error> {
        if self.newest.is_empty() {
            return Ok(());
        }
        let mut entries: Vec<(Key, [u8; VALUE])> =
            self.newest.iter().map(|(key, value)| (*key, *value)).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        let run = self.write(covers, entries.len(), entries.iter().map(|entry| Ok(*entry)))?;
        self.runs.push(run);
        self.newest.clear();
        let size = |run: &Run<VALUE>| run.entries.max(1).ilog2() / 2;
        while self.runs.len() >= MERGED {
            let tail = &self.runs[self.runs.len() - MERGED..];
            if tail.iter().any(|run| size(run) > size(&tail[MERGED - 1]) + 1) {
                break;
            }
            self.merge_last(covers)?;
        }
        Ok(())
    }

    fn merge_last(&mut self, covers: u64) -> Result<(), Error> {
        let first = self.runs.len() - MERGED;
        let old = &self.runs[first..];
        let most = old.iter().map(|run| run.entries).sum();
        let mut readers = Vec::new();
        for run in old {
            let file = File::open(&run.path).map_err(|cause| failed("read", &run.path, cause))?;
            let mut reader = BufReader::with_capacity(1 << 18, file);
            let head = next_entry::<VALUE>(&mut reader, &run.path)?;
            readers.push((reader, head, run.path.clone()));
        }
        let merged = std::iter::from_fn(|| {
            let least = readers.iter().filter_map(|(_, head, _)| head.map(|(key, _)| key)).min()?;
            let mut taken = None;
            for (reader, head, path) in &mut readers {
                if head.is_some_and(|(key, _)| key == least) {
                    // Of equal keys the last run's value is the newest.
                    taken = *head;
                    match next_entry::<VALUE>(reader, path) {
                        Ok(next) => *head = next,
                        Err(error) => return Some(Err(error)),
                    }
                }
            }
            taken.map(Ok)
        });
        let run = self.write(covers, most, merged)?;
        for run in self.runs.splice(first.., [run]).collect::<Vec<_>>() {
            std::fs::remove_file(&run.path).map_err(|cause| failed("delete", &run.path, cause))?;
        }
        Ok(())
    }

    fn write(
        &mut self,
        covers: u64,
        most: usize,
        entries: impl Iterator<Item = Result<(Key, [u8; VALUE]), Error>>,
    ) -> Result<Run<VALUE>, Error> {
        let path = self.folder.join(format!("{:012}-{covers}.run", self.next));
        let partial = path.with_extension("partial");
        self.next += 1;
        let fail = |cause| failed("write", &partial, cause);
        let mut out = BufWriter::with_capacity(1 << 18, File::create(&partial).map_err(fail)?);
        let (mut stations, mut filter, mut count) = (Vec::new(), Filter::new(most), 0);
        for entry in entries {
            let (key, value) = entry?;
            if count % STRIDE == 0 {
                stations.push(key);
            }
            filter.add(key);
            out.write_all(&key.to_be_bytes()).and_then(|()| out.write_all(&value)).map_err(fail)?;
            count += 1;
        }
        let file = out.into_inner().map_err(|error| fail(error.into_error()))?;
        file.sync_all().map_err(fail)?;
        drop(file);
        let publish = std::fs::rename(&partial, &path).and_then(|()| File::open(&self.folder)?.sync_all());
        publish.map_err(fail)?;
        let file = open(&path)?;
        Ok(Run { path, file, entries: count, stations, filter })
    }
}

fn open(path: &Path) -> Result<File, Error> {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path);
    file.map_err(|cause| failed("open", path, cause))
}

fn next_entry<const VALUE: usize>(
    reader: &mut impl Read,
    path: &Path,
) -> Result<Option<(Key, [u8; VALUE])>, Error> {
    let (mut key, mut value) = ([0; 16], [0; VALUE]);
    match reader.read_exact(&mut key) {
        Err(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        outcome => outcome
            .and_then(|()| reader.read_exact(&mut value))
            .map_err(|cause| failed("read", path, cause))?,
    }
    Ok(Some((Key::from_be_bytes(key), value)))
}

impl<const VALUE: usize> Run<VALUE> {
    fn open(path: PathBuf) -> Result<Run<VALUE>, Error> {
        let file = open(&path)?;
        let size = file.metadata().map_err(|cause| failed("open", &path, cause))?.len() as usize;
        let (mut stations, mut filter, mut count) = (Vec::new(), Filter::new(size / (16 + VALUE)), 0);
        let mut reader = BufReader::with_capacity(1 << 18, &file);
        while let Some((key, _)) = next_entry::<VALUE>(&mut reader, &path)? {
            if count % STRIDE == 0 {
                stations.push(key);
            }
            filter.add(key);
            count += 1;
        }
        Ok(Run { path, file, entries: count, stations, filter })
    }

    /// Which entry has the key, and its value.
    fn find(&self, key: Key) -> Result<Option<(usize, [u8; VALUE])>, Error> {
        if !self.filter.may_have(key) {
            return Ok(None);
        }
        let Some(station) = self.stations.partition_point(|station| *station <= key).checked_sub(1) else {
            return Ok(None);
        };
        let (from, entry) = (station * STRIDE, 16 + VALUE);
        let count = STRIDE.min(self.entries - from);
        let mut bytes = vec![0; count * entry];
        let read = self.file.read_exact_at(&mut bytes, (from * entry) as u64);
        read.map_err(|cause| failed("read", &self.path, cause))?;
        let found = bytes.chunks_exact(entry).position(|one| one[..16] == key.to_be_bytes());
        Ok(found.map(|at| {
            let mut value = [0; VALUE];
            value.copy_from_slice(&bytes[at * entry + 16..(at + 1) * entry]);
            (from + at, value)
        }))
    }
}

/// A Bloom filter in lines of 64 bytes: one look at memory says that most absent keys are absent.
struct Filter {
    lines: Vec<[u64; 8]>,
}

impl Filter {
    fn new(entries: usize) -> Filter {
        Filter { lines: vec![[0; 8]; (entries * FILTER_BITS).div_ceil(512).max(1)] }
    }

    /// The line, and the bits in it, of a key; keys are hashes already.
    fn place(&self, key: Key) -> (usize, u64) {
        let line = ((key >> 64) as u64 as u128 * self.lines.len() as u128) >> 64;
        (line as usize, key as u64)
    }

    fn add(&mut self, key: Key) {
        let (line, mut bits) = self.place(key);
        for _ in 0..PROBES {
            self.lines[line][(bits & 7) as usize] |= 1 << ((bits >> 3) & 63);
            bits >>= 9;
        }
    }

    fn may_have(&self, key: Key) -> bool {
        let (line, mut bits) = self.place(key);
        for _ in 0..PROBES {
            if self.lines[line][(bits & 7) as usize] & (1 << ((bits >> 3) & 63)) == 0 {
                return false;
            }
            bits >>= 9;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes())
    }

    #[test]
    fn what_was_put_in_is_found_after_spills_merges_and_opening_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut runs, covers) = Runs::<4>::open(folder.path()).expect("opens");
        assert_eq!(covers, 0);
        for number in 0..20_000_u64 {
            runs.insert(key(number), (number as u32).to_le_bytes());
            if number % 700 == 699 {
                runs.spill(number).expect("spills");
            }
        }
        runs.insert(key(5), 77_u32.to_le_bytes());
        runs.spill(20_000).expect("spills");
        runs.overwrite(key(6), [0; 4]).expect("overwrites");
        assert!(runs.runs.len() < 10, "{} runs", runs.runs.len());
        drop(runs);
        let (runs, covers) = Runs::<4>::open(folder.path()).expect("opens");
        assert_eq!(covers, 20_000);
        for number in 0..20_000_u64 {
            let value = match number {
                5 => 77,
                6 => 0,
                _ => number as u32,
            };
            assert_eq!(runs.get(key(number)).expect("reads"), Some(value.to_le_bytes()), "{number}");
        }
        let wrong =
            (20_000..40_000_u64).filter(|number| runs.get(key(*number)).expect("reads").is_some()).count();
        assert_eq!(wrong, 0);
    }
}
