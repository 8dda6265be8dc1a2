//! Who acts, and with what it authenticates.

use serde::{Deserialize, Serialize};

use crate::KeyRef;

/// What kind of thing acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    /// A person, because the record says so.
    Human,
    /// An account made for programs.
    ServiceAccount,
    /// A role that others take on.
    Role,
    /// An account that a person or a program may hold; the record does not say which.
    User,
    /// A machine, pod or function.
    Workload,
    /// A run of a build system.
    CiJob,
    /// An AI agent.
    AiAgent,
    /// A node of a cluster.
    Node,
    /// The provider itself, or a component of it.
    Platform,
    /// Nobody was authenticated.
    Anonymous,
    /// The record does not say.
    Unknown,
}

/// Who acts, as one system names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// What kind of thing it is.
    pub kind: IdentityKind,
    /// The identity's own key, by an identifier that is never reused where the source has one.
    pub uid: KeyRef,
    /// Readable name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name that the caller gave to its session. Chosen by the caller, so it proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<String>,
    /// Other names of the same identity in the same record, such as an ARN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alt_names: Vec<String>,
}

/// What sort of secret a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialClass {
    /// A key that lives until somebody ends it.
    LongLived,
    /// A key or token with an end set at its issue.
    Temporary,
    /// An X.509 certificate.
    Certificate,
    /// A signed-in browser session.
    Console,
    /// The record does not say.
    Unknown,
}

/// What an identity authenticates with. The secret itself is never here, only what names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Credential {
    /// What names it.
    pub uid: KeyRef,
    /// What sort of secret it is.
    pub class: CredentialClass,
}

impl IdentityKind {
    /// The kind as it is written: in the event format and in the store.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::ServiceAccount => "service_account",
            Self::Role => "role",
            Self::User => "user",
            Self::Workload => "workload",
            Self::CiJob => "ci_job",
            Self::AiAgent => "ai_agent",
            Self::Node => "node",
            Self::Platform => "platform",
            Self::Anonymous => "anonymous",
            Self::Unknown => "unknown",
        }
    }

    /// The kind in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::ServiceAccount => "service account",
            Self::Role => "role",
            Self::User => "user",
            Self::Workload => "workload",
            Self::CiJob => "CI job",
            Self::AiAgent => "AI agent",
            Self::Node => "node",
            Self::Platform => "platform",
            Self::Anonymous => "anonymous",
            Self::Unknown => "unknown",
        }
    }
}

impl CredentialClass {
    /// The class as it is written: in the event format and in the store.
    pub const fn word(self) -> &'static str {
        match self {
            Self::LongLived => "long_lived",
            Self::Temporary => "temporary",
            Self::Certificate => "certificate",
            Self::Console => "console",
            Self::Unknown => "unknown",
        }
    }
}

impl Identity {
    /// The readable name where there is one, else the identifier.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.uid.value)
    }
}
