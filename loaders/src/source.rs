//! Opening source files: plain, gzip, or the members of a zip archive, with progress and a content hash.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::Receiver;

use crate::report::SourceFile;
use crate::{Error, Progress};

/// File name without its folder: messages and rejects never show where a file lies.
pub fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Name without folder and without its endings: `tl_2020_08_vtd20.geojson.gz` gives `tl_2020_08_vtd20`.
pub fn stem(path: &Path) -> String {
    let name = name(path);
    name.split('.').next().unwrap_or_default().to_string()
}

/// Content hash of each file, by which a file that is loaded already is recognised.
pub fn identify(paths: &[PathBuf]) -> Result<Vec<SourceFile>, Error> {
    paths.iter().map(|path| identify_one(path)).collect()
}

fn identify_one(path: &Path) -> Result<SourceFile, Error> {
    let fail = |cause| Error::Read { file: name(path), cause };
    let file = File::open(path).map_err(fail)?;
    let mut hasher = blake3::Hasher::new();
    let bytes = hasher.update_reader(BufReader::with_capacity(1 << 20, file)).map_err(fail)?.count();
    if bytes == 0 {
        return Err(Error::Empty { file: name(path) });
    }
    Ok(SourceFile { name: name(path), bytes, blake3: hasher.finalize().to_hex().to_string() })
}

/// A readable text inside a source file.
pub struct Text {
    /// Name for messages and rejects: the file's, or the archive member's.
    pub name: String,
    pub reader: Box<dyn Read + Send>,
}

/// Opens a file as text: decompresses gzip, and gives every member of a zip archive that ends like one of
/// `endings` (any ending where the list is empty).
pub fn open(path: &Path, endings: &[&str], progress: &Arc<Progress>) -> Result<Vec<Text>, Error> {
    let lower = name(path).to_lowercase();
    let fail = |cause| Error::Read { file: name(path), cause };
    if lower.ends_with(".zip") {
        return members(path, endings, progress);
    }
    let file = File::open(path).map_err(fail)?;
    let counted = Counted { inner: BufReader::with_capacity(1 << 20, file), progress: progress.clone() };
    if lower.ends_with(".gz") {
        let reader = flate2::read::MultiGzDecoder::new(counted);
        return Ok(vec![Text { name: name(path), reader: Box::new(reader) }]);
    }
    Ok(vec![Text { name: name(path), reader: Box::new(counted) }])
}

fn members(path: &Path, endings: &[&str], progress: &Arc<Progress>) -> Result<Vec<Text>, Error> {
    let mut archive = archive(path)?;
    let mut texts = Vec::new();
    for index in 0..archive.len() {
        let member = archive.by_index(index).map_err(|error| damaged(path, &error.to_string()))?;
        let member_name = member.name().map_err(|error| damaged(path, &error.to_string()))?.into_owned();
        let fits = |ending: &&str| member_name.to_lowercase().ends_with(*ending);
        if member.is_file() && (endings.is_empty() || endings.iter().any(fits)) {
            let reader = Box::new(Member::inflate(path, index, member.compressed_size(), progress)?);
            texts.push(Text { name: member_name, reader });
        }
    }
    if texts.is_empty() {
        return Err(damaged(path, &format!("the archive holds no {} file", endings.join(" or "))));
    }
    Ok(texts)
}

pub(crate) type Archive = zip::ZipArchive<BufReader<File>>;

/// Opens a zip archive; a truncated one has no directory and fails here.
pub(crate) fn archive(path: &Path) -> Result<Archive, Error> {
    let file = File::open(path).map_err(|cause| Error::Read { file: name(path), cause })?;
    zip::ZipArchive::new(BufReader::new(file)).map_err(|error| damaged(path, &error.to_string()))
}

pub(crate) fn damaged(path: &Path, detail: &str) -> Error {
    Error::Damaged { file: name(path), detail: detail.to_string() }
}

/// Counts the bytes that are read, as they lie on disk.
struct Counted<R> {
    inner: R,
    progress: Arc<Progress>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.progress.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// An owned reader of one archive member. The archive's own readers borrow it, so a thread inflates the member
/// and hands it over in pieces; the channel's bound keeps it from running ahead.
struct Member {
    pieces: Receiver<std::io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    taken: usize,
}

const PIECE: usize = 1 << 20;

impl Member {
    fn inflate(
        path: &Path,
        index: usize,
        compressed: u64,
        progress: &Arc<Progress>,
    ) -> Result<Member, Error> {
        let mut archive = archive(path)?;
        let progress = progress.clone();
        let (sender, pieces) = crossbeam_channel::bounded(2);
        std::thread::spawn(move || {
            let mut member = match archive.by_index(index) {
                Ok(member) => member,
                Err(error) => return drop(sender.send(Err(error.into()))),
            };
            let total = member.size().max(1);
            loop {
                let mut piece = Vec::with_capacity(PIECE);
                let outcome = (&mut member).take(PIECE as u64).read_to_end(&mut piece);
                let done = matches!(outcome, Ok(0));
                let read = piece.len() as u64;
                progress.bytes.fetch_add(read * compressed / total, Ordering::Relaxed);
                let message = outcome.map(|_| piece);
                if done || sender.send(message).is_err() {
                    return;
                }
            }
        });
        Ok(Member { pieces, piece: Vec::new(), taken: 0 })
    }
}

impl Read for Member {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.taken == self.piece.len() {
            match self.pieces.recv() {
                Ok(piece) => (self.piece, self.taken) = (piece?, 0),
                Err(_) => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len() - self.taken);
        buffer[..count].copy_from_slice(&self.piece[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}
