//! Why a request was allowed: the policies that granted it, where the entry says which they were.
//!
//! Newer versions name them in `policy_results`. Older ones write all policies of the token; any of them may be the one,
//! so none is said to be.

use ascribe_model::{Authority, AuthorityBasis, AuthorityKind, CoverageHint, Decision};

use super::Facts;
use super::identity::gives_login;
use super::place::Place;
use super::record::{Auth, Operation, owned, text, text_of};
use crate::json::Value;

/// The policy that allows everything, in the root namespace.
const ROOT: &str = "root";

/// Adds what the entry says of authority.
pub(super) fn add(operation: &Operation<'_>, place: &Place<'_>, facts: &mut Facts) {
    if operation.request.policy_override {
        let note = "the client asked to override policies that may be overridden";
        facts.coverage_hints.push(CoverageHint::new("policy_override", note));
    }
    if gives_login(operation, place) {
        add_login_role(operation.response.auth.as_ref().unwrap_or(&operation.auth), place, facts);
        return;
    }
    let auth = &operation.auth;
    if let Some(results) = auth.policy_results {
        let allowed = results.get("allowed").and_then(Value::truth) == Some(true);
        let granting: Vec<_> =
            results.get("granting_policies").into_iter().flat_map(Value::items).map(granting).collect();
        if granting.is_empty() || !allowed {
            facts.authorities.push(unstated(if allowed { Decision::Allow } else { Decision::Deny }));
        }
        facts.authorities.extend(granting);
        return;
    }
    add_attached(auth, operation, facts);
}

fn granting(policy: Value<'_>) -> Authority {
    let namespace = text_of(policy.get("namespace_path"));
    Authority {
        kind: AuthorityKind::Policy,
        uid: format!("{namespace}{}", text_of(policy.get("name"))),
        decision: Decision::Allow,
        basis: AuthorityBasis::Recorded,
        detail: owned(&text_of(policy.get("type"))),
    }
}

/// The role of an auth method sets which callers it lets in, and what their tokens may do.
fn add_login_role(auth: &Auth<'_>, place: &Place<'_>, facts: &mut Facts) {
    let role = [auth.metadata("role"), auth.metadata("role_name"), auth.metadata("cert_name")];
    let Some(role) = role.into_iter().find(|role| !role.is_empty()) else { return };
    facts.authorities.push(Authority {
        kind: AuthorityKind::Role,
        uid: format!("{}role/{role}", place.mount),
        decision: Decision::Allow,
        basis: AuthorityBasis::Recorded,
        detail: None,
    });
}

fn add_attached(auth: &Auth<'_>, operation: &Operation<'_>, facts: &mut Facts) {
    if !operation.error.is_empty() {
        if super::is_denial(&operation.error) {
            facts.authorities.push(unstated(Decision::Deny));
        }
        return;
    }
    if auth.has_policy(ROOT) {
        facts.authorities.push(Authority {
            kind: AuthorityKind::Policy,
            uid: ROOT.to_owned(),
            decision: Decision::Allow,
            basis: AuthorityBasis::Inferred,
            detail: Some("the token has the policy that allows everything".to_owned()),
        });
        return;
    }
    for policy in auth.policies.into_iter().flat_map(Value::items) {
        facts.authorities.push(Authority {
            kind: AuthorityKind::Policy,
            uid: text(policy).into_owned(),
            decision: Decision::Unknown,
            basis: AuthorityBasis::Recorded,
            detail: Some("a policy of the token; which one allowed the request is not recorded".to_owned()),
        });
    }
}

fn unstated(decision: Decision) -> Authority {
    Authority {
        kind: AuthorityKind::Unstated,
        uid: "unstated".to_owned(),
        decision,
        basis: AuthorityBasis::Absent,
        detail: None,
    }
}
