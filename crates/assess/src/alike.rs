//! Which events of an identity are worth reading: those that are alike in who acted and with what tell the same of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ascribe_model::{Act, Acting, Event, TimeSpan};

use crate::evidence::sort_by_time;

/// Entries up to which all are read: telling them apart takes as long.
pub const READ_ALL_MAX: usize = 32;

/// Events that are alike in who acted and with what.
#[derive(Clone, Debug)]
pub struct Alike {
    /// What they agree in.
    pub acting: Acting,
    /// Those that were read, by time and then id; undated ones last.
    pub read: Vec<Arc<Event>>,
    /// How many there are, read or not.
    pub count: u64,
    /// First and last moment that any of them states.
    pub span: Option<TimeSpan>,
}

/// Events of one kind.
#[derive(Default)]
struct Kind {
    count: u64,
    span: Option<TimeSpan>,
    entries: BTreeSet<u64>,
}

/// The entries to read: all where they are few; else the first of each kind, all of a kind that names no credential
/// (what it authenticated with is told by each record anew), and the last of each kind while they are few. The first of
/// each kind go before the rest, and no more than `limit` in all.
pub fn entries_to_read(acts: &[Act], limit: usize) -> BTreeSet<u64> {
    let all: BTreeSet<u64> = acts.iter().map(|act| act.leaf).collect();
    if all.len() <= READ_ALL_MAX.min(limit) {
        return all;
    }
    let kinds = kinds_of(acts);
    let firsts: BTreeSet<u64> = kinds.values().filter_map(|kind| kind.entries.first().copied()).collect();
    let bare = kinds.iter().filter(|(acting, _)| acting.credential.is_none());
    let bare: BTreeSet<u64> = bare.flat_map(|(_, kind)| kind.entries.iter().copied()).collect();
    let lasts: BTreeSet<u64> = kinds.values().filter_map(|kind| kind.entries.last().copied()).collect();
    let room = READ_ALL_MAX.saturating_sub(firsts.len());
    let lasts = lasts.into_iter().filter(|entry| !firsts.contains(entry)).take(room);
    let mut entries: BTreeSet<u64> = firsts.iter().copied().take(limit).collect();
    for entry in bare.into_iter().chain(lasts) {
        if entries.len() < limit {
            entries.insert(entry);
        }
    }
    entries
}

/// Events by kind, in the order of their first entries. `read` are the events of `entries`, which were read, that list what
/// is looked for: where an act is of another event of its record, that makes no kind.
pub fn by_kind(
    acts: &[Act],
    entries: &BTreeSet<u64>,
    read: impl IntoIterator<Item = Arc<Event>>,
) -> Vec<Alike> {
    let mut events: BTreeMap<Acting, Vec<Arc<Event>>> = BTreeMap::new();
    for event in read {
        events.entry(Acting::of(&event)).or_default().push(event);
    }
    let mut kinds: Vec<(u64, Alike)> = Vec::new();
    for (acting, kind) in kinds_of(acts) {
        let mut read = events.remove(&acting).unwrap_or_default();
        sort_by_time(&mut read);
        let first = kind.entries.first().copied().unwrap_or_default();
        if read.is_empty() && entries.contains(&first) {
            continue;
        }
        let count = kind.count.max(read.len() as u64);
        kinds.push((first, Alike { acting, read, count, span: kind.span }));
    }
    kinds.sort_by(|(left, one), (right, other)| (left, &one.acting).cmp(&(right, &other.acting)));
    kinds.into_iter().map(|(_, alike)| alike).collect()
}

fn kinds_of(acts: &[Act]) -> BTreeMap<Acting, Kind> {
    let mut kinds: BTreeMap<Acting, Kind> = BTreeMap::new();
    for act in acts {
        let kind = kinds.entry(act.acting.clone()).or_default();
        kind.count += 1;
        kind.entries.insert(act.leaf);
        if let Some(at) = act.time {
            let moment = TimeSpan::at(at);
            kind.span = Some(kind.span.map_or(moment, |span| span.joined(moment)));
        }
    }
    kinds
}

