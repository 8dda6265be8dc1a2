//! Which files a ledger consists of at sizes around the widths of tiles and segments.

use std::collections::BTreeSet;

use crate::tests::fixture::{Fixture, append, key};
use crate::{Ledger, Reader};

/// Tiles and bundles at one size, full ones as a range.
fn expected_tiles(size: u64) -> BTreeSet<String> {
    let mut expected = BTreeSet::new();
    let mut name = |kind: &str, hashes: u64| {
        let path = |index: u64| match index {
            0..1000 => format!("{index:03}"),
            _ => format!("x{:03}/{:03}", index / 1000, index % 1000),
        };
        expected.extend((0..hashes / 256).map(|index| format!("tile/{kind}/{}", path(index))));
        if !hashes.is_multiple_of(256) {
            expected.insert(format!("tile/{kind}/{}.p/{}", path(hashes / 256), hashes % 256));
        }
    };
    name("entries", size);
    for level in 0..3 {
        name(&level.to_string(), size >> (8 * level));
    }
    expected
}

#[test]
fn tiles_at_sizes_around_their_widths() {
    for size in [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000] {
        let fixture = Fixture::new();
        let mut ledger = Ledger::create(&fixture.paths, key()).unwrap();
        for batch in (0..size).step_by(10_000) {
            append(&mut ledger, (size - batch).min(10_000)).unwrap();
        }
        ledger.checkpoint().unwrap();
        let found: BTreeSet<String> = fixture
            .files()
            .into_iter()
            .filter_map(|(path, _)| {
                path.strip_prefix(&fixture.paths.ledger).map(|path| path.display().to_string()).ok()
            })
            .filter(|name| name.starts_with("tile/"))
            .collect();
        assert_eq!(found, expected_tiles(size), "{size}");
        let segments =
            fixture.files().iter().filter(|(path, _)| path.extension().is_some_and(|it| it == "seg")).count();
        assert_eq!(segments as u64, size.div_ceil(65_536), "{size}");
        fixture.assert_clean(&size.to_string());
        drop(ledger);
        let (ledger, recovery) = fixture.open().unwrap();
        assert_eq!((ledger.size(), recovery.rebuilt.files, recovery.footers_written), (size, 0, 0));
    }
}

#[test]
fn partial_tiles_stay_until_the_full_one_is_published() {
    let fixture = Fixture::new();
    let mut ledger = fixture.create();
    let has = |name: &str| fixture.paths.ledger.join(name).exists();
    append(&mut ledger, 3).unwrap();
    ledger.checkpoint().unwrap();
    let kept = Reader::at(&fixture.paths, ledger.committed().clone()).unwrap();
    append(&mut ledger, 200).unwrap();
    ledger.checkpoint().unwrap();
    assert!(has("tile/0/000.p/3") && has("tile/0/000.p/203") && has("tile/entries/000.p/3"));
    append(&mut ledger, 100).unwrap();
    assert!(has("tile/0/000.p/203"), "no checkpoint covers the full tile yet");
    ledger.checkpoint().unwrap();
    assert!(has("tile/0/000") && !has("tile/0/000.p") && !has("tile/entries/000.p"));
    assert!(has("tile/0/001.p/47") && has("tile/1/000.p/1"));
    fixture.assert_clean("after three checkpoints");
    assert_eq!(
        kept.inclusion_proof(1).unwrap().len(),
        2,
        "a reader at an earlier checkpoint reads the full tile"
    );
}
