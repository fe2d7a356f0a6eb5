//! One key for every person: private fields of events are sealed with it (AES-256-GCM). When the key is erased, what was
//! sealed with it can be read nowhere any more, in no copy.
//!
//! Persons are known by a pseudonym, a keyed hash of what names them. Keys lie in sorted runs, new ones in a log beside
//! them that is synced before anything that they sealed is committed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::Error;
use crate::runs::{Key, Runs};

/// Bytes of a key.
const KEY: usize = 32;
/// New keys that are held in memory before they are written to a run.
const NEWEST: usize = 1 << 20;
/// What stands in the place of an erased key.
const ERASED: [u8; KEY] = [0; KEY];

/// Keys of persons.
pub struct Vault {
    pepper: [u8; 32],
    inner: Mutex<Inner>,
}

struct Inner {
    keys: Runs<KEY>,
    log: File,
    log_path: PathBuf,
    /// Bytes of the log that are whole entries.
    log_length: u64,
    unwritten: Vec<u8>,
    unsynced: bool,
    random: ChaCha20Rng,
}

/// What a person's name in an event is turned into: 16 bytes that tell nothing without the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Person(pub Key);

impl std::fmt::Display for Person {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl Person {
    /// Reads the 32 hexadecimal digits that a person is shown as.
    pub fn parse(text: &str) -> Option<Person> {
        (text.len() == 32).then(|| Key::from_str_radix(text, 16).ok().map(Person)).flatten()
    }
}

/// A person's key.
#[derive(Clone, Copy)]
pub struct PersonKey([u8; KEY]);

/// Makes nonces that are used once: random for each sealer, counted within.
pub struct Sealer {
    start: [u8; 8],
    count: u32,
}

fn failed(operation: &'static str, path: &Path, cause: std::io::Error) -> Error {
    Error::File { operation, path: path.to_path_buf(), cause }
}

impl Vault {
    /// Opens the vault in a folder, which is made and readable by its owner only.
    pub fn open(folder: &Path) -> Result<Vault, Error> {
        std::fs::create_dir_all(folder).map_err(|cause| failed("make", folder, cause))?;
        let secret = |path: &Path| {
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
        };
        let mut random =
            ChaCha20Rng::try_from_rng(&mut rand::rngs::SysRng).map_err(|_| Error::NoRandomness)?;
        let pepper_path = folder.join("pepper");
        let mut pepper = [0; 32];
        let mut file = secret(&pepper_path).map_err(|cause| failed("open", &pepper_path, cause))?;
        let is_new = file.metadata().map_err(|cause| failed("open", &pepper_path, cause))?.len() == 0;
        if !is_new {
            file.read_exact(&mut pepper).map_err(|cause| failed("read", &pepper_path, cause))?;
        } else {
            random.fill_bytes(&mut pepper);
            let written = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&pepper));
            written.and_then(|()| file.sync_all()).map_err(|cause| failed("write", &pepper_path, cause))?;
        }
        let (mut keys, _) = Runs::open(&folder.join("keys"))?;
        let log_path = folder.join("newest");
        let mut log = secret(&log_path).map_err(|cause| failed("open", &log_path, cause))?;
        let mut entries = Vec::new();
        log.read_to_end(&mut entries).map_err(|cause| failed("read", &log_path, cause))?;
        for entry in entries.chunks_exact(16 + KEY) {
            let (person, key) = entry.split_at(16);
            let known = Key::from_be_bytes(person.try_into().unwrap_or_default());
            keys.insert(known, key.try_into().unwrap_or(ERASED));
        }
        // An entry that was cut off by a crash sealed nothing yet.
        let whole = entries.len() / (16 + KEY) * (16 + KEY);
        log.set_len(whole as u64).map_err(|cause| failed("cut", &log_path, cause))?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|cause| failed("sync", folder, cause))?;
        let log_length = whole as u64;
        let inner = Inner { keys, log, log_path, log_length, unwritten: Vec::new(), unsynced: false, random };
        Ok(Vault { pepper, inner: Mutex::new(inner) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The pseudonym of who is named so. `kind` keeps names of different kinds apart.
    pub fn person(&self, kind: &str, name: &[&[u8]]) -> Person {
        let mut text = [0_u8; 128];
        let mut length = 0;
        let parts = [kind.as_bytes(), &[0]];
        let whole = parts.iter().chain(name).try_for_each(|part| {
            text.get_mut(length..length + part.len())?.copy_from_slice(part);
            length += part.len();
            Some(())
        });
        let hash = match whole {
            // Nearly all names are short: one call hashes them.
            Some(()) => blake3::keyed_hash(&self.pepper, &text[..length]),
            None => {
                let mut hasher = blake3::Hasher::new_keyed(&self.pepper);
                parts.iter().chain(name).for_each(|part| {
                    hasher.update(part);
                });
                hasher.finalize()
            }
        };
        Person(Key::from_be_bytes(*hash.as_bytes().first_chunk().expect("32 bytes have 16")))
    }

    /// The keys of persons, made for those who have none; none for those who were erased. Call [`Vault::sync`] before
    /// what they seal is committed.
    pub fn keys(&self, persons: &[Person]) -> Result<Vec<Option<PersonKey>>, Error> {
        let mut inner = self.inner();
        let mut keys = Vec::with_capacity(persons.len());
        for person in persons {
            let key = match inner.keys.get(person.0)? {
                Some(key) => key,
                None => inner.make(person.0),
            };
            keys.push((key != ERASED).then_some(PersonKey(key)));
        }
        Ok(keys)
    }

    /// The key of a person, if there is one.
    pub fn known(&self, person: Person) -> Result<Option<PersonKey>, Error> {
        Ok(self.inner().keys.get(person.0)?.filter(|key| *key != ERASED).map(PersonKey))
    }

    /// Whether a person was erased.
    pub fn is_erased(&self, person: Person) -> Result<bool, Error> {
        Ok(self.inner().keys.get(person.0)? == Some(ERASED))
    }

    /// Makes sure that the keys made so far survive.
    pub fn sync(&self) -> Result<(), Error> {
        let mut inner = self.inner();
        inner.sync()?;
        if inner.keys.unspilled() >= NEWEST {
            inner.keys.spill(0)?;
            let emptied = inner.log.set_len(0);
            inner.log_length = 0;
            emptied
                .and_then(|()| inner.log.sync_all())
                .map_err(|cause| failed("empty", &inner.log_path, cause))?;
        }
        Ok(())
    }

    /// Erases a person's key, to the last byte on disk. Later events of that person keep no private field.
    pub fn erase(&self, person: Person) -> Result<(), Error> {
        let mut inner = self.inner();
        inner.sync()?;
        let mut entries = Vec::new();
        let path = inner.log_path.clone();
        let fail = |cause| failed("overwrite", &path, cause);
        File::open(&path).and_then(|mut log| log.read_to_end(&mut entries)).map_err(fail)?;
        let (entry, mut found) = (16 + KEY, false);
        for (at, one) in entries.chunks_exact(entry).enumerate() {
            if one[..16] == person.0.to_be_bytes() {
                inner.log.write_all_at(&ERASED, (at * entry + 16) as u64).map_err(fail)?;
                found = true;
            }
        }
        inner.keys.overwrite(person.0, ERASED)?;
        inner.keys.insert(person.0, ERASED);
        if !found {
            // Who had no key, or has it in a run, is remembered as erased all the same.
            inner.unwritten.extend_from_slice(&person.0.to_be_bytes());
            inner.unwritten.extend_from_slice(&ERASED);
        }
        inner.unsynced = true;
        inner.sync()
    }
}

impl Inner {
    fn make(&mut self, person: Key) -> [u8; KEY] {
        let mut key = ERASED;
        while key == ERASED {
            self.random.fill_bytes(&mut key);
        }
        self.keys.insert(person, key);
        self.unwritten.extend_from_slice(&person.to_be_bytes());
        self.unwritten.extend_from_slice(&key);
        self.unsynced = true;
        key
    }

    fn sync(&mut self) -> Result<(), Error> {
        if !self.unsynced {
            return Ok(());
        }
        // After a failure the next try writes over what got there of this one.
        let written = self.log.write_all_at(&self.unwritten, self.log_length);
        written
            .and_then(|()| self.log.sync_data())
            .map_err(|cause| failed("write", &self.log_path, cause))?;
        self.log_length += self.unwritten.len() as u64;
        self.unwritten.clear();
        self.unsynced = false;
        Ok(())
    }
}

impl Sealer {
    pub fn new() -> Result<Sealer, Error> {
        let mut start = [0; 8];
        rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut start).map_err(|_| Error::NoRandomness)?;
        Ok(Sealer { start, count: 0 })
    }

    /// Seals a text: the nonce, then what it became. `context` must be the same when it is opened.
    pub fn seal(
        &mut self,
        key: &PersonKey,
        context: &[u8],
        text: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.count = self.count.checked_add(1).ok_or(Error::NoRandomness)?;
        let mut nonce = [0; NONCE_LEN];
        nonce[..8].copy_from_slice(&self.start);
        nonce[8..].copy_from_slice(&self.count.to_le_bytes());
        out.clear();
        out.extend_from_slice(&nonce);
        out.extend_from_slice(text);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let (_, body) = out.split_at_mut(NONCE_LEN);
        let tag = key.cipher()?.seal_in_place_separate_tag(nonce, Aad::from(context), body);
        out.extend_from_slice(tag.map_err(|_| Error::Sealed)?.as_ref());
        Ok(())
    }
}

