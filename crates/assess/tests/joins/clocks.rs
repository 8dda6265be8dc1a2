//! Clocks: what pairs of records show of them, and what it changes that they are less certain.

use std::collections::{BTreeMap, BTreeSet};

use ascribe_assess::skew::{Frozen, PAIRS_MIN, Pair, PairOrder, QUANTUM_NS, Sighting, estimate};
use ascribe_assess::{Direction, Recorded, SKEW_NS, Subject, chain};
use ascribe_model::{Edge, Event, Key, Question, Role, Scope, SkewFact, SourceRef, Timestamp};
use proptest::prelude::*;

use crate::reading::credential_of;
use crate::world::{Act, STREAMS, event, worlds};

const SECOND_NS: i64 = 1_000_000_000;

/// A pair in true time: when the first happened, how much later the second, which stream the first is of, and whether
/// both are of one request.
type Truth = (i64, i64, bool, bool);

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_estimate_covers_the_true_offset_in_whatever_order_the_pairs_come(
        offset in -4_900_000_000i64..4_900_000_000,
        truths in prop::collection::vec((0..3_600 * SECOND_NS, 0..20 * SECOND_NS, any::<bool>(), any::<bool>()), 3..20),
    ) {
        let pairs: Vec<Pair> = truths.iter().map(|truth| pair(*truth, offset)).collect();
        let facts = estimate(&pairs);
        let mut reversed = pairs.clone();
        reversed.reverse();
        prop_assert_eq!(&facts, &estimate(&reversed));
        prop_assert!(facts.len() <= 1, "{:?}", facts);
        for fact in facts {
            prop_assert!(fact.offset_ns.abs_diff(offset) <= fact.bound_ns, "{:?} and {offset}", fact);
            prop_assert_eq!(fact.offset_ns % QUANTUM_NS, 0);
            prop_assert!(fact.bound_ns <= SKEW_NS + QUANTUM_NS.unsigned_abs());
        }
    }

    #[test]
    fn less_certain_clocks_lose_no_candidate_and_raise_no_grade(
        world in worlds(), offset in -2i64..=2, bound in 0u64..4, wider in 0u64..4,
    ) {
        // Where two records claim to have issued one token, a wider window may let both find what one found: that they
        // agree then is no certainty won from the clocks.
        let world = issued_once(world);
        let near = edges_under(&world, fact(offset * SECOND_NS, bound * 1_000_000_000));
        let far = edges_under(&world, fact(offset * SECOND_NS, (bound + wider) * 1_000_000_000));
        for (token, edge) in near {
            let wide = &far[&token];
            if edge.candidates > 0 {
                prop_assert!(wide.grade >= edge.grade, "{:#?}\n{:#?}", edge, wide);
                prop_assert!(nodes(wide).is_superset(&nodes(&edge)), "{:#?}\n{:#?}", edge, wide);
            }
        }
    }
}

#[test]
fn a_day_is_frozen_once_and_a_stream_has_one_clock() {
    let [first, second] = [1, 2].map(|tenths| fact(tenths * QUANTUM_NS, 100_000_000));
    let frozen = Frozen::new([first.clone(), second.clone()]);
    assert_eq!(frozen.facts().collect::<Vec<_>>(), [&first]);
    assert!(frozen.covers(&second));
    let [left, right] = streams();
    let at = Timestamp::from_seconds(5).unwrap();
    let offset = |from, found, at| frozen.skew(from, found, at).map(|skew| (skew.offset_ns, skew.frozen));
    assert_eq!(offset(&left, &right, at), Some((QUANTUM_NS, Some(1))));
    assert_eq!(offset(&right, &left, at), Some((-QUANTUM_NS, Some(1))));
    assert_eq!(offset(&left, &left, at), None);
    let next_day = Timestamp::from_seconds(86_400).unwrap();
    assert_eq!(offset(&left, &right, next_day), Some((0, None)), "nothing is frozen for that day");
    let region = SourceRef { partition: Some("eu-west-1".to_owned()), ..left.clone() };
    assert_eq!(offset(&region, &left, at), None, "the regions of an account keep one time");
}

#[test]
fn pairs_replace_what_is_taken_for_granted_where_they_contradict_it() {
    let late =
        |offset| -> Vec<Pair> { (0..3).map(|second| pair((second, 0, true, false), offset)).collect() };
    // Used by the second clock a minute before it was issued by the first: that clock is a minute behind, or more.
    let behind = estimate(&late(-60 * SECOND_NS));
    assert_eq!(behind.len(), 1);
    let (offset, bound) = (behind[0].offset_ns, i64::try_from(behind[0].bound_ns).unwrap());
    assert!(offset + bound >= -60 * SECOND_NS && offset - bound <= -60 * SECOND_NS, "{behind:?}");
    assert!(offset + bound < -50 * SECOND_NS, "{behind:?}");
    // Two pairs are too few, and a use a minute later says nothing.
    assert_eq!(estimate(&late(-60 * SECOND_NS)[..2]), []);
    assert_eq!(PAIRS_MIN, 3);
    assert_eq!(estimate(&late(60 * SECOND_NS)), []);
}

