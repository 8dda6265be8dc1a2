//! `ascribe ingest`: a progress bar on a terminal, and a summary.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::escape::line;
use super::messages::{Exit, Failure, print, say, somebody_watches};
use super::{Asked, Output, csv};
use crate::causes::with_causes;
use crate::ingest::{IngestReport, Progress, Silent};
use crate::ops::{
    self, IngestFailure, IngestRequest, Patience, WitnessReply as Reply, WitnessingError, ask_witnesses,
};

/// Arguments of `ingest`.
#[derive(Debug, Args)]
pub struct IngestArguments {
    /// Files, folders, quoted patterns, or `-` for standard input; gzip and zstd are recognised
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Where records that do not say so come from: the name of the cluster, for plain Kubernetes audit files
    #[arg(long, value_name = "NAME")]
    scope: Option<String>,
    /// Threads that parse [default: one for each core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// How progress is shown on standard error
    #[arg(long, value_enum, default_value_t = Shown::Auto)]
    progress: Shown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shown {
    /// A bar on a terminal, nothing elsewhere
    Auto,
    /// Nothing
    None,
    /// One JSON line for each acknowledgement
    Json,
}

pub fn ingest(asked: &Asked<'_>, arguments: &IngestArguments) -> Result<Exit, Failure> {
    let bar = Bar::new();
    let progress: &dyn Progress = match arguments.progress {
        Shown::Json => &Acknowledgements,
        Shown::Auto if somebody_watches() => &bar,
        Shown::Auto | Shown::None => &Silent,
    };
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let request = IngestRequest {
        paths: &arguments.paths,
        scope: arguments.scope.as_deref(),
        workers: arguments.threads.unwrap_or(cores),
        progress,
    };
    let ingested = ops::ingest(asked.evidence, &request);
    bar.drawn.finish_and_clear();
    let ingested = ingested?;
    for problem in &ingested.problems {
        say(&format!("warning: {problem}\nhint: {}", problem.hint()));
    }
    let recovery = &ingested.recovery;
    if recovery.record_bytes_cut + recovery.salts_bytes_cut > 0 {
        say(&format!(
            "note: an earlier run was interrupted; {} bytes that were never acknowledged were cut off",
            recovery.record_bytes_cut + recovery.salts_bytes_cut
        ));
    }
    let report = &ingested.report;
    let text = match asked.output {
        Output::Table => summary(report),
        Output::Json => json(report, serde_json::to_string_pretty)?,
        Output::Jsonl => json(report, serde_json::to_string)?,
        Output::Csv => csv::table(&["name", "value"], &rows(report)),
    };
    print(&text)?;
    say_witnessed(asked, report.ledger_size);
    let incomplete = !ingested.problems.is_empty() || report.objects_failed > 0;
    Ok(if incomplete { Exit::Unusable } else { Exit::Yes })
}

/// Asks the witnesses, where a policy names some, and tells what came of it. Nothing that they do makes an ingest fail.
fn say_witnessed(asked: &Asked<'_>, size: u64) {
    match ask_witnesses(asked.evidence, Patience::Little) {
        Err(WitnessingError::NoPolicy) => {}
        Err(error) => {
            say(&format!(
                "warning: the witnesses were not asked: {}\nhint: {}",
                with_causes(&error),
                error.hint()
            ));
        }
        Ok(done) => {
            let (signed, of) = (done.signed(), done.witnesses.len());
            if done.quorum_is_met {
                return say(&format!(
                    "note: {signed} of {of} witnesses cosigned the checkpoint, which is enough"
                ));
            }
            let mut text = format!(
                "warning: {signed} of {of} witnesses cosigned the checkpoint, which is not enough; {} of {size} entries are not yet witnessed",
                done.lag()
            );
            for witness in
                done.witnesses.iter().filter(|witness| !matches!(witness.reply, Reply::Cosigned(_)))
            {
                let sentence = line(&witness.reply.sentence(done.size), 300);
                text.push_str(&format!("\n  {}: {sentence}", line(&witness.name, 100)));
            }
            say(&format!("{text}\nhint: `ascribe ledger witness` asks them again"));
        }
    }
}

fn json(
    report: &IngestReport,
    write: fn(&IngestReport) -> Result<String, serde_json::Error>,
) -> Result<String, Failure> {
    let text = write(report).map_err(|error| Failure::unusable(error, "this is a defect of the program"))?;
    Ok(format!("{text}\n"))
}

fn summary(report: &IngestReport) -> String {
    let mut out = String::new();
    for row in rows(report) {
        out.push_str(&format!("{:<14}{}\n", row[0], row[1]));
    }
    if !report.reject_examples.is_empty() {
        let hidden = report.rejects_total() - report.reject_examples.len() as u64;
        let shown = if hidden == 0 {
            String::new()
        } else {
            format!(
                " ({} shown, at most two of a kind in a file; {hidden} more are counted)",
                report.reject_examples.len()
            )
        };
        out.push_str(&format!("\nREJECTS, kept in the ledger{shown}\n"));
        for reject in &report.reject_examples {
            out.push_str(&format!(
                "  {} at byte {} ({} bytes): {}\n      expected {}, found {}\n      hint: {}\n",
                line(&reject.object, 200),
                reject.offset,
                reject.length,
                reject.reason,
                line(&reject.expected, 200),
                line(&reject.found, 200),
                reject.hint
            ));
        }
    }
    if !report.notices.is_empty() {
        out.push_str("\nNOTICES\n");
        for notice in &report.notices {
            out.push_str(&format!(
                "  {}: {}\n      hint: {}\n",
                line(&notice.object, 200),
                line(&notice.message, 400),
                notice.hint
            ));
        }
    }
    out
}

fn rows(report: &IngestReport) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    let mut objects = report.objects.to_string();
    for (count, what) in [
        (report.objects_known, "already known"),
        (report.objects_resumed, "resumed"),
        (report.objects_failed, "could not be read"),
    ] {
        if count > 0 {
            objects = format!("{objects}, {count} {what}");
        }
    }
    row("objects", objects);
    row("records", format!("{}{}", report.records, remark(report.withheld, "with secrets withheld")));
    row("events", format!("{}{}", report.events, remark(report.undated, "without a time")));
    row("duplicates", report.duplicates.to_string());
    let reasons: Vec<String> =
        report.rejects.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    row("rejects", if reasons.is_empty() { "0".to_owned() } else { reasons.join(", ") });
    if let (Some(first), Some(last)) = (report.first, report.last) {
        row("first", first.to_string());
        row("last", last.to_string());
    }
    let bytes = report.bytes;
    let encoded = match bytes.encoded {
        0 => String::new(),
        kept => format!("; {kept} more could not be decoded and are kept encoded"),
    };
    row(
        "bytes",
        format!(
            "{} = {} in records + {} framing + {} in rejects{encoded}",
            bytes.decoded, bytes.records, bytes.framing, bytes.rejects
        ),
    );
    for (index, stream) in report.streams.iter().enumerate() {
        row(if index == 0 { "streams" } else { "" }, line(stream, 120));
    }
    let root = report.checkpoint.lines().nth(2).unwrap_or_default();
    row("checkpoint", format!("{} entries, root {root}", report.ledger_size));
    rows
}

