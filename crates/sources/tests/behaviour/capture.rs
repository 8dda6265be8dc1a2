//! The capture policy: what it withholds goes, what reading needs stays, and nothing else changes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use ascribe_model::Verb;
use ascribe_sources::capture::{
    Action, CapturedRecord, Class, FieldPath, Keyring, Loss, NEEDED_FIELDS, Need, Outcome, Pattern, Policy,
    Rule, Sealed, loss_by_field, withheld_fields,
};
use ascribe_sources::json::{AtEnd, Tape};
use ascribe_sources::{Context, ReadRecord, Reading, Received, read};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::whole_input::read_input;
use crate::{corpus, fixtures};

/// Hashes without a key, and salts that count.
#[derive(Default)]
struct Counting(u8);

impl Keyring for Counting {
    fn keyed_hash(&self, value: &str) -> io::Result<[u8; 32]> {
        Ok(Sha256::digest(value).into())
    }

    fn seal(&mut self, value: &str) -> io::Result<Sealed> {
        self.0 = self.0.wrapping_add(1);
        let salt = [self.0; 32];
        let commitment = Sha256::new().chain_update(salt).chain_update(value).finalize().into();
        Ok(Sealed { commitment, salt, value: value.to_owned() })
    }
}

/// Every record of every fixture, with the scope that the operator names.
static RECORDS: LazyLock<Vec<(ReadRecord<'static>, Option<String>)>> = LazyLock::new(|| {
    let mut records = Vec::new();
    for (input, scope) in fixtures::all_inputs() {
        let read = read_input(&input, &Context { scope: scope.as_deref() }).records;
        records.extend(read.into_iter().map(|record| (record.read, scope.clone())));
    }
    records
});

fn rule(name: &str, fields: &[&str], action: Action) -> Rule {
    let fields = fields.iter().map(|path| path.parse().unwrap()).collect();
    Rule { name: name.to_owned(), source: None, class: None, fields, action }
}

fn capture(record: &ReadRecord<'static>, rules: Vec<Rule>, context: &Context<'_>) -> CapturedRecord<'static> {
    let captured = Policy::new(rules).capture(record.clone(), context, &mut Counting::default()).unwrap();
    check(record, &captured, context);
    captured
}

/// What holds for every record and every policy.
fn check(before: &ReadRecord<'_>, after: &CapturedRecord<'_>, context: &Context<'_>) {
    let (received, captured) = (&before.captured, &after.record.captured);
    let gone: Vec<_> =
        after.decisions.iter().filter(|decision| decision.outcome == Outcome::Withheld).collect();
    // Splices only: the bytes between the withheld values stand in the captured ones, in order.
    let mut rest: &[u8] = captured;
    let mut behind = 0;
    for decision in &gone {
        rest = rest.strip_prefix(&received[behind..decision.span.start]).expect("bytes before a value stay");
        let end = rest.iter().position(|byte| *byte == b']').expect("a placeholder ends") + 1;
        let quoted = if rest.starts_with(b"\\\"") { 2 } else { usize::from(rest.starts_with(b"\"")) };
        rest = &rest[end + quoted..];
        behind = decision.span.end;
    }
    assert_eq!(rest, &received[behind..], "bytes behind the last value stay");
    // Reading captured bytes gives the same events again, and these are those before less the values.
    let mut tape = Tape::new();
    tape.parse_prefix(captured, AtEnd::Yes);
    match read(Received { bytes: captured, tape: &tape, last: None }, context) {
        Reading::Record(again) => {
            assert_eq!(again.withheld, [], "the placeholders of a policy hold no secret");
            assert_eq!(again.events, after.record.events);
        }
        Reading::Reject(reject) => panic!("a captured record is rejected: {}", reject.reject),
    }
    let meant = |event: &ascribe_model::Event| {
        (event.keys.clone(), event.actor.clone(), event.verb, event.time.clone(), event.effects.clone())
    };
    let (before, after): (Vec<_>, Vec<_>) =
        (before.events.iter().map(meant).collect(), after.record.events.iter().map(meant).collect());
    assert_eq!(before, after, "joins and meaning stay");
}

