//! Who acted, on whose behalf, and with which credential.
//!
//! A login does not say whether a person or a program holds the account, so an ordinary account is a user. What the
//! record does say: an app's account ends in `[bot]`, `actor_is_agent` marks AI agents, and `deploy_key` stands where
//! a repository's key acted for nobody.

use ascribe_model::{Credential, CredentialClass, Form, Identity, IdentityKind, Key, KeyRef, Role};

use super::key::{
    ACTOR, EXTERNAL_IDENTITY, Instance, LOGIN, SSH_KEY, SSH_PUBLIC_KEY, TOKEN, TOKEN_ID, WEB_SESSION,
};
use super::record::Record;
use crate::identifiers::{Sha256Digest, ssh};

/// What stands for the actor where a deploy key acted; with an id, it is an account of that name.
const DEPLOY_KEY: &str = "deploy_key";

/// The name of nobody.
const UNSTATED: &str = "unstated";

/// Who acted.
pub(super) fn actor(record: Record<'_>, instance: Instance<'_>) -> Identity {
    let login = record.text("actor");
    let id = record.id("actor_id");
    let kind = kind(record, login.as_deref(), id.is_some());
    let uid = match (&id, &login) {
        (Some(_), _) => account(id.as_deref(), login.as_deref(), instance),
        (None, Some(login)) if login == DEPLOY_KEY => deploy_key(record, instance),
        (None, Some(_)) => account(None, login.as_deref(), instance),
        (None, None) => Some(instance.reference(LOGIN, UNSTATED)),
    };
    Identity {
        kind,
        uid: uid.unwrap_or_else(|| instance.reference(LOGIN, UNSTATED)),
        alt_names: external_names(record),
        name: login.map(std::borrow::Cow::into_owned),
        session_name: None,
    }
}

/// The account that a record names beside the actor: whose token it is, who was added.
pub(super) fn user(record: Record<'_>, instance: Instance<'_>) -> Option<Identity> {
    let (id, login) = (record.id("user_id"), record.text("user"));
    let uid = account(id.as_deref(), login.as_deref(), instance)?;
    let is_bot = login.as_deref().is_some_and(|login| login.ends_with("[bot]"));
    Some(Identity {
        kind: if is_bot { IdentityKind::ServiceAccount } else { IdentityKind::User },
        uid,
        name: login.map(std::borrow::Cow::into_owned),
        session_name: None,
        alt_names: Vec::new(),
    })
}

/// The keys of the account that the fields `id` and `login` name.
pub(super) fn account_keys(
    role: Role,
    fields: [&str; 2],
    record: Record<'_>,
    instance: Instance<'_>,
) -> Vec<Key> {
    let [id, login] = fields;
    let id = record.id(id);
    let login = record.text(login).filter(|login| id.is_some() || login != DEPLOY_KEY);
    let named = account(id.as_deref(), login.as_deref(), instance).filter(|uid| uid.kind != LOGIN);
    let by_login = login.map(|login| instance.reference(LOGIN, login));
    named.into_iter().chain(by_login).map(|uid| Key::observed(role, uid)).collect()
}

/// The keys by which the identity provider knows the actor.
pub(super) fn external_keys(record: Record<'_>, instance: Instance<'_>) -> Vec<Key> {
    let names = external_names(record).into_iter();
    names.map(|name| instance.key(Role::Name, EXTERNAL_IDENTITY, name)).collect()
}

/// The credential that the actor used, and the keys of all its names.
pub(super) fn credential(record: Record<'_>, instance: Instance<'_>) -> (Option<Credential>, Vec<Key>) {
    let mut names = Vec::new();
    if !names_its_token(record) {
        names = token_names(record, instance);
        if is_git(record) || record.text("programmatic_access_type").is_some() {
            names.extend(ssh_key_names(record, instance));
        }
    }
    let mut class = class(record, &names);
    if names.is_empty() {
        class = CredentialClass::Console;
        names.extend(record.id("actor_session").map(|id| instance.key(Role::Used, WEB_SESSION, id)));
    }
    let credential = names.first().map(|name| Credential { uid: name.to_ref(), class });
    (credential, names)
}

/// Whether `hashed_token` and `token_id` name the token that the act is about, not one that the actor used: no token
/// can make, change or end an OAuth token or itself, and a request from the browser has none.
pub(super) fn names_its_token(record: Record<'_>) -> bool {
    let action = record.action();
    action.starts_with("oauth_access.")
        || (["personal_access_token.", "org_credential_authorization."]
            .iter()
            .any(|it| action.starts_with(it))
            && record.text("programmatic_access_type").is_none())
}

