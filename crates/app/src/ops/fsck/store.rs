//! The store: that the newest manifest and every file that it names are whole, and that there is none beside them.

use ascribe_ledger::Reader;
use ascribe_store::{FlawKind, audit};

use super::{Check, FaultKind, Folder, Found, is_absent};
use crate::causes::with_causes;

pub(super) const CHECK: Check =
    Check { part: "store", owns: |folder| vec![folder.workspace.store_path()], look };

const REBUILD: &str = "`ascribe rebuild` derives the store anew from the ledger";

fn look(folder: &Folder, found: &mut Found) {
    let path = folder.workspace.store_path();
    if is_absent(&path) {
        return found.file(&path, FaultKind::Missing, ("is not there".to_owned(), REBUILD));
    }
    let audit = audit(&path);
    found.files += audit.files;
    for flaw in audit.flaws {
        let (kind, why) = match flaw.kind {
            FlawKind::Damaged(error) => (FaultKind::Damaged, with_causes(&*error)),
            FlawKind::Missing => (FaultKind::Missing, "the store names it".to_owned()),
            FlawKind::Extra => (FaultKind::Extra, "nothing in the store names it".to_owned()),
        };
        found.file(&flaw.file, kind, (why, REBUILD));
    }
    if audit.superseded > 0 {
        found.notes.push(format!("{} files are superseded; the next ingest removes them", audit.superseded));
    }
    let reader = folder.workspace.verifier_key().ok();
    let reader = reader.and_then(|key| Reader::open(&folder.workspace.ledger_paths(), &key).ok());
    if let (Some(folded), Some(reader)) = (audit.folded, reader) {
        if folded > reader.size() {
            let why = format!("has folded {folded} entries, the ledger has {}", reader.size());
            found.file(&path, FaultKind::Differs, (why, REBUILD));
        } else if folded < reader.size() {
            found.notes.push(format!(
                "{} entries are not in it yet; the next question folds them",
                reader.size() - folded
            ));
        }
    }
}
