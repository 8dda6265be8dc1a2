//! Witnesses: what a book keeps and answers, what cosignatures change beside a ledger, split views, and a crash at each
//! durable step of both.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::durable::{Disk, Interruption, Step};
use crate::tests::fixture::{Fixture, append, key, put};
use crate::{
    AddCheckpoint, AddError, Comparison, Cosignature, CosigningRefused, Equivocation, Prefix, Reader,
    SignedCheckpoint, VerifierKey, WitnessBook, WitnessBookError, WitnessKeyPair, WitnessPolicy,
    publish_cosigned, read_witnessed,
};

fn witness(number: u8) -> WitnessKeyPair {
    WitnessKeyPair::from_seed(&format!("witness.example/w{number}"), [number; 32]).unwrap()
}

fn policy(threshold: usize) -> WitnessPolicy {
    let mut text = format!("log {}\n", key().verifier());
    for number in 1..=3 {
        text.push_str(&format!("witness w{number} {}\n", witness(number).verifier()));
    }
    WitnessPolicy::parse(format!("{text}group all {threshold} w1 w2 w3\nquorum all\n").as_bytes()).unwrap()
}

fn book(disk: &Disk, folder: &Path) -> Result<WitnessBook, WitnessBookError> {
    WitnessBook::open_on(disk, folder, witness(1), vec![key().verifier().clone()])
}

/// What a ledger sends to a witness that is at `old_size`.
fn request(reader: &Reader, old_size: u64) -> Vec<u8> {
    let proof = if old_size == 0 || old_size >= reader.size() {
        Vec::new()
    } else {
        reader.consistency_proof(old_size).unwrap()
    };
    let note = reader.checkpoint().note().to_owned();
    AddCheckpoint { old_size, proof, note }.to_string().into_bytes()
}

fn status(answer: Result<Cosignature, AddError>) -> u16 {
    match answer {
        Ok(_) => 200,
        Err(AddError::Refused { refused, .. }) => refused.status(),
        Err(AddError::Write(_) | AddError::Poisoned) => 500,
    }
}

/// A ledger that has grown in steps, and a reader at each.
fn grown(steps: &[u64]) -> (Fixture, Vec<Reader>) {
    let fixture = Fixture::new();
    let mut ledger = fixture.create();
    let mut readers = Vec::new();
    for count in steps {
        append(&mut ledger, *count).unwrap();
        ledger.checkpoint().unwrap();
        readers.push(fixture.reader());
    }
    (fixture, readers)
}

