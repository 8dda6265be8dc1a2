//! Erasure: nothing of what is erased stays in any file, nothing else changes by a byte, and a crash at any step leaves
//! a ledger in which it goes on.

use std::collections::BTreeSet;
use std::fs;

use crate::durable::Disk;
use crate::erase::{EraseError, Erasure};
use crate::proof::{verify_consistency, verify_inclusion};
use crate::tests::crash::{FailingDisk, Leaves, Moment};
use crate::tests::fixture::{Fixture, append, copy_folder, key, leaf_hashes, put};
use crate::{Cause, Hash, LeafAt, Ledger, OpenError, ReadError, Reader, Salt, Tombstone};

/// Records, rejects and the object in both a full segment and the one that grows.
const ERASED: [u64; 8] = [1, 2, 3, 50, 100, 255, 256, 290];
const ENTRIES: u64 = 300;

fn filled() -> Fixture {
    Fixture::committed(&[3, 250, 40, 7])
}

fn tombstone() -> Tombstone {
    Tombstone::of(ERASED, vec![("rule".to_owned(), "test".to_owned())])
}

fn erase(ledger: &mut Ledger) -> Result<Erasure, EraseError> {
    let erasure = match ledger.erasure_under_way()? {
        Some(erasure) => erasure,
        None => ledger.begin_erasure(tombstone(), 7)?,
    };
    ledger.erase(&erasure)?;
    ledger.end_erasure(&erasure)?;
    Ok(erasure)
}

/// What somebody could hold of the ledger before.
struct Held {
    hashes: Vec<Hash>,
    /// Of every 23rd leaf: enough to need every tile.
    inclusion: Vec<(u64, Vec<Hash>)>,
    salts: Vec<Salt>,
    note: String,
    tiles: Vec<(std::path::PathBuf, Vec<u8>)>,
}

impl Held {
    fn of(fixture: &Fixture) -> Self {
        let reader = fixture.reader();
        let tile = fixture.paths.ledger.join("tile");
        Self {
            hashes: leaf_hashes(&reader),
            inclusion: (0..reader.size())
                .step_by(23)
                .map(|leaf| (leaf, reader.inclusion_proof(leaf).unwrap()))
                .collect(),
            salts: ERASED
                .iter()
                .flat_map(|leaf| {
                    let salts = reader.salts(*leaf).unwrap();
                    salts.captured.into_iter().chain(salts.received)
                })
                .collect(),
            note: reader.checkpoint().note().to_owned(),
            // Full tiles: partial ones go when they become full.
            tiles: fixture
                .files()
                .into_iter()
                .filter(|(path, _)| path.starts_with(&tile) && !path.to_string_lossy().contains(".p/"))
                .collect(),
        }
    }

    /// Everything that was held is still true, byte for byte.
    fn assert_holds(&self, fixture: &Fixture, context: &str) {
        let reader = fixture.reader();
        assert_eq!(leaf_hashes(&reader)[..self.hashes.len()], self.hashes, "{context}");
        let earlier = crate::SignedCheckpoint::open(self.note.as_bytes(), key().verifier()).unwrap();
        let at_earlier = Reader::at(&fixture.paths, earlier.clone()).unwrap();
        for (leaf, proof) in &self.inclusion {
            assert_eq!(&at_earlier.inclusion_proof(*leaf).unwrap(), proof, "{context}: {leaf}");
            let at = LeafAt { index: *leaf, hash: self.hashes[*leaf as usize] };
            assert_eq!(verify_inclusion(at, earlier.checkpoint().tree_head(), proof), Ok(()));
        }
        let proof = reader.consistency_proof(earlier.size()).unwrap();
        let heads = (earlier.checkpoint().tree_head(), reader.checkpoint().checkpoint().tree_head());
        assert_eq!(verify_consistency(heads.0, heads.1, &proof), Ok(()), "{context}");
        for (path, bytes) in &self.tiles {
            assert_eq!(&fs::read(path).unwrap(), bytes, "{context}: {}", path.display());
        }
    }

    fn assert_gone(&self, fixture: &Fixture, context: &str) {
        let reader = fixture.reader();
        for leaf in 0..ENTRIES {
            let entry = reader.proven_entry(leaf).unwrap();
            let salts = reader.salts(leaf).unwrap();
            if ERASED.contains(&leaf) {
                assert_eq!(entry.captured(), None, "{context}: {leaf}");
                assert!(matches!(entry.kept(), Err(ReadError::Erased { leaf: found }) if found == leaf));
                assert_eq!((salts.captured, salts.received), (None, None), "{context}: {leaf}");
            } else {
                assert_eq!(entry.captured(), Some(format!("record {leaf}").as_bytes()), "{context}");
                assert!(salts.captured.is_some(), "{context}: {leaf}");
            }
        }
        for (path, bytes) in fixture.files() {
            for salt in &self.salts {
                let found = bytes.windows(salt.len()).any(|window| window == salt);
                assert!(!found, "{context}: a salt is still in `{}`", path.display());
            }
        }
    }
}

