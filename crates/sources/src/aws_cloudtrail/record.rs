//! The members of a CloudTrail event, found in one pass, and what several parts of the meaning need of them.
//!
//! Follows "CloudTrail record contents for management, data, and network activity events". It does not know what an
//! operation means.

use std::borrow::Cow;

use ascribe_model::{EventTime, Outcome, Status};

use super::{outcome, time};
use crate::Context;
use crate::json::{Kind, Value};

/// Scope of an event that names no account.
pub(super) const UNNAMED: &str = "unnamed";

/// The top-level members that carry meaning; `null` counts as absent.
#[derive(Default)]
pub(super) struct Fields<'t> {
    pub(super) addendum: Option<Value<'t>>,
    pub(super) additional_data: Option<Value<'t>>,
    pub(super) error_code: Option<Value<'t>>,
    pub(super) error_message: Option<Value<'t>>,
    pub(super) event_id: Option<Value<'t>>,
    pub(super) event_name: Option<Value<'t>>,
    pub(super) event_source: Option<Value<'t>>,
    pub(super) event_time: Option<Value<'t>>,
    pub(super) event_type: Option<Value<'t>>,
    pub(super) from_console: Option<Value<'t>>,
    pub(super) insight: Option<Value<'t>>,
    pub(super) is_digest: bool,
    pub(super) read_only: Option<Value<'t>>,
    pub(super) recipient: Option<Value<'t>>,
    pub(super) region: Option<Value<'t>>,
    pub(super) renamed_time: Option<Value<'t>>,
    pub(super) request: Option<Value<'t>>,
    pub(super) request_id: Option<Value<'t>>,
    pub(super) resources: Option<Value<'t>>,
    pub(super) response: Option<Value<'t>>,
    pub(super) service_details: Option<Value<'t>>,
    pub(super) shared_event_id: Option<Value<'t>>,
    pub(super) source_address: Option<Value<'t>>,
    pub(super) user_agent: Option<Value<'t>>,
    pub(super) user_identity: Option<Value<'t>>,
    pub(super) vpc_endpoint: Option<Value<'t>>,
}

/// One event, with what every part of its meaning needs.
pub(super) struct Act<'t> {
    pub(super) fields: Fields<'t>,
    /// `eventSource` without its domain: `sts`.
    pub(super) service: Cow<'t, str>,
    /// `eventName` as written.
    pub(super) operation: Cow<'t, str>,
    /// The account that received the event.
    pub(super) account: String,
    /// `awsRegion`.
    pub(super) region: Option<String>,
    pub(super) time: EventTime,
    pub(super) outcome: Outcome,
}

impl<'t> Fields<'t> {
    /// The members of `event`.
    pub(super) fn of(event: Value<'t>) -> Self {
        let mut fields = Self::default();
        for (name, value) in members(event) {
            if &*name == b"digestS3Object" {
                fields.is_digest = true;
            } else if &*name == b"insightDetails" {
                fields.insight = Some(value).filter(|value| value.kind() == Kind::Object);
            } else if let Some(field) = fields.named(&name) {
                *field = Some(value);
            }
        }
        fields
    }

    fn named(&mut self, name: &[u8]) -> Option<&mut Option<Value<'t>>> {
        Some(match name {
            b"addendum" => &mut self.addendum,
            b"additionalEventData" => &mut self.additional_data,
            b"errorCode" => &mut self.error_code,
            b"errorMessage" => &mut self.error_message,
            b"eventID" => &mut self.event_id,
            b"eventName" => &mut self.event_name,
            b"eventSource" => &mut self.event_source,
            b"eventTime" => &mut self.event_time,
            b"eventType" => &mut self.event_type,
            b"sessionCredentialFromConsole" => &mut self.from_console,
            b"readOnly" => &mut self.read_only,
            b"recipientAccountId" => &mut self.recipient,
            b"awsRegion" => &mut self.region,
            b"@timestamp" => &mut self.renamed_time,
            b"requestParameters" => &mut self.request,
            b"requestID" => &mut self.request_id,
            b"resources" => &mut self.resources,
            b"responseElements" => &mut self.response,
            b"serviceEventDetails" => &mut self.service_details,
            b"sharedEventID" => &mut self.shared_event_id,
            b"sourceIPAddress" => &mut self.source_address,
            b"userAgent" => &mut self.user_agent,
            b"userIdentity" => &mut self.user_identity,
            b"vpcEndpointId" => &mut self.vpc_endpoint,
            _ => return None,
        })
    }
}

