//! Seals ranges of the ledger with completeness indexes: what is new, and on request what better parsers would index
//! otherwise. `docs/formats/index.md` has the order of durable steps, and what a crash after each leaves.

use std::path::Path;

use ascribe_ledger::Kind;
use ascribe_ledger::durable::Disk;
use ascribe_ledger::index::{INDEX_LEAVES, IndexFile, IndexFileError, IndexPaths, IndexRange};
use ascribe_model::IndexRootEntry;

use super::configured::{ConfiguredError, open_recording};
use super::evidence::{OpenError, OpenEvidence};
use super::sealed_ranges::{RangeCounts, RangeError, SealedRange, build, sealed_ranges};
use super::upkeep::parser_versions;
use super::writing::WriteFailure;
use crate::clock;
use crate::workspace::Workspace;

/// Which ranges to seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealWhat {
    /// All that no index covers yet.
    New,
    /// All that no index covers yet, and ranges that other parsers indexed, or whose index is damaged, lost or blinded.
    Again,
}

/// What was sealed.
#[derive(Debug, Default)]
pub struct Seals {
    /// The new `index-root` entries, with their leaves.
    pub made: Vec<(u64, IndexRootEntry)>,
    /// Leaves that indexes cover now.
    pub sealed_to: u64,
    /// Leaves of the ledger.
    pub size: u64,
}

/// Nothing, or not everything, could be sealed. What was sealed before stays.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The evidence cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Entries are not in the store yet.
    #[error("the last {count} entries of the ledger are not in the store yet")]
    Unfolded {
        /// How many.
        count: u64,
    },
    /// A range cannot be indexed.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// What is configured cannot be told or recorded.
    #[error(transparent)]
    Configured(#[from] ConfiguredError),
    /// The entry cannot be appended.
    #[error(transparent)]
    Write(#[from] WriteFailure),
    /// Another program sealed at the same time.
    #[error("another program sealed a range at the same time: entry {leaf}")]
    Overtaken {
        /// Its entry.
        leaf: u64,
    },
}

/// Seals ranges of the evidence in `root`.
pub fn seal(root: &Path, what: SealWhat) -> Result<Seals, SealError> {
    let evidence = OpenEvidence::open(root)?;
    if evidence.unfolded() > 0 {
        return Err(SealError::Unfolded { count: evidence.unfolded() });
    }
    let workspace = Workspace::open(root).map_err(OpenError::from)?;
    let sealed = sealed_ranges(&evidence.store, &evidence.reader)?;
    let size = evidence.reader.size();
    let mut sealing = Sealing {
        paths: workspace.index_paths(),
        workspace: &workspace,
        evidence: &evidence,
        known_size: size,
        made: Vec::new(),
    };
    sealing.remove_leftovers(&sealed)?;
    let mut from = sealed.last().map_or(0, |range| range.leaves().end);
    if what == SealWhat::Again {
        for range in &sealed {
            if !sealing.is_outdated(range) {
                continue;
            }
            let next = IndexRange { generation: range.root.entry.generation + 1, ..range.files() };
            sealing.seal_all_of(&next)?;
            discard(&sealing.paths, &range.files())?;
        }
    }
    while from < size {
        let range = IndexRange { from, to: size.min(from + INDEX_LEAVES), generation: 0 };
        let Some(to) = sealing.seal_some_of(range)? else { break };
        from = to;
    }
    Ok(Seals { sealed_to: from, size: sealing.known_size, made: sealing.made })
}

struct Sealing<'a> {
    workspace: &'a Workspace,
    evidence: &'a OpenEvidence,
    paths: IndexPaths,
    /// Leaves of the ledger of which it is known that none is another's `index-root`.
    known_size: u64,
    made: Vec<(u64, IndexRootEntry)>,
}

