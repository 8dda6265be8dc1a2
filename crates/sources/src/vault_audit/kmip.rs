//! Entries of the KMIP engine of Vault Enterprise: requests in the Key Management Interoperability Protocol, which come
//! over a connection of their own with a client certificate, and have neither a token nor a path.
//!
//! Operations and results are numbered as in OASIS KMIP 1.4, §9.1.3. What an item holds is not read.

use ascribe_model::{Api, Outcome, Status, Verb};

use super::record::{Operation, text_of};
use crate::json::Value;

/// Operations by number, from 1 on.
const OPERATIONS: [&str; 39] = [
    "Create",
    "CreateKeyPair",
    "Register",
    "ReKey",
    "DeriveKey",
    "Certify",
    "ReCertify",
    "Locate",
    "Check",
    "Get",
    "GetAttributes",
    "GetAttributeList",
    "AddAttribute",
    "ModifyAttribute",
    "DeleteAttribute",
    "ObtainLease",
    "GetUsageAllocation",
    "Activate",
    "Revoke",
    "Destroy",
    "Archive",
    "Recover",
    "Validate",
    "Query",
    "Cancel",
    "Poll",
    "Notify",
    "Put",
    "ReKeyKeyPair",
    "DiscoverVersions",
    "Encrypt",
    "Decrypt",
    "Sign",
    "SignatureVerify",
    "MAC",
    "MACVerify",
    "RNGRetrieve",
    "RNGSeed",
    "Hash",
];

const SUCCESS: u32 = 0;
const PENDING: u32 = 2;
/// The reason of a refusal.
const PERMISSION_DENIED: u32 = 0x0c;

/// The operations of a batch in the words of the protocol.
pub(super) fn api(operation: &Operation<'_>) -> Api {
    let numbers = numbers(operation.request.data, "Operation");
    let names: Vec<_> = numbers.into_iter().map(name).collect();
    let names = if names.is_empty() { "unstated".to_owned() } else { names.join(", ") };
    Api { operation: names, service: "kmip".to_owned() }
}

/// The class of the first operation; the others of a batch are in the operation's name.
pub(super) fn verb(operation: &Operation<'_>) -> Verb {
    let number = numbers(operation.request.data, "Operation").into_iter().next();
    match number.map(name).as_deref() {
        Some("Get" | "Decrypt") => Verb::SecretRead,
        Some("Create" | "CreateKeyPair" | "Register" | "DeriveKey" | "Put") => Verb::Create,
        Some("Certify" | "ReCertify") => Verb::Delegate,
        Some("Destroy") => Verb::Delete,
        Some(
            "Activate" | "Revoke" | "ReKey" | "ReKeyKeyPair" | "Archive" | "Recover" | "AddAttribute"
            | "ModifyAttribute" | "DeleteAttribute",
        ) => Verb::Admin,
        Some(
            "Encrypt" | "Sign" | "SignatureVerify" | "MAC" | "MACVerify" | "RNGRetrieve" | "RNGSeed" | "Hash",
        ) => Verb::Exec,
        Some(
            "Locate" | "Check" | "GetAttributes" | "GetAttributeList" | "Query" | "DiscoverVersions"
            | "Validate" | "Poll",
        ) => Verb::Read,
        _ => Verb::Unknown,
    }
}

/// A batch succeeded where all of its operations did.
pub(super) fn outcome(operation: &Operation<'_>) -> Outcome {
    let results = numbers(operation.response.data, "ResultStatus");
    let reasons = numbers(operation.response.data, "ResultReason");
    let status = if !operation.is_response() {
        Status::Pending
    } else if reasons.contains(&PERMISSION_DENIED) {
        Status::Denied
    } else if results.is_empty() {
        Status::Unknown
    } else if results.iter().all(|result| *result == SUCCESS) {
        Status::Success
    } else if results.iter().all(|result| matches!(*result, SUCCESS | PENDING)) {
        Status::Pending
    } else {
        Status::Failure
    };
    let status_code = reasons.first().map(|reason| format!("0x{reason:08x}"));
    Outcome { status, status_code, status_detail: None }
}

fn name(number: u32) -> String {
    let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    match index.and_then(|index| OPERATIONS.get(index)) {
        Some(name) => (*name).to_owned(),
        None => format!("operation 0x{number:08x}"),
    }
}

/// The values of all items with a tag, in the order written.
fn numbers(data: Option<Value<'_>>, tag: &str) -> Vec<u32> {
    let items = data.into_iter().flat_map(Value::subtree);
    let tagged = items.filter(|item| item.get("tag").is_some_and(|found| found.is_text(tag)));
    let values = tagged.map(|item| text_of(item.get("value")));
    values.filter_map(|value| u32::from_str_radix(value.strip_prefix("0x")?, 16).ok()).collect()
}
