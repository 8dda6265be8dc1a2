//! What the token of a web identity vouches for, as far as CloudTrail keeps it: the subject and nothing else.
//!
//! The issuer composed the subject, so what it holds is the issuer's word. The session name is the caller's own; a
//! build may write the id of its run into it, or that of any other run. References: "Security hardening your
//! deployments" of GitHub for the forms of `sub`, and "IAM roles for service accounts" of EKS.

use ascribe_model::{Identity, Key, Role, Trust};

use super::key::{self, global, key, scoped};
use super::record::{Act, text};
use crate::identifiers::github::{Repository, Subject};
use crate::identifiers::kubernetes;

/// Issuer of the tokens of GitHub Actions.
pub(super) const GITHUB_ISSUER: &str = "token.actions.githubusercontent.com";

/// A run of a workflow, as a name or a subject gives it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) id: String,
    pub(super) attempt: Option<String>,
}

/// Lists what the caller's token vouches for, and the run that the session name claims.
pub(super) fn list(act: &Act<'_>, caller: &Identity, keys: &mut Vec<Key>) {
    if caller.uid.kind != key::OIDC_SUBJECT {
        return;
    }
    let (host, subject) = (caller.uid.scope.as_str(), caller.uid.value.as_str());
    let signed = |name| key(Role::Presented, name, Trust::IssuerAsserted);
    if let Some((namespace, name)) = kubernetes::service_account(subject) {
        // Which cluster the issuer belongs to is not in the record, so the issuer itself is the scope.
        keys.push(signed(scoped(key::SERVICE_ACCOUNT, host, format!("{namespace}/{name}"))));
        return;
    }
    if host != GITHUB_ISSUER {
        return;
    }
    keys.push(signed(global(key::GITHUB_SUBJECT, subject)));
    let read = Subject::read(subject);
    for repository in read.iter().flat_map(repositories) {
        keys.push(signed(global(key::GITHUB_REPOSITORY, repository)));
    }
    let named = || text(act.request(&["roleSessionName"])).as_deref().and_then(run_in_name);
    let (run, trust) = match read.as_ref().and_then(run_in_subject) {
        Some(run) => (Some(run), Trust::IssuerAsserted),
        None => (named(), Trust::SelfAsserted),
    };
    if let Some(Run { id, attempt }) = run {
        if let Some(attempt) = attempt {
            let attempt = format!("{id}-{attempt}");
            keys.push(key(Role::Presented, global(key::GITHUB_RUN_ATTEMPT, attempt), trust));
        }
        keys.push(key(Role::Presented, global(key::GITHUB_RUN, id), trust));
    }
}

/// The one run id that a session name holds: 8 to 12 digits on their own, such as `4382935357` of
/// `deploy-4382935357-1`, with the number of the attempt where it follows. Two candidates name no run.
pub(super) fn run_in_name(name: &str) -> Option<Run> {
    let parts: Vec<&str> = name.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
    let is_run = |part: &&str| (8..=12).contains(&part.len()) && is_number(part);
    let mut found = parts.iter().enumerate().filter(|(_, part)| is_run(part));
    let (Some((position, id)), None) = (found.next(), found.next()) else { return None };
    let attempt = parts.get(position + 1).filter(|part| part.len() <= 3 && is_number(part));
    Some(Run { id: (*id).to_owned(), attempt: attempt.map(|part| (*part).to_owned()) })
}

/// The run that a subject names by `run_id`, which it does where the organization chose that claim for its subjects.
fn run_in_subject(subject: &Subject<'_>) -> Option<Run> {
    let number = |name| subject.claim(name).filter(|value| is_number(value)).map(str::to_owned);
    Some(Run { id: number("run_id")?, attempt: number("run_attempt") })
}

/// The repository that a subject names: as `owner/name`, and by its id where the subject has it.
fn repositories(subject: &Subject<'_>) -> Vec<String> {
    let Some(Repository { owner, name, id, .. }) = subject.repository() else { return Vec::new() };
    [Some(format!("{owner}/{name}")), id.map(str::to_owned)].into_iter().flatten().collect()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_name_holds_at_most_one_run_id() {
        for (name, expected) in [
            ("deploy-4382935357-1", Some(("4382935357", Some("1")))),
            ("4382935357-12", Some(("4382935357", Some("12")))),
            ("4382935357", Some(("4382935357", None))),
            ("4382935357-main", Some(("4382935357", None))),
            ("GitHubActions", None),
            ("a-4382935357-4382935358", None),
            ("build4382935357", None),
            ("1234567", None),
        ] {
            let found = run_in_name(name);
            let found = found.as_ref().map(|run| (run.id.as_str(), run.attempt.as_deref()));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn a_subject_names_its_repository_and_may_pin_the_run() {
        for (subject, repositories_in_it, run) in [
            ("repo:acme/shop:ref:refs/heads/main", &["acme/shop"][..], None),
            ("repo:octocat@123456/my-repo@456789:ref:refs/heads/main", &["octocat/my-repo", "456789"], None),
            (
                "repo:acme/shop:run_id:4382935357:run_attempt:2",
                &["acme/shop"],
                Some(("4382935357", Some("2"))),
            ),
            ("repository:acme/shop:run_id:4382935357", &["acme/shop"], Some(("4382935357", None))),
            (
                "repository_owner:acme:job_workflow_ref:acme/ci/.github/workflows/a.yml@refs/heads/main",
                &[],
                None,
            ),
            ("repo:acme/shop:ref:refs/heads/run_id", &["acme/shop"], None),
        ] {
            let read = Subject::read(subject).unwrap();
            assert_eq!(repositories(&read), repositories_in_it, "{subject}");
            let found = run_in_subject(&read);
            let found = found.as_ref().map(|run| (run.id.as_str(), run.attempt.as_deref()));
            assert_eq!(found, run, "{subject}");
        }
    }
}
