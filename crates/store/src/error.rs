//! What can go wrong, one enumeration for each operation, each with the file and what was expected of it.

use std::io;
use std::path::{Path, PathBuf};

/// What to do about a damaged or outdated store. The ledger holds everything that the store was made of.
const REBUILD: &str = "the store can be made again from the ledger: run `ascribe rebuild`";

/// Bytes that are not what the format says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is damaged at byte {offset}: expected {expected}, found {found}", file.display())]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where in the file the damaged part starts.
    pub offset: u64,
    /// What the format asks for.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// A store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder holds no manifest.
    #[error("`{}` holds no store", folder.display())]
    Absent {
        /// The folder.
        folder: PathBuf,
    },
    /// Another version of the program wrote it.
    #[error("`{}` has format version {found}, expected {expected}", file.display())]
    Version {
        /// The manifest or summary.
        file: PathBuf,
        /// Version that this program reads.
        expected: u32,
        /// Version that is there.
        found: u32,
    },
    /// A file cannot be read or is damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A store could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// There is one already.
    #[error("`{}` holds a store already", folder.display())]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// The first manifest could not be published.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A look-up failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refused.
    #[error("cannot read `{}`", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds other bytes than were written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A table is not readable Parquet.
    #[error("`{}` is not a readable table", file.display())]
    Table {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: parquet::errors::ParquetError,
    },
}

/// A file could not be made durable.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The operating system refused.
    #[error("cannot write `{}`", file.display())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Rows could not be encoded.
    #[error("cannot encode the table `{table}`")]
    Encode {
        /// The table.
        table: &'static str,
        /// Why.
        #[source]
        source: parquet::errors::ParquetError,
    },
}

/// An entry could not be added to a segment.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// A leaf was left out or came twice.
    #[error("expected leaf {expected}, found {found}")]
    Order {
        /// The next leaf of the segment.
        expected: u64,
        /// The leaf of the entry.
        found: u64,
    },
    /// The leaf belongs to the next range.
    #[error("leaf {leaf} is beyond the segment's range, which ends at {end}")]
    Range {
        /// The leaf of the entry.
        leaf: u64,
        /// End of the range.
        end: u64,
    },
    /// More events than a segment's index can number.
    #[error("leaf {leaf} would bring the segment to more than {limit} events")]
    Full {
        /// The leaf of the entry.
        leaf: u64,
        /// Most events that a segment can hold.
        limit: u32,
    },
    /// Whether an event was seen before could not be found out.
    #[error("cannot tell whether an event at leaf {leaf} was seen before")]
    Known {
        /// The leaf of the entry.
        leaf: u64,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// Rows could not be encoded.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A segment could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// Not every leaf was pushed.
    #[error("the segment was to end at leaf {expected}, but the entries end at {found}")]
    End {
        /// End that the caller states.
        expected: u64,
        /// End of the entries pushed.
        found: u64,
    },
    /// A segment without a leaf.
    #[error("the segment at leaf {first} is empty")]
    Empty {
        /// Where it would start.
        first: u64,
    },
    /// The store holds the segment already.
    #[error("the store holds the segment {first}-{end} already")]
    Exists {
        /// First leaf.
        first: u64,
        /// End.
        end: u64,
    },
    /// A file could not be made durable.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A unit could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The leaves are no unit, not all folded, or a unit already.
    #[error("leaves {first}-{end} are not complete ranges that make a unit")]
    NotAUnit {
        /// First leaf.
        first: u64,
        /// End.
        end: u64,
    },
    /// A file of the ranges cannot be read or is damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file could not be made durable.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The unit could not be put in force.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// New segments could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The segments would not cover the ledger without gap or overlap.
    #[error("expected a segment that starts at leaf {expected}, found {found}")]
    Coverage {
        /// Where the next segment has to start.
        expected: u64,
        /// Where it starts, or where the segments end.
        found: u64,
    },
    /// Another writer published first. Open the store again.
    #[error("manifest {number} was published by another writer")]
    Raced {
        /// Number of the manifest.
        number: u64,
    },
    /// A file could not be made durable. The old state is in force, unless only the folder could not be synced.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The new state is in force, but files that nobody needs any more could not be removed.
    #[error("manifest {number} is published, but old files remain")]
    Remains {
        /// Number of the manifest in force.
        number: u64,
        /// Why.
        #[source]
        source: WriteError,
    },
}

impl Damage {
    pub(crate) fn new(
        file: &Path,
        offset: u64,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self { file: file.to_owned(), offset, expected: expected.into(), found: found.into() }
    }
}

impl ReadError {
    pub(crate) fn io(file: &Path, source: io::Error) -> Self {
        Self::Io { file: file.to_owned(), source }
    }

    /// What the operator can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { source, .. } if source.kind() != io::ErrorKind::NotFound => None,
            Self::Io { .. } | Self::Damaged(_) | Self::Table { .. } => Some(REBUILD),
        }
    }
}

impl OpenError {
    /// What the operator can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Absent { .. } | Self::Version { .. } => Some(REBUILD),
            Self::Read(error) => error.hint(),
        }
    }
}

impl WriteError {
    pub(crate) fn io(file: &Path, source: io::Error) -> Self {
        Self::Io { file: file.to_owned(), source }
    }
}
