//! A ledger as its callers use it: made, appended to, committed, read, closed and opened again.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

use std::path::Path;

use ascribe_ledger::{
    AppendError, CreateError, Draft, EMPTY_ROOT, KeyPair, Kind, LeafAt, Ledger, LedgerPaths, LockError,
    MAX_RECORD_BYTES, OpenError, ReadError, Reader, Recovery, Span, commit_captured, commit_received,
    proof::{verify_consistency, verify_inclusion},
};

const ORIGIN: &str = "example.com/ledger";

fn key() -> KeyPair {
    KeyPair::from_seed(ORIGIN, [1; 32]).unwrap()
}

fn paths(folder: &Path) -> LedgerPaths {
    LedgerPaths::new(folder.join("ledger"), folder.join("anchor"))
}

fn record(captured: &[u8]) -> Draft<'_> {
    Draft {
        kind: Kind::Record,
        stream: None,
        object: None,
        span: None,
        received_at: 7,
        captured,
        received: None,
    }
}

#[test]
fn entries_come_back_with_proofs_after_a_clean_close() {
    let folder = tempfile::tempdir().unwrap();
    let paths = paths(folder.path());
    let mut ledger = Ledger::create(&paths, key()).unwrap();
    assert_eq!((ledger.size(), ledger.committed().root()), (0, EMPTY_ROOT));
    let stream = Draft { kind: Kind::Stream, ..record(b"a stream") };
    let object = Draft { kind: Kind::Object, stream: Some(0), ..record(b"an object") };
    assert_eq!(ledger.append(&[stream, object]).unwrap(), 0..2);
    let old = ledger.checkpoint().unwrap();
    let texts: Vec<String> = (0..1000).map(|number| format!("{{\"number\":{number}}}")).collect();
    let records: Vec<Draft<'_>> = texts
        .iter()
        .zip(0..)
        .map(|(text, number)| Draft {
            stream: Some(0),
            object: Some(1),
            span: Some(Span { offset: number * 20, length: text.len() as u64 }),
            received: (number == 5).then_some(b"with a secret".as_slice()),
            ..record(text.as_bytes())
        })
        .collect();
    assert_eq!(ledger.append(&records).unwrap(), 2..1002);
    assert_eq!(ledger.reader().unwrap().size(), 2, "not committed yet");
    let new = ledger.checkpoint().unwrap();
    assert_eq!(ledger.checkpoint().unwrap(), new, "nothing new to commit");
    drop(ledger);

    let (ledger, recovery) = Ledger::open(&paths, key()).unwrap();
    let expected = Recovery { anchor_size: 1002, durable_size: 1002, ..Recovery::default() };
    assert_eq!((ledger.size(), recovery), (1002, expected));
    let reader = Reader::open(&paths, key().verifier()).unwrap();
    assert_eq!(reader.checkpoint(), &new);
    let mut seen = 0;
    for (entry, leaf) in reader.entries(0..1002).zip(0..) {
        let entry = entry.unwrap();
        let expected = match leaf {
            0 => "a stream",
            1 => "an object",
            leaf => &texts[leaf as usize - 2],
        };
        assert_eq!((entry.leaf(), entry.captured()), (leaf, Some(expected.as_bytes())));
        let salts = reader.salts(leaf).unwrap();
        assert_eq!(
            entry.envelope().captured,
            commit_captured(&salts.captured.unwrap(), entry.captured().unwrap())
        );
        let received = salts.received.map(|salt| commit_received(&salt, b"with a secret"));
        assert_eq!((entry.envelope().received, entry.envelope().withheld()), (received, leaf == 7));
        let proof = reader.inclusion_proof(leaf).unwrap();
        let at = LeafAt { index: leaf, hash: entry.leaf_hash() };
        verify_inclusion(at, new.checkpoint().tree_head(), &proof).unwrap();
        seen += 1;
    }
    assert_eq!(seen, 1002);
    assert_eq!(reader.entry(1001).unwrap().captured(), Some(texts[999].as_bytes()));
    let consistency = reader.consistency_proof(2).unwrap();
    verify_consistency(old.checkpoint().tree_head(), new.checkpoint().tree_head(), &consistency).unwrap();
}

