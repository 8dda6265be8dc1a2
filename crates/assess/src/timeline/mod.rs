//! What an identity, a credential and what came of it did, in one order across all streams, with what cannot be seen.
//!
//! A page holds the first events of the period. What a credential did that came of the subject is in it, each row with
//! the edge that leads there; what only has the same name is not.

mod blind;
mod leads;
mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;

use ascribe_model::{
    Basis, Body, Claim, Credential, Details, Event, EventId, Gap, KeyRef, Question, TimelineDetail,
    TimelinePart, TimelineRow, Timestamp, Verdict,
};

use self::blind::{Seen, blind_spots};
use self::leads::{Lead, Leads};
use self::rows::{event_rows, with_blind_spots};
use crate::evidence::{EvidenceError, Period, TimePage, Wanted};
use crate::lineage::credential_in;
use crate::naming::{counted, credential_name};
use crate::uncertainty::{SKEW_NS, SKEW_PREMISE};
use crate::verdict::{claim_of, premise, settled_by, worst_grade};
use crate::{Evidence, Subject, is_credential};

/// Events of a page where nothing else is asked for.
pub const ROWS_DEFAULT: usize = 200;

/// Which part of a timeline is asked for.
#[derive(Clone, Copy, Debug)]
pub struct TimelineOptions {
    /// The period.
    pub period: Period,
    /// Most events of the page.
    pub limit: usize,
}

impl Default for TimelineOptions {
    fn default() -> Self {
        Self { period: Period::default(), limit: ROWS_DEFAULT }
    }
}

/// The timeline of a credential, of the credential or actor of an event, or of an identity.
///
/// # Errors
/// When the evidence cannot be read.
pub fn timeline(
    evidence: &dyn Evidence,
    subject: &Subject,
    options: TimelineOptions,
    question: Question,
) -> Result<Body, EvidenceError> {
    let leads = match subject {
        Subject::Key(credential) => Leads::of_credential(evidence, credential)?,
        Subject::Identity(identity) => Leads::of_identity(evidence, identity)?,
        Subject::Event(event) => match credential_in(event) {
            Some(credential) => Leads::of_credential(evidence, &credential)?,
            None => Leads::of_identity(evidence, &event.actor.uid)?,
        },
    };
    let wanted: Vec<Wanted> = leads.all.iter().map(|lead| lead.wanted.clone()).collect();
    let page = evidence.page(&wanted, options.period, options.limit)?;
    Shown::of(leads, page).answer(evidence, options, question)
}

/// A page of events, each with the lead that put it there.
struct Shown {
    leads: Leads,
    page: TimePage,
    /// Events in the order of the page, undated ones last.
    events: Vec<(Arc<Event>, usize)>,
    /// Time of the last event shown.
    last: Option<Timestamp>,
    /// The same, where events after it were left out.
    next: Option<Timestamp>,
}

impl Shown {
    fn of(leads: Leads, page: TimePage) -> Self {
        let last = page.dated.last().and_then(|event| event.time.at);
        let next = last.filter(|_| page.total > page.dated.len() as u64);
        let events = page.dated.iter().chain(&page.undated);
        let events = events.filter_map(|event| Some((Arc::clone(event), leads.best(event)?))).collect();
        Self { leads, page, events, last, next }
    }

    fn answer(
        mut self,
        evidence: &dyn Evidence,
        options: TimelineOptions,
        question: Question,
    ) -> Result<Body, EvidenceError> {
        let seen = Seen::of(&self.events, self.last, options.period);
        let spots = blind_spots(evidence, &seen, &self.leads)?;
        let streams = seen.streams();
        let rows = event_rows(&self.events, &self.leads.all, &streams);
        let rows = with_blind_spots(rows, spots);
        let claims = self.claims(&rows);
        self.leads.trail.gaps.extend(self.gaps());
        let verdict = self.verdict(evidence, &claims);
        let detail = TimelineDetail {
            subject: self.leads.subject.clone(),
            streams,
            rows,
            total: self.page.total,
            is_exact: self.page.is_exact,
            undated: self.page.undated_total,
            skew_ns: SKEW_NS,
            next: self.next,
        };
        Ok(Body {
            question,
            verdict,
            statement: self.statement(&detail),
            grade: worst_grade(&self.leads.trail.edges),
            claims,
            edges: self.leads.trail.edges,
            gaps: self.leads.trail.gaps.into_iter().collect(),
            scope: evidence.scope(),
            details: Details::Timeline(Box::new(detail)),
        })
    }