#[test]
fn a_book_follows_a_ledger_and_remembers() {
    let (fixture, readers) = grown(&[3, 300]);
    let folder = fixture.beside("witness");
    let mut open = book(&Disk::default(), &folder).unwrap();
    assert_eq!(status(open.add_checkpoint(&request(&readers[0], 1), 10)), 409);
    let first = open.add_checkpoint(&request(&readers[0], 0), 10).unwrap();
    assert_eq!((first.timestamp(), first.name()), (10, "witness.example/w1"));
    assert_eq!(status(open.add_checkpoint(&request(&readers[1], 0), 11)), 409);
    let put_back = open.add_checkpoint(&request(&readers[1], 3), 5).unwrap();
    assert_eq!(put_back.timestamp(), 10, "time never runs backwards");
    drop(open);
    let mut open = book(&Disk::default(), &folder).unwrap();
    match open.add_checkpoint(&request(&readers[0], 0), 12) {
        Err(AddError::Refused { refused: CosigningRefused::Conflict { latest: 303 }, evidence: None }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(status(open.add_checkpoint(&request(&readers[0], 3), 12)), 409, "never back");
    assert_eq!(status(open.add_checkpoint(&request(&readers[1], 303), 12)), 200, "the same once more");
    let hash = "f4b32a9b6d5e2a2c";
    assert!(open.latest(hash).is_none());
    let names: Vec<String> = std::fs::read_dir(folder.join("state"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 1);
    let latest = open.latest(&names[0]).unwrap();
    assert_eq!(SignedCheckpoint::open(latest.note().as_bytes(), key().verifier()).unwrap().size(), 303);
}

#[test]
fn a_book_that_was_tampered_with_is_not_opened() {
    let (fixture, readers) = grown(&[3]);
    let folder = fixture.beside("witness");
    let mut open = book(&Disk::default(), &folder).unwrap();
    open.add_checkpoint(&request(&readers[0], 0), 10).unwrap();
    let path = std::fs::read_dir(folder.join("state")).unwrap().next().unwrap().unwrap().path();
    put(&path, readers[0].checkpoint().note().as_bytes());
    assert!(matches!(
        book(&Disk::default(), &folder),
        Err(WitnessBookError::NotCosigned { source: None, .. })
    ));
    put(&path, b"example.com/ledger\n0\n");
    assert!(matches!(book(&Disk::default(), &folder), Err(WitnessBookError::State { .. })));
}

/// A ledger with the same key and another history.
fn split_view(steps: &[u64]) -> (Fixture, Vec<Reader>) {
    let fixture = Fixture::new();
    let mut ledger = fixture.create();
    let mut readers = Vec::new();
    // One entry fewer at first, so that every later leaf is another one.
    append(&mut ledger, 1).unwrap();
    for (count, fewer) in steps.iter().zip([1, 0, 0, 0]) {
        append(&mut ledger, count - fewer).unwrap();
        ledger.checkpoint().unwrap();
        readers.push(fixture.reader());
    }
    (fixture, readers)
}

#[test]
fn two_auditors_who_share_one_honest_witness_cannot_be_shown_two_trees() {
    // Salts differ, so the leaves of the two histories do.
    let ((fixture, for_a), (_other, for_b)) = (grown(&[5, 4]), split_view(&[5, 4]));
    assert_eq!((for_a[0].size(), for_b[0].size()), (5, 5));
    let mut shared = book(&Disk::default(), &fixture.beside("witness")).unwrap();
    let cosigned = shared.add_checkpoint(&request(&for_a[0], 0), 10).unwrap();
    let one_of_one = WitnessPolicy::parse(
        format!("log {}\nwitness w {}\nquorum w\n", key().verifier(), witness(1).verifier()).as_bytes(),
    )
    .unwrap();
    let judged = |checkpoint: &SignedCheckpoint| one_of_one.judge(checkpoint).unwrap().is_met();
    assert!(judged(&for_a[0].checkpoint().cosigned(&[cosigned])));
    // Nothing that is shown to B gets past the witness, whatever size it is told.
    let (mut evidence, mut refusals) = (Vec::new(), 0);
    for reader in &for_b {
        for old_size in 0..=reader.size() {
            match shared.add_checkpoint(&request(reader, old_size), 11) {
                Err(AddError::Refused { evidence: kept, .. }) => evidence.extend(kept),
                other => panic!("{other:?}"),
            }
            refusals += 1;
        }
        assert!(!judged(reader.checkpoint()), "B sees that no witness stands behind it");
    }
    assert_eq!(refusals, 16);
    let proofs: Vec<_> =
        evidence.iter().filter(|path| path.extension().is_some_and(|it| it == "equivocation")).collect();
    assert!(!proofs.is_empty());
    let proof = std::fs::read(proofs[0]).unwrap();
    let stranger = VerifierKey::parse(&key().verifier().to_string()).unwrap();
    assert_eq!(Equivocation::parse(&proof).unwrap().check(&stranger), Ok(Comparison::Equivocation));
}

#[test]
fn one_exchanged_note_shows_two_trees_of_different_sizes() {
    let ((_fixture, for_a), (_other, for_b)) = (grown(&[5, 4]), split_view(&[5, 4]));
    for small in [&for_a[0], &for_b[0]] {
        for large in [&for_a[1], &for_b[1]] {
            let honest = std::ptr::eq(small, &raw const for_a[0]) == std::ptr::eq(large, &raw const for_a[1]);
            let root = large.root_at(small.size()).unwrap();
            let hashes = large.consistency_proof(small.size()).unwrap();
            let prefix = Prefix { size: small.size(), root, hashes };
            let proof = Equivocation::of(large.checkpoint(), small.checkpoint(), Some(prefix));
            let proof = Equivocation::parse(proof.to_string().as_bytes()).unwrap();
            let expected = if honest { Comparison::Consistent } else { Comparison::Equivocation };
            assert_eq!(proof.check(key().verifier()), Ok(expected));
        }
    }
}

#[test]
fn cosignatures_go_behind_the_published_note_and_a_quorum_is_kept() {
    let (fixture, readers) = grown(&[3]);
    let checkpoint = readers[0].checkpoint().clone();
    let by = |number: u8| witness(number).cosign(&checkpoint, 10);
    let add = |lines: &[Cosignature]| {
        publish_cosigned(&fixture.paths, key().verifier(), &policy(2), &checkpoint, lines).unwrap()
    };
    let one = add(&[by(1)]);
    assert!(one.published && !one.outcome.is_met());
    assert_eq!(read_witnessed(&fixture.paths, key().verifier()).unwrap(), None, "one of three is no quorum");
    let two = add(&[by(2)]);
    assert!(two.outcome.is_met() && two.outcome.signed() == 2);
    assert_eq!(read_witnessed(&fixture.paths, key().verifier()).unwrap(), Some(two.checkpoint.clone()));
    assert_eq!(fixture.reader().checkpoint(), &two.checkpoint);
    fixture.assert_clean("cosigned");
    let (mut ledger, recovery) = fixture.open().unwrap();
    assert!(!recovery.publication_finished, "the published note is the anchor's, with cosignatures");
    assert_eq!(fixture.reader().checkpoint(), &two.checkpoint);
    // A larger checkpoint is not witnessed yet; the witnessed one stays.
    append(&mut ledger, 2).unwrap();
    let next = ledger.checkpoint().unwrap();
    drop(ledger);
    fixture.assert_clean("grown");
    assert_eq!(fixture.reader().checkpoint(), &next);
    let late = add(&[by(3)]);
    assert!(!late.published && late.outcome.signed() == 3, "{late:?}");
    assert_eq!(fixture.reader().checkpoint(), &next, "a late cosignature does not bring an old note back");
    assert_eq!(read_witnessed(&fixture.paths, key().verifier()).unwrap().unwrap().size(), 3);
}

#[test]
fn a_witnessed_note_of_another_tree_is_found() {
    let ((fixture, _readers), (_other, for_b)) = (grown(&[5, 4]), split_view(&[5, 4]));
    put(&fixture.paths.witnessed_checkpoint(), for_b[0].checkpoint().note().as_bytes());
    assert_eq!(fixture.verify().problems.len(), 1);
    put(&fixture.paths.witnessed_checkpoint(), b"nothing like it\n");
    assert_eq!(fixture.verify().problems.len(), 1);
}

/// Fails one step, before or after it happened.
struct FailingDisk {
    fail_at: usize,
    after: bool,
    steps: AtomicUsize,
}

impl FailingDisk {
    fn at(fail_at: usize, after: bool) -> Arc<Self> {
        Arc::new(Self { fail_at, after, steps: AtomicUsize::new(0) })
    }
}

impl Interruption for FailingDisk {
    fn before(&self, _: Step, _: &Path) -> io::Result<()> {
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        if step == self.fail_at && !self.after { Err(io::Error::other("test")) } else { Ok(()) }
    }

    fn after(&self, _: Step, _: &Path) -> io::Result<()> {
        let failed = self.steps.load(Ordering::Relaxed) == self.fail_at + 1 && self.after;
        if failed { Err(io::Error::other("test")) } else { Ok(()) }
    }
}

#[test]
fn a_witness_that_crashes_at_any_step_never_cosigns_what_it_then_forgets() {
    let (fixture, readers) = grown(&[3, 4, 5]);
    let mut crashes = 0;
    for after in [false, true] {
        for fail_at in 0.. {
            let folder = fixture.beside(&format!("witness-{fail_at}-{after}"));
            let failing = FailingDisk::at(fail_at, after);
            let disk = Disk::interrupted_by(failing.clone());
            let mut told = 0;
            if let Ok(mut open) = book(&disk, &folder) {
                for reader in &readers {
                    let answer = open.add_checkpoint(&request(reader, told), 10);
                    if answer.is_ok() {
                        told = reader.size();
                    } else {
                        let again = open.add_checkpoint(&request(reader, told), 10);
                        assert!(
                            matches!(again, Err(AddError::Poisoned)),
                            "a failed write is not tried again"
                        );
                        break;
                    }
                }
            }
            if failing.steps.load(Ordering::Relaxed) <= fail_at {
                assert_eq!(told, readers[2].size());
                break;
            }
            crashes += 1;
            let mut open = book(&Disk::default(), &folder).unwrap();
            let kept = match open.add_checkpoint(&request(&readers[2], 1), 11) {
                Err(AddError::Refused { refused: CosigningRefused::Conflict { latest }, .. }) => latest,
                other => panic!("{other:?}"),
            };
            assert!(kept >= told, "step {fail_at}: {kept} is kept, {told} was cosigned");
            assert_eq!(status(open.add_checkpoint(&request(&readers[2], kept), 11)), 200, "step {fail_at}");
        }
    }
    eprintln!("{crashes} crashes of a witness, nothing cosigned was forgotten");
    assert!(crashes > 30, "{crashes}");
}

#[test]
fn a_crash_while_cosignatures_are_kept_leaves_whole_notes() {
    let mut crashes = 0;
    for after in [false, true] {
        for fail_at in 0.. {
            let (fixture, readers) = grown(&[3]);
            let checkpoint = readers[0].checkpoint().clone();
            let lines = [witness(1).cosign(&checkpoint, 10), witness(2).cosign(&checkpoint, 10)];
            let failing = FailingDisk::at(fail_at, after);
            let paths = fixture.paths.on(Disk::interrupted_by(failing.clone()));
            let verifier = key();
            let add = |paths, lines: &[Cosignature]| {
                publish_cosigned(paths, verifier.verifier(), &policy(2), &checkpoint, lines)
            };
            if add(&paths, &lines).is_ok() {
                assert!(failing.steps.load(Ordering::Relaxed) <= fail_at);
                break;
            }
            crashes += 1;
            fixture.assert_clean(&format!("step {fail_at}"));
            let done = add(&fixture.paths, &lines).unwrap();
            assert!(done.published && done.outcome.is_met());
            assert_eq!(fixture.reader().checkpoint(), &done.checkpoint);
            // Where the first of the two files was kept, that alone brings the second up to it.
            let again = add(&fixture.paths, &[]).unwrap();
            assert_eq!(again, done);
        }
    }
    eprintln!("{crashes} crashes while cosignatures were kept");
    assert!(crashes >= 20, "{crashes}");
}