#[test]
fn what_is_erased_is_in_no_file_and_everything_else_is_as_it_was() {
    let fixture = filled();
    let held = Held::of(&fixture);
    assert_eq!(held.salts.len(), ERASED.len() + 3, "three of them are withheld in part");
    let (mut ledger, _) = fixture.open().unwrap();
    let erasure = ledger.begin_erasure(tombstone(), 7).unwrap();
    assert_eq!(erasure.leaf, ENTRIES);
    // A reader that has been there since before goes on.
    let reader = fixture.reader();
    assert!(reader.entry(1).unwrap().captured().is_some());
    let erased = ledger.erase(&erasure).unwrap();
    let bytes: usize = ERASED.iter().map(|leaf| format!("record {leaf}").len()).sum();
    assert_eq!((erased.entries, erased.bytes, erased.segments), (ERASED.len() as u64, bytes as u64, 2));
    assert_eq!(ledger.erase(&erasure).unwrap().segments, 0, "a second run has nothing to do");
    assert_eq!(reader.entry(299).unwrap().captured(), Some(b"record 299".as_slice()));
    ledger.end_erasure(&erasure).unwrap();
    fixture.assert_clean("erased");
    held.assert_holds(&fixture, "erased");
    held.assert_gone(&fixture, "erased");
    assert_eq!(fixture.verify().counts.erased, ERASED.len() as u64);
    // It goes on growing, in this process and the next.
    append(&mut ledger, 30).unwrap();
    ledger.checkpoint().unwrap();
    fixture.assert_clean("grown");
    drop(ledger);
    let (mut ledger, recovery) = fixture.open().unwrap();
    assert_eq!((recovery.leftovers_removed, recovery.record_bytes_cut), (0, 0));
    append(&mut ledger, 300).unwrap();
    ledger.checkpoint().unwrap();
    fixture.assert_clean("grown further");
    held.assert_gone(&fixture, "grown further");
    held.assert_holds(&fixture, "grown further");
}

#[test]
fn tiles_lost_after_an_erasure_are_written_again() {
    let fixture = filled();
    let (mut ledger, _) = fixture.open().unwrap();
    erase(&mut ledger).unwrap();
    drop(ledger);
    let held = Held::of(&fixture);
    fs::remove_dir_all(fixture.paths.ledger.join("tile")).unwrap();
    let (ledger, recovery) = fixture.open().unwrap();
    assert!(recovery.rebuilt.files > 0);
    drop(ledger);
    held.assert_holds(&fixture, "rebuilt");
    fixture.assert_clean("rebuilt");
}

#[test]
fn a_crash_at_any_step_of_an_erasure_is_gone_on_from() {
    let workload = |fixture: &Fixture, disk: &std::sync::Arc<FailingDisk>| -> Result<(), String> {
        let disk = Disk::interrupted_by(disk.clone());
        let (mut ledger, _) = fixture.open_on(disk).map_err(|error| error.to_string())?;
        erase(&mut ledger).map(drop).map_err(|error| error.to_string())
    };
    let model = filled();
    let counting = FailingDisk::new(usize::MAX, Moment::Before);
    let copy = Fixture::new();
    copy_fixture(&model, &copy);
    workload(&copy, &counting).unwrap();
    let held = Held::of(&model);
    let (mut finished, mut runs) = (BTreeSet::new(), 0);
    for fail_at in 0..counting.steps() {
        for moment in [Moment::Before, Moment::After] {
            for leaves in [Leaves::Everything, Leaves::Nothing, Leaves::Halves] {
                let fixture = Fixture::new();
                copy_fixture(&model, &fixture);
                let failing = FailingDisk::knowing(&fixture, fail_at, moment);
                let failed = workload(&fixture, &failing).unwrap_err();
                failing.crash(&fixture, leaves);
                runs += 1;
                let context = format!("step {fail_at} {moment:?}, crash leaves {leaves:?}: {failed}");
                let (mut ledger, _) = fixture.open().unwrap_or_else(|error| panic!("{context}: {error}"));
                fixture.assert_clean(&context);
                finished.insert(ledger.erasure_under_way().unwrap().is_some());
                erase(&mut ledger).unwrap_or_else(|error| panic!("{context}: {error}"));
                held.assert_holds(&fixture, &context);
                held.assert_gone(&fixture, &context);
                append(&mut ledger, 5).unwrap();
                ledger.checkpoint().unwrap();
                fixture.assert_clean(&context);
            }
        }
    }
    assert_eq!(finished.len(), 2, "some crashes were before the tombstone, some behind it");
    eprintln!("{runs} crashes at {} steps of an erasure, all gone on from", counting.steps());
}

fn copy_fixture(from: &Fixture, to: &Fixture) {
    copy_folder(&from.paths.ledger, &to.paths.ledger);
    copy_folder(&from.anchor(), &to.anchor());
}

