//! Backwards by a record that lies beside that of an issue: one in another log, about the same doing, that shares a key
//! with it and names what it was issued under.
//!
//! Windows are as asymmetric as the row says, and wider by what the clocks of the two streams may be apart. A record
//! without a time fits no window. What a caller chose is believed as far as somebody else's record bears it out.

use std::collections::BTreeSet;
use std::sync::Arc;

use ascribe_model::{Credential, Event, JoinGrade, Key, KeyKind, Node, Role, Skew, Timestamp, Trust};

use super::candidates::{Candidate, unresolved};
use super::parents::{may_issue, request_of, too_many};
use super::{CANDIDATES_MAX, Step, Twin, edge, grade_of, keys_at, node_of};
use crate::Evidence;
use crate::evidence::EvidenceError;
use crate::joins::{Join, Tie, Window};
use crate::kinds::{credential_row, name_of_kind};
use crate::naming::{credential_name, is_named, listed};

/// What one row found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) candidates: Vec<Candidate>,
    /// What the row should have found and did not.
    pub(super) open: Vec<Step>,
    /// What a caller claimed and its records speak against.
    pub(super) refused: Vec<Step>,
}

/// A search from the record of an issue and its copies.
pub(super) struct Search<'s> {
    pub(super) evidence: &'s dyn Evidence,
    pub(super) join: &'static Join,
    pub(super) family: &'s [Twin],
    /// The key by which the record issues the credential.
    pub(super) issued: &'s Key,
    pub(super) credential: &'s Credential,
}

/// Where a record beside the issue may lie, and by which clocks.
struct Reached {
    window: Option<(Timestamp, Timestamp)>,
    skew: Option<Skew>,
}

