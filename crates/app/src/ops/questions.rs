//! The questions. Each reasons over evidence that is open, and returns one answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ascribe_assess::{Direction, Evidence, EvidenceError, TimelineOptions};
use ascribe_ledger::{Kind, OfflineProof};
use ascribe_model::{
    Answer, Basis, Body, Claim, Details, EntryRef, EntryState, Event, EventId, EvidenceRef, Gap, KeyRef,
    Premise, ProofSide, Question, RejectTally, ShowDetail, SourcesDetail, StreamPulse, TimelineRow, Verdict,
    Withheld,
};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::asserted::{AssertedError, asserted};
use super::evidence::{OpenError, OpenEvidence};
use super::standing::Standing;
use super::streams::{StreamReadError, all_silences, last_records, source_of, stream_at};
use super::subject::{Resolved, Sought, resolve};
use crate::pulse::PulseSettings;

/// A question cannot be answered at all. What the evidence does not decide is an answer, not an error.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// The evidence cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The evidence cannot be read.
    #[error(transparent)]
    Evidence(EvidenceError),
    /// The store cannot be read.
    #[error("cannot read the store")]
    Store(#[source] ascribe_store::ReadError),
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Ledger(#[from] ascribe_ledger::ReadError),
    /// What the operator asserts cannot be told.
    #[error(transparent)]
    Asserted(#[from] AssertedError),
    /// When streams were last heard of cannot be told.
    #[error("cannot tell when streams were last heard of")]
    Streams(#[from] StreamReadError),
    /// The name stands for several things.
    #[error("`{text}` could be any of {}", listed(names))]
    Several {
        /// What was typed.
        text: String,
        /// What it could be.
        names: Vec<String>,
    },
    /// The name is an identity's, and it used several credentials, or none.
    #[error("`{text}` names an identity, not a credential or an event{}", used(names))]
    Identity {
        /// What was typed.
        text: String,
        /// Credentials that it used.
        names: Vec<String>,
    },
    /// The name is not an event's.
    #[error("`{text}` names {what}, not an event")]
    NotAnEvent {
        /// What was typed.
        text: String,
        /// What it names.
        what: String,
    },
}

/// Which identity held a credential or acted in an event.
pub fn who(evidence: &OpenEvidence, subject: &str) -> Result<Answer, QuestionError> {
    ask(evidence, question("who", Some(subject)), Sought::Identity, |evidence, subject, question| {
        ascribe_assess::who(evidence, subject, question)
    })
}

/// Back to who started it, or forward to all that came of it.
pub fn chain(evidence: &OpenEvidence, subject: &str, direction: Direction) -> Result<Answer, QuestionError> {
    let mut asked = question("chain", Some(subject));
    if direction == Direction::Forward {
        asked.options.insert("direction".to_owned(), "forward".to_owned());
    }
    ask(evidence, asked, Sought::Credential, |evidence, subject, question| {
        ascribe_assess::chain(evidence, subject, direction, question)
    })
}

/// When a credential was issued, changed and ended, and whether it was used after its end.
pub fn lifecycle(evidence: &OpenEvidence, subject: &str) -> Result<Answer, QuestionError> {
    ask(evidence, question("lifecycle", Some(subject)), Sought::Credential, |evidence, subject, question| {
        ascribe_assess::lifecycle(evidence, subject, question)
    })
}

/// The bounded use of one credential, and how good the evidence of it is.
pub fn session(evidence: &OpenEvidence, subject: &str) -> Result<Answer, QuestionError> {
    ask(evidence, question("session", Some(subject)), Sought::Credential, |evidence, subject, question| {
        ascribe_assess::session(evidence, subject, question)
    })
}

/// Who asked, who approved, and which rule was in force.
pub fn why(evidence: &OpenEvidence, subject: &str) -> Result<Answer, QuestionError> {
    ask(evidence, question("why", Some(subject)), Sought::Credential, |evidence, subject, question| {
        ascribe_assess::why(evidence, subject, question)
    })
}

/// What an identity, a credential and what came of it did, in one order across all streams.
pub fn timeline(
    evidence: &OpenEvidence,
    subject: &str,
    options: TimelineOptions,
) -> Result<Answer, QuestionError> {
    let mut asked = question("timeline", Some(subject));
    let moments = [("since", options.period.since), ("until", options.period.until)];
    for (name, moment) in moments {
        asked.options.extend(moment.map(|moment| (name.to_owned(), moment.to_string())));
    }
    asked.options.insert("limit".to_owned(), options.limit.to_string());
    ask(evidence, asked, Sought::Identity, |evidence, subject, question| {
        ascribe_assess::timeline(evidence, subject, options, question)
    })
}

/// One event with its record and its proof.
pub fn show(evidence: &OpenEvidence, text: &str) -> Result<Answer, QuestionError> {
    let asked = question("show", Some(text));
    let event = match shown_event(evidence, text)? {
        Ok(event) => event,
        Err(suggestions) => return Ok(finished(evidence, nothing(evidence, asked, suggestions))),
    };
    let (leaf, is_stored) = first_leaf(evidence, &event)?;
    let sightings =
        u64::from(is_stored) + evidence.store.deliveries(event.id).map_err(QuestionError::Store)?;
    let entry = evidence.reader.proven_entry(leaf)?;
    let body = shown(evidence, asked, &event, entry.kept()?, sightings);
    let mut answer = finished(evidence, body);
    for found in &mut answer.proof.evidence {
        prove(evidence, found)?;
    }
    Ok(answer)
}

/// Streams, records, time spans and rejects.
pub fn sources(evidence: &OpenEvidence) -> Result<Answer, QuestionError> {
    let mut rejects: BTreeMap<String, u64> = BTreeMap::new();
    let mut detail =
        SourcesDetail { streams: Vec::new(), rejects: Vec::new(), objects: 0, objects_unfinished: 0 };
    let mut closed = 0;
    for segment in evidence.store.summaries() {
        detail.objects += segment.objects_opened;
        closed += segment.objects_closed;
        for (reason, count) in &segment.rejects {
            *rejects.entry(reason.clone()).or_default() += count;
        }
    }
    detail.objects_unfinished = detail.objects.saturating_sub(closed);
    detail.streams = evidence.streams();
    detail.rejects = rejects.into_iter().map(|(reason, count)| RejectTally { reason, count }).collect();
    let scope = evidence.scope();
    let statement =
        format!("{} events in {} streams, {} rejects", scope.events, scope.streams.len(), scope.rejects);
    let body = Body {
        question: question("sources", None),
        verdict: Verdict::Proven,
        grade: None,
        claims: vec![Claim {
            statement: statement.clone(),
            premises: vec![premise(
                "the counts are a fold over every entry of the ledger",
                Basis::Rederivable,
            )],
            events: Vec::new(),
            edges: Vec::new(),
        }],
        statement,
        edges: Vec::new(),
        gaps: vec![Gap {
            missing: "whether the streams are complete: no source's own continuity proof was checked"
                .to_owned(),
            settled_by: "continuity proofs of the sources, such as CloudTrail digests".to_owned(),
        }],
        scope,
        details: Details::Sources(Box::new(detail)),
    };
    let mut answer = finished(evidence, body);
    answer.proof.streams = stream_pulses(evidence, &evidence.workspace.settings().pulse)?;
    Ok(answer)
}

impl QuestionError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Open(error) => error.hint().to_owned(),
            Self::Asserted(error) => error.hint().to_owned(),
            Self::Evidence(_) | Self::Ledger(_) | Self::Streams(_) => {
                "no answer is given on what cannot be proven; `ascribe verify` lists everything that is altered or missing".to_owned()
            }
            Self::Store(_) => {
                "the store is derived: `ascribe rebuild` makes it anew from the ledger".to_owned()
            }
            Self::Several { .. } => "type more of it, or the whole name as listed".to_owned(),
            Self::Identity { names, .. } if names.is_empty() => {
                "no record shows a credential of it".to_owned()
            }
            Self::Identity { .. } => "ask about one of these".to_owned(),
            Self::NotAnEvent { .. } => "`ascribe show` takes events; `ascribe who` and `ascribe chain` take credentials too".to_owned(),
        }
    }
}

