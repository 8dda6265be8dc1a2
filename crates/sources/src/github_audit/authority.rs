//! Why an act was allowed or refused, as far as GitHub says: approvals with their approver, rules that were passed
//! over or that refused, and the scopes of the token. Which role allowed an act is never recorded.

use ascribe_model::{Authority, AuthorityBasis, AuthorityKind, Decision, Status};

use super::actor::names_its_token;
use super::record::Record;

/// The authorities of an event.
pub(super) fn authorities(record: Record<'_>, status: Status) -> Vec<Authority> {
    let mut found: Vec<_> = approval(record).or_else(|| rule(record)).into_iter().collect();
    if found.is_empty() {
        found.push(unstated(status));
    }
    if let Some(scopes) = record.text("token_scopes").filter(|_| !names_its_token(record)) {
        found.push(Authority {
            kind: AuthorityKind::Policy,
            uid: format!("token_scopes/{scopes}"),
            decision: if status == Status::Success { Decision::Allow } else { Decision::Unknown },
            basis: AuthorityBasis::Inferred,
            detail: Some("what the token was allowed to reach; not that it was asked".to_owned()),
        });
    }
    found
}

/// A decision of a person or an app about what another asked for.
fn approval(record: Record<'_>) -> Option<Authority> {
    let action = record.action();
    let (decision, what) = match action.as_ref() {
        "workflows.approve_workflow_job" => (Decision::Allow, run(record)),
        "workflows.reject_workflow_job" => (Decision::Deny, run(record)),
        "personal_access_token.access_granted" => (Decision::Allow, token(record)),
        "personal_access_token.request_denied" => (Decision::Deny, token(record)),
        "personal_access_token.request_created" => (Decision::Unknown, token(record)),
        "org.oauth_app_access_approved" => (Decision::Allow, "OAuthApp"),
        "org.oauth_app_access_denied" | "org.oauth_app_access_blocked" => (Decision::Deny, "OAuthApp"),
        "org.oauth_app_access_requested" => (Decision::Unknown, "OAuthApp"),
        "org_credential_authorization.grant" => (Decision::Allow, "SingleSignOn"),
        "org_credential_authorization.revoke" | "org_credential_authorization.deauthorize" => {
            (Decision::Deny, "SingleSignOn")
        }
        // Closed is approved, denied or withdrawn: the record does not say which.
        "integration_installation_request.create" | "integration_installation_request.close" => {
            (Decision::Unknown, "AppInstallation")
        }
        "dependabot_closure_request.approve" | "code_scanning.alert_closure_approved" => {
            (Decision::Allow, "AlertDismissal")
        }
        "dependabot_closure_request.deny" | "code_scanning.alert_closure_denied" => {
            (Decision::Deny, "AlertDismissal")
        }
        _ => return None,
    };
    let id = ["workflow_run_id", "user_programmatic_access_request_id", "user_programmatic_access_id"]
        .into_iter()
        .chain(["oauth_application_id", "token_id", "application_client_id", "integration"])
        .find_map(|name| record.id(name));
    let by = record.text("actor").unwrap_or("someone whom the record does not name".into());
    Some(Authority {
        kind: AuthorityKind::Approval,
        uid: id.map_or_else(|| what.to_owned(), |id| format!("{what}/{id}")),
        decision,
        basis: AuthorityBasis::Recorded,
        detail: Some(match decision {
            Decision::Allow => format!("approved by {by}"),
            Decision::Deny => format!("refused or withdrawn by {by}"),
            Decision::Unknown => format!("asked for or closed by {by}"),
        }),
    })
}

/// A rule that refused the act, or that somebody passed over.
fn rule(record: Record<'_>) -> Option<Authority> {
    let action = record.action();
    let (decision, detail) = match action.as_ref() {
        "protected_branch.rejected_ref_update" => {
            (Decision::Deny, "the branch's protection refused the update")
        }
        "workflows.actions_policy_violation" if !record.is_true("allowed") => {
            (Decision::Deny, "a policy for workflow runs was violated")
        }
        "protected_branch.policy_override" => (Decision::Allow, "an administrator passed over the rule"),
        "workflows.bypass_protection_rules" => {
            (Decision::Allow, "an administrator passed over the environment's protection rules")
        }
        _ if action.ends_with(".bypass") || action.contains("_bypassed") => {
            (Decision::Allow, "the rule was passed over")
        }
        _ => return None,
    };
    let place = record.text("branch").or_else(|| record.repository()).unwrap_or_default();
    let category = action.split('.').next().unwrap_or_default();
    Some(Authority {
        kind: AuthorityKind::Policy,
        uid: if place.is_empty() { category.to_owned() } else { format!("{category}/{place}") },
        decision,
        basis: AuthorityBasis::Recorded,
        detail: Some(detail.to_owned()),
    })
}

fn unstated(status: Status) -> Authority {
    Authority {
        kind: AuthorityKind::Unstated,
        uid: String::new(),
        decision: match status {
            Status::Success => Decision::Allow,
            Status::Denied => Decision::Deny,
            Status::Failure | Status::Pending | Status::Unknown => Decision::Unknown,
        },
        basis: AuthorityBasis::Absent,
        detail: None,
    }
}

fn run(record: Record<'_>) -> &'static str {
    if record.id("workflow_run_id").is_some() { "WorkflowRun" } else { "WorkflowJob" }
}

fn token(record: Record<'_>) -> &'static str {
    let is_request = record.id("user_programmatic_access_request_id").is_some();
    if is_request { "TokenRequest" } else { "PersonalAccessToken" }
}
