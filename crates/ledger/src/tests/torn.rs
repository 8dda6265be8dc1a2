//! Writes torn by a crash, at every byte: what was acknowledged stays, what was not is cut, and nothing in between.

use std::fs::{self, OpenOptions};
use std::path::Path;

use crate::paths::{SegmentId, SegmentPart};
use crate::tests::fixture::{Fixture, append, copy_folder, leaf_hashes, put};
use crate::{Hash, OpenError};

const FIRST: SegmentId = SegmentId { index: 0, generation: 0 };

fn cut(path: &Path, length: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

/// A ledger with ten committed entries, and after that one commit of three that no checkpoint covers.
struct Torn {
    fixture: Fixture,
    /// Bytes of segment and salts before and after the last commit.
    before: (u64, u64),
    after: (u64, u64),
}

impl Torn {
    fn new() -> Self {
        let fixture = Fixture::new();
        let mut ledger = fixture.create();
        let lengths = |fixture: &Fixture| {
            let length = |part| fs::metadata(fixture.paths.segment(FIRST, part)).unwrap().len();
            (length(SegmentPart::Blocks), length(SegmentPart::Salts))
        };
        append(&mut ledger, 10).unwrap();
        ledger.checkpoint().unwrap();
        let before = lengths(&fixture);
        append(&mut ledger, 3).unwrap();
        let after = lengths(&fixture);
        drop(ledger);
        copy_folder(&fixture.paths.ledger, &fixture.beside("whole"));
        copy_folder(&fixture.anchor(), &fixture.beside("whole anchor"));
        Self { fixture, before, after }
    }

    fn restore(&self) {
        fs::remove_dir_all(&self.fixture.paths.ledger).unwrap();
        copy_folder(&self.fixture.beside("whole"), &self.fixture.paths.ledger);
        copy_folder(&self.fixture.beside("whole anchor"), &self.fixture.anchor());
    }

    fn path(&self, part: SegmentPart) -> std::path::PathBuf {
        self.fixture.paths.segment(FIRST, part)
    }

    fn open_and_check(&self, context: &str) -> Vec<Hash> {
        let (mut ledger, _) = self.fixture.open().unwrap_or_else(|error| panic!("{context}: {error}"));
        self.fixture.assert_clean(context);
        let leaves = leaf_hashes(&self.fixture.reader());
        // It goes on as if nothing had happened.
        append(&mut ledger, 2).unwrap();
        ledger.checkpoint().unwrap();
        self.fixture.assert_clean(context);
        assert_eq!(leaf_hashes(&self.fixture.reader())[..leaves.len()], leaves);
        leaves
    }
}

#[test]
fn salts_cut_anywhere_in_the_last_commit_take_their_blocks_along() {
    let torn = Torn::new();
    let whole = torn.open_and_check("whole");
    assert_eq!(whole.len(), 13);
    for length in torn.before.1..torn.after.1 {
        torn.restore();
        cut(&torn.path(SegmentPart::Salts), length);
        let report = torn.fixture.verify();
        assert!(report.is_clean() && report.counts.unacknowledged_bytes > 0, "{length}");
        assert_eq!(torn.open_and_check(&format!("salts cut at {length}")), whole[..10]);
    }
}

#[test]
fn blocks_cut_before_their_salts_were_written() {
    let torn = Torn::new();
    for length in torn.before.0..=torn.after.0 {
        torn.restore();
        cut(&torn.path(SegmentPart::Salts), torn.before.1);
        cut(&torn.path(SegmentPart::Blocks), length);
        let (ledger, recovery) = torn.fixture.open().unwrap();
        assert_eq!((ledger.size(), recovery.record_bytes_cut), (10, length - torn.before.0));
        drop(ledger);
        torn.open_and_check(&format!("blocks cut at {length}"));
    }
}

#[test]
fn acknowledged_blocks_that_are_gone_are_damage() {
    let torn = Torn::new();
    for length in 0..torn.after.0 {
        torn.restore();
        cut(&torn.path(SegmentPart::Blocks), length);
        let error = torn.fixture.open().unwrap_err();
        assert!(matches!(error, OpenError::File(_)), "blocks cut at {length}: {error}");
        assert!(!torn.fixture.verify().is_clean(), "blocks cut at {length}");
    }
}

#[test]
fn committed_salts_that_are_gone_are_a_rollback() {
    let torn = Torn::new();
    for length in 0..torn.before.1 {
        torn.restore();
        cut(&torn.path(SegmentPart::Salts), length);
        match torn.fixture.open() {
            Err(OpenError::Rollback {
                anchor_size: 10,
                durable_size: 0,
                anchor,
                published: Some(published),
            }) => {
                assert_eq!(anchor, published);
            }
            other => panic!("salts cut at {length}: {other:?}"),
        }
        assert!(!torn.fixture.verify().is_clean(), "salts cut at {length}");
    }
}

#[test]
fn sectors_that_were_not_written() {
    let torn = Torn::new();
    let salts = fs::read(torn.fixture.beside("whole/segment/00000000.0.salt")).unwrap();
    let start = torn.before.1 as usize;
    for sector in (start - start % 512..salts.len()).step_by(512) {
        torn.restore();
        let mut zeroed = salts.clone();
        zeroed[sector.max(start)..(sector + 512).min(salts.len())].fill(0);
        put(&torn.path(SegmentPart::Salts), &zeroed);
        assert_eq!(torn.open_and_check(&format!("sector at {sector}")).len(), 10);
    }
    // Flipped instead, the same bytes are damage: no crash does that.
    torn.restore();
    let mut flipped = salts;
    flipped[start + 50] ^= 1;
    put(&torn.path(SegmentPart::Salts), &flipped);
    assert!(matches!(torn.fixture.open(), Err(OpenError::File(_))));
}

#[test]
fn the_footer_of_a_full_segment_is_derived() {
    let fixture = Fixture::committed(&[3, 253]);
    let path = fixture.paths.segment(FIRST, SegmentPart::Blocks);
    let whole = fs::read(&path).unwrap();
    // Two blocks of 16 bytes each and a tail of 16.
    for length in whole.len() - 48..whole.len() {
        cut(&path, length as u64);
        assert!(!fixture.verify().is_clean(), "{length}");
        let (ledger, recovery) = fixture.open().unwrap();
        assert_eq!((ledger.size(), recovery.footers_written), (256, 1), "{length}");
        assert_eq!(fs::read(&path).unwrap(), whole, "{length}");
        fixture.assert_clean("after the footer was written again");
    }
}

#[test]
fn derived_files_torn_by_a_crash_are_written_again() {
    let torn = Torn::new();
    let whole = torn.open_and_check("whole");
    for name in ["tile/0/000.p/10", "tile/entries/000.p/10"] {
        for length in [None, Some(0), Some(31), Some(100)] {
            torn.restore();
            let path = torn.fixture.paths.ledger.join(name);
            match length {
                Some(length) => cut(&path, length),
                None => fs::remove_file(&path).unwrap(),
            }
            assert!(!torn.fixture.verify().is_clean(), "{name} {length:?}");
            let (ledger, recovery) = torn.fixture.open().unwrap();
            assert_eq!(recovery.rebuilt.files, 1, "{name} {length:?}");
            drop(ledger);
            assert_eq!(torn.open_and_check(name), whole);
        }
    }
}
