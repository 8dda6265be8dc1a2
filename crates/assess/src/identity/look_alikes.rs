//! What shares a name with an identity, or is spelt like it, and is not taken for it.

use std::collections::{BTreeMap, BTreeSet};

use ascribe_model::{EventId, Identity, KeyRef, LookAlike, Role};

use super::spelling::other_spellings;
use super::{CITED_MAX, anchor_of, identities_in, keys_naming};
use crate::Evidence;
use crate::evidence::EvidenceError;
use crate::kinds::{is_collective, is_lasting};

/// Entries of one name that are compared, beside those in which the identity itself acts.
const COMPARED_MAX: usize = 256;
/// Names of one identity whose look-alikes are looked for.
const NAMES_MAX: usize = 8;
/// Look-alikes that are listed.
const LISTED_MAX: usize = 32;
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
    for name in given.clone().take(NAMES_MAX) {
        for (key, shown) in of_same_name(evidence, name, known)? {
            let kind = key.kind.name();
            let because = if is_lasting(&key.kind, &key.value) {
                format!("the same name with another {kind}: made again under it, or another altogether")
            } else {
                "the same name, in records that show no lasting identifier".to_owned()
            };
            found.entry(key.clone()).or_insert(LookAlike { key, because, evidence: shown });
        }
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
    Ok(found.into_values().take(LISTED_MAX).collect())
}

/// Identities of other identifiers that records name by the same key.
fn of_same_name(
    evidence: &dyn Evidence,
    name: &KeyRef,
    known: &Known<'_>,
) -> Result<BTreeMap<KeyRef, Vec<EventId>>, EvidenceError> {
    let mut others: BTreeMap<KeyRef, Vec<EventId>> = BTreeMap::new();
    for event in evidence.apart_from(name, &NAMING, known.anchors, COMPARED_MAX)? {
        for (identity, role) in identities_in(&event) {
            if !keys_naming(&event, identity, role).any(|key| name.names(key)) {
                continue;
            }
            let anchor = anchor_of(&event, identity, role);
            let is_other = !known.anchors.contains(&anchor) && is_lasting(&anchor.kind, &anchor.value);
            let comparable = known.anchors.iter().any(|own| own.kind == anchor.kind);
            if is_other && comparable {
                let shown = others.entry(anchor).or_default();
                if shown.len() < CITED_MAX {
                    shown.push(event.id);
                }
            }
        }
    }
    for shown in others.values_mut() {
        shown.sort_unstable();
    }
    Ok(others)
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
