//! Interning: each distinct key of a segment is kept once and named by a number.
//!
//! Numbers are given in order of arrival. Hash tables are only asked, never iterated, so their seed shows nowhere.

use std::cmp::Ordering;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Distinct keys of one segment.
#[derive(Default)]
pub(crate) struct Keys {
    hasher: DefaultHashBuilder,
    table: HashTable<u32>,
    texts: String,
    entries: Vec<KeyEntry>,
    pub(crate) kinds: Words,
    pub(crate) scopes: Words,
}

#[derive(Clone, Copy)]
struct KeyEntry {
    /// Kept so that growing the table touches no text.
    hash: u64,
    start: usize,
    length: u32,
    kind: u32,
    scope: u32,
}

/// A key by its parts: the value in UTF-8; kind and scope as numbers in [`Keys::kinds`] and [`Keys::scopes`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyParts<'a> {
    pub(crate) value: &'a [u8],
    pub(crate) kind: u32,
    pub(crate) scope: u32,
}

/// Keys with equal starts are sorted by their next bytes if there are so many, and as far into their values.
const PIECES_FROM: usize = 16;
const PIECES_TO: usize = 128;

/// The keys of a segment in the order of value, kind and scope.
pub(crate) struct Order {
    /// The keys' numbers in this order.
    pub(crate) numbers: Vec<u32>,
    /// For each number, its place in the order.
    pub(crate) places: Vec<u32>,
}

/// Distinct short texts: kinds and scopes, of which there are few.
#[derive(Default)]
pub(crate) struct Words {
    hasher: DefaultHashBuilder,
    table: HashTable<u32>,
    texts: Vec<String>,
    /// Texts asked for lately, each in the slot that its mark gives.
    recent: Vec<Recent>,
}

/// Slots for texts asked for lately: a trail names a dozen kinds and a few hundred accounts.
const RECENT_SLOTS: usize = 1 << 10;

/// A text that was asked for lately.
#[derive(Clone, Copy)]
struct Recent {
    mark: Mark,
    number: u32,
}

/// Length, first and last bytes of a text: up to 16 bytes, the text itself.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark {
    length: usize,
    start: u64,
    end: u64,
}

impl Keys {
    /// The number of a key, new or known.
    pub(crate) fn intern(&mut self, kind: &str, scope: &str, value: &str) -> u32 {
        let kind = self.kinds.intern(kind);
        let scope = self.scopes.intern(scope);
        let hash = self.hasher.hash_one((value, kind, scope));
        let found = self.table.find(hash, |&number| {
            let entry = self.entries[number as usize];
            entry.hash == hash
                && entry.kind == kind
                && entry.scope == scope
                && self.bytes(entry) == value.as_bytes()
        });
        if let Some(&number) = found {
            return number;
        }
        let entry = KeyEntry { hash, start: self.texts.len(), length: value.len() as u32, kind, scope };
        let number = self.push(entry, value);
        let entries = &self.entries;
        self.table.insert_unique(hash, number, |&other| entries[other as usize].hash);
        number
    }

    /// A new number for a key that may have one already. The index brings the two together.
    pub(crate) fn add(&mut self, kind: &str, scope: &str, value: &str) -> u32 {
        let (kind, scope) = (self.kinds.intern(kind), self.scopes.intern(scope));
        self.push(
            KeyEntry { hash: 0, start: self.texts.len(), length: value.len() as u32, kind, scope },
            value,
        )
    }

    fn push(&mut self, entry: KeyEntry, value: &str) -> u32 {
        let number = self.entries.len() as u32;
        self.entries.push(entry);
        self.texts.push_str(value);
        number
    }

    /// Forgets all keys; the memory stays for others.
    pub(crate) fn clear(&mut self) {
        self.table.clear();
        self.texts.clear();
        self.entries.clear();
        self.kinds.clear();
        self.scopes.clear();
    }

    /// The parts of the key with this number.
    pub(crate) fn parts(&self, number: u32) -> KeyParts<'_> {
        let entry = self.entries[number as usize];
        KeyParts { value: self.bytes(entry), kind: entry.kind, scope: entry.scope }
    }

    /// Kind, scope and value of the key with this number.
    pub(crate) fn names(&self, number: u32) -> [&str; 3] {
        let entry = self.entries[number as usize];
        let value = &self.texts[entry.start..entry.start + entry.length as usize];
        [self.kinds.text(entry.kind), self.scopes.text(entry.scope), value]
    }

    /// All keys in the order of value, kind and scope.
    pub(crate) fn sorted(&self) -> Order {
        let ((_, kinds), (_, scopes)) = (self.kinds.sorted(), self.scopes.sorted());
        let full = |number| {
            let parts = self.parts(number);
            (parts.value, kinds[parts.kind as usize], scopes[parts.scope as usize])
        };
        let numbers = 0..self.entries.len() as u32;
        let mut order: Vec<(u128, u32)> = numbers.map(|number| (self.piece(number, 0), number)).collect();
        self.sort_from(0, &mut order, &|a, b| full(a).cmp(&full(b)));
        let numbers: Vec<u32> = order.into_iter().map(|(_, number)| number).collect();
        let places = places(&numbers);
        Order { numbers, places }
    }

    /// Sorts keys that are equal before byte `at` and stand beside the 16 bytes from there. Those decide nearly every
    /// comparison without a look at the value itself; where many share them, the next 16 take their place.
    fn sort_from(&self, at: usize, order: &mut [(u128, u32)], full: &impl Fn(u32, u32) -> Ordering) {
        order.sort_unstable();
        for same in order.chunk_by_mut(|a, b| a.0 == b.0) {
            if same.len() < PIECES_FROM || at >= PIECES_TO {
                same.sort_unstable_by(|a, b| full(a.1, b.1));
                continue;
            }
            for entry in &mut *same {
                entry.0 = self.piece(entry.1, at + 16);
            }
            self.sort_from(at + 16, same, full);
        }
    }

    /// The 16 bytes of a value from byte `at`, filled up with zeros, as a number that sorts alike.
    fn piece(&self, number: u32, at: usize) -> u128 {
        let value = self.parts(number).value;
        let rest = value.get(at..).unwrap_or_default();
        let length = rest.len().min(16);
        let mut padded = [0; 16];
        padded[..length].copy_from_slice(&rest[..length]);
        u128::from_be_bytes(padded)
    }

    fn bytes(&self, entry: KeyEntry) -> &[u8] {
        &self.texts.as_bytes()[entry.start..entry.start + entry.length as usize]
    }
}

