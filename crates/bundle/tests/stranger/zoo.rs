//! Bundles that somebody changed and sealed again, each refused for its own reason.

use ascribe_bundle::{
    AnswerCheck, Check, CheckError, Disclosure, Earlier, EntryPart, Verdict, Why, check, json,
};
use ascribe_ledger::{Envelope, Hash, KeyPair, commit_captured};
use ascribe_model::{EntryState, EventId, KeyKind, KeyRef, TimeStanding};

use crate::given::{Given, Parts, asked_key, checked, disclosure};
use crate::raw::{Items, elements, replace};

const DISCLOSURES: [Change<Parts>; 11] = [
    ("another value", |it| it.disclosed[0].value.push('x'), "is not the value that was sealed"),
    ("no value", |it| it.disclosed[0].value.clear(), "is not the value that was sealed"),
    ("another salt", |it| it.disclosed[0].salt[0] ^= 1, "is not the value that was sealed"),
    (
        "another field",
        |it| "eventName".clone_into(&mut it.disclosed[0].field),
        "has no sealed value at `eventName`",
    ),
    ("no field", |it| it.disclosed[0].field.clear(), "has no sealed value at ``"),
    ("another event", |it| it.disclosed[0].event = 1, "has no sealed value at `userAgent`"),
    ("an event far off", |it| it.disclosed[0].event = u64::MAX, "has no sealed value at `userAgent`"),
    ("another entry", |it| it.disclosed[0].leaf = 9, "entry 9 has no sealed value at `userAgent`"),
    ("an entry that is not here", |it| it.disclosed[0].leaf = 7, "entry 7 has no sealed value"),
    ("twice", |it| it.disclosed.push(disclosure()), "are repeated or out of order"),
    (
        "out of order",
        |it| it.disclosed.push(Disclosure { leaf: 1, ..disclosure() }),
        "are repeated or out of order at `userAgent` of entry 1",
    ),
];

#[test]
fn disclosures_that_the_records_do_not_commit_to_are_refused() {
    let mut parts = Given::ledger(70).parts();
    parts.disclosed = vec![disclosure()];
    assert_eq!(checked(&parts.write()).verdict(), Verdict::Valid);
    for (name, change, reason) in DISCLOSURES {
        let mut changed = parts.clone();
        change(&mut changed);
        refused(name, &changed.write(), reason);
        assert!(checked(&changed.write()).disclosed.is_empty(), "{name}: nothing of it is shown");
    }
    // An entry whose bytes are gone commits to nothing that anybody could still read.
    let erased = parts.entries.iter_mut().find(|entry| entry.leaf == 6).unwrap();
    erased.opened = None;
    parts.answer = None;
    parts.manifest.answer.clear();
    refused("an erased entry", &parts.write(), "entry 6 has no sealed value at `userAgent`");
}

#[test]
fn a_disclosure_before_the_answer_or_in_version_1_is_refused() {
    let mut parts = Given::ledger(70).parts();
    parts.disclosed = vec![disclosure()];
    let items = Items::of(&parts.write());
    let mut early = items.clone();
    let (disclosure, answer) = (early.place(8), early.place(6));
    early.0.swap(disclosure, answer);
    refused("a disclosure before the answer", &early.sealed(), "a disclosure stands at byte");
    let mut old = items;
    old.0[0] = b"\x71ascribe/bundle/v1".to_vec();
    refused("a disclosure in version 1", &old.sealed(), "has number 8, which version 1 does not have");
}

/// What it is, what was changed, and why it has to be refused.
type Change<T> = (&'static str, fn(&mut T), &'static str);

fn refused(name: &str, bundle: &[u8], reason: &str) {
    let report = checked(bundle);
    let said = json(&report);
    let says = said["integrity"]["says"].as_str().unwrap();
    assert_eq!(report.verdict(), Verdict::Invalid, "{name}: {says}");
    assert!(says.contains(reason), "{name}: refused, but because: {says}");
}

fn flip(hash: &mut Hash) {
    let mut bytes = *hash.as_bytes();
    bytes[0] ^= 1;
    *hash = Hash::from_bytes(bytes);
}

