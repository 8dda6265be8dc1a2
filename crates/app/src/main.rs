//! **Who asks?** The program `ascribe`: parse, run, exit code.

mod access;
mod capture;
mod causes;
mod cli;
mod clock;
mod connect;
mod enrichment;
mod hexadecimal;
mod http;
mod ingest;
mod ops;
mod pulse;
mod retention;
mod timestamp;
mod workspace;

use std::process::ExitCode;

/// Events are made by one thread and freed by another, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::exit_code(cli::run(&cli::arguments()))
}
