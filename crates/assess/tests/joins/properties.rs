//! What holds for answers over any evidence: over worlds made up at random, and over the events of every fixture.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ascribe_assess::{Direction, HOPS_MAX, Recorded, Subject, chain, is_credential, who};
use ascribe_model::{
    Basis, Body, Credential, CredentialClass, Details, EdgeKind, Event, JoinGrade, KeyKind, KeyRef, Node,
    Question, Role, Scope, Trust, Verdict,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::fixtures::every_case;
use crate::reading::credential_of;
use crate::world::{ACCESS_KEY, Act, Caller, event, unrelated, with_id, worlds};

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_body_depends_neither_on_order_nor_on_repetition(
        (world, again) in worlds().prop_flat_map(|world| (Just(world.clone()), Just(world).prop_shuffle()))
    ) {
        let doubled: Vec<Event> = again.iter().chain(&world).cloned().collect();
        prop_assert_eq!(every_body(&world, &world), every_body(&world, &doubled));
    }

    #[test]
    fn an_unrelated_event_changes_nothing_but_the_scope(world in worlds()) {
        let more: Vec<Event> = world.iter().cloned().chain([unrelated()]).collect();
        prop_assert_eq!(every_body(&world, &world), every_body(&world, &more));
        let subject = &subjects(&world)[0];
        let scope = Scope { events: 7, ..Scope::default() };
        let body = ask_who(&Recorded::new(world.clone(), Scope::default()), subject);
        let wider = ask_who(&Recorded::new(world, scope.clone()), subject);
        prop_assert_eq!(Body { scope, ..body }, wider);
    }

    #[test]
    fn forward_and_back_agree(world in worlds()) {
        forward_and_back_agree_over(&world)?;
    }

    #[test]
    fn no_answer_is_stronger_than_what_it_rests_on(world in worlds()) {
        for body in every_body(&world, &world) {
            is_no_stronger_than_what_it_rests_on(&body)?;
        }
    }

    #[test]
    fn what_callers_chose_never_gives_an_a(world in worlds()) {
        let chosen: Vec<Event> = world.into_iter().map(self_asserted).collect();
        for body in every_body(&chosen, &chosen) {
            for edge in &body.edges {
                prop_assert!(edge.grade > JoinGrade::A, "{:#?}", edge);
            }
        }
    }
}

#[test]
fn the_events_of_every_fixture_keep_the_same_promises() {
    for (case, _, events) in every_case() {
        let mut reversed = events.clone();
        reversed.reverse();
        assert_eq!(every_body(&events, &events), every_body(&events, &reversed), "{case}");
        forward_and_back_agree_over(&events).unwrap_or_else(|error| panic!("{case}: {error}"));
        for body in every_body(&events, &events) {
            is_no_stronger_than_what_it_rests_on(&body).unwrap_or_else(|error| panic!("{case}: {error}"));
        }
    }
}

#[test]
fn a_walk_stops_at_its_limit_and_is_then_undecided() {
    let issue = |parent: usize, child: usize| renamed(parent, child);
    let line: Vec<Event> = (0..HOPS_MAX + 50).map(|link| issue(link, link + 1)).collect();
    let star: Vec<Event> = (0..HOPS_MAX + 50).map(|child| issue(0, child + 1)).collect();
    for (shape, events, start, direction) in [
        ("a line", &line, HOPS_MAX + 50, Direction::Back),
        ("a line", &line, 0, Direction::Forward),
        ("a star", &star, 0, Direction::Forward),
    ] {
        let evidence = Recorded::new(events.clone(), Scope::default());
        let body = chain(&evidence, &subject(&long_name(start)), direction, question()).unwrap();
        assert!(body.edges.len() <= HOPS_MAX, "{shape}: {} hops", body.edges.len());
        assert!(matches!(body.verdict, Verdict::Undecided { .. }), "{shape}: {:?}", body.verdict);
        let Details::Chain(detail) = body.details else { panic!("{shape} has other details") };
        assert!(detail.truncated.is_some(), "{shape}");
    }
}

#[test]
fn a_ring_of_credentials_ends_and_is_contradicted() {
    for length in 2..6 {
        let ring: Vec<Event> = (0..length).map(|link| renamed(link, (link + 1) % length)).collect();
        let evidence = Recorded::new(ring, Scope::default());
        for direction in [Direction::Back, Direction::Forward] {
            let body = chain(&evidence, &subject(&long_name(0)), direction, question()).unwrap();
            assert!(matches!(body.verdict, Verdict::Contradicted { .. }), "{length}: {:?}", body.verdict);
            assert!(body.edges.len() <= length, "{length}: {} hops", body.edges.len());
        }
    }
}

#[test]
fn more_sessions_of_one_name_than_are_compared_leave_the_origin_open() {
    let issue = |second: i64| {
        let caller = Caller::Bearer(u8::try_from(second % 100).unwrap());
        let act = Act::Issue { caller, credential: None, session: 0, copy_of: None, machine: None };
        event(&act, Some(second))
    };
    let usage = event(&Act::Use { credential: 201, session: Some((0, 1)) }, Some(5_000));
    for (issues, open) in [(1_024, false), (1_025, true)] {
        let events: Vec<Event> =
            (0..issues).map(|index| issue(index * 3 + 1)).chain([usage.clone()]).collect();
        let evidence = Recorded::new(events, Scope::default());
        let body = chain(&evidence, &subject("K201"), Direction::Back, question()).unwrap();
        assert_eq!(body.edges[0].grade == JoinGrade::D, open, "{issues} records: {}", body.statement);
        assert_eq!(body.statement.contains("no more than 1024 are compared"), open, "{}", body.statement);
    }
}