impl Sealing<'_> {
    /// Files of ranges that no entry seals: what a crash left before its entry was appended.
    fn remove_leftovers(&self, sealed: &[SealedRange]) -> Result<(), SealError> {
        let Ok(folder) = std::fs::read_dir(self.paths.folder()) else { return Ok(()) };
        let names = folder.flatten().filter_map(|file| IndexRange::parse(&file.path()));
        for range in names.filter(|range| sealed.iter().all(|sealed| sealed.files() != *range)) {
            discard(&self.paths, &range)?;
        }
        Ok(())
    }

    /// Whether the next generation of a range's index would serve better than the one there is.
    fn is_outdated(&self, range: &SealedRange) -> bool {
        let disk = Disk::default();
        let usable = IndexFile::salt(&disk, &self.paths, &range.files()).is_ok()
            && IndexFile::open(&disk, &self.paths, &range.files(), &range.root.head)
                .is_ok_and(|index| index.erased() == 0 && index.check().is_ok());
        !usable || range.root.entry.parsers != parser_versions()
    }

    /// Seals a range, or its first half where one of its values is in too many scopes. Where it ends; `None` where
    /// nothing in it could have a value, so that an index would only cover indexes.
    fn seal_some_of(&mut self, mut range: IndexRange) -> Result<Option<u64>, SealError> {
        if !self.holds_input(&range)? {
            return Ok(None);
        }
        loop {
            match self.seal_all_of(&range) {
                Err(SealError::Range(RangeError::Index(IndexFileError::RowTooLong { .. })))
                    if range.to - range.from > 1 =>
                {
                    range.to = range.from + (range.to - range.from) / 2;
                }
                Err(error) => return Err(error),
                Ok(()) => return Ok(Some(range.to)),
            }
        }
    }

    fn holds_input(&self, range: &IndexRange) -> Result<bool, SealError> {
        for entry in self.evidence.reader.entries(range.leaves()) {
            let entry = entry.map_err(RangeError::Ledger)?;
            if matches!(entry.envelope().kind, Kind::Record | Kind::Reject) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn seal_all_of(&mut self, range: &IndexRange) -> Result<(), SealError> {
        let disk = Disk::default();
        let salt = IndexFile::new_salt(&disk, &self.paths, range).map_err(RangeError::Index)?;
        // A crash from here to the append leaves files that no entry seals; the next seal removes them.
        let (built, counts) = build(&self.evidence.reader, range.leaves(), salt)?;
        IndexFile::write(&disk, &self.paths, range, &built).map_err(RangeError::Index)?;
        let head = built.head();
        let RangeCounts { records, unread, erased, rejects } = counts;
        let entry = IndexRootEntry {
            version: IndexRootEntry::VERSION,
            from: range.from,
            to: range.to,
            generation: range.generation,
            rows: head.rows,
            root: head.root.to_string(),
            salt: ascribe_ledger::Hash::from_bytes(head.salt).to_string(),
            records,
            unread,
            erased,
            rejects,
            parsers: parser_versions(),
        };
        let leaf = self.append(&entry)?;
        self.made.push((leaf, entry));
        Ok(())
    }

    /// Appends the entry and has a checkpoint cover it. A crash in between leaves an entry that the next opening of the
    /// ledger signs for.
    fn append(&mut self, entry: &IndexRootEntry) -> Result<u64, SealError> {
        let now = clock::now();
        let mut writing = open_recording(self.workspace.clone(), now)?;
        let reader = &writing.reader;
        for between in reader.entries(self.known_size..reader.size()) {
            let between = between.map_err(RangeError::Ledger)?;
            if between.envelope().kind == Kind::IndexRoot {
                return Err(SealError::Overtaken { leaf: between.leaf() });
            }
        }
        let leaf = writing.add(Kind::IndexRoot, entry, now)?;
        self.known_size = writing.commit()?.size();
        Ok(leaf)
    }
}

fn discard(paths: &IndexPaths, range: &IndexRange) -> Result<(), SealError> {
    Ok(IndexFile::discard(&Disk::default(), paths, range).map_err(RangeError::Index)?)
}

impl SealError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open(error) => error.hint(),
            Self::Unfolded { .. } => {
                "wait for the ingest that runs to end; check that the folder can be written"
            }
            Self::Range(error) => error.hint(),
            Self::Configured(error) => error.hint(),
            Self::Write(failure) => failure.hint(),
            Self::Overtaken { .. } => "run the command again: it goes on where the other ended",
        }
    }
}

impl RangeError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Ledger(_) => "`ascribe verify` lists everything that is damaged or missing",
            Self::Store(_) => "the store is derived: `ascribe rebuild` makes it anew from the ledger",
            Self::Index(IndexFileError::Write(_) | IndexFileError::Random(_)) => {
                "check that the disk is not full or read-only"
            }
            Self::Index(_) => "`ascribe ledger seal --again` makes an index anew from the ledger",
            Self::Root { .. } | Self::Order { .. } => {
                "use the release of ascribe that wrote it; the ledger itself is not harmed"
            }
        }
    }
}
