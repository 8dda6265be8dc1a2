//! The index as its users meet it: built, written, opened, proven from, forged, damaged, blinded and interrupted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;

use super::*;
use crate::commitment::Salt;
use crate::durable::{Disk, Interruption, Step};
use crate::hash::EMPTY_ROOT;

const SALT: Salt = [7; 32];

/// What entries have: leaves by value and scope.
type Held = BTreeMap<String, BTreeMap<String, BTreeSet<u64>>>;

struct Kept {
    _folder: tempfile::TempDir,
    paths: IndexPaths,
    range: IndexRange,
    head: IndexHead,
}

fn built(held: &Held, leaves: Range<u64>) -> BuiltIndex {
    let mut builder = IndexBuilder::new(leaves, SALT).unwrap();
    for (value, scopes) in held.iter().rev() {
        for (scope, leaves) in scopes {
            for leaf in leaves {
                builder.note(*leaf, ("a.kind", scope), value).unwrap();
            }
        }
    }
    builder.build().unwrap()
}

fn keep(held: &Held, leaves: Range<u64>) -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let paths = IndexPaths::new(folder.path().join("index"));
    let range = IndexRange { from: leaves.start, to: leaves.end, generation: 0 };
    let built = built(held, leaves);
    IndexFile::write(&Disk::default(), &paths, &range, &built).unwrap();
    Kept { _folder: folder, paths, range, head: built.head() }
}

impl Kept {
    fn open(&self) -> IndexFile {
        IndexFile::open(&Disk::default(), &self.paths, &self.range, &self.head).unwrap()
    }

    fn proof(&self, value: &str) -> KeyProof {
        self.open().prove(&SALT, value.as_bytes()).unwrap()
    }

    fn found(&self, value: &str) -> Found {
        self.proof(value).check(&self.head, &SALT, value.as_bytes()).unwrap()
    }

    fn blind(&self, erased: impl IntoIterator<Item = u64>) -> Blinded {
        let erased = erased.into_iter().collect();
        IndexFile::blind(&Disk::default(), &self.paths, &self.range, &erased).unwrap()
    }
}

/// `count` values, each at the leaf of its number modulo `leaves`; every third has a second scope.
fn numbered(count: u64, leaves: u64) -> Held {
    let scopes = |number: u64| {
        let mut scopes = BTreeMap::from([("one".to_owned(), BTreeSet::from([number % leaves]))]);
        if number.is_multiple_of(3) {
            scopes.insert("two".to_owned(), BTreeSet::from([number % leaves, (number + 1) % leaves]));
        }
        scopes
    };
    (0..count).map(|number| (format!("v{number}"), scopes(number))).collect()
}

fn entries(scopes: &BTreeMap<String, BTreeSet<u64>>) -> Found {
    let key = |(scope, leaves): (&String, &BTreeSet<u64>)| KeyLeaves {
        scope: scope_tag(&SALT, b"a.kind", scope.as_bytes()),
        leaves: leaves.iter().copied().collect(),
    };
    let mut keys: Vec<KeyLeaves> = scopes.iter().map(key).collect();
    keys.sort_by_key(|key| key.scope);
    Found::Entries(keys)
}

