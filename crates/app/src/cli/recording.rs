//! The one place through which every command passes: it is written down who asked what before the command runs, and
//! what came of it when it has ended. `docs/access.md`.
//!
//! A command is recorded unless [`EXEMPT`] names it, so a new one cannot be forgotten. What it was asked is read off the
//! command line as it was typed, not told by the command.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use ascribe_model::{AccessAsked, AccessOutcome, Answer};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::messages::{Exit, Failure, say};
use crate::access::{self, AccessPlace, Begun, SpoolError, Waiting};
use crate::causes::with_causes;
use crate::clock;
use crate::workspace::Workspace;

/// Commands that are not recorded as accesses, each with the reason. All others are.
pub const EXEMPT: [(&str, &str); 13] = [
    ("restore", "makes a folder of a backup; it shows no evidence of the one that is named"),
    ("init", "makes the folder; there is no evidence in it yet"),
    ("ingest", "is in the ledger of the evidence itself, with everything that it took in"),
    ("pulse", "is in the ledger of the evidence itself, and shows nothing of it"),
    ("ledger rotate-key", "is in the ledger of the evidence itself, with who did it and why"),
    ("policy check", "reads a policy and samples, no evidence"),
    ("config show", "shows settings, no evidence"),
    ("completions", "shows no evidence"),
    ("man", "shows no evidence"),
    ("demo", "asks about an invented incident, in a folder of its own that is gone afterwards"),
    ("witness init", "makes the folder of a witness, which holds no evidence"),
    ("witness serve", "serves the folder of a witness, which holds no evidence"),
    ("help", "shows no evidence"),
];

/// Commands and options that let evidence leave, or say whether it is whole: they are in the access ledger when they
/// have ended. Others may wait in the spool for a while.
const AT_ONCE: [&str; 7] = [
    "access",
    "verify",
    "doctor",
    "export",
    "redactions --unseal",
    "redactions --destroy-key",
    "redactions --new-key",
];

/// Longest reason of a failure that is kept, in characters.
const ERROR_MAX: usize = 500;

/// A command as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed {
    /// The command, with a blank before each part of it.
    pub verb: String,
    /// What stands behind it without an option's name.
    pub subject: Vec<String>,
    /// Options by name.
    pub options: BTreeMap<String, Vec<String>>,
}

/// What a command tells of its result, for the access ledger. It may tell nothing.
#[derive(Debug, Default)]
pub struct Told {
    outcome: RefCell<AccessOutcome>,
}

/// An access that is being recorded, or not.
pub struct Recording {
    state: State,
    since: Instant,
}

enum State {
    /// There is nothing to record.
    Exempt,
    /// There is nothing to record, and what waits is to be taken in.
    TakingIn(AccessPlace),
    /// It is durable in the spool.
    Begun(Box<Begun>, AccessPlace),
    /// It cannot be recorded.
    Unrecorded,
}