fn ask(
    evidence: &OpenEvidence,
    question: Question,
    sought: Sought,
    reason: impl FnOnce(&dyn Evidence, &ascribe_assess::Subject, Question) -> Result<Body, EvidenceError>,
) -> Result<Answer, QuestionError> {
    let text = question.subject.clone().unwrap_or_default();
    let body = match resolve(evidence, &text, sought)? {
        Resolved::Subject(subject) => {
            reason(evidence, &subject, question).map_err(QuestionError::Evidence)?
        }
        Resolved::Nothing(suggestions) => nothing(evidence, question, suggestions),
    };
    let asserted = asserted(&evidence.workspace, evidence, &body.details)?;
    let mut answer = Answer { asserted, ..finished(evidence, body) };
    locate_entries(evidence, &mut answer)?;
    Ok(answer)
}

/// The event that `text` names by any of its ids or by its leaf; else names that come close.
fn shown_event(
    evidence: &OpenEvidence,
    text: &str,
) -> Result<Result<Arc<Event>, Vec<KeyRef>>, QuestionError> {
    if let Some(leaf) = text.parse().ok().filter(|&leaf: &u64| leaf < evidence.reader.size()) {
        let events = evidence.events_at(leaf).map_err(QuestionError::Evidence)?;
        return match events.as_slice() {
            [one] => Ok(Ok(Arc::clone(one))),
            [] => {
                Err(QuestionError::NotAnEvent { text: text.to_owned(), what: entry_words(evidence, leaf)? })
            }
            several => {
                let names = several.iter().map(|event| event.id.to_string()).collect();
                Err(QuestionError::Several { text: text.to_owned(), names })
            }
        };
    }
    match resolve(evidence, text, Sought::Credential)? {
        Resolved::Subject(ascribe_assess::Subject::Event(event)) => Ok(Ok(event)),
        Resolved::Subject(ascribe_assess::Subject::Key(credential)) => {
            Err(QuestionError::NotAnEvent { text: text.to_owned(), what: credential.uid.to_string() })
        }
        Resolved::Subject(ascribe_assess::Subject::Identity(identity)) => {
            Err(QuestionError::NotAnEvent { text: text.to_owned(), what: identity.to_string() })
        }
        Resolved::Nothing(suggestions) => Ok(Err(suggestions)),
    }
}

