//! What the records say of one credential's life: effects on it, effects on sets of which it may be one, and its uses.
//!
//! It collects and orders. How an answer is worded is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ascribe_model::{
    Credential, Effect, EffectKind, Event, EventId, Identity, Key, KeyRef, Role, Status, Trust,
};

use crate::evidence::{EvidenceError, sort_by_time};
use crate::identity::{keys_naming, lasting};
use crate::kinds::unnamed_end;
use crate::lineage::beginnings;
use crate::naming::is_named;
use crate::uncertainty::{Moment, Order};
use crate::{Evidence, USES_MAX, is_credential};

/// Records that name the credential other than by using it, which are read.
const MARKS_MAX: usize = 1_024;
/// Names of its holder under which sets of credentials are looked for.
const NAMES_MAX: usize = 32;
/// Records about one name of the holder that are read.
const SETS_MAX: usize = 4_096;
/// Roles in which a record names a credential that it does something to.
const AFFECTED: [Role; 5] = [Role::Issued, Role::Ended, Role::Enabled, Role::Resource, Role::Step];

/// Everything on record about one credential.
pub(crate) struct Life {
    pub(super) marks: Vec<Mark>,
    /// Its uses by time, undated ones last.
    pub(crate) uses: Vec<Arc<Event>>,
    /// Uses on record, read or not.
    pub(crate) used: u64,
    /// Other records that name it and were not read.
    pub(super) unread: u64,
    /// Who it speaks for.
    pub(crate) subject: Option<Identity>,
    /// When it came into being, as well as that is known.
    pub(crate) issued: Option<Moment>,
    /// Records since then that ended a credential of its kind and scope without naming it as other records do.
    pub(super) unnamed_ends: Vec<Arc<Event>>,
}

/// One effect on the credential.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) event: Arc<Event>,
    pub(super) effect: Effect,
    pub(super) means: Means,
}

/// How an effect means the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// By its id.
    This,
    /// By a set of which it is one: of a lasting identifier of its holder, or of a beginning of its own id.
    Set,
    /// By a set that a name of its holder describes. A name may have been given to another since.
    SetByName(String),
    /// By a set of credentials that are older than a moment, and how old it is is not known well enough.
    PerhapsSet,
}

impl Life {
    /// Reads what is on record about `credential`.
    pub(crate) fn read(evidence: &dyn Evidence, credential: &Credential) -> Result<Self, EvidenceError> {
        let uid = &credential.uid;
        let uses = evidence.events(uid, &[Role::Used, Role::Presented], USES_MAX)?;
        let affecting = evidence.events(uid, &AFFECTED, MARKS_MAX)?;
        let mut life = Self {
            marks: Vec::new(),
            used: uses.total,
            unread: affecting.total - affecting.events.len() as u64,
            uses: uses.events,
            subject: None,
            issued: None,
            unnamed_ends: Vec::new(),
        };
        life.marks = affecting.events.iter().flat_map(|event| named_marks(event, uid)).collect();
        for name in life.other_names(uid) {
            life.add_uses(evidence, &name)?;
        }
        life.count_requests_once();
        life.subject = life.subject_of();
        life.issued = life.issue_moment(uid);
        for (name, role) in life.holder_names(uid) {
            life.add_sets(evidence, &name, role)?;
        }
        for beginning in beginnings(uid) {
            life.add_sets(evidence, &beginning, Role::Ended)?;
        }
        life.marks.sort_by_key(|mark| (mark.event.time.at.is_none(), mark.event.time.at, mark.event.id));
        if let Some(unnamed) = unnamed_end(&uid.kind) {
            life.unnamed_ends = evidence.hinting(unnamed.hint, MARKS_MAX)?;
            life.unnamed_ends
                .retain(|event| event.outcome.status == Status::Success && event.source.scope == uid.scope);
            let issued = life.issued.clone();
            life.unnamed_ends.retain(|event| match (&issued, Moment::of_effect(event)) {
                (Some(issued), Some(ended)) => issued.order(&ended) != Order::After,
                _ => true,
            });
        }
        Ok(life)
    }

    /// Other names of the credential, in records that issue it alone: what is refused may be recorded by another name
    /// than what is accepted.
    fn other_names(&self, uid: &KeyRef) -> BTreeSet<KeyRef> {
        let issues_one = |event: &Event| {
            event.effects.iter().filter(|effect| effect.kind == EffectKind::Issue).count() == 1
        };
        let issues =
            self.marks.iter().filter(|mark| mark.effect.kind == EffectKind::Issue && issues_one(&mark.event));
        let names = issues.flat_map(|mark| &mark.event.keys).filter(|key| {
            key.role == Role::Name
                && key.trust != Trust::SelfAsserted
                && key.scope == uid.scope
                && is_credential(&key.kind)
        });
        names.map(Key::to_ref).collect()
    }

