//! Ledgers altered by someone: every flipped byte, missing and foreign files, older copies, forks.

use std::fs;
use std::path::Path;

use crate::tests::fixture::{Fixture, append, copy_folder, key, put};
use crate::{AnchorError, Cause, CheckpointError, KeyPair, Ledger, LedgerPaths, OpenError, Place, verify};

/// One more than a tile, so that there are full and partial tiles on two levels, a full segment with a footer, and
/// one without.
const SIZE: u64 = 258;

/// Flips one bit of every `stride`-th byte of every file, each time in an otherwise whole ledger.
fn flip_bytes(fixture: &Fixture, stride: usize) -> usize {
    fixture.assert_clean("before");
    let mut flips = 0;
    for (path, bytes) in fixture.files() {
        for offset in (0..bytes.len()).step_by(stride) {
            let mut flipped = bytes.clone();
            flipped[offset] ^= 1 << (offset % 8);
            put(&path, &flipped);
            let report = fixture.verify();
            assert!(!report.is_clean(), "{} byte {offset}", path.display());
            flips += 1;
        }
        put(&path, &bytes);
    }
    fixture.assert_clean("after");
    flips
}

#[test]
fn every_flipped_byte_of_a_small_ledger_is_reported() {
    let fixture = Fixture::committed(&[2, 9]);
    assert!(flip_bytes(&fixture, 1) > 2_000);
}

/// All bytes with `ASCRIBE_EXHAUSTIVE` set, which takes a minute, and every 61st otherwise.
#[test]
#[expect(clippy::disallowed_methods, reason = "a switch of this test alone")]
fn flipped_bytes_of_a_ledger_with_full_tiles_are_reported() {
    let fixture = Fixture::committed(&[3, SIZE - 3]);
    let stride = if std::env::var("ASCRIBE_EXHAUSTIVE").is_ok() { 1 } else { 61 };
    let flips = flip_bytes(&fixture, stride);
    eprintln!("{flips} flips, all reported");
    assert!(flips > 500);
}

#[test]
fn missing_cut_lengthened_and_foreign_files_are_reported_by_name() {
    let fixture = Fixture::committed(&[3, SIZE - 3]);
    let reported = |path: &Path| fixture.verify().problems.iter().any(|problem| problem.path == path);
    for (path, bytes) in fixture.files() {
        fs::remove_file(&path).unwrap();
        assert!(reported(&path), "{} removed", path.display());
        put(&path, &bytes[..bytes.len() - 1]);
        assert!(reported(&path), "{} cut", path.display());
        put(&path, &[&bytes[..], b"\n"].concat());
        // What follows in the last segment may be an entry that is being written.
        let growing = path.ends_with("segment/00000001.0.seg") || path.ends_with("segment/00000001.0.salt");
        assert!(reported(&path) != growing, "{} lengthened", path.display());
        put(&path, &bytes);
    }
    for name in
        ["tile/0/002", "tile/0/001.p/200", "tile/5/000", "tile/entries/readme", "segment/00000001.seg", "x"]
    {
        let path = fixture.paths.ledger.join(name);
        put(&path, b"foreign");
        assert!(reported(&path), "{name}");
        fs::remove_file(&path).unwrap();
    }
    let stale = fixture.paths.ledger.join("tile/0/000.p/3");
    put(&stale, &[0; 96]);
    assert!(reported(&stale), "a partial tile that is not the beginning of its tile");
    let whole = fs::read(fixture.paths.ledger.join("tile/0/000")).unwrap();
    put(&stale, &whole[..96]);
    fixture.assert_clean("a partial tile of an earlier checkpoint");
}

#[test]
fn a_problem_says_where_and_what() {
    let fixture = Fixture::committed(&[3, SIZE - 3]);
    let tile = fixture.paths.ledger.join("tile/0/000");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[7 * 32] ^= 1;
    put(&tile, &bytes);
    let report = fixture.verify();
    assert_eq!(report.problems.len(), 1);
    let problem = &report.problems[0];
    assert_eq!((&problem.path, problem.place), (&tile, Place::Offset(7 * 32)));
    assert!(matches!(&problem.cause, Cause::TileHash { expected, found } if expected != found), "{problem}");
}

#[test]
fn all_problems_are_found_not_the_first_alone() {
    let fixture = Fixture::committed(&[3, SIZE - 3]);
    let names = ["tile/0/000", "tile/1/000.p/1", "tile/entries/000", "segment/00000001.0.seg"];
    for name in names {
        let path = fixture.paths.ledger.join(name);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        put(&path, &bytes);
    }
    let report = fixture.verify();
    for name in names {
        let path = fixture.paths.ledger.join(name);
        assert!(report.problems.iter().any(|problem| problem.path == path), "{name}: {:?}", report.problems);
    }
}

#[test]
fn counts_add_up() {
    let report = Fixture::committed(&[3, SIZE - 3]).verify();
    let counts = report.counts;
    let of = |name: &str| -> u64 {
        counts.entries.iter().filter(|(kind, _)| kind.name() == name).map(|(_, count)| *count).sum()
    };
    assert_eq!([of("stream"), of("object"), of("reject"), of("record")], [1, 1, 5, SIZE - 7]);
    assert_eq!((counts.segments, counts.blocks, counts.salts), (2, 3, SIZE));
    assert_eq!((counts.tiles, counts.bundles, counts.unacknowledged_bytes), (3, 2, 0));
    let captured: u64 = (0..SIZE).map(|leaf| format!("record {leaf}").len() as u64).sum();
    assert_eq!((counts.captured_bytes, counts.entries_uncommitted), (captured, 0));
}