#[test]
fn a_frozen_offset_joins_what_the_stated_bound_leaves_apart_and_the_reverse() {
    let world = [
        event(&Act::Review { account: 1, token: 1 }, Some(100)),
        event(&Act::SignIn { account: 1, token: 2 }, Some(130)),
    ];
    for (clocks, expected) in [
        (Frozen::default(), 0),
        (Frozen::new([fact(-30 * SECOND_NS, 100_000_000)]), 1),
        (Frozen::new([fact(30 * SECOND_NS, 100_000_000)]), 0),
    ] {
        let frozen = clocks.facts().next().map(|fact| fact.version);
        let evidence = Recorded::new(world.to_vec(), Scope::default()).with_clocks(clocks);
        let subject = Subject::Key(credential_of(&token(2), &world));
        let body = chain(&evidence, &subject, Direction::Back, question()).unwrap();
        let joined: Vec<&Edge> =
            body.edges.iter().filter(|edge| edge.rule == "X-10" && edge.candidates > 0).collect();
        assert_eq!(joined.len(), expected, "{}", body.statement);
        for edge in joined {
            assert_eq!(edge.skew.and_then(|skew| skew.frozen), frozen);
            let premises = body.claims.iter().flat_map(|claim| &claim.premises);
            assert!(
                premises.into_iter().any(|premise| premise.statement.contains("30.0 s apart")),
                "{body:#?}"
            );
        }
    }
}

/// The world less records that issue a token again: an accessor is given to one token.
fn issued_once(world: Vec<Event>) -> Vec<Event> {
    let mut issued = BTreeSet::new();
    let mut is_first = |event: &Event| {
        let tokens: Vec<_> =
            event.keys.iter().filter(|key| key.role == Role::Issued).map(Key::to_ref).collect();
        tokens.into_iter().all(|token| issued.insert(token))
    };
    world.into_iter().filter(|event| is_first(event)).collect()
}

/// The edge that says where each token of a sign-in came from.
fn edges_under(world: &[Event], fact: SkewFact) -> BTreeMap<String, Edge> {
    let evidence = Recorded::new(world.to_vec(), Scope::default()).with_clocks(Frozen::new([fact]));
    let issued = world.iter().flat_map(|event| &event.keys).filter(|key| key.role == Role::Issued);
    let tokens: BTreeSet<_> =
        issued.filter(|key| key.kind.name() == "vault.accessor").map(ascribe_model::Key::to_ref).collect();
    let mut edges = BTreeMap::new();
    for token in tokens {
        let subject = Subject::Key(credential_of(&token, world));
        let body = chain(&evidence, &subject, Direction::Back, question()).unwrap();
        let found =
            body.edges.into_iter().find(|edge| edge.rule == "X-10").expect("a parent, or what is missing");
        edges.insert(token.value, found);
    }
    edges
}

/// Everything that the edge keeps as the origin.
fn nodes(edge: &Edge) -> BTreeSet<String> {
    if edge.alternatives.is_empty() {
        return BTreeSet::from([edge.from.to_string()]);
    }
    edge.alternatives.iter().map(ToString::to_string).collect()
}

/// The pair that two clocks record of what truly happened; the second clock shows `offset` more.
fn pair((first_at, later, first_is_left, together): Truth, offset: i64) -> Pair {
    let [left, right] = streams();
    let later = if together { later % (2 * SECOND_NS) } else { later };
    let shown = |stream: &SourceRef, at: i64| {
        let at = if *stream == right { at + offset } else { at };
        // The first clock counts whole seconds, as CloudTrail does.
        let precision_ns: i64 = if *stream == left { SECOND_NS } else { 1 };
        let at = Timestamp::from_nanoseconds(40_000 * SECOND_NS + at.div_euclid(precision_ns) * precision_ns);
        Sighting { stream: stream.clone(), at, precision_ns: precision_ns.unsigned_abs() }
    };
    let (first, second) = if first_is_left { (&left, &right) } else { (&right, &left) };
    let order = if together { PairOrder::Together } else { PairOrder::NotLater };
    Pair { first: shown(first, first_at), second: shown(second, first_at + later), order }
}

fn fact(offset_ns: i64, bound_ns: u64) -> SkewFact {
    let day = "1970-01-01".to_owned();
    SkewFact { version: 1, streams: streams(), day, offset_ns, bound_ns, pairs: 3 }
}

fn streams() -> [SourceRef; 2] {
    STREAMS.map(|kind| SourceRef { kind: kind.to_owned(), scope: "prod".to_owned(), partition: None })
}

fn token(number: u8) -> ascribe_model::KeyRef {
    let kind = ascribe_model::KeyKind::new("vault.accessor");
    ascribe_model::KeyRef { kind, scope: String::new(), value: format!("T{number}") }
}

fn question() -> Question {
    Question { verb: "test".to_owned(), subject: None, options: BTreeMap::new() }
}
