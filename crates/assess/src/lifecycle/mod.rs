//! When a credential was issued, renewed, changed and ended, and whether it was used after its end.
//!
//! That it was *not* used after its end is said only where the streams are proven complete for that time.

mod ends;
mod life;
mod rows;

use std::sync::Arc;

use ascribe_model::{
    Basis, Body, Claim, Credential, Details, EffectKind, Event, EventId, Gap, LifecycleDetail, Premise,
    Question, StreamSummary, TimeSpan, Timestamp, UseCounts, Verdict,
};

use self::ends::{Declared, End, Late, Standing, declared, ends, late_uses};
pub(crate) use self::life::Life;
use self::life::{Mark, Means};
use self::rows::{mark_claims, same_name, steps};
use crate::evidence::{EvidenceError, span_of};
use crate::kinds::{UnnamedEnd, unnamed_end};
use crate::lineage::credential_asked;
use crate::naming::{counted, credential_name, identity_name, listed};
use crate::trail::Trail;
use crate::uncertainty::SKEW_PREMISE;
use crate::verdict::{premise, searched, settled_by, worst_grade};
use crate::{Evidence, Subject};

/// Late uses that an answer lists and cites one by one.
const LATE_MAX: usize = 32;

/// The life of the credential, or of the one that the event used.
///
/// # Errors
/// When the evidence cannot be read.
pub fn lifecycle(
    evidence: &dyn Evidence,
    subject: &Subject,
    question: Question,
) -> Result<Body, EvidenceError> {
    match credential_asked(subject) {
        Some(credential) => life_of(evidence, &credential, question),
        None => Ok(no_credential(evidence, question)),
    }
}

/// The first of its ends that is surely its own, declared or on record.
pub(crate) fn first_end(life: &Life) -> Option<Timestamp> {
    let declared = declared(life);
    ends(life, declared.as_ref()).iter().find(|end| end.is_certain).map(|end| end.at)
}

/// One credential's life, judged.
struct Judged {
    life: Life,
    declared: Option<Declared>,
    ends: Vec<End>,
    late: Vec<Late>,
    /// The time after its first certain end up to the last event in scope; none where there is no such time.
    window: Option<TimeSpan>,
    /// Streams that are not proven complete.
    unproven: Vec<StreamSummary>,
}

fn life_of(
    evidence: &dyn Evidence,
    credential: &Credential,
    question: Question,
) -> Result<Body, EvidenceError> {
    let judged = Judged::of(evidence, Life::read(evidence, credential)?);
    let name = credential_name(&credential.uid);
    let mut trail = Trail::default();
    trail.begin(evidence, credential)?;
    let origin_is_open = !trail.gaps.is_empty();
    trail.gaps.extend(judged.gaps(&name));
    if let Some(unnamed) = unnamed_end(&credential.uid.kind) {
        trail.gaps.extend(judged.unnamed_ends().map(|event| unnamed_gap(event, unnamed, &name)));
    }
    let mut claims = trail.claims();
    claims.extend(mark_claims(&judged.life, &name));
    claims.extend(judged.claims(&name, &searched(evidence)));
    claims.extend(judged.unnamed_ends().map(|event| unnamed_claim(event, &name)));
    let verdict = judged.verdict(&trail, origin_is_open);
    let late: Vec<&Late> = judged.late.iter().take(LATE_MAX).collect();
    let details = LifecycleDetail {
        credential: credential.clone(),
        subject: judged.life.subject.clone(),
        steps: steps(&judged.life, judged.declared.as_ref(), &late),
        uses: judged.counts(),
        expires: judged.declared.as_ref().map(|declared| declared.at),
        unproven: judged.window.filter(|_| !judged.unproven.is_empty()),
    };
    Ok(Body {
        question,
        statement: judged.statement(&name, &trail, &verdict),
        verdict,
        grade: worst_grade(&trail.edges),
        claims,
        edges: trail.edges,
        gaps: trail.gaps.into_iter().collect(),
        scope: evidence.scope(),
        details: Details::Lifecycle(Box::new(details)),
    })
}

impl Judged {
    fn of(evidence: &dyn Evidence, life: Life) -> Self {
        let declared = declared(&life);
        let ends = ends(&life, declared.as_ref());
        let late = late_uses(&life, &ends);
        let window = window(&ends, evidence.scope().span.map(|span| span.last));
        let streams = evidence.streams().into_iter();
        let unproven = streams.filter(|stream| !stream.is_complete()).collect();
        Self { life, declared, ends, late, window, unproven }
    }

