//! **Is it in order?** The gate, the benches and the long tests; `cargo xtask` lists them.
//!
//! No part of what a user runs: it reads the checkout and drives the programs that it builds.

mod bench;
mod check;
mod new_source;
mod options;
mod tidy;
mod torture;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK

  check   the gate: tidy, format, lint, test, document, licences
  tidy    the rules of this project that no other tool knows
  new-source NAME
          the file, the fixture folder and the two lines that make a source
  bench ingest [--events N] [--runs N] [--seed N] [--kinds cloudtrail,vault,kubernetes]
          how fast records become evidence, beside DuckDB and chDB on the same files, and beside the sum of its parts
  bench questions [--events N] [--keys N] [--seed N] [--folder DIR] [--instructions 1]
          how long answers take over many events, beside DuckDB on the same files; the folder keeps them
  bench ledger [--entries N] [--runs N] [--seconds N] [--seed N]
          durable appends and how long they wait, beside SQLite; checking, opening, and memory as a ledger grows
";

/// Exit codes are those of `ascribe`: 0 in order, 1 not in order, 2 usage or something that could not be run.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            talk(&format!("error: {error}"));
            let mut cause = error.source();
            while let Some(source) = cause {
                talk(&format!("  because: {source}"));
                cause = source.source();
            }
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[&str]) -> Result<ExitCode, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("`xtask` has no folder above it")?;
    let in_order = match arguments {
        ["check"] => check::run(root, &mut std::io::stderr())? == check::Verdict::Passes,
        ["tidy"] => tidy::run(root, &mut std::io::stdout().lock())? == 0,
        ["new-source", name] => {
            talk(&new_source::run(name, root)?);
            true
        }
        ["bench", "ingest", options @ ..] => {
            let options = bench::ingest::Options::parse(options)?;
            bench::ingest::run(&options, root, &mut std::io::stdout().lock(), &mut std::io::stderr())?;
            true
        }
        ["bench", "questions", options @ ..] => {
            let options = bench::questions::Options::parse(options)?;
            bench::questions::run(&options, root, &mut std::io::stdout().lock(), &mut std::io::stderr())?;
            true
        }
        ["bench", "ledger", options @ ..] => {
            let options = bench::ledger::Options::parse(options)?;
            bench::ledger::run(&options, root, &mut std::io::stdout().lock(), &mut std::io::stderr())?;
            true
        }
        ["torture", name, options @ ..] => {
            torture::run(name, options, root, &mut std::io::stdout())?;
            true
        }
        _ => {
            talk(&format!("{USAGE}{}", torture::usage()));
            return Ok(ExitCode::from(2));
        }
    };
    Ok(if in_order { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stderr, reason = "the one place where this program talks beside its output")]
fn talk(message: &str) {
    eprintln!("{message}");
}
