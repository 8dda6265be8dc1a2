//! Who acted and with what: `userIdentity`.
//!
//! Follows "CloudTrail userIdentity element". It does not know operations; what an operation says of the identities
//! that it creates is in `effect.rs`.

use std::borrow::Cow;

use ascribe_model::{
    Credential, CredentialClass, Identity, IdentityKind, Key, KeyRef, Role, Timestamp, Trust,
};

use super::key::{self, global, key, scoped};
use super::record::{Act, members, text};
use super::{time, workload};
use crate::identifiers::aws::split_role_arn;
use crate::json::Value;

/// What `userIdentity` says.
pub(super) struct Principal {
    pub(super) actor: Identity,
    /// Outermost first.
    pub(super) on_behalf_of: Vec<Identity>,
    pub(super) credential: Option<Credential>,
    /// ARN of the role that was taken on.
    pub(super) role: Option<String>,
    /// The session was opened with a second factor.
    pub(super) second_factor: bool,
    /// The service that called for the caller.
    pub(super) invoked_by: Option<String>,
}

/// `userIdentity`, its members found in one pass.
#[derive(Default)]
struct UserIdentity<'t> {
    kind: Cow<'t, str>,
    principal_id: Option<String>,
    arn: Option<String>,
    account: Option<String>,
    access_key: Option<String>,
    user_name: Option<String>,
    invoked_by: Option<String>,
    provider: Option<String>,
    credential_id: Option<String>,
    behalf: Option<Value<'t>>,
    in_scope_of: Option<Value<'t>>,
    session: Session<'t>,
}

/// `sessionContext`.
#[derive(Default)]
struct Session<'t> {
    began: Option<Timestamp>,
    second_factor: bool,
    issuer: Issuer,
    source_identity: Option<String>,
    delivered_to_instance: bool,
    federation: Option<Value<'t>>,
}

/// `sessionIssuer`: whose session it is.
#[derive(Default)]
struct Issuer {
    principal_id: Option<String>,
    arn: Option<String>,
    account: Option<String>,
    user_name: Option<String>,
}

/// Reads `userIdentity` and lists its keys.
pub(super) fn principal(act: &Act<'_>, keys: &mut Vec<Key>) -> Principal {
    let user = UserIdentity::of(act.fields.user_identity);
    let actor = actor(act, &user, keys);
    list_other_names(act, &user, &actor, keys);
    let credential = credential(act, &user, keys);
    if let Some(principal_id) = &user.principal_id
        && matches!(&*user.kind, "AssumedRole" | "Role" | "FederatedUser" | "AWSAccount")
        && principal_id.contains(':')
    {
        keys.push(key::session(Role::Used, global(key::ROLE_SESSION, principal_id), user.session.began));
    }
    let session = workload::Session {
        name: actor.session_name.as_deref(),
        delivered_to_instance: user.session.delivered_to_instance,
        provider: text(user.session.federation.and_then(|federation| federation.get("federatedProvider"))),
        issued_to: text(user.in_scope_of.and_then(|scope| scope.get("credentialsIssuedTo"))),
    };
    workload::of_session(&session, keys);
    let on_behalf_of = behalf(act, &user, &actor, keys);
    let role = if &*user.kind == "AssumedRole" { user.session.issuer.arn } else { None };
    Principal {
        actor,
        on_behalf_of,
        credential,
        role,
        second_factor: user.session.second_factor,
        invoked_by: user.invoked_by,
    }
}

/// The actor's ARN, and its account where that is not the one that received the event.
fn list_other_names(act: &Act<'_>, user: &UserIdentity<'_>, actor: &Identity, keys: &mut Vec<Key>) {
    if let Some(arn) = &user.arn
        && !(actor.uid.kind == key::ARN && actor.uid.value == *arn)
    {
        keys.push(key(Role::Actor, global(key::ARN, arn), Trust::VerifierObserved));
    }
    if let Some(account) = &user.account
        && *account != act.account
        && actor.uid.kind != key::ACCOUNT
    {
        keys.push(key(Role::Name, global(key::ACCOUNT, account), Trust::VerifierObserved));
    }
}