    fn late(&self, is: fn(&Late) -> bool) -> Vec<&Late> {
        self.late.iter().filter(|late| late.standing == Standing::After && is(late)).collect()
    }

    fn after_end(&self) -> Vec<&Late> {
        self.late(Late::is_accepted)
    }

    fn refused_after_end(&self) -> Vec<&Late> {
        self.late(Late::is_refused)
    }

    fn open_after_end(&self) -> Vec<&Late> {
        self.late(|late| !late.is_accepted() && !late.is_refused())
    }

    fn at_end(&self) -> Vec<&Late> {
        self.late.iter().filter(|late| late.standing == Standing::Open).collect()
    }

    /// Records that may have ended it before any that surely did.
    fn unnamed_ends(&self) -> impl Iterator<Item = &Arc<Event>> {
        let first = self.ends.iter().filter(|end| end.is_certain).map(|end| end.at).min();
        let matters =
            move |event: &&Arc<Event>| event.time.at.is_none_or(|at| first.is_none_or(|end| at < end));
        self.life.unnamed_ends.iter().filter(matters)
    }

    fn unexamined(&self) -> u64 {
        self.life.used - self.life.uses.len() as u64
    }

    fn undated(&self) -> u64 {
        self.life.uses.iter().filter(|usage| usage.time.at.is_none()).count() as u64
    }

    fn counts(&self) -> UseCounts {
        UseCounts {
            total: self.life.used,
            span: span_of(&self.life.uses),
            unexamined: self.unexamined(),
            undated: self.undated(),
            at_end: self.at_end().len() as u64,
            after_end: self.after_end().len() as u64,
            open_after_end: self.open_after_end().len() as u64,
            refused_after_end: self.refused_after_end().len() as u64,
        }
    }

    fn verdict(&self, trail: &Trail, origin_is_open: bool) -> Verdict {
        let after = self.after_end();
        if let (Some(first), Some(last)) = (after.first(), after.last()) {
            let when = match (first.usage.time.at, last.usage.time.at) {
                (Some(first), Some(last)) if first != last => format!("between {first} and {last}"),
                (at, _) => at.map_or_else(String::new, |at| format!("at {at}")),
            };
            let provided = self.provided(&after);
            let by = format!("{} after its end, {when}{provided}", counted(after.len(), "successful use"));
            return Verdict::Contradicted { by };
        }
        if let Some(by) = &trail.contradiction {
            return Verdict::Contradicted { by: by.clone() };
        }
        let open = self.at_end().len() + self.open_after_end().len();
        let is_decided = self.ends.iter().any(|end| end.is_certain)
            && self.unproven.is_empty()
            && open == 0
            && self.unexamined() + self.undated() + self.life.unread == 0;
        match (is_decided, origin_is_open) {
            (true, false) => Verdict::Proven,
            (true, true) => Verdict::Bounded { bound: "its end; who asked for it is not settled".to_owned() },
            (false, _) => Verdict::Undecided { decided_by: settled_by(&trail.gaps) },
        }
    }

    /// What has to be taken on somebody's word for a use to stand after an end.
    fn provided(&self, after: &[&Late]) -> String {
        let mut words: Vec<String> = Vec::new();
        if after.iter().any(|late| !late.shares_clock) {
            words.push(SKEW_PREMISE.to_owned());
        }
        let of_ends = |mark: &&Mark| after.iter().any(|late| late.end == mark.event.id);
        let named = self.life.marks.iter().filter(of_ends).find_map(|mark| match &mark.means {
            Means::SetByName(name) => Some(same_name(name)),
            _ => None,
        });
        words.extend(named);
        if words.is_empty() {
            String::new()
        } else {
            format!(", provided that {}", words.join(", and that "))
        }
    }

