//! The sealed values: that each file is whole as far as it was acknowledged, and that the key at hand is the one that
//! seals.

use super::{Check, Fault, FaultKind, Folder, Found, Place, is_absent};
use crate::capture::{KeyUse, SEALED_FOLDER, SealedProblem, SecretKey, check_sealed, key_path};

pub(super) const CHECK: Check =
    Check { part: "sealed values", owns: |folder| vec![folder.path(SEALED_FOLDER)], look };

const RESTORE: &str = "put it back from a backup; if it was erased on purpose, its values are gone for good";

fn look(folder: &Folder, found: &mut Found) {
    let sealed = folder.path(SEALED_FOLDER);
    if is_absent(&sealed) {
        return look_for_lost(folder, found);
    }
    let check = match check_sealed(&sealed) {
        Ok(check) => check,
        Err(error) => {
            let why = format!("cannot be read: {error}");
            return found.file(&sealed, FaultKind::Damaged, (why, "check who may read it, and the disk"));
        }
    };
    found.files += check.files;
    if check.torn_bytes > 0 {
        found.notes.push(format!("{} bytes that a crash tore were never acknowledged", check.torn_bytes));
    }
    for flaw in check.flaws {
        let (kind, place, why, mend) = match flaw.problem {
            SealedProblem::Damaged { offset } => {
                let why = "the checksum says other bytes".to_owned();
                (FaultKind::Damaged, Place::Offset(offset), why, RESTORE)
            }
            SealedProblem::Missing => {
                (FaultKind::Missing, Place::File, "later files are there".to_owned(), RESTORE)
            }
            SealedProblem::Stranger => {
                let why = "is no sealed file".to_owned();
                (FaultKind::Extra, Place::File, why, "find out who put it there, then take it away")
            }
        };
        found.push(Fault { file: flaw.file, place, kind, why, mend: mend.to_owned() });
    }
    let path = key_path(&folder.root, KeyUse::Seal);
    // A key that cannot be read is a fault of the keys.
    if let (Ok(key), Some(last)) = (SecretKey::load(&path, KeyUse::Seal), check.last_key)
        && key.id() != last
    {
        let why = "is not the key that sealed the last file".to_owned();
        let mend = "put the key back from where your keys are kept; if it was replaced on purpose, nothing is to be done";
        found.file(&path, FaultKind::Differs, (why, mend));
    }
}

/// No folder is in order as long as nothing was sealed.
fn look_for_lost(folder: &Folder, found: &mut Found) {
    let Ok(store) = ascribe_store::Store::open(&folder.workspace.store_path()) else { return };
    let sealed = store.summaries().flat_map(|segment| &segment.withheld_values).any(|it| it.method == "seal");
    if sealed {
        let why = "values were sealed, and no file holds them".to_owned();
        found.file(&folder.path(SEALED_FOLDER), FaultKind::Missing, (why, RESTORE));
    }
}
