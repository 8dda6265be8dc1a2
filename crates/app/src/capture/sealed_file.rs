//! The sealed files: values that a policy cut out of records, encrypted, apart from the ledger. `docs/capture.md` states
//! the bytes.
//!
//! They only grow, one chunk for each group of entries of the ledger, durable before the ledger acknowledges a record
//! that refers to them. No chunk is ever cut off or rewritten: behind a torn end a new file begins. Nothing needs these
//! files but whoever wants to show a value; they can be erased with nothing else changing. It knows commitments and
//! bytes, neither records nor policies.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use ascribe_ledger::durable::{Disk, DurableError, GrowingFile};
use ascribe_ledger::{SALT_BYTES, Salt, commit_sealed};
use ascribe_model::EventId;
use ascribe_sources::capture::{Sealed, WithheldField};

use super::key::{DoesNotOpen, DoesNotSeal, NONCE_BYTES, SecretKey};
use crate::hexadecimal::hexadecimal;

pub(super) const FILE_MAGIC: &[u8; 8] = b"ASCSEAL1";
pub(super) const CHUNK_MAGIC: &[u8; 4] = b"ASSC";
pub(super) const FILE_HEADER_BYTES: u64 = 32;
pub(super) const CHUNK_HEADER_BYTES: usize = 32;
const ENTRY_HEADER_BYTES: usize = 32 + NONCE_BYTES + 4;
/// A file that is larger is left, and the next one begun.
const FILE_BYTES: u64 = 64 * 1024 * 1024;

/// A value that is encrypted, ready to be written.
#[derive(Clone, Debug)]
pub struct SealedValue {
    commitment: [u8; 32],
    nonce: [u8; NONCE_BYTES],
    sealed: Vec<u8>,
}

/// Writes sealed files.
pub struct SealedWriter {
    disk: Disk,
    folder: PathBuf,
    key_id: [u8; 16],
    file: Option<GrowingFile>,
}

/// A sealed value, opened; its commitment was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedValue {
    /// The value as it stood in the record, decoded.
    pub value: String,
    /// The salt of its commitment.
    pub salt: Salt,
}

/// A value cannot be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random(#[source] getrandom::Error),
    /// It is too long.
    #[error(transparent)]
    Length(#[from] DoesNotSeal),
}

/// Sealed files cannot be written. Where that is a chunk, the records that refer to it are not in the ledger; where values
/// are erased, the files that were done stay so, and the same again goes on.
#[derive(Debug, thiserror::Error)]
pub enum WriteSealedError {
    /// The files that are there cannot be looked at.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The chunk is not on disk.
    #[error("cannot write sealed values")]
    Write(#[from] DurableError),
}

/// A sealed value cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// No file has it.
    #[error("no sealed file holds the value: it was erased, or the files are not here")]
    Erased,
    /// It was sealed with another key.
    #[error("`{}` was sealed with another key", path.display())]
    OtherKey {
        /// The file.
        path: PathBuf,
    },
    /// It does not open.
    #[error("`{}` holds the value, but it cannot be shown", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: DoesNotOpen,
    },
    /// What was opened is not what the ledger commits to.
    #[error("the value in `{}` is not the one that the ledger commits to", path.display())]
    NotCommitted {
        /// The file.
        path: PathBuf,
    },
}

impl SealedValue {
    /// Encrypts a value together with the salt that opens its commitment.
    pub fn new(key: &SecretKey, sealed: &Sealed) -> Result<Self, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(SealError::Random)?;
        let content = [sealed.salt.as_slice(), sealed.value.as_bytes()].concat();
        let commitment = sealed.commitment;
        Ok(Self { commitment, nonce, sealed: key.seal(&nonce, &commitment, &content)? })
    }
}

impl SealedWriter {
    /// Writes into `folder`, which is made with the first chunk.
    pub fn new(disk: Disk, folder: PathBuf, key: &SecretKey) -> Self {
        Self { disk, folder, key_id: key.id(), file: None }
    }

