//! Which crate may lean on which: the map of ARCHITECTURE.md as rules.
//!
//! Our own edges, the heavy packages that stay inside one crate, and how many packages a core crate may pull in.
//! Reads manifests, and the output of `cargo tree` as the caller hands it in; runs nothing itself.

use std::collections::{BTreeMap, BTreeSet};

use super::{Problem, Tree};

/// The crates that a person who checks evidence has to trust and may want to build alone.
pub const CORE_CRATES: [&str; 5] =
    ["ascribe-model", "ascribe-sources", "ascribe-ledger", "ascribe-assess", "ascribe-bundle"];

/// Packages in the normal dependency tree of a core crate, itself included. The most that one person reviews in a
/// sitting; the bundle, the largest, stood at 39 when it came to be.
pub const CORE_PACKAGES_MAX: usize = 40;

/// The edges between our crates that may be written in a manifest, of any kind. A crate that is no key here may
/// have none, and nothing may lean on `ascribe-app` or `xtask`.
const ALLOWED_EDGES: [(&str, &[&str]); 9] = [
    ("ascribe-model", &[]),
    ("ascribe-sources", &["ascribe-model"]),
    ("ascribe-ledger", &[]),
    ("ascribe-store", &["ascribe-model"]),
    ("ascribe-assess", &["ascribe-model"]),
    ("ascribe-govern", &["ascribe-model"]),
    ("ascribe-bundle", &["ascribe-model", "ascribe-sources", "ascribe-ledger", "ascribe-assess"]),
    (
        "ascribe-app",
        &[
            "ascribe-model",
            "ascribe-sources",
            "ascribe-ledger",
            "ascribe-store",
            "ascribe-assess",
            "ascribe-govern",
            "ascribe-bundle",
            "ascribe-sql",
        ],
    ),
    ("xtask", &[]),
];

/// Edges that tests may have beside those: reasoning is tested on records as a source reads them, not on events that
/// somebody made up, and a line that a bench generates has to be one that a source takes.
const TEST_EDGES: [(&str, &str); 2] = [("ascribe-assess", "ascribe-sources"), ("xtask", "ascribe-sources")];

/// A heavy package and the only crates that may name it.
struct Fence {
    /// The package's name; with a final `*`, every name that starts so.
    package: &'static str,
    /// The crates inside the fence.
    inside: Inside,
    /// Whether tests may name it too.
    tests: Tests,
    why: &'static str,
}