fn envelope(entry: &mut EntryPart, change: impl FnOnce(&mut Envelope)) {
    let mut envelope = Envelope::decode(&entry.envelope).unwrap();
    change(&mut envelope);
    entry.envelope.clear();
    envelope.encode(&mut entry.envelope);
}

const MANIFEST: [Change<Parts>; 13] = [
    ("another origin", |it| it.manifest.origin.push('x'), "the manifest says origin"),
    ("another size", |it| it.manifest.size += 1, "the manifest says size"),
    ("a name twice", |it| it.manifest.names.push(asked_key()), "names of the manifest are repeated"),
    (
        "names out of order",
        |it| it.manifest.names.push(named("a", "a")),
        "names of the manifest are repeated",
    ),
    (
        "a parser twice",
        |it| it.manifest.parsers.push(it.manifest.parsers[0].clone()),
        "parsers of the manifest",
    ),
    ("no name", |it| it.manifest.names.clear(), "entry 6 was not asked for"),
    (
        "another name",
        |it| it.manifest.names = vec![named("aws.access_key", "AKIAEXAMPLENOBODY001")],
        "was not asked for",
    ),
    (
        "the name in another kind",
        |it| it.manifest.names[0].kind = KeyKind::new("aws.principal"),
        "was not asked for",
    ),
    (
        "one asked more",
        |it| it.manifest.counted.asked += 1,
        "counts 13 entries that were asked for, 12 are here",
    ),
    ("one read more", |it| it.manifest.counted.read += 1, "counts 1 entries that the answer was drawn from"),
    ("one of context more", |it| it.manifest.counted.context += 1, "entries of context"),
    ("an answer that is not there", |it| it.answer = None, "the seal stands at byte"),
    ("an answer that is not announced", |it| it.manifest.answer.clear(), "the answer stands at byte"),
];

fn named(kind: &'static str, value: &str) -> KeyRef {
    KeyRef { kind: KeyKind::new(kind), scope: String::new(), value: value.to_owned() }
}

const CHECKPOINTS: [Change<Parts>; 10] = [
    ("a claimed key that is none", |it| it.signed.key.push('x'), "claims is no verifier key"),
    (
        "another claimed key",
        |it| it.signed.key = other_key().verifier().to_string(),
        "does not verify by the key",
    ),
    (
        "another root",
        |it| it.signed.note = it.signed.note.replacen('=', "A", 1),
        "does not verify by the key",
    ),
    (
        "another size in the note",
        |it| it.signed.note = it.signed.note.replacen("\n40\n", "\n41\n", 1),
        "does not verify",
    ),
    (
        "no signature",
        |it| it.signed.note.truncate("example.com/ledger\n40\n".len()),
        "does not verify by the key",
    ),
    (
        "the earlier one in its place",
        |it| it.signed.note = it.earlier[0].note.clone(),
        "the manifest says size",
    ),
    ("an earlier one twice", |it| it.earlier.push(it.earlier[0].clone()), "not more than the one before"),
    ("an earlier one with a wrong proof", |it| flip(&mut it.earlier[0].proof[0]), "forked or rewritten"),
    ("an earlier one without proof", |it| it.earlier[0].proof.clear(), "forked or rewritten"),
    (
        "an earlier one with another signature",
        |it| it.earlier[0].note = it.earlier[0].note.replacen("\n10\n", "\n11\n", 1),
        "earlier checkpoint 1 does not verify",
    ),
];

fn other_key() -> KeyPair {
    KeyPair::from_seed("example.com/ledger", [8; 32]).unwrap()
}

