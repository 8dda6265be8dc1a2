//! What is known of kinds of key: which name credentials and workloads, what those are called, and which log records
//! that they were issued.
//!
//! A table and look-ups in it. It does not know how keys join: that is in `joins`.

use ascribe_model::KeyKind;

/// What is known of one kind of credential.
#[derive(Clone, Copy, Debug)]
pub struct CredentialRow {
    /// The key kind.
    pub kind: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// The log that records its issue.
    pub issue_recorded_in: &'static str,
}

/// What is known of one kind of workload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkloadRow {
    kind: &'static str,
    name: &'static str,
}

/// Kinds of key that name machines, pods and functions, with what those are called.
const WORKLOADS: &[WorkloadRow] = &[
    WorkloadRow { kind: "aws.function", name: "Lambda function" },
    WorkloadRow { kind: "aws.instance", name: "EC2 instance" },
    WorkloadRow { kind: "k8s.pod", name: "pod" },
];

/// Kinds of key under which a record may name a caller without telling who of many it was.
const COLLECTIVES: &[&str] = &["aws.account"];

/// Records that end a credential of a kind without naming it as other records do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnnamedEnd {
    kind: &'static str,
    /// The hint by which such a record says so.
    pub(crate) hint: &'static str,
    /// What would tell which credential it was.
    pub(crate) settled_by: &'static str,
}

const UNNAMED_ENDS: &[UnnamedEnd] = &[
    UnnamedEnd {
        kind: "vault.accessor",
        hint: "token_unnamed",
        settled_by: "an audit device of Vault that writes tokens and accessors in one form",
    },
    UnnamedEnd {
        kind: "vault.lease",
        hint: "lease_hashed",
        settled_by: "`sys/audit-hash` of the same audit device, asked for the hash of this lease id",
    },
];

