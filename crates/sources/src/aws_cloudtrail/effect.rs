//! What a successful operation does to credentials.
//!
//! Two tables and a few stories. [`named`] lists the operations on credentials that the record names by an id;
//! [`bulk`] those that end or change all the credentials of an identity; sessions, sign-ins and public keys have
//! a function each. CloudTrail never records that a credential expired; the end declared at its issue is on the
//! `Issue` effect. Signing happens in the client, so presigned URLs and database tokens leave no event at all.

use ascribe_model::{
    Credential, CredentialClass, Effect, EffectKind, Form, Identity, IdentityKind, Key, KeyKind, KeyRef,
    Role, Timestamp, Trust,
};

use super::key::{self, global, key, scoped};
use super::principal::{Principal, RoleSession, account_of_arn, class_of, list_role, role_identity};
use super::record::{Act, count, text};
use super::{time, vault, workload};
use crate::identifiers::aws::split_role_arn;
use crate::identifiers::ssh;
use crate::json::Value;

/// The effects of an event, with the keys of what they touch.
pub(super) fn effects(act: &Act<'_>, principal: &Principal, keys: &mut Vec<Key>) -> Vec<Effect> {
    if issues_role_session(act) {
        let effects = if act.succeeded() { vec![role_session(act, keys)] } else { Vec::new() };
        vault::list(act, keys);
        // A refused attempt, too, says which workload asked.
        workload::of_request(act, &principal.actor, keys);
        return effects;
    }
    if !act.succeeded() {
        return Vec::new();
    }
    vault::list(act, keys);
    let operation = act.base_operation();
    if let Some(row) = named(&act.service, operation) {
        return of_row(act, principal, &row, keys).into_iter().collect();
    }
    if let Some(bulk) = bulk(act, operation) {
        return vec![of_bulk(act, bulk, keys)];
    }
    match (&*act.service, operation) {
        ("sts", "GetSessionToken") => vec![vended(act, Some(principal.actor.clone()), keys)],
        ("sts", "GetFederationToken") => vec![federated(act, keys)],
        ("sts", "AssumeRoot") => vec![assumed_root(act, keys)],
        ("rolesanywhere", "CreateSession") => anywhere(act, keys),
        ("signin", "ConsoleLogin" | "SwitchRole") => vec![signed_in(act, principal, keys)],
        ("iam", "CreateServiceLinkedRole") => vec![service_linked_role(act, keys)],
        ("iam", "UploadSSHPublicKey") => uploaded_ssh_key(act, principal, keys),
        ("ec2-instance-connect", "SendSSHPublicKey" | "SendSerialConsoleSSHPublicKey") => {
            vec![pushed_ssh_key(act, keys)]
        }
        (service, operation) if issues_without_id(service, operation) => {
            vec![unnamed(act, Some(principal.actor.clone()))]
        }
        // Any other service that hands out a session writes it in the same place.
        _ if text(act.response(&["credentials", "accessKeyId"])).is_some() => {
            let known = principal.actor.kind != IdentityKind::Unknown;
            vec![vended(act, known.then(|| principal.actor.clone()), keys)]
        }
        _ => Vec::new(),
    }
}

fn issues_role_session(act: &Act<'_>) -> bool {
    matches!(
        (&*act.service, &*act.operation),
        ("sts", "AssumeRole" | "AssumeRoleWithSAML" | "AssumeRoleWithWebIdentity")
            | ("eks-auth", "AssumeRoleForPodIdentity")
    )
}

/// Tokens of which the record keeps no name.
fn issues_without_id(service: &str, operation: &str) -> bool {
    matches!(
        (service, operation),
        ("sts", "GetWebIdentityToken" | "GetServiceBearerToken" | "GetDelegatedAccessToken")
            | ("signin", "GetSigninToken")
            | ("sso", "GetRoleCredentials" | "CreateToken" | "CreateTokenWithIAM")
            | ("sso-oauth" | "sso-oidc", "CreateToken" | "CreateTokenWithIAM")
    )
}

// ---- credentials that the record names ----

