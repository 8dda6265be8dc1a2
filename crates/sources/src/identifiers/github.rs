//! The subject of GitHub Actions' OIDC tokens: `repo:octocat/my-repo:ref:refs/heads/main` and what owners make of it.
//!
//! Reference: <https://docs.github.com/en/actions/reference/security/oidc>. Since July 2026 the default of new
//! repositories has the ids of owner and repository behind `@`; owners may choose the claims that it is made of
//! (`include_claim_keys`). A colon inside a value is written `%3A`.

/// A repository, as far as a subject or a record names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repository<'a> {
    /// Login of the owner.
    pub owner: &'a str,
    /// Id of the owner.
    pub owner_id: Option<&'a str>,
    /// Name without the owner.
    pub name: &'a str,
    /// Id of the repository.
    pub id: Option<&'a str>,
}

/// What a default subject has behind the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectContext {
    /// The job's deployment environment.
    Environment(String),
    /// The run was triggered by a pull request and has no environment.
    PullRequest,
    /// The reference of the run, such as `refs/heads/main`.
    Reference(String),
}

/// A subject taken apart: claims and their values, in the order written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    claims: Vec<(&'a str, &'a str)>,
}

impl<'a> Subject<'a> {
    /// Reads the default subject of either format, and subjects made of other claims; `None` for any other text.
    pub fn read(text: &'a str) -> Option<Self> {
        let mut claims = Vec::new();
        let mut parts = text.split(':');
        while let Some(name) = parts.next() {
            let is_name = !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
            let value = match name {
                "pull_request" => "",
                _ if is_name => parts.next()?,
                _ => return None,
            };
            claims.push((name, value));
        }
        let is_githubs =
            claims.iter().any(|(name, _)| name.starts_with("repo") || *name == "job_workflow_ref");
        is_githubs.then_some(Self { claims })
    }

    /// The value of a claim, as written.
    pub fn claim(&self, name: &str) -> Option<&'a str> {
        self.claims.iter().find(|(claim, _)| *claim == name).map(|(_, value)| *value)
    }

    /// The repository, with those ids that the subject has.
    pub fn repository(&self) -> Option<Repository<'a>> {
        let (owner, name) = self.claim("repo").or_else(|| self.claim("repository"))?.split_once('/')?;
        let (owner, owner_id) = name_and_id(owner);
        let (name, id) = name_and_id(name);
        (!owner.is_empty() && !name.is_empty() && !name.contains('/')).then_some(Repository {
            owner,
            owner_id: owner_id.or_else(|| self.claim("repository_owner_id")),
            name,
            id: id.or_else(|| self.claim("repository_id")),
        })
    }

    /// Environment, pull request or reference, where the subject has one.
    pub fn context(&self) -> Option<SubjectContext> {
        self.claims.iter().find_map(|(name, value)| match *name {
            "environment" => Some(SubjectContext::Environment(value.replace("%3A", ":"))),
            "pull_request" => Some(SubjectContext::PullRequest),
            "ref" => Some(SubjectContext::Reference((*value).to_owned())),
            _ => None,
        })
    }
}

/// The default subjects of a repository and a context: by names, and by names and ids where both ids are known. Which
/// of the two a repository has, is a setting of it.
pub fn subjects(repository: &Repository<'_>, context: &SubjectContext) -> Vec<String> {
    let Repository { owner, owner_id, name, id } = *repository;
    let context = match context {
        SubjectContext::Environment(environment) => {
            format!("environment:{}", environment.replace(':', "%3A"))
        }
        SubjectContext::PullRequest => "pull_request".to_owned(),
        SubjectContext::Reference(reference) => format!("ref:{reference}"),
    };
    let by_names = format!("repo:{owner}/{name}:{context}");
    let by_ids =
        owner_id.zip(id).map(|(owner_id, id)| format!("repo:{owner}@{owner_id}/{name}@{id}:{context}"));
    std::iter::once(by_names).chain(by_ids).collect()
}

/// `name@123`: logins and names of repositories hold no `@`.
fn name_and_id(text: &str) -> (&str, Option<&str>) {
    match text.split_once('@') {
        Some((name, id)) if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => {
            (name, Some(id))
        }
        _ => (text, None),
    }
}