    /// Adds the uses that are recorded by another name of the credential.
    fn add_uses(&mut self, evidence: &dyn Evidence, name: &KeyRef) -> Result<(), EvidenceError> {
        let page = evidence.events(name, &[Role::Used], USES_MAX)?;
        let known: BTreeSet<EventId> = self.uses.iter().map(|usage| usage.id).collect();
        let found = page.events.len();
        let added: Vec<Arc<Event>> =
            page.events.into_iter().filter(|usage| !known.contains(&usage.id)).collect();
        self.used += page.total - (found - added.len()) as u64;
        self.uses.extend(added);
        sort_by_time(&mut self.uses);
        Ok(())
    }

    /// A request that is recorded when it comes and again with its outcome is one use.
    fn count_requests_once(&mut self) {
        let requests = |usage: &Event| -> Vec<KeyRef> {
            let named = usage.keys.iter().filter(|key| key.role == Role::Native);
            named.filter(|key| key.trust != Trust::SelfAsserted).map(Key::to_ref).collect()
        };
        let is_open = |usage: &Event| usage.outcome.status == Status::Pending;
        let answered: BTreeSet<KeyRef> =
            self.uses.iter().filter(|usage| !is_open(usage)).flat_map(|usage| requests(usage)).collect();
        let before = self.uses.len();
        self.uses.retain(|usage| {
            !is_open(usage) || !requests(usage).iter().any(|request| answered.contains(request))
        });
        self.used -= (before - self.uses.len()) as u64;
    }

    /// When its issue is recorded.
    pub(crate) fn issued_at(&self) -> Option<ascribe_model::Timestamp> {
        let mut issues = self.marks.iter().filter(|mark| mark.effect.kind == EffectKind::Issue);
        issues.find_map(|mark| mark.event.time.at)
    }

    /// The subject that its issue names, else whom its first use names.
    fn subject_of(&self) -> Option<Identity> {
        let mut issues = self.marks.iter().filter(|mark| mark.effect.kind == EffectKind::Issue);
        let issued_to = issues.find_map(|mark| mark.effect.subject.clone());
        issued_to
            .or_else(|| self.uses.iter().map(|usage| &usage.actor).find(|actor| is_named(actor)).cloned())
    }

    fn issue_moment(&self, uid: &KeyRef) -> Option<Moment> {
        let mut issues = self.marks.iter().filter(|mark| mark.effect.kind == EffectKind::Issue);
        if let Some(recorded) = issues.find_map(|mark| Moment::of(&mark.event)) {
            return Some(recorded);
        }
        let session_start = |event: &Arc<Event>| {
            let uses_it = event.keys.iter().any(|key| key.role == Role::Used && uid.names(key));
            let mut stated = event.keys.iter().filter(|key| {
                uses_it && key.role == Role::Used && key.trust != Trust::SelfAsserted && !uid.names(key)
            });
            let at = stated.find_map(|key| key.at)?;
            Some(Moment::around(at, event.time.precision_ns, Some(event.source.clone())))
        };
        self.uses.iter().find_map(session_start)
    }

    /// The keys that name its holder or its workload, with the role in which a record about all that is theirs lists
    /// them.
    fn holder_names(&self, uid: &KeyRef) -> Vec<(KeyRef, Role)> {
        let mut names: BTreeMap<KeyRef, Role> = BTreeMap::new();
        let mut add = |keys: &mut dyn Iterator<Item = &Key>, role| {
            for key in keys {
                names.entry(key.to_ref()).or_insert(role);
            }
        };
        for mark in self.marks.iter().filter(|mark| mark.effect.kind == EffectKind::Issue) {
            if let Some(subject) = &mark.effect.subject {
                add(&mut keys_naming(&mark.event, subject, Role::Subject), Role::Subject);
            }
            add(&mut workloads(&mark.event), Role::Workload);
        }
        let mut seen: BTreeSet<&KeyRef> = BTreeSet::new();
        let own = self.uses.iter().filter(|usage| {
            usage.keys.iter().any(|key| key.role == Role::Used && uid.names(key)) && is_named(&usage.actor)
        });
        for usage in own {
            if seen.insert(&usage.actor.uid) {
                add(&mut keys_naming(usage, &usage.actor, Role::Actor), Role::Subject);
            }
            if !usage.effects.iter().any(|effect| effect.kind != EffectKind::Scope) {
                add(&mut workloads(usage), Role::Workload);
            }
        }
        names.into_iter().take(NAMES_MAX).collect()
    }

