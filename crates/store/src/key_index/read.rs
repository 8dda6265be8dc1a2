//! Reading `keys.index`: footers once, blocks as they are asked for. See `mod.rs`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ascribe_model::{KeyKind, KeyRef, Role, Timestamp};
use hashbrown::HashMap;

use super::filter::{self, PAGE_BLOCKS, PAGE_BYTES, Probe};
use super::{MAGIC, UNITS_NS};
use crate::Tally;
use crate::error::{Damage, ReadError};
use crate::frame::{BlockPlace, Framed, Malformed, Parts};

/// Unpacked blocks that are kept. A question asks of one key in several roles, and of a handful of keys by turns.
const BLOCKS_KEPT: usize = 8;

/// Look-ups that are remembered. A question asks of one key several times: in other roles, for its events, for counts.
const LOOK_UPS_KEPT: usize = 1_024;

thread_local! {
    /// Making one takes longer than unpacking a block.
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// An open index; its footer is in memory.
#[derive(Debug)]
pub(crate) struct KeyIndex {
    file: Framed,
    footer: Footer,
    /// By number, those used last at the end.
    kept: Mutex<VecDeque<(usize, Arc<Vec<u8>>)>>,
    /// Where keys stand that were looked up; nowhere for those that the index does not hold.
    look_ups: Mutex<HashMap<KeyRef, Option<Place>>>,
}

#[derive(Debug)]
struct Footer {
    first: u64,
    base_ns: i64,
    kinds: Vec<KeyKind>,
    scopes: Vec<String>,
    blocks: Vec<Block>,
    /// Blocks of the filter, which lies behind those of the entries, and the checksum of each of its pages.
    filter_blocks: usize,
    filter_crcs: Vec<u32>,
}

#[derive(Debug)]
struct Block {
    separator: Vec<u8>,
    place: BlockPlace,
    raw_length: usize,
}

/// One role of a key: how often and when. The leaves are read on demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleEntry {
    pub(crate) role: Role,
    pub(crate) tally: Tally,
    pub(crate) leaf_count: usize,
    /// Where the leaves lie in the block.
    leaves: std::ops::Range<usize>,
}

impl Footer {
    /// Where the blocks of entries end, and the filter begins.
    fn blocks_end(&self) -> u64 {
        self.blocks.last().map_or(0, |block| block.place.offset + u64::from(block.place.length))
    }
}