#[test]
fn what_cannot_be_erased_changes_nothing() {
    let fixture = filled();
    let (mut ledger, _) = fixture.open().unwrap();
    let before = fixture.files();
    let of = |leaves: &[u64]| Tombstone::of(leaves.iter().copied(), Vec::new());
    let unwritable = Tombstone::of([2], vec![("rule".to_owned(), "two\nlines".to_owned())]);
    assert!(matches!(ledger.begin_erasure(of(&[]), 0), Err(EraseError::Form)));
    assert!(matches!(ledger.begin_erasure(unwritable, 0), Err(EraseError::Form)));
    assert!(matches!(ledger.begin_erasure(of(&[0]), 0), Err(EraseError::Kind { leaf: 0, .. })));
    assert!(matches!(
        ledger.begin_erasure(of(&[2, ENTRIES]), 0),
        Err(EraseError::BeyondCheckpoint { leaf: ENTRIES, size: ENTRIES })
    ));
    assert_eq!(fixture.files(), before);
    let erasure = ledger.begin_erasure(tombstone(), 7).unwrap();
    assert!(
        matches!(ledger.begin_erasure(of(&[9]), 8), Err(EraseError::UnderWay { leaf }) if leaf == erasure.leaf)
    );
    ledger.erase(&erasure).unwrap();
    ledger.end_erasure(&erasure).unwrap();
    assert!(matches!(ledger.begin_erasure(of(&[ENTRIES]), 0), Err(EraseError::Kind { leaf: ENTRIES, .. })));
    // Named again: nothing is left to destroy.
    let again = ledger.begin_erasure(tombstone(), 9).unwrap();
    assert_eq!(ledger.erase(&again).unwrap().entries, 0);
    ledger.end_erasure(&again).unwrap();
    fixture.assert_clean("erased twice");
}

#[test]
fn bytes_that_are_gone_without_a_tombstone_are_named_and_so_are_those_that_are_still_there() {
    let fixture = filled();
    let (mut ledger, _) = fixture.open().unwrap();
    let made_up = Erasure { leaf: 9, tombstone: Tombstone::of([4, 5, 270], Vec::new()) };
    ledger.erase(&made_up).unwrap();
    let found: Vec<_> =
        fixture.verify().problems.into_iter().map(|problem| (problem.place, problem.cause)).collect();
    assert!(
        matches!(
            found.as_slice(),
            [
                (crate::Place::Leaf(4), Cause::ErasedWithoutTombstone { end: 6 }),
                (crate::Place::Leaf(270), Cause::ErasedWithoutTombstone { end: 271 }),
            ]
        ),
        "{found:?}"
    );
    let fixture = filled();
    let (mut ledger, _) = fixture.open().unwrap();
    ledger.begin_erasure(tombstone(), 7).unwrap();
    fixture.assert_clean("under way");
    fs::remove_file(fixture.paths.ledger.join("erasure")).unwrap();
    let problems = fixture.verify().problems;
    assert_eq!(problems.len(), 5, "{problems:?}");
    assert!(
        problems.iter().all(|problem| matches!(problem.cause, Cause::NotErased { tombstone: ENTRIES, .. }))
    );
}

#[test]
fn an_entry_without_its_salt_is_believed_only_if_its_bytes_are_gone() {
    let fixture = filled();
    let id = crate::paths::SegmentId { index: 0, generation: 0 };
    let path = fixture.paths.segment(id, crate::paths::SegmentPart::Salts);
    let salts = crate::segment_file::read_salts(&Disk::default(), &path, id).unwrap();
    let mut bytes = salts.header.unwrap().encode().to_vec();
    for mut chunk in salts.chunks {
        chunk.salts.iter_mut().for_each(|salts| salts.captured = None);
        bytes.extend(chunk.encode());
    }
    put(&path, &bytes);
    assert!(matches!(fixture.reader().proven_entry(4), Err(ReadError::NotCommitted { leaf: 4 })));
    assert!(!fixture.verify().is_clean());
}

#[test]
fn a_generation_with_other_entries_does_not_replace_the_one_before() {
    let (fixture, other) = (filled(), filled());
    let (mut ledger, _) = other.open().unwrap();
    erase(&mut ledger).unwrap();
    drop(ledger);
    let before = fixture.files();
    for part in ["seg", "salt"] {
        let name = format!("segment/00000000.1.{part}");
        put(&fixture.paths.ledger.join(&name), &fs::read(other.paths.ledger.join(&name)).unwrap());
    }
    // Leaves 0 to 255 of both ledgers hold the same bytes under other salts, so the envelopes differ.
    assert!(matches!(fixture.open(), Err(OpenError::Generations { leaf: 0, .. })));
    assert!(fixture.verify().problems.iter().any(|problem| matches!(problem.cause, Cause::Leftover)));
    for (path, bytes) in before {
        assert_eq!(fs::read(&path).unwrap(), bytes, "{}", path.display());
    }
}
