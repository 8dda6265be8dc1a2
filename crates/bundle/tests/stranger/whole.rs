//! Good bundles hold, every flipped byte is noticed, and what cannot be noticed is said.

use ascribe_bundle::{AnswerCheck, Authority, Check, Verdict, Why, check, json, text};
use ascribe_ledger::{KeyPair, perfect_subtrees};

use crate::given::{Given, checked, disclosure};
use crate::raw::Items;

#[test]
fn a_good_bundle_holds_and_says_what_it_is() {
    let given = Given::ledger(40);
    let parts = given.parts();
    let bundle = parts.write();
    assert_eq!(bundle, parts.write(), "equal parts, equal bytes");
    let report = checked(&bundle);
    assert_eq!(report.verdict(), Verdict::Valid, "{}", text(&report));
    let counts = &report.counts;
    assert_eq!((counts.why.asked, counts.why.context, counts.events, counts.withheld), (12, 2, 12, 1));
    assert_eq!(report.grown_from, [10]);
    match report.answer.as_ref() {
        Some(AnswerCheck::Same { verdict: "proven", derived, .. }) => assert!(!derived.is_empty()),
        other => panic!("{other:?}"),
    }
    let said = json(&report);
    assert_eq!((&said["integrity"]["is"], &said["authority"]["is"]), (&"valid".into(), &"valid".into()));
    assert!(text(&report).contains("that is the exporter's word"), "{}", text(&report));
}

#[test]
fn integrity_and_authority_are_two_verdicts() {
    let bundle = Given::ledger(40).parts().write();
    let unasked = check(bundle.as_slice(), Check { key: None, ..Check::default() }).unwrap();
    assert_eq!(unasked.verdict(), Verdict::Inconclusive);
    assert!(matches!(unasked.authority, Authority::NotAsked { .. }));
    assert_eq!(json(&unasked)["integrity"]["is"], "valid");
    let other = KeyPair::from_seed("example.com/ledger", [8; 32]).unwrap();
    let refused =
        check(bundle.as_slice(), Check { key: Some(other.verifier()), ..Check::default() }).unwrap();
    assert_eq!(refused.verdict(), Verdict::Invalid);
    assert_eq!(json(&refused)["integrity"]["is"], "valid", "it hangs together all the same");
}

#[test]
fn every_flipped_byte_is_noticed() {
    let mut parts = Given::ledger(10).parts();
    parts.disclosed = vec![disclosure()];
    let bundle = parts.write();
    let half = bundle.len() / 2;
    std::thread::scope(|threads| {
        for offsets in [0..half, half..bundle.len()] {
            let bundle = &bundle;
            threads.spawn(move || {
                for offset in offsets {
                    let mut flipped = bundle.clone();
                    flipped[offset] ^= 1 << (offset % 8);
                    assert!(is_noticed(&flipped), "byte {offset} of {}", bundle.len());
                }
            });
        }
    });
}

/// Whether a changed bundle is refused even by somebody who trusts no key yet.
fn is_noticed(bundle: &[u8]) -> bool {
    check(bundle, Check { key: None, ..Check::default() })
        .map_or(true, |report| report.verdict() == Verdict::Invalid)
}

#[test]
fn every_cut_is_noticed() {
    let bundle = Given::ledger(12).parts().write();
    for length in (0..bundle.len()).step_by(7) {
        assert!(is_noticed(&bundle[..length]), "{length} of {} bytes", bundle.len());
    }
}

#[test]
fn what_was_left_out_cannot_be_noticed_and_that_is_said() {
    let given = Given::ledger(40);
    let parts = given.parts_of(|leaf| match leaf {
        0 | 1 => Some(Why::Context),
        6 | 9 => Some(Why::Asked),
        _ => None,
    });
    let report = checked(&parts.write());
    assert_eq!(report.verdict(), Verdict::Valid, "ten more entries list the name");
    assert!(text(&report).contains("Whether these are all entries of the ledger that list the names"));
}

