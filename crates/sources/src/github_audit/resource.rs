//! What an act was upon: repository, organisation, enterprise, and what the category of the action is about.

use ascribe_model::{Key, KeyRef, Resource, ResourceRole, Role};

use super::Facts;
use super::actor::account_keys;
use super::key::{
    BRANCH, ENTERPRISE, ENVIRONMENT, HOOK, Instance, ORGANIZATION, PASSED_SECRET, REPO, RUNNER, TEAM,
    WORKFLOW,
};
use super::record::Record;

/// Adds what the record names, the narrowest first.
pub(super) fn add(record: Record<'_>, instance: Instance<'_>, facts: &mut Facts) {
    let mut named = narrow(record, instance);
    if let Some(path) = record.repository() {
        if let Some(id) = record.repository_id() {
            named.push(("repository", instance.reference(REPO, id)));
            facts.keys.push(instance.key(Role::Resource, REPO, path));
        } else {
            named.push(("repository", instance.reference(REPO, path)));
        }
    }
    let ids = record.texts("org_id");
    for (index, organization) in record.texts("org").into_iter().enumerate() {
        let id = ids.get(index).filter(|id| *id != "0").cloned();
        named.push(("organization", instance.reference(ORGANIZATION, id.unwrap_or(organization))));
    }
    if let Some(enterprise) = record.text("business") {
        named.push(("enterprise", instance.reference(ENTERPRISE, enterprise)));
    }
    for (index, (kind, uid)) in named.into_iter().enumerate() {
        let role = if index == 0 { ResourceRole::Target } else { ResourceRole::Container };
        push(kind, uid, role, facts);
    }
    add_account(record, instance, facts);
    if let (Some(path), true) = (record.repository(), record.value("secrets_passed").is_some()) {
        for name in record.texts("secrets_passed") {
            let uid = instance.reference(PASSED_SECRET, format!("{path}:{name}"));
            push("passed_secret", uid, ResourceRole::Related, facts);
        }
    }
}

/// What is smaller than a repository or an organisation.
fn narrow(record: Record<'_>, instance: Instance<'_>) -> Vec<(&'static str, KeyRef)> {
    let mut named = Vec::new();
    let in_repository = |name: &str| record.repository().map(|path| format!("{path}:{name}"));
    if let Some(branch) = record.text("branch").and_then(|branch| in_repository(&branch)) {
        named.push(("branch", instance.reference(BRANCH, branch)));
    }
    let action = record.action();
    let environment = match record.text("environment_name") {
        None if action.starts_with("environment.") => record.text("name"),
        named => named,
    };
    if let Some(environment) = environment.and_then(|name| in_repository(&name)) {
        named.push(("environment", instance.reference(ENVIRONMENT, environment)));
    }
    if let Some(hook) = record.id("hook_id") {
        named.push(("hook", instance.reference(HOOK, hook)));
    }
    if let Some(workflow) = record.id("workflow_id") {
        named.push(("workflow", instance.reference(WORKFLOW, workflow)));
    }
    if let Some(team) = record.text("team") {
        named.push(("team", instance.reference(TEAM, team)));
    }
    // A runner in the record of a job is where the job runs, not what is acted upon.
    if let Some(runner) = record.id("runner_id").filter(|_| action.contains("runner")) {
        named.push(("runner", instance.reference(RUNNER, runner)));
    }
    named
}

/// The account that was added, removed, invited, promoted.
fn add_account(record: Record<'_>, instance: Instance<'_>, facts: &mut Facts) {
    let keys = account_keys(Role::Resource, ["user_id", "user"], record, instance);
    let Some(first) = keys.first() else { return };
    if record.text("user") == record.text("actor") && record.text("user").is_some() {
        return;
    }
    let uid = first.to_ref();
    facts.resources.push(Resource { kind: "account".to_owned(), uid, role: ResourceRole::Related });
    facts.keys.extend(keys);
}

fn push(kind: &str, uid: KeyRef, role: ResourceRole, facts: &mut Facts) {
    facts.keys.push(Key::observed(Role::Resource, uid.clone()));
    facts.resources.push(Resource { kind: kind.to_owned(), uid, role });
}
