//! One audit entry as a device wrote it: the members of `AuditRequestEntry` and `AuditResponseEntry` in the `audit`
//! packages of OpenBao and Vault, found in one pass.
//!
//! It names fields and nothing more: what they mean is in the files beside it.

use std::borrow::Cow;

use ascribe_model::Timestamp;

use crate::json::{Kind, Value};
use crate::moment::Moment;

/// The entry of a request, written before it is handled, or of its response.
#[derive(Default)]
pub(super) struct Operation<'a> {
    /// `request` or `response`; Vault Enterprise also writes `kmip-request` and `kmip-response`.
    pub stage: Cow<'a, str>,
    pub time: Option<Value<'a>>,
    /// Where a collector moved the time.
    pub renamed_time: Option<Value<'a>>,
    pub error: Cow<'a, str>,
    /// The node that passed the request on; only entries of requests have it.
    pub forwarded_from: Cow<'a, str>,
    /// Whether another node passed the request on; only entries of responses have it.
    pub forwarded: bool,
    /// The token with which the request was made. In the response to a login, the token that it gave.
    pub auth: Auth<'a>,
    pub request: Request<'a>,
    pub response: Response<'a>,
}

/// `auth` and `response.auth`: a token, and for whom it was issued.
#[derive(Default)]
pub(super) struct Auth<'a> {
    pub accessor: Cow<'a, str>,
    pub client_token: Cow<'a, str>,
    pub display_name: Cow<'a, str>,
    pub entity_id: Cow<'a, str>,
    pub metadata: Option<Value<'a>>,
    pub policies: Option<Value<'a>>,
    pub policy_results: Option<Value<'a>>,
    pub token_type: Cow<'a, str>,
    /// Seconds; left out where it is zero, which means no end.
    pub token_ttl: Option<u64>,
    pub token_issue_time: Option<Timestamp>,
}

/// `request`.
#[derive(Default)]
pub(super) struct Request<'a> {
    pub id: Cow<'a, str>,
    pub operation: Cow<'a, str>,
    /// Relative to the namespace.
    pub path: Cow<'a, str>,
    pub mount_point: Cow<'a, str>,
    pub mount_type: Cow<'a, str>,
    pub client_token: Cow<'a, str>,
    pub client_token_accessor: Cow<'a, str>,
    /// Path of the namespace with a slash at its end; empty for the root namespace.
    pub namespace: Cow<'a, str>,
    pub data: Option<Value<'a>>,
    pub headers: Option<Value<'a>>,
    pub remote_address: Cow<'a, str>,
    pub policy_override: bool,
    /// Decimal.
    pub certificate_serial: Cow<'a, str>,
}

/// `response`.
#[derive(Default)]
pub(super) struct Response<'a> {
    pub auth: Option<Auth<'a>>,
    pub lease_id: Cow<'a, str>,
    pub wrap: Option<Wrap<'a>>,
    pub data: Option<Value<'a>>,
    pub mount_type: Cow<'a, str>,
}

/// `response.wrap_info`: a token that holds the response, and may be used once.
#[derive(Default)]
pub(super) struct Wrap<'a> {
    pub token: Cow<'a, str>,
    pub accessor: Cow<'a, str>,
    /// Accessor of the token inside, where the response was a token.
    pub wrapped_accessor: Cow<'a, str>,
    pub creation_path: Cow<'a, str>,
    pub creation_time: Option<Timestamp>,
    /// Seconds.
    pub ttl: Option<u64>,
}

impl<'a> Operation<'a> {
    pub fn read(event: Value<'a>) -> Self {
        let mut operation = Self::default();
        for (name, value) in event.members() {
            match name.as_ref() {
                "type" => operation.stage = text(value),
                "time" => operation.time = Some(value),
                "@timestamp" => operation.renamed_time = Some(value),
                "error" => operation.error = text(value),
                "forwarded_from" => operation.forwarded_from = text(value),
                "forwarded" => operation.forwarded = value.truth() == Some(true),
                "auth" => operation.auth = Auth::read(value),
                "request" => operation.request = Request::read(value),
                "response" => operation.response = Response::read(value),
                _ => {}
            }
        }
        operation
    }

    pub fn is_response(&self) -> bool {
        self.stage.ends_with("response")
    }

    /// A member of what was sent.
    pub fn sent(&self, name: &str) -> Option<Value<'a>> {
        self.request.data?.get(name)
    }

    /// A member of what was answered.
    pub fn answered(&self, name: &str) -> Option<Value<'a>> {
        self.response.data?.get(name)
    }
}

