//! The table of joins: which keys join, what the edge says, and how strong it is.
//!
//! A join is a row here and nothing else: the engine in `lineage` reads kinds, roles and reach, and knows no vendor.
//! Adding a join costs one row and one fixture folder `fixtures/<id>/`. Ids are stored on every edge, so a row's id
//! is never given a new meaning.

use ascribe_model::{CredentialClass, EdgeKind, JoinGrade, KeyKind, Role};

/// One row: keys at `from` join keys at `to`.
#[derive(Clone, Copy, Debug)]
pub struct Join {
    /// Stable id, stored on every edge that the row makes.
    pub id: &'static str,
    /// What the edge says.
    pub says: EdgeKind,
    /// The end nearer to who started it.
    pub from: End,
    /// The end nearer to the act.
    pub to: End,
    /// Where the two keys have to stand to each other.
    pub reach: Reach,
    /// Grade of the edge when exactly one candidate is left. Keys chosen by the caller never give an A.
    pub grade: JoinGrade,
    /// What has to be configured for the keys to be recorded.
    pub requires: Option<&'static str>,
    /// When the join fails or misleads.
    pub fails_when: &'static str,
}

/// Keys of one kind in one role.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// A key kind; a trailing `*` stands for every kind with that beginning.
    pub kind: &'static str,
    /// The role of the key in its event.
    pub role: Role,
}

/// Where two keys have to stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Both in one event: no clock is needed.
    Within,
    /// Equal keys in different events: no clock is needed.
    Equal,
    /// Equal keys in different events, where the moments tied to them lie this close.
    Near {
        /// Distance within which the composite is taken as one session, in nanoseconds.
        tolerance_ns: u64,
        /// Wider distance within which a single candidate still gives grade C; equal to the tolerance where none does.
        window_ns: u64,
    },
    /// Equal keys in different events that are steps of one operation; the first step is the request.
    Step,
    /// Equal keys in different events, for credentials of this class that no record issues by their id: the first
    /// event asked for one at the moment tied to its key, the request was approved, and the second used one in the
    /// life that it can have had.
    Life(CredentialClass),
    /// Equal keys in records of two sources: both describe one request, each as its own system saw it.
    Across,
    /// The key at `to` is the issue of a credential. The record of it shares another key with a record beside it, which
    /// lists the key at `from`.
    Beside(Tie, Window),
    /// The key at `from` is in the record of the issue. Where the caller chose it, records that list it as a step have
    /// to share another key with the record of the issue; where they list others of that kind, it is not believed.
    Claimed(Tie),
    /// The key at `from` is in the record of the issue and names an identity of another system, in whose own records
    /// it acts.
    Named,
    /// Equal keys in different events, or the second is the beginning of a path that the first lies in.
    Path,
}

/// A key by which two records are tied beside the keys of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tie {
    /// A key kind.
    pub kind: &'static str,
    /// The role of the key in the record of the issue.
    pub here: Role,
    /// The roles of the key in the record beside it.
    pub there: &'static [Role],
}

/// When the record beside that of an issue has to lie, on top of what the clocks may be apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Whenever: the shared key is never used for anything else.
    Always,
    /// So much before or after the issue.
    Around {
        /// In nanoseconds.
        before_ns: u64,
        /// In nanoseconds.
        after_ns: u64,
    },
    /// The issue is not before it, and not after the end of what it began; without an end on record, no longer after it
    /// than this many nanoseconds.
    While {
        /// In nanoseconds.
        longest_ns: u64,
    },
}

const SECOND_NS: u64 = 1_000_000_000;
const DAY_NS: u64 = 86_400 * SECOND_NS;