/// An operation on one credential.
struct Row {
    change: Change,
    name: Naming,
    class: CredentialClass,
    /// Where the credential's id is: the first of these that the record has.
    at: &'static [Place],
    subject: Subject,
}

/// What happens to it.
#[derive(Clone, Copy)]
enum Change {
    Always(EffectKind),
    /// The request names the new state in this parameter.
    ByStatus(&'static str),
}

/// In what namespace its id is.
enum Naming {
    Everywhere(KeyKind),
    Account(KeyKind),
    Region(KeyKind),
    /// In that of the parameter: a cluster, a workgroup.
    Within(KeyKind, &'static [&'static str]),
}

/// `requestParameters`, `responseElements` or `additionalEventData`, and the members from there.
enum Place {
    Request(&'static [&'static str]),
    Response(&'static [&'static str]),
    Additional(&'static [&'static str]),
}

/// Who the credential speaks for.
enum Subject {
    /// The user that the request or the response names; without one, the caller itself.
    User,
    /// The caller.
    Actor,
    /// The principal that this parameter names by ARN.
    Grantee(&'static [&'static str]),
    /// Nobody in particular.
    Nobody,
}

use Place::{Additional, Request, Response};

const fn row(kind: EffectKind, name: KeyKind, class: CredentialClass, at: &'static [Place]) -> Row {
    Row { change: Change::Always(kind), name: Naming::Everywhere(name), class, at, subject: Subject::User }
}

/// Operations on credentials with an id.
fn named(service: &str, operation: &str) -> Option<Row> {
    match service {
        "iam" => named_iam(operation),
        "ec2" => named_ec2(operation),
        "iot" => named_iot(operation),
        "kms" => named_kms(operation),
        "acm-pca" => named_private_ca(operation),
        "redshift" | "redshift-serverless" => named_redshift(operation),
        "secretsmanager" => named_secret(operation),
        _ => None,
    }
}

fn named_iam(operation: &str) -> Option<Row> {
    use CredentialClass::{Certificate, LongLived};
    use EffectKind::{Issue, Revoke, Rotate};
    const ID: &[Place] = &[Request(&["accessKeyId"])];
    const SPECIFIC: &[Place] = &[Request(&["serviceSpecificCredentialId"])];
    const SSH: &[Place] = &[Request(&["sSHPublicKeyId"])];
    const SIGNING: &[Place] = &[Request(&["certificateId"])];
    const PASSWORD: &[Place] = &[Request(&["userName"]), Response(&["loginProfile", "userName"])];
    let by_status = |row: Row| Row { change: Change::ByStatus("status"), ..row };
    let password = |kind| Row {
        name: Naming::Account(key::CONSOLE_PASSWORD),
        ..row(kind, key::CONSOLE_PASSWORD, LongLived, PASSWORD)
    };
    Some(match operation {
        "CreateAccessKey" => {
            row(Issue, key::ACCESS_KEY, LongLived, const { &[Response(&["accessKey", "accessKeyId"])] })
        }
        "DeleteAccessKey" => row(Revoke, key::ACCESS_KEY, LongLived, ID),
        "UpdateAccessKey" => by_status(row(Revoke, key::ACCESS_KEY, LongLived, ID)),
        "CreateLoginProfile" => password(Issue),
        "UpdateLoginProfile" | "ChangePassword" => password(Rotate),
        "DeleteLoginProfile" => password(Revoke),
        "CreateServiceSpecificCredential" => row(
            Issue,
            key::SERVICE_CREDENTIAL,
            LongLived,
            const { &[Response(&["serviceSpecificCredential", "serviceSpecificCredentialId"])] },
        ),
        "ResetServiceSpecificCredential" => row(Rotate, key::SERVICE_CREDENTIAL, LongLived, SPECIFIC),
        "UpdateServiceSpecificCredential" => {
            by_status(row(Revoke, key::SERVICE_CREDENTIAL, LongLived, SPECIFIC))
        }
        "DeleteServiceSpecificCredential" => row(Revoke, key::SERVICE_CREDENTIAL, LongLived, SPECIFIC),
        "UpdateSSHPublicKey" => by_status(row(Revoke, key::USER_SSH_KEY, LongLived, SSH)),
        "DeleteSSHPublicKey" => row(Revoke, key::USER_SSH_KEY, LongLived, SSH),
        "UploadSigningCertificate" => row(
            Issue,
            key::SIGNING_CERTIFICATE,
            Certificate,
            const { &[Response(&["certificate", "certificateId"])] },
        ),
        "UpdateSigningCertificate" => by_status(row(Revoke, key::SIGNING_CERTIFICATE, Certificate, SIGNING)),
        "DeleteSigningCertificate" => row(Revoke, key::SIGNING_CERTIFICATE, Certificate, SIGNING),
        _ => return None,
    })
}