const ENTRIES: [Change<Parts>; 24] = [
    ("an entry left out", |it| drop(it.entries.remove(5)), "does not fit into the tree"),
    ("the first entry left out", |it| drop(it.entries.remove(0)), "entry 1 does not fit into the tree"),
    ("the last entry left out", |it| drop(it.entries.pop()), "the rest of the tree does not fit"),
    ("an entry twice", |it| it.entries.insert(5, it.entries[5].clone()), "does not fit into the tree"),
    ("two entries swapped", |it| it.entries.swap(5, 6), "does not fit into the tree"),
    ("two leaf numbers swapped", |it| it.entries[5].leaf = 18, "does not fit into the tree"),
    ("a leaf beyond the tree", |it| it.entries[13].leaf = 40, "entry 40 is not under the checkpoint"),
    ("a leaf beyond any tree", |it| it.entries[13].leaf = u64::MAX, "is not under the checkpoint"),
    (
        "captured bytes changed",
        |it| it.opened(4).captured[40] ^= 1,
        "captured bytes of entry 12 are not those",
    ),
    (
        "captured bytes cut",
        |it| it.opened(4).captured.truncate(9),
        "captured bytes of entry 12 are not those",
    ),
    ("a salt changed", |it| it.opened(4).salt[0] ^= 1, "captured bytes of entry 12 are not those"),
    ("bytes of two entries swapped", |it| swap_opened(it, 4, 5), "captured bytes of entry 12 are not those"),
    ("another record, committed to", forge, "something was altered"),
    (
        "another time of receipt",
        |it| envelope(&mut it.entries[4], |of| of.received_at += 1),
        "something was altered",
    ),
    ("another span", |it| envelope(&mut it.entries[4], |of| of.span = None), "something was altered"),
    ("envelopes of two entries swapped", swap_envelopes, "something was altered"),
    (
        "an envelope with bytes behind it",
        |it| it.entries[4].envelope.push(0),
        "has no envelope of the ledger",
    ),
    ("an envelope of another version", |it| it.entries[4].envelope[2] = 2, "has no envelope of the ledger"),
    ("an empty envelope", |it| it.entries[4].envelope.clear(), "has no envelope of the ledger"),
    ("a hash changed", |it| flip(&mut it.entries[4].gap[0]), "something was altered"),
    ("a hash less", |it| it.entries[4].gap.clear(), "takes 1 hashes, 0 are given"),
    ("a hash more", |it| it.entries[4].gap.push(Hash::from_bytes([0; 32])), "takes 1 hashes, 2 are given"),
    ("a hash of the rest changed", |it| flip(&mut it.rest_of_two()[0]), "something was altered"),
    (
        "a hash of the rest more",
        |it| it.rest.push(Hash::from_bytes([0; 32])),
        "the rest of the tree does not fit",
    ),
];

impl Parts {
    /// The rest behind the last entry but one, which is not empty.
    fn rest_of_two(&mut self) -> &mut Vec<Hash> {
        if self.rest.is_empty() { &mut self.entries[13].gap } else { &mut self.rest }
    }
}

fn swap_opened(parts: &mut Parts, one: usize, two: usize) {
    let other = parts.entries[two].opened.take();
    let first = std::mem::replace(&mut parts.entries[one].opened, other);
    parts.entries[two].opened = first;
}

fn swap_envelopes(parts: &mut Parts) {
    let other = parts.entries[5].clone();
    let one = parts.entries[4].clone();
    parts.entries[4] = EntryPart { leaf: one.leaf, gap: one.gap.clone(), ..other.clone() };
    parts.entries[5] = EntryPart { leaf: other.leaf, gap: other.gap, ..one };
}

/// What somebody would do who can compute commitments: only the tree is in the way.
fn forge(parts: &mut Parts) {
    let opened = parts.opened(4);
    let text = String::from_utf8(opened.captured.clone()).unwrap().replace("deploy", "nobody");
    opened.captured = text.into_bytes();
    let captured = commit_captured(&opened.salt, &opened.captured);
    envelope(&mut parts.entries[4], |of| of.captured = captured);
}

