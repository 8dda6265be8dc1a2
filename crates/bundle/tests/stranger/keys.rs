//! Keys that hand over: whoever holds an older one follows the entries, and entries that do not hold are refused.

use ascribe_bundle::{
    Authority, BundleWriter, Check, Counted, EntryPart, Integrity, Manifest, Opened, Report, Signed, Verdict,
    Why, check, json, text,
};
use ascribe_ledger::{
    Draft, Fate, KeyPair, Kind, Ledger, LedgerPaths, Standing, Succession, SuccessionSignatures,
};
use ascribe_model::{KeyEntry, Timestamp};

use crate::given::ORIGIN;
use crate::raw::Items;

fn key(seed: u8) -> KeyPair {
    KeyPair::from_seed(ORIGIN, [seed; 32]).unwrap()
}

/// One key hands over to another in entry `leaf`.
fn succession(old: &KeyPair, new: &KeyPair, leaf: u64) -> Succession {
    Succession {
        old: old.verifier().clone(),
        new: new.verifier().clone(),
        leaf,
        at: 1_786_000_000_000_000_000,
        standing: Standing::Retired,
        fate: Fate::Kept,
        reason: "yearly".to_owned(),
    }
}

fn entry(succession: &Succession, signatures: &SuccessionSignatures) -> String {
    let (old_signature, new_signature) = signatures.to_base64();
    let entry = KeyEntry::Succession {
        old: succession.old.to_string(),
        new: succession.new.to_string(),
        leaf: succession.leaf,
        at: Timestamp::from_nanoseconds(succession.at),
        reason: succession.reason.clone(),
        compromised: succession.standing == Standing::Compromised,
        destroyed: succession.fate == Fate::Destroyed,
        old_signature,
        new_signature,
    };
    serde_json::to_string(&entry).unwrap()
}

fn handing_over(old: u8, new: u8, leaf: u64) -> String {
    let said = succession(&key(old), &key(new), leaf);
    entry(&said, &said.sign(&key(old), &key(new)))
}

/// A bundle with every key entry of a ledger that `signer` signs: a record, and each of `keys` at its leaf.
fn bundle(signer: &KeyPair, size: u64, keys: &[(u64, String)]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let paths = LedgerPaths::new(folder.path().join("ledger"), folder.path().join("anchor"));
    let mut ledger = Ledger::create(&paths, signer.clone()).unwrap();
    for leaf in 0..size {
        let found = keys.iter().find(|(at, _)| *at == leaf);
        let (kind, captured) = found.map_or((Kind::Record, "{}"), |(_, text)| (Kind::Key, text.as_str()));
        let draft = Draft {
            kind,
            stream: None,
            object: None,
            span: None,
            received_at: 0,
            captured: captured.as_bytes(),
            received: None,
        };
        ledger.append(&[draft]).unwrap();
    }
    ledger.checkpoint().unwrap();
    let reader = ledger.reader().unwrap();
    let manifest = Manifest {
        origin: ORIGIN.to_owned(),
        size,
        question: "keys".to_owned(),
        names: Vec::new(),
        parsers: Vec::new(),
        answer: String::new(),
        counted: Counted { context: keys.len() as u64, ..Counted::default() },
    };
    let claim = Signed { key: signer.verifier().to_string(), note: reader.checkpoint().note().to_owned() };
    let mut writer = BundleWriter::new(Vec::new(), &manifest, &claim).unwrap();
    let mut next = 0;
    for (leaf, text) in keys {
        let salt = reader.salts(*leaf).unwrap().captured.unwrap();
        let envelope = reader.entry(*leaf).unwrap().envelope_bytes().to_vec();
        let opened = Some(Opened { salt, captured: text.clone().into_bytes() });
        let gap = reader.gap_hashes(next..*leaf).unwrap();
        writer.entry(&EntryPart { leaf: *leaf, why: Why::Context, gap, envelope, opened }).unwrap();
        next = leaf + 1;
    }
    writer.rest(&reader.gap_hashes(next..size).unwrap()).unwrap();
    writer.seal().unwrap().output
}

fn checked_by(bundle: &[u8], named: u8) -> Report {
    check(bundle, Check { key: Some(key(named).verifier()), ..Check::default() }).unwrap()
}

/// Three keys, one after the other.
fn line() -> Vec<(u64, String)> {
    vec![(1, handing_over(1, 2, 1)), (3, handing_over(2, 3, 3))]
}

#[test]
fn every_key_of_the_line_leads_to_the_one_that_signs() {
    let bundle = bundle(&key(3), 6, &line());
    for (named, leaf) in [(1, Some(1)), (2, Some(3)), (3, None)] {
        let report = checked_by(&bundle, named);
        assert_eq!(report.verdict(), Verdict::Valid, "{}", text(&report));
        let Authority::Valid { key: signed, succeeded } = &report.authority else { panic!("{named}") };
        assert_eq!(*signed, key(3).verifier().to_string());
        assert_eq!(succeeded.as_ref().map(|found| found.leaf), leaf);
        if let Some(leaf) = leaf {
            let says = format!(
                "signed by the key {signed}, which succeeded the key that you named, {}, at entry {leaf}",
                key(named).verifier()
            );
            assert!(text(&report).contains(&says), "{}", text(&report));
        }
    }
    assert_eq!(checked_by(&bundle, 9).verdict(), Verdict::Invalid, "a key of no line");
}