impl KeyIndex {
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        let (file, bytes) = Framed::open(path, MAGIC)?;
        let offset = file.footer_offset;
        let footer = read_footer(&bytes).map_err(|malformed| malformed.within(path, offset))?;
        let end = footer.blocks_end() + (footer.filter_blocks * filter::BLOCK_BYTES) as u64;
        if end != offset {
            return Err(
                Damage::new(path, end, format!("a footer at byte {end}"), format!("it at {offset}")).into()
            );
        }
        Ok(Self { file, footer, kept: Mutex::default(), look_ups: Mutex::default() })
    }

    /// A cursor before the first key whose value is not below `value`, or a little before.
    ///
    /// Begins one block early, because keys with one value can lie on both sides of a border between blocks; and
    /// `blocks_before` earlier still.
    pub(crate) fn cursor(self: &Arc<Self>, value: &str, blocks_before: usize) -> Cursor {
        let above = self.footer.blocks.partition_point(|block| block.separator.as_slice() < value.as_bytes());
        let block = above.saturating_sub(1 + blocks_before);
        Cursor { index: Arc::clone(self), at: Place { next_block: block, ..Place::default() } }
    }

    /// A cursor on `key`, where the index holds it.
    pub(crate) fn find(self: &Arc<Self>, key: &KeyRef) -> Result<Option<Cursor>, ReadError> {
        let at_place = |at| Cursor { index: Arc::clone(self), at };
        // A poisoned lock means that a reader panicked; what it kept is whole.
        let known = self.look_ups.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        if let Some(known) = known {
            return Ok(known.map(at_place));
        }
        let found = self.look_up(key)?;
        let mut look_ups = self.look_ups.lock().unwrap_or_else(PoisonError::into_inner);
        if look_ups.len() >= LOOK_UPS_KEPT {
            look_ups.clear();
        }
        look_ups.insert(key.clone(), found.clone());
        Ok(found.map(at_place))
    }

    fn look_up(self: &Arc<Self>, key: &KeyRef) -> Result<Option<Place>, ReadError> {
        let Some(mut cursor) = self.at_value(&key.value)? else { return Ok(None) };
        while *cursor.kind() != key.kind || cursor.scope() != key.scope {
            if !cursor.advance()? || cursor.value() != key.value.as_bytes() {
                return Ok(None);
            }
        }
        Ok(Some(cursor.at))
    }

    /// A cursor on the first key of exactly this value; `None` where the index holds none.
    pub(crate) fn at_value(self: &Arc<Self>, value: &str) -> Result<Option<Cursor>, ReadError> {
        if !self.may_hold(value)? {
            return Ok(None);
        }
        let mut cursor = self.cursor(value, 0);
        let is_there = cursor.advance_to(value)? && cursor.value() == value.as_bytes();
        Ok(is_there.then_some(cursor))
    }

    /// Whether a key of this value may be in the index, by its filter alone.
    fn may_hold(&self, value: &str) -> Result<bool, ReadError> {
        let Some(probe) = Probe::of(value.as_bytes(), self.footer.filter_blocks) else { return Ok(true) };
        let blocks = (self.footer.filter_blocks - probe.page * PAGE_BLOCKS).min(PAGE_BLOCKS);
        let page = self.file.read_checked(BlockPlace {
            offset: self.footer.blocks_end() + (probe.page * PAGE_BYTES) as u64,
            length: (blocks * filter::BLOCK_BYTES) as u32,
            crc: self.footer.filter_crcs[probe.page],
        })?;
        Ok(probe.may_be_in(&page))
    }

    /// Bytes of all blocks as stored.
    pub(crate) fn block_bytes(&self) -> usize {
        self.footer.blocks_end() as usize
    }

    /// Names of the kinds, by their numbers.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &str> {
        self.footer.kinds.iter().map(KeyKind::name)
    }

    /// The scopes, by their numbers.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.footer.scopes.iter().map(String::as_str)
    }

    /// The block of this number, unpacked; `None` behind the last.
    fn block(&self, number: usize) -> Result<Option<Arc<Vec<u8>>>, ReadError> {
        let Some(block) = self.footer.blocks.get(number) else { return Ok(None) };
        // A poisoned lock means that a reader panicked; what it kept is whole.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = kept.iter().position(|(kept, _)| *kept == number) {
            let found = kept.remove(place);
            kept.extend(found.iter().cloned());
            return Ok(found.map(|(_, raw)| raw));
        }
        let stored = self.file.read_checked(block.place)?;
        let raw = decompress(&stored, block.raw_length).map_err(|_| {
            let malformed = Malformed { position: 0, expected: "a zstd frame" };
            malformed.within(&self.file.path, block.place.offset)
        })?;
        let raw = Arc::new(raw);
        if kept.len() == BLOCKS_KEPT {
            kept.pop_front();
        }
        kept.push_back((number, Arc::clone(&raw)));
        Ok(Some(raw))
    }

    /// A cursor before the first key.
    pub(crate) fn start(self: &Arc<Self>) -> Cursor {
        self.cursor("", 0)
    }
}

/// Walks over the keys of an index in order.
pub(crate) struct Cursor {
    index: Arc<KeyIndex>,
    at: Place,
}

/// A place in an index: on a key, or before the first key of a block.
#[derive(Clone, Debug, Default)]
struct Place {
    next_block: usize,
    raw: Arc<Vec<u8>>,
    position: usize,
    value: Vec<u8>,
    kind: usize,
    scope: usize,
    payload: std::ops::Range<usize>,
}

