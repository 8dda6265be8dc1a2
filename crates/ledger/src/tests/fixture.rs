//! A small ledger to test with: segments of 256 leaves, entries of several kinds.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::durable::Disk;
use crate::ledger::Settings;
use crate::{
    AppendError, CreateError, Draft, Hash, KeyPair, Kind, Ledger, LedgerPaths, OpenError, Reader, Recovery,
    Report, Span, verify,
};

/// Leaves a segment, so that a few hundred entries cross segments and fill tiles.
pub(super) const SEGMENT_LEAVES: u32 = 256;

/// A ledger in a folder of its own.
pub(super) struct Fixture {
    folder: TempDir,
    pub(super) paths: LedgerPaths,
}

impl Fixture {
    pub(super) fn new() -> Self {
        // Memory, where there is some to mount files in: these tests sync a lot and lose no power.
        let memory = Path::new("/dev/shm");
        let folder =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let paths = LedgerPaths::new(folder.path().join("ledger"), folder.path().join("anchor"));
        Self { folder, paths }
    }

    /// A ledger whose entries are all committed, in batches as they are listed.
    pub(super) fn committed(batches: &[u64]) -> Self {
        let fixture = Self::new();
        let mut ledger = fixture.create();
        for count in batches {
            append(&mut ledger, *count).unwrap();
            ledger.checkpoint().unwrap();
        }
        fixture
    }

    pub(super) fn create(&self) -> Ledger {
        self.create_on(Disk::default()).unwrap()
    }

    /// Makes the ledger through another disk, which sees the same files.
    pub(super) fn create_on(&self, disk: Disk) -> Result<Ledger, CreateError> {
        Ledger::create_with(&self.paths.on(disk), key(), settings())
    }

    /// Opens the ledger through another disk, which sees the same files.
    pub(super) fn open_on(&self, disk: Disk) -> Result<(Ledger, Recovery), OpenError> {
        Ledger::open(&self.paths.on(disk), key())
    }

    pub(super) fn open(&self) -> Result<(Ledger, Recovery), OpenError> {
        Ledger::open(&self.paths, key())
    }

    pub(super) fn verify(&self) -> Report {
        verify(&self.paths, key().verifier(), &|_| {})
    }

    /// Requires that nothing is wrong, and says what is.
    pub(super) fn assert_clean(&self, context: &str) {
        let report = self.verify();
        let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
        assert!(report.is_clean(), "{context}: {problems:#?}");
    }

    pub(super) fn reader(&self) -> Reader {
        Reader::open(&self.paths, key().verifier()).unwrap()
    }

    /// Every file of ledger and anchor but the lock, with its bytes.
    pub(super) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        for folder in [&self.paths.ledger, &self.anchor()] {
            collect_files(folder, &mut files);
        }
        files.retain(|(path, _)| path.file_name().is_none_or(|name| name != "lock"));
        files.sort();
        files
    }

    /// The folder of the anchor.
    pub(super) fn anchor(&self) -> PathBuf {
        self.beside("anchor")
    }

    /// A folder beside the ledger, for copies.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

pub(super) fn key() -> KeyPair {
    KeyPair::from_seed("example.com/ledger", [7; 32]).unwrap()
}

pub(super) fn settings() -> Settings {
    Settings { segment_leaves: SEGMENT_LEAVES, ..Settings::default() }
}

/// Appends one batch of entries: a stream and an object first of all, then records, rejects and withheld ones.
pub(super) fn append(ledger: &mut Ledger, count: u64) -> Result<(), AppendError> {
    let leaves = ledger.size()..ledger.size() + count;
    let texts: Vec<String> = leaves.clone().map(|leaf| format!("record {leaf}")).collect();
    let drafts: Vec<Draft<'_>> = texts.iter().zip(leaves).map(|(text, leaf)| draft(leaf, text)).collect();
    ledger.append(&drafts).map(|_| ())
}

fn draft(leaf: u64, text: &str) -> Draft<'_> {
    Draft {
        kind: match leaf {
            0 => Kind::Stream,
            1 => Kind::Object,
            leaf if leaf % 50 == 0 => Kind::Reject,
            _ => Kind::Record,
        },
        stream: (leaf > 0).then_some(0),
        object: (leaf > 1).then_some(1),
        span: (leaf > 1).then_some(Span { offset: leaf * 100, length: text.len() as u64 }),
        received_at: leaf.cast_signed(),
        captured: text.as_bytes(),
        received: (leaf % 7 == 3).then_some(b"what was withheld".as_slice()),
    }
}

/// Leaf hashes at a reader's checkpoint.
pub(super) fn leaf_hashes(reader: &Reader) -> Vec<Hash> {
    reader.entries(0..reader.size()).map(|entry| entry.unwrap().leaf_hash()).collect()
}

pub(super) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let mut files = Vec::new();
    collect_files(from, &mut files);
    for (path, bytes) in files {
        put(&to.join(path.strip_prefix(from).unwrap()), &bytes);
    }
}

#[expect(clippy::disallowed_methods, reason = "a test puts files there as no writer would")]
pub(super) fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn collect_files(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_files(&path, files);
        } else {
            let bytes = fs::read(&path).unwrap();
            files.push((path, bytes));
        }
    }
}
