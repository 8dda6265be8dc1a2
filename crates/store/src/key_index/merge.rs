//! Merging `keys.index` of neighbouring segments into one, a key at a time. See `mod.rs`.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ascribe_model::{Role, Timestamp};

use super::read::{Cursor, KeyIndex};
use super::write::{Blocks, Origin, SaidOfRole, put_role};
use crate::error::{CompactError, ReadError};

/// The index of all leaves that `indexes` cover, from leaf `first`; `earliest` is the earliest event of any of them.
pub(crate) fn merge(
    first: u64,
    earliest: Option<Timestamp>,
    indexes: &[Arc<KeyIndex>],
) -> Result<Vec<u8>, CompactError> {
    let base_ns = earliest.map_or(0, Timestamp::nanoseconds);
    let origin = Origin { first, base_ns: base_ns.saturating_sub(base_ns.rem_euclid(1_000_000_000)) };
    let kinds = places(indexes.iter().map(|index| index.kinds()));
    let scopes = places(indexes.iter().map(|index| index.scopes()));
    let mut heads = Heads::default();
    for index in indexes {
        heads.add(Head {
            kinds: index.kinds().map(|kind| kinds[kind]).collect(),
            scopes: index.scopes().map(|scope| scopes[scope]).collect(),
            cursor: index.start(),
        })?;
    }
    // Growing step by step would hold the largest file of a unit twice.
    let mut blocks = Blocks::with_capacity(indexes.iter().map(|index| index.block_bytes()).sum())?;
    let mut said = Said::default();
    let mut written = 0;
    while let Some(&least) = heads.order.first() {
        said.clear();
        let head = &heads.heads[least];
        let kind_and_scope = [head.kind(), head.scope()];
        said.value.extend_from_slice(head.cursor.value());
        while let Some(&next) = heads.order.first() {
            let head = &heads.heads[next];
            if [head.kind(), head.scope()] != kind_and_scope || head.cursor.value() != said.value {
                break;
            }
            said.add(&head.cursor)?;
            heads.advance_first()?;
        }
        said.encode(origin);
        blocks.push(&said.value, kind_and_scope, &said.payload)?;
        written += 1;
    }
    let names = [kinds, scopes].map(|names| names.into_keys().collect());
    Ok(blocks.finish(origin, written, names)?)
}

/// The distinct names in order, each with its place.
fn places<'a>(names: impl Iterator<Item = impl Iterator<Item = &'a str>>) -> BTreeMap<&'a str, u32> {
    let names: BTreeSet<&str> = names.flatten().collect();
    names.into_iter().zip(0..).collect()
}

/// Where the merge stands in one index.
struct Head {
    cursor: Cursor,
    /// The merged place of each kind and scope of this index.
    kinds: Vec<u32>,
    scopes: Vec<u32>,
}

impl Head {
    fn kind(&self) -> u32 {
        self.kinds[self.cursor.kind_number()]
    }

    fn scope(&self) -> u32 {
        self.scopes[self.cursor.scope_number()]
    }

    fn compare(&self, other: &Self) -> Ordering {
        let names = |head: &Self| (head.kind(), head.scope());
        self.cursor.value().cmp(other.cursor.value()).then_with(|| names(self).cmp(&names(other)))
    }
}

/// The indexes that are not at their end, as a heap: the least key is first.
#[derive(Default)]
struct Heads {
    heads: Vec<Head>,
    /// Numbers of heads; each stands not above those at twice its place, plus one and plus two.
    order: Vec<usize>,
}

impl Heads {
    fn add(&mut self, mut head: Head) -> Result<(), ReadError> {
        if head.cursor.advance()? {
            self.order.push(self.heads.len());
            self.heads.push(head);
            // Few enough to sort: a sorted list is a heap.
            let heads = &self.heads;
            self.order.sort_by(|&a, &b| Self::rank(heads, a, b));
        }
        Ok(())
    }

    /// Moves the index with the least key on.
    fn advance_first(&mut self) -> Result<(), ReadError> {
        let Some(&first) = self.order.first() else { return Ok(()) };
        if !self.heads[first].cursor.advance()? {
            self.order.swap_remove(0);
        }
        let mut place = 0;
        loop {
            let children = (2 * place + 1)..(2 * place + 3).min(self.order.len());
            let least = children.min_by(|&a, &b| Self::rank(&self.heads, self.order[a], self.order[b]));
            let Some(child) = least else { return Ok(()) };
            if Self::rank(&self.heads, self.order[place], self.order[child]).is_le() {
                return Ok(());
            }
            self.order.swap(place, child);
            place = child;
        }
    }

    /// Equal keys come in the order of segments, and so their leaves nearly in order.
    fn rank(heads: &[Head], a: usize, b: usize) -> Ordering {
        heads[a].compare(&heads[b]).then(a.cmp(&b))
    }
}

/// What all indexes say of one key. Cleared, not made anew, for each of millions.
#[derive(Default)]
struct Said {
    value: Vec<u8>,
    /// By role, in order.
    roles: Vec<SaidAs>,
    payload: Vec<u8>,
    gaps: Vec<u8>,
}

struct SaidAs {
    role: Role,
    count: u64,
    undated: u64,
    span: Option<(Timestamp, Timestamp)>,
    leaves: Vec<u64>,
}

impl Said {
    fn clear(&mut self) {
        self.value.clear();
        self.roles.clear();
        self.payload.clear();
    }

    fn add(&mut self, cursor: &Cursor) -> Result<(), ReadError> {
        for entry in cursor.roles()? {
            let place = self.roles.partition_point(|said| said.role < entry.role);
            if self.roles.get(place).is_none_or(|said| said.role != entry.role) {
                let (role, leaves) = (entry.role, Vec::new());
                self.roles.insert(place, SaidAs { role, count: 0, undated: 0, span: None, leaves });
            }
            let said = &mut self.roles[place];
            let tally = entry.tally;
            said.count += tally.count;
            said.undated += tally.undated;
            let spans = said.span.into_iter().chain(tally.first.zip(tally.last));
            said.span = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
            said.leaves.extend(cursor.leaves(&entry)?);
        }
        Ok(())
    }

    /// Fills `payload`.
    fn encode(&mut self, origin: Origin) {
        for said in &mut self.roles {
            // A closing entry of an object stands for its opening entry, which may be in a segment before.
            said.leaves.sort_unstable();
            said.leaves.dedup();
            let said = SaidOfRole {
                role: said.role as u8,
                count: said.count,
                undated: said.undated,
                span: said.span,
                leaves: &said.leaves,
            };
            put_role(&mut self.payload, &mut self.gaps, origin, &said);
        }
    }
}
