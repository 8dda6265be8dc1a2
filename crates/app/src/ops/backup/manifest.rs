//! `backup.json`: which files a backup holds. One document that carries the SHA-256 of its own content.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::hexadecimal::hexadecimal;

/// Version of the form.
pub(super) const FORMAT: u32 = 1;

/// Which files a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) format: u32,
    /// Origin of the ledger.
    pub(super) origin: String,
    /// Note of the checkpoint.
    pub(super) checkpoint: String,
    /// Note of the access ledger's checkpoint, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) access_checkpoint: Option<String>,
    /// Files by their name below the evidence folder.
    pub(super) files: BTreeMap<String, StoredFile>,
}

/// A file in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredFile {
    pub(super) length: u64,
    pub(super) sha256: String,
    /// Whether only its owner may read it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) private: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed<M> {
    backup: M,
    sha256: String,
}

/// A manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// It is no manifest.
    #[error("`{}` names no backup", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// It was altered.
    #[error("`{}` is damaged: its content has another digest than it says", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It is of another version.
    #[error("`{}` has format version {found}; this program reads version {FORMAT}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// It names a file that may not be in an evidence folder.
    #[error("`{}` names a file outside of the evidence: `{name}`", path.display())]
    Name {
        /// The manifest.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// It cannot be put into text.
    #[error("cannot put the names of a backup into text")]
    Text(#[source] serde_json::Error),
}

impl Manifest {
    /// Reads the manifest at `path`; `None` where there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, ManifestError> {
        let at = || path.to_owned();
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|source| ManifestError::Read { path: at(), source })?,
        };
        let sealed: Sealed<Self> =
            serde_json::from_slice(&bytes).map_err(|source| ManifestError::Form { path: at(), source })?;
        let manifest = sealed.backup;
        if manifest.to_bytes()? != bytes {
            return Err(ManifestError::Damaged { path: at() });
        }
        if manifest.format != FORMAT {
            return Err(ManifestError::Version { path: at(), found: manifest.format });
        }
        for (name, file) in &manifest.files {
            let is_plain = name.split('/').all(|part| !["", ".", ".."].contains(&part));
            let is_digest =
                file.sha256.len() == 64 && file.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !(is_plain && is_digest) {
                return Err(ManifestError::Name { path: at(), name: name.clone() });
            }
        }
        Ok(Some(manifest))
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, ManifestError> {
        let content = serde_json::to_vec(self).map_err(ManifestError::Text)?;
        let sha256 = hexadecimal(&Sha256::digest(&content));
        let mut bytes = serde_json::to_vec(&Sealed { backup: self, sha256 }).map_err(ManifestError::Text)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    pub(super) fn digests(&self) -> BTreeSet<String> {
        self.files.values().map(|file| file.sha256.clone()).collect()
    }
}
