//! Anchors that are shared, that fail, or that are elsewhere: of two writers one loses and publishes nothing, and a
//! swap whose outcome is unknown is settled by opening the ledger.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Barrier, Mutex};

use crate::proof::verify_consistency;
use crate::tests::fixture::{Fixture, append, copy_folder, key};
use crate::{
    AnchorError, AnchorPlace, AnchorStore, Anchored, CheckpointError, Ledger, LedgerPaths, OpenError,
    SignedCheckpoint,
};

/// An anchor in memory with versions, as an object store has them.
#[derive(Debug, Default)]
struct MemoryAnchor {
    state: Mutex<MemoryState>,
}

#[derive(Debug, Default)]
struct MemoryState {
    held: Option<Anchored>,
    swaps: u64,
    fault: Option<Fault>,
}

/// What goes wrong with the next swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The request is lost.
    Before,
    /// The answer is lost.
    After,
}

impl AnchorStore for MemoryAnchor {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    fn read(&self) -> Result<Option<Anchored>, AnchorError> {
        Ok(self.state.lock().unwrap().held.clone())
    }

    fn replace(&self, expected: Option<&Anchored>, next: &str) -> Result<Anchored, AnchorError> {
        let mut state = self.state.lock().unwrap();
        let version = |anchored: &Anchored| anchored.version.clone();
        if state.held.as_ref().and_then(version) != expected.and_then(version) {
            return Err(AnchorError::moved(self.place(), expected, state.held.as_ref()));
        }
        let fault = state.fault.take();
        let unreachable = || AnchorError::Unreachable {
            act: "replace",
            place: self.place(),
            source: "no answer (test)".into(),
        };
        if fault == Some(Fault::Before) {
            return Err(unreachable());
        }
        state.swaps += 1;
        let next = Anchored { note: next.as_bytes().to_vec(), version: Some(state.swaps.to_string()) };
        state.held = Some(next.clone());
        if fault == Some(Fault::After) { Err(unreachable()) } else { Ok(next) }
    }
}

/// Both kinds of anchor, each new.
fn places(fixture: &Fixture) -> [AnchorPlace; 2] {
    [
        AnchorPlace::Folder(fixture.beside("shared anchor")),
        AnchorPlace::Store(Arc::new(MemoryAnchor::default())),
    ]
}

/// Two ledger folders, each a copy of the other, with one anchor.
fn twins(fixture: &Fixture, name: &str, anchor: &AnchorPlace) -> [LedgerPaths; 2] {
    let at = |side: &str| LedgerPaths::anchored_in(fixture.beside(&format!("{name} {side}")), anchor.clone());
    let twins = [at("left"), at("right")];
    let mut ledger = Ledger::create(&twins[0], key()).unwrap();
    append(&mut ledger, 5).unwrap();
    ledger.checkpoint().unwrap();
    drop(ledger);
    copy_folder(&twins[0].ledger, &twins[1].ledger);
    twins
}

fn published(paths: &LedgerPaths) -> Vec<u8> {
    fs::read(paths.published_checkpoint()).unwrap()
}

#[test]
fn the_second_of_two_writers_with_one_anchor_publishes_nothing() {
    let fixture = Fixture::new();
    for anchor in places(&fixture) {
        let paths = twins(&fixture, &format!("{anchor:?}").replace('/', "-"), &anchor);
        // Each holds the lock of its own folder, so both open.
        let [mut left, mut right] = [0, 1].map(|side| Ledger::open(&paths[side], key()).unwrap().0);
        let before = published(&paths[1]);
        append(&mut left, 3).unwrap();
        append(&mut right, 4).unwrap();
        let won = left.checkpoint().unwrap();
        let lost = right.checkpoint().unwrap_err();
        match &lost {
            CheckpointError::Anchor(AnchorError::Moved {
                expected: Some(expected),
                found: Some(found),
                ..
            }) => {
                assert_eq!((expected.as_bytes(), found.as_str()), (&before[..], won.note()));
            }
            other => panic!("{other}"),
        }
        assert!(lost.to_string().contains(won.note()), "both notes are shown: {lost}");
        assert_eq!(published(&paths[1]), before);
        assert!(matches!(right.checkpoint(), Err(CheckpointError::Poisoned)));
        drop(right);
        // It has entries that were never signed, in the place of those that were.
        assert!(matches!(Ledger::open(&paths[1], key()), Err(OpenError::Fork { .. })));
        assert_eq!(published(&paths[1]), before);
        drop(left);
        Ledger::open(&paths[0], key()).unwrap();
    }
}

