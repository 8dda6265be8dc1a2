//! Checks a bundle: structure, digests, envelopes, commitments, the one proof for all entries, signatures, and the
//! answer derived again. Two verdicts, never one: *integrity* says whether everything hangs together under the
//! checkpoint, *authority* whether the checkpoint is signed by a key that whoever checks has named.
//!
//! It streams, and holds one entry at a time; the events of an answer it holds all, within a bound.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use ascribe_ledger::{
    Checkpoint, CheckpointRefused, Envelope, Kind, Note, NoteError, PartialTree, SignedCheckpoint, TreeHead,
    VerifierKey, WitnessPolicy, commit_captured, commit_sealed, leaf_hash, proof::verify_consistency,
};
use ascribe_model::{EventId, EvidenceRef, KeyRef, ObjectEntry};
use ascribe_sources::capture::{WithheldField, withheld_fields};
use ascribe_sources::{CapturedReader, Context};

use crate::answer::{AnswerCheck, VERBS, compare};
use crate::completeness::{Completeness, Noted};
use crate::evidence::BundledEvidence;
use crate::format::{
    AnswerPart, Counted, Disclosure, EntryPart, Manifest, Opened, VERSION, VERSION_FIRST, Why, limit,
};
use crate::names::is_named_in;
use crate::read::{BundleReader, Refused, Stop};
use crate::signers::Signers;

/// How to check.
#[derive(Debug, Clone, Copy, Default)]
pub struct Check<'a> {
    /// The verifier key that is trusted. It comes from elsewhere, never from the bundle.
    pub key: Option<&'a VerifierKey>,
    /// The witnesses that are believed, and how many have to have signed. It comes from elsewhere too.
    pub policy: Option<&'a WitnessPolicy>,
}

/// What a check came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Whether everything hangs together.
    pub integrity: Integrity,
    /// Whether the checkpoint is signed by a key that is trusted.
    pub authority: Authority,
    /// Whether witnesses that are believed stand behind the checkpoint.
    pub witnesses: Witnesses,
    /// What the bundle says it is; absent where it could not be read so far.
    pub manifest: Option<Manifest>,
    /// Root of the tree that the checkpoint signs.
    pub head: Option<TreeHead>,
    /// Sizes of earlier checkpoints that the ledger was shown to have grown from.
    pub grown_from: Vec<u64>,
    /// Keys that handed over to others and signed the checkpoint all the same, which counts for nothing.
    pub retired: Vec<String>,
    /// What was checked.
    pub counts: Counts,
    /// What came of the answer, where there is one.
    pub answer: Option<AnswerCheck>,
    /// Whether the parsers that found the entries are those of this program.
    pub same_parsers: bool,
    /// Values that were sealed before their records were stored, and that the bundle opens.
    pub disclosed: Vec<Disclosed>,
    /// In which ranges of the ledger the entries are shown to be all; absent where nothing shows it.
    pub completeness: Option<Completeness>,
    /// Digest of the seal, which names the bundle.
    pub seal: Option<[u8; 32]>,
}

/// A sealed value that a bundle opens. It is the value that the record's placeholder commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosed {
    /// Index of the entry's leaf.
    pub leaf: u64,
    /// The event, where the parsers of this program find it in the record.
    pub event: Option<EventId>,
    /// The field, from the event object on.
    pub field: String,
    /// The rule that sealed it.
    pub rule: String,
    /// The value.
    pub value: String,
}

/// Whether a bundle hangs together under its checkpoint.
#[derive(Debug, Default)]
pub enum Integrity {
    /// It does.
    Valid,
    /// It does not.
    Invalid(Box<Refused>),
    /// That was not found out.
    #[default]
    Unknown,
}

