//! Where a request goes: the mount that a path begins with, what kind of engine is mounted there, and the rest.
//!
//! Newer versions record the mount and its type. Older ones record the path alone; then the first names of the path
//! tell, and what no engine claims is taken for a secret of a key-value store, which is the safe mistake.

use super::record::Operation;

/// A path, split where its mount ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// With the slash at its end, such as `auth/userpass/`.
    pub mount: &'a str,
    pub rest: &'a str,
    pub engine: Engine,
}

/// What is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    /// `sys/`
    System,
    /// `auth/token/`
    Token,
    /// Any other auth method.
    Login,
    /// `identity/`
    Identity,
    /// Keeps what is written to it: key-value stores of both versions, and cubbyholes.
    KeyValue,
    /// Issues and revokes X.509 certificates.
    Pki,
    /// Signs SSH keys.
    Ssh,
    /// Uses keys that it does not show.
    Transit,
    /// One-time passwords.
    Totp,
    /// Issues credentials of another system: databases, clouds, and all that plugins offer.
    Dynamic,
}

/// First names below the mount, by which an engine without a recorded type is told.
const TELLING: &[(Engine, &[&str])] = &[
    (Engine::KeyValue, &["data", "metadata", "subkeys", "undelete", "destroy"]),
    (
        Engine::Pki,
        &["issue", "sign", "sign-verbatim", "root", "intermediate", "ca", "cert", "certs", "crl", "revoke"],
    ),
    (
        Engine::Transit,
        &["encrypt", "decrypt", "rewrap", "datakey", "hmac", "verify", "random", "hash", "keys", "export"],
    ),
    (Engine::Totp, &["code"]),
    (
        Engine::Dynamic,
        &[
            "creds",
            "static-creds",
            "sts",
            "config",
            "roles",
            "role",
            "static-roles",
            "rotate-root",
            "rotate-role",
            "library",
        ],
    ),
];

impl<'a> Place<'a> {
    pub fn of(operation: &'a Operation<'_>) -> Self {
        let request = &operation.request;
        let recorded = if request.mount_type.is_empty() {
            operation.response.mount_type.as_ref()
        } else {
            request.mount_type.as_ref()
        };
        Self::read(&request.path, &request.mount_point, recorded)
    }

    /// `mount` and `kind` are empty where they are not recorded.
    pub fn read(path: &'a str, mount: &str, kind: &str) -> Self {
        let length =
            if !mount.is_empty() && path.starts_with(mount) { mount.len() } else { mount_length(path) };
        let (mount, rest) = path.split_at(length);
        Self { mount, rest, engine: engine(mount, rest, kind) }
    }

    /// The first name below the mount, and what follows it.
    pub fn step(&self) -> (&'a str, &'a str) {
        self.rest.split_once('/').unwrap_or((self.rest, ""))
    }

    /// Whether the path is one at which a caller proves who it is and gets a token.
    pub fn is_login(&self) -> bool {
        let (first, then) = self.step();
        self.engine == Engine::Login
            && (first == "login" || first == "callback" || (first == "oidc" && then == "callback"))
    }

    /// Whether the path takes a token out of its wrapping, or puts something in.
    pub fn is_wrapping(&self) -> bool {
        self.engine == Engine::System && self.step().0 == "wrapping"
    }
}

/// A mount may have any name with slashes; without a record of it, it is taken to be one name long.
fn mount_length(path: &str) -> usize {
    let below = if path.starts_with("auth/") { "auth/".len() } else { 0 };
    path[below..].find('/').map_or(path.len(), |slash| below + slash + 1)
}

fn engine(mount: &str, rest: &str, kind: &str) -> Engine {
    match mount.trim_end_matches('/') {
        "sys" => return Engine::System,
        "auth/token" => return Engine::Token,
        "identity" => return Engine::Identity,
        "cubbyhole" => return Engine::KeyValue,
        mount if mount.starts_with("auth/") => return Engine::Login,
        _ => {}
    }
    match kind {
        "kv" | "generic" | "cubbyhole" => Engine::KeyValue,
        "pki" => Engine::Pki,
        "ssh" => Engine::Ssh,
        "transit" => Engine::Transit,
        "totp" => Engine::Totp,
        "" => told_by_names(mount, rest),
        _ => Engine::Dynamic,
    }
}

fn told_by_names(mount: &str, rest: &str) -> Engine {
    if mount.starts_with("kv") || mount.starts_with("secret") {
        return Engine::KeyValue;
    }
    let first = rest.split('/').next().unwrap_or_default();
    if mount.starts_with("totp") {
        return Engine::Totp;
    }
    if mount.starts_with("ssh") {
        return Engine::Ssh;
    }
    let told = TELLING.iter().find(|(_, names)| names.contains(&first));
    told.map_or(Engine::KeyValue, |(engine, _)| *engine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_where_its_mount_ends() {
        for (path, mount, kind, expected) in [
            ("secret/data/a/b", "", "kv", ("secret/", "data/a/b", Engine::KeyValue)),
            ("team/kv/data/a", "team/kv/", "kv", ("team/kv/", "data/a", Engine::KeyValue)),
            ("auth/userpass/login/ann", "", "userpass", ("auth/userpass/", "login/ann", Engine::Login)),
            ("auth/token/create", "", "token", ("auth/token/", "create", Engine::Token)),
            ("sys/leases/revoke/a/b", "", "system", ("sys/", "leases/revoke/a/b", Engine::System)),
            ("identity/entity", "", "identity", ("identity/", "entity", Engine::Identity)),
            ("db/creds/reader", "", "database", ("db/", "creds/reader", Engine::Dynamic)),
            ("db", "", "", ("db", "", Engine::KeyValue)),
            ("", "", "", ("", "", Engine::KeyValue)),
        ] {
            let place = Place::read(path, mount, kind);
            assert_eq!((place.mount, place.rest, place.engine), expected, "{path}");
        }
    }

    #[test]
    fn without_a_recorded_type_the_names_tell() {
        for (path, expected) in [
            ("aws/creds/deploy", Engine::Dynamic),
            ("pki_int/issue/web", Engine::Pki),
            ("transit/decrypt/orders", Engine::Transit),
            ("totp/keys/ann", Engine::Totp),
            ("totp/code/ann", Engine::Totp),
            ("ssh-client/sign/ops", Engine::Ssh),
            ("secret/config/db", Engine::KeyValue),
            ("apps/db", Engine::KeyValue),
        ] {
            assert_eq!(Place::read(path, "", "").engine, expected, "{path}");
        }
    }
}
