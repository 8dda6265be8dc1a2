//! `ascribe time-questions`, for benches: asks many questions in one process and says how long each took.
//!
//! The evidence is opened once, before the clock starts; each question reads anew what it rests on. What the command of its
//! name prints is left out.

use std::path::PathBuf;
use std::time::Instant;

use ascribe_assess::TimelineOptions;
use ascribe_model::Answer;
use clap::Args;
use serde_json::json;

use super::Asked;
use super::messages::{Exit, Failure, print};
use super::questions::open;
use crate::ops::{self, OpenEvidence, QuestionError};

/// Arguments of `time-questions`.
#[derive(Debug, Args)]
pub struct TimingArguments {
    /// A question a line: its verb, a blank, and whom it is about
    #[arg(value_name = "FILE")]
    questions: PathBuf,
}

/// The list of questions cannot be used.
#[derive(Debug, thiserror::Error)]
enum TimingError {
    #[error("cannot read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{verb}` is no question that can be timed")]
    Verb { verb: String },
}

pub fn time_questions(asked: &Asked<'_>, arguments: &TimingArguments) -> Result<Exit, Failure> {
    const HINT: &str = "a line such as `who ASIAEXAMPLE` is one question";
    let path = &arguments.questions;
    let list = std::fs::read_to_string(path)
        .map_err(|source| Failure::unusable(TimingError::Read { path: path.clone(), source }, HINT))?;
    let evidence = open(asked)?;
    for line in list.lines() {
        evidence.forget();
        let (verb, subject) = line.split_once(' ').unwrap_or((line, ""));
        let start = Instant::now();
        let answer = answer(&evidence, verb, subject)
            .ok_or_else(|| Failure::unusable(TimingError::Verb { verb: verb.to_owned() }, HINT))?;
        let seconds = start.elapsed().as_secs_f64();
        // A question without an answer took its time too.
        let cited = answer.map_or(None, |answer| Some(answer.proof.evidence.len()));
        print(&format!(
            "{}\n",
            json!({ "verb": verb, "subject": subject, "seconds": seconds, "cited": cited })
        ))?;
    }
    Ok(Exit::Yes)
}

/// `None` where there is no question of that name.
fn answer(evidence: &OpenEvidence, verb: &str, subject: &str) -> Option<Result<Answer, QuestionError>> {
    match verb {
        "who" => Some(ops::who(evidence, subject)),
        "lifecycle" => Some(ops::lifecycle(evidence, subject)),
        "timeline" => Some(ops::timeline(evidence, subject, TimelineOptions::default())),
        "show" => Some(ops::show(evidence, subject)),
        _ => None,
    }
}
