//! Looks at every sealed file: is each whole as far as it was acknowledged. It opens no value and needs no key.
//!
//! A crash leaves the last chunk of a file short, or with sectors of zeros (`docs/formats/ledger.md`, "What is assumed
//! of the medium"); everything else that does not fit its checksum is damage.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::sealed_file::{CHUNK_HEADER_BYTES, CHUNK_MAGIC, FILE_HEADER_BYTES, FILE_MAGIC};

const SECTOR_BYTES: usize = 512;

/// What was looked at.
#[derive(Debug, Default)]
pub struct SealedCheck {
    /// Sealed files.
    pub files: u64,
    /// Bytes that a crash tore and nobody was told of.
    pub torn_bytes: u64,
    /// Id of the key of the last file, if its header is whole.
    pub last_key: Option<[u8; 16]>,
    /// What is not as it must be.
    pub flaws: Vec<SealedFlaw>,
}

/// Something that is not as it must be.
#[derive(Debug, PartialEq, Eq)]
pub struct SealedFlaw {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problem: SealedProblem,
}

/// What is wrong with a sealed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedProblem {
    /// A header or chunk has another checksum.
    Damaged {
        /// Where it begins.
        offset: u64,
    },
    /// A file between others is not there.
    Missing,
    /// It is no sealed file.
    Stranger,
}

/// Looks at every file in `folder`.
pub fn check_sealed(folder: &Path) -> io::Result<SealedCheck> {
    let mut check = SealedCheck::default();
    let entries: io::Result<Vec<PathBuf>> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = entries?;
    paths.sort();
    let mut expected = 0;
    for path in paths {
        let Some(number) = number_of(&path) else {
            check.flaws.push(SealedFlaw { file: path, problem: SealedProblem::Stranger });
            continue;
        };
        for absent in expected..number {
            let file = folder.join(format!("{absent:08}.sealed"));
            check.flaws.push(SealedFlaw { file, problem: SealedProblem::Missing });
        }
        expected = number.saturating_add(1);
        check.files += 1;
        let bytes = fs::read(&path)?;
        check.check_file(&path, &bytes);
    }
    Ok(check)
}

impl SealedCheck {
    fn check_file(&mut self, path: &Path, bytes: &[u8]) {
        let Some(header) = bytes.first_chunk::<{ FILE_HEADER_BYTES as usize }>() else {
            self.torn_bytes += bytes.len() as u64;
            return;
        };
        if !(header.starts_with(FILE_MAGIC) && checksum_fits(header)) {
            return self.judge_tail(path, bytes, 0);
        }
        let mut key = [0; 16];
        key.copy_from_slice(&header[8..24]);
        self.last_key = Some(key);
        let mut position = FILE_HEADER_BYTES as usize;
        while position < bytes.len() {
            let rest = &bytes[position..];
            let Some(header) = rest.first_chunk::<CHUNK_HEADER_BYTES>() else {
                self.torn_bytes += rest.len() as u64;
                return;
            };
            if !(header.starts_with(CHUNK_MAGIC) && checksum_fits(header)) {
                // Without its length nothing behind it can be found.
                return self.judge_tail(path, bytes, position);
            }
            let number = |at: usize| {
                header[at..at + 4].iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte))
            };
            let end = CHUNK_HEADER_BYTES + number(20) as usize;
            let Some(body) = rest.get(CHUNK_HEADER_BYTES..end) else {
                self.torn_bytes += rest.len() as u64;
                return;
            };
            if crc32c::crc32c(body) != number(24) {
                if position + end == bytes.len() {
                    return self.judge_tail(path, bytes, position);
                }
                self.damaged(path, position);
            }
            position += end;
        }
    }

    /// What does not fit its checksum at the end of a file is torn if a sector of it was not written.
    fn judge_tail(&mut self, path: &Path, bytes: &[u8], start: usize) {
        let first = start - start % SECTOR_BYTES;
        let has_gap = (first..bytes.len()).step_by(SECTOR_BYTES).any(|sector| {
            let part = &bytes[sector.max(start)..(sector + SECTOR_BYTES).min(bytes.len())];
            part.len() >= 4 && part.iter().all(|byte| *byte == 0)
        });
        if has_gap {
            self.torn_bytes += (bytes.len() - start) as u64;
        } else {
            self.damaged(path, start);
        }
    }

    fn damaged(&mut self, path: &Path, start: usize) {
        let problem = SealedProblem::Damaged { offset: start as u64 };
        self.flaws.push(SealedFlaw { file: path.to_owned(), problem });
    }
}

/// Whether the last four bytes of a header are the checksum of those before.
fn checksum_fits(header: &[u8]) -> bool {
    header
        .split_last_chunk::<4>()
        .is_some_and(|(content, checksum)| crc32c::crc32c(content).to_be_bytes() == *checksum)
}

/// The number of a sealed file; `None` for names that no writer gives.
fn number_of(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let number: u32 = name.strip_suffix(".sealed")?.parse().ok()?;
    (format!("{number:08}.sealed") == name).then_some(number)
}
