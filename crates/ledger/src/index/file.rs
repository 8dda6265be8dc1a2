//! The file of an index: its rows in blocks of 256, so that a proof reads two blocks and not the whole. Everything that
//! is read is checked against the root in the ledger, whatever the checksums say.
//!
//! Rows are derived from the entries and the salt. [`IndexFile::blind`] takes rows out of which nothing may stay.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::build::{BuiltIndex, root_of};
use super::paths::{IndexPaths, IndexRange};
use super::proof::{IndexHead, KeyProof, PlacedRow};
use super::row::{INDEX_LEAVES, IndexRow, KeyDigest, MAX_ROW_BYTES, key_digest};
use crate::commitment::{SALT_BYTES, Salt};
use crate::cursor::Cursor;
use crate::damage::{FileError, FormatProblem};
use crate::durable::{Disk, DurableError, OpenFile};
use crate::hash::{HASH_BYTES, Hash, leaf_hash, perfect_root};
use crate::proof::{ProofError, TileSource, inclusion_proof};
use crate::right_edge::push_perfect_subtrees;
use crate::segment::require;
use crate::tile::{TILE_WIDTH, TileId};
use crate::tree::fold_right;

const MAGIC: [u8; 8] = *b"ASCRIDX1";
const SALT_MAGIC: [u8; 8] = *b"ASCRISL1";
const FORMAT: u32 = 1;
const HEADER_BYTES: usize = 64;
/// Offset, length, checksum, root and first digest of a block.
const TABLE_ROW_BYTES: usize = 8 + 8 + 4 + 2 * HASH_BYTES;
/// Stands in the place of a row's length where only its hash is left.
const ERASED: u32 = u32::MAX;
/// Stands in the place of a block's first digest where none is left.
const NO_DIGEST: KeyDigest = [0; HASH_BYTES];

/// An index, opened and checked against the root that the ledger has for it.
#[derive(Debug)]
pub struct IndexFile {
    path: PathBuf,
    file: Box<dyn OpenFile>,
    head: IndexHead,
    erased: u64,
    blocks: Vec<BlockAt>,
    /// The block that was read last: a proof asks for the same one again and again.
    kept: Mutex<Option<(usize, Arc<Block>)>>,
}

/// The rows of a block, and their hashes.
#[derive(Debug)]
struct Block {
    rows: Vec<KeptRow>,
    hashes: Vec<Hash>,
}

/// Where a block is, and what it comes to.
#[derive(Debug, Clone)]
struct BlockAt {
    offset: u64,
    length: u64,
    checksum: u32,
    root: Hash,
    /// Digest of its first row that is left.
    first: Option<KeyDigest>,
}

/// A row as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
enum KeptRow {
    Whole(Vec<u8>),
    Erased(Hash),
}

/// What blinding an index came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blinded {
    /// Rows of which only the hash is left, those of earlier erasures included.
    pub erased: u64,
    /// Rows of which all is left.
    pub whole: u64,
}

