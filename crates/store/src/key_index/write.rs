//! Encoding `keys.index` from the keys and occasions that a segment has collected. See `mod.rs`.

use std::ops::Range;

use ascribe_model::{Role, Timestamp};

use super::filter::Filter;
use super::{BLOCK_BYTES, MAGIC, UNITS_NS};
use crate::error::WriteError;
use crate::frame;
use crate::intern::{Keys, Order};

/// What the keys of a segment were seen at.
#[derive(Default)]
pub(crate) struct Occasions {
    moments: Vec<Occasion>,
    postings: Vec<Posting>,
}

/// One event, or one entry of an object: where and when its keys were seen.
#[derive(Clone, Copy)]
struct Occasion {
    leaf: u64,
    time: Option<Timestamp>,
}

/// One key in one role on one occasion.
#[derive(Clone, Copy)]
struct Posting {
    key: u32,
    /// Role in the upper 4 bits, occasion below, so that sorting by this number sorts by role, then by occasion.
    role_and_occasion: u32,
}

/// Bits of a posting that number the occasion.
const OCCASION_BITS: u32 = 28;

impl Occasions {
    /// Most occasions that a segment can hold.
    pub(crate) const LIMIT: u32 = 1 << OCCASION_BITS;

    /// Forgets all occasions; the memory stays for others.
    pub(crate) fn clear(&mut self) {
        self.moments.clear();
        self.postings.clear();
    }

    /// Starts an occasion; the postings that follow belong to it.
    pub(crate) fn start(&mut self, leaf: u64, time: Option<Timestamp>) {
        self.moments.push(Occasion { leaf, time });
    }

    /// How many occasions there are.
    pub(crate) fn count(&self) -> usize {
        self.moments.len()
    }

    /// Notes a key on the current occasion. Twice in the same role counts once.
    pub(crate) fn note(&mut self, key: u32, role: Role) {
        let occasion = (self.moments.len() as u32).saturating_sub(1);
        self.postings.push(Posting { key, role_and_occasion: (role as u32) << OCCASION_BITS | occasion });
    }

    /// Role and occasion of each posting, grouped by key in the order of keys; and where each group starts.
    fn by_key(&self, order: &Order) -> (Vec<u32>, Vec<usize>) {
        let keys = order.places.len();
        let mut starts = vec![0_usize; keys + 1];
        for posting in &self.postings {
            starts[order.places[posting.key as usize] as usize + 1] += 1;
        }
        for place in 0..keys {
            starts[place + 1] += starts[place];
        }
        let mut next = starts.clone();
        let mut grouped = vec![0; self.postings.len()];
        for posting in &self.postings {
            let slot = &mut next[order.places[posting.key as usize] as usize];
            grouped[*slot] = posting.role_and_occasion;
            *slot += 1;
        }
        (grouped, starts)
    }
}

/// Encodes the index of a segment that starts at leaf `first`; `order` is that of `keys`.
pub(crate) fn encode(
    first: u64,
    keys: &Keys,
    order: &Order,
    occasions: &Occasions,
) -> Result<Vec<u8>, WriteError> {
    let (kinds, kind_places) = keys.kinds.sorted();
    let (scopes, scope_places) = keys.scopes.sorted();
    let (mut grouped, starts) = occasions.by_key(order);
    let origin = Origin { first, base_ns: base_ns(occasions) };
    let mut blocks = Blocks::new()?;
    let mut payload = Payload {
        origin,
        moments: &occasions.moments,
        out: Vec::new(),
        leaves: Vec::new(),
        gaps: Vec::new(),
    };
    let mut written = 0;
    let mut put = |key: &OpenKey| -> Result<(), WriteError> {
        let group = &mut grouped[key.group.clone()];
        // A key may have been numbered for a sum alone, without standing in an event's list.
        if group.is_empty() {
            return Ok(());
        }
        written += 1;
        group.sort_unstable();
        payload.fill(group);
        let kind_and_scope = [kind_places[key.kind as usize], scope_places[key.scope as usize]];
        blocks.push(&key.value, kind_and_scope, &payload.out)
    };
    let mut gathered = Gathered::default();
    let mut open = OpenKey::default();
    let mut bounds = starts.windows(2);
    for numbers in order.numbers.chunks(GATHERED_KEYS) {
        gathered.fill(keys, numbers);
        for (key, bounds) in gathered.keys.iter().zip(&mut bounds) {
            let value = &gathered.values[key.value.clone()];
            if open.kind == key.kind && open.scope == key.scope && open.value == value {
                open.group.end = bounds[1];
                continue;
            }
            put(&open)?;
            open.begin(key, value, bounds[0]..bounds[1]);
        }
    }
    put(&open)?;
    blocks.finish(origin, written, [kinds, scopes])
}

