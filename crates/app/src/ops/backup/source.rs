//! Which files of an evidence folder a backup holds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ascribe_ledger::{LedgerPaths, SignedCheckpoint, ground_files};

use super::{BackupError, Keys, list};
use crate::capture::{POLICY_FILE, SEALED_FOLDER};
use crate::retention::RETENTION_FILE;
use crate::workspace::{SETTINGS_FILE, Workspace};

/// Evidence that is backed up.
pub(super) struct Source<'a> {
    pub(super) root: &'a Path,
    pub(super) workspace: &'a Workspace,
    pub(super) keys: Keys,
}

/// A file to copy.
pub(super) struct SourceFile {
    pub(super) path: PathBuf,
    /// Below the evidence folder, with `/`.
    pub(super) name: String,
    pub(super) length: u64,
    pub(super) is_final: bool,
    pub(super) is_private: bool,
}

impl Source<'_> {
    /// All of them. Sealed values are durable before the entries that refer to them, and are listed after the checkpoint
    /// was read, so those of every entry are among them. With them the note of the access ledger, if there is one.
    pub(super) fn files(
        &self,
        checkpoint: &SignedCheckpoint,
    ) -> Result<(Vec<SourceFile>, Option<String>), BackupError> {
        let mut files = Vec::new();
        let settings = self.workspace.settings();
        let asserted = settings.enrichment.files.iter().chain(&settings.network.roots);
        let asserted = asserted.chain(&settings.witness.policy).filter_map(|path| path.to_str());
        for name in
            [SETTINGS_FILE, POLICY_FILE, RETENTION_FILE, "ledger/witnessed"].into_iter().chain(asserted)
        {
            // What lies outside of the folder is not of it.
            let is_below =
                Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
            if is_below {
                files.extend(self.whole(name)?);
            }
        }
        for folder in ["keys", "keys/retired", SEALED_FOLDER, "index", "access/spool"] {
            self.folder(folder, &mut files)?;
        }
        ledger("ledger", &self.workspace.ledger_paths(), checkpoint, &mut files)?;
        let access = self.workspace.access();
        if !access.exists() {
            return Ok((files, None));
        }
        let reader = access.reader().map_err(|error| BackupError::Access(Box::new(error)))?;
        ledger("access/ledger", &access.ledger_paths(), reader.checkpoint(), &mut files)?;
        Ok((files, Some(reader.checkpoint().note().to_owned())))
    }

    fn folder(&self, folder: &str, files: &mut Vec<SourceFile>) -> Result<(), BackupError> {
        if !self.root.join(folder).is_dir() {
            return Ok(());
        }
        for path in list(&self.root.join(folder))? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            let is_key = folder.starts_with("keys") && ending == "key";
            if ending == "staged" || ending == "new" || (is_key && self.keys == Keys::Left) {
                continue;
            }
            let is_private = is_key || ending == "salt";
            let file = self.whole(&format!("{folder}/{name}"))?;
            files.extend(file.map(|file| SourceFile { is_private, ..file }));
        }
        Ok(())
    }

    /// A file as a whole; `None` where there is none: what is gone by now was not needed.
    fn whole(&self, name: &str) -> Result<Option<SourceFile>, BackupError> {
        let path = self.root.join(name);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {
                let (name, length) = (name.to_owned(), metadata.len());
                Ok(Some(SourceFile { path, name, length, is_final: false, is_private: false }))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(BackupError::Read { path, source }),
        }
    }
}

/// The ground of a ledger.
fn ledger(
    folder: &str,
    paths: &LedgerPaths,
    checkpoint: &SignedCheckpoint,
    files: &mut Vec<SourceFile>,
) -> Result<(), BackupError> {
    files.extend(ground_files(paths, checkpoint)?.into_iter().map(|file| SourceFile {
        name: format!("{folder}/{}", file.name),
        path: file.path,
        length: file.length,
        is_final: file.is_final,
        is_private: false,
    }));
    Ok(())
}