/// The names that a record gives of a token: by its hash, and by its id. The role is to be set.
pub(super) fn token_names(record: Record<'_>, instance: Instance<'_>) -> Vec<Key> {
    let hash = record.text("hashed_token").map(|recorded| {
        let (value, form) = match Sha256Digest::read(&recorded) {
            Some(hash) => (hash.to_base64(), Form::Sha256Base64),
            None => (recorded.into_owned(), Form::Masked),
        };
        Key { form, ..instance.key(Role::Used, TOKEN, value) }
    });
    let id = record.id("token_id").map(|id| instance.key(Role::Used, TOKEN_ID, id));
    hash.into_iter().chain(id).collect()
}

/// The names of an SSH key or deploy key. The role is to be set.
pub(super) fn ssh_key_names(record: Record<'_>, instance: Instance<'_>) -> Vec<Key> {
    let mut names = Vec::new();
    let body = record.text("key").and_then(|body| ssh::public_key_fingerprint(&body));
    let fingerprint = record.text("fingerprint").map(std::borrow::Cow::into_owned).or(body);
    if let Some(recorded) = fingerprint {
        let openssh = ssh::read_fingerprint(&recorded).map(ssh::fingerprint);
        names.push(Key { form: Form::Fingerprint, ..instance.key(Role::Used, SSH_KEY, recorded) });
        names.extend(openssh.map(|value| {
            let name = KeyRef { kind: SSH_PUBLIC_KEY, scope: String::new(), value };
            Key { form: Form::Fingerprint, ..Key::observed(Role::Used, name) }
        }));
    }
    let id = record.id("key_id").or_else(|| record.id("public_key_id"));
    names.extend(id.map(|id| instance.key(Role::Used, SSH_KEY, id)));
    names
}

fn kind(record: Record<'_>, login: Option<&str>, has_id: bool) -> IdentityKind {
    if record.is_true("actor_is_agent") {
        return IdentityKind::AiAgent;
    }
    match login {
        Some(login) if login.ends_with("[bot]") => IdentityKind::ServiceAccount,
        Some(DEPLOY_KEY) if !has_id => IdentityKind::ServiceAccount,
        _ if record.is_true("actor_is_bot") => IdentityKind::ServiceAccount,
        Some(_) => IdentityKind::User,
        None if has_id => IdentityKind::User,
        // Whoever clones a public repository needs no account.
        None if is_git(record)
            && record.text("hashed_token").is_none()
            && record.id("token_id").is_none() =>
        {
            IdentityKind::Anonymous
        }
        None => IdentityKind::Unknown,
    }
}

/// An account by its id, which is never given to another; else by its login.
fn account(id: Option<&str>, login: Option<&str>, instance: Instance<'_>) -> Option<KeyRef> {
    match (id, login) {
        (Some(id), _) => Some(instance.reference(ACTOR, id)),
        // A login of digits alone would pass for the id of another account.
        (None, Some(login)) if login.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(instance.reference(LOGIN, login))
        }
        (None, Some(login)) => Some(instance.reference(ACTOR, login)),
        (None, None) => None,
    }
}

/// Every deploy key has the same login, so the key itself, or the repository, tells them apart.
fn deploy_key(record: Record<'_>, instance: Instance<'_>) -> Option<KeyRef> {
    let names = token_names(record, instance).into_iter().chain(ssh_key_names(record, instance));
    let by_key = names.map(|name| name.to_ref()).next();
    by_key.or_else(|| Some(instance.within(&record.repository()?, LOGIN, DEPLOY_KEY)))
}

fn external_names(record: Record<'_>) -> Vec<String> {
    let fields = ["external_identity_nameid", "external_identity_username"];
    let mut names: Vec<_> = fields.iter().filter_map(|name| record.text(name)).map(String::from).collect();
    names.dedup();
    names
}

fn is_git(record: Record<'_>) -> bool {
    record.action().starts_with("git.")
}

/// How long the credential lives, as far as its type says.
fn class(record: Record<'_>, names: &[Key]) -> CredentialClass {
    let access = record.text("programmatic_access_type").unwrap_or_default();
    match access.as_ref() {
        // Installation tokens end after an hour; tokens of a user in an app after eight, unless the app opted out.
        "GitHub App server-to-server token" | "GitHub App user-to-server token" => CredentialClass::Temporary,
        "Personal access token (classic)"
        | "OAuth access token"
        | "Authentication token created before 2021-04-05"
        | "Public Key (User/Deploy)" => CredentialClass::LongLived,
        _ if names.iter().any(|name| name.kind == SSH_KEY) => CredentialClass::LongLived,
        // A fine-grained token may have an end; the record does not say.
        _ => CredentialClass::Unknown,
    }
}