enum Inside {
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

#[derive(PartialEq, Eq)]
enum Tests {
    Fenced,
    Free,
}

const FENCES: [Fence; 9] = [
    Fence {
        package: "arrow*",
        inside: Inside::Only(&["ascribe-store", "ascribe-sql"]),
        tests: Tests::Fenced,
        why: "the store hides its file format, and nothing else should wait for its build",
    },
    Fence {
        package: "parquet",
        inside: Inside::Only(&["ascribe-store"]),
        tests: Tests::Fenced,
        why: "the store hides its file format, and nothing else should wait for its build",
    },
    Fence {
        package: "datafusion*",
        inside: Inside::Only(&["ascribe-sql"]),
        tests: Tests::Fenced,
        why: "it takes longer to build than everything else together",
    },
    Fence {
        package: "clap*",
        inside: Inside::Only(&["ascribe-app", "xtask"]),
        tests: Tests::Fenced,
        why: "a library has no command line",
    },
    Fence {
        package: "indicatif",
        inside: Inside::Only(&["ascribe-app", "xtask"]),
        tests: Tests::Fenced,
        why: "a library does not draw",
    },
    Fence {
        package: "serde_json",
        inside: Inside::AllBut(&["ascribe-sources", "ascribe-ledger"]),
        tests: Tests::Free,
        why: "sources need exact byte spans, and the ledger knows no JSON",
    },
    Fence {
        package: "tokio",
        inside: Inside::Only(&["ascribe-app"]),
        tests: Tests::Fenced,
        why: "the core is synchronous and deterministic",
    },
    Fence {
        package: "hyper*",
        inside: Inside::Only(&["ascribe-app"]),
        tests: Tests::Fenced,
        why: "the core serves nobody",
    },
    Fence {
        package: "ureq",
        inside: Inside::Only(&["ascribe-app"]),
        tests: Tests::Fenced,
        why: "the core calls nobody",
    },
];

/// The kinds of dependency table in a manifest, and whether only tests see them.
const TABLES: [(&str, Tests); 3] = [
    ("dependencies", Tests::Fenced),
    ("build-dependencies", Tests::Fenced),
    ("dev-dependencies", Tests::Free),
];

/// Checks every member's manifest.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let allowed: BTreeMap<_, _> = ALLOWED_EDGES.into_iter().collect();
    let manifests = tree.texts("Cargo.toml").filter(|(path, _)| {
        *path == "xtask/Cargo.toml"
            || path.strip_prefix("crates/").is_some_and(|it| it.matches('/').count() == 1)
    });
    for (path, text) in manifests {
        let manifest: toml::Table = match toml::from_str(text) {
            Ok(manifest) => manifest,
            Err(error) => {
                problems.push(Problem::at(path, "edges", format!("is not TOML: {error}")));
                continue;
            }
        };
        let name = manifest.get("package").and_then(|it| it.get("name")).and_then(toml::Value::as_str);
        let Some(name) = name else {
            problems.push(Problem::at(path, "edges", "has no `package.name`"));
            continue;
        };
        let Some(allowed) = allowed.get(name) else {
            problems.push(Problem::at(path, "edges", format!("`{name}` has no row in `ALLOWED_EDGES`")));
            continue;
        };
        for dependency in dependencies(&manifest) {
            let for_tests =
                *dependency.seen_by == Tests::Free && TEST_EDGES.contains(&(name, dependency.package));
            if dependency.is_ours() && !allowed.contains(&dependency.package) && !for_tests {
                let message = format!("`{name}` may not lean on `{}`", dependency.package);
                problems.push(Problem::at(path, "edges", message));
            }
            for fence in FENCES.iter().filter(|fence| fence.keeps_out(name, &dependency)) {
                let message = format!("`{name}` may not name `{}`: {}", dependency.package, fence.why);
                problems.push(Problem::at(path, "edges", message));
            }
        }
    }
    problems
}

/// Checks the number of packages that `cargo tree --edges normal --prefix none` listed for a core crate.
pub fn check_package_count(krate: &str, listing: &str) -> Option<Problem> {
    // A package met again is marked `(*)`; it is still one package.
    let packages: BTreeSet<&str> =
        listing.lines().map(|line| line.trim_end_matches("(*)").trim()).filter(|it| !it.is_empty()).collect();
    let path = format!("crates/{}/Cargo.toml", krate.trim_start_matches("ascribe-"));
    let count = packages.len();
    if count == 0 {
        return Some(Problem::at(&path, "packages", format!("no package was listed for `{krate}`")));
    }
    (count > CORE_PACKAGES_MAX).then(|| {
        let message = format!("`{krate}` needs {count} packages; a core crate may need {CORE_PACKAGES_MAX}");
        Problem::at(&path, "packages", message)
    })
}

struct Dependency<'m> {
    package: &'m str,
    seen_by: &'m Tests,
}

impl Dependency<'_> {
    fn is_ours(&self) -> bool {
        self.package.starts_with("ascribe-") || self.package == "xtask"
    }
}

impl Fence {
    fn keeps_out(&self, krate: &str, dependency: &Dependency<'_>) -> bool {
        let matches = match self.package.strip_suffix('*') {
            Some(start) => dependency.package.starts_with(start),
            None => dependency.package == self.package,
        };
        let inside = match self.inside {
            Inside::Only(crates) => crates.contains(&krate),
            Inside::AllBut(crates) => !crates.contains(&krate),
        };
        let free = self.tests == Tests::Free && *dependency.seen_by == Tests::Free;
        matches && !inside && !free
    }
}

