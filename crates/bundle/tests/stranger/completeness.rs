//! Bundles that hold all entries of their names, and those that leave one out: each is refused for its own reason.

use ascribe_bundle::{ANY_KIND, Completeness, Report, Verdict, json, text};
use ascribe_ledger::index::KeyProof;
use ascribe_model::{KeyKind, KeyRef};

use crate::given::{Given, Parts, asked_key, checked};
use crate::raw::Items;

fn given() -> Given {
    Given::sealed(40, &[(0, 17), (17, 40)])
}

/// A name that nothing has, of whatever kind and scope.
pub fn nobody() -> KeyRef {
    KeyRef { kind: KeyKind::new(ANY_KIND), scope: String::new(), value: "AKIAEXAMPLENOBODY001".to_owned() }
}

fn all_parts(given: &Given) -> Parts {
    given.complete_parts(&given.asked_leaves(), vec![asked_key()])
}

fn shown(report: &Report) -> &Completeness {
    assert_eq!(report.verdict(), Verdict::Valid, "{}", text(report));
    report.completeness.as_ref().unwrap()
}

fn refused(bundle: &[u8]) -> String {
    let report = checked(bundle);
    assert_eq!(report.verdict(), Verdict::Invalid, "{}", text(&report));
    assert!(report.completeness.is_none(), "nothing is shown by what does not hold");
    json(&report)["integrity"]["says"].as_str().unwrap().to_owned()
}

#[test]
fn all_entries_of_a_name_are_shown_to_be_all() {
    let report = checked(&all_parts(&given()).write());
    let shown = shown(&report);
    assert_eq!(shown.open, []);
    let ranges: Vec<_> =
        shown.ranges.iter().map(|range| (range.leaves.clone(), range.same_parsers)).collect();
    assert_eq!(ranges, [(0..17, true), (17..40, true)]);
    let said = text(&report);
    assert!(said.contains("entries 0 to 40: all entries of these names (parsers aws_cloudtrail "), "{said}");
    assert!(!said.contains("exporter's word"), "{said}");
    assert_eq!(json(&report)["completeness"]["ranges"][1]["to"], 40);
}

/// Each entry of the name, one after the other, is left out by somebody who can prove everything that is there.
#[test]
fn whichever_entry_is_left_out_the_bundle_is_refused() {
    let given = given();
    let asked = given.asked_leaves();
    assert_eq!(asked.len(), 13);
    for (position, left_out) in asked.iter().enumerate() {
        let mut others = asked.clone();
        others.remove(position);
        let says = refused(&given.complete_parts(&others, vec![asked_key()]).write());
        let expected =
            format!("entry {left_out} has the name `AKIAEXAMPLEDEPLOY001` by the index of its range");
        assert!(says.contains(&expected), "{says}");
    }
}

#[test]
fn an_entry_that_does_not_have_the_name_is_refused() {
    let given = given();
    let mut leaves = given.asked_leaves();
    leaves.push(7);
    leaves.sort_unstable();
    let says = refused(&given.complete_parts(&leaves, vec![asked_key()]).write());
    assert!(says.contains("entry 7 was not asked for"), "{says}");
}

#[test]
fn that_nothing_is_found_is_proven() {
    let report = checked(&given().complete_parts(&[], vec![nobody()]).write());
    assert_eq!(shown(&report).open, []);
    assert_eq!(report.counts.why.asked, 0);
    assert!(text(&report).contains("entries 0 to 40: no entry lists the names"), "{}", text(&report));
    // Of a key that is there, whatever kind it is asked by, it cannot be said.
    let any = KeyRef { value: asked_key().value, ..nobody() };
    let says = refused(&given().complete_parts(&[], vec![any]).write());
    assert!(says.contains("was left out"), "{says}");
    // Of the same value in another kind it can: the row tells kinds apart.
    let other = KeyRef { kind: KeyKind::new("aws.principal"), ..asked_key() };
    shown(&checked(&given().complete_parts(&[], vec![other]).write()));
}

#[test]
fn what_is_not_sealed_is_said() {
    for (ranges, open) in [
        (vec![(0, 17)], vec![(17, 40)]),
        (vec![(17, 40)], vec![(2, 17)]),
        (vec![(0, 10), (20, 30)], vec![(10, 20), (30, 40)]),
    ] {
        let given = Given::sealed(40, &ranges);
        let report = checked(&all_parts(&given).write());
        let found: Vec<(u64, u64)> = shown(&report).open.iter().map(|span| (span.start, span.end)).collect();
        assert_eq!(found, open);
        let said = text(&report);
        assert!(said.contains("not sealed, so more may be there"), "{said}");
        assert!(said.contains("which is the exporter's word"), "{said}");
    }
}

/// An operator whose index leaves an entry out is found as soon as the entry is there.
#[test]
fn an_index_that_leaves_an_entry_out_disagrees_with_the_entry() {
    let key = asked_key().value;
    let lying = Given::sealed_by(40, &[(0, 40)], |leaf, value| leaf != 12 || value != key, |_| {});
    let says = refused(&all_parts(&lying).write());
    assert!(says.contains("entry 12 and the index of its range do not agree"), "{says}");
}

/// Where the index was made by other parsers, what they found otherwise is no proof of a lie.
#[test]
fn other_parsers_may_have_found_otherwise() {
    let key = asked_key().value;
    let other = Given::sealed_by(
        40,
        &[(0, 40)],
        |leaf, value| leaf != 12 || value != key,
        |entry| {
            entry.parsers.insert("aws_cloudtrail".to_owned(), 1_000_000);
        },
    );
    let report = checked(&all_parts(&other).write());
    let range = &shown(&report).ranges[0];
    assert_eq!((range.same_parsers, range.disagreeing), (false, 1));
    assert!(text(&report).contains("of other versions, find otherwise"), "{}", text(&report));
    let without: Vec<u64> = other.asked_leaves().into_iter().filter(|leaf| *leaf != 15).collect();
    assert!(refused(&other.complete_parts(&without, vec![asked_key()]).write()).contains("was left out"));
}

