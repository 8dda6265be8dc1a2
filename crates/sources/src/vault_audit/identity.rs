//! Who holds a token, with what it was obtained, and which token a request was made with.
//!
//! An auth method records in a token's metadata whom it let in; what it writes there it has checked. Tokens that are
//! made from other tokens have a name that their maker chose, and no more.

use ascribe_model::{Credential, CredentialClass, Form, Identity, IdentityKind, Key, Role, Timestamp, Trust};

use super::Facts;
use super::key::{
    ACCESSOR, ALIAS, ARN, Cluster, ENTITY, K8S_CREDENTIAL, K8S_UID, OIDC_SUBJECT, POD, PRINCIPAL,
    ROLE_SESSION, RUN, RUN_ATTEMPT, SECRET_ID, SERIAL, SERVICE_ACCOUNT, TOKEN, global_key,
};
use super::place::{Engine, Place};
use super::record::{Auth, Operation, owned, text_of};
use crate::identifiers::x509::SerialNumber;
use crate::json::Value;
use crate::secrets::Placeholder;

/// Names under which roles of the JWT method map the claim `/kubernetes.io/pod/uid`; the operator chooses one.
const POD_UIDS: [&str; 4] = ["pod_uid", "kubernetes_pod_uid", "k8s_pod_uid", "kubernetes.io/pod/uid"];

/// The name of tokens that were made from other tokens; `-` and a name that their maker chose may follow.
const MADE_FROM_TOKEN: &str = "token";

/// Who is behind a token.
pub(super) fn identity(auth: &Auth<'_>, cluster: Cluster<'_>) -> Identity {
    let name = auth.display_name.as_ref();
    let uid = if auth.entity_id.is_empty() {
        cluster.reference(ALIAS, name)
    } else {
        cluster.reference(ENTITY, auth.entity_id.as_ref())
    };
    let service_account = service_account(auth);
    let email = auth.metadata("email");
    let alt_names = [
        service_account.clone().unwrap_or_default(),
        auth.metadata("username").into_owned(),
        auth.metadata("canonical_arn").into_owned(),
        auth.metadata("common_name").into_owned(),
        email.into_owned(),
    ];
    Identity {
        kind: kind(auth),
        uid,
        name: owned(name),
        session_name: None,
        alt_names: alt_names.into_iter().filter(|alias| !alias.is_empty() && alias != name).collect(),
    }
}

/// Who made the request: nobody is authenticated before a login, or without a token that is valid.
pub(super) fn actor(operation: &Operation<'_>, place: &Place<'_>, cluster: Cluster<'_>) -> Identity {
    let identity = identity(caller(operation, place), cluster);
    let is_known = identity.kind != IdentityKind::Unknown || !identity.uid.value.is_empty();
    let kind = if is_known || !operation.request.client_token.is_empty() {
        identity.kind
    } else {
        IdentityKind::Anonymous
    };
    Identity { kind, ..identity }
}

/// What tells who made the request. In the response to a login that is the token that it gave, which old versions write
/// in one of its two places only.
pub(super) fn caller<'o, 'a>(operation: &'o Operation<'a>, place: &Place<'_>) -> &'o Auth<'a> {
    match &operation.response.auth {
        Some(issued) if gives_login(operation, place) => issued,
        _ => &operation.auth,
    }
}

/// What the metadata of each auth method tells of its kind of caller.
fn kind(auth: &Auth<'_>) -> IdentityKind {
    let has = |name: &str| !auth.metadata(name).is_empty();
    if has("service_account_name") || has("service_account_email") {
        return IdentityKind::ServiceAccount;
    }
    // Claims that only build systems put into their tokens: GitHub Actions and GitLab.
    if has("run_id") || has("job_workflow_ref") || has("pipeline_id") || has("job_id") {
        return IdentityKind::CiJob;
    }
    if has("instance_id") || has("vm_name") || has("AllocationID") || auth.metadata("auth_type") == "ec2" {
        return IdentityKind::Workload;
    }
    let arn = auth.metadata("canonical_arn");
    if arn.contains(":role/") || arn.contains(":assumed-role/") {
        return IdentityKind::Role;
    }
    if has("role_name") {
        return IdentityKind::ServiceAccount;
    }
    if auth.display_name.is_empty() { IdentityKind::Unknown } else { IdentityKind::User }
}

