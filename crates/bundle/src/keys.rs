//! Entries in which one signing key hands over to another, as the ledger's own type has them.
//!
//! It reads the form of an entry. Whether the signatures verify and the keys follow each other is checked in the ledger's
//! crate.

use ascribe_ledger::{Fate, Standing, Succession, SuccessionSignatures, VerifierKey, VerifierKeyError};
use ascribe_model::KeyEntry;

/// An entry is no succession of keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyEntryRefused {
    /// It is not of the form, or of a later version.
    #[error("it has not the form of one")]
    Form(#[source] serde_json::Error),
    /// A key in it is none.
    #[error("the {which} key in it is no verifier key")]
    Key {
        /// `old` or `new`.
        which: &'static str,
        /// Why.
        #[source]
        source: VerifierKeyError,
    },
    /// A signature in it is none.
    #[error("a signature in it is not base64 of 64 bytes")]
    Signature,
}

/// The succession that an entry of kind `key` states, not yet verified.
///
/// # Errors
/// [`KeyEntryRefused`], with what is wrong.
pub fn succession_of(captured: &[u8]) -> Result<(Succession, SuccessionSignatures), KeyEntryRefused> {
    let KeyEntry::Succession {
        old,
        new,
        leaf,
        at,
        reason,
        compromised,
        destroyed,
        old_signature,
        new_signature,
    } = serde_json::from_slice(captured).map_err(KeyEntryRefused::Form)?;
    let key =
        |which, text: &str| VerifierKey::parse(text).map_err(|source| KeyEntryRefused::Key { which, source });
    let signatures = SuccessionSignatures::from_base64(&old_signature, &new_signature)
        .ok_or(KeyEntryRefused::Signature)?;
    let succession = Succession {
        old: key("old", &old)?,
        new: key("new", &new)?,
        leaf,
        at: at.nanoseconds(),
        standing: if compromised { Standing::Compromised } else { Standing::Retired },
        fate: if destroyed { Fate::Destroyed } else { Fate::Kept },
        reason,
    };
    Ok((succession, signatures))
}