/// The event that `text` names, and the leaf of its first sighting.
pub(super) fn event_and_leaf(
    evidence: &OpenEvidence,
    text: &str,
) -> Result<Option<(Arc<Event>, u64)>, QuestionError> {
    let Ok(event) = shown_event(evidence, text)? else { return Ok(None) };
    let (leaf, _) = first_leaf(evidence, &event)?;
    Ok(Some((event, leaf)))
}

/// Leaf of an event's first sighting, and whether the store has it.
fn first_leaf(evidence: &OpenEvidence, event: &Event) -> Result<(u64, bool), QuestionError> {
    let stored = evidence.store.event(event.id).map_err(QuestionError::Store)?;
    let leaf = stored.or_else(|| evidence.leaf_of(event.id)).unwrap_or_default();
    Ok((leaf, stored.is_some()))
}

/// What a ledger entry without an event is.
fn entry_words(evidence: &OpenEvidence, leaf: u64) -> Result<String, QuestionError> {
    let entry = evidence.reader.proven_entry(leaf)?;
    let kind = entry.envelope().kind.name();
    let line = entry.kept()?.split(|&byte| byte == b'\n').next().unwrap_or_default();
    Ok(match entry.envelope().kind {
        Kind::Reject | Kind::Object | Kind::Stream => {
            format!("a ledger entry of kind {kind}: {}", String::from_utf8_lossy(line))
        }
        _ => format!("a ledger entry of kind {kind} without an event"),
    })
}

