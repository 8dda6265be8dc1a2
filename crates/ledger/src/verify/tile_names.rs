//! The names of full tiles and entry bundles, a bit for each: a ledger has one for every 128 entries, and checking it takes
//! the same memory whatever its size.

use std::collections::BTreeMap;

use crate::tile::{BundleId, TileId, TilePath};

/// Names whose bits stand together.
const GROUP: u64 = 256;
const WORDS: usize = GROUP as usize / 64;

/// A set of full tiles and bundles.
#[derive(Debug, Default)]
pub(super) struct TileNames {
    /// By level, bundles having none, and the number of the group. Groups without names are not kept.
    groups: BTreeMap<(Option<u8>, u64), [u64; WORDS]>,
}

/// Where the bit of a name stands.
struct Bit {
    group: (Option<u8>, u64),
    word: usize,
    mask: u64,
}

impl TileNames {
    /// Adds a name; `false` where it is that of a partial one, which is not added.
    pub(super) fn insert(&mut self, path: TilePath) -> bool {
        let Some(bit) = Bit::of(path) else { return false };
        self.groups.entry(bit.group).or_default()[bit.word] |= bit.mask;
        true
    }

    /// Takes a name out; says whether it was there.
    pub(super) fn remove(&mut self, path: TilePath) -> bool {
        let Some(bit) = Bit::of(path) else { return false };
        let Some(group) = self.groups.get_mut(&bit.group) else { return false };
        let found = group[bit.word] & bit.mask != 0;
        group[bit.word] &= !bit.mask;
        if *group == [0; WORDS] {
            self.groups.remove(&bit.group);
        }
        found
    }

    /// The names, bundles first, then by level and index.
    pub(super) fn iter(&self) -> impl Iterator<Item = TilePath> {
        self.groups.iter().flat_map(|((level, group), words)| {
            let held = (0..GROUP).filter(|bit| words[(bit / 64) as usize] >> (bit % 64) & 1 == 1);
            held.map(move |bit| {
                let index = group * GROUP + bit;
                match level {
                    Some(level) => TilePath::Tile(TileId::full(*level, index)),
                    None => TilePath::Bundle(BundleId::full(index)),
                }
            })
        })
    }
}

impl Bit {
    fn of(path: TilePath) -> Option<Self> {
        let (level, index, is_full) = match path {
            TilePath::Tile(id) => (Some(id.level()), id.index(), id == id.to_full()),
            TilePath::Bundle(id) => (None, id.index(), id == id.to_full()),
        };
        let bit = index % GROUP;
        is_full.then(|| Self {
            group: (level, index / GROUP),
            word: (bit / 64) as usize,
            mask: 1 << (bit % 64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_holds_what_a_set_of_names_holds(
            steps in proptest::collection::vec((any::<bool>(), 0..3_u8, prop_oneof![0..600_u64, any::<u64>()]), 0..200),
        ) {
            let (mut names, mut expected) = (TileNames::default(), BTreeSet::new());
            for (adds, level, index) in steps {
                let path = match level {
                    0 => TilePath::Bundle(BundleId::full(index)),
                    level => TilePath::Tile(TileId::full(level, index)),
                };
                if adds {
                    prop_assert!(names.insert(path));
                    expected.insert(path.to_string());
                } else {
                    prop_assert_eq!(names.remove(path), expected.remove(&path.to_string()));
                }
            }
            let held: BTreeSet<String> = names.iter().map(|path| path.to_string()).collect();
            prop_assert_eq!(held, expected);
        }
    }

    #[test]
    fn partial_tiles_are_left_to_others() {
        let mut names = TileNames::default();
        let partial = TileId::partial_at(0, 300).map(TilePath::Tile).unwrap();
        assert!(!names.insert(partial) && !names.remove(partial));
        assert_eq!(names.iter().count(), 0);
    }
}
