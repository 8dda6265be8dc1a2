//! What an act does to credentials: one table of actions, and how each sort of credential is named.
//!
//! GitHub seldom names a credential by anything that its later use repeats. Where the record has no such name, the
//! effect says in words which credentials it is about.

use ascribe_model::{
    Credential, CredentialClass, Effect, EffectKind, Form, Identity, IdentityKind, Key, KeyRef, Role,
};

use super::actor::{names_its_token, ssh_key_names, token_names, user};
use super::key::{APP, INSTALLATION, Instance, OAUTH_APP, RUN, RUNNER, SECRET, TOKEN_ID, TOKEN_REQUEST};
use super::record::Record;
use super::{Facts, actor};

/// An action that changes credentials.
pub(super) struct Row {
    /// The action; `*.` stands for any category.
    action: &'static str,
    pub kind: EffectKind,
    pub target: Target,
}

/// Which credentials.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A personal access token or OAuth token.
    Token,
    /// What an account lets an OAuth app do for it.
    Authorization,
    /// Every token of an OAuth app in an organisation.
    AppAccess,
    /// A client secret of an app.
    ClientSecret,
    /// The user tokens of an app, or everything that speaks for it.
    AppTokens,
    /// The standing right of an app to make tokens for an account.
    Installation,
    /// An SSH key, deploy key or signing key.
    SshKey,
    /// A stored secret of Actions, Codespaces or Dependabot.
    Secret,
    /// A self-hosted runner.
    Runner,
    /// The single sign-on sessions of an account.
    Sessions,
    /// The password of an account.
    Password,
    /// A passkey.
    Passkey,
    /// What a job may ask for: its `GITHUB_TOKEN` and OIDC tokens.
    JobTokens,
    /// The token of a codespace.
    Codespace,
}

