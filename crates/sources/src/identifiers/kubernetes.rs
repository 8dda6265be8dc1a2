//! Names inside the texts of Kubernetes: user names of service accounts, and the sentence of RBAC.

/// `<authorizer>: allowed by <kind> "<binding>" of <kind> "<role>" to <kind> "<subject>"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant<'a> {
    /// `RBAC`, or who imitates it.
    pub authorizer: &'a str,
    /// The binding.
    pub binding: Named<'a>,
    /// The role that it binds.
    pub role: Named<'a>,
    /// Whom it binds the role to.
    pub subject: Named<'a>,
}

/// A kind and a name; the namespace where the sentence gives one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// The kind, such as `RoleBinding`.
    pub kind: &'a str,
    /// The name.
    pub name: &'a str,
    /// The namespace.
    pub namespace: Option<&'a str>,
}

/// Namespace and name of `system:serviceaccount:<namespace>:<name>`. Neither may hold a colon.
pub fn service_account(username: &str) -> Option<(&str, &str)> {
    let (namespace, name) = username.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
}

/// Reads the sentence of RBAC (`pkg/registry/rbac/validation/rule.go`, Go's `%q` for each name) and of whoever
/// imitates it; `None` for any other text.
pub fn grant(reason: &str) -> Option<Grant<'_>> {
    let (authorizer, rest) = reason.split_once(": allowed by ")?;
    let (binding, rest) = named(rest)?;
    let (role, rest) = named(rest.strip_prefix(" of ")?)?;
    let (subject, _) = named(rest.strip_prefix(" to ")?)?;
    Some(Grant { authorizer, binding, role, subject })
}

/// `<name>/<namespace>` holds the namespace of a RoleBinding and of a ServiceAccount. Other names may hold a slash.
fn named(text: &str) -> Option<(Named<'_>, &str)> {
    let (kind, rest) = text.split_once(' ')?;
    let (quoted, rest) = quoted(rest)?;
    let (name, namespace) = match quoted.rsplit_once('/') {
        Some((name, namespace)) if matches!(kind, "RoleBinding" | "ServiceAccount") => {
            (name, Some(namespace))
        }
        _ => (quoted, None),
    };
    Some((Named { kind, name, namespace }, rest))
}

/// The inside of a Go-quoted string and what follows. A quote inside is escaped, so that a user who is called
/// `x" of ClusterRole "y` cannot write the sentence himself.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut escaped = false;
    for (offset, byte) in inside.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some((&inside[..offset], &inside[offset + 1..])),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain<'a>(kind: &'a str, name: &'a str) -> Named<'a> {
        Named { kind, name, namespace: None }
    }

    fn within<'a>(kind: &'a str, name: &'a str, namespace: &'a str) -> Named<'a> {
        Named { kind, name, namespace: Some(namespace) }
    }

    #[test]
    fn the_sentence_of_rbac_names_binding_role_and_subject() {
        let cases = [
            (
                r#"RBAC: allowed by RoleBinding "elastic-agent/kube-system" of Role "elastic-agent" to ServiceAccount "elastic-agent/kube-system""#,
                "RBAC",
                within("RoleBinding", "elastic-agent", "kube-system"),
                plain("Role", "elastic-agent"),
                within("ServiceAccount", "elastic-agent", "kube-system"),
            ),
            (
                r#"RBAC: allowed by ClusterRoleBinding "cluster-admin" of ClusterRole "cluster-admin" to Group "system:masters""#,
                "RBAC",
                plain("ClusterRoleBinding", "cluster-admin"),
                plain("ClusterRole", "cluster-admin"),
                plain("Group", "system:masters"),
            ),
            (
                r#"EKS Access Policy: allowed by ClusterRoleBinding "arn:aws:iam::111122223333:role/ops+arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminPolicy" of ClusterRole "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminPolicy" to User "AROAEXAMPLEROLEID0001""#,
                "EKS Access Policy",
                plain(
                    "ClusterRoleBinding",
                    "arn:aws:iam::111122223333:role/ops+arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminPolicy",
                ),
                plain("ClusterRole", "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminPolicy"),
                plain("User", "AROAEXAMPLEROLEID0001"),
            ),
            (
                r#"RBAC: allowed by ClusterRoleBinding "a" of ClusterRole "b" to User "x\" of ClusterRole \"cluster-admin""#,
                "RBAC",
                plain("ClusterRoleBinding", "a"),
                plain("ClusterRole", "b"),
                plain("User", r#"x\" of ClusterRole \"cluster-admin"#),
            ),
        ];
        for (reason, authorizer, binding, role, subject) in cases {
            assert_eq!(grant(reason), Some(Grant { authorizer, binding, role, subject }), "{reason}");
        }
    }

    #[test]
    fn any_other_text_is_no_sentence_of_rbac() {
        for reason in [
            "",
            "RBAC: allowed by ClusterRoleBinding system:public-info-viewer",
            r#"RBAC: allowed by ClusterRoleBinding "a" of ClusterRole "b""#,
            r#"RBAC: allowed by ClusterRoleBinding "a\" of ClusterRole "b" to User "c""#,
            r#"RBAC: clusterrole.rbac.authorization.k8s.io "a" not found"#,
            "access granted by IAM permissions.",
        ] {
            assert_eq!(grant(reason), None, "{reason}");
        }
    }
}