impl Words {
    /// The number of a text, new or known.
    pub(crate) fn intern(&mut self, text: &str) -> u32 {
        let mark = Mark::of(text.as_bytes());
        let slot = mark.slot();
        if let Some(recent) = self.recent.get(slot)
            && recent.mark == mark
            && (mark.is_whole() || self.texts[recent.number as usize] == text)
        {
            return recent.number;
        }
        let number = self.look_up(text);
        self.recent.resize(RECENT_SLOTS, Recent { mark: Mark::NONE, number: 0 });
        self.recent[slot] = Recent { mark, number };
        number
    }

    fn look_up(&mut self, text: &str) -> u32 {
        let hash = self.hasher.hash_one(text);
        if let Some(&number) = self.table.find(hash, |&number| self.texts[number as usize] == text) {
            return number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        let (texts, hasher) = (&self.texts, &self.hasher);
        self.table.insert_unique(hash, number, |&other| hasher.hash_one(texts[other as usize].as_str()));
        number
    }

    fn clear(&mut self) {
        self.table.clear();
        self.texts.clear();
        self.recent.clear();
    }

    /// The text with this number.
    pub(crate) fn text(&self, number: u32) -> &str {
        &self.texts[number as usize]
    }

    /// All texts in order, and for each number its place in that order.
    pub(crate) fn sorted(&self) -> (Vec<&str>, Vec<u32>) {
        let mut order: Vec<u32> = (0..self.texts.len() as u32).collect();
        order.sort_unstable_by_key(|&number| self.text(number));
        let places = places(&order);
        (order.into_iter().map(|number| self.text(number)).collect(), places)
    }
}

impl Mark {
    /// The mark of no text.
    const NONE: Self = Self { length: usize::MAX, start: 0, end: 0 };

    fn of(text: &[u8]) -> Self {
        let (start, end) = match (text.first_chunk(), text.last_chunk()) {
            (Some(start), Some(end)) => (u64::from_le_bytes(*start), u64::from_le_bytes(*end)),
            _ => (text.iter().fold(0, |mark, &byte| mark << 8 | u64::from(byte)), 0),
        };
        Self { length: text.len(), start, end }
    }

    /// Whether the mark says all of the text.
    fn is_whole(self) -> bool {
        self.length <= 16
    }

    fn slot(self) -> usize {
        let mixed = (self.start ^ self.end.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as usize % RECENT_SLOTS
    }
}

/// For each number, its place in `order`.
fn places(order: &[u32]) -> Vec<u32> {
    let mut places = vec![0; order.len()];
    for (place, &number) in order.iter().enumerate() {
        places[number as usize] = place as u32;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn keys_are_numbered_once_and_sorted(
            names in proptest::collection::vec(("[a\u{0}]{0,3}(.{16}){0,2}[xy]{0,40}", "[kl]", "[st]{0,20}"), 0..60),
            same in "[abc]{30}",
        ) {
            let mut keys = Keys::default();
            let ends = (0..40).map(|end| (format!("{same}{}", end % 20), "k".to_owned(), String::new()));
            let names: Vec<(String, String, String)> = names.into_iter().chain(ends).collect();
            let numbers: Vec<u32> = names.iter().map(|(value, kind, scope)| keys.intern(kind, scope, value)).collect();
            let again: Vec<u32> = names.iter().map(|(value, kind, scope)| keys.intern(kind, scope, value)).collect();
            prop_assert_eq!(&numbers, &again);
            for (name, &number) in names.iter().zip(&numbers) {
                prop_assert_eq!(keys.names(number), [&name.1, &name.2, &name.0]);
            }
            let mut expected = names.clone();
            expected.sort();
            expected.dedup();
            let order = keys.sorted();
            let sorted = order.numbers.iter().map(|&number| {
                let [kind, scope, value] = keys.names(number);
                (value.to_owned(), kind.to_owned(), scope.to_owned())
            });
            prop_assert_eq!(sorted.collect::<Vec<_>>(), expected);
            prop_assert!(order.numbers.iter().zip(0..).all(|(&number, place)| order.places[number as usize] == place));
        }
    }
}