#[test]
fn of_two_writers_that_race_exactly_one_publishes() {
    const RACES: usize = 40;
    let fixture = Fixture::new();
    let mut wins = [0; 2];
    for race in 0..RACES {
        let anchor = match race % 2 {
            0 => AnchorPlace::Folder(fixture.beside(&format!("anchor {race}"))),
            _ => AnchorPlace::Store(Arc::new(MemoryAnchor::default())),
        };
        let paths = twins(&fixture, &format!("race {race}"), &anchor);
        let start = Barrier::new(2);
        let results = std::thread::scope(|threads| {
            paths
                .each_ref()
                .map(|paths| {
                    threads.spawn(|| {
                        let (mut ledger, _) = Ledger::open(paths, key()).unwrap();
                        append(&mut ledger, 2).unwrap();
                        start.wait();
                        ledger.checkpoint()
                    })
                })
                .map(|writer| writer.join().unwrap())
        });
        let held = paths[0].anchor_store().read().unwrap().unwrap().note;
        for (side, result) in results.iter().enumerate() {
            match result {
                Ok(checkpoint) => {
                    wins[side] += 1;
                    assert_eq!(checkpoint.note().as_bytes(), held);
                    assert_eq!(published(&paths[side]), held);
                }
                Err(CheckpointError::Anchor(AnchorError::Moved { .. })) => {
                    let behind = SignedCheckpoint::open(&published(&paths[side]), key().verifier()).unwrap();
                    assert_eq!(behind.size(), 5, "the loser published nothing");
                }
                Err(other) => panic!("race {race}: {other}"),
            }
        }
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "race {race}");
    }
    assert_eq!(wins.iter().sum::<usize>(), RACES);
}

#[test]
fn a_swap_without_an_answer_stops_the_writer_and_is_settled_by_opening() {
    let fixture = Fixture::new();
    for fault in [Fault::Before, Fault::After] {
        let anchor = Arc::new(MemoryAnchor::default());
        let paths = LedgerPaths::anchored_in(
            fixture.beside(&format!("{fault:?}")),
            AnchorPlace::Store(Arc::clone(&anchor) as Arc<dyn AnchorStore>),
        );
        let mut ledger = Ledger::create(&paths, key()).unwrap();
        append(&mut ledger, 5).unwrap();
        let first = ledger.checkpoint().unwrap();
        append(&mut ledger, 4).unwrap();
        anchor.state.lock().unwrap().fault = Some(fault);
        let error = ledger.checkpoint().unwrap_err();
        assert!(matches!(error, CheckpointError::Anchor(AnchorError::Unreachable { .. })), "{error}");
        assert_eq!(
            published(&paths),
            first.note().as_bytes(),
            "nothing is published before the swap is known"
        );
        assert!(matches!(append(&mut ledger, 1), Err(crate::AppendError::Poisoned)));
        drop(ledger);
        let (ledger, recovery) = Ledger::open(&paths, key()).unwrap();
        assert_eq!((ledger.size(), ledger.committed().size()), (9, 9));
        assert_eq!(recovery.publication_finished, fault == Fault::After);
        assert_eq!(published(&paths), anchor.read().unwrap().unwrap().note);
        let reader = ledger.reader().unwrap();
        let proof = reader.consistency_proof(first.size()).unwrap();
        let heads = (first.checkpoint().tree_head(), ledger.committed().checkpoint().tree_head());
        assert_eq!(verify_consistency(heads.0, heads.1, &proof), Ok(()));
    }
}

#[test]
fn a_ledger_put_back_is_found_out_by_an_anchor_elsewhere() {
    let fixture = Fixture::new();
    let anchor = AnchorPlace::Store(Arc::new(MemoryAnchor::default()));
    let [paths, old] = twins(&fixture, "restored", &anchor);
    let (mut ledger, _) = Ledger::open(&paths, key()).unwrap();
    append(&mut ledger, 4).unwrap();
    let newest = ledger.checkpoint().unwrap();
    drop(ledger);
    match Ledger::open(&old, key()) {
        Err(error @ OpenError::Rollback { anchor_size: 9, durable_size: 5, .. }) => {
            let shown = error.to_string();
            assert!(shown.contains(newest.note()), "{shown}");
            assert!(shown.contains(&String::from_utf8(published(&old)).unwrap()), "{shown}");
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
    let report = crate::verify(&old, key().verifier(), &|_| {});
    let named: Vec<&PathBuf> = report.problems.iter().map(|problem| &problem.path).collect();
    assert_eq!(named, [&old.published_checkpoint()], "it is not the anchor's");
}
