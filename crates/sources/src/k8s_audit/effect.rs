//! What a request did to credentials: tokens and certificates that it issued, and those that an object took with it.
//!
//! Kubernetes has no way to revoke one token. A token ends with the object that it is bound to, so a deletion is an
//! effect on every token that names the object (`pkg/serviceaccount`, the validators of claims).
//!
//! Only a request that succeeded and was no rehearsal has effects.

use ascribe_model::{
    CoverageHint, Credential, CredentialClass, Effect, EffectKind, Identity, Key, KeyRef, Role, Timestamp,
    Trust,
};

use super::Facts;
use super::certificate::{self, Certificate};
use super::identity::{self, add_identity_keys, identity};
use super::key::{
    BOOTSTRAP_TOKEN, CREDENTIAL, Cluster, GROUP, NODE, POD, POD_NAME, TOKEN_SECRET, global_key, is_uuid,
    key_of,
};
use super::request::{Request, Target, User, text, text_at, text_of};
use super::{resource, time};
use crate::json::Value;
use crate::moment::Moment;
use crate::secrets::Placeholder;

/// Type of a Secret that the token controller fills with a token without end.
const TOKEN_SECRET_TYPE: &str = "kubernetes.io/service-account-token";
const SERVICE_ACCOUNT_ANNOTATION: &str = "kubernetes.io/service-account.name";
/// Set on a token Secret that was not used for a year: the API server refuses the token from then on.
const INVALID_SINCE_LABEL: &str = "kubernetes.io/legacy-token-invalid-since";
const BOOTSTRAP_SECRET_PREFIX: &str = "bootstrap-token-";
/// The life that the kubelet asks for by default. For exactly this one the API server issues a token of a year
/// (`--service-account-extend-token-expiration`, on by default) and still answers with the end that was asked for.
const EXTENDED_TTL_SECONDS: u64 = 3607;

/// Adds the effects of a request that succeeded, with their keys.
pub(super) fn add(request: &Request<'_>, cluster: Cluster<'_>, facts: &mut Facts) {
    if request.is_dry_run() {
        facts
            .coverage_hints
            .push(CoverageHint::new("dry_run", "the request was a rehearsal: nothing was stored"));
        return;
    }
    let Some(target) = &request.target else { return };
    let act = Act { request, target, cluster };
    match (target.resource.as_ref(), target.subresource.as_ref(), request.verb.as_ref()) {
        ("serviceaccounts", "token", "create") => act.token_issued(facts),
        ("certificatesigningrequests", "", "create") => act.certificate_requested(facts),
        ("certificatesigningrequests", "status", "update" | "patch") => act.certificate_issued(facts),
        ("secrets", "", "create") => act.secret_created(facts),
        ("secrets", "", "update" | "patch") => act.secret_changed(facts),
        ("secrets", "", "delete") => act.secret_deleted(facts),
        ("serviceaccounts" | "pods" | "nodes" | "namespaces", "", "delete")
        | ("pods", "eviction", "create") => {
            act.holder_deleted(facts);
        }
        ("serviceaccounts" | "pods" | "secrets" | "nodes", "", "deletecollection") => {
            act.holders_deleted(facts);
        }
        ("clusterrolebindings" | "rolebindings", "", "create" | "update" | "patch" | "delete") => {
            act.subjects_changed(facts);
        }
        ("clusterroles" | "roles", "", "create" | "update" | "patch" | "delete") => act.rules_changed(facts),
        _ => {}
    }
}

