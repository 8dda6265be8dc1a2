//! What the operator asserts of the identities and addresses that an answer names, beside its body.

use std::collections::BTreeMap;

use ascribe_model::{Asserted, AssertedIdentity, AssertedNetwork, ConfigEntry, Details, KeyRef, WhoDetail};

use super::OpenEvidence;
use super::config::{ConfigReadError, recorded_config};
use crate::enrichment::{Enrichment, EnrichmentError};
use crate::workspace::Workspace;

/// The operator's assertions cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum AssertedError {
    /// The files cannot be used.
    #[error(transparent)]
    Enrichment(#[from] EnrichmentError),
    /// Which version the ledger has cannot be told.
    #[error("cannot read which assertions the ledger has recorded")]
    Config(#[from] ConfigReadError),
}

/// What the operator asserts of what `details` names; `None` where no files are configured.
pub fn asserted(
    workspace: &Workspace,
    evidence: &OpenEvidence,
    details: &Details,
) -> Result<Option<Asserted>, AssertedError> {
    let Details::Who(who) = details else { return Ok(None) };
    let enrichment = workspace.enrichment()?;
    if enrichment.version == ConfigEntry::NONE {
        return Ok(None);
    }
    let recorded = recorded_config(&evidence.store, &evidence.reader, enrichment.entry().name())?;
    let recorded = recorded.is_some_and(|recorded| recorded.version() == enrichment.version);
    let networks = who.addresses.iter().filter_map(|usage| {
        let name = enrichment.network_of(&usage.address)?.to_owned();
        Some(AssertedNetwork { address: usage.address.clone(), name })
    });
    let networks = networks.collect();
    Ok(Some(Asserted {
        identities: identities(who, &enrichment),
        networks,
        recorded,
        version: enrichment.version,
    }))
}

fn identities(who: &WhoDetail, enrichment: &Enrichment) -> Vec<AssertedIdentity> {
    // By the name under which rows show it, each once.
    let mut names: BTreeMap<&KeyRef, Vec<&KeyRef>> = BTreeMap::new();
    for holder in &who.holders {
        names.entry(&holder.identity.uid).or_default().push(&holder.identity.uid);
    }
    for detail in &who.identities {
        let keys: Vec<&KeyRef> = detail.names.iter().filter_map(|name| name.key.as_ref()).collect();
        for (uid, known) in &mut names {
            if **uid == detail.identity.uid || keys.contains(uid) {
                known.extend(&keys);
            }
        }
        names.entry(&detail.identity.uid).or_insert(keys);
    }
    let found = names.into_iter().filter_map(|(identity, names)| {
        let says = enrichment.of_keys(&names)?;
        Some(AssertedIdentity {
            identity: identity.clone(),
            owner: says.owner,
            environment: says.environment,
            criticality: says.criticality,
        })
    });
    found.collect()
}

impl AssertedError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Enrichment(error) => error.hint(),
            Self::Config(_) => "`ascribe verify` lists everything that is damaged or missing",
        }
    }
}
