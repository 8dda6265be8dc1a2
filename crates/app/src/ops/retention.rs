//! How long evidence is kept, what is held, and its destruction: what is decided, what is due, what is carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use ascribe_govern::{
    Approvals, CountedFrom, DisposalState, Keep, LostQuestion, RegisterError, Simulation, Verdict,
};
use ascribe_ledger::{EraseError, Erasure, KeyError, KeyPair, Kind};
use ascribe_model::{AccessBy, DecisionEntry, Disposal, HoldScope, KeyRef, Timestamp};
use ascribe_sources::capture::FieldPath;
use ascribe_sources::{CapturedReader, Context};

use super::OpenEvidence;
use super::configured::{ConfiguredError, open_recording};
use super::evidence::OpenError;
use super::upkeep::{UpkeepError, derive_store};
use super::writing::{WriteFailure, Writing};
use crate::access::by;
use crate::clock;
use crate::retention::{
    DestroyError, Destroyed, RETENTION_FILE, Recorded, RecordedError, RetentionFile, RetentionFileError,
    announce, approval_statement, blind_indexes, finish, scan, tombstone_of,
};
use crate::workspace::{Workspace, WorkspaceError};

/// Most separate ranges of leaves in one disposal; what is beyond waits for the next.
const RANGES_MAX: usize = 200_000;

/// What a rule makes of the entries that it is for.
#[derive(Clone, Debug)]
pub struct RuleState {
    /// Name of the rule.
    pub name: String,
    /// How long it keeps.
    pub keep: Keep,
    /// From when on.
    pub counted_from: CountedFrom,
    /// Approvals that it needs.
    pub approvals: u32,
    /// Entries that it is for.
    pub entries: u64,
    /// Of these, the ones that may be erased now.
    pub due: u64,
    /// Of the due ones, those that a hold keeps.
    pub held: u64,
    /// When the next one that is not due will be.
    pub next: Option<Timestamp>,
}

/// Everything about retention.
pub struct RetentionState {
    /// Version of the policy in force.
    pub policy: String,
    /// What each rule makes of the entries.
    pub rules: Vec<RuleState>,
    /// Entries that no rule is for, or whose rule keeps them for ever.
    pub kept: u64,
    /// The decisions and tombstones on record.
    pub recorded: Recorded,
    /// Entries that each hold covers, by the leaf of the hold.
    pub held: BTreeMap<u64, u64>,
    /// An erasure that was begun and not ended: leaf of its tombstone.
    pub under_way: Option<u64>,
    /// Ledger size that this was read at.
    pub size: u64,
    /// The moment that it was computed for.
    pub at: Timestamp,
}

/// What is asked to be proposed for erasure.
#[derive(Clone, Copy, Debug)]
pub enum Proposal<'a> {
    /// Whatever the rules say is due; of one rule only where it is named.
    Due {
        /// The rule.
        rule: Option<&'a str>,
    },
    /// All entries that name an identity or a key.
    Request {
        /// The names.
        names: &'a [String],
        /// Why.
        reason: &'a str,
    },
}

/// A disposal that was proposed.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// Leaf of its entry, by which it is approved and carried out.
    pub leaf: u64,
    /// What it proposes.
    pub disposal: Disposal,
    /// Due entries that a hold keeps.
    pub held: u64,
    /// Due entries that are left for the next disposal.
    pub left: u64,
}

/// A disposal that was carried out.
#[derive(Clone, Debug)]
pub struct Disposed {
    /// What was destroyed.
    pub destroyed: Destroyed,
    /// Entries of the disposal that were not, because a hold covers them by now.
    pub held: u64,
}

/// What would be gone.
#[derive(Clone, Debug)]
pub enum Loss {
    /// Everything that was received longer ago than this; of one source only where it is named.
    Older {
        /// How long entries stay.
        keep: Keep,
        /// The source.
        source: Option<String>,
    },
    /// The values of fields; of one source only where it is named.
    Fields {
        /// Paths from the event object on.
        fields: Vec<FieldPath>,
        /// The source.
        source: Option<String>,
    },
}

/// What a loss would come to.
pub struct Simulated {
    /// Records that were looked at.
    pub records: u64,
    /// Records that would go, or say less.
    pub touched: u64,
    /// Records that a hold would keep.
    pub held: u64,
    /// Questions, and for how many they could be answered.
    pub questions: Vec<LostQuestion>,
}

