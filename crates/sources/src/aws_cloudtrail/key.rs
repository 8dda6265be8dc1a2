//! The key kinds that CloudTrail lists: one constant and one declared sentence for each.
//!
//! This file knows what the values are, not where a record holds them.

use ascribe_model::{Form, Key, KeyKind, KeyRef, Role, Timestamp, Trust};

use crate::KeyDeclaration;

pub(super) const ACCESS_KEY: KeyKind = KeyKind::new("aws.access_key");
pub(super) const ACCOUNT: KeyKind = KeyKind::new("aws.account");
pub(super) const ARN: KeyKind = KeyKind::new("aws.arn");
pub(super) const CERTIFICATE: KeyKind = KeyKind::new("aws.certificate");
pub(super) const CONSOLE_PASSWORD: KeyKind = KeyKind::new("aws.console_password");
pub(super) const CONSOLE_SESSION: KeyKind = KeyKind::new("aws.console_session");
pub(super) const DATABASE_USER: KeyKind = KeyKind::new("aws.database_user");
pub(super) const EVENT: KeyKind = KeyKind::new("aws.event");
pub(super) const FUNCTION: KeyKind = KeyKind::new("aws.function");
pub(super) const GITHUB_REPOSITORY: KeyKind = KeyKind::new("github.repo");
pub(super) const GITHUB_RUN: KeyKind = KeyKind::new("github.run");
pub(super) const GITHUB_RUN_ATTEMPT: KeyKind = KeyKind::new("github.run_attempt");
pub(super) const GITHUB_SUBJECT: KeyKind = KeyKind::new("github.oidc_subject");
pub(super) const IDENTITY_CENTER_CREDENTIAL: KeyKind = KeyKind::new("aws.identity_center_credential");
pub(super) const IDENTITY_CENTER_NAME: KeyKind = KeyKind::new("aws.identity_center_name");
pub(super) const IDENTITY_CENTER_USER: KeyKind = KeyKind::new("aws.identity_center_user");
pub(super) const INSIGHT: KeyKind = KeyKind::new("aws.insight");
pub(super) const INSTANCE: KeyKind = KeyKind::new("aws.instance");
pub(super) const IOT_CERTIFICATE: KeyKind = KeyKind::new("aws.iot_certificate");
pub(super) const KEY_PAIR: KeyKind = KeyKind::new("aws.key_pair");
pub(super) const KMS_GRANT: KeyKind = KeyKind::new("aws.kms_grant");
pub(super) const OIDC_SUBJECT: KeyKind = KeyKind::new("oidc.subject");
pub(super) const POD: KeyKind = KeyKind::new("k8s.pod");
pub(super) const PRINCIPAL: KeyKind = KeyKind::new("aws.principal");
pub(super) const REQUEST: KeyKind = KeyKind::new("aws.request");
pub(super) const RESOURCE: KeyKind = KeyKind::new("aws.resource");
pub(super) const ROLE_NAME: KeyKind = KeyKind::new("aws.role_name");
pub(super) const ROLE_SESSION: KeyKind = KeyKind::new("aws.role_session");
pub(super) const SAML_SUBJECT: KeyKind = KeyKind::new("saml.subject");
pub(super) const SECRET: KeyKind = KeyKind::new("aws.secret");
pub(super) const SERVICE: KeyKind = KeyKind::new("aws.service");
pub(super) const SERVICE_ACCOUNT: KeyKind = KeyKind::new("k8s.service_account");
pub(super) const SERVICE_CREDENTIAL: KeyKind = KeyKind::new("aws.service_credential");
pub(super) const SESSION_NAME: KeyKind = KeyKind::new("aws.session_name");
pub(super) const SHARED_EVENT: KeyKind = KeyKind::new("aws.shared_event");
pub(super) const SIGNING_CERTIFICATE: KeyKind = KeyKind::new("aws.signing_certificate");
pub(super) const SOURCE_IDENTITY: KeyKind = KeyKind::new("aws.source_identity");
pub(super) const SSH_PUBLIC_KEY: KeyKind = KeyKind::new("ssh.public_key");
pub(super) const SSM_SESSION: KeyKind = KeyKind::new("aws.ssm_session");
pub(super) const USER_NAME: KeyKind = KeyKind::new("aws.user_name");
pub(super) const USER_SSH_KEY: KeyKind = KeyKind::new("aws.ssh_public_key");
pub(super) const VAULT_SESSION: KeyKind = KeyKind::new("vault.aws_session");

