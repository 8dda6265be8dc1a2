//! **Who asks?** The program `ascribe`: parse, run, exit code.

mod cli;
mod clock;
mod ingest;
mod ops;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    cli::exit_code(cli::run(&arguments))
}
