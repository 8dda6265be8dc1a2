//! The program under test: `ascribe`, built for release from this checkout.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use serde_json::Value;

/// Why there is no program.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("cannot run `cargo build`")]
    Cargo(#[source] std::io::Error),
    #[error("`cargo build` ended with {0}")]
    Failed(ExitStatus),
    #[error("`cargo build` printed something else than JSON")]
    Json(#[source] serde_json::Error),
    #[error("`cargo build` named no program")]
    NoProgram,
}

/// Builds `ascribe` for release and says where it is.
pub fn release(root: &Path) -> Result<PathBuf, BuildError> {
    let output = Command::new("cargo")
        .args(["build", "--locked", "--release", "--package", "ascribe-app", "--bin", "ascribe"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .map_err(BuildError::Cargo)?;
    if !output.status.success() {
        return Err(BuildError::Failed(output.status));
    }
    let mut program = None;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line).map_err(BuildError::Json)?;
        program = message["executable"].as_str().map(PathBuf::from).or(program);
    }
    program.ok_or(BuildError::NoProgram)
}