fn named_ec2(operation: &str) -> Option<Row> {
    const AT: &[Place] =
        &[Request(&["keyName"]), Response(&["keyName"]), Request(&["keyPairId"]), Response(&["keyPairId"])];
    let kind = match operation {
        "CreateKeyPair" | "ImportKeyPair" => EffectKind::Issue,
        "DeleteKeyPair" => EffectKind::Revoke,
        _ => return None,
    };
    Some(Row {
        name: Naming::Region(key::KEY_PAIR),
        subject: Subject::Nobody,
        ..row(kind, key::KEY_PAIR, CredentialClass::LongLived, AT)
    })
}

fn named_iot(operation: &str) -> Option<Row> {
    const AT: &[Place] = &[Response(&["certificateId"]), Request(&["certificateId"])];
    let change = match operation {
        "CreateKeysAndCertificate" | "CreateCertificateFromCsr" | "RegisterCertificate" => {
            Change::Always(EffectKind::Issue)
        }
        "UpdateCertificate" => Change::ByStatus("newStatus"),
        "DeleteCertificate" => Change::Always(EffectKind::Revoke),
        _ => return None,
    };
    Some(Row {
        change,
        subject: Subject::Nobody,
        ..row(EffectKind::Issue, key::IOT_CERTIFICATE, CredentialClass::Certificate, AT)
    })
}

fn named_kms(operation: &str) -> Option<Row> {
    const AT: &[Place] = &[Response(&["grantId"]), Request(&["grantId"])];
    let (kind, subject) = match operation {
        "CreateGrant" => (EffectKind::Issue, Subject::Grantee(&["granteePrincipal"])),
        "RevokeGrant" | "RetireGrant" => (EffectKind::Revoke, Subject::Nobody),
        _ => return None,
    };
    Some(Row { subject, ..row(kind, key::KMS_GRANT, CredentialClass::Unknown, AT) })
}

fn named_private_ca(operation: &str) -> Option<Row> {
    let (kind, at): (_, &[Place]) = match operation {
        "IssueCertificate" => (EffectKind::Issue, const { &[Response(&["certificateArn"])] }),
        "RevokeCertificate" => (EffectKind::Revoke, const { &[Request(&["certificateSerial"])] }),
        _ => return None,
    };
    Some(Row { subject: Subject::Nobody, ..row(kind, key::CERTIFICATE, CredentialClass::Certificate, at) })
}

fn named_redshift(operation: &str) -> Option<Row> {
    const AT: &[Place] =
        &[Response(&["dbUser"]), Response(&["dBUser"]), Request(&["dbUser"]), Request(&["dBUser"])];
    if !matches!(operation, "GetClusterCredentials" | "GetClusterCredentialsWithIAM" | "GetCredentials") {
        return None;
    }
    let within: &[&str] =
        if operation == "GetCredentials" { &["workgroupName"] } else { &["clusterIdentifier"] };
    Some(Row {
        name: Naming::Within(key::DATABASE_USER, within),
        subject: Subject::Actor,
        ..row(EffectKind::Issue, key::DATABASE_USER, CredentialClass::Temporary, AT)
    })
}

fn named_secret(operation: &str) -> Option<Row> {
    const AT: &[Place] =
        &[Response(&["aRN"]), Response(&["arn"]), Request(&["secretId"]), Additional(&["SecretId"])];
    matches!(operation, "RotateSecret" | "RotationSucceeded").then(|| Row {
        name: Naming::Region(key::SECRET),
        subject: Subject::Nobody,
        ..row(EffectKind::Rotate, key::SECRET, CredentialClass::LongLived, AT)
    })
}

