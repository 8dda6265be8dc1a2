//! The gate: `cargo xtask check` runs what has to pass before a change goes in, here and in CI alike.
//!
//! A step that fails does not stop the others, so that one run shows everything. Needs nothing beyond Rust: a tool
//! that is not installed is skipped, and the skip is said.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::tidy::{self, TidyError};

/// Why the gate could not be run to its end; a step that fails is no error but [`Verdict::Fails`].
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("cannot run `{program}`")]
    Run {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Tidy(#[from] TidyError),
    #[error("cannot write what the gate did")]
    Write(#[source] std::io::Error),
}

/// What the whole gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Passes,
    Fails,
}

/// One `cargo` command of the gate.
struct Step {
    name: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

/// In the order of what is cheapest to learn.
const STEPS: [Step; 5] = [
    Step { name: "format", arguments: &["fmt", "--all", "--check"], environment: &[] },
    Step {
        name: "lint",
        arguments: &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"],
        environment: &[],
    },
    Step {
        // Alone, because a build of everything gives the ledger its files back, and the verifier has to do without.
        name: "verifier alone",
        arguments: &["check", "--locked", "--package", "ascribe-bundle"],
        environment: &[],
    },
    Step { name: "test", arguments: &["test", "--locked", "--workspace"], environment: &[] },
    Step {
        name: "document",
        arguments: &["doc", "--locked", "--workspace", "--no-deps"],
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
    },
];

/// What one step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Skipped(&'static str),
}

/// Runs every step on the checkout below `root`. What the gate itself says goes to `talk`; the steps' own output
/// goes where this process's does.
pub fn run(root: &Path, talk: &mut dyn Write) -> Result<Verdict, CheckError> {
    let mut failed = Vec::new();
    let mut step = |name: &'static str, run: &mut dyn FnMut() -> Result<Outcome, CheckError>| {
        writeln!(talk, "gate: {name} …").map_err(CheckError::Write)?;
        let start = Instant::now();
        let outcome = run()?;
        let seconds = start.elapsed().as_secs_f64();
        let said = match outcome {
            Outcome::Passed => "ok".to_owned(),
            Outcome::Failed => "FAILED".to_owned(),
            Outcome::Skipped(why) => format!("SKIPPED: {why}"),
        };
        if outcome == Outcome::Failed {
            failed.push(name);
        }
        writeln!(talk, "gate: {name}: {said} ({seconds:.1} s)").map_err(CheckError::Write)
    };
    step("tidy", &mut || tidy_step(root))?;
    for one in &STEPS {
        step(one.name, &mut || cargo_step(root, one))?;
    }
    step("licences and sources", &mut || deny_step(root, &["bans", "licenses", "sources"]))?;
    step("advisories", &mut || deny_step(root, &["advisories"]))?;
    if failed.is_empty() {
        writeln!(talk, "gate: passes").map_err(CheckError::Write)?;
        return Ok(Verdict::Passes);
    }
    writeln!(talk, "gate: fails at {}", failed.join(", ")).map_err(CheckError::Write)?;
    Ok(Verdict::Fails)
}

fn tidy_step(root: &Path) -> Result<Outcome, CheckError> {
    let problems = tidy::run(root, &mut std::io::stdout().lock())?;
    Ok(if problems == 0 { Outcome::Passed } else { Outcome::Failed })
}

fn cargo_step(root: &Path, step: &Step) -> Result<Outcome, CheckError> {
    let mut command = Command::new("cargo");
    command.args(step.arguments).envs(step.environment.iter().copied()).current_dir(root);
    let status =
        command.status().map_err(|source| CheckError::Run { program: "cargo".to_owned(), source })?;
    Ok(if status.success() { Outcome::Passed } else { Outcome::Failed })
}

/// `cargo deny`, where it is installed. Advisories need the network: a database that cannot be fetched is a skip,
/// an advisory that is found is a failure.
fn deny_step(root: &Path, checks: &[&str]) -> Result<Outcome, CheckError> {
    let failed = |source| CheckError::Run { program: "cargo deny".to_owned(), source };
    let installed = Command::new("cargo")
        .args(["deny", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(failed)?;
    if !installed.success() {
        return Ok(Outcome::Skipped("`cargo deny` is not installed"));
    }
    let output = Command::new("cargo")
        .args(["deny", "--locked", "check", "--hide-inclusion-graph"])
        .args(checks)
        .current_dir(root)
        .output()
        .map_err(failed)?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && said.contains("failed to fetch advisory database") {
        return Ok(Outcome::Skipped("the advisory database cannot be fetched"));
    }
    std::io::stderr().write_all(&output.stderr).map_err(CheckError::Write)?;
    Ok(if output.status.success() { Outcome::Passed } else { Outcome::Failed })
}