/// A key that is being read. One that was numbered twice has its numbers beside each other, and so their groups.
#[derive(Default)]
struct OpenKey {
    value: Vec<u8>,
    kind: u32,
    scope: u32,
    group: Range<usize>,
}

impl OpenKey {
    fn begin(&mut self, key: &GatheredKey, value: &[u8], group: Range<usize>) {
        self.value.clear();
        self.value.extend_from_slice(value);
        (self.kind, self.scope, self.group) = (key.kind, key.scope, group);
    }
}

/// Keys that are gathered at a time.
const GATHERED_KEYS: usize = 256;

/// Neighbouring keys, copied together. In the order of the index keys lie all over memory: a loop that does nothing but
/// copy waits for many of them at once, where encoding would wait for one after the other.
#[derive(Default)]
struct Gathered {
    values: Vec<u8>,
    keys: Vec<GatheredKey>,
}

struct GatheredKey {
    value: Range<usize>,
    kind: u32,
    scope: u32,
}

impl Gathered {
    fn fill(&mut self, keys: &Keys, numbers: &[u32]) {
        self.values.clear();
        self.keys.clear();
        for &number in numbers {
            let parts = keys.parts(number);
            let start = self.values.len();
            self.values.extend_from_slice(parts.value);
            let value = start..self.values.len();
            self.keys.push(GatheredKey { value, kind: parts.kind, scope: parts.scope });
        }
    }
}

/// The second in which the earliest occasion lies, in nanoseconds: moments are counted from here.
fn base_ns(occasions: &Occasions) -> i64 {
    let earliest = occasions.moments.iter().filter_map(|occasion| occasion.time).min();
    let earliest = earliest.map_or(0, Timestamp::nanoseconds);
    earliest.saturating_sub(earliest.rem_euclid(1_000_000_000))
}

/// Encodes what is known of one key.
struct Payload<'a> {
    origin: Origin,
    moments: &'a [Occasion],
    out: Vec<u8>,
    leaves: Vec<u64>,
    gaps: Vec<u8>,
}

impl Payload<'_> {
    /// `group` is sorted by role, then by occasion, and may hold an occasion twice.
    fn fill(&mut self, group: &[u32]) {
        self.out.clear();
        for of_role in group.chunk_by(|a, b| a >> OCCASION_BITS == b >> OCCASION_BITS) {
            self.fill_role((of_role[0] >> OCCASION_BITS) as u8, of_role);
        }
    }

    fn fill_role(&mut self, role: u8, group: &[u32]) {
        self.leaves.clear();
        let (mut count, mut undated) = (0, 0);
        let mut span: Option<(Timestamp, Timestamp)> = None;
        for same in group.chunk_by(|a, b| a == b) {
            let occasion = self.moments[(same[0] & (Occasions::LIMIT - 1)) as usize];
            count += 1;
            self.leaves.push(occasion.leaf);
            match occasion.time {
                None => undated += 1,
                Some(time) => {
                    span = Some(span.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
                }
            }
        }
        // Leaves come in order, but for closing entries of objects, which stand for their opening entry.
        self.leaves.sort_unstable();
        self.leaves.dedup();
        let said = SaidOfRole { role, count, undated, span, leaves: &self.leaves };
        put_role(&mut self.out, &mut self.gaps, self.origin, &said);
    }
}

/// From where an index counts.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    /// First leaf.
    pub(super) first: u64,
    /// Nanoseconds since the Unix epoch, a whole second.
    pub(super) base_ns: i64,
}

/// What the index says of a key in one role.
pub(super) struct SaidOfRole<'a> {
    /// Number of the role.
    pub(super) role: u8,
    pub(super) count: u64,
    pub(super) undated: u64,
    /// Earliest and latest moment.
    pub(super) span: Option<(Timestamp, Timestamp)>,
    /// In order, each once.
    pub(super) leaves: &'a [u64],
}

/// Appends the payload of one role, in an index that counts from `origin`. `gaps` is scratch.
pub(super) fn put_role(out: &mut Vec<u8>, gaps: &mut Vec<u8>, origin: Origin, said: &SaidOfRole<'_>) {
    let since_base = said.span.map(|(first, last)| {
        let base = Timestamp::from_nanoseconds(origin.base_ns);
        (first.distance(base), last.distance(first))
    });
    let unit = since_base.map_or(0, |(first, length)| coarsest_unit(first, length));
    out.push(said.role | (unit as u8) << 4 | u8::from(since_base.is_some()) << 6);
    frame::put_number(out, said.count);
    frame::put_number(out, said.undated);
    if let Some((first, length)) = since_base {
        frame::put_number(out, first / UNITS_NS[unit]);
        frame::put_number(out, length / UNITS_NS[unit]);
    }
    gaps.clear();
    let mut previous = origin.first;
    for (position, &leaf) in said.leaves.iter().enumerate() {
        let gap = leaf.wrapping_sub(previous);
        if position == 0 {
            frame::put_signed(gaps, gap.cast_signed());
        } else {
            frame::put_number(gaps, gap);
        }
        previous = leaf;
    }
    frame::put_number(out, said.leaves.len() as u64);
    frame::put_bytes(out, gaps);
}