/// Why an index could not be made, read or blinded.
#[derive(Debug, thiserror::Error)]
pub enum IndexFileError {
    /// A file could not be read, or is damaged.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] DurableError),
    /// A range of no or too many leaves.
    #[error("an index over leaves {from} to {to} cannot be: a range has 1 to {INDEX_LEAVES} leaves")]
    Range {
        /// First leaf.
        from: u64,
        /// Leaf behind the last.
        to: u64,
    },
    /// A leaf that is not in the range.
    #[error("leaf {leaf} is not among those of the index, {from} to {to}")]
    LeafOutside {
        /// The leaf.
        leaf: u64,
        /// First leaf.
        from: u64,
        /// Leaf behind the last.
        to: u64,
    },
    /// A row that would be longer than any reader takes.
    #[error("a row over leaves {from} to {to} would have {found} bytes, at most {MAX_ROW_BYTES} are read")]
    RowTooLong {
        /// First leaf.
        from: u64,
        /// Leaf behind the last.
        to: u64,
        /// Bytes that it would have.
        found: usize,
    },
    /// The file holds another index than the one whose root is in the ledger.
    #[error("`{}` holds an index with root `{found}`, the ledger has `{expected}`", path.display())]
    OtherRoot {
        /// The file.
        path: PathBuf,
        /// In the ledger.
        expected: Hash,
        /// In the file.
        found: Hash,
    },
    /// A proof could not be built.
    #[error("cannot build the proof")]
    Proof(#[source] Box<ProofError<IndexFileError>>),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for a salt")]
    Random(#[source] getrandom::Error),
}

impl IndexFile {
    /// Draws the salt of a new index and keeps it, readable by its owner only. It takes the place of one that a crash
    /// left: a salt counts once an `index-root` entry commits to it.
    pub fn new_salt(disk: &Disk, paths: &IndexPaths, range: &IndexRange) -> Result<Salt, IndexFileError> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(IndexFileError::Random)?;
        Self::keep_salt(disk, paths, range, &salt)?;
        Ok(salt)
    }

    /// Keeps a salt. A crash leaves none, or all of it, or part of it in a file that no `index-root` entry commits to.
    fn keep_salt(
        disk: &Disk,
        paths: &IndexPaths,
        range: &IndexRange,
        salt: &Salt,
    ) -> Result<(), IndexFileError> {
        let mut bytes = [&SALT_MAGIC[..], salt].concat();
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        disk.create_folder(paths.folder())?;
        let path = paths.salt(range);
        disk.remove_if_present(&path)?;
        Ok(disk.create_private_file(&path, &bytes)?)
    }

    /// The salt of an index.
    pub fn salt(disk: &Disk, paths: &IndexPaths, range: &IndexRange) -> Result<Salt, IndexFileError> {
        let path = paths.salt(range);
        let bytes = disk.read(&path).map_err(|error| FileError::read(&path, error))?;
        let mut cursor = Cursor::new("the salt of an index", &bytes);
        let read = |cursor: &mut Cursor<'_>| {
            cursor.magic(SALT_MAGIC)?;
            let salt = cursor.array()?;
            cursor.checksum()?;
            Ok::<Salt, FormatProblem>(salt)
        };
        let salt = read(&mut cursor).and_then(|salt| cursor.finish().map(|()| salt));
        Ok(salt.map_err(|problem| FileError::damage(&path, 0, problem))?)
    }

    /// Writes the rows of an index, durably and all at once. A crash leaves the file as it was, or whole.
    pub fn write(
        disk: &Disk,
        paths: &IndexPaths,
        range: &IndexRange,
        built: &BuiltIndex,
    ) -> Result<(), IndexFileError> {
        let rows: Vec<KeptRow> = built.rows().map(|row| KeptRow::Whole(row.to_vec())).collect();
        disk.create_folder(paths.folder())?;
        Ok(disk.replace_file(&paths.rows(range), &encode(range, &rows))?)
    }

    /// Opens the index of which the ledger has `head`. Its root has to be that one.
    pub fn open(
        disk: &Disk,
        paths: &IndexPaths,
        range: &IndexRange,
        head: &IndexHead,
    ) -> Result<Self, IndexFileError> {
        let index = Self::open_any(disk, paths, range)?;
        let found = index.root()?;
        if found != head.root || index.head.rows != head.rows {
            let expected = head.root;
            return Err(IndexFileError::OtherRoot { path: index.path, expected, found });
        }
        Ok(Self { head: head.clone(), ..index })
    }

    /// Reads every row of the index of a range, whichever root the ledger has of it.
    pub fn check_file(disk: &Disk, paths: &IndexPaths, range: &IndexRange) -> Result<(), IndexFileError> {
        let index = Self::open_any(disk, paths, range)?;
        index.root()?;
        index.check()
    }

    /// What the ledger has of it.
    pub fn head(&self) -> &IndexHead {
        &self.head
    }

    /// Rows of which only the hash is left.
    pub fn erased(&self) -> u64 {
        self.erased
    }

    /// Reads every row: what a look-up reads is checked by it, and what none has read yet may be damaged.
    pub fn check(&self) -> Result<(), IndexFileError> {
        (0..self.blocks.len()).try_for_each(|place| self.read_block(place).map(|_| ()))
    }

    /// What the range holds of `value`, with its proof.
    pub fn prove(&self, salt: &Salt, value: &[u8]) -> Result<KeyProof, IndexFileError> {
        let digest = key_digest(salt, value);
        let Some((index, is_it)) = self.last_not_above(&digest)? else {
            return self.absent(None);
        };
        if is_it {
            Ok(self.placed(index)?.map_or(KeyProof::Erased, KeyProof::Present))
        } else {
            self.absent(Some(index))
        }
    }