/// Adds what a review of somebody else's token shows of that token: it is what was acted upon, not what acted.
pub(super) fn add_review(request: &Request<'_>, cluster: Cluster<'_>, facts: &mut Facts) {
    let Some(target) = &request.target else { return };
    if target.resource != "tokenreviews" || request.verb != "create" {
        return;
    }
    let user = request.body_returned.and_then(|body| body.path(&["status", "user"])).map(User::read);
    let reviewed = user.as_ref().map(|user| user.extra.credential_id.as_ref()).filter(|id| !id.is_empty());
    let withheld = || withheld_jti(request.body(&["spec", "token"]));
    if let Some(id) = reviewed.map(str::to_owned).or_else(withheld) {
        // The id inside a token that was not accepted is whatever its bearer wrote.
        let trust = if reviewed.is_some() { Trust::VerifierObserved } else { Trust::SelfAsserted };
        facts.keys.push(cluster.credential_key(Role::Resource, &id, trust));
    }
    if let Some(user) = user {
        add_identity_keys(&user, Role::Resource, cluster, facts);
        if !user.extra.pod_uid.is_empty() {
            facts.keys.push(global_key(Role::Resource, POD, user.extra.pod_uid.as_ref()));
        }
        return;
    }
    // A verifier without an account of its own in the cluster has each token reviewed with that same token: then the
    // reviewer is whoever is signing in there, and this is a step of it.
    let uid = request.user.uid.as_ref();
    facts.keys.extend((!uid.is_empty()).then(|| key_of(Role::Step, &cluster.uid(uid))));
    facts.coverage_hints.push(body_not_recorded(request, "whose token was reviewed"));
}

/// Adds the certificate that a read of a signing request shows, so that the request and the certificate are tied
/// even where the record of the signature has no body.
pub(super) fn add_shown_certificate(request: &Request<'_>, cluster: Cluster<'_>, facts: &mut Facts) {
    let Some(target) = &request.target else { return };
    if target.resource != "certificatesigningrequests" || !matches!(request.verb.as_ref(), "get" | "delete") {
        return;
    }
    if let Some(certificate) = signed_certificate(request) {
        let id = &certificate.credential_id;
        facts.keys.push(cluster.credential_key(Role::Resource, id, Trust::VerifierObserved));
    }
}

/// A request that took effect.
struct Act<'a> {
    request: &'a Request<'a>,
    target: &'a Target<'a>,
    cluster: Cluster<'a>,
}