/// Children one hop forward are exactly those from which one hop back leads here.
fn forward_and_back_agree_over(events: &[Event]) -> TestCaseResult {
    let evidence = Recorded::new(events.to_vec(), Scope::default());
    let mut back: BTreeSet<(KeyRef, KeyRef)> = BTreeSet::new();
    let mut forward: BTreeSet<(KeyRef, KeyRef)> = BTreeSet::new();
    for credential in credentials(events) {
        let name = credential.uid.clone();
        for (from, _) in first_hops(&evidence, &credential, Direction::Back) {
            back.insert((from, name.clone()));
        }
        for (from, to) in first_hops(&evidence, &credential, Direction::Forward) {
            if from == name {
                forward.insert((from, to));
            }
        }
    }
    prop_assert_eq!(back, forward);
    Ok(())
}

/// Parents and children of the issues one hop from the start: candidates too, credentials only.
fn first_hops(evidence: &Recorded, start: &Credential, direction: Direction) -> Vec<(KeyRef, KeyRef)> {
    let body = chain(evidence, &Subject::Key(start.clone()), direction, question()).unwrap();
    let Details::Chain(detail) = &body.details else { panic!("other details") };
    let near = detail.hops.iter().filter(|hop| hop.depth == 1).map(|hop| &body.edges[hop.edge]);
    let mut found = Vec::new();
    for edge in near.filter(|edge| edge.kind == EdgeKind::Issued) {
        for from in edge.alternatives.iter().chain([&edge.from]) {
            if let (Node::Credential(from), Node::Credential(to)) = (from, &edge.to) {
                found.push((from.uid.clone(), to.uid.clone()));
            }
        }
    }
    found
}

fn is_no_stronger_than_what_it_rests_on(body: &Body) -> TestCaseResult {
    prop_assert_eq!(body.grade, body.edges.iter().map(|edge| edge.grade).max());
    let weakest = body.claims.iter().flat_map(|claim| &claim.premises).map(|premise| premise.basis).max();
    match &body.verdict {
        Verdict::Proven => {
            prop_assert!(weakest.is_some_and(|basis| basis <= Basis::ProvenByIndex), "{:#?}", body);
            prop_assert!(body.gaps.is_empty(), "{:#?}", body);
        }
        Verdict::Bounded { bound } => {
            prop_assert!(weakest.is_some_and(|basis| basis <= Basis::Asserted), "{:#?}", body);
            prop_assert!(!bound.is_empty());
        }
        Verdict::Undecided { decided_by } => prop_assert!(!decided_by.is_empty(), "{:#?}", body),
        Verdict::Contradicted { by } => prop_assert!(!by.is_empty()),
    }
    prop_assert!(body.edges.len() <= HOPS_MAX + 1);
    for claim in &body.claims {
        prop_assert!(!claim.premises.is_empty(), "{:#?}", claim);
        prop_assert!(claim.edges.iter().all(|edge| *edge < body.edges.len()), "{:#?}", claim);
    }
    for edge in &body.edges {
        let several = edge.candidates > 1;
        prop_assert_eq!(several, !edge.alternatives.is_empty(), "{:#?}", edge);
        prop_assert!(!several || edge.grade == JoinGrade::D, "{:#?}", edge);
    }
    Ok(())
}

/// All answers about the subjects of `world`, over `events`.
fn every_body(world: &[Event], events: &[Event]) -> Vec<Body> {
    let evidence = Recorded::new(events.to_vec(), Scope::default());
    let mut bodies = Vec::new();
    for subject in subjects(world) {
        bodies.push(ask_who(&evidence, &subject));
        for direction in [Direction::Back, Direction::Forward] {
            bodies.push(chain(&evidence, &subject, direction, question()).unwrap());
        }
    }
    bodies
}

fn ask_who(evidence: &Recorded, subject: &Subject) -> Body {
    who(evidence, subject, question()).unwrap()
}

/// Every credential and every event of a world.
fn subjects(world: &[Event]) -> Vec<Subject> {
    let events = world.iter().map(|event| Subject::Event(Arc::new(event.clone())));
    credentials(world).into_iter().map(Subject::Key).chain(events).collect()
}

fn credentials(world: &[Event]) -> Vec<Credential> {
    let keys = world.iter().flat_map(|event| &event.keys).filter(|key| is_credential(&key.kind));
    let names: BTreeSet<KeyRef> = keys.map(ascribe_model::Key::to_ref).collect();
    names.iter().map(|uid| credential_of(uid, world)).collect()
}

fn self_asserted(mut event: Event) -> Event {
    for key in &mut event.keys {
        key.trust = Trust::SelfAsserted;
    }
    with_id(event)
}

fn question() -> Question {
    Question { verb: "test".to_owned(), subject: None, options: BTreeMap::new() }
}

fn subject(name: &str) -> Subject {
    let uid = KeyRef { kind: KeyKind::new(ACCESS_KEY), scope: String::new(), value: name.to_owned() };
    Subject::Key(Credential { uid, class: CredentialClass::Unknown })
}

/// One credential issues another, by numbers beyond those of a world.
fn renamed(parent: usize, child: usize) -> Event {
    let act = Act::Issue {
        caller: Caller::Bearer(1),
        credential: Some(3),
        session: 0,
        copy_of: None,
        machine: None,
    };
    let mut event = event(&act, Some(1));
    for key in event.keys.iter_mut().filter(|key| key.kind.name() == ACCESS_KEY) {
        key.value = long_name(if key.role == Role::Issued { child } else { parent });
    }
    event.credential = None;
    event.effects.clear();
    with_id(event)
}

fn long_name(number: usize) -> String {
    format!("L{number}")
}
