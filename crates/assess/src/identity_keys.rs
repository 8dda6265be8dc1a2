//! The keys by which a record names an identity, and which of them are never given to another.
//!
//! The table [`LASTING`] names kinds of key; nothing else here knows a vendor. Whether two records mean one identity is
//! not decided here.

use ascribe_model::{Event, Identity, Key, KeyKind, Role, Trust};

/// Kinds of key that an issuer gives to one identity and never to another.
const LASTING: &[&str] = &["aws.identity_center_user", "aws.principal", "k8s.uid", "vault.entity"];

/// Kinds of key that are lasting where the value is a number, and a name that may be given again where it is not.
const LASTING_NUMBERS: &[&str] = &["github.actor"];

/// Whether an issuer gives this value to one identity and never to another.
pub(crate) fn is_lasting(kind: &KeyKind, value: &str) -> bool {
    let is_number = || !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    LASTING.contains(&kind.name()) || (LASTING_NUMBERS.contains(&kind.name()) && is_number())
}

/// The keys by which `event` names `identity`, which stands in it in `role`, less those that the caller chose: its own
/// key and names, and what never changes hands.
pub(crate) fn keys_naming<'e>(
    event: &'e Event,
    identity: &'e Identity,
    role: Role,
) -> impl Iterator<Item = &'e Key> {
    event.keys.iter().filter(move |key| {
        let named = || is_name_of(key, identity);
        key.trust != Trust::SelfAsserted
            && match key.role {
                Role::Name => named(),
                of_identity if of_identity == role => named() || is_lasting(&key.kind, &key.value),
                _ => false,
            }
    })
}

fn is_name_of(key: &Key, identity: &Identity) -> bool {
    identity.uid.names(key)
        || identity.name.as_ref() == Some(&key.value)
        || identity.alt_names.contains(&key.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_may_change_hands_and_its_number_may_not() {
        for (kind, value, expected) in [
            ("aws.principal", "AIDAEXAMPLE", true),
            ("aws.user_name", "alice", false),
            ("github.actor", "583231", true),
            ("github.actor", "octocat", false),
            ("github.actor", "", false),
        ] {
            assert_eq!(is_lasting(&KeyKind::new(kind), value), expected, "{kind} {value}");
        }
    }
}