impl Search<'_> {
    /// Records that share a key with that of the issue and lie in the window.
    pub(super) fn beside(&self, tie: Tie, window: Window) -> Result<Found, EvidenceError> {
        let mut found = Found::default();
        let mut is_sought = false;
        for (issue, _) in self.family {
            for shared in tied(issue, tie.kind, &[tie.here]) {
                is_sought = true;
                let page = self.evidence.events(&shared.to_ref(), tie.there, CANDIDATES_MAX)?;
                if page.total > page.events.len() as u64 {
                    found.open.push(too_many(self.join, self.credential, &page));
                    continue;
                }
                for other in page.events.iter().filter(|other| other.id != issue.id) {
                    let there = tied(other, tie.kind, tie.there).find(|key| shared.to_ref().names(key));
                    let there = there.unwrap_or(shared);
                    if let Some(reached) = self.reached(window, (issue, shared), (other, there))? {
                        self.add_candidates((issue, shared), (other, there), &reached, &mut found);
                    }
                }
            }
        }
        if is_sought && found.candidates.is_empty() && found.open.is_empty() {
            found.open.push(self.nothing_found());
        }
        Ok(found)
    }

    /// What the record of the issue itself names, as far as nothing speaks against it.
    pub(super) fn claimed(&self, tie: Tie) -> Result<Found, EvidenceError> {
        let mut found = Found::default();
        for (issue, twin) in self.family {
            for key in keys_at(issue, &self.join.from) {
                let mut grade = self.join.grade.max(twin.map_or(JoinGrade::A, |(_, grade)| grade));
                let mut shown = vec![issue.id];
                if key.trust == Trust::SelfAsserted {
                    let page = self.evidence.events(&key.to_ref(), &[Role::Step], CANDIDATES_MAX)?;
                    let said = values(std::slice::from_ref(issue), tie.kind, &[tie.here]);
                    let known = values(&page.events, tie.kind, tie.there);
                    let agrees = said.intersection(&known).next().is_some();
                    if !agrees && !said.is_empty() && !known.is_empty() {
                        found.refused.push(self.disbelieved(issue, key, &known, &said));
                        continue;
                    }
                    if !self.may_have_begun(issue, &page.events) {
                        found.refused.push(self.too_early(issue, key));
                        continue;
                    }
                    grade = grade.max(if agrees { JoinGrade::B } else { JoinGrade::C });
                    shown.extend(page.events.first().map(|event| event.id));
                }
                let ends = (node_of(issue, key), Node::Credential(self.credential.clone()));
                if may_issue(&ends) {
                    found.candidates.push(self.candidate(edge(self.join, ends, grade, shown), issue));
                }
            }
        }
        Ok(found)
    }

    /// The identity of another system that a key of the issue names, from that system's own records.
    pub(super) fn named(&self) -> Result<Found, EvidenceError> {
        let mut found = Found::default();
        for (issue, _) in self.family {
            for key in keys_at(issue, &self.join.from) {
                let name = key.to_ref();
                let page = self.evidence.events(&name, &[Role::Actor], CANDIDATES_MAX)?;
                let own = page.events.iter().find(|other| other.actor.uid == name && is_named(&other.actor));
                let Some(own) = own else {
                    found.open.push(self.open(
                        format!(
                            "no record of its own system names {name}, for whom {} was issued",
                            self.child()
                        ),
                        vec![issue],
                    ));
                    continue;
                };
                let ends = (Node::Identity(own.actor.clone()), Node::Credential(self.credential.clone()));
                let grade = grade_of(self.join, [key, self.issued]);
                let edge = edge(self.join, ends, grade, vec![issue.id, own.id]);
                found.candidates.push(self.candidate(edge, issue));
            }
        }
        Ok(found)
    }

    fn add_candidates(
        &self,
        (issue, here): (&Arc<Event>, &Key),
        (other, there): (&Arc<Event>, &Key),
        reached: &Reached,
        found: &mut Found,
    ) {
        // One of the two records was written by somebody who did not choose the value.
        let chosen = here.trust == Trust::SelfAsserted && there.trust == Trust::SelfAsserted;
        for from in keys_at(other, &self.join.from) {
            let ends = (node_of(other, from), Node::Credential(self.credential.clone()));
            if !may_issue(&ends) {
                continue;
            }
            let lowest =
                if chosen || from.trust == Trust::SelfAsserted { JoinGrade::C } else { JoinGrade::A };
            let made = edge(self.join, ends, self.join.grade.max(lowest), vec![issue.id, other.id]);
            let made = ascribe_model::Edge { window: reached.window, skew: reached.skew, ..made };
            found.candidates.push(self.candidate(made, issue));
        }
    }

    fn candidate(&self, edge: ascribe_model::Edge, issue: &Arc<Event>) -> Candidate {
        let request = request_of(self.family);
        Candidate { join: self.join, edge, shown_by: Arc::clone(issue), request, twin: None }
    }

    /// Whether `other` lies in the window; none where it does not, or where one of the two states no time.
    fn reached(
        &self,
        window: Window,
        (issue, here): (&Event, &Key),
        (other, there): (&Event, &Key),
    ) -> Result<Option<Reached>, EvidenceError> {
        if window == Window::Always {
            return Ok(Some(Reached { window: None, skew: None }));
        }
        let (Some(here_at), Some(there_at)) = (here.at.or(issue.time.at), there.at.or(other.time.at)) else {
            return Ok(None);
        };
        let skew = self.evidence.skew(&issue.source, &other.source, here_at);
        let (offset, bound) = skew.map_or((0, 0), |skew| (skew.offset_ns, signed(skew.bound_ns)));
        // By the clock of the issue's record from here on.
        let there_at = there_at.plus_nanoseconds(-offset);
        let [here_step, there_step] = [issue, other].map(|event| signed(event.time.precision_ns));
        let span = match window {
            Window::Always => None,
            Window::Around { before_ns, after_ns } => {
                let from = here_at.plus_nanoseconds(-signed(before_ns) - bound - there_step);
                let to = here_at.plus_nanoseconds(signed(after_ns) + bound + here_step);
                (from <= there_at && there_at <= to).then_some((from, to))
            }
            Window::While { longest_ns } => {
                let from = there_at.plus_nanoseconds(-bound - here_step);
                let ended = self.end_of(other)?.map(|at| at.plus_nanoseconds(-offset + there_step));
                let to = ended.unwrap_or(there_at.plus_nanoseconds(signed(longest_ns)));
                let to = to.plus_nanoseconds(bound);
                (from <= here_at && here_at <= to).then_some((from, to))
            }
        };
        Ok(span.map(|span| Reached { window: Some(span), skew }))
    }

    /// When what the record began ended: the first end of it that is not before the record, by the record's own clock.
    fn end_of(&self, begun: &Event) -> Result<Option<Timestamp>, EvidenceError> {
        let mut ends = Vec::new();
        for key in keys_at(begun, &self.join.from) {
            let page = self.evidence.events(&key.to_ref(), &[Role::Ended], CANDIDATES_MAX)?;
            ends.extend(page.events.iter().filter_map(|end| end.time.at));
        }
        Ok(ends.into_iter().filter(|at| begun.time.at.is_none_or(|begun| *at >= begun)).min())
    }

    /// Whether what the caller named had begun when the issue was recorded, as far as its records tell.
    fn may_have_begun(&self, issue: &Event, steps: &[Arc<Event>]) -> bool {
        let Some(issued_at) = issue.time.at else { return true };
        let dated = steps.iter().filter_map(|step| Some((step, step.time.at?)));
        let mut begun = dated.map(|(step, at)| {
            let skew = self.evidence.skew(&issue.source, &step.source, issued_at);
            let (offset, bound) = skew.map_or((0, 0), |skew| (skew.offset_ns, signed(skew.bound_ns)));
            at.plus_nanoseconds(-offset - bound - signed(issue.time.precision_ns))
        });
        begun.next().is_none_or(|first| first <= issued_at)
    }

    fn disbelieved(
        &self,
        issue: &Arc<Event>,
        key: &Key,
        known: &BTreeSet<String>,
        said: &BTreeSet<String>,
    ) -> Step {
        let [known, said] = [known, said].map(|names| listed(&names.iter().cloned().collect::<Vec<_>>()));
        let reason = format!(
            "the caller named {} as the origin of {}, but its records are of {known} and the issuer vouched for {said}",
            credential_name(&key.to_ref()),
            self.child()
        );
        self.open(reason, vec![issue])
    }

    fn too_early(&self, issue: &Arc<Event>, key: &Key) -> Step {
        let reason = format!(
            "the caller named {} as the origin of {}, but its first record is later",
            credential_name(&key.to_ref()),
            self.child()
        );
        self.open(reason, vec![issue])
    }

    fn nothing_found(&self) -> Step {
        let kind = KeyKind::new(self.join.from.kind);
        let what = name_of_kind(&kind).unwrap_or(self.join.from.kind);
        let reason = format!("no record shows the {what} under which {} was issued", self.child());
        let issues = self.family.iter().map(|(issue, _)| issue).take(1).collect();
        self.open(reason, issues)
    }

    /// An edge from nothing, which names the log that this row reads.
    fn open(&self, reason: String, shown: Vec<&Arc<Event>>) -> Step {
        let recorded_in =
            || credential_row(&KeyKind::new(self.join.from.kind)).map(|row| row.issue_recorded_in);
        let settled_by = self.join.requires.or_else(recorded_in).unwrap_or("the log of whatever issued it");
        let by = shown.first().map(|event| Arc::clone(event));
        let shown = shown.into_iter().map(|event| event.id).collect();
        let mut edge = unresolved(self.join.id, self.credential, reason.clone(), shown);
        edge.from = Node::Unresolved { reason, settled_by: settled_by.to_owned() };
        Step { edge, shown_by: by }
    }

    fn child(&self) -> String {
        credential_name(&self.credential.uid)
    }
}

/// The keys of a kind in one of the roles.
pub(super) fn tied<'e>(
    event: &'e Event,
    kind: &'static str,
    roles: &'e [Role],
) -> impl Iterator<Item = &'e Key> {
    event.keys.iter().filter(move |key| roles.contains(&key.role) && key.kind.name() == kind)
}

/// The values of such keys in any of the events.
fn values(events: &[Arc<Event>], kind: &'static str, roles: &[Role]) -> BTreeSet<String> {
    let keys = events.iter().flat_map(|event| tied(event, kind, roles));
    keys.map(|key| key.value.clone()).collect()
}

fn signed(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}
