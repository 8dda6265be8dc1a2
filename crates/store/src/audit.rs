//! Looks at every file of a store: is each one whole that the newest manifest names, and is there none beside them.
//!
//! It reads bytes and digests, no rows: that the rows are what the ledger gives is shown by deriving them again. It
//! changes nothing, and goes on behind everything that it finds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::{Damage, OpenError, ReadError};
use crate::hex;
use crate::layout::{IDS_FILE, KEYS_FILE, Layout, SUMMARY_FILE, manifest_number, segment_name};
use crate::manifest::Manifest;
use crate::stored::StoredSegment;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 1 << 18;

/// What is in a store's folder.
#[derive(Debug, Default)]
pub struct Audit {
    /// Leaves of the ledger that are folded; `None` where no manifest says so.
    pub folded: Option<u64>,
    /// Files that were looked at.
    pub files: u64,
    /// Files of segments that are no longer in force, which the next publication removes. They do no harm.
    pub superseded: u64,
    /// What is not as it must be, in order of files.
    pub flaws: Vec<Flaw>,
}

/// A file that is not as it must be.
#[derive(Debug)]
pub struct Flaw {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub kind: FlawKind,
}

/// What is wrong with a file.
#[derive(Debug)]
pub enum FlawKind {
    /// It cannot be read or is not what it must be.
    Damaged(Box<dyn std::error::Error + Send + Sync>),
    /// The manifest or a summary names it, and it is not there.
    Missing,
    /// Nothing names it.
    Extra,
}

/// Looks at every file below `folder`.
pub fn audit(folder: &Path) -> Audit {
    let layout = Layout { root: folder.to_owned() };
    let mut audit = Audit::default();
    let mut left = BTreeSet::new();
    audit.list(folder, &mut left);
    let manifest = match Manifest::newest(&layout) {
        Ok((number, manifest)) => {
            audit.take_manifests(&mut left, number);
            Some(manifest)
        }
        Err(OpenError::Absent { .. }) => {
            audit.push(layout.manifests(), FlawKind::Missing);
            None
        }
        Err(error) => {
            let newest = left.iter().filter_map(|path| Some((manifest_number(path)?, path.clone()))).max();
            let file = newest.map_or_else(|| layout.manifests(), |(_, path)| path);
            left.remove(&file);
            audit.push(file, FlawKind::Damaged(Box::new(error)));
            None
        }
    };
    if let Some(manifest) = manifest {
        audit.folded = Some(manifest.folded);
        let in_force = manifest.segments.iter().map(|it| segment_name(it.first, it.end)).collect();
        for segment in manifest.segments {
            let summary = layout.segment_folder(segment.first, segment.end).join(SUMMARY_FILE);
            let end = segment.end;
            left.remove(&summary);
            audit.files += 1;
            match StoredSegment::open(&layout, segment) {
                Ok(segment) => audit.check_segment(&layout, &segment, &mut left),
                Err(error) => {
                    // What it names is not known, so none of its files can be called extra.
                    let folder = summary.parent().map(Path::to_owned).unwrap_or_default();
                    left.retain(|path| !path.starts_with(&folder));
                    left.retain(|path| path.starts_with(layout.segments()) || !ends_with(path, end));
                    audit.push(summary, kind_of(error));
                }
            }
        }
        audit.judge_rest(&layout, left, &in_force);
    }
    audit.flaws.sort_by(|left, right| left.file.cmp(&right.file));
    audit
}

impl Audit {
    fn push(&mut self, file: PathBuf, kind: FlawKind) {
        self.flaws.push(Flaw { file, kind });
    }

