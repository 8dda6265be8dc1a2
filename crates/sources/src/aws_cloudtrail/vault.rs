//! The names that the AWS secrets engine of Vault and OpenBao gives to the users and sessions that it makes.
//!
//! The default template is known in `identifiers`; federation tokens have 32 characters and no room for the names.
//! Whoever may create users or assume roles can write such a name too.

use ascribe_model::{Form, Key, Role, Timestamp, Trust};

use super::key::{self, global, key};
use super::record::{Act, text};
use crate::identifiers::vault::read_aws_name;

/// Lists what the name of the user or session that the request makes says of the request to Vault behind it.
pub(super) fn list(act: &Act<'_>, keys: &mut Vec<Key>) {
    let name = match (&*act.service, &*act.operation) {
        ("sts", "AssumeRole") => act.request(&["roleSessionName"]),
        ("sts", "GetFederationToken") => act.request(&["name"]),
        ("iam", "CreateUser" | "CreateAccessKey") => act.request(&["userName"]),
        _ => None,
    };
    let name = text(name);
    let Some(made) = name.as_deref().and_then(read_aws_name) else { return };
    let second = made.made.and_then(|second| i64::try_from(second).ok());
    if let Some(at) = second.and_then(Timestamp::from_seconds) {
        let step = key(Role::Step, global(key::VAULT_SESSION, made.names), Trust::SelfAsserted);
        keys.push(Key { form: Form::Composite, at: Some(at), ..step });
    }
}