/// Every kind above with its meaning, by name.
pub(super) const DECLARATIONS: &[KeyDeclaration] = &[
    KeyDeclaration::new(
        "aws.access_key",
        "An access key id: `AKIA…` lives until it is deleted, `ASIA…` belongs to one session.",
    ),
    KeyDeclaration::new(
        "aws.account",
        "An account number, where it is all that the record says of the caller.",
    ),
    KeyDeclaration::new(
        "aws.arn",
        "An Amazon Resource Name of an actor, of whom a credential speaks for, or of a resource.",
    ),
    KeyDeclaration::new(
        "aws.certificate",
        "A certificate of a private certificate authority, by ARN with its serial number.",
    ),
    KeyDeclaration::new("aws.console_password", "The console password of a user, by account and user name."),
    KeyDeclaration::new(
        "aws.console_session",
        "A signed-in console session: the principal, with the moment of the sign-in.",
    ),
    KeyDeclaration::new(
        "aws.database_user",
        "A database user with a temporary password, by cluster or workgroup.",
    ),
    KeyDeclaration::new("aws.event", "`eventID`: unique to this copy of the event."),
    KeyDeclaration::new("aws.function", "A Lambda function by name, in its account and region."),
    KeyDeclaration::new("aws.iot_certificate", "A device certificate of AWS IoT, by certificate id."),
    KeyDeclaration::new(
        "aws.identity_center_credential",
        "`credentialId`: the bearer token of an IAM Identity Center user.",
    ),
    KeyDeclaration::new(
        "aws.identity_center_name",
        "The user name in IAM Identity Center, as its role sessions carry it.",
    ),
    KeyDeclaration::new("aws.identity_center_user", "A user id, in its identity store."),
    KeyDeclaration::new(
        "aws.insight",
        "`sharedEventID` of an Insights event: one for the start and the end of the anomaly.",
    ),
    KeyDeclaration::new("aws.instance", "An EC2 instance id."),
    KeyDeclaration::new("aws.key_pair", "An EC2 key pair, by account, region and name or by id."),
    KeyDeclaration::new("aws.kms_grant", "A KMS grant id."),
    KeyDeclaration::new(
        "aws.principal",
        "`principalId` without the session: `AROA…`, `AIDA…`; never used again for another.",
    ),
    KeyDeclaration::new("aws.request", "`requestID`: one call to the service."),
    KeyDeclaration::new(
        "aws.resource",
        "A resource without an ARN in the record: `type/name`, by account and region.",
    ),
    KeyDeclaration::new(
        "aws.role_name",
        "A role by name in its account; a deleted role's name may be used again.",
    ),
    KeyDeclaration::new(
        "aws.role_session",
        "`AROA…:session-name` of a session, with the moment when it began.",
    ),
    KeyDeclaration::new(
        "aws.secret",
        "A secret of Secrets Manager, by ARN or by name in its account and region.",
    ),
    KeyDeclaration::new("aws.service", "A service of the provider that acts by itself."),
    KeyDeclaration::new("aws.service_credential", "A service-specific credential of a user, by its id."),
    KeyDeclaration::new("aws.session_name", "The session name that the caller of AssumeRole chose."),
    KeyDeclaration::new(
        "aws.shared_event",
        "`sharedEventID`: the copies of one event that several accounts received.",
    ),
    KeyDeclaration::new("aws.signing_certificate", "An X.509 signing certificate of a user, by its id."),
    KeyDeclaration::new(
        "aws.source_identity",
        "`sourceIdentity`: set when a role is assumed, kept through role chaining.",
    ),
    KeyDeclaration::new("aws.ssh_public_key", "An SSH public key of a user, by its id in IAM."),
    KeyDeclaration::new(
        "aws.ssm_session",
        "A Session Manager session id: its start, its resumption and its end.",
    ),
    KeyDeclaration::new(
        "aws.user_name",
        "An IAM user by name in its account; a deleted user's name may be used again.",
    ),
    KeyDeclaration::new("github.oidc_subject", "The `sub` claim of a token of GitHub Actions."),
    KeyDeclaration::new(
        "github.repo",
        "A repository as the subject names it: `owner/name`, and its id where that is there too.",
    ),
    KeyDeclaration::new(
        "github.run",
        "A run of a workflow, from the subject, from a session tag or from the session's name.",
    ),
    KeyDeclaration::new("github.run_attempt", "A run with the number of its attempt: `id-attempt`."),
    KeyDeclaration::new("k8s.pod", "A Kubernetes pod uid, from the session tags of EKS Pod Identity."),
    KeyDeclaration::new(
        "k8s.service_account",
        "`namespace/name` in the EKS cluster, from the session tags of EKS Pod Identity; or by issuer, from the subject of its token.",
    ),
    KeyDeclaration::new(
        "oidc.subject",
        "The `sub` claim of the token, by host of the OpenID Connect provider.",
    ),
    KeyDeclaration::new(
        "saml.subject",
        "The subject of the SAML assertion, by name qualifier and by issuer.",
    ),
    KeyDeclaration::new("ssh.public_key", "An SSH public key by OpenSSH's `SHA256:` fingerprint."),
    KeyDeclaration::new(
        "vault.aws_session",
        "`display name-role` of the name that Vault gives to a user or a session, with the second in that name.",
    ),
];

/// A value that is unique everywhere.
pub(super) fn global(kind: KeyKind, value: impl Into<String>) -> KeyRef {
    KeyRef { kind, scope: String::new(), value: value.into() }
}

/// A value that is unique in an account, a region of an account, or whatever else `scope` names.
pub(super) fn scoped(kind: KeyKind, scope: &str, value: impl Into<String>) -> KeyRef {
    KeyRef { kind, scope: scope.to_owned(), value: value.into() }
}

/// The key that gives `name` a part in the event.
pub(super) fn key(role: Role, name: KeyRef, trust: Trust) -> Key {
    Key { role, kind: name.kind, scope: name.scope, value: name.value, form: Form::Plain, trust, at: None }
}

/// A session: the principal's id says which, the moment when it began says when.
pub(super) fn session(role: Role, name: KeyRef, began: Option<Timestamp>) -> Key {
    let trust = if role == Role::Issued { Trust::IssuerAsserted } else { Trust::VerifierObserved };
    Key { form: Form::Composite, at: began, ..key(role, name, trust) }
}
