//! Questions: `who`, `chain`, `why`, `session`, `timeline`, `lifecycle`, `show`, `sources`.

use ascribe_assess::{Direction, Period, ROWS_DEFAULT, TimelineOptions};
use ascribe_model::{Answer, Timestamp};
use clap::Args;

use super::messages::{Exit, Failure, print};
use super::{Asked, answer_text};
use crate::ops::{self, OpenEvidence, QuestionError};

/// Arguments of `who`.
#[derive(Debug, Args)]
pub struct WhoArguments {
    /// A credential, an event, or any of their names; a beginning that only one of them has is enough
    #[arg(value_parser = name)]
    subject: String,
}

/// Arguments of `chain`.
#[derive(Debug, Args)]
pub struct ChainArguments {
    /// A credential, an event, or any of their names; a beginning that only one of them has is enough
    #[arg(value_parser = name)]
    subject: String,
    /// Forward to all that came of it, instead of back to who started it
    #[arg(long)]
    forward: bool,
}

/// Arguments of `lifecycle`.
#[derive(Debug, Args)]
pub struct LifecycleArguments {
    /// A credential, an event, or any of their names; a beginning that only one of them has is enough
    #[arg(value_parser = name)]
    subject: String,
}

/// Arguments of `why`.
#[derive(Debug, Args)]
pub struct WhyArguments {
    /// An event, a credential, or any of their names; a beginning that only one of them has is enough
    #[arg(value_parser = name)]
    subject: String,
}

/// Arguments of `session`.
#[derive(Debug, Args)]
pub struct SessionArguments {
    /// A credential, an event, or any of their names; a beginning that only one of them has is enough
    #[arg(value_parser = name)]
    subject: String,
}

/// Arguments of `timeline`.
#[derive(Debug, Args)]
pub struct TimelineArguments {
    /// An identity, a credential, an event, or any of their names; a beginning that only one of them has is enough
    #[arg(value_parser = name)]
    subject: String,
    /// First moment, such as `2026-08-14T09:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Last moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Most events that are shown
    #[arg(long, value_name = "COUNT", default_value_t = ROWS_DEFAULT as u32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// An event's id, its id in the source, or the number of its ledger entry
    #[arg(value_parser = name)]
    event: String,
}

/// Longest name that is looked up; keys are far shorter.
const NAME_MAX: usize = 4_096;

/// A name that is looked up.
pub(super) fn name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a name is needed, not a blank".to_owned()),
        long if long.len() > NAME_MAX => Err(format!("a name has at most {NAME_MAX} bytes")),
        name => Ok(name.to_owned()),
    }
}

pub(super) fn moment(text: &str) -> Result<Timestamp, ascribe_model::ParseTimestampError> {
    text.trim().parse()
}

pub fn who(asked: &Asked<'_>, arguments: &WhoArguments) -> Result<Exit, Failure> {
    show_answer(asked, &ops::who(&open(asked)?, &arguments.subject)?)
}

pub fn chain(asked: &Asked<'_>, arguments: &ChainArguments) -> Result<Exit, Failure> {
    let direction = if arguments.forward { Direction::Forward } else { Direction::Back };
    show_answer(asked, &ops::chain(&open(asked)?, &arguments.subject, direction)?)
}

pub fn lifecycle(asked: &Asked<'_>, arguments: &LifecycleArguments) -> Result<Exit, Failure> {
    show_answer(asked, &ops::lifecycle(&open(asked)?, &arguments.subject)?)
}

pub fn why(asked: &Asked<'_>, arguments: &WhyArguments) -> Result<Exit, Failure> {
    show_answer(asked, &ops::why(&open(asked)?, &arguments.subject)?)
}

pub fn session(asked: &Asked<'_>, arguments: &SessionArguments) -> Result<Exit, Failure> {
    show_answer(asked, &ops::session(&open(asked)?, &arguments.subject)?)
}

pub fn timeline(asked: &Asked<'_>, arguments: &TimelineArguments) -> Result<Exit, Failure> {
    let period = Period { since: arguments.since, until: arguments.until };
    let options = TimelineOptions { period, limit: arguments.limit as usize };
    show_answer(asked, &ops::timeline(&open(asked)?, &arguments.subject, options)?)
}

pub fn show(asked: &Asked<'_>, arguments: &ShowArguments) -> Result<Exit, Failure> {
    show_answer(asked, &ops::show(&open(asked)?, &arguments.event)?)
}

pub fn sources(asked: &Asked<'_>) -> Result<Exit, Failure> {
    show_answer(asked, &ops::sources(&open(asked)?)?)
}

/// Opens the evidence that is asked.
pub(super) fn open(asked: &Asked<'_>) -> Result<OpenEvidence, Failure> {
    Ok(OpenEvidence::open(asked.evidence).map_err(QuestionError::from)?)
}

/// Prints an answer and ends as its verdict says.
pub(super) fn show_answer(asked: &Asked<'_>, answer: &Answer) -> Result<Exit, Failure> {
    let text = answer_text::render(asked, answer).map_err(|error| {
        Failure::unusable(error, "this is a defect of the program: an answer always has a JSON form")
    })?;
    asked.told.answer(answer);
    print(&text)?;
    Ok(Exit::of(&answer.body.verdict))
}

impl From<QuestionError> for Failure {
    fn from(error: QuestionError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