const ANSWERS: [Change<Parts>; 11] = [
    ("an answer of another schema", |it| answer(it).schema.push('2'), "another schema"),
    ("an answer to another verb", |it| answer(it).body.question.verb.push('!'), "another verb"),
    ("an answer on another subject", |it| answer(it).body.question.subject = None, "another subject"),
    ("an answer at another checkpoint", |it| answer(it).proof.checkpoint.push('\n'), "another checkpoint"),
    ("an answer at another size", |it| answer(it).proof.size += 1, "another size"),
    (
        "an answer that cites what is not here",
        |it| answer(it).body.claims[0].events.push(EventId([9; 32])),
        "cites event 0909",
    ),
    ("an answer that cites another entry", |it| answer(it).proof.evidence[0].leaf = 7, "cites event"),
    (
        "an answer with a proof",
        |it| answer(it).proof.evidence[0].proof = Some(String::new()),
        "a proof of its own",
    ),
    (
        "an answer that leans on witnesses",
        |it| answer(it).proof.evidence[0].state = EntryState::Witnessed,
        "a proof of its own",
    ),
    (
        "an answer that leans on a timestamp",
        |it| answer(it).proof.time = TimeStanding::NotYet,
        "a proof of its own",
    ),
    (
        "an answer with an envelope",
        |it| answer(it).proof.evidence[0].envelope = Some(String::new()),
        "a proof of its own",
    ),
];

fn answer(parts: &mut Parts) -> &mut ascribe_model::Answer {
    &mut parts.answer.as_mut().unwrap().answer
}

#[test]
fn changed_parts_are_refused() {
    let parts = Given::ledger(40).parts();
    let all = MANIFEST.iter().chain(&CHECKPOINTS).chain(&ENTRIES).chain(&ANSWERS);
    for (name, change, reason) in all {
        let mut changed = parts.clone();
        change(&mut changed);
        refused(name, &changed.write(), reason);
    }
}

#[test]
fn entries_that_have_no_business_here_are_refused() {
    let given = Given::ledger(40);
    let with = |extra: &[(u64, Why)]| {
        given.parts_of(|leaf| {
            let usual = match leaf {
                0 | 1 => Some(Why::Context),
                6 => Some(Why::Asked),
                _ => None,
            };
            extra.iter().find(|(at, _)| *at == leaf).map_or(usual, |(_, why)| Some(*why))
        })
    };
    let without = |left_out: u64| {
        given.parts_of(|leaf| match leaf {
            0 | 1 if leaf != left_out => Some(Why::Context),
            6 => Some(Why::Asked),
            _ => None,
        })
    };
    for (name, parts, reason) in [
        (
            "a stream that nothing refers to",
            with(&[(4, Why::Context)]),
            "entry 4 is context, and nothing refers to it",
        ),
        (
            "an object that nothing refers to",
            with(&[(5, Why::Context)]),
            "entry 5 is context, and nothing refers to it",
        ),
        (
            "a record as context",
            with(&[(9, Why::Context)]),
            "entry 9 is a record, expected a stream, an object or a key",
        ),
        ("a stream as asked for", with(&[(4, Why::Asked)]), "entry 4 is a stream, expected a record"),
        ("an object as read", with(&[(5, Why::Read)]), "entry 5 is a object, expected a record"),
        ("a record that nobody asked for", with(&[(7, Why::Asked)]), "entry 7 was not asked for"),
        ("a record read without an answer", with(&[(7, Why::Read)]), "without an answer"),
        ("no stream", without(0), "refers to stream entry 0, which is not in the bundle"),
        ("no object", without(1), "refers to object entry 1, which is not in the bundle"),
    ] {
        refused(name, &parts.write(), reason);
    }
}

#[test]
fn a_fork_is_found_out() {
    let (given, fork) = (Given::ledger(40), Given::fork(40));
    let mut parts = given.parts();
    parts.earlier = vec![fork.earlier()];
    refused("the kept checkpoint of a fork", &parts.write(), "forked or rewritten");
    let larger = Given::ledger(60);
    parts.earlier = vec![Earlier { note: larger.parts().signed.note, proof: Vec::new() }];
    refused("a kept checkpoint of a larger ledger", &parts.write(), "forked or rewritten");
}

