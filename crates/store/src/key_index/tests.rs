//! The index against a sorted map.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use ascribe_model::{Role, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::Tally;
use crate::error::ReadError;
use crate::intern::Keys;

/// Value, kind and scope.
type Name = (String, String, String);
/// Leaf and time of each event.
type Events = Vec<(u64, Option<Timestamp>)>;
/// What the index should hold.
type Oracle = BTreeMap<Name, BTreeMap<Role, Events>>;

const FIRST: u64 = 1_000;

/// One event: its leaf follows that of the event before by so much; its time; its keys.
type Generated = (u64, Option<i64>, Vec<(Name, Role)>);

/// An index and what it should hold.
fn index(events: &[Generated]) -> (tempfile::TempDir, Arc<KeyIndex>, Oracle) {
    let (mut keys, mut occasions, mut oracle) = (Keys::default(), Occasions::default(), Oracle::new());
    let mut leaf = FIRST;
    for (gap, time, listed) in events {
        leaf += gap;
        let time = time.map(Timestamp::from_nanoseconds);
        occasions.start(leaf, time);
        for ((value, kind, scope), role) in listed {
            occasions.note(keys.intern(kind, scope, value), *role);
            let name = (value.clone(), kind.clone(), scope.clone());
            let noted = oracle.entry(name).or_default().entry(*role).or_default();
            // An event that lists a key twice in one role counts once.
            let again = listed.iter().filter(|other| other.0 == (value.clone(), kind.clone(), scope.clone()));
            let again = again.filter(|other| other.1 == *role).count() > 1;
            if !(again && noted.last() == Some(&(leaf, time))) {
                noted.push((leaf, time));
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.index");
    let bytes = encode(FIRST, &keys, &keys.sorted(), &occasions).unwrap();
    File::create(&path).unwrap().write_all(&bytes).unwrap();
    let index = KeyIndex::open(&path).unwrap();
    (folder, Arc::new(index), oracle)
}

fn tally(events: &Events) -> Tally {
    let dated = || events.iter().filter_map(|event| event.1);
    Tally {
        count: events.len() as u64,
        undated: (events.len() - dated().count()) as u64,
        first: dated().min(),
        last: dated().max(),
    }
}

/// The key under the cursor is this one, with these events.
fn check(cursor: &Cursor, (name, roles): (&Name, &BTreeMap<Role, Events>)) -> Result<(), ReadError> {
    let key = cursor.key()?;
    assert_eq!((&key.value, key.kind.name(), &key.scope), (&name.0, name.1.as_str(), &name.2));
    let entries = cursor.roles()?;
    assert_eq!(
        entries.iter().map(|entry| entry.role).collect::<Vec<_>>(),
        roles.keys().copied().collect::<Vec<_>>()
    );
    for (entry, events) in entries.iter().zip(roles.values()) {
        assert_eq!(entry.tally, tally(events), "{name:?}");
        let mut leaves: Vec<u64> = events.iter().map(|event| event.0).collect();
        leaves.sort_unstable();
        leaves.dedup();
        assert_eq!(cursor.leaves(entry)?, leaves, "{name:?}");
        assert_eq!(entry.leaf_count, leaves.len());
    }
    Ok(())
}

/// At `value` stands the first key that the oracle has of it, if it has one.
fn check_at(index: &Arc<KeyIndex>, oracle: &Oracle, value: &str) {
    let from = (value.to_owned(), String::new(), String::new());
    let expected = oracle.range(from..).next().filter(|(name, _)| name.0 == value);
    let found = index.at_value(value).unwrap();
    assert_eq!(found.is_some(), expected.is_some(), "{value:?}");
    if let (Some(cursor), Some(expected)) = (found, expected) {
        check(&cursor, expected).unwrap();
    }
}

/// From `value` on, the cursor shows what the oracle shows.
fn check_from(index: &Arc<KeyIndex>, oracle: &Oracle, value: &str, count: usize) {
    let mut cursor = index.cursor(value, 0);
    let mut more = cursor.advance_to(value).unwrap();
    let from = (value.to_owned(), String::new(), String::new());
    for expected in oracle.range(from..).take(count) {
        assert!(more, "{value:?}: {expected:?} is missing");
        check(&cursor, expected).unwrap();
        more = cursor.advance().unwrap();
    }
}

#[test]
fn keys_fill_many_blocks_and_one_value_may_fill_several() {
    let mut events: Vec<Generated> = (0..3_000_u64)
        .map(|number| {
            let value = format!(
                "{:032x}",
                u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
            );
            let name = |kind: &str, scope: String| (value.clone(), kind.to_owned(), scope);
            let everywhere = ("everywhere".to_owned(), "k".to_owned(), String::new());
            let spread = ("8".repeat(20), "k".to_owned(), format!("account {number} of the organisation"));
            let listed = vec![
                (name("k", String::new()), Role::Used),
                (name("l", format!("{}", number % 3)), Role::Native),
                (everywhere, Role::Actor),
                (spread, Role::Resource),
            ];
            (number % 2, Some((number.cast_signed() - 50) * 1_000_000), listed)
        })
        .collect();
    events.push((1, None, vec![((String::new(), "k".to_owned(), String::new()), Role::Name)]));
    let (_folder, index, oracle) = index(&events);
    let mut cursor = index.start();
    for expected in &oracle {
        assert!(cursor.advance().unwrap());
        check(&cursor, expected).unwrap();
    }
    assert!(!cursor.advance().unwrap());
    for (value, ..) in oracle.keys().step_by(7) {
        check_from(&index, &oracle, value, 3);
        check_from(&index, &oracle, &format!("{value}!"), 1);
        check_at(&index, &oracle, value);
        check_at(&index, &oracle, &format!("{value}!"));
    }
    assert!(!index.cursor("\u{10ffff}", 0).advance_to("\u{10ffff}").unwrap());
}

#[test]
fn moments_survive_whatever_their_precision() {
    let moments = [
        i64::MIN,
        i64::MAX,
        -1,
        0,
        1,
        1_747_647_471_000_000_000,
        1_747_647_471_360_000_000,
        1_747_647_471_360_338_000,
        1_747_647_471_360_338_123,
    ];
    for (at, &first) in moments.iter().enumerate() {
        for &second in &moments[at..] {
            let name = |value: &str| ((value.to_owned(), "k".to_owned(), String::new()), Role::Used);
            let events =
                [(0, Some(first), vec![name("a"), name("b")]), (1, Some(second), vec![name("b"), name("c")])];
            let (_folder, index, oracle) = index(&events);
            check_from(&index, &oracle, "", 3);
        }
    }
}

fn names() -> impl Strategy<Value = Name> {
    ("[aAéb]{0,3}", "[kl]", "[st]{0,1}")
}

fn events() -> impl Strategy<Value = Vec<Generated>> {
    let role = (0..Role::ALL.len()).prop_map(|number| Role::ALL[number]);
    let time = proptest::option::of(-5_000_000_000_i64..5_000_000_000);
    let event = (0_u64..3, time, proptest::collection::vec((names(), role), 0..6));
    proptest::collection::vec(event, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_index_holds_what_a_sorted_map_holds(events in events(), sought in "[aAéb]{0,3}") {
        let (_folder, index, oracle) = index(&events);
        check_from(&index, &oracle, "", oracle.len());
        check_from(&index, &oracle, &sought, 4);
        check_at(&index, &oracle, &sought);
    }
}
