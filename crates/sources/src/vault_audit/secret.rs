//! What is secret in an audit entry.
//!
//! A device hashes tokens and every string of `data` under a salt of its own, so most entries hold no secret. With
//! `log_raw`, and for names that a mount exempts from hashing, they do. Nothing in an entry says of a value whether it
//! was exempted because it is harmless, so a string that is not hashed is withheld, unless its name is one of those
//! that are no secret in any engine.

use super::place::{Engine, Place};
use super::record::text_of;
use crate::json::{Kind, Value};
use crate::secrets::Placeholder;
use crate::source::{SecretField, Transform};

/// Every rule, the one that keeps most first: a value is taken once.
pub(super) const SECRETS: &[SecretField] = &[
    secret(&["auth", "client_token"], "vault.token"),
    secret(&["request", "client_token"], "vault.token"),
    secret(&["response", "auth", "client_token"], "vault.token"),
    secret(&["response", "wrap_info", "token"], "vault.token"),
    // Said once more by name, for entries that are cut off.
    secret(&["request", "data", "secret_id"], "vault.data"),
    SecretField {
        transform: Transform::JwtId,
        when: Some(is_entry),
        ..secret(&["request", "data", "jwt"], "vault.login_token")
    },
    content(&["request", "data"]),
    content(&["response", "data"]),
    data(&["request", "data"]),
    data(&["response", "data"]),
    data(&["request", "supplemental_audit_data"]),
    data(&["response", "supplemental_audit_data"]),
    kmip(&["request", "data", "**", "value"]),
    kmip(&["response", "data", "**", "value"]),
];

/// What a key-value store keeps beside a secret (`kv/metadata`, version 2).
const VERSION_NAMES: &[&str] = &[
    "cas",
    "created_time",
    "current_version",
    "deletion_time",
    "max_versions",
    "oldest_version",
    "updated_time",
    "version",
];

/// Names in `data` whose values are no secret in any engine: identifiers, public keys, times and settings.
const HARMLESS_NAMES: &[&str] = &[
    "access_key",
    "accessor",
    "arn",
    "ca_chain",
    "certificate",
    "common_name",
    "creation_time",
    "csr",
    "display_name",
    "entity_id",
    "expire_time",
    "explicit_max_ttl",
    "issue_time",
    "issuing_ca",
    "key_id",
    "last_renewal",
    "lease_id",
    "log_raw",
    "max_ttl",
    "mount_accessor",
    "mount_type",
    "name",
    "path",
    "period",
    "policies",
    "private_key_type",
    "public_key",
    "role",
    "role_name",
    "secret_id_accessor",
    "serial_number",
    "signed_key",
    "token_policies",
    "token_type",
    "ttl",
    "type",
    "username",
];

/// Names of KMIP items that say what was asked and how it went.
const KMIP_HEADERS: &[&str] = &[
    "BatchCount",
    "ObjectType",
    "Operation",
    "ProtocolVersionMajor",
    "ProtocolVersionMinor",
    "ResultReason",
    "ResultStatus",
    "TimeStamp",
    "UniqueBatchItemID",
    "UniqueIdentifier",
];

const fn secret(path: &'static [&'static str], rule: &'static str) -> SecretField {
    SecretField { path, rule, transform: Transform::Nothing, when: None, beside: None, spares: None }
}

/// What somebody keeps in a store: numbers as well, which no device hashes.
const fn content(path: &'static [&'static str]) -> SecretField {
    SecretField {
        when: Some(holds_content),
        spares: Some(|name, _| VERSION_NAMES.contains(&name)),
        ..secret(path, "vault.secret_content")
    }
}

/// What goes into an engine or comes out of it.
const fn data(path: &'static [&'static str]) -> SecretField {
    SecretField {
        when: Some(holds_data),
        spares: Some(|name, value| value.kind() == Kind::Number || HARMLESS_NAMES.contains(&name)),
        ..secret(path, "vault.data")
    }
}

/// What KMIP items hold, besides those of the headers. An item may hold other items instead.
const fn kmip(path: &'static [&'static str]) -> SecretField {
    SecretField { when: Some(is_kmip), beside: Some(is_kmip_content), ..secret(path, "vault.data") }
}

pub(super) fn is_entry(event: Value<'_>) -> bool {
    let is = |stage: &str| event.get("type").is_some_and(|found| found.is_text(stage));
    if !is("request") && !is("response") {
        return false;
    }
    let Some(request) = event.get("request").filter(|request| request.kind() == Kind::Object) else {
        return false;
    };
    let has = |name: &str| request.get(name).is_some_and(|value| value.kind() == Kind::String);
    has("operation") || has("path") || event.get("auth").is_some_and(|auth| auth.kind() == Kind::Object)
}

pub(super) fn is_kmip(event: Value<'_>) -> bool {
    let is = |stage: &str| event.get("type").is_some_and(|found| found.is_text(stage));
    (is("kmip-request") || is("kmip-response"))
        && event.get("request").is_some_and(|request| request.kind() == Kind::Object)
}

fn is_kmip_content(item: Value<'_>) -> bool {
    // A tag that was withheld stood beside a value that was judged by it.
    let is_header = || {
        let tag = text_of(item.get("tag"));
        KMIP_HEADERS.contains(&tag.as_ref()) || Placeholder::read(&tag).is_some()
    };
    item.get("value").is_some_and(|value| matches!(value.kind(), Kind::String | Kind::Number)) && !is_header()
}

/// Key-value stores, and wrappings, which may hold the response of any engine.
fn holds_content(event: Value<'_>) -> bool {
    is_entry(event) && place(event, |place| place.engine == Engine::KeyValue || place.is_wrapping())
}

fn holds_data(event: Value<'_>) -> bool {
    is_entry(event) && !holds_content(event)
}

fn place(event: Value<'_>, decide: impl Fn(Place<'_>) -> bool) -> bool {
    let member = |path: &[&str]| text_of(event.path(path));
    let recorded = member(&["request", "mount_type"]);
    let kind = if recorded.is_empty() { member(&["response", "mount_type"]) } else { recorded };
    decide(Place::read(&member(&["request", "path"]), &member(&["request", "mount_point"]), &kind))
}