fn held() -> impl Strategy<Value = Held> {
    let scopes = btree_map("[a-c]", btree_set(100_u64..140, 1..5), 1..3);
    btree_map("[a-z]{1,3}", scopes, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_value_is_proven_as_it_is_held_and_every_other_absent(held in held(), others in btree_set("[a-z]{1,3}", 1..20)) {
        let kept = keep(&held, 100..140);
        for (value, scopes) in &held {
            prop_assert_eq!(kept.found(value), entries(scopes));
        }
        for other in others.iter().filter(|other| !held.contains_key(*other)) {
            prop_assert_eq!(kept.found(other), Found::Nothing);
        }
    }

    #[test]
    fn a_row_that_says_more_or_less_is_refused(held in held(), pick: prop::sample::Index, change in 0..6_usize) {
        prop_assume!(held.len() > 1);
        let kept = keep(&held, 100..140);
        let value = pick.get(&held.keys().collect::<Vec<_>>()).to_owned();
        let KeyProof::Present(placed) = kept.proof(value) else { panic!("it is held") };
        let mut forged = placed.clone();
        match change {
            // A leaf is left out, added, or another one; the row is at another place, shorter or on another path.
            0 => { forged.row.truncate(forged.row.len() - 2); }
            1 => { forged.row.extend_from_slice(&[0, 39]); forged.row[49] += 1; }
            2 => { let last = forged.row.len() - 1; forged.row[last] ^= 1; }
            3 => { forged.index = (forged.index + 1) % kept.head.rows; }
            4 => { forged.path.pop(); }
            _ => { forged.path[0] = EMPTY_ROOT; }
        }
        prop_assert!(KeyProof::Present(forged).check(&kept.head, &SALT, value.as_bytes()).is_err());
    }

    #[test]
    fn noise_is_neither_a_row_nor_an_index(bytes: Vec<u8>) {
        if let Ok(row) = IndexRow::decode(&bytes, &(100..140)) {
            prop_assert!(row.leaves().iter().all(|leaf| (100..140).contains(leaf)));
        }
        let kept = keep(&numbered(3, 3), 0..3);
        overwrite(&kept.paths.rows(&kept.range), &bytes);
        prop_assert!(IndexFile::open(&Disk::default(), &kept.paths, &kept.range, &kept.head).is_err());
    }
}

#[test]
fn proofs_cross_blocks_and_levels() {
    // 256 * 256 rows and some more, so that a second level of the tree is full.
    let held = numbered(66_000, 60_000);
    let kept = keep(&held, 0..60_000);
    let index = kept.open();
    for number in (0..66_000).step_by(9_999) {
        let value = format!("v{number}");
        let proof = index.prove(&SALT, value.as_bytes()).unwrap();
        assert_eq!(proof.check(&kept.head, &SALT, value.as_bytes()), Ok(entries(&held[&value])));
        let other = format!("w{number}");
        let proof = index.prove(&SALT, other.as_bytes()).unwrap();
        assert_eq!(proof.check(&kept.head, &SALT, other.as_bytes()), Ok(Found::Nothing));
    }
}

#[test]
fn an_index_over_nothing_proves_that_nothing_is_there() {
    let kept = keep(&Held::new(), 5..6);
    assert_eq!((kept.head.rows, kept.head.root), (0, EMPTY_ROOT));
    assert_eq!(kept.proof("v"), KeyProof::Absent { before: None, after: None });
    assert_eq!(kept.found("v"), Found::Nothing);
    let forged = IndexHead { root: crate::hash::leaf_hash(b""), ..kept.head.clone() };
    assert_eq!(kept.proof("v").check(&forged, &SALT, b"v"), Err(KeyProofRefused::EmptyRoot));
}

#[test]
fn equal_ranges_and_salts_give_equal_bytes() {
    let held = numbered(900, 50);
    let (one, other) = (keep(&held, 0..50), keep(&held, 0..50));
    assert_eq!(one.head, other.head);
    let bytes = |kept: &Kept| fs::read(kept.paths.rows(&kept.range)).unwrap();
    assert_eq!(bytes(&one), bytes(&other));
}

type Is = fn(&KeyProofRefused) -> bool;

/// The zoo of absences that are none: each names what makes it so.
#[test]
fn absences_that_are_none() {
    let held = numbered(9, 9);
    let kept = keep(&held, 0..9);
    let mut rows: Vec<PlacedRow> = held
        .keys()
        .map(|value| match kept.proof(value) {
            KeyProof::Present(placed) => placed,
            other => panic!("{value} is held: {other:?}"),
        })
        .collect();
    rows.sort_by_key(|row| row.index);
    let absent = |before: Option<usize>, after: Option<usize>| KeyProof::Absent {
        before: before.map(|place| rows[place].clone()),
        after: after.map(|place| rows[place].clone()),
    };
    let place = |value: &str| match kept.proof(value) {
        KeyProof::Present(placed) => placed.index as usize,
        other => panic!("{other:?}"),
    };
    // A value in the middle, of which somebody would rather say that it is not there.
    let middle = held.keys().find(|value| (1..8).contains(&place(value))).unwrap();
    let at = place(middle);
    let check = |proof: &KeyProof, value: &str| proof.check(&kept.head, &SALT, value.as_bytes());
    let cases: [(&str, KeyProof, Is); 8] = [
        ("around the row", absent(Some(at - 1), Some(at + 1)), |why| {
            matches!(why, KeyProofRefused::NotNeighbours { .. })
        }),
        ("beside the row", absent(Some(at), Some(at + 1)), |why| matches!(why, KeyProofRefused::NotBetween)),
        ("before the row", absent(Some(at - 1), Some(at)), |why| matches!(why, KeyProofRefused::NotBetween)),
        ("before the first", absent(None, Some(1)), |why| {
            matches!(why, KeyProofRefused::NotNeighbours { .. })
        }),
        ("behind the last", absent(Some(7), None), |why| {
            matches!(why, KeyProofRefused::NotNeighbours { .. })
        }),
        ("as if there were none", absent(None, None), |why| {
            matches!(why, KeyProofRefused::NotNeighbours { .. })
        }),
        ("in the wrong order", absent(Some(at + 1), Some(at)), |why| {
            matches!(why, KeyProofRefused::NotNeighbours { .. })
        }),
        (
            "with another's place",
            {
                let KeyProof::Absent { before, after } = absent(Some(at - 1), Some(at + 1)) else { panic!() };
                let after = after.map(|row| PlacedRow { index: at as u64, ..row });
                KeyProof::Absent { before, after }
            },
            |why| matches!(why, KeyProofRefused::NotIncluded { .. }),
        ),
    ];
    for (name, proof, is) in &cases {
        let refused = check(proof, middle).unwrap_err();
        assert!(is(&refused), "{name}: {refused}");
    }
}

#[test]
fn a_proof_is_of_one_value_in_one_index() {
    let kept = keep(&numbered(9, 9), 0..9);
    let middle = "v4";
    let proof = kept.proof(middle);
    let at = match &proof {
        KeyProof::Present(placed) => placed.index,
        other => panic!("{other:?}"),
    };
    assert!(matches!(proof.check(&kept.head, &SALT, b"v"), Err(KeyProofRefused::OtherValue { .. })));
    let real = kept.head.clone();
    let with = |head: IndexHead, salt: Salt| proof.check(&head, &salt, middle.as_bytes());
    assert_eq!(with(real.clone(), [8; 32]), Err(KeyProofRefused::Salt));
    let other_salt = IndexHead { salt: commit_index_salt(&[8; 32]), ..real.clone() };
    assert!(matches!(with(other_salt, [8; 32]), Err(KeyProofRefused::OtherValue { .. })));
    let other_root = IndexHead { root: EMPTY_ROOT, ..real.clone() };
    assert!(matches!(with(other_root, SALT), Err(KeyProofRefused::NotIncluded { .. })));
    let fewer = IndexHead { rows: at, ..real.clone() };
    assert!(matches!(with(fewer, SALT), Err(KeyProofRefused::NotIncluded { .. })));
    for (from, to) in [(0, 0), (9, 0), (0, INDEX_LEAVES + 1)] {
        let leaves = from..to;
        let other = IndexHead { leaves, ..real.clone() };
        assert!(matches!(with(other, SALT), Err(KeyProofRefused::Range { .. })));
    }
    let shorter = IndexHead { leaves: 0..1, ..real };
    assert!(matches!(with(shorter, SALT), Err(KeyProofRefused::Row { .. })));
}

#[test]
fn a_flip_in_any_byte_of_the_file_is_found() {
    let held = numbered(300, 20);
    let kept = keep(&held, 0..20);
    let path = kept.paths.rows(&kept.range);
    let whole = fs::read(&path).unwrap();
    let looks = |kept: &Kept| -> Result<(), IndexFileError> {
        let index = IndexFile::open(&Disk::default(), &kept.paths, &kept.range, &kept.head)?;
        index.check()
    };
    looks(&kept).unwrap();
    for offset in (0..whole.len()).step_by(61).chain(0..64).chain(whole.len() - 200..whole.len()) {
        let mut flipped = whole.clone();
        flipped[offset] ^= 1 << (offset % 8);
        overwrite(&path, &flipped);
        assert!(looks(&kept).is_err(), "byte {offset}");
    }
    for length in (0..whole.len()).step_by(397) {
        overwrite(&path, &whole[..length]);
        assert!(looks(&kept).is_err(), "cut at {length}");
    }
    overwrite(&path, &[&whole[..], b"x"].concat());
    assert!(looks(&kept).is_err(), "a byte more");
}

#[test]
fn the_file_of_another_index_is_refused() {
    let (kept, other) = (keep(&numbered(30, 9), 0..9), keep(&numbered(31, 9), 0..9));
    overwrite(&kept.paths.rows(&kept.range), &fs::read(other.paths.rows(&other.range)).unwrap());
    let refused = IndexFile::open(&Disk::default(), &kept.paths, &kept.range, &kept.head).unwrap_err();
    assert!(matches!(refused, IndexFileError::OtherRoot { .. }), "{refused}");
    let of_range = IndexRange { generation: 1, ..kept.range.clone() };
    overwrite(&kept.paths.rows(&of_range), &fs::read(kept.paths.rows(&kept.range)).unwrap());
    assert!(matches!(
        IndexFile::open(&Disk::default(), &kept.paths, &of_range, &other.head),
        Err(IndexFileError::File(_))
    ));
}

#[test]
fn a_salt_is_kept_and_its_damage_found() {
    let kept = keep(&numbered(3, 3), 0..3);
    let disk = Disk::default();
    let salt = IndexFile::new_salt(&disk, &kept.paths, &kept.range).unwrap();
    assert_eq!(IndexFile::salt(&disk, &kept.paths, &kept.range).unwrap(), salt);
    let again = IndexFile::new_salt(&disk, &kept.paths, &kept.range).unwrap();
    assert_ne!(again, salt);
    let path = kept.paths.salt(&kept.range);
    let whole = fs::read(&path).unwrap();
    for offset in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[offset] ^= 4;
        overwrite(&path, &flipped);
        assert!(IndexFile::salt(&disk, &kept.paths, &kept.range).is_err(), "byte {offset}");
    }
    IndexFile::discard(&disk, &kept.paths, &kept.range).unwrap();
    IndexFile::discard(&disk, &kept.paths, &kept.range).unwrap();
    assert_eq!(fs::read_dir(kept.paths.folder()).unwrap().count(), 0);
}