/// Adds the keys of whoever is behind a token, in `role`.
pub(super) fn add_identity_keys(auth: &Auth<'_>, role: Role, cluster: Cluster<'_>, facts: &mut Facts) {
    let by_name = if auth.entity_id.is_empty() { role } else { Role::Name };
    if !auth.entity_id.is_empty() {
        facts.keys.push(cluster.key(role, ENTITY, auth.entity_id.as_ref()));
    }
    if !auth.display_name.is_empty() {
        let behind = auth.display_name.strip_prefix(MADE_FROM_TOKEN);
        let chosen = behind.is_some_and(|name| name.is_empty() || name.starts_with('-'));
        let trust = if chosen { Trust::SelfAsserted } else { Trust::VerifierObserved };
        let key = Key { trust, ..cluster.key(by_name, ALIAS, auth.display_name.as_ref()) };
        if !facts.keys.contains(&key) {
            facts.keys.push(key);
        }
    }
}

/// What the metadata of a token is to an event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// By the login that the event is: these credentials let the caller in.
    AtLogin,
    /// By a login before: so is the caller known.
    Before,
}

/// Adds what an auth method recorded of the systems that it trusts.
pub(super) fn add_metadata_keys(auth: &Auth<'_>, told: Told, at: Option<Timestamp>, facts: &mut Facts) {
    let role = |before: Role| if told == Told::AtLogin { Role::Presented } else { before };
    let uid = auth.metadata("service_account_uid");
    if !uid.is_empty() {
        facts.keys.push(global_key(role(Role::Actor), K8S_UID, uid));
    }
    if let Some(path) = service_account(auth) {
        facts.keys.push(global_key(Role::Name, SERVICE_ACCOUNT, path));
    }
    if let Some(pod) = POD_UIDS.iter().map(|name| auth.metadata(name)).find(|uid| !uid.is_empty()) {
        facts.keys.push(global_key(role(Role::Workload), POD, pod));
    }
    let at = if told == Told::AtLogin { at } else { auth.token_issue_time };
    add_run_keys(auth, role(Role::Workload), at, facts);
    let jti = auth.metadata("jti");
    // GitHub's tokens have this claim too, and are known by their run.
    if !jti.is_empty() && auth.metadata("run_id").is_empty() {
        facts.keys.push(global_key(role(Role::Name), K8S_CREDENTIAL, format!("JTI={jti}")));
    }
    let user_id = auth.metadata("client_user_id");
    if !user_id.is_empty() {
        let (principal, session) = user_id.split_once(':').unwrap_or((&user_id, ""));
        facts.keys.push(global_key(role(Role::Actor), PRINCIPAL, principal));
        if !session.is_empty() {
            let session = global_key(role(Role::Actor), ROLE_SESSION, user_id.as_ref());
            facts.keys.push(Key { form: Form::Composite, ..session });
        }
    }
    for name in ["client_arn", "canonical_arn"] {
        let arn = auth.metadata(name);
        if !arn.is_empty() && !facts.keys.iter().any(|key| key.kind == ARN && key.value == arn) {
            facts.keys.push(global_key(Role::Actor, ARN, arn));
        }
    }
    // The certificate method writes the number in decimal digits.
    if let Some(serial) = SerialNumber::read_decimal(&auth.metadata("serial_number")) {
        facts.keys.push(global_key(role(Role::Name), SERIAL, serial.to_hex()));
    }
}

/// The run of GitHub Actions whose token logged in, as far as the role of the JWT method maps its claims.
fn add_run_keys(auth: &Auth<'_>, role: Role, at: Option<Timestamp>, facts: &mut Facts) {
    let (run, attempt) = (auth.metadata("run_id"), auth.metadata("run_attempt"));
    if !run.is_empty() && run.bytes().all(|digit| digit.is_ascii_digit()) {
        facts.keys.push(global_key(role, RUN, run.as_ref()));
        if !attempt.is_empty() {
            let value = format!("{run}-{attempt}");
            facts.keys.push(Key { form: Form::Composite, ..global_key(role, RUN_ATTEMPT, value) });
        }
    }
    let subject = auth.metadata("sub");
    if subject.starts_with("repo:") {
        let trust = Trust::IssuerAsserted;
        facts.keys.push(Key { trust, at, ..global_key(role, OIDC_SUBJECT, subject) });
    }
}

