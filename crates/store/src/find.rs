//! Look-ups over all segments of a store. Every answer is merged over segments, in leaf order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ascribe_model::{EventId, KeyKind, KeyRef, Role, Timestamp};

use crate::Store;
use crate::error::ReadError;
use crate::id_index::Beginning;
use crate::key_index::Cursor;
use crate::rows::{OBJECT_CLOSED_KIND, OBJECT_KIND};
use crate::stored::StoredSegment;

/// A key that the store holds, and in which roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The key.
    pub key: KeyRef,
    /// How often and when it was seen in each role.
    pub roles: BTreeMap<Role, Tally>,
}

/// How often and when a key was seen in one role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events; for digests of objects, entries.
    pub count: u64,
    /// How many of them have no time.
    pub undated: u64,
    /// Earliest time among those that have one.
    pub first: Option<Timestamp>,
    /// Latest time among those that have one.
    pub last: Option<Timestamp>,
}

/// Leaves that name a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaves {
    /// The first of them, in order.
    pub leaves: Vec<u64>,
    /// How many there are.
    pub total: u64,
}

/// Keys in the order of the index: value, kind, scope.
type Sorted = BTreeMap<(String, KeyKind, String), BTreeMap<Role, Tally>>;

impl Store {
    /// Every key with exactly this value, of any kind and scope, in the order of kind and scope.
    pub fn find(&self, text: &str) -> Result<Vec<Found>, ReadError> {
        let mut sorted = Sorted::new();
        for segment in &self.segments {
            let Some(mut cursor) = segment.keys()?.at_value(text)? else { continue };
            loop {
                merge(&mut sorted, &cursor)?;
                if !cursor.advance()? || cursor.value() != text.as_bytes() {
                    break;
                }
            }
        }
        Ok(found(sorted))
    }

    /// The first `limit` keys whose value starts with `prefix`, in the order of value, kind and scope.
    pub fn find_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<Found>, ReadError> {
        let mut sorted = Sorted::new();
        for segment in &self.segments {
            let mut cursor = segment.keys()?.cursor(prefix, 0);
            let mut more = cursor.advance_to(prefix)?;
            // The first of all segments together are among the first of each.
            for _ in 0..limit {
                if !more || !cursor.value().starts_with(prefix.as_bytes()) {
                    break;
                }
                merge(&mut sorted, &cursor)?;
                more = cursor.advance()?;
            }
            while sorted.len() > limit {
                sorted.pop_last();
            }
        }
        Ok(found(sorted))
    }

    /// Every key of a kind that `keep` accepts which was seen in `role`, sorted.
    pub fn keys_in_role(
        &self,
        role: Role,
        keep: impl Fn(&KeyKind) -> bool,
    ) -> Result<BTreeSet<KeyRef>, ReadError> {
        let mut keys = BTreeSet::new();
        for segment in &self.segments {
            let mut cursor = segment.keys()?.cursor("", 0);
            let mut more = cursor.advance_to("")?;
            while more {
                if keep(cursor.kind()) && cursor.roles()?.iter().any(|entry| entry.role == role) {
                    keys.insert(cursor.key()?);
                }
                more = cursor.advance()?;
            }
        }
        Ok(keys)
    }

    /// Up to `limit` keys that resemble `text`: those with the longest common prefix, best first. For "did you mean".
    pub fn suggest(&self, text: &str, limit: usize) -> Result<Vec<KeyRef>, ReadError> {
        let mut near = BTreeMap::new();
        for segment in &self.segments {
            for key in neighbours(segment, text, limit)? {
                let shared = shared_characters(&key.value, text);
                if shared > 0 {
                    let distance = key.value.len().abs_diff(text.len());
                    near.insert((std::cmp::Reverse(shared), distance, key.value.clone(), key.clone()), key);
                }
            }
            while near.len() > limit {
                near.pop_last();
            }
        }
        Ok(near.into_values().collect())
    }

    /// The leaves at which `key` was seen in any of `roles`, at most `limit` of them.
    ///
    /// With a window, segments and roles that cannot hold an event in it are left out; what remains may still lie
    /// outside, and events without a time are never left out. `total` counts what remains.
    pub fn leaves(
        &self,
        key: &KeyRef,
        roles: &[Role],
        window: Option<(Timestamp, Timestamp)>,
        limit: usize,
    ) -> Result<Leaves, ReadError> {
        let mut leaves = Vec::new();
        let mut total = 0;
        // Only what is known of an object can stand for a leaf of an earlier segment.
        let ordered = ![OBJECT_KIND, OBJECT_CLOSED_KIND].contains(&key.kind.name());
        for segment in &self.segments {
            if ordered && window.is_some_and(|window| !segment.summary.events.may_touch(window)) {
                continue;
            }
            let of_segment = leaves_in(segment, key, roles, window)?;
            total += of_segment.len() as u64;
            let room = if ordered { limit.saturating_sub(leaves.len()) } else { usize::MAX };
            leaves.extend(of_segment.into_iter().take(room));
        }
        if !ordered {
            leaves.sort_unstable();
            leaves.dedup();
            total = leaves.len() as u64;
            leaves.truncate(limit);
        }
        Ok(Leaves { leaves, total })
    }