/// The effect that a row describes. Without an id in the record it still happened, to a credential without a name.
fn of_row(act: &Act<'_>, principal: &Principal, row: &Row, keys: &mut Vec<Key>) -> Option<Effect> {
    let kind = match row.change {
        Change::Always(kind) => kind,
        Change::ByStatus(parameter) => match text(act.request(&[parameter]))?.as_str() {
            "Active" | "ACTIVE" => EffectKind::Enable,
            "Inactive" | "INACTIVE" => EffectKind::Disable,
            "Revoked" | "REVOKED" => EffectKind::Revoke,
            _ => return None,
        },
    };
    let id = row.at.iter().find_map(|place| {
        text(match place {
            Request(path) => act.request(path),
            Response(path) => act.response(path),
            Additional(path) => act.fields.additional_data.and_then(|data| data.path(path)),
        })
    });
    let own_password = matches!(row.name, Naming::Account(_)) && id.is_none();
    let id = if own_password { principal.actor.name.clone() } else { id };
    let credential = id.map(|id| Credential { uid: uid(act, &row.name, id), class: row.class });
    let subject = subject(act, principal, &row.subject, keys);
    if let Some(credential) = &credential {
        list_credential(kind, credential, keys);
    }
    Some(Effect { credential, subject, ..lifetime(act, kind) })
}

fn uid(act: &Act<'_>, name: &Naming, id: String) -> KeyRef {
    match name {
        // A certificate's ARN ends with its serial number; a revocation gives the number with colons.
        Naming::Everywhere(kind) if *kind == key::CERTIFICATE && !id.starts_with("arn:") => {
            let authority = text(act.request(&["certificateAuthorityArn"])).unwrap_or_default();
            let serial = id.replace(':', "").to_ascii_lowercase();
            global(key::CERTIFICATE, format!("{authority}/certificate/{serial}"))
        }
        Naming::Everywhere(kind) => global(kind.clone(), id),
        Naming::Region(kind) if id.starts_with("arn:") || id.starts_with("key-") => global(kind.clone(), id),
        Naming::Account(kind) => scoped(kind.clone(), &act.account, id),
        Naming::Region(kind) => scoped(kind.clone(), &act.place(), id),
        Naming::Within(kind, path) => {
            let place = text(act.request(path)).unwrap_or_default();
            scoped(kind.clone(), &format!("{}/{place}", act.place()), id)
        }
    }
}

fn list_credential(kind: EffectKind, credential: &Credential, keys: &mut Vec<Key>) {
    let role = match kind {
        EffectKind::Issue | EffectKind::Renew => Role::Issued,
        EffectKind::Revoke | EffectKind::Disable | EffectKind::Expire => Role::Ended,
        EffectKind::Enable => Role::Enabled,
        // The name stays while what it names is replaced or changed.
        EffectKind::Rotate | EffectKind::Scope => Role::Resource,
    };
    keys.push(key(role, credential.uid.clone(), Trust::IssuerAsserted));
}

fn subject(act: &Act<'_>, principal: &Principal, subject: &Subject, keys: &mut Vec<Key>) -> Option<Identity> {
    match subject {
        Subject::Nobody => None,
        Subject::Actor => Some(principal.actor.clone()),
        Subject::Grantee(path) => {
            let arn = text(act.request(path))?;
            let kind =
                if split_role_arn(&arn).is_some() { IdentityKind::Role } else { IdentityKind::Unknown };
            let identity = plain(kind, global(key::ARN, &arn), split_role_arn(&arn).map(|(role, _)| role));
            keys.push(key(Role::Subject, identity.uid.clone(), Trust::IssuerAsserted));
            Some(identity)
        }
        Subject::User => {
            let name =
                text(act.request(&["userName"])).or_else(|| text(act.response(&["accessKey", "userName"])));
            Some(match name {
                Some(name) => user_subject(act, &name, keys),
                None => principal.actor.clone(),
            })
        }
    }
}

