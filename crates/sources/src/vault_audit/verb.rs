//! What sort of act a request is: by its operation, and by what is mounted where it goes.
//!
//! Vault knows eleven operations for everything that its engines do; `update` alone is a login, an issue, a
//! decryption, or a change of policy. It does not look at whether the request succeeded.

use ascribe_model::Verb;

use super::place::{Engine, Place};

/// The class of `operation` at `place`.
pub(super) fn classify(operation: &str, place: &Place<'_>) -> Verb {
    if operation == "help" {
        return Verb::Read;
    }
    match place.engine {
        Engine::System => system(operation, place),
        Engine::Token => token(operation, place),
        Engine::Login => login(operation, place),
        Engine::Identity => identity(operation, place),
        Engine::KeyValue => key_value(operation, place),
        Engine::Pki => pki(operation, place),
        Engine::Ssh => ssh(operation, place),
        Engine::Transit => transit(operation, place),
        Engine::Totp => totp(operation, place),
        Engine::Dynamic => dynamic(operation, place),
    }
}

/// Whether an operation writes. Clients cannot ask for `renew`, `revoke` and `rollback`, which the server does itself.
pub(super) fn writes(operation: &str) -> bool {
    matches!(operation, "create" | "update" | "patch" | "delete" | "recover")
}

/// What an operation does to settings: of the server, of a mount, of a role.
fn settings(operation: &str) -> Verb {
    match operation {
        "read" | "list" | "header" => Verb::Read,
        _ if writes(operation) => Verb::Admin,
        "renew" => Verb::Update,
        "revoke" => Verb::Admin,
        _ => Verb::Unknown,
    }
}

/// What an operation does to things.
fn things(operation: &str) -> Verb {
    match operation {
        "read" | "list" | "header" => Verb::Read,
        "create" => Verb::Create,
        "update" | "patch" | "recover" | "renew" => Verb::Update,
        "delete" => Verb::Delete,
        "revoke" => Verb::Admin,
        _ => Verb::Unknown,
    }
}

fn system(operation: &str, place: &Place<'_>) -> Verb {
    let (first, then) = place.step();
    match (first, then.split('/').next().unwrap_or_default()) {
        ("wrapping", "lookup") | ("leases", "lookup" | "count") => Verb::Read,
        ("wrapping", _) => Verb::Delegate,
        ("leases", "renew") | ("renew", _) => Verb::Update,
        ("capabilities" | "capabilities-self" | "capabilities-accessor" | "internal" | "audit-hash", _) => {
            Verb::Read
        }
        ("tools", _) => Verb::Exec,
        ("raw", _) if operation == "read" => Verb::SecretRead,
        ("mfa", "validate") => Verb::Auth,
        _ => settings(operation),
    }
}

fn token(operation: &str, place: &Place<'_>) -> Verb {
    match place.step().0 {
        "create" | "create-orphan" if writes(operation) => Verb::Delegate,
        "lookup" | "lookup-self" | "lookup-accessor" => Verb::Read,
        "renew" | "renew-self" | "renew-accessor" => Verb::Update,
        "revoke-self" => Verb::Auth,
        _ => settings(operation),
    }
}

fn login(operation: &str, place: &Place<'_>) -> Verb {
    let (first, then) = place.step();
    if place.is_login() || (first == "oidc" && then == "auth_url") {
        return Verb::Auth;
    }
    // AppRole: `role/<name>/secret-id`, `…/custom-secret-id`, and `…/lookup` and `…/destroy` below them.
    match then.split('/').skip(1).collect::<Vec<_>>().as_slice() {
        ["secret-id" | "custom-secret-id"] if operation != "list" && writes(operation) => Verb::Delegate,
        ["secret-id" | "secret-id-accessor", "lookup"] => Verb::Read,
        _ => settings(operation),
    }
}

fn identity(operation: &str, place: &Place<'_>) -> Verb {
    let (first, then) = place.step();
    match (first, then.split('/').next().unwrap_or_default()) {
        ("oidc", "token") => Verb::Delegate,
        ("oidc", "provider") if then.ends_with("/token") || then.ends_with("/authorize") => Verb::Delegate,
        ("oidc", "introspect") | ("lookup", _) => Verb::Read,
        _ => settings(operation),
    }
}