impl Cursor {
    /// Moves to the next key; `false` at the end.
    pub(crate) fn advance(&mut self) -> Result<bool, ReadError> {
        if self.at.position >= self.at.raw.len() && !self.load_block()? {
            return Ok(false);
        }
        self.read_entry().map_err(|malformed| self.damage(malformed))?;
        Ok(true)
    }

    /// Moves to the first key whose value is not below `value`; `false` where there is none.
    pub(crate) fn advance_to(&mut self, value: &str) -> Result<bool, ReadError> {
        while self.advance()? {
            if self.at.value.as_slice() >= value.as_bytes() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The value of the current key.
    pub(crate) fn value(&self) -> &[u8] {
        &self.at.value
    }

    /// The current key's kind.
    pub(crate) fn kind(&self) -> &KeyKind {
        &self.index.footer.kinds[self.at.kind]
    }

    /// Number of the current key's kind among those of the index.
    pub(crate) fn kind_number(&self) -> usize {
        self.at.kind
    }

    /// Number of the current key's scope among those of the index.
    pub(crate) fn scope_number(&self) -> usize {
        self.at.scope
    }

    /// The current key's scope.
    pub(crate) fn scope(&self) -> &str {
        &self.index.footer.scopes[self.at.scope]
    }

    /// The current key.
    pub(crate) fn key(&self) -> Result<KeyRef, ReadError> {
        let value = std::str::from_utf8(&self.at.value);
        let value =
            value.map_err(|_| self.damage(Malformed { position: self.at.position, expected: "UTF-8" }))?;
        Ok(KeyRef { kind: self.kind().clone(), scope: self.scope().to_owned(), value: value.to_owned() })
    }

    /// All that the index says of the current key, in the order of roles.
    pub(crate) fn roles(&self) -> Result<Vec<RoleEntry>, ReadError> {
        self.read_roles().map_err(|malformed| self.damage(malformed))
    }

    /// The leaves of a role of the current key, in order.
    pub(crate) fn leaves(&self, role: &RoleEntry) -> Result<Vec<u64>, ReadError> {
        self.read_leaves(role).map_err(|malformed| self.damage(malformed))
    }

    fn load_block(&mut self) -> Result<bool, ReadError> {
        let Some(raw) = self.index.block(self.at.next_block)? else { return Ok(false) };
        self.at.next_block += 1;
        self.at.position = 0;
        self.at.value.clear();
        self.at.raw = raw;
        Ok(true)
    }

    fn read_entry(&mut self) -> Result<(), Malformed> {
        let mut parts = Parts::new(&self.at.raw, self.at.position);
        let shared = parts.length()?;
        if shared > self.at.value.len() {
            return Err(parts.malformed("a prefix of the value before"));
        }
        self.at.value.truncate(shared);
        self.at.value.extend_from_slice(parts.bytes()?);
        self.at.kind = parts.length()?;
        self.at.scope = parts.length()?;
        if self.at.kind >= self.index.footer.kinds.len() || self.at.scope >= self.index.footer.scopes.len() {
            return Err(parts.malformed("a kind and a scope of the footer"));
        }
        let length = parts.length()?;
        let start = parts.position();
        parts.take(length)?;
        self.at.payload = start..start + length;
        self.at.position = parts.position();
        Ok(())
    }

    fn read_roles(&self) -> Result<Vec<RoleEntry>, Malformed> {
        let mut parts = Parts::new(&self.at.raw[..self.at.payload.end], self.at.payload.start);
        let mut roles = Vec::new();
        while !parts.is_empty() {
            roles.push(self.read_role(&mut parts)?);
        }
        Ok(roles)
    }

    fn read_role(&self, parts: &mut Parts<'_>) -> Result<RoleEntry, Malformed> {
        let head = parts.byte()?;
        let role = Role::ALL.get(usize::from(head & 15)).copied();
        let role = role.ok_or_else(|| parts.malformed("the number of a role"))?;
        let unit = UNITS_NS[usize::from(head >> 4 & 3)];
        let mut tally = Tally { count: parts.number()?, undated: parts.number()?, first: None, last: None };
        if head & 0x40 != 0 {
            let first = parts.number()?.wrapping_mul(unit);
            let length = parts.number()?.wrapping_mul(unit);
            let first = self.index.footer.base_ns.wrapping_add_unsigned(first);
            tally.first = Some(Timestamp::from_nanoseconds(first));
            tally.last = Some(Timestamp::from_nanoseconds(first.wrapping_add_unsigned(length)));
        }
        let leaf_count = parts.length()?;
        let length = parts.length()?;
        let start = parts.position();
        parts.take(length)?;
        Ok(RoleEntry { role, tally, leaf_count, leaves: start..start + length })
    }

    fn read_leaves(&self, role: &RoleEntry) -> Result<Vec<u64>, Malformed> {
        let mut parts = Parts::new(&self.at.raw[..role.leaves.end], role.leaves.start);
        let mut leaf = self.index.footer.first;
        let mut leaves = Vec::new();
        while !parts.is_empty() {
            let gap = if leaves.is_empty() { parts.signed()?.cast_unsigned() } else { parts.number()? };
            leaf = leaf.wrapping_add(gap);
            leaves.push(leaf);
        }
        if leaves.len() != role.leaf_count {
            return Err(parts.malformed("as many leaves as counted"));
        }
        Ok(leaves)
    }

    fn damage(&self, malformed: Malformed) -> ReadError {
        let block = self.index.footer.blocks.get(self.at.next_block.saturating_sub(1));
        malformed.within(&self.index.file.path, block.map_or(0, |block| block.place.offset))
    }
}

fn decompress(stored: &[u8], raw_length: usize) -> io::Result<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor = match decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(zstd::bulk::Decompressor::new()?),
        };
        decompressor.decompress(stored, raw_length)
    })
}

