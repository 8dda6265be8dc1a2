//! The commands of `ascribe ledger` about its checkpoints: who else stands behind them, how two of them stand to each
//! other, and serving them with their tree.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ascribe_ledger::Comparison;
use clap::Args;
use serde_json::json;

use super::escape::line;
use super::messages::{Exit, Failure, print};
use super::upkeep::form;
use super::{Asked, Output};
use crate::http::{self, Handler, Reach, ServeError, tlog::Tlog};
use crate::ops::{
    self, CompareError, CompareRequest, Patience, WitnessingError, ask_witnesses, compare_notes, consistency,
};

/// Arguments of `ledger compare`.
#[derive(Debug, Args)]
pub(super) struct CompareArguments {
    /// A checkpoint's note; alone, a proof of equivocation
    #[arg(value_name = "NOTE")]
    first: PathBuf,
    /// The other note
    #[arg(value_name = "NOTE")]
    second: Option<PathBuf>,
    /// A consistency proof of the larger note, as `ascribe ledger consistency` writes it
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
    /// File with the ledger's verifier key [default: that of the evidence folder]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Write a proof that anybody can check, where the two exclude each other
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Arguments of `ledger consistency`.
#[derive(Debug, Args)]
pub(super) struct ConsistencyArguments {
    /// The earlier size
    #[arg(value_name = "SIZE", value_parser = clap::value_parser!(u64).range(1..))]
    size: u64,
}

/// Where a service listens.
#[derive(Debug, Args)]
pub(super) struct ListenArguments {
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Listen on an address that other machines reach. There is no TLS and no login; a proxy in front brings both
    #[arg(long)]
    allow_remote: bool,
}

/// Arguments of `ledger serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    #[command(flatten)]
    listen: ListenArguments,
}

pub(super) fn witness(asked: &Asked<'_>) -> Result<Exit, Failure> {
    let done = ask_witnesses(asked.evidence, Patience::Ordinary)?;
    let quorum = if done.quorum_is_met { "met" } else { "not met" };
    let (signed, of) = (done.signed(), done.witnesses.len());
    let mut rows = vec![
        ("checkpoint", format!("{} entries", done.size)),
        ("quorum", format!("{quorum}: {signed} of {of} cosigned")),
        ("witnessed", format!("{} entries; {} are not yet", done.witnessed_size, done.lag())),
    ];
    if !done.published {
        rows.push(("published", "a larger checkpoint meanwhile; ask again for that one".to_owned()));
    }
    let told: Vec<(String, String)> = done
        .witnesses
        .iter()
        .map(|witness| {
            let sentence = line(&witness.reply.sentence(done.size), 400);
            (line(&witness.name, 100), format!("{}: {sentence}", witness.reply.word()))
        })
        .collect();
    rows.extend(told.iter().map(|(name, reply)| (name.as_str(), reply.clone())));
    let witnesses: Vec<_> = done
        .witnesses
        .iter()
        .map(|it| json!({ "name": it.name, "url": it.url, "reply": it.reply.word(), "detail": it.reply.sentence(done.size), "seen": it.seen }))
        .collect();
    let value = json!({
        "schema": "ascribe/ledger-witness/v1",
        "size": done.size,
        "quorum_met": done.quorum_is_met,
        "signed": signed,
        "witnesses": witnesses,
        "published": done.published,
        "witnessed_size": done.witnessed_size,
        "lag": done.lag(),
    });
    let mut more = String::new();
    for witness in &done.witnesses {
        if let Some(note) = &witness.seen {
            let name = line(&witness.name, 100);
            more.push_str(&format!(
                "\n--- what {name} cosigned; `ascribe ledger compare` shows more\n{note}"
            ));
        }
    }
    print(&form(asked.output, &rows, &value, &more))?;
    Ok(match (done.shows_another_ledger(), done.quorum_is_met) {
        (true, _) => Exit::No,
        (false, true) => Exit::Yes,
        (false, false) => Exit::Inconclusive,
    })
}