    /// Adds the effects on sets of credentials that are described by `name`, as far as this one may be among them.
    fn add_sets(&mut self, evidence: &dyn Evidence, name: &KeyRef, role: Role) -> Result<(), EvidenceError> {
        let page = evidence.on_sets(name, role, SETS_MAX)?;
        self.unread += page.total - page.events.len() as u64;
        for event in page.events.iter().filter(|event| event.outcome.status == Status::Success) {
            let on_sets = event.effects.iter().filter(|effect| is_on_set(effect, name, role, event));
            for effect in on_sets {
                let known = self.marks.iter().any(|mark| mark.event.id == event.id && mark.effect == *effect);
                if known || self.is_of_another(event) {
                    continue;
                }
                if let Some(means) = self.means(name, role, effect, event) {
                    self.marks.push(Mark { event: Arc::clone(event), effect: effect.clone(), means });
                }
            }
        }
        Ok(())
    }

    /// How a set that `name` describes means this credential; not at all where it was issued later.
    fn means(&self, name: &KeyRef, role: Role, effect: &Effect, event: &Event) -> Option<Means> {
        let cutoff = match effect.issued_before {
            Some(at) => Some(Moment::around(at, 0, None)),
            None => Moment::of_effect(event),
        };
        let order = match (&self.issued, &cutoff) {
            (Some(issued), Some(cutoff)) => issued.order(cutoff),
            _ if effect.issued_before.is_some() => Order::Open,
            _ => Order::Before, // A set without a bound of age: only a later issue would speak against it.
        };
        match order {
            Order::After => None,
            Order::Open => Some(Means::PerhapsSet),
            Order::Before if role == Role::Subject && !self.is_of_holder(event) => {
                Some(Means::SetByName(name.value.clone()))
            }
            Order::Before => Some(Means::Set),
        }
    }

    /// Whether a record names its subject by a lasting identifier of the holder.
    fn is_of_holder(&self, event: &Event) -> bool {
        !self.holder_ids().is_disjoint(&lasting(event, Role::Subject))
    }

    /// Whether a record names its subject by a lasting identifier that is another than the holder's.
    fn is_of_another(&self, event: &Event) -> bool {
        let (named, own) = (lasting(event, Role::Subject), self.holder_ids());
        let comparable = named.iter().any(|name| own.iter().any(|known| known.kind == name.kind));
        comparable && named.is_disjoint(&own)
    }

    /// Lasting identifiers of whom its issue or its uses name.
    fn holder_ids(&self) -> BTreeSet<KeyRef> {
        let issues = self.marks.iter().filter(|mark| mark.effect.kind == EffectKind::Issue);
        let issued_to = issues.flat_map(|mark| lasting(&mark.event, Role::Subject));
        issued_to.chain(self.uses.iter().flat_map(|usage| lasting(usage, Role::Actor))).collect()
    }
}

/// Effects of a record on the credential that it names by its id, as far as they happened.
fn named_marks(event: &Arc<Event>, uid: &KeyRef) -> Vec<Mark> {
    if event.outcome.status != Status::Success {
        return Vec::new();
    }
    let of_this = event
        .effects
        .iter()
        .filter(|effect| effect.credential.as_ref().is_some_and(|affected| affected.uid == *uid));
    of_this
        .map(|effect| Mark { event: Arc::clone(event), effect: effect.clone(), means: Means::This })
        .collect()
}

/// Whether an effect is on a set of credentials, and `name`, which the record lists in `role`, describes the set.
fn is_on_set(effect: &Effect, name: &KeyRef, role: Role, event: &Event) -> bool {
    if !effect.is_on_set() {
        return false;
    }
    match (&effect.subject, role) {
        (Some(subject), Role::Subject) => {
            subject.uid == *name || keys_naming(event, subject, Role::Subject).any(|key| name.names(key))
        }
        (None, Role::Subject) | (Some(_), _) => false,
        (None, _) => true,
    }
}

fn workloads(event: &Event) -> impl Iterator<Item = &Key> {
    event.keys.iter().filter(|key| key.role == Role::Workload && key.trust != Trust::SelfAsserted)
}
