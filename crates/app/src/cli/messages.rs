//! Messages to people: what failed, why, and what to do. They go to standard error; standard output is data.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use ascribe_model::Verdict;

use super::colour;
use super::escape::terminal;

/// How a command ends. One table for every program of this project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Yes, or done.
    Yes,
    /// No: contradicted, invalid or forked.
    No,
    /// Usage, configuration, or input that cannot be read.
    Unusable,
    /// Inconclusive.
    Inconclusive,
}

/// A command that could not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    /// How it ends.
    pub exit: Exit,
    /// What failed, with its causes.
    pub error: Box<dyn Error + Send + Sync>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> ExitCode {
        ExitCode::from(self.number())
    }

    /// The same as a number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Yes => 0,
            Self::No => 1,
            Self::Unusable => 2,
            Self::Inconclusive => 5,
        }
    }

    /// How an answer with this verdict ends.
    pub const fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Proven | Verdict::Bounded { .. } => Self::Yes,
            Verdict::Contradicted { .. } => Self::No,
            Verdict::Undecided { .. } => Self::Inconclusive,
        }
    }
}

impl Failure {
    /// A failure of usage, configuration or input.
    pub fn unusable(error: impl Error + Send + Sync + 'static, hint: impl Into<String>) -> Self {
        Self { exit: Exit::Unusable, error: Box::new(error), hint: Some(hint.into()) }
    }
}

/// Standard output is gone or full.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the result")]
pub struct OutputError(#[from] io::Error);

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        Self::unusable(error, "check where standard output goes")
    }
}

/// Writes a result to standard output. A reader that has seen enough, such as `head`, is no failure.
pub fn print(text: &str) -> Result<(), OutputError> {
    // A file gets the text as it is; a terminal must not be steered by it, whatever the form.
    let text = if io::stdout().is_terminal() { terminal(text) } else { text.into() };
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// Tells people something that is not part of the result. What cannot be told (standard error is closed) is not
/// needed by anybody.
pub fn say(text: &str) {
    drop(writeln!(io::stderr().lock(), "{}", terminal(text)));
}

/// Select Graphic Rendition (ECMA-48 §8.3.117), as `clap` colours its own messages.
const RED: &str = "\u{1b}[1;31m";
const GREEN: &str = "\u{1b}[1;32m";
const PLAIN: &str = "\u{1b}[0m";

/// The same behind a label, which is coloured where colours are wanted.
fn say_labelled(label: &str, colour: &str, text: &str) {
    let (on, _) = colour::on_standard_error();
    let label = if on { format!("{colour}{label}{PLAIN}") } else { label.to_owned() };
    drop(writeln!(io::stderr().lock(), "{label} {}", terminal(text)));
}

/// Whether somebody watches standard error, on a terminal on which a line can be drawn again.
pub fn somebody_watches() -> bool {
    io::stderr().is_terminal() && !colour::is_dumb()
}

/// Tells what failed, its causes, and what to do.
pub fn report(failure: &Failure) {
    say_labelled("error:", RED, &failure.error.to_string());
    let mut cause = failure.error.source();
    while let Some(error) = cause {
        say(&format!("  caused by: {error}"));
        cause = error.source();
    }
    if let Some(hint) = &failure.hint {
        say("");
        say_labelled("hint:", GREEN, hint);
    }
}
