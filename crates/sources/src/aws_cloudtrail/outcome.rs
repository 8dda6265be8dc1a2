//! How the act ended, and which policy refused it.
//!
//! CloudTrail has no field for "refused": `errorCode` is the service's own, and only the words of `errorMessage` name
//! the type of policy, since 2025 also its ARN ("Troubleshoot access denied error messages" in the IAM User Guide).

use ascribe_model::{Authority, AuthorityBasis, AuthorityKind, Decision, Outcome, Status};

use super::record::{Fields, text};
use crate::json::{Kind, Value};

/// A policy's type as error messages name it, and what sort of authority it is.
const POLICY_TYPES: [(&str, AuthorityKind); 9] = [
    ("assume role policy", AuthorityKind::Policy),
    ("identity-based policy", AuthorityKind::Policy),
    ("permissions boundary", AuthorityKind::Policy),
    ("resource control policy", AuthorityKind::OrganizationPolicy),
    ("resource-based policy", AuthorityKind::Policy),
    ("role trust policy", AuthorityKind::Policy),
    ("service control policy", AuthorityKind::OrganizationPolicy),
    ("session policy", AuthorityKind::SessionPolicy),
    ("VPC endpoint policy", AuthorityKind::Policy),
];

/// Codes for a caller who was not accepted, without `Client.` before and `Exception` behind.
const REFUSALS: [&str; 15] = [
    "AuthFailure",
    "AuthorizationError",
    "ExpiredToken",
    "ExpiredTokenId",
    "Forbidden",
    "IDPRejectedClaim",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidIdentityToken",
    "InvalidToken",
    "MissingAuthenticationToken",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClient",
];

/// How the act ended.
pub(super) fn outcome(fields: &Fields<'_>, service: &str, operation: &str) -> Outcome {
    let status_code = text(fields.error_code);
    let status_detail = text(fields.error_message);
    let status = match &status_code {
        // An anomaly in the volume of calls is not an act.
        _ if fields.insight.is_some() => Status::Unknown,
        Some(code) if is_refusal(code) => Status::Denied,
        Some(_) => Status::Failure,
        // Whatever stands there in place of a code, it is no evidence of success.
        None if is_not_text(fields.error_code) || is_not_text(fields.error_message) => Status::Unknown,
        None => stated_result(fields, service, operation).unwrap_or(if status_detail.is_some() {
            Status::Failure
        } else {
            Status::Success
        }),
    };
    Outcome { status, status_code, status_detail }
}

/// The authority that an error message names; one of unstated kind where it names none.
pub(super) fn refusal(outcome: &Outcome) -> Authority {
    let reason = outcome.status_detail.as_deref().and_then(reason);
    let (kind, uid, basis, detail) = match reason {
        None => (AuthorityKind::Unstated, String::new(), AuthorityBasis::Absent, None),
        Some(Reason { kind, policy, arn: Some(arn), words }) => {
            (kind, arn.to_owned(), AuthorityBasis::Recorded, Some(format!("{policy}: {words}")))
        }
        Some(Reason { kind, policy, arn: None, words }) => {
            (kind, policy.to_owned(), AuthorityBasis::Inferred, Some(words.to_owned()))
        }
    };
    Authority { kind, uid, decision: Decision::Deny, basis, detail }
}

/// What an error message says of the policy that refused.
#[derive(Debug, PartialEq, Eq)]
struct Reason<'a> {
    kind: AuthorityKind,
    policy: &'static str,
    arn: Option<&'a str>,
    words: &'a str,
}

/// Reads `… with an explicit deny in a service control policy[: ARN]` and `… because no identity-based policy
/// allows the … action`. The words in front hold names that the caller chose, so the last such phrase counts.
fn reason(message: &str) -> Option<Reason<'_>> {
    let lower = message.to_ascii_lowercase();
    let start = ["with an explicit deny in ", "due to an explicit deny in ", "denied due to ", "because no "]
        .iter()
        .filter_map(|phrase| lower.rfind(phrase))
        .max()?;
    let words = &message[start..];
    let (at, policy, kind) = POLICY_TYPES
        .iter()
        .filter_map(|(policy, kind)| {
            Some((lower[start..].find(&policy.to_ascii_lowercase())?, *policy, *kind))
        })
        .min_by_key(|(at, ..)| *at)?;
    let arn = words[at + policy.len()..]
        .strip_prefix(": ")
        .filter(|rest| rest.starts_with("arn:"))
        .and_then(|rest| rest.split_whitespace().next())
        .map(|arn| arn.trim_end_matches(['.', ',']));
    Some(Reason { kind, policy, arn, words })
}

fn is_not_text(value: Option<Value<'_>>) -> bool {
    value.is_some_and(|value| value.kind() != Kind::String)
}