/// Number of the coarsest unit that loses nothing of either length.
fn coarsest_unit(first: u64, length: u64) -> usize {
    UNITS_NS.iter().rposition(|unit| first.is_multiple_of(*unit) && length.is_multiple_of(*unit)).unwrap_or(0)
}

/// Packs entries into blocks.
pub(super) struct Blocks {
    compressor: zstd::bulk::Compressor<'static>,
    out: Vec<u8>,
    raw: Vec<u8>,
    /// For each block: separator, stored length, raw length, CRC.
    places: Vec<u8>,
    count: u64,
    /// Last value pushed.
    previous: Vec<u8>,
    filter: Filter,
    /// Shortest text above all values of the block before and not above the first value of this one.
    separator: Vec<u8>,
    separator_before: Vec<u8>,
}

impl Blocks {
    pub(super) fn new() -> Result<Self, WriteError> {
        Self::with_capacity(0)
    }

    /// With room for so many bytes of blocks.
    pub(super) fn with_capacity(bytes: usize) -> Result<Self, WriteError> {
        Ok(Self {
            compressor: zstd::bulk::Compressor::new(1).map_err(compression)?,
            out: Vec::with_capacity(bytes),
            raw: Vec::with_capacity(2 * BLOCK_BYTES),
            places: Vec::new(),
            count: 0,
            previous: Vec::new(),
            filter: Filter::default(),
            separator: Vec::new(),
            separator_before: Vec::new(),
        })
    }

    /// Adds a key, which is above all before it; kind and scope are places in the footer's lists.
    pub(super) fn push(
        &mut self,
        value: &[u8],
        kind_and_scope: [u32; 2],
        payload: &[u8],
    ) -> Result<(), WriteError> {
        if self.raw.len() >= BLOCK_BYTES {
            self.close_block()?;
        }
        let mut shared = shared_length(&self.previous, value);
        self.filter.add(value);
        if self.raw.is_empty() {
            let shortest = if self.count == 0 { 0 } else { (shared + 1).min(value.len()) };
            self.separator = value[..shortest].to_vec();
            shared = 0;
        }
        frame::put_number(&mut self.raw, shared as u64);
        frame::put_bytes(&mut self.raw, &value[shared..]);
        for number in kind_and_scope {
            frame::put_number(&mut self.raw, u64::from(number));
        }
        frame::put_bytes(&mut self.raw, payload);
        self.previous.truncate(shared);
        self.previous.extend_from_slice(&value[shared..]);
        Ok(())
    }

    /// The whole file; `names` are the lists of kinds and scopes.
    pub(super) fn finish(
        mut self,
        origin: Origin,
        keys: u64,
        names: [Vec<&str>; 2],
    ) -> Result<Vec<u8>, WriteError> {
        self.close_block()?;
        let mut footer = Vec::new();
        frame::put_number(&mut footer, origin.first);
        frame::put_signed(&mut footer, origin.base_ns);
        frame::put_number(&mut footer, keys);
        for names in names {
            frame::put_number(&mut footer, names.len() as u64);
            for name in names {
                frame::put_bytes(&mut footer, name.as_bytes());
            }
        }
        frame::put_number(&mut footer, self.count);
        footer.extend_from_slice(&self.places);
        self.filter.finish(&mut self.out, &mut footer);
        frame::close(&mut self.out, &footer, MAGIC);
        Ok(self.out)
    }

    fn close_block(&mut self) -> Result<(), WriteError> {
        if self.raw.is_empty() {
            return Ok(());
        }
        let stored = self.compressor.compress(&self.raw).map_err(compression)?;
        let shared = shared_length(&self.separator_before, &self.separator);
        frame::put_number(&mut self.places, shared as u64);
        frame::put_bytes(&mut self.places, &self.separator[shared..]);
        frame::put_number(&mut self.places, stored.len() as u64);
        frame::put_number(&mut self.places, self.raw.len() as u64);
        self.places.extend_from_slice(&crc32c::crc32c(&stored).to_le_bytes());
        self.out.extend_from_slice(&stored);
        self.separator_before.clone_from(&self.separator);
        self.count += 1;
        self.raw.clear();
        Ok(())
    }
}

fn shared_length(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn compression(source: std::io::Error) -> WriteError {
    WriteError::Io { file: "keys.index".into(), source }
}