impl PersonKey {
    fn cipher(&self) -> Result<LessSafeKey, Error> {
        UnboundKey::new(&AES_256_GCM, &self.0).map(LessSafeKey::new).map_err(|_| Error::Sealed)
    }

    /// Opens what was sealed; an error where it was not sealed with this key and context.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(Error::Sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::Sealed)?;
        let mut body = body.to_vec();
        let cipher = self.cipher()?;
        let opened = cipher.open_in_place(nonce, Aad::from(context), &mut body).map_err(|_| Error::Sealed)?;
        Ok(opened.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_until_the_key_is_erased_and_the_key_is_on_no_disk_then() {
        let folder = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(folder.path()).expect("opens");
        let (ada, bob) = (vault.person("voter", &[b"1"]), vault.person("voter", &[b"2"]));
        let keys = vault.keys(&[ada, bob]).expect("keys");
        let (mut sealer, mut sealed) = (Sealer::new().expect("random"), Vec::new());
        sealer.seal(&keys[0].expect("a key"), b"a.b", b"hello", &mut sealed).expect("seals");
        vault.sync().expect("syncs");
        drop(vault);
        let vault = Vault::open(folder.path()).expect("opens");
        let key = vault.known(ada).expect("reads").expect("a key");
        assert_eq!(key.open(b"a.b", &sealed).expect("opens"), b"hello");
        assert!(key.open(b"a.c", &sealed).is_err(), "another context");
        assert!(vault.known(bob).expect("reads").expect("a key").open(b"a.b", &sealed).is_err());
        let raw = key.0;
        vault.erase(ada).expect("erases");
        for vault in [vault, Vault::open(folder.path()).expect("opens")] {
            assert!(vault.known(ada).expect("reads").is_none());
            assert!(vault.is_erased(ada).expect("reads"));
            assert!(vault.keys(&[ada, bob]).expect("keys")[0].is_none());
        }
        let bytes = std::fs::read(folder.path().join("newest")).expect("the log");
        assert!(!bytes.windows(KEY).any(|window| window == raw));
    }
}