fn user_subject(act: &Act<'_>, name: &str, keys: &mut Vec<Key>) -> Identity {
    let uid = scoped(key::USER_NAME, &act.account, name);
    keys.push(key(Role::Subject, uid.clone(), Trust::IssuerAsserted));
    plain(IdentityKind::User, uid, Some(name))
}

// ---- all credentials of an identity ----

/// What is done to every credential that the selector describes.
struct Bulk {
    kind: EffectKind,
    selector: String,
    issued_before: Option<Timestamp>,
    owner: Option<Owner>,
}

/// Whose credentials.
enum Owner {
    User(String),
    Role(String),
    /// A user or group of IAM Identity Center.
    Assigned(String),
}

/// Operations that end or change all the credentials of an identity. Detaching a policy ends nothing: the
/// credential goes on working, for less.
fn bulk(act: &Act<'_>, operation: &str) -> Option<Bulk> {
    let user = || text(act.request(&["userName"])).map(Owner::User);
    let role = || text(act.request(&["roleName"])).map(Owner::Role);
    let mut issued_before = None;
    let (kind, owner, selector) = match (&*act.service, operation) {
        ("iam", "PutRolePolicy" | "PutUserPolicy") if revokes_older_sessions(act) => {
            issued_before = text(act.request(&["policyDocument"])).and_then(|document| cutoff(&document));
            (EffectKind::Revoke, role().or_else(user), older_sessions(issued_before))
        }
        ("iam", "DeleteUser") => (EffectKind::Revoke, user(), "every credential of the user".to_owned()),
        ("iam", "DeleteRole") => (EffectKind::Revoke, role(), "every session of the role".to_owned()),
        ("iam", operation) if changes_policies(operation) => {
            let selector = if operation.contains("Role") {
                "every session of the role".to_owned()
            } else if operation.contains("User") {
                "every credential of the user".to_owned()
            } else {
                let group = text(act.request(&["groupName"])).unwrap_or_default();
                format!("every credential of the users in group {group}")
            };
            (EffectKind::Scope, user().or_else(role), selector)
        }
        ("sso", "DeleteAccountAssignment" | "CreateAccountAssignment") => {
            let kind = if operation.starts_with("Delete") { EffectKind::Revoke } else { EffectKind::Scope };
            let set = text(act.request(&["permissionSetArn"])).unwrap_or_default();
            let account = text(act.request(&["targetId"])).unwrap_or_default();
            let owner = text(act.request(&["principalId"])).map(Owner::Assigned);
            (kind, owner, format!("sessions in account {account} through {set}"))
        }
        _ => return None,
    };
    Some(Bulk { kind, selector, issued_before, owner })
}

fn changes_policies(operation: &str) -> bool {
    matches!(
        operation,
        "AddUserToGroup"
            | "AttachGroupPolicy"
            | "AttachRolePolicy"
            | "AttachUserPolicy"
            | "DeleteGroupPolicy"
            | "DeleteRolePermissionsBoundary"
            | "DeleteRolePolicy"
            | "DeleteUserPermissionsBoundary"
            | "DeleteUserPolicy"
            | "DetachGroupPolicy"
            | "DetachRolePolicy"
            | "DetachUserPolicy"
            | "PutGroupPolicy"
            | "PutRolePermissionsBoundary"
            | "PutRolePolicy"
            | "PutUserPermissionsBoundary"
            | "PutUserPolicy"
            | "RemoveUserFromGroup"
            | "UpdateAssumeRolePolicy"
    )
}

/// The console's "revoke active sessions" puts this policy; others write the same condition under their own name.
fn revokes_older_sessions(act: &Act<'_>) -> bool {
    act.request(&["policyName"]).is_some_and(|name| name.is_text("AWSRevokeOlderSessions"))
        || text(act.request(&["policyDocument"])).is_some_and(|document| {
            cutoff(&document).is_some() && document.contains("Deny") && document.contains("DateLessThan")
        })
}