fn key_value(operation: &str, place: &Place<'_>) -> Verb {
    match (place.step().0, operation) {
        ("metadata" | "subkeys", "read") => Verb::Read,
        ("delete" | "destroy", "create" | "update") => Verb::Delete,
        ("undelete", "create" | "update") => Verb::Update,
        // `<mount>/config`, of version 2; a secret of version 1 may have that name.
        ("config", "create" | "update") if place.rest == "config" => Verb::Admin,
        (_, "read") => Verb::SecretRead,
        _ => things(operation),
    }
}

fn pki(operation: &str, place: &Place<'_>) -> Verb {
    let (first, then) = place.step();
    // Paths may name the issuer first: `issuer/<name>/issue/<role>`.
    let first = match (first, then.split('/').nth(1)) {
        ("issuer", Some(below)) => below,
        _ => first,
    };
    match first {
        "issue" | "sign" | "sign-verbatim" | "sign-intermediate" | "sign-self-issued"
            if writes(operation) =>
        {
            Verb::Delegate
        }
        "root" | "intermediate" if then.contains("sign") && then != "set-signed" => Verb::Delegate,
        "ocsp" => Verb::Read,
        _ => settings(operation),
    }
}

fn ssh(operation: &str, place: &Place<'_>) -> Verb {
    match place.step().0 {
        "sign" | "issue" | "creds" if writes(operation) => Verb::Delegate,
        "verify" => Verb::Auth,
        "lookup" => Verb::Read,
        _ => settings(operation),
    }
}

fn transit(operation: &str, place: &Place<'_>) -> Verb {
    let (first, then) = place.step();
    match first {
        // These answer with what a key protects, or with the key.
        "decrypt" | "export" | "backup" | "byok-export" => Verb::SecretRead,
        "datakey" if then.starts_with("plaintext/") => Verb::SecretRead,
        "encrypt" | "rewrap" | "datakey" | "sign" | "verify" | "hmac" | "random" | "hash" | "cmac" => {
            Verb::Exec
        }
        _ => settings(operation),
    }
}

fn totp(operation: &str, place: &Place<'_>) -> Verb {
    match (place.step().0, operation) {
        ("code", "read") => Verb::SecretRead,
        ("code", _) => Verb::Auth,
        _ => settings(operation),
    }
}

