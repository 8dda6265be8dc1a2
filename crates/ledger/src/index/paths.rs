//! Where the files of completeness indexes are. It reads none of them.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::tile::parse_decimal;

/// The folder of the indexes of one ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPaths {
    folder: PathBuf,
}

/// Which index: its range, and how often that was indexed before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexRange {
    /// First leaf.
    pub from: u64,
    /// Leaf behind the last.
    pub to: u64,
    /// 0 for the first index of the range; better parsers make the next.
    pub generation: u64,
}

impl IndexPaths {
    /// Names the folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The rows of an index. Derived: entries and salt give them again, as long as no entry is erased.
    pub fn rows(&self, range: &IndexRange) -> PathBuf {
        self.folder.join(format!("{}.idx", range.stem()))
    }

    /// The salt of an index. Ground: without it, nothing can be looked up in it, nor the index be made again.
    pub fn salt(&self, range: &IndexRange) -> PathBuf {
        self.folder.join(format!("{}.salt", range.stem()))
    }
}

impl IndexRange {
    /// The leaves.
    pub fn leaves(&self) -> Range<u64> {
        self.from..self.to
    }

    /// The index that a file of this name belongs to.
    pub fn parse(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let stem = name.strip_suffix(".idx").or_else(|| name.strip_suffix(".salt"))?;
        let (leaves, generation) = stem.split_once('.')?;
        let (from, to) = leaves.split_once('-')?;
        let number = |text| parse_decimal(text);
        let range = Self { from: number(from)?, to: number(to)?, generation: number(generation)? };
        (range.stem() == stem).then_some(range)
    }

    fn stem(&self) -> String {
        format!("{}-{}.{}", self.from, self.to, self.generation)
    }
}
