//! Checks a bundle of evidence without trusting whoever made it: offline, with nothing but the file and a key.
//!
//! It knows no ledger, no store and no network. Arguments are read by hand, because every package that this program
//! needs is one that a stranger has to trust.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, IsTerminal as _, Write};
use std::process::ExitCode;

use ascribe_bundle::{Check, CheckError, Report, Verdict, check, harmless};
use ascribe_ledger::{VerifierKey, WitnessPolicy};

const HELP: &str = "\
Checks a bundle of evidence: is everything in it as the ledger signed it, and did a key that you trust sign?

Usage: ascribe-verify [OPTIONS] FILE

Arguments:
  FILE                     The bundle, such as case.evb; `-` reads standard input

Options:
  -k, --key KEY            The ledger's verifier key, or a file that holds it. Get it from somebody you trust,
                           by a way that does not pass through the bundle
  -p, --policy FILE        Witnesses that you believe, as a C2SP tlog-policy file. Your own: what the bundle brings
                           counts for nothing
      --output table|json  Form of the report [default: table]
  -h, --help               Print this help
  -V, --version            Print the version

Exit codes:
  0  valid: it holds, and it is signed by the key that you named
  1  invalid: something was altered, or another key signed
  2  usage, or a file that cannot be read as a bundle of this version
  5  inconclusive: it holds, but no key was named, too few witnesses of the policy stand behind it, or something
     could not be decided
";

/// What was asked for.
struct Arguments {
    file: String,
    key: Option<String>,
    policy: Option<String>,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    Table,
    Json,
}

/// What to do.
enum Asked {
    Check(Arguments),
    Help,
    Version,
}

/// The check could not be run.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error("cannot open `{file}`")]
    Open {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot read the key file `{file}`")]
    KeyFile {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("`{text}` is no verifier key")]
    Key {
        text: String,
        #[source]
        source: ascribe_ledger::VerifierKeyError,
    },
    #[error("cannot read the policy `{file}`")]
    PolicyFile {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("the policy `{file}` is refused")]
    Policy {
        file: String,
        #[source]
        source: ascribe_ledger::PolicyError,
    },
    #[error("cannot check `{file}`")]
    Check {
        file: String,
        #[source]
        source: CheckError,
    },
    #[error("cannot write the report")]
    Output(#[from] io::Error),
}

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(code) => code,
        Err(failure) => {
            let mut said = format!("error: {failure}\n");
            let mut cause = failure.source();
            while let Some(error) = cause {
                said.push_str(&format!("  caused by: {error}\n"));
                cause = error.source();
            }
            said.push_str(&format!("\nhint: {}\n", failure.hint()));
            let said = harmless(&said);
            // What cannot be told, because standard error is closed, is not needed by anybody.
            drop(io::stderr().lock().write_all(said.as_bytes()));
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Vec<String>) -> Result<ExitCode, Failure> {
    let arguments = match parse(arguments)? {
        Asked::Check(arguments) => arguments,
        Asked::Help => return print(HELP).map(|()| ExitCode::SUCCESS),
        Asked::Version => {
            let version = concat!("ascribe-verify ", env!("CARGO_PKG_VERSION"), "\n");
            return print(version).map(|()| ExitCode::SUCCESS);
        }
    };
    let key = arguments.key.as_deref().map(read_key).transpose()?;
    let policy = arguments.policy.as_deref().map(read_policy).transpose()?;
    let how = Check { key: key.as_ref(), policy: policy.as_ref() };
    let report = check_file(&arguments.file, how)?;
    let text = match arguments.form {
        Form::Table => ascribe_bundle::text(&report),
        Form::Json => format!("{:#}\n", ascribe_bundle::json(&report)),
    };
    print(&text)?;
    Ok(ExitCode::from(match report.verdict() {
        Verdict::Valid => 0,
        Verdict::Invalid => 1,
        Verdict::Inconclusive => 5,
    }))
}

fn parse(arguments: Vec<String>) -> Result<Asked, Failure> {
    let (mut files, mut key, mut policy, mut form) = (Vec::new(), None, None, Form::Table);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
            _ => (argument.clone(), None),
        };
        let mut value = || {
            let value = inline.clone().or_else(|| arguments.next());
            value.ok_or_else(|| Failure::Usage(format!("`{name}` needs a value")))
        };
        match name.as_str() {
            "-h" | "--help" => return Ok(Asked::Help),
            "-V" | "--version" => return Ok(Asked::Version),
            "-k" | "--key" if key.is_none() => key = Some(value()?),
            "-k" | "--key" => return Err(Failure::Usage("`--key` is given twice".to_owned())),
            "-p" | "--policy" if policy.is_none() => policy = Some(value()?),
            "-p" | "--policy" => return Err(Failure::Usage("`--policy` is given twice".to_owned())),
            "--output" => {
                form = match value()?.as_str() {
                    "table" => Form::Table,
                    "json" => Form::Json,
                    other => return Err(Failure::Usage(format!("`{other}` is neither `table` nor `json`"))),
                };
            }
            option if option.starts_with('-') && option != "-" => {
                return Err(Failure::Usage(format!("`{option}` is no option")));
            }
            _ => files.push(argument),
        }
    }
    match <[String; 1]>::try_from(files) {
        Ok([file]) => Ok(Asked::Check(Arguments { file, key, policy, form })),
        Err(files) => {
            Err(Failure::Usage(format!("one bundle is checked at a time, {} are named", files.len())))
        }
    }
}