fn dynamic(operation: &str, place: &Place<'_>) -> Verb {
    let (first, then) = place.step();
    match (first, operation) {
        (_, "list") => Verb::Read,
        ("creds" | "sts" | "token" | "key", _) => Verb::Delegate,
        ("static-creds" | "static-cred", _) => Verb::SecretRead,
        // Google Cloud: `roleset/<name>/key`; directories: `library/<set>/check-out`.
        ("roleset" | "static-account" | "impersonated-account", _)
            if then.ends_with("/key") || then.ends_with("/token") =>
        {
            Verb::Delegate
        }
        ("library", _) if then.ends_with("/check-out") => Verb::Delegate,
        _ => settings(operation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cases: &[(&str, &str, &str, Verb)]) {
        for (operation, path, kind, expected) in cases {
            assert_eq!(classify(operation, &Place::read(path, "", kind)), *expected, "{operation} {path}");
        }
    }

    #[test]
    fn requests_to_the_server_and_its_auth_methods_are_told_apart() {
        use Verb::{Admin, Auth, Delegate, Exec, Read, SecretRead, Unknown, Update};
        check(&[
            ("update", "sys/policies/acl/ops", "system", Admin),
            ("read", "sys/policies/acl/ops", "system", Read),
            ("update", "sys/audit/file", "system", Admin),
            ("delete", "sys/audit/file", "system", Admin),
            ("update", "sys/audit-hash/file", "system", Read),
            ("update", "sys/capabilities-self", "system", Read),
            ("read", "sys/internal/ui/mounts/kv", "system", Read),
            ("update", "sys/wrapping/wrap", "system", Delegate),
            ("update", "sys/wrapping/unwrap", "system", Delegate),
            ("update", "sys/wrapping/lookup", "system", Read),
            ("update", "sys/leases/renew", "system", Update),
            ("update", "sys/leases/lookup", "system", Read),
            ("update", "sys/leases/revoke-prefix/aws/creds", "system", Admin),
            ("read", "sys/raw/core/keyring", "system", SecretRead),
            ("update", "sys/tools/random/32", "system", Exec),
            ("update", "auth/token/create", "token", Delegate),
            ("update", "auth/token/create/ci", "token", Delegate),
            ("update", "auth/token/roles/ci", "token", Admin),
            ("read", "auth/token/lookup-self", "token", Read),
            ("update", "auth/token/renew-self", "token", Update),
            ("update", "auth/token/revoke-self", "token", Auth),
            ("update", "auth/token/revoke-accessor", "token", Admin),
            ("update", "auth/userpass/login/ann", "userpass", Auth),
            ("create", "auth/userpass/users/ann", "userpass", Admin),
            ("read", "auth/oidc/oidc/callback", "oidc", Auth),
            ("update", "auth/oidc/oidc/auth_url", "oidc", Auth),
            ("update", "auth/approle/role/ci/secret-id", "approle", Delegate),
            ("list", "auth/approle/role/ci/secret-id", "approle", Read),
            ("update", "auth/approle/role/ci/secret-id/lookup", "approle", Read),
            ("update", "auth/approle/role/ci/secret-id-accessor/destroy", "approle", Admin),
            ("read", "auth/approle/role/ci/role-id", "approle", Read),
            ("update", "identity/entity/id/1", "identity", Admin),
            ("read", "identity/oidc/token/ci", "identity", Delegate),
            ("update", "identity/lookup/entity", "identity", Read),
            ("alias-lookahead", "auth/kubernetes/role/x", "kubernetes", Unknown),
        ]);
    }

    #[test]
    fn requests_to_engines_are_told_apart() {
        use Verb::{Admin, Auth, Create, Delegate, Delete, Exec, Read, SecretRead, Update};
        check(&[
            ("help", "pki/roles/web", "pki", Read),
            ("read", "secret/data/a", "kv", SecretRead),
            ("read", "secret/metadata/a", "kv", Read),
            ("list", "secret/metadata/", "kv", Read),
            ("create", "secret/data/a", "kv", Create),
            ("patch", "secret/data/a", "kv", Update),
            ("delete", "secret/data/a", "kv", Delete),
            ("update", "secret/destroy/a", "kv", Delete),
            ("update", "secret/undelete/a", "kv", Update),
            ("update", "secret/config", "kv", Admin),
            ("update", "pki/issue/web", "pki", Delegate),
            ("update", "pki/issuer/main/sign/web", "pki", Delegate),
            ("update", "pki/root/sign-intermediate", "pki", Delegate),
            ("update", "pki/root/generate/internal", "pki", Admin),
            ("update", "pki/intermediate/set-signed", "pki", Admin),
            ("update", "pki/revoke", "pki", Admin),
            ("read", "pki/cert/ca", "pki", Read),
            ("update", "ssh/sign/ops", "ssh", Delegate),
            ("update", "ssh/verify", "ssh", Auth),
            ("update", "transit/decrypt/k", "transit", SecretRead),
            ("update", "transit/datakey/plaintext/k", "transit", SecretRead),
            ("update", "transit/datakey/wrapped/k", "transit", Exec),
            ("update", "transit/sign/k/sha2-256", "transit", Exec),
            ("update", "transit/keys/k/rotate", "transit", Admin),
            ("read", "totp/code/k", "totp", SecretRead),
            ("update", "totp/code/k", "totp", Auth),
            ("read", "aws/creds/deploy", "aws", Delegate),
            ("update", "aws/sts/deploy", "aws", Delegate),
            ("update", "aws/roles/deploy", "aws", Admin),
            ("update", "db/config/orders", "database", Admin),
            ("read", "db/static-creds/app", "database", SecretRead),
            ("read", "gcp/roleset/ci/token", "gcp", Delegate),
        ]);
    }
}
