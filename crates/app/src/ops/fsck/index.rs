//! The completeness indexes: that each has its rows and its salt, and that both are whole.
//!
//! That an index is the one whose root is in the ledger is what `ascribe ledger prove --recompute` shows.

use std::collections::BTreeSet;

use ascribe_ledger::durable::Disk;
use ascribe_ledger::index::{IndexFile, IndexRange};

use super::{Check, FaultKind, Folder, Found, list, missing_or_damaged};
use crate::causes::with_causes;

pub(super) const CHECK: Check =
    Check { part: "index", owns: |folder| vec![folder.workspace.index_paths().folder().to_owned()], look };

const ROWS: &str = "it is derived: `ascribe ledger seal --again` makes it anew";
const SALT: &str = "put it back from a backup; without it, `ascribe ledger seal --again` makes a new index";

fn look(folder: &Folder, found: &mut Found) {
    let paths = folder.workspace.index_paths();
    let mut ranges: BTreeSet<IndexRange> = BTreeSet::new();
    // Nothing was indexed where there is no folder.
    for path in list(paths.folder()).unwrap_or_default() {
        let staged = path.extension().is_some_and(|ending| ending == "staged");
        match IndexRange::parse(&path) {
            Some(range) => {
                ranges.insert(range);
            }
            None if staged => {
                found.notes.push("an index was being written; the next one replaces it".to_owned());
            }
            None => {
                let why = "is no file of an index".to_owned();
                found.file(&path, FaultKind::Extra, (why, "find out who put it there, then take it away"));
            }
        }
    }
    let disk = Disk::default();
    for range in &ranges {
        found.files += 2;
        let rows = paths.rows(range);
        if let Err(error) = IndexFile::check_file(&disk, &paths, range) {
            found.file(&rows, missing_or_damaged(&rows), (with_causes(&error), ROWS));
        }
        let salt = paths.salt(range);
        if let Err(error) = IndexFile::salt(&disk, &paths, range) {
            found.file(&salt, missing_or_damaged(&salt), (with_causes(&error), SALT));
        }
    }
}