/// Whether the checkpoint is signed by a trusted key.
#[derive(Debug, Default)]
pub enum Authority {
    /// Whoever checks named no key; this is the one that the bundle claims.
    NotAsked {
        /// Text of the claimed key.
        claimed: String,
    },
    /// It is signed by the key that was named, or by one that followed it.
    Valid {
        /// Text of the key that signed.
        key: String,
        /// How it followed the key that was named; absent where that one signed.
        succeeded: Option<Succeeded>,
    },
    /// The key that was named, or one between it and the one that signed, was given up because it may be in other hands:
    /// whoever had it may have named the next one.
    GivenUp {
        /// Text of the key that was named.
        named: String,
        /// Text of the key that signed.
        key: String,
        /// Leaf of the entry that says so.
        leaf: u64,
    },
    /// It is not.
    Invalid(CheckpointRefused),
    /// The checkpoint was not reached.
    #[default]
    Unknown,
}

/// Whether witnesses that whoever checks believes stand behind the checkpoint.
#[derive(Debug, Default)]
pub enum Witnesses {
    /// Whoever checks named no policy, or the checkpoint was not reached.
    #[default]
    NotAsked,
    /// The checkpoint was judged by the policy.
    Judged {
        /// Witnesses of the policy that cosigned: name, and time in seconds since the Unix epoch by their clock.
        signed: Vec<(String, u64)>,
        /// Witnesses of the policy.
        of: usize,
        /// Whether the ledger is one that the policy lists, or it lists none.
        ledger_is_listed: bool,
        /// Whether the policy is met.
        met: bool,
    },
    /// A cosignature by one of the policy's witnesses does not verify.
    Refused(NoteError),
}

/// That the key which signed followed the one that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succeeded {
    /// Text of the key that was named.
    pub named: String,
    /// Leaf of the entry in which that key handed over.
    pub leaf: u64,
}

/// How many things were checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries by kind.
    pub entries: BTreeMap<&'static str, u64>,
    /// Entries by why they are here.
    pub why: Counted,
    /// Captured bytes that their commitments open to.
    pub captured_bytes: u64,
    /// Entries whose captured bytes the ledger has no more.
    pub without_bytes: u64,
    /// Records from which something was withheld before they were captured.
    pub withheld: u64,
    /// Hashes of the proof.
    pub hashes: u64,
    /// Events that follow from the records.
    pub events: u64,
    /// Records that this program's parsers cannot read.
    pub unread: u64,
}

/// The two verdicts and the answer together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that was asked for holds.
    Valid,
    /// Something does not hold.
    Invalid,
    /// Nothing is wrong, and something was not, or could not be, decided.
    Inconclusive,
}

/// A file cannot be checked at all.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It cannot be read.
    #[error("the bundle cannot be read")]
    Read(#[source] io::Error),
    /// It is something else.
    #[error("this is no bundle: it does not begin with the words `ascribe/bundle/v`")]
    NoBundle,
    /// It is of a later version.
    #[error("the bundle has version {found}, this program reads versions {VERSION_FIRST} and {VERSION}")]
    Version {
        /// Its version.
        found: String,
    },
}

/// Checks a bundle.
///
/// # Errors
/// [`CheckError`] where it cannot be read at all. A bundle that does not hold is no error but a [`Report`].
pub fn check(input: impl Read, how: Check<'_>) -> Result<Report, CheckError> {
    let mut report = Report::default();
    match Checking::run(input, how, &mut report) {
        Ok(()) => report.integrity = Integrity::Valid,
        Err(Stop::Refused(refused)) => {
            report.integrity = Integrity::Invalid(refused);
            report.completeness = None;
            report.answer = None; // Nothing follows from records that do not hold.
            report.disclosed.clear();
        }
        Err(Stop::Error(error)) => return Err(error),
    }
    Ok(report)
}

