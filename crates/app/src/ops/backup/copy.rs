//! Copies files and checks what was written by reading it back.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ascribe_ledger::durable::{Disk, DurableError, GrowingFile};
use sha2::{Digest as _, Sha256};

use super::source::SourceFile;
use crate::hexadecimal::hexadecimal;

const CHUNK_BYTES: usize = 1 << 18;

/// A file was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The copy cannot be written.
    #[error(transparent)]
    Write(#[from] DurableError),
    /// The copy is not what it must be.
    #[error("`{}` has SHA-256 `{found}`, expected `{expected}`", path.display())]
    Digest {
        /// The copy, or what it was made of.
        path: PathBuf,
        /// What it must have.
        expected: String,
        /// What it has.
        found: String,
    },
}

/// SHA-256 of the first `length` bytes of a file, which must have them.
pub(super) fn digest(path: &Path, length: u64) -> Result<String, CopyError> {
    let mut digest = Sha256::new();
    read_parts(path, length, &mut |part| {
        digest.update(part);
        Ok(())
    })?;
    Ok(hexadecimal(&digest.finalize()))
}

/// Copies a file to `to`, which must not exist, durably, and reads the copy back.
pub(super) fn copy(disk: &Disk, file: &SourceFile, to: &Path, sha256: &str) -> Result<(), CopyError> {
    if file.is_private {
        // Keys and salts, which are short.
        let mut bytes = Vec::new();
        read_parts(&file.path, file.length, &mut |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        disk.create_private_file(to, &bytes)?;
    } else {
        let mut copy = GrowingFile::create(disk, to)?;
        read_parts(&file.path, file.length, &mut |part| Ok(copy.write(part)?))?;
        copy.sync()?;
    }
    let found = digest(to, file.length)?;
    if found == sha256 {
        return Ok(());
    }
    Err(CopyError::Digest { path: to.to_owned(), expected: sha256.to_owned(), found })
}

fn read_parts(
    path: &Path,
    length: u64,
    take: &mut impl FnMut(&[u8]) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    let failed = |source| CopyError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?.take(length);
    let (mut part, mut left) = (vec![0; CHUNK_BYTES], length);
    while left > 0 {
        let read = file.read(&mut part).map_err(failed)?;
        if read == 0 {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        take(&part[..read])?;
        left -= read as u64;
    }
    Ok(())
}