    /// Writes a chunk and makes it durable. `leaves` are those of the entries that refer to its values.
    ///
    /// A crash during it leaves a chunk that is torn, or whole and that nothing refers to. Neither does harm.
    pub fn append<'v>(
        &mut self,
        leaves: Range<u64>,
        values: impl Iterator<Item = &'v SealedValue>,
    ) -> Result<(), WriteSealedError> {
        let chunk = chunk(leaves, values);
        let mut file = match self.file.take() {
            Some(file) if file.length() < FILE_BYTES => file,
            _ => self.open_file()?,
        };
        file.write(&chunk)?;
        file.sync()?;
        // Kept only once it is known to be whole: after an error another file is begun.
        self.file = Some(file);
        Ok(())
    }

    /// The last file, if it is whole, has room and is of this key; else a new one.
    fn open_file(&self) -> Result<GrowingFile, WriteSealedError> {
        self.disk.create_folder(&self.folder)?;
        let read = |source| WriteSealedError::Read { path: self.folder.clone(), source };
        let last = files(&self.folder).map_err(read)?.pop();
        if let Some((_, path)) = &last
            && self.goes_on(path).map_err(|source| WriteSealedError::Read { path: path.clone(), source })?
        {
            return Ok(GrowingFile::open(&self.disk, path)?);
        }
        let number = last.map_or(0, |(number, _)| number + 1);
        let path = self.folder.join(format!("{number:08}.sealed"));
        let mut file = GrowingFile::create(&self.disk, &path)?;
        let mut header = Vec::from(FILE_MAGIC);
        header.extend_from_slice(&self.key_id);
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(&crc32c::crc32c(&header).to_be_bytes());
        // The header becomes durable together with the first chunk.
        file.write(&header)?;
        self.disk.sync_folder(&self.folder)?;
        Ok(file)
    }

    fn goes_on(&self, path: &Path) -> io::Result<bool> {
        let Some(mut file) = SealedFile::open(path)? else { return Ok(false) };
        if file.key_id != self.key_id || file.length >= FILE_BYTES {
            return Ok(false);
        }
        while file.next_chunk()?.is_some() {}
        Ok(file.position == file.length)
    }
}

/// Finds the value that `commitment` in the entry at `leaf` stands for, decrypts it and checks it. Looks at the header
/// of each chunk, and reads those around the leaf.
pub fn open_value(
    folder: &Path,
    key: &SecretKey,
    leaf: u64,
    commitment: &[u8; 32],
) -> Result<OpenedValue, UnsealError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| UnsealError::Read { path, source }
    };
    let mut other_key = None;
    for (_, path) in files(folder).map_err(read(folder))? {
        let Some(mut file) = SealedFile::open(&path).map_err(read(&path))? else { continue };
        while let Some(chunk) = file.next_chunk().map_err(read(&path))? {
            if !chunk.leaves.contains(&leaf) {
                continue;
            }
            let body = file.body(&chunk).map_err(read(&path))?;
            let Some((nonce, sealed)) = value_in(&body, commitment) else { continue };
            if file.key_id != key.id() {
                other_key = Some(path.clone());
                continue;
            }
            let content = key
                .open(&nonce, commitment, sealed)
                .map_err(|source| UnsealError::Damaged { path: path.clone(), source })?;
            return checked(&content, commitment).ok_or(UnsealError::NotCommitted { path });
        }
    }
    Err(other_key.map_or(UnsealError::Erased, |path| UnsealError::OtherKey { path }))
}

/// Counts the values that the key of this id sealed, in hexadecimal digits.
pub fn count_sealed(folder: &Path, key_id: &str) -> io::Result<u64> {
    let mut count = 0;
    for (_, path) in files(folder)? {
        let Some(mut file) = SealedFile::open(&path)? else { continue };
        if hexadecimal(&file.key_id) != key_id {
            continue;
        }
        while let Some(chunk) = file.next_chunk()? {
            let body = file.body(&chunk)?;
            let mut rest = body.as_slice();
            while let Some((_, behind)) = next_value(rest) {
                count += 1;
                rest = behind;
            }
        }
    }
    Ok(count)
}

