//! The command line: arguments in, text out. What a command does is in `ops`; here it is only asked and shown.

mod access;
mod answer_text;
mod backup;
mod checkpoints;
mod colour;
mod comfort;
mod csv;
mod demo;
mod escape;
mod export;
mod fsck;
mod identity_text;
mod ingest;
mod ledger;
mod lifecycle_text;
mod messages;
mod policy;
mod pulse;
mod questions;
mod recording;
mod redactions;
mod retention;
mod rows;
mod session_text;
mod signing_keys;
mod skew;
mod timeline_text;
mod timestamp;
mod timing;
mod upkeep;
mod why_text;
mod witness;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

pub use messages::{Exit, Failure};
use recording::{Recording, Told, Typed};

/// Turns audit logs into evidence: who acted, under whose authority, on what, until when, and what cannot be seen.
#[derive(Debug, Parser)]
#[command(name = "ascribe", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Arguments {
    /// Folder that holds the evidence
    #[arg(long, short = 'e', global = true, value_name = "DIR", default_value = "evidence")]
    pub evidence: PathBuf,
    /// Form of the result on standard output
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// Which of the options were given
    #[arg(skip)]
    given: Given,
    /// The command as it was typed
    #[arg(skip)]
    typed: Typed,
}

/// Form of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Text for people
    Table,
    /// One JSON document
    Json,
    /// One JSON document a line
    Jsonl,
    /// Rows, for spreadsheets
    Csv,
}

impl Output {
    /// The form as the option has it.
    const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }
}

/// Everything that the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a folder for evidence, with its own key
    Init(upkeep::InitArguments),
    /// Take in log files: every byte becomes a record, framing or a reject
    Ingest(ingest::IngestArguments),
    /// Which identity held a credential or acted in an event, and how strong is the binding
    Who(questions::WhoArguments),
    /// Back to who started it, or forward to all that came of it; where the trail breaks
    Chain(questions::ChainArguments),
    /// Why an act was allowed or a credential issued: who asked, who approved, which rule was in force
    Why(questions::WhyArguments),
    /// The use of one credential: by whom, from where, what was done to what, and how good the evidence is
    Session(questions::SessionArguments),
    /// What an identity, a credential and what came of it did, across every system, with blind spots as rows
    Timeline(questions::TimelineArguments),
    /// When a credential was issued, changed and ended, and whether it was used after its end
    Lifecycle(questions::LifecycleArguments),
    /// One event: what it says, its record as captured, and its proof
    Show(questions::ShowArguments),
    /// Streams, records, time spans and rejects
    Sources,
    /// Who asked, exported, verified or disclosed what of this evidence, and when
    Access(access::AccessArguments),
    /// Write the evidence of one matter to a file that a stranger can check
    Export(export::ExportArguments),
    /// Work on capture policies
    Policy(policy::PolicyArguments),
    /// What was withheld before it was stored, by rule, method and policy
    Redactions(redactions::RedactionsArguments),
    /// How long evidence is kept, what is held, and what was destroyed by whose approval
    Retention(retention::RetentionArguments),
    /// How the clocks of streams stand to each other: what the records show, and what joins use
    Skew(skew::SkewArguments),
    /// Record what is due: a sign of life of an idle ledger, streams that fell silent or speak again, a clock that jumped
    Pulse(pulse::PulseArguments),
    /// Matters of the ledger itself: who signs it; seal ranges of it, prove that no entry of a name is left out
    Ledger(ledger::LedgerArguments),
    /// Check the whole ledger again and say what was checked
    Verify,
    /// Be a witness: cosign the checkpoints of other people's ledgers, as long as each extends the last
    Witness(witness::WitnessArguments),
    /// Throw the derived store away and derive it again from the ledger
    Rebuild,
    /// Put the store in the order of questions: by day and by who acted, a million entries at a time
    Compact,
    /// Look the evidence folder over: keys, disk, ledger, store, clock; what is wrong, and the command that mends it
    Doctor,
    /// The settings
    Config(comfort::ConfigArguments),
    /// Copy the evidence as of its published checkpoint; again, and only what is new is copied
    Backup(backup::BackupArguments),
    /// Make an evidence folder of a backup: check, copy, derive the store
    Restore(backup::RestoreArguments),
    /// Print a script that completes commands in a shell
    Completions(comfort::CompletionsArguments),
    /// Print a manual page, for `man -l -`
    Man(comfort::ManArguments),
    /// Ask the questions that a file lists, and say how long each took
    #[command(hide = true)]
    TimeQuestions(timing::TimingArguments),
    /// Walk through a sample incident in a temporary ledger
    Demo(demo::DemoArguments),
}