fn remark(count: u64, what: &str) -> String {
    if count == 0 { String::new() } else { format!(" ({count} {what})") }
}

/// A bar for people.
struct Bar {
    drawn: ProgressBar,
    objects: AtomicU64,
    done: AtomicU64,
}

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::no_length();
        let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { drawn: bar, objects: AtomicU64::new(0), done: AtomicU64::new(0) }
    }
}

impl Progress for Bar {
    fn planned(&self, objects: u64, bytes: u64) {
        self.objects.store(objects, Ordering::Relaxed);
        self.drawn.set_length(bytes);
    }

    fn read(&self, bytes: u64) {
        self.drawn.inc(bytes);
    }

    fn object_done(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.drawn.set_message(format!("{done}/{} objects", self.objects.load(Ordering::Relaxed)));
    }

    fn acknowledged(&self, _size: u64) {}
}

/// One JSON line for each acknowledgement, for programs that must know what is on disk.
struct Acknowledgements;

impl Progress for Acknowledgements {
    fn planned(&self, _objects: u64, _bytes: u64) {}

    fn read(&self, _bytes: u64) {}

    fn object_done(&self) {}

    fn acknowledged(&self, size: u64) {
        say(&format!("{{\"acknowledged\":{size}}}"));
    }
}

impl From<IngestFailure> for Failure {
    fn from(failure: IngestFailure) -> Self {
        if let IngestFailure::Nothing { problems } = &failure {
            for problem in problems {
                say(&format!("warning: {problem}"));
            }
        }
        let hint = failure.hint();
        Self::unusable(failure, hint)
    }
}