    fn list(&mut self, folder: &Path, found: &mut BTreeSet<PathBuf>) {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.push(folder.to_owned(), io_kind(folder, error)),
        };
        for entry in entries {
            match entry.and_then(|entry| entry.file_type().map(|kind| (entry.path(), kind))) {
                Ok((path, kind)) if kind.is_dir() => self.list(&path, found),
                Ok((path, _)) => {
                    found.insert(path);
                }
                Err(error) => self.push(folder.to_owned(), io_kind(folder, error)),
            }
        }
    }

    /// Older manifests, and one that was being written, go with the next publication.
    fn take_manifests(&mut self, left: &mut BTreeSet<PathBuf>, newest: u64) {
        left.retain(|path| {
            let partial = path.extension().is_some_and(|ending| ending == "partial");
            let number = manifest_number(&if partial { path.with_extension("") } else { path.clone() });
            let known = number.is_some_and(|number| number <= newest || partial);
            self.files += u64::from(number == Some(newest) && !partial);
            self.superseded += u64::from(known && (partial || number != Some(newest)));
            !known
        });
    }

    fn check_segment(&mut self, layout: &Layout, segment: &StoredSegment, left: &mut BTreeSet<PathBuf>) {
        let summary = &segment.summary;
        let files = summary.files.iter().map(|(name, file)| (segment.folder.join(name), file));
        let partitions = summary.partitions.iter().map(|(path, file)| (layout.root.join(path), file));
        for (path, expected) in files.chain(partitions).collect::<BTreeMap<_, _>>() {
            left.remove(&path);
            self.files += 1;
            match digest_of(&path) {
                Ok((bytes, digest)) if bytes == expected.bytes && digest == expected.sha256 => {}
                Ok((bytes, digest)) => {
                    let expected = format!("{} bytes with SHA-256 `{}`", expected.bytes, expected.sha256);
                    let found = format!("{bytes} with `{digest}`");
                    let damage = Damage::new(&path, 0, expected, found);
                    self.push(path, FlawKind::Damaged(Box::new(damage)));
                }
                Err(error) => {
                    let kind = io_kind(&path, error);
                    self.push(path, kind);
                }
            }
        }
    }

    /// Segments that the manifest before named stay until the next publication, so that its readers keep them; so do
    /// files by day that a broken-off compaction left. Everything else is a stranger.
    fn judge_rest(&mut self, layout: &Layout, left: BTreeSet<PathBuf>, in_force: &BTreeSet<String>) {
        let was_in_force = |range: &str| is_range(range) && !in_force.contains(range);
        let is_ours =
            |file: &str| file.ends_with(".parquet") || [SUMMARY_FILE, KEYS_FILE, IDS_FILE].contains(&file);
        for path in left {
            let below = path.strip_prefix(&layout.root).unwrap_or(&path);
            let names: Vec<&str> = below.iter().filter_map(|name| name.to_str()).collect();
            let is_superseded = match names[..] {
                ["segment", range, file] => was_in_force(range) && is_ours(file),
                [_, day, file] if day.starts_with("day=") => {
                    file.strip_suffix(".parquet").is_some_and(was_in_force)
                }
                _ => false,
            };
            if is_superseded {
                self.superseded += 1;
            } else {
                self.push(path, FlawKind::Extra);
            }
        }
    }
}

/// Whether a name is `<first>-<end>`.
fn is_range(name: &str) -> bool {
    let numbers = name.split_once('-').map(|(first, end)| (first.parse::<u64>(), end.parse::<u64>()));
    matches!(numbers, Some((Ok(first), Ok(end))) if first < end)
}

/// Whether a file by day is of a segment that ends so.
fn ends_with(path: &Path, end: u64) -> bool {
    path.file_stem().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(&format!("-{end}")))
}

fn kind_of(error: OpenError) -> FlawKind {
    match error {
        OpenError::Read(ReadError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            FlawKind::Missing
        }
        error => FlawKind::Damaged(Box::new(error)),
    }
}

fn io_kind(path: &Path, error: io::Error) -> FlawKind {
    if error.kind() == io::ErrorKind::NotFound {
        FlawKind::Missing
    } else {
        FlawKind::Damaged(Box::new(ReadError::io(path, error)))
    }
}

/// Length and SHA-256 of a file, which may be larger than memory.
fn digest_of(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut digest, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK_BYTES]);
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok((bytes, hex::digits(&digest.finalize())));
        }
        digest.update(&chunk[..read]);
        bytes += read as u64;
    }
}