fn read_footer(bytes: &[u8]) -> Result<Footer, Malformed> {
    let mut parts = Parts::new(bytes, 0);
    let first = parts.number()?;
    let base_ns = parts.signed()?;
    parts.number()?; // How many keys: for whoever inspects the file.
    let mut kinds = Vec::new();
    for _ in 0..parts.number()? {
        kinds.push(KeyKind::from_name(parts.text()?));
    }
    let mut scopes = Vec::new();
    for _ in 0..parts.number()? {
        scopes.push(parts.text()?.to_owned());
    }
    let number = parts.length()?;
    // Each takes seven bytes or more: what the footer claims is no reason to take memory for others.
    let mut blocks: Vec<Block> = Vec::with_capacity(number.min(parts.left() / 7));
    let mut offset = 0;
    for _ in 0..number {
        let shared = parts.length()?;
        let before = blocks.last().map_or(&[][..], |block| &block.separator);
        let before =
            before.get(..shared).ok_or_else(|| parts.malformed("a prefix of the separator before"))?;
        let separator = [before, parts.bytes()?].concat();
        let length = parts.number()?;
        let raw_length = parts.length()?;
        let place = BlockPlace { offset, length: length as u32, crc: parts.fixed(4)? as u32 };
        offset += length;
        blocks.push(Block { separator, place, raw_length });
    }
    let filter_blocks = parts.length()?;
    let pages = filter_blocks.div_ceil(PAGE_BLOCKS);
    if parts.left() != pages.saturating_mul(4) {
        return Err(parts.malformed("a checksum for each page of the filter, and the end of the footer"));
    }
    let crcs = (0..pages).map(|_| parts.fixed(4).map(|crc| crc as u32));
    let filter_crcs = crcs.collect::<Result<_, _>>()?;
    Ok(Footer { first, base_ns, kinds, scopes, blocks, filter_blocks, filter_crcs })
}