/// Every kind of key that names a credential.
pub const CREDENTIALS: &[CredentialRow] = &[
    CredentialRow {
        kind: "aws.access_key",
        name: "AWS access key",
        issue_recorded_in: "CloudTrail management events of the account and region that issued it (`sts`, `iam`, `sso`)",
    },
    CredentialRow {
        kind: "aws.certificate",
        name: "certificate of a private authority",
        issue_recorded_in: "CloudTrail management events of `acm-pca` in the account of the authority",
    },
    CredentialRow {
        kind: "aws.console_password",
        name: "console password",
        issue_recorded_in: "CloudTrail management events of `iam` in us-east-1",
    },
    CredentialRow {
        kind: "aws.database_user",
        name: "temporary database user",
        issue_recorded_in: "CloudTrail management events of `redshift`",
    },
    CredentialRow {
        kind: "aws.identity_center_credential",
        name: "Identity Center credential",
        issue_recorded_in: "CloudTrail management events of `sso` and `sso-oauth` in the Identity Center region",
    },
    CredentialRow {
        kind: "aws.iot_certificate",
        name: "IoT certificate",
        issue_recorded_in: "CloudTrail management events of `iot`",
    },
    CredentialRow {
        kind: "aws.key_pair",
        name: "EC2 key pair",
        issue_recorded_in: "CloudTrail management events of `ec2`",
    },
    CredentialRow {
        kind: "aws.kms_grant",
        name: "KMS grant",
        issue_recorded_in: "CloudTrail management events of `kms` in the key's account",
    },
    CredentialRow {
        kind: "aws.service_credential",
        name: "service-specific credential",
        issue_recorded_in: "CloudTrail management events of `iam` in us-east-1",
    },
    CredentialRow {
        kind: "aws.signing_certificate",
        name: "signing certificate",
        issue_recorded_in: "CloudTrail management events of `iam` in us-east-1",
    },
    CredentialRow {
        kind: "aws.ssh_public_key",
        name: "SSH public key",
        issue_recorded_in: "CloudTrail management events of `iam` and `ec2-instance-connect`",
    },
    CredentialRow {
        kind: "aws.ssm_session",
        name: "Session Manager session",
        issue_recorded_in: "CloudTrail management events of `ssm`",
    },
    CredentialRow {
        kind: "github.key",
        name: "SSH key of GitHub",
        issue_recorded_in: "the audit log of the organisation or enterprise (`public_key.create`)",
    },
    CredentialRow {
        kind: "github.run",
        name: "GitHub Actions run",
        issue_recorded_in: "the audit log of the organisation or enterprise (`workflows.created_workflow_run`, `workflows.prepared_workflow_job`)",
    },
    CredentialRow {
        kind: "github.token",
        name: "GitHub token",
        issue_recorded_in: "the audit log of the organisation or enterprise (`personal_access_token.*`, `oauth_access.*`, `integration_installation.*`)",
    },
    CredentialRow {
        kind: "github.token_id",
        name: "GitHub token",
        issue_recorded_in: "the audit log of the organisation or enterprise (`personal_access_token.*`, `oauth_access.*`)",
    },
    CredentialRow {
        kind: "k8s.bootstrap_token",
        name: "Kubernetes bootstrap token",
        issue_recorded_in: "the cluster's audit log of `create secrets` in `kube-system`, at Request level or above",
    },
    CredentialRow {
        kind: "k8s.credential",
        name: "Kubernetes credential",
        issue_recorded_in: "the cluster's audit log of `create serviceaccounts/token`, with the annotation `authentication.kubernetes.io/issued-credential-id`, or of `certificatesigningrequests` at RequestResponse level",
    },
    CredentialRow {
        kind: "k8s.token_secret",
        name: "Kubernetes token secret",
        issue_recorded_in: "the cluster's audit log of `create secrets`, at Request level or above",
    },
    CredentialRow {
        kind: "vault.accessor",
        name: "Vault token",
        issue_recorded_in: "the entries of the same audit device of Vault, under one salt, of the login or of `auth/token/create`",
    },
    CredentialRow {
        kind: "vault.lease",
        name: "Vault lease",
        issue_recorded_in: "the audit entries of Vault for the response that gave the lease",
    },
    CredentialRow {
        kind: "vault.lease_hmac",
        name: "hashed Vault lease",
        issue_recorded_in: "`sys/audit-hash` of the same audit device, asked for the hash of each lease id",
    },
    CredentialRow {
        kind: "vault.token",
        name: "Vault token without an accessor",
        issue_recorded_in: "the entries of the same audit device of Vault, under one salt, of the login or of `auth/token/create`",
    },
];

/// Whether keys of this kind name credentials.
pub fn is_credential(kind: &KeyKind) -> bool {
    credential_row(kind).is_some()
}

/// What is known of this kind of credential.
pub(crate) fn credential_row(kind: &KeyKind) -> Option<&'static CredentialRow> {
    CREDENTIALS.iter().find(|row| row.kind == kind.name())
}

/// How records end a credential of this kind without naming it as other records do.
pub(crate) fn unnamed_end(kind: &KeyKind) -> Option<&'static UnnamedEnd> {
    UNNAMED_ENDS.iter().find(|row| row.kind == kind.name())
}

/// What a credential or workload of this kind is called.
pub(crate) fn name_of_kind(kind: &KeyKind) -> Option<&'static str> {
    let workload = || WORKLOADS.iter().find(|row| row.kind == kind.name()).map(|row| row.name);
    credential_row(kind).map(|row| row.name).or_else(workload)
}

/// Whether an issuer gives this value to one identity and never to another.
pub(crate) fn is_lasting(kind: &KeyKind, value: &str) -> bool {
    ascribe_model::is_lasting(kind.name(), value)
}

/// Whether keys of this kind name a caller without telling who of many it was.
pub(crate) fn is_collective(kind: &KeyKind) -> bool {
    COLLECTIVES.contains(&kind.name())
}