impl Act<'_> {
    fn token_issued(&self, facts: &mut Facts) {
        let Self { request, target, cluster } = *self;
        let annotated = &request.annotations.issued_credential_id;
        let id = if annotated.is_empty() {
            withheld_jti(request.body_returned.and_then(|body| body.path(&["status", "token"])))
        } else {
            Some(annotated.clone().into_owned())
        };
        if let Some(id) = &id {
            facts.keys.push(cluster.credential_key(Role::Issued, id, Trust::IssuerAsserted));
            facts.keys.extend(sign_in_elsewhere(id));
        }
        let ttl_seconds = request.result(&["spec", "expirationSeconds"]).and_then(seconds);
        let bound = request.result(&["spec", "boundObjectRef"]);
        let mut expires = request.result(&["status", "expirationTimestamp"]).and_then(moment);
        if ttl_seconds == Some(EXTENDED_TTL_SECONDS) && bound.is_some_and(|bound| is_kind(bound, "Pod")) {
            expires = None;
            facts.coverage_hints.push(CoverageHint::new(
                "expiry_extended",
                "a pod-bound token of 3607 s lives up to a year unless the API server is told otherwise; the end \
                 that the response states is not the token's",
            ));
        }
        let subject = self.service_account(&target.namespace, &target.name);
        if let Some(subject) = &subject {
            facts.keys.push(key_of(Role::Subject, &subject.uid));
        }
        if let Some(bound) = bound {
            self.add_bound_object(bound, facts);
        }
        if request.body_sent.is_none() && request.body_returned.is_none() {
            facts
                .coverage_hints
                .push(body_not_recorded(request, "audience, life and bound object of the token"));
        }
        let class = CredentialClass::Temporary;
        let credential = id.map(|id| Credential { uid: cluster.reference(CREDENTIAL, id), class });
        facts.effects.push(Effect {
            credential,
            subject,
            expires,
            ttl_seconds,
            ..Effect::new(EffectKind::Issue)
        });
    }

    /// `boundObjectRef`: the object with which the token ends.
    fn add_bound_object(&self, bound: Value<'_>, facts: &mut Facts) {
        let Self { target, cluster, .. } = *self;
        let (name, uid) = (text_at(bound, "name"), text_at(bound, "uid"));
        if is_kind(bound, "Pod") {
            if !uid.is_empty() {
                facts.keys.push(global_key(Role::Workload, POD, uid));
            }
            if !name.is_empty() {
                facts.keys.push(cluster.key(Role::Name, POD_NAME, format!("{}/{name}", target.namespace)));
            }
            return;
        }
        if is_kind(bound, "Node") && !name.is_empty() {
            facts.keys.push(cluster.key(Role::Workload, NODE, name));
        }
        if !uid.is_empty() {
            facts.keys.push(key_of(Role::Workload, &cluster.uid(&uid)));
        }
    }

    /// Whom the certificate would speak for, and how long it was asked to live: all that is left to tie its use to this
    /// request where no record shows the certificate. The moment is the request's: the certificate cannot be older.
    fn certificate_requested(&self, facts: &mut Facts) {
        let Self { request, cluster, .. } = *self;
        let asked = request.body(&["spec", "request"]).map(text);
        let Some(asked) = asked.as_deref().and_then(certificate::Subject::from_request) else {
            if request.body_sent.is_none() && request.body_returned.is_none() {
                facts.coverage_hints.push(body_not_recorded(request, "whom the certificate would speak for"));
            }
            return;
        };
        for group in asked.organizations {
            let group = cluster.key(Role::Name, GROUP, group);
            facts.keys.push(Key { trust: Trust::SelfAsserted, ..group });
        }
        let Some(name) = asked.common_name else { return };
        let user = User { username: name.into(), ..User::default() };
        let at = time(request).at;
        let listed = facts.keys.len();
        add_identity_keys(&user, Role::Subject, cluster, facts);
        for key in &mut facts.keys[listed..] {
            // Whoever asked wrote the name; the approval is somebody else's.
            key.trust = Trust::SelfAsserted;
            key.at = at;
        }
        if let Some(ttl_seconds) = request.body(&["spec", "expirationSeconds"]).and_then(seconds) {
            let subject = Some(identity(&user, cluster));
            let ttl_seconds = Some(ttl_seconds);
            facts.effects.push(Effect { subject, ttl_seconds, ..Effect::new(EffectKind::Expire) });
        }
    }

    fn certificate_issued(&self, facts: &mut Facts) {
        let Self { request, cluster, .. } = *self;
        let Some(certificate) = signed_certificate(request) else {
            if request.body_sent.is_none() && request.body_returned.is_none() {
                facts.coverage_hints.push(body_not_recorded(request, "the certificate, if one was signed"));
            }
            return;
        };
        let Certificate { credential_id, common_name, not_after } = certificate;
        facts.keys.push(cluster.credential_key(Role::Issued, &credential_id, Trust::IssuerAsserted));
        let user = common_name.map(|name| User { username: name.into(), ..User::default() });
        if let Some(user) = &user {
            add_identity_keys(user, Role::Subject, cluster, facts);
        }
        // What was asked for; the certificate itself, where it can be read, says what was given.
        let asked = || request.body(&["spec", "expirationSeconds"]).and_then(seconds);
        facts.effects.push(Effect {
            credential: Some(Credential {
                uid: cluster.reference(CREDENTIAL, credential_id),
                class: CredentialClass::Certificate,
            }),
            subject: user.map(|user| identity(&user, cluster)),
            expires: not_after,
            ttl_seconds: if not_after.is_none() { asked() } else { None },
            ..Effect::new(EffectKind::Issue)
        });
    }

    fn secret_created(&self, facts: &mut Facts) {
        let Self { request, target, cluster } = *self;
        if let Some(uid) = self.bootstrap_token() {
            facts.keys.push(cluster.key(Role::Issued, BOOTSTRAP_TOKEN, uid.value.clone()));
            let credential = Some(Credential { uid, class: CredentialClass::Temporary });
            facts.effects.push(Effect { credential, ..Effect::new(EffectKind::Issue) });
            return;
        }
        let Some(kind) = request.body(&["type"]) else {
            if request.body_sent.is_none() && request.body_returned.is_none() {
                facts.coverage_hints.push(body_not_recorded(request, "whether the Secret holds a token"));
            }
            return;
        };
        if !kind.is_text(TOKEN_SECRET_TYPE) {
            return;
        }
        let uid = self.token_secret();
        facts.keys.push(key_of(Role::Issued, &uid));
        let name = text_of(request.body(&["metadata", "annotations", SERVICE_ACCOUNT_ANNOTATION]));
        let subject = self.service_account(&target.namespace, &name);
        if let Some(subject) = &subject {
            facts.keys.push(key_of(Role::Subject, &subject.uid));
        }
        let credential = Some(Credential { uid, class: CredentialClass::LongLived });
        facts.effects.push(Effect { credential, subject, ..Effect::new(EffectKind::Issue) });
    }

    fn secret_changed(&self, facts: &mut Facts) {
        if self
            .request
            .body(&["metadata", "labels", INVALID_SINCE_LABEL])
            .is_none_or(|since| text(since).is_empty())
        {
            return;
        }
        let uid = self.token_secret();
        facts.keys.push(key_of(Role::Ended, &uid));
        let credential = Some(Credential { uid, class: CredentialClass::LongLived });
        facts.effects.push(Effect { credential, ..Effect::new(EffectKind::Disable) });
    }

    fn secret_deleted(&self, facts: &mut Facts) {
        let revoke = Effect::new(EffectKind::Revoke);
        if let Some(uid) = self.bootstrap_token() {
            facts.keys.push(key_of(Role::Ended, &uid));
            let credential = Some(Credential { uid, class: CredentialClass::Temporary });
            facts.effects.push(Effect { credential, ..revoke });
            return;
        }
        let uid = self.token_secret();
        if self.request.result(&["type"]).is_some_and(|kind| kind.is_text(TOKEN_SECRET_TYPE)) {
            facts.keys.push(key_of(Role::Ended, &uid));
            let credential = Some(Credential { uid, class: CredentialClass::LongLived });
            facts.effects.push(Effect { credential, ..revoke });
            return;
        }
        // The type is not on record, so this may or may not have been a token: the key says which Secret, not more.
        let selector = format!("tokens held by or bound to secret {}", uid.value);
        facts.keys.push(key_of(Role::Resource, &uid));
        facts.effects.push(Effect { selector: Some(selector), ..revoke });
    }

    /// One service account, pod, node or namespace, whose tokens end with it.
    fn holder_deleted(&self, facts: &mut Facts) {
        let Self { target, cluster, .. } = *self;
        let Target { namespace, name, .. } = target;
        let uid = self.deleted_uid();
        let mut revoke = Effect::new(EffectKind::Revoke);
        let selector = match target.resource.as_ref() {
            "serviceaccounts" => {
                revoke.subject = self.service_account(namespace, name);
                if let Some(subject) = &mut revoke.subject {
                    facts.keys.push(key_of(Role::Subject, &subject.uid));
                    if let Some(uid) = uid {
                        facts.keys.push(key_of(Role::Subject, &uid));
                        subject.uid = uid;
                    }
                }
                format!("tokens of service account {namespace}/{name}")
            }
            "pods" => {
                facts.keys.extend(uid.map(|uid| global_key(Role::Workload, POD, uid.value)));
                format!("tokens bound to pod {namespace}/{name}")
            }
            "nodes" => {
                facts.keys.push(cluster.key(Role::Workload, NODE, name.as_ref()));
                facts.keys.extend(uid.map(|uid| key_of(Role::Workload, &uid)));
                format!("tokens bound to node {name}")
            }
            _ => format!("tokens of every service account in namespace {name}"),
        };
        facts.effects.push(Effect { selector: Some(selector), ..revoke });
    }

    fn holders_deleted(&self, facts: &mut Facts) {
        let Target { namespace, resource, .. } = self.target;
        let place =
            if namespace.is_empty() { "the cluster".to_owned() } else { format!("namespace {namespace}") };
        let selector = format!("tokens of or bound to the {resource} in {place} that the request selected");
        facts.effects.push(Effect { selector: Some(selector), ..Effect::new(EffectKind::Revoke) });
    }

    /// A binding came, changed or went: what its subjects may do is another now.
    fn subjects_changed(&self, facts: &mut Facts) {
        let Self { request, cluster, .. } = *self;
        let mut named = false;
        for subject in request.result(&["subjects"]).into_iter().flat_map(Value::items) {
            let (namespace, name) = (text_at(subject, "namespace"), text_at(subject, "name"));
            let (subject, selector) = if is_kind(subject, "Group") {
                (None, Some(format!("members of group {name}")))
            } else if is_kind(subject, "ServiceAccount") {
                (self.service_account(&namespace, &name), None)
            } else {
                let user = User { username: name, ..User::default() };
                (Some(identity(&user, cluster)), None)
            };
            if let Some(subject) = &subject {
                facts.keys.push(key_of(Role::Subject, &subject.uid));
            }
            named = true;
            facts.effects.push(Effect { subject, selector, ..Effect::new(EffectKind::Scope) });
        }
        if !named {
            let selector = format!("subjects of {}", resource::rule_path(self.target));
            facts.effects.push(Effect { selector: Some(selector), ..Effect::new(EffectKind::Scope) });
        }
    }

    fn rules_changed(&self, facts: &mut Facts) {
        let selector = format!("holders of {}", resource::rule_path(self.target));
        facts.effects.push(Effect { selector: Some(selector), ..Effect::new(EffectKind::Scope) });
    }

    /// The public id in the name of a bootstrap token's Secret.
    fn bootstrap_token(&self) -> Option<KeyRef> {
        let Target { namespace, name, .. } = self.target;
        let id = name.strip_prefix(BOOTSTRAP_SECRET_PREFIX).filter(|_| namespace == "kube-system")?;
        Some(self.cluster.reference(BOOTSTRAP_TOKEN, id))
    }

    fn token_secret(&self) -> KeyRef {
        let Target { namespace, name, .. } = self.target;
        self.cluster.reference(TOKEN_SECRET, format!("{namespace}/{name}"))
    }

    fn service_account(&self, namespace: &str, name: &str) -> Option<Identity> {
        (!name.is_empty()).then(|| identity::of_service_account(namespace, name, self.cluster))
    }

    /// The uid of what was deleted: in the reference, in the answer, or as the condition of the deletion.
    fn deleted_uid(&self) -> Option<KeyRef> {
        let Self { request, target, cluster } = *self;
        if !target.uid.is_empty() {
            return Some(cluster.uid(&target.uid));
        }
        let answered = request.body_returned.filter(|body| !is_kind(*body, "Status"));
        let uid = answered
            .and_then(|body| body.path(&["metadata", "uid"]))
            .or_else(|| request.body_returned.and_then(|body| body.path(&["details", "uid"])))
            .or_else(|| request.body_sent.and_then(|body| body.path(&["preconditions", "uid"])))?;
        let uid = text(uid);
        (!uid.is_empty()).then(|| cluster.uid(&uid))
    }
}