fn shown(
    evidence: &OpenEvidence,
    question: Question,
    event: &Arc<Event>,
    captured: &[u8],
    sightings: u64,
) -> Body {
    let record = String::from_utf8_lossy(captured).into_owned();
    let exact = record.as_bytes() == captured;
    let withheld = ascribe_sources::placeholders(captured);
    let withheld = withheld
        .into_iter()
        .map(|(offset, found)| Withheld { rule: found.rule.to_owned(), offset: offset as u64 });
    Body {
        question,
        verdict: Verdict::Proven,
        statement: format!(
            "{} by {} `{}`, as the record says",
            event.api.operation,
            event.actor.kind.name(),
            event.actor.label()
        ),
        grade: None,
        claims: vec![Claim {
            statement: "the ledger holds this record, and it says this".to_owned(),
            premises: vec![
                premise("the entry is under the signed checkpoint", Basis::Rederivable),
                premise("the event follows from the captured bytes", Basis::Rederivable),
            ],
            events: vec![event.id],
            edges: Vec::new(),
        }],
        edges: Vec::new(),
        gaps: Vec::new(),
        scope: evidence.scope(),
        details: Details::Show(Box::new(ShowDetail {
            event: Event::clone(event),
            record_base64: (!exact).then(|| STANDARD.encode(captured)),
            record,
            withheld: withheld.collect(),
            sightings,
        })),
    }
}

/// Adds what a stranger needs to check the entry alone: its envelope, the salt of its commitment, and the path to the
/// signed checkpoint.
fn prove(evidence: &OpenEvidence, found: &mut EvidenceRef) -> Result<(), QuestionError> {
    let reader = &evidence.reader;
    let entry = reader.entry(found.leaf)?;
    let proof = OfflineProof {
        extra: reader.salts(found.leaf)?.captured.map(|salt| salt.to_vec()),
        index: found.leaf,
        hashes: reader.inclusion_proof(found.leaf)?,
        checkpoint: reader.checkpoint().note().to_owned(),
    };
    found.envelope = Some(STANDARD.encode(entry.envelope_bytes()));
    found.proof = Some(proof.to_string());
    Ok(())
}

fn nothing(evidence: &OpenEvidence, question: Question, suggestions: Vec<KeyRef>) -> Body {
    let text = question.subject.clone().unwrap_or_default();
    let settled_by = "a log that names it; `ascribe sources` shows which streams are here".to_owned();
    Body {
        question,
        verdict: Verdict::Undecided { decided_by: vec![settled_by.clone()] },
        statement: format!(
            "nothing in the ledger is found by the name `{text}`: names are of credentials, identities, workloads, resources, \
             requests and events. That is no evidence that it was not used"
        ),
        grade: None,
        claims: Vec::new(),
        edges: Vec::new(),
        gaps: vec![Gap { missing: format!("any event that names `{text}`"), settled_by }],
        scope: evidence.scope(),
        details: Details::Nothing { suggestions },
    }
}

