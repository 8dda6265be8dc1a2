//! The key kinds of Kubernetes audit records, and keys of one cluster.

use ascribe_model::{Form, Key, KeyKind, KeyRef, Role, Trust};

pub(super) use crate::cluster::{Cluster, global_key};
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
    KeyDeclaration::new(
        "aws.access_key",
        "The access key that signed the token of a caller whom IAM vouched for, on EKS.",
    ),
    KeyDeclaration::new("aws.arn", "The IAM identity of a caller, as STS named it and as its role or user."),
    KeyDeclaration::new(
        "aws.instance",
        "The EC2 instance that a node's session is named after; the name proves nothing here.",
    ),
    KeyDeclaration::new("aws.principal", "The immutable id of the IAM identity: `AROA…`, `AIDA…`."),
    KeyDeclaration::new(
        "aws.role_session",
        "`AROA…:session-name` of the session that vouched for the caller.",
    ),
    KeyDeclaration::new("aws.session_name", "The session name that the caller of AssumeRole chose."),
    KeyDeclaration::new("k8s.audience", "Whom a token is meant for, such as `sts.amazonaws.com`."),
    KeyDeclaration::new(
        "k8s.audit_event",
        "`auditID`: one request, in all its stages. A client may choose it.",
    ),
    KeyDeclaration::new(
        "k8s.binding",
        "A binding of a role: `ClusterRoleBinding/name` or `RoleBinding/namespace/name`.",
    ),
    KeyDeclaration::new("k8s.bootstrap_token", "A token that nodes join with, by its public id."),
    KeyDeclaration::new(
        "k8s.credential",
        "`JTI=` and the id of a token, or `X509SHA256=` and the digest of a certificate.",
    ),
    KeyDeclaration::new(
        "k8s.csr",
        "A certificate signing request by name: created, approved and signed in separate requests.",
    ),
    KeyDeclaration::new(
        "k8s.group",
        "A group that a certificate was asked for; its members are whoever the cluster says.",
    ),
    KeyDeclaration::new("k8s.node", "A node by name."),
    KeyDeclaration::new(
        "k8s.object",
        "An object: `group/resource/namespace/name`; `*` is all of them, `?` one that the record does not name.",
    ),
    KeyDeclaration::new(
        "k8s.pod",
        "A pod by uid. The workload of an event that issues or ends credentials is the pod that those live in.",
    ),
    KeyDeclaration::new("k8s.pod_name", "A pod by `namespace/name`; names are used again."),
    KeyDeclaration::new("k8s.role", "A role: `ClusterRole/name` or `Role/namespace/name`."),
    KeyDeclaration::new(
        "k8s.service_account",
        "A service account by `namespace/name`; names are used again.",
    ),
    KeyDeclaration::new(
        "k8s.token_secret",
        "A Secret that may hold a service account token: `namespace/name`.",
    ),
    KeyDeclaration::new(
        "k8s.uid",
        "The uid that the cluster gave to an object or an authenticator to a user.",
    ),
    KeyDeclaration::new("k8s.user", "A user name; who may be behind it depends on the authenticator."),
];

impl Cluster<'_> {
    /// A uid. What the API server generates is a UUID and unique everywhere, so that other systems that record it
    /// without the cluster still join; what authenticators make up is unique in the cluster at best.
    pub(super) fn uid(self, uid: &str) -> KeyRef {
        let scope = if is_uuid(uid) { "" } else { self.scope };
        KeyRef { kind: UID, scope: scope.to_owned(), value: uid.to_owned() }
    }

    /// `JTI=…` or `X509SHA256=…`.
    pub(super) fn credential_key(self, role: Role, id: &str, trust: Trust) -> Key {
        let form = if is_certificate(id) { Form::Fingerprint } else { Form::Plain };
        Key { form, trust, ..self.key(role, CREDENTIAL, id) }
    }
}

/// A key of what `reference` names.
pub(super) fn key_of(role: Role, reference: &KeyRef) -> Key {
    Key::observed(role, reference.clone())
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
