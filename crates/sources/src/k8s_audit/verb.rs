//! What sort of act a request is: the subresource decides before the verb does.
//!
//! A command in a pod is `get pods/exec` over WebSocket and `create pods/exec` over SPDY, so the verb alone would
//! call half of all shells a read.

use ascribe_model::Verb;

use super::request::{Request, Target};

/// Operations that their verb does not describe. `*` stands for any verb. The first match decides.
const BY_RESOURCE: &[(&str, &str, &[&str], Verb)] = &[
    ("pods", "exec", ANY, Verb::Exec),
    ("pods", "attach", ANY, Verb::Exec),
    ("pods", "portforward", ANY, Verb::Exec),
    ("pods", "proxy", ANY, Verb::Exec),
    ("services", "proxy", ANY, Verb::Exec),
    ("nodes", "proxy", ANY, Verb::Exec),
    // Adds a container to a pod that runs. Reading the subresource only shows the pod.
    ("pods", "ephemeralcontainers", WRITES, Verb::Exec),
    ("pods", "eviction", &["create"], Verb::Delete),
    ("serviceaccounts", "token", &["create"], Verb::Delegate),
    ("certificatesigningrequests", "", &["create"], Verb::Delegate),
    ("certificatesigningrequests", "approval", WRITES, Verb::Admin),
    // Completes what the request began: the one who asked is in the record of the request, not of the signature.
    ("certificatesigningrequests", "status", WRITES, Verb::Update),
    ("tokenreviews", "", &["create"], Verb::Auth),
    // Questions that are asked with `create`.
    ("subjectaccessreviews", "", &["create"], Verb::Read),
    ("localsubjectaccessreviews", "", &["create"], Verb::Read),
    ("selfsubjectaccessreviews", "", &["create"], Verb::Read),
    ("selfsubjectrulesreviews", "", &["create"], Verb::Read),
    ("selfsubjectreviews", "", &["create"], Verb::Read),
    ("secrets", "", &["get", "list", "watch"], Verb::SecretRead),
    ("clustertrustbundles", "", WRITES, Verb::Admin),
    ("apiservices", "", WRITES, Verb::Admin),
];

const ANY: &[&str] = &["*"];
const WRITES: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];

/// API groups in which every change says who may do what, or what is checked or recorded.
const ADMINISTRATION: &[&str] =
    &["rbac.authorization.k8s.io", "admissionregistration.k8s.io", "auditregistration.k8s.io"];

/// The resources of those groups, for records that leave the group out.
const ADMINISTRATION_RESOURCES: &[&str] = &[
    "roles",
    "rolebindings",
    "clusterroles",
    "clusterrolebindings",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
];

/// The sort of act.
pub(super) fn classify(request: &Request<'_>) -> Verb {
    if request.is_dry_run() {
        return Verb::Read;
    }
    let verb = request.verb.as_ref();
    if let Some(target) = &request.target {
        let exact = BY_RESOURCE.iter().find(|(resource, subresource, verbs, _)| {
            target.resource == *resource
                && target.subresource == *subresource
                && (verbs.contains(&verb) || *verbs == ANY)
        });
        if let Some((.., sort)) = exact {
            return *sort;
        }
        if WRITES.contains(&verb) && is_administration(target) {
            return Verb::Admin;
        }
    }
    by_name(verb)
}

fn is_administration(target: &Target<'_>) -> bool {
    ADMINISTRATION.contains(&target.group.as_ref())
        || (target.group.is_empty() && ADMINISTRATION_RESOURCES.contains(&target.resource.as_ref()))
        || target.resource.ends_with("policies")
}

fn by_name(verb: &str) -> Verb {
    match verb {
        "get" | "list" | "watch" | "head" | "options" => Verb::Read,
        "create" | "post" => Verb::Create,
        "update" | "patch" | "put" => Verb::Update,
        "delete" | "deletecollection" => Verb::Delete,
        "impersonate" | "sign" => Verb::Delegate,
        "approve" | "bind" | "escalate" => Verb::Admin,
        "proxy" | "connect" => Verb::Exec,
        _ => Verb::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `verb`, `group/resource/subresource`, expected.
    const CASES: &[(&str, &str, Verb)] = &[
        ("get", "/pods/exec", Verb::Exec),
        ("create", "/pods/exec", Verb::Exec),
        ("create", "/pods/attach", Verb::Exec),
        ("get", "/pods/portforward", Verb::Exec),
        ("get", "/nodes/proxy", Verb::Exec),
        ("delete", "/services/proxy", Verb::Exec),
        ("patch", "/pods/ephemeralcontainers", Verb::Exec),
        ("get", "/pods/ephemeralcontainers", Verb::Read),
        ("get", "/pods/log", Verb::Read),
        ("create", "/pods/eviction", Verb::Delete),
        ("create", "/serviceaccounts/token", Verb::Delegate),
        ("get", "/serviceaccounts/token", Verb::Read),
        ("create", "/serviceaccounts/", Verb::Create),
        ("list", "/secrets/", Verb::SecretRead),
        ("watch", "/secrets/", Verb::SecretRead),
        ("delete", "/secrets/", Verb::Delete),
        ("create", "certificates.k8s.io/certificatesigningrequests/", Verb::Delegate),
        ("update", "certificates.k8s.io/certificatesigningrequests/approval", Verb::Admin),
        ("patch", "certificates.k8s.io/certificatesigningrequests/status", Verb::Update),
        ("get", "certificates.k8s.io/certificatesigningrequests/", Verb::Read),
        ("create", "authentication.k8s.io/tokenreviews/", Verb::Auth),
        ("create", "authorization.k8s.io/subjectaccessreviews/", Verb::Read),
        ("create", "rbac.authorization.k8s.io/clusterrolebindings/", Verb::Admin),
        ("create", "/clusterrolebindings/", Verb::Admin),
        ("get", "rbac.authorization.k8s.io/clusterrolebindings/", Verb::Read),
        ("create", "example.com/roles/", Verb::Create),
        ("delete", "admissionregistration.k8s.io/validatingwebhookconfigurations/", Verb::Admin),
        ("create", "networking.k8s.io/networkpolicies/", Verb::Admin),
        ("update", "coordination.k8s.io/leases/", Verb::Update),
        ("deletecollection", "/configmaps/", Verb::Delete),
        ("propfind", "/pods/", Verb::Unknown),
    ];

    #[test]
    fn the_subresource_decides_before_the_verb() {
        for (verb, path, expected) in CASES {
            let mut parts = path.split('/').map(std::borrow::Cow::Borrowed);
            let mut next = || parts.next().unwrap_or_default();
            let (group, resource, subresource) = (next(), next(), next());
            let target = Target { group, resource, subresource, ..Target::default() };
            let request = Request { verb: (*verb).into(), target: Some(target), ..Request::default() };
            assert_eq!(classify(&request), *expected, "{verb} {path}");
        }
    }

    #[test]
    fn a_rehearsal_changes_nothing() {
        let uri = "/api/v1/namespaces/prod/pods?fieldManager=kubectl&dryRun=All";
        let request = Request { verb: "create".into(), uri: uri.into(), ..Request::default() };
        assert_eq!(classify(&request), Verb::Read);
    }
}