    /// Up to `limit` leaves at which any of `named` was seen in one of its roles, less those at which one of `apart` was, in
    /// one of its own. Where a record may hold several events, its leaf is kept: it may have been seen in another of them.
    /// With a window, what cannot be in it is left out, as by [`Self::leaves`].
    ///
    /// # Errors
    /// When an index cannot be read.
    pub fn leaves_apart(
        &self,
        named: &[(&KeyRef, &[Role])],
        apart: &[(&KeyRef, &[Role])],
        window: Option<(Timestamp, Timestamp)>,
        limit: usize,
    ) -> Result<Vec<u64>, ReadError> {
        let mut leaves = Vec::new();
        for segment in &self.segments {
            if leaves.len() >= limit {
                break;
            }
            if window.is_some_and(|window| !segment.summary.events.may_touch(window)) {
                continue;
            }
            let mut of_segment = Vec::new();
            for (key, roles) in named {
                of_segment.extend(leaves_in(segment, key, roles, window)?);
            }
            of_segment.sort_unstable();
            of_segment.dedup();
            if segment.has_single_events() {
                for (key, roles) in apart {
                    if of_segment.is_empty() {
                        break;
                    }
                    let theirs = leaves_in(segment, key, roles, None)?;
                    of_segment.retain(|leaf| theirs.binary_search(leaf).is_err());
                }
            }
            leaves.extend(of_segment);
        }
        leaves.truncate(limit);
        Ok(leaves)
    }

    /// The leaf at which an event was seen first.
    pub fn event(&self, event: EventId) -> Result<Option<u64>, ReadError> {
        for segment in &self.segments {
            if let Some(leaf) = segment.ids()?.find(&event)? {
                return Ok(Some(leaf));
            }
        }
        Ok(None)
    }

    /// The leaves of up to `limit` events, in the order of segments, whose id may begin with `digits`: of those, the
    /// first 32 are compared. Nothing where the text is not lower-case hexadecimal or longer than an id.
    pub fn events_begun(&self, digits: &str, limit: usize) -> Result<Vec<u64>, ReadError> {
        let Some(beginning) = Beginning::parse(digits) else { return Ok(Vec::new()) };
        let mut leaves = Vec::new();
        for segment in &self.segments {
            let room = limit - leaves.len();
            if room == 0 {
                break;
            }
            leaves.extend(segment.ids()?.begun(beginning, room)?);
        }
        Ok(leaves)
    }

    /// How often an event was delivered again after its first sighting.
    pub fn deliveries(&self, event: EventId) -> Result<u64, ReadError> {
        let mut count = 0;
        for segment in self.segments.iter().filter(|segment| segment.summary.events.repeats > 0) {
            count += segment.ids()?.repeats(&event)?.len() as u64;
        }
        Ok(count)
    }

    /// How often and when `key` was seen in `role`.
    pub fn tally(&self, key: &KeyRef, role: Role) -> Result<Tally, ReadError> {
        let mut tally = Tally::default();
        for segment in &self.segments {
            if let Some(cursor) = segment.keys()?.find(key)? {
                let roles = cursor.roles()?;
                roles.iter().filter(|entry| entry.role == role).for_each(|entry| tally.add(&entry.tally));
            }
        }
        Ok(tally)
    }
}

impl Tally {
    /// Adds what another segment says.
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.undated += other.undated;
        // `None` is below every moment, so the earliest needs care and the latest does not.
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = self.last.max(other.last);
    }

    /// Whether an event in the window, or one without a time, may be among those counted.
    fn may_touch(&self, (start, end): (Timestamp, Timestamp)) -> bool {
        self.undated > 0
            || matches!((self.first, self.last), (Some(first), Some(last)) if first <= end && start <= last)
    }
}

fn merge(sorted: &mut Sorted, cursor: &Cursor) -> Result<(), ReadError> {
    let key = cursor.key()?;
    let roles = sorted.entry((key.value, key.kind, key.scope)).or_default();
    for entry in cursor.roles()? {
        roles.entry(entry.role).or_default().add(&entry.tally);
    }
    Ok(())
}

fn found(sorted: Sorted) -> Vec<Found> {
    let found = |((value, kind, scope), roles)| Found { key: KeyRef { kind, scope, value }, roles };
    sorted.into_iter().map(found).collect()
}

/// The leaves of one segment at which `key` was seen in any of `roles`, in order.
pub(crate) fn leaves_in(
    segment: &StoredSegment,
    key: &KeyRef,
    roles: &[Role],
    window: Option<(Timestamp, Timestamp)>,
) -> Result<Vec<u64>, ReadError> {
    let Some(cursor) = segment.keys()?.find(key)? else { return Ok(Vec::new()) };
    let mut leaves = Vec::new();
    for entry in cursor.roles()? {
        if roles.contains(&entry.role) && window.is_none_or(|window| entry.tally.may_touch(window)) {
            leaves.extend(cursor.leaves(&entry)?);
        }
    }
    leaves.sort_unstable();
    leaves.dedup();
    Ok(leaves)
}

/// The `limit` keys before where `text` would stand, and the `limit` keys after.
fn neighbours(segment: &StoredSegment, text: &str, limit: usize) -> Result<VecDeque<KeyRef>, ReadError> {
    let mut cursor = segment.keys()?.cursor(text, 1);
    let mut near = VecDeque::new();
    let mut after = 0;
    while after < limit && cursor.advance()? {
        if cursor.value() >= text.as_bytes() {
            after += 1;
        } else if near.len() == limit {
            near.pop_front();
        }
        near.push_back(cursor.key()?);
    }
    Ok(near)
}

fn shared_characters(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}