impl<'t> Act<'t> {
    /// Reads what the parts of the meaning share.
    pub(super) fn read(event: Value<'t>, context: &Context<'_>) -> Self {
        let fields = Fields::of(event);
        let full = fields.event_source.and_then(Value::text).unwrap_or_default();
        let service = match full {
            Cow::Borrowed(text) => Cow::Borrowed(short_service(text)),
            Cow::Owned(text) => Cow::Owned(short_service(&text).to_owned()),
        };
        let operation = fields.event_name.and_then(Value::text).unwrap_or_default();
        let account = text(fields.recipient)
            .or_else(|| text(fields.user_identity?.get("accountId")))
            .or_else(|| context.scope.map(str::to_owned))
            .unwrap_or_else(|| UNNAMED.to_owned());
        Self {
            account,
            region: text(fields.region),
            time: time::event_time(fields.event_time, fields.renamed_time),
            outcome: outcome::outcome(&fields, &service, &operation),
            fields,
            service,
            operation,
        }
    }

    /// A value of `requestParameters`.
    pub(super) fn request(&self, path: &[&str]) -> Option<Value<'t>> {
        self.fields.request?.path(path)
    }

    /// A value of `responseElements`.
    pub(super) fn response(&self, path: &[&str]) -> Option<Value<'t>> {
        self.fields.response?.path(path)
    }

    /// The operation without the version that Lambda and CloudFront put behind it: `Invoke` of `Invoke20150331v2`.
    pub(super) fn base_operation(&self) -> &str {
        base_operation(&self.operation)
    }

    /// Whether the act was done.
    pub(super) fn succeeded(&self) -> bool {
        self.outcome.status == Status::Success
    }

    /// Where names of regional resources are unique.
    pub(super) fn place(&self) -> String {
        match &self.region {
            Some(region) => format!("{}/{region}", self.account),
            None => self.account.clone(),
        }
    }
}

/// The members of an object that are not `null`. Names are compared as bytes: nearly none needs decoding, and this is
/// the path of every record.
pub(super) fn members(object: Value<'_>) -> impl Iterator<Item = (Cow<'_, [u8]>, Value<'_>)> {
    object.member_nodes().filter(|(_, value)| value.kind() != Kind::Null).map(|(name, value)| {
        if !name.is_escaped() {
            return (Cow::Borrowed(name.content()), value);
        }
        (Cow::Owned(name.text().unwrap_or_default().into_owned().into_bytes()), value)
    })
}

/// A string that says something.
pub(super) fn text(value: Option<Value<'_>>) -> Option<String> {
    value.and_then(Value::non_empty)
}

/// A count that some exports write as a string.
pub(super) fn count(value: Option<Value<'_>>) -> Option<u64> {
    let value = value?;
    match value.integer() {
        Some(number) => u64::try_from(number).ok(),
        None => value.text()?.parse().ok(),
    }
}

fn short_service(source: &str) -> &str {
    source.strip_suffix(".amazonaws.com").unwrap_or(source)
}

/// A date of at least eight digits, with or without underscores, and perhaps `v2` behind it.
fn base_operation(name: &str) -> &str {
    let without_revision = match name.rsplit_once('v') {
        Some((head, revision))
            if !revision.is_empty() && revision.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            head
        }
        _ => name,
    };
    let base = without_revision.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '_');
    if without_revision.len() - base.len() >= 8 { base } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_behind_the_operation_is_left_out() {
        for (name, base) in [
            ("Invoke20150331", "Invoke"),
            ("UpdateFunctionCode20150331v2", "UpdateFunctionCode"),
            ("CreateFunction2020_05_31", "CreateFunction"),
            ("GetFunctionUrlConfig", "GetFunctionUrlConfig"),
            ("ListObjectsV2", "ListObjectsV2"),
            ("Decrypt", "Decrypt"),
            ("Approv2", "Approv2"),
            ("", ""),
        ] {
            assert_eq!(base_operation(name), base, "{name}");
        }
    }
}
