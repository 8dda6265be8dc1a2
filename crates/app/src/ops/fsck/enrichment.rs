//! The files in which the operator asserts of identities and networks: that each can be read.

use super::{Check, Folder, Found, missing_or_damaged};
use crate::causes::with_causes;

pub(super) const CHECK: Check = Check {
    part: "enrichment",
    owns: |folder| {
        folder.workspace.settings().enrichment.files.iter().map(|file| folder.root.join(file)).collect()
    },
    look,
};

fn look(folder: &Folder, found: &mut Found) {
    const MEND: &str = "put the file back, or take it out of `ascribe.toml`";
    let files = (CHECK.owns)(folder);
    found.files += files.len() as u64;
    let Err(error) = folder.workspace.enrichment() else { return };
    // The first file that is not there is the one that the error is about; otherwise the error names it.
    let absent = files.iter().find(|path| super::is_absent(path));
    let named = files.iter().find(|path| with_causes(&error).contains(&*path.to_string_lossy()));
    let file = absent.or(named).cloned().unwrap_or_else(|| folder.path(super::SETTINGS));
    found.file(&file, missing_or_damaged(&file), (with_causes(&error), MEND));
}
