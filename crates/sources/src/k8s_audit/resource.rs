//! What a request acted upon, and what its body names beside that.

use ascribe_model::{KeyRef, Resource, ResourceRole, Role};

use super::Facts;
use super::authority::qualified;
use super::key::{
    AUDIENCE, BINDING, CSR, Cluster, NODE, OBJECT, POD, POD_NAME, RBAC_ROLE, SERVICE_ACCOUNT, global_key,
    key_of,
};
use super::request::{Request, Target, text, text_at, text_of};
use crate::json::Value;

/// Adds the resources of a request with their keys.
pub(super) fn add(request: &Request<'_>, cluster: Cluster<'_>, facts: &mut Facts) {
    let Some(target) = &request.target else {
        let path = path_of(&request.uri);
        if !path.is_empty() {
            let uid = cluster.reference(OBJECT, path);
            facts.resources.push(Resource { kind: "path".to_owned(), uid, role: ResourceRole::Target });
        }
        return;
    };
    let uid = reference(target, &request.verb, cluster);
    // The records of one signing request belong together: creation, approval, signature.
    let role = if uid.kind == CSR { Role::Step } else { Role::Resource };
    facts.keys.push(key_of(role, &uid));
    if !target.uid.is_empty() {
        facts.keys.push(if uid.kind == POD_NAME {
            global_key(Role::Resource, POD, target.uid.as_ref())
        } else {
            key_of(Role::Resource, &cluster.uid(&target.uid))
        });
    }
    facts.resources.push(Resource { kind: type_of(target), uid, role: ResourceRole::Target });
    add_related(request, target, cluster, facts);
}

/// `resource` or `resource/subresource`.
pub(super) fn type_of(target: &Target<'_>) -> String {
    let Target { resource, subresource, .. } = target;
    if subresource.is_empty() { resource.clone().into_owned() } else { format!("{resource}/{subresource}") }
}

/// The path of a request URI.
pub(super) fn path_of(uri: &str) -> &str {
    uri.split_once('?').map_or(uri, |(path, _)| path)
}

/// A role or a binding as authorities name it: `ClusterRole/name`, `RoleBinding/namespace/name`.
pub(super) fn rule_path(target: &Target<'_>) -> String {
    let kind = match target.resource.as_ref() {
        "clusterroles" => "ClusterRole",
        "clusterrolebindings" => "ClusterRoleBinding",
        "roles" => "Role",
        _ => "RoleBinding",
    };
    qualified(kind, &target.namespace, &target.name)
}

/// What names the target: the key kind that other records and other logs use for such an object, where there is one.
fn reference(target: &Target<'_>, verb: &str, cluster: Cluster<'_>) -> KeyRef {
    let Target { group, resource, namespace, name, .. } = target;
    let group = group.as_ref();
    let is_core = group.is_empty();
    let is_rbac = is_core || group == "rbac.authorization.k8s.io";
    let is_certificates = is_core || group == "certificates.k8s.io";
    match resource.as_ref() {
        _ if name.is_empty() => {
            let unnamed = if verb == "create" { "?" } else { "*" };
            cluster.reference(OBJECT, object_path(target, unnamed))
        }
        "serviceaccounts" if is_core => cluster.reference(SERVICE_ACCOUNT, format!("{namespace}/{name}")),
        "pods" if is_core => cluster.reference(POD_NAME, format!("{namespace}/{name}")),
        "nodes" if is_core => cluster.reference(NODE, name.as_ref()),
        "certificatesigningrequests" if is_certificates => cluster.reference(CSR, name.as_ref()),
        "clusterrolebindings" | "rolebindings" if is_rbac => cluster.reference(BINDING, rule_path(target)),
        "clusterroles" | "roles" if is_rbac => cluster.reference(RBAC_ROLE, rule_path(target)),
        _ => cluster.reference(OBJECT, object_path(target, name)),
    }
}

/// `group/resource/namespace/name` without the parts that are empty.
fn object_path(target: &Target<'_>, name: &str) -> String {
    let Target { group, resource, namespace, .. } = target;
    let mut path = String::with_capacity(group.len() + resource.len() + namespace.len() + name.len() + 4);
    for part in [group, resource, namespace] {
        if !part.is_empty() {
            path.push_str(part);
            path.push('/');
        }
    }
    path.push_str(name);
    path
}

fn add_related(request: &Request<'_>, target: &Target<'_>, cluster: Cluster<'_>, facts: &mut Facts) {
    let mut related = |kind: &str, uid: KeyRef| {
        facts.keys.push(key_of(Role::Resource, &uid));
        facts.resources.push(Resource { kind: kind.to_owned(), uid, role: ResourceRole::Related });
    };
    match (target.resource.as_ref(), target.subresource.as_ref(), request.verb.as_ref()) {
        // The identity that whoever runs code in the pod has.
        ("pods", "", "create" | "update" | "patch") => {
            let name = text_of(request.result(&["spec", "serviceAccountName"]));
            if !name.is_empty() {
                let path = format!("{}/{name}", target.namespace);
                related("serviceaccounts", cluster.reference(SERVICE_ACCOUNT, path));
            }
        }
        ("pods", "binding", "create") => {
            let name = text_of(request.body(&["target", "name"]));
            if !name.is_empty() {
                related("nodes", cluster.reference(NODE, name));
            }
        }
        ("clusterrolebindings" | "rolebindings", "", _) => {
            if let Some(rule) = request.result(&["roleRef"]) {
                let kind = text_at(rule, "kind");
                let namespace = if kind == "Role" { target.namespace.as_ref() } else { "" };
                let path = qualified(&kind, namespace, &text_at(rule, "name"));
                related("roleRef", cluster.reference(RBAC_ROLE, path));
            }
        }
        ("serviceaccounts", "token", "create") => {
            for audience in request.result(&["spec", "audiences"]).into_iter().flat_map(Value::items) {
                let uid = KeyRef { kind: AUDIENCE, scope: String::new(), value: text(audience).into_owned() };
                related("audience", uid);
            }
        }
        _ => {}
    }
}
