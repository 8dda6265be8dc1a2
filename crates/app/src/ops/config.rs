//! What the operator configured, as the ledger recorded it.

use ascribe_ledger::Reader;
use ascribe_model::{ConfigEntry, KeyKind, KeyRef, Role, SkewFact, Timestamp};
use ascribe_store::Store;

/// Key kind under which the store finds configurations by name.
const CONFIG_KIND: KeyKind = KeyKind::new("ascribe.config");

/// A configuration cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum ConfigReadError {
    /// In the store.
    #[error("cannot look it up in the store")]
    Store(#[source] ascribe_store::ReadError),
    /// In the ledger.
    #[error("cannot read its entry in the ledger")]
    Ledger(#[source] ascribe_ledger::ReadError),
    /// It is of a later version.
    #[error("entry {leaf} is not a configuration that this program knows")]
    Form {
        /// The entry.
        leaf: u64,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
}

/// What was configured last under a name.
pub fn recorded_config(
    store: &Store,
    reader: &Reader,
    name: &str,
) -> Result<Option<ConfigEntry>, ConfigReadError> {
    config_leaves(store, name)?.last().map(|&leaf| config_at(reader, leaf)).transpose()
}

/// Where something was configured under a name, in the order of the ledger.
pub fn config_leaves(store: &Store, name: &str) -> Result<Vec<u64>, ConfigReadError> {
    let key = KeyRef { kind: CONFIG_KIND, scope: String::new(), value: name.to_owned() };
    // Few: one for each time that the operator changed something.
    Ok(store.leaves(&key, &[Role::Native], None, usize::MAX).map_err(ConfigReadError::Store)?.leaves)
}

/// Everything that was configured under a name, each with the time at which the ledger received it, in its order.
pub fn configs(
    store: &Store,
    reader: &Reader,
    name: &str,
) -> Result<Vec<(Timestamp, ConfigEntry)>, ConfigReadError> {
    let key = KeyRef { kind: CONFIG_KIND, scope: String::new(), value: name.to_owned() };
    let leaves = store.leaves(&key, &[Role::Native], None, usize::MAX).map_err(ConfigReadError::Store)?;
    let read = |leaf| {
        let received = reader.entry(leaf).map_err(ConfigReadError::Ledger)?.envelope().received_at;
        Ok((Timestamp::from_nanoseconds(received), config_at(reader, leaf)?))
    };
    leaves.leaves.into_iter().map(read).collect()
}

/// The facts about clocks that the operator froze, in the order of the ledger.
pub fn frozen_clocks(store: &Store, reader: &Reader) -> Result<Vec<SkewFact>, ConfigReadError> {
    let mut frozen = Vec::new();
    for leaf in config_leaves(store, ConfigEntry::SKEW)? {
        if let ConfigEntry::Skew { facts, .. } = config_at(reader, leaf)? {
            frozen.extend(facts);
        }
    }
    Ok(frozen)
}

/// The configuration that one entry recorded.
pub fn config_at(reader: &Reader, leaf: u64) -> Result<ConfigEntry, ConfigReadError> {
    let entry = reader.proven_entry(leaf).map_err(ConfigReadError::Ledger)?;
    serde_json::from_slice(entry.kept().map_err(ConfigReadError::Ledger)?)
        .map_err(|source| ConfigReadError::Form { leaf, source })
}