const RAW: [Change<Items>; 27] = [
    ("the manifest twice", |it| twice(it, 1), "the manifest stands at byte"),
    ("the checkpoint twice", |it| twice(it, 2), "the checkpoint stands at byte"),
    ("the rest twice", |it| twice(it, 5), "the rest of the tree stands at byte"),
    ("the answer twice", |it| twice(it, 6), "the answer stands at byte"),
    ("no manifest", |it| drop(it.0.remove(1)), "the checkpoint stands at byte 18, expected the manifest"),
    ("no checkpoint", |it| drop(it.0.remove(2)), "expected the checkpoint"),
    ("no rest", |it| drop(it.0.remove(it.place(5))), "expected the rest of the tree"),
    (
        "an entry behind the rest",
        |it| {
            let (last, rest) = (it.place(5) - 1, it.place(5));
            it.0.swap(last, rest);
        },
        "the rest of the tree does not fit",
    ),
    ("a second seal", |it| *it = Items(vec![it.sealed()]), "bytes follow the seal"),
    (
        "an unknown item",
        |it| it.0.insert(3, vec![0x81, 0x15]),
        "has number 21, which version 2 does not have",
    ),
    ("an item without a number", |it| it.0.insert(3, vec![0x80]), "expected an unsigned number"),
    ("a map", |it| it.0.insert(3, vec![0xa0]), "starts with 0xa0, expected an array"),
    ("a tag", |it| it.item(4).insert(0, 0xc1), "starts with 0xc1, expected an array"),
    ("an array of indefinite length", |it| it.item(4)[0] = 0x9f, "starts with 0x9f, expected an array"),
    ("a null", |it| it.0.insert(3, vec![0xf6]), "starts with 0xf6, expected an array"),
    (
        "an array with an element more",
        |it| {
            it.item(2)[0] += 1;
            it.item(2).push(0);
        },
        "has 4 elements, expected 3",
    ),
    ("a number in a longer form", |it| replace(it.item(4), 1, &[0x18, 0]), "is not in its shortest form"),
    ("a length in a longer form", |it| lengthen(it.item(2), 1), "is not in its shortest form"),
    (
        "a text that is bytes",
        |it| {
            let at = elements(it.item(1))[1];
            it.item(1)[at] ^= 0x20;
        },
        "expected a text",
    ),
    ("a text that is not UTF-8", |it| replace(it.item(1), 3, &[0x61, 0xff]), "is not UTF-8"),
    ("a note that is not UTF-8", |it| replace(it.item(2), 2, &[0x41, 0xff]), "is not UTF-8"),
    (
        "a promise of four gigabytes",
        |it| replace(it.item(4), 6, &[0x5a, 0xff, 0xff, 0xff, 0xff]),
        "at most 16777216 is allowed",
    ),
    (
        "an origin without end",
        |it| replace(it.item(1), 1, &[0x7b, 0, 0, 0, 1, 0, 0, 0, 0]),
        "at most 1024 is allowed",
    ),
    (
        "names without end",
        |it| replace(it.item(1), 4, &[0x9a, 0xff, 0xff, 0xff, 0xff]),
        "at most 1024 is allowed",
    ),
    ("a reason that is none", |it| replace(it.item(4), 2, &[0x03]), "is here for reason 3"),
    ("half a hash", |it| replace(it.item(5), 1, &[0x41, 0]), "not a multiple of 32"),
    ("a short salt", |it| replace(it.item(4), 5, &[0x41, 0]), "has 1 elements, expected 32"),
];

fn twice(items: &mut Items, number: u8) {
    let place = items.place(number);
    items.0.insert(place, items.0[place].clone());
}

/// Writes the length of an element, which takes two bytes, in four.
fn lengthen(item: &mut Vec<u8>, element: usize) {
    let at = elements(item)[element];
    assert_eq!(item[at] & 0x1f, 0x18, "a length of one byte");
    let length = item[at + 1];
    item.splice(at..at + 2, [item[at] + 1, 0, length]);
}

#[test]
fn changed_bytes_are_refused() {
    let items = Items::of(&Given::ledger(40).parts().write());
    for (name, change, reason) in RAW {
        let mut changed = items.clone();
        change(&mut changed);
        refused(name, &changed.sealed(), reason);
    }
}