fn event() -> ReadRecord<'static> {
    crate::whole_input::read_record(
        br#"{"eventVersion":"1.08","eventSource":"s3.amazonaws.com","eventName":"GetObject","eventTime":"2026-08-14T09:12:00Z","eventID":"5d0f1b5e-7c3c-4f0e-9d1b-000000000001","sourceIPAddress":"203.0.113.24","userAgent":"aws-cli\/2","userIdentity":{"type":"IAMUser","principalId":"AIDA2RGLD7EXAMPLE4QXY","accountId":"111122223333","accessKeyId":"AKIA2RGLD7EXAMPLE4QXY"},"recipientAccountId":"111122223333","readOnly":true,"requestParameters":{"bucketName":"b","prefix":"mail\/anna@example.com","max":1000,"deep":[{"note":"anna@example.com"}]}}"#,
    )
}

fn shown(captured: &CapturedRecord<'_>) -> String {
    String::from_utf8(captured.record.captured.to_vec()).unwrap()
}

#[test]
fn a_body_goes_but_for_what_reading_needs() {
    let captured =
        capture(&event(), vec![rule("bodies", &["requestParameters"], Action::Drop)], &Context::default());
    assert!(
        shown(&captured).contains(
            r#""requestParameters":{"bucketName":"b","prefix":"[withheld:policy.bodies]","max":"[withheld:policy.bodies]","deep":[{"note":"[withheld:policy.bodies]"}]}"#
        ),
        "{}",
        shown(&captured)
    );
    let kept: Vec<_> =
        captured.decisions.iter().filter(|decision| decision.outcome == Outcome::Needed).collect();
    assert_eq!(kept.len(), 1, "the bucket is a key");
}

#[test]
fn the_first_rule_decides() {
    let rules = vec![
        rule("notes", &["**.note"], Action::Keep),
        rule("people", &["requestParameters.*"], Action::Hash),
        rule("all", &["requestParameters.**", "userAgent"], Action::Drop),
    ];
    let captured = capture(&event(), rules, &Context::default());
    let fields: Vec<_> = withheld_fields(&captured.record.captured)
        .into_iter()
        .map(|field| (field.path, field.rule, field.kept.map(|(method, _)| method)))
        .collect();
    let of = |path: &str, rule: &str, method: Option<&str>| {
        (path.to_owned(), format!("policy.{rule}"), method.map(str::to_owned))
    };
    assert_eq!(
        fields,
        [
            of("userAgent", "all", None),
            of("requestParameters.prefix", "people", Some("hmac")),
            of("requestParameters.max", "people", Some("hmac")),
        ]
    );
}