/// `sessions issued before 2026-08-14T09:12:00Z`, where the policy names the moment.
fn older_sessions(cutoff: Option<Timestamp>) -> String {
    match cutoff {
        Some(moment) => format!("sessions issued before {moment}"),
        None => "sessions issued before the moment in the policy".to_owned(),
    }
}

/// The moment behind `aws:TokenIssueTime` in a policy document.
fn cutoff(document: &str) -> Option<Timestamp> {
    let (_, rest) = document.split_once("\"aws:TokenIssueTime\"")?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    let rest = rest.strip_prefix('[').unwrap_or(rest).trim_start().strip_prefix('"')?;
    time::moment_text(rest.split_once('"')?.0)
}

fn of_bulk(act: &Act<'_>, bulk: Bulk, keys: &mut Vec<Key>) -> Effect {
    let subject = bulk.owner.map(|owner| match owner {
        Owner::User(name) => user_subject(act, &name, keys),
        Owner::Role(name) => {
            let uid = scoped(key::ROLE_NAME, &act.account, &name);
            keys.push(key(Role::Subject, uid.clone(), Trust::IssuerAsserted));
            plain(IdentityKind::Role, uid, Some(&name))
        }
        Owner::Assigned(id) => {
            let store = text(act.request(&["instanceArn"])).unwrap_or_default();
            let uid = scoped(key::IDENTITY_CENTER_USER, &store, id);
            keys.push(key(Role::Subject, uid.clone(), Trust::IssuerAsserted));
            plain(IdentityKind::User, uid, None)
        }
    });
    Effect {
        selector: Some(bulk.selector),
        issued_before: bulk.issued_before,
        subject,
        ..Effect::new(bulk.kind)
    }
}

// ---- sessions and sign-ins ----

/// A session of a role, with a new access key.
fn role_session(act: &Act<'_>, keys: &mut Vec<Key>) -> Effect {
    let user = act.response(&["assumedRoleUser"]);
    let member = |names: [&str; 2]| user.and_then(|user| names.iter().find_map(|name| text(user.get(name))));
    // EKS writes `assumeRoleId`, and names the role by the session's ARN alone.
    let (id, session_arn) = (member(["assumedRoleId", "assumeRoleId"]), member(["arn", "arn"]));
    let role_arn = text(act.request(&["roleArn"]));
    let arns: Vec<String> = session_arn.into_iter().chain(role_arn).collect();
    let role = arns.iter().rev().find_map(|arn| split_role_arn(arn)).map(|(role, _)| role.to_owned());
    let account = arns.iter().find_map(|arn| account_of_arn(arn)).unwrap_or(&act.account).to_owned();
    let session = text(act.request(&["roleSessionName"]));
    let subject = role_identity(RoleSession {
        principal_id: id.as_deref(),
        role: role.as_deref(),
        account: &account,
        session: session.as_deref(),
        arns,
    });
    list_role(&subject, &account, Role::Subject, keys);
    for arn in &subject.alt_names {
        keys.push(key(Role::Subject, global(key::ARN, arn), Trust::IssuerAsserted));
    }
    if let Some(id) = id {
        keys.push(key::session(Role::Issued, global(key::ROLE_SESSION, id), act.time.at));
    }
    let source = text(act.request(&["sourceIdentity"])).or_else(|| text(act.response(&["sourceIdentity"])));
    if let Some(source) = source {
        keys.push(key(Role::Behalf, global(key::SOURCE_IDENTITY, source), Trust::SelfAsserted));
    }
    vended(act, Some(subject), keys)
}

/// `responseElements.credentials`.
fn vended(act: &Act<'_>, subject: Option<Identity>, keys: &mut Vec<Key>) -> Effect {
    let credential = access_key(act.response(&["credentials"]), keys);
    Effect { credential, subject, ..lifetime(act, EffectKind::Issue) }
}

fn access_key(credentials: Option<Value<'_>>, keys: &mut Vec<Key>) -> Option<Credential> {
    let id = text(credentials?.get("accessKeyId"))?;
    let class = class_of(&id);
    let credential = Credential { uid: global(key::ACCESS_KEY, id), class };
    list_credential(EffectKind::Issue, &credential, keys);
    Some(credential)
}

