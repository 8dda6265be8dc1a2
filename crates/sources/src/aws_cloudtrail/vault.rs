//! The names that the AWS secrets engine of Vault and OpenBao gives to the users and sessions that it makes.
//!
//! Its default template is `vault-<display name>-<role>-<unix second>-<random>`, where display name and role together
//! are cut at 42 characters and the whole at 64 (`username_template`, "AWS secrets engine (API)"). Federation tokens
//! have 32 characters and no room for either. Whoever may create users or assume roles can write such a name too.

use ascribe_model::{Form, Key, Role, Timestamp, Trust};

use super::key::{self, global, key};
use super::record::{Act, text};

/// Lists what the name of the user or session that the request makes says of the request to Vault behind it.
pub(super) fn list(act: &Act<'_>, keys: &mut Vec<Key>) {
    let name = match (&*act.service, &*act.operation) {
        ("sts", "AssumeRole") => act.request(&["roleSessionName"]),
        ("sts", "GetFederationToken") => act.request(&["name"]),
        ("iam", "CreateUser" | "CreateAccessKey") => act.request(&["userName"]),
        _ => None,
    };
    if let Some((made_for, at)) = text(name).as_deref().and_then(parsed) {
        let step = key(Role::Step, global(key::VAULT_SESSION, made_for), Trust::SelfAsserted);
        keys.push(Key { form: Form::Composite, at: Some(at), ..step });
    }
}

/// Display name with role, and the moment.
fn parsed(name: &str) -> Option<(&str, Timestamp)> {
    let (rest, random) = name.strip_prefix("vault-")?.rsplit_once('-')?;
    let (made_for, second) = rest.rsplit_once('-')?;
    let is_random = !random.is_empty() && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_second = second.len() == 10 && second.bytes().all(|byte| byte.is_ascii_digit());
    if !(is_random && is_second && !made_for.is_empty()) {
        return None;
    }
    // Ten digits are a number.
    let at = Timestamp::from_seconds(second.parse().ok()?)?;
    Some((made_for, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_default_template_is_told_from_others() {
        for (name, expected) in [
            (
                "vault-token-deploy-1786700000-aB3dE5fG7hJ9kL1mN3p",
                Some(("token-deploy", "2026-08-14T09:33:20Z")),
            ),
            (
                "vault-kubernetes-prod-payments-s3-1786700000-x",
                Some(("kubernetes-prod-payments-s3", "2026-08-14T09:33:20Z")),
            ),
            ("vault-1786700000-aB3dE5fG7hJ9kL1m", None),
            ("vault-token-deploy-178670000-x", None),
            ("vault-token-deploy-1786700000-", None),
            ("vault-token-deploy-1786700000-a_b", None),
            ("vault--1786700000-ab", None),
            ("backup-vault-token-deploy-1786700000-ab", None),
            ("vault-", None),
            ("", None),
        ] {
            let expected = expected.map(|(made_for, at)| (made_for, at.parse().unwrap()));
            assert_eq!(parsed(name), expected, "{name}");
        }
    }
}