impl Report {
    /// All verdicts together: as bad as the worst of them.
    pub fn verdict(&self) -> Verdict {
        let integrity = match &self.integrity {
            Integrity::Valid => Verdict::Valid,
            Integrity::Invalid(_) => Verdict::Invalid,
            Integrity::Unknown => Verdict::Inconclusive,
        };
        let authority = match &self.authority {
            Authority::Valid { .. } => Verdict::Valid,
            Authority::Invalid(_) => Verdict::Invalid,
            Authority::NotAsked { .. } | Authority::GivenUp { .. } | Authority::Unknown => {
                Verdict::Inconclusive
            }
        };
        let answer = match &self.answer {
            None | Some(AnswerCheck::Same { .. }) => Verdict::Valid,
            Some(AnswerCheck::Differs { .. }) => Verdict::Invalid,
            Some(AnswerCheck::OtherParsers | AnswerCheck::TooLarge | AnswerCheck::UnknownVerb) => {
                Verdict::Inconclusive
            }
        };
        let witnesses = match &self.witnesses {
            Witnesses::NotAsked | Witnesses::Judged { met: true, .. } => Verdict::Valid,
            Witnesses::Judged { met: false, .. } => Verdict::Inconclusive,
            Witnesses::Refused(_) => Verdict::Invalid,
        };
        let read = if self.counts.unread > 0 { Verdict::Inconclusive } else { Verdict::Valid };
        let all = [integrity, authority, answer, read, witnesses];
        if all.contains(&Verdict::Invalid) {
            Verdict::Invalid
        } else if all.contains(&Verdict::Inconclusive) {
            Verdict::Inconclusive
        } else {
            Verdict::Valid
        }
    }
}

/// What is known while entries go by.
struct Checking<'r> {
    report: &'r mut Report,
    manifest: Manifest,
    head: TreeHead,
    tree: PartialTree,
    references: References,
    records: CapturedReader,
    answering: Answering,
    signers: Signers,
    /// Version of the bundle's format.
    version: u32,
    /// Earlier checkpoints whose signatures are checked once the line of keys is known.
    earlier: Vec<String>,
    /// Sealed fields of the records that went by, by leaf.
    sealed: BTreeMap<u64, SealedFields>,
    noted: Noted,
}

/// What a disclosure of one record is checked against.
struct SealedFields {
    fields: Vec<WithheldField>,
    /// Ids of the record's events, in their order.
    events: Vec<EventId>,
}

/// Stream and object entries that later entries may refer to.
#[derive(Default)]
struct References {
    streams: BTreeSet<u64>,
    /// Scope that the operator gave with an object, by the leaf of its opening entry.
    objects: BTreeMap<u64, Option<String>>,
    /// Those to which nothing has referred yet.
    unneeded: BTreeSet<u64>,
}

/// Events kept for the answer.
#[derive(Default)]
struct Answering {
    evidence: BundledEvidence,
    captured_bytes: u64,
}

impl<'r> Checking<'r> {
    fn run(input: impl Read, how: Check<'_>, report: &'r mut Report) -> Result<(), Stop> {
        let mut reader = BundleReader::open(input)?;
        let manifest = reader.manifest()?;
        report.same_parsers = manifest.parsers.iter().all(|parser| {
            let known = ascribe_sources::SOURCES.iter().find(|source| source.id == parser.source);
            known.is_some_and(|source| u64::from(source.version) == parser.version)
        });
        report.manifest = Some(manifest.clone());
        let signed = reader.checkpoint()?;
        let claimed = VerifierKey::parse(&signed.key).map_err(Refused::ClaimedKey)?;
        let checkpoint =
            SignedCheckpoint::open(signed.note.as_bytes(), &claimed).map_err(Refused::Checkpoint)?;
        report.witnesses =
            how.policy.map_or(Witnesses::NotAsked, |policy| Witnesses::judge(&checkpoint, policy));
        // Until entries say otherwise, no key followed another.
        report.authority = Signers::default().authority(&checkpoint, &claimed, how.key);
        matches_manifest(&manifest, &checkpoint)?;
        let head = checkpoint.checkpoint().tree_head();
        report.head = Some(head);
        let mut checking = Self {
            report,
            noted: Noted::new(&manifest.names),
            version: reader.version(),
            manifest,
            head,
            tree: PartialTree::default(),
            references: References::default(),
            records: CapturedReader::default(),
            answering: Answering::default(),
            sealed: BTreeMap::new(),
            signers: Signers::default(),
            earlier: Vec::new(),
        };
        checking.earlier(&mut reader, &claimed)?;
        while let Some(entry) = reader.entry()? {
            checking.entry(&entry)?;
        }
        checking.rest(&reader.rest()?)?;
        checking.settle_signers(&checkpoint, &claimed, how)?;
        if !checking.manifest.answer.is_empty() {
            let part = reader.answer()?;
            checking.answer(&part, &checkpoint)?;
        }
        checking.disclosures(&mut reader)?;
        while let Some(part) = reader.completeness()? {
            checking.noted.check(&part, &checking.manifest.names)?;
        }
        checking.report.completeness = checking.noted.finish(head.size)?;
        let seal = reader.seal()?;
        checking.report.seal = Some(seal);
        Ok(())
    }