/// Puts the proof side beside a body: where each cited event lies, and the checkpoint over it.
pub(super) fn finished(evidence: &OpenEvidence, mut body: Body) -> Answer {
    if evidence.unfolded() > 0 {
        body.gaps.push(Gap {
            missing: format!(
                "the last {} entries of the ledger: they are not in the store yet",
                evidence.unfolded()
            ),
            settled_by:
                "asking again when the ingest that runs has ended, or where the folder can be written"
                    .to_owned(),
        });
    }
    let erased: u64 = evidence.store.summaries().map(|segment| segment.erased).sum();
    if erased > 0 {
        body.gaps.push(Gap {
            missing: format!("what {erased} entries of the ledger said: their bytes were erased"),
            settled_by: "nothing here; `ascribe retention` says by which rule and whose approval".to_owned(),
        });
    }
    let mut cited: BTreeSet<EventId> =
        body.claims.iter().flat_map(|claim| claim.events.iter().copied()).collect();
    cited.extend(body.edges.iter().flat_map(|edge| edge.evidence.iter().copied()));
    let standing = Standing::of(evidence);
    let located = cited.into_iter().filter_map(|event| {
        let leaf = evidence.leaf_of(event)?;
        Some(EvidenceRef { event, leaf, state: standing.state(leaf), envelope: None, proof: None })
    });
    let proof = ProofSide {
        checkpoint: evidence.reader.checkpoint().note().to_owned(),
        size: evidence.reader.size(),
        evidence: located.collect(),
        witnesses: standing.witnesses,
        time: standing.time,
        entries: Vec::new(),
        streams: Vec::new(),
    };
    Answer { schema: Answer::SCHEMA.to_owned(), body, proof, asserted: None }
}

/// Says where entries lie that the body cites and that are no events.
fn locate_entries(evidence: &OpenEvidence, answer: &mut Answer) -> Result<(), StreamReadError> {
    let Details::Timeline(timeline) = &answer.body.details else { return Ok(()) };
    let cited: BTreeSet<&String> = timeline
        .rows
        .iter()
        .filter_map(|row| match row {
            TimelineRow::Blind(spot) => spot.entry.as_ref(),
            TimelineRow::Event(_) => None,
        })
        .collect();
    if cited.is_empty() {
        return Ok(());
    }
    let recorded = all_silences(&evidence.store, &evidence.reader)?.into_iter();
    let mut entries: Vec<EntryRef> = recorded
        .filter(|(silence, _)| cited.contains(&silence.entry))
        .map(|(silence, leaf)| EntryRef { entry: silence.entry, leaf, state: EntryState::Committed })
        .collect();
    entries.sort_by_key(|entry| entry.leaf);
    answer.proof.entries = entries;
    Ok(())
}

/// When each stream was last heard of, and what the settings expect of it.
fn stream_pulses(
    evidence: &OpenEvidence,
    settings: &PulseSettings,
) -> Result<Vec<StreamPulse>, StreamReadError> {
    let silences = all_silences(&evidence.store, &evidence.reader)?;
    let mut pulses = Vec::new();
    for (leaf, last) in last_records(&evidence.store) {
        let stream = stream_at(&evidence.reader, leaf)?;
        let silent_after_ns = settings.silent_after(&stream);
        let source = source_of(stream);
        let own = || silences.iter().map(|(silence, _)| silence).filter(|one| one.stream == source);
        let silent_since = own().find(|silence| silence.until.is_none()).map(|silence| silence.from);
        let coverage = match (silent_since, silent_after_ns) {
            (Some(_), _) => "gap",
            (None, Some(_)) => "consistent",
            (None, None) => "unknown",
        };
        pulses.push(StreamPulse {
            stream: source.to_string(),
            last_received: last.at,
            leaf: last.leaf,
            silent_after_ns,
            silent_since,
            silences: own().filter(|silence| silence.until.is_some()).count() as u64,
            coverage: coverage.to_owned(),
        });
    }
    pulses.sort_by(|one, other| one.stream.cmp(&other.stream));
    Ok(pulses)
}

pub(super) fn question(verb: &str, subject: Option<&str>) -> Question {
    Question { verb: verb.to_owned(), subject: subject.map(str::to_owned), options: BTreeMap::new() }
}

pub(super) fn premise(statement: &str, basis: Basis) -> Premise {
    Premise { statement: statement.to_owned(), basis }
}

pub(super) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn used(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; it used {}", listed(names)) }
}