#[test]
fn what_cannot_be_appended_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::create(&paths(folder.path()), key()).unwrap();
    let large = vec![0; MAX_RECORD_BYTES + 1];
    assert!(matches!(ledger.append(&[record(&large)]), Err(AppendError::RecordTooLarge { position: 0, .. })));
    let forward = Draft { object: Some(1), ..record(b"") };
    assert!(matches!(
        ledger.append(&[record(b""), forward]),
        Err(AppendError::Reference { position: 1, leaf: 1, reference: 1 })
    ));
    let endless = Draft { span: Some(Span { offset: u64::MAX, length: 1 }), ..record(b"") };
    assert!(matches!(ledger.append(&[endless]), Err(AppendError::Span { position: 0 })));
    assert_eq!(ledger.append(&[]).unwrap(), 0..0);
    assert_eq!(ledger.append(&[record(&large[1..])]).unwrap(), 0..1);
    ledger.checkpoint().unwrap();
    let reader = ledger.reader().unwrap();
    assert_eq!(reader.entry(0).unwrap().captured().unwrap().len(), MAX_RECORD_BYTES);
    assert!(matches!(reader.entry(1), Err(ReadError::BeyondCheckpoint { leaf: 1, size: 1 })));
    assert!(reader.entries(0..2).nth(1).unwrap().is_err());
}

#[test]
fn readers_read_while_a_writer_writes() {
    let folder = tempfile::tempdir().unwrap();
    let paths = paths(folder.path());
    let mut ledger = Ledger::create(&paths, key()).unwrap();
    std::thread::scope(|threads| {
        let writer = threads.spawn(|| {
            for round in 0..40_u64 {
                let text = format!("round {round}");
                let batch = vec![record(text.as_bytes()); 1 + (round as usize * 7) % 40];
                ledger.append(&batch).unwrap();
                ledger.checkpoint().unwrap();
            }
        });
        let mut previous = Reader::open(&paths, key().verifier()).unwrap();
        loop {
            let done = writer.is_finished();
            let reader = Reader::open(&paths, key().verifier()).unwrap();
            assert!(reader.size() >= previous.size());
            assert_eq!(reader.entries(0..reader.size()).map(Result::unwrap).count() as u64, reader.size());
            for old in [&previous, &reader].into_iter().filter(|old| old.size() > 0) {
                let (from, to) = (old.checkpoint().checkpoint(), reader.checkpoint().checkpoint());
                let proof = reader.consistency_proof(from.size).unwrap();
                verify_consistency(from.tree_head(), to.tree_head(), &proof).unwrap();
                // Tiles that were partial at the earlier checkpoint may be full and in other files by now.
                let last = old.entry(old.size() - 1).unwrap();
                let at = LeafAt { index: last.leaf(), hash: last.leaf_hash() };
                verify_inclusion(at, from.tree_head(), &old.inclusion_proof(at.index).unwrap()).unwrap();
            }
            if done {
                assert!(reader.size() > 256);
                break;
            }
            previous = reader;
        }
    });
}

#[test]
fn one_writer_and_one_ledger_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let paths = paths(folder.path());
    assert!(matches!(Ledger::open(&paths, key()), Err(OpenError::NotALedger { .. })));
    let ledger = Ledger::create(&paths, key()).unwrap();
    assert!(matches!(Ledger::open(&paths, key()), Err(OpenError::Lock(LockError::Held { .. }))));
    drop(ledger);
    assert!(matches!(Ledger::create(&paths, key()), Err(CreateError::NotEmpty { .. })));
    let elsewhere = LedgerPaths::new(folder.path().join("other"), folder.path().join("anchor"));
    assert!(matches!(Ledger::create(&elsewhere, key()), Err(CreateError::AnchorInUse { .. })));
}