use EffectKind::{Disable, Enable, Issue, Renew, Revoke, Rotate, Scope};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    change("personal_access_token.access_granted", Issue, Target::Token),
    change("personal_access_token.access_revoked", Revoke, Target::Token),
    change("personal_access_token.create", Issue, Target::Token),
    change("personal_access_token.credential_regenerated", Renew, Target::Token),
    change("personal_access_token.credential_revoked", Revoke, Target::Token),
    change("personal_access_token.destroy", Revoke, Target::Token),
    change("personal_access_token.update", Scope, Target::Token),
    change("oauth_access.create", Issue, Target::Token),
    change("oauth_access.destroy", Revoke, Target::Token),
    change("oauth_access.regenerate", Renew, Target::Token),
    change("oauth_access.revoke", Revoke, Target::Token),
    change("oauth_access.update", Scope, Target::Token),
    change("org_credential_authorization.grant", Enable, Target::Token),
    change("org_credential_authorization.deauthorize", Revoke, Target::Token),
    change("org_credential_authorization.revoke", Revoke, Target::Token),
    change("oauth_authorization.create", Issue, Target::Authorization),
    change("oauth_authorization.destroy", Revoke, Target::Authorization),
    change("oauth_authorization.update", Scope, Target::Authorization),
    change("org.oauth_app_access_approved", Enable, Target::AppAccess),
    change("org.oauth_app_access_blocked", Disable, Target::AppAccess),
    change("org.oauth_app_access_denied", Disable, Target::AppAccess),
    change("org.oauth_app_access_unblocked", Enable, Target::AppAccess),
    change("*.generate_client_secret", Issue, Target::ClientSecret),
    change("*.remove_client_secret", Revoke, Target::ClientSecret),
    change("oauth_application.reset_secret", Rotate, Target::ClientSecret),
    change("*.revoke_all_tokens", Revoke, Target::AppTokens),
    change("*.revoke_tokens", Revoke, Target::AppTokens),
    change("integration.destroy", Revoke, Target::AppTokens),
    change("integration.suspend", Disable, Target::AppTokens),
    change("integration.unsuspend", Enable, Target::AppTokens),
    change("oauth_application.destroy", Revoke, Target::AppTokens),
    change("oauth_application.suspend", Disable, Target::AppTokens),
    change("oauth_application.unsuspend", Enable, Target::AppTokens),
    change("integration_installation.create", Issue, Target::Installation),
    change("integration_installation.destroy", Revoke, Target::Installation),
    change("integration_installation.repositories_added", Scope, Target::Installation),
    change("integration_installation.repositories_removed", Scope, Target::Installation),
    change("integration_installation.suspend", Disable, Target::Installation),
    change("integration_installation.unsuspend", Enable, Target::Installation),
    change("integration_installation.version_updated", Scope, Target::Installation),
    change("public_key.create", Issue, Target::SshKey),
    change("public_key.delete", Revoke, Target::SshKey),
    change("public_key.unverify", Disable, Target::SshKey),
    change("public_key.update", Scope, Target::SshKey),
    change("public_key.verify", Enable, Target::SshKey),
    change("git_signing_ssh_public_key.create", Issue, Target::SshKey),
    change("git_signing_ssh_public_key.delete", Revoke, Target::SshKey),
    change("*.create_actions_secret", Issue, Target::Secret),
    change("*.create_integration_secret", Issue, Target::Secret),
    change("*.update_actions_secret", Rotate, Target::Secret),
    change("*.update_integration_secret", Rotate, Target::Secret),
    change("*.remove_actions_secret", Revoke, Target::Secret),
    change("*.remove_integration_secret", Revoke, Target::Secret),
    change("*.register_self_hosted_runner", Issue, Target::Runner),
    change("*.configure_self_hosted_jit_runner", Issue, Target::Runner),
    change("*.remove_self_hosted_runner", Revoke, Target::Runner),
    change("*.revoke_external_identity", Revoke, Target::Sessions),
    change("*.revoke_sso_session", Revoke, Target::Sessions),
    change("user.change_password", Rotate, Target::Password),
    change("user.reset_password", Rotate, Target::Password),
    change("passkey.register", Issue, Target::Passkey),
    change("passkey.remove", Revoke, Target::Passkey),
    change("codespaces.connect", Renew, Target::Codespace),
    change("workflows.prepared_workflow_job", Issue, Target::JobTokens),
];

const fn change(action: &'static str, kind: EffectKind, target: Target) -> Row {
    Row { action, kind, target }
}

/// The row of an action.
pub(super) fn row(action: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.is_of(action))
}

impl Row {
    fn is_of(&self, action: &str) -> bool {
        match self.action.strip_prefix("*.") {
            Some(any) => action.split_once('.').is_some_and(|(_, operation)| operation == any),
            None => self.action == action,
        }
    }
}

/// Adds what the act does, with the keys of what it touches.
pub(super) fn add(record: Record<'_>, instance: Instance<'_>, facts: &mut Facts) {
    if let Some(request) = record.id("user_programmatic_access_request_id") {
        facts.keys.push(instance.key(Role::Step, TOKEN_REQUEST, request));
    }
    let Some(row) = row(&record.action()) else { return };
    let Touched { names, class, selector, subject } = touched(row.target, record, instance);
    // A regenerated token has another hash; its id is what goes on.
    let lasting = names.iter().find(|name| row.kind == Renew && name.kind == TOKEN_ID);
    let credential = lasting.or(names.first()).map(|name| Credential { uid: name.to_ref(), class });
    facts.effects.push(Effect {
        selector: if credential.is_some() { None } else { Some(selector) },
        credential,
        subject,
        ..Effect::new(row.kind)
    });
    let role = role(row.kind);
    facts.keys.extend(names.into_iter().map(|name| Key { role, ..name }));
}

/// The credentials that a record is about.
struct Touched {
    /// All names of one credential; the role is to be set.
    names: Vec<Key>,
    class: CredentialClass,
    /// Which credentials, where none has a name.
    selector: String,
    subject: Option<Identity>,
}

