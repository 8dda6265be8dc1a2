//! `ascribe policy check`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::escape::line;
use super::messages::{Exit, Failure, print};
use super::rows::{Rows, aligned};
use super::{Asked, Output, csv};
use crate::ops::{self, PolicyCheckError, PolicyTrial};

/// Arguments of `policy`.
#[derive(Debug, Args)]
pub struct PolicyArguments {
    /// What to do with it
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Try a capture policy on sample input: what it would withhold, and what it would break. Nothing is stored
    Check(CheckArguments),
}

#[derive(Debug, Args)]
struct CheckArguments {
    /// The policy
    file: PathBuf,
    /// Files, folders, quoted patterns, or `-` for standard input
    #[arg(required = true, value_name = "SAMPLE")]
    samples: Vec<String>,
    /// Where records that do not say so come from
    #[arg(long, value_name = "NAME")]
    scope: Option<String>,
}

pub fn policy(asked: &Asked<'_>, arguments: &PolicyArguments) -> Result<Exit, Failure> {
    let PolicyCommand::Check(arguments) = &arguments.command;
    let trial = ops::policy_check(&arguments.file, &arguments.samples, arguments.scope.as_deref())?;
    let json = |written: Result<String, serde_json::Error>| {
        written
            .map(|text| text + "\n")
            .map_err(|error| Failure::unusable(error, "this is a defect of the program"))
    };
    let text = match asked.output {
        Output::Table => text(&trial),
        Output::Json => json(serde_json::to_string_pretty(&trial))?,
        Output::Jsonl => json(serde_json::to_string(&trial))?,
        Output::Csv => {
            let rows = rows(&trial);
            csv::table(&rows.header, &rows.rows)
        }
    };
    print(&text)?;
    Ok(if trial.usable { Exit::Yes } else { Exit::No })
}

fn rows(trial: &PolicyTrial) -> Rows {
    let rows = trial.rules.iter().map(|rule| {
        vec![
            rule.name.clone(),
            rule.line.to_string(),
            rule.action.to_owned(),
            rule.records.to_string(),
            rule.values.to_string(),
            rule.bytes.to_string(),
            rule.needed.values().sum::<u64>().to_string(),
        ]
    });
    let header = vec!["rule", "line", "action", "records", "values", "bytes", "values that stay"];
    Rows { header, rows: rows.collect() }
}

fn text(trial: &PolicyTrial) -> String {
    let verdict = if trial.usable { "USABLE" } else { "NOT USABLE" };
    let mut out = format!(
        "{verdict}\n  {} records read, {} pieces that no source reads; {} events would show a placeholder\n",
        trial.records, trial.rejects, trial.events_changed
    );
    if !trial.rules.is_empty() {
        out.push_str(&format!("\nRULES\n{}", aligned(&rows(trial))));
    }
    for rule in trial.rules.iter().filter(|rule| !rule.examples.is_empty() || !rule.needed.is_empty()) {
        out.push_str(&format!("\nRULE {}\n", rule.name));
        for example in &rule.examples {
            out.push_str(&format!(
                "  {}\n      before  {}\n      after   {}\n",
                line(&example.field, 200),
                line(&example.before, 120),
                line(&example.after, 120)
            ));
        }
        for (field, values) in &rule.needed {
            out.push_str(&format!("  stays: {} ({values} values), which reading needs\n", line(field, 200)));
        }
    }
    if !trial.breaks.is_empty() {
        out.push_str("\nJOINS AND MEANING THAT WOULD BE LOST\n");
        for found in &trial.breaks {
            out.push_str(&format!(
                "  line {}: rule `{}` names `{}`; {} records need `{}`\n      hint: name what is around it, or `*`: what reading needs then stays\n",
                found.line,
                found.rule,
                line(&found.path, 200),
                found.source,
                found.needed
            ));
        }
    }
    if !trial.broken.is_empty() {
        out.push_str("\nRECORDS THAT WOULD NOT BE READ AS BEFORE\n");
        trial.broken.iter().for_each(|record| out.push_str(&format!("  {}\n", line(record, 300))));
    }
    out
}

impl From<PolicyCheckError> for Failure {
    fn from(error: PolicyCheckError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