fn federated(act: &Act<'_>, keys: &mut Vec<Key>) -> Effect {
    let subject = text(act.response(&["federatedUser", "federatedUserId"])).map(|id| {
        let arn = text(act.response(&["federatedUser", "arn"]));
        let uid = global(key::PRINCIPAL, &id);
        keys.push(key(Role::Subject, uid.clone(), Trust::IssuerAsserted));
        keys.push(key::session(Role::Issued, global(key::ROLE_SESSION, &id), act.time.at));
        let name = text(act.request(&["name"]));
        Identity {
            session_name: name.clone(),
            alt_names: arn.into_iter().collect(),
            ..plain(IdentityKind::User, uid, name.as_deref())
        }
    });
    vended(act, subject, keys)
}

/// A session of the root user of a member account.
fn assumed_root(act: &Act<'_>, keys: &mut Vec<Key>) -> Effect {
    let target = text(act.request(&["targetPrincipal"]));
    let subject = target.map(|target| {
        let account = account_of_arn(&target).unwrap_or(&target);
        let uid = global(key::PRINCIPAL, account);
        keys.push(key(Role::Subject, uid.clone(), Trust::IssuerAsserted));
        plain(IdentityKind::User, uid, Some("root"))
    });
    vended(act, subject, keys)
}

/// Sessions for a certificate: `credentialSet[]`.
fn anywhere(act: &Act<'_>, keys: &mut Vec<Key>) -> Vec<Effect> {
    let mut effects = Vec::new();
    for set in act.response(&["credentialSet"]).into_iter().flat_map(Value::items) {
        let id = text(set.path(&["assumedRoleUser", "assumedRoleId"]));
        let arns = [set.path(&["assumedRoleUser", "arn"]), set.get("roleArn")];
        let arns: Vec<String> = arns.into_iter().filter_map(text).collect();
        let role = arns.iter().rev().find_map(|arn| split_role_arn(arn)).map(|(role, _)| role.to_owned());
        let subject = role_identity(RoleSession {
            principal_id: id.as_deref(),
            role: role.as_deref(),
            account: &act.account,
            session: None,
            arns,
        });
        list_role(&subject, &act.account, Role::Subject, keys);
        if let Some(id) = id {
            keys.push(key::session(Role::Issued, global(key::ROLE_SESSION, id), act.time.at));
        }
        if let Some(source) = text(set.get("sourceIdentity")) {
            // Taken from the certificate, not from the caller.
            keys.push(key(Role::Behalf, global(key::SOURCE_IDENTITY, source), Trust::IssuerAsserted));
        }
        effects.push(Effect {
            credential: access_key(set.get("credentials"), keys),
            subject: Some(subject),
            expires: time::moment(set.path(&["credentials", "expiration"])),
            ..lifetime(act, EffectKind::Issue)
        });
    }
    effects
}

/// A console session, as oneself or as another role: named by who it is, and by when it began.
fn signed_in(act: &Act<'_>, principal: &Principal, keys: &mut Vec<Key>) -> Effect {
    let user = act.fields.user_identity;
    let who = ["principalId", "arn"].iter().find_map(|name| text(user.and_then(|user| user.get(name))));
    let credential = who.map(|who| {
        let uid = global(key::CONSOLE_SESSION, who);
        keys.push(key::session(Role::Issued, uid.clone(), act.time.at));
        Credential { uid, class: CredentialClass::Console }
    });
    Effect { credential, subject: Some(principal.actor.clone()), ..Effect::new(EffectKind::Issue) }
}

/// A token without a name.
fn unnamed(act: &Act<'_>, subject: Option<Identity>) -> Effect {
    Effect { subject, ..lifetime(act, EffectKind::Issue) }
}

/// A role that a service may take on from now on; its sessions are issued later.
fn service_linked_role(act: &Act<'_>, keys: &mut Vec<Key>) -> Effect {
    let id = text(act.response(&["role", "roleId"]));
    let name = text(act.response(&["role", "roleName"]));
    let subject = role_identity(RoleSession {
        principal_id: id.as_deref(),
        role: name.as_deref(),
        account: &act.account,
        session: None,
        arns: text(act.response(&["role", "arn"])).into_iter().collect(),
    });
    list_role(&subject, &act.account, Role::Subject, keys);
    Effect { subject: Some(subject), ..Effect::new(EffectKind::Issue) }
}

