//! What a response did to credentials: tokens, leases, certificates and secret ids that it issued, renewed or ended.
//!
//! Only a response that succeeded has effects. When a lease ends is not in an audit entry, and that it ended by itself
//! is in none: an effect without an end says neither.

use ascribe_model::{Credential, CredentialClass, Effect, EffectKind, Form, Key, Role, Timestamp};

use super::Facts;
use super::identity::{self, Told, add_identity_keys, class, identity};
use super::key::{
    ACCESS_KEY, ACCESSOR, AWS_SESSION, Cluster, LEASE, SECRET_ID, SECRET_ID_ACCESSOR, SERIAL, SSH_SERIAL,
    TOKEN, global_key, is_hashed, is_recorded,
};
use super::place::{Engine, Place};
use super::record::{Auth, Operation, Wrap, after, seconds, text_of};
use crate::identifiers::vault;
use crate::identifiers::x509::SerialNumber;

/// A response that took effect.
pub(super) struct Act<'a> {
    pub operation: &'a Operation<'a>,
    pub place: Place<'a>,
    pub cluster: Cluster<'a>,
    pub at: Option<Timestamp>,
}

impl Act<'_> {
    /// Adds everything that came into being or lives longer.
    pub fn add_issued(&self, facts: &mut Facts) {
        let response = &self.operation.response;
        if let Some(auth) = &response.auth {
            if self.renews_token() { self.token_renewed(auth, facts) } else { self.token_issued(auth, facts) }
        }
        if let Some(wrap) = &response.wrap {
            self.wrapped(wrap, facts);
        }
        if is_recorded(&response.lease_id) {
            self.leased(facts);
        }
        match self.place.engine {
            Engine::Login => self.secret_id_issued(facts),
            Engine::Pki => self.certificate_issued(facts),
            Engine::Ssh => self.ssh_certificate_issued(facts),
            Engine::Dynamic => self.cloud_credential_issued(facts),
            Engine::Identity => self.identity_token_issued(facts),
            Engine::System => self.root_token_issued(facts),
            Engine::Token | Engine::KeyValue | Engine::Transit | Engine::Totp => {}
        }
    }

    fn renews_token(&self) -> bool {
        self.place.engine == Engine::Token && self.place.step().0.starts_with("renew")
    }

    fn token_issued(&self, auth: &Auth<'_>, facts: &mut Facts) {
        let Self { operation, cluster, .. } = *self;
        let credential = self.token_credential(auth, Role::Issued, facts);
        add_identity_keys(auth, Role::Subject, cluster, facts);
        if identity::gives_login(operation, &self.place) {
            identity::add_metadata_keys(auth, Told::AtLogin, self.at, facts);
            identity::add_presented(operation, cluster, facts);
        }
        facts.effects.push(Effect {
            credential,
            subject: Some(identity(auth, cluster)),
            expires: auth.expires().or_else(|| operation.auth_of(auth)?.expires()),
            ttl_seconds: auth.token_ttl,
            ..Effect::new(EffectKind::Issue)
        });
    }

    /// The token that `auth` describes, by its accessor; batch tokens have none and go by their hash.
    fn token_credential(&self, auth: &Auth<'_>, role: Role, facts: &mut Facts) -> Option<Credential> {
        let cluster = self.cluster;
        let by_hash = |role| cluster.hashed(role, TOKEN, &auth.client_token);
        let key = match cluster.recorded(role, ACCESSOR, &auth.accessor) {
            Some(key) => {
                // A token that is refused later has no accessor any more: then its hash is all there is to look up.
                facts.keys.extend(by_hash(Role::Name));
                key
            }
            None => by_hash(role)?,
        };
        let credential = Credential { uid: key.to_ref(), class: class(auth) };
        facts.keys.push(Key { at: auth.token_issue_time, ..key });
        Some(credential)
    }

    /// The life of a renewed token begins anew with the response.
    fn token_renewed(&self, auth: &Auth<'_>, facts: &mut Facts) {
        let uid = self.cluster.recorded(Role::Resource, ACCESSOR, &auth.accessor).map(|key| {
            let uid = key.to_ref();
            if !facts.keys.iter().any(|used| uid.names(used)) {
                facts.keys.push(key);
            }
            uid
        });
        facts.effects.push(Effect {
            credential: uid.map(|uid| Credential { uid, class: class(auth) }),
            subject: Some(identity(auth, self.cluster)),
            expires: self.at.zip(auth.token_ttl).and_then(|(at, ttl)| after(at, ttl)),
            ttl_seconds: auth.token_ttl,
            ..Effect::new(EffectKind::Renew)
        });
    }

    /// A response that waits in a wrapping: whoever has the wrapping's token may take it out, once.
    fn wrapped(&self, wrap: &Wrap<'_>, facts: &mut Facts) {
        let Self { operation, cluster, .. } = *self;
        let by_accessor = cluster.recorded(Role::Issued, ACCESSOR, &wrap.accessor);
        if by_accessor.is_some() {
            // Who opens it with a token of their own hands the wrapping's token in, of which only the hash is recorded.
            facts.keys.extend(cluster.hashed(Role::Step, TOKEN, &wrap.token));
        }
        let key = by_accessor.or_else(|| cluster.hashed(Role::Issued, TOKEN, &wrap.token));
        let uid = key.as_ref().map(Key::to_ref);
        facts.keys.extend(key.map(|key| Key { at: wrap.creation_time, ..key }));
        facts.effects.push(Effect {
            credential: uid.map(|uid| Credential { uid, class: CredentialClass::Temporary }),
            expires: wrap.creation_time.zip(wrap.ttl).and_then(|(at, ttl)| after(at, ttl)),
            ttl_seconds: wrap.ttl,
            ..Effect::new(EffectKind::Issue)
        });
        let Some(inside) = cluster.recorded(Role::Issued, ACCESSOR, &wrap.wrapped_accessor) else { return };
        let credential = Some(Credential { uid: inside.to_ref(), class: CredentialClass::Unknown });
        facts.keys.push(inside);
        // At a login, the entry says beside the wrapping for whom the token in it is.
        let is_login = identity::gives_login(operation, &self.place);
        let subject = is_login.then(|| identity(&operation.auth, cluster));
        if is_login {
            add_identity_keys(&operation.auth, Role::Subject, cluster, facts);
            identity::add_metadata_keys(&operation.auth, Told::AtLogin, self.at, facts);
            identity::add_presented(operation, cluster, facts);
        }
        facts.effects.push(Effect { credential, subject, ..Effect::new(EffectKind::Issue) });
    }

    fn leased(&self, facts: &mut Facts) {
        let Self { operation, place, cluster, .. } = *self;
        let (first, then) = place.step();
        let is_renewal = place.engine == Engine::System
            && (first == "renew" || (first == "leases" && then.starts_with("renew")));
        let (role, kind) =
            if is_renewal { (Role::Resource, EffectKind::Renew) } else { (Role::Issued, EffectKind::Issue) };
        let key = cluster.key(role, LEASE, operation.response.lease_id.as_ref());
        let credential = Some(Credential { uid: key.to_ref(), class: CredentialClass::Temporary });
        facts.keys.push(key);
        facts.effects.push(Effect { credential, ..Effect::new(kind) });
    }

    /// `role/<name>/secret-id`: what an application logs in with.
    fn secret_id_issued(&self, facts: &mut Facts) {
        let Self { operation, cluster, .. } = *self;
        let accessor = text_of(operation.answered("secret_id_accessor"));
        if !self.place.rest.ends_with("secret-id") || !is_recorded(&accessor) {
            return;
        }
        let key = cluster.hashed(Role::Issued, SECRET_ID, &text_of(operation.answered("secret_id")));
        let uid = key.as_ref().map(Key::to_ref);
        facts.keys.extend(key);
        let role = if uid.is_some() { Role::Name } else { Role::Issued };
        let by_accessor = cluster.recorded(role, SECRET_ID_ACCESSOR, &accessor);
        let uid = uid.or_else(|| by_accessor.as_ref().map(Key::to_ref));
        facts.keys.extend(by_accessor);
        let ttl_seconds = operation.answered("secret_id_ttl").and_then(seconds);
        let class =
            if ttl_seconds.is_some() { CredentialClass::Temporary } else { CredentialClass::LongLived };
        let credential = uid.map(|uid| Credential { uid, class });
        facts.effects.push(Effect { credential, ttl_seconds, ..Effect::new(EffectKind::Issue) });
    }

    fn certificate_issued(&self, facts: &mut Facts) {
        let operation = self.operation;
        let issues = ["issue", "sign", "root/generate", "root/rotate"];
        if !issues.iter().any(|word| self.place.rest.contains(word)) {
            return;
        }
        let number = text_of(operation.answered("serial_number"));
        let Some(key) = self.certificate(Role::Issued, &number) else { return };
        let credential = Some(Credential { uid: key.to_ref(), class: CredentialClass::Certificate });
        facts.keys.push(key);
        let expires = operation.answered("expiration").and_then(seconds);
        facts.effects.push(Effect {
            credential,
            expires: expires.and_then(|end| Timestamp::from_seconds(i64::try_from(end).ok()?)),
            ..Effect::new(EffectKind::Issue)
        });
    }

    /// A certificate by the serial number that the engine writes: with colons, or as the hash of a device.
    pub(super) fn certificate(&self, role: Role, number: &str) -> Option<Key> {
        if is_hashed(number) {
            return self.cluster.hashed(role, SERIAL, number);
        }
        SerialNumber::read_hex(number).map(|serial| global_key(role, SERIAL, serial.to_hex()))
    }

    fn ssh_certificate_issued(&self, facts: &mut Facts) {
        let number = text_of(self.operation.answered("serial_number"));
        let key = if is_hashed(&number) {
            self.cluster.hashed(Role::Issued, SSH_SERIAL, &number)
        } else {
            SerialNumber::read_hex(&number)
                .map(|serial| global_key(Role::Issued, SSH_SERIAL, serial.to_hex()))
        };
        let Some(key) = key else { return };
        let credential = Some(Credential { uid: key.to_ref(), class: CredentialClass::Certificate });
        facts.keys.push(key);
        facts.effects.push(Effect { credential, ..Effect::new(EffectKind::Issue) });
    }

    /// What the AWS engine made, as far as other logs know it.
    fn cloud_credential_issued(&self, facts: &mut Facts) {
        let Self { operation, place, .. } = *self;
        let (first, role) = place.step();
        let access_key = text_of(operation.answered("access_key"));
        let is_aws = operation.request.mount_type == "aws"
            || operation.response.mount_type == "aws"
            || place.mount.starts_with("aws");
        if !is_aws || !matches!(first, "creds" | "sts") || role.is_empty() {
            return;
        }
        let name = vault::aws_names(&operation.auth.display_name, role);
        // The name is all that AWS records of it: no cluster is in it.
        let session = global_key(Role::Step, AWS_SESSION, name);
        facts.keys.push(Key { form: Form::Composite, at: self.at, ..session });
        if is_recorded(&access_key) && !is_hashed(&access_key) {
            let key = global_key(Role::Issued, ACCESS_KEY, access_key.as_ref());
            let is_session = access_key.starts_with("ASIA");
            let class = if is_session { CredentialClass::Temporary } else { CredentialClass::LongLived };
            let credential = Some(Credential { uid: key.to_ref(), class });
            facts.keys.push(key);
            let ttl_seconds = operation.answered("ttl").and_then(seconds);
            facts.effects.push(Effect { credential, ttl_seconds, ..Effect::new(EffectKind::Issue) });
        } else if operation.response.lease_id.is_empty() {
            let selector = Some(format!("AWS credentials of role {role}"));
            facts.effects.push(Effect { selector, ..Effect::new(EffectKind::Issue) });
        }
    }

    /// `identity/oidc/token/<role>`: a signed statement of who the caller is, for other systems.
    fn identity_token_issued(&self, facts: &mut Facts) {
        let Some(role) = self.place.rest.strip_prefix("oidc/token/") else { return };
        facts.effects.push(Effect {
            selector: Some(format!("an identity token of role {role}")),
            subject: Some(identity(&self.operation.auth, self.cluster)),
            ttl_seconds: self.operation.answered("ttl").and_then(seconds),
            ..Effect::new(EffectKind::Issue)
        });
    }

    /// The last of the key holders has given their share.
    fn root_token_issued(&self, facts: &mut Facts) {
        let is_complete =
            self.operation.answered("complete").and_then(crate::json::Value::truth) == Some(true);
        if self.place.rest == "generate-root/update" && is_complete {
            let selector = Some("a root token".to_owned());
            facts.effects.push(Effect { selector, ..Effect::new(EffectKind::Issue) });
        }
    }
}

impl<'a> Operation<'a> {
    /// The part of the entry that states the same token as `issued` with more detail.
    fn auth_of(&self, issued: &Auth<'a>) -> Option<&Auth<'a>> {
        (!issued.accessor.is_empty() && issued.accessor == self.auth.accessor).then_some(&self.auth)
    }
}