/// Every join, in order of preference: a later row for the same issued credential counts only where no earlier one
/// gave a parent.
pub const JOINS: &[Join] = &[
    Join {
        id: "AWS-1",
        says: EdgeKind::UsedAs,
        from: End { kind: "aws.access_key", role: Role::Issued },
        to: End { kind: "aws.access_key", role: Role::Used },
        reach: Reach::Equal,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the issue is recorded in another account, region or trail, or the session is a console one without a key",
    },
    Join {
        id: "X-16",
        says: EdgeKind::Issued,
        from: End { kind: "vault.accessor", role: Role::Used },
        to: End { kind: "aws.access_key", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: Some("`access_key` recorded in plain by the audit device of Vault"),
        fails_when: "the device hashes the key: then only name and moment are left",
    },
    Join {
        id: "X-16",
        says: EdgeKind::SameRequest,
        from: End { kind: "aws.access_key", role: Role::Issued },
        to: End { kind: "aws.access_key", role: Role::Issued },
        reach: Reach::Across,
        grade: JoinGrade::A,
        requires: Some("`access_key` recorded in plain by the audit device of Vault"),
        fails_when: "the device hashes the key: then only name and moment are left",
    },
    Join {
        id: "X-16",
        says: EdgeKind::Issued,
        from: End { kind: "vault.accessor", role: Role::Used },
        to: End { kind: "aws.access_key", role: Role::Issued },
        reach: Reach::Beside(
            Tie { kind: "vault.aws_session", here: Role::Step, there: &[Role::Step] },
            Window::Around { before_ns: 2 * SECOND_NS, after_ns: 2 * SECOND_NS },
        ),
        grade: JoinGrade::B,
        requires: Some("the default `username_template` of the AWS engine"),
        fails_when: "two requests for one role by callers of one display name come within the window, or somebody else makes a user or session under such a name",
    },
    Join {
        id: "X-01",
        says: EdgeKind::Issued,
        from: End { kind: "github.run", role: Role::Presented },
        to: End { kind: "aws.access_key", role: Role::Issued },
        reach: Reach::Claimed(Tie { kind: "github.repo", here: Role::Presented, there: &[Role::Resource] }),
        grade: JoinGrade::A,
        requires: Some(
            "GitHub audit events `workflows.*`, and `role-session-name` set to the run id or `run_id` in the subject",
        ),
        fails_when: "the job writes the id of another run of its own repository into the session name",
    },
    Join {
        id: "X-01",
        says: EdgeKind::Issued,
        from: End { kind: "github.run", role: Role::Workload },
        to: End { kind: "aws.access_key", role: Role::Issued },
        reach: Reach::Beside(
            Tie { kind: "github.oidc_subject", here: Role::Presented, there: &[Role::Step, Role::Workload] },
            Window::While { longest_ns: 5 * DAY_NS },
        ),
        grade: JoinGrade::C,
        requires: Some(
            "GitHub audit events `workflows.prepared_workflow_job` and `workflows.completed_workflow_run`",
        ),
        fails_when: "two runs on one branch or environment overlap, or the record of one of them is missing",
    },
    Join {
        id: "AWS-2",
        says: EdgeKind::Issued,
        from: End { kind: "aws.access_key", role: Role::Used },
        to: End { kind: "aws.*", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the caller is a service or a federated subject without an access key",
    },
    Join {
        id: "AWS-2",
        says: EdgeKind::Issued,
        from: End { kind: "*", role: Role::Actor },
        to: End { kind: "aws.*", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the record is the copy for another account, which names the calling account only",
    },
    Join {
        id: "AWS-3",
        says: EdgeKind::SameRequest,
        from: End { kind: "aws.shared_event", role: Role::Native },
        to: End { kind: "aws.shared_event", role: Role::Native },
        reach: Reach::Equal,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the call was denied: the other account then gets no copy",
    },
    Join {
        id: "AWS-4",
        says: EdgeKind::Issued,
        from: End { kind: "aws.role_session", role: Role::Issued },
        to: End { kind: "aws.role_session", role: Role::Used },
        reach: Reach::Near { tolerance_ns: SECOND_NS, window_ns: SECOND_NS },
        grade: JoinGrade::B,
        requires: None,
        fails_when: "one role is assumed twice in a second under one session name",
    },
    Join {
        id: "AWS-5",
        says: EdgeKind::Issued,
        from: End { kind: "aws.console_session", role: Role::Issued },
        to: End { kind: "aws.console_session", role: Role::Used },
        reach: Reach::Near { tolerance_ns: SECOND_NS, window_ns: 30 * SECOND_NS },
        grade: JoinGrade::B,
        requires: None,
        fails_when: "one user signs in twice within the window",
    },
    Join {
        id: "AWS-6",
        says: EdgeKind::BoundTo,
        from: End { kind: "aws.instance", role: Role::Workload },
        to: End { kind: "aws.access_key", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the key was carried off the machine: the record says for which machine it was issued, not who used it",
    },
    Join {
        id: "AWS-6",
        says: EdgeKind::BoundTo,
        from: End { kind: "aws.function", role: Role::Workload },
        to: End { kind: "aws.access_key", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "two versions of a function run under one name, or the key was carried elsewhere",
    },
    Join {
        id: "AWS-7",
        says: EdgeKind::OnBehalfOf,
        from: End { kind: "*", role: Role::Actor },
        to: End { kind: "aws.source_identity", role: Role::Behalf },
        reach: Reach::Within,
        grade: JoinGrade::B,
        requires: Some(
            "a source identity, set when the first role was assumed and kept through role chaining",
        ),
        fails_when: "the trust policy of the role that was assumed first lets its caller choose any name: AWS keeps the name and does not check whose it is",
    },
    Join {
        id: "K8S-1",
        says: EdgeKind::UsedAs,
        from: End { kind: "k8s.credential", role: Role::Issued },
        to: End { kind: "k8s.credential", role: Role::Used },
        reach: Reach::Equal,
        grade: JoinGrade::A,
        requires: Some("credential ids in audit records (Kubernetes 1.30 or later)"),
        fails_when: "the token was requested for another audience: it is then used elsewhere",
    },
    Join {
        id: "K8S-1",
        says: EdgeKind::Issued,
        from: End { kind: "k8s.credential", role: Role::Used },
        to: End { kind: "k8s.*", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: Some("credential ids in audit records (Kubernetes 1.30 or later)"),
        fails_when: "the requester's own credential has no id in the record",
    },
    Join {
        id: "X-09",
        says: EdgeKind::Issued,
        from: End { kind: "aws.access_key", role: Role::Presented },
        to: End { kind: "k8s.*", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: Some("cluster sign-in through AWS IAM"),
        fails_when: "the cluster authenticates by other means",
    },
    Join {
        id: "K8S-2",
        says: EdgeKind::Issued,
        from: End { kind: "*", role: Role::Actor },
        to: End { kind: "k8s.*", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the requester is a component shared by many workloads",
    },
    Join {
        id: "K8S-2",
        says: EdgeKind::BoundTo,
        from: End { kind: "k8s.pod", role: Role::Workload },
        to: End { kind: "k8s.credential", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: Some("audit level Request or above for `serviceaccounts/token`"),
        fails_when: "the audit level hides the bound object",
    },
    Join {
        id: "K8S-2",
        says: EdgeKind::BoundTo,
        from: End { kind: "k8s.pod", role: Role::Workload },
        to: End { kind: "k8s.credential", role: Role::Used },
        reach: Reach::Within,
        grade: JoinGrade::B,
        requires: None,
        fails_when: "the token was copied out of the pod: the record names the pod that it was issued for",
    },
    Join {
        id: "K8S-3",
        says: EdgeKind::Issued,
        from: End { kind: "k8s.csr", role: Role::Step },
        to: End { kind: "k8s.credential", role: Role::Issued },
        reach: Reach::Step,
        grade: JoinGrade::A,
        requires: Some("audit level RequestResponse for `certificatesigningrequests/status`"),
        fails_when: "the certificate is not in the record: its use then cannot be tied to the request",
    },
    Join {
        id: "K8S-3",
        says: EdgeKind::Issued,
        from: End { kind: "k8s.*", role: Role::Subject },
        to: End { kind: "k8s.*", role: Role::Actor },
        reach: Reach::Life(CredentialClass::Certificate),
        grade: JoinGrade::C,
        requires: Some("audit level Request or above for `create certificatesigningrequests`"),
        fails_when: "a certificate for the same name came from elsewhere, such as from whoever holds the key of the cluster's authority",
    },
    Join {
        id: "K8S-4",
        says: EdgeKind::OnBehalfOf,
        from: End { kind: "*", role: Role::Actor },
        to: End { kind: "k8s.*", role: Role::Behalf },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "a proxy in front of the cluster impersonates for everybody",
    },
    Join {
        id: "X-08",
        says: EdgeKind::BoundTo,
        from: End { kind: "k8s.pod", role: Role::Workload },
        to: End { kind: "aws.access_key", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: Some("session tags of EKS Pod Identity"),
        fails_when: "session tags are switched off, or a caller other than EKS sets tags of these names; the key may have been carried out of the pod",
    },
    Join {
        id: "VLT-1",
        says: EdgeKind::UsedAs,
        from: End { kind: "vault.accessor", role: Role::Issued },
        to: End { kind: "vault.accessor", role: Role::Used },
        reach: Reach::Equal,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the audit device was enabled anew and hashes with another salt, or hashing of accessors was switched",
    },
    Join {
        id: "VLT-1",
        says: EdgeKind::UsedAs,
        from: End { kind: "vault.token", role: Role::Issued },
        to: End { kind: "vault.token", role: Role::Used },
        reach: Reach::Equal,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the audit device was enabled anew and hashes with another salt",
    },
    Join {
        id: "VLT-3",
        says: EdgeKind::Issued,
        from: End { kind: "vault.accessor", role: Role::Ended },
        to: End { kind: "vault.*", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the wrapping was opened by somebody whom nobody meant to have it: the record names the token that opened it",
    },
    Join {
        id: "VLT-3",
        says: EdgeKind::Issued,
        from: End { kind: "vault.accessor", role: Role::Issued },
        to: End { kind: "vault.*", role: Role::Issued },
        reach: Reach::Beside(
            Tie { kind: "vault.token", here: Role::Ended, there: &[Role::Step] },
            Window::Always,
        ),
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the audit device was enabled anew between wrapping and unwrapping",
    },
    Join {
        id: "X-04",
        says: EdgeKind::Issued,
        from: End { kind: "github.run", role: Role::Presented },
        to: End { kind: "vault.*", role: Role::Issued },
        reach: Reach::Claimed(Tie { kind: "github.repo", here: Role::Presented, there: &[Role::Resource] }),
        grade: JoinGrade::A,
        requires: Some("`claim_mappings` of the JWT role that map `run_id`"),
        fails_when: "the role maps a claim of another issuer to that name",
    },
    Join {
        id: "X-04",
        says: EdgeKind::Issued,
        from: End { kind: "github.run", role: Role::Workload },
        to: End { kind: "vault.*", role: Role::Issued },
        reach: Reach::Beside(
            Tie { kind: "github.oidc_subject", here: Role::Presented, there: &[Role::Step, Role::Workload] },
            Window::While { longest_ns: 5 * DAY_NS },
        ),
        grade: JoinGrade::C,
        requires: Some("`user_claim` or `claim_mappings` of the JWT role that keep `sub`"),
        fails_when: "two runs on one branch or environment overlap, or the record of one of them is missing",
    },
    Join {
        id: "X-11",
        says: EdgeKind::Issued,
        from: End { kind: "k8s.credential", role: Role::Issued },
        to: End { kind: "vault.*", role: Role::Issued },
        reach: Reach::Beside(
            Tie { kind: "k8s.credential", here: Role::Presented, there: &[Role::Step] },
            Window::Always,
        ),
        grade: JoinGrade::A,
        requires: Some(
            "`claim_mappings` of the JWT role that map `jti`, and credential ids in audit records (Kubernetes 1.30 or later)",
        ),
        fails_when: "the token's id is no UUID, or its issue is in the audit log of a cluster that is not in scope",
    },
    Join {
        id: "X-11",
        says: EdgeKind::Issued,
        from: End { kind: "k8s.credential", role: Role::Presented },
        to: End { kind: "vault.*", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: Some("`claim_mappings` of the JWT role that map `jti`"),
        fails_when: "the issuer is not a cluster",
    },
    Join {
        id: "X-11",
        says: EdgeKind::BoundTo,
        from: End { kind: "k8s.pod", role: Role::Presented },
        to: End { kind: "vault.accessor", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: Some("`claim_mappings` of the JWT role that map the pod's uid"),
        fails_when: "the token was copied out of the pod before it was presented",
    },
    Join {
        id: "X-11",
        says: EdgeKind::BoundTo,
        from: End { kind: "k8s.pod", role: Role::Workload },
        to: End { kind: "vault.accessor", role: Role::Used },
        reach: Reach::Within,
        grade: JoinGrade::B,
        requires: Some("`claim_mappings` of the JWT role that map the pod's uid"),
        fails_when: "the token of Vault was copied out of the pod",
    },
    Join {
        id: "X-10",
        says: EdgeKind::Issued,
        from: End { kind: "k8s.credential", role: Role::Resource },
        to: End { kind: "vault.*", role: Role::Issued },
        reach: Reach::Beside(
            Tie { kind: "k8s.uid", here: Role::Presented, there: &[Role::Resource] },
            Window::Around { before_ns: 2 * SECOND_NS, after_ns: 2 * SECOND_NS },
        ),
        grade: JoinGrade::B,
        requires: Some("the cluster's audit log of `create tokenreviews` at RequestResponse level"),
        fails_when: "two pods of one service account log in within the window, or somebody else has a token of it reviewed just then",
    },
    Join {
        id: "X-10",
        says: EdgeKind::Issued,
        from: End { kind: "k8s.credential", role: Role::Used },
        to: End { kind: "vault.*", role: Role::Issued },
        reach: Reach::Beside(
            Tie { kind: "k8s.uid", here: Role::Presented, there: &[Role::Step] },
            Window::Around { before_ns: 2 * SECOND_NS, after_ns: 2 * SECOND_NS },
        ),
        grade: JoinGrade::B,
        requires: Some(
            "the client's own token as reviewer (`disable_local_ca_jwt` without `token_reviewer_jwt`), and the cluster's audit log of `create tokenreviews`",
        ),
        fails_when: "two pods of one service account log in within the window, or have their tokens reviewed elsewhere just then",
    },
    Join {
        id: "X-10",
        says: EdgeKind::Issued,
        from: End { kind: "k8s.uid", role: Role::Presented },
        to: End { kind: "vault.*", role: Role::Issued },
        reach: Reach::Named,
        grade: JoinGrade::A,
        requires: Some("the cluster's audit log"),
        fails_when: "the service account has many tokens: this tells whose it was and not which",
    },
    Join {
        id: "VLT-2",
        says: EdgeKind::Issued,
        from: End { kind: "vault.accessor", role: Role::Used },
        to: End { kind: "vault.*", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the caller's token is a batch token, which has no accessor",
    },
    Join {
        id: "VLT-2",
        says: EdgeKind::Issued,
        from: End { kind: "vault.token", role: Role::Used },
        to: End { kind: "vault.*", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the caller's token has an accessor: then that names it",
    },
    Join {
        id: "VLT-2",
        says: EdgeKind::Issued,
        from: End { kind: "*", role: Role::Actor },
        to: End { kind: "vault.*", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the auth method lets many in under one name, such as a shared AppRole",
    },
    Join {
        id: "VLT-4",
        says: EdgeKind::Ended,
        from: End { kind: "vault.accessor", role: Role::Issued },
        to: End { kind: "vault.accessor", role: Role::Ended },
        reach: Reach::Equal,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "one record has the accessor in plain and the other hashed",
    },
    Join {
        id: "VLT-4",
        says: EdgeKind::Ended,
        from: End { kind: "vault.token", role: Role::Issued },
        to: End { kind: "vault.token", role: Role::Ended },
        reach: Reach::Equal,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the token was revoked by itself and its other records name it by its accessor",
    },
    Join {
        id: "VLT-5",
        says: EdgeKind::Ended,
        from: End { kind: "vault.lease", role: Role::Issued },
        to: End { kind: "vault.lease", role: Role::Ended },
        reach: Reach::Path,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the lease was named in the body of the request, where the device hashes it: that never equals the plain id",
    },
    Join {
        id: "GH-1",
        says: EdgeKind::UsedAs,
        from: End { kind: "github.token", role: Role::Issued },
        to: End { kind: "github.token", role: Role::Used },
        reach: Reach::Equal,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the event that issued it does not name it by its hash",
    },
    Join {
        id: "GH-1",
        says: EdgeKind::UsedAs,
        from: End { kind: "github.token_id", role: Role::Issued },
        to: End { kind: "github.token_id", role: Role::Used },
        reach: Reach::Equal,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the id is zero or absent, or the token was regenerated under the same id",
    },
    Join {
        id: "GH-1",
        says: EdgeKind::Issued,
        from: End { kind: "github.token", role: Role::Used },
        to: End { kind: "github.*", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the caller was signed in to the web: then only the account is named",
    },
    Join {
        id: "GH-1",
        says: EdgeKind::Issued,
        from: End { kind: "github.token_id", role: Role::Used },
        to: End { kind: "github.*", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the caller was signed in to the web: then only the account is named",
    },
    Join {
        id: "GH-2",
        says: EdgeKind::Issued,
        from: End { kind: "github.run", role: Role::Step },
        to: End { kind: "github.run", role: Role::Issued },
        reach: Reach::Step,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the record of who started the run is older than the audit log goes back",
    },
    Join {
        id: "GH-1",
        says: EdgeKind::Issued,
        from: End { kind: "*", role: Role::Actor },
        to: End { kind: "github.*", role: Role::Issued },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "who granted a token access to the organization is not who made it, or the account is an app that acts for many",
    },
    Join {
        id: "X-30",
        says: EdgeKind::Presented,
        from: End { kind: "github.token", role: Role::Used },
        to: End { kind: "github.token", role: Role::Presented },
        reach: Reach::Equal,
        grade: JoinGrade::A,
        requires: Some(
            "the record of the other system holds the token itself, which is withheld and leaves its hash",
        ),
        fails_when: "the token was printed by somebody who was not its holder: the edge says where it was seen, not who used it there",
    },
    Join {
        id: "X-09",
        says: EdgeKind::Presented,
        from: End { kind: "aws.access_key", role: Role::Issued },
        to: End { kind: "aws.access_key", role: Role::Presented },
        reach: Reach::Equal,
        grade: JoinGrade::A,
        requires: Some("cluster sign-in through AWS IAM"),
        fails_when: "the cluster authenticates by other means",
    },
    Join {
        id: "REC-1",
        says: EdgeKind::BoundTo,
        from: End { kind: "*", role: Role::Actor },
        to: End { kind: "*", role: Role::Used },
        reach: Reach::Within,
        grade: JoinGrade::A,
        requires: None,
        fails_when: "the credential has an end: it then starts with its issue, not with its holder",
    },
];

/// The row by which a credential without an end starts with its holder.
pub(crate) fn holder_row() -> Option<&'static Join> {
    JOINS.iter().find(|join| join.says == EdgeKind::BoundTo && join.from.role == Role::Actor)
}

/// The row that joins the same two kinds by more than this one does, if there is one.
pub(crate) fn stronger_than(join: &Join) -> Option<&'static Join> {
    let same_kinds = |row: &&Join| row.from.kind == join.from.kind && row.to.kind == join.to.kind;
    JOINS.iter().filter(|row| row.id == join.id && row.grade < join.grade).find(same_kinds)
}

/// Whether the two ends are kinds of different systems.
pub(crate) fn is_across_systems(join: &Join) -> bool {
    let system = |end: &End| end.kind.split('.').next();
    join.from.kind != "*" && system(&join.from) != system(&join.to)
}

/// Rows that say `says` with this reach and lead to keys of `kind` in `role`.
pub(crate) fn rows_to(
    says: EdgeKind,
    reach: fn(Reach) -> bool,
    to: (&KeyKind, Role),
) -> impl Iterator<Item = &'static Join> {
    let (kind, role) = (to.0.clone(), to.1);
    JOINS.iter().filter(move |join| join.says == says && reach(join.reach) && join.to.matches(&kind, role))
}

impl End {
    /// Whether a key of `kind` in `role` stands at this end.
    pub fn matches(&self, kind: &KeyKind, role: Role) -> bool {
        self.role == role
            && match self.kind.strip_suffix('*') {
                Some(beginning) => kind.name().starts_with(beginning),
                None => kind.name() == self.kind,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_says_when_it_fails_and_a_near_row_is_never_an_a() {
        for join in JOINS {
            assert!(!join.fails_when.is_empty(), "{}", join.id);
            match join.reach {
                Reach::Near { tolerance_ns, window_ns } => {
                    assert!(join.grade > JoinGrade::A, "{}: a window alone cannot give grade A", join.id);
                    assert!(tolerance_ns <= window_ns, "{}", join.id);
                }
                Reach::Life(_) => assert!(join.grade >= JoinGrade::C, "{}: a name and a window", join.id),
                Reach::Beside(_, window) => {
                    let is_window = window != Window::Always;
                    assert!(!is_window || join.grade > JoinGrade::A, "{}: a window", join.id);
                }
                Reach::Within
                | Reach::Equal
                | Reach::Step
                | Reach::Across
                | Reach::Claimed(_)
                | Reach::Named
                | Reach::Path => {}
            }
        }
    }

    #[test]
    fn a_star_stands_for_any_ending() {
        let end = End { kind: "k8s.*", role: Role::Behalf };
        assert!(end.matches(&KeyKind::new("k8s.user"), Role::Behalf));
        assert!(!end.matches(&KeyKind::new("k8s.user"), Role::Actor));
        assert!(!end.matches(&KeyKind::new("aws.arn"), Role::Behalf));
    }
}
