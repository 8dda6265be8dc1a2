//! How good the evidence of the bounded use of credentials is, by five elements: identity, authority, action, time and
//! custody.
//!
//! An element is proven, partial or missing, each with what shows it and what would supply the rest. *Audit-ready* is
//! only what is proven in all five. It reads events, edges and ends; it does not know what question they were found for.

use std::collections::BTreeSet;
use std::sync::Arc;

use ascribe_model::{
    Authority, AuthorityBasis, AuthorityKind, Edge, Element, ElementKind, ElementState, Event, EvidenceGrade,
    JoinGrade, Node, SourceRef, Status, Verb,
};

use crate::Evidence;
use crate::naming::counted;
use crate::trail::Trail;
use crate::verdict::worst_grade;

/// What the five elements are judged by.
pub(crate) struct Graded<'g> {
    pub(crate) evidence: &'g dyn Evidence,
    /// Back from the credential to who started it.
    pub(crate) trail: &'g Trail,
    /// Its uses, all that were read.
    pub(crate) uses: &'g [Arc<Event>],
    /// Uses that were not read.
    pub(crate) unexamined: u64,
    /// Identities and workloads that held it, as far as records name them.
    pub(crate) holders: usize,
    /// Whether its issue is on record, with a time.
    pub(crate) has_issue: bool,
    /// Whether an end of it is on record or declared.
    pub(crate) has_end: bool,
}

impl Graded<'_> {
    /// The five elements, always in the same order.
    pub(crate) fn grade(&self) -> EvidenceGrade {
        let elements = vec![self.identity(), self.authority(), self.action(), self.time(), self.custody()];
        let audit_ready = elements.iter().all(|element| element.state == ElementState::Proven);
        EvidenceGrade { audit_ready, elements }
    }

    fn identity(&self) -> Element {
        let origins: BTreeSet<&Edge> = self
            .trail
            .edges
            .iter()
            .filter(|edge| matches!(edge.from, Node::Identity(_)) && matches!(edge.to, Node::Credential(_)))
            .collect();
        let mut found = Found::of(ElementKind::Identity);
        match (worst_grade(&self.trail.edges), origins.is_empty()) {
            (Some(JoinGrade::A), false) if self.trail.gaps.is_empty() => {
                found.shows("the lineage reaches an identity by identifiers alone (grade A)");
            }
            (Some(grade), false) => {
                found.lacks(&format!("the lineage reaches an identity by a join of grade {grade}"), "");
            }
            (_, true) if self.holders > 0 => {
                found.lacks("the records name who held it, not who started it", "");
            }
            _ => {}
        }
        for gap in &self.trail.gaps {
            found.lacks(&gap.missing, &gap.settled_by);
        }
        match self.holders {
            0 => found.lacks("no record names who held it", "the log of a system in which it was used"),
            1 => found.shows("one holder is on record"),
            several => found.lacks(
                &format!("{several} holders are on record: the credential is shared"),
                "a credential for each of them",
            ),
        }
        if let Some(by) = &self.trail.contradiction {
            found.lacks(&format!("the records contradict each other: {by}"), "");
        }
        found.element()
    }

    fn authority(&self) -> Element {
        let mut found = Found::of(ElementKind::Authority);
        let (mut recorded, mut partly, mut without) = (0, 0, 0);
        for event in self.uses {
            match basis_of(&event.authorities) {
                Some(AuthorityBasis::Recorded) => recorded += 1,
                Some(AuthorityBasis::Inferred) => partly += 1,
                Some(AuthorityBasis::Absent) | None => without += 1,
            }
        }
        if recorded > 0 {
            found.shows(&format!("{} with the rule that decided, as recorded", counted(recorded, "use")));
        }
        if partly > 0 {
            found.shown = true;
            found.lacks(
                &format!(
                    "{} with a role or a kind of rule, not with the rule that decided",
                    counted(partly, "use")
                ),
                POLICIES,
            );
        }
        if without > 0 {
            found.lacks(
                &format!("{} without any rule: the source records none", counted(without, "use")),
                POLICIES,
            );
        }
        found.unread(self.unexamined);
        found.element()
    }

    fn action(&self) -> Element {
        let mut found = Found::of(ElementKind::Action);
        let lacking = |is: fn(&Event) -> bool| self.uses.iter().filter(|event| is(event)).count();
        let whole = self.uses.iter().filter(|event| is_whole(event)).count();
        if whole > 0 {
            found.shows(&format!("{} with operation, resource and outcome", counted(whole, "use")));
        }
        let parts: [(usize, &str, &str); 3] = [
            (lacking(has_no_resource), "without a resource", "a deeper level of recording"),
            (lacking(has_no_outcome), "without an outcome", "the record of the response"),
            (lacking(is_cut), "whose content was not recorded", "a deeper level of recording"),
        ];
        for (count, what, settled_by) in parts.into_iter().filter(|(count, ..)| *count > 0) {
            found.lacks(&format!("{} {what}", counted(count, "use")), settled_by);
        }
        found.unread(self.unexamined);
        found.element()
    }

    fn time(&self) -> Element {
        let mut found = Found::of(ElementKind::Time);
        let dated = self.uses.iter().filter(|event| event.time.at.is_some()).count();
        let parts = [
            (self.has_issue, "its issue", "the log of whatever issued it"),
            (dated > 0 && dated == self.uses.len(), "its uses", "records of them that state a time"),
            (self.has_end, "its end", "the record of its issue with the declared end, or of its revocation"),
        ];
        for (is_known, what, settled_by) in parts {
            if is_known {
                found.shows(&format!("the time of {what} is on record"));
            } else {
                found.lacks(&format!("the time of {what} is not on record"), settled_by);
            }
        }
        if self.clocks_are_open() {
            found.lacks(
                "the clocks of its streams are taken to differ by at most 5 s, which nobody measured",
                "`ascribe skew`, which measures them by pairs of records and freezes what it finds",
            );
        }
        found.element()
    }

    fn custody(&self) -> Element {
        let mut found = Found::of(ElementKind::Custody);
        found.shows("every record used is under the signed checkpoint of the answer");
        let open = self.evidence.streams().iter().filter(|stream| !stream.is_complete()).count();
        if open > 0 {
            found.lacks(
                &format!("nothing proves that {} recorded and delivered everything", counted(open, "stream")),
                "continuity proofs of the sources, such as chains of digests",
            );
        }
        found.lacks(
            "who handled the records before they were taken in is not recorded",
            "a record of the delivery, signed by who made it",
        );
        found.element()
    }

    /// Whether moments of several clocks are compared of which no difference was measured.
    fn clocks_are_open(&self) -> bool {
        let mut first: Option<(&SourceRef, _)> = None;
        for event in self.uses {
            let Some(at) = event.time.at else { continue };
            match first {
                None => first = Some((&event.source, at)),
                Some((source, since)) if *source != event.source => {
                    let skew = self.evidence.skew(source, &event.source, since);
                    if skew.is_some_and(|skew| skew.frozen.is_none()) {
                        return true;
                    }
                }
                Some(_) => {}
            }
        }
        false
    }
}