/// The commitment that stands in a record for a sealed value; `None` for what was withheld otherwise.
pub fn commitment_of(withheld: &WithheldField) -> Option<[u8; 32]> {
    let (method, value) = withheld.kept.as_ref()?;
    // The same form as an event's id: 64 lower-case digits.
    let commitment = (method == "sealed").then(|| value.parse::<EventId>().ok())?;
    commitment.map(|id| id.0)
}

/// Erases the values that these commitments stand for, and says how many there were. Each file that has any is replaced
/// as a whole; what else is in it stays byte for byte. No writer may have the folder open.
///
/// A crash leaves a file as it was or without the values, and perhaps a staged file that nothing reads and the next
/// replacement overwrites.
pub fn erase_sealed(folder: &Path, commitments: &BTreeSet<[u8; 32]>) -> Result<u64, WriteSealedError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| WriteSealedError::Read { path, source }
    };
    let mut erased = 0;
    if commitments.is_empty() {
        return Ok(erased);
    }
    for (_, path) in files(folder).map_err(read(folder))? {
        let (kept, count) = without(&path, commitments).map_err(read(&path))?;
        if count > 0 {
            ascribe_ledger::durable::replace_file(&path, &kept)?;
            erased += count;
        }
    }
    Ok(erased)
}

/// The bytes of a file without some values, and how many of them it had.
fn without(path: &Path, commitments: &BTreeSet<[u8; 32]>) -> io::Result<(Vec<u8>, u64)> {
    let Some(mut file) = SealedFile::open(path)? else { return Ok((Vec::new(), 0)) };
    let bytes = fs::read(path)?;
    let mut kept = bytes[..FILE_HEADER_BYTES as usize].to_vec();
    let mut erased = 0;
    while let Some(found) = file.next_chunk()? {
        let body = file.body(&found)?;
        let values = values_in(&body);
        let staying: Vec<_> =
            values.iter().filter(|(commitment, _)| !commitments.contains(*commitment)).collect();
        erased += (values.len() - staying.len()) as u64;
        if staying.len() == values.len() {
            kept.extend_from_slice(
                &bytes[found.offset as usize - CHUNK_HEADER_BYTES..file.position as usize],
            );
        } else if !staying.is_empty() {
            let body = staying.iter().flat_map(|(_, entry)| entry.iter().copied()).collect();
            kept.append(&mut chunk_of(found.leaves, body));
        }
    }
    // What a crash tore is in no record; it stays unless it names one of the values.
    let torn = &bytes[file.position as usize..];
    let names_one = commitments.iter().any(|commitment| torn.windows(32).any(|window| window == commitment));
    if names_one {
        erased += 1;
    } else {
        kept.extend_from_slice(torn);
    }
    Ok((kept, erased))
}

/// Each value in the body of a chunk: its commitment, and all of its bytes.
fn values_in(body: &[u8]) -> Vec<(&[u8; 32], &[u8])> {
    let mut values = Vec::new();
    let mut rest = body;
    while let Some((_, behind)) = next_value(rest) {
        let entry = &rest[..rest.len() - behind.len()];
        values.extend(entry.first_chunk::<32>().map(|commitment| (commitment, entry)));
        rest = behind;
    }
    values
}

/// The value in decrypted content, if it opens the commitment.
fn checked(content: &[u8], commitment: &[u8; 32]) -> Option<OpenedValue> {
    let (salt, value) = content.split_first_chunk::<SALT_BYTES>()?;
    let value = String::from_utf8(value.to_vec()).ok()?;
    (commit_sealed(salt, value.as_bytes()) == *commitment).then_some(OpenedValue { value, salt: *salt })
}

fn chunk<'v>(leaves: Range<u64>, values: impl Iterator<Item = &'v SealedValue>) -> Vec<u8> {
    let mut body = Vec::new();
    for value in values {
        body.extend_from_slice(&value.commitment);
        body.extend_from_slice(&value.nonce);
        body.extend_from_slice(&(value.sealed.len() as u32).to_be_bytes());
        body.extend_from_slice(&value.sealed);
    }
    chunk_of(leaves, body)
}

