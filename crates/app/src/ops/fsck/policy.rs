//! The capture policy: that it can be used, and is the one that the ledger recorded last.

use ascribe_ledger::Reader;
use ascribe_model::ConfigEntry;
use ascribe_store::Store;

use super::{Check, FaultKind, Folder, Found, is_absent};
use crate::capture::{POLICY_FILE, PolicyFile};
use crate::causes::with_causes;
use crate::ops::config::recorded_config;
use crate::retention::RETENTION_FILE;

pub(super) const CHECK: Check = Check {
    part: "capture policy",
    owns: |folder| vec![folder.path(POLICY_FILE), folder.path(RETENTION_FILE)],
    look,
};

fn look(folder: &Folder, found: &mut Found) {
    let path = folder.path(POLICY_FILE);
    found.files += u64::from(!is_absent(&path));
    let recorded = recorded(folder);
    if let Err(why) = &recorded {
        found.notes.push(format!("not compared with the one in the ledger: {why}"));
    }
    let recorded = recorded.ok().flatten();
    let policy = match PolicyFile::read_to_use(&path) {
        Ok(policy) => policy,
        Err(error) => {
            let mend = "put the file back; the text of the policy in force is in the ledger and in a backup";
            return found.file(&path, FaultKind::Damaged, (with_causes(&error), mend));
        }
    };
    let Some(recorded) = recorded.filter(|recorded| *recorded != policy.version) else { return };
    let (kind, why) = if is_absent(&path) {
        (FaultKind::Missing, format!("is not there; the ledger recorded `{recorded}` last"))
    } else {
        (FaultKind::Differs, format!("is `{}`; the ledger recorded `{recorded}` last", policy.version))
    };
    let mend =
        "if it was changed on purpose, the next `ascribe ingest` records it; else put it back from a backup";
    found.file(&path, kind, (why, mend));
}

/// Version of the policy that the ledger recorded last; `None` before the first.
fn recorded(folder: &Folder) -> Result<Option<String>, String> {
    let key = folder.workspace.verifier_key().map_err(|error| with_causes(&error))?;
    let reader = Reader::open(&folder.workspace.ledger_paths(), &key).map_err(|error| with_causes(&error))?;
    let store = Store::open(&folder.workspace.store_path()).map_err(|error| with_causes(&error))?;
    let name = ConfigEntry::CapturePolicy { version: String::new(), text: String::new() }.name();
    let recorded = recorded_config(&store, &reader, name).map_err(|error| with_causes(&error))?;
    Ok(recorded.map(|entry| entry.version().to_owned()))
}