    /// Takes out of the file every row all of whose leaves are among `erased`: only its hash stays, so that other
    /// proofs stay as they are, byte for byte. A row that has other leaves too stays whole.
    ///
    /// This is what erasing entries of an indexed range calls, once the entries themselves are gone. A crash leaves
    /// the file as it was, or blinded; calling it again with the same leaves, or with more, is safe and ends the same.
    /// From then on the index can no longer be made from the entries, and a value whose place is beside an erased row
    /// is *undetermined*. Whoever has the salt and guesses an erased value finds that its place is beside an erased
    /// row: where not even that may stay, remove the salt too ([`IndexFile::discard`]).
    pub fn blind(
        disk: &Disk,
        paths: &IndexPaths,
        range: &IndexRange,
        erased: &BTreeSet<u64>,
    ) -> Result<Blinded, IndexFileError> {
        let index = Self::open_any(disk, paths, range)?;
        let mut rows = Vec::new();
        for place in 0..index.blocks.len() {
            rows.extend(index.block(place)?.rows.iter().cloned());
        }
        for row in &mut rows {
            if let KeptRow::Whole(bytes) = row
                && index.leaves_of(bytes)?.iter().all(|leaf| erased.contains(leaf))
            {
                *row = KeptRow::Erased(leaf_hash(bytes));
            }
        }
        let count = rows.iter().filter(|row| matches!(row, KeptRow::Erased(_))).count() as u64;
        if count != index.erased {
            disk.replace_file(&index.path, &encode(range, &rows))?;
        }
        Ok(Blinded { erased: count, whole: index.head.rows - count })
    }

    /// Removes an index and its salt: nothing can be looked up in it any more, and no guess be tried on it. What was
    /// proven from it before stays proven.
    ///
    /// The salt goes first. A crash leaves rows without a salt, which say nothing; removing again removes them.
    pub fn discard(disk: &Disk, paths: &IndexPaths, range: &IndexRange) -> Result<(), IndexFileError> {
        for path in [paths.salt(range), paths.rows(range)] {
            if disk.length(&path).is_ok() {
                disk.remove_if_present(&path)?;
                disk.sync_folder(paths.folder())?;
            }
        }
        Ok(())
    }

    /// Opens an index whose root nobody has vouched for yet.
    fn open_any(disk: &Disk, paths: &IndexPaths, range: &IndexRange) -> Result<Self, IndexFileError> {
        let path = paths.rows(range);
        let failed = |error| FileError::read(&path, error);
        let file = disk.open(&path).map_err(failed)?;
        let length = file.length().map_err(failed)?;
        let header = read_at(&*file, &path, 0, HEADER_BYTES as u64)?;
        let damage = |offset| {
            let path = path.clone();
            move |problem| FileError::damage(&path, offset, problem)
        };
        let (rows, erased) = decode_header(&header, range).map_err(damage(0))?;
        let count = rows.div_ceil(TILE_WIDTH as u64);
        let table_bytes = count.saturating_mul(TABLE_ROW_BYTES as u64).saturating_add(4);
        let table_at = length.checked_sub(table_bytes).filter(|at| *at >= HEADER_BYTES as u64);
        let table_at = table_at.ok_or_else(|| {
            let expected = table_bytes.saturating_add(HEADER_BYTES as u64);
            damage(0)(FormatProblem::Short { what: "the index", expected, found: length })
        })?;
        let table = read_at(&*file, &path, table_at, table_bytes)?;
        let blocks = decode_table(&table, table_at).map_err(damage(table_at))?;
        // What the ledger has is filled in by `open`; until then only the shape counts.
        let head = IndexHead { leaves: range.leaves(), rows, root: crate::hash::EMPTY_ROOT, salt: [0; 32] };
        Ok(Self { path, file, head, erased, blocks, kept: Mutex::default() })
    }

    fn root(&self) -> Result<Hash, IndexFileError> {
        let full = (self.head.rows / TILE_WIDTH as u64) as usize;
        let roots: Vec<Hash> = self.blocks[..full].iter().map(|block| block.root).collect();
        let mut subtrees = Vec::new();
        push_perfect_subtrees(&roots, &mut subtrees);
        if self.blocks.len() > full {
            push_perfect_subtrees(&self.block(full)?.hashes, &mut subtrees);
        }
        Ok(fold_right(&subtrees).unwrap_or(crate::hash::EMPTY_ROOT))
    }

