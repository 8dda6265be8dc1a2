//! What could no longer be answered if some of what is held were gone: counted from the data present, credential by
//! credential and identity by identity. It changes nothing, and knows no vendor: it reads roles of keys.

use std::collections::BTreeMap;

use ascribe_model::{EffectKind, Event, KeyRef, Role};

/// Credentials or identities named as examples.
const EXAMPLES_MAX: usize = 3;

/// What the evidence says of one credential or identity, with everything and without what would go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answerable {
    with: Facts,
    without: Facts,
}

/// Which facts are on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Facts {
    named: u64,
    used: u64,
    issued: u64,
    ended: u64,
    acted: u64,
}

/// A question, and for how many it can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostQuestion {
    /// The command that asks it.
    pub command: &'static str,
    /// The question in words.
    pub question: &'static str,
    /// Whether it is asked of a credential or an identity.
    pub of: &'static str,
    /// Of how many it can be answered now.
    pub now: u64,
    /// Of how many it could be answered then.
    pub then: u64,
    /// Some of which it could no longer be answered.
    pub examples: Vec<KeyRef>,
}

/// Collects what would be lost, record by record.
#[derive(Clone, Debug, Default)]
pub struct Simulation {
    credentials: BTreeMap<KeyRef, Answerable>,
    identities: BTreeMap<KeyRef, Answerable>,
    /// Records looked at.
    pub records: u64,
    /// Records of which something would go.
    pub touched: u64,
}

/// A question of the table below.
struct Row {
    command: &'static str,
    question: &'static str,
    of: Of,
    /// Whether it can be answered from these facts, given all that were ever there.
    answers: fn(facts: Facts, all: Facts) -> bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Credential,
    Identity,
}

/// What the questions need. Each asks no more than that: a fact that is there does not prove that no other is missing.
const ROWS: [Row; 6] = [
    Row {
        command: "who",
        question: "which identity held it",
        of: Of::Credential,
        answers: |facts, _| facts.used + facts.issued > 0,
    },
    Row {
        command: "why, chain",
        question: "who issued it, under whose authority, and of what it came",
        of: Of::Credential,
        answers: |facts, _| facts.issued > 0,
    },
    Row {
        command: "session",
        question: "all that was done with it, as far as it is on record",
        of: Of::Credential,
        answers: |facts, all| all.used > 0 && facts.used == all.used,
    },
    Row {
        command: "lifecycle",
        question: "when it was ended, and by whom",
        of: Of::Credential,
        answers: |facts, _| facts.ended > 0,
    },
    Row {
        command: "who",
        question: "that the identity acted at all",
        of: Of::Identity,
        answers: |facts, _| facts.acted > 0,
    },
    Row {
        command: "timeline",
        question: "all that the identity did, as far as it is on record",
        of: Of::Identity,
        answers: |facts, all| all.acted > 0 && facts.acted == all.acted,
    },
];

impl Simulation {
    /// Takes one record in: what it says, and what it would say then. `is_credential` tells kinds of credentials.
    pub fn observe(&mut self, now: &[Event], then: &[Event], is_credential: fn(&KeyRef) -> bool) {
        self.records += 1;
        self.touched += u64::from(now != then);
        for (events, side) in [(now, Side::With), (then, Side::Without)] {
            for event in events {
                self.observe_event(event, side, is_credential);
            }
        }
    }

    fn observe_event(&mut self, event: &Event, side: Side, is_credential: fn(&KeyRef) -> bool) {
        let actor = self.identities.entry(event.actor.uid.clone()).or_default();
        side.of(actor).acted += 1;
        let ends = event.effects.iter().any(|effect| {
            matches!(effect.kind, EffectKind::Revoke | EffectKind::Expire | EffectKind::Disable)
        });
        for key in &event.keys {
            let name = key.to_ref();
            if !is_credential(&name) {
                continue;
            }
            let facts = side.of(self.credentials.entry(name).or_default());
            facts.named += 1;
            facts.used += u64::from(matches!(key.role, Role::Used | Role::Presented));
            facts.issued += u64::from(key.role == Role::Issued);
            facts.ended += u64::from(key.role == Role::Ended || (ends && key.role == Role::Subject));
        }
    }

    /// Each question, and for how many it can be answered now and then. Questions that nothing asks now are left out.
    pub fn questions(&self) -> Vec<LostQuestion> {
        ROWS.iter().map(|row| self.question(row)).filter(|question| question.now > 0).collect()
    }

    fn question(&self, row: &Row) -> LostQuestion {
        let (subjects, of) = match row.of {
            Of::Credential => (&self.credentials, "credential"),
            Of::Identity => (&self.identities, "identity"),
        };
        let (command, question) = (row.command, row.question);
        let mut lost = LostQuestion { command, question, of, now: 0, then: 0, examples: Vec::new() };
        for (name, answerable) in subjects {
            let now = (row.answers)(answerable.with, answerable.with);
            let then = (row.answers)(answerable.without, answerable.with);
            lost.now += u64::from(now);
            lost.then += u64::from(now && then);
            if now && !then && lost.examples.len() < EXAMPLES_MAX {
                lost.examples.push(name.clone());
            }
        }
        lost
    }
}

#[derive(Clone, Copy)]
enum Side {
    With,
    Without,
}

impl Side {
    fn of(self, answerable: &mut Answerable) -> &mut Facts {
        match self {
            Self::With => &mut answerable.with,
            Self::Without => &mut answerable.without,
        }
    }
}
