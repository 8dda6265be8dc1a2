//! `ascribe demo`: the sample incident, question by question.

use clap::{Args, CommandFactory, FromArgMatches};

use super::messages::{Exit, Failure, print};
use super::{Arguments, Asked, run};
use crate::ops::{DEMO_STEPS, Demo, DemoError};

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Keep the temporary evidence folder and say where it is
    #[arg(long)]
    keep: bool,
}

pub fn demo(_asked: &Asked<'_>, arguments: &DemoArguments) -> Result<Exit, Failure> {
    let demo = Demo::start()?;
    let evidence = demo.evidence();
    for step in DEMO_STEPS {
        print(&format!("\n── {}\n$ ascribe {}\n", step.because, step.command))?;
        let words = ["ascribe", "--evidence"]
            .map(str::to_owned)
            .into_iter()
            .chain([evidence.to_string_lossy().into_owned()]);
        let words = words.chain(step.command.split_whitespace().map(|word| demo.place(word)));
        let arguments = Arguments::command()
            .try_get_matches_from(words)
            .and_then(|matches| Arguments::from_arg_matches(&matches))
            .map_err(|error| Failure::unusable(error, "this is a defect of the program"))?;
        run(&arguments)?;
    }
    if arguments.keep {
        let kept = demo.keep();
        print(&format!("\nThe evidence is kept in {}.\n", kept.join("evidence").to_string_lossy()))?;
    } else {
        print(
            "\nThe temporary ledger is removed. `ascribe demo --keep` keeps it for questions of your own.\n",
        )?;
    }
    Ok(Exit::Yes)
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        Self::unusable(error, "check that the folder for temporary files is not full or read-only")
    }
}
