//! The keys: that each is there, is its owner's alone, has its form, and that those of the ledger belong together.
//!
//! Whether the key that hashes values is the one that hashed them cannot be seen: nothing names it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ascribe_ledger::Reader;
use ascribe_store::Store;

use super::{Check, FaultKind, Folder, Found, is_absent, list, missing_or_damaged};
use crate::capture::{KeyUse, SecretKey, key_path};
use crate::causes::with_causes;
use crate::ops::seal_key::destroyed_keys;

pub(super) const CHECK: Check = Check { part: "keys", owns: |folder| vec![folder.path("keys")], look };

const RESTORE: &str = "put it back from where your keys are kept; the ledger cannot go on under another";
/// `next.key` is there while a key hands over, `retired` holds those that did.
const NAMES: [&str; 8] =
    ["ledger.key", "ledger.vkey", "hash.key", "seal.key", "access.key", "access.vkey", "next.key", "retired"];

fn look(folder: &Folder, found: &mut Found) {
    look_at_ledger_keys(folder, found);
    for of in [KeyUse::Hash, KeyUse::Seal] {
        let path = key_path(&folder.root, of);
        found.files += 1;
        if of == KeyUse::Seal && is_absent(&path) && was_destroyed(folder) {
            found.notes.push("`seal.key` was destroyed on purpose; the ledger has who and why".to_owned());
        } else if let Err(error) = SecretKey::load(&path, of) {
            let mend = match of {
                KeyUse::Hash => {
                    "put it back from where your keys are kept: under another key equal values would not be equal any more"
                }
                KeyUse::Seal => {
                    "put it back from where your keys are kept; if it was destroyed on purpose, what it sealed is gone for good"
                }
            };
            found.file(&path, missing_or_damaged(&path), (with_causes(&error), mend));
        }
    }
    let keys = folder.path("keys");
    let Ok(paths) = list(&keys) else { return };
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !NAMES.contains(&name) {
            let why = "is no key of an evidence folder".to_owned();
            found.file(&path, FaultKind::Extra, (why, "find out whose it is, then take it away"));
        } else if let Ok(mode) = exposed(&path) {
            let why = format!("has mode {mode:03o}: others than its owner may read or write it");
            found.file(&path, FaultKind::Exposed, (why, "chmod 600, and treat the key as known to others"));
        }
    }
}

fn look_at_ledger_keys(folder: &Folder, found: &mut Found) {
    found.files += 2;
    let (signing, verifier) = (folder.path("keys/ledger.key"), folder.path("keys/ledger.vkey"));
    let verifying_key = folder.workspace.verifier_key();
    if let Err(error) = &verifying_key {
        let mend = "it is public: take it from a backup, or from whoever you gave it to";
        found.file(&verifier, missing_or_damaged(&verifier), (with_causes(error), mend));
    }
    match folder.workspace.signing_key() {
        Err(_) if is_absent(&signing) => {
            let why = "is not there: the ledger can be read and checked, and takes nothing in".to_owned();
            found.file(&signing, FaultKind::Missing, (why, RESTORE));
        }
        Err(error) => found.file(&signing, FaultKind::Damaged, (with_causes(&error), RESTORE)),
        Ok(key) => {
            if verifying_key.is_ok_and(|verifier| *key.verifier() != verifier) {
                let why = "is not the key that `ledger.vkey` verifies".to_owned();
                found.file(&signing, FaultKind::Differs, (why, RESTORE));
            }
        }
    }
}

/// Whether the ledger records that a key that seals was destroyed. What cannot be read records nothing.
fn was_destroyed(folder: &Folder) -> bool {
    let reader = folder.workspace.verifier_key().ok();
    let reader = reader.and_then(|key| Reader::open(&folder.workspace.ledger_paths(), &key).ok());
    let store = Store::open(&folder.workspace.store_path()).ok();
    let destroyed = store.zip(reader).and_then(|(store, reader)| destroyed_keys(&store, &reader).ok());
    destroyed.is_some_and(|destroyed| !destroyed.is_empty())
}

/// The mode of a private key that others may use; an error where none may.
fn exposed(path: &Path) -> io::Result<u32> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    let is_private = path.extension().is_some_and(|ending| ending == "key");
    if is_private && mode & 0o077 != 0 { Ok(mode) } else { Err(io::ErrorKind::NotFound.into()) }
}