/// Events by kind where all of them are at hand: what reading some of their entries would give.
pub fn alike_among(events: &[(u64, Arc<Event>)], limit: usize) -> Vec<Alike> {
    let acts: Vec<Act> = events.iter().map(|(leaf, event)| Act::of(*leaf, event)).collect();
    let entries = entries_to_read(&acts, limit);
    let read = events.iter().filter(|(entry, _)| entries.contains(entry)).map(|(_, event)| Arc::clone(event));
    by_kind(&acts, &entries, read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascribe_model::{ActingCredential, KeyKind, KeyRef, Timestamp};
    use proptest::prelude::*;

    /// An event at `leaf` with the credential of that number; 0 names none.
    fn act(leaf: u64, credential: u8) -> Act {
        let uid = KeyRef {
            kind: KeyKind::new("aws.access_key"),
            scope: String::new(),
            value: format!("ASIA{credential}"),
        };
        let acting = Acting {
            source: "aws_cloudtrail".to_owned(),
            scope: "1".to_owned(),
            actor_kind: "role".to_owned(),
            actor_uid_kind: "aws.principal".to_owned(),
            actor_uid: "AROA1".to_owned(),
            actor_name: None,
            credential: (credential > 0).then(|| ActingCredential { uid, class: "temporary".to_owned() }),
        };
        Act { leaf, time: Some(Timestamp::from_nanoseconds(leaf.cast_signed())), acting }
    }

    fn read(acts: &[Act], limit: usize) -> Vec<u64> {
        entries_to_read(acts, limit).into_iter().collect()
    }

    #[test]
    fn few_are_read_whole_and_of_many_each_kind() {
        let few: Vec<Act> = (0..32).map(|entry| act(entry, 1)).collect();
        assert_eq!(read(&few, 512), (0..32).collect::<Vec<_>>());
        let many: Vec<Act> = (0..1_000).map(|entry| act(entry, 1 + (entry / 500) as u8)).collect();
        assert_eq!(read(&many, 512), [0, 499, 500, 999]);
        let kinds: Vec<Act> = (0..200).map(|entry| act(entry, 1 + (entry % 40) as u8)).collect();
        assert_eq!(read(&kinds, 512), (0..40).collect::<Vec<_>>(), "no room for the last of each");
        assert_eq!(read(&kinds, 10), (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn what_names_no_credential_is_read_up_to_the_limit() {
        let bare: Vec<Act> = (0..100).map(|entry| act(entry, u8::from(entry == 50))).collect();
        assert_eq!(read(&bare, 512).len(), 100);
        let some = read(&bare, 60);
        assert_eq!(some.len(), 60);
        assert!(some.contains(&50), "the first of each kind goes before the rest");
    }

    proptest! {
        #[test]
        fn every_kind_is_read_where_there_is_room_and_every_event_is_counted(
            credentials in proptest::collection::vec(0..30_u8, 0..300),
        ) {
            let acts: Vec<Act> =
                (0..).zip(&credentials).map(|(entry, credential)| act(entry, *credential)).collect();
            let entries = entries_to_read(&acts, 512);
            let of = |kind: &Alike| kind.acting.clone();
            let kinds = by_kind(&acts, &BTreeSet::new(), []);
            prop_assert_eq!(kinds.iter().map(|kind| kind.count).sum::<u64>(), acts.len() as u64);
            for kind in &kinds {
                let mut own = acts.iter().filter(|act| act.acting == of(kind));
                prop_assert!(own.any(|act| entries.contains(&act.leaf)));
            }
            // Entries that were read, and hold nothing of what is looked for, make no kind.
            prop_assert!(by_kind(&acts, &entries, []).is_empty());
        }
    }
}