/// A key given as its text, or as the name of a file that holds it.
fn read_key(text: &str) -> Result<VerifierKey, Failure> {
    let direct = VerifierKey::parse(text);
    let Err(source) = direct else { return direct.map_err(|source| key_failure(text, source)) };
    match std::fs::read_to_string(text) {
        Ok(content) => VerifierKey::parse(content.trim_end()).map_err(|source| key_failure(text, source)),
        // A key has two `+` in it, and hardly a file.
        Err(_) if text.matches('+').count() >= 2 => Err(key_failure(text, source)),
        Err(source) => Err(Failure::KeyFile { file: text.to_owned(), source }),
    }
}

fn read_policy(file: &str) -> Result<WitnessPolicy, Failure> {
    let text = std::fs::read(file).map_err(|source| Failure::PolicyFile { file: file.to_owned(), source })?;
    WitnessPolicy::parse(&text).map_err(|source| Failure::Policy { file: file.to_owned(), source })
}

fn key_failure(text: &str, source: ascribe_ledger::VerifierKeyError) -> Failure {
    Failure::Key { text: text.to_owned(), source }
}

fn check_file(file: &str, how: Check<'_>) -> Result<Report, Failure> {
    let failed = |source| Failure::Check { file: file.to_owned(), source };
    if file == "-" {
        return check(BufReader::new(io::stdin().lock()), how).map_err(failed);
    }
    let opened = File::open(file).map_err(|source| Failure::Open { file: file.to_owned(), source })?;
    check(BufReader::new(opened), how).map_err(failed)
}

/// Writes the report. A reader that has seen enough, such as `head`, is no failure.
fn print(text: &str) -> Result<(), Failure> {
    // A file gets the text as it is; a terminal must not be steered by it, whatever the form.
    let text = if io::stdout().is_terminal() { harmless(text) } else { text.to_owned() };
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}

impl Failure {
    fn hint(&self) -> &'static str {
        match self {
            Self::Usage(_) => "`ascribe-verify --help` shows what it takes",
            Self::Open { .. } => "check the path, and who may read it",
            Self::KeyFile { .. } | Self::Key { .. } => {
                "a verifier key is one line, `<origin>+<id>+<key>`, such as in the ledger's `keys/ledger.vkey`"
            }
            Self::PolicyFile { .. } | Self::Policy { .. } => {
                "a policy has lines such as `witness w1 <key>` and one `quorum w1`: c2sp.org/tlog-policy"
            }
            Self::Check { source: CheckError::Version { .. }, .. } => {
                "use a release of ascribe-verify that reads this version"
            }
            Self::Check { .. } => {
                "bundles are written by `ascribe export`; this file may be cut off or something else"
            }
            Self::Output(_) => "check where standard output goes",
        }
    }
}