#[test]
fn an_answer_in_a_second_form_is_refused() {
    let items = Items::of(&Given::ledger(40).parts().write());
    let rewritten = |element: usize, change: fn(String) -> String| {
        let mut changed = items.clone();
        let item = changed.item(6);
        let start = elements(item)[element];
        let (head, length) = crate::raw::head(&item[start..]);
        let text = String::from_utf8(item[start + head..start + head + length as usize].to_vec()).unwrap();
        let text = change(text);
        let mut bytes = vec![0x5a];
        bytes.extend_from_slice(&u32::try_from(text.len() + 70_000).unwrap().to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend(std::iter::repeat_n(b' ', 70_000));
        replace(item, element, &bytes);
        changed.sealed()
    };
    refused("blanks behind", &rewritten(2, |text| text), "not in the one form");
    refused(
        "an unknown field",
        &rewritten(2, |text| text.replacen('{', "{\"more\":1,", 1)),
        "not in the one form",
    );
    refused("no JSON", &rewritten(2, |text| text[1..].to_owned()), "the answer cannot be read");
    refused("premises with blanks", &rewritten(1, |text| text), "not in the one form");
    refused(
        "premises with more",
        &rewritten(1, |text| text.replacen('{', "{\"more\":1,", 1)),
        "cannot be read",
    );
    refused("deep JSON", &rewritten(2, |_| "[".repeat(100_000)), "cannot be read");
}

#[test]
fn a_seal_that_does_not_fit_is_refused() {
    let items = Items::of(&Given::ledger(12).parts().write());
    let mut bundle = items.sealed();
    refused("no seal", &items.unsealed(), "the file ends at byte");
    bundle.push(0);
    refused("a byte behind", &bundle, "bytes follow the seal");
    bundle.pop();
    *bundle.last_mut().unwrap() ^= 1;
    refused("another digest", &bundle, "the seal does not fit");
}

#[test]
fn an_answer_that_the_records_do_not_give_is_invalid() {
    let parts = Given::ledger(40).parts();
    let table: [Change<Parts>; 8] = [
        (
            "a verdict",
            |it| answer(it).body.verdict = ascribe_model::Verdict::Undecided { decided_by: Vec::new() },
            "verdict",
        ),
        ("a statement", |it| answer(it).body.statement.push('!'), "statement"),
        ("a grade", |it| answer(it).body.grade = None, "grade"),
        ("a claim", |it| drop(answer(it).body.claims.pop()), "claims"),
        (
            "a gap",
            |it| {
                answer(it)
                    .body
                    .gaps
                    .push(ascribe_model::Gap { missing: String::new(), settled_by: String::new() });
            },
            "gaps",
        ),
        ("an edge", |it| answer(it).body.edges.clear(), "edges"),
        ("a detail", |it| other_attribution(answer(it)), "details"),
        ("another subject", other_subject, "verdict"),
    ];
    for (name, change, part) in table {
        let mut changed = parts.clone();
        change(&mut changed);
        let report = checked(&changed.write());
        assert_eq!(report.answer, Some(AnswerCheck::Differs { part }), "{name}");
        assert_eq!(report.verdict(), Verdict::Invalid, "{name}");
        assert_eq!(json(&report)["integrity"]["is"], "valid", "{name}: the entries hold all the same");
    }
}

fn other_attribution(answer: &mut ascribe_model::Answer) {
    if let ascribe_model::Details::Who(who) = &mut answer.body.details {
        who.attribution.push('!');
    }
}

/// The answer to another question: no record in the bundle has this credential.
fn other_subject(parts: &mut Parts) {
    if let ascribe_bundle::AnswerSubject::Key(credential) =
        &mut parts.answer.as_mut().unwrap().premises.subject
    {
        credential.uid.value.push('!');
    }
}

#[test]
fn what_is_no_bundle_is_no_invalid_bundle() {
    let error = |bytes: &[u8]| check(bytes, Check::default()).unwrap_err();
    for bytes in [
        &b""[..],
        b"PK\x03\x04",
        b"\x71ascribe/bundle/",
        b"\x70ascribe/bundle/v",
        b"\x72ascribe/bundle/v1 ",
        b"\xff",
    ] {
        assert!(matches!(error(bytes), CheckError::NoBundle), "{bytes:?}");
    }
    for (bytes, version) in [(&b"\x71ascribe/bundle/v3"[..], "3"), (b"\x72ascribe/bundle/v10", "10")] {
        assert!(matches!(error(bytes), CheckError::Version { found } if found == version));
    }
}
