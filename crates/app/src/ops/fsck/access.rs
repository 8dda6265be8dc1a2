//! The access ledger: the same checks as for the ledger of the evidence, its keys, and the files of its spool.

use ascribe_ledger::KeyPair;

use super::{Check, FaultKind, Folder, Found, is_absent, list};
use crate::causes::with_causes;

pub(super) const CHECK: Check =
    Check { part: "access ledger", owns: |folder| vec![folder.path("access")], look };

const MEND: &str =
    "put it back from a backup; who asked what before is lost without it, and no answer changes";
const KEY: &str = "put it back from where your keys are kept";

fn look(folder: &Folder, found: &mut Found) {
    let place = folder.workspace.access();
    let access = folder.path("access");
    if is_absent(&access) && !place.exists() {
        // Nobody has asked anything yet.
        return;
    }
    for path in list(&access).unwrap_or_default() {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !["spool", "ledger", "anchor", "lock"].contains(&name) {
            let why = "is no part of the access ledger".to_owned();
            found.file(&path, FaultKind::Extra, (why, "find out who put it there, then take it away"));
        }
    }
    look_at_spool(folder, found);
    if !place.exists() && is_absent(&place.ledger_paths().ledger) {
        found.notes.push("accesses wait in the spool; no access ledger was made yet".to_owned());
        return;
    }
    match place.verifier_key() {
        Ok(key) => super::ledger::look_at(&place.ledger_paths(), &key, found, MEND),
        Err(error) => {
            let path = place.verifier_path();
            found.file(&path, super::missing_or_damaged(&path), (with_causes(&error), MEND));
        }
    }
    let signing = folder.path("keys/access.key");
    match (KeyPair::load(&signing), place.verifier_key()) {
        (Err(error), _) => {
            found.file(&signing, super::missing_or_damaged(&signing), (with_causes(&error), KEY));
        }
        (Ok(key), Ok(verifier)) if *key.verifier() != verifier => {
            let why = "is not the key that `access.vkey` verifies".to_owned();
            found.file(&signing, FaultKind::Differs, (why, KEY));
        }
        _ => {}
    }
}

/// What waits is taken in whatever it is, so only its name tells a stranger.
fn look_at_spool(folder: &Folder, found: &mut Found) {
    for path in list(&folder.workspace.access().spool()).unwrap_or_default() {
        found.files += 1;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let ending = path.extension().and_then(|ending| ending.to_str());
        let is_ours = ending == Some("entry") || (name.starts_with('.') && ending == Some("new"));
        if !is_ours {
            let why = "is no access".to_owned();
            found.file(&path, FaultKind::Extra, (why, "find out who put it there, then take it away"));
        }
    }
}