const POLICIES: &str = "the rules in force at that time: a snapshot of them, or the history of their changes";

/// How well the rule that decided is known: recorded, or only a role or an inference, or not at all.
fn basis_of(authorities: &[Authority]) -> Option<AuthorityBasis> {
    let decides = |kind| {
        !matches!(
            kind,
            AuthorityKind::Role
                | AuthorityKind::MultiFactor
                | AuthorityKind::Unstated
                | AuthorityKind::Admission
        )
    };
    let known = authorities.iter().filter(|authority| authority.basis != AuthorityBasis::Absent);
    let of = |authority: &Authority| match authority.basis {
        AuthorityBasis::Recorded if decides(authority.kind) => AuthorityBasis::Recorded,
        _ => AuthorityBasis::Inferred,
    };
    known.map(of).min()
}

fn is_whole(event: &Event) -> bool {
    !has_no_resource(event) && !has_no_outcome(event) && !is_cut(event) && event.verb != Verb::Unknown
}

fn has_no_resource(event: &Event) -> bool {
    event.resources.is_empty()
}

fn has_no_outcome(event: &Event) -> bool {
    matches!(event.outcome.status, Status::Unknown | Status::Pending)
}

/// Whether the record says that its content was left out or cut off.
fn is_cut(event: &Event) -> bool {
    event.coverage_hints.iter().any(|hint| matches!(hint.kind.as_str(), "body_not_recorded" | "truncated"))
}

/// What was found of one element.
struct Found {
    kind: ElementKind,
    shown: bool,
    because: Vec<String>,
    settled_by: BTreeSet<String>,
    lacking: bool,
}

impl Found {
    fn of(kind: ElementKind) -> Self {
        Self { kind, shown: false, because: Vec::new(), settled_by: BTreeSet::new(), lacking: false }
    }

    fn shows(&mut self, what: &str) {
        self.shown = true;
        self.because.push(what.to_owned());
    }

    fn lacks(&mut self, what: &str, settled_by: &str) {
        self.lacking = true;
        self.because.push(what.to_owned());
        if !settled_by.is_empty() {
            self.settled_by.insert(settled_by.to_owned());
        }
    }

    fn unread(&mut self, count: u64) {
        if count > 0 {
            self.lacks(&format!("{count} uses were not looked at one by one"), "a narrower question");
        }
    }

    fn element(self) -> Element {
        let state = match (self.shown, self.lacking) {
            (true, false) => ElementState::Proven,
            (true, true) => ElementState::Partial,
            (false, _) => ElementState::Missing,
        };
        Element {
            element: self.kind,
            state,
            because: self.because,
            settled_by: self.settled_by.into_iter().collect(),
        }
    }
}