    fn gaps(&self, name: &str) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let mut add = |missing: String, settled_by: &str| {
            gaps.push(Gap { missing, settled_by: settled_by.to_owned() });
        };
        let proofs = "continuity proofs of the sources, such as chains of digests";
        if !self.ends.iter().any(|end| end.is_certain) {
            add(
                format!("an end of {name}: no record in scope declares or shows one"),
                "the record of its issue with the declared end, or of its revocation",
            );
        }
        if let Some(TimeSpan { first, last }) = self.window.filter(|_| !self.unproven.is_empty()) {
            let streams = counted(self.unproven.len(), "stream");
            add(format!("proof that {streams} recorded everything from {first}, its end, to {last}"), proofs);
        }
        if let Some(end) = self.ends.iter().find(|end| end.is_certain).filter(|_| self.window.is_none()) {
            add(format!("any record after {}, its end", end.at), "the streams of a later time");
        }
        if !self.at_end().is_empty() {
            add(
                format!("whether {} came before the end", counted(self.at_end().len(), "use")),
                "records of finer time, or of when the credential was issued",
            );
        }
        if !self.open_after_end().is_empty() {
            add(
                format!(
                    "whether {} after the end were accepted",
                    counted(self.open_after_end().len(), "use")
                ),
                "records that state the outcome of authentication",
            );
        }
        if self.unexamined() + self.life.unread > 0 {
            add(
                format!("a look at each of {} records", self.life.used + self.life.unread),
                "a narrower question",
            );
        }
        if self.undated() > 0 {
            add(format!("the time of {} uses", self.undated()), "records of them that state a time");
        }
        gaps
    }

    /// What is claimed of its uses.
    fn claims(&self, name: &str, searched: &Premise) -> Vec<Claim> {
        let mut claims = Vec::new();
        if self.life.used > 0 {
            let span = span_of(&self.life.uses);
            let when = span.map_or_else(String::new, |span| format!(" from {} to {}", span.first, span.last));
            claims.push(Claim {
                statement: format!("the records in scope show {} of {name}{when}", uses(self.life.used)),
                premises: vec![searched.clone()],
                events: sorted(
                    [self.life.uses.first(), self.life.uses.last()]
                        .into_iter()
                        .flatten()
                        .map(|usage| usage.id),
                ),
                edges: Vec::new(),
            });
        }
        for (late, what) in [
            (self.after_end(), "with success"),
            (self.refused_after_end(), "refused"),
            (self.open_after_end(), "without a word on whether it was accepted"),
        ] {
            claims.extend(late_claim(&late, what));
        }
        if self.after_end().is_empty() && self.ends.iter().any(|end| end.is_certain) {
            let (statement, premises) = if self.unproven.is_empty() {
                let complete = premise("the streams recorded everything since its end", Basis::Rederivable);
                (format!("{name} was not used with success after its end"), vec![complete, searched.clone()])
            } else {
                let statement = format!("no record in scope shows a successful use of {name} after its end");
                (statement, vec![searched.clone()])
            };
            claims.push(Claim { statement, premises, events: Vec::new(), edges: Vec::new() });
        }
        claims
    }

    fn statement(&self, name: &str, trail: &Trail, verdict: &Verdict) -> String {
        let subject = self
            .life
            .subject
            .as_ref()
            .map_or_else(String::new, |subject| format!(", of {},", identity_name(subject)));
        let mut parts = Vec::new();
        let mut issues = self.life.marks.iter().filter(|mark| mark.effect.kind == EffectKind::Issue);
        if let Some(issued) = issues.find_map(|mark| mark.event.time.at) {
            let origins: Vec<String> = trail.origins(None).into_iter().collect();
            let by = if origins.is_empty() { String::new() } else { format!(" by {}", listed(&origins)) };
            parts.push(format!("was issued at {issued}{by}"));
        }
        match span_of(&self.life.uses) {
            Some(span) => parts.push(format!("was used {} up to {}", times(self.life.used), span.last)),
            None if self.life.used == 0 => parts.push("has no use on record".to_owned()),
            None => parts.push(format!("was used {} without a time", times(self.life.used))),
        }
        parts.extend(self.end_words());
        let after = self.after_words(verdict);
        format!("{name}{subject} {}{after}", listed(&parts))
    }

    fn end_words(&self) -> Vec<String> {
        let recorded = self.ends.iter().find(|end| {
            end.is_certain && self.declared.as_ref().is_none_or(|declared| declared.by.id != end.shown_by)
        });
        let mut words = Vec::new();
        if let Some(end) = recorded {
            let mark = self.life.marks.iter().find(|mark| mark.event.id == end.shown_by);
            let word = mark.map_or("ended", |mark| rows::end_word(mark));
            let until = end.until.as_ref().map_or_else(String::new, |_| " for a while".to_owned());
            words.push(format!("was {word} at {}{until}", end.at));
        }
        let declared = self.declared.as_ref();
        words.extend(
            declared.map(|declared| format!("was declared to end at {}", whole_seconds(declared.at))),
        );
        if words.is_empty() {
            words.push("has no end on record".to_owned());
        }
        words
    }

    fn after_words(&self, verdict: &Verdict) -> String {
        let counts = [
            (self.after_end().len(), "succeeded"),
            (self.refused_after_end().len(), "refused"),
            (self.open_after_end().len(), "with another outcome"),
        ];
        let told: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, how)| format!("{} {how}", uses(*count as u64)))
            .collect();
        let told =
            if told.is_empty() { String::new() } else { format!("; after its end: {}", told.join(", ")) };
        match (verdict, self.window) {
            (Verdict::Contradicted { .. }, _) | (_, None) => told,
            (Verdict::Proven | Verdict::Bounded { .. }, _) => {
                format!("{told}; it was not used with success after its end")
            }
            (Verdict::Undecided { .. }, Some(window)) => format!(
                "{told}; that it was not used with success between {} and {} cannot be said: no stream is proven \
                 complete for that time",
                whole_seconds(window.first),
                whole_seconds(window.last)
            ),
        }
    }
}