#[test]
fn names_of_files_tell_which_index_they_are_of() {
    let paths = IndexPaths::new("index");
    let range = IndexRange { from: 0, to: 65_536, generation: 2 };
    assert_eq!(paths.rows(&range), Path::new("index/0-65536.2.idx"));
    assert_eq!(IndexRange::parse(&paths.rows(&range)), Some(range.clone()));
    assert_eq!(IndexRange::parse(&paths.salt(&range)), Some(range));
    for other in ["0-65536.idx", "00-1.0.idx", "0-1.0.idx.staged", "0-1.0", "a-b.c.idx", "0-1.+0.salt"] {
        assert_eq!(IndexRange::parse(Path::new(other)), None, "{other}");
    }
}

#[test]
fn a_blinded_index_proves_the_rest_as_before() {
    let held = numbered(300, 40);
    let kept = keep(&held, 0..40);
    let before: BTreeMap<&String, KeyProof> = held.keys().map(|value| (value, kept.proof(value))).collect();
    let erased = [3, 4, 17];
    let is_erased = |value: &str| {
        let mut leaves = held[value].values().flatten();
        leaves.all(|leaf| erased.contains(leaf))
    };
    let count = held.keys().filter(|value| is_erased(value)).count() as u64;
    assert_eq!(kept.blind(erased), Blinded { erased: count, whole: 300 - count });
    assert_eq!(kept.blind(erased), Blinded { erased: count, whole: 300 - count }, "again");
    let bytes = fs::read(kept.paths.rows(&kept.range)).unwrap();
    for (value, proof) in &before {
        if is_erased(value) {
            assert_eq!(kept.found(value), Found::Undetermined, "{value}");
            let digest = key_digest(&SALT, value.as_bytes());
            assert!(!bytes.windows(32).any(|window| window == digest), "{value} is still in the file");
        } else {
            assert_eq!(kept.proof(value), *proof, "{value}");
        }
    }
    // What was absent is so still, but where a neighbour is gone.
    let (mut absent, mut open) = (0, 0);
    for number in 0..150 {
        match kept.found(&format!("w{number}")) {
            Found::Nothing => absent += 1,
            Found::Undetermined => open += 1,
            Found::Entries(entries) => panic!("{entries:?}"),
        }
    }
    assert!(absent > 75 && open > 0, "{absent} {open}");
    assert_eq!(kept.blind(0..40).whole, 0);
    assert_eq!(kept.found("v1"), Found::Undetermined);
}

