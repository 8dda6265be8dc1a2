//! Workflow runs: which run a record is about, and what an OIDC token of its jobs would say of its subject.
//!
//! GitHub records that a job was prepared, never that it asked for a token. So the subject is put together from what
//! the record says of the run, and only where that leaves no doubt about the reference or the environment.

use ascribe_model::{Form, Key, Role, Timestamp, Trust};

use super::key::{Instance, OIDC_SUBJECT, RUN, RUN_ATTEMPT, RUNNER};
use super::record::Record;
use crate::identifiers::github::{Repository, SubjectContext, subjects};

/// Whether a record tells that a job was handed to a runner, with its secrets and its right to tokens.
pub(super) fn prepares_job(record: Record<'_>) -> bool {
    record.action() == "workflows.prepared_workflow_job"
}

/// The keys of the run that a record is about.
pub(super) fn keys(record: Record<'_>, at: Option<Timestamp>, instance: Instance<'_>) -> Vec<Key> {
    let Some(run) = record.id("workflow_run_id") else { return Vec::new() };
    let mut keys = Vec::new();
    let mut add = |role| keys.push(instance.key(role, RUN, run.clone()));
    match record.action().as_ref() {
        "workflows.prepared_workflow_job" => [Role::Workload, Role::Step, Role::Issued].map(&mut add).len(),
        "workflows.created_workflow_run" | "workflows.rerun_workflow_run" => {
            [Role::Workload, Role::Step].map(&mut add).len()
        }
        // No job of the run gets a token behind this.
        "workflows.completed_workflow_run" => [Role::Workload, Role::Step, Role::Ended].map(&mut add).len(),
        action if action.starts_with("workflows.") => [Role::Step, Role::Resource].map(&mut add).len(),
        _ => [Role::Resource].map(&mut add).len(),
    };
    if let Some(attempt) = record.id("run_attempt") {
        let name = instance.key(Role::Step, RUN_ATTEMPT, format!("{run}-{attempt}"));
        keys.push(Key { form: Form::Composite, ..name });
    }
    if let Some(runner) = record.id("runner_id").filter(|_| record.value("is_hosted_runner").is_some()) {
        keys.push(instance.key(Role::Workload, RUNNER, runner));
    }
    keys.extend(subject_keys(record, at, instance));
    keys
}

/// The subjects that a token of the run's jobs may have, as of the record's moment.
fn subject_keys(record: Record<'_>, at: Option<Timestamp>, instance: Instance<'_>) -> Vec<Key> {
    let role = match record.action().as_ref() {
        "workflows.prepared_workflow_job" => Role::Workload,
        "workflows.created_workflow_run" => Role::Step,
        _ => return Vec::new(),
    };
    let Some(path) = record.repository() else { return Vec::new() };
    let Some((owner, name)) = path.split_once('/') else { return Vec::new() };
    // The id of the organisation is the owner's only where the organisation is the owner.
    let is_owner = record.text("org").is_some_and(|org| org.eq_ignore_ascii_case(owner));
    let (owner_id, id) = (record.id("org_id").filter(|_| is_owner), record.repository_id());
    let repository = Repository { owner, owner_id: owner_id.as_deref(), name, id: id.as_deref() };
    contexts(record, &path)
        .iter()
        .flat_map(|context| subjects(&repository, context))
        .map(|subject| Key { trust: Trust::IssuerAsserted, at, ..instance.key(role, OIDC_SUBJECT, subject) })
        .collect()
}

/// What can stand behind the repository in the subject. An environment comes before everything else.
fn contexts(record: Record<'_>, repository: &str) -> Vec<SubjectContext> {
    if let Some(environment) = record.text("environment_name") {
        return vec![SubjectContext::Environment(environment.into_owned())];
    }
    if prepares_job(record) {
        return workflow_reference(record, repository).into_iter().collect();
    }
    let Some(branch) = record.text("head_branch") else { return Vec::new() };
    let head = || SubjectContext::Reference(format!("refs/heads/{branch}"));
    let tag = || SubjectContext::Reference(format!("refs/tags/{branch}"));
    match record.text("event").unwrap_or_default().as_ref() {
        "pull_request" => vec![SubjectContext::PullRequest],
        // The field holds the tag's name, or the branch's; which of them it is, is not said.
        "push" | "create" | "workflow_dispatch" => vec![head(), tag()],
        "release" => vec![tag()],
        "schedule" | "repository_dispatch" | "merge_group" => vec![head()],
        // The branch of the change is not the reference that the run has.
        _ => Vec::new(),
    }
}

/// The reference of the workflow's file is that of the run, unless another workflow called it.
fn workflow_reference(record: Record<'_>, repository: &str) -> Option<SubjectContext> {
    if !record.texts("calling_workflow_refs").is_empty() {
        return None;
    }
    let workflow = record.text("job_workflow_ref")?;
    let (file, reference) = workflow.split_once('@')?;
    let in_repository =
        file.strip_prefix(repository).is_some_and(|rest| rest.starts_with("/.github/workflows/"));
    match reference {
        _ if !in_repository => None,
        _ if reference.starts_with("refs/pull/") => Some(SubjectContext::PullRequest),
        _ if reference.starts_with("refs/") => Some(SubjectContext::Reference(reference.to_owned())),
        _ => None,
    }
}
