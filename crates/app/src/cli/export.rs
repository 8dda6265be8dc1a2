//! `ascribe export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::escape::line;
use super::messages::{Exit, Failure, print};
use super::upkeep::form;
use super::{Asked, questions};
use crate::hexadecimal::hexadecimal;
use crate::ops::{self, AnswerAsked, ExportError, ExportRequest, Exported, IfNone, Overwrite};

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// A credential, an identity or an event, by any of its names: every entry that lists it goes in
    #[arg(long, value_name = "NAME", value_parser = questions::name)]
    entries: String,
    /// The answer that goes with the entries, and the entries that it was drawn from
    #[arg(long, value_enum)]
    answer: Option<Answer>,
    /// A checkpoint that somebody kept: the bundle then proves that the ledger only grew since
    #[arg(long, value_name = "CHECKPOINT")]
    earlier: Option<PathBuf>,
    /// Open this sealed value, such as `--disclose EVENT userAgent`; may be given several times; needs `keys/seal.key`
    #[arg(long, num_args = 2, value_names = ["EVENT", "FIELD"], value_parser = questions::name)]
    disclose: Vec<String>,
    /// Where nothing is found by the name, write a bundle that proves that, as far as the ledger is sealed
    #[arg(long, conflicts_with_all = ["answer", "disclose"])]
    none: bool,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// The bundle to write, such as `case.evb`
    #[arg(short = 'o', long = "bundle", value_name = "FILE")]
    file: PathBuf,
}

/// An answer that a bundle can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Answer {
    /// Which identity held it
    Who,
    /// Who asked, who approved, and which rule was in force
    Why,
    /// Back to who started it
    Chain,
    /// Forward to all that came of it
    ChainForward,
    /// What it did to what, and how good the evidence of that is
    Session,
    /// When it was issued, changed and ended
    Lifecycle,
}

pub fn export(asked: &Asked<'_>, arguments: &ExportArguments) -> Result<Exit, Failure> {
    let disclose = arguments.disclose.as_chunks::<2>().0;
    let exported = ops::export(
        asked.evidence,
        &ExportRequest {
            name: &arguments.entries,
            answer: arguments.answer.map(Answer::asked),
            earlier: arguments.earlier.as_deref(),
            disclose,
            file: &arguments.file,
            overwrite: if arguments.force { Overwrite::Replace } else { Overwrite::Refuse },
            none: if arguments.none { IfNone::Prove } else { IfNone::Refuse },
        },
    )?;
    let file = line(&exported.file.to_string_lossy(), 500);
    let names: Vec<String> = exported.names.iter().map(ToString::to_string).collect();
    let counts = &exported.report.counts;
    let kinds: Vec<String> = counts.entries.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let seal = hexadecimal(&exported.seal);
    let mut rows = vec![
        ("bundle", file.clone()),
        ("bytes", exported.bytes.to_string()),
        ("entries that list", line(&names.join(", "), 400)),
        ("entries", kinds.join(", ")),
        ("events", counts.events.to_string()),
        ("seal", seal.clone()),
        ("these are all", completeness(&exported)),
    ];
    rows.extend(exported.left_out.iter().map(|range| ("index not used", line(range, 400))));
    if counts.withheld > 0 {
        let withheld =
            format!("from {} records, before they were stored; the bundle cannot show it", counts.withheld);
        rows.push(("withheld", withheld));
    }
    for disclosed in &exported.report.disclosed {
        let what = format!("{} of entry {}, which was sealed", disclosed.field, disclosed.leaf);
        rows.push(("disclosed", line(&what, 400)));
    }
    if counts.without_bytes > 0 {
        rows.push((
            "erased",
            format!("the bytes of {} entries; their envelopes are here", counts.without_bytes),
        ));
    }
    let value = json!({
        "schema": "ascribe/export/v1",
        "file": exported.file.to_string_lossy(),
        "bytes": exported.bytes,
        "seal": seal,
        "names": names,
        "indexes_not_used": exported.left_out,
        "check": ascribe_bundle::json(&exported.report),
    });
    let next = format!(
        "\nThe file was checked before it got its name. Whoever gets it checks it without you:\n  \
         ascribe-verify --key KEY {file}\n\n\
         KEY is the line in `keys/ledger.vkey`; hand it over by another way than the file.\n"
    );
    asked.told.results(counts.entries.values().sum(), exported.report.head.map(|head| head.size));
    asked.told.bundle(&seal);
    print(&form(asked, &rows, &value, &next))?;
    Ok(Exit::Yes)
}

/// In which entries of the ledger the bundle shows that these are all.
fn completeness(exported: &Exported) -> String {
    let Some(shown) = &exported.report.completeness else {
        return "not shown: nothing is sealed; `ascribe ledger seal`".to_owned();
    };
    let sealed: u64 = shown.ranges.iter().map(|range| range.leaves.end - range.leaves.start).sum();
    let open: u64 = shown.open.iter().map(|span| span.end - span.start).sum();
    match open {
        0 => format!("of the ledger's {sealed} sealed entries, by your parsing"),
        open => format!("of {sealed} sealed entries, by your parsing; {open} more are not sealed"),
    }
}

impl Answer {
    fn asked(self) -> AnswerAsked {
        match self {
            Self::Who => AnswerAsked::Who,
            Self::Why => AnswerAsked::Why,
            Self::Session => AnswerAsked::Session,
            Self::Chain => AnswerAsked::Chain,
            Self::ChainForward => AnswerAsked::ChainForward,
            Self::Lifecycle => AnswerAsked::Lifecycle,
        }
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