fn touched(target: Target, record: Record<'_>, instance: Instance<'_>) -> Touched {
    let owner = || user(record, instance).or_else(|| Some(actor::actor(record, instance)));
    let account = || record.text("user").or_else(|| record.text("actor")).unwrap_or("the account".into());
    let organization = || record.text("org").unwrap_or("the organisation".into());
    let app = app(record, instance);
    let app_name = || app.as_ref().map_or("the app", Identity::label).to_owned();
    let unnamed = |selector: String, subject| Touched {
        names: Vec::new(),
        class: CredentialClass::Unknown,
        selector,
        subject,
    };
    match target {
        Target::Token => Touched {
            names: touched_token(record, instance),
            class: CredentialClass::LongLived,
            selector: format!("a token of `{}` that the record does not name", account()),
            subject: owner(),
        },
        Target::Authorization => {
            unnamed(format!("the tokens of `{}` in the app `{}`", account(), app_name()), owner())
        }
        Target::AppAccess => {
            let selector = format!("the tokens of the app `{}` in `{}`", app_name(), organization());
            unnamed(selector, app)
        }
        Target::ClientSecret => unnamed(format!("a client secret of the app `{}`", app_name()), app),
        Target::AppTokens => unnamed(format!("the tokens of the app `{}`", app_name()), app),
        Target::Installation => installation(record, app, instance),
        Target::SshKey => Touched {
            names: ssh_key_names(record, instance),
            class: CredentialClass::LongLived,
            selector: "an SSH key that the record does not name".to_owned(),
            subject: user(record, instance),
        },
        Target::Secret => secret(record, instance),
        Target::Runner => Touched {
            names: named(record.id("runner_id").map(|id| instance.reference(RUNNER, id))),
            class: CredentialClass::LongLived,
            selector: "the credentials of a runner that the record does not name".to_owned(),
            subject: None,
        },
        Target::Sessions => unnamed(
            format!("the single sign-on sessions of `{}` in `{}`", account(), organization()),
            owner(),
        ),
        Target::Password => unnamed(format!("the password of `{}`", account()), owner()),
        Target::Passkey => unnamed(format!("a passkey of `{}`", account()), owner()),
        Target::Codespace => unnamed(format!("the token of a codespace of `{}`", account()), owner()),
        Target::JobTokens => job(record, instance),
    }
}