/// It cannot be told, decided or carried out.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The evidence cannot be opened.
    #[error(transparent)]
    Evidence(#[from] OpenError),
    /// The policy cannot be used.
    #[error(transparent)]
    Policy(#[from] RetentionFileError),
    /// The folder is not usable.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// What is configured cannot be told or recorded.
    #[error(transparent)]
    Configured(#[from] ConfiguredError),
    /// Nothing can be appended.
    #[error(transparent)]
    Write(#[from] WriteFailure),
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Read(#[from] ascribe_ledger::ReadError),
    /// The store is being written.
    #[error("the store is being written by another program, or cannot be written at all")]
    Folding,
    /// The store cannot be derived anew.
    #[error("what is derived cannot be derived anew without what was destroyed")]
    Derive(#[source] Box<UpkeepError>),
    /// What was decided cannot be read.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    /// A decision does not fit those before it.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// A key of an approver cannot be used.
    #[error("cannot use the key")]
    Key(#[source] KeyError),
    /// The policy asks for signatures.
    #[error("the disposal is approved by signatures of {}", known.join(", "))]
    Unsigned {
        /// Names of those who may approve.
        known: Vec<String>,
    },
    /// Whoever wants to approve may not.
    #[error("`{name}` is none of those who may approve: {}", known.join(", "))]
    NoApprover {
        /// The name.
        name: String,
        /// Names of those who may.
        known: Vec<String>,
    },
    /// There is no such rule.
    #[error("there is no rule `{0}` in the retention policy")]
    NoRule(String),
    /// Nothing is due, or nothing is named so.
    #[error("there is nothing to erase: {0}")]
    Nothing(String),
    /// Approvals are missing.
    #[error("the disposal at leaf {leaf} needs {missing} more approval{}", if *missing == 1 { "" } else { "s" })]
    NotApproved {
        /// Leaf of the disposal.
        leaf: u64,
        /// How many.
        missing: u32,
    },
    /// An erasure was begun and not ended.
    #[error("an erasure was begun by the tombstone at leaf {leaf} and not ended")]
    UnderWay {
        /// Leaf of the tombstone.
        leaf: u64,
    },
    /// Something was not destroyed.
    #[error("the disposal was begun, and not everything is destroyed yet")]
    Destroy(#[from] DestroyError),
    /// The ledger does not tell what is under way.
    #[error("cannot tell whether an erasure is under way")]
    Erasure(#[source] EraseError),
}

/// What is kept, held, due, decided and destroyed. Looks at every entry.
pub fn retention(root: &Path) -> Result<RetentionState, RetentionError> {
    let at = clock::now();
    let OpenEvidence { store, reader, .. } = open_to_read(root)?;
    let file = policy_of(root)?;
    let recorded = Recorded::read(&store, &reader)?;
    let mut state = RetentionState {
        policy: file.version,
        rules: file.policy.rules.iter().map(RuleState::of).collect(),
        kept: 0,
        held: recorded.register.holds.keys().map(|leaf| (*leaf, 0)).collect(),
        recorded,
        under_way: reader.erasure_under_way().map_err(RetentionError::Erasure)?.map(|erasure| erasure.leaf),
        size: reader.size(),
        at,
    };
    let (rules, held, kept) = (&mut state.rules, &mut state.held, &mut state.kept);
    let register = &state.recorded.register;
    scan(&reader, std::iter::once(0..reader.size()), &mut |entry, _| {
        let mut is_held = false;
        for hold in register.holds_on(entry) {
            is_held = true;
            *held.entry(hold.leaf).or_default() += 1;
        }
        match file.policy.verdict(entry) {
            Verdict::Kept => *kept += 1,
            Verdict::Until { at: until, rule } => rules[rule].note(until, at, is_held),
        }
    })?;
    Ok(state)
}

impl RuleState {
    fn of<C>(rule: &ascribe_govern::RetentionRule<C>) -> Self {
        Self {
            name: rule.name.clone(),
            keep: rule.keep,
            counted_from: rule.counted_from,
            approvals: rule.approvals,
            entries: 0,
            due: 0,
            held: 0,
            next: None,
        }
    }

    fn note(&mut self, until: Timestamp, now: Timestamp, is_held: bool) {
        self.entries += 1;
        if until <= now {
            self.due += 1;
            self.held += u64::from(is_held);
        } else {
            self.next = Some(self.next.map_or(until, |next| next.min(until)));
        }
    }
}

/// Places a hold: nothing that it covers is erased until the case is released. Returns the leaf of its entry.
pub fn hold(
    root: &Path,
    (case, reason, owner): (&str, &str, &str),
    scope: HoldScope,
) -> Result<u64, RetentionError> {
    decide(root, |_, by| {
        let (case, reason, owner) = (case.to_owned(), reason.to_owned(), owner.to_owned());
        Ok(DecisionEntry::Hold { case, reason, owner, scope, by })
    })
}

/// Ends the holds of a case.
pub fn release(root: &Path, case: &str, reason: &str) -> Result<u64, RetentionError> {
    decide(root, |_, by| Ok(DecisionEntry::Release { case: case.to_owned(), reason: reason.to_owned(), by }))
}

/// Calls a disposal off.
pub fn withdraw(root: &Path, disposal: u64, reason: &str) -> Result<u64, RetentionError> {
    decide(root, |_, by| Ok(DecisionEntry::Withdrawal { disposal, reason: reason.to_owned(), by }))
}

/// Proposes what is due, or what is asked for, for erasure: one disposal for each rule. Nothing is erased by that.
pub fn propose(root: &Path, proposal: Proposal<'_>) -> Result<Vec<Proposed>, RetentionError> {
    let now = clock::now();
    let OpenEvidence { store, reader, .. } = open_to_read(root)?;
    let file = policy_of(root)?;
    let recorded = Recorded::read(&store, &reader)?;
    if let Proposal::Due { rule: Some(rule) } = proposal
        && file.policy.rules.iter().all(|known| known.name != rule)
    {
        return Err(RetentionError::NoRule(rule.to_owned()));
    }
    let mut found: BTreeMap<usize, Found> = BTreeMap::new();
    scan(&reader, std::iter::once(0..reader.size()), &mut |entry, _| {
        let group = match proposal {
            Proposal::Request { names, .. } => names.iter().any(|name| entry.names(name)).then_some(0),
            Proposal::Due { rule } => match file.policy.verdict(entry) {
                Verdict::Until { at, rule: position } if at <= now => {
                    Some(position).filter(|it| rule.is_none_or(|rule| file.policy.rules[*it].name == rule))
                }
                _ => None,
            },
        };
        if let Some(group) = group {
            let is_held = recorded.register.holds_on(entry).next().is_some();
            found.entry(group).or_default().add(entry.leaf, is_held);
        }
    })?;
    let mut proposed = Vec::new();
    for (group, found) in found {
        if found.entries > 0 {
            proposed.push(found.propose(root, &file, (proposal, group))?);
        } else if found.held > 0 {
            return Err(RetentionError::Nothing(format!("a hold keeps all {} entries", found.held)));
        }
    }
    if proposed.is_empty() {
        let none = match proposal {
            Proposal::Due { .. } => "nothing is due by the retention policy",
            Proposal::Request { .. } => "no entry that still has its bytes names it",
        };
        return Err(RetentionError::Nothing(none.to_owned()));
    }
    Ok(proposed)
}

/// Entries for one disposal.
#[derive(Default)]
struct Found {
    ranges: Vec<(u64, u64)>,
    entries: u64,
    held: u64,
    left: u64,
}

impl Found {
    fn add(&mut self, leaf: u64, is_held: bool) {
        if is_held {
            self.held += 1;
            return;
        }
        let is_full = self.ranges.len() == RANGES_MAX;
        match self.ranges.last_mut() {
            Some(last) if last.1 == leaf => last.1 = leaf + 1,
            _ if is_full => {
                self.left += 1;
                return;
            }
            _ => self.ranges.push((leaf, leaf + 1)),
        }
        self.entries += 1;
    }

    fn propose(
        self,
        root: &Path,
        file: &RetentionFile,
        (proposal, group): (Proposal<'_>, usize),
    ) -> Result<Proposed, RetentionError> {
        let (rule, reason, approvals) = match proposal {
            Proposal::Due { .. } => {
                let rule = &file.policy.rules[group];
                (Some(rule.name.clone()), None, rule.approvals)
            }
            Proposal::Request { reason, .. } => {
                (None, Some(reason.to_owned()), file.policy.request_approvals)
            }
        };
        let mut disposal = Disposal {
            rule,
            reason,
            policy: file.version.clone(),
            approvals,
            approvers: file.policy.approvers.clone(),
            leaves: self.ranges,
            entries: self.entries,
            by: by(),
        };
        let leaf = decide(root, |_, by| {
            disposal.by = by;
            Ok(DecisionEntry::Disposal(disposal.clone()))
        })?;
        Ok(Proposed { leaf, disposal, held: self.held, left: self.left })
    }
}

/// Approves a disposal: signed by `key` where the policy lists keys of approvers, as the user of this machine otherwise.
/// Returns the name of the approver, and what is missing yet.
pub fn approve(
    root: &Path,
    disposal: u64,
    key: Option<&Path>,
) -> Result<(String, Approvals), RetentionError> {
    let mut outcome = (String::new(), Approvals::Enough);
    decide(root, |recorded, by| {
        let waiting = recorded.register.waiting(disposal)?;
        let (approver, note) = approver_of(waiting, key, &by)?;
        let mut after = waiting.clone();
        after.approvers.insert(approver.clone());
        outcome = (approver.clone(), after.approvals());
        Ok(DecisionEntry::Approval { disposal, approver, note, by })
    })?;
    Ok(outcome)
}

fn approver_of(
    waiting: &DisposalState,
    key: Option<&Path>,
    by: &AccessBy,
) -> Result<(String, Option<String>), RetentionError> {
    let approvers = &waiting.disposal.approvers;
    let known: Vec<String> =
        approvers.iter().filter_map(|key| key.split('+').next().map(str::to_owned)).collect();
    let Some(path) = key else {
        if known.is_empty() {
            return Ok((by.user.label(), None));
        }
        return Err(RetentionError::Unsigned { known });
    };
    let key = KeyPair::load(path).map_err(RetentionError::Key)?;
    let name = key.origin().to_owned();
    if !approvers.contains(&key.verifier().to_string()) {
        return Err(RetentionError::NoApprover { name, known });
    }
    let note = key.sign_note(&approval_statement(waiting.leaf, &waiting.disposal));
    Ok((name, Some(note)))
}

/// Carries a disposal out, if it is approved: what a hold covers by now stays.
pub fn dispose(root: &Path, disposal: u64) -> Result<Disposed, RetentionError> {
    let now = clock::now();
    let mut writing = open_recording(Workspace::open(root)?, now)?;
    if let Some(erasure) = writing.ledger.erasure_under_way().map_err(RetentionError::Erasure)? {
        return Err(RetentionError::UnderWay { leaf: erasure.leaf });
    }
    let recorded = Recorded::read(&writing.store, &writing.reader)?;
    let state = recorded.register.waiting(disposal)?;
    if let Approvals::Missing(missing) = state.approvals() {
        return Err(RetentionError::NotApproved { leaf: disposal, missing });
    }
    let reader = &writing.reader;
    let ranges = state.disposal.leaves.iter().map(|(first, end)| *first..(*end).min(reader.size()));
    let (mut leaves, mut held) = (BTreeSet::new(), 0);
    scan(reader, ranges.filter(|range| !Range::is_empty(range)), &mut |entry, _| {
        if recorded.register.holds_on(entry).next().is_some() {
            held += 1;
        } else {
            leaves.insert(entry.leaf);
        }
    })?;
    if leaves.is_empty() {
        return Err(RetentionError::Nothing(format!(
            "holds keep {held} entries, the others are gone already"
        )));
    }
    let tombstone = tombstone_of(reader, &leaves, statements(state))?;
    writing.settle_clock(now)?;
    writing.append()?;
    let received_at = writing.receipts.stamp(now);
    let erasure = announce(&mut writing.ledger, tombstone, received_at)?;
    Ok(Disposed { destroyed: carry_out(root, &mut writing, &erasure)?, held })
}

/// Goes on with an erasure that was begun and not ended; `None` where there is none.
pub fn resume_disposal(root: &Path) -> Result<Option<Destroyed>, RetentionError> {
    let mut writing = Writing::open(root)?;
    let under_way = writing.ledger.erasure_under_way().map_err(RetentionError::Erasure)?;
    under_way.map(|erasure| carry_out(root, &mut writing, &erasure)).transpose()
}

/// By whose authority: what the tombstone says beside the leaves.
fn statements(state: &DisposalState) -> Vec<(String, String)> {
    let disposal = &state.disposal;
    let mut statements = vec![("disposal".to_owned(), state.leaf.to_string())];
    let mut say = |name: &str, text: &str| {
        // A statement is one line; what a person typed may be more.
        let text: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
        if !text.is_empty() {
            statements.push((name.to_owned(), text));
        }
    };
    say("rule", disposal.rule.as_deref().unwrap_or_default());
    say("request", disposal.reason.as_deref().unwrap_or_default());
    say("policy", &disposal.policy);
    state.approvers.iter().for_each(|approver| say("approver", approver));
    say("proposed-by", &format!("{}@{}", disposal.by.user.label(), disposal.by.host));
    statements
}

/// Destroys what an erasure names, everywhere, and ends it. A crash anywhere leaves it under way.
fn carry_out(root: &Path, writing: &mut Writing, erasure: &Erasure) -> Result<Destroyed, RetentionError> {
    let Writing { ledger, workspace, .. } = writing;
    let destroyed = finish(root, ledger, erasure)?;
    let reader = ledger.reader()?;
    blind_indexes(&workspace.index_paths(), &reader, erasure)?;
    derive_store(workspace, &reader).map_err(|error| RetentionError::Derive(Box::new(error)))?;
    ledger.end_erasure(erasure).map_err(DestroyError::from)?;
    Ok(destroyed)
}

/// What could no longer be answered, from the data present. Looks at every record, and changes nothing.
pub fn simulate(root: &Path, loss: &Loss) -> Result<Simulated, RetentionError> {
    let now = clock::now();
    let OpenEvidence { store, reader, .. } = open_to_read(root)?;
    let recorded = Recorded::read(&store, &reader)?;
    let mut simulation = Simulation::default();
    let mut fields = CapturedReader::default();
    let mut held = 0;
    scan(&reader, std::iter::once(0..reader.size()), &mut |entry, ledger_entry| {
        let concerned = |source: &Option<String>| source.as_ref().is_none_or(|it| entry.is_of_source(it));
        let then = match loss {
            Loss::Older { keep: Keep::For(nanoseconds), source } if concerned(source) => {
                let until = entry.received_at.nanoseconds().saturating_add(*nanoseconds);
                let goes = until <= now.nanoseconds();
                let is_held = goes && recorded.register.holds_on(entry).next().is_some();
                held += u64::from(is_held);
                (goes && !is_held).then(|| (entry.events.to_vec(), Vec::new()))
            }
            // Both readings are without what the operator said of the object, so that only the fields differ.
            Loss::Fields { fields: paths, source } if concerned(source) => {
                ledger_entry.captured().and_then(|captured| {
                    fields.events_with_and_without(captured, paths, &Context { scope: None })
                })
            }
            _ => None,
        };
        match then {
            Some((now, then)) => simulation.observe(&now, &then, is_credential),
            None if entry.events.is_empty() => {}
            None => simulation.observe(entry.events, entry.events, is_credential),
        }
    })?;
    Ok(Simulated {
        records: simulation.records,
        touched: simulation.touched,
        held,
        questions: simulation.questions(),
    })
}

fn is_credential(key: &KeyRef) -> bool {
    ascribe_assess::is_credential(&key.kind)
}

/// Appends a decision, once it fits those before it, and commits it. Returns its leaf.
fn decide(
    root: &Path,
    decision: impl FnOnce(&Recorded, AccessBy) -> Result<DecisionEntry, RetentionError>,
) -> Result<u64, RetentionError> {
    // A hold must not wait until a policy file is mended; what is configured is recorded by whoever writes next.
    let mut writing = Writing::open(root)?;
    let mut recorded = Recorded::read(&writing.store, &writing.reader)?;
    let decision = decision(&recorded, by())?;
    let now = clock::now();
    writing.settle_clock(now)?;
    recorded.register.apply(writing.next_leaf(), now, decision.clone())?;
    let leaf = writing.add(Kind::Decision, &decision, now)?;
    writing.commit()?;
    Ok(leaf)
}

fn policy_of(root: &Path) -> Result<RetentionFile, RetentionError> {
    Ok(RetentionFile::read(&root.join(RETENTION_FILE))?)
}

/// Opens the evidence, all of which has to be in the store: a decision that is not could be overlooked.
fn open_to_read(root: &Path) -> Result<OpenEvidence, RetentionError> {
    let evidence = OpenEvidence::open(root)?;
    if evidence.unfolded() > 0 { Err(RetentionError::Folding) } else { Ok(evidence) }
}

impl RetentionError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Evidence(error) => error.hint(),
            Self::Policy(error) => error.hint(),
            Self::Workspace(error) => error.hint(),
            Self::Configured(error) => error.hint(),
            Self::Write(error) => error.hint(),
            Self::Read(_) | Self::Recorded(_) => {
                "`ascribe verify` lists everything that is damaged or missing"
            }
            Self::Folding => "wait for the ingest that runs to end; check that the folder can be written",
            Self::Derive(_) | Self::Destroy(_) | Self::UnderWay { .. } => {
                "`ascribe retention dispose --resume` goes on with it"
            }
            Self::Register(_) | Self::NotApproved { .. } => {
                "`ascribe retention` lists holds and disposals, and what they wait for"
            }
            Self::Key(_) | Self::Unsigned { .. } | Self::NoApprover { .. } => {
                "`--key FILE` names the private key of an approver that `retention.toml` lists"
            }
            Self::NoRule(_) => "`retention.toml` lists the rules",
            Self::Nothing(_) => "`ascribe retention` shows what is kept, held and due",
            Self::Erasure(_) => "`ascribe verify` says what is wrong with the mark of the erasure",
        }
    }
}
