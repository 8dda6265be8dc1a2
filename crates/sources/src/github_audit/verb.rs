//! What sort of act an action is.
//!
//! GitHub has more than a thousand actions and adds some every month. Those that touch credentials, rights or the
//! record itself are listed; of the others GitHub's own `operation_type` decides, else the last word of the name.

use ascribe_model::{EffectKind, Verb};

use super::effect::{self, Target};
use super::record::Record;

/// Categories that are about who may do what, or about what is recorded.
const ADMINISTRATION: &[&str] = &[
    "audit_log_streaming",
    "auto_approve_personal_access_token_requests",
    "business",
    "business_advanced_security",
    "enterprise",
    "enterprise_installation",
    "enterprise_team",
    "external_group",
    "external_identity",
    "hook",
    "integration_installation_request",
    "ip_allow_list",
    "ip_allow_list_entry",
    "mcp_registry",
    "members_can_delete_repos",
    "network_configuration",
    "org",
    "organization_moderators",
    "organization_role",
    "personal_access_token",
    "private_repository_forking",
    "protected_branch",
    "repository_ruleset",
    "role",
    "sso_lockdown",
    "sso_redirect",
    "staff",
    "team",
    "team_sync_tenant",
];

/// Operations of other categories that are.
const ADMINISTRATIVE: &[&str] = &[
    "copilot.swe_agent_firewall_allowlist_updated",
    "copilot.swe_agent_mcp_config_updated",
    "copilot.swe_agent_repo_enabled",
    "copilot.swe_agent_repo_disabled",
    "environment.add_protection_rule",
    "environment.remove_protection_rule",
    "environment.update_protection_rule",
    "integration.manager_added",
    "integration.manager_removed",
    "integration.transfer",
    "oauth_application.transfer",
    "repo.access",
    "repo.actions_enabled",
    "repo.add_member",
    "repo.remove_member",
    "repo.transfer",
    "repo.update_member",
    "user.demote",
    "user.promote",
    "user.suspend",
    "user.unsuspend",
    "workflows.approve_workflow_job",
    "workflows.bypass_protection_rules",
    "workflows.reject_workflow_job",
];

/// The verb of a record.
pub(super) fn classify(record: Record<'_>) -> Verb {
    let action = record.action();
    let (category, operation) = action.split_once('.').unwrap_or(("", &action));
    match (category, operation) {
        ("api", "request") => return by_method(record),
        ("git", "clone" | "fetch") => return Verb::Read,
        ("git", "push") => return Verb::Update,
        ("workflows", "created_workflow_run" | "prepared_workflow_job" | "rerun_workflow_run")
        | ("codespaces", "create" | "start_environment" | "connect") => return Verb::Exec,
        ("staff", "fake_login" | "fake_user") => return Verb::Delegate,
        _ if is_authentication(category, operation) => return Verb::Auth,
        _ if shows_recovery_codes(operation) => return Verb::SecretRead,
        _ if operation.ends_with("_export") || operation.contains("_export_") => return Verb::Read,
        _ => {}
    }
    match effect::row(&action).map(|row| (row.kind, row.target)) {
        Some((EffectKind::Issue, Target::Secret)) => return Verb::Create,
        Some((EffectKind::Rotate, Target::Secret)) => return Verb::Update,
        Some((EffectKind::Issue | EffectKind::Renew, _)) => return Verb::Delegate,
        Some((EffectKind::Revoke, _)) => return Verb::Delete,
        Some(_) => return Verb::Admin,
        None => {}
    }
    let sets = operation.starts_with("set_") || operation.contains("polic") || operation.contains("bypass");
    if ADMINISTRATION.contains(&category) || ADMINISTRATIVE.contains(&action.as_ref()) || sets {
        return Verb::Admin;
    }
    by_operation_type(record).unwrap_or_else(|| by_name(operation))
}

fn by_method(record: Record<'_>) -> Verb {
    let route = record.text("route").or_else(|| record.text("url_path")).unwrap_or_default();
    match record.text("request_method").unwrap_or_default().as_ref() {
        // What a query or mutation does is in its body.
        "POST" if route.trim_end_matches('/').ends_with("/graphql") => Verb::Unknown,
        "GET" | "HEAD" | "OPTIONS" => Verb::Read,
        "POST" => Verb::Create,
        "PUT" | "PATCH" => Verb::Update,
        "DELETE" => Verb::Delete,
        _ => Verb::Unknown,
    }
}

fn is_authentication(category: &str, operation: &str) -> bool {
    let signs_in = operation.contains("login") || operation.starts_with("sign_in") || operation == "logout";
    (category == "user" && (signs_in || operation.starts_with("two_factor_challenge")))
        || operation == "sso_response"
        || operation == "recovery_code_used"
        || operation == "recovery_code_failed"
}

fn shows_recovery_codes(operation: &str) -> bool {
    operation.contains("recovery_codes")
        && ["viewed", "downloaded", "printed"].iter().any(|end| operation.ends_with(end))
}

fn by_operation_type(record: Record<'_>) -> Option<Verb> {
    Some(match record.text("operation_type")?.as_ref() {
        "access" => Verb::Read,
        "authentication" => Verb::Auth,
        "create" | "restore" => Verb::Create,
        "modify" | "transfer" => Verb::Update,
        "remove" => Verb::Delete,
        _ => return None,
    })
}

fn by_name(operation: &str) -> Verb {
    let word = operation.split('_').next().unwrap_or_default();
    match word {
        "create" | "created" | "add" | "register" | "restore" => Verb::Create,
        "delete" | "destroy" | "remove" | "cancel" => Verb::Delete,
        "download" => Verb::Read,
        "update" | "updated" | "change" | "rename" | "merge" | "enable" | "disable" | "completed"
        | "close" | "reopen" | "submit" | "archived" | "dismiss" => Verb::Update,
        _ => Verb::Unknown,
    }
}