/// A role session: `AROA…` acts, under a session name that its caller chose.
pub(super) struct RoleSession<'a> {
    /// `AROA…:session-name`.
    pub(super) principal_id: Option<&'a str>,
    /// Name of the role.
    pub(super) role: Option<&'a str>,
    /// Account of the role.
    pub(super) account: &'a str,
    /// Session name where the principal's id does not hold it.
    pub(super) session: Option<&'a str>,
    /// ARNs of the session and of the role.
    pub(super) arns: Vec<String>,
}

/// The identity of a role session: the role, by its immutable id where the record has it.
pub(super) fn role_identity(session: RoleSession<'_>) -> Identity {
    let (role_id, session_in_id) = match session.principal_id {
        Some(id) => split_principal(id),
        None => ("", None),
    };
    let uid = match (role_id, session.arns.first(), session.role) {
        ("", None, None) => scoped(key::PRINCIPAL, session.account, UNRECORDED),
        ("", None, Some(role)) => scoped(key::ROLE_NAME, session.account, role),
        ("", Some(arn), _) => global(key::ARN, arn),
        (id, ..) => global(key::PRINCIPAL, id),
    };
    Identity {
        kind: IdentityKind::Role,
        uid,
        name: session.role.map(str::to_owned),
        session_name: session_in_id.or(session.session).map(str::to_owned),
        alt_names: session.arns,
    }
}

/// Splits `AROA…:session-name`, and `account:name` of a federated user.
pub(super) fn split_principal(id: &str) -> (&str, Option<&str>) {
    match id.split_once(':') {
        Some((principal, session)) if !session.is_empty() => (principal, Some(session)),
        Some((principal, _)) => (principal, None),
        None => (id, None),
    }
}

/// The account number of an ARN.
pub(super) fn account_of_arn(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

/// Host and path of an OpenID Connect provider: the issuer without `https://`.
fn provider_host(provider: &str) -> &str {
    provider.split_once(":oidc-provider/").map_or(provider, |(_, host)| host)
}

/// The value of an identity that the record does not name.
const UNRECORDED: &str = "unrecorded";

impl<'t> UserIdentity<'t> {
    fn of(value: Option<Value<'t>>) -> Self {
        let mut user = Self::default();
        for (name, value) in value.into_iter().flat_map(members) {
            match &*name {
                b"type" => user.kind = value.text().unwrap_or_default(),
                b"principalId" => user.principal_id = value.non_empty(),
                b"arn" => user.arn = value.non_empty(),
                b"accountId" => user.account = value.non_empty(),
                b"accessKeyId" => user.access_key = value.non_empty(),
                b"userName" => user.user_name = value.non_empty(),
                b"invokedBy" => user.invoked_by = value.non_empty(),
                b"identityProvider" => user.provider = value.non_empty(),
                b"credentialId" => user.credential_id = value.non_empty(),
                b"onBehalfOf" => user.behalf = Some(value),
                b"inScopeOf" => user.in_scope_of = Some(value),
                b"sessionContext" => user.session = Session::of(value),
                _ => {}
            }
        }
        user
    }

    fn account<'a>(&'a self, act: &'a Act<'_>) -> &'a str {
        self.account.as_deref().unwrap_or(&act.account)
    }
}

impl<'t> Session<'t> {
    fn of(context: Value<'t>) -> Self {
        let mut session = Self::default();
        for (name, value) in members(context) {
            match &*name {
                b"attributes" => {
                    session.began = time::moment(value.get("creationDate"));
                    session.second_factor =
                        value.get("mfaAuthenticated").and_then(Value::truth) == Some(true);
                }
                b"sessionIssuer" => session.issuer = Issuer::of(value),
                b"sourceIdentity" => session.source_identity = value.non_empty(),
                b"ec2RoleDelivery" => session.delivered_to_instance = true,
                b"webIdFederationData" => session.federation = Some(value),
                _ => {}
            }
        }
        session
    }
}