fn chunk_of(leaves: Range<u64>, mut body: Vec<u8>) -> Vec<u8> {
    let mut chunk = Vec::with_capacity(CHUNK_HEADER_BYTES + body.len());
    chunk.extend_from_slice(CHUNK_MAGIC);
    chunk.extend_from_slice(&leaves.start.to_be_bytes());
    chunk.extend_from_slice(&leaves.end.to_be_bytes());
    chunk.extend_from_slice(&(body.len() as u32).to_be_bytes());
    chunk.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
    chunk.extend_from_slice(&crc32c::crc32c(&chunk).to_be_bytes());
    chunk.append(&mut body);
    chunk
}

/// The entry of a commitment in the body of a chunk.
fn value_in<'b>(body: &'b [u8], commitment: &[u8; 32]) -> Option<([u8; NONCE_BYTES], &'b [u8])> {
    let mut rest = body;
    loop {
        let ((found, nonce, sealed), behind) = next_value(rest)?;
        if found == commitment {
            return Some((nonce, sealed));
        }
        rest = behind;
    }
}

/// Commitment, nonce and sealed bytes of the first value of a body, and what is behind it.
type FirstValue<'b> = ((&'b [u8; 32], [u8; NONCE_BYTES], &'b [u8]), &'b [u8]);

fn next_value(body: &[u8]) -> Option<FirstValue<'_>> {
    let (header, behind) = body.split_first_chunk::<ENTRY_HEADER_BYTES>()?;
    let (found, rest_of_header) = header.split_first_chunk::<32>()?;
    let (nonce, length) = rest_of_header.split_first_chunk::<NONCE_BYTES>()?;
    let length = u32::from_be_bytes(*length.first_chunk()?) as usize;
    let (sealed, behind) = behind.split_at_checked(length)?;
    Some(((found, *nonce, sealed), behind))
}

/// A sealed file, read chunk by chunk up to its first damage.
struct SealedFile {
    file: File,
    length: u64,
    position: u64,
    key_id: [u8; 16],
}

struct Chunk {
    leaves: Range<u64>,
    offset: u64,
    length: usize,
    checksum: u32,
}

impl SealedFile {
    /// `None` where the file has no whole header: a crash left it.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut header = [0; FILE_HEADER_BYTES as usize];
        if length < FILE_HEADER_BYTES {
            return Ok(None);
        }
        file.read_exact(&mut header)?;
        let (content, checksum) = header.split_at(header.len() - 4);
        let mut key_id = [0; 16];
        key_id.copy_from_slice(&content[8..24]);
        let whole = content.starts_with(FILE_MAGIC) && crc32c::crc32c(content).to_be_bytes() == *checksum;
        Ok(whole.then_some(Self { file, length, position: FILE_HEADER_BYTES, key_id }))
    }

    /// The next chunk that is whole; `None` at the end, or where a crash tore one.
    fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        if self.length - self.position < CHUNK_HEADER_BYTES as u64 {
            return Ok(None);
        }
        let mut header = [0; CHUNK_HEADER_BYTES];
        self.file.seek(SeekFrom::Start(self.position))?;
        self.file.read_exact(&mut header)?;
        let number = |range: Range<usize>| {
            header[range].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        };
        let offset = self.position + CHUNK_HEADER_BYTES as u64;
        let chunk = Chunk {
            leaves: number(4..12)..number(12..20),
            offset,
            length: number(20..24) as usize,
            checksum: number(24..28) as u32,
        };
        let whole =
            header.starts_with(CHUNK_MAGIC) && u64::from(crc32c::crc32c(&header[..28])) == number(28..32);
        let end = offset + chunk.length as u64;
        if !whole || end > self.length {
            return Ok(None);
        }
        // Only the last chunk can be torn: each is durable before the next is written.
        if end == self.length && crc32c::crc32c(&self.body(&chunk)?) != chunk.checksum {
            return Ok(None);
        }
        self.position = end;
        Ok(Some(chunk))
    }

    fn body(&mut self, chunk: &Chunk) -> io::Result<Vec<u8>> {
        let mut body = vec![0; chunk.length];
        self.file.seek(SeekFrom::Start(chunk.offset))?;
        self.file.read_exact(&mut body)?;
        Ok(body)
    }
}

