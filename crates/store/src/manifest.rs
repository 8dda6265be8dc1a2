//! The manifest: which segments are in force, and how far the ledger is folded.
//!
//! A manifest is one line of JSON that carries the SHA-256 of its own content; a file that is not byte for byte what
//! its content gives is refused. It deliberately does not know what a segment holds.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Damage, OpenError, ReadError};
use crate::hex;
use crate::layout::{FORMAT, Layout, manifest_number};

/// Attempts at reading the newest manifest while a writer keeps replacing it.
const ATTEMPTS: usize = 16;

/// Which segments are in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// Version of the format.
    pub(crate) format: u32,
    /// Leaves of the ledger that are folded.
    pub(crate) folded: u64,
    /// Versions of the parsers that made the rows, by source.
    pub(crate) parsers: BTreeMap<String, u32>,
    /// The segments in order.
    pub(crate) segments: Vec<SegmentRef>,
}

/// A segment and what vouches for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentRef {
    pub(crate) first: u64,
    pub(crate) end: u64,
    /// SHA-256 of the segment's `summary.json`, in hexadecimal digits.
    pub(crate) summary: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestFile<M> {
    manifest: M,
    sha256: String,
}

impl Manifest {
    /// The file.
    pub(crate) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let sha256 = hex::digits(&Sha256::digest(serde_json::to_vec(self)?));
        let mut bytes = serde_json::to_vec(&ManifestFile { manifest: self, sha256 })?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads the newest manifest, and its number.
    pub(crate) fn newest(layout: &Layout) -> Result<(u64, Self), OpenError> {
        // A writer may remove a manifest between the listing and the reading; then there is a newer one.
        let mut outcome = Err(OpenError::Absent { folder: layout.root.clone() });
        for _ in 0..ATTEMPTS {
            let Some(number) = numbers(layout)?.into_iter().max() else {
                return Err(OpenError::Absent { folder: layout.root.clone() });
            };
            outcome = Self::read(&layout.manifest(number)).map(|manifest| (number, manifest));
            match &outcome {
                Err(OpenError::Read(ReadError::Io { source, .. }))
                    if source.kind() == io::ErrorKind::NotFound => {}
                _ => return outcome,
            }
        }
        outcome
    }

    fn read(path: &Path) -> Result<Self, OpenError> {
        let bytes = fs::read(path).map_err(|error| ReadError::io(path, error))?;
        check_format::<ManifestVersion>(path, &bytes)?;
        let file: ManifestFile<Self> =
            serde_json::from_slice(&bytes).map_err(|error| not_json(path, &bytes, &error))?;
        let expected = file.manifest.to_bytes().map_err(|error| ReadError::io(path, error))?;
        if expected != bytes {
            let digest = hex::digits(&Sha256::digest(
                serde_json::to_vec(&file.manifest).map_err(|error| ReadError::io(path, error.into()))?,
            ));
            let offset = expected.iter().zip(&bytes).take_while(|(a, b)| a == b).count() as u64;
            let expected = format!("content with SHA-256 `{}`", file.sha256);
            return Err(ReadError::from(Damage::new(path, offset, expected, format!("`{digest}`"))).into());
        }
        Ok(file.manifest)
    }
}

/// The numbers of all manifests, in no order.
pub(crate) fn numbers(layout: &Layout) -> Result<Vec<u64>, ReadError> {
    let folder = layout.manifests();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| ReadError::io(&folder, error))?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| ReadError::io(&folder, error))?;
        numbers.extend(manifest_number(&entry.path()));
    }
    Ok(numbers)
}

/// Finds the version in a file whose other fields may be unknown.
pub(crate) trait Versioned: serde::de::DeserializeOwned {
    fn format(&self) -> u32;
}

#[derive(Deserialize)]
struct ManifestVersion {
    manifest: FormatOnly,
}

/// The one field that every version has.
#[derive(Deserialize)]
pub(crate) struct FormatOnly {
    format: u32,
}

impl Versioned for ManifestVersion {
    fn format(&self) -> u32 {
        self.manifest.format
    }
}

impl Versioned for FormatOnly {
    fn format(&self) -> u32 {
        self.format
    }
}

/// Refuses a file of another version than this program writes.
pub(crate) fn check_format<V: Versioned>(path: &Path, bytes: &[u8]) -> Result<(), OpenError> {
    let version: V = serde_json::from_slice(bytes).map_err(|error| not_json(path, bytes, &error))?;
    if version.format() != FORMAT {
        return Err(OpenError::Version { file: path.to_owned(), expected: FORMAT, found: version.format() });
    }
    Ok(())
}

/// A file that is not the JSON that the format asks for.
pub(crate) fn not_json(path: &Path, bytes: &[u8], error: &serde_json::Error) -> OpenError {
    let before = bytes.split_inclusive(|&byte| byte == b'\n').take(error.line().saturating_sub(1));
    let offset = before.map(<[u8]>::len).sum::<usize>() + error.column().saturating_sub(1);
    let expected = "JSON as the store's format describes it";
    ReadError::from(Damage::new(path, offset as u64, expected, format!("`{error}`"))).into()
}