#[test]
fn interior_tiles_are_rebuilt_on_request_only() {
    let fixture = Fixture::committed(&[3, SIZE - 3]);
    for name in ["tile/0/000", "tile/entries/000"] {
        let path = fixture.paths.ledger.join(name);
        put(&path, b"");
        assert!(!fixture.verify().is_clean(), "{name}");
        let (mut ledger, _) = fixture.open().unwrap();
        assert_eq!(ledger.rebuild_tiles().unwrap().files, 1, "{name}");
        fixture.assert_clean(name);
    }
}

#[test]
fn an_older_copy_is_a_rollback() {
    let fixture = Fixture::committed(&[5]);
    let copy = fixture.beside("older");
    copy_folder(&fixture.paths.ledger, &copy);
    let (mut ledger, _) = fixture.open().unwrap();
    append(&mut ledger, 4).unwrap();
    let newest = ledger.checkpoint().unwrap();
    drop(ledger);
    let paths = LedgerPaths::new(&copy, fixture.anchor());
    match Ledger::open(&paths, key()) {
        Err(OpenError::Rollback { anchor_size: 9, durable_size: 5, anchor, published: Some(published) }) => {
            assert_eq!(anchor, newest.note());
            assert!(published.contains("\n5\n"), "{published}");
        }
        other => panic!("{other:?}"),
    }
    assert!(!verify(&paths, key().verifier(), &|_| {}).is_clean());
}

#[test]
fn an_older_anchor_and_a_missing_one_are_refused() {
    let fixture = Fixture::committed(&[5]);
    let copy = fixture.beside("older anchor");
    copy_folder(&fixture.anchor(), &copy);
    let (mut ledger, _) = fixture.open().unwrap();
    append(&mut ledger, 4).unwrap();
    ledger.checkpoint().unwrap();
    drop(ledger);
    let older = LedgerPaths::new(&fixture.paths.ledger, &copy);
    assert!(matches!(
        Ledger::open(&older, key()),
        Err(OpenError::PublishedAhead { anchor_size: 5, published_size: 9, .. })
    ));
    let missing = LedgerPaths::new(&fixture.paths.ledger, fixture.beside("no anchor"));
    assert!(matches!(
        Ledger::open(&missing, key()),
        Err(OpenError::AnchorMissing { published: Some(_), .. })
    ));
    fs::remove_file(fixture.paths.published_checkpoint()).unwrap();
    assert!(matches!(Ledger::open(&missing, key()), Err(OpenError::AnchorMissing { published: None, .. })));
    let (_, recovery) = fixture.open().unwrap();
    assert!(recovery.publication_finished);
    fixture.assert_clean("a published checkpoint that was removed comes from the anchor");
}

#[test]
fn forks_are_refused_with_both_sides() {
    let left = Fixture::committed(&[5]);
    let right = Fixture::new();
    copy_folder(&left.paths.ledger, &right.paths.ledger);
    copy_folder(&left.anchor(), &right.anchor());
    for fixture in [&left, &right] {
        let (mut ledger, _) = fixture.open().unwrap();
        append(&mut ledger, 4).unwrap();
        ledger.checkpoint().unwrap();
    }
    // Salts are random, so equal records give unequal trees.
    let crossed = LedgerPaths::new(&left.paths.ledger, right.anchor());
    match Ledger::open(&crossed, key()) {
        Err(OpenError::Fork { size: 9, signed, found }) => {
            assert!(signed != found && found.contains("\u{2014} "));
        }
        other => panic!("{other:?}"),
    }
    // Without the published note, the files themselves give the other tree away.
    fs::remove_file(left.paths.published_checkpoint()).unwrap();
    assert!(matches!(Ledger::open(&crossed, key()), Err(OpenError::Fork { size: 9, .. })));
    // An earlier published checkpoint of the other tree.
    let (mut ledger, _) = right.open().unwrap();
    append(&mut ledger, 3).unwrap();
    ledger.checkpoint().unwrap();
    drop(ledger);
    let note = fs::read(left.anchor().join("checkpoint")).unwrap();
    put(&right.paths.published_checkpoint(), &note);
    assert!(matches!(right.open(), Err(OpenError::Fork { size: 9, .. })));
}

#[test]
fn a_checkpoint_of_another_key_or_origin_is_refused() {
    let fixture = Fixture::committed(&[5]);
    let other = KeyPair::from_seed("example.com/ledger", [8; 32]).unwrap();
    assert!(matches!(Ledger::open(&fixture.paths, other), Err(OpenError::AnchorRefused { .. })));
    let foreign = key().sign_note("example.com/other\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    put(&fixture.paths.published_checkpoint(), foreign.as_bytes());
    assert!(matches!(fixture.open(), Err(OpenError::PublishedRefused { .. })));
}

#[test]
fn an_anchor_that_moved_stops_the_writer() {
    let fixture = Fixture::committed(&[5]);
    let (mut ledger, _) = fixture.open().unwrap();
    append(&mut ledger, 1).unwrap();
    put(&fixture.anchor().join("checkpoint"), b"another writer's");
    assert!(matches!(ledger.checkpoint(), Err(CheckpointError::Anchor(AnchorError::Moved { .. }))));
    assert!(matches!(ledger.checkpoint(), Err(CheckpointError::Poisoned)));
}
