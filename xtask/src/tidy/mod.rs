//! Keeps the map true: one test over the whole checkout, run by the gate and by `cargo xtask tidy`.
//!
//! Each file of this folder is one family of rules: a pure function from a [`Tree`] to [`Problem`]s, with a case
//! that passes and one that fails for each rule. What `rustc`, `clippy` and `cargo deny` can check is left to them.

mod documents;
mod drops;
mod edges;
mod machine;
mod rust_text;
mod shape;
pub mod tables;
mod tree;
mod words;

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::Command;

pub use tree::{ReadTreeError, Tree};

/// One place that breaks one rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, from the root.
    pub path: String,
    /// The line, from 1, where one line is at fault.
    pub line: Option<usize>,
    /// The family of the rule: the name of its file here.
    pub rule: &'static str,
    /// What is wrong and, where it is not plain, what to do.
    pub message: String,
}

impl Problem {
    fn at(path: &str, rule: &'static str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: None, rule, message: message.into() }
    }

    fn at_line(path: &str, line: usize, rule: &'static str, message: impl Into<String>) -> Self {
        Self { line: Some(line), ..Self::at(path, rule, message) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        write!(out, "{}{line}: {}: {}", self.path, self.rule, self.message)
    }
}

/// Why the rules could not be run to their end.
#[derive(Debug, thiserror::Error)]
pub enum TidyError {
    #[error(transparent)]
    Read(#[from] ReadTreeError),
    #[error("cannot run `cargo tree`")]
    Cargo(#[source] std::io::Error),
    #[error("`cargo tree` failed for `{krate}`: {message}")]
    Listing { krate: &'static str, message: String },
    #[error("cannot write the findings")]
    Write(#[source] std::io::Error),
}

/// Runs every rule on the checkout below `root`, writes each problem to `out` and returns their number.
pub fn run(root: &Path, out: &mut dyn Write) -> Result<usize, TidyError> {
    let tree = Tree::read(root)?;
    let mut problems = check(&tree);
    for krate in edges::CORE_CRATES {
        problems.extend(edges::check_package_count(krate, &package_listing(root, krate)?));
    }
    problems.sort();
    for problem in &problems {
        writeln!(out, "{problem}").map_err(TidyError::Write)?;
    }
    Ok(problems.len())
}

/// Every rule that needs nothing but the files.
fn check(tree: &Tree) -> Vec<Problem> {
    let families = [
        documents::check,
        drops::check,
        edges::check,
        machine::check,
        shape::check,
        tables::check,
        words::check,
    ];
    families.iter().flat_map(|family| family(tree)).collect()
}

/// Whether a whole file is test code.
fn is_test_file(path: &str) -> bool {
    ["/tests/", "/benches/", "/tests.rs", "/fuzz_targets/"]
        .iter()
        .any(|part| format!("/{path}").contains(part))
}

fn package_listing(root: &Path, krate: &'static str) -> Result<String, TidyError> {
    let arguments = ["tree", "--locked", "--edges", "normal", "--prefix", "none", "--package", krate];
    let output =
        Command::new("cargo").args(arguments).current_dir(root).output().map_err(TidyError::Cargo)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(TidyError::Listing { krate, message })
    }
}
