//! The machine, pod, function or build run in which a session lives, as far as the session shows it.
//!
//! AWS writes the instance id or the function name into the session name when a service assumes a role for it; EKS
//! writes six session tags; a build writes what it likes. So the same text is proof in one record and a claim in
//! another, and every key here says which.

use ascribe_model::{Identity, Key, Role, Trust};

use super::key::{self, global, key, scoped};
use super::principal::account_of_arn;
use super::record::{Act, text};
use super::web_identity::{self, GITHUB_ISSUER};
use crate::json::Value;

/// What `userIdentity` says of the session in use.
pub(super) struct Session<'a> {
    pub(super) name: Option<&'a str>,
    /// `ec2RoleDelivery` is there: only the instance metadata service delivers credentials that carry it.
    pub(super) delivered_to_instance: bool,
    /// `webIdFederationData.federatedProvider`.
    pub(super) provider: Option<String>,
    /// `inScopeOf.credentialsIssuedTo`.
    pub(super) issued_to: Option<String>,
}

/// The workload that uses a session.
pub(super) fn of_session(session: &Session<'_>, keys: &mut Vec<Key>) {
    if let Some(arn) = &session.issued_to {
        of_arn(arn, keys);
    }
    let Some(name) = session.name else { return };
    if is_instance_id(name) {
        let trust = if session.delivered_to_instance { Trust::IssuerAsserted } else { Trust::SelfAsserted };
        keys.push(key(Role::Workload, global(key::INSTANCE, name), trust));
    }
    if session.provider.as_deref().is_some_and(|provider| provider.ends_with(GITHUB_ISSUER))
        && let Some(run) = web_identity::run_in_name(name)
    {
        keys.push(key(Role::Workload, global(key::GITHUB_RUN, run.id), Trust::SelfAsserted));
    }
}

/// The workload for which a session is issued: by service, by session tags, by what its token vouches for.
pub(super) fn of_request(act: &Act<'_>, caller: &Identity, keys: &mut Vec<Key>) {
    let service = act
        .fields
        .user_identity
        .filter(|user| user.get("type").is_none_or(|kind| kind.is_text("AWSService")))
        .and_then(|user| text(user.get("invokedBy")));
    if let Some(name) = text(act.request(&["roleSessionName"])) {
        match service.as_deref() {
            Some("lambda.amazonaws.com") if !name.starts_with("awslambda_") => {
                keys.push(key(
                    Role::Workload,
                    scoped(key::FUNCTION, &act.place(), &name),
                    Trust::IssuerAsserted,
                ));
            }
            Some(_) if is_instance_id(&name) => {
                keys.push(key(Role::Workload, global(key::INSTANCE, &name), Trust::IssuerAsserted));
            }
            None if is_instance_id(&name) => {
                keys.push(key(Role::Workload, global(key::INSTANCE, &name), Trust::SelfAsserted));
            }
            _ => {}
        }
    }
    web_identity::list(act, caller, keys);
    // Tags of the token are signed by its issuer; tags of the request are the caller's own, unless a service calls.
    list_tags(Tags::of(act.request(&["principalTags"])), Trust::IssuerAsserted, keys);
    let trust = if service.is_some() { Trust::IssuerAsserted } else { Trust::SelfAsserted };
    list_tags(Tags::of(act.request(&["tags"])), trust, keys);
}

/// The session tags that name a workload ("session tags" of EKS Pod Identity).
#[derive(Default)]
struct Tags {
    cluster_arn: Option<String>,
    namespace: Option<String>,
    service_account: Option<String>,
    pod_uid: Option<String>,
    run: Option<String>,
}

impl Tags {
    /// Tags are an object of names and values, or an array of `key` and `value`.
    fn of(tags: Option<Value<'_>>) -> Self {
        let mut found = Self::default();
        let Some(tags) = tags else { return found };
        for (name, value) in tags.members() {
            found.set(&name, value);
        }
        for tag in tags.items() {
            if let (Some(name), Some(value)) = (tag.get("key").and_then(Value::text), tag.get("value")) {
                found.set(&name, value);
            }
        }
        found
    }

    fn set(&mut self, name: &str, value: Value<'_>) {
        let field = match name {
            "eks-cluster-arn" => &mut self.cluster_arn,
            "kubernetes-namespace" => &mut self.namespace,
            "kubernetes-service-account" => &mut self.service_account,
            "kubernetes-pod-uid" => &mut self.pod_uid,
            "run_id" | "github_run_id" | "workflow_run_id" => &mut self.run,
            _ => return,
        };
        *field = value.non_empty();
    }
}

fn list_tags(tags: Tags, trust: Trust, keys: &mut Vec<Key>) {
    if let Some(pod) = tags.pod_uid {
        keys.push(key(Role::Workload, global(key::POD, pod), trust));
    }
    if let Some(run) = tags.run {
        keys.push(key(Role::Presented, global(key::GITHUB_RUN, run), trust));
    }
    if let (Some(namespace), Some(name), Some(cluster)) =
        (tags.namespace, tags.service_account, tags.cluster_arn.as_deref().and_then(cluster_scope))
    {
        let name = scoped(key::SERVICE_ACCOUNT, &cluster, format!("{namespace}/{name}"));
        keys.push(key(Role::Subject, name, trust));
    }
}

/// The scope that the Kubernetes source gives to an EKS cluster: `eks:<account>/<cluster>`.
fn cluster_scope(arn: &str) -> Option<String> {
    let (_, cluster) = arn.split_once(":cluster/")?;
    Some(format!("eks:{}/{cluster}", account_of_arn(arn)?))
}

/// `arn:aws:lambda:region:account:function:name` or `arn:aws:ec2:region:account:instance/i-…`, as AWS writes it.
fn of_arn(arn: &str, keys: &mut Vec<Key>) {
    let parts: Vec<&str> = arn.splitn(7, ':').collect();
    let name = match parts.as_slice() {
        [_, _, "lambda", region, account, "function", name] => {
            scoped(key::FUNCTION, &format!("{account}/{region}"), *name)
        }
        [_, _, "ec2", _, _, resource] if resource.starts_with("instance/") => {
            global(key::INSTANCE, &resource["instance/".len()..])
        }
        _ => global(key::ARN, arn),
    };
    keys.push(key(Role::Workload, name, Trust::IssuerAsserted));
}

/// `i-` and 8 or 17 hexadecimal digits.
pub(super) fn is_instance_id(text: &str) -> bool {
    text.strip_prefix("i-").is_some_and(|id| {
        matches!(id.len(), 8 | 17) && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_ids_are_told_from_other_names() {
        assert!(is_instance_id("i-0123456789abcdef0"));
        assert!(is_instance_id("i-0a1b2c3d"));
        for text in ["i-", "i-0123", "i-0123456789ABCDEF0", "ip-0123456789abcdef0", "i-0123456789abcdefg"] {
            assert!(!is_instance_id(text), "{text}");
        }
    }

    #[test]
    fn a_cluster_has_the_scope_of_the_kubernetes_source() {
        let arn = "arn:aws:eks:eu-west-1:111122223333:cluster/prod";
        assert_eq!(cluster_scope(arn).as_deref(), Some("eks:111122223333/prod"));
        assert_eq!(cluster_scope("arn:aws:eks:eu-west-1::cluster/prod"), None);
    }
}
