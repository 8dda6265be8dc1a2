//! The settings: that they can be read, and name the ledger that is there.

use super::{Check, FaultKind, Folder, Found, SETTINGS, is_absent, missing_or_damaged};
use crate::causes::with_causes;

pub(super) const CHECK: Check = Check {
    part: "settings",
    owns: |folder| {
        let roots = folder.workspace.settings().network.roots.iter().map(|roots| folder.root.join(roots));
        let witnesses = folder.workspace.witness_policy();
        [folder.path(SETTINGS)].into_iter().chain(roots).chain(witnesses).collect()
    },
    look,
};

const MEND: &str = "put `ascribe.toml` back from a backup, or write it anew as `ascribe init` writes it, with the origin \
                    in `keys/ledger.vkey` and the folder of the anchor";

fn look(folder: &Folder, found: &mut Found) {
    let path = folder.path(SETTINGS);
    found.files += 1;
    if let Some(error) = &folder.settings_error {
        found.file(&path, missing_or_damaged(&path), (with_causes(error), MEND));
        found.notes.push("everything else is looked at with default settings".to_owned());
        return;
    }
    for named in &(CHECK.owns)(folder)[1..] {
        found.files += 1;
        if is_absent(named) {
            let why = "is not there, though the settings name it".to_owned();
            found.file(
                named,
                FaultKind::Missing,
                (why, "put the file back, or take it out of `ascribe.toml`"),
            );
        }
    }
    // A key that cannot be read is a fault of the keys.
    let Ok(key) = folder.workspace.verifier_key() else { return };
    let origin = &folder.workspace.settings().origin;
    if key.name() != origin {
        let why = format!("names the ledger `{origin}`, its key is of `{}`", key.name());
        found.file(&path, FaultKind::Differs, (why, MEND));
    }
}
