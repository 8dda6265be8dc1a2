//! Why the act was allowed or refused, as far as CloudTrail says.
//!
//! Which policy allowed a call is never recorded. What is recorded: the role that was taken on, the policies that
//! bound one session, a second factor, an external id. A refusal may name its policy (`outcome.rs`).

use ascribe_model::{Authority, AuthorityBasis, AuthorityKind, Decision, Status};

use super::outcome;
use super::principal::Principal;
use super::record::{Act, text};
use crate::json::Value;

/// The authorities of an event.
pub(super) fn authorities(act: &Act<'_>, principal: &Principal) -> Vec<Authority> {
    if act.fields.insight.is_some() {
        return Vec::new();
    }
    let mut found = Vec::new();
    found.push(match act.outcome.status {
        Status::Denied => outcome::refusal(&act.outcome),
        status => Authority {
            kind: AuthorityKind::Unstated,
            uid: String::new(),
            decision: decision(status),
            basis: AuthorityBasis::Absent,
            detail: None,
        },
    });
    if let Some(role) = &principal.role {
        found.push(recorded(act, AuthorityKind::Role, role.clone(), None));
    }
    if act.fields.request.is_some() && matches!(&*act.service, "sts" | "eks-auth" | "rolesanywhere") {
        of_issue(act, &mut found);
    }
    second_factor(act, principal, &mut found);
    found
}

/// What the request to issue a session says: the role, the policies of the session, the external id.
fn of_issue(act: &Act<'_>, found: &mut Vec<Authority>) {
    if let Some(role) = text(act.request(&["roleArn"])) {
        found.push(recorded(act, AuthorityKind::Role, role, None));
    }
    if let Some(policy) = text(act.request(&["policy"])) {
        found.push(recorded(act, AuthorityKind::SessionPolicy, "inline".to_owned(), Some(policy)));
    }
    for policy in act.request(&["policyArns"]).into_iter().flat_map(Value::items) {
        // An object with `arn`, in older records the ARN alone.
        if let Some(arn) = text(policy.get("arn").or(Some(policy))) {
            found.push(recorded(act, AuthorityKind::SessionPolicy, arn, None));
        }
    }
    if let Some(policy) = text(act.request(&["taskPolicyArn", "arn"])) {
        found.push(recorded(act, AuthorityKind::SessionPolicy, policy, None));
    }
    if let Some(external) = text(act.request(&["externalId"])) {
        found.push(recorded(act, AuthorityKind::Policy, "sts:ExternalId".to_owned(), Some(external)));
    }
}

/// A second factor of the session, of this sign-in, or of this request for a session.
fn second_factor(act: &Act<'_>, principal: &Principal, found: &mut Vec<Authority>) {
    let additional = |name| act.fields.additional_data.and_then(|data| data.get(name));
    let device =
        Some(act).filter(|act| act.service == "sts").and_then(|act| text(act.request(&["serialNumber"])));
    let uid = if let Some(device) = device {
        device
    } else if additional("MFAUsed").is_some_and(|used| used.is_text("Yes")) {
        text(additional("MFAIdentifier")).unwrap_or_else(|| "mfa".to_owned())
    } else if principal.second_factor {
        "mfa".to_owned()
    } else {
        return;
    };
    found.push(recorded(act, AuthorityKind::MultiFactor, uid, None));
}

fn recorded(act: &Act<'_>, kind: AuthorityKind, uid: String, detail: Option<String>) -> Authority {
    // That the role or the factor was there does not say that it is what failed.
    let decision = if act.succeeded() { Decision::Allow } else { Decision::Unknown };
    Authority { kind, uid, decision, basis: AuthorityBasis::Recorded, detail }
}

/// A failed call may have been allowed and have failed for another reason; the record does not say.
fn decision(status: Status) -> Decision {
    match status {
        Status::Success => Decision::Allow,
        Status::Denied => Decision::Deny,
        Status::Failure | Status::Pending | Status::Unknown => Decision::Unknown,
    }
}
