//! The names under which the model's enumerations stand in columns: the same as in the event format.

use ascribe_model::{AuthorityKind, Form, TimeBasis, Trust};

pub(crate) const fn time_basis(basis: TimeBasis) -> &'static str {
    match basis {
        TimeBasis::Stated => "stated",
        TimeBasis::Renamed => "renamed",
        TimeBasis::ZoneImplied => "zone_implied",
        TimeBasis::Missing => "missing",
        TimeBasis::Unreadable => "unreadable",
    }
}

pub(crate) const fn authority_kind(kind: AuthorityKind) -> &'static str {
    match kind {
        AuthorityKind::Policy => "policy",
        AuthorityKind::SessionPolicy => "session_policy",
        AuthorityKind::OrganizationPolicy => "organization_policy",
        AuthorityKind::Role => "role",
        AuthorityKind::Binding => "binding",
        AuthorityKind::Approval => "approval",
        AuthorityKind::MultiFactor => "multi_factor",
        AuthorityKind::Group => "group",
        AuthorityKind::Admission => "admission",
        AuthorityKind::Unstated => "unstated",
    }
}

pub(crate) const fn form(form: Form) -> &'static str {
    match form {
        Form::Plain => "plain",
        Form::Sha256Base64 => "sha256_base64",
        Form::Sha256Hex => "sha256_hex",
        Form::Hmac => "hmac",
        Form::Masked => "masked",
        Form::Fingerprint => "fingerprint",
        Form::Composite => "composite",
    }
}

pub(crate) const fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::IssuerAsserted => "issuer_asserted",
        Trust::VerifierObserved => "verifier_observed",
        Trust::SelfAsserted => "self_asserted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascribe_model::{CredentialClass, IdentityKind};
    use serde::Serialize;

    /// The name under which the event format writes `value`.
    fn check<T: Serialize>(name: &str, value: T) {
        assert_eq!(serde_json::to_value(value).unwrap(), name);
    }

    #[test]
    fn columns_use_the_words_of_the_event_format() {
        use {AuthorityKind as A, CredentialClass as C, Form as F, IdentityKind as I, TimeBasis as T};
        for basis in [T::Stated, T::Renamed, T::ZoneImplied, T::Missing, T::Unreadable] {
            check(time_basis(basis), basis);
        }
        for kind in [I::Human, I::ServiceAccount, I::Role, I::User, I::Workload, I::CiJob, I::AiAgent] {
            check(kind.word(), kind);
        }
        for kind in [I::Node, I::Platform, I::Anonymous, I::Unknown] {
            check(kind.word(), kind);
        }
        for class in [C::LongLived, C::Temporary, C::Certificate, C::Console, C::Unknown] {
            check(class.word(), class);
        }
        for kind in [A::Policy, A::SessionPolicy, A::OrganizationPolicy, A::Role, A::Binding, A::Approval] {
            check(authority_kind(kind), kind);
        }
        for kind in [A::MultiFactor, A::Group, A::Admission, A::Unstated] {
            check(authority_kind(kind), kind);
        }
        for value in
            [F::Plain, F::Sha256Base64, F::Sha256Hex, F::Hmac, F::Masked, F::Fingerprint, F::Composite]
        {
            check(form(value), value);
        }
        for value in [Trust::IssuerAsserted, Trust::VerifierObserved, Trust::SelfAsserted] {
            check(trust(value), value);
        }
    }
}