const EXIT_CODES: &str = "\
Exit codes:
  0  yes, done
  1  no: contradicted, invalid or forked
  2  usage, configuration, unreadable input
  4  not authorised
  5  inconclusive: the evidence does not decide it

Details are in `--output json`.";

/// Runs the command that was asked for, and has it recorded: every command passes here.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let recording = Recording::begin(&arguments.evidence, &arguments.typed)?;
    let asked = Asked {
        evidence: &arguments.evidence,
        output: arguments.output,
        given: arguments.given,
        unrecorded: recording.failed(),
        told: Told::default(),
    };
    let outcome = dispatch(&asked, &arguments.command);
    recording.end(&asked.told, &outcome);
    outcome
}

fn dispatch(asked: &Asked<'_>, command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Init(init) => upkeep::init(asked, init),
        Command::Ingest(ingest) => ingest::ingest(asked, ingest),
        Command::Who(who) => questions::who(asked, who),
        Command::Chain(chain) => questions::chain(asked, chain),
        Command::Why(why) => questions::why(asked, why),
        Command::Session(session) => questions::session(asked, session),
        Command::Timeline(timeline) => questions::timeline(asked, timeline),
        Command::Lifecycle(lifecycle) => questions::lifecycle(asked, lifecycle),
        Command::Show(show) => questions::show(asked, show),
        Command::Sources => questions::sources(asked),
        Command::Access(access) => access::access(asked, access),
        Command::Export(export) => export::export(asked, export),
        Command::Policy(policy) => policy::policy(asked, policy),
        Command::Redactions(redactions) => redactions::redactions(asked, redactions),
        Command::Retention(retention) => retention::retention(asked, retention),
        Command::Skew(skew) => skew::skew(asked, skew),
        Command::Pulse(arguments) => pulse::pulse(asked, arguments),
        Command::Ledger(ledger) => ledger::ledger(asked, ledger),
        Command::Verify => upkeep::verify(asked),
        Command::Witness(arguments) => witness::witness(asked, arguments),
        Command::Rebuild => upkeep::rebuild(asked),
        Command::Compact => upkeep::compact(asked),
        Command::Doctor => comfort::doctor(asked),
        Command::Backup(backup) => backup::backup(asked, backup),
        Command::Restore(restore) => backup::restore(asked, restore),
        Command::Config(config) => comfort::config(asked, config),
        Command::Completions(completions) => comfort::completions(completions),
        Command::Man(man) => comfort::man(man),
        Command::TimeQuestions(timing) => timing::time_questions(asked, timing),
        Command::Demo(demo) => demo::demo(asked, demo),
    }
}

/// What every command is told.
struct Asked<'a> {
    evidence: &'a std::path::Path,
    output: Output,
    given: Given,
    /// Whether the access should be recorded and could not be.
    unrecorded: bool,
    /// What the command tells of its result.
    told: Told,
}

impl Asked<'_> {
    /// A result with what stands beside it: that the access could not be recorded, if so.
    fn beside(&self, mut value: serde_json::Value) -> serde_json::Value {
        if self.unrecorded
            && let Some(object) = value.as_object_mut()
        {
            object.insert("recorded".to_owned(), false.into());
        }
        value
    }
}

/// Which of the global options were given, rather than left at their defaults.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given {
    evidence: bool,
    output: bool,
}

impl Given {
    fn of(matches: &ArgMatches) -> Self {
        let given = |name| matches.value_source(name) == Some(ValueSource::CommandLine);
        Self { evidence: given("evidence"), output: given("output") }
    }
}

/// Reads the arguments of this process. Where they cannot be read, the process ends with a message that says so.
pub fn arguments() -> Arguments {
    let mut program = Arguments::command();
    let matches = program.get_matches_mut();
    match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => {
            let typed = Typed::of(&matches, &program);
            Arguments { given: Given::of(&matches), typed, ..arguments }
        }
        Err(error) => error.format(&mut Arguments::command()).exit(),
    }
}

/// Exit code of the process.
pub fn exit_code(outcome: Result<Exit, Failure>) -> ExitCode {
    match outcome {
        Ok(exit) => exit.code(),
        Err(failure) => {
            messages::report(&failure);
            failure.exit.code()
        }
    }
}
