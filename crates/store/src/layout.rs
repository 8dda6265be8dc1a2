//! The names of files and folders. `docs/formats/store.md` draws the tree.

use std::path::{Path, PathBuf};

/// Version of manifest, summary, tables and indexes together.
pub const FORMAT: u32 = 5;

pub(crate) const SUMMARY_FILE: &str = "summary.json";
pub(crate) const KEYS_FILE: &str = "keys.index";
pub(crate) const IDS_FILE: &str = "ids.index";

const MANIFEST_SUFFIX: &str = ".json";

/// Where a store lies, and what its files are called.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) root: PathBuf,
}

impl Layout {
    pub(crate) fn manifests(&self) -> PathBuf {
        self.root.join("manifest")
    }

    pub(crate) fn segments(&self) -> PathBuf {
        self.root.join("segment")
    }

    pub(crate) fn manifest(&self, number: u64) -> PathBuf {
        self.manifests().join(format!("{number}{MANIFEST_SUFFIX}"))
    }

    /// Where a manifest is written before it gets its name.
    pub(crate) fn manifest_partial(&self, number: u64) -> PathBuf {
        self.manifests().join(format!("{number}{MANIFEST_SUFFIX}.partial"))
    }

    /// Where the rows of one day of a partitioned table lie.
    pub(crate) fn day_folder(&self, table: &str, day: &str) -> PathBuf {
        self.root.join(table).join(day)
    }

    pub(crate) fn segment_folder(&self, first: u64, end: u64) -> PathBuf {
        self.segments().join(segment_name(first, end))
    }
}

/// Name of a segment's folder.
pub(crate) fn segment_name(first: u64, end: u64) -> String {
    format!("{first}-{end}")
}

/// Name of the file in a day's folder that holds a unit's rows.
pub(crate) fn part_file(first: u64, end: u64) -> String {
    table_file(&segment_name(first, end))
}

/// Name of a table's file.
pub(crate) fn table_file(table: &str) -> String {
    format!("{table}.parquet")
}

/// Number of the manifest with this file name; `None` for other files.
pub(crate) fn manifest_number(file: &Path) -> Option<u64> {
    let digits = file.file_name()?.to_str()?.strip_suffix(MANIFEST_SUFFIX)?;
    // Only the canonical writing counts: `01.json` is not a manifest.
    digits.parse().ok().filter(|number: &u64| number.to_string() == digits)
}