/// Adds what was sent to log in: those credentials have been accepted.
pub(super) fn add_presented(operation: &Operation<'_>, cluster: Cluster<'_>, facts: &mut Facts) {
    let secret_id = text_of(operation.sent("secret_id"));
    facts.keys.extend(cluster.hashed(Role::Presented, SECRET_ID, &secret_id));
    if let Some(id) = withheld_jti(operation.sent("jwt")) {
        let credential = format!("JTI={id}");
        if !facts.keys.iter().any(|key| key.kind == K8S_CREDENTIAL && key.value == credential) {
            facts.keys.push(global_key(Role::Presented, K8S_CREDENTIAL, credential));
        }
    }
}

/// The id of a token that a device wrote as it is and that was withheld: the placeholder keeps it.
fn withheld_jti(token: Option<Value<'_>>) -> Option<String> {
    match Placeholder::read(&text_of(token))?.kept? {
        ("jti", id) => Some(id.to_owned()),
        _ => None,
    }
}

/// The certificate that the client showed when it connected.
pub(super) fn add_client_certificate(operation: &Operation<'_>, facts: &mut Facts) {
    let Some(serial) = SerialNumber::read_decimal(&operation.request.certificate_serial) else { return };
    let serial = serial.to_hex();
    if !facts.keys.iter().any(|key| key.kind == SERIAL && key.value == serial) {
        facts.keys.push(global_key(Role::Name, SERIAL, serial));
    }
}

/// The token that the request was made with.
pub(super) fn add_used_token(
    operation: &Operation<'_>,
    place: &Place<'_>,
    cluster: Cluster<'_>,
    facts: &mut Facts,
) -> Option<Credential> {
    if gives_login(operation, place) {
        // A login needs no token; one that the client sent all the same has no part in it.
        return None;
    }
    let Operation { auth, request, .. } = operation;
    let accessor = if auth.accessor.is_empty() { &request.client_token_accessor } else { &auth.accessor };
    if let Some(key) = cluster.recorded(Role::Used, ACCESSOR, accessor) {
        let uid = key.to_ref();
        facts.keys.push(Key { at: auth.token_issue_time, ..key });
        return Some(Credential { uid, class: class(auth) });
    }
    // Batch tokens have no accessor, and neither has a token that is not valid.
    let token = if auth.client_token.is_empty() { &request.client_token } else { &auth.client_token };
    let key = cluster.hashed(Role::Used, TOKEN, token)?;
    let uid = key.to_ref();
    let is_valid = !auth.display_name.is_empty();
    let trust = if is_valid { Trust::VerifierObserved } else { Trust::SelfAsserted };
    facts.keys.push(Key { trust, at: auth.token_issue_time, ..key });
    Some(Credential { uid, class: class(auth) })
}

/// Whether this is the response of a login that succeeded: then `auth` is the token that it gave.
pub(super) fn gives_login(operation: &Operation<'_>, place: &Place<'_>) -> bool {
    let Some(issued) = &operation.response.auth else {
        // Where the token is wrapped, `auth` is all that tells for whom it is.
        return operation.response.wrap.is_some() && place.is_login();
    };
    place.is_login()
        || (place.engine == Engine::Login
            && !issued.accessor.is_empty()
            && issued.accessor == operation.auth.accessor)
}

/// How long a token lives, as far as the entry says: only root tokens may have no end.
pub(super) fn class(auth: &Auth<'_>) -> CredentialClass {
    if auth.token_ttl.is_some() || auth.token_type == "batch" {
        CredentialClass::Temporary
    } else if auth.has_policy("root") {
        CredentialClass::LongLived
    } else {
        CredentialClass::Unknown
    }
}

/// `namespace/name`, of logins through the Kubernetes method.
fn service_account(auth: &Auth<'_>) -> Option<String> {
    let (namespace, name) =
        (auth.metadata("service_account_namespace"), auth.metadata("service_account_name"));
    (!namespace.is_empty() && !name.is_empty()).then(|| format!("{namespace}/{name}"))
}