    /// A claim for each way in which events came to be here, and one for each edge that leads to some of them.
    fn claims(&self, rows: &[TimelineRow]) -> Vec<Claim> {
        let mut parts: BTreeMap<TimelinePart, Vec<EventId>> = BTreeMap::new();
        for (event, lead) in &self.events {
            parts.entry(self.leads.all[*lead].part).or_default().push(event.id);
        }
        let mut claims: Vec<Claim> =
            parts.into_iter().map(|(part, events)| self.claim(part, events)).collect();
        let edges = self.leads.trail.edges.iter().enumerate();
        claims.extend(edges.map(|(position, edge)| claim_of(edge, position)));
        let is_open = |row: &&TimelineRow| matches!(row, TimelineRow::Event(event) if event.order_is_open);
        let open = rows.iter().filter(is_open).count();
        if self.page.dated.windows(2).any(|pair| pair[0].source != pair[1].source) {
            claims.push(Claim {
                statement: format!(
                    "the rows stand in the order in which things happened, less {} whose order is open",
                    counted(open, "row")
                ),
                premises: vec![premise(SKEW_PREMISE, Basis::Asserted)],
                events: Vec::new(),
                edges: Vec::new(),
            });
        }
        claims
    }

    fn claim(&self, part: TimelinePart, mut events: Vec<EventId>) -> Claim {
        events.sort_unstable();
        let subject = &self.leads.name;
        let (what, premises) = match part {
            TimelinePart::Own => {
                ("are of", vec![premise("the records name it by its identifier", Basis::Rederivable)])
            }
            TimelinePart::ByName => (
                "name",
                vec![
                    premise("the records name it by a name", Basis::Rederivable),
                    premise("the name meant the same identity then", Basis::Asserted),
                ],
            ),
            TimelinePart::Derived => (
                "are of credentials that came of",
                vec![premise(
                    "the records name a credential to which the cited joins lead",
                    Basis::Rederivable,
                )],
            ),
        };
        let statement = format!("{} {what} {subject}", counted(events.len(), "event"));
        let statement = if events.len() == 1 { statement.replacen(" are ", " is ", 1) } else { statement };
        Claim { statement, premises, events, edges: Vec::new() }
    }

    fn gaps(&self) -> Vec<Gap> {
        let mut gaps = vec![Gap {
            missing: "proof that the streams in scope recorded everything".to_owned(),
            settled_by: "continuity proofs of the sources, such as chains of digests".to_owned(),
        }];
        if let Some(next) = self.next {
            gaps.push(Gap {
                missing: format!("events after the last one shown, at {next}"),
                settled_by: format!("asking again with `--since {next}`, or with a larger `--limit`"),
            });
        }
        gaps.extend(self.leads.unfollowed.clone());
        gaps
    }

    /// Never more than bounded while a stream is not proven complete.
    fn verdict(&self, evidence: &dyn Evidence, claims: &[Claim]) -> Verdict {
        if let Some(by) = &self.leads.trail.contradiction {
            return Verdict::Contradicted { by: by.clone() };
        }
        if self.events.is_empty() {
            return Verdict::Undecided { decided_by: settled_by(&self.leads.trail.gaps) };
        }
        let is_complete = evidence.streams().iter().all(ascribe_model::StreamSummary::is_complete);
        let is_whole =
            self.next.is_none() && self.leads.unfollowed.is_empty() && self.page.undated_total == 0;
        if is_complete && is_whole && crate::verdict::weakest(claims) <= Basis::ProvenByIndex {
            return Verdict::Proven;
        }
        Verdict::Bounded { bound: "what the streams in scope recorded; the blind spots are rows".to_owned() }
    }

    fn statement(&self, detail: &TimelineDetail) -> String {
        let name = &self.leads.name;
        if self.events.is_empty() {
            return format!("no record in scope shows anything of {name} in this period");
        }
        let shown = self.page.dated.len();
        let total = if detail.is_exact { "" } else { "at most " };
        let of = if (shown as u64) < detail.total {
            format!("the first {shown} of {total}{} events", detail.total)
        } else {
            counted(shown, "event")
        };
        let derived =
            self.events.iter().filter(|(_, lead)| self.leads.all[*lead].part == TimelinePart::Derived);
        let derived = match derived.count() {
            0 => String::new(),
            count => format!(", {count} of them by credentials that came of it"),
        };
        let undated = match detail.undated {
            0 => String::new(),
            count => format!("; {count} more without a time"),
        };
        let blind = detail.rows.iter().filter(|row| matches!(row, TimelineRow::Blind(_))).count();
        format!(
            "{of} of {name} in {}{derived}{undated}; {}",
            counted(detail.streams.len(), "stream"),
            counted(blind, "blind spot")
        )
    }
}

/// What a sentence calls the subject.
fn subject_name(uid: &KeyRef) -> String {
    if is_credential(&uid.kind) { credential_name(uid) } else { uid.to_string() }
}

/// Leads for a credential that names nothing but itself.
fn own(uid: &KeyRef) -> Lead {
    Lead::new(uid.clone(), &leads::CREDENTIAL_ROLES, TimelinePart::Own)
}

/// The credential as a start of a walk.
fn start(uid: &KeyRef) -> Credential {
    Credential { uid: uid.clone(), class: ascribe_model::CredentialClass::Unknown }
}