    fn block(&self, place: usize) -> Result<Arc<Block>, IndexFileError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, block)) = &*kept
            && *at == place
        {
            return Ok(Arc::clone(block));
        }
        let block = Arc::new(self.read_block(place)?);
        *kept = Some((place, Arc::clone(&block)));
        Ok(block)
    }

    /// Reads a block, whose rows have to give its root.
    fn read_block(&self, place: usize) -> Result<Block, IndexFileError> {
        let at = &self.blocks[place];
        let bytes = read_at(&*self.file, &self.path, at.offset, at.length)?;
        let damage = |problem| FileError::damage(&self.path, at.offset, problem);
        let found = crc32c::crc32c(&bytes);
        if found != at.checksum {
            let expected = at.checksum;
            return Err(damage(FormatProblem::Checksum { what: "a block of rows", expected, found }).into());
        }
        let before = (place * TILE_WIDTH) as u64;
        let count = (self.head.rows - before).min(TILE_WIDTH as u64);
        let rows = decode_block(&bytes, count).map_err(damage)?;
        let hashes: Vec<Hash> = rows.iter().map(KeptRow::hash).collect();
        let found = root_of(&hashes);
        if found != at.root {
            return Err(IndexFileError::OtherRoot { path: self.path.clone(), expected: at.root, found });
        }
        Ok(Block { rows, hashes })
    }

    /// Place of the last row that is left and not above `digest`, and whether it has that digest.
    fn last_not_above(&self, digest: &KeyDigest) -> Result<Option<(u64, bool)>, IndexFileError> {
        let starts_not_above = |block: &&BlockAt| block.first.is_some_and(|first| first <= *digest);
        let last = self.blocks.iter().enumerate().rev().find(|(_, block)| starts_not_above(block));
        let Some((place, _)) = last else { return Ok(None) };
        let mut found = None;
        for (row, index) in self.block(place)?.rows.iter().zip((place * TILE_WIDTH) as u64..) {
            if let Some(of_row) = row.digest()
                && of_row <= digest
            {
                found = Some((index, of_row == digest));
            }
        }
        Ok(found)
    }

    /// A row with its path; `None` where only its hash is left.
    fn placed(&self, index: u64) -> Result<Option<PlacedRow>, IndexFileError> {
        let place = (index / TILE_WIDTH as u64) as usize;
        let block = self.block(place)?;
        match &block.rows[(index % TILE_WIDTH as u64) as usize] {
            KeptRow::Erased(_) => Ok(None),
            KeptRow::Whole(row) => {
                let path = inclusion_proof(self, index, self.head.rows)
                    .map_err(|error| IndexFileError::Proof(Box::new(error)))?;
                Ok(Some(PlacedRow { index, row: row.clone(), path }))
            }
        }
    }

    /// That nothing stands between the row at `before`, or the start, and the one behind it.
    fn absent(&self, before: Option<u64>) -> Result<KeyProof, IndexFileError> {
        let behind = before.map_or(0, |before| before + 1);
        let after = if behind < self.head.rows { Some(self.placed(behind)?) } else { None };
        let before = before.map(|before| self.placed(before)).transpose()?;
        Ok(match (before, after) {
            (Some(None), _) | (_, Some(None)) => KeyProof::Erased,
            (before, after) => KeyProof::Absent { before: before.flatten(), after: after.flatten() },
        })
    }

    fn leaves_of(&self, row: &[u8]) -> Result<Vec<u64>, IndexFileError> {
        let row = IndexRow::decode(row, &self.head.leaves);
        row.map(|row| row.leaves())
            .map_err(|source| FileError::damage(&self.path, 0, FormatProblem::IndexRow(source)).into())
    }
}

/// The tree over the rows: the file keeps its second level, and the rows give the first.
impl TileSource for IndexFile {
    type Error = IndexFileError;

    fn tile(&self, id: TileId) -> Result<Vec<Hash>, IndexFileError> {
        let first = id.index() as usize * TILE_WIDTH;
        if id.level() == 0 {
            let block = self.block(id.index() as usize)?;
            return Ok(block.hashes.iter().take(id.width()).copied().collect());
        }
        Ok((first..first + id.width()).filter_map(|place| self.kept(id.level(), place)).collect())
    }
}

impl IndexFile {
    /// A hash of a level above the rows; `None` beyond the tree.
    fn kept(&self, level: u8, place: usize) -> Option<Hash> {
        if level == 1 {
            return self.blocks.get(place).map(|block| block.root);
        }
        let first = place * TILE_WIDTH;
        let below: Option<Vec<Hash>> =
            (first..first + TILE_WIDTH).map(|place| self.kept(level - 1, place)).collect();
        perfect_root(&below?)
    }
}

impl KeptRow {
    fn hash(&self) -> Hash {
        match self {
            Self::Whole(bytes) => leaf_hash(bytes),
            Self::Erased(hash) => *hash,
        }
    }

    fn digest(&self) -> Option<&KeyDigest> {
        match self {
            Self::Whole(bytes) => bytes.first_chunk(),
            Self::Erased(_) => None,
        }
    }
}