/// Fails one step, before or after it happened.
struct FailAt {
    at: usize,
    done: AtomicUsize,
    after: When,
}

#[derive(Clone, Copy, PartialEq)]
enum When {
    Before,
    After,
}

impl FailAt {
    fn is_now(&self, when: When) -> io::Result<()> {
        let now = when == self.after && self.done.fetch_add(1, Ordering::Relaxed) == self.at;
        if now { Err(io::Error::other("power lost")) } else { Ok(()) }
    }
}

impl Interruption for FailAt {
    fn before(&self, _: Step, _: &Path) -> io::Result<()> {
        self.is_now(When::Before)
    }

    fn after(&self, _: Step, _: &Path) -> io::Result<()> {
        self.is_now(When::After)
    }
}

/// A crash at any step of blinding leaves the file as it was or blinded, and doing it again ends the same.
#[test]
fn blinding_may_be_interrupted_anywhere() {
    let held = numbered(300, 20);
    let erased = BTreeSet::from([2, 5, 6]);
    let whole = keep(&held, 0..20);
    let as_it_was = fs::read(whole.paths.rows(&whole.range)).unwrap();
    whole.blind(erased.clone());
    let blinded = fs::read(whole.paths.rows(&whole.range)).unwrap();
    let mut failures = 0;
    for after in [When::Before, When::After] {
        for at in 0.. {
            let kept = keep(&held, 0..20);
            let disk = Disk::interrupted_by(Arc::new(FailAt { at, done: AtomicUsize::new(0), after }));
            let outcome = IndexFile::blind(&disk, &kept.paths, &kept.range, &erased);
            let left = fs::read(kept.paths.rows(&kept.range)).unwrap();
            assert!(left == as_it_was || left == blinded, "step {at}");
            if outcome.is_ok() {
                break;
            }
            failures += 1;
            kept.blind(erased.clone());
            assert_eq!(fs::read(kept.paths.rows(&kept.range)).unwrap(), blinded, "step {at}");
            assert_eq!(fs::read_dir(kept.paths.folder()).unwrap().count(), 1, "step {at}");
        }
    }
    assert!(failures >= 10, "{failures}");
}

#[test]
fn what_does_not_fit_is_refused() {
    assert!(matches!(IndexBuilder::new(3..3, SALT), Err(IndexFileError::Range { .. })));
    assert!(matches!(IndexBuilder::new(0..INDEX_LEAVES + 1, SALT), Err(IndexFileError::Range { .. })));
    let mut builder = IndexBuilder::new(5..9, SALT).unwrap();
    for leaf in [4, 9] {
        let refused = builder.note(leaf, ("kind", ""), "value");
        assert!(matches!(refused, Err(IndexFileError::LeafOutside { .. })), "{leaf}");
    }
    for (longest_row, fits) in [(32 + 50 * 20, true), (32 + 50 * 20 - 1, false)] {
        let mut builder = IndexBuilder::new(0..9, SALT).unwrap();
        builder.longest_row = longest_row;
        for number in 0..50 {
            builder.note(number % 9, ("kind", &number.to_string()), "value").unwrap();
        }
        assert_eq!(builder.build().is_ok(), fits);
    }
}

/// Tests may leave a file unsynced.
fn overwrite(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    fs::File::create(path).unwrap().write_all(bytes).unwrap();
}