impl Issuer {
    fn of(value: Value<'_>) -> Self {
        let mut issuer = Self::default();
        for (name, value) in members(value) {
            match &*name {
                b"principalId" => issuer.principal_id = value.non_empty(),
                b"arn" => issuer.arn = value.non_empty(),
                b"accountId" => issuer.account = value.non_empty(),
                b"userName" => issuer.user_name = value.non_empty(),
                _ => {}
            }
        }
        issuer
    }
}

fn actor(act: &Act<'_>, user: &UserIdentity<'_>, keys: &mut Vec<Key>) -> Identity {
    match &*user.kind {
        "AssumedRole" | "Role" => assumed_role(act, user, keys),
        "WebIdentityUser" => web_identity(act, user, keys),
        "SAMLUser" => saml_user(act, user, keys),
        "IdentityCenterUser" => identity_center_user(act, user, keys),
        "AWSService" => service(user.invoked_by.clone().or_else(|| source(act)), keys),
        "AWSAccount" => other_account(act, user, keys),
        "FederatedUser" => {
            let name = user.principal_id.as_deref().and_then(|id| split_principal(id).1).map(str::to_owned);
            let actor = account_user(act, user, IdentityKind::User, keys);
            Identity { session_name: name.clone(), name, ..actor }
        }
        "Root" => {
            let actor = account_user(act, user, IdentityKind::User, keys);
            Identity { name: Some("root".to_owned()), ..actor }
        }
        "IAMUser" | "Directory" => account_user(act, user, IdentityKind::User, keys),
        // Events of services carry no type, or no `userIdentity` at all.
        "" if user.invoked_by.is_some() => service(user.invoked_by.clone(), keys),
        "" if is_service_event(act) => service(source(act), keys),
        _ => account_user(act, user, IdentityKind::Unknown, keys),
    }
}

fn is_service_event(act: &Act<'_>) -> bool {
    act.fields.insight.is_some() || act.fields.event_type.is_some_and(|kind| kind.is_text("AwsServiceEvent"))
}

/// The service that recorded the event.
fn source(act: &Act<'_>) -> Option<String> {
    text(act.fields.event_source)
}

/// A service; CloudTrail itself for its Insights events, which name none.
fn service(name: Option<String>, keys: &mut Vec<Key>) -> Identity {
    let uid = global(key::SERVICE, name.unwrap_or_else(|| "cloudtrail.amazonaws.com".to_owned()));
    keys.push(key(Role::Actor, uid.clone(), Trust::VerifierObserved));
    named(IdentityKind::Platform, uid, None)
}

/// A user, and every other identity that has its own id, ARN and name.
fn account_user(act: &Act<'_>, user: &UserIdentity<'_>, kind: IdentityKind, keys: &mut Vec<Key>) -> Identity {
    let account = user.account(act);
    let uid = match (&user.principal_id, &user.arn, &user.user_name) {
        (Some(id), ..) => global(key::PRINCIPAL, id),
        (None, Some(arn), _) => global(key::ARN, arn),
        (None, None, Some(name)) => scoped(key::USER_NAME, account, name),
        // Of a caller from elsewhere the record may say the account alone; of others that would name everybody.
        (None, None, None) if &*user.kind == "AWSAccount" => global(key::ACCOUNT, account),
        (None, None, None) => scoped(key::PRINCIPAL, account, UNRECORDED),
    };
    if uid.value != UNRECORDED {
        keys.push(key(Role::Actor, uid.clone(), Trust::VerifierObserved));
    }
    if let Some(name) = &user.user_name {
        keys.push(key(Role::Name, scoped(key::USER_NAME, account, name), Trust::VerifierObserved));
    }
    let alt_names = user.arn.iter().filter(|arn| **arn != uid.value).cloned().collect();
    Identity { alt_names, ..named(kind, uid, user.user_name.clone()) }
}

