//! The names of credentials, identities and nodes, as statements and claims use them.
//!
//! It reads the names of kinds from the tables in `joins`. Values are as recorded: whoever shows a sentence escapes it.

use ascribe_model::{Identity, IdentityKind, KeyRef, Node};

use crate::kinds::{is_collective, name_of_kind};

/// Nodes that a sentence names one by one; of more it says how many.
const NAMED_MAX: usize = 5;

/// What a credential or workload is called: `AWS access key ASIA…`; with its scope where the value is unique only
/// there: `Kubernetes credential JTI=… in prod`. A key of any other kind is written as it is.
pub fn credential_name(uid: &KeyRef) -> String {
    match name_of_kind(&uid.kind) {
        None => uid.to_string(),
        Some(name) if uid.scope.is_empty() => format!("{name} {}", uid.value),
        Some(name) => format!("{name} {} in {}", uid.value, uid.scope),
    }
}

/// What an identity is called, with the session where it has one.
pub(crate) fn identity_name(identity: &Identity) -> String {
    let named = match identity.kind {
        _ if is_collective(&identity.uid.kind) => format!("somebody in account {}", identity.label()),
        IdentityKind::Anonymous => "a caller who was not authenticated".to_owned(),
        IdentityKind::Unknown if identity.label().is_empty() => "an actor without a name".to_owned(),
        IdentityKind::Unknown => format!("actor {}", identity.label()),
        kind => format!("{} {}", kind.name(), identity.label()),
    };
    match &identity.session_name {
        Some(session) if session != identity.label() => format!("{named} (session `{session}`)"),
        _ => named,
    }
}

/// Whether the record that named the identity told who it was.
pub(crate) fn is_named(identity: &Identity) -> bool {
    !matches!(identity.kind, IdentityKind::Anonymous | IdentityKind::Unknown)
}

pub(crate) fn node_name(node: &Node) -> String {
    match node {
        Node::Credential(credential) => credential_name(&credential.uid),
        Node::Identity(identity) => identity_name(identity),
        Node::Unresolved { reason, .. } => reason.clone(),
    }
}

/// `a`, `a and b`, `a, b and c`; of many the first, and how many more.
pub(crate) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        names if names.len() > NAMED_MAX => {
            format!("{} and {} more", names[..NAMED_MAX].join(", "), names.len() - NAMED_MAX)
        }
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A length of time in its two largest units, such as `1 h 30 min`.
pub fn length(nanoseconds: u64) -> String {
    let seconds = nanoseconds / 1_000_000_000;
    let units = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let largest = units.iter().skip_while(|(count, _)| *count == 0).take(2);
    let shown: Vec<String> =
        largest.filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}")).collect();
    if shown.is_empty() { "less than a second".to_owned() } else { shown.join(" ") }
}

pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use ascribe_model::KeyKind;

    use super::*;

    #[test]
    fn a_scope_is_named_where_the_value_needs_it() {
        for (kind, scope, value, expected) in [
            ("aws.access_key", "", "ASIAEXAMPLE", "AWS access key ASIAEXAMPLE"),
            ("k8s.credential", "prod", "JTI=1", "Kubernetes credential JTI=1 in prod"),
            ("aws.instance", "", "i-0abc", "EC2 instance i-0abc"),
            ("aws.principal", "", "AIDAEXAMPLE", "aws.principal:AIDAEXAMPLE"),
        ] {
            let uid = KeyRef { kind: KeyKind::new(kind), scope: scope.to_owned(), value: value.to_owned() };
            assert_eq!(credential_name(&uid), expected);
        }
    }

    #[test]
    fn lengths_are_readable() {
        for (seconds, expected) in [
            (0, "less than a second"),
            (59, "59 s"),
            (3_600, "1 h"),
            (3_660, "1 h 1 min"),
            (90_061, "1 d 1 h"),
            (86_460, "1 d"),
        ] {
            assert_eq!(length(seconds * 1_000_000_000), expected);
        }
    }

    #[test]
    fn lists_read_as_sentences() {
        let names = |count: usize| (1..=count).map(|name| name.to_string()).collect::<Vec<_>>();
        for (count, expected) in
            [(0, ""), (1, "1"), (2, "1 and 2"), (3, "1, 2 and 3"), (7, "1, 2, 3, 4, 5 and 2 more")]
        {
            assert_eq!(listed(&names(count)), expected);
        }
    }
}