impl<'a> Auth<'a> {
    fn read(value: Value<'a>) -> Self {
        let mut auth = Self::default();
        for (name, value) in value.members() {
            match name.as_ref() {
                "accessor" => auth.accessor = text(value),
                "client_token" => auth.client_token = text(value),
                "display_name" => auth.display_name = text(value),
                "entity_id" => auth.entity_id = text(value),
                "metadata" => auth.metadata = Some(value),
                "policies" => auth.policies = Some(value),
                "policy_results" => auth.policy_results = Some(value),
                "token_type" => auth.token_type = text(value),
                "token_ttl" => auth.token_ttl = seconds(value),
                "token_issue_time" => auth.token_issue_time = moment(value),
                _ => {}
            }
        }
        auth
    }

    /// A text that the auth method recorded of whom it let in.
    pub fn metadata(&self, name: &str) -> Cow<'a, str> {
        text_of(self.metadata.and_then(|metadata| metadata.get(name)))
    }

    /// When the token ends, as far as the entry states both its issue and its life.
    pub fn expires(&self) -> Option<Timestamp> {
        after(self.token_issue_time?, self.token_ttl?)
    }

    pub fn has_policy(&self, name: &str) -> bool {
        self.policies.into_iter().flat_map(Value::items).any(|policy| policy.is_text(name))
    }
}

impl<'a> Request<'a> {
    fn read(value: Value<'a>) -> Self {
        let mut request = Self::default();
        for (name, value) in value.members() {
            match name.as_ref() {
                "id" => request.id = text(value),
                "operation" => request.operation = text(value),
                "path" => request.path = text(value),
                "mount_point" => request.mount_point = text(value),
                "mount_type" => request.mount_type = text(value),
                "client_token" => request.client_token = text(value),
                "client_token_accessor" => request.client_token_accessor = text(value),
                "namespace" => request.namespace = text_of(value.get("path")),
                "data" => request.data = object(value),
                "headers" => request.headers = object(value),
                "remote_address" => request.remote_address = text(value),
                "policy_override" => request.policy_override = value.truth() == Some(true),
                "client_certificate_serial_number" => request.certificate_serial = text(value),
                _ => {}
            }
        }
        request
    }
}

impl<'a> Response<'a> {
    fn read(value: Value<'a>) -> Self {
        let mut response = Self::default();
        for (name, value) in value.members() {
            match name.as_ref() {
                "auth" => response.auth = object(value).map(Auth::read),
                "secret" => response.lease_id = text_of(value.get("lease_id")),
                "wrap_info" => response.wrap = object(value).map(Wrap::read),
                "data" => response.data = object(value),
                "mount_type" => response.mount_type = text(value),
                _ => {}
            }
        }
        response
    }
}

impl<'a> Wrap<'a> {
    fn read(value: Value<'a>) -> Self {
        let mut wrap = Self::default();
        for (name, value) in value.members() {
            match name.as_ref() {
                "token" => wrap.token = text(value),
                "accessor" => wrap.accessor = text(value),
                "wrapped_accessor" => wrap.wrapped_accessor = text(value),
                "creation_path" => wrap.creation_path = text(value),
                "creation_time" => wrap.creation_time = moment(value),
                "ttl" => wrap.ttl = seconds(value),
                _ => {}
            }
        }
        wrap
    }
}

/// The moment `seconds` after another; `None` outside of what can be expressed.
pub(super) fn after(at: Timestamp, seconds: u64) -> Option<Timestamp> {
    let nanoseconds = i64::try_from(seconds).ok()?.checked_mul(1_000_000_000)?;
    at.nanoseconds().checked_add(nanoseconds).map(Timestamp::from_nanoseconds)
}

/// A length of time in whole seconds; `None` where it is not one, or zero, which stands for no end.
pub(super) fn seconds(value: Value<'_>) -> Option<u64> {
    value.integer().and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0)
}

/// The text of a string; empty on other kinds.
pub(super) fn text(value: Value<'_>) -> Cow<'_, str> {
    value.text().unwrap_or_default()
}

/// The text of a string that may be missing.
pub(super) fn text_of(value: Option<Value<'_>>) -> Cow<'_, str> {
    value.map(text).unwrap_or_default()
}

/// A copy of a text that says something.
pub(super) fn owned(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn moment(value: Value<'_>) -> Option<Timestamp> {
    Moment::read(&text(value)).ok().map(|moment| moment.at)
}

/// Older versions write `null` where there is nothing.
fn object(value: Value<'_>) -> Option<Value<'_>> {
    (value.kind() == Kind::Object).then_some(value)
}
