//! What shares a name with an identity, or is spelt like it, and is not taken for it.

use std::collections::{BTreeMap, BTreeSet};

use ascribe_model::{Event, EventId, Identity, KeyRef, LookAlike, Role};

use super::spelling::other_spellings;
use super::{CITED_MAX, IDENTITY_ROLES, anchor_of, identities_in, keys_naming};
use crate::Evidence;
use crate::evidence::{EvidenceError, Wanted};
use crate::kinds::{is_collective, is_lasting};

/// Entries of one name that are compared at a time; more where they tell of nobody new. Those in which the identity itself
/// acts, or somebody found before is named, do not count.
const COMPARED: [usize; 3] = [1, 16, 256];
/// Names of one identity whose look-alikes are looked for.
const NAMES_MAX: usize = 8;
/// Look-alikes of one name, and of those that are spelt otherwise, that are listed; no more of one name are looked for.
pub(crate) const LISTED_MAX: usize = 16;
/// Roles in which a key names an identity.
const NAMING: [Role; 4] = [Role::Actor, Role::Behalf, Role::Subject, Role::Name];

/// What is known to be the identity.
pub(super) struct Known<'k> {
    pub(super) anchors: &'k BTreeSet<KeyRef>,
    /// Every key that names it.
    pub(super) names: BTreeSet<KeyRef>,
}

/// Everything that shares a name with the identity or is spelt like it, sorted.
pub(super) fn look_alikes(
    evidence: &dyn Evidence,
    known: &Known<'_>,
    identity: &Identity,
) -> Result<Vec<LookAlike>, EvidenceError> {
    let mut found: BTreeMap<KeyRef, LookAlike> = BTreeMap::new();
    let given = known.names.iter().filter(|key| !is_lasting(&key.kind, &key.value));
    for (key, shown) in of_same_names(evidence, given.clone().take(NAMES_MAX), known)? {
        let kind = key.kind.name();
        let because =
            format!("the same name with another {kind}: made again under it, or another altogether");
        found.insert(key.clone(), LookAlike { key, because, evidence: shown });
    }
    let texts: BTreeSet<&str> = given.map(|key| key.value.as_str()).chain(identity.name.as_deref()).collect();
    for text in texts.into_iter().take(NAMES_MAX) {
        for key in named(evidence, text, known)? {
            let because =
                "the same text in another scope or of another kind: names mean something there only";
            add(evidence, &mut found, key, because.to_owned())?;
        }
        for spelling in other_spellings(text) {
            for key in named(evidence, &spelling, known)? {
                let because = format!("spelt like `{text}`, with other characters");
                add(evidence, &mut found, key, because)?;
            }
        }
    }
    // However often a name was given again, what is only spelt like it has room.
    Ok(found.into_values().take(2 * LISTED_MAX).collect())
}

/// Identities of other lasting identifiers that records name by the same keys, each with records that do so. Whoever is
/// found is left out of the next search, so that a handful of records tells of as many identities.
fn of_same_names<'n>(
    evidence: &dyn Evidence,
    names: impl Iterator<Item = &'n KeyRef>,
    known: &Known<'_>,
) -> Result<BTreeMap<KeyRef, Vec<EventId>>, EvidenceError> {
    let mut others = Others { known, found: BTreeMap::new() };
    for name in names {
        let mut steps = COMPARED.iter().peekable();
        while let Some(compared) = steps.peek().filter(|_| others.found.len() < LISTED_MAX) {
            let is_last = Some(*compared) == COMPARED.last();
            let is_new = others.look(evidence, name, (&IDENTITY_ROLES, **compared))?;
            if is_last || !is_new {
                steps.next();
            }
        }
        if others.found.len() < LISTED_MAX {
            // Whoever acted upon the identity may have its name, and no other record.
            others.look(evidence, name, (&[Role::Actor], COMPARED[COMPARED.len() - 1]))?;
        }
    }
    others.found.values_mut().for_each(|shown| shown.sort_unstable());
    Ok(others.found)
}

/// Others of the same name, as far as they were found.
struct Others<'k> {
    known: &'k Known<'k>,
    found: BTreeMap<KeyRef, Vec<EventId>>,
}

impl Others<'_> {
    /// Looks at some entries that have the name, less those that name somebody found before and those in which the identity
    /// itself stands in one of `own`. Says whether they tell of somebody new.
    fn look(
        &mut self,
        evidence: &dyn Evidence,
        name: &KeyRef,
        (own, compared): (&[Role], usize),
    ) -> Result<bool, EvidenceError> {
        let itself = self.known.anchors.iter().map(|key| Wanted::new(key.clone(), own));
        let before = self.found.keys().map(|key| Wanted::new(key.clone(), &IDENTITY_ROLES));
        let left_out: Vec<Wanted> = itself.chain(before).collect();
        let mut is_new = false;
        for event in evidence.apart_from(name, &NAMING, &left_out, compared)? {
            for other in others_named(&event, name, self.known) {
                let shown = self.found.entry(other).or_default();
                is_new |= shown.is_empty();
                if shown.len() < CITED_MAX && !shown.contains(&event.id) {
                    shown.push(event.id);
                }
            }
        }
        Ok(is_new)
    }
}

/// Who else is named by the key in an event, by a lasting identifier of a kind that the identity has too.
fn others_named(event: &Event, name: &KeyRef, known: &Known<'_>) -> BTreeSet<KeyRef> {
    let named = identities_in(event)
        .filter(|(identity, role)| keys_naming(event, identity, *role).any(|key| name.names(key)));
    let anchors = named.map(|(identity, role)| anchor_of(event, identity, role));
    let is_other = |anchor: &KeyRef| {
        !known.anchors.contains(anchor)
            && is_lasting(&anchor.kind, &anchor.value)
            && known.anchors.iter().any(|own| own.kind == anchor.kind)
    };
    anchors.filter(is_other).collect()
}

/// Keys of exactly this text that name identities and are not known to be this one.
fn named(evidence: &dyn Evidence, text: &str, known: &Known<'_>) -> Result<Vec<KeyRef>, EvidenceError> {
    let keys = evidence.keys_of(text)?.into_iter();
    let naming = keys.filter(|(key, roles)| {
        !is_collective(&key.kind)
            && roles.iter().any(|role| NAMING.contains(role))
            && !known.names.contains(key)
    });
    Ok(naming.map(|(key, _)| key).collect())
}

fn add(
    evidence: &dyn Evidence,
    found: &mut BTreeMap<KeyRef, LookAlike>,
    key: KeyRef,
    because: String,
) -> Result<(), EvidenceError> {
    if !found.contains_key(&key) {
        let shown = evidence.events(&key, &NAMING, CITED_MAX)?;
        let mut cited: Vec<EventId> = shown.events.iter().map(|event| event.id).collect();
        cited.sort_unstable();
        found.insert(key.clone(), LookAlike { key, because, evidence: cited });
    }
    Ok(())
}