#[test]
fn an_entry_whose_bytes_are_gone_still_has_its_place() {
    let given = Given::ledger(40);
    let mut parts = given.parts_of(|leaf| match leaf {
        0 | 1 => Some(Why::Context),
        6 | 9 => Some(Why::Asked),
        _ => None,
    });
    parts.entries[2].opened = None;
    let report = checked(&parts.write());
    assert_eq!((report.verdict(), report.counts.without_bytes), (Verdict::Valid, 1));
    assert!(text(&report).contains("nothing is known of what they said"), "{}", text(&report));
}

#[test]
fn other_parsers_decide_less() {
    let given = Given::ledger(40);
    let mut parts = given.parts();
    for parser in &mut parts.manifest.parsers {
        parser.version += 1;
    }
    assert_eq!(checked(&parts.write()).verdict(), Verdict::Valid, "they come to the same answer");
    let answer = &mut parts.answer.as_mut().unwrap().answer;
    answer.body.statement.push_str(", said another parser");
    let report = checked(&parts.write());
    assert_eq!(report.answer, Some(AnswerCheck::OtherParsers));
    assert_eq!(report.verdict(), Verdict::Inconclusive);
}

/// The table of `docs/formats/bundle.md`: bytes of one proof for all entries, in a ledger of a million.
#[test]
fn entries_share_their_hashes() {
    const SIZE: u64 = 1_000_000;
    let hashes = |leaves: &mut dyn Iterator<Item = u64>| {
        let (mut hashes, mut next) = (0, 0);
        for leaf in leaves {
            hashes += perfect_subtrees(next..leaf).count();
            next = leaf + 1;
        }
        32 * (hashes + perfect_subtrees(next..SIZE).count())
    };
    assert_eq!(hashes(&mut (500_000..500_001)), 800);
    assert_eq!(hashes(&mut (0..SIZE).step_by(10_000)), 42_368);
    assert_eq!(hashes(&mut (0..SIZE).step_by(1_000)), 318_528);
    assert_eq!(hashes(&mut (0..SIZE).step_by(100)), 2_100_000);
    assert_eq!(hashes(&mut (500_000..501_000)), 704);
}

/// A sealed value that was opened is shown as disclosed, and it is said that nothing else is.
#[test]
fn a_disclosed_value_is_shown_as_what_the_record_commits_to() {
    let mut parts = Given::ledger(70).parts();
    let before = checked(&parts.write());
    assert!(text(&before).contains(
        "What was withheld from 1 records before they were stored: a bundle holds nothing of it.\n"
    ));
    parts.disclosed = vec![disclosure()];
    let report = checked(&parts.write());
    assert_eq!(report.verdict(), Verdict::Valid);
    let [disclosed] = report.disclosed.as_slice() else { panic!("{report:?}") };
    assert_eq!((disclosed.leaf, disclosed.value.as_str()), (6, "aws-cli/2"));
    assert_eq!((disclosed.field.as_str(), disclosed.rule.as_str()), ("userAgent", "policy.agents"));
    assert!(disclosed.event.is_some());
    let text = text(&report);
    assert!(text.contains("  entry 6, userAgent (policy.agents): aws-cli/2\n"), "{text}");
    assert!(text.contains("a bundle holds nothing of it, but for the value disclosed."), "{text}");
    assert_eq!(json(&report)["disclosed"][0]["value"], "aws-cli/2");
}

/// What version 1 has, version 2 has with the same bytes.
#[test]
fn a_bundle_of_version_1_is_read_as_before() {
    let parts = Given::ledger(70).parts();
    let mut items = Items::of(&parts.write());
    assert_eq!(items.0[0], b"\x71ascribe/bundle/v2");
    items.0[0] = b"\x71ascribe/bundle/v1".to_vec();
    let report = checked(&items.sealed());
    assert_eq!(report.verdict(), Verdict::Valid, "{}", text(&report));
    assert_eq!(report.counts, checked(&parts.write()).counts);
}