/// Whether the code says that the caller was not accepted or not allowed.
fn is_refusal(code: &str) -> bool {
    // EC2 puts `Client.` or `Server.` before its codes.
    let code = code.strip_prefix("Client.").or_else(|| code.strip_prefix("Server.")).unwrap_or(code);
    let code = code.strip_suffix("Exception").unwrap_or(code);
    ["AccessDenied", "Unauthorized", "NotAuthorized"].iter().any(|part| code.contains(part))
        || REFUSALS.contains(&code)
}

/// Sign-in events state their result as `responseElements.ConsoleLogin`: `Success` or `Failure`. Events of
/// Organizations state the state of the request.
fn stated_result(fields: &Fields<'_>, service: &str, operation: &str) -> Option<Status> {
    if let Some(state) =
        fields.service_details.and_then(|details| details.path(&["createAccountStatus", "state"]))
    {
        return match state.text()?.as_ref() {
            "SUCCEEDED" => Some(Status::Success),
            "FAILED" => Some(Status::Failure),
            "IN_PROGRESS" => Some(Status::Pending),
            _ => Some(Status::Unknown),
        };
    }
    if service != "signin" {
        return None;
    }
    match fields.response?.get(operation)?.text()?.as_ref() {
        "Success" => Some(Status::Success),
        "Failure" if operation == "PasswordUpdated" => Some(Status::Failure),
        "Failure" => Some(Status::Denied),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_type_of_policy() {
        use AuthorityKind::{OrganizationPolicy, Policy, SessionPolicy};
        for (message, kind, policy) in [
            (
                "because no identity-based policy allows the iam:GetUser action",
                Policy,
                "identity-based policy",
            ),
            (
                "because no resource-based policy allows the s3:GetObject action",
                Policy,
                "resource-based policy",
            ),
            ("because no session policy allows the s3:GetObject action", SessionPolicy, "session policy"),
            (
                "because no permissions boundary allows the s3:GetObject action",
                Policy,
                "permissions boundary",
            ),
            ("because no VPC endpoint policy allows the s3:GetObject action", Policy, "VPC endpoint policy"),
            ("because no role trust policy allows the sts:AssumeRole action", Policy, "role trust policy"),
            (
                "because no service control policy allows the s3:GetObject action",
                OrganizationPolicy,
                "service control policy",
            ),
            (
                "with an explicit deny in a service control policy",
                OrganizationPolicy,
                "service control policy",
            ),
            (
                "with an explicit deny in a resource control policy",
                OrganizationPolicy,
                "resource control policy",
            ),
            ("with an explicit deny in an identity-based policy", Policy, "identity-based policy"),
            ("with an explicit deny in a permissions boundary", Policy, "permissions boundary"),
            ("was denied due to a VPC endpoint policy", Policy, "VPC endpoint policy"),
            (
                "due to an explicit deny in a Service Control Policy",
                OrganizationPolicy,
                "service control policy",
            ),
        ] {
            let full =
                format!("User: arn:aws:iam::111122223333:user/x is not authorized to perform: a:B {message}");
            let words = message.strip_prefix("was ").unwrap_or(message);
            let expected = Reason { kind, policy, arn: None, words };
            assert_eq!(reason(&full), Some(expected), "{message}");
        }
    }

    #[test]
    fn a_message_may_name_the_policy_itself() {
        let found = reason(
            "User: x is not authorized to perform: iam:CreateUser with an explicit deny in an identity-based policy: \
             arn:aws:iam::111122223333:policy/NoUsers. Go to the console",
        );
        assert_eq!(found.and_then(|reason| reason.arn), Some("arn:aws:iam::111122223333:policy/NoUsers"));
    }

    #[test]
    fn a_name_that_imitates_the_phrase_does_not_decide() {
        let found = reason(
            "User: arn:aws:iam::1:user/because no session policy allows is not authorized to perform: a:B because no \
             identity-based policy allows the a:B action",
        );
        assert_eq!(found.map(|reason| reason.policy), Some("identity-based policy"));
    }

    #[test]
    fn a_message_without_a_policy_names_none() {
        for message in [
            "",
            "Access Denied",
            "Failed authentication",
            "Cross-account pass role is not allowed.",
            "because no one answered",
            "You are not authorized to perform this operation. Encoded authorization failure message: x1",
            "K\u{212a}elvin because no",
        ] {
            assert_eq!(reason(message), None, "{message}");
        }
    }

    #[test]
    fn codes_of_refusal_are_told_from_other_failures() {
        for code in [
            "AccessDenied",
            "AccessDeniedException",
            "Client.UnauthorizedOperation",
            "UnauthorizedException",
            "VpceAccessDenied",
            "InvalidClientTokenId",
            "Client.AuthFailure",
            "ExpiredTokenException",
            "UnrecognizedClientException",
        ] {
            assert!(is_refusal(code), "{code}");
        }
        for code in ["NoSuchBucket", "Client.DryRunOperation", "ThrottlingException", "InternalFailure", ""] {
            assert!(!is_refusal(code), "{code}");
        }
    }
}