fn assumed_role(act: &Act<'_>, user: &UserIdentity<'_>, keys: &mut Vec<Key>) -> Identity {
    let issuer = &user.session.issuer;
    let from_arn = user.arn.as_deref().and_then(split_role_arn);
    let role = issuer
        .user_name
        .as_deref()
        .or_else(|| issuer.arn.as_deref().and_then(split_role_arn).or(from_arn).map(|(role, _)| role));
    let account = issuer.account.as_deref().unwrap_or(user.account(act));
    let identity = role_identity(RoleSession {
        principal_id: user.principal_id.as_deref().or(issuer.principal_id.as_deref()),
        role,
        account,
        session: from_arn.and_then(|(_, session)| session),
        arns: user.arn.iter().chain(&issuer.arn).cloned().collect(),
    });
    list_role(&identity, account, Role::Actor, keys);
    identity
}

/// The keys of a role session's identity, as actor or as the subject of a credential.
pub(super) fn list_role(identity: &Identity, account: &str, role: Role, keys: &mut Vec<Key>) {
    let trust = if role == Role::Subject { Trust::IssuerAsserted } else { Trust::VerifierObserved };
    if identity.uid.value != UNRECORDED {
        keys.push(key(role, identity.uid.clone(), trust));
    }
    if let Some(name) = &identity.name {
        keys.push(key(Role::Name, scoped(key::ROLE_NAME, account, name), trust));
    }
    if let Some(session) = &identity.session_name {
        keys.push(key(Role::Name, global(key::SESSION_NAME, session), Trust::SelfAsserted));
    }
}

/// `principalId` is `provider:audience:subject`; audience and subject may hold colons.
fn web_identity(act: &Act<'_>, user: &UserIdentity<'_>, keys: &mut Vec<Key>) -> Identity {
    let provider = user.provider.as_deref().unwrap_or_default();
    let subject = subject_of_token(act, user, provider);
    let Some(subject) = subject else {
        return account_user(act, user, IdentityKind::Unknown, keys);
    };
    let host = provider_host(provider);
    let uid = scoped(key::OIDC_SUBJECT, host, &subject);
    keys.push(key(Role::Actor, uid.clone(), Trust::VerifierObserved));
    let kind = if subject.starts_with("system:serviceaccount:") {
        IdentityKind::ServiceAccount
    } else if is_build_system(host) {
        IdentityKind::CiJob
    } else {
        IdentityKind::User
    };
    named(kind, uid, user.user_name.clone().or(Some(subject)))
}

fn subject_of_token(act: &Act<'_>, user: &UserIdentity<'_>, provider: &str) -> Option<String> {
    if let Some(subject) = text(act.response(&["subjectFromWebIdentityToken"])) {
        return Some(subject);
    }
    let from_id = user.principal_id.as_deref().and_then(|id| {
        let rest = id.strip_prefix(provider)?.strip_prefix(':')?;
        let audience = text(act.response(&["audience"]));
        match audience.as_deref().and_then(|audience| rest.strip_prefix(audience)?.strip_prefix(':')) {
            Some(subject) => Some(subject.to_owned()),
            None => rest.split_once(':').map(|(_, subject)| subject.to_owned()),
        }
    });
    user.user_name.clone().or(from_id)
}

