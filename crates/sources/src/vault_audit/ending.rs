//! What a response ended: one token or lease, all below a prefix, all of a mount; and what it changed for others.
//!
//! The tree of tokens is in no audit entry: that a revocation takes the tokens and leases below it along is said, and
//! which those are is for the lineage.

use ascribe_model::{
    CoverageHint, Credential, CredentialClass, Effect, EffectKind, Identity, IdentityKind, Key, Role,
};

use super::Facts;
use super::effect::Act;
use super::key::{
    ACCESSOR, ENTITY, LEASE, LEASE_HMAC, SECRET_ID, SECRET_ID_ACCESSOR, TOKEN, is_hashed, is_recorded,
};
use super::place::Engine;
use super::record::text_of;
use crate::json::Value;

impl Act<'_> {
    /// Adds everything that ended, and everything that may do more or less than before.
    pub fn add_ended(&self, facts: &mut Facts) {
        match self.place.engine {
            Engine::Token => self.token_ended(facts),
            Engine::System => self.system_ended(facts),
            Engine::Login => self.secret_id_ended(facts),
            Engine::Identity => self.identity_changed(facts),
            Engine::Pki => self.certificate_ended(facts),
            Engine::Dynamic => self.rotated(facts),
            Engine::KeyValue | Engine::Ssh | Engine::Transit | Engine::Totp => {}
        }
    }

    fn token_ended(&self, facts: &mut Facts) {
        let Self { operation, place, cluster, .. } = *self;
        let first = place.step().0;
        let key = match first {
            "revoke-self" => {
                let used = facts.keys.iter().find(|key| key.role == Role::Used);
                used.map(|key| Key { role: Role::Ended, ..key.clone() })
            }
            "revoke-accessor" => {
                cluster.recorded(Role::Ended, ACCESSOR, &text_of(operation.sent("accessor")))
            }
            "revoke" | "revoke-orphan" => {
                cluster.hashed(Role::Ended, TOKEN, &text_of(operation.sent("token")))
            }
            "lookup" => {
                facts.keys.extend(cluster.hashed(Role::Presented, TOKEN, &text_of(operation.sent("token"))));
                return;
            }
            "lookup-accessor" => {
                let accessor = text_of(operation.sent("accessor"));
                facts.keys.extend(cluster.recorded(Role::Resource, ACCESSOR, &accessor));
                return;
            }
            _ => return,
        };
        if key.is_none() {
            let note = "the entry does not name the token that was revoked in a form that other entries have";
            facts.coverage_hints.push(CoverageHint::new("token_unnamed", note));
        }
        end(key, CredentialClass::Unknown, facts);
        if first != "revoke-orphan" {
            select(EffectKind::Revoke, "every token and lease issued with the revoked token", facts);
        }
    }

    fn system_ended(&self, facts: &mut Facts) {
        let Self { operation, place, .. } = *self;
        let (first, then) = place.step();
        let deletes = operation.request.operation == "delete";
        match (first, then) {
            ("wrapping", "unwrap" | "rewrap") => self.wrapping_ended(facts),
            ("leases", then) => {
                let (what, lease) = then.split_once('/').unwrap_or((then, ""));
                self.leases_ended(what, lease, facts);
            }
            // The names of before 0.8, which still work.
            ("revoke" | "revoke-prefix" | "revoke-force", lease) => self.leases_ended(first, lease, facts),
            ("auth", mount) if deletes => {
                select(EffectKind::Revoke, &format!("every token issued through auth/{mount}"), facts);
            }
            ("mounts", mount) if deletes => {
                select(EffectKind::Revoke, &format!("every lease below {mount}"), facts);
            }
            ("namespaces", namespace) if deletes => {
                select(EffectKind::Revoke, &format!("everything issued in namespace {namespace}"), facts);
            }
            ("policy" | "policies", policy) if super::verb::writes(&operation.request.operation) => {
                let name = policy.rsplit('/').next().unwrap_or(policy);
                select(EffectKind::Scope, &format!("every token with policy {name}"), facts);
            }
            _ => {}
        }
    }

    /// A wrapping's token is good for one use, and that was it.
    fn wrapping_ended(&self, facts: &mut Facts) {
        let Self { operation, cluster, .. } = *self;
        let handed_in = text_of(operation.sent("token"));
        if handed_in.is_empty() {
            let used = facts.keys.iter().find(|key| key.role == Role::Used);
            let key = used.map(|key| Key { role: Role::Ended, ..key.clone() });
            end(key, CredentialClass::Temporary, facts);
            return;
        }
        facts.keys.extend(cluster.hashed(Role::Presented, TOKEN, &handed_in));
        let key = cluster.hashed(Role::Ended, TOKEN, &handed_in);
        end(key, CredentialClass::Temporary, facts);
    }

    fn leases_ended(&self, what: &str, lease: &str, facts: &mut Facts) {
        let Self { operation, cluster, .. } = *self;
        if matches!(what, "revoke-prefix" | "revoke-force") && !lease.is_empty() {
            // All that lies in this path ends, and the key is that path.
            facts.keys.push(cluster.key(Role::Ended, LEASE, lease));
        }
        match what {
            "revoke" if !lease.is_empty() => {
                end(Some(cluster.key(Role::Ended, LEASE, lease)), CredentialClass::Temporary, facts);
            }
            "revoke" => {
                let lease = text_of(operation.sent("lease_id"));
                let kind = if is_hashed(&lease) { LEASE_HMAC } else { LEASE };
                if kind == LEASE_HMAC {
                    let note =
                        "the lease is named by its hash; `sys/audit-hash` of the device tells which it was";
                    facts.coverage_hints.push(CoverageHint::new("lease_hashed", note));
                }
                end(cluster.recorded(Role::Ended, kind, &lease), CredentialClass::Temporary, facts);
            }
            "revoke-prefix" => select(EffectKind::Revoke, &format!("every lease below {lease}"), facts),
            "revoke-force" => {
                let selector = format!(
                    "every lease below {lease}; what they stood for may live on, because errors were passed over"
                );
                select(EffectKind::Revoke, &selector, facts);
            }
            _ => {}
        }
    }

    fn secret_id_ended(&self, facts: &mut Facts) {
        let Self { operation, place, cluster, .. } = *self;
        let destroys = place.rest.ends_with("/destroy") || operation.request.operation == "delete";
        if !destroys || !place.rest.contains("/secret-id") {
            return;
        }
        let by_accessor = text_of(operation.sent("secret_id_accessor"));
        let key = if is_recorded(&by_accessor) {
            cluster.recorded(Role::Ended, SECRET_ID_ACCESSOR, &by_accessor)
        } else {
            cluster.hashed(Role::Ended, SECRET_ID, &text_of(operation.sent("secret_id")))
        };
        end(key, CredentialClass::Unknown, facts);
    }

    /// An entity that is disabled has tokens that are refused, and has them back when it is enabled.
    fn identity_changed(&self, facts: &mut Facts) {
        let Self { operation, place, cluster, .. } = *self;
        let Some(then) = place.rest.strip_prefix("entity") else { return };
        let kind = match operation.sent("disabled").and_then(Value::truth) {
            _ if operation.request.operation == "delete" => EffectKind::Scope,
            Some(true) => EffectKind::Disable,
            Some(false) => EffectKind::Enable,
            None => return,
        };
        let selector = match then.strip_prefix("/name/") {
            Some(name) => format!("tokens of the entity called {name}"),
            None => "tokens of the entity".to_owned(),
        };
        let subject = then.strip_prefix("/id/").map(|id| {
            let key = cluster.key(Role::Subject, ENTITY, id);
            let uid = key.to_ref();
            facts.keys.push(key);
            let kind = IdentityKind::Unknown;
            Identity { kind, uid, name: None, session_name: None, alt_names: Vec::new() }
        });
        facts.effects.push(Effect { subject, selector: Some(selector), ..Effect::new(kind) });
    }

    fn certificate_ended(&self, facts: &mut Facts) {
        if !matches!(self.place.rest, "revoke" | "revoke-with-key") {
            return;
        }
        let number = text_of(self.operation.sent("serial_number"));
        end(self.certificate(Role::Ended, &number), CredentialClass::Certificate, facts);
    }

    /// The password or key with which an engine itself works, or which it keeps for one account.
    fn rotated(&self, facts: &mut Facts) {
        let (first, then) = self.place.step();
        let selector = match first {
            "rotate-root" => format!("the credential with which {}{then} works", self.place.mount),
            "rotate-role" => format!("the static credential of role {then}"),
            "config" if then == "rotate-root" => {
                format!("the credential with which {} works", self.place.mount)
            }
            _ => return,
        };
        select(EffectKind::Rotate, &selector, facts);
    }
}

/// Adds the end of the credential that `key` names.
fn end(key: Option<Key>, class: CredentialClass, facts: &mut Facts) {
    let credential = key.as_ref().map(|key| Credential { uid: key.to_ref(), class });
    facts.keys.extend(key);
    facts.effects.push(Effect { credential, ..Effect::new(EffectKind::Revoke) });
}

/// Adds an effect on what no entry names one by one.
fn select(kind: EffectKind, selector: &str, facts: &mut Facts) {
    facts.effects.push(Effect { selector: Some(selector.to_owned()), ..Effect::new(kind) });
}
