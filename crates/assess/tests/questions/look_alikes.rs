//! Identities of the same name: each is found, however much another of them did before it.

use std::collections::BTreeMap;

use ascribe_assess::{Recorded, Subject, who};
use ascribe_model::{Body, Details, Question, Scope};
use proptest::prelude::*;

use crate::reading::{events_of, subject_of};

/// The identifier of the service account that was made again so many times.
fn uid(made: usize) -> String {
    format!("aaaaaaaa-0000-4000-8000-{made:012}")
}

/// A record of one of them; no two records are alike.
fn record(number: usize, made: usize, name: &str) -> String {
    let (uid, second, minute) = (uid(made), number % 60, number / 60);
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"00000000-0000-4000-8000-{number:012}","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/pay/secrets/db","verb":"get","user":{{"username":"system:serviceaccount:pay:{name}","uid":"{uid}","groups":["system:authenticated"]}},"sourceIPs":["10.0.0.9"],"objectRef":{{"resource":"secrets","apiVersion":"v1","namespace":"pay","name":"db"}},"responseStatus":{{"metadata":{{}},"code":200}},"requestReceivedTimestamp":"2026-08-14T10:{minute:02}:{second:02}.000000Z","stageTimestamp":"2026-08-14T10:{minute:02}:{second:02}.000000Z"}}"#
    ) + "\n"
}

/// Who the first of them is, where they act in this order under one name.
fn answer(acting: &[usize]) -> Body {
    let acting = acting.iter().enumerate();
    answer_from(&acting.map(|(number, made)| record(number, *made, "writer")).collect::<String>())
}

fn answer_from(lines: &str) -> Body {
    let events = events_of(lines.as_bytes());
    let text = format!("k8s.uid:{}", uid(0));
    let Subject::Key(key) = subject_of(&text, &events) else { panic!("a key") };
    let question = Question { verb: "who".to_owned(), subject: Some(text), options: BTreeMap::new() };
    let evidence = Recorded::new(events, Scope::default());
    who(&evidence, &Subject::Identity(key.uid), question).unwrap()
}

/// Which of them the answer sets apart.
fn apart(body: &Body) -> Vec<String> {
    let Details::Who(who) = &body.details else { panic!("{:?}", body.details) };
    who.identities[0].not_merged.iter().map(|other| other.key.value.clone()).collect()
}

#[test]
fn one_that_did_much_hides_no_other() {
    let mut acting = vec![0];
    acting.extend([1; 400]);
    acting.extend([2, 0]);
    assert_eq!(apart(&answer(&acting)), [uid(1), uid(2)]);
}

#[test]
fn of_very_many_some_are_told() {
    let body = answer(&(0..40).collect::<Vec<_>>());
    assert_eq!(apart(&body).len(), 16);
    assert!(body.statement.contains("; at least 16 identities look like it"), "{}", body.statement);
}

#[test]
fn a_name_given_very_often_leaves_room_for_those_spelt_like_it() {
    let mut lines: String = (0..40).map(|made| record(made, made, "writer")).collect();
    lines += &record(40, 99, "wr1ter");
    let body = answer_from(&lines);
    assert!(apart(&body).contains(&"pay/wr1ter".to_owned()), "{:#?}", apart(&body));
    assert!(body.statement.contains("; at least 17 identities look like it"), "{}", body.statement);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_is_found_in_whatever_order_they_act(others in proptest::collection::vec(1..12_usize, 0..60)) {
        let acting: Vec<usize> = std::iter::once(0).chain(others.iter().copied()).collect();
        let mut expected: Vec<String> = others.into_iter().map(uid).collect();
        expected.sort();
        expected.dedup();
        prop_assert_eq!(apart(&answer(&acting)), expected);
    }
}