    /// Checks that the ledger grew from earlier checkpoints; who signed those is checked behind the entries.
    fn earlier(&mut self, reader: &mut BundleReader<impl Read>, claimed: &VerifierKey) -> Result<(), Stop> {
        let mut before = 0;
        while let Some(earlier) = reader.earlier()? {
            let position = self.report.grown_from.len() as u64 + 1;
            let unsigned = of_ledger(&earlier.note, claimed)
                .map_err(|source| Refused::EarlierCheckpoint { position, source })?;
            let size = unsigned.size;
            if size <= before || position > limit::EARLIER {
                return Err(Refused::EarlierOrder { position, found: size }.into());
            }
            verify_consistency(unsigned.tree_head(), self.head, &earlier.proof)
                .map_err(|source| Refused::Inconsistent { size, source })?;
            self.report.grown_from.push(size);
            self.earlier.push(earlier.note);
            before = size;
        }
        Ok(())
    }

    /// Who signed, now that every entry that names keys has gone by and is known to be under the checkpoint.
    fn settle_signers(
        &mut self,
        checkpoint: &SignedCheckpoint,
        claimed: &VerifierKey,
        how: Check<'_>,
    ) -> Result<(), Stop> {
        let size = checkpoint.size();
        if !self.signers.may_sign(claimed, size) {
            return Err(Refused::RetiredKey { key: claimed.short(), size }.into());
        }
        self.report.authority = self.signers.authority(checkpoint, claimed, how.key);
        self.report.retired = self.signers.retired(checkpoint.note(), size);
        for (note, position) in self.earlier.iter().zip(1..) {
            let opened = self
                .signers
                .open(note, claimed)
                .map_err(|source| Refused::EarlierCheckpoint { position, source })?;
            // A note may be signed by both keys; what the ledger has grown from is worth no more than its own signature.
            let worth = self.signers.earlier_authority(&opened, how.key);
            if let Some(Err(refused)) = worth {
                self.report.authority = Authority::Invalid(refused);
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &EntryPart) -> Result<(), Stop> {
        let leaf = entry.leaf;
        if leaf >= self.head.size {
            return Err(Refused::BeyondCheckpoint { leaf, size: self.head.size }.into());
        }
        self.tree.fill(leaf, &entry.gap).map_err(|source| Refused::Gap { leaf, source })?;
        self.tree.push_leaf(leaf_hash(&entry.envelope));
        let envelope =
            Envelope::decode(&entry.envelope).map_err(|source| Refused::Envelope { leaf, source })?;
        let counts = &mut self.report.counts;
        *counts.entries.entry(envelope.kind.name()).or_default() += 1;
        counts.hashes += entry.gap.len() as u64;
        counts.withheld += u64::from(envelope.withheld());
        match &entry.opened {
            Some(Opened { salt, captured }) => {
                if commit_captured(salt, captured) != envelope.captured {
                    return Err(Refused::Commitment { leaf }.into());
                }
                counts.captured_bytes += captured.len() as u64;
            }
            None => counts.without_bytes += 1,
        }
        self.references.follow(leaf, &envelope)?;
        match entry.why {
            Why::Context => {
                self.report.counts.why.context += 1;
                self.context(entry, &envelope)
            }
            Why::Asked => {
                self.report.counts.why.asked += 1;
                self.record(entry, &envelope)
            }
            Why::Read => {
                self.report.counts.why.read += 1;
                self.record(entry, &envelope)
            }
        }
    }

    /// Keeps what records read, the scope that came with an object, and the roots of indexes.
    fn context(&mut self, entry: &EntryPart, envelope: &Envelope) -> Result<(), Stop> {
        let leaf = entry.leaf;
        let captured = entry.opened.as_ref().map_or(&[][..], |opened| &opened.captured);
        if captured.len() > limit::CONTEXT_BYTES || self.report.counts.why.context > limit::CONTEXT {
            return Err(Refused::ContextTooLarge { leaf }.into());
        }
        match envelope.kind {
            Kind::Stream => {
                self.references.streams.insert(leaf);
            }
            Kind::Object => {
                let scope = match serde_json::from_slice(captured) {
                    Ok(ObjectEntry::Opened { scope, .. }) => scope,
                    _ => None, // As the ledger's own reader takes it: such an object gives no scope.
                };
                self.references.objects.insert(leaf, scope);
            }
            Kind::IndexRoot if self.version >= VERSION => {
                // A proof has to refer to it: that is known at the end.
                return Ok(self.noted.other(leaf, envelope.kind, captured)?);
            }
            Kind::Key if self.version >= 2 => {
                self.signers.take(leaf, captured).map_err(|source| Refused::Key { leaf, source })?;
                return Ok(()); // Whoever holds an older key needs it, and no other entry does.
            }
            other => {
                let (expected, found) = ("a stream, an object or a key", other.name());
                return Err(Refused::Kind { leaf, expected, found }.into());
            }
        }
        self.references.unneeded.insert(leaf);
        Ok(self.noted.other(leaf, envelope.kind, captured)?)
    }

    /// Parses a record again. One that was asked for must list one of the names.
    fn record(&mut self, entry: &EntryPart, envelope: &Envelope) -> Result<(), Stop> {
        let leaf = entry.leaf;
        if envelope.kind != Kind::Record {
            return Err(Refused::Kind { leaf, expected: "a record", found: envelope.kind.name() }.into());
        }
        let Some(opened) = &entry.opened else {
            self.noted.record(leaf, None);
            return Ok(());
        };
        let scope = envelope.object.and_then(|object| self.references.objects.get(&object)?.as_deref());
        let events = self.records.events(&opened.captured, &Context { scope });
        if events.is_none() {
            self.report.counts.unread += 1;
        }
        self.noted.record(leaf, events.as_deref());
        let events = events.unwrap_or_default();
        self.report.counts.events += events.len() as u64;
        if envelope.withheld() {
            self.keep_sealed(leaf, &opened.captured, &events);
        }
        let names = &self.manifest.names;
        let is_named = events.iter().any(|event| names.iter().any(|name| is_named_in(name, event)));
        if entry.why == Why::Asked && !is_named {
            if self.report.same_parsers {
                return Err(Refused::NotAsked { leaf }.into());
            }
            self.report.counts.unread += u64::from(!events.is_empty());
        }
        if !self.manifest.answer.is_empty() {
            self.answering.captured_bytes += opened.captured.len() as u64;
            if self.answering.captured_bytes <= limit::ANSWERING_BYTES {
                for event in events {
                    self.answering.evidence.add(leaf, event);
                }
            }
        }
        Ok(())
    }

    /// Keeps what a disclosure further back may open.
    fn keep_sealed(&mut self, leaf: u64, captured: &[u8], events: &[ascribe_model::Event]) {
        let fields: Vec<WithheldField> = withheld_fields(captured)
            .into_iter()
            .filter(|field| sealed_commitment(field).is_some())
            .collect();
        if !fields.is_empty() {
            let events = events.iter().map(|event| event.id).collect();
            self.sealed.insert(leaf, SealedFields { fields, events });
        }
    }

    /// Each disclosed value is the one that the captured record commits to at that place.
    fn disclosures(&mut self, reader: &mut BundleReader<impl Read>) -> Result<(), Stop> {
        let mut before: Option<(u64, u64, String)> = None;
        while let Some(Disclosure { leaf, event, field, salt, value }) = reader.disclosure()? {
            let place = (leaf, event, field.clone());
            if before.is_some_and(|before| before >= place) {
                return Err(Refused::DisclosureOrder { leaf, field }.into());
            }
            before = Some(place);
            let named = |found: &&WithheldField| found.event as u64 == event && found.path == field;
            let record = self.sealed.get(&leaf);
            let mut places = record.into_iter().flat_map(|record| &record.fields).filter(named).peekable();
            if places.peek().is_none() {
                return Err(Refused::NotSealed { leaf, field }.into());
            }
            let commitment = commit_sealed(&salt, value.as_bytes());
            let Some(opened) = places.find(|found| sealed_commitment(found) == Some(commitment)) else {
                return Err(Refused::Disclosed { leaf, field }.into());
            };
            let id = record.and_then(|record| record.events.get(opened.event)).copied();
            let disclosed = Disclosed { leaf, event: id, field, rule: opened.rule.clone(), value };
            self.report.disclosed.push(disclosed);
        }
        Ok(())
    }

    fn rest(&mut self, hashes: &[ascribe_ledger::Hash]) -> Result<(), Stop> {
        self.tree.fill(self.head.size, hashes).map_err(Refused::Rest)?;
        self.report.counts.hashes += hashes.len() as u64;
        let found = self.tree.head().root;
        if found != self.head.root {
            return Err(Refused::Root { expected: self.head.root, found }.into());
        }
        if let Some(leaf) = self.references.unneeded.first() {
            return Err(Refused::Unneeded { leaf: *leaf }.into());
        }
        let (said, is) = (self.manifest.counted, self.report.counts.why);
        let counted = [
            ("that were asked for", said.asked, is.asked),
            ("that the answer was drawn from", said.read, is.read),
            ("of context", said.context, is.context),
        ];
        match counted.into_iter().find(|(_, expected, found)| expected != found) {
            Some((what, expected, found)) => Err(Refused::Counted { what, expected, found }.into()),
            None if is.read > 0 && self.manifest.answer.is_empty() => {
                let what = "that an answer was drawn from, without an answer,";
                Err(Refused::Counted { what, expected: 0, found: is.read }.into())
            }
            None => Ok(()),
        }
    }

    fn answer(&mut self, part: &AnswerPart, checkpoint: &SignedCheckpoint) -> Result<(), Stop> {
        let answer = &part.answer;
        let differing = [
            ("schema", answer.schema == ascribe_model::Answer::SCHEMA),
            ("verb", answer.body.question.verb == self.manifest.answer),
            ("subject", answer.body.question.subject.as_ref() == Some(&self.manifest.question)),
            ("checkpoint", answer.proof.checkpoint == checkpoint.note()),
            ("size", answer.proof.size == checkpoint.size()),
        ];
        if let Some((what, _)) = differing.into_iter().find(|(_, same)| !same) {
            return Err(Refused::AnswerOf { what }.into());
        }
        let carries = |found: &EvidenceRef| found.proof.is_some() || found.envelope.is_some();
        if answer.proof.evidence.iter().any(carries) || answer.proof.leans_on_others() {
            return Err(Refused::AnswerProof.into());
        }
        let evidence = &mut self.answering.evidence;
        evidence.search_in(answer.body.scope.clone(), &part.premises);
        let is_whole = self.answering.captured_bytes <= limit::ANSWERING_BYTES;
        let comes_from_these = self.report.same_parsers && is_whole && self.report.counts.without_bytes == 0;
        if comes_from_these && let Some(event) = uncited(evidence, part) {
            return Err(Refused::AnswerCites { event: event.to_string() }.into());
        }
        self.report.answer = Some(if !VERBS.contains(&self.manifest.answer.as_str()) {
            AnswerCheck::UnknownVerb
        } else if !is_whole {
            AnswerCheck::TooLarge
        } else {
            match compare(evidence, part) {
                AnswerCheck::Differs { .. } if !self.report.same_parsers => AnswerCheck::OtherParsers,
                compared => compared,
            }
        });
        Ok(())
    }
}

impl References {
    /// Checks that what an entry refers to has gone by.
    fn follow(&mut self, leaf: u64, envelope: &Envelope) -> Result<(), Refused> {
        if let Some(reference) = envelope.stream {
            if !self.streams.contains(&reference) {
                return Err(Refused::Reference { leaf, reference, kind: "stream" });
            }
            self.unneeded.remove(&reference);
        }
        if let Some(reference) = envelope.object {
            if !self.objects.contains_key(&reference) {
                return Err(Refused::Reference { leaf, reference, kind: "object" });
            }
            self.unneeded.remove(&reference);
        }
        Ok(())
    }
}

/// The commitment that stands in the place of a sealed value.
fn sealed_commitment(field: &WithheldField) -> Option<[u8; 32]> {
    let (method, digits) = field.kept.as_ref()?;
    // The same form as an event's id: 64 lower-case digits.
    (method == "sealed").then(|| digits.parse::<EventId>().ok().map(|id| id.0))?
}

/// An event that the answer cites and the bundle does not hold, or not where the answer says so.
fn uncited(evidence: &BundledEvidence, part: &AnswerPart) -> Option<EventId> {
    let body = &part.answer.body;
    let claimed = body.claims.iter().flat_map(|claim| &claim.events);
    let joined = body.edges.iter().flat_map(|edge| &edge.evidence);
    let missing = claimed.chain(joined).find(|id| evidence.event(**id).is_none()).copied();
    let located = &part.answer.proof.evidence;
    missing.or_else(|| {
        located.iter().find(|found| !evidence.holds(found.event, found.leaf)).map(|found| found.event)
    })
}

impl Witnesses {
    fn judge(checkpoint: &SignedCheckpoint, policy: &WitnessPolicy) -> Self {
        let outcome = match policy.judge(checkpoint) {
            Ok(outcome) => outcome,
            Err(refused) => return Self::Refused(refused),
        };
        let both = policy.witnesses().iter().zip(&outcome.cosignatures);
        let signed =
            both.filter_map(|(witness, line)| Some((witness.name.clone(), line.as_ref()?.timestamp())));
        Self::Judged {
            signed: signed.collect(),
            of: policy.witnesses().len(),
            ledger_is_listed: outcome.ledger_is_listed,
            met: outcome.is_met(),
        }
    }
}

/// What an earlier checkpoint says. Where the claimed key did not sign it, one before that may have, which is found out
/// once the line of keys is known; a signature of the claimed key that does not verify is refused at once.
fn of_ledger(note: &str, claimed: &VerifierKey) -> Result<Checkpoint, CheckpointRefused> {
    let parsed = Note::parse(note.as_bytes()).map_err(CheckpointRefused::Note)?;
    if let Err(refused @ NoteError::SignatureInvalid { .. }) = parsed.verify(claimed) {
        return Err(CheckpointRefused::Note(refused));
    }
    let checkpoint = Checkpoint::parse(parsed.text_unverified())?;
    if checkpoint.origin != claimed.name() {
        let (expected, found) = (claimed.name().to_owned(), checkpoint.origin);
        return Err(CheckpointRefused::Origin { expected, found });
    }
    Ok(checkpoint)
}

fn matches_manifest(manifest: &Manifest, checkpoint: &SignedCheckpoint) -> Result<(), Refused> {
    let checkpoint = checkpoint.checkpoint();
    if manifest.origin != checkpoint.origin {
        let (expected, found) = (checkpoint.origin.clone(), manifest.origin.clone());
        return Err(Refused::Manifest { what: "origin", expected, found });
    }
    if manifest.size != checkpoint.size {
        let (expected, found) = (checkpoint.size.to_string(), manifest.size.to_string());
        return Err(Refused::Manifest { what: "size", expected, found });
    }
    Ok(())
}

/// Names as they are shown.
pub(crate) fn listed(names: &[KeyRef]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}