#[test]
fn a_key_that_was_given_up_leads_nowhere() {
    let mut given_up = succession(&key(2), &key(3), 3);
    given_up.standing = Standing::Compromised;
    let signatures = given_up.sign(&key(2), &key(3));
    let keys = [line()[0].clone(), (3, entry(&given_up, &signatures))];
    let bundle = bundle(&key(3), 6, &keys);
    for named in [1, 2] {
        let report = checked_by(&bundle, named);
        assert_eq!(report.verdict(), Verdict::Inconclusive, "{}", text(&report));
        assert_eq!(json(&report)["authority"]["is"], "given_up");
    }
    assert_eq!(checked_by(&bundle, 3).verdict(), Verdict::Valid);
}

/// Up to the entry in which it hands over, an old key signs; behind it, it does not.
#[test]
fn a_retired_key_signs_its_own_end_and_nothing_behind_it() {
    let own_end = bundle(&key(2), 4, &line());
    assert_eq!(checked_by(&own_end, 2).verdict(), Verdict::Valid);
    assert_eq!(checked_by(&own_end, 1).verdict(), Verdict::Valid);
    for (signer, size) in [(2, 5), (1, 5), (1, 4), (9, 6)] {
        let report = checked_by(&bundle(&key(signer), size, &line()), signer);
        let Integrity::Invalid(refused) = &report.integrity else { panic!("{signer} at {size}") };
        assert!(refused.to_string().contains("does not sign checkpoints"), "{refused}");
    }
}

/// Each has a name, and a reason that is given.
#[test]
fn key_entries_that_are_refused() {
    let good = succession(&key(1), &key(2), 1);
    let signatures = good.sign(&key(1), &key(2));
    let foreign = KeyPair::from_seed("example.com/other", [2; 32]).unwrap();
    let elsewhere = succession(&key(1), &foreign, 1);
    let wrong = SuccessionSignatures { old: signatures.new, ..signatures };
    let refused_new = SuccessionSignatures { new: signatures.old, ..signatures };
    let altered = Succession { reason: "another".to_owned(), ..good.clone() };
    let cases = [
        ("wrong old signature", vec![(1, entry(&good, &wrong))], "does not verify"),
        ("wrong new signature", vec![(1, entry(&good, &refused_new))], "does not verify"),
        ("altered reason", vec![(1, entry(&altered, &signatures))], "does not verify"),
        ("other place", vec![(2, entry(&good, &signatures))], "was signed for entry 1"),
        ("other origin", vec![(1, entry(&elsewhere, &elsewhere.sign(&key(1), &foreign)))], "another ledger"),
        ("rotated twice", vec![line()[0].clone(), (3, handing_over(1, 4, 3))], "forks"),
        ("fork by a stranger", vec![line()[0].clone(), (3, handing_over(9, 4, 3))], "forks"),
        ("back to an old key", vec![line()[0].clone(), (3, handing_over(2, 1, 3))], "handed over before"),
        ("no form", vec![(1, r#"{"key":"succession"}"#.to_owned())], "not the form"),
        ("later form", vec![(1, r#"{"key":"revocation"}"#.to_owned())], "not the form"),
        (
            "no key",
            vec![(1, entry(&good, &signatures).replacen("example.com", "example com", 1))],
            "no verifier key",
        ),
        (
            "no signature",
            vec![(1, entry(&good, &signatures).replacen(&signatures.to_base64().0, "AAAA", 1))],
            "not base64 of 64 bytes",
        ),
    ];
    for (name, keys, reason) in cases {
        let report = checked_by(&bundle(&key(2), 6, &keys), 1);
        let Integrity::Invalid(refused) = &report.integrity else { panic!("{name} is not refused") };
        let said = text(&report);
        assert!(
            refused.to_string().contains("keys of the ledger") && said.contains(reason),
            "{name}: {said}"
        );
        assert_ne!(report.verdict(), Verdict::Valid, "{name}");
    }
}

#[test]
fn a_key_entry_that_is_not_under_the_checkpoint_is_refused() {
    // The entry is in a larger ledger, and its own is signed without it.
    let larger = Items::of(&bundle(&key(3), 6, &line()));
    let mut smaller = Items::of(&bundle(&key(3), 3, &line()[..1]));
    smaller.0.insert(smaller.place(5), larger.0[larger.place(5) - 1].clone());
    let report = checked_by(&smaller.sealed(), 1);
    let Integrity::Invalid(refused) = &report.integrity else { panic!("it is refused") };
    assert!(refused.to_string().contains("not under the checkpoint"), "{refused}");
}

#[test]
fn version_1_has_no_key_entries_and_is_read_otherwise() {
    let old = |bundle: &[u8]| {
        let mut items = Items::of(bundle);
        items.0[0] = b"\x71ascribe/bundle/v1".to_vec();
        items.sealed()
    };
    let report = checked_by(&old(&bundle(&key(3), 6, &line())), 3);
    let Integrity::Invalid(refused) = &report.integrity else { panic!("it is refused") };
    assert!(refused.to_string().contains("is a key"), "{refused}");
    assert_eq!(checked_by(&old(&bundle(&key(3), 6, &[])), 3).verdict(), Verdict::Valid);
}