#[test]
fn a_proof_that_is_withheld_shows_nothing() {
    let mut parts = all_parts(&given());
    parts.completeness[0].proofs[0] = KeyProof::Erased;
    let report = checked(&parts.write());
    assert_eq!(shown(&report).ranges[0].undetermined, [asked_key().value]);
    assert!(text(&report).contains("cannot be determined"), "{}", text(&report));
    parts.completeness.remove(0);
    assert!(refused(&parts.write()).contains("is context, and nothing refers to it"));
}

/// What it is, what was changed, and why it has to be refused.
type Change = (&'static str, fn(&mut Parts), &'static str);

const CHANGES: [Change; 12] = [
    ("another salt", |it| it.completeness[0].salt[0] ^= 1, "a proof does not hold in the index"),
    ("no proof", |it| it.completeness[0].proofs.clear(), "comes with 0 proofs, the names have 1 values"),
    (
        "a proof more",
        |it| it.completeness[0].proofs.push(KeyProof::Erased),
        "comes with 2 proofs, the names have 1 values",
    ),
    ("another range's proof", |it| swap_proofs(it), "a proof does not hold"),
    ("ranges in another order", |it| it.completeness.swap(0, 1), "begins at entry 0, and 40 entries were"),
    (
        "a range twice",
        |it| it.completeness.push(it.completeness[1].clone()),
        "refers to index-root entry 41, which is not in the bundle",
    ),
    ("a root that is not there", |it| it.completeness[0].root_leaf = 39, "refers to index-root entry 39"),
    ("a leaf less", |it| row(it, |row| row.truncate(row.len() - 2)), "a proof does not hold"),
    ("a leaf more", |it| row(it, |row| row.extend_from_slice(&[0, 16])), "a proof does not hold"),
    ("another place", |it| placed(it).index += 1, "a proof does not hold"),
    ("a short path", |it| placed(it).path.truncate(1), "a proof does not hold"),
    (
        "a row as if it were absent",
        |it| {
            let row = placed(it).clone();
            it.completeness[0].proofs[0] = KeyProof::Absent { before: None, after: Some(row) };
        },
        "a proof does not hold",
    ),
];

fn placed(parts: &mut Parts) -> &mut ascribe_ledger::index::PlacedRow {
    let placed = match &mut parts.completeness[0].proofs[0] {
        KeyProof::Present(placed) => Some(placed),
        _ => None,
    };
    placed.unwrap()
}

fn row(parts: &mut Parts, change: fn(&mut Vec<u8>)) {
    change(&mut placed(parts).row);
}

fn swap_proofs(parts: &mut Parts) {
    let (one, other) = parts.completeness.split_at_mut(1);
    std::mem::swap(&mut one[0].proofs, &mut other[0].proofs);
}

#[test]
fn every_changed_proof_is_refused() {
    let parts = all_parts(&given());
    for (name, change, reason) in CHANGES {
        let mut changed = parts.clone();
        change(&mut changed);
        let says = refused(&changed.write());
        assert!(says.contains(reason), "{name}: refused, but because: {says}");
    }
}

type Break = fn(&mut ascribe_model::IndexRootEntry);

#[test]
fn an_entry_that_is_no_root_of_an_index_is_refused() {
    let cases: [(&str, Break, &str); 4] = [
        ("another version", |entry| entry.version = 2, "is no root of an index"),
        ("a root that is none", |entry| entry.root.clear(), "is no root of an index"),
        ("a range ahead of it", |entry| entry.to = 43, "which come behind it"),
        ("an empty range", |entry| entry.to = entry.from, "a range has 1 to 65536 leaves"),
    ];
    for (name, change, reason) in cases {
        let given = Given::sealed_by(40, &[(0, 40)], |_, _| true, change);
        let says = refused(&all_parts(&given).write());
        assert!(says.contains(reason), "{name}: {says}");
    }
}

#[test]
fn a_flip_in_any_byte_of_what_an_index_shows_is_refused() {
    let bundle = Items::of(&all_parts(&given()).write());
    let place = bundle.place(9);
    for offset in 0..bundle.0[place].len() {
        let mut flipped = bundle.clone();
        flipped.0[place][offset] ^= 1 << (offset % 8);
        let sealed = flipped.sealed();
        let report = ascribe_bundle::check(sealed.as_slice(), ascribe_bundle::Check::default()).unwrap();
        assert_eq!(report.verdict(), Verdict::Invalid, "byte {offset}");
    }
}

/// Bundles of the first version are read as they were, and have nothing of the second.
#[test]
fn the_version_before_is_read_and_has_no_index() {
    let as_before = |parts: &Parts| {
        let mut items = Items::of(&parts.write());
        items.0[0] = b"\x71ascribe/bundle/v1".to_vec();
        items.sealed()
    };
    let given = given();
    let report = checked(&as_before(&Given::ledger(40).parts()));
    assert_eq!(report.verdict(), Verdict::Valid, "{}", text(&report));
    assert!(report.completeness.is_none());
    let mut parts = all_parts(&given);
    let says = refused(&as_before(&parts));
    assert!(says.contains("is a index-root, expected a stream, an object or a key"), "{says}");
    parts = Given::ledger(40).parts();
    parts.completeness = all_parts(&given).completeness;
    let says = refused(&as_before(&parts));
    assert!(says.contains("has number 9, which version 1 does not have"), "{says}");
}
