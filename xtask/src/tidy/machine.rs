//! The project speaks of the project alone: no path of one machine, no package registry but the public one.
//!
//! Reads source, documents and settings. Fixtures are left out: a record may well name a file below `/root`.

use super::rust_text::RustText;
use super::{Problem, Tree};

/// Folders that exist on a developer's machine, cut in two so that this file passes its own rule.
const MACHINE_FOLDERS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// The folder that tests may name.
const SCRATCH_FOLDER: &str = concat!("/t", "mp/");

/// The one registry that `Cargo.lock` may name.
const PUBLIC_REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Cargo settings that send a build to another registry.
const REDIRECTIONS: [&str; 4] = ["replace-with", "[source.", "[registries", "[registry]"];

const JUDGED_ENDINGS: [&str; 8] = [".rs", ".md", ".toml", ".sh", ".yml", ".yaml", ".py", ".ci/run"];

/// Checks every text file that people write.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for ending in JUDGED_ENDINGS {
        for (path, text) in tree.texts(ending).filter(|(path, _)| !path.contains("fixtures/")) {
            problems.extend(folders(path, text));
            if ending == ".toml" {
                problems.extend(redirections(path, text));
            }
        }
    }
    for (path, text) in tree.texts("Cargo.lock") {
        problems.extend(lock_sources(path, text));
    }
    problems
}

fn folders(path: &str, text: &str) -> Vec<Problem> {
    let rust = path.strip_suffix(".rs").map(|_| RustText::new(text));
    let mut problems = Vec::new();
    for folder in MACHINE_FOLDERS.into_iter().chain([SCRATCH_FOLDER]) {
        for (offset, _) in text.match_indices(folder) {
            // A folder further down, or a part of a web address, is no path from the root.
            let before = text[..offset].chars().next_back();
            let is_inner = before.is_some_and(|it| it.is_alphanumeric() || "._-~*)}>".contains(it));
            let in_tests =
                rust.as_ref().is_some_and(|rust| super::is_test_file(path) || rust.in_tests(offset));
            let is_scratch_of_test = folder == SCRATCH_FOLDER && in_tests;
            if is_inner || is_scratch_of_test {
                continue;
            }
            let line = 1 + text[..offset].matches('\n').count();
            let message = format!("`{folder}` is a folder of one machine");
            problems.push(Problem::at_line(path, line, "machine", message));
        }
    }
    problems
}

fn redirections(path: &str, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(found) = REDIRECTIONS.iter().find(|it| line.trim_start().starts_with(**it)) {
            let message = format!("`{found}` sends the build to another registry");
            problems.push(Problem::at_line(path, number + 1, "machine", message));
        }
    }
    problems
}

fn lock_sources(path: &str, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let source = line.strip_prefix("source = \"").and_then(|it| it.strip_suffix('"'));
        if let Some(source) = source.filter(|source| *source != PUBLIC_REGISTRY) {
            let message = format!("`{source}` is not the public registry");
            problems.push(Problem::at_line(path, number + 1, "machine", message));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Tree::from([(path, text)])).len()
    }

    #[test]
    fn text_of_the_project_passes() {
        let scratch_in_test = format!("#[cfg(test)]\nmod tests {{ const A: &str = \"{SCRATCH_FOLDER}a\"; }}");
        let inner = format!("see https://example.org{}a and docs{}b", MACHINE_FOLDERS[0], MACHINE_FOLDERS[0]);
        assert_eq!(count("crates/a/src/lib.rs", &scratch_in_test), 0);
        assert_eq!(count("README.md", &inner), 0);
        assert_eq!(count("crates/sources/fixtures/a/b.md", MACHINE_FOLDERS[1]), 0);
        assert_eq!(count("Cargo.lock", &format!("source = \"{PUBLIC_REGISTRY}\"\n")), 0);
        assert_eq!(count(".cargo/config.toml", "[alias]\n"), 0);
    }

    #[test]
    fn text_of_one_machine_fails() {
        for folder in MACHINE_FOLDERS.into_iter().chain([SCRATCH_FOLDER]) {
            assert_eq!(count("README.md", &format!("see `{folder}a`")), 1, "{folder}");
            assert_eq!(
                count("crates/a/src/lib.rs", &format!("const A: &str = \"{folder}\";")),
                1,
                "{folder}"
            );
            assert_eq!(count(".ci/run", &format!("cd {folder}")), 1, "{folder}");
        }
        assert_eq!(count("Cargo.lock", "source = \"registry+https://mirror.example\"\n"), 1);
        assert_eq!(count(".cargo/config.toml", "[source.crates-io]\nreplace-with = \"mirror\"\n"), 2);
    }
}
