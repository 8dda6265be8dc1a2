//! Faults that are tried inside one process: the example `torture` of the ledger's crate, built for release with the
//! simulation, which knows the options and what must hold.

use std::io::Write;
use std::process::Command;

use super::{Scene, TortureError};
use crate::bench::build;

/// Hands name and options over, and what the example prints through.
pub fn run(scene: &Scene<'_>, options: &[&str], _: &mut dyn Write) -> Result<(), TortureError> {
    let program = build::simulation(scene.root)?;
    let status = Command::new(&program)
        .arg(scene.name)
        .args(options)
        .status()
        .map_err(|source| TortureError::Run { program: program.display().to_string(), source })?;
    if status.success() { Ok(()) } else { Err(TortureError::DidNotHold(scene.name)) }
}