/// The time after its first certain end, up to when it was switched on again for good, or to the last event seen.
fn window(ends: &[End], last_seen: Option<Timestamp>) -> Option<TimeSpan> {
    let certain = || ends.iter().filter(|end| end.is_certain);
    let first = certain().map(|end| end.at).min()?;
    let until = certain()
        .map(|end| end.until.as_ref().map(|until| until.latest))
        .max_by_key(|until| until.map_or((true, None), |until| (false, Some(until))))?;
    let last = [until, last_seen].into_iter().flatten().min()?;
    (first < last).then_some(TimeSpan { first, last })
}

fn late_claim(late: &[&Late], what: &str) -> Option<Claim> {
    if late.is_empty() {
        return None;
    }
    let mut operations: Vec<String> = late.iter().map(|late| late.usage.api.operation.clone()).collect();
    operations.sort();
    operations.dedup();
    let mut premises = vec![premise("the records of the use and of the end say so", Basis::Rederivable)];
    if late.iter().any(|late| !late.shares_clock) {
        premises.push(premise(SKEW_PREMISE, Basis::Asserted));
    }
    Some(Claim {
        statement: format!(
            "after its end there {} {} {what}: {}",
            if late.len() == 1 { "is" } else { "are" },
            uses(late.len() as u64),
            listed(&operations)
        ),
        premises,
        events: sorted(late.iter().take(LATE_MAX).map(|late| late.usage.id)),
        edges: Vec::new(),
    })
}

/// What is missing where a record may have ended the credential.
fn unnamed_gap(event: &Event, unnamed: &UnnamedEnd, name: &str) -> Gap {
    let at = event.time.at.map_or_else(String::new, |at| format!(" of {at}"));
    let operation = &event.api.operation;
    Gap {
        missing: format!(
            "whether `{operation}`{at} ended {name}: the record does not name what it ended as others do"
        ),
        settled_by: unnamed.settled_by.to_owned(),
    }
}

fn unnamed_claim(event: &Event, name: &str) -> Claim {
    let at = event.time.at.map_or_else(String::new, |at| format!(" at {at}"));
    let (operation, actor) = (&event.api.operation, identity_name(&event.actor));
    Claim {
        statement: format!("{name} may be what {actor} ended{at} ({operation})"),
        premises: vec![premise(format!("the record names {name}"), Basis::Unmet)],
        events: vec![event.id],
        edges: Vec::new(),
    }
}

pub(crate) fn no_credential(evidence: &dyn Evidence, question: Question) -> Body {
    let settled_by = "asking about a credential that the event issued or ended".to_owned();
    let missing = "a credential: the record names none that was used".to_owned();
    Body {
        question,
        verdict: Verdict::Undecided { decided_by: vec![settled_by.clone()] },
        statement: "the record names no credential that was used, so there is no life to tell".to_owned(),
        grade: None,
        claims: Vec::new(),
        edges: Vec::new(),
        gaps: vec![Gap { missing, settled_by }],
        scope: evidence.scope(),
        details: Details::Nothing { suggestions: Vec::new() },
    }
}

fn uses(count: u64) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), "use")
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// A moment without its fraction, for sentences.
fn whole_seconds(at: Timestamp) -> Timestamp {
    at.plus_nanoseconds(-at.nanoseconds().rem_euclid(1_000_000_000))
}

fn sorted(events: impl Iterator<Item = EventId>) -> Vec<EventId> {
    let mut events: Vec<EventId> = events.collect();
    events.sort_unstable();
    events.dedup();
    events
}