/// Issuers whose tokens speak for one run of a build.
fn is_build_system(host: &str) -> bool {
    ["token.actions.githubusercontent.com", "gitlab.com", "agent.buildkite.com", "oidc.circleci.com"]
        .iter()
        .any(|issuer| host.strip_prefix(issuer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// `principalId` is `name-qualifier:subject`.
fn saml_user(act: &Act<'_>, user: &UserIdentity<'_>, keys: &mut Vec<Key>) -> Identity {
    let from_id = user.principal_id.as_deref().and_then(|id| split_principal(id).1);
    let subject = text(act.response(&["subject"])).or_else(|| user.user_name.clone());
    let Some(subject) = subject.or_else(|| from_id.map(str::to_owned)) else {
        return account_user(act, user, IdentityKind::Unknown, keys);
    };
    let qualifier =
        user.provider.clone().or_else(|| text(act.response(&["nameQualifier"]))).unwrap_or_default();
    let uid = scoped(key::SAML_SUBJECT, &qualifier, &subject);
    keys.push(key(Role::Actor, uid.clone(), Trust::VerifierObserved));
    if let Some(issuer) = text(act.response(&["issuer"])) {
        keys.push(key(Role::Actor, scoped(key::SAML_SUBJECT, &issuer, &subject), Trust::VerifierObserved));
    }
    named(IdentityKind::User, uid, Some(subject))
}

fn identity_center_user(act: &Act<'_>, user: &UserIdentity<'_>, keys: &mut Vec<Key>) -> Identity {
    let Some(uid) = user.behalf.and_then(identity_store_user) else {
        return account_user(act, user, IdentityKind::User, keys);
    };
    keys.push(key(Role::Actor, uid.clone(), Trust::VerifierObserved));
    named(IdentityKind::User, uid, user.user_name.clone())
}

/// `onBehalfOf`: a user id, unique in its identity store.
fn identity_store_user(behalf: Value<'_>) -> Option<KeyRef> {
    let user = text(behalf.get("userId"))?;
    let store = text(behalf.get("identityStoreArn")).unwrap_or_default();
    let store = store.rsplit_once('/').map_or(store.as_str(), |(_, id)| id);
    Some(scoped(key::IDENTITY_CENTER_USER, store, user))
}

/// A caller from another account: the owner of the resource learns its id, or nothing but the account.
fn other_account(act: &Act<'_>, user: &UserIdentity<'_>, keys: &mut Vec<Key>) -> Identity {
    if user.account.as_deref().is_some_and(|account| account.eq_ignore_ascii_case("ANONYMOUS_PRINCIPAL"))
        || user.principal_id.as_deref() == Some("Anonymous")
    {
        return named(IdentityKind::Anonymous, global(key::ACCOUNT, "ANONYMOUS_PRINCIPAL"), None);
    }
    if user.principal_id.as_deref().is_some_and(|id| split_principal(id).1.is_some()) {
        return assumed_role(act, user, keys);
    }
    account_user(act, user, IdentityKind::User, keys)
}

fn named(kind: IdentityKind, uid: KeyRef, name: Option<String>) -> Identity {
    Identity { kind, uid, name, session_name: None, alt_names: Vec::new() }
}

/// The credential used: an access key, an Identity Center token, or a console session.
fn credential(act: &Act<'_>, user: &UserIdentity<'_>, keys: &mut Vec<Key>) -> Option<Credential> {
    let recorded = match (&user.access_key, &user.credential_id) {
        (Some(id), _) => Some(Credential { uid: global(key::ACCESS_KEY, id), class: class_of(id) }),
        (None, Some(id)) => Some(Credential {
            uid: global(key::IDENTITY_CENTER_CREDENTIAL, id),
            class: CredentialClass::Temporary,
        }),
        (None, None) => None,
    };
    if let Some(credential) = &recorded {
        keys.push(key(Role::Used, credential.uid.clone(), Trust::VerifierObserved));
    }
    let console = console_session(act, user);
    if let Some(session) = &console {
        keys.push(key::session(Role::Used, session.clone(), user.session.began));
    }
    recorded.or(console.map(|uid| Credential { uid, class: CredentialClass::Console }))
}

/// Calls from the console say so, or, in older records, have a session but no access key.
fn console_session(act: &Act<'_>, user: &UserIdentity<'_>) -> Option<KeyRef> {
    let says_so = act.fields.from_console.and_then(Value::truth) == Some(true);
    let signs_in = act.service == "signin" && matches!(&*act.operation, "ConsoleLogin" | "SwitchRole");
    let keyless = user.access_key.is_none() && user.invoked_by.is_none() && user.session.began.is_some();
    if signs_in || !(says_so || keyless) {
        return None;
    }
    let who = user.principal_id.as_ref().or(user.arn.as_ref())?;
    Some(global(key::CONSOLE_SESSION, who))
}

/// The first four letters of an access key id tell what sort it is ("Unique identifiers" in the IAM User Guide).
pub(super) fn class_of(access_key: &str) -> CredentialClass {
    match access_key.get(..4) {
        Some("AKIA") => CredentialClass::LongLived,
        Some("ASIA" | "ABIA") => CredentialClass::Temporary,
        _ => CredentialClass::Unknown,
    }
}

/// On whose behalf: who switched roles in the console, the person in the identity store, the source identity that survives role chaining, and the
/// person behind a role that only IAM Identity Center can assume.
fn behalf(act: &Act<'_>, user: &UserIdentity<'_>, actor: &Identity, keys: &mut Vec<Key>) -> Vec<Identity> {
    let mut identities = Vec::new();
    let switched_from = act.fields.additional_data.filter(|_| act.operation == "SwitchRole");
    if let Some(arn) = text(switched_from.and_then(|data| data.get("SwitchFrom"))) {
        let kind = if split_role_arn(&arn).is_some() { IdentityKind::Role } else { IdentityKind::User };
        let uid = global(key::ARN, arn);
        keys.push(key(Role::Behalf, uid.clone(), Trust::VerifierObserved));
        identities.push(named(kind, uid, None));
    }
    if let Some(uid) = user.behalf.and_then(identity_store_user)
        && uid != actor.uid
    {
        keys.push(key(Role::Behalf, uid.clone(), Trust::VerifierObserved));
        identities.push(named(IdentityKind::User, uid, None));
    }
    if let Some(source) = &user.session.source_identity {
        let uid = global(key::SOURCE_IDENTITY, source);
        // STS fixed it when the first role was assumed, within what that role's trust policy allowed, and no later
        // caller can change it.
        keys.push(key(Role::Behalf, uid.clone(), Trust::IssuerAsserted));
        identities.push(named(IdentityKind::Unknown, uid, Some(source.clone())));
    }
    if let Some(session) = &actor.session_name
        && actor.name.as_deref().is_some_and(|role| role.starts_with("AWSReservedSSO_"))
    {
        // Only Identity Center creates roles under this path, and it sets the session name to the user's name.
        let reserved =
            actor.alt_names.iter().any(|arn| arn.contains(":role/aws-reserved/sso.amazonaws.com/"));
        let trust = if reserved { Trust::IssuerAsserted } else { Trust::SelfAsserted };
        let uid = global(key::IDENTITY_CENTER_NAME, session);
        keys.push(key(Role::Behalf, uid.clone(), trust));
        identities.push(named(IdentityKind::User, uid, Some(session.clone())));
    }
    identities
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_id_is_split_at_the_first_colon() {
        for (id, expected) in [
            ("AROAEXAMPLEEXAMPLE:session", ("AROAEXAMPLEEXAMPLE", Some("session"))),
            ("AROAEXAMPLEEXAMPLE:a:b@c", ("AROAEXAMPLEEXAMPLE", Some("a:b@c"))),
            ("AROAEXAMPLEEXAMPLE:", ("AROAEXAMPLEEXAMPLE", None)),
            ("AIDAEXAMPLE", ("AIDAEXAMPLE", None)),
            ("111122223333:bob", ("111122223333", Some("bob"))),
            ("", ("", None)),
        ] {
            assert_eq!(split_principal(id), expected, "{id}");
        }
    }

    #[test]
    fn a_provider_arn_gives_the_issuers_host() {
        for (provider, host) in [
            (
                "arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com",
                "token.actions.githubusercontent.com",
            ),
            (
                "arn:aws:iam::1:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/E1",
                "oidc.eks.eu-west-1.amazonaws.com/id/E1",
            ),
            ("accounts.google.com", "accounts.google.com"),
        ] {
            assert_eq!(provider_host(provider), host);
        }
    }
}
