//! One audit record as the API server wrote it: the members of `audit.k8s.io/v1` `Event`, found in one pass.
//!
//! It names fields and nothing more: what they mean is in the files beside it.

use std::borrow::Cow;

use crate::json::Value;

/// One request at one stage.
#[derive(Default)]
pub(super) struct Request<'a> {
    pub level: Cow<'a, str>,
    pub audit_id: Cow<'a, str>,
    pub stage: Cow<'a, str>,
    pub uri: Cow<'a, str>,
    pub verb: Cow<'a, str>,
    pub user: User<'a>,
    pub impersonated: Option<User<'a>>,
    /// `impersonate:…`: the verb that constrained impersonation was authorised with.
    pub impersonation_constraint: Cow<'a, str>,
    pub source_addresses: Option<Value<'a>>,
    pub user_agent: Option<Value<'a>>,
    /// Absent on requests for a path that is no resource, such as `/healthz`.
    pub target: Option<Target<'a>>,
    pub response: Response<'a>,
    /// Present from level `Request` on.
    pub body_sent: Option<Value<'a>>,
    /// Present at level `RequestResponse`.
    pub body_returned: Option<Value<'a>>,
    pub received: Option<Value<'a>>,
    /// The time of `v1alpha1` and `v1beta1`, in whole seconds.
    pub old_time: Option<Value<'a>>,
    pub stage_time: Option<Value<'a>>,
    pub annotations: Annotations<'a>,
}

/// `user` and `impersonatedUser`.
#[derive(Default)]
pub(super) struct User<'a> {
    pub username: Cow<'a, str>,
    pub uid: Cow<'a, str>,
    pub groups: Option<Value<'a>>,
    pub extra: Extra<'a>,
}

/// What authenticators add to a user. Each is a list of strings, of which all known writers fill one.
#[derive(Default)]
pub(super) struct Extra<'a> {
    pub credential_id: Cow<'a, str>,
    pub pod_name: Cow<'a, str>,
    pub pod_uid: Cow<'a, str>,
    pub node_name: Cow<'a, str>,
    pub node_uid: Cow<'a, str>,
    /// The AWS access key that signed the token, from the IAM authenticator of EKS.
    pub access_key_id: Cow<'a, str>,
    pub arn: Cow<'a, str>,
    pub canonical_arn: Cow<'a, str>,
    pub principal_id: Cow<'a, str>,
    pub session_name: Cow<'a, str>,
}

/// `objectRef`.
#[derive(Default)]
pub(super) struct Target<'a> {
    /// API group; empty for the core group.
    pub group: Cow<'a, str>,
    pub resource: Cow<'a, str>,
    pub subresource: Cow<'a, str>,
    pub namespace: Cow<'a, str>,
    pub name: Cow<'a, str>,
    pub uid: Cow<'a, str>,
}

/// `responseStatus`.
#[derive(Default)]
pub(super) struct Response<'a> {
    pub code: Option<i64>,
    pub status: Cow<'a, str>,
    pub reason: Cow<'a, str>,
    pub message: Cow<'a, str>,
}

