//! Why a request was allowed or refused, as far as the annotations say.
//!
//! RBAC names its binding in prose; the access policies of EKS write the same sentence. Every other authorizer leaves the reason empty or writes what it likes.

use ascribe_model::{Authority, AuthorityBasis, AuthorityKind, CoverageHint, Decision, Status};

use super::Facts;
use super::request::{Request, text_at};
use crate::identifiers::kubernetes::{Grant, grant};
use crate::json::Value;

/// The group that the API server allows everything before it asks any authorizer.
const UNBOUNDED_GROUP: &str = "system:masters";
/// The group of kubelets, which the Node authorizer serves.
const NODES_GROUP: &str = "system:nodes";
const EKS_ACCESS_POLICY: &str = "EKS Access Policy";
/// Stands where the record names no rule.
const UNSTATED: &str = "unstated";

/// Adds what the record says of authority.
pub(super) fn add(request: &Request<'_>, status: Status, facts: &mut Facts) {
    let annotations = &request.annotations;
    match annotations.decision.as_ref() {
        "allow" => add_allowed(request, facts),
        "forbid" => facts.authorities.push(unstated(Decision::Deny, &annotations.reason)),
        // The decision is not on record: the record was written before it, or an exporter left it out.
        _ => match status {
            Status::Success => facts.authorities.push(unstated(Decision::Allow, "")),
            Status::Denied if request.response.code == Some(403) => {
                facts.authorities.push(unstated(Decision::Deny, ""));
            }
            _ => {}
        },
    }
    if !request.impersonation_constraint.is_empty() {
        facts.authorities.push(Authority {
            kind: AuthorityKind::Policy,
            uid: request.impersonation_constraint.clone().into_owned(),
            decision: Decision::Allow,
            basis: AuthorityBasis::Recorded,
            detail: Some("the verb that impersonation was authorised with".to_owned()),
        });
    }
    add_approval(request, status, facts);
    add_admission(request, status, facts);
}

fn add_allowed(request: &Request<'_>, facts: &mut Facts) {
    let reason = &request.annotations.reason;
    let Some(grant) = grant(reason) else {
        facts.authorities.push(allowed_by_another_authorizer(request));
        return;
    };
    let recorded = |kind, uid, detail| Authority {
        kind,
        uid,
        decision: Decision::Allow,
        basis: AuthorityBasis::Recorded,
        detail,
    };
    let sentence = Some(reason.clone().into_owned());
    if grant.authorizer == EKS_ACCESS_POLICY {
        // No such binding exists in the cluster: the sentence names the policy where the role stands.
        facts.authorities.push(recorded(AuthorityKind::Policy, grant.role.name.to_owned(), sentence));
        return;
    }
    let Grant { binding, role, .. } = grant;
    let namespace = binding.namespace.unwrap_or_default();
    let role_namespace = if role.kind == "Role" { namespace } else { "" };
    facts.authorities.push(recorded(
        AuthorityKind::Binding,
        qualified(binding.kind, namespace, binding.name),
        sentence,
    ));
    facts.authorities.push(recorded(
        AuthorityKind::Role,
        qualified(role.kind, role_namespace, role.name),
        None,
    ));
}

/// The reason is empty or free text. Two authorizers that never give one can be told from who asked.
fn allowed_by_another_authorizer(request: &Request<'_>) -> Authority {
    let reason = &request.annotations.reason;
    if !reason.is_empty() {
        return Authority { basis: AuthorityBasis::Recorded, ..unstated(Decision::Allow, reason) };
    }
    let inferred = |kind, uid: &str, detail: &str| Authority {
        kind,
        uid: uid.to_owned(),
        decision: Decision::Allow,
        basis: AuthorityBasis::Inferred,
        detail: Some(detail.to_owned()),
    };
    // Authorization looks at the user that the request is carried out as.
    let user = request.impersonated.as_ref().unwrap_or(&request.user);
    if user.is_in_group(UNBOUNDED_GROUP) {
        return inferred(
            AuthorityKind::Group,
            &qualified("Group", "", UNBOUNDED_GROUP),
            "no authorizer gave a reason, and this group is allowed everything",
        );
    }
    if user.is_in_group(NODES_GROUP) {
        return inferred(
            AuthorityKind::Policy,
            "node authorizer",
            "no authorizer gave a reason, and the user is a kubelet",
        );
    }
    unstated(Decision::Allow, "")
}

fn unstated(decision: Decision, reason: &str) -> Authority {
    Authority {
        kind: AuthorityKind::Unstated,
        uid: UNSTATED.to_owned(),
        decision,
        basis: AuthorityBasis::Absent,
        detail: (!reason.is_empty()).then(|| reason.to_owned()),
    }
}

/// The approval or refusal of a certificate request, which is what lets it be signed.
fn add_approval(request: &Request<'_>, status: Status, facts: &mut Facts) {
    let Some(target) = &request.target else { return };
    let is_approval = target.resource == "certificatesigningrequests" && target.subresource == "approval";
    if !is_approval || status != Status::Success || request.verb == "get" {
        return;
    }
    let conditions = request.body(&["status", "conditions"]);
    let find = |kind: &str| {
        let mut conditions = conditions.into_iter().flat_map(Value::items);
        conditions.find(|condition| condition.get("type").is_some_and(|found| found.is_text(kind)))
    };
    // A refusal cannot be taken back, so it decides where both are on record.
    let (decision, condition) = match (find("Denied"), find("Approved")) {
        (Some(denied), _) => (Decision::Deny, Some(denied)),
        (None, Some(approved)) => (Decision::Allow, Some(approved)),
        (None, None) => (Decision::Unknown, None),
    };
    let words = |condition| format!("{}: {}", text_at(condition, "reason"), text_at(condition, "message"));
    facts.authorities.push(Authority {
        kind: AuthorityKind::Approval,
        uid: qualified("CertificateSigningRequest", "", &target.name),
        decision,
        basis: if condition.is_some() { AuthorityBasis::Recorded } else { AuthorityBasis::Absent },
        detail: condition.map(words),
    });
}

/// What admission wrote. Only an admission policy says that it refused; of any other check it is not on record, so a
/// check is said to have allowed a request only when that went through.
fn add_admission(request: &Request<'_>, status: Status, facts: &mut Facts) {
    let otherwise = if status == Status::Success { Decision::Allow } else { Decision::Unknown };
    for (annotation, value) in &request.annotations.admission {
        if annotation.starts_with("failed-open.") {
            facts.coverage_hints.push(CoverageHint {
                kind: "admission_failed_open".to_owned(),
                note: format!("{annotation}: {value}"),
            });
        }
        facts.authorities.push(Authority {
            kind: AuthorityKind::Admission,
            uid: annotation.clone().into_owned(),
            decision: if is_refusal(annotation, value) { Decision::Deny } else { otherwise },
            basis: AuthorityBasis::Recorded,
            detail: Some(value.clone().into_owned()),
        });
    }
}

/// The failed validations of admission policies, among them one whose action is to deny.
fn is_refusal(annotation: &str, value: &str) -> bool {
    annotation == "validation.policy.admission.k8s.io/validation_failure" && value.contains("\"Deny\"")
}

/// `kind/name`, or `kind/namespace/name`.
pub(super) fn qualified(kind: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() { format!("{kind}/{name}") } else { format!("{kind}/{namespace}/{name}") }
}