/// The settings ask for every access to be recorded, and this one cannot be.
#[derive(Debug, thiserror::Error)]
#[error("the settings require that every access is recorded, and this one cannot be")]
struct Required(#[source] SpoolError);

impl Typed {
    /// Reads it off the command line.
    pub fn of(matches: &ArgMatches, program: &Command) -> Self {
        let mut typed = Self::default();
        let (mut matches, mut command) = (matches, program);
        while let Some((name, below)) = matches.subcommand() {
            let Some(found) = command.find_subcommand(name) else { break };
            (matches, command) = (below, found);
            let separator = if typed.verb.is_empty() { "" } else { " " };
            typed.verb.push_str(separator);
            typed.verb.push_str(name);
        }
        for argument in command.get_arguments().filter(|argument| !argument.is_global_set()) {
            let id = argument.get_id().as_str();
            if matches.value_source(id) != Some(ValueSource::CommandLine) {
                continue;
            }
            let values = matches.get_raw(id).into_iter().flatten();
            let values: Vec<String> = values.map(|value| value.to_string_lossy().into_owned()).collect();
            if argument.is_positional() {
                typed.subject.extend(values);
            } else {
                typed.options.insert(argument.get_long().unwrap_or(id).to_owned(), values);
            }
        }
        typed
    }
}

impl Told {
    /// An answer was shown.
    pub fn answer(&self, answer: &Answer) {
        let mut outcome = self.outcome.borrow_mut();
        outcome.verdict = Some(answer.body.verdict.word().to_owned());
        outcome.results = Some(answer.proof.evidence.len() as u64);
        outcome.size = Some(answer.proof.size);
    }

    /// So much was shown, out of a ledger of `size` entries where it is of the ledger.
    pub fn results(&self, results: u64, size: Option<u64>) {
        let mut outcome = self.outcome.borrow_mut();
        outcome.results = Some(results);
        outcome.size = size;
    }

    /// It came to a verdict.
    pub fn verdict(&self, verdict: &str) {
        self.outcome.borrow_mut().verdict = Some(verdict.to_owned());
    }

    /// A bundle was written.
    pub fn bundle(&self, seal: &str) {
        self.outcome.borrow_mut().bundle = Some(seal.to_owned());
    }
}

impl Recording {
    /// Writes down what is asked, before anything is done.
    ///
    /// Where it cannot be written down, that is said and the command goes on, unless the settings require otherwise.
    pub fn begin(root: &Path, typed: &Typed) -> Result<Self, Failure> {
        let recording = |state| Self { state, since: Instant::now() };
        let is_exempt = EXEMPT.iter().any(|(verb, _)| *verb == typed.verb);
        if is_exempt && typed.verb != "ingest" {
            return Ok(recording(State::Exempt));
        }
        // Where there is no evidence nothing can be asked of it, and the command says so.
        let Ok(workspace) = Workspace::open(root) else { return Ok(recording(State::Exempt)) };
        let place = workspace.access();
        if is_exempt {
            // Whoever takes records in may sign, so it is a good moment.
            return Ok(recording(State::TakingIn(place)));
        }
        match asked(typed).and_then(|asked| access::begin(&place, asked)) {
            Ok(begun) => Ok(recording(State::Begun(Box::new(begun), place))),
            Err(error) if workspace.settings().access.required => Err(Failure::unusable(
                Required(error),
                "let the folder `access` be written, or set `required = false` in `[access]` of `ascribe.toml`",
            )),
            Err(error) => {
                say(&format!("note: this access is not recorded: {}", with_causes(&error)));
                Ok(recording(State::Unrecorded))
            }
        }
    }

    /// Whether the access is one that should be recorded and could not be.
    pub const fn failed(&self) -> bool {
        matches!(self.state, State::Unrecorded)
    }

    /// Writes down what came of it, and takes the spool into the access ledger where it is due.
    pub fn end(self, told: &Told, outcome: &Result<Exit, Failure>) {
        let (begun, place) = match self.state {
            State::Begun(begun, place) => (begun, place),
            State::TakingIn(place) => return take_in(&place, None),
            State::Exempt | State::Unrecorded => return,
        };
        let is_urgent = is_urgent(&begun.asked);
        let error = outcome.as_ref().err().map(|failure| {
            let text = with_causes(failure.error.as_ref() as &(dyn Error + 'static));
            text.chars().take(ERROR_MAX).collect()
        });
        let exit = match outcome {
            Ok(exit) => *exit,
            Err(failure) => failure.exit,
        };
        let outcome = AccessOutcome {
            exit: exit.number(),
            milliseconds: u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            error,
            ..told.outcome.borrow().clone()
        };
        let own = match begun.end(outcome) {
            Ok(own) => own,
            Err(error) => {
                return say(&format!("note: how this access ended is not recorded: {}", with_causes(&error)));
            }
        };
        if is_urgent || access::is_due(&place, clock::now()) {
            take_in(&place, Some(&own));
        }
    }
}

/// Whether the access goes into the ledger when it has ended.
fn is_urgent(asked: &AccessAsked) -> bool {
    AT_ONCE.iter().any(|urgent| match urgent.split_once(" --") {
        Some((verb, option)) => asked.verb == verb && asked.options.contains_key(option),
        None => asked.verb == *urgent,
    })
}

/// Takes the spool into the ledger, and this program's own access with it.
fn take_in(place: &AccessPlace, own: Option<&Waiting>) {
    match access::drain(place, own, clock::now()) {
        // Who may ask need not be who may sign: the access is durable, and the next who may takes it in.
        Ok(_) => {}
        Err(error) if error.is_about_rights() => {}
        Err(error) => say(&format!(
            "note: accesses wait in `{}` and are not in the access ledger yet: {}",
            place.spool().display(),
            with_causes(&error)
        )),
    }
}

fn asked(typed: &Typed) -> Result<AccessAsked, SpoolError> {
    let at = clock::now();
    Ok(AccessAsked {
        id: access::new_id(at)?,
        at,
        by: access::by(),
        tool: concat!("ascribe ", env!("CARGO_PKG_VERSION")).to_owned(),
        verb: typed.verb.clone(),
        subject: typed.subject.clone(),
        options: typed.options.clone(),
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _};

    use super::*;
    use crate::cli::Arguments;

    fn leaves(command: &Command, path: &str, found: &mut Vec<String>) {
        let mut below = command.get_subcommands().peekable();
        if below.peek().is_none() {
            return found.push(path.to_owned());
        }
        for command in below {
            leaves(command, format!("{path} {}", command.get_name()).trim_start(), found);
        }
    }

    /// A command is recorded unless it is exempt for a reason; no exemption is for a command that is not there.
    #[test]
    fn every_command_is_recorded_or_exempt_with_a_reason() {
        let mut program = Arguments::command();
        program.build();
        let mut commands = Vec::new();
        leaves(&program, "", &mut commands);
        assert!(commands.len() > 15, "{commands:?}");
        for (verb, reason) in EXEMPT {
            let is_help = verb == "help" && program.find_subcommand("help").is_some();
            assert!(is_help || commands.iter().any(|command| command == verb), "`{verb}` is no command");
            assert!(reason.len() > 10, "`{verb}` needs a reason");
        }
        let folder = tempfile::tempdir().unwrap();
        crate::ops::init(folder.path(), "test.example/ledger").unwrap();
        for verb in commands.iter().filter(|verb| !verb.starts_with("help ")) {
            let typed = Typed { verb: verb.clone(), ..Typed::default() };
            let recording = Recording::begin(folder.path(), &typed).unwrap();
            let is_exempt = EXEMPT.iter().any(|(exempt, _)| exempt == verb);
            assert_eq!(matches!(recording.state, State::Begun(..)), !is_exempt, "{verb}");
        }
    }

    #[test]
    fn what_was_typed_is_taken_as_it_was_typed() {
        let typed = |line: &str| {
            let mut program = Arguments::command();
            let matches = program.try_get_matches_from_mut(line.split(' ')).unwrap();
            Arguments::from_arg_matches(&matches).unwrap();
            Typed::of(&matches, &program)
        };
        let timeline =
            typed("ascribe -e x timeline deploy-bot --limit 7 --since 2026-08-14T09:00:00Z --output json");
        assert_eq!(timeline.verb, "timeline");
        assert_eq!(timeline.subject, ["deploy-bot"]);
        let options: Vec<(&str, &str)> =
            timeline.options.iter().map(|(name, values)| (name.as_str(), values[0].as_str())).collect();
        assert_eq!(options, [("limit", "7"), ("since", "2026-08-14T09:00:00Z")]);
        let forward = typed("ascribe chain ASIA --forward");
        assert!(forward.options.contains_key("forward"), "{forward:?}");
        let unseal = typed("ascribe redactions --unseal E F");
        assert_eq!(unseal.options["unseal"], ["E", "F"]);
        assert_eq!(typed("ascribe config show").verb, "config show");
    }
}
