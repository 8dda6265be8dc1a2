//! The programs under test: `ascribe` and the examples that measure parts of it, built for release from this
//! checkout.

use std::collections::BTreeMap;
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
    #[error("`cargo build` named no program `{0}`")]
    NoProgram(String),
}

/// Builds `ascribe` for release and says where it is.
pub fn release(root: &Path) -> Result<PathBuf, BuildError> {
    let mut programs = build(root, &["--package", "ascribe-app", "--bin", "ascribe"])?;
    programs.remove("ascribe").ok_or_else(|| BuildError::NoProgram("ascribe".to_owned()))
}

/// Builds `ascribe` as its tests do, and says where it is: for what is not timed.
pub fn tested(root: &Path) -> Result<PathBuf, BuildError> {
    let mut programs = cargo_build(root, &["--package", "ascribe-app", "--bin", "ascribe"])?;
    programs.remove("ascribe").ok_or_else(|| BuildError::NoProgram("ascribe".to_owned()))
}

/// Builds the program of `interop/`, which is a workspace of its own, and says where it is.
pub fn foreign_reader(root: &Path) -> Result<PathBuf, BuildError> {
    let mut programs = cargo_build(&root.join("interop"), &[])?;
    programs.remove("ascribe-interop").ok_or_else(|| BuildError::NoProgram("ascribe-interop".to_owned()))
}

/// Builds the program of `bench/`, which is a workspace of its own, and says where it is.
pub fn ledger_bench(root: &Path) -> Result<PathBuf, BuildError> {
    let mut programs = build(&root.join("bench"), &[])?;
    programs.remove("ledger-bench").ok_or_else(|| BuildError::NoProgram("ledger-bench".to_owned()))
}

/// Builds the ledger's faults over a simulated disk, and says where they are.
pub fn simulation(root: &Path) -> Result<PathBuf, BuildError> {
    let arguments = ["--package", "ascribe-ledger", "--features", "simulation", "--example", "torture"];
    let mut programs = build(root, &arguments)?;
    programs.remove("torture").ok_or_else(|| BuildError::NoProgram("torture".to_owned()))
}

/// An example and the package that it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    pub package: &'static str,
    pub name: &'static str,
}

/// Builds examples for release and says where they are, by name.
pub fn examples(root: &Path, examples: &[Example]) -> Result<BTreeMap<&'static str, PathBuf>, BuildError> {
    let arguments: Vec<&str> =
        examples.iter().flat_map(|it| ["--package", it.package, "--example", it.name]).collect();
    let mut programs = build(root, &arguments)?;
    let found = examples.iter().map(|Example { name, .. }| {
        let program = programs.remove(*name).ok_or_else(|| BuildError::NoProgram((*name).to_owned()))?;
        Ok((*name, program))
    });
    found.collect()
}

/// The programs that a build for release makes, by name.
fn build(root: &Path, arguments: &[&str]) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    cargo_build(root, &[&["--release"], arguments].concat())
}

/// The programs that a build makes, by name.
fn cargo_build(root: &Path, arguments: &[&str]) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let output = Command::new("cargo")
        .args(["build", "--locked"])
        .args(arguments)
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .map_err(BuildError::Cargo)?;
    if !output.status.success() {
        return Err(BuildError::Failed(output.status));
    }
    let mut programs = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line).map_err(BuildError::Json)?;
        if let (Some(name), Some(program)) =
            (message["target"]["name"].as_str(), message["executable"].as_str())
        {
            programs.insert(name.to_owned(), PathBuf::from(program));
        }
    }
    Ok(programs)
}
