//! `ascribe pulse`.

use std::time::Duration;

use ascribe_assess::length;
use ascribe_model::{ClockStep, PulseEntry};
use clap::Args;
use serde_json::json;

use super::escape::line;
use super::messages::{Exit, Failure, print, say};
use super::{Asked, Output, csv};
use crate::clock;
use crate::ops::{self, Beaten, PulseError, Pulsed};
use crate::pulse::Length;

/// Arguments of `pulse`.
#[derive(Debug, Args)]
pub struct PulseArguments {
    /// Do not end, but look again after so long, such as `60s`, until stopped
    #[arg(long, value_name = "LENGTH")]
    every: Option<Length>,
}

pub fn pulse(asked: &Asked<'_>, arguments: &PulseArguments) -> Result<Exit, Failure> {
    let Some(every) = arguments.every else { return once(asked) };
    loop {
        // A timer has to go on where a single run fails: what it would have recorded is due the next time too.
        match ops::pulse(asked.evidence, clock::now()) {
            Ok(pulsed) => show(asked, &pulsed)?,
            Err(error) if error.is_busy() => say("another program writes to the ledger; looking again later"),
            Err(error) => super::messages::report(&error.into()),
        }
        std::thread::sleep(Duration::from_nanos(every.nanoseconds()));
    }
}

fn once(asked: &Asked<'_>) -> Result<Exit, Failure> {
    match ops::pulse(asked.evidence, clock::now()) {
        Ok(pulsed) => {
            show(asked, &pulsed)?;
            Ok(Exit::Yes)
        }
        Err(error) => Err(error.into()),
    }
}

fn show(asked: &Asked<'_>, pulsed: &Pulsed) -> Result<(), Failure> {
    for notice in &pulsed.notices {
        say(&format!("notice: {}", line(notice, 500)));
    }
    let value = |beaten: &Beaten| {
        json!({
            "leaf": beaten.leaf,
            "stream": beaten.stream,
            "entry": beaten.entry,
        })
    };
    let entries: Vec<_> = pulsed.entries.iter().map(value).collect();
    let whole = json!({
        "schema": "ascribe/pulse/v1",
        "at": pulsed.at,
        "entries": entries,
        "settings_recorded": pulsed.settings_recorded,
        "expected": pulsed.expected,
        "size": pulsed.size,
        "checkpoint": pulsed.checkpoint,
        "notices": pulsed.notices,
    });
    print(&match asked.output {
        Output::Table => text(pulsed),
        Output::Json => format!("{whole:#}\n"),
        Output::Jsonl => format!("{whole}\n"),
        Output::Csv => {
            let row = |beaten: &Beaten| {
                let stream = beaten.stream.as_ref().map(stream_name).unwrap_or_default();
                vec![
                    pulsed.at.to_string(),
                    beaten.leaf.to_string(),
                    beaten.entry.name().to_owned(),
                    stream,
                    says(beaten),
                ]
            };
            let rows: Vec<_> = pulsed.entries.iter().map(row).collect();
            csv::table(&["at", "leaf", "entry", "stream", "says"], &rows)
        }
    })?;
    Ok(())
}

fn text(pulsed: &Pulsed) -> String {
    let mut out = String::new();
    if pulsed.settings_recorded {
        out.push_str(&format!(
            "{}  the configuration changed; `ascribe config history` shows how\n",
            pulsed.at
        ));
    }
    for beaten in &pulsed.entries {
        out.push_str(&format!("{}  entry {}: {}\n", pulsed.at, beaten.leaf, line(&says(beaten), 500)));
    }
    if out.is_empty() {
        let streams = match pulsed.expected {
            0 => "no stream is expected to speak".to_owned(),
            1 => "one stream is expected to speak".to_owned(),
            many => format!("{many} streams are expected to speak"),
        };
        out = format!("{}  nothing is due; {streams}\n", pulsed.at);
    }
    out
}

/// An entry in a sentence.
fn says(beaten: &Beaten) -> String {
    let stream = beaten.stream.as_ref().map_or_else(|| "a stream".to_owned(), stream_name);
    match &beaten.entry {
        PulseEntry::Beat { idle_ns, silent, .. } => {
            let silent = if *silent > 0 { format!("; silent streams: {silent}") } else { String::new() };
            format!("heartbeat, after {} without an entry{silent}", length(*idle_ns))
        }
        PulseEntry::Silent { at, from, after_ns, jump, .. } => {
            let lasted = match jump {
                None => format!("for {}", length(from.distance(*at))),
                Some(leaf) => format!("(the clock jumped in between, entry {leaf})"),
            };
            format!(
                "{stream} has been silent {lasted}, since {from}; it is expected to speak every {}",
                length(*after_ns)
            )
        }
        PulseEntry::Spoke { from, until, .. } => {
            format!("{stream} speaks again: no record was received from {from} until {until}")
        }
        PulseEntry::Clock { at, before, step } => {
            let way = match step {
                ClockStep::Back => "back",
                ClockStep::Far => "far ahead",
            };
            format!("the clock jumped {way}: from {before} to {at}")
        }
    }
}

fn stream_name(stream: &ascribe_model::StreamEntry) -> String {
    let parts =
        [stream.source.as_str(), stream.scope.as_str()].into_iter().chain(stream.partition.as_deref());
    parts.collect::<Vec<_>>().join(" ")
}

impl From<PulseError> for Failure {
    fn from(error: PulseError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