/// A token by its hash, else by its id; the id that an organisation has of a fine-grained token comes first.
fn touched_token(record: Record<'_>, instance: Instance<'_>) -> Vec<Key> {
    let own = record.id("user_programmatic_access_id").map(|id| instance.key(Role::Used, TOKEN_ID, id));
    let mut names: Vec<_> = own.into_iter().collect();
    if names_its_token(record) {
        for name in token_names(record, instance) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    // Single sign-on lets SSH keys in as well as tokens.
    if names.is_empty() && record.action().starts_with("org_credential_authorization.") {
        names = ssh_key_names(record, instance);
    }
    names
}

/// The app that a record is about, where it names one.
fn app(record: Record<'_>, instance: Instance<'_>) -> Option<Identity> {
    let name = ["integration", "oauth_application_name", "oauth_application", "application_name"]
        .into_iter()
        .find_map(|field| record.text(field))
        .or_else(|| record.text("name").filter(|_| record.action().starts_with("integration")))
        .map(String::from);
    let in_organization = |name: &str| match record.text("org") {
        Some(organization) => instance.within(&organization, APP, name),
        None => instance.reference(APP, name),
    };
    let uid = match (record.id("application_client_id"), record.id("oauth_application_id"), &name) {
        (Some(client), _, _) => instance.reference(APP, client),
        (None, Some(id), _) => instance.reference(OAUTH_APP, id),
        (None, None, Some(name)) => in_organization(name),
        (None, None, None) => return None,
    };
    let kind = IdentityKind::ServiceAccount;
    Some(Identity { kind, uid, name, session_name: None, alt_names: Vec::new() })
}

/// An installation has no id in most records; an app is installed once in an account.
fn installation(record: Record<'_>, app: Option<Identity>, instance: Instance<'_>) -> Touched {
    let id = ["integration_installation_id", "installation_id"].into_iter().find_map(|name| record.id(name));
    let account = record.text("org").or_else(|| record.text("user"));
    let by_app = app.as_ref().zip(account.as_ref()).map(|(app, account)| {
        let name = instance.within(account, INSTALLATION, app.uid.value.clone());
        Key { form: Form::Composite, ..Key::observed(Role::Used, name) }
    });
    let by_id = id.map(|id| instance.key(Role::Used, INSTALLATION, id));
    Touched {
        names: by_id.into_iter().chain(by_app).collect(),
        class: CredentialClass::LongLived,
        selector: "the installation of an app that the record does not name".to_owned(),
        subject: app,
    }
}

/// A secret is named within what holds it.
fn secret(record: Record<'_>, instance: Instance<'_>) -> Touched {
    let action = record.action();
    let category = action.split('.').next().unwrap_or_default();
    let repository = record.repository();
    let holder = match category {
        "environment" => {
            repository.zip(record.text("environment_name")).map(|(path, name)| format!("{path}:{name}"))
        }
        "repo" => repository.map(String::from),
        "org" => record.text("org").map(String::from),
        "business" => record.text("business").map(String::from),
        _ => record.text("user").or_else(|| record.text("actor")).map(String::from),
    };
    let held = record.text("key").zip(holder);
    Touched {
        names: named(held.map(|(name, holder)| instance.within(&holder, SECRET, name))),
        class: CredentialClass::LongLived,
        selector: "a stored secret that the record does not name".to_owned(),
        subject: None,
    }
}

/// The run stands for the tokens that its jobs may ask for: GitHub gives those no id in this log.
fn job(record: Record<'_>, instance: Instance<'_>) -> Touched {
    let name = record.text("job_name").unwrap_or("the job".into());
    let subject = record.id("workflow_run_id").map(|run| Identity {
        kind: IdentityKind::CiJob,
        uid: instance.reference(RUN, run),
        name: record.text("job_name").map(String::from),
        session_name: None,
        alt_names: Vec::new(),
    });
    Touched {
        names: Vec::new(),
        class: CredentialClass::Temporary,
        selector: format!(
            "the tokens that `{name}` may ask for: its `GITHUB_TOKEN`, and OIDC tokens if it may"
        ),
        subject,
    }
}

fn named(name: Option<KeyRef>) -> Vec<Key> {
    name.map(|name| Key::observed(Role::Used, name)).into_iter().collect()
}

fn role(kind: EffectKind) -> Role {
    match kind {
        EffectKind::Issue | EffectKind::Renew => Role::Issued,
        EffectKind::Revoke | EffectKind::Disable | EffectKind::Expire => Role::Ended,
        EffectKind::Enable => Role::Enabled,
        EffectKind::Rotate | EffectKind::Scope => Role::Resource,
    }
}

/// The app whose token the actor used, or that the record is about.
pub(super) fn app_key(record: Record<'_>, instance: Instance<'_>) -> Option<Key> {
    Some(Key::observed(Role::Name, app(record, instance)?.uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_has_one_row_and_one_row_has_an_action() {
        for expected in ROWS {
            let action = expected.action.replace("*.", "repo.");
            let found: Vec<_> = ROWS.iter().filter(|row| row.is_of(&action)).map(|row| row.action).collect();
            assert_eq!(found, [expected.action], "{action}");
        }
        for action in
            ["", "repo", "create", "repo.create", "repo.x.create_actions_secret", "public_key.created"]
        {
            assert!(row(action).is_none(), "{action}");
        }
    }
}