#[test]
fn equal_values_have_equal_hashes_however_they_are_spelled() {
    let captured = capture(
        &event(),
        vec![rule("x", &["userAgent", "requestParameters.prefix"], Action::Hash)],
        &Context::default(),
    );
    let hash: [u8; 32] = Sha256::digest("aws-cli/2").into();
    let hash = hash.map(|byte| format!("{byte:02x}")).concat();
    assert!(shown(&captured).contains(&format!(r#""userAgent":"[withheld:policy.x hmac={hash}]""#)));
}

#[test]
fn a_class_is_asked_of_each_record() {
    let class = |class: Class| vec![Rule { class: Some(class), ..rule("x", &["userAgent"], Action::Drop) }];
    for (class, withheld) in [
        (class(Class { verbs: vec![Verb::Read], ..Class::default() }), true),
        (class(Class { verbs: vec![Verb::Admin, Verb::Exec], ..Class::default() }), false),
        (class(Class { operations: vec![Pattern("Get*".to_owned())], ..Class::default() }), true),
        (class(Class { scopes: vec![Pattern("9*".to_owned())], ..Class::default() }), false),
        (
            class(Class {
                verbs: vec![Verb::Read],
                services: vec![Pattern("ec2.amazonaws.com".to_owned())],
                ..Class::default()
            }),
            false,
        ),
    ] {
        assert_eq!(capture(&event(), class, &Context::default()).decisions.len(), usize::from(withheld));
    }
}

#[test]
fn an_event_wrapped_in_a_text_loses_its_fields_in_place() {
    let event = event();
    let inner = String::from_utf8(event.captured.to_vec()).unwrap();
    let row = serde_json::json!({ "eventJson": inner, "other": 1 }).to_string();
    let wrapped = crate::whole_input::read_record(row.as_bytes());
    let rules = vec![rule("x", &["requestParameters.max", "userAgent"], Action::Drop)];
    let captured = capture(&wrapped, rules.clone(), &Context::default());
    let alone = capture(&event, rules, &Context::default());
    let row: serde_json::Value = serde_json::from_slice(&captured.record.captured).unwrap();
    assert_eq!(row["eventJson"], shown(&alone));
    assert_eq!(captured.record.events, alone.record.events, "one event, delivered in two ways");
}

#[test]
fn two_deliveries_of_a_sealed_event_are_one_event() {
    let rules = || vec![rule("x", &["requestParameters.prefix"], Action::Seal)];
    let mut keyring = Counting::default();
    let policy = Policy::new(rules());
    let first = policy.capture(event(), &Context::default(), &mut keyring).unwrap();
    let second = policy.capture(event(), &Context::default(), &mut keyring).unwrap();
    assert_ne!(first.record.captured, second.record.captured, "each has a salt of its own");
    assert_eq!(first.record.events, second.record.events);
    assert_ne!(first.record.events[0].id, event().events[0].id, "the value is not in the id any more");
    assert_eq!(first.sealed[0].value, "mail/anna@example.com");
}

#[test]
fn a_record_that_no_rule_touches_is_not_copied() {
    let policy = Policy::new(vec![Rule {
        class: Some(Class { verbs: vec![Verb::Admin], ..Class::default() }),
        ..rule("x", &["**"], Action::Drop)
    }]);
    let event = event();
    let borrowed = ReadRecord { captured: (&*event.captured).into(), ..event.clone() };
    let captured = policy.capture(borrowed, &Context::default(), &mut Counting::default()).unwrap();
    assert!(matches!(captured.record.captured, std::borrow::Cow::Borrowed(_)));
}

#[test]
fn the_list_of_needed_fields_is_current() {
    let mut counts = BTreeMap::<_, (u32, u32)>::new();
    for (record, scope) in RECORDS.iter() {
        for (path, loss) in loss_by_field(record, &Context { scope: scope.as_deref() }) {
            let (records, need) = counts.entry((record.source.id, path)).or_default();
            *records += 1;
            *need += u32::from(loss > Loss::Nothing);
        }
    }
    counts.retain(|_, (_, need)| *need > 0);
    let lines = counts.iter().map(|((source, path), (records, need))| {
        let frequency = if need * 2 >= *records { Need::Most } else { Need::Some };
        format!("{source} {} {path}\n", frequency.name())
    });
    let current: String = lines.collect();
    if fixtures::update() {
        fixtures::write(&list_path(), &current);
        return;
    }
    let listed =
        NEEDED_FIELDS.iter().map(|field| format!("{} {} {}\n", field.source, field.need.name(), field.path));
    assert!(
        listed.collect::<String>() == current,
        "the list of needed fields is out of date; run with UPDATE=1"
    );
}

fn list_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/capture/needed_fields.txt")
}

/// Everything of every record, in each way in which it can go.
#[test]
fn a_policy_that_asks_for_everything_breaks_nothing() {
    for (position, (record, scope)) in RECORDS.iter().enumerate() {
        let action = [Action::Hash, Action::Seal, Action::Drop][position % 3];
        capture(record, vec![rule("all", &["**"], action)], &Context { scope: scope.as_deref() });
    }
}

/// Every real record, by folder of the corpus; what is not there is said.
#[expect(clippy::print_stderr, reason = "what is skipped is said")]
static REAL_RECORDS: LazyLock<Vec<(&str, Vec<ReadRecord<'static>>)>> = LazyLock::new(|| {
    let mut folders = Vec::new();
    for (folder, _, label) in corpus::FOLDERS {
        let Some(inputs) = corpus::all_inputs(folder, label) else {
            eprintln!("SKIPPED: no corpus folder `{folder}`; set ASCRIBE_SHARED");
            continue;
        };
        let records = inputs.iter().flat_map(|input| read_input(input, &REAL).records);
        folders.push((folder, records.map(|record| record.read).collect()));
    }
    folders
});

const REAL: Context<'static> = Context { scope: Some("corpus") };

#[test]
fn real_records_lose_only_what_reading_can_do_without() {
    for (folder, records) in REAL_RECORDS.iter() {
        let (mut withheld, mut needed) = (0, 0);
        for record in records {
            let captured = capture(record, vec![rule("all", &["**"], Action::Drop)], &REAL);
            let kept =
                captured.decisions.iter().filter(|decision| decision.outcome == Outcome::Needed).count();
            needed += kept;
            withheld += captured.decisions.len() - kept;
        }
        eprintln!("{folder}: {withheld} values withheld, {needed} needed by reading");
        assert!(withheld > 0 && needed > 0);
    }
}

#[test]
fn the_default_policy_changes_nothing() {
    for (record, scope) in RECORDS.iter() {
        let captured = capture(record, Vec::new(), &Context { scope: scope.as_deref() });
        assert_eq!((captured.decisions.len(), &captured.record.captured), (0, &record.captured));
    }
}

/// A policy of up to four rules over paths that lead somewhere in the fixtures.
fn policies() -> impl Strategy<Value = Vec<Rule>> {
    let names: Vec<String> = {
        let inputs = fixtures::all_inputs();
        let mut names = BTreeSet::new();
        for (input, _) in inputs {
            let text = String::from_utf8_lossy(&input).into_owned();
            let mut parts = text.split('"').collect::<Vec<_>>();
            parts.retain(|part| {
                !part.is_empty() && part.len() < 40 && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
            names.extend(parts.into_iter().map(str::to_owned));
        }
        names.into_iter().collect()
    };
    let step = prop_oneof![
        4 => proptest::sample::select(names),
        1 => Just("*".to_owned()),
    ];
    let path = (any::<bool>(), proptest::collection::vec(step, 1..4)).prop_map(|(anywhere, steps)| {
        let path = if anywhere { format!("**.{}", steps.join(".")) } else { steps.join(".") };
        path.parse::<FieldPath>().unwrap()
    });
    let verbs = proptest::sample::subsequence(
        vec![Verb::Read, Verb::Create, Verb::Admin, Verb::Delegate, Verb::Update],
        0..5,
    );
    let rule = (proptest::collection::vec(path, 1..6), proptest::sample::select(Action::ALL.to_vec()), verbs);
    proptest::collection::vec(rule, 1..5).prop_map(|rules| {
        let rules = rules.into_iter().enumerate();
        rules
            .map(|(place, (fields, action, verbs))| Rule {
                name: format!("r{place}"),
                source: None,
                class: Some(Class { verbs, ..Class::default() }),
                fields,
                action,
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn parsing_what_is_captured_equals_parsing_what_came_less_what_is_withheld(
        rules in policies(),
        from in 0..8_usize,
    ) {
        for (record, scope) in RECORDS.iter().skip(from).step_by(8) {
            capture(record, rules.clone(), &Context { scope: scope.as_deref() });
        }
        for (_, records) in REAL_RECORDS.iter() {
            for record in records.iter().skip(from).step_by(64) {
                capture(record, rules.clone(), &REAL);
            }
        }
    }
}