// ---- public keys ----

/// A key for AWS CodeCommit: named by its id in IAM, and by the fingerprint that servers log.
fn uploaded_ssh_key(act: &Act<'_>, principal: &Principal, keys: &mut Vec<Key>) -> Vec<Effect> {
    let row = row(
        EffectKind::Issue,
        key::USER_SSH_KEY,
        CredentialClass::LongLived,
        const { &[Response(&["sSHPublicKey", "sSHPublicKeyId"])] },
    );
    let body = text(act.request(&["sSHPublicKeyBody"]))
        .or_else(|| text(act.response(&["sSHPublicKey", "sSHPublicKeyBody"])));
    let effect = of_row(act, principal, &row, keys);
    if let Some(fingerprint) = body.as_deref().and_then(ssh::public_key_fingerprint) {
        keys.push(public_key(fingerprint));
    }
    effect.into_iter().collect()
}

/// A key that one user of one instance accepts for 60 seconds ("Connect using EC2 Instance Connect").
fn pushed_ssh_key(act: &Act<'_>, keys: &mut Vec<Key>) -> Effect {
    const ACCEPTED_SECONDS: u64 = 60;
    let fingerprint = text(act.request(&["sSHPublicKey"])).as_deref().and_then(ssh::public_key_fingerprint);
    let credential = fingerprint.map(|fingerprint| {
        let key = public_key(fingerprint);
        let uid = key.to_ref();
        keys.push(key);
        Credential { uid, class: CredentialClass::Temporary }
    });
    Effect { credential, ttl_seconds: Some(ACCEPTED_SECONDS), ..Effect::new(EffectKind::Issue) }
}

fn public_key(fingerprint: String) -> Key {
    let name = global(key::SSH_PUBLIC_KEY, fingerprint);
    Key { form: Form::Fingerprint, ..key(Role::Issued, name, Trust::IssuerAsserted) }
}

// ---- parts ----

/// An effect with the declared end and length of the credential's life.
fn lifetime(act: &Act<'_>, kind: EffectKind) -> Effect {
    if kind != EffectKind::Issue {
        return Effect::new(kind);
    }
    let expires = [
        act.response(&["credentials", "expiration"]),
        act.response(&["expiration"]),
        act.response(&["expiry"]),
    ];
    let ttl = [act.request(&["durationSeconds"]), act.response(&["expiresIn"])];
    Effect {
        expires: expires.into_iter().find_map(time::moment),
        ttl_seconds: ttl.into_iter().find_map(count).or_else(|| validity_seconds(act)),
        ..Effect::new(kind)
    }
}

/// The validity of a private certificate, where it is a length in days. Months and years have no fixed length.
fn validity_seconds(act: &Act<'_>) -> Option<u64> {
    const DAY_SECONDS: u64 = 86_400;
    let validity = act.request(&["validity"])?;
    let days = count(validity.get("value"))?;
    validity.get("type")?.is_text("DAYS").then(|| days.checked_mul(DAY_SECONDS))?
}

fn plain(kind: IdentityKind, uid: KeyRef, name: Option<&str>) -> Identity {
    Identity { kind, uid, name: name.map(str::to_owned), session_name: None, alt_names: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cutoff_of_a_revoking_policy_is_found() {
        let document = r#"{"Statement":[{"Effect":"Deny","Action":["*"],"Resource":["*"],
            "Condition":{"DateLessThan":{"aws:TokenIssueTime" : ["2026-08-14T09:12:00.000Z"]}}}]}"#;
        assert_eq!(cutoff(document), Some("2026-08-14T09:12:00Z".parse().unwrap()));
        assert_eq!(cutoff(r#"{"aws:TokenIssueTime":"soon"}"#), None);
        assert_eq!(cutoff("{}"), None);
    }
}