/// Sealed files with their numbers, in order. No folder is no file.
fn files(folder: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".sealed")?.parse().ok());
        files.extend(number.map(|number| (number, path)));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests damage throw-away files")]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ascribe_ledger::durable::{Interruption, Step};

    use super::*;
    use crate::capture::key::KeyUse;

    fn key(folder: &Path) -> SecretKey {
        let path = folder.join("seal.key");
        if !path.exists() {
            SecretKey::create(&path, KeyUse::Seal).unwrap();
        }
        SecretKey::load(&path, KeyUse::Seal).unwrap()
    }

    fn sealed(number: u64) -> Sealed {
        let (salt, value) = ([number as u8; 32], format!("value {number}"));
        Sealed { commitment: commit_sealed(&salt, value.as_bytes()), salt, value }
    }

    fn append(writer: &mut SealedWriter, key: &SecretKey, leaf: u64) -> Result<(), WriteSealedError> {
        let values = [sealed(leaf), sealed(leaf + 100)].map(|sealed| SealedValue::new(key, &sealed).unwrap());
        writer.append(leaf..leaf + 1, values.iter())
    }

    fn opens(folder: &Path, key: &SecretKey, leaf: u64) -> bool {
        [sealed(leaf), sealed(leaf + 100)].iter().all(|sealed| {
            open_value(&folder.join("sealed"), key, leaf, &sealed.commitment)
                .is_ok_and(|opened| opened.value == sealed.value && opened.salt == sealed.salt)
        })
    }

    #[test]
    fn values_open_by_leaf_and_commitment_and_with_their_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let key = key(folder.path());
        for run in 0..3 {
            let mut writer = SealedWriter::new(Disk::default(), folder.path().join("sealed"), &key);
            for leaf in run * 3..run * 3 + 3 {
                append(&mut writer, &key, leaf).unwrap();
            }
        }
        assert_eq!(files(&folder.path().join("sealed")).unwrap().len(), 1, "a whole file goes on");
        assert!((0..9).all(|leaf| opens(folder.path(), &key, leaf)));
        let at = folder.path().join("sealed");
        let wrong_leaf = open_value(&at, &key, 1, &sealed(0).commitment);
        assert!(matches!(wrong_leaf, Err(UnsealError::Erased)));
        let elsewhere = tempfile::tempdir().unwrap();
        let other = self::key(elsewhere.path());
        assert!(matches!(
            open_value(&at, &other, 0, &sealed(0).commitment),
            Err(UnsealError::OtherKey { .. })
        ));
        append(&mut SealedWriter::new(Disk::default(), at.clone(), &other), &other, 9).unwrap();
        assert_eq!(files(&at).unwrap().len(), 2, "another key begins another file");
        fs::remove_dir_all(&at).unwrap();
        assert!(matches!(open_value(&at, &key, 0, &sealed(0).commitment), Err(UnsealError::Erased)));
    }

    #[test]
    fn erased_values_are_in_no_file_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let key = key(folder.path());
        let at = folder.path().join("sealed");
        let mut writer = SealedWriter::new(Disk::default(), at.clone(), &key);
        for leaf in 0..6 {
            append(&mut writer, &key, leaf).unwrap();
        }
        drop(writer);
        let path = at.join("00000000.sealed");
        let torn = [fs::read(&path).unwrap(), b"ASSC torn".to_vec()].concat();
        fs::write(&path, &torn).unwrap();
        let none = erase_sealed(&at, &BTreeSet::from([[9; 32]])).unwrap();
        assert_eq!((none, fs::read(&path).unwrap()), (0, torn.clone()), "what is not there changes nothing");
        // One of two values in a chunk, and both of another.
        let gone = BTreeSet::from([sealed(1).commitment, sealed(4).commitment, sealed(104).commitment]);
        assert_eq!(erase_sealed(&at, &gone).unwrap(), 3);
        assert_eq!(erase_sealed(&at, &gone).unwrap(), 0, "a second run has nothing to do");
        let left = fs::read(&path).unwrap();
        assert!(left.ends_with(b"ASSC torn"));
        for commitment in &gone {
            assert!(!left.windows(32).any(|window| window == commitment));
        }
        for leaf in [0, 2, 3, 5] {
            assert!(opens(folder.path(), &key, leaf), "{leaf}");
        }
        assert!(open_value(&at, &key, 1, &sealed(101).commitment).is_ok());
        assert!(matches!(open_value(&at, &key, 1, &sealed(1).commitment), Err(UnsealError::Erased)));
    }

    #[test]
    fn no_altered_byte_gives_another_value() {
        let folder = tempfile::tempdir().unwrap();
        let key = key(folder.path());
        let at = folder.path().join("sealed");
        append(&mut SealedWriter::new(Disk::default(), at.clone(), &key), &key, 0).unwrap();
        let (_, path) = files(&at).unwrap().remove(0);
        let bytes = fs::read(&path).unwrap();
        for position in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[position] ^= 1;
            fs::write(&path, &altered).unwrap();
            if let Ok(opened) = open_value(&at, &key, 0, &sealed(0).commitment) {
                assert_eq!(opened.value, "value 0", "byte {position}");
            }
        }
    }

    #[test]
    fn every_torn_end_is_left_and_a_new_file_begun() {
        let folder = tempfile::tempdir().unwrap();
        let key = key(folder.path());
        let at = folder.path().join("sealed");
        let mut writer = SealedWriter::new(Disk::default(), at.clone(), &key);
        append(&mut writer, &key, 0).unwrap();
        let whole = fs::read(at.join("00000000.sealed")).unwrap();
        append(&mut writer, &key, 1).unwrap();
        let longer = fs::read(at.join("00000000.sealed")).unwrap();
        for cut in 0..longer.len() {
            for zeros in [false, true] {
                fs::remove_dir_all(&at).unwrap();
                fs::create_dir(&at).unwrap();
                let mut torn = longer[..cut].to_vec();
                if zeros {
                    torn.resize(longer.len(), 0);
                }
                fs::write(at.join("00000000.sealed"), &torn).unwrap();
                append(&mut SealedWriter::new(Disk::default(), at.clone(), &key), &key, 1).unwrap();
                assert!(opens(folder.path(), &key, 1), "cut at {cut}");
                assert_eq!(opens(folder.path(), &key, 0), cut >= whole.len(), "cut at {cut}");
                let untouched = fs::read(at.join("00000000.sealed")).unwrap();
                assert!(untouched.starts_with(&torn), "nothing is rewritten");
            }
        }
    }

    /// Fails one step before or after it happened.
    struct FailsAt {
        step: usize,
        after: bool,
        seen: AtomicUsize,
    }

    impl Interruption for FailsAt {
        fn before(&self, _step: Step, _path: &Path) -> io::Result<()> {
            let seen = self.seen.fetch_add(1, Ordering::SeqCst);
            if seen == self.step && !self.after { Err(io::Error::other("injected")) } else { Ok(()) }
        }

        fn after(&self, _step: Step, _path: &Path) -> io::Result<()> {
            let failed = self.seen.load(Ordering::SeqCst) == self.step + 1 && self.after;
            if failed { Err(io::Error::other("injected")) } else { Ok(()) }
        }
    }

    /// A chunk counts as acknowledged only when `append` returned; then it is there, whatever failed later.
    #[test]
    fn nothing_acknowledged_is_lost_at_any_failing_step() {
        let mut failures = 0;
        for step in 0..40 {
            for after in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let key = key(folder.path());
                let at = folder.path().join("sealed");
                let failing = Arc::new(FailsAt { step, after, seen: AtomicUsize::new(0) });
                let mut writer = SealedWriter::new(Disk::interrupted_by(failing), at.clone(), &key);
                let acknowledged: Vec<u64> =
                    (0..4).take_while(|leaf| append(&mut writer, &key, *leaf).is_ok()).collect();
                failures += usize::from(acknowledged.len() < 4);
                let mut writer = SealedWriter::new(Disk::default(), at.clone(), &key);
                append(&mut writer, &key, 9).unwrap();
                for leaf in acknowledged.into_iter().chain([9]) {
                    assert!(opens(folder.path(), &key, leaf), "leaf {leaf}, step {step}");
                }
            }
        }
        assert!(failures > 20, "each step of four appends was failed twice: {failures}");
    }
}
