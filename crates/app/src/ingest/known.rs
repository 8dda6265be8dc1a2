//! Whether an object was met before, by the digest of its bytes as delivered.

use ascribe_ledger::{Kind, Reader};
use ascribe_model::{KeyKind, KeyRef, Role};
use ascribe_store::Store;

/// Key kind under which the store finds objects by digest.
const OBJECT_KIND: KeyKind = KeyKind::new("ascribe.object");

/// Key kind under which the store finds, by the leaf of its opening entry, that an object is closed.
const CLOSED_KIND: KeyKind = KeyKind::new("ascribe.object_closed");

/// What the ledger holds of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    No,
    /// All of it.
    Whole {
        /// Leaf of its opening entry.
        opened: u64,
    },
    /// Its beginning: an earlier run was interrupted.
    Part {
        /// Leaf of its opening entry.
        opened: u64,
        /// End of the last piece, in decoded bytes.
        cursor: u64,
    },
}

/// The look-up failed.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// In the store.
    #[error("cannot look the object up in the store")]
    Store(#[source] ascribe_store::ReadError),
    /// In the ledger.
    #[error("cannot read the object's entries in the ledger")]
    Ledger(#[source] ascribe_ledger::ReadError),
}

/// What ledger and store hold of the object with this digest. Both have to be at the same size.
pub fn known_object(store: &Store, reader: &Reader, digest: &str) -> Result<Known, KnownError> {
    let key = KeyRef { kind: OBJECT_KIND, scope: String::new(), value: digest.to_owned() };
    let opened = store.leaves(&key, &[Role::Native], None, 1).map_err(KnownError::Store)?;
    let Some(&opened) = opened.leaves.first() else { return Ok(Known::No) };
    let key = KeyRef { kind: CLOSED_KIND, scope: String::new(), value: opened.to_string() };
    let closed = store.leaves(&key, &[Role::Ended], None, 1).map_err(KnownError::Store)?;
    if closed.total > 0 {
        return Ok(Known::Whole { opened });
    }
    // Only what an interrupted run left comes here, so the entries after it are few: those of the runs since.
    let mut cursor = 0;
    for entry in reader.entries(opened..reader.size()) {
        let entry = entry.map_err(KnownError::Ledger)?;
        let envelope = entry.envelope();
        if envelope.object == Some(opened) && matches!(envelope.kind, Kind::Record | Kind::Reject) {
            cursor = envelope.span.map_or(cursor, |span| cursor.max(span.offset + span.length));
        }
    }
    Ok(Known::Part { opened, cursor })
}
