//! Keys of systems that are installed many times over, whose names are unique within one installation.
//!
//! It knows no vendor: what is unique where is the business of each source.

use ascribe_model::{Key, KeyKind, KeyRef, Role};

/// Where names are unique: one cluster, with all that replicates from it.
#[derive(Clone, Copy)]
pub(crate) struct Cluster<'a> {
    /// What the operator, or the record, calls it.
    pub(crate) scope: &'a str,
}

impl Cluster<'_> {
    /// A key that is unique in this cluster and that the cluster itself assigned or checked.
    pub(crate) fn key(self, role: Role, kind: KeyKind, value: impl Into<String>) -> Key {
        Key::observed(role, self.reference(kind, value))
    }

    /// What is unique in this cluster.
    pub(crate) fn reference(self, kind: KeyKind, value: impl Into<String>) -> KeyRef {
        KeyRef { kind, scope: self.scope.to_owned(), value: value.into() }
    }
}

/// A key that is unique everywhere and that the recording system itself assigned or checked.
pub(crate) fn global_key(role: Role, kind: KeyKind, value: impl Into<String>) -> Key {
    Key::observed(role, KeyRef { kind, scope: String::new(), value: value.into() })
}
