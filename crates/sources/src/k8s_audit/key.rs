//! The key kinds of Kubernetes audit records, and keys of one cluster.

use ascribe_model::{Form, Key, KeyKind, KeyRef, Role, Trust};

use crate::source::KeyDeclaration;

pub(super) const ACCESS_KEY: KeyKind = KeyKind::new("aws.access_key");
pub(super) const ARN: KeyKind = KeyKind::new("aws.arn");
pub(super) const AUDIENCE: KeyKind = KeyKind::new("k8s.audience");
pub(super) const AUDIT_EVENT: KeyKind = KeyKind::new("k8s.audit_event");
pub(super) const BINDING: KeyKind = KeyKind::new("k8s.binding");
pub(super) const BOOTSTRAP_TOKEN: KeyKind = KeyKind::new("k8s.bootstrap_token");
pub(super) const CREDENTIAL: KeyKind = KeyKind::new("k8s.credential");
pub(super) const CSR: KeyKind = KeyKind::new("k8s.csr");
pub(super) const GROUP: KeyKind = KeyKind::new("k8s.group");
pub(super) const INSTANCE: KeyKind = KeyKind::new("aws.instance");
pub(super) const NODE: KeyKind = KeyKind::new("k8s.node");
pub(super) const OBJECT: KeyKind = KeyKind::new("k8s.object");
pub(super) const POD: KeyKind = KeyKind::new("k8s.pod");
pub(super) const POD_NAME: KeyKind = KeyKind::new("k8s.pod_name");
pub(super) const PRINCIPAL: KeyKind = KeyKind::new("aws.principal");
pub(super) const RBAC_ROLE: KeyKind = KeyKind::new("k8s.role");
pub(super) const ROLE_SESSION: KeyKind = KeyKind::new("aws.role_session");
pub(super) const SERVICE_ACCOUNT: KeyKind = KeyKind::new("k8s.service_account");
pub(super) const SESSION_NAME: KeyKind = KeyKind::new("aws.session_name");
pub(super) const TOKEN_SECRET: KeyKind = KeyKind::new("k8s.token_secret");
pub(super) const UID: KeyKind = KeyKind::new("k8s.uid");
pub(super) const USER: KeyKind = KeyKind::new("k8s.user");

/// Every kind above with what its value is.
pub(super) const DECLARATIONS: &[KeyDeclaration] = &[
    declare(
        "aws.access_key",
        "The access key that signed the token of a caller whom IAM vouched for, on EKS.",
    ),
    declare("aws.arn", "The IAM identity of a caller, as STS named it and as its role or user."),
    declare(
        "aws.instance",
        "The EC2 instance that a node's session is named after; the name proves nothing here.",
    ),
    declare("aws.principal", "The immutable id of the IAM identity: `AROA…`, `AIDA…`."),
    declare("aws.role_session", "`AROA…:session-name` of the session that vouched for the caller."),
    declare("aws.session_name", "The session name that the caller of AssumeRole chose."),
    declare("k8s.audience", "Whom a token is meant for, such as `sts.amazonaws.com`."),
    declare("k8s.audit_event", "`auditID`: one request, in all its stages. A client may choose it."),
    declare("k8s.binding", "A binding of a role: `ClusterRoleBinding/name` or `RoleBinding/namespace/name`."),
    declare("k8s.bootstrap_token", "A token that nodes join with, by its public id."),
    declare(
        "k8s.credential",
        "`JTI=` and the id of a token, or `X509SHA256=` and the digest of a certificate.",
    ),
    declare(
        "k8s.csr",
        "A certificate signing request by name: created, approved and signed in separate requests.",
    ),
    declare(
        "k8s.group",
        "A group that a certificate was asked for; its members are whoever the cluster says.",
    ),
    declare("k8s.node", "A node by name."),
    declare(
        "k8s.object",
        "An object: `group/resource/namespace/name`; `*` is all of them, `?` one that the record does not name.",
    ),
    declare(
        "k8s.pod",
        "A pod by uid. The workload of an event that issues or ends credentials is the pod that those live in.",
    ),
    declare("k8s.pod_name", "A pod by `namespace/name`; names are used again."),
    declare("k8s.role", "A role: `ClusterRole/name` or `Role/namespace/name`."),
    declare("k8s.service_account", "A service account by `namespace/name`; names are used again."),
    declare("k8s.token_secret", "A Secret that may hold a service account token: `namespace/name`."),
    declare("k8s.uid", "The uid that the cluster gave to an object or an authenticator to a user."),
    declare("k8s.user", "A user name; who may be behind it depends on the authenticator."),
];

const fn declare(kind: &'static str, meaning: &'static str) -> KeyDeclaration {
    KeyDeclaration { kind, meaning }
}

/// Where names are unique: one cluster.
#[derive(Clone, Copy)]
pub(super) struct Cluster<'a> {
    pub scope: &'a str,
}

impl Cluster<'_> {
    /// A key that is unique in this cluster and that the API server itself assigned or checked.
    pub fn key(self, role: Role, kind: KeyKind, value: impl Into<String>) -> Key {
        Key { scope: self.scope.to_owned(), ..global_key(role, kind, value) }
    }

    pub fn reference(self, kind: KeyKind, value: impl Into<String>) -> KeyRef {
        KeyRef { kind, scope: self.scope.to_owned(), value: value.into() }
    }

    /// A uid. What the API server generates is a UUID and unique everywhere, so that other systems that record it
    /// without the cluster still join; what authenticators make up is unique in the cluster at best.
    pub fn uid(self, uid: &str) -> KeyRef {
        let scope = if is_uuid(uid) { "" } else { self.scope };
        KeyRef { kind: UID, scope: scope.to_owned(), value: uid.to_owned() }
    }

    /// `JTI=…` or `X509SHA256=…`.
    pub fn credential_key(self, role: Role, id: &str, trust: Trust) -> Key {
        let form = if is_certificate(id) { Form::Fingerprint } else { Form::Plain };
        Key { form, trust, ..self.key(role, CREDENTIAL, id) }
    }
}

/// A key that is unique everywhere and that the API server itself assigned or checked.
pub(super) fn global_key(role: Role, kind: KeyKind, value: impl Into<String>) -> Key {
    Key {
        role,
        kind,
        scope: String::new(),
        value: value.into(),
        form: Form::Plain,
        trust: Trust::VerifierObserved,
        at: None,
    }
}

/// A key of what `reference` names.
pub(super) fn key_of(role: Role, reference: &KeyRef) -> Key {
    let KeyRef { kind, scope, value } = reference.clone();
    Key { scope, ..global_key(role, kind, value) }
}

pub(super) fn is_certificate(credential_id: &str) -> bool {
    credential_id.starts_with("X509SHA256=")
}

/// `8-4-4-4-12` hexadecimal digits.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_uuid_is_unique_outside_its_cluster() {
        let cluster = Cluster { scope: "prod" };
        for (uid, scope) in [
            ("48a11242-4481-40fb-a400-71bab76ceb26", ""),
            ("https://accounts.example.com#10769150350006150715", "prod"),
            ("48a11242-4481-40fb-a400-71bab76ceb2", "prod"),
            ("48a11242 4481 40fb a400 71bab76ceb26", "prod"),
            ("1", "prod"),
        ] {
            assert_eq!(cluster.uid(uid).scope, scope, "{uid}");
        }
    }
}
