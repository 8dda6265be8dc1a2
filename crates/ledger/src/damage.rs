//! What can be wrong with a file of the ledger, always with the file, the offset, what was expected and what was
//! found. It knows no format: the modules that read formats make these values.

use std::io;
use std::path::{Path, PathBuf};

use crate::envelope::EnvelopeError;
use crate::tile::TileError;

/// Bytes of a file that no run of this crate, crashed or not, would have left behind.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is damaged at offset {offset}", path.display())]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Bytes before the damage.
    pub offset: u64,
    /// What is wrong there.
    #[source]
    pub problem: FormatProblem,
}

/// How bytes differ from what the format asks for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatProblem {
    /// The bytes end too early.
    #[error("{what} ends after {found} bytes, expected {expected}")]
    Short {
        /// What was being read.
        what: &'static str,
        /// Bytes it has.
        expected: u64,
        /// Bytes there were.
        found: u64,
    },
    /// The magic bytes are of no known format.
    #[error("{what} does not start with its magic bytes but with {found:02x?}")]
    Magic {
        /// What was being read.
        what: &'static str,
        /// The bytes in their place.
        found: Vec<u8>,
    },
    /// A CRC-32C does not match the bytes that it covers.
    #[error("the checksum of {what} is {expected:#010x}, the bytes give {found:#010x}")]
    Checksum {
        /// What it covers.
        what: &'static str,
        /// Checksum in the file.
        expected: u32,
        /// Checksum of the bytes.
        found: u32,
    },
    /// A field holds another value than everything around it asks for.
    #[error("{what} is {found}, expected {expected}")]
    Field {
        /// Which field.
        what: &'static str,
        /// Value asked for.
        expected: u64,
        /// Value in the file.
        found: u64,
    },
    /// A field is beyond the limit of the format.
    #[error("{what} is {found}, the limit is {limit}")]
    Limit {
        /// Which field.
        what: &'static str,
        /// Largest value allowed.
        limit: u64,
        /// Value in the file.
        found: u64,
    },
    /// Bytes follow where the format ends.
    #[error("{count} bytes follow {what}")]
    Trailing {
        /// What they follow.
        what: &'static str,
        /// How many.
        count: u64,
    },
    /// A block does not decompress.
    #[error("the block does not decompress")]
    Decompress(#[source] io::Error),
    /// An envelope in a block is malformed.
    #[error("the envelope of leaf {leaf} is malformed")]
    Envelope {
        /// The leaf.
        leaf: u64,
        /// Why.
        #[source]
        source: EnvelopeError,
    },
    /// A tile or entry bundle is malformed.
    #[error("the tile is malformed")]
    Tile(#[source] TileError),
    /// A row of a completeness index is malformed.
    #[error("the row of the index is malformed")]
    IndexRow(#[source] crate::index::RowError),
}

/// Why a file of the ledger could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system did not give the bytes.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The bytes are not what the format asks for.
    #[error(transparent)]
    Damage(#[from] Damage),
}

impl FileError {
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    pub(crate) fn damage(path: &Path, offset: u64, problem: FormatProblem) -> Self {
        Self::Damage(Damage { path: path.to_owned(), offset, problem })
    }

    /// Whether the file is simply not there.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
