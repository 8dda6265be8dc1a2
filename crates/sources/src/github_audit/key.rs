//! The key kinds of GitHub's audit log, and where their values are unique.
//!
//! Ids of github.com are unique everywhere. A server of one's own counts from one, so its ids are scoped to it.

use ascribe_model::{Key, KeyKind, KeyRef, Role};

use crate::source::KeyDeclaration;

pub(super) const ACTOR: KeyKind = KeyKind::new("github.actor");
pub(super) const APP: KeyKind = KeyKind::new("github.app");
pub(super) const BRANCH: KeyKind = KeyKind::new("github.branch");
pub(super) const ENTERPRISE: KeyKind = KeyKind::new("github.enterprise");
pub(super) const ENVIRONMENT: KeyKind = KeyKind::new("github.environment");
pub(super) const EVENT: KeyKind = KeyKind::new("github.event");
pub(super) const EXTERNAL_IDENTITY: KeyKind = KeyKind::new("github.external_identity");
pub(super) const HOOK: KeyKind = KeyKind::new("github.hook");
pub(super) const INSTALLATION: KeyKind = KeyKind::new("github.installation");
pub(super) const LOGIN: KeyKind = KeyKind::new("github.login");
pub(super) const OAUTH_APP: KeyKind = KeyKind::new("github.oauth_app");
pub(super) const OIDC_SUBJECT: KeyKind = KeyKind::new("github.oidc_subject");
pub(super) const ORGANIZATION: KeyKind = KeyKind::new("github.organization");
pub(super) const PASSED_SECRET: KeyKind = KeyKind::new("github.passed_secret");
pub(super) const REPO: KeyKind = KeyKind::new("github.repo");
pub(super) const REQUEST: KeyKind = KeyKind::new("github.request");
pub(super) const RUN: KeyKind = KeyKind::new("github.run");
pub(super) const RUN_ATTEMPT: KeyKind = KeyKind::new("github.run_attempt");
pub(super) const RUNNER: KeyKind = KeyKind::new("github.runner");
pub(super) const SECRET: KeyKind = KeyKind::new("github.secret");
pub(super) const SSH_KEY: KeyKind = KeyKind::new("github.key");
pub(super) const SSH_PUBLIC_KEY: KeyKind = KeyKind::new("ssh.public_key");
pub(super) const TEAM: KeyKind = KeyKind::new("github.team");
pub(super) const TOKEN: KeyKind = KeyKind::new("github.token");
pub(super) const TOKEN_ID: KeyKind = KeyKind::new("github.token_id");
pub(super) const TOKEN_REQUEST: KeyKind = KeyKind::new("github.token_request");
pub(super) const WEB_SESSION: KeyKind = KeyKind::new("github.web_session");
pub(super) const WORKFLOW: KeyKind = KeyKind::new("github.workflow");

/// Every kind above with what its value is.
pub(super) const DECLARATIONS: &[KeyDeclaration] = &[
    KeyDeclaration::new(
        "github.actor",
        "An account by its id, else by its login; apps and bots are accounts too.",
    ),
    KeyDeclaration::new("github.app", "A GitHub App by client id, else by name in its organisation."),
    KeyDeclaration::new("github.branch", "A branch, as `owner/name:branch`."),
    KeyDeclaration::new("github.enterprise", "An enterprise account by its name."),
    KeyDeclaration::new("github.environment", "A deployment environment, as `owner/name:environment`."),
    KeyDeclaration::new("github.event", "`_document_id`: this event, in every delivery of it."),
    KeyDeclaration::new(
        "github.external_identity",
        "Who the account is at the identity provider: name id or user name.",
    ),
    KeyDeclaration::new("github.hook", "A webhook by its id."),
    KeyDeclaration::new(
        "github.installation",
        "An app where it is installed: the account, and the app in it.",
    ),
    KeyDeclaration::new("github.key", "An SSH key or deploy key, by id or by fingerprint as recorded."),
    KeyDeclaration::new(
        "github.login",
        "An account by its login; a login may be given up and taken by another.",
    ),
    KeyDeclaration::new("github.oauth_app", "An OAuth app by its id."),
    KeyDeclaration::new(
        "github.oidc_subject",
        "The `sub` claim that a job's OIDC token would have, put together from the record.",
    ),
    KeyDeclaration::new("github.organization", "An organisation by its id, else by its name."),
    KeyDeclaration::new(
        "github.passed_secret",
        "A secret that a job was given, as `owner/name:NAME` of the job's repository.",
    ),
    KeyDeclaration::new(
        "github.repo",
        "A repository by its id, and as `owner/name`; a name may be used again.",
    ),
    KeyDeclaration::new("github.request", "`request_id`: one request to GitHub."),
    KeyDeclaration::new("github.run", "A workflow run by its id, in all its attempts."),
    KeyDeclaration::new("github.run_attempt", "One attempt of a workflow run, as `id-attempt`."),
    KeyDeclaration::new("github.runner", "A self-hosted runner by its id."),
    KeyDeclaration::new(
        "github.secret",
        "A secret of Actions, Codespaces or Dependabot by name; the scope is what holds it.",
    ),
    KeyDeclaration::new("github.team", "A team, as `organisation/team`."),
    KeyDeclaration::new("github.token", "`hashed_token`: base64 of the SHA-256 of the token."),
    KeyDeclaration::new("github.token_id", "A token by its id in GitHub; the id outlives a regeneration."),
    KeyDeclaration::new(
        "github.token_request",
        "A request for a token's access to an organisation: made, and granted, denied or withdrawn.",
    ),
    KeyDeclaration::new("github.web_session", "`actor_session`: a signed-in browser session."),
    KeyDeclaration::new("github.workflow", "A workflow by its id."),
    KeyDeclaration::new("ssh.public_key", "An SSH public key by OpenSSH's `SHA256:` fingerprint."),
];

/// Where GitHub's ids are unique.
#[derive(Clone, Copy)]
pub(super) struct Instance<'a> {
    /// Empty for github.com, else the server.
    pub scope: &'a str,
}

impl Instance<'_> {
    pub fn reference(self, kind: KeyKind, value: impl Into<String>) -> KeyRef {
        KeyRef { kind, scope: self.scope.to_owned(), value: value.into() }
    }

    /// A value that is unique in `holder` only: an organisation, a repository.
    pub fn within(self, holder: &str, kind: KeyKind, value: impl Into<String>) -> KeyRef {
        let scope =
            if self.scope.is_empty() { holder.to_owned() } else { format!("{}/{holder}", self.scope) };
        KeyRef { kind, scope, value: value.into() }
    }

    pub fn key(self, role: Role, kind: KeyKind, value: impl Into<String>) -> Key {
        Key::observed(role, self.reference(kind, value))
    }
}
