//! The key kinds of Vault audit entries, and keys of one cluster.

use ascribe_model::{Form, Key, KeyKind, Role};

pub(super) use crate::cluster::{Cluster, global_key};
use crate::secrets::Placeholder;
use crate::source::KeyDeclaration;

pub(super) const ACCESS_KEY: KeyKind = KeyKind::new("aws.access_key");
pub(super) const ACCESSOR: KeyKind = KeyKind::new("vault.accessor");
pub(super) const ALIAS: KeyKind = KeyKind::new("vault.alias");
pub(super) const ARN: KeyKind = KeyKind::new("aws.arn");
pub(super) const AWS_SESSION: KeyKind = KeyKind::new("vault.aws_session");
pub(super) const ENTITY: KeyKind = KeyKind::new("vault.entity");
pub(super) const K8S_CREDENTIAL: KeyKind = KeyKind::new("k8s.credential");
pub(super) const K8S_UID: KeyKind = KeyKind::new("k8s.uid");
pub(super) const LEASE: KeyKind = KeyKind::new("vault.lease");
pub(super) const LEASE_HMAC: KeyKind = KeyKind::new("vault.lease_hmac");
pub(super) const MOUNT: KeyKind = KeyKind::new("vault.mount");
pub(super) const OIDC_SUBJECT: KeyKind = KeyKind::new("github.oidc_subject");
pub(super) const PATH: KeyKind = KeyKind::new("vault.path");
pub(super) const POD: KeyKind = KeyKind::new("k8s.pod");
pub(super) const PRINCIPAL: KeyKind = KeyKind::new("aws.principal");
pub(super) const REQUEST: KeyKind = KeyKind::new("vault.request");
pub(super) const ROLE_SESSION: KeyKind = KeyKind::new("aws.role_session");
pub(super) const RUN: KeyKind = KeyKind::new("github.run");
pub(super) const RUN_ATTEMPT: KeyKind = KeyKind::new("github.run_attempt");
pub(super) const SECRET_ID: KeyKind = KeyKind::new("vault.secret_id");
pub(super) const SECRET_ID_ACCESSOR: KeyKind = KeyKind::new("vault.secret_id_accessor");
pub(super) const SERIAL: KeyKind = KeyKind::new("x509.serial");
pub(super) const SERVICE_ACCOUNT: KeyKind = KeyKind::new("k8s.service_account");
pub(super) const SSH_SERIAL: KeyKind = KeyKind::new("ssh.certificate_serial");
pub(super) const TOKEN: KeyKind = KeyKind::new("vault.token");

/// Every kind above with what its value is.
pub(super) const DECLARATIONS: &[KeyDeclaration] = &[
    KeyDeclaration::new(
        "aws.access_key",
        "The access key that the AWS engine issued, where its name is not hashed.",
    ),
    KeyDeclaration::new("aws.arn", "The IAM identity that logged in through the AWS auth method."),
    KeyDeclaration::new(
        "aws.principal",
        "The immutable id of the IAM identity that logged in: `AROA…`, `AIDA…`.",
    ),
    KeyDeclaration::new("aws.role_session", "`AROA…:session-name` of the session that logged in."),
    KeyDeclaration::new(
        "github.oidc_subject",
        "The `sub` claim of a GitHub Actions token, where the role maps it.",
    ),
    KeyDeclaration::new(
        "github.run",
        "The `run_id` claim of a GitHub Actions token, where the role maps it.",
    ),
    KeyDeclaration::new(
        "github.run_attempt",
        "`run_id` and `run_attempt` of a GitHub Actions token, joined by `-`.",
    ),
    KeyDeclaration::new(
        "k8s.credential",
        "`JTI=` and the `jti` claim of the token that logged in, where it is recorded.",
    ),
    KeyDeclaration::new("k8s.pod", "The pod whose token logged in, by uid, where the role maps it."),
    KeyDeclaration::new("k8s.service_account", "The service account that logged in, by `namespace/name`."),
    KeyDeclaration::new("k8s.uid", "The uid of the service account that logged in."),
    KeyDeclaration::new(
        "ssh.certificate_serial",
        "An SSH certificate by serial number, in lower-case hexadecimal digits.",
    ),
    KeyDeclaration::new(
        "vault.accessor",
        "A token's accessor, which is no secret; as a hash of one audit device unless that is told otherwise.",
    ),
    KeyDeclaration::new(
        "vault.alias",
        "The display name of a token: who an auth method let in, or what its creator chose.",
    ),
    KeyDeclaration::new(
        "vault.aws_session",
        "`<display name>-<role>` as the AWS engine puts it into names of users and sessions, with the moment.",
    ),
    KeyDeclaration::new("vault.entity", "An entity by id: the same through every login of an alias."),
    KeyDeclaration::new("vault.lease", "A lease of a dynamic secret, by id."),
    KeyDeclaration::new(
        "vault.lease_hmac",
        "A lease id as the hash of one audit device; it never equals the plain id.",
    ),
    KeyDeclaration::new("vault.mount", "A mount, by namespace and path."),
    KeyDeclaration::new("vault.path", "What a request is about, by namespace and path."),
    KeyDeclaration::new(
        "vault.request",
        "`request.id`: one operation, in the entries of its request and its response.",
    ),
    KeyDeclaration::new("vault.secret_id", "An AppRole secret id as the hash of one audit device."),
    KeyDeclaration::new(
        "vault.secret_id_accessor",
        "The accessor of an AppRole secret id, which is no secret.",
    ),
    KeyDeclaration::new(
        "vault.token",
        "A token as the hash of one audit device; for tokens that have no accessor.",
    ),
    KeyDeclaration::new(
        "x509.serial",
        "A certificate by serial number, in lower-case hexadecimal digits; unique for its issuer only.",
    ),
];

impl Cluster<'_> {
    /// A value that devices hash, in whichever form it is. `None` where it is missing or was withheld.
    pub(super) fn recorded(self, role: Role, kind: KeyKind, value: &str) -> Option<Key> {
        let form = if is_hashed(value) { Form::Hmac } else { Form::Plain };
        is_recorded(value).then(|| Key { form, ..self.key(role, kind, value) })
    }

    /// A value of which only the hash is no secret.
    pub(super) fn hashed(self, role: Role, kind: KeyKind, value: &str) -> Option<Key> {
        self.recorded(role, kind, value).filter(|_| is_hashed(value))
    }
}

/// Whether a device hashed a value: `hmac-sha256:` and 64 hexadecimal digits.
pub(super) fn is_hashed(value: &str) -> bool {
    super::DEVICES.hashed(value.as_bytes())
}

/// Whether a value is on record: there, and not withheld.
pub(super) fn is_recorded(value: &str) -> bool {
    !value.is_empty() && Placeholder::read(value).is_none()
}
