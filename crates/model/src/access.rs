//! An access to evidence, as the access ledger keeps it: who asked what, when, and what came of it.
//!
//! `docs/access.md` states the form. It knows neither files nor clocks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// One access, from the asking to its end: a `record` entry of the access ledger, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRecord {
    /// What was asked.
    #[serde(flatten)]
    pub asked: AccessAsked,
    /// What came of it.
    pub ended: AccessEnd,
}

/// What was asked, by whom and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessAsked {
    /// Names the access: it is recorded once, however often it is met.
    pub id: String,
    /// When, by the clock of the machine.
    pub at: Timestamp,
    /// Who.
    pub by: AccessBy,
    /// Program and version.
    pub tool: String,
    /// The command, such as `who`.
    pub verb: String,
    /// What it was asked about, as typed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subject: Vec<String>,
    /// Options as typed, by name: what narrows the scope is in here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, Vec<String>>,
}

/// Who asked, as the operating system has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessBy {
    /// The user whose rights the program had.
    pub user: AccessUser,
    /// The user that signed in to the machine, where the system knows and it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<AccessUser>,
    /// Name of the machine.
    pub host: String,
}

/// A user of the operating system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessUser {
    /// Its number.
    pub uid: u32,
    /// Its name, where the machine's own list of users has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl AccessUser {
    /// Its name; its number where the machine had none for it.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.uid.to_string())
    }
}

/// What came of an access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum AccessEnd {
    /// The program came to its end.
    Ended(AccessOutcome),
    /// The program was stopped. What it had shown by then is not known.
    Interrupted,
}

/// What a program that came to its end said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessOutcome {
    /// Its exit code.
    pub exit: u8,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// Verdict of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// How much was shown: events that the answer cites, entries of a bundle, entries that were verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<u64>,
    /// Entries under the checkpoint that it was answered at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Seal of the bundle that was written, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// Why there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