/// The annotations that say something of authority or credentials.
#[derive(Default)]
pub(super) struct Annotations<'a> {
    pub decision: Cow<'a, str>,
    pub reason: Cow<'a, str>,
    /// `JTI=…` of a token that this request issued.
    pub issued_credential_id: Cow<'a, str>,
    /// The Secret whose token was used, by name; it is in the namespace of the service account.
    pub legacy_secret: Cow<'a, str>,
    /// `<secret>/<namespace>` of a token that is marked invalid and was presented all the same.
    pub invalidated_secret: Cow<'a, str>,
    /// A token is used after the end that was asked for, because the API server extended it.
    pub stale_token: Cow<'a, str>,
    /// Bodies were cut off because the record was too long.
    pub truncated: bool,
    /// Everything that admission wrote, by annotation.
    pub admission: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Request<'a> {
    pub fn read(event: Value<'a>) -> Self {
        let mut request = Self::default();
        for (name, value) in event.members() {
            match name.as_ref() {
                "level" => request.level = text(value),
                "auditID" => request.audit_id = text(value),
                "stage" => request.stage = text(value),
                "requestURI" => request.uri = text(value),
                "verb" => request.verb = text(value),
                "user" => request.user = User::read(value),
                "impersonatedUser" => request.impersonated = User::present(value),
                "authenticationMetadata" => {
                    request.impersonation_constraint = text_at(value, "impersonationConstraint");
                }
                "sourceIPs" => request.source_addresses = Some(value),
                "userAgent" => request.user_agent = Some(value),
                "objectRef" => request.target = Target::present(value),
                "responseStatus" => request.response = Response::read(value),
                "requestObject" => request.body_sent = Some(value),
                "responseObject" => request.body_returned = Some(value),
                "requestReceivedTimestamp" => request.received = Some(value),
                "timestamp" => request.old_time = Some(value),
                "stageTimestamp" => request.stage_time = Some(value),
                "annotations" => request.annotations = Annotations::read(value),
                _ => {}
            }
        }
        request.name_what_was_generated();
        request
    }

    /// Whether the request asked for a rehearsal: it passes admission and nothing is stored.
    pub fn is_dry_run(&self) -> bool {
        let in_uri = self
            .uri
            .split_once('?')
            .is_some_and(|(_, query)| query.split('&').any(|part| part == "dryRun=All"));
        let in_options = || {
            let options = self.body_sent.and_then(|body| body.get("dryRun"));
            options.is_some_and(|list| list.items().any(|item| item.is_text("All")))
        };
        in_uri || in_options()
    }

    /// A member of the request's body or, where the request has none, of the response's.
    pub fn body(&self, names: &[&str]) -> Option<Value<'a>> {
        let of = |body: Option<Value<'a>>| body.and_then(|body| body.path(names));
        of(self.body_sent).or_else(|| of(self.body_returned))
    }

    /// A member of the response's body or, where the response has none, of the request's.
    pub fn result(&self, names: &[&str]) -> Option<Value<'a>> {
        let of = |body: Option<Value<'a>>| body.and_then(|body| body.path(names));
        of(self.body_returned).or_else(|| of(self.body_sent))
    }

    /// An object created with `generateName` has no name in `objectRef`: only the response shows it.
    fn name_what_was_generated(&mut self) {
        let Some(metadata) = self.body_returned.and_then(|body| body.get("metadata")) else { return };
        let Some(target) = &mut self.target else { return };
        if self.verb == "create" && target.subresource.is_empty() {
            if target.name.is_empty() {
                target.name = text_at(metadata, "name");
            }
            if target.uid.is_empty() {
                target.uid = text_at(metadata, "uid");
            }
        }
    }
}

impl<'a> User<'a> {
    pub fn read(user: Value<'a>) -> Self {
        let mut read = Self::default();
        for (name, value) in user.members() {
            match name.as_ref() {
                "username" => read.username = text(value),
                "uid" => read.uid = text(value),
                "groups" => read.groups = Some(value),
                "extra" => read.extra = Extra::read(value),
                _ => {}
            }
        }
        read
    }

    fn present(user: Value<'a>) -> Option<Self> {
        let user = Self::read(user);
        (!user.username.is_empty()).then_some(user)
    }

    pub fn is_in_group(&self, group: &str) -> bool {
        self.groups.is_some_and(|groups| groups.items().any(|name| name.is_text(group)))
    }
}

