//! Who a user name stands for, with what it authenticated, and who else vouched for it.
//!
//! Prefixes are those that the API server reserves (`system:`) and that EKS reserves (`eks:`); any other name belongs
//! to whoever the authenticators of the cluster let have it.

use ascribe_model::{Credential, CredentialClass, Form, Identity, IdentityKind, Key, KeyKind, Role, Trust};

use super::Facts;
use super::key::{
    self, ACCESS_KEY, ARN, BOOTSTRAP_TOKEN, CREDENTIAL, Cluster, INSTANCE, NODE, POD, POD_NAME, PRINCIPAL,
    ROLE_SESSION, SERVICE_ACCOUNT, SESSION_NAME, TOKEN_SECRET, USER, global_key, key_of,
};
use super::request::{Extra, Request, User};
use crate::identifiers::kubernetes::service_account;

/// What a user name says of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Username<'a> {
    ServiceAccount {
        namespace: &'a str,
        name: &'a str,
    },
    Node(&'a str),
    /// The public id of a bootstrap token.
    Bootstrap(&'a str),
    /// A component of the control plane.
    Platform,
    Anonymous,
    Other,
}

impl<'a> Username<'a> {
    pub fn of(username: &'a str) -> Self {
        if let Some((namespace, name)) = service_account(username) {
            return Self::ServiceAccount { namespace, name };
        }
        if username.starts_with("eks:") {
            return Self::Platform;
        }
        let Some(reserved) = username.strip_prefix("system:") else { return Self::Other };
        match reserved.split_once(':') {
            Some(("node", name)) if !name.is_empty() => Self::Node(name),
            Some(("bootstrap", id)) if !id.is_empty() => Self::Bootstrap(id),
            // Reserved for what has just been found not to be one.
            Some(("serviceaccount", _)) => Self::Other,
            _ if reserved == "anonymous" => Self::Anonymous,
            // The administrator of OpenShift and k3s: a certificate that people and programs use.
            _ if reserved == "admin" => Self::Other,
            _ => Self::Platform,
        }
    }
}

/// The user as an identity: by its own uid where the record has one, because names are used again.
pub(super) fn identity(user: &User<'_>, cluster: Cluster<'_>) -> Identity {
    let username = user.username.as_ref();
    let (kind, by_name, name) = match Username::of(username) {
        Username::ServiceAccount { namespace, name } => {
            let path = format!("{namespace}/{name}");
            (IdentityKind::ServiceAccount, cluster.reference(SERVICE_ACCOUNT, path.clone()), path)
        }
        Username::Node(name) => (IdentityKind::Node, cluster.reference(NODE, name), name.to_owned()),
        account => {
            let kind = match account {
                Username::Platform => IdentityKind::Platform,
                Username::Anonymous => IdentityKind::Anonymous,
                _ if username.is_empty() => IdentityKind::Unknown,
                _ => IdentityKind::User,
            };
            (kind, cluster.reference(USER, username), username.to_owned())
        }
    };
    let extra = &user.extra;
    let alt_names = [username, extra.arn.as_ref(), extra.canonical_arn.as_ref()];
    Identity {
        kind,
        uid: own_uid(user).map_or(by_name, |uid| cluster.uid(uid)),
        alt_names: alt_names
            .into_iter()
            .filter(|alias| !alias.is_empty() && *alias != name)
            .map(str::to_owned)
            .collect(),
        name: (!name.is_empty()).then_some(name),
        session_name: (!extra.session_name.is_empty()).then(|| extra.session_name.clone().into_owned()),
    }
}

/// Who made the request. The record of a failed authentication has an empty user.
pub(super) fn actor(request: &Request<'_>, cluster: Cluster<'_>) -> Identity {
    let identity = identity(&request.user, cluster);
    let is_refused = request.user.username.is_empty() && request.response.code == Some(401);
    Identity { kind: if is_refused { IdentityKind::Anonymous } else { identity.kind }, ..identity }
}

/// A service account that a record names by its path.
pub(super) fn of_service_account(namespace: &str, name: &str, cluster: Cluster<'_>) -> Identity {
    let path = format!("{namespace}/{name}");
    Identity {
        kind: IdentityKind::ServiceAccount,
        uid: cluster.reference(SERVICE_ACCOUNT, path.clone()),
        name: Some(path),
        session_name: None,
        alt_names: Vec::new(),
    }
}

/// The keys of the user in `role`: its name, and its uid where the record has one.
pub(super) fn add_identity_keys(user: &User<'_>, role: Role, cluster: Cluster<'_>, facts: &mut Facts) {
    match Username::of(&user.username) {
        Username::ServiceAccount { namespace, name } => {
            facts.keys.push(cluster.key(role, SERVICE_ACCOUNT, format!("{namespace}/{name}")));
        }
        Username::Node(name) => facts.keys.push(cluster.key(role, NODE, name)),
        _ if user.username.is_empty() => {}
        _ => facts.keys.push(cluster.key(role, USER, user.username.as_ref())),
    }
    if let Some(uid) = own_uid(user) {
        facts.keys.push(key_of(role, &cluster.uid(uid)));
    }
}

/// The pod and node that the user's token is bound to, and the instance that a node's IAM session is named after, in
/// `role`.
pub(super) fn add_workload_keys(user: &User<'_>, role: Role, cluster: Cluster<'_>, facts: &mut Facts) {
    let Extra { pod_name, pod_uid, node_name, node_uid, session_name, .. } = &user.extra;
    if !pod_uid.is_empty() {
        facts.keys.push(global_key(role, POD, pod_uid.as_ref()));
    }
    if let Username::ServiceAccount { namespace, .. } = Username::of(&user.username)
        && !pod_name.is_empty()
    {
        facts.keys.push(cluster.key(Role::Name, POD_NAME, format!("{namespace}/{pod_name}")));
    }
    if !node_name.is_empty() {
        facts.keys.push(cluster.key(role, NODE, node_name.as_ref()));
    }
    if !node_uid.is_empty() {
        facts.keys.push(key_of(role, &cluster.uid(node_uid)));
    }
    if matches!(Username::of(&user.username), Username::Node(_)) && session_name.starts_with("i-") {
        facts.keys.push(chosen(role, INSTANCE, session_name));
    }
}

/// The IAM identity that vouched for the user: the IAM authenticator of EKS checks a request that the caller signed
/// with its access key, so key, ARN and principal are what STS answered.
pub(super) fn add_iam_keys(user: &User<'_>, facts: &mut Facts) {
    let Extra { access_key_id, arn, canonical_arn, session_name, .. } = &user.extra;
    if !access_key_id.is_empty() {
        facts.keys.push(global_key(Role::Presented, ACCESS_KEY, access_key_id.as_ref()));
    }
    for arn in [arn, canonical_arn] {
        if !arn.is_empty() {
            facts.keys.push(global_key(Role::Actor, ARN, arn.as_ref()));
        }
    }
    let principal = iam_principal(user);
    if let Some(principal) = principal {
        facts.keys.push(global_key(Role::Actor, PRINCIPAL, principal));
    }
    if session_name.is_empty() {
        return;
    }
    if let Some(role) = principal.filter(|id| id.starts_with("AROA")) {
        let session = global_key(Role::Presented, ROLE_SESSION, format!("{role}:{session_name}"));
        facts.keys.push(Key { form: Form::Composite, ..session });
    }
    facts.keys.push(chosen(Role::Name, SESSION_NAME, session_name));
}

fn chosen(role: Role, kind: KeyKind, value: &str) -> Key {
    Key { trust: Trust::SelfAsserted, ..global_key(role, kind, value) }
}

/// The immutable IAM id: in `extra` of newer clusters, and in the uid that the authenticator composes.
fn iam_principal<'a>(user: &'a User<'_>) -> Option<&'a str> {
    if !user.extra.principal_id.is_empty() {
        return Some(&user.extra.principal_id);
    }
    let (_account, principal) = iam_uid(&user.uid)?.split_once(':')?;
    (!principal.is_empty()).then_some(principal)
}

/// The uid, where it is the user's alone. What the IAM authenticator puts there is the id of the role: all nodes of a
/// node group and all sessions of an operator role have the same one.
fn own_uid<'a>(user: &'a User<'_>) -> Option<&'a str> {
    let uid = user.uid.as_ref();
    (!uid.is_empty() && iam_uid(uid).is_none()).then_some(uid)
}

/// Account and id of a uid that the IAM authenticator composed, under its present or its former name.
fn iam_uid(uid: &str) -> Option<&str> {
    uid.strip_prefix("aws-iam-authenticator:").or_else(|| uid.strip_prefix("heptio-authenticator-aws:"))
}

/// What the caller authenticated with, where the record names it.
pub(super) fn add_credential(
    request: &Request<'_>,
    cluster: Cluster<'_>,
    facts: &mut Facts,
) -> Option<Credential> {
    let id = request.user.extra.credential_id.as_ref();
    if !id.is_empty() {
        facts.keys.push(cluster.credential_key(Role::Used, id, Trust::VerifierObserved));
        return Some(Credential { uid: cluster.reference(CREDENTIAL, id), class: class(id) });
    }
    let used = |kind, value: String, class, facts: &mut Facts| {
        let uid = cluster.reference(kind, value);
        facts.keys.push(key_of(Role::Used, &uid));
        Some(Credential { uid, class })
    };
    if let Username::Bootstrap(id) = Username::of(&request.user.username) {
        return used(BOOTSTRAP_TOKEN, id.to_owned(), CredentialClass::Temporary, facts);
    }
    let secret = token_secret(request)?;
    used(TOKEN_SECRET, secret, CredentialClass::LongLived, facts)
}

/// The Secret whose token was presented, `namespace/name`. Tokens of this sort carry no id of their own.
fn token_secret(request: &Request<'_>) -> Option<String> {
    let annotations = &request.annotations;
    if !annotations.legacy_secret.is_empty() {
        let (namespace, _) = service_account(&request.user.username)?;
        return Some(format!("{namespace}/{}", annotations.legacy_secret));
    }
    // The token was refused, so the record has no user; this annotation has the namespace behind the name.
    let (name, namespace) = annotations.invalidated_secret.split_once('/')?;
    Some(format!("{namespace}/{name}"))
}

pub(super) fn class(credential_id: &str) -> CredentialClass {
    if key::is_certificate(credential_id) {
        CredentialClass::Certificate
    } else if credential_id.starts_with("JTI=") {
        CredentialClass::Temporary
    } else {
        CredentialClass::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_says_what_it_is() {
        let account = |namespace, name| Username::ServiceAccount { namespace, name };
        for (username, expected) in [
            ("system:serviceaccount:prod:payments", account("prod", "payments")),
            ("system:serviceaccount:prod:pay.ments", account("prod", "pay.ments")),
            ("system:serviceaccount:prod:", Username::Other),
            ("system:serviceaccount::payments", Username::Other),
            ("system:serviceaccount:prod", Username::Other),
            ("system:serviceaccount:prod:a:b", Username::Other),
            ("system:node:ip-10-0-1-7.ec2.internal", Username::Node("ip-10-0-1-7.ec2.internal")),
            ("system:node:", Username::Platform),
            ("system:bootstrap:abcdef", Username::Bootstrap("abcdef")),
            ("system:kube-controller-manager", Username::Platform),
            ("system:apiserver", Username::Platform),
            ("system:admin", Username::Other),
            ("system:anonymous", Username::Anonymous),
            ("eks:node-manager", Username::Platform),
            ("jane@example.com", Username::Other),
            ("", Username::Other),
        ] {
            assert_eq!(Username::of(username), expected, "{username}");
        }
    }

    #[test]
    fn the_iam_principal_is_in_extra_or_in_the_uid() {
        for (uid, principal_id, expected) in [
            ("aws-iam-authenticator:111122223333:AROAEXAMPLEROLEID0001", "", Some("AROAEXAMPLEROLEID0001")),
            (
                "heptio-authenticator-aws:111122223333:AIDAEXAMPLEUSERID0001",
                "",
                Some("AIDAEXAMPLEUSERID0001"),
            ),
            ("aws-iam-authenticator:111122223333:A", "AROAEXAMPLEROLEID0001", Some("AROAEXAMPLEROLEID0001")),
            ("aws-iam-authenticator:111122223333", "", None),
            ("48a11242-4481-40fb-a400-71bab76ceb26", "", None),
        ] {
            let extra = Extra { principal_id: principal_id.into(), ..Extra::default() };
            let user = User { uid: uid.into(), extra, ..User::default() };
            assert_eq!(iam_principal(&user), expected, "{uid}");
        }
    }
}