/// Every dependency of a manifest under the package's own name, target-specific ones too.
fn dependencies(manifest: &toml::Table) -> Vec<Dependency<'_>> {
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten();
    let places = std::iter::once(manifest).chain(targets.filter_map(|(_, target)| target.as_table()));
    let mut dependencies = Vec::new();
    for place in places {
        for (table, seen_by) in &TABLES {
            let rows = place.get(*table).and_then(toml::Value::as_table).into_iter().flatten();
            dependencies.extend(rows.map(|(name, value)| Dependency {
                package: value.get("package").and_then(toml::Value::as_str).unwrap_or(name),
                seen_by,
            }));
        }
    }
    dependencies
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, manifest: &str) -> Vec<String> {
        check(&Tree::from([(path, manifest)])).into_iter().map(|it| it.message).collect()
    }

    #[test]
    fn edges_of_the_map_pass() {
        let store = "[package]\nname = \"ascribe-store\"\n[dependencies]\nascribe-model = {}\narrow-array = {}\n\
                     parquet = {}\n[dev-dependencies]\nserde_json = \"1\"\n";
        assert_eq!(problems("crates/store/Cargo.toml", store), [""; 0]);
        let ledger = "[package]\nname = \"ascribe-ledger\"\n[dev-dependencies]\nserde_json = \"1\"\n";
        assert_eq!(problems("crates/ledger/Cargo.toml", ledger), [""; 0]);
        let assess = "[package]\nname = \"ascribe-assess\"\n[dev-dependencies]\nascribe-sources = {}\n";
        assert_eq!(problems("crates/assess/Cargo.toml", assess), [""; 0]);
    }

    #[test]
    fn edges_against_the_map_fail() {
        let cases = [
            ("ledger", "[dependencies]\nascribe-model = {}", "may not lean on `ascribe-model`"),
            ("sources", "[dev-dependencies]\nascribe-ledger = {}", "may not lean on `ascribe-ledger`"),
            ("assess", "[dependencies]\nascribe-app = {}", "may not lean on `ascribe-app`"),
            ("bundle", "[dependencies]\nascribe-store = {}", "may not lean on `ascribe-store`"),
            ("app", "[dependencies]\nparquet = {}", "may not name `parquet`"),
            ("app", "[dependencies]\ntables = { package = \"arrow-array\" }", "may not name `arrow-array`"),
            ("store", "[dependencies]\ndatafusion-sql = {}", "may not name `datafusion-sql`"),
            ("assess", "[dependencies]\nascribe-sources = {}", "may not lean on `ascribe-sources`"),
            ("assess", "[dev-dependencies]\nclap = {}", "may not name `clap`"),
            ("sources", "[dependencies]\nserde_json = {}", "may not name `serde_json`"),
            ("sources", "[target.'cfg(unix)'.dependencies]\nserde_json = {}", "may not name `serde_json`"),
            ("novel", "[dependencies]", "has no row in `ALLOWED_EDGES`"),
        ];
        for (krate, rows, expected) in cases {
            let manifest = format!("[package]\nname = \"ascribe-{krate}\"\n{rows}\n");
            let found = problems(&format!("crates/{krate}/Cargo.toml"), &manifest);
            assert_eq!(found.len(), 1, "{krate}: {found:?}");
            assert!(found[0].contains(expected), "{krate}: {found:?}");
        }
    }

    #[test]
    fn a_manifest_that_says_nothing_fails() {
        assert_eq!(problems("xtask/Cargo.toml", "[package]\n"), ["has no `package.name`"]);
        assert_eq!(problems("xtask/Cargo.toml", "[package").len(), 1);
    }

    #[test]
    fn packages_are_counted_once() {
        let listing = |count: usize| {
            let lines =
                (0..count).map(|number| format!("package{number} v1.0.0\npackage{number} v1.0.0 (*)"));
            lines.collect::<Vec<_>>().join("\n")
        };
        assert_eq!(check_package_count("ascribe-model", &listing(40)), None);
        let problem = check_package_count("ascribe-model", &listing(41)).unwrap();
        assert!(problem.message.contains("41 packages"), "{problem:?}");
        assert!(check_package_count("ascribe-model", "").is_some());
    }
}