/// The certificate of a signing request, where the record has the body.
fn signed_certificate(request: &Request<'_>) -> Option<Certificate> {
    let status = text(request.result(&["status", "certificate"])?);
    Certificate::from_status(&status)
}

/// The step of a sign-in to another system that the issue of a token is. Such a system knows the token's id, not the
/// cluster; an id that is a UUID is unique without it.
fn sign_in_elsewhere(credential_id: &str) -> Option<Key> {
    let id = credential_id.strip_prefix("JTI=").filter(|id| is_uuid(id));
    id.map(|_| Key { trust: Trust::IssuerAsserted, ..global_key(Role::Step, CREDENTIAL, credential_id) })
}

/// The id of a token that was withheld: the placeholder keeps it, because later records name the token by it.
fn withheld_jti(token: Option<Value<'_>>) -> Option<String> {
    match Placeholder::read(&text(token?))?.kept? {
        ("jti", id) => Some(format!("JTI={id}")),
        _ => None,
    }
}

fn is_kind(object: Value<'_>, kind: &str) -> bool {
    object.get("kind").is_some_and(|found| found.is_text(kind))
}

fn seconds(value: Value<'_>) -> Option<u64> {
    value.integer().and_then(|seconds| u64::try_from(seconds).ok())
}

fn moment(value: Value<'_>) -> Option<Timestamp> {
    Moment::read(&text(value)).ok().map(|moment| moment.at)
}

fn body_not_recorded(request: &Request<'_>, what: &str) -> CoverageHint {
    let level = if request.level.is_empty() { "unstated" } else { request.level.as_ref() };
    CoverageHint::new("body_not_recorded", &format!("audit level {level} does not show {what}"))
}