fn encode(range: &IndexRange, rows: &[KeptRow]) -> Vec<u8> {
    let erased = rows.iter().filter(|row| matches!(row, KeptRow::Erased(_))).count() as u64;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&FORMAT.to_be_bytes());
    for field in [range.from, range.to, range.generation, rows.len() as u64, erased, 0] {
        bytes.extend_from_slice(&field.to_be_bytes());
    }
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
    let mut table = Vec::new();
    for block in rows.chunks(TILE_WIDTH) {
        let offset = bytes.len();
        for row in block {
            match row {
                KeptRow::Whole(row) => {
                    // A row has at most 16 MiB.
                    bytes.extend_from_slice(&(row.len() as u32).to_be_bytes());
                    bytes.extend_from_slice(row);
                }
                KeptRow::Erased(hash) => {
                    bytes.extend_from_slice(&ERASED.to_be_bytes());
                    bytes.extend_from_slice(hash.as_bytes());
                }
            }
        }
        let hashes: Vec<Hash> = block.iter().map(KeptRow::hash).collect();
        table.extend_from_slice(&(offset as u64).to_be_bytes());
        table.extend_from_slice(&((bytes.len() - offset) as u64).to_be_bytes());
        table.extend_from_slice(&crc32c::crc32c(&bytes[offset..]).to_be_bytes());
        table.extend_from_slice(root_of(&hashes).as_bytes());
        table.extend_from_slice(block.iter().find_map(KeptRow::digest).unwrap_or(&NO_DIGEST));
    }
    table.extend_from_slice(&crc32c::crc32c(&table).to_be_bytes());
    bytes.extend_from_slice(&table);
    bytes
}

/// Rows, and how many of them are erased.
fn decode_header(bytes: &[u8], range: &IndexRange) -> Result<(u64, u64), FormatProblem> {
    let mut cursor = Cursor::new("the header of the index", bytes);
    cursor.magic(MAGIC)?;
    require("the format version", FORMAT.into(), cursor.u32()?.into())?;
    require("the first leaf", range.from, cursor.u64()?)?;
    require("the leaf behind the last", range.to, cursor.u64()?)?;
    require("the generation", range.generation, cursor.u64()?)?;
    let (rows, erased) = (cursor.u64()?, cursor.u64()?);
    require("the reserved bytes", 0, cursor.u64()?)?;
    cursor.checksum()?;
    cursor.finish()?;
    if erased > rows {
        return Err(FormatProblem::Limit { what: "the count of erased rows", limit: rows, found: erased });
    }
    Ok((rows, erased))
}

/// The blocks, which follow each other from the header to the table.
fn decode_table(bytes: &[u8], table_at: u64) -> Result<Vec<BlockAt>, FormatProblem> {
    let mut cursor = Cursor::new("the table of the index", bytes);
    let mut blocks = Vec::new();
    let mut next = HEADER_BYTES as u64;
    while bytes.len() - cursor.position() >= TABLE_ROW_BYTES {
        let (offset, length, checksum) = (cursor.u64()?, cursor.u64()?, cursor.u32()?);
        require("the offset of a block", next, offset)?;
        next = next.saturating_add(length);
        if next > table_at {
            return Err(FormatProblem::Limit { what: "the end of a block", limit: table_at, found: next });
        }
        let root = Hash::from_bytes(cursor.array()?);
        let first = Some(cursor.array()?).filter(|digest| *digest != NO_DIGEST);
        blocks.push(BlockAt { offset, length, checksum, root, first });
    }
    cursor.checksum()?;
    cursor.finish()?;
    require("the end of the last block", table_at, next)?;
    Ok(blocks)
}

fn decode_block(bytes: &[u8], count: u64) -> Result<Vec<KeptRow>, FormatProblem> {
    let mut cursor = Cursor::new("a block of rows", bytes);
    let mut rows = Vec::new();
    for _ in 0..count {
        rows.push(match cursor.u32()? {
            ERASED => KeptRow::Erased(Hash::from_bytes(cursor.array()?)),
            length => KeptRow::Whole(cursor.take(length as usize)?.to_vec()),
        });
    }
    cursor.finish()?;
    Ok(rows)
}

fn read_at(file: &dyn OpenFile, path: &Path, offset: u64, length: u64) -> Result<Vec<u8>, FileError> {
    let failed = |error| FileError::read(path, error);
    let there = file.length().map_err(failed)?.saturating_sub(offset);
    // The length comes from the file: it is believed only as far as there are bytes.
    if length > there {
        let problem = FormatProblem::Short { what: "the index", expected: length, found: there };
        return Err(FileError::damage(path, offset, problem));
    }
    let mut bytes = vec![0; length as usize];
    match file.read_exact_at(&mut bytes, offset) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            let problem = FormatProblem::Short { what: "the index", expected: length, found: there };
            Err(FileError::damage(path, offset, problem))
        }
        Err(error) => Err(failed(error)),
    }
}