pub(super) fn compare(asked: &Asked<'_>, arguments: &CompareArguments) -> Result<Exit, Failure> {
    let request = CompareRequest {
        first: &arguments.first,
        second: arguments.second.as_deref(),
        proof: arguments.proof.as_deref(),
        key: arguments.key.as_deref(),
        write: arguments.write.as_deref(),
    };
    let compared = compare_notes(asked.evidence, &request)?;
    let (small, large) = compared.sizes;
    let (word, why, exit) = match compared.shown {
        Comparison::Consistent => ("consistent", "both are of one tree", Exit::Yes),
        Comparison::Equivocation => {
            ("EQUIVOCATION", "the ledger's key signed two trees that exclude each other", Exit::No)
        }
        Comparison::Undecided => (
            "undecided",
            "the sizes differ, and nothing at hand says what the larger tree was at the smaller size",
            Exit::Inconclusive,
        ),
    };
    let mut rows = vec![
        ("verdict", word.to_owned()),
        ("why", why.to_owned()),
        ("sizes", format!("{small} and {large} entries")),
    ];
    let proof = compared.proof.as_ref().map(ToString::to_string);
    if let Some(path) = arguments.write.as_ref().filter(|_| proof.is_some()) {
        rows.push(("proof", line(&path.to_string_lossy(), 300)));
    }
    let value = json!({
        "schema": "ascribe/ledger-compare/v1",
        "verdict": word.to_lowercase(),
        "sizes": [small, large],
        "proof": proof,
    });
    let more = match (&compared.shown, &proof, &arguments.write) {
        (Comparison::Undecided, ..) => {
            format!(
                "\nWho has the larger tree can say, by `ascribe ledger consistency {small}`; then give `--proof FILE`.\n"
            )
        }
        (_, Some(proof), None) => format!("\n{proof}"),
        _ => String::new(),
    };
    print(&form(asked.output, &rows, &value, &more))?;
    Ok(exit)
}

pub(super) fn consistent(asked: &Asked<'_>, arguments: &ConsistencyArguments) -> Result<Exit, Failure> {
    let (prefix, checkpoint) = consistency(asked.evidence, arguments.size)?;
    let text = prefix.to_string();
    // The table is the proof as a file, for `--proof`.
    if asked.output == Output::Table {
        print(&text)?;
        return Ok(Exit::Yes);
    }
    let rows = [
        ("old size", prefix.size.to_string()),
        ("old root", prefix.root.to_string()),
        ("size", checkpoint.size().to_string()),
        ("root", checkpoint.root().to_string()),
    ];
    let value = json!({
        "schema": "ascribe/ledger-consistency/v1",
        "old": { "size": prefix.size, "root": prefix.root.to_string() },
        "new": { "size": checkpoint.size(), "root": checkpoint.root().to_string() },
        "proof": text,
    });
    print(&form(asked.output, &rows, &value, ""))?;
    Ok(Exit::Yes)
}

pub(super) fn serve(asked: &Asked<'_>, arguments: &ServeArguments) -> Result<Exit, Failure> {
    let (paths, key) = ops::served_ledger(asked.evidence)?;
    let origin = key.name().to_owned();
    let tlog = Tlog::new(paths, key);
    let handler: Arc<Handler> = Arc::new(move |request| tlog.answer(request));
    listen(asked, &arguments.listen, ("ascribe/ledger-serve/v1", &[("ledger", origin)]), |listener| {
        // Requests have no body.
        http::serve(listener, 0, &handler)
    })
}

/// Takes the address, tells which it is, and serves until the process ends.
pub(super) fn listen(
    asked: &Asked<'_>,
    arguments: &ListenArguments,
    (schema, about): (&str, &[(&str, String)]),
    serve: impl FnOnce(std::net::TcpListener) -> Result<std::convert::Infallible, ServeError>,
) -> Result<Exit, Failure> {
    let reach = if arguments.allow_remote { Reach::Others } else { Reach::ThisMachine };
    let listener = http::listen(arguments.listen, reach)?;
    let address = listener.local_addr().map_err(ServeError::Run)?;
    let mut rows = vec![("listening", format!("http://{address}"))];
    rows.extend(about.iter().map(|(name, value)| (*name, line(value, 300))));
    let mut value = json!({ "schema": schema, "listening": format!("http://{address}") });
    for (name, text) in about {
        value[name.replace(' ', "_")] = json!(text);
    }
    print(&form(asked.output, &rows, &value, ""))?;
    match serve(listener)? {}
}

impl From<WitnessingError> for Failure {
    fn from(error: WitnessingError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}

impl From<CompareError> for Failure {
    fn from(error: CompareError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
