//! Look-ups over several segments against a plain list of keys.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod generated;

use std::collections::{BTreeMap, BTreeSet};

use ascribe_model::{Effect, EffectKind, Event, EventId, Form, Key, KeyKind, KeyRef, Role, Timestamp, Trust};
use ascribe_store::{Entry, ON_SET, Outlines, Record, SegmentBuilder, Store};
use proptest::prelude::*;

/// The keys of each segment; one event for each key.
type Segments = Vec<Vec<KeyRef>>;

fn segments() -> impl Strategy<Value = Segments> {
    let key = ("[abé]{0,2}[cd]{0,3}", "[kl]", "[s]{0,1}");
    let key = key.prop_map(|(value, kind, scope)| KeyRef { kind: KeyKind::from_name(&kind), scope, value });
    proptest::collection::vec(proptest::collection::vec(key, 1..12), 1..4)
}

fn store(folder: &std::path::Path, segments: &Segments) -> Store {
    let mut store = Store::create(folder, BTreeMap::new()).unwrap();
    for keys in segments {
        let first = store.folded();
        let mut builder = SegmentBuilder::new(first, &store);
        for (key, leaf) in keys.iter().zip(first..) {
            let mut event = generated::event(leaf);
            event.id = EventId([0xff; 32]);
            event.id.0[..8].copy_from_slice(&leaf.to_be_bytes());
            event.actor.name = None;
            event.actor.session_name = None;
            event.effects.clear();
            event.keys = vec![Key {
                role: Role::Actor,
                kind: key.kind.clone(),
                scope: key.scope.clone(),
                value: key.value.clone(),
                form: Form::Plain,
                trust: Trust::IssuerAsserted,
                at: None,
            }];
            push(&mut builder, leaf, event);
        }
        let end = first + keys.len() as u64;
        let segment = builder.finish(end).unwrap();
        store.publish(vec![segment], end).unwrap();
    }
    store
}

fn push(builder: &mut SegmentBuilder, leaf: u64, event: Event) {
    let mut outlines = Outlines::default();
    let at = outlines.push(&[event]);
    let record = Record {
        leaf,
        object: None,
        stream: None,
        received_at: Timestamp::from_nanoseconds(0),
        withheld: false,
        span_length: 1,
        events: outlines.record(at),
    };
    builder.push(Entry::Record(record)).unwrap();
}

/// How often each key is listed, in the order of value, kind and scope.
fn counts(segments: &Segments) -> BTreeMap<(String, KeyKind, String), u64> {
    let mut counts = BTreeMap::new();
    for key in segments.iter().flatten() {
        *counts.entry((key.value.clone(), key.kind.clone(), key.scope.clone())).or_default() += 1;
    }
    counts
}

fn shared(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

#[test]
fn what_is_done_to_credentials_that_are_only_described_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(folder.path(), BTreeMap::new()).unwrap();
    let mut builder = SegmentBuilder::new(0, &store);
    let effects = [
        (EffectKind::Revoke, "of a set", true),
        (EffectKind::Revoke, "of one", false),
        (EffectKind::Issue, "of a set", false),
        (EffectKind::Renew, "of a set", false),
        (EffectKind::Disable, "of a set", true),
    ];
    for ((kind, of, _), leaf) in effects.iter().zip(0..) {
        let mut event = generated::event(leaf);
        let mut effect = Effect::new(*kind);
        effect.subject = Some(event.actor.clone());
        effect.credential = event.credential.clone().filter(|_| *of == "of one");
        event.effects = vec![effect];
        push(&mut builder, leaf, event);
    }
    let segment = builder.finish(effects.len() as u64).unwrap();
    store.publish(vec![segment], effects.len() as u64).unwrap();
    let hint = KeyRef { kind: KeyKind::from_name("hint"), scope: String::new(), value: ON_SET.to_owned() };
    let expected = effects.iter().zip(0..).filter(|((_, _, on_set), _)| *on_set).map(|(_, leaf)| leaf);
    let expected: Vec<u64> = expected.collect();
    // The second time from memory.
    for _ in 0..2 {
        assert_eq!(store.leaves(&hint, &[Role::Name], None, 9).unwrap().leaves, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn look_ups_merge_segments(segments in segments(), texts in proptest::collection::vec("[abécd]{0,3}", 6), limit in 1_usize..5) {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), &segments);
        let counts = counts(&segments);
        let sort_key = |key: &KeyRef| (key.value.clone(), key.kind.clone(), key.scope.clone());
        for text in &texts {
            let found = store.find(text).unwrap();
            let expected = counts.iter().filter(|(name, _)| name.0 == *text);
            prop_assert_eq!(
                found.iter().map(|it| (sort_key(&it.key), it.roles[&Role::Actor].count)).collect::<Vec<_>>(),
                expected.map(|(name, count)| (name.clone(), *count)).collect::<Vec<_>>()
            );
            let found: Vec<_> = store.find_prefix(text, 99).unwrap();
            let keys: Vec<_> = found.iter().map(|it| sort_key(&it.key)).collect();
            let expected: Vec<_> = counts.keys().filter(|name| name.0.starts_with(text.as_str())).cloned().collect();
            prop_assert_eq!(&keys, &expected);
            let limited = store.find_prefix(text, limit).unwrap();
            prop_assert_eq!(&limited[..], &found[..limit.min(found.len())]);

            // The nearest have the longest common prefixes that there are.
            let near: Vec<_> = store.suggest(text, limit).unwrap();
            prop_assert_eq!(near.iter().collect::<BTreeSet<_>>().len(), near.len());
            let lengths: Vec<_> = near.iter().map(|key| shared(&key.value, text)).collect();
            let values = counts.keys().map(|name| name.0.clone());
            let mut all: Vec<_> = values.map(|value| shared(&value, text)).filter(|&length| length > 0).collect();
            all.sort_unstable_by_key(|&length| std::cmp::Reverse(length));
            all.truncate(limit);
            prop_assert_eq!(lengths, all);
        }
    }
}
