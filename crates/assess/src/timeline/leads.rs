//! Which keys lead to the events of a timeline: the subject's own, its names, and those of what came of it.

use std::collections::{BTreeMap, BTreeSet};

use ascribe_model::{Credential, Event, Gap, JoinGrade, KeyRef, Node, Role, TimelinePart};

use super::{own, start, subject_name};
use crate::Evidence;
use crate::evidence::{EvidenceError, Wanted};
use crate::identity::{Depth, IDENTITY_ROLES, identity_of};
use crate::kinds::is_lasting;
use crate::naming::{counted, identity_name};
use crate::trail::Trail;

/// Roles in which an event names a credential that it concerns.
pub(super) const CREDENTIAL_ROLES: [Role; 6] =
    [Role::Used, Role::Presented, Role::Issued, Role::Ended, Role::Enabled, Role::Resource];
/// Credentials of one identity whose lineage is followed forward.
const FOLLOWED_MAX: usize = 64;

/// A key that leads to events.
#[derive(Clone, Debug)]
pub(super) struct Lead {
    pub(super) wanted: Wanted,
    pub(super) part: TimelinePart,
    /// The edge that leads to the key, and the grade of the worst on the way.
    pub(super) edge: Option<(usize, JoinGrade)>,
}

/// All that leads to the events of one subject.
pub(super) struct Leads {
    pub(super) subject: KeyRef,
    /// What sentences call the subject.
    pub(super) name: String,
    pub(super) all: Vec<Lead>,
    /// Forward from its credentials.
    pub(super) trail: Trail,
    /// The parents of its credentials.
    pub(super) origins: Trail,
    /// What was not followed.
    pub(super) unfollowed: Vec<Gap>,
}

impl Lead {
    pub(super) fn new(key: KeyRef, roles: &[Role], part: TimelinePart) -> Self {
        Self { wanted: Wanted::new(key, roles), part, edge: None }
    }
}

impl Leads {
    /// The credential itself, and forward all that came of it.
    pub(super) fn of_credential(
        evidence: &dyn Evidence,
        credential: &Credential,
    ) -> Result<Self, EvidenceError> {
        let mut leads = Self::new(credential.uid.clone(), subject_name(&credential.uid));
        leads.all.push(own(&credential.uid));
        leads.follow(evidence, credential)?;
        Ok(leads)
    }

    /// The identity by its identifiers, what names it, the credentials that it acted with, and all that came of those.
    pub(super) fn of_identity(evidence: &dyn Evidence, anchor: &KeyRef) -> Result<Self, EvidenceError> {
        let Some(detail) = identity_of(evidence, anchor, Depth::Names)? else {
            let mut leads = Self::new(anchor.clone(), subject_name(anchor));
            leads.all.push(Lead::new(anchor.clone(), &IDENTITY_ROLES, TimelinePart::Own));
            return Ok(leads);
        };
        let mut leads = Self::new(anchor.clone(), identity_name(&detail.identity));
        let keys = detail.names.iter().filter_map(|name| name.key.as_ref());
        let (ids, names): (BTreeSet<&KeyRef>, BTreeSet<&KeyRef>) =
            keys.partition(|key| is_lasting(&key.kind, &key.value) || *key == anchor);
        for id in &ids {
            leads.all.push(Lead::new((*id).clone(), &IDENTITY_ROLES, TimelinePart::Own));
        }
        for name in names {
            let mut lead = Lead::new(name.clone(), &[Role::Subject, Role::Behalf], TimelinePart::ByName);
            lead.wanted.of = ids.iter().map(|id| (*id).clone()).collect();
            leads.all.push(lead);
        }
        let credentials: Vec<&KeyRef> = detail.credentials.iter().map(|used| &used.credential).collect();
        let followed = &credentials[..credentials.len().min(FOLLOWED_MAX)];
        evidence.expect(followed, &[Role::Issued, Role::Parent])?;
        for uid in followed {
            leads.all.push(own(uid));
            leads.follow(evidence, &start(uid))?;
        }
        let left = credentials.len().saturating_sub(FOLLOWED_MAX);
        if left > 0 || detail.unlike > 0 {
            let unlike = usize::try_from(detail.unlike).unwrap_or(usize::MAX);
            leads.unfollowed.push(Gap {
                missing: format!(
                    "what came of {} and of those that {} show which were not read",
                    counted(left, "further credential"),
                    counted(unlike, "event")
                ),
                settled_by: "`ascribe timeline` of each credential".to_owned(),
            });
        }
        Ok(leads)
    }

    /// The strongest lead to an event; none where nothing leads there.
    pub(super) fn best(&self, event: &Event) -> Option<usize> {
        let leading = self.all.iter().enumerate().filter(|(_, lead)| lead.wanted.is_in(event));
        leading.min_by_key(|(_, lead)| (lead.part, lead.edge.map(|(_, grade)| grade))).map(|(at, _)| at)
    }

    fn new(subject: KeyRef, name: String) -> Self {
        let (trail, origins) = (Trail::default(), Trail::default());
        Self { subject, name, all: Vec::new(), trail, origins, unfollowed: Vec::new() }
    }

    /// Walks forward from a credential, and leads to each that came of it.
    fn follow(&mut self, evidence: &dyn Evidence, start: &Credential) -> Result<(), EvidenceError> {
        self.origins.begin(evidence, start)?;
        let begun = self.trail.edges.len();
        self.trail.walk_forward(evidence, start)?;
        let mut grades: BTreeMap<KeyRef, JoinGrade> = BTreeMap::from([(start.uid.clone(), JoinGrade::A)]);
        for (position, edge) in self.trail.edges.iter().enumerate().skip(begun) {
            let Node::Credential(child) = &edge.to else { continue };
            let parents = std::iter::once(&edge.from).chain(&edge.alternatives);
            let way = parents.filter_map(|node| match node {
                Node::Credential(parent) => grades.get(&parent.uid).copied(),
                Node::Identity(_) | Node::Unresolved { .. } => None,
            });
            let grade = way.min().unwrap_or(JoinGrade::A).max(edge.grade);
            grades.insert(child.uid.clone(), grade);
            let known = self.all.iter().any(|lead| lead.wanted.key == child.uid);
            if !known {
                let mut lead = Lead::new(child.uid.clone(), &CREDENTIAL_ROLES, TimelinePart::Derived);
                lead.edge = Some((position, grade));
                self.all.push(lead);
            }
        }
        Ok(())
    }
}
