//! Identifiers that never change hands.

/// Kinds of key that an issuer gives to one identity and never to another.
const LASTING: &[&str] = &["aws.identity_center_user", "aws.principal", "k8s.uid", "vault.entity"];

/// Kinds of key that are lasting where the value is a number, and a name that may be given again where it is not.
const LASTING_NUMBERS: &[&str] = &["github.actor"];

/// Whether an issuer gives this value of a kind of key to one identity and never to another.
pub fn is_lasting(kind: &str, value: &str) -> bool {
    let is_number = || !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    LASTING.contains(&kind) || (LASTING_NUMBERS.contains(&kind) && is_number())
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
            assert_eq!(is_lasting(kind, value), expected, "{kind} {value}");
        }
    }
}