impl<'a> Extra<'a> {
    fn read(extra: Value<'a>) -> Self {
        let mut read = Self::default();
        for (name, value) in extra.members() {
            let field = match (own_part(&name), name.as_ref()) {
                (Some("credential-id"), _) => &mut read.credential_id,
                (Some("pod-name"), _) => &mut read.pod_name,
                (Some("pod-uid"), _) => &mut read.pod_uid,
                (Some("node-name"), _) => &mut read.node_name,
                (Some("node-uid"), _) => &mut read.node_uid,
                (None, "accessKeyId") => &mut read.access_key_id,
                (None, "arn") => &mut read.arn,
                (None, "canonicalArn") => &mut read.canonical_arn,
                (None, "principalId") => &mut read.principal_id,
                (None, "sessionName") => &mut read.session_name,
                _ => continue,
            };
            // Some exports write a list of one as the one.
            *field = text(value.index(0).unwrap_or(value));
        }
        read
    }
}

/// The rest of an `extra` name that has Kubernetes' own prefix, also as exports that allow no `/` spell it. A name
/// with another prefix is never taken for one of these: anybody may define it.
fn own_part(name: &str) -> Option<&str> {
    const PREFIXES: [&str; 2] = ["authentication.kubernetes.io/", "authentication_kubernetes_io_slash_"];
    PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix))
}

impl<'a> Target<'a> {
    fn present(reference: Value<'a>) -> Option<Self> {
        let mut read = Self::default();
        let mut version = Cow::default();
        for (name, value) in reference.members() {
            match name.as_ref() {
                "apiGroup" => read.group = text(value),
                "apiVersion" => version = text(value),
                "resource" => read.resource = text(value),
                "subresource" => read.subresource = text(value),
                "namespace" => read.namespace = text(value),
                "name" => read.name = text(value),
                "uid" => read.uid = text(value),
                _ => {}
            }
        }
        // `v1alpha1` wrote `group/version` here; later versions write the group apart.
        if read.group.is_empty()
            && let Some((group, _)) = version.split_once('/')
        {
            read.group = Cow::Owned(group.to_owned());
        }
        (!read.resource.is_empty()).then_some(read)
    }
}

impl<'a> Response<'a> {
    fn read(status: Value<'a>) -> Self {
        Self {
            code: status.get("code").and_then(Value::integer),
            status: text_at(status, "status"),
            reason: text_at(status, "reason"),
            message: text_at(status, "message"),
        }
    }
}

impl<'a> Annotations<'a> {
    fn read(annotations: Value<'a>) -> Self {
        let mut read = Self::default();
        for (name, value) in annotations.members() {
            match name.as_ref() {
                "authorization.k8s.io/decision" => read.decision = text(value),
                "authorization.k8s.io/reason" => read.reason = text(value),
                // Kubernetes 1.29 wrote the second name, every later version the first.
                "authentication.kubernetes.io/issued-credential-id"
                | "authentication.k8s.io/issued-credential-id" => read.issued_credential_id = text(value),
                "authentication.k8s.io/legacy-token-manual-secret"
                | "authentication.k8s.io/legacy-token-autogenerated-secret" => {
                    read.legacy_secret = text(value);
                }
                "authentication.k8s.io/legacy-token-invalidated" => read.invalidated_secret = text(value),
                "authentication.k8s.io/stale-token" => read.stale_token = text(value),
                "audit.k8s.io/truncated" => read.truncated = value.is_text("true"),
                other if is_admission(other) => read.admission.push((name, text(value))),
                _ => {}
            }
        }
        read
    }
}

fn is_admission(annotation: &str) -> bool {
    annotation.starts_with("pod-security.kubernetes.io/")
        || annotation.split_once('/').is_some_and(|(domain, _)| domain.ends_with("admission.k8s.io"))
}

/// The text of a string; empty on other kinds.
pub(super) fn text(value: Value<'_>) -> Cow<'_, str> {
    value.text().unwrap_or_default()
}

/// The text of a member; empty where there is none.
pub(super) fn text_at<'a>(value: Value<'a>, name: &str) -> Cow<'a, str> {
    value.get(name).map(text).unwrap_or_default()
}

/// The text of an optional value; empty where there is none.
pub(super) fn text_of(value: Option<Value<'_>>) -> Cow<'_, str> {
    value.map(text).unwrap_or_default()
}
